r"""Selected inverse of ``i w - H`` at half the memory and a quarter of the work of complex arithmetic.

For spin-degenerate singlet systems the particle-hole operator squares to -1, and ``Q = w + i H = -i (i w - H)`` is a
quaternion matrix: with the planes

.. math:: q_0 = w - \mathrm{Im}\, h, \quad q_1 = \mathrm{Re}\, h, \quad q_2 = -\mathrm{Im}\, D, \quad
          q_3 = \mathrm{Re}\, D

its inverse gives ``G_uu = -i A``, ``G_uv = -i B`` of ``G = (i w - H)^{-1}``. The Hermitian part of every Schur
complement is at least w, so no pivoting is needed. Flux, complex and bond pairing are allowed; real h and D (up to one
phase of all D) halve the work again.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from bdg.gpu.device.backend import Backend
from bdg.gpu.device.crew import in_turn
from bdg.gpu.device.memory import require_memory
from bdg.gpu.kernels import HostQuaternions, quaternion_kernels
from bdg.gpu.multifrontal.analysis.links import FrontClass
from bdg.gpu.multifrontal.analysis.pattern import BlockMatrix, SitePattern
from bdg.gpu.multifrontal.analysis.settings import FrontSettings
from bdg.gpu.multifrontal.analysis.symbolic import Symbolic
from bdg.gpu.multifrontal.factors.extend_add import extend_add, gather
from bdg.gpu.multifrontal.factors.predicted_memory import beside_elements, inverse_beside_elements, predict_memory
from bdg.gpu.multifrontal.factors.selected_inverse import Restriction, from_root_down, needed_classes
from bdg.gpu.multifrontal.imaginary.quaternion_algebra import QuaternionAlgebra

QUATERNION_CPU_SETTINGS = FrontSettings(leaf=32, call_flops=2e5, chunk=1 << 19, base=32, pivots=384)
_REAL_TO_ROUNDING = 1e-14


@dataclass(frozen=True, eq=False)
class NambuInverse:
    """Elements of ``(i w - H)^-1`` between connected sites.

    Attributes
    ----------
    pattern : SitePattern
    normal, anomalous : arrays (n_blocks,), complex, on the device
        G_uu and G_uv between the sites ``pattern.first`` and ``pattern.second``. ``G_vu = G_uv*`` and
        ``G_vv = -G_uu*`` with the sites in the same order.
    """

    pattern: SitePattern
    normal: Any
    anomalous: Any


class QuaternionFactor:
    """Factors of ``w + i H`` in quaternion form.

    Parameters
    ----------
    symbolic : Symbolic
        Of a pattern with one row per site that holds h and D.
    normal : BlockMatrix
        h, Hermitian, split on that pattern.
    pairing : BlockMatrix
        D = D^T on the same pattern: sites and bonds.
    frequency : float
        w > 0.
    backend : Backend
    single : bool
        Planes in single precision: enough for 1e-6 from w of about 0.1 t on.
    log_determinant : bool
        Also prepare `log_determinant`.

    Attributes
    ----------
    symmetric : bool
        h and D are real up to one phase of D.
    kept_bytes : int

    Raises
    ------
    ValueError
        If h is not Hermitian, D is not symmetric, or w is not positive.
    MemoryBudgetError
        If the predicted peak does not fit.
    """

    def __init__(
        self,
        symbolic: Symbolic,
        normal: BlockMatrix,
        pairing: BlockMatrix,
        frequency: float,
        backend: Backend,
        *,
        single: bool = False,
        log_determinant: bool = False,
    ) -> None:
        _require_quaternionic(symbolic, normal, pairing, frequency)
        self.symbolic, self.backend, self.frequency = symbolic, backend, float(frequency)
        gap, self.phase = _without_common_phase(pairing.blocks)
        self.symmetric = normal.dtype.kind != "c" and gap.dtype.kind != "c"
        self.dtype = np.dtype(np.float32 if single else np.float64)
        predicted = predict_memory(symbolic, self.dtype, not self.symmetric, on_device=backend.device != "cpu")
        require_memory(4 * predicted.factor_peak, backend, f"factorising {symbolic.n_rows} sites", "Use fewer sites.")
        xp = backend.xp
        self._algebra = QuaternionAlgebra(
            xp, self.dtype, self.symmetric, symbolic.settings.base, keep_determinants=log_determinant
        )
        self.classes = symbolic.on(xp)
        self._values = xp.asarray(self._planes(normal.blocks, gap))
        n_stacks = len(self.classes)
        self.inverses: list[Any] = [None] * n_stacks  # planes of Pi of each stack
        self.forward: list[Any] = [None] * n_stacks  # W
        self.backward: list[Any] = [None] * n_stacks  # V, None if symmetric
        self._log_determinants = self._run()
        self.kept_bytes = sum(x.nbytes for x in (*self.inverses, *self.forward, *self.backward) if x is not None)

    def _run(self) -> list[Any]:
        """Eliminate all stacks, parts of the tree side by side; return log|det| of each part where it is kept."""
        parts = self.symbolic.parts
        schur: dict[int, Any] = {}
        uses = [len(c.up) for c in self.classes]
        determinants: list[Any] = [None] * len(parts)

        def one_part(number: int) -> None:
            stacks = range(parts[number].begin, parts[number].end)
            algebra = self._algebra.another()
            kernels = self._compiled([self.classes[stack] for stack in stacks], fronts=True)
            for stack in stacks:
                schur[stack] = self._one_stack(stack, schur, uses, kernels or algebra)
            found = algebra.log_determinants if kernels is None else [self.backend.xp.asarray(kernels.log_determinant)]
            determinants[number] = found

        each_bytes = 4 * self.dtype.itemsize * beside_elements(self.symbolic)
        in_turn(one_part, [part.below for part in parts], self.backend, each_bytes=each_bytes)
        return [x for found in determinants for x in found]

    def _planes(self, h: np.ndarray, gap: np.ndarray) -> np.ndarray:
        """Return the elements of Q on the pattern, (4, n_blocks)."""
        h, gap = h.reshape(-1), gap.reshape(-1)
        planes = np.zeros((4, h.size), dtype=self.dtype)
        planes[0] = -h.imag
        planes[0, self.symbolic.pattern.diagonal] += self.frequency
        planes[1], planes[2], planes[3] = h.real, -gap.imag, gap.real
        return planes

    def _compiled(self, classes: list[FrontClass], fronts: bool = False) -> HostQuaternions | None:
        """Return what eliminates (``fronts``) and inverts whole stacks in one call; None: `QuaternionAlgebra` does."""
        sizes = list({(c.a, c.u) for c in classes if c.n and c.a})
        largest = max((c.n * c.m**2 for c in classes if c.a and not c.takes_over), default=0) if fronts else 0
        return quaternion_kernels(self.backend.xp, self.dtype, self.symmetric, self._algebra.base, sizes, largest)

    def _one_stack(
        self, number: int, schur: dict[int, Any], uses: list[int], by: QuaternionAlgebra | HostQuaternions
    ) -> Any:
        xp, c = self.backend.xp, self.classes[number]
        if c.takes_over:
            return self._eliminate(number, self._with_values(c, schur.pop(c.down[0].child)), by)
        # of the compiled kernels nothing but what is left of a front outlives it
        if isinstance(by, QuaternionAlgebra) or not c.a:
            front = xp.zeros((4, c.n, c.m, c.m), self.dtype)
        else:
            front = by.empty_front(c.n, c.m)
        flat = front.reshape(4, -1)
        flat[:, c.target] = self._values[:, c.source]
        if not self.symmetric:
            flat[:, c.lower_target] = self._values[:, c.lower_source]
        if c.ones.size:
            flat[0][c.ones] = 1
        for link in c.down:
            extend_add(xp, front, link, schur[link.child], upper=self.symmetric)
            uses[link.child] -= 1
            if not uses[link.child]:
                del schur[link.child]
        return self._eliminate(number, front, by)

    def _with_values(self, c: FrontClass, front: Any) -> Any:
        """Return a stack of fronts that is not empty with the elements of Q in the rows of P added."""
        flat = front.reshape(4, -1)
        flat[:, c.target] += self._values[:, c.source]
        if not self.symmetric:
            flat[:, c.lower_target] += self._values[:, c.lower_source]
        if c.ones.size:
            flat[0][c.ones] = 1
        return front

    def _eliminate(self, number: int, front: Any, by: QuaternionAlgebra | HostQuaternions) -> Any:
        """Keep Pi, W and V of a stack; return the Schur complements."""
        xp, c, a = self.backend.xp, self.classes[number], self.classes[number].a
        if not a:
            return front
        if not isinstance(by, QuaternionAlgebra):
            self.inverses[number], self.forward[number], self.backward[number], schur = by.eliminate(front, a)
            return schur
        pivot_inverse = self.inverses[number] = by.inverse(front[:, :, :a, :a])
        if not c.u:
            return None
        across = xp.ascontiguousarray(front[:, :, :a, a:])
        forward = self.forward[number] = by.product(by.left(pivot_inverse), by.right(across))
        if self.symmetric:
            below = by.left_reversed(across)
        else:
            below = by.left(xp.ascontiguousarray(front[:, :, a:, :a]))
            self.backward[number] = by.product(below, by.right(pivot_inverse))
        schur = by.product(below, by.right(forward), upper=self.symmetric)
        return xp.subtract(front[:, :, a:, a:], schur, out=schur)

    def log_determinant(self) -> float:
        """Return log|det(i w - H)|."""
        if not self._algebra.keep_determinants:
            raise ValueError("log_determinant needs QuaternionFactor(..., log_determinant=True)")
        return float(self.backend.xp.stack(self._log_determinants).sum())

    def selected_inverse(self, restriction: Restriction | None = None, release: bool = False) -> NambuInverse:
        """Return the elements of ``(i w - H)^-1`` between connected sites.

        Parameters
        ----------
        restriction : Restriction, optional
            Only the parts of the tree that hold these sites; elements elsewhere may be nan.
        release : bool
            Give up the factors stack by stack on the way, for a lower peak; they cannot be used again.
        """
        xp, pattern = self.backend.xp, self.symbolic.pattern
        out = xp.zeros((4, pattern.n_blocks), self.dtype)
        if restriction is not None:
            out += np.nan
        classes, kept = needed_classes(self.symbolic, self.classes, restriction, xp)
        idle: list[Any] = []  # compiled kernels, each with a scratch place of its own

        def invert(number: int, c: FrontClass, fronts: dict[int, Any]) -> Any:
            stored: tuple[Any, ...] = self.inverses[number], self.forward[number], self.backward[number]
            if kept[number] is not None:
                stored = tuple(None if x is None else x[:, kept[number]] for x in stored)
            kernels = idle.pop() if idle else self._compiled(classes)
            if kernels is None or not (c.a and c.u):
                front = self._one_inverse(c, stored, fronts, out)
            else:
                front = self._compiled_inverse(c, stored, fronts, out, kernels)
            idle.append(kernels)
            if release:
                self.inverses[number] = self.forward[number] = self.backward[number] = None
            return front

        each_bytes = 4 * self.dtype.itemsize * inverse_beside_elements(self.symbolic, not self.symmetric)
        from_root_down(self.symbolic.parts, classes, invert, self.backend, each_bytes)
        if self.symmetric:
            source, target = self.symbolic.mirror(xp)
            mirrored = out[:, source]
            mirrored[2] *= -1
            out[:, target] = mirrored
        normal, anomalous = out[1] - 1j * out[0], out[3] - 1j * out[2]
        return NambuInverse(pattern, normal, anomalous * self.phase)

    def _one_inverse(self, c: FrontClass, stored: tuple[Any, ...], fronts: dict[int, Any], out: Any) -> Any:
        """Write the elements of one stack into ``out``; return its inverse (4, n, m, m)."""
        xp, algebra = self.backend.xp, self._algebra
        pivot_inverse, forward, backward = stored
        outer = self._outer_inverse(c, fronts)
        if not c.a:
            return outer
        if not c.u:
            out[:, c.source] = pivot_inverse.reshape(4, -1)[:, c.inverse_target]
            return pivot_inverse
        prepared = algebra.right(outer)
        right = algebra.product(algebra.left(forward), prepared)  # -G_PU
        last = algebra.right_reversed(forward) if backward is None else algebra.right(backward)
        inner = algebra.product(algebra.left(right), last)
        inner += pivot_inverse
        if self.symmetric:
            inner = algebra.symmetrised(inner)
        whole = xp.empty((4, c.n, c.a if c.is_leaf else c.m, c.m), self.dtype)
        whole[:, :, : c.a, : c.a] = inner
        xp.negative(right, out=whole[:, :, : c.a, c.a :])
        left = None if backward is None else -algebra.product(algebra.left(outer), algebra.right(backward))
        if not c.is_leaf:
            whole[:, :, c.a :, : c.a] = algebra.reversed(whole[:, :, : c.a, c.a :]) if left is None else left
            whole[:, :, c.a :, c.a :] = outer
        flat = whole.reshape(4, -1)
        out[:, c.source] = flat[:, c.inverse_target]
        if left is not None:
            below = left.reshape(4, -1) if c.is_leaf else flat
            out[:, c.lower_source] = below[:, c.inverse_lower_target]
        return whole

    def _compiled_inverse(
        self, c: FrontClass, stored: tuple[Any, ...], fronts: dict[int, Any], out: Any, kernels: HostQuaternions
    ) -> Any:
        """Do what `_one_inverse` does, in one call."""
        whole = np.empty((4, c.n, c.a if c.is_leaf else c.m, c.m), self.dtype)
        outer = self._outer_inverse(c, fronts, None if c.is_leaf else whole[:, :, c.a :, c.a :])
        inverse, forward = (np.ascontiguousarray(x) for x in stored[:2])
        backward = None if stored[2] is None else np.ascontiguousarray(stored[2])
        left = kernels.selected(inverse, forward, backward, outer, whole, c.is_leaf)
        flat = whole.reshape(4, -1)
        out[:, c.source] = flat[:, c.inverse_target]
        if not self.symmetric:
            below = flat if left is None else left.reshape(4, -1)
            out[:, c.lower_source] = below[:, c.inverse_lower_target]
        return whole

    def _outer_inverse(self, c: FrontClass, fronts: dict[int, Any], outer: Any = None) -> Any:
        """Return G_UU (4, n, u, u) of a stack, read from the parents; into ``outer`` if it is given."""
        if not c.u:
            return None
        if len(c.up) == 1 and c.up[0].whole and outer is None:
            above = c.up[0].parent
            if self.classes[above].takes_over and fronts[above].shape[1] == c.n:
                return fronts[above]
        if outer is None:
            outer = self.backend.xp.zeros((4, c.n, c.u, c.u), self.dtype)
        for link in c.up:
            gather(self.backend.xp, fronts[link.parent], link, outer)
        return outer


def _require_quaternionic(symbolic: Symbolic, normal: BlockMatrix, pairing: BlockMatrix, frequency: float) -> None:
    if normal.pattern is not symbolic.pattern or pairing.pattern is not symbolic.pattern:
        raise ValueError("normal and pairing must be split on the pattern that symbolic was made for")
    if symbolic.pattern.rows_per_site != 1:
        raise ValueError(
            f"the pattern must have one row per site (norbs = 1); got {symbolic.pattern.rows_per_site}. "
            "Use Factor for spinful systems"
        )
    if not (np.isfinite(frequency) and frequency > 0):
        raise ValueError(f"frequency must be finite and > 0; got {frequency!r}")
    if not normal.is_hermitian:
        raise ValueError("normal must be Hermitian: the quaternion form needs the particle-hole symmetry of H")
    if not pairing.is_symmetric:
        raise ValueError("pairing must be symmetric, D = D^T (singlet)")


def _without_common_phase(gap: np.ndarray) -> tuple[np.ndarray, complex]:
    """Return D divided by one phase, real if that makes all of it real, and the phase."""
    if gap.dtype.kind != "c" or not gap.size:
        return gap, 1.0
    largest = gap.reshape(-1)[abs(gap).argmax()]
    if not largest:
        return gap.real, 1.0
    phase = complex(largest / abs(largest))
    turned = gap / phase
    if abs(turned.imag).max() <= _REAL_TO_ROUNDING * abs(largest):
        return turned.real.copy(), phase
    return gap, 1.0
