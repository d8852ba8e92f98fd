"""Scales of matrices whose rows differ by orders of magnitude, and dense and sparse solves at these scales."""

import mpmath
import numpy as np
import pytest
import scipy.sparse as sp
from numpy.testing import assert_allclose

from bdg.gpu.device.backend import select_backend
from bdg.gpu.eigen import dense
from bdg.gpu.eigen.scales import ROUNDING, Scales, equilibrated
from bdg.gpu.eigen.superlu import Factor, count_below
from bdg.gpu.ordering.dissection import dissect

CPU = select_backend("cpu")


def _graded(size, decades, seed=0, dtype=float):
    """Return D A D with a well conditioned Hermitian A and a D over half the decades, exactly Hermitian."""
    rng = np.random.default_rng(seed)
    a = rng.standard_normal((size, size)) + (1j * rng.standard_normal((size, size)) if dtype is complex else 0)
    a = np.diag(rng.choice([-3.0, 3.0], size)) + 0.3 * (a + a.conj().T) / np.sqrt(size)
    scaling = np.exp2(np.round(np.log2(10.0) * rng.uniform(-decades / 4, decades / 4, size)))
    return scaling[:, None] * a * scaling


def _exact_levels(matrix):
    """Return all eigenvalues from arithmetic of 50 digits."""
    with mpmath.workdps(50):
        solve = mpmath.eighe if matrix.dtype.kind == "c" else mpmath.eigsy
        levels = solve(mpmath.matrix(matrix.tolist()), eigvals_only=True)
        return np.sort([float(level) for level in levels])


def test_ordinary_matrices_keep_one_scale():
    rng = np.random.default_rng(0)
    matrix = sp.csr_matrix(np.diag(rng.uniform(-4, 4, 50)) + np.eye(50, k=1) + np.eye(50, k=-1))
    scales = Scales.of(matrix)
    assert not scales.wide and scales.level == scales.whole == abs(matrix).sum(axis=1).max()
    assert (scales.rounding(np.ones(3), np.ones((50, 3))) == ROUNDING * scales.whole).all()
    assert scales.tolerance(1e-9) == 1e-9 and Scales.of(1e-22 * matrix).tolerance(1e-9) < 1e-30
    empty = Scales.of(sp.csr_matrix((4, 4)))
    assert not empty.wide and empty.tolerance(1e-9) == 1e-9


def test_a_wall_does_not_set_the_scale_of_levels_elsewhere():
    matrix = sp.lil_matrix(np.eye(40, k=1) + np.eye(40, k=-1))
    matrix[7, 7] = 1e10
    scales = Scales.of(matrix.tocsr())
    assert scales.wide and scales.whole > 1e10 and scales.level <= 3
    away, on = np.eye(40)[:, [20]], np.eye(40)[:, [7]]
    rounding = scales.rounding(np.array([0.0, 1e10]), np.concatenate([away, on], axis=1))
    assert_allclose(rounding, ROUNDING * np.array([np.sqrt(2), 1e10]), rtol=1e-9)


@pytest.mark.parametrize("dtype", [float, complex])
def test_equilibration_is_exact_and_makes_rows_equal(dtype):
    matrix = sp.csr_matrix(_graded(30, 14, dtype=dtype))
    scaled, scaling = equilibrated(matrix, 0.25)
    assert np.array_equal(np.log2(scaling), np.round(np.log2(scaling)))  # powers of two: no rounding
    back = scaled.toarray() / scaling[:, None] / scaling
    assert np.array_equal(back, matrix.toarray() - 0.25 * np.eye(30))
    largest = abs(scaled).max(axis=1).toarray()
    assert largest.min() > 0.2 and largest.max() < 5
    assert abs(scaled - scaled.conj().T).max() == 0


