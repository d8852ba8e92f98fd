"""Packings of fractal clusters: contact without overlap, the law of R_g, the pair correlation, what is refused."""

import numpy as np
import pytest
from scipy.spatial import cKDTree
from scipy.spatial.distance import pdist, squareform

from bdg.granular import Network
from bdg.lattices import cluster_spheres, pack_spheres
from bdg.lattices.packing.aggregates import Scaling, aggregates


def box_of(grains, fraction, diameter=20.0):
    return ((grains * np.pi / 6 / fraction) ** (1 / 3) * diameter,) * 3


@pytest.mark.parametrize(("dimension", "prefactor"), [(1.67, 1.35), (1.3, 1.5), (2.1, 1.2)])
def test_aggregates_touch_and_follow_the_law_of_the_radius_of_gyration(dimension, prefactor):
    """ln N against ln(R_g/a) has the slope D: R_g is laid down at each join, so the 1e-9 of contact is left."""
    rng, numbers, radii = np.random.default_rng(0), np.array([5, 9, 17, 40]), []
    for number in numbers:
        found = aggregates(6, number, Scaling(dimension, prefactor), rng)
        np.testing.assert_allclose(found.mean(axis=1), 0, rtol=0, atol=1e-12)
        distances = np.array([squareform(pdist(each)) + 9 * np.eye(number) for each in found])
        assert 2 <= distances.min() and (distances.min(axis=2) < 2 + 1e-7).all()  # every sphere touches another one
        touching = distances < 2 + 1e-7
        assert all(np.linalg.matrix_rank(np.diag(t.sum(axis=1)) - t) == number - 1 for t in touching)  # in one piece
        gyration = np.sqrt((found**2).sum(axis=2).mean(axis=1) + 0.6)
        assert np.ptp(gyration) < 1e-12 * gyration.max()
        radii.append(gyration.mean())
        assert number == pytest.approx(prefactor * gyration.mean() ** dimension, rel=1e-8)
    assert np.polyfit(np.log(radii), np.log(numbers), 1)[0] == pytest.approx(dimension, abs=1e-8)


def test_the_pair_correlation_of_large_aggregates_has_the_dimension():
    """N(r), the spheres within r of a sphere, grows as r^D between the scale of spheres and R_g.

    Surface spheres see less at the larger radius, which lowers the slope by .1 to .2 (1.59 of 1.67 for 256 spheres).
    """
    for dimension in (1.67, 2.1):
        found = aggregates(20, 128, Scaling(dimension, 1.35), np.random.default_rng(1))
        distances = np.concatenate([pdist(each) for each in found])
        radius = 0.9 * (128 / 1.35) ** (1 / dimension)
        near, far = (1 + 2 * (distances < r).sum() / (20 * 128) for r in (3.0, radius))
        slope = np.log(far / near) / np.log(radius / 3.0)
        assert slope == pytest.approx(dimension, abs=0.2)


def test_clusters_fill_the_box_without_overlap():
    size, gap = box_of(300, 0.06), 0.5
    packing = cluster_spheres(size, volume_fraction=0.06, diameter=20, cluster_size=30, minimum_gap=gap, seed=3)
    assert packing.volume_fraction == pytest.approx(0.06, rel=0.01)
    assert len(packing.centres) == 300 and packing.periodic and packing.size == pytest.approx(size)
    assert packing.volume_fraction == pytest.approx(300 * np.pi / 6 * 20**3 / np.prod(size), rel=1e-12)
    assert (packing.centres >= 0).all() and (packing.centres < size).all()
    assert packing.surface_gaps.min() >= gap  # every image counts
    np.testing.assert_allclose(packing.surface_gaps, gap, rtol=0, atol=1e-5)  # all touch one of their own cluster
    single = cluster_spheres(size, volume_fraction=0.06, diameter=20, cluster_size=1, seed=3)
    assert single.surface_gaps.mean() > 5
    together, apart = (cKDTree(each.centres, boxsize=size) for each in (packing, single))
    assert together.count_neighbors(together, 30) - 300 > 2 * (apart.count_neighbors(apart, 30) - 300)
    assert Network.voronoi(packing).n_sites == 300


