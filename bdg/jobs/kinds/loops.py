r"""Closed loops in a composite: how many grains a bound state feels, and what couples grains beyond pairs.

Two independent tests. *States*: slopes dE_n/dphi_g of the lowest states at random grain phases, from them the number of
grains touched, ``(sum |w_g|)^2/sum w_g^2``, the host sites that a state covers, and the statistics of the levels
(localised states do not repel each other). *Free energy*: its Fourier terms in the phases of the two to four grains
nearest to each other; a term whose integers differ from zero at three or four grains is an irreducible loop.
The composite is that of jobs of kind "composite".
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from bdg.granular.phase_harmonics import phase_harmonics
from bdg.jobs.kinds.figures.loops import plot, pooled_statistics
from bdg.jobs.kinds.shared import boxes
from bdg.jobs.kinds.shared.grain_states import nearest_grains, random_phases, state_observables
from bdg.jobs.kinds.shared.groups import groups_of, in_order, seed_of, temperature_of
from bdg.jobs.kinds.shared.keys import TEMPERATURE_OF_GAP
from bdg.jobs.model.figures import OUTPUT_KEYS
from bdg.jobs.model.kind import Kind, Observable, Outcome, Step
from bdg.jobs.model.results import JobResults, PointResult
from bdg.jobs.model.schema import Key
from bdg.jobs.model.sweep import Parameters
from bdg.lattices.system import System
from bdg.lattices.units import temperature_in_t

COMPUTE_KEYS = (
    TEMPERATURE_OF_GAP,
    Key("states", "int", "bound states of lowest |E|, both signs counted", default=64, least=8),
    Key("phases", "str", "phases of the grains for the states", default="random", choices=("random", "zero")),
    Key("loop_grains", "int", "grains of the Fourier terms, the nearest; 0: none", default=3, least=0, most=4),
    Key(
        "other_grains",
        "str",
        "the other grains, for the Fourier terms: without pairing, or at phase 0",
        default="normal",
        choices=("normal", "phase_zero"),
    ),
    Key("points", "int", "phases of each grain for the Fourier terms, even", default=8, least=4, most=64),
)


def check(parameters: Parameters) -> Sequence[tuple[str, str, str]]:
    """Return the rules between keys that are broken."""
    compute = parameters["compute"]
    found = boxes.state_rules(parameters)
    if compute["loop_grains"] == 1:
        found.append(("compute", "loop_grains", "must be 0, 2, 3 or 4: one grain alone is coupled to nothing"))
    if compute["points"] % 2:
        found.append(("compute", "points", f"must be even; got {compute['points']}"))
    return found


def compute(parameters: Parameters, device: str) -> Outcome:
    """Return phase response and level statistics of the lowest states, and the Fourier terms, of one box."""
    keys, wanted = parameters["system"], parameters["compute"]
    host, composite = boxes.host_of(keys), boxes.build(parameters)
    t = host.t_meV
    if composite.n_grains == 0:
        raise ValueError("the box holds no grain: enlarge it or raise the volume fraction")
    gap = boxes.grain_gap(keys, wanted["temperature_K"])
    observables = {
        "gap_meV": Observable(gap, "meV", "Delta(T) in the grains"),
        "hopping_meV": Observable(t, "meV", "hopping t of the host's lattice"),
        "grains": Observable(composite.n_grains, "1", "number of superconducting grains"),
        "sites": Observable(composite.n_sites, "1", "number of sites"),
        "host_sites": Observable(np.count_nonzero(composite.grain < 0), "1", "number of host sites"),
        "surface_gaps_nm": Observable(composite.info["surface_gaps"], "nm", "nearest surface gap of each grain (G,)"),
    }
    phases = random_phases(keys["seed"], composite.n_grains) if wanted["phases"] == "random" else None
    states, evidence = state_observables(composite, keys["seed"], wanted["states"], device, t, phases)
    observables |= states
    count = min(wanted["loop_grains"], composite.n_grains)
    if count >= 2:
        terms, how = _terms(composite, keys, wanted, count, device, t)
        observables |= terms
        evidence["phase_harmonics"] = how
    else:
        evidence["phase_harmonics"] = "none: not asked for, or fewer than two grains"
    return observables, evidence


def _terms(
    composite: System, keys: Mapping[str, Any], wanted: Mapping[str, Any], count: int, device: str, t: float
) -> tuple[dict[str, Observable], dict[str, Any]]:
    grains = nearest_grains(composite, count)
    if wanted["other_grains"] == "normal":
        composite = composite.with_delta(np.where(np.isin(composite.grain, grains), composite.delta, 0.0))
    found = phase_harmonics(
        composite,
        grains,
        temperature_in_t(wanted["temperature_K"], t),
        points=wanted["points"],
        device=device,
        seed=keys["seed"],
    )
    observables = {
        "loop_grains": Observable(np.array(grains), "1", "grains of the Fourier terms (m,)"),
        "loop_orders": Observable(found.orders, "1", "integers of each term (M, m)"),
        "loop_amplitudes_meV": Observable(found.amplitudes * t, "meV", "amplitude of each term, largest first (M,)"),
        "loop_error_meV": Observable(found.error * t, "meV", "estimated error of every amplitude"),
        "loop_weights_meV": Observable(found.weights * t, "meV", "rms of the part of F of 0, 1, .. m grains"),
    }
    return observables, dict(found.evidence)


def steps(parameters: Parameters) -> tuple[System, list[Step]]:
    """Return the system of a point and what is computed of it."""
    keys, wanted = parameters["system"], parameters["compute"]
    composite = boxes.build(parameters)
    found = [Step("bound_states", {"k": wanted["states"]})]
    count = min(wanted["loop_grains"], composite.n_grains)
    if count >= 2:
        free = count - 1 if wanted["other_grains"] == "normal" or count == composite.n_grains else count
        temperature = temperature_in_t(wanted["temperature_K"], boxes.host_of(keys).t_meV)
        arguments = {"temperature": temperature, "elements": False}
        found.append(Step("free_energy", arguments, wanted["points"] ** free / 2, "half of the grid of phases"))
    if wanted["phases"] == "random":
        composite = composite.with_phases(random_phases(0, composite.n_grains))
    return composite, found


def summarise(results: JobResults) -> str:
    """Return, for each temperature and seed, grains touched, sites covered, the loops; and the pooled statistics."""
    lines = [f"{results.name}: closed loops between grains, {len(results)} points"]
    for title, points in groups_of(results).items():
        lines += [f"{title}:"] if title else []
        lines.append(
            "  T (K)  seed  grains  Delta (meV)  grains touched  host sites covered  pairs (meV)  triples/pairs"
            "  quads/pairs"
        )
        lines += [_row(point) for point in in_order(points)]
        for temperature, statistics in pooled_statistics(points).items():
            references = ", ".join(
                f"{name.upper() if name != 'poisson' else 'Poisson'} {value:.3f}"
                for name, value in statistics.references.items()
                if name != "gse"
            )
            lines.append(
                f"  {temperature:g} K: mean gap ratio {statistics.ratio:.3f} +- {statistics.error:.3f} over "
                f"{statistics.samples} boxes ({references})"
            )
    return "\n".join(lines)


def _row(point: PointResult) -> str:
    touched = point["grains_touched"]
    known = touched[np.isfinite(touched)]
    words = f"{known.mean():.2f} of {int(point['grains'])}" if known.size else "no response"
    covered = f"{point['participation'].mean():.0f} of {int(point['host_sites'])}"
    pairs, triples, quads = "-", "-", "-"
    if "loop_weights_meV" in point.observables:
        weights = point["loop_weights_meV"]
        pairs = f"{weights[2]:.2e}"
        triples, quads = (f"{weights[m] / weights[2]:.3g}" if weights.size > m else "-" for m in (3, 4))
    return (
        f"  {temperature_of(point):5g}  {seed_of(point):4d}  {int(point['grains']):6d}  {float(point['gap_meV']):11.3f}"
        f"  {words:>14}  {covered:>18}  {pairs:>11}  {triples:>13}  {quads:>11}"
    )


KIND = Kind(
    name="loops",
    doc="closed loops between grains: phase response of states, level statistics, Fourier terms of the free energy",
    schema={"system": boxes.SYSTEM_KEYS, "compute": COMPUTE_KEYS, "output": OUTPUT_KEYS},
    compute=compute,
    summarise=summarise,
    plot=plot,
    check=check,
    steps=steps,
    smaller=boxes.smaller_box,
)
