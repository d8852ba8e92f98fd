r"""The slope of the gap equation in all directions at once, from all levels.

With ``Q_mn = (t_m - t_n)/(E_m - E_n)``, ``t = tanh(E/2T)``, a change dH of H changes tanh(H/2T) by
``sum_mn |m> Q_mn <m|dH|n> <n|``. Written as ``Q = sum_r s_r q_r q_r^T`` (few terms: Q is smooth) and with
``P_r = sum_n |n> q_r(n) <n|``

.. math:: \delta \tanh(H/2T) = \sum_r s_r P_r\, \delta H\, P_r,

so for changes of Delta or of an onsite energy on a site all responses are products of elements of P_r.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from bdg.base.hamiltonian import BdGHamiltonian
from bdg.condensate.gap.equation import GapUnknowns
from bdg.gpu.device.backend import Backend
from bdg.gpu.eigen import dense
from bdg.gpu.eigen.scales import level_scales
from bdg.thermal.level_sums import rounding_of_sums, steepest_slope, thermal_quotients, weight_at_zero

LARGEST_DIMENSION = 1000  # of H: up to there all levels and all responses are affordable
TRUNCATION = 1e-11  # of the largest s_r


@dataclass(frozen=True, eq=False)
class SiteResponses:
    """Responses of the free sites to Delta (F_j) and of all sites with onsite energies where density is needed.

    Attributes
    ----------
    pair, pair_conjugate : arrays (K, K)
        ``dF_i = pair_ij dDelta_j + pair_conjugate_ij dDelta_j*``.
    pair_onsite : array (K, N)
        ``dF_i = pair_onsite_ij d(onsite_j)``.
    density_pair : array (N, K)
        ``dn_i = 2 Re (density_pair_ij dDelta_j)``.
    density_onsite : array (N, N)
        ``dn_i = density_onsite_ij d(onsite_j)``.
    undecided : array (K,)
        What levels at zero leave open of F at T = 0.
    resolution : float
        Rounding of the elements.
    """

    pair: np.ndarray
    pair_conjugate: np.ndarray
    pair_onsite: np.ndarray
    density_pair: np.ndarray
    density_onsite: np.ndarray
    undecided: np.ndarray
    resolution: float


@dataclass(frozen=True, eq=False)
class Slope:
    """``J = 1 - g'`` of the gap equation at a point.

    Attributes
    ----------
    matrix : array (unknowns, unknowns)
    undecided : array (K,)
        As in `SiteResponses`.
    resolution : float
        What rounding leaves on the elements of ``matrix``.
    """

    matrix: np.ndarray
    undecided: np.ndarray
    resolution: float


def site_responses(
    hamiltonian: BdGHamiltonian, temperature: float, sites: np.ndarray, density: bool, backend: Backend
) -> SiteResponses:
    """Return the responses of F on ``sites`` and, if asked for, of the density on all sites."""
    energies, vectors = dense.eigh(hamiltonian.matrix, backend)
    scales = level_scales(hamiltonian.matrix, vectors)
    spins, half = hamiltonian.system.norbs, hamiltonian.shape[0] // 2
    # Q_mn between levels as few products s_r q_m q_n: three matrix products for each instead of sums over m and n
    strengths, shapes = _separated(thermal_quotients(energies, temperature, scales))
    n_sites = hamiltonian.system.n_sites
    every = np.arange(n_sites) if density else sites
    rows = (spins * every[:, None] + np.arange(spins)).ravel()
    u, v = vectors[rows], vectors[half + rows]
    shape = (every.size, spins, every.size, spins)
    total = {name: np.zeros((every.size,) * 2, vectors.dtype) for name in ("pp", "pc", "po", "np", "nn")}

    def summed(left: np.ndarray, right: np.ndarray) -> np.ndarray:
        """Return the sum over spins of ``left_ij right_ji``."""
        return np.asarray((left * right.T).reshape(shape).sum(axis=(1, 3)))

    for strength, weight in zip(strengths, shapes.T, strict=True):
        weighted_u, weighted_v = u * weight, v * weight
        uu, uv, vv = weighted_u @ u.conj().T, weighted_u @ v.conj().T, weighted_v @ v.conj().T
        total["pp"] += strength * summed(uu, vv)
        total["pc"] += strength * summed(uv, uv)
        if density:
            total["po"] += strength * (summed(uu, uv) - summed(uv, vv))
            total["np"] += strength * summed(uu, uv.conj().T)
            total["nn"] += strength * (summed(uu, uu) - summed(uv, uv.conj().T))
    inside = np.searchsorted(every, sites)
    return SiteResponses(
        pair=total["pp"][np.ix_(inside, inside)] / (2 * spins),
        pair_conjugate=total["pc"][np.ix_(inside, inside)] / (2 * spins),
        pair_onsite=total["po"][inside] / (2 * spins),
        density_pair=-total["np"][:, inside] / spins,
        density_onsite=-total["nn"].real / spins,
        undecided=weight_at_zero(u, v, energies, temperature, scales).reshape(-1, spins).max(axis=1)[inside],
        resolution=rounding_of_sums(energies, temperature, scales) * steepest_slope(energies, temperature, scales),
    )


def gap_slope(unknowns: GapUnknowns, point: np.ndarray, temperature: float, backend: Backend) -> Slope:
    """Return ``J = 1 - g'`` of the gap equation at a point."""
    hamiltonian = BdGHamiltonian(unknowns.system_at(point))
    found = site_responses(hamiltonian, temperature, unknowns.free, unknowns.needs_density, backend)
    u = unknowns.system.attraction
    blocks = _delta_rows(unknowns, found, u[unknowns.free])
    if unknowns.needs_density:
        rows = [blocks]
        density = _density_rows(unknowns, found)
        if unknowns.filling is not None:
            rows.append(-density.mean(axis=0)[None] / unknowns.compressibility)
            rows[-1][0, unknowns.shift_at] += 1.0
        if unknowns.hartree:
            rows.append(-0.5 * u[:, None] * density)
        blocks = np.concatenate(rows)
    return Slope(np.eye(len(blocks)) - blocks, found.undecided, float(u.max()) * found.resolution)


