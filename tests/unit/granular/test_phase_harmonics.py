"""Fourier terms of the free energy: perturbation theory, current-phase relations, chains, triangles, both methods."""

import dataclasses

import numpy as np
import pytest
import scipy.sparse as sp

import bdg
from bdg.lattices import Layer

# 2 T sum_w |G_d(iw)|^2 of an infinite chain at mu = 0: |G_d|^2 = exp(-2 kappa d)/(w^2 + 4), sinh kappa = w/2


def coupling(distance, temperature):
    w = np.pi * temperature * (2 * np.arange(4000) + 1)
    return 4 * temperature * (np.exp(-2 * np.arcsinh(w / 2) * distance) / (w**2 + 4)).sum()


def chain(delta, distance, sites=140):
    values = np.zeros(sites)
    first = (sites - distance) // 2
    values[[first, first + distance]] = delta
    return bdg.lattices.from_hamiltonian(-(np.eye(sites, k=1) + np.eye(sites, k=-1)), np.arange(sites), delta=values)


def ring(flux=0.0, closed=True, sites=9, delta=0.5):
    """Three superconducting sites on a ring (or, opened, on a chain) with ``flux`` in radian."""
    h = np.zeros((sites, sites), dtype=complex)
    for i in range(sites if closed else sites - 1):
        h[(i + 1) % sites, i] = -np.exp(1j * flux / sites)
    values = np.zeros(sites)
    values[:: sites // 3] = delta
    return bdg.lattices.from_hamiltonian(h + h.conj().T + 0.3 * np.eye(sites), np.arange(sites), delta=values)


@pytest.mark.parametrize(("distance", "expected"), [(4, 3.02803242e-2), (8, 8.04313289e-3)])
def test_two_weak_sites_in_a_chain(distance, expected):
    """A_(1,-1) -> -E_J of second order (Aslamazov, Larkin, Ovchinnikov); what is left is quadratic in Delta."""
    assert coupling(distance, 0.1) == pytest.approx(expected, rel=1e-8)
    rest = []
    for delta in (0.2, 0.1):
        found = bdg.phase_harmonics(chain(delta, distance), [0, 1], 0.1)
        rest.append(1 + found.terms[1, -1] / (delta**2 * expected))
    assert 0 < rest[1] < 0.006 and rest[0] / rest[1] == pytest.approx(4, rel=0.1)


def test_a_junction_gives_the_harmonics_of_its_current_phase_relation():
    """F of all phases from dense eigenvalues at other points than the grid's; its slope is the current."""
    system = bdg.lattices.stack([Layer(12, delta=0.3), Layer(2, onsite=0.2), Layer(12, delta=0.3)], mu=0.2)
    temperature = 0.02
    found = bdg.phase_harmonics(system, [0, 1], temperature, tol=1e-8)
    orders = np.array([n for n, _ in found.terms])
    assert set(found.terms) == {(n, -n) for n in orders} and found.evidence.aliasing_reached

    def free_energy(phase):
        return bdg.free_energy(system.with_phases({1: phase}), temperature, method="dense").value

    for phase in (0.3, 1.234, 2.9):
        series = sum(a * (np.cos(n * phase) - 1) for (n, _), a in found.terms.items())
        assert series == pytest.approx(free_energy(phase) - free_energy(0.0), abs=1e-9)
    assert found.terms[1, -1] < 0 < found.terms[2, -2]
    assert found.weights[2] == pytest.approx(found.free_energy.std(), rel=1e-6)


@pytest.mark.parametrize("norbs", [1, pytest.param(2, marks=pytest.mark.slow)])
@pytest.mark.slow
def test_both_methods_agree_within_their_error(norbs, spinful):
    system = bdg.lattices.grain_composite((5, 5, 5), 1, volume_fraction=0.2, diameter=3, disorder=1.0, seed=1)
    grains = [0, 1]
    form = system if norbs == 1 else dataclasses.replace(spinful(system), grain=system.grain)
    dense = bdg.phase_harmonics(system, grains, 0.05, points=8, method="dense")
    poles = bdg.phase_harmonics(form, grains, 0.05, points=8, method="poles")
    one, other = dense.terms, poles.terms
    assert one.keys() == other.keys()
    error = 2 * (poles.evidence.free_energy_error + dense.evidence.free_energy_error)
    assert max(abs(one[key] - other[key]) for key in one) <= error < 1e-6


def test_a_triangle_has_a_three_grain_term_that_a_flux_turns():
    """By symmetry the three pair terms are equal, and so are (2,-1,-1), (1,-2,1), (1,1,-2)."""
    plain = bdg.phase_harmonics(ring(), [0, 1, 2], 0.05)
    pairs = [plain.terms[key] for key in ((1, -1, 0), (1, 0, -1), (0, 1, -1))]
    triples = [plain.terms[key] for key in ((2, -1, -1), (1, -2, 1), (1, 1, -2))]
    np.testing.assert_allclose(pairs, pairs[0], rtol=1e-9)
    np.testing.assert_allclose(triples, triples[0], rtol=1e-9)
    assert triples[0] > 0 > pairs[0]  # three phases oppose locking a little
    assert all(isinstance(value, float) for value in plain.terms.values())
    turned = bdg.phase_harmonics(ring(0.9), [0, 1, 2], 0.05)
    assert abs(turned.terms[1, -1, 0].imag) > 0.1 * abs(turned.terms[1, -1, 0])
    opposite = bdg.phase_harmonics(ring(-0.9), [0, 1, 2], 0.05)
    for key, value in turned.terms.items():
        assert abs(opposite.terms[key] - np.conj(value)) < 1e-12
    # opened, the distance from the first to the last grain is larger than that of neighbours
    opened = bdg.phase_harmonics(ring(closed=False), [0, 1, 2], 0.05).terms
    assert abs(opened[1, -1, 0]) > abs(opened[1, 0, -1])


def test_terms_are_those_of_a_free_energy_anywhere():
    """Three grains at phases off the grid, complex amplitudes: the series against dense eigenvalues."""
    system, temperature = ring(0.7, delta=0.3), 0.1
    found = bdg.phase_harmonics(system, [0, 1, 2], temperature, tol=1e-9)

    def series(phases):
        return sum((a * np.exp(1j * np.dot(n, phases))).real for n, a in found.terms.items())

    def free_energy(phases):
        return bdg.free_energy(system.with_phases(np.array(phases)), temperature, method="dense").value

    points = [(0, 0, 0), (0.4, 1.7, -0.9), (3.0, 2.0, 0.1)]
    differences = [series(p) - free_energy(p) for p in points]
    np.testing.assert_allclose(differences, differences[0], atol=1e-9)


def test_a_phase_common_to_all_is_a_gauge_only_if_all_are_named():
    system = ring(0.4)
    named = bdg.phase_harmonics(system, [0, 1, 2], 0.1, points=8)
    assert (named.orders.sum(axis=1) == 0).all() and named.free_energy.shape == (8, 8)
    pair = bdg.phase_harmonics(system, [0, 1], 0.1, points=8)  # grain 2 is a reference
    assert pair.free_energy.shape == (8, 8) and (pair.orders.sum(axis=1) != 0).any()
    assert pair.weights[1] > 0
    # with grain 2 at phase 0, (n0, n1) of the pair is (n0, n1, -n0 - n1) of all three
    for order in ((1, -1), (1, 0), (0, 1), (1, 1)):
        key = (*order, -sum(order))
        assert abs(pair.terms[order] - named.terms[key]) < named.error + pair.error


def test_four_grains_have_the_alternating_loop():
    sites = 8
    h = -np.roll(np.eye(sites), 1, axis=0)
    values = np.zeros(sites)
    values[::2] = 0.6
    system = bdg.lattices.from_hamiltonian(h + h.T, np.arange(sites), delta=values)
    found = bdg.phase_harmonics(system, [0, 1, 2, 3], 0.1, points=8)
    assert found.free_energy.shape == (8, 8, 8) and found.evidence.free_energies < 8**3 / 2 + 8
    assert abs(found.terms[1, -1, 1, -1]) > 10 * found.error
    assert found.weights.shape == (5,) and found.weights[4] > 0
    total = np.sqrt((found.weights**2).sum())
    assert total == pytest.approx(found.free_energy.std(), rel=1e-3)  # Parseval, but for the edge of the grid


def test_aliasing_is_estimated():
    """Few points at low temperature: the stated error covers the true one, and doubling cures it."""
    system = bdg.lattices.stack([Layer(12, delta=0.3), Layer(1), Layer(12, delta=0.3)])
    exact = bdg.phase_harmonics(system, [0, 1], 0.003, points=64).terms
    for points in (4, 8, 16):
        found = bdg.phase_harmonics(system, [0, 1], 0.003, points=points)
        true = max(abs(value - exact[key]) for key, value in found.terms.items())
        assert true <= found.error
    default = bdg.phase_harmonics(system, [0, 1], 0.003)
    assert default.phases.size > 8 and default.evidence.free_energies == default.phases.size // 2 + 1


def test_temperature_zero_is_the_sum_of_levels():
    system = chain(0.5, 4, 12)
    zero = bdg.phase_harmonics(system, [0, 1], 0.0, points=16).terms[1, -1]
    cold = bdg.phase_harmonics(system, [0, 1], 1e-4, points=16).terms[1, -1]
    assert zero == pytest.approx(cold, abs=1e-10)


def test_bad_input_is_refused():
    system = ring()
    for grains, words in (([0], "two, three or four"), ([0, 3], "names 3"), ([1, 1], "must differ"), ([0, 1.0], "1.0")):
        with pytest.raises(ValueError, match=words):
            bdg.phase_harmonics(system, grains, 0.1)
    with pytest.raises(TypeError, match="list of grain numbers"):
        bdg.phase_harmonics(system, 3, 0.1)
    with pytest.raises(ValueError, match="points must be an even number"):
        bdg.phase_harmonics(system, [0, 1], 0.1, points=7)
    with pytest.raises(ValueError, match="points must be a whole number >= 4"):
        bdg.phase_harmonics(system, [0, 1], 0.1, points=2)
    with pytest.raises(ValueError, match="needs temperature > 0"):
        bdg.phase_harmonics(system, [0, 1], 0, method="poles")
    joined = sp.csr_matrix(([0.1, 0.1], ([0, 3], [3, 0])), shape=(9, 9))
    bond = bdg.lattices.from_hamiltonian(
        system.hamiltonian, system.positions, delta=system.delta, pairing=joined, grain=system.grain
    )
    with pytest.raises(ValueError, match="period 4 pi"):
        bdg.phase_harmonics(bond, [0, 1], 0.1)


@pytest.mark.parametrize("grains", [[0, 1], [0, 1, 2]])
def test_save_load_plot(grains, tmp_path):
    system = chain(0.3, 4, 20) if len(grains) == 2 else ring()
    found = bdg.phase_harmonics(system, grains, 0.1, points=8)
    found.save(tmp_path / "harmonics.h5")
    again = bdg.load(tmp_path / "harmonics.h5")
    assert again.terms == found.terms
    assert again.plot().axes[0].get_ylabel().endswith("(unit of the hopping)")
