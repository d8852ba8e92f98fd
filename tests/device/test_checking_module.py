"""The multifrontal core on an array module that is stricter than CuPy: equal to NumPy in every bit, few calls."""

import numpy as np
import pytest
import scipy.sparse as sp
from checking_module import CheckingCsr, StrictError, checking_backend

from bdg.gpu.device import memory
from bdg.gpu.device.backend import MemoryBudgetError, select_backend
from bdg.gpu.multifrontal import GPU_SETTINGS, Factor, FrontSettings, Restriction, SitePattern, analyse
from bdg.gpu.multifrontal.factors import factor as factor_module
from bdg.gpu.multifrontal.factors.compiled_sweep import MOST
from bdg.gpu.multifrontal.imaginary.quaternion import QuaternionFactor

CPU = select_backend("cpu")
DEEP = FrontSettings(leaf=3, call_flops=1e4, base=8, upper=6, split=1, pivots=12)


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
    columns = rng.standard_normal((symbolic.n_rows, MOST + 1)) + 0j  # the CPU solves fewer one by one
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
    assert all(x is None or isinstance(x, np.ndarray) for stack in host.stored.stacks for x in stack)
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
    ("size", "kind", "hollow", "most"),
    [
        (8, "real", False, (520, 155, 150)),
        (12, "hermitian", False, (520, 155, 150)),
        (12, "hermitian", True, (520, 155, 150)),
        (20, "hermitian", True, (520, 155, 150)),
        pytest.param(32, "hermitian", True, (1000, 410, 415), marks=pytest.mark.slow),
    ],
)
def test_few_array_calls_at_gpu_settings(size, kind, hollow, most):
    """Calls of a factorisation, a solve and a selected inverse: a tenth more than it takes.

    An indexed addition counts as three calls, a slice of an array as none. On a GPU extend-add and gather are one
    launch each instead. From 20^3 on the numbers are left out, not the calls; the general form takes the most.
    """
    symbolic, hamiltonian = _analysed(_composite(size, kind), GPU_SETTINGS)
    calls = {False: [], True: []}
    for left_out in {False, hollow} if size < 20 else {True}:
        backend, module = checking_backend(left_out)
        symbolic.on(module)
        columns = module.asarray(np.ones((symbolic.n_rows, 8)))
        with module.counting() as first:
            factor = Factor(symbolic, hamiltonian, 0.1j, backend)
        with module.counting() as second:
            factor.solve(columns, refinements=0)
        with module.counting() as third:
            factor.selected_inverse()
        assert all(counts.operations <= bound for counts, bound in zip((first, second, third), most, strict=True))
        # CuPy copies what is not contiguous: of a solve the thin operands, not the factors
        assert second.copied_bytes < 0.1 * factor.kept_bytes
        calls[left_out] = [counts.operations for counts in (first, second, third)]
    if hollow and size < 20:
        assert calls[True] == calls[False]


def test_real_factors_take_complex_columns_as_pairs_of_real_ones():
    """CuPy would copy the whole factor as a complex one for each product."""
    symbolic, hamiltonian = _analysed(_composite(6), DEEP)
    backend, module = checking_backend()
    rng = np.random.default_rng(8)
    columns = rng.standard_normal((symbolic.n_rows, MOST + 1)) + 1j * rng.standard_normal((symbolic.n_rows, MOST + 1))
    host, device = (Factor(symbolic, hamiltonian, 0.0137, where) for where in (CPU, backend))
    found = module.asnumpy(device.solve(module.asarray(columns)))
    assert np.array_equal(module.asnumpy(device.solve(module.asarray(columns), 0)), host.solve(columns, 0))
    exact = np.linalg.solve(0.0137 * np.eye(symbolic.n_rows) - hamiltonian.matrix.toarray(), columns)
    assert np.allclose(found, exact, rtol=0, atol=1e-9) and np.allclose(host.solve(columns), exact, rtol=0, atol=1e-9)


def _device_arrays(module):
    rng = np.random.default_rng(1)
    return {
        "real": module.asarray(rng.standard_normal((4, 4))),
        "complex": module.asarray(rng.standard_normal((4, 4)) + 1j),
        "single": module.asarray(rng.standard_normal((4, 4)).astype(np.float32)),
        "stack": module.asarray(rng.standard_normal((2, 4, 4))),
        "places": module.asarray(np.array([1, 1])),
        "two": module.asarray(np.array([1.0, 2.0])),
        "host": np.arange(4),
    }


