"""Row 19: the exponent n of the irreversibility line H ~ (1 - T_irr/T_c)^n with T_c = 37 K; the paper fits 4.9 and 3.9.

T_irr of open clusters of 512 grains with the couplings of short junctions, zero-field-cooled against field-cooled
(`bdg.granular.magnetisation_cycle`), is kept in `KEPT`. All are below the locking temperature, and 100 and 300 Oe put
too little flux through such a cluster. The paper's own fits imply T_irr(100 Oe) of at least 19.5 and 22.4 K: clusters
that lock above T_c2, so a broad distribution of couplings, at odds with a sharp second step.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from bdg.granular import Network, irreversibility_bound, irreversibility_exponent, magnetisation_cycle
from bdg.lattices import pack_spheres
from bdg.validation.experiments import COMPOSITE
from bdg.validation.experiments.row10_two_steps import FRACTION, narrow_at
from bdg.validation.row import Check, Comparison, compare, within

CRITICAL_K, LOCKING_K = 37.0, 19.2
PAPER, ALLOWED = (4.9, 3.9), 0.5
BOUNDS_K, LOW_OE, HIGH_OE, COLDEST_K = (19.5, 22.4), 100.0, 3000.0, 2.0
# Oe, T_irr in K and its error: 512 grains, 10 samples, 200 sweeps a temperature, 3 standard errors
KEPT = ((600.0, 1200.0, 2500.0, 3000.0), (13.5, 10.5, 7.0, 6.9), (1.2, 1.2, 2.0, 1.9))
SMALL, SAMPLES, FIELD_OE, TEMPERATURES_K = 125, 8, 2500.0, (2.0, 6.0, 12.0, 20.0, 35.0)


def small_cycle() -> tuple[float, float]:
    """Return field-cooled less zero-field-cooled magnetisation of small clusters, cold and hot, in standard errors."""
    edge = 20.0 * (np.pi * SMALL / (6 * FRACTION)) ** (1 / 3)
    packings = [pack_spheres((edge,) * 3, volume_fraction=FRACTION, diameter=20, seed=s) for s in range(SAMPLES)]
    hosts = [Network.voronoi(packing, 1 / 3e-4) for packing in packings]

    def at(temperature: float) -> list[Network]:
        networks = [narrow_at(host, 1e-9 * host.couplings, temperature) for host in hosts]
        return [network.opened(p.centres) for network, p in zip(networks, packings, strict=True)]

    found = magnetisation_cycle(at, FIELD_OE, TEMPERATURES_K, sweeps=60, replicas=4, seed=0)
    pulls = found.difference / found.difference_error
    return float(pulls[0]), float(pulls[-1])


def compare_all(slow: bool) -> Iterator[Comparison]:
    """Yield the exponent, what the paper's exponents imply, and that zero-field-cooled lies below field-cooled."""
    fitted = irreversibility_exponent(*KEPT, CRITICAL_K)
    what = f"n of short junctions with T_c = 37 K, 600 to 3000 Oe (+- {fitted.error:.1f})"
    yield compare(what, [fitted.value] * 2, PAPER, ALLOWED, "one fit, its error of 30 % is that of T_irr", "F")
    bounds = [irreversibility_bound(n, LOW_OE, HIGH_OE, COLDEST_K, CRITICAL_K) for n in PAPER]
    yield compare("T_irr(100 Oe) in K at least, by the paper's n", bounds, BOUNDS_K, 0.1, "closed form, rounded", "E")
    what = "largest T_irr in K of short junctions beside that bound"
    yield within(what, max(KEPT[1]), min(BOUNDS_K), CRITICAL_K, "needs clusters that lock above T_c2", "X")
    cold, hot = small_cycle()
    yield within("field-cooled less zero-field-cooled, 2 K, in errors", cold, 2, np.inf, "diamagnetic when ramped", "S")
    yield within("the same at 35 K", hot, -4, 4, "no memory above the locking", "S")


CHECK = Check(identifier="row 19", title="Irreversibility line", source=COMPOSITE, compare=compare_all)
