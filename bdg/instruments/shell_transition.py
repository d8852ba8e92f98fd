r"""T_c and width of a shell of links from chi(T) of a coated sphere, by least squares.

.. math:: \chi^2 = \sum_T \frac{|\chi(T) - \chi(T; T_c, w, I_0, R_b)|^2}{\sigma_T^2}

The links of `bdg.instruments.LinkedShell` on a known core. Parameters that move the curve in the same way are told:
the covariance, the most correlated pair, and chi^2 over that pair with all others refitted.
"""

from __future__ import annotations

import dataclasses
import math
import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import scipy  # its parts load on use

from bdg.base.results import Choice, Evidence, Result, quantity
from bdg.electrodynamics.conducting_sphere import sphere_susceptibility
from bdg.gpu.device.backend import select_backend
from bdg.instruments.ac_susceptometer import AcSusceptometer
from bdg.instruments.linked_shell import WIDEST, LinkedShell
from bdg.instruments.magnetometer import require_temperatures
from bdg.instruments.residual_resistivity import require_points
from bdg.instruments.samples import Curve, value_at
from bdg.lattices.arguments import positive_number, whole_number

if TYPE_CHECKING:
    from matplotlib.figure import Figure

FREE = ("critical_temperature_K", "width_K", "critical_current_A", "bridge_ohm")
WORDS = {
    "critical_temperature_K": "$T_c$ (K)",
    "width_K": "width (K)",
    "critical_current_A": "$I_0$ (A)",
    "bridge_ohm": r"bridges ($\Omega$ per square)",
}
LEAST_POINTS = 8
SEEN = 16.0  # of chi^2 by which links must be better than none
REACH = 3.0  # standard deviations on each side of a profile
_LOW, _HIGH = 0.4, 2.5  # bounds of T_c over where it starts
_STEP = 1e-4


@dataclass(frozen=True, eq=False, kw_only=True)
class ShellTransition(Result):
    """Parameters of a shell that fit chi(T), or the reason why there are none.

    Attributes
    ----------
    names : list of str
        Of the P parameters, as in `LinkedShell`.
    values, error : arrays (P,)
        With standard errors; NaN if there are none.
    covariance, correlation : arrays (P, P)
    pair : list of str
        The two that are correlated most.
    pair_first, pair_second : arrays (G, G)
        Their values in the profile, along the axes of their covariance.
    profile : array (G, G)
        chi^2 above its minimum, all other parameters refitted; NaN where a parameter would be out of its range.
    chi_squared, bare_chi_squared : float
        Of the fit, and of a sphere without a shell.
    degrees_of_freedom : int
    temperatures_K, real, imaginary, sigma : arrays (T,)
        What was fitted, and the errors.
    fitted_real, fitted_imaginary : arrays (T,)
    words : str
        Why there is none, or what is not determined; else "".
    """

    names: list[str] = quantity("parameters (P,)")
    values: np.ndarray = quantity("their values (P,), each in the unit of its name")
    error: np.ndarray = quantity("their standard errors (P,)")
    covariance: np.ndarray = quantity("their covariance (P, P)")
    correlation: np.ndarray = quantity("their correlation (P, P)")
    pair: list[str] = quantity("the two parameters that are correlated most")
    pair_first: np.ndarray = quantity("values of the first of the pair in the profile (G, G), may be empty")
    pair_second: np.ndarray = quantity("values of the second (G, G), may be empty")
    profile: np.ndarray = quantity("chi^2 above its minimum, the others refitted (G, G), may be empty")
    chi_squared: float = quantity("chi^2 of the fit")
    bare_chi_squared: float = quantity("chi^2 of a sphere without a shell")
    degrees_of_freedom: int = quantity("numbers less parameters")
    temperatures_K: np.ndarray = quantity("temperatures (T,)", "K")  # noqa: N815 - the unit
    real: np.ndarray = quantity("measured chi' (T,)")
    imaginary: np.ndarray = quantity("measured chi'' (T,)")
    sigma: np.ndarray = quantity("their standard deviation (T,)")
    fitted_real: np.ndarray = quantity("fitted chi' (T,)")
    fitted_imaginary: np.ndarray = quantity("fitted chi'' (T,)")
    words: str = quantity("why there is none, or what is not determined")

    def __getitem__(self, name: str) -> tuple[float, float]:
        """Return value and standard error of a parameter by its name."""
        if name not in self.names:
            raise KeyError(f"{name!r} was not fitted; there are {', '.join(self.names)}")
        place = self.names.index(name)
        return float(self.values[place]), float(self.error[place])

    def plot(self, ax: Any = None) -> Figure:
        """Return a Figure of chi^2 over the most correlated pair; of the curves where there is no profile."""
        from bdg.plots.fits import plot_fit, plot_profile

        if not self.profile.size:
            lines = {"fit": self.fitted_imaginary}
            labels = "temperature (K)", r"$4\pi\chi''$"
            return plot_fit(self.temperatures_K, self.imaginary, self.sigma, lines, labels, ax)
        best = self[self.pair[0]][0], self[self.pair[1]][0]
        labels = WORDS[self.pair[0]], WORDS[self.pair[1]]
        return plot_profile(self.pair_first, self.pair_second, self.profile, best, labels, ax)


