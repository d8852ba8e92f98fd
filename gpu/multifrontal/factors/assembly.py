"""Elements of ``A = z - H`` put into the fronts: the rows of the pivots P, and their columns of general matrices."""

from __future__ import annotations

from typing import Any

from bdg.gpu.multifrontal.analysis.links import FrontClass
from bdg.gpu.multifrontal.factors.stacked import Symmetry


def assembled(xp: Any, front_class: FrontClass, values: Any, symmetry: Symmetry, padding: float = 1.0) -> Any:
    """Return the stack of fronts (n, m, m) that holds the elements of A and nothing else.

    Parameters
    ----------
    xp : array module
    front_class : FrontClass
    values : array
        The elements of A on the pattern, flat, with one zero behind them.
    symmetry : "symmetric", "hermitian", "skew" or "general"
        The elements (U, P) are left out unless it is general.
    padding : float
        Diagonal of the padded pivots.
    """
    front = xp.zeros((front_class.n, front_class.m, front_class.m), values.dtype)
    set_elements(front, front_class, values, symmetry, padding)
    return front


def set_elements(front: Any, front_class: FrontClass, values: Any, symmetry: Symmetry, padding: float = 1.0) -> None:
    """Set the elements of A in a stack of fronts that is zero, in one piece of memory; the padded pivots, too."""
    flat = front.reshape(-1)
    flat[front_class.target] = values[front_class.source]
    if symmetry == "general":
        flat[front_class.lower_target] = values[front_class.lower_source]
    if front_class.ones.size:
        flat[front_class.ones] = padding
