r"""The ratio of two densities of states with an error that knows of their common noise.

.. math:: R = \frac{\bar a}{\bar b}, \qquad d_r = \frac{a_r - R\, b_r}{\bar b}

with a_r and b_r from the same random vector r. Most of the noise of both is that of the vector, and drops out of d_r,
whose standard error is that of R to first order in the noise (W. G. Cochran, Sampling Techniques (1977), chapter 6).
"""

from __future__ import annotations

import numpy as np

from bdg.densities.density_of_states import DensityOfStates
from bdg.densities.statistics import standard_error


def density_ratio(found: DensityOfStates, reference: DensityOfStates) -> tuple[np.ndarray, np.ndarray]:
    """Return the ratio (M,) of two densities at the same energies, and its error (M,).

    The error is the standard error over pairs of vectors, with Student's factor for few of them, and the rounding of
    both densities. Where the numbers of vectors differ (one of both may be exact) there are no pairs, and the errors
    count as independent. Broadening excluded. Both are nan where the reference is zero.

    Parameters
    ----------
    found, reference : DensityOfStates
        Of the same seed and of matrices of one dimension, if they are to have their noise in common. The error is
        right for other pairs, too, but larger.

    Raises
    ------
    ValueError
        If the energies differ.
    """
    if not np.array_equal(found.energies, reference.energies):
        raise ValueError(
            f"both densities must be at the same energies; got {found.energies.size} and {reference.energies.size} "
            "that differ. Compute both with the same energies"
        )
    known = reference.values != 0
    below = np.where(known, reference.values, np.nan)
    ratio = found.values / below
    if found.vectors == reference.vectors and found.vectors:
        noise = standard_error((found.samples - ratio[:, None] * reference.samples) / below[:, None])
    else:
        noise = np.hypot(_noise(found), ratio * _noise(reference)) / below
    # rounding is estimated, and no noise: that of both adds up
    return ratio, np.hypot(noise, (_rounding(found) + abs(ratio) * _rounding(reference)) / abs(below))


def _noise(found: DensityOfStates) -> np.ndarray:
    return standard_error(found.samples) if found.vectors else np.zeros(found.energies.size)


def _rounding(found: DensityOfStates) -> np.ndarray:
    """Return what the error holds besides the noise."""
    return np.sqrt(np.maximum(found.error**2 - _noise(found) ** 2, 0.0))
