"""Stacks of layers: every argument against a plain loop, a closed form, or an independent scattering calculation."""

import itertools
import json

import numpy as np
import pytest

from bdg.lattices import Layer, load, stack
from bdg.lattices.nambu import hole_block


def hopping_between(system, left, right):
    return system.hamiltonian[right, left]


def bdg_levels(system):
    h, d = system.hamiltonian.toarray(), system.pairing_block.toarray()
    return np.linalg.eigvalsh(np.block([[h, d], [d.conj().T, hole_block(system.hamiltonian, 1).toarray()]]))


def bond_transmission(t, mu, bond):
    """T at E = 0 of two semi-infinite chains joined by ``bond``, from their surface Green functions."""
    energy = 0.0 + mu
    surface = (energy - 1j * np.sqrt(4 * t**2 - energy**2)) / (2 * t**2)
    return 4 * surface.imag**2 * bond**2 / abs(1 - (bond * surface) ** 2) ** 2


def test_every_argument_of_a_three_dimensional_stack_against_a_plain_loop():
    layers = [
        Layer(2, delta=0.3, phase=0.4, attraction=1.1, onsite=0.2),
        Layer(3, onsite=-0.1, hopping=0.5),
        Layer(1, delta=-0.2, hopping=2.0),
    ]
    x, y, z = 6, 3, 4
    t, mu, spacing = 1.7, -0.6, 0.5
    system = stack(
        layers, (y, z), t=t, mu=mu, spacing=spacing, transparency=[0.4, 0.9], barrier=[0.7, -0.3], periodic=True
    )
    scale = [1, 1, 0.5, 0.5, 0.5, 2]
    onsite = [0.2, 0.2 + 0.7, -0.1, -0.1, -0.1 - 0.3, 0.0]
    sine_squared = 1 - (mu / (2 * t)) ** 2

    def factor(tau):  # root of tau((1 - q)^2 + 4 q s) = 4 q s with q = x^2 <= 1
        b = 1 + 2 * sine_squared * (1 - tau) / tau
        return np.sqrt(min(np.roots([1, -2 * b, 1])))

    joint = {1: np.sqrt(1 * 0.5) * factor(0.4), 4: np.sqrt(0.5 * 2) * factor(0.9)}
    number = np.arange(x * y * z).reshape(x, y, z)
    expected = np.zeros((x * y * z,) * 2)
    for i, j, k in itertools.product(range(x), range(y), range(z)):
        here = number[i, j, k]
        expected[here, here] = onsite[i] - mu
        for there, value in [
            (number[i, (j + 1) % y, k], scale[i]),
            (number[i, j, (k + 1) % z], scale[i]),
            *([(number[i + 1, j, k], joint.get(i, scale[i]))] if i + 1 < x else []),
        ]:
            expected[here, there] = expected[there, here] = -t * value
    np.testing.assert_allclose(system.hamiltonian.toarray(), expected, rtol=0, atol=1e-14)
    along_x = np.repeat(np.arange(x), y * z)
    np.testing.assert_array_equal(system.positions[:, 0], along_x * spacing)
    np.testing.assert_array_equal(system.positions[number[3, 2, 1]], [3 * spacing, 2 * spacing, spacing])
    delta = np.array([0.3 * np.exp(0.4j)] * 2 + [0] * 3 + [-0.2])
    np.testing.assert_allclose(system.delta, delta[along_x], rtol=0, atol=1e-16)
    np.testing.assert_array_equal(system.attraction, np.where(along_x < 2, 1.1, 0.0))
    np.testing.assert_array_equal(system.grain, np.array([0, 0, -1, -1, -1, 1])[along_x])
    assert system.period == (None, y * spacing, z * spacing)
    assert system.norbs == 1
    np.testing.assert_allclose(system.info["interface_hoppings"], [t * joint[1], t * joint[4]], rtol=1e-14)


