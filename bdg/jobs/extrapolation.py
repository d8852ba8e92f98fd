"""What a point on a large grid takes, from small boxes with the same keys: the large one is never built.

Samples of 2e3 to 3e4 sites are cut down from the longest edges first, so that a film stays as thick and a chain as thin
as it is. Seconds and bytes of each method are fitted to what is known to grow with the box: sites, and the operations
and elements of a factorisation, which `bdg.gpu.cost.grid_dissection` counts for a grid of any shape.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import scipy  # its parts load on use

from bdg.estimates import Estimate, estimate_system
from bdg.gpu.cost import model as cost
from bdg.gpu.cost.grid_dissection import grid_work
from bdg.gpu.cost.model import Option
from bdg.gpu.device.backend import select_backend
from bdg.gpu.device.memory import GIB, available_bytes
from bdg.jobs.model.kind import Kind, Shape, Step
from bdg.jobs.model.sweep import Parameters
from bdg.lattices import budget
from bdg.lattices.budget import Building
from bdg.lattices.system import System
from bdg.methods import choice

BUILT_UP_TO = 50_000  # sites: an estimate of so many is made in a second or two on the system itself
SAMPLES = (2_000, 4_000, 8_000, 16_000, 30_000)  # sites of the boxes that larger ones are extrapolated from
_ROWS_A_STATE = 8  # rows of a sample for each state that is asked for: fewer are all states
_AT_LAST = {"bound_states": "chebyshev"}  # what "auto" takes only where nothing else fits
_NEVER = {"density_of_states": "green", "superfluid_stiffness": "twist"}  # and what it does not take
_DENSE = ("dense", "kubo")  # all levels

Sums = Mapping[str, float]


@dataclass(frozen=True)
class StepCost:
    """What one step of a point takes, done once; ``method`` is "" where nothing fits, and ``why`` says the reason.

    ``seconds`` on one thread; ``on_threads`` and ``bytes`` on each number of threads that was asked about.
    """

    step: Step
    method: str
    seconds: float
    on_threads: np.ndarray
    bytes: np.ndarray
    why: str


def cost_on_threads(step: Step, found: Estimate, threads: Sequence[int]) -> StepCost:
    """Return what a step takes by the method that "auto" takes, on each number of threads."""
    if not found.method:
        nothing = np.zeros(len(threads))
        return StepCost(step, "", 0.0, nothing, nothing, found.evidence.why)
    row = list(zip(found.methods, found.devices, strict=True)).index((found.method, found.evidence.device))
    cores = list(found.cores)
    places = [cores.index(number) for number in threads]
    seconds = found.seconds_on_cores[row]
    needed = found.gibibytes_on_cores[row, places] * GIB
    return StepCost(step, found.method, float(seconds[cores.index(1)]), seconds[places], needed, found.evidence.why)


# -------------------------------------------------------------------------------------------------------------- samples


def sample_shapes(shape: Shape, sizes: Sequence[int] = SAMPLES) -> list[Shape]:
    """Return shapes of about so many sites: the given one with no edge longer than a common length."""
    found = []
    for most in sizes:
        low, high = 1, max(shape)
        while low < high:
            middle = (low + high + 1) // 2
            low, high = (middle, high) if _sites(_clipped(shape, middle)) <= most else (low, middle - 1)
        found.append(_clipped(shape, low))
    return list(dict.fromkeys(found))


def _clipped(shape: Shape, edge: int) -> Shape:
    return tuple(min(n, edge) for n in shape)


def _sites(shape: Shape) -> int:
    return math.prod(shape)


# ----------------------------------------------------------------------------------------------------------- the fits


def extrapolated(
    kind: Kind,
    parameters: Parameters,
    building: Building,
    device: str,
    share: Callable[[System], None],
    threads: Sequence[int] = (1,),
) -> list[StepCost] | None:
    """Return what the steps of a point take whose grid is too large to be built for that; None if it has no samples.

    Parameters
    ----------
    kind : Kind
        It says what a point computes, and which keys make a smaller box.
    parameters : Parameters
    building : Building
        What the builder of its system states.
    device : str
    share : callable
        Lets a system use what was made of the same geometry before.
    threads : sequence of int
        Numbers of threads that are asked about.
    """
    if kind.steps is None or kind.smaller is None:
        return None
    shapes, steps, rows = [], [], []
    for wanted in sample_shapes(building.shape):
        changed = kind.smaller(parameters, building.shape, wanted)
        stated = budget.predict(functools.partial(kind.steps, changed))
        assert stated is not None
        system, found = kind.steps(changed)
        if any(_ROWS_A_STATE * step.arguments.get("k", 0) > 2 * system.norbs * system.n_sites for step in found):
            continue
        share(system)
        shapes.append(stated.shape)
        steps = found
        rows.append([asked(system, step, device, threads) for step in found])
    if not rows:
        return None
    sums = [_sums(shape, building.periodic) for shape in shapes]
    target = _sums(building.shape, building.periodic)
    dimension = 2 * system.norbs * int(building.count)
    return [
        _step_cost(
            step, [row[number] for row in rows if len(row) == len(steps)], sums, target, device, dimension, threads
        )
        for number, step in enumerate(steps)
    ]


def asked(system: System, step: Step, device: str, threads: Sequence[int] = (1,)) -> Estimate:
    """Return what `bdg.estimate` says of a step on a system that is there, for one thread and others."""
    return estimate_system(system, step.what, device=device, threads=1, cores=threads, **step.arguments)


def _sums(shape: Shape, periodic: Sequence[bool]) -> dict[str, float]:
    work, sites = grid_work(shape, periodic), float(_sites(shape))
    return {
        "one": 1.0,
        "sites": sites,
        "planes": sites * sites / max(min(shape), 1) if min(shape) > 1 else sites,
        "square": sites**2,
        "flops": work.flops,
        "kept": work.kept,
        "largest": work.largest,
    }


_GROWTH = {  # what seconds and bytes grow with
    "chebyshev": (("sites", "planes", "square"), ("one", "sites")),
    "direct": (("sites", "kept", "flops"), ("sites", "kept", "largest")),
}


def _step_cost(
    step: Step,
    found: Sequence[Estimate],
    sums: Sequence[Sums],
    target: Sums,
    device: str,
    dimension: int,
    threads: Sequence[int],
) -> StepCost:
    """Return what a step takes by the method that "auto" would take of those that fit."""
    sums = sums[-len(found) :]
    options, on_threads = [], {}
    for method, place, *_, note in found[-1].rows:
        known = [
            (s, each, number)
            for s, each in zip(sums, found, strict=True)
            for number, row in enumerate(each.rows)
            if row[:2] == (method, place)
        ]
        seconds = np.array([each.seconds_on_cores[number] for _, each, number in known])  # (samples, threads)
        needed = np.array([each.gibibytes_on_cores[number] for _, each, number in known]) * GIB
        if not (np.isfinite(seconds).all() and (seconds > 0).all()):
            continue
        left = available_bytes(select_backend(place))
        _, last, number = known[-1]
        if not last.feasible[number] and needed[-1, 0] <= left:
            continue  # closed for another reason than memory
        of_method = [s for s, *_ in known]
        grown = [_grown(method, of_method, *columns, target) for columns in zip(seconds.T, needed.T, strict=True)]
        options.append(Option(method, place, grown[0][0], grown[0][1], left, note))
        cores = list(last.cores)
        on_threads[method, place] = np.array([grown[cores.index(number)] for number in threads]).T
    return _taken(step, options, device, dimension, on_threads)


def _grown(method: str, sums: Sequence[Sums], seconds: np.ndarray, needed: np.ndarray, target: Sums) -> Sequence[float]:
    """Return the seconds and bytes at the target, from those of the samples."""
    if method in _DENSE:
        ratio = target["sites"] / sums[-1]["sites"]
        return float(seconds[-1] * ratio**3), float(needed[-1] * ratio**2)
    growth = _GROWTH["chebyshev" if method == "chebyshev" else "direct"]
    return [_fitted(sums, values, names, target) for values, names in zip((seconds, needed), growth, strict=True)]


def _fitted(sums: Sequence[Sums], values: np.ndarray, names: Sequence[str], target: Sums) -> float:
    """Return a sum with coefficients >= 0 at the target, fitted to relative deviations at the samples."""
    columns = np.array([[each[name] / target[name] for name in names] for each in sums])
    coefficients, _ = scipy.optimize.nnls(columns / values[:, None], np.ones(len(values)))
    return float(coefficients.sum())


def _taken(
    step: Step,
    options: list[Option],
    device: str,
    dimension: int,
    on_threads: Mapping[tuple[str, str], np.ndarray],
) -> StepCost:
    if device == "auto" and dimension > choice.CPU_UP_TO and any(o.device == "gpu" for o in options):
        options = [o for o in options if o.device == "gpu"]
    asked = step.arguments.get("method", "auto")
    if asked != "auto":
        options = [o for o in options if o.method == asked]
    else:
        options = [o for o in options if o.method != _NEVER.get(step.what)]
        first = [o for o in options if o.method != _AT_LAST.get(step.what)]
        options = first if any(o.feasible for o in first) else options
    best = cost.choose(options)
    if best is None:
        nothing = np.zeros(0)
        return StepCost(step, "", 0.0, nothing, nothing, f"{step.what} does not fit: {choice.refusal(options)}")
    seconds, needed = on_threads[best.method, best.device]
    return StepCost(step, best.method, best.seconds, seconds, needed, "")
