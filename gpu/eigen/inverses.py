r"""Factors of H - shift as operators for the Lanczos iteration, each in the number system that suits it.

- `PlainInverse`: ``(H - shift)^-1``.
- `TakagiInverse`: ``c -> conj(A^-1 c)``, ``A = h + i D``, ``c = u + i v``; h and D real, one row of electrons a site.
- `QuaternionInverse`, `MajoranaInverse`: ``H^-1`` with the partner of every vector for free.
- `SkewInverse`: the latter from real factors, half as large.
- `ChiralInverse`: the same for real H, from factors of a matrix of half the size.
- `DampedInverse`: ``((H - shift)^2 + eta^2)^-1`` from factors of ``H - shift - i eta``, whose pivots are never small.
"""

from __future__ import annotations

from typing import Any, Protocol

import numpy as np
import scipy.linalg

from bdg.gpu.eigen.antiunitary import Antiunitary
from bdg.gpu.eigen.krylov_forms import ChiralForm, Form, HermitianForm, MajoranaForm, QuaternionForm, TakagiForm
from bdg.gpu.multifrontal import BlockMatrix, Factor
from bdg.gpu.multifrontal.factors.product import MatrixProduct
from bdg.gpu.multifrontal.factors.sweep import adjoint_sweep

_COLUMNS = 4  # solved at a time when states are polished: right-hand sides and updates are ten times as large
_ROUGH = 1e-7  # error of a solve within the iteration


class Inverse(Protocol):
    """An operator of the Lanczos iteration and the way to states of H.

    Attributes
    ----------
    name : str
        For the evidence.
    form : Form
    factor : Factor
    in_pairs : bool
        One Ritz value stands for a pair +-E.
    size : int
        Rows of its columns.
    """

    name: str
    form: Form
    factor: Factor
    in_pairs: bool
    size: int

    def __call__(self, columns: Any) -> Any:
        """Return the operator applied to columns of the form, on the device."""

    def states(self, vectors: Any) -> np.ndarray:
        """Return host columns that span, with their partners, the states of Ritz vectors."""

    def known(self, states: np.ndarray) -> Any:
        """Return orthonormal columns of the form that span given states, on the device."""

    def solve(self, states: np.ndarray) -> np.ndarray:
        """Return the inverse applied to host columns of H."""


class PlainInverse:
    """``(H - shift)^-1``; the factors are of shift - H."""

    in_pairs = False

    def __init__(self, factor: Factor) -> None:
        self.name: str = factor.symmetry
        self.factor, self.size = factor, factor.symbolic.n_rows
        self.form: Form = HermitianForm(factor.dtype)

    def __call__(self, columns: Any) -> Any:
        """As `Inverse`."""
        return -self.factor.solve(columns, rough_refinements(self.factor))

    def states(self, vectors: Any) -> np.ndarray:
        """As `Inverse`."""
        return self.factor.backend.to_host(vectors)

    def known(self, states: np.ndarray) -> Any:
        """As `Inverse`."""
        return self.factor.backend.xp.asarray(states)

    def solve(self, states: np.ndarray) -> np.ndarray:
        """As `Inverse`."""
        backend = self.factor.backend
        return backend.to_host(-self.factor.solve(backend.xp.asarray(states)))


class TakagiInverse:
    """``c -> conj(A^-1 c)`` with half the rows of H."""

    name, in_pairs = "takagi", True

    def __init__(self, factor: Factor) -> None:
        self.factor, self.size = factor, factor.symbolic.n_rows
        self.form: Form = TakagiForm()

    def __call__(self, columns: Any) -> Any:
        """As `Inverse`."""
        return -self.factor.solve(columns, rough_refinements(self.factor)).conj()

    def states(self, vectors: Any) -> np.ndarray:
        """As `Inverse`."""
        columns = self.factor.backend.to_host(vectors)
        return np.concatenate([columns.real, columns.imag])

    def known(self, states: np.ndarray) -> Any:
        """As `Inverse`; states and their partners span the same complex space."""
        half = states.shape[0] // 2
        return self.factor.backend.xp.asarray(_span(states[:half] + 1j * states[half:]))

    def solve(self, states: np.ndarray) -> np.ndarray:
        """As `Inverse`."""
        half, xp = states.shape[0] // 2, self.factor.backend.xp
        image = np.empty(states.shape)
        for begin in range(0, states.shape[1], _COLUMNS):
            some = slice(begin, begin + _COLUMNS)
            columns = xp.asarray(states[:half, some] + 1j * states[half:, some])
            image[:, some] = self.states(-self.factor.solve(columns).conj())
        return image


