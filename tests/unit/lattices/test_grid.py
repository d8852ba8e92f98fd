"""Grids assembled with array operations: equal to a kwant builder entry by entry, and to a plain loop."""

import itertools

import kwant
import numpy as np
import pytest

from bdg.lattices.builders.grid import assemble_grid, bond_mask, grid_positions, neighbour_values

SHAPES = [(1,), (2,), (7,), (3, 4), (2, 3), (1, 5), (3, 4, 5), (2, 2, 2), (1, 4, 2), (4, 1, 3), (1, 1, 1)]
CASES = [
    (shape, periodic)
    for shape in SHAPES
    for periodic in itertools.product([False, True], repeat=len(shape))
    if not any(wrap and n == 1 for n, wrap in zip(shape, periodic, strict=True))
]


def random_grid(shape, complex_hopping, seed=0):
    rng = np.random.default_rng(seed)
    onsite = rng.normal(size=shape)
    hoppings = [rng.normal(size=shape) for _ in shape]
    if complex_hopping:
        hoppings = [values + 1j * rng.normal(size=shape) for values in hoppings]
    return onsite, hoppings


def bonds_of(shape, periodic):
    """(from, to, axis) of every bond, by a plain loop."""
    for start in np.ndindex(*shape):
        for axis, wrap in enumerate(periodic):
            end = list(start)
            end[axis] += 1
            if end[axis] == shape[axis]:
                if not wrap:
                    continue
                end[axis] = 0
            yield start, tuple(end), axis


def kwant_matrix(shape, onsite, hoppings, periodic):
    lattice = kwant.lattice.general(np.eye(len(shape)), norbs=1)
    builder = kwant.Builder()
    for site in np.ndindex(*shape):
        builder[lattice(*site)] = onsite[site]
    for start, end, axis in bonds_of(shape, periodic):
        builder[lattice(*end), lattice(*start)] = hoppings[axis][start]
    system = builder.finalized()
    assert [site.tag for site in system.sites] == list(np.ndindex(*shape))  # kwant's order is ours
    return system.hamiltonian_submatrix()


@pytest.mark.parametrize("complex_hopping", [False, True])
@pytest.mark.parametrize(("shape", "periodic"), [case for case in CASES if not any(
    wrap and n == 2 for n, wrap in zip(*case, strict=True)
)])  # fmt: skip
def test_a_grid_equals_a_kwant_builder_entry_by_entry(shape, periodic, complex_hopping):
    onsite, hoppings = random_grid(shape, complex_hopping)
    h = assemble_grid(shape, onsite, hoppings, list(periodic))
    assert h.dtype == (complex if complex_hopping else float)
    np.testing.assert_array_equal(h.toarray(), kwant_matrix(shape, onsite, hoppings, periodic))


@pytest.mark.parametrize(("shape", "periodic"), CASES)
def test_a_grid_equals_a_plain_loop(shape, periodic):
    """Two sites round a periodic axis have two bonds; kwant keeps one of them, a sum of terms keeps both."""
    onsite, hoppings = random_grid(shape, complex_hopping=True, seed=1)
    expected = np.diag(onsite.ravel()).astype(complex)
    number = np.arange(onsite.size).reshape(shape)
    for start, end, axis in bonds_of(shape, periodic):
        expected[number[end], number[start]] += hoppings[axis][start]
        expected[number[start], number[end]] += hoppings[axis][start].conj()
    h = assemble_grid(shape, onsite.ravel(), hoppings, list(periodic))
    np.testing.assert_array_equal(h.toarray(), expected)


@pytest.mark.parametrize(("shape", "periodic"), CASES)
def test_the_csr_arrays_are_sorted_and_have_no_duplicates(shape, periodic):
    h = assemble_grid(shape, *random_grid(shape, False), list(periodic))
    assert h.indices.dtype == h.indptr.dtype == np.int32
    for row in range(h.shape[0]):
        assert (np.diff(h.indices[h.indptr[row] : h.indptr[row + 1]]) > 0).all()


def test_numbers_may_stand_for_uniform_hopping():
    """A periodic cube has the levels -2t (cos kx + cos ky + cos kz)."""
    h = assemble_grid((3, 4, 5), np.zeros(60), [-1.0, -1.0, -1.0], True)
    k = [2 * np.pi * np.arange(n) / n for n in (3, 4, 5)]
    levels = -2 * sum(np.cos(grid) for grid in np.meshgrid(*k, indexing="ij"))
    np.testing.assert_allclose(np.linalg.eigvalsh(h.toarray()), np.sort(levels.ravel()), rtol=0, atol=1e-13)


def test_bonds_round_an_open_axis_are_ignored_even_if_they_are_not_numbers():
    hopping = np.full((4,), -1.0)
    hopping[-1] = np.nan
    expected = assemble_grid((4,), np.zeros(4), [-1.0], False)
    assert abs(assemble_grid((4,), np.zeros(4), [hopping], False) - expected).max() == 0
    with pytest.raises(ValueError, match=r"hoppings\[0\] must be finite"):
        assemble_grid((4,), np.zeros(4), [hopping], True)


def test_positions_and_neighbours_follow_the_site_order():
    shape = (2, 3, 4)
    positions = grid_positions(shape, 0.5, offset=0.5)
    assert positions.shape == (24, 3)
    number = (1 * 3 + 2) * 4 + 3
    np.testing.assert_array_equal(positions[number], [0.75, 1.25, 1.75])
    grid = positions.reshape(*shape, 3)
    for axis in range(3):
        step = (neighbour_values(grid, axis) - grid)[bond_mask(shape, axis)]
        np.testing.assert_array_equal(step, np.broadcast_to(0.5 * np.eye(3)[axis], step.shape))
    assert grid_positions((3,), 2.0).tolist() == [[0.0], [2.0], [4.0]]


def test_bond_masks_count_the_bonds():
    assert bond_mask((3, 4), 0).sum() == 2 * 4
    assert bond_mask((3, 4), 1, [False, True]).sum() == 3 * 4
    assert not bond_mask((3, 4), 0, False)[-1].any()


@pytest.mark.parametrize(
    ("changed", "match"),
    [
        ({"shape": ()}, "shape must be 1 to 3"),
        ({"shape": (2, 2, 2, 2)}, "shape must be 1 to 3"),
        ({"shape": (0, 4)}, "shape must be 1 to 3"),
        ({"shape": (2.5, 4)}, "shape must be 1 to 3"),
        ({"onsite": np.zeros(5)}, r"onsite must have shape \(12,\) or \(3, 4\); got \(5,\)"),
        ({"onsite": np.full(12, np.inf)}, "onsite must be finite"),
        ({"onsite": np.zeros(12, dtype=complex)}, "onsite must be real"),
        ({"hoppings": [-1.0]}, r"one array an axis \(2\); got 1"),
        ({"hoppings": [-1.0, np.zeros(3)]}, r"hoppings\[1\] must have the grid shape \(3, 4\); got \(3,\)"),
        ({"hoppings": ["a", -1.0]}, r"hoppings\[0\] must be numbers"),
        ({"periodic": [True]}, "periodic must be True, False or one of them an axis"),
        ({"periodic": 1}, "periodic must be True, False or one of them an axis"),
        ({"shape": (12, 1), "periodic": True}, "axis 1 has one site"),
    ],
)
def test_bad_grids_are_refused(changed, match):
    arguments = {"shape": (3, 4), "onsite": np.zeros(12), "hoppings": [-1.0, -1.0], "periodic": False} | changed
    with pytest.raises(ValueError, match=match):
        assemble_grid(**arguments)