def _delta_rows(unknowns: GapUnknowns, found: SiteResponses, u: np.ndarray) -> np.ndarray:
    """Return the derivatives of U F by all unknowns, real and imaginary parts as rows."""
    plus, minus = found.pair + found.pair_conjugate, found.pair - found.pair_conjugate
    onsite = _onsite_columns(unknowns, found.pair_onsite)
    if not unknowns.is_complex:
        return u[:, None] * np.concatenate([plus.real, onsite.real], axis=1)
    real = np.concatenate([plus.real, -minus.imag, onsite.real], axis=1)
    imaginary = np.concatenate([plus.imag, minus.real, onsite.imag], axis=1)
    return np.tile(u, 2)[:, None] * np.concatenate([real, imaginary])


def _density_rows(unknowns: GapUnknowns, found: SiteResponses) -> np.ndarray:
    """Return the derivatives of the density by all unknowns."""
    columns = [2 * found.density_pair.real]
    if unknowns.is_complex:
        columns.append(-2 * found.density_pair.imag)
    return np.concatenate([*columns, _onsite_columns(unknowns, found.density_onsite)], axis=1)


def _onsite_columns(unknowns: GapUnknowns, by_site: np.ndarray) -> np.ndarray:
    """Return derivatives by the shift of the chemical potential and by Hartree shifts from those by onsite energies."""
    columns = []
    if unknowns.filling is not None:
        columns.append(-by_site.sum(axis=1, keepdims=True))
    if unknowns.hartree:
        columns.append(by_site)
    return np.concatenate(columns, axis=1) if columns else np.zeros((len(by_site), 0))


def _separated(quotients: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return strengths s_r and shapes q_r (columns) of ``Q = sum_r s_r q_r q_r^T``."""
    strengths, shapes = np.linalg.eigh(quotients)
    kept = abs(strengths) > TRUNCATION * abs(strengths).max(initial=0.0)
    return strengths[kept], shapes[:, kept]
