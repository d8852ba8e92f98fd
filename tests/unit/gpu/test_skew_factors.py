"""Factors of real skew matrices against dense algebra."""

import numpy as np
import pytest
import scipy.sparse as sp
from numpy.testing import assert_allclose

from bdg.gpu.device.backend import select_backend
from bdg.gpu.multifrontal import CPU_SETTINGS, Factor, FrontSettings, Restriction, SitePattern, analyse
from bdg.gpu.multifrontal.factors import factor as factor_module
from bdg.gpu.multifrontal.factors.compiled_sweep import MOST
from bdg.gpu.multifrontal.factors.few_columns import FEW
from bdg.gpu.multifrontal.factors.stacked import Pivots, StackInverter
from bdg.gpu.multifrontal.factors.sweep import adjoint_sweep

CPU = select_backend("cpu")
SETTINGS = {
    "deep": FrontSettings(leaf=2, call_flops=0.0, base=4, upper=3, split=1, pivots=8, thin_leaves=True),
    "padded": FrontSettings(leaf=2, call_flops=1e12, base=5, upper=0, split=0),
    "chopped": FrontSettings(leaf=3, call_flops=1e3, chunk=200, base=64, pivots=12, thin_leaves=True),
    "as on a CPU": CPU_SETTINGS,
}


def _lattice(*shape):
    positions = np.stack(np.meshgrid(*map(np.arange, shape), indexing="ij"), -1).reshape(-1, len(shape)).astype(float)
    distance = abs(positions[:, None] - positions).sum(axis=2)
    return positions, sp.csr_matrix(distance == 1)


def _skew(adjacency, nd, strength=1.0, seed=0):
    """Random real blocks on the sites and links, ``X = -X^T``, the rows of a site far apart."""
    rng = np.random.default_rng(seed)
    links = sp.triu(adjacency + sp.identity(adjacency.shape[0]), format="coo")
    blocks = strength * rng.standard_normal((links.nnz, nd, nd))
    rows = rng.permutation(adjacency.shape[0] * nd).reshape(-1, nd)
    i = np.broadcast_to(rows[links.row][:, :, None], blocks.shape).ravel()
    j = np.broadcast_to(rows[links.col][:, None, :], blocks.shape).ravel()
    half = sp.csr_matrix((blocks.ravel(), (i, j)), shape=(rows.size,) * 2)
    return sp.csr_matrix(half - half.T), rows


def _factor(shape, nd, settings, seed=0, change=None):
    positions, adjacency = _lattice(*shape)
    matrix, rows = _skew(adjacency, nd, seed=seed)
    if change is not None:
        matrix = sp.csr_matrix(change(matrix, rows))
    pattern = SitePattern.of(matrix + sp.identity(matrix.shape[0]), rows)
    factor = Factor(analyse(positions, pattern, settings), pattern.split(matrix), 0.0, CPU)
    assert factor.symmetry == "skew" and factor.dtype == float
    return factor, -matrix.toarray()


@pytest.mark.parametrize("nd", [2, 4])
@pytest.mark.parametrize("settings", SETTINGS.values(), ids=list(SETTINGS))
@pytest.mark.parametrize("shape", [(9, 7), (4, 3, 3)], ids=["film", "cube"])
def test_solves_and_selected_inverse_equal_dense_algebra(shape, settings, nd):
    factor, dense = _factor(shape, nd, settings)
    rng = np.random.default_rng(1)
    for width in (1, 2, FEW, MOST + 2):
        right_side = rng.standard_normal((len(dense), width)) + 1j * rng.standard_normal((len(dense), width))
        for columns in (right_side.real, right_side):
            exact = np.linalg.solve(dense, columns)
            scale = abs(exact).max()
            assert_allclose(factor.solve(columns), exact, rtol=0, atol=1e-9 * scale)
            adjoint = adjoint_sweep(factor.stored, columns)
            assert abs(adjoint + exact).max() < max(1e-9, 10 * factor.contraction) * scale
    assert factor.contraction < 1e-6
    pattern = factor.symbolic.pattern
    inverse = np.linalg.inv(dense)
    expected = inverse[pattern.rows[pattern.first][:, :, None], pattern.rows[pattern.second][:, None, :]]
    atol = max(1e-11, 10 * factor.contraction) * abs(inverse).max()
    assert_allclose(factor.selected_inverse().blocks, expected, rtol=0, atol=atol)
    few = factor.selected_inverse(Restriction(factor.symbolic, np.array([3, 8])))
    here = pattern.diagonal[[3, 8]]
    assert_allclose(few.blocks[here], expected[here], rtol=0, atol=atol)


