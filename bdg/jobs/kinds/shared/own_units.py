"""Units of a System of one's own: what its numbers are called, and kelvin where its energy unit is known."""

from __future__ import annotations

from dataclasses import dataclass

from bdg.lattices.system import System
from bdg.lattices.units import CURRENT_NA_PER_MEV, KB_MEV_PER_K, temperature_in_kelvin, temperature_in_t

IN_MEV = {"eV": 1e3, "meV": 1.0, "ueV": 1e-3, "µeV": 1e-3, "μeV": 1e-3, "K": KB_MEV_PER_K}
"""Energies in meV, by names of units."""


@dataclass(frozen=True)
class OwnUnits:
    """Units of the numbers that a System gives.

    Attributes
    ----------
    energy, length : str
        Names: those of the System, or "hopping" and "length".
    in_meV : float or None
        One unit of energy in meV; None where its name is none of `IN_MEV`.
    """

    energy: str
    length: str
    in_meV: float | None  # noqa: N815 - a unit is spelt as it is

    @classmethod
    def of(cls, system: System) -> OwnUnits:
        """Return the units of a system."""
        energy = getattr(system, "energy_unit", None)
        length = getattr(system, "length_unit", None)
        return cls(energy or "hopping", length or "length", IN_MEV.get(energy) if energy else None)

    @property
    def current(self) -> tuple[float, str]:
        """Factor and unit of a current in e x energy/hbar: nA where the energy unit is known."""
        return (1.0, f"e {self.energy}/hbar") if self.in_meV is None else (self.in_meV * CURRENT_NA_PER_MEV, "nA")

    def temperature(self, temperature: float | None, temperature_K: float | None) -> float | None:
        """Return k_B T in the system's energy unit, from that or from kelvin; None if neither is given."""
        if temperature_K is None:
            return temperature
        if self.in_meV is None:
            raise ValueError(kelvin_rule(self.energy))
        return temperature_in_t(temperature_K, self.in_meV)

    def kelvin(self, temperature: float) -> float | None:
        """Return k_B T in kelvin, None where the energy unit is not known."""
        return None if self.in_meV is None else temperature_in_kelvin(temperature, self.in_meV)


def kelvin_rule(energy: str) -> str:
    """Return why a temperature in kelvin cannot be used with energies in such a unit."""
    named = "the system does not say its energy unit" if energy == "hopping" else f"{energy!r} is no known energy unit"
    return (
        f"{named}; give temperature (k_B T in the unit of its energies), or make it with energy_unit = "
        f"one of {', '.join(list(IN_MEV)[:3])}"
    )
