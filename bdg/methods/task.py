"""What `bdg.estimate` is told about a function: its arguments, its options, and how it chooses."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from bdg.base.hamiltonian import BdGHamiltonian
from bdg.base.results import Choice
from bdg.gpu.cost.model import Option
from bdg.gpu.device.backend import Backend

Chooser = Callable[[], Choice]
"""Chooses as the function itself does."""
Found = tuple[list[Option], Chooser]
Arguments = Mapping[str, Any]


@dataclass(frozen=True)
class Task:
    """How a function is asked: ``options(h, backends, device, given)``, its arguments, and those it needs."""

    options: Callable[[BdGHamiltonian, Sequence[Backend], str, Arguments], Found]
    arguments: tuple[str, ...]
    required: frozenset[str] = field(default_factory=frozenset)
