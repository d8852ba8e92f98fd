"""Parts of the separator tree on several threads: the same bits with any number of them, and dense algebra's results.

Systems are small; what a part must be worth is set to nothing, so that each has several.
"""

import gc
import threading
import time
import weakref

import numpy as np
import pytest
import scipy.sparse as sp
from scipy.spatial import cKDTree

from bdg.gpu.device.backend import select_backend
from bdg.gpu.device.crew import in_turn, shared
from bdg.gpu.device.threads import threaded, threads_used
from bdg.gpu.multifrontal import CPU_SETTINGS, Factor, FrontSettings, Restriction, SignCount, SitePattern, analyse
from bdg.gpu.multifrontal.analysis import parts as parts_module
from bdg.gpu.multifrontal.factors import blocked, upper_rows
from bdg.gpu.multifrontal.factors import factor as factor_module
from bdg.gpu.multifrontal.factors.stacked import Pivots
from bdg.gpu.multifrontal.imaginary import quaternion_algebra
from bdg.gpu.multifrontal.imaginary.quaternion import QuaternionFactor

CPU = select_backend("cpu")
FINE = FrontSettings(leaf=3, call_flops=1e4, base=4, upper=6, pivots=8, thin_leaves=True)
QUATERNION = FrontSettings(leaf=3, call_flops=1e4, base=4, pivots=8)
NUMBERS = (1, 2, 3, 7)


def _grid(*shape):
    return np.stack(np.meshgrid(*map(np.arange, shape), indexing="ij"), -1).reshape(-1, len(shape)).astype(float)


SYSTEMS = {
    "cube": _grid(5, 5, 4),
    "film": _grid(13, 9),
    "wire": _grid(40, 2, 2),
    "parts that do not touch": np.concatenate([_grid(4, 4, 3), _grid(4, 4, 3) + 30.0, _grid(3, 2, 2) - 20.0]),
    "one site": np.zeros((1, 3)),
}
KINDS = {"real": 0.31, "hermitian": 0.31, "takagi": 0.0, "general": 0.2j, "skew": 0.0}  # and z


def _case(positions, kind, nd=2, settings=FINE, seed=0):
    """Return the symbolic factorisation, random blocks on sites and links as `BlockMatrix`, and the dense matrix."""
    rng = np.random.default_rng(seed)
    n = len(positions)
    pairs = cKDTree(positions).query_pairs(1.01, output_type="ndarray").reshape(-1, 2)
    first, second = np.concatenate([np.stack([np.arange(n)] * 2), np.sort(pairs, axis=1).T], axis=1)
    blocks = rng.standard_normal((first.size, nd, nd)) + (kind != "real" and kind != "skew") * 1j * rng.standard_normal(
        (first.size, nd, nd)
    )
    rows = rng.permutation(n * nd).reshape(n, nd)
    dense = np.zeros((n * nd, n * nd), blocks.dtype)
    dense[rows[first][:, :, None], rows[second][:, None, :]] = blocks
    other = {"hermitian": dense.conj().T, "general": dense.conj().T, "skew": -dense.T}.get(kind, dense.T)
    dense = dense + other
    pattern = SitePattern.of(sp.csr_matrix(dense), rows)
    return analyse(positions, pattern, settings), pattern.split(sp.csr_matrix(dense)), dense


@pytest.fixture(autouse=True)
def _worth_nothing(monkeypatch):
    monkeypatch.setattr(parts_module, "_WORTH", 0.0)
    monkeypatch.setattr(blocked, "_WORTH", 0.0)
    monkeypatch.setattr(blocked, "_WORTH_FILLING", 0)
    monkeypatch.setattr(quaternion_algebra, "_WORTH", 0.0)
    monkeypatch.setattr(blocked, "_LEAST", 3)
    monkeypatch.setattr(upper_rows, "_WORTH", 0)


@threaded
def _on(work, threads="auto"):
    return work(), threads_used()


def _same(first, second):
    if isinstance(first, np.ndarray):
        return np.array_equal(first, second, equal_nan=True)
    if isinstance(first, list | tuple):
        return len(first) == len(second) and all(map(_same, first, second))
    return first == second


def _equal_on_all(work):
    """Return what ``work`` returns, which has the same bits on all numbers of threads."""
    found = [_on(work, threads=number) for number in NUMBERS]
    assert all(_same(found[0][0], other) for other, _ in found[1:])
    assert all(used <= number for (_, used), number in zip(found, NUMBERS, strict=True))
    return found[0][0]


# ----------------------------------------------------------------------------------------------------------- parts


