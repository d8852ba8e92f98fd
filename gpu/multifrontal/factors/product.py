"""A = z - H applied to columns, on the device that holds them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import scipy.sparse as sp

from bdg.gpu.multifrontal.factors.sweep import as_complex, as_real

if TYPE_CHECKING:
    from bdg.gpu.multifrontal.factors.factor import Factor


class ShiftedProduct:
    """``(z - H) x`` for columns (n_rows, R): SciPy's CSR on the CPU, gathered rows of similar length elsewhere."""

    def __init__(self, factor: Factor) -> None:
        self._z = factor.z if factor.dtype.kind == "c" else factor.z.real
        self._xp = factor.backend.xp
        self._matrix: sp.csr_matrix | None = None
        self._groups: list[tuple[Any, Any, Any]] = []
        if factor.backend.device == "cpu":
            self._matrix = factor.hamiltonian.matrix
            return
        for rows, columns, places in factor.symbolic.row_groups(self._xp):
            self._groups.append((rows, columns, factor.values[places][:, None, :]))

    def __call__(self, columns: Any) -> Any:
        """Return the product."""
        if self._matrix is not None:
            return self._z * columns - self._matrix @ columns
        xp, real = self._xp, self._groups[0][2].dtype.kind != "c"
        if real and columns.dtype.kind == "c":
            return as_complex(self(as_real(xp, columns)))
        out = xp.empty(columns.shape, np.result_type(columns.dtype, self._groups[0][2].dtype))
        for rows, neighbours, values in self._groups:
            out[rows] = xp.matmul(values, columns[neighbours])[:, 0]
        return out
