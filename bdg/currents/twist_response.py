r"""How the elements of tanh(H/2T) answer a twist: by all levels, by differences of elements, or of the free energy.

Formulas: `bdg.currents.superfluid_stiffness`. All three give the diamagnetic and the paramagnetic part as matrices over
the chosen axes.
"""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import Any

import numpy as np
import scipy.sparse as sp

from bdg.base.hamiltonian import BdGHamiltonian
from bdg.base.results import Choice
from bdg.currents.twists import Twist
from bdg.gpu.device.backend import Backend
from bdg.gpu.eigen import dense
from bdg.gpu.eigen.refined import refined_levels
from bdg.gpu.multifrontal import SitePattern
from bdg.lattices.nambu import hole_block
from bdg.lattices.system import System
from bdg.methods.symbolic import quaternion_symbolic
from bdg.thermal.bonds import products_with, strongest_hopping
from bdg.thermal.choice import choose_method
from bdg.thermal.elements import ThermalElements, thermal_elements
from bdg.thermal.level_sums import thermal_quotients, thermal_weights

STEP = 0.0025  # radian over the longest bond, of first differences of elements that are known to STEP_TOL
STEP_TOL = 1e-11
LARGEST_STEP = 0.01
THERMAL_STEP = 0.025  # of T/hopping, the same: levels that move by T change the elements
SMALLEST_STEP = 3e-4
TWIST_STEP, THERMAL_TWIST, SMALLEST_TWIST = 0.0025, 0.04, 8e-4  # the same of second differences of the free energy


@dataclass(frozen=True, eq=False)
class Parts:
    """Both parts of the stiffness.

    Attributes
    ----------
    diamagnetic, paramagnetic : arrays (A, A)
    error : float
        Of every element.
    imbalance : float
        Largest derivative of a source; nan where it is not known.
    dtype : str
        Of the computation.
    facts : dict
        What it took, for the evidence.
    """

    diamagnetic: np.ndarray
    paramagnetic: np.ndarray
    error: float
    imbalance: float
    dtype: str
    facts: dict[str, Any]


class Response(ABC):
    """What the three routes share: the system under twists, and sums over its bonds."""

    def __init__(self, system: System, temperature: float, tol: float, backend: Backend) -> None:
        self.system, self.temperature, self.tol, self.backend = system, temperature, tol, backend
        self.twist = Twist(system)
        self.scale = 1.0 / (system.norbs * system.n_sites)

    @abstractmethod
    def parts(self, axes: list[int]) -> Parts:
        """Return both parts along the axes."""

    def choice_of_elements(self, elements: bool = True) -> Choice:
        """Return how thermal elements are computed, without twist and with it; ``elements``: more than the trace."""
        hamiltonian = BdGHamiltonian(self.system)
        return choose_method("auto", hamiltonian, self.temperature, self.tol, self.backend, elements)

    def elements(self, choice: Choice, twist: np.ndarray | None = None, **options: Any) -> ThermalElements:
        """Return thermal elements of the system, or of it under a twist."""
        system = self.system if twist is None else self.twist.system_at(twist)
        return thermal_elements(BdGHamiltonian(system), self.temperature, self.tol, choice, **options)

    def diamagnetic(self, axes: list[int], pattern: SitePattern, normal: np.ndarray) -> np.ndarray:
        """Return K from the electron-electron elements of tanh."""
        spins = self.system.norbs
        _, _, products = products_with(self.system.hamiltonian, spins, pattern, normal)
        # the stored elements of h in its own order, which is that of the displacements
        along = self.twist.displacements[:, axes]
        return self.scale * (along.T * products.real) @ along

    def paramagnetic(self, axes: list[int], pattern: SitePattern, slopes: list[np.ndarray]) -> np.ndarray:
        """Return Lambda from the derivatives of these elements along each axis."""
        found = np.zeros((len(axes),) * 2)
        for row, axis in enumerate(axes):
            velocity = self.twist.velocity(axis)
            for column, slope in enumerate(slopes):
                _, _, products = products_with(velocity, self.system.norbs, pattern, slope)
                found[row, column] = self.scale * products.real.sum()
        return found

    def imbalance(self, pattern: SitePattern, slopes: list[np.ndarray]) -> float:
        """Return the largest derivative of a source from those of the electron-hole elements."""
        system, worst = self.system, 0.0
        for slope in slopes:
            first, _, products = products_with(system.pairing_block, system.norbs, pattern, slope)
            sources = 2.0 / system.norbs * np.bincount(first, products.imag, minlength=system.n_sites)
            worst = max(worst, float(abs(sources).max()))
        return worst

    @property
    def longest(self) -> float:
        """Longest component of a bond along an axis."""
        return float(abs(self.twist.displacements).max())


