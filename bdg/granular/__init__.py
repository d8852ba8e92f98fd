"""Grains with phases of their own: responses and harmonics of their free energy."""

from bdg.condensate.bcs import gap_ratio as bcs_gap_ratio
from bdg.granular.dynamics.junction_array import ArrayVoltages, JunctionArray
from bdg.granular.junctions import (
    CharacteristicVoltage,
    characteristic_voltage,
    josephson_energy,
    penetration_depth_um,
    rsj_voltage,
    thermal_resistance,
)
from bdg.granular.locking import LockingTemperature, locking_temperature
from bdg.granular.monte_carlo import PhaseSamples, sample_phases
from bdg.granular.network import Network
from bdg.granular.resistors import effective_conductivity, resistance_between

__all__ = [
    "ArrayVoltages",
    "CharacteristicVoltage",
    "JunctionArray",
    "LockingTemperature",
    "Network",
    "PhaseSamples",
    "bcs_gap_ratio",
    "characteristic_voltage",
    "effective_conductivity",
    "josephson_energy",
    "locking_temperature",
    "penetration_depth_um",
    "resistance_between",
    "rsj_voltage",
    "sample_phases",
    "thermal_resistance",
]
