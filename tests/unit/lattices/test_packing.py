"""Packings of hard spheres and discs: no overlaps, the wanted volume, distances, all against brute force."""

import itertools

import numpy as np
import pytest

from bdg.lattices.packing import box_cut
from bdg.lattices.packing.box_cut import cut_box, sphere_volume, volume_inside
from bdg.lattices.packing.diameters import Diameters
from bdg.lattices.packing.layering import Layers
from bdg.lattices.packing.pack_spheres import centre_distances, pack, pack_spheres, surface_gaps
from bdg.lattices.packing.sequential_addition import CellGrid, _first_come, add_spheres

ROUNDING = 1e-12  # lengths of order 100, a few operations


def pair_distances(centres, size, periodic):
    """All distances (G, G) to the nearest image, over all neighbouring images one by one; infinite to itself."""
    shifts = itertools.product(*[(-1, 0, 1)] * len(size)) if periodic else [(0,) * len(size)]
    apart = centres[:, None] - centres
    distance = np.min([np.linalg.norm(apart + np.array(shift) * size, axis=-1) for shift in shifts], axis=0)
    np.fill_diagonal(distance, np.inf)
    return distance


SPREADS = [{"diameter": 9.0}, {"diameter": (5.0, 12.0)}, {"diameter": 8.0, "diameter_sigma": 0.4}]


@pytest.mark.parametrize("periodic", [True, False])
@pytest.mark.parametrize("size", [(61.0, 47.0), (60.0, 40.0, 50.0)])
@pytest.mark.parametrize("spread", SPREADS)
def test_spheres_keep_the_gap_and_the_distances_are_right(size, spread, periodic):
    gap = 0.8
    packing = pack_spheres(size, volume_fraction=0.15, minimum_gap=gap, periodic=periodic, seed=4, **spread)
    distance = pair_distances(packing.centres, np.array(size), periodic)
    surfaces = distance - (packing.diameters[:, None] + packing.diameters) / 2
    assert surfaces.min() >= gap - ROUNDING
    np.testing.assert_allclose(packing.centre_distances, distance.min(axis=1), rtol=0, atol=ROUNDING * 100)
    np.testing.assert_allclose(packing.surface_gaps, surfaces.min(axis=1), rtol=0, atol=ROUNDING * 100)
    assert len(packing.centres) == len(packing.diameters) > 4
    if periodic:
        assert (packing.centres >= 0).all() and (packing.centres < size).all()
    else:  # every sphere meets the box
        outside = np.maximum(np.maximum(-packing.centres, packing.centres - size), 0)
        assert (np.linalg.norm(outside, axis=1) < packing.diameters / 2).all()


@pytest.mark.parametrize("dim", [2, 3])
@pytest.mark.parametrize("spread", SPREADS)
def test_a_periodic_box_reaches_the_fraction_within_one_sphere(dim, spread):
    size = (90.0, 70.0, 50.0)[:dim]
    packing = pack_spheres(size, volume_fraction=0.2, seed=11, **spread)
    volume = np.pi / (4 if dim == 2 else 6) * packing.diameters**dim
    assert packing.volume_fraction == pytest.approx(volume.sum() / np.prod(size), rel=1e-13)
    assert packing.packing_fraction == packing.volume_fraction
    assert abs(volume.sum() - 0.2 * np.prod(size)) <= volume.max()


@pytest.mark.parametrize("seed", range(4))
def test_an_open_box_holds_the_volume_that_it_reports(seed):
    """The volume inside the faces, by 400 000 random points of the box."""
    size = np.array((48.0, 40.0, 44.0))
    packing = pack_spheres(size, volume_fraction=0.079, diameter=(15, 20), periodic=False, seed=seed)
    points = np.random.default_rng(seed).random((400_000, 3)) * size
    inside = np.zeros(len(points), dtype=bool)
    for centre, diameter in zip(packing.centres, packing.diameters, strict=True):
        inside |= ((points - centre) ** 2).sum(axis=1) < diameter**2 / 4
    error = np.sqrt(0.079 * 0.921 / len(points))
    assert inside.mean() == pytest.approx(packing.volume_fraction, abs=4 * error)
    assert packing.volume_fraction == pytest.approx(0.079, rel=0.05)  # less than half a sphere here
    grain = Diameters.parse((15, 20)).mean_volume(3)
    assert abs(packing.volume_fraction - 0.079) * size.prod() <= grain / 2
    assert packing.packing_fraction == pytest.approx(0.079, rel=1 / 16)  # 16 grains or more, the last one rounded
    faces = (packing.centres < packing.diameters[:, None] / 2) | (
        packing.centres > size - packing.diameters[:, None] / 2
    )
    assert faces.any()  # spheres are cut


