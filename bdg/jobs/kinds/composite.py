r"""Superconducting grains in a disordered host: bound states, pair amplitude and proximity length against temperature.

The box of an MgO/Mg2Si/MgB2 composite holds MgB2 grains (volume fraction from the glass ratio B2O3/SiO2, or as given)
in an effective-mass host whose lattice (hopping, filling, disorder) follows from mass, carrier density and mean free
path. The gap in the grains is imposed: ``Delta(T) = delta_meV`` times the exact BCS curve at T/T_c.
"""

from __future__ import annotations

import dataclasses
import functools
import math
import warnings
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from bdg.condensate.bcs import gap_ratio
from bdg.condensate.pair_amplitude import PairAmplitude, pair_amplitude
from bdg.condensate.proximity.proximity_length import ProximityLength, proximity_length
from bdg.jobs.kinds import Kind, Observable, Outcome
from bdg.jobs.kinds.composite_figures import plot
from bdg.jobs.kinds.shared.groups import groups_of, seed_of, temperature_of
from bdg.jobs.kinds.shared.limits import (
    MOST_SITES,
    TIGHTEST,
    amplitude_rules,
    band_edge,
    grain_rules,
    site_rules,
    temperature_rules,
)
from bdg.jobs.kinds.shared.planes import densest_plane, slice_facts
from bdg.jobs.model.figures import OUTPUT_KEYS
from bdg.jobs.model.results import JobResults, PointResult
from bdg.jobs.model.schema import Key
from bdg.jobs.model.sweep import Parameters
from bdg.lattices.builders.composites import grain_composite
from bdg.lattices.materials.composition import composition
from bdg.lattices.materials.effective_mass import EffectiveMass, effective_mass
from bdg.lattices.system import System
from bdg.lattices.units import temperature_in_t
from bdg.states.bound_states import bound_states, count_states

DEFAULT_GLASS_RATIO = 0.35
FEWEST_CARRIERS = 1e-9  # on a site
RESOLVED_FROM = 4.0  # sites per Fermi wavelength; a square lattice is off by more than 20 % in v_F below

SYSTEM_KEYS = (
    Key("size_nm", "vector", "edges of the box", lengths=(3,), above=0),
    Key("spacing_nm", "float", "lattice constant", above=0),
    Key("diameter_nm", "vector", "grain diameter, or [low, high]: uniform between them", lengths=(1, 2), above=0),
    Key("b2o3_to_sio2", "float", "glass ratio that sets the volume of MgB2; default 0.35", None, least=0, most=2),
    Key(
        "volume_fraction", "float", "volume fraction of the grains, instead of the glass ratio", None, above=0, most=0.3
    ),
    Key("minimum_gap_nm", "float", "least distance of grain surfaces", default=0.0, least=0),
    Key("periodic", "bool", "periodic box; false: cut out of a larger packing", default=False),
    Key("mass", "float", "effective mass of the host in electron masses", default=0.46, above=0),
    Key("density_m3", "float", "carriers of the host, both spins", default=5e24, above=0),
    Key("mean_free_path_nm", "float", "in the host; sets the disorder by the golden rule", default=13.0, above=0),
    Key("delta_meV", "float", "gap of the grains at T = 0", default=2.7, above=0),
    Key("critical_temperature_K", "float", "of the grains", default=37.0, above=0),
    Key("transparency", "float", "of the interface between grain and host", default=1.0, above=0, most=1),
    Key("seed", "int", "of packing, disorder, sample sites and start vectors", default=0, least=0),
)
COMPUTE_KEYS = (
    Key("temperature_K", "float", "temperature", above=0),
    Key("states", "int", "bound states of lowest |E|, both signs counted; 0: none, and no count", default=64, least=0),
    Key("sample_sites", "int", "random host sites for |F| against distance; default: F on all sites", None, least=20),
    Key("slice", "bool", "|F| on the lattice plane that cuts most grain sites", default=True),
    Key("tolerance", "float", "of F, relative to max|F|", default=1e-5, least=TIGHTEST, most=0.1),
)


