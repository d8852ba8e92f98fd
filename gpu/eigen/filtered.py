r"""Eigenpairs near a shift by filtered subspace iteration: many states, or matrices whose factors do not fit.

Random vectors pass through ``T_n(((H - sigma)^2 - c)/e)`` with ``c = (S^2 + cut^2)/2``, ``e = (S^2 - cut^2)/2``: what
lies beyond the cut stays below 1 in size, what lies inside grows like ``cosh(2 n sqrt(cut^2 - E^2)/S)``. At sigma = 0
the particle-hole partners complete the space, and half the vectors are filtered. The Ritz step is first made with
``(H - sigma)^2``, whose lowest values are the states that were filtered for, and with H inside these only: on the whole
space H has ghost values around the shift.

The bound S has to hold. States beyond it would grow faster than anything else and come out with tiny residuals; a Ritz
value beyond the bound shows that, and the search is made again with Gershgorin's. (Filter: Y. Zhou, Y. Saad et al., J.
Comput. Phys. 274, 770 (2014); orthogonalisation: A. Stathopoulos, K. Wu, SIAM J. Sci. Comput. 23, 2165 (2002).)
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import scipy.sparse as sp

from bdg.gpu.chebyshev.columns import gershgorin_bound, spectral_bound
from bdg.gpu.chebyshev.kernel_polynomial import count_between, resolution
from bdg.gpu.chebyshev.moments import BoundViolatedError, column_blocks
from bdg.gpu.chebyshev.nambu_operator import NambuOperator
from bdg.gpu.chebyshev.traces import stochastic_trace
from bdg.gpu.device.backend import Backend, MemoryBudgetError
from bdg.gpu.device.memory import require_memory
from bdg.gpu.eigen.eigenpairs import Eigenpairs, Partner, even, rayleigh_ritz, residual_norms
from bdg.gpu.eigen.scales import Scales
from bdg.gpu.eigen.subspace import RitzPairs, lockable, orthonormal

OVER = 3  # states of the subspace for each one that is wanted
GAIN = 1e8  # of the filter at the shift: double precision allows no more than two such steps to be needed
_KEPT = 1.25  # of the wanted: states that H itself is diagonalised in
_FIRST_MOMENTS, _MOST_MOMENTS = 256, 16384
_COUNT_VECTORS = 4
_RESOLVED = 3.0  # widths of a peak that the cut has to be
_MOST_SWEEPS = 12


class FilteredEngine:
    """Eigenpairs of one BdG matrix by polynomial filters, for `bdg.gpu.eigen.certified`.

    Parameters
    ----------
    matrix : CSR (n, n)
        H in the order (electron | hole).
    norbs : int
    partner : callable
        Columns to their partners at the opposite energy: a signed permutation after complex conjugation.
    backend : Backend
    count : callable, optional
        Proven number of eigenvalues below an energy, or None where it is not proven; it may raise
        `MemoryBudgetError`.
    """

    def __init__(
        self,
        matrix: sp.csr_matrix,
        norbs: int,
        partner: Partner,
        backend: Backend,
        count: Callable[..., int | None] | None = None,
    ) -> None:
        self.matrix, self.partner, self.scales = matrix, partner, Scales.of(matrix)
        self._operator = NambuOperator(matrix, norbs, backend)
        self._backend, self._xp, self._count = backend, backend.xp, count
        self._signs, self._sources = self._signed_permutation()
        self._bound = spectral_bound(matrix)
        if not self._bound > 0:
            raise ValueError("the Hamiltonian is zero: there is no scale of energies to expand on; use method='dense'")
        self._traces: np.ndarray | None = None
        self.patience, self.estimated_count = 1.0, ""
        self.facts: dict[str, Any] = {
            "spectral_bound": self._bound,
            "bound_repeated": False,
            "products": 0,
            "sweeps": 0,
            "degrees": [],
        }

    def search(
        self,
        shift: float,
        wanted: int,
        tol: float,
        rng: np.random.Generator,
        known: np.ndarray | None,
        needed: int | None = None,
        begin: np.ndarray | None = None,
    ) -> Eigenpairs:
        """Return about ``wanted`` eigenpairs nearest to ``shift``, outside the span of ``known``.

        Random vectors complete the columns ``begin``.

        Raises
        ------
        MemoryBudgetError
            If the blocks of vectors do not fit.
        """
        n_known = 0 if known is None else known.shape[1]
        if OVER * wanted + n_known >= self._operator.n_rows:
            return self._whole(shift, wanted, known)
        self._require_memory(OVER * wanted)
        seed = rng.integers(1 << 31)
        try:
            return self._search(shift, wanted, tol, np.random.default_rng(seed), known, begin)
        except BoundViolatedError:
            self._bound, self._traces = gershgorin_bound(self.matrix), None
            self.facts.update(spectral_bound=self._bound, bound_repeated=True)
            return self._search(shift, wanted, tol, np.random.default_rng(seed), known, begin)

    def polish(self, shift: float, vectors: np.ndarray, tol: float) -> Eigenpairs:
        """Return as many Ritz pairs as there are columns, from a search that begins with them."""
        pairs = rayleigh_ritz(self.matrix, vectors)
        if pairs.residuals.max(initial=0.0) <= tol:
            return pairs
        begin = pairs.vectors[:, pairs.energies > 0] if shift == 0 else pairs.vectors
        return self.search(shift, vectors.shape[1], tol, np.random.default_rng(0), None, None, begin)

    def count_below(self, energy: float, within: float | None = None) -> int | None:
        """As `Engine.count_below` by a factorisation; None where none fits.

        What random vectors count then goes into ``facts`` as ``estimated_count``, with its standard error.
        """
        if self._count is not None:
            try:
                return self._count(energy, within)
            except MemoryBudgetError as error:
                self._count = None
                self.facts["count_refused"] = str(error)
        if energy and self._bound:
            edge = np.array([abs(energy)])
            counts = count_between(-edge, edge, self._traces_resolving(abs(energy)), self._bound)[0]
            scatter = counts.std(ddof=1) / np.sqrt(counts.size)
            words = f"random vectors count {counts.mean():.4g} +- {scatter:.2g} states with |E| < {abs(energy):.6g}"
            self.estimated_count = self.facts["estimated_count"] = words
        return None

    # ------------------------------------------------------------------------------------------------ the iteration

    def _search(
        self,
        shift: float,
        wanted: int,
        tol: float,
        rng: np.random.Generator,
        known: np.ndarray | None,
        begin: np.ndarray | None,
    ) -> Eigenpairs:
        """Filter, orthogonalise and take Ritz pairs until the wanted ones have residuals below ``tol``."""
        xp, paired = self._xp, shift == 0
        columns = even(OVER * wanted) // 2 if paired else OVER * wanted
        n_known = 0 if known is None else known.shape[1]
        locked = orthonormal(self._columns(known), xp) if known is not None and n_known else None
        cut = self._cut(shift, OVER * wanted + n_known)
        block = self._random(columns, rng)
        if begin is not None:
            block = xp.concatenate([self._columns(begin), block[:, begin.shape[1] :]], axis=1)
        found = RitzPairs(np.empty(0), xp.zeros((self._operator.n_rows, 0), self._operator.dtype), np.empty(0))
        best = np.inf
        most = int(self.patience * _MOST_SWEEPS)
        for sweep in range(most):
            block = self._filter(block, shift, cut)
            basis = self._basis(block, paired, locked)
            self._check_bound(basis, shift)
            count = min(even(int(_KEPT * (wanted - found.size)) + 2), basis.shape[1])
            low, rest, largest = self._rayleigh_ritz(basis, shift, count)
            self.facts["sweeps"] += 1
            order = np.argsort(abs(low.energies - shift), kind="stable")
            missing = wanted - found.size
            nearest = low.residuals[order[:missing]]
            if nearest.max(initial=0.0) <= tol or sweep == most - 1:
                found = found.joined(low, order[:missing], xp)
                break
            if sweep > 3 and not nearest.max() < 0.5 * best:  # at the rounding floor of this matrix
                found = found.joined(low, order[:missing], xp)
                break
            best = nearest.max()
            n_locked = lockable(low, order, shift, tol, paired)
            if n_locked:
                found = found.joined(low, order[:n_locked], xp)
                own = low.vectors[:, xp.asarray(order[:n_locked])]
                locked = own if locked is None else xp.concatenate([locked, own], axis=1)
            block = self._restart(low, order[n_locked:], rest, paired)
            missing = columns - (found.size // 2 if paired else found.size) - block.shape[1]
            if missing > columns // 2:  # crowded out by a large multiplet; a few do not matter, and add noise
                block = xp.concatenate([block, self._random(missing, rng)], axis=1)
            cut = min(max(largest, 0.2 * cut), 1.2 * cut)
        vectors = self._rows(found.vectors)
        return Eigenpairs(found.energies, vectors, residual_norms(self.matrix, vectors, found.energies))

    def _filter(self, block: Any, shift: float, cut: float) -> Any:
        """Return the polynomial of columns (n, R)."""
        operator, xp = self._operator, self._xp
        edge = self._bound + abs(shift)
        centre, half = 0.5 * (edge**2 + cut**2), 0.5 * (edge**2 - cut**2)
        degree = max(2, int(np.ceil(np.arccosh(GAIN) * edge / (2 * cut))))
        self.facts["degrees"].append(degree)
        self.facts["products"] += 2 * degree * block.shape[1]
        parts = []
        with np.errstate(over="ignore", invalid="ignore"):  # beyond a wrong bound; noticed in the Ritz step
            for part in column_blocks(operator, block.shape[1]):
                x = xp.ascontiguousarray(block[:, part]).reshape(operator.n_sites, 2 * operator.norbs, -1)
                image, before = xp.empty_like(x), xp.empty_like(x)
                sign = 1.0
                for step in range(degree):
                    # S_j = +-T_j with signs + + - - ...: S_{j+1} = S_{j-1} +- 2 (...) S_j adds to what is there
                    scale = (1.0 if step == 0 else 2.0 * sign) / half
                    operator.step(image, x, alpha=1.0, beta=-shift)
                    operator.step(
                        before,
                        image,
                        alpha=scale,
                        beta=-scale * shift,
                        gamma=-scale * centre,
                        z=x,
                        damp=0.0 if step == 0 else -1.0,
                    )
                    x, before = before, x
                    sign = -sign
                parts.append(x.reshape(operator.n_rows, -1))
        return xp.concatenate(parts, axis=1)

    def _basis(self, block: Any, paired: bool, locked: Any) -> Any:
        """Return an orthonormal basis of a filtered block (and its partners), outside the locked vectors."""
        xp = self._xp
        norms = xp.linalg.norm(block, axis=0)
        if not bool(xp.isfinite(norms).all()):
            raise BoundViolatedError("a filtered vector overflowed: the spectral bound is too small")
        block = block / norms
        basis = xp.concatenate([block, self._partner(block)], axis=1) if paired else block
        for _ in range(2):
            if locked is not None:
                basis = basis - locked @ (locked.conj().T @ basis)
            basis = orthonormal(basis, xp)
        return basis

    def _check_bound(self, basis: Any, shift: float) -> None:
        """Raise `BoundViolatedError` if the space holds states beyond the bound."""
        image = self._apply(basis)
        moved = image - shift * basis if shift else image
        largest = float(self._xp.linalg.eigvalsh(moved.conj().T @ moved)[-1]) ** 0.5
        edge = self._bound + abs(shift)
        if not largest <= edge * (1 + 1e-10):
            raise BoundViolatedError(f"a Ritz value of {largest:.6g} lies beyond the bound {edge:.6g}")

    def _rayleigh_ritz(self, basis: Any, shift: float, count: int) -> tuple[RitzPairs, Any, float]:
        """Return Ritz pairs of H in the ``count`` lowest of (H - shift)^2, the remaining basis, the largest value."""
        xp = self._xp
        image = self._apply(basis)
        moved = image - shift * basis if shift else image
        squares, rotation = xp.linalg.eigh(moved.conj().T @ moved)
        inside, outside = rotation[:, :count], rotation[:, count:]
        low, image = basis @ inside, image @ inside
        projected = low.conj().T @ image
        energies, mixing = xp.linalg.eigh((projected + projected.conj().T) / 2)
        vectors, image = low @ mixing, image @ mixing
        residuals = self._backend.to_host(xp.linalg.norm(image - vectors * energies, axis=0))
        largest = max(float(squares[-1]), 0.0) ** 0.5
        return RitzPairs(self._backend.to_host(energies), vectors, residuals), basis @ outside, largest

    def _restart(self, low: RitzPairs, order: np.ndarray, rest: Any, paired: bool) -> Any:
        """Return the block to filter next: all that is not locked, of pairs +-E the positive member."""
        xp = self._xp
        if not paired:
            return xp.concatenate([low.vectors[:, xp.asarray(order)], rest], axis=1)
        zero = 1e-6 * self._bound  # a state at zero may be its own partner: keep all of them
        chosen = order[low.energies[order] > -zero]
        kept = low.vectors[:, xp.asarray(chosen)]
        if not rest.shape[1]:
            return kept
        projected = rest.conj().T @ self._apply(rest)
        _, mixing = xp.linalg.eigh((projected + projected.conj().T) / 2)
        upper = rest @ mixing[:, rest.shape[1] // 2 :]
        return xp.concatenate([kept, upper], axis=1)

    # ------------------------------------------------------------------------------------------------------- parts

    def _apply(self, tall: Any) -> Any:
        """Return H times columns (n, R), some at a time."""
        operator, xp = self._operator, self._xp
        self.facts["products"] += tall.shape[1]
        parts = []
        for part in column_blocks(operator, tall.shape[1]):
            x = xp.ascontiguousarray(tall[:, part]).reshape(operator.n_sites, 2 * operator.norbs, -1)
            parts.append(operator.apply(x).reshape(operator.n_rows, -1))
        return xp.concatenate(parts, axis=1)

    def _partner(self, tall: Any) -> Any:
        return self._signs * tall.conj()[self._sources]

    def _signed_permutation(self) -> tuple[Any, Any]:
        """Return signs (n, 1) and sources (n,) of the particle-hole operator in the order of the sites."""
        n, operator = self.matrix.shape[0], self._operator
        numbered = np.asarray(self.partner(np.arange(1.0, n + 1))).real
        rows = np.empty(n, dtype=np.int64)
        rows[operator.place(np.arange(n))] = np.arange(n)
        signed = np.rint(numbered[rows]).astype(np.int64)
        sources = operator.place(np.asarray(abs(signed)) - 1)
        signs = np.sign(signed)[:, None].astype(operator.dtype)
        return self._xp.asarray(signs), self._xp.asarray(sources)

    def _random(self, columns: int, rng: np.random.Generator) -> Any:
        shape = (self._operator.n_rows, columns)
        block = rng.standard_normal(shape)
        if self._operator.dtype.kind == "c":
            block = block + 1j * rng.standard_normal(shape)
        return self._xp.asarray(block)

    def _columns(self, vectors: np.ndarray) -> Any:
        """Return host vectors as columns of the device in the order of the sites."""
        return self._operator.to_device(vectors).reshape(self._operator.n_rows, -1)

    def _rows(self, tall: Any) -> np.ndarray:
        """Return columns of the device as host vectors in the order of the matrix."""
        return self._operator.to_host(tall.reshape(self._operator.n_sites, -1, tall.shape[1]))

    def _cut(self, shift: float, n_states: int) -> float:
        """Return an energy with about ``n_states`` levels nearer to the shift, from random vectors."""
        width = self._bound
        for _ in range(8):
            traces = self._traces_resolving(width).mean(axis=1)
            trial = np.linspace(0, self._bound + abs(shift), 4001)[1:]
            counts = count_between(shift - trial, shift + trial, traces, self._bound)
            found = float(trial[min(int(np.searchsorted(counts, n_states)), trial.size - 1)])
            enough = len(traces) >= _MOST_MOMENTS or resolution(len(traces), self._bound) * _RESOLVED <= found
            if enough or found >= width:
                break
            width = found
        self.facts["cut"] = found
        return min(found, 0.9 * (self._bound + abs(shift)))

    def _traces_resolving(self, width: float) -> np.ndarray:
        """Return moments of random vectors (M, R) whose peaks are three times narrower than ``width``."""
        wanted = _FIRST_MOMENTS
        while wanted < _MOST_MOMENTS and resolution(wanted, self._bound) * _RESOLVED > width:
            wanted *= 2
        if self._traces is None or len(self._traces) < wanted:
            trace = stochastic_trace(self._operator, self._bound, wanted, _COUNT_VECTORS, 0)
            self._traces = trace.moments
            self.facts["products"] += trace.products
            self.facts["count_moments"] = wanted
        return self._traces

    def _whole(self, shift: float, wanted: int, known: np.ndarray | None) -> Eigenpairs:
        """Return the states of a matrix so small that the subspace would be all of it."""
        basis = np.eye(self.matrix.shape[0], dtype=self.matrix.dtype)
        if known is not None and known.shape[1]:
            basis = np.linalg.qr(np.concatenate([known, basis], axis=1))[0][:, known.shape[1] :]
        pairs = rayleigh_ritz(self.matrix, basis)
        order = np.argsort(abs(pairs.energies - shift), kind="stable")[: even(wanted)]
        self.facts["whole_space"] = True
        return Eigenpairs(pairs.energies[order], pairs.vectors[:, order], pairs.residuals[order])

    def _require_memory(self, n_states: int) -> None:
        needed = 8.0 * self._operator.n_rows * n_states * self._operator.dtype.itemsize
        require_memory(
            needed,
            self._backend,
            f"filtered subspace iteration with {n_states} vectors of dimension {self._operator.n_rows}",
            "Ask for fewer states, or for a window of energies in several parts.",
        )
