r"""Which few poles stand for tanh: a rational approximation on an interval, with a measured error.

.. math:: \tanh(x/2a) = 4a \sum_{n \ge 0} \frac{x}{x^2 + w_n^2}, \quad w_n = (2n + 1) \pi a
          \quad\longrightarrow\quad d\,x + \sum_{j=1}^{P} c_j \frac{x}{x^2 + w_j^2}, \quad |x| \le s.

The infinite sum converges like 1/n. A few of its own poles, with weights of their own and a linear term for the far
ones, reach any accuracy down to rounding (`matsubara_poles`); poles at the best places on the imaginary axis reach it
with about two thirds as many (`tanh_poles`). P grows like the logarithm of s/a times that of the accuracy.
For a symmetric or Hermitian matrix, ``x/(x^2 + w^2) = -Re 1/(iw - x)``: one inverse for each pole.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from numbers import Real
from typing import NamedTuple

import numpy as np
import scipy.linalg

from bdg.gpu.poles.free_frequencies import free_frequencies

MIN_TOL = 1e-12  # least squares and the sum itself leave 1e-15 to 2e-14 up to bound/width = 1e5
MAX_TOL = 0.1
MAX_RATIO = 1e9
MAX_POLES = 80
SAFETY = 0.99  # of tol: elsewhere the error exceeds the measured one by less than 1e-6 of it, plus rounding (2e-15)


@dataclass(frozen=True, slots=True, eq=False)
class Poles:
    r"""A fit ``tanh(x/2a) = d x + sum_j c_j x/(x^2 + w_j^2)`` on ``|x| <= bound``, a = ``width``.

    ``bound``, ``width`` and ``frequencies`` have the unit of x, so have ``weights``; ``linear`` has its inverse.
    """

    frequencies: np.ndarray  # (P,) float64, w_j >= pi * width, ascending
    weights: np.ndarray  # (P,) float64, c_j; of Matsubara frequencies the highest may be negative
    linear: float  # d
    bound: float  # the fit holds on |x| <= bound
    width: float  # a
    tol: float  # the error that was asked for
    error: float  # max over |x| <= bound of |fit - tanh(x/2a)|, measured on a finer grid than the fit's; < tol
    error_at: float  # the |x| where that maximum is met
    log_cosh_error: float  # the same for log_cosh; at most error * bound / (2 * width) + rounding
    matsubara: bool  # the frequencies are odd multiples of pi * width, the lowest included

    def tanh(self, x: np.ndarray | float) -> np.ndarray:
        """Return the fit of ``tanh(x/2a)``; ``error`` is its bound for ``|x| <= bound``."""
        return _tanh_fit(np.asarray(x, dtype=float), self.frequencies, self.weights, self.linear)

    def slope_error(self) -> float:
        """Return the largest error of the fit's derivative for ``|x| <= bound``, measured on a grid."""
        x = self.width * _check_grid(self.bound / self.width)
        slope, square = self.linear - 0.5 / self.width / np.cosh(np.minimum(x / (2 * self.width), 350)) ** 2, x * x
        for frequency, weight in zip(self.frequencies, self.weights, strict=True):
            above = frequency * frequency
            slope = slope + weight * (above - square) / (square + above) ** 2
        return float(abs(slope).max())

    def log_cosh(self, x: np.ndarray | float) -> np.ndarray:
        r"""Return the fit of ``ln(2 cosh(x/2a))``, the integral of the fit of tanh, exact at x = 0.

        .. math:: \ln 2 + \frac{1}{2a} \Big[ \frac{d x^2}{2} + \frac12 \sum_j c_j \ln(1 + x^2/w_j^2) \Big]

        Off by at most ``log_cosh_error``, and by at most ``error * |x| / (2 a)``, for ``|x| <= bound``.
        """
        return _log_cosh_fit(np.asarray(x, dtype=float), self.frequencies, self.weights, self.linear, self.width)

    def trace_log_cosh(self, log_determinants: np.ndarray, trace_of_square: float, size: int) -> float:
        r"""Return ``Tr ln(2 cosh(X/2a))`` of a Hermitian matrix X from determinants at the poles.

        .. math:: n \ln 2 + \frac{1}{2a} \Big[ \frac{d}{2} \mathrm{Tr} X^2
                  + \sum_j c_j (\ln|\det(i w_j - X)| - n \ln w_j) \Big]

        Parameters
        ----------
        log_determinants : array, shape (P,)
            ``ln|det(i w_j - X)|``, in the order of ``frequencies``.
        trace_of_square : float
            ``Tr X^2``, the sum of all ``|X_ij|^2``.
        size : int
            Rows n of X.

        Returns
        -------
        float
            Off by at most ``n * log_cosh_error`` if no eigenvalue of X exceeds ``bound``.

        Raises
        ------
        ValueError
            If there is not one determinant for each pole.
        """
        logs = np.asarray(log_determinants, dtype=float)
        if logs.shape != self.frequencies.shape:
            raise ValueError(
                f"log_determinants must hold one number for each of the {self.frequencies.size} poles, in the order "
                f"of frequencies; got shape {logs.shape}"
            )
        integral = self.linear * trace_of_square / 2 + self.weights @ (logs - size * np.log(self.frequencies))
        return float(size * math.log(2) + integral / (2 * self.width))


