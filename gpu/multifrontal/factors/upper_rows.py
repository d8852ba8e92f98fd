"""The upper triangle of one large symmetric matrix, in slices of rows, on the CPU.

Schur complements that wait for their parent are the larger part of what an elimination holds beside the factors; their
lower triangles are not read. Memory that a process asks for anew is slow, so that holding less of it is quicker, too.
"""

from __future__ import annotations

import numpy as np

from bdg.gpu.device.crew import shared

_SLICES = 8
_WORTH = 1 << 19  # elements of a matrix whose slices threads without other work take


class UpperRows:
    """Copy of the upper triangle of a matrix (u, u), with what the slices take along below the diagonal.

    Attributes
    ----------
    size : int
        u.
    slices : list of (begin, array)
        Rows from ``begin`` on, columns from ``begin`` on.
    """

    def __init__(self, matrix: np.ndarray) -> None:
        self.size = matrix.shape[0]
        step = _rows(self.size)
        self.slices: list[tuple[int, np.ndarray]] = [(0, matrix)] * -(-self.size // step)

        def take(number: int) -> None:
            begin = number * step
            self.slices[number] = begin, matrix[begin : begin + step, begin:].copy()

        shared(take, range(len(self.slices)), worth=matrix.size >= _WORTH)

    def add_to(self, target: np.ndarray, runs: list[tuple[int, int, int]]) -> None:
        """Add to the upper triangle of a front; ``runs``: stretches (begin, place, end) of rows, places increasing."""

        def add(piece: tuple[int, np.ndarray]) -> None:
            begin, part = piece
            stop = begin + part.shape[0]
            for first, (at, to, end) in enumerate(runs):
                low, high = max(at, begin), min(end, stop)
                if low >= high:
                    continue
                rows = slice(to + low - at, to + high - at)
                source = part[low - begin : high - begin]
                for at2, to2, end2 in runs[first:]:
                    left = max(at2, begin)
                    target[rows, to2 + left - at2 : to2 + end2 - at2] += source[:, left - begin : end2 - begin]

        shared(add, self.slices, worth=self.size**2 >= _WORTH)

    def whole(self) -> np.ndarray:
        """Return a stack (1, u, u) of the matrix; zeros where nothing is stored."""
        out = np.zeros((1, self.size, self.size), self.slices[0][1].dtype)
        for begin, part in self.slices:
            out[0, begin : begin + part.shape[0], begin:] = part
        return out


def _rows(size: int) -> int:
    return max(1, -(-size // _SLICES))


def stored_elements(size: int) -> int:
    """Return the number of elements that are held of a matrix (size, size)."""
    step = _rows(size)
    return sum(min(step, size - begin) * (size - begin) for begin in range(0, size, step))
