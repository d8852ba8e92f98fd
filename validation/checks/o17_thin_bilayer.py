r"""A thin clean bilayer has the gap of its subbands: ``w_j Delta``, the weight of the mode in the superconductor.

.. math:: w_j = \frac{2}{n+1} \sum_{z \le n_S} \sin^2 \frac{\pi j z}{n+1}, \qquad n = n_S + n_N

It is not n_S/n for every subband. The Fermi level is put into subband j at one in-plane momentum, and the smallest |E|
near there is the gap.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from scipy.optimize import minimize_scalar

import bdg
from bdg.lattices import Layer
from bdg.validation.row import Check, Comparison, compare

# superconducting and normal layers, in-plane sites (periodic), levels/Delta recorded at Delta = 0.01, xi_j = 0
BILAYERS = (
    (4, 3, (4, 4), (0.624918, 0.499876, 0.624966, 0.499950)),
    (3, 5, (), None),
)
DELTAS = (0.01, 0.001)


def compare_all(slow: bool) -> Iterator[Comparison]:
    """Yield the gaps of all subbands at two Delta, and how fast they approach the limit."""
    for superconducting, normal, cross_section, recorded in BILAYERS:
        weights = mode_weights(superconducting, normal)
        where = f"{superconducting} S + {normal} N, {'3-D' if cross_section else '1-D'}"
        found = {}
        for delta in DELTAS:
            subbands = range(1, superconducting + normal + 1)
            found[delta] = [_gap(superconducting, normal, cross_section, delta, j) / delta for j in subbands]
            yield compare(
                f"{where}, Delta {delta:g}: gap/Delta of all subbands",
                found[delta],
                weights,
                2 * delta**2,
                "second order in Delta over the spacing of subbands",
                "A",
            )
        ratio = abs(np.array(found[DELTAS[1]]) - weights).max() / abs(np.array(found[DELTAS[0]]) - weights).max()
        yield compare(f"{where}: deviation, Delta ten times smaller", ratio, 0.01, 0.003, "quadratic in Delta", "A")
        if recorded is not None:
            delta = DELTAS[0]
            levels = [
                _lowest(superconducting, normal, cross_section, delta, j, 0.0) / delta
                for j in range(1, len(recorded) + 1)
            ]
            yield compare(
                f"{where}: levels/Delta recorded at xi_j = 0", levels, recorded, 1e-6, "6 digits recorded", "E"
            )


def mode_weights(superconducting: int, normal: int) -> np.ndarray:
    """Return w_j of all subbands."""
    layers = superconducting + normal
    z, j = np.arange(1, superconducting + 1), np.arange(1, layers + 1)
    return 2 / (layers + 1) * (np.sin(np.pi * np.outer(j, z) / (layers + 1)) ** 2).sum(axis=1)


def _gap(superconducting: int, normal: int, cross_section: tuple[int, ...], delta: float, subband: int) -> float:
    """Return the smallest |E| near the Fermi level of subband j at zero in-plane momentum."""
    arguments = (superconducting, normal, cross_section, delta, subband)
    # other subbands are hundreds of Delta away: in this range E has one minimum
    found = minimize_scalar(
        lambda shift: _lowest(*arguments, shift), bounds=(-0.5, 0.5), method="bounded", options={"xatol": 1e-5}
    )
    return float(found.fun)


def _lowest(
    superconducting: int, normal: int, cross_section: tuple[int, ...], delta: float, subband: int, shift: float
) -> float:
    """Return min|E| with the Fermi level ``shift`` x Delta above subband j of the bilayer without pairing."""
    energy = -2 * np.cos(np.pi * subband / (superconducting + normal + 1)) - 2 * len(cross_section)
    layers = [Layer(superconducting, delta=delta), Layer(normal)]
    system = bdg.lattices.stack(layers, cross_section, mu=energy + shift * delta, periodic=bool(cross_section))
    return float(abs(bdg.bound_states(system, 2, method="dense").energies).min())


CHECK = Check(
    identifier="O17",
    title="Thin clean bilayer: each subband has the gap of its weight in the superconductor",
    source="de Gennes 1964",
    compare=compare_all,
)
