"""The fused step of polynomial recursions: the CUDA source on the host against its twin, and both against algebra.

The same source compiled for the registers of the CPU is held to the same, and to bits that do not depend on the columns
that lie beside one.
"""

import ctypes
import os
import signal
import warnings
from dataclasses import replace
from functools import partial
from unittest.mock import patch

import numpy as np
import pytest
import scipy.sparse as sp
from checking_module import checking_backend
from host_kernels import HostKernels, require_compiler

import bdg
from bdg.gpu.chebyshev import nambu_operator
from bdg.gpu.chebyshev.nambu_operator import HostStep, NambuOperator
from bdg.gpu.device.backend import BackendUnavailableError, select_backend
from bdg.gpu.device.threads import threaded, threads_used
from bdg.gpu.kernels import compiled_step, compiling, nambu_step
from bdg.gpu.kernels.compiled_step import CompiledStep
from bdg.gpu.kernels.nambu_step import ArrayStep, DeviceStep, SparseRows, check_vectors
from bdg.gpu.kernels.source import CPP_TYPES, instances, kernel_source
from bdg.lattices import grain_composite

CPU = select_backend("cpu")
SHAPES = {"own": None, "(1, 1)": ((1, 1, 1), (1, 1, 1)), "(3, 7)": ((3, 2, 1), (5, 7, 1))}
SCALARS = [
    {"alpha": 0.7},
    {"alpha": -0.31, "damp": -1.0, "dots": "squares"},
    {"alpha": 0.7, "beta": -0.2, "damp": 1.0, "dots": "norms"},
    {"alpha": 1.3, "beta": 0.4, "gamma": -0.9, "damp": 0.5, "dots": "norms"},
    {"alpha": 1.0, "gamma": 0.25, "dots": "partners"},
]


@pytest.fixture(scope="session")
def host(tmp_path_factory):
    kernels = HostKernels(tmp_path_factory.mktemp("chebyshev"), kernel_source("chebyshev"), instances("chebyshev"))
    assert kernels.warnings == ""
    return kernels


@pytest.fixture(scope="session")
def compiled():
    require_compiler()
    found = compiling.host_library()
    assert found.library is not None, found.about
    return found.library


@pytest.fixture
def without_library(monkeypatch):
    monkeypatch.setattr(nambu_operator, "host_library", lambda: compiling.HostLibrary(None, "none"))


def _system(n_sites, norbs, is_complex, bonds, seed=0):
    """A random system: dense enough that rows differ in length, with and without on-site and bond pairing."""
    rng = np.random.default_rng([seed, n_sites, norbs, is_complex])
    n = norbs * n_sites

    def random(shape):
        values = rng.standard_normal(shape)
        return values + 1j * rng.standard_normal(shape) if is_complex else values

    h = random((n, n)) * (rng.random((n, n)) < 0.3)
    pair = random((n, n)) * (rng.random((n, n)) < 0.2)
    flipped = pair.T
    if norbs == 2:
        flip = np.kron(np.eye(n_sites), [[0, 1], [-1, 0]])
        flipped = flip @ pair.T @ flip.T
    return bdg.lattices.from_hamiltonian(
        h + h.conj().T,
        rng.random((n_sites, 2)),
        norbs=norbs,
        delta=random(n_sites),
        pairing=sp.csr_matrix(pair + flipped) if bonds else None,
    )


def _vectors(n_sites, norbs, n_columns, dtype, seed):
    rng = np.random.default_rng([seed, n_sites])
    values = rng.standard_normal((n_sites, 2 * norbs, n_columns))
    return (values + 1j * rng.standard_normal(values.shape) if np.dtype(dtype).kind == "c" else values).astype(dtype)


