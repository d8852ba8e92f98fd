"""A magnesium sphere with an oxidised surface: chi(T) of the bare and of the coated sphere, and dU/dI(T), at once.

One critical current I_c(T) of the links (`bdg.instruments.LinkedShell`) is behind both: it limits the screening
currents of the susceptometer and the current between contacts, and nothing is fitted to either. The degraded sample is
the same with links that carry nothing. The error of chi is the range of rho(T) of magnesium, which is
not verified; that of dU/dI is numerical.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from bdg.instruments.ac_susceptometer import AcSusceptibility, AcSusceptometer
from bdg.instruments.linked_shell import WIDEST, LinkedShell, LinkLattice, LinkVoltage
from bdg.instruments.lock_in import AMPLITUDES, LockIn
from bdg.instruments.samples import CoatedSphere
from bdg.jobs.kinds.figures.sphere import plot
from bdg.jobs.model.figures import OUTPUT_KEYS
from bdg.jobs.model.kind import Kind, Observable, Outcome
from bdg.jobs.model.results import JobResults, PointResult
from bdg.jobs.model.schema import Key
from bdg.jobs.model.sweep import Parameters
from bdg.lattices.materials.resistivity import UNIT, Resistivity, resistivity

OERSTED = 1e3 / (4 * math.pi)  # A/m
ROOM_K = 293.0  # of the ratio of resistivities
MOST_VALUES = 6  # amplitudes and bias currents
FELT = 0.02  # of chi': less is no onset
ONSET = 0.99  # of the normal resistance
REDRAWINGS = 8  # of the voltages within their errors
_PLACES = tuple(range(1, MOST_VALUES + 1))

SYSTEM_KEYS = (
    Key("radius_mm", "float", "of the sphere", default=1.5, above=0, most=1e3),
    Key("residual_uohm_cm", "float", "residual resistivity; or residual_ratio; neither: .18", default=None, least=0),
    Key("residual_ratio", "float", "rho(293 K) over the residual resistivity", default=None, above=1),
    Key("shell_critical_K", "float", "T_c of the links of the shell", default=53.0, above=0, most=300),
    Key("shell_width_K", "float", "standard deviation of T_c over the links", default=0.0, least=0),
    Key("critical_current_A", "float", "I_c of the shell at T = 0", default=1.2, least=0),
    Key("critical_power", "float", "p of I_c = I_0 (1 - T/T_c)^p", default=1.5, above=0, most=10),
    Key("sheet_conductance_S", "float", "of normal bridges in series with links; 0: no shell", default=1e5, least=0),
    Key("normal_sheet_ohm", "float", "of links above their critical current, per square", default=2e-3, above=0),
    Key("network_rows", "int", "of the lattice of links between contacts", default=3, least=1, most=12),
    Key("network_columns", "int", "of the lattice of links between contacts", default=2, least=1, most=12),
    Key("critical_spread", "float", "standard deviation of ln I_c in it", default=0.25, least=0, most=2),
    Key("series_share", "float", "normal metal in series, over the links, at T_c", default=0.5, least=0, most=1e3),
    Key("seed", "int", "of the lattice", default=0, least=0),
)
COMPUTE_KEYS = (
    Key("temperature_range_K", "vector", "from and to", default=[4.5, 60.0], lengths=(2,), above=0, most=300),
    Key("temperature_points", "int", "temperatures in the range", default=112, least=3, most=2000),
    Key("frequency_Hz", "float", "of the susceptometer", default=1550.0, above=0),
    Key("field_Oe", "vector", "amplitudes of its field", default=[0.2], lengths=_PLACES, above=0),
    Key("field_is", "str", "what field_Oe is", choices=AMPLITUDES),
    Key("bias_mA", "vector", "direct currents of dU/dI", default=[0.0, 200.0, 300.0, 400.0], lengths=_PLACES, least=0),
    Key("drive_mA", "float", "amplitude of the lock-in", default=24.0, above=0),
    Key("drive_is", "str", "what drive_mA is", choices=AMPLITUDES),
    Key("voltage_tolerance", "float", "of the voltages of the lattice, relative", default=3e-3, least=1e-4, most=0.1),
)


def magnesium(system: Mapping[str, Any]) -> Resistivity:
    """Return rho(T) of the core."""
    if system["residual_ratio"] is not None:
        ideal = resistivity("Mg", residual_ohm_m=0.0)(ROOM_K)
        return resistivity("Mg", residual_ohm_m=ideal / (system["residual_ratio"] - 1))
    given = system["residual_uohm_cm"]
    return resistivity("Mg", residual_ohm_m=None if given is None else UNIT * given)


def shell_of(system: Mapping[str, Any]) -> LinkedShell:
    """Return the links of the surface."""
    conductance = system["sheet_conductance_S"]
    return LinkedShell(
        critical_temperature_K=system["shell_critical_K"],
        critical_current_A=system["critical_current_A"],
        width_K=system["shell_width_K"],
        power=system["critical_power"],
        bridge_ohm=1 / conductance if conductance else math.inf,
        normal_ohm=system["normal_sheet_ohm"],
    )


def check(parameters: Parameters) -> Sequence[tuple[str, str, str]]:
    """Return the rules between keys that are broken."""
    system, wanted = parameters["system"], parameters["compute"]
    found = []
    if system["residual_uohm_cm"] is not None and system["residual_ratio"] is not None:
        found.append(("system", "residual_ratio", "give either residual_uohm_cm or residual_ratio, not both"))
    if system["residual_uohm_cm"] == 0:
        found.append(("system", "residual_uohm_cm", "must be > 0, as a perfect metal has no skin depth; got 0"))
    if system["shell_width_K"] > WIDEST * system["shell_critical_K"]:
        rule = f"must be at most {WIDEST:g} of shell_critical_K = {system['shell_critical_K']:g}"
        found.append(("system", "shell_width_K", f"{rule}; got {system['shell_width_K']:g}"))
    low, high = wanted["temperature_range_K"]
    if not low < high:
        found.append(("compute", "temperature_range_K", f"must be [from, to] with from < to; got {[low, high]}"))
    for name in ("field_Oe", "bias_mA"):
        if len(set(wanted[name])) < len(wanted[name]):
            found.append(("compute", name, f"must differ from each other; got {wanted[name]}"))
    return found


def compute(parameters: Parameters, device: str) -> Outcome:
    """Return chi(T) for each field, bare and coated, and dU/dI(T) for each bias, from one I_c(T)."""
    del device  # some thousand closed forms and a dozen junctions: nothing for a GPU to win
    system, wanted = parameters["system"], parameters["compute"]
    low, high = wanted["temperature_range_K"]
    temperatures = np.linspace(low, high, wanted["temperature_points"])
    core, shell = magnesium(system), shell_of(system)
    curves, errors = _susceptibilities(parameters, core, shell, temperatures)
    lattice = LinkLattice(
        system["network_rows"], system["network_columns"], spread=system["critical_spread"], seed=system["seed"]
    )
    curve = lattice.voltage(tol=wanted["voltage_tolerance"])
    slopes, slope_error = _slopes(curve, shell, wanted, temperatures)
    series = system["series_share"] * np.asarray(core(temperatures)) / core(system["shell_critical_K"])
    total = (slopes + series[:, None]) / (1 + system["series_share"])
    degraded = _degraded(parameters, core, shell, temperatures)
    bare, coated = curves[0], curves[1:]
    peaks = [_or_nan(curve.loss_peak()) for curve in curves]
    biases = range(len(wanted["bias_mA"]))
    observables = {
        "temperatures_K": Observable(temperatures, "K", "temperatures (T,)"),
        "field_A_m": Observable([each.peak_field_A_m for each in coated], "A/m", "peak of each field (F,)"),
        "residual_uohm_cm": Observable(core(0.0) / UNIT, "uohm cm", "residual resistivity of the core"),
        "bare_real": Observable(bare.real, "1", "4 pi chi' of the sphere without a shell (T,)"),
        "bare_imaginary": Observable(bare.imaginary, "1", "4 pi chi'' of it (T,)"),
        "bare_error": Observable(errors[0], "1", "half of what the range of rho(T) does to chi' and chi'' (2, T)"),
        "real": Observable([each.real for each in coated], "1", "4 pi chi' of the coated sphere (F, T)"),
        "imaginary": Observable([each.imaginary for each in coated], "1", "4 pi chi'' of it (F, T)"),
        "error": Observable(errors[1:], "1", "half of what the range of rho(T) does to both (F, 2, T)"),
        "loss_peaks_K": Observable([t for t, _ in peaks], "K", "largest loss: bare, each field (F + 1,); NaN: none"),
        "loss_peak_heights": Observable([height for _, height in peaks], "1", "4 pi chi'' there (F + 1,)"),
        "onset_K": Observable([_onset(each, bare) for each in coated], "K", "below it chi' feels the shell (F,)"),
        "degraded_real": Observable(degraded.real, "1", "4 pi chi' where the links carry nothing (T,)"),
        "degraded_imaginary": Observable(degraded.imaginary, "1", "4 pi chi'' of it (T,)"),
        "degraded_slopes": Observable(
            (1 + series) / (1 + system["series_share"]), "1", "dU/dI of it with the metal in series (T,)"
        ),
        "critical_current_A": Observable(shell.critical_current(temperatures), "A", "I_c(T) of the shell (T,)"),
        "slopes": Observable(slopes.T, "1", "dU/dI of the links over their normal resistance (B, T)"),
        "slope_error": Observable(slope_error.T, "1", "its numerical error (B, T)"),
        "total_slopes": Observable(total.T, "1", "dU/dI with the metal in series, over that at T_c (B, T)"),
        "steps_K": Observable([_crossing(temperatures, slopes[:, b], 0.5) for b in biases], "K", "half a step (B,)"),
        "step_onset_K": Observable(
            [_crossing(temperatures, slopes[:, b], ONSET) for b in biases], "K", "where dU/dI begins to fall (B,)"
        ),
    }
    evidence = {
        "susceptibility": dict(bare.evidence),
        "lattice": dict(curve.evidence),
        "resistivity": {"law": core.law, "source": core.source, "not_verified": list(core.unverified)},
    }
    return observables, evidence


def _susceptibilities(
    parameters: Parameters, core: Resistivity, shell: LinkedShell, temperatures: np.ndarray
) -> tuple[list[AcSusceptibility], np.ndarray]:
    """Return chi of the bare sphere and in each field, and half of what the range of rho does (F + 1, 2, T)."""
    system, wanted = parameters["system"], parameters["compute"]
    radius = 1e-3 * system["radius_mm"]
    instruments = [
        AcSusceptometer(wanted["frequency_Hz"], field * OERSTED, amplitude_is=wanted["field_is"])
        for field in wanted["field_Oe"]
    ]
    residual = core(0.0)

    def swept(factor: float) -> list[AcSusceptibility]:
        def rho(temperature: float) -> float:
            return float(residual + factor * (core(temperature) - residual))

        bare = instruments[0].sweep(CoatedSphere(radius, rho), temperatures)
        return [bare, *(instrument.sweep(shell.on(radius, rho), temperatures) for instrument in instruments)]

    low, middle, high = (swept(factor) for factor in (core.factors[0], 1.0, core.factors[1]))
    both = [[abs(a.real - b.real) / 2, abs(a.imaginary - b.imaginary) / 2] for a, b in zip(low, high, strict=True)]
    return middle, np.array(both)


def _degraded(
    parameters: Parameters, core: Resistivity, shell: LinkedShell, temperatures: np.ndarray
) -> AcSusceptibility:
    """Return chi of the sphere whose links carry nothing; it does not depend on the field."""
    wanted = parameters["compute"]
    instrument = AcSusceptometer(
        wanted["frequency_Hz"], wanted["field_Oe"][0] * OERSTED, amplitude_is=wanted["field_is"]
    )
    lost = dataclasses.replace(shell, critical_current_A=0.0)
    return instrument.sweep(lost.on(1e-3 * parameters["system"]["radius_mm"], core), temperatures)


def _slopes(
    curve: LinkVoltage, shell: LinkedShell, wanted: Mapping[str, Any], temperatures: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Return dU/dI over the normal resistance (T, B), and how much it scatters when voltages move in their errors."""
    lock_in = LockIn(1e-3 * wanted["drive_mA"], amplitude_is=wanted["drive_is"])
    biases = 1e-3 * np.array(wanted["bias_mA"])
    carried = np.atleast_1d(shell.critical_current(temperatures)).tolist()

    def of(voltage: LinkVoltage) -> np.ndarray:
        return np.array([lock_in.differential_resistance(voltage.at(c), biases, tol=1e-3) for c in carried])

    found = of(curve)
    again = np.array([of(curve.redrawn(seed)) for seed in range(REDRAWINGS)])
    return found, np.sqrt(((again - found) ** 2).mean(axis=0))


