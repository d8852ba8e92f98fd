"""Bytes that a factorisation and a selected inverse will hold, by going through the stacks without computing."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from bdg.gpu.multifrontal.symbolic import Symbolic


@dataclass(frozen=True, slots=True)
class MemoryPrediction:
    """Bytes of the factors, and the largest total during factorisation, solves and selected inversion.

    The last three include the factors and the values of the matrix, not the index arrays.
    """

    kept: float
    factor_peak: float
    solve_peak: float
    selected_inverse_peak: float


def predict_memory(
    symbolic: Symbolic, dtype: Any, general: bool = False, columns: int = 1, on_device: bool = False
) -> MemoryPrediction:
    """Return the memory of the numeric stages.

    Parameters
    ----------
    symbolic : Symbolic
    dtype : dtype of the factors
    general : bool
        The matrix is neither symmetric nor Hermitian.
    columns : int
        Right-hand sides that are solved at once.
    on_device : bool
        Count the operand copies and index arrays that CuPy makes.
    """
    size = np.dtype(dtype).itemsize
    values = size * symbolic.pattern.n_blocks * symbolic.pattern.rows_per_site**2
    kept = sum(_kept(c, general) for c in symbolic.classes) * size
    factor = _factor_elements(symbolic, general, on_device)
    solve = sum(2 * c.n * c.m for c in symbolic.classes) * columns
    solve += 4 * (symbolic.n_rows + 1) * columns
    selected = _selected_elements(symbolic, general, on_device)
    return MemoryPrediction(kept, values + factor * size, values + kept + solve * size, 2 * values + selected * size)


def _kept(front_class: Any, general: bool) -> int:
    c = front_class
    return c.n * c.a * (c.m + (c.u if general else 0))


def _factor_elements(symbolic: Symbolic, general: bool, on_device: bool) -> float:
    kept = alive = peak = 0.0
    schur: dict[int, float] = {}
    uses = [len(c.up) for c in symbolic.classes]
    for number, c in enumerate(symbolic.classes):
        front = float(c.n * c.m**2)
        # an indexed addition holds the index, the elements read, and the children's Schur complements
        largest = max((link.places.size * link.places.shape[1] for link in c.down), default=0)
        peak = max(peak, kept + alive + front + (3.0 * largest if on_device else 0.0))
        for link in c.down:
            uses[link.child] -= 1
            if not uses[link.child]:
                alive -= schur.pop(link.child)
        pivot, update = float(c.n * c.a**2), float(c.n * c.u**2)
        peak = max(peak, kept + alive + front + 2.2 * pivot)  # inverse, and the halves of its recursion
        kept += _kept(c, general)
        copies = 2.0 * c.n * c.a * c.u if on_device else 0.0
        peak = max(peak, kept + alive + front + update + copies)
        if c.up:
            schur[number] = update
            alive += update
    return peak


def _selected_elements(symbolic: Symbolic, general: bool, on_device: bool) -> float:
    kept = float(sum(_kept(c, general) for c in symbolic.classes))
    alive = peak = 0.0
    held: dict[int, float] = {}
    uses = [len(c.down) for c in symbolic.classes]
    for number in range(len(symbolic.classes) - 1, -1, -1):
        c = symbolic.classes[number]
        pivot, cross, update = (float(c.n * x) for x in (c.a**2, c.a * c.u, c.u**2))
        mine = pivot + cross + (cross if general or not c.is_leaf else 0.0) + (0.0 if c.is_leaf else update)
        temporary = update + (3 if general else 2) * cross + 2 * pivot
        if on_device:  # contiguous operands, and the index of the gathered elements
            temporary += update + cross
        peak = max(peak, kept + alive + mine + temporary)
        if not c.is_leaf:
            held[number] = mine
            alive += mine
        for link in c.up:
            uses[link.parent] -= 1
            if not uses[link.parent]:
                alive -= held.pop(link.parent, 0.0)
        if not c.down:
            alive -= held.pop(number, 0.0)
    return peak