class KuboResponse(Response):
    """From all levels."""

    def parts(self, axes: list[int]) -> Parts:
        """Return both parts along the axes."""
        hamiltonian = BdGHamiltonian(self.system)
        energies, vectors = dense.eigh(hamiltonian.matrix, self.backend)
        scale = float(abs(energies).max())
        energies, vectors, scales = refined_levels(hamiltonian.matrix, energies, vectors)
        weight, quotients = (f(energies, self.temperature, scales) for f in (thermal_weights, thermal_quotients))
        pattern = quaternion_symbolic(self.system, self.backend).pattern
        identity = np.diag(weight)
        normal, _ = _pattern_elements(vectors, identity, pattern, self.system.norbs)
        slopes = []
        for axis in axes:
            change = _nambu(self.twist.velocity(axis), self.system.norbs)
            middle = (vectors.conj().T @ (change @ vectors)) * quotients
            slopes.append(_pattern_elements(vectors, middle, pattern, self.system.norbs))
        diamagnetic = self.diamagnetic(axes, pattern, normal)
        paramagnetic = self.paramagnetic(axes, pattern, [slope[0] for slope in slopes])
        paramagnetic = 0.5 * (paramagnetic + paramagnetic.T)
        imbalance = self.imbalance(pattern, [slope[1] for slope in slopes])
        error = 1e-14 * math.sqrt(energies.size) * (1 + scale / max(self.temperature, 1e-2 * scale))
        facts = {"states": int(energies.size)}
        return Parts(diamagnetic, paramagnetic, error, imbalance, str(hamiltonian.dtype), facts)


class CurrentResponse(Response):
    """From first differences of the elements of tanh under small twists."""

    def parts(self, axes: list[int]) -> Parts:
        """Return both parts along the axes."""
        plain = self.elements(self.choice_of_elements())
        diamagnetic = self.diamagnetic(axes, plain.pattern, plain.normal)
        angle = self._angle()
        step = angle / self.longest
        near, far = (self._slopes(plain.choice, axes, factor * step) for factor in (1, 2))
        values = [self.paramagnetic(axes, plain.pattern, [normal for normal, _ in slopes]) for slopes in (near, far)]
        paramagnetic = (4 * values[0] - values[1]) / 3
        difference = float(abs(paramagnetic - values[0]).max())
        moved = self.scale * float(max(abs(self.twist.velocity(axis)).sum() for axis in axes))
        imbalance = self.imbalance(plain.pattern, [anomalous for _, anomalous in near])
        facts = {"step": step, "difference_error": difference, "twists": 2 * len(axes), **plain.facts}
        facts["elements"] = plain.choice.method
        error = difference + (moved / step + self.longest * moved) * plain.error
        paramagnetic = 0.5 * (paramagnetic + paramagnetic.T)
        return Parts(diamagnetic, paramagnetic, error, imbalance, plain.dtype, facts)

    def _angle(self) -> float:
        """Return the twist over the longest bond: two of them leave its fourth power and ``tol`` over it."""
        rougher = max(self.tol / STEP_TOL, 1.0) ** 0.2
        if not self.temperature:
            return SMALLEST_STEP * rougher
        thermal = THERMAL_STEP * self.temperature / max(strongest_hopping(self.system), 1e-300)
        return min(LARGEST_STEP, rougher * min(STEP, max(thermal, SMALLEST_STEP)))

    def _slopes(self, choice: Choice, axes: list[int], step: float) -> list[tuple[np.ndarray, np.ndarray]]:
        """Return the derivatives of both blocks along each axis by central differences."""
        found = []
        for axis in axes:
            twist = np.zeros(self.system.positions.shape[1])
            twist[axis] = step
            up = self.elements(choice, twist)
            parts = up.normal, up.anomalous
            if self.system.is_real:  # T(-q) = T(q)*
                found.append((1j * parts[0].imag / step, 1j * parts[1].imag / step))
                continue
            down = self.elements(choice, -twist)
            found.append(((parts[0] - down.normal) / (2 * step), (parts[1] - down.anomalous) / (2 * step)))
        return found


