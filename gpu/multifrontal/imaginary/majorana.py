r"""Selected inverse of ``i w - H`` in real arithmetic.

Where the particle-hole operator ``S = U K`` squares to +1 (spinful systems; spinless p-wave), the vectors with
``S m = m`` form a basis on every site, the Majorana basis, in which ``X = i H`` is real and antisymmetric. So

.. math:: Q = w + X, \qquad G(i w) = (i w - H)^{-1} = -i\, M Q^{-1} M^\dagger

costs a quarter of the complex factorisation. The symmetric part of every Schur complement of Q is at least w: no
pivoting is needed. Where a local matrix C = C^T with C^2 = 1 anticommutes with X (H real up to a phase of all pairing
or a rotation of all spins), its eigenvectors make X off-diagonal, and changing the sign of half of the rows of Q gives
a real symmetric quasi-definite matrix ``[[w, x], [x^T, -w]]``, which halves the work again.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import scipy.sparse as sp

from bdg.gpu.device.backend import Backend
from bdg.gpu.device.memory import require_memory
from bdg.gpu.multifrontal.analysis.pattern import BlockMatrix, SitePattern
from bdg.gpu.multifrontal.analysis.symbolic import Symbolic
from bdg.gpu.multifrontal.factors.factor import Factor
from bdg.gpu.multifrontal.factors.selected_inverse import Restriction, SelectedInverse, selected_inverse

_SYMMETRIC_TO = 1e-10  # of max|H|: as strict as the input may miss Hermiticity
_CHIRAL_TO = 1e-13  # of the largest element of a site: what the symmetric form drops


@dataclass(frozen=True, eq=False)
class MajoranaForm:
    """``X = i H`` as a real antisymmetric matrix; made once, used at all frequencies.

    Attributes
    ----------
    matrix : BlockMatrix
        X, float64, on the pattern of H.
    basis : array (nd, nd), complex
        M: the basis vectors of each site are its columns.
    signs : array (nd,) of +-1, or None
        ``signs_i X_ij`` is symmetric; None where no basis makes it so.
    """

    matrix: BlockMatrix
    basis: np.ndarray
    signs: np.ndarray | None

    @classmethod
    def of(cls, hamiltonian: BlockMatrix, particle_hole: np.ndarray) -> MajoranaForm:
        """Return the Majorana form of a Hamiltonian.

        Parameters
        ----------
        hamiltonian : BlockMatrix
            H, Hermitian, with ``U H* U^+ = -H``, all nd rows of a site in one block.
        particle_hole : array (nd, nd)
            U, the same on every site, ``U U* = 1``.

        Raises
        ------
        ValueError
            If U does not square to +1, or H is not Hermitian or not particle-hole symmetric.
        """
        basis = majorana_basis(particle_hole, hamiltonian.pattern.rows_per_site)
        largest = float(abs(hamiltonian.blocks).max())
        turned = 1j * (basis.conj().T @ hamiltonian.blocks @ basis)
        _require_small(turned.imag, largest, hamiltonian.pattern, "obey the particle-hole symmetry U H* U^+ = -H")
        swapped = turned.real[hamiltonian.pattern.transposed].swapaxes(1, 2)
        _require_small(turned.real + swapped, largest, hamiltonian.pattern, "be Hermitian")
        blocks = (turned.real - swapped) / 2
        scales = hamiltonian.pattern.scales(blocks)
        found = _chiral_basis(blocks / np.where(scales > 0, scales, 1.0)[:, None, None])
        signs = None
        if found is not None:
            rotation, found_signs = found
            rotated = rotation.T @ blocks @ rotation
            even = found_signs[:, None] == found_signs
            if (abs(rotated[:, even]).max(axis=1, initial=0.0) <= _CHIRAL_TO * scales).all():
                rotated[:, even] = 0.0
                rotated = (rotated - rotated[hamiltonian.pattern.transposed].swapaxes(1, 2)) / 2
                blocks, basis, signs = rotated, basis @ rotation, found_signs
        return cls(_block_matrix(hamiltonian.pattern, blocks), basis, signs)


def majorana_basis(particle_hole: np.ndarray, size: int) -> np.ndarray:
    """Return unitary M (size, size) with ``U M* = M``, which is ``U = M M^T`` (L. Autonne 1915, T. Takagi 1925)."""
    operator = np.asarray(particle_hole, dtype=complex)
    if operator.shape != (size, size):
        raise ValueError(f"particle_hole must have shape {(size, size)}, the rows of a site; got {operator.shape}")
    square = operator @ operator.conj()
    if abs(square - np.eye(size)).max() > 1e-12:
        minus = abs(square + np.eye(size)).max() <= 1e-12
        raise ValueError(
            "the particle-hole operator must square to +1, U U* = 1"
            + ("; it squares to -1: use QuaternionFactor" if minus else f"; got U U* =\n{square}")
        )
    if abs(operator @ operator.conj().T - np.eye(size)).max() > 1e-12:
        raise ValueError("the particle-hole operator must be unitary")
    # U is symmetric and unitary: its real and imaginary part are real symmetric and commute
    _, vectors = np.linalg.eigh(operator.real + np.sqrt(0.4) * operator.imag)
    values = np.einsum("ki,kl,li->i", vectors, operator, vectors)
    return vectors * np.sqrt(values)


def _chiral_basis(blocks: np.ndarray) -> tuple[np.ndarray, np.ndarray] | None:
    """Return the eigenvectors and signs of a symmetric C that anticommutes with all blocks, or None.

    The symmetric solutions of ``C X_b + X_b C = 0`` form a linear space; any odd function of a solution is one too.
    """
    nd = blocks.shape[1]
    row, column = np.triu_indices(nd)
    symmetric = np.zeros((row.size, nd, nd))  # an orthogonal basis of the symmetric matrices
    symmetric[np.arange(row.size), row, column] = symmetric[np.arange(row.size), column, row] = 1.0
    symmetric /= np.linalg.norm(symmetric, axis=(1, 2))[:, None, None]
    unit = np.eye(nd)
    both = np.einsum("aij,kl->aikjl", symmetric, unit) + np.einsum("alk,ij->aikjl", symmetric, unit)  # C X + X C
    both = both.reshape(row.size, nd * nd, nd * nd)
    flat = blocks.reshape(len(blocks), -1)
    gram = np.einsum("apq,qr,epr->ae", both, flat.T @ flat, both, optimize=True)
    values, vectors = np.linalg.eigh(gram)
    free = values <= 1e-12 * max(values[-1], np.finfo(float).tiny)
    if not free.any():
        return None
    mixture = vectors[:, free] @ np.random.default_rng(0).standard_normal(np.count_nonzero(free))
    signs, rotation = np.linalg.eigh(np.einsum("a,aij->ij", mixture, symmetric))
    if abs(signs).min() < 1e-3 * abs(signs).max():
        return None
    return rotation, np.sign(signs)


def _require_small(defect: np.ndarray, largest: float, pattern: SitePattern, rule: str) -> None:
    worst = float(abs(defect).max())
    if worst > _SYMMETRIC_TO * largest:
        block = int(abs(defect).max(axis=(1, 2)).argmax())
        raise ValueError(
            f"hamiltonian must {rule}; missed by {worst:.3g} between sites {pattern.first[block]} and "
            f"{pattern.second[block]}, max|H| = {largest:.3g}. Use Factor for matrices without this symmetry"
        )


def _block_matrix(pattern: SitePattern, blocks: np.ndarray) -> BlockMatrix:
    nd = pattern.rows_per_site
    rows = np.broadcast_to(pattern.rows[pattern.first][:, :, None], blocks.shape)
    columns = np.broadcast_to(pattern.rows[pattern.second][:, None, :], blocks.shape)
    shape = (pattern.n_sites * nd,) * 2
    return BlockMatrix(pattern, blocks, sp.csr_matrix((blocks.ravel(), (rows.ravel(), columns.ravel())), shape=shape))


@dataclass(frozen=True, eq=False)
class MajoranaInverse:
    """Blocks of ``(i w - H)^-1`` between connected sites, kept as the real blocks of ``Q^-1``.

    Attributes
    ----------
    inverse : SelectedInverse
        Real; of Q, or of Q with the signs of its rows changed.
    form : MajoranaForm
    """

    inverse: SelectedInverse
    form: MajoranaForm

    def blocks(self, xp: Any, numbers: Any = None) -> Any:
        """Return blocks (n, nd, nd) of G, complex, in the basis of H, for all or some block numbers of the pattern."""
        basis, signs = self.form.basis, self.form.signs
        right = basis.conj().T if signs is None else signs[:, None] * basis.conj().T
        real = self.inverse.blocks if numbers is None else self.inverse.blocks[xp.asarray(numbers)]
        return xp.matmul(xp.matmul(xp.asarray(-1j * basis), real.astype(np.complex128)), xp.asarray(right))

    def diagonal(self, xp: Any) -> Any:
        """Return the blocks of each site with itself, (N, nd, nd)."""
        return self.blocks(xp, self.inverse.pattern.diagonal)


class MajoranaFactor:
    """Real factors of ``Q = w + i H`` in the Majorana basis.

    Parameters
    ----------
    symbolic : Symbolic
        Of the pattern that ``form`` is on.
    form : MajoranaForm
    frequency : float
        w > 0.
    backend : Backend
    single : bool
        Single precision: enough for 1e-6 from w of about 0.1 t on.
    log_determinant : bool
        Also prepare `log_determinant`.

    Attributes
    ----------
    symmetric : bool
        Real symmetric, by changing signs of rows: half the work and memory of the general form.
    kept_bytes : int

    Raises
    ------
    ValueError
        If the form is on another pattern, or w is not positive.
    MemoryBudgetError
        If the predicted peak does not fit.
    """

    def __init__(
        self,
        symbolic: Symbolic,
        form: MajoranaForm,
        frequency: float,
        backend: Backend,
        *,
        single: bool = False,
        log_determinant: bool = False,
    ) -> None:
        if not (np.isfinite(frequency) and frequency > 0):
            raise ValueError(f"frequency must be finite and > 0; got {frequency!r}")
        self.symbolic, self.form, self.frequency, self.backend = symbolic, form, float(frequency), backend
        self.symmetric = form.signs is not None
        if form.signs is None:
            matrix, shift = _scaled(form.matrix, None, 0.0), self.frequency
        else:
            matrix, shift = _scaled(form.matrix, form.signs, self.frequency), 0.0
        self.factor = Factor(
            symbolic, matrix, shift, backend, static_pivot=0.0, single=single, log_determinant=log_determinant
        )
        self.dtype, self.kept_bytes = self.factor.dtype, self.factor.kept_bytes

    def log_determinant(self) -> float:
        """Return log|det(i w - H)|."""
        return self.factor.slogdet()[1]

    def selected_inverse(self, restriction: Restriction | None = None, release: bool = False) -> MajoranaInverse:
        """Return the blocks of ``(i w - H)^-1`` between connected sites, or those that a `Restriction` keeps.

        Raises
        ------
        MemoryBudgetError
            If the predicted peak does not fit.
        """
        predicted = self.factor.predicted_memory
        if restriction is None:
            require_memory(
                predicted.selected_inverse_peak - predicted.kept,
                self.backend,
                f"the selected inverse of {self.symbolic.n_rows} rows in {self.dtype}",
                "Restrict it to the sites that are wanted (Restriction).",
            )
        # The contraction that Factor asks for at real z is not needed: the symmetric part of Q is at least w.
        return MajoranaInverse(selected_inverse(self.factor.stored, restriction, release), self.form)


def _scaled(matrix: BlockMatrix, signs: np.ndarray | None, frequency: float) -> BlockMatrix:
    """Return ``-X``, or ``-s (X + w)`` with the signs s of the rows: what `Factor` subtracts from its shift."""
    if signs is None:
        return BlockMatrix(matrix.pattern, -matrix.blocks, -matrix.matrix)
    blocks = -signs[:, None] * matrix.blocks
    blocks[matrix.pattern.diagonal] -= np.diag(signs * frequency)
    of_row = np.empty(matrix.pattern.n_rows)
    of_row[matrix.pattern.rows] = signs
    scale = sp.diags_array(of_row, format="csr")
    return BlockMatrix(matrix.pattern, blocks, sp.csr_matrix(-(scale @ matrix.matrix) - frequency * scale))
