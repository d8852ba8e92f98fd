"""Row 23: oxidised spheres lose and screen more below 50 K: a shell of superconducting links, bridged by normal metal.

Phenomenology: nothing says why links superconduct. One critical current ``I_c(T) = I_0 (1 - T/T_c)^p`` and one
resistance of bridges make both curves; the same I_c(T) makes dU/dI of rows 24 and 25. I_0 is that of the step of dU/dI,
not fitted to chi: chi'' has its maximum where screening currents reach I_c, 5 K below where the paper has it.
"""

from __future__ import annotations

import math
from collections.abc import Iterator

import numpy as np

from bdg.instruments import AcSusceptibility, AcSusceptometer, CoatedSphere, LinkedShell
from bdg.validation.experiments import SPHERES
from bdg.validation.experiments.row21_loss_maximum import (
    FIELD_A_M,
    FREQUENCY_HZ,
    RADIUS_M,
    curves_of,
    magnesium,
    noted,
)
from bdg.validation.row import Check, Comparison, compare, reported, within

CRITICAL_K, CURRENT_A, POWER = 53.0, 1.2, 1.5  # of rows 23 to 25; T_c is where dU/dI begins to fall
BRIDGES_OHM = (5e-6, 10e-6, 18e-6)  # per square: the free number of the shell, and its range
NORMAL_OHM = 2e-3  # per square: 1 um of Mg at 50 K
COLD_K, PAPER_K, ONSET_K, ALLOWED_K = 4.5, 50.0, 50.0, 3.0
REAL, IMAGINARY = (-0.78, -0.56), (0.34, 0.39)  # of the range of bridges, another calculation
FELT = 0.02  # of chi': less is no onset
TEMPERATURES_K = np.linspace(COLD_K, 60, 112)


def shell(bridge_ohm: float, normal_ohm: float = NORMAL_OHM) -> LinkedShell:
    """Return the links of rows 23 to 25."""
    return LinkedShell(
        critical_temperature_K=CRITICAL_K,
        critical_current_A=CURRENT_A,
        power=POWER,
        bridge_ohm=bridge_ohm,
        normal_ohm=normal_ohm,
    )


critical_current = shell(BRIDGES_OHM[1]).critical_current  # in A, from pole to pole


def oxidised(bridge_ohm: float, normal_ohm: float = NORMAL_OHM) -> CoatedSphere:
    """Return a magnesium sphere with a shell whose equator carries I_c(T)."""
    return shell(bridge_ohm, normal_ohm).on(RADIUS_M, magnesium())


def susceptibility(sphere: CoatedSphere, field_A_m: float = FIELD_A_M) -> AcSusceptibility:
    """Return chi(T)."""
    return AcSusceptometer(FREQUENCY_HZ, field_A_m, amplitude_is="peak").sweep(sphere, TEMPERATURES_K)


def bare() -> CoatedSphere:
    """Return the sphere without a shell."""
    return CoatedSphere(RADIUS_M, magnesium())


def onset(curve: AcSusceptibility, core: AcSusceptibility) -> float:
    """Return the temperature in K below which a shell is felt."""
    felt = abs(curve.real - core.real) > FELT
    return float(curve.temperatures_K[felt].max(initial=0.0))


def compare_all(slow: bool) -> Iterator[Comparison]:
    """Yield limits of the shell, chi at low temperature, onset and largest loss, and what another field does."""
    core = susceptibility(bare())
    cold = float(TEMPERATURES_K[0])
    limits = [
        CoatedSphere(RADIUS_M, bare().resistivity_ohm_m, critical_sheet_current=carried, normal_ohm=1e6)
        for carried in (0.0, math.inf)
    ]
    values = [sphere.susceptibility(cold, FREQUENCY_HZ, FIELD_A_M).real for sphere in limits]
    what = "4 pi chi' of links that carry nothing, and anything"
    yield compare(what, values, (core.real[0], -1.0), 1e-9, "bare formula; perfect diamagnet", "E")
    curves = [susceptibility(oxidised(bridge)) for bridge in BRIDGES_OHM]
    losses = [curve.imaginary.max() for curve in curves]
    what = noted("largest 4 pi chi'', bridges of 5, 10, 18 uohm")
    yield within(what, losses, 0, 0.5, "of any sum of decays", "E")
    real, imaginary = zip(*((curve.real[0], curve.imaginary[0]) for curve in curves), strict=True)
    what = noted("4 pi chi' at 4.5 K, the same bridges: above -1")
    yield within(what, real, *REAL, "resistance of bridges", "F")
    yield within(noted("4 pi chi'' at 4.5 K: not 0"), imaginary, *IMAGINARY, "resistance of bridges", "F")
    begins = [onset(curve, core) for curve in curves]
    what = noted("onset of the drop of chi' in K")
    yield compare(what, begins, [ONSET_K] * len(begins), ALLOWED_K, "T_c of row 24", "F")
    peaks = [curve.loss_peak() for curve in curves]
    warmest = [peak[0] if peak else math.nan for peak in peaks]
    what = noted("temperature of the largest loss in K")
    yield compare(what, warmest, [PAPER_K] * len(warmest), ALLOWED_K, "I_c(T) of row 24, not fitted here", "F")
    what = noted("onset less temperature of the largest loss in K")
    yield within(what, np.subtract(begins, warmest), 0, 15, "order", "Q")
    found = [susceptibility(oxidised(BRIDGES_OHM[1]), share * FIELD_A_M).loss_peak() for share in (0.5, 2.0)]
    values = [peak[0] if peak else math.nan for peak in found]
    what = noted("temperature of the largest loss in half and twice the field, 10 uohm")
    yield reported(what, values, "prediction: links switch earlier", "R")


CURVES = curves_of({f"bridges of {1e6 * bridge:g} uohm": oxidised(bridge) for bridge in BRIDGES_OHM})
CHECK = Check(
    identifier="row 23", title="Susceptibility of oxidised Mg", source=SPHERES, compare=compare_all, curves=CURVES
)
