"""The CUDA kernels without a GPU: they compile, and the same source on the host equals its twin in every bit."""

import mmap
import os
import sys
import types
from dataclasses import replace
from functools import partial

import numpy as np
import nvrtc
import pytest
import scipy.sparse as sp
from checking_module import checking_backend
from host_kernels import HostKernels, require, require_compiler

import bdg.gpu.multifrontal.factors.extend_add as extend_add_module
from bdg.gpu.device.backend import BackendUnavailableError, select_backend
from bdg.gpu.kernels import kernel_set
from bdg.gpu.kernels.compiling import host_library
from bdg.gpu.kernels.host_stacks import HostStacks
from bdg.gpu.kernels.launch import OPTIONS, Launch, cupy_launcher
from bdg.gpu.kernels.source import CPP_TYPES, TEMPLATES, instance, instances, kernel_source
from bdg.gpu.kernels.stack_kernels import ArrayCalls, DeviceKernels
from bdg.gpu.multifrontal import GPU_SETTINGS, Factor, FrontSettings, Restriction, SitePattern, analyse
from bdg.gpu.multifrontal.imaginary import quaternion
from bdg.gpu.multifrontal.imaginary.quaternion import QuaternionFactor

ARCHITECTURES = ("sm_80", "sm_90", "sm_100")
SIZES = (1, 3, 7, 33, 65)
SHAPES = {  # blocks and threads; None: what the package launches
    "own": None,
    "(1, 1)": ((1, 1, 1), (1, 1, 1)),
    "(7, 32)": ((7, 1, 1), (32, 1, 1)),
    "(1024, 256)": ((8, 32, 4), (16, 16, 1)),
}
CPU = select_backend("cpu")


# ------------------------------------------------------------------------------------------------ compiling for GPUs


@pytest.fixture(scope="module")
def compiler():
    require(nvrtc.library() is not None, "NVRTC (pip install nvidia-cuda-nvrtc, in the extra dev)")


def _to_compile():
    """Sources, architectures and types: all of them, but of what takes long only one type where another may show it."""
    for source in sorted(TEMPLATES):
        for architecture in ARCHITECTURES:
            name, long = f"{source}-{architecture}", source == "chebyshev" and architecture != "sm_90"
            yield pytest.param(source, architecture, tuple(CPP_TYPES), marks=[pytest.mark.slow] * long, id=name)
            if long:
                yield pytest.param(source, architecture, ("complex64",), id=f"{name}-complex64")


@pytest.mark.parametrize(("source", "architecture", "dtypes"), list(_to_compile()))
def test_every_kernel_compiles(compiler, source, architecture, dtypes):
    kernels = tuple(instance(template, dtype) for template in TEMPLATES[source] for dtype in dtypes)
    assert len(dtypes) == 1 or kernels == instances(source)
    cubin = nvrtc.compile_cubin(kernel_source(source), architecture, (*OPTIONS, "-Werror", "all-warnings"), kernels)
    assert cubin.startswith(b"\x7fELF")


def test_every_source_file_is_compiled():
    folder = os.path.dirname(extend_add_module.__file__)
    files = {
        name[:-4] for name in os.listdir(os.path.join(folder, "..", "..", "kernels")) if name.endswith((".cuh", ".cu"))
    }
    assert files == {"complex", *TEMPLATES}


def test_a_planted_syntax_error_is_found(compiler):
    planted = _planted("target[j] = source[place[j]];", "target[j] = source[place[j]]")
    with pytest.raises(nvrtc.CompileError, match="expected a"):
        nvrtc.compile_cubin(planted, "sm_90", OPTIONS, instances("extend_add"))
    with pytest.raises(nvrtc.CompileError, match="Complex"):
        nvrtc.compile_cubin(_planted("operator+=", "plus"), "sm_90", OPTIONS, instances("extend_add"))


def test_what_is_missing_fails_in_ci_and_skips_elsewhere(monkeypatch):
    monkeypatch.setenv("CI", "true")
    with pytest.raises(pytest.fail.Exception, match="g.. is missing"):
        require(False, "g++")
    monkeypatch.setenv("CXX", "no-such-compiler")
    with pytest.raises(pytest.fail.Exception, match="compiler .* is missing"):
        require_compiler()
    monkeypatch.delenv("CI")
    with pytest.raises(pytest.skip.Exception, match="g.. is missing"):
        require(False, "g++")


