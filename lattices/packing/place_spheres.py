"""A wanted number of equal spheres at random in an open box, each of them whole."""

from __future__ import annotations

from typing import Any

import numpy as np

from bdg.lattices.arguments import length_in_range, non_negative_number, whole_number
from bdg.lattices.packing.pack_spheres import Packing, box_lengths
from bdg.lattices.seeds import PACKING, resolve_seed, stream

TRIALS, RESTARTS = 20_480, 50  # places that are tried for the spheres of one attempt, and attempts
BATCH = 1024


def place_spheres(
    size: Any, *, number: int, diameter: float, minimum_gap: float = 0.0, seed: int | None = None
) -> Packing:
    """Return ``number`` equal spheres (discs) that lie wholly inside an open box and do not come closer than a gap.

    One after the other is put at a random place where it fits (random sequential addition); an attempt that gets stuck
    begins again.

    Parameters
    ----------
    size : sequence of 2 or 3 floats
        Lengths of the box, in the unit of ``diameter``.
    number : int
        At least 1.
    diameter : float
        At most the shortest edge.
    minimum_gap : float
        Least distance of two surfaces.
    seed : int, optional
        The same arguments and seed give the same centres, bit for bit.

    Raises
    ------
    TypeError, ValueError
        If an argument is out of range, or so many spheres are not placed in 50 attempts.
    """
    box = box_lengths(size)
    diameter = length_in_range("diameter", diameter)
    gap = non_negative_number("minimum_gap", minimum_gap)
    number = whole_number("number", number, 1, unit="spheres")
    if diameter > box.min():
        raise ValueError(f"diameter = {diameter:g} does not fit into a box of {box.tolist()}: enlarge the box")
    given = resolve_seed(seed)
    rng = stream(given, PACKING)
    trials, most = 0, 0
    for _ in range(RESTARTS):
        centres, tried = _attempt(rng, box, number, diameter, gap)
        trials, most = trials + tried, max(most, len(centres))
        if len(centres) == number:
            volume = number * (np.pi / 6 * diameter**3 if box.size == 3 else np.pi / 4 * diameter**2)
            share = float(volume / box.prod())
            sizes = np.full(number, diameter)
            return Packing(centres, sizes, tuple(box.tolist()), False, share, share, given, trials)
    raise ValueError(
        f"{number} spheres of diameter {diameter:g} with gaps of at least {gap:g} do not fit at random into a box of "
        f"{box.tolist()}: {most} were placed at most. Enlarge the box, or take fewer or smaller spheres"
    )


def _attempt(
    rng: np.random.Generator, box: np.ndarray, number: int, diameter: float, gap: float
) -> tuple[np.ndarray, int]:
    """Return the centres that were placed, and how many places were tried."""
    placed = np.empty((0, box.size))
    for tried in range(0, TRIALS, BATCH):
        trial = rng.uniform(0.5 * diameter, box - 0.5 * diameter, (BATCH, box.size))
        free = np.arange(BATCH)
        while True:
            away = ((trial[free, None] - placed) ** 2).sum(axis=2)
            free = free[(away >= (diameter + gap) ** 2).all(axis=1)]
            if not free.size:
                break
            placed = np.vstack([placed, trial[free[0]]])  # as if the trials were made one after the other
            if len(placed) == number:
                return placed, tried + BATCH
            free = free[1:]
    return placed, TRIALS
