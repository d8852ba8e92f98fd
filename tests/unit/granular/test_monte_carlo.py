"""Monte Carlo of phases against transfer matrices, integrals, the harmonic limit and the cubic lattice."""

import numpy as np
import pytest
from scipy.special import ive

import bdg
from bdg.granular import Network, sample_phases
from bdg.granular.monte_carlo import PhaseRun, standard_error
from bdg.granular.xy_replicas import Replicas, SpinBonds

SIGMAS = 4.5  # of some tens of numbers, seeded


def ring(couplings):
    couplings = np.asarray(couplings, dtype=float)
    sites = np.arange(couplings.size)
    pairs = np.stack([sites, (sites + 1) % couplings.size], axis=1)
    return Network(pairs, couplings, np.ones((sites.size, 1)), n_sites=max(1, sites.size), volume=max(1, sites.size))


def exact_ring(couplings, temperature, twist=1e-3):
    """Energy per site and helicity of a ring from Z(k) = sum_m prod_b I_m(J_b/T) exp(i m N k)."""
    couplings, orders = np.asarray(couplings, dtype=float), np.arange(-60, 61)

    def log_z(beta, k=0.0):
        terms = np.prod([ive(abs(orders), beta * j) for j in couplings], axis=0)
        return np.log((terms * np.cos(orders * couplings.size * k)).sum()) + beta * couplings.sum()

    beta, step = 1 / temperature, 1e-4
    energy = -(log_z(beta + step) - log_z(beta - step)) / (2 * step) / couplings.size
    curvature = 2 * (log_z(beta) - log_z(beta, twist)) / twist**2
    return energy, temperature * curvature / couplings.size


def assert_within(found, error, expected):
    found, error = np.atleast_1d(found), np.atleast_1d(error)
    assert (abs(found - expected) <= SIGMAS * error + 2e-6 * abs(found)).all(), (found, error, expected)


@pytest.mark.parametrize("couplings", [[1.0, 1.0], [1.0] * 5, [0.3, 2.0, 1.0], [1.0, 5.0, 0.2, 1.0]])
def test_rings_are_those_of_the_transfer_matrix(couplings):
    temperatures = [1.5, 0.25, 0.7]
    found = sample_phases(ring(couplings), temperatures, samples=9600, seed=4)
    assert found.temperatures.tolist() == temperatures
    assert found.evidence.drift < found.evidence.drift_allowed
    for place, temperature in enumerate(temperatures):
        energy, helicity = exact_ring(couplings, temperature)
        assert_within(found.energy[place], found.energy_error[place], energy)
        assert_within(found.helicity[place, 0], found.helicity_error[place, 0], helicity)
    assert (found.energy_error < 0.02).all()
    assert (found.helicity_error < 0.03).all()


def test_a_triangle_with_displacements_of_its_own():
    """Two phases left: summed on a grid, exact for functions as smooth as these."""
    couplings, temperature = np.array([1.0, 0.4, 2.5]), 0.6
    pairs, steps = [[0, 1], [1, 2], [0, 2]], np.array([[1.0, 0.2], [0.5, -1.0], [-2.0, 0.7]])
    a, b = np.meshgrid(*[2 * np.pi * np.arange(128) / 128] * 2, indexing="ij")
    angles = np.array([a, b - a, b])  # of the second less that of the first site
    weight = np.exp(np.einsum("b,bxy->xy", couplings / temperature, np.cos(angles)))
    weight /= weight.sum()
    energy = -(weight * np.einsum("b,bxy->xy", couplings, np.cos(angles))).sum() / 3
    first = np.einsum("b,bd,bxy,xy->d", couplings, steps**2, np.cos(angles), weight)
    current = np.einsum("b,bd,bxy->dxy", couplings, steps, np.sin(angles))
    helicity = (first - (current**2 * weight).sum(axis=(1, 2)) / temperature) / 7.0
    found = sample_phases(Network(pairs, couplings, steps, n_sites=3, volume=7.0), temperature, samples=20000)
    assert_within(found.energy, found.energy_error, energy)
    assert_within(found.helicity[0], found.helicity_error[0], helicity)


