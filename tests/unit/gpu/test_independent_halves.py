"""Halves of the rows of H that nothing connects, and counts of levels on each of them, against dense algebra."""

import numpy as np
import pytest
import scipy.sparse as sp

import bdg
from bdg.gpu.device.backend import select_backend
from bdg.gpu.eigen.independent import independent_halves
from bdg.gpu.eigen.lanczos import LanczosEngine
from bdg.lattices.nambu import SIGMA_X, SIGMA_Z
from bdg.methods.symbolic import electron_symbolic, whole_symbolic

CPU = select_backend("cpu")


def _systems(grid, spinful, islands):
    real = spinful(grid((7, 6), delta=islands(42, 4), disorder=1.0))
    bonds = 0.2 * sp.triu(grid((7, 6)).hamiltonian, 1)
    triplet = sp.csr_matrix(sp.kron(bonds - bonds.T, [[0, 1.0], [0.5, 0]]))  # of equal spins: odd in the direction
    normal = spinful(grid((7, 6), delta=0.0, disorder=1.0)).with_onsite(0.1 * SIGMA_Z)
    return {
        "singlet": (real.with_onsite(0.2 * SIGMA_Z), True),
        "phases": (spinful(grid((7, 6), delta=islands(42, 4, True), disorder=1.0)).with_field(0.1), True),
        "equal spins": (
            bdg.System(
                hamiltonian=normal.hamiltonian, positions=normal.positions, norbs=2, delta=normal.delta, pairing=triplet
            ),
            True,
        ),
        "normal": (normal, True),
        "field along x": (real.with_onsite(0.2 * SIGMA_X), False),
        "field hardly along x": (real.with_onsite(0.2 * SIGMA_Z + 1e-300 * SIGMA_X), False),
    }


NAMES = ["singlet", "phases", "equal spins", "normal", "field along x", "field hardly along x"]


@pytest.mark.parametrize("name", NAMES)
def test_levels_of_the_halves_are_those_of_h(grid, spinful, islands, name):
    system, splits = _systems(grid, spinful, islands)[name]
    matrix = bdg.BdGHamiltonian(system).matrix
    halves = independent_halves(matrix, electron_symbolic(system, CPU).pattern.rows)
    assert len(halves) == (2 if splits else 0)
    if not splits:
        return
    assert np.array_equal(np.sort(np.concatenate(halves)), np.arange(len(matrix.indptr) - 1))
    dense = matrix.toarray()
    assert not dense[np.ix_(*halves)].any()
    levels = np.concatenate([np.linalg.eigvalsh(dense[np.ix_(rows, rows)]) for rows in halves])
    assert abs(np.sort(levels) - np.linalg.eigvalsh(dense)).max() < 1e-13


@pytest.mark.parametrize("name", NAMES)
def test_counts_are_those_of_dense_algebra(grid, spinful, islands, name):
    system, splits = _systems(grid, spinful, islands)[name]
    hamiltonian, asked = bdg.BdGHamiltonian(system), []

    def whole():
        asked.append("whole")
        return whole_symbolic(system, CPU)

    half = lambda: electron_symbolic(system, CPU)  # noqa: E731
    engine = LanczosEngine(hamiltonian.matrix, whole, hamiltonian.particle_hole_partner, CPU, half=half)
    levels = np.linalg.eigvalsh(hamiltonian.matrix.toarray())
    gaps = np.diff(levels)
    for number in np.argsort(-gaps)[[0, 3, 9, 20]]:
        energy = 0.5 * (levels[number] + levels[number + 1])
        assert engine.count_below(energy, within=0.25 * gaps[number]) == number + 1
        assert engine.facts["count_backward_error"] < 0.25 * gaps[number]
    assert bool(asked) != splits


def test_one_half_that_proves_nothing_is_no_proof(grid, spinful, islands, monkeypatch):
    """The whole matrix is factorised then; and no error of a half is hidden by the other."""
    system, _ = _systems(grid, spinful, islands)["singlet"]
    hamiltonian = bdg.BdGHamiltonian(system)
    engine = LanczosEngine(
        hamiltonian.matrix,
        lambda: whole_symbolic(system, CPU),
        hamiltonian.particle_hole_partner,
        CPU,
        half=lambda: electron_symbolic(system, CPU),
    )
    seen = []

    def failing(signs):
        seen.append(signs.backward_error)
        return None if len(seen) == 2 else 17

    monkeypatch.setattr("bdg.gpu.multifrontal.SignCount.n_above", property(failing))
    below = int((np.linalg.eigvalsh(hamiltonian.matrix.toarray()) < 0.123).sum())
    assert engine.count_below(0.123, within=1e-6) == below
    assert len(seen) == 2 and engine.facts["count_contraction"] < 1e-2
    assert engine.facts["count_backward_error"] == max(seen)
