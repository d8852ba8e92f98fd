r"""Current against phase of an S/N/S junction of slabs, with imposed or self-consistent gap, at each temperature.

A point is one junction at one temperature; its phases run from 0 to pi, which is all: h and D are real at phase 0, so
that I is odd. Beside the curve: harmonics, critical current, how well charge is conserved, and the current in each
plane of sites at the largest current.
"""

from __future__ import annotations

import math
import warnings
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from bdg.base.errors import ConservationWarning
from bdg.condensate.gap.solve_gap import GUESS
from bdg.currents.current_phase import SMALL, current_phase
from bdg.currents.phase_curves import BRANCHES, series
from bdg.jobs.kinds.shared.groups import by_system, seed_of, temperature_of
from bdg.jobs.kinds.shared.keys import (
    INTERFACE_KEYS,
    LAYER_KEYS,
    MAX_ITERATIONS,
    SELF_CONSISTENT,
    SUPERCONDUCTOR,
    TEMPERATURE,
)
from bdg.jobs.kinds.shared.limits import site_rules
from bdg.jobs.kinds.shared.pairing_keys import (
    GAP_ITERATIONS,
    PAIRING_KEYS,
    imposed_gap,
    pairing_rules,
    pairing_temperature_rules,
)
from bdg.jobs.kinds.shared.panels import beside_temperature, mark_normal
from bdg.jobs.kinds.shared.slabs import smaller_slabs
from bdg.jobs.model.figures import OUTPUT_KEYS, save_each
from bdg.jobs.model.kind import Kind, Observable, Outcome, Step
from bdg.jobs.model.results import JobResults, PointResult
from bdg.jobs.model.schema import Key
from bdg.jobs.model.sweep import Parameters
from bdg.lattices.builders.stacks import Layer, stack
from bdg.lattices.system import System
from bdg.lattices.units import CURRENT_NA_PER_MEV, temperature_in_t
from bdg.plots.phases import draw_normal

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

SYSTEM_KEYS = (
    SUPERCONDUCTOR,
    Key("normal_sites", "int", "thickness of the normal layer in sites", least=1),
    Key("width", "int", "sites across, in each of the directions across; 1: a chain", least=1),
    *LAYER_KEYS,
    *PAIRING_KEYS,
    Key("disorder_meV", "float", "width of the uniform onsite disorder in N", default=0.0, least=0),
    *INTERFACE_KEYS,
)
COMPUTE_KEYS = (
    TEMPERATURE,
    Key("phases", "int", "phases from 0 to pi, both included", default=13, least=4, most=721),
    SELF_CONSISTENT,
    MAX_ITERATIONS,
)


def check(parameters: Parameters) -> Sequence[tuple[str, str, str]]:
    """Return the rules between keys that are broken."""
    keys, found = parameters["system"], pairing_rules(parameters)
    length = 2 * keys["superconductor_sites"] + keys["normal_sites"]
    found += site_rules(length * keys["width"] ** (keys["dimensions"] - 1), "width")
    return found or pairing_temperature_rules(parameters)


def build(parameters: Parameters) -> System:
    """Return the junction of one point at phase 0; energies in units of the hopping, lengths in nm."""
    keys = parameters["system"]
    t = keys["hopping_meV"]
    if keys["attraction_meV"] is None:
        electrode = {"delta": imposed_gap(keys, parameters["compute"]["temperature_K"]) / t}
    else:
        electrode = {"attraction": keys["attraction_meV"] / t, "delta": GUESS * keys["attraction_meV"] / t}
    layer = Layer(keys["superconductor_sites"], **electrode)
    width = keys["width"]
    return stack(
        [layer, Layer(keys["normal_sites"], disorder=keys["disorder_meV"] / t), layer],
        (width,) * (keys["dimensions"] - 1) if width > 1 else (),
        mu=keys["mu_meV"] / t,
        spacing=keys["spacing_nm"],
        transparency=keys["transparency"],
        periodic=keys["periodic"] and width > 2,
        seed=keys["seed"],
        length_unit="nm",
    )


