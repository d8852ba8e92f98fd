"""Bytes that a factorisation and a selected inverse will hold, by going through the stacks without computing."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from bdg.gpu.multifrontal.analysis.symbolic import Symbolic
from bdg.gpu.multifrontal.factors.upper_rows import stored_elements

_MOVED = (
    32  # columns that a count carries for moved pivots, over all rows; 3 to 139 of them, each over a part of the rows
)


@dataclass(frozen=True, slots=True)
class MemoryPrediction:
    """Bytes of the factors, and the largest total during factorisation and selected inversion.

    The peaks include the factors and the values of the matrix, not the index arrays of the geometry, nor what a factor
    at real z keeps of the pivots that were moved (a column each, none for most matrices).

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
    count_peak : float
        Of `bdg.gpu.multifrontal.factors.sign_count.SignCount`, which keeps no factors.
    """

    kept: float
    factor_peak: float
    factor_work: float
    selected_inverse_peak: float
    selected_inverse_work: float
    releasing_peak: float
    column: float
    count_peak: float


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
    thin = symbolic.settings.thin_leaves and not on_device
    size = np.dtype(dtype).itemsize
    values = symbolic.pattern.n_blocks * symbolic.pattern.rows_per_site**2
    kept = sum(_kept(c, general, thin) for c in symbolic.classes)
    factor_peak, factor_work = _factor_elements(symbolic, general, on_device, thin)
    inverse_peak, inverse_work, releasing = _selected_elements(symbolic, general, on_device, thin)
    column = sum(2 * c.n * c.m for c in symbolic.classes) + 4 * (symbolic.n_rows + 1)
    return MemoryPrediction(
        kept=size * kept,
        factor_peak=size * (values + factor_peak),
        factor_work=size * (values + factor_work),
        selected_inverse_peak=size * (2 * values + inverse_peak),
        selected_inverse_work=size * (2 * values + inverse_work),
        releasing_peak=size * (2 * values + releasing),
        column=size * column,
        count_peak=size
        * (
            values
            + factor_work
            + max((c.n * c.a * c.u for c in symbolic.classes), default=0)
            + _MOVED * symbolic.n_rows
        ),
    )


def _kept(front_class: Any, general: bool, thin_leaves: bool) -> int:
    c = front_class
    if thin_leaves and c.is_thin:
        return c.n * c.a**2
    return c.n * c.a * (c.m + (c.u if general else 0))


def scratch_elements(classes: Sequence[Any]) -> int:
    """Return the size of the one place in which the CPU builds the fronts of some stacks."""
    return max((c.n * c.m**2 for c in classes if not c.takes_over), default=0)


def beside_elements(symbolic: Symbolic) -> int:
    """Return what one more part of the tree takes beside those that are eliminated: fronts, W, what waits above."""
    rest = max((c.n * c.m * c.a + stored_elements(c.u) * (c.n == 1) for c in symbolic.classes), default=0)
    return scratch_elements(symbolic.classes) + rest


def inverse_beside_elements(symbolic: Symbolic, general: bool = False) -> int:
    """Return what one more part of the tree takes in a selected inverse: a stack, and that above it which waits."""
    crosses = 4 if general else 3
    return max((c.n * (2 * c.m**2 + c.u**2 + crosses * c.a * c.u) for c in symbolic.classes), default=0)


def works_in_place(front_class: Any, upper: int) -> bool:
    """Return whether the Schur complement of a symmetric front overwrites it; ``upper`` as in `FrontSettings`."""
    return bool(upper) and front_class.n == 1 and front_class.u >= upper


def _factor_elements(symbolic: Symbolic, general: bool, on_device: bool, thin: bool) -> tuple[float, float]:
    """Return the largest number of matrix elements with and without the factors."""
    upper = symbolic.settings.upper
    scratch = float(scratch_elements(symbolic.classes)) if upper and not on_device else 0.0
    kept = alive = peak = work = 0.0
    schur: dict[int, float] = {}
    in_place: set[int] = set()
    uses = [len(c.up) for c in symbolic.classes]
    for number, c in enumerate(symbolic.classes):
        inherited = c.takes_over and c.down[0].child in in_place
        front = 0.0 if inherited or (scratch and not c.takes_over) else float(c.n * c.m**2)
        front += scratch
        most = alive + front
        for link in c.down:
            uses[link.child] -= 1
            if not uses[link.child]:
                alive -= schur.pop(link.child)
        pivot, update = float(c.n * c.a**2), float(c.n * c.u**2)
        most = max(most, alive + front + 2.2 * pivot)  # inverse, and the halves of its recursion
        copies = 2.0 * c.n * c.a * c.u if on_device else 0.0
        mine = float(_kept(c, general, thin))
        peak, work = max(peak, kept + most), max(work, most)
        kept += mine
        following = symbolic.classes[number + 1 : number + 2]
        if scratch and not general and works_in_place(c, upper):
            goes_on = bool(following) and following[0].takes_over
            in_place.update({number} if goes_on else ())
            update = 0.0 if goes_on else float(stored_elements(c.u))
        most = alive + front + update + copies
        peak, work = max(peak, kept + most), max(work, mine + most)
        if c.up:
            schur[number] = update
            alive += update
    return peak, work


def _selected_elements(symbolic: Symbolic, general: bool, on_device: bool, thin: bool) -> tuple[float, float, float]:
    """Return the largest number of elements with all factors, without them, and with those not yet given up."""
    kept = float(sum(_kept(c, general, thin) for c in symbolic.classes))
    left = kept
    alive = peak = work = releasing = 0.0
    held: dict[int, float] = {}
    uses = [len(c.down) for c in symbolic.classes]
    for number in range(len(symbolic.classes) - 1, -1, -1):
        c = symbolic.classes[number]
        pivot, cross, update = (float(c.n * x) for x in (c.a**2, c.a * c.u, c.u**2))
        mine = pivot + cross + (cross if general or not c.is_leaf else 0.0) + (0.0 if c.is_leaf else update)
        temporary = update + (3 if general else 2) * cross + 2 * pivot
        if thin and c.is_thin:  # their fronts are assembled anew for W
            temporary += c.n * c.m**2
        if on_device:  # contiguous operands
            temporary += cross
        most = alive + mine + temporary
        own = _kept(c, general, thin)
        peak, work, releasing = max(peak, kept + most), max(work, own + most), max(releasing, left + most)
        left -= own
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
