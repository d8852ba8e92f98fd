r"""What nobody measured, carried through a computation: a stratified scan that ends at a wanted error.

Unknowns are drawn from their ranges by Latin hypercubes (M. D. McKay, R. J. Beckman, W. J. Conover, Technometrics 21,
239 (1979)), several independent ones: the scatter of their means is the error of the scan. All are doubled until it is
small enough. (Of few points Sobol' sequences correlate pairs of unknowns.)

How much of the variance of a value an unknown alone explains is the first-order index

.. math:: S_k = \mathrm{Var}_{x_k}\big[\mathrm{E}(f \mid x_k)\big] / \mathrm{Var} f

(I. M. Sobol', Math. Comput. Simul. 55, 271 (2001)), here from the best quadratic in each unknown.
"""

from __future__ import annotations

import time
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import scipy  # its parts load on use

from bdg.base.errors import AccuracyWarning
from bdg.base.progress import progress_bar
from bdg.base.results import Evidence, Result, quantity
from bdg.base.tables import Quantity
from bdg.lattices.arguments import positive_number
from bdg.lattices.seeds import resolve_seed

if TYPE_CHECKING:
    from matplotlib.figure import Figure

SCALES = ("linear", "log")
SEQUENCES, FIRST = 4, 2  # independent ones; points of each at first


@dataclass(frozen=True, eq=False, kw_only=True)
class UnknownScan(Result):
    """Values at points of the unknowns.

    Attributes
    ----------
    names : list of str
        The unknowns, K of them.
    points : array (N, K)
    values : array (N,)
    mean, error : float
        Over the ranges of all unknowns, and the standard error of the scan.
    quantiles : array (3,)
        16, 50 and 84 % of the values.
    sensitivity : array (K,)
        First-order indices: the share of the variance that each unknown explains alone.
    """

    names: list[str] = quantity("unknowns (K,)")
    points: np.ndarray = quantity("where the unknowns were put (N, K)", finite=True)
    values: np.ndarray = quantity("what came of it (N,)")
    mean: float = quantity("mean over the ranges")
    error: float = quantity("its standard error")
    quantiles: np.ndarray = quantity("16, 50 and 84 % of the values")
    sensitivity: np.ndarray = quantity("share of the variance that each unknown explains alone (K,)")

    def quantities(self) -> Iterator[Quantity]:
        """Give what a table of the result may hold: a column for each unknown."""
        for number, name in enumerate(self.names):
            yield Quantity(name, self.points[:, number], axes=("N",))
        yield from (each for each in super().quantities() if each.name not in ("points", "names"))

    def plot(self, ax: Any = None) -> Figure:
        """Return a Figure of the sensitivities."""
        from bdg.plots.networks import plot_sensitivity

        return plot_sensitivity(self.names, self.sensitivity, ax)


