r"""A conducting sphere with a thin conducting shell in an alternating field.

All fields vary as ``exp(-i w t)``, so losses are a positive imaginary part. With ``x = (1 + i) r/delta``:

.. math:: \chi = \frac{3}{3/g - i \omega \mu_0 r K} - 1, \qquad g(x) = \frac{3 (1 - x \cot x)}{x^2}
                                                               = 1 + \frac{x^2}{15} + \dots

K is the sheet conductance of the shell. Normalised so that a perfect diamagnet has -1: the moment is ``3/2 chi`` times
volume times applied field. The same g with an imaginary x is the London sphere.

References: L. D. Landau, E. M. Lifshitz, Electrodynamics of Continuous Media, section 59; J. R. Wait, K. P. Spies,
Can. J. Phys. 47, 2087 (1969) (concentric shells).
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import scipy  # its parts load on use
from scipy.constants import mu_0

from bdg.base.arguments import real_array
from bdg.electrodynamics.arguments import as_given, length_ratio, positive_values
from bdg.lattices.arguments import positive_number

_SERIES_UP_TO = 1.5  # |x|: the series in (x/pi)^2 then has 30 terms to 1e-18
_ORDERS = np.arange(2, 34)


def skin_depth(resistivity_ohm_m: Any, frequency_Hz: Any) -> Any:
    r"""Return the skin depth ``delta = sqrt(rho/(pi mu_0 f))`` in metres.

    Parameters
    ----------
    resistivity_ohm_m, frequency_Hz : float or array
        > 0; shapes are broadcast.

    Returns
    -------
    float or array
        In m.

    Raises
    ------
    TypeError, ValueError
        If an argument is not positive.

    References
    ----------
    L. D. Landau, E. M. Lifshitz, Electrodynamics of Continuous Media, section 59.

    Examples
    --------
    >>> from bdg.electrodynamics import skin_depth
    >>> print(round(skin_depth(1.7e-8, 50) * 1e3, 1))  # mm, copper at 50 Hz
    9.3
    """
    resistivity = positive_values("resistivity_ohm_m", resistivity_ohm_m, "ohm m")
    frequency = positive_values("frequency_Hz", frequency_Hz, "Hz")
    return as_given(np.sqrt(resistivity / (math.pi * mu_0)) / np.sqrt(frequency))


def sphere_susceptibility(
    radius_m: Any, resistivity_ohm_m: Any, frequency_Hz: Any, *, sheet_conductance_S: Any = 0
) -> Any:
    r"""Return ``chi' + i chi''`` of a conducting sphere with a thin conducting shell; a perfect diamagnet has -1.

    .. math:: \chi = \frac{3}{3/g(x) - i \omega \mu_0 r K} - 1, \qquad x = (1 + i) r/\delta, \quad
              g = 3 (1 - x \cot x)/x^2

    Parameters
    ----------
    radius_m : float or array
        r > 0. Shapes of all arguments are broadcast.
    resistivity_ohm_m : float or array
        > 0; infinity for an insulating core.
    frequency_Hz : float or array
        > 0.
    sheet_conductance_S : float, complex or array
        K of the shell in siemens (per square), real part >= 0; infinity screens all. Fields vary as exp(-i w t), so
        a superconducting shell has a positive imaginary part, ``d/(w mu_0 lambda^2)`` for a thickness d.

    Returns
    -------
    complex or array
        Both parts accurate to 1e-12 for any r/delta.

    Raises
    ------
    TypeError, ValueError
        If an argument is out of range.

    References
    ----------
    L. D. Landau, E. M. Lifshitz, Electrodynamics of Continuous Media, section 59; J. R. Wait, K. P. Spies, Can. J.
    Phys. 47, 2087 (1969).

    Examples
    --------
    >>> from bdg.electrodynamics import sphere_susceptibility
    >>> print(sphere_susceptibility(1e-3, 4e-10, [100.0, 1e3, 1e5]).round(3))
    [-0.024+0.127j -0.521+0.327j -0.952+0.046j]
    """
    radius = positive_values("radius_m", radius_m, "m")
    resistivity = positive_values("resistivity_ohm_m", resistivity_ohm_m, "ohm m")
    frequency = positive_values("frequency_Hz", frequency_Hz, "Hz")
    conductance = require_conductance("sheet_conductance_S", sheet_conductance_S)
    omega_mu = 2 * math.pi * frequency * mu_0
    ratio = radius * np.sqrt(omega_mu / (2 * resistivity))  # r/delta
    open_shell = np.where(np.isfinite(conductance), conductance, 0)
    chi = np.where(np.isfinite(conductance), _with_shell(ratio, omega_mu * radius * open_shell), -1.0)
    return as_given(chi)


def _with_shell(ratio: np.ndarray, shell: np.ndarray) -> np.ndarray:
    """Return chi for r/delta and ``w mu_0 r K``; each part from sums of one sign where K is real."""
    h, g = interior(ratio**2 * 2j)
    screened = 1j * shell
    denominator = 3 - screened * g
    real = ((3 * h + screened * g) / denominator).real
    # 3/g = 3 - 3 h/g: its imaginary part without the difference of large numbers
    bracket = 3 / g - screened
    imaginary = 3 * (3 * (h / g).imag + screened.imag) / (bracket.real**2 + bracket.imag**2)
    return real + 1j * imaginary


def interior(x_squared: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return g - 1 and ``g = 3 (1 - x cot x)/x^2``, each accurate, for x^2 in the upper half plane or real."""
    x_squared = np.asarray(x_squared, dtype=complex)
    small = abs(x_squared) <= _SERIES_UP_TO**2
    near = np.where(small, x_squared, 0)
    coefficients = 6 * scipy.special.zeta(2.0 * _ORDERS) / np.pi ** (2.0 * _ORDERS)
    series = near * np.polynomial.polynomial.polyval(near, coefficients)
    x = np.sqrt(np.where(small, 4j, x_squared))
    decayed = np.exp(2j * x)
    far = 3 / x * (1 / x + 1j * (1 + decayed) / (1 - decayed))
    return np.where(small, series, far - 1), np.where(small, 1 + series, far)


