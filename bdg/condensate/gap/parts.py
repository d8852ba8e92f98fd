"""Parts of a system that pair on their own: what a start that vanishes, a common phase or Delta = 0 mean on each."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import scipy.sparse as sp
from scipy.sparse.csgraph import connected_components

from bdg.lattices.system import System

WEAK_LINK = 1e-3  # of the largest attraction: parts that only such links connect are started on their own
FAINT = 1e-6  # of max|Delta|: a start that is smaller on a whole part is none


@dataclass(frozen=True, eq=False)
class GapParts:
    """The parts that do not touch, as far as they hold free sites.

    Attributes
    ----------
    labels : array (K,) of int
        Number of the part of each free site, from 0.
    can_vanish, can_turn, holds_phase : arrays (parts,) of bool
        Whether Delta = 0 on the part solves its equation (no pairing is imposed on it), whether a common phase of
        its Delta is open (nor is a phase held), whether phases are held.
    """

    labels: np.ndarray
    can_vanish: np.ndarray
    can_turn: np.ndarray
    holds_phase: np.ndarray

    @classmethod
    def of(cls, system: System, free: np.ndarray, held: np.ndarray) -> GapParts:
        """Return the parts of a system; ``held``: free sites (K,) whose phase is held."""
        count, every = connected_components(system.adjacency, directed=False)
        imposed = np.zeros(count, dtype=bool)
        pinned = system.delta != 0
        pinned[free] = False
        imposed[every[pinned]] = True
        if system.pairing is not None:
            rows = np.flatnonzero(np.diff(system.pairing.indptr)) // system.norbs
            imposed[every[rows]] = True
        present, labels = np.unique(every[free], return_inverse=True)
        holding = np.zeros(present.size, dtype=bool)
        holding[labels[held]] = True
        return cls(labels, ~imposed[present], ~imposed[present] & ~holding, holding)


def islands(system: System) -> np.ndarray:
    """Return the number of the part of each site (N,) where links far below the attraction are cut."""
    entries = system.hamiltonian.tocoo()
    strong = abs(entries.data) > WEAK_LINK * float(system.attraction.max())
    rows, columns = entries.row[strong] // system.norbs, entries.col[strong] // system.norbs
    links = sp.coo_matrix((np.ones(rows.size), (rows, columns)), shape=(system.n_sites,) * 2)
    return np.asarray(connected_components(links, directed=False)[1])


def without_start(system: System, free: np.ndarray, island: np.ndarray) -> np.ndarray:
    """Return which free sites (K,) lie on an island where the start vanishes, and no pairing is imposed."""
    size = abs(system.delta)
    largest = np.zeros(int(island.max()) + 1)
    np.maximum.at(largest, island, size)
    if system.pairing is not None:
        rows = np.flatnonzero(np.diff(system.pairing.indptr)) // system.norbs
        largest[island[rows]] = np.inf
    return np.asarray(largest[island[free]] <= FAINT * float(size.max()))
