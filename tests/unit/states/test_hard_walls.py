"""Hard walls and vacancies by onsite energies of 1e4 to 1e12 t: every method, the levels of the cut lattice."""

import subprocess
import sys

import numpy as np
import pytest
import scipy.sparse as sp
from numpy.testing import assert_allclose

import bdg
from bdg.gpu.eigen import certified as states_module
from bdg.gpu.eigen.eigenpairs import Eigenpairs

METHODS = ("auto", "dense", "lanczos", "shift_invert")


def _cut(system, gone):
    """Return the lattice without some sites."""
    keep = np.setdiff1d(np.arange(system.n_sites), gone)
    rows = (system.norbs * keep[:, None] + np.arange(system.norbs)).ravel()
    h = system.hamiltonian[rows][:, rows]
    return bdg.lattices.from_hamiltonian(h, system.positions[keep], norbs=system.norbs, delta=system.delta[keep])


def _walled(grid, spinful, norbs, is_complex, shape=(8, 7)):
    n = int(np.prod(shape))
    system = grid(shape, mu=0.37, delta=np.where(np.arange(n) < n // 2, 0.2, 0.0))
    system = system.with_field(0.01) if is_complex else system
    gone = np.sort(np.random.default_rng(2).choice(n, n // 10, replace=False))
    if norbs == 2:
        system = spinful(system).with_onsite(np.array([[0.1, 0.05], [0.05, -0.1]]))
    return system, gone


@pytest.mark.parametrize(
    ("norbs", "is_complex", "height"),
    [
        (1, False, 1e4),
        (1, False, 1e7),
        (1, False, 1e12),
        (1, True, 1e8),
        (2, False, 1e8),
        (2, True, 1e4),
        (2, True, 1e12),
    ],
)
def test_levels_between_walls_are_those_of_the_cut_lattice(grid, spinful, norbs, is_complex, height):
    """Corrections are of order t^2/V; the residual limit is what every method promises by itself."""
    system, gone = _walled(grid, spinful, norbs, is_complex)
    onsite = np.zeros(system.n_sites)
    onsite[gone] = height
    walled = system.with_onsite(onsite).with_delta(np.where(onsite > 0, 0, system.delta))
    exact = np.linalg.eigvalsh(bdg.BdGHamiltonian(_cut(system, gone)).matrix.toarray())
    exact = np.sort(abs(exact))[:8]
    answers = []
    for method in METHODS:
        states = bdg.bound_states(walled, 8, method=method, seed=1)
        assert states.complete and states.count == 8, method
        assert states.residuals.max() < 1e-9
        assert_allclose(np.sort(abs(states.energies)), exact, rtol=0, atol=20 / height + 1e-9)
        answers.append(np.sort(abs(states.energies)))
    assert_allclose(answers, np.broadcast_to(answers[0], (4, 8)), atol=1e-10)  # far below t^2/V at 1e4 and 1e7
    middle = 0.5 * (exact[5] + exact[6]) if exact[6] - exact[5] > 1e-3 else 0.5 * exact[0]
    wanted = np.count_nonzero(exact < middle)
    assert [bdg.count_states(walled, middle, method=method).count for method in METHODS] == [wanted] * 4
    window = bdg.bound_states(walled, window=(-middle, middle), method="lanczos")
    assert window.complete and window.energies.size == wanted


def test_close_levels_beside_a_large_one_are_not_averaged():
    system = bdg.lattices.from_hamiltonian(np.diag([0.1, 0.10004, 1e8]), np.arange(3))
    for method in ("dense", "lanczos"):
        assert_allclose(bdg.bound_states(system, 4, method=method).energies, [-0.1, 0.1, -0.10004, 0.10004], atol=1e-12)


def test_states_on_the_walls_and_below_are_both_accurate(grid, spinful):
    """All states but two: residuals of each within its own rounding, from LAPACK 1e-6 t for the lowest."""
    system, gone = _walled(grid, spinful, 1, False, (4, 5))
    onsite = np.zeros(20)
    onsite[gone] = 1e10, 1e6
    walled = system.with_onsite(onsite)
    size = abs(bdg.BdGHamiltonian(walled).matrix)
    for method in ("dense", "lanczos", "shift_invert"):
        states = bdg.bound_states(walled, 38, method=method)
        assert states.complete
        vectors = np.concatenate([states.u, states.v])
        assert (states.residuals <= 1e-9 + 1e-12 * np.linalg.norm(size @ abs(vectors), axis=0)).all()
        assert_allclose(vectors.conj().T @ vectors, np.eye(38), atol=1e-9)


def test_energies_of_a_small_unit_are_as_accurate(grid, islands):
    """The same lattice in joule: tolerances are relative where energies are below one."""
    system = grid((7, 6), delta=islands(42), disorder=1.0)
    joule = bdg.lattices.from_hamiltonian(1e-22 * system.hamiltonian, system.positions, delta=1e-22 * system.delta)
    exact = bdg.bound_states(system, 6, method="dense").energies
    for method in METHODS:
        states = bdg.bound_states(joule, 6, method=method)
        assert states.complete and states.residuals.max() < 1e-30
        assert_allclose(states.energies, 1e-22 * exact, rtol=1e-9)


def test_a_residual_above_tol_is_no_certificate(grid, islands, monkeypatch):
    """Eigenvectors are spoilt after the search: the levels come back with a warning, and nothing is proven."""
    system = grid((6, 6), delta=islands(36), disorder=1.0)
    lowest = states_module.lowest

    def spoilt(engine, *arguments):
        found = lowest(engine, *arguments)
        noise = np.random.default_rng(0).standard_normal(found.vectors.shape)
        vectors = np.linalg.qr(found.vectors + 1e-6 * noise)[0]
        energies = np.einsum("ij,ij->j", vectors, engine.matrix @ vectors)
        return Eigenpairs(energies, vectors, found.residuals, found.proven, found.interval, found.facts)

    monkeypatch.setattr(states_module, "lowest", spoilt)
    with pytest.warns(bdg.AccuracyWarning, match="residuals are above tol.*nothing is proven"):
        states = bdg.bound_states(system, 6, method="lanczos")
    assert not states.complete and states.count == -1 and not states.evidence.converged
    assert states.evidence.completeness.startswith("not proven")


def _torus(n, norbs):
    ring = sp.csr_matrix(-np.eye(n, k=1) - np.eye(n, k=-1) - np.eye(n, k=n - 1) - np.eye(n, k=1 - n))
    h, positions = sp.kronsum(ring, ring, format="csr"), np.indices((n, n)).reshape(2, -1).T
    levels = -2 * np.cos(2 * np.pi * np.arange(n) / n)
    levels = np.repeat(np.sqrt((levels[:, None] + levels).ravel() ** 2 + 0.25), 2 * norbs)
    h = h if norbs == 1 else sp.kron(h, sp.identity(2), format="csr")
    return bdg.lattices.from_hamiltonian(h, positions, norbs=norbs, delta=0.5), levels


@pytest.mark.parametrize("norbs", [1, pytest.param(2, marks=pytest.mark.slow)])
@pytest.mark.parametrize("n", [16])
def test_count_at_a_level_of_a_larger_torus(n, norbs):
    _check_counts(n, norbs)


@pytest.mark.parametrize("norbs", [1, 2])
@pytest.mark.parametrize("n", [4, 6, 8])
def test_count_at_a_level_and_beside_it(n, norbs):
    _check_counts(n, norbs)


def _check_counts(n, norbs):
    """mu = 0, Delta = 0.5: a multiplet of 2 s (2n - 2) states at +-0.5, which no count may cut."""
    system, levels = _torus(n, norbs)
    for method in ("auto", "dense", "lanczos", "shift_invert"):
        assert bdg.count_states(system, 0.5, method=method).count == -1, method
        for energy in (0.5 * (1 - 1e-6), 0.5 * (1 + 1e-6)):
            assert bdg.count_states(system, energy, method=method).count == np.count_nonzero(levels < energy), method
        assert bdg.count_states(system, 0.0, method=method).count == 0


CRASH = """
import sys, numpy as np, scipy.sparse as sp, bdg
n, method = int(sys.argv[1]), sys.argv[2]
h = sp.diags_array([-np.ones(n - 1), -np.ones(n - 1)], offsets=[1, -1], format="csr")
for seed in range(3):
    states = bdg.bound_states(bdg.lattices.from_hamiltonian(h, np.arange(n)), 4, seed=seed, method=method)
    assert abs(states.energies[:2]).max() < 1e-9 and states.complete
    assert abs(abs(states.energies[2:]) - 2 * np.sin(np.pi / (n + 1))).max() < 1e-9
"""


@pytest.mark.parametrize(
    ("n", "method"), [(701, "auto"), pytest.param(301, "shift_invert", marks=pytest.mark.slow), (17, "shift_invert")]
)
def test_a_zero_level_does_not_end_the_process(n, method):
    """A chain of odd length has a level at exactly zero; in a process of its own, since SuperLU died of it."""
    run = subprocess.run([sys.executable, "-c", CRASH, str(n), method], capture_output=True, text=True, timeout=200)
    assert run.returncode == 0, run.stderr[-500:]
