r"""The overdamped motion of the phases of junctions without noise, many currents as columns.

Each bond carries ``I_c sin(gamma) + G V``, ``V = (hbar/2e) d(gamma)/dt``, ``gamma = phi_i - phi_j``, and Kirchhoff's
laws hold at each node. With the Laplacian L of the conductances, factorised once, and the time in units of hbar/2e,

.. math:: L \dot\varphi = I q - A^T (I_c \sin A \varphi),

A the incidence of bonds, q the current's entry (the drain is at phase 0). Steps are those of Dormand and Prince (order
5), each column with a step of its own: errors below `PHASE_ERROR` in each phase, and within the range of stability,
``h max(I_c/G) < 3.3``: stiffness is never left to the control of errors, whose steps would rattle there.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import scipy.sparse as sp
from scipy.linalg import cho_factor, cho_solve
from scipy.sparse.linalg import splu

from bdg.granular.bond_graph import laplacian

PHASE_ERROR = 1e-5  # rad, in one step
DENSE = 800  # nodes up to which one product with the inverse costs less than two sparse substitutions
SMALL = 10_000  # elements of a dense matrix that costs less than a sparse one
_STABLE = 2.5  # of the 3.3 on the negative axis
_STAGES = tuple(
    np.array(weights)
    for weights in (
        [1 / 5],
        [3 / 40, 9 / 40],
        [44 / 45, -56 / 15, 32 / 9],
        [19372 / 6561, -25360 / 2187, 64448 / 6561, -212 / 729],
        [9017 / 3168, -355 / 33, 46732 / 5247, 49 / 176, -5103 / 18656],
        [35 / 384, 0.0, 500 / 1113, 125 / 192, -2187 / 6784, 11 / 84],
    )
)
_ERROR = np.array([71 / 57600, 0.0, -71 / 16695, 71 / 1920, -17253 / 339200, 22 / 525, -1 / 40])


def grounded_inverse(matrix: sp.csc_array, dtype: type = np.float64) -> Inverse:
    """Return what applies the inverse of a positive definite matrix to columns; a dense one is kept in ``dtype``."""
    if matrix.shape[0] <= DENSE:
        dense = cho_solve(cho_factor(matrix.toarray()), np.eye(matrix.shape[0]))
        return Inverse(dense.astype(dtype), None)
    factor = splu(
        sp.csc_matrix(matrix), permc_spec="MMD_AT_PLUS_A", diag_pivot_thresh=0.0, options={"SymmetricMode": True}
    )
    return Inverse(None, factor)


class Inverse:
    """The inverse of a matrix, dense or as sparse factors."""

    def __init__(self, dense: np.ndarray | None, factor: object) -> None:
        self._dense, self._factor = dense, factor

    def __matmul__(self, right: np.ndarray) -> np.ndarray:
        if self._dense is not None:
            return self._dense @ right
        found: np.ndarray = self._factor.solve(np.ascontiguousarray(right))  # type: ignore[attr-defined]
        return found


@dataclass(frozen=True, eq=False)
class Track:
    """The phase of the source and its velocity at all steps of K columns, arrays (S, K); some steps have no length."""

    time: np.ndarray
    phase: np.ndarray
    velocity: np.ndarray
    steps: int


class PhaseFlow:
    """Phases (n, K) of the nodes but the drain, against phase 0 there.

    Parameters
    ----------
    pairs : array (B, 2)
    critical, conductances : arrays (B,)
        In units of their own; their ratio is that of the voltages.
    n_nodes, source, drain : int
    """

    def __init__(
        self, pairs: np.ndarray, critical: np.ndarray, conductances: np.ndarray, n_nodes: int, source: int, drain: int
    ) -> None:
        self.pairs, self.critical, self.conductances = pairs, critical, conductances
        self.n_nodes, self.source_node, self.drain = n_nodes, source, drain
        free = np.delete(np.arange(n_nodes), drain)
        self.source = int(np.searchsorted(free, source))
        self._inverse = grounded_inverse(laplacian(pairs, conductances, n_nodes)[:, free][free])
        entry = np.zeros((free.size, 1))
        entry[self.source] = 1.0
        self._entry = self._inverse @ entry
        self.longest_step = _STABLE / float((critical / conductances).max())
        incidence = self.incidence_of(pairs)[:, free]
        if incidence.shape[0] * incidence.shape[1] <= SMALL:
            self._incidence, self._response = incidence.toarray(), self._inverse @ (incidence.T * critical).toarray()
        else:
            self._incidence, self._response = incidence, None
            self._divergence = sp.csr_array(incidence.T * critical)

    def incidence_of(self, pairs: np.ndarray) -> sp.csr_array:
        """Return the matrix (b, n_nodes) that takes phases to their differences across bonds."""
        bonds = np.arange(len(pairs))
        ends = np.repeat([1.0, -1.0], bonds.size), (np.tile(bonds, 2), pairs.T.ravel())
        return sp.csr_array(ends, shape=(bonds.size, self.n_nodes))

    @property
    def resistance(self) -> float:
        """Between source and drain, of the conductances alone."""
        return float(self._entry[self.source, 0])

    def velocity(self, phases: np.ndarray, currents: np.ndarray) -> np.ndarray:
        """Return the voltages (n, K) of the nodes."""
        sines = np.sin(self._incidence @ phases)
        drawn = self._inverse @ (self._divergence @ sines) if self._response is None else self._response @ sines
        return self._entry * currents - drawn

    def advance(
        self,
        phases: np.ndarray,
        currents: np.ndarray,
        start: np.ndarray,
        until: np.ndarray,
        most_steps: int,
        tracked: bool = True,
    ) -> tuple[np.ndarray, np.ndarray, Track]:
        """Return phases and times (K,) of columns that started at ``start`` and go on to ``until``, and their track.

        Without ``tracked`` of its first and last moments alone.
        """
        time, step = start.copy(), np.full(currents.size, self.longest_step)
        velocity = self.velocity(phases, currents)
        stages = np.empty((7, *phases.shape))
        flat = stages.reshape(7, -1)
        seen = [(time, phases[self.source], velocity[self.source])]
        steps = 0
        for _ in range(most_steps):
            left = until - time
            if not (left > 0).any():
                break
            steps += 1
            taken = np.minimum(step, left)
            stages[0] = velocity
            for number, weights in enumerate(_STAGES, 1):
                moved = phases + taken * (weights @ flat[:number]).reshape(phases.shape)
                stages[number] = self.velocity(moved, currents)
            excess = taken * abs((_ERROR @ flat).reshape(phases.shape)).max(axis=0) / PHASE_ERROR
            good = excess <= 1
            phases, velocity = np.where(good, moved, phases), np.where(good, stages[-1], velocity)
            time = np.where(good, np.where(taken < left, time + taken, until), time)
            grown = taken * np.clip(0.9 * np.maximum(excess, 1e-10) ** -0.2, 0.2, 5.0)
            step = np.minimum(np.where(good & (taken < step), step, grown), self.longest_step)
            if tracked or steps == 1:
                seen.append((time, phases[self.source], velocity[self.source]))
            else:
                seen[1] = time, phases[self.source], velocity[self.source]
        times, at_source, speeds = (np.array(values) for values in zip(*seen, strict=True))
        return phases, time, Track(times, at_source, speeds, steps)
