r"""Decay length of a pair amplitude in a disordered metal, by routes of its own.

The linearised Eilenberger equation with isotropic scattering in three dimensions,
``artanh(kappa l/(1 + 2 w tau)) = kappa l`` with ``w = pi k_B T/hbar`` (Eilenberger 1968), is solved by bisection;
averages over the Fermi surface of the cubic band are sums over a mesh of momenta with a narrow Gaussian in energy.
"""

from __future__ import annotations

import functools
import math

import numpy as np
from scipy.optimize import brentq


def decay_length(velocity: float, mean_free_path: float, temperature: float) -> float:
    """Return 1/kappa for a velocity (energy x length/hbar), a mean free path and k_B T."""
    b = 2 * math.pi * temperature * mean_free_path / velocity  # 2 w tau
    # in x = kappa l/(1 + b), between 0 and 1: artanh(x) = (1 + b) x
    x = brentq(lambda x: math.atanh(x) - (1 + b) * x, 1e-9, 1 - 1e-15, xtol=1e-15)
    return mean_free_path / (x * (1 + b))


@functools.lru_cache
def fermi_surface(mu: float, mesh: int = 160, width: float = 0.05) -> tuple[float, float]:
    """Return the mean |v| (hopping x lattice constant/hbar) and the density of states per site and spin (1/hopping).

    Of ``-2 (cos kx + cos ky + cos kz) = mu``, with midpoints of an octant of the Brillouin zone.
    """
    k = (np.arange(mesh) + 0.5) * np.pi / mesh
    cosine, square = 2 * np.cos(k), 4 * np.sin(k) ** 2
    number = speed = 0.0
    for x in range(mesh):
        energy = -(cosine[x] + cosine[:, None] + cosine[None, :])
        weight = np.exp(-(((energy - mu) / width) ** 2) / 2)
        number += weight.sum()
        speed += (weight * np.sqrt(square[x] + square[:, None] + square[None, :])).sum()
    return speed / number, number / mesh**3 / (width * math.sqrt(2 * math.pi))
