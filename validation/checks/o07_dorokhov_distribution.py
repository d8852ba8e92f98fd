r"""Transmission of a disordered strip in the normal state: Dorokhov's distribution, and the supercurrent that follows.

.. math:: \rho(\tau) = \frac{\langle g \rangle}{2 \tau \sqrt{1 - \tau}}, \qquad
          \frac{\langle\sum \tau (1 - \tau)\rangle}{\langle\sum \tau\rangle} = \frac13, \qquad
          e I R_n = \pi \Delta \cos\frac{\varphi}{2} \operatorname{artanh} \sin\frac{\varphi}{2}

the last at T = 0 for a junction shorter than the coherence length (Kulik and Omelyanchuk 1975), with the maximum
2.0821 Delta at 1.9710. kwant gives the transmissions of the System's matrix; where it is not installed the strip's own
Green function (`bdg.validation.reference.strip`) does, which agrees to rounding.
"""

from __future__ import annotations

import functools
import math
import warnings
from collections.abc import Iterator
from typing import Any

import numpy as np
from scipy.optimize import minimize_scalar

from bdg.lattices import Layer, stack
from bdg.validation.reference.strip import transmissions
from bdg.validation.reference.weak_link import short_junction_current
from bdg.validation.row import Check, Comparison, compare

WIDTH, MU, DISORDER = 30, -1.0, 2.0
SEEDS = range(25)
# length: mean g, Fano factor, counts of tau > 0.9 and of 0.1 < tau < 0.5, e I_c R_n/Delta and its phase, as recorded
RECORDED = {
    20: (6.920, 0.3300, 2.16, 6.48, 2.077, 1.958),
    40: (4.187, 0.3335, 1.48, 3.88, 2.078, 1.963),
    60: (3.012, 0.3382, 1.00, 3.08, 2.071, 1.958),
}
DIFFUSIVE_MAXIMUM = (2.082070, 1.971029)  # e I_c R_n/Delta and its phase
AT_TEMPERATURE = {0.1: 1.91151, 0.3: 1.67225, 0.5: 1.28603}  # T/Delta: e I R_n/Delta at phi = 1.5
N0 = 0.1466  # density of states a site and spin


def compare_all(slow: bool) -> Iterator[Comparison]:
    """Yield the closed form of the current, then the strips."""
    yield from _closed_form()
    yield _routes()
    mean = {}
    for length, recorded in RECORDED.items():
        samples = [channels(length, seed) for seed in SEEDS]
        mean[length] = float(np.mean([tau.sum() for tau in samples]))
        yield from _strip(length, samples, recorded)
    slope = np.polyfit(list(mean), [1 / g for g in mean.values()], 1)[0]
    diffusion = 1 / (2 * np.pi * N0 * WIDTH * slope)
    yield compare("D from the slope of 1/g against length", diffusion, 7.7, 0.05, "same seeds; 2 digits recorded", "S")
    shifted = np.polyfit(list(mean), [1 / (g + 1 / 3) for g in mean.values()], 1)[0]
    corrected = 1 / (2 * np.pi * N0 * WIDTH * shifted)
    yield compare("the same, weak localisation (1/3) added", corrected, 9.0, 0.05, "same seeds; 2 digits recorded", "S")


def channels(length: int, seed: int) -> np.ndarray:
    """Return the transmission eigenvalues of one strip by kwant, or by its Green function without kwant."""
    onsite = DISORDER * (np.random.default_rng(seed).random((length, WIDTH)) - 0.5)
    with warnings.catch_warnings():  # kwant says on import that it has no MUMPS: SciPy is enough here
        warnings.simplefilter("ignore", RuntimeWarning)
        try:
            import kwant
            import kwant.solvers.default
        except ImportError:
            return transmissions(onsite, MU)
    system = stack([Layer(length)], (WIDTH,), mu=MU).with_onsite(onsite.ravel())
    amplitudes = kwant.smatrix(_between_leads(length), 0.0, params={"energies": system.hamiltonian.diagonal()})
    return np.linalg.svd(amplitudes.submatrix(1, 0), compute_uv=False) ** 2


@functools.cache
def _between_leads(length: int) -> Any:
    """Return kwant's form of a System's matrix, but for its diagonal, between leads of the clean strip and their modes.

    The diagonal is the parameter ``energies``, one a site; the modes are the same for every sample.
    """
    import kwant

    square = kwant.lattice.square(norbs=1)
    builder = kwant.Builder()
    site = [square(*divmod(number, WIDTH)) for number in range(length * WIDTH)]
    number_of = {one: number for number, one in enumerate(site)}
    builder[site] = lambda one, energies: energies[number_of[one]]
    matrix = stack([Layer(length)], (WIDTH,), mu=MU).hamiltonian.tocoo()
    for row, column, value in zip(matrix.row, matrix.col, matrix.data, strict=True):
        if row > column:
            builder[site[row], site[column]] = value
    lead = kwant.Builder(kwant.TranslationalSymmetry((-1, 0)))
    lead[(square(0, y) for y in range(WIDTH))] = -MU
    lead[square.neighbors()] = -1
    builder.attach_lead(lead)
    builder.attach_lead(lead.reversed())
    return builder.finalized().precalculate(0.0, what="modes")


