"""Couplings through a host that pairs itself, against differences of its self-consistent free energy."""

import dataclasses

import numpy as np
import pytest

import bdg
from bdg.granular.beyond_pairs import couplings_through_pairing_host

T = 0.08


def film(attraction, seed=0, grains=3):
    """Grains with imposed Delta in a disordered film whose host has an attraction."""
    rng = np.random.default_rng(seed)
    positions = np.argwhere(np.ones((6, 4))).astype(float)
    near = abs(positions[:, None] - positions[None]).sum(-1) == 1
    h = -near.astype(float) + np.diag(rng.uniform(-1, 1, 24))
    x, y = positions.T
    grain = np.select([(x < 1) & (y < 2), (x > 4) & (y < 2), (x == 3) & (y > 2)], range(3), -1)
    grain = np.where(grain < grains, grain, -1)
    system = bdg.lattices.from_hamiltonian(h, positions, delta=np.where(grain >= 0, 0.4, 0.0), grain=grain)
    return dataclasses.replace(system, attraction=np.where(grain < 0, attraction, 0.0))


def test_they_are_differences_of_the_whole_free_energy():
    """[F(a, -a) - F(a, a)] / 2 a^2 of two phases, from a and a/2; the host's Delta is solved for at each."""
    system = film(1.0)
    whole = bdg.solve_gap(system, T, tol=1e-9)
    assert 0.02 < abs(whole.delta[system.grain < 0]).max() < 0.3
    found = couplings_through_pairing_host(whole.system, T)

    def energy(phases):
        return bdg.solve_gap(system.with_phases(phases), T, tol=1e-9).free_energy

    def coupling(step):
        return (energy([step, -step, 0]) - energy([step, step, 0])) / (2 * step**2)

    expected = (4 * coupling(0.15) - coupling(0.3)) / 3
    assert found[0, 1] == pytest.approx(expected, rel=2e-4)  # of fourth order in 0.3, and F to 1e-12
    fixed = -bdg.grain_landscape(whole.system, T).hessian()
    assert abs(fixed[0, 1] / expected - 1) > 0.05  # the host has to follow
    np.testing.assert_allclose(found, found.T, atol=1e-12)
    assert not np.diag(found).any()


def test_without_attraction_it_is_the_landscape():
    system = film(0.0)
    expected = -bdg.grain_landscape(system, T).hessian()
    np.fill_diagonal(expected, 0)
    np.testing.assert_allclose(couplings_through_pairing_host(system, T), expected, atol=1e-11)


def test_what_it_cannot_do_is_refused():
    system = film(1.0)
    with pytest.raises(ValueError, match="real h and Delta"):
        couplings_through_pairing_host(system.with_phases([0.3, 0, 0]), T)
    against = system.with_delta(np.where(system.grain < 0, -0.1, system.delta))
    with pytest.raises(ValueError, match="no minimum against phases of its host"):
        couplings_through_pairing_host(against, T)