def _steps(system, dtype, launch, xp=np, to_csr=lambda matrix, dtype: matrix.astype(dtype)):
    """The kernel, its twin and the step of the CPU for one system."""
    norbs, matrix = system.norbs, bdg.BdGHamiltonian(system).matrix
    bonds = SparseRows.of(system.pairing, dtype, xp) if system.pairing is not None else None
    arrays = SparseRows.of(system.hamiltonian, dtype, xp), xp.asarray(system.delta.astype(dtype)), bonds
    order = np.arange(matrix.shape[0]).reshape(2, -1, norbs).transpose(1, 0, 2).ravel()
    ordered = sp.csr_matrix(matrix[order][:, order])
    compiled = isinstance(launch, ctypes.CDLL)
    step = CompiledStep(*arrays, norbs, launch) if compiled else DeviceStep(*arrays, norbs, xp, launch)
    return step, ArrayStep(to_csr(ordered, dtype), norbs, xp)


def _compare(system, dtype, launch, n_columns, shape=None, to_host=np.asarray, xp=np, to_csr=None):
    """Raise unless kernel and twin agree to a few roundings of the largest sums; y is nan where it is not read."""
    reshaped = launch if shape is None else lambda call: launch(replace(call, grid=shape[0], block=shape[1]))
    few_slots = patch.object(nambu_step, "_MOST_SLOTS", nambu_step._MOST_SLOTS if shape is None else 512)
    kernel, twin = _steps(system, dtype, reshaped, xp, **({"to_csr": to_csr} if to_csr else {}))
    x, z, start = (xp.asarray(_vectors(system.n_sites, system.norbs, n_columns, dtype, seed)) for seed in range(3))
    eps = np.finfo(dtype).eps
    size = float(abs(bdg.BdGHamiltonian(system).matrix).sum(axis=1).max()) * float(abs(to_host(x)).max()) + 20
    for scalars in SCALARS:
        if scalars.get("dots") == "partners" and system.norbs == 2:
            continue
        unread = xp.asarray(np.full(start.shape, np.nan, dtype))
        first, second = ((start if scalars.get("damp") else unread).copy() for _ in range(2))
        with few_slots:  # several rows in each
            sums = [step.step(y, x, z=z, **scalars) for step, y in ((kernel, first), (twin, second))]
        np.testing.assert_allclose(to_host(first), to_host(second), rtol=0, atol=8 * eps * size)
        if sums[0] is None:
            assert sums[1] is None and "dots" not in scalars
            continue
        found, expected = (to_host(part)[:, : 1 if scalars["dots"] == "squares" else 2] for part in sums)
        tolerance = 16 * eps * size**2 * x.shape[0] * x.shape[1]
        np.testing.assert_allclose(found, expected, rtol=0, atol=tolerance)
        exact = np.einsum("isr,isr->r", to_host(first).conj(), to_host(first), dtype=complex).real
        if scalars["dots"] != "partners":
            np.testing.assert_allclose(found[:, 0], exact, rtol=1e-6 if eps > 1e-10 else 1e-13)


@pytest.mark.parametrize("shape", SHAPES.values(), ids=SHAPES)
@pytest.mark.parametrize("norbs", [1, 2])
@pytest.mark.parametrize("dtype", CPP_TYPES)
def test_the_kernel_equals_its_twin(host, dtype, norbs, shape):
    is_complex = np.dtype(dtype).kind == "c"
    for n_sites in (1, 7, 33):
        for n_columns in (1, 3, 33, 64):
            _compare(_system(n_sites, norbs, is_complex, n_sites > 1), dtype, host.launch, n_columns, shape)
    _compare(_system(9, norbs, is_complex, False), dtype, host.launch, 5, shape)


@pytest.mark.parametrize("norbs", [1, 2])
@pytest.mark.parametrize("dtype", CPP_TYPES)
def test_the_compiled_step_equals_its_twin(compiled, dtype, norbs):
    is_complex = np.dtype(dtype).kind == "c"
    for n_sites in (1, 7, 150):  # less than a part of the rows, and several
        for n_columns in (1, 2, 7, 8, 29):
            _compare(_system(n_sites, norbs, is_complex, n_sites > 1), dtype, compiled, n_columns)
    _compare(_system(9, norbs, is_complex, False), dtype, compiled, 5)


