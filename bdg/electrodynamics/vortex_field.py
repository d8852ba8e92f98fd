r"""The field of a straight vortex above the surface of a superconductor.

.. math:: B_z(r, z) = \frac{1}{2\pi} \int_0^\infty k\, b(k)\, e^{-kz} J_0(kr)\, dk, \qquad
          b(k) = \frac{\Phi_0}{\lambda^2 \alpha\,[\alpha + k \coth(\alpha d/2)]}, \quad \alpha^2 = k^2 + \lambda^{-2}

for a film of thickness d; a half space has coth = 1, a film much thinner than lambda ``b = Phi_0/(1 + k Lambda)`` with
the Pearl length Lambda = 2 lambda^2/d. Far away ``Phi_0 (z + lambda)/(2 pi r^3)``: a monopole at the depth lambda.

References: J. Pearl, Appl. Phys. Lett. 5, 65 (1964); G. Carneiro, E. H. Brandt, Phys. Rev. B 61, 6370 (2000).
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from bdg.electrodynamics.arguments import as_given, real_values
from bdg.electrodynamics.hankel import DISC, DISTANCE, RADIAL, mean_field
from bdg.lattices.arguments import non_negative_number, positive_number, real_number
from bdg.lattices.units import FLUX_QUANTUM_WB

FLUX_QUANTUM_UT_UM2 = FLUX_QUANTUM_WB * 1e18
"""h/2e in microtesla times square micrometres, 2067.83."""

_AROUND = np.polynomial.legendre.leggauss(12)
_FAR = 2.0  # distance over loop radius from which the field is smooth over the loop
_SQUARE = np.polynomial.legendre.leggauss(48)


@dataclass(frozen=True)
class VortexField:
    """Field of one vortex with flux Phi_0, its axis at r = 0, at a height above the surface.

    Give either ``penetration_depth_um`` (half space, or film with ``thickness_um``) or ``pearl_length_um`` (thin film).

    Attributes
    ----------
    height_um : float
        z > 0 of whoever reads the field.
    penetration_depth_um : float or None
        lambda > 0.
    thickness_um : float
        d > 0 of a film; infinity for a half space.
    pearl_length_um : float or None
        ``Lambda = 2 lambda^2/d`` > 0.

    Raises
    ------
    TypeError, ValueError
        If a length is not positive, or not exactly one of lambda and Lambda is given.

    Examples
    --------
    >>> from bdg.electrodynamics import VortexField
    >>> vortex = VortexField(height_um=1.0, penetration_depth_um=0.2)
    >>> print(vortex.at([0.0, 1.0, 2.0]).round(1))  # uT, straight above the axis and beside it
    [216.8 103.   31.6]
    >>> print(round(vortex.through_loop(5.0), 1))  # uT, mean over a loop of 5 um
    20.2
    """

    height_um: float = field(kw_only=True)
    penetration_depth_um: float | None = field(default=None, kw_only=True)
    thickness_um: float = field(default=math.inf, kw_only=True)
    pearl_length_um: float | None = field(default=None, kw_only=True)

    def __post_init__(self) -> None:
        positive_number("height_um", self.height_um, "um above the surface")
        positive_number("thickness_um", self.thickness_um, "um", infinite=True)
        if (self.penetration_depth_um is None) == (self.pearl_length_um is None):
            given = "neither" if self.pearl_length_um is None else "both"
            raise ValueError(
                f"VortexField needs either penetration_depth_um (half space or film) or pearl_length_um (thin film); "
                f"got {given}"
            )
        if self.penetration_depth_um is not None:
            positive_number("penetration_depth_um", self.penetration_depth_um, "um")
        else:
            positive_number("pearl_length_um", self.pearl_length_um, "um")
            if math.isfinite(self.thickness_um):
                raise ValueError(
                    f"thickness_um has no meaning beside pearl_length_um, which contains it; got {self.thickness_um}. "
                    "Give penetration_depth_um and thickness_um for a film of any thickness"
                )

    def spectrum(self, k_per_um: Any) -> Any:
        """Return ``b(k)/Phi_0`` at the surface, 1 at k = 0.

        Parameters
        ----------
        k_per_um : float, complex or array
            Real part >= 0.

        Returns
        -------
        as k_per_um
        """
        k, depth = np.asarray(k_per_um), self.penetration_depth_um
        if depth is None:
            return 1 / (1 + k * self.pearl_length_um)
        q = k * depth
        alpha = np.sqrt(1 + q * q)
        if math.isinf(self.thickness_um):
            return 1 / (alpha * (alpha + q))
        decayed = -np.expm1(-alpha * (self.thickness_um / depth))
        return decayed / (alpha * (alpha * decayed + q * (2 - decayed)))

    def at(self, r_um: Any) -> Any:
        """Return the normal field B_z at a distance from the axis.

        Parameters
        ----------
        r_um : float or array
            >= 0, in um.

        Returns
        -------
        float or array
            In microtesla.

        Raises
        ------
        TypeError, ValueError
            If a distance is negative or not finite.
        """
        r = real_values("r_um", r_um, "um", least=0)
        return as_given(FLUX_QUANTUM_UT_UM2 * self._mean(DISTANCE, r, 0.0))

    def through_loop(self, loop_radius_um: float, r_um: Any = 0, tilt_degrees: float = 0) -> Any:
        r"""Return the mean over the area of a circular loop of the field along its normal.

        Parameters
        ----------
        loop_radius_um : float
            R >= 0; 0 for the field at a point.
        r_um : float or array
            Distance >= 0 of the loop's centre, which is at the height, from the axis.
        tilt_degrees : float
            The normal leans by this angle towards larger r. The loop must stay above the surface: ``R sin|tilt| < z``.

        Returns
        -------
        float or array
            In microtesla; times ``pi R^2`` the flux through the loop.

        Raises
        ------
        TypeError, ValueError
            If a length is negative, or the loop would touch the surface.
        """
        radius = non_negative_number("loop_radius_um", loop_radius_um, "um")
        r = real_values("r_um", r_um, "um", least=0)
        tilt = self.require_tilt(radius, tilt_degrees)
        if tilt == 0:
            value = self._mean(DISTANCE, r, radius)
        else:
            value = np.empty(r.shape)
            far = r > _FAR * radius
            value[far] = self._over_the_area(radius, r[far], tilt)
            value[~far] = self._around_the_edge(radius, r[~far], tilt)
        return as_given(FLUX_QUANTUM_UT_UM2 * value)

    def flux_in_disc(self, radius_um: Any, loop_radius_um: float = 0) -> Any:
        """Return the flux in a disc around the axis, of the field as a loop reads it.

        Parameters
        ----------
        radius_um : float or array
            >= 0.
        loop_radius_um : float
            Radius of the loop whose reading (`through_loop`) is integrated; 0 for the field itself.

        Returns
        -------
        float or array
            In flux quanta; ``1 - (z + lambda)/radius`` for large discs.

        Raises
        ------
        TypeError, ValueError
            If a length is negative or not finite.
        """
        radius = real_values("radius_um", radius_um, "um", least=0)
        loop = non_negative_number("loop_radius_um", loop_radius_um, "um")
        return as_given(self._disc(radius, loop))

    def flux_in_square(self, edge_um: Any, loop_radius_um: float = 0) -> Any:
        """Return the flux in a square centred on the axis, of the field as a loop reads it.

        Parameters
        ----------
        edge_um : float or array
            >= 0.
        loop_radius_um : float
            As in `flux_in_disc`.

        Returns
        -------
        float or array
            In flux quanta.

        Raises
        ------
        TypeError, ValueError
            If a length is negative or not finite.
        """
        edge = real_values("edge_um", edge_um, "um", least=0)
        loop = non_negative_number("loop_radius_um", loop_radius_um, "um")
        # a square is made of sectors, each with the flux of its disc: the mean of discs over an eighth
        angles, weights = math.pi / 8 * (1 + _SQUARE[0]), 0.5 * _SQUARE[1]
        return as_given((weights * self._disc(edge[..., None] / (2 * np.cos(angles)), loop)).sum(axis=-1))

    def require_tilt(self, radius: float, tilt_degrees: Any) -> float:
        """Return the tilt in radian of a loop that stays above the surface."""
        tilt = math.radians(real_number("tilt_degrees", tilt_degrees, "degrees"))
        if abs(tilt) > math.pi / 2 or radius * abs(math.sin(tilt)) >= self.height_um:
            raise ValueError(
                f"tilt_degrees must leave the loop above the surface: loop radius {radius:g} um times sin(tilt) < "
                f"height_um = {self.height_um:g}, and at most 90; got {tilt_degrees!r}"
            )
        return tilt

    def _disc(self, radius: np.ndarray, loop: float) -> np.ndarray:
        return math.pi * radius**2 * self._mean(DISC, radius, loop)

    def _mean(self, kind: str, length: np.ndarray, loop: Any, height: Any = None) -> np.ndarray:
        """Return the field over Phi_0, of shape ``length``, read by discs of radius ``loop``."""
        heights = self.height_um if height is None else height
        length, loop, z = (np.asarray(part, dtype=float) for part in np.broadcast_arrays(length, loop, heights))
        scales = (self.penetration_depth_um, self.pearl_length_um, self.thickness_um)
        scale = sum(value for value in scales if value is not None and math.isfinite(value))
        parts = length.ravel(), loop.ravel()
        return mean_field(self.spectrum, z.ravel(), (kind, DISC), parts, scale).reshape(length.shape)

    def _around_the_edge(self, radius: float, r: np.ndarray, tilt: float) -> np.ndarray:
        r"""Return the flux of tilted loops from the vector potential along their edge.

        A loop at (r, 0, z) with the angle f along its edge, G the mean of B_z in the disc around the axis that ends
        there: ``mean = (1/pi) int_0^pi G (cos tilt + (r/R) cos f) df``.
        """
        angle, weights = _graded(radius, self.height_um - radius * abs(math.sin(tilt)))
        x = r[..., None] + radius * math.cos(tilt) * np.cos(angle)
        distance = np.hypot(x, radius * np.sin(angle))
        disc = self._mean(DISC, distance, 0.0, self.height_um - radius * math.sin(tilt) * np.cos(angle))
        return (weights * disc * (math.cos(tilt) + r[..., None] / radius * np.cos(angle))).sum(axis=-1)

    def _over_the_area(self, radius: float, r: np.ndarray, tilt: float) -> np.ndarray:
        """Return the mean over the area of tilted loops that are far from the axis, where the field is smooth."""
        rho, weights = (1 + _AROUND[0]) / 2, _AROUND[1] / 2
        angle = (np.arange(24) + 0.5) * math.pi / 24
        along = radius * rho[:, None] * np.cos(angle)
        x = r[..., None, None] + math.cos(tilt) * along
        distance = np.hypot(x, radius * rho[:, None] * np.sin(angle))
        height = self.height_um - math.sin(tilt) * along
        normal = self._mean(DISTANCE, distance, 0.0, height)
        radial = self._mean(RADIAL, distance, 0.0, height)
        field_along = math.cos(tilt) * normal + math.sin(tilt) * radial * x / distance
        return (2 * weights * rho * field_along.mean(axis=-1)).sum(axis=-1)


def _graded(radius: float, height: float) -> tuple[np.ndarray, np.ndarray]:
    """Return angles from 0 to pi and weights with sum 1, in panels that shrink towards pi to height/radius."""
    panels = 2 + max(0, math.ceil(math.log2(radius / height)))
    edges = math.pi * (1 - np.concatenate([0.5 ** np.arange(panels), [0.0]]))
    widths = np.diff(edges)[:, None]
    nodes, weights = (1 + _AROUND[0]) / 2, _AROUND[1] / 2
    return (edges[:-1, None] + widths * nodes).ravel(), (widths * weights).ravel() / math.pi
