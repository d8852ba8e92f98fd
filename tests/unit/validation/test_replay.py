"""The replay of recorded pieces on more cores, against schedules worked out by hand."""

from __future__ import annotations

import time

import numpy as np
import pytest

import bdg
from bdg.gpu.cost.shared import SOCKET
from bdg.gpu.device import threads
from bdg.gpu.device.backend import select_backend
from bdg.validation.benchmarks import replay
from bdg.validation.benchmarks.replay import Piece, Recorder, makespan

CPU = select_backend("cpu")


def chain(*seconds):
    return [Piece(each, (number - 1,) if number else ()) for number, each in enumerate(seconds)]


def fan(seconds, count, **more):
    return [Piece(seconds, (), **more) for _ in range(count)]


def test_pieces_wait_for_what_they_need_and_for_a_core():
    assert makespan(chain(1.0, 2.0, 3.0), 8) == pytest.approx(6)
    assert [makespan(fan(1.0, 8), cores) for cores in (1, 3, 4, 8, 99)] == pytest.approx([8, 3, 2, 1, 1])
    tree = [Piece(2.0, ()), Piece(1.0, ()), Piece(1.0, (1,)), Piece(4.0, (0, 2))]
    assert makespan(tree, 1) == pytest.approx(8) and makespan(tree, 2) == pytest.approx(6)


def test_the_lock_is_held_by_one_and_a_socket_serves_a_few():
    """With a quarter of the time under the lock four cores are all that help, with all of it waiting for memory six."""
    assert makespan(fan(1.0, 16), 2, calls=0.25) == pytest.approx(8)
    assert makespan(fan(1.0, 16), 16, calls=0.25) == pytest.approx(4)
    assert makespan(fan(1.0, 12), 12, copies=1.0) == pytest.approx(12 / SOCKET)
    assert makespan(fan(1.0, 16, large=True), 16, calls=0.25) == pytest.approx(1)  # nothing for the interpreter to do


def test_parts_of_a_piece_follow_one_another_unless_others_help():
    """Two poles of three parts each: two cores do one pole each; with help within six cores do all at once."""
    pieces = [Piece(1.0, (), holder) for holder in (0, 0, 0, 3, 3, 3)]
    assert makespan(pieces, 6, within=False) == pytest.approx(3) and makespan(pieces, 6) == pytest.approx(1)
    told = [Piece(1.0, (), holder, beside=2) for holder in (0, 0, 0, 3, 3, 3)]
    assert [makespan(told, cores, within=False) for cores in (2, 4, 6)] == pytest.approx([3, 2, 1])


def busy(seconds):
    end = time.thread_time() + seconds
    while time.thread_time() < end:
        pass
    return seconds


def test_what_is_handed_to_threads_is_recorded(monkeypatch):
    """Four pieces side by side and what is made of each afterwards, in their order; one alone is no pool."""

    def call():
        busy(0.01)
        for number in threads.side_by_side(busy, [0.02, 0.03, 0.02, 0.03], CPU):
            busy(number / 10)
        list(threads.side_by_side(busy, [0.01], CPU))

    plain = threads.side_by_side
    pieces = replay.recorded(call)
    assert threads.side_by_side is plain
    whole = sum(piece.seconds for piece in pieces)
    assert whole == pytest.approx(0.13, rel=0.2)
    work = [piece for piece in pieces if piece.holder >= 0]
    assert [piece.needs for piece in work] == [(0,)] * 4 and len(pieces) == 10
    first, *rest = (place for place, piece in enumerate(pieces) if piece.holder < 0 and place)
    assert set(pieces[rest[0]].needs) == {first, rest[0] - 1}  # results are taken one after the other
    times = makespan(pieces, 4) / whole
    assert 0.4 < times < 0.75  # 0.01 + 0.03 + 0.003 + 0.01 of 0.13


def test_trees_and_blocks_are_recorded():
    """As a factor hands them out: a part waits for those below, blocks of a product for what comes before."""
    recorder = Recorder()
    recorder.in_turn(lambda number: None, [(), (), (0, 1)], CPU)
    recorder.shared(lambda number: None, range(3))
    recorder.shared(lambda number: None, range(1))
    recorder.close()
    pieces = recorder.pieces
    assert [piece.needs for piece in pieces[:4]] == [(), (0,), (0,), (0, 1, 2)]
    assert pieces[4].needs == (1, 2, 3) and [piece.large for piece in pieces[5:8]] == [True] * 3
    assert [piece.needs for piece in pieces[5:8]] == [(4,)] * 3 and pieces[8].needs == (5, 6, 7)
    assert len(pieces) == 9 and not pieces[8].large


def test_a_pair_amplitude_is_as_many_pieces_as_it_has_poles(grid):
    system = grid((6, 6, 6), delta=0.3, disorder=1.0)
    found = []
    pieces = replay.recorded(lambda: found.append(bdg.pair_amplitude(system, 0.1, method="poles", tol=1e-9)))
    poles = {piece.holder for piece in pieces} - {-1}
    assert len(poles) == found[0].evidence.poles
    plain = bdg.pair_amplitude(system, 0.1, method="poles", tol=1e-9, threads=1)
    assert np.array_equal(found[0].values, plain.values)
    calls, copies = replay.held_up(system, "pair_amplitude", "poles", temperature=0.1)
    assert 0 < calls < 1 and 0 < copies < 1 and calls + copies < 1
    ups = replay.speed_ups(pieces, calls, copies)["times"]
    assert ups["4"][0] < 1.05 * ups["16"][0] and ups["16"][0] <= min(16, len(poles))  # the order is greedy


def test_the_table_says_that_it_is_a_replay_and_what_failed():
    entry = {"times": {str(n): [n / 2, n / 1.5] for n in replay.CORES}, "endless": 70.0, "recorded": 9.0, "pieces": 40,
             "calls": 0.05, "copies": 0.2}  # fmt: skip
    text = replay.table({("poles", 32): entry, ("lanczos", 64): "no memory"})
    assert text.startswith("A REPLAY, not a measurement") and "| 8.0 (10.7) |" in text and "| no memory |" in text
    widths = {line.count("|") for line in text.splitlines() if line.startswith("|")}
    assert len(widths) == 1
