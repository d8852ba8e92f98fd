"""Parts of an array that stand in series between source and drain: each carries the whole current by itself."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from bdg.granular.bond_graph import laplacian, solve_grounded

_DEAD, _WHOLE = 1e-13, 1e-9  # of the current: what rounding leaves in a dead end, or beside a node that carries it all


@dataclass(frozen=True, eq=False)
class SeriesPart:
    """Bonds between two nodes that all current passes through.

    Attributes
    ----------
    bonds : array (b,)
        Numbers of the bonds.
    pairs : array (b, 2)
        Their nodes, numbered anew.
    n_nodes, start, end : int
    """

    bonds: np.ndarray
    pairs: np.ndarray
    n_nodes: int
    start: int
    end: int


def series_parts(pairs: np.ndarray, n_nodes: int, source: int, drain: int) -> list[SeriesPart]:
    """Return the parts from source to drain, without dead ends; all nodes must be connected.

    A node that the whole of a current passes through, whatever the resistances, cuts the array in two: the phases on
    one side do not enter Kirchhoff's laws of the other. Resistances drawn at random find these nodes without the
    currents that cancel by symmetry.
    """
    first, second = pairs.T
    conductances = np.random.default_rng(0).uniform(0.5, 1.5, len(pairs))
    injected = np.zeros((n_nodes, 1))
    injected[source] = 1.0
    potentials = solve_grounded(laplacian(pairs, conductances, n_nodes), np.array([drain]), injected)[:, 0]
    currents = abs(conductances * (potentials[first] - potentials[second]))
    through = 0.5 * np.bincount(pairs.ravel(), np.repeat(currents, 2), n_nodes)
    through[[source, drain]] += 0.5
    cuts = np.flatnonzero(through > 1 - _WHOLE)
    cuts = cuts[np.argsort(-potentials[cuts], kind="stable")]
    middle = 0.5 * (potentials[first] + potentials[second])
    part_of = np.searchsorted(-potentials[cuts], -middle) - 1
    live = currents > _DEAD
    found = []
    for number in range(cuts.size - 1):
        bonds = np.flatnonzero(live & (part_of == number))
        nodes, inside = np.unique(pairs[bonds], return_inverse=True)
        start, end = (int(np.searchsorted(nodes, node)) for node in cuts[number : number + 2])
        found.append(SeriesPart(bonds, inside.reshape(-1, 2), nodes.size, start, end))
    return found
