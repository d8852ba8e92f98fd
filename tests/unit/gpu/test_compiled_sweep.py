"""Sweeps by the compiled kernels against those in array calls, and their bits for other numbers of threads."""

import numpy as np
import pytest
import scipy.sparse as sp

from bdg.gpu.device import threads
from bdg.gpu.device.backend import select_backend
from bdg.gpu.kernels.compiling import HostLibrary, host_library
from bdg.gpu.multifrontal import CPU_SETTINGS, Factor, FrontSettings, SitePattern, analyse
from bdg.gpu.multifrontal.analysis import subtrees
from bdg.gpu.multifrontal.factors import compiled_sweep, stored
from bdg.gpu.multifrontal.factors.sweep import adjoint_sweep, sweep

CPU = select_backend("cpu")
SETTINGS = {
    "deep": FrontSettings(leaf=2, call_flops=0.0, base=4, upper=3, split=1, pivots=8, thin_leaves=True),
    "padded": FrontSettings(leaf=2, call_flops=1e12, base=5, upper=0, split=0),
    "as on a CPU": CPU_SETTINGS,
}
KINDS = {  # z, and the symmetry that follows
    "real": (0.31, "symmetric"),
    "complex symmetric": (0.2 + 0.3j, "symmetric"),
    "hermitian": (0.31, "hermitian"),
    "skew": (0.0, "skew"),
    "general": (0.2j, "general"),
    "real general": (0.4, "general"),
}

pytestmark = pytest.mark.skipif(host_library().library is None, reason=host_library().about)


def _matrix(adjacency, nd, kind):
    rng = np.random.default_rng(0)
    links = sp.triu(adjacency + sp.identity(adjacency.shape[0]), format="coo")
    blocks = rng.standard_normal((links.nnz, nd, nd))
    if kind in ("hermitian", "general"):
        blocks = blocks + 1j * rng.standard_normal(blocks.shape)
    rows = rng.permutation(adjacency.shape[0] * nd).reshape(-1, nd)
    i = np.broadcast_to(rows[links.row][:, :, None], blocks.shape).ravel()
    j = np.broadcast_to(rows[links.col][:, None, :], blocks.shape).ravel()
    half = sp.csr_matrix((blocks.ravel(), (i, j)), shape=(rows.size,) * 2)
    other = -half.T if kind in ("skew", "real general") else half.conj().T
    return sp.csr_matrix(half + other), rows


def _factor(kind, settings, shape=(7, 5, 3), nd=2, **options):
    positions = np.stack(np.meshgrid(*map(np.arange, shape), indexing="ij"), -1).reshape(-1, len(shape)).astype(float)
    distance = abs(positions[:, None] - positions).sum(axis=2)
    distance[:, -1] = distance[-1, :] = 9  # one site has no links
    matrix, rows = _matrix(sp.csr_matrix(distance == 1), nd, kind)
    pattern = SitePattern.of(matrix + sp.identity(matrix.shape[0]), rows)
    z, symmetry = KINDS[kind]
    factor = Factor(analyse(positions, pattern, settings), pattern.split(matrix), z, CPU, **options)
    assert factor.symmetry == symmetry
    return factor


@pytest.fixture
def small_tasks(monkeypatch):
    """Tasks and parts of a size that small systems have several of; threads for them, too."""
    monkeypatch.setattr(subtrees, "_TASKS", 8)
    monkeypatch.setattr(subtrees, "_LEAST_TASK", 300)
    monkeypatch.setattr(subtrees, "_PART", 64)
    monkeypatch.setattr(compiled_sweep, "_WORTH_THREADS", 0)


def _columns(factor, width, is_complex):
    rng = np.random.default_rng(width)
    columns = rng.standard_normal((factor.symbolic.n_rows, width))
    if is_complex:
        columns = columns + 1j * rng.standard_normal(columns.shape)
    return columns


