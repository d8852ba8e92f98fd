"""Systems that the benchmarks solve."""

from __future__ import annotations

import numpy as np

import bdg
from bdg.lattices import Layer, stack
from bdg.lattices.builders.composites import grain_composite
from bdg.lattices.builders.grains_at import grains_at

GAP = 0.3  # in t
TEMPERATURE = 0.05 * GAP

ATTRACTION, DISORDER, MU, START = 2.6, 1.0, -1.0, 0.3


def composite(size: int) -> bdg.System:
    """Return the system of all rows: open cube, 9 % of the volume in grains of 8 sites diameter, W = 1, mu = -1."""
    diameter = 8 if size >= 12 else 3  # a tiny box cannot hold 9 % in large spheres
    return grain_composite(
        (size,) * 3, 1, volume_fraction=0.09, diameter=diameter, mu=-1, delta=GAP, disorder=1, seed=1
    )


def cluster(size: int) -> bdg.System:
    """Return four grains on corners of an open cube no two of which share an edge, each a third of the cube wide."""
    corners = np.array([(1, 1, 1), (1, 3, 3), (3, 1, 3), (3, 3, 1)])
    return grains_at((size,) * 3, 1, 0.25 * size * corners, size / 3, mu=MU, delta=GAP, disorder=DISORDER, seed=1)


def sandwich(size: int) -> bdg.System:
    """Return the cube of ``size``^3 sites."""
    thickness = size // 3
    electrode = Layer(thickness, delta=START, attraction=ATTRACTION, disorder=DISORDER)
    middle = Layer(size - 2 * thickness, disorder=DISORDER)
    return stack([electrode, middle, electrode], (size, size), mu=MU, seed=1)
