"""Resistance of networks with thermal noise: the exact junction, free and locked phases, Kirchhoff, percolation."""

import numpy as np
import pytest
from numpy.testing import assert_allclose

import bdg
from bdg.granular import Network, activated_resistance, effective_conductivity, network_resistance, thermal_resistance
from bdg.granular.activated import _first_around
from bdg.granular.dynamics import thermal_flow

JUNCTION = Network([[0, 0]], [1.0], [[1.0]], n_sites=1, volume=1.0)


def rescaled(network, couplings):
    return Network(network.pairs, couplings, network.displacements, n_sites=network.n_sites, volume=network.volume)


def broad(length, breadth, seed=0):
    cubic = Network.cubic(length)
    return rescaled(cubic, np.exp(breadth * np.random.default_rng(seed).standard_normal(len(cubic.pairs))))


@pytest.mark.parametrize("bias", [0.5, 1.2])
def test_one_junction_is_that_of_ambegaokar_and_halperin(bias):
    """Exact at any bias; steps of .3 leave less than .003, the statistical error is .003."""
    u = np.array([0.3, 1.0, 3.0])
    found = network_resistance(JUNCTION, 1 / u, bias=bias, tol=0.003, replicas=1000)
    assert (abs(found.resistance - thermal_resistance(u, bias)) < 0.003 + 4 * found.error).all()
    assert (found.error <= 0.003).all()


def test_units_and_conductances_of_one_junction():
    """R/R_N depends on E/T and I/I_c alone: bit for bit if scaled by powers of two."""
    plain = network_resistance(JUNCTION, [1.0], bias=0.5, replicas=16, tol=1.0)
    other = Network([[0, 0]], [8.0], [[4.0]], n_sites=1, volume=4.0)
    scaled = network_resistance(other, [8.0], conductances=0.25, bias=0.5, replicas=16, tol=1.0)
    assert_allclose(scaled.resistance, plain.resistance, rtol=1e-5)


def test_junctions_in_series_around_the_ring():
    """Two junctions share the current: the mean of their resistances, weighted with R_N."""
    ring = Network([[0, 1], [1, 0]], [1.0, 2.0], [[1.0], [1.0]], n_sites=2, volume=2.0)
    found = network_resistance(ring, [1.0], conductances=[1.0, 3.0], bias=0.5, tol=0.005, replicas=500)
    current = 0.5 * 4 / 3  # bias Y/a, Y = (1/2) 2^2/(1 + 1/2), a = 1
    expected = (thermal_resistance(1.0, current) + thermal_resistance(2.0, current / 2) / 3) / (4 / 3)
    assert abs(found.resistance[0] - expected) < 0.003 + 4 * found.error[0]


def test_couplings_over_four_decades_in_series_and_parallel():
    """Each link is two junctions side by side, one of E = .02 .. 200; stiff ones may lack .01 of their own voltage."""
    couplings, resistances = np.array([0.02, 0.5, 3.0, 20.0, 200.0]), np.array([1.0, 2.0, 0.5, 1.0, 3.0])
    pairs = np.repeat([[k, (k + 1) % 5] for k in range(5)], 2, axis=0)
    shares = np.array([0.1, 0.9])
    ring = Network(pairs, np.outer(couplings, shares).ravel(), np.ones((10, 1)), n_sites=5, volume=5.0)
    conductances = np.outer(1 / resistances, [0.7, 0.3]).ravel()
    found = network_resistance(ring, [1.0], conductances=conductances, bias=20.0, tol=0.01, replicas=200)
    current = 20.0 * 5 / (1 / couplings).sum()  # bias Y/a, Y = 5/sum(1/E), a = 1
    expected = (resistances * thermal_resistance(couplings, current / couplings)).sum() / resistances.sum()
    assert 0.1 < expected < 0.9
    assert abs(found.resistance[0] - expected) < 0.005 + 4 * found.error[0]
    assert found.evidence.stiff_bonds == [3]


