r"""Number of eigenvalues of H above an energy, from an elimination that keeps nothing and measures its own errors.

The signs of the pivots are those of a matrix ``A + E`` with ``A = z - H`` (Sylvester's law of inertia), and
eigenvalues of A and A + E differ by ``||E||`` at most (H. Weyl, Math. Ann. 71, 441 (1912)). Hence

.. math:: n(H > z + ||E||) \le n \le n(H > z - ||E||),

which proves a count wherever no eigenvalue lies within ``||E||`` of z, or where as many as were counted are known to
lie beyond ``z + ||E||``. Each stack of fronts adds to E, in the notation of `bdg.gpu.multifrontal.factors.factor`,

.. math:: E_{PP} = \Pi^{-1} - F_{PP}, \qquad E_{UU} = F_{UP} (\Pi F_{PU} - W) + O(\epsilon) ||F_{UP}||\, ||W||,

both measured on Gaussian vectors, on which the mean square of a matrix is its Frobenius norm. Inverses that were built
from badly conditioned halves are improved by ``Pi <- Pi + Pi (1 - F_PP Pi)`` (G. Schulz, Z. Angew. Math. Mech. 13, 57
(1933)) where their part of E would be too large. Eigenvalues of base blocks next to zero, for which no inverse could be
accurate, are moved and taken back exactly (`bdg.gpu.multifrontal.factors.border`), with an error of their own.

Without W a count needs a fifth of the time less on a CPU, where memory is slow at its first use, and less memory.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from bdg.gpu.device.backend import Backend
from bdg.gpu.device.memory import GIB, require_memory
from bdg.gpu.multifrontal.analysis.parts import Part
from bdg.gpu.multifrontal.analysis.pattern import BlockMatrix
from bdg.gpu.multifrontal.analysis.symbolic import Symbolic
from bdg.gpu.multifrontal.factors.blocked import product
from bdg.gpu.multifrontal.factors.border import Border, add_moved
from bdg.gpu.multifrontal.factors.elimination import STATIC_PIVOT, Elimination, Progress, Workspace
from bdg.gpu.multifrontal.factors.predicted_memory import predict_memory
from bdg.gpu.multifrontal.factors.stacked import reversed_, symmetrised

_PROBES = 4  # real Gaussian vectors, or half as many complex ones: a norm is underestimated by more than _MARGIN once
#              in 2000 times at worst (rank one)
_MARGIN = 10.0  # on the estimated error
_INVERSES = 1e-2  # largest ||1 - F_PP Pi||: below one, Pi and F_PP have equally many negative eigenvalues
_STEPS = 2  # of the improvement of an inverse
_FREE = 2e-4  # in units of the norm of H: smaller pivots are moved and taken back; 1e-4 errs 2 to 6 times as much
_ROOM = 512  # of them; cubes of 40^3 sites have about 70


class SignCount(Elimination):
    """Eigenvalues of a Hermitian H above a real z, counted with a backward error.

    Parameters
    ----------
    symbolic, hamiltonian, z, backend
        As for `bdg.gpu.multifrontal.factors.factor.Factor`.
    within : float
        Backward error that is aimed at, > 0. Pivot inverses are improved where they would spoil it; the elimination
        ends early where it cannot be met.

    Attributes
    ----------
    backward_error : float
        Bound of ``||E||``, ten times its estimate; inf where the elimination ended early.
    improved : int
        Stacks whose pivot inverses were improved; 0 where the elimination ended early.
    bordered : int
        Small eigenvalues of pivot blocks that were moved and taken back; 0 where the elimination ended early.

    Raises
    ------
    ValueError
        If H is not Hermitian, or z not real.
    MemoryBudgetError
        If the predicted peak does not fit.
    """

    def __init__(
        self, symbolic: Symbolic, hamiltonian: BlockMatrix, z: float, backend: Backend, *, within: float
    ) -> None:
        super().__init__(symbolic, hamiltonian, z, backend)
        if not (hamiltonian.is_hermitian and self.z.imag == 0):
            raise ValueError("a count needs a Hermitian H and a real z: a complex z - H has no signature")
        if not within > 0:
            raise ValueError(f"within must be a positive energy; got {within!r}")
        self.within = float(within)
        on_device = backend.device != "cpu"
        predicted = predict_memory(symbolic, self.dtype, on_device=on_device)
        require_memory(
            predicted.count_peak,
            backend,
            f"counting the levels of {symbolic.n_rows} rows in {self.dtype}",
            f"Use fewer sites: the largest fronts take {predicted.count_peak / GIB:.1f} GiB.",
        )
        self._prepare(STATIC_PIVOT * hamiltonian.norm, inertia=True, free=_FREE, room=_ROOM)
        self._share = self.within / (_MARGIN * 4 * len(self.classes))  # of one stack: all together a quarter
        most = max(max(c.a, c.u) for c in self.classes)
        self._probes = backend.xp.asarray(_probes(most, self.dtype))
        self._most_products = max(c.n * c.a * c.u for c in self.classes)
        self.improved = self.bordered = 0
        self._ended = False  # other parts of the tree may be on their way
        self.backward_error = np.inf
        try:
            last = self._run()
        except _TooInaccurateError:
            return
        finally:
            del self._probes
        self._border, self.improved, self.bordered = last.border, last.improved, last.border.size
        found = last.of_inverses + float(backend.to_host(last.of_products)) + last.border.backward_error()
        self.backward_error = _MARGIN * found if np.isfinite(found) else np.inf

    @property
    def n_above(self) -> int | None:
        """Number of eigenvalues above ``z``, give or take those within ``backward_error``; None beyond ``within``."""
        if not self.backward_error < self.within or self._pivots.failed:
            return None
        return self._pivots.negative_count(self.backend.xp) + self._border.negative_count()

    def _begin(self, part: Part, below: list[_Tally], memory: Workspace) -> _Tally:
        """As `Elimination`; the errors and the columns of the parts below are taken over in their order."""
        begun = super()._begin(part, below, memory)
        xp, before = self.backend.xp, sum(tally.border.size for tally in below)
        border = Border(
            self.symbolic.classes,
            self.symmetry,
            self._pivots.far,
            before + begun.pivots.room,
            self.dtype,
            self.backend,
        )
        border.go_on(part.begin, [tally.border for tally in below])
        of_products = xp.zeros((), self._probes.real.dtype)
        own = _Tally(begun.pivots, begun.invert, begun.memory, border, of_products)
        for tally in below:
            own.of_inverses += tally.of_inverses
            own.of_products = own.of_products + tally.of_products
            own.improved += tally.improved
        return own

    def _eliminate(self, number: int, front: Any, tally: _Tally) -> Any:
        if self._ended:
            raise _TooInaccurateError
        front_class, pivots = self.classes[number], tally.pivots
        a, u = front_class.a, front_class.u
        if not a:
            tally.border.eliminate([], None, None, None)
            return front
        block = front[:, :a, :a]
        inverse = tally.invert(block, last=not u)
        moved = pivots.taken()
        if self.symbolic.settings.upper:
            rows = self.backend.xp.arange(a)
            block = self.backend.xp.where(rows[:, None] <= rows, block, reversed_(block, self.symmetry))
        add_moved(block, moved, pivots.far, self.symmetry)
        inverse = self._improved(block, inverse, tally)
        right, left = self._couplings(front_class, front) if u else (None, None)
        tally.border.eliminate(moved, block, inverse, right)
        if not u:
            return None
        forward = self._product(inverse, right, tally.memory)
        tally.of_products = tally.of_products + self._schur_error(inverse, right, left, forward)
        return self._schur(front_class, front, left, forward, tally.memory)

    def _improved(self, block: Any, inverse: Any, tally: _Tally) -> Any:
        """Return the inverses of a stack of pivots, improved where they are too inaccurate, and note their errors."""
        error = self._inverse_error(block, inverse)
        for step in range(_STEPS):
            if error <= self._share:
                break
            better = inverse - inverse @ (block @ inverse - self.backend.xp.eye(block.shape[-1], dtype=self.dtype))
            better = symmetrised(better, self.symmetry)
            new = self._inverse_error(block, better)
            if not new < error:
                break
            inverse, error = better, new
            tally.improved += step == 0
        if not _MARGIN * error < self.within:
            self._ended = True
            raise _TooInaccurateError
        tally.of_inverses += error
        return inverse

    def _inverse_error(self, block: Any, inverse: Any) -> float:
        """Return the sum of ``||Pi^-1 - F_PP||`` over a stack; inf where Pi is no inverse at all."""
        xp = self.backend.xp
        x = self._probes[: block.shape[-1]]
        image = block @ x
        again = inverse @ image
        relative, absolute = _norm(xp, again - x), _norm(xp, block @ again - image)
        found = self.backend.to_host(xp.stack([relative.max(), absolute.sum()]))
        return float(found[1]) if found[0] < _INVERSES else np.inf  # nan counts as no inverse

    def _schur_error(self, inverse: Any, right: Any, left: Any, forward: Any) -> Any:
        """Return the sum of ``||E_UU||`` over a stack, on the device."""
        xp = self.backend.xp
        x = self._probes[: right.shape[-1]]
        through, coupled = forward @ x, right @ x
        rounding = np.finfo(self.dtype).eps * np.sqrt(right.shape[1])
        products = left @ (inverse @ coupled - through)
        return (_norm(xp, products) + rounding * _norm(xp, through) * _norm(xp, coupled)).sum()

    def _product(self, inverse: Any, right: Any, memory: Workspace) -> Any:
        """Return W; on the CPU in memory that was used before, which is quicker to write."""
        if self.backend.xp is not np:
            return self.backend.xp.matmul(inverse, right)
        if memory.products.size < right.size:
            memory.products = np.empty(self._most_products, self.dtype)
        return product(np, inverse, right, memory.products[: right.size].reshape(right.shape))


@dataclass(eq=False)
class _Tally(Progress):
    """With the errors of the stacks so far, and the columns of moved pivots."""

    border: Border
    of_products: Any  # on the device
    of_inverses: float = 0.0
    improved: int = 0


class _TooInaccurateError(Exception):
    """Going on would prove nothing."""


def _probes(rows: int, dtype: np.dtype) -> np.ndarray:
    """Return Gaussian columns on which the mean square of a matrix is its Frobenius norm; two real are one complex."""
    columns = np.random.default_rng(0).standard_normal((rows, _PROBES))
    if dtype.kind == "c":
        columns = (columns[:, ::2] + 1j * columns[:, 1::2]) * np.sqrt(0.5)
    return columns.astype(dtype)


def _norm(xp: Any, images: Any) -> Any:
    """Return the estimated Frobenius norm of each matrix of a stack from its images of the probes (n, rows, probes)."""
    return xp.sqrt((abs(images) ** 2).sum((-2, -1)) / images.shape[-1])
