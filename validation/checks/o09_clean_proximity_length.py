r"""The pair amplitude in a clean normal chain falls like ``exp(-x/xi)``.

On the lattice ``xi = 1/(2 Im k)`` with ``-2 cos k - mu = i pi T``, k the wave number at the lowest Matsubara frequency;
for low T that is ``hbar v/(2 pi k_B T)``.
"""

from __future__ import annotations

import cmath
import math
from collections.abc import Iterator

import bdg
from bdg.lattices import Layer
from bdg.validation.row import Check, Comparison, compare

# mu, Delta, T, lattice constants of the decay as recorded
CASES = ((0, 0.1, 0.03, 10.6143), (-1, 0.1, 0.03, 9.1979), (0, 0.1, 0.015, 21.2226))
SUPERCONDUCTOR, NORMAL = 250, 450
WINDOW = (2, 8)  # decay lengths
OSCILLATION = 6  # sites to average over: two periods of 2 k_F at mu = -1 (k_F = pi/3)


def compare_all(slow: bool) -> Iterator[Comparison]:
    """Yield fitted against exact decay lengths, and both limits of the exact one."""
    for mu, delta, temperature, recorded in CASES:
        exact = lattice_length(mu, temperature)
        system = bdg.lattices.stack([Layer(SUPERCONDUCTOR, delta=delta), Layer(NORMAL)], mu=mu)
        amplitude = bdg.pair_amplitude(system, temperature)
        fit = bdg.proximity_length(
            system,
            amplitude,
            model="exponential",
            geometry="flat",
            window=(WINDOW[0] * exact, WINDOW[1] * exact),
            bin_width=1 if mu == 0 else OSCILLATION,
        )
        where = f"mu {mu:g}, T {temperature:g}"
        reason = "next Matsubara frequency, exp(-2 x/xi) at the near end of the fit"
        yield compare(f"decay length, {where}, lattice equation", fit.length, exact, 3e-3 * exact, reason, "A")
        yield compare(f"lattice equation, {where}, recorded digits", exact, recorded, 5e-5, "rounding", "E")
        velocity = math.sqrt(4 - mu**2)
        yield compare(
            f"hbar v/(2 pi k_B T), {where}, reported as theory",
            fit.theory["clean"],
            velocity / (2 * math.pi * temperature),
            1e-6 * exact,
            "closed form",
            "E",
        )


def lattice_length(mu: float, temperature: float) -> float:
    """Return 1/(2 Im k) with -2 cos k - mu = i pi T."""
    return 1 / (2 * abs(cmath.acos(-(mu + 1j * math.pi * temperature) / 2).imag))


CHECK = Check(
    identifier="O9",
    title="Clean proximity length: 1/(2 Im k) at the lowest Matsubara frequency",
    source="de Gennes 1964",
    compare=compare_all,
)
