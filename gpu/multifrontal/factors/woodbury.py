r"""Solves of A from factors of ``A' = A + tau V J V^+``, with moved pivots (`bdg.gpu.multifrontal.factors.border`).

.. math:: A^{-1} b = y + X C^{-1} V^\dagger y, \qquad y = A'^{-1} b, \quad X = A'^{-1} V, \quad
          C = J^{-1} / \tau - V^\dagger X

with transposes for complex symmetric and skew A; J is the identity, of skew A one block ``[[0, 1], [-1, 0]]`` a pair.
Whatever the factors apply as ``A'^-1``, the result is the inverse of a matrix that differs from A by as much: moving
pivots costs no accuracy.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from bdg.gpu.device.backend import Backend
from bdg.gpu.device.complex_columns import as_complex, as_real
from bdg.gpu.multifrontal.analysis.links import FrontClass
from bdg.gpu.multifrontal.analysis.pattern import SitePattern
from bdg.gpu.multifrontal.factors.few_columns import FEW
from bdg.gpu.multifrontal.factors.stacked import MovedPivots, Symmetry, in_pairs, invert, reversed_, turned

_BLOCKS = 1 << 14  # elements of an inverse that are corrected at a time, in blocks


class MovedColumns:
    """The columns of V, by their rows in the matrix.

    Parameters
    ----------
    backend : Backend

    Attributes
    ----------
    size : int
    """

    def __init__(self, backend: Backend) -> None:
        self.size = 0
        self._parts: list[tuple[Any, Any]] = []
        self._backend = backend

    def add(self, front_class: FrontClass, moved: list[MovedPivots]) -> None:
        """Note what was moved in a stack."""
        for each in moved:
            rows = front_class.pivots[each.front, each.begin : each.begin + each.vectors.shape[0]]
            self._parts.append((rows, each.vectors))
            self.size += each.vectors.shape[1]

    def compact(self, dtype: np.dtype) -> tuple[Any, Any]:
        """Return the rows (b,) where V may be other than zero, and V there (b, r)."""
        xp = self._backend.xp
        rows = xp.concatenate([rows for rows, _ in self._parts])
        values = xp.zeros((rows.size, self.size), dtype)
        row = column = 0
        for _, vectors in self._parts:
            b, k = vectors.shape
            values[row : row + b, column : column + k] = vectors
            row, column = row + b, column + k
        return rows, values


class Woodbury:
    """What is added to ``A'^-1`` to make it ``A^-1``.

    Parameters
    ----------
    columns : MovedColumns
    far : float
        tau.
    solve : callable
        Returns ``A'^-1`` of columns (n_rows, k).
    n_rows : int
    symmetry : "symmetric", "hermitian" or "skew"
    dtype : dtype of the factors
    backend : Backend
    """

    def __init__(
        self,
        columns: MovedColumns,
        far: float,
        solve: Callable[[Any], Any],
        n_rows: int,
        symmetry: Symmetry,
        dtype: np.dtype,
        backend: Backend,
    ) -> None:
        self._backend, self._symmetry, self._far = backend, symmetry, far
        xp = backend.xp
        self._rows, self._values = columns.compact(dtype)
        self._solved = xp.empty((columns.size, n_rows), dtype)  # X^T: solves of few columns lie like this
        for begin in range(0, columns.size, FEW):
            some = slice(begin, begin + FEW)
            part = xp.zeros((n_rows + 1, min(FEW, columns.size - begin)), dtype)  # padded rows behind the others
            part[self._rows] = self._values[:, some]
            self._solved[some] = solve(part[:-1]).T
        product = backend.to_host(self._onto(self._solved.T))
        self.remainder = turned(in_pairs(np.eye(columns.size), symmetry), symmetry) / far - 0.5 * (
            product + reversed_(product, symmetry)
        )
        self._inverse = xp.asarray(invert(np, self.remainder[None])[0].astype(dtype))

    @property
    def nbytes(self) -> int:
        """Bytes of X."""
        return int(self._solved.nbytes)

    def negative_count(self) -> int:
        """Return ``n_-(C)`` of Hermitian A."""
        return int((np.linalg.eigvalsh(self.remainder) < 0).sum())

    def slogdet(self) -> tuple[complex, float]:
        """Return phase and logarithm of the modulus of ``det A / det A'``."""
        phase, logarithm = np.linalg.slogdet(self.remainder)
        return complex(phase), float(logarithm) + len(self.remainder) * float(np.log(self._far))

    def applied(self, solution: Any) -> Any:
        """Return ``y + X C^-1 V^+ y`` for columns y (n_rows, k)."""
        weights = (self._inverse @ self._onto(solution)).T
        if weights.dtype.kind == "c" and self._solved.dtype.kind != "c":
            parts = as_real(self._backend.xp, weights.T).T @ self._solved
            return solution + as_complex(self._backend.xp.ascontiguousarray(parts.T))
        return solution + (weights @ self._solved).T

    def add_to_blocks(self, blocks: Any, pattern: SitePattern) -> None:
        """Add ``X C^-1 X^+`` to blocks (n_blocks, nd, nd) of an inverse on a pattern, in place."""
        xp, other = self._backend.xp, reversed_(self._solved.T, self._symmetry)
        weighted = self._solved.T @ self._inverse
        for begin in range(0, len(blocks), _BLOCKS):
            some = slice(begin, begin + _BLOCKS)
            first, second = (xp.asarray(pattern.rows[sites[some]]) for sites in (pattern.first, pattern.second))
            blocks[some] += xp.matmul(weighted[first], other[:, second].swapaxes(0, 1))

    def _onto(self, solution: Any) -> Any:
        """Return ``V^+ y``."""
        padded = self._rows < solution.shape[0]
        values = self._values * padded[:, None]
        return turned(values, self._symmetry) @ solution[self._rows * padded]
