"""A dc magnetometer: magnetisation along a history of fields, and after cooling with and without a field."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from bdg.base.arguments import real_array, require_choice
from bdg.base.results import Choice, Evidence, Result, quantity
from bdg.electrodynamics.arguments import real_values
from bdg.electrodynamics.critical_state import magnetise
from bdg.gpu.device.backend import select_backend
from bdg.instruments.samples import DIRECTIONS, SuperconductingPlate
from bdg.lattices.arguments import non_negative_number, positive_number

if TYPE_CHECKING:
    from matplotlib.figure import Figure


@dataclass(frozen=True, eq=False, kw_only=True)
class MagnetisationCurve(Result):
    """M along a history of fields at one temperature, in SI.

    Attributes
    ----------
    fields_A_m, magnetisation_A_m : arrays (H,)
        In the order of time, from the virgin state.
    error : float
        Of each magnetisation in A/m: the noise of the moment over the volume.
    slope : float
        M/H of small fields.
    temperature_K : float
    direction : str
    """

    fields_A_m: np.ndarray = quantity("applied fields (H,)", "A/m")  # noqa: N815 - the unit
    magnetisation_A_m: np.ndarray = quantity("magnetisation (H,)", "A/m")  # noqa: N815
    error: float = quantity("standard deviation of each magnetisation", "A/m")
    slope: float = quantity("M/H of small fields")
    temperature_K: float = quantity("temperature", "K")  # noqa: N815 - the unit
    direction: str = quantity("of the field to the plate")

    def plot(self, ax: Any = None) -> Figure:
        """Return a Figure of M(H)."""
        from bdg.plots.instruments import plot_curves

        return plot_curves(
            self.fields_A_m, {self.direction: self.magnetisation_A_m}, ("$H$ (A/m)", "$M$ (A/m)"), ax, marker="-"
        )


@dataclass(frozen=True, eq=False, kw_only=True)
class CoolingCurves(Result):
    """Magnetisation on warming in a field, after cooling without (zfc) and with it (fc).

    Attributes
    ----------
    temperatures_K : array (T,)
        Ascending.
    zfc_A_m, fc_A_m : arrays (T,)
    error : float
        Of each magnetisation in A/m.
    field_A_m : float
    direction : str
    """

    temperatures_K: np.ndarray = quantity("temperatures (T,)", "K")  # noqa: N815 - the unit
    zfc_A_m: np.ndarray = quantity("magnetisation after cooling without a field (T,)", "A/m")  # noqa: N815
    fc_A_m: np.ndarray = quantity("magnetisation after cooling in the field (T,)", "A/m")  # noqa: N815
    error: float = quantity("standard deviation of each magnetisation", "A/m")
    field_A_m: float = quantity("applied field", "A/m")  # noqa: N815
    direction: str = quantity("of the field to the plate")

    def irreversibility_temperature_K(self, threshold_A_m: float) -> float | None:  # noqa: N802 - the units
        """Return the temperature above which both curves agree.

        Parameters
        ----------
        threshold_A_m : float
            > 0: the difference that counts as none.

        Returns
        -------
        float or None
            By linear interpolation; None if they differ at all temperatures, or at none.

        Raises
        ------
        TypeError, ValueError
            If the threshold is not positive.
        """
        threshold = positive_number("threshold_A_m", threshold_A_m, "A/m")
        excess = abs(self.fc_A_m - self.zfc_A_m) - threshold
        apart = np.flatnonzero(excess > 0)
        if not apart.size or apart[-1] == excess.size - 1:
            return None
        last = apart[-1]
        share = excess[last] / (excess[last] - excess[last + 1])
        return float(self.temperatures_K[last] + share * np.diff(self.temperatures_K)[last])

    def plot(self, ax: Any = None) -> Figure:
        """Return a Figure of both curves."""
        from bdg.plots.instruments import plot_curves

        return plot_curves(
            self.temperatures_K, {"zfc": self.zfc_A_m, "fc": self.fc_A_m}, ("temperature (K)", "$M$ (A/m)"), ax
        )


@dataclass(frozen=True)
class Magnetometer:
    """A magnetometer that reads the moment of a plate along the applied field.

    Attributes
    ----------
    noise_A_m2 : float
        Standard deviation of a moment in A m^2 (1 emu = 1e-3 A m^2); it is told as ``error``, not added.

    Raises
    ------
    TypeError, ValueError
        If the noise is negative.

    Examples
    --------
    >>> from bdg.instruments import Magnetometer, SuperconductingPlate
    >>> plate = SuperconductingPlate(3e-3, 5e-4, lambda kelvin: 1e8 * max(0.0, 1 - kelvin / 19))
    >>> loop = Magnetometer().loop(plate, [0.0, 1e5, 0.0], 4.0, "parallel")
    >>> print(loop.magnetisation_A_m.round())  # A/m: what is left in zero field
    [    0. -9320.  9320.]
    >>> cooling = Magnetometer().zfc_fc(plate, 1e3, [4.0, 10.0, 25.0], "parallel")
    >>> print((cooling.zfc_A_m < 0).tolist())  # screens below 19 K
    [True, True, False]
    """

    noise_A_m2: float = 0.0  # noqa: N815 - the unit

    def __post_init__(self) -> None:
        non_negative_number("noise_A_m2", self.noise_A_m2, "A m^2")

    def loop(
        self, sample: SuperconductingPlate, fields_A_m: Any, temperature_K: float, direction: str
    ) -> MagnetisationCurve:
        """Return M along a history of fields at one temperature.

        Parameters
        ----------
        sample : SuperconductingPlate
        fields_A_m : array (H,)
            In the order of time, from the virgin state (1 Oe = 79.577 A/m).
        temperature_K : float
        direction : {"perpendicular", "parallel"}
            Of the field to the plate.

        Returns
        -------
        MagnetisationCurve

        Raises
        ------
        TypeError, ValueError
            If an argument is of the wrong type or out of range.
        """
        start = _started(sample, direction)
        temperature = non_negative_number("temperature_K", temperature_K, "K")
        fields = np.atleast_1d(real_values("fields_A_m", fields_A_m, "A/m"))
        reversible = sample.reversible(temperature)
        virgin = sample.virgin(direction, temperature)
        irreversible = magnetise(fields, virgin) if virgin else np.zeros(fields.shape)
        return MagnetisationCurve(
            fields_A_m=fields,
            magnetisation_A_m=irreversible + reversible * fields,
            error=self._error(sample),
            slope=(sample.slope(direction, temperature) if virgin else 0.0) + reversible,
            temperature_K=temperature,
            direction=direction,
            evidence=_evidence(start, saturation_A_m=sample.saturation(direction, temperature)),
        )

    def zfc_fc(
        self, sample: SuperconductingPlate, field_A_m: float, temperatures_K: Any, direction: str
    ) -> CoolingCurves:
        """Return M on warming in a field, after cooling without and with it.

        After cooling without a field, flux enters as far as J_c at each temperature lets it: the first magnetisation.
        After cooling in it the flux stays where it was, and only what is reversible is seen.

        Parameters
        ----------
        sample : SuperconductingPlate
            J_c must not rise with the temperature.
        field_A_m : float
            >= 0 (1 Oe = 79.577 A/m).
        temperatures_K : array (T,)
            Ascending.
        direction : {"perpendicular", "parallel"}

        Returns
        -------
        CoolingCurves

        Raises
        ------
        TypeError, ValueError
            If an argument is of the wrong type or out of range.
        """
        start = _started(sample, direction)
        field = non_negative_number("field_A_m", field_A_m, "A/m")
        temperatures = require_temperatures(temperatures_K)
        saturations = np.array([sample.saturation(direction, t) for t in temperatures])
        if (np.diff(saturations) > 1e-12 * saturations.max(initial=0)).any():
            raise ValueError(
                "critical_current_density must not rise with the temperature: flux that entered would leave on warming"
            )
        fc = field * np.array([sample.reversible(t) for t in temperatures])
        entered = np.zeros(temperatures.size)
        for place, temperature in enumerate(temperatures):
            virgin = sample.virgin(direction, temperature)
            entered[place] = -float(virgin(np.array(field))) if virgin else 0.0
        return CoolingCurves(
            temperatures_K=temperatures,
            zfc_A_m=fc + entered,
            fc_A_m=fc,
            error=self._error(sample),
            field_A_m=field,
            direction=direction,
            evidence=_evidence(start),
        )

    def _error(self, sample: SuperconductingPlate) -> float:
        return self.noise_A_m2 / (sample.width_m**2 * sample.thickness_m)


def require_temperatures(values: Any) -> np.ndarray:
    """Return temperatures (T,) in kelvin, ascending and >= 0."""
    array = np.atleast_1d(real_array("temperatures_K", values))
    if array.ndim != 1 or not array.size or array.dtype.kind not in "iuf":
        raise TypeError(f"temperatures_K must be a list of temperatures; got {values!r:.80}")
    if not np.isfinite(array).all() or array[0] < 0 or (np.diff(array) <= 0).any():
        raise ValueError(f"temperatures_K must be finite, >= 0 and ascending (K); got {values!r:.80}")
    return array.astype(float)


def _started(sample: Any, direction: Any) -> float:
    """Return the time at which a reading starts, of a plate in one of the two directions."""
    start = time.perf_counter()
    if not isinstance(sample, SuperconductingPlate):
        raise TypeError(
            f"sample must be a bdg.instruments.SuperconductingPlate; got {type(sample).__name__}. Make one with "
            "SuperconductingPlate(width_m, thickness_m, critical_current_density)"
        )
    require_choice("direction", direction, DIRECTIONS)
    return start


def _evidence(start: float, **facts: Any) -> Evidence:
    choice = Choice("critical state", "the only one", select_backend("cpu"))
    return Evidence.of(choice, dtype="float64", start=start, **facts)
