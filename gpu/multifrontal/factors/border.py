r"""Pivots that were moved far from zero, taken back exactly: A as a part of a larger, bordered matrix.

A base block with an eigenvalue next to zero has an inverse that spoils all that comes after it, however harmless A
itself is. Moved far, that eigenvalue costs a column v that is zero outside of its block:

.. math:: A' = A + \tau V V^\dagger, \qquad V^\dagger V = 1, \qquad C = 1/\tau - V^\dagger A'^{-1} V.

Both A and C are Schur complements of ``[[A', V], [V^+, 1/tau]]``, hence (E. V. Haynsworth, Linear Algebra Appl. 1, 73
(1968))

.. math:: n_-(A) = n_-(A') + n_-(C), \qquad A^{-1} = A'^{-1} + A'^{-1} V C^{-1} V^\dagger A'^{-1}, \qquad
          \det A = \tau^r \det A' \det C

(the second one: M. A. Woodbury, Princeton Stat. Res. Group, Memo. Rep. 42 (1950)); with transposes for complex
symmetric A. `Border` finds C within an elimination that keeps nothing, from ``x = V`` carried along as columns:

.. math:: V^\dagger A'^{-1} V = \sum x_P^\dagger \Pi x_P, \qquad x_U \leftarrow x_U - F_{UP} \Pi x_P.

A front carries the columns only that began below it. Rounding is an error of A, too: of V by R and of C by S,

.. math:: ||E|| \le \tau\, (2 ||R|| + ||R||^2) + \tau^2 ||S|| (1 + ||R||)^2 / (1 - \tau ||S||).
"""

from __future__ import annotations

from typing import Any

import numpy as np

from bdg.gpu.device.backend import Backend
from bdg.gpu.multifrontal.analysis.links import FrontClass
from bdg.gpu.multifrontal.factors.stacked import MovedPivots, Symmetry, reversed_

_OTHERWISE = 3.0  # columns times this are rounded otherwise
_Columns = tuple[list[int], Any]  # their numbers, and the rows of a front of each (rows, k)


def add_moved(blocks: Any, moved: list[MovedPivots], far: float, symmetry: Symmetry) -> None:
    """Add what moved pivots add to the pivot blocks (n, a, a) of their stack, in place."""
    for each in moved:
        rows = slice(each.begin, each.begin + each.vectors.shape[0])
        blocks[each.front, rows, rows] += far * (each.vectors @ reversed_(each.vectors, symmetry))


