"""How much memory there is, asked before a computation takes it."""

from __future__ import annotations

import contextlib
import contextvars
import ctypes
import functools
import os
from collections.abc import Callable, Iterator
from pathlib import Path

from bdg.gpu.device.backend import Backend, MemoryBudgetError

GIB = 2.0**30
_CGROUPS, _OWN_GROUPS = Path("/sys/fs/cgroup"), Path("/proc/self/cgroup")
# by version of control groups: files with the limit and what is taken, and what of memory.stat can be had back
_GROUP_FILES = {
    1: ("memory.limit_in_bytes", "memory.usage_in_bytes", "total_inactive_file"),
    2: ("memory.max", "memory.current", "inactive_file"),
}
_ELSEWHERE: contextvars.ContextVar[float | None] = contextvars.ContextVar("elsewhere", default=None)


@contextlib.contextmanager
def memory_elsewhere(available: float | None) -> Iterator[None]:
    """Let estimates inside count with the bytes that another machine has left; with this one's if it is None."""
    before = _ELSEWHERE.set(available)
    try:
        yield
    finally:
        _ELSEWHERE.reset(before)


def available_bytes(backend: Backend) -> float:
    """Return the bytes that can still be taken on the device of ``backend``."""
    if backend.device == "gpu":
        pooled = backend.xp.get_default_memory_pool().free_bytes()  # CuPy keeps what it freed
        return float(backend.xp.cuda.runtime.memGetInfo()[0] + pooled)
    return host_bytes()


def host_bytes() -> float:
    """Return the bytes that this process can still take on the host.

    The least of what the machine has left, what the control groups of this process (containers, batch systems) leave
    it, and what its own limit of address space does (``ulimit -v``).
    """
    elsewhere = _ELSEWHERE.get()
    if elsewhere is not None:
        return elsewhere
    return max(0.0, min(_machine_bytes(), *_group_bytes(), _address_space_bytes()))


def _machine_bytes() -> float:
    try:
        with open("/proc/meminfo", encoding="ascii") as lines:
            for line in lines:
                if line.startswith("MemAvailable:"):
                    return float(line.split()[1]) * 1024
    except OSError:  # not Linux: ask POSIX below
        pass
    return float(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES"))


def _group_bytes() -> Iterator[float]:
    """Yield what each control group that has a limit leaves; pages of files that nobody needs now count as free."""
    for version, folder, limit in _limits():
        _, taken_file, reclaimable = _GROUP_FILES[version]
        try:
            taken = float((folder / taken_file).read_text())
            stat = dict(line.split() for line in (folder / "memory.stat").read_text().splitlines())
        except (OSError, ValueError):  # gone, or not as expected: the machine's own number stays
            continue
        yield limit - taken + float(stat.get(reclaimable, 0))


@functools.cache
def _limits() -> tuple[tuple[int, Path, float], ...]:
    """Return version, folder and limit of the memory control groups of this process that have one.

    They are looked for once: reading what is taken may cost a millisecond, and most machines have no limit to read for.
    """
    physical = float(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES"))
    found = []
    for version, folder in _groups():
        try:
            limit = (folder / _GROUP_FILES[version][0]).read_text().strip()
        except OSError:
            continue
        if limit.isdigit() and float(limit) < physical:  # no limit is "max", or a number near 2^63
            found.append((version, folder, float(limit)))
    return tuple(found)


def _groups() -> list[tuple[int, Path]]:
    """Return version and folder of the memory control groups of this process, up to the root."""
    try:
        lines = _OWN_GROUPS.read_text().splitlines()
    except OSError:  # not Linux
        return []
    found = []
    for line in lines:
        _, controllers, path = line.split(":", 2)
        if controllers and "memory" not in controllers.split(","):
            continue
        version, root = (1, _CGROUPS / "memory") if controllers else (2, _CGROUPS)
        folder = root / path.lstrip("/")
        found += [(version, each) for each in (folder, *folder.parents) if each.is_relative_to(root)]
    return found


def _address_space_bytes() -> float:
    try:
        import resource

        limit = resource.getrlimit(resource.RLIMIT_AS)[0]
        if limit == resource.RLIM_INFINITY:
            return float("inf")
        taken = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
    except (ImportError, OSError):
        return float("inf")
    return float(limit - taken)


def give_back_freed() -> None:
    """Give memory that was freed back to the system, where the C library can (glibc).

    It keeps arrays of less than 32 MiB for later ones, in pieces that larger ones do not fit into: the factors of a
    search would stay beside the fronts of the count that follows.
    """
    trim = _malloc_trim()
    if trim is not None:
        trim(0)


@functools.cache
def _malloc_trim() -> Callable[[int], int] | None:
    try:
        return ctypes.CDLL(None).malloc_trim
    except (AttributeError, OSError, TypeError):  # another C library
        return None


def require_memory(needed: float, backend: Backend, what: str, cure: str) -> None:
    """Raise `MemoryBudgetError` if ``needed`` bytes for ``what`` do not fit; ``cure`` says what would."""
    free = available_bytes(backend)
    if needed > free:
        raise MemoryBudgetError(
            f"{what} needs about {needed / GIB:.1f} GiB, but {free / GIB:.1f} GiB are available on the "
            f"{backend.device}. {cure}"
        )
