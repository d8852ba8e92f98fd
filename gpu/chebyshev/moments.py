r"""Chebyshev moments of blocks of vectors, two from each product with H.

With ``T_m`` the vectors ``T_m(H/s) r``,

.. math:: \mu_{2m} = 2 \langle T_m|T_m\rangle - \mu_0, \qquad
          \mu_{2m+1} = 2 \mathrm{Re} \langle T_{m+1}|T_m\rangle - \mu_1 .

The recursion keeps ``S_m = \pm T_m`` with signs ``+ + - - + + ...``: then ``S_{m+1} = S_{m-1} \mp (2/s) H S_m`` only
adds to what is in memory.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from bdg.gpu.chebyshev.nambu_operator import NambuOperator

BLOCK_BYTES = 8 << 20  # of one block of vectors on the CPU: three of them, and products of wide rows are quicker
_WIDEST = 64
_IN_REGISTERS = 8
_SMALL = 4000  # rows: below, a step on 8 columns takes less than a tenth of a millisecond
OVERFLOW = 1.01  # T_m of a vector of norm 1 has norm <= 1 while the bound holds


class BoundViolatedError(ArithmeticError):
    """The spectrum reaches beyond the bound, so the recursion grows."""


class Recursion:
    """The vectors ``T_m(H/s) r``, m = 0, 1, ..., two of them in memory.

    Parameters
    ----------
    operator : NambuOperator
    start : vectors (N, 2 norbs, R) of the device
        r; they are overwritten.
    bound : float
        s >= max|E|.
    """

    def __init__(self, operator: NambuOperator, start: Any, bound: float) -> None:
        self._operator, self._bound = operator, bound
        self.previous, self.current = operator.backend.xp.empty_like(start), start
        self.sign, self._before = 1.0, 1.0  # current = sign * T_m
        self.order = 0

    def advance(self, dots: str = "none") -> Any:
        """Go on to the next m and return the dot products of the step, those with two vectors with their sign."""
        self.previous, self.current = self.current, self.previous
        if self.order == 0:
            sums = self._operator.step(self.current, self.previous, alpha=1 / self._bound, dots=dots)
        else:
            following = -self._before
            alpha = self.sign / following * 2 / self._bound
            sums = self._operator.step(self.current, self.previous, alpha=alpha, damp=-1.0, dots=dots)
            self.sign, self._before = following, self.sign
        self.order += 1
        return sums

    @property
    def pair_sign(self) -> float:
        """Sign of a product of the two vectors in memory."""
        return self.sign * self._before


def widest_block(rows: int, itemsize: int, device: str, compiled: bool, block_bytes: float = BLOCK_BYTES) -> int:
    """Return the most columns that are worked on at a time.

    All that there are on a GPU; on the CPU as many as registers hold of a site, and more where a call takes longer than
    what it does. Without compiled kernels blocks of ``block_bytes``, three of which stay in cache.
    """
    if device != "cpu":
        return _WIDEST
    width = int(np.clip(block_bytes // (rows * itemsize), _IN_REGISTERS, _WIDEST))
    return max(_IN_REGISTERS, min(width, _IN_REGISTERS * (_SMALL // rows))) if compiled else width


def column_blocks(operator: NambuOperator, n_columns: int, block_bytes: float = BLOCK_BYTES) -> list[slice]:
    """Return how many columns are worked on at a time, evenly."""
    rows, itemsize, device = operator.n_rows, operator.dtype.itemsize, operator.backend.device
    n_blocks = -(-n_columns // widest_block(rows, itemsize, device, operator.compiled, block_bytes))
    edges = np.linspace(0, n_columns, n_blocks + 1).round().astype(int)
    return [slice(int(a), int(b)) for a, b in zip(edges[:-1], edges[1:], strict=True)]


def block_moments(
    operator: NambuOperator,
    start: Any,
    bound: float,
    n_moments: int,
    *,
    even: bool = False,
    report: Callable[[int], Any] = lambda done: None,
) -> np.ndarray:
    """Return ``Re <r|T_k(H/s)|r>`` of each column, (n_moments, R) float64 on the host.

    Parameters
    ----------
    operator : NambuOperator
    start : vectors (N, 2 norbs, R) of the device
        r; they are overwritten.
    bound : float
        s >= max|E|.
    n_moments : int
    even : bool
        Only even moments are wanted: odd ones are left zero, at one dot product less.
    report : callable
        Told how many products were made, from time to time.

    Raises
    ------
    BoundViolatedError
        If vectors grow, that is if ``bound`` is too small.
    """
    backend = operator.backend
    norms = (abs(start) ** 2).sum(axis=(0, 1), dtype=np.float64)
    recursion, sums = Recursion(operator, start, bound), []
    n_products, signs = n_moments // 2, []
    for done in range(n_products):
        sums.append(recursion.advance("squares" if even else "norms"))
        signs.append(recursion.pair_sign)
        if done % 32 == 31:
            report(32)
    report(n_products % 32)
    moments = np.zeros((2 * n_products + 1, start.shape[2]))
    moments[0] = backend.to_host(norms)
    if sums:
        products = backend.to_host(backend.xp.stack(sums))  # (products, R, 2)
        if not (products[..., 0] <= OVERFLOW**2 * moments[0]).all():
            growth = float(np.sqrt(np.max(products[..., 0] / moments[0])))
            raise BoundViolatedError(f"a vector grew to norm {growth:.3g}: the spectral bound is too small")
        moments[2::2] = 2 * products[..., 0] - moments[0]
        if not even:
            pairs = products[..., 1] * np.array(signs)[:, None]
            moments[1] = pairs[0]
            moments[3::2] = 2 * pairs[1:] - pairs[0]
    return moments[:n_moments]
