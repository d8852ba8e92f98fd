r"""Superfluid stiffness of a disordered torus: Kubo's formula, twists, closed forms, and the penetration depth.

.. math:: D_s = \frac1N \frac{d^2F}{dq^2} = -\langle K_x \rangle - \Lambda_{xx}

At T = 0 a clean superconductor has Lambda = 0. In the infinite lattice ``-<K_x> = <Delta^2 v_x^2/E^3>``; on a small
mesh the two differ, and the first is the derivative of F.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from scipy import constants

import bdg
from bdg.validation.reference.torus import torus
from bdg.validation.row import Check, Comparison, compare

SIZE, MU, DELTA, SEED = 12, -1.0, 0.5, 7
# width of the disorder: -K_x, Lambda and D_s at T = 0, as recorded
RECORDED = {
    0: (0.697207922, 0.0, 0.697207922),
    1: (0.692971797, 0.036154979, 0.656816818),
    2: (0.681406041, 0.118231913, 0.563174128),
    4: (0.634739441, 0.262164835, 0.372574606),
}
BULK = {(-0.7, 0.5): 0.734122605, (1.3, 0.8): 0.631611865, (-1.0, 0.5): 0.699749317}  # mu, Delta: D_s of 400^2 sites
OTHER_FORM = 0.786707  # <Delta^2 v_x^2/E^3> on the 12 x 12 mesh
COLD = 0.01  # T that stands for zero where a method needs one: exp(-0.3/T) of the levels above the gap
MESH = 24  # of the comparison with the infinite lattice


def compare_all(slow: bool) -> Iterator[Comparison]:
    """Yield the recorded samples by three methods, closed forms, both forms, three dimensions, SI."""
    h, positions = torus(SIZE, MU)
    potential = np.random.default_rng(SEED).random(SIZE**2) - 0.5
    for width, recorded in RECORDED.items():
        system = bdg.lattices.from_hamiltonian(
            h + width * np.diag(potential), positions, delta=DELTA, period=(SIZE, SIZE)
        )
        kubo = bdg.superfluid_stiffness(system, 0, "x", method="kubo")
        parts = kubo.diamagnetic, kubo.paramagnetic, kubo.stiffness
        yield compare(f"W {width}: -K_x, Lambda, D_s, Kubo", parts, recorded, 1e-8, "9 digits recorded", "E")
        twist = bdg.superfluid_stiffness(system, 0, "x", method="twist")
        yield compare(f"W {width}: D_s, second differences of F", twist.stiffness, recorded[2], 3e-5, "q = 0.005", "E")
        current = bdg.superfluid_stiffness(system, COLD, "x", method="current")
        where = f"W {width}, T {COLD:g}: D_s, differences of the current"
        yield compare(where, current.stiffness, recorded[2], 1e-8, "extrapolated differences; exp(-0.3/T)", "E")
    yield from _both_forms(system)
    yield from _clean()
    yield from _units()


def _both_forms(system: bdg.System) -> Iterator[Comparison]:
    """Yield the strongest disorder at a temperature, as norbs = 2, turned by a gauge, and as a tensor."""
    temperature = 0.1
    tensor = bdg.superfluid_stiffness(system, temperature, "all", method="kubo").stiffness
    h = np.kron(system.hamiltonian.toarray(), np.eye(2))
    spins = bdg.lattices.from_hamiltonian(h, system.positions, norbs=2, delta=DELTA, period=(SIZE, SIZE))
    found = bdg.superfluid_stiffness(spins, temperature, "x", method="kubo").stiffness
    yield compare("W 4, T 0.1, norbs = 2: D_s", found, tensor[0, 0], 1e-10, "rounding", "E")
    rng = np.random.default_rng(1)
    turn = np.exp(2j * np.pi * rng.random(SIZE**2))
    gauged = bdg.lattices.from_hamiltonian(
        turn[:, None] * system.hamiltonian.toarray() * turn.conj(),
        system.positions,
        delta=DELTA * turn**2,
        period=(SIZE, SIZE),
    )
    found = bdg.superfluid_stiffness(gauged, temperature, "all", method="kubo").stiffness
    deviation = abs(found - tensor).max()
    yield compare("W 4, T 0.1, another gauge: tensor, deviation", deviation, 0.0, 1e-10, "rounding", "E")
    for method in ("current", "twist"):
        other = bdg.superfluid_stiffness(system, temperature, "all", method=method).stiffness
        deviation = abs(other - tensor).max()
        yield compare(f"W 4, T 0.1, {method}: tensor, deviation", deviation, 0.0, 3e-5, "differences", "E")


def _clean() -> Iterator[Comparison]:
    """Yield the closed forms on meshes, and how they tend to the infinite lattice."""
    kinetic, other = closed_forms(SIZE, -1.0, DELTA)
    yield compare("clean 12 x 12: <Delta^2 v_x^2/E^3>, not D_s, recorded", other, OTHER_FORM, 5e-7, "6 digits", "E")
    for (mu, delta), recorded in BULK.items():
        kinetic, other = closed_forms(400, mu, delta)
        where = f"clean, mu {mu:g}, Delta {delta:g}"
        yield compare(f"{where}: closed form on 400 x 400, recorded", kinetic, recorded, 5e-10, "9 digits", "E")
        yield compare(f"{where}: <Delta^2 v_x^2/E^3> equals -<K_x> there", other, kinetic, 1e-8, "mesh error", "E")
        h, positions = torus(MESH, mu)
        system = bdg.lattices.from_hamiltonian(h, positions, delta=delta, period=(MESH, MESH))
        found = bdg.superfluid_stiffness(system, COLD, "y", method="current").stiffness
        exact = closed_forms(MESH, mu, delta)[0]
        yield compare(f"{where}: D_s of {MESH} x {MESH}, differences", found, exact, 1e-8, "extrapolated", "E")


def _units() -> Iterator[Comparison]:
    """Yield lambda of n carriers of mass m: ``1/lambda^2 = mu_0 n e^2/m`` with ``D_s/v = n hbar^2/m``."""
    density, mass, spacing_nm = 1e28, constants.m_e, 0.1
    volume = (spacing_nm * 1e-9) ** 3
    hopping = constants.hbar**2 / (2 * mass * (spacing_nm * 1e-9) ** 2)
    found = bdg.penetration_depth(
        2 * density * volume,
        hopping_meV=hopping / constants.e * 1e3,
        length_unit_nm=spacing_nm,
        site_volume_nm3=spacing_nm**3,
    )
    plasma = np.sqrt(density * constants.e**2 / (constants.epsilon_0 * mass))
    expected = constants.c / plasma * 1e9
    yield compare("n = 1e28 m^-3: lambda = c/plasma frequency, nm", found, expected, 1e-9 * expected, "rounding", "E")


def closed_forms(size: int, mu: float, delta: float) -> tuple[float, float]:
    """Return ``-<K_x>`` and ``<Delta^2 v_x^2/E^3>`` of a clean torus at T = 0."""
    k = 2 * np.pi * np.arange(size) / size
    x, y = (part.ravel() for part in np.meshgrid(k, k))
    xi = -2 * np.cos(x) - 2 * np.cos(y) - mu
    energy = np.hypot(xi, delta)
    kinetic = np.mean(2 * np.cos(x) * (1 - xi / energy))
    return float(kinetic), float(np.mean(delta**2 * 4 * np.sin(x) ** 2 / energy**3))


CHECK = Check(
    identifier="O13",
    title="Superfluid stiffness D_s = -<K_x> - Lambda_xx, and its penetration depth",
    source="Scalapino, White, Zhang 1993",
    compare=compare_all,
)