class QuaternionInverse(PlainInverse):
    """``H^-1`` where the particle-hole operator squares to -1."""

    in_pairs = True

    def __init__(self, factor: Factor, partner: Antiunitary) -> None:
        super().__init__(factor)
        self.name = "hermitian, quaternion"
        self.form = QuaternionForm(partner)


class MajoranaInverse(PlainInverse):
    """``i H^-1`` in real coordinates where the particle-hole operator squares to +1."""

    in_pairs = True

    def __init__(self, factor: Factor, partner: Antiunitary) -> None:
        super().__init__(factor)
        self.name = "hermitian, majorana"
        self.form = MajoranaForm()
        self._partner = partner

    def __call__(self, columns: Any) -> Any:
        """As `Inverse`: two real columns make one complex right-hand side."""
        width = (columns.shape[1] + 1) // 2
        right_side = self._partner.to_complex(columns[:, :width])
        rest = self._partner.to_complex(columns[:, width:])
        right_side[:, : rest.shape[1]] += 1j * rest
        return self._partner.to_real(self.factor.solve(right_side, rough_refinements(self.factor)) * -1j)[
            :, : columns.shape[1]
        ]

    def states(self, vectors: Any) -> np.ndarray:
        """As `Inverse`: of real and imaginary part ``(1, S) x``, and the partners hold the rest."""
        width = vectors.shape[1] // 2
        return self.factor.backend.to_host(
            self._partner.to_complex(vectors[:, :width]) + 1j * self._partner.to_complex(vectors[:, width:])
        )

    def known(self, states: np.ndarray) -> Any:
        """As `Inverse`; the states span an invariant space, which has as many real dimensions as complex ones."""
        backend = self.factor.backend
        coordinates = backend.to_host(self._partner.to_real(backend.xp.asarray(states)))
        return backend.xp.asarray(_span(coordinates))


class SkewInverse(MajoranaInverse):
    """``i H^-1 = -X^-1`` in real coordinates, from factors of ``-X = -M^+ (i H) M``, real and antisymmetric."""

    def __init__(self, factor: Factor, partner: Antiunitary) -> None:
        super().__init__(factor, partner)
        self.name = "skew, majorana"

    def __call__(self, columns: Any) -> Any:
        """As `Inverse`."""
        return self.factor.solve(columns, rough_refinements(self.factor))

    def solve(self, states: np.ndarray) -> np.ndarray:
        """As `Inverse`."""
        backend, width = self.factor.backend, states.shape[1]
        image = self.factor.solve(self._partner.to_real(backend.xp.asarray(states)))
        both = self._partner.to_complex(image[:, :width]) + 1j * self._partner.to_complex(image[:, width:])
        return backend.to_host(both * -1j)


class ChiralInverse(SkewInverse):
    """``i H^-1`` of real H in real coordinates, where ``X = [[0, x], [-x^T, 0]]``, from factors of -x.

    The transposes are solved with the same factors; ``transposed`` is ``x^T``, for their refinement.
    """

    def __init__(self, factor: Factor, partner: Antiunitary, transposed: BlockMatrix) -> None:
        super().__init__(factor, partner)
        self.name, self.form, self.size = "chiral, majorana", ChiralForm(), 2 * factor.symbolic.n_rows
        self._transposed = MatrixProduct(factor.symbolic, transposed, factor.backend)

    def __call__(self, columns: Any) -> Any:
        """As `Inverse`."""
        return self._applied(columns, rough_refinements(self.factor))

    def states(self, vectors: Any) -> np.ndarray:
        """As `Inverse`, real; of a mixture of degenerate pairs real and imaginary part."""
        columns = super().states(vectors)
        mixed = np.linalg.norm(columns.imag, axis=0) > 1e-6 * np.linalg.norm(columns, axis=0)
        return np.concatenate([columns.real, columns.imag[:, mixed]], axis=1)

    def known(self, states: np.ndarray) -> Any:
        """As `Inverse`, each column in one half."""
        backend = self.factor.backend
        coordinates = backend.to_host(self._partner.to_real(backend.xp.asarray(states)))
        half = len(coordinates) // 2
        first, second = _span(coordinates[:half]), _span(coordinates[half:])
        return backend.xp.asarray(scipy.linalg.block_diag(first, second))

    def solve(self, states: np.ndarray) -> np.ndarray:
        """As `Inverse`: the coordinates of a real column are real in the first half and imaginary in the second."""
        backend = self.factor.backend
        if states.dtype.kind == "c":
            width = states.shape[1]
            image = self.solve(np.concatenate([states.real, states.imag], axis=1))
            return image[:, :width] + 1j * image[:, width:]
        both = self._partner.to_real(backend.xp.asarray(states))
        width = states.shape[1]
        image = self._applied(both[:, :width] + both[:, width:], self.factor.refinements)
        turned = backend.to_host(self._partner.to_complex(image))
        return turned.real + turned.imag

    def _applied(self, columns: Any, refinements: int) -> Any:
        """Return ``-X^-1 (a, b) = (x^-T b, -x^-1 a)`` for real columns (n, R); no solve for a half of zeros."""
        xp, half = self.factor.backend.xp, len(columns) // 2
        first, second = columns[:half], columns[half:]
        above, below = self.factor.backend.to_host(xp.stack([abs(first).max(), abs(second).max()]))
        image = xp.zeros(columns.shape, columns.dtype)
        if above:
            image[half:] = self.factor.solve(first, refinements)
        if below:
            image[:half] = -self._transposed_solve(second, refinements)
        return image

    def _transposed_solve(self, columns: Any, refinements: int) -> Any:
        """Return ``A^-T columns``, ``A = -x``."""
        if self.factor.symmetry == "symmetric":  # without any pairing; moved pivots are taken back
            return self.factor.solve(columns, refinements)
        solution = adjoint_sweep(self.factor.stored, columns)
        for _ in range(refinements):
            solution = solution + adjoint_sweep(self.factor.stored, columns + self._transposed(solution))
        return solution