def test_defaults_are_a_plain_chain():
    system = stack([Layer(4)])
    expected = -np.eye(4, k=1) - np.eye(4, k=-1)
    np.testing.assert_array_equal(system.hamiltonian.toarray(), expected)
    assert (system.delta == 0).all()
    assert (system.grain == -1).all()
    assert system.n_grains == 0
    assert system.is_real
    assert system.period == (None,)
    assert system.info["seed"] is None


@pytest.mark.parametrize("mu", [0.0, -1.0, 1.7])
@pytest.mark.parametrize("tau", [1.0, 0.9, 0.3, 1e-3])
def test_the_interface_hopping_has_the_transparency_asked_for(mu, tau):
    t = 1.3
    system = stack([Layer(5), Layer(5)], t=t, mu=mu, transparency=tau)
    bond = hopping_between(system, 4, 5)
    assert bond_transmission(t, mu, bond) == pytest.approx(tau, rel=1e-12)
    assert 0 < -bond <= t
    np.testing.assert_array_equal(system.info["interface_hoppings"], [-bond])
    assert system.info["interface"]["k"] == pytest.approx(np.arccos(-mu / (2 * t)))


@pytest.mark.parametrize("mu", [-2.0, 2.5, -4.0])
def test_beyond_the_band_of_a_chain_the_wave_number_is_taken_as_a_right_angle_and_noted(mu):
    system = stack([Layer(2), Layer(2)], (3, 3), mu=mu, transparency=0.5)
    x = system.info["interface_hoppings"][0]
    assert 4 * x**2 / ((1 - x**2) ** 2 + 4 * x**2) == pytest.approx(0.5, rel=1e-12)
    assert system.info["interface"]["k"] == pytest.approx(np.pi / 2)
    assert "|mu| >= 2 t" in system.info["interface"]["k_choice"]


def test_a_single_number_holds_for_all_interfaces():
    layers = [Layer(2), Layer(3), Layer(2)]
    one = stack(layers, transparency=0.5, barrier=0.7)
    two = stack(layers, transparency=[0.5, 0.5], barrier=[0.7, 0.7])
    assert abs(one.hamiltonian - two.hamiltonian).max() == 0
    np.testing.assert_array_equal(np.flatnonzero(one.hamiltonian.diagonal()), [1, 4])  # last before each interface


def test_adjacent_superconductors_are_grains_of_their_own_from_left_to_right():
    layers = [Layer(1, delta=1), Layer(2, attraction=2), Layer(1), Layer(1, delta=1, attraction=1)]
    np.testing.assert_array_equal(stack(layers).grain, [0, 1, 1, -1, 2])


@pytest.mark.parametrize("turns", [0, 1, -1, 2, 3])
def test_phases_that_are_multiples_of_pi_keep_the_system_real(turns):
    system = stack([Layer(1, delta=0.5), Layer(1), Layer(1, delta=0.5, phase=turns * np.pi)])
    assert system.is_real
    np.testing.assert_array_equal(system.delta, [0.5, 0, 0.5 * (-1) ** turns])


def test_disorder_is_uniform_seeded_and_stays_in_its_layer():
    layers = [Layer(10, delta=0.1), Layer(40, disorder=3.0, onsite=0.5), Layer(10, disorder=0.2)]
    system = stack(layers, (20, 10), seed=7, mu=-1)
    onsite = system.hamiltonian.diagonal().reshape(60, -1)
    np.testing.assert_array_equal(onsite[:10], 1.0)
    noise = onsite[10:50] - 1.5
    assert -1.5 <= noise.min() < -1.49
    assert 1.49 < noise.max() <= 1.5
    assert abs(onsite[50:] - 1.0).max() <= 0.1
    count = noise.size  # mean and variance of a box of width W: 0 and W^2/12; four standard errors
    assert abs(noise.mean()) < 4 * 3.0 / np.sqrt(12 * count)
    assert abs(noise.var() - 9 / 12) < 4 * 9 / np.sqrt(180 * count)
    assert abs(np.corrcoef(noise[:-1].ravel(), noise[1:].ravel())[0, 1]) < 4 / np.sqrt(count)

    again, other = stack(layers, (20, 10), seed=7, mu=-1), stack(layers, (20, 10), seed=8, mu=-1)
    assert (again.hamiltonian.data == system.hamiltonian.data).all()
    assert (other.hamiltonian.diagonal() != system.hamiltonian.diagonal()).any()
    # a wider box stretches the same draws: sweeps over W stay comparable
    wider = stack([layers[0], Layer(40, disorder=6.0, onsite=0.5), layers[2]], (20, 10), seed=7, mu=-1)
    np.testing.assert_allclose(wider.hamiltonian.diagonal().reshape(60, -1)[10:50] - 1.5, 2 * noise, atol=1e-14)


