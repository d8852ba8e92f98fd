r"""Both sweeps of a solve, in stacks.

.. math:: \text{up:}\; b_U \mathrel{-}= V b_P, \qquad \text{down:}\; x_P = \Pi b_P - W x_U

Updates travel through the tree from child to parent, never into the global vector, so no two fronts write to the same
place; only a few columns on the CPU, where fronts come one after the other, are updated as a whole
(`bdg.gpu.multifrontal.factors.few_columns`). Matrices are only used as they are stored; the thin operand is transposed
instead (CuPy copies operands that are not contiguous).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from bdg.gpu.device.complex_columns import as_complex, as_real
from bdg.gpu.multifrontal.analysis.links import FrontClass
from bdg.gpu.multifrontal.factors.compiled_sweep import MOST, CompiledSweep
from bdg.gpu.multifrontal.factors.few_columns import FEW, sweep_few
from bdg.gpu.multifrontal.factors.stacked import swapped
from bdg.gpu.multifrontal.factors.stored import StoredFactors


def sweep(stored: StoredFactors, columns: Any) -> Any:
    """Return the solution of the factored system for columns (n_rows, R), without refinement."""
    xp, width = stored.backend.xp, columns.shape[1]
    compiled = _compiled(stored, columns)
    if compiled is not None:
        return compiled.solve(columns)
    if columns.dtype.kind == "c" and stored.dtype.kind != "c":
        return as_complex(xp.ascontiguousarray(sweep(stored, as_real(xp, columns))))
    if xp is np and width <= FEW:
        return sweep_few(stored, columns)
    x = _padded(xp, columns, np.result_type(stored.dtype, columns.dtype))
    pivots = _up(stored, x)
    for number in range(len(stored.classes) - 1, -1, -1):
        c = stored.classes[number]
        if not c.a or pivots[number] is None:
            continue
        part = xp.matmul(stored.inverse_of(number), pivots[number])
        pivots[number] = None
        if c.u:
            part -= xp.matmul(stored.forward_of(number), x[c.updates].reshape(c.n, c.u, width))
        x[c.pivots] = part
    if stored.leaves is not None:
        stored.leaves.substitute(x)
    return x[:-1]


def _compiled(stored: StoredFactors, columns: Any) -> CompiledSweep | None:
    """Return what solves for these columns by the compiled kernels, if they are the fastest way."""
    if stored.backend.xp is not np or columns.shape[1] > MOST:
        return None
    compiled = stored.compiled
    return compiled if compiled is not None and compiled.takes(columns) else None


def _padded(xp: Any, columns: Any, dtype: Any) -> Any:
    """Return a copy of the columns (n_rows, R) with a row of zeros behind, which padded rows read and write."""
    n_rows, width = columns.shape
    x = xp.zeros((n_rows + 1, width), dtype)
    x[:-1] = columns
    return x


def adjoint_sweep(stored: StoredFactors, columns: Any) -> Any:
    """Return ``(A^+)^-1 columns`` without refinement, with Pi^+, W^+ and V^+ in place of Pi, V and W."""
    if stored.symmetry == "hermitian":
        return sweep(stored, columns)
    if stored.symmetry == "symmetric":  # the adjoint is the complex conjugate
        return sweep(stored, columns.conj()).conj()
    if stored.symmetry == "skew":
        return -sweep(stored, columns)
    compiled = _compiled(stored, columns)
    if compiled is not None:
        return compiled.solve(columns, adjoint=True)
    xp, width = stored.backend.xp, columns.shape[1]
    if xp is np and width <= FEW:
        return sweep_few(stored, columns, adjoint=True)
    x = _padded(xp, columns, np.result_type(stored.dtype, columns.dtype))
    pivots = _up(stored, x, adjoint=True)
    for number in range(len(stored.classes) - 1, -1, -1):
        c = stored.classes[number]
        if not c.a or pivots[number] is None:
            continue
        part = _adjoint_product(xp, stored.inverse_of(number), pivots[number])
        pivots[number] = None
        if c.u:
            part -= _adjoint_product(xp, stored.backward_of(number), x[c.updates].reshape(c.n, c.u, width))
        x[c.pivots] = part
    if stored.leaves is not None:
        stored.leaves.substitute(x, adjoint=True)
    return x[:-1]


def _adjoint_product(xp: Any, matrices: Any, columns: Any) -> Any:
    """Return ``matrices^+ columns``."""
    return swapped(xp.matmul(swapped(columns).conj(), matrices).conj())


def _up(stored: StoredFactors, x: Any, adjoint: bool = False) -> list[Any]:
    """Return the reduced right-hand sides (n, a, R) of the pivots of each stack; x as from `_padded`.

    None for stacks of thin leaves, which are taken out of x itself.
    """
    xp = stored.backend.xp
    thin: frozenset[int] = frozenset()
    if stored.leaves is not None:
        stored.leaves.eliminate(x, adjoint)
        thin = stored.leaves.numbers
    return climb(stored.classes, x, xp, lambda number, own: _reduced(stored, number, own, adjoint), thin)


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
            if link.child in thin:  # their updates are in x already
                continue
            update = passed[link.child]
            if c.takes_over:  # the rows of the child, in the same order
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


def _reduced(stored: StoredFactors, number: int, own: Any, adjoint: bool) -> Any:
    """Return ``V own``, or ``W^+ own`` for the adjoint."""
    xp = stored.backend.xp
    if adjoint:
        return _adjoint_product(xp, stored.forward_of(number), own)
    if stored.symmetry == "general":
        return xp.matmul(stored.backward_of(number), own)
    if stored.symmetry != "hermitian":
        return swapped(xp.matmul(swapped(own), stored.forward_of(number)))
    return _adjoint_product(xp, stored.forward_of(number), own)
