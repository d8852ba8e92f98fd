"""Superconducting and normal slabs that several kinds of jobs share: keys, lattice, profile along the layers."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from bdg.jobs.kinds.shared.keys import INTERFACE_KEYS, LAYER_KEYS, SUPERCONDUCTOR
from bdg.jobs.kinds.shared.limits import site_rules
from bdg.jobs.model.kind import Shape
from bdg.jobs.model.schema import Key
from bdg.jobs.model.sweep import Parameters
from bdg.lattices.builders.stacks import Layer, stack
from bdg.lattices.system import System

SLAB_KEYS = (
    SUPERCONDUCTOR,
    Key("normal_sites", "int", "thickness of the normal layer in sites; 0: none", least=0),
    Key("electrodes", "int", "1: superconductor on one side of N, 2: on both", default=2, least=1, most=2),
    Key("width", "int", "sites across, in each of the directions across", least=1),
    *LAYER_KEYS,
    Key("attraction_meV", "float", "attraction U in the superconductors", above=0),
    Key("disorder_meV", "float", "width of the uniform onsite disorder everywhere", default=0.0, least=0),
    *INTERFACE_KEYS,
)


def slabs(keys: Mapping[str, Any], delta: float = 0.0, phase: float = 0.0) -> System:
    """Return the layers; energies in units of the hopping, lengths in nm. ``phase`` is that of the last layer."""
    t = keys["hopping_meV"]
    disorder = keys["disorder_meV"] / t
    electrode = {"attraction": keys["attraction_meV"] / t, "disorder": disorder, "delta": delta}
    normal = [Layer(keys["normal_sites"], disorder=disorder)] if keys["normal_sites"] else []
    layers = [Layer(keys["superconductor_sites"], **electrode), *normal]
    if keys["electrodes"] == 2:
        layers.append(Layer(keys["superconductor_sites"], **electrode, phase=phase))
    width = keys["width"]
    return stack(
        layers,
        (width,) * (keys["dimensions"] - 1),
        mu=keys["mu_meV"] / t,
        spacing=keys["spacing_nm"],
        transparency=keys["transparency"] if keys["normal_sites"] else None,
        periodic=keys["periodic"] and width > 2,
        seed=keys["seed"],
        length_unit="nm",
    )


def smaller_slabs(parameters: Parameters, shape: Shape, wanted: Shape) -> Parameters:
    """Return the keys of slabs with ``wanted`` sites an axis: all layers shrink alike."""
    system, ratio = parameters["system"], wanted[0] / shape[0]
    lengths = {key: _scaled(system[key], ratio) for key in ("superconductor_sites", "normal_sites")}
    return {**parameters, "system": {**system, **lengths, "width": max((1, *wanted[1:]))}}


def _scaled(length: int, ratio: float) -> int:
    return max(1, round(length * ratio)) if length else 0


def profile(system: System, values: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return the positions of the layers of sites across x, and mean and standard deviation of values in them."""
    x, place = np.unique(np.round(system.positions[:, 0], 9), return_inverse=True)
    count = np.bincount(place)
    mean = np.bincount(place, weights=values) / count
    square = np.bincount(place, weights=(values - mean[place]) ** 2) / count
    return x, mean, np.sqrt(square)


def slab_rules(parameters: Parameters) -> list[tuple[str, str, str]]:
    """Return the rules between keys that are broken."""
    keys = parameters["system"]
    if keys["electrodes"] == 2 and not keys["normal_sites"]:
        return [("system", "normal_sites", "must be at least 1 between two electrodes; electrodes = 1 is one slab")]
    return site_rules(slab_sites(keys), "width")


def slab_sites(keys: Mapping[str, Any]) -> int:
    """Return the number of sites of the layers."""
    return (keys["superconductor_sites"] * keys["electrodes"] + keys["normal_sites"]) * keys["width"] ** (
        keys["dimensions"] - 1
    )
