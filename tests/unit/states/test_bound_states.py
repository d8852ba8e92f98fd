"""Bound states and counts: the sparse route against dense algebra, order, completeness, windows, errors."""

import numpy as np
import pytest
from numpy.testing import assert_allclose

import bdg
from bdg.gpu.eigen import certified as states_module
from bdg.gpu.eigen.lanczos import LanczosEngine
from bdg.gpu.eigen.shift_invert import ShiftInvertEngine
from bdg.lattices.nambu import SIGMA_Y, SIGMA_Z

CLOSE = 1e-11  # eigenvalue error of a pair with residual 1e-9 is below 1e-9^2/gap; this leaves room for small gaps


def _systems(grid, spinful, islands):
    rashba = spinful(grid((7, 6), delta=islands(42, 4), disorder=1.0)).with_onsite(0.3 * SIGMA_Z + 0.1 * SIGMA_Y)
    return {
        "clean torus": grid((8, 8), delta=0.3, periodic=True),
        "disordered cube": grid((5, 5, 5), delta=islands(125), disorder=1.0),
        "phases and field": grid((9, 9), delta=islands(81, 2, True), disorder=0.5).with_field(0.05),
        "spinful": rashba,
        "zero modes": grid((6, 6, 6), mu=0.0, delta=np.where(np.arange(216) < 5, 0.3, 0.0), periodic=True),
    }


SPARSE = ["shift_invert", "lanczos"]
NAMES = ["clean torus", "disordered cube", "phases and field", "spinful", "zero modes"]


@pytest.mark.parametrize("method", SPARSE)
@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("k", [10, 24])
def test_sparse_equals_dense(grid, spinful, islands, name, k, method):
    system = _systems(grid, spinful, islands)[name]
    dense = bdg.bound_states(system, k, method="dense")
    sparse = bdg.bound_states(system, k, method=method)
    assert_allclose(sparse.energies, dense.energies, atol=CLOSE)
    assert (sparse.residuals < 1e-9).all() and (dense.residuals < 1e-12).all()
    assert sparse.complete and dense.complete
    assert (
        sparse.count
        == dense.count
        == np.count_nonzero(
            abs(np.linalg.eigvalsh(bdg.BdGHamiltonian(system).matrix.toarray())) <= abs(dense.energies).max() + 1e-9
        )
    )
    assert sparse.evidence.method == method and dense.evidence["method"] == "dense"


@pytest.mark.parametrize("method", ["dense", *SPARSE])
@pytest.mark.parametrize("name", NAMES)
def test_order_pairs_and_normalisation(grid, spinful, islands, name, method):
    system = _systems(grid, spinful, islands)[name]
    states = bdg.bound_states(system, 12, method=method)
    size = abs(states.energies)
    assert (np.diff(size) >= 0).all()
    assert_allclose(np.sort(states.energies), -np.sort(states.energies)[::-1], atol=0)  # partners exactly mirrored
    tie = np.diff(size) == 0
    assert (np.diff(states.energies)[tie] >= 0).all()  # ties: negative first
    shape = (system.n_sites, 12) if system.norbs == 1 else (system.n_sites, 2, 12)
    assert states.u.shape == states.v.shape == shape
    vectors = np.concatenate([states.u.reshape(-1, 12), states.v.reshape(-1, 12)])
    assert_allclose(vectors.conj().T @ vectors, np.eye(12), atol=1e-10)
    hamiltonian = bdg.BdGHamiltonian(system)
    residual = np.linalg.norm(hamiltonian @ vectors - vectors * states.energies, axis=0)
    assert_allclose(residual, states.residuals, atol=1e-13)


def test_odd_k_and_all_states(grid, islands):
    system = grid((4, 4), delta=islands(16), disorder=1.0)
    exact = np.linalg.eigvalsh(bdg.BdGHamiltonian(system).matrix.toarray())
    odd = bdg.bound_states(system, 5, method="shift_invert")
    assert_allclose(abs(odd.energies), np.sort(abs(exact))[:5], atol=CLOSE)
    everything = bdg.bound_states(system, 32)
    assert_allclose(np.sort(everything.energies), exact, atol=1e-13)