# ----------------------------------------------------------------------------------- the same source, run on the host


def _planted(text, other):
    source = kernel_source("extend_add")
    assert source.count(text) == 1, f"{text!r} must occur once in the source to be planted over"
    return source.replace(text, other)


@pytest.fixture(scope="session")
def host(tmp_path_factory):
    kernels = HostKernels(tmp_path_factory.mktemp("kernels"), kernel_source("extend_add"), instances("extend_add"))
    assert kernels.warnings == ""
    return kernels


def _reshaped(launch, shape, call):
    launch(call if shape is None else replace(call, grid=shape[0], block=shape[1]))


def _random(rng, shape, dtype):
    values = rng.standard_normal(shape)
    return (values + 1j * rng.standard_normal(shape) if np.dtype(dtype).kind == "c" else values).astype(dtype)


class _Case:
    """A link between random stacks: parents of ``size + 5`` rows, children in random order, scattered places."""

    def __init__(self, xp, size, dtype, whole, planes=(), seed=0):
        rng = np.random.default_rng([seed, size])
        n_parents, n_children = 7, 4 if whole else 6
        self.rows = np.arange(4) if whole else np.array([5, 0, 3, 2])
        self.parents = rng.permutation(n_parents)[:4]
        self.places = np.stack([rng.permutation(size + 5)[:size] for _ in range(4)]).astype(np.int32)
        self.front = _random(rng, (*planes, n_parents, size + 5, size + 5), dtype)
        self.schur = _random(rng, (*planes, n_children, size, size), dtype)
        self.link = tuple(xp.asarray(x) for x in (self.parents, self.rows, self.places))
        self.xp, self.whole = xp, whole

    def extended(self, kernels, upper, schur=None):
        """Fronts after the addition; with ``upper`` the lower triangles of the children must not be touched."""
        front = self.xp.asarray(self.front.copy())
        kernels.extend_add(front, self.xp.asarray(self.schur if schur is None else schur), *self.link, upper)
        return front

    def gathered(self, kernels, out=True):
        target = self.xp.asarray(np.full_like(self.schur, 7)) if out else None
        return kernels.gather(self.xp.asarray(self.front), *self.link, target)


def _check_against_twin(case, kernels, to_host=np.asarray):
    """Compare all operations; nan in the lower triangles shows what must not be read."""
    twin = ArrayCalls()
    upper = np.triu(np.ones(case.schur.shape[-2:], bool))
    exact = partial(np.testing.assert_array_equal, strict=True)
    exact(to_host(case.extended(kernels, False)), to_host(case.extended(twin, False)))
    added = case.extended(kernels, True, np.where(upper, case.schur, np.asarray(np.nan, case.schur.dtype)))
    exact(to_host(added), to_host(case.extended(twin, True, np.where(upper, case.schur, 0 * case.schur))))
    exact(to_host(case.gathered(kernels)), to_host(case.gathered(twin)))
    if case.whole:
        exact(to_host(case.gathered(kernels, out=False)), to_host(case.gathered(twin, out=False)))


@pytest.mark.parametrize("shape", SHAPES.values(), ids=SHAPES)
@pytest.mark.parametrize("dtype", CPP_TYPES)
@pytest.mark.parametrize("planes", [(), (4,)], ids=["matrices", "planes"])
def test_kernels_equal_their_twin_bit_for_bit(host, dtype, planes, shape):
    kernels = DeviceKernels(np, partial(_reshaped, host.launch, shape))
    for size in SIZES:
        for whole in (True, False):
            _check_against_twin(_Case(np, size, dtype, whole, planes), kernels)


@pytest.fixture(scope="session")
def compiled():
    require_compiler()
    found = host_library()
    assert found.library is not None, found.about
    return HostStacks(found.library)


