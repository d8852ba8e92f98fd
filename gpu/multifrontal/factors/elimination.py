r"""Going through the stacks of fronts of ``A = z - H``: assembled, children first, and given to who eliminates.

What is done with the pivots of a stack, and what is kept of them, is up to the class that goes through:
`bdg.gpu.multifrontal.factors.factor.Factor` keeps what solves need, `bdg.gpu.multifrontal.factors.sign_count.SignCount`
nothing. Parts of the tree (`bdg.gpu.multifrontal.analysis.parts`) go side by side where threads are granted, each with
a record of its own, which the part above takes over: results have the same bits whatever the number of threads.
"""

from __future__ import annotations

import threading
from dataclasses import dataclass
from typing import Any

import numpy as np

from bdg.gpu.device.backend import Backend
from bdg.gpu.device.crew import in_turn
from bdg.gpu.device.memory import give_back_freed
from bdg.gpu.multifrontal.analysis.links import FrontClass
from bdg.gpu.multifrontal.analysis.parts import Part
from bdg.gpu.multifrontal.analysis.pattern import BlockMatrix
from bdg.gpu.multifrontal.analysis.symbolic import Symbolic
from bdg.gpu.multifrontal.factors.assembly import assembled, set_elements
from bdg.gpu.multifrontal.factors.blocked import difference, difference_in_place, in_rows
from bdg.gpu.multifrontal.factors.extend_add import extend_add
from bdg.gpu.multifrontal.factors.predicted_memory import beside_elements, scratch_elements, works_in_place
from bdg.gpu.multifrontal.factors.stacked import (
    Pivots,
    StackInverter,
    Symmetry,
    reversed_,
)
from bdg.gpu.multifrontal.factors.upper_rows import UpperRows

STATIC_PIVOT = 1.5e-5  # in units of the norm of H; 100 times smaller ones leave clean systems at z = 0 unusable
STATIC_PIVOT_LAST = 1e-4  # in units of that; last blocks have to become small next to an eigenvalue
_SPARE = 1.5  # times what a part needs: more memory that was used before is not taken beside other parts
_PADDING = 1e-3  # in units of the norm of H: padded pivots are not among the small ones


@dataclass(eq=False)
class Progress:
    """What goes along with one part of the tree.

    Attributes
    ----------
    pivots : Pivots
    invert : StackInverter
    memory : Workspace
    """

    pivots: Pivots
    invert: StackInverter
    memory: Workspace


class Workspace:
    """Memory that one part after the other works in: what a process asks for anew is slow when first written to.

    Attributes
    ----------
    fronts : array or None
        Where fronts are built; None: anew each time.
    products : array
        Of what is formed and not kept, by who eliminates.
    written : int
        Elements of ``fronts`` that were written to: the others take no memory yet.
    """

    def __init__(self, elements: int, dtype: np.dtype) -> None:
        self.fronts: Any = np.empty(elements, dtype) if elements else None
        self.products = np.empty(0, dtype)
        self.written = 0


