"""Which method gives elements of tanh(H/2T), on which device, why, and what it takes."""

from __future__ import annotations

from collections.abc import Sequence

from bdg.base.hamiltonian import BdGHamiltonian
from bdg.gpu.cost import model as cost
from bdg.gpu.cost.calibration import rates_of
from bdg.gpu.cost.model import Option
from bdg.gpu.device.backend import Backend
from bdg.gpu.multifrontal import Symbolic
from bdg.gpu.multifrontal.factors.predicted_memory import predict_memory
from bdg.methods.options import dense_option, option_of
from bdg.methods.symbolic import quaternion_symbolic, whole_symbolic

_AROUND_POLES = 1.05  # seconds of a pole, with values put in and elements taken out, relative to its fronts


def pole_seconds(hamiltonian: BdGHamiltonian, backend: Backend, share: float = 1.0, inverse: bool = True) -> float:
    """Return the seconds of factor and selected inverse at one pole; ``share`` of the inverse is done."""
    rates, (symbolic, form, general) = rates_of(backend), _imaginary(hamiltonian, backend)
    seconds = cost.factor_seconds(rates, symbolic, form, general)
    seconds += cost.inverse_seconds(rates, symbolic, form, general, share) if inverse else 0.0
    return _AROUND_POLES * seconds


def pole_bytes(hamiltonian: BdGHamiltonian, backend: Backend) -> float:
    """Return the bytes of a factor with its selected inverse at one pole."""
    symbolic, form, general = _imaginary(hamiltonian, backend)
    found = predict_memory(symbolic, float, general, on_device=backend.device != "cpu")
    planes = 4 if form == "quaternion" else 1
    return planes * max(found.factor_peak, found.releasing_peak) + cost.index_bytes(symbolic)


def _imaginary(hamiltonian: BdGHamiltonian, backend: Backend) -> tuple[Symbolic, str, bool]:
    system, general = hamiltonian.system, hamiltonian.dtype.kind == "c"
    if system.norbs == 1:
        return quaternion_symbolic(system, backend), "quaternion", general
    return whole_symbolic(system, backend), "majorana", general


def elements_options(
    hamiltonian: BdGHamiltonian, backends: Sequence[Backend], n_poles: int | None, inverse: bool = True
) -> list[Option]:
    """Return what thermal averages on all sites and bonds take; ``inverse``: more than the free energy is wanted."""
    found = []
    for backend in backends:
        if n_poles is not None:
            found.append(poles_option(hamiltonian, backend, n_poles, inverse=inverse))
        found.append(dense_option(hamiltonian, backend, share=0.3))
    return found


def poles_option(
    hamiltonian: BdGHamiltonian, backend: Backend, n_poles: float, share: float = 1.0, inverse: bool = True
) -> Option:
    """Return what a sum over poles takes; poles in single precision count `bdg.gpu.cost.model.SINGLE`."""
    seconds = cost.analysis_seconds(rates_of(backend), hamiltonian.system.n_sites)
    seconds += n_poles * pole_seconds(hamiltonian, backend, share, inverse)
    return option_of("poles", backend, seconds, pole_bytes(hamiltonian, backend))
