r"""What is kept of a factorisation of ``A = z - H``: Pi, W and V of each stack of fronts.

Solves and selected inverses (`sweep`, `few_columns`, `thin_leaves`, `selected_inverse`) read them here, wherever they
are: on the device, in host memory, or, W and V of thin leaves on the CPU, computed anew.
"""

from __future__ import annotations

from functools import cached_property
from typing import Any

import numpy as np
import scipy.sparse as sp

from bdg.gpu.device.backend import Backend
from bdg.gpu.kernels.compiling import host_library
from bdg.gpu.multifrontal.analysis.symbolic import Symbolic
from bdg.gpu.multifrontal.factors.assembly import assembled
from bdg.gpu.multifrontal.factors.blocked import product
from bdg.gpu.multifrontal.factors.compiled_sweep import CompiledSweep
from bdg.gpu.multifrontal.factors.stacked import Symmetry
from bdg.gpu.multifrontal.factors.thin_leaves import ThinLeaves


class StoredFactors:
    """Pi, W and V of each stack; filled by `keep`.

    Parameters
    ----------
    symbolic : Symbolic
    symmetry : "symmetric", "hermitian", "skew" or "general"
    matrix : CSR
        H.
    values : array
        Elements of ``z - H`` on the pattern, flat, with one zero behind them, on the device; of the factors' dtype.
    backend : Backend
    on_host : bool
        Keep them in host memory, and copy each to the device when it is read.

    Attributes
    ----------
    classes : list of FrontClass
        On the device.
    dtype : dtype of the factors
    stacks : list of (Pi, W, V)
        None where a stack has none: (n, a, a), (n, a, u), and (n, u, a) for general matrices.
    released : bool
        Some were given up: nothing can be solved any more.
    """

    def __init__(
        self,
        symbolic: Symbolic,
        symmetry: Symmetry,
        matrix: sp.csr_matrix,
        values: Any,
        backend: Backend,
        on_host: bool = False,
    ) -> None:
        self.symbolic, self.symmetry, self.backend, self.on_host = symbolic, symmetry, backend, on_host
        self.classes, self.dtype = symbolic.on(backend.xp), np.dtype(values.dtype)
        self.stacks: list[tuple[Any, Any, Any]] = [(None, None, None)] * len(self.classes)
        self.released = False
        self._matrix, self._values = matrix, values
        thin = symbolic.settings.thin_leaves and backend.xp is np
        self._thin = frozenset(number for number, c in enumerate(self.classes) if thin and c.is_thin)

    @property
    def nbytes(self) -> int:
        """Bytes of all that is kept."""
        return sum(x.nbytes for stack in self.stacks for x in stack if x is not None)

    def keep(self, number: int, inverse: Any, forward: Any = None, left: Any = None) -> None:
        """Keep Pi and W of a stack, and ``V = F_UP Pi`` of general matrices; ``left`` is F_UP."""
        backward = None
        if number in self._thin:
            forward = None
        elif forward is not None and self.symmetry == "general":
            backward = product(self.backend.xp, left, inverse)
        self.stacks[number] = self._stowed(inverse), self._stowed(forward), self._stowed(backward)

    def _stowed(self, x: Any) -> Any:
        return self.backend.to_host(x) if self.on_host and x is not None else x

    def _fetched(self, x: Any) -> Any:
        return self.backend.xp.asarray(x) if self.on_host and x is not None else x

    def inverse_of(self, number: int) -> Any:
        """Return Pi of a stack, on the device; None where the stack has no pivots."""
        return self._fetched(self.stacks[number][0])

    def forward_of(self, number: int) -> Any:
        """Return W of a stack; None where it has no updates. Of thin leaves it is computed anew."""
        if number in self._thin:
            a = self.classes[number].a
            return self.backend.xp.matmul(self.stacks[number][0], self._front(number)[:, :a, a:])
        return self._fetched(self.stacks[number][1])

    def backward_of(self, number: int) -> Any:
        """Return V of a stack; None unless the matrix is general. Of thin leaves it is computed anew."""
        if number in self._thin and self.symmetry == "general":
            a = self.classes[number].a
            return self.backend.xp.matmul(self._front(number)[:, a:, :a], self.stacks[number][0])
        return self._fetched(self.stacks[number][2])

    def _front(self, number: int) -> Any:
        return assembled(self.backend.xp, self.classes[number], self._values, self.symmetry)

    @cached_property
    def leaves(self) -> ThinLeaves | None:
        """What solves in the leaves without their W; None where there are none, as on a GPU."""
        if not self._thin:
            return None
        stacks = {number: (self.classes[number], self.inverse_of(number)) for number in sorted(self._thin)}
        return ThinLeaves(stacks, self._matrix, self.dtype)

    @cached_property
    def compiled(self) -> CompiledSweep | None:
        """What solves by the compiled kernels; None without them, as on a GPU."""
        library = host_library().library if self.backend.xp is np else None
        if library is None:
            return None
        return CompiledSweep(self.symbolic, self.symmetry, self.stacks, self._values, self._thin, library)

    def release(self, number: int) -> None:
        """Give up the factors of one stack; then nothing else can be done with them."""
        self.stacks[number] = (None, None, None)
        self.released = True
        for holder in ("leaves", "compiled"):  # they hold some of them
            self.__dict__.pop(holder, None)