def compute(parameters: Parameters, device: str) -> Outcome:
    """Return the current-phase relation of one junction at one temperature."""
    keys, wanted = parameters["system"], parameters["compute"]
    t = keys["hopping_meV"]
    phases = np.linspace(0, math.pi, wanted["phases"])
    self_consistent = keys["attraction_meV"] is not None
    with warnings.catch_warnings():  # conservation is an observable, and the summary says what it is
        warnings.simplefilter("ignore", ConservationWarning)
        found = current_phase(
            build(parameters),
            phases,
            temperature_in_t(wanted["temperature_K"], t),
            self_consistent=self_consistent,
            tol=wanted["tolerance"] if self_consistent else None,
            max_iterations=wanted["max_iterations"],
            device=device,
        )
    nA = CURRENT_NA_PER_MEV * t
    observables = {
        "phases_pi": Observable(phases / math.pi, "pi", "phase differences (P,)"),
        "current_nA": Observable(found.current * nA, "nA", "current 2e/hbar dF/dphi (P,)"),
        "free_energy_meV": Observable(found.free_energy * t, "meV", "free energy (P,)"),
        "conservation_nA": Observable(
            found.conservation * nA, "nA", "largest |div J| outside the deep electrodes (P,)"
        ),
        "misplaced_share": Observable(
            found.evidence.misplaced_share, "1", "current that enters outside the deep electrodes, over the largest"
        ),
        "sine_nA": Observable(found.harmonics[0] * nA, "nA", "amplitudes of sin k phi, k = 0 ... K"),
        "critical_current_nA": Observable(found.critical_current * nA, "nA", "largest current"),
        "electrode_delta_meV": Observable(
            found.electrode_delta * t, "meV", "largest |Delta| of the weaker electrode (P,), 0: normal"
        ),
        "normal": Observable(found.normal, "1", "1 where an electrode is normal (P,): no part of harmonics and I_c"),
        "critical_phase_pi": Observable(found.critical_phase / math.pi, "pi", "phase of the largest current"),
        "error_nA": Observable(found.error * nA, "nA", "bound of the error of the current at the Delta that was taken"),
        "branch_spread_nA": Observable(
            found.branch_spread * nA, "nA", "not 0: at phase pi the current depends on how it was reached"
        ),
    }
    return observables, {"current_phase": dict(found.evidence)}


def steps(parameters: Parameters) -> tuple[System, list[Step]]:
    """Return the system of a point and what is computed of it."""
    keys, wanted = parameters["system"], parameters["compute"]
    system, phases = build(parameters), wanted["phases"]
    biased = system.with_phases(np.linspace(0, 1, system.n_grains))
    at = {"temperature": temperature_in_t(wanted["temperature_K"], keys["hopping_meV"])}
    found = [Step("electron_density", at, phases, "currents at each phase")]
    if keys["attraction_meV"] is not None:
        gap = {**at, "tol": wanted["tolerance"], "iterations": GAP_ITERATIONS}
        found.append(Step("solve_gap", gap, phases, f"{GAP_ITERATIONS} iterations at each phase assumed"))
    return biased, found


def summarise(results: JobResults) -> str:
    """Return one line a point."""
    lines = [f"{results.name}: current against phase of S/N/S junctions, {len(results)} points"]
    for title, points in _groups(results).items():
        lines += [f"{title}:"] if title else []
        lines.append("  T (K)  seed    I_c (nA)  at phi/pi  2nd/1st harmonic  misplaced current")
        for point in points:
            keys, sine = point.parameters, point["sine_nA"]
            ratio = sine[2] / sine[1] if sine.size > 2 and sine[1] else math.nan
            lost = _normal(point)
            start = f"  {keys['compute']['temperature_K']:5g}  {keys['system']['seed']:4d}  "
            if lost.all():
                lines.append(f"{start}{'normal':>10}  Delta = 0 at all phases")
                continue
            lines.append(
                f"{start}{float(point['critical_current_nA']):10.4g}  {float(point['critical_phase_pi']):9.3f}  "
                f"{ratio:16.4f}  {float(point['misplaced_share']):17.1e}" + _words_of_normal(point)
            )
        if any(_on_branches(point) for point in points):
            lines.append("  at pi some currents depend on how the phase was reached; their branch goes on beyond pi")
        if any(float(point["misplaced_share"]) > SMALL for point in points):
            lines.append("  charge is not conserved with an imposed gap; attraction_meV makes Delta self-consistent")
    return "\n".join(lines)


