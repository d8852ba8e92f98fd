r"""R(T) of a composite below the transition of its grains: couplings upon the conductances of a homogeneous host.

.. math:: G_{ij} = \frac{1}{\rho} \frac{A_{ij}}{d_{ij}}

A the face between the Voronoi cells of two grains, d the distance of their centres. Grains that are coupled without a
common face have a coupling and (next to) no conductance of their own.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from bdg.condensate.bcs import gap_ratio
from bdg.granular.activated import activated_resistance
from bdg.granular.couplings.junctions import josephson_energy
from bdg.granular.dynamics.network_resistance import network_resistance
from bdg.granular.network import Network
from bdg.lattices.packing.pack_spheres import Packing
from bdg.lattices.units import KB_MEV_PER_K

METHODS = ("activated", "langevin")
_NEXT_TO_NONE = 1e-6  # of the largest conductance: what bonds without a face have
_LOWEST, _HIGHEST, _BELOW_CRITICAL = 0.8, 3.0, 0.97  # of the locking temperature, and of T_c of the grains


@dataclass(frozen=True, eq=False)
class HostBonds:
    """Bonds of a packing: faces of Voronoi cells, and those of a network of couplings.

    Attributes
    ----------
    network : Network
        All bonds, without couplings.
    conductances : array (B,)
        Of the host, in S.
    place : array
        Where each bond of the network of couplings is among all.
    """

    network: Network
    conductances: np.ndarray
    place: np.ndarray

    @classmethod
    def of(cls, packing: Packing, resistivity_ohm_m: float, coupled: Network | None = None) -> HostBonds:
        """Return the bonds of a packing (lengths in nm) in a host, and of a network of couplings on the same grains."""
        host = Network.voronoi(packing, 1 / resistivity_ohm_m)
        parts = [host] if coupled is None else [coupled, host]
        keys = np.concatenate([_images(part, packing) for part in parts])
        known, inverse = np.unique(keys, axis=0, return_inverse=True)
        inverse = inverse.ravel()
        own = len(keys) - len(host.pairs)
        conductances = np.bincount(inverse[own:], 1e-9 * host.couplings, len(known))
        pairs = known[:, :2]
        steps = packing.centres[pairs[:, 1]] - packing.centres[pairs[:, 0]] + known[:, 2:] * np.array(packing.size)
        bonds = Network(pairs, np.zeros(len(known)), steps, n_sites=host.n_sites, volume=host.volume)
        return cls(bonds, np.maximum(conductances, _NEXT_TO_NONE * conductances.max()), inverse[:own])

    def coupled(self, couplings: np.ndarray) -> Network:
        """Return all bonds with the couplings of the network of couplings."""
        found = np.zeros(len(self.conductances))
        np.add.at(found, self.place, couplings)
        return self.network.with_couplings(found)

    def short_junctions(self, temperature_K: float, gap_meV: float, critical_K: float) -> Network:
        """Return all bonds with couplings in kelvin of short tunnel junctions, Delta(T) being that of BCS."""
        gap = gap_meV * float(gap_ratio(temperature_K / critical_K))
        unit = josephson_energy(1.0, gap, temperature_K) / KB_MEV_PER_K  # of 1 ohm; E_J goes as the conductance
        return self.network.with_couplings(unit * self.conductances)


def _images(network: Network, packing: Packing) -> np.ndarray:
    """Return (B, 2 + d) whole numbers: the two grains of each bond, the lower first, and the image of the second."""
    first, second = network.pairs.T
    between = packing.centres[second] - packing.centres[first]
    image = np.rint((network.displacements - between) / np.array(packing.size)).astype(np.int64)
    leading = np.take_along_axis(image, np.argmax(image != 0, axis=1)[:, None], axis=1)[:, 0]
    turned = (first > second) | ((first == second) & (leading < 0))
    pairs = np.where(turned[:, None], network.pairs[:, ::-1], network.pairs)
    return np.concatenate([pairs, np.where(turned[:, None], -image, image)], axis=1)


def step_temperatures(locking_K: float, critical_K: float, count: int) -> np.ndarray:
    """Return temperatures around the locking, a third of them below, up to three times it or the grains' T_c."""
    below = count // 3
    top = max(1.0 + 1e-3, min(_HIGHEST, _BELOW_CRITICAL * critical_K / locking_K))
    above = 1 + (top - 1) * np.linspace(0, 1, count - below + 1)[1:] ** 2
    return locking_K * np.concatenate([np.linspace(_LOWEST, 1, below), above])


def resistance_curve(
    at: Callable[[float], Network],
    temperatures: np.ndarray,
    conductances: np.ndarray,
    method: str,
    *,
    locking_K: float,
    bias: float = 0.1,
    tol: float = 0.03,
    seed: int = 0,
) -> tuple[np.ndarray, np.ndarray]:
    """Return R/R_N and its standard error, (T,) each.

    Parameters
    ----------
    method : {"activated", "langevin"}
        Junctions that slip one by one, and 0 below the locking; or all phases in motion, which needs no such rule.
    """
    if method == "activated":
        found = activated_resistance(at, temperatures, conductances=conductances, locking_temperature=locking_K)
        return found, np.zeros_like(found)
    moving = network_resistance(at, temperatures, conductances=conductances, bias=bias, tol=tol, seed=seed)
    return moving.resistance, moving.error
