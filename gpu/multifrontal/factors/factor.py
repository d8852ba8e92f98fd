r"""Numeric factorisation of ``A = z - H`` in stacks of dense fronts.

Children first, each front F collects the rows of its pivots P and the children's Schur complements S:

.. math:: \Pi = F_{PP}^{-1}, \quad W = \Pi F_{PU}, \quad V = F_{UP} \Pi, \quad S = F_{UU} - F_{UP} W

(I. S. Duff and J. K. Reid, ACM Trans. Math. Softw. 9, 302 (1983); A. George, SIAM J. Numer. Anal. 10, 345 (1973)).
Kept are Pi, W (on the CPU not of leaves: `bdg.gpu.multifrontal.factors.thin_leaves`), and V where A is neither
symmetric or skew (``V = W^T``) nor Hermitian (``V = W^+``). There is no pivoting across fronts; whether a factor can
be used is measured instead (`Factor.contraction`). At real z small eigenvalues of pivot blocks are moved far from
zero, and what was added is taken off again (`bdg.gpu.multifrontal.factors.woodbury`).
"""

from __future__ import annotations

from functools import cached_property
from typing import Any

import numpy as np

from bdg.gpu.device.backend import Backend, select_backend
from bdg.gpu.device.memory import GIB, available_bytes, require_memory
from bdg.gpu.multifrontal.analysis.pattern import BlockMatrix
from bdg.gpu.multifrontal.analysis.symbolic import Symbolic
from bdg.gpu.multifrontal.factors.blocked import product
from bdg.gpu.multifrontal.factors.elimination import STATIC_PIVOT, Elimination, Progress
from bdg.gpu.multifrontal.factors.predicted_memory import predict_memory
from bdg.gpu.multifrontal.factors.product import ShiftedProduct
from bdg.gpu.multifrontal.factors.selected_inverse import Restriction, SelectedInverse, selected_inverse
from bdg.gpu.multifrontal.factors.stacked import MovedPivots
from bdg.gpu.multifrontal.factors.stored import StoredFactors
from bdg.gpu.multifrontal.factors.sweep import sweep
from bdg.gpu.multifrontal.factors.woodbury import MovedColumns, Woodbury
from bdg.gpu.multifrontal.trust import TRUSTED_CONTRACTION, FactorError

_TARGET = 1e-11  # error of a refined solve, relative
_MOST_REFINEMENTS = 12
_CLEAR = 1e-2 * TRUSTED_CONTRACTION  # an eigenvalue at the limit shows after two steps, however small its part at first
_FREE = 1e-4  # in units of the norm of H: smaller pivots are moved far and taken back at real z
_ROOM = 128  # of them; each costs a solve, and a column of memory
_SMALL_BYTES = 1 << 27  # right-hand sides that are solved together without asking for memory


