"""Random fields on a regular grid: independent onsite energies, and smooth Gaussian fields cut into two phases."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
import scipy  # its parts load on use
import scipy.linalg

from bdg.lattices import budget

LONGEST_DENSE = 1024  # sites of an open axis whose correlation matrix is diagonalised; longer axes are padded
_FIELD_BYTES, _ROOT_BYTES = 40.0, 24.0  # of an element of the field with its transforms, of a correlation of an axis
PADDING = 5  # correlation lengths: the two ends of a padded axis are correlated by exp(-12.5) = 4e-6


def uniform_disorder(n: int, width: float, rng: np.random.Generator) -> np.ndarray:
    """Return ``n`` independent energies, uniform in [-width/2, width/2): variance ``width^2/12``.

    The same generator draws the same numbers for every width, so that only the strength changes.
    """
    return width * (rng.random(n) - 0.5)


def gaussian_field(
    shape: Sequence[int], spacing: float, correlation_length: float, rng: np.random.Generator, periodic: bool
) -> np.ndarray:
    r"""Return a Gaussian random field of mean 0, variance 1 and correlation ``exp(-r^2/(2 l^2))`` on a regular grid.

    The correlation is a product over the axes, so white noise is filtered along one axis after the other by a square
    root of that axis' correlation matrix. Where the matrix is circulant the root is taken by FFT: on periodic axes
    (correlation summed over the images), and on open axes of more than 1024 sites, which are made ``5 l`` longer and
    then cut. On shorter open axes the symmetric root is computed; nothing is padded then and the correlation is exact.

    Parameters
    ----------
    shape : sequence of int
        Sites an axis.
    spacing : float
        Distance of neighbouring sites.
    correlation_length : float
        l > 0, in the unit of ``spacing``.
    rng : numpy.random.Generator
    periodic : bool
        Whether the field repeats itself along every axis.

    Returns
    -------
    array of the given shape, float64
    """
    step = spacing / correlation_length
    roots = [_circulant_root(n, step) if periodic else _open_root(n, step) for n in shape]
    field = rng.standard_normal([root.shape[-1] for root in roots])
    for axis, (n, root) in enumerate(zip(shape, roots, strict=True)):
        field = np.moveaxis(_filtered(np.moveaxis(field, axis, -1), root, n), -1, axis)
    return np.ascontiguousarray(field)


def field_bytes(shape: Sequence[int], spacing: float, correlation_length: float, periodic: bool) -> float:
    """Return the memory that `gaussian_field` takes, padding and correlations along the axes included."""
    reach, lengths, largest_root = correlation_length / spacing, [], 0.0
    for n in map(budget.number, shape):
        dense = not periodic and n <= LONGEST_DENSE
        length = n if periodic or dense else n + PADDING * reach
        images = 2 * (10 * reach / length + 2) + 1
        largest_root = max(largest_root, n * n if dense else length * images)
        lengths.append(length)
    return min(max(_FIELD_BYTES * math.prod(lengths), _ROOT_BYTES * largest_root), float(budget.MOST))


def upper_part(values: np.ndarray, fraction: float) -> np.ndarray:
    """Return a bool array: True on the ``round(fraction * size)`` entries of the largest values."""
    chosen = round(fraction * values.size)
    mask = np.zeros(values.size, dtype=bool)
    if chosen:
        mask[np.argpartition(values, values.size - chosen)[values.size - chosen :]] = True
    return mask


def _filtered(noise: np.ndarray, root: np.ndarray, n: int) -> np.ndarray:
    """Multiply the last axis of the noise by a root, a matrix or the eigenvalues of a circulant one; keep n sites."""
    if root.ndim == 2:
        return noise @ root
    length = root.shape[-1]
    filtered = scipy.fft.irfft(scipy.fft.rfft(noise) * root[: length // 2 + 1], length)
    return filtered[..., :n]


def _open_root(n: int, step: float) -> np.ndarray:
    """Return the symmetric root (n, n) of the correlation matrix of an open axis; eigenvalues of a longer one."""
    if n > LONGEST_DENSE:
        return _circulant_root(scipy.fft.next_fast_len(n + math.ceil(PADDING / step), real=True), step)
    values, vectors = scipy.linalg.eigh(scipy.linalg.toeplitz(np.exp(-0.5 * (step * np.arange(n)) ** 2)))
    # The symmetric root does not depend on the signs that LAPACK gives the vectors.
    return (vectors * np.sqrt(np.maximum(values, 0.0))) @ vectors.T


def _circulant_root(n: int, step: float) -> np.ndarray:
    """Return the roots (n,) of the eigenvalues of the correlation matrix of a ring of n sites."""
    images = math.ceil(10 / (n * step)) + 1  # exp(-50) is nothing
    distance = step * (np.arange(n)[:, None] + n * np.arange(-images, images + 1))
    correlation = np.exp(-0.5 * distance**2).sum(axis=1)
    values = scipy.fft.fft(correlation / correlation[0]).real
    return np.sqrt(np.maximum(values, 0.0))
