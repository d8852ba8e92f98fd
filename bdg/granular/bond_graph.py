"""Bonds between numbered sites as a graph: components, loops around the period, colours, and the lattice Laplacian.

A bond is a pair of sites (i, j) with the displacement from i to j; pairs may repeat, and a site may be bonded to its
own periodic image. All of it is array code over bonds.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import scipy.sparse as sp
from scipy.sparse.csgraph import breadth_first_order, connected_components
from scipy.sparse.linalg import cg, splu

from bdg.base.arguments import real_array

SIMILAR = 1e10  # ratio of couplings up to which relaxed phases have all digits that the stiffness needs
MOST_TOGETHER, REFINEMENTS = 20_000, 2  # bonds whose currents are solved for together with the potentials
DIRECT, MOST_ITERATIONS, _ITERATED = 3000, 20_000, 1e-13  # sites up to which a factorisation costs less than iterations
_CLOSED = 1e-8  # of the longest displacement: what rounding leaves where the displacements of a loop add up to zero


def components(pairs: np.ndarray, n_sites: int) -> np.ndarray:
    """Return the number (N,) of the connected component of each site."""
    ones = np.ones(len(pairs), dtype=np.int8)
    graph = sp.csr_array((ones, (pairs[:, 0], pairs[:, 1])), shape=(n_sites, n_sites))
    return np.asarray(connected_components(graph, directed=False)[1])


@dataclass(frozen=True, eq=False)
class SpanningTree:
    """A breadth-first tree over all components: each site with its parent.

    Attributes
    ----------
    order : array (N,)
        Sites, parents first.
    parent : array (N,)
        Of each site; N at the first site of a component.
    bond : array (N,)
        The bond to the parent; -1 at the first site of a component.
    """

    order: np.ndarray
    parent: np.ndarray
    bond: np.ndarray

    @classmethod
    def of(cls, pairs: np.ndarray, n_sites: int) -> SpanningTree:
        """Return the tree of shortest paths from the lowest site of each component."""
        low, high = pairs.min(axis=1), pairs.max(axis=1)
        keys = low * (n_sites + 1) + high
        known, example = np.unique(keys, return_index=True)
        first = example[low[example] != high[example]]
        starts = np.unique(components(pairs, n_sites), return_index=True)[1]
        rows = np.concatenate([pairs[first, 0], np.full(starts.size, n_sites)])
        columns = np.concatenate([pairs[first, 1], starts])
        graph = sp.csr_array((np.ones(rows.size), (rows, columns)), shape=(n_sites + 1, n_sites + 1))
        order, parents = breadth_first_order(graph, n_sites, directed=False)
        parent = np.asarray(parents[:n_sites], dtype=np.int64)
        sites, bond = np.arange(n_sites), np.full(n_sites, -1)
        inner = parent < n_sites
        key = np.minimum(sites, parent) * (n_sites + 1) + np.maximum(sites, parent)
        bond[inner] = example[np.searchsorted(known, key[inner])]
        return cls(np.asarray(order[1:]), parent, bond)

    def positions(self, pairs: np.ndarray, displacements: np.ndarray) -> np.ndarray:
        """Return positions (N, d) that add up the displacements along the tree, by doubling the steps."""
        n_sites = self.parent.size
        inner = self.bond >= 0
        bonds = self.bond[inner]
        sign = np.where(pairs[bonds, 0] == self.parent[inner], 1.0, -1.0)
        found = np.zeros((n_sites + 1, displacements.shape[1]))
        found[:-1][inner] = sign[:, None] * displacements[bonds]
        above = np.append(self.parent, n_sites)
        while (above < n_sites).any():
            found += found[above]
            above = above[above]
        return found[:-1]


def windings(pairs: np.ndarray, displacements: np.ndarray, n_sites: int) -> np.ndarray:
    """Return (B, d): the displacement around the loop that each bond closes; zero unless it goes around the period."""
    positions = SpanningTree.of(pairs, n_sites).positions(pairs, displacements)
    around = displacements - (positions[pairs[:, 1]] - positions[pairs[:, 0]])
    around[abs(around) <= _CLOSED * abs(displacements).max(initial=0.0)] = 0.0
    return around


def around_the_period(pairs: np.ndarray, displacements: np.ndarray, component: np.ndarray) -> np.ndarray:
    """Return whether each component holds a loop around the period along each axis (C, d)."""
    found = np.zeros((component.max(initial=-1) + 1, displacements.shape[1]), dtype=bool)
    np.logical_or.at(found, component[pairs[:, 0]], windings(pairs, displacements, component.size) != 0)
    return found


def laplacian(pairs: np.ndarray, conductances: np.ndarray, n_sites: int) -> sp.csc_array:
    """Return ``sum_b g_b (e_i - e_j)(e_i - e_j)^T``, (N, N)."""
    first, second = pairs.T
    rows = np.concatenate([first, second, first, second])
    columns = np.concatenate([second, first, first, second])
    values = np.concatenate([-conductances, -conductances, conductances, conductances])
    return sp.csc_array((values, (rows, columns)), shape=(n_sites, n_sites))


def solve_grounded(matrix: sp.csc_array, ground: np.ndarray, right: np.ndarray) -> np.ndarray:
    """Return x, (N, m), with ``matrix x = right`` and x = 0 at the grounded sites, one in each component."""
    free = np.delete(np.arange(matrix.shape[0]), ground)
    found = np.zeros_like(right)
    if not free.size:
        return found
    inner = matrix[:, free][free]
    if free.size > DIRECT:
        scaling = sp.diags_array(1 / inner.diagonal())
        answers = [cg(inner, column, rtol=_ITERATED, M=scaling, maxiter=MOST_ITERATIONS) for column in right[free].T]
        if not any(failed for _, failed in answers):
            found[free] = np.stack([answer for answer, _ in answers], axis=1)
            return found
    factor = splu(
        sp.csc_matrix(inner), permc_spec="MMD_AT_PLUS_A", diag_pivot_thresh=0.0, options={"SymmetricMode": True}
    )
    found[free] = factor.solve(np.ascontiguousarray(right[free]))
    return found


def bond_currents(
    pairs: np.ndarray,
    conductances: np.ndarray,
    ground: np.ndarray,
    driving: np.ndarray,
    injected: np.ndarray,
    similar: float,
) -> np.ndarray:
    r"""Return the currents (B, m) of bonds with driving voltages (B, m) and currents injected at the sites (N, m).

    From the potentials where the ratio of conductances is at most ``similar`` (or there are many bonds). Else from
    Kirchhoff's equations for currents and potentials together,

    .. math:: I_b/g_b - V_i + V_j = U_b, \qquad \sum_{b\,\mathrm{from}\,i} I_b - \sum_{b\,\mathrm{to}\,i} I_b = Q_i,

    which never add a small conductance to a large one (errors 1e-15 for ratios of 1e50).

    Parameters
    ----------
    ground : array
        One site of each component, at potential 0.
    """
    n_sites, (first, second) = len(injected), pairs.T
    alike = conductances.max(initial=0.0) <= similar * conductances.min(initial=np.inf)
    if alike or len(pairs) > MOST_TOGETHER:
        source = injected.copy()
        np.subtract.at(source, first, conductances[:, None] * driving)
        np.add.at(source, second, conductances[:, None] * driving)
        potential = solve_grounded(laplacian(pairs, conductances, n_sites), ground, source)
        return conductances[:, None] * (driving + potential[first] - potential[second])
    unit = np.sqrt(conductances.min()) * np.sqrt(conductances.max())
    bonds = np.arange(len(pairs))
    ends = np.repeat([1.0, -1.0], bonds.size), (np.tile(bonds, 2), pairs.T.ravel())
    free = np.delete(np.arange(n_sites), ground)
    incidence = sp.csr_array(ends, shape=(bonds.size, n_sites))[:, free]
    matrix = sp.block_array([[sp.diags_array(unit / conductances), -incidence], [incidence.T, None]], format="csc")
    right = np.concatenate([unit * driving, injected[free]])
    factor = splu(sp.csc_matrix(matrix))
    found = factor.solve(right)
    for _ in range(REFINEMENTS):
        found += factor.solve(right - matrix @ found)
    return found[: bonds.size]


def relaxed_displacements(
    pairs: np.ndarray, couplings: np.ndarray, displacements: np.ndarray, n_sites: int
) -> np.ndarray:
    """Return ``x - (theta_j - theta_i)``, (B, d), with the theta that minimise ``sum J (x - theta_j + theta_i)^2``.

    Zero on components without a loop around the period, and on bonds without coupling.
    """
    relaxed = np.zeros_like(displacements)
    active = np.flatnonzero(couplings > 0)
    if not active.size:
        return relaxed
    bonds, weights = pairs[active], couplings[active] / couplings.max()
    component = components(bonds, n_sites)
    around = around_the_period(bonds, displacements[active], component)
    steps = np.where(around[component[bonds[:, 0]]], displacements[active], 0.0)
    ground = np.unique(component, return_index=True)[1]
    nothing = np.zeros((n_sites, displacements.shape[1]))
    relaxed[active] = bond_currents(bonds, weights, ground, steps, nothing, SIMILAR) / weights[:, None]
    return relaxed


def colours(pairs: np.ndarray, n_sites: int) -> np.ndarray:
    """Return a colour (N,) for each site such that bonded sites differ: greedy, in breadth-first order.

    Two colours where two are enough. Each round colours all sites whose neighbours of earlier rank have theirs.
    """
    order = SpanningTree.of(pairs, n_sites).order
    rank = np.empty(n_sites, dtype=np.int64)
    rank[order] = np.arange(n_sites)
    bonds = pairs[pairs[:, 0] != pairs[:, 1]]
    swap = rank[bonds[:, 0]] > rank[bonds[:, 1]]
    early, late = np.where(swap[:, None], bonds[:, ::-1], bonds).T
    waits = np.bincount(late, minlength=n_sites)
    after = sp.csr_array((np.ones(early.size), (early, late)), shape=(n_sites, n_sites))  # sums of repeated pairs
    most = int(np.bincount(bonds.ravel(), minlength=1).max(initial=0)) + 1
    taken = np.zeros((n_sites, most), dtype=bool)
    colour = np.full(n_sites, -1)
    ready = np.flatnonzero(waits == 0)
    while ready.size:
        colour[ready] = np.argmin(taken[ready], axis=1)
        followers = after[ready].tocoo()
        source, target = followers.coords
        taken[target, colour[ready][source]] = True
        waits = waits - np.bincount(target, weights=followers.data, minlength=n_sites).astype(np.int64)
        touched = np.unique(target)
        ready = touched[waits[touched] == 0]
    return colour


def require_bonds(name: str, values: Any) -> np.ndarray:
    """Return pairs of site numbers >= 0 as a new array (B, 2) of int64; an empty list has none."""
    array = real_array(name, values)
    if array.size == 0:
        array = np.zeros((0, 2), dtype=np.int64)
    if array.ndim != 2 or array.shape[1] != 2 or array.dtype.kind not in "iu":
        raise ValueError(
            f"{name} must be whole numbers in shape (B, 2), the two sites of each bond; got shape {array.shape} of "
            f"{array.dtype}"
        )
    if array.size and array.min() < 0:
        raise ValueError(f"{name} must name sites >= 0; got {array.min()}")
    return array.astype(np.int64)


def require_bond_values(name: str, values: Any, n_bonds: int, unit: str = "") -> np.ndarray:
    """Return one real number >= 0 (infinity included) for each bond as a new array (B,)."""
    array = real_array(name, values)
    if array.dtype.kind not in "iuf" and array.size:
        raise TypeError(f"{name} must be real numbers{unit}; got {values!r:.80}")
    if array.shape != (n_bonds,):
        raise ValueError(f"{name} must be one number for each of the {n_bonds} pairs; got shape {array.shape}")
    wrong = ~(array >= 0)
    if wrong.any():
        raise ValueError(f"{name} must be >= 0{unit}; got {array[wrong][0]} for bond {np.flatnonzero(wrong)[0]}")
    return array.astype(float)
