r"""Andreev levels of an S/N/S junction with a barrier, beside the closed form of a short junction.

.. math:: E_m(\phi) = \pm\Delta\sqrt{1 - \tau_m \sin^2(\phi/2)}, \qquad
          \tau_m = \Big[1 + \Big(\frac{U_b}{2t\sin k_m}\Big)^2\Big]^{-1}, \qquad 2t\cos k_m = -\mu_m

(Beenakker, Phys. Rev. Lett. 67, 3836 (1991)) for a barrier of onsite energy U_b on one site (layer) in the middle of N.
A strip of several sites across has the channels ``mu_m = mu + 2t cos(pi m/(W + 1))``. N of L sites shifts the levels by
up to ``L Delta^2/(4 t sin k)``: the length of N against the coherence length, to first order.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from bdg.jobs.kinds.shared.keys import phase_key
from bdg.jobs.kinds.shared.limits import site_rules
from bdg.jobs.kinds.shared.slabs import smaller_slabs
from bdg.jobs.model.figures import COLOURS, MARKERS, OUTPUT_KEYS, new_figure, paper_style, save_figure
from bdg.jobs.model.kind import Kind, Observable, Outcome, Shape, Step
from bdg.jobs.model.results import JobResults, PointResult
from bdg.jobs.model.schema import Key
from bdg.jobs.model.sweep import Parameters
from bdg.lattices.builders.stacks import Layer, stack
from bdg.lattices.system import System
from bdg.states.bound_states import bound_states

TAIL = 1e-3  # levels that have decayed to this at the outer ends of S are compared with the closed form

SYSTEM_KEYS = (
    Key("superconductor_sites", "int", "length of each S in sites", default=1000, least=10),
    Key("normal_sites", "int", "length of N in sites", default=1, least=1),
    Key("width", "int", "sites across (1: a chain; more: a strip with hard walls)", default=1, least=1),
    Key("hopping_meV", "float", "hopping t", default=100.0, above=0),
    Key("spacing_nm", "float", "length of a bond", default=1.0, above=0),
    Key("mu_meV", "float", "chemical potential, 0 in the middle of the chain's band", default=0.0),
    Key("delta_meV", "float", "gap of both S", default=2.0, above=0),
    Key("barrier_meV", "float", "onsite energy of the barrier in the middle of N", default=0.0),
)
COMPUTE_KEYS = (
    phase_key("phase difference in units of pi"),
    Key(
        "states",
        "int",
        "levels of lowest |E|, both signs counted; default: those of the channels and 4 more",
        None,
        least=2,
    ),
)


def check(parameters: Parameters) -> Sequence[tuple[str, str, str]]:
    """Return the rules between keys that are broken."""
    system, compute = parameters["system"], parameters["compute"]
    sites = (2 * system["superconductor_sites"] + system["normal_sites"]) * system["width"]
    found = site_rules(sites, "width")
    if found:
        return found
    if not open_channels(system):
        found.append(("system", "mu_meV", "lies outside the band: no channel is open"))
    if system["delta_meV"] > 0.5 * system["hopping_meV"]:
        found.append(("system", "delta_meV", "must be at most half of hopping_meV for levels of a junction"))
    if compute["states"] is not None and compute["states"] > 2 * sites:
        found.append(("compute", "states", f"must be at most {2 * sites}, the dimension of H"))
    return found


def open_channels(system: Mapping[str, Any]) -> list[float]:
    """Return sin k of each channel that is open at the Fermi energy."""
    width, reduced = system["width"], system["mu_meV"] / system["hopping_meV"]
    transverse = [2 * math.cos(math.pi * m / (width + 1)) for m in range(1, width + 1)] if width > 1 else [0.0]
    cosines = [-(reduced + shift) / 2 for shift in transverse]
    return [math.sqrt(1 - cosine**2) for cosine in cosines if abs(cosine) < 1 - 1e-12]


def build(parameters: Parameters) -> System:
    """Return the junction of one point; energies in units of the hopping."""
    system = parameters["system"]
    t = system["hopping_meV"]
    phase = math.pi * parameters["compute"]["phase_pi"]
    before = (system["normal_sites"] - 1) // 2
    after = system["normal_sites"] - 1 - before
    ends = {"length": system["superconductor_sites"], "delta": system["delta_meV"] / t}
    layers = [
        Layer(**ends),
        *([Layer(before)] if before else []),
        Layer(1, onsite=system["barrier_meV"] / t),
        *([Layer(after)] if after else []),
        Layer(**ends, phase=phase),
    ]
    cross_section = (system["width"],) if system["width"] > 1 else ()
    mu, spacing = system["mu_meV"] / t, system["spacing_nm"]
    return stack(layers, cross_section, mu=mu, spacing=spacing, seed=0, length_unit="nm")


def _few_states(channels: int, junction: System) -> int:
    """Return how many levels a junction is asked for: those of its channels, both signs, and 4 more."""
    return min(2 * channels + 4, 2 * junction.n_sites)


def compute(parameters: Parameters, device: str) -> Outcome:
    """Return levels, transparencies and the closed form at one phase and barrier."""
    system, phase_pi = parameters["system"], parameters["compute"]["phase_pi"]
    t, delta = system["hopping_meV"], system["delta_meV"]
    sines = np.array(open_channels(system))
    tau = 1 / (1 + (system["barrier_meV"] / (2 * t * sines)) ** 2)
    formula = np.sort(delta * np.sqrt(np.maximum(1 - tau * math.sin(math.pi * phase_pi / 2) ** 2, 0.0)))
    junction = build(parameters)
    k = parameters["compute"]["states"] or _few_states(sines.size, junction)
    found = bound_states(junction, k, device=device, seed=0)
    levels = np.sort(found.energies) * t
    positive = np.sort(levels[levels.size // 2 :])[: formula.size]
    expected = formula[: positive.size]
    # the wave function falls by exp(-kappa) a site in S: kappa = sqrt(Delta^2 - E^2)/(2 t sin k)
    kappa = np.sqrt(np.maximum(1 - (expected / delta) ** 2, 0.0)) * delta / (2 * t * sines.max())
    compared = np.exp(-2 * kappa * system["superconductor_sites"]) < TAIL
    difference = np.where(compared, (positive - expected) / delta, np.nan)
    scale = system["normal_sites"] * delta / (4 * t * sines.min())
    observables = {
        "energies_meV": Observable(levels, "meV", "levels of lowest |E|, ascending"),
        "formula_meV": Observable(formula, "meV", "closed form of each channel, positive branch, ascending"),
        "transparency": Observable(tau, "1", "tau of each open channel"),
        "deviation": Observable(difference, "1", "(level - closed form)/Delta, nan where S is too short to tell"),
        "expected_deviation": Observable(scale, "1", "L Delta/(4 t sin k): first-order effect of the length of N"),
        "residual_meV": Observable(found.residuals.max() * t, "meV", "largest ||H psi - E psi||"),
        "complete": Observable(found.complete, "1", "1 if no level was missed (inertia)"),
    }
    return observables, {"bound_states": dict(found.evidence)}


def steps(parameters: Parameters) -> tuple[System, list[Step]]:
    """Return the system of a point and what is computed of it."""
    junction, wanted = build(parameters), parameters["compute"]
    k = wanted["states"] or _few_states(len(open_channels(parameters["system"])), junction)
    return junction, [Step("bound_states", {"k": k})]


def smaller(parameters: Parameters, shape: Shape, wanted: Shape) -> Parameters:
    """Return the keys of a smaller junction, with the states that the channels of the whole width ask for."""
    changed, compute = smaller_slabs(parameters, shape, wanted), parameters["compute"]
    if compute["states"] is None:
        compute = {**compute, "states": 2 * len(open_channels(parameters["system"])) + 4}
    return {**changed, "compute": compute}


def summarise(results: JobResults) -> str:
    """Return the largest deviation from the closed form of each junction beside what the length of N explains."""
    lines = [f"{results.name}: Andreev levels against phase, {len(results)} points"]
    for members in _junctions(results):
        system = members[0].parameters["system"]
        deviations = np.concatenate([np.atleast_1d(point["deviation"]) for point in members])
        known = deviations[np.isfinite(deviations)]
        largest = f"{abs(known).max():.2g}" if known.size else "not known (S too short)"
        proven = all(bool(point["complete"]) for point in members)
        lines.append(
            f"  barrier {system['barrier_meV']:g} meV, tau = {_range(members[0]['transparency'])}: largest |E - closed "
            f"form| = {largest} Delta over {known.size} levels; the length of N explains "
            f"{float(members[0]['expected_deviation']):.2g} Delta; "
            f"{'no level missed' if proven else 'completeness NOT proven everywhere'}"
        )
    return "\n".join(lines)


def plot(results: JobResults, folder: Path, output: Mapping[str, Any]) -> list[Path]:
    """Draw levels (symbols) and closed form (lines) against phase, one colour a junction."""
    with paper_style():
        figure = new_figure(5.6, 4.4)
        axes = figure.add_subplot()
        groups = _junctions(results)
        for number, members in enumerate(groups):
            colour, marker = COLOURS[number % 6], MARKERS[number % 6]
            delta = members[0].parameters["system"]["delta_meV"]
            phases = [point.parameters["compute"]["phase_pi"] for point in members]
            for phase, point in zip(phases, members, strict=True):
                levels = point["energies_meV"] / delta
                shown = levels[abs(levels) < 1]
                axes.plot(np.full(shown.size, phase), shown, marker, ms=3.5, mfc="none", mew=0.9, color=colour)
            fine = np.linspace(min(phases), max(phases), 401)
            for tau in members[0]["transparency"]:
                curve = np.sqrt(1 - tau * np.sin(np.pi * fine / 2) ** 2)
                for sign in (1, -1):
                    axes.plot(fine, sign * curve, "-", lw=1.1, color=colour, alpha=0.8)
            label = f"$\\tau$ = {_range(members[0]['transparency'])}"
            axes.plot([], [], marker + "-", ms=4, mfc="none", color=colour, label=label + _others(groups, members))
        for low, high in ((1, 1.25), (-1.25, -1)):
            axes.axhspan(low, high, color="0.85", lw=0, zorder=0)
        axes.text(0.02, 1.1, "continuum", va="center", transform=axes.get_yaxis_transform(), color="0.35", fontsize=9)
        axes.set_ylim(-1.25, 1.25)
        axes.set_xlabel(r"phase difference $\varphi/\pi$")
        axes.set_ylabel(r"energy $E/\Delta$")
        axes.set_title("symbols: lattice; lines: $\\pm\\Delta\\,[1-\\tau\\,\\sin^2(\\varphi/2)]^{1/2}$", fontsize=10)
        figure.legend(frameon=False, loc="outside lower center", ncols=3)
        return save_figure(figure, folder, "andreev_levels", output)


def _junctions(results: JobResults) -> list[list[PointResult]]:
    """Return the points of equal [system], by phase."""
    groups: dict[str, list[PointResult]] = {}
    for point in results:
        groups.setdefault(repr(sorted(point.parameters["system"].items())), []).append(point)
    return [sorted(members, key=lambda p: p.parameters["compute"]["phase_pi"]) for members in groups.values()]


def _others(groups: Sequence[Sequence[PointResult]], members: Sequence[PointResult]) -> str:
    """Return the swept [system] keys other than the barrier, to tell junctions of equal transparency apart."""
    mine = members[0].parameters["system"]
    swept = [
        key for key in mine if key != "barrier_meV" and any(g[0].parameters["system"][key] != mine[key] for g in groups)
    ]
    return "".join(f", {key} {mine[key]:g}" for key in swept)


def _range(values: np.ndarray) -> str:
    low, high = float(np.min(values)), float(np.max(values))
    return f"{low:.3g}" if high - low < 5e-4 else f"{low:.3g} to {high:.3g}"


KIND = Kind(
    name="sns",
    doc="Andreev levels of an S/N/S junction with a barrier against phase, beside the closed form",
    schema={"system": SYSTEM_KEYS, "compute": COMPUTE_KEYS, "output": OUTPUT_KEYS},
    compute=compute,
    summarise=summarise,
    plot=plot,
    check=check,
    steps=steps,
    smaller=smaller,
)
