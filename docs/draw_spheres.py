"""Draw the figures of docs/experiments.md on magnesium spheres: python docs/draw_spheres.py (half a minute).

chi of bare, oxidised and degraded spheres, and dU/dI at four currents: what `bdg run runs/mg_sphere.toml` computes.
"""

from __future__ import annotations

from pathlib import Path

from matplotlib.figure import Figure

from bdg.jobs.job import load_job
from bdg.jobs.kinds.figures.sphere import draw_slopes, susceptibility
from bdg.jobs.kinds.sphere import compute, summarise
from bdg.jobs.model.figures import paper_style
from bdg.jobs.model.results import JobResults, PointResult

FOLDER = Path(__file__).parent / "figures"
JOB = Path(__file__).parents[1] / "runs" / "mg_sphere.toml"


def points() -> list[PointResult]:
    """Return the points of the example."""
    found = []
    for point in load_job(JOB, []).points:
        observables, evidence = compute(point.parameters, "cpu")
        values = {name: item.value for name, item in observables.items()}
        found.append(PointResult(point.digest, point.label, point.parameters, values, {}, {}, evidence))
    return found


def both_slopes(narrow: PointResult, broad: PointResult) -> Figure:
    """Return dU/dI of links whose critical currents scatter little and much."""
    figure = Figure(figsize=(8.6, 3.7), layout="constrained")
    for axes, point in zip(figure.subplots(1, 2, sharey=True), (narrow, broad), strict=True):
        draw_slopes(axes, point)
        axes.label_outer()
        spread = point.parameters["system"]["critical_spread"]
        axes.set_title(f"scatter of $\\ln I_c$: {spread:g}", fontsize=10, pad=16)
    return figure


def main() -> None:
    """Write the figures, and print what they show."""
    narrow, broad = found = points()
    print(summarise(JobResults("sphere", "mg_sphere", "", tuple(found))))
    with paper_style():
        susceptibility(narrow).savefig(FOLDER / "spheres_susceptibility.svg")
        both_slopes(narrow, broad).savefig(FOLDER / "spheres_resistance.svg")


if __name__ == "__main__":
    main()
