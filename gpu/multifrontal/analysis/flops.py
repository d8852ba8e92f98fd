"""Floating point operations of fronts with ``a`` pivots and ``u`` updates, counted before anything is computed.

One complex multiply-add counts as four real ones. For a cube of N sites with two rows each the factorisation takes
about 105 N^2 real operations (A. George, SIAM J. Numer. Anal. 10, 345 (1973): N^2 is the optimum in three dimensions).
"""

from __future__ import annotations

from typing import Any

import numpy as np


def factor_flops(a: Any, u: Any, general: bool = False) -> Any:
    """Return the operations of inverse (2 a^3), W = F_PP^-1 F_PU (2 a^2 u) and Schur complement (2 a u^2).

    General matrices also need V = F_UP F_PP^-1 (2 a^2 u). The recursion for the inverse of a symmetric block takes
    4/3 a^3 of the 2 a^3.
    """
    a, u = np.asarray(a, dtype=float), np.asarray(u, dtype=float)
    return 2 * a**3 + (4 if general else 2) * a**2 * u + 2 * a * u**2


def selected_inverse_flops(a: Any, u: Any, general: bool = False) -> Any:
    """Return the operations of G_PU = -W G_UU (2 a u^2) and G_PP (2 a^2 u); general matrices also need G_UP."""
    a, u = np.asarray(a, dtype=float), np.asarray(u, dtype=float)
    return (4 if general else 2) * a * u**2 + 2 * a**2 * u


def solve_flops(a: Any, u: Any) -> Any:
    """Return the operations of both sweeps for one column."""
    a, u = np.asarray(a, dtype=float), np.asarray(u, dtype=float)
    return 2 * a**2 + 4 * a * u


def complex_factor(dtype: Any) -> int:
    """Return how many real multiply-adds one of this type takes."""
    return 4 if np.dtype(dtype).kind == "c" else 1