@pytest.mark.parametrize("dtype", [float, complex])
@pytest.mark.parametrize("seed", range(4))
def test_dense_levels_are_accurate_over_twelve_decades(seed, dtype):
    """LAPACK alone is off by 1e-16 of the largest level, 1e-4 of the smallest ones here."""
    whole = _graded(14, 12, seed, dtype)
    matrix = sp.csr_matrix(whole)
    exact = _exact_levels(whole)
    energies, vectors = dense.eigh(matrix, CPU)
    # the matrix itself is given to 1e-16 of every element, which moves these levels by as much, relatively
    assert_allclose(energies, exact, rtol=1e-10)
    assert_allclose(vectors.conj().T @ vectors, np.eye(14), atol=1e-11)
    residuals = np.linalg.norm(matrix @ vectors - vectors * energies, axis=0)
    assert (residuals <= 10 * Scales.of(matrix).rounding(energies, vectors)).all()


def test_dense_levels_beside_exact_zeros_and_copies():
    """Parts that do not touch, at 1e8, 1 and 1e-8, with an exact zero and twofold levels."""
    part = np.diag([0.0, 1.0, 1.0]) + 0.5 * (np.eye(3, k=1) + np.eye(3, k=-1))
    whole = np.kron(np.diag([1e8, 1.0, 1.0, 1e-8]), part)
    whole = np.pad(whole, ((0, 1), (0, 1)))
    energies, _ = dense.eigh(sp.csr_matrix(whole), CPU)
    levels = np.linalg.eigvalsh(part)
    expected = np.sort(np.concatenate([[0.0], 1e8 * levels, levels, levels, 1e-8 * levels]))
    assert_allclose(energies, expected, rtol=1e-12, atol=1e-22)


@pytest.mark.parametrize("gap", [1e-3, 0.0011354])
def test_exact_zeros_below_a_range_are_left_alone(gap):
    """Levels at +-1, +-gap and twice at zero: a shift in the range of the zeros made a singular matrix."""
    h, delta = np.diag([0.0, 0.0, 1.0]), np.diag([0.0, gap, 0.0])
    energies, vectors = dense.eigh(sp.csr_matrix(np.block([[h, delta], [delta, -h]])), CPU)
    assert_allclose(energies, [-1, -gap, 0, 0, gap, 1], atol=1e-15)
    assert_allclose(vectors.T @ vectors, np.eye(6), atol=1e-12)


def _chain(size, onsite):
    matrix = sp.diags_array([-np.ones(size - 1), onsite, -np.ones(size - 1)], offsets=[-1, 0, 1], format="csr")
    return sp.csr_matrix(matrix), dissect(np.arange(size)[:, None], sp.csr_matrix(abs(matrix) > 0)).order


@pytest.mark.parametrize("wall", [0.0, 1e8])
@pytest.mark.parametrize("threshold", [0.0, 1e-3])
def test_superlu_solves_and_counts_with_zero_pivots_and_walls(wall, threshold):
    onsite = np.zeros(60)
    onsite[[10, 31]] = wall
    matrix, order = _chain(60, onsite)
    levels = np.linalg.eigvalsh(matrix.toarray())
    for shift in (0.0, 0.5):
        factor = Factor(matrix, shift, order, threshold)
        right = np.random.default_rng(0).standard_normal((60, 2))
        shifted = matrix.toarray() - shift * np.eye(60)
        assert_allclose(factor.solve(right), np.linalg.solve(shifted, right), rtol=1e-7, atol=1e-9)
        assert count_below(matrix, shift, order)[0] == np.count_nonzero(levels < shift)


def test_a_singular_matrix_is_not_trusted():
    """An odd chain has a level at exactly zero: no factors of it prove a count or give a solution."""
    matrix, order = _chain(61, np.zeros(61))
    count, contraction, _ = count_below(matrix, 0.0, order)
    assert count is None and contraction > 1e-2
    zero = sp.csr_matrix((3, 3))
    assert count_below(zero, 0.0, np.arange(3))[0] is None
