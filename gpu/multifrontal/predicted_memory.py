"""Bytes that a factorisation and a selected inverse will hold, by going through the stacks without computing."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from bdg.gpu.multifrontal.symbolic import Symbolic


@dataclass(frozen=True, slots=True)
class MemoryPrediction:
    """Bytes of the factors, and the largest total during factorisation and selected inversion.

    The peaks include the factors and the values of the matrix, not the index arrays of the geometry.

    Attributes
    ----------
    kept : float
        The factors.
    factor_peak, selected_inverse_peak : float
        With the factors where the work is done.
    factor_work, selected_inverse_work : float
        The same peaks without the factors, for factors that are kept elsewhere.
    releasing_peak : float
        Of a selected inverse that gives up the factors on its way.
    column : float
        A solve, for each right-hand side.
    """

    kept: float
    factor_peak: float
    factor_work: float
    selected_inverse_peak: float
    selected_inverse_work: float
    releasing_peak: float
    column: float


def predict_memory(symbolic: Symbolic, dtype: Any, general: bool = False, on_device: bool = False) -> MemoryPrediction:
    """Return the memory of the numeric stages.

    Parameters
    ----------
    symbolic : Symbolic
    dtype : dtype of the factors
    general : bool
        The matrix is neither symmetric nor Hermitian.
    on_device : bool
        Count the copies of operands that CuPy makes.
    """
    size = np.dtype(dtype).itemsize
    values = symbolic.pattern.n_blocks * symbolic.pattern.rows_per_site**2
    kept = sum(_kept(c, general) for c in symbolic.classes)
    factor_peak, factor_work = _factor_elements(symbolic, general, on_device)
    inverse_peak, inverse_work, releasing = _selected_elements(symbolic, general, on_device)
    column = sum(2 * c.n * c.m for c in symbolic.classes) + 4 * (symbolic.n_rows + 1)
    return MemoryPrediction(
        kept=size * kept,
        factor_peak=size * (values + factor_peak),
        factor_work=size * (values + factor_work),
        selected_inverse_peak=size * (2 * values + inverse_peak),
        selected_inverse_work=size * (2 * values + inverse_work),
        releasing_peak=size * (2 * values + releasing),
        column=size * column,
    )


def _kept(front_class: Any, general: bool) -> int:
    c = front_class
    return c.n * c.a * (c.m + (c.u if general else 0))


def _factor_elements(symbolic: Symbolic, general: bool, on_device: bool) -> tuple[float, float]:
    """Return the largest number of matrix elements with and without the factors."""
    kept = alive = peak = work = 0.0
    schur: dict[int, float] = {}
    uses = [len(c.up) for c in symbolic.classes]
    for number, c in enumerate(symbolic.classes):
        front = float(c.n * c.m**2)
        most = alive + front
        for link in c.down:
            uses[link.child] -= 1
            if not uses[link.child]:
                alive -= schur.pop(link.child)
        pivot, update = float(c.n * c.a**2), float(c.n * c.u**2)
        most = max(most, alive + front + 2.2 * pivot)  # inverse, and the halves of its recursion
        copies = 2.0 * c.n * c.a * c.u if on_device else 0.0
        mine = float(_kept(c, general))
        peak, work = max(peak, kept + most), max(work, most)
        kept += mine
        most = alive + front + update + copies
        peak, work = max(peak, kept + most), max(work, mine + most)
        if c.up:
            schur[number] = update
            alive += update
    return peak, work


def _selected_elements(symbolic: Symbolic, general: bool, on_device: bool) -> tuple[float, float, float]:
    """Return the largest number of elements with all factors, without them, and with those not yet given up."""
    kept = float(sum(_kept(c, general) for c in symbolic.classes))
    left = kept
    alive = peak = work = releasing = 0.0
    held: dict[int, float] = {}
    uses = [len(c.down) for c in symbolic.classes]
    for number in range(len(symbolic.classes) - 1, -1, -1):
        c = symbolic.classes[number]
        pivot, cross, update = (float(c.n * x) for x in (c.a**2, c.a * c.u, c.u**2))
        mine = pivot + cross + (cross if general or not c.is_leaf else 0.0) + (0.0 if c.is_leaf else update)
        temporary = update + (3 if general else 2) * cross + 2 * pivot
        if on_device:  # contiguous operands
            temporary += cross
        most = alive + mine + temporary
        peak, work, releasing = max(peak, kept + most), max(work, _kept(c, general) + most), max(releasing, left + most)
        left -= _kept(c, general)
        if not c.is_leaf:
            held[number] = mine
            alive += mine
        for link in c.up:
            uses[link.parent] -= 1
            if not uses[link.parent]:
                alive -= held.pop(link.parent, 0.0)
        if not c.down:
            alive -= held.pop(number, 0.0)
    return peak, work, releasing
