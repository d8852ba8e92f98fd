"""What the cost model predicts beside what is measured: where its constants were fitted, and where they were not.

    python -m bdg.validation.benchmarks.predictions

Everything is computed in a process of its own: first the estimate, with the rates of this machine, then the computation
on a new copy of the system, so that ordering and symbolic factorisation count. One thread is held against its processor
seconds, which other processes hardly disturb, several against the clock, beside which stands what else was running.
"""

from __future__ import annotations

import dataclasses
import gc
import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Sequence

import numpy as np
import scipy.sparse as sp

import bdg
from bdg.lattices.builders.stacks import Layer, stack
from bdg.lattices.system import System
from bdg.validation.benchmarks.alone import THREADS, package_root
from bdg.validation.benchmarks.markdown import markdown
from bdg.validation.benchmarks.memory import GIB, peak_bytes, reset_peak
from bdg.validation.benchmarks.neighbours import Neighbours
from bdg.validation.benchmarks.systems import GAP, composite
from bdg.validation.benchmarks.ways import WAYS


@dataclasses.dataclass(frozen=True)
class Case:
    """A system, and what is computed of it.

    Attributes
    ----------
    sites : tuple of int
        Sites an axis; cubes are composites with grains, others S/N/S layers.
    ways : tuple of str
        Names of `WAYS`.
    norbs : int
    phases : bool
        The phase of Delta varies along x, so that H is complex.
    periodic : bool
        Layers wrap around across x.
    fresh : bool
        Neither this size nor this shape was used to choose a constant of the model.
    threads : int
    """

    sites: tuple[int, int, int]
    ways: tuple[str, ...]
    norbs: int = 1
    phases: bool = False
    fresh: bool = False
    periodic: bool = False
    threads: int = 1

    @property
    def name(self) -> str:
        """Shape, and that it is spinful or complex."""
        shape = f"{self.sites[0]}^3" if len(set(self.sites)) == 1 else " x ".join(map(str, self.sites))
        return (
            shape
            + (", norbs = 2" if self.norbs == 2 else "")
            + (", complex" if self.phases else "")
            + (", periodic" if self.periodic else "")
            + (f", {self.threads} threads" if self.threads > 1 else "")
        )


@dataclasses.dataclass(frozen=True)
class Row:
    """Seconds and GiB, predicted and measured: processor seconds of one thread, else seconds on the clock.

    ``others``: cores that other processes took meanwhile; ``error``: why there are no numbers.
    """

    case: str
    words: str
    method: str
    what: str
    predicted: float = float("nan")
    measured: float = float("nan")
    predicted_gib: float = float("nan")
    measured_gib: float = float("nan")
    taken: str = "-"  # by auto
    fresh: bool = False
    threads: int = 1
    others: float = 0.0
    error: str = ""

    @property
    def memory_ratio(self) -> float:
        """Predicted over measured GiB."""
        return self.predicted_gib / max(self.measured_gib, 1e-6)

    @property
    def ratio(self) -> float:
        """Predicted over measured seconds."""
        return self.predicted / self.measured


