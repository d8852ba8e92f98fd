r"""Free energy, forces and stiffness of the phases from small determinants, for many points at once.

With ``c = Gbar^-1`` and ``B = D0^+ G D0`` at a pole (`bdg.granular.integrated_host`), E the diagonal of phase factors,

.. math:: \det[1 + G D \bar G D^\dagger] = \det \bar G \; \det N, \qquad N(\varphi) = c + E^* B E,

so one LU factorisation of N gives F, and with ``Q = N^-1`` and P_g the projector on a grain

.. math:: \partial_g \ln\det N = i\, \mathrm{tr}\, P_g (c Q - Q c)

.. math:: \partial_g \partial_h \ln\det N = \mathrm{tr}\big[ P_g c P_h Q + P_g Q P_h c - P_g cQc P_h Q
          - P_g Q P_h cQc + P_g cQ P_h cQ + P_g Qc P_h Qc \big] - \delta_{gh} \mathrm{tr} P_g (cQ + Qc).
"""

from __future__ import annotations

import copy
from collections.abc import Iterator
from typing import Any

import numpy as np

from bdg.gpu.device.backend import Backend
from bdg.gpu.device.threads import one_blas_thread
from bdg.granular.integrated_host import of_holes

_CHUNK_BYTES = 1 << 28  # of the matrices N that are factorised together


