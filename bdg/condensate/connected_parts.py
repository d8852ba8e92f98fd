"""The parts of a system that hoppings connect: each has a transition of its own."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.sparse.csgraph import connected_components

from bdg.lattices.system import System

LOWEST, LEAST = 1e-5, 1e-9  # of the least and the largest U of a part: below, no transition is looked for
LEVELS_UP_TO = 2000  # orbitals of a part whose levels are all taken
WORK_UP_TO = 8e9  # and the products that one vector of its kernel costs: all of it then takes about 100 CPU seconds


@dataclass(frozen=True, eq=False)
class Part:
    """Sites that hoppings connect, as a system of their own; ``active`` are those with attraction, of the whole."""

    system: System
    active: np.ndarray

    @property
    def is_small(self) -> bool:
        """True if all levels are soon at hand."""
        h, norbs = self.system.hamiltonian, self.system.norbs
        work = (norbs * self.active.size) ** 2 * h.shape[0] * (4.0 if h.dtype.kind == "c" else 1.0)
        return h.shape[0] <= LEVELS_UP_TO and work <= WORK_UP_TO

    @property
    def strongest(self) -> float:
        """Return max U."""
        return float(self.system.attraction.max())

    @property
    def lowest(self) -> float:
        """Return the temperature down to which a transition is looked for."""
        attraction = self.system.attraction
        return max(LOWEST * float(attraction[attraction > 0].min()), LEAST * self.strongest)


def connected_parts(system: System) -> list[Part]:
    """Return the connected parts that may decide, those with the strongest attraction first."""
    count, label = connected_components(system.adjacency, directed=False)
    sites = np.split(np.argsort(label, kind="stable"), np.cumsum(np.bincount(label, minlength=count))[:-1])
    strongest = np.zeros(count)
    np.maximum.at(strongest, label, system.attraction)
    strongest[_lone_sites_that_lose(system, sites)] = 0.0
    order = [n for n in np.argsort(-strongest, kind="stable") if strongest[n] > 0]
    return [Part(_restricted(system, sites[n]), sites[n][system.attraction[sites[n]] > 0]) for n in order]


def _lone_sites_that_lose(system: System, sites: list[np.ndarray]) -> list[int]:
    """Return the parts of one site, norbs = 1, but for the one of highest Tc: |x|/(2 artanh(2|x|/U))."""
    lone = [n for n, part in enumerate(sites) if part.size == 1 and system.attraction[part[0]] > 0]
    if system.norbs == 2 or not lone:
        return []
    which = np.array([sites[n][0] for n in lone])
    x, u = abs(system.hamiltonian.diagonal().real[which]), system.attraction[which]
    ratio = np.clip(2 * x / u, 1e-9, 1 - 1e-16)
    best = int(np.where(2 * x < u, u * ratio / (4 * np.arctanh(ratio)), 0.0).argmax())
    return [n for k, n in enumerate(lone) if k != best]


def _restricted(system: System, sites: np.ndarray) -> System:
    """Return the system of these sites alone, without pairing."""
    if sites.size == system.n_sites:
        return system.with_delta(0.0)
    rows = (system.norbs * sites[:, None] + np.arange(system.norbs)).ravel()
    return System(
        hamiltonian=system.hamiltonian[rows][:, rows],
        positions=system.positions[sites],
        attraction=system.attraction[sites],
        period=system.period,
        norbs=system.norbs,
    )
