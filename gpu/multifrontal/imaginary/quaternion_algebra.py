r"""Stacks of quaternion matrices as four real planes, and their product by eight real matrix products.

A quaternion matrix ``q0 + q1 i + q2 j + q3 k`` stands for the complex matrix

.. math:: \begin{pmatrix} A & B \\ -B^* & A^* \end{pmatrix}, \qquad A = q_0 + i q_1, \quad B = q_2 + i q_3,

closed under products, sums and inverses. Eight real products instead of the sixteen of the definition (or of the
sixteen of a complex product of twice the size) suffice (T. D. Howell and J.-C. Lafon 1975): the sums before and after
them are products with constant 8 x 4 and 4 x 8 matrices.
"""

from __future__ import annotations

from collections.abc import Iterator
from copy import copy
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from bdg.gpu.device.crew import shared
from bdg.gpu.multifrontal.factors.stacked import invert, swapped

_HADAMARD = np.array([[1.0, 1, 1, 1], [1, -1, 1, -1], [1, 1, -1, -1], [1, -1, -1, 1]])
_UNIT = np.eye(4)
_LEFT = np.concatenate([_HADAMARD / 4, _UNIT[[0, 3, 1, 2]]])
_RIGHT = np.concatenate([_HADAMARD, _UNIT[[0, 2, 3, 1]]])
_RESULT = np.concatenate([np.diag([-1.0, 1, 1, 1]) @ _HADAMARD, np.diag([2.0, -2, -2, -2])], axis=1)
_REVERSAL = np.array([1.0, 1, -1, 1])  # with the transpose: the symmetry of real h and D
_WORTH = 5e6  # multiplications of quaternions that threads without other work take a share of
_CACHE = 1 << 19  # elements of the eight products at a time on the CPU


