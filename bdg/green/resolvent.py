r"""The resolvent ``(z - H)^{-1}`` of a BdG Hamiltonian at many z: columns with their residuals, and the site diagonal.

What does not depend on z is made once. At ``z = i w`` large systems take a form in real arithmetic
(`bdg.methods.imaginary`), elsewhere complex factors. For complex z the residual of each column is measured and lowered
by refinement, so no factor has to be judged beforehand. A column x of the source i with residual r misses its own
element by

.. math:: |e_i^T (G e_i - x)| = |e_i^T G r| \le \lVert G^\dagger e_i \rVert \, \lVert r \rVert
          = \sqrt{-\mathrm{Im}\, G_{ii}(z) / \mathrm{Im}\, z} \; \lVert r \rVert,

where the last step is the Ward identity ``(G G^+)_ii = -Im G_ii / Im z`` of every Hermitian H.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

from bdg.base.hamiltonian import BdGHamiltonian
from bdg.gpu.device.backend import Backend
from bdg.gpu.multifrontal import BlockMatrix, Factor, FactorError, Restriction, SelectedInverse, Symbolic
from bdg.gpu.multifrontal.factors.product import MatrixProduct
from bdg.lattices.system import System
from bdg.methods.imaginary import ImaginaryForm, form_of
from bdg.methods.symbolic import whole_symbolic

# operations of a complex factor with its selected inverse from which the forms at i w are faster (measured)
IMAGINARY_FORM_FROM = {1: 4e9, 2: 1e9}
UNUSABLE = 1e-2  # residual of a unit column from which the factors are no inverse
_ROUNDING = 10 * np.finfo(float).eps  # of a residual itself, in units of |z - H| |x|: rows have up to 8 elements
_COLUMNS, _COLUMN_BYTES = 128, 1 << 29  # solved at a time, and what they may take
_REFINEMENTS = 3


def takes_imaginary_form(norbs: int, z: complex, operations: Callable[[], float]) -> bool:
    """Return True if `Resolvent` takes real arithmetic at z; ``operations`` are those of the complex factors."""
    return z.real == 0 and z.imag > 0 and operations() >= IMAGINARY_FORM_FROM[norbs]


def site_rows(system: System, sites: np.ndarray) -> np.ndarray:
    """Return the rows of chosen sites: electron of all of them, then hole of all of them."""
    electron = (sites[:, None] * system.norbs + np.arange(system.norbs)).ravel()
    return np.concatenate([electron, electron + system.norbs * system.n_sites])


@dataclass(frozen=True, eq=False)
class SolvedColumns:
    """Some columns of the resolvent.

    Attributes
    ----------
    sources : array (R,) of int
        Rows of H that hold the sources.
    values : array (2 s N, R), complex, on the device
    residuals : array (R,)
        ``||e - (z - H) x||`` with the rounding error of its computation.
    """

    sources: np.ndarray
    values: Any
    residuals: np.ndarray


class Resolvent:
    """``(z - H)^-1``.

    Parameters
    ----------
    hamiltonian : BdGHamiltonian
    backend : Backend
    """

    def __init__(self, hamiltonian: BdGHamiltonian, backend: Backend) -> None:
        self.hamiltonian, self.backend = hamiltonian, backend
        self._restrictions: list[tuple[Symbolic, np.ndarray, Restriction]] = []

    @property
    def system(self) -> System:
        """The system of the Hamiltonian."""
        return self.hamiltonian.system

    @cached_property
    def symbolic(self) -> Symbolic:
        """Symbolic factorisation of H."""
        return whole_symbolic(self.system, self.backend)

    @cached_property
    def imaginary(self) -> ImaginaryForm:
        """The form of the factors at z = i w."""
        return form_of(self.hamiltonian, self.backend)

    @property
    def blocks(self) -> BlockMatrix:
        """H on its pattern."""
        return self.imaginary.whole

    @cached_property
    def multiply(self) -> MatrixProduct:
        """H as an operator on columns on the device."""
        return MatrixProduct(self.symbolic, self.blocks, self.backend)

    @cached_property
    def norm(self) -> float:
        """Largest absolute row sum of H, a bound of its eigenvalues."""
        return self.blocks.norm

    def flops(self) -> tuple[float, float, float]:
        """Return the operations of a complex factor, of its selected inverse, and of a solve for one column."""
        general, symbolic = not self.blocks.is_symmetric, self.symbolic
        factor, inverse = symbolic.factor_flops(complex, general), symbolic.selected_inverse_flops(complex, general)
        return factor, inverse, symbolic.solve_flops(complex)

    def restriction(self, symbolic: Symbolic, sites: np.ndarray) -> Restriction:
        """Return the part of a tree that the selected inverse on ``sites`` needs; made once."""
        for known, of, restriction in self._restrictions:
            if known is symbolic and np.array_equal(of, sites):
                return restriction
        restriction = Restriction(symbolic, sites)
        self._restrictions.append((symbolic, sites, restriction))
        return restriction

    def at(self, z: complex) -> ResolventAt:
        """Return the factors at z.

        Raises
        ------
        MemoryBudgetError
            If they do not fit.
        """
        imaginary = takes_imaginary_form(self.system.norbs, z, lambda: sum(self.flops()[:2]))
        return (_ImaginaryAt if imaginary else _ComplexAt)(self, z)


class ResolventAt(ABC):
    """Factors of ``z - H`` at one z."""

    form = ""

    def __init__(self, resolvent: Resolvent, z: complex) -> None:
        self.resolvent, self.z = resolvent, z

    @abstractmethod
    def apply(self, columns: Any) -> Any:
        """Return ``(z - H)^-1 columns`` on the device, as good as the factors are."""

    @abstractmethod
    def blocks(self, sites: np.ndarray, restricted: bool = False) -> np.ndarray:
        """Return the diagonal blocks (S, 2 s, 2 s) of chosen sites by selected inversion, on the host.

        ``restricted``: pass over the parts of the tree that these sites do not need.
        """

    def checked_blocks(self, sites: np.ndarray, restricted: bool = False) -> tuple[np.ndarray, np.ndarray | None]:
        """Return `blocks`, and how much the diagonal block of ``(z - H) G - 1`` misses on these sites, if it is known.

        That needs the blocks between each site and all that H connects with it. It shows where G is least accurate,
        not by how much: errors along a state near z are multiplied by a small number in it.
        """
        return self.blocks(sites, restricted), None

    def columns(self, sources: np.ndarray) -> Iterator[SolvedColumns]:
        """Yield the columns of the resolvent at the given rows, some at a time.

        Raises
        ------
        FactorError
            If the residuals cannot be lowered: z is too close to an eigenvalue.
        """
        each = 128 * self.resolvent.hamiltonian.shape[0]  # eight complex copies
        step = int(np.clip(_COLUMN_BYTES // each, 4, _COLUMNS))
        for begin in range(0, sources.size, step):
            some = sources[begin : begin + step]
            yield SolvedColumns(some, *self._solved(some))

    def _solved(self, sources: np.ndarray) -> tuple[Any, np.ndarray]:
        backend = self.resolvent.backend
        xp = backend.xp
        unit = xp.zeros((self.resolvent.hamiltonian.shape[0], sources.size), np.complex128)
        unit[xp.asarray(sources), xp.arange(sources.size)] = 1
        with np.errstate(all="ignore"):  # what is not finite is refused below, on every array module
            x = self.apply(unit)
            rest = unit - self.product(x)
            floor, norm = self._sizes(x, rest)
            for _ in range(_REFINEMENTS):
                if not (norm > 4 * floor).any():
                    break
                better = x + self.apply(rest)
                left = unit - self.product(better)
                new_floor, new_norm = self._sizes(better, left)
                if not new_norm.max() < 0.5 * norm.max():
                    break
                x, rest, floor, norm = better, left, new_floor, new_norm
        worst = float(norm.max())
        if not worst < UNUSABLE:
            raise FactorError(
                f"the columns of (z - H)^-1 at z = {self.z} have a residual of {worst:.2g}: z is too close to an "
                "eigenvalue. Move it away, give it a larger imaginary part (broadening), or use method='dense'"
            )
        return x, norm + floor

    def _sizes(self, x: Any, rest: Any) -> tuple[np.ndarray, np.ndarray]:
        """Return the rounding error of the residuals of columns, and their norms."""
        xp = self.resolvent.backend.xp
        norms = self.resolvent.backend.to_host(xp.sqrt(xp.stack([(abs(y) ** 2).sum(0) for y in (x, rest)])))
        return _ROUNDING * (self.resolvent.norm + abs(self.z)) * norms[0], norms[1]

    def product(self, columns: Any) -> Any:
        """Return ``(z - H) columns`` on the device."""
        return self.z * columns - self.resolvent.multiply(columns)


class _ComplexAt(ResolventAt):
    """Complex factors of z - H; real ones at real z."""

    def __init__(self, resolvent: Resolvent, z: complex) -> None:
        super().__init__(resolvent, z)
        self.factor = Factor(resolvent.symbolic, resolvent.blocks, z, resolvent.backend)
        self.form = f"{'real' if self.factor.dtype.kind != 'c' else 'complex'} {self.factor.symmetry}"

    def apply(self, columns: Any) -> Any:
        # static pivots may have changed the matrix at real z: there the factor judges itself
        return self.factor.solve(columns, refinements=None if self.z.imag == 0 else 0)

    def blocks(self, sites: np.ndarray, restricted: bool = False) -> np.ndarray:
        backend = self.resolvent.backend
        inverse = self._inverse(sites, restricted)
        return backend.to_host(inverse.blocks[backend.xp.asarray(inverse.pattern.diagonal[sites])]).astype(complex)

    def checked_blocks(self, sites: np.ndarray, restricted: bool = False) -> tuple[np.ndarray, np.ndarray | None]:
        if restricted:  # blocks of neighbours are missing
            return self.blocks(sites, restricted), None
        inverse = self.resolvent.backend.to_host(self._inverse(sites, False).blocks)
        pattern, unit = self.resolvent.symbolic.pattern, np.eye(self.resolvent.symbolic.pattern.rows_per_site)
        first = np.flatnonzero(np.diff(pattern.first, prepend=-1))  # every site is connected with itself
        product = np.add.reduceat(np.matmul(self.resolvent.blocks.blocks, inverse[pattern.transposed]), first, axis=0)
        blocks = inverse[pattern.diagonal].astype(complex)
        defect = abs(self.z * blocks - product - unit).max(axis=(1, 2))
        return blocks[sites], defect[sites]

    def _inverse(self, sites: np.ndarray, restricted: bool) -> SelectedInverse:
        restriction = self.resolvent.restriction(self.resolvent.symbolic, sites) if restricted else None
        return self.factor.selected_inverse(restriction)


class _ImaginaryAt(ResolventAt):
    """Factors in the form that z = i w allows."""

    def __init__(self, resolvent: Resolvent, z: complex) -> None:
        super().__init__(resolvent, z)
        self.form = resolvent.imaginary.name
        self.factor = resolvent.imaginary.factorise(z.imag)

    def apply(self, columns: Any) -> Any:
        return self.resolvent.imaginary.apply(self.factor, columns)

    def blocks(self, sites: np.ndarray, restricted: bool = False) -> np.ndarray:
        form = self.resolvent.imaginary
        restriction = self.resolvent.restriction(form.symbolic, sites) if restricted else None
        return form.diagonal(self.factor, form.places(sites), restriction)
