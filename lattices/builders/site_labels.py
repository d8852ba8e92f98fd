"""Which sphere each site of a regular grid lies in."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

CHUNK = 2_000_000  # candidate sites at once


def label_sites(
    shape: Sequence[int], spacing: float, centres: np.ndarray, diameters: np.ndarray, periodic: bool
) -> np.ndarray:
    """Return the index (N,) of the sphere that each site ``(index + 1/2) spacing`` of a grid lies in, or -1.

    Each sphere looks only at the sites of the cube around it. Spheres must not overlap.
    """
    labels = np.full(int(np.prod(shape)), -1, dtype=np.int64)
    order = np.argsort(diameters, kind="stable")  # a chunk holds spheres of like size
    candidates = np.cumsum((np.ceil(diameters[order] / spacing) + 1) ** len(shape))
    for members in np.split(order, np.flatnonzero(np.diff(candidates // CHUNK)) + 1):
        site, sphere = _sites_inside(shape, spacing, centres[members], diameters[members] / 2, periodic)
        labels[site] = members[sphere]
    return labels


def _sites_inside(
    shape: Sequence[int], spacing: float, centres: np.ndarray, radius: np.ndarray, periodic: bool
) -> tuple[np.ndarray, np.ndarray]:
    """Return pairs (site, sphere) with the site inside the sphere, from the cube of sites around each sphere."""
    dim, width = len(shape), int(np.ceil(2 * radius.max() / spacing)) + 1
    lowest = np.ceil((centres - radius[:, None]) / spacing - 0.5).astype(np.int64)
    site = np.zeros((len(radius),) + (1,) * dim, dtype=np.int64)
    squared = np.zeros(site.shape)
    valid = np.ones(site.shape, dtype=bool)
    for axis, count in enumerate(shape):
        index = lowest[:, axis, None] + np.arange(width)
        away = (index + 0.5) * spacing - centres[:, axis, None]
        along = (len(radius), *(width if other == axis else 1 for other in range(dim)))
        squared = squared + (away**2).reshape(along)
        site = site * count + (index % count).reshape(along)
        if not periodic:
            valid = valid & ((index >= 0) & (index < count)).reshape(along)
    valid = valid & (squared <= (radius**2).reshape((-1,) + (1,) * dim))
    return site[valid], np.nonzero(valid)[0]
