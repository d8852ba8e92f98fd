"""What is put into a magnetometer or a susceptometer: a plate in the critical state, a sphere with a shell of links."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import scipy  # its parts load on use

from bdg.electrodynamics.conducting_sphere import sphere_susceptibility
from bdg.electrodynamics.critical_state import Virgin, disc_virgin, slab_virgin
from bdg.electrodynamics.screening_plate import london_plate_susceptibility
from bdg.lattices.arguments import non_negative_number, positive_number

_GAUSS = np.polynomial.legendre.leggauss(40)
_NODES = (1 + _GAUSS[0]) / 2, _GAUSS[1] / 2  # on (0, 1)
PERPENDICULAR, PARALLEL = "perpendicular", "parallel"
DIRECTIONS = (PERPENDICULAR, PARALLEL)
Curve = Callable[[float], Any]
"""A quantity as a function of the temperature in kelvin."""


def value_at(name: str, curve: Any, temperature_K: float, unit: str, *, infinite: bool = False) -> float:
    """Return a number >= 0 that is given as such or as a function of the temperature."""
    value = curve(temperature_K) if callable(curve) else curve
    where = f"{name} at {temperature_K:g} K" if callable(curve) else name
    found = value.item() if isinstance(value, np.generic | np.ndarray) and np.ndim(value) == 0 else value
    if infinite and isinstance(found, float) and found == math.inf:
        return found
    return non_negative_number(where, found, unit)


@dataclass(frozen=True)
class SuperconductingPlate:
    """A square plate with one critical current density, in a field across or along it.

    Small fields are screened by the whole plate, demagnetisation included (`london_plate_susceptibility`); the
    saturation is that of Bean's model, ``J_c w/6`` across a square of edge w and ``(J_c d/4)(1 - d/3w)`` along it.

    Attributes
    ----------
    width_m, thickness_m : float
        w >= d > 0.
    critical_current_density : float or callable
        J_c (A/m^2), or J_c of the temperature (K); 0 where nothing is screened.
    penetration_depth_m : float or callable
        lambda (m), or lambda of the temperature (K); 0 screens fully, infinity nothing.
    reversible_susceptibility : float or callable
        M/H <= 0 of what is reversible and isotropic beside it (grains), or a function of the temperature (K).

    Raises
    ------
    TypeError, ValueError
        If a length is not positive, or the plate thicker than wide.
    """

    width_m: float
    thickness_m: float
    critical_current_density: float | Curve
    penetration_depth_m: float | Curve = field(default=0.0, kw_only=True)
    reversible_susceptibility: float | Curve = field(default=0.0, kw_only=True)

    def __post_init__(self) -> None:
        positive_number("width_m", self.width_m, "m")
        positive_number("thickness_m", self.thickness_m, "m")
        if self.thickness_m > self.width_m:
            raise ValueError(f"thickness_m must be at most width_m = {self.width_m:g}; got {self.thickness_m:g}")

    def slope(self, direction: str, temperature_K: float = 0.0) -> float:
        """Return M/H of small fields where the plate is superconducting."""
        half, thin = self.width_m / 2, self.thickness_m / 2
        axes = (half, half, thin) if direction == PERPENDICULAR else (half, thin, half)
        depth = value_at("penetration_depth_m", self.penetration_depth_m, temperature_K, "m", infinite=True)
        return london_plate_susceptibility(*axes, depth)

    def saturation(self, direction: str, temperature_K: float) -> float:
        """Return the largest irreversible magnetisation in A/m."""
        density = value_at("critical_current_density", self.critical_current_density, temperature_K, "A/m^2")
        if direction == PERPENDICULAR:
            return density * self.width_m / 6
        return density * self.thickness_m / 4 * (1 - self.thickness_m / (3 * self.width_m))

    def virgin(self, direction: str, temperature_K: float) -> Virgin | None:
        """Return -M of a first magnetisation, or None where nothing is irreversible."""
        saturation = self.saturation(direction, temperature_K)
        slope = -self.slope(direction, temperature_K) if saturation else 0.0
        if slope == 0:
            return None
        if direction == PERPENDICULAR:
            return disc_virgin(slope, saturation)
        return slab_virgin(2 * saturation / slope, slope)

    def reversible(self, temperature_K: float) -> float:
        """Return M/H of the reversible part."""
        curve = self.reversible_susceptibility
        found = curve(temperature_K) if callable(curve) else curve
        return -non_negative_number("-reversible_susceptibility", -float(found))


@dataclass(frozen=True)
class CoatedSphere:
    """A metal sphere whose shell is a network of superconducting links.

    Up to its critical sheet current the shell has the resistance ``bridge_ohm``; above it links switch, and the
    first harmonic of an overdamped junction adds up to ``normal_ohm``:
    ``R(k) = R_bridge + R_normal r(k)``, r = (4/pi) int_f^{pi/2} sqrt(sin^2 - sin^2 f) sin,  sin f = k_c/k.

    Attributes
    ----------
    radius_m : float
    resistivity_ohm_m : float or callable
        Of the core, or a function of the temperature (K).
    critical_sheet_current : float or callable
        k_c in A/m; 0 where links are normal, infinity where they carry any current.
    normal_ohm : float or callable
        Of the links above their critical current, per square; infinity for a sphere without shell.
    bridge_ohm : float or callable
        In series with the links (normal bridges), per square.

    Raises
    ------
    TypeError, ValueError
        If the radius is not positive.
    """

    radius_m: float
    resistivity_ohm_m: float | Curve
    critical_sheet_current: float | Curve = field(default=0.0, kw_only=True)
    normal_ohm: float | Curve = field(default=math.inf, kw_only=True)
    bridge_ohm: float | Curve = field(default=0.0, kw_only=True)

    def __post_init__(self) -> None:
        positive_number("radius_m", self.radius_m, "m")

    def susceptibility(self, temperature_K: float, frequency_Hz: float, field_A_m: float) -> complex:
        """Return ``chi' + i chi''`` (perfect diamagnet -1) for a peak field in A/m."""
        rho = value_at("resistivity_ohm_m", self.resistivity_ohm_m, temperature_K, "ohm m")
        critical = value_at("critical_sheet_current", self.critical_sheet_current, temperature_K, "A/m", infinite=True)
        normal = value_at("normal_ohm", self.normal_ohm, temperature_K, "ohm per square", infinite=True)
        bridge = value_at("bridge_ohm", self.bridge_ohm, temperature_K, "ohm per square", infinite=True)
        if 0 < critical < math.inf and math.isinf(normal):
            raise ValueError(
                f"normal_ohm must be finite where critical_sheet_current is (at {temperature_K:g} K {critical:g} A/m), "
                "else links could not switch; got infinity"
            )

        def chi(sheet_ohm: float) -> complex:
            conductance = 1 / sheet_ohm if sheet_ohm > 0 else math.inf
            return complex(sphere_susceptibility(self.radius_m, rho, frequency_Hz, sheet_conductance_S=conductance))

        def current(sheet_ohm: float) -> float:
            """Peak sheet current at the equator: the jump of the tangential field."""
            bare = chi(math.inf)
            return _sheet_current(chi(sheet_ohm), bare, field_A_m)

        if critical == 0:
            return chi(bridge + normal)
        if math.isinf(critical) or current(bridge) <= critical:
            return chi(bridge)

        def mismatch(share: float) -> float:
            return _first_harmonic(critical / max(current(bridge + normal * share), 1e-300)) - share

        if mismatch(1.0) >= 0:  # but for rounding
            return chi(bridge + normal)
        share = scipy.optimize.brentq(mismatch, 0.0, 1.0, xtol=1e-12)
        return chi(bridge + normal * share)


def _sheet_current(chi: complex, bare: complex, applied: float) -> float:
    """Return the peak sheet current (A/m) of a shell from chi with and without it.

    The shell's dipole adds to what the core would answer: with ``1 + chi = 3/(3/g - s)`` the part of the shell in the
    jump of the field is ``(3/2) H (chi - bare)/(1 + bare)``.
    """
    return 1.5 * applied * abs((chi - bare) / (1 + bare))


def _first_harmonic(critical_over_current: float) -> float:
    """Return the in-phase resistance over the normal one of a junction driven by a sinusoidal current without bias."""
    if critical_over_current >= 1:
        return 0.0
    angle = np.arcsin(critical_over_current)
    u, weight = _NODES  # the root at the lower end is taken out by u^2
    f = angle + (math.pi / 2 - angle) * u**2
    value = np.sqrt(np.maximum(np.sin(f - angle) * np.sin(f + angle), 0)) * np.sin(f)
    return float(4 / math.pi * (math.pi / 2 - angle) * (weight * 2 * u * value).sum())
