"""One seed for a whole system, and independent random numbers for each of its parts."""

from __future__ import annotations

from typing import Any

import numpy as np

from bdg.lattices.arguments import whole_number

PACKING, HOST, DISORDER = 0, 1, 2  # parts with numbers of their own: changing one leaves the others as they are


def resolve_seed(seed: Any) -> int:
    """Return ``seed`` as an int; None draws one from the operating system, so that the run can be repeated from it.

    Raises
    ------
    TypeError, ValueError
        If ``seed`` is neither None nor a whole number >= 0.
    """
    if seed is None:
        return int(np.random.SeedSequence().generate_state(1, np.uint32)[0])
    return whole_number("seed", seed, 0, instead="None for one drawn by chance")


def stream(seed: int, part: int) -> np.random.Generator:
    """Return the generator of one part of the system that belongs to ``seed``."""
    return np.random.default_rng(np.random.SeedSequence(seed, spawn_key=(part,)))
