r"""Decay of a positive quantity with distance: bins with standard errors, model fits, and their comparison.

Models: ``A exp(-x/xi) g``, ``A exp(-(x/xi)^beta) g``, ``A x^-p g`` with a known spreading factor g of each site.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import scipy  # its parts load on use

MODELS = ("exponential", "stretched", "power_law")
MINIMUM_COUNT = 20  # sites a bin needs before its standard error is believed
FIRST_DISTANCE = 1.5  # spacings from the last superconducting site: one spacing outside the surface beyond it
SIGNIFICANCE = 4.0  # standard errors above zero that a bin of the fit needs
MODEL_ERROR = 0.01  # relative: corrections that no model has (next Matsubara term, finite size) are of this order
_PARAMETERS = {"exponential": 2, "stretched": 3, "power_law": 2}


@dataclass(frozen=True)
class Fit:
    """One fitted model: length, its standard error, exponent (beta, p, or 1) and quality."""

    model: str
    geometry: str
    length: float
    uncertainty: float
    exponent: float
    log_amplitude: float
    chi_squared: float
    freedom: int


@dataclass(frozen=True, eq=False)
class Bins:
    """Means over the sites of each bin, raw and divided by the spreading factor (flattened)."""

    distance: np.ndarray
    amplitude: np.ndarray
    standard_error: np.ndarray
    count: np.ndarray
    spreading: np.ndarray
    flattened: np.ndarray  # mean of |F| / g
    flattened_error: np.ndarray


def bin_by_distance(x: np.ndarray, f: np.ndarray, spreading: np.ndarray, width: float) -> Bins:
    """Average over bins centred on whole multiples of the width, so that a layer of a grid never straddles two."""
    label = np.round(x / width * (1 - 1e-12)).astype(np.int64)
    _, inverse, count = np.unique(label, return_inverse=True, return_counts=True)

    def mean_and_error(values: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        mean = np.bincount(inverse, values) / count
        square = np.bincount(inverse, (values - mean[inverse]) ** 2)
        with np.errstate(divide="ignore", invalid="ignore"):
            return mean, np.sqrt(square / (count - 1) / count)

    amplitude, error = mean_and_error(f)
    flattened, flattened_error = mean_and_error(f / spreading)
    mean_distance, _ = mean_and_error(x)
    mean_spreading, _ = mean_and_error(spreading)
    return Bins(mean_distance, amplitude, error, count, mean_spreading, flattened, flattened_error)


def bins_to_fit(bins: Bins, window: tuple[float, float] | None, spacing: float, floor: float) -> np.ndarray:
    """Return which bins are fitted: inside the window, or from `FIRST_DISTANCE` outwards while they are significant."""
    positive = bins.flattened > 0
    if window is not None:
        return positive & (bins.distance >= window[0]) & (bins.distance <= window[1])
    chosen = positive & (bins.distance > FIRST_DISTANCE * spacing)
    if bins.count.max() >= MINIMUM_COUNT:  # else single sites, a chain for instance: nothing to judge them by
        with np.errstate(invalid="ignore"):
            weak = (bins.count < MINIMUM_COUNT) | ~(bins.amplitude > SIGNIFICANCE * bins.standard_error)
        first_weak = np.flatnonzero(chosen & weak)
        if first_weak.size:
            chosen[first_weak[0] :] = False
    # the error of the amplitudes, or their rounding relative to the largest, ends a clean decay
    chosen &= bins.amplitude > max(floor, 1e-12 * bins.amplitude.max())
    return chosen


def fit_decay(bins: Bins, model: str, geometry: str, chosen: np.ndarray) -> Fit | None:
    """Return the weighted least-squares fit of a model to the chosen bins, None where these are too few."""
    n_bins, n_parameters = int(chosen.sum()), _PARAMETERS[model]
    if n_bins < n_parameters + 1:
        return None
    x, y = bins.distance[chosen], np.log(bins.flattened[chosen])
    relative = bins.flattened_error[chosen] / bins.flattened[chosen]
    known = bool(np.isfinite(relative).all() and (relative > 0).all())
    sigma = np.hypot(relative if known else 0.0, MODEL_ERROR) * np.ones(n_bins)

    def residual(parameters: np.ndarray) -> np.ndarray:
        return (_logarithm(model, parameters, x) - y) / sigma

    slope, intercept = np.polyfit(x if model != "power_law" else np.log(x), y, 1, w=1 / sigma)
    start = [intercept, -slope] if model != "stretched" else [intercept, max(-slope, 1e-3 / np.ptp(x)), 1.0]
    bounds = ([-np.inf, -np.inf], [np.inf, np.inf])
    if model == "stretched":
        bounds = ([-np.inf, 1e-6 / np.ptp(x), 0.2], [np.inf, np.inf, 3.0])
    solution = scipy.optimize.least_squares(
        residual, start, bounds=bounds, x_scale="jac", xtol=1e-14, ftol=1e-14, gtol=1e-14
    )
    chi_squared = float(2 * solution.cost)
    freedom = n_bins - n_parameters
    excess = chi_squared / freedom
    covariance = np.linalg.pinv(solution.jac.T @ solution.jac) * (max(1.0, excess) if known else excess)
    rate = solution.x[1]  # 1/xi, or p
    middle = float(np.sqrt(x[0] * x[-1]))
    if model == "power_law":
        rate, scale = rate / middle, 1 / middle
        exponent = float(solution.x[1])
    else:
        scale, exponent = 1.0, float(solution.x[2]) if model == "stretched" else 1.0
    length = 1 / rate if rate > 0 else math.inf
    uncertainty = float(np.sqrt(covariance[1, 1])) * scale * length**2 if math.isfinite(length) else math.inf
    return Fit(model, geometry, length, uncertainty, exponent, float(solution.x[0]), chi_squared, freedom)


def criteria_of(fits: list[Fit]) -> list[float]:
    """Return the quasi-AICc of each fit: chi^2/c + 2k and its small-sample correction, c the dispersion of the best."""
    dispersion = max(1.0, min((fit.chi_squared / fit.freedom for fit in fits), default=1.0))
    values = []
    for fit in fits:
        k = _PARAMETERS[fit.model]
        correction = 2 * k * (k + 1) / max(fit.freedom - 1, 0.5)
        values.append(fit.chi_squared / dispersion + 2 * k + correction)
    return values


def _logarithm(model: str, parameters: np.ndarray, x: np.ndarray) -> np.ndarray:
    if model == "exponential":
        return parameters[0] - parameters[1] * x
    if model == "stretched":
        return parameters[0] - (parameters[1] * x) ** parameters[2]
    return parameters[0] - parameters[1] * np.log(x)


def curve(fit: Fit | None, bins: Bins) -> np.ndarray:
    """Return the fitted |F| at the distances of all bins, nan without a fit."""
    if fit is None:
        return np.full(bins.distance.size, np.nan)
    parameters = {
        "exponential": (fit.log_amplitude, 1 / fit.length),
        "stretched": (fit.log_amplitude, 1 / fit.length, fit.exponent),
        "power_law": (fit.log_amplitude, fit.exponent),
    }[fit.model]
    with np.errstate(divide="ignore"):
        return np.exp(_logarithm(fit.model, np.array(parameters), bins.distance)) * bins.spreading


def choose(fits: list[Fit], criteria: list[float]) -> Fit | None:
    """Return the fit of lowest criterion; of those within 2 of it the one with fewest parameters, exponential first."""
    if not fits:
        return None
    close = [(fit, value) for fit, value in zip(fits, criteria, strict=True) if value <= min(criteria) + 2]
    return min(close, key=lambda pair: (_PARAMETERS[pair[0].model], MODELS.index(pair[0].model), pair[1]))[0]


def why_model(best: Fit | None, fits: list[Fit], asked: str) -> str:
    """Return the sentence that says how the model was chosen."""
    if best is None:
        return "too few bins for any fit"
    if len(fits) == 1:
        return "as asked" if asked != "auto" else "the only one with enough bins"
    return f"lowest QAICc of {len(fits)} candidates; within 2 of the lowest the simplest is taken"
