"""What Ritz pairs and a count prove together."""

import numpy as np
import pytest
import scipy.sparse as sp
from hypothesis import given
from hypothesis import strategies as st

from bdg.gpu.eigen.eigenpairs import Eigenpairs, all_between, rayleigh_ritz
from bdg.gpu.eigen.energy_slices import accounted_for


def spoiled(seed, size, chosen, error):
    """Ritz pairs of eigenvectors with noise of any size, and all levels of the matrix."""
    rng = np.random.default_rng(seed)
    levels = rng.normal(size=size)
    rotation = np.linalg.qr(rng.normal(size=(size, size)) + 1j * rng.normal(size=(size, size)))[0]
    matrix = (rotation * levels) @ rotation.conj().T
    vectors = rotation[:, :chosen] + error * rng.normal(size=(size, chosen))
    return rayleigh_ritz(sp.csr_matrix(matrix), vectors), levels


@given(st.integers(0, 10**6), st.integers(4, 12), st.integers(1, 4), st.floats(-8, 0.5), st.floats(0.05, 2.0))
def test_as_many_levels_lie_inside_as_it_says(seed, size, chosen, exponent, half):
    found, levels = spoiled(seed, size, chosen, 10.0**exponent)
    low, high = -half, 0.8 * half
    inside = (found.energies > low) & (found.energies < high)
    if all_between(found.energies[inside], found.residuals[inside], low, high):
        assert np.count_nonzero((levels > low) & (levels < high)) >= np.count_nonzero(inside)


def test_it_is_said_often_and_not_always():
    """Where it is not said there are systems with fewer levels inside; exact pairs are always said to be there."""
    said, wrong = [], []
    for seed in range(400):
        found, levels = spoiled(seed, 6, 2, 0.0 if seed % 4 == 0 else 0.7)
        inside = abs(found.energies) < 0.5
        said.append(all_between(found.energies[inside], found.residuals[inside], -0.5, 0.5))
        wrong.append(np.count_nonzero(abs(levels) < 0.5) < np.count_nonzero(inside))
    assert all(said[::4]) and 150 < sum(said) < 380
    assert sum(wrong) > 10 and not any(s and w for s, w in zip(said, wrong, strict=True))


@pytest.mark.parametrize("coupling", [0.999, 1.001])
def test_the_bound_is_reached(coupling):
    """Levels +- r of two sites, whose Ritz value in between is 0 with a residual r, against a window of +- 1."""
    found = rayleigh_ritz(sp.csr_matrix([[0, coupling], [coupling, 0]]), np.array([[1.0], [0.0]]))
    assert all_between(found.energies, found.residuals, -1.0, 1.0) == (coupling < 1)


def test_far_levels_with_as_many_ritz_values_as_were_counted_are_no_states():
    """Levels at +-5 mix to a Ritz value of 0, where a count found one state of something else."""
    matrix = sp.diags([-5.0, 5.0, 0.5]).tocsr()
    mixed = rayleigh_ritz(matrix, np.array([[1.0], [1.0], [0.0]]))
    assert abs(mixed.energies) < 1e-12 and not accounted_for(mixed, 1.0, 1)
    right = rayleigh_ritz(matrix, np.array([[0.0], [0.0], [1.0]]))
    assert accounted_for(right, 1.0, 1) and not accounted_for(right, 1.0, 2)
    assert accounted_for(Eigenpairs(np.empty(0), np.empty((3, 0)), np.empty(0)), 0.25, 0)


def test_a_level_at_the_end_to_rounding_is_not_said_to_lie_inside():
    """A wall of 2e9 at the counted energy: its Ritz value is below it by a rounding error, its level may not be."""
    edge = 2126339441.4344978
    energies, residuals = np.array([0.1, np.nextafter(edge, 0)]), np.array([1e-12, 1e-6])
    assert not all_between(energies, residuals, -edge, edge)
    assert all_between(energies, residuals, -edge * (1 + 1e-9), edge * (1 + 1e-9))
    assert all_between(energies, residuals, -np.inf, np.inf)
