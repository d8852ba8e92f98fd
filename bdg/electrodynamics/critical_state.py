r"""Bean's critical state of a slab and of a thin disc, along any history of fields.

A first magnetisation ``M = -F(H)`` from the virgin state determines all: after a reversal at H_r the change is
``2 F(|H - H_r|/2)``, and a field that passes an earlier reversal wipes out the small loop in between.

Slab of thickness d in a field along its faces, ``H_p = J_c d/2``:

.. math:: F = H - H^2/2H_p \;(H < H_p), \qquad H_p/2 \;(H \ge H_p)

Thin disc across the field, ``H_d = J_c d/2``:

.. math:: F = \frac{8R}{3\pi d} \frac{H_d}{2} \left[\arccos\frac{1}{\cosh x} + \frac{\sinh x}{\cosh^2 x}\right],
          \qquad x = H/H_d

References: C. P. Bean, Phys. Rev. Lett. 8, 250 (1962); P. N. Mikheenko, Yu. E. Kuzovlev, Physica C 204, 229 (1993);
J. R. Clem, A. Sanchez, Phys. Rev. B 50, 9355 (1994).
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np

from bdg.electrodynamics.arguments import real_values
from bdg.lattices.arguments import positive_number

Virgin = Callable[[np.ndarray], np.ndarray]
"""-M (A/m) of a first magnetisation, of fields >= 0 (A/m)."""


def bean_slab(fields: Any, full_penetration_field: float) -> np.ndarray:
    r"""Return the magnetisation of a slab in a field along its faces, ``M = -H + H^2/2H_p`` at first.

    Parameters
    ----------
    fields : array (H,)
        Applied fields in A/m in the order of time; the history starts virgin at 0.
    full_penetration_field : float
        ``H_p = J_c d/2`` > 0 in A/m.

    Returns
    -------
    array (H,)
        M in A/m; at most H_p/2.

    Raises
    ------
    TypeError, ValueError
        If a field is not finite, or H_p not positive.

    References
    ----------
    C. P. Bean, Phys. Rev. Lett. 8, 250 (1962).

    Examples
    --------
    >>> import numpy as np
    >>> from bdg.electrodynamics import bean_slab
    >>> print(bean_slab(np.array([0.0, 500.0, 2000.0, 0.0]), full_penetration_field=1000.0))
    [   0. -375. -500.  500.]
    """
    return magnetise(fields, slab_virgin(positive_number("full_penetration_field", full_penetration_field, "A/m")))


def bean_disc(fields: Any, radius_m: float, thickness_m: float, critical_current_density: float) -> np.ndarray:
    r"""Return the magnetisation of a thin disc in a perpendicular field, ``M = -(8R/3 pi d) H`` at first.

    Parameters
    ----------
    fields : array (H,)
        As in `bean_slab`.
    radius_m, thickness_m : float
        R and d > 0; the formula is that of R >> d.
    critical_current_density : float
        J_c > 0 in A/m^2.

    Returns
    -------
    array (H,)
        M in A/m; at most ``J_c R/3``.

    Raises
    ------
    TypeError, ValueError
        If a field is not finite, or a number not positive.

    References
    ----------
    P. N. Mikheenko, Yu. E. Kuzovlev, Physica C 204, 229 (1993); J. R. Clem, A. Sanchez, Phys. Rev. B 50, 9355 (1994).

    Examples
    --------
    >>> import numpy as np
    >>> from bdg.electrodynamics import bean_disc
    >>> fields = np.array([0.0, 1e3, 1e5, 0.0])  # up and back to zero, in A/m
    >>> print((bean_disc(fields, 1e-3, 1e-6, 1e10) / 1e6).round(2))  # MA/m; the disc keeps a moment
    [ 0.   -0.83 -3.33  3.33]
    """
    radius = positive_number("radius_m", radius_m, "m")
    thickness = positive_number("thickness_m", thickness_m, "m")
    density = positive_number("critical_current_density", critical_current_density, "A/m^2")
    return magnetise(fields, disc_virgin(8 * radius / (3 * math.pi * thickness), density * radius / 3))


def slab_virgin(full_penetration_field: float, slope: float = 1.0) -> Virgin:
    """Return F of a slab; ``slope`` is -M/H of small fields."""

    def virgin(fields: np.ndarray) -> np.ndarray:
        x = np.minimum(fields / full_penetration_field, 1.0)
        return slope * full_penetration_field * x * (1 - x / 2)

    return virgin


def disc_virgin(slope: float, saturation: float) -> Virgin:
    """Return F of a thin disc by its -M/H of small fields and its largest magnetisation."""

    def virgin(fields: np.ndarray) -> np.ndarray:
        x = np.minimum(math.pi / 4 * slope / saturation * fields, 350.0)  # H/H_d; cosh^2 stays a number
        angle = 2 * np.arctan(np.tanh(x / 2))  # arccos(1/cosh x), accurate for small x
        return 2 / math.pi * saturation * (angle + np.tanh(x) / np.cosh(x))

    return virgin


def magnetise(fields: Any, virgin: Virgin) -> np.ndarray:
    """Return M (H,) along a history of fields from the virgin state at 0, for a first magnetisation -F."""
    history = np.atleast_1d(real_values("fields", fields, "A/m"))
    if history.ndim != 1 or not history.size:
        raise ValueError(f"fields must be a list of fields in the order of time (A/m); got shape {history.shape}")
    starts, amplitudes, signs = [], [], []
    reversals: list[float] = []  # those that later fields have not wiped out, the field before last
    frozen = [0.0]  # magnetisation at each of them
    for target in history.tolist():
        reversals.append(target)
        _forget(reversals)
        del frozen[len(reversals) :]
        while len(frozen) < len(reversals):  # a new reversal: where the last field stood
            frozen.append(float(frozen[-1] + _branch(reversals, len(frozen) - 1, virgin)))
        starts.append(frozen[-1])
        start = reversals[-2] if len(reversals) > 1 else 0.0
        scale = 2.0 if len(reversals) > 1 else 1.0
        amplitudes.append(abs(target - start) / scale)
        signs.append(-scale * math.copysign(1.0, target - start))
    return np.array(starts) + np.array(signs) * virgin(np.array(amplitudes))


def _branch(reversals: list[float], place: int, virgin: Virgin) -> float:
    """Return the change of M on the way to the reversal with a place in the list."""
    if place == 0:
        return -math.copysign(1.0, reversals[0]) * float(virgin(np.array(abs(reversals[0]))))
    step = reversals[place] - reversals[place - 1]
    return -2 * math.copysign(1.0, step) * float(virgin(np.array(abs(step) / 2)))


def _forget(fields: list[float]) -> None:
    """Drop reversals that the last field makes meaningless: on the way, or wiped out by a wider swing."""
    while len(fields) > 1:
        last, before = fields[-1], fields[-2]
        origin = fields[-3] if len(fields) > 2 else 0.0
        if (last - before) * (before - origin) >= 0:  # the same way on
            del fields[-2]
        elif len(fields) > 2 and abs(last - before) >= abs(origin - before):  # past the reversal before it
            del fields[-3:-1]
        elif len(fields) == 2 and abs(last) >= abs(before):  # wider than the first swing from the virgin state
            del fields[-2]
        else:
            return
