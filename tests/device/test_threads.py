"""Independent pieces of work side by side: order, errors, memory, and the same bits whatever the number of threads."""

import inspect
import os
import sys
import threading
import time
import warnings

import numpy as np
import pytest
import scipy.sparse as sp
from public_calls import CALLS, KINDS, make_system
from threadpoolctl import threadpool_info, threadpool_limits

import bdg
from bdg.gpu.chebyshev.columns import spectral_bound
from bdg.gpu.device import threads
from bdg.gpu.device.backend import Backend, select_backend
from bdg.gpu.device.threads import require_threads, side_by_side, threaded

CPU = select_backend("cpu")


@threaded
def collected(work, items, each_bytes=0.0, threads="auto"):
    return list(side_by_side(work, items, CPU, each_bytes=each_bytes)), bdg.gpu.device.threads.threads_used()


def test_a_number_is_taken_as_it_is_and_auto_from_the_environment_or_the_cores(monkeypatch):
    monkeypatch.delenv("BDG_THREADS", raising=False)
    assert require_threads(3) == 3 and require_threads(np.int64(2)) == 2
    assert require_threads() == threads.cores() <= len(os.sched_getaffinity(0))
    monkeypatch.setenv("BDG_THREADS", "5")
    assert require_threads("auto") == 5 and require_threads(2) == 2


@pytest.mark.parametrize("wrong, error", [(0, ValueError), (-1, ValueError), (True, TypeError), (1.5, TypeError)])
def test_other_numbers_are_refused(wrong, error):
    with pytest.raises(error, match=r"threads must be 'auto' or a whole number >= 1; got"):
        bdg.pair_amplitude(make_system("real"), 0.1, threads=wrong)


def test_a_wrong_variable_is_named(monkeypatch):
    monkeypatch.setenv("BDG_THREADS", "many")
    with pytest.raises(ValueError, match=r"BDG_THREADS must be a whole number >= 1; got 'many'\. Unset it"):
        bdg.pair_amplitude(make_system("real"), 0.1)


def test_a_share_of_the_machine_counts(monkeypatch, tmp_path):
    quota = tmp_path / "cpu.max"
    monkeypatch.setattr(threads, "_QUOTA", quota)
    monkeypatch.setattr(threads.os, "sched_getaffinity", lambda _: set(range(8)), raising=False)
    for text, expected in (("max 100000", 8), ("250000 100000", 2), ("50000 100000", 1), ("1600000 100000", 8)):
        quota.write_text(text)
        assert threads.cores() == expected


def test_results_come_in_order_and_several_at_a_time():
    at_once, most, lock = [0], [0], threading.Lock()

    def work(number):
        with lock:
            at_once[0] += 1
            most[0] = max(most[0], at_once[0])
        time.sleep(0.02 * (number % 3 == 0))  # some take longer
        with lock:
            at_once[0] -= 1
        return number

    found, used = collected(work, range(20), threads=3)
    assert found == list(range(20)) and used == 3 and 2 <= most[0] <= 3
    found, used = collected(work, range(20), threads=1)
    assert found == list(range(20)) and used == 1
    assert collected(work, range(2), threads=7) == ([0, 1], 2)  # no more than there is work


def test_no_more_than_fit_into_memory(monkeypatch):
    monkeypatch.setattr(threads, "available_bytes", lambda backend: 20.0)
    assert collected(abs, range(8), each_bytes=4.0, threads=5)[1] == 2
    assert collected(abs, range(8), each_bytes=40.0, threads=5)[1] == 1


def test_threads_without_a_piece_of_their_own_help_within():
    """Pieces at once and threads of each, for pieces, those that fit, threads, and whether parts are as quick."""
    split = threads.pieces_and_threads
    assert [split(count, 2, 2, True) for count in (0, 2, 5)] == [(2, 1)] * 3
    assert split(5, 16, 16, False) == (5, 3) and split(9, 16, 16, False) == (9, 1)
    assert split(9, 16, 16, True) == (4, 4)  # the longest of nine on one thread each would hold up all
    assert split(9, 4, 16, False) == (4, 4) and split(9, 1, 16, True) == (1, 16) and split(0, 4, 16, True) == (4, 1)
    inside, used = collected(lambda _: threads.threads_granted(), range(3), threads=7)
    assert inside == [2] * 3 and used == 3  # those within had nothing to do
    assert collected(lambda _: threads.threads_taken(2), range(3), threads=7)[1] == 6


def test_an_error_ends_what_was_not_begun():
    begun = []

    def work(number):
        begun.append(number)
        time.sleep(0.01)
        if number == 2:
            raise bdg.MemoryBudgetError("full")
        return number

    before = sys.getswitchinterval()
    with pytest.raises(bdg.MemoryBudgetError, match="full"):
        collected(work, range(100), threads=2)
    assert len(begun) < 12 and sys.getswitchinterval() == before


