"""Where Delta of a job comes from: imposed along the BCS curve, or self-consistent from an attraction."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from bdg.condensate.bcs import GAP_TO_TC, gap_ratio
from bdg.jobs.kinds.shared.limits import band_edge, temperature_rules
from bdg.jobs.model.schema import Key
from bdg.jobs.model.sweep import Parameters
from bdg.lattices.units import KB_MEV_PER_K

PAIRING_KEYS = (
    Key("delta_meV", "float", "gap at T = 0, imposed with the BCS curve; or attraction_meV", None, above=0),
    Key("critical_temperature_K", "float", "of that curve; default delta_meV/1.764 k_B", None, above=0),
    Key("attraction_meV", "float", "attraction U: Delta is self-consistent; or delta_meV", None, above=0),
)
GAP_ITERATIONS = 15  # of a self-consistent gap, as `bdg estimate` assumes; 40 close to Tc


def pairing_rules(parameters: Parameters) -> list[tuple[str, str, str]]:
    """Return the rules between the keys of pairing that are broken."""
    keys, found = parameters["system"], []
    if (keys["delta_meV"] is None) == (keys["attraction_meV"] is None):
        found.append(("system", "delta_meV", "give either delta_meV (imposed) or attraction_meV (self-consistent)"))
    elif keys["attraction_meV"] is not None and keys["critical_temperature_K"] is not None:
        found.append(("system", "critical_temperature_K", "belongs to delta_meV: with attraction_meV it follows"))
    elif keys["delta_meV"] is not None:
        highest = critical_temperature(keys)
        if parameters["compute"]["temperature_K"] >= highest:
            got = parameters["compute"]["temperature_K"]
            rule = f"must be below the critical temperature, {highest:g} K; got {got:g}"
            found.append(("compute", "temperature_K", rule))
    return found


def pairing_temperature_rules(parameters: Parameters) -> list[tuple[str, str, str]]:
    """Return what is wrong with the temperature of thermal sums; the rules of pairing hold."""
    keys = parameters["system"]
    t = keys["hopping_meV"]
    pairing = keys["delta_meV"] or keys["attraction_meV"]
    band = band_edge(keys["dimensions"], *(size / t for size in (keys["mu_meV"], keys["disorder_meV"], pairing)))
    return temperature_rules(parameters["compute"]["temperature_K"], t, band)


def critical_temperature(keys: Mapping[str, Any]) -> float:
    """Return the critical temperature of an imposed gap, in K."""
    return keys["critical_temperature_K"] or keys["delta_meV"] / (GAP_TO_TC * KB_MEV_PER_K)


def imposed_gap(keys: Mapping[str, Any], temperature_K: float) -> float:
    """Return the imposed gap at a temperature, in meV."""
    return keys["delta_meV"] * float(gap_ratio(temperature_K / critical_temperature(keys)))