@pytest.mark.parametrize(("dim", "fraction"), [(3, 0.30), (2, 0.45)])
def test_dense_packings_of_equal_spheres_are_reached(dim, fraction):
    size = (100.0,) * dim
    packing = pack_spheres(size, volume_fraction=fraction, diameter=10 if dim == 3 else 3, seed=0)
    assert packing.volume_fraction == pytest.approx(fraction, abs=sphere_volume(np.array([10.0]), 3)[0] / 1e6)
    assert len(packing.centres) > 500
    assert packing.surface_gaps.min() >= -ROUNDING


@pytest.mark.slow
def test_large_spheres_are_placed_first():
    """Ten spheres of D = 30 among a thousand of D = 6, 30 % in all: no room would be left for them at the end."""
    diameters = np.concatenate([np.full(1000, 6.0), np.full(10, 30.0)])
    volume = sphere_volume(diameters, 3).sum()
    box = np.full(3, (volume / 0.3) ** (1 / 3))
    added = add_spheres(diameters, box, 0.0, np.random.default_rng(0))
    assert added.placed.all()
    surfaces = pair_distances(added.centres, box, True) - (diameters[:, None] + diameters) / 2
    assert surfaces.min() >= -ROUNDING


@pytest.mark.parametrize("shape", [(1, 2, 3), (2, 2, 2), (5, 3, 4), (7, 1)])
def test_cell_lists_find_exactly_the_overlaps(shape):
    rng = np.random.default_rng(2)
    box = np.array(shape) * 2.1
    points, radii = rng.random((150, len(shape))) * box, rng.uniform(0.02, 0.7, 150)
    others, reach = rng.random((60, len(shape))) * box, 1.4 + 0.3
    near = np.min(
        [
            np.linalg.norm(points[:, None] - others + np.array(shift) * box, axis=-1)
            for shift in itertools.product(*[(-1, 0, 1)] * len(shape))
        ],
        axis=0,
    )
    grid = CellGrid(others, np.full(60, 0.7), box, reach)
    np.testing.assert_array_equal(grid.blocked(points, radii, 0.3), (near < radii[:, None] + 0.7 + 0.3).any(axis=1))
    i, j = CellGrid(points, radii, box, reach).own_pairs(0.3)
    wanted = np.triu(pair_distances(points, box, True) < radii[:, None] + radii + 0.3, 1)
    assert set(zip(i.tolist(), j.tolist(), strict=True)) == set(zip(*map(list, np.nonzero(wanted)), strict=True))


def test_a_batch_gives_what_single_trials_in_the_same_order_give():
    rng = np.random.default_rng(8)
    box, radii = np.full(2, 12.0), np.full(400, 0.5)
    points = rng.random((400, 2)) * box
    overlap = pair_distances(points, box, True) < 1.0
    stays = np.zeros(400, dtype=bool)
    for trial in range(400):
        stays[trial] = not (overlap[trial] & stays).any()
    np.testing.assert_array_equal(_first_come(points, radii, box, 1.0, 0.0), stays)


def test_the_same_seed_gives_the_same_arrays_bit_for_bit():
    arguments = dict(volume_fraction=0.2, diameter=8, diameter_sigma=0.3, minimum_gap=0.2, periodic=False)
    one, same, other = (pack_spheres((40, 40, 40), seed=seed, **arguments) for seed in (5, 5, 6))
    for name in ("centres", "diameters", "centre_distances", "surface_gaps"):
        assert getattr(one, name).tobytes() == getattr(same, name).tobytes()
        assert getattr(one, name).tobytes() != getattr(other, name).tobytes()
    drawn = pack_spheres((40, 40, 40), seed=None, **arguments)
    again = pack_spheres((40, 40, 40), seed=drawn.seed, **arguments)
    assert drawn.centres.tobytes() == again.centres.tobytes()
    with pytest.raises(ValueError, match="read-only"):
        one.centres[0] = 0


