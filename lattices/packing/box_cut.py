"""How much of each sphere lies inside a box, and where to cut a box out of a larger periodic packing."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np

from bdg.lattices.geometry import wrap

QUADRATURE = 48  # Gauss-Legendre nodes a sphere: volumes to about 1e-5 of the sphere
CANDIDATES = 64  # random places that are tried before the search closes in by bisection
BISECTIONS = 60


def sphere_volume(diameters: np.ndarray, dim: int) -> np.ndarray:
    """Return pi D^3/6 (dim = 3) or the area pi D^2/4 of discs (dim = 2)."""
    return math.pi * np.asarray(diameters, dtype=float) ** dim / (2 * dim)


def volume_inside(centres: np.ndarray, diameters: np.ndarray, size: np.ndarray) -> np.ndarray:
    r"""Return the volume (area) of each sphere (disc) inside the box ``0 <= x_a <= size_a``.

    Discs are exact. A sphere of radius R is cut into discs at z = R sin(theta) from its centre,
    ``V = int A(R cos(theta)) R cos(theta) d theta``, with A the exact area of a disc in a rectangle, by
    Gauss-Legendre nodes between the faces in z: a relative error of about 1e-5.

    Parameters
    ----------
    centres : array (G, dim), dim 2 or 3
    diameters : array (G,)
    size : array (dim,)

    Returns
    -------
    array (G,)
    """
    dim = len(size)
    radius = np.asarray(diameters, dtype=float)[:, None] / 2
    volume = sphere_volume(diameters, dim)
    volume[((centres + radius <= 0) | (centres - radius >= size)).any(axis=1)] = 0.0
    cut = np.flatnonzero((volume > 0) & ((centres < radius) | (centres > size - radius)).any(axis=1))
    if dim == 2:
        volume[cut] = _disc_in_rectangle(centres[cut], radius[cut, 0], size)
        return volume
    r, z = radius[cut, 0], centres[cut, 2]
    lowest = np.arcsin(np.clip(-z / r, -1, 1))
    highest = np.arcsin(np.clip((size[2] - z) / r, -1, 1))
    nodes, weights = np.polynomial.legendre.leggauss(QUADRATURE)
    theta = (highest + lowest)[:, None] / 2 + (highest - lowest)[:, None] / 2 * nodes
    disc = r[:, None] * np.cos(theta)
    area = _disc_in_rectangle(centres[cut, None, :2], disc, size[:2])
    volume[cut] = (highest - lowest) / 2 * ((area * disc) @ weights)
    return volume


def _disc_in_rectangle(centres: np.ndarray, radius: np.ndarray, size: np.ndarray) -> np.ndarray:
    """Return the area of discs, centres (..., 2) and radius (...), inside the rectangle [0, size]."""
    unit = np.where(radius > 0, radius, 1.0)
    x0, y0 = (np.clip(-centres[..., axis] / unit, -1, 1) for axis in (0, 1))
    x1, y1 = (np.clip((size[axis] - centres[..., axis]) / unit, -1, 1) for axis in (0, 1))
    area = _disc_below(x1, y1) - _disc_below(x0, y1) - _disc_below(x1, y0) + _disc_below(x0, y0)
    return radius**2 * np.maximum(area, 0.0)


def _disc_below(x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """Return the area of the unit disc with X <= x and Y <= y, for x and y in [-1, 1]."""
    half_x, half_y = (v * np.sqrt(1 - v * v) + np.arcsin(v) for v in (x, y))  # int_0^v 2 sqrt(1 - s^2) ds
    inside = x * y + (half_x + half_y) / 2 + math.pi / 4
    left, below = half_x + math.pi / 2, half_y + math.pi / 2
    outside = np.where(x >= 0, np.where(y >= 0, left + below - math.pi, below), np.where(y >= 0, left, 0.0))
    return np.where(x * x + y * y < 1, inside, outside)


def cut_box(
    centres: np.ndarray,
    diameters: np.ndarray,
    large: np.ndarray,
    size: np.ndarray,
    volume: float,
    tolerance: float,
    rng: np.random.Generator,
    free_axes: int,
) -> tuple[np.ndarray, float]:
    """Choose where to cut a box out of a packing so that it holds a wanted volume of spheres.

    The first of random places that meets the volume is taken. If none of 64 does (large boxes, where the volume
    fluctuates by many spheres), the straight line between the two that miss it least to either side is halved until
    it does: the volume is a continuous function of the place.

    Parameters
    ----------
    centres, diameters : arrays (N, dim), (N,)
        Packing that is periodic with ``large`` along the first ``free_axes`` axes.
    large, size : arrays (dim,)
        Lengths of the packing and of the box; along a free axis they differ by at least the largest diameter, so
        that no sphere is met twice.
    volume, tolerance : float
        Wanted volume of spheres inside the box, and by how much it may be missed.
    rng : numpy.random.Generator
    free_axes : int
        Axes along which the place is free; along the others the box begins at 0.

    Returns
    -------
    centres : array (N, dim)
        In the frame of the box, which is ``0 <= x_a <= size_a``.
    reached : float
        Volume of spheres inside it.
    """
    pad = np.where(np.arange(len(size)) < free_axes, (large - size) / 2, 0.0)

    def shifted(origin: np.ndarray) -> np.ndarray:
        moved = np.array(centres)
        moved[:, :free_axes] = wrap((centres - origin + pad)[:, :free_axes], large[:free_axes]) - pad[:free_axes]
        return moved

    def excess(origin: np.ndarray) -> float:
        return float(volume_inside(shifted(origin), diameters, size).sum()) - volume

    origins = np.zeros((CANDIDATES, len(size)))
    origins[:, :free_axes] = rng.random((CANDIDATES, free_axes)) * large[:free_axes]
    misses = np.empty(CANDIDATES)
    for number, origin in enumerate(origins):
        misses[number] = excess(origin)
        if abs(misses[number]) <= tolerance:
            return shifted(origin), float(misses[number]) + volume
    origin, miss = _bisect(origins, misses, tolerance, excess)
    return shifted(origin), miss + volume


def _bisect(
    origins: np.ndarray, misses: np.ndarray, tolerance: float, excess: Callable[[np.ndarray], float]
) -> tuple[np.ndarray, float]:
    """Return the place and its miss, from the closest place on either side; the best one if all lie on one side."""
    best = int(abs(misses).argmin())
    if (misses > 0).all() or (misses < 0).all():
        return origins[best], float(misses[best])
    below = origins[np.where(misses < 0, misses, -np.inf).argmax()]
    above = origins[np.where(misses > 0, misses, np.inf).argmin()]
    middle, miss = origins[best], float(misses[best])
    for _ in range(BISECTIONS):
        middle = (below + above) / 2
        miss = excess(middle)
        if abs(miss) <= tolerance:
            break
        below, above = (middle, above) if miss < 0 else (below, middle)
    return middle, miss
