"""Row 10: two steps of R(T), zero resistance below the second one, which is sharp.

Grains couple as short tunnel junctions whose resistances are those of a homogeneous host of the measured resistivity
(Voronoi faces): narrow couplings. Single bonds slip thermally above the temperature at which all phases lock; below it
R is 0. In the motion of all phases together (`bdg.granular.network_resistance`, kept in `MOTION`, of which one
temperature is computed again) R/R_N rises from .1 at 17 K, 1.5 K below the locking, to .9 at 23.7 K: a step of all
phases, but not a sharp one. Broad couplings, those of the BdG table, do the same at 3.6 to 5.9 K (`BROAD_MOTION`).
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from bdg.condensate.bcs import gap_ratio
from bdg.granular import (
    CompositeNetworks,
    CouplingTable,
    Network,
    activated_resistance,
    josephson_energy,
    locking_temperature,
    network_resistance,
    two_step_temperature,
)
from bdg.lattices import pack_spheres
from bdg.lattices.units import KB_MEV_PER_K
from bdg.validation.experiments import COMPOSITE
from bdg.validation.row import Check, Comparison, Curve, compare, within

FRACTION, DIAMETER_NM, GRAINS, CRITICAL_K = 0.06, 20.0, 150, 37.0
RESISTIVITY_OHM_M, GAP_MEV = 3e-4, 2.6
PAPER_K, NARROW_K = 19.0, 5.0
# R/R_N in the motion of all phases, 150 grains, 32 replicas at a bias of .1: kelvin, value, standard error; the narrow
# couplings lock at 18.5 K (14 CPU s), those of the BdG table with the conductances of that host at 3.84 K (30 CPU s)
MOTION = (
    (14.0, 16.0, 17.0, 18.0, 19.0, 20.0, 22.0, 25.0, 30.0),
    (0.001, 0.002, 0.100, 0.434, 0.591, 0.720, 0.861, 0.930, 0.996),
    (0.002, 0.004, 0.017, 0.014, 0.015, 0.012, 0.010, 0.009, 0.005),
)
BROAD_MOTION = (
    (3.07, 3.33, 3.58, 3.84, 3.96, 4.32, 4.92, 5.76, 6.84, 8.15, 9.71, 11.51),
    (0.009, -0.013, 0.073, 0.341, 0.409, 0.602, 0.829, 0.885, 0.974, 0.914, 0.956, 1.014),
    (0.006, 0.007, 0.023, 0.029, 0.029, 0.027, 0.029, 0.029, 0.028, 0.028, 0.026, 0.028),
)
AGAIN_K = 19.0  # computed again


def narrow() -> tuple[Network, np.ndarray]:
    """Return the conductances of the host between grains, in S, and their network."""
    edge = DIAMETER_NM * (np.pi * GRAINS / (6 * FRACTION)) ** (1 / 3)
    packing = pack_spheres((edge,) * 3, volume_fraction=FRACTION, diameter=DIAMETER_NM, seed=0)
    host = Network.voronoi(packing, 1 / RESISTIVITY_OHM_M)
    return host, 1e-9 * host.couplings


def narrow_at(host: Network, conductances: np.ndarray, temperature_K: float) -> Network:
    """Return the network of couplings in kelvin."""
    gap = GAP_MEV * float(gap_ratio(temperature_K / CRITICAL_K))
    unit = josephson_energy(1.0, gap, temperature_K) / KB_MEV_PER_K  # of 1 ohm; E_J goes as the conductance
    return host.with_couplings(unit * conductances)


def single_bonds(temperatures_K: np.ndarray) -> np.ndarray:
    """Return R/R_N where bonds of short junctions slip one by one, 0 where all phases lock."""
    host, conductances = narrow()
    locked = locking_temperature(lambda t: narrow_at(host, conductances, t), tol=0.02, between=(2.0, 36.0), seed=0)
    sorted_K, place = np.unique(np.minimum(temperatures_K, 36.9), return_inverse=True)  # no coupling beyond
    found = activated_resistance(
        lambda t: narrow_at(host, conductances, t),
        sorted_K,
        conductances=conductances,
        locking_temperature=locked.temperature,
    )
    return np.asarray(found[place])


def in_motion(temperatures_K: np.ndarray) -> np.ndarray:
    """Return R/R_N of all phases in motion together, between the temperatures of `MOTION`."""
    return np.interp(temperatures_K, [*MOTION[0], CRITICAL_K], [*MOTION[1], 1.0])


def between_tenths(temperatures: object, ratio: object) -> float:
    """Return from where R/R_N is last .1 to where it first is .9, in kelvin, straight lines between the points."""
    at, values = np.asarray(temperatures, dtype=float), np.asarray(ratio, dtype=float)
    first, last = int(np.argmax(values >= 0.9)), int(np.flatnonzero(values <= 0.1)[-1])
    low = np.interp(0.1, values[last : last + 2], at[last : last + 2])
    return float(np.interp(0.9, values[first - 1 : first + 1], at[first - 1 : first + 1]) - low)


def compare_all(slow: bool) -> Iterator[Comparison]:
    """Yield the second step of narrow couplings and of those of the BdG table."""
    host, conductances = narrow()
    locked = locking_temperature(lambda t: narrow_at(host, conductances, t), tol=0.02, between=(2.0, 36.0), seed=0)
    temperatures = np.linspace(6.0, 36.0, 61)
    ratio = activated_resistance(
        lambda t: narrow_at(host, conductances, t),
        temperatures,
        conductances=conductances,
        locking_temperature=locked.temperature,
    )
    step = two_step_temperature(temperatures, ratio)
    below = ratio[temperatures <= locked.temperature]
    yield within("largest R/R_N below T_lock, short junctions of .03 ohm cm", below.max(), 0, 0, "phases locked", "Q")
    yield within("smallest step of R(T) on warming", np.diff(ratio).min(), 0, 1, "monotonic", "Q")
    what = "T_c2 in K: phases lock, and crossing of the straight parts of R(T)"
    both = (locked.temperature, step.temperature)
    yield within(what, both, PAPER_K / 1.5, PAPER_K * 1.5, "factor 1.5 of the paper's 19 K", "Q")
    again = network_resistance(
        lambda t: narrow_at(host, conductances, t), [AGAIN_K], conductances=conductances, tol=0.03, seed=1
    )
    place = MOTION[0].index(AGAIN_K)
    what = "R/R_N at 19 K, all phases moving together, computed again"
    allowed = 4 * float(np.hypot(again.error[0], MOTION[2][place]))
    yield compare(what, float(again.resistance[0]), MOTION[1][place], allowed, "4 standard errors of both", "S")
    for name, motion in (("short junctions", MOTION), ("BdG couplings", BROAD_MOTION)):
        width = between_tenths(*motion[:2])
        what = f"from R/R_N = .1 to .9 in K, all phases moving together, {name}"
        told = "sharp in the paper, wider here" if width > NARROW_K else "but at 4 to 6 K, not 19 K"
        yield within(what, width, 0, NARROW_K, told, "X" if width > NARROW_K else "Q")
    networks = CompositeNetworks.of_grains(
        CouplingTable.load(),
        volume_fraction=FRACTION,
        diameter_nm=DIAMETER_NM,
        grains=GRAINS,
        samples=1,
        cutoff_nm=40.0,
        seed=0,
        extrapolate=True,
    )
    cold = np.linspace(0.5, 12.0, 47)
    broad = activated_resistance(lambda t: networks.at(t)[0], cold)
    width = between_tenths(cold, broad)
    what = "from R/R_N = .1 to .9 in K, BdG couplings, single bonds"
    yield within(what, width, 0, NARROW_K, "but at 2 to 4 K, not 19 K", "Q")


CURVES = tuple(
    Curve(quantity="R/R(45 K)", x="temperature", x_unit="K", y_unit="1", range=(16.0, 45.0), values=values, model=model)
    for model, values in {"single bonds": single_bonds, "all phases in motion": in_motion}.items()
)
CHECK = Check(identifier="row 10", title="Two steps of R(T)", source=COMPOSITE, compare=compare_all, curves=CURVES)
