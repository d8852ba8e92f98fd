r"""Where vortices stand after cooling in a field: they repel each other, and pins hold them.

Energy of vortices at x_i and pins at p_j, random in the square:

.. math:: E = \sum_{i < j} K_0(|x_i - x_j|/\ell) - u \sum_{ij} e^{-|x_i - p_j|^2/2w^2}, \qquad
          u = \text{pinning} \cdot K_0(a/\ell)

with a the mean spacing. The positions come from an overdamped motion in this energy whose temperature falls from that
of random positions to zero, in a square that repeats itself.

References: E. H. Brandt, Rep. Prog. Phys. 58, 1465 (1995).
"""

from __future__ import annotations

import math
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import scipy  # its parts load on use

from bdg.base.arguments import require_seed
from bdg.base.results import Choice, Evidence, Result, quantity
from bdg.electrodynamics.vortex_field import FLUX_QUANTUM_UT_UM2
from bdg.gpu.device.backend import select_backend
from bdg.lattices.arguments import non_negative_number, positive_number, whole_number

if TYPE_CHECKING:
    from matplotlib.figure import Figure

STEPS = 200
_PINS = 1  # for each vortex
_WIDTH = 0.15  # of a pin, over the spacing
_LONGEST_STEP = 0.1  # over the spacing
_HOTTEST = 2.0  # over the energy of two vortices at the mean spacing
_CLOSEST = 0.02  # over the spacing: nearer ones do not repel more
_BLOCK = 4_000_000  # pairs at a time


@dataclass(frozen=True, eq=False, kw_only=True)
class VortexPositions(Result):
    """Arrangements of vortices in a square that repeats itself.

    Attributes
    ----------
    positions_um : array (S, V, 2)
        From the centre of the square.
    size_um : float
        Its edge.
    """

    positions_um: np.ndarray = quantity("positions of each arrangement (S, V, 2)", "um")
    size_um: float = quantity("edge of the square", "um")

    def plot(self, ax: Any = None) -> Figure:
        """Return a Figure of the first arrangement."""
        from bdg.plots.instruments import plot_positions

        return plot_positions(self.positions_um[0], self.size_um, ax)


def vortex_count(flux_density_uT: float, size_um: float) -> float:
    """Return the number of vortices ``B S/Phi_0`` in a square.

    Parameters
    ----------
    flux_density_uT : float
        Of either sign.
    size_um : float
        Edge of the square.

    Returns
    -------
    float
        >= 0.

    Raises
    ------
    TypeError, ValueError
        If an argument is not finite, or the edge not positive.

    Examples
    --------
    >>> from bdg.instruments import vortex_count
    >>> print(round(vortex_count(2.0, 60.0), 2))  # at 2 uT in 60 x 60 um
    3.48
    """
    density = abs(flux_density_uT) if isinstance(flux_density_uT, float | int) else flux_density_uT
    size = positive_number("size_um", size_um, "um")
    return non_negative_number("flux_density_uT", density, "uT") * size**2 / FLUX_QUANTUM_UT_UM2


