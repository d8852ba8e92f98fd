r"""The particle-hole operator on any array module: ``(S x)_i = sign_i conj(x_place(i))``.

``S^2 = -1`` for one row of electrons a site (spin rotation): the columns x and S x are orthogonal, and span{x, S x} is
one quaternionic dimension. ``S^2 = +1`` for spinful rows: there is a real (Majorana) basis in which S is the complex
conjugation, and a complex column is two real ones, ``x = a + i b`` with ``S a = a``, ``S b = b``.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import scipy.sparse as sp


@dataclass(frozen=True, eq=False)
class Antiunitary:
    """A conjugation followed by a signed permutation of the rows.

    Attributes
    ----------
    place : array (n,) of row numbers, on the device
    sign : array (n,) of +-1, on the device
    square : int
        S^2: +1 or -1.
    first : array (n/2,)
        One row of each pair that S exchanges, on the device; only for ``square = 1``.
    """

    place: Any
    sign: Any
    square: int
    first: Any
    xp: Any

    @classmethod
    def of(cls, partner: Callable[[np.ndarray], np.ndarray], size: int, xp: Any) -> Antiunitary:
        """Read place and sign off what ``partner`` does to one vector of ``size`` rows.

        Raises
        ------
        ValueError
            If ``partner`` is no signed permutation without fixed rows, or its square is not +-1.
        """
        image = np.asarray(partner(np.arange(1.0, size + 1)))
        place, sign = np.abs(image).astype(np.int64) - 1, np.sign(image)
        rows = np.arange(size)
        squares = sign * sign[place]
        if not (np.array_equal(place[place], rows) and (place != rows).all() and (squares == squares[0]).all()):
            raise ValueError("partner must be the conjugation times a signed permutation that squares to +1 or -1")
        first = rows[rows < place]
        return cls(xp.asarray(place), xp.asarray(sign), int(squares[0]), xp.asarray(first), xp)

    def __call__(self, columns: Any) -> Any:
        """Return S applied to columns (n, R)."""
        return columns[self.place].conj() * self.sign[:, None]

    def on_rows(self, rows: Any) -> Any:
        """Return S applied to vectors that are stored as rows (R, n)."""
        return rows[:, self.place].conj() * self.sign

    def skew(self, matrix: sp.csr_matrix) -> sp.csr_matrix:
        """Return ``X = M^+ (i H) M``, real and antisymmetric, M the matrix of `to_complex`; for NumPy arrays.

        Where H connects rows, X connects the rows of their pairs; rounding is all that is dropped of ``H S = -S H``.
        """
        half = matrix.shape[0] // 2
        second = self.place[self.first]
        sign, number = self.sign[second], np.arange(half)
        rows = np.concatenate([self.first, second, self.first, second])
        columns = np.concatenate([number, number, half + number, half + number])
        elements = np.sqrt(0.5) * np.concatenate([np.ones(half), sign, 1j * np.ones(half), -1j * sign])
        basis = sp.csr_matrix((elements, (rows, columns)), shape=matrix.shape)
        turned = sp.csr_matrix(1j * (basis.conj().T @ matrix @ basis)).real
        skew = sp.csr_matrix(0.5 * (turned - turned.T))
        skew.eliminate_zeros()
        return skew

    def to_real(self, columns: Any) -> Any:
        """Return the real coordinates (n, 2 R) of a and b in ``columns = a + i b``, all of a before all of b.

        Lengths are kept: an invariant vector has ``|x_i| = |x_place(i)|``, so half of its rows say it all.
        """
        xp = self.xp
        here, there = columns[self.first], self(columns)[self.first]
        fixed = xp.concatenate([here + there, (here - there) * -1j], axis=1)  # twice a, twice b
        return xp.concatenate([fixed.real, fixed.imag], axis=0) * np.sqrt(0.5)

    def to_complex(self, coordinates: Any) -> Any:
        """Return the invariant vectors (n, R), complex, of real coordinates (n, R)."""
        xp, half = self.xp, coordinates.shape[0] // 2
        here = (coordinates[:half] + 1j * coordinates[half:]) * np.sqrt(0.5)
        out = xp.empty(coordinates.shape, np.complex128)
        out[self.first] = here
        second = self.place[self.first]
        out[second] = here.conj() * self.sign[second][:, None]
        return out
