"""Bound states against dense algebra and closed forms; completeness, counts and refusals."""

import functools
import itertools

import numpy as np
import pytest
import scipy.linalg
from algebra import (
    SIGMA_0,
    SIGMA_Z,
    chain_matrix,
    lowest,
    random_chain,
    random_spinful,
    reference_amplitude,
    square_torus,
    system_bdg,
)
from numpy.testing import assert_allclose

import bdg


@pytest.mark.parametrize("method", ["dense", "shift_invert", "auto"])
@pytest.mark.parametrize("norbs", [1, 2])
def test_bound_states_against_dense_algebra(method, norbs):
    h, delta, positions = random_chain(24) if norbs == 1 else random_spinful(16)
    system = bdg.lattices.from_hamiltonian(h, positions, norbs=norbs, delta=delta)
    n, k = system.n_sites, 10
    matrix = system_bdg(system)
    states = bdg.bound_states(system, k, method=method, tol=1e-11, seed=3)
    assert_allclose(np.abs(states.energies), np.abs(lowest(matrix, k)), atol=1e-10)
    assert_allclose(states.energies[::2], -states.energies[1::2], atol=1e-10)
    assert (np.diff(np.abs(states.energies)) > -1e-12).all()
    assert (states.energies[::2] < 0).all()  # ties: negative first
    shape = (n, k) if norbs == 1 else (n, 2, k)
    assert states.u.shape == states.v.shape == shape
    assert_allclose((np.abs(states.u) ** 2 + np.abs(states.v) ** 2).reshape(-1, k).sum(axis=0), 1, atol=1e-12)
    stacked = np.concatenate([states.u.reshape(-1, k), states.v.reshape(-1, k)])
    assert_allclose(matrix @ stacked, stacked * states.energies, atol=1e-9)
    assert states.residuals.shape == (k,)
    true = np.linalg.norm(matrix @ stacked - stacked * states.energies, axis=0)
    assert_allclose(states.residuals, true, atol=1e-10)
    assert states.complete is True or states.complete == np.True_
    assert isinstance(states.complete, bool)
    assert isinstance(states.count, int)
    assert states.count == k
    if method != "auto":
        assert method in str(states.evidence.method)


def test_bound_states_default_k_and_limits():
    h, positions = square_torus(4, 5, mu=0.37)
    h += np.diag(np.random.default_rng(0).uniform(-0.5, 0.5, 20))
    system = bdg.lattices.from_hamiltonian(h, positions, delta=0.2)
    assert bdg.bound_states(system).energies.shape == (32,)
    assert bdg.bound_states(system, 40).energies.shape == (40,)
    with pytest.raises(ValueError, match="k.*40"):
        bdg.bound_states(system, 41)
    with pytest.raises(ValueError, match=r"\bk\b"):
        bdg.bound_states(system, 0)
    with pytest.raises((TypeError, ValueError), match=r"\bk\b"):
        bdg.bound_states(system, 2.5)
    with pytest.raises(ValueError, match="method.*shift_invert"):
        bdg.bound_states(system, 4, method="magic")
    with pytest.raises(ValueError, match="tol"):
        bdg.bound_states(system, 4, tol=-1)
    with pytest.raises(TypeError, match="[Ss]ystem"):
        bdg.bound_states(h, 4)


@pytest.mark.parametrize("method", ["dense", "shift_invert"])
def test_bound_states_in_a_window(method):
    h, delta, positions = random_chain(30)
    system = bdg.lattices.from_hamiltonian(h, positions, delta=delta)
    levels = np.linalg.eigvalsh(system_bdg(system))
    for window in ((-0.4, 1.1), (0.3, 1.0), (-1.2, -0.5)):
        wanted = levels[(levels >= window[0]) & (levels <= window[1])]
        states = bdg.bound_states(system, 2, window=window, method=method)
        assert len(wanted) > 2
        assert_allclose(np.sort(states.energies), wanted, atol=1e-9)
        assert (np.diff(np.abs(states.energies)) > -1e-12).all()
        assert states.complete
        assert states.u.shape == (30, len(wanted))
    with pytest.raises(ValueError, match="window"):
        bdg.bound_states(system, window=(1.0, 0.5))


