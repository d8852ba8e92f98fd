r"""Leaves of the separator tree in a solve, on the CPU.

What a leaf P has outside of it is as sparse as the matrix, which :math:`W = F_{PP}^{-1} F_{PU}` is not. With
:math:`\Pi = F_{PP}^{-1}` and the sparse blocks of A between all leaves and all separators

.. math:: b_S \mathrel{-}= A_{SP} \Pi b_P, \qquad x_P = \Pi (b_P - A_{PS} x_S)

reads a fifth less memory than with W, and the factors are smaller by it.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import scipy.sparse as sp

from bdg.gpu.multifrontal.analysis.links import FrontClass
from bdg.gpu.multifrontal.factors.stacked import swapped


class ThinLeaves:
    """First and last step of both sweeps; right-hand sides are as from `bdg.gpu.multifrontal.factors.sweep`.

    Parameters
    ----------
    stacks : dict of int to (FrontClass, array (n, a, a))
        The thin leaves among all stacks, and their Pi.
    matrix : CSR
        H.
    dtype : dtype of the factors

    Attributes
    ----------
    numbers : frozenset of int
        Stacks that are solved here.
    """

    def __init__(self, stacks: Mapping[int, tuple[FrontClass, Any]], matrix: sp.csr_matrix, dtype: np.dtype) -> None:
        self.numbers = frozenset(stacks)
        self._stacks = list(stacks.values())
        inside = np.zeros(matrix.shape[0] + 1, dtype=bool)  # one row for padding
        for c, _ in self._stacks:
            inside[c.pivots] = True
        entries = matrix.tocoo()
        from_leaf, to_leaf = inside[entries.col], inside[entries.row]
        self._above = _part(entries, from_leaf & ~to_leaf, dtype)  # A_SP
        self._below = _part(entries, to_leaf & ~from_leaf, dtype)  # A_PS

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