def test_a_seed_that_was_not_given_is_recorded_and_reproduces():
    first = stack([Layer(5, disorder=1)])
    second = stack([Layer(5, disorder=1)])
    assert first.info["seed"] != second.info["seed"]
    again = stack([Layer(5, disorder=1)], seed=first.info["seed"])
    np.testing.assert_array_equal(again.hamiltonian.data, first.hamiltonian.data)


def test_info_holds_all_arguments_and_survives_saving(tmp_path):
    layers = [Layer(2, delta=0.3, phase=0.1), Layer(3, disorder=0.5), Layer(2, delta=0.3, hopping=0.5, attraction=1)]
    system = stack(layers, (3,), t=2, mu=-1, spacing=1.5, transparency=0.5, barrier=[0.1, 0], periodic=True, seed=3)
    info = system.info
    assert [Layer(**layer) for layer in info["layers"]] == layers
    assert info["kind"] == "stack"
    assert (info["t"], info["mu"], info["spacing"], info["seed"]) == (2, -1, 1.5, 3)
    assert (info["transparency"], info["barrier"], info["periodic"]) == (0.5, [0.1, 0], [True])
    assert (info["cross_section"], info["disorder"]) == ([3], 0.5)
    assert json.loads(json.dumps(info)) == info
    system.save(tmp_path / "stack.h5")
    assert load(tmp_path / "stack.h5").info == info


def test_host_disorder_is_left_open_where_layers_differ():
    assert stack([Layer(2, disorder=1), Layer(2, disorder=2)], seed=1).info["disorder"] is None
    assert stack([Layer(2, delta=1, disorder=1)], seed=1).info["disorder"] is None
    assert stack([Layer(2, disorder=1), Layer(2, delta=1), Layer(1, disorder=1)], seed=1).info["disorder"] == 1


@pytest.mark.parametrize(("wraps", "y_levels"), [(True, [-2, 1, 1]), (False, [-np.sqrt(2), 0, np.sqrt(2)])])
def test_the_cross_section_wraps_or_not(wraps, y_levels):
    """Levels of a clean slab: chain levels -2t cos(pi n/(Nx + 1)) plus those across."""
    system = stack([Layer(5)], (3,), periodic=wraps)
    x_levels = -2 * np.cos(np.pi * np.arange(1, 6) / 6)
    expected = np.sort(np.add.outer(x_levels, y_levels).ravel())
    np.testing.assert_allclose(np.linalg.eigvalsh(system.hamiltonian.toarray()), expected, rtol=0, atol=1e-13)


def test_one_axis_across_may_wrap_alone():
    system = stack([Layer(2)], (3, 4), periodic=[False, True], spacing=0.5)
    assert system.period == (None, None, 2.0)


def test_a_clean_short_junction_has_a_zero_mode_at_phase_pi():
    """S | one N site | S at mu = 0, phase pi, transparency 1: E = 0 by symmetry (Beenakker 1991: E = Delta cos(phi/2)).

    The overlap with the far ends decays like exp(-2 L Delta/2t): 1e-13 here.
    """
    layers = [Layer(100, delta=0.3), Layer(1), Layer(100, delta=0.3, phase=np.pi)]
    levels = np.sort(abs(bdg_levels(stack(layers))))
    assert levels[1] < 1e-10
    assert levels[2] > 0.25
    # a barrier on the N site opens it: E = Delta sqrt(1 - tau), tau = 1/(1 + (Ub/2)^2), up to (Delta/t)^2
    barrier = [layers[0], Layer(1, onsite=1.0), layers[2]]
    assert np.sort(abs(bdg_levels(stack(barrier))))[0] == pytest.approx(0.3 * np.sqrt(1 - 0.8), rel=0.3**2)