@pytest.mark.parametrize("dtype", CPP_TYPES)
@pytest.mark.parametrize("planes", [(), (4,)], ids=["matrices", "planes"])
def test_compiled_kernels_equal_their_twin_bit_for_bit(compiled, dtype, planes):
    for size in SIZES:
        for whole in (True, False):
            _check_against_twin(_Case(np, size, dtype, whole, planes), compiled)


@pytest.mark.parametrize("upper", [True, False])
def test_compiled_kernels_add_runs_as_elements(compiled, upper):
    """Places in unbroken runs, as those of fronts are, at the ends of the front, too."""
    case = _Case(np, 12, "float64", whole=True)
    case.places[:] = [*range(3), *range(5, 9), 10, *range(13, 17)]
    case.link = case.parents, case.rows, case.places
    _check_against_twin(case, compiled)
    assert np.array_equal(case.extended(compiled, upper)[case.parents[0], 3], case.front[case.parents[0], 3])


def test_the_twin_equals_plain_loops():
    case = _Case(np, 7, "complex128", whole=False)
    expected, blocks = case.front.copy(), np.full_like(case.schur, 7)
    for parent, row, place in zip(case.parents, case.rows, case.places, strict=True):
        for i in range(7):
            for j in range(7):
                expected[parent, place[i], place[j]] += case.schur[row, i, j]
                blocks[row, i, j] = case.front[parent, place[i], place[j]]
    assert np.array_equal(case.extended(ArrayCalls(), False), expected)
    assert np.array_equal(case.gathered(ArrayCalls()), blocks)


@pytest.mark.parametrize("where", ["shim", "compiled"])
def test_views_are_read_and_written_in_place(host, compiled, where):
    """Parts of larger arrays, as Schur complements and fronts may be, and a transposed one."""
    kernels = DeviceKernels(np, host.launch) if where == "shim" else compiled
    case = _Case(np, 7, "float64", whole=False)
    expected = case.extended(ArrayCalls(), False)
    room = np.zeros((9, 20, 30))
    schur, front = room[1:7, 4:11, 3:10], np.zeros((8, 14, 13))[1:, ::-1][:, :12, 1:]
    schur[...], front[...] = case.schur, case.front
    kernels.extend_add(front, schur, *case.link, False)
    assert np.array_equal(front, expected)
    transposed = np.ascontiguousarray(case.schur.swapaxes(1, 2)).swapaxes(1, 2)
    assert np.array_equal(case.extended(kernels, False, transposed), expected)
    out = room[1:7, 4:11, 3:10]
    assert kernels.gather(front[:, ::1], *case.link, out) is out
    assert np.array_equal(out[case.rows], case.schur[case.rows] + case.gathered(ArrayCalls())[case.rows])
    narrow = case.link[0].astype(np.int32), case.link[1].astype(np.int16), case.link[2].astype(np.int64)
    front = case.front.copy()
    kernels.extend_add(front, case.schur, *narrow, False)
    assert np.array_equal(front, expected)


def _far_stack(strides):
    """A stack (3, 3, 3) whose elements lie 2^31 and more apart, in memory that is never really taken.

    It begins in the middle of the memory, so that offsets cut to 32 bits stay inside.
    """
    middle = 1 << 31
    flags = mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS | getattr(mmap, "MAP_NORESERVE", 0x4000)  # named from 3.13 on
    memory = np.frombuffer(mmap.mmap(-1, 4 * (middle + 2 * sum(strides) + 1024), flags=flags), np.float32)
    return np.lib.stride_tricks.as_strided(memory[middle:], (3, 3, 3), [4 * step for step in (*strides, 1)])


def _far_results(kernels, strides, far_parents):
    """Both operations with the parents' or the children's stack far apart, and what they must give."""
    rng, places = np.random.default_rng(0), np.array([[2, 0, 1], [1, 2, 0]], np.int32)
    link = np.array([2, 0]), np.array([0, 2]), places
    above, below = (_random(rng, (3, 3, 3), "float32") for _ in range(2))
    results = []
    for operations, far in ((kernels, True), (ArrayCalls(), False)):
        first, second = above.copy(), below.copy()
        if far:
            stack = _far_stack(strides)
            stack[...] = first if far_parents else second
            first, second = (stack, second) if far_parents else (first, stack)
        operations.extend_add(first, second, *link, False)
        added = first.copy()
        operations.gather(first, *link, second)
        results.append(np.stack([added, second]))
    return results


