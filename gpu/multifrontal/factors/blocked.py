"""Products of large fronts in fixed blocks of rows or columns, which threads without other work take a share of.

The blocks are the same for any number of threads, one included, and so are the bits; a product that BLAS splits over
its own threads has others with each number.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from bdg.gpu.device.crew import shared

_WORTH = 2e7  # multiplications of a product that is formed in blocks on the CPU: half a millisecond
_WORTH_FILLING = 1 << 19  # elements that are written in blocks
_BLOCKS, _LEAST = 12, 96  # how many blocks, of at least so many columns or rows


def product(xp: Any, left: Any, right: Any, out: Any = None) -> Any:
    """Return ``left @ right`` for stacks (n, p, q) and (n, q, r), in ``out`` where it is given (on the CPU)."""
    n, p, q = left.shape
    r = right.shape[-1]
    if xp is not np or n > 1 or p * q * r < _WORTH:
        return xp.matmul(left, right) if out is None else np.matmul(left, right, out=out)
    found = np.empty((n, p, r), np.result_type(left, right)) if out is None else out
    step = max(_LEAST, -(-max(p, r) // _BLOCKS))

    def columns(begin: int) -> None:
        some = slice(begin, begin + step)
        np.matmul(left, right[:, :, some], out=found[:, :, some])

    def rows(begin: int) -> None:
        some = slice(begin, begin + step)
        np.matmul(left[:, some], right, out=found[:, some])

    shared(*((columns, range(0, r, step)) if r >= p else (rows, range(0, p, step))))
    return found


def difference(xp: Any, matrices: Any, left: Any, right: Any, upper: int) -> Any:
    """Return ``matrices - left @ right`` as a new stack.

    Symmetric results of at least ``upper`` rows (0: never) are formed in blocks of rows without the lower triangle,
    which holds anything: it is not read again.
    """
    size = left.shape[1]
    if not upper or size < upper:
        found = product(xp, left, right)
        return xp.subtract(matrices, found, out=found)
    out = xp.empty((left.shape[0], size, size), left.dtype)
    rows = max(96, -(-size // 6))

    def block(begin: int) -> None:
        part = slice(None), slice(begin, min(begin + rows, size)), slice(begin, None)
        if xp is np:  # CuPy wants a contiguous out
            np.matmul(left[part[:2]], right[:, :, begin:], out=out[part])
        else:
            out[part] = xp.matmul(left[part[:2]], right[:, :, begin:])
        xp.subtract(matrices[part], out[part], out=out[part])

    shared(block, range(0, size, rows), worth=left.size * size >= _WORTH)
    return out


def difference_in_place(front: np.ndarray, a: int, left: np.ndarray, forward: np.ndarray) -> np.ndarray:
    """Return ``F_UU - left @ forward`` of one large symmetric front (1, m, m), as a view of it.

    For the CPU, where memory that a process asks for anew is slow when it is first written to. Of the lower triangle:
    see `difference`. Nothing else may refer to the front.
    """
    u = front.shape[1] - a
    rows = min(u, max(_LEAST, -(-u // _BLOCKS)))
    free: list[np.ndarray] = []  # of those who are done with a block

    def block(begin: int) -> None:
        target = front[0, a + begin : a + begin + rows, a + begin :]
        products = free.pop() if free else np.empty(rows * u, front.dtype)
        found = products[: target.size].reshape(target.shape)
        target -= np.matmul(left[0, begin : begin + rows], forward[0, :, begin:], out=found)
        free.append(products)

    shared(block, range(0, u, rows), worth=a * u * u >= _WORTH)
    return front[:, a:, a:]


def in_rows(xp: Any, shape: tuple[int, ...], fill: Callable[[slice], None]) -> None:
    """Call ``fill(rows)`` for blocks of rows of a stack ``shape`` (n, p, q), or once for all rows where it is small."""
    n, p, q = shape
    if xp is not np or n > 1 or p * q < _WORTH_FILLING:
        fill(slice(None))
        return
    step = -(-p // _BLOCKS)
    shared(lambda begin: fill(slice(begin, begin + step)), range(0, p, step))
