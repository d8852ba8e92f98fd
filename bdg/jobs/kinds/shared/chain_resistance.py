"""What the chain of a composite says of currents: whether charging allows phases, and R(T) of both routes to T_c2."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from bdg.granular.charging import charging_criterion
from bdg.granular.composite_networks import BETWEEN, CompositeNetworks
from bdg.granular.dynamics.second_step import METHODS, HostBonds, resistance_curve, step_temperatures
from bdg.granular.locking import locking_temperature
from bdg.granular.network import Network
from bdg.granular.resistors import maxwell_conductivity
from bdg.granular.two_step import two_step_temperature
from bdg.jobs.kinds.shared import boxes
from bdg.jobs.model.kind import Observable
from bdg.jobs.model.schema import Key

KEYS = (
    Key("resistance_points", "int", "temperatures of R(T) of each route; 0: no R(T)", default=12, least=0, most=1000),
    Key(
        "resistance_method",
        "str",
        "junctions one by one, or all phases in motion",
        default="activated",
        choices=METHODS,
    ),
    Key("resistance_bias", "float", "current of langevin, over stiffness per distance", default=0.1, above=0, most=1),
    Key("resistance_tolerance", "float", "of R/R_N, langevin", default=0.05, least=1e-3, most=0.5),
)
ROUTES = {"bdg": "BdG couplings", "ab": "short junctions"}
LOCKING_TOL = 0.03  # of short junctions in the same packings
ANY_K = 4.0  # bonds are the same at all temperatures
MEASURED_K = 24.0  # T_c2 of the earlier sample of 5 ohm cm (J. Appl. Phys. 120, 015102)


def resistive(networks: CompositeNetworks, resistivity_ohm_cm: float) -> list[HostBonds]:
    """Return the bonds of each sample in a homogeneous host of this resistivity."""
    coupled = networks.at(ANY_K)
    return [HostBonds.of(p, 1e-2 * resistivity_ohm_cm, n) for p, n in zip(networks.packings, coupled, strict=True)]


def charged(hosts: Sequence[HostBonds], diameter_nm: float, prefix: str) -> dict[str, Observable]:
    """Return conductance of the grains, charging energy, and whether phases may be spoken of."""
    found = [charging_criterion(h.network, 1 / h.conductances, diameter_nm=diameter_nm) for h in hosts]
    coherent = all(each.coherent for each in found)
    return {
        f"{prefix}charging_g": Observable(
            np.mean([each.conductance for each in found]), "4e^2/h", "mean conductance of a grain to all others"
        ),
        f"{prefix}charging_energy_K": Observable(found[0].charging_energy, "K", "E_C of a grain"),
        f"{prefix}charging_coherent": Observable(
            int(coherent), "1", "1: charging does not forbid coherent phases; 0: no verdict on superconductivity"
        ),
    }


def second_steps(
    networks: CompositeNetworks,
    hosts: Sequence[HostBonds],
    system: Mapping[str, Any],
    wanted: Mapping[str, Any],
    locking_K: float,
    critical_K: float,
) -> dict[str, Observable]:
    """Return R(T)/R_N of the first packing by both routes, T_c2 read off it, and the step at T_c of the grains."""
    first, gap = hosts[0], system["delta_meV"]

    def of_table(temperature: float) -> Network:
        return first.coupled(networks.at(temperature)[0].couplings)

    def of_junctions(temperature: float) -> list[Network]:
        return [host.short_junctions(temperature, gap, critical_K) for host in hosts]

    limits = BETWEEN[0], BETWEEN[1] * critical_K
    junctions = locking_temperature(of_junctions, tol=LOCKING_TOL, between=limits, seed=system["seed"])
    fraction = boxes.volume_fraction_of(system)
    found = {
        "ab_locking_K": Observable(junctions.temperature, "K", "T_c2 from short junctions in the packings"),
        "critical_K": Observable(critical_K, "K", "T_c of the grains"),
        "critical_drop": Observable(
            1 - 1 / maxwell_conductivity(1.0, math.inf, fraction),
            "1",
            "drop of R at T_c of the grains if they conduct like their host above it; .0002 if like MgB2",
        ),
    }
    for route, at, locked in (
        ("bdg", of_table, locking_K),
        ("ab", lambda t: of_junctions(t)[0], junctions.temperature),
    ):
        if locked > 0:
            found |= _step(route, at, first.conductances, wanted, locked, critical_K, system["seed"])
    return found


def _step(
    route: str,
    at: Any,
    conductances: np.ndarray,
    wanted: Mapping[str, Any],
    locking_K: float,
    critical_K: float,
    seed: int,
) -> dict[str, Observable]:
    temperatures = step_temperatures(locking_K, critical_K, wanted["resistance_points"])
    ratio, error = resistance_curve(
        at,
        temperatures,
        conductances,
        wanted["resistance_method"],
        locking_K=locking_K,
        bias=wanted["resistance_bias"],
        tol=wanted["resistance_tolerance"],
        seed=seed,
    )
    step = two_step_temperature(temperatures, ratio, errors=np.maximum(error, 1e-3))
    read = np.array([step.temperature, step.error, step.width]) if step.found else np.zeros(3)
    name = ROUTES[route]
    return {
        f"{route}_resistance_temperatures_K": Observable(temperatures, "K", f"of R(T), {name} (P,)"),
        f"{route}_resistance": Observable(ratio, "1", f"R/R_N, {name} (P,)"),
        f"{route}_resistance_error": Observable(error, "1", "its standard error (P,)"),
        f"{route}_step_K": Observable(read, "K", "T_c2 where straight parts of R(T) cross, error, width; 0: no step"),
    }


def resistive_lines(values: Mapping[str, Any], system: Mapping[str, Any]) -> list[str]:
    """Return the lines of a point's summary on charging and R(T)."""
    lines = [f"  charging                    g = {float(values['charging_g']):.3g}, {_verdict(values, '')}"]
    for route, name in ROUTES.items():
        if f"{route}_step_K" in values:
            at, error, width = values[f"{route}_step_K"]
            told = f"{at:6.2f} +- {error:.2f} K, {width:.2g} K wide" if at else "no second step"
            lines.append(f"  {f'T_c2 from R(T), {name}':27} {told}")
    if "other_charging_g" in values:
        measured = f", where {MEASURED_K:g} K were measured" if system["other_resistivity_ohm_cm"] == 5 else ""
        lines.append(
            f"  at {system['other_resistivity_ohm_cm']:g} ohm cm{measured}: T_c2 from the resistivity "
            f"{float(values['other_short_junctions_K']):.2g} K; charging g = {float(values['other_charging_g']):.2g}, "
            + _verdict(values, "other_")
        )
    return lines


def _verdict(values: Mapping[str, Any], prefix: str) -> str:
    return "phases may be coherent" if values[f"{prefix}charging_coherent"] else "verdict: none given"
