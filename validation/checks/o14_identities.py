r"""Identities of any BdG matrix: levels in pairs +-E, ``Tr H = 0``, ``Tr H^2/2N = Tr h^2/N + Delta^2``.

They are taken of the matrix itself and of the solver's levels, for norbs = 1 and 2, real and complex. The Chebyshev
moments ``mu_n = <T_n(H/6)>`` of the polynomial engine obey theirs: ``mu_0 = 1``, odd ones vanish,
``mu_n = <cos(n arccos E/6)>``; on one site ``mu_1 = h_ii/6`` and ``mu_2 = 2((h^2)_ii + Delta_i^2)/36 - 1``, and odd
moments of electron and hole cancel.

The current obeys ``div J_i = 4 Im(Delta_i* F_i)`` whatever Delta is; in a chain that is self-consistent up to its ends,
where a phase difference is imposed, it is the same on every bond.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

import bdg
from bdg.gpu.chebyshev.local_moments import unit_moments
from bdg.gpu.chebyshev.nambu_operator import NambuOperator
from bdg.gpu.chebyshev.traces import exact_trace
from bdg.gpu.device.backend import select_backend
from bdg.lattices import Layer, grain_composite, stack
from bdg.validation.reference.torus import torus
from bdg.validation.row import Check, Comparison, compare, within

SIZE, MU, DELTA, SEED = 10, -0.5, 0.3, 3
RECORDED = 4.424799766  # Tr H^2/2N
PHASE = 0.7  # of a complex gap: nothing below may notice
SCALE, MOMENTS, SITE = 6.0, 64, 37
LOCAL = (0.123626113, -0.742210946)
CHAIN_T, CHAIN_TOL = 0.05, 1e-9
CHAIN_CURRENT = 0.01647530  # of the self-consistent chain, as recorded
FLUX = 2.0 / SIZE**2  # one flux quantum h/e through the torus
ACROSS = 6  # sites across the disordered junction, either way


def compare_all(slow: bool) -> Iterator[Comparison]:
    """Yield pairs, traces and the particle-hole partner of each form of the Hamiltonian."""
    h, positions = torus(SIZE, MU)
    h = h + np.diag(np.random.default_rng(SEED).random(SIZE**2) - 0.5)
    box = (SIZE, SIZE)
    real = bdg.lattices.from_hamiltonian(h, positions, delta=DELTA, period=box)
    turned = real.with_delta(DELTA * np.exp(1j * PHASE)).with_field(FLUX)
    spins = bdg.lattices.from_hamiltonian(np.kron(h, np.eye(2)), positions, norbs=2, delta=DELTA, period=box)
    expected = float(np.trace(h @ h)) / SIZE**2 + DELTA**2
    for name, system in (("real", real), ("complex, in a field", turned), ("norbs = 2", spins)):
        yield from _identities(name, system, expected)
    yield compare("Tr H^2/2N against its recorded digits", expected, RECORDED, 5e-10, "10 digits recorded", "E")
    one = bdg.bound_states(real, 2 * SIZE**2).energies
    two = bdg.bound_states(spins, 4 * SIZE**2).energies
    for name, system in (("real", real), ("complex, in a field", turned), ("norbs = 2", spins)):
        yield from _moments(name, system)
    yield from _local_moments(real, h)
    yield from _currents()
    yield from _three_dimensions(slow)
    difference = abs(np.repeat(np.sort(one), 2) - np.sort(two)).max()
    yield compare("norbs = 2 has every level of norbs = 1 twice: deviation/t", difference, 0.0, 1e-12, "rounding", "E")


def _identities(name: str, system: bdg.System, expected: float) -> Iterator[Comparison]:
    hamiltonian = bdg.BdGHamiltonian(system)
    matrix = hamiltonian.matrix.toarray()
    levels = np.linalg.eigvalsh(matrix)
    rounding = "rounding"
    yield compare(
        f"{name}: max |E_n + E_-n|/t", abs(levels + levels[::-1]).max(), 0.0, 1e-12, "dimension x eps x |H|", "E"
    )
    partners = hamiltonian.particle_hole_partner(matrix)  # S H e_j, to be compared with -H S e_j
    defect = abs(partners + hamiltonian @ hamiltonian.particle_hole_partner(np.eye(len(matrix)))).max()
    yield compare(f"{name}: max |S H + H S|/t", defect, 0.0, 1e-14, rounding, "E")
    yield compare(f"{name}: Tr H/2N", hamiltonian.matrix.trace().real / len(matrix), 0.0, 1e-14, rounding, "E")
    square = float((abs(hamiltonian.matrix.data) ** 2).sum()) / len(matrix)
    yield compare(f"{name}: Tr H^2/2N = Tr h^2/N + Delta^2", square, expected, 1e-12, rounding, "E")
    found = bdg.bound_states(system, len(matrix)).energies
    yield compare(f"{name}: sum of all E^2/2N by bound_states", (found**2).mean(), expected, 1e-12, rounding, "E")


def _moments(name: str, system: bdg.System) -> Iterator[Comparison]:
    """Global moments of the engine, all of them from exact columns of electrons and holes."""
    hamiltonian = bdg.BdGHamiltonian(system)
    levels = np.linalg.eigvalsh(hamiltonian.matrix.toarray())
    operator = NambuOperator(hamiltonian.matrix, system.norbs, select_backend("cpu"))
    columns = unit_moments(operator, SCALE, MOMENTS, np.arange(levels.size))
    found = np.concatenate([moments for _, moments in columns], axis=1).mean(axis=1)
    expected = np.cos(np.outer(np.arange(MOMENTS), np.arccos(levels / SCALE))).mean(axis=1)
    yield compare(f"{name}: mu_0 of H/6", found[0], 1.0, 1e-14, "rounding", "E")
    yield compare(f"{name}: odd moments up to 63", found[1::2], np.zeros(MOMENTS // 2), 1e-13, "rounding", "E")
    deviation = abs(found - expected).max()
    yield compare(f"{name}: max |mu_n - <cos(n arccos E/6)>|, n < 64", deviation, 0.0, 1e-13, "rounding", "E")
    trace = exact_trace(operator, SCALE, MOMENTS).moments[:, 0] / levels.size
    yield compare(f"{name}: the same by its symmetric trace", abs(trace - expected).max(), 0.0, 1e-13, "rounding", "E")


def _local_moments(system: bdg.System, h: np.ndarray) -> Iterator[Comparison]:
    n_sites = system.n_sites
    operator = NambuOperator(bdg.BdGHamiltonian(system).matrix, 1, select_backend("cpu"))
    columns = unit_moments(operator, SCALE, MOMENTS, np.array([SITE, SITE + n_sites]))
    electron, hole = np.concatenate([moments for _, moments in columns], axis=1).T
    second = 2 * ((h @ h)[SITE, SITE] + DELTA**2) / SCALE**2 - 1
    digits = "9 digits recorded"
    yield compare(f"site {SITE}: mu_1 and mu_2", electron[1:3], (h[SITE, SITE] / SCALE, second), 1e-14, "rounding", "E")
    yield compare(f"site {SITE}: mu_1 and mu_2, recorded", electron[1:3], LOCAL, 5e-10, digits, "E")
    yield compare(
        f"site {SITE}: odd moments, electron + hole", abs(electron + hole)[1::2].max(), 0.0, 1e-14, "rounding", "E"
    )


def _currents() -> Iterator[Comparison]:
    """Yield the sources of an imposed Delta, and the current of the self-consistent one, in a chain of 40 sites."""
    ends = {"delta": 0.5, "attraction": 2.0, "onsite": 0.5}
    chain = stack([Layer(18, **ends), Layer(4, onsite=0.5), Layer(18, **ends, phase=1.2)])
    for method in ("dense", "poles"):
        found = bdg.bond_currents(chain, CHAIN_T, method=method, tol=1e-12)
        amplitude = bdg.pair_amplitude(chain, CHAIN_T, method="dense").values
        deviation = abs(found.divergence - 4 * (chain.delta.conj() * amplitude).imag).max()
        name = f"chain, imposed: max |div J - 4 Im(Delta* F)|, {method}"
        yield compare(name, deviation, 0.0, 1e-13 if method == "dense" else 1e-11, "rounding; fit of tanh", "E")
    spread = found.currents.max() - found.currents.min()
    yield within("chain, imposed: current varies along the chain by", spread, 0.05, 1.0, "not self-consistent", "E")
    solved = bdg.solve_gap(chain, CHAIN_T, tol=CHAIN_TOL, pinned=[0, 39])
    currents = bdg.bond_currents(solved.system, CHAIN_T).currents
    yield compare("chain, self-consistent: J", currents.mean(), CHAIN_CURRENT, 1e-8, "7 digits recorded", "E")
    yield compare("chain, self-consistent: max - min of J", np.ptp(currents), 0.0, 1e-9, "tol of Delta 1e-9", "E")


def _three_dimensions(slow: bool) -> Iterator[Comparison]:
    """Yield how well a disordered junction and two grains in a host conserve charge, and I = 2 dF/dphi there."""
    electrode = {"delta": 0.5, "attraction": 2.6, "disorder": 1.0}
    layers = [Layer(4, **electrode), Layer(4, disorder=1.0), Layer(4, **electrode)]
    junction = stack(layers, (ACROSS, ACROSS), mu=-0.5, seed=1)
    grains = grain_composite(
        (10, 7, 7),
        1,
        volume_fraction=0.16,
        diameter=4.2,
        minimum_gap=1,
        periodic=True,
        mu=-1,
        delta=0.3,
        attraction=3.2,
        disorder=1,
        seed=2,
    )
    step = 0.05
    systems = {f"disordered S/N/S, 12 x {ACROSS} x {ACROSS}": junction, "two grains in 10 x 7 x 7": grains}
    for name, system in systems.items() if slow else list(systems.items())[:1]:
        found = bdg.current_phase(system, 1 + step * np.arange(-2, 3), CHAIN_T, self_consistent=True)
        worst = found.conservation.max() / found.current[2]
        yield compare(f"{name}: max |div J|/I", worst, 0.0, 1e-7, "tol of Delta 1e-7", "E")
        slope = found.free_energy @ np.array([1, -8, 0, 8, -1]) / (12 * step)
        ratio = 2 * slope / found.current[2]
        yield compare(f"{name}: 2 dF/dphi/I", ratio, 1.0, 2e-6, "five points; tol of Delta 1e-7", "E")


CHECK = Check(
    identifier="O14",
    title="Identities: pairs +-E, Tr H = 0, Tr H^2/2N = Tr h^2/N + Delta^2, Chebyshev moments, div J = 4 Im(Delta* F)",
    source="de Gennes 1966",
    compare=compare_all,
)
