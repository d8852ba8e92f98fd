"""Row 25: dU/dI never reaches zero, and has no step at all where the current goes through the core.

Normal metal in series with the links of row 24 keeps what it has; a path without links is a resistor at any bias.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from bdg.granular import JunctionArray
from bdg.instruments import LockIn
from bdg.validation.experiments import SPHERES
from bdg.validation.experiments.row21_loss_maximum import NOTE, RADIUS_M, magnesium, noted
from bdg.validation.experiments.row24_differential_resistance import BIASES_A, DRIVE_A, TEMPERATURES_K, slopes
from bdg.validation.row import Check, Comparison, Curve, compare, reported, within

SERIES = (0.1, 1.0)  # resistance of the normal part over that of the links: needs the figure


def core(temperature_K: float) -> JunctionArray:
    """Return the path through the core: a resistor of rho/r."""
    return JunctionArray([[0, 1]], 0.0, magnesium()(temperature_K) / RADIUS_M, 0, 1)  # type: ignore[arg-type]


def compare_all(slow: bool) -> Iterator[Comparison]:
    """Yield the smallest dU/dI with a normal part in series, and what bias does to the core."""
    lock_in = LockIn(DRIVE_A, amplitude_is="peak")
    smallest = slopes().min()
    shares = [float((smallest + share) / (1 + share)) for share in SERIES]
    what = "smallest dU/dI over that at 60 K, normal part .1 and 1 of the links"
    yield within(what, shares, 0.05, 1, "no zero, whatever its share: needs the figure", "Q")
    curves = np.array([lock_in.differential_resistance(core(t).voltage, BIASES_A) for t in TEMPERATURES_K[::10]])
    unlike = float(abs(curves / curves[:, :1] - 1).max())
    yield compare("change of dU/dI of the core with the bias, relative", unlike, 0.0, 1e-9, "no links in the path", "Q")
    rise = curves[-1, 0] / curves[0, 0]
    yield reported(noted("dU/dI of the core at 60 K over that at 5 K"), rise, "rho(T) of Mg, no step", "Q")


def core_ratio(temperatures_K: np.ndarray) -> np.ndarray:
    """Return dU/dI of the core over that at 60 K."""
    return np.asarray(magnesium()(temperatures_K)) / magnesium()(60.0)


CURVES = (
    Curve(
        quantity="dU/dI of the core over that at 60 K",
        x="temperature",
        x_unit="K",
        y_unit="1",
        range=(2.0, 300.0),
        values=core_ratio,
        unverified=NOTE,
    ),
)
CHECK = Check(identifier="row 25", title="No zero of dU/dI", source=SPHERES, compare=compare_all, curves=CURVES)
