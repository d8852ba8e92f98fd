"""Slopes of levels against grain phases: finite differences, the short junction, degenerate levels, sum rules."""

import numpy as np
import pytest
import scipy.sparse as sp

import bdg
from bdg.lattices import Layer

STEP = 1e-5  # central differences: truncation about 1e-10, rounding 1e-15/1e-5


def random_system(norbs, seed=0, sites=24, outside=True):
    """Four grains of random phases; bond pairing everywhere (``outside``) or within the grains only."""
    rng = np.random.default_rng(seed)
    n = norbs * sites
    h = rng.standard_normal((n, n)) + 1j * rng.standard_normal((n, n))
    delta, grain = np.zeros(sites, dtype=complex), np.full(sites, -1)
    for number in range(4):
        inside = slice(5 * number, 5 * number + 3)
        delta[inside], grain[inside] = 0.5 * np.exp(2j * np.pi * rng.random(3)), number
    d = rng.standard_normal((n, n)) + 1j * rng.standard_normal((n, n))
    flip = np.kron(np.eye(sites), [[0, -1j], [1j, 0]]) if norbs == 2 else np.eye(n)
    d = (d + flip @ d.T @ flip) / 10
    if not outside:
        of = np.repeat(grain, norbs)
        d = d * ((of[:, None] == of[None, :]) & (of >= 0))
    fields = {"norbs": norbs, "delta": delta, "pairing": sp.csr_matrix(d), "grain": grain}
    return bdg.lattices.from_hamiltonian((h + h.conj().T) / 4, np.arange(sites)[:, None], **fields)


def all_levels(system):
    return np.sort(bdg.bound_states(system, 2 * system.norbs * system.n_sites).energies)


@pytest.mark.parametrize("norbs", [1, 2])
@pytest.mark.parametrize("outside", [True, False])
def test_slopes_are_the_derivatives_of_the_levels(norbs, outside):
    system = random_system(norbs, outside=outside)
    states = bdg.bound_states(system, 2 * norbs * system.n_sites)
    found = bdg.phase_response(system, states)
    order = np.argsort(states.energies)
    for grain in range(4):
        up, down = (all_levels(system.with_phases({grain: sign * STEP})) for sign in (1, -1))
        np.testing.assert_allclose(found.slopes[order, grain], (up - down) / (2 * STEP), atol=2e-9)
    assert found.evidence.gauge_complete is not outside
    if not outside:  # a phase common to all is a gauge
        np.testing.assert_allclose(found.slopes.sum(axis=1), 0, atol=1e-12)
        assert found.evidence.sum_rule < 1e-12
    else:
        assert found.evidence.sum_rule > 1e-3


def test_the_slope_of_a_short_junction():
    """E = Delta sqrt(1 - tau sin^2(phi/2)): dE/dphi = -Delta^2 tau sin(phi)/(4 E); of N: O(Delta)."""
    delta, phase = 0.05, 2.0
    layers = [Layer(150, delta=delta), Layer(1, onsite=1.0), Layer(150, delta=delta)]
    system = bdg.lattices.stack(layers).with_phases({1: phase})
    states = bdg.bound_states(system, 2)
    found = bdg.phase_response(system, states)
    tau = 1 / (1 + 1.0**2 / 4)
    slope = -(delta**2) * tau * np.sin(phase) / (4 * delta * np.sqrt(1 - tau * np.sin(phase / 2) ** 2))
    positive = int(np.argmax(states.energies))
    assert found.slopes[positive, 1] == pytest.approx(slope, rel=0.6 * delta)  # first order in Delta/t: L = 1 site
    np.testing.assert_allclose(found.slopes[:, 0], -found.slopes[:, 1], atol=1e-10)
    np.testing.assert_allclose(found.slopes[positive], -found.slopes[1 - positive], atol=1e-10)  # the partner at -E
    np.testing.assert_allclose(found.grains_touched, 2, atol=1e-6)
    assert found.grains_sensitive.tolist() == [2, 2]


def test_a_crossing_gives_the_slopes_of_both_branches():
    """tau = 1, phi = pi: E = +-Delta cos(phi/2) cross at zero with slopes -+Delta/2, shortened by the N site."""
    delta = 0.1
    system = bdg.lattices.stack([Layer(150, delta=delta), Layer(1), Layer(150, delta=delta)]).with_phases({1: np.pi})
    states = bdg.bound_states(system, 2)
    found = bdg.phase_response(system, states)
    assert abs(states.energies).max() < 1e-10
    # the N site and the lattice lengthen the junction: E (1 + Delta/2) = Delta cos(phi/2) to first order
    np.testing.assert_allclose(found.slopes[:, 1], [-delta / 2, delta / 2], rtol=0.6 * delta)
    moved = [np.sort(bdg.bound_states(system.with_phases({1: s * 1e-4}), 2).energies) for s in (1, -1)]
    np.testing.assert_allclose((moved[0] + moved[1]) / 2, [moved[0][0], moved[0][1]], atol=1e-9)  # a crossing indeed
    np.testing.assert_allclose(found.slopes[:, 1], moved[0] / 1e-4, rtol=1e-6)
    assert found.evidence.multiplets == 1