def check(parameters: Parameters) -> Sequence[tuple[str, str, str]]:
    """Return the rules between keys that are broken."""
    found, system, compute = system_rules(parameters), parameters["system"], parameters["compute"]
    sites, kelvin = n_sites_of(system), compute["temperature_K"]
    if sites and compute["states"] > 2 * sites:
        found.append(("compute", "states", f"must be at most {2 * sites}, the dimension of H"))
    if found:
        return found
    t, band = host_of(system).t_meV, band_of(parameters)
    found += temperature_rules(kelvin, t, band)
    if "tolerance" in compute:
        found = found or amplitude_rules(kelvin, t, band, compute["tolerance"], 2 * sites)
    return found


def band_of(parameters: Parameters) -> float:
    """Return a bound of all |E| in units of the hopping, without building the composite."""
    system = parameters["system"]
    host = host_of(system)
    return band_edge(3, host.mu, host.disorder, system["delta_meV"] / host.t_meV)


def n_sites_of(system: Mapping[str, Any]) -> int:
    """Return the number of sites, 0 if the spacing is too large for the box."""
    edges = [round(min(length / system["spacing_nm"], 1e12)) for length in system["size_nm"]]
    return math.prod(edges) if min(edges) >= 2 else 0


def system_rules(parameters: Parameters) -> list[tuple[str, str, str]]:
    """Return the rules of [system] and of the temperature that are broken."""
    system, compute = parameters["system"], parameters["compute"]
    found = []
    if system["b2o3_to_sio2"] is not None and system["volume_fraction"] is not None:
        found.append(("system", "volume_fraction", "give either b2o3_to_sio2 or volume_fraction, not both"))
    if len(system["diameter_nm"]) == 2 and system["diameter_nm"][0] > system["diameter_nm"][1]:
        found.append(("system", "diameter_nm", f"must be [low, high]; got {system['diameter_nm']}"))
    if compute["temperature_K"] >= system["critical_temperature_K"]:
        rule = f"must be below critical_temperature_K = {system['critical_temperature_K']:g}; got {{:g}}"
        found.append(("compute", "temperature_K", rule.format(compute["temperature_K"])))
    sites = n_sites_of(system)
    if not sites:
        found.append(("system", "spacing_nm", "must be at most half of each edge in size_nm"))
    found += site_rules(sites, "spacing_nm")
    if not found:
        found += grain_rules(system, volume_fraction_of(system))
    if not found or sites and sites <= MOST_SITES:
        found += _host_rules(system)
    return found


def _host_rules(system: Mapping[str, Any]) -> list[tuple[str, str, str]]:
    """Return what is wrong with the host of a box that can be had."""
    carriers = system["density_m3"] * (1e-9 * system["spacing_nm"]) ** 3
    if carriers < FEWEST_CARRIERS:
        rule = f"makes {carriers:.1g} carriers on a site, an empty band; take at least {FEWEST_CARRIERS:g} on a site"
        return [("system", "density_m3", rule)]
    try:
        host_of(system)
    except ValueError as error:
        return [("system", "density_m3", str(error))]
    return []


def host_of(system: Mapping[str, Any]) -> EffectiveMass:
    """Return the lattice that stands for the host."""
    return _host(system["mass"], system["spacing_nm"], system["density_m3"], system["mean_free_path_nm"])


@functools.lru_cache(maxsize=256)
def _host(mass: float, spacing_nm: float, density_m3: float, mean_free_path_nm: float) -> EffectiveMass:
    return effective_mass(mass, spacing_nm, density_m3=density_m3, mean_free_path_nm=mean_free_path_nm)


def volume_fraction_of(system: Mapping[str, Any]) -> float:
    """Return the volume fraction of the grains, from the glass ratio where it is not given."""
    if system["volume_fraction"] is not None:
        return system["volume_fraction"]
    ratio = DEFAULT_GLASS_RATIO if system["b2o3_to_sio2"] is None else system["b2o3_to_sio2"]
    return composition(ratio).volume_percent["MgB2"] / 100


def grain_gap(system: Mapping[str, Any], temperature_K: float) -> float:
    """Return the gap of the grains at a temperature, in meV."""
    return system["delta_meV"] * float(gap_ratio(temperature_K / system["critical_temperature_K"]))


