"""Locking temperatures: the cubic lattice, units, samples and sizes, couplings that depend on temperature."""

import numpy as np
import pytest

import bdg
from bdg.granular import Network, locking_temperature

CUBIC = 2.2018  # M. Hasenbusch, S. Meyer, Phys. Lett. B 241, 238 (1990) and later: 1/.45419


def scaled(network, factor, length=1.0):
    return Network(
        network.pairs,
        factor * network.couplings,
        length * network.displacements,
        n_sites=network.n_sites,
        volume=network.volume * length**3,
    )


def test_the_cubic_lattice_in_any_unit():
    """L = 4: L Y/T = .5 at 2.2 within a few percent already; units of energy and length only scale it."""
    found = locking_temperature(Network.cubic(4), tol=0.02)
    assert found.temperature == pytest.approx(CUBIC, rel=0.05)
    assert 0 < found.error < 0.02 * found.temperature
    np.testing.assert_allclose(found.sizes, [4])
    other = locking_temperature(scaled(Network.cubic(4), 1e-3, 20.0), tol=0.02)  # the same draws
    assert other.temperature == pytest.approx(1e-3 * found.temperature, rel=1e-4)


@pytest.mark.slow
def test_the_cubic_transition_is_at_2_2():
    found = locking_temperature([Network.cubic(8), Network.cubic(12)], tol=0.003)
    assert found.temperature == pytest.approx(CUBIC, abs=0.02)
    np.testing.assert_allclose(found.crossings, CUBIC, atol=0.02)
    np.testing.assert_allclose(found.sizes, [8, 12])


def irregular(seed, length=4, breadth=0.5):
    cubic, rng = Network.cubic(length), np.random.default_rng(seed)
    couplings = np.exp(breadth * rng.standard_normal(len(cubic.pairs)))
    return Network(cubic.pairs, couplings, cubic.displacements, n_sites=length**3, volume=length**3)


def test_samples_are_averaged_and_their_scatter_told():
    networks = [irregular(seed) for seed in range(4)]
    found = locking_temperature(networks, tol=0.03)
    assert found.evidence.samples == [4]
    assert found.evidence.percolate == [4]
    assert found.temperature == pytest.approx(2.5, rel=0.1)  # the mean coupling is 1.13
    assert found.evidence.limited_by in (["samples"], ["Monte Carlo"])


def test_couplings_that_depend_on_temperature():
    """J = 2/T, so that kT/J = T^2/2 = t on the lattice: T = (2 t)^(1/2)."""
    fixed = locking_temperature(Network.cubic(2), tol=0.02)
    found = locking_temperature(lambda t: Network.cubic(2, 2 / t), tol=0.02)
    expected = np.sqrt(2 * fixed.temperature)
    assert found.temperature == pytest.approx(expected, abs=4 * np.hypot(found.error, fixed.error / expected))


@pytest.mark.slow
def test_the_crossing_is_searched_between_two_temperatures():
    def networks(temperature):
        return [Network.cubic(4, 2 / temperature)]

    inside = locking_temperature(networks, tol=0.02, between=(1.9, 2.4))
    assert inside.temperature == pytest.approx(2.1, rel=0.05)
    assert inside.temperatures.min() >= 1.9
    with pytest.raises(ValueError, match="holds no crossing: L Y/T is below"):
        locking_temperature(networks, between=(4.0, 5.0))
    with pytest.raises(ValueError, match="holds no crossing: L Y/T is above"):
        locking_temperature(networks, between=(0.5, 1.0))


def test_what_does_not_percolate_never_locks(tmp_path):
    network = Network([[0, 1]], [1.0], [[1.0, 0, 0]], n_sites=8, volume=8.0)
    with pytest.warns(bdg.AccuracyWarning, match="2 of 2 networks of L = 2 do not percolate"):
        found = locking_temperature([network, network])
    assert (found.temperature, found.error) == (0, 0)
    assert found.evidence.percolate == [0]
    assert found.evidence.limited_by == ["nothing percolates"]
    found.save(tmp_path / "locking.h5")
    assert bdg.load(tmp_path / "locking.h5").temperature == 0
    found.plot()


def test_the_result_is_stored_and_drawn(tmp_path):
    found = locking_temperature([Network.cubic(2), Network.cubic(4)], tol=0.05)
    found.save(tmp_path / "locking.h5")
    loaded = bdg.load(tmp_path / "locking.h5")
    for name in ("sizes", "crossings", "crossing_errors", "temperatures", "criterion", "criterion_errors"):
        assert np.array_equal(getattr(loaded, name), getattr(found, name))
    assert len(found.plot().axes[0].lines) >= 3


def test_wrong_arguments_are_refused():
    cubic = Network.cubic(2)
    with pytest.raises(TypeError, match="networks must be Networks, or a function of the temperature"):
        locking_temperature([3])
    with pytest.raises(ValueError, match="networks is empty"):
        locking_temperature([])
    with pytest.raises(ValueError, match="tol must be positive"):
        locking_temperature(cubic, tol=0)
    with pytest.raises(ValueError, match="between must be two temperatures"):
        locking_temperature(cubic, between=(3.0, 1.0))
    with pytest.raises(ValueError, match="locking_temperature runs on the CPU only"):
        locking_temperature(cubic, device="gpu")
    flat = Network([[0, 0]], [1.0], [[1.0, 0]], n_sites=1, volume=1.0)
    with pytest.raises(ValueError, match="networks must have displacements in 3 dimensions"):
        locking_temperature(flat)