def matsubara_poles(bound: float, width: float, tol: float) -> Poles:
    r"""Return few poles with ``|d x + sum_j c_j x/(x^2 + w_j^2) - tanh(x/2a)| <= tol`` for all ``|x| <= bound``.

    The frequencies are chosen among the poles of tanh by a column-pivoted QR factorisation (the lowest is always
    taken), the weights and the linear term by least squares, two more poles at a time until the error, measured on a
    finer grid than the fit's and at its refined local maxima, is below ``tol``; then one pole less is tried. The fit
    depends on ``bound/width`` and ``tol`` alone: it is kept in memory for these two (rounded to 9 digits), so the same
    arguments, scaled or not, give the same poles. It takes about 0.1 s the first time.

    Parameters
    ----------
    bound : float
        Largest ``|x|`` that matters, > 0: for a matrix function at least its spectral radius.
    width : float
        a > 0, in the unit of ``bound``; ``bound/width`` at most 1e9.
    tol : float
        Largest absolute error of tanh, from 1e-12 (double precision) to 0.1.

    Returns
    -------
    Poles
        Frequencies, weights, linear coefficient and the measured errors; arrays on the host, read-only.

    Raises
    ------
    TypeError
        If an argument is not a real number.
    ValueError
        If an argument is not finite, not positive, or out of the range above.
    ArithmeticError
        If 80 poles do not reach ``tol``; the text says what was reached.

    Examples
    --------
    >>> poles = matsubara_poles(bound=7, width=0.0085, tol=1e-6)
    >>> len(poles.frequencies)
    15

    References
    ----------
    T. Ozaki, Phys. Rev. B 75, 035123 (2007): poles of the continued fraction, their number grows like sqrt(s/a);
    J. Kaye, K. Chen, O. Parcollet, Phys. Rev. B 105, 235115 (2022): nodes on the imaginary axis by pivoted QR.
    """
    return _scaled(_scaled_fit, bound, width, tol)


def tanh_poles(bound: float, width: float, tol: float) -> Poles:
    r"""Return fewer poles than `matsubara_poles` for the same: their frequencies are free, above pi * width.

    The frequencies and weights minimise the squared error on a grid, one pole after the other until the error,
    measured as in `matsubara_poles`, is below ``tol``. All weights are positive. Where this fails, the Matsubara fit
    is returned (``matsubara`` tells). Kept in memory in the same way; takes 0.02 to 0.1 s the first time.

    Parameters
    ----------
    bound, width, tol : float
        As in `matsubara_poles`.

    Returns
    -------
    Poles

    Raises
    ------
    TypeError, ValueError, ArithmeticError
        As in `matsubara_poles`.

    Examples
    --------
    >>> len(tanh_poles(bound=7, width=0.0085, tol=1e-6).frequencies)
    10
    """
    return _scaled(_scaled_free_fit, bound, width, tol)


