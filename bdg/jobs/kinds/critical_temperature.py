r"""The critical temperature of superconducting slabs against the thickness of the normal layer (or any other key).

The proximity effect takes pairs from the superconductor: Tc falls with the thickness of N (de Gennes, Rev. Mod. Phys.
36, 225 (1964)). It follows from the linearised gap equation with U on the sites of the superconductors.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from bdg.condensate.critical_temperature import TOLERANCES, critical_temperature
from bdg.condensate.linear_response import AMPLITUDE_SHARE
from bdg.jobs.kinds.shared.groups import by_system, grouped, seed_of
from bdg.jobs.kinds.shared.panels import mark_normal
from bdg.jobs.kinds.shared.slabs import SLAB_KEYS, profile, slab_rules, slabs, smaller_slabs
from bdg.jobs.model.figures import COLOURS, OUTPUT_KEYS, new_figure, paper_style, save_figure
from bdg.jobs.model.kind import Kind, Observable, Outcome, Step
from bdg.jobs.model.results import JobResults, PointResult
from bdg.jobs.model.schema import Key
from bdg.jobs.model.sweep import Parameters
from bdg.lattices.system import System
from bdg.lattices.units import temperature_in_kelvin

COMPUTE_KEYS = (Key("tolerance", "float", "of Tc, relative", default=1e-5, least=TOLERANCES[0], most=0.01),)
APPLICATIONS = 50  # of the linearised kernel, for one critical temperature


def check(parameters: Parameters) -> Sequence[tuple[str, str, str]]:
    """Return the rules between keys that are broken."""
    return slab_rules(parameters)


def compute(parameters: Parameters, device: str) -> Outcome:
    """Return Tc and the Delta that appears there."""
    keys = parameters["system"]
    system = slabs(keys)
    found = critical_temperature(system, tol=parameters["compute"]["tolerance"], device=device)
    x, mode, spread = profile(system, abs(found.mode))
    t = keys["hopping_meV"]
    observables = {
        "critical_temperature_K": Observable(temperature_in_kelvin(found.temperature, t), "K", "Tc; 0: no transition"),
        "critical_temperature_resolved": Observable(found.temperature > 0, "1", "1 if there is a transition"),
        "error_K": Observable(temperature_in_kelvin(found.error, t), "K", "its error"),
        "profile_x_nm": Observable(x, "nm", "position of each plane of sites along the layers"),
        "profile_mode": Observable(mode, "1", "mean |Delta| of the transition in each plane, largest site 1"),
        "profile_spread": Observable(spread, "1", "its standard deviation over the sites of the plane"),
    }
    return observables, {"critical_temperature": dict(found.evidence)}


def steps(parameters: Parameters) -> tuple[System, list[Step]]:
    """Return the system of a point and what is computed of it."""
    keys = parameters["system"]
    system = slabs(keys, 0.05 * keys["attraction_meV"] / keys["hopping_meV"])
    arguments = {
        "temperature": 0.05 * float(system.attraction.max()),
        "tol": AMPLITUDE_SHARE * parameters["compute"]["tolerance"],
        "sites": np.flatnonzero(system.attraction > 0),
    }
    note = f"{APPLICATIONS} applications of the kernel assumed"
    return system, [Step("pair_amplitude", arguments, APPLICATIONS, note)]


def summarise(results: JobResults) -> str:
    """Return one line a point."""
    lines = [f"{results.name}: critical temperature of slabs, {len(results)} points", "  N (sites)  seed     Tc (K)"]
    for points in _groups(results).values():
        for point in points:
            keys = point.parameters["system"]
            value, error = float(point["critical_temperature_K"]), float(point["error_K"])
            words = f"{value:9.4f} +- {error:.1g}" if value else "no transition: normal at all temperatures"
            lines.append(f"  {keys['normal_sites']:9d}  {keys['seed']:4d}  {words}")
    return "\n".join(lines)


def plot(results: JobResults, folder: Path, output: Mapping[str, Any]) -> list[Path]:
    """Draw Tc against the thickness of N, and the mode along the layers."""
    with paper_style():
        figure = new_figure(7.2, 3.3)
        left, right = figure.subplots(1, 2)
        for number, (title, points) in enumerate(_groups(results).items()):
            colour = COLOURS[number % len(COLOURS)]
            members = grouped(points, lambda point: point.parameters["system"]["normal_sites"])
            spacing = points[0].parameters["system"]["spacing_nm"]
            found = {sites * spacing: _transitions(group) for sites, group in members.items()}
            thick = [x for x, values in found.items() if values.size]
            means = [found[x].mean() for x in thick]
            scatter = [found[x].std(ddof=1) if found[x].size > 1 else 0.0 for x in thick]
            left.errorbar(thick, means, scatter, fmt="o-", ms=4, mfc="none", lw=1, color=colour, label=title or None)
            mark_normal(left, [x for x, values in found.items() if values.size < len(members[round(x / spacing)])])
            for point, alpha in zip(points, np.linspace(0.3, 1, len(points)), strict=True):
                right.plot(point["profile_x_nm"], point["profile_mode"], "-", lw=1, color=colour, alpha=alpha)
        left.set_xlabel("thickness of N (nm)")
        left.set_ylabel("$T_c$ (K)")
        left.set_ylim(bottom=0)
        right.set_xlabel("x (nm)")
        right.set_ylabel(r"$|\Delta|$ at $T_c$ (largest site 1)")
        right.set_ylim(bottom=0)
        if len(_groups(results)) > 1:
            figure.legend(frameon=False, loc="outside lower center", ncols=2)
        return save_figure(figure, folder, "critical_temperature", output)


def _transitions(points: Sequence[PointResult]) -> np.ndarray:
    """Return Tc of the points that have one."""
    values = np.array([float(point["critical_temperature_K"]) for point in points])
    return values[values > 0]


def _groups(results: JobResults) -> dict[str, list[PointResult]]:
    """Return points by their [system] apart from seed and thickness of N, by thickness."""
    thickness = lambda point: (point.parameters["system"]["normal_sites"], seed_of(point))  # noqa: E731
    return by_system(results, thickness, apart_from="normal_sites")


KIND = Kind(
    name="critical_temperature",
    doc="critical temperature of superconducting slabs with a normal layer, from the linearised gap equation",
    schema={"system": SLAB_KEYS, "compute": COMPUTE_KEYS, "output": OUTPUT_KEYS},
    compute=compute,
    summarise=summarise,
    plot=plot,
    check=check,
    steps=steps,
    smaller=smaller_slabs,
)
