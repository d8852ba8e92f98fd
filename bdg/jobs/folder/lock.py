"""The lock of a run directory: held by a file handle, so that the system releases it however its process ends."""

from __future__ import annotations

import contextlib
import fcntl
import os
import socket
import time


def acquired(handle: int, patience: float) -> bool:
    """Try to get the lock for ``patience`` seconds."""
    deadline = time.monotonic() + patience
    while True:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
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
