r"""The residual resistivity of a metal sphere from the maximum of its losses.

``chi''`` of a sphere depends on ``r/delta`` alone and is largest at 2.41, whatever the metal, so that a maximum at T_m
says ``rho_0 + rho_ideal(T_m) = rho_m = mu_0 omega (r/2.41)^2/2``. Measured curves are flat there; what is fitted is

.. math:: \chi''(T) = a\, s\big(\rho_0 + \rho_{ideal}(T)\big)

with s that of the sphere and a factor a of the instrument, which is free or 1. Where the largest loss lies at an end of
the curve only a bound follows; where several rho_0 fit equally well, all are given.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import scipy  # its parts load on use
from scipy.constants import mu_0

from bdg.base.arguments import real_array
from bdg.base.results import Choice, Evidence, Result, quantity
from bdg.electrodynamics.conducting_sphere import sphere_susceptibility
from bdg.gpu.device.backend import select_backend
from bdg.instruments.magnetometer import require_temperatures
from bdg.instruments.samples import Curve, value_at
from bdg.lattices.arguments import positive_number

if TYPE_CHECKING:
    from matplotlib.figure import Figure

LARGEST = 2.40922  # r/delta of the largest loss
LEAST_POINTS = 6
_GRID = 160
_SEEN = 9.0  # of chi^2 above the best minimum: still a solution (three standard deviations)


@dataclass(frozen=True, eq=False, kw_only=True)
class ResidualResistivity(Result):
    """Residual resistivities that fit a curve of losses: none, one or several.

    Attributes
    ----------
    values_ohm_m, error : arrays (S,)
        rho_0 and its standard error, the best first; empty if there is none.
    peaks_K : array (S,)
        Where each has its largest loss; NaN if outside of the curve.
    factors : array (S,)
        a of each.
    chi_squared : array (S,)
        Of each.
    degrees_of_freedom : int
    temperatures_K, imaginary, sigma : arrays (T,)
        What was fitted, and its errors.
    fitted : array (S, T)
        chi'' of each.
    words : str
        Why there is none, with the bound that follows; or that there are several; else "".
    """

    values_ohm_m: np.ndarray = quantity("residual resistivities (S,), may be empty", "ohm m")
    error: np.ndarray = quantity("their standard errors (S,), may be empty", "ohm m")
    peaks_K: np.ndarray = quantity("temperatures of the largest loss (S,), may be empty", "K")  # noqa: N815 - the unit
    factors: np.ndarray = quantity("factors of the instrument (S,), may be empty")
    chi_squared: np.ndarray = quantity("chi^2 (S,), may be empty")
    degrees_of_freedom: int = quantity("points less parameters")
    temperatures_K: np.ndarray = quantity("temperatures (T,)", "K")  # noqa: N815
    imaginary: np.ndarray = quantity("measured chi'' (T,)")
    sigma: np.ndarray = quantity("its standard deviation (T,)")
    fitted: np.ndarray = quantity("fitted chi'' (S, T), may be empty")
    words: str = quantity("why there is none, or that there are several")

    def plot(self, ax: Any = None) -> Figure:
        """Return a Figure of the points with what was fitted."""
        from bdg.plots.fits import plot_fit

        names = [
            f"$\\rho_0$ = {1e8 * value:.3g} ± {1e8 * error:.1g} $\\mu\\Omega\\,$cm"
            for value, error in zip(self.values_ohm_m, self.error, strict=True)
        ]
        lines = dict(zip(names, self.fitted, strict=True))
        labels = "temperature (K)", r"$4\pi\chi''$"
        return plot_fit(self.temperatures_K, self.imaginary, self.sigma, lines, labels, ax)


def loss_resistivity(radius_m: float, frequency_Hz: float) -> float:
    """Return the resistivity (ohm m) at which a sphere loses most."""
    return mu_0 * math.pi * frequency_Hz * (radius_m / LARGEST) ** 2


def fit_residual_resistivity(
    temperatures_K: Any,
    imaginary: Any,
    error: Any = None,
    *,
    radius_m: float,
    frequency_Hz: float,
    ideal_ohm_m: Curve,
    calibrated: bool = False,
) -> ResidualResistivity:
    r"""Return the residual resistivity of a bare metal sphere from its chi''(T).

    .. math:: \chi''(T) = a\, s\big(\rho_0 + \rho_{ideal}(T)\big), \qquad \rho_0 = \rho_m - \rho_{ideal}(T_m)

    Parameters
    ----------
    temperatures_K : array (T,)
        Ascending, at least six.
    imaginary : array (T,)
        Measured chi'', a perfect diamagnet having chi' = -1.
    error : float or array (T,), optional
        Standard deviation of each point, > 0. None: from the scatter about the best fit.
    radius_m, frequency_Hz : float
        > 0.
    ideal_ohm_m : callable
        Resistivity without its residual part as a function of the temperature, such as
        ``bdg.lattices.resistivity("Mg", residual_ohm_m=0)``.
    calibrated : bool
        True: a is 1, and heights count, too; then two rho_0 may fit where the curve is on one side of its maximum.
        False: a is free, and only a maximum inside of the curve says anything.

    Returns
    -------
    ResidualResistivity
        Without a value, with the reason and the bound in ``words``, where the curve has no maximum inside.

    Raises
    ------
    TypeError, ValueError
        If an argument is of the wrong type or shape or out of range.

    References
    ----------
    L. D. Landau, E. M. Lifshitz, Electrodynamics of Continuous Media, section 59.

    Examples
    --------
    >>> import numpy as np
    >>> from bdg.electrodynamics import sphere_susceptibility
    >>> from bdg.instruments import fit_residual_resistivity
    >>> from bdg.lattices import resistivity
    >>> ideal, kelvin = resistivity("Mg", residual_ohm_m=0.0), np.linspace(5, 90, 40)
    >>> losses = sphere_susceptibility(1.5e-3, 1.8e-9 + ideal(kelvin), 1550.0).imag
    >>> sphere = {"radius_m": 1.5e-3, "frequency_Hz": 1550.0, "ideal_ohm_m": ideal}
    >>> fit = fit_residual_resistivity(kelvin, losses, 2e-3, **sphere)
    >>> print((1e9 * fit.values_ohm_m).round(3))  # nOhm m: what went in
    [1.8]
    """
    start = time.perf_counter()
    radius, frequency = positive_number("radius_m", radius_m, "m"), positive_number("frequency_Hz", frequency_Hz, "Hz")
    temperatures = require_temperatures(temperatures_K)
    measured, sigma = require_points("imaginary", imaginary, error, temperatures.size, LEAST_POINTS)
    if not isinstance(calibrated, bool):
        raise TypeError(f"calibrated must be True or False; got {calibrated!r:.80}")
    if not callable(ideal_ohm_m):
        raise TypeError(f"ideal_ohm_m must be a function of the temperature (K); got {type(ideal_ohm_m).__name__}")
    ideal = np.array([value_at("ideal_ohm_m", ideal_ohm_m, t, "ohm m") for t in temperatures.tolist()])
    weights = np.ones(temperatures.size) if sigma is None else 1 / sigma
    largest = loss_resistivity(radius, frequency)

    def shape(residual: Any) -> np.ndarray:
        """(..., T) of residual resistivities (...)."""
        return np.asarray(sphere_susceptibility(radius, np.asarray(residual)[..., None] + ideal, frequency)).imag

    def factor_of(curve: np.ndarray) -> np.ndarray:
        weighted = weights**2 * curve
        return np.asarray(1.0 if calibrated else (weighted @ measured) / (weighted * curve).sum(axis=-1))

    def misfit(residual: Any) -> np.ndarray:
        curve = shape(residual)
        return np.asarray(((weights * (measured - factor_of(curve)[..., None] * curve)) ** 2).sum(axis=-1))

    freedom = temperatures.size - (1 if calibrated else 2)
    minima = _minima(misfit, largest, ideal)
    scale = 1.0 if sigma is not None else min(value for _, value in minima) / freedom
    sigma = np.full(temperatures.size, math.sqrt(scale)) if sigma is None else sigma
    best = min(value for _, value in minima)
    found, bounds = [], []
    for residual, value in sorted(minima, key=lambda each: each[1]):
        if value > best + _SEEN * max(scale, 1e-300):
            continue
        deviation = _deviation(shape, residual, weights, calibrated, scale, largest)
        low, high = float(ideal.min()), float(ideal.max())
        rest = largest - residual  # ideal resistivity at the largest loss
        inside = calibrated or low + deviation < rest < high - deviation
        if residual <= 0 or not inside or not math.isfinite(deviation):
            bounds.append(_bound(residual, rest, low, high, largest, temperatures))
            continue
        found.append((residual, deviation, rest, value / max(scale, 1e-300)))
    fitted = np.array([factor_of(shape(each[0])) * shape(each[0]) for each in found]).reshape(-1, temperatures.size)
    words = "" if len(found) == 1 else f"{len(found)} fit equally well" if found else f"there is none: {bounds[0]}"
    choice = Choice("profile of chi^2", "factor 1" if calibrated else "factor free", select_backend("cpu"))
    return ResidualResistivity(
        values_ohm_m=np.array([each[0] for each in found]),
        error=np.array([each[1] for each in found]),
        peaks_K=np.array([_peak(each[2], ideal, temperatures) for each in found]),
        factors=np.array([float(factor_of(shape(each[0]))) for each in found]),
        chi_squared=np.array([each[3] for each in found]),
        degrees_of_freedom=freedom,
        temperatures_K=temperatures,
        imaginary=measured,
        sigma=sigma,
        fitted=fitted,
        words=words,
        evidence=Evidence.of(choice, dtype="float64", start=start, calibrated=calibrated, largest_ohm_m=largest),
    )


def require_points(name: str, values: Any, error: Any, count: int, least: int) -> tuple[np.ndarray, np.ndarray | None]:
    """Return measured values (T,) and their standard deviations (T,), or None where none are given."""
    array = real_array(name, values)
    if array.dtype.kind not in "iuf" or array.shape != (count,) or not np.isfinite(array).all():
        raise ValueError(f"{name} must be {count} finite numbers, one a temperature; got {values!r:.80}")
    if count < least:
        raise ValueError(f"temperatures_K must be at least {least}, since a curve is fitted; got {count}")
    if error is None:
        return array.astype(float), None
    sigma = real_array("error", error)
    shaped = sigma.dtype.kind in "iuf" and sigma.shape in ((), (count,))
    if not shaped or not (np.isfinite(sigma) & (sigma > 0)).all():
        raise ValueError(
            f"error must be a number > 0, or {count} of them (one standard deviation each); got {error!r:.80}. Leave "
            "it out to take the scatter about the fit"
        )
    return array.astype(float), np.broadcast_to(sigma.astype(float), (count,)).copy()


def _minima(misfit: Callable[[Any], np.ndarray], largest: float, ideal: np.ndarray) -> list[tuple[float, float]]:
    """Return all local minima (rho_0, chi^2), the ends of the range included."""
    grid = np.concatenate([[0.0], np.geomspace(1e-3 * largest, 30 * largest, _GRID)])
    if ideal.min() == 0:
        grid[0] = 1e-6 * largest
    values = misfit(grid)
    found = []
    for k in range(grid.size):
        if values[k] > min(values[max(k - 1, 0)], values[min(k + 1, grid.size - 1)]):
            continue
        if k in (0, grid.size - 1):
            found.append((0.0 if k == 0 else math.inf, float(values[k])))
            continue
        inner = scipy.optimize.minimize_scalar(
            lambda residual: float(misfit(residual)),
            bounds=(grid[k - 1], grid[k + 1]),
            method="bounded",
            options={"xatol": 1e-8 * grid[k]},
        )
        found.append((float(inner.x), float(inner.fun)))
    return found


def _deviation(
    shape: Callable[[float], np.ndarray], at: float, weights: np.ndarray, calibrated: bool, scale: float, unit: float
) -> float:
    """Return the standard error of rho_0, the factor being free or not."""
    if not 0 < at < math.inf:
        return math.inf
    step = 1e-4 * min(at, unit)
    curve, slope = shape(at), (shape(at + step) - shape(at - step)) / (2 * step)
    columns = weights[:, None] * (slope[:, None] if calibrated else np.stack([slope, curve], axis=1))
    information = columns.T @ columns
    if calibrated:
        return math.sqrt(scale / information[0, 0]) if information[0, 0] > 0 else math.inf
    left = information[0, 0] - information[0, 1] ** 2 / information[1, 1]
    return math.sqrt(scale / left) if left > 0 else math.inf


def _bound(residual: float, rest: float, low: float, high: float, largest: float, temperatures: np.ndarray) -> str:
    """Return in words why a minimum is no solution, and what follows."""
    ends = f"{temperatures[0]:g} and {temperatures[-1]:g} K"
    least, most = 1e8 * (largest - low), 1e8 * (largest - high)
    if rest - low < high - rest:
        return (
            f"chi'' has no maximum between {ends} but at or below the lowest temperature, so that rho_0 is at least "
            f"about {least:.3g} uohm cm. Measure at a higher frequency, or a larger sphere"
        )
    if residual <= 0:
        return (
            f"chi'' is largest at a resistivity of {1e8 * largest:.3g} uohm cm, and the ideal resistivity alone passes "
            "it below the maximum that was measured. Check radius, frequency and the ideal resistivity"
        )
    return (
        f"chi'' has no maximum between {ends} but at or above the highest temperature, so that rho_0 is at most "
        f"about {most:.3g} uohm cm. Measure at higher temperatures, or at a lower frequency"
    )


def _peak(rest: float, ideal: np.ndarray, temperatures: np.ndarray) -> float:
    if not ideal.min() <= rest <= ideal.max():
        return math.nan
    crossing = np.flatnonzero(np.diff(np.sign(ideal - rest)) != 0)
    if not crossing.size:
        return math.nan
    k = int(crossing[-1])
    share = (rest - ideal[k]) / (ideal[k + 1] - ideal[k])
    return float(temperatures[k] + share * (temperatures[k + 1] - temperatures[k]))
