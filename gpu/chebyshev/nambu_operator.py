r"""A BdG matrix acting on blocks of vectors (N, 2 norbs, R): the step of all polynomial recursions, on each device.

On a GPU, and on a CPU with a compiler, a step is one kernel that stores h and D only. Without a compiler the CPU takes
SciPy's product of a CSR matrix with a block, added to what the result holds already, in real arithmetic where H is
real; other array modules run the twin of the kernel.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import scipy.sparse as sp

from bdg.gpu.device.backend import Backend
from bdg.gpu.kernels.compiled_step import CompiledStep
from bdg.gpu.kernels.compiling import host_library
from bdg.gpu.kernels.launch import Launch, cupy_launcher
from bdg.gpu.kernels.nambu_step import ArrayStep, DeviceStep, Dots, NambuStep, SparseRows, check_vectors

try:  # adds to an existing result, which the public operator @ does not: a third of the time of a step
    from scipy.sparse._sparsetools import csr_matvecs
except ImportError:  # the operator does the same, slower
    csr_matvecs = None

_CHUNK = 256  # rows summed in the precision of the vectors before double precision takes over
_KEPT_MATRICES = 6  # alpha H + beta that a recursion repeats


class NambuOperator:
    """H in the order (site, Nambu and spin), with the step that recursions are made of.

    Parameters
    ----------
    matrix : CSR (2 norbs N, 2 norbs N)
        H in the order (electron | hole) with particle-hole symmetry: blocks h and D, and what follows from them.
    norbs : int
        1: ``[[h, D], [D*, -h*]]``; 2: with ``sigma_y`` on both sides of the lower blocks.
    backend : Backend
    single : bool
        Single precision.
    """

    def __init__(self, matrix: sp.csr_matrix, norbs: int, backend: Backend, *, single: bool = False) -> None:
        kind = "c" if matrix.dtype.kind == "c" else "f"
        names = {("f", True): "f4", ("f", False): "f8", ("c", True): "c8", ("c", False): "c16"}
        self.dtype = np.dtype(names[kind, single])
        self.norbs, self.backend = norbs, backend
        self.n_rows = matrix.shape[0]
        self.n_sites = self.n_rows // (2 * norbs)
        self._order = np.arange(self.n_rows).reshape(2, self.n_sites, norbs).transpose(1, 0, 2).ravel()
        self._place = np.argsort(self._order)
        self.kernel = _step(matrix, self._order, norbs, backend, self.dtype)

    @property
    def compiled(self) -> bool:
        """Whether steps are those of the compiled kernel of the CPU."""
        return isinstance(self.kernel, CompiledStep)

    def zeros(self, n_columns: int) -> Any:
        """Return vectors (N, 2 norbs, n_columns) of zeros on the device."""
        return self.backend.xp.zeros((self.n_sites, 2 * self.norbs, n_columns), dtype=self.dtype)

    def to_device(self, vectors: np.ndarray) -> Any:
        """Return host vectors (2 norbs N, R) in the order of the matrix as vectors of the device."""
        ordered = np.ascontiguousarray(vectors[self._order], dtype=self.dtype)
        return self.backend.xp.asarray(ordered.reshape(self.n_sites, 2 * self.norbs, -1))

    def to_host(self, vectors: Any) -> np.ndarray:
        """Return vectors of the device as (2 norbs N, R) on the host in the order of the matrix."""
        return self.backend.to_host(vectors).reshape(self.n_rows, -1)[self._place]

    def unit_vectors(self, rows: np.ndarray) -> Any:
        """Return one unit vector for each row of the matrix that is named."""
        host = np.zeros((self.n_rows, rows.size), dtype=self.dtype)
        host[self._place[rows], np.arange(rows.size)] = 1
        return self.backend.xp.asarray(host.reshape(self.n_sites, 2 * self.norbs, rows.size))

    def place(self, rows: np.ndarray) -> np.ndarray:
        """Return where rows of the matrix stand in vectors flattened to (2 norbs N, R)."""
        return self._place[rows]

    def step(self, y: Any, x: Any, **scalars: Any) -> Any:
        """Set ``y <- alpha H x + beta x + gamma z - damp y``; see `bdg.gpu.kernels.nambu_step.NambuStep`."""
        return self.kernel.step(y, x, **scalars)

    def apply(self, x: Any) -> Any:
        """Return ``H x``."""
        y = self.backend.xp.empty_like(x)
        self.kernel.step(y, x, alpha=1.0)
        return y


def kernels_of_the_host() -> str:
    """Return what runs the steps on the CPU."""
    return host_library().about


def steps_are_compiled() -> bool:
    """Return whether the CPU has compiled kernels."""
    return host_library().library is not None


def launcher(xp: Any) -> Callable[[Launch], None] | None:
    """Return what runs kernels on arrays of ``xp``; None where there are none."""
    return cupy_launcher() if xp.__name__ == "cupy" else None


def _step(matrix: sp.csr_matrix, order: np.ndarray, norbs: int, backend: Backend, dtype: np.dtype) -> NambuStep:
    xp, launch = backend.xp, launcher(backend.xp)
    library = host_library().library if backend.device == "cpu" else None
    if launch is not None or library is not None:
        half = matrix.shape[0] // 2
        normal, pairing = sp.csr_matrix(matrix[:half, :half]), sp.csr_matrix(matrix[:half, half:])
        delta = pairing.diagonal().reshape(-1, norbs)
        further = sp.csr_matrix(pairing - sp.diags_array(np.repeat(delta[:, 0], norbs), format="csr"))
        further.eliminate_zeros()
        parts = (
            SparseRows.of(normal, dtype, xp),
            xp.asarray(delta[:, 0].astype(dtype)) if delta.any() else None,
            SparseRows.of(further, dtype, xp) if further.nnz else None,
        )
        return DeviceStep(*parts, norbs, xp, launch) if launch is not None else CompiledStep(*parts, norbs, library)
    ordered = sp.csr_matrix(matrix[order][:, order])
    ordered.sort_indices()
    if backend.device == "cpu":
        return HostStep(ordered.astype(dtype), norbs)
    return ArrayStep(backend.csr(ordered, dtype), norbs, xp)


class HostStep:
    """The step on the CPU without a compiler, with SciPy.

    Parameters
    ----------
    matrix : CSR (2 norbs N, 2 norbs N)
        H in the order (site, Nambu and spin) and in the dtype of the vectors.
    norbs : int
    """

    def __init__(self, matrix: sp.csr_matrix, norbs: int) -> None:
        self._matrix, self._norbs = matrix, norbs
        self._made: dict[tuple[float, float], sp.csr_matrix] = {}
        self._scratch: np.ndarray | None = None

    def step(
        self,
        y: Any,
        x: Any,
        *,
        alpha: float,
        beta: float = 0.0,
        gamma: float = 0.0,
        z: Any = None,
        damp: float = 0.0,
        dots: Dots = "none",
    ) -> Any:
        """See `NambuStep`; no pass over y but that of the product where damp = -1 and gamma = 0."""
        check_vectors(y, x, z, gamma, self._norbs, dots)
        number = x.dtype.type
        if damp == 0:
            y[...] = 0
        elif damp == 1:
            np.negative(y, out=y)
        elif damp != -1:
            y *= number(-damp)
        if gamma:
            if self._scratch is None or self._scratch.shape != z.shape or self._scratch.dtype != z.dtype:
                self._scratch = np.empty_like(z)
            y += np.multiply(z, number(gamma), out=self._scratch)
        _add_product(self._scaled(alpha, beta), x, y)
        return host_dots(y, x, dots)

    def _scaled(self, alpha: float, beta: float) -> sp.csr_matrix:
        made = self._made.get((alpha, beta))
        if made is None:
            made = self._matrix * self._matrix.dtype.type(alpha)
            if beta:
                made = made + sp.diags_array(np.full(made.shape[0], beta, made.dtype), format="csr")
            made = sp.csr_matrix(made, dtype=self._matrix.dtype)
            made.sort_indices()
            while len(self._made) >= _KEPT_MATRICES:
                self._made.pop(next(iter(tuple(self._made))), None)  # another thread may have been here
            self._made[alpha, beta] = made
        return made


def _add_product(matrix: sp.csr_matrix, x: np.ndarray, y: np.ndarray) -> None:
    if csr_matvecs is None:
        y += (matrix @ x.reshape(-1, x.shape[2])).reshape(y.shape)
        return
    n = matrix.shape[0]
    # the views are flat and of one dtype, so that nothing is copied and y itself is added to
    csr_matvecs(n, n, x.shape[2], matrix.indptr, matrix.indices, matrix.data, x.reshape(-1), y.reshape(-1))


def host_dots(y: np.ndarray, x: np.ndarray, dots: Dots) -> np.ndarray | None:
    """Return the dot products (R, 2) of a step on the host, summed in double precision over short chunks of rows."""
    if dots == "none":
        return None
    n_columns = x.shape[2]
    out = np.zeros((n_columns, 2))
    if dots in ("norms", "squares"):
        flat_y, flat_x = y.reshape(-1, n_columns), x.reshape(-1, n_columns)
        for place, other in enumerate((flat_y, flat_x) if dots == "norms" else (flat_y,)):
            for left, right in _real_parts(flat_y, other):
                out[:, place] += _chunked(left, right)
        return out
    total = _chunked(y[:, 0], x[:, 1]) - _chunked(y[:, 1], x[:, 0])
    out[:, 0] = total.real
    out[:, 1] = total.imag
    return out


def _real_parts(left: np.ndarray, right: np.ndarray) -> list[tuple[np.ndarray, np.ndarray]]:
    """Return the pairs of real arrays whose products sum to Re <left|right>."""
    if left.dtype.kind != "c":
        return [(left, right)]
    return [(left.real, right.real), (left.imag, right.imag)]


def _chunked(left: np.ndarray, right: np.ndarray) -> np.ndarray:
    whole = left.shape[0] - left.shape[0] % _CHUNK
    wide = np.complex128 if left.dtype.kind == "c" else np.float64
    total = np.einsum("ij,ij->j", left[whole:].astype(wide), right[whole:].astype(wide))
    if whole:
        shape = (-1, _CHUNK, left.shape[1])
        total = total + np.einsum("kij,kij->kj", left[:whole].reshape(shape), right[:whole].reshape(shape)).sum(
            axis=0, dtype=wide
        )
    return total
