"""Green functions and local densities of states on the checking array module, through the public functions."""

import numpy as np
import pytest
from checking_module import checking_backend
from numpy.testing import assert_allclose

import bdg
from bdg.densities import local_density_of_states as ldos
from bdg.gpu.cost import model as cost
from bdg.gpu.device.backend import select_backend
from bdg.green import green_function as green
from bdg.green import resolvent
from bdg.lattices import Layer, stack
from bdg.methods import choice


def _system(kind):
    layers = [Layer(3, disorder=1.0), Layer(4, delta=0.3), Layer(2), Layer(3, delta=0.3, phase=0.7)]
    system = stack(layers if kind != "real" else layers[:2], (4, 3), mu=-0.5, seed=3)
    if kind == "spins":
        h = np.kron(system.hamiltonian.toarray(), np.eye(2))
        return bdg.lattices.from_hamiltonian(h, system.positions, norbs=2, delta=system.delta)
    return system


@pytest.fixture
def on_device(monkeypatch):
    """Let the public functions run on the checking module where they are asked for a GPU."""
    backend, module = checking_backend()
    for where in (choice, green, ldos):
        monkeypatch.setattr(where, "select_backend", lambda name: backend if name == "gpu" else select_backend(name))
    return module


@pytest.mark.parametrize("kind", ["real", "phases", "spins"])
@pytest.mark.parametrize("forms", [0.0, np.inf], ids=["imaginary forms", "complex"])
def test_green_function(on_device, monkeypatch, kind, forms):
    monkeypatch.setattr(resolvent, "IMAGINARY_FORM_FROM", {1: forms, 2: forms})
    system = _system(kind)
    for z in (0.1j, 0.3 + 0.05j):
        for arguments in ({}, {"sites": [3, 11]}, {"sources": [5]}, {"sites": [3, 11], "method": "dense"}):
            host, device = (bdg.green_function(system, z, **arguments, device=name) for name in ("cpu", "gpu"))
            assert device.evidence.device == "gpu" and device.evidence.form == host.evidence.form
            assert_allclose(device.values, host.values, rtol=0, atol=1e-11)


@pytest.mark.parametrize("kind", ["real", "phases", "spins"])
def test_local_density_of_states(on_device, monkeypatch, kind):
    system = _system(kind)
    by_selection = {"solve_seconds": lambda rates, symbolic, form, columns: 1e6 * columns}
    by_columns = {"inverse_seconds": lambda *_: 1e9}
    for name, seconds in (by_selection | by_columns).items():
        with monkeypatch.context() as patch:
            patch.setattr(cost, name, seconds)
            _compare_densities(system, "selected inverse" if name in by_selection else "columns")


def _compare_densities(system, route):
    for sites in (None, np.arange(20)):
        host, device = (
            bdg.local_density_of_states(system, [-0.2, 0.0, 0.2], sites, method="green", broadening=0.05, device=name)
            for name in ("cpu", "gpu")
        )
        assert device.evidence.route == host.evidence.route and route in host.evidence.route
        assert (abs(device.values - host.values) <= device.error + host.error).all()


def test_one_download_of_columns(on_device):
    """What comes back are the wanted elements and the norms: of the solution, and of its residual."""
    bdg.green_function(_system("real"), 0.3 + 0.05j, [3, 11], device="gpu")
    on_device.reset()
    bdg.green_function(_system("real"), 0.3 + 0.05j, [3, 11], device="gpu")
    assert on_device.downloads == 2