@pytest.mark.parametrize("norbs", [1, 2])
@pytest.mark.parametrize("dtype", CPP_TYPES)
def test_a_column_has_the_same_bits_alone(compiled, dtype, norbs):
    system = _system(150, norbs, np.dtype(dtype).kind == "c", True)
    step, _ = _steps(system, dtype, compiled)
    x, z, start = (_vectors(150, norbs, 15, dtype, seed) for seed in range(3))
    for scalars in SCALARS:
        if scalars.get("dots") == "partners" and norbs == 2:
            continue
        together = start.copy()
        sums = step.step(together, x, z=z, **scalars)
        for column in range(15):
            alone, others = (np.ascontiguousarray(part[:, :, column : column + 1]) for part in (start, x))
            own = step.step(alone, others, z=np.ascontiguousarray(z[:, :, column : column + 1]), **scalars)
            assert np.array_equal(alone[:, :, 0], together[:, :, column])
            assert sums is None or np.array_equal(own[0], sums[column])


@pytest.mark.parametrize("norbs", [1, 2])
def test_threads_of_the_library_change_no_bit(compiled, norbs, monkeypatch):
    """Many calls one after the other, as of a recursion: a thread that wakes late finds the work closed."""
    monkeypatch.setattr(compiled_step, "WORTH_THREADS", 1)
    system = grain_composite((16.0, 16.0, 10.0), 1.0, volume_fraction=0.1, diameter=4.0, t=1.0, delta=0.3, seed=1)
    if norbs == 2:
        system = _system(600, 2, False, False)
    step, _ = _steps(system, "float64", compiled)
    x = _vectors(system.n_sites, norbs, 5, "float64", 0)

    @threaded
    def run(times, threads="auto"):
        first, second, sums = x.copy(), np.zeros_like(x), []
        for _ in range(times):
            sums.append(step.step(second, first, alpha=1e-3, damp=-0.9, dots="norms"))
            first, second = second, first
        return first, np.array(sums), threads_used()

    one, sums, used = run(60, threads=1)
    assert used == 1
    for number in (2, 3, 7):
        many, others, used = run(60, threads=number)
        assert used == number and np.array_equal(one, many) and np.array_equal(sums, others)


def test_a_child_of_fork_has_its_own_threads(compiled, monkeypatch):
    """Threads do not survive fork: a child that waited for those of its parent would never end."""
    monkeypatch.setattr(compiled_step, "WORTH_THREADS", 1)
    system = _system(700, 2, False, True)
    step, _ = _steps(system, "float64", compiled)
    x = _vectors(700, 2, 5, "float64", 0)

    @threaded
    def once(threads="auto"):
        y = np.zeros_like(x)
        step.step(y, x, alpha=0.5)
        return y

    expected = once(threads=2)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # of fork beside threads, which is what is tested
        child = os.fork()
    if child == 0:
        signal.alarm(20)
        os._exit(0 if np.array_equal(once(threads=2), expected) else 1)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0


@pytest.mark.parametrize("norbs", [1, 2])
@pytest.mark.parametrize("is_complex", [False, True])
def test_every_step_equals_the_matrix(host, compiled, norbs, is_complex, monkeypatch):
    """Kernel, twin and both steps of the CPU through the operator: H as `BdGHamiltonian` writes it."""
    system = _system(11, norbs, is_complex, True)
    matrix = bdg.BdGHamiltonian(system).matrix
    rng = np.random.default_rng(3)
    block = rng.standard_normal((matrix.shape[0], 5))
    block = block + 1j * rng.standard_normal(block.shape) if is_complex else block
    expected = 0.3 * (matrix @ block) - 0.8 * block
    found = {}
    for kind in (CompiledStep, HostStep, DeviceStep):
        if kind is HostStep:
            monkeypatch.setattr(nambu_operator, "host_library", lambda: compiling.HostLibrary(None, "none"))
        if kind is DeviceStep:
            monkeypatch.setattr(nambu_operator, "launcher", lambda xp: host.launch)
        operator = NambuOperator(matrix, norbs, CPU)
        assert isinstance(operator.kernel, kind) and operator.compiled == (kind is CompiledStep)
        x = operator.to_device(block)
        y = operator.zeros(5)
        sums = operator.step(y, x, alpha=0.3, beta=-0.8, dots="norms")
        found[kind] = operator.to_host(y)
        np.testing.assert_allclose(sums[:, 0], np.linalg.norm(expected, axis=0) ** 2, rtol=1e-12)
        np.testing.assert_allclose(sums[:, 1], np.einsum("ij,ij->j", expected.conj(), block).real, atol=1e-10)
        np.testing.assert_allclose(operator.to_host(operator.apply(x)), matrix @ block, atol=1e-12)
        assert np.array_equal(operator.to_host(x), block.astype(operator.dtype))
        rows = np.array([3, matrix.shape[0] - 1])
        assert np.array_equal(operator.to_host(operator.unit_vectors(rows)), np.eye(matrix.shape[0])[:, rows])
    for vectors in found.values():
        np.testing.assert_allclose(vectors, expected, rtol=0, atol=1e-12)


