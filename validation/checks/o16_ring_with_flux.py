r"""A ring with flux and a winding order parameter: the check that sees every sign.

``Delta_x = Delta exp(2 pi i n x/N)`` and a flux f h/e; with ``q = 2 pi (n/2 - f)/N`` half the momentum of a pair in the
gauge without flux, ``xi_+- = -2 cos(k +- q) - mu``, ``d`` and ``s`` the half difference and half sum of both,

.. math:: E_k = d_k \pm \sqrt{s_k^2 + \Delta^2}, \qquad
          F_x = e^{2 \pi i n x/N} \frac1N \sum_k \frac{\Delta}{4 r_k}
          \Big[\tanh\frac{r_k + d_k}{2T} + \tanh\frac{r_k - d_k}{2T}\Big], \quad r_k = \sqrt{s_k^2 + \Delta^2} .

-h instead of -h* in the hole block, D conjugated or with the other sign, F conjugated or with the other sign, a flux
that turns the other way: each changes one of these numbers. So does the current ``J = -dF/df/2 pi``. An odd ring
without flux sees the sign of the hopping, which no spectrum of a bipartite lattice shows. Half a flux quantum more and
one turn of the phase more change F by what falls exponentially with the circumference.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

import bdg
from bdg.lattices import Layer
from bdg.validation.row import Check, Comparison, compare

MU, DELTA, TEMPERATURE = -0.5, 0.3, 0.01
# sites, flux in h/e, winding, norbs
RINGS = ((40, 0.6, 1, 1), (40, 0.1, 0, 1), (25, 0.15, -1, 1), (24, 0.2, 1, 2))
ODD = 25
# sites: F(flux 0.6, winding 1) - F(0.1, 0), as recorded, and half a unit of its last digit
HALF_QUANTUM = {40: (7.389e-4, 6e-8), 60: (2.307e-5, 6e-9), 80: (-5.62e-7, 6e-10), 120: (-1.9e-10, 1e-11)}
CURVATURES = {40: 1.191371, 160: 1.191259}  # sites: d^2F/dq^2/N, as recorded
ROUNDING = "rounding: dimension x eps x |H|"


def compare_all(slow: bool) -> Iterator[Comparison]:
    """Yield spectra and pair amplitudes of the rings, large gauge transformations, and the odd ring from a stack."""
    for size, flux, winding, norbs in RINGS:
        system = ring(size, flux, winding, norbs)
        where = f"{size} sites, flux {flux:g}, winding {winding}{', norbs 2' if norbs == 2 else ''}"
        levels, amplitude = closed_form(size, flux, winding)
        found = np.sort(bdg.bound_states(system, 2 * norbs * size).energies)
        deviation = abs(found - np.repeat(levels, norbs)).max()
        yield compare(f"{where}: levels, deviation/t", deviation, 0.0, 1e-12, ROUNDING, "E")
        for method, tolerance in (("dense", 1e-12), ("chebyshev", 1e-6)):
            values = bdg.pair_amplitude(system, TEMPERATURE, method=method).values
            yield _amplitude(where, values, amplitude, method, tolerance)
    yield _gauge()
    yield from _odd_ring()
    yield from _free_energies()
    yield from _response()


def ring(size: int, flux: float, winding: int, norbs: int = 1) -> bdg.System:
    """Return N sites on a circle with ``flux`` h/e: by a uniform field if N is even, by phases of the hops if odd.

    The gauge of a field is symmetric about the middle of the sites, which for odd N is not that of the circle; with an
    order parameter that is given, the gauge matters.
    """
    angle = 2 * np.pi * np.arange(size) / size
    positions = np.stack([np.cos(angle), np.sin(angle)], axis=1)
    odd = size % 2 == 1
    forward = -np.exp(2j * np.pi * flux / size if odd else 0) * np.roll(np.eye(size), 1, axis=0)  # from x to x + 1
    h = np.kron(forward + forward.conj().T - MU * np.eye(size), np.eye(norbs))
    delta = DELTA * np.exp(1j * winding * angle)
    system = bdg.lattices.from_hamiltonian(h, positions, norbs=norbs, delta=delta)
    area = size / 2 * np.sin(2 * np.pi / size)
    return system if odd else system.with_field(2 * flux / area)  # the field counts h/2e


def closed_form(size: int, flux: float, winding: int) -> tuple[np.ndarray, np.ndarray]:
    """Return all 2N levels, ascending, and F of every site.

    In the gauge c_x -> exp(i q' x) c_x with q' = pi n/N the pairing is uniform and a hop to the next site carries
    exp(i (2 pi f - pi n)/N). Then k runs over the momenta that this leaves allowed: shifted by pi/N for odd n.
    """
    hop = (2 * np.pi * flux - np.pi * winding) / size
    k = (2 * np.pi * np.arange(size) - np.pi * (winding % 2)) / size
    forward, backward = -2 * np.cos(k - hop) - MU, -2 * np.cos(-k - hop) - MU
    d, s = (forward - backward) / 2, (forward + backward) / 2
    root = np.sqrt(s**2 + DELTA**2)
    thermal = np.tanh((root + d) / (2 * TEMPERATURE)) + np.tanh((root - d) / (2 * TEMPERATURE))
    amplitude = np.mean(DELTA / (4 * root) * thermal)
    turning = np.exp(2j * np.pi * winding * np.arange(size) / size)
    return np.sort(np.concatenate([d + root, d - root])), amplitude * turning


def _amplitude(where: str, values: np.ndarray, expected: np.ndarray, method: str, tolerance: float) -> Comparison:
    worst = int(abs(values - expected).argmax())
    reason = ROUNDING if method == "dense" else "tol = 1e-6 relative to max|F|"
    pair = [[number.real, number.imag] for number in (values[worst], expected[worst])]
    return compare(f"{where}: worst F, {method}", pair[0], pair[1], tolerance, reason, "E")


def _gauge() -> Comparison:
    one, other = (np.sort(bdg.bound_states(ring(40, f, n), 80).energies) for f, n in ((0.1, 0), (1.1, 2)))
    return compare(
        "one more h/e, two more turns of the phase: max change/t",
        abs(one - other).max(),
        0.0,
        1e-12,
        ROUNDING,
        "E",
    )


def _odd_ring() -> Iterator[Comparison]:
    """Yield an odd ring as `stack` builds it: spectrum, and the weight of the electron in each level."""
    system = bdg.lattices.stack([Layer(1, delta=DELTA)], (ODD,), mu=MU, periodic=True)
    found = bdg.bound_states(system, 2 * ODD)
    xi = -2 * np.cos(2 * np.pi * np.arange(ODD) / ODD) - MU
    energy = np.sqrt(xi**2 + DELTA**2)
    wanted = np.sort(energy)
    positive = found.energies > 0
    levels = found.energies[positive]
    order = np.argsort(levels)
    yield compare(
        f"stack, {ODD} sites: all levels, max deviation/t", abs(levels[order] - wanted).max(), 0.0, 1e-12, ROUNDING, "E"
    )
    # degenerate levels (k and -k) have equal weights, so that any basis of them gives these numbers
    weight = (abs(found.u[:, positive]) ** 2).sum(axis=0)[order]
    expected = ((1 + xi / energy) / 2)[np.argsort(energy)]
    deviation = abs(weight - expected).max()
    yield compare(
        f"stack, {ODD} sites: electron weight (1 + xi/E)/2, max deviation", deviation, 0.0, 1e-11, ROUNDING, "E"
    )


def _free_energies() -> Iterator[Comparison]:
    """Yield the change of F by h/2e, by the package and from the closed form of the levels."""
    for size, (recorded, digit) in HALF_QUANTUM.items():
        pair = ((0.6, 1), (0.1, 0))
        found = [bdg.free_energy(ring(size, *state), TEMPERATURE, method="dense").value for state in pair]
        exact = [_free_energy(closed_form(size, *state)[0]) for state in pair]
        difference = found[0] - found[1]
        where = f"{size} sites: F(0.6, 1) - F(0.1, 0)"
        yield compare(where, difference, exact[0] - exact[1], 1e-12, "rounding", "E")
        yield compare(f"{where}, recorded", difference, recorded, digit, "digits recorded", "E")


def _free_energy(levels: np.ndarray) -> float:
    # Tr h = -mu N, as in every sum over both spins
    return float(-TEMPERATURE * np.logaddexp(levels / (2 * TEMPERATURE), -levels / (2 * TEMPERATURE)).sum()) - (
        MU * levels.size / 2
    )


def _response() -> Iterator[Comparison]:
    """Yield the current as derivative of F by the flux, and the curvature by superfluid_stiffness."""
    for size, flux, winding, norbs in RINGS:
        found = bdg.bond_currents(ring(size, flux, winding, norbs), TEMPERATURE, method="dense")
        around = np.where(found.bonds[:, 1] - found.bonds[:, 0] == 1, 1, -1)  # (0, N - 1) leads backwards
        step = 0.001
        at = lambda n: _free_energy(closed_form(size, flux + n * step, winding)[0])  # noqa: E731, B023
        slope = (at(-2) - 8 * at(-1) + 8 * at(1) - at(2)) / (12 * step)
        where = f"{size} sites, flux {flux:g}, winding {winding}{', norbs 2' if norbs == 2 else ''}"
        current = float((found.currents * around).mean())
        yield compare(f"{where}: J = -dF/df/2 pi", current, -slope / (2 * np.pi), 1e-8, "five points", "E")
        spread = abs(found.currents * around - current).max()
        yield compare(f"{where}: J on every bond", spread, 0.0, 1e-13, "rounding", "E")
    for size, recorded in CURVATURES.items():
        h = -np.roll(np.eye(size), 1, axis=0)
        line = bdg.lattices.from_hamiltonian(
            h + h.T - MU * np.eye(size), np.arange(size)[:, None], delta=DELTA, period=(size,)
        )
        value = bdg.superfluid_stiffness(line, TEMPERATURE, "x").stiffness
        step = 0.005 * size / (2 * np.pi)  # a twist of 0.005 a bond, as a flux
        values = [_free_energy(closed_form(size, n * step, 0)[0]) for n in (0, 1, 2)]
        near, far = (2 * (values[n] - values[0]) / (0.005 * n) ** 2 / size for n in (1, 2))
        where = f"{size} sites: d^2F/dq^2/N"
        yield compare(where, value, (4 * near - far) / 3, 1e-6, "extrapolated second differences", "E")
        yield compare(f"{where}, recorded", value, recorded, 1e-5, "recorded from differences", "E")


CHECK = Check(
    identifier="O16",
    title="Ring with flux and a winding order parameter: spectrum, pair amplitude, free energy, current, all signs",
    source="Byers and Yang 1961",
    compare=compare_all,
)
