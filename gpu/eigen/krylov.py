r"""Thick-restarted block Lanczos on an inverse: the eigenvalues of smallest modulus of a large matrix.

One driver for all number systems of `bdg.gpu.eigen.krylov_forms`: plain Hermitian, complex symmetric (Takagi), and the
two that use the particle-hole partner of every vector, quaternionic and Majorana.

Orthogonalisation against the last two blocks and then against all keeps the basis orthonormal to rounding; the restart
keeps the best Ritz vectors and the residual block (K. Wu and H. Simon, SIAM J. Matrix Anal. Appl. 22, 602 (2000)). The
basis is stored by rows in one array: it grows without copies, and the thin operand of each product is the one that is
conjugated.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from bdg.gpu.device.backend import Backend
from bdg.gpu.eigen.krylov_forms import Form, Ritz

_CACHED = 1 << 23  # bytes of the basis that a CPU takes at a time: the second product finds them in the cache
_LEAST_BASIS = 160  # basis vectors before a restart; orthogonalisation costs more than the restarts beyond
_LOOSE = 1e4  # on the residuals of pairs of which only the value is wanted: its error is quadratic in them
_LEAST = 1e-150  # Ritz value that a residual is compared with: zeros are in a basis whose halves differ in size
_NOISE = 1e-7  # a block this small beside its image has lost the orthogonality that normalising assumes


@dataclass(eq=False)
class RitzPairs:
    """Ritz values of the inverse (largest first), vectors (n, m) on the device, their residuals, and the work done.

    ``residuals`` are ``||f(x) - theta x||`` of the operator that was iterated, not of its inverse. Where values come in
    pairs +-, only the positive ones are listed; ``vectors`` hold what `Form.combined` says.
    """

    values: np.ndarray
    vectors: Any
    residuals: np.ndarray
    solves: int
    restarts: int
    converged: bool


class _Basis:
    """Basis vectors as rows of one array that is as long as the basis may become."""

    def __init__(self, form: Form, n_rows: int, capacity: int, known: Any, xp: Any) -> None:
        self.form, self.known, self.xp = form, known, xp
        self._rows = xp.empty((capacity, n_rows), form.dtype)
        few = max(8, _CACHED // (n_rows * np.dtype(form.dtype).itemsize))
        self._at_once = few if xp is np else capacity
        self.size = 0

    @property
    def rows(self) -> Any:
        return self._rows[: self.size]

    def replace(self, rows: Any) -> None:
        self.size = int(rows.shape[0])
        self._rows[: self.size] = rows

    def append(self, columns: Any) -> None:
        width = int(columns.shape[1])
        self._rows[self.size : self.size + width] = columns.T
        self.size += width

    def reduced(self, columns: Any, since: int = 0) -> tuple[Any, Any]:
        """Return columns less everything known and in the basis, and their overlaps with the basis.

        ``since``: leave out what is known and the first so many basis vectors.
        """
        if self.known is not None and not since:
            columns = columns - self.known @ (columns.conj().T @ self.known).conj().T
        if not self.size:
            return columns, None
        parts = []
        for begin in range(since, self.size, self._at_once):
            rows = self._rows[begin : min(begin + self._at_once, self.size)]
            parts.append(self.form.overlaps(rows, columns))
            columns = self.form.without(columns, rows, parts[-1])
        return columns, parts[0] if len(parts) == 1 else self.xp.concatenate(parts)

    def image(self, columns: Any, since: int) -> tuple[Any, Any]:
        """Return images of basis vectors less their components in the basis, and these components.

        Taken out twice, which leaves rounding only. By the symmetry of the operator the components along the vectors
        before ``since`` vanish but for rounding and the error of a solve: for those once is enough.
        """
        columns, coupling = self.reduced(columns, since)
        columns, overlaps = self.reduced(columns)
        overlaps[since:] += coupling
        return columns, overlaps


class _Looks:
    """When to look at the Ritz pairs again: half way to where the last two looks say that they converge."""

    def __init__(self, most: int) -> None:
        self._most, self._next = most, 0
        self._before = 0, np.inf  # solves, and how many times too large the largest residual was

    def due(self, solves: int) -> bool:
        return solves >= self._next

    def note(self, solves: int, excess: float) -> None:
        then, before = self._before
        wait = self._most
        if np.isfinite(before) and 1 < excess < before:
            wait = int(0.5 * np.log(excess) * (solves - then) / np.log(before / excess))
        self._next = solves + int(np.clip(wait, 1, 4 * self._most))
        self._before = solves, excess


@dataclass(frozen=True)
class Search:
    """What is looked for, and how long.

    Attributes
    ----------
    wanted : int
        Pairs to converge; one per +-E unless the form is `HermitianForm`.
    tol : float
        Residual relative to the Ritz value at which a pair counts as converged.
    needed : int, optional
        The first so many pairs (default: all) have to reach ``tol``, the others 1e4 times that.
    block : int
        Columns solved at once: few on a CPU, 4 to 8 on a GPU, where a solve costs the same for all of them.
    max_dimension : int, optional
        Solved columns in the basis before a restart; default ``max(160, 2 wanted + 2 block)``.
    max_solves : int, optional
        Columns solved before giving up, half as many where then less than half of the pairs have converged; default
        ``40 wanted + 400``.
    """

    wanted: int
    tol: float
    needed: int | None = None
    block: int = 1
    max_dimension: int | None = None
    max_solves: int | None = None

    @property
    def dimension(self) -> int:
        """Solved columns in the basis before a restart."""
        return self.max_dimension or max(_LEAST_BASIS, 2 * self.wanted + 2 * self.block)

    @property
    def budget(self) -> int:
        """Columns solved before giving up."""
        return self.max_solves or 40 * self.wanted + 400

    def allowed(self, values: np.ndarray) -> np.ndarray:
        """Return the residuals up to which pairs count as converged, for Ritz values in their order."""
        needed = self.wanted if self.needed is None else self.needed
        relative = np.where(np.arange(values.size) < needed, self.tol, _LOOSE * self.tol)
        return relative * np.maximum(abs(values), _LEAST)

    def hopeless(self, solves: int, converged: int) -> bool:
        """Return whether to give up after so many solves, with so many pairs converged."""
        if solves >= self.budget:  # levels this crowded converge faster around a shift of their own
            return True
        # who is not half way at half time: the rest would be spent in vain
        return 2 * solves >= self.budget and 2 * converged < self.wanted


def inverse_lanczos(
    apply: Callable[[Any], Any],
    size: int,
    search: Search,
    *,
    form: Form,
    backend: Backend,
    seed: int,
    known: Any = None,
) -> RitzPairs:
    """Return the Ritz pairs of largest modulus of an inverse; ``converged`` is False where the search gave up.

    Parameters
    ----------
    apply : callable
        The operator of the form, on columns (n, R).
    size : int
        n.
    search : Search
    form : Form
    backend : Backend
    seed : int
        Of the first block.
    known : array (n, m), optional
        Orthonormal columns to stay orthogonal to; they span an invariant subspace, with every partner.
    """
    xp, step, wanted = backend.xp, search.block * form.columns, search.wanted
    room = form.room(size) - (0 if known is None else int(known.shape[1]) * form.room(size) // size)
    limit = min(room, form.columns * search.dimension)
    least = wanted + 2 * search.block
    if limit < room and limit < form.columns * least:
        raise ValueError(f"max_dimension must be at least wanted + 2 block = {least}; got {search.max_dimension}")
    basis = _Basis(form, size, min(room, limit + step), known, xp)
    basis.append(_start(basis, np.random.default_rng(seed), min(step, room)))
    projected = np.zeros((0, 0), dtype=form.dtype)
    since, done, solves, restarts = 0, 0, 0, 0
    looks = _Looks(max(1, wanted // 6))
    while True:
        fresh = basis.rows[done:].T
        image, overlaps = basis.image(apply(xp.ascontiguousarray(fresh)), since)
        solves += -(-int(fresh.shape[1]) // form.columns)
        columns = backend.to_host(overlaps)
        projected, since, done = form.grown(projected, columns), done, basis.size
        exhausted = done >= room  # the basis spans the whole space: its Ritz pairs are exact
        full = limit < room and done + step > limit  # a restart comes next, and that needs the Ritz pairs
        following, remainder = _next_block(basis, image, columns, min(step, room - done), backend)
        enough = done >= form.columns * wanted and looks.due(solves)  # looking costs as much as several steps
        if not (enough or exhausted or full or solves >= search.budget):
            basis.append(following)
            continue
        ritz = form.ritz(projected)
        residuals = form.residuals(ritz, remainder) if not exhausted else np.zeros(ritz.values.size)
        kept = min(ritz.values.size, wanted)
        allowed = search.allowed(ritz.values[:kept])
        good = residuals[:kept] <= allowed
        looks.note(solves, float((residuals[:kept] / allowed).max(initial=0.0)) if kept == wanted else np.inf)
        converged = bool(exhausted or (kept == wanted and good.all()))
        if converged or search.hopeless(solves, int(np.count_nonzero(good))):
            vectors = form.combined(basis.rows, ritz, kept, xp).T
            return RitzPairs(ritz.values[:kept], vectors, residuals[:kept], solves, restarts, converged)
        if full:  # memory and orthogonalisation grow with the basis
            projected, done = _restart(basis, ritz, wanted, limit - 2 * step)
            since = 0  # the next block couples to every Ritz vector
            restarts += 1
        basis.append(following)


def _restart(basis: _Basis, ritz: Ritz, wanted: int, most: int) -> tuple[np.ndarray, int]:
    """Shrink the basis to the best Ritz vectors; return the projection on them and how many basis vectors they are."""
    form = basis.form
    keep = min(int(1.25 * wanted) + 2, most // form.columns, ritz.values.size)
    basis.replace(form.combined(basis.rows, ritz, keep, basis.xp))
    return form.restarted(ritz, keep), basis.size


def _start(basis: _Basis, rng: np.random.Generator, width: int) -> Any:
    """Return a random orthonormal block."""
    form, n_rows = basis.form, basis._rows.shape[1]
    columns = basis.xp.asarray(form.seed(rng, n_rows, width))
    for _ in range(2):
        columns, _ = form.orthonormal(basis.reduced(columns)[0], basis.xp)
    return columns


def _next_block(basis: _Basis, image: Any, columns: np.ndarray, room: int, backend: Backend) -> tuple[Any, np.ndarray]:
    """Return the next block and R with ``image = block R``; directions of rounding noise where the image vanished."""
    form, xp = basis.form, basis.xp
    if room <= 0:
        return None, np.zeros(0)
    following, remainder = form.orthonormal(image, xp)
    on_host = backend.to_host(remainder)
    diagonal = abs(np.diagonal(on_host[0] if on_host.ndim == 3 else on_host))
    if room < following.shape[1] or diagonal.min() < _NOISE * max(abs(columns).max(), diagonal.max()):
        rng = np.random.default_rng(basis.size)
        noise = rng.standard_normal(following.shape) * (diagonal <= 1e-300)  # an image of exact zeros has no direction
        following = following[:, :room] + xp.asarray(noise.astype(form.dtype))[:, :room]
        for _ in range(2):
            following, _ = form.orthonormal(basis.reduced(following)[0], xp)
    return following, on_host
