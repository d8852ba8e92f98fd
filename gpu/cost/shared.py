r"""How long a computation takes on several threads: which part of it they share, and what holds them up.

A part of t seconds on one thread, handed out in p pieces, takes on n threads

.. math:: t(n) = \frac{t - l - m}{e} + \frac{m}{\min(e, b)} + l, \qquad e = \frac{p}{\lceil p/n \rceil}

with l seconds of array calls, during which the lock of the interpreter is held (taken to follow one another, which is
more than they hold up on few threads), and m seconds in which memory is waited for, of which a socket serves no more
than b at once. What is not shared takes as long as on one thread.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

MEMORY_SHARE = 0.5  # of what is left: pieces that `bdg.gpu.device.threads` lets work at once take no more
FROM_MEMORY = 0.33  # of the copies in an estimate: memmove and memset take 16 % of a pole of 20^3, copies half of it
SOCKET = 6.0  # cores whose copies take all that the memory of a socket gives: 200 GB/s beside 30 GB/s of a core


@dataclass(frozen=True)
class Shared:
    """A part of a computation that threads share.

    Attributes
    ----------
    seconds : float
        Of all pieces, on one thread.
    pieces : float
        About equal ones, each done by one thread; inf: divided as finely as there are threads.
    calls, copies : float
        Seconds of array calls among them, and of copies that no cache serves.
    bytes : float
        What a piece takes while it is worked on.
    """

    seconds: float
    pieces: float
    calls: float = 0.0
    copies: float = 0.0
    bytes: float = 0.0

    def threads(self, granted: int, available: float) -> int:
        """Return how many of the threads work at once: no more than there are pieces, or memory for them."""
        most = min(granted, self.pieces)
        if self.bytes and np.isfinite(available):
            most = min(most, MEMORY_SHARE * available // self.bytes)
        return max(1, int(most))

    def seconds_on(self, threads: int) -> float:
        """Return the seconds on some threads."""
        if threads <= 1:
            return self.seconds
        rounds = np.ceil(self.pieces / threads) if np.isfinite(self.pieces) else self.pieces / threads
        speed = self.pieces / rounds if np.isfinite(self.pieces) else float(threads)
        plain = max(0.0, self.seconds - self.calls - self.copies)
        return float(plain / speed + self.copies / min(speed, SOCKET) + self.calls)

    def times(self, number: float) -> Shared:
        """Return the part done several times, one after the other."""
        return replace(self, seconds=number * self.seconds, calls=number * self.calls, copies=number * self.copies)
