"""Filtered subspace iteration: equal to dense algebra, complete where a factor proves it, safe against its traps."""

import numpy as np
import pytest
from numpy.testing import assert_allclose

import bdg
from bdg.gpu.device.backend import MemoryBudgetError, select_backend
from bdg.gpu.eigen import filtered, subspace
from bdg.gpu.eigen.eigenpairs import Eigenpairs
from bdg.gpu.eigen.filtered import FilteredEngine
from bdg.gpu.eigen.lanczos import LanczosEngine
from bdg.lattices.nambu import SIGMA_X, SIGMA_Z

CPU = select_backend("cpu")


def _engine(system, backend=CPU, count=None):
    hamiltonian = bdg.BdGHamiltonian(system)
    return FilteredEngine(hamiltonian.matrix, system.norbs, hamiltonian.particle_hole_partner, backend, count)


def _levels(system):
    return np.linalg.eigvalsh(bdg.BdGHamiltonian(system).matrix.toarray())


@pytest.fixture
def systems(grid, spinful, islands):
    return {
        "clean": grid((7, 7, 6), delta=islands(294), mu=-1.0, periodic=True),
        "uniform": grid((8, 8, 5), delta=0.3, periodic=True),
        "disordered": grid((7, 7, 6), delta=islands(294), disorder=2.0),
        "magnetic": grid((17, 16), delta=islands(272, 2, True), disorder=1.0).with_field(0.05),
        "spinful": spinful(grid((11, 10), delta=islands(110, 4, True))).with_onsite(0.4 * SIGMA_Z + 0.1 * SIGMA_X),
        "zero levels": grid((6, 6, 6), mu=0.0, delta=np.where(np.arange(216) < 5, 0.3, 0.0), periodic=True),
    }


@pytest.mark.parametrize("name", ["clean", "uniform", "disordered", "magnetic", "spinful", "zero levels"])
def test_states_equal_dense_and_are_proven_complete(systems, name):
    system = systems[name]
    exact = np.sort(abs(_levels(system)))
    k = {"zero levels": 30, "uniform": 12}.get(name, 26)
    states = bdg.bound_states(system, k, method="chebyshev")
    assert_allclose(np.sort(abs(states.energies)), exact[:k], rtol=0, atol=1e-12)
    assert states.residuals.max() < 1e-9
    assert states.complete and states.evidence.method == "chebyshev"
    assert not states.evidence.bound_repeated and states.evidence.products > 0
    vectors = np.concatenate([part.reshape(-1, k) for part in (states.u, states.v)])
    assert_allclose(vectors.conj().T @ vectors, np.eye(k), atol=1e-10)


