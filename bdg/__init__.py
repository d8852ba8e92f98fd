"""bdg: Bogoliubov-de Gennes calculations for superconducting hybrids, on CPU and GPU.

A `System` comes from `bdg.lattices`; the functions below take it and return results that carry their evidence.
"""

from bdg import building as building  # compares what builders need with the memory of this machine
from bdg import lattices
from bdg.critical import CriticalTemperature, critical_temperature
from bdg.currents import BondCurrents, bond_currents
from bdg.density import ElectronDensity, electron_density
from bdg.dos import DensityOfStates, density_of_states
from bdg.errors import AccuracyWarning, ClosedSystemWarning, ConvergenceError, JobError
from bdg.estimate import Estimate, estimate
from bdg.free_energy import FreeEnergy, free_energy
from bdg.gap import Gap, solve_gap
from bdg.gap_ratios import LevelStatistics, level_statistics
from bdg.gpu.backend import BackendUnavailableError, MemoryBudgetError
from bdg.green import GreenFunction, green_function
from bdg.hamiltonian import BdGHamiltonian
from bdg.josephson import ConservationWarning, CurrentPhase, current_phase
from bdg.lattices.storage import ResultFileError
from bdg.lattices.system import System
from bdg.ldos import LocalDensityOfStates, local_density_of_states
from bdg.level_curves import LevelCurves, spectrum_along
from bdg.pairing import PairAmplitude, pair_amplitude
from bdg.penetration import penetration_depth
from bdg.phase_terms import PhaseHarmonics, phase_harmonics
from bdg.phases import PhaseResponse, phase_response
from bdg.proximity import ProximityLength, proximity_length
from bdg.results import Evidence, load
from bdg.spectral_function import SpectralFunction, spectral_function
from bdg.spectrum import BoundStates, StateCount, bound_states, count_states
from bdg.stiffness import SuperfluidStiffness, superfluid_stiffness
from bdg.twisted_boundaries import ThoulessEnergy, thouless_energy

__version__ = "0.1.0.dev0"

__all__ = [
    "AccuracyWarning",
    "BackendUnavailableError",
    "BdGHamiltonian",
    "BondCurrents",
    "BoundStates",
    "ClosedSystemWarning",
    "ConservationWarning",
    "ConvergenceError",
    "CriticalTemperature",
    "CurrentPhase",
    "DensityOfStates",
    "ElectronDensity",
    "Estimate",
    "Evidence",
    "FreeEnergy",
    "Gap",
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
    "electron_density",
    "estimate",
    "free_energy",
    "green_function",
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
