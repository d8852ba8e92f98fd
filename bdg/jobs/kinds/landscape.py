r"""Closed loops between grains: what couples their phases beyond pairs, in an ensemble of samples.

Equal grains lie whole and at random in a box of the host. The host is integrated out (`bdg.grain_landscape`); from the
free energy of all phases come the stiffness ratio R, the irreducible part B of the forces, the nonlocal response of
currents to phases (all three: `bdg.granular.beyond_pairs`), and the weights C of the three and four nearest grains
alone; from the lowest states how many grains they feel (D). Means over the seeds come with their standard errors.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from bdg.granular.beyond_pairs import HARMONICS, irreducible_part, nonlocal_response, stiffness_ratio
from bdg.granular.grain_landscape import GrainLandscape, grain_landscape
from bdg.jobs.kinds.figures.landscape import ensemble, plot
from bdg.jobs.kinds.shared import boxes
from bdg.jobs.kinds.shared.grain_states import nearest_grains, random_phases, state_observables
from bdg.jobs.kinds.shared.groups import by_temperature, groups_of
from bdg.jobs.kinds.shared.keys import TEMPERATURE_OF_GAP
from bdg.jobs.kinds.shared.limits import site_rules, temperature_rules
from bdg.jobs.kinds.shared.numbers import with_error
from bdg.jobs.model.figures import OUTPUT_KEYS
from bdg.jobs.model.kind import Kind, Observable, Outcome, Shape, Step
from bdg.jobs.model.results import JobResults
from bdg.jobs.model.schema import Key
from bdg.jobs.model.sweep import Parameters
from bdg.lattices.builders.grains_at import grains_at
from bdg.lattices.packing.place_spheres import place_spheres
from bdg.lattices.system import System
from bdg.lattices.units import temperature_in_t

# seconds relative to those of the landscape, measured: with pairs; a point of forces; all responses; loops
WITH_PAIRS, A_POINT, ALL_RESPONSES, LOOPS = 1.25, 0.09, 1.35, 0.75
FORCES = 4  # stream of the seed that the phases of the forces are drawn from
RESPONSES = 6  # of these phases, at most, at which the response of all currents to all phases is computed

SYSTEM_KEYS = (
    Key("grains", "int", "number of grains, all of them whole", default=8, least=2, most=64),
    Key("size_nm", "vector", "edges of the box", lengths=(3,), above=0),
    Key("spacing_nm", "float", "lattice constant", above=0),
    Key("diameter_nm", "float", "of every grain", above=0),
    Key("minimum_gap_nm", "float", "least distance of grain surfaces", default=3.0, least=0),
    *(key for key in boxes.SYSTEM_KEYS if key.name in boxes.HOST_KEYS),
    Key("delta_meV", "float", "gap of the grains at T = 0", default=2.7, above=0),
    Key("critical_temperature_K", "float", "of the grains", default=37.0, above=0),
    Key("transparency", "float", "of the interface between grain and host", default=1.0, above=0, most=1),
    Key("seed", "int", "of places, disorder, phases and start vectors", default=0, least=0),
)
COMPUTE_KEYS = (
    TEMPERATURE_OF_GAP,
    Key("points", "int", "random phases for the irreducible part of the forces", default=24, least=0, most=10_000),
    Key("loop_grains", "int", "grains of the Fourier terms, the nearest; 0: none", default=4, least=0, most=4),
    Key("states", "int", "bound states of lowest |E|, both signs counted; 0: none", default=0, least=0),
)


def check(parameters: Parameters) -> Sequence[tuple[str, str, str]]:
    """Return the rules between keys that are broken."""
    system, compute = parameters["system"], parameters["compute"]
    found = []
    sites = boxes.n_sites_of(system)
    if not sites:
        found.append(("system", "spacing_nm", "must be at most half of each edge in size_nm"))
    found += site_rules(sites, "spacing_nm")
    if system["diameter_nm"] > min(system["size_nm"]):
        found.append(("system", "diameter_nm", f"must be at most the shortest edge {min(system['size_nm']):g}"))
    if system["diameter_nm"] < system["spacing_nm"]:
        found.append(("system", "diameter_nm", "must be at least spacing_nm, else grains hold no site"))
    if compute["temperature_K"] >= system["critical_temperature_K"]:
        rule = f"must be below critical_temperature_K = {system['critical_temperature_K']:g}"
        found.append(("compute", "temperature_K", f"{rule}; got {compute['temperature_K']:g}"))
    if compute["loop_grains"] == 1:
        found.append(("compute", "loop_grains", "must be 0, 2, 3 or 4: one grain alone is coupled to nothing"))
    if 0 < compute["points"] < _fewest_points(system["grains"]):
        rule = f"must be 0 or at least {_fewest_points(system['grains'])}, to fit the couplings of all pairs"
        found.append(("compute", "points", f"{rule}; got {compute['points']}"))
    if compute["states"] > 2 * sites > 0:
        found.append(("compute", "states", f"must be at most {2 * sites}, the dimension of H"))
    found += boxes.host_rules(system)
    return found or temperature_rules(compute["temperature_K"], boxes.host_of(system).t_meV, boxes.band_of(parameters))


def _fewest_points(grains: int) -> int:
    """Return how many points determine the pairwise model with as many equations to spare as it has parameters."""
    return 2 * HARMONICS * (grains // 2) + 1


def build(parameters: Parameters) -> System:
    """Return the grains in their host; lengths in nm, energies in units of the host's hopping."""
    system = parameters["system"]
    host = boxes.host_of(system)
    places = place_spheres(
        system["size_nm"],
        number=system["grains"],
        diameter=system["diameter_nm"],
        minimum_gap=system["minimum_gap_nm"],
        seed=system["seed"],
    )
    return grains_at(
        system["size_nm"],
        system["spacing_nm"],
        places.centres,
        system["diameter_nm"],
        t=1.0,
        mu=host.mu,
        delta=boxes.grain_gap(system, parameters["compute"]["temperature_K"]) / host.t_meV,
        disorder=host.disorder,
        transparency=system["transparency"],
        seed=system["seed"],
        length_unit="nm",
    )


