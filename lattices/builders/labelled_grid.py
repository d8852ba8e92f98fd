"""Hoppings of a grid whose sites carry labels of grains."""

from __future__ import annotations

import numpy as np

from bdg.lattices.builders.grid import bond_mask, neighbour_values


def grain_hoppings(grain: np.ndarray, t: float, scale: float, periodic: bool) -> tuple[list[np.ndarray], int]:
    """Return the hoppings along each axis, weaker between grain and host, and how many bonds join two grains."""
    hoppings, between = [], 0
    for axis in range(grain.ndim):
        other = neighbour_values(grain, axis)
        hoppings.append(np.where((grain >= 0) != (other >= 0), -t * scale, -t))
        touching = (grain >= 0) & (other >= 0) & (grain != other)
        between += int(np.count_nonzero(touching & bond_mask(grain.shape, axis, periodic)))
    return hoppings, between