@pytest.mark.parametrize(("low", "high", "sigma"), [(10.0, 10.0, 0.0), (5.0, 12.0, 0.0), (10.0, 10.0, 0.35)])
def test_diameters_have_the_moments_of_their_distribution(low, high, sigma):
    """Mean, spread and <D^3>: lognormal <D^k> = mean^k exp(k (k-1) sigma^2/2); uniform (b^4 - a^4)/(4 (b - a))."""
    sizes = Diameters.parse(low if low == high else (low, high), sigma)
    drawn = sizes.draw(200_000 * sizes.mean_volume(3), 3, np.random.default_rng(0))
    assert sizes.mean_volume(3) == pytest.approx(np.pi / 6 * (drawn**3).mean(), rel=0.01)  # 200 000 draws: 0.4 %
    assert sizes.mean_volume(2) == pytest.approx(np.pi / 4 * (drawn**2).mean(), rel=0.01)
    assert drawn.mean() == pytest.approx((low + high) / 2, rel=0.004)
    if sigma:
        assert np.log(drawn).std() == pytest.approx(sigma, rel=0.01)
        assert np.log(drawn).mean() == pytest.approx(np.log(10) - sigma**2 / 2, abs=0.004)
    else:
        assert drawn.min() >= low and drawn.max() <= high
        assert drawn.std() == pytest.approx((high - low) / np.sqrt(12), rel=0.01)


def cap(radius, height):
    return np.pi * height**2 * (3 * radius - height) / 3


def test_volumes_of_cut_spheres():
    size, whole = np.array((10.0, 11.0, 12.0)), 4 / 3 * np.pi * 2**3
    centres = np.array(
        [(5, 5, 5), (0, 5, 5), (5, 0, 12), (10, 11, 0), (-1, 5, 5), (5, 5, 13), (5, 11.5, 5), (-2, 5, 5), (5, 5, 15)]
    )
    wanted = [whole, whole / 2, whole / 4, whole / 8, cap(2, 1), cap(2, 1), cap(2, 1.5), 0, 0]
    measured = volume_inside(centres, np.full(len(centres), 4.0), size)
    np.testing.assert_allclose(measured, wanted, rtol=0, atol=1e-4 * whole)
    # A sphere wider than a thin box: the slab between two caps.
    slab = volume_inside(np.array([(5.0, 5.0, 0.4)]), np.array([4.0]), np.array((10.0, 10.0, 1.0)))
    assert slab[0] == pytest.approx(whole - cap(2, 1.6) - cap(2, 1.4), rel=1e-4)


def test_areas_of_cut_discs():
    size, whole = np.array((10.0, 11.0)), 4 * np.pi
    segment = 4 * np.arccos(0.5) - np.sqrt(3)  # of a disc R = 2, cut at a distance of 1
    centres = np.array([(5, 5), (0, 5), (0, 11), (-1, 5), (5, 12), (9, 5), (-3, 5)])
    wanted = [whole, whole / 2, whole / 4, segment, segment, whole - segment, 0]
    np.testing.assert_allclose(volume_inside(centres, np.full(7, 4.0), size), wanted, rtol=0, atol=1e-13 * whole)


@pytest.mark.parametrize("dim", [2, 3])
def test_volumes_of_spheres_at_random_corners(dim):
    """Against random points in each sphere, also of spheres larger than the box."""
    rng = np.random.default_rng(6)
    size = np.array((3.0, 2.0, 4.0))[:dim]
    centres, diameters = rng.random((60, dim)) * size * 1.4 - 0.4, rng.uniform(0.3, 3.5, 60)
    ball = rng.uniform(-1, 1, (120_000, dim))
    ball = ball[(ball**2).sum(axis=1) < 1]
    measured = volume_inside(centres, diameters, size) / sphere_volume(diameters, dim)
    for centre, diameter, share in zip(centres, diameters, measured, strict=True):
        points = centre + ball * diameter / 2
        inside = ((points >= 0) & (points <= size)).all(axis=1).mean()
        assert share == pytest.approx(inside, abs=4.5 * np.sqrt(0.25 / len(ball)))


