r"""Both sweeps of a solve, in stacks.

.. math:: \text{up:}\; b_U \mathrel{-}= V b_P, \qquad \text{down:}\; x_P = \Pi b_P - W x_U

Updates travel through the tree from child to parent, never into the global vector, so no two fronts write to the same
place; only a few columns on the CPU, where fronts come one after the other, are updated as a whole
(`bdg.gpu.multifrontal.factors.few_columns`). Matrices are only used as they are stored; the thin operand is transposed
instead (CuPy copies operands that are not contiguous).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np

from bdg.gpu.multifrontal.analysis.links import FrontClass
from bdg.gpu.multifrontal.factors.few_columns import FEW, sweep_few
from bdg.gpu.multifrontal.factors.stacked import swapped

if TYPE_CHECKING:
    from bdg.gpu.multifrontal.factors.factor import Factor


def sweep(factor: Factor, columns: Any) -> Any:
    """Return the solution of the factored system for columns (n_rows, R), without refinement."""
    xp, width = factor.backend.xp, columns.shape[1]
    if columns.dtype.kind == "c" and factor.dtype.kind != "c":
        return as_complex(xp.ascontiguousarray(sweep(factor, as_real(xp, columns))))
    if xp is np and width <= FEW:
        return sweep_few(factor, columns)
    x = _padded(xp, columns, np.result_type(factor.dtype, columns.dtype))
    pivots = _up(factor, x)
    for number in range(len(factor.classes) - 1, -1, -1):
        c = factor.classes[number]
        if not c.a or pivots[number] is None:
            continue
        part = xp.matmul(factor.inverse_of(number), pivots[number])
        pivots[number] = None
        if c.u:
            part -= xp.matmul(factor.forward_of(number), x[c.updates].reshape(c.n, c.u, width))
        x[c.pivots] = part
    if factor.leaves is not None:
        factor.leaves.substitute(x)
    return x[:-1]


def _padded(xp: Any, columns: Any, dtype: Any) -> Any:
    """Return a copy of the columns (n_rows, R) with a row of zeros behind, which padded rows read and write."""
    n_rows, width = columns.shape
    x = xp.zeros((n_rows + 1, width), dtype)
    x[:-1] = columns
    return x


def as_real(xp: Any, columns: Any) -> Any:
    """Return complex columns (n, R) as real ones (n, 2 R).

    A product with a real matrix then takes half the operations, and CuPy does not copy the matrix as a complex one.
    """
    return xp.ascontiguousarray(columns).view(columns.real.dtype)


def as_complex(columns: Any) -> Any:
    """Return the complex columns of `as_real`."""
    return columns.view(np.result_type(columns.dtype, np.complex64))


def adjoint_sweep(factor: Factor, columns: Any) -> Any:
    """Return ``(A^+)^-1 columns`` without refinement, with Pi^+, W^+ and V^+ in place of Pi, V and W."""
    if factor.symmetry == "hermitian":
        return sweep(factor, columns)
    if factor.symmetry == "symmetric":  # the adjoint is the complex conjugate
        return sweep(factor, columns.conj()).conj()
    xp, width = factor.backend.xp, columns.shape[1]
    if xp is np and width <= FEW:
        return sweep_few(factor, columns, adjoint=True)
    x = _padded(xp, columns, np.result_type(factor.dtype, columns.dtype))
    pivots = _up(factor, x, adjoint=True)
    for number in range(len(factor.classes) - 1, -1, -1):
        c = factor.classes[number]
        if not c.a or pivots[number] is None:
            continue
        part = _adjoint_product(xp, factor.inverse_of(number), pivots[number])
        pivots[number] = None
        if c.u:
            part -= _adjoint_product(xp, factor.backward_of(number), x[c.updates].reshape(c.n, c.u, width))
        x[c.pivots] = part
    if factor.leaves is not None:
        factor.leaves.substitute(x, adjoint=True)
    return x[:-1]


def _adjoint_product(xp: Any, matrices: Any, columns: Any) -> Any:
    """Return ``matrices^+ columns``."""
    return swapped(xp.matmul(swapped(columns).conj(), matrices).conj())


def _up(factor: Factor, x: Any, adjoint: bool = False) -> list[Any]:
    """Return the reduced right-hand sides (n, a, R) of the pivots of each stack; x as from `_padded`.

    None for stacks of thin leaves, which are taken out of x itself.
    """
    xp = factor.backend.xp
    thin: frozenset[int] = frozenset()
    if factor.leaves is not None:
        factor.leaves.eliminate(x, adjoint)
        thin = factor.leaves.numbers
    return climb(factor.classes, x, xp, lambda number, own: _reduced(factor, number, own, adjoint), thin)


def climb(
    classes: list[FrontClass],
    x: Any,
    xp: Any,
    reduce: Callable[[int, Any], Any],
    thin: frozenset[int] = frozenset(),
) -> list[Any]:
    """Return the right-hand sides (n, a, R) of the pivots of each stack after the updates of all below it.

    Parameters
    ----------
    classes : list of FrontClass
    x : array (n_rows + 1, R)
        Right-hand sides, the last row zero.
    xp : array module
    reduce : callable
        The update (n, u, R) that a stack passes on, from its number and the right-hand sides of its pivots.
    thin : set of int
        Stacks that are left out.
    """
    width = x.shape[1]
    pivots: list[Any] = []
    passed: dict[int, Any] = {}
    uses = [len(c.up) for c in classes]
    for number, c in enumerate(classes):
        if number in thin:
            pivots.append(None)
            continue
        y = xp.zeros((c.n, c.m, width), x.dtype)
        if c.a:
            y[:, : c.a] = x[c.pivots]
        for link in c.down:
            if link.child in thin:
                continue
            update = passed[link.child]
            if c.takes_over:
                y += update
            elif xp is np:
                flat, at = y.reshape(c.n * c.m, width), link.flat(c.m)
                flat[at] += (update if link.whole else update[link.rows]).reshape(-1, width)
            else:
                y[link.parents[:, None], link.places] += update if link.whole else update[link.rows]
            uses[link.child] -= 1
            if not uses[link.child]:
                del passed[link.child]
        own = y[:, : c.a]
        pivots.append(own)
        if c.up:
            passed[number] = y[:, c.a :] - reduce(number, own) if c.a else y
    return pivots


def _reduced(factor: Factor, number: int, own: Any, adjoint: bool) -> Any:
    """Return ``V own``, or ``W^+ own`` for the adjoint."""
    xp = factor.backend.xp
    if adjoint:
        return _adjoint_product(xp, factor.forward_of(number), own)
    if factor.symmetry == "general":
        return xp.matmul(factor.backward_of(number), own)
    if factor.symmetry == "symmetric":
        return swapped(xp.matmul(swapped(own), factor.forward_of(number)))
    return _adjoint_product(xp, factor.forward_of(number), own)
