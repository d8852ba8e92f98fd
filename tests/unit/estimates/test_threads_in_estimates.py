"""What several threads make of an estimate: parts that they share, what holds them up; no choice hangs on it."""

from __future__ import annotations

import numpy as np
import pytest

import bdg
from bdg.gpu.cost import model as cost
from bdg.gpu.cost.model import BUILT_IN, Option
from bdg.gpu.cost.shared import FROM_MEMORY, MEMORY_SHARE, SOCKET, Shared
from bdg.gpu.device import threads
from bdg.gpu.device.backend import select_backend
from bdg.lattices import Layer, stack
from bdg.methods.options import again
from bdg.methods.symbolic import whole_symbolic

CPU = select_backend("cpu")


def test_pieces_are_done_in_rounds_and_fine_ones_at_once():
    eight, fine = Shared(8.0, 8), Shared(8.0, np.inf)
    assert [eight.seconds_on(n) for n in (1, 2, 3, 7, 8, 100)] == [8, 4, 3, 2, 1, 1]
    assert [fine.seconds_on(n) for n in (1, 2, 3, 16)] == [8, 4, pytest.approx(8 / 3), 0.5]


def test_calls_follow_one_another_and_copies_share_the_memory_of_a_socket():
    part = Shared(10.0, np.inf, calls=1.0, copies=3.0)
    assert part.seconds_on(2) == pytest.approx(6 / 2 + 3 / 2 + 1)
    assert part.seconds_on(64) == pytest.approx(6 / 64 + 3 / SOCKET + 1)
    assert part.times(3).seconds_on(4) == pytest.approx(3 * part.seconds_on(4))


def test_an_option_on_threads_keeps_what_is_not_shared_and_holds_a_piece_for_each():
    parts = (Shared(8.0, 8, bytes=3.0), Shared(4.0, 4, bytes=1.0))
    option = Option("poles", "cpu", 14.0, 5.0, 100.0, shared=parts)
    assert option.on(1) == (14.0, 5.0) and option.on(4) == (2.0 + 2.0 + 1.0, 5.0 + 3 * 3.0)
    assert MEMORY_SHARE == threads._SHARE
    short = Option("poles", "cpu", 14.0, 5.0, 13.0, shared=parts)  # two pieces of 3 bytes in half of 13, six of 1
    assert short.on(4) == (2.0 + 4.0 + 1.0, 5.0 + 3.0)
    assert Option("poles", "gpu", 14.0, 5.0, 100.0, shared=parts).on(4) == (14.0, 5.0)
    assert cost.repeated(option, 3.0).on(4) == (15.0, 14.0)
    assert cost.longer(option, 3.0).on(4) == (8.0, 14.0)
    assert again(option, 3.0, once=2.0).on(4)[0] == pytest.approx(2.0 + 3 * 3.0)


def test_seconds_of_a_factor_are_calls_copies_and_operations(grid):
    """Each term goes by its own rate: what is left when the two others are free adds up to all."""
    symbolic = whole_symbolic(grid((7, 7, 7), delta=0.3, disorder=1.0), CPU)
    rates = BUILT_IN["cpu"]
    part = cost.shared_part(lambda given: cost.factor_seconds(given, symbolic, "real"), rates, 1)
    assert part.calls == pytest.approx(28 * len(symbolic.classes) * rates.call) and part.copies > 0
    calls_dearer = cost.factor_seconds(cost.replace(rates, call=2 * rates.call), symbolic, "real")
    assert calls_dearer - part.seconds == pytest.approx(part.calls)
    copies_dearer = cost.factor_seconds(cost.replace(rates, copy=rates.copy / 2), symbolic, "real")
    assert FROM_MEMORY * (copies_dearer - part.seconds) == pytest.approx(part.copies)


CALLS = [
    ("bound_states", {"k": 8}),
    ("pair_amplitude", {"temperature": 0.05}),
    ("pair_amplitude", {"temperature": 0.3, "sites": [3, 5]}),
    ("electron_density", {"temperature": 0.1}),
    ("local_density_of_states", {"energies": np.linspace(0, 0.5, 5)}),
    ("green_function", {"z": [0.1 + 0.1j, 0.3j, 0.2 + 0.1j]}),
    ("density_of_states", {"energies": np.linspace(-1, 1, 11), "moments": 512}),
]