@pytest.mark.parametrize("method", ["dense", "shift_invert"])
def test_empty_window_is_an_empty_answer(method):
    """The uniform gap: no state below Delta."""
    h, positions = square_torus(5, 5, mu=0.37)
    system = bdg.lattices.from_hamiltonian(h, positions, delta=0.3)
    states = bdg.bound_states(system, window=(-0.2, 0.25), method=method)
    assert states.energies.shape == (0,)
    assert states.u.shape == (25, 0)
    assert states.complete
    assert states.count == 0


@pytest.mark.parametrize("method", ["dense", "shift_invert"])
def test_k_that_cuts_a_multiplet(method):
    """Levels sqrt(e**2 + Delta**2) of a torus are degenerate; the third positive level of four is cut."""
    h, positions = square_torus(6, 6, mu=-0.55)
    system = bdg.lattices.from_hamiltonian(h, positions, delta=0.3)
    levels = np.sort(np.sqrt(np.linalg.eigvalsh(h) ** 2 + 0.09))
    sizes = [len(list(group)) for _, group in itertools.groupby(np.round(levels, 9))]
    whole = 2 * sizes[0]
    assert sizes[1] > 1
    states = bdg.bound_states(system, whole + 2, method=method)
    assert_allclose(np.abs(states.energies), np.repeat(levels, 2)[: whole + 2], atol=1e-9)
    assert states.complete
    assert states.count == 2 * (sizes[0] + sizes[1])
    assert "multiplet" in str(states.evidence) or "degenerate" in str(states.evidence)


def test_long_ballistic_junction_has_kulik_levels():
    """-2 arccos(E/D) + s phi + 2 E L / v = 2 pi n; S(400) N(200) S(400), mu = 0."""
    delta, length, phi = 0.05, 200, 1.0
    junction = bdg.lattices.stack(
        [
            bdg.lattices.Layer(400, delta=delta),
            bdg.lattices.Layer(length),
            bdg.lattices.Layer(400, delta=delta, phase=phi),
        ]
    )
    grid = np.linspace(0, 0.95, 200001) * delta
    wanted = []
    for sign in (1, -1):
        phase = (-2 * np.arccos(grid / delta) + sign * phi + grid * length) / (2 * np.pi)
        crossed = np.flatnonzero(np.floor(phase[1:]) != np.floor(phase[:-1]))
        wanted.extend(grid[crossed])
    wanted = np.sort(wanted) / delta
    assert_allclose(wanted, [0.17831, 0.34394, 0.69014, 0.84221], atol=1e-4)
    states = bdg.bound_states(junction, 8)
    assert_allclose(np.abs(states.energies[::2]) / delta, wanted, atol=1e-3)
    assert states.complete
    assert states.count == 8
    counted = bdg.count_states(junction, 0.5 * delta)
    assert counted.count == 4


@pytest.mark.parametrize(("phi", "wanted"), [(np.pi / 2, 0.7713115), (np.pi, 0.4471993)])
def test_short_junction_with_a_barrier(phi, wanted):
    """tau = 0.8 on one N site between 1000 S sites; E = Delta sqrt(1 - tau sin(phi/2)**2) to first order in Delta."""
    delta = 0.02
    layers = [
        bdg.lattices.Layer(1000, delta=delta),
        bdg.lattices.Layer(1),
        bdg.lattices.Layer(1000, delta=delta, phase=phi),
    ]
    system = bdg.lattices.stack(layers, barrier=(0, 1.0))
    states = bdg.bound_states(system, 2)
    assert abs(states.energies[0]) / delta == pytest.approx(wanted, abs=1e-6)
    assert abs(states.energies[0]) / delta == pytest.approx(np.sqrt(1 - 0.8 * np.sin(phi / 2) ** 2), abs=0.3 * delta)


