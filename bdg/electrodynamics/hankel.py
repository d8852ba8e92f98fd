r"""Hankel integrals of an analytic spectrum above a surface, whatever the ratios of the lengths in them.

.. math:: \frac{1}{2\pi} \int_0^\infty k\, b(k)\, e^{-kz}\, u_1(k) u_2(k)\, dk

u is J_0(k r) at a distance r, J_1(k r) for the radial field, or ``2 J_1(kR)/(kR)`` of a disc of radius R over which
is averaged (1 for R = 0). Where
the lengths are small against z the integrand decays before it oscillates. Else J of the larger length is the real part
of a Hankel function, and the path goes along ``k = t exp(i pi/4)``, where all factors decay; b has no poles and cuts
there. The pole of the disc at k = 0 adds a quarter of the circle around it. Panels are geometric: each scale has its
own.
"""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
import scipy  # its parts load on use

DISTANCE, RADIAL, DISC = "distance", "radial", "disc"  # what a length means
_ORDER = {DISTANCE: 0, RADIAL: 1, DISC: 1}  # of the Bessel function
_GAUSS = np.polynomial.legendre.leggauss(12)
_NODES = (1 + _GAUSS[0]) / 2, _GAUSS[1] / 2  # on (0, 1)
_DECAYED = 45.0  # exponent after which nothing is left
_FIRST = 1e-7  # end of the first panel, over the sum of all lengths
_RATIO = 2.0  # of the ends of the other panels
_ANGLE = math.pi / 4
_MOST = 2_000_000  # nodes at a time: 200 MB of complex arrays


def mean_field(
    spectrum: Callable[[np.ndarray], np.ndarray],
    height: np.ndarray,
    kinds: tuple[str, str],
    lengths: tuple[np.ndarray, np.ndarray],
    scale: float,
) -> np.ndarray:
    """Return the integral of the module for spectra with ``b(0) = 1``, in 1/length^2.

    Parameters
    ----------
    spectrum : callable
        b(k) for real k, and for complex ones with a phase up to 45 degrees.
    height : array (M,)
        z > 0.
    kinds : (first, second)
        DISTANCE, RADIAL or DISC.
    lengths : arrays (M,)
        >= 0, one for each kind.
    scale : float
        Sum of the finite lengths of the spectrum: it is linear in k below the inverse.
    """
    first, second = lengths
    out = np.empty(height.shape)
    calm = first + second <= height
    for chosen, path in ((calm, _along_the_axis), (~calm, _along_the_ray)):
        places = np.flatnonzero(chosen)
        if not places.size:
            continue
        z, p, q = height[places], first[places], second[places]
        reach = z if path is _along_the_axis else (z + abs(p - q)) * math.cos(_ANGLE)
        start = _FIRST / (scale + z + p + q)
        panels = 1 + math.ceil(math.log(float((_DECAYED / (reach * start)).max())) / math.log(_RATIO))
        block = max(1, _MOST // (panels * _NODES[0].size))
        for part in np.array_split(np.arange(places.size), -(-places.size // block)):
            k, weights = _panels(start[part], _DECAYED / reach[part], panels)
            out[places[part]] = path(spectrum, z[part], kinds, (p[part], q[part]), k, weights)
    return out


def _panels(start: np.ndarray, end: np.ndarray, count: int) -> tuple[np.ndarray, np.ndarray]:
    """Return nodes and weights (M, K): a panel from 0 to the start, ``count - 1`` in geometric steps to the end."""
    steps = (np.log(end / start) / (count - 1))[:, None] * np.arange(count)
    edges = np.concatenate([np.zeros((start.size, 1)), start[:, None] * np.exp(steps)], axis=1)
    widths = np.diff(edges, axis=1)[..., None]
    k = edges[:, :-1, None] + widths * _NODES[0]
    return k.reshape(start.size, -1), (widths * _NODES[1]).reshape(start.size, -1)


def _along_the_axis(spectrum, height, kinds, lengths, k, weights) -> np.ndarray:  # type: ignore[no-untyped-def]
    value = k * spectrum(k) * np.exp(-k * height[:, None])
    for kind, length in zip(kinds, lengths, strict=True):
        x = k * length[:, None]
        bessel = scipy.special.j0(x) if kind == DISTANCE else scipy.special.j1(x)
        value = value * (_over(2 * bessel, x) if kind == DISC else bessel)
    return (weights * value).sum(axis=1) / (2 * math.pi)


def _along_the_ray(spectrum, height, kinds, lengths, t, weights) -> np.ndarray:  # type: ignore[no-untyped-def]
    swap = lengths[1] > lengths[0]
    out = np.empty(height.shape)
    for exchanged in (False, True):
        rows = np.flatnonzero(swap == exchanged)
        if rows.size:
            (large, small), (outer, inner) = (
                (pair[::-1] if exchanged else pair) for pair in ((lengths[0][rows], lengths[1][rows]), kinds)
            )
            found = _rotated(spectrum, height[rows], (outer, large), (inner, small), t[rows], weights[rows])
            out[rows] = found
    return out


def _rotated(spectrum, height, outer, inner, t, weights) -> np.ndarray:  # type: ignore[no-untyped-def]
    """Return the integral with the Bessel function of the longer length replaced by a Hankel function."""
    k = t * np.exp(1j * _ANGLE)
    (kind, large), (other, small) = outer, inner
    x, y = k * large[:, None], k * small[:, None]
    wave = scipy.special.hankel1e(_ORDER[kind], x)
    standing = scipy.special.jve(_ORDER[other], y)
    if kind == DISC:
        wave = 2 * wave / x
    if other == DISC:
        standing = _over(2 * standing, y)
    exponent = 1j * x + abs(y.imag) - k * height[:, None]
    value = k * spectrum(k) * wave * standing * np.exp(exponent) * np.exp(1j * _ANGLE)
    total = (weights * value.real).sum(axis=1)
    if kind == DISC:
        total = total + 4 * _ANGLE / (math.pi * large**2)
    return total / (2 * math.pi)


def _over(numerator: np.ndarray, x: np.ndarray) -> np.ndarray:
    """Return 2 J_1(x)/x, 1 at x = 0."""
    return np.divide(numerator, x, out=np.ones_like(numerator), where=abs(x) > 1e-300)
