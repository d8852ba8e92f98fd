"""When factors are believed, and the error where they cannot be."""

from __future__ import annotations

TRUSTED_CONTRACTION = 1e-2  # below 1, A + tE is nonsingular for 0 <= t <= 1 (E: backward error), so the inertia is A's


class FactorError(ArithmeticError):
    """The matrix is singular to working precision, or its factors are too inaccurate to be used."""
