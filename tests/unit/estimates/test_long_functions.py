"""bdg.estimate of functions of many sums or spectra: none is forgotten, and `auto` goes by the same model."""

from __future__ import annotations

import dataclasses
import inspect

import numpy as np
import pytest
import scipy.sparse as sp

import bdg
from bdg.estimates import QUICK, TASKS
from bdg.gpu.cost import calibration
from bdg.gpu.cost.model import BUILT_IN
from bdg.lattices import Layer, stack

PHASES = np.linspace(0.1, 3.0, 4)
OF_EVERY_FUNCTION = {"system", "method", "device", "threads", "seed", "progress"}  # those that `estimate` takes itself
# what estimates of before take or leave out: no method goes by it, or it is part of another argument
OTHERWISE = {
    "electron_density": {"elements"},
    "free_energy": {"elements"},
    "solve_gap": {"elements", "iterations", "mixing", "pinned", "filling", "hartree", "checkpoint", "max_iterations"},
    "bound_states": {"tol"},
    "count_states": set(),
}


def turned(system, phase):
    return system.with_phases({1: phase})


CALLS = {
    "bond_currents": {"temperature": 0.1},
    "critical_temperature": {"tol": 1e-4},
    "current_phase": {"phases": PHASES, "temperature": 0.1},
    "grain_landscape": {"temperature": 0.1},
    "phase_harmonics": {"grains": [0, 1], "temperature": 0.1, "points": 4},
    "spectrum_along": {"values": PHASES, "change": turned, "k": 4},
    "superfluid_stiffness": {"temperature": 0.1, "direction": "y"},
    "thouless_energy": {"axis": "y", "k": 8},
}


@pytest.fixture
def junction():
    """Small enough to compute, large enough (dimension 576) that methods are compared."""
    outer = Layer(2, delta=0.4, disorder=1.0)
    return stack([outer, Layer(4, disorder=1.0), outer], (6, 6), mu=-0.7, periodic=True, seed=1)


@pytest.fixture
def attractive(junction):
    attraction = np.where(abs(junction.delta) > 0, 2.6, 0.0)
    return dataclasses.replace(junction, delta=np.zeros(junction.n_sites), attraction=attraction)


def system_for(what, junction, attractive):
    return attractive if what == "critical_temperature" else junction


def assuming(**factors):
    """Rates so many times the built-in ones."""
    rates = {}
    for name, factor in factors.items():
        kept = getattr(BUILT_IN["cpu"], name)
        rates[name] = {k: factor * v for k, v in kept.items()} if isinstance(kept, dict) else factor * kept
    return calibration.assuming(dataclasses.replace(BUILT_IN["cpu"], **rates))


# --------------------------------------------------------------------------------------------------------- none is left


def test_every_function_that_computes_has_an_estimate_or_a_reason():
    functions = {name for name in bdg.__all__ if inspect.isfunction(getattr(bdg, name))}
    assert functions == {*TASKS, *QUICK} and not TASKS.keys() & QUICK.keys()
    assert all(QUICK.values())


@pytest.mark.parametrize("what", sorted(TASKS))
def test_its_arguments_are_those_of_the_function(what):
    parameters = set(inspect.signature(getattr(bdg, what)).parameters) - OF_EVERY_FUNCTION
    assert parameters ^ set(TASKS[what].arguments) <= OTHERWISE.get(what, set())
    assert TASKS[what].required <= parameters


def test_what_is_quick_is_refused_with_the_reason(junction):
    with pytest.raises(ValueError, match="what='phase_response' needs no estimate: .* Known: bound_states"):
        bdg.estimate(junction, "phase_response")


# ---------------------------------------------------------------------------------------------------------- the numbers


@pytest.mark.parametrize("what", CALLS)
@pytest.mark.filterwarnings("ignore:charge is not conserved")
def test_the_method_is_the_one_that_the_function_takes(junction, attractive, what):
    system = system_for(what, junction, attractive)
    expected = bdg.estimate(system, what, **CALLS[what])
    assert expected.seconds > 0 and 0 < expected.gibibytes < 4 and expected.feasible.all()
    assert getattr(bdg, what)(system, **CALLS[what]).evidence.method == expected.method


@pytest.mark.parametrize("what", CALLS)
@pytest.mark.parametrize("kind", ["real", "complex", "spins"])
def test_every_method_of_every_number_system_has_its_estimate(junction, attractive, spinful, what, kind):
    system = system_for(what, junction, attractive)
    if kind == "complex":
        turn = sp.diags(np.exp(0.3j * np.arange(system.n_sites) ** 2))
        system = dataclasses.replace(system, hamiltonian=turn @ system.hamiltonian @ turn.conj())
    if kind == "spins":
        grain = system.grain
        system = dataclasses.replace(spinful(system), grain=grain)
    found = bdg.estimate(system, what, **CALLS[what])
    assert (found.all_seconds > 0).all() and (found.all_gibibytes > 0).all()
    for method in found.methods:
        one = bdg.estimate(system, what, **CALLS[what], method=method)
        assert one.method == method and one.seconds == found.all_seconds[found.methods.index(method)]


