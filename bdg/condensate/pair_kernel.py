r"""The kernel of the linearised gap equation from the levels of the normal part: whole, with all its eigenvalues.

With eigenpairs (e_a, phi_a) of h

.. math:: \chi_{ij} = \sum_{ab} K_{ab}\, \phi_a(i) \phi_a^*(j) \phi_b(i) \phi_b^*(j), \qquad
          K_{ab} = \frac{\tanh(e_a/2T) + \tanh(e_b/2T)}{2 (e_a + e_b)}

``K = T sum_w u_w u_w^+`` with ``u_w(a) = 1/(iw - e_a)`` is positive, and about 15 vectors l make it to the last digit
(Cholesky with pivots): ``chi = sum_l P_l * P_l`` element by element, ``P_l = phi diag(l) phi^+``. For norbs = 2 the
determinants of the 2 x 2 blocks of P_l stand for the squares.

What bounds of the eigenvalues rest on, in the order of Hermitian matrices, with ``L_i = sum_a |phi_a(i)|^2 K_aa``:

- ``K_ab <= 1/4T`` and ``sum_ab |phi_a(i)|^2 .. = 1``, so no eigenvalue of ``U^(1/2) chi U^(1/2)`` exceeds max U/4T;
- ``T K(T)`` grows with T: an eigenvalue lambda < 1 at T leaves none above one down to lambda T;
- ``4T d^2 K_ab/d(ln T)^2 >= -(k_a + k_b)/2`` with ``k = 1.11 (1 + u^2)/cosh^2 u``, ``u = e/2T``, so between two
  temperatures the largest eigenvalue exceeds its chord in ln T by at most an eighth of the square of their distance
  times ``C = max_i U_i sum_a |phi_a(i)|^2 k_a/4T``;
- an error E of h moves no eigenvalue by more than ``2 E/(pi T) max(U_i L_i)``.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import scipy.linalg as sl
import scipy.sparse as sp

from bdg.base.results import Choice
from bdg.condensate.largest_root import Point
from bdg.gpu.eigen import dense

CURVATURE = 1.11  # of k above: 1.1048 is needed, at u_a = -u_b = 0.87
_STEEPEST = 1.30957  # u at which k/T is largest for a given level
LEVEL_ROUNDING = 8 * np.finfo(float).eps  # backward error of all eigenpairs relative to the norm of h
FULL = 1e-13  # truncation of K relative to its largest element 1/4T that is below rounding
MAX_RANK = 200  # of K; it grows like ln(norm of h / T) and is 30 at 1e9


def pair_weights(energies: np.ndarray, others: Any, temperature: float) -> np.ndarray:
    """Return K of levels ``energies`` with ``others``, which broadcast; no cancellation, also where the sum is zero."""
    x, y = np.broadcast_arrays(energies / (2 * temperature), np.asarray(others) / (2 * temperature))
    # tanh x + tanh y = tanh(x + y) (1 + tanh x tanh y), and 1 - |tanh x| without a difference
    p, q = (2 * np.exp(-2 * abs(z)) / (1 + np.exp(-2 * abs(z))) for z in (x, y))
    factor = np.where(np.sign(x) * np.sign(y) < 0, p + q - p * q, 2 - p - q + p * q)
    z = x + y
    shape = np.where(abs(z) < 1e-8, 1.0, np.tanh(z) / np.where(abs(z) < 1e-8, 1.0, z))
    return shape * factor / (4 * temperature)


def weight_vectors(energies: np.ndarray, temperature: float, accuracy: float) -> tuple[list[np.ndarray], float]:
    """Return vectors l with ``K = sum l l^T`` up to a positive rest, and the largest element of that rest.

    ``accuracy`` is what the rest may be.
    """
    rest = pair_weights(energies, energies, temperature)
    found: list[np.ndarray] = []
    accuracy = max(accuracy, FULL / (4 * temperature))
    while rest.max() > accuracy and len(found) < MAX_RANK:
        pivot = int(rest.argmax())
        column = pair_weights(energies, energies[pivot], temperature)
        for vector in found:
            column = column - vector * vector[pivot]
        column = column / np.sqrt(rest[pivot])
        found.append(column)
        rest = np.maximum(rest - column**2, 0.0)
        rest[pivot] = 0.0
    return found, float(rest.max())


class LevelKernel:
    """``U^(1/2) chi(T) U^(1/2)`` of a small system from all eigenpairs of h.

    Attributes
    ----------
    strongest : float
        max U.
    rounding : float
        Error of h that the rounding of its eigenpairs amounts to.
    noise : float
        Error that is there at all temperatures: none.
    applications : int
        How often the kernel was made.
    residual : float
        Of the last vector.
    """

    noise = 0.0

    def __init__(self, hamiltonian: sp.csr_matrix, attraction: np.ndarray, norbs: int, choice: Choice) -> None:
        active = np.flatnonzero(attraction > 0)
        self._norbs, self.choice = norbs, choice
        self._xp = choice.backend.xp
        if hamiltonian.shape[0] == 1:
            self._energies, vectors = hamiltonian.toarray()[0].real, np.ones((1, 1))
        else:
            self._energies, vectors = dense.eigh(hamiltonian, choice.backend)
        rows = (norbs * active[:, None] + np.arange(norbs)).ravel()
        chosen = np.asarray(vectors)[rows]
        share = (abs(chosen) ** 2).reshape(active.size, norbs, -1).mean(axis=1)
        self._share = attraction[active, None] * share  # (active sites, levels)
        self._vectors = self._xp.asarray(chosen)
        self.weight = np.sqrt(attraction[active])
        self.strongest = float(attraction.max())
        self.rounding = LEVEL_ROUNDING * float(abs(self._energies).max())
        self.applications, self.residual = 0, 0.0

    def local(self, temperature: float) -> float:
        """Return ``max U_i L_i``, which falls with temperature."""
        return float((self._share @ pair_weights(self._energies, self._energies, temperature)).max())

    def curvature(self, low: float, high: float) -> float:
        """Return C for all temperatures from ``low`` to ``high``."""
        levels = abs(self._energies)
        u = np.clip(_STEEPEST, levels / (2 * high), levels / (2 * low))
        with np.errstate(over="ignore"):
            shape = CURVATURE * (1 + u**2) / np.cosh(np.minimum(u, 300.0)) ** 2
        temperature = np.where(levels > 0, levels / (2 * np.where(u > 0, u, 1.0)), low)
        return float((self._share @ (shape / (4 * temperature))).max())

    def largest(self, temperature: float, accuracy: float, bound: bool = True) -> Point:
        """Return the largest eigenvalue and its vector; the bound comes with it, asked for or not."""
        matrix, missing = self.matrix(temperature, accuracy)
        last = [matrix.shape[0] - 1] * 2
        values, vectors = sl.eigh(matrix, subset_by_index=last, check_finite=False)
        value = float(values[0])
        error = 2 * self.rounding / (np.pi * temperature) * self.local(temperature)
        error += 4 * np.finfo(float).eps * len(matrix) * value + FULL * self.strongest / (4 * temperature)
        self.residual = float(np.linalg.norm(matrix @ vectors[:, 0] - value * vectors[:, 0]))
        return Point(value + 0.5 * missing, error + 0.5 * missing, value + missing + error, vectors[:, 0])

    def matrix(self, temperature: float, accuracy: float) -> tuple[np.ndarray, float]:
        """Return the kernel and what the exact one may exceed it by, in the order of Hermitian matrices."""
        vectors, missing = weight_vectors(self._energies, temperature, accuracy / self.strongest)
        xp, total = self._xp, 0.0
        right = self._vectors.conj().T
        for vector in vectors:
            product = (self._vectors * xp.asarray(vector)) @ right
            if self._norbs == 1:
                total = total + product * product
            else:
                total = total + product[0::2, 0::2] * product[1::2, 1::2]
                total = total - product[0::2, 1::2] * product[1::2, 0::2]
        self.applications += 1
        host = self.choice.backend.to_host(total)
        return self.weight[:, None] * host * self.weight, missing * self.strongest
