"""bdg: Bogoliubov-de Gennes calculations for superconducting hybrids, on CPU and GPU.

A `System` comes from `bdg.lattices`; the functions below take it and return results that carry their evidence.
"""

from bdg import lattices
from bdg.errors import ConvergenceError, JobError
from bdg.gpu.backend import BackendUnavailableError, MemoryBudgetError
from bdg.green import GreenFunction, green_function
from bdg.hamiltonian import BdGHamiltonian
from bdg.lattices.storage import ResultFileError
from bdg.lattices.system import System
from bdg.pairing import PairAmplitude, pair_amplitude
from bdg.proximity import ProximityLength, proximity_length
from bdg.results import Evidence, load
from bdg.spectrum import BoundStates, StateCount, bound_states, count_states

__version__ = "0.1.0.dev0"

__all__ = [
    "BackendUnavailableError",
    "BdGHamiltonian",
    "BoundStates",
    "ConvergenceError",
    "Evidence",
    "GreenFunction",
    "JobError",
    "MemoryBudgetError",
    "PairAmplitude",
    "ProximityLength",
    "ResultFileError",
    "StateCount",
    "System",
    "bound_states",
    "count_states",
    "green_function",
    "lattices",
    "load",
    "pair_amplitude",
    "proximity_length",
]