def test_spheres_of_a_cluster_stand_together_and_the_last_cluster_has_the_rest():
    size = box_of(70, 0.04)
    packing = cluster_spheres(size, volume_fraction=0.04, diameter=20, cluster_size=32, seed=5)
    assert len(packing.centres) == 70
    for members in (slice(0, 32), slice(32, 64), slice(64, 70)):
        steps = packing.centres[members, None] - packing.centres[members]
        steps -= np.array(size) * np.round(steps / size)
        distance = np.linalg.norm(steps, axis=2) + 99 * np.eye(len(steps))
        np.testing.assert_allclose(distance.min(axis=1), 20, rtol=0, atol=1e-6)


def test_a_seed_repeats_bit_for_bit():
    arguments = dict(volume_fraction=0.08, diameter=20.0, cluster_size=12)
    first, again, other = (cluster_spheres(box_of(60, 0.08), seed=seed, **arguments) for seed in (4, 4, 5))
    assert np.array_equal(first.centres, again.centres) and first.seed == 4 and first.trials == again.trials
    assert not np.array_equal(first.centres, other.centres)
    unnamed = cluster_spheres(box_of(60, 0.08), **arguments)
    repeated = cluster_spheres(box_of(60, 0.08), seed=unnamed.seed, **arguments)
    assert np.array_equal(unnamed.centres, repeated.centres)


def test_one_sphere_a_cluster_is_a_random_packing():
    """Mean distance of neighbours: 600 spheres scatter by 1 %."""
    size = box_of(600, 0.06)
    packing = cluster_spheres(size, volume_fraction=0.06, diameter=20, cluster_size=1, seed=0)
    random = pack_spheres(size, volume_fraction=0.06, diameter=20, seed=1)
    assert packing.centre_distances.mean() == pytest.approx(random.centre_distances.mean(), rel=0.04)


def test_clusters_that_find_no_place_are_refused(monkeypatch):
    monkeypatch.setattr("bdg.lattices.packing.cluster_spheres.TRIALS_AT_LEAST", 2000)
    monkeypatch.setattr("bdg.lattices.packing.cluster_spheres.TRIALS_A_CLUSTER", 200)
    with pytest.raises(
        ValueError,
        match=r"volume_fraction = 0.3 could not be reached with clusters of 30 spheres .*: \d+ of 60 spheres",
    ):
        cluster_spheres(box_of(60, 0.3), volume_fraction=0.3, diameter=20, cluster_size=30, seed=0)
    with pytest.raises(ValueError, match=r"fractal_dimension = 1.67 and prefactor = 3 belong to no clusters"):
        cluster_spheres(box_of(60, 0.05), volume_fraction=0.05, diameter=20, cluster_size=6, prefactor=3, seed=0)


GOOD = {"size": (200, 200, 200), "volume_fraction": 0.06, "diameter": 20, "cluster_size": 6, "seed": 0}


@pytest.mark.parametrize(
    ("changes", "error", "text"),
    [
        ({"size": (200, 200)}, ValueError, "size must be 3 box lengths"),
        ({"diameter": (10, 20)}, TypeError, "diameter must be a real number"),
        ({"volume_fraction": 0}, ValueError, "volume_fraction must be positive"),
        ({"cluster_size": 0}, ValueError, r"cluster_size must be a whole number >= 1 \(spheres\); got 0"),
        ({"cluster_size": 2.5}, TypeError, "cluster_size must be a whole number"),
        ({"fractal_dimension": 3.0}, ValueError, "fractal_dimension must lie between 1.1 and 2.5; got 3"),
        ({"prefactor": 9}, ValueError, "prefactor must lie between 0.5 and 3; got 9"),
        ({"minimum_gap": -1}, ValueError, "minimum_gap must be finite and >= 0"),
        ({"diameter": 300}, ValueError, "must not exceed the shortest length 200"),
        ({"diameter": 1e-4}, ValueError, "spheres would be needed"),
        ({"seed": -1}, ValueError, "seed must be a whole number >= 0"),
    ],
)
def test_wrong_arguments_are_refused(changes, error, text):
    arguments = GOOD | changes
    with pytest.raises(error, match=text):
        cluster_spheres(arguments.pop("size"), **arguments)
