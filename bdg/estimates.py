"""How long a computation will take and how much memory, by each method, before it is begun: `bdg.estimate`."""

from __future__ import annotations

import os
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from bdg.base import arguments as base_arguments
from bdg.base.arguments import require_choice, require_seed, require_sites, require_system, require_temperature
from bdg.base.hamiltonian import BdGHamiltonian
from bdg.base.results import Evidence, Result, quantity
from bdg.condensate import amplitude_choice
from bdg.densities import local_choice as ldos_plan
from bdg.densities import resolution, trace_choice
from bdg.densities import trace_density as green_density
from bdg.densities.resolution import require_resolution
from bdg.densities.spectral_function import choose_place, require_momenta, spectral_options
from bdg.gpu.chebyshev import columns as chebyshev
from bdg.gpu.cost import model as cost
from bdg.gpu.cost.calibration import rates_of
from bdg.gpu.cost.model import Option
from bdg.gpu.device.backend import Backend, MemoryBudgetError, select_backend
from bdg.gpu.device.memory import GIB
from bdg.green import choice as green_choice
from bdg.lattices.arguments import non_negative_number, positive_number
from bdg.lattices.system import System
from bdg.methods import choice
from bdg.methods.task import Arguments, Found, _placed, _Task
from bdg.states import choice as states_choice
from bdg.thermal import choice as thermal_choice

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from bdg.jobs.estimate import JobEstimate
    from bdg.jobs.job import Job


@dataclass(frozen=True, eq=False, kw_only=True)
class Estimate(Result):
    """What each method is expected to take; ``str()`` is a table.

    Attributes
    ----------
    what : str
        The task.
    method : str
        What "auto" takes; "" where nothing fits.
    seconds, gibibytes : float
        Of that method; nan where nothing fits.
    methods, devices, notes : lists of str
        Of each way, with what its numbers assume.
    all_seconds, all_gibibytes : arrays (R,)
        On the clock, and of the memory of the device.
    feasible : array (R,) of bool
        Whether it fits into the memory that is left now.
    """

    what: str = quantity("the task")
    method: str = quantity("method that auto takes, empty where nothing fits")
    seconds: float = quantity("expected time of that method", "s")
    gibibytes: float = quantity("expected memory of that method", "GiB")
    methods: list[str] = quantity("method of each row")
    devices: list[str] = quantity("device of each row")
    notes: list[str] = quantity("what the numbers of each row assume")
    all_seconds: np.ndarray = quantity("expected time of each row (R,)", "s")
    all_gibibytes: np.ndarray = quantity("expected memory of each row (R,)", "GiB")
    feasible: np.ndarray = quantity("whether each row fits into the memory that is left (R,)")

    @property
    def rows(self) -> list[tuple[str, str, float, float, bool, str]]:
        """Method, device, seconds, GiB, feasible, and note of each way."""
        columns = (self.methods, self.devices, self.all_seconds, self.all_gibibytes, self.feasible, self.notes)
        return [(m, d, float(s), float(g), bool(f), n) for m, d, s, g, f, n in zip(*columns, strict=True)]

    def __str__(self) -> str:
        """Return the rows as a table, the method that auto takes marked."""
        lines = [f"{self.what}: {self.evidence.why}"]
        for method, device, seconds, gibibytes, feasible, note in self.rows:
            mark = "->" if method == self.method and device == self.evidence.device else "  "
            numbers = f"{cost.seconds_in_words(seconds):>10}  {gibibytes:9.3f} GiB"
            fits = "" if feasible else "DOES NOT FIT  "
            lines.append(f" {mark} {method:13} {device:4} {numbers}  {fits}{note}".rstrip())
        return "\n".join(lines)

    def plot(self, ax: Any = None) -> Figure:
        """Return a Figure of the seconds of each method."""
        from bdg.plots.parts import plot_seconds

        names = [f"{method}\n{device}" for method, device in zip(self.methods, self.devices, strict=True)]
        return plot_seconds(names, self.all_seconds, self.feasible, ax)


