"""Clusters in a field: the moment as a derivative, an exact ring, ramps against jumps, and lines of T_irr."""

import numpy as np
import pytest
import scipy.special
from numpy.testing import assert_allclose

import bdg
from bdg.granular import Network, irreversibility_bound, irreversibility_exponent, magnetisation_cycle
from bdg.granular.dynamics.field_spins import FieldSpins, cluster_positions, cross_section
from bdg.lattices.units import FLUX_QUANTUM_T_NM2

SPACING = 40.0


def open_cubic(length, layers=None, coupling=1.0):
    """A cube of grains 40 nm apart, or some layers of it."""
    sites = np.arange(length**3)
    places = SPACING * np.stack(np.unravel_index(sites, (length,) * 3), axis=1)
    cubic = Network.cubic(length, coupling)
    network = Network(
        cubic.pairs, cubic.couplings, SPACING * cubic.displacements, n_sites=sites.size, volume=SPACING**3 * sites.size
    ).opened(places)
    if layers is None:
        return network
    kept = (places[network.pairs][:, :, 2] < SPACING * layers).all(axis=1)
    numbers = np.cumsum(places[:, 2] < SPACING * layers) - 1
    parts = numbers[network.pairs[kept]], network.couplings[kept], network.displacements[kept]
    return Network(*parts, n_sites=length**2 * layers, volume=SPACING**3 * length**2 * layers)


def test_an_opened_network_has_its_places():
    network = open_cubic(4)
    assert len(network.pairs) == 3 * 3 * 16 and not network.percolates.any()
    places = SPACING * np.stack(np.unravel_index(np.arange(64), (4, 4, 4)), axis=1)
    assert_allclose(cluster_positions(network), places - places.mean(axis=0), atol=1e-9)
    assert cross_section(network) == pytest.approx((3 * SPACING) ** 2)
    with pytest.raises(ValueError, match=r"positions must have shape \(64, 3\)"):
        network.opened(places[:, :2])


def energy(network, phases, field):
    """-sum E cos(phi_i - phi_j - A), A by the line integral of B x r/2 between the places."""
    first, second = network.pairs.T
    x, y, _ = cluster_positions(network).T
    along = (
        0.5 * ((x[first] + x[second]) * (y[second] - y[first]) - (y[first] + y[second]) * (x[second] - x[first])) / 2
    )
    turned = 2 * np.pi * field / FLUX_QUANTUM_T_NM2 * along
    return -(network.couplings * np.cos(phases[first] - phases[second] - turned)).sum()


def test_the_moment_is_a_derivative_of_the_energy():
    network = open_cubic(3)
    spins = FieldSpins([network, network], 2, [0])
    phases = np.random.default_rng(1).uniform(0, 6, 27)
    order = np.argsort(spins_order(spins, network))
    spins.spins = np.tile(np.exp(1j * phases), 2)[order][:, None].repeat(2, axis=1).astype(np.complex64)
    spins.set(np.tile(network.couplings, 2), 1.0, 0.3)
    step = 1e-5
    expected = -(energy(network, phases, 0.3 + step) - energy(network, phases, 0.3 - step)) / (2 * step)
    assert_allclose(spins.moments(), expected, rtol=1e-4)


def spins_order(spins, network):
    """Return the place of each site in the array of spins."""
    place = np.empty(2 * network.n_sites, dtype=int)
    pairs = np.concatenate([network.pairs, network.pairs + network.n_sites])
    place[pairs[:, 0]], place[pairs[:, 1]] = spins._first, spins._second
    return place


@pytest.mark.parametrize("flux", [0.2, 0.4])
def test_a_ring_of_four_junctions(flux):
    """Exact: Z = sum_k I_k(E/T)^4 cos(2 pi k f); its magnetisation, both ways of cooling."""
    square = open_cubic(2, layers=1)
    temperature, field = 0.5, flux * FLUX_QUANTUM_T_NM2 / SPACING**2
    k = np.arange(-40, 41)
    weights = scipy.special.ive(k, 1 / temperature) ** 4
    slope = (-2 * np.pi * k * weights * np.sin(2 * np.pi * k * flux)).sum() / (
        weights * np.cos(2 * np.pi * k * flux)
    ).sum()
    expected = temperature * slope * SPACING**2 / FLUX_QUANTUM_T_NM2
    spins = FieldSpins([square] * 4, 500, [0])
    spins.set(np.tile(square.couplings, 4), temperature, field)
    spins.sweep(40)
    found = []
    for _ in range(40):
        spins.sweep(5)
        found.append(spins.moments())
    means = np.mean(found, axis=0).ravel()
    assert means.mean() == pytest.approx(expected, abs=4 * means.std() / np.sqrt(means.size))
    assert means.mean() < 0 and means.std() / np.sqrt(means.size) < 0.02 * abs(expected)


