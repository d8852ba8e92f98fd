r"""Andreev levels of a normal region between two semi-infinite superconductors, exact on the lattice.

No finite matrix is diagonalised for this. A half-infinite superconducting chain with onsite energy e (of a transverse
mode), hopping -1 and pairing Delta exp(i phi) acts on the site that it touches, for |E| < Delta, through

.. math:: \Sigma(E) = -\Big[\frac{\operatorname{Im} \lambda}{\omega} \, (E - \hat\Delta) + \tau_z \operatorname{Re}
          \lambda \Big], \qquad \omega = \sqrt{\Delta^2 - E^2}, \qquad \lambda + 1/\lambda = e - i \omega

where |lambda| < 1, and Delta-hat is the off-diagonal matrix of the pairing. (Images: the half chain is the whole one
minus its mirror image, so that each bulk function ``lambda^|x|/(1/lambda - lambda)`` becomes ``lambda`` at the
surface.) The effective matrix ``M(E) = E - H - Sigma`` grows monotonically with E, so that its number of positive
eigenvalues jumps by one at each level: levels follow by bisection on that number, which block elimination gives layer
by layer (Sylvester's law).
"""

from __future__ import annotations

import cmath
import math

import numpy as np

TAU_Z = np.diag([1.0, -1.0])


class Junction:
    """Normal layers of M sites each between semi-infinite superconductors, hopping -1, onsite -mu.

    Parameters
    ----------
    onsite : array (L,) or (L, M)
        Energies added to -mu in the normal layers; M = 1 for a chain, hard walls across.
    mu, delta, phase : float
        Chemical potential; gap; phase of the right minus that of the left superconductor.
    """

    def __init__(self, onsite: np.ndarray, mu: float, delta: float, phase: float) -> None:
        self.onsite = np.atleast_2d(np.asarray(onsite, dtype=float).T).T
        self.mu, self.delta, self.phase = mu, delta, phase
        width = self.onsite.shape[1]
        across = np.arange(1, width + 1)
        wave = math.pi * across / (width + 1)
        self.transverse_energies = -2 * np.cos(wave) if width > 1 else np.zeros(1)
        self.transverse_modes = np.sqrt(2 / (width + 1)) * np.sin(np.outer(across, wave)) if width > 1 else np.eye(1)
        bonds = -(np.eye(width, k=1) + np.eye(width, k=-1))
        self._layers = [np.kron(np.diag(row - mu) + bonds, TAU_Z).astype(complex) for row in self.onsite]
        self._hopping = np.kron(-np.eye(width), TAU_Z)

    def count(self, energy: float) -> int:
        """Return the number of positive eigenvalues of M(E): one more above each level."""
        positive = 0
        folded = self._superconductor(energy, 0.0)
        last = len(self._layers) - 1
        for number, layer in enumerate(self._layers):
            block = energy * np.eye(len(layer)) - layer - folded
            if number == last:
                block = block - self._superconductor(energy, self.phase)
            values, vectors = np.linalg.eigh(block)
            positive += int(np.count_nonzero(values > 0))
            folded = self._hopping @ (vectors / values) @ vectors.conj().T @ self._hopping
        return positive

    def levels(self, low: float, high: float, precision: float = 1e-12) -> np.ndarray:
        """Return all levels with low < E < high < Delta, ascending, each as often as it is degenerate."""
        first, last = self.count(low), self.count(high)
        found = []
        for number in range(first, last):
            below, above = low, high
            while above - below > precision:
                middle = (below + above) / 2
                below, above = (middle, above) if self.count(middle) <= number else (below, middle)
            found.append((below + above) / 2)
        return np.array(found)

    def _superconductor(self, energy: float, phase: float) -> np.ndarray:
        omega = math.sqrt(self.delta**2 - energy**2)
        pairing = self.delta * np.array([[0, cmath.exp(1j * phase)], [cmath.exp(-1j * phase), 0]])
        total = np.zeros((2 * len(self.transverse_energies),) * 2, dtype=complex)
        for energy_across, mode in zip(self.transverse_energies, self.transverse_modes.T, strict=True):
            surface = _inside_unit_circle(energy_across - self.mu - 1j * omega)
            block = -(surface.imag / omega) * (energy * np.eye(2) - pairing) - surface.real * TAU_Z
            total += np.kron(np.outer(mode, mode), block)
        return total


def _inside_unit_circle(z: complex) -> complex:
    """Return the root of ``x + 1/x = z`` with |x| < 1."""
    root = cmath.sqrt(z * z / 4 - 1)
    one, other = z / 2 + root, z / 2 - root
    return one if abs(one) < 1 else other
