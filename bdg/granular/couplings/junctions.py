r"""One Josephson junction: what its normal resistance says of the coupling, and what thermal phase slips leave of it.

Characteristic voltages ``e I_c R_N`` (Delta at the temperature):

- "AB": tunnel junction, ``(pi/2) Delta tanh(Delta/2T)``, I = I_c sin(phi) (V. Ambegaokar, A. Baratoff, Phys. Rev. Lett.
  10, 486 (1963));
- "KO-1": short diffusive contact (I. O. Kulik, A. N. Omelyanchuk, JETP Lett. 21, 96 (1975)),

.. math:: e I R_N = 2 \pi T \sum_{w > 0} \frac{2 \Delta \cos(\varphi/2)}{\Omega}
          \arctan\frac{\Delta \sin(\varphi/2)}{\Omega}, \quad \Omega^2 = w^2 + \Delta^2 \cos^2(\varphi/2);

- "KO-2": short clean contact, ``pi Delta sin(phi/2) tanh(Delta cos(phi/2)/2T)`` (the same authors, Sov. J. Low Temp.
  Phys. 3, 459 (1977)).

All three are ``pi Delta^2 sin(phi)/4T`` where T >> Delta. They hold for contacts shorter than the coherence length of
the host: for longer ones they are upper bounds.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
import scipy  # its parts load on use
import scipy.constants

from bdg.base.arguments import require_choice
from bdg.lattices.arguments import non_negative_number, positive_number
from bdg.lattices.units import FLUX_QUANTUM_WB, KB_MEV_PER_K

MODELS = ("AB", "KO-1", "KO-2")
_HBAR_OVER_E2 = scipy.constants.hbar / scipy.constants.e**2  # ohm
_NODES = np.polynomial.legendre.leggauss(24)  # of each panel of a quadrature
_MOST_PANELS = 1000  # wider peaks than these resolve stay above 1e-300


@dataclass(frozen=True)
class CharacteristicVoltage:
    """Largest ``e I R_N`` of a junction.

    Attributes
    ----------
    value : float
        e I_c R_N in the unit of the gap.
    phase : float
        Where the current is largest, in radian.
    model : str
    """

    value: float
    phase: float
    model: str


def characteristic_voltage(gap: float, temperature: float, *, model: str = "AB") -> CharacteristicVoltage:
    """Return ``e I_c R_N`` of a short junction between equal superconductors, and the phase of I_c.

    Parameters
    ----------
    gap : float
        Delta at the temperature, >= 0, in any unit of energy.
    temperature : float
        k_B T >= 0 in the same unit.
    model : {"AB", "KO-1", "KO-2"}
        Tunnel junction, diffusive contact, clean contact: the formulas of `bdg.granular.couplings.junctions`.

    Returns
    -------
    CharacteristicVoltage
        ``value`` in the unit of the gap, ``phase`` in radian.

    Raises
    ------
    TypeError, ValueError
        If an argument is out of range.

    References
    ----------
    V. Ambegaokar, A. Baratoff, Phys. Rev. Lett. 10, 486 (1963); I. O. Kulik, A. N. Omelyanchuk, JETP Lett. 21, 96
    (1975), Sov. J. Low Temp. Phys. 3, 459 (1977); A. A. Golubov, M. Yu. Kupriyanov, E. Il'ichev, Rev. Mod. Phys. 76,
    411 (2004).

    Examples
    --------
    >>> from bdg.granular import characteristic_voltage
    >>> junction = characteristic_voltage(1.0, 0.0)
    >>> print(round(junction.value, 3))  # pi/2 gaps: Ambegaokar and Baratoff at T = 0
    1.571
    """
    gap = non_negative_number("gap", gap)
    temperature = non_negative_number("temperature", temperature, "k_B T in the unit of the gap")
    require_choice("model", model, MODELS)
    if gap == 0 or model == "AB":
        factor = 1.0 if temperature == 0 else math.tanh(gap / (2 * temperature)) if gap else 0.0
        return CharacteristicVoltage(0.5 * math.pi * gap * factor, 0.5 * math.pi, model)
    current = _dirty if model == "KO-1" else _clean
    reduced = temperature / gap
    if reduced == 0 and model == "KO-2":
        return CharacteristicVoltage(math.pi * gap, math.pi, model)
    found = scipy.optimize.minimize_scalar(
        lambda phase: -current(phase, reduced),
        bounds=(0.5 * math.pi, math.pi),
        method="bounded",
        options={"xatol": 1e-10},
    )
    return CharacteristicVoltage(float(-found.fun) * gap, float(found.x), model)


def _clean(phase: float, temperature: float) -> float:
    """Return e I R_N/Delta of a clean contact; the temperature in units of the gap."""
    return math.pi * math.sin(phase / 2) * math.tanh(math.cos(phase / 2) / (2 * temperature))


def _dirty(phase: float, temperature: float) -> float:
    """Return e I R_N/Delta of a diffusive contact.

    The sum over Matsubara frequencies is done up to some hundred, its tail by the midpoint rule that it is.
    """
    cosine, sine = math.cos(phase / 2), math.sin(phase / 2)
    if temperature == 0:
        return math.pi * cosine * math.atanh(sine) if cosine > 0 else 0.0
    last = max(50, math.ceil(60 / (2 * math.pi * temperature)))  # far above the gap
    w = math.pi * temperature * (2 * np.arange(last) + 1)
    omega = np.hypot(w, cosine)
    total = 2 * math.pi * temperature * float((2 * cosine / omega * np.arctan(sine / omega)).sum())
    edge = 2 * math.pi * temperature * last  # the middle between the last frequency and the next
    return total + _dirty_tail(edge, cosine, sine, temperature)


def _dirty_tail(edge: float, cosine: float, sine: float, temperature: float) -> float:
    """Return the integral of the summand above ``edge``, with the first correction of the midpoint rule."""
    # summand = 2 c s (1/w^2 - a/w^4 + ..), a = c^2 + s^2/3
    a = cosine**2 + sine**2 / 3
    step = 2 * math.pi * temperature
    integral = 1 / edge - a / (3 * edge**3)
    return 2 * cosine * sine * (integral - step**2 / 24 * 2 / edge**3)


def josephson_energy(resistance_ohm: float, gap_meV: float, temperature_K: float, *, model: str = "AB") -> float:
    """Return ``E_J = hbar I_c/2e`` in meV of a short junction from its normal resistance.

    Parameters
    ----------
    resistance_ohm : float
        R_N > 0.
    gap_meV : float
        Delta at the temperature.
    temperature_K : float
    model : {"AB", "KO-1", "KO-2"}
        As in `characteristic_voltage`.

    Returns
    -------
    float
        meV.

    Raises
    ------
    TypeError, ValueError
        If an argument is out of range.

    References
    ----------
    V. Ambegaokar, A. Baratoff, Phys. Rev. Lett. 10, 486 (1963).

    Examples
    --------
    >>> from bdg.granular import josephson_energy
    >>> print(round(josephson_energy(1000.0, 2.7, 4.2), 2))  # meV, a junction of 1 kOhm between grains of MgB2
    8.7
    """
    resistance = positive_number("resistance_ohm", resistance_ohm, "ohm")
    temperature = non_negative_number("temperature_K", temperature_K, "kelvin")
    voltage = characteristic_voltage(gap_meV, KB_MEV_PER_K * temperature, model=model).value
    return 0.5 * voltage * _HBAR_OVER_E2 / resistance


def thermal_resistance(coupling_over_temperature: Any, current_over_critical: Any = 0.0) -> Any:
    r"""Return ``<V>/(I R_N)`` of an overdamped junction with thermal phase slips.

    .. math:: \frac{\langle V \rangle}{I R_N} = \frac{\sinh \pi \nu}{\pi \nu} \, |I_{i\nu}(u)|^{-2}, \qquad
              u = E_J / k_B T, \quad \nu = u I / I_c, \quad
              |I_{i\nu}(u)|^2 = \frac{2}{\pi} \int_0^{\pi/2} I_0(2 u \cos\theta) \cosh(2 \nu \theta) \, d\theta,

    the exact solution of the Fokker-Planck equation; ``I_0(u)^-2`` without a bias.

    Parameters
    ----------
    coupling_over_temperature : float or array
        u >= 0, with E_J = hbar I_c/2e.
    current_over_critical : float or array
        I/I_c, of either sign; shapes are broadcast.

    Returns
    -------
    float or array
        Between 0 and 1.

    Raises
    ------
    ValueError
        If an argument is not finite, or u negative.

    References
    ----------
    V. Ambegaokar, B. I. Halperin, Phys. Rev. Lett. 22, 1364 (1969); Yu. M. Ivanchenko, L. A. Zil'berman, Sov. Phys.
    JETP 28, 1272 (1969).

    Examples
    --------
    >>> from bdg.granular import thermal_resistance
    >>> print(thermal_resistance([0.1, 1.0, 10.0]).round(4))  # phase slips freeze out
    [0.995  0.6239 0.    ]
    """
    u, bias = np.broadcast_arrays(
        np.asarray(coupling_over_temperature, dtype=float), abs(np.asarray(current_over_critical, dtype=float))
    )
    if not (np.isfinite(u).all() and np.isfinite(bias).all() and (u >= 0).all()):
        raise ValueError(
            "coupling_over_temperature must be finite and >= 0, current_over_critical finite; got "
            f"{coupling_over_temperature!r:.80} and {current_over_critical!r:.80}"
        )
    found = np.array([_slips(*pair) for pair in zip(u.ravel(), bias.ravel(), strict=True)]).reshape(u.shape)
    return float(found) if found.ndim == 0 else found


def _slips(u: float, bias: float) -> float:
    nu = u * bias
    x, weights = _quadrature(u, nu)  # theta = pi/2 - x
    size = 2 * u * np.sin(x)
    # logarithm of I_0(size) cosh(2 nu theta) and of sinh(pi nu)/(pi nu), both less pi nu: they overflow
    exponent = size + np.log(scipy.special.i0e(size)) - 2 * nu * x + np.log1p(np.exp(-4 * nu * (0.5 * math.pi - x)))
    top = float(exponent.max())
    integral = 1 / math.pi * float((weights * np.exp(exponent - top)).sum())
    rise = math.log(-math.expm1(-2 * math.pi * nu) / (2 * math.pi * nu)) if nu else 0.0
    return math.exp(rise - top) / integral


def _quadrature(u: float, nu: float) -> tuple[np.ndarray, np.ndarray]:
    """Return nodes and weights on (0, pi/2): panels that double from the scale at 0, not wider than a peak inside."""
    edges = [0.0, min(0.5 * math.pi, 1 / (1 + u + nu))]
    widest = max(4 / math.sqrt(1 + u), 0.5 * math.pi / _MOST_PANELS)
    while edges[-1] < 0.5 * math.pi:
        edges.append(min(0.5 * math.pi, edges[-1] + min(edges[-1], widest)))
    ends = np.array(edges)
    half = 0.5 * np.diff(ends)[:, None]
    return (ends[:-1, None] + half * (1 + _NODES[0])).ravel(), (half * _NODES[1]).ravel()


def rsj_voltage(current: Any, critical_current: float, resistance: float) -> Any:
    r"""Return the mean voltage of an overdamped junction without noise: ``R sqrt(I^2 - I_c^2)`` above I_c, else 0.

    Parameters
    ----------
    current : float or array
        I in A.
    critical_current : float
        I_c >= 0 in A.
    resistance : float
        R > 0 in ohm.

    Returns
    -------
    float or array
        V, with the sign of I.

    Raises
    ------
    TypeError, ValueError
        If an argument is out of range.

    References
    ----------
    W. C. Stewart, Appl. Phys. Lett. 12, 277 (1968); D. E. McCumber, J. Appl. Phys. 39, 3113 (1968).

    Examples
    --------
    >>> from bdg.granular import rsj_voltage
    >>> print(rsj_voltage([0.5, 1.25, 5.0], critical_current=1.0, resistance=2.0).round(2))
    [0.  1.5 9.8]
    """
    critical = non_negative_number("critical_current", critical_current, "A")
    resistance = positive_number("resistance", resistance, "ohm")
    drive = np.asarray(current, dtype=float)
    if not np.isfinite(drive).all():
        raise ValueError(f"current must be finite (A); got {current!r:.80}")
    # (I - I_c)(I + I_c): no cancellation just above I_c
    voltage = np.sign(drive) * resistance * np.sqrt(np.maximum((abs(drive) - critical) * (abs(drive) + critical), 0.0))
    return float(voltage) if voltage.ndim == 0 else voltage


def penetration_depth_um(stiffness_K: float, spacing_nm: float) -> float:
    r"""Return the London penetration depth of a network of junctions, in micrometres.

    .. math:: \lambda^{-2} = \mu_0 \left(\frac{2 \pi}{\Phi_0}\right)^2 \frac{k_B E}{a}

    Parameters
    ----------
    stiffness_K : float
        E > 0: stiffness times spacing, in kelvin; E_J of each bond of a simple cubic network at T = 0.
    spacing_nm : float
        a > 0.

    Returns
    -------
    float
        Micrometres.

    Raises
    ------
    TypeError, ValueError
        If an argument is not positive.

    References
    ----------
    M. Tinkham, Introduction to Superconductivity, 2nd ed. (1996), section 6.6.

    Examples
    --------
    >>> from bdg.granular import penetration_depth_um
    >>> print(round(penetration_depth_um(100.0, 30.0), 2))  # um, couplings of 100 K every 30 nm
    1.37
    """
    energy = positive_number("stiffness_K", stiffness_K, "kelvin") * scipy.constants.k
    spacing = 1e-9 * positive_number("spacing_nm", spacing_nm, "nm")
    inverse_square = scipy.constants.mu_0 * (2 * math.pi / FLUX_QUANTUM_WB) ** 2 * energy / spacing
    return 1e6 / math.sqrt(inverse_square)
