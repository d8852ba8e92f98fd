"""Workers of a scheduler: what of a job they hold at a time, and how long they take."""

import numpy as np
import pytest

from bdg.gpu.device.memory import host_bytes, memory_elsewhere
from bdg.jobs.cores import START, Cores
from bdg.jobs.model.workforce import Member, Workforce

GIB = 2**30
TWO = Member("a", threads=2, cores=8, available=8 * GIB)
SMALL = Member("b", threads=1, cores=4, available=3 * GIB, limit=2 * GIB)
GPU = Member("a", threads=1, cores=4, available=16 * GIB, gpu="1")


@pytest.mark.parametrize(
    ("members", "gib", "points", "words"),
    [
        ((TWO, TWO), 4, 9, ""),
        ((TWO, TWO), 4.5, 9, "2 workers of 4.5 GiB each do not fit into the 8.0 GiB that are left on a; 1 would"),
        ((TWO, TWO), 4.5, 1, ""),
        ((TWO, TWO), 9, 9, "left on a; not even one does: take machines with more"),
        ((TWO, SMALL), 2.5, 9, "a worker on b is ended at 2.0 GiB; start the workers with --memory-limit 0"),
        ((SMALL, SMALL), 1.8, 9, "2 workers of 1.8 GiB each do not fit into the 3.0 GiB that are left on b; 1 would"),
        ((TWO, GPU), 8, 9, ""),
        ((GPU, GPU), 9, 9, "left on GPU 1 of a; 1 would"),
    ],
)
def test_what_does_not_fit_is_told_with_what_would(members, gib, points, words):
    found = Workforce(members, "tcp://there").refusal(gib * GIB, points)
    assert words in found and bool(found) == bool(words)


def test_threads_beyond_the_cores_wait_for_one_another():
    """Six workers of two threads on 8 cores: 12/8 as long as alone; 7 points are two rounds."""
    shared = Cores.of_workers(Workforce((TWO,) * 6, "tcp://there"), 7)
    assert shared.cores.tolist() == [8] and shared.threads.tolist() == [2]
    assert shared.seconds(np.array([10.0])) == pytest.approx([START + 2 * 1.5 * 10])
    spread = Cores.of_workers(Workforce((TWO, SMALL), "tcp://there"), 7)
    assert spread.cores.tolist() == [3] and spread.threads.tolist() == [1]


def test_the_memory_of_another_machine_counts_inside_only():
    before = host_bytes()
    with memory_elsewhere(5.0):
        assert host_bytes() == 5.0
    assert host_bytes() > 0.01 * before > 5.0
