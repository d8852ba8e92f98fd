r"""How far superconductivity reaches into a normal host: the decay length of the pair amplitude at a temperature.

Energies (and k_B T) are in the unit of the hopping, lengths in the unit of the positions, velocities in their product
over hbar. The lowest Matsubara frequency ``w = pi k_B T`` decides. With the velocity v, the mean free path l = v tau
and d dimensions, a plane front exp(-kappa x) solves the linearised Eilenberger equation with isotropic scattering if

.. math:: 1 = \Big\langle \frac{1}{1 + 2 w \tau - \kappa l \cos\theta} \Big\rangle_{\text{directions}}

which is ``artanh(kappa l/(1 + 2 w tau)) = kappa l`` in three dimensions. `kinetic_length` is its 1/kappa; the limits
are `diffusive_length` (l -> 0) and `clean_length` (l -> infinity). `clean_chain_length` is exact for a one-dimensional
lattice. Amplitudes around a sphere also thin out geometrically; that factor is not part of these lengths.

References
----------
P. G. de Gennes, Rev. Mod. Phys. 36, 225 (1964). G. Eilenberger, Z. Phys. 214, 195 (1968).
"""

from __future__ import annotations

import cmath
import math

from bdg.lattices.arguments import positive_number, real_number, space_dimensions
from bdg.lattices.materials.host import HostBand, host_band
from bdg.lattices.system import System


def clean_length(v_F: float, temperature: float) -> float:
    """Return ``hbar v_F/(2 pi k_B T)``, the ballistic decay length.

    Raises
    ------
    TypeError, ValueError
        If v_F or temperature is not a positive number: the length grows without limit as T -> 0.
    """
    v_F = positive_number("v_F", v_F, "t a/hbar")
    return v_F / (2 * math.pi * _temperature(temperature))


def clean_chain_length(mu: float, temperature: float, t: float = 1.0) -> float:
    """Return the decay length ``1/(2 Im k)`` of a clean chain, exact on the lattice: ``-2t cos k - mu = i pi k_B T``.

    In lattice constants. For |mu| < 2t and low temperature it is `clean_length` with ``v = 2t sin k``; outside the
    band it is the length over which both electrons of a pair tunnel.

    Raises
    ------
    TypeError, ValueError
        If mu is not a finite number, or temperature or t is not positive.
    """
    mu, t = real_number("mu", mu, "unit of t"), positive_number("t", t)
    k = cmath.acos(-(mu + 1j * math.pi * _temperature(temperature)) / (2 * t))
    return 1 / (2 * abs(k.imag))


def diffusive_length(v_F: float, mean_free_path: float, temperature: float, dimensions: int) -> float:
    """Return ``sqrt(hbar D/(2 pi k_B T))`` with ``D = v_F l/d``: the limit of a mean free path far below the length.

    Raises
    ------
    TypeError, ValueError
        If v_F, mean_free_path or temperature is not positive and finite, or dimensions is not 1, 2 or 3.
    """
    v_F = positive_number("v_F", v_F, "t a/hbar")
    mean_free_path = positive_number("mean_free_path", mean_free_path, "units of the positions")
    ballistic = v_F / (2 * math.pi * _temperature(temperature))
    return math.sqrt(ballistic) * math.sqrt(mean_free_path / space_dimensions(dimensions))


def kinetic_length(v_F: float, mean_free_path: float, temperature: float, dimensions: int) -> float:
    r"""Return the decay length 1/kappa for any mean free path, from the linearised Eilenberger equation.

    With ``b = 2 w tau``, ``w = pi k_B T``, the equation of the module's head gives

    - one dimension: ``kappa l = sqrt(b (1 + b))``,
    - two dimensions: ``kappa l = sqrt(b (2 + b))``,
    - three dimensions: ``kappa l coth(kappa l) = 1 + b``.

    Parameters
    ----------
    v_F : float
        Fermi velocity (of the lattice's band: `bdg.lattices.materials.band.fermi_surface`).
    mean_free_path : float
        l = v_F tau; infinity means a clean host.
    temperature : float
        k_B T.
    dimensions : int
        1, 2 or 3.

    Returns
    -------
    float
        In the unit of the mean free path, relative accuracy 1e-14; never above `clean_length` or `diffusive_length`.

    Raises
    ------
    TypeError, ValueError
        If v_F, mean_free_path or temperature is not positive, or dimensions is not 1, 2 or 3.
    """
    dimensions = space_dimensions(dimensions)
    path = positive_number("mean_free_path", mean_free_path, "units of the positions", infinite=True)
    ballistic = clean_length(v_F, temperature)
    b = path / ballistic
    if b > 1e17:  # the limits, to rounding; beyond them b or its root could leave the range of floats
        return ballistic
    if b < 1e-17:
        return diffusive_length(v_F, path, temperature, dimensions)
    if dimensions == 3:
        return path / _langevin_root(b)
    return path / math.sqrt(b * ((1 if dimensions == 1 else 2) + b))


def expected_lengths(
    system: System, temperature: float | None, mean_free_path: float | None
) -> tuple[dict[str, float], str]:
    """Return the three lengths of a system's host, nan where they are not known, and where they come from.

    ``mean_free_path`` None: that of the golden rule, from the onsite disorder of the host.
    """
    nothing = {"clean": math.nan, "diffusive": math.nan, "kinetic": math.nan}
    if temperature is None or temperature == 0:
        return nothing, "no temperature above zero"
    band = host_band(system)
    if not isinstance(band, HostBand):
        return nothing, band
    if band.surface.v_F == 0:
        return nothing, "the Fermi velocity vanishes at the van Hove point"
    velocity = band.surface.v_F * band.t * band.spacing
    path = band.mean_free_path if mean_free_path is None else mean_free_path
    dimensions = band.surface.dimensions
    lengths = {
        "clean": clean_length(velocity, temperature),
        "diffusive": diffusive_length(velocity, path, temperature, dimensions) if math.isfinite(path) else math.nan,
        "kinetic": kinetic_length(velocity, path, temperature, dimensions),
    }
    source = "golden rule" if mean_free_path is None else "as given"
    return lengths, f"v_F of the host's band, mean free path {path:.4g} ({source})"


def _langevin_root(b: float) -> float:
    """Return x > 0 with ``x coth x - 1 = b``; the left side is convex, so Newton's method cannot fail."""
    x = math.sqrt(b * (3 + b))  # right to leading order at both ends
    for _ in range(60):
        value, slope = _langevin(x)
        step = (b - value) / slope
        x += step
        if abs(step) <= 2e-16 * x:
            break
    return x


def _langevin(x: float) -> tuple[float, float]:
    """Return ``x coth x - 1`` and its derivative, with all digits for small x too."""
    if x > 1:
        coth = 1 / math.tanh(x)
        return x * coth - 1, coth - x * (coth**2 - 1)
    # x L(x) with Langevin's function as a continued fraction of positive terms, L = x/(3 + x^2/(5 + x^2/(7 + ...)))
    tail = 25.0
    for odd in range(23, 1, -2):
        tail = odd + x**2 / tail
    value = x**2 / tail
    return value, (x**2 - value * (1 + value)) / x


def _temperature(temperature: float) -> float:
    return positive_number("temperature", temperature, "k_B T in the unit of the hopping; a length needs T > 0")