def fit_shell_transition(
    temperatures_K: Any,
    real: Any,
    imaginary: Any,
    error: Any = None,
    *,
    instrument: AcSusceptometer,
    radius_m: float,
    resistivity_ohm_m: Curve | float,
    shell: LinkedShell,
    free: Sequence[str] = FREE,
    profile_points: int = 11,
) -> ShellTransition:
    r"""Return T_c, width and what else of a shell is free, with errors and correlations, from chi(T).

    .. math:: \chi^2 = \sum_T |\chi(T) - \chi(T; T_c, w, I_0, R_b)|^2/\sigma_T^2, \qquad C = (J^T J)^{-1}

    Parameters
    ----------
    temperatures_K : array (T,)
        Ascending, at least eight, from below the transition to above it.
    real, imaginary : array (T,)
        chi' and chi'', a perfect diamagnet having -1.
    error : float or array (T,), optional
        Standard deviation of each of both parts, > 0. None: from the scatter about the fit.
    instrument : AcSusceptometer
        Frequency and amplitude of the field.
    radius_m : float
        > 0.
    resistivity_ohm_m : float or callable
        Of the core, or a function of the temperature (K).
    shell : LinkedShell
        Where to start, and the values of what is not free.
    free : list of str
        Of critical_temperature_K, width_K, critical_current_A, bridge_ohm.
    profile_points : int
        Points of the profile along each of the most correlated pair, 0 (no profile) or 3 to 101.

    Returns
    -------
    ShellTransition
        With NaN for values and the reason in ``words`` where the curve shows no transition.

    Raises
    ------
    TypeError, ValueError
        If an argument is of the wrong type or shape or out of range.

    References
    ----------
    J. J. More, in Numerical Analysis, Lecture Notes in Mathematics 630, 105 (1978): the algorithm.

    Examples
    --------
    >>> import numpy as np
    >>> from bdg.instruments import AcSusceptometer, LinkedShell, fit_shell_transition
    >>> from bdg.lattices import resistivity
    >>> instrument, core = AcSusceptometer(1550.0, 16.0, amplitude_is="peak"), resistivity("Mg")
    >>> shell = LinkedShell(critical_temperature_K=51.0, critical_current_A=1.2, width_K=1.5)
    >>> chi = instrument.sweep(shell.on(1.5e-3, core), np.linspace(5, 60, 30))
    >>> start = LinkedShell(critical_temperature_K=47.0, critical_current_A=0.9, width_K=1.5)
    >>> how = {"instrument": instrument, "radius_m": 1.5e-3, "resistivity_ohm_m": core, "profile_points": 0}
    >>> free = "critical_temperature_K", "critical_current_A"
    >>> fit = fit_shell_transition(chi.temperatures_K, chi.real, chi.imaginary, 3e-3, shell=start, free=free, **how)
    >>> print(fit.values.round(1))  # what went in
    [51.   1.2]
    """
    start = time.perf_counter()
    for name, value, kind in (("instrument", instrument, AcSusceptometer), ("shell", shell, LinkedShell)):
        if not isinstance(value, kind):
            raise TypeError(f"{name} must be a bdg.instruments.{kind.__name__}; got {type(value).__name__}")
    temperatures = require_temperatures(temperatures_K)
    measured_real, sigma = require_points("real", real, error, temperatures.size, LEAST_POINTS)
    measured_imaginary, _ = require_points("imaginary", imaginary, error, temperatures.size, LEAST_POINTS)
    names = _require_free(free, shell)
    points = whole_number("profile_points", profile_points, 0, 101)
    if points in (1, 2):
        raise ValueError(f"profile_points must be 0 or at least 3; got {points}")
    radius = positive_number("radius_m", radius_m, "m")
    core = np.array([value_at("resistivity_ohm_m", resistivity_ohm_m, t, "ohm m") for t in temperatures.tolist()])
    problem = _Problem(
        temperatures=temperatures,
        measured=np.concatenate([measured_real, measured_imaginary]),
        weights=np.ones(2 * temperatures.size) if sigma is None else np.tile(1 / sigma, 2),
        core=np.asarray(sphere_susceptibility(radius, core, instrument.frequency_Hz)),
        radius=radius,
        instrument=instrument,
        shell=shell,
        names=names,
    )
    best, cost = problem.best()
    freedom = 2 * temperatures.size - len(names)
    scale = 1.0 if sigma is not None else max(cost / freedom, 1e-300)
    covariance = scale * problem.covariance(best)
    words = problem.verdict(best, cost, scale, covariance)
    found = not words.startswith("there is none")
    correlation = _correlation(covariance)
    pair = _most_correlated(correlation)
    axes, profile = problem.profile(best, cost, covariance, pair, points if found else 0)
    fitted = problem.curve(best) if found else problem.bare()
    nothing = np.full(len(names), np.nan)
    choice = Choice("trust region", "two starts, the best of them", select_backend("cpu"))
    return ShellTransition(
        names=list(names),
        values=best if found else nothing,
        error=np.sqrt(np.diag(covariance)) if found else nothing,
        covariance=covariance if found else np.full_like(covariance, np.nan),
        correlation=correlation if found else np.full_like(covariance, np.nan),
        pair=[names[k] for k in pair],
        pair_first=axes[0],
        pair_second=axes[1],
        profile=profile / scale,
        chi_squared=cost / scale,
        bare_chi_squared=problem.cost(problem.bare()) / scale,
        degrees_of_freedom=freedom,
        temperatures_K=temperatures,
        real=measured_real,
        imaginary=measured_imaginary,
        sigma=np.full(temperatures.size, math.sqrt(scale)) if sigma is None else sigma,
        fitted_real=fitted[: temperatures.size],
        fitted_imaginary=fitted[temperatures.size :],
        words=words,
        evidence=Evidence.of(choice, dtype="float64", start=start, evaluations=problem.evaluations),
    )


