"""The device that "auto" takes for sums of thermal elements: by predicted seconds, small systems stay off the GPU."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
from public_calls import make_system

import bdg
from bdg.gpu.cost import calibration
from bdg.gpu.cost.model import BUILT_IN
from bdg.gpu.device.backend import MemoryBudgetError
from bdg.methods import choice, options

CALLS = {
    "electron density": (bdg.electron_density, {"temperature": 0.3}, "values"),
    "free energy": (bdg.free_energy, {"temperature": 0.3}, "value"),
    "bond currents": (bdg.bond_currents, {"temperature": 0.3}, "currents"),
    "current": (bdg.current_phase, {"phases": [0.4, 1.1], "temperature": 0.3}, "current"),
}
LOOSE = {"tol": 1e-3}  # few poles
pytestmark = pytest.mark.filterwarnings("ignore:charge is not conserved")  # the gap is imposed


def rates(call, work, where="gpu"):
    """Seconds of a call on a device, and everything else so many times as quick as built in; all levels take long."""
    built_in = BUILT_IN[where]
    many = {name: {k: work * v for k, v in getattr(built_in, name).items()} for name in ("gemm", "product")}
    many["eigh"] = {k: 1e-3 * v for k, v in built_in.eigh.items()}
    return calibration.assuming(dataclasses.replace(built_in, call=call, copy=work * built_in.copy, **many))


@pytest.mark.parametrize("name", CALLS)
@pytest.mark.parametrize(("shape", "word"), [((4, 4, 3), "dimension 96 is below 500"), ((7, 6, 6), "poles")])
def test_small_systems_stay_off_the_gpu(device, name, shape, word):
    function, arguments, _ = CALLS[name]
    system = make_system("real", shape)
    with rates(1e-12, 1e6), device.counting() as counts:
        found = function(system, **arguments, **LOOSE)
    assert found.evidence.device == "cpu" and counts.operations == 0
    assert word in found.evidence.why
    assert f"on the cpu: dimension {2 * system.n_sites} is below 2000" in found.evidence.why


@pytest.mark.parametrize("name", CALLS)
@pytest.mark.parametrize("method", ["auto", "poles"])
def test_the_quicker_device_is_taken_and_both_are_named(device, name, method):
    """Dimension 2000 is compared: by rates of a GPU that is quick in everything, and of one with slow calls."""
    function, arguments, result = CALLS[name]
    system = make_system("flux", (10, 10, 10))
    with rates(1e-12, 1e6), rates(1e-3, 1.0, "cpu"), device.counting() as counts:
        there = function(system, **arguments, **LOOSE, method=method)
    assert counts.operations > 0
    with rates(1.0, 1.0), device.counting() as counts:
        here = function(system, **arguments, **LOOSE, method=method)
    assert there.evidence.device == "gpu" and here.evidence.device == "cpu" and counts.operations == 0
    for found in (there, here):
        assert "poles on the gpu" in found.evidence.why and " s" in found.evidence.why
        assert found.evidence.why.startswith("as asked; estimated") == (method == "poles")
    first, second = (np.asarray(getattr(found, result)) for found in (there, here))
    assert np.allclose(first, second, atol=1e-2 * abs(first).max())  # tol


def test_at_zero_temperature_all_levels_are_taken_where_that_is_quicker(device):
    system = make_system("real", (10, 10, 10))
    with rates(1.0, 1e-6), device.counting() as counts:
        found = bdg.electron_density(system, 0)
    assert found.evidence.method == "dense" and found.evidence.device == "cpu" and counts.operations == 0
    assert found.evidence.why.startswith("temperature 0; estimated") and "dense on the gpu" in found.evidence.why


def test_a_gpu_that_is_full_is_passed_over(device):
    device.free_bytes = 1024
    with rates(1e-12, 1e6):
        found = bdg.free_energy(make_system("real", (10, 10, 10)), 0.3, tol=1e-3)
    assert found.evidence.device == "cpu" and "poles on the gpu does not fit" in found.evidence.why


def test_what_fits_nowhere_is_refused(device, monkeypatch):
    monkeypatch.setattr(options, "available_bytes", lambda backend: 4096.0)
    system = make_system("real", (10, 10, 10))
    with pytest.raises(MemoryBudgetError, match="sum over poles does not fit: .*poles on the gpu needs"):
        bdg.bond_currents(system, 0.3)
    with pytest.raises(MemoryBudgetError, match="sum over all levels does not fit: dense on the cpu needs .*gpu needs"):
        bdg.bond_currents(system, 0)


def test_large_systems_are_not_compared(device, monkeypatch):
    monkeypatch.setattr(choice, "CPU_UP_TO", 2500)
    system = make_system("real", (11, 11, 11))
    found = bdg.electron_density(system, 0.3, tol=1e-3)
    assert found.evidence.device == "gpu" and "on the gpu: dimension 2662 is above 2500" in found.evidence.why


def test_a_device_that_was_asked_for_is_taken(device):
    found = bdg.electron_density(make_system("real"), 0.3, device="gpu")
    assert found.evidence.device == "gpu" and found.evidence.why == "dimension 96 is below 500"


def test_self_consistent_phases_stay_off_the_gpu_too(device):
    system = make_system("real")
    with device.counting() as counts:
        found = bdg.current_phase(
            system, [0.3], 0.1, self_consistent=True, pinned=np.flatnonzero(system.delta), tol=1e-3
        )
    assert found.evidence.device == "cpu" and counts.operations == 0
