r"""Numeric factorisation of ``A = z - H`` in stacks of dense fronts.

Children first, each front F collects the rows of its pivots P and the children's Schur complements S:

.. math:: \Pi = F_{PP}^{-1}, \quad W = \Pi F_{PU}, \quad V = F_{UP} \Pi, \quad S = F_{UU} - F_{UP} W

(I. S. Duff and J. K. Reid, ACM Trans. Math. Softw. 9, 302 (1983); A. George, SIAM J. Numer. Anal. 10, 345 (1973)).
Kept are Pi, W, and V where A is neither symmetric (``V = W^T``) nor Hermitian (``V = W^+``). There is no pivoting
across fronts; whether a factor can be used is measured instead (`Factor.contraction`).
"""

from __future__ import annotations

from functools import cached_property
from typing import Any

import numpy as np

from bdg.gpu.backend import Backend
from bdg.gpu.memory import require_memory
from bdg.gpu.multifrontal.extend_add import extend_add
from bdg.gpu.multifrontal.links import FrontClass
from bdg.gpu.multifrontal.pattern import BlockMatrix
from bdg.gpu.multifrontal.predicted_memory import predict_memory
from bdg.gpu.multifrontal.product import ShiftedProduct
from bdg.gpu.multifrontal.selected_inverse import Restriction, SelectedInverse, selected_inverse
from bdg.gpu.multifrontal.stacked import Pivots, StackInverter, Symmetry, reversed_, upper_product
from bdg.gpu.multifrontal.sweep import sweep
from bdg.gpu.multifrontal.symbolic import Symbolic
from bdg.gpu.superlu import TRUSTED_CONTRACTION, FactorError

STATIC_PIVOT = 1.5e-5  # in units of the norm of H; 100 times smaller ones leave clean systems at z = 0 unusable
STATIC_PIVOT_LAST = 1e-4  # in units of that; last blocks have to become small next to an eigenvalue
_TARGET = 1e-11  # error of a refined solve, relative
_MOST_REFINEMENTS = 12


