r"""Thick-restarted block Lanczos on an inverse: the eigenvalues of smallest modulus of a large matrix.

Two operators are driven by the same code.

*Hermitian*: ``x -> H^-1 x``. The projection ``B = Q^+ H^-1 Q`` is Hermitian and its eigenvalues approach ``1/E``.

*Takagi*: ``c -> conj(A^-1 c)`` with ``A = A^T`` complex symmetric, antilinear. With a basis ``Q`` the projection
``B = Q^+ conj(A^-1 Q)`` is complex symmetric; its Takagi factorisation ``B = V Sigma V^T``, Sigma >= 0, gives Ritz
vectors ``Q V`` with ``A conj(c) = E c``, ``E = 1/Sigma`` (R. A. Horn and C. R. Johnson, Matrix Analysis, section 4.4).
For a BdG matrix with real h and D, ``c = u + i v`` and ``A = h + i D``, this halves dimension and work, and the partner
at -E is ``i c``.

Full orthogonalisation, twice, keeps the basis orthonormal to rounding; the restart keeps the best Ritz vectors and the
residual block (K. Wu and H. Simon, SIAM J. Matrix Anal. Appl. 22, 602 (2000)).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from bdg.gpu.backend import Backend


@dataclass(eq=False)
class RitzPairs:
    """Ritz values of the inverse (largest first), vectors (n, m) on the device, their residuals, and the work done.

    ``residuals`` are ``||f(x) - theta x||`` of the operator that was iterated, not of its inverse.
    """

    values: np.ndarray
    vectors: Any
    residuals: np.ndarray
    solves: int
    restarts: int
    converged: bool


def takagi(matrix: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return ``sigma >= 0`` (descending) and unitary V with ``matrix = V diag(sigma) V^T``, for complex symmetric ones.

    The real symmetric matrix ``[[Re, Im], [Im, -Re]]`` has the eigenvalues +-sigma, and its eigenvector (x, y) at sigma
    is the column ``v = x + i y`` of V: ``matrix conj(v) = sigma v``.
    """
    size = matrix.shape[0]
    real, imaginary = matrix.real, matrix.imag
    doubled = np.block([[real, imaginary], [imaginary, -real]])
    values, vectors = np.linalg.eigh((doubled + doubled.T) / 2)
    upper = np.argsort(-values, kind="stable")[:size]
    columns = vectors[:size, upper] + 1j * vectors[size:, upper]
    # at sigma > 0 the columns are orthonormal over the complex numbers, because i v belongs to -sigma; at sigma = 0
    # v and i v share an eigenspace, and the upper half of the spectrum may hold both
    orthonormal, triangle = np.linalg.qr(columns)
    if np.abs(np.abs(np.diag(triangle)) - 1).max() > 1e-8:
        return _takagi_with_null_space(matrix, values[upper], columns)
    return values[upper], columns


