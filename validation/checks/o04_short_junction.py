r"""The Andreev level of a short junction, ``E = Delta sqrt(1 - tau sin^2(phi/2))``.

Chain and strip are compared with the exact levels between semi-infinite superconductors
(`bdg.validation.reference.junction`) and with the formula; the strip's transmissions come from its Green function in
the normal state. Digits of other calculations (transfer matrix; kwant's scattering matrix) guard these references.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

import bdg
from bdg.lattices import Layer
from bdg.validation.reference.junction import Junction
from bdg.validation.reference.strip import transmissions
from bdg.validation.row import Check, Comparison, compare

PHASES = (np.pi / 2, np.pi)
# mu, Delta, barrier on the one normal site, E/Delta at both phases (transfer matrix)
CHAINS: tuple[tuple[float, float, float, tuple[float, float]], ...] = (
    (0, 0.02, 0, (0.7020716, 0.0)),
    (0, 0.02, 1, (0.7713115, 0.4471993)),
    (0, 0.01, 1, (0.7729589, 0.4472100)),
    (0, 0.005, 1, (0.7737790, 0.4472127)),
    (0, 0.02, 3, (0.9192078, 0.8320464)),
    (-1, 0.02, 1.5, (0.8436653, 0.6567981)),
)
HALVED = (0.02, 0.01, 0.005)  # gaps at barrier 1: the difference to the formula must halve with each

STRIP_MU, STRIP_PHASES = 0.3, (np.pi, np.pi / 2)
STRIP = np.array([[0.9, -1.2, 0.4, 1.1], [-0.7, 1.3, -0.2, 0.6], [1.0, -0.5, -1.4, 0.8]])  # row = layer
STRIP_TAU = (0.9706592, 0.3017413, 0.2021394, 0.0732673)  # kwant, E = 0
STRIP_LEVELS = {  # (Delta, layers of each superconductor, phase): E/Delta, sparse diagonalisation
    (0.02, 900, np.pi): (0.178319, 0.823004, 0.884092, 0.958797),
    (0.01, 1500, np.pi): (0.174995, 0.829418, 0.888785, 0.960924),
    (0.02, 900, np.pi / 2): (0.696291, 0.911444, 0.940365, 0.978499),
    (0.01, 1500, np.pi / 2): (0.706805, 0.916727, 0.944620, 0.980367),
}


def compare_all(slow: bool) -> Iterator[Comparison]:
    """Yield the rows of the chain, then those of the strip."""
    exact = {
        (mu, delta, barrier): [_exact(mu, delta, barrier, phase) for phase in PHASES]
        for mu, delta, barrier, _ in CHAINS
    }
    yield from _chain(exact)
    deviation = max(abs(np.array(exact[mu, delta, barrier]) - digits).max() for mu, delta, barrier, digits in CHAINS)
    yield compare("exact equation against its recorded digits", deviation, 0.0, 1e-7, "7 digits recorded", "E")
    yield _halving(exact)
    yield from _strip()


def formula(tau: float | np.ndarray, phase: float) -> np.ndarray:
    """Return E/Delta of Beenakker's formula."""
    return np.sqrt(1 - np.asarray(tau) * np.sin(phase / 2) ** 2)


def _chain(exact: dict[tuple[float, float, float], list[float]]) -> Iterator[Comparison]:
    for mu, delta, barrier, _ in CHAINS:
        length = round(20 / delta)  # 1000 sites at Delta = 0.02, the same number of coherence lengths elsewhere
        layers = [Layer(length, delta=delta), Layer(1, onsite=barrier), Layer(length, delta=delta)]
        system = bdg.lattices.stack(layers, mu=mu)
        tau = 1 / (1 + barrier**2 / (4 - mu**2))  # (2 sin k)^2 = 4 - mu^2
        for phase, wanted in zip(PHASES, exact[mu, delta, barrier], strict=True):
            found = abs(bdg.bound_states(system.with_phases({1: phase}), 2).energies).min() / delta
            where = f"tau {tau:.2f}, Delta {delta:g}, mu {mu:g}, phi {phase / np.pi:g} pi: E/Delta"
            deep = wanted < 0.8
            yield compare(
                f"{where}, exact",
                found,
                wanted,
                1e-6 if deep else 1e-4,
                f"superconductors of {length} sites" + ("" if deep else ": E near Delta decays slowly"),
                "E",
            )
            yield compare(
                f"{where}, formula",
                found,
                formula(tau, phase),
                0.3 * delta,
                "0.3 Delta/t: the barrier has a length",
                "A",
            )


def _exact(mu: float, delta: float, barrier: float, phase: float) -> float:
    # a double level at zero (tau = 1, phi = pi) lies just above this lower end, too
    return float(Junction(np.array([barrier]), mu, delta, phase).levels(-1e-9 * delta, delta * (1 - 1e-9))[0] / delta)


def _halving(exact: dict[tuple[float, float, float], list[float]]) -> Comparison:
    errors = [formula(0.8, PHASES[0]) - exact[0, delta, 1][0] for delta in HALVED]
    ratios = [float(later / earlier) for earlier, later in zip(errors, errors[1:], strict=False)]
    return compare(
        "difference to the formula, each time Delta is halved", ratios, [0.5] * len(ratios), 0.05, "10 %: linear", "A"
    )


def _strip() -> Iterator[Comparison]:
    tau = transmissions(STRIP, STRIP_MU)
    yield compare("strip: transmissions, kwant", tau, STRIP_TAU, 1e-7, "7 digits recorded", "E")
    found = {}
    for (delta, length, phase), recorded in STRIP_LEVELS.items():
        if phase not in STRIP_PHASES:
            continue
        found[delta, phase] = _strip_levels(delta, length, phase)
        where = f"strip, Delta {delta:g}, phi {phase / np.pi:g} pi: E/Delta"
        yield compare(f"{where}, recorded", found[delta, phase], recorded, 1e-4, "6 digits recorded", "E")
    for phase in STRIP_PHASES:
        exact = Junction(STRIP, STRIP_MU, 0.02, phase).levels(0.0, 0.02 * (1 - 1e-9)) / 0.02
        where = f"phi {phase / np.pi:g} pi: E/Delta"
        reason = "superconductors of 900 layers: E near Delta decays slowly"
        yield compare(f"strip, Delta 0.02, {where}, exact", found[0.02, phase], exact, 1e-4, reason, "E")
        extrapolated = 2 * found[0.01, phase] - found[0.02, phase]
        reason = "second order in Delta/t, finite superconductors"
        yield compare(f"strip, Delta -> 0, {where}, formula", extrapolated, formula(tau, phase), 1.5e-3, reason, "A")


def _strip_levels(delta: float, length: int, phase: float) -> np.ndarray:
    """Return the four positive levels below the gap of the finite strip, in units of Delta."""
    layers = [Layer(length, delta=delta), Layer(len(STRIP)), Layer(length, delta=delta, phase=phase)]
    system = bdg.lattices.stack(layers, (STRIP.shape[1],), mu=STRIP_MU)
    onsite = np.zeros(system.n_sites)
    onsite[system.grain < 0] = STRIP.ravel()
    energies = bdg.bound_states(system.with_onsite(onsite), 2 * STRIP.shape[1]).energies
    return np.sort(energies[energies > 0]) / delta


CHECK = Check(
    identifier="O4",
    title="Short S/N/S junction: E = Delta sqrt(1 - tau sin^2(phi/2))",
    source="Beenakker 1991",
    compare=compare_all,
)
