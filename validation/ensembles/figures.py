"""Figures of the closed-loop ensemble out of its table.

    python -m bdg.validation.ensembles.figures docs/figures

draws them as they stand in the documents.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from bdg.jobs.model.figures import new_figure, paper_style
from bdg.plots.figure import BLACK
from bdg.plots.means import draw_means, temperature_axis
from bdg.validation.ensembles import loops
from bdg.validation.ensembles.tables import Row, mean, read_table, selected

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

COMMAND = "python -m bdg.validation.ensembles.figures docs/figures"
CLEAN_NM = 1e6  # mean free path that stands for no disorder
DIAMETER_NM, GAP_NM = 12.0, 3.0  # of the ensemble


def stiffness_figure(rows: Sequence[Row]) -> Figure:
    """Return R and 1 - R against temperature for all disorders, means with standard errors."""
    rows = selected(rows, diameter_nm=DIAMETER_NM, minimum_gap_nm=GAP_NM)
    figure = new_figure(9.0, 3.9)
    ratio, missing = figure.subplots(1, 2)
    ratio.axhline(1, color=BLACK, lw=0.8, ls=":")
    _against_temperature(ratio, rows, "R", named=True)
    _against_temperature(missing, rows, "R", lambda value: 1 - value)
    ratio.set_ylabel("stiffness ratio $R$: all grains on / pairs")
    missing.set_ylabel("$1-R$")
    missing.set_yscale("log")
    return _finished(figure, (ratio, missing))


def forces_figure(rows: Sequence[Row]) -> Figure:
    """Return what no pairwise model explains: of the forces, of the response, of the three and four nearest grains."""
    rows = selected(rows, diameter_nm=DIAMETER_NM, minimum_gap_nm=GAP_NM)
    figure = new_figure(13.0, 3.9)
    words = {
        "B": "irreducible part $B$ of the forces",
        "nonlocal": r"nonlocal part of $dI_i/d\varphi_j$",
        "C3": "three nearest grains: loops / pairs",
        "C4": "four nearest grains: loops / pairs",
    }
    grid = figure.subplots(1, len(words))
    for axes, (name, label) in zip(grid, words.items(), strict=True):
        _against_temperature(axes, rows, name, named=name == "B")
        axes.set_ylabel(label)
        axes.set_yscale("log")
    return _finished(figure, grid)


def gap_figure(rows: Sequence[Row], mean_free_path_nm: float = 13.0) -> Figure:
    """Return 1 - R against the least gap between grains, one series a temperature."""
    rows = selected(rows, diameter_nm=DIAMETER_NM, mean_free_path_nm=mean_free_path_nm)
    apart = {row["temperature_K"] for row in rows if row["minimum_gap_nm"] != GAP_NM}
    figure = new_figure(4.6, 3.9)
    axes = figure.subplots()
    for number, temperature in enumerate(sorted(apart)):
        points = selected(rows, temperature_K=temperature)
        gaps = sorted({row["minimum_gap_nm"] for row in points})
        values = [mean(selected(points, minimum_gap_nm=gap), "R") for gap in gaps]
        draw_means(axes, gaps, [1 - v for v, _ in values], [e for _, e in values], number, f"{temperature:g} K")
    axes.set_xlabel("least gap between surfaces (nm)")
    axes.set_ylabel("$1-R$")
    axes.set_yscale("log")
    axes.legend(frameon=False)
    return figure


FIGURES: dict[str, Callable[[Sequence[Row]], Figure]] = {
    "loops_stiffness": stiffness_figure,
    "loops_forces": forces_figure,
    "loops_gap": gap_figure,
}


def _against_temperature(
    axes: Axes,
    rows: Sequence[Row],
    name: str,
    change: Callable[[float], float] = lambda value: value,
    named: bool = False,
) -> None:
    for number, path in enumerate(sorted({row["mean_free_path_nm"] for row in rows}, reverse=True)):
        points = selected(rows, mean_free_path_nm=path)
        found = {
            at: mean(selected(points, temperature_K=at), name) for at in sorted({r["temperature_K"] for r in points})
        }
        known = {at: (value, error) for at, (value, error) in found.items() if value == value}
        label = ("clean" if path == CLEAN_NM else f"$l$ = {path:g} nm") if named else ""
        if known:
            values, errors = zip(*known.values(), strict=True)
            draw_means(axes, list(known), [change(value) for value in values], errors, number, label)


def _finished(figure: Figure, grid: Sequence[Axes]) -> Figure:
    for axes in grid:
        temperature_axis(axes)
    figure.legend(frameon=False, loc="outside lower center", ncols=4)
    return figure


def main(arguments: Sequence[str] | None = None) -> None:
    """Draw all figures into a folder, as SVG."""
    parser = argparse.ArgumentParser(description="draw the figures of the closed-loop ensemble")
    parser.add_argument("folder", type=Path)
    parser.add_argument("--format", default="svg", choices=("svg", "png", "pdf"))
    chosen = parser.parse_args(arguments)
    chosen.folder.mkdir(parents=True, exist_ok=True)
    rows = read_table(loops.DATA)
    import matplotlib

    with paper_style(), matplotlib.rc_context({"svg.hashsalt": "bdg"}):  # equal data, equal bytes
        for name, draw in FIGURES.items():
            path = chosen.folder / f"{name}.{chosen.format}"
            draw(rows).savefig(path, dpi=120, metadata={"Date": None} if chosen.format == "svg" else None)
            print(path)


if __name__ == "__main__":
    main()
