r"""The bound state of a classical spin in a superconducting chain, through norbs = 2.

With +J sigma_z on one site the sector (c_up, c_dn^+) has its level at ``J (Delta - E) = kappa sqrt(kappa^2 + 4 t^2)``,
``kappa^2 = Delta^2 - E^2``; Shiba's formula ``E = Delta (alpha^2 - 1)/(alpha^2 + 1)``, ``alpha = J/2t``, is its limit
Delta << t. The other spin has -E, so both signs appear and |E| is compared.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import scipy.sparse as sp
from scipy.optimize import brentq

import bdg
from bdg.lattices import Layer
from bdg.validation.row import Check, Comparison, compare

SITES, MIDDLE, DELTA = 1001, 500, 0.1
# J: E of the exact equation, as recorded
SPINS = {
    0.5: -0.0882414181,
    1.0: -0.0600510856,
    1.5: -0.0281059437,
    2.0: -0.0001248438,
    2.5: 0.0218380219,
    4.0: 0.0599487672,
}


def compare_all(slow: bool) -> Iterator[Comparison]:
    """Yield |E| against the exact equation and Shiba's formula for each J, and the spin of the level at E > 0."""
    chain = bdg.lattices.stack([Layer(SITES, delta=DELTA)])
    both_spins = sp.kron(chain.hamiltonian, sp.identity(2))
    system = bdg.lattices.from_hamiltonian(both_spins, chain.positions, norbs=2, delta=DELTA)
    worst, up = 0.0, []
    for exchange, recorded in SPINS.items():
        exact, shiba = exact_level(exchange), shiba_level(exchange)
        worst = max(worst, abs(exact - recorded))
        spin = np.zeros((SITES, 2, 2))
        spin[MIDDLE] = exchange * np.diag([1.0, -1.0])
        found = bdg.bound_states(system.with_onsite(spin), 2)
        lowest = abs(found.energies).max()
        yield compare(f"J = {exchange:g} t: |E|/t, exact equation", lowest, abs(exact), 1e-9, "sparse solver", "E")
        reason = "(Delta/2t)^2 Delta: the formula's order of Delta/t"
        yield compare(
            f"J = {exchange:g} t: |E|/t, Shiba's formula", lowest, abs(shiba), (DELTA / 2) ** 2 * DELTA, reason, "A"
        )
        if abs(exact) > 1e-2:  # else the two levels are too close to tell them apart
            positive = found.energies > 0
            up.append(float((abs(found.u[:, 0, positive]) ** 2).sum() + (abs(found.v[:, 0, positive]) ** 2).sum()))
    yield compare("exact equation against its recorded digits", worst, 0.0, 1e-10, "10 digits recorded", "E")
    # the level of the sector (c_up, c_dn^+), the first component of electron and hole, is positive beyond J = 2t only
    wanted = [float(exact_level(exchange) > 0) for exchange in SPINS if abs(exact_level(exchange)) > 1e-2]
    yield compare(
        "weight of the spin-up sector in the level at E > 0", up, wanted, 1e-9, "exact: sectors decouple", "E"
    )


def exact_level(exchange: float) -> float:
    """Return E of J (Delta - E) = kappa sqrt(kappa^2 + 4)."""

    def excess(energy: float) -> float:
        kappa = np.sqrt(DELTA**2 - energy**2)
        return exchange * (DELTA - energy) - kappa * np.sqrt(kappa**2 + 4)

    edge = DELTA * (1 - 1e-9)
    return float(brentq(excess, -edge, edge, xtol=1e-16))


def shiba_level(exchange: float) -> float:
    """Return Delta (alpha^2 - 1)/(alpha^2 + 1), alpha = J/2."""
    alpha = exchange / 2
    return DELTA * (alpha**2 - 1) / (alpha**2 + 1)


CHECK = Check(
    identifier="O11",
    title="Classical spin: bound state inside the gap, through norbs = 2",
    source="Yu 1965, Shiba 1968, Rusinov 1969",
    compare=compare_all,
)
