r"""The Bogoliubov-de Gennes Hamiltonian of a system.

.. math:: H = \begin{pmatrix} h & D \\ D^\dagger & -\bar h \end{pmatrix}

with ``hbar = h*`` for norbs = 1 and ``sigma_y h* sigma_y`` for norbs = 2 (conventions: `bdg.lattices.nambu`).
"""

from __future__ import annotations

from typing import Any

import numpy as np
import scipy.sparse as sp

from bdg.base.arguments import require_system
from bdg.lattices.nambu import hole_block, particle_hole
from bdg.lattices.system import System


class BdGHamiltonian:
    """Sparse BdG matrix of a `System`, acting on (electron s N | hole s N).

    Parameters
    ----------
    system : System

    Attributes
    ----------
    matrix : CSR (2 s N, 2 s N), float64 if h and D are real, else complex128
        ``matrix[:sN, sN:]`` is D. Read-only by convention.
    system : System

    Examples
    --------
    >>> import numpy as np
    >>> import bdg
    >>> from bdg.lattices import Layer, stack
    >>> hamiltonian = bdg.BdGHamiltonian(stack([Layer(2, delta=0.3)]))
    >>> print(hamiltonian.matrix.toarray())
    [[ 0.  -1.   0.3  0. ]
     [-1.   0.   0.   0.3]
     [ 0.3  0.   0.   1. ]
     [ 0.   0.3  1.   0. ]]
    >>> energies = np.linalg.eigvalsh(hamiltonian.matrix.toarray())
    >>> print(energies.round(3))  # sqrt(t^2 + Delta^2), both signs, twice
    [-1.044 -1.044  1.044  1.044]
    """

    def __init__(self, system: System) -> None:
        self.system = require_system(system)
        pairing = system.pairing_block
        matrix = sp.bmat(
            [
                [system.hamiltonian, pairing],
                [pairing.conj().T, hole_block(system.hamiltonian, system.norbs)],
            ],
            format="csr",
        )
        matrix.eliminate_zeros()
        matrix.sort_indices()
        self.matrix = sp.csr_matrix(matrix)

    @property
    def shape(self) -> tuple[int, int]:
        """(2 s N, 2 s N)."""
        return self.matrix.shape

    @property
    def dtype(self) -> np.dtype:
        """float64 or complex128."""
        return self.matrix.dtype

    def __matmul__(self, vectors: Any) -> Any:
        """Return ``H @ vectors`` for vectors (2 s N,) or columns (2 s N, R)."""
        return self.matrix @ vectors

    def particle_hole_partner(self, vectors: Any) -> np.ndarray:
        """Return ``S psi``, which has the opposite energy; norbs = 1: (u, v) -> (-v*, u*), norbs = 2: tau_y sigma_y K.

        ``vectors`` has shape (2 s N,) or (2 s N, R).
        """
        vectors = np.asarray(vectors)
        if vectors.shape[0] != self.shape[0]:
            raise ValueError(f"vectors must have first dimension {self.shape[0]} = 2 s N; got shape {vectors.shape}")
        return particle_hole(vectors, self.system.norbs)

    def __repr__(self) -> str:
        return f"BdGHamiltonian({self.system.n_sites} sites, norbs={self.system.norbs}, {self.dtype})"
