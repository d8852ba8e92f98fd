"""Layers: every element of H against a builder of kwant, transparency against its scattering matrix."""

import itertools

import kwant
import numpy as np
import pytest
from algebra import orders_like, sub
from contract_systems import kagome_flake
from numpy.testing import assert_allclose, assert_array_equal

import bdg


def test_stack_of_three_layers_equals_a_kwant_builder():
    """3-D, every layer argument, scaled interface bonds, barriers: entry by entry."""
    t, mu, ny, nz = 1.3, -0.4, 3, 2
    layers = [
        bdg.lattices.Layer(3, delta=0.2, phase=0.7, onsite=0.1, attraction=1.4),
        bdg.lattices.Layer(2, onsite=-0.3),
        bdg.lattices.Layer(4, delta=0.5, phase=-0.2),
    ]
    taus, barriers = (0.4, 0.9), (0.25, -0.15)
    system = bdg.lattices.stack(layers, (ny, nz), t=t, mu=mu, spacing=0.8, transparency=taus, barrier=barriers)

    lattice = kwant.lattice.cubic(0.8, norbs=1)
    builder = kwant.Builder()
    onsite = [0.1] * 3 + [-0.3] * 2 + [0.0] * 4
    onsite[2] += barriers[0]
    onsite[4] += barriers[1]
    for x, y, z in itertools.product(range(9), range(ny), range(nz)):
        builder[lattice(x, y, z)] = onsite[x] - mu
    builder[lattice.neighbors()] = -t
    sine = np.sqrt(1 - (mu / (2 * t)) ** 2)
    scales = {}
    for x, tau in zip((2, 4), taus, strict=True):  # the root x <= 1 of the quadratic in x**2
        c = 4 * sine**2 * (1 / tau - 1)
        square = (2 + c - np.sqrt((2 + c) ** 2 - 4)) / 2
        scale = scales[x] = np.sqrt(square)
        assert 4 * square * sine**2 / ((1 - square) ** 2 + 4 * square * sine**2) == pytest.approx(tau)
        for y, z in itertools.product(range(ny), range(nz)):
            builder[lattice(x + 1, y, z), lattice(x, y, z)] = -t * scale
    final = builder.finalized()
    order = orders_like(system.positions, [site.pos for site in final.sites])
    assert_allclose(sub(system.hamiltonian, order), final.hamiltonian_submatrix(), atol=1e-12)
    x = np.array([site.tag[0] for site in final.sites])
    wanted = np.where(x < 3, 0.2 * np.exp(0.7j), np.where(x < 5, 0, 0.5 * np.exp(-0.2j)))
    assert_allclose(system.delta[order], wanted, atol=1e-15)
    assert_array_equal(system.attraction[order], np.where(x < 3, 1.4, 0))
    assert_array_equal(system.grain[order], np.where(x < 3, 0, np.where(x < 5, -1, 1)))
    assert system.n_grains == 2
    assert system.norbs == 1
    assert system.period is None or all(length is None for length in system.period)


def test_stack_in_one_dimension_hopping_scale_and_touching_grains():
    layers = [
        bdg.lattices.Layer(3, delta=0.1),
        bdg.lattices.Layer(2, delta=0.1, phase=1.0),
        bdg.lattices.Layer(4, hopping=0.5),
        bdg.lattices.Layer(2, attraction=2.0),
    ]
    system = bdg.lattices.stack(layers, t=2, mu=0.6)
    assert system.positions.shape == (11, 1)
    order = np.argsort(system.positions[:, 0])
    assert_allclose(np.diff(system.positions[order, 0]), 1)
    assert_array_equal(system.grain[order], [0] * 3 + [1] * 2 + [-1] * 4 + [2] * 2)
    h = sub(system.hamiltonian, order)
    assert_allclose(np.diag(h), -0.6)
    bonds = np.diag(h, 1)
    assert_allclose(bonds[[0, 1, 2, 3]], -2)
    assert_allclose(bonds[[5, 6, 7]], -1)
    assert_allclose(bonds[9], -2)
    assert_allclose(np.triu(h, 2), 0)


@pytest.mark.parametrize(("mu", "t"), [(-0.5, 1.0), (2.5, 1.0), (0.0, 3.0)])
def test_interface_transparency_is_that_of_the_bond(mu, t):
    """One scalar for every interface; where |mu| >= 2t the formula is taken at k = pi/2."""
    tau = 0.35
    system = bdg.lattices.stack(
        [bdg.lattices.Layer(2, delta=0.1), bdg.lattices.Layer(2), bdg.lattices.Layer(2, delta=0.1)],
        t=t,
        mu=mu,
        transparency=tau,
    )
    bonds = np.diag(sub(system.hamiltonian, np.argsort(system.positions[:, 0])), 1) / -t
    assert_allclose(bonds[[0, 2, 4]], 1)
    sine_squared = 1 - (mu / (2 * t)) ** 2 if abs(mu) < 2 * t else 1.0
    for x in bonds[[1, 3]]:
        assert 0 < x < 1
        assert 4 * x * x * sine_squared / ((1 - x * x) ** 2 + 4 * x * x * sine_squared) == pytest.approx(tau)


