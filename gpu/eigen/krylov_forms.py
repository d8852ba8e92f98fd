r"""The number systems in which `bdg.gpu.eigen.krylov` builds its basis, and the small matrices that belong to them.

Every form drives ``x -> H^-1 x`` and differs in what symmetry gives for free:

- `HermitianForm`: nothing; real or complex numbers. The projection ``B = Q^+ H^-1 Q`` is Hermitian.
- `TakagiForm`: ``c -> conj(A^-1 c)``, antilinear, ``A = A^T`` complex symmetric. So is B, with the Takagi factorisation
  ``B = V Sigma V^T`` (R. A. Horn and C. R. Johnson, Matrix Analysis, section 4.4). The partner of c at -E is ``i c``.
- `QuaternionForm`: an antiunitary S with ``S^2 = -1`` and ``H S = -S H``. The space is span{Y, S Y}, of which Y is
  stored; one solve serves both, because ``H^-1 S y = -S H^-1 y``. With ``P = Y^+ H^-1 Y`` and the symmetric
  ``T = Y^+ S H^-1 Y`` the projection is ``[[P, -T], [-T*, -P*]]``.
- `MajoranaForm`: the same for ``S^2 = +1``. In the real coordinates of S the operator ``i H^-1`` is real and
  antisymmetric; one complex solve serves two real columns.
- `ChiralForm`: the same where that operator connects the two halves of the coordinates only, as for real H. Basis
  vectors live in one half each (G. H. Golub and W. Kahan, SIAM J. Numer. Anal. 2, 205 (1965)).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np

from bdg.gpu.eigen.antiunitary import Antiunitary

_DUST = 1e-10  # relative to the other half: far above rounding, far below the error of a solve
_FEW = 3  # columns that a CPU multiplies one by one, which reads the basis from the cache


@dataclass(eq=False)
class Ritz:
    """Ritz values, largest modulus first, and the coefficients of their vectors in the (doubled) basis."""

    values: np.ndarray
    vectors: np.ndarray


class Form(Protocol):
    """What the driver needs of a number system; basis vectors are stored as rows (m, n)."""

    @property
    def dtype(self) -> np.dtype:
        """Of the basis."""

    @property
    def columns(self) -> int:
        """Basis vectors per solved column, and per Ritz value where the values come in pairs +-."""

    def room(self, n_rows: int) -> int:
        """Return the largest number of basis vectors in a space of ``n_rows``."""

    def seed(self, rng: np.random.Generator, n_rows: int, width: int) -> np.ndarray:
        """Return random columns (n_rows, width) to start with, on the host."""

    def overlaps(self, basis: Any, columns: Any) -> Any:
        """Return what `without` and `grown` need of the overlaps of columns (n, R) with the basis."""

    def without(self, columns: Any, basis: Any, overlaps: Any) -> Any:
        """Return the columns less their components in the space of the basis."""

    def orthonormal(self, columns: Any, xp: Any) -> tuple[Any, Any]:
        """Return an orthonormal block and R, on the device, with ``columns = block R``."""

    def grown(self, projected: np.ndarray, new: np.ndarray) -> np.ndarray:
        """Return the projection with new columns, and the rows that symmetry gives."""

    def ritz(self, projected: np.ndarray) -> Ritz:
        """Return the Ritz values of a projection."""

    def residuals(self, ritz: Ritz, remainder: np.ndarray) -> np.ndarray:
        """Return ``||f(x) - theta x||`` of each Ritz vector from the R of the next block."""

    def combined(self, basis: Any, ritz: Ritz, keep: int, xp: Any) -> Any:
        """Return basis vectors (as rows) of the space of the first ``keep`` Ritz vectors."""

    def restarted(self, ritz: Ritz, keep: int) -> np.ndarray:
        """Return the projection on these."""


def _inner(basis: Any, columns: Any) -> Any:
    """Return ``Q^+ columns`` for a basis in rows, without a conjugate copy of it."""
    if isinstance(basis, np.ndarray) and 1 < columns.shape[1] <= _FEW:
        return np.stack([_inner(basis, column[:, None])[:, 0] for column in columns.T], axis=1)
    return (basis @ columns.conj()).conj() if columns.dtype.kind == "c" else basis @ columns


def _random(rng: np.random.Generator, shape: tuple[int, int], dtype: np.dtype) -> np.ndarray:
    start = rng.standard_normal(shape)
    if np.dtype(dtype).kind == "c":
        start = start + 1j * rng.standard_normal(shape)
    return start.astype(dtype)


def _symmetric_part(matrix: np.ndarray, conjugate: bool, sign: float = 1.0) -> np.ndarray:
    transposed = matrix.T.conj() if conjugate else matrix.T
    return 0.5 * (matrix + sign * transposed)


def _bordered(projected: np.ndarray, new: np.ndarray, conjugate: bool, sign: float = 1.0) -> np.ndarray:
    """Return the matrix with new columns, and the rows that ``B = sign B^+`` (or B^T) gives."""
    total, width = new.shape
    old = total - width
    grown = np.zeros((total, total), dtype=np.result_type(projected, new))
    grown[:old, :old] = projected
    grown[:, old:] = new
    grown[old:, :old] = sign * (new[:old].conj().T if conjugate else new[:old].T)
    grown[old:, old:] = _symmetric_part(new[old:], conjugate, sign)
    return grown


@dataclass(frozen=True, eq=False)
class HermitianForm:
    """Real or complex numbers, both signs of the energy one by one."""

    dtype: np.dtype
    columns: int = 1

    def room(self, n_rows: int) -> int:
        """As `Form`."""
        return n_rows

    def seed(self, rng: np.random.Generator, n_rows: int, width: int) -> np.ndarray:
        """As `Form`."""
        return _random(rng, (n_rows, width), self.dtype)

    def overlaps(self, basis: Any, columns: Any) -> Any:
        """As `Form`."""
        return _inner(basis, columns)

    def without(self, columns: Any, basis: Any, overlaps: Any) -> Any:
        """As `Form`."""
        if isinstance(basis, np.ndarray) and 1 < columns.shape[1] <= _FEW:
            return columns - np.stack([basis.T @ one for one in overlaps.T]).T
        return columns - basis.T @ overlaps

    def orthonormal(self, columns: Any, xp: Any) -> tuple[Any, Any]:
        """As `Form`."""
        return xp.linalg.qr(columns)

    def grown(self, projected: np.ndarray, new: np.ndarray) -> np.ndarray:
        """As `Form`."""
        return _bordered(projected, new, conjugate=True)

    def ritz(self, projected: np.ndarray) -> Ritz:
        """As `Form`."""
        values, vectors = np.linalg.eigh(projected)
        order = np.argsort(-abs(values), kind="stable")
        return Ritz(values[order], vectors[:, order])

    def residuals(self, ritz: Ritz, remainder: np.ndarray) -> np.ndarray:
        """As `Form`."""
        return np.linalg.norm(remainder @ ritz.vectors[-remainder.shape[1] :], axis=0)

    def combined(self, basis: Any, ritz: Ritz, keep: int, xp: Any) -> Any:
        """As `Form`."""
        return xp.asarray(np.ascontiguousarray(ritz.vectors[:, :keep].T).astype(self.dtype)) @ basis

    def restarted(self, ritz: Ritz, keep: int) -> np.ndarray:
        """As `Form`."""
        return np.diag(ritz.values[:keep]).astype(self.dtype)


@dataclass(frozen=True, eq=False)
class TakagiForm(HermitianForm):
    """Complex numbers and an antilinear operator; values are 1/E > 0, their partners ``i c`` are implied."""

    dtype: np.dtype = np.dtype(np.complex128)

    def grown(self, projected: np.ndarray, new: np.ndarray) -> np.ndarray:
        """As `Form`."""
        return _bordered(projected, new, conjugate=False)

    def ritz(self, projected: np.ndarray) -> Ritz:
        """As `Form`."""
        return Ritz(*takagi(projected))

    def residuals(self, ritz: Ritz, remainder: np.ndarray) -> np.ndarray:
        """As `Form`."""
        return np.linalg.norm(remainder @ ritz.vectors[-remainder.shape[1] :].conj(), axis=0)


@dataclass(frozen=True, eq=False)
class QuaternionForm:
    """Space span{Y, S Y}, ``S^2 = -1``; values are 1/E > 0 with vectors ``Y p + S Y q``, the partners are implied.

    Overlaps are ``[Y^+ x, Y^+ S x]``; projections and remainders are stacks of two matrices.
    """

    partner: Antiunitary
    dtype: np.dtype = np.dtype(np.complex128)
    columns: int = 1

    def room(self, n_rows: int) -> int:
        """As `Form`."""
        return n_rows // 2

    def seed(self, rng: np.random.Generator, n_rows: int, width: int) -> np.ndarray:
        """As `Form`."""
        return _random(rng, (n_rows, width), self.dtype)

    def overlaps(self, basis: Any, columns: Any) -> Any:
        """As `Form`."""
        both = self.partner.xp.concatenate([columns, self.partner(columns)], axis=1)
        return _inner(basis, both)

    def without(self, columns: Any, basis: Any, overlaps: Any) -> Any:
        """As `Form`: ``(S Y)^+ x = -conj(Y^+ S x)``."""
        inside = basis.T @ overlaps
        width = columns.shape[1]
        return columns - inside[:, :width] + self.partner(inside[:, width:])

    def orthonormal(self, columns: Any, xp: Any) -> tuple[Any, Any]:
        """As `Form`, column by column, twice; R is ``(r, s)`` stacked, ``columns = block r + S block s``."""
        width = columns.shape[1]
        block = xp.empty((width, columns.shape[0]), self.dtype)
        for number in range(width):
            column = columns[:, number : number + 1]
            for _ in range(2):
                if number:
                    column = self.without(column, block[:number], self.overlaps(block[:number], column))
                norm = xp.sqrt((abs(column) ** 2).sum())
                column = column / xp.where(norm > 0, norm, 1.0)
            block[number] = column[:, 0]
        overlaps = self.overlaps(block, columns)
        return block.T, xp.stack([overlaps[:, :width], -overlaps[:, width:].conj()])

    def grown(self, projected: np.ndarray, new: np.ndarray) -> np.ndarray:
        """As `Form`."""
        width = new.shape[1] // 2
        old = projected.reshape(2, *(2 * (new.shape[0] - width,)))
        return np.stack([_bordered(old[0], new[:, :width], True), _bordered(old[1], new[:, width:], False)])

    def ritz(self, projected: np.ndarray) -> Ritz:
        """As `Form`."""
        normal, crossed = projected
        size = normal.shape[0]
        doubled = np.block([[normal, -crossed], [-crossed.conj(), -normal.conj()]])
        values, vectors = np.linalg.eigh(doubled)
        return Ritz(values[: size - 1 : -1], vectors[:, : size - 1 : -1])

    def residuals(self, ritz: Ritz, remainder: np.ndarray) -> np.ndarray:
        """As `Form`."""
        size, width = ritz.vectors.shape[0] // 2, remainder.shape[2]
        p, q = ritz.vectors[size - width : size], ritz.vectors[2 * size - width :]
        r, s = remainder
        outside = np.concatenate([r @ p + s.conj() @ q, s @ p - r.conj() @ q])
        return np.linalg.norm(outside, axis=0)

    def combined(self, basis: Any, ritz: Ritz, keep: int, xp: Any) -> Any:
        """As `Form`."""
        size = ritz.vectors.shape[0] // 2
        p, q = (np.ascontiguousarray(part[:, :keep].T) for part in (ritz.vectors[:size], ritz.vectors[size:]))
        return xp.asarray(p) @ basis + self.partner.on_rows(xp.asarray(q.conj()) @ basis)

    def restarted(self, ritz: Ritz, keep: int) -> np.ndarray:
        """As `Form`."""
        normal = np.diag(ritz.values[:keep]).astype(self.dtype)
        return np.stack([normal, 0 * normal])


@dataclass(frozen=True, eq=False)
class MajoranaForm(HermitianForm):
    """Real coordinates of ``S^2 = +1``; the operator ``i H^-1`` is antisymmetric, its values +-i/E.

    Values are 1/E > 0, vectors complex; each stands for two real basis vectors, its real and imaginary part.
    """

    dtype: np.dtype = np.dtype(np.float64)
    columns: int = 2

    def grown(self, projected: np.ndarray, new: np.ndarray) -> np.ndarray:
        """As `Form`."""
        return _bordered(projected, new, False, -1.0)

    def ritz(self, projected: np.ndarray) -> Ritz:
        """As `Form`."""
        size = projected.shape[0]
        values, vectors = np.linalg.eigh(-1j * projected)
        return Ritz(values[: size - size // 2 - 1 : -1], vectors[:, : size - size // 2 - 1 : -1])

    def combined(self, basis: Any, ritz: Ritz, keep: int, xp: Any) -> Any:
        """As `Form`."""
        kept = ritz.vectors[:, :keep].T * np.sqrt(2)
        return xp.asarray(np.concatenate([kept.real, kept.imag])) @ basis

    def restarted(self, ritz: Ritz, keep: int) -> np.ndarray:
        """As `Form`."""
        values = np.diag(ritz.values[:keep])
        return np.block([[0 * values, values], [-values, 0 * values]])


@dataclass(frozen=True, eq=False)
class ChiralForm(MajoranaForm):
    """As `MajoranaForm`, for operators ``[[0, y], [-y^T, 0]]``: with a start in the first half all images are in one.

    Ritz vectors are ``(u, i w)`` with real u and w but for a phase, which is taken out of them.
    """

    def seed(self, rng: np.random.Generator, n_rows: int, width: int) -> np.ndarray:
        """As `Form`, in the first half."""
        columns = super().seed(rng, n_rows, width)
        columns[n_rows // 2 :] = 0
        return columns

    def overlaps(self, basis: Any, columns: Any) -> Any:
        """As `Form`."""
        part = _half(columns)
        return _inner(basis[:, part], columns[part])

    def without(self, columns: Any, basis: Any, overlaps: Any) -> Any:
        """As `Form`."""
        part = _half(columns)
        left = columns.copy()
        left[part] -= basis[:, part].T @ overlaps
        return left

    def orthonormal(self, columns: Any, xp: Any) -> tuple[Any, Any]:
        """As `Form`."""
        block, remainder = super().orthonormal(columns, xp)
        return _dusted(block), remainder

    def combined(self, basis: Any, ritz: Ritz, keep: int, xp: Any) -> Any:
        """As `Form`."""
        both = super().combined(basis, ritz, keep, xp)
        real, imaginary = both[: len(both) // 2], both[len(both) // 2 :]
        half = both.shape[1] // 2
        square = ((real[:, :half] + 1j * imaginary[:, :half]) ** 2).sum(axis=1)
        there = abs(square) > 1e-8  # else it is a mixture of degenerate pairs
        phase = xp.sqrt(xp.where(there, square, 1.0) / xp.where(there, abs(square), 1.0))[:, None]
        turned = phase.real * real + phase.imag * imaginary, phase.real * imaginary - phase.imag * real
        return _dusted(xp.concatenate(turned, axis=0).T).T


def _half(columns: Any) -> slice:
    """Return the rows of the half that NumPy columns (n, R) are in, else all rows: a GPU would wait for the answer."""
    half = len(columns) // 2
    if isinstance(columns, np.ndarray):
        if not columns[half:].any():
            return slice(half)
        if not columns[:half].any():
            return slice(half, None)
    return slice(None)


def _dusted(columns: Any) -> Any:
    """Set what rounding left in one half of columns (n, R) to zero, in place: it grows with every restart."""
    half = len(columns) // 2
    above, below = abs(columns[:half]).max(axis=0), abs(columns[half:]).max(axis=0)
    columns[:half] *= above > _DUST * below
    columns[half:] *= below > _DUST * above
    return columns


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
        return _takagi_with_null_space(values[upper], columns)
    return values[upper], columns


def _takagi_with_null_space(values: np.ndarray, columns: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Complete the columns of nonzero sigma to a unitary matrix; any completion will do at sigma = 0."""
    nonzero = values > 1e-12 * max(values[0], np.finfo(float).tiny)
    good = columns[:, nonzero]
    basis, _, _ = np.linalg.svd(good, full_matrices=True)
    unitary = np.concatenate([good, basis[:, good.shape[1] :]], axis=1)
    return np.where(nonzero, values, 0.0), unitary
