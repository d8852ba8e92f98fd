"""Figures of sphere jobs: chi' and chi'' of bare and coated spheres, dU/dI at each bias, and the degraded sample."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from bdg.jobs.model.figures import COLOURS, new_figure, paper_style, save_figure
from bdg.jobs.model.results import JobResults, PointResult
from bdg.plots.figure import BLACK

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

LOSS_K, ONSET_K, STEP_K = 37.0, 50.0, 53.0  # measured: chi'' of bare spheres, chi and dU/dI of oxidised ones


def plot(results: JobResults, folder: Path, output: Mapping[str, Any]) -> list[Path]:
    """Draw both figures of each point; of several, its number goes into the names."""
    paths = []
    with paper_style():
        for number, point in enumerate(results, 1):
            suffix = f"_{number}" if len(results) > 1 else ""
            for name, figure in (("susceptibility", susceptibility(point)), ("differential_resistance", slopes(point))):
                if suffix:
                    figure.suptitle(point.label, fontsize=10)
                paths += save_figure(figure, folder, name + suffix, output)
    return paths


def susceptibility(point: PointResult) -> Figure:
    """Return chi' and chi'' of bare, coated and degraded spheres against temperature, bands for the range of rho(T)."""
    figure = new_figure(7.6, 3.9)
    both = figure.subplots(1, 2)
    at, keys = point["temperatures_K"], point.parameters["compute"]
    for part, (axes, name) in enumerate(zip(both, ("real", "imaginary"), strict=True)):
        lines = [("bare", BLACK, point[f"bare_{name}"], point["bare_error"][part])]
        for number, field in enumerate(keys["field_Oe"]):
            label = f"oxidised, {field:g} Oe ({keys['field_is']})"
            lines.append((label, COLOURS[number], point[name][number], point["error"][number, part]))
        for label, colour, value, band in lines:
            axes.fill_between(at, value - band, value + band, color=colour, alpha=0.15, lw=0)
            axes.plot(at, value, color=colour, label=label)
        axes.plot(at, point[f"degraded_{name}"], "--", color=COLOURS[-1], label="degraded: links carry nothing")
        axes.set_xlabel("temperature (K)")
    both[0].set_ylabel("$4\\pi\\chi'$")
    both[1].set_ylabel("$4\\pi\\chi''$")
    marks(both[0], ((ONSET_K, "50 K"),))
    marks(both[1], ((LOSS_K, "37 K"), (ONSET_K, "50 K")))
    handles, labels = both[0].get_legend_handles_labels()
    note = "bands: range of $\\rho(T)$ of Mg, which is not verified; dotted lines: measured"
    figure.legend(handles, labels, frameon=False, loc="outside lower center", ncols=3, title=note, title_fontsize=8)
    return figure


def slopes(point: PointResult) -> Figure:
    """Return dU/dI against temperature at each bias, that of the degraded sample dashed."""
    figure = new_figure(5.6, 4.0)
    draw_slopes(figure.subplots(), point)
    return figure


def draw_slopes(axes: Axes, point: PointResult) -> None:
    """Draw dU/dI into axes."""
    at, share = point["temperatures_K"], point.parameters["system"]["series_share"]
    for number, bias in enumerate(point.parameters["compute"]["bias_mA"]):
        colour, value = COLOURS[number], point["total_slopes"][number]
        band = point["slope_error"][number] / (1 + share)
        axes.fill_between(at, value - band, value + band, color=colour, alpha=0.25, lw=0)
        axes.plot(at, value, color=colour, label=f"{bias:g} mA")
    axes.plot(at, point["degraded_slopes"], "--", color=BLACK, label="degraded, any")
    marks(axes, ((STEP_K, "53 K"),))
    axes.set_ylim(bottom=0)
    axes.set_xlabel("temperature (K)")
    axes.set_ylabel("$dU/dI$ over that at $T_c$")
    note = "direct current ($\\rho$ of Mg in series not verified)"
    axes.legend(frameon=False, fontsize=8, title=note, title_fontsize=7)


def marks(axes: Axes, temperatures: tuple[tuple[float, str], ...]) -> None:
    """Draw what was measured as dotted lines with their temperatures."""
    for temperature, word in temperatures:
        axes.axvline(temperature, color=BLACK, lw=0.8, ls=":")
        place: dict[str, Any] = {"xycoords": ("data", "axes fraction"), "ha": "center", "va": "bottom", "fontsize": 8}
        axes.annotate(word, (temperature, 1.0), **place)