def _normal(point: PointResult) -> np.ndarray:
    """Return at which phases (P,) an electrode is normal; older folders do not tell."""
    count = point["phases_pi"].size
    return np.asarray(point.observables.get("normal", np.zeros(count)), dtype=bool)


def _words_of_normal(point: PointResult) -> str:
    lost, phases = _normal(point), point["phases_pi"]
    if not lost.any():
        return ""
    return (
        f"  normal (Delta = 0) at {lost.sum()} of {lost.size} phases, the first at {phases[lost].min():.3g} pi: I_c is "
        "the largest of the other samples"
    )


def plot(results: JobResults, folder: Path, output: Mapping[str, Any]) -> list[Path]:
    """Draw I against phase at each temperature, and the critical current against temperature, a figure a junction."""
    return save_each(_groups(results), folder, output, lambda points: {"current_phase": _curves(points)})


def _curves(points: Sequence[PointResult]) -> Figure:
    figure, left, right = beside_temperature(points, 3.6, _one_curve, "critical_current_nA")
    right.plot(*_mean_over_seeds(points), "-", lw=0.8, color="black", zorder=0)
    left.axhline(0, color="black", lw=0.6)
    lost = [(point["phases_pi"][_normal(point)], point["current_nA"][_normal(point)]) for point in points]
    if any(phases.size for phases, _ in lost):
        marks = draw_normal(left, *(np.concatenate(parts) for parts in zip(*lost, strict=True)))
        left.legend(handles=[marks], frameon=False, fontsize=8)
    mark_normal(right, [temperature_of(point) for point in points if _normal(point).all()])
    left.set_xlabel(r"phase difference $\varphi/\pi$")
    left.set_ylabel("current $I$ (nA)")
    right.set_ylabel("critical current $I_c$ (nA)")
    return figure


def _one_curve(axes: Axes, point: PointResult, colour: Any, label: str) -> None:
    axes.plot(*_curve(point), "-", lw=1.1, color=colour, label=label)
    alive = ~_normal(point)
    axes.plot(point["phases_pi"][alive], point["current_nA"][alive], "o", ms=3, mfc="none", color=colour)


def _curve(point: PointResult) -> tuple[np.ndarray, np.ndarray]:
    """Return the series of the harmonics, or the samples themselves where they lie on branches, or some are normal."""
    lost = _normal(point)
    if _on_branches(point) or lost.any():
        return point["phases_pi"][~lost], point["current_nA"][~lost]
    fine = np.linspace(0, math.pi, 301)
    return fine / math.pi, series(np.stack([point["sine_nA"], np.zeros_like(point["sine_nA"])]), fine)


def _on_branches(point: PointResult) -> bool:
    return float(point["branch_spread_nA"]) > BRANCHES * float(abs(point["current_nA"]).max())


def _mean_over_seeds(points: Sequence[PointResult]) -> tuple[np.ndarray, np.ndarray]:
    kelvin = np.array([temperature_of(point) for point in points])
    values = np.array([float(point["critical_current_nA"]) for point in points])
    temperatures, place = np.unique(kelvin, return_inverse=True)
    return temperatures, np.bincount(place, values) / np.bincount(place)


def _groups(results: JobResults) -> dict[str, list[PointResult]]:
    """Return points by their [system] apart from the seed, by temperature and seed."""
    return by_system(results, lambda point: (temperature_of(point), seed_of(point)))


KIND = Kind(
    name="josephson",
    doc="current against phase of an S/N/S junction of slabs, imposed or self-consistent gap, against temperature",
    schema={"system": SYSTEM_KEYS, "compute": COMPUTE_KEYS, "output": OUTPUT_KEYS},
    compute=compute,
    summarise=summarise,
    plot=plot,
    check=check,
    steps=steps,
    smaller=smaller_slabs,
    cures={"pinned": "take more superconductor_sites", "self_consistent": "give attraction_meV instead of delta_meV"},
)