def test_more_takes_longer(junction, attractive):
    def seconds(what, system=junction, **changed):
        return bdg.estimate(system, what, **{**CALLS[what], **changed}).all_seconds

    assert (seconds("current_phase", phases=np.linspace(0.1, 3, 40)) > 5 * seconds("current_phase")).all()
    harmonics = seconds("phase_harmonics", points=16) / seconds("phase_harmonics")
    assert (harmonics[:2] > 2).all() and harmonics[2] > 1  # the host is integrated out once
    assert (seconds("superfluid_stiffness", direction="all") > 1.4 * seconds("superfluid_stiffness")).all()
    assert (seconds("spectrum_along", values=np.linspace(0, 3, 41)) > 5 * seconds("spectrum_along")).all()
    whole = dataclasses.replace(junction, attraction=attractive.attraction)
    imposed, iterated = (seconds("current_phase", whole, self_consistent=choice) for choice in (False, True))
    assert (iterated > 5 * imposed).all()


def test_what_is_assumed_is_said(junction, attractive):
    assert "inserted values" in bdg.estimate(junction, "spectrum_along", **CALLS["spectrum_along"]).notes[0]
    free = bdg.estimate(junction, "phase_harmonics", grains=[0, 1], temperature=0.1)
    assert all("phases of each grain" in note for note in free.notes)
    assert "applications" in bdg.estimate(attractive, "critical_temperature").notes[0]
    iterated = bdg.estimate(attractive, "current_phase", phases=[0.3], temperature=0.1, self_consistent=True)
    assert "iterations at each phase" in iterated.notes[0]


@pytest.mark.parametrize(
    ("what", "changed"),
    [
        ("bond_currents", {"tol": -1}),
        ("bond_currents", {"temperature": -1}),
        ("current_phase", {"phases": []}),
        ("current_phase", {"between": (0, 7)}),
        ("current_phase", {"pinned": [-1]}),
        ("current_phase", {"tol": 0}),
        ("current_phase", {"self_consistent": True}),
        ("superfluid_stiffness", {"direction": "w"}),
        ("superfluid_stiffness", {"tol": "small"}),
        ("phase_harmonics", {"grains": [0]}),
        ("phase_harmonics", {"points": 5}),
        ("phase_harmonics", {"tol": 0}),
        ("spectrum_along", {"values": [1.0]}),
        ("spectrum_along", {"k": 0}),
        ("spectrum_along", {"refine": -1}),
        ("spectrum_along", {"change": 3}),
        ("spectrum_along", {"change": lambda system, value: value}),
        ("spectrum_along", {"resolution": -1.0}),
        ("thouless_energy", {"axis": "x"}),
        ("thouless_energy", {"k": 2}),
        ("thouless_energy", {"window": (1, 0)}),
        ("critical_temperature", {"tol": 1.0}),
    ],
)
def test_wrong_arguments_are_those_of_the_function(junction, attractive, what, changed):
    system = system_for(what, junction, attractive)
    messages = []
    for call in (getattr(bdg, what), lambda system, **given: bdg.estimate(system, what, **given)):
        with pytest.raises((ValueError, TypeError)) as raised:
            call(system, **{**CALLS[what], **changed})
        messages.append((raised.type, str(raised.value)))
    assert messages[0] == messages[1]


def test_iterations_of_a_phase_are_a_whole_number(attractive):
    given = {"phases": [0.3], "temperature": 0.1, "self_consistent": True, "max_iterations": 0.5}
    for call in (bdg.current_phase, lambda system, **given: bdg.estimate(system, "current_phase", **given)):
        with pytest.raises(TypeError, match="max_iterations must be a whole number >= 1"):
            call(attractive, **given)


def test_a_transition_needs_an_attraction(junction):
    for call in (bdg.critical_temperature, lambda system: bdg.estimate(system, "critical_temperature")):
        with pytest.raises(ValueError, match="system has no attraction"):
            call(junction)


# ---------------------------------------------------------------------------------------------------------- the choices


def test_a_stiffness_takes_the_quicker_of_levels_and_differences(junction):
    call = {"temperature": 0.1, "direction": "y", "tol": 1e-6}
    with assuming(eigh=1e-3):
        differences = bdg.superfluid_stiffness(junction, **call)
    with assuming(forms=100.0):
        levels = bdg.superfluid_stiffness(junction, **call)
    assert (levels.evidence.method, differences.evidence.method) == ("kubo", "current")
    for found in (levels, differences):
        assert "kubo " in found.evidence.why and "current " in found.evidence.why and " s" in found.evidence.why
    assert levels.stiffness == pytest.approx(differences.stiffness, abs=1e-4)
    with assuming(eigh=1e-3):
        assert bdg.estimate(junction, "superfluid_stiffness", **call).method == "current"
        assert bdg.superfluid_stiffness(junction, 0, "y").evidence.why.startswith("temperature 0")


def test_harmonics_take_the_quicker_of_levels_and_determinants(junction):
    call = {"grains": [0, 1], "temperature": 0.1, "points": 4}
    with assuming(eigh=1e-3):
        poles = bdg.phase_harmonics(junction, **call)
    with assuming(eigh=1e3):
        dense = bdg.phase_harmonics(junction, **call)
    assert (dense.evidence.method, poles.evidence.method) == ("dense", "integrated_host")
    for found in (dense, poles):
        assert "for 3 free energies: " in found.evidence.why
    assert dense.terms[1, -1] == pytest.approx(poles.terms[1, -1], abs=2 * (dense.error + poles.error))


@pytest.mark.parametrize("what", ["superfluid_stiffness", "phase_harmonics"])
def test_small_systems_take_all_levels_without_a_comparison(what):
    small = stack([Layer(3, delta=0.4), Layer(2), Layer(3, delta=0.4)], (3,), periodic=True)
    assert getattr(bdg, what)(small, **CALLS[what]).evidence.why == "dimension 48 is below 500"
