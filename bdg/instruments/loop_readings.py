r"""What a loop reads at many places at once, from tables of the radial field of one vortex.

An upright loop reads a function of the distance r. For a tilted one, at (x, y) from the vortex and leaning by t towards
+x, the flux follows from the vector potential along its edge:

.. math:: B = \frac{1}{2\pi} \int_0^{2\pi} G(\rho_f, z_f) \left[\cos t + \frac{x \cos f + y \cos t \sin f}{R}\right]
              df, \qquad z_f = z - R \sin t \cos f

with G the mean of B_z in the disc around the vortex through the point f of the edge, at a distance rho_f. Tables are
splines over a coordinate that is as fine as the field: steps of a twelfth of the height, or of the distance from the
edge of the loop.
"""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import scipy  # its parts load on use

from bdg.electrodynamics.vortex_field import FLUX_QUANTUM_UT_UM2, VortexField

_STEPS = 12  # of a table over the length on which the field changes by itself
_BLOCK = 2_000_000  # pairs of pixel and vortex at a time: 100 MB


class RadialTable:
    """A function of the distance, tabulated as finely as the field changes at a height, near r = 0 and near an edge."""

    def __init__(self, height: float, edge: float, furthest: float) -> None:
        self.height, self.edge = height, edge
        count = 4 + math.ceil(_STEPS * float(self.coordinate(np.array(furthest))))
        self.places = np.linspace(0, float(self.coordinate(np.array(furthest))), count)
        self.r = np.maximum(edge + height * np.sinh(self.places - math.asinh(edge / height)), 0.0)

    def coordinate(self, r: np.ndarray) -> np.ndarray:
        """Return the integral of ``dr/sqrt(height^2 + (r - edge)^2)``."""
        return np.arcsinh((r - self.edge) / self.height) + math.asinh(self.edge / self.height)

    def fitted(self, values: np.ndarray) -> scipy.interpolate.CubicSpline:
        """Return the spline over the coordinate through values at ``r``."""
        return scipy.interpolate.CubicSpline(self.places, values)


def loop_readings(
    field: VortexField, radius: float, tilt_degrees: float, places: np.ndarray, vortices: np.ndarray
) -> np.ndarray:
    """Return the sum over vortices (V, 2) of the readings in uT of a loop at places (P, 2), all in um."""
    total = np.zeros(len(places))
    if not len(vortices):
        return total
    reach = float(np.hypot(*(np.abs(places).max(axis=0) + np.abs(vortices).max(axis=0)))) + radius
    reading = _upright(field, radius, reach) if tilt_degrees == 0 else _tilted(field, radius, tilt_degrees, reach)
    block = max(1, _BLOCK // len(places))
    for part in np.array_split(vortices, -(-len(vortices) // block)):
        steps = places[:, None] - part
        total += reading(steps[..., 0], steps[..., 1]).sum(axis=1)
    return total


def _upright(field: VortexField, radius: float, reach: float):  # type: ignore[no-untyped-def]
    table = RadialTable(field.height_um, radius, reach)
    spline = table.fitted(field.through_loop(radius, table.r))
    return lambda x, y: spline(table.coordinate(np.hypot(x, y)))


def _tilted(field: VortexField, radius: float, tilt_degrees: float, reach: float):  # type: ignore[no-untyped-def]
    tilt = field.require_tilt(radius, tilt_degrees)
    lowest = field.height_um - radius * abs(math.sin(tilt))
    half = 16 * math.ceil(1 + radius / lowest)
    angles = (np.arange(half) + 0.5) * math.pi / half  # the other half has the same heights
    tables = []
    for height in field.height_um - radius * math.sin(tilt) * np.cos(angles):
        table = RadialTable(height, 0.0, reach)
        r = np.maximum(table.r, 1e-6 * height)
        mean = FLUX_QUANTUM_UT_UM2 * replace(field, height_um=height).flux_in_disc(r) / (math.pi * r**2)
        tables.append((table, table.fitted(mean)))

    def reading(x: np.ndarray, y: np.ndarray) -> np.ndarray:
        total = np.zeros(x.shape)
        for angle, (table, spline) in zip(angles, tables, strict=True):
            along = x + radius * math.cos(tilt) * math.cos(angle)
            for sine in (math.sin(angle), -math.sin(angle)):
                disc = spline(table.coordinate(np.hypot(along, y + radius * sine)))
                lever = (x * math.cos(angle) + y * math.cos(tilt) * sine) / radius
                total += disc * (math.cos(tilt) + lever)
        return total / (2 * half)

    return reading
