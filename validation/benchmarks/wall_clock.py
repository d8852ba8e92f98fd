"""Everything that users wait for, by the clock: this package on one thread and on two, beside what they could do else.

Peers run on the threads that they take best: MKL PARDISO on one and on two, of which the quicker one counts, SciPy and
kwant on one. What other processes took of the cores meanwhile stands beside each row, since a busy neighbour spoils it.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from bdg.validation.benchmarks.alone import Measurement
from bdg.validation.benchmarks.markdown import markdown
from bdg.validation.benchmarks.routes import Route

OURS = "this package"
THREADS = (1, 2)
SPOILT = 0.2  # cores that others took on average, above which a row is marked
LARGE = Route("32 bound states of a large cube, 2 threads", "lanczos", once=True, threads=2, clock=True)
ENGINES = {"processes": "worker processes", "dask": "workers of a dask scheduler"}
WORKERS = (1, 2)
_QUICKER = 1.7  # two workers than one, on two cores
_PROMISED_FROM = 16  # sites an axis: below, what is done once (start, results.h5) takes as long as points

_Peer = tuple[str, str, dict[str, Any], tuple[int, ...]]  # name, task, its options, numbers of threads


@dataclass(frozen=True)
class Line:
    """One quantity of one size: all routes to it, ours first.

    Attributes
    ----------
    what : str
    size : int
        Sites an axis.
    routes : tuple of Route
    """

    what: str
    size: int
    routes: tuple[Route, ...]


def _line(
    what: str,
    size: int,
    task: str,
    peers: Sequence[_Peer] = (),
    **options: Any,
) -> Line:
    """Return a line with our task on `THREADS`, and peers."""
    every = [(OURS, task, options, THREADS), *peers]
    routes = [
        Route(f"{what}: {name}, {_threads(number)}", of, given, threads=number, clock=True)
        for name, of, given, numbers in every
        for number in numbers
    ]
    return Line(what, size, tuple(routes))


def _threads(number: int) -> str:
    return f"{number} thread{'s' if number > 1 else ''}"


def _lines(
    states: Sequence[int],
    scipy: Sequence[int],
    sums: Sequence[int],
    steps: Sequence[int],
    films: Sequence[tuple[str, int, int]],
) -> tuple[Line, ...]:
    """Return the lines for edges of cubes of states (those in ``scipy`` by SuperLU, too), sums and steps, and films."""
    pardiso: _Peer = ("ARPACK on MKL PARDISO (LDL^T)", "pardiso", {"tol": 1e-9}, THREADS)
    superlu: _Peer = ("SciPy `eigsh(sigma=0)`", "superlu", {}, (1,))
    found = [_line("32 states, proven", n, "lanczos", [pardiso, *([superlu] if n in scipy else [])]) for n in states]
    found += [_line("F on all sites", n, "poles") for n in sums]
    found += [_line("one iteration of the gap, 0.1 Tc", n, "gap_steps", steps=1) for n in sums]
    found += [_line("local density of all sites, 4 energies", n, "ldos") for n in sums]
    kwant: _Peer = ("kwant.kpm", "kwant_kpm", {}, (1,))
    found += [_line("density of states, 8 vectors, 512 moments", n, "expansion", [kwant]) for n in states]
    found += [_line("Chebyshev step, 8 columns", n, "step") for n in steps]
    for kind, n, k in films:
        given = {"kind": kind, "k": k}
        peer: _Peer = ("SciPy `eigsh(sigma=0)`", "film_scipy", given, (1,))
        found.append(_line(f"{k} states of a {kind} film, norbs = 2, proven", n, "film", [peer], **given))
    return tuple(found)


LINES = _lines(
    (24, 32, 40), (24, 32), (20, 24), (32, 56), (("Rashba", 120, 16), ("Rashba", 180, 16), ("real", 120, 32))
)
QUICK = _lines((6,), (6,), (6,), (6,), (("Rashba", 12, 4), ("real", 12, 4)))
FILMS = ("states of a",)


def table(best: Mapping[tuple[int, str], Measurement], lines: Sequence[Line]) -> str:
    """Return the table of lines, what else ran, and how our times compare with the quickest peers."""
    head = ("what", "size", "by", "s", "CPU s", "times ours", "GiB", "cores that others took", "found")
    rows, measured = [], []
    for line in lines:
        found = {route.name: best[line.size, route.name] for route in line.routes if (line.size, route.name) in best}
        measured += [one for one in found.values() if not one.error]
        ours = quickest(found, OURS)
        rows += [_row(line, name, one, ours) for name, one in found.items()]
    return "\n\n".join([markdown(head, rows), neighbours(measured)])


def quickest(found: Mapping[str, Measurement], by: str) -> float:
    """Return the least seconds on the clock of the routes by one of the peers; nan if there are none."""
    known = [seconds(one) for name, one in found.items() if f": {by}" in name and not one.error]
    return min(known, default=math.nan)


def seconds(found: Measurement) -> float:
    """Return the seconds of what a row is about: of one step where steps are timed, else of the call."""
    return float(found.found.get("step_seconds", found.seconds))


def _row(line: Line, name: str, found: Measurement, ours: float) -> tuple[str, ...]:
    flat = any(words in line.what for words in FILMS)
    start = (line.what, f"{line.size}^{2 if flat else 3}", name.partition(": ")[2])
    if found.error:
        return (*start, "-", "-", "-", "-", "-", found.error)
    processor = found.cpu_seconds if "step_seconds" not in found.found else math.nan
    others = found.others
    return (
        *start,
        f"{seconds(found):.3g}",
        "-" if math.isnan(processor) else f"{processor:.3g}",
        f"{seconds(found) / ours:.2f}",
        f"{found.peak_gib:.3f}",
        "-" if math.isnan(others) else f"{others:.2f}{' (!)' if others > SPOILT else ''}",
        _words(found.found),
    )


def _words(found: Mapping[str, Any]) -> str:
    if "step_seconds" in found:
        copied, multiplied = (100 * found[f"of_{name}"] for name in ("copy", "gemm"))
        rates = f"{found['copy_rate'] / 1e9:.1f} GB/s, {found['gemm_rate'] / 1e9:.0f} Gflop/s"
        return f"{copied:.0f} % of a copy, {multiplied:.1f} % of a dense product ({rates} on as many threads)"
    if "complete" in found:
        return "complete" if found["complete"] else "NOT proven complete"
    return "-"


def neighbours(measured: Sequence[Measurement]) -> str:
    """Return what else ran on the machine, as a sentence."""
    loads = [one.load for one in measured if not math.isnan(one.load)]
    others = [one.others for one in measured if not math.isnan(one.others)]
    if not loads or not others:
        return "What else ran on the machine is not known."
    spoilt = sum(each > SPOILT for each in others)
    return (
        f"Load average when each began: {min(loads):.1f} to {max(loads):.1f}. Other processes took "
        f"{np.mean(others):.2f} cores on average, at most {max(others):.2f}; {spoilt} of {len(others)} rows, marked "
        f"(!), had more than {SPOILT:g} cores beside them and are not to be trusted."
    )


def large(best: Mapping[tuple[int, str], Measurement], sizes: Sequence[int]) -> str:
    """Return the table of bound states of large cubes."""
    head = ("size", "s, 2 threads", "CPU s", "GiB", "proof", "largest residual / t", "cores that others took")
    rows = []
    for size in sizes:
        found = best.get((size, LARGE.name))
        if found is None:
            continue
        if found.error:
            rows.append((f"{size}^3", "-", "-", "-", found.error, "-", "-"))
            continue
        numbers = (f"{found.seconds:.1f}", f"{found.cpu_seconds:.1f}", f"{found.peak_gib:.2f}")
        proof = "complete" if found.found["complete"] else "NOT complete"
        rows.append((f"{size}^3", *numbers, proof, f"{found.found['residual']:.0e}", f"{found.others:.2f}"))
    return markdown(head, rows)


def growth(best: Mapping[tuple[int, str], Measurement], wanted: Sequence[tuple[str, Sequence[int]]]) -> str:
    """Return CPU seconds of one thread by size, and the exponent of N that they grow with."""
    sizes = sorted({size for _, some in wanted for size in some})
    head = ("CPU s on one thread", *(f"{size}^3" for size in sizes), "grows like", "largest two like")
    names = {"lanczos": "32 states, proven", "poles": "F on all sites", "expansion": "density of states, 512 moments"}
    rows = []
    for task, _ in wanted:
        found = {size: best.get((size, f"growth: {task}")) for size in sizes}
        known = {size: one.cpu_seconds for size, one in found.items() if one is not None and not one.error}
        cells = [f"{known[size]:.3g}" if size in known else "failed" if found[size] else "-" for size in sizes]
        last = dict(list(known.items())[-2:])
        rows.append((names[task], *cells, *(f"N^{exponent(some):.2f}" for some in (known, last))))
    return markdown(head, rows)


def exponent(seconds_of: Mapping[int, float]) -> float:
    """Return p of the best fit of ``seconds ~ N^p``, N = size^3; nan below two sizes."""
    if len(seconds_of) < 2:
        return math.nan
    sites = 3 * np.log(list(seconds_of))
    return float(np.polyfit(sites, np.log(list(seconds_of.values())), 1)[0])


def targets(best: Mapping[tuple[int, str], Measurement], lines: Sequence[Line]) -> list[tuple[str, float, float]]:
    """Return what is promised by the clock: name, how many times the quickest peer takes as long, the least of it."""
    found = []
    for line in lines:
        known = {route.name: best[line.size, route.name] for route in line.routes if (line.size, route.name) in best}
        peers = {route.name.partition(": ")[2].rpartition(", ")[0] for route in line.routes} - {OURS}
        times = [quickest(known, peer) / quickest(known, OURS) for peer in peers]
        if times:
            least = float(np.nanmin(times)) if not np.isnan(times).all() else math.nan
            found.append((f"{line.what}, {line.size}, by the clock: quickest peer / ours", least, 1.0))
    return found


def sweep_route(engine: str, workers: int) -> Route:
    """Return the route through an engine with some workers."""
    name = f"sweep: {ENGINES[engine]}, {workers}"
    task = "sweep" if engine == "processes" else "sweep_dask"
    return Route(name, task, {"workers": workers, "engine": engine}, once=True, clock=True)


def sweeps(best: Mapping[tuple[int, str], Measurement], sizes: Sequence[int]) -> str:
    """Return seconds on the clock of one worker and of two, by engine."""
    head = (
        "computed by",
        "size",
        "s, 1 worker",
        "s, 2 workers",
        "times quicker",
        "same bits",
        "cores that others took",
    )
    rows = []
    for size in sizes:
        every = [best.get((size, sweep_route(engine, workers).name)) for engine in ENGINES for workers in WORKERS]
        digests = {found.found["digest"] for found in every if found is not None and not found.error}
        for engine, words in ENGINES.items():
            one, two = (best.get((size, sweep_route(engine, workers).name)) for workers in WORKERS)
            if one is None or two is None:
                continue
            if one.error or two.error:
                rows.append((words, f"{size}^3", "-", "-", "-", "-", one.error or two.error))
                continue
            times = (f"{one.seconds:.1f}", f"{two.seconds:.1f}", f"{one.seconds / two.seconds:.2f}")
            others = f"{one.others:.2f}, {two.others:.2f}"
            rows.append((words, f"{size}^3", *times, "yes" if len(digests) == 1 else "NO", others))
    return markdown(head, rows)


def sweep_targets(best: Mapping[tuple[int, str], Measurement], sizes: Sequence[int]) -> list[tuple[str, float, float]]:
    """Return what is promised: name, how many times quicker two workers are, the least of it."""
    found = []
    for size in (size for size in sizes if size >= _PROMISED_FROM):
        for engine, words in ENGINES.items():
            one, two = (best.get((size, sweep_route(engine, workers).name)) for workers in WORKERS)
            times = float("nan")
            if one is not None and two is not None and not (one.error or two.error):
                times = one.seconds / two.seconds
            found.append((f"sweep of 16 points, {size}^3, {words}: two against one", times, _QUICKER))
    return found
