"""The resistance of a network whose junctions slip one by one, thermally: Kirchhoff's laws with activated bonds."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import scipy  # its parts load on use

from bdg.granular.bond_graph import around_the_period, components
from bdg.granular.monte_carlo import require_temperatures
from bdg.granular.network import Network, conductances_of, networks_at
from bdg.granular.resistors import effective_conductivity, require_axis
from bdg.lattices.arguments import non_negative_number

DECADES = 20 * np.log(10)  # beyond the bond that decides, conductances are those of shorts and of open contacts


def activated_resistance(
    network: Network | Callable[[float], Network],
    temperatures: Any,
    *,
    conductances: Any = None,
    axis: int | str = 0,
    locking_temperature: float = 0.0,
) -> Any:
    r"""Return R/R_N of a network of junctions with thermal phase slips, each on its own.

    .. math:: g_b(T) = g_b\, I_0(E_b/T)^2, \qquad \frac{R}{R_N} = \frac{\sigma[g_b]}{\sigma[g_b(T)]},

    sigma the conductivity of the network of resistors. Where couplings are broad this is a problem of percolation: the
    bonds around ``I_0^2`` of the one that closes the first path decide.

    Parameters
    ----------
    network : Network or function of the temperature that returns it
        Couplings E_b in the unit of the temperature.
    temperatures : float or array (T,)
        > 0.
    conductances : float or array (B,), optional
        Normal conductance of each bond in any unit. Default: in proportion to the couplings (to those at the first
        temperature), as E_J R_N is the same for all tunnel junctions of one superconductor.
    axis : int or {"x", "y", "z"}
    locking_temperature : float
        Where the phases of the whole network lock (`locking_temperature`): R is 0 up to it. Slips of single bonds do
        not know of it, and give no transition by themselves.

    Returns
    -------
    float or array (T,)
        Between 0 and 1; 0 below 1e-308, too.

    Raises
    ------
    TypeError, ValueError
        If an argument is of the wrong type or out of range, or nothing conducts along the axis.

    References
    ----------
    V. Ambegaokar, B. I. Halperin, Phys. Rev. Lett. 22, 1364 (1969): the bond; V. Ambegaokar, B. I. Halperin, J. S.
    Langer, Phys. Rev. B 4, 2612 (1971): the percolation.

    Examples
    --------
    >>> from bdg.granular import Network, activated_resistance
    >>> print(activated_resistance(Network.cubic(3, 100.0), [20.0, 50.0, 200.0]).round(3))
    [0.001 0.192 0.884]
    """
    points = require_temperatures(temperatures)
    locked = non_negative_number("locking_temperature", locking_temperature)
    networks = networks_at(network, points)
    place = require_axis(axis, networks[0].dimensions)
    normal = conductances_of(conductances, networks)
    known = _with_conductances(networks[0], normal)
    if not known.percolates[place]:
        raise ValueError(f"nothing conducts around the period along axis {axis!r}: R/R_N is not defined")
    normal_conductivity = effective_conductivity(known, place)
    found = np.zeros(points.size)
    for number in np.flatnonzero(points > locked):
        u = networks[number].couplings / points[number]
        with np.errstate(divide="ignore"):  # conductance 0
            logarithms = np.log(normal) + 2 * (u + np.log(scipy.special.i0e(u)))
        deciding = _first_around(known, logarithms, place)
        relative = np.clip(logarithms - deciding, None, DECADES)
        scaled = np.where(relative < -DECADES, 0.0, np.exp(relative))
        conductivity = effective_conductivity(_with_conductances(known, scaled), place)
        found[number] = np.exp(np.log(normal_conductivity) - np.log(conductivity) - deciding)
    return float(found[0]) if np.ndim(temperatures) == 0 else found


def _with_conductances(network: Network, conductances: np.ndarray) -> Network:
    return Network(network.pairs, conductances, network.displacements, n_sites=network.n_sites, volume=network.volume)


def _first_around(network: Network, logarithms: np.ndarray, axis: int) -> float:
    """Return the largest value such that bonds of at least this value go around the period along the axis."""
    levels = np.unique(logarithms[np.isfinite(logarithms)])
    low, high = 0, levels.size - 1  # bonds from levels[low] on do
    while low < high:
        middle = (low + high + 1) // 2
        kept = logarithms >= levels[middle]
        pairs = network.pairs[kept]
        around = around_the_period(pairs, network.displacements[kept], components(pairs, network.n_sites))
        low, high = (middle, high) if around[:, axis].any() else (low, middle - 1)
    return float(levels[low])
