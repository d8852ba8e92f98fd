r"""A uniform gap survives disorder that spares the spin: ``E_n = sqrt(e_n^2 + Delta^2)`` for any real h.

Magnetic disorder is the counter-test: levels fall below Delta. Its reference is a Hamiltonian of one spin sector
(c_up, c_dn^+), written out here, whose diagonalisation shares nothing with the package.

Self-consistently the theorem holds for a Delta that is kept uniform: its Tc follows from the density of states alone.
The gap equation of each site raises Tc further, because Delta follows the wave functions.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

import bdg
from bdg.lattices.builders.grid import assemble_grid, grid_positions
from bdg.validation.reference.torus import torus
from bdg.validation.reference.uniform import critical_temperature_of_levels, infinite_critical_temperature
from bdg.validation.row import Check, Comparison, compare

SIZE, MU, DELTA = 16, -0.5, 0.3
WIDTHS = (1, 2, 4)
SEED = 1
ROUNDING = "rounding: 4e-14 observed"
SHIFTED = 2  # the width that goes through the sparse solver, too
GAP_SIZE, GAP_MU, ATTRACTION, GAP_WIDTH = 32, -1.0, 1.8, 2.5
GAP_SEEDS = (900, 901, 902, 903)
RECORDED_TC, RECORDED_CLEAN = 0.08375, 0.08738  # averaged density of states; clean infinite lattice
PROBE = 1e-4  # uniform Delta of the linear response, in units of T
PROBED = 4  # samples whose response is computed


def compare_all(slow: bool) -> Iterator[Comparison]:
    """Yield the disordered spectra, dense and sparse, and the magnetic counter-test."""
    h, positions = torus(SIZE, MU)
    rng = np.random.default_rng(SEED)
    for width in WIDTHS:
        disordered = h + np.diag(width * (rng.random(SIZE**2) - 0.5))
        system = bdg.lattices.from_hamiltonian(disordered, positions, delta=DELTA, period=(SIZE, SIZE))
        expected = np.sqrt(np.linalg.eigvalsh(disordered) ** 2 + DELTA**2)
        yield _levels(f"disorder of width {width} t, dense", system, expected, 2 * SIZE**2, "dense")
        if width == SHIFTED:
            yield _levels("16 lowest, shift-invert", system, expected, 16, "shift_invert")
    exchange = rng.random(SIZE**2) - 0.5
    yield _magnetic(h, positions, exchange)
    yield from _self_consistent(slow)


def _self_consistent(slow: bool) -> Iterator[Comparison]:
    """Yield Tc of a uniform Delta in four disordered samples, and how far the local gap equation lies above."""
    shape = (GAP_SIZE,) * 2
    levels, systems = [], []
    for seed in GAP_SEEDS:
        onsite = -GAP_MU + GAP_WIDTH * (np.random.default_rng(seed).random(GAP_SIZE**2) - 0.5)
        h = assemble_grid(shape, onsite, [-np.ones(shape)] * 2, (True, True))
        levels.append(np.linalg.eigvalsh(h.toarray()))
        period = (float(GAP_SIZE),) * 2
        systems.append(
            bdg.lattices.from_hamiltonian(
                h, grid_positions(shape, 1.0), attraction=ATTRACTION, grain=np.zeros(GAP_SIZE**2, int), period=period
            )
        )
    averaged = critical_temperature_of_levels(np.concatenate(levels), ATTRACTION)
    yield compare("Tc from the averaged density of states, recorded", averaged, RECORDED_TC, 5e-6, "4 digits", "E")
    clean = infinite_critical_temperature(GAP_MU, ATTRACTION)
    yield compare("Tc of the clean lattice, recorded", clean, RECORDED_CLEAN, 5e-6, "4 digits", "E")
    response = []
    for system, sample in zip(systems[:PROBED], levels[:PROBED], strict=True):
        temperature = critical_temperature_of_levels(sample, ATTRACTION)
        delta = PROBE * temperature
        amplitude = bdg.pair_amplitude(system.with_delta(delta), temperature, method="poles", tol=1e-9).values
        response.append(ATTRACTION * float(amplitude.real.mean()) / delta)
    yield compare(
        "U <F>/Delta of a uniform Delta at each sample's Tc", response, [1.0] * len(response), 1e-6, "PROBE^2, tol", "E"
    )
    if slow:
        local = [bdg.critical_temperature(system).temperature for system in systems]
        yield compare("Tc of the local gap equation, mean over samples", np.mean(local), averaged, 0.0, "higher", "R")


def _levels(quantity: str, system: bdg.System, expected: np.ndarray, k: int, method: str) -> Comparison:
    found = bdg.bound_states(system, k, method=method)
    wanted = np.sort(np.concatenate([expected, -expected]))
    lowest = wanted[np.argsort(abs(wanted), kind="stable")[:k]]
    deviation = abs(np.sort(found.energies) - np.sort(lowest)).max()
    return compare(f"{quantity}: |E - sqrt(e^2 + Delta^2)|/t", deviation, 0.0, 1e-10, ROUNDING, "E")


def _magnetic(h: np.ndarray, positions: np.ndarray, exchange: np.ndarray) -> Comparison:
    """Return the lowest |E| with -J_i sigma_z on every site, J in [-0.5, 0.5], through norbs = 2."""
    spins = np.kron(h, np.eye(2)) - np.kron(np.diag(exchange), np.diag([1.0, -1.0]))
    system = bdg.lattices.from_hamiltonian(spins, positions, norbs=2, delta=DELTA, period=(SIZE, SIZE))
    lowest = abs(bdg.bound_states(system, 2).energies).min()
    pairing, field = DELTA * np.eye(SIZE**2), np.diag(exchange)
    sector = np.block([[h - field, pairing], [pairing, -h - field]])  # spin up and the hole of spin down
    expected = abs(np.linalg.eigvalsh(sector)).min()
    return compare(
        f"magnetic disorder: min|E|/t, well below Delta = {DELTA}", lowest, expected, 1e-9, "sparse solver", "E"
    )


CHECK = Check(
    identifier="O3",
    title="Anderson's theorem: disorder that spares the spin leaves E_n = sqrt(e_n^2 + Delta^2)",
    source="Anderson 1959",
    compare=compare_all,
)