def build(parameters: Parameters) -> System:
    """Return the composite of one point; lengths in nm, energies in units of the host's hopping."""
    system = parameters["system"]
    host = host_of(system)
    diameter = system["diameter_nm"]
    return grain_composite(
        tuple(system["size_nm"]),
        system["spacing_nm"],
        volume_fraction=volume_fraction_of(system),
        diameter=diameter[0] if len(diameter) == 1 else tuple(diameter),
        minimum_gap=system["minimum_gap_nm"],
        periodic=system["periodic"],
        t=1.0,
        mu=host.mu,
        delta=grain_gap(system, parameters["compute"]["temperature_K"]) / host.t_meV,
        disorder=host.disorder,
        transparency=system["transparency"],
        seed=system["seed"],
    )


def compute(parameters: Parameters, device: str) -> Outcome:
    """Return everything that is known of one box at one temperature."""
    keys, wanted = parameters["system"], parameters["compute"]
    host, composite = host_of(keys), build(parameters)
    warn_if_coarse(host)
    temperature = temperature_in_t(wanted["temperature_K"], host.t_meV)
    gap = grain_gap(keys, wanted["temperature_K"])
    observables = {
        "gap_meV": Observable(gap, "meV", "Delta(T) in the grains"),
        **geometry_facts(composite),
        **host_facts(host),
    }
    evidence: dict[str, Any] = {"gap": "exact weak-coupling BCS curve", "builder": builder_facts(composite)}
    if wanted["states"]:
        found = bound_states(composite, wanted["states"], device=device, seed=keys["seed"])
        below = count_states(composite, gap / host.t_meV, device=device, seed=keys["seed"])
        observables |= {
            "energies_meV": Observable(
                np.sort(found.energies) * host.t_meV, "meV", "bound states of lowest |E|, ascending"
            ),
            "residual_meV": Observable(found.residuals.max() * host.t_meV, "meV", "largest ||H psi - E psi||"),
            "complete": Observable(found.complete, "1", "1 if it is proven that no state was missed"),
            "states_below_gap": Observable(
                below.count, "1", "proven number of states with |E| < Delta(T), -1 if not proven"
            ),
        }
        evidence |= {"bound_states": dict(found.evidence), "count_states": dict(below.evidence)}
    sample = _sample(composite, wanted["sample_sites"], keys["seed"])
    plane = densest_plane(composite, keys["spacing_nm"])
    if wanted["sample_sites"] is None:
        wanted_sites = None
    else:
        wanted_sites = np.union1d(sample, plane.sites) if wanted["slice"] else sample
    amplitude = pair_amplitude(
        composite, temperature, sites=wanted_sites, tol=wanted["tolerance"], device=device, seed=keys["seed"]
    )
    evidence["pair_amplitude"] = dict(amplitude.evidence)
    on_sample = _restricted(amplitude, sample)
    observables |= {
        "sample_sites": Observable(sample, "1", "numbers of the host sites that the profile is made of"),
        "sample_amplitude": Observable(on_sample.values, "1", "pair amplitude F on them"),
        "amplitude_error": Observable(amplitude.error, "1", "absolute error of every F"),
    }
    if wanted_sites is None:
        observables |= _map_facts(composite, amplitude)
    if wanted["slice"]:
        on_slice = _restricted(amplitude, plane.sites)
        observables |= slice_facts(composite, plane)
        observables["slice_amplitude"] = Observable(on_slice.values, "1", "pair amplitude F on these sites")
    path = keys["mean_free_path_nm"]
    fit = proximity_length(
        composite, on_sample, temperature=temperature, mean_free_path=path, model="exponential", geometry="spherical"
    )
    best = proximity_length(composite, on_sample, temperature=temperature, mean_free_path=path, model="auto")
    evidence |= {"proximity_length": dict(fit.evidence), "model_comparison": _comparison(best)}
    return {**observables, **_length_facts(fit, best)}, evidence


def _sample(composite: System, count: int | None, seed: int) -> np.ndarray:
    """Return up to ``count`` random host sites in ascending order; all of them if it is None."""
    host = np.flatnonzero(composite.grain < 0)
    if count is None or count >= host.size:
        return host
    # a stream of its own, so that the sample does not follow the packing drawn from the same seed
    return np.sort(np.random.default_rng([seed, 1]).choice(host, size=count, replace=False))


