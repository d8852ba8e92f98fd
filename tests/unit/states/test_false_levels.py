"""Ritz values that stand for no level: a search stops before those beyond the wanted states have converged."""

import numpy as np
import pytest
import scipy.sparse as sp
from numpy.testing import assert_allclose

import bdg
from bdg.gpu.eigen.eigenpairs import Eigenpairs
from bdg.gpu.eigen.lanczos import LanczosEngine
from bdg.lattices.nambu import SIGMA_Y, SIGMA_Z

CLOSE = 1e-11  # as in test_bound_states_lanczos


def _two_parts(grid):
    """Two films that do not touch, one of them a copy of the other: all levels twofold."""
    one = grid((5, 6), delta=np.where(np.arange(30) < 12, 0.3, 0.0), disorder=1.0, seed=3)
    positions = np.concatenate([one.positions, one.positions + np.array([20, 0])])
    both = sp.block_diag([one.hamiltonian, one.hamiltonian], format="csr")
    return bdg.lattices.from_hamiltonian(both, positions, norbs=1, delta=np.tile(one.delta, 2))


def _systems(grid, spinful, islands):
    film = spinful(grid((7, 8), delta=islands(56, 4), disorder=1.0))
    return {
        "real, spinful": film.with_onsite(0.2 * SIGMA_Z),
        "complex, spinful": film.with_onsite(0.2 * SIGMA_Z + 0.1 * SIGMA_Y),
        "pairs by time reversal": film,
        "multiplets": grid((8, 8), delta=0.3, periodic=True),
        "zero modes": grid((8, 8), mu=0.0, delta=0.0),
        "two parts": _two_parts(grid),
        "edge of a gap": bdg.lattices.stack(
            [bdg.lattices.Layer(60, delta=0.3), bdg.lattices.Layer(4), bdg.lattices.Layer(60, delta=0.3, phase=2.0)],
            (1,),
            mu=-0.5,
        ),
    }


QUICK = [("real, spinful", 12), ("zero modes", 16), ("two parts", 12)]
LONG = [("complex, spinful", 12), ("pairs by time reversal", 12), ("multiplets", 10), ("edge of a gap", 2)]
CASES = [*QUICK, *(pytest.param(*case, marks=pytest.mark.slow) for case in LONG)]


def _with_false_levels(monkeypatch, system, first):
    """Put mixtures of far levels in place of all pairs of a search but the ``first``; return all levels.

    Their Ritz values lie in a row above those that are kept, each from one state far above and one far below.
    """
    hamiltonian = bdg.BdGHamiltonian(system)
    exact, vectors = np.linalg.eigh(hamiltonian.matrix.toarray())
    search = LanczosEngine.search

    def spoiled(engine, shift, wanted, tol, rng, known, needed=None):
        pairs = search(engine, shift, wanted, tol, rng, known, needed)
        if known is not None or shift:
            return pairs
        order = np.argsort(abs(pairs.energies), kind="stable")
        kept, number = order[:first], (order.size - first) // 2
        top = abs(pairs.energies[order[first - 1]])
        high = vectors[:, -1 - np.arange(number)]
        energies = top * (1.3 + 0.9 * np.arange(number))
        upper, lower = exact[-1 - np.arange(number)], exact[number + np.arange(number)]
        low = vectors[:, number + np.arange(number)]
        share = (energies - lower) / (upper - lower)
        mixed = np.sqrt(share) * high + np.sqrt(1 - share) * low
        mixed = np.concatenate([mixed, engine.partner(mixed)], axis=1)
        energies = np.concatenate([energies, -energies])
        residuals = np.linalg.norm(hamiltonian.matrix @ mixed - mixed * energies, axis=0)
        assert residuals.min() > 0.1
        return Eigenpairs(
            np.concatenate([pairs.energies[kept], energies]),
            np.concatenate([pairs.vectors[:, kept], mixed], axis=1),
            np.concatenate([pairs.residuals[kept], residuals]),
        )

    monkeypatch.setattr(LanczosEngine, "search", spoiled)
    return exact


def _check(states, exact, k):
    size = np.sort(abs(exact))
    assert_allclose(np.sort(abs(states.energies)), size[:k], atol=CLOSE)
    assert states.complete and states.count == np.count_nonzero(size <= size[k - 1] + 1e-9)


@pytest.mark.parametrize(("name", "k"), CASES)
def test_no_gap_is_looked_for_between_them(grid, spinful, islands, monkeypatch, name, k):
    """Four levels beyond those that are wanted are known: the count between these and the others is the only one."""
    system = _systems(grid, spinful, islands)[name]
    plain = bdg.bound_states(system, k, method="lanczos")
    exact = _with_false_levels(monkeypatch, system, k + 4)
    states = bdg.bound_states(system, k, method="lanczos")
    _check(states, exact, k)
    if plain.evidence.searches == 1:
        assert states.evidence.searches == 1 and len(states.evidence.counts_tried) == 1
        assert states.evidence.counts_tried[0] < np.sort(abs(exact))[k + 3]


@pytest.mark.parametrize(("name", "k"), CASES)
@pytest.mark.parametrize("fewer", [0, 2])
def test_where_they_come_at_once_the_missing_levels_are_found(grid, spinful, islands, monkeypatch, name, k, fewer):
    """Nothing above the wanted states is known, and with ``fewer`` not even all of these."""
    system = _systems(grid, spinful, islands)[name]
    exact = _with_false_levels(monkeypatch, system, k - fewer)
    states = bdg.bound_states(system, k, method="lanczos")
    size = np.sort(abs(exact))
    if states.complete:
        _check(states, exact, k)
    assert_allclose(np.sort(abs(states.energies))[: k - fewer], size[: k - fewer], atol=CLOSE)
