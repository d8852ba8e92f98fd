r"""Phases of open clusters of grains in a magnetic field: heat bath by colours, replicas as columns.

.. math:: H = -\sum_b E_b \cos(\varphi_i - \varphi_j - A_b), \qquad A_b = \frac{2 \pi}{\Phi_0} B\, a_b, \quad
          a_b = \tfrac12\, \hat z \cdot (r_i \times r_j), \qquad m = -\frac{\partial H}{\partial B}
          = \frac{2 \pi}{\Phi_0} \sum_b E_b\, a_b \sin(\varphi_i - \varphi_j - A_b):

the symmetric gauge about the middle of each cluster, in which a field that grows by a small step turns the phases as
the electric field of a solenoid would. In another gauge the same step also kicks every phase; a large one scatters
them, so that vortices enter at once. Screening of the field is left out: clusters are far smaller than the
penetration depth. Only local moves are made, so that a sweep is a unit of time.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import scipy  # its parts load on use
import scipy.sparse as sp

from bdg.granular.bond_graph import SpanningTree, colours, components
from bdg.granular.network import Network
from bdg.lattices.units import FLUX_QUANTUM_T_NM2

_TURN = np.float32(2 * np.pi)


def cluster_positions(network: Network) -> np.ndarray:
    """Return positions (N, d) of an open network, each connected cluster about its own middle."""
    found = SpanningTree.of(network.pairs, network.n_sites).positions(network.pairs, network.displacements)
    cluster = components(network.pairs, network.n_sites)
    counts = np.bincount(cluster)[:, None]
    middle = np.stack([np.bincount(cluster, along) for along in found.T], axis=1) / counts
    centred: np.ndarray = found - middle[cluster]
    return centred


def cross_section(network: Network) -> float:
    """Return the area across z of the largest cluster: of the convex hull of its grains."""
    positions, cluster = cluster_positions(network)[:, :2], components(network.pairs, network.n_sites)
    inside = positions[cluster == np.bincount(cluster).argmax()]
    extent = np.linalg.matrix_rank(inside - inside[0], tol=1e-9)
    return float(scipy.spatial.ConvexHull(inside).volume) if extent == 2 else 0.0


class FieldSpins:
    """Spins exp(i phi), (N, K), of R replicas of P clusters side by side; sites sorted by colour.

    Parameters
    ----------
    networks : sequence of Network
        Open, displacements in nm.
    replicas : int
    seed : sequence of int
    """

    def __init__(self, networks: Sequence[Network], replicas: int, seed: Sequence[int]) -> None:
        self._random = np.random.Generator(np.random.SFC64(seed))
        offsets = np.cumsum([0, *(network.n_sites for network in networks)])
        pairs = np.concatenate([n.pairs + offset for n, offset in zip(networks, offsets[:-1], strict=True)])
        positions = np.concatenate([cluster_positions(network) for network in networks])
        n_sites, first, second = int(offsets[-1]), *pairs.T
        x, y = positions[:, 0], positions[:, 1]
        self.areas = 0.5 * (x[first] * y[second] - y[first] * x[second])
        colour = colours(pairs, n_sites)
        order = np.argsort(colour, kind="stable")
        place = np.empty(n_sites, dtype=np.int64)
        place[order] = np.arange(n_sites)
        self._first, self._second = place[first], place[second]
        self._starts = np.cumsum([0, *(len(network.pairs) for network in networks)])[:-1]
        rows, columns = np.concatenate([place[pairs.T], place[pairs.T[::-1]]], axis=1)
        by_row = np.lexsort((columns, rows))
        self._bond = np.tile(np.arange(len(pairs)), 2)[by_row]
        self._sign = np.repeat([1, -1], len(pairs))[by_row]
        self._columns = columns[by_row]
        self._rows = np.concatenate([[0], np.cumsum(np.bincount(rows, minlength=n_sites))])
        edges = np.searchsorted(colour[order], np.arange(colour.max(initial=-1) + 2))
        self._slices = [slice(int(low), int(high)) for low, high in zip(edges[:-1], edges[1:], strict=True)]
        self._shape = n_sites, replicas
        self.field = 0.0
        self.align()

    def align(self) -> None:
        """Set all phases of each replica to one value: the state of no field and no temperature."""
        self.spins = np.ones(self._shape, dtype=np.complex64)

    def scatter(self) -> None:
        """Draw all phases at random."""
        angles = _TURN * self._random.random(self._shape, dtype=np.float32)
        self.spins = np.exp(1j * angles).astype(np.complex64)

    def set(self, couplings: np.ndarray, temperature: float, field: float, turned: np.ndarray | None = None) -> None:
        """Set couplings (B,), temperature in their unit, field in T, and phases ``turned`` (B,) of another gauge."""
        self._couplings, self._temperature, self.field = couplings, temperature, field
        self._angles = 2 * np.pi / FLUX_QUANTUM_T_NM2 * field * self.areas
        if turned is not None:
            self._angles = self._angles + turned
        data = (couplings[self._bond] * np.exp(1j * self._sign * self._angles[self._bond])).astype(np.complex64)
        self._parts = []
        for part in self._slices:
            low, high = self._rows[part.start], self._rows[part.stop]
            arrays = data[low:high], self._columns[low:high], self._rows[part.start : part.stop + 1] - low
            self._parts.append(sp.csr_array(arrays, shape=(part.stop - part.start, self._shape[0])))

    def sweep(self, count: int) -> None:
        """Draw every spin anew in its local field, ``count`` times."""
        for _ in range(count):
            for part, matrix in zip(self._slices, self._parts, strict=True):
                self._heat_bath(part, matrix @ self.spins)

    def _heat_bath(self, part: slice, local: np.ndarray) -> None:
        """Draw angles to the local field from ``exp(kappa cos a)`` as `bdg.granular.xy_replicas` does."""
        size = abs(local) + np.float32(1e-37)
        twice = (2 / self._temperature * size).astype(np.float32)
        angle = _TURN * self._random.random(size.shape, dtype=np.float32)
        along, across = np.cos(angle), np.sin(angle) / np.sqrt(1 + twice)
        norm = along * along + across * across
        excess = twice * across * across / norm
        kept = self._random.random(size.shape, dtype=np.float32) < (1 + excess) * np.exp(-excess)
        half = along + 1j * across
        drawn = half * half / norm * local / size
        spins = self.spins[part]
        spins[kept] = drawn[kept]

    def moments(self) -> np.ndarray:
        """Return the magnetic moments (P, K) in units of the couplings per tesla; of a diamagnet below 0."""
        turned = np.exp(-1j * self._angles).astype(np.complex64)[:, None]
        sines = (self.spins[self._first] * self.spins[self._second].conj() * turned).imag
        weights = 2 * np.pi / FLUX_QUANTUM_T_NM2 * self._couplings * self.areas
        found: np.ndarray = np.add.reduceat(weights[:, None] * sines, self._starts, axis=0)
        return found
