r"""Levels of long ballistic junctions, and resonances between barriers inside them.

Without barriers Kulik's quantisation holds, ``-2 arccos(E/Delta) + s phi + 2 E L/(hbar v) = 2 pi n`` with s = +-1 and L
the number of normal sites. With barriers the exact levels between semi-infinite superconductors are the reference.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from scipy.optimize import brentq

import bdg
from bdg.lattices import Layer
from bdg.validation.reference.junction import Junction
from bdg.validation.row import Check, Comparison, compare

BELOW = 0.99  # of Delta: closer levels reach through the finite superconductors
# mu, Delta, normal sites, sites of each superconductor, phase, E/Delta by Kulik's formula
BALLISTIC = (
    (0, 0.05, 200, 400, 0.0, (0.26129, 0.26129, 0.76749, 0.76749)),
    (0, 0.05, 200, 400, 1.0, (0.17831, 0.34394, 0.69014, 0.84221)),
    (0, 0.05, 200, 400, 2.5, (0.05346, 0.46698, 0.57095, 0.94497)),
    (-1, 0.05, 201, 400, 1.0, (0.15732, 0.30371, 0.61239, 0.75172)),
    (0, 0.02, 200, 1000, 2.5, (0.10686, 0.87632)),
)
RESONANT_DELTA, RESONANT_LENGTH, RESONANT_S = 0.05, 200, 400
# normal sites with a barrier, its energy, phase: E/Delta (transfer matrix)
RESONANT = (
    ((60, 140), 1.5, 0.0, (0.248902, 0.336154, 0.644433, 0.887950)),
    ((60, 140), 1.5, 1.0, (0.224751, 0.364084, 0.629821, 0.901311)),
    ((60, 140), 1.5, np.pi, (0.172801, 0.439018, 0.572804, 0.954323)),
    ((50, 150), 3.0, 0.0, (0.192904, 0.411889, 0.526729, 0.962400)),
    ((50, 150), 3.0, 1.0, (0.189084, 0.419695, 0.520783, 0.965005)),
    ((50, 150), 3.0, np.pi, (0.176915, 0.458272, 0.487719, 0.974384)),
    ((30, 90, 150), 1.5, 0.0, (0.226620, 0.399612, 0.665871, 0.886815)),
    ((30, 90, 150), 1.5, 1.0, (0.217884, 0.411720, 0.654765, 0.897101)),
    ((30, 90, 150), 1.5, np.pi, (0.192436, 0.453145, 0.615390, 0.932993)),
)


def compare_all(slow: bool) -> Iterator[Comparison]:
    """Yield the ballistic levels, then the resonances."""
    worst = 0.0
    for mu, delta, length, superconductor, phase, recorded in BALLISTIC:
        wanted = kulik_levels(mu, delta, length, phase)
        worst = max(worst, _distance(wanted, recorded))
        found = _levels(mu, delta, np.zeros(length), superconductor, phase)
        yield compare(
            f"mu {mu:g}, Delta {delta:g}, {length} sites, phi {phase:g}: E/Delta, Kulik",
            found,
            wanted,
            1e-3,
            "(Delta/t)^2, and normal reflection of order Delta/mu",
            "A",
        )
    yield compare("Kulik's formula against its recorded digits", worst, 0.0, 6e-6, "5 digits recorded", "E")
    worst = 0.0
    for sites, energy, phase, recorded in RESONANT:
        onsite = np.zeros(RESONANT_LENGTH)
        onsite[list(sites)] = energy
        exact = Junction(onsite, 0.0, RESONANT_DELTA, phase).levels(0.0, BELOW * RESONANT_DELTA, 1e-9) / RESONANT_DELTA
        worst = max(worst, _distance(exact, recorded))
        yield compare(
            f"{energy:g} t on sites {', '.join(map(str, sites))}, phi {phase / np.pi:.3g} pi: E/Delta, exact",
            _levels(0.0, RESONANT_DELTA, onsite, RESONANT_S, phase),
            exact,
            2e-5,
            f"superconductors of {RESONANT_S} sites",
            "E",
        )
    yield compare("exact levels against their recorded digits", worst, 0.0, 1e-6, "6 digits recorded", "E")


def kulik_levels(mu: float, delta: float, length: int, phase: float) -> np.ndarray:
    """Return all solutions with 0 < E < 0.99 Delta of Kulik's quantisation, in units of Delta."""
    velocity = np.sqrt(4 - mu**2)  # 2 sin k
    energies = []
    for sign in (1, -1):

        def turns(x: float, sign: int = sign) -> float:
            action = -2 * np.arccos(x) + sign * phase + 2 * x * delta * length / velocity
            return float(action / (2 * np.pi))

        # the action grows with E, so that each whole number between its ends is met exactly once
        for n in range(int(np.ceil(turns(0.0))), int(np.floor(turns(BELOW))) + 1):
            energies.append(brentq(lambda x, n=n, turns=turns: turns(x) - n, 0.0, BELOW, xtol=1e-14))
    return np.sort(energies)


def _levels(mu: float, delta: float, onsite: np.ndarray, superconductor: int, phase: float) -> np.ndarray:
    """Return all levels of the finite junction with 0 < E < 0.99 Delta, in units of Delta."""
    outer = Layer(superconductor, delta=delta)
    system = bdg.lattices.stack([outer, Layer(len(onsite)), outer], mu=mu).with_phases([0.0, phase])
    padded = np.zeros(system.n_sites)
    padded[system.grain < 0] = onsite
    found = bdg.bound_states(system.with_onsite(padded), window=(0.0, BELOW * delta))
    return np.sort(found.energies) / delta if found.complete else np.full(1, np.nan)


def _distance(one: np.ndarray, other: tuple[float, ...]) -> float:
    return float(abs(one - other).max()) if len(one) == len(other) else np.inf


CHECK = Check(
    identifier="O5",
    title="Long ballistic S/N/S: Kulik's levels, and resonances between barriers",
    source="Kulik 1970",
    compare=compare_all,
)
