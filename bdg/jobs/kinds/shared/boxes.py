"""Boxes of a composite: what the kinds that build one share."""

from __future__ import annotations

import functools
import math
import warnings
from collections.abc import Mapping, Sequence
from typing import Any

from bdg.condensate.bcs import gap_ratio
from bdg.jobs.kinds.shared.groups import seed_of
from bdg.jobs.kinds.shared.limits import MOST_SITES, band_edge, grain_rules, site_rules, temperature_rules
from bdg.jobs.model.kind import Observable, Shape
from bdg.jobs.model.results import PointResult
from bdg.jobs.model.schema import Key
from bdg.jobs.model.sweep import Parameters
from bdg.lattices.builders.composites import grain_composite
from bdg.lattices.materials.composition import composition
from bdg.lattices.materials.effective_mass import EffectiveMass, effective_mass
from bdg.lattices.system import System

DEFAULT_GLASS_RATIO = 0.35
FEWEST_CARRIERS = 1e-9  # on a site
_GRAINS_A_LENGTH, _FEWEST_GRAINS, _FULLEST = 3.0, 4.0, 0.2  # grains of a sample that is hardly larger than they are
RESOLVED_FROM = 4.0  # sites per Fermi wavelength; a square lattice is off by more than 20 % in v_F below
HOST_KEYS = ("mass", "density_m3", "mean_free_path_nm")
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
        found += host_rules(system)
    return found


def state_rules(parameters: Parameters) -> list[tuple[str, str, str]]:
    """Return the rules of a box whose bound states and thermal sums are wanted that are broken."""
    found, system, compute = system_rules(parameters), parameters["system"], parameters["compute"]
    sites = n_sites_of(system)
    if sites and compute["states"] > 2 * sites:
        found.append(("compute", "states", f"must be at most {2 * sites}, the dimension of H"))
    return found or temperature_rules(compute["temperature_K"], host_of(system).t_meV, band_of(parameters))


def host_rules(system: Mapping[str, Any]) -> list[tuple[str, str, str]]:
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
        length_unit="nm",
    )


def smaller_box(parameters: Parameters, shape: Shape, wanted: Shape) -> Parameters:
    """Return the keys of a composite with ``wanted`` sites an axis.

    Grains shrink where fewer than three fit along an edge, or none might be met: nothing that takes time depends on how
    large they are.
    """
    system = parameters["system"]
    edges = [system["spacing_nm"] * n for n in wanted]
    most = max(system["spacing_nm"], min(edges) / _GRAINS_A_LENGTH)
    ratio = min(1.0, most / max(system["diameter_nm"]))
    diameters = [max(system["spacing_nm"], ratio * each) for each in system["diameter_nm"]]
    few = _FEWEST_GRAINS * math.pi / 6 * max(diameters) ** 3 / math.prod(edges)
    changes = {"size_nm": edges, "diameter_nm": diameters, "minimum_gap_nm": ratio * system["minimum_gap_nm"]}
    if system["volume_fraction"] is not None and system["volume_fraction"] < few:
        changes["volume_fraction"] = min(few, _FULLEST)
    return {**parameters, "system": {**system, **changes}}


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
