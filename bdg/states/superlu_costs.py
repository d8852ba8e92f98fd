"""What SuperLU's factors and solves are expected to take: elements and operations from the fronts without padding."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from bdg.gpu.cost import model as cost
from bdg.gpu.cost.model import Rates
from bdg.gpu.multifrontal import Symbolic

# s a stored element, flop/s, s an element of a solve, elements relative to fronts
_EACH, _FLOPS, _SOLVE, _SHARE = 4e-8, 1.2e10, 1e-9, 0.7
_COMPLEX = 1.7  # seconds, relative to real numbers


@dataclass(frozen=True)
class SuperLUCost:
    """Stored elements, and the seconds of a factorisation with its contraction and of a solve."""

    elements: float
    factor: float
    solve: float


def superlu_cost(rates: Rates, symbolic: Symbolic, is_complex: bool, rows: int | None = None) -> SuperLUCost:
    """Return what a matrix takes whose sites have ``rows`` rows; by default as many as in ``symbolic``."""
    times = (_COMPLEX if is_complex else 1.0) * rates.call / cost.BUILT_IN["cpu"].call
    of_symbolic = symbolic.pattern.rows_per_site
    rows = of_symbolic if rows is None else rows
    p, u = (rows * np.asarray(x, dtype=float) for x in (symbolic.structure.n_pivots, symbolic.structure.n_updates))
    elements = _SHARE * float((p * p + 2 * p * u).sum())
    flops = symbolic.factor_flops(float, padded=False) * (rows / of_symbolic) ** 3
    factor = times * (_EACH * elements + flops / _FLOPS + 12 * _SOLVE * elements)
    return SuperLUCost(elements, factor, times * _SOLVE * elements)
