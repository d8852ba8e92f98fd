"""Currents on bonds: continuity with the pairing as source, flux, both forms, bond pairing, maps, errors."""

import numpy as np
import pytest
import scipy.sparse as sp

import bdg
from bdg.lattices import Layer

T = 0.06


def _variants(grid, islands, spinful):
    base = grid((4, 4, 4), disorder=1.0, delta=islands(64, seed=3, phases=True))
    field = base.with_field([0, 0, 0.07])
    zeeman = spinful(field).with_onsite(np.array([[0.2, 0.1], [0.1, -0.2]]))
    bonds = sp.csr_matrix(0.1 * np.exp(0.4j) * base.adjacency.astype(float))
    paired = bdg.System(hamiltonian=field.hamiltonian, positions=base.positions, delta=base.delta, pairing=bonds)
    return {"phases": base, "field": field, "zeeman": zeeman, "bond pairing": paired}


@pytest.mark.parametrize("method", ["dense", "poles"])
@pytest.mark.parametrize("name", ["phases", "field", "zeeman", "bond pairing"])
def test_divergence_is_what_the_pairing_feeds_in(grid, islands, spinful, name, method):
    """Sum over j of J_ij = 4 Im(Delta_i* F_i), whatever Delta is; currents flow where phases or a field drive them."""
    system = _variants(grid, islands, spinful)[name]
    found = bdg.bond_currents(system, T, method=method, tol=1e-10)
    assert found.evidence.continuity < 1e-13 and abs(found.currents).max() > 1e-4
    if name != "bond pairing":
        amplitude = bdg.pair_amplitude(system, T, method="dense").values
        assert abs(found.divergence - 4 * (system.delta.conj() * amplitude).imag).max() < 10 * found.error + 1e-12
    assert abs(found.divergence.sum()) < 1e-13
    assert (found.bonds[:, 0] < found.bonds[:, 1]).all() and len(np.unique(found.bonds, axis=0)) == len(found.bonds)
    assert len(found.bonds) == 3 * 4 * 4 * 3


def test_poles_equal_dense_within_the_stated_error(grid, islands, spinful):
    for system in _variants(grid, islands, spinful).values():
        dense, poles = (bdg.bond_currents(system, T, method=m, tol=1e-7) for m in ("dense", "poles"))
        assert np.array_equal(dense.bonds, poles.bonds)
        assert abs(dense.currents - poles.currents).max() < poles.error < 1e-6


def test_both_forms_of_a_spin_degenerate_system_agree(grid, islands, spinful):
    system = _variants(grid, islands, spinful)["field"]
    one, two = (bdg.bond_currents(s, T, method="dense") for s in (system, spinful(system)))
    assert np.array_equal(one.bonds, two.bonds)
    assert np.allclose(one.currents, two.currents, rtol=0, atol=1e-13)


def test_current_of_a_normal_ring_in_a_flux():
    """``J = sum_k 2 sin(k + a) 2 f(e_k)``, ``e_k = -2 cos(k + a) - mu``, hops forward carry exp(i a)."""
    size, mu, a = 13, -0.4, 0.11
    hop = -np.exp(1j * a) * np.roll(np.eye(size), 1, axis=0)  # row = to: x -> x + 1
    h = hop + hop.conj().T - mu * np.eye(size)
    angle = 2 * np.pi * np.arange(size) / size
    system = bdg.lattices.from_hamiltonian(h, np.stack([np.cos(angle), np.sin(angle)], axis=1))
    k = 2 * np.pi * np.arange(size) / size
    energy = -2 * np.cos(k - a) - mu  # a plane wave exp(ikx) under h
    current = (2 * 2 * np.sin(k - a) / (1 + np.exp(energy / T))).sum() / size
    found = bdg.bond_currents(system, T)
    around = np.where(found.bonds[:, 1] - found.bonds[:, 0] == 1, 1, -1)  # (0, N - 1) is the way back
    assert np.allclose(found.currents * around, current, rtol=0, atol=1e-13)
    assert abs(found.divergence).max() < 1e-13


def test_carriers_flow_towards_the_larger_phase():
    chain = bdg.lattices.stack([Layer(12, delta=0.3), Layer(2), Layer(12, delta=0.3, phase=0.5)])
    found = bdg.bond_currents(chain, T)
    assert found.currents[12] > 0.01  # the bond inside N, from left to right
    assert found.field[12, 0] == pytest.approx(0.5 * (found.currents[11] + found.currents[12]))


def test_field_of_a_uniform_flow_across_a_periodic_box(grid):
    """A winding pairing on a torus: current J on each x bond, field J a on each site, nothing along y."""
    size = 8
    delta = 0.4 * np.exp(2j * np.pi * np.arange(size) / size).repeat(size)
    found = bdg.bond_currents(grid((size, size), delta=delta, periodic=True), T, method="dense")
    along_x = abs(found.field[:, 0])
    assert np.ptp(along_x) < 1e-12 and along_x[0] > 0.02 and abs(found.field[:, 1]).max() < 1e-12
    assert abs(found.currents).max() == pytest.approx(along_x[0])


def test_results_are_saved_and_drawn(grid, islands, tmp_path):
    for shape in ((64,), (8, 8), (4, 4, 4), (48, 48)):
        n = int(np.prod(shape))
        found = bdg.bond_currents(grid(shape, delta=islands(n, phases=True)), T)
        assert found.plot().axes
    found.save(tmp_path / "currents.h5")
    again = bdg.load(tmp_path / "currents.h5")
    assert np.array_equal(again.currents, found.currents) and np.array_equal(again.bonds, found.bonds)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"method": "poles", "temperature": 0}, "method='poles' needs temperature > 0"),
        ({"method": "kpm"}, "method must be one of auto, dense, poles"),
        ({"tol": 0}, "tol must be positive"),
        ({"temperature": -1}, "temperature must be finite and >= 0"),
    ],
)
def test_bad_input_is_named(grid, arguments, message):
    options = {"temperature": T, **arguments}
    with pytest.raises(ValueError, match=message):
        bdg.bond_currents(grid((4, 4)), **options)