def _closed_form() -> Iterator[Comparison]:
    """Yield the maximum of the diffusive current, and Dorokhov's average of one channel's current over tau."""
    current = lambda phase: math.pi * math.cos(phase / 2) * math.atanh(math.sin(phase / 2))  # noqa: E731
    top = minimize_scalar(lambda phase: -current(phase), bounds=(1.5, 2.5), method="bounded", options={"xatol": 1e-10})
    found = (-top.fun, top.x)
    yield compare("closed form: maximum and its phase", found, DIFFUSIVE_MAXIMUM, 1e-6, "7 digits recorded", "E")
    for temperature, recorded in AT_TEMPERATURE.items():
        where = f"T {temperature:g} Delta, phi 1.5: e I R_n/Delta"
        averaged = _dorokhov_average(1.5, temperature)
        yield compare(f"{where}, average over tau", averaged, recorded, 1e-5, "6 digits recorded", "E")
        yield compare(f"{where}, sum over w", averaged, _usadel(1.5, temperature), 1e-7, "two routes", "E")


def _dorokhov_average(phase: float, temperature: float) -> float:
    """Return e I R_n/Delta of ``rho = g/(2 tau sqrt(1 - tau))``: substitute tau = 1/cosh^2 x, dx uniform."""
    node, weight = np.polynomial.legendre.leggauss(400)
    x, dx = 20 * (node + 1), 20 * weight
    tau = 1 / np.cosh(x) ** 2
    currents = np.array([short_junction_current(np.array([one]), phase, temperature) for one in tau])
    return float(math.pi * (dx @ currents))


def _usadel(phase: float, temperature: float) -> float:
    """Return the same as Kulik and Omelyanchuk's Matsubara sum, Delta = 1."""
    w = math.pi * temperature * (2 * np.arange(200_000) + 1)
    root = np.sqrt(w**2 + math.cos(phase / 2) ** 2)
    terms = np.arctan(math.sin(phase / 2) / root) / root
    # beyond the last frequency the terms fall like w^-2
    rest = math.sin(phase / 2) / (2 * math.pi * temperature * (w[-1] + math.pi * temperature))
    return float(4 * math.pi * temperature * math.cos(phase / 2) * (terms.sum() + rest))


def _routes() -> Comparison:
    onsite = DISORDER * (np.random.default_rng(0).random((20, WIDTH)) - 0.5)
    deviation = abs(np.sort(channels(20, 0))[::-1] - transmissions(onsite, MU)).max()
    return compare("20 layers, seed 0: kwant against the Green function", deviation, 0.0, 1e-10, "rounding", "E")


def _strip(length: int, samples: list[np.ndarray], recorded: tuple[float, ...]) -> Iterator[Comparison]:
    tau = np.concatenate(samples)
    g = tau.sum() / len(samples)
    where = f"{length} layers"
    yield compare(f"{where}: mean g, recorded", g, recorded[0], 5e-4, "same seeds; 4 digits recorded", "S")
    fano = (tau * (1 - tau)).sum() / tau.sum()
    yield compare(f"{where}: Fano factor, recorded", fano, recorded[1], 5e-5, "same seeds; 4 digits recorded", "S")
    yield compare(f"{where}: Fano factor, 1/3", fano, 1 / 3, 0.01, "25 samples", "S")
    counts = [np.count_nonzero(tau > 0.9) / len(samples), np.count_nonzero((tau > 0.1) & (tau < 0.5)) / len(samples)]
    yield compare(f"{where}: tau > 0.9 and 0.1 < tau < 0.5, recorded", counts, recorded[2:4], 5e-3, "same seeds", "S")
    number = lambda low, high: g * (math.acosh(low**-0.5) - math.acosh(high**-0.5))  # noqa: E731
    theory = [number(0.9, 1.0), number(0.1, 0.5)]
    ratios = np.divide(counts, theory)
    yield compare(f"{where}: both counts over Dorokhov's", ratios, [1.0, 1.0], 0.15, "25 samples", "S")
    top, phase = _product(tau)
    yield compare(f"{where}: e I_c R_n/Delta, recorded", top, recorded[4], 6e-4, "4 digits recorded", "S")
    reason = "recorded on a grid of pi/600"
    yield compare(f"{where}: phase of the maximum, recorded", phase, recorded[5], np.pi / 1200, reason, "S")
    yield compare(f"{where}: e I_c R_n/Delta, closed form", top, DIFFUSIVE_MAXIMUM[0], 0.0208, "1 %: 25 samples", "S")


def _product(tau: np.ndarray) -> tuple[float, float]:
    """Return the largest ``e I R_n/Delta`` at T = 0 and its phase: ``pi I/g`` in units of e Delta/hbar."""
    product = lambda phase: -math.pi * short_junction_current(tau, phase, 0.0) / tau.sum()  # noqa: E731
    found = minimize_scalar(product, bounds=(1.0, 3.0), method="bounded", options={"xatol": 1e-8})
    return float(-found.fun), float(found.x)


CHECK = Check(
    identifier="O7",
    title="Dorokhov distribution of a disordered strip, Fano factor 1/3, diffusive critical current",
    source="Dorokhov 1982; Beenakker and Büttiker 1992",
    compare=compare_all,
)
