r"""Arrays of overdamped junctions between a source and a drain: voltage against current.

.. math:: I_b = I_{c,b} \sin\gamma_b + \frac{\hbar}{2 e R_b} \dot\gamma_b, \qquad \gamma_b = \varphi_i - \varphi_j,
          \qquad \sum_b I_b = 0 \text{ at each node}, \qquad
          V = \frac{\hbar}{2 e} \langle \dot\varphi_{\mathrm{source}} - \dot\varphi_{\mathrm{drain}} \rangle .

No noise, no inductance, no capacitance. Parts in series are solved one by one; junctions in parallel are one junction.
"""

from __future__ import annotations

import time
import warnings
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from bdg.base.arguments import real_array
from bdg.base.errors import AccuracyWarning
from bdg.base.results import Choice, Evidence, Result, quantity
from bdg.gpu.device.backend import select_backend
from bdg.granular.bond_graph import components, require_bond_values, require_bonds
from bdg.granular.couplings.junctions import rsj_voltage
from bdg.granular.dynamics.mean_voltage import MOST_STEPS, MeanVoltage, mean_voltage
from bdg.granular.dynamics.phase_flow import PhaseFlow
from bdg.granular.dynamics.series_parts import SeriesPart, series_parts
from bdg.granular.resistors import resistance_between
from bdg.lattices.arguments import positive_number, whole_number

if TYPE_CHECKING:
    from matplotlib.figure import Figure

VOLTAGE_TOL = 1e-3


@dataclass(frozen=True, eq=False, kw_only=True)
class ArrayVoltages(Result):
    """Voltage of an array against current.

    Attributes
    ----------
    currents : array (K,)
        In A.
    voltages, error : arrays (K,)
        Mean voltage between source and drain in V, and its error; 0 where the array is at rest.
    resistance : float
        Of all resistors without supercurrents, in ohm.
    """

    currents: np.ndarray = quantity("currents (K,)", "A")
    voltages: np.ndarray = quantity("mean voltage (K,)", "V")
    error: np.ndarray = quantity("its error (K,)", "V")
    resistance: float = quantity("normal resistance between source and drain", "ohm")

    def plot(self, ax: Any = None) -> Figure:
        """Return a Figure of voltage against current, with the normal resistance."""
        from bdg.plots.networks import plot_voltages

        return plot_voltages(self.currents, self.voltages, self.error, self.resistance, ax)


