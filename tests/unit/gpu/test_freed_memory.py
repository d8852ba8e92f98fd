"""Memory of arrays that were freed goes back to the system."""

import numpy as np
import pytest

from bdg.gpu.device import memory
from bdg.validation.benchmarks.memory import resident_bytes


@pytest.mark.skipif(memory._malloc_trim() is None, reason="not glibc")
def test_pieces_between_arrays_that_stay_are_given_back():
    arrays = [np.ones(1 << 13) for _ in range(1000)]  # 64 KiB each: on the heap, whatever its threshold is
    kept = arrays[::50]
    del arrays
    before = resident_bytes()
    memory.give_back_freed()
    assert before - resident_bytes() > 0.7 * 1000 * (1 << 16)
    assert all((array == 1).all() for array in kept)


def test_another_c_library_keeps_it(monkeypatch):
    monkeypatch.setattr(memory, "_malloc_trim", lambda: None)
    memory.give_back_freed()
