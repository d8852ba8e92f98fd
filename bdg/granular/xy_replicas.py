r"""XY spins of many replicas at several temperatures in one array, and the moves that keep their distribution.

Spins are ``(N, 2, K)`` in single precision, K columns of one replica at one temperature each, sites sorted by colour,
so that a colour is a slice and its local fields ``h_i = sum_j J_ij s_j`` are one sparse product. A sweep is

- a reflection of clusters: for each column one axis r; bonds join with probability ``1 - exp(-2 J p_i p_j/T)``, ``p = s
  r``, where that is positive; each cluster is mirrored with probability 1/2 (Swendsen and Wang);
- a heat bath of each colour: the angle to the local field has the density ``exp(kappa cos a)``, ``kappa = |h|/T``. A
  Cauchy variable ``tan(a/2)`` of width ``(1 + 2 kappa)^-1/2`` is kept with probability ``(1 + 2 kappa y) exp(-2 kappa
  y)``, ``y = sin^2(a/2)``, else the spin stays. Whether it is kept depends on the neighbours alone, never on the spin
  that it replaces, so there is no need to draw again (it is kept in 56 to 100 of 100 cases);
- over-relaxations, ``s -> 2 (s h) h/h^2 - s``, which keep the energy (heat bath and over-relaxations twice);
- an exchange of temperatures between neighbours (parallel tempering).

Several networks, each with its couplings over a temperature of its own, fit side by side into the same columns.

Helicity is measured with displacements from which the phases relaxed at T = 0 are taken: a gauge, which changes no
average and removes most of the scatter of an irregular network.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import scipy.sparse as sp
from scipy.sparse.csgraph import connected_components

from bdg.granular.bond_graph import colours
from bdg.granular.network import Network

HEAT_BATHS, OVER_RELAXATIONS = 2, 2  # of a sweep; over-relaxations after each heat bath: currents forget within one
_HEAP = 31 << 20  # bytes; freed once, glibc keeps blocks of that size, where it would give back and clear each array
_TURN = np.float32(2 * math.pi)
_COLDEST = 1e30  # coupling over temperature that single precision holds
_TINY = np.float32(1e-37)  # instead of 0/0 where fields cancel


@dataclass(frozen=True, eq=False)
class SpinBonds:
    """The bonds of one or more networks as their Monte Carlo needs them: side by side, without sites that have no bond.

    Sites are sorted by colour, couplings are in units of the largest, ``unit``.

    Attributes
    ----------
    n_spins : int
    unit : float
    first, second : arrays (B,)
        Places of the two spins, ``first < second``, ascending in ``first``.
    couplings : array (B,)
    slices : list of slice
        The spins of each colour.
    neighbours : list of sparse arrays
        Rows of each colour: ``J_ij`` over the largest of the row.
    strengths : list of arrays (n, 1)
        The largest of each row.
    cosines, sines : lists of 1 + d and d sparse arrays
        Above the diagonal: weights of cos and sin of the phase differences, J, ``J x^2`` along each axis; ``J x``.
    members : sparse array (P, N)
        1 at the spins of each network.
    loops : array (1 + d, P)
        What bonds of a site to itself add to the sums of cosines.
    """

    n_spins: int
    unit: float
    first: np.ndarray
    second: np.ndarray
    couplings: np.ndarray
    slices: list[slice]
    neighbours: list[sp.csr_array]
    strengths: list[np.ndarray]
    cosines: list[sp.csr_array]
    sines: list[sp.csr_array]
    members: sp.csr_array
    loops: np.ndarray

    @classmethod
    def of(cls, networks: Sequence[Network], scales: Sequence[float]) -> SpinBonds:
        """Return the bonds of networks of the same dimensions, the couplings of each times its scale."""
        couplings = np.concatenate([n.couplings * scale for n, scale in zip(networks, scales, strict=True)])
        unit = float(couplings.max(initial=0.0)) or 1.0
        couplings /= unit
        steps = np.concatenate([network.relaxed_displacements for network in networks])
        offsets = np.cumsum([0, *(network.n_sites for network in networks)])
        pairs = np.concatenate([n.pairs + offset for n, offset in zip(networks, offsets[:-1], strict=True)])
        own = pairs[:, 0] == pairs[:, 1]
        weights = couplings * np.concatenate([np.ones((1, own.size)), steps.T**2])
        loops = np.zeros((len(weights), len(networks)))
        np.add.at(loops.T, np.searchsorted(offsets, pairs[own, 0], side="right") - 1, weights[:, own].T)
        kept = np.flatnonzero((couplings > 0) & ~own)
        sites, numbers = np.unique(pairs[kept], return_inverse=True)
        colour = colours(numbers.reshape(-1, 2), sites.size)
        order = np.argsort(colour, kind="stable")
        place = np.empty(sites.size, dtype=np.int64)
        place[order] = np.arange(sites.size)
        ends = place[numbers.reshape(-1, 2)]
        forward = np.where(ends[:, 0] < ends[:, 1], 1.0, -1.0)
        ends.sort(axis=1)
        by_first = np.argsort(ends[:, 0], kind="stable")
        kept, forward, (first, second) = kept[by_first], forward[by_first], ends[by_first].T
        edges = np.searchsorted(colour[order], np.arange(colour.max(initial=-1) + 2))
        slices = [slice(int(low), int(high)) for low, high in zip(edges[:-1], edges[1:], strict=True)]
        shape = (sites.size, sites.size)
        both = np.concatenate([first, second]), np.concatenate([second, first])
        strength = np.zeros(sites.size)
        np.maximum.at(strength, both[0], np.tile(couplings[kept], 2))
        relative = np.tile(couplings[kept], 2) / strength[both[0]]
        matrix = sp.csr_array((relative, both), shape=shape).astype(np.float32)

        def above(values: np.ndarray) -> sp.csr_array:
            used = np.flatnonzero(values)
            return sp.csr_array((values[used], (first[used], second[used])), shape=shape).astype(np.float32)

        network_of = np.searchsorted(offsets, sites[order], side="right") - 1
        return cls(
            n_spins=int(sites.size),
            unit=unit,
            first=first,
            second=second,
            couplings=couplings[kept].astype(np.float32),
            slices=slices,
            neighbours=[matrix[part] for part in slices],
            strengths=[strength[part, None].astype(np.float32) for part in slices],
            cosines=[above(values) for values in weights[:, kept]],
            sines=[above(forward * values) for values in (couplings * steps.T)[:, kept]],
            members=sp.csr_array(
                (np.ones(sites.size), (network_of, np.arange(sites.size))), shape=(len(networks), sites.size)
            ),
            loops=loops,
        )


class Replicas:
    """Spins of R replicas at T temperatures, all parallel at first; columns keep their spins and change temperature."""

    def __init__(self, bonds: SpinBonds, temperatures: np.ndarray, replicas: int, seed: Sequence[int]) -> None:
        self._bonds, self._random = bonds, np.random.Generator(np.random.SFC64(seed))
        self._betas = np.minimum(bonds.unit / temperatures, _COLDEST)
        np.empty(_HEAP, dtype=np.uint8)  # halves the time of a sweep
        columns = replicas * temperatures.size
        self._column = np.arange(columns).reshape(replicas, temperatures.size)  # which has replica r at temperature t
        angles = 2 * math.pi * self._random.random(columns)
        start = np.array([np.cos(angles), np.sin(angles)], dtype=np.float32)
        self.spins = np.repeat(start[None], bonds.n_spins, axis=0)
        self._set_betas()
        self._parity = 0
        self.tried = np.zeros(max(temperatures.size - 1, 0))
        self.exchanged = np.zeros_like(self.tried)

    def sweep(self) -> np.ndarray:
        """Move all spins and temperatures once; return (1 + 2d, P, R, T), means of what `sums` gives on the way."""
        self.reflect_clusters()
        found = []
        for _ in range(HEAT_BATHS):
            self._each(self.heat_bath)
            for _ in range(OVER_RELAXATIONS):
                self._each(self.over_relax)
                found.append(self.sums())
        self.exchange(-found[-1][0].sum(axis=0))
        return np.mean(found, axis=0)

    def _each(self, move: Callable[[int], None]) -> None:
        for part in range(len(self._bonds.slices)):
            move(part)

    def fields(self, part: int) -> np.ndarray:
        """Return the local fields (n, 2, K) of a colour, over the strongest coupling of each spin."""
        n_spins, _, columns = self.spins.shape
        found = self._bonds.neighbours[part] @ self.spins.reshape(n_spins, 2 * columns)
        return np.asarray(found).reshape(-1, 2, columns)

    def over_relax(self, part: int) -> None:
        """Mirror the spins of a colour at their local fields."""
        field, spins = self.fields(part), self.spins[self._bonds.slices[part]]
        scale = 2 * _dot(spins, field) / (_dot(field, field) + _TINY)
        field *= scale[:, None]
        np.subtract(field, spins, out=spins)

    def heat_bath(self, part: int) -> None:
        """Draw the spins of a colour anew in their local fields."""
        field, spins = self.fields(part), self.spins[self._bonds.slices[part]]
        size = np.sqrt(_dot(field, field)) + _TINY
        twice = 2 * size * self._bonds.strengths[part] * self._beta  # 2 kappa
        angle = self._random.random(size.shape, dtype=np.float32)
        angle *= _TURN
        along, across = np.cos(angle), np.sin(angle) / np.sqrt(1 + twice)  # their ratio is Cauchy distributed
        along_2, across_2 = along * along, across * across
        norm = along_2 + across_2
        excess = twice * across_2 / norm
        kept = self._random.random(size.shape, dtype=np.float32) < (1 + excess) * np.exp(-excess)
        norm *= size
        weight = kept / norm
        cosine, sine = (along_2 - across_2) * weight, 2 * along * across * weight
        spins *= ~kept[:, None]
        spins[:, 0] += field[:, 0] * cosine - field[:, 1] * sine
        spins[:, 1] += field[:, 0] * sine + field[:, 1] * cosine

    def reflect_clusters(self) -> None:
        """Mirror clusters of spins at one random axis for each column."""
        bonds, (n_spins, _, columns) = self._bonds, self.spins.shape
        angles = 2 * math.pi * self._random.random(columns, dtype=np.float32)
        axis = np.stack([np.cos(angles), np.sin(angles)])
        along = self.spins[:, 0] * axis[0] + self.spins[:, 1] * axis[1]
        pull = along[bonds.first]
        pull *= along[bonds.second]
        pull *= -2 * bonds.couplings[:, None]
        pull *= self._beta
        np.minimum(pull, 0, out=pull)
        joined = self._random.random(pull.shape, dtype=np.float32) > np.exp(pull, out=pull)
        column, bond = np.divmod(np.flatnonzero(joined.T), bonds.first.size)  # by column, then by first spin: CSR rows
        column *= n_spins
        rows, nodes = column + bonds.first[bond], n_spins * columns
        starts = np.zeros(nodes + 1, dtype=np.int32)
        np.cumsum(np.bincount(rows, minlength=nodes), out=starts[1:])
        graph = sp.csr_array((np.ones(rows.size), column + bonds.second[bond], starts), shape=(nodes, nodes))
        count, label = connected_components(graph, directed=False)
        mirrored = 2 * self._random.integers(0, 2, count, dtype=np.int8)
        along *= mirrored[label].reshape(columns, n_spins).T
        self.spins -= along[:, None] * axis

    def sums(self) -> np.ndarray:
        """Return (1 + 2d, P, R, T): ``sum J cos``, ``sum J x^2 cos`` (d), ``(sum J x sin)^2`` (d), J over the unit."""
        n_spins, _, columns = self.spins.shape
        flat = self.spins.reshape(n_spins, 2 * columns)
        turned = np.stack([-self.spins[:, 1], self.spins[:, 0]], axis=1).reshape(flat.shape)
        parts = [(flat, matrix) for matrix in self._bonds.cosines] + [(turned, m) for m in self._bonds.sines]
        totals = np.array([self._bonds.members @ (own * (matrix @ flat)) for own, matrix in parts])
        found = (totals[..., :columns] + totals[..., columns:])[..., self._column]
        loops = self._bonds.loops[..., None, None]
        return np.concatenate([found[: len(loops)] + loops, np.square(found[len(loops) :])])

    def exchange(self, energies: np.ndarray) -> None:
        """Exchange neighbouring temperatures, every other pair, by Metropolis' rule on the energies (R, T)."""
        lower = np.arange(self._parity, self._betas.size - 1, 2)
        self._parity = 1 - self._parity
        gain = (self._betas[lower] - self._betas[lower + 1]) * (energies[:, lower] - energies[:, lower + 1])
        accepted = -self._random.standard_exponential(gain.shape) < gain
        here, there = self._column[:, lower], self._column[:, lower + 1]
        self._column[:, lower] = np.where(accepted, there, here)
        self._column[:, lower + 1] = np.where(accepted, here, there)
        self.tried[lower] += len(energies)
        self.exchanged[lower] += accepted.sum(axis=0)
        self._set_betas()

    def _set_betas(self) -> None:
        self._beta = np.empty(self._column.size, dtype=np.float32)
        self._beta[self._column] = self._betas


def _dot(left: np.ndarray, right: np.ndarray) -> np.ndarray:
    """Return the scalar products (n, K) of vectors (n, 2, K)."""
    return left[:, 0] * right[:, 0] + left[:, 1] * right[:, 1]