class Factor:
    """Factors of ``z - H``.

    Parameters
    ----------
    symbolic : Symbolic
        Of a pattern that holds H; reused for every z and every H on it.
    hamiltonian : BlockMatrix
        H, from ``symbolic.pattern.split(matrix)``. Not necessarily Hermitian: ``h + i D`` is complex symmetric.
    z : complex
        Real numbers keep real matrices real.
    backend : Backend
    inertia, log_determinant : bool
        Also prepare `negative_count`, `slogdet`.
    static_pivot : float, optional
        Eigenvalues of pivot blocks below this are moved to it; by default 1.5e-5 times the norm of H for real z, and 0
        for complex z, where a Hermitian H cannot make a pivot small.
    single : bool
        Factors in single precision. For solves at complex z; real z and small ``Im z`` lose all digits.

    Attributes
    ----------
    symmetry : "symmetric" (A = A^T), "hermitian" (A = A^+) or "general"
    dtype : dtype of the factors
    kept_bytes : int
    predicted_memory : MemoryPrediction
    moved_blocks : int
        Pivot blocks that static pivoting changed.

    Raises
    ------
    ValueError
        If H is on another pattern.
    MemoryBudgetError
        If the predicted peak does not fit.
    """

    def __init__(
        self,
        symbolic: Symbolic,
        hamiltonian: BlockMatrix,
        z: complex,
        backend: Backend,
        *,
        inertia: bool = False,
        log_determinant: bool = False,
        static_pivot: float | None = None,
        single: bool = False,
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
        if inertia and not (hamiltonian.is_hermitian and self.z.imag == 0):
            raise ValueError("inertia needs a Hermitian H and a real z: a complex z - H has no signature")
        general, on_device = self.symmetry == "general", backend.device != "cpu"
        self.predicted_memory = predict_memory(symbolic, self.dtype, general, on_device=on_device)
        require_memory(
            self.predicted_memory.factor_peak,
            backend,
            f"factorising {symbolic.n_rows} rows in {self.dtype}",
            "Use fewer sites, or a method without factors.",
        )
        if static_pivot is None:
            static_pivot = STATIC_PIVOT * hamiltonian.norm if self.z.imag == 0 else 0.0
        self._pivots = Pivots(static_pivot, STATIC_PIVOT_LAST * static_pivot, inertia, log_determinant)
        self.classes = symbolic.on(backend.xp)
        self.values = self._shifted_values()
        self.inverses: list[Any] = []  # Pi of each stack
        self.forward: list[Any] = []  # W
        self.backward: list[Any] = []  # V, None unless general
        with np.errstate(all="ignore"):  # a singular front shows in the contraction, on every array module
            self._factorise()
        self.kept_bytes = sum(x.nbytes for x in (*self.inverses, *self.forward, *self.backward) if x is not None)
        self.moved_blocks = self._pivots.n_moved

    def _shifted_values(self) -> Any:
        """Return the elements of z - H on the pattern, flat, with one zero behind them, on the device."""
        blocks = self.hamiltonian.blocks
        nd = self.symbolic.pattern.rows_per_site
        values = np.zeros(blocks.size + 1, dtype=self.dtype)
        np.negative(blocks.reshape(-1), out=values[:-1], casting="same_kind")
        shift = self.z if self.dtype.kind == "c" else self.z.real
        values[:-1].reshape(blocks.shape)[self.symbolic.pattern.diagonal] += shift * np.eye(nd, dtype=self.dtype)
        return self.backend.xp.asarray(values)

    def _factorise(self) -> None:
        schur: dict[int, Any] = {}
        uses = [len(c.up) for c in self.classes]
        settings = self.symbolic.settings
        invert = StackInverter(self.backend.xp, self.symmetry, settings.base, settings.upper, self._pivots)
        for number, front_class in enumerate(self.classes):
            schur[number] = self._one_stack(front_class, schur, uses, invert)

    def _one_stack(self, front_class: FrontClass, schur: dict[int, Any], uses: list[int], invert: Any) -> Any:
        """Factorise a stack and return its Schur complements; the children's are dropped after their last use."""
        front = self._assemble(front_class)
        for link in front_class.down:
            extend_add(self.backend.xp, front, link, schur[link.child], upper=self.symmetry != "general")
            uses[link.child] -= 1
            if not uses[link.child]:
                del schur[link.child]
        return self._eliminate(front_class, front, invert)

    def _assemble(self, front_class: FrontClass) -> Any:
        """Return the stack of fronts (n, m, m) with the elements of A in the rows of P."""
        c = front_class
        front = self.backend.xp.zeros((c.n, c.m, c.m), self.dtype)
        flat = front.reshape(-1)
        flat[c.target] = self.values[c.source]
        if self.symmetry == "general":
            flat[c.lower_target] = self.values[c.lower_source]
        if c.ones.size:
            flat[c.ones] = 1
        return front

    def _eliminate(self, front_class: FrontClass, front: Any, invert: StackInverter) -> Any:
        """Append Pi, W and V of a stack to the factors; return the Schur complements."""
        xp, a, general = self.backend.xp, front_class.a, self.symmetry == "general"
        if not a:  # an empty separator
            for kept in (self.inverses, self.forward, self.backward):
                kept.append(None)
            return front
        pivot_inverse = invert(front[:, :a, :a], last=not front_class.u)
        self.inverses.append(pivot_inverse)
        if not front_class.u:
            self.forward.append(None)
            self.backward.append(None)
            return None
        right = front[:, :a, a:]
        left = front[:, a:, :a] if general else reversed_(right, self.symmetry)
        forward = xp.matmul(pivot_inverse, right)
        self.forward.append(forward)
        self.backward.append(xp.matmul(left, pivot_inverse) if general else None)
        upper = 0 if general else self.symbolic.settings.upper
        schur = upper_product(xp, left, forward, upper)
        return xp.subtract(front[:, a:, a:], schur, out=schur)

    @cached_property
    def product(self) -> ShiftedProduct:
        """A as an operator on columns on the device."""
        return ShiftedProduct(self)

    @cached_property
    def contraction(self) -> float:
        """Estimated spectral radius of ``I - M A``, M the inverse that the factors apply; inf if they are not finite.

        Each refinement step multiplies the error by it. Below one, ``A + t E`` with ``M^-1 = A + E`` is nonsingular
        for all t in [0, 1], so that M and A have the same inertia. Four power steps on four random columns; values
        near one are underestimated, hence the limit 1e-2 on trusted counts.
        """
        xp = self.backend.xp
        start = np.random.default_rng(0).standard_normal((self.symbolic.n_rows, 4))
        error = xp.asarray(start.astype(self.dtype))
        norms = [xp.sqrt((abs(error) ** 2).sum(0))]
        with np.errstate(all="ignore"):
            for _ in range(4):
                error = error - sweep(self, self.product(error))
                norms.append(xp.sqrt((abs(error) ** 2).sum(0)))
            norm = self.backend.to_host(xp.stack(norms))
            ratios = norm[1:] / norm[:-1]
        ratios[norm[1:] == 0] = 0.0
        return float(ratios.max()) if np.isfinite(ratios).all() else np.inf

    @property
    def trusted(self) -> bool:
        """True if the contraction is below 1e-2."""
        return self.contraction < TRUSTED_CONTRACTION

    @property
    def refinements(self) -> int:
        """Refinement steps that bring the error of a solve to about 1e-11."""
        rho = self.contraction
        if rho == 0:
            return 0
        return int(np.clip(np.ceil(np.log(_TARGET) / np.log(min(rho, 0.99))) - 1, 0, _MOST_REFINEMENTS))

    @property
    def negative_count(self) -> int | None:
        """Number of eigenvalues of H above z, proven; None where the factors do not prove it.

        Counted on the inverses of the pivot blocks (Sylvester's law of inertia), which costs nothing beside the
        factorisation.
        """
        if not self._pivots.count_negative:
            raise ValueError("negative_count needs Factor(..., inertia=True)")
        return self._pivots.negative_count(self.backend.xp) if self.trusted and not self._pivots.failed else None

    def slogdet(self) -> tuple[complex, float]:
        """Return the phase of det(z - H) and log|det(z - H)|."""
        if not self._pivots.log_determinant:
            raise ValueError("slogdet needs Factor(..., log_determinant=True)")
        if self.moved_blocks:
            raise FactorError(f"det(z - H) at z = {self.z}: static pivoting changed {self.moved_blocks} pivot blocks")
        return self._pivots.slogdet(self.backend.xp)

    def solve(self, right_side: Any, refinements: int | None = None) -> Any:
        """Return ``(z - H)^-1 right_side`` for columns (n_rows, R) or a vector (n_rows,) on the device.

        Parameters
        ----------
        right_side : array
        refinements : int, optional
            Steps of iterative refinement; by default as many as the contraction asks for.

        Raises
        ------
        FactorError
            If refinement would not converge.
        """
        if right_side.shape[0] != self.symbolic.n_rows:
            raise ValueError(f"right_side must have {self.symbolic.n_rows} rows; got shape {right_side.shape}")
        if refinements is None:
            self._require(0.5, "a solve")
            refinements = self.refinements
        columns = right_side.reshape(self.symbolic.n_rows, -1)
        solution = sweep(self, columns)
        for _ in range(refinements):
            solution = solution + sweep(self, columns - self.product(solution))
        return solution.reshape(right_side.shape)

    def selected_inverse(self, restriction: Restriction | None = None) -> SelectedInverse:
        """Return the blocks of ``(z - H)^-1`` between sites that H connects, the diagonal included.

        Parameters
        ----------
        restriction : Restriction, optional
            Only the parts of the tree that hold these sites.

        Raises
        ------
        FactorError
            For real z, if the contraction is not below 1e-2: there is no refinement.
        MemoryBudgetError
            If the predicted peak does not fit.
        """
        if self.z.imag == 0:
            self._require(TRUSTED_CONTRACTION, "a selected inverse")
        if restriction is None:
            require_memory(
                self.predicted_memory.selected_inverse_peak - self.predicted_memory.kept,
                self.backend,
                f"the selected inverse of {self.symbolic.n_rows} rows in {self.dtype}",
                "Restrict it to the sites that are wanted (Restriction).",
            )
        return selected_inverse(self, restriction)

    def _require(self, limit: float, what: str) -> None:
        if not self.contraction < limit:
            raise FactorError(
                f"{what} at z = {self.z} needs a contraction below {limit:g}; measured {self.contraction:.2g}. Move z "
                "away from the eigenvalue next to it, or give it an imaginary part."
            )


def _symmetry(hamiltonian: BlockMatrix, z: complex) -> Symmetry:
    if hamiltonian.is_symmetric:
        return "symmetric"
    return "hermitian" if hamiltonian.is_hermitian and z.imag == 0 else "general"
