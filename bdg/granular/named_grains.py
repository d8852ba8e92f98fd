"""Checks of the grains that a caller names, of their phases, and of the pairing that these can turn."""

from __future__ import annotations

from typing import Any

import numpy as np

from bdg.lattices.arguments import whole_number
from bdg.lattices.system import System

MOST_GRAINS = 4


def require_grains(grains: Any, n_grains: int) -> list[int]:
    """Return two to four different grains."""
    try:
        named = list(grains)
    except TypeError as error:
        raise TypeError(f"grains must be a list of grain numbers; got {grains!r}") from error
    if not 2 <= len(named) <= MOST_GRAINS:
        raise ValueError(f"grains must name two, three or four grains; got {len(named)}")
    for grain in named:
        if isinstance(grain, bool) or not isinstance(grain, int | np.integer) or not 0 <= grain < n_grains:
            raise ValueError(f"grains names {grain!r}, but the system has {n_grains} grains, numbered from 0")
    if len(set(named)) < len(named):
        raise ValueError(f"grains must differ from each other; got {named}")
    return [int(grain) for grain in named]


def require_points(points: Any) -> int:
    """Return an even number of phases, at least 4."""
    number = whole_number("points", points, 4, unit="an even number of phases")
    if number % 2:
        raise ValueError(f"points must be an even number of phases, so that pi is one; got {points!r}")
    return number


def require_grain_pairing(system: System) -> None:
    """Raise ValueError for bond pairing between grains."""
    if system.pairing is None:
        return
    entries = system.pairing.tocoo()
    first, second = (system.grain[index // system.norbs] for index in (entries.row, entries.col))
    if (first != second).any():
        raise ValueError(
            "pairing joins sites of different grains (or of a grain and the host): such bonds turn by half of each "
            "phase, and F has the period 4 pi. Give both ends to one grain"
        )


def holds_all_pairing(system: System, grains: list[int]) -> bool:
    """Return True if no site outside of these grains has pairing."""
    entries = system.pairing_block.tocoo()
    paired = np.unique(entries.row[entries.data != 0] // system.norbs)
    return bool(np.isin(system.grain[paired], grains).all())


def require_places(grains: Any, n_grains: int) -> list[int]:
    """Return at least one number of a grain, all different."""
    try:
        named = list(grains)
    except TypeError as error:
        raise TypeError(f"grains must be a list of grain numbers; got {grains!r}") from error
    for grain in named:
        if isinstance(grain, bool | np.bool_) or not isinstance(grain, int | np.integer) or not 0 <= grain < n_grains:
            raise ValueError(f"grains names {grain!r}, but there are {n_grains} grains, numbered from 0")
    if not named or len(set(named)) < len(named):
        raise ValueError(f"grains must be at least one, and differ from each other; got {named}")
    return [int(grain) for grain in named]
