r"""Means over seeds: of what was resolved, weighed by its uncertainties, with an error that covers both scatters.

Every seed is another sample, whose true value differs from that of others by more than the error s_i of its fit:
``x_i = m + a_i + e_i`` with variances tau^2 and s_i^2 (random effects). With ``w_i = 1/s_i^2`` and their mean m_w

.. math:: \tau^2 = \max\Big(0, \frac{\sum_i w_i (x_i - m_w)^2 - (n - 1)}{\sum_i w_i - \sum_i w_i^2/\sum_i w_i}\Big),
          \qquad m = \frac{\sum_i W_i x_i}{\sum_i W_i}, \quad W_i = \frac{1}{s_i^2 + \tau^2}

(R. DerSimonian, N. Laird, Controlled Clinical Trials 7, 177 (1986)). The standard error is ``(sum W)^{-1/2}``, times
``(sum W_i (x_i - m)^2/(n - 1))^{1/2}`` where the samples scatter more than that (G. Knapp, J. Hartung, Statistics in
Medicine 22, 2693 (2003)): tau of few samples comes out zero too often. Inverse variances alone would
count one sample with a small error of its fit as all of them; the plain mean counts fits that tell nothing as much as
others.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

Columns = Mapping[str, np.ndarray]
"""Observables of one point by name."""


@dataclass(frozen=True, eq=False)
class Mean:
    """A mean over n samples.

    Attributes
    ----------
    value, error : array
        nan where none is resolved; the error is nan for one.
    used : array of int
        Samples that count.
    weighed : bool
        By their uncertainties.
    """

    value: np.ndarray
    error: np.ndarray
    used: np.ndarray
    weighed: bool = False


def mean_of(points: Sequence[Columns], name: str) -> Mean:
    """Return the mean of one observable, of equal shape at all points.

    Not finite values never count. ``x_resolved`` beside it says of all observables ``x_...`` where they do, and
    ``x_uncertainty_nm`` is the standard error of ``x_nm``.
    """
    values = np.array([point[name] for point in points])
    values = values.astype(complex if values.dtype.kind == "c" else float)
    used = np.isfinite(values)
    for flag in flags_of(points[0], name):
        resolved = np.array([np.asarray(point.get(flag, True), dtype=bool) for point in points])
        used &= resolved.reshape(-1, *(1,) * (values.ndim - 1))
    errors = _errors(points, name, used)
    return plain_mean(values, used) if errors is None else weighed_mean(values, errors, used)


def plain_mean(values: np.ndarray, used: np.ndarray) -> Mean:
    """Return mean and s/sqrt(n) of values (n, ...), of those in use (n, ...)."""
    count = used.sum(axis=0)
    if used.all():
        spread = values.std(axis=0, ddof=1) if len(values) > 1 else np.full(values.shape[1:], np.nan)
        return Mean(np.asarray(values.mean(axis=0)), np.asarray(spread / np.sqrt(len(values))), count)
    with np.errstate(invalid="ignore", divide="ignore"):  # of none: nan
        kept = np.where(used, values, 0.0)
        mean = kept.sum(axis=0) / count
        squares = np.where(used, abs(kept - np.where(count > 0, mean, 0.0)) ** 2, 0.0).sum(axis=0)
        error = np.sqrt(squares / (count - 1) / count)
    return Mean(np.asarray(mean), np.asarray(np.where(count > 1, error, np.nan)), count)


def weighed_mean(values: np.ndarray, errors: np.ndarray, used: np.ndarray) -> Mean:
    """Return the mean of numbers (n,) with standard errors (n,) > 0, of those in use: random effects, see above."""
    x, s, count = values[used], errors[used], np.asarray(used.sum())
    if x.size < 2:
        return Mean(np.asarray(x[0] if x.size else np.nan), np.asarray(np.nan), count, weighed=True)
    scale = s.min()  # squares of tiny errors would vanish
    w = (scale / s) ** 2
    common = float(w @ x / w.sum())
    excess = float(w @ ((x - common) / scale) ** 2) - (x.size - 1)
    between = max(0.0, excess / float(w.sum() - w @ w / w.sum())) * scale**2
    w = 1.0 / (s**2 + between)
    mean = float(w @ x / w.sum())
    shown = float(w @ (x - mean) ** 2) / (x.size - 1)
    return Mean(np.asarray(mean), np.asarray(np.sqrt(max(1.0, shown) / w.sum())), count, weighed=True)


def flags_of(names: Iterable[str], name: str) -> list[str]:
    """Return the observables that say where another one is resolved."""
    flags = [flag for flag in names if flag.endswith("_resolved") and flag != name]
    return [flag for flag in flags if name.startswith(flag.removesuffix("resolved"))]


def _errors(points: Sequence[Columns], name: str, used: np.ndarray) -> np.ndarray | None:
    """Return the standard errors (n,) of a number at each point, if all that are in use have one."""
    start, _, unit = name.rpartition("_")
    wanted = f"{start}_uncertainty_{unit}"
    if used.ndim > 1 or any(wanted not in point for point in points):
        return None
    errors = np.array([float(point[wanted]) for point in points])
    return errors if bool((np.isfinite(errors) & (errors > 0))[used].all()) else None
