"""Arguments of this room: numbers, or arrays of them, that are lengths, fields and conductances."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from bdg.base.arguments import real_array


def real_values(name: str, values: Any, unit: str, *, least: float = -math.inf, above: float = -math.inf) -> np.ndarray:
    """Return real numbers >= ``least`` and > ``above`` as an array of any shape; infinity is none of them."""
    array = real_array(name, values)
    if array.dtype.kind not in "iuf":
        raise TypeError(f"{name} must be a real number or an array of them ({unit}); got {values!r:.80}")
    wrong = ~(np.isfinite(array) & (array >= least) & (array > above))
    if wrong.any():
        rule = f" and > {above:g}" if above > -math.inf else f" and >= {least:g}" if least > -math.inf else ""
        raise ValueError(f"{name} must be finite{rule} ({unit}); got {array[wrong].ravel()[0]}")
    return array.astype(float)


def positive_values(name: str, values: Any, unit: str) -> np.ndarray:
    """Return real numbers > 0, infinity included, as an array of any shape."""
    array = real_array(name, values)
    if array.dtype.kind not in "iuf":
        raise TypeError(f"{name} must be a real number or an array of them ({unit}); got {values!r:.80}")
    wrong = ~(array > 0)
    if wrong.any():
        raise ValueError(f"{name} must be positive ({unit}); got {array[wrong].ravel()[0]}")
    return array.astype(float)


def length_ratio(name: str, values: Any, depth: Any) -> np.ndarray:
    """Return lengths over penetration depths, each > 0 and one of them possibly infinite; at most 1e100."""
    lengths = positive_values(name, values, "length")
    depths = positive_values("penetration_depth", depth, f"the unit of {name}")
    if (np.isinf(lengths) & np.isinf(depths)).any():
        raise ValueError(f"{name} and penetration_depth must not both be infinite; give one of them a finite value")
    return np.minimum(lengths / depths, 1e100)  # its square is a number


def as_given(values: np.ndarray) -> Any:
    """Return a Python number for an array without axes, else the array."""
    return values.item() if values.ndim == 0 else values
