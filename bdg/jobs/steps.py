"""What a point of each kind of job computes, step by step, for its estimate; nothing is computed here."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np

from bdg.jobs.kinds.shared import boxes
from bdg.jobs.model.kind import Kind, Step
from bdg.jobs.model.sweep import Parameters
from bdg.lattices.system import System
from bdg.lattices.units import temperature_in_t

Steps = tuple[System, list[Step]]
GAP_ITERATIONS = 15  # of a self-consistent gap; 40 close to Tc
TWISTS = 4  # systems that the stiffness is a difference of
TRANSITION_APPLICATIONS = 50  # of the linearised kernel, for one critical temperature


def steps_of(kind: Kind) -> Callable[[Parameters], Steps] | None:
    """Return what makes the steps of a point, None for a kind that does not say."""
    return kind.steps or _KINDS.get(kind.name)


def _composite(parameters: Parameters) -> Steps:

    keys, wanted = parameters["system"], parameters["compute"]
    host, system = boxes.host_of(keys), boxes.build(parameters)
    found = []
    if wanted["states"]:
        found.append(Step("bound_states", {"k": wanted["states"]}))
        found.append(Step("count_states", {"energy": boxes.grain_gap(keys, wanted["temperature_K"]) / host.t_meV}))
    arguments: dict[str, Any] = {
        "temperature": temperature_in_t(wanted["temperature_K"], host.t_meV),
        "tol": wanted["tolerance"],
    }
    sample = wanted["sample_sites"]
    if sample is not None:
        number = min(sample, int(np.count_nonzero(system.grain < 0)))
        if wanted["slice"]:
            number += system.n_sites // min(round(length / keys["spacing_nm"]) for length in keys["size_nm"])
        number = min(number, system.n_sites)
        arguments["sites"] = np.unique(np.linspace(0, system.n_sites - 1, number).astype(np.int64))
    return system, [*found, Step("pair_amplitude", arguments)]


def _sns(parameters: Parameters) -> Steps:
    from bdg.jobs.kinds import sns

    junction = sns.build(parameters)
    channels = len(sns.open_channels(parameters["system"]))
    k = parameters["compute"]["states"] or min(2 * channels + 4, 2 * junction.n_sites)
    return junction, [Step("bound_states", {"k": k})]


def _gap(parameters: Parameters) -> Steps:
    from bdg.jobs.kinds.gap import GUESS
    from bdg.jobs.kinds.shared.slabs import slabs

    keys, wanted = parameters["system"], parameters["compute"]
    t = keys["hopping_meV"]
    at = {"temperature": temperature_in_t(wanted["temperature_K"], t)}
    system = slabs(keys, GUESS * keys["attraction_meV"] / t, math.pi * wanted["phase_pi"])
    return system, [
        Step("solve_gap", {**at, "tol": wanted["tolerance"], "iterations": GAP_ITERATIONS}),
        Step("pair_amplitude", {**at, "tol": wanted["tolerance"]}),
        Step("free_energy", at, 2, "the last one belongs to solve_gap"),
    ]


def _critical_temperature(parameters: Parameters) -> Steps:
    from bdg.condensate.linear_response import AMPLITUDE_SHARE
    from bdg.jobs.kinds.shared.slabs import slabs

    keys = parameters["system"]
    system = slabs(keys, 0.05 * keys["attraction_meV"] / keys["hopping_meV"])
    arguments = {
        "temperature": 0.05 * float(system.attraction.max()),
        "tol": AMPLITUDE_SHARE * parameters["compute"]["tolerance"],
        "sites": np.flatnonzero(system.attraction > 0),
    }
    note = f"{TRANSITION_APPLICATIONS} applications of the kernel assumed"
    return system, [Step("pair_amplitude", arguments, TRANSITION_APPLICATIONS, note)]


def _loops(parameters: Parameters) -> Steps:

    keys, wanted = parameters["system"], parameters["compute"]
    system = boxes.build(parameters)
    rng = np.random.default_rng(0)
    biased = system.with_phases(rng.uniform(0, 2 * np.pi, system.n_grains))
    found = [Step("bound_states", {"k": wanted["states"]})]
    count = min(wanted["loop_grains"], system.n_grains)
    if count >= 2:
        free = count - 1 if wanted["other_grains"] == "normal" or count == system.n_grains else count
        temperature = temperature_in_t(wanted["temperature_K"], boxes.host_of(keys).t_meV)
        arguments = {"temperature": temperature, "elements": False}
        found.append(Step("free_energy", arguments, wanted["points"] ** free / 2, "half of the grid of phases"))
    return biased if wanted["phases"] == "random" else system, found


def _josephson(parameters: Parameters) -> Steps:
    from bdg.jobs.kinds import josephson

    keys, wanted = parameters["system"], parameters["compute"]
    system, phases = josephson.build(parameters), wanted["phases"]
    biased = system.with_phases(np.linspace(0, 1, system.n_grains))
    at = {"temperature": temperature_in_t(wanted["temperature_K"], keys["hopping_meV"])}
    found = [Step("electron_density", at, phases, "currents at each phase")]
    if keys["attraction_meV"] is not None:
        gap = {**at, "tol": wanted["tolerance"], "iterations": GAP_ITERATIONS}
        found.append(Step("solve_gap", gap, phases, f"{GAP_ITERATIONS} iterations at each phase assumed"))
    return biased, found


def _stiffness(parameters: Parameters) -> Steps:
    from bdg.jobs.kinds import stiffness

    keys, wanted = parameters["system"], parameters["compute"]
    system = stiffness.build(parameters)
    at = {"temperature": temperature_in_t(wanted["temperature_K"], keys["hopping_meV"])}
    found = [Step("electron_density", at, TWISTS, f"{TWISTS} twisted systems assumed, of complex matrices")]
    if keys["attraction_meV"] is not None:
        found.append(Step("solve_gap", {**at, "tol": wanted["tolerance"], "iterations": GAP_ITERATIONS}))
    phase = np.exp(1e-3j * np.arange(system.n_sites))  # currents are those of a twisted system
    return system.with_delta(system.delta * phase), found


_KINDS: dict[str, Callable[[Parameters], Steps]] = {
    "composite": _composite,
    "critical_temperature": _critical_temperature,
    "gap": _gap,
    "josephson": _josephson,
    "loops": _loops,
    "sns": _sns,
    "stiffness": _stiffness,
}
