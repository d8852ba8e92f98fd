"""Pivots that are moved and taken back, on the checking array module: counts and solves are those of the CPU."""

import numpy as np
import pytest
import scipy.sparse as sp
from checking_module import checking_backend

from bdg.gpu.device.backend import select_backend
from bdg.gpu.multifrontal import Factor, FrontSettings, SignCount, SitePattern, analyse

SETTINGS = FrontSettings(leaf=3, call_flops=1e12, base=8, upper=0, split=0, pivots=0)
SIDE, ENERGY = 6, 1e-7


def _matrix(kind):
    """Return a clean grid at half filling: leaves of odd size have a level at zero, and so has the grid."""
    number = np.arange(SIDE**2).reshape(SIDE, SIDE)
    dense = np.zeros((SIDE**2,) * 2, dtype=float if kind == "real" else complex)
    dense[number[1:], number[:-1]] = 1.0
    dense[number[:, 1:], number[:, :-1]] = np.exp(0.2j * (number[:, 1:] % 3)) if kind == "hermitian" else 1.0
    dense = dense + (dense.conj().T if kind == "hermitian" else dense.T)
    if kind == "takagi":
        dense += 1j * np.diag(np.arange(SIDE**2) % 7 == 3)
    return np.argwhere(number >= 0).astype(float), sp.csr_matrix(dense)


@pytest.mark.parametrize("kind", ["real", "hermitian", "takagi"])
def test_counts_and_solves_equal_those_of_the_cpu(kind):
    positions, matrix = _matrix(kind)
    pattern = SitePattern.of(matrix, np.arange(SIDE**2)[:, None])
    symbolic, blocks = analyse(positions, pattern, SETTINGS), pattern.split(matrix)
    backend, module = checking_backend()
    columns = np.random.default_rng(0).standard_normal((SIDE**2, 3))
    here = Factor(symbolic, blocks, ENERGY, select_backend("cpu"))
    there = Factor(symbolic, blocks, ENERGY, backend)
    assert there.bordered == here.bordered > 0
    exact = np.linalg.solve(ENERGY * np.eye(SIDE**2) - matrix.toarray(), columns)
    found = backend.to_host(there.solve(backend.xp.asarray(columns)))
    assert abs(found - exact).max() < 1e-8 * abs(exact).max()
    selected = backend.to_host(there.selected_inverse().blocks)
    assert abs(selected - here.selected_inverse().blocks).max() < 1e-8 * abs(selected).max()
    if kind != "takagi":
        signs = SignCount(symbolic, blocks, ENERGY, backend, within=1e-8)
        assert signs.bordered > 0
        assert signs.n_above == (np.linalg.eigvalsh(matrix.toarray()) > ENERGY).sum()
    assert module.operations > 100