def _or_nan(peak: tuple[float, float] | None) -> tuple[float, float]:
    return peak or (math.nan, math.nan)


def _onset(coated: AcSusceptibility, bare: AcSusceptibility) -> float:
    """Return the temperature below which chi' differs from that of the bare sphere, NaN if nowhere."""
    felt = abs(coated.real - bare.real) > FELT
    return float(coated.temperatures_K[felt].max()) if felt.any() else math.nan


def _crossing(temperatures: np.ndarray, values: np.ndarray, level: float) -> float:
    """Return the highest temperature at which values pass a level on cooling, NaN if they do not."""
    below = np.flatnonzero(values < level)
    if not below.size or below[-1] == temperatures.size - 1:
        return math.nan
    k = int(below[-1])
    return float(np.interp(level, values[k : k + 2], temperatures[k : k + 2]))


def summarise(results: JobResults) -> str:
    """Return maxima, onsets and steps of each sphere, side by side, and what of them was not verified."""
    lines = [f"{results.name}: chi and dU/dI of coated magnesium spheres, {len(results)} points"]
    for point in results:
        lines += [f"{point.label}:", *_lines(point)]
    missing = resistivity("Mg").unverified
    if missing and len(results):
        lines.append(f"NOT VERIFIED: rho(T) of Mg, on which chi depends ({', '.join(missing)})")
    return "\n".join(lines)


