r"""Superconducting links on a metal sphere: one critical current behind its susceptibility and behind dU/dI.

.. math:: I_c(T) = I_0 \Big\langle \Big(1 - \frac{T}{T'}\Big)_+^p \Big\rangle, \qquad T' \sim N(T_c, w)

carries the screening currents along the equator, as a sheet current ``I_c/2 pi r``, and the current between contacts
through a lattice of junctions whose critical currents scatter. With all critical currents multiplied by s such a
lattice has ``V_s(I) = s V(I/s)``, so that one curve serves all temperatures. Why links superconduct is not said.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np
from scipy.constants import mu_0

from bdg.base.arguments import require_seed
from bdg.base.results import Choice, Evidence, Result, quantity
from bdg.electrodynamics.arguments import as_given, real_values
from bdg.gpu.device.backend import select_backend
from bdg.granular.dynamics.junction_array import JunctionArray
from bdg.instruments.samples import CoatedSphere, Curve, switched_sheet_ohm
from bdg.lattices.arguments import non_negative_number, positive_number, whole_number

if TYPE_CHECKING:
    from matplotlib.figure import Figure

WIDEST = 0.25  # of T_c: beyond it a normal distribution of T_c reaches 0
REDUCED = np.concatenate(  # currents over I_c; the lowest for links that scatter much
    [np.geomspace(0.01, 0.45, 16), np.linspace(0.5, 1.6, 34), np.geomspace(1.7, 12.0, 10)]
)
_GAUSS = np.polynomial.legendre.leggauss(64)
_NODES = (1 + _GAUSS[0]) / 2, _GAUSS[1] / 2  # on (0, 1)
_REACH = 6.0  # standard deviations


@dataclass(frozen=True, kw_only=True)
class LinkedShell:
    """A shell of superconducting links, bridged in series by normal metal.

    Attributes
    ----------
    critical_temperature_K : float
        T_c of the links, > 0.
    critical_current_A : float
        I_0 of the whole shell from pole to pole at T = 0, >= 0; 0 where nothing superconducts.
    width_K : float
        Standard deviation of T_c over the links, >= 0 and at most a quarter of T_c.
    power : float
        p > 0 of ``(1 - T/T_c)^p``.
    bridge_ohm : float
        Sheet resistance of the normal bridges in series with the links, >= 0; infinity: no shell.
    normal_ohm : float
        Sheet resistance of the links above their critical current, > 0.

    Raises
    ------
    TypeError, ValueError
        If a number is out of range.

    Examples
    --------
    >>> from bdg.instruments import LinkedShell
    >>> shell = LinkedShell(critical_temperature_K=53.0, critical_current_A=1.2, width_K=1.0)
    >>> print((1e3 * shell.critical_current([4.5, 40.0, 53.0, 60.0])).round())  # mA
    [1.05e+03 1.46e+02 1.00e+00 0.00e+00]
    """

    critical_temperature_K: float  # noqa: N815 - the unit
    critical_current_A: float  # noqa: N815
    width_K: float = 0.0  # noqa: N815
    power: float = 1.5
    bridge_ohm: float = 1e-5
    normal_ohm: float = 2e-3

    def __post_init__(self) -> None:
        positive_number("critical_temperature_K", self.critical_temperature_K, "K")
        non_negative_number("critical_current_A", self.critical_current_A, "A")
        non_negative_number("width_K", self.width_K, "K")
        positive_number("power", self.power)
        positive_number("normal_ohm", self.normal_ohm, "ohm per square")
        if not self.bridge_ohm == math.inf:
            non_negative_number("bridge_ohm", self.bridge_ohm, "ohm per square")
        if self.width_K > WIDEST * self.critical_temperature_K:
            raise ValueError(
                f"width_K must be at most {WIDEST:g} of critical_temperature_K = {self.critical_temperature_K:g} (K); "
                f"got {self.width_K:g}"
            )

    def critical_current(self, temperature_K: Any) -> Any:
        """Return I_c in A at a temperature or several (K, >= 0)."""
        temperatures = real_values("temperature_K", temperature_K, "K", least=0.0)
        if self.width_K == 0:
            reduced = np.maximum(0.0, 1 - temperatures / self.critical_temperature_K) ** self.power
        else:
            reduced = self._averaged(temperatures)
        return as_given(self.critical_current_A * reduced)

    def _averaged(self, temperatures: np.ndarray) -> np.ndarray:
        """Return the mean of ``(1 - T/T')^p`` over T' > T; nodes crowd where it begins."""
        middle, width = self.critical_temperature_K, self.width_K
        upper = middle + _REACH * width
        lower = np.clip(temperatures, middle - _REACH * width, upper)[..., None]
        u, weight = _NODES
        at = lower + (upper - lower) * u**2
        density = np.exp(-(((at - middle) / width) ** 2) / 2) / (width * math.sqrt(2 * math.pi))
        inside = np.maximum(0.0, 1 - temperatures[..., None] / at) ** self.power
        return np.asarray((inside * density * (upper - lower) * 2 * u * weight).sum(axis=-1))

    def on(self, radius_m: float, resistivity_ohm_m: float | Curve) -> CoatedSphere:
        """Return the sphere with this shell, for an `AcSusceptometer`."""
        equator = 2 * math.pi * positive_number("radius_m", radius_m, "m")
        return CoatedSphere(
            radius_m,
            resistivity_ohm_m,
            critical_sheet_current=lambda t: self.critical_current(t) / equator,
            normal_ohm=self.normal_ohm,
            bridge_ohm=self.bridge_ohm,
        )

    def susceptibility(
        self, temperatures_K: np.ndarray, bare: np.ndarray, radius_m: float, frequency_Hz: float, peak_A_m: float
    ) -> np.ndarray:
        """Return chi (T,) at all temperatures at once, from that of the core without a shell (T,).

        What `AcSusceptometer` gives for the sphere of `on`: ``1 + chi = 3/(3/(1 + chi_bare) - i w mu_0 r/R)``.
        """
        reactance = 2 * math.pi * frequency_Hz * mu_0 * radius_m
        carried = np.asarray(self.critical_current(temperatures_K)) / (2 * math.pi * radius_m)
        sheet = switched_sheet_ohm(bare, reactance, peak_A_m, carried, self.normal_ohm, self.bridge_ohm)
        if math.isinf(self.bridge_ohm):
            return np.array(bare)
        return np.asarray(3 * sheet / (3 * sheet / (1 + bare) - 1j * reactance) - 1)


@dataclass(frozen=True, eq=False, kw_only=True)
class LinkVoltage(Result):
    """Voltage of a lattice of links between two contacts, in units in which I_c and the normal resistance are 1.

    Attributes
    ----------
    currents : array (K,)
        Over I_c, ascending.
    voltages, error : arrays (K,)
        Over the normal resistance times I_c, and their numerical error.
    """

    currents: np.ndarray = quantity("currents over I_c (K,)")
    voltages: np.ndarray = quantity("mean voltages over R_N I_c (K,)")
    error: np.ndarray = quantity("their numerical error (K,)")

    def at(self, critical_current_A: float) -> Callable[[np.ndarray], np.ndarray]:
        """Return V(I)/R_N of the lattice (A) as a function of the current (A), for a critical current."""
        inverse = np.append(0.0, 1 / self.currents[::-1])
        ratio = np.append(1.0, (self.voltages / self.currents)[::-1])

        def voltage(current: np.ndarray) -> np.ndarray:
            size = np.maximum(abs(current), 1e-12)
            return np.asarray(current * np.interp(critical_current_A / size, inverse, ratio))

        return voltage

    def redrawn(self, seed: int) -> LinkVoltage:
        """Return the curve with voltages drawn within their errors."""
        drawn = np.random.default_rng(seed).standard_normal(self.error.size)
        moved = np.maximum(0.0, self.voltages + drawn * self.error)
        return LinkVoltage(currents=self.currents, voltages=moved, error=self.error, evidence=self.evidence)

    def plot(self, ax: Any = None) -> Figure:
        """Return a Figure of the voltages with the normal resistance."""
        from bdg.plots.networks import plot_voltages

        figure = plot_voltages(self.currents, self.voltages, self.error, 1.0, ax)
        axes = figure.axes[0] if ax is None else ax
        axes.set(xlabel="$I/I_c$", ylabel="$V/R_N I_c$")
        return figure


@dataclass(frozen=True)
class LinkLattice:
    """A lattice of junctions between two contacts: ``columns`` in parallel, ``rows`` + 1 in series, joined across.

    Attributes
    ----------
    rows, columns : int
        >= 1.
    spread : float
        Standard deviation of the logarithm of the critical currents, >= 0.
    seed : int

    Raises
    ------
    TypeError, ValueError
        If a number is out of range.

    Examples
    --------
    >>> from bdg.instruments import LinkLattice
    >>> lattice = LinkLattice(2, 2, seed=1)
    >>> found = lattice.voltage(tol=0.02)
    >>> volts = found.at(critical_current_A=1.0)
    >>> print(volts(0.5).round(2), volts(5.0) > 4)  # in units of the normal resistance
    0.0 True
    """

    rows: int = 3
    columns: int = 2
    spread: float = field(default=0.25, kw_only=True)
    seed: int = field(default=0, kw_only=True)

    def __post_init__(self) -> None:
        whole_number("rows", self.rows, 1, 100)
        whole_number("columns", self.columns, 1, 100)
        non_negative_number("spread", self.spread)
        require_seed(self.seed)

    @property
    def array(self) -> JunctionArray:
        """The junctions: normal resistance 1 ohm of the whole, critical current about 1 A."""
        nodes = np.arange(self.rows * self.columns).reshape(self.rows, self.columns)
        source, drain = nodes.size, nodes.size + 1
        along = np.stack([nodes[:-1], nodes[1:]], axis=-1).reshape(-1, 2)
        across = np.stack([nodes[:, :-1], nodes[:, 1:]], axis=-1).reshape(-1, 2)
        ends = [[source, node] for node in nodes[0]] + [[node, drain] for node in nodes[-1]]
        pairs = np.concatenate([along, across, ends])
        drawn = np.random.default_rng(self.seed).standard_normal(len(pairs))
        critical = np.exp(self.spread * drawn) / self.columns
        return JunctionArray(pairs, critical, np.full(len(pairs), self.columns / (self.rows + 1)), source, drain)

    def voltage(self, *, tol: float = 3e-3) -> LinkVoltage:
        """Return the voltage against current in units of I_c; ``tol`` is the wanted relative error."""
        start = time.perf_counter()
        found = self.array.voltages(REDUCED, tol=tol)
        choice = Choice("junction array", "one curve for all critical currents", select_backend("cpu"))
        return LinkVoltage(
            currents=REDUCED.copy(),
            voltages=found.voltages / found.resistance,
            error=found.error / found.resistance,
            evidence=Evidence.of(choice, dtype="float64", start=start, junctions=len(self.array.pairs)),
        )