@pytest.mark.parametrize("method", ["dense", *SPARSE])
@pytest.mark.parametrize("window", [(-0.3, 0.9), (0.05, 0.6), (-1.0, -0.4)])
def test_window_returns_every_state_in_it(grid, islands, method, window):
    system = grid((7, 7), delta=islands(49, 5, True), disorder=1.0)
    exact = np.linalg.eigvalsh(bdg.BdGHamiltonian(system).matrix.toarray())
    inside = exact[(exact >= window[0]) & (exact <= window[1])]
    states = bdg.bound_states(system, 3, window=window, method=method)  # k is ignored
    assert_allclose(np.sort(states.energies), inside, atol=CLOSE)
    assert states.complete and states.count == inside.size
    assert (np.diff(abs(states.energies)) >= 0).all()


@pytest.mark.parametrize("method", SPARSE)
def test_window_is_sliced_where_it_holds_many_states(grid, islands, monkeypatch, method):
    monkeypatch.setattr(states_module, "_MAX_SLICE", 20)
    system = grid((9, 9), delta=islands(81), disorder=1.0)
    exact = np.linalg.eigvalsh(bdg.BdGHamiltonian(system).matrix.toarray())
    inside = exact[(exact >= -1.0) & (exact <= 2.0)]
    states = bdg.bound_states(system, window=(-1.0, 2.0), method=method)
    assert_allclose(np.sort(states.energies), inside, atol=CLOSE)
    assert states.complete and states.evidence.slices > 2


@pytest.mark.parametrize("method", SPARSE)
def test_window_without_states(grid, method):
    states = bdg.bound_states(grid((40,), delta=0.3), window=(-0.1, 0.1), method=method)
    assert states.energies.size == 0 and states.complete and states.count == 0 and states.u.shape == (40, 0)


@pytest.mark.parametrize(("method", "engine_class"), [("shift_invert", ShiftInvertEngine), ("lanczos", LanczosEngine)])
def test_a_missed_state_is_noticed_and_found(grid, islands, monkeypatch, method, engine_class):
    """The iteration is made to lose a pair: the count must see it, and the second search must bring it back."""
    system = grid((7, 7), delta=islands(49), disorder=1.0)
    search, calls = engine_class.search, []

    def forgetful(engine, shift, wanted, tol, rng, known, needed=None):
        pairs = search(engine, shift, wanted, tol, rng, known, needed)
        calls.append(wanted)
        if len(calls) > 1 and known is not None and not heal:
            return states_module.Eigenpairs(pairs.energies[:0], pairs.vectors[:, :0], pairs.residuals[:0])
        if known is None and (len(calls) == 1 or not heal):
            keep = np.argsort(abs(pairs.energies))[2:]
            return states_module.Eigenpairs(pairs.energies[keep], pairs.vectors[:, keep], pairs.residuals[keep])
        return pairs

    monkeypatch.setattr(engine_class, "search", forgetful)
    exact = bdg.bound_states(system, 10, method="dense").energies
    heal = True
    assert_allclose(bdg.bound_states(system, 10, method=method).energies, exact, atol=CLOSE)
    heal = False
    calls.clear()
    broken = bdg.bound_states(system, 10, method=method)
    assert not broken.complete and broken.count == -1
    assert "not proven" in broken.evidence.completeness


@pytest.mark.parametrize("method", SPARSE)
@pytest.mark.parametrize("name", NAMES)
def test_counts_equal_dense_counts(grid, spinful, islands, name, method):
    system = _systems(grid, spinful, islands)[name]
    exact = np.sort(abs(np.linalg.eigvalsh(bdg.BdGHamiltonian(system).matrix.toarray())))
    levels = exact[exact > 0.01]
    energies = [0.05, 0.31, 0.777, 2.1, levels[11] * (1 + 1e-6), levels[20] * (1 - 1e-6)]
    for energy in energies:
        result = bdg.count_states(system, energy, method=method)
        assert result.count == np.count_nonzero(exact < energy), energy
        assert bdg.count_states(system, energy, method="dense").count == result.count