class FreeEnergyResponse(Response):
    """From second differences of the free energy."""

    def parts(self, axes: list[int]) -> Parts:
        """Return both parts along the axes."""
        plain = self.elements(self.choice_of_elements(), log_cosh=True)
        diamagnetic = self.diamagnetic(axes, plain.pattern, plain.normal)
        thermal = THERMAL_TWIST * self.temperature / max(strongest_hopping(self.system), 1e-300)
        step = min(TWIST_STEP, max(thermal, SMALLEST_TWIST)) / self.longest
        twisted, energy = self.choice_of_elements(elements=False), self._energy(plain)
        values = [self._stiffness(axes, factor * step, twisted, energy) for factor in (1, 2)]
        stiffness = (4 * values[0] - values[1]) / 3
        difference = float(abs(stiffness - values[0]).max())
        facts = {"step": step, "difference_error": difference, **plain.facts, "elements": plain.choice.method}
        rounding = 1e-15 * abs(energy) / (self.system.n_sites * step**2)
        return Parts(diamagnetic, diamagnetic - stiffness, difference + rounding, math.nan, plain.dtype, facts)

    def _stiffness(self, axes: list[int], step: float, choice: Choice, energy: float) -> np.ndarray:
        dim = self.system.positions.shape[1]
        units = step * np.eye(dim)[axes]
        at = lambda twist: self._energy(self.elements(choice, twist, log_cosh=True, elements=False))  # noqa: E731
        found = np.zeros((len(axes),) * 2)
        for row, one in enumerate(units):
            found[row, row] = at(one) + at(-one) - 2 * energy
            for column, other in enumerate(units[:row]):
                mixed = at(one + other) + at(-one - other) - at(one - other) - at(other - one)
                found[row, column] = found[column, row] = mixed / 4
        return found / (self.system.n_sites * step**2)

    def _energy(self, found: ThermalElements) -> float:
        """Return F without the terms that a twist does not change."""
        return -found.thermal_trace(self.temperature) / self.system.norbs


def _pattern_elements(
    vectors: np.ndarray, middle: np.ndarray, pattern: SitePattern, spins: int
) -> tuple[np.ndarray, np.ndarray]:
    """Return electron-electron and electron-hole elements of ``U M U^+`` on the pairs of a pattern."""
    half, size = vectors.shape[0] // 2, vectors.shape[1]
    u, v = (part.reshape(-1, spins, size) for part in (vectors[:half], vectors[half:]))
    left = (vectors[:half] @ middle).reshape(-1, spins, size)
    normal = np.empty((pattern.n_blocks, spins, spins), dtype=complex)
    anomalous = np.empty_like(normal)
    step = max(1, (1 << 23) // (spins * size))
    for begin in range(0, pattern.n_blocks, step):
        chosen = slice(begin, begin + step)
        first, second = left[pattern.first[chosen]], pattern.second[chosen]
        normal[chosen] = np.matmul(first, u[second].conj().swapaxes(1, 2))
        anomalous[chosen] = np.matmul(first, v[second].conj().swapaxes(1, 2))
    return normal, anomalous


def _nambu(velocity: sp.csr_matrix, spins: int) -> sp.csr_matrix:
    """Return dH/dq from dh/dq."""
    return sp.block_diag([velocity, hole_block(velocity, spins)], format="csr")