def compute(parameters: Parameters, device: str) -> Outcome:
    """Return couplings with all grains on and of isolated pairs, R, B, C, and what the lowest states feel."""
    keys, wanted = parameters["system"], parameters["compute"]
    t = boxes.host_of(keys).t_meV
    cluster = build(parameters)
    landscape = grain_landscape(cluster, temperature_in_t(wanted["temperature_K"], t), device=device)
    centres = cluster.info["centres"]
    distances = np.linalg.norm(centres[:, None] - centres, axis=2)
    off = ~np.eye(cluster.n_grains, dtype=bool)
    dressed = np.where(off, -landscape.hessian(), 0.0)
    pairs = landscape.pairs
    gap = boxes.grain_gap(keys, wanted["temperature_K"])
    observables = {
        "gap_meV": Observable(gap, "meV", "Delta(T) in the grains"),
        "hopping_meV": Observable(t, "meV", "hopping t of the host's lattice"),
        "sites": Observable(cluster.n_sites, "1", "number of sites"),
        "volume_fraction": Observable(cluster.info["volume_fraction"], "1", "share of the sites in grains"),
        "distances_nm": Observable(distances, "nm", "distances of the grains' centres (G, G)"),
        "pairs_meV": Observable(pairs * t, "meV", "coupling of each isolated pair (G, G)"),
        "dressed_meV": Observable(dressed * t, "meV", "-d2F/dphi_i dphi_j with all grains on, equal phases (G, G)"),
        "coupling_error_meV": Observable(landscape.error * t, "meV", "bound of the error of every coupling"),
        "stiffness_ratio": Observable(stiffness_ratio(dressed, pairs, distances), "1", "R: all grains over pairs"),
        "weakest_ratio": Observable(_of_weakest(dressed, pairs), "1", "all grains on over isolated, weakest pair"),
    }
    if wanted["points"]:
        observables |= _beyond_pairs(landscape, keys["seed"], wanted["points"], cluster.is_real, t)
    observables |= _loops(cluster, landscape, min(wanted["loop_grains"], cluster.n_grains), t)
    evidence: dict[str, Any] = {"grain_landscape": dict(landscape.evidence)}
    if wanted["states"]:
        phases = random_phases(keys["seed"], cluster.n_grains)
        found, how = state_observables(cluster, keys["seed"], wanted["states"], device, t, phases)
        observables |= found
        evidence |= how
    return observables, evidence


