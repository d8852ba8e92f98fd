r"""Leaves of the separator tree in a solve, on the CPU.

What a leaf P has outside of it is as sparse as the matrix, which :math:`W = F_{PP}^{-1} F_{PU}` is not. With
:math:`\Pi = F_{PP}^{-1}` and the sparse blocks of A between all leaves and all separators

.. math:: b_S \mathrel{-}= A_{SP} \Pi b_P, \qquad x_P = \Pi (b_P - A_{PS} x_S)

reads a fifth less memory than with W, and the factors are smaller by it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import scipy.sparse as sp

from bdg.gpu.multifrontal.analysis.links import FrontClass
from bdg.gpu.multifrontal.factors.stacked import swapped

if TYPE_CHECKING:
    from bdg.gpu.multifrontal.factors.factor import Factor


def is_thin(front_class: FrontClass) -> bool:
    """Return whether the stack consists of leaves that something is above of."""
    return front_class.is_leaf and not front_class.down and front_class.a > 0 and front_class.u > 0


class ThinLeaves:
    """First and last step of both sweeps; right-hand sides are as from `bdg.gpu.multifrontal.factors.sweep`.

    Attributes
    ----------
    numbers : frozenset of int
        Stacks that are solved here.
    """

    def __init__(self, factor: Factor) -> None:
        self.numbers = frozenset(number for number, c in enumerate(factor.classes) if is_thin(c))
        # not the factor: it refers to this object, and two that refer to each other outlive their use
        self._stacks = [(factor.classes[number], factor.inverse_of(number)) for number in sorted(self.numbers)]
        inside = np.zeros(factor.symbolic.n_rows + 1, dtype=bool)
        for number in self.numbers:
            inside[factor.classes[number].pivots] = True
        entries = factor.hamiltonian.matrix.tocoo()
        from_leaf, to_leaf = inside[entries.col], inside[entries.row]
        self._above = _part(entries, from_leaf & ~to_leaf, factor.dtype)  # A_SP
        self._below = _part(entries, to_leaf & ~from_leaf, factor.dtype)  # A_PS

    def eliminate(self, x: Any, adjoint: bool = False) -> None:
        """Take the leaves out of the right-hand sides of everything above."""
        inner = np.zeros_like(x)
        self._invert(x, inner, adjoint)
        x[:-1] -= (self._below.conj().T if adjoint else self._above) @ inner[:-1]

    def substitute(self, x: Any, adjoint: bool = False) -> None:
        """Set the solution in the leaves from that above."""
        x[:-1] -= (self._above.conj().T if adjoint else self._below) @ x[:-1]
        self._invert(x, x, adjoint)

    def _invert(self, x: Any, out: Any, adjoint: bool) -> None:
        for c, inverse in self._stacks:
            own = x[c.pivots].reshape(c.n, c.a, -1)
            own = swapped(swapped(own).conj() @ inverse).conj() if adjoint else inverse @ own
            out[c.pivots] = own.reshape(c.n, c.a, *x.shape[1:])


def _part(entries: sp.coo_matrix, chosen: np.ndarray, dtype: np.dtype) -> sp.csr_matrix:
    """Return some elements of ``z - H``, none of which is on the diagonal."""
    values = -entries.data[chosen]
    places = entries.row[chosen], entries.col[chosen]
    return sp.csr_matrix((values.astype(dtype), places), shape=entries.shape)
