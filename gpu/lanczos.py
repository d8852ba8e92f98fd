r"""Lanczos on multifrontal factors: the fast engine for eigenpairs and their counts.

For real h and D and one row of electrons a site, ``c = u + i v`` turns ``H psi = E psi`` into ``A conj(c) = E c`` with
the complex symmetric ``A = h + i D`` of half the dimension: half the operations, half the memory, and the partner at -E
is ``i c`` (`bdg.gpu.krylov`). Otherwise, and at shifts other than zero, the factors are those of ``H - shift``. Counts
come from the inertia of factors of ``H - energy``, trusted by their measured contraction.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import scipy.sparse as sp

from bdg.gpu.backend import Backend
from bdg.gpu.krylov import RitzPairs, inverse_lanczos
from bdg.gpu.multifrontal import BlockMatrix, Factor, FactorError, Symbolic
from bdg.gpu.states import Eigenpairs, Partner, matrix_scale, polished

_MOVES = (0.0, 1.7e-6, 1.3e-5, 1.1e-4)  # of the scale of H: tried in turn where a shift gives no usable factors
_OTHER_PIVOTS = (1e-7,)  # static pivots, of the scale of H, where the default one gives no trusted count
_USABLE = 0.3  # largest contraction that refinement is asked to work against


@dataclass(frozen=True, eq=False)
class TakagiForm:
    """The complex symmetric matrix ``h + i D`` and, made on first use, the symbolic factorisation of its pattern."""

    matrix: sp.csr_matrix
    symbolic: Callable[[], Symbolic]


class LanczosEngine:
    """Engine of `bdg.gpu.states` on multifrontal factors.

    Parameters
    ----------
    matrix : CSR (n, n), Hermitian
    symbolic : callable
        Returns the symbolic factorisation of the matrix; called on first use, so that it can be shared and kept.
    partner : callable
    backend : Backend
    takagi : TakagiForm, optional
        Where h and D are real and every site has one row of electrons.
    """

    def __init__(
        self,
        matrix: sp.csr_matrix,
        symbolic: Callable[[], Symbolic],
        partner: Partner,
        backend: Backend,
        takagi: TakagiForm | None = None,
    ) -> None:
        self.matrix, self.partner = matrix, partner
        self.facts: dict[str, Any] = {"solves": 0, "restarts": 0}
        self._symbolic, self._takagi, self._backend = symbolic, takagi, backend
        self._whole: BlockMatrix | None = None
        self._factors: tuple[float, bool, Factor] | None = None  # shift asked for, Takagi form, factors

    def count_below(self, energy: float) -> int | None:
        """Return the proven number of eigenvalues below ``energy``."""
        norm = matrix_scale(self.matrix)
        for static_pivot in (None, *(share * norm for share in _OTHER_PIVOTS)):
            factor = Factor(
                self._symbolic(), self._blocks(), energy, self._backend, inertia=True, static_pivot=static_pivot
            )
            above = factor.negative_count
            self.facts |= {"count_contraction": factor.contraction, "count_bytes": factor.kept_bytes}
            if above is not None:
                return self.matrix.shape[0] - above
        return None

    def search(
        self, shift: float, wanted: int, tol: float, rng: np.random.Generator, known: np.ndarray | None
    ) -> Eigenpairs:
        """Return about ``wanted`` eigenpairs nearest to ``shift``, outside the span of ``known``."""
        takagi, factor = self._factor(shift)
        size = factor.symbolic.n_rows
        sign = -1.0  # the factors are of z - H
        if takagi:
            run = self._iterate(
                lambda columns: sign * factor.solve(columns).conj(), size, wanted // 2, True, tol, rng,
                None if known is None else _complex_span(known),
            )  # fmt: skip
            columns = self._backend.to_host(run.vectors)
            basis = np.concatenate([columns.real, columns.imag])
        else:
            known_columns = None if known is None else self._backend.xp.asarray(known)
            run = self._iterate(
                lambda columns: sign * factor.solve(columns), size, wanted, False, tol, rng, known_columns
            )
            basis = self._backend.to_host(run.vectors)
        self.facts["solves"] += run.solves
        self.facts["restarts"] += run.restarts
        self.facts["lanczos_converged"] = run.converged

        def solve(vectors: np.ndarray) -> np.ndarray:
            inverse = self._apply(factor, takagi, vectors)
            return inverse if known is None else inverse - known @ (known.conj().T @ inverse)

        return polished(self, basis, solve, tol, paired=shift == 0)

    def _iterate(
        self,
        apply: Callable[[Any], Any],
        size: int,
        wanted: int,
        antilinear: bool,
        tol: float,
        rng: np.random.Generator,
        known: Any,
    ) -> RitzPairs:
        return inverse_lanczos(
            apply,
            size,
            min(wanted, size),
            antilinear=antilinear,
            dtype=np.complex128 if antilinear else self.matrix.dtype,
            backend=self._backend,
            seed=int(rng.integers(2**31)),
            tol=min(1e-8, tol),
            block=1 if self._backend.device == "cpu" else 8,
            known=known,
        )

    def _apply(self, factor: Factor, takagi: bool, vectors: np.ndarray) -> np.ndarray:
        """Return (H - shift)^-1 applied to columns on the host."""
        xp, half = self._backend.xp, self.matrix.shape[0] // 2
        if not takagi:
            return -self._backend.to_host(factor.solve(xp.asarray(vectors)))
        columns = -self._backend.to_host(factor.solve(xp.asarray(vectors[:half] + 1j * vectors[half:]))).conj()
        return np.concatenate([columns.real, columns.imag])

    def _factor(self, shift: float) -> tuple[bool, Factor]:
        """Return usable factors for a shift, and whether they are of the Takagi form."""
        if self._factors is not None and self._factors[0] == shift:
            return self._factors[1:]
        reasons = []
        if shift == 0 and self._takagi is not None:
            symbolic = self._takagi.symbolic()
            factor = Factor(symbolic, symbolic.pattern.split(self._takagi.matrix), 0.0, self._backend)
            if factor.contraction < _USABLE:
                return self._keep(shift, True, factor, shift)
            reasons.append(f"Takagi form: contraction {factor.contraction:.1e}")
        for move in _MOVES:
            at = shift + move * matrix_scale(self.matrix)
            factor = Factor(self._symbolic(), self._blocks(), at, self._backend)
            if factor.contraction < _USABLE:
                self.facts["moved_because"] = "; ".join(reasons)
                return self._keep(shift, False, factor, at)
            reasons.append(f"shift {at!r}: contraction {factor.contraction:.1e}")
        raise FactorError("no usable factors of H - shift: " + "; ".join(reasons))

    def _keep(self, shift: float, takagi: bool, factor: Factor, at: float) -> tuple[bool, Factor]:
        self._factors = (shift, takagi, factor)
        self.facts |= {
            "form": "takagi" if takagi else factor.symmetry,
            "shift": at,
            "contraction": factor.contraction,
            "factor_bytes": factor.kept_bytes,
            "moved_pivot_blocks": factor.moved_blocks,
        }
        return takagi, factor

    def _blocks(self) -> BlockMatrix:
        if self._whole is None:
            self._whole = self._symbolic().pattern.split(self.matrix)
        return self._whole


def _complex_span(known: np.ndarray) -> np.ndarray:
    """Return an orthonormal complex basis of ``u + i v`` for real columns (u, v) that hold partners, too."""
    half = known.shape[0] // 2
    columns = known[:half] + 1j * known[half:]
    basis, singular, _ = np.linalg.svd(columns, full_matrices=False)
    return basis[:, singular > 1e-6 * singular[0]]
