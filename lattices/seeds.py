"""One seed for a whole system, and independent random numbers for each of its parts."""

from __future__ import annotations

from numbers import Integral
from typing import Any

import numpy as np

PACKING, HOST, DISORDER = 0, 1, 2  # parts with numbers of their own: changing one leaves the others as they are


def resolve_seed(seed: Any) -> int:
    """Return ``seed`` as an int; None draws one from the operating system, so that the run can be repeated from it.

    Raises
    ------
    TypeError, ValueError
        If ``seed`` is neither None nor an integer >= 0.
    """
    if seed is None:
        return int(np.random.SeedSequence().generate_state(1, np.uint32)[0])
    if isinstance(seed, bool) or not isinstance(seed, Integral):
        raise TypeError(f"seed must be an integer >= 0 or None; got {seed!r:.80} ({type(seed).__name__})")
    if seed < 0:
        raise ValueError(f"seed must be an integer >= 0 or None; got {seed}")
    return int(seed)


def stream(seed: int, part: int) -> np.random.Generator:
    """Return the generator of one part of the system that belongs to ``seed``."""
    return np.random.default_rng(np.random.SeedSequence(seed, spawn_key=(part,)))