def _beyond_pairs(landscape: GrainLandscape, seed: int, points: int, real: bool, t: float) -> dict[str, Observable]:
    """Return what no pairwise model explains at random phases: of the forces, and of their response to the phases."""
    phases = np.random.default_rng([seed, FORCES]).uniform(0, 2 * np.pi, (points, landscape.grains.size))
    irreducible = irreducible_part(landscape, phases, real=real)
    whole, beyond = nonlocal_response(landscape, phases[:RESPONSES], real=real)
    share = float(np.sqrt((beyond**2).sum() / (whole**2).sum())) if whole.any() else 0.0
    return {
        "irreducible": Observable(irreducible, "1", "B: rms force beyond pairs over rms force"),
        "response_meV": Observable(whole * t, "meV", "rms of d2F/dphi_i dphi_j at random phases (G, G)"),
        "nonlocal_meV": Observable(beyond * t, "meV", "rms of its part that depends on other phases, too (G, G)"),
        "nonlocal_share": Observable(share, "1", "rms nonlocal part of all responses over the rms of all responses"),
    }


def _of_weakest(dressed: np.ndarray, pairs: np.ndarray) -> float:
    upper = np.triu_indices(len(pairs), 1)
    weakest = int(np.argmin(pairs[upper]))
    return float(dressed[upper][weakest] / pairs[upper][weakest])


def _loops(cluster: System, landscape: GrainLandscape, most: int, t: float) -> dict[str, Observable]:
    """Return the weights of two, three, .. of the nearest grains alone, and the error of the terms."""
    found = {}
    for count in range(3, most + 1):
        terms = landscape.only(nearest_grains(cluster, count)).harmonics(range(count), points=8 if count == 3 else 6)
        weights = Observable(terms.weights * t, "meV", f"rms of the part of F of 0, 1, .. {count} of {count} grains")
        found[f"weights_of_{count}_meV"] = weights
        found[f"aliasing_of_{count}_meV"] = Observable(terms.error * t, "meV", "estimated error of every term")
    return found


def steps(parameters: Parameters) -> tuple[System, list[Step]]:
    """Return the system of a point and what is computed of it."""
    keys, wanted = parameters["system"], parameters["compute"]
    temperature = temperature_in_t(wanted["temperature_K"], boxes.host_of(keys).t_meV)
    times = WITH_PAIRS + A_POINT * wanted["points"] + ALL_RESPONSES * bool(wanted["points"])
    times += LOOPS * bool(wanted["loop_grains"])
    parts = ["pairs", *["loops"] * bool(wanted["loop_grains"]), *["forces"] * bool(wanted["points"])]
    found = [Step("grain_landscape", {"temperature": temperature}, times, f"with {', '.join(parts)}")]
    if wanted["states"]:
        found.append(Step("bound_states", {"k": wanted["states"]}))
    return build(parameters), found


def smaller(parameters: Parameters, shape: Shape, wanted: Shape) -> Parameters:
    """Return the keys of a box with ``wanted`` sites an axis, its grains shrunk alike."""
    system = parameters["system"]
    ratio = min(1.0, *(new / old for new, old in zip(wanted, shape, strict=True)))
    changes = {
        "size_nm": [system["spacing_nm"] * n for n in wanted],
        "diameter_nm": max(system["spacing_nm"], ratio * system["diameter_nm"]),
        "minimum_gap_nm": ratio * system["minimum_gap_nm"],
    }
    return {**parameters, "system": {**system, **changes}}


def summarise(results: JobResults) -> str:
    """Return the means over the seeds, with standard errors, for each temperature."""
    lines = [f"{results.name}: couplings of grains beyond pairs, {len(results)} samples; means (standard errors)"]
    for title, points in groups_of(results).items():
        lines += [f"{title}:"] if title else []
        lines.append(
            "   T (K)  seeds  R                B            nonlocal     3/pairs      4/pairs      sum of pairs (meV)  "
            "grains felt"
        )
        for temperature, members in by_temperature(points).items():
            lines.append(f"  {temperature:6g}  {len(members):5d}  {_columns(ensemble(members))}")
    return "\n".join(lines)


def _columns(means: Mapping[str, tuple[float, float]]) -> str:
    widths = {"R": 15, "B": 11, "nonlocal": 11, "triples": 11, "quadruples": 11, "pairs": 18, "touched": 11}
    return "  ".join(f"{with_error(*means[name]) if name in means else '-':{w}}" for name, w in widths.items())


KIND = Kind(
    name="landscape",
    doc="closed loops in an ensemble: stiffness and forces beyond isolated pairs, three and four grains, states",
    schema={"system": SYSTEM_KEYS, "compute": COMPUTE_KEYS, "output": OUTPUT_KEYS},
    compute=compute,
    summarise=summarise,
    plot=plot,
    check=check,
    steps=steps,
    smaller=smaller,
)
