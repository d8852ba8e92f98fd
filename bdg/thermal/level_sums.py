r"""Sums over all levels: tanh(E/2T) and its divided differences, and what rounding leaves of them.

A matrix that is off by ``eps |H|``, which LAPACK's is, has elements of tanh(H/2T) that are off by that times the
largest divided difference. This is ``tanh(e/2T)/e`` at the smallest level e = min|E|: ``1/e`` at T = 0, where the
sign jumps between the two levels +-e, and never more than ``1/2T``.
"""

from __future__ import annotations

import numpy as np

LEVELS_AT_ZERO = 1e-12  # of its scale: below, the sign of a level is rounding; its limit for T -> 0 is nothing

Scales = np.ndarray | float  # of the levels (`bdg.states.multiplets.level_scales`): what H is on the states


def thermal_weights(energies: np.ndarray, temperature: float, scales: Scales | None = None) -> np.ndarray:
    """Return tanh(E/2T) of all levels; at T = 0 their sign, 0 for levels that are zero to rounding."""
    if temperature > 0:
        return np.tanh(energies / (2 * temperature))
    return np.where(at_zero(energies, scales), 0.0, np.sign(energies))


def at_zero(energies: np.ndarray, scales: Scales | None = None) -> np.ndarray:
    """Return which levels are zero to rounding, of their scales if these are given, else of max|E|."""
    scales = float(abs(energies).max(initial=0.0)) if scales is None else scales
    return abs(energies) <= LEVELS_AT_ZERO * np.asarray(scales)


def thermal_quotients(energies: np.ndarray, temperature: float, scales: Scales | None = None) -> np.ndarray:
    """Return ``(t_m - t_n)/(E_m - E_n)`` of all pairs, ``t = tanh(E/2T)``, with its limit at equal energies.

    By ``tanh a - tanh b = tanh(a - b) (1 - tanh a tanh b)`` no digits are lost between levels that are close.
    """
    weight = thermal_weights(energies, temperature, scales)
    difference = energies[:, None] - energies[None, :]
    if temperature == 0:
        close = (weight[:, None] == weight[None, :]) | (difference == 0)
        return np.where(close, 0.0, (weight[:, None] - weight) / np.where(close, 1.0, difference))
    half = difference / (2 * temperature)
    same = half == 0
    ratio = np.where(same, 1.0, np.tanh(half) / np.where(same, 1.0, half))
    return ratio * (1 - weight[:, None] * weight) / (2 * temperature)


def steepest_slope(energies: np.ndarray, temperature: float, scales: Scales | None = None) -> float:
    """Return the largest of these quotients, at T = 0 without the levels at zero; 0 where no others are left."""
    size = abs(energies)
    told = size if temperature > 0 else size[~at_zero(energies, scales)]
    smallest = float(told.min(initial=np.inf))
    if not temperature:
        return 1.0 / smallest
    return float(np.tanh(smallest / (2 * temperature)) / smallest) if smallest else 0.5 / temperature


def rounding_of_sums(energies: np.ndarray, temperature: float, scales: Scales | None = None) -> float:
    """Return what rounding leaves on an element of tanh(H/2T); levels at zero at T = 0 come on top of it.

    Measured against sums in higher precision it is 10 to 1000 times the true error.
    """
    scale, slope = float(abs(energies).max(initial=0.0)), steepest_slope(energies, temperature, scales)
    return float(np.finfo(float).eps * (np.sqrt(energies.size) + scale * slope))


def weight_at_zero(
    left: np.ndarray, right: np.ndarray, energies: np.ndarray, temperature: float, scales: Scales | None = None
) -> np.ndarray:
    """Return the largest modulus of what levels at zero could add to elements between rows of eigenvectors.

    At T = 0 the occupation of such levels is open: any Hermitian matrix of norm one between them, so the Schwarz
    inequality bounds an element by the weights of both rows.
    """
    open_ = at_zero(energies, scales) if temperature == 0 else np.zeros(energies.size, dtype=bool)
    if not open_.any():
        return np.zeros(left.shape[:-1])
    weights = [(abs(rows[..., open_]) ** 2).sum(axis=-1) for rows in (left, right)]
    return np.sqrt(weights[0] * weights[1])
