r"""A lock-in amplifier on a voltage-current characteristic.

.. math:: \frac{dU}{dI} = \frac{1}{\pi A} \int_0^{2\pi} V(I_0 + A \sin\theta) \sin\theta \, d\theta
                        = \frac{2}{n A} \sum_{j=1}^{n} V(I_0 + A s_j)\, s_j, \qquad s_j = \cos\frac{(2j - 1)\pi}{2n}

the in-phase first harmonic over the drive, by Chebyshev's quadrature: exact for polynomials of V up to the degree
2n - 2. Points are tripled, so that earlier ones count again.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from bdg.electrodynamics.arguments import as_given, real_values
from bdg.lattices.arguments import positive_number

AMPLITUDES = ("peak", "rms")
_FIRST, _MOST = 27, 3**10


@dataclass(frozen=True)
class LockIn:
    """A lock-in that adds a sinusoidal current and reads the voltage in phase with it.

    Attributes
    ----------
    amplitude_A : float
        > 0.
    amplitude_is : {"peak", "rms"}
        What the amplitude is; there is no default, since a factor 1.41 hides in it.

    Raises
    ------
    TypeError, ValueError
        If the amplitude is not positive, or not said to be one or the other.

    Examples
    --------
    >>> from bdg.granular import rsj_voltage
    >>> from bdg.instruments import LockIn
    >>> lock_in = LockIn(0.024, amplitude_is="peak")
    >>> resistance = lock_in.differential_resistance(lambda i: rsj_voltage(i, 0.1, 1.0), [0.0, 0.105, 5.0])
    >>> print(resistance.round(2))  # ohm: overshoots where the junction switches
    [0.   1.92 1.  ]
    """

    amplitude_A: float  # noqa: N815 - the unit
    amplitude_is: str = field(kw_only=True, default="")

    def __post_init__(self) -> None:
        positive_number("amplitude_A", self.amplitude_A, "A")
        require_amplitude("amplitude_A", self.amplitude_A, self.amplitude_is)

    @property
    def peak_A(self) -> float:  # noqa: N802 - the unit
        """Peak of the current."""
        return self.amplitude_A * (math.sqrt(2) if self.amplitude_is == "rms" else 1.0)

    def differential_resistance(self, voltage: Callable[[np.ndarray], Any], bias_A: Any, *, tol: float = 1e-5) -> Any:
        """Return the in-phase first harmonic of the voltage over that of the current.

        Parameters
        ----------
        voltage : callable
            V (volt) of an array of currents (A), of the same shape.
        bias_A : float or array
            Direct currents.
        tol : float
            Points of the quadrature are tripled until the result changes twice by less, relative to the largest; at
            most 59 049. A voltage that is itself known to some accuracy only, such as that of a
            `bdg.granular.JunctionArray` (1e-3), needs a tol as large.

        Returns
        -------
        float or array
            In ohm.

        Raises
        ------
        TypeError, ValueError
            If an argument is out of range, or ``voltage`` does not give one finite number a current.
        """
        bias = real_values("bias_A", bias_A, "A")
        tol = positive_number("tol", tol)
        if not callable(voltage):
            raise TypeError(f"voltage must be a function of the current; got {type(voltage).__name__}")
        count, total = _FIRST, self._sum(voltage, bias, _chebyshev(_FIRST))
        value, calm = 2 * total / (count * self.peak_A), 0
        while count < _MOST and calm < 2:  # once may be chance where the voltage has an onset
            total = total + self._sum(voltage, bias, _new_points(3 * count))
            count, before = 3 * count, value
            value = 2 * total / (count * self.peak_A)
            calm = calm + 1 if abs(value - before).max(initial=0) <= tol * abs(value).max(initial=0) else 0
        return as_given(value)

    def _sum(self, voltage: Callable[[np.ndarray], Any], bias: np.ndarray, points: np.ndarray) -> np.ndarray:
        current = bias[..., None] + self.peak_A * points
        found = np.asarray(voltage(current), dtype=float)
        if found.shape != current.shape or not np.isfinite(found).all():
            raise ValueError(
                f"voltage must give one finite number a current, shape {current.shape}; got shape {found.shape}"
                f"{'' if np.isfinite(found).all() else ' with NaN or infinity'}. It is called with an array"
            )
        return (found * points).sum(axis=-1)


def require_amplitude(name: str, value: float, kind: str) -> None:
    """Refuse an amplitude that is not said to be a peak or an rms value."""
    if kind == "":
        raise TypeError(
            f"amplitude_is must say what {name} = {value} is, 'peak' or 'rms'; got nothing. Write amplitude_is='rms' "
            "where the instrument shows rms values"
        )
    if kind not in AMPLITUDES:
        raise ValueError(f"amplitude_is must be 'peak' or 'rms'; got {kind!r:.80}")


def _chebyshev(count: int) -> np.ndarray:
    return np.cos((2 * np.arange(count) + 1) * math.pi / (2 * count))


def _new_points(count: int) -> np.ndarray:
    """Return the zeros of the Chebyshev polynomial that are none of that of a third of its degree."""
    odd = 2 * np.arange(count) + 1
    return np.cos(odd[odd % 3 != 0] * math.pi / (2 * count))