@pytest.mark.parametrize("is_complex", [False, True])
def test_partner_products(host, compiled, is_complex):
    """<S y|x> with the particle-hole operator of the Hamiltonian."""
    system = _system(12, 1, is_complex, True)
    hamiltonian = bdg.BdGHamiltonian(system)
    dtype = np.dtype("c16" if is_complex else "f8")
    operator = NambuOperator(hamiltonian.matrix, 1, CPU)
    x = operator.to_device(_vectors(12, 1, 4, dtype, 5).reshape(24, 4))
    block = operator.to_host(x)
    expected = np.einsum("ij,ij->j", hamiltonian.particle_hole_partner(hamiltonian @ block).conj(), block)
    for step in (*_steps(system, dtype, host.launch), *_steps(system, dtype, compiled), operator.kernel):
        sums = step.step(operator.zeros(4), x, alpha=1.0, dots="partners")
        np.testing.assert_allclose(sums[:, 0] + 1j * sums[:, 1], expected, atol=1e-11)


@pytest.mark.parametrize("single", [False, True])
@pytest.mark.parametrize("is_complex", [False, True])
def test_the_step_of_the_cpu_equals_the_twin(is_complex, single, without_library, monkeypatch):
    """Also where SciPy's inner routine is missing, and with more rows than one chunk of the sums."""
    system = _system(203, 1, is_complex, False)
    matrix = bdg.BdGHamiltonian(system).matrix
    for missing in (False, True):
        if missing:
            monkeypatch.setattr(nambu_operator, "csr_matvecs", None)
        operator = NambuOperator(matrix, 1, CPU, single=single)
        twin = ArrayStep(operator.kernel._matrix, 1, np)
        x, z, start = (_vectors(203, 1, 3, operator.dtype, seed) for seed in range(3))
        size = abs(matrix).sum(axis=1).max() * 10
        for scalars in SCALARS:
            first, second = start.copy(), start.copy()
            sums = [step.step(y, x, z=z, **scalars) for step, y in ((operator.kernel, first), (twin, second))]
            eps = np.finfo(operator.dtype).eps
            np.testing.assert_allclose(first, second, rtol=0, atol=30 * eps * size)
            if sums[0] is not None:
                keep = 1 if scalars["dots"] == "squares" else 2
                np.testing.assert_allclose(sums[0][:, :keep], sums[1][:, :keep], rtol=0, atol=4e2 * eps * size**2)


def test_single_precision_sums_are_as_good_as_double_ones():
    """A long vector: sums in single precision would lose 1e-5."""
    rng = np.random.default_rng(0)
    x = rng.standard_normal((300_000, 2, 2)).astype(np.float32)
    exact = (x.astype(float) ** 2).sum(axis=(0, 1))
    found = nambu_operator.host_dots(x, x, "norms")
    np.testing.assert_allclose(found, np.stack([exact, exact], axis=1), rtol=3e-7)


# ------------------------------------------------------------------------------------------------------ planted errors