_ALL = ("lanczos", "poles", "poles, layer", "columns", "density", "local, all", "local, few", "green")
_NARROW = ("local, one site", "local, one site, green", "columns, few", "density, few", "spectral")
_MANY = ("many, lanczos", "many, filtered")
_SUMS = ("junction", "stiffness", "harmonics")
_SMALL = ("junction, dense", "stiffness, levels", "harmonics, levels", "curves, dense")
_THOULESS = ("Thouless", "Thouless, shift")
TUNED = (
    Case((9, 9, 9), ("dense",)),
    Case((10, 10, 10), (*_ALL, "shift_invert", "dense", "many, lanczos", "many, filtered")),
    Case((11, 11, 11), ("dense", "shift_invert")),
    Case((14, 14, 14), ("many, lanczos", "many, filtered", "shift_invert")),
    Case((16, 16, 16), (*_ALL, "many, lanczos", "many, filtered")),
    Case((22, 22, 22), _ALL),
    Case((60, 60, 4), _ALL),
    Case((40, 40, 4), ("many, lanczos", "many, filtered")),
    Case((7, 7, 7), ("lanczos", "poles"), 2),
    Case((10, 10, 10), ("lanczos", "poles"), 2),
    Case((14, 14, 14), ("lanczos", "poles"), 2),
    Case((24, 16, 1), ("transition, levels", "transition", "junction, gap")),
)
FITTED = (  # geometries that constants were fitted to besides, see `bdg.gpu.cost.model` and `bdg.states.lanczos_costs`
    *((n, n, n) for n in (5, 8, 12, 14, 18, 20, 22, 26)),
    *((40, 40, 6), (60, 60, 4), (80, 10, 10), (450, 6, 3), (90, 90, 1), (140, 60, 1), (1803, 4, 1), (3000, 1, 1)),
)
FRESH = tuple(
    dataclasses.replace(case, fresh=True)
    for case in (
        Case((19, 19, 19), (*_ALL, "local, spectra", "green, imaginary")),
        Case((50, 50, 5), (*_ALL, "local, spectra", "green, imaginary")),
        Case((120, 8, 8), (*_ALL, "local, spectra", "green, imaginary")),
        Case((100, 70, 1), ("lanczos", "poles", "density", "local, all", "green, imaginary")),
        Case((30, 20, 10), ("lanczos", "poles", "density", "local, few")),
        Case((13, 13, 13), (*_MANY, "lanczos", "local, spectra")),
        Case((15, 15, 15), _MANY),
        Case((17, 17, 17), _MANY),
        Case((36, 36, 5), _MANY),
        Case((12, 11, 9), ("lanczos", "poles", "green"), norbs=2),
        Case((13, 13, 13), ("lanczos", "poles", "green", "columns"), phases=True),
        Case((15, 14, 12), _NARROW),
        Case((25, 25, 4), _NARROW, phases=True),
        Case((600, 1, 1), ("currents", "junction", "stiffness", "stiffness, twist", "harmonics")),
        Case((40, 30, 1), ("currents", *_SUMS, "stiffness, levels", "stiffness, twist", "curves")),
        Case((18, 16, 1), (*_SMALL, "junction, gap, dense")),
        Case((9, 9, 8), (*_SUMS, *_SMALL, "curves", "transition, levels")),
        Case((9, 7, 6), (*_SUMS, *_SMALL, "curves", "transition, levels"), norbs=2),
        Case((12, 9, 8), (*_SUMS, "curves"), phases=True),
        Case((60, 40, 1), _THOULESS, periodic=True),
        Case((15, 12, 12), _THOULESS, periodic=True),
        Case((12, 8, 8), _THOULESS, norbs=2, periodic=True),
    )
)
SHARED = tuple(  # what threads share: poles, energies, blocks of columns, steps; and what they do not
    Case(sites, ways, threads=2)
    for sites, ways in (
        ((16, 16, 16), ("poles", "local, four", "density", "columns", "lanczos")),
        ((20, 20, 20), ("poles", "local, four")),
        ((40, 40, 4), ("poles", "local, four", "lanczos")),
        ((32, 32, 32), ("density",)),
        ((600, 1, 1), ("junction",)),
    )
)
CASES = (*TUNED, *FRESH, *SHARED)
_WARM = (6, 5, 5)  # what is computed once before, so that nothing is loaded or compiled while it is measured
QUICK = (Case((6, 6, 6), ("lanczos", "poles", "density")), Case((6, 6, 3), ("green",), fresh=True))


def build(case: Case) -> System:
    """Return the system of a case."""
    if len(set(case.sites)) == 1 and not case.periodic:
        system = composite(case.sites[0])
    else:
        third = case.sites[0] // 3
        outer = Layer(third, delta=GAP, disorder=1.0)
        layers = [outer, Layer(case.sites[0] - 2 * third, disorder=1.0), outer]
        across = case.sites[1:]
        periodic = [n > 2 for n in across] if case.periodic else False
        system = stack(layers, across, mu=-1, seed=1, periodic=periodic)
    if case.phases:
        x = system.positions[:, 0] - system.positions[:, 0].min()
        system = system.with_delta(system.delta * np.exp(2j * x / x.max()))
    if case.norbs == 1:
        return system
    spins = sp.kron(system.hamiltonian, sp.identity(2), format="csr")
    return System(
        hamiltonian=spins,
        positions=system.positions,
        delta=system.delta,
        grain=system.grain,
        period=system.period,
        norbs=2,
    )


def measure(cases: Sequence[Case] = CASES, take: Callable[[Row], None] = lambda row: None) -> list[Row]:
    """Return predictions and measurements of all cases, each in a process of its own, and hand them on as they come."""
    rows = []
    for case in cases:
        print(f"  {case.name}: {', '.join(case.ways)}", file=sys.stderr, flush=True)
        for way in case.ways:
            rows.append(_alone(dataclasses.replace(case, ways=(way,))))
            take(rows[-1])
    return rows


def _alone(case: Case) -> Row:
    """Return the row of a case with one way; a process that fails makes a row that says so."""
    environment = {**os.environ, **dict.fromkeys(THREADS, str(case.threads))}
    environment["PYTHONPATH"] = os.pathsep.join(filter(None, [package_root(), os.environ.get("PYTHONPATH")]))
    command = [sys.executable, "-m", __name__, json.dumps(dataclasses.asdict(case))]
    with Neighbours() as others:
        done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    found = [json.loads(line) for line in done.stdout.splitlines() if line.startswith("{")]
    if done.returncode or not found:
        way, last = WAYS[case.ways[0]], (done.stderr.strip().splitlines() or ["nothing on stderr"])[-1]
        error = f"ended with code {done.returncode}: {last[:200]}"
        return Row(case.name, way.words, way.method, way.what, fresh=case.fresh, threads=case.threads, error=error)
    return dataclasses.replace(Row(**found[0]), others=others.cores)