def _takagi_with_null_space(
    matrix: np.ndarray, values: np.ndarray, columns: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Complete the columns of nonzero sigma to a unitary matrix; any completion will do at sigma = 0."""
    nonzero = values > 1e-12 * max(values[0], np.finfo(float).tiny)
    good = columns[:, nonzero]
    basis, _, _ = np.linalg.svd(good, full_matrices=True)
    unitary = np.concatenate([good, basis[:, good.shape[1] :]], axis=1)
    return np.where(nonzero, values, 0.0), unitary


def inverse_lanczos(
    apply: Callable[[Any], Any],
    size: int,
    wanted: int,
    *,
    antilinear: bool,
    dtype: Any,
    backend: Backend,
    seed: int,
    tol: float,
    block: int = 1,
    max_dimension: int | None = None,
    max_solves: int | None = None,
    known: Any = None,
) -> RitzPairs:
    """Return the ``wanted`` Ritz pairs of largest modulus of an inverse.

    Parameters
    ----------
    apply : callable
        ``Y -> H^-1 Y`` (Hermitian) or ``Y -> conj(A^-1 Y)`` (Takagi, ``antilinear=True``) on columns (n, b).
    size : int
        n.
    wanted : int
        Pairs to converge; for the Takagi form one per +-E.
    tol : float
        Residual relative to the Ritz value at which a pair counts as converged.
    block : int
        Columns solved at once: 1 to 4 on a CPU, 4 to 8 on a GPU, where a solve costs the same for all of them.
    max_dimension : int, optional
        Columns of the basis before a restart; default ``max(64, 2 wanted + 2 block)``.
    max_solves : int, optional
        Columns solved before giving up (``converged`` is then False); default ``40 wanted + 400``.
    known : array (n, m), optional
        Orthonormal columns to stay orthogonal to.
    """
    xp = backend.xp
    limit = min(size, max_dimension or max(64, 2 * wanted + 2 * block))
    budget = max_solves or 40 * wanted + 400
    rng = np.random.default_rng(seed)
    if limit < size and limit < wanted + 2 * block:
        raise ValueError(f"max_dimension must be at least wanted + 2 block = {wanted + 2 * block}; got {limit}")
    start = rng.standard_normal((size, block))
    if np.dtype(dtype).kind == "c":
        start = start + 1j * rng.standard_normal((size, block))
    basis = _orthonormalise(xp.asarray(start.astype(dtype)), None, known, xp)
    projected = np.zeros((0, 0), dtype=dtype)
    done, solves, restarts = 0, 0, 0  # columns of the basis that the operator was applied to
    while True:
        fresh = basis[:, done:]
        image = apply(fresh)
        solves += int(fresh.shape[1])
        if known is not None:
            image = image - known @ (known.conj().T @ image)
        coupling = basis.conj().T @ image
        image = image - basis @ coupling
        again = basis.conj().T @ image
        image = image - basis @ again
        projected = _grow(projected, backend.to_host(coupling + again), antilinear)
        done = int(basis.shape[1])
        following, remainder = _split(image, basis, known, size, xp)
        values, rotation = _ritz(projected, antilinear)
        last = rotation[done - fresh.shape[1] :]
        residuals = np.linalg.norm(backend.to_host(remainder) @ (last.conj() if antilinear else last), axis=0)
        top = min(wanted, done)
        good = residuals[:top] <= tol * np.maximum(abs(values[:top]), np.finfo(float).tiny)
        exhausted = following is None
        if (done >= wanted and good.all()) or exhausted or solves >= budget:
            kept = min(done, wanted)
            vectors = basis @ xp.asarray(rotation[:, :kept].astype(dtype))
            converged = bool(done >= min(wanted, size) and (good.all() or exhausted))
            return RitzPairs(values[:kept], vectors, residuals[:kept], solves, restarts, converged)
        if done + following.shape[1] > limit:
            keep = min(int(1.25 * wanted) + 2, limit - 2 * block)
            basis = basis @ xp.asarray(rotation[:, :keep].astype(dtype))
            projected = np.diag(values[:keep]).astype(dtype)
            done, restarts = keep, restarts + 1
        basis = xp.concatenate([basis, following], axis=1)


def _grow(projected: np.ndarray, columns: np.ndarray, antilinear: bool) -> np.ndarray:
    """Return the projection with new columns, and the rows that symmetry gives."""
    total, new = columns.shape
    old = total - new
    grown = np.zeros((total, total), dtype=np.result_type(projected, columns))
    grown[:old, :old] = projected
    grown[:, old:] = columns
    grown[old:, :old] = columns[:old].T if antilinear else columns[:old].conj().T
    corner = grown[old:, old:]
    grown[old:, old:] = (corner + (corner.T if antilinear else corner.conj().T)) / 2
    return grown


def _ritz(projected: np.ndarray, antilinear: bool) -> tuple[np.ndarray, np.ndarray]:
    """Return Ritz values by falling modulus and the rotation to their vectors."""
    if antilinear:
        return takagi(projected)
    values, vectors = np.linalg.eigh(projected)
    order = np.argsort(-abs(values), kind="stable")
    return values[order], vectors[:, order]


def _split(image: Any, basis: Any, known: Any, size: int, xp: Any) -> tuple[Any, Any]:
    """Return the next block and R with ``image = block R``; None where the space is exhausted."""
    following, remainder = xp.linalg.qr(image)
    if basis.shape[1] + (0 if known is None else known.shape[1]) >= size:
        return None, remainder * 0
    room = size - basis.shape[1] - (0 if known is None else known.shape[1])
    following = _orthonormalise(following[:, :room], basis, known, xp)
    return following, remainder[:room]


def _orthonormalise(columns: Any, basis: Any, known: Any, xp: Any) -> Any:
    """Return orthonormal columns orthogonal to what is given; rounding noise takes the place of vanished ones."""
    for _ in range(2):
        for space in (known, basis):
            if space is not None:
                columns = columns - space @ (space.conj().T @ columns)
        columns, _ = xp.linalg.qr(columns)
    return columns
