"""Errors of means over few random vectors."""

from __future__ import annotations

import numpy as np
import scipy  # its parts load on use


def standard_error(samples: np.ndarray) -> np.ndarray:
    """Return the error of the mean over the last axis that covers it in 68.3 % of cases, however few the samples.

    The standard error of the mean times the quantile of Student's distribution.
    """
    count = samples.shape[-1]
    quantile = scipy.special.stdtrit(count - 1, 0.5 * (1 + scipy.special.erf(np.sqrt(0.5))))
    return float(quantile) * samples.std(axis=-1, ddof=1) / np.sqrt(count)