class Border:
    """The columns V on their way through an elimination, and C.

    Parameters
    ----------
    classes : list of FrontClass
        With index arrays on the host.
    symmetry : "symmetric" or "hermitian"
    far : float
        tau.
    room : int
        Largest number of columns.
    dtype : dtype of the fronts
    backend : Backend

    Attributes
    ----------
    size : int
        Columns so far.
    """

    def __init__(
        self, classes: list[FrontClass], symmetry: Symmetry, far: float, room: int, dtype: np.dtype, backend: Backend
    ) -> None:
        self.size = 0
        self._classes, self._symmetry, self._far, self._backend = classes, symmetry, far, backend
        self._room, self._dtype = room, dtype
        self._done = 0
        self._waiting: dict[int, dict[int, _Columns]] = {}  # behind each stack, by front
        self._sum: Any = None  # V^+ A'^-1 V so far
        self._of_columns = self._of_sum = backend.xp.zeros((), np.empty(0, dtype).real.dtype)

    def go_on(self, first: int, earlier: list[Border]) -> None:
        """Begin with stack ``first``, behind those that others went through; columns are numbered in their order."""
        self._done = first
        for border in earlier:
            before, self.size = self.size, self.size + border.size
            for stack, fronts in border._waiting.items():
                self._waiting[stack] = {front: ([before + n for n in own], x) for front, (own, x) in fronts.items()}
            if border._sum is not None:
                self._begin_sum()
                self._sum[before : self.size, before : self.size] = border._sum[: border.size, : border.size]
            self._of_columns = self._of_columns + border._of_columns
            self._of_sum = self._of_sum + border._of_sum

    def eliminate(self, moved: list[MovedPivots], blocks: Any, inverse: Any, right: Any) -> None:
        """Take the columns through the next stack.

        Parameters
        ----------
        moved : list of MovedPivots
            The columns that begin here.
        blocks, inverse, right : arrays (n, a, a), (n, a, a), (n, a, u)
            F_PP of A', Pi and F_PU; None where the stack has no pivots, F_PU None where it has no updates.
        """
        number, self._done = self._done, self._done + 1
        fronts = self._gathered(number)
        for each in moved:
            fronts[each.front] = self._with(fronts.get(each.front), each, self._classes[number])
        if inverse is not None:
            for front, columns in fronts.items():
                coupling = None if right is None else right[front]
                fronts[front] = self._one_front(columns, blocks[front], inverse[front], coupling)
        if fronts and self._classes[number].u:
            self._waiting[number] = fronts

    def remainder(self) -> np.ndarray:
        """Return C, on the host; (0, 0) where nothing was moved."""
        if not self.size:
            return np.zeros((0, 0), self._dtype)
        found = self._backend.to_host(self._sum)[: self.size, : self.size]
        return np.eye(self.size) / self._far - 0.5 * (found + reversed_(found, self._symmetry))

    def negative_count(self) -> int:
        """Return ``n_-(C)`` of Hermitian A."""
        return int((np.linalg.eigvalsh(self.remainder()) < 0).sum()) if self.size else 0

    def backward_error(self) -> float:
        """Return the bound of what rounding of V and C adds to A; inf where it is none."""
        if not self.size:
            return 0.0
        columns = float(self._backend.to_host(self._of_columns))
        remainder = float(self._backend.to_host(self._of_sum))
        remainder += np.finfo(self._dtype).eps * self.size * float(np.linalg.norm(self.remainder()))  # its eigenvalues
        share = self._far * remainder
        if not share < 1:
            return np.inf
        return float(self._far * (2 * columns + columns**2 + share * (1 + columns) ** 2 / (1 - share)))

    def _gathered(self, number: int) -> dict[int, _Columns]:
        """Return the columns that come from below, on the rows of each front of a stack."""
        c = self._classes[number]
        fronts: dict[int, _Columns] = {}
        for link in c.down:
            waiting = self._waiting.get(link.child, {})
            for at in np.flatnonzero(np.isin(link.rows, list(waiting))) if waiting else ():
                numbers, below = waiting.pop(int(link.rows[at]))
                parent = int(link.parents[at])
                x = below
                if not c.takes_over:
                    x = self._backend.xp.zeros((c.m, len(numbers)), self._dtype)
                    x[self._backend.xp.asarray(link.places[at])] = below
                fronts[parent] = self._joined(fronts.get(parent), (numbers, x))
        return fronts

    def _with(self, columns: _Columns | None, moved: MovedPivots, c: FrontClass) -> _Columns:
        """Return the columns of a front with those that begin there."""
        rows, k = moved.vectors.shape
        x = self._backend.xp.zeros((c.m, k), self._dtype)
        x[moved.begin : moved.begin + rows] = moved.vectors
        numbers = list(range(self.size, self.size + k))
        self.size += k
        return self._joined(columns, (numbers, x))

    def _joined(self, first: _Columns | None, second: _Columns) -> _Columns:
        if first is None:
            return second
        return first[0] + second[0], self._backend.xp.concatenate([first[1], second[1]], axis=1)

    def _one_front(self, columns: _Columns, block: Any, inverse: Any, right: Any) -> _Columns:
        """Add ``x_P^+ Pi x_P`` to the sum and return the columns on U."""
        numbers, x = columns
        a, xp = inverse.shape[0], self._backend.xp
        own = x[:a]
        image = inverse @ own
        self._begin_sum()
        at = xp.asarray(numbers)
        self._sum[at[:, None], at[None, :]] += reversed_(own, self._symmetry) @ image
        self._note_rounding(block, inverse, right, own, image)
        return (numbers, x[a:]) if right is None else (numbers, x[a:] - reversed_(right, self._symmetry) @ image)

    def _begin_sum(self) -> None:
        if self._sum is None:
            self._sum = self._backend.xp.zeros((self._room, self._room), self._dtype)

    def _note_rounding(self, block: Any, inverse: Any, right: Any, own: Any, image: Any) -> None:
        """Note the errors of ``Pi x``, and those of the products with F_UP and x^+.

        With an error e the image is exact for ``x + Pi^-1 e``, and the sum misses ``e^+ x + e^+ Pi^-1 e``. What e is
        shows in the difference of two results with different rounding: bounds by norms are a thousand times larger.
        """
        norm, eps = self._backend.xp.linalg.norm, np.finfo(self._dtype).eps
        error = inverse @ (own * _OTHERWISE) / _OTHERWISE - image
        of_own = norm(block @ error)
        self._of_columns = self._of_columns + of_own
        if right is not None:
            self._of_columns = self._of_columns + eps * norm(right) * norm(image)
        missed = norm(reversed_(error, self._symmetry) @ own) + norm(error) * of_own
        self._of_sum = self._of_sum + missed + eps * norm(own) * norm(image)
