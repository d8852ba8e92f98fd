"""Voronoi cells of periodic packings: exact sums over their faces, and a cell against brute force."""

import numpy as np
import pytest

from bdg.lattices.packing import tessellation
from bdg.lattices.packing.pack_spheres import Packing, pack_spheres
from bdg.lattices.packing.tessellation import voronoi_faces


def packing_at(centres, size):
    return Packing(np.array(centres, dtype=float), np.full(len(centres), 1e-3), size, True, 0.1, 0.1, 0, 0)


@pytest.mark.parametrize("seed", range(12))
def test_cones_over_the_faces_fill_the_box(seed):
    """sum A d = 3 V, and sum (A/d) x x^T = V: for any points, few or many, in any box."""
    random = np.random.default_rng(seed)
    size = tuple(random.uniform(2, 6, 3))
    packing = packing_at(random.random((random.integers(1, 40), 3)) * size, size)
    faces = voronoi_faces(packing)
    distance = np.linalg.norm(faces.displacements, axis=1)
    volume = np.prod(size)
    assert (faces.areas * distance).sum() == pytest.approx(3 * volume, rel=1e-12)
    tensor = faces.displacements.T @ ((faces.areas / distance)[:, None] * faces.displacements)
    np.testing.assert_allclose(tensor, volume * np.eye(3), rtol=0, atol=1e-11 * volume)
    moved = packing.centres[faces.pairs[:, 1]] - packing.centres[faces.pairs[:, 0]] - faces.displacements
    np.testing.assert_allclose(moved / size, np.round(moved / size), rtol=0, atol=1e-12)  # a whole number of periods


def test_cell_volumes_are_the_shares_of_random_points():
    packing = pack_spheres((50, 60, 40), volume_fraction=0.1, diameter=(8, 14), seed=5)
    faces = voronoi_faces(packing)
    cone = faces.areas * np.linalg.norm(faces.displacements, axis=1) / 6
    volumes = sum(np.bincount(side, cone, len(packing.centres)) for side in faces.pairs.T)
    points = np.random.default_rng(0).random((40_000, 3)) * packing.size
    apart = points[:, None] - packing.centres
    apart -= packing.size * np.round(apart / packing.size)
    shares = np.bincount((apart**2).sum(axis=2).argmin(axis=1), minlength=len(volumes)) / len(points)
    wanted = volumes / np.prod(packing.size)
    np.testing.assert_allclose(shares, wanted, rtol=0, atol=4.5 * np.sqrt(wanted.max() / len(points)))


def test_a_narrow_shell_of_images_is_widened(monkeypatch):
    packing = packing_at([(0.1, 0.2, 0.3), (0.3, 0.1, 0.2)], (1.0, 7.0, 4.0))
    faces = voronoi_faces(packing)
    monkeypatch.setattr(tessellation, "_FIRST", 4.0)
    wide = voronoi_faces(packing)
    assert np.array_equal(faces.pairs, wide.pairs)
    np.testing.assert_allclose(faces.displacements, wide.displacements, rtol=0, atol=1e-14)
    np.testing.assert_allclose(faces.areas, wide.areas, rtol=1e-11)