def test_a_bond_to_its_own_image_and_repeated_bonds():
    """A loop on one site is a constant; two bonds between the same sites are one of the sum, if they are parallel."""
    lone = Network([[0, 0]], [2.0], [[3.0, 0, 1.0]], n_sites=1, volume=5.0)
    found = sample_phases(lone, [0.3, 2.0], samples=64)
    np.testing.assert_allclose(found.energy, -2)
    np.testing.assert_allclose(found.helicity, np.tile([2 * 9 / 5, 0, 2 / 5], (2, 1)), rtol=1e-6)
    double = Network([[0, 1], [1, 0]], [0.4, 0.6], [[1.0], [-1.0]], n_sites=2, volume=2.0)
    found = sample_phases(double, 0.5, samples=9600)
    assert_within(found.energy, found.energy_error, -ive(1, 2) / ive(0, 2) / 2)
    assert_within(found.helicity[0], found.helicity_error[0], 0)


def test_cold_phases_are_those_of_the_relaxed_network():
    """T -> 0: energy -sum J + T (N - 1)/2 (equipartition), helicity that of the resistor network."""
    rng = np.random.default_rng(1)
    cubic = Network.cubic(3)
    couplings = np.exp(1.5 * rng.standard_normal(81))
    network = Network(cubic.pairs, couplings, cubic.displacements, n_sites=27, volume=27.0)
    temperature = 2e-3
    found = sample_phases(network, temperature, samples=1600)
    np.testing.assert_allclose(found.helicity[0], network.relaxed_stiffness(), rtol=0.01)
    assert found.energy[0] == pytest.approx(-couplings.sum() / 27 + temperature * 26 / 54, abs=2e-5)
    assert found.helicity_error.max() < 0.005


def test_hot_phases_are_independent():
    """T -> infinity: energy -sum J^2/2T, no helicity."""
    found = sample_phases(Network.cubic(4), 100.0, samples=3200)
    assert_within(found.energy, found.energy_error, -3 / 200)
    assert_within(found.helicity[0], found.helicity_error[0], 0)


def test_units_sites_alone_and_repetition():
    network = Network.cubic(2)
    found = sample_phases(network, [1.0, 2.0], samples=640, seed=7)
    again = sample_phases(network, [1.0, 2.0], samples=640, seed=7)
    assert np.array_equal(found.helicity, again.helicity)
    other = sample_phases(network, [1.0, 2.0], samples=640, seed=8)
    assert not np.array_equal(found.helicity, other.helicity)
    scale = 1e-23
    scaled = Network(network.pairs, scale * network.couplings, 2 * network.displacements, n_sites=10, volume=64.0)
    small = sample_phases(scaled, [scale, 2 * scale], samples=640, seed=7)
    np.testing.assert_allclose(small.helicity, found.helicity * scale / 2, rtol=1e-4)
    np.testing.assert_allclose(small.energy * 10, found.energy * 8 * scale, rtol=1e-4)


def test_without_couplings_nothing_happens():
    network = Network([[0, 1]], [0.0], [[1.0, 0, 0]], n_sites=5, volume=5.0)
    found = sample_phases(network, [1.0, 2.0])
    assert not found.energy.any()
    assert not found.helicity.any()
    assert not found.helicity_error.any()


def test_clusters_and_over_relaxation_leave_lengths_and_energies():
    bonds = SpinBonds.of([Network.cubic(4)], [1.0])
    replicas = Replicas(bonds, np.array([1.0, 2.0]), 4, [3])
    for _ in range(5):
        replicas.sweep()
    before = replicas.sums()[0]
    for part in range(2):
        replicas.over_relax(part)
    np.testing.assert_allclose(replicas.sums()[0], before, rtol=1e-5)
    replicas.reflect_clusters()
    np.testing.assert_allclose((replicas.spins**2).sum(axis=1), 1, atol=1e-5)