def require_conductance(name: str, values: Any) -> np.ndarray:
    """Return complex sheet conductances whose real part is >= 0."""
    array = real_array(name, values)
    if array.dtype.kind not in "iufc":
        raise TypeError(f"{name} must be a number or an array of them (S per square); got {values!r:.80}")
    wrong = ~(array.real >= 0) | np.isnan(array.imag)
    if wrong.any():
        raise ValueError(
            f"{name} must have a real part >= 0 (S per square; a shell heats, it does not cool); got "
            f"{array[wrong].ravel()[0]}"
        )
    return array.astype(complex)


def london_sphere_susceptibility(radius: Any, penetration_depth: Any) -> Any:
    r"""Return M/H of a superconducting sphere, H applied: -3/2 if it screens fully, ``-r^2/(10 lambda^2)`` if small.

    .. math:: \chi_0 = -\frac{3}{2} \left[1 - 3 \frac{\lambda}{r} \coth\frac{r}{\lambda} + 3 \frac{\lambda^2}{r^2}
              \right]

    Parameters
    ----------
    radius, penetration_depth : float or array
        > 0, in one unit; infinity is welcome in one of them.

    Returns
    -------
    float or array

    Raises
    ------
    TypeError, ValueError
        If an argument is not positive.

    References
    ----------
    F. London, Superfluids I (1950), section 8.

    Examples
    --------
    >>> from bdg.electrodynamics import london_sphere_susceptibility
    >>> print(london_sphere_susceptibility(1.0, [0.001, 0.1, 1.0]).round(3))
    [-1.496 -1.095 -0.091]
    """
    ratio = length_ratio("radius", radius, penetration_depth)
    return as_given(1.5 * interior(-(ratio**2) + 0j)[0].real)


def moment_decay_time(
    radius_m: float, *, resistivity_ohm_m: float = math.inf, sheet_resistance_ohm: float = math.inf
) -> float:
    r"""Return the time in which the moment of a sphere with a shell decays after a field was switched on.

    The slowest exponential ``exp(-t/tau)`` of a uniform field, where chi has its pole:

    .. math:: 1 - y \cot y = \frac{r R}{\rho}, \qquad \tau = \frac{\mu_0 r^2}{\rho y^2}, \qquad 0 < y \le \pi

    ``mu_0 r/3R`` of a shell alone, ``mu_0 r^2/(pi^2 rho)`` of a sphere alone. A dc magnetometer, which reads seconds
    after the field has settled, sees nothing of a screening that decays so fast.

    Parameters
    ----------
    radius_m : float
        r > 0.
    resistivity_ohm_m : float
        rho > 0 of the core; infinity: none.
    sheet_resistance_ohm : float
        R > 0 of the shell (per square); infinity: none.

    Returns
    -------
    float
        Seconds; 0 if neither conducts.

    Raises
    ------
    TypeError, ValueError
        If an argument is not positive.

    References
    ----------
    L. D. Landau, E. M. Lifshitz, Electrodynamics of Continuous Media, section 58.

    Examples
    --------
    >>> from bdg.electrodynamics import moment_decay_time
    >>> print(round(moment_decay_time(1e-3, resistivity_ohm_m=4e-10) * 1e3, 2))  # ms: clean magnesium
    0.32
    """
    radius = positive_number("radius_m", radius_m, "m")
    resistivity = positive_number("resistivity_ohm_m", resistivity_ohm_m, "ohm m", infinite=True)
    sheet = positive_number("sheet_resistance_ohm", sheet_resistance_ohm, "ohm per square", infinite=True)
    if math.isinf(resistivity):
        return mu_0 * radius / (3 * sheet)
    if math.isinf(sheet):
        return mu_0 * radius**2 / (math.pi**2 * resistivity)
    reach = 3 * radius * sheet / resistivity  # s g = reach with s = y^2: from 0 to infinity at pi^2

    def excess_over(s: float) -> float:
        if s < 1:
            return s * float(interior(np.array(complex(s)))[1].real) - reach
        y = math.sqrt(s)
        return 3 * (1 - y * math.cos(y) / math.sin(y)) - reach if y < math.pi else math.inf

    lower, upper = (0.0, 1.0) if excess_over(1.0) >= 0 else (1.0, math.pi**2)
    root = scipy.optimize.bisect(excess_over, lower, upper, xtol=1e-300, rtol=1e-15, maxiter=2000)
    return mu_0 * radius**2 / (resistivity * root)