@dataclass(frozen=True, eq=False)
class JunctionArray:
    """Overdamped junctions and resistors between numbered nodes, fed at one node and drained at another.

    Parameters
    ----------
    pairs : array (B, 2) of int
        The nodes of each junction, numbered from 0; pairs may repeat (junctions in parallel).
    critical_currents : array (B,) or float
        I_c >= 0 in A; 0 is a resistor.
    resistances : array (B,) or float
        R > 0 of each junction in ohm, finite.
    source, drain : int
        Different nodes, connected with each other. Nodes that are not connected with them carry nothing.

    Raises
    ------
    TypeError, ValueError
        If an argument has the wrong type or shape or is out of range, or nothing connects source and drain.

    Examples
    --------
    >>> import numpy as np
    >>> from bdg.granular import JunctionArray
    >>> pairs = np.array([[0, 1], [1, 2]])
    >>> series = JunctionArray(pairs, np.array([1.0, 2.0]), np.array([1.0, 1.0]), source=0, drain=2)
    >>> found = series.voltages([0.5, 1.5])
    >>> print(found.voltages.round(2), found.resistance)  # the weaker one alone: sqrt(1.5^2 - 1)
    [0.   1.12] 2.0
    """

    pairs: np.ndarray
    critical_currents: np.ndarray
    resistances: np.ndarray
    source: int
    drain: int
    _parts: list[_Part] = field(init=False, repr=False)

    def __post_init__(self) -> None:
        pairs = require_bonds("pairs", self.pairs)
        checked: dict[str, Any] = {"pairs": pairs}
        for name, unit in (("critical_currents", " (A)"), ("resistances", " (ohm)")):
            values = real_array(name, getattr(self, name))
            full = np.broadcast_to(values, len(pairs)) if values.ndim == 0 else values
            checked[name] = require_bond_values(name, full, len(pairs), unit)
            if not np.isfinite(checked[name]).all():
                raise ValueError(f"{name} must be finite{unit}; got infinity. Leave open contacts out of pairs")
        if not (checked["resistances"] > 0).all():
            raise ValueError("resistances must be > 0 (ohm); got 0. Give nodes that a short joins one number")
        for name in ("source", "drain"):
            checked[name] = whole_number(name, getattr(self, name), 0, unit="the number of a node")
        if checked["source"] == checked["drain"]:
            raise ValueError(f"source and drain must be different nodes; got {checked['source']} for both")
        for name, value in checked.items():
            object.__setattr__(self, name, value)
            if isinstance(value, np.ndarray):
                value.flags.writeable = False
        object.__setattr__(self, "_parts", self._in_series())

    def voltage(self, current: Any) -> Any:
        """Return the mean voltage between source and drain in V.

        Parameters
        ----------
        current : float or array
            From source to drain in A, of either sign.

        Returns
        -------
        float or array
            The time average to 1e-3 of itself, in the shape of ``current``; exactly 0 where the array comes to rest.

        Warns
        -----
        AccuracyWarning
            If a voltage misses 1e-3.

        Raises
        ------
        ValueError
            If a current is not finite.
        """
        drive = _require_currents("current", current)
        found = self._solved(drive.ravel(), VOLTAGE_TOL).voltages.reshape(drive.shape)
        return float(found) if found.ndim == 0 else found

    def voltages(self, currents: Any, *, tol: float = VOLTAGE_TOL) -> ArrayVoltages:
        """Return mean voltages with their errors.

        Every current is switched on in the state that the array comes to when the current is raised slowly from 0.

        Parameters
        ----------
        currents : float or array (K,)
            From source to drain in A, of either sign.
        tol : float
            Wanted relative error.

        Returns
        -------
        ArrayVoltages
            The evidence has the number of ``parts`` in series and the ``critical_current`` in A: the largest one up to
            which no phase slips in the state that current 0 leads to (the largest current asked for, if that is less).
            Below it the voltage is 0 where junctions alone lead from source to drain.

        Warns
        -----
        AccuracyWarning
            If a voltage misses ``tol``: motion without a period, or a current within 1e-8 of the critical one.

        Raises
        ------
        TypeError, ValueError
            If an argument is out of range.

        References
        ----------
        W. C. Stewart, Appl. Phys. Lett. 12, 277 (1968), D. E. McCumber, J. Appl. Phys. 39, 3113 (1968): the junction;
        S. Das, Y. Saiki, E. Sander, J. A. Yorke, Nonlinearity 30, 4111 (2017): the average.
        """
        drive = np.atleast_1d(_require_currents("currents", currents))
        if drive.ndim != 1:
            raise ValueError(f"currents must be a number or a list (A); got shape {drive.shape}")
        return self._solved(drive, positive_number("tol", tol, "relative"))

    def _solved(self, drive: np.ndarray, tol: float) -> ArrayVoltages:
        start = time.perf_counter()
        sizes, place = np.unique(abs(drive), return_inverse=True)
        positive = sizes[sizes > 0]
        found = [part.voltage(positive, tol) for part in self._parts] if positive.size else []
        voltage, error = np.zeros(sizes.size), np.zeros(sizes.size)
        for answer in found:
            voltage[sizes > 0] += answer.voltage
            error[sizes > 0] += answer.error
        missed = error > tol * voltage
        if missed.any():
            warnings.warn(
                f"JunctionArray.voltage: {missed.sum()} of {sizes.size} voltages miss {tol:g}, the first of them at "
                f"{sizes[missed][0]:.6g} A: {voltage[missed][0]:.4g} +- {error[missed][0]:.1g} V after {MOST_STEPS} "
                "steps. See voltages(currents).error",
                AccuracyWarning,
                stacklevel=3,  # of voltage or voltages
            )
        critical = min((answer.critical_current for answer in found), default=0.0)
        evidence = Evidence.of(
            Choice("runge_kutta", "the only one", select_backend("cpu")),
            dtype="float64",
            start=start,
            parts=len(self._parts),
            critical_current=float(min(critical, sizes.max(initial=0.0))),
            steps=[answer.steps for answer in found],
            missed=int(missed.sum()),
        )
        return ArrayVoltages(
            currents=drive,
            voltages=np.sign(drive) * voltage[place],
            error=error[place],
            resistance=resistance_between(self.pairs, self.resistances, self.source, self.drain),
            evidence=evidence,
        )

    def _in_series(self) -> list[_Part]:
        n_nodes = 1 + max(int(self.pairs.max(initial=0)), self.source, self.drain)
        component = components(self.pairs, n_nodes)
        if component[self.source] != component[self.drain]:
            raise ValueError(f"nothing connects source {self.source} and drain {self.drain}: no current can flow")
        first, second = self.pairs.T
        inside = (component[first] == component[self.source]) & (first != second)
        pairs, critical, conductances = _merged(
            self.pairs[inside], self.critical_currents[inside], 1 / self.resistances[inside]
        )
        nodes, numbered = np.unique(pairs, return_inverse=True)
        ends = (int(np.searchsorted(nodes, node)) for node in (self.source, self.drain))
        parts = series_parts(numbered.reshape(-1, 2), nodes.size, *ends)
        return [_Part(part, critical[part.bonds], conductances[part.bonds]) for part in parts]


