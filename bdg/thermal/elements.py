r"""Elements of tanh(H/2T) between connected sites, and the trace of ln 2cosh(H/2T): all that thermal averages need.

.. math:: f(H) = \tfrac12 [1 - \tanh(H/2T)]

holds the density matrix (electron-electron), the pair amplitude (electron-hole), the bond currents (between
neighbours); the trace is the free energy. "dense" takes all eigenvectors. "poles" needs one factorisation and one
selected inverse for each pole of a rational fit (`bdg.gpu.poles.tanh_poles`), never a dense matrix:

.. math:: \tanh(H/2T) = d H - \tfrac12 \sum_j c_j [G(i w_j) + G(i w_j)^\dagger]

No element of a function of H exceeds its norm, so ``max|fit - tanh|`` bounds the error of every element.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np

from bdg.base.arguments import require_choice, require_seed, require_system, require_temperature
from bdg.base.hamiltonian import BdGHamiltonian
from bdg.base.results import Choice
from bdg.gpu.device.threads import side_by_side
from bdg.gpu.eigen import dense
from bdg.gpu.eigen.scales import level_scales
from bdg.gpu.multifrontal import SitePattern
from bdg.methods.imaginary import form_of
from bdg.methods.symbolic import quaternion_symbolic
from bdg.thermal.choice import METHODS, fit_for, require_poles, require_poles_above_zero
from bdg.thermal.level_sums import rounding_of_sums, thermal_weights, weight_at_zero

ROUNDING = 1e-12  # of selected inverses at the lowest pole, relative to tanh


@dataclass(frozen=True, eq=False)
class ThermalElements:
    """Elements of tanh(H/2T) on the pairs of a pattern.

    Attributes
    ----------
    pattern : SitePattern
        One block for each pair of connected sites, both directions, and each site with itself.
    normal, anomalous : arrays (n_blocks, s, s), complex128
        Electron-electron and electron-hole blocks between the sites ``pattern.first`` and ``pattern.second``.
    error : float
        Bound of the error of every element.
    choice : Choice
        How they were computed.
    dtype : str
        Of the computation.
    log_cosh : float
        ``Tr ln 2cosh(H/2T)`` over all 2 s N levels; nan unless asked for.
    log_cosh_error : float
        Bound of its error.
    sum_of_levels : float
        Sum of |E| over all levels; nan where they are not computed.
    facts : dict
        What it took, for the evidence.
    """

    pattern: SitePattern
    normal: np.ndarray
    anomalous: np.ndarray
    error: float
    choice: Choice
    dtype: str
    log_cosh: float = np.nan
    log_cosh_error: float = np.nan
    sum_of_levels: float = np.nan
    facts: dict[str, Any] = field(default_factory=dict)

    def pair_amplitude(self) -> np.ndarray:
        """Return the singlet F of each site (N,): half the mean over spins of the electron-hole element."""
        onsite = self.anomalous[self.pattern.diagonal]
        return 0.5 * np.trace(onsite, axis1=1, axis2=2) / onsite.shape[1]

    def electron_density(self) -> np.ndarray:
        """Return the electrons on each site (N,), both spins."""
        onsite = self.normal[self.pattern.diagonal]
        spins = onsite.shape[1]
        return 1.0 - np.trace(onsite, axis1=1, axis2=2).real / spins

    def thermal_trace(self, temperature: float) -> float:
        """Return ``T Tr ln 2cosh(H/2T)``, at T = 0 half the sum of all |E|."""
        return temperature * self.log_cosh if temperature > 0 else 0.5 * self.sum_of_levels


def require_thermal_arguments(system: Any, temperature: Any, method: Any, seed: Any = None) -> float:
    """Return the temperature once it is clear that its averages exist: a system, T >= 0, one of `METHODS` that fits.

    Raises
    ------
    TypeError, ValueError
        If one of them is wrong, or the temperature is 0 with method "poles".
    """
    require_system(system)
    temperature = require_temperature(temperature, system)
    require_choice("method", method, METHODS)
    require_seed(seed)
    require_poles_above_zero(method, temperature)
    return temperature


def thermal_elements(
    hamiltonian: BdGHamiltonian,
    temperature: float,
    tol: float,
    choice: Choice,
    *,
    log_cosh: bool = False,
    elements: bool = True,
) -> ThermalElements:
    """Return the elements of tanh(H/2T) with absolute error below ``tol``.

    Parameters
    ----------
    hamiltonian : BdGHamiltonian
    temperature : float
        T >= 0; T = 0 (the sign function) needs "dense".
    tol : float
        Absolute error of the elements, from 1e-12 to 0.1.
    choice : Choice
        "dense" or "poles", as `bdg.thermal.choice` chooses them.
    log_cosh : bool
        Also the trace of ln 2cosh.
    elements : bool
        If False only the trace: no selected inverses.
    """
    require_poles(choice.method, hamiltonian, temperature)
    if choice.method == "dense":
        return _dense(hamiltonian, temperature, choice)
    return _poles(hamiltonian, temperature, tol, choice, log_cosh, elements)


def _dense(hamiltonian: BdGHamiltonian, temperature: float, choice: Choice) -> ThermalElements:
    system, backend = hamiltonian.system, choice.backend
    pattern = quaternion_symbolic(system, backend).pattern
    energies, vectors = dense.eigh(hamiltonian.matrix, backend)
    scales = level_scales(hamiltonian.matrix, vectors)
    weight = thermal_weights(energies, temperature, scales)
    log_cosh = np.inf
    if temperature > 0:
        size = abs(energies) / (2 * temperature)
        log_cosh = float((size + np.log1p(np.exp(-2 * size))).sum())
    half, spins = hamiltonian.shape[0] // 2, system.norbs
    u, v = (part.reshape(-1, spins, energies.size) for part in (vectors[:half], vectors[half:]))
    normal = np.empty((pattern.n_blocks, spins, spins), dtype=complex)
    anomalous = np.empty_like(normal)
    step = max(1, (1 << 23) // max(1, spins * energies.size))
    for begin in range(0, pattern.n_blocks, step):
        chosen = slice(begin, begin + step)
        left = u[pattern.first[chosen]] * weight
        second = pattern.second[chosen]
        normal[chosen] = np.matmul(left, u[second].conj().swapaxes(1, 2))
        anomalous[chosen] = np.matmul(left, v[second].conj().swapaxes(1, 2))
    sums = np.concatenate([u, v])  # the largest element that levels at zero leave open is one of a row with itself
    undecided = weight_at_zero(sums, sums, energies, temperature, scales).max(initial=0.0)
    error = float(rounding_of_sums(energies, temperature, scales) + undecided)
    rounding = 10 * np.finfo(float).eps * np.sqrt(energies.size)
    sum_of_levels = float(abs(energies).sum())
    facts = {"states": int(energies.size), "temperature_zero": temperature == 0, "sum_of_levels": sum_of_levels}
    return ThermalElements(
        pattern,
        normal,
        anomalous,
        error,
        choice,
        str(hamiltonian.dtype),
        log_cosh=log_cosh,
        log_cosh_error=float(rounding * abs(energies).sum()),
        sum_of_levels=sum_of_levels,
        facts=facts,
    )


def _poles(
    hamiltonian: BdGHamiltonian, temperature: float, tol: float, choice: Choice, log_cosh: bool, elements: bool
) -> ThermalElements:
    poles, bound = fit_for(hamiltonian, temperature, tol)
    form = form_of(hamiltonian, choice.backend)
    normal, anomalous = form.linear(poles.linear)

    def at(frequency: float) -> tuple[float, tuple[np.ndarray, np.ndarray] | None]:
        factor = form.factorise(frequency, log_determinant=log_cosh)
        logarithm = factor.log_determinant() if log_cosh else np.nan
        return logarithm, form.elements(factor) if elements else None

    logs = []
    found = side_by_side(at, poles.frequencies, choice.backend, each_bytes=form.bytes_at_once, divisible=True)
    for weight, (logarithm, green) in zip(poles.weights, found, strict=True):
        logs.append(logarithm)
        if green is not None:
            normal -= weight * green[0]
            anomalous -= weight * green[1]
    trace, trace_error = np.nan, np.nan
    if log_cosh:
        dimension = hamiltonian.shape[0]
        square = float((abs(hamiltonian.matrix.data) ** 2).sum())
        trace = poles.trace_log_cosh(np.array(logs), square, dimension)
        trace_error = dimension * poles.log_cosh_error + 1e-13 * abs(trace)
    facts = {
        "form": form.name,
        "poles": int(poles.frequencies.size),
        "fit_error": poles.error,
        "spectral_bound": bound,
        "factor_bytes": form.factor_bytes,
    }
    return ThermalElements(
        form.symbolic.pattern,
        normal,
        anomalous,
        poles.error + ROUNDING,
        choice,
        "float64",
        log_cosh=trace,
        log_cosh_error=trace_error,
        facts=facts,
    )
