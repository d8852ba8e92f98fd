r"""Spectral weights of chosen vectors by Chebyshev expansion: the local density of states and its kin.

Columns are exact, so no noise enters: the error is that of truncation and rounding. With a broadening every level is
the same Lorentzian as that of the Green function at ``E + i eta``; with a number of moments it is a peak of the Jackson
kernel, several times cheaper at the same width and without long tails.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from bdg.base.hamiltonian import BdGHamiltonian
from bdg.base.progress import progress_bar
from bdg.densities.resolution import MOST, SAFETY, Resolution, require_scale, within_bound
from bdg.gpu.chebyshev.columns import spectral_bound
from bdg.gpu.chebyshev.kernel_polynomial import (
    density,
    lorentzian_density,
    lorentzian_moments,
    lorentzian_tail,
    resolution,
    squared_weights,
)
from bdg.gpu.chebyshev.local_moments import unit_moments, vector_moments
from bdg.gpu.chebyshev.nambu_operator import NambuOperator
from bdg.gpu.device.backend import Backend

TRUNCATION = 1e-8  # of 1/s: what is left out of a Lorentzian of unit weight
_ROUNDING = 4 * np.finfo(float).eps  # of a moment of a unit vector, for each step of the recursion


@dataclass(frozen=True, eq=False)
class SpectralWeights:
    """Densities (M, V) with their numerical error (M, V), and how they were made."""

    values: np.ndarray
    error: np.ndarray
    moments: int
    broadening: float
    kernel: str
    facts: dict[str, Any]


def site_weights(
    hamiltonian: BdGHamiltonian,
    energies: np.ndarray,
    sites: np.ndarray,
    eta: float,
    moments: int | None,
    backend: Backend,
    progress: bool = False,
) -> SpectralWeights:
    """Return ``sum_n |u_n(i)|^2 delta(E - E_n)`` summed over spins, for chosen sites.

    Parameters
    ----------
    eta : float
        Half width of the Lorentzians; without influence if ``moments`` are given.
    moments : int or None
        Moments with the Jackson kernel instead.
    """
    norbs = hamiltonian.system.norbs
    rows = (sites[:, None] * norbs + np.arange(norbs)).ravel()
    with progress_bar(progress, "local density of states", "product") as bar:

        def columns(operator: NambuOperator, at: Resolution) -> Any:
            return unit_moments(operator, at.bound, at.moments, rows, bar.update)

        found = _weights(hamiltonian, energies, columns, np.ones(rows.size), eta, moments, backend)
    shape = (energies.size, sites.size, norbs)
    return replace(found, values=found.values.reshape(shape).sum(axis=2), error=found.error.reshape(shape).sum(axis=2))


def vector_weights(
    hamiltonian: BdGHamiltonian,
    energies: np.ndarray,
    vectors: np.ndarray,
    eta: float,
    moments: int | None,
    backend: Backend,
    progress: bool = False,
) -> SpectralWeights:
    """Return ``sum_n |<r|n>|^2 delta(E - E_n)`` of vectors r (2 s N, V): a plane wave gives A(k, E)."""
    norms = (abs(vectors) ** 2).sum(axis=0)
    with progress_bar(progress, "spectral function", "product") as bar:

        def columns(operator: NambuOperator, at: Resolution) -> Any:
            return vector_moments(operator, at.bound, at.moments, vectors, bar.update)

        return _weights(hamiltonian, energies, columns, norms, eta, moments, backend)


def _weights(
    hamiltonian: BdGHamiltonian,
    energies: np.ndarray,
    columns: Callable[[NambuOperator, Resolution], Any],
    norms: np.ndarray,
    eta: float,
    moments: int | None,
    backend: Backend,
) -> SpectralWeights:
    operator = NambuOperator(hamiltonian.matrix, hamiltonian.system.norbs, backend)
    bound = require_scale(SAFETY * spectral_bound(hamiltonian.matrix))
    wanted = lorentzian_moments(energies, bound, eta, TRUNCATION) if moments is None else moments
    if wanted > MOST:
        raise ValueError(
            f"broadening = {eta:.3g} takes {wanted} moments with method='chebyshev', more than {MOST}; use a larger "
            "one, or method='green'"
        )

    def compute(at: Resolution) -> np.ndarray:
        values = np.empty((energies.size, norms.size))
        for part, found in columns(operator, at):
            if moments is None:
                values[:, part] = lorentzian_density(energies, found, at.bound, eta)
            else:
                values[:, part] = density(energies, found, at.bound)
        return values

    values, used, repeated = within_bound(hamiltonian, Resolution(wanted, bound, ""), compute)
    if moments is None:
        root = abs(np.sqrt(used.bound**2 - (energies + 1j * eta) ** 2))
        spread = 2 * min(used.bound / eta, used.moments) ** 2 / (np.pi * root) * _ROUNDING  # sum_k k |w_k|
        error = lorentzian_tail(energies, used.moments, used.bound, eta) + spread
    else:
        error = squared_weights(energies, used.moments, used.bound) * _ROUNDING * used.moments
    facts = {
        "error_is": "bound of the truncation and estimate of rounding" if moments is None else "estimate of rounding",
        "route": "Chebyshev expansion of one exact column for each vector",
        "spectral_bound": used.bound,
        "bound_repeated": repeated,
        "products": norms.size * (used.moments // 2),
    }
    broadening = eta if moments is None else resolution(used.moments, used.bound)
    kernel = "lorentzian" if moments is None else "jackson"
    return SpectralWeights(values, error[:, None] * norms, used.moments, broadening, kernel, facts)
