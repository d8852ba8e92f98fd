"""Resistor networks: the resistance between two nodes, and the conductivity of a periodic network."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from bdg.granular.bond_graph import bond_currents, components
from bdg.granular.network import Network, require_bond_values, require_bonds, require_network

AXES = "xyz"
SIMILAR = 1e3  # ratio of resistances up to which potentials alone give their differences to 1e-13


def resistance_between(pairs: Any, resistances: Any, a: int, b: int) -> float:
    """Return the resistance between two nodes of a network of resistors, by Kirchhoff's laws, in ohm.

    Parameters
    ----------
    pairs : array (B, 2) of int
        The nodes of each resistor, numbered from 0; pairs may repeat (resistors in parallel).
    resistances : array (B,)
        In ohm. Zero joins two nodes; infinity is an open contact.
    a, b : int
        Nodes.

    Returns
    -------
    float
        Infinity where no path joins a and b, 0 where a path of zero resistance does.

    Raises
    ------
    TypeError, ValueError
        If an argument has the wrong type or shape, a resistance is negative or NaN, or a node number is negative.
    """
    bonds = require_bonds("pairs", pairs)
    values = require_bond_values("resistances", resistances, len(bonds), " (ohm)")
    ends = [_require_node(name, node) for name, node in (("a", a), ("b", b))]
    n_nodes = max(int(bonds.max(initial=0)), *ends) + 1
    merged = components(bonds[values == 0], n_nodes)
    bonds, values = merged[bonds], values
    source, drain = (int(merged[node]) for node in ends)
    if source == drain:
        return 0.0
    kept = (bonds[:, 0] != bonds[:, 1]) & np.isfinite(values)
    bonds, values = bonds[kept], values[kept]
    n_merged = int(merged.max()) + 1
    component = components(bonds, n_merged)
    if component[source] != component[drain]:
        return math.inf
    inside = component[bonds[:, 0]] == component[source]
    nodes, bonds = np.unique(bonds[inside], return_inverse=True)
    bonds, values = bonds.reshape(-1, 2), values[inside]
    source, drain = (int(np.searchsorted(nodes, node)) for node in (source, drain))
    injected = np.zeros((nodes.size, 1))
    injected[source] = 1.0
    unit = values.min()
    currents = bond_currents(bonds, unit / values, np.array([drain]), np.zeros((len(bonds), 1)), injected, SIMILAR)
    return float((values * currents[:, 0] ** 2).sum())  # the heat of a unit current


def effective_conductivity(network: Network, axis: int | str) -> float:
    """Return the conductivity of a periodic network along an axis, its couplings read as conductances.

    In the unit of the couplings times length^(2 - d); the simple cubic lattice has its coupling.

    Parameters
    ----------
    network : Network
    axis : int or {"x", "y", "z"}

    Returns
    -------
    float
        Exactly 0 where no conducting path goes around the period.

    Raises
    ------
    TypeError, ValueError
        If ``network`` is none, or has no such axis.
    """
    require_network("network", network)
    return float(network.relaxed_stiffness()[require_axis(axis, network.dimensions)])


def require_axis(axis: Any, dimensions: int) -> int:
    """Return the number of an axis that is given by its number or its letter."""
    names = list(AXES[:dimensions])
    known = [*names, *range(dimensions)]
    if isinstance(axis, bool | np.bool_) or axis not in known:
        raise ValueError(f"axis must be one of {', '.join(map(str, known))}; got {axis!r:.80}")
    return known.index(axis) % len(names)


def _require_node(name: str, value: Any) -> int:
    if isinstance(value, bool | np.bool_) or not isinstance(value, int | np.integer) or value < 0:
        raise ValueError(f"{name} must be the number of a node, >= 0; got {value!r:.80}")
    return int(value)
