r"""Fourier terms of a free energy in the phases of grains, from its values on a grid.

.. math:: F(\varphi) = F_0 + \sum_n \mathrm{Re}\, A_n e^{i n \cdot \varphi}

with one n of each pair +-n. What gives the values, dense levels, determinants at poles or the integrated host, is up to
the caller.
"""

from __future__ import annotations

import itertools
from abc import ABC, abstractmethod
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from bdg.base.results import Evidence, Result, quantity
from bdg.granular.choice import FIRST_POINTS, MOST_POINTS
from bdg.lattices.unit_names import UnitNames

if TYPE_CHECKING:
    from matplotlib.figure import Figure


class PhaseGrid(ABC):
    """F on grids of some phases, each point computed once, halved by time reversal.

    Parameters
    ----------
    free : sequence of int
        Grains whose phases are on the grid; all others have phase 0.
    even : bool
        With time reversal: F is the same at opposite phases.
    bar : optional
        Told of each free energy.

    Attributes
    ----------
    computed : int
        Free energies so far.
    error : float
        Of each of them.
    """

    def __init__(self, free: Sequence[int], even: bool, bar: Any = None) -> None:
        self._free, self._even, self._bar = list(free), even, bar
        self._known: dict[tuple[float, ...], float] = {}  # by phases in turns
        self.computed, self.error = 0, 0.0

    @abstractmethod
    def energies(self, phases: np.ndarray) -> Iterable[float]:
        """Give F one by one at phases (P, free), in radian."""

    def grid(self, size: int) -> np.ndarray:
        """Return F on ``size`` points for each free phase, (size, .., size)."""
        shape = (size,) * len(self._free)
        turns = np.stack(np.unravel_index(np.arange(size ** len(shape)), shape), axis=1) / size
        keys = [tuple(point) for point in turns.tolist()]
        opposite = [tuple((-number % size) / size for number in index) for index in np.ndindex(shape)]
        new = [n for n, key in enumerate(keys) if key not in self._known and not (self._even and opposite[n] < key)]
        for number, value in zip(new, self.energies(2 * np.pi * turns[new]), strict=True):
            self._known[keys[number]] = value
            if self._even:
                self._known[opposite[number]] = value
            self.computed += 1
            if self._bar is not None:
                self._bar.update()
        return np.array([self._known[key] for key in keys]).reshape(shape)


@dataclass(frozen=True, eq=False, kw_only=True)
class PhaseHarmonics(Result):
    """Fourier terms of the free energy in the phases of two, three or four grains.

    Attributes
    ----------
    terms : dict
        From integers, one a grain in the order of ``grains``, to amplitudes A_n, largest first; real (float) where h
        and D are real. Phases are counted from those of the system.
    grains : array (m,)
    orders : array (M, m) of int
        Keys of ``terms``.
    amplitudes : array (M,) of complex
        Its values.
    error : float
        Estimated absolute error of every amplitude: aliasing plus the error of the free energies.
    weights : array (m + 1,)
        Root mean square over all phases of the part of F that depends on exactly 0, 1, .. m of the grains,
        irreducibly: ``weights[2]`` pairs, ``weights[3]`` triples. (Of one grain alone: against the others.)
    temperature : float
    phases : array (P,)
        The grid of each phase.
    free_energy : array (P, .., P)
        F on it, from its mean; an axis for each grain, without the first where that one is fixed by gauge.
    """

    grains: np.ndarray = quantity("numbers of the grains (m,)")
    orders: np.ndarray = quantity("integers of each term (M, m)")
    amplitudes: np.ndarray = quantity("amplitude of each term (M,)", "hopping")
    error: float = quantity("estimated error of every amplitude", "hopping")
    weights: np.ndarray = quantity("root mean square of the irreducible m-grain part of F (m + 1,)", "hopping")
    temperature: float = quantity("k_B T", "hopping")
    phases: np.ndarray = quantity("grid of each phase (P,)", "radian")
    free_energy: np.ndarray = quantity("free energy on the grid, from its mean", "hopping")
    _rows = "amplitudes"

    @property
    def terms(self) -> dict[tuple[int, ...], float | complex]:
        """Amplitudes by their integers, largest first."""
        real = not self.amplitudes.imag.any()
        return {
            tuple(int(n) for n in order): float(value.real) if real else complex(value)
            for order, value in zip(self.orders, self.amplitudes, strict=True)
        }

    def plot(self, ax: Any = None) -> Figure:
        """Return a Figure of F against the phase of two grains, else of the largest terms by number of grains."""
        from bdg.plots.phases import plot_free_energy_of_phase, plot_phase_terms

        if self.free_energy.ndim > 1:
            return plot_phase_terms(self.orders, self.amplitudes, self.error, ax, energy_unit=self.energy_unit)
        fine = np.linspace(0, 2 * np.pi, 301)
        order = self.orders[:, 1]  # of the phase that is free
        curve = (self.amplitudes * np.exp(1j * fine[:, None] * order)).real.sum(axis=1)
        label = f"{order.size} harmonics"
        arrays = self.phases, self.free_energy, fine, curve
        return plot_free_energy_of_phase(*arrays, label, ax, energy_unit=self.energy_unit)


