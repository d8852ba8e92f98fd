"""Arrays of junctions: closed forms in series and parallel, an integration of another kind, resistors, rest."""

import numpy as np
import pytest
from numpy.testing import assert_allclose
from scipy.integrate import solve_ivp

import bdg
from bdg.granular import JunctionArray, resistance_between, rsj_voltage
from bdg.granular.dynamics import mean_voltage as mean_voltage_module
from bdg.granular.dynamics.mean_voltage import mean_voltage
from bdg.granular.dynamics.phase_flow import PhaseFlow

BRIDGE = [[0, 1], [0, 2], [1, 3], [2, 3], [1, 2]]


def test_one_junction_and_junctions_in_parallel():
    """The closed form itself; critical currents and conductances add up."""
    currents = np.linspace(-3, 3, 13) * 1e-3
    one = JunctionArray([[0, 1]], [1e-3], [2.0], 0, 1)
    assert_allclose(one.voltage(currents), rsj_voltage(currents, 1e-3, 2.0), rtol=1e-13)
    three = JunctionArray([[0, 1], [1, 0], [0, 1]], [1e-3, 2e-3, 0], [2.0, 3.0, 6.0], 1, 0)
    assert_allclose(three.voltage(3 * currents), rsj_voltage(3 * currents, 3e-3, 1.0), rtol=1e-13)
    assert isinstance(one.voltage(2e-3), float)
    assert one.voltage(np.full((2, 1), 2e-3)).shape == (2, 1)


def test_junctions_in_series():
    """Voltages add up, whatever hangs beside the way and goes nowhere."""
    pairs = [[0, 1], [1, 2], [2, 3], [1, 4], [4, 5], [5, 1], [7, 8]]
    chain = JunctionArray(pairs, [1.0, 3.0, 0.0, 1.0, 1.0, 1.0, 1.0], [1.0, 2.0, 0.5, 1.0, 1.0, 1.0, 1.0], 0, 3)
    currents = np.array([0.5, 2.0, 3.5])
    expected = rsj_voltage(currents, 1.0, 1.0) + rsj_voltage(currents, 3.0, 2.0) + 0.5 * currents
    found = chain.voltages(currents)
    assert_allclose(found.voltages, expected, rtol=1e-13)
    assert (found.error == 0).all()
    assert found.resistance == pytest.approx(3.5)
    assert found.evidence.parts == 3


@pytest.mark.parametrize("excess", [1e-4, 0.03, 3.0])
def test_the_average_of_one_junction_near_its_critical_current(excess):
    """Integrated, not the closed form: a period of 440 near 1 + 1e-4. The error is told and holds."""
    current = np.array([1 + excess])
    flow = PhaseFlow(np.array([[0, 1]]), np.ones(1), np.ones(1), 2, 0, 1)
    found = mean_voltage(flow, current, 1e-3)
    expected = rsj_voltage(current, 1.0, 1.0)
    assert_allclose(found.voltage, expected, rtol=2e-4)
    assert found.error < 1e-3 * found.voltage
    assert found.critical_current == pytest.approx(1, abs=1e-9)


def test_two_equal_branches():
    """Two chains of two junctions share the current: V = 2 V_1(I/2), and the bridge between them carries nothing."""
    currents = np.array([1.0, 1.999, 2.0, 2.0002, 2.5, 9.0])
    found = JunctionArray(BRIDGE, 1.0, 1.0, 0, 3).voltages(currents)
    assert (found.voltages[:3] == 0).all()
    assert_allclose(found.voltages[3:], 2 * rsj_voltage(currents[3:] / 2, 1.0, 1.0), rtol=1e-3)
    assert (found.error <= 1e-3 * found.voltages).all()
    assert found.evidence.critical_current == pytest.approx(2.0, rel=1e-8)