def scan_unknowns(
    function: Callable[..., float],
    unknowns: Mapping[str, Sequence[Any]],
    *,
    tol: float = 0.05,
    most: int = 256,
    seed: int | None = None,
    progress: bool = False,
) -> UnknownScan:
    """Return the values of a function over the ranges of its unknowns, as many as the wanted error takes.

    Parameters
    ----------
    function
        ``function(**unknowns)`` returns a real number.
    unknowns : mapping
        Name to ``(low, high)`` or ``(low, high, "log")``; all values between, on that scale, are equally likely.
    tol : float
        Wanted standard error of the mean, relative to it.
    most : int
        Calls of the function at most; >= 8.
    seed : int, optional
        Of the points. None draws a seed, which the evidence keeps.
    progress : bool

    Returns
    -------
    UnknownScan

    Warns
    -----
    AccuracyWarning
        If ``most`` calls do not reach ``tol``.

    Raises
    ------
    TypeError, ValueError
        If ``function`` is none, a range is none, or a value is no finite number.

    Examples
    --------
    >>> from bdg.granular import josephson_energy, scan_unknowns
    >>> def energy(resistance, gap):
    ...     return josephson_energy(resistance, gap, 4.2)
    >>> scan = scan_unknowns(energy, {"resistance": (500.0, 2000.0), "gap": (2.6, 2.8)}, tol=0.1, seed=1)
    >>> print(round(scan.mean), scan.sensitivity[0] > scan.sensitivity[1])  # the resistance matters most
    9 True
    """
    start = time.perf_counter()
    tol = positive_number("tol", tol, "relative")
    if not callable(function):
        raise TypeError(f"function must be a function of the unknowns, by name; got {type(function).__name__}")
    ranges = {name: _range(name, values) for name, values in unknowns.items()}
    if not ranges:
        raise ValueError("unknowns is empty: name at least one with its range (low, high)")
    if isinstance(most, bool) or not isinstance(most, int) or most < SEQUENCES * FIRST:
        raise ValueError(f"most must be a whole number >= {SEQUENCES * FIRST}; got {most!r}")
    number = resolve_seed(seed)
    sequences = [scipy.stats.qmc.LatinHypercube(len(ranges), seed=_stream(number, k)) for k in range(SEQUENCES)]
    points, values, batch = np.zeros((SEQUENCES, 0, len(ranges))), np.zeros((SEQUENCES, 0)), FIRST
    while True:
        new = np.array([_scaled(sequence.random(batch), ranges.values()) for sequence in sequences])
        rows = progress_bar(progress, "unknowns", "point", new.reshape(-1, len(ranges)))
        found = [_value(function, dict(zip(ranges, row.tolist(), strict=True))) for row in rows]
        points = np.concatenate([points, new], axis=1)
        values = np.concatenate([values, np.reshape(found, (SEQUENCES, batch))], axis=1)
        means = values.mean(axis=1)
        mean, error = float(means.mean()), float(means.std(ddof=1) / np.sqrt(SEQUENCES))
        batch = values.shape[1]
        if error <= tol * abs(mean) or 2 * values.size > most:
            break
    if error > tol * abs(mean):
        warnings.warn(
            f"scan_unknowns: {values.size} points leave a standard error of {error:.2g} of the mean {mean:.3g}, wanted "
            f"{tol * abs(mean):.2g}; give a larger most",
            AccuracyWarning,
            stacklevel=2,
        )
    flat, reached = points.reshape(-1, len(ranges)), values.ravel()
    return UnknownScan(
        names=list(ranges),
        points=flat,
        values=reached,
        mean=mean,
        error=error,
        quantiles=np.quantile(reached, [0.16, 0.5, 0.84]),
        sensitivity=first_order(_unscaled(flat, ranges.values()), reached),
        evidence=Evidence(
            {"method": "latin_hypercube", "device": "cpu", "seed": number, "seconds": time.perf_counter() - start},
            sequences=SEQUENCES,
            scales=[scale for *_, scale in ranges.values()],
        ),
    )


def first_order(unit: np.ndarray, values: np.ndarray) -> np.ndarray:
    """Return the first-order indices (K,) from points (N, K) in the unit cube: Legendre polynomials up to degree two.

    The fit is one of all unknowns together, so that few points do not mix them up.
    """
    x = 2 * unit - 1
    columns = np.concatenate([np.sqrt(3) * x, np.sqrt(5) * (3 * x**2 - 1) / 2], axis=1)
    spread = values.std()
    if not spread or len(values) <= columns.shape[1] + 1:
        return np.full(unit.shape[1], 0.0 if len(values) > columns.shape[1] + 1 else np.nan)
    model = np.concatenate([np.ones((len(values), 1)), columns], axis=1)
    coefficients = np.linalg.lstsq(model, values, rcond=None)[0][1:].reshape(2, -1)
    return (coefficients**2).sum(axis=0) / spread**2


def _stream(seed: int, number: int) -> np.random.Generator:
    return np.random.default_rng([seed, number])


def _range(name: str, values: Sequence[Any]) -> tuple[float, float, str]:
    parts = (*values, "linear")[:3] if isinstance(values, tuple | list) and len(values) in (2, 3) else ()
    good = len(parts) == 3 and all(isinstance(x, int | float) and np.isfinite(x) for x in parts[:2])
    if not good or not parts[0] < parts[1] or parts[2] not in SCALES or (parts[2] == "log" and parts[0] <= 0):
        raise ValueError(
            f'unknowns must be (low, high) or (low, high, "log") with low < high, above 0 for "log"; got {name} = '
            f"{values!r:.80}"
        )
    return float(parts[0]), float(parts[1]), str(parts[2])


def _scaled(unit: np.ndarray, ranges: Any) -> np.ndarray:
    columns = []
    for column, (low, high, scale) in zip(unit.T, ranges, strict=True):
        columns.append(low * (high / low) ** column if scale == "log" else low + (high - low) * column)
    return np.array(columns).T


def _unscaled(points: np.ndarray, ranges: Any) -> np.ndarray:
    columns = []
    for column, (low, high, scale) in zip(points.T, ranges, strict=True):
        log = scale == "log"
        columns.append(np.log(column / low) / np.log(high / low) if log else (column - low) / (high - low))
    return np.array(columns).T


def _value(function: Callable[..., float], unknowns: dict[str, float]) -> float:
    value = function(**unknowns)
    number = np.asarray(value)
    if number.dtype.kind not in "iuf" or number.size != 1 or not np.isfinite(number).all():
        told = ", ".join(f"{name} = {number:.4g}" for name, number in unknowns.items())
        raise ValueError(f"function must return finite numbers; got {value!r:.80} at {told}")
    return float(number.item())
