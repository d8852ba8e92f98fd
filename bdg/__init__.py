"""bdg: Bogoliubov-de Gennes calculations for superconducting hybrids, on CPU and GPU.

A `System` comes from `bdg.lattices`; the functions below take it and return results that carry their evidence.
"""

from bdg import electrodynamics, granular, instruments, lattices
from bdg.base import building as building  # compares what builders need with the memory of this machine
from bdg.base.errors import (
    AccuracyWarning,
    ClosedSystemWarning,
    ConservationWarning,
    ConvergenceError,
    DoubtfulArgumentWarning,
    JobError,
)
from bdg.base.hamiltonian import BdGHamiltonian
from bdg.base.results import Evidence
from bdg.condensate.critical_temperature import CriticalTemperature, critical_temperature
from bdg.condensate.gap.solve_gap import Gap, solve_gap
from bdg.condensate.pair_amplitude import PairAmplitude, pair_amplitude
from bdg.condensate.proximity.proximity_length import ProximityLength, proximity_length
from bdg.currents.bond_currents import BondCurrents, bond_currents
from bdg.currents.current_phase import CurrentPhase, current_phase
from bdg.currents.superfluid_stiffness import SuperfluidStiffness, superfluid_stiffness
from bdg.densities.density_of_states import DensityOfStates, density_of_states
from bdg.densities.local_density_of_states import LocalDensityOfStates, local_density_of_states
from bdg.densities.spectral_function import SpectralFunction, spectral_function
from bdg.electrodynamics.penetration_depth import penetration_depth
from bdg.entry import estimate, load
from bdg.estimates import Estimate
from bdg.gpu.device.backend import BackendUnavailableError, MemoryBudgetError
from bdg.granular.grain_landscape import GrainLandscape, grain_landscape
from bdg.granular.harmonic_terms import PhaseHarmonics
from bdg.granular.phase_harmonics import phase_harmonics
from bdg.granular.phase_response import PhaseResponse, phase_response
from bdg.green.green_function import GreenFunction, green_function
from bdg.lattices.storage import ResultFileError
from bdg.lattices.system import System
from bdg.levels.level_statistics import LevelStatistics, level_statistics
from bdg.levels.spectrum_along import LevelCurves, spectrum_along
from bdg.levels.thouless_energy import ThoulessEnergy, thouless_energy
from bdg.states.bound_states import BoundStates, StateCount, bound_states, count_states
from bdg.thermal.electron_density import ElectronDensity, electron_density
from bdg.thermal.free_energy import FreeEnergy, free_energy

__version__ = "0.1.0.dev0"

__all__ = [
    "AccuracyWarning",
    "BackendUnavailableError",
    "BdGHamiltonian",
    "BondCurrents",
    "BoundStates",
    "ClosedSystemWarning",
    "ConservationWarning",
    "DoubtfulArgumentWarning",
    "ConvergenceError",
    "CriticalTemperature",
    "CurrentPhase",
    "DensityOfStates",
    "ElectronDensity",
    "Estimate",
    "Evidence",
    "FreeEnergy",
    "Gap",
    "GrainLandscape",
    "GreenFunction",
    "JobError",
    "LevelCurves",
    "LevelStatistics",
    "LocalDensityOfStates",
    "MemoryBudgetError",
    "PairAmplitude",
    "PhaseHarmonics",
    "PhaseResponse",
    "ProximityLength",
    "ResultFileError",
    "SpectralFunction",
    "StateCount",
    "SuperfluidStiffness",
    "System",
    "ThoulessEnergy",
    "bond_currents",
    "bound_states",
    "count_states",
    "critical_temperature",
    "current_phase",
    "density_of_states",
    "electrodynamics",
    "electron_density",
    "estimate",
    "free_energy",
    "grain_landscape",
    "granular",
    "green_function",
    "instruments",
    "lattices",
    "level_statistics",
    "load",
    "local_density_of_states",
    "pair_amplitude",
    "penetration_depth",
    "phase_harmonics",
    "phase_response",
    "proximity_length",
    "solve_gap",
    "spectral_function",
    "spectrum_along",
    "superfluid_stiffness",
    "thouless_energy",
]


def __dir__() -> list[str]:
    return sorted([*__all__, "__version__"])