PLANTED = {  # what, and by what
    "sign of the hole block": (
        "add_conjugate(hole, -sign, value[k], from_v)",
        "add_conjugate(hole, sign, value[k], from_v)",
    ),
    "no conjugate": ("sum.im -= im * b.re;", "sum.im += im * b.re;"),
    "hole of the wrong spin": ("return norbs == 1 ? row : row ^ 1;", "return row;"),
    "pairing of the wrong site": ("with.delta[row / norbs]", "with.delta[row / norbs / 2]"),
    "bond pairing forgotten": ("if (with.has_pairing)", "if (with.has_pairing > 1)"),
    "last element of a row": ("k < start[row + 1]", "k + 1 < start[row + 1]"),
    "no damping": ("add_scaled(result, -with.damp, other);", "add_scaled(result, with.damp, other);"),
    "y read where it is not": ("if (with.damp != 0)", ""),
    "beta and gamma exchanged": ("load(other, with.z + at);", "other = own;"),
    "imaginary part of the product": ("sum.im += a.im * b.re;", "sum.im -= a.im * b.re;"),
    "norm of one half": ("sums.add_square(hole);", ""),
    "squares without norms": ("if (with.dots == NORMS || with.dots == SQUARES)", "if (with.dots == NORMS)"),
    "sums of the last row only": ("second += (double)y * (double)x;", "second = (double)y * (double)x;"),
    "partner product": ("sums.add_partners(-1.0, hole, from_u);", "sums.add_partners(1.0, hole, from_u);"),
    "last column": ("column < n_columns; column +=", "column < n_columns - 1; column +="),
    "one row a thread": ("row < end; row += stride", "row == begin && row < end; row += stride"),
}


def _in_space(number, kernel):
    return f"n{number}::{kernel.replace('<Complex', f'<n{number}::Complex')}"


@pytest.fixture(scope="module")
def planted(tmp_path_factory):
    source = kernel_source("chebyshev")
    sources = [source]
    for text, other in PLANTED.values():
        assert source.count(text) == 1, f"{text!r} must occur once in the source to be planted over"
        sources.append(source.replace(text, other))
    spaces = "\n".join(f"namespace n{n} {{ {text}\n }}" for n, text in enumerate(sources))
    kernels = [f"nambu_step<{cpp}>" for cpp in ("double", "Complex<double>")]
    spaced = tuple(_in_space(n, kernel) for n in range(len(sources)) for kernel in kernels)
    library = HostKernels(tmp_path_factory.mktemp("planted"), spaces, spaced)
    names = ["none", *PLANTED]

    def launch(name, call):
        library.launch(replace(call, kernel=_in_space(names.index(name), call.kernel)))

    return lambda name: partial(launch, name)


def _passes(launch):
    try:
        for norbs in (1, 2):
            _compare(_system(33, norbs, True, True), "complex128", launch, 33, SHAPES["(3, 7)"])
            _compare(_system(7, norbs, False, True), "float64", launch, 3)
    except AssertionError:
        return False
    return True


@pytest.mark.parametrize("error", ["none", *PLANTED])
def test_a_planted_error_is_found(planted, error):
    assert _passes(planted(error)) == (error == "none")


# ------------------------------------------------------------------------------------------------------------ refusals


def test_wrong_operands_are_refused(host):
    kernel, _ = _steps(_system(5, 1, False, False), "float64", host.launch)
    x, y = (np.ones((5, 2, 3)) for _ in range(2))
    for error, message, arguments, scalars in (
        (ValueError, r"y must be vectors \(N, 2, R\), all of one shape", (y[:, :1], x), {}),
        (ValueError, r"vectors \(N, 2, R\)", (y[..., :2].copy(), x), {}),
        (TypeError, "one dtype; got float64 and float32", (y.astype("f4"), x), {}),
        (ValueError, "y must be C-ordered", (np.ones((3, 2, 5)).T, x), {}),
        (ValueError, "y must not be x or z", (x, x), {}),
        (ValueError, "needs vectors z", (y, x), {"gamma": 1.0}),
        (ValueError, "dots must be 'none'", (y, x), {"dots": "all"}),
        (TypeError, "kernels take arrays of float32", (y.astype(int), x.astype(int)), {}),
    ):
        with pytest.raises(error, match=message):
            kernel.step(*arguments, alpha=1.0, **scalars)
    with pytest.raises(ValueError, match="'partners'; got 'partners', norbs = 2"):
        check_vectors(np.ones((2, 4, 1)), np.zeros((2, 4, 1)), None, 0.0, 2, "partners")