def rows_of(case: Case) -> list[Row]:
    """Return predictions and measurements of one case, made in this process."""
    of_case, of_warm = build(case), build(dataclasses.replace(case, sites=_WARM))
    clock = time.process_time if case.threads == 1 else time.perf_counter
    rows = []
    for name in case.ways:
        way = WAYS[name]
        system, warm = way.prepared(of_case), way.prepared(of_warm)
        arguments = way.arguments(system)
        found = bdg.estimate(system, way.what, device="cpu", threads=case.threads, **arguments)
        assert isinstance(found, bdg.Estimate)
        place = found.methods.index(way.method)
        compute = getattr(bdg, way.what)
        small = {**way.arguments(warm), **({"k": 32} if "k" in arguments else {})}
        named = {"device": "cpu", "threads": case.threads}
        named |= {} if way.what == "spectral_function" else {"method": way.method}  # it has but one
        compute(warm, **named, **small)
        fresh = dataclasses.replace(system, shared={})
        gc.collect()
        before = reset_peak()
        start = clock()
        compute(fresh, **named, **arguments)
        seconds = clock() - start
        peak = (peak_bytes() - before) / GIB
        rows.append(
            Row(
                case.name,
                way.words,
                way.method,
                way.what,
                predicted=float(found.all_seconds[place]),
                measured=seconds,
                predicted_gib=float(found.all_gibibytes[place]),
                measured_gib=peak,
                taken=found.method,
                fresh=case.fresh,
                threads=case.threads,
            )
        )
    return rows


def table(rows: Sequence[Row]) -> str:
    """Return the rows as Markdown, those not used in tuning apart, and how many hold within a factor of two."""
    parts = []
    groups: tuple[tuple[str, Callable[[Row], bool]], ...] = (
        ("Used in tuning the constants of the model:", lambda row: row.threads == 1 and not row.fresh),
        ("Not used in tuning:", lambda row: row.threads == 1 and row.fresh),
        ("On several threads, none used in tuning:", lambda row: row.threads > 1),
    )
    for title, belongs in groups:
        some = [row for row in rows if belongs(row)]
        if some:
            parts += [title, _table(some), _within(some)]
    return "\n\n".join(parts + picks(rows))


def _table(rows: Sequence[Row]) -> str:
    threaded = any(row.threads > 1 for row in rows)
    seconds = "s on the clock" if threaded else "CPU s"
    head = ["sites", "what", "method", "predicted s", seconds, "ratio", "predicted GiB", "GiB", "auto takes"]
    head += ["cores that others took"] if threaded else []
    cells = [
        (
            row.case,
            row.words,
            row.method,
            f"{row.predicted:.3g}",
            f"{row.measured:.3g}",
            f"{row.ratio:.2f}",
            f"{row.predicted_gib:.3f}",
            f"{row.measured_gib:.3f}",
            row.error or row.taken,
            *([f"{row.others:.1f}"] if threaded else []),
        )
        for row in rows
    ]
    return markdown(head, cells)


def _within(rows: Sequence[Row]) -> str:
    time_, memory = (sum(0.5 <= getattr(row, name) <= 2 for row in rows) for name in ("ratio", "memory_ratio"))
    return f"{time_} of {len(rows)} predicted times and {memory} of {len(rows)} memories hold within a factor of two."


def picks(rows: Sequence[Row]) -> list[str]:
    """Return a line for each task that was computed by several methods: whether the quickest one was predicted."""
    found = []
    for key in dict.fromkeys((row.case, row.words) for row in rows):
        same = [row for row in rows if (row.case, row.words) == key]
        if len(same) < 2 or any(row.error for row in same):
            continue
        quickest, named = min(same, key=lambda r: r.measured), min(same, key=lambda r: r.predicted)
        right = "right" if quickest is named else f"WRONG: {quickest.method} is quickest"
        fresh = ", not used in tuning" if quickest.fresh else ""
        found.append(
            f"- {key[0]}, {key[1]}{fresh}: {named.method} predicted to be the quickest of {len(same)}: {right}"
        )
    return ["\n".join(found)] if found else []


def main(arguments: Sequence[str]) -> None:
    """Print the table, or the rows of the case that is given as JSON."""
    if arguments:
        given = json.loads(arguments[0])
        case = Case(**{**given, "sites": tuple(given["sites"]), "ways": tuple(given["ways"])})
        for row in rows_of(case):
            print(json.dumps(dataclasses.asdict(row)), flush=True)
    else:
        print(table(measure()))


if __name__ == "__main__":
    main(sys.argv[1:])