def _restricted(amplitude: PairAmplitude, sites: np.ndarray) -> PairAmplitude:
    """Return the amplitude on some of its sites."""
    order = np.argsort(amplitude.sites)
    place = order[np.searchsorted(amplitude.sites, sites, sorter=order)]
    return dataclasses.replace(
        amplitude, values=amplitude.values[place], sites=sites, positions=amplitude.positions[place]
    )


def geometry_facts(composite: System) -> dict[str, Observable]:
    """Return what the packing is."""
    info = composite.info
    return {
        "grains": Observable(composite.n_grains, "1", "number of superconducting grains"),
        "volume_fraction": Observable(info["volume_fraction"], "1", "volume fraction of the grains, by sites"),
        "centres_nm": Observable(info["centres"], "nm", "centres of the grains (G, 3)"),
        "diameters_nm": Observable(info["diameters"], "nm", "diameters of the grains (G,)"),
        "centre_distances_nm": Observable(info["centre_distances"], "nm", "nearest centre distance of each grain (G,)"),
        "surface_gaps_nm": Observable(info["surface_gaps"], "nm", "nearest surface gap of each grain (G,)"),
    }


def host_facts(host: EffectiveMass) -> dict[str, Observable]:
    """Return the lattice that stands for the host, and how well it resolves it."""
    return {
        "hopping_meV": Observable(host.t_meV, "meV", "hopping t of the host's lattice"),
        "mu": Observable(host.mu, "t", "chemical potential (onsite -mu)"),
        "disorder": Observable(host.disorder, "t", "width W of the uniform onsite disorder"),
        "v_F": Observable(host.v_F, "t a/hbar", "Fermi-surface average of |v| of the lattice"),
        "fermi_wavelength_nm": Observable(host.fermi_wavelength_nm, "nm", "Fermi wavelength of the host"),
        "sites_per_wavelength": Observable(host.sites_per_wavelength, "1", "lattice constants in a Fermi wavelength"),
        "velocity_error": Observable(host.velocity_error, "1", "v_F of the lattice relative to the continuum, minus 1"),
    }


def _map_facts(composite: System, amplitude: PairAmplitude) -> dict[str, Observable]:
    return {
        "positions_nm": Observable(composite.positions, "nm", "all sites (N, 3)"),
        "site_grain": Observable(composite.grain, "1", "grain of each site, -1 in the host (N,)"),
        "pair_amplitude": Observable(amplitude.values, "1", "pair amplitude F on all sites (N,)"),
    }


def _length_facts(fit: ProximityLength, best: ProximityLength) -> dict[str, Observable]:
    profile = fit.profile
    return {
        "length_nm": Observable(fit.length, "nm", "proximity length: exponential with the spherical factor R/(R + x)"),
        "length_uncertainty_nm": Observable(fit.uncertainty, "nm", "its standard error from the fit"),
        "length_resolved": Observable(fit.resolved, "1", "1 if between the spacing and half the largest distance"),
        "best_length_nm": Observable(best.length, "nm", "length in the model that the data prefer (see the evidence)"),
        "best_resolved": Observable(best.resolved, "1", "1 if that one is resolved"),
        "largest_distance_nm": Observable(fit.largest_distance, "nm", "largest distance of a host site to a grain"),
        "theory_clean_nm": Observable(fit.theory["clean"], "nm", "hbar v_F/(2 pi k_B T)"),
        "theory_diffusive_nm": Observable(fit.theory["diffusive"], "nm", "sqrt(hbar D/(2 pi k_B T))"),
        "theory_kinetic_nm": Observable(fit.theory["kinetic"], "nm", "linearised Eilenberger equation at this l"),
        "profile_distance_nm": Observable(profile.distance, "nm", "mean distance to the nearest grain in each bin"),
        "profile_amplitude": Observable(profile.amplitude, "1", "mean |F| in each bin"),
        "profile_error": Observable(profile.standard_error, "1", "standard error of that mean over sites"),
        "profile_count": Observable(profile.count, "1", "sites in each bin"),
        "profile_fit": Observable(profile.fitted, "1", "fitted |F|, nan outside the fitted bins"),
    }


