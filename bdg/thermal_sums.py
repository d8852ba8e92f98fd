r"""Thermal sums over all sites at once: few Matsubara poles, one selected inverse at each.

With ``tanh(x/2T) = d x + sum_j c_j x/(x^2 + w_j^2)`` on the spectrum,

.. math:: \tanh(H/2T) = d H - \tfrac12 \sum_j c_j \, [G(i w_j) + G(i w_j)^\dagger], \qquad G(z) = (z - H)^{-1},

so the on-site pair amplitude follows from the elements of G between electron and hole of each site. For norbs = 1 the
factors are quaternionic (a quarter of the complex arithmetic), for norbs = 2 complex.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from bdg.gpu.backend import Backend
from bdg.gpu.multifrontal import Factor
from bdg.gpu.multifrontal.quaternion import QuaternionFactor
from bdg.gpu.poles import Poles
from bdg.hamiltonian import BdGHamiltonian
from bdg.lattices.system import System
from bdg.structure import quaternion_symbolic, site_symbolic, whole_symbolic


@dataclass(frozen=True, eq=False)
class PoleSum:
    """Pair amplitude on all sites with the bound of its error, and what it took."""

    values: np.ndarray
    error: float
    facts: dict[str, Any]


def pair_amplitude_by_poles(hamiltonian: BdGHamiltonian, poles: Poles, backend: Backend) -> PoleSum:
    """Return F on all sites; |F - exact| <= max|tanh fit error|/2, since no element of a function exceeds its norm."""
    system = hamiltonian.system
    if system.norbs == 1:
        anomalous, facts = _quaternionic(system, poles, backend)
    else:
        anomalous, facts = _complex(hamiltonian, poles, backend)
    onsite = system.pairing_block.diagonal().reshape(-1, system.norbs).mean(axis=1)
    values = 0.5 * (poles.linear * onsite + anomalous)
    return PoleSum(values.astype(complex), 0.5 * poles.error, {"poles": int(poles.frequencies.size), **facts})


def real_factor_flops(system: System, backend: Backend) -> float:
    """Return about how many operations one factorisation of a real H (two rows a site) takes."""
    return 8.0 * site_symbolic(system, backend).factor_flops(np.float64)


def pole_flops(system: System, backend: Backend) -> float:
    """Return the real operations of factor and selected inverse at one pole."""
    symbolic = quaternion_symbolic(system, backend)
    one = symbolic.factor_flops(np.float64) + symbolic.selected_inverse_flops(np.float64)
    # a quaternion product is 8 real ones; for norbs = 2 fronts have 4 times the rows, in complex arithmetic (4x)
    return 8.0 * one if system.norbs == 1 else 4.0 * 64.0 * one


def _quaternionic(system: System, poles: Poles, backend: Backend) -> tuple[np.ndarray, dict[str, Any]]:
    symbolic = quaternion_symbolic(system, backend)
    normal = symbolic.pattern.split(system.hamiltonian)
    pairing = symbolic.pattern.split(system.pairing_block)
    diagonal = backend.xp.asarray(symbolic.pattern.diagonal)
    total = backend.xp.zeros(system.n_sites, dtype=np.complex128)
    kept = 0
    for frequency, weight in zip(poles.frequencies, poles.weights, strict=True):
        factor = QuaternionFactor(symbolic, normal, pairing, float(frequency), backend)
        kept = max(kept, factor.kept_bytes)
        total -= float(weight) * factor.selected_inverse(release=True).anomalous[diagonal]
    return backend.to_host(total), {"form": "quaternion", "dtype": "float64", "factor_bytes": kept}


def _complex(hamiltonian: BdGHamiltonian, poles: Poles, backend: Backend) -> tuple[np.ndarray, dict[str, Any]]:
    system = hamiltonian.system
    symbolic = whole_symbolic(system, backend)
    blocks = symbolic.pattern.split(hamiltonian.matrix)
    total = backend.xp.zeros(system.n_sites, dtype=np.complex128)
    kept = 0
    for frequency, weight in zip(poles.frequencies, poles.weights, strict=True):
        factor = Factor(symbolic, blocks, 1j * float(frequency), backend)
        kept = max(kept, factor.kept_bytes)
        site = factor.selected_inverse().diagonal(backend.xp)  # (N, 4, 4): (u_up, u_dn, v_up, v_dn)
        upper, lower = site[:, :2, 2:], site[:, 2:, :2]
        hermitian = 0.5 * (upper + lower.conj().swapaxes(1, 2))
        total -= float(weight) * 0.5 * (hermitian[:, 0, 0] + hermitian[:, 1, 1])
    return backend.to_host(total), {"form": "complex", "dtype": "complex128", "factor_bytes": kept}
