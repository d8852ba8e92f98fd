"""Independent answers by dense algebra, written from the formulas alone: counts, Tc, and the gap equation."""

from __future__ import annotations

import mpmath
import numpy as np

DIGITS = 50
ROUNDING = 1e-13  # of an eigenvalue of the kernel: a site at its threshold U = 2|x| never pairs


def count_within(matrix: np.ndarray, energy: float) -> int:
    """Return how many eigenvalues have |E| < energy, by the signs of pivots in arithmetic of 50 digits."""
    return _below(matrix, energy) - _below(matrix, -energy) if energy > 0 else 0


def _below(matrix: np.ndarray, energy: float) -> int:
    size, is_complex = len(matrix), matrix.dtype.kind == "c"
    with mpmath.workdps(DIGITS):
        number = (lambda x: mpmath.mpc(complex(x))) if is_complex else (lambda x: mpmath.mpf(float(x)))
        a = [[number(matrix[i, j]) for j in range(i + 1)] for i in range(size)]
        negative = 0
        for i in range(size):
            a[i][i] -= mpmath.mpf(energy)
        for k in range(size):
            pivot = mpmath.re(a[k][k]) or mpmath.mpf(10) ** -45
            negative += pivot < 0
            column = [a[i][k] for i in range(k + 1, size)]
            for i, left in enumerate(column, k + 1):
                if left == 0:
                    continue
                factor = left / pivot
                for j in range(k + 1, i + 1):
                    right = column[j - k - 1]
                    if right != 0:
                        a[i][j] -= factor * (mpmath.conj(right) if is_complex else right)
    return negative


def pair_kernel(h: np.ndarray, attraction: np.ndarray, norbs: int, temperature: float) -> np.ndarray:
    r"""Return ``U^(1/2) chi U^(1/2)`` with ``F = chi Delta`` to first order.

    ``F_i = c sum_ab P_ab(i) K_ab sum_j P_ab(j)^* Delta_j`` with levels a of h and b of the holes, their overlaps P on a
    site, ``K_ab = (tanh(e_a/2T) + tanh(e_b/2T))/(e_a + e_b)``, and c = 1/2 (norbs = 1) or 1/4.
    """
    e, phi = np.linalg.eigh(h)
    holes = phi.conj()
    if norbs == 2:  # sigma_y phi^*
        holes = np.stack([-1j * holes[1::2], 1j * holes[0::2]], axis=1).reshape(holes.shape)
    n = len(h) // norbs
    overlap = np.einsum("isa,isb->iab", phi.reshape(n, norbs, -1), holes.reshape(n, norbs, -1).conj())
    t, total = np.tanh(e / (2 * temperature)), e[:, None] + e
    near = abs(total) < 1e-7 * temperature
    middle = 0.5 * (e[:, None] - e)
    limit = 1 / (2 * temperature * np.cosh(np.clip(middle / (2 * temperature), -300, 300)) ** 2)
    quotient = np.where(near, limit, (t[:, None] + t) / np.where(near, 1.0, total))
    chi = np.einsum("iab,ab,jab->ij", overlap, quotient, overlap.conj(), optimize=True) / (2 * norbs)
    root = np.sqrt(attraction)
    return root[:, None] * chi * root


def highest_transition(h: np.ndarray, attraction: np.ndarray, norbs: int, lowest: float) -> float:
    """Return the highest temperature above ``lowest`` at which the largest eigenvalue is one, 0 if there is none."""
    active = attraction > 0

    def excess(temperature: float) -> float:
        kernel = pair_kernel(h, attraction, norbs, temperature)[np.ix_(active, active)]
        return float(np.linalg.eigvalsh((kernel + kernel.conj().T) / 2)[-1]) - 1

    grid = np.geomspace(attraction.max(), lowest, 160)  # no pairing above U/4
    above = grid[0]
    for temperature in grid[1:]:
        if excess(temperature) >= ROUNDING:
            low, high = temperature, above
            for _ in range(60):
                middle = np.sqrt(low * high)
                low, high = (middle, high) if excess(middle) >= ROUNDING else (low, middle)
            return float(low)
        above = temperature
    return 0.0


def gap_map(h: np.ndarray, attraction: np.ndarray, norbs: int, temperature: float, delta: np.ndarray) -> np.ndarray:
    """Return ``U_i F_i(Delta)`` from all eigenstates."""
    half = len(h)
    pairing = np.diag(np.repeat(delta, norbs))
    flip = np.kron(np.eye(half // 2), [[0, -1j], [1j, 0]]) if norbs == 2 else np.eye(half)
    holes = -(flip @ h.conj() @ flip)
    e, w = np.linalg.eigh(np.block([[h, pairing], [pairing.conj().T, holes]]))
    weight = np.tanh(e / (2 * temperature)) if temperature else np.sign(e)
    u, v = w[:half].reshape(-1, norbs, e.size), w[half:].reshape(-1, norbs, e.size)
    return attraction * np.einsum("isn,isn,n->i", u, v.conj(), weight) / (2 * norbs)
