"""The multifrontal core on an array module that is stricter than CuPy: equal to NumPy in every bit, few calls."""

import numpy as np
import pytest
import scipy.sparse as sp
from checking_module import StrictError, checking_backend

from bdg.gpu import memory
from bdg.gpu.backend import MemoryBudgetError, select_backend
from bdg.gpu.multifrontal import GPU_SETTINGS, Factor, FrontSettings, Restriction, SitePattern, analyse
from bdg.gpu.multifrontal import factor as factor_module
from bdg.gpu.multifrontal.quaternion import QuaternionFactor

CPU = select_backend("cpu")
DEEP = FrontSettings(leaf=3, call_flops=1e4, base=8, upper=6, split=1)


def _composite(size, kind="real", seed=0):
    """BdG matrix of a disordered cube with pairing on a tenth of the sites; positions and rows of each site."""
    rng = np.random.default_rng(seed)
    shape = (size,) * 3
    number = np.arange(size**3).reshape(shape)
    ends = [(np.delete(number, -1, axis).ravel(), np.delete(number, 0, axis).ravel()) for axis in range(3)]
    start, end = np.concatenate(ends, axis=1)
    flux = 0.02 if kind == "hermitian" else 0.0
    hopping = -np.exp(2j * np.pi * flux * np.arange(start.size) * (start % 3))
    upper = sp.csr_matrix((hopping if flux else hopping.real, (start, end)), shape=(size**3,) * 2)
    h = upper + upper.conj().T + sp.diags(1 + rng.random(size**3) - 0.5)
    gap = sp.diags(0.3 * (rng.random(size**3) < 0.1))
    positions = np.stack(np.unravel_index(number.ravel(), shape), axis=1)
    if kind == "takagi":
        return positions, sp.csr_matrix(h + 1j * gap), None
    rows = np.stack([number.ravel(), size**3 + number.ravel()], axis=1)
    return positions, sp.csr_matrix(sp.bmat([[h, gap], [gap.conj(), -h.conj()]])), rows


def _analysed(system, settings):
    positions, matrix, rows = system
    pattern = SitePattern.of(matrix, rows)
    return analyse(positions, pattern, settings), pattern.split(matrix)


CASES = [("real", 0.0137), ("real", 0.2j), ("hermitian", 0.0137), ("hermitian", 0.1j), ("takagi", 0.0)]


@pytest.mark.parametrize("settings", [DEEP, GPU_SETTINGS], ids=["deep", "gpu"])
@pytest.mark.parametrize(("kind", "z"), CASES)
def test_equals_numpy_bit_by_bit(kind, z, settings):
    """The order of all sums is the same. Only A x is summed in another order (SciPy's CSR), so it is left out."""
    symbolic, hamiltonian = _analysed(_composite(6, kind), settings)
    backend, module = checking_backend()
    rng = np.random.default_rng(3)
    columns = rng.standard_normal((symbolic.n_rows, 3)) + 0j
    inertia = kind != "takagi" and np.imag(z) == 0
    options = {"inertia": inertia, "log_determinant": True}
    host, device = (Factor(symbolic, hamiltonian, z, where, **options) for where in (CPU, backend))
    assert device.symmetry == host.symmetry
    on_device = module.asarray(columns)
    assert np.array_equal(module.asnumpy(device.solve(on_device, refinements=0)), host.solve(columns, refinements=0))
    assert np.array_equal(module.asnumpy(device.selected_inverse().blocks), host.selected_inverse().blocks)
    restrictions = [Restriction(symbolic, np.arange(4)) for _ in range(2)]
    part, same = (f.selected_inverse(r).blocks for f, r in zip((device, host), restrictions, strict=True))
    assert np.array_equal(module.asnumpy(part), same, equal_nan=True)
    assert device.slogdet() == host.slogdet()
    assert device.trusted and host.trusted
    if inertia:
        assert device.negative_count == host.negative_count == symbolic.n_rows // 2 - _states_below(hamiltonian, z)
    exact = hamiltonian.matrix
    assert np.allclose(module.asnumpy(device.product(on_device)), z * columns - exact @ columns, rtol=0, atol=1e-13)
    assert np.allclose(module.asnumpy(device.solve(on_device)), host.solve(columns), rtol=0, atol=1e-9)


def _states_below(hamiltonian, z):
    energies = np.linalg.eigvalsh(hamiltonian.matrix.toarray())
    return ((energies > 0) & (energies < z)).sum()


@pytest.mark.parametrize("phases", [False, True])
def test_quaternion_form_equals_numpy_bit_by_bit(phases):
    positions, takagi, _ = _composite(5, "takagi")
    gap = sp.csr_matrix(takagi.imag).astype(complex)
    if phases:
        gap = sp.csr_matrix(gap @ sp.diags(np.exp(1j * np.arange(len(positions)))))
    pattern = SitePattern.of(takagi)
    symbolic = analyse(positions, pattern, DEEP)
    matrices = pattern.split(sp.csr_matrix(takagi.real)), pattern.split(gap)
    backend, module = checking_backend()
    host = QuaternionFactor(symbolic, *matrices, 0.1, CPU).selected_inverse()
    factor = QuaternionFactor(symbolic, *matrices, 0.1, backend)
    assert factor.symmetric != phases
    device = factor.selected_inverse()
    assert module.synchronisations == 0
    assert np.array_equal(module.asnumpy(device.normal), host.normal)
    assert np.array_equal(module.asnumpy(device.anomalous), host.anomalous)


