r"""Calls of this package on a System of one's own, from a file or from a function beside the job file.

Calls are made in the order in which they are named; those after ``solve_gap`` take the system with its self-consistent
Delta. Numbers are in the system's own units; currents are in nA, and temperatures may be in kelvin, where its
``energy_unit`` is known.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from bdg.base.errors import JobError
from bdg.jobs.kinds.figures.system import plot, summarise
from bdg.jobs.kinds.shared.keys import MAX_ITERATIONS
from bdg.jobs.kinds.shared.limits import TIGHTEST, Rules
from bdg.jobs.kinds.shared.own_systems import (
    PARAMETERS,
    BuilderError,
    Built,
    built,
    checksum_of,
    code_rules,
    make_system,
    source_key,
    source_rules,
)
from bdg.jobs.kinds.shared.own_units import kelvin_rule
from bdg.jobs.kinds.shared.system_calls import CALLS, PAIRED, THERMAL, Work, make_call, step_of
from bdg.jobs.model.figures import OUTPUT_KEYS
from bdg.jobs.model.kind import Kind, Observable, Outcome, Step
from bdg.jobs.model.place import Place
from bdg.jobs.model.schema import Key
from bdg.jobs.model.sweep import Parameters
from bdg.lattices.storage import ResultFileError
from bdg.lattices.system import System

SYSTEM_KEYS = (
    Key("file", "str", "what System.save wrote, below the folder of the job file; or builder", None),
    Key("builder", "str", '"module:function", which returns a System from [system.parameters]; or file', None),
)
COMPUTE_KEYS = (
    Key("calls", "names", f"in this order, of {', '.join(CALLS)}", choices=CALLS),
    Key("temperature", "float", "k_B T in the energy unit of the system; or temperature_K", None, least=0),
    Key("temperature_K", "float", "temperature, if the system names its energy unit; or temperature", None, least=0),
    Key("tolerance", "float", "of amplitude, self-consistent Delta and T_c, relative", 1e-6, least=TIGHTEST, most=0.01),
    MAX_ITERATIONS,
    Key("k", "int", "bound states of lowest |E|, both signs counted", 32, least=1),
    Key("energy_window", "vector", "lowest and highest energy of the density of states", None, lengths=(2,)),
    Key("energy_points", "int", "energies of the density of states", 401, least=1, most=100_000),
    Key("broadening", "float", "of the density of states; default: the spacing of its energies", None, above=0),
    Key("phases", "int", "phases of current_phase, both ends included", 13, least=4, most=721),
    Key("phase_range_pi", "vector", "first and last phase; from 0 if h, D are real at 0", [0.0, 1.0], lengths=(2,)),
    Key("between_grains", "vector", "first and last grain of current_phase; default: 0 and the highest", None,
        lengths=(2,), least=0),
    Key("self_consistent", "bool", "Delta of current_phase at each phase", False),
    Key("random_seed", "int", "of random vectors; that of disorder is the builder's", 0, least=0),
)  # fmt: skip
_AGAIN = "run the job again, and let a builder depend on nothing but its arguments: seed its random numbers"


@dataclass(frozen=True)
class Source:
    """The kind for job files at one place."""

    place: Place = Place()
    seen: dict[str, Built] = field(default_factory=dict, repr=False)  # by what the System is made from

    def __getstate__(self) -> dict[str, Any]:
        return {"place": self.place, "seen": {}}  # workers look for themselves

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state)

    def identified(self, parameters: Parameters) -> tuple[Parameters, Rules]:
        """Return the parameters with the checksum of the System, and what calls may not ask of it."""
        found = code_rules(parameters, self.place)
        if found:
            return parameters, found
        key = source_key(parameters)
        if key not in self.seen:
            try:
                self.seen[key] = built(parameters, self.place)
            except ResultFileError as error:
                why = str(error).removeprefix(f"{self.place.folder}/")
                return parameters, [("system", "file", f"{why}; System.save writes such files")]
        at = self.seen[key]
        system = {**parameters["system"], "checksum": at.checksum}
        return {**parameters, "system": system}, fitting_rules(at, parameters["compute"])

    def check(self, parameters: Parameters) -> Sequence[tuple[str, str, str]]:
        """Return the rules between keys that are broken."""
        return check(parameters, self.place)

    def compute(self, parameters: Parameters, device: str) -> Outcome:
        """Return what the calls of one point yield."""
        system = make_system(parameters, self.place)
        if checksum_of(system) != parameters["system"]["checksum"]:
            source = parameters["system"]["file"] or parameters["system"]["builder"]
            raise BuilderError(f"{source} gave another system than when the job was read; {_AGAIN}")
        work = Work(system, parameters["compute"], device)
        observables: dict[str, Observable] = {}
        evidence: dict[str, Any] = {}
        for call in work.wanted["calls"]:
            found, evidence[call] = make_call(call, work)
            observables |= found
        return observables, evidence

    def steps(self, parameters: Parameters) -> tuple[System, list[Step]]:
        """Return the system of a point and what is computed of it."""
        try:
            system = make_system(parameters, self.place)
        except BuilderError as error:
            raise JobError(f"[system] builder: {error}") from error
        work = Work(system, parameters["compute"], "auto")
        return system, [step_of(call, work) for call in work.wanted["calls"]]


def check(parameters: Parameters, place: Place) -> Sequence[tuple[str, str, str]]:
    """Return the rules between keys that are broken."""
    wanted, found = parameters["compute"], source_rules(parameters, place)
    thermal = [call for call in wanted["calls"] if call in THERMAL]
    if wanted["temperature"] is not None and wanted["temperature_K"] is not None:
        found.append(("compute", "temperature_K", "give either temperature_K or temperature; got both"))
    elif thermal and wanted["temperature"] is None and wanted["temperature_K"] is None:
        rule = f"missing; {thermal[0]} needs temperature (in the energy unit of the system) or temperature_K"
        found.append(("compute", "temperature", rule))
    window = wanted["energy_window"]
    if window is None and "density_of_states" in wanted["calls"]:
        found.append(("compute", "energy_window", "missing; density_of_states needs its lowest and highest energy"))
    elif window is not None and not window[0] < window[1]:
        found.append(("compute", "energy_window", f"must be [lowest, highest]; got {window}"))
    return found


def fitting_rules(at: Built, wanted: Mapping[str, Any]) -> Rules:
    """Return what the calls may not ask of a System; of one that could not be built nothing is known."""
    calls, found = wanted["calls"], []
    if at.units is None:
        return []
    if wanted["temperature_K"] is not None and at.units.in_meV is None:
        found.append(("compute", "temperature_K", kelvin_rule(at.units.energy)))
    if "bound_states" in calls and wanted["k"] > at.dimension:
        found.append(("compute", "k", f"must be at most {at.dimension}, the dimension of H; got {wanted['k']}"))
    if not at.attraction and (paired := [call for call in calls if call in PAIRED]):
        rule = f"{paired[0]} needs sites with attraction, and the system has none; leave it out, or give it some"
        found.append(("compute", "calls", rule))
    if "current_phase" in calls:
        found += _grain_rules(at.grains, wanted["between_grains"])
    return found


def _grain_rules(grains: int, between: Sequence[float] | None) -> Rules:
    if grains < 2:
        rule = f"current_phase needs two superconducting parts, and the system has {grains}; leave it out"
        return [("compute", "calls", rule)]
    if between is None or (between[0] != between[1] and all(g == int(g) and g < grains for g in between)):
        return []
    rule = f"must be two different grains, numbered from 0 to {grains - 1}; got {between}"
    return [("compute", "between_grains", rule)]


def located(place: Place) -> Kind:
    """Return the kind for a job file that lies there."""
    source = Source(place)
    return Kind(
        name="system",
        doc="calls of this package on a System of one's own, from a file or a function beside the job file",
        schema={"system": SYSTEM_KEYS, "compute": COMPUTE_KEYS, "output": OUTPUT_KEYS},
        compute=source.compute,
        summarise=summarise,
        plot=plot,
        check=source.check,
        steps=source.steps,
        cures={"pinned": "let the builder make the superconducting parts larger"},
        open_sections=(PARAMETERS,),
        located=located,
        identified=source.identified,
    )


KIND = located(Place())
