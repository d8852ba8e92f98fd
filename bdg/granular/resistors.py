"""Resistor networks, their resistance between two nodes and conductivity; and Maxwell's spheres in a host."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from bdg.granular.bond_graph import bond_currents, components, require_bond_values, require_bonds
from bdg.granular.network import Network, require_network
from bdg.lattices.arguments import non_negative_number, positive_number

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

    Examples
    --------
    >>> from bdg.granular import resistance_between
    >>> square = [(0, 1), (1, 2), (2, 3), (3, 0)]
    >>> print(round(resistance_between(square, [1.0, 1.0, 1.0, 1.0], 0, 2), 6))
    1.0
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

    Examples
    --------
    >>> from bdg.granular import Network, effective_conductivity
    >>> print(round(effective_conductivity(Network.cubic(4, 2.0), "x"), 6))  # that of each bond
    2.0
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


def maxwell_conductivity(host: float, grains: float, volume_fraction: float) -> float:
    r"""Return the conductivity of a host with spheres at random, by Maxwell's formula.

    .. math:: \frac{\sigma}{\sigma_h} = \frac{\sigma_g + 2 \sigma_h + 2 \phi (\sigma_g - \sigma_h)}
              {\sigma_g + 2 \sigma_h - \phi (\sigma_g - \sigma_h)}

    Exact to first order in phi, and the nearer of the bounds of Hashin and Shtrikman to the host: with grains that
    conduct better the true conductivity is higher, with grains that conduct worse it is lower.

    Parameters
    ----------
    host : float
        sigma_h > 0, in any unit.
    grains : float
        sigma_g >= 0 in the same unit; infinite for superconducting grains, 0 for grains whose surface blocks.
    volume_fraction : float
        phi of the grains, from 0 to below 1.

    Returns
    -------
    float
        In the same unit.

    Raises
    ------
    TypeError, ValueError
        If an argument is out of range.

    References
    ----------
    J. C. Maxwell, A Treatise on Electricity and Magnetism (1873), article 314; Z. Hashin, S. Shtrikman, J. Appl. Phys.
    33, 3125 (1962).

    Examples
    --------
    >>> from bdg.granular import maxwell_conductivity
    >>> print(round(maxwell_conductivity(1.0, 1e6, 0.2), 3))  # perfect grains: (1 + 2 f)/(1 - f)
    1.75
    """
    host = positive_number("host", host)
    fraction = non_negative_number("volume_fraction", volume_fraction)
    if fraction >= 1:
        raise ValueError(f"volume_fraction must lie between 0 and 1; got {fraction:g}")
    if grains != 0:
        grains = positive_number("grains", grains, infinite=True)
    beta = 1.0 if math.isinf(grains) else (grains - host) / (grains + 2 * host)
    return host * (1 + 2 * fraction * beta) / (1 - fraction * beta)


def _require_node(name: str, value: Any) -> int:
    if isinstance(value, bool | np.bool_) or not isinstance(value, int | np.integer) or value < 0:
        raise ValueError(f"{name} must be the number of a node, >= 0; got {value!r:.80}")
    return int(value)