@pytest.mark.parametrize("positions", SYSTEMS.values(), ids=SYSTEMS)
def test_parts_hold_each_stack_once_and_come_after_those_below(positions):
    symbolic, _, _ = _case(positions, "real")
    parts = symbolic.parts
    assert [part.begin for part in parts] == [0, *(part.end for part in parts[:-1])]
    assert parts[-1].end == len(symbolic.classes) and parts[-1].share == 1.0
    above = [below for part in parts for below in part.below]
    assert sorted(above) == list(range(len(parts) - 1))  # each but the last is below one other
    part_of = np.concatenate([np.full(part.end - part.begin, k) for k, part in enumerate(parts)])
    for c in symbolic.classes:
        for link in c.down:
            child, parent = part_of[link.child], part_of[link.parent]
            assert child == parent or child in parts[parent].below
    if len(positions) > 30:
        assert 7 <= len(parts) <= 15


def test_pieces_of_one_separator_stay_together():
    symbolic, _, _ = _case(_grid(7, 7, 5), "real")
    tree = symbolic.structure.tree
    part_of = np.empty(tree.parent.size, dtype=int)
    for k, part in enumerate(symbolic.parts):
        for c in symbolic.classes[part.begin : part.end]:
            part_of[c.nodes] = k
    pieces = np.flatnonzero((tree.parent >= 0) & (tree.level == tree.level[tree.parent]))
    assert pieces.size > 10 and (part_of[pieces] == part_of[tree.parent[pieces]]).all()


def test_small_trees_and_those_of_a_device_have_one_part(monkeypatch):
    monkeypatch.setattr(parts_module, "_WORTH", 2e8)
    assert len(_case(_grid(5, 5, 4), "real", settings=CPU_SETTINGS)[0].parts) == 1
    monkeypatch.setattr(parts_module, "_WORTH", 0.0)
    assert len(_case(_grid(5, 5, 4), "real", settings=FrontSettings(leaf=3, split=0))[0].parts) == 1


# --------------------------------------------------------------------------------------------------------- factors


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("positions", SYSTEMS.values(), ids=SYSTEMS)
def test_factors_have_the_same_bits_with_any_number_of_threads(positions, kind):
    symbolic, blocks, dense = _case(positions, kind)
    z = KINDS[kind]

    def made():
        factor = Factor(symbolic, blocks, z, CPU, log_determinant=True, inertia=kind in ("real", "hermitian"))
        return factor, [x for stack in factor.stored.stacks for x in stack if x is not None], factor.slogdet()

    found = [_on(made, threads=number) for number in NUMBERS]
    for (_, kept, determinant), _ in found:
        assert all(map(np.array_equal, kept, found[0][0][1])) and determinant == found[0][0][2]
    factor, matrix = found[0][0][0], z * np.eye(len(dense)) - dense
    columns = np.random.default_rng(1).standard_normal((len(dense), 2))
    np.testing.assert_allclose(factor.solve(columns), np.linalg.solve(matrix, columns), atol=1e-8, rtol=1e-8)
    if kind in ("real", "hermitian"):
        assert factor.negative_count == (np.linalg.eigvalsh(dense) > z).sum()
    np.testing.assert_allclose(determinant[1], np.linalg.slogdet(matrix)[1], rtol=1e-9)


@pytest.mark.parametrize("kind", ["real", "hermitian"])
@pytest.mark.parametrize("positions", SYSTEMS.values(), ids=SYSTEMS)
def test_counts_have_the_same_bits_with_any_number_of_threads(positions, kind):
    symbolic, blocks, dense = _case(positions, kind)

    def made():
        signs = SignCount(symbolic, blocks, 0.31, CPU, within=1e-3)
        return signs.n_above, signs.backward_error, signs.improved, signs.bordered

    above, error, _, _ = _equal_on_all(made)
    assert above == (np.linalg.eigvalsh(dense) > 0.31).sum() and 0 < error < 1e-3


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("positions", SYSTEMS.values(), ids=SYSTEMS)
def test_selected_inverses_have_the_same_bits_with_any_number_of_threads(positions, kind):
    symbolic, blocks, dense = _case(positions, kind)
    factor = Factor(symbolic, blocks, KINDS[kind], CPU)
    some = Restriction(symbolic, np.arange(0, len(positions), 5))
    found = _equal_on_all(lambda: (factor.selected_inverse().blocks, factor.selected_inverse(some).blocks))
    inverse = np.linalg.inv(KINDS[kind] * np.eye(len(dense)) - dense)
    rows, first, second = symbolic.pattern.rows, symbolic.pattern.first, symbolic.pattern.second
    expected = inverse[rows[first][:, :, None], rows[second][:, None, :]]
    np.testing.assert_allclose(found[0], expected, atol=1e-8 * abs(inverse).max())
    known = ~np.isnan(found[1])
    assert known[(first % 5 == 0) & (second % 5 == 0)].all()
    np.testing.assert_allclose(found[1][known], expected[known], atol=1e-8 * abs(inverse).max())