@pytest.mark.parametrize("adjoint", [False, True], ids=["itself", "adjoint"])
@pytest.mark.parametrize("settings", SETTINGS.values(), ids=SETTINGS)
@pytest.mark.parametrize("kind", KINDS)
def test_equals_its_twin_for_all_numbers_of_columns(small_tasks, monkeypatch, kind, settings, adjoint):
    factor = _factor(kind, settings)
    solve = adjoint_sweep if adjoint else sweep
    asked = [_columns(factor, width, is_complex) for width in (1, 2, 3, 4, 7, 8) for is_complex in (False, True)]
    found = [solve(factor.stored, columns) for columns in asked]
    parts = subtrees.subtrees(factor.symbolic)
    assert len(parts.task_places) > 2 and (settings is CPU_SETTINGS or parts.level_fronts.size > 2)
    del factor.stored.compiled
    monkeypatch.setattr(stored, "host_library", lambda: HostLibrary(None, "none"))
    for columns, solution in zip(asked, found, strict=True):
        twin = solve(factor.stored, columns)
        assert solution.dtype == twin.dtype and solution.shape == twin.shape
        # both apply the same factors; they differ by what their roundings are amplified to, as the contraction says
        assert abs(solution - twin).max() < max(1e-10, 10 * factor.contraction) * abs(twin).max()


@pytest.mark.parametrize("kind", ["complex symmetric", "real general"])
def test_in_single_precision(small_tasks, kind):
    factor = _factor(kind, SETTINGS["deep"], single=True)
    exact = _factor(kind, SETTINGS["deep"])
    for is_complex in (False, True):
        columns = _columns(factor, 3, is_complex)
        single = columns.astype(np.complex64 if is_complex else np.float32)
        assert factor.stored.compiled.takes(single) and not factor.stored.compiled.takes(columns)
        expected = sweep(exact.stored, columns)
        for solution in (sweep(factor.stored, single), sweep(factor.stored, columns)):
            assert abs(solution - expected).max() < 1e-3 * abs(expected).max()  # 1e-7 times the condition of some 1e3


@pytest.mark.parametrize("kind", KINDS)
def test_the_same_bits_for_every_number_of_threads(small_tasks, kind):
    factor = _factor(kind, SETTINGS["deep"])
    parts = subtrees.subtrees(factor.symbolic)
    assert len(parts.task_places) > 2 and np.diff(parts.level_up).max() > 1
    columns = _columns(factor, 3, True)

    def solved(number):
        token = threads._TEAM.set(threads._Team(number))
        try:
            solution = sweep(factor.stored, columns), adjoint_sweep(factor.stored, columns)
            assert threads.threads_used() == number
            return solution
        finally:
            threads._TEAM.reset(token)

    one = solved(1)
    for number in (2, 3, 7):
        for _ in range(3):
            assert all(np.array_equal(a, b) for a, b in zip(one, solved(number), strict=True))


def test_columns_may_lie_in_memory_in_any_way():
    factor = _factor("hermitian", CPU_SETTINGS)
    columns = _columns(factor, 3, True)
    expected = sweep(factor.stored, columns)
    wide = np.zeros((2 * len(columns), 7), complex)
    wide[::2, 6:0:-2] = columns
    for others in (np.asfortranarray(columns), wide[::2, 6:0:-2]):
        assert np.array_equal(sweep(factor.stored, others), expected)
    skew = _factor("skew", CPU_SETTINGS)  # real factors take complex columns as pairs of real ones
    expected = sweep(skew.stored, columns)
    assert np.array_equal(sweep(skew.stored, wide[::2, 6:0:-2]), expected)
    assert np.array_equal(expected.real, sweep(skew.stored, np.ascontiguousarray(columns.real)))


def test_no_position_is_shared_by_tasks(small_tasks):
    factor = _factor("real", SETTINGS["deep"])
    parts = subtrees.subtrees(factor.symbolic)
    assert parts is subtrees.subtrees(factor.symbolic)
    taken = np.zeros(parts.rows.size, int)
    for begin, _, end in parts.task_places:
        taken[begin:end] += 1
    taken[slice(*parts.top)] += 1
    assert (taken == 1).all()
    for task, (begin, first, end) in enumerate(parts.task_places):
        for front in range(*parts.task_fronts[task : task + 2]):
            a, u = parts.shape[front]
            at, start = parts.place[front, 0], parts.place[front, 1]
            assert begin <= at and at + a <= first
            assert ((begin <= parts.updates[start : start + u]) & (parts.updates[start : start + u] < end)).all()
    rows = np.concatenate([parts.rows[begin:first] for begin, first, _ in parts.task_places])
    rows = np.concatenate([rows, parts.rows[slice(*parts.top)]])
    assert np.array_equal(np.sort(rows[rows >= 0]), np.arange(factor.symbolic.n_rows))
