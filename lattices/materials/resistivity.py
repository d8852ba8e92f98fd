r"""Resistivity of the materials of this package against temperature.

Metals follow the law of Bloch and Grüneisen beside a residual part (Matthiessen's rule),

.. math:: \rho = \rho_0 + \rho_{300} \frac{B(T)}{B(300\,\mathrm{K})}, \qquad
          B = \Big(\frac{T}{\Theta}\Big)^m \int_0^{\Theta/T} \frac{x^m\,dx}{(e^x - 1)(1 - e^{-x})}

with m = 5 (Mg) or 3 (MgB2); where there is a table of the ideal part (Mg), the law carries from entry to entry. A doped
semiconductor follows that of carriers of both signs,

.. math:: \rho = \frac{1}{e (n \mu_n + p \mu_p)}, \qquad n - p = N, \qquad
          n p = 4 \Big(\frac{k_B T}{2 \pi \hbar^2}\Big)^3 (m_n m_p)^{3/2} e^{-E_g/k_B T} .

Of an insulator only a lower bound is known. Each says in which range it holds, and refuses what is outside.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import scipy  # its parts load on use
from scipy import constants

from bdg.lattices.arguments import non_negative_number, positive_number
from bdg.lattices.materials.material import Parameter, material

UNIT = 1e-8  # ohm m (uohm cm) of the metals in the file
REFERENCE_K = 300.0
TABLE_FROM_K = 40.0  # the entry of Mg at 20 K still holds residual resistivity
MOTT = 0.26  # n^(1/3) a_B above which carriers do not freeze out (N. F. Mott, Metal-Insulator Transitions, 1974)
_GAUSS = np.polynomial.legendre.leggauss(80)
_FAR = 60.0  # where exp(-x) x^5 adds nothing
_METALS, _SEMICONDUCTORS, _INSULATORS = ("Mg", "MgB2"), ("Mg2Si",), ("MgO",)


@dataclass(frozen=True, kw_only=True)
class Resistivity:
    """Resistivity of a material as a function of the temperature; an instance is called with kelvin.

    Attributes
    ----------
    material : str
    law : str
        In words.
    range_K : (float, float)
        Where it holds; other temperatures are refused.
    factors : (float, float)
        What multiplies all values at the ends of what is plausible.
    source : str
    unverified : tuple of str
        The parameters in it that were not checked against their source.
    lower_bound : bool
        Whether the true value is only known to be larger.
    """

    material: str
    law: str
    range_K: tuple[float, float]  # noqa: N815 - the unit
    factors: tuple[float, float]
    source: str
    unverified: tuple[str, ...]
    lower_bound: bool
    _curve: Callable[[np.ndarray], np.ndarray]

    def __call__(self, temperature_K: Any) -> Any:
        """Return the resistivity in ohm m.

        Parameters
        ----------
        temperature_K : float or array
            Within ``range_K``.

        Returns
        -------
        float or array

        Raises
        ------
        TypeError, ValueError
            If a temperature is no number or outside of the range.
        """
        temperatures = np.asarray(temperature_K)
        if temperatures.dtype.kind not in "iuf":
            raise TypeError(f"temperature_K must be a number or an array of them (K); got {temperature_K!r:.80}")
        low, high = self.range_K
        wrong = ~((temperatures >= low) & (temperatures <= high))
        if wrong.any():
            raise ValueError(
                f"temperature_K must be from {low:g} to {high:g} K, where the resistivity of {self.material} is stated "
                f"({self.law}); got {temperatures[wrong].ravel()[0]:g}. Give a function of your own elsewhere"
            )
        found = self._curve(temperatures.astype(float))
        return found.item() if np.ndim(found) == 0 else found

    @property
    def verified(self) -> bool:
        """True if each of its parameters was seen in its source."""
        return not self.unverified

    @property
    def mark(self) -> str:
        """What a report adds to a number that depends on it: "" or "rho of Mg not verified"."""
        bound = "a lower bound, " if self.lower_bound else ""
        return "" if self.verified else f"{bound}rho of {self.material} not verified"


def resistivity(name: str, *, residual_ohm_m: float | None = None, carriers_m3: float | None = None) -> Resistivity:
    """Return the resistivity of a material against temperature.

    Parameters
    ----------
    name : str
        "Mg", "MgB2" (metals), "Mg2Si" (semiconductor) or "MgO" (insulator: a lower bound).
    residual_ohm_m : float, optional
        Residual resistivity of a metal, >= 0. None: that of `material`.
    carriers_m3 : float, optional
        Electrons of Mg2Si that its dopants give. None: that of `material`.

    Returns
    -------
    Resistivity
        A function of the temperature in kelvin, in ohm m, with range, source and what of it is not verified.

    Raises
    ------
    TypeError, ValueError
        If the material is unknown, a number out of range, or an argument does not belong to the material.

    Examples
    --------
    >>> from bdg.lattices import resistivity
    >>> magnesium = resistivity("Mg", residual_ohm_m=1e-10)
    >>> print((magnesium([4, 300]) * 1e8).round(2))  # micro-ohm cm
    [0.01 4.52]
    """
    parameters = material(name)
    if name not in (*_METALS, *_SEMICONDUCTORS, *_INSULATORS):
        raise ValueError(f"name must be Mg, MgB2, Mg2Si or MgO, which have a resistivity; got {name!r}")
    if residual_ohm_m is not None and name not in _METALS:
        raise ValueError(f"residual_ohm_m belongs to {' and '.join(_METALS)}; got it with {name!r}. Leave it out")
    if carriers_m3 is not None and name not in _SEMICONDUCTORS:
        raise ValueError(f"carriers_m3 belongs to {', '.join(_SEMICONDUCTORS)}; got it with {name!r}. Leave it out")
    if name in _METALS:
        return _metal(name, residual_ohm_m)
    if name in _SEMICONDUCTORS:
        return _semiconductor(name, carriers_m3)
    bound = parameters["resistivity_bound"]
    return Resistivity(
        material=name,
        law="insulator: at least this",
        range_K=(0.0, REFERENCE_K),
        factors=(1.0, math.inf),
        source=bound.source,
        unverified=_not_seen({"resistivity_bound": bound}),
        lower_bound=True,
        _curve=lambda t: np.full(t.shape, _number(bound)),
    )


def bloch_grueneisen(temperature_K: np.ndarray, debye_K: float, exponent: float) -> np.ndarray:
    """Return ``(T/Theta)^m int_0^(Theta/T) x^m/((e^x - 1)(1 - e^-x)) dx`` for temperatures (...,) >= 0."""
    reduced = np.asarray(temperature_K, dtype=float) / debye_K
    upper = np.minimum(1 / np.maximum(reduced, 1e-9), _FAR)
    x = upper[..., None] * (1 + _GAUSS[0]) / 2
    decayed = np.exp(-x)
    integrand = x**exponent * decayed / (-np.expm1(-x)) ** 2
    return np.asarray(reduced**exponent * upper / 2 * (integrand * _GAUSS[1]).sum(axis=-1))


def _metal(name: str, residual_ohm_m: float | None) -> Resistivity:
    parameters = material(name)
    used = {key: parameters[key] for key in ("debye_temperature", "debye_exponent", "ideal_resistivity")}
    debye, exponent, ideal = (_number(entry) for entry in used.values())
    if residual_ohm_m is None:
        used["residual_resistivity"] = parameters["residual_resistivity"]
        residual = UNIT * _number(used["residual_resistivity"])
    else:
        residual = non_negative_number("residual_ohm_m", residual_ohm_m, "ohm m")
    unit = UNIT * ideal / bloch_grueneisen(np.array(REFERENCE_K), debye, exponent)
    table = parameters.get("resistivity")
    if table is not None:
        used["resistivity"] = table

    def law(t: np.ndarray) -> np.ndarray:
        return np.asarray(unit * bloch_grueneisen(t, debye, exponent))

    correction = _correction(table, law)
    low, high = used["ideal_resistivity"].range
    lowest = _number(parameters["critical_temperature"]) if name == "MgB2" else 0.0
    return Resistivity(
        material=name,
        law=f"Bloch and Grueneisen, {debye:g} K, power {exponent:g}, and {residual / UNIT:.4g} uohm cm residual",
        range_K=(lowest, REFERENCE_K),
        factors=(low / ideal, high / ideal),
        source=used["ideal_resistivity"].source,
        unverified=_not_seen(used),
        lower_bound=False,
        _curve=lambda t: residual + law(t) * correction(t),
    )


def _correction(
    table: Parameter | None, law: Callable[[np.ndarray], np.ndarray]
) -> Callable[[np.ndarray], np.ndarray | float]:
    """Return the factor that leads a law through the entries of a table, constant beyond its ends."""
    if table is None or table.temperature_K is None:
        return lambda t: 1.0
    at, values = np.array(table.temperature_K), UNIT * np.array(table.value)
    kept = at >= TABLE_FROM_K
    at, values = at[kept], values[kept]
    factors = np.log(values / law(at))
    at, factors = np.insert(at, 0, at[0] / 2), np.insert(factors, 0, factors[0])  # no corner where the table begins
    through = scipy.interpolate.PchipInterpolator(np.log(at), factors)
    return lambda t: np.exp(through(np.log(np.clip(t, at[0], at[-1]))))


def _semiconductor(name: str, carriers_m3: float | None) -> Resistivity:
    parameters = material(name)
    keys = ("effective_mass", "hole_mass", "band_gap", "mobility", "hole_mobility_ratio", "dielectric_constant")
    used = {key: parameters[key] for key in keys}
    electron, hole, gap, mobility, ratio, dielectric = (_number(entry) for entry in used.values())
    least = mott_density(electron, dielectric)
    if carriers_m3 is None:
        used["carrier_density"] = parameters["carrier_density"]
        doped = _number(used["carrier_density"])
    else:
        doped = positive_number("carriers_m3", carriers_m3, "1/m^3")
    if doped < least:
        raise ValueError(
            f"carriers_m3 must be at least Mott's density, {least:.2g} per m^3, since carriers that freeze out are not "
            f"described; got {doped:g}"
        )

    def curve(t: np.ndarray) -> np.ndarray:
        thermal = constants.k * t
        states = (thermal * constants.m_e / (2 * math.pi * constants.hbar**2)) ** 1.5 * (electron * hole) ** 0.75
        pairs = 2 * states * np.exp(-gap * constants.e / (2 * thermal))
        electrons = doped / 2 + np.hypot(doped / 2, pairs)
        holes = pairs**2 / electrons
        return np.asarray(1 / (constants.e * 1e-4 * mobility * (electrons + ratio * holes)))

    low, high = used["mobility"].range
    return Resistivity(
        material=name,
        law=f"{doped:.3g} electrons per m^3 that do not freeze out, and pairs across {gap:g} eV",
        range_K=(4.0, 800.0),
        factors=(mobility / high, mobility / low),
        source=f"carriers and mobility: {used['mobility'].source}; gap: {used['band_gap'].source}",
        unverified=_not_seen(used),
        lower_bound=False,
        _curve=curve,
    )


def mott_density(mass: float, dielectric_constant: float) -> float:
    """Return the density per m^3 above which the carriers of donors do not freeze out, ``(0.26/a_B)^3``."""
    radius = constants.physical_constants["Bohr radius"][0] * dielectric_constant / mass
    return float((MOTT / radius) ** 3)


def _number(entry: Parameter) -> float:
    if isinstance(entry.value, tuple):
        raise TypeError(f"materials.toml: a number is needed, not a table ({entry.source:.60})")
    return entry.value


def _not_seen(used: dict[str, Parameter]) -> tuple[str, ...]:
    return tuple(key for key, entry in used.items() if not entry.verified)
