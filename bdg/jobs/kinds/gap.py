r"""The self-consistent gap of superconducting slabs against temperature, with or without a phase difference.

``Delta_i = U F_i`` on every site of the superconductors; the normal layer has F but no Delta. With two electrodes
``phase_pi`` holds the phase of the outermost layers of sites.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from bdg.condensate.gap.solve_gap import solve_gap
from bdg.condensate.pair_amplitude import pair_amplitude
from bdg.jobs.kinds.shared.groups import by_system, temperature_of
from bdg.jobs.kinds.shared.keys import TEMPERATURE, phase_key
from bdg.jobs.kinds.shared.limits import TIGHTEST, amplitude_rules, band_edge, temperature_rules
from bdg.jobs.kinds.shared.pairing_keys import GAP_ITERATIONS
from bdg.jobs.kinds.shared.panels import beside_temperature, mark_normal
from bdg.jobs.kinds.shared.slabs import SLAB_KEYS, profile, slab_rules, slab_sites, slabs, smaller_slabs
from bdg.jobs.model.figures import OUTPUT_KEYS, save_each
from bdg.jobs.model.kind import Kind, Observable, Outcome, Step
from bdg.jobs.model.results import JobResults, PointResult
from bdg.jobs.model.schema import Key
from bdg.jobs.model.sweep import Parameters
from bdg.lattices.system import System
from bdg.lattices.units import temperature_in_t
from bdg.thermal.free_energy import free_energy

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

COMPUTE_KEYS = (
    TEMPERATURE,
    phase_key("phase difference between the outer ends, in units of pi", default=0.0),
    Key("tolerance", "float", "of Delta, relative to max|Delta|", default=1e-6, least=TIGHTEST, most=0.01),
    Key("max_iterations", "int", "evaluations before a point fails", default=100, least=1, effort="default"),
)
GUESS = 0.2  # Delta of the start in units of the attraction


def check(parameters: Parameters) -> Sequence[tuple[str, str, str]]:
    """Return the rules between keys that are broken."""
    found = slab_rules(parameters)
    if parameters["compute"]["phase_pi"] and parameters["system"]["electrodes"] == 1:
        found.append(("compute", "phase_pi", "needs electrodes = 2: one electrode has no phase difference"))
    return found or _temperature_rules(parameters["system"], parameters["compute"])


def _temperature_rules(keys: Mapping[str, Any], wanted: Mapping[str, Any]) -> list[tuple[str, str, str]]:
    t, kelvin = keys["hopping_meV"], wanted["temperature_K"]
    band = band_edge(keys["dimensions"], *(keys[name] / t for name in ("mu_meV", "disorder_meV", "attraction_meV")))
    found = temperature_rules(kelvin, t, band)
    return found or amplitude_rules(kelvin, t, band, wanted["tolerance"], 2 * slab_sites(keys))


def compute(parameters: Parameters, device: str) -> Outcome:
    """Return the gap and what follows from it at one temperature and phase."""
    keys, wanted = parameters["system"], parameters["compute"]
    t = keys["hopping_meV"]
    temperature = temperature_in_t(wanted["temperature_K"], t)
    phase = math.pi * wanted["phase_pi"]
    start = slabs(keys, GUESS * keys["attraction_meV"] / t, phase)
    x = start.positions[:, 0]
    pinned = {"phase": np.flatnonzero((x == x.min()) | (x == x.max()))} if phase else None
    found = solve_gap(
        start,
        temperature,
        tol=wanted["tolerance"],
        pinned=pinned,
        max_iterations=wanted["max_iterations"],
        device=device,
    )
    amplitude = pair_amplitude(found.system, temperature, tol=wanted["tolerance"], device=device)
    energy = free_energy(found.system, temperature, device=device)
    x, gap, spread = profile(found.system, abs(found.delta))
    observables = {
        "delta_meV": Observable(found.delta * t, "meV", "Delta on all sites (N,)"),
        "positions_nm": Observable(found.system.positions, "nm", "all sites (N, dim)"),
        "profile_x_nm": Observable(x, "nm", "position of each plane of sites along the layers"),
        "profile_delta_meV": Observable(gap * t, "meV", "mean |Delta| in each plane"),
        "profile_spread_meV": Observable(spread * t, "meV", "its standard deviation over the sites of the plane"),
        "profile_amplitude": Observable(profile(found.system, abs(amplitude.values))[1], "1", "mean |F| in each plane"),
        "largest_delta_meV": Observable(abs(found.delta).max() * t, "meV", "largest |Delta|"),
        "normal": Observable(found.normal, "1", "1 if Delta = 0 is the solution: the normal state"),
        "error_meV": Observable(found.error * t, "meV", "estimated error of Delta"),
        "iterations": Observable(found.iterations, "1", "evaluations of the gap equation"),
        "free_energy_meV": Observable(found.free_energy * t, "meV", "free energy, condensation included"),
        "entropy_kB": Observable(energy.entropy, "k_B", "entropy"),
    }
    return observables, {"solve_gap": dict(found.evidence), "pair_amplitude": dict(amplitude.evidence)}


def steps(parameters: Parameters) -> tuple[System, list[Step]]:
    """Return the system of a point and what is computed of it."""
    keys, wanted = parameters["system"], parameters["compute"]
    t = keys["hopping_meV"]
    at = {"temperature": temperature_in_t(wanted["temperature_K"], t)}
    system = slabs(keys, GUESS * keys["attraction_meV"] / t, math.pi * wanted["phase_pi"])
    return system, [
        Step("solve_gap", {**at, "tol": wanted["tolerance"], "iterations": GAP_ITERATIONS}),
        Step("pair_amplitude", {**at, "tol": wanted["tolerance"]}),
        Step("free_energy", at, 2, "the last one belongs to solve_gap"),
    ]


def summarise(results: JobResults) -> str:
    """Return one line a point."""
    lines = [f"{results.name}: self-consistent gap of slabs, {len(results)} points"]
    for title, points in _groups(results).items():
        lines += [f"{title}:"] if title else []
        lines.append("  T (K)  phase/pi  seed  max|Delta| (meV)  error (meV)  iterations")
        for point in points:
            keys = point.parameters
            size = "normal" if _is_normal(point) else f"{float(point['largest_delta_meV']):.5f}"
            lines.append(
                f"  {keys['compute']['temperature_K']:5g}  {keys['compute']['phase_pi']:8g}  "
                f"{keys['system']['seed']:4d}  {size:>16}  "
                f"{float(point['error_meV']):11.1e}  {int(point['iterations']):10d}"
            )
    return "\n".join(lines)


def plot(results: JobResults, folder: Path, output: Mapping[str, Any]) -> list[Path]:
    """Draw |Delta| along the layers at each temperature, and its maximum against temperature."""
    return save_each(_groups(results), folder, output, lambda points: {"gap": _profiles(points)})


def _profiles(points: Sequence[PointResult]) -> Figure:
    figure, left, right = beside_temperature(points, 3.4, _profile, "largest_delta_meV")
    left.set_xlabel("x (nm)")
    left.set_ylabel(r"$|\Delta|$ (meV)")
    left.set_ylim(bottom=0)
    right.set_ylabel(r"max $|\Delta|$ (meV)")
    mark_normal(right, [temperature_of(point) for point in points if _is_normal(point)])
    return figure


def _is_normal(point: PointResult) -> bool:
    """Return whether Delta = 0 is the solution; older folders tell it by Delta alone."""
    return not float(point["largest_delta_meV"])


def _profile(axes: Axes, point: PointResult, colour: Any, label: str) -> None:
    x, gap, spread = (point[f"profile_{name}"] for name in ("x_nm", "delta_meV", "spread_meV"))
    axes.plot(x, gap, "-", lw=1.2, color=colour, label=label)
    axes.fill_between(x, gap - spread, gap + spread, color=colour, alpha=0.2, lw=0)


def _groups(results: JobResults) -> dict[str, list[PointResult]]:
    """Return points by their [system] apart from the seed, by temperature and phase."""
    return by_system(results, lambda point: (temperature_of(point), point.parameters["compute"]["phase_pi"]))


KIND = Kind(
    name="gap",
    doc="self-consistent gap of superconducting slabs with a normal layer, against temperature and phase",
    schema={"system": SLAB_KEYS, "compute": COMPUTE_KEYS, "output": OUTPUT_KEYS},
    compute=compute,
    summarise=summarise,
    plot=plot,
    check=check,
    steps=steps,
    smaller=smaller_slabs,
    cures={"pinned": "take more superconductor_sites, or a smaller phase_pi"},
)
