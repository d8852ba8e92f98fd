"""Draw what a magnetometer reads, figures of docs/experiments.md: python docs/draw_magnetometer.py (half a minute).

The points of runs/magnetometer.toml: slopes of all plates, loops and cooling curves of the largest.
"""

from __future__ import annotations

from pathlib import Path

from bdg.jobs.job import parse_job
from bdg.jobs.kinds.figures.magnetometer import draw_cooling, draw_loops, draw_slopes
from bdg.jobs.kinds.magnetometer import compute
from bdg.jobs.model.figures import paper_style
from bdg.jobs.model.results import PointResult

FOLDER = Path(__file__).parent / "figures"
JOB = Path(__file__).parents[1] / "runs" / "magnetometer.toml"


def main() -> None:
    """Write the figures."""
    points = []
    for point in parse_job(JOB.read_bytes(), str(JOB), JOB.stem).points:
        observables, evidence = compute(point.parameters, "cpu")
        values = {name: item.value for name, item in observables.items()}
        points.append(PointResult(point.digest, point.label, point.parameters, values, {}, {}, evidence))
    with paper_style():
        for name, figure in (
            ("slopes", draw_slopes(points)),
            ("loops", draw_loops(points[-1])),
            ("cooling", draw_cooling(points[-1])),
        ):
            figure.savefig(FOLDER / f"magnetometer_{name}.svg")


if __name__ == "__main__":
    main()