def test_count_at_an_eigenvalue_is_not_claimed(grid):
    """At a level itself the count is undecidable to rounding."""
    system = grid((5, 5), delta=0.3, disorder=1.0)
    exact = np.sort(abs(np.linalg.eigvalsh(bdg.BdGHamiltonian(system).matrix.toarray())))
    for method in ("dense", *SPARSE):
        assert bdg.count_states(system, exact[6], method=method).count == -1
    assert bdg.count_states(system, exact[6], method="shift_invert").evidence.count_contraction > 1e-2


@pytest.mark.parametrize("method", SPARSE)
def test_seed_repeats_bit_for_bit(grid, islands, method):
    system = grid((6, 6), delta=islands(36), disorder=1.0)
    first, second = (bdg.bound_states(system, 8, method=method, seed=7) for _ in range(2))
    assert np.array_equal(first.energies, second.energies) and np.array_equal(first.u, second.u)
    default, zero = (bdg.bound_states(system, 8, method=method, **seed) for seed in ({}, {"seed": 0}))
    assert np.array_equal(default.u, zero.u)
    other = bdg.bound_states(system, 8, method=method, seed=8)
    assert_allclose(other.energies, first.energies, atol=CLOSE)


def test_auto_chooses_by_dimension_and_says_why(grid, islands):
    small, large = grid((6, 6), delta=0.3), grid((12, 12, 12), delta=islands(1728), disorder=1.0)
    assert bdg.bound_states(small, 4).evidence.method == "dense"
    states = bdg.bound_states(large, 8)
    assert states.evidence.method == "lanczos" and states.evidence.form == "takagi" and "3456" in states.evidence.why
    assert states.complete and states.evidence.device == "cpu" and states.evidence.dtype == "float64"
    assert "estimated for 8 states of dimension 3456: lanczos" in states.evidence.why  # the others with their seconds
    assert "dense" in states.evidence.why and "built-in rates" in states.evidence.why
    chain = bdg.bound_states(grid((1600,), delta=islands(1600), disorder=1.0), 8)
    assert chain.evidence.method == "shift_invert" and "shift_invert 0.0" in chain.evidence.why
    assert chain.complete


def test_save_and_load(grid, spinful, tmp_path):
    states = bdg.bound_states(spinful(grid((4,), delta=0.3)), 4)
    states.save(tmp_path / "states.h5")
    loaded = bdg.load(tmp_path / "states.h5")
    assert isinstance(loaded, bdg.BoundStates)
    for name in ("energies", "u", "v", "residuals"):
        assert np.array_equal(getattr(loaded, name), getattr(states, name))
    assert (loaded.complete, loaded.count) == (states.complete, states.count)
    assert loaded.evidence["why"] == states.evidence.why
    assert states.plot().axes[0].get_ylabel().startswith("energy")
    count = bdg.count_states(grid((4,), delta=0.3), 1.0)
    count.save(tmp_path / "count.h5")
    assert bdg.load(tmp_path / "count.h5").count == count.count


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        ({"k": 33}, ValueError, r"k must be .* from 1 to 32 \(at most 2 s N: both signs of E count\); got 33"),
        ({"k": 0}, ValueError, "from 1 to 32"),
        ({"k": 2.5}, TypeError, "whole number"),
        ({"window": (1, 0)}, ValueError, "a < b"),
        ({"window": (0, np.nan)}, ValueError, "finite"),
        ({"window": 3}, ValueError, "pair"),
        ({"method": "magic"}, ValueError, "must be one of auto, dense, shift_invert, lanczos, chebyshev; got 'magic'"),
        ({"method": "shift_invert", "k": 31}, ValueError, "at most 2 s N - 2 = 30"),
        ({"tol": -1}, ValueError, "tol must be positive"),
        ({"device": "tpu"}, ValueError, "device must be 'auto', 'cpu' or 'gpu'"),
    ],
)
def test_argument_errors(grid, arguments, error, message):
    with pytest.raises(error, match=message):
        bdg.bound_states(grid((4, 4), delta=0.3), **arguments)


def test_count_argument_errors(grid):
    with pytest.raises(ValueError, match=r"energy must be finite and >= 0"):
        bdg.count_states(grid((4,)), -0.1)
    with pytest.raises(TypeError, match=r"system must be a bdg.lattices.System"):
        bdg.count_states("system", 0.1)
