r"""Whether grains are coupled well enough for phases to mean anything: conductances against the charging energy.

.. math:: g_{\mathrm{tot}} = \sum_{\mathrm{neighbours}} \frac{R_Q}{R_N}, \quad R_Q = \frac{h}{4 e^2} = 6.45\,k\Omega,
          \qquad E_C = \frac{e^2}{2 C}, \quad C = 4 \pi \epsilon_0 \epsilon r .

A grain whose electrons leave it more slowly than the charging energy allows (g_tot < 1) has a number of electrons, not
a phase: the models of this room, which have phases alone, say nothing about it.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
import scipy.constants

from bdg.base.arguments import real_array
from bdg.base.results import Evidence, Result, quantity
from bdg.granular.bond_graph import require_bond_values
from bdg.granular.network import Network, require_network
from bdg.lattices.arguments import positive_number
from bdg.lattices.units import RESISTANCE_QUANTUM_OHM

PAIR_RESISTANCE_QUANTUM_OHM = RESISTANCE_QUANTUM_OHM / 2  # h/4e^2
LEAST = 1.0  # g_tot that a verdict needs


@dataclass(frozen=True, eq=False, kw_only=True)
class ChargingCriterion(Result):
    """Conductance of grains to their neighbours, against the charging energy.

    Attributes
    ----------
    conductances : array (N,)
        g_tot of each grain.
    conductance : float
        Their mean: z R_Q/R_N of a uniform network.
    charging_energy : float
        E_C of a grain alone in the host, in kelvin.
    coherent : bool or None
        True: charging does not forbid phases, and verdicts of phase models may be believed as far as this goes. None:
        no verdict; superconductivity of the network is neither found nor excluded.
    reason : str
    """

    conductances: np.ndarray = quantity("g_tot of each grain (N,)", "4e^2/h")
    conductance: float = quantity("its mean", "4e^2/h")
    charging_energy: float = quantity("charging energy of a grain", "K")
    coherent: bool | None = quantity("whether phases may be spoken of")
    reason: str = quantity("why")

    def require_coherent(self) -> None:
        """Raise ValueError, with the reason, unless ``coherent`` is True."""
        if not self.coherent:
            raise ValueError(self.reason)


def charging_criterion(
    network: Network, resistances: Any, *, diameter_nm: float = 20.0, permittivity: float = 20.0
) -> ChargingCriterion:
    r"""Return g_tot of each grain, the charging energy, and whether phases of the network may be spoken of.

    .. math:: g_i = \sum_{b \ni i} \frac{h}{4 e^2 R_b}, \qquad E_C = \frac{e^2}{8 \pi \epsilon_0 \epsilon r}

    Coherent where grains with g >= 1 are bonded to each other around the period, along every axis along which the
    network is.

    Parameters
    ----------
    network : Network
        Who is bonded to whom; its couplings do not enter.
    resistances : float or array (B,)
        Normal resistance of each bond in ohm, > 0; infinity is an open contact.
    diameter_nm : float
        Of a grain.
    permittivity : float
        Of the host, relative.

    Returns
    -------
    ChargingCriterion
        ``coherent`` is True or None, never a verdict against.

    Raises
    ------
    TypeError, ValueError
        If an argument is of the wrong type or out of range.

    References
    ----------
    K. B. Efetov, A. Tschersich, Europhys. Lett. 59, 114 (2002); I. S. Beloborodov, A. V. Lopatin, V. M. Vinokur, K. B.
    Efetov, Rev. Mod. Phys. 79, 469 (2007).

    Examples
    --------
    >>> from bdg.granular import Network, charging_criterion
    >>> network = Network.cubic(3)
    >>> answer = charging_criterion(network, [1e3] * len(network.pairs))
    >>> print(answer.coherent, round(answer.conductance, 1), round(answer.charging_energy))  # energy in K
    True 38.7 42
    """
    require_network("network", network)
    values = real_array("resistances", resistances)
    values = np.broadcast_to(values, len(network.pairs)) if values.ndim == 0 else values
    ohms = require_bond_values("resistances", values, len(network.pairs), " (ohm)")
    if not (ohms > 0).all():
        raise ValueError("resistances must be > 0 (ohm); got 0. Give grains that a short joins one number")
    radius = 0.5e-9 * positive_number("diameter_nm", diameter_nm, "nm")
    capacitance = 4 * math.pi * scipy.constants.epsilon_0 * positive_number("permittivity", permittivity) * radius
    energy = scipy.constants.e**2 / (2 * capacitance) / scipy.constants.k
    bonds = np.where(network.pairs[:, :1] == network.pairs[:, 1:], 0.0, PAIR_RESISTANCE_QUANTUM_OHM / ohms[:, None])
    grains = np.bincount(network.pairs.ravel(), np.repeat(bonds.min(axis=1), 2), network.n_sites)
    open_grains = grains >= LEAST
    phases = open_grains[network.pairs].all(axis=1) & np.isfinite(ohms)
    conducting = _percolates(network, np.isfinite(ohms))
    around = _percolates(network, phases)
    coherent = True if conducting.any() and around[conducting].all() else None
    mean = float(grains.mean())
    share = float(open_grains.mean())
    verdict = (
        "charging does not forbid coherent phases"
        if coherent
        else "no verdict on superconductivity: phases alone do not describe such grains"
    )
    return ChargingCriterion(
        conductances=grains,
        conductance=mean,
        charging_energy=float(energy),
        coherent=coherent,
        reason=(
            f"{verdict} (g_tot = {mean:.3g} in units of 4e^2/h, {share:.0%} of the grains at or above 1, which "
            f"{'percolate' if coherent else 'do not percolate'}; E_C = {energy:.3g} K)"
        ),
        evidence=Evidence(method="conductances", why="the only one", least_conductance=LEAST),
    )


def _percolates(network: Network, kept: np.ndarray) -> np.ndarray:
    return Network(
        network.pairs, kept.astype(float), network.displacements, n_sites=network.n_sites, volume=network.volume
    ).percolates