@dataclass(frozen=True, eq=False)
class FourierTerms:
    """Terms, largest first, and the grid that they come from; names as in `PhaseHarmonics`."""

    grains: np.ndarray
    orders: np.ndarray
    amplitudes: np.ndarray
    values: np.ndarray
    aliasing: float
    facts: dict[str, Any]

    def result(self, error: float, temperature: float, evidence: Evidence, units: UnitNames) -> PhaseHarmonics:
        """Return the result; ``error``: of the free energies."""
        involved = np.count_nonzero(self.orders, axis=1)
        squares = abs(self.amplitudes) ** 2
        weights = [np.sqrt(0.5 * squares[involved == m].sum()) for m in range(self.grains.size + 1)]
        size = self.values.shape[0]
        return PhaseHarmonics(
            grains=self.grains,
            orders=self.orders,
            amplitudes=self.amplitudes,
            error=float(2 * error + self.aliasing),
            weights=np.array(weights),
            temperature=temperature,
            phases=2 * np.pi * np.arange(size) / size,
            free_energy=self.values - self.values.mean(),
            evidence=evidence,
            units=units,
        )


def fourier_terms(
    energies: PhaseGrid, grains: list[int], fixed: bool, points: int | None, tol: float, real: bool
) -> FourierTerms:
    """Return the terms from the first grid whose aliasing is below ``tol``, relative to the largest term.

    Parameters
    ----------
    energies : PhaseGrid
    grains : list of int
    fixed : bool
        The phase of the first grain is fixed by gauge.
    points : int or None
        Of each phase; None: 8, doubled up to `MOST_POINTS`.
    tol : float
    real : bool
        h and D are real, and so are all amplitudes.
    """
    count = len(grains) - 1 if fixed else len(grains)
    size = FIRST_POINTS if points is None else points
    most = MOST_POINTS[count] if points is None else size
    while True:
        values = energies.grid(size)
        coefficients = np.fft.fftn(values) / values.size
        orders, amplitudes = _terms(coefficients, fixed)
        aliasing = _aliasing(coefficients)
        largest = float(abs(amplitudes).max())
        if aliasing <= tol * largest or 2 * size > most:
            break
        size *= 2
    if real:
        amplitudes = amplitudes.real.astype(complex)
    order = np.argsort(-abs(amplitudes), kind="stable")
    orders, amplitudes = orders[order], amplitudes[order]
    facts = {
        "points": size,
        "aliasing": aliasing,
        "aliasing_reached": bool(aliasing <= tol * largest),
        "change_from_half_grid": _change(values, amplitudes, orders, fixed),
    }
    return FourierTerms(np.array(grains), orders, amplitudes, values, aliasing, facts)


def _terms(coefficients: np.ndarray, fixed: bool) -> tuple[np.ndarray, np.ndarray]:
    """Return integers (M, m) and amplitudes ``2 c_n``, one of each pair +-n, all |n| below half the grid."""
    half = coefficients.shape[0] // 2
    orders, amplitudes = [], []
    for free in itertools.product(range(-half + 1, half), repeat=coefficients.ndim):
        order = (-sum(free), *free) if fixed else free
        leading = next((n for n in order if n), 0)
        if leading > 0:
            orders.append(order)
            amplitudes.append(2 * coefficients[free])
    return np.array(orders, dtype=np.int64), np.array(amplitudes)


def _aliasing(coefficients: np.ndarray) -> float:
    """Return twice the largest coefficient with an integer of half the grid: what lies beyond is smaller."""
    half = coefficients.shape[0] // 2
    edges = [abs(np.take(coefficients, half, axis=axis)).max() for axis in range(coefficients.ndim)]
    return float(2 * max(edges))


def _change(values: np.ndarray, amplitudes: np.ndarray, orders: np.ndarray, fixed: bool) -> float:
    """Return the largest change of a term between every second point of the grid and all of it; nan below 8 points."""
    if values.shape[0] < 8 or values.shape[0] % 4:
        return float("nan")
    coarse = values[(slice(None, None, 2),) * values.ndim]
    found, rough = _terms(np.fft.fftn(coarse) / coarse.size, fixed)
    exact = {tuple(order): value for order, value in zip(orders.tolist(), amplitudes, strict=True)}
    return float(max(abs(exact[tuple(order)] - value) for order, value in zip(found.tolist(), rough, strict=True)))