class Factor(Elimination):
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
        Eigenvalues of pivot blocks below this are moved to it, which changes the matrix. By default, for real z, up to
        128 of them below 1e-4 times the norm of H are moved by that norm and taken back, and more of them below 1.5e-5
        times the norm are moved; none for complex z, where a Hermitian H cannot make a pivot small.
    single : bool
        Factors in single precision. For solves at complex z; real z and small ``Im z`` lose all digits.
    on_host : bool, optional
        Keep the factors of a GPU in host memory, and copy each stack when a sweep needs it: for systems whose fronts
        fit on the device and whose factors do not. By default where it must be.

    Attributes
    ----------
    symmetry : "symmetric" (A = A^T), "hermitian" (A = A^+), "skew" (A = -A^T, real) or "general"
    dtype : dtype of the factors
    stored : StoredFactors
        Pi, W and V of each stack.
    kept_bytes : int
    on_host : bool
        The factors are in host memory, the work is done on the device.
    predicted_memory : MemoryPrediction
    moved_blocks : int
        Pivot blocks that static pivoting changed without taking it back.
    bordered : int
        Eigenvalues of pivot blocks that were moved and taken back.

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
        on_host: bool | None = None,
    ) -> None:
        super().__init__(symbolic, hamiltonian, z, backend, single=single)
        if inertia and not (hamiltonian.is_hermitian and self.z.imag == 0):
            raise ValueError("inertia needs a Hermitian H and a real z: a complex z - H has no signature")
        general, on_device = self.symmetry == "general", backend.device != "cpu"
        self.predicted_memory = predict_memory(symbolic, self.dtype, general, on_device=on_device)
        self.on_host = self._fits_on_host_only() if on_host is None else bool(on_host) and on_device
        room = _ROOM if static_pivot is None and self.z.imag == 0 else 0
        if static_pivot is None:
            static_pivot = STATIC_PIVOT * hamiltonian.norm if self.z.imag == 0 else 0.0
        self._prepare(static_pivot, inertia, log_determinant, _FREE, room)
        self._moved_far: dict[int, list[MovedPivots]] = {}  # by stack
        self.stored = StoredFactors(symbolic, self.symmetry, hamiltonian.matrix, self.values, backend, self.on_host)
        self._run()
        self._columns = MovedColumns(backend)
        for number in sorted(self._moved_far):
            self._columns.add(self.classes[number], self._moved_far[number])
        self.moved_blocks, self.bordered = self._pivots.n_moved, self._columns.size
        self.kept_bytes = self.stored.nbytes + (self._woodbury.nbytes if self._woodbury is not None else 0)

    def _fits_on_host_only(self) -> bool:
        """Return whether the factors have to be kept in host memory; raise where not even that is enough."""
        predicted, backend = self.predicted_memory, self.backend
        if backend.device != "cpu" and predicted.factor_peak > available_bytes(backend):
            host = select_backend("cpu")
            if predicted.factor_work < available_bytes(backend) and predicted.kept < available_bytes(host):
                return True
        require_memory(
            predicted.factor_peak,
            backend,
            f"factorising {self.symbolic.n_rows} rows in {self.dtype}",
            f"Use fewer sites: the factors alone take {predicted.kept / GIB:.1f} GiB, the largest fronts "
            f"{predicted.factor_work / GIB:.1f} GiB.",
        )
        return False

    def _eliminate(self, number: int, front: Any, progress: Progress) -> Any:
        """Keep Pi, W and V of a stack; return the Schur complements."""
        front_class = self.classes[number]
        a, u = front_class.a, front_class.u
        if not a:  # an empty separator
            return front
        pivot_inverse = progress.invert(front[:, :a, :a], last=not u)
        if moved := progress.pivots.taken():
            self._moved_far[number] = moved
        if not u:
            self.stored.keep(number, pivot_inverse)
            return None
        right, left = self._couplings(front_class, front)
        forward = product(self.backend.xp, pivot_inverse, right)
        self.stored.keep(number, pivot_inverse, forward, left)
        return self._schur(front_class, front, left, forward, progress.memory)

    @cached_property
    def _woodbury(self) -> Woodbury | None:
        if not self._columns.size:
            return None
        far, n_rows = self._pivots.far, self.symbolic.n_rows

        def solve(columns: Any) -> Any:
            return sweep(self.stored, columns)

        with np.errstate(all="ignore"):  # what is not finite shows in the contraction
            return Woodbury(self._columns, far, solve, n_rows, self.symmetry, self.dtype, self.backend)

    def _apply(self, columns: Any) -> Any:
        """Return the solution for columns without refinement."""
        solution = sweep(self.stored, columns)
        return solution if self._woodbury is None else self._woodbury.applied(solution)

    @cached_property
    def product(self) -> ShiftedProduct:
        """A as an operator on columns on the device."""
        z = self.z if self.dtype.kind == "c" else self.z.real
        return ShiftedProduct(self.symbolic, self.hamiltonian, z, self.backend, self.values)

    @cached_property
    def contraction(self) -> float:
        """Estimated spectral radius of ``I - M A``, M the inverse that the factors apply; inf if they are not finite.

        Each refinement step multiplies the error by it. Below one, ``A + t E`` with ``M^-1 = A + E`` is nonsingular
        for all t in [0, 1], so that M and A have the same inertia. Four power steps on four random columns, two where
        these find it far below the limit; values near one are underestimated, hence the limit 1e-2 on trusted counts.
        """
        self._require_factors()
        xp = self.backend.xp
        start = np.random.default_rng(0).standard_normal((self.symbolic.n_rows, 4))
        error = xp.asarray(start.astype(self.dtype))
        norms = [xp.sqrt((abs(error) ** 2).sum(0))]
        for _ in range(2):
            with np.errstate(all="ignore"):
                for _ in range(2):
                    error = error - self._apply(self.product(error))
                    norms.append(xp.sqrt((abs(error) ** 2).sum(0)))
                norm = self.backend.to_host(xp.stack(norms))
                ratios = norm[1:] / norm[:-1]
            ratios[norm[1:] == 0] = 0.0
            found = float(ratios.max()) if np.isfinite(ratios).all() else np.inf
            if found < _CLEAR or not np.isfinite(found):
                break
        return found

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
        if not self.trusted or self._pivots.failed:
            return None
        of_border = 0 if self._woodbury is None else self._woodbury.negative_count()
        return self._pivots.negative_count(self.backend.xp) + of_border

    def slogdet(self) -> tuple[complex, float]:
        """Return the phase of det(z - H) and log|det(z - H)|."""
        if not self._pivots.log_determinant:
            raise ValueError("slogdet needs Factor(..., log_determinant=True)")
        if self.moved_blocks:
            raise FactorError(f"det(z - H) at z = {self.z}: static pivoting changed {self.moved_blocks} pivot blocks")
        phase, logarithm = self._pivots.slogdet(self.backend.xp)
        logarithm -= float(np.log(self._padding)) * sum(c.ones.size for c in self.classes)
        if self._woodbury is not None:
            of_border = self._woodbury.slogdet()
            phase, logarithm = phase * of_border[0], logarithm + of_border[1]
        return phase, logarithm

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
        self._require_factors()
        if refinements is None:
            self._require(0.5, "a solve")
            refinements = self.refinements
        columns = right_side.reshape(self.symbolic.n_rows, -1)
        most = self._columns_at_once(columns.shape[1])
        parts = [
            self._solve(columns[:, begin : begin + most], refinements) for begin in range(0, columns.shape[1], most)
        ]
        solution = parts[0] if len(parts) == 1 else self.backend.xp.concatenate(parts, axis=1)
        return solution.reshape(right_side.shape)

    def _solve(self, columns: Any, refinements: int) -> Any:
        solution = self._apply(columns)
        for _ in range(refinements):
            solution = solution + self._apply(columns - self.product(solution))
        return solution

    def _columns_at_once(self, wanted: int) -> int:
        """Return how many right-hand sides fit into memory together."""
        each = 2 * self.predicted_memory.column  # complex columns of real factors, refinement
        if wanted * each < _SMALL_BYTES:
            return max(1, wanted)
        free = available_bytes(self.backend)
        if free < each:
            what = f"solving for one column of {self.symbolic.n_rows} rows"
            require_memory(each, self.backend, what, "Use fewer sites.")
        return int(min(wanted, free // each))

    def selected_inverse(self, restriction: Restriction | None = None, release: bool = False) -> SelectedInverse:
        """Return the blocks of ``(z - H)^-1`` between sites that H connects, the diagonal included.

        Parameters
        ----------
        restriction : Restriction, optional
            Only the parts of the tree that hold these sites.
        release : bool
            Give up the factors stack by stack on the way, for a lower peak; they cannot be used again.

        Raises
        ------
        FactorError
            For real z, if the contraction is not below 1e-2: there is no refinement.
        MemoryBudgetError
            If the predicted peak does not fit.
        """
        self._require_factors()
        if self.z.imag == 0:
            self._require(TRUSTED_CONTRACTION, "a selected inverse")
        if restriction is None:
            predicted = self.predicted_memory
            if self.on_host:
                needed = predicted.selected_inverse_work
            else:
                needed = (predicted.releasing_peak if release else predicted.selected_inverse_peak) - predicted.kept
            require_memory(
                needed,
                self.backend,
                f"the selected inverse of {self.symbolic.n_rows} rows in {self.dtype}",
                "Restrict it to the sites that are wanted (Restriction).",
            )
        found = selected_inverse(self.stored, restriction, release)
        if self._woodbury is not None:
            self._woodbury.add_to_blocks(found.blocks, found.pattern)
        return found

    def _require_factors(self) -> None:
        if self.stored.released:
            raise FactorError("the factors were given up by selected_inverse(release=True); factorise again")

    def _require(self, limit: float, what: str) -> None:
        if not self.contraction < limit:
            raise FactorError(
                f"{what} at z = {self.z} needs a contraction below {limit:g}; measured {self.contraction:.2g}. Move z "
                "away from the eigenvalue next to it, or give it an imaginary part."
            )
