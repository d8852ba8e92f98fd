r"""Lanczos on multifrontal factors: the fast engine for eigenpairs and their counts.

For real h and D and one row of electrons a site, ``c = u + i v`` turns ``H psi = E psi`` into ``A conj(c) = E c`` with
the complex symmetric ``A = h + i D`` of half the dimension: half the operations, half the memory, and the partner at -E
is ``i c``. Otherwise the factors are those of ``H - shift``; at shift 0 a complex H takes the particle-hole partner of
every vector along, which halves the number of solves. Where that operator squares to +1 (spinful systems) ``i H`` is
real and skew in the coordinates of Majorana vectors, and so are its factors: half the memory; for real H it connects
two halves of these coordinates, by a matrix x of half the size. Where no real shift gives usable factors, those of
``H - i eta`` do. Counts come from the inertia of factors of ``H - energy``, trusted by their measured contraction.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import scipy.sparse as sp

from bdg.gpu.device.backend import Backend
from bdg.gpu.device.memory import give_back_freed
from bdg.gpu.eigen.antiunitary import Antiunitary
from bdg.gpu.eigen.eigenpairs import Eigenpairs, Partner, polished
from bdg.gpu.eigen.independent import independent_halves
from bdg.gpu.eigen.inverses import (
    ChiralInverse,
    DampedInverse,
    Inverse,
    MajoranaInverse,
    PlainInverse,
    QuaternionInverse,
    SkewInverse,
    TakagiInverse,
    rough_error,
)
from bdg.gpu.eigen.krylov import Search, inverse_lanczos
from bdg.gpu.eigen.scales import ScaledFactor, Scales, equilibrated
from bdg.gpu.multifrontal import BlockMatrix, Factor, FactorError, SignCount, Symbolic

_MOVES = (0.0, 1.7e-6, 1.3e-5, 1.1e-4)  # of the scale of H: tried in turn where a shift gives no usable factors
_OTHER_PIVOTS = (1e-7,)  # static pivots, of the scale of H, where the default one gives no trusted count
_USABLE = 0.3  # largest contraction that refinement is asked to work against
_USABLE_DAMPED = 0.3
_PATIENCE = 150  # solves, and eight a value: twice what levels need that are not crowded; those get shifts of their own
_USUAL = 32**3  # rows of factors up to which that is enough; levels of larger systems lie closer, N^(1/3) solves
_TOL = 1e-8  # residual of the inverse at which a pair counts as converged, relative to its value
_ABOVE_SOLVES = 3  # the same in units of the error of a solve, below which it cannot fall
_BEYOND_CACHE = 6e6, 8e7  # bytes of factors from which two and three columns are solved at once on a CPU
_FEW_VALUES = 12
_WORTH_GIVING_BACK = 1 << 24  # bytes of factors
_GPU_BLOCK = 8  # a sweep on a GPU takes the same time for up to eight columns


def cpu_block(values: int, factor_bytes: float) -> int:
    """Return how many columns a CPU solves at once.

    A solve with factors beyond the cache takes the time of reading them, and further columns a third of it each; but a
    block needs more solves in all, and several only pay where many values are wanted.
    """
    reading = int(np.searchsorted(_BEYOND_CACHE, factor_bytes, side="right"))
    return max(int(np.clip(values // 32, 1, 4)), 1 + (reading if values >= _FEW_VALUES else 0))


@dataclass(frozen=True, eq=False)
class TakagiMatrix:
    """The complex symmetric matrix ``h + i D`` and, made on first use, the symbolic factorisation of its pattern."""

    matrix: sp.csr_matrix
    symbolic: Callable[[], Symbolic]


class LanczosEngine:
    """Engine of `bdg.gpu.eigen.certified` on multifrontal factors.

    Parameters
    ----------
    matrix : CSR (n, n), Hermitian
    symbolic : callable
        Returns the symbolic factorisation of the matrix; called on first use, so that it can be shared and kept.
    partner : callable
    backend : Backend
    takagi : TakagiMatrix, optional
        Where h and D are real and every site has one row of electrons.
    block : int, optional
        Columns solved at once; by default what `cpu_block` says on the CPU, and 8 on a GPU.
    half : callable, optional
        Returns the symbolic factorisation of the electrons' rows, where every site has two of them.
    recount : callable, optional
        Counts levels below an energy where the factors prove nothing; None where it does not either.
    """

    def __init__(
        self,
        matrix: sp.csr_matrix,
        symbolic: Callable[[], Symbolic],
        partner: Partner,
        backend: Backend,
        takagi: TakagiMatrix | None = None,
        block: int | None = None,
        half: Callable[[], Symbolic] | None = None,
        recount: Callable[[float], int | None] | None = None,
    ) -> None:
        self.matrix, self.partner, self.scales = matrix, partner, Scales.of(matrix)
        self.facts: dict[str, Any] = {"solves": 0, "restarts": 0}
        self.patience, self.estimated_count = 1.0, ""
        self._symbolic, self._takagi, self._backend, self._block = symbolic, takagi, backend, block
        self._half, self._recount = half, recount
        self._whole: BlockMatrix | None = None
        self._searched: float | None = None
        self._inverse: tuple[float, Inverse] | None = None  # of the shift that was asked for

    def count_below(self, energy: float, within: float | None = None) -> int | None:
        """As `Engine.count_below`."""
        self._drop_factors()  # never two at once: the count comes when the search is done
        if within is not None and not self.scales.wide:
            above = self._signs_above(energy, within)
            if above is not None:
                return self.matrix.shape[0] - above
        for share in (None, *_OTHER_PIVOTS):
            factor = self._factor(energy, inertia=True, static_share=share)
            above = factor.negative_count
            self.facts |= {"count_contraction": factor.contraction, "count_bytes": factor.kept_bytes}
            if above is not None:
                return self.matrix.shape[0] - above
            del factor
        below = None if self._recount is None else self._recount(energy)
        if below is not None:
            self.facts["recounts"] = self.facts.get("recounts", 0) + 1
        return below

    def _signs_above(self, energy: float, within: float) -> int | None:
        """Return the number of levels above an energy, give or take those within ``within``; None if not proven."""
        found, error, improved, bordered = 0, 0.0, 0, 0
        for symbolic, blocks in self._independent_parts():
            signs = SignCount(symbolic, blocks, energy, self._backend, within=within)
            error, above = max(error, signs.backward_error), signs.n_above
            improved, bordered = improved + signs.improved, bordered + signs.bordered
            self.facts |= {"count_backward_error": error, "count_improved": improved, "count_bordered": bordered}
            if above is None:
                return None
            found += above
        return found

    def _independent_parts(self) -> Iterator[tuple[Symbolic, BlockMatrix]]:
        """Yield what to count levels of: H, or two halves of its rows that it does not connect."""
        if self._half is not None:
            symbolic = self._half()
            halves = independent_halves(self.matrix, symbolic.pattern.rows)
            for rows in halves:
                yield symbolic, symbolic.pattern.split(sp.csr_matrix(self.matrix[rows][:, rows]))
            if halves:
                return
        yield self._symbolic(), self._blocks()

    def search(
        self,
        shift: float,
        wanted: int,
        tol: float,
        rng: np.random.Generator,
        known: np.ndarray | None,
        needed: int | None = None,
    ) -> Eigenpairs:
        """As `Engine.search`."""
        inverse = self._at(shift, wanted)
        copies = known is not None and self._searched == shift  # of levels that were found already
        self._searched = shift
        values = wanted // 2 if inverse.in_pairs else wanted
        run = inverse_lanczos(
            inverse,
            inverse.size,
            Search(
                min(values, inverse.size),
                max(min(_TOL, tol / self.scales.tolerance(1.0)), _ABOVE_SOLVES * rough_error(inverse.factor)),
                needed=None if needed is None else -(-needed // 2) if inverse.in_pairs else needed,
                block=self._block or self._default_block(values, copies, inverse.factor.kept_bytes),
                max_solves=int(self.patience * (_PATIENCE + 8 * values) * max(1.0, (inverse.size / _USUAL) ** (1 / 3))),
            ),
            form=inverse.form,
            backend=self._backend,
            seed=int(rng.integers(2**31)),
            known=None if known is None else inverse.known(known),
        )
        self.facts["solves"] += run.solves
        self.facts["restarts"] += run.restarts
        self.facts["lanczos_converged"] = run.converged

        def solve(vectors: np.ndarray) -> np.ndarray:
            image = inverse.solve(vectors)
            return image if known is None else image - known @ (known.conj().T @ image)

        # no name here for the states: each copy of them counts in the peak of memory
        return polished(self, inverse.states(run.vectors), solve, tol, paired=shift == 0, shift=shift, needed=needed)

    def polish(self, shift: float, vectors: np.ndarray, tol: float) -> Eigenpairs:
        """Return the Ritz pairs of columns that are nearly eigenvectors, improved until residuals are below ``tol``."""
        return polished(self, vectors, self._at(shift, vectors.shape[1]).solve, tol, paired=shift == 0)

    def _default_block(self, values: int, copies: bool, factor_bytes: float) -> int:
        if self._backend.device != "cpu":
            return _GPU_BLOCK
        return int(np.clip(values // 4, 1, 8)) if copies else cpu_block(values, factor_bytes)

    def _at(self, shift: float, wanted: int) -> Inverse:
        """Return usable factors for a shift, in the number system that suits them."""
        if self._inverse is None or self._inverse[0] != shift:
            self._drop_factors()  # their memory is free before the next ones are made
            inverse = self._usable(shift, wanted)
            self._inverse = (shift, inverse)
            factor = inverse.factor
            about = {
                "form": inverse.name,
                "shift": factor.z.real,
                "contraction": factor.contraction,
                "factor_bytes": factor.kept_bytes,
                "moved_pivot_blocks": factor.moved_blocks,
                "bordered_pivots": factor.bordered,
            }
            self.facts = about | self.facts  # of the first factors; further shifts are listed by the search
        return self._inverse[1]

    def _drop_factors(self) -> None:
        large = self._inverse is not None and self._inverse[1].factor.kept_bytes > _WORTH_GIVING_BACK
        self._inverse = None
        if large:
            give_back_freed()

    def _usable(self, shift: float, wanted: int) -> Inverse:
        reasons = []
        scale = self.scales.level
        if shift == 0 and self._takagi is not None:
            factor = self._factor_at_zero(self._takagi.symbolic(), self._takagi.matrix)
            if factor.contraction < _USABLE:
                return TakagiInverse(factor)
            reasons.append(f"Takagi form: contraction {factor.contraction:.1e}")
            del factor
        elif shift == 0 and self._on_host().square > 0:
            found = self._majorana(reasons)
            if found is not None:
                return found
        for move in _MOVES:
            factor = self._factor(shift + move * scale)
            if factor.contraction < _USABLE:
                self.facts["moved_because"] = "; ".join(reasons)
                return self._with_partners(factor)
            reasons.append(f"shift {factor.z.real!r}: contraction {factor.contraction:.1e}")
            del factor
        self.facts["moved_because"] = "; ".join(reasons)
        return self._damped(shift, wanted, scale, reasons)

    def _factor(self, z: float, inertia: bool = False, static_share: float | None = None) -> Factor:
        """Return factors of z - H, scaled where rows differ by orders; static pivots as a share of the norm."""
        symbolic = self._symbolic()
        blocks, scaling = self._blocks(), None
        if self.scales.wide:
            matrix, scaling = equilibrated(self.matrix, z)
            blocks = symbolic.pattern.split(matrix)
        pivot = None if static_share is None else static_share * blocks.norm
        at = z if scaling is None else 0.0
        factor = Factor(symbolic, blocks, at, self._backend, inertia=inertia, static_pivot=pivot)
        return factor if scaling is None else ScaledFactor(factor, scaling, z)  # type: ignore[return-value]

    def _factor_at_zero(self, symbolic: Symbolic, matrix: sp.csr_matrix) -> Factor:
        """Return factors of ``-matrix``, which need not be Hermitian, scaled where rows differ by orders."""
        if not self.scales.wide:
            return Factor(symbolic, symbolic.pattern.split(matrix), 0.0, self._backend)
        matrix, scaling = equilibrated(matrix, 0.0)
        factor = Factor(symbolic, symbolic.pattern.split(matrix), 0.0, self._backend)
        return ScaledFactor(factor, scaling, 0.0)  # type: ignore[return-value]

    def _with_partners(self, factor: Factor) -> Inverse:
        """Return the form that uses the partners: at shift 0, for complex matrices."""
        if factor.z != 0 or self.matrix.dtype.kind != "c":
            return PlainInverse(factor)
        partner = self._on_device()
        return (QuaternionInverse if partner.square < 0 else MajoranaInverse)(factor, partner)

    def _majorana(self, reasons: list[str]) -> Inverse | None:
        """Return factors in Majorana coordinates if they can be used: of ``i H``, or of x for real H."""
        skew = self._on_host().skew(self.matrix)
        if self.matrix.dtype.kind == "c":
            factor = self._factor_at_zero(self._symbolic(), skew)
            if factor.contraction < _USABLE:
                return SkewInverse(factor, self._on_device())
            reasons.append(f"skew form: contraction {factor.contraction:.1e}")
        elif self._half is not None and not self.scales.wide:
            symbolic, size = self._half(), skew.shape[0] // 2
            connecting = sp.csr_matrix(skew[:size, size:])
            factor = self._factor_at_zero(symbolic, connecting)
            if factor.contraction < _USABLE:
                transposed = symbolic.pattern.split(sp.csr_matrix(connecting.T))
                return ChiralInverse(factor, self._on_device(), transposed)
            reasons.append(f"chiral form: contraction {factor.contraction:.1e}")
        return None

    def _on_host(self) -> Antiunitary:
        return Antiunitary.of(self.partner, self.matrix.shape[0], np)

    def _on_device(self) -> Antiunitary:
        return Antiunitary.of(self.partner, self.matrix.shape[0], self._backend.xp)

    def _damped(self, shift: float, wanted: int, scale: float, reasons: list[str]) -> Inverse:
        """Return the form with eta about the energy of the last state wanted, from the mean density of states."""
        eta = scale * max(0.1 * wanted / self.matrix.shape[0], 1e-6)
        factor = Factor(self._symbolic(), self._blocks(), complex(shift, eta), self._backend)
        if not factor.contraction < _USABLE_DAMPED:
            reasons.append(f"eta {eta!r}: contraction {factor.contraction:.1e}")
            raise FactorError("no usable factors of H - shift: " + "; ".join(reasons))
        self.facts["eta"] = eta
        return DampedInverse(factor)

    def _blocks(self) -> BlockMatrix:
        if self._whole is None:
            self._whole = self._symbolic().pattern.split(self.matrix)
        return self._whole