FAR = {"matrices": ((1 << 31) + 64, 8), "rows": (8, (1 << 31) + 64)}


@pytest.mark.parametrize("far_parents", [True, False])
@pytest.mark.parametrize("strides", FAR.values(), ids=FAR)
def test_offsets_beyond_32_bits(host, compiled, strides, far_parents):
    for kernels in (DeviceKernels(np, host.launch), compiled):
        found, expected = _far_results(kernels, strides, far_parents)
        assert np.array_equal(found, expected)


def test_nothing_is_launched_for_nothing(host):
    kernels, before = DeviceKernels(np, host.launch), host.launches
    for n, size in ((0, 3), (2, 0)):
        link = np.zeros(n, int), np.zeros(n, int), np.zeros((n, size), np.int32)
        kernels.extend_add(np.ones((1, 4, 4)), np.ones((n, size, size)), *link, True)
        assert kernels.gather(np.ones((1, 4, 4)), *link, None).shape == (n, size, size)
    assert host.launches == before


@pytest.mark.parametrize("where", ["shim", "compiled"])
def test_wrong_operands_are_refused(host, compiled, where):
    kernels = DeviceKernels(np, host.launch) if where == "shim" else compiled
    case = _Case(np, 3, "float64", whole=True)
    front, schur, (parents, rows, places) = case.front, case.schur, case.link
    for error, message, wrong in (
        (TypeError, "arrays of float32, float64, .*got int64", (front.astype(int), schur, parents, rows, places)),
        (TypeError, "one dtype; got float64 .* float32", (front, schur.astype("f4"), parents, rows, places)),
        (ValueError, r"planes \(p, n, m, m\), both", (front[0], schur, parents, rows, places)),
        (ValueError, r"planes \(p, n, m, m\), both", (front[None], schur[None].repeat(2, 0), parents, rows, places)),
        (ValueError, "a row for each of parents", (front, schur[:, :2, :2], parents, rows, places)),
        (ValueError, "a row for each of parents", (front, schur, parents[1:], rows, places)),
        (ValueError, "unit stride", (front.swapaxes(1, 2), schur, parents, rows, places)),
    ):
        with pytest.raises(error, match=message):
            kernels.extend_add(*wrong, False)


# ------------------------------------------------------------------------------------------------------ planted errors

PLANTED = {  # what, by what, and which check must see it: the bits of the twin or the far offsets
    "no sum": ("target[place[j]] += source[j]", "target[place[j]] = source[j]", "twin"),
    "swapped index": ("target[place[j]] += source[j]", "target[place[i]] += source[j]", "twin"),
    "no diagonal": ("j >= i", "j > i", "twin"),
    "lower triangle read": ("if (!upper || j >= i)", "", "twin"),
    "wrong child": ("rows[k] * schur_matrix", "k * schur_matrix", "twin"),
    "wrong parent": ("parents[k] * inverse_matrix", "k * inverse_matrix", "twin"),
    "one plane": ("plane < n_planes", "plane < 1", "twin"),
    "first column only": ("j < size; j += blockDim.x) target[j]", "j < 1; j += blockDim.x) target[j]", "twin"),
    "imaginary part": ("a.im += b.im;", "", "twin"),
    "32 bits, matrices": ("parents[k] * front_matrix", "(int)(parents[k] * front_matrix)", "far"),
    "32 bits, rows": ("place[i] * inverse_row", "(int)(place[i] * inverse_row)", "far"),
    "32 bits, children": ("rows[k] * out_matrix", "(int)(rows[k] * out_matrix)", "far"),
}


def _in_space(number, kernel):
    return f"n{number}::{kernel.replace('<Complex', f'<n{number}::Complex')}"


