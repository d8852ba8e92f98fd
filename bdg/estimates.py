"""How long a computation will take and how much memory, by each method, before it is begun: `bdg.estimate`."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from bdg.base.arguments import require_choice, require_seed, require_system
from bdg.base.hamiltonian import BdGHamiltonian
from bdg.base.results import Choice, Evidence, Result, quantity
from bdg.condensate import amplitude_choice, critical_choice
from bdg.currents import choice as currents_choice
from bdg.densities import local_choice, spectral_function, trace_choice
from bdg.gpu.cost import model as cost
from bdg.gpu.cost.calibration import rates_of
from bdg.gpu.cost.model import Option
from bdg.gpu.device.backend import Backend, MemoryBudgetError, select_backend
from bdg.gpu.device.memory import GIB
from bdg.gpu.device.threads import require_threads
from bdg.granular import choice as granular_choice
from bdg.granular import landscape_choice
from bdg.green import choice as green_choice
from bdg.lattices.system import System
from bdg.levels import choice as levels_choice
from bdg.methods import choice
from bdg.methods.task import Task
from bdg.states import choice as states_choice
from bdg.thermal import choice as thermal_choice

if TYPE_CHECKING:
    from matplotlib.figure import Figure

TASKS: dict[str, Task] = {
    **states_choice.TASKS,
    **amplitude_choice.TASKS,
    **thermal_choice.TASKS,
    **trace_choice.TASKS,
    **local_choice.TASKS,
    **spectral_function.TASKS,
    **green_choice.TASKS,
    **critical_choice.TASKS,
    **currents_choice.TASKS,
    **levels_choice.TASKS,
    **granular_choice.TASKS,
    **landscape_choice.TASKS,
}
# Functions of `bdg` that compute and are not in `TASKS`, with the reason.
QUICK = {
    "estimate": "it is what estimates",
    "level_statistics": "it sorts levels that are at hand",
    "load": "it reads a file",
    "penetration_depth": "it converts a number",
    "phase_response": "it takes a few sparse products with states that are at hand",
    "proximity_length": "it fits a few numbers to amplitudes that are at hand",
}


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
    methods: list[str] = quantity("method of each row (R,)")
    devices: list[str] = quantity("device of each row (R,)")
    notes: list[str] = quantity("what the numbers of each row assume (R,)")
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


def estimate_system(system: System, what: str | None = None, /, *, device: str = "auto", **arguments: Any) -> Estimate:
    """Return what a function will take on a system, without calling it: `bdg.estimate` of a System.

    Parameters
    ----------
    system : System
    what : str, optional
        Name of the function; "bound_states" by default.
    device : {"auto", "cpu", "gpu"}
    **arguments
        Those of the function, also ``method``.

    Raises
    ------
    ValueError, TypeError
        If an argument is unknown, missing or out of range.
    """
    start = time.perf_counter()
    system = require_system(system)
    what = "bound_states" if what is None else what
    if isinstance(what, str) and what in QUICK:
        raise ValueError(f"what={what!r} needs no estimate: {QUICK[what]}. Known: {', '.join(TASKS)}")
    require_choice("what", what, tuple(TASKS))
    select_backend(device)
    require_seed(arguments.pop("seed", None))  # neither of them changes what it takes
    arguments.pop("progress", None)
    require_threads(arguments.pop("threads", "auto"))
    task, asked = TASKS[what], arguments.pop("method", "auto")
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
        taken = choose() if asked == "auto" else choice.decided(asked, options, backends, what)
    except MemoryBudgetError as error:
        taken = Choice("", str(error), backends[0])
    return _result(what, options, taken, backends, start)


def _result(what: str, options: Sequence[Option], taken: Choice, backends: Sequence[Backend], start: float) -> Estimate:
    place = taken.backend.device
    same = [o for o in options if o.method == taken.method and o.device == place]
    seconds, needed = (same[0].seconds, same[0].bytes) if same else (np.nan, np.nan)
    backend = next((b for b in backends if b.device == place), backends[0])
    told = Choice("cost model", taken.why, backend)
    evidence = Evidence.of(told, dtype="float64", start=start, rates=rates_of(backend).origin)
    return Estimate(
        what=what,
        method=taken.method,
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
