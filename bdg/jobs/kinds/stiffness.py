r"""Superfluid stiffness and penetration depth of a disordered superconductor against temperature.

A periodic box with onsite disorder; the gap is imposed and uniform, or self-consistent on every site. The stiffness is
that at fixed Delta. ``1/lambda^2 = mu_0 e^2 D_s/(hbar^2 a^3)``.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from bdg.condensate.gap.solve_gap import GUESS, solve_gap
from bdg.currents.superfluid_stiffness import superfluid_stiffness
from bdg.electrodynamics.penetration_depth import penetration_depth
from bdg.jobs.kinds.shared.groups import by_system, by_temperature, seed_of, temperature_of
from bdg.jobs.kinds.shared.keys import HOPPING, MAX_ITERATIONS, MU, SEED, SELF_CONSISTENT, TEMPERATURE
from bdg.jobs.kinds.shared.pairing_keys import (
    GAP_ITERATIONS,
    PAIRING_KEYS,
    imposed_gap,
    pairing_rules,
    pairing_temperature_rules,
)
from bdg.jobs.model.figures import OUTPUT_KEYS, new_figure, paper_style, save_figure
from bdg.jobs.model.kind import Kind, Observable, Outcome, Shape, Step
from bdg.jobs.model.means import mean_of
from bdg.jobs.model.results import JobResults, PointResult
from bdg.jobs.model.schema import Key
from bdg.jobs.model.sweep import Parameters
from bdg.lattices import budget
from bdg.lattices.builders.disorder import uniform_disorder
from bdg.lattices.builders.grid import assemble_grid, grid_positions
from bdg.lattices.packing.building_costs import grid_building
from bdg.lattices.seeds import DISORDER, stream
from bdg.lattices.system import System
from bdg.lattices.units import temperature_in_t

if TYPE_CHECKING:
    from matplotlib.axes import Axes

SYSTEM_KEYS = (
    Key("sites", "int", "sites along each edge of the periodic box", least=3, most=64),
    Key("dimensions", "int", "2: one layer, 3: a cube", default=3, least=2, most=3),
    HOPPING,
    Key("spacing_nm", "float", "lattice constant; in 2-D also the thickness of the layer", above=0),
    MU,
    *PAIRING_KEYS,
    Key("disorder_meV", "float", "width of the uniform onsite disorder", default=0.0, least=0),
    SEED,
)
COMPUTE_KEYS = (
    TEMPERATURE,
    Key("direction", "str", "axis of the twist", default="x", choices=("x", "y", "z")),
    Key("method", "str", "how", default="auto", choices=("auto", "kubo", "current", "twist")),
    SELF_CONSISTENT,
    MAX_ITERATIONS,
)
TWISTS = 4  # systems that the stiffness is a difference of, as `bdg estimate` assumes


def check(parameters: Parameters) -> Sequence[tuple[str, str, str]]:
    """Return the rules between keys that are broken."""
    found = pairing_rules(parameters)
    if parameters["compute"]["direction"] == "z" and parameters["system"]["dimensions"] == 2:
        found.append(("compute", "direction", "must be x or y in two dimensions"))
    return found or pairing_temperature_rules(parameters)


def build(parameters: Parameters) -> System:
    """Return the box of one point; energies in units of the hopping, lengths in nm."""
    keys = parameters["system"]
    t, spacing = keys["hopping_meV"], keys["spacing_nm"]
    shape = (keys["sites"],) * keys["dimensions"]
    count = math.prod(shape)
    budget.require(grid_building("box", "take fewer sites", shape, (True,) * len(shape), True))
    onsite = uniform_disorder(count, keys["disorder_meV"] / t, stream(keys["seed"], DISORDER)) - keys["mu_meV"] / t
    attraction = keys["attraction_meV"]
    if attraction is None:
        delta = imposed_gap(keys, parameters["compute"]["temperature_K"]) / t
    else:
        delta = GUESS * attraction / t
    return System(
        hamiltonian=assemble_grid(shape, onsite, [-np.ones(shape)] * len(shape), True),
        positions=grid_positions(shape, spacing),
        grain=np.zeros(count, dtype=np.int64),
        period=(keys["sites"] * spacing,) * len(shape),
        delta=np.full(count, delta),
        attraction=np.full(count, (attraction or 0.0) / t),
        length_unit="nm",
    )


def smaller(parameters: Parameters, shape: Shape, wanted: Shape) -> Parameters:
    """Return the keys of a box with ``wanted`` sites an axis."""
    return {**parameters, "system": {**parameters["system"], "sites": wanted[0]}}


def compute(parameters: Parameters, device: str) -> Outcome:
    """Return stiffness and penetration depth of one box at one temperature."""
    keys, wanted = parameters["system"], parameters["compute"]
    t, spacing = keys["hopping_meV"], keys["spacing_nm"]
    temperature = temperature_in_t(wanted["temperature_K"], t)
    system, evidence = build(parameters), {}
    if keys["attraction_meV"] is not None:
        gap = solve_gap(
            system, temperature, tol=wanted["tolerance"], max_iterations=wanted["max_iterations"], device=device
        )
        system, evidence["solve_gap"] = gap.system, dict(gap.evidence)
    found = superfluid_stiffness(system, temperature, wanted["direction"], method=wanted["method"], device=device)
    evidence["superfluid_stiffness"] = dict(found.evidence)
    # rounding may leave a normal metal with a stiffness just below zero
    depth = penetration_depth(max(found.stiffness, 0.0), hopping_meV=t, length_unit_nm=1.0, site_volume_nm3=spacing**3)
    unit = "meV nm^2"
    size = abs(system.delta)
    observables = {
        "stiffness_meV_nm2": Observable(found.stiffness * t, unit, "superfluid stiffness per site, both spins"),
        "diamagnetic_meV_nm2": Observable(found.diamagnetic * t, unit, "diamagnetic part"),
        "paramagnetic_meV_nm2": Observable(found.paramagnetic * t, unit, "paramagnetic part, subtracted"),
        "error_meV_nm2": Observable(found.error * t, unit, "error of the stiffness"),
        "penetration_depth_nm": Observable(depth, "nm", "London penetration depth"),
        "gap_meV": Observable(size.mean() * t, "meV", "mean |Delta|"),
        "gap_spread_meV": Observable(size.std() * t, "meV", "standard deviation of |Delta| over the sites"),
    }
    return observables, evidence


def steps(parameters: Parameters) -> tuple[System, list[Step]]:
    """Return the system of a point and what is computed of it."""
    keys, wanted = parameters["system"], parameters["compute"]
    system = build(parameters)
    at = {"temperature": temperature_in_t(wanted["temperature_K"], keys["hopping_meV"])}
    found = [Step("electron_density", at, TWISTS, f"{TWISTS} twisted systems assumed, of complex matrices")]
    if keys["attraction_meV"] is not None:
        found.append(Step("solve_gap", {**at, "tol": wanted["tolerance"], "iterations": GAP_ITERATIONS}))
    phase = np.exp(1e-3j * np.arange(system.n_sites))  # currents are those of a twisted system
    return system.with_delta(system.delta * phase), found


def summarise(results: JobResults) -> str:
    """Return one line for each disorder and temperature: means over seeds."""
    lines = [f"{results.name}: superfluid stiffness, {len(results)} points"]
    for title, points in _groups(results).items():
        lines += [f"{title}:"] if title else []
        lines.append("  T (K)  seeds  gap (meV)  D_s (meV nm^2)  of it paramagnetic  lambda (nm)")
        for kelvin, members in by_temperature(points).items():
            columns = [point.observables for point in members]
            gap, stiffness, minus, depth = (
                mean_of(columns, name)
                for name in ("gap_meV", "stiffness_meV_nm2", "paramagnetic_meV_nm2", "penetration_depth_nm")
            )
            words = f"{float(depth.value):11.4g}" if depth.used else f"{'none':>11}"
            lines.append(
                f"  {kelvin:5g}  {len(members):5d}  {float(gap.value):9.4f}  {float(stiffness.value):14.5g}  "
                f"{-float(minus.value):18.5g}  {words}" + _words_of_seeds(members, int(depth.used))
            )
    return "\n".join(lines)


def _words_of_seeds(points: Sequence[PointResult], screening: int) -> str:
    """Return what is said of seeds without gap, and of those whose stiffness is no lambda."""
    normal = sum(not float(point["gap_meV"]) for point in points)
    words = [f"normal (Delta = 0): {normal} of {len(points)} seeds"] * bool(normal)
    if screening < len(points) and normal < len(points):
        words.append(f"lambda of {screening} of {len(points)} seeds: D_s <= 0 of the others, which do not screen")
    return "".join(f"  {word}" for word in words)


def plot(results: JobResults, folder: Path, output: Mapping[str, Any]) -> list[Path]:
    """Draw stiffness and penetration depth against temperature, a curve for each system, bars over the seeds."""
    from bdg.plots.figure import BLACK, BLUE, GREEN, ORANGE, PURPLE, RED

    colours = (BLUE, RED, GREEN, ORANGE, PURPLE, BLACK)
    with paper_style():
        figure = new_figure(7.2, 3.4)
        left, right = figure.subplots(1, 2)
        for number, (title, points) in enumerate(_groups(results).items()):
            members = by_temperature(points)
            kelvin = list(members)
            for axes, name in ((left, "stiffness_meV_nm2"), (right, "penetration_depth_nm")):
                means = [mean_of([point.observables for point in group], name) for group in members.values()]
                known = np.array([bool(mean.used) for mean in means])
                errors = np.nan_to_num([float(mean.error) for mean in means])
                axes.errorbar(
                    np.array(kelvin)[known],
                    np.array([float(mean.value) for mean in means])[known],
                    errors[known],
                    fmt="o-",
                    ms=4,
                    mfc="white",
                    capsize=2,
                    color=colours[number % 6],
                    label=title or None,
                )
            _mark_unstable(right, members, colours[number % 6])
        left.axhline(0, color=BLACK, lw=0.6)
        left.set_ylabel(r"stiffness $D_s$ per site (meV nm$^2$)")
        right.set_ylabel(r"penetration depth $\lambda$ (nm)")
        for axes in (left, right):
            axes.set_xlabel("temperature (K)")
            axes.set_xlim(left=0)
        left.set_ylim(bottom=min(0.0, left.get_ylim()[0]))  # a negative stiffness is a result: the state is unstable
        if right.has_data():
            right.set_ylim(bottom=0)
        handles, labels = left.get_legend_handles_labels()
        if labels:
            figure.legend(handles, labels, frameon=False, loc="outside lower center", ncols=3)
        return save_figure(figure, folder, "stiffness", output)


def _mark_unstable(axes: Axes, members: Mapping[float, Sequence[PointResult]], colour: Any) -> None:
    """Mark temperatures at which some seeds do not screen: how many, at the top of the panel of lambda."""
    for kelvin, points in members.items():
        lost = sum(not np.isfinite(point["penetration_depth_nm"]) for point in points)
        if lost:
            words = f"{lost} of {len(points)}\n$D_s\\leq 0$" if len(points) > 1 else "$D_s\\leq 0$"
            place = (kelvin, 0.98)
            axes.annotate(
                words, place, xycoords=("data", "axes fraction"), ha="center", va="top", fontsize=8, color=colour
            )
            axes.plot(kelvin, 1.0, "^", ms=5, color=colour, transform=axes.get_xaxis_transform(), clip_on=False)


def _groups(results: JobResults) -> dict[str, list[PointResult]]:
    """Return points by their [system] apart from the seed, and by direction if it is swept; by temperature and seed."""
    direction = lambda point: point.parameters["compute"]["direction"]  # noqa: E731
    also = direction if len({direction(point) for point in results}) > 1 else None
    return by_system(results, lambda point: (temperature_of(point), seed_of(point)), also=also)


KIND = Kind(
    name="stiffness",
    doc="superfluid stiffness and penetration depth of a disordered superconductor against temperature",
    schema={"system": SYSTEM_KEYS, "compute": COMPUTE_KEYS, "output": OUTPUT_KEYS},
    compute=compute,
    summarise=summarise,
    plot=plot,
    check=check,
    steps=steps,
    smaller=smaller,
)
