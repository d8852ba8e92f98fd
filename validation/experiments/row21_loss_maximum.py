"""Row 21: where chi'' of bare magnesium spheres has its maximum: one residual resistivity, fitted to 37 K.

The exact sphere has it at r/delta = 2.41, not where delta is r.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

import numpy as np

from bdg.instruments import AcSusceptibility, AcSusceptometer, CoatedSphere
from bdg.lattices.materials.material import material
from bdg.lattices.materials.resistivity import Resistivity, resistivity
from bdg.validation.experiments import SPHERES
from bdg.validation.row import Check, Comparison, Curve, compare, within

RADIUS_M, FREQUENCY_HZ, FIELD_A_M = 1.5e-3, 1550.0, 16.0
PAPER_K = 37.0
NOTE = "" if resistivity("Mg").verified else "rho not verified"


def parts(sphere: CoatedSphere, temperatures_K: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return chi' and chi'' at temperatures in any order."""
    chi = np.array([sphere.susceptibility(t, FREQUENCY_HZ, FIELD_A_M) for t in temperatures_K.tolist()])
    return chi.real, chi.imag


def curves_of(spheres: Mapping[str, CoatedSphere]) -> tuple[Curve, ...]:
    """Return chi' and chi'' of spheres by the name of their model, for measured points."""
    return tuple(
        Curve(
            quantity=quantity,
            x="temperature",
            x_unit="K",
            y_unit="1",
            range=(2.0, 300.0),
            values=lambda t, sphere=sphere, part=part: parts(sphere, t)[part],  # type: ignore[misc]
            model=model,
            unverified=NOTE,
        )
        for part, quantity in enumerate(("4 pi chi'", "4 pi chi''"))
        for model, sphere in spheres.items()
    )


def magnesium(residual_uohm_cm: float | None = None) -> Resistivity:
    """Return rho(T) with a residual resistivity (None: that of the materials file)."""
    return resistivity("Mg", residual_ohm_m=None if residual_uohm_cm is None else 1e-8 * residual_uohm_cm)


def noted(quantity: str) -> str:
    """Return the name of a quantity with the word that rho of magnesium was not verified, while that is so."""
    return f"{quantity} ({NOTE})" if NOTE else quantity


def bare_sphere(residual_uohm_cm: float | None = None) -> AcSusceptibility:
    """Return chi(T) of bare magnesium with a residual resistivity."""
    sphere = CoatedSphere(RADIUS_M, magnesium(residual_uohm_cm))
    return AcSusceptometer(FREQUENCY_HZ, FIELD_A_M, amplitude_is="peak").sweep(sphere, np.linspace(4, 90, 345))


def compare_all(slow: bool) -> Iterator[Comparison]:
    """Yield the fitted residual resistivity, and the height of the maximum, which is none of it."""
    residual = material("Mg")["residual_resistivity"].value
    curve = bare_sphere()
    peak = curve.loss_peak()
    yield within("residual resistivity in uohm cm (fitted; not verified)", residual, 0.17, 0.19, "one fit", "F")
    yield compare(
        noted("temperature of the largest loss in K"), peak[0] if peak else np.nan, PAPER_K, 3.0, "very flat", "F"
    )
    yield compare("its height", peak[1] if peak else np.nan, 0.355, 1e-3, "closed form at r/delta = 2.41", "E")


CHECK = Check(identifier="row 21", title="Largest loss of bare Mg", source=SPHERES, compare=compare_all)
