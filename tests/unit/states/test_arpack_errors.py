"""What ARPACK reports reaches nobody as an error of SciPy."""

import numpy as np
import pytest
from scipy.sparse.linalg import ArpackError, ArpackNoConvergence

import bdg
from bdg.base.hamiltonian import BdGHamiltonian
from bdg.gpu.eigen import shift_invert
from bdg.gpu.multifrontal.trust import FactorError
from bdg.lattices.system import System
from bdg.levels import normal_levels


def gives_up(number):
    def eigsh(*args, **kwargs):
        raise ArpackError(number)

    return eigsh


@pytest.mark.parametrize("number", [-9, -9999, 3, -14])
def test_bound_states(number, grid, monkeypatch):
    """Zero start vector, no Arnoldi factorization, no shifts, no eigenvalues to the accuracy asked for."""
    monkeypatch.setattr(shift_invert, "eigsh", gives_up(number))
    with pytest.raises(FactorError, match="ARPACK on the factors of H - .* gave up: .*Take another method"):
        bdg.bound_states(grid((12, 12), delta=0.3, disorder=1.0), 4, method="shift_invert")


def test_an_empty_complement_is_an_answer(grid, monkeypatch):
    """With known states beside it, a start vector of zero says that there are no others."""
    system = grid((8, 8), delta=0.3, disorder=1.0)
    matrix = BdGHamiltonian(system).matrix
    order = np.arange(matrix.shape[0])
    engine = shift_invert.ShiftInvertEngine(matrix, order, lambda vectors: vectors[:, :0])
    known = engine.search(0.05, 4, 1e-8, np.random.default_rng(0), None).vectors
    monkeypatch.setattr(shift_invert, "eigsh", gives_up(-9))
    assert engine.search(0.05, 4, 1e-8, np.random.default_rng(0), known).energies.size == 0


@pytest.mark.parametrize("error", [ArpackError(-9), ArpackNoConvergence("no", np.empty(0), np.empty((0, 0)))])
def test_thouless_energy(error, grid, monkeypatch):
    def eigsh(*args, **kwargs):
        raise error

    monkeypatch.setattr(normal_levels, "eigsh", eigsh)
    monkeypatch.setattr(normal_levels, "DENSE_BELOW", 10)
    system: System = grid((8, 8), disorder=2.0, periodic=True)
    with pytest.raises(ArithmeticError, match="did not converge: .* Take fewer levels"):
        bdg.thouless_energy(system, k=4, axis=0)
