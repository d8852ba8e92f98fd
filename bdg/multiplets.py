"""Degenerate levels: which energies count as one."""

from __future__ import annotations

import numpy as np


def multiplets(energies: np.ndarray, width: float) -> list[np.ndarray]:
    """Return the numbers of the levels of each multiplet, in ascending order of energy.

    Two neighbours in the ascending order belong together if they differ by at most ``width``.
    """
    energies = np.asarray(energies, dtype=float)
    order = np.argsort(energies, kind="stable")
    breaks = np.flatnonzero(np.diff(energies[order]) > width) + 1
    return [group for group in np.split(order, breaks) if group.size]
