"""``H x`` and ``(z - H) x`` for columns (n_rows, R), on the device that holds them."""

from __future__ import annotations

from typing import Any

import numpy as np
import scipy.sparse as sp

from bdg.gpu.device.backend import Backend
from bdg.gpu.multifrontal.analysis.symbolic import Symbolic
from bdg.gpu.multifrontal.factors.sweep import as_complex, as_real


class MatrixProduct:
    """A matrix times columns: SciPy's CSR on the CPU, gathered rows of similar length elsewhere.

    Parameters
    ----------
    symbolic : Symbolic
        Of the pattern of the matrix.
    matrix : CSR
        What the CPU multiplies with.
    values : array
        The elements on the pattern, flat, with one zero behind them, on the device: what all others multiply with.
    backend : Backend
    """

    def __init__(self, symbolic: Symbolic, matrix: sp.csr_matrix, values: Any, backend: Backend) -> None:
        self._xp, self._matrix = backend.xp, matrix if backend.device == "cpu" else None
        self._groups: list[tuple[Any, Any, Any]] = []
        if self._matrix is None:  # missing elements read the zero at the end
            groups = symbolic.row_groups(self._xp)
            self._groups = [(rows, columns, values[places][:, None, :]) for rows, columns, places in groups]

    def __call__(self, columns: Any) -> Any:
        """Return the product, (n_rows, R)."""
        if self._matrix is not None:
            return self._matrix @ columns
        xp, dtype = self._xp, self._groups[0][2].dtype
        if dtype.kind != "c" and columns.dtype.kind == "c":
            return as_complex(self(as_real(xp, columns)))
        out = xp.empty(columns.shape, np.result_type(columns.dtype, dtype))
        for rows, neighbours, values in self._groups:
            out[rows] = xp.matmul(values, columns[neighbours])[:, 0]
        return out


class ShiftedProduct:
    """``(z - H) x``.

    Parameters
    ----------
    symbolic, backend
        As for `MatrixProduct`.
    hamiltonian : CSR
        H.
    z : complex or float
        A float keeps real columns real.
    values : array
        Elements of ``z - H``, not of H.
    """

    def __init__(
        self, symbolic: Symbolic, hamiltonian: sp.csr_matrix, z: complex, values: Any, backend: Backend
    ) -> None:
        self._product = MatrixProduct(symbolic, hamiltonian, values, backend)
        self._z = z if backend.device == "cpu" else None  # elsewhere z is in the values

    def __call__(self, columns: Any) -> Any:
        """Return the product, (n_rows, R)."""
        product = self._product(columns)
        return product if self._z is None else self._z * columns - product
