"""Josephson coupling and normal resistance of two grains in a box, sample by sample: what coupling tables are made of.

The box holds both grains and a margin of the host (`bdg.granular.couplings.two_grains`). Once all points are there the
figures come with ``coupling_table.h5``, a `bdg.granular.CouplingTable` of every host whose gaps and temperatures are
complete.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from bdg.granular.couplings.coupling_table import FEWEST_SAMPLES, CouplingTable
from bdg.granular.couplings.two_grains import PairBox, couplings_of, resistance_of
from bdg.jobs.kinds.shared import boxes
from bdg.jobs.kinds.shared.groups import grouped, seed_of, temperature_of
from bdg.jobs.kinds.shared.keys import TEMPERATURE_OF_GAP
from bdg.jobs.kinds.shared.limits import site_rules, temperature_rules
from bdg.jobs.model.figures import OUTPUT_KEYS, paper_style, save_figure
from bdg.jobs.model.kind import Kind, Observable, Outcome, Shape, Step
from bdg.jobs.model.results import JobResults, PointResult
from bdg.jobs.model.schema import Key
from bdg.jobs.model.sweep import Parameters
from bdg.lattices.system import System
from bdg.lattices.units import temperature_in_t

TABLE = "coupling_table.h5"
OF_LANDSCAPE = 0.3  # seconds of a point relative to those of `grain_landscape`: fewer poles, of looser fit, one force

SYSTEM_KEYS = (
    Key("gap_nm", "float", "between the surfaces of the grains", least=0),
    Key("diameter_nm", "float", "of both grains", default=20.0, above=0),
    Key("spacing_nm", "float", "lattice constant", above=0),
    Key("margin_nm", "float", "of host around the grains", default=7.2, least=0),
    *(key for key in boxes.SYSTEM_KEYS if key.name in boxes.HOST_KEYS),
    Key("delta_meV", "float", "gap of the grains at T = 0", default=2.7, above=0),
    Key("critical_temperature_K", "float", "of the grains", default=37.0, above=0),
    Key("transparency", "float", "of the interface between grain and host", default=1.0, above=0, most=1),
    Key("seed", "int", "of disorder and places relative to the grid", default=0, least=0),
)
COMPUTE_KEYS = (TEMPERATURE_OF_GAP,)


def box_of(parameters: Parameters) -> PairBox:
    """Return the box of a point."""
    return PairBox(**{name: value for name, value in parameters["system"].items() if name != "seed"})


def check(parameters: Parameters) -> Sequence[tuple[str, str, str]]:
    """Return the rules between keys that are broken."""
    system, temperature = parameters["system"], parameters["compute"]["temperature_K"]
    found = []
    if system["diameter_nm"] < system["spacing_nm"]:
        found.append(("system", "diameter_nm", "must be at least spacing_nm, else grains hold no site"))
    if temperature >= system["critical_temperature_K"]:
        rule = f"must be below critical_temperature_K = {system['critical_temperature_K']:g}"
        found.append(("compute", "temperature_K", f"{rule}; got {temperature:g}"))
    across, along = (
        min(length / system["spacing_nm"], 1e12)
        for length in (
            system["diameter_nm"] + 2 * system["margin_nm"],
            2 * system["diameter_nm"] + system["gap_nm"] + 2 * system["margin_nm"],
        )
    )
    found += site_rules(across**2 * along, "spacing_nm")
    found += boxes.host_rules(system)
    return found or temperature_rules(temperature, boxes.host_of(system).t_meV, boxes.band_of(parameters))


def compute(parameters: Parameters, device: str) -> Outcome:
    """Return the coupling at the phase pi/2, and the normal resistance, of one sample."""
    box, seed = box_of(parameters), parameters["system"]["seed"]
    (energy,) = couplings_of(box, seed, [parameters["compute"]["temperature_K"]], device)
    observables = {
        "energy_K": Observable(energy, "K", "E_J/k_B: hbar/2e times the current at the phase pi/2"),
        "resistance_ohm": Observable(resistance_of(box, seed, device), "ohm", "R_N between absorbing grains"),
        "sites": Observable(int(np.prod(box.shape)), "1", "number of sites"),
        "hopping_meV": Observable(box.host.t_meV, "meV", "hopping t of the host's lattice"),
    }
    return observables, {"method": "host integrated out"}


def steps(parameters: Parameters) -> tuple[System, list[Step]]:
    """Return the system of a point and what is computed of it."""
    box = box_of(parameters)
    temperature = temperature_in_t(parameters["compute"]["temperature_K"], box.host.t_meV)
    system = box.sample(parameters["system"]["seed"])
    return system, [Step("grain_landscape", {"temperature": temperature}, OF_LANDSCAPE, "one force")]


def smaller(parameters: Parameters, shape: Shape, wanted: Shape) -> Parameters:
    """Return the keys of a box with about ``wanted`` sites an axis: everything but the lattice constant shrinks."""
    ratio = min(1.0, *(new / old for new, old in zip(wanted, shape, strict=True)))
    system = parameters["system"]
    least = {"diameter_nm": system["spacing_nm"], "gap_nm": 0.0, "margin_nm": 0.0}
    changes = {name: max(low, ratio * system[name]) for name, low in least.items()}
    return {**parameters, "system": {**system, **changes}}


def tables_of(results: JobResults) -> CouplingTable | None:
    """Return the table of all hosts whose points are complete, None if there is none."""
    tables = []
    for members in grouped(results, _host_of).values():
        samples = grouped(members, lambda point: point.parameters["system"]["gap_nm"])
        seeds, temperatures = sorted({seed_of(p) for p in members}), sorted({temperature_of(p) for p in members})
        if len(seeds) < FEWEST_SAMPLES or len(members) != len(samples) * len(seeds) * len(temperatures):
            continue
        gaps = sorted(samples)
        energies = np.empty((len(gaps), len(temperatures), len(seeds)))
        resistances = np.empty((len(gaps), len(seeds)))
        for point in members:
            gap, seed = gaps.index(point.parameters["system"]["gap_nm"]), seeds.index(seed_of(point))
            energies[gap, temperatures.index(temperature_of(point)), seed] = point["energy_K"]
            resistances[gap, seed] = point["resistance_ohm"]
        boxes_found = [box_of(samples[gap][0].parameters) for gap in gaps]
        tables.append(CouplingTable.of_boxes(boxes_found, np.array(temperatures), energies, resistances))
    return tables[0].joined(*tables[1:]) if tables else None


def _host_of(point: PointResult) -> tuple[Any, ...]:
    return tuple(value for name, value in point.parameters["system"].items() if name not in ("gap_nm", "seed"))


def summarise(results: JobResults) -> str:
    """Return the means over the samples, with standard errors."""
    lines = [f"{results.name}: couplings of two grains, {len(results)} points; means (standard errors) over seeds"]
    lines.append("  gap (nm)   T (K)  tau   l (nm)  n (1/m^3)  seeds  E_J (K)                R_N (ohm)")
    for group in results.ensembles():
        system, compute = group.parameters["system"], group.parameters["compute"]
        energy, error = float(group.mean["energy_K"]), float(group.standard_error["energy_K"])
        lines.append(
            f"  {system['gap_nm']:8g}  {compute['temperature_K']:6g}  {system['transparency']:4g}  "
            f"{system['mean_free_path_nm']:6g}  {system['density_m3']:9.3g}  {len(group.seeds):5d}  "
            f"{energy:.4g} ({error:.1g}){'':8}  {float(group.mean['resistance_ohm']):.4g}"
        )
    return "\n".join(lines)


def plot(results: JobResults, folder: Path, output: Mapping[str, Any]) -> list[Path]:
    """Write the table of all complete hosts, and draw the first one."""
    table = tables_of(results)
    if table is None:
        return []
    table.save(folder / TABLE)
    with paper_style():
        return [folder / TABLE, *save_figure(table.plot(), folder, "couplings", output)]


KIND = Kind(
    name="coupling",
    doc="Josephson couplings and normal resistances of two grains, for the tables that networks draw from",
    schema={"system": SYSTEM_KEYS, "compute": COMPUTE_KEYS, "output": OUTPUT_KEYS},
    compute=compute,
    summarise=summarise,
    plot=plot,
    check=check,
    steps=steps,
    smaller=smaller,
)