@pytest.mark.parametrize("kind", ["real", "hermitian"])
@pytest.mark.parametrize("positions", SYSTEMS.values(), ids=SYSTEMS)
def test_quaternion_factors_have_the_same_bits_with_any_number_of_threads(positions, kind):
    symbolic, normal, h = _case(positions, kind, nd=1, settings=QUATERNION)
    gap = np.diag(np.random.default_rng(3).standard_normal(len(h)))

    def made():
        factor = QuaternionFactor(
            symbolic, normal, symbolic.pattern.split(sp.csr_matrix(gap)), 0.4, CPU, log_determinant=True
        )
        inverse = factor.selected_inverse(release=True)
        return inverse.normal, inverse.anomalous, factor.log_determinant()

    found, anomalous, determinant = _equal_on_all(made)
    whole = 0.4j * np.eye(2 * len(h)) - np.block([[h, gap], [gap, -h.conj()]])
    inverse, (rows, columns) = np.linalg.inv(whole), (symbolic.pattern.first, symbolic.pattern.second)
    site = symbolic.pattern.rows[:, 0]
    rows, columns = site[rows], site[columns]
    np.testing.assert_allclose(found, inverse[rows, columns], atol=1e-10)
    np.testing.assert_allclose(anomalous, inverse[rows, columns + len(h)], atol=1e-10)
    np.testing.assert_allclose(determinant, np.linalg.slogdet(whole)[1], rtol=1e-10)


def _with_small_pivots(positions, kind):
    """Return a case at zero energy in which the first block of each of many leaves has a vanishing eigenvalue."""
    symbolic, blocks, dense = _case(positions, kind, settings=FrontSettings(leaf=3, call_flops=1e4, upper=6, pivots=8))
    for c in symbolic.classes:
        for rows in c.pivots if c.is_leaf else ():
            rows = rows[rows < symbolic.n_rows]
            values, vectors = np.linalg.eigh(dense[np.ix_(rows, rows)])
            k = abs(values).argmin()
            dense[np.ix_(rows, rows)] -= values[k] * np.outer(vectors[:, k], vectors[:, k].conj())
    return symbolic, symbolic.pattern.split(sp.csr_matrix(dense)), dense


@pytest.mark.parametrize("kind", ["real", "hermitian"])
def test_moved_pivots_of_all_parts_are_taken_back(kind):
    symbolic, blocks, dense = _with_small_pivots(_grid(7, 6, 2), kind)
    levels = np.linalg.eigvalsh(dense)

    def made():
        signs = SignCount(symbolic, blocks, 0.0, CPU, within=1e-3)
        factor = Factor(symbolic, blocks, 0.0, CPU, inertia=True, log_determinant=True)
        columns = np.ones((len(dense), 1))
        return (
            *(signs.n_above, signs.backward_error, signs.bordered, signs._border.remainder()),
            *(factor.negative_count, factor.bordered, factor.moved_blocks, factor.slogdet(), factor.solve(columns)),
        )

    found = _equal_on_all(made)
    assert found[0] == found[4] == (levels > 0).sum() and found[1] < 1e-6
    assert found[2] == found[5] >= 10 and not found[6]
    np.testing.assert_allclose(found[7][1], np.log(abs(levels)).sum(), rtol=1e-9)
    np.testing.assert_allclose(dense @ -found[8], 1.0, atol=1e-8)


def test_the_border_is_that_of_one_part(monkeypatch):
    positions = _grid(7, 6, 2)

    def eigenvalues():
        symbolic, blocks, _ = _with_small_pivots(positions, "real")
        signs = SignCount(symbolic, blocks, 0.0, CPU, within=1e-3)
        return len(symbolic.parts), np.linalg.eigvalsh(signs._border.remainder()), signs.backward_error

    many, several, error = eigenvalues()
    monkeypatch.setattr(parts_module, "_WORTH", np.inf)
    one, whole, other = eigenvalues()
    assert many > 7 and one == 1
    np.testing.assert_allclose(several, whole, atol=1e-9)
    assert 0.1 < error / other < 10


@pytest.mark.parametrize("room", [0, 1, 3])
def test_parts_share_the_room_for_moved_pivots(room, monkeypatch):
    """Each has twice its share of it, and what those below left; other small pivots are moved for good."""
    monkeypatch.setattr(factor_module, "_ROOM", room)
    symbolic, blocks, _ = _with_small_pivots(_grid(7, 6, 2), "real")

    def made():
        factor = Factor(symbolic, blocks, 0.0, CPU)
        return factor.bordered, factor.moved_blocks

    bordered, moved = _equal_on_all(made)
    assert (bordered > 0) == (room > 0) and bordered <= 2 * room + len(symbolic.parts) and moved > 0


