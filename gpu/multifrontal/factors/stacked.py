r"""Inverses of stacks of dense matrices, by products of halves.

.. math:: \begin{pmatrix} A & B \\ C & D \end{pmatrix}^{-1} =
          \begin{pmatrix} P + Y Z & -Y \\ -Q Z & Q \end{pmatrix}, \qquad
          P = A^{-1},\; X = P B,\; Z = C P,\; Q = (D - C X)^{-1},\; Y = X Q

down to base blocks, which are inverted with pivoting. For a symmetric matrix ``Z = X^T`` and only the upper triangle
is read; so for a skew one (real, ``M = -M^T``), as ``C = -B^T`` and ``P = -P^T``. The inverse of every base block is
symmetrised: without this the antisymmetric part of its rounding error is multiplied by ``|X|^2`` on every level of the
tree, and the factors of real symmetric matrices become useless. Halves of skew matrices end at whole sites: the
eigenvalues of skew blocks come in pairs, and a cut through a site leaves blocks that are nearly singular.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Any, Literal

import numpy as np

from bdg.gpu.multifrontal.factors.blocked import difference

Symmetry = Literal["symmetric", "hermitian", "skew", "general"]

_SHARES = 2  # of the room for moved pivots that a part of the matrix may take, in units of its part of the rows


def swapped(matrices: Any) -> Any:
    """Return the transposes, as a view."""
    return matrices.swapaxes(-1, -2)


def reversed_(matrices: Any, symmetry: Symmetry) -> Any:
    """Return the transposes ("symmetric"), minus these ("skew") or the Hermitian conjugates ("hermitian")."""
    if symmetry == "skew":
        return -swapped(matrices)
    return swapped(matrices) if symmetry == "symmetric" else swapped(matrices).conj()


def turned(matrices: Any, symmetry: Symmetry) -> Any:
    """Return the transposes, Hermitian conjugates where that is the symmetry: ``V = F_UP Pi`` from ``W = Pi F_PU``."""
    return swapped(matrices).conj() if symmetry == "hermitian" else swapped(matrices)


def in_pairs(columns: Any, symmetry: Symmetry) -> Any:
    """Return V J for columns V (n, k): J is the identity, of skew matrices one block ``[[0, 1], [-1, 0]]`` a pair."""
    if symmetry != "skew":
        return columns
    pairs = columns.reshape(len(columns), -1, 2)[:, :, ::-1].reshape(columns.shape).copy()
    pairs[:, ::2] *= -1
    return pairs


def set_reversed(xp: Any, target: Any, matrices: Any, symmetry: Symmetry) -> None:
    """Copy what `reversed_` returns into ``target``, in one call."""
    if symmetry == "symmetric":
        target[...] = swapped(matrices)
    elif symmetry == "skew":
        xp.negative(swapped(matrices), out=target)
    else:
        xp.conjugate(swapped(matrices), out=target)


def symmetrised(matrices: Any, symmetry: Symmetry) -> Any:
    """Return the part of square matrices that has the symmetry."""
    if symmetry == "general":
        return matrices
    return (matrices + reversed_(matrices, symmetry)) * 0.5


@dataclass(frozen=True, slots=True, eq=False)
class MovedPivots:
    """``far V J V^T`` (Hermitian matrices: ``V^+``) that was added to one block of pivots; J as from `in_pairs`.

    Attributes
    ----------
    front : int
        Within its stack.
    begin : int
        First of the rows, within the pivots of the front.
    vectors : array (rows, k)
        Orthonormal columns.
    """

    front: int
    begin: int
    vectors: Any


@dataclass(eq=False)
class Pivots:
    """What is done to, and learnt from, the base blocks while they are inverted.

    Attributes
    ----------
    far : float
        Eigenvalues of base blocks below ``free`` are moved by this much and noted, as long as there is ``room``, so
        that what was added can be taken off again (`bdg.gpu.multifrontal.factors.border`); 0: never.
    free : float
    room : int
        Eigenvalues that may still be moved that way.
    to_host : callable
        `Backend.to_host`.
    static : float
        Eigenvalues of base blocks below this are moved to it (static pivoting); 0 leaves the blocks alone. Costs one
        synchronisation per base block.
    static_last : float
        The same for the last base block of a front without updates. Nothing comes after it that a large inverse could
        spoil, and next to an eigenvalue of H its inverse has to be large.
    count_negative, log_determinant : bool
        Keep the eigenvalues of the base inverses, and the determinants. Nothing synchronises until they are read.
    n_moved : int
        Base blocks that static pivoting touched.
    """

    far: float = 0.0
    free: float = 0.0
    room: int = 0
    static: float = 0.0
    static_last: float = 0.0
    count_negative: bool = False
    log_determinant: bool = False
    n_moved: int = 0
    to_host: Callable[[Any], np.ndarray] = np.asarray
    failed: bool = False  # an inverse is not finite, so that NumPy refused its eigenvalues
    masks: dict[int, Any] = field(default_factory=dict, repr=False)  # upper triangles of base blocks, by size
    _noted: int = 0  # eigenvalues that were moved far
    _far_ones: list[MovedPivots] = field(default_factory=list)
    _negative: list[Any] = field(default_factory=list)
    _phase: list[Any] = field(default_factory=list)
    _logarithm: list[Any] = field(default_factory=list)

    def following(self, earlier: list[Pivots], share: float) -> Pivots:
        """Return the record that goes on where ``earlier`` ones ended, with room for twice a ``share`` of the rows."""
        new = replace(self, _far_ones=[], _negative=[], _phase=[], _logarithm=[], _noted=0)
        for record in earlier:
            new.n_moved += record.n_moved
            new.failed |= record.failed
            new._noted += record._noted
            new._negative += record._negative
            new._phase += record._phase
            new._logarithm += record._logarithm
        new.room = max(0, min(self.room, int(np.ceil(_SHARES * share * self.room))) - new._noted)
        return new

    def limit(self, last: bool) -> float:
        """Return the size below which an eigenvalue is not left alone."""
        return self.free if self.room else self.static_limit(last)

    def static_limit(self, last: bool) -> float:
        """Return the size below which an eigenvalue is moved without being noted."""
        return self.static_last if last else self.static

    def taken(self) -> list[MovedPivots]:
        """Return what was moved far since the last call."""
        moved, self._far_ones = self._far_ones, []
        return moved

    def move_far(self, xp: Any, matrices: Any, suspects: Any, symmetry: Symmetry, begin: int) -> Any:
        """Move small eigenvalues of the suspects far, in place; return those that there was no room for."""
        vectors, small = _small_vectors(xp, matrices[suspects], symmetry, self.free)
        numbers = self.to_host(suspects).tolist()
        for at, (number, chosen) in enumerate(zip(numbers, self.to_host(small), strict=True)):
            columns = vectors[at][:, xp.asarray(np.flatnonzero(chosen))]
            if columns.shape[1] > self.room:
                return suspects[at:]
            if columns.shape[1]:
                self.room -= columns.shape[1]
                self._noted += columns.shape[1]
                matrices[number] += self.far * xp.matmul(in_pairs(columns, symmetry), turned(columns, symmetry))
                self._far_ones.append(MovedPivots(number, begin, columns))
        return suspects[:0]

    def record(self, xp: Any, block: Any, inverse: Any) -> None:
        """Note signs and determinants of a stack of base blocks."""
        if self.count_negative:
            # of the inverse that the solves use: then a contraction below one proves the count
            try:
                self._negative.append((xp.linalg.eigvalsh(inverse) < 0).sum())
            except np.linalg.LinAlgError:
                self.failed = True
        if self.log_determinant:
            phase, logarithm = xp.linalg.slogdet(block)
            self._phase.append(phase.prod())
            self._logarithm.append(logarithm.sum())

    def negative_count(self, xp: Any) -> int:
        """Return the number of negative eigenvalues seen."""
        return int(xp.stack(self._negative).sum()) if self._negative else 0

    def slogdet(self, xp: Any) -> tuple[complex, float]:
        """Return the phase of the determinant and the logarithm of its modulus."""
        if not self._phase:
            return 1.0, 0.0
        return complex(xp.stack(self._phase).prod()), float(xp.stack(self._logarithm).sum())


@dataclass(frozen=True, eq=False)
class StackInverter:
    """Inverts stacks (n, a, a); of symmetric matrices only the upper triangles are read if ``upper`` is not 0.

    Attributes
    ----------
    xp : array module
    symmetry : Symmetry
    base, upper : int
        As in `FrontSettings`.
    pivots : Pivots
    together : int
        Halves hold a multiple of so many rows.
    """

    xp: Any
    symmetry: Symmetry
    base: int
    upper: int
    pivots: Pivots
    together: int = 1

    def __call__(self, matrices: Any, last: bool) -> Any:
        """Return the inverses; not finite where a matrix is singular. ``last``: nothing is eliminated after them."""
        out = self.xp.empty(matrices.shape, matrices.dtype)
        self._write(out, matrices, last, 0)
        return out

    def _write(self, out: Any, matrices: Any, last: bool, begin: int) -> None:
        xp, size, base = self.xp, matrices.shape[-1], self.base
        if size <= max(base, self.together):
            self._write_base(out, matrices, last, begin)
            return
        # halves of whole base blocks, so that few calls invert all
        half = base * max(1, (-(-size // base)) // 2) if size > 2 * base else (size + 1) // 2
        half = min(self.together * -(-half // self.together), size - self.together)
        general = self.symmetry == "general"
        right = matrices[:, :half, half:]
        left = matrices[:, half:, :half] if general else reversed_(right, self.symmetry)
        first, second = out[:, :half, :half], out[:, half:, half:]
        self._write(first, matrices[:, :half, :half], False, begin)
        forward = xp.matmul(first, right)
        schur = difference(xp, matrices[:, half:, half:], left, forward, 0 if general else self.upper)
        self._write(second, schur, last, begin + half)
        corner = xp.matmul(forward, second)
        xp.negative(corner, out=out[:, :half, half:])
        if general:
            backward = xp.matmul(left, first)
            xp.negative(xp.matmul(second, backward), out=out[:, half:, :half])
        else:
            backward = turned(forward, self.symmetry)
            set_reversed(xp, out[:, half:, :half], out[:, :half, half:], self.symmetry)
        first += xp.matmul(corner, backward)

    def _write_base(self, out: Any, matrices: Any, last: bool, begin: int) -> None:
        xp, pivots, symmetry = self.xp, self.pivots, self.symmetry
        limit = pivots.limit(last)
        if symmetry != "general" and self.upper:  # else both triangles are there
            matrices = xp.where(self._upper_mask(matrices.shape[-1]), matrices, reversed_(matrices, symmetry))
        found = invert(xp, matrices)
        if limit and symmetry != "general":
            harmless = xp.sqrt((abs(found) ** 2).sum((-1, -2))) < 1 / limit  # False for nan as well
            if not bool(harmless.all()):
                matrices = self._moved(matrices, xp.nonzero(~harmless)[0], last, begin)
                found = invert(xp, matrices)
        if symmetry == "general":
            out[...] = found
        else:
            xp.add(found, reversed_(found, symmetry), out=out)
            out *= 0.5
        pivots.record(xp, matrices, out)

    def _moved(self, matrices: Any, suspects: Any, last: bool, begin: int) -> Any:
        """Return the base blocks with the small eigenvalues of the suspects moved."""
        xp, pivots, matrices = self.xp, self.pivots, matrices.copy()
        if pivots.room:
            suspects = pivots.move_far(xp, matrices, suspects, self.symmetry, begin)
        limit = pivots.static_limit(last)
        if limit and suspects.size:
            pivots.n_moved += _move_pivots(xp, matrices, suspects, self.symmetry, limit)
        return matrices

    def _upper_mask(self, size: int) -> Any:
        if size not in self.pivots.masks:
            self.pivots.masks[size] = self.xp.asarray(np.triu(np.ones((size, size), dtype=bool)))
        return self.pivots.masks[size]


def _small_vectors(xp: Any, blocks: Any, symmetry: Symmetry, limit: float) -> tuple[Any, Any]:
    """Return orthonormal columns (n, b, b), and which of them (n, b) belong to eigenvalues below ``limit``.

    Of complex symmetric blocks B these are left singular vectors: with ``B u* = s w``, ``||w|| = 1``, adding
    ``far u u^T`` brings a singular value s between ``far - s`` and ``far + s``. Eigenvalues of skew blocks come in
    pairs, each with two real columns.
    """
    if symmetry == "skew":
        squares, vectors = xp.linalg.eigh(swapped(blocks) @ blocks)
        in_all = (squares < limit**2).sum(-1) // 2 * 2
        return vectors, xp.arange(squares.shape[-1]) < in_all[:, None]
    if symmetry == "symmetric" and blocks.dtype.kind == "c":
        vectors, values, _ = xp.linalg.svd(blocks)
    else:
        values, vectors = xp.linalg.eigh(blocks)
    return vectors, abs(values) < limit


def _move_pivots(xp: Any, matrices: Any, suspects: Any, symmetry: Symmetry, limit: float) -> int:
    """Keep the eigenvalues (complex symmetric: singular values) of the suspects away from zero, in place.

    Returns the number of matrices that changed.
    """
    blocks = matrices[suspects]
    if symmetry == "skew":
        vectors, small = _small_vectors(xp, blocks, symmetry, limit)
        changed = suspects[small.any(-1)]
        basis = vectors[small.any(-1)] * small[small.any(-1)][:, None, :]
        into = xp.matmul(basis, swapped(basis))
        inside = xp.matmul(into, xp.matmul(matrices[changed], into))
        matrices[changed] += limit * xp.stack([in_pairs(x, symmetry) @ swapped(x) for x in basis]) - inside
    elif symmetry == "symmetric" and blocks.dtype.kind == "c":
        singular = xp.linalg.svd(blocks, compute_uv=False)[:, -1] < limit
        changed = suspects[singular]
        matrices[changed] += 1j * limit * xp.eye(blocks.shape[-1])
    else:
        values, vectors = xp.linalg.eigh(blocks)
        near = (abs(values) < limit).any(-1)
        changed, values, vectors = suspects[near], values[near], vectors[near]
        values = xp.where(abs(values) < limit, xp.where(values < 0, -limit, limit), values)
        matrices[changed] = xp.matmul(vectors * values[:, None, :], swapped(vectors).conj())
    return int(changed.size)


def invert(xp: Any, matrices: Any) -> Any:
    """Return the inverses of a stack; where one is singular its inverse is not finite, on every array module."""
    if xp is not np:
        return xp.linalg.inv(matrices)  # CuPy raises nothing by default
    try:
        return np.linalg.inv(matrices)
    except np.linalg.LinAlgError:  # one singular matrix spoils a stack: take them one by one
        out = np.full_like(matrices, np.nan)
        for target, matrix in zip(out, matrices, strict=True):
            try:
                target[...] = np.linalg.inv(matrix)
            except np.linalg.LinAlgError:
                continue
        return out
