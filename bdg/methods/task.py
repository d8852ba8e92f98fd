"""What `bdg.estimate` is told about a function: its arguments, its options, and how it chooses."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from bdg.base.hamiltonian import BdGHamiltonian
from bdg.gpu.cost.model import Option
from bdg.gpu.device.backend import Backend

Choice = Callable[[], tuple[str, str, str]]
"""Method, reason and device as the function itself chooses them."""
Found = tuple[list[Option], Choice]
Arguments = Mapping[str, Any]


@dataclass(frozen=True)
class Task:
    """How a function is asked: ``options(h, backends, device, given)``, its arguments, and those it needs."""

    options: Callable[[BdGHamiltonian, Sequence[Backend], str, Arguments], Found]
    arguments: tuple[str, ...]
    required: frozenset[str] = field(default_factory=frozenset)


def placed(found: tuple[str, str, Backend]) -> tuple[str, str, str]:
    """Return method, reason and device of a choice."""
    return found[0], found[1], found[2].device