def _scaled(fit_of: Callable[[float, float], _Fit], bound: float, width: float, tol: float) -> Poles:
    """Return the fit of ``fit_of(bound/width, tol)`` in the unit of the arguments, after their checks."""
    bound, width, tol = (_positive(*item) for item in (("bound", bound), ("width", width), ("tol", tol)))
    if not MIN_TOL <= tol <= MAX_TOL:
        raise ValueError(
            f"tol must lie between {MIN_TOL:g}, what double precision affords, and {MAX_TOL:g}; got {tol!r}"
        )
    # As logarithms: the quotient itself may overflow.
    if math.log(bound) - math.log(width) > math.log(MAX_RATIO):
        raise ValueError(
            f"bound/width must be at most {MAX_RATIO:g}; got bound={bound!r}, width={width!r}. Take a larger width, "
            "or the limit of zero width, sign(x)"
        )
    fit = fit_of(float(f"{bound / width:.8e}"), tol)
    frequencies, weights = fit.frequencies * width, fit.weights * width
    frequencies.setflags(write=False)
    weights.setflags(write=False)
    return Poles(
        frequencies=frequencies,
        weights=weights,
        linear=fit.linear / width,
        bound=bound,
        width=width,
        tol=tol,
        error=fit.error,
        error_at=min(fit.error_at * width, bound),
        log_cosh_error=fit.log_cosh_error,
        matsubara=fit.matsubara,
    )


class _Fit(NamedTuple):
    """A fit for width 1."""

    frequencies: np.ndarray
    weights: np.ndarray
    linear: float
    error: float
    error_at: float
    log_cosh_error: float
    matsubara: bool = True


@lru_cache(maxsize=256)
def _scaled_fit(ratio: float, tol: float) -> _Fit:
    """Return the smallest accepted fit for width 1 on ``|x| <= ratio``."""
    edge = ratio * (1 + 1e-8)  # ratio was rounded
    x = _fit_grid(edge)
    order = _ranked_frequencies(edge, x)
    fine = _check_grid(edge)
    best = math.inf
    most = min(MAX_POLES, order.size)
    for count in range(2, most + 1, 2):
        fit = _measured_fit(np.sort(order[:count]), x, fine)
        best = min(best, fit.error)
        if fit.error <= SAFETY * tol:
            fewer = _measured_fit(np.sort(order[: count - 1]), x, fine)
            return fewer if fewer.error <= SAFETY * tol else fit
    raise ArithmeticError(
        f"tol={tol:g} is not reached for bound/width = {ratio:.6g}: {most} poles leave an error of {best:.2g} at "
        "best. Take a larger tol or a larger width"
    )


@lru_cache(maxsize=256)
def _scaled_free_fit(ratio: float, tol: float) -> _Fit:
    """Return the smallest accepted fit with free frequencies, or the Matsubara fit."""
    edge = ratio * (1 + 1e-8)
    for w, residual in free_frequencies(edge, MAX_POLES):
        if residual > 2 * tol:
            continue
        fit = _measured_fit(w, _fit_grid(edge), _check_grid(edge))
        if fit.error <= SAFETY * tol:
            return fit._replace(matsubara=False)
        if residual < 0.1 * tol:  # one pole more would not help
            break
    return _scaled_fit(ratio, tol)


def _fit_grid(edge: float) -> np.ndarray:
    """Return the points of the least-squares fit: logarithmic, linear, and linear again where tanh bends."""
    return np.unique(
        np.concatenate(
            [
                np.geomspace(1e-2 * min(1.0, edge), edge, 1500),
                np.linspace(0, edge, 751)[1:],
                np.linspace(0, min(30.0, edge), 376)[1:],
            ]
        )
    )


def _check_grid(edge: float) -> np.ndarray:
    """Return the points of the error measurement: several times the fit's, from 1e-6 on, dense at the end.

    The error is analytic in ln x where |Im ln x| < pi/2 (its poles lie at x = i w), so a step of 0.002 in ln x
    resolves its extrema; only at the end of the interval they crowd, to a distance of about edge/P^2.
    """
    start = 1e-6 * min(1.0, edge)
    count = math.ceil(math.log(edge / start) / 0.002) + 1
    grid = np.concatenate([[0.0], np.geomspace(start, edge, count), edge * (1 - np.geomspace(1e-8, 0.5, 2000))])
    return np.unique(grid.clip(0, edge))


