"""Green function against dense inverses: chosen sites, site diagonal, arrays of z, spins, errors."""

import numpy as np
import pytest
from numpy.testing import assert_allclose

import bdg
from bdg.green import resolvent
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


@pytest.fixture
def imaginary_forms(monkeypatch):
    """Quaternion and Majorana forms also for small systems."""
    monkeypatch.setattr(resolvent, "IMAGINARY_FORM_FROM", {1: 0.0, 2: 0.0})


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("w", [0.3, 0.01])
def test_forms_of_the_imaginary_axis(grid, spinful, islands, imaginary_forms, name, w):
    system = _systems(grid, spinful, islands)[name]
    sites, sources = [7, 2, 20], [4, 7]
    for arguments in ({}, {"sites": sites}, {"sites": sites, "sources": sources}):
        found = bdg.green_function(system, 1j * w, **arguments)
        dense = bdg.green_function(system, 1j * w, **arguments, method="dense")
        assert found.evidence.form == ("majorana" if name == "spinful" else "quaternion")
        assert_allclose(found.values, dense.values, rtol=0, atol=1e-12 / w**2)
        assert found.evidence.max_residual < 1e-11 / w**2
    below = bdg.green_function(system, -1j * w, sites)
    assert below.evidence.form.startswith("complex")
    assert_allclose(below.values, bdg.green_function(system, 1j * w, sites).values.conj().T, rtol=0, atol=1e-12 / w**2)


def test_one_phase_of_all_pairing_in_the_quaternion_form(grid, imaginary_forms):
    system = grid((5, 4), delta=0.3 * np.exp(1.1j), disorder=1.0)
    found, dense = (bdg.green_function(system, 0.1j, [3, 8], method=method).values for method in ("auto", "dense"))
    assert_allclose(found, dense, rtol=0, atol=1e-12)


def test_sources_give_columns(grid, spinful, islands, monkeypatch):
    monkeypatch.setattr(resolvent, "_COLUMNS", 4)  # in several parts
    monkeypatch.setattr(resolvent, "_COLUMN_BYTES", 0)
    for system in _systems(grid, spinful, islands).values():
        s, n = system.norbs, system.n_sites
        z, sources = 0.2 + 0.1j, np.array([9, 3, 21])
        whole = np.linalg.inv(z * np.eye(2 * s * n) - bdg.BdGHamiltonian(system).matrix.toarray())
        columns = resolvent.site_rows(system, sources)
        sent = bdg.green_function(system, z, sources=sources)
        assert sent.values.shape == (2 * s * n, 2 * s * 3) and sent.sites.size == n
        assert_allclose(sent.values, whole[:, columns], rtol=0, atol=1e-11)
        some = bdg.green_function(system, [z], [5, 6], sources=sources, method="dense")
        assert_allclose(
            some.values[0], whole[np.ix_(resolvent.site_rows(system, np.array([5, 6])), columns)], atol=1e-12
        )


def test_refinement_repairs_bad_factors(grid, monkeypatch):
    """Factors that are wrong by 1e-4 still give columns to rounding, and a residual that says so."""
    right = resolvent._ComplexAt.apply
    monkeypatch.setattr(resolvent._ComplexAt, "apply", lambda at, columns: (1 + 1e-4) * right(at, columns))
    system = grid((6, 6), delta=0.3, disorder=1.0)
    found = bdg.green_function(system, 0.1 + 0.05j, [3, 17])
    dense = bdg.green_function(system, 0.1 + 0.05j, [3, 17], method="dense")
    assert_allclose(found.values, dense.values, rtol=0, atol=1e-11)
    assert found.evidence.max_residual < 1e-11


def test_factors_that_cannot_be_repaired_are_refused(grid, monkeypatch):
    right = resolvent._ComplexAt.apply
    monkeypatch.setattr(resolvent._ComplexAt, "apply", lambda at, columns: -right(at, columns))
    with pytest.raises(ArithmeticError, match=r"have a residual of 2.*z is too close to an eigenvalue"):
        bdg.green_function(grid((6, 6), delta=0.3), 0.05j, [3], method="multifrontal")


