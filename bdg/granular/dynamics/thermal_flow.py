r"""The overdamped motion of the phases of a periodic network with thermal noise, replicas as columns.

Bonds carry ``E sin(gamma) + g d(gamma)/dt + noise`` with ``<noise noise> = 2 T g delta(t - t')`` (Johnson and Nyquist),
``gamma = phi_i - phi_j - x . Theta``: the twist Theta of the boundaries moves, too, driven by the current
``J = V j`` through the box. Currents are in units of (2e/hbar) E, times in (hbar/2e)^2 g/E. With displacements x from
which the potentials of the normal network are taken, sites and twist do not mix in the matrix of friction,

.. math:: A^T g A\, \dot\varphi = -A^T c, \qquad
          \Big( \sum_b g_b\, x_b x_b^T \Big) \dot\Theta = J + \sum_b x_b c_b, \qquad
          c_b = E_b \sin\gamma_b + \mathrm{noise},

and both are factorised once. A step is Heun's, with the same noise in the trial and in the final one: errors of order
h^2 in averages, the drift included (P. E. Kloeden, E. Platen, Numerical Solution of Stochastic Differential Equations
(1992), section 15.1).
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import scipy.sparse as sp

from bdg.granular.bond_graph import around_the_period, components, laplacian
from bdg.granular.dynamics.phase_flow import grounded_inverse
from bdg.granular.network import Network

STEP = 0.2  # in units of the fastest relaxation, or of diffusion over an angle where that is faster
_POWERS = 40  # products that find the fastest relaxation to a few percent


class ThermalFlow:
    """Phases of R replicas at T temperatures, column ``t R + r``.

    Parameters
    ----------
    networks : sequence of Network
        At each temperature; they differ in couplings alone.
    conductances : array (B,)
    temperatures : array (T,)
    axis : int
        Along which the current flows; the normal network must conduct along it.
    bias : float
        Current density over that of the stiffness at T = 0 per mean distance of sites.
    replicas : int
    seed : sequence of int
    """

    def __init__(
        self,
        networks: Sequence[Network],
        conductances: np.ndarray,
        temperatures: np.ndarray,
        axis: int,
        bias: float,
        replicas: int,
        seed: Sequence[int],
    ) -> None:
        network, self._random = networks[0], np.random.Generator(np.random.SFC64(seed))
        normal = Network(
            network.pairs, conductances, network.displacements, n_sites=network.n_sites, volume=network.volume
        )
        kept = _bonds_around(normal, axis)
        sites, numbered = np.unique(network.pairs[kept], return_inverse=True)
        pairs, conductances = numbered.reshape(-1, 2), conductances[kept]
        friction_unit = float(conductances.max())
        g = conductances / friction_unit
        steps = normal.relaxed_displacements[kept]
        steps = steps[:, abs(steps).max(axis=0) > 0]
        self._axis = int((abs(normal.relaxed_displacements[kept]).max(axis=0) > 0)[:axis].sum())
        self._prepare(pairs, g, steps, sites.size)
        self.couplings = np.stack([n.couplings[kept] for n in networks], axis=1)  # (B, T)
        scale = np.array([_current_scale(n, axis) for n in networks])
        self.currents = bias * network.volume * scale
        self.speed = self._twist_response[self._axis, self._axis] * self.currents  # of the normal network
        spacing = (network.volume / network.n_sites) ** (1 / network.dimensions)
        self.rates = self._fastest() * np.maximum(1.0, temperatures / (scale * spacing))
        self._columns = (temperatures.size, replicas)
        self.time_step = STEP / self.rates  # (T,)
        self._amplitude = np.repeat(np.sqrt(2 * temperatures / self.time_step), replicas).astype(np.float32)
        self._root = np.sqrt(g)[:, None].astype(np.float32)
        self._h = np.repeat(self.time_step, replicas)
        drive = np.zeros((steps.shape[1], temperatures.size))
        drive[self._axis] = self.currents
        self._drive = np.repeat(self._twist_response @ drive, replicas, axis=1)
        self.state = np.zeros((self._incidence.shape[1], temperatures.size * replicas))

    def _prepare(self, pairs: np.ndarray, g: np.ndarray, steps: np.ndarray, n_sites: int) -> None:
        fixed = np.unique(components(pairs, n_sites), return_index=True)[1]
        free = np.delete(np.arange(n_sites), fixed)
        bonds = np.arange(len(pairs))
        ends = np.repeat([1.0, -1.0], bonds.size), (np.tile(bonds, 2), pairs.T.ravel())
        incidence = sp.csr_array(ends, shape=(bonds.size, n_sites))[:, free]
        self._incidence = sp.csr_array(sp.hstack([incidence, sp.csr_array(-steps)]))
        self._divergence = sp.csr_array(self._incidence.T)
        self._twist_response = np.linalg.inv((g[:, None] * steps).T @ steps)
        self._inverse = grounded_inverse(laplacian(pairs, g, n_sites)[:, free][free]) if free.size else None
        self._n_free = free.size

    def _answer(self, forces: np.ndarray) -> np.ndarray:
        """Return velocities (n + d, C) under forces."""
        n = self._n_free
        twist = self._twist_response @ forces[n:]
        return np.concatenate([self._inverse @ forces[:n], twist]) if self._inverse is not None else twist

    def _fastest(self) -> np.ndarray:
        """Return the fastest relaxation of small deviations at each temperature (T,), at most ``max E/g``."""
        vector = np.random.default_rng(0).standard_normal((self._incidence.shape[1], 1))
        rate = np.zeros(self.couplings.shape[1])
        for _ in range(_POWERS):
            found = self._answer(self._divergence @ (self.couplings * (self._incidence @ vector)))
            rate = np.linalg.norm(found, axis=0)
            vector = found / np.where(rate > 0, rate, 1.0)
        return np.where(rate > 0, rate, 1.0)

    def _noise(self) -> np.ndarray:
        found = self._random.standard_normal((self._root.shape[0], self._amplitude.size), dtype=np.float32)
        found *= self._root
        found *= self._amplitude
        return found

    def run(self, steps: int) -> tuple[np.ndarray, np.ndarray]:
        """Move on; return how far the twist went (T, R), and what the noise alone contributed to it.

        In units of the motion of the normal network under the same current without noise.
        """
        twist = self._n_free + self._axis
        start = self.state[twist].copy()
        shaken = np.zeros_like(start)
        for _ in range(steps):
            shaken += self._step()
        far = steps * self._h * np.repeat(self.speed, self._columns[1])
        return ((self.state[twist] - start) / far).reshape(self._columns), (shaken / far).reshape(self._columns)

    def _step(self) -> np.ndarray:
        """Move by one step; return what the noise, not force and current, did to the twist along the axis."""
        n = self._n_free
        shake = self._divergence @ self._noise()
        force = self._force(self.state)
        change = self._answer(force + shake)
        change[n:] -= self._drive
        change *= -self._h
        force += self._force(self.state + change)
        force *= 0.5
        force += shake
        change = self._answer(force)
        change[n:] -= self._drive
        change *= self._h
        self.state -= change
        shaken: np.ndarray = -self._h * (self._twist_response[self._axis] @ shake[n:])
        return shaken

    def _force(self, state: np.ndarray) -> np.ndarray:
        """Return the sum of supercurrents that leave each site, and their sum along the twists, (n + d, C)."""
        bonds = self._incidence @ state
        np.sin(bonds, out=bonds)
        shaped = bonds.reshape(-1, *self._columns)
        shaped *= self.couplings[:, :, None]
        found: np.ndarray = self._divergence @ bonds
        return found


def _bonds_around(network: Network, axis: int) -> np.ndarray:
    """Return the bonds of components that conduct around the period along an axis."""
    conducting = np.flatnonzero(network.couplings > 0)
    pairs = network.pairs[conducting]
    component = components(pairs, network.n_sites)
    around = around_the_period(pairs, network.displacements[conducting], component)[:, axis]
    return conducting[around[component[pairs[:, 0]]]]


def _current_scale(network: Network, axis: int) -> float:
    """Return the stiffness at T = 0 over the mean distance of sites; 1 where nothing is stiff."""
    spacing = (network.volume / network.n_sites) ** (1 / network.dimensions)
    return float(network.relaxed_stiffness()[axis]) / spacing or 1.0