def test_choices_are_noted_in_info():
    """k = pi/2 outside the band, and the seed that was drawn where none was given."""
    layers = [bdg.lattices.Layer(2, delta=0.1), bdg.lattices.Layer(2, disorder=0.5)]
    note = str(bdg.lattices.stack(layers, mu=2.5, transparency=0.5).info)
    assert "pi/2" in note
    assert "pi/2" not in str(bdg.lattices.stack(layers, mu=0.5, transparency=0.5).info)
    drawn = bdg.lattices.stack(layers)
    assert isinstance(drawn.info["seed"], int)
    again = bdg.lattices.stack(layers, seed=drawn.info["seed"])
    assert_array_equal(again.hamiltonian.data, drawn.hamiltonian.data)
    builder = kagome_flake()
    assert "0.7" in str(bdg.lattices.from_kwant(builder, params=dict(mu=0.1, disorder=0.7, flux=0.0)).info)


def test_stack_is_transparent_by_kwant_scattering():
    """The bond of an N|N interface transmits tau at E = 0."""
    tau, mu = 0.35, -0.7
    system = bdg.lattices.stack([bdg.lattices.Layer(2), bdg.lattices.Layer(2)], mu=mu, transparency=tau)
    bond = np.diag(sub(system.hamiltonian, np.argsort(system.positions[:, 0])), 1)[1]
    lattice = kwant.lattice.chain(norbs=1)
    builder = kwant.Builder()
    builder[(lattice(i) for i in range(2))] = -mu
    builder[lattice(1), lattice(0)] = bond
    lead = kwant.Builder(kwant.TranslationalSymmetry((-1,)))
    lead[lattice(0)] = -mu
    lead[lattice.neighbors()] = -1
    builder.attach_lead(lead)
    builder.attach_lead(lead.reversed())
    assert kwant.smatrix(builder.finalized(), 0.0).transmission(1, 0) == pytest.approx(tau, abs=1e-10)


def test_stack_periodic_cross_section_spectrum():
    """Torus in y and z, uniform gap: E = sqrt(e**2 + Delta**2) with closed-form e."""
    nx, ny, nz, mu, delta, a = 4, 5, 3, -0.4, 0.3, 0.5
    layers = [bdg.lattices.Layer(nx, delta=delta)]
    system = bdg.lattices.stack(layers, (ny, nz), mu=mu, spacing=a, periodic=True, t=1.5)
    assert system.period[0] is None
    assert_allclose(system.period[1:], (ny * a, nz * a))
    standing = -3 * np.cos(np.pi * np.arange(1, nx + 1) / (nx + 1))
    running = [-3 * np.cos(2 * np.pi * np.arange(n) / n) for n in (ny, nz)]
    e = np.add.outer(np.add.outer(standing, running[0]), running[1]).ravel()
    wanted = np.sort(np.sqrt((e - mu) ** 2 + delta**2))
    states = bdg.bound_states(system, 2 * nx * ny * nz)
    assert_allclose(np.sort(states.energies)[nx * ny * nz :], wanted, atol=1e-10)


def test_stack_disorder_and_its_seed():
    layers = [bdg.lattices.Layer(20, delta=0.1), bdg.lattices.Layer(50, disorder=1.2, onsite=0.4)]
    one = bdg.lattices.stack(layers, (10,), seed=7)
    same = bdg.lattices.stack(layers, (10,), seed=7)
    other = bdg.lattices.stack(layers, (10,), seed=8)
    assert_array_equal(one.hamiltonian.data, same.hamiltonian.data)
    diagonal, changed = one.hamiltonian.diagonal(), other.hamiltonian.diagonal()
    inside = one.grain == -1
    assert inside.sum() == 500
    assert_array_equal(diagonal[~inside], 0)
    assert np.ptp(diagonal[inside]) > 1.1
    assert np.abs(diagonal[inside] - 0.4).max() <= 0.6
    assert diagonal[inside].std() == pytest.approx(1.2 / np.sqrt(12), rel=0.1)
    assert np.abs(diagonal - changed).max() > 0.1
    assert one.info["seed"] == 7


@pytest.mark.parametrize(
    ("arguments", "options", "words"),
    [
        (([],), {}, "layer"),
        (([bdg.lattices.Layer(3)], (2, 2, 2)), {}, "cross_section"),
        (([bdg.lattices.Layer(3)], (0,)), {}, "cross_section"),
        (([bdg.lattices.Layer(3), bdg.lattices.Layer(3)],), dict(transparency=1.2), "transparency"),
        (([bdg.lattices.Layer(3), bdg.lattices.Layer(3)],), dict(transparency=0), "transparency"),
        (([bdg.lattices.Layer(3), bdg.lattices.Layer(3)],), dict(transparency=(0.5, 0.5)), "transparency"),
        (([bdg.lattices.Layer(3), bdg.lattices.Layer(3)],), dict(barrier=(0.5, 0.5)), "barrier"),
        (([bdg.lattices.Layer(3)],), dict(t=0), r"\bt\b"),
        (([bdg.lattices.Layer(3)],), dict(spacing=-1), "spacing"),
        (([bdg.lattices.Layer(3)],), dict(mu=np.nan), "mu"),
    ],
)
def test_stack_bad_input(arguments, options, words):
    with pytest.raises(ValueError, match=words):
        bdg.lattices.stack(*arguments, **options)


def test_layer_bad_input():
    with pytest.raises(ValueError, match="length"):
        bdg.lattices.stack([bdg.lattices.Layer(0)])
    with pytest.raises((TypeError, ValueError), match="length"):
        bdg.lattices.stack([bdg.lattices.Layer(2.5)])
    with pytest.raises(ValueError, match="disorder"):
        bdg.lattices.stack([bdg.lattices.Layer(2, disorder=-1)])
    with pytest.raises(ValueError, match="attraction"):
        bdg.lattices.stack([bdg.lattices.Layer(2, attraction=-1)])