def test_a_part_has_the_room_that_those_below_left():
    """Twice its share of ten: 4 and 6 below, of which three and five are taken; two are left above."""
    whole = Pivots(room=10)
    below = [whole.following([], 0.2), whole.following([], 0.3)]
    assert [record.room for record in below] == [4, 6]
    below[0]._noted, below[1]._noted = 3, 5
    above = whole.following(below, 0.5)
    assert above.room == 2 and whole.following([above], 1.0).room == 2
    below[0]._noted = 9
    assert whole.following(below, 0.5).room == 0 and whole.following([], 1.0).room == 10


def test_a_count_that_proves_nothing_ends_with_any_number_of_threads():
    symbolic, blocks, _ = _case(SYSTEMS["cube"], "real")

    def made():
        signs = SignCount(symbolic, blocks, 0.31, CPU, within=1e-16)
        return signs.n_above, signs.backward_error, signs.improved, signs.bordered

    assert _equal_on_all(made) == (None, np.inf, 0, 0)


# ------------------------------------------------------------------------------------------------- pieces and shares

TREE = [(), (), (0, 1), (), (), (3, 4), (2, 5)]


@pytest.mark.parametrize("number", NUMBERS)
def test_pieces_come_after_those_that_they_need(number):
    done, most, lock, busy = [], [0], threading.Lock(), [0]

    def work(k):
        with lock:
            busy[0] += 1
            most[0] = max(most[0], busy[0])
            assert set(TREE[k]) <= set(done)
        time.sleep(0.002 * (k % 3))
        with lock:
            busy[0] -= 1
            done.append(k)

    _, used = _on(lambda: in_turn(work, TREE, CPU), threads=number)
    assert sorted(done) == list(range(len(TREE))) and most[0] <= used <= number
    assert number > 1 or done == sorted(done)


def test_no_more_pieces_at_once_than_fit_into_memory(monkeypatch):
    monkeypatch.setattr("bdg.gpu.device.threads.available_bytes", lambda backend: 20.0)
    two = threading.Barrier(2)
    first = lambda k: two.wait(60) if k < 2 else None  # noqa: E731
    assert _on(lambda: in_turn(first, TREE, CPU, each_bytes=4.0), threads=5)[1] == 2
    assert _on(lambda: in_turn(lambda k: None, TREE, CPU, each_bytes=40.0), threads=5)[1] == 1


@pytest.mark.parametrize("number", NUMBERS)
def test_an_error_in_a_piece_or_a_share_is_raised(number):
    begun = []

    def share(item):
        begun.append(item)
        if item == "wrong":
            raise KeyError(item)

    def work(k):
        if k == 2:
            shared(share, ["right", "wrong", "right"])
        begun.append(k)

    with pytest.raises(KeyError, match="wrong"):
        _on(lambda: in_turn(work, TREE, CPU), threads=number)
    assert 2 not in begun and 6 not in begun


@pytest.mark.parametrize("number", NUMBERS)
def test_shares_are_each_done_once_and_those_with_nothing_to_do_help(number):
    done, helpers, all_of_them = [], set(), threading.Barrier(number)

    def share(item):
        if item < number:
            all_of_them.wait(60)
        helpers.add(threading.get_ident())
        done.append(item)

    def work(k):
        if k == 1:  # the other piece is done at once
            shared(share, range(20))
            assert sorted(done) == list(range(20))

    _, used = _on(lambda: in_turn(work, [(), (0,)], CPU), threads=number)
    assert len(helpers) == used == number


def test_shares_that_are_not_worth_it_stay_on_their_thread():
    found = set()
    work = lambda k: shared(lambda _: found.add((k, threading.get_ident())), range(9), worth=False)  # noqa: E731
    _on(lambda: in_turn(work, TREE, CPU), threads=3)
    assert len(found) == len(TREE)


def test_shares_that_nobody_took_hold_no_memory_while_others_are_at_work():
    gone, held = threading.Event(), []

    def work(number):
        if number:
            assert gone.wait(5)  # the other thread takes no share, and forgets none
            return
        array = np.zeros(3)
        watched = weakref.ref(array)
        shared(lambda item, array=array: None, range(4))
        del array
        gc.collect()
        held.append(watched() is not None)
        gone.set()

    _on(lambda: in_turn(work, [(), ()], select_backend("cpu")), threads=2)
    assert held == [False]
