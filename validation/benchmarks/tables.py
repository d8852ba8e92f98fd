"""Measurements as Markdown tables of ratios, and what they are held against."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from bdg.validation.benchmarks import density_of_states as densities
from bdg.validation.benchmarks import replay as replays
from bdg.validation.benchmarks import routes, wall_clock
from bdg.validation.benchmarks import self_consistent as gaps
from bdg.validation.benchmarks.alone import Measurement
from bdg.validation.benchmarks.markdown import markdown
from bdg.validation.benchmarks.plan import Measured, Plan

_BUSY = 1.1  # processor seconds per second from which more than one thread must have run


def bound_states(best: Measured, plan: Plan) -> str:
    """Return the table of bound states: seconds, ratio to the certified run, memory, agreement."""
    head = ("size", "32 bound states by", "CPU s", "s", "times ours", "GiB", "largest difference of E / t",
            "largest residual / t")  # fmt: skip
    rows = []
    for size in sorted({*plan.states_dense, *plan.states}):
        ours = best.get((size, routes.CERTIFIED.name))
        for route in (*routes.STATES, routes.BODGE):
            found = best.get((size, route.name))
            if found is None or ours is None:
                continue
            rows.append(_states_row(size, route.name, found, ours))
            if route is routes.CERTIFIED and not found.error:
                rows.append(_unproven_row(size, found))
    return markdown(head, rows)


def _states_row(size: int, name: str, found: Measurement, ours: Measurement) -> tuple[str, ...]:
    if found.error:
        return (f"{size}^3", name, "-", "-", "-", "-", found.error, "-")
    if name == routes.CERTIFIED.name:
        name = name if found.found["complete"] else "this package, NOT proven complete"
        difference = "-"
    else:
        difference = _difference_of_energies(found, ours)
    residual = found.found.get("residual")
    return (
        f"{size}^3",
        name + _threads(found),
        f"{found.cpu_seconds:.2f}",
        f"{found.seconds:.2f}",
        f"{ratio_of(found, ours):.2f}",
        f"{found.peak_gib:.3f}",
        difference,
        "-" if residual is None else f"{residual:.0e}",
    )


def _unproven_row(size: int, found: Measurement) -> tuple[str, ...]:
    seconds = unproven_seconds(found)
    return (
        f"{size}^3",
        routes.UNPROVEN,
        f"{seconds:.2f}",
        "-",
        f"{seconds / found.cpu_seconds:.2f}",
        f"{_peak_before_count(found):.3f}",
        "-",
        "-",
    )


def unproven_seconds(found: Measurement) -> float:
    """Return the processor seconds of a certified run without those of its inertia count."""
    return found.cpu_seconds - float(found.found["count_cpu_seconds"])


def _peak_before_count(found: Measurement) -> float:
    return float(found.found["peak_before_count_gib"])


def _difference_of_energies(found: Measurement, ours: Measurement) -> str:
    if ours.error:
        return "-"
    one, other = (np.array(x.found["energies"]) for x in (found, ours))
    if one.shape != other.shape:
        return f"{one.size} states, ours {other.size}"
    return f"{abs(one - other).max():.0e}"


def ratio_of(found: Measurement, ours: Measurement) -> float:
    """Return how many times the processor seconds of ours a measurement took; nan where one failed."""
    return found.cpu_seconds / ours.cpu_seconds if not (found.error or ours.error) else math.nan


def _threads(found: Measurement) -> str:
    share = float(found.found.get("processor_share", 1.0))
    return f" (took {share:.1f} processors)" if share > _BUSY and found.seconds > 0.1 else ""


def pair_amplitude(best: Measured, plan: Plan) -> str:
    """Return the table of pair amplitudes; columns are extrapolated from those measured to all sites."""
    head = ("size", "F on all sites by", "CPU s", "times ours", "GiB", "error / largest F: stated", "measured")
    rows = []
    for size in sorted({*plan.dense, *plan.columns}):
        ours = best.get((size, routes.POLES.name))
        for route in (routes.POLES, routes.COLUMNS, routes.DENSE):
            found = best.get((size, route.name))
            if found is None or ours is None:
                continue
            rows.append(_amplitude_row(size, route.name, found, ours, _reference(best, size)))
    return markdown(head, rows)


def _reference(best: Measured, size: int) -> Measurement | None:
    found = best.get((size, routes.DENSE.name)) or best.get((size, routes.COLUMNS.name))
    return None if found is None or found.error else found


def _amplitude_row(
    size: int, name: str, found: Measurement, ours: Measurement, reference: Measurement | None
) -> tuple[str, ...]:
    if found.error:
        return (f"{size}^3", name, "-", "-", "-", found.error, "-")
    seconds = all_sites_seconds(found)
    if name == routes.COLUMNS.name:
        n_columns = len(found.found["sites"])
        name = f"{name}, extrapolated from {n_columns} ({1e3 * found.cpu_seconds / n_columns:.1f} ms each)"
    largest = max(abs(_values(ours))) if not ours.error else math.nan
    measured = "-"
    if found is ours and reference is not None:
        against = "dense" if reference.task == routes.DENSE.task else "the columns"
        measured = f"{relative_error(found, reference):.1e} against {against}"
    ratio = seconds / ours.cpu_seconds if not ours.error else math.nan
    return (
        f"{size}^3",
        name + _threads(found),
        f"{seconds:.2f}",
        f"{ratio:.2f}",
        f"{found.peak_gib:.3f}",
        f"{found.found['error'] / largest:.0e}",
        measured,
    )


def all_sites_seconds(found: Measurement) -> float:
    """Return the processor seconds for all sites; the cost of columns is proportional to their number."""
    of_sites = found.found.get("of_sites")
    return found.cpu_seconds * (float(of_sites) / len(found.found["sites"]) if of_sites else 1.0)


def relative_error(found: Measurement, reference: Measurement) -> float:
    """Return the largest difference on the sites of the reference, relative to the largest |F| anywhere."""
    values, others = _values(found), _values(reference)
    return float(abs(values[reference.found["sites"]] - others).max() / abs(values).max())


def _values(found: Measurement) -> np.ndarray:
    return np.array([complex(*value) for value in found.found["values"]])


def density_of_states(best: Measured, plan: Plan) -> str:
    """Return the table of densities of states; what failed is named below it."""
    head, rows = densities.table(density_rows(best, plan))
    failed = [
        (size, best[size, routes.DENSITIES].error) for size, _ in plan.densities if (size, routes.DENSITIES) in best
    ]
    return "\n\n".join([markdown(head, rows), *(f"{size}^3: {error}" for size, error in failed if error)])


def density_rows(best: Measured, plan: Plan) -> list[densities.DensityRow]:
    """Return all rows of the densities of states that were measured."""
    measured = [best[size, routes.DENSITIES] for size, _ in plan.densities if (size, routes.DENSITIES) in best]
    return [densities.DensityRow(**row) for found in measured if not found.error for row in found.found["rows"]]


def self_consistent(best: Measured, plan: Plan) -> str:
    """Return the table of self-consistent gaps."""
    cells = [(size, share, best.get((size, routes.gap_route(share).name))) for size, share in plan.gaps]
    return markdown(gaps.HEAD, [gaps.row(size, share, found) for size, share, found in cells if found is not None])


THREADED = {
    "poles": "pair amplitude on all sites",
    "ldos": "local density of states on all sites, 4 energies",
    "expansion": "density of states, 8 vectors, 512 moments",
}


def threads(best: Measured, plan: Plan) -> str:
    """Return the table of one thread beside two: on the clock, with the processor seconds of both."""
    head = ("what", "size", "1 thread: s", "2 threads: s", "times", "CPU s", "CPU s", "same bits")
    rows: list[tuple[str, ...]] = []
    for task, size in plan.threads:
        one, two = (best.get((size, routes.thread_route(task, number).name)) for number in (1, 2))
        if one is None or two is None:
            continue
        if one.error or two.error:
            rows.append((THREADED[task], f"{size}^3", "-", "-", "-", "-", "-", one.error or two.error))
            continue
        same = one.found["digest"] == two.found["digest"]
        times = f"{one.seconds / two.seconds:.2f}"
        clock, processor = ([f"{getattr(x, name):.2f}" for x in (one, two)] for name in ("seconds", "cpu_seconds"))
        rows.append((THREADED[task], f"{size}^3", *clock, times, *processor, "yes" if same else "NO"))
    return markdown(head, rows)


def workers(best: Measured, plan: Plan) -> str:
    """Return the table of a sweep by one worker and by two."""
    return wall_clock.sweeps(best, plan.sweeps)


def clock(best: Measured, plan: Plan) -> str:
    """Return the table of times on the clock, beside those of peers."""
    return wall_clock.table(best, plan.clock)


def growth(best: Measured, plan: Plan) -> str:
    """Return the table of how times grow with the number of sites."""
    return wall_clock.growth(best, plan.growth)


def replay(best: Measured, plan: Plan) -> str:
    """Return the table of what the structure allows on more cores."""
    cells = {(task, size): best.get((size, routes.replay_route(task).name)) for task, size in plan.replays}
    return replays.table({key: found.error or found.found for key, found in cells.items() if found is not None})


def large_states(best: Measured, plan: Plan) -> str:
    """Return the table of bound states of large cubes."""
    return wall_clock.large(best, plan.large)


def grain_phases(best: Measured, plan: Plan) -> str:
    """Return the table of Fourier terms in the phases of grains."""
    head = ("size", "free energies by", "CPU s", "times ours", "GiB", "error / largest term: stated", "measured")
    rows = []
    for size in plan.clusters:
        ours = best.get((size, routes.LANDSCAPE.name))
        for route in (routes.LANDSCAPE, routes.HARMONICS):
            found = best.get((size, route.name))
            if found is not None and ours is not None:
                rows.append(_terms_row(size, route.name, found, ours))
    return markdown(head, rows)


def _terms_row(size: int, name: str, found: Measurement, ours: Measurement) -> tuple[str, ...]:
    if found.error:
        return (f"{size}^3", name, "-", "-", "-", found.error, "-")
    largest = max(map(abs, found.found["amplitudes"]))
    measured = "-" if found is ours or ours.error else f"{difference_of_terms(found, ours):.0e} against ours"
    return (
        f"{size}^3",
        name + _threads(found),
        f"{found.cpu_seconds:.2f}",
        f"{ratio_of(found, ours):.1f}",
        f"{found.peak_gib:.3f}",
        f"{found.found['error'] / largest:.0e}",
        measured,
    )


def difference_of_terms(found: Measurement, ours: Measurement) -> float:
    """Return the largest difference of amplitudes, relative to the largest one."""
    one, other = (np.array(x.found["amplitudes"]) for x in (found, ours))
    return float(abs(one - other).max() / abs(other).max())


def grid(best: Measured, plan: Plan) -> str:
    """Return the table of the grid assembly."""
    found = best.get((plan.grid, routes.GRID.name))
    head = ("sites", "matrix by", "s", "times ours", "largest difference / t")
    if found is None:
        return ""
    n_sites = f"{plan.grid}^3"
    if found.error:
        return markdown(head, [(n_sites, "kwant", "-", "-", found.error)])
    report: dict[str, Any] = found.found
    cold, warm = report["array_seconds_cold"], report["array_seconds_warm"]
    return markdown(
        head,
        [
            (n_sites, "this package, arrays (again)", f"{cold:.3g} ({warm:.3g})", "1", "-"),
            (
                n_sites,
                "kwant builder, `finalized()`, `hamiltonian_submatrix(sparse=True)`",
                f"{report['kwant_seconds']:.3g}",
                f"{report['ratio_cold']:.0f} ({report['ratio_warm']:.0f})",
                f"{report['largest_difference']:.0e}",
            ),
        ],
    )
