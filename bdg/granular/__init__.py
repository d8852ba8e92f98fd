"""Grains with phases of their own: responses and harmonics of their free energy, networks of junctions in motion."""

from bdg.condensate.bcs import gap_ratio as bcs_gap_ratio
from bdg.granular.activated import activated_resistance
from bdg.granular.charging import ChargingCriterion, charging_criterion
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
from bdg.granular.couplings.thermal_depth import thermal_penetration_depth
from bdg.granular.dynamics.junction_array import ArrayVoltages, JunctionArray
from bdg.granular.dynamics.magnetisation_cycle import MagnetisationCycle, magnetisation_cycle
from bdg.granular.dynamics.network_resistance import NetworkResistance, network_resistance
from bdg.granular.irreversibility import IrreversibilityExponent, irreversibility_bound, irreversibility_exponent
from bdg.granular.locking import LockingTemperature, locking_temperature
from bdg.granular.monte_carlo import PhaseSamples, sample_phases
from bdg.granular.network import Network
from bdg.granular.resistors import effective_conductivity, maxwell_conductivity, resistance_between
from bdg.granular.two_step import TwoStepTemperature, two_step_temperature
from bdg.granular.unknowns import UnknownScan, scan_unknowns

__all__ = [
    "ArrayVoltages",
    "CharacteristicVoltage",
    "CompositeNetworks",
    "Coupling",
    "CouplingTable",
    "ChargingCriterion",
    "IrreversibilityExponent",
    "JunctionArray",
    "LockingTemperature",
    "MagnetisationCycle",
    "Network",
    "NetworkResistance",
    "PhaseSamples",
    "UnknownScan",
    "TwoStepTemperature",
    "activated_resistance",
    "bcs_gap_ratio",
    "characteristic_voltage",
    "charging_criterion",
    "effective_conductivity",
    "irreversibility_bound",
    "irreversibility_exponent",
    "josephson_energy",
    "locking_temperature",
    "magnetisation_cycle",
    "maxwell_conductivity",
    "network_resistance",
    "penetration_depth_um",
    "resistance_between",
    "rsj_voltage",
    "sample_phases",
    "scan_unknowns",
    "short_junction_locking",
    "thermal_penetration_depth",
    "thermal_resistance",
    "two_step_temperature",
]


def __dir__() -> list[str]:
    return sorted(__all__)