def test_a_spin_degenerate_system_gives_each_slope_twice(spinful):
    system = bdg.lattices.stack([Layer(8, delta=0.3), Layer(3), Layer(8, delta=0.3)], mu=0.2).with_phases({1: 1.0})
    single = bdg.phase_response(system, bdg.bound_states(system, 8))
    double = spinful(system)
    states = bdg.bound_states(double, 16)
    found = bdg.phase_response(double, states)
    for column in (0, 1):
        np.testing.assert_allclose(
            np.sort(found.slopes[:, column]), np.sort(np.repeat(single.slopes[:, column], 2)), atol=1e-11
        )
    np.testing.assert_allclose(np.sort(found.participation), np.sort(np.repeat(single.participation, 2)), rtol=1e-9)
    assert found.evidence.multiplets == 8


def test_a_cut_multiplet_has_no_slopes(spinful):
    system = spinful(bdg.lattices.stack([Layer(8, delta=0.3), Layer(3), Layer(8, delta=0.3)]).with_phases({1: 1.0}))
    states = bdg.bound_states(system, 6)
    found = bdg.phase_response(system, states)
    assert np.isfinite(found.slopes[:4]).all() and np.isnan(found.slopes[4:]).all()
    assert np.isnan(found.grains_touched[4:]).all() and np.isnan(found.grains_sensitive[4:]).all()
    assert "2 states belong to a multiplet that k cuts" in found.evidence.cut_multiplets


def test_participation_counts_the_host_sites_that_a_state_covers():
    """A chain of n uncoupled host sites: sin^2 profiles have (sum p)^2/sum p^2 = 2 (n + 1)/3."""
    n = 20
    h = np.zeros((n + 2, n + 2))
    h[1 : n + 1, 1 : n + 1] = -np.eye(n, k=1) - np.eye(n, k=-1) - 0.3 * np.eye(n)
    delta = np.zeros(n + 2)
    delta[[0, -1]] = 3.0
    system = bdg.lattices.from_hamiltonian(h, np.arange(n + 2), delta=delta)
    found = bdg.phase_response(system, bdg.bound_states(system, 8))
    np.testing.assert_allclose(found.participation, 2 * (n + 1) / 3, rtol=1e-10)
    np.testing.assert_allclose(found.host_weight, 1, atol=1e-12)
    assert np.isnan(found.grains_touched).all() and (found.grains_sensitive == 0).all()


def test_participation_does_not_depend_on_the_basis_of_a_multiplet():
    """A ring of n host sites: levels k and -k together cover all of it, whatever combinations the solver returns."""
    n = 12
    h = np.zeros((n + 1, n + 1))
    ring = np.roll(np.eye(n), 1, axis=0)
    h[:n, :n] = -(ring + ring.T) - 0.5 * np.eye(n)
    delta = np.zeros(n + 1)
    delta[n] = 3.0
    system = bdg.lattices.from_hamiltonian(h, np.arange(n + 1), delta=delta)
    states = bdg.bound_states(system, 2 * n)
    found = bdg.phase_response(system, states)
    host = found.host_weight > 0.5
    np.testing.assert_allclose(found.participation[host], n, rtol=1e-9)
    assert found.evidence.multiplets >= 4


@pytest.mark.parametrize("phase", [0.0, np.pi])
def test_real_systems_have_no_slopes(phase):
    system = bdg.lattices.stack([Layer(8, delta=0.3), Layer(3, onsite=0.4), Layer(8, delta=0.3)], mu=0.3)
    system = system.with_phases({1: phase})
    found = bdg.phase_response(system, bdg.bound_states(system, 4))
    np.testing.assert_allclose(found.slopes, 0, atol=1e-13)
    assert np.isnan(found.grains_touched).all()


def test_large_systems_use_the_same_formula():
    """Sparse states of a composite: slopes against differences of certified levels, and the sum rule."""
    system = bdg.lattices.grain_composite((10, 10, 10), 1, volume_fraction=0.1, diameter=4, disorder=1.0, seed=4)
    phases = np.random.default_rng(1).uniform(0, 2 * np.pi, system.n_grains)
    system = system.with_phases(phases)
    states = bdg.bound_states(system, 6)
    found = bdg.phase_response(system, states)
    step = 1e-4  # levels are good to 1e-12; the second derivative is about 0.1
    up, down = (np.sort(bdg.bound_states(system.with_phases({0: s * step}), 6).energies) for s in (1, -1))
    np.testing.assert_allclose(found.slopes[np.argsort(states.energies), 0], (up - down) / (2 * step), atol=1e-7)
    assert found.evidence.sum_rule < 1e-8
    assert (found.grains_touched >= 1).all() and (found.grains_touched <= system.n_grains).all()


