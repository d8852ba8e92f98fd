r"""The local density of states of a composite: maps of a lattice plane at chosen energies, spectra along a row of it.

``rho_i(E) = sum_n |u_n(i)|^2 delta(E - E_n)`` of electrons of one spin, each level a Lorentzian of half width eta. Maps
come from the Green function at all sites of the plane that cuts most grain sites; spectra from Chebyshev columns on the
row of that plane that does. The normal state is the same box, disorder included, without pairing: disorder alone makes
the density vary from site to site, and the ratio shows what the grains change. Grains and host are those of jobs of
kind "composite".
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from bdg.densities.local_density_of_states import LocalDensityOfStates, local_density_of_states
from bdg.jobs.kinds.figures.ldos import plot
from bdg.jobs.kinds.shared import boxes
from bdg.jobs.kinds.shared.groups import groups_of, in_order
from bdg.jobs.kinds.shared.keys import TEMPERATURE_OF_GAP
from bdg.jobs.kinds.shared.limits import lorentzian_rules
from bdg.jobs.kinds.shared.planes import Plane, densest_plane, densest_row, slice_facts
from bdg.jobs.model.figures import OUTPUT_KEYS
from bdg.jobs.model.kind import Kind, Observable, Outcome, Step
from bdg.jobs.model.results import JobResults, PointResult
from bdg.jobs.model.schema import Key
from bdg.jobs.model.sweep import Parameters
from bdg.lattices.system import System

MOST_ENERGIES = 12

COMPUTE_KEYS = (
    TEMPERATURE_OF_GAP,
    Key(
        "energies_over_delta",
        "vector",
        "energies of the maps in units of Delta(T)",
        default=[0.0, 0.5, 1.0, 2.0],
        lengths=tuple(range(1, MOST_ENERGIES + 1)),
    ),
    Key("broadening_meV", "float", "half width at half maximum of each level (Lorentzian)", default=0.15, above=0),
    Key("normal_state", "bool", "the same without pairing", default=True),
    Key("row_points", "int", "energies of the spectra along the row, an odd number; 0: none", default=121, least=0),
    Key("row_window_over_delta", "float", "they go from minus to plus this, in units of Delta(T)", default=3, above=0),
)


def check(parameters: Parameters) -> Sequence[tuple[str, str, str]]:
    """Return the rules between keys that are broken."""
    compute = parameters["compute"]
    found = boxes.system_rules(parameters)
    if compute["row_points"] and (compute["row_points"] % 2 == 0 or compute["row_points"] < 3):
        rule = f"must be 0, or odd and at least 3, so that E = 0 is one of them; got {compute['row_points']}"
        found.append(("compute", "row_points", rule))
    if len(set(compute["energies_over_delta"])) < len(compute["energies_over_delta"]):
        rule = f"must differ from each other; got {compute['energies_over_delta']}"
        found.append(("compute", "energies_over_delta", rule))
    if not found and compute["row_points"]:
        t = boxes.host_of(parameters["system"]).t_meV
        window = compute["row_window_over_delta"] * parameters["system"]["delta_meV"]
        found += lorentzian_rules(compute["broadening_meV"], window, t, boxes.band_of(parameters))
    return found


def compute(parameters: Parameters, device: str) -> Outcome:
    """Return maps on a slice and spectra along a row of one box at one temperature."""
    keys, wanted = parameters["system"], parameters["compute"]
    host, composite = boxes.host_of(keys), boxes.build(parameters)
    boxes.warn_if_coarse(host)
    if composite.n_grains == 0:
        raise ValueError("the box holds no grain: enlarge it or raise the volume fraction")
    gap = boxes.grain_gap(keys, wanted["temperature_K"])
    plane = densest_plane(composite, keys["spacing_nm"])
    observables = {
        "gap_meV": Observable(gap, "meV", "Delta(T) in the grains"),
        **boxes.geometry_facts(composite),
        **boxes.host_facts(host),
        **slice_facts(composite, plane),
    }
    evidence: dict[str, Any] = {"gap": "exact weak-coupling BCS curve", "builder": boxes.builder_facts(composite)}
    states = {"": composite}
    if wanted["normal_state"]:
        states["normal_"] = composite.with_delta(np.zeros(composite.n_sites))
    energies = gap * np.array(wanted["energies_over_delta"])
    observables["map_energies_meV"] = Observable(energies, "meV", "energies of the maps (K,)")
    options = {"broadening": wanted["broadening_meV"] / host.t_meV, "device": device, "seed": keys["seed"]}
    for name, system in states.items():
        found = local_density_of_states(system, energies / host.t_meV, plane.sites, **options)
        observables |= _densities(f"{name}map", found, host.t_meV, "on the sites of the slice (K, S)")
        evidence[f"{name}map"] = dict(found.evidence)
    if wanted["normal_state"]:
        observables |= _regions(composite, plane.sites, observables)
    if wanted["row_points"]:
        observables |= _row_facts(composite, plane, keys["spacing_nm"], wanted, gap)
        sites = observables["row_sites"].value
        at = observables["row_energies_meV"].value / host.t_meV
        for name, system in states.items():
            found = local_density_of_states(system, at, sites, method="chebyshev", **options)
            observables |= _densities(f"{name}row", found, host.t_meV, "on the sites of the row (M, L)")
            evidence[f"{name}row"] = {**found.evidence, "moments": found.moments}
    return observables, evidence


def _densities(name: str, found: LocalDensityOfStates, t: float, where: str) -> dict[str, Observable]:
    return {
        f"{name}_density_per_meV": Observable(found.values / t, "1/meV", f"density of electrons {where}, one spin"),
        f"{name}_error_per_meV": Observable(found.error / t, "1/meV", f"its numerical error {where}"),
    }


def _regions(composite: System, sites: np.ndarray, observables: Mapping[str, Observable]) -> dict[str, Observable]:
    """Return the mean densities of grain and host sites of the slice over those of the normal state."""
    values, normal = (observables[f"{name}map_density_per_meV"].value for name in ("", "normal_"))
    inside = composite.grain[sites] >= 0
    found = {}
    for name, chosen in (("grain", inside), ("host", ~inside)):
        if not chosen.any():
            continue
        ratio = values[:, chosen].mean(axis=1) / normal[:, chosen].mean(axis=1)
        what = f"mean density of the {name} sites of the slice over that of the normal state (K,)"
        found[f"{name}_ratio"] = Observable(ratio, "1", what)
    return found


def _row_facts(
    composite: System, plane: Plane, spacing: float, wanted: Mapping[str, Any], gap: float
) -> dict[str, Observable]:
    sites, axis = densest_row(composite, plane, spacing)
    window = wanted["row_window_over_delta"] * gap
    energies = np.linspace(-window, window, wanted["row_points"])
    energies[wanted["row_points"] // 2] = 0.0
    return {
        "row_axis": Observable(axis, "1", "axis that the row runs along (0, 1, 2)"),
        "row_sites": Observable(sites, "1", "sites of the row (L,)"),
        "row_positions_nm": Observable(composite.positions[sites], "nm", "their positions (L, 3)"),
        "row_grain": Observable(composite.grain[sites], "1", "grain of these sites, -1 in the host"),
        "row_energies_meV": Observable(energies, "meV", "energies of the spectra (M,)"),
    }


def steps(parameters: Parameters) -> tuple[System, list[Step]]:
    """Return the system of a point and what is computed of it."""
    keys, wanted = parameters["system"], parameters["compute"]
    composite, t = boxes.build(parameters), boxes.host_of(keys).t_meV
    plane = densest_plane(composite, keys["spacing_nm"])
    gap, eta = boxes.grain_gap(keys, wanted["temperature_K"]) / t, wanted["broadening_meV"] / t
    times, note = (2, "and of the normal state") if wanted["normal_state"] else (1, "")
    energies = gap * np.array(wanted["energies_over_delta"])
    arguments = {"energies": energies, "sites": plane.sites, "broadening": eta}
    found = [Step("local_density_of_states", arguments, times, note)]
    if wanted["row_points"]:
        facts = _row_facts(composite, plane, keys["spacing_nm"], wanted, gap)  # energies like the gap in units of t
        spectra = {
            "energies": facts["row_energies_meV"].value,
            "sites": facts["row_sites"].value,
            "broadening": eta,
            "method": "chebyshev",
        }
        note = "spectra along the row" + (f", {note}" if note else "")
        found.append(Step("local_density_of_states", spectra, times, note))
    return composite, found


def summarise(results: JobResults) -> str:
    """Return the box, and for each point the mean densities of grains and host over those of the normal state."""
    lines = [f"{results.name}: local density of states of grains in a host, {len(results)} points"]
    for title, points in groups_of(results).items():
        lines += [f"{title}:"] if title else []
        lines += boxes.box_lines(points)
        lines.append("  T (K)  seed  Delta (meV)  slice          E/Delta: grains, host (density over normal state)")
        lines += [_line(point) for point in in_order(points)]
    return "\n".join(lines)


def _line(point: PointResult) -> str:
    keys = point.parameters
    cut = f"{'xyz'[int(point['slice_axis'])]} = {float(point['slice_position_nm']):.1f} nm"
    words = "no normal state"
    if {"grain_ratio", "host_ratio"} <= set(point.observables):
        energies = keys["compute"]["energies_over_delta"]
        pairs = zip(energies, point["grain_ratio"], point["host_ratio"], strict=True)
        words = "; ".join(f"{energy:g}: {grain:.2f}, {host:.2f}" for energy, grain, host in pairs)
    return (
        f"  {keys['compute']['temperature_K']:5g}  {keys['system']['seed']:4d}  {float(point['gap_meV']):11.3f}  "
        f"{cut:<13}  {words}"
    )


KIND = Kind(
    name="ldos",
    doc="local density of states of grains in a disordered host: maps of a slice, spectra along a row of sites",
    schema={"system": boxes.SYSTEM_KEYS, "compute": COMPUTE_KEYS, "output": OUTPUT_KEYS},
    compute=compute,
    summarise=summarise,
    plot=plot,
    check=check,
    steps=steps,
    smaller=boxes.smaller_box,
)
