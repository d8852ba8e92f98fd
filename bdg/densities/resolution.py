"""How finely a Chebyshev expansion resolves energies: from the broadening or the number of moments asked for."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any, TypeVar

import numpy as np

from bdg.base.hamiltonian import BdGHamiltonian
from bdg.gpu.chebyshev.columns import gershgorin_bound, spectral_bound
from bdg.gpu.chebyshev.kernel_polynomial import moments_for, resolution
from bdg.gpu.chebyshev.moments import BoundViolatedError
from bdg.lattices.arguments import positive_number, whole_number
from bdg.lattices.doubts import doubt

SINGLE_ENERGY = 1024  # moments where energies have no spacing
MOST_BY_DEFAULT = 16384  # moments
MOST = 1 << 20
SAFETY = 1.02  # between spectrum and bound: peaks grow ever sharper towards the bound

Found = TypeVar("Found")

_SINGLE_ENERGY = 1e-3  # of the largest row sum of H: broadening where energies have no spacing


@dataclass(frozen=True)
class Resolution:
    """Moments of an expansion and the width of its peaks.

    Attributes
    ----------
    moments : int
    bound : float
        s > max|E|.
    origin : str
        Where the number of moments comes from.
    """

    moments: int
    bound: float
    origin: str

    @property
    def broadening(self) -> float:
        """Standard deviation of a peak at E = 0, in the unit of the hopping."""
        return resolution(self.moments, self.bound)


def require_scale(bound: float) -> float:
    """Return a spectral bound that is not zero."""
    if not bound > 0:
        raise ValueError("the Hamiltonian is zero: there is no scale of energies to expand on")
    return bound


def require_resolution(
    broadening: Any, moments: Any, energies: np.ndarray, hamiltonian: BdGHamiltonian, seed: int
) -> Resolution:
    """Return the resolution for what was asked.

    Raises
    ------
    ValueError, TypeError
        If both are given, one is not positive, or the broadening takes too many moments.
    """
    bound = require_scale(SAFETY * spectral_bound(hamiltonian.matrix, seed))
    if moments is not None:
        if broadening is not None:
            raise ValueError(
                f"broadening and moments exclude each other (broadening = pi s/moments, s = {bound:.3g}); got "
                f"broadening = {broadening!r} and moments = {moments!r}. Leave one of them out"
            )
        return Resolution(whole_number("moments", moments, 2, MOST), bound, "moments as asked")
    if broadening is not None:
        width = positive_number("broadening", broadening, "unit of the hopping")
        if moments_for(width, bound) > MOST:
            raise ValueError(
                f"broadening must be at least {resolution(MOST, bound):.3g} for method='chebyshev' and 'dense' "
                f"({MOST} moments); got {broadening!r}"
            )
        found = Resolution(moments_for(width, bound), bound, "broadening as asked")
        if found.broadening < 0.9 * width:
            return replace(found, origin=f"{found.moments} moments, the fewest: sharper than the broadening {width:g}")
        return found
    found = _by_default(energies, bound)
    if energies.size < 2 or found.moments == MOST_BY_DEFAULT:  # else it is as wide as the energies are apart
        _doubt_default(found.broadening, hamiltonian)
    return found


def _by_default(energies: np.ndarray, bound: float) -> Resolution:
    """Return the resolution where none was asked for."""
    spacing = float(np.ptp(energies)) / max(1, energies.size - 1)
    if not spacing > 0:
        return Resolution(SINGLE_ENERGY, bound, f"{SINGLE_ENERGY} moments: the energies have no spacing")
    wanted = moments_for(spacing, bound)
    if wanted > MOST_BY_DEFAULT:
        origin = f"{MOST_BY_DEFAULT} moments, the most by default: the mean spacing of the energies would take {wanted}"
        return Resolution(MOST_BY_DEFAULT, bound, origin)
    return Resolution(wanted, bound, "mean spacing of the energies")


def _doubt_default(width: float, hamiltonian: BdGHamiltonian) -> None:
    """Warn of a broadening by default that is wider than a hopping: one energy far out stretches the spectrum."""
    h, spins = hamiltonian.system.hamiltonian.tocoo(), hamiltonian.system.norbs
    hopping = float(abs(h.data[h.row // spins != h.col // spins]).max(initial=0.0))
    if not width > hopping > 0:
        return
    rows = np.asarray(abs(h).sum(axis=1)).ravel()
    site = int(rows.argmax()) // spins
    doubt(
        f"the default broadening, {width:.3g}, is {width / hopping:.3g} times the largest hopping: site {site} alone "
        f"has a row sum of |h| of {rows.max():.3g}, {rows.max() / np.median(rows):.3g} times the usual one. Give "
        "broadening=..., or take such sites out of the system"
    )


def within_bound(
    hamiltonian: BdGHamiltonian, found: Resolution, compute: Callable[[Resolution], Found]
) -> tuple[Found, Resolution, bool]:
    """Return what ``compute`` gives, again with Gershgorin's bound if vectors grow; True if that was needed."""
    try:
        return compute(found), found, False
    except BoundViolatedError:
        safe = SAFETY * gershgorin_bound(hamiltonian.matrix)
        if safe <= found.bound:
            raise
        again = Resolution(int(np.ceil(found.moments * safe / found.bound)), safe, found.origin)
        return compute(again), again, True


def require_broadening(broadening: Any, energies: np.ndarray, hamiltonian: BdGHamiltonian) -> tuple[float, str]:
    """Return eta, and where it comes from."""
    if broadening is not None:
        return positive_number("broadening", broadening, "unit of the hopping"), "as asked"
    spacing = float(np.ptp(energies)) / max(1, energies.size - 1)
    if spacing > 0:
        return spacing, "mean spacing of the energies"
    scale = gershgorin_bound(hamiltonian.matrix)
    if not scale > 0:
        raise ValueError("broadening must be given for a Hamiltonian that is zero")
    _doubt_default(_SINGLE_ENERGY * scale, hamiltonian)
    return _SINGLE_ENERGY * scale, f"{_SINGLE_ENERGY:g} of the largest row sum of |H|"
