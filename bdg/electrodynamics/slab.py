"""A superconducting slab or bar in a field along its faces: what London's equation leaves of it."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from bdg.electrodynamics.arguments import as_given, length_ratio

_SMALL = 2.0  # half thickness over lambda up to which a continued fraction is used
_TERMS = range(31, 1, -2)
_MODES = 4000  # of a bar; beyond, they hold (x/m)^4 of the flux
_MANY = 60.0  # both sides over lambda: faces do not feel each other, exp(-60)


def slab_screening(thickness: Any, penetration_depth: Any) -> Any:
    r"""Return ``-M/H`` of a slab in a field along its faces, 1 if it screens fully.

    .. math:: S = 1 - \frac{2\lambda}{d} \tanh\frac{d}{2\lambda}

    Parameters
    ----------
    thickness : float or array
        d > 0; shapes are broadcast.
    penetration_depth : float or array
        lambda > 0 in the same unit. One of the two may be infinite.

    Returns
    -------
    float or array
        ``d^2/12 lambda^2`` of a thin slab.

    Raises
    ------
    TypeError, ValueError
        If an argument is not positive.

    References
    ----------
    F. London, Superfluids I (1950), section 5.

    Examples
    --------
    >>> from bdg.electrodynamics import slab_screening
    >>> print(slab_screening([100.0, 1.0, 0.1], 1.0).round(3))
    [0.98  0.076 0.001]
    """
    return as_given(screened(length_ratio("thickness", thickness, penetration_depth)))


def screened(ratio: np.ndarray) -> np.ndarray:
    """Return the screening of a slab of ``ratio = d/lambda``, accurate where it is small, too."""
    u = np.asarray(ratio, dtype=float) / 2
    near = np.minimum(u, _SMALL) ** 2
    fraction = np.zeros_like(near)  # u coth(u) - 1 = u^2/(3 + u^2/(5 + ..))
    for odd in _TERMS:
        fraction = near / (odd + fraction)
    far = np.maximum(u, _SMALL)
    return np.where(u <= _SMALL, fraction / (1 + fraction), 1 - np.tanh(far) / far)


def bar_screening(width: float, height: float) -> float:
    r"""Return ``-M/H`` of a long bar along the field; each side over the depth to which it is screened.

    ``h - d^2h/dx^2 - d^2h/dz^2 = 0`` with h = 1 on the edges of a rectangle X x Z:

    .. math:: 1 - \langle h \rangle = \sum_{m\ \mathrm{odd}} \frac{8}{\pi^2 m^2} \frac{S(\alpha_m Z)}{\alpha_m^2},
              \qquad \alpha_m^2 = 1 + (m \pi/X)^2

    The sum of a thick bar: ``1 - 2/X - 2/Z + 16/(pi X Z)``, the last term from its corners.
    """
    x, z = sorted((width, height))
    if x > _MANY:
        return 1 - 2 / x - 2 / z + 16 / (math.pi * x * z)
    m = np.arange(1, 2 * _MODES, 2)
    alpha_squared = 1 + (m * math.pi / x) ** 2
    total = (8 / (math.pi * m) ** 2 * screened(np.sqrt(alpha_squared) * min(z, 1e100)) / alpha_squared).sum()
    return float(total)
