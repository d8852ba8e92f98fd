r"""The gap equation of a uniform superconductor on a lattice, by sums over k or integrals over the density of states.

.. math:: 1 = \frac{U}{N} \sum_k \frac{\tanh(E_k/2T)}{2 E_k}, \qquad E_k = \sqrt{\xi_k^2 + \Delta^2}
"""

from __future__ import annotations

import numpy as np
from scipy.optimize import brentq
from scipy.special import ellipkm1


def square_levels(size: int, mu: float) -> np.ndarray:
    """Return xi_k of a periodic square lattice of size x size sites."""
    cosine = 2 * np.cos(2 * np.pi * np.arange(size) / size)
    return (-cosine[:, None] - cosine[None, :] - mu).ravel()


def gap_of_levels(xi: np.ndarray, attraction: float, temperature: float) -> float:
    """Return Delta of levels xi; 0 above Tc."""

    def excess(delta: float) -> float:
        return attraction * _mean_kernel(xi, delta, temperature) - 1

    return 0.0 if excess(1e-12) <= 0 else float(brentq(excess, 1e-12, 10 * attraction, xtol=1e-14))


def critical_temperature_of_levels(xi: np.ndarray, attraction: float) -> float:
    """Return Tc of levels xi."""
    return float(brentq(lambda t: attraction * _mean_kernel(xi, 0.0, t) - 1, 1e-6, attraction, xtol=1e-14))


def _mean_kernel(xi: np.ndarray, delta: float, temperature: float) -> float:
    energy = np.hypot(xi, delta)
    if temperature == 0:
        return float(np.mean(0.5 / energy))
    x = energy / (2 * temperature)
    small = x < 1e-8
    ratio = np.where(small, 1.0, np.tanh(x) / np.where(small, 1.0, x))
    return float(np.mean(ratio) / (4 * temperature))


def square_density(energy: np.ndarray) -> np.ndarray:
    """Return the density of states of the infinite square lattice, one spin, hopping 1, band |e| < 4."""
    return ellipkm1((np.asarray(energy) / 4) ** 2) / (2 * np.pi**2)


def infinite_gap(mu: float, attraction: float, temperature: float) -> float:
    """Return Delta of the infinite square lattice."""
    xi, weight = _band(mu)
    excess = lambda delta: attraction * _weighted_kernel(xi, weight, delta, temperature) - 1  # noqa: E731
    return 0.0 if excess(1e-8) <= 0 else float(brentq(excess, 1e-8, 4 * attraction, xtol=1e-14))


def infinite_critical_temperature(mu: float, attraction: float) -> float:
    """Return Tc of the infinite square lattice."""
    xi, weight = _band(mu)
    return float(brentq(lambda t: attraction * _weighted_kernel(xi, weight, 0.0, t) - 1, 1e-4, attraction, xtol=1e-14))


def infinite_condensation(mu: float, attraction: float) -> float:
    """Return the condensation energy of the infinite square lattice at T = 0, a site, both spins."""
    delta = infinite_gap(mu, attraction, 0.0)
    xi, weight = _band(mu)
    # |xi| - E without cancellation
    return float(-(weight * delta**2 / (abs(xi) + np.hypot(xi, delta))).sum() + delta**2 / attraction)


def _weighted_kernel(xi: np.ndarray, weight: np.ndarray, delta: float, temperature: float) -> float:
    energy = np.hypot(xi, delta)
    if temperature == 0:
        return float((weight / (2 * energy)).sum())
    x = np.maximum(energy / (2 * temperature), 1e-12)
    return float((weight * np.tanh(x) / x).sum() / (4 * temperature))


def _band(mu: float) -> tuple[np.ndarray, np.ndarray]:
    """Return nodes xi and weights of integrals over the band: panels that shrink towards mu and the van Hove point."""
    near = 4.0 * 2.0 ** -np.arange(45)
    cuts = np.concatenate([[-4.0, 0.0, 4.0, mu], near, -near, mu + near, mu - near])
    cuts = np.unique(cuts[(cuts >= -4) & (cuts <= 4)])
    nodes, weights = np.polynomial.legendre.leggauss(16)
    half, middle = np.diff(cuts) / 2, (cuts[1:] + cuts[:-1]) / 2
    energy = (middle[:, None] + half[:, None] * nodes).ravel()
    return energy - mu, (half[:, None] * weights).ravel() * square_density(energy)