def _comparison(best: ProximityLength) -> dict[str, Any]:
    return {
        "model": best.model,
        "geometry": best.geometry,
        "length_nm": best.length,
        "uncertainty_nm": best.uncertainty,
        "candidates": best.candidates,
        "why": best.evidence.get("why", ""),
    }


def builder_facts(composite: System) -> dict[str, Any]:
    """Return the short entries of the builder's record; its arrays are observables."""
    return {key: value for key, value in composite.info.items() if isinstance(value, str | int | float | bool)}


def warn_if_coarse(host: EffectiveMass) -> None:
    """Warn if the lattice does not resolve the host's Fermi wavelength."""
    if host.sites_per_wavelength < RESOLVED_FROM:
        warnings.warn(_resolution(host.sites_per_wavelength, host.velocity_error), stacklevel=3)


def _resolution(sites: float, error: float) -> str:
    how = "resolves" if sites >= RESOLVED_FROM else "hardly resolves"
    return (
        f"the lattice {how} the host's Fermi wavelength: {sites:.2f} sites per wavelength, v_F {abs(error):.0%} "
        f"{'below' if error < 0 else 'above'} the continuum"
        + ("" if sites >= RESOLVED_FROM else f"; {RESOLVED_FROM:g} sites or more are advisable, so reduce spacing_nm")
    )


def summarise(results: JobResults) -> str:
    """Return what a reader wants to know first: the box, its resolution, and a line for each temperature and seed."""
    lines = [f"{results.name}: superconducting grains in a disordered host, {len(results)} points"]
    for title, points in groups_of(results).items():
        lines += [f"{title}:"] if title else []
        lines += _group(points)
    return "\n".join(lines)


def box_lines(points: Sequence[PointResult]) -> list[str]:
    """Return a line each on the resolution, the host, and the packing of every seed."""
    first = points[0]
    lines = [
        f"  {_resolution(float(first['sites_per_wavelength']), float(first['velocity_error']))}",
        f"  host: t = {float(first['hopping_meV']):.2f} meV, mu = {float(first['mu']):.3f} t, disorder W = "
        f"{float(first['disorder']):.2f} t, Fermi wavelength {float(first['fermi_wavelength_nm']):.1f} nm",
    ]
    for seed, point in {seed_of(point): point for point in points}.items():
        distances = point["centre_distances_nm"]
        near = f", nearest centres {distances.min():.1f} to {distances.max():.1f} nm" if distances.size > 1 else ""
        fraction = 100 * float(point["volume_fraction"])
        lines.append(f"  seed {seed}: {int(point['grains'])} grains, {fraction:.1f} vol %{near}")
    return lines


def _group(points: Sequence[PointResult]) -> list[str]:
    lines = box_lines(points)
    lines.append("  T (K)  seed  Delta (meV)  states < Delta  lowest |E| (meV)    length (nm)  kinetic theory (nm)")
    return lines + [_row(point) for point in sorted(points, key=temperature_of)]


def _row(point: PointResult) -> str:
    keys = point.parameters
    if "energies_meV" in point.observables:
        count = int(point["states_below_gap"])
        states = f"{count if count >= 0 else 'not proven':>14}  {abs(point['energies_meV']).min():16.4f}"
    else:
        states = f"{'-':>14}  {'-':>16}"
    length, error = float(point["length_nm"]), float(point["length_uncertainty_nm"])
    words = f"{length:.1f} +- {error:.1f}" if point["length_resolved"] else "not resolved"
    gap = float(point["gap_meV"])
    return (
        f"  {keys['compute']['temperature_K']:5g}  {keys['system']['seed']:4d}  {gap:11.3f}  {states}"
        f"  {words:>13}  {float(point['theory_kinetic_nm']):19.1f}"
    )


KIND = Kind(
    name="composite",
    doc="superconducting grains in a disordered host: bound states, pair amplitude, proximity length against T",
    schema={"system": SYSTEM_KEYS, "compute": COMPUTE_KEYS, "output": OUTPUT_KEYS},
    compute=compute,
    summarise=summarise,
    plot=plot,
    check=check,
)
