"""Row 22: chi of bare magnesium against temperature, once row 21 has fixed the residual resistivity.

The sphere's closed form; finite elements along the radius agree with it to 1e-6 (tests). The measured curve exists as
a figure only.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from bdg.instruments import AcSusceptibility, CoatedSphere
from bdg.validation.experiments import SPHERES
from bdg.validation.experiments.row21_loss_maximum import RADIUS_M, bare_sphere, curves_of, magnesium, noted
from bdg.validation.row import Check, Comparison, compare, reported, within

REFERENCE = {4.5: -0.446, 37.0: -0.37, 70.0: -0.12}  # K: chi' of another calculation, rho_0 = .183
SHOWN_K = (25.0, 45.0, 90.0)
RESIDUALS = (0.179, 0.186)  # by how the table is read


def at(curve: AcSusceptibility, temperatures: tuple[float, ...]) -> tuple[np.ndarray, np.ndarray]:
    """Return chi' and chi'' at temperatures."""
    real, imaginary = (np.interp(temperatures, curve.temperatures_K, part) for part in (curve.real, curve.imaginary))
    return real, imaginary


def compare_all(slow: bool) -> Iterator[Comparison]:
    """Yield chi' beside another calculation, that it rises with temperature, and both parts where nothing is known."""
    curve = bare_sphere()
    what = noted("4 pi chi' at 4.5, 37, 70 K over -.446, -.37, -.12")
    ratios = at(curve, tuple(REFERENCE))[0] / list(REFERENCE.values())
    yield compare(what, ratios, [1.0] * len(REFERENCE), 0.1, "rho_0 of .183; how the table is read", "P")
    yield within(noted("smallest step of chi' on warming"), np.diff(curve.real).min(), 0, 1, "rho rises", "P")
    real, imaginary = at(curve, SHOWN_K)
    yield reported(noted("4 pi chi' at 25, 45, 90 K"), real, "needs the figure", "R")
    yield reported(noted("4 pi chi'' at 25, 45, 90 K"), imaginary, "needs the figure", "R")
    ends = [at(bare_sphere(residual), (4.5,))[0][0] for residual in RESIDUALS]
    what = noted("4 pi chi' at 4.5 K for rho_0 of .179 and .186 uohm cm")
    yield reported(what, ends, "range of the fit", "R")


CURVES = curves_of({"": CoatedSphere(RADIUS_M, magnesium())})
CHECK = Check(
    identifier="row 22", title="Susceptibility of bare Mg", source=SPHERES, compare=compare_all, curves=CURVES
)
