r"""The host integrated out at the poles of tanh: all that the phases of grains can feel, on the pairing orbitals alone.

With G the Green function of the normal Hamiltonian h between orbitals that pair, ``D(phi)`` their pairing and
``tanh(x/2T) = d x + sum_j c_j x/(x^2 + w_j^2)``,

.. math:: F(\varphi) - F_{D = 0} = \mathrm{const} - \frac{1}{2} \sum_j c_j
          \ln\det\big[1 + G(i w_j)\, D\, \bar G(i w_j)\, D^\dagger\big]

(half of it for norbs = 2), where ``Gbar = G^*`` (norbs = 1) or ``sigma_y G^* sigma_y`` (norbs = 2) is minus the Green
function of the holes. Neither holes nor a dense host are needed: one Schur complement of ``i w - h`` at each pole.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import scipy.sparse as sp

from bdg.base.progress import progress_bar
from bdg.gpu.chebyshev.columns import spectral_bound
from bdg.gpu.device.backend import Backend
from bdg.gpu.device.memory import require_memory
from bdg.gpu.device.threads import side_by_side
from bdg.gpu.multifrontal import predict_memory
from bdg.gpu.multifrontal.factors.schur_complement import SchurComplement
from bdg.gpu.poles.tanh_poles import Poles, tanh_poles
from bdg.lattices.system import System
from bdg.methods.symbolic import host_symbolic

FIT_TOL = 1e-12  # absolute error of tanh: couplings are small differences of large sums


@dataclass(frozen=True, eq=False)
class IntegratedHost:
    """Green functions of the normal host between the orbitals that pair.

    Attributes
    ----------
    sites : array (S,)
        Those with pairing, ascending; orbitals follow one another, those of a site together.
    poles : Poles
    green : array (P, M, M) complex128, on the host
        G at ``i w_j``.
    bound : float
        Above all |E| of H for all phases, and with any grains normal.
    """

    sites: np.ndarray
    poles: Poles
    green: np.ndarray
    bound: float


def pairing_sites(system: System) -> np.ndarray:
    """Return the sites that pairing acts on, ascending."""
    entries = system.pairing_block.tocoo()
    live = entries.data != 0
    return np.unique(np.concatenate([entries.row[live], entries.col[live]]) // system.norbs)


def orbitals_of(system: System, sites: np.ndarray) -> np.ndarray:
    """Return the orbitals of sites, those of a site together."""
    return (sites[:, None] * system.norbs + np.arange(system.norbs)).ravel()


def integrate_out(system: System, temperature: float, backend: Backend, progress: bool = False) -> IntegratedHost:
    """Return the Green functions at the poles of tanh(x/2T).

    Raises
    ------
    MemoryBudgetError
        If they do not fit.
    """
    sites = pairing_sites(system)
    poles, bound = host_poles(system, temperature)
    size = sites.size * system.norbs
    require_memory(
        host_bytes(size, poles.frequencies.size),
        backend,
        f"the Green functions between {size} orbitals with pairing at {poles.frequencies.size} poles",
        "Use fewer or smaller grains, or a higher temperature.",
    )
    symbolic = host_symbolic(system, backend, sites)
    hamiltonian = symbolic.pattern.split(system.hamiltonian)

    def between_grains(frequency: float) -> np.ndarray:
        schur = SchurComplement(symbolic, hamiltonian, 1j * float(frequency), backend).complement
        return backend.to_host(backend.xp.linalg.inv(schur))

    green = np.empty((poles.frequencies.size, size, size), dtype=complex)
    each = predict_memory(symbolic, complex).count_peak + 3 * 16.0 * size**2
    found = side_by_side(between_grains, poles.frequencies, backend, each_bytes=each)
    bar = progress_bar(progress, "host integrated out", "pole", found, total=poles.frequencies.size)
    for number, matrix in enumerate(bar):
        green[number] = matrix
    return IntegratedHost(sites, poles, green, bound)


def host_poles(system: System, temperature: float) -> tuple[Poles, float]:
    """Return the poles of tanh(x/2T), and a bound of all |E| for all phases and with any grains normal."""
    bound = spectral_bound(system.hamiltonian) + _norm(system.pairing_block)
    return tanh_poles(bound, temperature, FIT_TOL), bound


def host_bytes(size: int, n_poles: int) -> float:
    """Return the bytes of all matrices between ``size`` orbitals: three a pole, and some more of one pole."""
    return float((3 * n_poles + 6) * 16 * size**2)


def _norm(pairing: sp.csr_matrix) -> float:
    """Return a bound of the largest singular value: the geometric mean of the largest row and column sums."""
    size = abs(pairing)
    return float(np.sqrt(size.sum(axis=0).max() * size.sum(axis=1).max()))


def of_holes(xp: Any, matrices: Any, norbs: int) -> Any:
    """Return ``M^*`` (norbs = 1) or ``sigma_y M^* sigma_y`` (norbs = 2) of matrices (.., M, M)."""
    matrices = matrices.conj()
    if norbs == 1:
        return matrices
    other = xp.arange(matrices.shape[-1]) ^ 1
    sign = 1.0 - 2.0 * (xp.arange(matrices.shape[-1]) % 2)
    return sign[:, None] * sign * matrices[..., other[:, None], other[None, :]]
