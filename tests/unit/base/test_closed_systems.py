"""Leads are kept, but not solved: each call says so once, where the user made it."""

import dataclasses
import inspect
import subprocess
import sys
import threading
import warnings

import kwant
import numpy as np
import pytest

import bdg
from bdg.lattices import Lead, load, stack

CLOSED = stack([bdg.lattices.Layer(4, delta=0.3, attraction=1.0), bdg.lattices.Layer(4)], mu=-0.5)
JUNCTION = stack([bdg.lattices.Layer(3, delta=0.3, attraction=1.0), bdg.lattices.Layer(1),
                  bdg.lattices.Layer(3, delta=0.3, attraction=1.0)], mu=-0.5)  # fmt: skip
RING = stack([bdg.lattices.Layer(1)], (40,), periodic=True)


def opened(system, count=1):
    lead = Lead(np.array([[0.5]]), np.array([[-1.0]]), np.array([0]))
    return dataclasses.replace(system, leads=(lead,) * count)


STATES = bdg.bound_states(JUNCTION.with_phases({1: 0.4}), 4)
CALLS = {
    "BdGHamiltonian": lambda s: bdg.BdGHamiltonian(s(CLOSED)),
    "bond_currents": lambda s: bdg.bond_currents(s(CLOSED), 0.1),
    "bound_states": lambda s: bdg.bound_states(s(CLOSED), 2),
    "count_states": lambda s: bdg.count_states(s(CLOSED), 0.1),
    "critical_temperature": lambda s: bdg.critical_temperature(s(CLOSED).with_delta(0)),
    "current_phase": lambda s: bdg.current_phase(s(JUNCTION), [0.0], 0.1),
    "density_of_states": lambda s: bdg.density_of_states(s(CLOSED), [0.0, 0.1]),
    "electron_density": lambda s: bdg.electron_density(s(CLOSED), 0.1),
    "estimate": lambda s: bdg.estimate(s(CLOSED), k=4),
    "free_energy": lambda s: bdg.free_energy(s(CLOSED), 0.1),
    "grain_landscape": lambda s: bdg.grain_landscape(s(JUNCTION), 0.1),
    "green_function": lambda s: bdg.green_function(s(CLOSED), 0.1j),
    "local_density_of_states": lambda s: bdg.local_density_of_states(s(CLOSED), [0.1], broadening=0.1),
    "pair_amplitude": lambda s: bdg.pair_amplitude(s(CLOSED), 0.1),
    "phase_harmonics": lambda s: bdg.phase_harmonics(s(JUNCTION), [0, 1], 0.1, points=4),
    "phase_response": lambda s: bdg.phase_response(s(JUNCTION.with_phases({1: 0.4})), STATES),
    "proximity_length": lambda s: bdg.proximity_length(s(LONG), AMPLITUDE),
    "solve_gap": lambda s: bdg.solve_gap(s(CLOSED), 0.1),
    "spectral_function": lambda s: bdg.spectral_function(s(CLOSED), [[0.1]], [0.0, 0.1]),
    "spectrum_along": lambda s: bdg.spectrum_along(s(JUNCTION), [0.0, 0.1], lambda x, phi: x.with_phases({1: phi}), 4),
    "superfluid_stiffness": lambda s: bdg.superfluid_stiffness(s(JUNCTION), 0.1, "x"),
    "thouless_energy": lambda s: bdg.thouless_energy([s(RING), s(RING)], axis="y"),
}  # fmt: skip
LONG = stack([bdg.lattices.Layer(6, delta=0.3), bdg.lattices.Layer(30)], mu=-0.5)
AMPLITUDE = bdg.pair_amplitude(LONG, 0.05)


def test_all_public_functions_of_a_system_are_here():
    public = {
        name
        for name in bdg.__all__
        if callable(thing := getattr(bdg, name))
        and not (inspect.isclass(thing) and name != "BdGHamiltonian")
        and next(iter(inspect.signature(thing).parameters), "").startswith("system")
    }
    assert public == set(CALLS)


