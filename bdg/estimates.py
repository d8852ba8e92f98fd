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
from bdg.lattices.arguments import whole_number
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

CORES = (1, 2, 8, 16)  # of the tables


@dataclass(frozen=True, eq=False, kw_only=True)
class Estimate(Result):
    """What each method is expected to take; ``str()`` is a table.

    Methods are compared on one thread (``evidence.why``), as the functions themselves compare them: what "auto" takes,
    and with it every bit of a result, is the same for any number of threads. How long it takes is not, and is said
    for the threads that are granted and for some more.

    Attributes
    ----------
    what : str
        The task.
    method : str
        What "auto" takes; "" where nothing fits.
    seconds, gibibytes : float
        Of that method, with ``threads``; nan where nothing fits.
    methods, devices, notes : lists of str
        Of each way, with what its numbers assume.
    all_seconds, all_gibibytes : arrays (R,)
        On the clock, and of the memory of the device, with ``threads``.
    feasible : array (R,) of bool
        Whether it fits into the memory that is left now, on one thread: more are used where they fit, too.
    threads : int
        Those that are granted: the argument of that name, else ``BDG_THREADS``, else the cores at hand.
    cores : array (C,) of int
        Numbers of threads, each on a core of its own, ``threads`` among them.
    seconds_on_cores, gibibytes_on_cores : arrays (R, C)
        The same as ``all_seconds`` and ``all_gibibytes`` with so many. Beyond the cores of this machine they go by
        `bdg.gpu.cost.shared`: the interpreter's lock, and the memory of one socket.
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
    threads: int = quantity("threads that are granted", before=1)
    cores: np.ndarray = quantity("numbers of threads, each on a core (C,)", before=np.zeros(0, int))
    seconds_on_cores: np.ndarray = quantity(
        "expected time of each row with so many (R, C)", "s", before=np.zeros((0, 0))
    )
    gibibytes_on_cores: np.ndarray = quantity(
        "expected memory of each row with so many (R, C)", "GiB", before=np.zeros((0, 0))
    )

    @property
    def rows(self) -> list[tuple[str, str, float, float, bool, str]]:
        """Method, device, seconds, GiB, feasible, and note of each way."""
        columns = (self.methods, self.devices, self.all_seconds, self.all_gibibytes, self.feasible, self.notes)
        return [(m, d, float(s), float(g), bool(f), n) for m, d, s, g, f, n in zip(*columns, strict=True)]

    def __str__(self) -> str:
        """Return the rows as a table, the method that auto takes marked."""
        granted = f"{self.threads} thread{'s' if self.threads > 1 else ''}"
        lines = [f"{self.what}: {self.evidence.why}", f"  compared on one thread; with the {granted} granted here:"]
        names = []
        for method, device, seconds, gibibytes, feasible, note in self.rows:
            mark = "->" if method == self.method and device == self.evidence.device else "  "
            numbers = f"{cost.seconds_in_words(seconds):>10}  {gibibytes:9.3f} GiB"
            fits = "" if feasible else "DOES NOT FIT  "
            names.append(f" {mark} {method:13} {device:4}")
            lines.append(f"{names[-1]} {numbers}  {fits}{note}".rstrip())
        if not len(self.cores):  # read from a file of before
            return "\n".join(lines)
        lines.append(f"  {'with cores':20}" + "".join(f"{number:>21}" for number in self.cores))
        for name, row in zip(names, zip(self.seconds_on_cores, self.gibibytes_on_cores, strict=True), strict=True):
            cells = (f"{cost.seconds_in_words(s):>10} {g:6.3f} GiB" for s, g in zip(*row, strict=True))
            lines.append(f"{name}{''.join(cells)}")
        return "\n".join(lines)

    def plot(self, ax: Any = None) -> Figure:
        """Return a Figure of the seconds of each method."""
        from bdg.plots.parts import plot_seconds

        names = [f"{method}\n{device}" for method, device in zip(self.methods, self.devices, strict=True)]
        return plot_seconds(names, self.all_seconds, self.feasible, ax)


def estimate_system(
    system: System,
    what: str | None = None,
    /,
    *,
    device: str = "auto",
    threads: Any = "auto",
    cores: Sequence[int] = CORES,
    **arguments: Any,
) -> Estimate:
    """Return what a function will take on a system, without calling it: `bdg.estimate` of a System.

    Parameters
    ----------
    system : System
    what : str, optional
        Name of the function; "bound_states" by default.
    device : {"auto", "cpu", "gpu"}
    threads : int or "auto"
        As the function takes it. No method is chosen by it.
    cores : sequence of int
        Numbers of threads beside it.
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
    granted = require_threads(threads)
    numbers = sorted({granted, *(whole_number("cores", number, 1) for number in cores)})
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
    return _result(what, options, taken, backends, start, granted, numbers)


def _result(
    what: str,
    options: Sequence[Option],
    taken: Choice,
    backends: Sequence[Backend],
    start: float,
    granted: int,
    cores: Sequence[int],
) -> Estimate:
    place = taken.backend.device
    same = [o for o in options if o.method == taken.method and o.device == place]
    seconds, needed = same[0].on(granted) if same else (np.nan, np.nan)
    on_cores = np.array([[option.on(number) for number in cores] for option in options]).reshape(-1, len(cores), 2)
    here = list(cores).index(granted)
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
        all_seconds=on_cores[:, here, 0],
        all_gibibytes=on_cores[:, here, 1] / GIB,
        feasible=np.array([o.feasible for o in options]),
        threads=granted,
        cores=np.array(cores),
        seconds_on_cores=on_cores[:, :, 0],
        gibibytes_on_cores=on_cores[:, :, 1] / GIB,
        evidence=evidence,
    )
