r"""What a dc magnetometer reads of a plate of the composite: slopes and loops of M(H), cooling with and without field.

Up to T_c2 the plate screens as one superconductor: London's equation with ``lambda(T) = lambda/sqrt(1 - (T/T_c2)^4)``
in small fields, Bean's critical state with ``J_c(T) = J_c (1 - T/T_c2)^p`` in larger ones, demagnetisation included. Up
to T_c1 each grain screens for itself, alike in all directions. Above ``(Phi_0/4 pi mu_0 lambda^2) ln(lambda/a)``, a the
distance of grains, flux enters: H_c1 is a fraction of an oersted, far below the fields of a magnetometer, so that a
measured slope is a matter of J_c, too.

Units are those of the instrument: H in Oe, M in emu/cm^3 (1 Oe = 79.577 A/m, 1 emu/cm^3 = 1000 A/m), slopes as
``4 pi M/H``, which is the susceptibility of SI: -1 for a long rod that screens.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from scipy import constants

from bdg.electrodynamics.conducting_sphere import london_sphere_susceptibility
from bdg.electrodynamics.screening_plate import plate_susceptibility
from bdg.instruments.magnetometer import Magnetometer
from bdg.instruments.samples import DIRECTIONS, SuperconductingPlate
from bdg.jobs.kinds.figures.magnetometer import directions_of, plot
from bdg.jobs.model.figures import OUTPUT_KEYS
from bdg.jobs.model.kind import Kind, Observable, Outcome
from bdg.jobs.model.results import JobResults, PointResult
from bdg.jobs.model.schema import Key
from bdg.jobs.model.sweep import Parameters
from bdg.lattices.units import FLUX_QUANTUM_WB

OERSTED = 1e3 / (4 * math.pi)  # A/m
EMU_CM3 = 1e3  # A/m
MOST_LOOPS = 12

SYSTEM_KEYS = (
    Key("width_mm", "float", "edge of the square plate", above=0),
    Key("thickness_mm", "float", "of the plate", default=0.5, above=0),
    Key("critical_temperature_K", "float", "T_c1 of the grains", default=37.0, above=0),
    Key("locking_temperature_K", "float", "T_c2, below which the plate screens as a whole", default=19.0, above=0),
    Key("penetration_depth_um", "float", "lambda of the locked composite at T = 0", default=4.0, above=0),
    Key("critical_current_density_A_m2", "float", "J_c of the locked composite at T = 0", default=1e8, above=0),
    Key("critical_current_exponent", "float", "p of J_c ~ (1 - T/T_c2)^p", default=1.5, least=0.1, most=10),
    Key("volume_fraction", "float", "of the grains", default=0.08, above=0, most=0.64),
    Key("diameter_nm", "float", "of the grains", default=20.0, above=0),
    Key("grain_penetration_depth_nm", "float", "lambda of the grains at T = 0", default=100.0, above=0),
)
COMPUTE_KEYS = (
    Key("directions", "str", "of the field to the plate", default="both", choices=("both", *DIRECTIONS)),
    Key("lowest_temperature_K", "float", "of slopes and cooling curves", default=2.0, least=0),
    Key("highest_temperature_K", "float", "of slopes and cooling curves", default=40.0, above=0),
    Key("temperature_points", "int", "of slopes and cooling curves, equally spaced", default=77, least=2, most=10_000),
    Key("slope_field_Oe", "float", "first field of a virgin sample, that M is divided by", default=20.0, above=0),
    Key("cooling_field_Oe", "float", "of ZFC and FC", default=1000.0, above=0),
    Key("loop_field_Oe", "float", "largest field of the loops", default=3000.0, above=0),
    Key("loop_points", "int", "from 0 to the largest field", default=101, least=2, most=10_000),
    Key(
        "loop_temperatures_K",
        "vector",
        "of the loops",
        default=[2.0, 5.0, 10.0, 15.0, 20.0, 25.0, 35.0],
        lengths=tuple(range(1, MOST_LOOPS + 1)),
        least=0,
    ),
)


def check(parameters: Parameters) -> Sequence[tuple[str, str, str]]:
    """Return the rules between keys that are broken."""
    system, compute = parameters["system"], parameters["compute"]
    found = []
    if system["thickness_mm"] > system["width_mm"]:
        rule = f"must be at most width_mm = {system['width_mm']:g} (a plate); got {system['thickness_mm']:g}"
        found.append(("system", "thickness_mm", rule))
    if system["locking_temperature_K"] > system["critical_temperature_K"]:
        rule = f"must be at most critical_temperature_K = {system['critical_temperature_K']:g} of the grains that lock"
        found.append(("system", "locking_temperature_K", f"{rule}; got {system['locking_temperature_K']:g}"))
    spacing = spacing_nm(system)
    if system["penetration_depth_um"] * 1e3 <= spacing:
        rule = f"must exceed the distance of the grains, {spacing:.3g} nm, over which the composite is averaged"
        found.append(("system", "penetration_depth_um", f"{rule}; got {system['penetration_depth_um']:g}"))
    if compute["lowest_temperature_K"] >= compute["highest_temperature_K"]:
        rule = f"must be above lowest_temperature_K = {compute['lowest_temperature_K']:g}"
        found.append(("compute", "highest_temperature_K", f"{rule}; got {compute['highest_temperature_K']:g}"))
    return found


def spacing_nm(system: Mapping[str, Any]) -> float:
    """Return the mean distance ``n^(-1/3)`` of the grains in nm."""
    return system["diameter_nm"] * (math.pi / (6 * system["volume_fraction"])) ** (1 / 3)


def two_fluids(depth: float, temperature_K: float, critical_K: float) -> float:
    """Return ``lambda/sqrt(1 - (T/T_c)^4)``, infinity from T_c on."""
    reduced = temperature_K / critical_K
    return depth / math.sqrt(1 - reduced**4) if reduced < 1 else math.inf


def plate_of(system: Mapping[str, Any]) -> SuperconductingPlate:
    """Return the plate in SI."""
    locking = system["locking_temperature_K"]

    def critical_current(temperature: float) -> float:
        left = max(0.0, 1 - temperature / locking)
        return system["critical_current_density_A_m2"] * left ** system["critical_current_exponent"]

    def depth(temperature: float) -> float:
        return two_fluids(system["penetration_depth_um"] * 1e-6, temperature, locking)

    def grains(temperature: float) -> float:
        inside = two_fluids(system["grain_penetration_depth_nm"], temperature, system["critical_temperature_K"])
        return system["volume_fraction"] * float(london_sphere_susceptibility(system["diameter_nm"] / 2, inside))

    return SuperconductingPlate(
        system["width_mm"] * 1e-3,
        system["thickness_mm"] * 1e-3,
        critical_current,
        penetration_depth_m=depth,
        reversible_susceptibility=grains,
    )


def lower_critical_field_Oe(system: Mapping[str, Any]) -> float:  # noqa: N802 - the unit
    """Return ``H_c1 = (Phi_0/4 pi mu_0 lambda^2) ln(lambda/a)`` at T = 0, a the distance of the grains."""
    depth = system["penetration_depth_um"] * 1e-6
    field = FLUX_QUANTUM_WB / (4 * math.pi * constants.mu_0 * depth**2) * math.log(depth / (spacing_nm(system) * 1e-9))
    return field / OERSTED


def loop_fields(largest: float, points: int) -> np.ndarray:
    """Return a virgin branch to the largest field, and a loop: 0, largest, -largest, largest."""
    up = np.linspace(0.0, largest, points)
    down = np.concatenate([up[::-1], -up[1:]])
    return np.concatenate([up, down[1:], down[::-1][1:]])


def compute(parameters: Parameters, device: str) -> Outcome:
    """Return slopes, loops and cooling curves of one plate."""
    del device  # closed forms
    system, wanted = parameters["system"], parameters["compute"]
    plate = plate_of(system)
    temperatures = np.linspace(
        wanted["lowest_temperature_K"], wanted["highest_temperature_K"], wanted["temperature_points"]
    )
    fields = loop_fields(wanted["loop_field_Oe"], wanted["loop_points"])
    observables = {
        "volume_cm3": Observable(1e-3 * system["width_mm"] ** 2 * system["thickness_mm"], "cm^3", "of the plate"),
        "lower_critical_field_Oe": Observable(lower_critical_field_Oe(system), "Oe", "H_c1 at T = 0, of a rod"),
        "temperatures_K": Observable(temperatures, "K", "of slopes and cooling curves (T,)"),
        "loop_temperatures_K": Observable(np.array(wanted["loop_temperatures_K"]), "K", "of the loops (L,)"),
        "loop_fields_Oe": Observable(fields, "Oe", "in the order of time, from the virgin state (H,)"),
    }
    for direction in DIRECTIONS if wanted["directions"] == "both" else (wanted["directions"],):
        read = _read(plate, direction, temperatures, fields, wanted)
        observables |= {f"{direction}_{name}": value for name, value in read.items()}
    return observables, {"model": "London plate, Bean's critical state, London spheres"}


def _read(
    plate: SuperconductingPlate, direction: str, temperatures: np.ndarray, fields: np.ndarray, wanted: Mapping[str, Any]
) -> dict[str, Observable]:
    """Return what is read in one direction of the field."""
    magnetometer = Magnetometer()
    first = wanted["slope_field_Oe"] * OERSTED
    starts = [magnetometer.loop(plate, [first], t, direction) for t in temperatures.tolist()]
    loops = np.array(
        [
            magnetometer.loop(plate, fields * OERSTED, t, direction).magnetisation_A_m / EMU_CM3
            for t in wanted["loop_temperatures_K"]
        ]
    )
    cooled = magnetometer.zfc_fc(plate, wanted["cooling_field_Oe"] * OERSTED, temperatures, direction)
    half, thin = plate.width_m / 2, plate.thickness_m / 2
    full = plate_susceptibility(*((half, half, thin) if direction == DIRECTIONS[0] else (half, thin, half)))
    leg = wanted["loop_points"] - 1
    measured = np.array([start.magnetisation_A_m[0] for start in starts]) / first
    across = f"field {direction} to the plate"
    return {
        "full_screening": Observable(full, "1", f"4 pi M/H where nothing enters, {across}"),
        "small_field_slope": Observable(np.array([s.slope for s in starts]), "1", f"4 pi M/H, H to 0, {across} (T,)"),
        "slope": Observable(measured, "1", f"4 pi M/H at the first field of a virgin sample, {across} (T,)"),
        "loop_emu_cm3": Observable(loops, "emu/cm^3", f"M along the loops, {across} (L, H)"),
        "loop_width_emu_cm3": Observable(
            loops[:, 2 * leg] - loops[:, 4 * leg], "emu/cm^3", f"M falling less M rising at H = 0, {across} (L,)"
        ),
        "zfc_emu_cm3": Observable(cooled.zfc_A_m / EMU_CM3, "emu/cm^3", f"M after cooling without a field, {across}"),
        "fc_emu_cm3": Observable(cooled.fc_A_m / EMU_CM3, "emu/cm^3", f"M after cooling in the field, {across}"),
    }


def summarise(results: JobResults) -> str:
    """Return for each plate what is read at the coldest point and of grains alone, and ratios of both directions."""
    lines = [f"{results.name}: a magnetometer on {len(results)} plates; 4 pi M/H, M in emu/cm^3, H in Oe"]
    for point in results:
        system, wanted = point.parameters["system"], point.parameters["compute"]
        lines += [
            f"{point.label}, plate of {system['width_mm']:g} x {system['width_mm']:g} x {system['thickness_mm']:g} mm, "
            f"H_c1 = {float(point['lower_critical_field_Oe']):.2g} Oe:"
        ]
        temperatures = point["temperatures_K"]
        middle = (system["locking_temperature_K"] + system["critical_temperature_K"]) / 2
        coldest, between = temperatures[0], int(abs(temperatures - middle).argmin())
        rows: list[tuple[str, str, Any]] = [("full screening", "full_screening", ...)]
        what = f"slope at {wanted['slope_field_Oe']:g} Oe"
        rows += [(f"{what}, {coldest:g} K", "slope", 0), (f"{what}, {temperatures[between]:g} K", "slope", between)]
        rows += [
            (f"width of the loop, {t:g} K", "loop_width_emu_cm3", k)
            for k, t in enumerate(point["loop_temperatures_K"])
            if t < system["locking_temperature_K"]
        ]
        rows += [
            (f"{n.upper()} at {wanted['cooling_field_Oe']:g} Oe, {coldest:g} K", f"{n}_emu_cm3", 0) for n in _COOLED
        ]
        lines += [_line(point, *row) for row in rows]
    return "\n".join(lines)


_COOLED = ("zfc", "fc")


def _line(point: PointResult, title: str, name: str, place: Any) -> str:
    values = {d: float(point[f"{d}_{name}"][place]) for d in directions_of(point)}
    both = len(values) > 1 and all(values.values())
    ratio = f"  ratio {values[DIRECTIONS[0]] / values[DIRECTIONS[1]]:.3g}" if both else ""
    return f"  {title:<28}" + "".join(f"  {d} {value:10.4g}" for d, value in values.items()) + ratio


KIND = Kind(
    name="magnetometer",
    doc="what a dc magnetometer reads of a plate of the composite: slopes and loops of M(H), ZFC and FC",
    schema={"system": SYSTEM_KEYS, "compute": COMPUTE_KEYS, "output": OUTPUT_KEYS},
    compute=compute,
    summarise=summarise,
    plot=plot,
    check=check,
)
