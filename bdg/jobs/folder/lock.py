"""The lock of a run directory: held by a file handle, so that the system releases it however its process ends."""

from __future__ import annotations

import contextlib
import errno
import fcntl
import os
import socket
import stat
import time
from pathlib import Path

_SAFELY = os.O_CLOEXEC | os.O_NOFOLLOW | os.O_NONBLOCK  # a link would let us write elsewhere, a pipe let us wait


def opened(path: Path) -> int:
    """Return a handle of the file to lock, made where there is none; of nothing but a plain file at this very place."""
    handle = os.open(path, os.O_RDWR | os.O_CREAT | _SAFELY, 0o666)
    if not stat.S_ISREG(os.fstat(handle).st_mode):
        os.close(handle)
        raise OSError(errno.EINVAL, "its .lock is no plain file; delete it")
    return handle


def is_held(path: Path) -> bool:
    """Return whether a process holds the lock; asked without a right to write, and of a shared lock.

    File systems of other machines want a handle that writes for a lock of one's own.
    """
    try:
        handle = os.open(path, os.O_RDONLY | _SAFELY)
    except OSError:
        return False
    try:
        return not acquired(handle, 0.0, fcntl.LOCK_SH)
    except OSError:  # a file system without locks: nobody holds one
        return False
    finally:
        os.close(handle)


def acquired(handle: int, patience: float, kind: int = fcntl.LOCK_EX) -> bool:
    """Try to get the lock for ``patience`` seconds."""
    deadline = time.monotonic() + patience
    while True:
        try:
            fcntl.flock(handle, kind | fcntl.LOCK_NB)
            return True
        except BlockingIOError:
            if time.monotonic() >= deadline:
                return False
            time.sleep(0.05)


def sign(handle: int, workers: int) -> None:
    """Write who holds the lock, and with how many workers; on a full disk it holds without a name."""
    with contextlib.suppress(OSError):
        os.ftruncate(handle, 0)
        many = f"{workers} worker{'s' if workers > 1 else ''}"
        os.pwrite(handle, f"process {os.getpid()} on {socket.gethostname()} with {many}\n".encode(), 0)