@pytest.mark.parametrize("candidates", [6, 64])
def test_a_large_open_box_is_cut_by_bisection(candidates, monkeypatch):
    monkeypatch.setattr(box_cut, "CANDIDATES", candidates)
    rng = np.random.default_rng(0)
    large, size = np.full(2, 130.0), np.full(2, 120.0)
    centres, diameters = rng.random((2000, 2)) * large, np.ones(2000)  # overlaps do not matter here
    wanted = 2000 * np.pi / 4 * (120 / 130) ** 2
    moved, reached = cut_box(centres, diameters, large, size, wanted, 0.02, rng, 2)
    assert abs(reached - wanted) <= 0.02
    assert volume_inside(moved, diameters, size).sum() == pytest.approx(reached, rel=1e-12)
    shift = moved - centres  # a rigid shift, up to the period
    np.testing.assert_allclose(np.mod(shift - shift[0] + 65, 130), 65, rtol=0, atol=1e-10)


@pytest.mark.parametrize("periodic", [True, False])
def test_layers_hold_all_spheres_and_each_its_fraction(periodic):
    box, layers = np.array((70.0, 60.0, 150.0)), Layers(30.0, 0.6)
    sizes = Diameters.parse((6.0, 10.0))
    packing = pack(box, 0.12, sizes, 0.5, periodic, 3, layers)
    z, radius = packing.centres[:, 2], packing.diameters / 2
    number = np.floor(z / 50)
    assert (z - radius >= number * 50 - ROUNDING).all() and (z + radius <= number * 50 + 30 + ROUNDING).all()
    assert set(number) == {0, 1, 2}
    surfaces = pair_distances(packing.centres, box, periodic) - (packing.diameters[:, None] + packing.diameters) / 2
    assert surfaces.min() >= 0.5 - ROUNDING
    volume = (
        volume_inside(packing.centres, packing.diameters, box) if not periodic else np.pi / 6 * packing.diameters**3
    )
    assert packing.volume_fraction == pytest.approx(volume.sum() / (70 * 60 * 90), rel=1e-12)
    assert abs(volume.sum() - 0.12 * 70 * 60 * 90) <= 3 * np.pi / 6 * 10**3 / 2  # half a sphere a layer
    if periodic:
        for layer in range(3):
            assert abs(volume[number == layer].sum() - 0.12 * 70 * 60 * 30) <= np.pi / 6 * 10**3


def test_a_layer_cut_by_a_face_counts_with_what_lies_inside():
    box, layers = np.array((300.0, 300.0, 60.0)), Layers(30.0, 0.6)  # rich: 0-30 and 50-60, the second layer cut
    packing = pack(box, 0.1, Diameters.parse(12.0), 0.0, False, 1, layers)
    assert packing.packing_fraction == pytest.approx(0.1, rel=0.01)
    # The 10 units inside hold less: centres keep 6 away from the layer's border, D = 12. Slab 6..24 of 30 has the
    # density 0.1 30/18, its spheres cover (z/12)^2 (3 - 2 z/12) of the plane at depth z from the border, below 12.
    edge = 0.1 * 30 / 18 * np.mean([min(z / 12, 1) ** 2 * (3 - 2 * min(z / 12, 1)) for z in np.linspace(0, 10, 2001)])
    wanted = (0.1 * 30 + edge * 10) / 40
    assert packing.volume_fraction == pytest.approx(wanted, rel=0.08)  # 150 spheres: 1/sqrt(150) = 8 %


def test_a_single_sphere_has_no_neighbour():
    packing = pack_spheres((40, 40, 40), volume_fraction=0.05, diameter=18, seed=0)
    assert packing.centre_distances.tolist() == packing.surface_gaps.tolist() == [np.inf]
    empty = np.empty((0, 3))
    assert centre_distances(empty, (None,) * 3).shape == surface_gaps(empty, np.empty(0), (None,) * 3).shape == (0,)


def test_the_nearest_surface_need_not_belong_to_the_nearest_centre():
    centres, diameters = np.array([(0.0, 0), (3.0, 0), (0, 6.0)]), np.array([1.0, 1.0, 9.5])
    np.testing.assert_allclose(centre_distances(centres, (None, None)), [3, 3, 6])
    np.testing.assert_allclose(surface_gaps(centres, diameters, (None, None)), [0.75, np.sqrt(45) - 5.25, 0.75])


