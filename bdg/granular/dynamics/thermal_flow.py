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
(1992), section 15.1). (A step with the forces at the middle of the noise takes half the work, but its drift is low by
.1 h: only its distribution is of order h^2.)

Bonds that hardly slip on their own (a mean voltage below `SLIPPING` of the normal one at temperature and current) would
limit the step, and their conductance does not matter: it is raised to ``2 h E``, so that they relax within a few steps.
Their noise grows with it, and the phases keep their distribution.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import scipy.sparse as sp

from bdg.granular.bond_graph import around_the_period, components, laplacian
from bdg.granular.couplings.junctions import thermal_resistance
from bdg.granular.dynamics.phase_flow import Inverse, grounded_inverse
from bdg.granular.network import Network

STEP = 0.3  # in units of the fastest relaxation of bonds that slip, or of diffusion over an angle where that is faster
SLIPPING = 0.01  # mean voltage over the normal one below which bonds count as stiff
RELAXED = 0.5  # how much of its deviation a stiff bond may lose in a step
_STIFFER = 4.0  # coupling over temperature that stiff bonds have at least, I_0(4)^-2 = .008
_POWERS = 40  # products that find the fastest relaxation to a few percent
_PROBES = 128  # draws of noise that find how fast bonds diffuse to 12 %
_TURN = 2 * np.pi


class ThermalFlow:
    """Phases of R replicas at a temperature.

    Parameters
    ----------
    network : Network
    conductances : array (B,)
    temperature : float
    axis : int
        Along which the current flows; the normal network must conduct along it.
    bias : float
        Current density over that of the stiffness at T = 0 per mean distance of sites.
    replicas : int
    seed : sequence of int

    Attributes
    ----------
    time_step : float
        In (hbar/2e)^2 g/E, g the largest conductance.
    stiff_bonds : int
        Bonds whose conductance was raised.
    """

    def __init__(
        self,
        network: Network,
        conductances: np.ndarray,
        temperature: float,
        axis: int,
        bias: float,
        replicas: int,
        seed: Sequence[int],
    ) -> None:
        self._random = np.random.Generator(np.random.SFC64(seed))
        kept = _bonds_around(network.with_couplings(conductances), axis)
        sites, numbered = np.unique(network.pairs[kept], return_inverse=True)
        pairs, couplings = numbered.reshape(-1, 2), network.couplings[kept]
        g = conductances[kept] / float(conductances[kept].max())
        conducting = Network(pairs, g, network.displacements[kept], n_sites=sites.size, volume=network.volume)
        self.current = bias * network.volume * _current_scale(network, axis)
        self.speed = self.current / (network.volume * float(conducting.relaxed_stiffness()[axis]))
        response = _Response(conducting, axis)
        soft = _slipping(couplings / temperature, response.normal_currents(self.current) / temperature)
        ease = soft * np.minimum(1.0, couplings / temperature) ** 2  # bonds that temperature overrules may jump
        diffusion = temperature * float((ease * response.diffusion()).max(initial=0.0))
        rate = max(response.fastest(np.where(soft, couplings, 0.0)), diffusion)
        self.time_step = STEP / (rate or temperature)
        raised = np.where(soft, g, np.maximum(g, self.time_step * couplings / RELAXED))
        self.stiff_bonds = int((raised > g).sum())
        self._response = _Response(conducting.with_couplings(raised), axis) if self.stiff_bonds else response
        self._couplings = couplings[:, None].astype(np.float32)
        self._noise = np.sqrt(2 * temperature / self.time_step * raised)[:, None].astype(np.float32)
        self._drift = self.current * self._response.twist[:, self._response.axis, None]
        self._phases = np.zeros((self._response.n_free, replicas), dtype=np.float32)
        self._twist = np.zeros((self._response.twist.shape[0], replicas))

    def run(self, steps: int) -> tuple[np.ndarray, np.ndarray]:
        """Move on; return how far the twist went (R,), and what the noise alone contributed to it.

        In units of the motion of the normal network under the same current without noise.
        """
        axis = self._response.axis
        start, shaken = self._twist[axis].copy(), np.zeros(self._twist.shape[1])
        for _ in range(steps):
            shaken += self._step()[axis]
        self._phases -= _TURN * np.rint(self._phases / _TURN)
        far = steps * self.time_step * self.speed
        return (self._twist[axis] - start) / far, shaken / far

    def _step(self) -> np.ndarray:
        """Move by one step; return what the noise did to the twist (d, R)."""
        response, h = self._response, self.time_step
        noise = self._random.standard_normal((self._noise.size, self._twist.shape[1]), dtype=np.float32)
        noise *= self._noise
        currents = self._supercurrents(self._phases, self._twist)
        falls, turns = response.to(currents + noise)
        there = self._supercurrents(self._phases - h * falls, self._twist - h * (turns - self._drift))
        currents += there
        currents *= np.float32(0.5)
        currents += noise
        falls, turns = response.to(currents)
        self._phases -= h * falls
        self._twist -= h * (turns - self._drift)
        return h * response.twist_of(noise)

    def _supercurrents(self, phases: np.ndarray, twist: np.ndarray) -> np.ndarray:
        found = self._response.across(phases, twist)
        np.sin(found, out=found)
        found *= self._couplings
        return found