@pytest.fixture(scope="module")
def planted(tmp_path_factory):
    """One library with a namespace for each planted error, and one without error; returns kernels by name."""
    sources = [kernel_source("extend_add"), *(_planted(*texts[:2]) for texts in PLANTED.values())]
    spaces = "\n".join(f"namespace n{n} {{ {source}\n }}" for n, source in enumerate(sources))
    cpp_types = ("float", "Complex<double>")
    kernels = [f"{template}<{t}>" for template in TEMPLATES["extend_add"] for t in cpp_types]
    spaced = tuple(_in_space(n, kernel) for n in range(len(sources)) for kernel in kernels)
    library = HostKernels(tmp_path_factory.mktemp("planted"), spaces, spaced)

    def launch(number, call):
        library.launch(replace(call, kernel=_in_space(number, call.kernel)))

    names = ["none", *PLANTED]
    return lambda name, xp=np: DeviceKernels(xp, partial(launch, names.index(name)))


def _passes(kernels, check):
    if check == "far":
        results = [_far_results(kernels, strides, parents) for strides in FAR.values() for parents in (True, False)]
        return all(np.array_equal(*pair) for pair in results)
    try:
        for dtype, whole in (("float32", True), ("complex128", False)):
            _check_against_twin(_Case(np, 33, dtype, whole, (4,)), kernels)
    except AssertionError:
        return False
    return True


def test_the_checks_pass_without_planted_error(planted):
    assert _passes(planted("none"), "twin") and _passes(planted("none"), "far")


@pytest.mark.parametrize("error", PLANTED)
def test_a_planted_error_is_found(planted, error):
    check = PLANTED[error][2]
    assert not _passes(planted(error), check)
    assert check == "twin" or _passes(planted(error), "twin")  # only the far offsets show it


@pytest.mark.parametrize("is_complex", [False, True])
def test_factors_without_compiled_kernels_have_the_same_bits(compiled, monkeypatch, is_complex):
    """Runs and index arrays, as the CPU takes them without a compiler, on the links of a real tree."""
    rng = np.random.default_rng(0)
    number = np.arange(9 * 8 * 7).reshape(9, 8, 7)
    ends = [(np.delete(number, -1, axis).ravel(), np.delete(number, 0, axis).ravel()) for axis in range(3)]
    start, end = np.concatenate(ends, axis=1)
    values = rng.standard_normal(start.size) + (1j * rng.standard_normal(start.size) if is_complex else 0)
    upper = sp.csr_matrix((values, (start, end)), shape=(number.size,) * 2)
    matrix = sp.csr_matrix(upper + upper.conj().T + sp.diags(rng.standard_normal(number.size)))
    pattern = SitePattern.of(matrix)
    settings = FrontSettings(leaf=8, base=16, upper=24, pivots=20)
    symbolic = analyse(np.argwhere(number >= 0).astype(float), pattern, settings)
    found = []
    for library in (compiled, None):
        monkeypatch.setattr(extend_add_module, "stack_kernels", lambda xp, library=library: library)
        factor = Factor(symbolic, pattern.split(matrix), 0.1 + 0.2j, CPU)
        found.append((factor.selected_inverse().blocks, factor.solve(np.eye(number.size)[:, :3] + 0j)))
    for first, second in zip(*found, strict=True):
        assert np.array_equal(first, second)


def test_wrong_argument_types_are_found(host):
    def narrowed(call):
        host.launch(replace(call, arguments=(*call.arguments[:-1], np.int64(call.arguments[-1]))))

    with pytest.raises(AssertionError, match="other types than it declares"):
        _Case(np, 3, "float64", True).gathered(DeviceKernels(np, narrowed))


# --------------------------------------------------------------------------- the whole core through the host's kernels


@pytest.fixture
def with_kernels(host, monkeypatch):
    """Backend of the checking module whose extend-add runs the compiled kernels."""
    backend, module = checking_backend()
    monkeypatch.setattr(
        extend_add_module, "stack_kernels", lambda xp: None if xp is np else DeviceKernels(xp, host.launch)
    )
    before = host.launches
    yield backend, module
    assert host.launches > before


