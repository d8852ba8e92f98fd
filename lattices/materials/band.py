r"""The band ``e(k) = -2t sum_i cos k_i`` of the simple hypercubic lattice in one, two and three dimensions.

With ``onsite = -mu`` and hopping ``-t`` (no 2dt shift) the Fermi surface is ``e(k) = mu``, ``-2dt < mu < 2dt``.
Written as ``sum_i sin^2(k_i/2) = (mu/t + 2d)/4`` it is a sphere in the variables ``sin(k_i/2)``.

How it is integrated. A square lattice is followed along its contour by the time u of the motion
``dk/du ~ z x v``: the weight dS/|v| of the Fermi surface is then constant, ``sin(k_i/2)`` are Jacobi elliptic
functions of u, and equidistant points converge exponentially, also next to the van Hove point. A cubic lattice is cut
into slices of constant k_z, each a square lattice with the energy ``mu + 2t cos k_z``; the sum over slices is a
tanh-sinh quadrature split where a slice passes its van Hove point. One dimension is a closed form. All numbers are
exact to about 1e-12, relative to themselves.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import scipy  # its parts load on use

from bdg.lattices.arguments import positive_number, real_number, space_dimensions


@dataclass(frozen=True, slots=True)
class FermiSurface:
    """Fermi surface of the hypercubic band at T = 0; energies in the unit of ``t``, lengths in lattice constants a.

    Attributes
    ----------
    mu : float
        Fermi energy, measured from the middle of the band.
    dimensions : int
        1, 2 or 3.
    t : float
        Hopping.
    filling : float
        Electrons per site, both spins, between 0 and 2.
    density_of_states : float
        N0 per site, energy and spin.
    v_F : float
        Average of |v| over the Fermi surface with its weight dS/|v|, ``int dS / int dS/|v|``, in t a/hbar (t = 1).
    v_x_squared : float
        Average of v_x^2 with the same weight (the same for each axis), in (t a/hbar)^2: D = v_x_squared * tau.
    """

    mu: float
    dimensions: int
    t: float
    filling: float
    density_of_states: float
    v_F: float  # noqa: N815 - its usual name
    v_x_squared: float


def fermi_surface(mu: float, dimensions: int, t: float = 1.0) -> FermiSurface:
    """Return filling, density of states and velocities of the band ``-2t sum cos k_i`` at the Fermi energy ``mu``.

    Parameters
    ----------
    mu : float
        Fermi energy in the unit of ``t`` (the chemical potential that enters the lattice as onsite -mu).
    dimensions : int
        1 (chain), 2 (square) or 3 (simple cubic).
    t : float
        Hopping; the results are in its unit, so ``t = 1`` gives them in t, 1/t and t a/hbar.

    Returns
    -------
    FermiSurface
        At mu = 0 in two dimensions, the van Hove point, N0 is infinite and both velocities are zero.

    Raises
    ------
    TypeError, ValueError
        If mu lies outside the band or on its edge, if t is not positive, or if dimensions is not 1, 2 or 3.
    """
    dimensions = space_dimensions(dimensions)
    t, mu = positive_number("t", t), real_number("mu", mu, "unit of t")
    if abs(mu) >= 2 * dimensions * t:
        raise ValueError(
            f"mu must lie inside the band, -{2 * dimensions} t < mu < {2 * dimensions} t in {dimensions} dimension(s) "
            f"with onsite -mu (no 2dt shift); got mu = {mu / t:.6g} t"
        )
    # Particle-hole symmetry: only the lower half of the band is computed.
    filling, states, speed, speed_squared = _LOWER_HALF[dimensions](-abs(mu) / t)
    return FermiSurface(
        mu=mu,
        dimensions=dimensions,
        t=t,
        filling=filling if mu <= 0 else 2.0 - filling,
        density_of_states=states / t,
        v_F=speed * t,
        v_x_squared=speed_squared / dimensions * t**2,
    )


def chemical_potential(filling: float, dimensions: int, t: float = 1.0) -> float:
    """Return the Fermi energy mu at which the band holds ``filling`` electrons per site (both spins, T = 0).

    Measured from the middle of the band: nearly empty is ``mu -> -2dt``, one electron per site is ``mu = 0``.

    Raises
    ------
    TypeError, ValueError
        If filling is not strictly between 0 and 2, if t is not positive, or if dimensions is not 1, 2 or 3.
    """
    dimensions, t = space_dimensions(dimensions), positive_number("t", t)
    filling = real_number("filling", filling, "electrons per site, both spins")
    if not 0 < filling < 2:
        raise ValueError(f"filling must lie strictly between 0 and 2 electrons per site; got {filling!r}")
    lower = min(filling, 2.0 - filling)
    if lower == 1.0:
        return 0.0
    if dimensions == 1:
        mu = -2.0 * math.cos(math.pi * lower / 2)
    else:
        # The unknown is the height above the bottom of the band: few electrons keep all their digits.
        bottom = -2.0 * dimensions
        k_squared = free_wavenumber(lower, dimensions) ** 2
        mu = bottom + scipy.optimize.brentq(
            lambda height: _LOWER_HALF[dimensions](bottom + height)[0] / lower - 1.0,
            0.4 * k_squared,  # because 4 k^2/pi^2 <= 2 - 2 cos k <= k^2 in the Brillouin zone
            min(1.001 * k_squared, 2.0 * dimensions),
            xtol=1e-300,
            rtol=4 * np.finfo(float).eps,
        )
    return t * (mu if filling <= 1 else -mu)


def free_wavenumber(filling: float, dimensions: int) -> float:
    """Return k_F of the sphere (disc, segment) that holds ``filling`` electrons, both spins, per unit volume."""
    return ({1: math.pi / 2, 2: 2 * math.pi, 3: 3 * math.pi**2}[dimensions] * filling) ** (1 / dimensions)


# Each of these returns (filling of both spins, N0 per spin, <|v|>, <v^2>) of the lower half of the band, t = a = 1.
_Averages = tuple[float, float, float, float]


def _chain(level: float) -> _Averages:
    speed = math.sqrt((2 - level) * (2 + level))
    k = 2 * math.asin(math.sqrt((2 + level) / 4))
    return 2 * k / math.pi, 1 / (math.pi * speed), speed, speed**2


def _square(level: float) -> _Averages:
    if level == 0:
        return 1.0, math.inf, 0.0, 0.0
    k_dot_v, speed_squared = _contour(np.array([(4 + level) / 4]), np.array([-level / 4]), points=256)
    states = float(_square_states(np.array([-level / 4]))[0])
    # n = 2 (area)/(2 pi)^2 and, by Gauss' theorem, area = 1/2 (2 pi)^2 N0 <k.v>.
    return states * float(k_dot_v.mean()), states, float(np.sqrt(speed_squared).mean()), float(speed_squared.mean())


def _cubic(level: float) -> _Averages:
    k_z, weights, radius, depth, hole_like = _slices(level)
    k_dot_v, speed_squared = _contour(radius, depth, points=40)
    speed_squared = speed_squared + 4 * np.sin(k_z)[:, None] ** 2
    slice_states = _square_states(depth)
    slice_filling = slice_states * k_dot_v.mean(axis=1)
    slice_filling = np.where(hole_like, 2 - slice_filling, slice_filling)
    states = float(weights @ slice_states)
    share = weights * slice_states / states
    return (
        float(weights @ slice_filling),
        states,
        float(share @ np.sqrt(speed_squared).mean(axis=1)),
        float(share @ speed_squared.mean(axis=1)),
    )


_LOWER_HALF = {1: _chain, 2: _square, 3: _cubic}


def _square_states(depth: np.ndarray) -> np.ndarray:
    """Return N0 = K(1 - (E/4)^2)/(2 pi^2) of a square lattice at |E| = 4 ``depth``."""
    return scipy.special.ellipkm1(depth**2) / (2 * np.pi**2)


def _contour(radius: np.ndarray, depth: np.ndarray, points: int) -> tuple[np.ndarray, np.ndarray]:
    """Return k.v and v^2 of square lattices at ``points`` equal steps of time along an eighth of their contours.

    The contour is sin^2(k_x/2) + sin^2(k_y/2) = ``radius``; ``depth`` = 1 - radius is passed beside it, because each
    of the two may be too small to be recovered from the other. Shape of both results: (len(radius), points).
    """
    radius, depth = radius[:, None], depth[:, None]
    parameter = ((1 - depth) / (1 + depth)) ** 2
    quarter = scipy.special.ellipkm1(4 * depth / (1 + depth) ** 2)  # K(parameter), with all digits where parameter -> 1
    time = quarter * (np.arange(points) + 0.5) / points
    sn, cn, _, _ = scipy.special.ellipj(time, parameter)
    gap = cn**2 / (1 + sn)  # 1 - sn without cancellation
    x, y = radius * (1 + sn) / 2, radius * gap / 2  # sin^2(k_x/2), sin^2(k_y/2)
    x_rest, y_rest = (gap + depth * (1 + sn)) / 2, 1 - y  # cos^2(k_x/2), cos^2(k_y/2)
    k_x = 2 * np.arctan2(np.sqrt(x), np.sqrt(x_rest))
    k_y = 2 * np.arctan2(np.sqrt(y), np.sqrt(y_rest))
    v_x, v_y = 4 * np.sqrt(x * x_rest), 4 * np.sqrt(y * y_rest)
    return k_x * v_x + k_y * v_y, v_x**2 + v_y**2


def _slices(level: float) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Return the slices k_z of a simple cubic lattice: k_z, weights of (1/pi) int dk_z, radius, depth, hole-like.

    Radius and depth describe the contour of a slice as in `_contour`; where a slice is more than half filled they
    describe the contour of its holes, which has the same velocities.
    """
    part, rest, weight = _tanh_sinh()
    above = (level + 2) / 4  # sphere radius squared minus one
    if above <= 0:  # closed Fermi surface: 0 <= k_z <= k_max, nowhere half filled
        k_max = 2 * math.asin(math.sqrt((level + 6) / 4))
        k_z, weights = k_max * part, weight * k_max / math.pi
        radius = np.sin(k_max * (1 + part) / 2) * np.sin(k_max * rest / 2)
        return k_z, weights, radius, np.sin(k_z / 2) ** 2 - above, np.zeros(k_z.size, dtype=bool)
    # Open: slices with |k_z| < k_half are more than half filled, at k_half a slice passes its van Hove point.
    k_half = 2 * math.asin(math.sqrt(above))
    beyond = (math.pi - k_half) * part
    k_z = np.concatenate([k_half * part, k_half + beyond])
    weights = np.concatenate([weight * k_half, weight * (math.pi - k_half)]) / math.pi
    to_half = np.concatenate([k_half * rest, beyond])  # |k_z - k_half|
    depth = np.sin((k_z + k_half) / 2) * np.sin(to_half / 2)
    return k_z, weights, 1 - depth, depth, np.arange(k_z.size) < part.size


def _tanh_sinh() -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return nodes s, 1 - s (each with all its digits) and weights of the tanh-sinh rule on (0, 1)."""
    step = 1 / 14
    u = step * np.arange(-46, 47)
    part, rest = 1 / (1 + np.exp(-math.pi * np.sinh(u))), 1 / (1 + np.exp(math.pi * np.sinh(u)))
    return part, rest, step * math.pi * np.cosh(u) * part * rest
