"""Operations that are kernels on CuPy and array calls elsewhere, with the same signatures and the same results.

Both write the same bits: every element receives one sum of two terms, or a copy.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Protocol

import numpy as np

from bdg.gpu.kernels.launch import Launch, cupy_launcher
from bdg.gpu.kernels.source import instance

_THREADS = 256  # of a block
_MOST_BLOCKS = 65535  # along y


class KernelSet(Protocol):
    """Operations between the stacks (n, m, m) or planes (4, n, m, m) of a class of fronts and those of its parents.

    Child k is matrix ``rows[k]`` of its stack, its row i is row ``places[k, i]`` of matrix ``parents[k]`` of the
    other. No parent occurs twice, nor any place twice in one row of ``places``.
    """

    def extend_add(self, front: Any, schur: Any, parents: Any, rows: Any, places: Any, upper: bool) -> None:
        """Add ``front[parent, place, place] += schur[child]``; ``upper``: the lower triangle may be left out."""

    def gather(self, inverse: Any, parents: Any, rows: Any, places: Any, out: Any) -> Any:
        """Set ``out[child] = inverse[parent, place, place]`` and return it; ``out`` None: all children, in order."""


class ArrayCalls:
    """The operations as calls of an array module: the twin of the kernels."""

    def extend_add(self, front: Any, schur: Any, parents: Any, rows: Any, places: Any, upper: bool) -> None:
        """See `KernelSet`; adds both triangles always."""
        every_plane = (slice(None),) * (front.ndim - 3)
        target = (*every_plane, parents[:, None, None], places[:, :, None], places[:, None, :])
        front[target] += schur[(*every_plane, rows)]

    def gather(self, inverse: Any, parents: Any, rows: Any, places: Any, out: Any) -> Any:
        """See `KernelSet`."""
        every_plane = (slice(None),) * (inverse.ndim - 3)
        blocks = inverse[(*every_plane, parents[:, None, None], places[:, :, None], places[:, None, :])]
        if out is None:
            return blocks
        out[(*every_plane, rows)] = blocks
        return out


class DeviceKernels:
    """The operations as kernels: one launch each, and no index arrays beside those of the link.

    Parameters
    ----------
    xp : array module
    launch : callable
        Runs a `Launch`.
    """

    def __init__(self, xp: Any, launch: Callable[[Launch], None]) -> None:
        self._xp, self._launch = xp, launch

    def extend_add(self, front: Any, schur: Any, parents: Any, rows: Any, places: Any, upper: bool) -> None:
        """See `KernelSet`; adds the upper triangles only if ``upper``."""
        call = _between_stacks("extend_add", front, with_unit_stride(schur), parents, rows, places)
        self._run(call, np.int32(upper))

    def gather(self, inverse: Any, parents: Any, rows: Any, places: Any, out: Any) -> Any:
        """See `KernelSet`."""
        if out is None:
            size = places.shape[1]
            out = self._xp.empty((*inverse.shape[:-3], rows.size, size, size), inverse.dtype)
        self._run(_between_stacks("gather", with_unit_stride(inverse), out, parents, rows, places))
        return out

    def _run(self, call: Launch, *more: Any) -> None:
        if all(call.grid):
            self._launch(Launch(call.source, call.kernel, call.grid, call.block, (*call.arguments, *more)))


def kernel_set(xp: Any) -> KernelSet:
    """Return the operations for an array module: kernels for CuPy, array calls for all others."""
    return DeviceKernels(xp, cupy_launcher()) if xp.__name__ == "cupy" else ArrayCalls()


def _between_stacks(kernel: str, above: Any, below: Any, parents: Any, rows: Any, places: Any) -> Launch:
    """Return the launch for a stack of parents and one of children; the arguments that both kernels begin with."""
    name = instance(kernel, above.dtype)
    require_stacks(above, below, parents, rows, places)
    n_children, size = places.shape
    columns = min(128, max(8, 1 << (size - 1).bit_length())) if size else 8
    at_a_time = _THREADS // columns  # rows of a block
    n_planes = above.shape[0] if above.ndim == 4 else 1
    return Launch(
        "extend_add",
        name,
        (n_children, min(_MOST_BLOCKS, -(-size // at_a_time)), n_planes),
        (columns, at_a_time, 1),
        (
            above,
            *strides(above),
            below,
            *strides(below),
            exact_index(parents, np.int64),
            exact_index(rows, np.int64),
            exact_index(places, np.int32),
            np.int64(n_children),
            np.int32(n_planes),
            np.int32(size),
        ),
    )


def require_stacks(above: Any, below: Any, parents: Any, rows: Any, places: Any) -> None:
    """Raise an error unless a stack of parents, one of children and the arrays of a link fit together."""
    if below.dtype != above.dtype:
        raise TypeError(f"both stacks must have one dtype; got {above.dtype} for the parents, {below.dtype}")
    if above.ndim not in (3, 4) or below.ndim != above.ndim or below.shape[:-3] != above.shape[:-3]:
        raise ValueError(f"stacks must be (n, m, m) or planes (p, n, m, m), both; got {above.shape}, {below.shape}")
    n_children, size = places.shape
    if below.shape[-2:] != (size, size) or parents.shape != (n_children,) or rows.shape != (n_children,):
        raise ValueError(
            f"places {places.shape} must have a row for each of parents {parents.shape} and rows {rows.shape}, with "
            f"as many columns as the children's matrices have rows and columns; got matrices {below.shape[-2:]}"
        )


def strides(stack: Any) -> tuple[Any, ...]:
    """Return the distances between planes, matrices and rows in elements."""
    if not _has_unit_stride(stack):
        raise ValueError(f"a stack that is written to must have unit stride along its rows; got {stack.strides} bytes")
    planes, *others = stack.strides if stack.ndim == 4 else (0, *stack.strides)
    return tuple(np.int64(stride // stack.itemsize) for stride in (planes, *others[:2]))


def _has_unit_stride(stack: Any) -> bool:
    return stack.size == 0 or stack.shape[-1] == 1 or stack.strides[-1] == stack.itemsize


def with_unit_stride(stack: Any) -> Any:
    """Return the stack, or a copy whose rows lie in one piece."""
    return stack if _has_unit_stride(stack) else stack.copy()


def exact_index(index: Any, dtype: Any) -> Any:
    """Return an index array as the kernels read it; those of `Link` are so already."""
    index = index if index.dtype == dtype else index.astype(dtype)
    return index if index.flags.c_contiguous else index.copy()
