"""Numbers that can hardly be meant are warned of at the caller's line; ordinary ones are not (warnings are errors)."""

import inspect

import numpy as np
import pytest

import bdg
from bdg.lattices import Layer, from_hamiltonian, stack


def ring(n=6, **fields):
    h = -(np.roll(np.eye(n), 1, axis=0) + np.roll(np.eye(n), -1, axis=0))
    return from_hamiltonian(h, np.arange(n)[:, None], **fields)


def junction():
    return stack([Layer(2, delta=0.3), Layer(1), Layer(2, delta=0.3)], mu=-0.3)


def warned(call, match):
    """Make a call that warns, and see that the warning points at its own line."""
    with pytest.warns(bdg.DoubtfulArgumentWarning, match=match) as found:
        call()
    lines, first = inspect.getsourcelines(call)
    of_doubt = [warning for warning in found if warning.category is bdg.DoubtfulArgumentWarning]
    assert all(warning.filename == __file__ for warning in of_doubt)
    assert all(first <= warning.lineno < first + len(lines) for warning in of_doubt)


@pytest.mark.filterwarnings("ignore::bdg.ConservationWarning")
@pytest.mark.parametrize(
    "phases", [[90.0], [0, 45, 90, 135, 180], np.linspace(0, 360, 7), np.linspace(0, 180, 9), [-30]]
)
def test_phases_in_degrees(phases):
    warned(lambda: bdg.current_phase(junction(), phases, 0.1), "degrees, and phases are in radian")


def test_phases_of_layers_and_grains_in_degrees():
    warned(lambda: Layer(2, delta=0.1, phase=90), "phase of a layer: 90 looks like degrees")
    warned(lambda: junction().with_phases({1: 180}), "phases: 180 looks like degrees")


@pytest.mark.filterwarnings("ignore::bdg.ConservationWarning")
def test_ordinary_phases():
    for phases in ([0, 1, 2, 3], np.linspace(0, 4 * np.pi, 9), [-np.pi], [0.0], [20 * np.pi], [5.0], [10, 20]):
        bdg.current_phase(junction(), phases, 0.1)
    junction().with_phases({1: 25.1})


@pytest.mark.parametrize(
    "call",
    [
        lambda: bdg.electron_density(ring(delta=0.2), 4.2),
        lambda: bdg.pair_amplitude(ring(delta=0.2), 4.2),
        lambda: bdg.solve_gap(ring(attraction=1.0), 300),
        lambda: bdg.superfluid_stiffness(ring(delta=0.2, period=(6,)), 4.2, "x"),
    ],
)
def test_temperatures_in_kelvin(call):
    warned(call, "all levels of the system lie below .* kelvin")


def test_ordinary_temperatures():
    bdg.electron_density(ring(delta=0.2), 2.0)
    bdg.pair_amplitude(from_hamiltonian(0.2 * np.eye(1), np.zeros((1, 1)), delta=0.3), 0.9)


@pytest.mark.parametrize("options", [{"method": "dense"}, {"method": "green"}, {"method": "chebyshev"}])
def test_one_energy_far_out(options):
    h = ring().with_onsite(np.where(np.arange(6) == 3, 1e6, 0.0))
    warned(lambda: bdg.density_of_states(h, 0.0, **options), "site 3 alone .* Give broadening=")
    bdg.density_of_states(h, 0.0, method="green", broadening=0.1)
    bdg.density_of_states(ring(), [-3.0, 0.0, 3.0], **options)  # as coarse as it was asked for


def test_how_far_a_matrix_is_from_hermitian():
    h = ring().hamiltonian.toarray()
    h[0, 1] *= 1 + 1e-7
    with pytest.raises(ValueError, match=r"off by 1.0e-07 of max\|h\|.*hamiltonian=\(h \+ h.conj\(\).T\)/2"):
        from_hamiltonian(h, np.arange(6)[:, None])
    from_hamiltonian((h + h.conj().T) / 2, np.arange(6)[:, None])
    h[0, 1] = 3
    with pytest.raises(ValueError, match="partner h_ji") as error:
        from_hamiltonian(h, np.arange(6)[:, None])
    assert "off by" not in str(error.value)


@pytest.mark.filterwarnings("ignore::bdg.ConservationWarning")
def test_phases_are_doubted_once():
    """What a function hands on to `System.with_phases` has been doubted already."""
    with pytest.warns(bdg.DoubtfulArgumentWarning) as found:
        bdg.current_phase(junction(), [0, 45, 90, 135, 180], 0.1)
    assert [warning.category for warning in found].count(bdg.DoubtfulArgumentWarning) == 1


@pytest.mark.parametrize("progress", ["yes", 1, "no"])
def test_progress_is_true_false_or_none(progress):
    with pytest.raises(TypeError, match="progress must be True, False or None"):
        bdg.pair_amplitude(ring(delta=0.2), 0.1, method="poles", progress=progress)
