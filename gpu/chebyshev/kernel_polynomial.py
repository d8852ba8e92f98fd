r"""Spectral densities from Chebyshev moments, with the kernel of Jackson.

.. math:: \rho(E) = \frac{1}{\pi \sqrt{s^2 - E^2}} \Big[ \mu_0 + 2 \sum_{k=1}^{M-1} g_k \mu_k T_k(E/s) \Big]

is the true density with every delta function replaced by a positive peak, close to a Gaussian of standard deviation
``(pi s/M) sqrt(1 - (E/s)^2)``, of unit area. (A. Weisse, G. Wellein, A. Alvermann, H. Fehske, Rev. Mod. Phys. 78, 275
(2006).)
"""

from __future__ import annotations

import numpy as np

CHUNK = 1 << 22  # elements of cos(k theta) at a time


def jackson(n_moments: int) -> np.ndarray:
    """Return the damping factors g_0 = 1, g_1, ... of M moments."""
    k, q = np.arange(n_moments), np.pi / (n_moments + 1)
    return ((n_moments - k + 1) * np.cos(k * q) + np.sin(k * q) / np.tan(q)) / (n_moments + 1)


def resolution(n_moments: int, bound: float) -> float:
    """Return the standard deviation of a peak at E = 0, ``pi s/M``."""
    return float(np.pi * bound / n_moments)


def moments_for(broadening: float, bound: float) -> int:
    """Return the even number of moments, at least 8, whose peaks at E = 0 are not wider than ``broadening``."""
    return max(8, 2 * int(np.ceil(np.pi * bound / broadening / 2)))


def density(energies: np.ndarray, moments: np.ndarray, bound: float) -> np.ndarray:
    """Return the density (E, ...) at energies (E,) from moments (M, ...); zero where |E| >= s."""
    weights = _weights(moments)
    out = np.zeros((energies.size, *moments.shape[1:]))
    inside = np.flatnonzero(abs(energies) < bound)
    at_once = max(1, CHUNK // len(moments))
    for begin in range(0, inside.size, at_once):
        part = inside[begin : begin + at_once]
        theta = np.arccos(energies[part] / bound)
        values = np.tensordot(np.cos(np.outer(theta, np.arange(len(moments)))), weights, axes=1)
        norm = np.pi * bound * np.sin(theta)
        out[part] = values / norm.reshape(-1, *(1,) * (values.ndim - 1))
    return out


def squared_weights(energies: np.ndarray, n_moments: int, bound: float) -> np.ndarray:
    """Return sqrt(sum_k (d rho(E)/d mu_k)^2): how independent errors of the moments enter the density."""
    weights = _weights(np.ones(n_moments))
    out = np.zeros(energies.size)
    inside = abs(energies) < bound
    theta = np.arccos(energies[inside] / bound)
    # sum w_k^2 cos^2(k theta) <= sum w_k^2
    out[inside] = np.sqrt((weights**2).sum()) / (np.pi * bound * np.sin(theta))
    return out


def count_between(low: np.ndarray, high: np.ndarray, moments: np.ndarray, bound: float) -> np.ndarray:
    """Return the integral of the density from each low to each high energy, (edges, ...)."""
    weights = _weights(moments)
    k = np.arange(1, len(moments))
    upper, lower = (np.arccos(np.clip(np.atleast_1d(edge) / bound, -1, 1)) for edge in (low, high))
    share = (np.sin(np.outer(upper, k)) - np.sin(np.outer(lower, k))) / (k * np.pi)
    return np.multiply.outer((upper - lower) / np.pi, weights[0]) + np.tensordot(share, weights[1:], axes=1)


def exact_moments(levels: np.ndarray, weights: np.ndarray, n_moments: int, bound: float) -> np.ndarray:
    """Return the moments (M, ...) of levels (n,) with weights (n, ...): what an expansion without noise gives."""
    theta = np.arccos(np.clip(levels / bound, -1, 1))
    moments = np.empty((n_moments, *weights.shape[1:]))
    at_once = max(1, CHUNK // levels.size)
    for begin in range(0, n_moments, at_once):
        k = np.arange(begin, min(begin + at_once, n_moments))
        moments[k] = np.tensordot(np.cos(np.outer(k, theta)), weights, axes=1)
    return moments


def _weights(moments: np.ndarray) -> np.ndarray:
    factors = 2 * jackson(len(moments))
    factors[0] = 1
    return factors.reshape(-1, *(1,) * (moments.ndim - 1)) * moments


def lorentzian_moments(energies: np.ndarray, bound: float, half_width: float, tol: float) -> int:
    """Return how many moments leave an error of ``tol/s`` for levels of total weight 1, see `lorentzian_tail`."""
    low, high = 1, 2
    while lorentzian_tail(energies, high, bound, half_width).max() > tol / bound:
        low, high = high, 2 * high
    while high - low > 1:
        middle = (low + high) // 2
        enough = lorentzian_tail(energies, middle, bound, half_width).max() <= tol / bound
        low, high = (low, middle) if enough else (middle, high)
    return 2 * (-(-high // 2))


def lorentzian_tail(energies: np.ndarray, n_moments: int, bound: float, half_width: float) -> np.ndarray:
    """Return a bound (E,) of what moments from ``n_moments`` on add to `lorentzian_density` of unit weight."""
    theta, root = _complex_angle(energies, bound, half_width)
    decay = -theta.imag
    return 2 * np.exp(-n_moments * decay) / (-np.expm1(-decay)) / (np.pi * abs(root))


def lorentzian_density(energies: np.ndarray, moments: np.ndarray, bound: float, half_width: float) -> np.ndarray:
    r"""Return the density (E, ...) with Lorentzians of the given half width at half maximum for delta functions.

    The expansion ``G(z) = -i (s^2 - z^2)^{-1/2} [mu_0 + 2 sum_k exp(-i k theta) mu_k]``, ``cos theta = z/s``, of the
    resolvent at ``z = E + i eta`` falls like ``exp(-k eta/s)``: no kernel, only a truncation error.
    """
    theta, root = _complex_angle(energies, bound, half_width)
    weights = 2 * moments
    weights[0] = moments[0]
    out = np.zeros((energies.size, *moments.shape[1:]))
    at_once = max(1, CHUNK // len(moments))
    for begin in range(0, energies.size, at_once):
        part = slice(begin, begin + at_once)
        phases = np.exp(-1j * np.outer(theta[part], np.arange(len(moments))))
        phases /= np.pi * root[part, None]
        out[part] = np.tensordot(phases.real, weights, axes=1)
    return out


def _complex_angle(energies: np.ndarray, bound: float, half_width: float) -> tuple[np.ndarray, np.ndarray]:
    """Return ``theta = arccos(z/s)`` and ``sqrt(s^2 - z^2)`` for ``z = E + i eta``."""
    theta = np.arccos((energies + 1j * half_width) / bound)
    return theta, bound * np.sin(theta)