def _ranked_frequencies(edge: float, x: np.ndarray) -> np.ndarray:
    """Return the candidates n = 0..11 and about 400 up to 20 edge, the lowest first, then in order of their pivots."""
    far = np.geomspace(12, max(20 * edge / math.pi, 13), 400)
    n = np.unique(np.concatenate([np.arange(12), np.round(far).astype(np.int64)]))
    w = math.pi * (2 * n + 1)
    kernel = x[:, None] * w / (x[:, None] ** 2 + w**2)
    _, pivots = scipy.linalg.qr(kernel, mode="r", pivoting=True, overwrite_a=True, check_finite=False)
    return w[np.concatenate([[0], pivots[pivots != 0]])]


def _measured_fit(w: np.ndarray, x: np.ndarray, fine: np.ndarray) -> _Fit:
    """Return weights and linear term by least squares on ``x``, and their errors on ``fine``."""
    columns = np.column_stack([x[:, None] / (x[:, None] ** 2 + w**2), x])
    scale = np.linalg.norm(columns, axis=0)  # equilibrated: the columns differ by w^2
    # lstsq cuts singular values at rounding: close poles cannot get huge weights of opposite sign.
    solution = np.linalg.lstsq(columns / scale, np.tanh(x / 2), rcond=1e-15)[0] / scale
    weights, linear = solution[:-1], float(solution[-1])
    error, error_at = _maximum(lambda y: np.abs(_tanh_fit(y, w, weights, linear) - np.tanh(y / 2)), fine)

    def log_cosh_deviation(y: np.ndarray) -> np.ndarray:
        return np.abs(_log_cosh_fit(y, w, weights, linear, 1.0) - np.logaddexp(y / 2, -y / 2))

    return _Fit(w, weights, linear, error, error_at, float(log_cosh_deviation(fine).max()))


def _maximum(function: Callable[[np.ndarray], np.ndarray], grid: np.ndarray) -> tuple[float, float]:
    """Return the largest value of ``function`` and its place: on the grid, then around each of its peaks there."""
    values = function(grid)
    inner = 1 + np.flatnonzero((values[1:-1] >= values[:-2]) & (values[1:-1] >= values[2:]))
    inner = inner[values[inner] >= 0.5 * values.max()]  # lower peaks cannot win: a step changes a peak by < 1 %
    steps = np.linspace(0, 1, 33)
    between = grid[inner - 1, None] + steps * (grid[inner + 1] - grid[inner - 1])[:, None]
    points = np.concatenate([grid, between.ravel()])
    values = np.concatenate([values, function(between.ravel())])
    top = int(values.argmax())
    return float(values[top]), float(points[top])


def _tanh_fit(x: np.ndarray, w: np.ndarray, weights: np.ndarray, linear: float) -> np.ndarray:
    """Return ``d x + sum_j c_j x/(x^2 + w_j^2)``, one pole at a time to keep the memory of one array."""
    value, square = linear * x, x * x
    for frequency, weight in zip(w, weights, strict=True):
        value = value + weight * x / (square + frequency * frequency)
    return value


def _log_cosh_fit(x: np.ndarray, w: np.ndarray, weights: np.ndarray, linear: float, width: float) -> np.ndarray:
    """Return ``ln 2`` plus the integral of `_tanh_fit` from 0 to x, over 2 width."""
    value = linear * x * x / 2
    for frequency, weight in zip(w, weights, strict=True):
        value = value + weight / 2 * np.log1p((x / frequency) ** 2)
    return math.log(2) + value / (2 * width)


def _positive(name: str, value: float) -> float:
    """Return ``value`` as a float after the checks that all three arguments share."""
    if not isinstance(value, Real) or isinstance(value, bool):
        raise TypeError(f"{name} must be a real number; got {value!r} of type {type(value).__name__}")
    number = float(value)
    if not (math.isfinite(number) and number > 0):
        raise ValueError(f"{name} must be finite and > 0; got {value!r}")
    return number
