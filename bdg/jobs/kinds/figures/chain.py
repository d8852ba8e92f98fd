"""Figures of chain jobs: T_c2 of both routes, lambda(T), R(T), and which unknown matters."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from bdg.jobs.model.figures import COLOURS, MARKERS, new_figure, paper_style, save_figure
from bdg.jobs.model.results import JobResults, PointResult

if TYPE_CHECKING:
    from matplotlib.figure import Figure

NAMES = ("volume fraction", "carriers $n$", "transparency", "mean free path", "gap $\\Delta$")


def plot(results: JobResults, folder: Path, output: Mapping[str, Any]) -> list[Path]:
    """Draw what there is of the points."""
    points = list(results)
    if not points:
        return []
    with paper_style():
        paths = save_figure(_lengths(points), folder, "penetration_depth", output)
        resistive = [point for point in points if "critical_drop" in point.observables]
        if resistive:
            paths += save_figure(_resistance(resistive), folder, "resistance", output)
        scanned = [point for point in points if "scan_locking_K" in point.observables]
        if scanned:
            paths += save_figure(_unknowns(scanned[0]), folder, "unknowns", output)
    return paths


def _lengths(points: Sequence[PointResult]) -> Figure:
    figure = new_figure(7.2, 3.4)
    left, right = figure.subplots(1, 2)
    for number, point in enumerate(points):
        colour, marker = COLOURS[number % 6], MARKERS[number % 6]
        title = f"$\\phi$ = {float(point['volume_fraction']):.3f}"
        at, length = point["lambda_temperatures_K"], point["lambda_um"]
        bars = {"fmt": marker + "-", "ms": 4, "lw": 1, "capsize": 2, "mfc": "white", "color": colour}
        left.errorbar(at, length, yerr=point["lambda_error_um"], label=title, **bars)
        left.plot(at, point["lambda_relaxed_um"], ls=":", lw=1, color=colour)
        fraction = float(point["volume_fraction"])
        redrawn = point["redrawn_K"]
        error = redrawn.std(ddof=1) if redrawn.size > 1 else float(point["locking_error_K"])
        right.errorbar([fraction], [float(point["locking_K"])], yerr=[error], **bars)
        right.plot([fraction], [float(point["short_junctions_K"])], marker="x", ls="", color=colour)
    left.set_xlabel("temperature (K)")
    left.set_ylabel(r"penetration depth $\lambda$ ($\mu$m)")
    left.legend(frameon=False, title="dotted: phases at rest")
    right.set_xlabel(r"volume fraction $\phi$ of the grains")
    right.set_ylabel("$T_{c2}$ (K)")
    right.set_ylim(bottom=0)
    right.set_title("crosses: from the resistivity (AB)", fontsize=9)
    return figure


def _resistance(points: Sequence[PointResult]) -> Figure:
    """R(T) over that above T_c of the grains: both routes side by side, with the most that T_c itself can take."""
    figure = new_figure(7.2, 3.3)
    axes = figure.subplots(1, 2, sharey=True)
    for ax, (route, title) in zip(axes, (("bdg", "BdG couplings"), ("ab", "short junctions (AB)")), strict=True):
        for number, point in enumerate(points):
            if f"{route}_resistance" not in point.observables:
                continue
            colour, below = COLOURS[number % 6], 1 - float(point["critical_drop"])
            at, ratio, bars = (point[f"{route}_resistance{part}"] for part in ("_temperatures_K", "", "_error"))
            style = {"fmt": MARKERS[number % 6] + "-", "ms": 3.5, "lw": 1, "capsize": 2, "color": colour}
            label = f"$\\phi$ = {float(point['volume_fraction']):.3f}"
            ax.errorbar(at, below * ratio, below * bars, label=label, mfc="white", **style)
            critical = float(point["critical_K"])
            ax.plot([at[-1], critical, critical, 1.15 * critical], [below, below, 1, 1], lw=1, ls=":", color=colour)
            locked = float(point["locking_K" if route == "bdg" else "ab_locking_K"])
            ax.axvline(locked, lw=0.8, ls="--", color=colour)
        ax.set_xlabel("temperature (K)")
        ax.set_title(title, fontsize=9)
        ax.set_xlim(left=0)
    axes[0].set_ylabel("$R/R$(above $T_c$ of the grains)")
    axes[0].legend(
        frameon=False, fontsize=8, title="dashed: phases lock;\ndotted: largest step at $T_c$", title_fontsize=7
    )
    return figure


def _unknowns(point: PointResult) -> Figure:
    figure = new_figure(9.0, 3.2)
    values, unknowns = point["scan_locking_K"], point["scan_points"]
    axes = figure.subplots(1, len(NAMES) + 1, width_ratios=[1.0] * len(NAMES) + [1.5])
    for number, (name, ax) in enumerate(zip(NAMES, axes, strict=False)):
        ax.plot(unknowns[:, number], values, "o", ms=2.5, color=COLOURS[number % 6])
        ax.set_xlabel(name)
        if unknowns[:, number].max() > 8 * unknowns[:, number].min():
            ax.set_xscale("log")
        if number:
            ax.set_yticklabels([])
    axes[0].set_ylabel("$T_{c2}$ (K)")
    order = np.argsort(point["scan_sensitivity"])
    axes[-1].barh([NAMES[k] for k in order], point["scan_sensitivity"][order], color=COLOURS[0], height=0.6)
    axes[-1].yaxis.tick_right()
    axes[-1].set_xlabel("share of the variance")
    return figure
