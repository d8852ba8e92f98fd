"""Figures of currents: maps over the structure, and current against phase. matplotlib loads on first use."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from bdg.currents.phase_curves import BRANCHES, series
from bdg.plots.figure import BLACK, BLUE, ORANGE, RED, SKY, axes_for

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from bdg.currents.bond_currents import BondCurrents
    from bdg.currents.current_phase import CurrentPhase
    from bdg.currents.superfluid_stiffness import SuperfluidStiffness

UNIT = r"($e\,\cdot$ hopping$/\hbar$)"
POSITION = "(unit of the positions)"
ARROWS = 600  # at most: more are averaged over square cells
FAINT = 0.02  # of the longest: shorter arrows are left out


def plot_bond_currents(result: BondCurrents, ax: Any = None) -> Figure:
    """Return a Figure of the current field: a curve in 1-D, arrows on |J| in 2-D, the middle plane in 3-D."""
    figure, axes = axes_for(ax)
    positions, field = result.positions, result.field
    if positions.shape[1] == 1:
        middle = positions[result.bonds].mean(axis=1)[:, 0]
        along = np.sign(positions[result.bonds[:, 1], 0] - positions[result.bonds[:, 0], 0])
        order = np.argsort(middle)
        axes.plot(middle[order], (result.currents * along)[order], "o-", ms=3, color=BLUE)
        axes.axhline(0, color=BLACK, lw=0.6)
        axes.set_xlabel(f"position $x$ {POSITION}")
        axes.set_ylabel(f"current $J$ {UNIT}")
        return figure
    shown = np.ones(len(positions), dtype=bool)
    if positions.shape[1] == 3:
        height = _middle_plane(positions[:, 2])
        shown = abs(positions[:, 2] - height) < 1e-6 * max(1.0, abs(height))
        axes.set_title(f"$z$ = {height:.4g}", fontsize=10)
    place, flow = positions[shown, :2], field[shown, :2]
    size = np.linalg.norm(flow, axis=1)
    area = np.clip(4e4 / len(place), 2, 200)
    colours = axes.scatter(place[:, 0], place[:, 1], c=size, cmap="cividis", marker="s", s=area)
    inside = place[result.grain[shown] >= 0]
    if len(inside) and len(inside) < len(place):
        axes.plot(*inside.T, ".", ms=2, color=ORANGE, label="superconductor")
        figure.legend(loc="outside upper right", frameon=False)
    place, flow = _thinned(place, flow)
    long = np.linalg.norm(flow, axis=1)
    kept = long > FAINT * long.max(initial=0.0)
    if kept.any():
        axes.quiver(
            *place[kept].T, *flow[kept].T, color="white", ec=BLACK, lw=0.3, pivot="middle", angles="xy", width=0.004
        )
    axes.set_aspect("equal")
    axes.set_xlabel(f"$x$ {POSITION}")
    axes.set_ylabel(f"$y$ {POSITION}")
    figure.colorbar(colours, ax=axes, shrink=0.8, label=r"$|J|$ a site ($e\,\cdot$ hopping $\cdot$ length$/\hbar$)")
    return figure


def plot_current_phase(result: CurrentPhase, ax: Any = None) -> Figure:
    """Return a Figure of I(phi): samples, the series of the harmonics, the largest current."""
    figure, axes = axes_for(ax)
    phases = result.phases / np.pi
    low, high = phases.min(), phases.max()
    fine = np.linspace(low, high, 401)
    orders = result.harmonics.shape[1] - 1
    if result.evidence["branch_spread"] > BRANCHES * abs(result.current).max():
        order = np.argsort(phases)
        axes.plot(phases[order], result.current[order], color=SKY, label="depends on how the phase is reached")
    elif high > low and orders:
        axes.plot(fine, series(result.harmonics, np.pi * fine), color=SKY, label=f"{orders} harmonics")
    axes.plot(phases, result.current, "o", ms=4, mfc="white", color=BLUE, label="computed")
    axes.axhline(0, color=BLACK, lw=0.6)
    place = result.critical_phase / np.pi
    place += 2 * np.round((0.5 * (low + high) - place) / 2)
    if low <= place <= high:
        forward, backward = np.nan_to_num(result.critical_currents)
        top = result.critical_current if forward >= backward else -result.critical_current
        axes.plot(place, top, "*", ms=9, color=RED, label=f"$I_c$ = {result.critical_current:.4g}")
    axes.set_xlabel(r"phase difference $\varphi/\pi$")
    axes.set_ylabel(f"current $I$ {UNIT}")
    axes.legend(frameon=False)
    return figure


def plot_stiffness(result: SuperfluidStiffness, ax: Any = None) -> Figure:
    """Return a Figure of bars: diamagnetic part, paramagnetic part, stiffness, for each axis of the twist."""
    figure, axes = axes_for(ax)
    parts = {
        "diamagnetic": (result.diamagnetic, SKY),
        "paramagnetic": (result.paramagnetic, ORANGE),
        "stiffness": (result.stiffness, BLUE),
    }
    names = list("xyz"[: len(result.stiffness)]) if result.direction == "all" else [result.direction]
    place = np.arange(len(names))
    for number, (name, (value, colour)) in enumerate(parts.items()):
        heights = np.diagonal(value) if result.direction == "all" else [value]
        axes.bar(place + 0.27 * (number - 1), heights, 0.25, color=colour, label=name)
    axes.axhline(0, color=BLACK, lw=0.6)
    axes.set_xticks(place, [f"${name}{name}$" for name in names])
    axes.set_ylabel(r"per site (hopping $\cdot$ length$^2$)")
    axes.set_ylim(top=1.3 * axes.get_ylim()[1])
    axes.legend(frameon=False, ncols=3, loc="upper center")
    return figure


def _middle_plane(heights: np.ndarray) -> float:
    planes, counts = np.unique(np.round(heights, 9), return_counts=True)
    middle = 0.5 * (planes[0] + planes[-1])
    return float(planes[np.lexsort((abs(planes - middle), -counts))[0]])


def _thinned(place: np.ndarray, flow: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return at most about ARROWS arrows: means over square cells."""
    if len(place) <= ARROWS:
        return place, flow
    extent = np.ptp(place, axis=0)
    cell = float(np.sqrt(extent.prod() / ARROWS))
    index = np.floor((place - place.min(axis=0)) / cell).astype(np.int64)
    _, group = np.unique(index, axis=0, return_inverse=True)
    count = np.bincount(group)
    mean = lambda values: np.stack([np.bincount(group, column) / count for column in values.T], axis=1)  # noqa: E731
    return mean(place), mean(flow)
