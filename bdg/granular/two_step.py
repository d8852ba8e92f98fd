r"""The second transition of a curve R(T), read off as the crossing of its straight parts.

.. math:: R_{\mathrm{steep}}(T^*) = R_{\mathrm{plateau}}(T^*)

The steep part is what lies between two fractions of the plateau's line, the plateau all above; both are fitted with
straight lines, and the parts follow from the lines until they agree.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from bdg.base.arguments import real_array
from bdg.base.results import Evidence, Result, quantity

if TYPE_CHECKING:
    from matplotlib.figure import Figure

STEEPER = 3.0  # how many times steeper than the plateau a step is
NARROWER = (0.2, 0.8)  # the other choice of the steep part, whose crossing tells how much the choice matters
FALLS_BELOW = 0.5  # of the plateau, or there is no step
MOST_ROUNDS = 20


@dataclass(frozen=True, eq=False, kw_only=True)
class TwoStepTemperature(Result):
    """Where the straight parts of R(T) cross.

    Attributes
    ----------
    found : bool
        Whether there is a step; if not, ``temperature``, ``error`` and ``width`` are NaN.
    temperature, error : float
        Of the crossing, in the unit of the temperatures.
    width : float
        From the crossing down to where the steep line is 0.
    steep_line, plateau_line : arrays (2,)
        R at temperature 0 and slope.
    reason : str
        Why there is a step, or none.
    temperatures, resistance : arrays (T,)
        The curve, in ascending order.
    """

    found: bool = quantity("whether there is a step")
    temperature: float = quantity("where the straight parts cross", "temperature")
    error: float = quantity("its error", "temperature")
    width: float = quantity("of the step", "temperature")
    steep_line: np.ndarray = quantity("R at temperature 0 and slope of the steep part (2,)")
    plateau_line: np.ndarray = quantity("R at temperature 0 and slope of the plateau (2,)")
    reason: str = quantity("why there is a step, or none")
    temperatures: np.ndarray = quantity("temperatures (T,)", "temperature")
    resistance: np.ndarray = quantity("resistance (T,)")

    def plot(self, ax: Any = None) -> Figure:
        """Return a Figure of the curve, its straight parts and their crossing."""
        from bdg.plots.networks import plot_two_steps

        lines = [self.steep_line, self.plateau_line] if self.found else []
        return plot_two_steps(self.temperatures, self.resistance, lines, (self.temperature, self.error), ax)


def two_step_temperature(
    temperatures: Any,
    resistance: Any,
    *,
    errors: Any = None,
    steep: tuple[float, float] = (0.1, 0.9),
    between: tuple[float, float] | None = None,
) -> TwoStepTemperature:
    r"""Return where the straight parts of R(T), the steep one and the plateau above it, cross.

    .. math:: T^* = \frac{a_p - a_s}{b_s - b_p}, \qquad R_s = a_s + b_s T, \quad R_p = a_p + b_p T

    Parameters
    ----------
    temperatures, resistance : arrays (T,)
        In any units and any order; at least four points.
    errors : array (T,), optional
        Standard errors of the resistance; default: from the scatter about the lines.
    steep : (low, high)
        Fractions of the plateau between which the steep part lies.
    between : (low, high), optional
        Temperatures that count: up to where the next step begins.

    Returns
    -------
    TwoStepTemperature
        ``found`` is False, with the ``reason``, where R stays above half of the plateau, where the step is less than
        three times steeper than the plateau, or where lines do not cross inside the curve. The error holds the errors
        of both lines, the shift with a narrower steep part (.2 to .8), and half the distance of points where the step
        has none inside.

    Raises
    ------
    TypeError, ValueError
        If arrays have the wrong shape, hold NaN or have fewer than four points.

    References
    ----------
    The way of reading of experimental papers on two-step transitions; no more than that.

    Examples
    --------
    >>> import numpy as np
    >>> from bdg.granular import two_step_temperature
    >>> temperatures = np.linspace(2, 40, 39)
    >>> resistance = np.clip((temperatures - 15) / 10, 0, 1) + 0.002 * temperatures
    >>> steps = two_step_temperature(temperatures, resistance)
    >>> print(steps.found, round(steps.temperature, 1))
    True 24.8
    """
    points, values, spread = _require_curve(temperatures, resistance, errors, between)
    low, high = steep
    if not 0 < low < high < 1:
        raise ValueError(f"steep must be two fractions 0 < low < high < 1; got {steep!r:.80}")
    first = _crossing(points, values, spread, (low, high))
    if isinstance(first, str):
        return _result(points, values, first)
    other = _crossing(points, values, spread, NARROWER)
    shift = abs(other.temperature - first.temperature) if isinstance(other, _Lines) else 0.0
    return _result(points, values, "a step of its own", first, float(np.hypot(first.error, shift)))


@dataclass(frozen=True, eq=False)
class _Lines:
    temperature: float
    error: float
    steep: np.ndarray
    plateau: np.ndarray


def _crossing(points: np.ndarray, values: np.ndarray, spread: np.ndarray | None, steep: tuple[float, float]) -> Any:
    """Return lines and crossing, or in words why there is none."""
    top = float(np.median(values[values >= 0.9 * values.max()]))
    above = values >= steep[1] * top
    for _ in range(MOST_ROUNDS):
        start = points.size - int(np.argmin(above[::-1])) if not above.all() else 0  # the last run of points above
        if points.size - start < 2:
            return "fewer than two points of a plateau above the step"
        plateau, plateau_covariance = _line(points[start:], values[start:], None if spread is None else spread[start:])
        share = values / np.maximum(plateau[0] + plateau[1] * points, 1e-3 * top)
        again = share >= steep[1]
        if np.array_equal(again, above):
            break
        above = again
    if share.min() > FALLS_BELOW:
        return f"no step: the resistance stays above {share.min():.2f} of the plateau"
    start = points.size - int(np.argmin(above[::-1]))
    lower = np.flatnonzero(share[:start] <= steep[0])
    bottom = int(lower[-1]) + 1 if lower.size else 0
    inside = slice(bottom, start)
    if start - bottom < 2:  # the step lies between points
        edges = points[max(bottom - 1, 0)], points[start]
        middle = 0.5 * (edges[0] + edges[1])
        slope = (plateau[0] + plateau[1] * middle) / (0.5 * (edges[1] - edges[0]))
        line = np.array([plateau[0] + (plateau[1] - slope) * middle, slope])
        error = 0.5 * (edges[1] - edges[0])
        return _Lines(float(middle), float(error), line, plateau)
    line, covariance = _line(points[inside], values[inside], None if spread is None else spread[inside])
    if line[1] < STEEPER * abs(plateau[1]):
        return f"no step: its slope is {line[1] / abs(plateau[1]):.1f} times that of the plateau"
    crossing = float((plateau[0] - line[0]) / (line[1] - plateau[1]))
    if not points[0] < crossing < points[-1]:
        return f"no step: the lines cross at {crossing:.4g}, outside of the curve"
    at = np.array([1.0, crossing])
    variance = float(at @ (covariance + plateau_covariance) @ at) / (line[1] - plateau[1]) ** 2
    return _Lines(crossing, float(np.sqrt(variance)), line, plateau)


def _line(x: np.ndarray, y: np.ndarray, spread: np.ndarray | None) -> tuple[np.ndarray, np.ndarray]:
    """Return (value at 0, slope) and their covariance; without errors from the scatter."""
    design = np.stack([np.ones_like(x), x], axis=1)
    weights = np.ones_like(x) if spread is None else 1 / spread**2
    inverse = np.linalg.inv(design.T @ (weights[:, None] * design))
    found = inverse @ (design.T @ (weights * y))
    left = float((weights * (y - design @ found) ** 2).sum()) / max(1, x.size - 2)
    return found, inverse * (left if spread is None else max(1.0, left))


def _result(
    points: np.ndarray, values: np.ndarray, reason: str, lines: _Lines | None = None, error: float = np.nan
) -> TwoStepTemperature:
    nothing = np.full(2, np.nan)
    height = lines.steep[0] + lines.steep[1] * lines.temperature if lines else np.nan
    return TwoStepTemperature(
        found=lines is not None,
        temperature=lines.temperature if lines else np.nan,
        error=error,
        width=float(height / lines.steep[1]) if lines else np.nan,
        steep_line=lines.steep if lines else nothing,
        plateau_line=lines.plateau if lines else nothing,
        reason=reason,
        temperatures=points,
        resistance=values,
        evidence=Evidence(method="straight_parts", why="the only one"),
    )


def _require_curve(
    temperatures: Any, resistance: Any, errors: Any, between: Any
) -> tuple[np.ndarray, np.ndarray, np.ndarray | None]:
    curve = [real_array(name, v) for name, v in (("temperatures", temperatures), ("resistance", resistance))]
    if errors is not None:
        curve.append(real_array("errors", errors))
    if any(a.dtype.kind not in "iuf" or a.ndim != 1 or a.shape != curve[0].shape for a in curve):
        raise ValueError(
            "temperatures, resistance and errors must be real arrays of one length; got shapes "
            f"{[a.shape for a in curve]}"
        )
    if not all(np.isfinite(a).all() for a in curve) or (errors is not None and not (curve[2] > 0).all()):
        raise ValueError("temperatures and resistance must be finite, errors > 0 and finite")
    low, high = (-np.inf, np.inf) if between is None else between
    order = np.argsort(curve[0], kind="stable")
    order = order[(curve[0][order] >= low) & (curve[0][order] <= high)]
    if order.size < 4:
        raise ValueError(f"temperatures must be at least 4, to find two straight parts; got {order.size} that count")
    found = [a[order].astype(float) for a in curve]
    return found[0], found[1], found[2] if errors is not None else None