def _require_currents(name: str, values: Any) -> np.ndarray:
    drive = real_array(name, values)
    if drive.dtype.kind not in "iuf" and drive.size:
        raise TypeError(f"{name} must be real (A); got {values!r:.80}")
    if not np.isfinite(drive).all():
        raise ValueError(f"{name} must be finite (A); got {values!r:.80}")
    return drive.astype(float)


def _merged(
    pairs: np.ndarray, critical: np.ndarray, conductances: np.ndarray
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return bonds of which no two are in parallel: critical currents and conductances add up."""
    known, place = np.unique(np.sort(pairs, axis=1), axis=0, return_inverse=True)
    place = place.ravel()
    return known, np.bincount(place, critical, len(known)), np.bincount(place, conductances, len(known))


@dataclass(frozen=True, eq=False)
class _Part:
    """A part in series with its critical currents (A) and conductances (S)."""

    part: SeriesPart
    critical: np.ndarray
    conductances: np.ndarray

    def voltage(self, currents: np.ndarray, tol: float) -> MeanVoltage:
        """Return mean voltages at ascending currents > 0 in V."""
        part, exact = self.part, np.zeros(currents.size)
        if not self.critical.any():
            resistance = resistance_between(part.pairs, 1 / self.conductances, part.start, part.end)
            return MeanVoltage(resistance * currents, exact, 0.0, 0)
        if len(part.pairs) == 1:
            critical, resistance = float(self.critical[0]), float(1 / self.conductances[0])
            voltage = rsj_voltage(currents, critical, resistance)
            return MeanVoltage(np.asarray(voltage), exact, min(critical, float(currents[-1])), 0)
        ampere, siemens = float(self.critical.max()), float(self.conductances.max())
        flow = PhaseFlow(
            part.pairs, self.critical / ampere, self.conductances / siemens, part.n_nodes, part.start, part.end
        )
        found = mean_voltage(flow, currents / ampere, tol)
        volt = ampere / siemens
        return MeanVoltage(volt * found.voltage, volt * found.error, ampere * found.critical_current, found.steps)