@pytest.mark.parametrize("name", ["disordered", "spinful"])
def test_all_states_of_a_window(systems, name):
    system = systems[name]
    levels = _levels(system)
    low, high = (0.5 * (levels[n] + levels[n + 1]) for n in (levels.size // 2 + 8, levels.size // 2 + 22))
    states = bdg.bound_states(system, window=(low, high), method="chebyshev")
    assert states.complete and states.count == 14
    assert_allclose(np.sort(states.energies), levels[(levels > low) & (levels < high)], atol=1e-11)


def test_a_bound_that_is_too_small_is_seen(systems, monkeypatch):
    """The filter then amplifies the edge of the band: tiny residuals at the wrong energies, unless Ritz values tell."""
    system = systems["disordered"]
    exact = np.sort(abs(_levels(system)))
    monkeypatch.setattr(filtered, "spectral_bound", lambda matrix: 0.9 * exact[-1])
    monkeypatch.setattr(FilteredEngine, "_cut", lambda self, shift, n_states: float(exact[n_states]))
    states = bdg.bound_states(system, 20, method="chebyshev")
    assert_allclose(np.sort(abs(states.energies)), exact[:20], atol=1e-12)
    assert states.evidence.bound_repeated and states.evidence.spectral_bound >= exact[-1]
    monkeypatch.setattr(FilteredEngine, "_check_bound", lambda self, basis, shift: None)
    engine = _engine(system)
    silent = engine.search(0.0, 20, 1e-9, np.random.default_rng(0), None)
    assert silent.residuals.max() < 1e-6 and abs(silent.energies).min() > 0.8 * exact[-1]


def test_overflow_beyond_the_bound_is_seen(systems, monkeypatch):
    system = systems["disordered"]
    exact = np.sort(abs(_levels(system)))
    monkeypatch.setattr(filtered, "spectral_bound", lambda matrix: 0.05 * exact[-1])
    states = bdg.bound_states(system, 8, method="chebyshev")
    assert_allclose(np.sort(abs(states.energies)), exact[:8], atol=1e-12)
    assert states.evidence.bound_repeated


def test_without_a_factor_completeness_is_not_claimed(systems, monkeypatch):
    system = systems["disordered"]

    def refused(engine, energy, *rest):
        raise MemoryBudgetError("too large")

    monkeypatch.setattr(LanczosEngine, "count_below", refused)
    states = bdg.bound_states(system, 20, method="chebyshev")
    exact = np.sort(abs(_levels(system)))
    assert_allclose(np.sort(abs(states.energies)), exact[:20], atol=1e-12)
    assert not states.complete and states.count == -1
    assert "no factor fits" in states.evidence.completeness and "random vectors count" in states.evidence.completeness
    assert states.evidence.count_refused == "too large"


def test_a_search_leaves_out_what_is_known(systems):
    engine = _engine(systems["disordered"])
    exact = np.sort(abs(_levels(systems["disordered"])))
    first = engine.search(0.0, 10, 1e-9, np.random.default_rng(0), None)
    known = first.vectors[:, np.argsort(abs(first.energies))[:10]]
    second = engine.search(0.0, 10, 1e-9, np.random.default_rng(0), known)
    assert_allclose(np.sort(abs(second.energies))[:10], exact[10:20], atol=1e-9)
    assert abs(known.conj().T @ second.vectors).max() < 1e-9
    both = np.concatenate([known, second.vectors], axis=1)
    polished = engine.polish(0.0, both + 1e-6 * np.random.default_rng(0).standard_normal(both.shape), 1e-9)
    assert polished.residuals.max() < 1e-9
    assert_allclose(np.sort(abs(polished.energies))[:20], exact[:20], atol=1e-12)


def test_a_small_matrix_is_taken_as_a_whole(grid):
    system = grid((4, 3), delta=0.3, disorder=1.0)
    exact = np.sort(abs(_levels(system)))
    states = bdg.bound_states(system, 12, method="chebyshev")
    assert_allclose(np.sort(abs(states.energies)), exact[:12], atol=1e-12)
    assert states.evidence.whole_space and states.complete


@pytest.mark.parametrize("shape", [(1,), (2,), (5,), (5, 3), (6, 3)])
@pytest.mark.parametrize("norbs", [1, 2])
def test_every_k_of_a_small_system(grid, spinful, shape, norbs):
    """All eigenstates are the limit of a filtered subspace; k = 2 s N and one less are valid requests."""
    system = grid(shape, delta=0.3j, disorder=1.0)
    system = system if norbs == 1 else spinful(system).with_onsite(0.3 * SIGMA_Z)
    n = 2 * norbs * system.n_sites
    for k in {1, 2, n - 2, n - 1, n} - {0}:
        found, dense = (bdg.bound_states(system, k, method=method) for method in ("chebyshev", "dense"))
        assert_allclose(found.energies, dense.energies, rtol=0, atol=1e-12)
        assert found.residuals.max() < 1e-12 and found.u.shape == dense.u.shape
        assert found.complete and found.count == dense.count
        if n <= 30 or k > 2:
            assert found.evidence.whole_space and found.evidence.method == "chebyshev"
            assert found.evidence.subspace == "fills the whole space: all eigenstates, nothing filtered"
            assert found.evidence.completeness == dense.evidence.completeness
        else:
            assert "whole_space" not in found.evidence and found.evidence.sweeps > 0
    for window in ((-0.5, 0.5), (0.1, 3.0), (9.0, 10.0)):
        found, dense = (bdg.bound_states(system, window=window, method=method) for method in ("chebyshev", "dense"))
        assert_allclose(found.energies, dense.energies, rtol=0, atol=1e-12)
        assert found.complete and found.count == dense.count


def test_one_site_without_energy():
    """Two states at zero; there is nothing to filter on, and nothing has to be filtered."""
    system = bdg.lattices.from_hamiltonian(np.zeros((1, 1)), np.zeros((1, 1)))
    found = bdg.bound_states(system, 2, method="chebyshev")
    assert_allclose(found.energies, 0.0, atol=1e-15)
    assert found.complete and found.count == 2
    assert bdg.bound_states(system, window=(-1, 1), method="chebyshev").count == 2


@pytest.mark.parametrize("method", ["lanczos", "shift_invert"])
def test_iterations_refuse_what_they_cannot_give(grid, method):
    """A window of a single site is refused like k: it once came back empty, and was called complete."""
    with pytest.raises(ValueError, match="gives at most 2 s N - 2 = 8 states; wanted are 9. Use method='dense'"):
        bdg.bound_states(grid((5,), delta=0.3), 9, method=method)
    with pytest.raises(ValueError, match="gives at most 2 s N - 2 = 0 states"):
        bdg.bound_states(grid((1,), delta=0.3), window=(-1, 1), method=method)


def test_a_window_that_came_back_empty_against_its_count_is_not_complete(systems, monkeypatch):
    empty = Eigenpairs(np.empty(0), np.empty((588, 0)), np.empty(0))
    monkeypatch.setattr(
        "bdg.gpu.eigen.certified._slices", lambda engine, lower, upper, tol, rng, parts, facts: parts.append(empty)
    )
    found = bdg.bound_states(systems["disordered"], window=(-0.5, 0.5), method="lanczos")
    assert not found.complete and found.count == -1 and found.evidence.counted > 0


def test_converged_states_are_locked_unless_levels_are_close():
    found = subspace.RitzPairs(np.array([0.1, -0.1, 0.2, -0.2, 0.2 + 1e-10, 0.5]), np.eye(6), np.full(6, 1e-12))
    order = np.arange(6)
    assert subspace.lockable(found, order, 0.0, 1e-9, True) == 2  # the next ones differ by less than 10 tol
    found.residuals[1] = 1e-3
    assert subspace.lockable(found, order, 0.0, 1e-9, True) == 0  # not half a pair
    assert subspace.lockable(found, order, 0.0, 1e-9, False) == 0


def test_locking_with_many_sweeps(systems, monkeypatch):
    """A weak filter converges state by state."""
    monkeypatch.setattr(filtered, "GAIN", 30.0)
    monkeypatch.setattr(filtered, "_MOST_SWEEPS", 60)
    engine = _engine(systems["disordered"])
    exact = np.sort(abs(_levels(systems["disordered"])))
    found = engine.search(0.0, 16, 1e-9, np.random.default_rng(0), None)
    assert engine.facts["sweeps"] > 4
    assert_allclose(np.sort(abs(found.energies)), exact[:16], atol=1e-10)
    assert found.residuals.max() < 2e-9


def test_what_does_not_fit_is_refused_before_it_starts(grid, monkeypatch):
    monkeypatch.setattr("bdg.gpu.device.memory.available_bytes", lambda backend: 1e5)
    with pytest.raises(MemoryBudgetError, match="filtered subspace iteration with .* vectors .*Ask for fewer states"):
        _engine(grid((9, 9), delta=0.3, disorder=1.0)).search(0.0, 20, 1e-9, np.random.default_rng(0), None)


@pytest.mark.gpu
def test_gpu_equals_cpu(systems, backend):
    found = bdg.bound_states(systems["disordered"], 20, method="chebyshev", device=backend.device)
    assert_allclose(found.energies, bdg.bound_states(systems["disordered"], 20, method="dense").energies, atol=1e-10)


@pytest.mark.slow
def test_256_states_equal_those_of_the_direct_core():
    system = bdg.lattices.grain_composite(
        (16,) * 3, 1, volume_fraction=0.09, diameter=8, mu=-1, delta=0.3, disorder=1, seed=1
    )
    direct, found = (bdg.bound_states(system, 256, method=method) for method in ("lanczos", "chebyshev"))
    assert direct.complete and found.complete
    assert_allclose(found.energies, direct.energies, rtol=0, atol=1e-10)
    assert found.residuals.max() < 1e-9
