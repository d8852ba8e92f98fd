r"""Columns of ``(i w - H)^-1`` from quaternion and Majorana factors.

They check a selected inverse at imaginary energy, and give blocks between distant sites. A column ``(u, v)`` is the
first column of the quaternion with ``A = u``, ``-B* = v``, so one sweep in planes solves for it as it stands. Its four
planes lie side by side, (n, 4 R), and the factors are multiplied as they are stored, each plane with all of them: the
eight products of `QuaternionAlgebra` would first have to transform the factors.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from bdg.gpu.multifrontal.factors.stacked import swapped
from bdg.gpu.multifrontal.factors.sweep import climb
from bdg.gpu.multifrontal.imaginary.majorana import MajoranaFactor
from bdg.gpu.multifrontal.imaginary.quaternion import QuaternionFactor

# plane p of M y is the sum over k of _SIGNS[p, k] M_k y_(p xor k)
_SIGNS = np.array([[1, -1, -1, -1], [1, 1, 1, -1], [1, -1, 1, 1], [1, 1, -1, 1]])
_REVERSED = _SIGNS * np.array([1, 1, -1, 1])  # of the reversal: transposes, and the sign of plane 2 changed


def quaternion_solve(factor: QuaternionFactor, columns: Any) -> Any:
    """Return ``(i w - H)^-1 columns`` for complex columns (2 N, R) on the device, without refinement."""
    xp, n, width = factor.backend.xp, factor.symbolic.n_rows, columns.shape[1]
    # Q = -i (i w - H); the phase of D is moved to the electrons
    u, v = complex(-1j * np.conj(factor.phase)) * columns[:n], -1j * columns[n:]
    x = xp.zeros((n + 1, 4 * width), factor.dtype)  # padded rows read and write the zeros of the last row
    x[:-1] = xp.concatenate([u.real, u.imag, -v.real, v.imag], axis=1)
    pivots = _up(factor, x)
    for number in range(len(factor.classes) - 1, -1, -1):
        c = factor.classes[number]
        if not c.a:
            continue
        part = _product(xp, factor.inverses[number], pivots[number])
        pivots[number] = None
        if c.u:
            part -= _product(xp, factor.forward[number], x[c.updates])
        x[c.pivots] = part
    q = [x[:-1, k * width : (k + 1) * width] for k in range(4)]
    return xp.concatenate([complex(factor.phase) * (q[0] + 1j * q[1]), 1j * q[3] - q[2]], axis=0)


def majorana_solve(factor: MajoranaFactor, columns: Any) -> Any:
    """Return ``(i w - H)^-1 columns`` for complex columns (n_rows, R) on the device, without refinement."""
    xp, form = factor.backend.xp, factor.form
    rows = xp.asarray(factor.symbolic.pattern.rows)
    right = form.basis.conj().T if form.signs is None else form.signs[:, None] * form.basis.conj().T
    turned = xp.zeros(columns.shape, np.complex128)
    turned[rows] = xp.matmul(xp.asarray(np.ascontiguousarray(right)), columns[rows])
    solved = factor.factor.solve(turned, refinements=0)
    out = xp.zeros(columns.shape, np.complex128)
    out[rows] = xp.matmul(xp.asarray(-1j * form.basis), solved[rows])
    return out


def _up(factor: QuaternionFactor, x: Any) -> list[Any]:
    """Return the reduced right-hand sides (n, a, 4 R) of the pivots of each stack."""
    xp = factor.backend.xp

    def reduce(number: int, own: Any) -> Any:
        if factor.symmetric:
            return _reversed_product(xp, factor.forward[number], own)
        return _product(xp, factor.backward[number], own)

    return climb(factor.classes, x, xp, reduce)


def _product(xp: Any, planes: Any, thin: Any) -> Any:
    """Return M y for the planes (4, n, r, c) of M and y (n, c, 4 R)."""
    return _collected(xp, xp.matmul(planes, thin[None]), _SIGNS)


def _reversed_product(xp: Any, planes: Any, thin: Any) -> Any:
    """Return the reversal of M times y (n, r, 4 R); the thin operand is transposed, not the matrices."""
    return _collected(xp, swapped(xp.matmul(swapped(thin)[None], planes)), _REVERSED)


def _collected(xp: Any, products: Any, signs: np.ndarray) -> Any:
    """Return M y (n, r, 4 R) from the products (4, n, r, 4 R) of each plane of M with each plane of y."""
    width = products.shape[-1] // 4
    out = []
    for p in range(4):
        plane = products[0][..., p * width : (p + 1) * width]
        for k in range(1, 4):
            q = p ^ k
            term = products[k][..., q * width : (q + 1) * width]
            plane = plane + term if signs[p, k] > 0 else plane - term
        out.append(plane)
    return xp.concatenate(out, axis=2)
