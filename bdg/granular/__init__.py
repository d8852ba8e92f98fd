"""Grains with phases of their own: responses and harmonics of their free energy."""

from bdg.condensate.bcs import gap_ratio as bcs_gap_ratio
from bdg.granular.composite_networks import CompositeNetworks
from bdg.granular.couplings.coupling_grid import Coupling
from bdg.granular.couplings.coupling_table import CouplingTable
from bdg.granular.couplings.junctions import (
    CharacteristicVoltage,
    characteristic_voltage,
    josephson_energy,
    penetration_depth_um,
    rsj_voltage,
    thermal_resistance,
)
from bdg.granular.couplings.short_junctions import short_junction_locking
from bdg.granular.locking import LockingTemperature, locking_temperature
from bdg.granular.monte_carlo import PhaseSamples, sample_phases
from bdg.granular.network import Network
from bdg.granular.resistors import effective_conductivity, resistance_between
from bdg.granular.unknowns import UnknownScan, scan_unknowns

__all__ = [
    "CharacteristicVoltage",
    "CompositeNetworks",
    "Coupling",
    "CouplingTable",
    "LockingTemperature",
    "Network",
    "PhaseSamples",
    "UnknownScan",
    "bcs_gap_ratio",
    "characteristic_voltage",
    "effective_conductivity",
    "josephson_energy",
    "locking_temperature",
    "penetration_depth_um",
    "resistance_between",
    "rsj_voltage",
    "sample_phases",
    "scan_unknowns",
    "short_junction_locking",
    "thermal_resistance",
]