def test_work_within_work_stays_on_its_thread():
    inner = lambda number: collected(lambda _: threading.get_ident(), range(3))[0] + [number]  # noqa: E731
    for idents in collected(inner, range(4), threads=2)[0]:
        assert len(set(idents[:3])) == 1


def test_blas_has_one_thread_meanwhile_and_its_own_afterwards():
    def blas(_=None):
        return [lib["num_threads"] for lib in threadpool_info() if lib["user_api"] == "blas"]

    before = blas()
    for number in (1, 2):
        assert all(set(found) == {1} for found in collected(blas, range(2), threads=number)[0])
    assert blas() == before


def test_settings_of_numpy_reach_the_threads():
    with np.errstate(divide="raise"), pytest.raises(FloatingPointError):
        collected(lambda number: np.float64(1) / np.float64(number), range(2), threads=2)


def test_pieces_follow_one_another_on_a_gpu():
    @threaded
    def run(threads="auto"):
        there = Backend("gpu", "a device", np)
        return set(side_by_side(lambda _: threading.get_ident(), range(4), there))

    assert run(threads=3) == {threading.get_ident()}


def test_every_public_function_with_a_device_takes_threads():
    for name in bdg.__all__:
        if not inspect.isfunction(function := getattr(bdg, name)) or name == "estimate":
            continue
        parameters = inspect.signature(function).parameters
        if "device" in parameters:
            assert parameters["threads"].default == "auto", name
            assert "threads" in function.__doc__, name


def _fields(result):
    for name, value in vars(result).items():
        if isinstance(value, np.ndarray | float | int | complex):
            yield name, np.asarray(value)


@pytest.mark.parametrize("method", ["dense", "poles"])
@pytest.mark.filterwarnings("ignore:charge is not conserved")  # the pairing is imposed
def test_phases_side_by_side_have_the_same_bits(method):
    system, phases = make_system("real"), np.linspace(0, np.pi, 5)
    one, many = (bdg.current_phase(system, phases, 0.3, method=method, threads=number) for number in (1, 3))
    assert one.evidence.threads == 1 and many.evidence.threads == 3
    for name, value in _fields(one):
        assert np.array_equal(value, getattr(many, name), equal_nan=True), name


THREADED = [key for key in CALLS if "chebyshev" not in key and "dense" not in key]


@pytest.mark.parametrize("number", [2, 3, pytest.param(7, marks=pytest.mark.slow)])
@pytest.mark.parametrize("key", THREADED)
def test_the_same_bits_whatever_the_number_of_threads(key, number):
    function, options, _ = CALLS[key]
    kind = KINDS[len(key) % len(KINDS)] if "harmonics" not in key and key not in ("landscape", "current") else "real"
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        one, many = (function(make_system(kind), **options, threads=n) for n in (1, number))
    for (name, first), (_, second) in zip(_fields(one), _fields(many), strict=True):
        assert np.array_equal(first, second, equal_nan=first.dtype.kind in "fc"), name
    if key.startswith(("pairing, poles", "green", "ldos")):
        assert one.evidence.threads == 1 and many.evidence.threads > 1


def test_a_check_of_single_precision_that_fails_leaves_the_same_bits(monkeypatch):
    """The poles that were begun in single precision are thrown away."""
    from bdg.thermal import pole_sums

    monkeypatch.setattr(pole_sums, "SINGLE_SAFETY", 1e-3)  # hopeful at first, ...
    honest = pole_sums._Precision.holds

    def refuse(self, number, change):  # ... refused at the first check
        self.asked = getattr(self, "asked", 0) + 1
        return False if self.asked == 1 else honest(self, number, change)

    monkeypatch.setattr(pole_sums._Precision, "holds", refuse)
    system = make_system("real")
    found = [bdg.pair_amplitude(system, 0.1, method="poles", tol=1e-3, threads=n) for n in (1, 3)]
    assert np.array_equal(found[0].values, found[1].values) and found[0].error == found[1].error
    assert found[0].evidence.single_precision_poles == found[1].evidence.single_precision_poles


@pytest.mark.parametrize("call", ["bound of the spectrum", "states"])
def test_threads_of_blas_change_no_bit(call):
    """A machine of more cores starts its BLAS with more threads, which split sums of 2e4 numbers otherwise."""
    rng = np.random.default_rng(1)
    diagonals = rng.standard_normal((3, 24_000))
    matrix = sp.dia_array((diagonals, [-1, 0, 1]), shape=(24_000, 24_000)).tocsr()
    system = bdg.lattices.stack([bdg.lattices.Layer(6000, delta=0.3, disorder=1.0)], seed=2)

    def found():
        if call == "states":
            return bdg.bound_states(system, 4, method="lanczos").energies
        return spectral_bound(matrix + matrix.T)

    several = []
    for number in (1, 2):
        with threadpool_limits(number, "blas"):
            several.append(found())
    np.testing.assert_array_equal(*several)
