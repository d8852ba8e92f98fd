r"""Images of a scanning SQUID: vortices in a locked composite against field and temperature.

The vortices of the net field B (applied plus residual) stand at ``B S/Phi_0`` places, repelled by each other or random.
Each has the field of `bdg.electrodynamics.VortexField`, read by the loop of `bdg.instruments.ScanningSquid`; lambda(T)
is that of `bdg.granular.thermal_penetration_depth`. At the locking temperature and above there are neither vortices nor
screening: the image is the net field. Errors are standard errors over arrangements.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from bdg.electrodynamics.vortex_field import VortexField
from bdg.granular.couplings.thermal_depth import thermal_penetration_depth
from bdg.instruments.scanning_squid import ScanningSquid
from bdg.instruments.vortex_positions import vortex_count
from bdg.jobs.kinds.figures.squid import INSIDE, applied_of, plot
from bdg.jobs.kinds.shared.groups import groups_of, seed_of, temperature_of
from bdg.jobs.model.figures import OUTPUT_KEYS
from bdg.jobs.model.kind import Kind, Observable, Outcome
from bdg.jobs.model.results import JobResults, PointResult
from bdg.jobs.model.schema import Key
from bdg.jobs.model.sweep import Parameters

MOST_VORTICES = 1000  # in the square of twice the window: their motion takes minutes
MOST_PIXELS = 512  # along an edge
PLACEMENTS = {"repelled": 0.0, "random": math.inf}  # depth of the pins
INSTRUMENT = ("loop_radius_um", "height_um", "tilt_degrees", "noise_uT")
_LENGTHS = {"least": 0.01, "most": 10_000.0}  # um

SYSTEM_KEYS = (
    Key("penetration_depth_um", "float", "lambda at T = 0", **_LENGTHS),  # type: ignore[arg-type]
    Key("thickness_um", "float", "of the film; left out: a half space", default=None, **_LENGTHS),  # type: ignore[arg-type]
    Key("locking_temperature_K", "float", "T_c2, from which on there is no screening", default=19.0, least=1e-3),
    Key("critical_temperature_K", "float", "T_c of the grains, above T_c2", default=37.0, above=0),
    Key("delta_meV", "float", "gap of the grains at T = 0; with T_c it sets lambda(T)", default=2.7, least=1e-3),
    Key("residual_field_uT", "float", "field that is there without an applied one", default=0.0, least=-1e4, most=1e4),
    Key("placement", "str", "of the vortices", default="repelled", choices=tuple(PLACEMENTS)),
    Key("seed", "int", "of positions and noise", default=0, least=0),
)
COMPUTE_KEYS = (
    Key("temperature_K", "float", "temperature of the image", least=1e-3),
    Key("applied_field_uT", "float", "applied field, across the film", least=-1e4, most=1e4),
    Key("window_um", "float", "edge of the image", default=120.0, **_LENGTHS),  # type: ignore[arg-type]
    Key("pixel_um", "float", "width of a pixel", default=2.0, **_LENGTHS),  # type: ignore[arg-type]
    Key("samples", "int", "arrangements of the vortices", default=8, least=2, most=200),
    Key("loop_radius_um", "float", "of the pick-up loop; 0 reads a point", default=5.0, least=0, most=1000),
    Key("height_um", "float", "of the loop above the surface", default=5.0, least=0.05, most=1000),
    Key("tilt_degrees", "float", "of the loop towards +x", default=0.0, least=-90, most=90),
    Key("noise_uT", "float", "standard deviation of a pixel", default=0.0, least=0, most=1e6),
)


def check(parameters: Parameters) -> Sequence[tuple[str, str, str]]:
    """Return the rules between keys that are broken."""
    system, compute = parameters["system"], parameters["compute"]
    window, radius, found = compute["window_um"], compute["loop_radius_um"], []
    locking, critical = system["locking_temperature_K"], system["critical_temperature_K"]
    if not locking < critical:
        rule = f"must be below critical_temperature_K = {critical:g}, T_c of the grains; got {locking:g}"
        found.append(("system", "locking_temperature_K", rule))
    if window < 2 * radius:
        rule = f"must be at least the diameter of the loop, {2 * radius:g} um; got {window:g}"
        found.append(("compute", "window_um", rule))
    pixels = round(window / compute["pixel_um"])
    if not 2 <= pixels <= MOST_PIXELS:
        rule = f"must give 2 to {MOST_PIXELS} pixels along window_um = {window:g}; got {compute['pixel_um']:g}"
        found.append(("compute", "pixel_um", f"{rule}, {pixels} pixels"))
    if radius * math.sin(math.radians(abs(compute["tilt_degrees"]))) >= compute["height_um"]:
        rule = f"must leave the loop of {radius:g} um above the surface, height_um = {compute['height_um']:g}"
        found.append(("compute", "tilt_degrees", f"{rule}; got {compute['tilt_degrees']:g}"))
    placed = vortex_count(_net_field(parameters), 2 * window)
    if placed > MOST_VORTICES and compute["temperature_K"] < locking:
        rule = f"must give at most {MOST_VORTICES} vortices in twice the window, {2 * window:g} um; got {placed:.0f}"
        found.append(("compute", "applied_field_uT", f"{rule}: a smaller window or field will do"))
    return found


def compute(parameters: Parameters, device: str) -> Outcome:
    """Return images, counts, mean, contrast and peak of one field at one temperature."""
    del device  # hundreds of vortices: nothing for a GPU to win
    system, wanted = parameters["system"], parameters["compute"]
    net = _net_field(parameters)
    depth = thermal_penetration_depth(
        system["penetration_depth_um"],
        wanted["temperature_K"],
        system["locking_temperature_K"],
        gap_meV=system["delta_meV"],
        critical_temperature_K=system["critical_temperature_K"],
    )
    squid = ScanningSquid(
        **{name: wanted[name] for name in ("loop_radius_um", "height_um", "tilt_degrees", "noise_uT")}
    )
    observables = {
        "net_field_uT": Observable(net, "uT", "applied and residual field"),
        "penetration_depth_um": Observable(depth, "um", "lambda at the temperature"),
    }
    if math.isinf(depth) or net == 0:
        imaged, evidence = _uniform(squid, net, parameters)
        expected = 0.0
    else:
        field = VortexField(
            height_um=wanted["height_um"],
            penetration_depth_um=depth,
            thickness_um=system["thickness_um"] or math.inf,
        )
        imaged, evidence = _vortices(squid, net, field, parameters)
        observables |= _spot(field, wanted["loop_radius_um"])
        expected = vortex_count(net, wanted["window_um"])
    observables["expected_vortices"] = Observable(expected, "1", "B S/Phi_0 in the window")
    return observables | imaged, evidence


def _net_field(parameters: Parameters) -> float:
    return parameters["system"]["residual_field_uT"] + parameters["compute"]["applied_field_uT"]


def _uniform(squid: ScanningSquid, net: float, parameters: Parameters) -> Outcome:
    """Return images without vortices."""
    wanted, samples = parameters["compute"], parameters["compute"]["samples"]
    field = VortexField(height_um=wanted["height_um"], pearl_length_um=1.0)  # of no vortex
    image = replace(squid, noise_uT=0.0).image([], field, wanted["window_um"], wanted["pixel_um"], net)
    noise = np.random.default_rng([parameters["system"]["seed"], 1])
    images = image.values + squid.noise_uT * noise.standard_normal((samples, *image.values.shape))
    return _measured(images, image.x_um, np.zeros((samples, 0, 2)), wanted["window_um"]), {}


def _vortices(squid: ScanningSquid, net: float, field: VortexField, parameters: Parameters) -> Outcome:
    """Return images of arrangements; in a negative field vortices and images have the other sign."""
    system, wanted = parameters["system"], parameters["compute"]
    survey = squid.survey(
        abs(net),
        field,
        wanted["window_um"],
        wanted["pixel_um"],
        samples=wanted["samples"],
        pinning=PLACEMENTS[system["placement"]],
        seed=system["seed"],
    )
    images = math.copysign(1.0, net) * survey.images
    return _measured(images, survey.x_um, survey.positions_um, wanted["window_um"]), {"survey": dict(survey.evidence)}


def _measured(images: np.ndarray, x: np.ndarray, positions: np.ndarray, window: float) -> dict[str, Observable]:
    """Return what is read off images (S, n, n)."""
    means, deviations = images.mean(axis=(1, 2)), images.std(axis=(1, 2))
    peaks = np.where(means < 0, images.min(axis=(1, 2)), images.max(axis=(1, 2)))
    counts = (abs(positions) <= window / 2).all(axis=2).sum(axis=1)
    found = {
        "images_uT": Observable(images, "uT", "flux density, rows along y (S, n, n)"),
        "x_um": Observable(x, "um", "centres of the pixels from the middle of the window (n,)"),
        "positions_um": Observable(positions, "um", "of the vortices, in a square of twice the window (S, V, 2)"),
        "counts": Observable(counts, "1", "vortices in the window (S,)"),
    }
    for name, values, unit, what in (
        ("vortices", counts, "1", "vortices in the window, mean over arrangements"),
        ("mean_uT", means, "uT", "mean flux density of an image"),
        ("deviation_uT", deviations, "uT", "standard deviation of an image"),
        ("contrast", deviations / np.where(means == 0, np.nan, abs(means)), "1", "standard deviation over mean"),
        ("peak_uT", peaks, "uT", "largest flux density of an image, in the direction of the field"),
    ):
        found[name] = Observable(values.mean(), unit, what)
        stem = name.removesuffix("_uT")
        error = values.std(ddof=1) / math.sqrt(len(values))
        found[f"{stem}_error{'_uT' if name != stem else ''}"] = Observable(error, unit, "its standard error")
    return found


def _spot(field: VortexField, radius: float) -> dict[str, Observable]:
    """Return height and width of the spot of one vortex."""
    reach = 5 * (field.height_um + radius + float(field.penetration_depth_um or 0))
    r = np.linspace(0, reach, 200)
    profile = np.asarray(field.through_loop(radius, r))
    width = 2 * float(np.interp(-profile[0] / 2, -profile, r))
    return {
        "spot_peak_uT": Observable(float(profile[0]), "uT", "peak of one vortex in an upright loop"),
        "spot_width_um": Observable(width, "um", "its full width at half maximum"),
    }


def summarise(results: JobResults) -> str:
    """Return counts, mean, contrast and peak of each field and temperature."""
    lines = [f"{results.name}: images of a scanning SQUID, {len(results)} points"]
    for title, points in groups_of(results, INSIDE).items():
        lines += [f"{title}:"] if title else []
        lines += [
            "  T (K)  applied (uT)  net (uT)  seed  lambda (um)  vortices (B S/Phi0)     mean (uT)      contrast"
            "       peak (uT)"
        ]
        lines += [_line(p) for p in sorted(points, key=lambda p: (temperature_of(p), -applied_of(p), seed_of(p)))]
    return "\n".join(lines)


def _line(point: PointResult) -> str:
    depth = float(point["penetration_depth_um"])
    words = f"{depth:11.2f}" if math.isfinite(depth) else "          -"
    found = f"{float(point['vortices']):6.1f} +- {float(point['vortices_error']):4.1f} "
    found += f"({float(point['expected_vortices']):5.1f})"
    return (
        f"  {temperature_of(point):5g}  {applied_of(point):12g}  {float(point['net_field_uT']):8.3g}  "
        f"{seed_of(point):4d}  {words}  {found:<21}  {_with_error(point, 'mean_uT', 'mean_error_uT')}  "
        f"{_with_error(point, 'contrast', 'contrast_error')}  {_with_error(point, 'peak_uT', 'peak_error_uT')}"
    )


def _with_error(point: PointResult, name: str, error: str) -> str:
    return f"{float(point[name]):6.3f} +- {float(point[error]):.3f}"


KIND = Kind(
    name="squid",
    doc="images of a scanning SQUID above a locked composite: vortices against field and temperature",
    schema={"system": SYSTEM_KEYS, "compute": COMPUTE_KEYS, "output": OUTPUT_KEYS},
    compute=compute,
    summarise=summarise,
    plot=plot,
    check=check,
)
