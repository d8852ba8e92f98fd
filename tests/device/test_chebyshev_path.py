"""The whole Chebyshev path on device arrays: through the twin of the kernel with a sparse matrix, and the kernel."""

import numpy as np
import pytest
from host_kernels import HostKernels
from numpy.testing import assert_allclose

import bdg
import bdg.gpu.eigen.filtered
from bdg.gpu.chebyshev import nambu_operator
from bdg.gpu.chebyshev.nambu_operator import NambuOperator
from bdg.gpu.kernels.source import instances, kernel_source

ENERGIES = np.linspace(-4, 4, 9)


@pytest.fixture(scope="module")
def host(tmp_path_factory):
    return HostKernels(tmp_path_factory.mktemp("path"), kernel_source("chebyshev"), instances("chebyshev"))


@pytest.fixture(params=["twin", "kernel"])
def route(request, device, host, monkeypatch):
    """The checking module, with the twin of the kernel or the kernel itself."""
    if request.param == "kernel":
        monkeypatch.setattr(nambu_operator, "launcher", lambda xp: host.launch if xp is device else None)
    before = host.launches
    yield device
    assert (host.launches > before) == (request.param == "kernel")


@pytest.fixture(params=["real", "complex", "spins"])
def system(request):
    rng = np.random.default_rng(0)
    shape, norbs = (6, 5), 2 if request.param == "spins" else 1
    number = np.arange(30).reshape(shape)
    h = np.diag(rng.random(30) - 0.5)
    for axis in (0, 1):
        start, end = (np.delete(number, edge, axis).ravel() for edge in (-1, 0))
        h[start, end] = h[end, start] = -1
    delta = np.where(rng.random(30) < 0.5, 0.4, 0.0)
    positions = np.stack(np.unravel_index(number.ravel(), shape), axis=1)
    if norbs == 2:
        h = np.kron(h, np.eye(2)) + np.kron(np.diag(rng.random(30)), [[0.3, 0.1], [0.1, -0.3]])
    made = bdg.lattices.from_hamiltonian(h, positions, norbs=norbs, delta=delta)
    if request.param == "complex":
        made = made.with_delta(delta * np.exp(1j * rng.random(30))).with_field(0.1)
    return made


def test_density_of_states(route, system):
    for vectors in (4, "all"):
        arguments = {"method": "chebyshev", "moments": 60, "vectors": vectors}
        found = bdg.density_of_states(system, ENERGIES, device="gpu", **arguments)
        expected = bdg.density_of_states(system, ENERGIES, device="cpu", **arguments)
        assert found.evidence.device == "gpu" and found.evidence.dtype == expected.evidence.dtype
        assert_allclose(found.values, expected.values, atol=1e-3 if vectors == 4 else 1e-11)


def test_transfers_do_not_grow_with_the_moments(route, system):
    counts = []
    for moments in (40, 160):
        with route.counting() as count:
            bdg.density_of_states(system, ENERGIES, method="chebyshev", moments=moments, device="gpu")
        counts.append((count.uploads, count.downloads, count.synchronisations))
    assert counts[0] == counts[1]


def test_local_density_of_states(route, system):
    arguments = {"sites": [3, 17], "method": "chebyshev", "broadening": 0.3}
    found = bdg.local_density_of_states(system, ENERGIES, device="gpu", **arguments)
    assert_allclose(found.values, bdg.local_density_of_states(system, ENERGIES, device="cpu", **arguments).values)


def test_pair_amplitude(route, system):
    arguments = {"sites": [3, 17], "method": "chebyshev", "tol": 1e-7}
    found = bdg.pair_amplitude(system, 0.2, device="gpu", **arguments)
    assert_allclose(found.values, bdg.pair_amplitude(system, 0.2, device="cpu", **arguments).values, atol=1e-12)


def test_filtered_states(route, system):
    hamiltonian = bdg.BdGHamiltonian(system)
    levels = np.sort(abs(np.linalg.eigvalsh(hamiltonian.matrix.toarray())))
    engine = bdg.gpu.eigen.filtered.FilteredEngine(
        hamiltonian.matrix,
        system.norbs,
        hamiltonian.particle_hole_partner,
        bdg.gpu.device.backend.select_backend("gpu"),
    )
    found = engine.search(0.0, 6, 1e-9, np.random.default_rng(0), None)
    assert_allclose(np.sort(abs(found.energies)), levels[:6], atol=1e-10)
    assert "whole_space" not in engine.facts


def test_the_kernel_is_what_cupy_gets(monkeypatch, system):
    """The operator asks CuPy's launcher for arrays of CuPy, and for no other module."""
    asked = []
    monkeypatch.setattr(nambu_operator, "cupy_launcher", lambda: asked.append("launcher"))
    module = type("stand_in", (), {"__name__": "cupy"})
    assert nambu_operator.launcher(np) is None and not asked
    assert nambu_operator.launcher(module()) is None and asked == ["launcher"]
    assert isinstance(
        NambuOperator(
            bdg.BdGHamiltonian(system).matrix, system.norbs, bdg.gpu.device.backend.select_backend("cpu")
        ).kernel,
        nambu_operator.HostStep | nambu_operator.CompiledStep,
    )
