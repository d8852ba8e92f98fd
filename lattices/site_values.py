"""Arguments that have one value a site: a number, an array (N,), or a function of one site."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np


@dataclass(frozen=True, eq=False)
class Site:
    """What a function of one site receives where the system was not built by kwant."""

    index: int
    pos: np.ndarray


SiteValue = Any  # number | array (N,) | Callable[[Site], number]


def evaluate_sites(
    name: str, value: SiteValue, positions: np.ndarray, sites: Sequence[Any] | None, dtype: type | None = None
) -> np.ndarray:
    """Return ``value`` as an array (N,), calling it on every site if it is a function.

    ``sites`` are kwant's sites where there are any; otherwise functions get a `Site` with ``index`` and ``pos``.

    Raises
    ------
    TypeError
        If the values are not numbers.
    ValueError
        If an array has another shape than (N,) or holds NaN or infinity, or is complex where it must be real.
    """
    n_sites = len(positions)
    if callable(value):
        value = call_sites(value, positions, sites)
    try:
        array = np.asarray(value)
    except ValueError as error:
        raise TypeError(f"{name} must give one number a site; got values of different shapes ({error})") from error
    if array.dtype.kind not in "biufc":
        raise TypeError(f"{name} must be a number, an array ({n_sites},) or a function of a site; got {value!r:.80}")
    if array.ndim == 0:
        array = np.full(n_sites, array)
    if array.shape != (n_sites,):
        raise ValueError(f"{name} must have one value a site, shape ({n_sites},); got shape {array.shape}")
    if not np.isfinite(array).all():
        bad = int(np.flatnonzero(~np.isfinite(array))[0])
        raise ValueError(f"{name} must be finite; got {array[bad]} on site {bad}")
    if array.dtype.kind == "c":
        if not array.imag.any():
            array = array.real
        elif dtype is not None and dtype is not complex:
            raise ValueError(f"{name} must be real; got complex values")
    if dtype is int:
        if (array != np.round(array)).any():
            raise ValueError(f"{name} must be whole numbers; got {array[array != np.round(array)][0]}")
        return array.astype(np.int64)
    return array.astype(complex if array.dtype.kind == "c" else float)


def call_sites(function: Callable[[Any], Any], positions: np.ndarray, sites: Sequence[Any] | None) -> list[Any]:
    """Return ``function`` of every site: of kwant's sites where there are any, else of `Site` objects."""
    if sites is None:
        sites = [Site(index, pos) for index, pos in enumerate(positions)]
    return [function(site) for site in sites]
