r"""The penetration depth of grains that lock together, on warming: weaker junctions, and phases that fluctuate.

.. math:: \frac{\lambda(0)^2}{\lambda(T)^2} = \frac{J(T)}{J(0)}\, y\!\left(\frac{k_B T}{J(T)}\right), \qquad
          \frac{J(T)}{J(0)} = \frac{\Delta(T)}{\Delta(0)} \tanh\frac{\Delta(T)}{2 k_B T}

with J of short tunnel junctions between grains with the exact BCS gap, J(T_lock) = k_B T_lock/2.2018, and y the
helicity modulus of the simple cubic XY model over its coupling. lambda is infinite at T_lock and above.
"""

from __future__ import annotations

import math

import numpy as np

from bdg.condensate.bcs import gap_ratio
from bdg.granular.couplings.short_junctions import CUBIC_LOCKING
from bdg.lattices.arguments import non_negative_number, positive_number
from bdg.lattices.units import KB_MEV_PER_K

_EXPONENT = 0.6717  # of the helicity modulus at the transition (M. Campostrini et al., 2001)
_FITTED = (
    _EXPONENT - CUBIC_LOCKING / 6,
    0.2025,
    0.2875,
)  # spin waves give the first, Monte Carlo of 10^3 spins the others


def cubic_stiffness(reduced_temperature: float) -> float:
    """Return the helicity modulus of the simple cubic XY model over its coupling, to .002.

    Parameters
    ----------
    reduced_temperature : float
        k_B T over the coupling, >= 0.

    Returns
    -------
    float
        ``(1 - s)^0.6717 (1 + a s + b s^2 + c s^3)`` with s the temperature over 2.2018, 0 from there on.
    """
    s = reduced_temperature / CUBIC_LOCKING
    if s >= 1:
        return 0.0
    return (1 - s) ** _EXPONENT * float(np.polynomial.polynomial.polyval(s, (1.0, *_FITTED)))


def thermal_penetration_depth(
    penetration_depth_um: float,
    temperature_K: float,
    locking_temperature_K: float,
    *,
    gap_meV: float = 2.7,
    critical_temperature_K: float = 37.0,
) -> float:
    """Return the penetration depth in um at a temperature, from that at T = 0: formula of the module.

    Parameters
    ----------
    penetration_depth_um : float
        lambda(0) > 0.
    temperature_K : float
        >= 0.
    locking_temperature_K : float
        T_lock > 0 at which the phases of all grains lock, below T_c of the grains.
    gap_meV : float
        Of the grains at T = 0.
    critical_temperature_K : float
        T_c of the grains.

    Returns
    -------
    float
        Infinity at ``locking_temperature_K`` and above.

    Raises
    ------
    TypeError, ValueError
        If an argument is out of range.

    References
    ----------
    V. Ambegaokar, A. Baratoff, Phys. Rev. Lett. 10, 486 (1963); M. Campostrini et al., Phys. Rev. B 63, 214503 (2001).

    Examples
    --------
    >>> from bdg.granular import thermal_penetration_depth
    >>> cold = thermal_penetration_depth(5.0, 4.2, 30.0)
    >>> warm = thermal_penetration_depth(5.0, 25.0, 30.0)
    >>> print(round(cold, 2), round(warm, 2))  # um
    5.03 8.75
    """
    depth = positive_number("penetration_depth_um", penetration_depth_um, "um")
    temperature = non_negative_number("temperature_K", temperature_K, "K")
    locking = positive_number("locking_temperature_K", locking_temperature_K, "K")
    gap = positive_number("gap_meV", gap_meV, "meV")
    critical = positive_number("critical_temperature_K", critical_temperature_K, "K")
    if not locking < critical:
        raise ValueError(
            f"locking_temperature_K must be below T_c of the grains, critical_temperature_K = {critical:g} K; got "
            f"{locking:g}"
        )
    if temperature >= locking:
        return math.inf
    share = _coupling_ratio(temperature, gap, critical)
    at_locking = _coupling_ratio(locking, gap, critical)
    reduced = CUBIC_LOCKING * temperature / locking * at_locking / share
    return depth / math.sqrt(share * cubic_stiffness(reduced))


def _coupling_ratio(temperature: float, gap: float, critical: float) -> float:
    """Return J(T)/J(0) of a short tunnel junction."""
    ratio = float(gap_ratio(temperature / critical))
    if temperature == 0:
        return 1.0
    return ratio * math.tanh(min(350.0, gap * ratio / (2 * KB_MEV_PER_K * temperature)))
