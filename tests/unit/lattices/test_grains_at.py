"""Spheres at given places: labels, pairing, hoppings, disorder, periodic boxes; and whole spheres at random."""

import numpy as np
import pytest

import bdg
from bdg.lattices import grain_composite, grains_at
from bdg.lattices.packing.place_spheres import place_spheres

CENTRES = [[8.0, 3.0, 3.0], [2.5, 3.0, 3.0]]


def test_sites_belong_to_the_sphere_around_them():
    system = grains_at((12, 6, 6), 1, CENTRES, [4.0, 3.0], delta=[0.2, 0.3j])
    for number, (centre, diameter) in enumerate(zip(CENTRES, (4.0, 3.0), strict=True)):
        inside = np.linalg.norm(system.positions - centre, axis=1) <= diameter / 2
        assert np.array_equal(inside, system.grain == number) and inside.any()
    assert set(system.delta[system.grain == 0]) == {0.2} and set(system.delta[system.grain == 1]) == {0.3j}
    assert not system.delta[system.grain < 0].any()
    assert system.info["surface_gaps"] == pytest.approx([2.0, 2.0])


@pytest.mark.parametrize("periodic", [False, True])
def test_a_composite_of_the_same_spheres_is_the_same_system(periodic):
    """Interface, disorder and boundaries are those of `grain_composite`, its grains numbered in another order."""
    common = {"periodic": periodic, "t": 1.2, "mu": -0.7, "disorder": 0.8, "transparency": 0.4, "seed": 5}
    one = grain_composite((9, 9, 9), 1, volume_fraction=0.15, diameter=4, delta=0.25, attraction=2, **common)
    two = grains_at((9, 9, 9), 1, one.info["centres"], one.info["diameters"], delta=0.25, attraction=2, **common)
    assert (one.hamiltonian != two.hamiltonian).nnz == 0
    for name in ("delta", "attraction", "positions", "grain"):
        assert np.array_equal(getattr(one, name), getattr(two, name)), name
    assert one.period == two.period and one.info["grain_grain_bonds"] == two.info["grain_grain_bonds"]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"centres": [[2, 3, 3], [4, 3, 3]]}, "overlaps another by 1"),
        ({"centres": [[2, 3, 3], [40, 3, 3]]}, "sphere 1 holds no site"),
        ({"centres": [[2, 3]]}, r"shape \(G, 3\)"),
        ({"diameters": [3, 3, 3]}, "one for each of 2"),
        ({"diameters": -1}, "positive"),
        ({"delta": [0.1, 0.2, 0.3]}, "one for each of the 2 grains"),
        ({"transparency": 0}, "transparency"),
        ({"spacing": 40}, "at least 1 sites an axis"),
    ],
)
def test_arguments_are_checked(change, message):
    arguments = {"size": (12, 6, 6), "spacing": 1, "centres": CENTRES, "diameters": 3, "delta": 0.3, **change}
    with pytest.raises(ValueError, match=message):
        grains_at(**arguments)


def test_too_large_a_box_is_refused_before_it_is_built():
    with pytest.raises(bdg.MemoryBudgetError):
        grains_at((1e5, 1e5, 1e5), 1, CENTRES, 3)


@pytest.mark.parametrize("size", [(36, 36, 36), (60, 40)])
def test_spheres_are_placed_whole_and_apart(size):
    found = place_spheres(size, number=8, diameter=12, minimum_gap=3, seed=1)
    assert (found.centres >= 6).all() and (found.centres <= np.array(size) - 6).all()
    apart = np.linalg.norm(found.centres[:, None] - found.centres, axis=2)[~np.eye(8, dtype=bool)]
    assert apart.min() >= 15 and not found.periodic
    again = place_spheres(size, number=8, diameter=12, minimum_gap=3, seed=1)
    assert np.array_equal(found.centres, again.centres)
    other = place_spheres(size, number=8, diameter=12, minimum_gap=3, seed=2)
    assert not np.array_equal(found.centres, other.centres)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"number": 0}, "number must be a whole number >= 1"),
        ({"number": 2.5}, "whole"),
        ({"diameter": 50}, "does not fit"),
        ({"number": 40}, "placed at"),
    ],
)
def test_spheres_that_cannot_be_placed_are_refused(change, message):
    with pytest.raises((TypeError, ValueError), match=message):
        place_spheres((36, 36, 36), **{"number": 8, "diameter": 12, "minimum_gap": 3, "seed": 1, **change})