class DampedInverse(PlainInverse):
    """``((H - shift)^2 + eta^2)^-1``.

    Levels at equal distances on both sides of the shift are one value. A vector x of it and H x span what it holds of
    both.
    """

    def __init__(self, factor: Factor) -> None:
        super().__init__(factor)
        self.name = "h_minus_i_eta"
        self.form = HermitianForm(factor.hamiltonian.dtype)

    def __call__(self, columns: Any) -> Any:
        """As `Inverse`: ``(G(z) - G(z)^+) / (-2 i eta)`` with ``G = (z - H)^-1``."""
        inverse = self.factor.solve(columns)
        eta = self.factor.z.imag
        if columns.dtype.kind != "c" and self.factor.symmetry == "symmetric":  # H is real, and so is the result
            return inverse.imag * (-1.0 / eta)
        return (inverse - self._adjoint(columns)) * (0.5j / eta)

    def _adjoint(self, columns: Any) -> Any:
        """Return ``(conj(z) - H)^-1 columns`` from the same factors, refined as often as the other one."""
        eta = self.factor.z.imag
        solution = adjoint_sweep(self.factor.stored, columns)
        for _ in range(self.factor.refinements):
            residual = columns - self.factor.product(solution) + 2j * eta * solution
            solution = solution + adjoint_sweep(self.factor.stored, residual)
        return solution

    def states(self, vectors: Any) -> np.ndarray:
        """As `Inverse`: with ``(H - shift) x``, unless that is rounding noise."""
        columns = self.factor.backend.to_host(vectors)
        hamiltonian = self.factor.hamiltonian
        images = hamiltonian.matrix @ columns - self.factor.z.real * columns
        return np.concatenate([columns, images[:, np.linalg.norm(images, axis=0) > 1e-8 * hamiltonian.norm]], axis=1)

    def solve(self, states: np.ndarray) -> np.ndarray:
        """As `Inverse`."""
        backend = self.factor.backend
        return backend.to_host(self(backend.xp.asarray(states)))


def rough_refinements(factor: Factor) -> int:
    """Return the refinement steps of a solve within the iteration: as many as bring the error to 1e-7.

    The iteration cannot converge below the error of its solves (`rough_error`); polishing with refined solves does
    the rest for all states at once.
    """
    rho = factor.contraction
    return 0 if rho < _ROUGH else int(np.ceil(np.log(_ROUGH) / np.log(min(rho, 0.99)))) - 1


def rough_error(factor: Factor) -> float:
    """Return the relative error of a solve within the iteration."""
    return float(factor.contraction ** (rough_refinements(factor) + 1))


def _span(columns: np.ndarray) -> np.ndarray:
    """Return an orthonormal basis of columns of which some depend on others."""
    basis, singular, _ = np.linalg.svd(columns, full_matrices=False)
    return np.ascontiguousarray(basis[:, singular > 1e-6 * singular[0]])