# -------------------------------------------------------------------------------------------------------- on the GPU


@pytest.mark.gpu
@pytest.mark.parametrize("norbs", [1, 2])
@pytest.mark.parametrize("dtype", CPP_TYPES)
def test_the_kernel_equals_its_twin_on_the_gpu(dtype, norbs):
    try:
        backend = select_backend("gpu")
    except BackendUnavailableError as error:
        if os.environ.get("BDG_REQUIRE_GPU") == "1":
            raise
        pytest.skip(str(error))
    from bdg.gpu.kernels.launch import cupy_launcher

    system = _system(301, norbs, np.dtype(dtype).kind == "c", True)
    for n_columns in (1, 33, 64):
        _compare(system, dtype, cupy_launcher(), n_columns, to_host=backend.to_host, xp=backend.xp, to_csr=backend.csr)


def test_the_step_through_the_checking_module(host):
    """Nothing but device arrays reach the kernel, and nothing is copied back."""
    backend, module = checking_backend()
    system = _system(9, 2, True, True)
    kernel, _ = _steps(system, "complex128", host.launch, module)
    x, y = (module.asarray(_vectors(9, 2, 3, "complex128", seed)) for seed in (0, 1))
    module.reset()
    kernel.step(y, x, alpha=0.5, damp=1.0, dots="norms")
    assert module.downloads == module.uploads == module.synchronisations == 0
    host_kernel, _ = _steps(system, "complex128", host.launch)
    expected = _vectors(9, 2, 3, "complex128", 1)
    host_kernel.step(expected, _vectors(9, 2, 3, "complex128", 0), alpha=0.5, damp=1.0)
    assert np.array_equal(backend.to_host(y), expected)


# ------------------------------------------------------------------------------------------------------- the library


@pytest.fixture
def fresh(monkeypatch, tmp_path):
    """A library that nobody asked for yet, in a folder of its own."""
    monkeypatch.setenv("BDG_KERNELS", str(tmp_path / "kernels"))
    compiling.host_library.cache_clear()
    yield tmp_path / "kernels"
    compiling.host_library.cache_clear()


def test_it_can_be_turned_off(fresh, monkeypatch):
    monkeypatch.setenv("BDG_KERNELS", "off")
    found = compiling.host_library()
    assert found.library is None and found.about == "SciPy: BDG_KERNELS=off"


def test_without_a_compiler_scipy_does_the_same(fresh, monkeypatch):
    monkeypatch.setattr(compiling.shutil, "which", lambda name: None)
    found = compiling.host_library()
    assert found.library is None and found.about.startswith("SciPy: no C++ compiler")
    assert not fresh.exists()
    assert isinstance(NambuOperator(bdg.BdGHamiltonian(_system(5, 1, False, False)).matrix, 1, CPU).kernel, HostStep)


def test_a_compiler_that_fails_is_told_and_leaves_nothing(fresh, monkeypatch, tmp_path):
    broken = tmp_path / "c++"
    broken.write_text("#!/bin/sh\ncase $1 in --version) echo 1;; *) echo no such option >&2; exit 1;; esac\n")
    broken.chmod(0o755)
    monkeypatch.setenv("CXX", str(broken))
    found = compiling.host_library()
    assert (
        found.library is None and found.about == "SciPy: the kernels could not be compiled (c++ failed: no such option)"
    )
    assert list(fresh.iterdir()) == []


def test_each_processor_has_a_file_of_its_own(fresh, monkeypatch, tmp_path):
    require_compiler()
    quick = tmp_path / "c++"  # takes no time, and what it makes is never loaded here
    quick.write_text(
        "#!/bin/sh\ncase $1 in --version) echo 1;; *)\n"
        'for last; do :; done; touch "$(dirname $last)/kernels.so";; esac\n'
    )
    quick.chmod(0o755)
    paths = set()
    for flags in ("flags: sse", "flags: avx2"):
        monkeypatch.setattr(compiling, "_processor", lambda flags=flags: flags)
        paths |= {compiling._built(str(quick), fresh) for _ in range(2)}
    assert len(paths) == 2 == len(list(fresh.iterdir()))