def test_a_jump_in_another_gauge_scatters_what_a_ramp_keeps():
    """2.4 flux quanta: small steps in the symmetric gauge keep screening currents, a jump in Landau's gauge does not.

    With the jump the field-cooled signal was the larger one, which no superconductor shows.
    """
    network = open_cubic(6, layers=2)
    field, temperature = 0.125, 0.1
    spins = FieldSpins([network, network], 8, [0])
    couplings = np.tile(network.couplings, 2)
    for step in range(51):
        spins.set(couplings, temperature, field * step / 50)
        spins.sweep(4)
    ramped = spins.moments().mean()
    x, y, _ = np.tile(cluster_positions(network), (2, 1)).T
    first, second = np.concatenate([network.pairs, network.pairs + network.n_sites]).T
    gauge = 2 * np.pi * field / FLUX_QUANTUM_T_NM2 * (0.5 * x - x.min()) * y  # (0, B (x - x_min), 0) less B x r/2
    landau = gauge[second] - gauge[first]
    spins.align()
    spins.set(couplings, temperature, field, landau)
    spins.sweep(200)
    jumped = spins.moments().mean()
    spins.scatter()
    for warmth in np.linspace(3, temperature, 30):
        spins.set(couplings, warmth, field)
        spins.sweep(20)
    cooled = spins.moments().mean()
    assert ramped < 1.5 * cooled < 0  # zero-field-cooled is the more diamagnetic
    assert 1.5 * cooled < jumped  # the artefact


def test_zero_field_cooled_and_field_cooled_join():
    """E = 4 K: apart when cold, together when hot; diamagnetic throughout."""
    clusters = [open_cubic(6, layers=2, coupling=4.0)] * 6
    found = magnetisation_cycle(clusters, 1250.0, [0.4, 2.0, 4.0, 8.0], sweeps=60, replicas=2, seed=1)
    assert found.within_reach and found.flux_quanta == pytest.approx(0.125 * 200**2 / FLUX_QUANTUM_T_NM2)
    assert found.zero_field_cooled[0] < found.field_cooled[0] < 0
    assert found.difference[0] > 3 * found.difference_error[0]
    assert abs(found.difference[-1]) < 4 * found.difference_error[-1]
    assert 0.4 <= found.irreversibility_temperature < 8
    assert found.irreversibility_error >= 0.5 * (8.0 - 0.4) / 3


def test_a_field_of_less_than_a_quantum_is_out_of_reach(tmp_path):
    found = magnetisation_cycle([open_cubic(4)] * 2, 100.0, [1.0, 2.0])
    assert not found.within_reach and found.flux_quanta < 0.1
    assert np.isnan(found.irreversibility_temperature) and np.isnan(found.zero_field_cooled).all()
    found.save(tmp_path / "cycle.h5")
    assert not bdg.load(tmp_path / "cycle.h5").within_reach
    found.plot()


def test_the_exponent_of_a_line():
    fields = np.array([100.0, 300.0, 1000.0, 3000.0])
    temperatures = 37 * (1 - (fields / 1e5) ** (1 / 4.9))
    found = irreversibility_exponent(fields, temperatures, np.full(4, 0.1), 37.0)
    assert found.value == pytest.approx(4.9)
    assert found.field == pytest.approx(1e5)
    assert 0.01 < found.error < 0.1
    rng = np.random.default_rng(0)
    fits = [
        irreversibility_exponent(fields, temperatures + 0.1 * rng.standard_normal(4), np.full(4, 0.1), 37.0)
        for _ in range(200)
    ]
    assert np.std([fit.value for fit in fits]) == pytest.approx(found.error, rel=0.2)
    some = irreversibility_exponent(fields, [*temperatures[:3], np.nan], [0.1, 0.1, 0.1, np.nan], 37.0)
    assert (some.points, some.value) == (3, pytest.approx(4.9))
    assert irreversibility_exponent([1, 2], [5.0, 6.0], [0.1, 0.1], 37.0).value == np.inf


@pytest.mark.parametrize(("exponent", "expected"), [(4.9, 19.5), (3.9, 22.4)])
def test_what_the_paper_s_exponents_imply(exponent, expected):
    """From T_irr(3000 Oe) >= 2 K follows T_irr(100 Oe) >= 19.5 and 22.4 K: above T_c2."""
    assert irreversibility_bound(exponent, 100.0, 3000.0, 2.0, 37.0) == pytest.approx(expected, abs=0.05)
    assert irreversibility_bound(exponent, 3000.0, 3000.0, 2.0, 37.0) == pytest.approx(2.0)


def test_wrong_arguments_are_refused():
    cluster = [open_cubic(2)] * 2
    cases = [
        (TypeError, "networks must be a bdg.granular.Network", [3, 3], 100.0, [1, 2]),
        (ValueError, "networks must be at least 2 samples", cluster[:1], 100.0, [1, 2]),
        (ValueError, "networks must be open", [Network.cubic(2)] * 2, 100.0, [1, 2]),
        (ValueError, "field_Oe must be positive", cluster, 0.0, [1, 2]),
        (ValueError, "temperatures_K must be at least 2", cluster, 100.0, [1]),
    ]
    for kind, message, networks, field, temperatures in cases:
        with pytest.raises(kind, match=message):
            magnetisation_cycle(networks, field, temperatures)
    with pytest.raises(ValueError, match="magnetisation_cycle runs on the CPU only"):
        magnetisation_cycle(cluster, 100.0, [1, 2], device="gpu")
    with pytest.raises(ValueError, match="at least two temperatures between 0 and critical_temperature"):
        irreversibility_exponent([1, 2], [40, 50], [1, 1], 37.0)
    with pytest.raises(ValueError, match="low_field must be <= high_field"):
        irreversibility_bound(4.9, 3.0, 1.0, 2.0, 37.0)
