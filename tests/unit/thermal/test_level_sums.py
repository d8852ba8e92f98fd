"""Rounding of sums over all levels: bounded by what the levels allow, against closed forms and sums in more digits."""

import numpy as np
import pytest

import bdg
from bdg.thermal.level_sums import rounding_of_sums, steepest_slope, thermal_quotients, thermal_weights


def _chain(size, mu, delta, wall=0.0):
    """An open chain; ``wall``: the onsite energy of one more site at its end, which hardly couples."""
    h = -mu * np.eye(size) - np.eye(size, k=1) - np.eye(size, k=-1)
    if wall:
        h = np.block([[h, np.zeros((size, 1))], [np.zeros((1, size)), np.array([[wall]])]])
        h[size, size - 1] = h[size - 1, size] = -1.0
    return bdg.lattices.from_hamiltonian(h, np.arange(len(h)), delta=delta)


def _exact(system, temperature):
    """Sum over momenta of the open chain; a wall acts by 1/wall and is left out."""
    size = system.n_sites
    k = np.pi * np.arange(1, size + 1) / (size + 1)
    xi = -2 * np.cos(k) + system.hamiltonian[0, 0]
    energy = np.hypot(xi, system.delta[0])
    waves = np.sqrt(2 / (size + 1)) * np.sin(np.outer(np.arange(1, size + 1), k))
    thermal = np.tanh(energy / (2 * temperature)) if temperature else 1.0
    return (waves**2 * (system.delta[0] / (2 * energy) * thermal)).sum(axis=1)


@pytest.mark.parametrize("temperature", [0, 1e-4, 0.05, 1.0])
@pytest.mark.parametrize("delta", [0.5, 1e-2])
def test_pair_amplitude_is_as_exact_as_it_says(temperature, delta):
    """And it says no more than the levels allow: not the 4e-12 that stood there at T = 0 whatever the gap."""
    system = _chain(40, -0.3, delta)
    found = bdg.pair_amplitude(system, temperature, method="dense")
    assert abs(found.values - _exact(system, temperature)).max() < found.error < 2e-12 * (0.01 / delta + 0.03)


def test_a_high_wall_costs_digits_of_the_rest_and_is_told():
    """Two sums of the same sites, with the wall first and last, differ by rounding: LAPACK's, relative to the wall."""
    for wall in (1e6, 1e9):
        system = _chain(12, -0.3, 0.3, wall)
        order = np.arange(13)[::-1]
        turned = bdg.lattices.from_hamiltonian(
            system.hamiltonian.toarray()[np.ix_(order, order)], np.arange(13), delta=0.3
        )
        one, two = (bdg.pair_amplitude(s, 0, method="dense") for s in (system, turned))
        assert one.error > np.finfo(float).eps * wall
        assert abs(one.values - two.values[::-1]).max() < one.error + two.error


def test_levels_at_zero_leave_the_ground_state_open():
    """A site at zero energy without pairing: any small pairing would make F = 1/2. It does not spoil other sites."""
    system = bdg.lattices.from_hamiltonian(np.diag([0.0, 0.3, 0.3]), np.arange(3), delta=[0.0, 0.4, 0.0])
    assert bdg.pair_amplitude(system, 0).error > 0.49
    assert bdg.pair_amplitude(system, 0, sites=[1, 2]).error < 1e-14
    assert bdg.pair_amplitude(system, 0.01).error < 1e-12
    assert bdg.electron_density(system, 0, method="dense").error > 0.49


def test_quotients_keep_their_digits_between_close_levels():
    """Close levels, equal ones and far ones against the mean value theorem and plain differences."""
    energies = np.array([-0.4, -1e-3, 0.2, 0.2 + 1e-9, 0.7])
    for temperature in (0.05, 0.01):
        weights, quotients = (f(energies, temperature) for f in (thermal_weights, thermal_quotients))
        slope = 1 / np.cosh(0.1 / temperature) ** 2 / (2 * temperature)
        assert quotients[2, 3] == pytest.approx(slope, rel=1e-7, abs=1e-12)
        assert quotients[0, 4] == pytest.approx((weights[4] - weights[0]) / 1.1, rel=1e-13)
        assert abs(quotients).max() <= steepest_slope(energies, temperature) * (1 + 1e-12)
        assert np.array_equal(quotients, quotients.T)
    ground = thermal_quotients(energies, 0)
    assert ground[1, 2] == pytest.approx(2 / 0.201) and ground[2, 4] == ground[2, 2] == 0
    assert steepest_slope(energies, 0) == pytest.approx(1e3) and rounding_of_sums(energies, 0) > 0
