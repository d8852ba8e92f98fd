"""Four probes: current through two contacts, voltage between two others."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from bdg.base.results import Choice, Evidence, Result, quantity
from bdg.gpu.device.backend import select_backend
from bdg.granular.resistors import resistance_between
from bdg.instruments.magnetometer import require_temperatures
from bdg.lattices.arguments import non_negative_number, positive_number, real_number

if TYPE_CHECKING:
    from matplotlib.figure import Figure


@dataclass(frozen=True, eq=False, kw_only=True)
class ResistanceCurve(Result):
    """Resistance against temperature.

    Attributes
    ----------
    temperatures_K, resistances_ohm : arrays (T,)
    error : float
        Standard deviation of each resistance in ohm.
    current_A : float
    """

    temperatures_K: np.ndarray = quantity("temperatures (T,)", "K")  # noqa: N815 - the unit
    resistances_ohm: np.ndarray = quantity("resistances (T,)", "ohm")
    error: float = quantity("standard deviation of each resistance", "ohm")
    current_A: float = quantity("current", "A")  # noqa: N815

    def plot(self, ax: Any = None) -> Figure:
        """Return a Figure of R(T)."""
        from bdg.plots.instruments import plot_curves

        return plot_curves(self.temperatures_K, {"R": self.resistances_ohm}, ("temperature (K)", r"$R$ ($\Omega$)"), ax)


@dataclass(frozen=True)
class FourProbe:
    """A resistance from the voltage of a current and that of its reverse.

    Attributes
    ----------
    current_A : float
        > 0.
    noise_V : float
        Standard deviation of a voltage, >= 0; it is told as ``error``, not added.

    Raises
    ------
    TypeError, ValueError
        If a number is out of range.

    Examples
    --------
    >>> from bdg.granular import rsj_voltage
    >>> from bdg.instruments import FourProbe
    >>> probe = FourProbe(0.5)
    >>> def voltage(current, kelvin):
    ...     return rsj_voltage(current, max(0.0, 1 - kelvin / 20), 2.0)
    >>> curve = probe.sweep(voltage, [5, 15, 25])
    >>> print(curve.resistances_ohm.round(2))
    [0.   1.73 2.  ]
    """

    current_A: float  # noqa: N815 - the unit
    noise_V: float = field(default=0.0, kw_only=True)  # noqa: N815

    def __post_init__(self) -> None:
        positive_number("current_A", self.current_A, "A")
        non_negative_number("noise_V", self.noise_V, "V")

    def resistance(self, voltage: Callable[[float], Any]) -> float:
        """Return ``[V(I) - V(-I)]/2I`` in ohm; thermal voltages drop out.

        Parameters
        ----------
        voltage : callable
            V (volt) of a current (A).

        Returns
        -------
        float

        Raises
        ------
        TypeError, ValueError
            If ``voltage`` is no function, or gives no finite number.
        """
        if not callable(voltage):
            raise TypeError(f"voltage must be a function of the current; got {type(voltage).__name__}")
        forward, backward = (
            real_number(f"voltage({current:g})", np.asarray(voltage(current)).item(), "V")
            for current in (float(self.current_A), -float(self.current_A))
        )
        return (forward - backward) / (2 * self.current_A)

    def sweep(self, voltage: Callable[[float, float], Any], temperatures_K: Any) -> ResistanceCurve:
        """Return the resistance against temperature.

        Parameters
        ----------
        voltage : callable
            V (volt) of a current (A) and a temperature (K).
        temperatures_K : array (T,)
            Ascending.

        Returns
        -------
        ResistanceCurve

        Raises
        ------
        TypeError, ValueError
            If an argument is of the wrong type or out of range.
        """
        start = time.perf_counter()
        temperatures = require_temperatures(temperatures_K)
        found = [self.resistance(lambda current, at=t: voltage(current, at)) for t in temperatures.tolist()]  # type: ignore[misc]
        choice = Choice("current reversal", "the only one", select_backend("cpu"))
        return ResistanceCurve(
            temperatures_K=temperatures,
            resistances_ohm=np.array(found),
            error=self.noise_V / (np.sqrt(2) * self.current_A),
            current_A=float(self.current_A),
            evidence=Evidence.of(choice, dtype="float64", start=start),
        )

    def of_network(
        self, pairs: Any, resistances: Any, current_contacts: Sequence[int], voltage_contacts: Sequence[int]
    ) -> float:
        r"""Return the four-probe resistance of a network of resistors.

        .. math:: R_{ab,cd} = \tfrac{1}{2} [R_{ad} + R_{bc} - R_{ac} - R_{bd}]

        Parameters
        ----------
        pairs, resistances
            As in `bdg.granular.resistance_between`.
        current_contacts, voltage_contacts : (int, int)
            Nodes (a, b) where the current enters and leaves, and (c, d) between which the voltage is read.

        Returns
        -------
        float
            In ohm; of either sign.

        Raises
        ------
        TypeError, ValueError
            If an argument is wrong, or a contact is not joined to the others.
        """
        (a, b), (c, d) = (
            _require_contacts("current_contacts", current_contacts),
            _require_contacts("voltage_contacts", voltage_contacts),
        )
        ad, bc, ac, bd = (resistance_between(pairs, resistances, *ends) for ends in ((a, d), (b, c), (a, c), (b, d)))
        if not np.isfinite([ad, bc, ac, bd]).all():
            raise ValueError(
                f"contacts {a}, {b}, {c}, {d} must be joined by finite resistances; some are not. Choose nodes of one "
                "part of the network"
            )
        return (ad + bc - ac - bd) / 2


def _require_contacts(name: str, values: Any) -> tuple[Any, Any]:
    try:
        first, second = values
    except (TypeError, ValueError) as error:
        raise ValueError(f"{name} must be two nodes; got {values!r:.80}") from error
    return first, second
