"""How much memory there is, asked before a computation takes it."""

from __future__ import annotations

import os

from bdg.gpu.backend import Backend, MemoryBudgetError

GIB = 2.0**30


def available_bytes(backend: Backend) -> float:
    """Return the bytes that can still be taken on the device of ``backend``."""
    if backend.device == "gpu":
        pooled = backend.xp.get_default_memory_pool().free_bytes()  # CuPy keeps what it freed
        return float(backend.xp.cuda.runtime.memGetInfo()[0] + pooled)
    try:
        with open("/proc/meminfo", encoding="ascii") as lines:
            for line in lines:
                if line.startswith("MemAvailable:"):
                    return float(line.split()[1]) * 1024
    except OSError:  # not Linux: ask POSIX below
        pass
    return float(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES"))


def require_memory(needed: float, backend: Backend, what: str, cure: str) -> None:
    """Raise `MemoryBudgetError` if ``needed`` bytes for ``what`` do not fit; ``cure`` says what would."""
    free = available_bytes(backend)
    if needed > free:
        raise MemoryBudgetError(
            f"{what} needs about {needed / GIB:.1f} GiB, but {free / GIB:.1f} GiB are available on the "
            f"{backend.device}. {cure}"
        )
