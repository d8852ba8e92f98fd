r"""States of an array in which no phase slips: followed from current 0 until none is left, recognised nearby.

Nodes that supercurrents join are one cluster with one voltage; resistors alone carry current between clusters. Their
voltages follow from Kirchhoff's laws of the clusters, the phases within a cluster from Newton's method for

.. math:: A^T I_c \sin A \varphi = I e,

e what enters each node from outside and through resistors, for a unit current. The voltage is 0 where source and drain
are one cluster.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import scipy.sparse as sp
from scipy.linalg import cho_factor, cho_solve
from scipy.sparse.linalg import splu

from bdg.granular.bond_graph import components, laplacian, solve_grounded
from bdg.granular.dynamics.phase_flow import PhaseFlow

MOST_NEWTON, FARTHEST = 12, 0.6  # iterations; rad that the state found may lie away
DENSE = 100  # phases up to which dense factors cost less
BALANCED = 1e-12  # current that may be left at a node, in the unit of the largest critical current
FOLD = 1e-9  # to which the largest current is found, relative


class StaticStates:
    """States without slips of an array that `PhaseFlow` describes.

    Attributes
    ----------
    resistance : float
        Voltage over current in such states.
    """

    def __init__(self, flow: PhaseFlow) -> None:
        joined = flow.critical > 0
        cluster = components(flow.pairs[joined], flow.n_nodes)
        n_clusters = int(cluster.max()) + 1
        between = cluster[flow.pairs]
        unit = np.zeros((flow.n_nodes, 1))
        unit[flow.source_node] = 1.0
        drawn = np.zeros((n_clusters, 1))
        drawn[cluster[flow.source_node]] = 1.0
        ground = np.array([cluster[flow.drain]])
        voltages = solve_grounded(laplacian(between, flow.conductances, n_clusters), ground, drawn)[:, 0]
        resistive = flow.conductances * (voltages[between[:, 0]] - voltages[between[:, 1]])
        np.subtract.at(unit[:, 0], flow.pairs[:, 0], resistive)
        np.add.at(unit[:, 0], flow.pairs[:, 1], resistive)
        self.resistance = float(voltages[cluster[flow.source_node]])
        self._n_nodes, self._drain, self._cluster = flow.n_nodes, flow.drain, cluster
        fixed = np.unique(cluster, return_index=True)[1]
        self._fixed = np.where(cluster[fixed] == cluster[flow.drain], flow.drain, fixed)
        self._free = np.delete(np.arange(flow.n_nodes), self._fixed)
        self._critical = flow.critical[joined]
        incidence = flow.incidence_of(flow.pairs[joined])[:, self._free]
        self._incidence = incidence.toarray() if incidence.shape[1] <= DENSE else sp.csr_array(incidence)
        self._entry = unit[self._free, 0]

    def near(self, phases: np.ndarray, current: float) -> np.ndarray | None:
        """Return the stable state (n,) near given phases (n,), None where there is none."""
        known = np.insert(phases, self._drain, 0.0)
        offset = known[self._fixed][self._cluster]
        start = (known - offset)[self._free]
        found, scale = start, 1.0 + current
        for _ in range(MOST_NEWTON):
            differences = self._incidence @ found
            left = current * self._entry - self._incidence.T @ (self._critical * np.sin(differences))
            solve = stable_solver(self._incidence, self._critical * np.cos(differences))
            if solve is None:
                return None
            if abs(left).max(initial=0.0) <= BALANCED * scale:
                known[self._free] = found + offset[self._free]
                return np.delete(known, self._drain)
            found = found + solve(left)
            if not abs(found - start).max() <= FARTHEST:
                return None
        return None

    def follow(self, currents: np.ndarray) -> tuple[np.ndarray, float]:
        """Return the state that current, raised slowly from 0, leads to, and the largest current that it carries.

        At ``currents`` (ascending) or where the state ends, whichever comes first.
        """
        state, at = np.zeros(self._n_nodes - 1), 0.0
        step = 0.25 * float(self._critical.max(initial=0.0))
        for target in currents:
            while at < target:
                trial = min(target, at + step)
                found = self.near(state, trial)
                if found is not None:
                    state, at, step = found, trial, 2 * step
                else:
                    step = 0.5 * (trial - at)
                if step <= FOLD * target:
                    return state, at
        return state, at


def stable_solver(incidence: Any, weights: np.ndarray) -> Callable[[np.ndarray], np.ndarray] | None:
    """Return what solves with ``A^T diag(weights) A``, None where that is not positive definite."""
    if not incidence.shape[1]:
        return np.copy
    if isinstance(incidence, np.ndarray):
        try:
            factor = cho_factor(incidence.T @ (weights[:, None] * incidence))
        except np.linalg.LinAlgError:
            return None
        return lambda right: cho_solve(factor, right)
    matrix = sp.csc_matrix(incidence.T @ sp.diags_array(weights) @ incidence)
    try:
        sparse = splu(matrix, permc_spec="MMD_AT_PLUS_A", diag_pivot_thresh=0.0, options={"SymmetricMode": True})
    except RuntimeError:  # singular
        return None
    return sparse.solve if (sparse.U.diagonal() > 0).all() else None