@pytest.mark.parametrize(("what", "arguments"), CALLS)
def test_no_method_hangs_on_the_number_of_threads(grid, what, arguments):
    system = grid((10, 10, 10), delta=0.3, disorder=1.0)
    one, many = (bdg.estimate(system, what, threads=number, **arguments) for number in (1, 16))
    assert many.method == one.method and many.evidence.why == one.evidence.why
    assert one.cores.tolist() == many.cores.tolist() == [1, 2, 8, 16] and (one.threads, many.threads) == (1, 16)
    assert np.array_equal(one.seconds_on_cores, many.seconds_on_cores)
    assert np.array_equal(one.all_seconds, one.seconds_on_cores[:, 0])
    assert np.array_equal(many.all_seconds, many.seconds_on_cores[:, 3])
    assert (np.diff(many.seconds_on_cores, axis=1) <= 0).all() and (np.diff(many.gibibytes_on_cores) >= 0).all()


def test_poles_and_energies_are_shared_as_far_as_there_are_some(grid):
    """Ten poles on two threads take little more than half as long, and as many on ten as on sixteen."""
    system = grid((10, 10, 10), delta=0.3, disorder=1.0)
    found = bdg.estimate(system, "pair_amplitude", temperature=0.05, method="poles", cores=(1, 2, 40, 64))
    seconds = found.seconds_on_cores[found.methods.index("poles")]
    assert 1.6 < seconds[0] / seconds[1] <= 2 and seconds[2] == seconds[3] > 0.05 * seconds[0]
    energies = {"energies": [0.1, 0.2, 0.3], "method": "green", "cores": (1, 3)}
    solved = bdg.estimate(system, "local_density_of_states", **energies)
    row = solved.methods.index("green")
    assert 2 < solved.seconds_on_cores[row, 0] / solved.seconds_on_cores[row, 1] <= 3
    assert solved.gibibytes_on_cores[row, 1] == pytest.approx(3 * solved.gibibytes_on_cores[row, 0])


def test_a_single_factor_is_shared_in_the_parts_of_its_tree(grid):
    """States and one energy on a cube of 12^3: factors on more threads, solves on one; a film is too small for that."""
    cube, film = grid((12, 12, 12), delta=0.3, disorder=1.0), grid((14, 14, 2), delta=0.3, disorder=1.0)
    for what, method, arguments in (
        ("bound_states", "lanczos", {"k": 8}),
        ("count_states", "lanczos", {}),
        ("green_function", "multifrontal", {"z": 0.1 + 0.1j}),
    ):
        large, small = (bdg.estimate(system, what, cores=(1, 4), **arguments) for system in (cube, film))
        row = large.methods.index(method)
        one, four = large.seconds_on_cores[row, list(large.cores).index(1)], large.seconds_on_cores[row, -1]
        assert 1.05 < one / four < 4 and np.ptp(large.gibibytes_on_cores[row]) == 0
        assert np.ptp(small.seconds_on_cores[small.methods.index(method)]) == 0


def test_the_table_holds_every_number_of_cores(grid):
    found = bdg.estimate(grid((6, 6, 6), delta=0.3), "pair_amplitude", temperature=0.1, threads=3)
    head, *rows = str(found).splitlines()[-len(found.methods) - 1 :]
    assert head.split() == ["with", "cores", "1", "2", "3", "8", "16"]
    assert all(row.count("GiB") == 5 for row in rows) and "with the 3 threads granted here" in str(found)


@pytest.mark.parametrize("wrong", [0, -1, 2.5])
def test_numbers_of_cores_are_checked(grid, wrong):
    with pytest.raises((ValueError, TypeError), match="cores must be a whole number >= 1"):
        bdg.estimate(grid((4, 4, 4), delta=0.3), cores=[1, wrong])


def test_estimates_of_before_are_read():
    """Their files lack what was added when estimates came to know threads."""
    system = stack([Layer(40, delta=0.1), Layer(4), Layer(40, delta=0.1)], t=1, mu=0)
    found = bdg.estimate(system, "bound_states", k=4)
    new = {"threads", "cores", "seconds_on_cores", "gibibytes_on_cores"}
    before = type(found)(**{name: value for name, value in vars(found).items() if name not in new})
    assert before.threads == 1 and "with cores" in str(found) and "with cores" not in str(before)
    assert str(before).splitlines()[2:] == str(found).splitlines()[2 : 2 + len(found.methods)]
