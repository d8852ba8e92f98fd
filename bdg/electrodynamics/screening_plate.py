r"""Bodies that screen a field fully: the cuboid by boundary elements, the disc by Brandt's fit.

No field enters, so that outside ``H = H_0 - grad(phi)`` is tangential to the surface. Charges sigma on the surface
make phi; the flux through each panel vanishes,

.. math:: \tfrac{1}{2} \sigma_i A_i + \sum_{j \ne i} \sigma_j \int_j \frac{\Omega_i(y)}{4\pi} dS_y
          = - H_0\, n_i A_i, \qquad m = \int \sigma\, z\, dS,

Omega_i(y) the solid angle of panel i seen from y. Since the solid angles of all panels seen from a point of the
surface add up to exactly 2 pi, the sum of the charges is exactly zero (without that the parallel position errs by 8 %).
Panels shrink geometrically towards the edges, where sigma diverges as the distance to the power -1/3. The moment errs
by the square of their width, so that two sets of panels, the second in halves, give its limit.

A penetration depth lambda is between two limits, chi_0 where it is small and, where it is large, currents that only
answer the applied field and flow alike in each section across it.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import lru_cache
from typing import Any

import numpy as np

from bdg.electrodynamics.slab import bar_screening
from bdg.lattices.arguments import positive_number

_FINEST = 0.01  # width of the panels at the edges, over the smallest half axis
_GROWTH, _WIDEST = 3.0, 0.25  # of the width from one panel to the next; over the length of the face
_POINTS = np.polynomial.legendre.leggauss(2)  # on a panel that is looked from
_SMALL = 0.005  # ratio of axes below which what it changes is linear in it
_THICK = 1e100  # over lambda: its square is a number
_WEAK = 1e-4  # shorter side of a section over lambda that shows what weak screening is


def plate_susceptibility(a: float, b: float, c: float) -> float:
    r"""Return chi_0 = M/H of a cuboid that screens the applied field H fully; ``chi_0 = -1/(1 - N)`` defines its N.

    .. math:: \chi_0 = \frac{1}{H V} \int \sigma\, z\, dS, \qquad (H - \nabla \varphi_\sigma) \cdot n = 0
              \text{ on the outside of the surface}

    Parameters
    ----------
    a, b, c : float
        Half axes in one unit, c along the field.

    Returns
    -------
    float
        Below -1, within 0.3 % for ratios of the axes up to 200, within 1 % beyond; -1.638 for a cube.

    Raises
    ------
    TypeError, ValueError
        If an axis is not positive.

    Notes
    -----
    About 1 s for a new shape, some seconds for one with very different axes; shapes are remembered.

    References
    ----------
    A. Sihvola et al., IEEE Trans. Antennas Propag. 52, 2226 (2004) (cube); E. H. Brandt, Phys. Rev. B 64, 024505
    (2001).

    Examples
    --------
    >>> from bdg.electrodynamics import plate_susceptibility
    >>> print(round(plate_susceptibility(1, 1, 1), 2))  # a cube
    -1.64
    """
    a, b, c = (positive_number(name, value) for name, value in (("a", a), ("b", b), ("c", c)))
    return _susceptibility(max(a, b), min(a, b), c)


def london_plate_susceptibility(a: float, b: float, c: float, penetration_depth: float) -> float:
    r"""Return M/H of a cuboid of penetration depth lambda, whatever lambda is.

    .. math:: -\frac{H}{M} = \frac{1 - N}{S} + \frac{N}{S_\infty}, \qquad \chi_0 = -\frac{1}{1 - N}

    with S the screening of a long bar of the section across the field and ``S_inf`` its form for large lambda, of the
    order of ``a b/lambda^2``: exact for large lambda, and chi_0 of `plate_susceptibility` for small.

    Parameters
    ----------
    a, b, c : float
        Half axes, c along the field.
    penetration_depth : float
        lambda >= 0 in their unit; infinity where nothing screens.

    Returns
    -------
    float
        Between chi_0 and 0; up to 8 % too large in between (measured on discs from 1/100 to 2 diameters thick, against
        rings of current).

    Raises
    ------
    TypeError, ValueError
        If an axis is not positive, or lambda negative.

    Examples
    --------
    >>> from bdg.electrodynamics import london_plate_susceptibility
    >>> print(round(london_plate_susceptibility(1, 1, 1, 0.5), 2))  # full screening: -1.64
    -0.38
    """
    a, b, c = (positive_number(name, value) for name, value in (("a", a), ("b", b), ("c", c)))
    if penetration_depth == 0:
        return plate_susceptibility(a, b, c)
    depth = positive_number("penetration_depth", penetration_depth, infinite=True)
    shorter = min(min(a, b) / depth, _THICK)
    if max(a, b) / depth < 1 / _THICK:
        return 0.0
    sides = 2 * a / depth, 2 * b / depth
    thin = _WEAK * a / min(a, b), _WEAK * b / min(a, b)
    weak = bar_screening(*thin) * (2 * shorter / _WEAK) ** 2
    return partly_screened(plate_susceptibility(a, b, c), bar_screening(*sides), weak)


def partly_screened(full: float, section: Any, weak: Any) -> Any:
    """Return M/H between chi_0 (``full``) and ``-weak``, for a section that screens as a long bar of the same form."""
    factor = 1 + 1 / full  # N
    return -1 / ((1 - factor) / section + factor / weak)


def _susceptibility(a: float, b: float, c: float) -> float:
    """Return chi_0 for a >= b; very different axes by the limits of long bars and thin plates."""
    if max(b, c) < _SMALL * a:
        return _linear(lambda s: _susceptibility(max(b, c) / s, b, c), max(b, c) / a)
    if a < _SMALL * c:
        return _linear(lambda s: _susceptibility(a, b, a / s), a / c)
    if b < _SMALL * min(a, c):
        return _linear(lambda s: _susceptibility(a, s * min(a, c), c), b / min(a, c))
    if c < _SMALL * b:  # the moment hardly depends on the thickness
        return _linear(lambda s: _susceptibility(a, b, s * b) * s, c / b) / (c / b)
    return _boundary_elements(a / b, c / b)


def _linear(function: Callable[[float], float], small: float) -> float:
    """Return what a function linear in its argument is there, from _SMALL and twice that."""
    near, far = function(_SMALL), function(2 * _SMALL)
    return near + (near - far) * (_SMALL - small) / _SMALL


def disc_susceptibility(radius: float, half_thickness: float) -> float:
    r"""Return chi_0 = M/H of a disc or cylinder that screens an axial field fully.

    .. math:: \chi_0 = -1 - q \frac{a}{b}, \qquad
              q = \frac{4}{3\pi} + \frac{2}{3\pi} \tanh\left[1.27 \frac{b}{a} \ln\left(1 + \frac{a}{b}\right)\right]

    Parameters
    ----------
    radius, half_thickness : float
        a and b, in one unit.

    Returns
    -------
    float
        Below -1; the fit errs by less than 1 %.

    Raises
    ------
    TypeError, ValueError
        If a length is not positive.

    References
    ----------
    E. H. Brandt, Phys. Rev. B 58, 6506 (1998); Phys. Rev. B 60, 11939 (1999).

    Examples
    --------
    >>> from bdg.electrodynamics import disc_susceptibility
    >>> print(round(disc_susceptibility(1.0, 1.0), 2))
    -1.57
    >>> print(round(disc_susceptibility(1.0, 0.05), 1))  # the thinner, the more
    -10.3
    """
    a, b = positive_number("radius", radius), positive_number("half_thickness", half_thickness)
    ratio = a / b
    spread = math.tanh(1.27 * math.log1p(ratio) / ratio)
    return -1 - (4 / (3 * math.pi) + 2 / (3 * math.pi) * spread) * ratio


@lru_cache(maxsize=256)
def _boundary_elements(a: float, c: float) -> float:
    """Return chi_0 of a cuboid with half axes (a, 1, c): the limit of narrow panels."""
    axes = np.array([a, 1.0, c])
    coarse = [_graded(length, _FINEST * axes.min()) for length in axes]
    fine = [np.sort(np.concatenate([line, (line[1:] + line[:-1]) / 2])) for line in coarse]
    values = [_with_panels(axes, edges) for edges in (coarse, fine)]
    return values[1] + (values[1] - values[0]) / 3


def _with_panels(axes: np.ndarray, edges: list[np.ndarray]) -> float:
    """Return chi_0 from an eighth of the surface, with panels between the given edges along each axis."""
    faces = [_Face(normal, axes[normal], edges) for normal in range(3)]
    signs = np.array(np.meshgrid([1, -1], [1, -1], [1, -1])).reshape(3, -1).T
    flux = np.block([[seen.flux_from(source, signs) for source in faces] for seen in faces])
    areas = np.concatenate([face.areas for face in faces])
    flux[np.diag_indices(areas.size)] += 0.5 * areas
    along = np.concatenate([face.areas * (face.normal == 2) for face in faces])
    charge = np.linalg.solve(flux, -along)
    lever = np.concatenate([face.areas * face.centres[:, 2] for face in faces])
    return float(charge @ lever / axes.prod())


def _graded(length: float, finest: float) -> np.ndarray:
    """Return edges of panels from 0 to the length; their widths fall in geometric steps to ``finest``."""
    widths = [finest]
    while sum(widths) < length:
        widths.append(min(_GROWTH * widths[-1], _WIDEST * length))
    edges = np.concatenate([[0.0], np.cumsum(widths[::-1])])
    return length * edges / edges[-1]


class _Face:
    """A quarter of the face at ``+axes[normal]``, in panels between the given edges."""

    def __init__(self, normal: int, place: float, edges: list[np.ndarray]) -> None:
        self.normal, self.place = normal, place
        self.across = [axis for axis in range(3) if axis != normal]
        self.u, self.v = (edges[axis] for axis in self.across)
        self.areas = np.outer(np.diff(self.u), np.diff(self.v)).ravel()
        middle = [(line[1:] + line[:-1]) / 2 for line in (self.u, self.v)]
        self.centres = self._points(*middle)

    def _points(self, u: np.ndarray, v: np.ndarray) -> np.ndarray:
        points = np.empty((u.size, v.size, 3))
        points[..., self.normal] = self.place
        points[..., self.across[0]], points[..., self.across[1]] = u[:, None], v
        return points.reshape(-1, 3)

    def flux_from(self, source: _Face, signs: np.ndarray) -> np.ndarray:
        """Return the flux through each panel of this face of unit charge densities on panels of another (here, there).

        Each panel there stands for its eight images; the charge is odd along the field (z).
        """
        nodes = [
            (line[:-1, None] + np.diff(line)[:, None] * (1 + _POINTS[0]) / 2).ravel() for line in (source.u, source.v)
        ]
        points = source._points(*nodes)
        total = np.zeros((points.shape[0], self.areas.size))
        for sign in signs:
            if not (source.normal == self.normal and sign[self.normal] > 0):  # a face sends none through itself
                total += sign[2] * self._solid_angles(sign * points)
        shape = source.u.size - 1, _POINTS[0].size, source.v.size - 1, _POINTS[0].size, self.areas.size
        weights = _POINTS[1] / 2
        mean = np.einsum("iajbk,a,b->ijk", total.reshape(shape), weights, weights)
        return (mean.reshape(source.areas.size, -1) * source.areas[:, None]).T / (4 * math.pi)

    def _solid_angles(self, points: np.ndarray) -> np.ndarray:
        """Return the solid angle of each panel from each point (points, panels)."""
        u = self.u - points[:, self.across[0], None]
        v = self.v - points[:, self.across[1], None]
        w = (self.place - points[:, self.normal])[:, None, None]
        u, v = u[:, :, None], v[:, None, :]
        corner = np.arctan2(u * v, w * np.sqrt(u * u + v * v + w * w))
        return np.diff(np.diff(corner, axis=1), axis=2).reshape(points.shape[0], -1)