def test_networks_side_by_side_are_those_alone():
    """Each with couplings over its own temperature."""
    networks = [ring([1.0, 1.0, 0.5]), ring([2.0] * 5), ring([])]
    run = PhaseRun.of(networks, np.ones(1), 9600, [2], scales=[1 / 0.5, 1 / 1.5, 1.0])
    assert run.halves.shape[2:] == (3, 1, 2)
    assert not run.halves[:, :, 2].any()
    for place, (couplings, temperature) in enumerate([([1.0, 1.0, 0.5], 0.5), ([2.0] * 5, 1.5)]):
        energy, helicity = exact_ring(couplings, temperature)
        found, error = run.energy[:, place, 0], standard_error(run.energy[:, place, 0])
        assert_within(temperature * found.mean(), temperature * error, energy)
        found, error = run.helicity[:, place, 0], standard_error(run.helicity[:, place, 0])
        assert_within(temperature * found.mean(axis=0), temperature * error, helicity)


def test_cubic_lattice_of_64():
    """Against Metropolis' algorithm on angles, 4e5 sweeps of another program: errors .002 and .001."""
    found = sample_phases(Network.cubic(4), [2.0, 2.2], samples=4800)
    assert_within(found.energy, np.hypot(found.energy_error, 0.002), [-1.4960, -1.2143])
    for axis in range(3):
        assert_within(found.helicity[:, axis], np.hypot(found.helicity_error[:, axis], 0.001), [0.4028, 0.2728])


def test_a_run_out_of_equilibrium_says_so(monkeypatch):
    """From parallel spins at once: the first sweeps are colder than the rest."""
    from bdg.granular import monte_carlo

    monkeypatch.setattr(monte_carlo, "LEAST_WARMING", 0)
    monkeypatch.setattr(monte_carlo, "WARMING", 0.0)
    with pytest.warns(bdg.AccuracyWarning, match="has not reached equilibrium"):
        found = sample_phases(Network.cubic(4), [2.6, 3.0], samples=64)
    assert found.evidence.drift > found.evidence.drift_allowed


def test_the_result_is_stored_and_drawn(tmp_path):
    found = sample_phases(Network.cubic(2), [3.0, 1.0], samples=64)
    found.save(tmp_path / "phases.h5")
    loaded = bdg.load(tmp_path / "phases.h5")
    assert isinstance(loaded, bdg.granular.PhaseSamples)
    for name in ("temperatures", "energy", "energy_error", "helicity", "helicity_error"):
        assert np.array_equal(getattr(loaded, name), getattr(found, name))
    assert loaded.evidence.sweeps == found.evidence.sweeps
    assert len(found.plot().axes[0].lines) >= 3


@pytest.mark.parametrize(
    ("arguments", "kind", "message"),
    [
        ({"network": 3}, TypeError, "network must be a bdg.granular.Network"),
        ({"temperatures": [1.0, 0.0]}, ValueError, "temperatures must be > 0 and finite.*got 0.0"),
        ({"temperatures": "hot"}, TypeError, "temperatures must be a real number"),
        ({"samples": 0}, ValueError, "samples must be a whole number >= 1"),
        ({"seed": -1}, ValueError, "seed must be a whole number"),
        ({"device": "gpu"}, ValueError, "sample_phases runs on the CPU only"),
        ({"device": "tpu"}, ValueError, "device must be 'auto' or 'cpu'"),
    ],
)
def test_wrong_arguments_are_refused(arguments, kind, message):
    given = {"network": Network.cubic(2), "temperatures": [1.0], **arguments}
    with pytest.raises(kind, match=message):
        sample_phases(given.pop("network"), given.pop("temperatures"), **given)
