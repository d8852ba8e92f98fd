r"""What a sampled current-phase relation says: harmonics, critical currents, diode asymmetry.

.. math:: I(\varphi) = \sum_{k \ge 0} [a_k \sin k\varphi + b_k \cos k\varphi]

by least squares at the phases at hand. Where time reversal makes I odd, the b vanish and each phase counts twice.
Phases at which an electrode is normal are no part of it: there is no current to fit, and the end of the superconducting
branch would ring in every harmonic.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np

from bdg.lattices.doubts import doubt_degrees

CONDITION = 100.0  # of the equations for the harmonics: beyond, the phases do not tell them apart
WIDEST_GAP = 0.75 * math.pi  # between neighbouring phases, for a maximum between them to be found
SAME = 1e-9  # radian
NORMAL = 1e-6  # of the largest Delta of all phases: an electrode with less is normal
BRANCHES = 1e-3  # of the largest current: samples at the same phase that differ by more lie on different branches


@dataclass(frozen=True, eq=False)
class PhaseCurve:
    """Harmonics and extrema of a current-phase relation.

    Attributes
    ----------
    harmonics : array (2, K + 1)
        Amplitudes a_k of the sines and b_k of the cosines, k = 0 ... K.
    residual : float
        Largest deviation of this series from the samples.
    positive, negative : float
        Largest current in either direction, both >= 0; nan where the phases do not tell.
    positive_phase, negative_phase : float
        Where, between 0 and 2 pi.
    complete : bool
        Whether the superconducting phases (with their mirror images if odd) go round without a gap above 3 pi/4;
        without that, phases that are normal leave no harmonics.
    spread : float
        Largest difference of samples at the same phase: not 0 where the current depends on how the phase was reached.
    """

    harmonics: np.ndarray
    residual: float
    positive: float
    negative: float
    positive_phase: float
    negative_phase: float
    complete: bool
    spread: float

    @property
    def critical_current(self) -> tuple[float, float]:
        """Largest |I| and its phase; of two equal ones that of positive current."""
        known = [(self.positive, self.positive_phase), (self.negative, self.negative_phase)]
        known = [item for item in known if not math.isnan(item[0])]
        (first, phase), *others = known
        if others and others[0][0] > first * (1 + 1e-12):
            return others[0]
        return first, phase

    @property
    def diode(self) -> float:
        """``(I+ - |I-|)/(I+ + |I-|)``; nan where one of both is not known."""
        total = self.positive + self.negative
        return (self.positive - self.negative) / total if total > 0 else (0.0 if total == 0 else math.nan)


def require_phases(phases: Any) -> np.ndarray:
    """Return finite phases (P,)."""
    array = np.atleast_1d(np.asarray(phases))
    if array.ndim != 1 or array.size == 0 or array.dtype.kind not in "iuf":
        raise ValueError(f"phases must be a non-empty list of real numbers (radian); got {phases!r:.80}")
    array = array.astype(float)
    if not np.isfinite(array).all():
        raise ValueError(f"phases must be finite; got {array[~np.isfinite(array)][0]}")
    doubt_degrees("phases", array)
    return array


def phase_curve(phases: np.ndarray, currents: np.ndarray, odd: bool, normal: np.ndarray | None = None) -> PhaseCurve:
    """Return harmonics and extrema of samples; ``odd`` if I(-phi) = -I(phi) is known.

    ``normal`` (P,) of bool: phases at which an electrode is normal. They are left out, and the largest currents are
    those of the samples then: no parabola goes over the end of the superconducting branch.
    """
    lost = np.zeros(phases.size, dtype=bool) if normal is None else normal
    if lost.all():
        nothing = np.zeros((2, 1))
        return PhaseCurve(nothing, 0.0, 0.0, 0.0, 0.0, 0.0, False, 0.0)
    phases, currents = phases[~lost], currents[~lost]
    if odd:
        phases, currents = np.concatenate([phases, -phases]), np.concatenate([currents, -currents])
    raw = [(float((sign * currents).max()), float(phases[(sign * currents).argmax()])) for sign in (1, -1)]
    phases, currents, spread = _round_trip(phases, currents)
    gaps = np.diff(np.append(phases, phases[0] + 2 * math.pi)) if phases.size > 1 else np.array([2 * math.pi])
    complete = bool(gaps.max() < WIDEST_GAP)
    if lost.any() and not complete:
        harmonics, residual = np.zeros((2, 1)), math.nan
    else:
        harmonics, residual = _harmonics(phases, currents, odd)
    # a parabola through means of two branches says nothing
    if lost.any() or spread > BRANCHES * abs(currents).max():
        found = [(max(size, 0.0) + 0.0, place % (2 * math.pi)) for size, place in raw]
    else:
        found = [_maximum(phases, sign * currents) for sign in (1, -1)]
    (positive, positive_phase), (negative, negative_phase) = found
    known = (complete or positive >= negative, complete or negative > positive)
    return PhaseCurve(
        harmonics,
        residual,
        positive if known[0] else math.nan,
        negative if known[1] else math.nan,
        positive_phase if known[0] else math.nan,
        negative_phase if known[1] else math.nan,
        complete,
        spread,
    )


def normal_phases(delta: np.ndarray, count: int) -> np.ndarray:
    """Return at which phases (``count``,) an electrode is normal, from max|Delta| of the weaker one, empty: unknown."""
    return delta <= NORMAL * delta.max() if delta.size else np.zeros(count, dtype=bool)


def series(harmonics: np.ndarray, phases: np.ndarray) -> np.ndarray:
    """Return the current of harmonics (2, K + 1) at phases."""
    angle = np.multiply.outer(phases, np.arange(harmonics.shape[1]))
    return np.sin(angle) @ harmonics[0] + np.cos(angle) @ harmonics[1]


def _round_trip(phases: np.ndarray, currents: np.ndarray) -> tuple[np.ndarray, np.ndarray, float]:
    """Return the samples between 0 and 2 pi, ascending, each phase once by its mean, and the spread of such."""
    folded = np.mod(phases, 2 * math.pi)
    folded[folded > 2 * math.pi - SAME] = 0.0
    order = np.argsort(folded, kind="stable")
    folded, currents = folded[order], currents[order]
    group = np.cumsum(np.append(0, np.diff(folded) > SAME))
    count = np.bincount(group)
    mean = np.bincount(group, currents) / count
    return np.bincount(group, folded) / count, mean, 2 * float(abs(currents - mean[group]).max())


def _harmonics(phases: np.ndarray, currents: np.ndarray, odd: bool) -> tuple[np.ndarray, float]:
    """Return as many harmonics as the samples determine."""
    most = (phases.size - 1) // 2
    for highest in range(most, -1, -1):
        order = np.arange(highest + 1)
        angle = np.multiply.outer(phases, order)
        columns = np.sin(angle[:, 1:]) if odd else np.concatenate([np.sin(angle[:, 1:]), np.cos(angle)], axis=1)
        if columns.shape[1] and np.linalg.cond(columns) > CONDITION:
            continue
        found = np.linalg.lstsq(columns, currents, rcond=None)[0] if columns.shape[1] else np.zeros(0)
        harmonics = np.zeros((2, highest + 1))
        harmonics[0, 1:] = found[:highest]
        if not odd:
            harmonics[1] = found[highest:]
        return harmonics, float(abs(series(harmonics, phases) - currents).max())
    raise AssertionError("one constant always fits")


def _maximum(phases: np.ndarray, currents: np.ndarray) -> tuple[float, float]:
    """Return the largest current and its phase: of the parabola through the highest sample and its neighbours."""
    top = int(currents.argmax())
    height, place = float(currents[top]), float(phases[top])
    if phases.size >= 3:
        before, after = phases[top - 1], phases[(top + 1) % phases.size]
        left, right = (place - before) % (2 * math.pi), (after - place) % (2 * math.pi)
        if max(left, right) < WIDEST_GAP:
            down_left = height - float(currents[top - 1])
            down_right = height - float(currents[(top + 1) % phases.size])
            # height + slope x - bend x^2 through all three
            bend = (down_left / left + down_right / right) / (left + right)
            slope = down_left / left - bend * left
            if bend > 0:
                height, place = height + slope**2 / (4 * bend), (place + slope / (2 * bend)) % (2 * math.pi)
    return max(height, 0.0), place
