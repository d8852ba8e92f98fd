"""Blocks of vectors on the device as bases of subspaces: orthonormal columns, Ritz pairs, and which of them to lock."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

_DEPENDENT = 1e-12  # weight of a direction, relative, below which it is dropped


@dataclass(frozen=True, eq=False)
class RitzPairs:
    """Energies (m,) and residuals (m,) on the host, vectors (n, m) on the device."""

    energies: np.ndarray
    vectors: Any
    residuals: np.ndarray

    @property
    def size(self) -> int:
        """Number of pairs."""
        return self.energies.size

    def joined(self, other: RitzPairs, which: np.ndarray, xp: Any) -> RitzPairs:
        """Return these pairs and some of the others."""
        vectors = xp.concatenate([self.vectors, other.vectors[:, xp.asarray(which)]], axis=1)
        energies = np.concatenate([self.energies, other.energies[which]])
        return RitzPairs(energies, vectors, np.concatenate([self.residuals, other.residuals[which]]))


def lockable(low: RitzPairs, order: np.ndarray, shift: float, tol: float, paired: bool) -> int:
    """Return how many of the nearest states are converged, without cutting a multiplet or a pair +-E."""
    good = low.residuals[order] <= tol
    n_good = good.size if good.all() else int(np.argmin(good))
    distance = abs(low.energies[order] - shift)
    while n_good and (
        n_good == good.size or distance[n_good] - distance[n_good - 1] <= 10 * tol or (paired and n_good % 2)
    ):
        n_good -= 1
    return n_good


def orthonormal(basis: Any, xp: Any) -> Any:
    """Return an orthonormal basis of the columns, by the eigenvectors of their overlaps; dependent ones are dropped."""
    for _ in range(2):
        norms = xp.linalg.norm(basis, axis=0)
        basis = basis / xp.where(norms > 0, norms, 1.0)
        weights, rotation = xp.linalg.eigh(basis.conj().T @ basis)
        kept = int((weights > _DEPENDENT * weights[-1]).sum())  # ascending
        first = rotation.shape[1] - kept
        basis = basis @ (rotation[:, first:] / xp.sqrt(weights[first:]))
    return basis
