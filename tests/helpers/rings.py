"""Coaxial rings of current: mutual inductances with elliptic integrals."""

import math

import numpy as np
import scipy.special

MU_0 = 4e-7 * math.pi


def ring_inductances(radii, heights, widths):
    """Return the inductances (N, N) in H of flat or upright strips of some width, bent to rings (lengths in m).

    ``mu_0 sqrt(R R') [(2/k - k) K - 2 E/k]``, k^2 = 4 R R'/[(R + R')^2 + z^2]; itself ``mu_0 R [ln(8 R/w) - 1/2]``, the
    mean distance of a strip from itself being w exp(-3/2).
    """
    r, other = radii[:, None], radii[None, :]
    z = heights[:, None] - heights[None, :]
    k_squared = 4 * r * other / ((r + other) ** 2 + z**2)
    np.fill_diagonal(k_squared, 0.5)
    k = np.sqrt(k_squared)
    elliptic = (2 / k - k) * scipy.special.ellipk(k_squared) - 2 / k * scipy.special.ellipe(k_squared)
    found = MU_0 * np.sqrt(r * other) * elliptic
    np.fill_diagonal(found, MU_0 * radii * (np.log(8 * radii / widths) - 0.5))
    return found
