"""The memory of this machine against what builders say they need: the judge of `bdg.lattices.budget`.

`bdg.lattices` and `bdg.gpu` know nothing of each other. The builders state their needs, `bdg.gpu.device.memory` says
what the machine has left, and here both meet: so there is one `MemoryBudgetError`, for systems as for what is computed
of them.
"""

from __future__ import annotations

from bdg.gpu.device.backend import MemoryBudgetError
from bdg.gpu.device.memory import host_bytes
from bdg.lattices import budget
from bdg.lattices.budget import Building


def require_building(building: Building) -> None:
    """Raise `MemoryBudgetError` if a system is too large for this machine to build; the text says what would fit."""
    available = host_bytes()
    if building.bytes > available:
        raise MemoryBudgetError(building.refusal(available))


budget.judged_by(require_building)
