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
        If the values are not numbers; booleans are none.
    ValueError
        If an array has another shape than (N,) or holds NaN or infinity, or is complex where it must be real.
    """
    array = _one_a_site(name, value, positions, sites)
    if array.dtype.kind == "b":
        raise TypeError(
            f"{name} must be numbers; got booleans. Multiply the mask by the value that is meant (0.1 * mask), or let "
            "the function return numbers (0.1 if ... else 0)"
        )
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


def evaluate_labels(name: str, value: SiteValue, positions: np.ndarray, sites: Sequence[Any] | None) -> np.ndarray:
    """Return whole numbers (N,), int64, or a mask (N,), bool, if all values are booleans.

    Raises
    ------
    TypeError, ValueError
        As `evaluate_sites`, and if booleans and numbers are mixed.
    """
    array = _one_a_site(name, value, positions, sites)
    return array if array.dtype.kind == "b" else evaluate_sites(name, array, positions, sites, int)


def spin_blocks(values: Any, n_sites: int) -> np.ndarray | None:
    """Return 2 x 2 matrices (N, 2, 2) if ``values`` are one for all sites or one a site, else None."""
    try:
        blocks = np.asarray(values)
    except ValueError:  # lists of unequal length
        return None
    if blocks.shape not in ((2, 2), (n_sites, 2, 2)):
        return None
    if blocks.dtype.kind not in "iufc":
        raise TypeError(f"values must be numbers; got dtype {blocks.dtype}")
    return np.ascontiguousarray(np.broadcast_to(blocks, (n_sites, 2, 2)))


def call_sites(function: Callable[[Any], Any], positions: np.ndarray, sites: Sequence[Any] | None) -> list[Any]:
    """Return ``function`` of every site: of kwant's sites where there are any, else of `Site` objects."""
    if sites is None:
        sites = [Site(index, pos) for index, pos in enumerate(positions)]
    return [function(site) for site in sites]


def mixes_booleans(value: Any, array: np.ndarray) -> bool:
    """Return whether NumPy made numbers ``array`` of a list ``value`` in which some entries are booleans."""
    if array.dtype.kind == "b" or not isinstance(value, list | tuple):
        return False
    return any(isinstance(item, bool) or getattr(getattr(item, "dtype", None), "kind", "") == "b" for item in value)


def _one_a_site(name: str, value: SiteValue, positions: np.ndarray, sites: Sequence[Any] | None) -> np.ndarray:
    """Return numbers or booleans (N,), in the type that they came in."""
    n_sites = len(positions)
    if callable(value):
        value = call_sites(value, positions, sites)
    if np.ma.is_masked(value):
        raise ValueError(f"{name} must have a value on every site; got a masked array. Fill it: values.filled(0)")
    try:
        array = np.asarray(value)
    except ValueError as error:
        raise TypeError(f"{name} must give one number a site; got values of different shapes ({error})") from error
    if array.dtype.kind not in "biufc":
        raise TypeError(
            f"{name} must be a number, an array ({n_sites},) or a function of a site; got {_culprit(value, array)}"
        )
    if mixes_booleans(value, array):
        raise TypeError(f"{name} mixes booleans and numbers; give one kind on all sites (0 or -1 instead of False)")
    if array.ndim == 0:
        return np.full(n_sites, array)
    if array.shape != (n_sites,):
        cure = _shape_cure(array, n_sites)
        raise ValueError(f"{name} must have one value a site, shape ({n_sites},); got shape {array.shape}{cure}")
    return array


def _culprit(value: Any, array: np.ndarray) -> str:
    """Return what is no number: the first such entry of a list, else the value itself."""
    if array.ndim == 1 and array.dtype.kind == "O":
        for site, item in enumerate(array):
            if np.asarray(item).dtype.kind not in "biufc":
                return f"{item!r:.80} on site {site}"
        return "an array of objects; convert it with .astype(float), .astype(complex) or .astype(bool)"
    return f"{value!r:.80}"


def _shape_cure(array: np.ndarray, n_sites: int) -> str:
    if array.ndim > 1 and array.size == n_sites:
        return ". Pass values.ravel() if that is the order of the sites (system.positions)"
    if array.shape == (2 * n_sites,):
        return ": values belong to sites, not to orbitals"
    return ""