def test_half_the_memory_of_complex_factors():
    factor, _ = _factor((9, 7), 4, CPU_SETTINGS)
    hermitian = factor.symbolic.pattern.split(sp.csr_matrix(1j * factor.hamiltonian.matrix))
    other = Factor(factor.symbolic, hermitian, 0.0, CPU)
    assert other.symmetry == "hermitian" and 2 * factor.kept_bytes == other.kept_bytes
    assert factor.contraction < 100 * other.contraction


def test_a_cut_through_a_site_costs_the_accuracy():
    """Without spin-orbit coupling X connects real with imaginary parts only, so that half a site is singular alone."""
    _, adjacency = _lattice(6)
    weak, rows = _skew(adjacency, 4, strength=1e-6, seed=3)
    order = rows.ravel()
    onsite = np.kron(np.eye(6), np.kron([[0, 1], [-1, 0]], [[0.7, 0.2], [0.2, -0.4]]))
    block = (weak[order][:, order].toarray() + onsite)[None]
    error = {}
    for together in (1, 4):
        inverse = StackInverter(np, "skew", 6, 0, Pivots(), together)(block.copy(), True)
        error[together] = abs(inverse @ block - np.eye(24)).max()
    assert error[4] < 1e-13 and error[1] > 1e3 * error[4]


def _without_onsite(exactly):
    """Return what takes the onsite terms of every third site away, or nearly so."""

    def emptied(matrix, rows):
        keep = np.ones(len(rows), dtype=bool)
        keep[::3] = False
        site = np.empty(rows.size, dtype=int)
        site[rows] = np.arange(len(rows))[:, None]
        entries = matrix.tocoo()
        own = (site[entries.row] == site[entries.col]) & ~keep[site[entries.row]]
        entries.data = np.where(own, (0.0 if exactly else 1e-9) * entries.data, entries.data)
        return entries

    return emptied


@pytest.mark.parametrize("exactly", [True, False])
@pytest.mark.parametrize("settings", SETTINGS.values(), ids=list(SETTINGS))
def test_small_pivots_are_moved_in_pairs(settings, exactly):
    """Sites without onsite terms are singular alone, or nearly so, and not with the others."""

    factor, dense = _factor((9, 7), 4, settings, change=_without_onsite(exactly))
    if settings.base < 8:
        assert factor.bordered > 0 and factor.bordered % 2 == 0
    assert factor.contraction < (1e-5 if factor.bordered < 64 else 0.1)
    right_side = np.random.default_rng(2).standard_normal((len(dense), 3))
    exact = np.linalg.solve(dense, right_side)
    assert_allclose(factor.solve(right_side), exact, rtol=0, atol=1e-8 * abs(exact).max())


def test_without_room_for_more_they_stay_moved(monkeypatch):
    """As many pivots as there is room for are taken back, the others change the matrix a little."""
    monkeypatch.setattr(factor_module, "_ROOM", 6)
    factor, dense = _factor((9, 7), 4, SETTINGS["deep"], change=_without_onsite(exactly=True))
    assert factor.bordered == 4 and factor.moved_blocks > 0 and factor.contraction < 0.1
    right_side = np.ones((len(dense), 1))
    exact = np.linalg.solve(dense, right_side)
    assert_allclose(factor.solve(right_side), exact, rtol=0, atol=1e-8 * abs(exact).max())


def test_a_shift_makes_it_general():
    positions, adjacency = _lattice(4, 3)
    matrix, rows = _skew(adjacency, 2)
    pattern = SitePattern.of(matrix + sp.identity(len(matrix.indptr) - 1), rows)
    symbolic = analyse(positions, pattern, CPU_SETTINGS)
    assert Factor(symbolic, pattern.split(matrix), 0.1, CPU).symmetry == "general"
    assert Factor(symbolic, pattern.split(matrix), 0.1j, CPU).symmetry == "general"