def test_bad_input_is_refused():
    system = bdg.lattices.stack([Layer(5, delta=0.3), Layer(3), Layer(5, delta=0.3)])
    states = bdg.bound_states(system, 4)
    with pytest.raises(ValueError, match="states are not those of this system"):
        bdg.phase_response(system.with_phases({1: 1.0}), states)
    with pytest.raises(ValueError, match=r"need|needs"):
        bdg.phase_response(bdg.lattices.stack([Layer(5, delta=0.3)]), states)
    with pytest.raises(TypeError, match="states must be a result of bdg.bound_states"):
        bdg.phase_response(system, states.energies)
    bare = bdg.lattices.stack([Layer(5)])
    with pytest.raises(ValueError, match="no grain whose phase"):
        bdg.phase_response(bare, bdg.bound_states(bare, 4))


def test_save_load_plot(tmp_path):
    system = random_system(1)
    found = bdg.phase_response(system, bdg.bound_states(system, 20))
    found.save(tmp_path / "response.h5")
    again = bdg.load(tmp_path / "response.h5")
    np.testing.assert_array_equal(again.slopes, found.slopes)
    assert again.evidence.sum_rule == found.evidence.sum_rule
    figure = again.plot()
    assert figure.axes[0].get_ylabel().startswith(r"$\partial E")


def walled(wall, weak=1.0):
    """Return S/N/S of 4 x 9 sites with six blocked sites in N (left out where wall is None), and the scale of D."""
    rng = np.random.default_rng(8)
    places = np.stack(np.meshgrid(np.arange(9), np.arange(4), indexing="ij"), -1).reshape(-1, 2)
    near = abs(places[:, None] - places[None]).sum(axis=2) == 1
    blocked = np.zeros(36, dtype=bool)
    blocked[[13, 18, 15, 21, 16, 22]] = True
    h = -near.astype(float) + np.diag(0.3 * rng.random(36) + (0.0 if wall is None else wall) * blocked)
    delta = np.where(places[:, 0] < 3, 0.4, 0.0) + np.where(places[:, 0] > 5, 0.4 * weak, 0.0)
    grain = np.where(places[:, 0] < 3, 0, np.where(places[:, 0] > 5, 1, -1))
    left = np.flatnonzero(~blocked) if wall is None else np.arange(36)
    system = bdg.lattices.from_hamiltonian(
        h[np.ix_(left, left)], places[left], delta=delta[left].astype(complex), grain=grain[left]
    )
    return system.with_phases({1: 1.0})


@pytest.mark.parametrize("wall", [1e6, 1e7, 1e8])
def test_hard_walls_make_no_multiplet(wall):
    """Slopes are those without the blocked sites, but for terms of t/V; 1e-9 max|H| made one multiplet of all levels.

    Dense levels are wrong by eps V, so slopes by that over their distance (1e-2 and more).
    """
    expected = bdg.phase_response(walled(None), bdg.bound_states(walled(None), 8, method="dense"))
    system = walled(wall)
    states = bdg.bound_states(system, 8, method="dense")
    found = bdg.phase_response(system, states)
    assert found.evidence.multiplets == expected.evidence.multiplets == 0
    error = 100 / wall + 1e-13 * wall
    np.testing.assert_allclose(found.slopes, expected.slopes, atol=error)
    np.testing.assert_allclose(found.grains_touched, expected.grains_touched, atol=100 * error)
    with pytest.raises(ValueError, match="states are not those of this system"):
        bdg.phase_response(system.with_phases({1: 1.5}), states)


def test_a_grain_of_weak_pairing_has_its_own_smallest_slope():
    """Beside D = 4e8 in another grain, slopes of 1e-9 of that were called rounding: none was seen."""
    h = -np.diag(np.ones(5), 1) - np.diag(np.ones(5), -1)
    h = np.kron(np.diag([1.0, 0.0]), h) + np.kron(np.diag([0.0, 1.0]), np.zeros((6, 6)))
    delta = np.concatenate([[0.3, 0.3, 0, 0, 0.3, 0.3], 4e8 * np.ones(6)])
    grain = np.concatenate([[0, 0, -1, -1, 1, 1], 2 * np.ones(6, dtype=int)])
    system = bdg.lattices.from_hamiltonian(h, np.arange(12), delta=delta.astype(complex), grain=grain)
    system = system.with_phases({1: 1.0})
    found = bdg.phase_response(system, bdg.bound_states(system, 4, method="dense"))
    np.testing.assert_allclose(found.grains_touched, 2, atol=1e-5)
    assert found.grains_sensitive.tolist() == [2, 2, 2, 2]
