"""Numbers with their errors, as one reads them."""

from __future__ import annotations

import numpy as np


def with_error(mean: float, error: float) -> str:
    """Return ``mean(error)`` with the error in units of the last digit shown, its first two."""
    if not np.isfinite(error) or error <= 0:
        return f"{mean:.4g}"
    power = int(np.floor(np.log10(abs(mean)))) if mean and abs(mean) < 1e-2 else 0
    mean, error = mean * 10.0**-power, error * 10.0**-power
    places = max(0, 1 - int(np.floor(np.log10(error))))
    return f"{mean:.{places}f}({round(error * 10**places)})" + (f"e{power:03d}" if power else "")
