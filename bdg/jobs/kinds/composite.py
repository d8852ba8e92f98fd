r"""Superconducting grains in a disordered host: bound states, pair amplitude and proximity length against temperature.

The box of an MgO/Mg2Si/MgB2 composite holds MgB2 grains (volume fraction from the glass ratio B2O3/SiO2, or as given)
in an effective-mass host whose lattice (hopping, filling, disorder) follows from mass, carrier density and mean free
path. The gap in the grains is imposed: ``Delta(T) = delta_meV`` times the exact BCS curve at T/T_c.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from typing import Any

import numpy as np

from bdg.condensate.pair_amplitude import PairAmplitude, pair_amplitude
from bdg.condensate.proximity.proximity_length import ProximityLength, proximity_length
from bdg.jobs.kinds.figures.composite import plot
from bdg.jobs.kinds.shared.boxes import (
    SYSTEM_KEYS,
    band_of,
    box_lines,
    build,
    builder_facts,
    geometry_facts,
    grain_gap,
    host_facts,
    host_of,
    n_sites_of,
    smaller_box,
    state_rules,
    warn_if_coarse,
)
from bdg.jobs.kinds.shared.groups import by_temperature, groups_of, seed_of, temperature_of
from bdg.jobs.kinds.shared.keys import TEMPERATURE
from bdg.jobs.kinds.shared.limits import TIGHTEST, amplitude_rules
from bdg.jobs.kinds.shared.planes import densest_plane, slice_facts
from bdg.jobs.model.figures import OUTPUT_KEYS
from bdg.jobs.model.kind import Kind, Observable, Outcome, Step
from bdg.jobs.model.means import mean_of
from bdg.jobs.model.results import JobResults, PointResult
from bdg.jobs.model.schema import Key
from bdg.jobs.model.sweep import Parameters
from bdg.lattices.system import System
from bdg.lattices.units import temperature_in_t
from bdg.states.bound_states import bound_states, count_states

COMPUTE_KEYS = (
    TEMPERATURE,
    Key("states", "int", "bound states of lowest |E|, both signs counted; 0: none, and no count", default=64, least=0),
    Key("sample_sites", "int", "random host sites for |F| against distance; default: F on all sites", None, least=20),
    Key("slice", "bool", "|F| on the lattice plane that cuts most grain sites", default=True),
    Key("tolerance", "float", "of F, relative to max|F|", default=1e-5, least=TIGHTEST, most=0.1),
)


def check(parameters: Parameters) -> Sequence[tuple[str, str, str]]:
    """Return the rules between keys that are broken."""
    system, compute = parameters["system"], parameters["compute"]
    kelvin, tolerance = compute["temperature_K"], compute["tolerance"]
    return state_rules(parameters) or amplitude_rules(
        kelvin, host_of(system).t_meV, band_of(parameters), tolerance, 2 * n_sites_of(system)
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


def steps(parameters: Parameters) -> tuple[System, list[Step]]:
    """Return the system of a point and what is computed of it."""
    keys, wanted = parameters["system"], parameters["compute"]
    host, composite = host_of(keys), build(parameters)
    found = []
    if wanted["states"]:
        found.append(Step("bound_states", {"k": wanted["states"]}))
        found.append(Step("count_states", {"energy": grain_gap(keys, wanted["temperature_K"]) / host.t_meV}))
    arguments: dict[str, Any] = {
        "temperature": temperature_in_t(wanted["temperature_K"], host.t_meV),
        "tol": wanted["tolerance"],
    }
    sample = wanted["sample_sites"]
    if sample is not None:
        number = min(sample, int(np.count_nonzero(composite.grain < 0)))
        if wanted["slice"]:
            number += composite.n_sites // min(round(length / keys["spacing_nm"]) for length in keys["size_nm"])
        number = min(number, composite.n_sites)
        arguments["sites"] = np.unique(np.linspace(0, composite.n_sites - 1, number).astype(np.int64))
    return composite, [*found, Step("pair_amplitude", arguments)]


def summarise(results: JobResults) -> str:
    """Return what a reader wants to know first: the box, its resolution, and a line for each temperature and seed."""
    lines = [f"{results.name}: superconducting grains in a disordered host, {len(results)} points"]
    for title, points in groups_of(results).items():
        lines += [f"{title}:"] if title else []
        lines += _group(points)
    return "\n".join(lines)


def _group(points: Sequence[PointResult]) -> list[str]:
    lines = box_lines(points)
    lines.append("  T (K)  seed  Delta (meV)  states < Delta  lowest |E| (meV)    length (nm)  kinetic theory (nm)")
    lines += [_row(point) for point in sorted(points, key=temperature_of)]
    if len({seed_of(point) for point in points}) > 1:
        lines.append("  mean length over seeds, weighed by errors of the fits and scatter (random effects):")
        lines += [_mean_row(kelvin, members) for kelvin, members in by_temperature(points).items()]
    return lines


def _mean_row(kelvin: float, points: Sequence[PointResult]) -> str:
    """Return the mean length of the seeds at which it is resolved, and how many these are."""
    mean = mean_of([point.observables for point in points], "length_nm")
    words = f"{float(mean.value):.1f}" + ("" if np.isnan(mean.error) else f" +- {float(mean.error):.1f}")
    return f"  {kelvin:5g}  {words if mean.used else 'none':>13} nm, {int(mean.used)} of {len(points)} seeds resolved"


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
    steps=steps,
    smaller=smaller_box,
)
