"""Times computations on a device, cold and warm, with their memory."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

from bdg.gpu.device.backend import Backend
from bdg.validation.benchmarks.memory import GIB, peak_bytes, reset_peak

Row = dict[str, Any]
_LEAST_TIME = 5.0  # seconds left below which no further computation is begun


class Clock:
    """Times computations on a device, cold and warm, with their memory, until a deadline.

    Parameters
    ----------
    backend : Backend
    size : int
        Sites an axis, for the rows.
    deadline : float
        ``time.time()`` after which nothing is begun.
    """

    def __init__(self, backend: Backend, size: int, deadline: float) -> None:
        self.backend, self.size, self._deadline = backend, size, deadline

    def row(self, stage: str, dtype: str, run: Callable[[], Any], describe: Callable[[Any], Row] = lambda _: {}) -> Row:
        """Return a row of a computation: the first run (cold), and a second one if there is time (warm).

        ``describe`` turns the result into further entries; ``flops`` among them makes a rate. An error becomes the
        text of the row, and the rest goes on.
        """
        found: Row = {"stage": stage, "size": self.size, "dtype": dtype}
        if self.left() < _LEAST_TIME:
            return {**found, "error": "no time left"}
        try:
            self._free()
            before = 0.0 if self.backend.device == "gpu" else reset_peak()
            seconds, result = self._timed(run)
            found |= {"seconds_cold": seconds, "peak_gib": (self._peak() - before) / GIB, **describe(result)}
            if 2 * seconds < self.left():
                del result  # two results need not fit side by side
                found["seconds_warm"] = self._timed(run)[0]
        except Exception as error:  # whatever it is, the other rows are worth having
            found["error"] = f"{type(error).__name__}: {' '.join(str(error).split())[:300]}"
        return found

    def left(self) -> float:
        """Return the seconds up to the deadline."""
        return self._deadline - time.time()

    def _timed(self, run: Callable[[], Any]) -> tuple[float, Any]:
        self.wait()
        start = time.perf_counter()
        result = run()
        self.wait()
        return time.perf_counter() - start, result

    def wait(self) -> None:
        """Return when the device has done everything that it was given."""
        if self.backend.device == "gpu":
            self.backend.xp.cuda.Device().synchronize()

    def _free(self) -> None:
        if self.backend.device == "gpu":
            self.backend.xp.get_default_memory_pool().free_all_blocks()

    def _peak(self) -> float:
        """Return the bytes that the pool took: it gives nothing back on its own; on the CPU the resident memory."""
        if self.backend.device == "gpu":
            return float(self.backend.xp.get_default_memory_pool().total_bytes())
        return peak_bytes()