REFUSED = {  # by CuPy, or because of what CuPy does instead
    "np.asarray(real)": "implicit conversion",
    "np.add(real, 1)": "does not support ufuncs",
    "np.linalg.norm(real)": "implicit conversion",
    "real + host": "host array among device arrays",
    "host + real": "host array among device arrays",
    "real + np.array(1.0)": "host array among device arrays",
    "real + [1, 2, 3, 4]": "an operand of type list",
    "real[host]": "host index array",
    "real[[0, 1]]": "host index array",
    "real.__setitem__(host, 0)": "host index array",
    "real.__setitem__(0, host)": "host array among device arrays",
    "real[real]": "index array of float64",
    "list(real)": "iteration",
    "'abc'[two[0]]": "as an index",
    "two.__setitem__(places, two)": "names one place twice",
    "stack.__setitem__((0, places), real[:2])": "names one place twice",
    "stack.__setitem__((slice(None), places), real[:2])": "names one place twice",
    "real.__setitem__(0, complex[0])": "lose their imaginary part",
    "real.__iadd__(complex)": "Cannot cast",
    "real @ complex": "CuPy copies one in the other's dtype",
    "xp.matmul(real, single)": "CuPy copies one in the other's dtype",
    "xp.matmul(real, host)": "takes two device arrays",
    "xp.matmul(real, real, out=real[:, ::1].T)": "contiguous",
    "xp.matmul(real, real, out=single)": "contiguous out of the operands' dtype",
    "xp.add(real, complex, out=real)": "out= is float64",
    "xp.add(real, 1.0, out=stack)": "out= is float64",
    "xp.add(real, 1.0, out=host)": "a host array as an argument",
    "xp.add(real, 1.0, where=real > 0)": "no argument",
    "real.max(initial=0.0)": "no argument",
    "real.sum(where=real > 0)": "no argument",
    "xp.eye(4, k=1)": "no argument",
    "xp.asarray(np.array([1], dtype=object))": "CuPy has no arrays of object",
    "xp.asarray(np.array([1], dtype=np.longdouble))": "CuPy has no arrays of",
    "xp.asnumpy(host)": "on the host already",
    "real.tolist()": "device arrays have no 'tolist'",
    "xp.unique(real)": "no array function 'unique' is in use",
    "setattr(real, 'real', 0)": "attribute",
}


@pytest.mark.parametrize("expression", REFUSED)
def test_the_module_refuses(expression):
    _, module = checking_backend()
    with pytest.raises((TypeError, AttributeError), match=REFUSED[expression]):
        eval(expression, {"np": np, "xp": module, **_device_arrays(module)})


def test_equal_values_may_name_one_place_twice():
    """Any order of threads will do: padded rows write zeros to the dummy row."""
    _, module = checking_backend()
    arrays = _device_arrays(module)
    arrays["real"][arrays["places"]] = 7.0
    arrays["stack"][:, arrays["places"]] = arrays["real"][:1]
    assert np.array_equal(module.asnumpy(arrays["stack"])[:, 1], np.tile(module.asnumpy(arrays["real"])[0], (2, 1)))


def test_a_sparse_matrix_multiplies_device_columns():
    _, module = checking_backend()
    matrix = sp.csr_matrix(np.diag([1.0, 2.0, 3.0]))
    with module.counting() as counts:
        sparse = CheckingCsr(matrix, module)
    assert counts.uploads == 3
    columns = module.asarray(np.ones((3, 2)))
    with module.counting() as counts:
        product = sparse @ columns
        product = sparse @ product
    assert (counts.operations, counts.synchronisations, counts.copies) == (2, 1, 1)  # the second is in Fortran order
    assert product.flags.f_contiguous and np.array_equal(module.asnumpy(product)[:, 0], [1, 4, 9])
    for wrong in (np.ones(3), columns.astype(complex), module.asarray(np.ones((1, 3, 2)))):
        with pytest.raises(StrictError, match="sparse"):
            sparse @ wrong


def test_the_module_counts():
    _, module = checking_backend()
    array = module.asarray(np.arange(6.0))
    assert (module.uploads, module.uploaded_bytes, module.operations, module.synchronisations) == (1, 48, 0, 0)
    total = (array + 1).sum()
    assert (module.operations, module.synchronisations) == (2, 0)
    assert float(total) == 21 and bool(total > 1)
    assert (module.operations, module.synchronisations) == (3, 2)
    assert array[array > 2].shape == (3,)  # the size of the result has to be known
    assert module.synchronisations == 3
    with module.counting() as counts:
        table = array.reshape(2, 3)
        table[1:] += 1.0  # a slice is written where it stands
        table.T.reshape(-1)  # a copy
        module.matmul(module.asarray(np.ones((2, 4, 2)))[:, ::2], module.asarray(np.ones((2, 2, 2))))
        module.asnumpy(table)
    assert (counts.operations, counts.copies, counts.copied_bytes, counts.waits) == (3, 1, 64, 0)
    assert (counts.downloads, counts.downloaded_bytes) == (1, 48)


def test_singular_matrices_raise_nothing():
    _, module = checking_backend()
    singular = module.asarray(np.zeros((1, 2, 2)))
    assert not np.isfinite(module.asnumpy(module.linalg.inv(singular))).any()
    for function, position in (("eigvalsh", None), ("eigh", 0), ("svd", 1)):
        result = getattr(module.linalg, function)(singular + np.nan)
        assert not np.isfinite(module.asnumpy(result if position is None else result[position])).any()
