"""What is put into a magnetometer or a susceptometer: a plate in the critical state, a sphere with a shell of links."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from scipy.constants import mu_0

from bdg.electrodynamics.arguments import as_given
from bdg.electrodynamics.conducting_sphere import sphere_susceptibility
from bdg.electrodynamics.critical_state import Virgin, disc_virgin, slab_virgin
from bdg.electrodynamics.screening_plate import london_plate_susceptibility
from bdg.lattices.arguments import non_negative_number, positive_number

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

    Examples
    --------
    >>> from bdg.instruments import SuperconductingPlate
    >>> plate = SuperconductingPlate(3e-3, 5e-4, 1e8)
    >>> print(round(plate.slope("parallel"), 2), round(plate.slope("perpendicular"), 2))  # M/H, fully screening
    -1.21 -4.27
    >>> print(plate.saturation("perpendicular", 4.0))  # j_c w/6, A/m
    50000.0
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
    ``R(k) = R_bridge + R_normal [1 - (k_c/k)^2]``.

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

    Examples
    --------
    >>> from bdg.instruments import CoatedSphere
    >>> sphere = CoatedSphere(1.5e-3, 1.83e-9, critical_sheet_current=100.0, normal_ohm=1e-3)
    >>> weak, strong = (sphere.susceptibility(4.0, 1550.0, field) for field in (10.0, 1e4))
    >>> print(round(weak.real, 2), round(strong.real, 2))  # links carry what screens 10 A/m, and not 10 kA/m
    -1.0 -0.45
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
        bare = sphere_susceptibility(self.radius_m, rho, frequency_Hz)
        reactance = 2 * math.pi * frequency_Hz * mu_0 * self.radius_m
        sheet = switched_sheet_ohm(bare, reactance, field_A_m, critical, normal, bridge)
        conductance = 1 / sheet if sheet > 0 else math.inf
        return complex(sphere_susceptibility(self.radius_m, rho, frequency_Hz, sheet_conductance_S=conductance))


def switched_sheet_ohm(bare: Any, reactance_ohm: float, field_A_m: Any, critical: Any, normal: Any, bridge: Any) -> Any:
    r"""Return the sheet resistance (ohm) that a shell of links takes on in a peak field.

    The jump of the tangential field at the equator is the peak sheet current, with ``1 + chi = 3/(D - i b/R)``

    .. math:: k = \frac{3}{2} H \Big|\frac{\chi - \chi_{bare}}{1 + \chi_{bare}}\Big|
                = \frac{3}{2} \frac{H b}{|D R - i b|}, \qquad b = \omega \mu_0 r, \quad D = \frac{3}{1 + \chi_{bare}}

    and ``R = R_bridge + R_normal [1 - (k_c/k)^2]`` a quadratic equation for the share of R_normal.

    Parameters
    ----------
    bare : complex or array
        chi of the core alone; shapes of all are broadcast.
    reactance_ohm : float
        b.
    field_A_m : float or array
        Peak of the field.
    critical : float or array
        Critical sheet current in A/m.
    normal, bridge : float or array
        Sheet resistances in ohm: of switched links, and in series with all.

    Returns
    -------
    float or array
    """
    inverse, reactance = 3 / (1 + np.asarray(bare)), reactance_ohm
    links, series = np.broadcast_arrays(np.asarray(normal, dtype=float), np.asarray(bridge, dtype=float))
    scale = (
        np.asarray(critical, dtype=float) / (1.5 * np.asarray(field_A_m) * reactance)
    ) ** 2  # (k_c/k)^2/|DR - ib|^2
    switching = np.isfinite(scale) & np.isfinite(series)
    scale, closed = np.where(switching, scale, 0.0), np.where(switching, series, 0.0)
    finite = np.where(scale > 0, links, 1.0)
    excess = np.where(switching, 1 - scale * abs(inverse * closed - 1j * reactance) ** 2, 0.0).clip(0)
    square = scale * finite**2 * abs(inverse) ** 2
    middle = 1 + 2 * scale * finite * (abs(inverse) ** 2 * closed - reactance * inverse.imag)
    share = 2 * excess / (middle + np.sqrt(middle**2 + 4 * square * excess))
    switched = np.where(share > 0, links, 0.0)  # infinity times 0 is none
    return as_given(series + np.where(share > 0, share, 1.0) * switched)
