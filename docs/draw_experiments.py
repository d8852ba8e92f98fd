"""Draw the figures of docs/experiments.md: python docs/draw_experiments.py (about three minutes).

T_c2 against the carriers of the host, lambda(T) of the locked composite, R(T) of short junctions and BdG couplings.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
from matplotlib.figure import Figure

from bdg.granular import (
    CompositeNetworks,
    CouplingTable,
    activated_resistance,
    locking_temperature,
    penetration_depth_um,
)
from bdg.granular.dynamics.second_step import HostBonds
from bdg.plots.figure import BLACK, COLOURS
from bdg.validation.experiments.row10_two_steps import BROAD_MOTION, MOTION, RESISTIVITY_OHM_M, narrow, narrow_at

FOLDER = Path(__file__).parent / "figures"
FRACTIONS, DENSITIES = (0.06, 0.08, 0.16), (5e24, 2.5e25, 1e26)
REDRAWINGS = 3  # of table and packings, for the bands
FRACTIONS_OF_TC = (0.1, 0.3, 0.5, 0.7, 0.85, 0.95)


def composite(table: CouplingTable, fraction: float, density: float, seed: int, samples: int) -> CompositeNetworks:
    """Return networks of 150 grains."""
    return CompositeNetworks.of_grains(
        table,
        volume_fraction=fraction,
        diameter_nm=20.0,
        grains=150,
        samples=samples,
        cutoff_nm=40.0,
        seed=seed,
        density_m3=density,
        extrapolate=True,
    )


def locked(networks: CompositeNetworks, tol: float) -> float:
    """Return T_c2 in kelvin."""
    return locking_temperature(networks.at, tol=tol, between=(0.05, 36.8), seed=0).temperature


def draw_locking(table: CouplingTable) -> Figure:
    """T_c2 against n, with the scatter of redrawn tables and packings as bands."""
    figure = Figure(figsize=(4.6, 3.4), layout="constrained")
    axes = figure.subplots()
    for number, fraction in enumerate(FRACTIONS):
        means, errors = [], []
        for density in DENSITIES:
            drawn = [locked(composite(table, fraction, density, 0, 4), 0.02)]
            drawn += [
                locked(composite(table.resampled(seed), fraction, density, 100 * seed, 2), 0.05)
                for seed in range(1, REDRAWINGS + 1)
            ]
            means.append(drawn[0])
            errors.append(float(np.std(drawn, ddof=1)))
            print(f"phi {fraction:g} n {density:g}: {means[-1]:.2f} +- {errors[-1]:.2f} K", flush=True)
        axes.errorbar(
            DENSITIES, means, errors, fmt="o-", ms=4, capsize=3, color=COLOURS[number], label=f"$\\phi$ = {fraction:g}"
        )
    axes.axhline(19, color=BLACK, lw=0.8, ls=":")
    axes.text(5.2e24, 19.3, "measured: 19 K", fontsize=8)
    axes.set_xscale("log")
    axes.set_ylim(0, 22)
    axes.set_xlabel("carriers of the host $n$ (m$^{-3}$)")
    axes.set_ylabel("$T_{c2}$ (K)")
    axes.legend(frameon=False, loc="lower right")
    return figure


def draw_depth(table: CouplingTable) -> Figure:
    """Penetration depth against temperature, with and without thermal fluctuations of the phases."""
    figure = Figure(figsize=(4.6, 3.4), layout="constrained")
    axes = figure.subplots()
    for number, (fraction, density) in enumerate([(0.06, 5e24), (0.06, 1e26), (0.16, 1e26)]):
        networks = composite(table, fraction, density, 0, 4)
        temperatures = locked(networks, 0.02) * np.array(FRACTIONS_OF_TC)
        rows = np.array([networks.stiffness(float(t), samples=300) for t in temperatures])
        spacing = networks.spacing_nm
        length = np.array([penetration_depth_um(value, spacing) for value in rows[:, 0]])
        rest = [penetration_depth_um(value, spacing) for value in rows[:, 2]]
        label = f"$\\phi$ = {fraction:g}, $n$ = {density:.1g}"
        errors = length * rows[:, 1] / (2 * rows[:, 0])
        axes.errorbar(temperatures, length, errors, fmt="o-", ms=3, capsize=2, color=COLOURS[number], label=label)
        axes.plot(temperatures, rest, ls=":", color=COLOURS[number])
        print(label, np.round(temperatures, 2), np.round(length, 2), flush=True)
    axes.set_yscale("log")
    axes.set_xlabel("temperature (K)")
    axes.set_ylabel(r"$\lambda$ ($\mu$m)")
    axes.legend(frameon=False, fontsize=8, title="dotted: phases at rest", title_fontsize=8)
    return figure


def draw_resistance(table: CouplingTable) -> Figure:
    """R(T) of short junctions and of BdG couplings: single bonds above the locking, and all phases in motion."""
    figure = Figure(figsize=(7.2, 3.3), layout="constrained")
    axes = figure.subplots(1, 2, sharey=True)
    host, conductances = narrow()
    samples = composite(table, 0.06, 5e24, 0, 1)
    bonds = HostBonds.of(samples.packings[0], RESISTIVITY_OHM_M, samples.at(4.0)[0])
    panels = (
        ("short junctions of .03 ohm cm", lambda t: narrow_at(host, conductances, t), conductances, MOTION, 19.0),
        ("BdG couplings", lambda t: bonds.coupled(samples.at(t)[0].couplings), bonds.conductances, BROAD_MOTION, None),
    )
    for ax, (title, at, normal, motion, paper) in zip(axes, panels, strict=True):
        lock = locking_temperature(at, tol=0.02, between=(0.5, 36.0)).temperature
        temperatures = np.linspace(0.6 * lock, min(36.5, motion[0][-1] * 1.05), 115)
        ratio = activated_resistance(at, temperatures, conductances=normal, locking_temperature=lock)
        ax.plot(temperatures, ratio, color=COLOURS[0], label="single bonds, 0 where phases lock")
        ax.errorbar(*motion, fmt="o-", lw=0.8, ms=4, capsize=2, color=COLOURS[1], label="all phases in motion")
        ax.axvline(lock, color=BLACK, lw=0.8, ls=":", label="phases lock")
        if paper:
            ax.axvline(paper, color=BLACK, lw=0.8, ls="--", label="paper: R = 0 below, a sharp step")
        ax.set_title(title, fontsize=9)
        ax.set_xlabel("temperature (K)")
        ax.set_ylim(-0.06, 1.06)
        print(title, f"{lock:.2f} K", flush=True)
    axes[0].set_ylabel("$R/R_N$")
    axes[1].legend(*axes[0].get_legend_handles_labels(), frameon=False, fontsize=7, loc="lower right")
    return figure


def main() -> None:
    """Write the figures."""
    table = CouplingTable.load()
    for name, figure in (
        ("composite_resistance", draw_resistance(table)),
        ("composite_locking", draw_locking(table)),
        ("composite_depth", draw_depth(table)),
    ):
        figure.savefig(FOLDER / f"{name}.svg")


if __name__ == "__main__":
    main()
