"""The method that is expected to be done first, and the next one where its factors are of no use.

Whether a factor without pivoting across fronts can be used shows only when it has been made: next to a level that many
states share, its pivots may be as small as the distance to that level.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TypeVar

from bdg.gpu.cost.model import Option
from bdg.gpu.device.backend import Backend
from bdg.gpu.multifrontal import FactorError
from bdg.methods import costs

Found = TypeVar("Found")


def first_working(
    method: str,
    options: Sequence[Option],
    backends: Sequence[Backend],
    run: Callable[[str, Backend], Found],
    what: str,
    task: str = "",
    unnoticed: float = 0.0,
) -> tuple[Found, str, str, Backend]:
    """Return what ``run(method, backend)`` gives, with method, the reason for it, and backend; see `costs.decided`.

    "auto" goes on to the next method that fits where a `FactorError` says that factors cannot be used, and the reason
    names what failed. A method that was asked for has no such way out.

    Raises
    ------
    FactorError
        If no other method fits, or a method was asked for.
    MemoryBudgetError
        If nothing fits to begin with.
    """
    left, failed = list(options), ""
    while True:
        taken, why, backend = costs.decided(method, left, backends, what, task, unnoticed)
        try:
            return run(taken, backend), taken, f"{failed}{why}", backend
        except FactorError as error:
            left = [option for option in left if option.method != taken]
            if method != "auto" or not left:
                raise
            if not any(option.feasible for option in left):
                raise FactorError(f"{error}. Nothing else fits: {costs.refusal(left)}") from error
            failed += f"{taken} failed: {str(error).split('. ')[0]}; of what is left, "