class PhaseDeterminants:
    """The matrices c and B at each pole.

    Parameters
    ----------
    green : array (P, M, M), complex
    pairing : array (M, M)
        D at phases 0.
    weights : array (P,)
        ``c_j``.
    grain : array (M,) of int
        Which phase turns each orbital; below 0: none.
    n_grains, norbs : int
    backend : Backend
    """

    def __init__(
        self,
        green: np.ndarray,
        pairing: np.ndarray,
        weights: np.ndarray,
        grain: np.ndarray,
        n_grains: int,
        norbs: int,
        backend: Backend,
    ) -> None:
        xp = self._xp = backend.xp
        self._backend, self._weights, self._norbs = backend, weights, norbs
        self._turned, self._grain = xp.asarray(grain >= 0), xp.asarray(np.maximum(grain, 0))
        members = (grain[:, None] == np.arange(n_grains)).astype(float)
        self._members = xp.asarray(members)
        self._green, self._delta = green, xp.asarray(pairing)
        self._strength = xp.asarray(np.ascontiguousarray(np.diag(pairing)))
        self._is_diagonal = not (pairing - np.diag(np.diag(pairing))).any()
        self._pairs: list[tuple[Any, Any]] | None = None
        self._at_zero: list[Any] | None = None  # ln|det N| where all phases are 0

    def keep(self, poles: np.ndarray) -> PhaseDeterminants:
        """Return the same for some poles only, without computing anything again."""
        kept = copy.copy(self)
        kept._weights, kept._green, kept._at_zero = self._weights[poles], self._green[poles], None
        kept._pairs = None if self._pairs is None else [self._pairs[number] for number in poles]
        return kept

    def _matrices(self) -> Iterator[tuple[float, Any, Any]]:
        """Yield weight, c and B of each pole; made at the first call."""
        if self._pairs is None:
            self._pairs = [self._of_pole(green) for green in self._green]
        for weight, (c, b) in zip(self._weights, self._pairs, strict=True):
            yield float(weight), c, b

    def _of_pole(self, green: np.ndarray) -> tuple[Any, Any]:
        xp = self._xp
        whole = xp.asarray(green)
        inverse = xp.linalg.inv(of_holes(xp, whole, self._norbs))
        if self._is_diagonal:
            return inverse, self._strength.conj()[:, None] * whole * self._strength
        return inverse, self._delta.conj().T @ whole @ self._delta

    @one_blas_thread()
    def free_energy(self, phases: np.ndarray) -> np.ndarray:
        """Return F (P,) at phases (P, G), from its value where all are 0."""
        xp, found = self._xp, np.zeros(len(phases))
        if self._at_zero is None:
            self._at_zero = [xp.linalg.slogdet(c + b)[1] for _, c, b in self._matrices()]
        for begin, factors in self._chunks(phases):
            total = xp.zeros(len(factors))
            for (weight, c, b), at_zero in zip(self._matrices(), self._at_zero, strict=True):
                total -= weight * (xp.linalg.slogdet(self._turn(c, b, factors))[1] - at_zero)
            found[begin : begin + len(factors)] = self._backend.to_host(total)
        return 0.5 / self._norbs * found

    @one_blas_thread()
    def gradient(self, phases: np.ndarray) -> np.ndarray:
        """Return dF/dphi (P, G) at phases (P, G)."""
        xp, found = self._xp, np.zeros(phases.shape)
        for begin, factors in self._chunks(phases):
            force = xp.zeros((len(factors), self._grain.size))
            for weight, c, b in self._matrices():
                inverse = xp.linalg.inv(self._turn(c, b, factors))
                back = inverse.swapaxes(-1, -2)
                force += weight * ((c * back).sum(-1) - (inverse * c.T).sum(-1)).imag
            found[begin : begin + len(factors)] = self._backend.to_host(force @ self._members)
        return 0.5 / self._norbs * found

    @one_blas_thread()
    def hessian(self, phases: np.ndarray) -> np.ndarray:
        """Return d2F/dphi dphi (P, G, G) at phases (P, G)."""
        xp, found = self._xp, np.zeros((*phases.shape, phases.shape[1]))
        for begin, factors in self._chunks(phases):
            total = xp.zeros((len(factors), *[phases.shape[1]] * 2))
            for weight, c, b in self._matrices():
                inverse = xp.linalg.inv(self._turn(c, b, factors))
                total -= weight * self._curvature(c, inverse)
            found[begin : begin + len(factors)] = self._backend.to_host(total)
        return 0.5 / self._norbs * found

    def _curvature(self, c: Any, q: Any) -> Any:
        """Return the real part of the second derivatives of ln det N, (P, G, G), from ``Q = N^-1`` (P, M, M)."""
        left, right = c @ q, q @ c
        both = left @ c
        back = q.swapaxes(-1, -2)
        pairs = (c - both) * back + left * left.swapaxes(-1, -2)
        pairs = (pairs + q * (c.T - both.swapaxes(-1, -2)) + right * right.swapaxes(-1, -2)).real
        found = self._members.T @ pairs @ self._members
        one = self._xp.arange(found.shape[-1])
        own = self._xp.einsum("paa->pa", left + right).real @ self._members
        found[:, one, one] -= own
        return found

    @one_blas_thread()
    def reach(self) -> np.ndarray:
        """Return for each pole (P,) about how far ``c_j ln det N`` moves with a phase at most, at phases 0."""
        xp, found = self._xp, []
        same = (self._members @ self._members.T).astype(bool)
        for weight, c, b in self._matrices():
            inverse = xp.linalg.inv(c + b)
            apart = [xp.sqrt((abs(xp.where(same, 0, x)) ** 2).sum()) for x in (inverse, b)]
            found.append(abs(weight) * apart[0] * apart[1])
        return 0.5 / self._norbs * self._backend.to_host(xp.stack(found))

    def _turn(self, c: Any, b: Any, factors: Any) -> Any:
        return c + factors.conj()[:, :, None] * b * factors[:, None, :]

    def _chunks(self, phases: np.ndarray) -> Iterator[tuple[int, Any]]:
        """Yield the first point and the phase factors (p, M) of points that are done together."""
        step = max(1, _CHUNK_BYTES // (16 * max(1, self._grain.size) ** 2))
        for begin in range(0, len(phases), step):
            factors = self._xp.asarray(np.exp(1j * phases[begin : begin + step]))
            yield begin, self._xp.where(self._turned, factors[:, self._grain], 1.0)