class _Response:
    """How phases and twist of a network of conductances answer to currents through its bonds.

    Attributes
    ----------
    n_free : int
        Phases that move: one in each component is 0.
    axis : int
        Of the current, among the twists.
    twist : array (d, d)
        Speeds of the twists under forces on them.
    """

    def __init__(self, network: Network, axis: int) -> None:
        pairs, g = network.pairs, network.couplings
        fixed = np.unique(components(pairs, network.n_sites), return_index=True)[1]
        free = np.delete(np.arange(network.n_sites), fixed)
        self.n_free, self._root = free.size, np.sqrt(g)[:, None]
        steps = network.relaxed_displacements
        moves = abs(steps).max(axis=0) > 0
        self._steps = steps[:, moves]
        self.axis = int(moves[:axis].sum())
        self.twist = np.linalg.inv((g[:, None] * self._steps).T @ self._steps)
        bonds = np.arange(len(pairs))
        ends = np.repeat([1.0, -1.0], bonds.size), (np.tile(bonds, 2), pairs.T.ravel())
        incidence = sp.csr_array(ends, shape=(bonds.size, network.n_sites))[:, free]
        self._incidence = sp.csr_array(incidence).astype(np.float32)
        self._divergence = sp.csr_array(self._incidence.T)
        self._inverse: Inverse | None = None
        if free.size:
            self._inverse = grounded_inverse(laplacian(pairs, g, network.n_sites)[:, free][free], np.float32)

    def to(self, currents: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Return what currents (B, C) through bonds take from the phases (n, C) and twists (d, C) per time."""
        forces = self._divergence @ currents
        return self._inverse @ forces if self._inverse is not None else forces, -self.twist_of(currents)

    def twist_of(self, currents: np.ndarray) -> np.ndarray:
        """Return the twists (d, C) that currents (B, C) through bonds drive, per time."""
        found: np.ndarray = self.twist @ (self._steps.T @ currents)
        return found

    def across(self, phases: np.ndarray, twist: np.ndarray) -> np.ndarray:
        """Return the phase differences (B, C) of bonds, the part of the twist within a turn."""
        turned = self._steps @ (twist / _TURN)
        turned -= np.rint(turned)
        turned *= _TURN
        found: np.ndarray = self._incidence @ phases
        found -= turned
        return found

    def normal_currents(self, current: float) -> np.ndarray:
        """Return the currents (B,) through the bonds of the normal network, ``current`` being the box's."""
        found: np.ndarray = self._root[:, 0] ** 2 * (self._steps @ self.twist[:, self.axis]) * current
        return found

    def diffusion(self) -> np.ndarray:
        """Return the resistances (B,) that bonds see, ``<d gamma^2>/2 T dt`` of noise without couplings, to 12 %."""
        noise = self._root * np.random.default_rng(0).standard_normal((self._root.size, _PROBES))
        moved = self.across_exactly(*self.to(noise.astype(np.float32)))
        return np.square(moved).mean(axis=1)

    def fastest(self, couplings: np.ndarray) -> float:
        """Return the fastest relaxation of small deviations, at most ``max E/g``; 0 without couplings."""
        phases, twist = np.ones((self.n_free, 1)), np.zeros((self.twist.shape[0], 1))
        phases[:, 0] = np.random.default_rng(0).standard_normal(self.n_free)
        twist[:, 0] = 1.0
        rate = 0.0
        for _ in range(_POWERS):
            phases, twist = self.to((couplings[:, None] * self.across_exactly(phases, twist)).astype(np.float32))
            stretched = float(np.linalg.norm(self.across_exactly(phases, twist)))
            if stretched == 0:
                return 0.0
            rate, phases, twist = stretched, phases / stretched, twist / stretched
        return rate

    def across_exactly(self, phases: np.ndarray, twist: np.ndarray) -> np.ndarray:
        """Return the phase differences (B, C) of bonds, turns of the twist included."""
        found: np.ndarray = self._incidence @ phases - self._steps @ twist
        return found


def _slipping(coupling: np.ndarray, current: np.ndarray) -> np.ndarray:
    """Return which bonds (B,) slip, from couplings and currents in the unit of the temperature."""
    found = np.ones(coupling.size, dtype=bool)
    strong = np.flatnonzero(coupling > _STIFFER)
    found[strong] = thermal_resistance(coupling[strong], current[strong] / coupling[strong]) > SLIPPING
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
