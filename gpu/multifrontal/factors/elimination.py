r"""Going through the stacks of fronts of ``A = z - H``: assembled, children first, and given to who eliminates.

What is done with the pivots of a stack, and what is kept of them, is up to the class that goes through:
`bdg.gpu.multifrontal.factors.factor.Factor` keeps what solves need, `bdg.gpu.multifrontal.factors.sign_count.SignCount`
nothing.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from bdg.gpu.device.backend import Backend
from bdg.gpu.multifrontal.analysis.links import FrontClass
from bdg.gpu.multifrontal.analysis.pattern import BlockMatrix
from bdg.gpu.multifrontal.analysis.symbolic import Symbolic
from bdg.gpu.multifrontal.factors.assembly import assembled, set_elements
from bdg.gpu.multifrontal.factors.extend_add import extend_add
from bdg.gpu.multifrontal.factors.predicted_memory import scratch_elements, works_in_place
from bdg.gpu.multifrontal.factors.stacked import (
    Pivots,
    StackInverter,
    Symmetry,
    difference,
    difference_in_place,
    reversed_,
)
from bdg.gpu.multifrontal.factors.upper_rows import UpperRows

STATIC_PIVOT = 1.5e-5  # in units of the norm of H; 100 times smaller ones leave clean systems at z = 0 unusable
STATIC_PIVOT_LAST = 1e-4  # in units of that; last blocks have to become small next to an eigenvalue
_PADDING = 1e-3  # in units of the norm of H: padded pivots are not among the small ones


class Elimination:
    """The fronts of ``z - H`` in their order.

    Parameters
    ----------
    symbolic : Symbolic
    hamiltonian : BlockMatrix
        H, on the pattern of ``symbolic``.
    z : complex
    backend : Backend
    single : bool
        Work in single precision.

    Attributes
    ----------
    symmetry : "symmetric" (A = A^T), "hermitian" (A = A^+), "skew" (A = -A^T, real) or "general"
    dtype : dtype of the fronts
    """

    def __init__(
        self, symbolic: Symbolic, hamiltonian: BlockMatrix, z: complex, backend: Backend, *, single: bool = False
    ) -> None:
        if hamiltonian.pattern is not symbolic.pattern:
            raise ValueError("hamiltonian must be split on the pattern that symbolic was made for")
        if not np.isfinite(z):
            raise ValueError(f"z must be finite; got {z!r}")
        self.symbolic, self.hamiltonian, self.backend = symbolic, hamiltonian, backend
        self.z = complex(z)
        self.symmetry: Symmetry = _symmetry(hamiltonian, self.z)
        is_complex = hamiltonian.dtype.kind == "c" or self.z.imag != 0
        names = ("float32", "complex64") if single else ("float64", "complex128")
        self.dtype = np.dtype(names[is_complex])
        self._scratch: Any = None
        self._pivots = Pivots()

    def _prepare(
        self, static_pivot: float, inertia: bool, log_determinant: bool = False, free: float = 0.0, room: int = 0
    ) -> None:
        """Put the matrix on the device.

        ``room`` eigenvalues of pivot blocks below ``free`` norms of H may be moved by that norm, by who takes it back.
        """
        norm = self.hamiltonian.norm
        self._padding = max(1.0, _PADDING * norm)
        self._pivots = Pivots(
            far=norm,
            free=free * norm,
            room=0 if self.symmetry == "general" else room,
            static=static_pivot,
            static_last=STATIC_PIVOT_LAST * static_pivot,
            count_negative=inertia,
            log_determinant=log_determinant,
            to_host=self.backend.to_host,
        )
        self.classes = self.symbolic.on(self.backend.xp)
        self.values = self._shifted_values()

    @property
    def _upper(self) -> int:
        """Rows from which Schur complements are formed without the lower triangle; 0: never."""
        return 0 if self.symmetry == "general" else self.symbolic.settings.upper

    def _shifted_values(self) -> Any:
        """Return the elements of z - H on the pattern, flat, with one zero behind them, on the device."""
        blocks = self.hamiltonian.blocks
        nd = self.symbolic.pattern.rows_per_site
        values = np.zeros(blocks.size + 1, dtype=self.dtype)
        np.negative(blocks.reshape(-1), out=values[:-1], casting="same_kind")
        shift = self.z if self.dtype.kind == "c" else self.z.real
        values[:-1].reshape(blocks.shape)[self.symbolic.pattern.diagonal] += shift * np.eye(nd, dtype=self.dtype)
        return self.backend.xp.asarray(values)

    def _run(self) -> None:
        """Eliminate all stacks; singular fronts raise nothing, they show in what is measured afterwards."""
        schur: dict[int, Any] = {}
        uses = [len(c.up) for c in self.classes]
        settings = self.symbolic.settings
        if self.backend.xp is np and settings.upper:  # memory that is asked for anew is slow when first written to
            self._scratch = np.empty(scratch_elements(self.symbolic), self.dtype)
        together = self.symbolic.pattern.rows_per_site if self.symmetry == "skew" else 1
        invert = StackInverter(self.backend.xp, self.symmetry, settings.base, settings.upper, self._pivots, together)
        with np.errstate(all="ignore"):
            for number, front_class in enumerate(self.classes):
                passed = self._one_stack(front_class, schur, uses, invert)
                in_scratch = self._scratch is not None and passed is not None and passed.base is not None
                schur[number] = self._moved(front_class, passed) if in_scratch and not self._goes_on(number) else passed
        self._scratch = None

    def _moved(self, front_class: FrontClass, passed: Any) -> Any:
        """Return a copy of Schur complements out of the scratch place, of what is read again."""
        return UpperRows(passed[0]) if works_in_place(front_class, self._upper) else passed.copy()

    def _goes_on(self, number: int) -> bool:
        """Return whether the next stack takes over what this one leaves."""
        following = self.classes[number + 1 : number + 2]
        return bool(following) and following[0].takes_over and following[0].down[0].child == number

    def _one_stack(self, front_class: FrontClass, schur: dict[int, Any], uses: list[int], invert: Any) -> Any:
        """Eliminate in a stack and return its Schur complements; the children's are dropped after their last use."""
        if front_class.takes_over:  # U of the child is this front, row by row: its Schur complement is taken as it is
            front = schur.pop(front_class.down[0].child)
            if isinstance(front, UpperRows):
                front = front.whole()
            self._add_values(front_class, front)
            return self._eliminate(front_class, front, invert)
        front = self._assemble(front_class)
        upper = self._upper > 0  # else base blocks are read whole
        for link in front_class.down:
            extend_add(self.backend.xp, front, link, schur[link.child], upper=upper)
            uses[link.child] -= 1
            if not uses[link.child]:
                del schur[link.child]
        return self._eliminate(front_class, front, invert)

    def _assemble(self, front_class: FrontClass) -> Any:
        """Return the stack of fronts (n, m, m) with the elements of A in the rows of P."""
        c = front_class
        if self._scratch is None:
            return assembled(self.backend.xp, c, self.values, self.symmetry, self._padding)
        front = self._scratch[: c.n * c.m**2].reshape(c.n, c.m, c.m)
        step = -(-c.m // 8) if c.n == 1 and self._upper else c.m  # what is below the diagonal is not read
        for begin in range(0, c.m, max(1, step)):
            front[:, begin : begin + step, begin:] = 0
        set_elements(front, c, self.values, self.symmetry, self._padding)
        return front

    def _add_values(self, c: FrontClass, front: Any) -> None:
        """Add the elements of A in the rows of P to a stack of fronts that is not empty."""
        in_part = self._scratch is not None  # the front may be part of a larger one

        def at(places: Any) -> Any:
            return np.unravel_index(places, front.shape) if in_part else places

        values, elements = self.values, front if in_part else front.reshape(-1)
        elements[at(c.target)] += values[c.source]
        if self.symmetry == "general":
            elements[at(c.lower_target)] += values[c.lower_source]
        if c.ones.size:
            elements[at(c.ones)] = self._padding

    def _eliminate(self, front_class: FrontClass, front: Any, invert: StackInverter) -> Any:
        """Invert the pivots of a stack; return the Schur complements, None where there are none."""
        raise NotImplementedError

    def _schur(self, front_class: FrontClass, front: Any, left: Any, forward: Any) -> Any:
        """Return ``F_UU - left @ forward`` of a stack, in the memory of the front where that is possible."""
        a = front_class.a
        if self._scratch is not None and works_in_place(front_class, self._upper):
            return difference_in_place(front, a, left, forward)
        return difference(self.backend.xp, front[:, a:, a:], left, forward, self._upper)

    def _couplings(self, front_class: FrontClass, front: Any) -> tuple[Any, Any]:
        """Return ``F_PU`` and ``F_UP`` of a stack."""
        a = front_class.a
        right = front[:, :a, a:]
        return right, front[:, a:, :a] if self.symmetry == "general" else reversed_(right, self.symmetry)


def _symmetry(hamiltonian: BlockMatrix, z: complex) -> Symmetry:
    """Return the form that is used; complex H that is both to rounding counts as Hermitian: that has an inertia."""
    if z.imag == 0 and hamiltonian.dtype.kind == "c" and hamiltonian.is_hermitian:
        return "hermitian"
    if hamiltonian.is_symmetric:
        return "symmetric"
    return "skew" if z == 0 and hamiltonian.is_skew else "general"