@pytest.mark.parametrize(
    ("arguments", "error", "match"),
    [
        ({"length": 0}, ValueError, r"length must be a whole number >= 1 \(sites\); got 0"),
        ({"length": True}, TypeError, r"length must be a whole number >= 1 \(sites\); got True \(bool\)"),
        ({"length": 2.5}, TypeError, r"length must be a whole number >= 1 \(sites\); got 2.5 \(float\)"),
        ({"length": 2, "delta": 1j}, TypeError, "delta of a layer must be a real number"),
        ({"length": 2, "delta": np.nan}, ValueError, "delta of a layer must be finite"),
        ({"length": 2, "phase": np.inf}, ValueError, "phase of a layer must be finite"),
        ({"length": 2, "onsite": "high"}, TypeError, "onsite of a layer must be a real number"),
        ({"length": 2, "attraction": -1}, ValueError, "attraction of a layer must be finite and >= 0"),
        ({"length": 2, "disorder": -1}, ValueError, "disorder of a layer must be finite and >= 0"),
        ({"length": 2, "hopping": 0}, ValueError, "hopping of a layer must be positive"),
    ],
)
def test_bad_layers_are_refused(arguments, error, match):
    with pytest.raises(error, match=match):
        Layer(**arguments)


@pytest.mark.parametrize(
    ("arguments", "error", "match"),
    [
        ({"layers": []}, ValueError, "layers is empty"),
        ({"layers": [5]}, TypeError, "layers must be bdg.lattices.Layer objects; got 5"),
        ({"cross_section": (2, 2, 2)}, ValueError, r"cross_section must be \(\), \(Ny,\) or \(Ny, Nz\)"),
        ({"cross_section": (0,)}, ValueError, r"cross_section must be a whole number >= 1 \(sites\); got 0"),
        ({"cross_section": (2.5,)}, TypeError, "cross_section must be a whole number >= 1"),
        ({"t": 0}, ValueError, "t must be positive"),
        ({"t": 1j}, TypeError, "t must be a real number"),
        ({"mu": np.nan}, ValueError, "mu must be finite"),
        ({"spacing": -1}, ValueError, "spacing must be positive"),
        ({"transparency": 0}, ValueError, r"transparency must lie in \(0, 1\]"),
        ({"transparency": 1.1}, ValueError, r"transparency must lie in \(0, 1\]"),
        ({"transparency": np.nan}, ValueError, "transparency must be finite"),
        ({"transparency": [0.5]}, ValueError, r"transparency must be one number, or one an interface \(2\); got sh"),
        ({"barrier": [0.5] * 3}, ValueError, r"barrier must be one number, or one an interface \(2\)"),
        ({"barrier": 1j}, ValueError, "barrier must be finite real numbers"),
        ({"periodic": True}, ValueError, "periodic applies to the cross-section, and a chain has none"),
        ({"periodic": 1, "cross_section": (2,)}, ValueError, "periodic must be True or False"),
        ({"periodic": True, "cross_section": (1,)}, ValueError, "axis 1 has one site"),
        ({"seed": -1}, ValueError, "seed must be a whole number >= 0, or None for one drawn by chance; got -1"),
        ({"seed": 1.5}, TypeError, "seed must be a whole number >= 0, or None .*; got 1.5"),
    ],
)
def test_bad_stacks_are_refused(arguments, error, match):
    with pytest.raises(error, match=match):
        stack(**({"layers": [Layer(2), Layer(2), Layer(2)]} | arguments))
