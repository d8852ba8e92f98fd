"""What a field of a `System` may be: each function returns it as it is kept, or says what is wrong with it."""

from __future__ import annotations

from typing import Any

import numpy as np
import scipy.sparse as sp

from bdg.lattices.geometry import Period
from bdg.lattices.nambu import pairing_partner

SYMMETRY_TOLERANCE = 1e-12  # relative to the largest entry: rounding of a few operations, far below any physical term
NEARLY = 1e-3  # of the largest element: an asymmetry below may be what somebody else's rounding left


def read_only(array: np.ndarray) -> np.ndarray:
    """Return ``array``, or a copy of a view, closed for writing."""
    if array.flags.writeable:
        array = array.copy() if array.base is not None else array
        array.flags.writeable = False
    return array


def spin_count(norbs: Any) -> int:
    """Return the number of orbitals a site, 1 or 2."""
    if isinstance(norbs, bool | np.ndarray) or norbs not in (1, 2):
        raise ValueError(f"norbs must be 1 (spin-degenerate) or 2 (spin up, down); got {norbs!r:.80}")
    return int(norbs)


def site_positions(positions: Any) -> np.ndarray:
    """Return positions (N, dim); a list of N numbers is a chain."""
    try:
        array = np.array(positions)
    except ValueError as error:
        raise TypeError(f"positions must be one point a site, all of the same dimension ({error})") from error
    if array.size == 0:
        raise ValueError("the system is empty: it has no sites")
    if array.dtype.kind not in "iuf":
        raise TypeError(f"positions must be real numbers, shape (N, dim); got dtype {array.dtype}")
    array = array.astype(float)
    if array.ndim == 1:
        array = array[:, None]
    if array.ndim != 2:
        raise ValueError(f"positions must have shape (N, dim); got {array.shape}")
    if not np.isfinite(array).all():
        raise ValueError("positions must be finite; got NaN or infinity")
    return array


def normal_part(hamiltonian: Any, size: int, norbs: int) -> sp.csr_matrix:
    """Return h as CSR (size, size), Hermitian to the last bit: what rounding left of ``h - h^+`` is averaged away."""
    csr = _sparse("hamiltonian", hamiltonian, size, norbs)
    adjoint = csr.conj().T.tocsr()
    difference = abs(csr - adjoint)
    defect, scale = _largest(difference), _largest(csr)
    if defect > SYMMETRY_TOLERANCE * scale:
        row, column = np.unravel_index(int(difference.argmax()), csr.shape)
        raise ValueError(
            f"hamiltonian is not Hermitian: max|h - h^dagger| = {defect:.3g} at ({row}, {column}), max|h| = "
            f"{scale:.3g}. Each hopping h_ij needs its partner h_ji = conj(h_ij), and onsite energies must be real."
            + _nearly("hamiltonian", "h", "(h + h.conj().T)/2", defect, scale)
        )
    return csr if defect == 0 else _sparse("hamiltonian", 0.5 * (csr + adjoint), size, norbs)


def _nearly(name: str, symbol: str, cure: str, defect: float, scale: float) -> str:
    """Return how far a matrix is off that is nearly right, and how to mend it."""
    if not cure or defect > NEARLY * scale:
        return ""
    return (
        f" It is off by {defect / scale:.1e} of max|{symbol}|, more than rounding leaves (up to "
        f"{SYMMETRY_TOLERANCE:.0e}): if that is what it is, give {name}={cure}"
    )


def pairing_part(pairing: Any, size: int, norbs: int) -> sp.csr_matrix | None:
    """Return bond pairing as CSR (size, size) that obeys Fermi statistics to the last bit, or None."""
    if pairing is None:
        return None
    csr = _sparse("pairing", pairing, size, norbs)
    partner = pairing_partner(csr, norbs)
    defect, scale = _largest(csr - partner), _largest(csr)
    if defect > SYMMETRY_TOLERANCE * scale:
        rule = "symmetric, D = D^T" if norbs == 1 else "D = sigma_y D^T sigma_y"
        raise ValueError(
            f"pairing must obey Fermi statistics ({rule} for norbs = {norbs}); the rule is missed by {defect:.3g} "
            f"with max|D| = {scale:.3g}." + _nearly("pairing", "D", "(D + D.T)/2" if norbs == 1 else "", defect, scale)
        )
    return csr if defect == 0 else _sparse("pairing", 0.5 * (csr + partner), size, norbs)


def axis_periods(period: Any, dim: int) -> Period:
    """Return one box length or None an axis."""
    if period is None:
        return (None,) * dim
    lengths = np.atleast_1d(np.array(period, dtype=object)).tolist()
    if any(isinstance(length, bool | np.bool_ | str) for length in lengths):
        raise TypeError(f"period must be box lengths, or None where an axis is open, not flags or text; got {period!r}")
    values = tuple(None if length is None else float(length) for length in lengths)
    if len(values) != dim:
        raise ValueError(f"period must have one entry an axis ({dim}), a length or None; got {period!r}")
    if any(length is not None and not (np.isfinite(length) and length > 0) for length in values):
        raise ValueError(f"period must be positive box lengths or None; got {period!r}")
    return values


def _sparse(name: str, matrix: Any, size: int, norbs: int) -> sp.csr_matrix:
    """Return an own CSR copy of ``matrix``, sorted, without stored zeros off the diagonal, real if it can be."""
    if not sp.issparse(matrix):
        matrix = np.asarray(matrix)
    if matrix.dtype.kind == "b":
        raise TypeError(f"{name} must be numbers; got booleans. Multiply by what a True stands for (-t * neighbours)")
    if matrix.dtype.kind not in "iufc" or matrix.ndim != 2:
        raise TypeError(
            f"{name} must be a square matrix of numbers (dense or sparse); got {type(matrix).__name__} "
            f"with dtype {matrix.dtype} and shape {matrix.shape}"
        )
    csr = sp.csr_matrix(matrix, copy=True)
    if csr.shape != (size, size):
        raise ValueError(
            f"{name} must have shape ({size}, {size}) for {size // norbs} sites with norbs = {norbs}; got {csr.shape}"
        )
    if not np.isfinite(csr.data).all():
        raise ValueError(f"{name} must be finite; got NaN or infinity")
    real = csr.dtype.kind != "c" or not csr.data.imag.any()
    csr = sp.csr_matrix(csr.real if real else csr).astype(float if real else complex)
    csr.sum_duplicates()
    csr.eliminate_zeros()
    csr.sort_indices()
    for part in (csr.data, csr.indices, csr.indptr):
        part.flags.writeable = False
    return csr


def _largest(matrix: sp.csr_matrix) -> float:
    return float(abs(matrix).max()) if matrix.nnz else 0.0
