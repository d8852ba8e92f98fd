"""Which sites a matrix connects, and the matrix as dense blocks between sites.

All rows of a site stay together in the factorisation: an electron and a hole, two spins, or a single row in the
complex symmetric (Takagi) form. The pattern belongs to the geometry, the blocks to the values of one Hamiltonian.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
import scipy.sparse as sp

EQUAL_TO = 8 * np.finfo(float).eps  # of the largest element of a site: what a few operations leave


@dataclass(frozen=True, eq=False)
class SitePattern:
    """Connected pairs of sites, symmetric and with the diagonal, sorted by (first, second).

    Attributes
    ----------
    rows : array (N, nd)
        Rows of the matrix that belong to each site; a permutation of all rows.
    first, second : arrays (n_blocks,)
        The sites that block ``b`` connects (row, column).
    diagonal : array (N,)
        Block number of each site with itself.
    transposed : array (n_blocks,)
        Block number of the pair in the other direction.
    """

    rows: np.ndarray
    first: np.ndarray
    second: np.ndarray
    diagonal: np.ndarray
    transposed: np.ndarray

    @classmethod
    def of(cls, matrix: sp.csr_matrix, rows: np.ndarray | None = None) -> SitePattern:
        """Return the pattern of a matrix; ``rows`` (N, nd) are the rows of each site (default: one row a site).

        Raises
        ------
        ValueError
            If the matrix is not square or ``rows`` is not a permutation of its rows.
        """
        if matrix.ndim != 2 or matrix.shape[0] != matrix.shape[1] or not matrix.shape[0]:
            raise ValueError(f"matrix must be square and not empty; got shape {matrix.shape}")
        rows = np.arange(matrix.shape[0])[:, None] if rows is None else np.asarray(rows)
        _require_rows(rows, matrix.shape[0])
        site = _site_of_row(rows)
        n_sites = len(rows)
        entries = matrix.tocoo()
        ones = np.ones(entries.nnz, dtype=bool)
        pairs = sp.csr_matrix((ones, (site[entries.row], site[entries.col])), shape=(n_sites, n_sites))
        pairs = (pairs + pairs.T + sp.identity(n_sites, dtype=bool, format="csr")).tocsr()
        pairs.sort_indices()
        second = pairs.indices.astype(np.int64)
        first = np.repeat(np.arange(n_sites), np.diff(pairs.indptr))
        numbered = sp.csr_matrix((np.arange(second.size), pairs.indices, pairs.indptr), shape=pairs.shape)
        transposed = numbered.T.tocsr()
        transposed.sort_indices()
        return cls(rows, first, second, np.flatnonzero(first == second), transposed.data.astype(np.int64))

    def with_rows(self, rows: np.ndarray) -> SitePattern:
        """Return the pattern of a matrix with other rows (N, nd) for the same pairs of sites.

        Raises
        ------
        ValueError
            If ``rows`` is not a permutation of all rows, N times the same number.
        """
        rows = np.asarray(rows)
        _require_rows(rows, rows.size)
        if len(rows) != self.n_sites:
            raise ValueError(f"rows must have one line for each of the {self.n_sites} sites; got shape {rows.shape}")
        return replace(self, rows=rows)

    @property
    def n_sites(self) -> int:
        """Number of sites N."""
        return len(self.rows)

    @property
    def rows_per_site(self) -> int:
        """Rows of the matrix per site, nd."""
        return self.rows.shape[1]

    @property
    def n_rows(self) -> int:
        """Dimension of the matrix, N nd."""
        return self.rows.size

    @property
    def n_blocks(self) -> int:
        """Number of connected pairs, both directions and the diagonal counted."""
        return self.first.size

    @property
    def adjacency(self) -> sp.csr_matrix:
        """CSR (N, N) pattern of the connected pairs, as the ordering takes it."""
        start = np.concatenate([[0], np.cumsum(np.bincount(self.first, minlength=self.n_sites))])
        ones = np.ones(self.n_blocks, dtype=np.int8)
        return sp.csr_matrix((ones, self.second, start), shape=(self.n_sites, self.n_sites))

    def scales(self, blocks: np.ndarray) -> np.ndarray:
        """Return for each block (n_blocks,) the largest element of its two sites, of the site where that is smaller."""
        start = np.searchsorted(self.first, np.arange(self.n_sites))
        largest = np.maximum.reduceat(abs(blocks).max(axis=(1, 2)), start)
        return np.minimum(largest[self.first], largest[self.second])

    def row_groups(self) -> list[tuple[np.ndarray, np.ndarray, np.ndarray]]:
        """Return rows (k,), columns (k, length) and places of the values, rows of a similar length together.

        The places count the elements of all blocks; one place behind the last element stands for a zero.
        """
        nd = self.rows_per_site
        neighbours = np.bincount(self.first, minlength=self.n_sites)
        start = np.cumsum(neighbours) - neighbours
        length = 1 << np.ceil(np.log2(neighbours)).astype(int)
        groups = []
        for most in np.unique(length):
            sites = np.flatnonzero(length == most)
            slot = np.arange(most)[None, :]
            block = np.minimum(start[sites][:, None] + slot, self.n_blocks - 1)
            missing = np.repeat(slot >= neighbours[sites][:, None], nd, axis=1)
            columns = self.rows[self.second[block]].reshape(sites.size, -1).astype(np.int32)
            for inner in range(nd):
                places = ((block * nd + inner)[:, :, None] * nd + np.arange(nd)).reshape(sites.size, -1)
                places[missing] = self.n_blocks * nd * nd
                groups.append((self.rows[sites, inner], columns, places))
        return groups

    def split(self, matrix: sp.csr_matrix) -> BlockMatrix:
        """Return a matrix on this pattern as dense blocks; real ones if no element has an imaginary part.

        Raises
        ------
        ValueError
            If the matrix has another shape, or an entry where the pattern has no block.
        """
        if matrix.shape != (self.n_rows, self.n_rows):
            raise ValueError(f"matrix must have shape {(self.n_rows,) * 2}, as the pattern; got {matrix.shape}")
        site, within = _site_of_row(self.rows), np.empty(self.n_rows, dtype=np.int64)
        within[self.rows] = np.arange(self.rows_per_site)
        entries = matrix.tocoo()
        keys = self.first * self.n_sites + self.second
        wanted = site[entries.row] * self.n_sites + site[entries.col]
        block = np.searchsorted(keys, wanted)
        missing = keys[np.minimum(block, keys.size - 1)] != wanted
        if missing.any():
            where = np.flatnonzero(missing)[0]
            raise ValueError(
                f"matrix connects sites {site[entries.row[where]]} and {site[entries.col[where]]}, which the pattern "
                "does not; build the pattern from a matrix that has every hopping and pairing that may occur"
            )
        nd = self.rows_per_site
        flat = (block * nd + within[entries.row]) * nd + within[entries.col]
        blocks = np.zeros(self.n_blocks * nd * nd, dtype=np.result_type(matrix.dtype, np.float64))
        np.add.at(blocks, flat, entries.data)
        if matrix.dtype.kind == "c" and not blocks.imag.any():  # real in all but its type: half the work
            blocks, matrix = blocks.real.copy(), matrix.real
        return BlockMatrix(self, blocks.reshape(-1, nd, nd), sp.csr_matrix(matrix))


@dataclass(frozen=True, eq=False)
class BlockMatrix:
    """A matrix as blocks (n_blocks, nd, nd) on a `SitePattern`, beside its CSR form."""

    pattern: SitePattern
    blocks: np.ndarray
    matrix: sp.csr_matrix

    @property
    def dtype(self) -> np.dtype:
        """float64 or complex128."""
        return self.blocks.dtype

    @cached_property
    def norm(self) -> float:
        """Largest absolute row sum of the matrix, a bound of its eigenvalues."""
        return float(abs(self.matrix).sum(axis=1).max())

    @cached_property
    def is_symmetric(self) -> bool:
        """True if H = H^T to rounding (also for complex H)."""
        return self._equals(self.blocks[self.pattern.transposed].swapaxes(1, 2))

    @cached_property
    def is_hermitian(self) -> bool:
        """True if H = H^+ to rounding."""
        return self._equals(self.blocks[self.pattern.transposed].swapaxes(1, 2).conj())

    @cached_property
    def is_skew(self) -> bool:
        """True if H is real and H = -H^T to rounding."""
        return self.dtype.kind != "c" and self._equals(-self.blocks[self.pattern.transposed].swapaxes(1, 2))

    def _equals(self, blocks: np.ndarray) -> bool:
        """Return whether all elements equal those of ``blocks`` to the rounding of the smaller of their two sites.

        What a site of large energy hides in its own diagonal block, it hides nowhere else.
        """
        if np.array_equal(blocks, self.blocks):
            return True
        defect = abs(self.blocks - blocks).max(axis=(1, 2))
        if not defect.max() <= EQUAL_TO * abs(self.blocks).max():  # far from it: the common case
            return False
        return bool((defect <= EQUAL_TO * self.pattern.scales(self.blocks)).all())


def _require_rows(rows: np.ndarray, n_rows: int) -> None:
    if rows.ndim != 2 or not np.array_equal(np.sort(rows, axis=None), np.arange(n_rows)):
        raise ValueError(
            f"rows must have shape (n_sites, rows per site) and name each of the {n_rows} rows of the matrix once; "
            f"got shape {rows.shape}"
        )


def _site_of_row(rows: np.ndarray) -> np.ndarray:
    site = np.empty(rows.size, dtype=np.int64)
    site[rows] = np.arange(len(rows))[:, None]
    return site