def _cube(size, flux=0.0):
    """BdG blocks of a disordered cube: positions, h and the pairing on a third of the sites."""
    rng = np.random.default_rng(size)
    shape = (size,) * 3
    number = np.arange(size**3).reshape(shape)
    ends = [(np.delete(number, -1, axis).ravel(), np.delete(number, 0, axis).ravel()) for axis in range(3)]
    start, end = np.concatenate(ends, axis=1)
    hopping = -np.exp(2j * np.pi * flux * start) if flux else -np.ones(start.size)
    upper = sp.csr_matrix((hopping, (start, end)), shape=(size**3,) * 2)
    gap = np.where(rng.random(size**3) < 0.3, 0.3, 0.0)
    positions = np.stack(np.unravel_index(number.ravel(), shape), axis=1)
    return positions, sp.csr_matrix(upper + upper.conj().T + sp.diags(rng.random(size**3))), gap


SETTINGS = {
    "deep": FrontSettings(leaf=3, call_flops=1e4, base=8, upper=6, split=1, pivots=12),
    "wide": replace(GPU_SETTINGS, leaf=4, base=8),  # both triangles are read
    "gpu": GPU_SETTINGS,
}


@pytest.mark.parametrize("settings", SETTINGS.values(), ids=SETTINGS)
@pytest.mark.parametrize(("flux", "z"), [(0.0, 0.0137), (0.0, 0.2j), (0.03, 0.0137), (0.03, 0.1j)])
def test_factor_and_selected_inverse_through_the_kernels(with_kernels, flux, z, settings):
    """Real, complex symmetric, Hermitian and general factors; NumPy adds run by run, in the same order of sums."""
    positions, h, gap = _cube(5, flux)
    matrix = sp.csr_matrix(sp.bmat([[h, sp.diags(gap)], [sp.diags(gap), -h.conj()]]))
    pattern = SitePattern.of(matrix, np.arange(2 * gap.size).reshape(2, -1).T)
    symbolic, hamiltonian = analyse(positions, pattern, settings), pattern.split(matrix)
    backend, module = with_kernels
    host_factor, device_factor = (Factor(symbolic, hamiltonian, z, where) for where in (CPU, backend))
    selected = device_factor.selected_inverse().blocks
    assert np.array_equal(module.asnumpy(selected), host_factor.selected_inverse().blocks)
    exact = np.linalg.inv(z * np.eye(matrix.shape[0]) - matrix.toarray())
    first, second = pattern.rows[pattern.first], pattern.rows[pattern.second]
    exact = exact[first[:, :, None], second[:, None, :]]
    # elimination without pivoting multiplies rounding; the contraction measures by how much
    tolerance = max(1e-10, 10 * host_factor.contraction * abs(exact).max())
    assert tolerance < 1e-6 and np.allclose(module.asnumpy(selected), exact, rtol=0, atol=tolerance)
    part, same = (
        f.selected_inverse(Restriction(symbolic, np.array([0, 7]))).blocks for f in (device_factor, host_factor)
    )
    assert np.array_equal(module.asnumpy(part), same, equal_nan=True)


@pytest.mark.parametrize("settings", SETTINGS.values(), ids=SETTINGS)
@pytest.mark.parametrize("phases", [False, True])
def test_quaternion_factor_through_the_kernels(with_kernels, host, phases, settings, monkeypatch):
    positions, h, gap = _cube(5)
    gap = gap * np.exp(1j * np.arange(gap.size)) if phases else gap
    pairing = sp.csr_matrix(sp.diags(gap))
    pattern = SitePattern.of(sp.csr_matrix(h + pairing))
    symbolic, matrices = analyse(positions, pattern, settings), (pattern.split(h), pattern.split(pairing))
    backend, module = with_kernels
    before = host.launches
    device = QuaternionFactor(symbolic, *matrices, 0.1, backend).selected_inverse()
    links = sum(len(c.down) for c in symbolic.classes if not c.takes_over)
    assert host.launches - before == 2 * links  # four planes in one launch
    monkeypatch.setattr(quaternion, "quaternion_kernels", lambda *_: None)  # array calls, as on the device
    expected = QuaternionFactor(symbolic, *matrices, 0.1, CPU).selected_inverse()
    assert np.array_equal(module.asnumpy(device.normal), expected.normal)
    assert np.array_equal(module.asnumpy(device.anomalous), expected.anomalous)


