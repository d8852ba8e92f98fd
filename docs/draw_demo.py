"""Draw the figures of the README and of "What the SQUID saw" in docs/experiments.md from what `make demo` computed.

    make demo && python docs/draw_demo.py

Another folder than runs/out may be given. The posterior of the penetration depth is that of a panel of the demo.
"""

from __future__ import annotations

import dataclasses
import shutil
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

from matplotlib.figure import Figure

import bdg
from bdg.instruments import fit_penetration_depth
from bdg.jobs.kinds import get_kind
from bdg.jobs.kinds.figures.squid import typical
from bdg.jobs.model.results import JobResults, PointResult

FIGURES = Path(__file__).parent / "figures"
COMPUTED = Path(__file__).parents[1] / "runs" / "out"
DOTS = 90  # per inch
HEIGHTS_UM = (5.0, (4.5, 5.5), (3.0, 7.0))  # of the loop: known, and two ranges
APPLIED_UT, COLD_K = -2.5, 4.0
OUTSIDE_UM = 10.0  # vortices as far as this beyond the window are given to the fit


def chosen(folder: Path, job: str, keep: Callable[[PointResult], bool]) -> JobResults:
    """Return those results of a job that are kept."""
    results = bdg.load(folder / job / "results.h5")
    return dataclasses.replace(results, points=tuple(point for point in results if keep(point)))


def draw_job(results: JobResults, names: dict[str, str]) -> None:
    """Draw the figures of a job and put those that are named into docs/figures, under new names."""
    with tempfile.TemporaryDirectory() as place:
        get_kind(results.kind).plot(results, Path(place), {"pdf": False, "dpi": DOTS})
        for name, new in names.items():
            shutil.copyfile(Path(place) / f"{name}.png", FIGURES / f"{new}.png")


def draw_depths(point: PointResult) -> Figure:
    """Return what a panel says of lambda for a height that is known, roughly known, and hardly known."""
    figure = Figure(figsize=(9.6, 3.2), layout="constrained")
    place, compute = typical(point), point.parameters["compute"]
    vortices = point["positions_um"][place]
    near = vortices[(abs(vortices) <= compute["window_um"] / 2 + OUTSIDE_UM).all(axis=1)]
    for axes, height in zip(figure.subplots(1, len(HEIGHTS_UM)), HEIGHTS_UM, strict=True):
        found = fit_penetration_depth(
            point["images_uT"][place],
            near,
            height_um=height,
            loop_radius_um=compute["loop_radius_um"],
            pixel_um=compute["window_um"] / len(point["x_um"]),
            noise_uT=compute["noise_uT"],
            patch_um=15.0,
            background="quadratic",
        )
        found.plot(axes)
        axes.axvline(true_depth(point), color="0.5", lw=0.8)
        words = f"{height:g}" if isinstance(height, float) else "{:g} to {:g}".format(*height)
        axes.set_title(f"height {words} $\\mu$m", fontsize=10)
        print(f"height {words} um: {found.statement}; misfit {found.misfit:.2f}, true {true_depth(point):.2f} um")
    return figure


def true_depth(point: PointResult) -> float:
    """Return the penetration depth that the images of a point were made with, in um."""
    return float(point["penetration_depth_um"])


def main(folder: Path) -> None:
    """Write the figures."""
    composite = chosen(folder, "composite", lambda point: point.parameters["system"]["seed"] == 0)
    draw_job(composite, {"pair_amplitude_map": "demo_pair_amplitude"})
    squid = chosen(folder, "squid", lambda point: True)
    draw_job(squid, {name: name for name in ("squid_panels", "squid_warming", "squid_curves")})
    (dilute,) = (
        point
        for point in squid
        if point.parameters["compute"]["temperature_K"] == COLD_K
        and point.parameters["compute"]["applied_field_uT"] == APPLIED_UT
    )
    draw_depths(dilute).savefig(FIGURES / "squid_depth.svg")


if __name__ == "__main__":
    main(Path(sys.argv[1]) if len(sys.argv) > 1 else COMPUTED)
