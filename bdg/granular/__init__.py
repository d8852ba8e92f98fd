"""Grains with phases of their own: responses and harmonics of their free energy."""

from bdg.granular.locking import LockingTemperature, locking_temperature
from bdg.granular.monte_carlo import PhaseSamples, sample_phases
from bdg.granular.network import Network
from bdg.granular.resistors import effective_conductivity, resistance_between

__all__ = [
    "LockingTemperature",
    "Network",
    "PhaseSamples",
    "effective_conductivity",
    "locking_temperature",
    "resistance_between",
    "sample_phases",
]
