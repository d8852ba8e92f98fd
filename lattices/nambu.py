r"""Conventions of the Nambu (electron-hole) space: stated here once, used everywhere.

The normal Hamiltonian ``h`` (with ``-mu`` inside) acts on ``s N`` orbitals, index ``s * site + spin``; ``s = norbs`` is
1 (spin-degenerate) or 2 (spin up, down). The BdG Hamiltonian acts on (electron ``s N`` | hole ``s N``).

``norbs = 1``: spinor (u_up, v_down), ``H = [[h, D], [D*, -h*]]`` with D = D^T.
Particle-hole partner ``S (u, v) = (-v*, u*)``, ``H S = -S H``, ``S^2 = -1``.

``norbs = 2``: basis (c_up, c_dn, c_dn^+, -c_up^+), ``H = [[h, D], [D^+, -sigma_y h* sigma_y]]`` with
``D = sigma_y D^T sigma_y``. Singlet pairing is Delta times the identity, triplet pairing is ``d . sigma``.
A Zeeman term ``B . sigma`` keeps its sign in both blocks. Partner ``S = tau_y sigma_y K``, ``S^2 = +1``.

``Delta_i = U_i F_i`` with attraction ``U_i >= 0`` and ``F_i`` the singlet pair amplitude
``(<c_up c_dn> - <c_dn c_up>)/2``: for norbs = 1 ``F_i = 1/2 sum_n u_n v_n* tanh(E_n/2T)`` over all 2N states, for
norbs = 2 ``F_i = 1/4 sum_n sum_s u_ns v_ns* tanh(E_n/2T)`` over all 4N states.

Library calls are unit-free: energies in the unit of the hopping, ``temperature`` means k_B T in that unit.
The charge of the carrier is e: ``h_ij`` gets ``exp(i (e/hbar) int_j^i A.dl)`` with i = to (row), j = from (column).
"""

from __future__ import annotations

from typing import Any

import numpy as np
import scipy.sparse as sp

SIGMA_0 = np.eye(2)
SIGMA_X = np.array([[0.0, 1.0], [1.0, 0.0]])
SIGMA_Y = np.array([[0.0, -1.0j], [1.0j, 0.0]])
SIGMA_Z = np.array([[1.0, 0.0], [0.0, -1.0]])

_I_SIGMA_Y = np.array([[0.0, 1.0], [-1.0, 0.0]])  # i sigma_y, real


def spin_flip(matrix: sp.csr_matrix, norbs: int) -> sp.csr_matrix:
    """Return ``matrix`` (norbs = 1) or ``sigma_y matrix sigma_y`` (norbs = 2), exactly real if ``matrix`` is.

    ``sigma_y M sigma_y = (i sigma_y) M (i sigma_y)^T``: only signs and positions within each 2 x 2 block change.
    """
    if norbs == 1:
        return matrix
    flip = sp.kron(sp.identity(matrix.shape[0] // 2, format="csr"), _I_SIGMA_Y, format="csr")
    return (flip @ matrix @ flip.T).tocsr()


def hole_block(hamiltonian: sp.csr_matrix, norbs: int) -> sp.csr_matrix:
    """Return the hole block: ``-h*`` for norbs = 1, ``-sigma_y h* sigma_y`` for norbs = 2."""
    return -spin_flip(hamiltonian.conj(), norbs)


def pairing_matrix(delta: np.ndarray, pairing: sp.csr_matrix | None, norbs: int) -> sp.csr_matrix:
    """Return the pairing block D (s N, s N): on-site singlet ``delta`` plus further ``pairing``."""
    onsite = sp.diags_array(np.repeat(delta, norbs), format="csr")
    total = sp.csr_matrix(onsite if pairing is None else onsite + pairing)
    total.sort_indices()
    return total


def pairing_partner(pairing: sp.csr_matrix, norbs: int) -> sp.csr_matrix:
    """Return ``D^T`` (norbs = 1) or ``sigma_y D^T sigma_y`` (norbs = 2), which equals D for fermions."""
    return spin_flip(sp.csr_matrix(pairing.T), norbs)


def phase_factor(phase: np.ndarray) -> np.ndarray:
    """Return exp(i phase), real where every phase is a whole multiple of pi to rounding."""
    half_turns = np.round(phase / np.pi)
    if (abs(phase - half_turns * np.pi) <= 4 * np.finfo(float).eps * np.maximum(abs(phase), 1)).all():
        return np.where(half_turns % 2 == 0, 1.0, -1.0)
    return np.exp(1j * phase)


def particle_hole(states: Any, norbs: int) -> np.ndarray:
    """Return ``S psi``, the partner at the opposite energy, of vectors (2 s N,) or columns (2 s N, R).

    norbs = 1: (u, v) -> (-v*, u*). norbs = 2: tau_y sigma_y K.
    """
    states = np.asarray(states)
    half = states.shape[0] // 2
    u, v = states[:half].conj(), states[half:].conj()
    if norbs == 1:
        return np.concatenate([-v, u])
    # tau_y sigma_y (u*, v*) = (-(i sigma_y) v*, (i sigma_y) u*)
    return np.concatenate([-_apply_i_sigma_y(v), _apply_i_sigma_y(u)])


def _apply_i_sigma_y(vector: np.ndarray) -> np.ndarray:
    out = np.empty_like(vector)
    out[0::2] = vector[1::2]
    out[1::2] = -vector[0::2]
    return out
