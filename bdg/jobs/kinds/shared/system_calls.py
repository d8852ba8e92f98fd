"""Calls on a System of one's own: what each is asked with, what it yields, and what it may ask of a system."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from bdg.condensate.critical_temperature import critical_temperature
from bdg.condensate.gap.solve_gap import solve_gap
from bdg.condensate.pair_amplitude import pair_amplitude
from bdg.currents.current_phase import current_phase
from bdg.densities.density_of_states import density_of_states
from bdg.jobs.kinds.shared.own_units import OwnUnits
from bdg.jobs.kinds.shared.pairing_keys import GAP_ITERATIONS
from bdg.jobs.model.kind import Observable, Step
from bdg.lattices.system import System
from bdg.states.bound_states import bound_states

THERMAL = ("pair_amplitude", "solve_gap", "current_phase")  # calls that need a temperature
PAIRED = ("solve_gap", "critical_temperature")  # calls that need an attraction


@dataclass
class Work:
    """A point in the course of its calls.

    Attributes
    ----------
    system : System
        After ``solve_gap`` that with the self-consistent Delta.
    wanted : mapping
        The keys of [compute].
    device : str
    """

    system: System
    wanted: Mapping[str, Any]
    device: str

    @property
    def units(self) -> OwnUnits:
        """Units of the system."""
        return OwnUnits.of(self.system)

    @property
    def temperature(self) -> float:
        """k_B T in the energy unit of the system."""
        found = self.units.temperature(self.wanted["temperature"], self.wanted["temperature_K"])
        assert found is not None  # a rule of the kind
        return found

    def arguments(self, call: str) -> dict[str, Any]:
        """Return the arguments of a call, without those of the machine."""
        wanted = self.wanted
        if call == "bound_states":
            return {"k": wanted["k"]}
        if call == "density_of_states":
            low, high = wanted["energy_window"]
            energies = np.linspace(low, high, wanted["energy_points"])
            return {"energies": energies, "broadening": wanted["broadening"]}
        if call == "critical_temperature":
            return {"tol": wanted["tolerance"]}
        if call == "current_phase":
            first, last = wanted["phase_range_pi"]
            return {
                "phases": math.pi * np.linspace(first, last, wanted["phases"]),
                "temperature": self.temperature,
                "between": None if wanted["between_grains"] is None else tuple(map(int, wanted["between_grains"])),
                "self_consistent": wanted["self_consistent"],
                **({"tol": wanted["tolerance"]} if wanted["self_consistent"] else {}),
                "max_iterations": wanted["max_iterations"],
            }
        return {"temperature": self.temperature, "tol": wanted["tolerance"]}


Found = tuple[dict[str, Observable], Mapping[str, Any]]
"""Observables and evidence of one call."""


def make_call(call: str, work: Work) -> Found:
    """Make a call, and leave in ``work`` the system that the next one takes."""
    return _CALLS[call](work, work.arguments(call))


def step_of(call: str, work: Work) -> Step:
    """Return a call as `bdg.estimate` is asked about it."""
    arguments = work.arguments(call)
    if call != "solve_gap":
        return Step(call, arguments)
    return Step(call, {**arguments, "iterations": GAP_ITERATIONS}, note=f"{GAP_ITERATIONS} iterations assumed")


def _bound_states(work: Work, arguments: dict[str, Any]) -> Found:
    found = bound_states(work.system, **arguments, device=work.device, seed=work.wanted["random_seed"])
    energy = work.units.energy
    return {
        "energies": Observable(np.sort(found.energies), energy, "levels of lowest |E|, ascending (k,)"),
        "residual": Observable(found.residuals.max(), energy, "largest ||H psi - E psi||"),
        "complete": Observable(found.complete, "1", "1 if it is proven that no level was missed"),
    }, dict(found.evidence)


def _density_of_states(work: Work, arguments: dict[str, Any]) -> Found:
    found = density_of_states(work.system, **arguments, device=work.device, seed=work.wanted["random_seed"])
    energy = work.units.energy
    return {
        "density_energies": Observable(found.energies, energy, "energies of the density of states (M,)"),
        "density": Observable(found.values, f"1/{energy}", "density of states, both spins, all sites (M,)"),
        "density_error": Observable(found.error, f"1/{energy}", "its standard error, broadening excluded (M,)"),
        "broadening": Observable(found.broadening, energy, "standard deviation of the peak of a level"),
    }, dict(found.evidence)


def _pair_amplitude(work: Work, arguments: dict[str, Any]) -> Found:
    found = pair_amplitude(work.system, **arguments, device=work.device, seed=work.wanted["random_seed"])
    return {
        **_positions(work),
        "amplitude": Observable(found.values, "1", "singlet pair amplitude F (N,)"),
        "amplitude_error": Observable(found.error, "1", "error of every F"),
    }, dict(found.evidence)


def _solve_gap(work: Work, arguments: dict[str, Any]) -> Found:
    iterations = work.wanted["max_iterations"]
    found = solve_gap(work.system, **arguments, max_iterations=iterations, device=work.device)
    work.system = found.system
    energy = work.units.energy
    return {
        **_positions(work),
        "delta": Observable(found.delta, energy, "self-consistent Delta (N,)"),
        "largest_delta": Observable(abs(found.delta).max(), energy, "largest |Delta|"),
        "delta_error": Observable(found.error, energy, "estimated error of Delta"),
        "iterations": Observable(found.iterations, "1", "evaluations of the gap equation"),
        "free_energy": Observable(found.free_energy, energy, "free energy, condensation included"),
    }, dict(found.evidence)


def _critical_temperature(work: Work, arguments: dict[str, Any]) -> Found:
    found = critical_temperature(work.system, **arguments, device=work.device, seed=work.wanted["random_seed"])
    units = work.units
    observables = {
        "critical_temperature": Observable(found.temperature, units.energy, "k_B T_c"),
        "critical_temperature_error": Observable(found.error, units.energy, "its error"),
    }
    kelvin = units.kelvin(found.temperature)
    if kelvin is not None:
        observables["critical_temperature_K"] = Observable(kelvin, "K", "T_c")
    return observables, dict(found.evidence)


def _current_phase(work: Work, arguments: dict[str, Any]) -> Found:
    found = current_phase(work.system, **arguments, device=work.device)
    factor, unit = work.units.current
    return {
        "phases_pi": Observable(found.phases / math.pi, "pi", "phase differences (P,)"),
        "current": Observable(found.current * factor, unit, "current 2e/hbar dF/dphi (P,)"),
        "current_error": Observable(found.error * factor, unit, "bound of its error at the Delta that was taken"),
        "conservation": Observable(found.conservation * factor, unit, "largest |div J| outside the deep parts (P,)"),
        "critical_current": Observable(found.critical_current * factor, unit, "largest |I|"),
        "phase_free_energy": Observable(found.free_energy, work.units.energy, "free energy (P,)"),
    }, dict(found.evidence)


def _positions(work: Work) -> dict[str, Observable]:
    return {"positions": Observable(work.system.positions, work.units.length, "all sites (N, dim)")}


_CALLS: dict[str, Callable[[Work, dict[str, Any]], Found]] = {
    "bound_states": _bound_states,
    "density_of_states": _density_of_states,
    "pair_amplitude": _pair_amplitude,
    "solve_gap": _solve_gap,
    "critical_temperature": _critical_temperature,
    "current_phase": _current_phase,
}
CALLS = tuple(_CALLS)
