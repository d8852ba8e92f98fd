"""Row 24: dU/dI falls at 53 K without bias, and at lower temperatures with 200, 300, 400 mA.

A lattice of junctions whose critical currents scatter and share the I_c(T) of the shell of row 23; a lock-in adds
24 mA. T_c and I_0 are put in; the order of the steps is that of the paper. The temperatures at which it has them exist
as a figure only. Just above I_c the slope exceeds the normal resistance, as it does for any such junctions.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import cache, partial

import numpy as np

from bdg.granular import JunctionArray
from bdg.instruments import LinkLattice, LinkVoltage, LockIn
from bdg.validation.experiments import SPHERES
from bdg.validation.experiments.row21_loss_maximum import noted
from bdg.validation.experiments.row23_oxidised_spheres import (
    BRIDGES_OHM,
    CRITICAL_K,
    bare,
    critical_current,
    onset,
    oxidised,
    susceptibility,
)
from bdg.validation.row import Check, Comparison, Curve, compare, reported, within

BIASES_A, DRIVE_A = (0.0, 0.2, 0.3, 0.4), 0.024
LINKS = LinkLattice(rows=3, columns=2, spread=0.25, seed=0)
TOL = 3e-3  # of a voltage
TEMPERATURES_K = np.arange(5.0, 60.5, 0.5)
HALF_K, NONE_ABOVE_K, WARM_K = (50.4, 34.0), 30.0, 30.0  # another array of the same numbers
PAPER_K = (53.0, 50.0)  # step of dU/dI, and of chi
FULL = 0.99  # of the normal resistance

Voltage = Callable[[np.ndarray], np.ndarray]


def lattice() -> JunctionArray:
    """Return the array: normal resistance 1 ohm, critical current about 1 A."""
    return LINKS.array


@cache
def curve() -> LinkVoltage:
    """Return the voltage of the array in units of its critical current."""
    return LINKS.voltage(tol=TOL)


def links(temperature_K: float) -> Voltage:
    """Return V(I) of the array over its resistance: with all I_c multiplied by s, ``V_s(I) = s V(I/s)``."""
    return curve().at(critical_current(temperature_K))


@cache
def slopes() -> np.ndarray:
    """Return dU/dI (T, biases) over the normal resistance."""
    lock_in = LockIn(DRIVE_A, amplitude_is="peak")
    return np.array([lock_in.differential_resistance(links(t), BIASES_A, tol=1e-3) for t in TEMPERATURES_K])


def falls_below(level: float, curve: np.ndarray) -> float:
    """Return the highest temperature in K at which a curve passes a level on cooling."""
    below = int(np.flatnonzero(curve < level)[-1])
    return float(np.interp(level, curve[below : below + 2], TEMPERATURES_K[below : below + 2]))


def compare_all(slow: bool) -> Iterator[Comparison]:
    """Yield temperatures of the steps, their order, where chi begins with the same I_c(T), and the overshoot."""
    found = slopes()
    halves = [falls_below(0.5, curve) for curve in found.T]
    what = "dU/dI at half its normal value in K, 0 and 200 mA"
    yield compare(what, halves[:2], HALF_K, 1.5, "another array of the same T_c, I_0, spread", "F")
    yield within("the same for 300 and 400 mA: none above 30 K", halves[2:], 0, NONE_ABOVE_K, "the same", "F")
    order = -np.diff(halves)
    yield within("each step below that of the smaller current, K", order, 0, CRITICAL_K, "order of the paper", "Q")
    begins = falls_below(FULL, found[:, 0]), onset(susceptibility(oxidised(BRIDGES_OHM[1])), susceptibility(bare()))
    yield compare(
        noted("onset in K of dU/dI and of chi, one I_c(T)"), begins, PAPER_K, 2.0, "one T_c; the only test", "F"
    )
    warm = int(np.searchsorted(TEMPERATURES_K, WARM_K))
    drops = found[-1] - found[warm]
    yield reported("drop of dU/dI from 60 to 30 K over R, 0 to 400 mA", drops, "T(I): needs the figure", "Q")
    above = found[:, 1:].max(axis=0)
    yield reported("largest dU/dI over R, 200, 300, 400 mA", above, "overshoot; needs the figure", "R")


def slope(bias_A: float, temperatures_K: np.ndarray) -> np.ndarray:
    """Return dU/dI over that of the links without supercurrents at temperatures in any order."""
    lock_in = LockIn(DRIVE_A, amplitude_is="peak")
    return np.array([lock_in.differential_resistance(links(t), bias_A, tol=1e-3) for t in temperatures_K.tolist()])


def half_steps(biases_mA: np.ndarray) -> np.ndarray:
    """Return where dU/dI passes half its normal value on cooling, in K."""
    return np.array([falls_below(0.5, slope(1e-3 * bias, TEMPERATURES_K)) for bias in biases_mA.tolist()])


CURVES = (
    *(
        Curve(
            quantity=f"dU/dI over that at 60 K, {1e3 * bias:g} mA",
            x="temperature",
            x_unit="K",
            y_unit="1",
            range=(2.0, 60.0),
            values=partial(slope, bias),
        )
        for bias in BIASES_A
    ),
    Curve(
        quantity="temperature of half the step",
        x="bias",
        x_unit="mA",
        y_unit="K",
        range=(0.0, 400.0),
        values=half_steps,
    ),
)
CHECK = Check(identifier="row 24", title="Steps of dU/dI", source=SPHERES, compare=compare_all, curves=CURVES)
