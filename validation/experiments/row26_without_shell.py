"""Row 26: after half an hour in air, chi and dU/dI are those of bare magnesium: the shell is gone.

The model has nothing but the shell to lose, so this follows from rows 21, 22 and 25.
"""

from __future__ import annotations

import math
from collections.abc import Iterator

import numpy as np

from bdg.instruments import LockIn
from bdg.validation.experiments import SPHERES
from bdg.validation.experiments.row21_loss_maximum import bare_sphere, noted
from bdg.validation.experiments.row23_oxidised_spheres import BRIDGES_OHM, CRITICAL_K, oxidised, susceptibility
from bdg.validation.experiments.row24_differential_resistance import BIASES_A, DRIVE_A, links
from bdg.validation.row import Check, Comparison, compare, reported


def compare_all(slow: bool) -> Iterator[Comparison]:
    """Yield chi of a sphere whose shell has opened beside that of row 21, and dU/dI without supercurrents."""
    opened = susceptibility(oxidised(math.inf))
    whole = susceptibility(oxidised(BRIDGES_OHM[1]))
    bare = bare_sphere()
    parts = (opened.real, bare.real), (opened.imaginary, bare.imaginary)
    unlike = [float(abs(a - np.interp(opened.temperatures_K, bare.temperatures_K, b)).max()) for a, b in parts]
    what = "largest difference of chi' and chi'' from rows 21 and 22"
    yield compare(what, unlike, (0.0, 0.0), 1e-12, "the same sphere", "trivial")
    lost = float(abs(whole.real - opened.real).max())
    yield reported(noted("what the shell had changed of chi', at most"), lost, "gone", "trivial")
    lock_in = LockIn(DRIVE_A, amplitude_is="peak")
    slopes = lock_in.differential_resistance(links(CRITICAL_K), BIASES_A)
    yield compare("dU/dI over R without supercurrents", slopes, [1.0] * len(BIASES_A), 1e-9, "a resistor", "trivial")


CHECK = Check(identifier="row 26", title="Shell removed", source=SPHERES, compare=compare_all)
