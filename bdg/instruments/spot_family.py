r"""Spots of one vortex in an upright loop for all penetration depths and heights of a range at once.

.. math:: s(r; \lambda, z) = \frac{1}{2\pi} \int_0^\infty k\, b(k; \lambda)\, e^{-kz} J_0(kr) \frac{2 J_1(kR)}{kR}\, dk
          = \sum_{ij} C_i(\ln\lambda)\, C_j(\ln z)\, s_{ij}(r)

C are the cardinal functions of Chebyshev nodes: s is smooth in both logarithms, and whatever is linear in it (images,
their products) is computed at the nodes alone.
"""

from __future__ import annotations

import functools
import math
from dataclasses import dataclass

import numpy as np
import scipy  # its parts load on use

from bdg.electrodynamics.vortex_field import FLUX_QUANTUM_UT_UM2, VortexField
from bdg.instruments.loop_readings import RadialTable

FURTHEST = 1000.0  # of a pixel over the lowest height: beyond, the integral takes too many nodes
_DECAYED = 28.0  # exponent at which the integral ends
_PHASE = 6.0  # of a panel, in radian
_HALVED = 16  # times: the first panel, for films whose Pearl length is long
_GAUSS = np.polynomial.legendre.leggauss(12)
_NODES = 6, 5  # Chebyshev nodes at least, and for each factor of e between the ends


@dataclass(frozen=True)
class LogNodes:
    """Chebyshev nodes of the logarithm of a length between two ends; one node where they are the same."""

    low: float
    high: float

    @property
    def values(self) -> np.ndarray:
        """Return the nodes (n,)."""
        if self.low == self.high:
            return np.array([self.low])
        count = _NODES[0] + math.ceil(_NODES[1] * math.log(self.high / self.low) / 1.4)
        return self.low * (self.high / self.low) ** ((1 + np.polynomial.chebyshev.chebpts1(count)) / 2)

    def cardinal(self, lengths: np.ndarray) -> np.ndarray:
        """Return the weights (..., n) of the nodes at lengths (...) between the ends."""
        count = self.values.size
        if count == 1:
            return np.ones((*lengths.shape, 1))
        at, nodes = (2 * np.log(v / self.low) / math.log(self.high / self.low) - 1 for v in (lengths, self.values))
        vander = np.polynomial.chebyshev.chebvander
        return vander(at, count - 1) @ np.linalg.inv(vander(nodes, count - 1))


class SpotFamily:
    """Radial profiles in uT at the nodes of depth and height, as splines over the distance."""

    def __init__(self, radius: float, thickness: float, depths: LogNodes, heights: LogNodes, furthest: float) -> None:
        self.depths, self.heights = depths, heights
        self.table = RadialTable(heights.low, radius, furthest)
        k, weights = self._panels(radius, furthest)
        shape = k * weights * FLUX_QUANTUM_UT_UM2 / (2 * math.pi)
        if radius:
            shape = shape * 2 * scipy.special.j1(k * radius) / (k * radius)
        spectra = np.array(
            [
                VortexField(height_um=1.0, penetration_depth_um=float(depth), thickness_um=thickness).spectrum(k)
                for depth in depths.values
            ]
        )
        decays = np.exp(-k * heights.values[:, None])
        waves = shape[:, None] * scipy.special.j0(k[:, None] * self.table.r)
        profiles = (spectra[:, None] * decays).reshape(-1, k.size) @ waves
        self.splines = self.table.fitted(profiles.T)

    def _panels(self, radius: float, furthest: float) -> tuple[np.ndarray, np.ndarray]:
        """Return nodes and weights of k; panels resolve the waves to the furthest distance, and the spectra."""
        end = _DECAYED / self.heights.low
        count = math.ceil(end * (furthest + radius + self.depths.high + self.heights.high) / _PHASE)
        edges = np.linspace(0, end, count + 1)
        edges = np.concatenate([[0.0], edges[1] * 0.5 ** np.arange(_HALVED, 0, -1), edges[1:]])  # long Pearl lengths
        widths = np.diff(edges)[:, None]
        return (edges[:-1, None] + widths * (1 + _GAUSS[0]) / 2).ravel(), (widths * _GAUSS[1] / 2).ravel()

    def at_nodes(self, distances: np.ndarray) -> np.ndarray:
        """Return the sum over vortices of the spots at distances (P, V): an array (P, nodes)."""
        total = np.zeros((len(distances), self.splines.c.shape[2]))
        for column in distances.T:
            total += self.splines(self.table.coordinate(column))
        return total

    def spot(self, depth: float, height: float) -> scipy.interpolate.CubicSpline:
        """Return the spline of one spot over the coordinate of the table."""
        weights = self.weights(np.array([[depth]]), np.array([height]))[0, 0]
        return scipy.interpolate.CubicSpline(self.table.places, self.splines(self.table.places) @ weights)

    def slope(self, spot: scipy.interpolate.CubicSpline, distances: np.ndarray) -> np.ndarray:
        """Return the derivative of a spot with respect to the distance, in uT/um."""
        stretch = np.hypot(self.table.height, distances - self.table.edge)
        return spot(self.table.coordinate(distances), 1) / stretch

    def weights(self, depths: np.ndarray, heights: np.ndarray) -> np.ndarray:
        """Return the weights (Z, L, nodes) of depths (Z, L) at heights (Z,)."""
        along, across = self.depths.cardinal(depths), self.heights.cardinal(heights)
        return (along[..., :, None] * across[:, None, None, :]).reshape(*depths.shape, -1)


@functools.lru_cache(maxsize=4)
def spot_family(radius: float, thickness: float, depths: LogNodes, heights: LogNodes, furthest: float) -> SpotFamily:
    """Return a family of spots; the last ones are kept."""
    return SpotFamily(radius, thickness, depths, heights, furthest)