def test_an_error_in_the_kernels_shows_in_the_inverse(planted, monkeypatch):
    """That the core really runs on what it is given."""
    positions, h, _ = _cube(4)
    pattern = SitePattern.of(sp.csr_matrix(h + 0j))
    symbolic = analyse(positions, pattern, SETTINGS["deep"])
    host, blocks = Factor(symbolic, pattern.split(h), 0.2j, CPU).selected_inverse().blocks, []
    for error in ("none", "imaginary part", "swapped index"):
        monkeypatch.setattr(extend_add_module, "stack_kernels", lambda xp, error=error: planted(error, xp))
        backend, module = checking_backend()
        blocks.append(module.asnumpy(Factor(symbolic, pattern.split(h), 0.2j, backend).selected_inverse().blocks))
    assert [np.array_equal(found, host) for found in blocks] == [True, False, False]


# -------------------------------------------------------------------------------------------------------- on the GPU


def test_other_modules_get_array_calls():
    assert isinstance(kernel_set(np), ArrayCalls)
    assert isinstance(kernel_set(checking_backend()[1]), ArrayCalls)


@pytest.fixture
def stand_in(host, monkeypatch):
    """A module named cupy whose RawModule takes what CuPy's takes, checks its names and runs the host's kernels."""
    module = types.ModuleType("cupy")
    module.compiled, module.empty = [], np.empty

    class RawModule:
        def __init__(self, *, code, options, name_expressions):
            assert isinstance(code, str) and isinstance(options, tuple)
            self.names = name_expressions
            module.compiled.append(code)

        def get_function(self, name):
            assert name in self.names
            return lambda grid, block, arguments: host.launch(Launch("", name, grid, block, arguments))

    module.RawModule = RawModule
    monkeypatch.setitem(sys.modules, "cupy", module)
    cupy_launcher.cache_clear()
    yield module
    cupy_launcher.cache_clear()


def test_cupy_gets_kernels_compiled_once(stand_in):
    for dtype in CPP_TYPES:
        case = _Case(np, 7, dtype, whole=True)
        kernels = kernel_set(stand_in)
        assert isinstance(kernels, DeviceKernels)
        _check_against_twin(case, kernels)
    assert stand_in.compiled == [kernel_source("extend_add")]


@pytest.fixture
def cupy():
    """CuPy with a device; without one the test is skipped, unless BDG_REQUIRE_GPU=1."""
    try:
        return select_backend("gpu").xp
    except BackendUnavailableError as error:
        if os.environ.get("BDG_REQUIRE_GPU") == "1":
            raise
        pytest.skip(str(error))


@pytest.mark.gpu
@pytest.mark.parametrize("dtype", CPP_TYPES)
def test_kernels_equal_their_twin_on_the_gpu(cupy, dtype):
    kernels = kernel_set(cupy)
    assert isinstance(kernels, DeviceKernels)
    for size in (*SIZES, 300):
        for whole in (True, False):
            for planes in ((), (4,)):
                case = _Case(cupy, size, dtype, whole, planes)
                _check_against_twin(case, kernels, cupy.asnumpy)


@pytest.mark.gpu
def test_offsets_beyond_32_bits_on_the_gpu(cupy):
    size, n = 33000, 3  # 13 GB in all; the last matrix begins behind element 2^31
    if cupy.cuda.runtime.memGetInfo()[0] < 16e9:
        pytest.skip("less than 16 GB free on the device")
    front = cupy.zeros((n, size, size), cupy.float32)
    schur = cupy.arange(8, dtype=cupy.float32).reshape(2, 2, 2)
    parents, rows = cupy.asarray([2, 0]), cupy.asarray([0, 1])
    places = cupy.asarray(np.array([[size - 1, 5], [7, size - 2]], np.int32))
    kernels = kernel_set(cupy)
    kernels.extend_add(front, schur, parents, rows, places, False)
    assert cupy.asnumpy(front[2, size - 1, [size - 1, 5]]).tolist() == [0, 1]
    assert cupy.asnumpy(front[2, 5, [size - 1, 5]]).tolist() == [2, 3]
    assert float(front.sum()) == 28
    assert np.array_equal(cupy.asnumpy(kernels.gather(front, parents, rows, places, None)), cupy.asnumpy(schur))
