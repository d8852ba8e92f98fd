"""Bound states and pair amplitude of a granular composite, beside SciPy's plain routes to the same numbers."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
from scipy.sparse.linalg import eigsh

import bdg
from bdg.lattices.composites import grain_composite

SIZE, STATES = 20, 32
TEMPERATURE, COLUMNS = 0.05, 100  # in t; columns (sites) of the pair amplitude
DENSE_SIZE = 10  # sites an axis for the comparison with a full diagonalisation


def box(size: int) -> bdg.System:
    """Return grains of 7 sites diameter, 8 % of the volume, in a host with disorder of width 2 t."""
    return grain_composite((size,) * 3, 1, volume_fraction=0.08, diameter=7, mu=-1, delta=0.3, disorder=2, seed=1)


def lines() -> Iterator[str]:
    """Yield one line a comparison, each as soon as it is measured."""
    yield _bound_states(box(SIZE))
    yield _pair_amplitude(box(SIZE))
    yield _against_dense(box(DENSE_SIZE))


def _bound_states(system: bdg.System) -> str:
    ours, found = _timed(lambda: bdg.bound_states(system, STATES, device="cpu"))
    matrix = bdg.BdGHamiltonian(system).matrix.tocsc()
    theirs, (energies, _) = _timed(lambda: eigsh(matrix, STATES, sigma=0))
    difference = abs(np.sort(energies) - np.sort(found.energies)).max()
    proof = "proven complete" if found.complete else "NOT proven complete"
    return (
        f"bound states: {STATES} lowest, {proof}, {ours:.2f} s; scipy eigsh(sigma=0), no proof, {theirs:.2f} s: "
        f"ratio {theirs / ours:.2f}; largest difference {difference:.1g} t"
    )


def _pair_amplitude(system: bdg.System) -> str:
    sites = np.linspace(0, system.n_sites - 1, COLUMNS).astype(int)
    texts = []
    for tol in (1e-6, 1e-4):
        start = time.perf_counter()
        found = bdg.pair_amplitude(system, TEMPERATURE, sites=sites, method="chebyshev", tol=tol, device="cpu")
        milliseconds = 1e3 * (time.perf_counter() - start) / COLUMNS
        texts.append(f"tol {tol:g} {milliseconds:.1f} ms a site (degree {found.evidence.degree})")
    return f"pair amplitude: T = {TEMPERATURE} t, {COLUMNS} sites: {', '.join(texts)}"


def _against_dense(system: bdg.System) -> str:
    ours, one = _timed(lambda: bdg.pair_amplitude(system, TEMPERATURE, method="chebyshev", tol=1e-6, device="cpu"))
    theirs, other = _timed(lambda: bdg.pair_amplitude(system, TEMPERATURE, method="dense", device="cpu"))
    difference = abs(one.values - other.values).max()
    return (
        f"pair amplitude: all {system.n_sites} sites of a {DENSE_SIZE}^3 box, Chebyshev {ours:.2f} s, full "
        f"diagonalisation {theirs:.2f} s: ratio {theirs / ours:.2f}; largest difference {difference:.1g}"
    )


def _timed(function: Callable[[], Any]) -> tuple[float, Any]:
    start = time.perf_counter()
    result = function()
    return time.perf_counter() - start, result