class _Workspaces:
    """Those of the parts of one elimination that go side by side; what none will need is given back at once."""

    def __init__(self, symbolic: Symbolic, elements: int, dtype: np.dtype) -> None:
        self._parts, self._elements, self._dtype = symbolic.parts, elements, dtype
        self._needed = [scratch_elements(symbolic.classes[part.begin : part.end]) for part in self._parts]
        self._above = {below: k for k, part in enumerate(self._parts) for below in part.below}
        self._lock = threading.Lock()
        self._idle: list[Workspace] = []
        self._waiting, self._at_work = set(range(len(self._parts))), set[int]()

    def taken(self, number: int) -> Workspace:
        """Return memory for a part: what was used before, unless it is too much beside other parts at work."""
        with self._lock:
            memory = self._idle.pop() if self._idle else Workspace(self._elements, self._dtype)
            if self._at_work and memory.written > _SPARE * self._needed[number]:
                memory = Workspace(self._elements, self._dtype)
            memory.written = max(memory.written, self._needed[number])
            self._waiting.remove(number)
            self._at_work.add(number)
        return memory

    def given_back(self, number: int, memory: Workspace) -> None:
        """Keep the memory of a part that ended, if another can begin before those at work end."""
        with self._lock:
            self._at_work.remove(number)
            begins = self._waiting.difference(*(self._all_above(k) for k in self._at_work))
            if len(begins) > len(self._idle):
                self._idle.append(memory)

    def _all_above(self, number: int) -> list[int]:
        found = []
        while number in self._above:
            number = self._above[number]
            found.append(number)
        return found


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

    def _run(self) -> Any:
        """Eliminate all stacks and return the progress at the end.

        Singular fronts raise nothing, they show in what is measured afterwards.
        """
        parts = self.symbolic.parts
        self._left: dict[int, Any] = {}  # Schur complements of stacks that wait for the stacks above
        self._uses = [len(c.up) for c in self.classes]
        on_cpu = self.backend.xp is np and self.symbolic.settings.upper
        scratch = scratch_elements(self.symbolic.classes) if on_cpu else 0
        self._workspaces = _Workspaces(self.symbolic, scratch, self.dtype)
        self._done: dict[int, Progress] = {}
        try:
            with np.errstate(all="ignore"):
                each_bytes = self._beside() if len(parts) > 1 else 0.0
                in_turn(self._one_part, [part.below for part in parts], self.backend, each_bytes=each_bytes)
            last = self._done[len(parts) - 1]
        finally:
            del self._left, self._uses, self._workspaces, self._done
        self._pivots = last.pivots
        return last

    def _beside(self) -> float:
        """Return the bytes that one more part takes beside the others."""
        return self.dtype.itemsize * beside_elements(self.symbolic)

    def _one_part(self, number: int) -> None:
        """Eliminate the stacks of one part of the tree; those below are done."""
        part = self.symbolic.parts[number]
        memory = self._workspaces.taken(number)
        progress = self._begin(part, [self._done.pop(below) for below in part.below], memory)
        for stack in range(part.begin, part.end):
            self._left[stack] = self._one_stack(stack, progress, stack + 1 < part.end and self._goes_on(stack))
        self._workspaces.given_back(number, progress.memory)
        del progress.memory, memory
        self._done[number] = progress
        if len(self.symbolic.parts) > 1 and self.backend.xp is np:
            give_back_freed()  # each thread has a heap of its own, which the others cannot use

    def _begin(self, part: Part, below: list[Any], memory: Workspace) -> Any:
        """Return the progress that a part begins with, from that of the parts below."""
        settings = self.symbolic.settings
        pivots = self._pivots.following([progress.pivots for progress in below], part.share)
        together = self.symbolic.pattern.rows_per_site if self.symmetry == "skew" else 1
        invert = StackInverter(self.backend.xp, self.symmetry, settings.base, settings.upper, pivots, together)
        return Progress(pivots, invert, memory)

    def _one_stack(self, number: int, progress: Any, goes_on: bool) -> Any:
        """Eliminate in a stack and return its Schur complements, in the scratch place only if the next one goes on."""
        passed = self._eliminate(number, self._front(number, progress.memory), progress)
        in_scratch = progress.memory.fronts is not None and passed is not None and passed.base is not None
        return self._moved(self.classes[number], passed) if in_scratch and not goes_on else passed

    def _moved(self, front_class: FrontClass, passed: Any) -> Any:
        """Return a copy of Schur complements out of the scratch place, of what is read again."""
        return UpperRows(passed[0]) if works_in_place(front_class, self._upper) else passed.copy()

    def _goes_on(self, number: int) -> bool:
        """Return whether the next stack takes over what this one leaves."""
        following = self.classes[number + 1]
        return following.takes_over and following.down[0].child == number

    def _front(self, number: int, memory: Workspace) -> Any:
        """Return the fronts of a stack (n, m, m); what its children left is dropped after the last use."""
        c, left = self.classes[number], self._left
        if c.takes_over:  # U of the child is this front, row by row: its Schur complement is taken as it is
            front = left.pop(c.down[0].child)
            if isinstance(front, UpperRows):
                front = front.whole()
            self._add_values(c, front, in_part=memory.fronts is not None)
            return front
        front = self._assemble(c, memory)
        upper = self._upper > 0  # else base blocks are read whole
        for link in c.down:
            extend_add(self.backend.xp, front, link, left[link.child], upper=upper)
            self._uses[link.child] -= 1
            if not self._uses[link.child]:
                del left[link.child]
        return front

    def _assemble(self, c: FrontClass, memory: Workspace) -> Any:
        """Return the stack of fronts (n, m, m) with the elements of A in the rows of P."""
        if memory.fronts is None:
            return assembled(self.backend.xp, c, self.values, self.symmetry, self._padding)
        front = memory.fronts[: c.n * c.m**2].reshape(c.n, c.m, c.m)

        def clear(rows: slice) -> None:  # what is below the diagonal is not read
            front[:, rows, (rows.start or 0) if self._upper else 0 :] = 0

        in_rows(np, front.shape, clear)
        set_elements(front, c, self.values, self.symmetry, self._padding)
        return front

    def _add_values(self, c: FrontClass, front: Any, in_part: bool) -> None:
        """Add the elements of A in the rows of P to fronts that are not empty; ``in_part`` of a larger array."""

        def at(places: Any) -> Any:
            return np.unravel_index(places, front.shape) if in_part else places

        values, elements = self.values, front if in_part else front.reshape(-1)
        elements[at(c.target)] += values[c.source]
        if self.symmetry == "general":
            elements[at(c.lower_target)] += values[c.lower_source]
        if c.ones.size:
            elements[at(c.ones)] = self._padding

    def _eliminate(self, number: int, front: Any, progress: Any) -> Any:
        """Invert the pivots of a stack; return the Schur complements, None where there are none."""
        raise NotImplementedError

    def _schur(self, front_class: FrontClass, front: Any, left: Any, forward: Any, memory: Workspace) -> Any:
        """Return ``F_UU - left @ forward`` of a stack, in the memory of the front where that is possible."""
        a = front_class.a
        if memory.fronts is not None and works_in_place(front_class, self._upper):
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
