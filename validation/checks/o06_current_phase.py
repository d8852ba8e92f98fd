r"""Current against phase of two superconducting chains, by current_phase, beside exact sums for semi-infinite ones.

The reference (`bdg.validation.reference.weak_link`) knows no finite matrix. Short junctions tend to
``I = (e Delta/2 hbar) tau sin(phi) tanh(E/2T)/sqrt(1 - tau sin^2(phi/2))``, with a correction that falls a little
slower than Delta/t: levels above the gap carry current, too.
"""

from __future__ import annotations

import warnings
from collections.abc import Iterator

import numpy as np

import bdg
from bdg.lattices import Layer, stack
from bdg.validation.reference.weak_link import critical_current, link_current, short_junction_current, site_current
from bdg.validation.row import Check, Comparison, compare

SITES, DELTA = 200, 0.1
PHASES = np.pi * np.array([0.5, 0.8, 0.95])
# hopping of the link, T: I at these phases, as recorded
LINKS = {
    (0.6, 0.03): (0.03663958, 0.02565725, 0.00714374),
    (0.2, 0.001): (0.00610736, 0.00370989, 0.00099482),
    (1.0, 0.03): (0.05582167, 0.04332926, 0.01248122),
    (1.0, 0.001): (0.06800151, 0.09222546, 0.08345941),
}
CORRECTIONS = {  # Z: exact/formula - 1 at phi = pi/2, T = 0, mu = 0 for each Delta, as recorded
    0.0: {0.02: -0.0425, 0.002: -0.0063, 0.0002: -0.00084},
    2.5: {0.02: -0.0618, 0.002: -0.0090, 0.0002: -0.00118},
}
COLD = 0.01  # T/Delta that stands for zero: exp(-1/0.02) where the gap is that of tau <= 1 at pi/2
PRODUCTS = {
    0.0: 3.13541,
    0.5: 2.16306,
    2.5: 1.62103,
    8.0: 1.56889,
}  # Z: e I_c R_n/Delta, Delta = 0.001, T/Delta = 0.005


def compare_all(slow: bool) -> Iterator[Comparison]:
    """Yield weak links, both forms, and the limits of short junctions."""
    for (hopping, temperature), recorded in LINKS.items():
        exact = [link_current(hopping, 0.0, DELTA, phase, temperature) for phase in PHASES]
        where = f"t' {hopping:g}, T {temperature:g}: I at 0.5, 0.8, 0.95 pi"
        found = _current(_chains(hopping), PHASES, temperature)
        yield compare(where, found.current, exact, 5e-9, f"{SITES} sites of S: 2e-9 at 0.95 pi", "E")
        reason = "the record deviates from both exact routes by up to this"
        yield compare(f"{where}, recorded", found.current, recorded, 2e-6, reason, "E")
    yield from _other_routes()
    yield from _limits()
    for z, recorded_product in PRODUCTS.items():
        value = np.pi * critical_current(2 * z, 0.0, 1e-3, 5e-6) * (1 + z * z) / 1e-3
        yield compare(f"Z {z:g}, exact: e I_c R_n/Delta", value, recorded_product, 1e-4, "6 digits recorded", "E")


def _chains(hopping: float, norbs: int = 1) -> bdg.System:
    """Return two chains at mu = 0 with this hopping between them."""
    size = 2 * SITES
    h = -(np.eye(size, k=1) + np.eye(size, k=-1))
    h[SITES - 1, SITES] = h[SITES, SITES - 1] = -hopping
    grain = np.repeat([0, 1], SITES)
    return bdg.lattices.from_hamiltonian(
        np.kron(h, np.eye(norbs)), np.arange(size)[:, None], norbs=norbs, delta=DELTA, grain=grain
    )


def _current(system: bdg.System, phases: np.ndarray, temperature: float) -> bdg.CurrentPhase:
    with warnings.catch_warnings():  # an imposed Delta does not conserve charge: that is not the question here
        warnings.simplefilter("ignore", bdg.ConservationWarning)
        return bdg.current_phase(system, phases, temperature, method="poles", tol=1e-12)


def _other_routes() -> Iterator[Comparison]:
    """Yield the bond current inside the link, the form with both spins, and the derivative of F."""
    hopping, temperature = 0.6, 0.03
    exact = link_current(hopping, 0.0, DELTA, PHASES[1], temperature)
    system = _chains(hopping).with_phases({1: PHASES[1]})
    bonds = bdg.bond_currents(system, temperature, method="dense")
    (link,) = np.flatnonzero((bonds.bonds == [SITES - 1, SITES]).all(axis=1))
    where = "t' 0.6, T 0.03, 0.8 pi"
    yield compare(f"{where}: bond current of the link, dense", bonds.currents[link], exact, 1e-9, "rounding", "E")
    spins = _current(_chains(hopping, norbs=2), PHASES[1:2], temperature)
    yield compare(f"{where}: norbs = 2", spins.current, exact, 1e-9, "rounding", "E")
    step = 0.02
    curve = _current(_chains(hopping), PHASES[1] + step * np.array([-2, -1, 1, 2]), temperature)
    slope = 2 * curve.free_energy @ np.array([1, -8, 8, -1]) / (12 * step)
    yield compare(f"{where}: 2 dF/dphi by five points", slope, exact, 1e-8, "step 0.02: fourth order", "E")


def _limits() -> Iterator[Comparison]:
    """Yield one normal site with a barrier: the package at Delta = 0.02, the exact sum down to 0.0002."""
    for z, recorded in CORRECTIONS.items():
        tau = np.array([1 / (1 + z * z)])
        for delta, correction in recorded.items():
            temperature = COLD * delta
            formula = delta * short_junction_current(tau, np.pi / 2, COLD)
            exact = site_current(2 * z, 0.0, delta, np.pi / 2, temperature)
            where = f"Z {z:g}, Delta {delta:g}, phi 0.5 pi: I/formula - 1"
            digit = 5e-5 if delta > 0.001 else 5e-6
            yield compare(f"{where}, exact", exact / formula - 1, correction, digit, "digits recorded", "E")
            if delta == 0.02:
                layers = [Layer(1000, delta=delta), Layer(1, onsite=2 * z), Layer(1000, delta=delta)]
                found = _current(stack(layers), PHASES[:1], temperature).current[0]
                yield compare(
                    f"{where}, package", found / formula - 1, exact / formula - 1, 1e-6, "S of 1000 sites", "E"
                )
                yield compare(f"{where}, package and formula", found / formula, 1.0, 0.1, "Delta/t ln(t/Delta)", "A")
            if delta == 0.0002:
                yield compare(f"{where}, formula", exact / formula - 1, 0.0, 2e-3, "Delta/t ln(t/Delta)", "A")


CHECK = Check(
    identifier="O6",
    title="Current-phase relation of weak links and short junctions",
    source="Kulik and Omelyanchuk 1977; Ambegaokar and Baratoff 1963",
    compare=compare_all,
)
