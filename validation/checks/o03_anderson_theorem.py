r"""A uniform gap survives disorder that spares the spin: ``E_n = sqrt(e_n^2 + Delta^2)`` for any real h.

Magnetic disorder is the counter-test: levels fall below Delta. Its reference is a Hamiltonian of one spin sector
(c_up, c_dn^+), written out here, whose diagonalisation shares nothing with the package.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

import bdg
from bdg.validation.reference.torus import torus
from bdg.validation.row import Check, Comparison, compare

SIZE, MU, DELTA = 16, -0.5, 0.3
WIDTHS = (1, 2, 4)
SEED = 1
ROUNDING = "rounding: 4e-14 observed"
SHIFTED = 2  # the width that goes through the sparse solver, too


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