def test_factorisation_and_selected_inverse_do_not_wait():
    symbolic, hamiltonian = _analysed(_composite(6, "hermitian"), GPU_SETTINGS)
    backend, module = checking_backend()
    symbolic.on(module)
    module.reset()
    factor = Factor(symbolic, hamiltonian, 0.1j, backend)
    selected = factor.selected_inverse()
    assert (module.synchronisations, module.downloads) == (0, 0)
    assert module.uploads == 1  # the values of the matrix
    module.reset()
    backend.to_host(selected.blocks)
    assert (module.synchronisations, module.downloads) == (1, 1)
    columns = module.asarray(np.ones((symbolic.n_rows, 2)))
    module.reset()
    factor.solve(columns, refinements=1)
    assert (module.synchronisations, module.uploads) == (0, 0)


@pytest.mark.parametrize(("kind", "z"), [("real", 0.0137), ("hermitian", 0.1j), ("takagi", 0.0)])
def test_factors_in_host_memory_give_the_same(kind, z):
    symbolic, hamiltonian = _analysed(_composite(5, kind), DEEP)
    backend, module = checking_backend()
    device, host = (Factor(symbolic, hamiltonian, z, backend, on_host=on_host) for on_host in (False, True))
    assert (device.on_host, host.on_host) == (False, True) and device.kept_bytes == host.kept_bytes
    assert all(x is None or isinstance(x, np.ndarray) for stack in host._kept for x in stack)
    columns = module.asarray(np.ones((symbolic.n_rows, 2)) + 0j)
    assert np.array_equal(module.asnumpy(device.solve(columns)), module.asnumpy(host.solve(columns)))
    blocks = (module.asnumpy(f.selected_inverse(release=True).blocks) for f in (device, host))
    assert np.array_equal(*blocks)


def test_factors_go_to_the_host_where_only_the_fronts_fit(monkeypatch):
    symbolic, hamiltonian = _analysed(_composite(6), DEEP)
    backend, _ = checking_backend()
    predicted = Factor(symbolic, hamiltonian, 0.1, backend).predicted_memory
    room = {"gpu": predicted.factor_peak - 1, "cpu": predicted.kept + 1}
    for module in (factor_module, memory):
        monkeypatch.setattr(module, "available_bytes", lambda where: room[where.device])
    factor = Factor(symbolic, hamiltonian, 0.1, backend)
    assert factor.on_host and factor.trusted
    room["cpu"] = predicted.kept - 1
    with pytest.raises(MemoryBudgetError, match="the factors alone take"):
        Factor(symbolic, hamiltonian, 0.1, backend)


@pytest.mark.parametrize(
    ("size", "kind"),
    [(8, "real"), (12, "real"), (12, "hermitian"), pytest.param(32, "real", marks=pytest.mark.slow)],
)
def test_few_array_calls_at_gpu_settings(size, kind):
    """The bounds hold up to 32^3 sites. An indexed addition counts as three calls, a slice of an array as none."""
    symbolic, hamiltonian = _analysed(_composite(size, kind), GPU_SETTINGS)
    backend, module = checking_backend()
    symbolic.on(module)
    module.reset()
    factor = Factor(symbolic, hamiltonian, 0.1j, backend)
    assert module.operations <= 1000
    columns = module.asarray(np.ones((symbolic.n_rows, 8)))
    module.reset()
    factor.solve(columns, refinements=0)
    assert module.operations <= 410
    module.reset()
    factor.selected_inverse()
    assert module.operations <= 415


def test_the_module_refuses_what_cupy_refuses():
    _, module = checking_backend()
    array, host = module.asarray(np.arange(6.0)), np.arange(6)
    with pytest.raises(StrictError, match="implicit conversion"):
        np.asarray(array)
    with pytest.raises(TypeError):
        np.add(array, 1)
    with pytest.raises(StrictError, match="host array among device arrays"):
        array + host
    with pytest.raises(TypeError):
        host + array
    with pytest.raises(StrictError, match="host index array"):
        array[host]
    with pytest.raises(StrictError, match="host index array"):
        array[host] = 0
    with pytest.raises(StrictError, match="iteration"):
        list(array)
    with pytest.raises(StrictError, match="as an index"):
        "abc"[array[0]]
    with pytest.raises(StrictError, match="names one place twice"):
        array[module.asarray(np.array([1, 1]))] = module.asarray(np.array([1.0, 2.0]))
    with pytest.raises(StrictError, match="names one place twice"):
        array[module.asarray(np.array([1, 1]))] += module.asarray(np.array([1.0, 2.0]))
    array[module.asarray(np.array([1, 1]))] = 7.0  # one value: any order will do
    table = module.asarray(np.zeros((3, 4)))
    with pytest.raises(StrictError, match="contiguous"):
        module.matmul(module.asarray(np.ones((3, 3))), module.asarray(np.ones((3, 2))), out=table[:, :2])
    with pytest.raises(AttributeError, match="device arrays have no 'tolist'"):
        array.tolist()
    with pytest.raises(AttributeError):
        _ = module.unique


def test_the_module_counts():
    _, module = checking_backend()
    array = module.asarray(np.arange(6.0))
    assert (module.uploads, module.operations, module.synchronisations) == (1, 0, 0)
    total = (array + 1).sum()
    assert (module.operations, module.synchronisations) == (2, 0)
    assert float(total) == 21 and bool(total > 1)
    assert (module.operations, module.synchronisations) == (3, 2)
    assert array[array > 2].shape == (3,)  # the size of the result has to be known
    assert module.synchronisations == 3
    assert not np.isfinite(module.asnumpy(module.linalg.inv(module.asarray(np.zeros((1, 2, 2)))))).any()