@dataclass(eq=False)
class QuaternionAlgebra:
    """Operations on planes (4, n, r, c) of an array module.

    Attributes
    ----------
    xp : array module
    dtype : float64 or float32
    symmetric : bool
        All matrices equal their own reversal: transpose and q2 -> -q2.
    base : int
        Matrices of at most this size are inverted in complex form.
    """

    xp: Any
    dtype: np.dtype
    symmetric: bool
    base: int
    log_determinants: list[Any] = field(default_factory=list)  # log|det| of the base blocks if `keep_determinants`
    keep_determinants: bool = False

    def __post_init__(self) -> None:
        tables = {
            "left": _LEFT,
            "right": _RIGHT,
            "left reversed": _LEFT * _REVERSAL,
            "right reversed": _RIGHT * _REVERSAL,
            "result": _RESULT,
        }
        flat = self.xp.asarray(np.stack([table.ravel() for table in tables.values()]).astype(self.dtype))  # one copy
        self._tables = {name: flat[n].reshape(table.shape) for n, (name, table) in enumerate(tables.items())}

    def another(self) -> QuaternionAlgebra:
        """Return an algebra that notes determinants of its own."""
        other = copy(self)
        other.log_determinants = []
        return other

    def _eight(self, table: str, planes: Any) -> Any:
        _, n, r, c = planes.shape
        return self.xp.matmul(self._tables[table], planes.reshape(4, -1)).reshape(8, n, r, c)

    def left(self, planes: Any) -> Any:
        """Return a left operand of `product`."""
        return self._eight("left", planes)

    def right(self, planes: Any) -> Any:
        """Return a right operand of `product`."""
        return self._eight("right", planes)

    def left_reversed(self, planes: Any) -> Any:
        """Return the reversal of a matrix as left operand."""
        return swapped(self._eight("left reversed", planes))

    def right_reversed(self, planes: Any) -> Any:
        """Return the reversal of a matrix as right operand."""
        return swapped(self._eight("right reversed", planes))

    def product(self, left: Any, right: Any, upper: bool = False) -> Any:
        """Return the planes of a product of prepared operands; ``upper``: the lower triangle is not needed."""
        xp, (_, n, r, _), c = self.xp, left.shape, right.shape[-1]
        out = xp.zeros((4, n, r, c), self.dtype) if upper else xp.empty((4, n, r, c), self.dtype)

        def tile(place: tuple[slice, slice, int]) -> None:
            fronts, rows, column = place
            eight = xp.matmul(left[:, fronts, rows], right[:, fronts, :, column:])
            four = xp.matmul(self._tables["result"], eight.reshape(8, -1))
            out[:, fronts, rows, column:] = four.reshape(4, *eight.shape[1:])

        shared(tile, self._tiles(n, r, c, upper), worth=n * r * left.shape[-1] * c >= _WORTH)
        return out

    def _tiles(self, n: int, r: int, c: int, upper: bool) -> Iterator[tuple[slice, slice, int]]:
        """Return fronts, rows and first column of parts that fit the cache; everything at once on a device."""
        if self.xp is not np:
            yield slice(0, n), slice(0, r), 0
            return
        rows = r
        if upper and r >= 128:
            rows = min(max(48, -(-r // 6)), max(96, _CACHE // (8 * r)))
        elif 8 * r * c > _CACHE:
            rows = max(96, _CACHE // (8 * c))
        step = max(1, _CACHE // max(1, 8 * rows * c))
        for begin in range(0, n, step):
            for row in range(0, r, rows):
                column = row if upper and rows < r else 0
                yield slice(begin, begin + step), slice(row, min(row + rows, r)), column

    def reversed(self, planes: Any) -> Any:
        """Return the reversal: transposes, and the sign of q2 changed."""
        out = swapped(planes).copy()
        out[2] *= -1
        return out

    def inverse(self, planes: Any) -> Any:
        """Return the inverses of (4, n, a, a), by halves as in `bdg.gpu.multifrontal.factors.stacked`."""
        size, base = planes.shape[-1], self.base
        if size <= base:
            return self._base_inverse(planes)
        half = base * max(1, (-(-size // base)) // 2) if size > 2 * base else (size + 1) // 2
        right = self.xp.ascontiguousarray(planes[:, :, :half, half:])
        first = self.inverse(planes[:, :, :half, :half])
        forward = self.product(self.left(self._contiguous(first)), self.right(right))
        if self.symmetric:
            lower, backward = self.left_reversed(right), self.right_reversed(forward)
        else:
            lower = self.left(self._contiguous(planes[:, :, half:, :half]))
            backward = self.right(self.product(lower, self.right(first)))
        schur = self.product(lower, self.right(forward), upper=self.symmetric)
        self.xp.subtract(planes[:, :, half:, half:], schur, out=schur)
        second = self.inverse(schur)
        corner = self.product(self.left(forward), self.right(second))
        out = self.xp.empty(planes.shape, self.dtype)
        first += self.product(self.left(corner), backward)
        out[:, :, :half, :half] = first
        out[:, :, half:, half:] = second
        self.xp.negative(corner, out=out[:, :, :half, half:])
        if self.symmetric:
            out[:, :, half:, :half] = self.reversed(out[:, :, :half, half:])
        else:
            self.xp.negative(self.product(self.left(second), backward), out=out[:, :, half:, :half])
        return out

    def _contiguous(self, planes: Any) -> Any:
        return self.xp.ascontiguousarray(planes)

    def _base_inverse(self, planes: Any) -> Any:
        if self.symmetric:  # only the upper triangle is filled
            planes = self.xp.triu(planes) + self.reversed(self.xp.triu(planes, 1))
        matrices = self.to_complex(planes)
        if self.keep_determinants:
            self.log_determinants.append(self.xp.linalg.slogdet(matrices)[1].sum())
        found = self.from_complex(invert(self.xp, matrices))
        return self.symmetrised(found) if self.symmetric else found

    def symmetrised(self, planes: Any) -> Any:
        """Return the part that equals its own reversal."""
        out = planes + self.reversed(planes)
        out *= 0.5
        return out

    def to_complex(self, planes: Any) -> Any:
        """Return the complex matrices (n, 2a, 2a)."""
        _, n, a, _ = planes.shape
        out = self.xp.empty((n, 2 * a, 2 * a), np.result_type(self.dtype, np.complex64))
        first, second = planes[0] + 1j * planes[1], planes[2] + 1j * planes[3]
        out[:, :a, :a], out[:, :a, a:] = first, second
        out[:, a:, :a], out[:, a:, a:] = -second.conj(), first.conj()
        return out

    def from_complex(self, matrices: Any) -> Any:
        """Return the planes of complex matrices, averaged over their two copies of each."""
        n, a = matrices.shape[0], matrices.shape[1] // 2
        first = matrices[:, :a, :a] + matrices[:, a:, a:].conj()
        second = matrices[:, :a, a:] - matrices[:, a:, :a].conj()
        out = self.xp.empty((4, n, a, a), self.dtype)
        out[0], out[1], out[2], out[3] = first.real, first.imag, second.real, second.imag
        out *= 0.5
        return out
