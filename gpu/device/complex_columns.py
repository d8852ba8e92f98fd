"""Complex columns as pairs of real ones, where what they are multiplied by is real."""

from __future__ import annotations

from typing import Any

import numpy as np


def as_real(xp: Any, columns: Any) -> Any:
    """Return complex columns (n, R) as real ones (n, 2 R).

    A product with a real matrix then takes half the operations, and CuPy does not copy the matrix as a complex one.
    """
    return xp.ascontiguousarray(columns).view(columns.real.dtype)


def as_complex(columns: Any) -> Any:
    """Return the complex columns of `as_real`."""
    return columns.view(np.result_type(columns.dtype, np.complex64))