def test_stiff_bonds_change_nothing_but_the_time(monkeypatch):
    """Couplings over four decades on a cubic network: as with a step that resolves the stiffest of them."""
    network = broad(2, 2.0)
    stepped = network_resistance(network, [1.0], conductances=1.0, bias=0.2, tol=0.02, seed=1)
    monkeypatch.setattr(thermal_flow, "SLIPPING", 0.0)
    explicit = network_resistance(network, [1.0], conductances=1.0, bias=0.2, tol=0.02, seed=2)
    assert stepped.evidence.stiff_bonds[0] > 0 == explicit.evidence.stiff_bonds[0]
    error = np.hypot(stepped.error, explicit.error)
    assert abs(stepped.resistance - explicit.resistance) < 0.01 + 4 * error
    assert stepped.evidence.time[0] / stepped.evidence.steps > 2 * explicit.evidence.time[0] / explicit.evidence.steps


def test_lengths_in_another_unit_change_nothing():
    """In three dimensions Y a is an energy: a network in nanometres is stepped as one in units of its spacing."""
    cubic, steps = Network.cubic(2), 41.0
    longer = Network(cubic.pairs, cubic.couplings, steps * cubic.displacements, n_sites=8, volume=8 * steps**3)
    plain, other = (network_resistance(n, [3.0], replicas=4, tol=1.0, bias=0.3) for n in (cubic, longer))
    assert other.evidence.time[0] == pytest.approx(plain.evidence.time[0], rel=1e-3)
    assert other.resistance[0] == pytest.approx(plain.resistance[0], rel=0.02)


def test_a_motion_that_is_not_steady_is_told(monkeypatch):
    """Records that grow with time: the halves differ by far more than their errors."""
    run, calls = thermal_flow.ThermalFlow.run, iter(range(1000))

    def growing(self, steps):
        moved, noise = run(self, steps)
        return moved + 0.1 * next(calls), noise

    monkeypatch.setattr(thermal_flow.ThermalFlow, "run", growing)
    with pytest.warns(bdg.AccuracyWarning, match="have not come to a steady motion"):
        network_resistance(JUNCTION, [1.0], tol=0.1, replicas=32, bias=1.0)


def test_hot_networks_are_normal_and_cold_ones_superconduct():
    """Free phases feel E/T = .005; locked ones do not move. The noise is taken off whole, or not at all."""
    found = network_resistance(Network.cubic(3), [200.0, 0.5], bias=0.2, replicas=32)
    assert abs(found.resistance - [1.0, 0.0]).max() < 0.01 + 3 * found.error.max()
    assert found.resistance[1] == pytest.approx(0, abs=3 * found.error[1] + 1e-3)
    assert found.evidence.noise_share[0] == pytest.approx(1, abs=0.05)
    assert found.evidence.noise_share[1] == pytest.approx(0, abs=0.05)


def test_couplings_that_depend_on_temperature():
    """E = 2/T at T is what E = 1 is at T^2/2; sines in single precision leave 3e-4."""
    fixed = network_resistance(Network.cubic(2), [2.0, 4.5], bias=0.3, replicas=8, tol=1.0)
    found = network_resistance(lambda t: Network.cubic(2, 2 / t), [2.0, 3.0], bias=0.3, replicas=8, tol=1.0)
    assert_allclose(found.resistance, fixed.resistance, rtol=1e-3)


@pytest.mark.slow
def test_the_cubic_network_loses_its_resistance_where_its_phases_lock():
    """kT/J = 2.20; below R = 0 within the error, above more than junctions one by one would lose."""
    temperatures = [1.5, 1.8, 2.4, 3.0, 6.0]
    found = network_resistance(Network.cubic(8), temperatures, bias=0.1, tol=0.01)
    alone = activated_resistance(Network.cubic(8), temperatures)
    assert abs(found.resistance[:2]).max() < 0.03
    assert (found.resistance[2:] > 0.5).all() and (np.diff(found.resistance) > -0.03).all()
    assert found.resistance[2] < alone[2] - 0.2


def test_a_missed_error_is_told_and_results_are_stored(tmp_path):
    with pytest.warns(bdg.AccuracyWarning, match="the standard error of R/R_N is .* 0.0001 was wanted"):
        found = network_resistance(JUNCTION, [1.0, 2.0], tol=1e-4, replicas=8, most_steps=800)
    found.save(tmp_path / "resistance.h5")
    loaded = bdg.load(tmp_path / "resistance.h5")
    assert np.array_equal(loaded.resistance, found.resistance) and loaded.evidence.steps == 800
    assert len(found.plot().axes[0].lines) >= 2


