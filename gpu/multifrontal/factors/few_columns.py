"""Sweeps for a few right-hand sides on the CPU, where a solve takes the time of reading the factors.

Each column has a product of its own: the first brings a block of the factors into the cache, and the others find it
there, three times as fast. Products of thin operands with all columns at once do not reach that where blocks are large
or real. They do in stacks that no cache holds: in the leaves, and in small complex fronts.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from bdg.gpu.multifrontal.factors.stored import StoredFactors

FEW = 6  # columns; with eight the product for all of them is as fast
_TOGETHER, _SMALL = 3, 1 << 15  # columns from which leaves, and elements up to which complex blocks, are read once


def sweep_few(stored: StoredFactors, columns: np.ndarray, adjoint: bool = False) -> np.ndarray:
    """Return ``A^-1 columns``, or ``(A^+)^-1 columns``, for columns (n_rows, R), without refinement."""
    n_rows, width = columns.shape
    x = np.zeros((width, n_rows + 1), np.result_type(stored.dtype, columns.dtype))  # one row for padding
    x[:, :-1] = columns.T
    blocks = [x.T] if width >= _TOGETHER else list(x)  # what the leaves take at a time
    if stored.leaves is not None:
        for block in blocks:
            stored.leaves.eliminate(block, adjoint)
    pivots = _up(stored, x, adjoint)
    for number in range(len(stored.classes) - 1, -1, -1):
        c, own = stored.classes[number], pivots.pop()
        if own is None:
            continue
        part = _times(stored.inverse_of(number), own, adjoint)
        if c.u:
            coupling = stored.backward_of(number) if adjoint else stored.forward_of(number)
            part -= _times(coupling, x.take(c.updates, axis=1), adjoint)
        x[:, c.pivots] = part
    if stored.leaves is not None:
        for block in blocks:
            stored.leaves.substitute(block, adjoint)
    return x[:, :-1].T


def _up(stored: StoredFactors, x: np.ndarray, adjoint: bool) -> list[Any]:
    """Return the reduced right-hand sides (R, n, a) of the pivots of each stack; None where there are none."""
    thin = frozenset() if stored.leaves is None else stored.leaves.numbers
    pivots: list[Any] = []
    for number, c in enumerate(stored.classes):
        if number in thin or not c.a:
            pivots.append(None)
            continue
        own = x.take(c.pivots, axis=1)
        pivots.append(own)
        if not c.u:
            continue
        if adjoint or stored.symmetry == "hermitian":
            passed = _times(stored.forward_of(number), own, True)
        elif stored.symmetry == "general":
            passed = _times(stored.backward_of(number), own, False)
        else:
            passed = _on_the_left(own, stored.forward_of(number))
        updates = c.updates.reshape(-1)
        for column, part in zip(x, passed, strict=True):  # fronts of one stack may update the same row
            np.subtract.at(column, updates, part.reshape(-1))
    return pivots


def _times(matrices: np.ndarray, columns: np.ndarray, adjoint: bool) -> np.ndarray:
    """Return ``matrices columns``, or ``matrices^+ columns``, for a stack (n, p, q) and columns (R, n, q)."""
    if adjoint:
        return _on_the_left(columns.conj(), matrices).conj()
    if _together(matrices, columns):
        return np.matmul(matrices, columns.transpose(1, 2, 0)).transpose(2, 0, 1)
    return np.matmul(matrices, columns[..., None])[..., 0]


def _on_the_left(columns: np.ndarray, matrices: np.ndarray) -> np.ndarray:
    """Return ``matrices^T columns``."""
    if _together(matrices, columns):
        return np.matmul(columns.swapaxes(0, 1), matrices).swapaxes(0, 1)
    return np.matmul(columns[..., None, :], matrices)[..., 0, :]


def _together(matrices: np.ndarray, columns: np.ndarray) -> bool:
    """Return whether one product for all columns is quicker, for columns (R, n, q): small complex matrices."""
    return matrices.dtype.kind == "c" and len(columns) >= _TOGETHER and matrices[0].size <= _SMALL