def test_a_fraction_that_cannot_be_packed_says_how_far_it_went():
    with pytest.raises(
        ValueError, match=r"volume_fraction = 0.45 could not be packed .* reached 0\.3[3-8]\d* in"
    ) as info:
        pack_spheres((50, 50, 50), volume_fraction=0.45, diameter=8, seed=0)
    assert "Lower volume_fraction or minimum_gap" in str(info.value)
    with pytest.raises(ValueError, match=r"minimum_gap = 6: .* reached 0\.0\d+ in .* would fill 0\.80"):
        pack_spheres((60, 60, 60), volume_fraction=0.15, diameter=8, minimum_gap=6, seed=0)
    with pytest.raises(ValueError, match=r"0.6 could not be packed .* reached 0\.5[0-5]\d* .* discs jam at 0.547"):
        pack_spheres((50, 50), volume_fraction=0.6, diameter=3, seed=0)


@pytest.mark.slow
def test_a_large_packing_out_of_reach_is_refused_after_a_small_one_failed():
    with pytest.raises(ValueError, match=r"volume_fraction = 0.5 could not be packed .* reached 0\.3") as info:
        pack_spheres((1000, 1000, 1000), volume_fraction=0.5, diameter=10, seed=0)
    trials = int(str(info.value).split(" trials")[0].split()[-1])
    assert trials < 5_000_000  # a million spheres were asked for; 2000 were tried
    packing = pack_spheres((200, 200, 200), volume_fraction=0.3, diameter=(7, 9), seed=0)  # a large one that fits
    assert len(packing.centres) > 4000
    assert packing.surface_gaps.min() >= -ROUNDING


GOOD = {"size": (50, 50, 50), "volume_fraction": 0.1, "diameter": 10, "seed": 0}


@pytest.mark.parametrize(
    ("changes", "error", "text"),
    [
        ({"size": 50}, ValueError, "size must be 2 or 3 box lengths"),
        ({"size": (50,)}, ValueError, "size must be 2 or 3 box lengths"),
        ({"size": (50, 50, -1)}, ValueError, "size must be positive"),
        ({"size": (50, 50, np.nan)}, ValueError, "size must be positive"),
        ({"size": ("a", "b", "c")}, TypeError, "size must be a real number"),
        ({"volume_fraction": 0}, ValueError, "volume_fraction must be positive"),
        ({"volume_fraction": 1.2}, ValueError, "volume_fraction must lie between 0 and 1"),
        ({"volume_fraction": "8 %"}, TypeError, "volume_fraction must be a real number"),
        ({"diameter": 0}, ValueError, "diameter must be positive"),
        ({"diameter": (12, 10)}, ValueError, r"diameter = \(low, high\) must be in ascending order; got \(12, 10\)"),
        ({"diameter": (8, 9, 10)}, ValueError, r"a length or a pair \(low, high\)"),
        ({"diameter": (8, 12), "diameter_sigma": 0.1}, ValueError, "diameter_sigma = 0.1 .* needs one mean diameter"),
        ({"diameter_sigma": -0.1}, ValueError, "diameter_sigma must be finite and >= 0"),
        ({"diameter": 60}, ValueError, "must not exceed the shortest length 50 of a periodic box"),
        ({"diameter": (10, 49), "minimum_gap": 2}, ValueError, r"diameter \+ minimum_gap = 51 must not exceed"),
        ({"minimum_gap": -1}, ValueError, "minimum_gap must be finite and >= 0"),
        ({"periodic": "yes"}, TypeError, "periodic must be True or False"),
        ({"seed": -1}, ValueError, "seed must be a whole number >= 0"),
        ({"seed": 1.5}, TypeError, "seed must be a whole number >= 0"),
        ({"diameter": 0.01}, ValueError, "spheres would be needed.*same unit"),
        ({"diameter": 30, "diameter_sigma": 1.0}, ValueError, "no room .* use a smaller diameter_sigma"),
    ],
)
def test_bad_arguments_are_refused(changes, error, text):
    arguments = GOOD | changes
    with pytest.raises(error, match=text):
        pack_spheres(arguments.pop("size"), **arguments)
