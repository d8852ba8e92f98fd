"""A composite as a cubic array of short tunnel junctions: what its resistivity alone would say of T_c2."""

from __future__ import annotations

import math

import scipy  # its parts load on use

from bdg.condensate.bcs import gap_ratio
from bdg.granular.couplings.junctions import josephson_energy
from bdg.lattices.arguments import positive_number
from bdg.lattices.units import KB_MEV_PER_K

CUBIC_LOCKING = 2.2018  # k_B T_c of the simple cubic XY model over its coupling (K_c = 0.45417)


def short_junction_locking(
    resistivity_ohm_cm: float,
    gap_meV: float,
    volume_fraction: float,
    diameter_nm: float,
    *,
    critical_temperature_K: float = 37.0,
) -> float:
    r"""Return the temperature in kelvin at which a cubic array of short tunnel junctions locks its phases.

    .. math:: k_B T = 2.2018\, E_J(T), \qquad R_N = \rho/a, \qquad a = (\pi/6\phi)^{1/3} D,

    E_J of Ambegaokar and Baratoff with the exact BCS gap. An upper bound for what is not a short contact, and no better
    than the resistivity is a measure of the junctions: cracks and contacts count, too.

    Parameters
    ----------
    resistivity_ohm_cm : float
        Of the composite just above the transition.
    gap_meV : float
        Of the grains at T = 0.
    volume_fraction, diameter_nm : float
        Of the grains.
    critical_temperature_K : float
        T_c of the grains.

    Returns
    -------
    float

    Raises
    ------
    TypeError, ValueError
        If an argument is not positive, or the volume fraction above 1.

    References
    ----------
    V. Ambegaokar, A. Baratoff, Phys. Rev. Lett. 10, 486 (1963); M. Campostrini et al., Phys. Rev. B 63, 214503 (2001):
    the XY transition.

    Examples
    --------
    >>> from bdg.granular import short_junction_locking
    >>> print(round(short_junction_locking(1e-3, 2.7, 0.2, 20.0), 1))  # K
    35.3
    """
    resistivity = positive_number("resistivity_ohm_cm", resistivity_ohm_cm)
    gap = positive_number("gap_meV", gap_meV)
    fraction = positive_number("volume_fraction", volume_fraction)
    if fraction > 1:
        raise ValueError(f"volume_fraction must be above 0 and at most 1; got {volume_fraction!r}")
    critical = positive_number("critical_temperature_K", critical_temperature_K)
    spacing_cm = 1e-7 * positive_number("diameter_nm", diameter_nm) * (math.pi / (6 * fraction)) ** (1 / 3)
    resistance = resistivity / spacing_cm

    def excess(temperature: float) -> float:
        reduced = float(gap_ratio(temperature / critical))
        return CUBIC_LOCKING * josephson_energy(resistance, gap * reduced, temperature) - KB_MEV_PER_K * temperature

    return float(scipy.optimize.brentq(excess, 1e-6 * critical, critical * (1 - 1e-12), xtol=1e-9 * critical))
