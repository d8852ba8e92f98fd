"""What was promised, held against what was measured."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

from bdg.validation.benchmarks import density_of_states as densities
from bdg.validation.benchmarks import replay as replays
from bdg.validation.benchmarks import routes, tables, wall_clock
from bdg.validation.benchmarks import self_consistent as gaps
from bdg.validation.benchmarks.alone import Measurement
from bdg.validation.benchmarks.plan import Measured, Plan


@dataclass(frozen=True)
class Target:
    """A ratio or size that was promised: ``value`` has to be at least (or at most) ``bound``."""

    name: str
    value: float
    bound: float
    at_most: bool = False

    @property
    def met(self) -> bool | None:
        """Whether it holds; None if it was not measured."""
        if math.isnan(self.value):
            return None
        return self.value <= self.bound if self.at_most else self.value >= self.bound

    def cells(self) -> tuple[str, str, str, str]:
        """Return name, measured value, promise, and the verdict in words."""
        verdict = {True: "met", False: "MISSED", None: "not measured"}[self.met]
        value = "-" if self.met is None else f"{self.value:.3g}"
        return self.name, value, f"{'<=' if self.at_most else '>='} {self.bound:g}", verdict


def held(best: Measured, plan: Plan) -> list[Target]:
    """Return what was promised of what was measured."""
    return [target for target in targets(best, plan) if target.met is not None]


def targets(best: Measured, plan: Plan) -> list[Target]:
    """Return everything promised whose sizes are in the plan; values that are missing are NaN."""
    found = _states_targets(best, plan)
    if 20 in plan.columns:
        ours, theirs = (20, routes.POLES.name), (20, routes.COLUMNS.name)
        ratio = _of_two(best, theirs, ours, lambda one, other: tables.all_sites_seconds(one) / other.cpu_seconds)
        found.append(Target("pair amplitude on all sites, 20^3: exact columns / ours", ratio, 25))
        error = _of_two(best, ours, theirs, tables.relative_error)
        found.append(Target("its error / largest F", error, 1e-5, at_most=True))
    for size in plan.dense:
        if size >= 8:
            ratio = _of_two(best, (size, routes.DENSE.name), (size, routes.POLES.name), tables.ratio_of)
            found.append(Target(f"pair amplitude on all sites, {size}^3: one dense eigh / ours", ratio, 1))
    found += [Target(*held) for held in densities.targets(tables.density_rows(best, plan))]
    for size, share in plan.gaps:
        if (bound := gaps.TARGETS.get((size, share))) is not None:
            cell = (size, routes.gap_route(share).name)
            iterations = _of_two(best, cell, cell, lambda one, _: float(one.found["iterations"]))
            found.append(Target(f"self-consistent gap, {size}^3, {share:g} Tc: iterations", iterations, bound, True))
    if 12 in plan.clusters:
        ratio = _of_two(best, (12, routes.HARMONICS.name), (12, routes.LANDSCAPE.name), tables.ratio_of)
        found.append(Target("phases of four grains, 12^3: determinants of the whole system / ours", ratio, 7))
    for (task, size), promised in replays.PROMISED.items():
        cell = (size, routes.replay_route(task).name)
        if (task, size) in plan.replays:
            times = _of_two(best, cell, cell, lambda one, _: float(one.found["times"]["16"][0]))
            found.append(
                Target(f"{replays.WORDS[task]}, {size}^3: times quicker on 16 cores, by replay", times, promised)
            )
    if plan.clock is not wall_clock.QUICK:
        found += [Target(*held) for held in wall_clock.targets(best, plan.clock)]
    found += [Target(*held) for held in wall_clock.sweep_targets(best, plan.sweeps)]
    if plan.grid >= 100:
        cell = (plan.grid, routes.GRID.name)
        ratio = _of_two(best, cell, cell, lambda one, _: float(one.found["ratio_cold"]))
        found.append(Target("grid of 1e6 sites: kwant builder / ours", ratio, 10))
    return found


def _states_targets(best: Measured, plan: Plan) -> list[Target]:
    found = []
    if 24 in plan.states:
        pair = (best, (24, routes.SUPERLU.name), (24, routes.CERTIFIED.name))
        unproven = _of_two(*pair, lambda one, other: one.cpu_seconds / tables.unproven_seconds(other))
        memory = _of_two(*pair, lambda one, other: other.peak_gib / one.peak_gib)
        found = [
            Target("32 bound states, 24^3, proven complete: SciPy / ours", _of_two(*pair, tables.ratio_of), 4),
            Target("32 bound states, 24^3, proof left out: SciPy / ours", unproven, 6),
            Target("32 bound states, 24^3, memory: ours / SciPy", memory, 0.5, at_most=True),
        ]
    for size, bound in ((24, 1.3), (32, 1.8)):
        if size in plan.states:
            ratios = [
                _of_two(best, (size, route.name), (size, routes.CERTIFIED.name), tables.ratio_of)
                for route in (routes.PARDISO, routes.PARDISO_LOOSE)
            ]
            known = [ratio for ratio in ratios if not math.isnan(ratio)]
            name = f"32 bound states, {size}^3, proven complete: the quicker ARPACK on PARDISO / ours"
            found.append(Target(name, min(known, default=math.nan), bound))
    if 32 in plan.states:
        cell = (32, routes.CERTIFIED.name)
        peak = _of_two(best, cell, cell, lambda one, _: one.peak_gib)
        found.append(Target("32 bound states, 32^3, proven complete: GiB", peak, 0.6, at_most=True))
    return found


def _of_two(
    best: Measured,
    one: tuple[int, str],
    other: tuple[int, str],
    value: Callable[[Measurement, Measurement], float],
) -> float:
    """Return a value made of two measurements, NaN where one is missing or failed."""
    first, second = best.get(one), best.get(other)
    if first is None or second is None or first.error or second.error:
        return math.nan
    return value(first, second)