def place_vortices(
    number: int,
    size_um: float,
    *,
    range_um: float | None = None,
    pinning: float = 0.0,
    samples: int = 1,
    seed: int | None = None,
) -> VortexPositions:
    """Return positions of vortices that repel each other and are held by random pins.

    Parameters
    ----------
    number : int
        V >= 1, in the square.
    size_um : float
        Its edge.
    range_um : float, optional
        Range l of the repulsion (the penetration depth where the vortices froze). Default: the mean spacing.
    pinning : float
        Depth of a pin over the energy of two vortices at the mean spacing: 0 for repulsion alone, infinity for random
        positions.
    samples : int
        Arrangements S.
    seed : int, optional
        None means 0.

    Returns
    -------
    VortexPositions

    Raises
    ------
    TypeError, ValueError
        If an argument is of the wrong type or out of range.

    Examples
    --------
    >>> from bdg.instruments import place_vortices
    >>> found = place_vortices(12, 30.0, samples=2, seed=1)
    >>> print(found.positions_um.shape)  # arrangements, vortices, (x, y)
    (2, 12, 2)
    """
    start = time.perf_counter()
    number = whole_number("number", number, 1)
    size = positive_number("size_um", size_um, "um")
    samples = whole_number("samples", samples, 1)
    spacing = size / math.sqrt(number)
    reach = spacing if range_um is None else positive_number("range_um", range_um, "um")
    if not (isinstance(pinning, float) and math.isinf(pinning) and pinning > 0):
        pinning = non_negative_number("pinning", pinning)
    resolved = require_seed(seed)
    rng = np.random.default_rng(resolved)
    positions = rng.uniform(-0.5, 0.5, (samples, number, 2))
    if math.isfinite(pinning) and number > 1:
        pins = rng.uniform(-0.5, 0.5, (samples, _PINS * number, 2))
        motion = _Motion(size / spacing, reach / spacing, pinning, pins * size / spacing)
        positions = motion.cooled(positions * size / spacing, rng) * spacing / size
    choice = Choice("annealed motion" if math.isfinite(pinning) else "random", "as asked", select_backend("cpu"))
    facts = {"range_um": reach, "pinning": pinning, "spacing_um": spacing, "seed": resolved}
    return VortexPositions(
        positions_um=positions * size,
        size_um=size,
        evidence=Evidence.of(choice, dtype="float64", start=start, **facts),
    )


class _Motion:
    """Overdamped motion; lengths in mean spacings, energies in that of two vortices at one spacing."""

    def __init__(self, size: float, reach: float, pinning: float, pins: np.ndarray) -> None:
        self.size, self.reach, self.pinning, self.pins = size, reach, pinning, pins
        at_one = 1 / reach
        self.scale = 1 / (reach * scipy.special.k0e(at_one))  # of the force, exp(-1/reach) taken out

    def cooled(self, positions: np.ndarray, rng: np.random.Generator) -> np.ndarray:
        """Return positions (S, V, 2) after the temperature has fallen to zero."""
        block = max(1, _BLOCK // (positions.shape[1] * (positions.shape[1] + self.pins.shape[1])))
        parts = []
        for place in range(0, len(positions), block):
            part, pins = positions[place : place + block], self.pins[place : place + block]
            for step in range(STEPS):
                hot = _HOTTEST * max(0.0, 1 - step / (0.7 * STEPS)) ** 2
                drift = self._force(part, pins)
                pace = 0.02 * drift
                longest = np.linalg.norm(pace, axis=-1, keepdims=True)
                pace *= np.minimum(1, _LONGEST_STEP / np.maximum(longest, 1e-300))
                part = part + pace + math.sqrt(2 * hot * 0.02) * 0.1 * rng.standard_normal(part.shape)
                part -= self.size * np.round(part / self.size)
            parts.append(part)
        return np.concatenate(parts)

    def _force(self, positions: np.ndarray, pins: np.ndarray) -> np.ndarray:
        steps = self._nearest(positions[:, :, None] - positions[:, None])
        distance = np.maximum(np.linalg.norm(steps, axis=-1), _CLOSEST)
        u = distance / self.reach
        push = self.scale * scipy.special.k1e(u) * np.exp(np.minimum(1 / self.reach - u, 50.0)) / distance
        force = (push[..., None] * steps).sum(axis=2)  # a vortex has no step to itself
        if self.pinning:
            away = self._nearest(positions[:, :, None] - pins[:, None])
            well = np.exp(-(away**2).sum(axis=-1) / (2 * _WIDTH**2))
            force -= self.pinning / _WIDTH**2 * (well[..., None] * away).sum(axis=2)
        return force

    def _nearest(self, steps: np.ndarray) -> np.ndarray:
        return steps - self.size * np.round(steps / self.size)
