"""The one place where laboratory units meet lattice units. CODATA constants, as SciPy holds them.

Inside the library energies are in the unit of the hopping t and ``temperature`` means k_B T in that unit. Materials,
jobs and experiments carry the unit in the name (``temperature_K``, ``size_nm``, ``delta_meV``) and are converted here.
"""

from __future__ import annotations

from scipy import constants

from bdg.lattices.arguments import non_negative_number, positive_number

_MEV = 1e-3 * constants.e  # J
_NM = 1e-9  # m

KB_MEV_PER_K: float = constants.k / _MEV
"""Boltzmann's constant, 0.0861733 meV/K."""

HBAR_MEV_S: float = constants.hbar / _MEV
"""hbar in meV s: a time hbar/t is ``HBAR_MEV_S / t_meV`` seconds."""

HBAR2_OVER_ME_MEV_NM2: float = constants.hbar**2 / (constants.m_e * _MEV * _NM**2)
"""hbar^2/m_e, 76.1996 meV nm^2: the hopping is t = hbar^2/(2 m a^2)."""

CURRENT_NA_PER_MEV: float = constants.e * _MEV / constants.hbar * 1e9
"""e x (1 meV)/hbar, 243.413 nA: currents of the library are in e x energy/hbar."""

RESISTANCE_QUANTUM_OHM: float = constants.h / (2 * constants.e**2)
"""h/2e^2, 12906.40 ohm."""

FLUX_QUANTUM_WB: float = constants.h / (2 * constants.e)
"""The superconducting flux quantum h/2e, 2.067834e-15 Wb."""

FLUX_QUANTUM_T_NM2: float = FLUX_QUANTUM_WB / _NM**2
"""h/2e, 2067.834 T nm^2: a field in flux quanta per nm^2 is ``field_T / FLUX_QUANTUM_T_NM2``."""


def temperature_in_t(temperature_K: float, t_meV: float) -> float:
    """Return k_B T in units of the hopping, for a temperature in kelvin and a hopping in meV.

    Raises
    ------
    TypeError, ValueError
        If the temperature is negative or the hopping is not positive, or either is not a finite number.
    """
    temperature_K = non_negative_number("temperature_K", temperature_K, "kelvin")
    return KB_MEV_PER_K * temperature_K / positive_number("t_meV", t_meV, "meV")


def temperature_in_kelvin(temperature: float, t_meV: float) -> float:
    """Return the temperature in kelvin of k_B T = ``temperature`` (in units of the hopping): the way back."""
    temperature = non_negative_number("temperature", temperature, "units of t")
    return temperature * positive_number("t_meV", t_meV, "meV") / KB_MEV_PER_K
