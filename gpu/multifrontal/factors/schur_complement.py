r"""What is left of ``A = z - H`` when sites are integrated out: the Schur complement on the sites that stay.

.. math:: S = A_{SS} - A_{SE} A_{EE}^{-1} A_{ES} = [(z - H)^{-1}_{SS}]^{-1}

The sites that stay own the root of the separator tree (`bdg.gpu.ordering.dissection.under_root`), so S is the root's
front before its elimination: no solves, and nothing is kept of the other fronts (A. George, SIAM J. Numer. Anal. 10,
345 (1973)). For Im z != 0 and Hermitian H no pivot can vanish: every Schur complement keeps ``|Im| >= |Im z|``.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from bdg.gpu.device.backend import Backend
from bdg.gpu.device.memory import GIB, require_memory
from bdg.gpu.multifrontal.analysis.links import FrontClass
from bdg.gpu.multifrontal.analysis.pattern import BlockMatrix
from bdg.gpu.multifrontal.analysis.symbolic import Symbolic
from bdg.gpu.multifrontal.factors.elimination import Elimination, Progress
from bdg.gpu.multifrontal.factors.predicted_memory import predict_memory


class SchurComplement(Elimination):
    """Schur complement of ``z - H`` on the sites of the root.

    Parameters
    ----------
    symbolic : Symbolic
        Of a tree whose root owns the sites that stay.
    hamiltonian, z, backend
        As for `bdg.gpu.multifrontal.factors.factor.Factor`; z not real.

    Attributes
    ----------
    complement : array (M, M), complex128, on the device
        S, its rows in ascending order of the matrix rows that stay.

    Raises
    ------
    ValueError
        If z is real.
    MemoryBudgetError
        If the predicted peak does not fit.
    """

    def __init__(self, symbolic: Symbolic, hamiltonian: BlockMatrix, z: complex, backend: Backend) -> None:
        super().__init__(symbolic, hamiltonian, z, backend)
        if not self.z.imag:
            raise ValueError(f"z must have an imaginary part, so that no pivot vanishes; got {z!r}")
        predicted = predict_memory(symbolic, self.dtype, on_device=backend.device != "cpu")
        require_memory(
            predicted.count_peak,
            backend,
            f"integrating out the host of {symbolic.n_rows} rows",
            f"Use fewer sites: the largest fronts take {predicted.count_peak / GIB:.1f} GiB.",
        )
        self._prepare(0.0, inertia=False)
        self._root = len(self.classes) - 1
        self._run()

    def _eliminate(self, number: int, front: Any, progress: Progress) -> Any:
        front_class = self.classes[number]
        if number == self._root:
            self.complement = self._whole(front_class, front[0])
            return None
        a, u = front_class.a, front_class.u
        if not a:  # an empty separator
            return front
        inverse = progress.invert(front[:, :a, :a], last=not u)
        if not u:
            return None
        right, left = self._couplings(front_class, front)
        return self._schur(front_class, front, left, self.backend.xp.matmul(inverse, right), progress.memory)

    def _whole(self, front_class: FrontClass, front: Any) -> Any:
        """Return the root's front with both triangles, rows ascending, in memory of its own."""
        xp, a = self.backend.xp, front_class.a
        front = front[:a, :a]
        if self.symmetry == "symmetric":  # what is below the diagonal may not have been formed
            front = xp.triu(front) + xp.triu(front, 1).T
        order = xp.asarray(np.argsort(self.backend.to_host(front_class.pivots[0])))
        return front[order[:, None], order[None, :]]
