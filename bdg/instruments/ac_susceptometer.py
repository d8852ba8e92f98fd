"""An ac susceptometer: chi' and chi'' of a coated sphere against temperature and the amplitude of the field."""

from __future__ import annotations

import math
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from bdg.base.results import Choice, Evidence, Result, quantity
from bdg.gpu.device.backend import select_backend
from bdg.instruments.lock_in import require_amplitude
from bdg.instruments.magnetometer import require_temperatures
from bdg.instruments.samples import CoatedSphere
from bdg.lattices.arguments import positive_number

if TYPE_CHECKING:
    from matplotlib.figure import Figure


@dataclass(frozen=True, eq=False, kw_only=True)
class AcSusceptibility(Result):
    """chi against temperature, normalised so that a perfect diamagnet has -1.

    Attributes
    ----------
    temperatures_K : array (T,)
    real, imaginary : arrays (T,)
        chi' and chi''; losses are positive.
    frequency_Hz, peak_field_A_m : float
    """

    temperatures_K: np.ndarray = quantity("temperatures (T,)", "K")  # noqa: N815 - the unit
    real: np.ndarray = quantity("chi' (T,)")
    imaginary: np.ndarray = quantity("chi'' (T,)")
    frequency_Hz: float = quantity("frequency", "Hz")  # noqa: N815
    peak_field_A_m: float = quantity("peak of the field", "A/m")  # noqa: N815

    def loss_peak(self) -> tuple[float, float] | None:
        """Return (temperature, chi'') of the largest loss, or None if chi'' has no maximum inside of the range.

        A parabola through the three highest points.
        """
        top = int(self.imaginary.argmax())
        if top in (0, self.imaginary.size - 1):
            return None
        t, chi = self.temperatures_K[top - 1 : top + 2], self.imaginary[top - 1 : top + 2]
        a, b, c = np.polyfit(t - t[1], chi, 2)
        shift = -b / (2 * a)
        return float(t[1] + shift), float(c + b * shift / 2)

    def plot(self, ax: Any = None) -> Figure:
        """Return a Figure of chi' and chi''."""
        from bdg.plots.instruments import plot_curves

        curves = {"$\\chi'$": self.real, "$\\chi''$": self.imaginary}
        return plot_curves(self.temperatures_K, curves, ("temperature (K)", r"$4\pi\chi$"), ax)


@dataclass(frozen=True)
class AcSusceptometer:
    """A susceptometer with a sinusoidal field.

    Attributes
    ----------
    frequency_Hz : float
    amplitude_A_m : float
        Of the field (1 Oe = 79.577 A/m).
    amplitude_is : {"peak", "rms"}
        What the amplitude is; there is no default.

    Raises
    ------
    TypeError, ValueError
        If a number is not positive, or the amplitude not said to be one or the other.

    Examples
    --------
    >>> from bdg.instruments import AcSusceptometer, CoatedSphere
    >>> from bdg.lattices import resistivity
    >>> sphere = CoatedSphere(1.5e-3, resistivity("Mg"))
    >>> chi = AcSusceptometer(1550.0, 16.0, amplitude_is="peak").sweep(sphere, [10.0, 30.0, 50.0, 90.0])
    >>> print(chi.imaginary.round(2))  # eddy currents
    [0.35 0.35 0.34 0.19]
    """

    frequency_Hz: float  # noqa: N815 - the unit
    amplitude_A_m: float  # noqa: N815
    amplitude_is: str = field(kw_only=True, default="")

    def __post_init__(self) -> None:
        positive_number("frequency_Hz", self.frequency_Hz, "Hz")
        positive_number("amplitude_A_m", self.amplitude_A_m, "A/m")
        require_amplitude("amplitude_A_m", self.amplitude_A_m, self.amplitude_is)

    @property
    def peak_A_m(self) -> float:  # noqa: N802 - the unit
        """Peak of the field."""
        return self.amplitude_A_m * (math.sqrt(2) if self.amplitude_is == "rms" else 1.0)

    def sweep(self, sample: CoatedSphere, temperatures_K: Any) -> AcSusceptibility:
        """Return chi against temperature.

        Parameters
        ----------
        sample : CoatedSphere
        temperatures_K : array (T,)
            Ascending.

        Returns
        -------
        AcSusceptibility

        Raises
        ------
        TypeError, ValueError
            If an argument is of the wrong type or out of range.
        """
        start = time.perf_counter()
        if not isinstance(sample, CoatedSphere):
            raise TypeError(
                f"sample must be a bdg.instruments.CoatedSphere; got {type(sample).__name__}. Make one with "
                "CoatedSphere(radius_m, resistivity_ohm_m), or with LinkedShell(...).on(radius_m, resistivity_ohm_m)"
            )
        temperatures = require_temperatures(temperatures_K)
        chi = np.array([sample.susceptibility(t, self.frequency_Hz, self.peak_A_m) for t in temperatures])
        choice = Choice("sphere with a shell", "closed form; links by their first harmonic", select_backend("cpu"))
        return AcSusceptibility(
            temperatures_K=temperatures,
            real=chi.real.copy(),
            imaginary=chi.imag.copy(),
            frequency_Hz=float(self.frequency_Hz),
            peak_field_A_m=self.peak_A_m,
            evidence=Evidence.of(choice, dtype="complex128", start=start),
        )