@pytest.mark.parametrize("name", list(CALLS))
@pytest.mark.filterwarnings("ignore::bdg.ConservationWarning")
def test_each_call_warns_once_where_it_was_made(name):
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        CALLS[name](lambda system: opened(system, 2))
    found = [w for w in caught if w.category is bdg.ClosedSystemWarning]
    assert len(found) == 1
    assert found[0].filename == __file__
    first = inspect.getsourcelines(CALLS[name])[1]
    assert found[0].lineno == first
    assert str(found[0].message).startswith(f"{name}: the system has 2 leads, and open systems are not solved yet")
    assert "pass system.without_leads()" in str(found[0].message)
    assert issubclass(bdg.ClosedSystemWarning, UserWarning)


@pytest.mark.parametrize("name", list(CALLS))
@pytest.mark.filterwarnings("ignore::bdg.ConservationWarning")
def test_without_leads_nothing_is_said(name):
    with warnings.catch_warnings():
        warnings.simplefilter("error", bdg.ClosedSystemWarning)
        CALLS[name](lambda system: opened(system).without_leads())
        CALLS[name](lambda system: system)


def test_without_leads_is_the_same_closed_system():
    system = opened(CLOSED)
    closed = system.without_leads()
    assert closed.leads == ()
    assert len(system.leads) == 1
    for name in ("hamiltonian", "delta", "attraction", "grain", "positions", "period", "info", "shared"):
        assert getattr(closed, name) is getattr(system, name)
    assert CLOSED.without_leads().leads == ()


def test_the_answer_is_that_of_the_finite_part():
    with pytest.warns(bdg.ClosedSystemWarning, match=r"bound_states: the system has 1 lead, and open"):
        found = bdg.bound_states(opened(CLOSED), 4)
    np.testing.assert_array_equal(found.energies, bdg.bound_states(CLOSED, 4).energies)


def test_builders_files_and_methods_say_nothing(tmp_path):
    """What makes or keeps a system with leads solves nothing yet; every call on it warns anew."""
    lattice = kwant.lattice.chain(norbs=1)
    builder = kwant.Builder()
    builder[(lattice(i) for i in range(5))], builder[lattice.neighbors()] = 0.5, -1.0
    lead = kwant.Builder(kwant.TranslationalSymmetry((-1,)))
    lead[lattice(0)], lead[lattice.neighbors()] = 0.5, -1.0
    builder.attach_lead(lead)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        system = bdg.lattices.from_kwant(builder, delta=0.2, lead_delta=0.2)
        system = system.with_delta(0.3).with_onsite(0.1).with_phases({0: 0.2})
        system.save(tmp_path / "open.h5")
        again = load(tmp_path / "open.h5")
    assert len(again.leads) == 1
    for _ in range(2):
        with pytest.warns(bdg.ClosedSystemWarning):
            bdg.count_states(again, 0.1)


def test_a_call_inside_a_function_of_the_user_warns_there():
    """`spectrum_along` calls ``change``, which is the user's own code."""

    def change(system, phi):
        bdg.count_states(system, 0.1)
        return system.with_phases({1: phi})

    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        bdg.spectrum_along(opened(JUNCTION), [0.0, 0.1], change, k=4)
    names = [str(w.message).split(":")[0] for w in caught if w.category is bdg.ClosedSystemWarning]
    assert names.count("spectrum_along") == 1
    assert names.count("count_states") >= 2


def test_calls_from_threads_warn():
    with pytest.warns(bdg.ClosedSystemWarning, match="bound_states"):
        thread = threading.Thread(target=bdg.bound_states, args=(opened(CLOSED), 2))
        thread.start()
        thread.join()


def test_a_script_sees_its_own_line(tmp_path):
    system = tmp_path / "open.h5"
    opened(CLOSED).save(system)
    script = tmp_path / "script.py"
    script.write_text(
        f"import bdg\nsystem = bdg.lattices.load({str(system)!r})\n\nbdg.solve_gap(\n    system, 0.1)\nprint('done')\n"
    )
    done = subprocess.run([sys.executable, script], capture_output=True, text=True, check=True)
    assert done.stdout == "done\n"
    assert done.stderr.startswith(f"{script}:4: ClosedSystemWarning: solve_gap: the system has 1 lead")
    assert done.stderr.count("ClosedSystemWarning") == 1
