"""A k that cuts a multiplet: how many states the cut one has is counted, and proven, by every sparse method."""

import numpy as np
import pytest

import bdg


@pytest.mark.parametrize("tol", [1e-9, 1e-4])
@pytest.mark.parametrize("method", ["lanczos", "shift_invert", "chebyshev"])
@pytest.mark.parametrize(("size", "k"), [(6, 2), (8, 14)])
def test_a_multiplet_that_is_cut_by_k_is_counted(grid, size, k, method, tol):
    """Filtered to a loose tolerance, members of a level come apart by more than rounding: one level all the same."""
    system = grid((size, size), mu=-0.55, delta=0.3, periodic=True)
    exact = np.sort(abs(np.linalg.eigvalsh(bdg.BdGHamiltonian(system).matrix.toarray())))
    assert exact[k] - exact[k - 1] < 1e-12
    states = bdg.bound_states(system, k, method=method, tol=tol, seed=1)
    np.testing.assert_allclose(np.sort(abs(states.energies)), exact[:k], rtol=0, atol=tol)
    assert states.complete and states.count == np.count_nonzero(exact <= exact[k - 1] + 1e-9) > k
    assert f"k = {k} cuts a multiplet" in states.evidence.completeness