def estimate(
    system_or_job: System | Job | str | os.PathLike[str],
    what: str | None = None,
    *,
    device: str = "auto",
    workers: int = 1,
    overrides: Sequence[str] = (),
    **arguments: Any,
) -> Estimate | JobEstimate:
    """Return what a computation will take, without doing it.

    Parameters
    ----------
    system_or_job : System, Job or path
        A path is that of a job file.
    what : str
        For a system: the name of a function of `bdg`: "bound_states" (the default), "count_states", "pair_amplitude",
        "electron_density", "free_energy", "solve_gap", "density_of_states", "local_density_of_states",
        "spectral_function" or "green_function".
    device : {"auto", "cpu", "gpu"}
    workers : int
        Of a job: processes, one thread each.
    overrides : sequence of str
        Of a job file, as after ``--set``.
    **arguments
        Those of the function, ``k=64`` for instance, also ``method``; for "solve_gap" also ``iterations``. ``seed`` and
        ``progress`` have no influence; of a job, ``progress=True`` shows how far the estimate is.

    Returns
    -------
    Estimate or JobEstimate
        Seconds on the clock and GiB. Rates are those of this machine with the number of threads that is set now; they
        are measured on first use, in about a second, and kept in a file (`bdg.gpu.cost.calibration` says where). A
        factor of two is to be expected, more where levels are crowded.

    Raises
    ------
    ValueError, TypeError
        If an argument is unknown or out of range.
    JobError
        If the job file breaks a rule, or its kind does not say what its points compute.
    MemoryBudgetError
        If the systems of a job cannot be built here. Those of more than 5e4 sites are not built to know what they
        take: that is extrapolated from smaller ones, and the estimate says so.
    """
    if not isinstance(system_or_job, System):
        return _of_job(system_or_job, what, device, workers, overrides, arguments)
    start = time.perf_counter()
    system = require_system(system_or_job)
    what = require_choice("what", "bound_states" if what is None else what, tuple(_TASKS))
    if isinstance(workers, bool) or workers != 1 or len(overrides):
        name, value = ("overrides", overrides) if len(overrides) else ("workers", workers)
        raise TypeError(f"{name} belongs to the estimate of a job, not of a System; got {value!r}. Leave it out")
    select_backend(device)
    require_seed(arguments.pop("seed", None))  # neither of them changes what it takes
    arguments.pop("progress", None)
    task, asked = _TASKS[what], arguments.pop("method", "auto")
    unknown = arguments.keys() - task.arguments
    if unknown:
        raise TypeError(f"{what} has no argument {sorted(unknown)[0]!r} here; known: {', '.join(task.arguments)}")
    missing = task.required - arguments.keys()
    if missing:
        raise TypeError(f"the estimate of {what} needs the argument {sorted(missing)[0]}=")
    hamiltonian = BdGHamiltonian(system)
    backends = choice.devices(device, hamiltonian.shape[0])
    options, choose = task.options(hamiltonian, backends, device, arguments)
    require_choice("method", asked, ("auto", *dict.fromkeys(option.method for option in options)))
    try:
        method, why, place = choose() if asked == "auto" else _placed(choice.decided(asked, options, backends, what))
    except MemoryBudgetError as error:
        method, why, place = "", str(error), backends[0].device
    return _result(what, options, method, why, place, backends, start)


def _of_job(
    job: Any, what: str | None, device: str, workers: int, overrides: Sequence[str], arguments: Mapping[str, Any]
) -> JobEstimate:
    from bdg.jobs.estimate import estimate_job
    from bdg.jobs.job import Job, load_job

    progress = bool(arguments.get("progress", False))
    arguments = {name: value for name, value in arguments.items() if name != "progress"}
    if what is not None or arguments:
        unexpected = "what" if what is not None else next(iter(arguments))
        raise TypeError(f"{unexpected} belongs to the estimate of a System; a job says itself what it computes")
    if not isinstance(job, Job | str | os.PathLike):
        raise TypeError(f"system_or_job must be a System, a Job or the path of a job file; got {type(job).__name__}")
    job = job if isinstance(job, Job) else load_job(job, overrides)
    return estimate_job(job, workers=workers, device=device, progress=progress)


