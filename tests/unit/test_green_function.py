"""Green function against dense inverses: chosen sites, site diagonal, arrays of z, spins, errors."""

import numpy as np
import pytest
from numpy.testing import assert_allclose

import bdg
from bdg.lattices.nambu import SIGMA_X, SIGMA_Z


def _systems(grid, spinful, islands):
    return {
        "real": grid((5, 5, 4), delta=islands(100), disorder=1.0),
        "flux and phases": grid((7, 7), delta=islands(49, 2, True)).with_field(0.05),
        "spinful": spinful(grid((5, 5), delta=islands(25))).with_onsite(0.3 * SIGMA_Z + 0.1 * SIGMA_X),
    }


NAMES = ["real", "flux and phases", "spinful"]


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("z", [0.3 + 0.05j, 0.1j, 0.7123])
def test_blocks_equal_the_dense_inverse(grid, spinful, islands, name, z):
    system = _systems(grid, spinful, islands)[name]
    s, n = system.norbs, system.n_sites
    inverse = np.linalg.inv(z * np.eye(2 * s * n) - bdg.BdGHamiltonian(system).matrix.toarray())
    sites = np.array([7, 2, 20])
    electron = np.concatenate([np.arange(s * i, s * i + s) for i in sites])
    rows = np.concatenate([electron, electron + s * n])
    part = bdg.green_function(system, z, sites)
    assert part.values.shape == (2 * s * 3, 2 * s * 3) and np.array_equal(part.sites, sites)
    assert_allclose(part.values, inverse[np.ix_(rows, rows)], atol=1e-9 * abs(inverse).max())
    whole = bdg.green_function(system, z)
    assert whole.values.shape == (n, 2 * s, 2 * s)
    for i in range(n):
        own = np.concatenate([np.arange(s * i, s * i + s), s * n + np.arange(s * i, s * i + s)])
        assert_allclose(whole.values[i], inverse[np.ix_(own, own)], atol=1e-8 * abs(inverse).max())
    assert max(part.evidence.max_residual, whole.evidence.max_residual) < 1e-7
    assert_allclose(bdg.green_function(system, z, method="dense").values, whole.values, atol=1e-8 * abs(inverse).max())


def test_array_of_energies_adds_an_axis(grid):
    system = grid((4, 4), delta=0.3)
    z = np.array([0.1j, 0.2 + 0.1j])
    both = bdg.green_function(system, z, [3, 5])
    assert both.values.shape == (2, 4, 4) and both.z.shape == (2,)
    for one, point in zip(both.values, z, strict=True):
        assert_allclose(one, bdg.green_function(system, point, [3, 5]).values, atol=1e-13)


def test_ward_identity(grid):
    """sum_j |G_ij|^2 = -Im G_ii / w at z = i w."""
    system = grid((4, 5), delta=0.0, disorder=2.0)
    w = 0.05
    values = bdg.green_function(system, 1j * w, range(20)).values
    assert_allclose((abs(values) ** 2).sum(axis=1), -np.diag(values).imag / w, rtol=1e-10)


def test_save_load_plot(grid, tmp_path):
    result = bdg.green_function(grid((4, 4), delta=0.3), 0.1j)
    result.save(tmp_path / "g.h5")
    loaded = bdg.load(tmp_path / "g.h5")
    assert np.array_equal(loaded.values, result.values) and loaded.z == 0.1j
    for part in (result, bdg.green_function(grid((4, 4), delta=0.3), [0.1j, 0.2j], [1, 2, 9])):
        assert part.plot().axes


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        ({"z": "i"}, TypeError, "z must be a complex number or a list"),
        ({"z": np.nan}, ValueError, "z must be finite"),
        ({"z": 0.1j, "sites": [99]}, ValueError, "sites must be between 0 and 15; got 99"),
        ({"z": 0.1j, "method": "series"}, ValueError, "method must be one of auto, multifrontal, dense"),
    ],
)
def test_argument_errors(grid, arguments, error, message):
    with pytest.raises(error, match=message):
        bdg.green_function(grid((4, 4), delta=0.3), **arguments)


def test_an_eigenvalue_is_refused(grid):
    system = grid((6, 6), delta=0.3, disorder=1.0)
    level = bdg.bound_states(system, 2).energies[1]
    with pytest.raises(ArithmeticError, match="eigenvalue"):
        bdg.green_function(system, level)