def _lines(point: PointResult) -> list[str]:
    wanted = point.parameters["compute"]
    fields, biases = wanted["field_Oe"], wanted["bias_mA"]
    peaks, heights = point["loss_peaks_K"], point["loss_peak_heights"]
    kind = wanted["field_is"]
    lines = [
        f"  bare, rho_0 = {float(point['residual_uohm_cm']):.3g} uohm cm (rho not verified): 4 pi chi' "
        f"{point['bare_real'][0]:.3f} at {point['temperatures_K'][0]:g} K, {_loss(peaks[0], heights[0])}"
    ]
    for k, field in enumerate(fields):
        onset = _kelvin(point["onset_K"][k], "the shell is not felt")
        most = point["error"][k].max()
        lines.append(
            f"  oxidised, {field:g} Oe {kind}: 4 pi chi' {point['real'][k, 0]:.3f}, onset {onset}, "
            f"{_loss(peaks[k + 1], heights[k + 1])} (rho not verified: +- {most:.3f} at most)"
        )
    lost = abs(point["degraded_real"] - point["bare_real"]).max()
    lines.append(
        f"  degraded, links carry nothing: 4 pi chi' that of the bare sphere to {lost:.2g}, dU/dI without a step"
    )
    for k, bias in enumerate(biases):
        at = _kelvin(point["steps_K"][k], "none in the range")
        begins = _kelvin(point["step_onset_K"][k], "nowhere")
        smallest = point["total_slopes"][k].min()
        lines.append(
            f"  dU/dI at {bias:g} mA: begins to fall at {begins}, half a step at {at}; smallest value with the series "
            f"metal (rho not verified) {smallest:.3f} of that at T_c"
        )
    return lines


def _loss(temperature: float, height: float) -> str:
    if math.isnan(temperature):
        return "chi'' has no maximum inside of the range"
    return f"largest loss {height:.3f} at {temperature:.1f} K"


def _kelvin(value: float, nothing: str) -> str:
    return nothing if math.isnan(value) else f"{value:.1f} K"


KIND = Kind(
    name="sphere",
    doc="chi(T) and dU/dI(T) of a magnesium sphere with a shell of superconducting links, from one I_c(T)",
    schema={"system": SYSTEM_KEYS, "compute": COMPUTE_KEYS, "output": OUTPUT_KEYS},
    compute=compute,
    summarise=summarise,
    plot=plot,
    check=check,
)
