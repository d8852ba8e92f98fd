"""What the lowest states of a box feel of its grains, and which grains are the nearest to each other."""

from __future__ import annotations

import itertools
import math
from typing import Any

import numpy as np

from bdg.granular.phase_response import phase_response
from bdg.jobs.model.kind import Observable
from bdg.lattices.geometry import minimum_image
from bdg.lattices.system import System
from bdg.levels.level_statistics import level_statistics
from bdg.states.bound_states import bound_states

PHASES = 3  # stream of the seed that the phases are drawn from


def random_phases(seed: int, grains: int) -> np.ndarray:
    """Return phases of the grains (G,), in radian."""
    return np.random.default_rng([seed, PHASES]).uniform(0, 2 * np.pi, grains)


def state_observables(
    composite: System, seed: int, states: int, device: str, t: float, phases: np.ndarray | None
) -> tuple[dict[str, Observable], dict[str, Any]]:
    """Return what the lowest ``states`` feel, with the evidence; ``phases`` None: all zero."""
    phases = np.zeros(composite.n_grains) if phases is None else phases
    biased = composite.with_phases(phases)
    found = bound_states(biased, states, device=device, seed=seed)
    response = phase_response(biased, found)
    evidence = {"bound_states": dict(found.evidence), "phase_response": dict(response.evidence)}
    order = np.argsort(found.energies, kind="stable")
    slopes = response.slopes[order] * t
    observables = {
        "phases_rad": Observable(phases, "rad", "phase of each grain (G,)"),
        "energies_meV": Observable(found.energies[order] * t, "meV", "bound states of lowest |E|, ascending (k,)"),
        "slopes_meV": Observable(slopes, "meV/rad", "dE/dphi of each state and grain (k, G)"),
        "grains_touched": Observable(response.grains_touched[order], "1", "(sum |w|)^2/sum w^2 of each state (k,)"),
        "grains_sensitive": Observable(response.grains_sensitive[order], "1", "grains with |w| above 5 % of max (k,)"),
        "participation": Observable(response.participation[order], "1", "host sites that each state covers (k,)"),
        "host_weight": Observable(response.host_weight[order], "1", "weight of each state in the host (k,)"),
        "sum_rule": Observable(response.evidence["sum_rule"], "1", "max |sum_g dE/dphi_g| / max|D|: 0 but for errors"),
        "complete": Observable(found.complete, "1", "1 if it is proven that no state was missed"),
    }
    try:
        statistics = level_statistics(found)
    except ValueError as error:  # fewer than three different levels of one sign: degenerate or too few
        return observables, {**evidence, "level_statistics": str(error)}
    observables |= {
        "gap_ratio": Observable(statistics.ratio, "1", "mean ratio of consecutive level spacings"),
        "gap_ratio_error": Observable(statistics.error, "1", "its standard error"),
    }
    return observables, {**evidence, "level_statistics": dict(statistics.evidence)}


def nearest_grains(composite: System, count: int) -> list[int]:
    """Return the ``count`` grains whose centres have the least sum of mutual distances."""
    # labels of grains follow the site order, as do the centres of the builder's record; their own sites are safer
    centres = np.array([_centre(composite, grain) for grain in range(composite.n_grains)])
    distance = np.linalg.norm(minimum_image(centres[:, None] - centres[None, :], composite.period), axis=2)
    near = range(composite.n_grains)
    if math.comb(composite.n_grains, count) > 20_000:  # many grains: around each, only the nearest eight
        best: tuple[float, list[int]] = (math.inf, [])
        for grain in near:
            others = np.argsort(distance[grain], kind="stable")[1:9].tolist()
            for chosen in itertools.combinations(others, count - 1):
                group = sorted([grain, *chosen])
                best = min(best, (float(distance[np.ix_(group, group)].sum()), group))
        return best[1]
    groups = (list(group) for group in itertools.combinations(near, count))
    return min(groups, key=lambda group: float(distance[np.ix_(group, group)].sum()))


def _centre(composite: System, grain: int) -> np.ndarray:
    """Return the mean position of a grain's sites, images across a periodic boundary counted near the first site."""
    sites = np.flatnonzero(composite.grain == grain)
    first = composite.positions[sites[0]]
    return first + minimum_image(composite.positions[sites] - first, composite.period).mean(axis=0)
