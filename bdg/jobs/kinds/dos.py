r"""The density of states of a composite around the gap of its grains, beside that of its normal state.

``rho(E) = sum_n delta(E - E_n)`` over all 2N levels, by Chebyshev expansion on random vectors. The normal state is the
same box, disorder included, without pairing, expanded to as many moments on the same random vectors. Grains and host
are those of jobs of kind "composite".
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from bdg.densities.density_of_states import density_of_states
from bdg.densities.ratios import density_ratio
from bdg.jobs.kinds.figures.dos import mean_and_error, plot
from bdg.jobs.kinds.shared import boxes
from bdg.jobs.kinds.shared.groups import groups_of, in_order, temperature_of
from bdg.jobs.kinds.shared.keys import TEMPERATURE_OF_GAP
from bdg.jobs.kinds.shared.limits import peak_rules
from bdg.jobs.model.figures import OUTPUT_KEYS
from bdg.jobs.model.kind import Kind, Observable, Outcome, Step
from bdg.jobs.model.results import JobResults, PointResult
from bdg.jobs.model.schema import Key
from bdg.jobs.model.sweep import Parameters
from bdg.lattices.system import System

COMPUTE_KEYS = (
    TEMPERATURE_OF_GAP,
    Key("window_meV", "float", "energies from minus to plus this", default=8.0, above=0),
    Key("points", "int", "energies, an odd number: E = 0 is one of them", default=161, least=3),
    Key("broadening_meV", "float", "standard deviation of the peak of a level at E = 0", default=0.15, above=0),
    Key("vectors", "int", "random vectors; errors fall like their number to the power -1/2", default=64, least=2),
    Key("normal_state", "bool", "the same without pairing", default=True),
)


def check(parameters: Parameters) -> Sequence[tuple[str, str, str]]:
    """Return the rules between keys that are broken."""
    compute = parameters["compute"]
    found = boxes.system_rules(parameters)
    if compute["points"] % 2 == 0:
        found.append(("compute", "points", f"must be odd, so that E = 0 is one of them; got {compute['points']}"))
    if compute["broadening_meV"] >= compute["window_meV"]:
        found.append(("compute", "broadening_meV", f"must be below window_meV = {compute['window_meV']:g}"))
    if not found:
        t = boxes.host_of(parameters["system"]).t_meV
        found += peak_rules(compute["broadening_meV"], t, boxes.band_of(parameters))
    return found


def compute(parameters: Parameters, device: str) -> Outcome:
    """Return the density of states of one box at one temperature, and that of its normal state."""
    keys, wanted = parameters["system"], parameters["compute"]
    host, composite = boxes.host_of(keys), boxes.build(parameters)
    boxes.warn_if_coarse(host)
    t, seed = host.t_meV, keys["seed"]
    energies = np.linspace(-wanted["window_meV"], wanted["window_meV"], wanted["points"])
    energies[wanted["points"] // 2] = 0.0
    options = {"vectors": wanted["vectors"], "device": device, "seed": seed}
    found = density_of_states(composite, energies / t, broadening=wanted["broadening_meV"] / t, **options)
    observables = {
        "gap_meV": Observable(boxes.grain_gap(keys, wanted["temperature_K"]), "meV", "Delta(T) in the grains"),
        "sites": Observable(composite.n_sites, "1", "number of sites N"),
        **boxes.geometry_facts(composite),
        **boxes.host_facts(host),
        "energies_meV": Observable(energies, "meV", "energies (M,)"),
        "density_per_meV": Observable(found.values / t, "1/meV", "density of all 2N levels, broadened (M,)"),
        "density_error_per_meV": Observable(found.error / t, "1/meV", "its standard error, broadening excluded (M,)"),
        "peak_width_meV": Observable(found.broadening * t, "meV", "standard deviation of the peak of a level at E = 0"),
        "moments": Observable(found.moments, "1", "Chebyshev moments"),
    }
    evidence: dict[str, Any] = {
        "gap": "exact weak-coupling BCS curve",
        "builder": boxes.builder_facts(composite),
        "density_of_states": dict(found.evidence),
    }
    if wanted["normal_state"]:
        normal_state = composite.with_delta(np.zeros(composite.n_sites))
        normal = density_of_states(normal_state, energies / t, broadening=wanted["broadening_meV"] / t, **options)
        evidence["normal_state"] = dict(normal.evidence)
        ratio, error = density_ratio(found, normal)
        observables |= {
            "normal_density_per_meV": Observable(normal.values / t, "1/meV", "the same without pairing (M,)"),
            "normal_density_error_per_meV": Observable(normal.error / t, "1/meV", "its standard error (M,)"),
            "ratio": Observable(ratio, "1", "density over that of the normal state (M,)"),
            "ratio_error": Observable(error, "1", "its standard error, from pairs of both with one random vector (M,)"),
            "ratio_at_zero": Observable(ratio[energies == 0][0], "1", "density over that of the normal state at E = 0"),
            "ratio_at_zero_error": Observable(error[energies == 0][0], "1", "its standard error"),
        }
    return observables, evidence


def steps(parameters: Parameters) -> tuple[System, list[Step]]:
    """Return the system of a point and what is computed of it."""
    wanted, composite = parameters["compute"], boxes.build(parameters)
    t = boxes.host_of(parameters["system"]).t_meV
    energies = np.linspace(-wanted["window_meV"], wanted["window_meV"], wanted["points"]) / t
    arguments = {"energies": energies, "broadening": wanted["broadening_meV"] / t, "vectors": wanted["vectors"]}
    both = wanted["normal_state"]
    return composite, [
        Step("density_of_states", arguments, 2 if both else 1, "and of the normal state" if both else "")
    ]


def summarise(results: JobResults) -> str:
    """Return the box, a line for each point, and means over seeds of rho(0)/rho_N(0)."""
    lines = [f"{results.name}: density of states of grains in a host, {len(results)} points"]
    for title, points in groups_of(results).items():
        lines += [f"{title}:"] if title else []
        lines += boxes.box_lines(points)
        lines.append(
            "  T (K)  seed  Delta (meV)  moments   rho(0) (1/meV site)  rho/rho_N, E = 0  rho/rho_N, E = Delta"
        )
        lines += [_row(point) for point in in_order(points)]
        lines += _means(points)
    return "\n".join(lines)


def _row(point: PointResult) -> str:
    keys, energies = point.parameters, point["energies_meV"]
    middle, sites = energies.size // 2, int(point["sites"])
    density, error = (float(point[name][middle]) / sites for name in ("density_per_meV", "density_error_per_meV"))
    ratios = ["-", "-"]
    if "ratio" in point.observables:
        places = (middle, int(abs(abs(energies) - float(point["gap_meV"])).argmin()))
        ratios = [f"{point['ratio'][place]:.3f} +- {point['ratio_error'][place]:.3f}" for place in places]
    return (
        f"  {keys['compute']['temperature_K']:5g}  {keys['system']['seed']:4d}  {float(point['gap_meV']):11.3f}  "
        f"{int(point['moments']):7d}  {f'{density:.5f} +- {error:.5f}':>21}  {ratios[0]:>16}  {ratios[1]:>20}"
    )


def _means(points: Sequence[PointResult]) -> list[str]:
    """Return, for each temperature with several seeds, the mean of rho(0)/rho_N(0) and its standard error."""
    lines = []
    for temperature in sorted({temperature_of(point) for point in points}):
        members = [p for p in points if temperature_of(p) == temperature and "ratio" in p.observables]
        if len(members) > 1:
            mean, error = mean_and_error(members, "ratio_at_zero")
            lines.append(
                f"  {temperature:g} K: rho(0)/rho_N(0) = {float(mean):.3f} +- {float(error):.3f}, mean of "
                f"{len(members)} seeds and its standard error"
            )
    return lines


KIND = Kind(
    name="dos",
    doc="density of states of superconducting grains in a disordered host around the gap, and of the normal state",
    schema={"system": boxes.SYSTEM_KEYS, "compute": COMPUTE_KEYS, "output": OUTPUT_KEYS},
    compute=compute,
    summarise=summarise,
    plot=plot,
    check=check,
    steps=steps,
    smaller=boxes.smaller_box,
    version=2,  # since 2 the errors of ratios are those of pairs of runs with the same random vectors
)