def integrated(pairs, critical, resistances, source, drain, current, turns):
    """The same laws by an integrator of SciPy, between two phases of one node: error a fraction of one turn."""
    pairs, n_nodes = np.array(pairs), np.max(pairs) + 1
    incidence = np.zeros((len(pairs), n_nodes))
    incidence[np.arange(len(pairs)), pairs[:, 0]], incidence[np.arange(len(pairs)), pairs[:, 1]] = 1, -1
    incidence = np.delete(incidence, drain, axis=1)
    source -= source > drain
    inverse = np.linalg.inv(incidence.T @ np.diag(1 / np.array(resistances)) @ incidence)

    def velocity(_, phases):
        return inverse @ (current * np.eye(n_nodes - 1)[source] - incidence.T @ (critical * np.sin(incidence @ phases)))

    def turned(_, phases):
        return phases[source] - start[source] - 2 * np.pi * turns

    turned.terminal, start = True, np.zeros(n_nodes - 1)
    for _ in range(2):  # the first is a transient
        done = solve_ivp(velocity, (0, 1e5), start, "DOP853", events=turned, rtol=1e-9, atol=1e-9)
        start = done.y_events[0][0]
    return 2 * np.pi * turns / done.t_events[0][0]


@pytest.mark.slow
def test_an_array_without_a_closed_form():
    """Wheatstone's bridge of unequal junctions, one of them a resistor."""
    critical, resistances = np.array([1.0, 0.6, 0.0, 1.5, 0.8]), np.array([1.0, 2.0, 1.5, 0.5, 1.0])
    array = JunctionArray(BRIDGE, critical, resistances, 0, 3)
    expected = integrated(BRIDGE, critical, resistances, 0, 3, 1.7, turns=160)
    assert array.voltage(1.7) == pytest.approx(expected, rel=2e-3)  # 1e-3 each
    found = array.voltages([3.0], tol=3e-3)
    assert found.voltages[0] == pytest.approx(2.9984, rel=3e-3)  # the same integrator over 1500 turns


def test_no_voltage_up_to_the_largest_static_current():
    """A ladder fed at one corner: rest below the current that evidence names, a voltage above, odd in the current."""
    pairs = [[0, 1], [1, 2], [3, 4], [4, 5], [0, 3], [1, 4], [2, 5]]
    critical = np.array([1.0, 0.7, 0.9, 1.1, 0.5, 0.8, 1.2])
    array = JunctionArray(pairs, critical, 1 / critical, 0, 5)
    edge = array.voltages([5.0]).evidence.critical_current
    assert 0.7 < edge < 1.7  # the cuts beside source and drain carry 1.5 and 2.3, that at the weakest rung less
    found = array.voltage(edge * np.array([-1.01, -0.999, 0.0, 0.5, 0.999999, 1.01]))
    assert (found[1:5] == 0).all()
    assert found[5] > 0 and found[0] == -found[5]


def test_what_carries_no_supercurrent_through_is_never_at_rest():
    """Resistors between two clusters: no slips at small currents, slope of the three ways of one resistor."""
    pairs, critical = [[0, 1], [0, 2], [1, 2], [2, 3], [1, 4], [3, 4], [2, 4]], [1.0, 1.0, 1.0, 0, 0, 1.0, 0]
    array = JunctionArray(pairs, critical, 1.0, 0, 4)
    found = array.voltages([1e-3, 0.3, 20.0])
    assert_allclose(found.voltages[:2], [1e-3 / 3, 0.1], rtol=1e-12)
    assert 0.3 < found.evidence.critical_current < 20
    assert found.voltages[2] == pytest.approx(20 * found.resistance, rel=0.05)


def test_resistors_alone():
    resistances = [1.0, 2.0, 3.0, 4.0, 5.0]
    array = JunctionArray(BRIDGE, 0.0, resistances, 0, 3)
    assert array.voltage(2.0) == pytest.approx(2 * resistance_between(BRIDGE, resistances, 0, 3), rel=1e-12)
    assert array.voltage(0) == 0
    assert array.voltages([]).voltages.shape == (0,)


def test_large_currents_see_resistors():
    critical, resistances = [1.0, 0.6, 0.2, 1.5, 0.8], [1.0, 2.0, 1.5, 0.5, 1.0]
    array = JunctionArray(BRIDGE, critical, resistances, 0, 3)
    assert array.voltage(1e3) == pytest.approx(1e3 * resistance_between(BRIDGE, resistances, 0, 3), rel=1e-4)


