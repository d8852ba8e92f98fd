"""The host sites around superconductors: how far from the nearest one they are, and how it spreads there."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from bdg.lattices.geometry import nearest_distance
from bdg.lattices.system import System


@dataclass(frozen=True, eq=False)
class HostSites:
    """Distance, amplitude and spreading factors of the host sites at hand."""

    distance: np.ndarray
    amplitude: np.ndarray
    spreading: dict[str, np.ndarray]
    largest: float  # distance of any host site of the system
    compact: bool
    why: str


def host_sites(system: System, sites: np.ndarray, values: np.ndarray, spacing: float) -> HostSites:
    """Return what the host sites among ``sites`` tell, F = ``values`` on them without the phase of what is nearest."""
    superconducting, host = _parts(system)
    nearest, which = nearest_distance(system.positions[host], system.positions[superconducting], system.period)
    source = np.full(system.n_sites, -1)  # the superconducting site next to each host site
    source[host] = np.flatnonzero(superconducting)[which]
    distance = np.zeros(system.n_sites)
    distance[host] = nearest
    radius, compact, why = _radii(system, spacing)
    inside = host[sites]
    sites, values = sites[inside], values[inside]
    if not sites.size:
        raise ValueError("amplitude holds no host site; give it on sites with grain = -1")
    if values.dtype.kind != "c" and (values >= 0).all():
        along = values  # magnitudes already: there is no phase to take off
    else:
        along = (values * _phases(system.delta[source[sites]]).conj()).real
    near = radius[system.grain[source[sites]]]
    exponent = (system.positions.shape[1] - 1) / 2
    spreading = {
        "flat": np.ones(sites.size),
        "spherical": (near / (near + distance[sites])) ** exponent,
    }
    return HostSites(distance[sites], along, spreading, float(nearest.max()), compact, why)


def spacing_of(system: System) -> float:
    """Return the median distance of neighbouring sites."""
    adjacency = system.adjacency.tocoo()
    if adjacency.nnz:
        lengths = np.linalg.norm(system.displacement(adjacency.row, adjacency.col), axis=-1)
        return float(np.median(lengths))
    raise ValueError("the system has no hopping, so its spacing is unknown")


def _radii(system: System, spacing: float) -> tuple[np.ndarray, bool, str]:
    """Return the radius of each grain, whether the grains are compact bodies, and why."""
    dim, n_grains = system.positions.shape[1], system.n_grains
    diameters = system.info.get("diameters")
    if diameters is not None and np.shape(diameters) == (n_grains,):
        return np.asarray(diameters) / 2, True, "grain diameters of the builder"
    inside = np.flatnonzero(system.grain >= 0)
    labels = system.grain[inside]
    volume = np.bincount(labels, minlength=n_grains) * spacing**dim
    if dim == 1:
        return volume / 2, False, "flat in one dimension"
    unit_ball = np.pi if dim == 2 else 4 * np.pi / 3
    low, high = np.full((n_grains, dim), np.inf), np.full((n_grains, dim), -np.inf)
    np.minimum.at(low, labels, system.positions[inside])
    np.maximum.at(high, labels, system.positions[inside])
    extent = high - low + spacing
    box = np.ptp(system.positions, axis=0) + spacing
    compact = bool((extent.max(axis=1) < 2.5 * extent.min(axis=1)).all() and (extent < 0.95 * box).all())
    words = "compact grains, radius of the ball of equal volume" if compact else "extended superconductors: flat"
    return (volume / unit_ball) ** (1 / dim), compact, words


def _parts(system: System) -> tuple[np.ndarray, np.ndarray]:
    superconducting = system.grain >= 0
    if not superconducting.any():
        raise ValueError("the system has no superconducting site (grain >= 0) to measure from: give it delta or grain=")
    if superconducting.all():
        raise ValueError("the system has no host site (grain = -1), so there is nothing to measure: give it grain=")
    return superconducting, ~superconducting


def _phases(delta: np.ndarray) -> np.ndarray:
    """Return delta/|delta|, and 1 where delta is 0 (attraction alone)."""
    size = abs(delta)
    return np.where(size > 0, delta / np.where(size > 0, size, 1.0), 1.0)