def test_equal_bonds_slip_alike():
    temperatures = np.array([0.02, 0.1, 1.0, 5.0])
    found = activated_resistance(Network.cubic(3), temperatures)
    assert_allclose(found, thermal_resistance(1 / temperatures), rtol=1e-12)
    assert activated_resistance(Network.cubic(3), 1e-4) == 0  # e^-20000
    assert isinstance(activated_resistance(Network.cubic(2), 1.0), float)
    assert activated_resistance(Network.cubic(3), [0.5, 5.0], locking_temperature=2.2)[0] == 0


def test_bonds_in_series_add_up():
    ring = Network([[0, 1], [1, 0]], [3.0, 50.0], [[1.0], [1.0]], n_sites=2, volume=2.0)
    found = activated_resistance(ring, [0.1, 1.0, 100.0], conductances=[1.0, 4.0])
    u = np.array([30.0, 3.0, 0.03])
    expected = (thermal_resistance(u) + thermal_resistance(u * 50 / 3) / 4) / 1.25
    assert_allclose(found, expected, rtol=1e-12)


def test_broad_couplings_are_a_problem_of_percolation():
    """-T ln(R/R_N)/2 becomes the coupling that closes the first path; R lies between that and all bonds in series."""
    network = broad(5, 1.5)
    deciding = np.exp(_first_around(network, np.log(network.couplings), 0))
    cold = deciding / 150
    assert -cold * np.log(activated_resistance(network, cold, conductances=1.0)) / 2 == pytest.approx(
        deciding, rel=0.05
    )


@pytest.mark.parametrize("temperature", [0.4, 1.0])
def test_resistance_lies_between_the_means(temperature):
    """Conductivities: below the mean of the bonds, above the harmonic mean (bounds of Wiener)."""
    network, normal = broad(4, 1.0), np.ones(192)
    bonds = normal / thermal_resistance(network.couplings / temperature)
    inverse = 1 / activated_resistance(network, temperature, conductances=1.0)
    along = network.displacements[:, 0] == 1
    assert 1 / (1 / bonds[along]).mean() < inverse < bonds[along].mean()
    assert inverse == pytest.approx(effective_conductivity(rescaled(network, bonds), 0), rel=1e-9)


def test_the_threshold_of_percolation():
    """.2488 of the bonds of the cubic lattice: there a path closes along an axis in 25.8 of 100 samples of any size.

    J. Wang, Z. Zhou, W. Zhang, T. M. Garoni, Y. Deng, Phys. Rev. E 87, 052107 (2013). 36 thresholds scatter by .02.
    """
    cubic, thresholds = Network.cubic(10), []
    for seed in range(12):
        draws = np.random.default_rng(seed).random(len(cubic.pairs))
        levels = [_first_around(rescaled(cubic, draws), np.log(draws), axis) for axis in range(3)]
        thresholds += [(np.log(draws) >= level).mean() for level in levels]
    assert np.quantile(thresholds, 0.258) == pytest.approx(0.2488, abs=0.012)


@pytest.mark.parametrize("function", [network_resistance, activated_resistance])
def test_wrong_arguments_are_refused(function):
    cubic = Network.cubic(2)
    alone = Network([[0, 1]], [1.0], [[1.0, 0, 0]], n_sites=2, volume=2.0)
    cases = [
        (TypeError, "network must be a bdg.granular.Network", 3, [1.0], {}),
        (ValueError, "temperatures must be > 0", cubic, [0.0], {}),
        (ValueError, "axis must be one of x, y, z", cubic, [1.0], {"axis": "w"}),
        (
            ValueError,
            "conductances must be finite, and > 0 where there is a coupling",
            cubic,
            [1.0],
            {"conductances": 0},
        ),
        (ValueError, "nothing conducts around the period along axis 0", alone, [1.0], {}),
        (ValueError, "same pairs and displacements", lambda t: Network.cubic(1 + int(t)), [1.0, 2.0], {}),
    ]
    for kind, message, network, temperatures, keywords in cases:
        with pytest.raises(kind, match=message):
            function(network, temperatures, **keywords)


def test_a_wrong_bias_is_refused():
    with pytest.raises(ValueError, match="bias must be positive"):
        network_resistance(JUNCTION, [1.0], bias=0)
    with pytest.raises(ValueError, match="network_resistance runs on the CPU only"):
        network_resistance(JUNCTION, [1.0], device="gpu")