def _result(
    what: str,
    options: Sequence[Option],
    method: str,
    why: str,
    place: str,
    backends: Sequence[Backend],
    start: float,
) -> Estimate:
    same = [o for o in options if o.method == method and o.device == place]
    seconds, needed = (same[0].seconds, same[0].bytes) if same else (np.nan, np.nan)
    backend = next((b for b in backends if b.device == place), backends[0])
    evidence = Evidence.of(
        method="cost model", why=why, backend=backend, dtype="float64", start=start, rates=rates_of(backend).origin
    )
    return Estimate(
        what=what,
        method=method,
        seconds=float(seconds),
        gibibytes=float(needed) / GIB,
        methods=[o.method for o in options],
        devices=[o.device for o in options],
        notes=[o.note for o in options],
        all_seconds=np.array([o.seconds for o in options]),
        all_gibibytes=np.array([o.bytes for o in options]) / GIB,
        feasible=np.array([o.feasible for o in options]),
        evidence=evidence,
    )


# --------------------------------------------------------------------------------------------------------------- tasks


def _bound_states(h: BdGHamiltonian, backends: Sequence[Backend], device: str, given: Arguments) -> Found:
    window = given.get("window")
    if window is None:
        k = states_choice.require_k(given.get("k", 32), h.shape[0])
    else:
        k = states_choice.levels_between(h, *states_choice.require_window(window))
    options = states_choice.bound_states_options(h, k, backends, ("lanczos", "dense", "shift_invert", "chebyshev"))
    return options, lambda: _placed(states_choice.choose_method("auto", device, h, k))


def _count_states(h: BdGHamiltonian, backends: Sequence[Backend], device: str, given: Arguments) -> Found:
    non_negative_number("energy", given.get("energy", 0.0), "unit of the hopping")
    options = states_choice.bound_states_options(h, 0, backends, ("lanczos", "dense", "shift_invert"))
    return options, lambda: _placed(states_choice.choose_method("auto", device, h, 0))


def _pair_amplitude(h: BdGHamiltonian, backends: Sequence[Backend], device: str, given: Arguments) -> Found:
    temperature = require_temperature(given["temperature"])
    tol = positive_number("tol", given.get("tol", 1e-6), "relative to max|F|")
    sites = require_sites(given.get("sites"), h.system.n_sites)
    bound = chebyshev.spectral_bound(h.matrix, 0)
    options = amplitude_choice.amplitude_options(h, temperature, sites, bound, tol, backends)
    return options, lambda: _placed(amplitude_choice.choose_method("auto", h, temperature, sites, bound, tol, device))


def _averages(h: BdGHamiltonian, backends: Sequence[Backend], device: str, given: Arguments) -> Found:
    temperature = require_temperature(given["temperature"])
    tol = positive_number("tol", given.get("tol", 1e-8), "absolute error")
    elements, times = bool(given.get("elements", True)), float(given.get("iterations", 1))
    n_poles = thermal_choice.n_poles_for(h, temperature, tol) if temperature else None
    options = thermal_choice.elements_options(h, backends, n_poles, elements)
    options = [cost.repeated(option, times) for option in options]
    return options, lambda: _placed(thermal_choice.choose_place("auto", device, h, temperature, tol, elements))


def _self_consistent(h: BdGHamiltonian, backends: Sequence[Backend], device: str, given: Arguments) -> Found:
    temperature = require_temperature(given["temperature"])
    backend = select_backend(device)  # one place for all iterations
    options, _ = _averages(h, [backend], device, given)

    def choose() -> tuple[str, str, str]:
        tol, elements = float(given.get("tol", 1e-8)), bool(given.get("elements", True))
        method, why = thermal_choice.choose_method("auto", h, temperature, tol, backend, elements)
        return method, why, backend.device

    return options, choose


