"""Which sites of a superconducting part lie deep inside: where a phase is held and current may enter and leave."""

from __future__ import annotations

from typing import Any

import numpy as np

from bdg.base.arguments import require_sites
from bdg.lattices.system import System

SHALLOW = 0.75  # of the greatest depth: what lies from there on is deep


def depths(system: System, grain: int) -> np.ndarray:
    """Return, for each site of a grain in order, its distance in bonds to the nearest site that is not of it.

    1 at the boundary; 0 everywhere if the grain touches nothing else. An open end of the lattice is no boundary.
    """
    inside = system.grain == grain
    depth = np.zeros(system.n_sites, dtype=np.int64)
    reached = ~inside
    level = 0
    while True:
        level += 1
        front = inside & ~reached & (system.adjacency @ reached.astype(np.int32) > 0)
        if not front.any():
            return depth[inside]
        depth[front] = level
        reached = reached | front


def deep_sites(system: System, grain: int) -> np.ndarray:
    """Return the sites of a grain from three quarters of its greatest depth on."""
    depth = depths(system, grain)
    return np.flatnonzero(system.grain == grain)[depth >= SHALLOW * depth.max()]


def deep_of(pinned: Any, system: System, pair: tuple[int, int]) -> tuple[np.ndarray, str]:
    """Return the sites where the phase is held, and how they were chosen."""
    if pinned is None:
        parts = [deep_sites(system, grain) for grain in pair]
        sizes = [int((system.grain == grain).sum()) for grain in pair]
        words = " and ".join(
            f"{part.size} of the {size} sites of grain {grain}"
            for part, size, grain in zip(parts, sizes, pair, strict=True)
        )
        return np.concatenate(parts), f"{words}: from {SHALLOW:g} of the greatest depth on"
    sites = require_sites(pinned, system.n_sites, "pinned")
    for grain in pair:
        if not (system.grain[sites] == grain).any():
            raise ValueError(f"pinned must hold sites of both grains; none of them lies in grain {grain}")
    return sites, f"as asked: {sites.size} sites"


def require_between(between: Any, system: System) -> tuple[int, int]:
    """Return two different grains of a system; None means the first and the last.

    Raises
    ------
    ValueError
        If a grain does not exist, has no pairing to carry a phase, both are the same, or the system has fewer than two.
    """
    if system.n_grains < 2:
        raise ValueError(
            f"a phase difference needs two grains; the system has {system.n_grains}. Give it two superconducting "
            "parts (layers of a stack, grains of a composite, or grain=...)"
        )
    pair = np.array([0, system.n_grains - 1]) if between is None else np.asarray(between)
    if pair.shape != (2,) or pair.dtype.kind not in "iu":
        raise ValueError(f"between must be two grain numbers (first, last); got {between!r}")
    for grain in pair:
        if not 0 <= grain < system.n_grains:
            raise ValueError(
                f"between names grain {grain}, but the system has {system.n_grains} grains, numbered from 0"
            )
    if pair[0] == pair[1]:
        raise ValueError(f"between must be two different grains; got {between!r}")
    _require_phase(system, pair)
    return int(pair[0]), int(pair[1])


def _require_phase(system: System, pair: np.ndarray) -> None:
    """Refuse grains that cannot have a phase; most often a mask was given as the numbers 0 and 1."""
    rows = np.asarray(abs(system.pairing_block).sum(axis=1)).reshape(-1, system.norbs).sum(axis=1)
    paired = (rows > 0) | (system.attraction > 0)
    for grain in pair:
        if not paired[system.grain == grain].any():
            raise ValueError(
                f"grain {grain} has neither pairing nor attraction, so a phase means nothing there. In grain, -1 is "
                "the host, 0, 1, ... are superconducting parts; a mask of them must be booleans, not numbers 0 and 1"
            )