def test_classical_spin_through_two_orbitals():
    """J (Delta - E) = kappa sqrt(kappa**2 + 4), both signs of E."""
    n, delta, J = 201, 0.4, 1.5
    onsite = np.zeros((n, 2, 2))
    onsite[n // 2] = J * SIGMA_Z
    h = np.kron(chain_matrix(np.zeros(n), -np.ones(n - 1)), SIGMA_0)
    h += scipy.linalg.block_diag(*onsite)
    system = bdg.lattices.from_hamiltonian(h, np.arange(n)[:, None], norbs=2, delta=delta)
    states = bdg.bound_states(system, 2)
    energy = abs(states.energies[0])
    kappa = np.sqrt(delta**2 - energy**2)
    defect = min(abs(J * (delta - s * energy) - kappa * np.sqrt(kappa**2 + 4)) for s in (1, -1))
    assert defect < 1e-7
    assert_allclose(states.energies, [-energy, energy], atol=1e-10)
    assert states.u.shape == (n, 2, 2)


@functools.cache
def composite_by_dense_algebra(phases):
    """A composite with these phases of its grains, its levels, and F at T = 0.07."""
    system = bdg.lattices.grain_composite(
        (16, 16, 14),
        2,
        volume_fraction=0.2,
        diameter=(5, 6),
        delta=0.4,
        disorder=1.5,
        transparency=0.6,
        host=dict(fraction=0.5, correlation_length=4, onsite=0.5),
        seed=5,
    ).with_phases(dict(phases))
    matrix = system_bdg(system)
    return system, np.linalg.eigvalsh(matrix), reference_amplitude(matrix, 1, 0.07)


@pytest.mark.parametrize("method", ["dense", "shift_invert"])
@pytest.mark.parametrize("phases", [{}, {0: 0.4, 1: -1.1, 2: 2.0}])
def test_composite_states_and_amplitudes_against_dense_algebra(method, phases):
    """Disorder, interfaces, barriers of two phases, grains with phases: levels, completeness, counts and F."""
    system, levels, wanted = composite_by_dense_algebra(tuple(phases.items()))
    assert system.n_sites == 448
    assert system.n_grains >= 3
    states = bdg.bound_states(system, 20, method=method, seed=1)
    assert_allclose(np.abs(states.energies), np.sort(np.abs(levels))[:20], atol=1e-9)
    assert states.complete
    assert states.count == 20
    assert np.iscomplexobj(states.u) == bool(phases)
    assert bdg.count_states(system, 0.3).count == np.sum(np.abs(levels) < 0.3)
    sites = np.flatnonzero(system.grain == -1)[::40]
    largest = np.abs(wanted[sites]).max()
    found = bdg.pair_amplitude(
        system, 0.07, sites=sites, method="chebyshev" if method != "dense" else "dense", tol=1e-4
    )
    deviation = np.abs(found.values - wanted[sites]).max()
    assert deviation <= found.error + 1e-13
    assert found.error <= 1e-4 * largest


@pytest.mark.parametrize("call", ["bound_states", "pair_amplitude"])
def test_a_dense_matrix_that_does_not_fit_is_refused(call):
    system = bdg.lattices.stack([bdg.lattices.Layer(300_000, delta=0.1)])
    with pytest.raises(bdg.MemoryBudgetError, match="GiB.*fit"):
        getattr(bdg, call)(system, 1, method="dense")


@pytest.mark.parametrize("call", ["bound_states", "pair_amplitude", "count_states"])
def test_asking_for_a_gpu_never_falls_back(call):
    h, delta, positions = random_chain()
    system = bdg.lattices.from_hamiltonian(h, positions, delta=delta)
    try:
        result = getattr(bdg, call)(system, 1, device="gpu")
    except bdg.BackendUnavailableError as error:
        assert "cpu" in str(error)
    else:
        assert result.evidence.device == "gpu"


@pytest.mark.parametrize("method", ["lanczos", "chebyshev"])
def test_methods_of_bound_states_to_come_are_named(method):
    """Solved, or refused with the methods that are there."""
    h, delta, positions = random_chain()
    system = bdg.lattices.from_hamiltonian(h, positions, delta=delta)
    try:
        states = bdg.bound_states(system, 4, method=method)
    except ValueError as error:
        assert "shift_invert" in str(error)
    else:
        assert_allclose(np.abs(states.energies), np.abs(lowest(system_bdg(system), 4)), atol=1e-9)