def _density_of_states(h: BdGHamiltonian, backends: Sequence[Backend], device: str, given: Arguments) -> Found:
    points = base_arguments.require_energies(given["energies"])
    n_vectors = trace_choice.require_vectors(given.get("vectors", 8), h.system)
    moments = require_resolution(given.get("broadening"), given.get("moments"), points, h, 0).moments
    options = trace_choice.density_options(h, backends, points.size, moments, n_vectors)
    if given.get("moments") is None:  # another kernel, which "auto" does not take
        eta, _ = resolution.require_broadening(given.get("broadening"), points, h)
        options += green_density.options(green_density.request_for(h, points, eta), backends)
    return options, lambda: _placed(trace_choice.choose_method("auto", device, h, points.size, moments, n_vectors))


def _local_density(h: BdGHamiltonian, backends: Sequence[Backend], device: str, given: Arguments) -> Found:
    points = base_arguments.require_energies(given["energies"])
    sites = require_sites(given.get("sites"), h.system.n_sites)
    eta, _ = resolution.require_broadening(given.get("broadening"), points, h)
    ldos_plan.require_expansion(given.get("moments"), given.get("vectors", 8), "chebyshev", given.get("broadening"))
    request = ldos_plan.Request(h, points, sites, eta, given.get("moments"))
    options = ldos_plan.options(request, backends, ldos_plan.METHODS[1:])
    return options, lambda: _placed(ldos_plan.choose_method("auto", device, request))


def _spectral_function(h: BdGHamiltonian, backends: Sequence[Backend], device: str, given: Arguments) -> Found:
    points = base_arguments.require_energies(given["energies"])
    waves = require_momenta(given["momenta"], h.system.positions.shape[1])
    moments = require_resolution(given.get("broadening"), given.get("moments"), points, h, 0).moments
    options = spectral_options(h, backends, waves, points.size, moments)

    def choose() -> tuple[str, str, str]:
        why, backend = choose_place(device, h, waves, points.size, moments)
        return "chebyshev", why, backend.device

    return options, choose


def _green_function(h: BdGHamiltonian, backends: Sequence[Backend], device: str, given: Arguments) -> Found:
    points, n_sites = np.atleast_1d(base_arguments.require_complex(given["z"])), h.system.n_sites
    sites, sources = given.get("sites"), given.get("sources")
    chosen = None if sites is None and sources is None else require_sites(sites, n_sites)
    origin = chosen if sources is None else require_sites(sources, n_sites, "sources")
    options = green_choice.block_options(h, backends, points, chosen, origin)
    return options, lambda: _placed(green_choice.choose_method("auto", device, h, points, chosen, origin))


_THERMAL = ("temperature", "tol", "elements")
_NEEDS_T, _NEEDS_E = frozenset({"temperature"}), frozenset({"energies"})
_TASKS: dict[str, _Task] = {
    "bound_states": _Task(_bound_states, ("k", "window")),
    "count_states": _Task(_count_states, ("energy",)),
    "pair_amplitude": _Task(_pair_amplitude, ("temperature", "sites", "tol"), _NEEDS_T),
    "electron_density": _Task(_averages, _THERMAL, _NEEDS_T),
    "free_energy": _Task(_averages, _THERMAL, _NEEDS_T),
    "solve_gap": _Task(_self_consistent, (*_THERMAL, "iterations"), _NEEDS_T),
    "density_of_states": _Task(_density_of_states, ("energies", "broadening", "moments", "vectors"), _NEEDS_E),
    "local_density_of_states": _Task(
        _local_density, ("energies", "sites", "broadening", "moments", "vectors"), _NEEDS_E
    ),
    "spectral_function": _Task(
        _spectral_function, ("momenta", "energies", "broadening", "moments"), _NEEDS_E | {"momenta"}
    ),
    "green_function": _Task(_green_function, ("z", "sites", "sources"), frozenset({"z"})),
}
