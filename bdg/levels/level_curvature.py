r"""First and second derivative of levels with a parameter, by perturbation theory: exact in multiplets.

With ``H(x) = H + x V + x^2 U/2 + ...`` the levels of a multiplet of energy E, states X, leave it as

.. math:: E_n(x) = E + a_n x + \tfrac12 c_n x^2 + \dots, \qquad a_n \text{ the eigenvalues of } A = X^+ V X,

and ``c_n`` those of ``B = X^+ U X + 2 X^+ V (E - H)^{-1} V X`` (the inverse outside the multiplet) among the members of
equal slope. A and B turn with the basis of the multiplet, so that neither it nor the gauge matters. Members of other
levels count as far away as they are: those of a pair that is split by w have ``c = +- 2|v|^2/w`` from each other.
Reference: T. Kato, Perturbation Theory for Linear Operators (Springer, 1966), ch. II.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import scipy.sparse as sp

from bdg.gpu.eigen.superlu import Factor
from bdg.states.multiplets import ROUNDING, multiplets

EQUAL_SLOPES = 1e-9  # of ||V x||: their mean curvature does not depend on it
OUTSIDE_TOL = 1e-12  # of the response of the states that are not known
MOST_STEPS = 400

Outside = Callable[[np.ndarray, np.ndarray], np.ndarray]  # columns b and energies E to (E - H)^-1 b outside


def level_curvatures(
    groups: list[np.ndarray],
    levels: np.ndarray,
    widths: np.ndarray,
    vectors: np.ndarray,
    first: sp.csr_matrix,
    second: sp.csr_matrix,
    outside: Outside | None,
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return curvatures (n,), their errors by rounding (n,), and the states of the branches (N, n), group after group.

    Parameters
    ----------
    groups : list of arrays of int
        Columns of ``vectors`` that form the multiplets wanted.
    levels, widths : arrays (n,)
        Energies of the columns and what rounding moves them by.
    vectors : array (N, n)
    first : CSR (N, N), anti-Hermitian
        W, with ``V = i W``: real where H is.
    second : CSR (N, N), Hermitian
        U.
    outside : function or None
        What the states that are not among ``vectors`` contribute; None if all are.
    """
    columns = np.concatenate(groups)
    every = first @ vectors
    speeds, moved = np.linalg.norm(every, axis=0), every[:, columns]
    elements = vectors.conj().T @ moved
    means = np.concatenate([np.full(group.size, levels[group].mean()) for group in groups])
    answered = moved if outside is None else outside(moved, means)
    curved = second @ vectors[:, columns]
    found: list[list[np.ndarray]] = [[], [], []]
    begin = 0
    for group in groups:
        mine = slice(begin, begin + group.size)
        begin += group.size
        others = np.ones(levels.size, dtype=bool)
        others[group] = False
        coupling, distance = elements[others, mine], (levels[group].mean() - levels[others])[:, None]
        bend = vectors[:, group].conj().T @ curved[:, mine] + 2 * coupling.conj().T @ (coupling / distance)
        if outside is not None:
            bend = bend + 2 * moved[:, mine].conj().T @ answered[:, mine]
        curvatures, turn = _branches(1j * elements[group, mine], bend, moved[:, mine])
        error = _rounding(coupling, distance, *(np.add.outer(each[others], each[group]) for each in (widths, speeds)))
        error = (error + 4 * np.finfo(float).eps * abs(np.trace(bend))) / group.size
        for values, kind in zip((curvatures, np.full(group.size, error), vectors[:, group] @ turn), found, strict=True):
            kind.append(values)
    curvature, errors = (np.concatenate(values) for values in found[:2])
    return curvature, errors, np.concatenate(found[2], axis=1)


def _rounding(coupling: np.ndarray, distance: np.ndarray, widths: np.ndarray, speeds: np.ndarray) -> float:
    """Return how far the trace of ``2 M^+ M/distance`` may be off.

    Rounding moves the levels, and mixes the states in proportion to one over their distance; not those of parts that do
    not touch, between which nothing is left but exact zeros.
    """
    eps = np.finfo(float).eps
    moves = widths * (eps / ROUNDING)
    strength, apart = abs(coupling), abs(distance)
    off = np.where(strength > 0, moves / apart * speeds, 0.0)
    terms = strength**2 * (4 * eps + moves / apart) + 2 * strength * off + off**2
    return float((2 * terms / apart).sum())


def _branches(slope: np.ndarray, bend: np.ndarray, moved: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return the curvatures of the branches that leave a multiplet, in the order of their slopes, and their states."""
    if slope.shape[0] == 1:
        return bend[0].real, np.ones((1, 1))
    slopes, turn = np.linalg.eigh(0.5 * (slope + slope.conj().T))
    bend = turn.conj().T @ bend @ turn
    bend = 0.5 * (bend + bend.conj().T)
    curvatures = np.empty(slopes.size)
    for equal in multiplets(slopes, EQUAL_SLOPES * np.linalg.norm(moved @ turn, axis=0)):
        curvatures[equal], within = np.linalg.eigh(bend[np.ix_(equal, equal)])
        turn[:, equal] = turn[:, equal] @ within
    return curvatures, turn


def outside_response(factor: Factor, shift: float, vectors: np.ndarray) -> Outside:
    """Return the function that solves ``(E - H) y = b`` outside the span of ``vectors``.

    These are all states nearer to the shift than any other. Then ``T = Q (H - shift)^-1 Q`` has no eigenvalue of
    ``1/(E - shift)`` or more in size, and ``(E - H)^-1 = -(1 - (E - shift) T)^-1 T`` suits conjugate gradients.
    """

    def project(columns: np.ndarray) -> np.ndarray:
        return columns - vectors @ (vectors.conj().T @ columns)

    def inverse(columns: np.ndarray) -> np.ndarray:
        return project(factor.solve(project(columns)))

    def solve(right_side: np.ndarray, energies: np.ndarray) -> np.ndarray:
        offset = energies - shift
        residual = -inverse(right_side)
        solution, direction = np.zeros_like(residual), residual.copy()
        norm = start = np.einsum("ij,ij->j", residual.conj(), residual).real
        for _ in range(MOST_STEPS):
            going = np.flatnonzero(norm > OUTSIDE_TOL**2 * start)
            if not going.size:
                return solution
            along = direction[:, going]
            image = along - offset[going] * inverse(along)
            step = norm[going] / np.einsum("ij,ij->j", along.conj(), image).real
            solution[:, going] += step * along
            residual[:, going] -= step * image
            fresh = np.einsum("ij,ij->j", residual[:, going].conj(), residual[:, going]).real
            direction[:, going] = residual[:, going] + (fresh / norm[going]) * along
            norm = norm.copy()
            norm[going] = fresh
        raise ArithmeticError(
            "the response of the states outside the window did not converge; take another number of levels (k), so "
            "that its end is no narrow gap"
        )

    return solve
