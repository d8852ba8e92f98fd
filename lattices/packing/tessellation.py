r"""The Voronoi cells of a periodic packing: who shares a face with whom, and its area.

The cell of a centre is what lies nearer to it than to any other centre or image. Its volume is a sum of cones, so

.. math:: \sum_b A_b\, d_b = 3 V, \qquad \sum_b \frac{A_b}{d_b}\, x_b\, x_b^T = V\, 1

over all faces b between centres at the displacement x_b, d_b = \|x_b\|, each counted once.
"""

from __future__ import annotations

import itertools
from typing import NamedTuple

import numpy as np
import scipy  # its parts load on use

from bdg.lattices.packing.pack_spheres import Packing

_FIRST = 2.5  # width of the shell of images that is tried first, in mean distances of centres
_MOST_IMAGES = 5_000, 100  # and as many for each centre: reached where few centres lie in a thin box only
_SHARED = 1e-12  # of the mean face: what rounding makes of cells that touch in an edge or a corner


class Faces(NamedTuple):
    """Faces of Voronoi cells, each once: between which centres, across what, and how large.

    Attributes
    ----------
    pairs : array (B, 2) of int
        The two centres; a centre may face its own image.
    displacements : array (B, 3)
        From the first centre to the image of the second; orthogonal to the face.
    areas : array (B,)
    """

    pairs: np.ndarray
    displacements: np.ndarray
    areas: np.ndarray


def voronoi_faces(packing: Packing) -> Faces:
    """Return the faces of the Voronoi cells around the centres of a periodic packing of spheres.

    Diameters do not matter. The images in a shell around the box are taken along; it is made wider until every corner
    of a cell is nearer to its centre than to what may lie beyond.

    Raises
    ------
    TypeError, ValueError
        If ``packing`` is none, or is open, two-dimensional, or far too elongated for its number of centres.
    """
    if not isinstance(packing, Packing):
        raise TypeError(f"packing must be a Packing, as pack_spheres gives it; got {type(packing).__name__}")
    if not packing.periodic or len(packing.size) != 3:
        kind = "two-dimensional" if len(packing.size) != 3 else "open"
        raise ValueError(
            f"packing must be periodic and of spheres, so that every cell is bounded by others; it is {kind}. Use "
            "pack_spheres with three lengths and periodic=True"
        )
    size = np.array(packing.size)
    mean_distance = float((size.prod() / len(packing.centres)) ** (1 / 3))
    width = _FIRST * mean_distance
    while np.prod(size + 2 * width) <= mean_distance**3 * (_MOST_IMAGES[0] + _MOST_IMAGES[1] * len(packing.centres)):
        found = _faces_within(packing.centres, size, width)
        if found is not None:
            return found
        width *= 1.5
    raise ValueError(
        f"packing has cells that are too long: {len(packing.centres)} centres in a box of {packing.size}. Use a box of "
        "more even lengths, or more spheres"
    )


def neighbours_within(packing: Packing, cutoff: float) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return pairs (B, 2), displacements (B, dim) and gaps (B,) of all images up to a gap, each bond once."""
    size, centres, radii = np.array(packing.size), packing.centres, packing.diameters / 2
    reach = cutoff + 2 * radii.max()
    counts = np.ceil(reach / size).astype(int)
    shifts = np.array(list(itertools.product(*(range(-n, n + 1) for n in counts))), dtype=float) * size
    images = (centres[None] + shifts[:, None]).reshape(-1, size.size)
    image_of = np.tile(np.arange(len(centres)), len(shifts))
    near = ((images >= -reach) & (images <= size + reach)).all(axis=1)
    images, image_of = images[near], image_of[near]
    entries = scipy.spatial.cKDTree(centres).sparse_distance_matrix(
        scipy.spatial.cKDTree(images), reach, output_type="ndarray"
    )
    first, second = entries["i"], image_of[entries["j"]]
    steps = images[entries["j"]] - centres[first]
    gaps = entries["v"] - radii[first] - radii[second]
    leading = np.take_along_axis(steps, np.argmax(steps != 0, axis=1)[:, None], axis=1)[:, 0]
    once = (first < second) | ((first == second) & (leading > 0))
    kept = np.flatnonzero(once & (gaps <= cutoff))
    kept = kept[np.lexsort((*steps[kept].T, second[kept], first[kept]))]
    return np.stack([first, second], axis=1)[kept].astype(np.int64), steps[kept], np.maximum(gaps[kept], 0.0)


def _faces_within(centres: np.ndarray, size: np.ndarray, width: float) -> Faces | None:
    """Return the faces from the images in a shell; None if what is beyond may change them."""
    counts = np.ceil(width / size).astype(int)
    shifts = np.array(list(itertools.product(*(range(-n, n + 1) for n in counts))), dtype=float) * size
    shifts = shifts[np.argsort((shifts**2).sum(axis=1), kind="stable")]  # the box itself first
    points = (centres[None] + shifts[:, None]).reshape(-1, 3)
    index = np.tile(np.arange(len(centres)), len(shifts))
    near = ((points >= -width) & (points <= size + width)).all(axis=1)
    points, index = points[near], index[near]
    try:
        cells = scipy.spatial.Voronoi(points)
    except scipy.spatial.QhullError:  # all of them in one plane
        return None
    ends = cells.ridge_points
    faces = np.flatnonzero((ends < len(centres)).any(axis=1))
    corners = [cells.ridge_vertices[face] for face in faces]
    number = np.array([len(each) for each in corners])
    vertices = np.concatenate(corners)
    first, second = np.sort(ends[faces], axis=1).T  # the first lies in the box
    place = cells.vertices[vertices]
    radius = np.linalg.norm(place - points[np.repeat(first, number)], axis=1)[:, None]
    if (vertices < 0).any() or ((place - radius < -width) | (place + radius > size + width)).any():
        return None
    steps = points[second] - points[first]
    areas = _polygon_areas(place, number, steps)
    second = index[second]
    leading = np.take_along_axis(steps, np.argmax(steps != 0, axis=1)[:, None], axis=1)[:, 0]
    inside = ends[faces].max(axis=1) < len(centres)
    once = inside | (first < second) | ((first == second) & (leading > 0))
    kept = np.flatnonzero(once & (areas > _SHARED * areas.mean()))
    kept = kept[np.lexsort((*steps[kept].T, second[kept], first[kept]))]
    return Faces(np.stack([first, second], axis=1)[kept].astype(np.int64), steps[kept], areas[kept])


def _polygon_areas(corners: np.ndarray, number: np.ndarray, normals: np.ndarray) -> np.ndarray:
    """Return the areas of flat polygons, ``number`` corners of each in their order around it."""
    start = np.cumsum(number) - number
    following = np.arange(1, len(corners) + 1)
    following[start + number - 1] = start
    centre = np.repeat(np.add.reduceat(corners, start) / number[:, None], number, axis=0)
    twice = np.add.reduceat(np.cross(corners - centre, corners[following] - centre), start)
    return 0.5 * abs((twice * normals).sum(axis=1)) / np.linalg.norm(normals, axis=1)