@dataclass(kw_only=True)
class _Problem:
    """The least-squares problem: parameters in units of where they start."""

    temperatures: np.ndarray
    measured: np.ndarray
    weights: np.ndarray
    core: np.ndarray  # chi without a shell
    radius: float
    instrument: AcSusceptometer
    shell: LinkedShell
    names: tuple[str, ...]
    evaluations: int = 0

    @property
    def units(self) -> np.ndarray:
        """Size of each parameter: that at the start, of a width a hundredth of T_c."""
        least = {"width_K": 0.01 * self.shell.critical_temperature_K, "bridge_ohm": 1e-6, "critical_current_A": 1e-3}
        return np.array([max(getattr(self.shell, name), least.get(name, 0.0)) for name in self.names])

    def curve(self, values: np.ndarray) -> np.ndarray:
        """Return chi' and chi'', one after the other."""
        self.evaluations += 1
        shell = dataclasses.replace(self.shell, **dict(zip(self.names, values.tolist(), strict=True)))
        frequency, peak = self.instrument.frequency_Hz, self.instrument.peak_A_m
        chi = shell.susceptibility(self.temperatures, self.core, self.radius, frequency, peak)
        return np.concatenate([chi.real, chi.imag])

    def bare(self) -> np.ndarray:
        """Return chi' and chi'' without a shell."""
        return np.concatenate([self.core.real, self.core.imag])

    def cost(self, curve: np.ndarray) -> float:
        return float(((self.weights * (curve - self.measured)) ** 2).sum())

    def bounds(self) -> tuple[np.ndarray, np.ndarray]:
        middle = self.shell.critical_temperature_K
        narrow = WIDEST * (_LOW if "critical_temperature_K" in self.names else 1.0) * middle
        limits = {"critical_temperature_K": (_LOW * middle, _HIGH * middle), "width_K": (0.0, narrow)}
        ends = [limits.get(name, (0.0, math.inf)) for name in self.names]
        return np.array([low for low, _ in ends]), np.array([high for _, high in ends])

    def solve(self, start: np.ndarray, moving: np.ndarray) -> tuple[np.ndarray, float]:
        """Return the best values and chi^2 when only some parameters move."""
        units, (low, high) = self.units, self.bounds()
        whole = np.clip(start, low, high)

        def residuals(part: np.ndarray) -> np.ndarray:
            whole[moving] = part * units[moving]
            return self.weights * (self.curve(np.clip(whole, low, high)) - self.measured)

        if not moving.any():
            return whole, self.cost(self.curve(whole))
        low_part, high_part = low[moving] / units[moving], high[moving] / units[moving]
        inside = np.clip(whole[moving] / units[moving], low_part + 1e-9, high_part - 1e-9)
        found = scipy.optimize.least_squares(residuals, inside, bounds=(low_part, high_part), x_scale="jac", ftol=1e-9)
        whole[moving] = found.x * units[moving]
        return whole.copy(), 2 * float(found.cost)

    def best(self) -> tuple[np.ndarray, float]:
        """Return the best of several starts: T_c as given, and where chi' leaves that of the core."""
        begin = np.array([getattr(self.shell, name) for name in self.names], dtype=float)
        starts = [begin]
        if "critical_temperature_K" in self.names:
            count = self.temperatures.size
            off = abs((self.measured - self.bare())[:count])
            onset = self.temperatures[off > max(0.02, 0.1 * off.max())].max(initial=self.temperatures[0])
            changed = begin.copy()
            changed[self.names.index("critical_temperature_K")] = onset
            starts.append(changed)
        every = np.ones(len(self.names), dtype=bool)
        return min((self.solve(each, every) for each in starts), key=lambda found: found[1])

    def covariance(self, values: np.ndarray) -> np.ndarray:
        """Return the inverse of J^T J, one-sided at a bound; of a width that is not seen, where chi^2 rises by one."""
        units, low = self.units, self.bounds()[0]
        columns = []
        for k, unit in enumerate(units):
            step = np.zeros(len(units))
            step[k] = _STEP * unit
            below = values - step if values[k] - step[k] >= low[k] else values
            columns.append((self.curve(values + step) - self.curve(below)) / (values + step - below)[k])
        jacobian = self.weights[:, None] * np.array(columns).T * units
        return np.asarray(np.linalg.pinv(jacobian.T @ jacobian, rcond=1e-14, hermitian=True) * np.outer(units, units))

    def verdict(self, values: np.ndarray, cost: float, scale: float, covariance: np.ndarray) -> str:
        """Return why there is no transition, or what of it is not determined, or ""."""
        ends = f"{self.temperatures[0]:g} and {self.temperatures[-1]:g} K"
        if self.cost(self.bare()) - cost < SEEN * scale:
            return f"there is none: a sphere without a shell fits as well between {ends}"
        parameters = dict(zip(self.names, values.tolist(), strict=True))
        critical = parameters.get("critical_temperature_K", self.shell.critical_temperature_K)
        if not self.temperatures[0] < critical < self.temperatures[-1]:
            return f"there is none between {ends}: the best T_c is {critical:.4g} K. Measure over the onset"
        errors = dict(zip(self.names, np.sqrt(np.diag(covariance)).tolist(), strict=True))
        if "width_K" in errors and parameters["width_K"] < 2 * errors["width_K"]:
            most = parameters["width_K"] + 2 * errors["width_K"]
            return f"the width is not different from 0: at most about {most:.2g} K (two standard deviations)"
        return ""

    def profile(
        self, best: np.ndarray, cost: float, covariance: np.ndarray, pair: tuple[int, ...], points: int
    ) -> tuple[tuple[np.ndarray, np.ndarray], np.ndarray]:
        """Return the values of a pair of parameters (G, G) and chi^2 above its minimum there, the others refitted.

        Points lie along the axes of the pair's covariance, as a ridge would fall between those of a plain grid.
        """
        empty = np.zeros((0, 0))
        if not points or len(pair) < 2:
            return (empty, empty), empty
        (low, high), chosen, errors = self.bounds(), list(pair), np.sqrt(np.diag(covariance))
        moving = np.ones(best.size, dtype=bool)
        moving[chosen] = False
        inner = covariance[np.ix_(chosen, chosen)]
        variance, directions = np.linalg.eigh(inner / np.outer(errors[chosen], errors[chosen]))
        offsets = np.linspace(-REACH, REACH, points)
        steps = np.stack(np.meshgrid(offsets, offsets, indexing="ij"), axis=-1) * np.sqrt(np.maximum(variance, 0))
        at = best[chosen] + steps @ directions.T * errors[chosen]
        slope = covariance[:, chosen] @ np.linalg.pinv(inner)
        found = np.full((points, points), np.nan)
        for place in np.ndindex(points, points):
            if ((at[place] >= low[chosen]) & (at[place] <= high[chosen])).all():
                start = best + slope @ (at[place] - best[chosen])
                start[chosen] = at[place]
                found[place] = max(0.0, self.solve(start, moving)[1] - cost)
        return (at[..., 0], at[..., 1]), found


def _require_free(free: Sequence[str], shell: LinkedShell) -> tuple[str, ...]:
    names = tuple(free) if not isinstance(free, str) else (free,)
    unknown = [name for name in names if name not in FREE]
    if unknown or not names or len(set(names)) < len(names):
        raise ValueError(f"free must name some of {', '.join(FREE)}, each once; got {free!r:.80}")
    if "bridge_ohm" in names and math.isinf(shell.bridge_ohm):
        raise ValueError("shell.bridge_ohm must be finite where it is free: infinity is a sphere without a shell")
    return names


def _correlation(covariance: np.ndarray) -> np.ndarray:
    errors = np.sqrt(np.diag(covariance))
    return covariance / np.outer(*[np.where(errors > 0, errors, 1.0)] * 2)


def _most_correlated(correlation: np.ndarray) -> tuple[int, ...]:
    if len(correlation) < 2:
        return (0,)
    above = abs(np.triu(correlation, 1))
    return tuple(int(k) for k in np.unravel_index(above.argmax(), above.shape))
