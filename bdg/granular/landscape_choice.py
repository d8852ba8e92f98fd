"""What it takes to integrate out the host, and to answer questions about the phases afterwards."""

from __future__ import annotations

from collections.abc import Sequence

from bdg.base.arguments import require_temperature
from bdg.base.hamiltonian import BdGHamiltonian
from bdg.base.results import Choice
from bdg.gpu.cost import model as cost
from bdg.gpu.cost.calibration import rates_of
from bdg.gpu.cost.model import Option
from bdg.gpu.device.backend import Backend
from bdg.gpu.multifrontal.factors.predicted_memory import predict_memory
from bdg.granular.integrated_host import host_bytes, host_poles, pairing_sites
from bdg.granular.named_grains import require_grain_pairing, require_places
from bdg.lattices.system import System
from bdg.methods import choice
from bdg.methods.options import option_of
from bdg.methods.symbolic import host_symbolic
from bdg.methods.task import Arguments, Found, Task

METHOD = "integrated_host"
# complex products n^3 (8 real operations each) at the speed of LAPACK relative to that of large products
_DETERMINANT, _INVERSE, _HESSIAN = 0.6, 1.6, 5.0
_PASSES = {"determinant": 8.0, "inverse": 16.0}  # over n x n complex numbers beside LAPACK
_AROUND = 1.4  # measured over predicted otherwise: cubes of 9 to 18 sites, two to four grains
_MADE = 3  # inverses of a pole: the Green function, that of the holes, and the look at what it reaches


def integrated_host_option(
    system: System, backend: Backend, temperature: float, energies: float = 0.0, forces: float = 0.0, note: str = ""
) -> Option:
    """Return what the landscape takes with so many free energies, or with forces at some points and one Hessian."""
    rates = rates_of(backend)
    sites = pairing_sites(system)
    size = sites.size * system.norbs
    n_poles = host_poles(system, temperature)[0].frequencies.size
    symbolic = host_symbolic(system, backend, sites)
    general = system.hamiltonian.dtype.kind == "c"
    on_device = backend.device != "cpu"
    peak = predict_memory(symbolic, complex, general, on_device=on_device).count_peak

    def made(rates: cost.Rates) -> float:
        factor = cost.factor_seconds(rates, symbolic, "complex", general)
        return _AROUND * n_poles * (factor + _MADE * _dense(rates, size, "inverse"))

    integrated = cost.shared_part(made, rates, n_poles, peak + 3 * 16.0 * size**2)
    pole = energies * _dense(rates, size, "determinant") + forces * _dense(rates, size, "inverse")
    if forces:
        pole += (_HESSIAN * 8.0 * size**3) / rates.gemm["c16"]
    seconds = cost.analysis_seconds(rates, system.n_sites) + integrated.seconds + _AROUND * n_poles * pole
    return option_of(METHOD, backend, seconds, host_bytes(size, n_poles) + peak, note, [integrated])


def _dense(rates: cost.Rates, size: int, what: str) -> float:
    """Return the seconds of a determinant or an inverse with what is read off it."""
    share = _DETERMINANT if what == "determinant" else _INVERSE
    return share * 8.0 * size**3 / rates.gemm["c16"] + _PASSES[what] * 16.0 * size**2 / rates.copy + 20 * rates.call


def _task(h: BdGHamiltonian, backends: Sequence[Backend], device: str, given: Arguments) -> Found:
    temperature = require_temperature(given["temperature"])
    if not temperature:
        raise ValueError("temperature must be > 0: no finite number of poles fits tanh at 0; got 0. Take a low one")
    if given.get("grains") is not None:
        require_places(given["grains"], h.system.n_grains)
    require_grain_pairing(h.system)
    note = "with one Hessian, and the forces at one point"
    options = [integrated_host_option(h.system, backends[-1], temperature, forces=1, note=note)]

    def choose() -> Choice:
        return choice.decided("auto", options, backends[-1:], "the landscape")

    return options, choose


TASKS = {"grain_landscape": Task(_task, ("temperature", "grains"), frozenset({"temperature"}))}