def test_a_wrong_selected_inverse_is_refused(grid, monkeypatch):
    right = resolvent._ComplexAt.blocks
    monkeypatch.setattr(resolvent._ComplexAt, "blocks", lambda at, *rest: 1.01 * right(at, *rest))
    with pytest.raises(ArithmeticError, match="the selected inverse at z = .* differs by .* from solved columns"):
        bdg.green_function(grid((6, 6), delta=0.3), 0.05j, method="multifrontal")


@pytest.mark.parametrize("sites", [None, [3, 100]])
@pytest.mark.slow
def test_auto_goes_on_where_factors_are_of_no_use(grid, sites, monkeypatch):
    """Twelve levels of a clean cube of 8^3 lie at E = delta: pivots vanish there, the dense inverse does not."""
    cube, z = grid((8, 8, 8), mu=0.0, delta=0.2), np.array([0.5 + 1e-6j, 0.2 + 1e-6j])
    with pytest.raises(ArithmeticError, match=r"larger imaginary part \(broadening\), or use method='dense'"):
        bdg.green_function(cube, z, sites, method="multifrontal")
    found = bdg.green_function(cube, z, sites)
    assert found.evidence.method == found.evidence.form == "dense"
    assert "multifrontal failed: the columns of (z - H)^-1 at z = (0.2+1e-06j)" in found.evidence.why
    levels, vectors = np.linalg.eigh(bdg.BdGHamiltonian(cube).matrix.toarray())
    at = [3, 100] if sites else np.arange(512)
    exact = ((abs(vectors[at]) ** 2)[None] / (z[:, None, None] - levels)).sum(axis=2)
    own = found.values[:, [0, 1], [0, 1]] if sites else found.values[:, :, 0, 0]
    assert_allclose(own, exact, rtol=0, atol=1e-6 * abs(exact).max())  # eps |H|/Im z of either
    monkeypatch.setattr("bdg.green.resolvent_costs.dense_inverse_bytes", lambda dimension: 1e18)
    with pytest.raises(ArithmeticError, match="Nothing else fits: dense on the cpu needs .* GiB"):
        bdg.green_function(cube, z, sites)


@pytest.mark.parametrize("method", ["auto", "multifrontal", "dense"])
def test_an_eigenvalue_itself_is_refused(grid, method):
    """An inverse of rounding errors is no answer by any method; nor where LAPACK says that it is singular."""
    with pytest.raises(ArithmeticError, match="eigenvalue"):
        bdg.green_function(grid((8, 8, 8), mu=0.0, delta=0.2), 0.2, [3], method=method)
    with pytest.raises(ArithmeticError, match="residual of inf: z lies at an eigenvalue"):
        bdg.green_function(grid((2,), mu=0.0), 1.0, [0], method="dense")


def test_symbolic_work_is_done_once(grid, monkeypatch):
    from bdg.methods import symbolic as structure

    calls = []
    right = structure.analyse
    monkeypatch.setattr(structure, "analyse", lambda *arguments: calls.append(1) or right(*arguments))
    system = grid((5, 5), delta=0.3)
    bdg.green_function(system, [0.1j, 0.2j, 0.1 + 0.1j], [3])
    bdg.green_function(system.with_onsite(0.1), 0.3j, [3])
    assert len(calls) == 1


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
    system = grid((4, 4), delta=0.3)
    for part in (
        result,
        bdg.green_function(system, [0.1j, 0.2j], [1, 2, 9]),
        bdg.green_function(system, 0.1j, sources=[5]),
    ):
        assert part.plot().axes


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        ({"z": "i"}, TypeError, "z must be a complex number or a list"),
        ({"z": np.nan}, ValueError, "z must be finite"),
        ({"z": 0.1j, "sites": [99]}, ValueError, "sites must be between 0 and 15; got 99"),
        ({"z": 0.1j, "sources": [16]}, ValueError, "sources must be between 0 and 15; got 16"),
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