@pytest.mark.slow
def test_motion_without_a_period_is_averaged_over_copies(monkeypatch):
    """3 x 3 nodes of scattered junctions, whose voltage wanders: copies against one long run, which misses 1e-3."""
    rng, nodes = np.random.default_rng(1), np.arange(9).reshape(3, 3)
    pairs = np.concatenate(
        [np.stack([nodes[:-1], nodes[1:]], -1), np.stack([nodes[:, :-1], nodes[:, 1:]], -1).swapaxes(0, 1)]
    )
    critical, resistances = np.exp(0.4 * rng.standard_normal((2, 12)))
    array = JunctionArray(pairs.reshape(-1, 2), critical, resistances, 0, 8)
    found = array.voltages([5.0], tol=2e-3)
    monkeypatch.setattr(mean_voltage_module, "ENOUGH_TURNS", np.inf)
    monkeypatch.setattr(mean_voltage_module, "MOST_STEPS", 50_000)
    with pytest.warns(bdg.AccuracyWarning, match="1 of 1 voltages miss 0.001"):
        alone = array.voltages([5.0], tol=1e-3)
    assert found.error[0] <= 2e-3 * found.voltages[0]
    assert abs(found.voltages[0] - alone.voltages[0]) < found.error[0] + alone.error[0]


def test_a_missed_tolerance_is_told(monkeypatch):
    monkeypatch.setattr(mean_voltage_module, "MOST_STEPS", 300)
    with pytest.warns(bdg.AccuracyWarning, match=r"1 of 1 voltages miss 0.001, the first of them at 2.0002 A"):
        found = JunctionArray(BRIDGE, 1.0, 1.0, 0, 3).voltages([2.0002])
    assert abs(found.voltages[0] - 2 * rsj_voltage(1.0001, 1.0, 1.0)) < found.error[0]
    assert found.evidence.missed == 1


def test_the_result_is_stored_and_drawn(tmp_path):
    found = JunctionArray([[0, 1]], 1.0, 1.0, 0, 1).voltages([2.0, -1.0])
    found.save(tmp_path / "voltages.h5")
    loaded = bdg.load(tmp_path / "voltages.h5")
    assert np.array_equal(loaded.voltages, found.voltages)
    assert len(found.plot().axes[0].lines) >= 2


@pytest.mark.parametrize(
    ("arguments", "kind", "message"),
    [
        ({"critical_currents": [-1.0]}, ValueError, r"critical_currents must be >= 0 \(A\); got -1.0 for bond 0"),
        ({"critical_currents": np.inf}, ValueError, r"critical_currents must be finite \(A\)"),
        ({"resistances": [0.0]}, ValueError, r"resistances must be > 0 \(ohm\); got 0"),
        ({"resistances": [1.0, 2.0]}, ValueError, "resistances must be one number for each of the 1 pairs"),
        ({"drain": 0}, ValueError, "source and drain must be different nodes; got 0 for both"),
        ({"drain": 2}, ValueError, "nothing connects source 0 and drain 2"),
        ({"source": 0.5}, TypeError, "source must be a whole number >= 0"),
    ],
)
def test_wrong_arrays_are_refused(arguments, kind, message):
    given = {"pairs": [[0, 1]], "critical_currents": [1.0], "resistances": [1.0], "source": 0, "drain": 1, **arguments}
    with pytest.raises(kind, match=message):
        JunctionArray(**given)


def test_wrong_currents_are_refused():
    array = JunctionArray([[0, 1]], [1.0], [1.0], 0, 1)
    with pytest.raises(ValueError, match=r"current must be finite \(A\)"):
        array.voltage(np.nan)
    with pytest.raises(TypeError, match=r"currents must be real \(A\)"):
        array.voltages(["much"])
    with pytest.raises(ValueError, match="currents must be a number or a list"):
        array.voltages([[1.0]])
    with pytest.raises(ValueError, match="tol must be positive"):
        array.voltages([1.0], tol=0)
