"""``H x`` and ``(z - H) x`` for columns (n_rows, R), on the device that holds them."""

from __future__ import annotations

from typing import Any

import numpy as np

from bdg.gpu.device.backend import Backend
from bdg.gpu.device.complex_columns import as_complex, as_real
from bdg.gpu.multifrontal.analysis.pattern import BlockMatrix
from bdg.gpu.multifrontal.analysis.symbolic import Symbolic


class MatrixProduct:
    """A matrix times columns: SciPy's CSR on the CPU, gathered rows of similar length elsewhere.

    Parameters
    ----------
    symbolic : Symbolic
        Of the pattern of the matrix.
    matrix : BlockMatrix
    backend : Backend
    values : array, optional
        Elements on the pattern, flat, with one zero behind them, where they are on the device already; others than
        those of ``matrix`` only count elsewhere than on the CPU.
    """

    def __init__(self, symbolic: Symbolic, matrix: BlockMatrix, backend: Backend, values: Any = None) -> None:
        self._xp, self._matrix = backend.xp, matrix.matrix if backend.device == "cpu" else None
        self._groups: list[tuple[Any, Any, Any]] = []
        if self._matrix is None:  # missing elements read the zero at the end
            flat = self._xp.asarray(np.append(matrix.blocks.reshape(-1), 0)) if values is None else values
            groups = symbolic.row_groups(self._xp)
            self._groups = [(rows, columns, flat[places][:, None, :]) for rows, columns, places in groups]

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
    hamiltonian : BlockMatrix
    z : complex or float
        A float keeps real columns real.
    values : array
        Elements of ``z - H``, not of H.
    """

    def __init__(self, symbolic: Symbolic, hamiltonian: BlockMatrix, z: complex, backend: Backend, values: Any) -> None:
        self._product = MatrixProduct(symbolic, hamiltonian, backend, values)
        self._z = z if backend.device == "cpu" else None  # elsewhere z is in the values

    def __call__(self, columns: Any) -> Any:
        """Return the product, (n_rows, R)."""
        product = self._product(columns)
        return product if self._z is None else self._z * columns - product
