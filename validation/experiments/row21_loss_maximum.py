"""Row 21: where chi'' of bare magnesium spheres has its maximum: one residual resistivity, fitted to 37 K.

The exact sphere has it at r/delta = 2.41, not where delta is r.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

import numpy as np

from bdg.instruments import AcSusceptibility, AcSusceptometer, CoatedSphere
from bdg.lattices.materials.material import material
from bdg.validation.experiments import SPHERES
from bdg.validation.row import Check, Comparison, compare, within

RADIUS_M, FREQUENCY_HZ, FIELD_A_M = 1.5e-3, 1550.0, 16.0
PAPER_K = 37.0


def magnesium(residual_uohm_cm: float) -> Callable[[float], float]:
    """Return rho(T) in ohm m with a residual resistivity, the ideal part by linear interpolation."""
    table = material("Mg")["resistivity"]
    points, ideal = [0.0, *table.temperature_K], [0.0, *table.value]  # type: ignore[misc]
    return lambda temperature: 1e-8 * (residual_uohm_cm + float(np.interp(temperature, points, ideal)))


def bare_sphere(residual_uohm_cm: float) -> AcSusceptibility:
    """Return chi(T) of bare magnesium with a residual resistivity."""
    sphere = CoatedSphere(RADIUS_M, magnesium(residual_uohm_cm))
    return AcSusceptometer(FREQUENCY_HZ, FIELD_A_M, amplitude_is="peak").sweep(sphere, np.linspace(4, 90, 345))


def compare_all(slow: bool) -> Iterator[Comparison]:
    """Yield the fitted residual resistivity, and the height of the maximum, which is none of it."""
    residual = material("Mg")["residual_resistivity"].value
    curve = bare_sphere(residual)  # type: ignore[arg-type]
    peak = curve.loss_peak()
    yield within("residual resistivity in uohm cm (fitted; not verified)", residual, 0.17, 0.19, "one fit", "F")
    yield compare("temperature of the largest loss in K", peak[0] if peak else np.nan, PAPER_K, 3.0, "very flat", "F")
    yield compare("its height", peak[1] if peak else np.nan, 0.355, 1e-3, "closed form at r/delta = 2.41", "E")


CHECK = Check(identifier="row 21", title="Largest loss of bare Mg", source=SPHERES, compare=compare_all)
