r"""Transparency of a normal interface on a lattice: one weakened bond between two like chains.

A chain with hopping -t whose bond between two sites is -x t transmits the wave of wave number k with

    tau = 4 x^2 sin^2 k / ((1 - x^2)^2 + 4 x^2 sin^2 k),        2 cos k = -mu / t,

so a wanted tau fixes x. This is the transparency of one channel at normal incidence at the Fermi energy.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np


def interface_sine(mu: float, t: float) -> float:
    """Return sin k at the Fermi energy of the chain, ``2 cos k = -mu/t``; 1 (k = pi/2) where ``|mu| >= 2|t|``.

    Raises
    ------
    ValueError
        If ``t`` is zero.
    """
    if t == 0:
        raise ValueError("t must not be zero: the transparency of an interface is set through its hopping; got t = 0")
    half = mu / (2 * t)
    return math.sqrt((1 - half) * (1 + half)) if abs(half) < 1 else 1.0


def hopping_scale(transparency: Any, mu: float, t: float) -> Any:
    r"""Return the factor x in (0, 1] by which an interface bond is weakened to have the wanted transparency.

    With ``b = 2 sin k sqrt((1 - tau)/tau)`` the formula above reads ``1/x - x = b``, hence
    ``x = 2/(b + sqrt(b^2 + 4))``.

    Parameters
    ----------
    transparency : float or array
        tau of each interface, ``0 < tau <= 1``; 1 gives x = 1.
    mu, t : float
        Chemical potential and hopping of the chain (onsite -mu, hopping -t); k = pi/2 where ``|mu| >= 2|t|``.

    Returns
    -------
    float, or float array of the shape of ``transparency``

    Raises
    ------
    ValueError
        If a transparency lies outside (0, 1], or if ``t`` is zero.
    """
    tau = np.asarray(transparency, dtype=float)
    allowed = (tau > 0) & (tau <= 1)
    if not allowed.all():
        raise ValueError(
            f"transparency must lie in (0, 1], 1 for a perfect interface; got {float(tau[~allowed].flat[0])!r}. "
            "For a nearly closed contact take a small one, such as 1e-6."
        )
    b = 2 * interface_sine(mu, t) * np.sqrt(1 - tau) / np.sqrt(tau)
    scale = 2 / (b + np.sqrt(b * b + 4))
    return float(scale) if scale.ndim == 0 else scale


def transmission(scale: Any, mu: float, t: float) -> Any:
    """Return the transparency tau of a bond weakened by ``scale``: the inverse of `hopping_scale`."""
    x = np.asarray(scale, dtype=float)
    part = 4 * x**2 * interface_sine(mu, t) ** 2
    tau = part / ((1 - x**2) ** 2 + part)
    return float(tau) if tau.ndim == 0 else tau


def describe_interface(transparency: Any, mu: float, t: float) -> dict[str, Any]:
    """Return what a builder records in ``info`` about its interfaces: tau, x, k, and how k was chosen."""
    inside = abs(mu) < 2 * abs(t)
    return {
        "transparency": np.asarray(transparency, dtype=float).tolist(),
        "hopping_scale": np.asarray(hopping_scale(transparency, mu, t)).tolist(),
        "k": math.acos(-mu / (2 * t)) if inside else math.pi / 2,
        "k_choice": "2 cos k = -mu/t" if inside else "k = pi/2, because |mu| >= 2 t has no such wave",
    }
