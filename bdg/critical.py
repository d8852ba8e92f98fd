r"""The critical temperature, from the linearised gap equation.

To first order in Delta the pair amplitude is ``F_i = sum_j chi_ij Delta_j``, and ``Delta = U F`` has a solution where
the largest eigenvalue of the Hermitian kernel reaches one:

.. math:: \lambda\big[ U^{1/2} \chi(T) \, U^{1/2} \big] = 1, \qquad
          \chi_{ij} = T \sum_\omega G_{ij}(i\omega) \, G_{ji}(i\omega)^*

The kernel is never formed. Applied to a vector it is the pair amplitude of a Delta so small that the response is
linear; Lanczos finds the eigenvalue, and a bracketed secant in ln T the temperature. Nothing is iterated to
self-consistency, so this works where Delta(T) is too small for that.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from bdg.arguments import require_choice, require_seed, require_system
from bdg.errors import ConvergenceError
from bdg.gpu.backend import Backend, select_backend
from bdg.lattices.arguments import positive_number
from bdg.lattices.system import System
from bdg.pairing import SMALL_AMPLITUDE, amplitude_of_size
from bdg.results import Evidence, Result, quantity
from bdg.thermal_elements import METHODS

if TYPE_CHECKING:
    from matplotlib.figure import Figure

PROBE = 3e-4  # Delta of the linear response in units of T: its square is the relative error
TOLERANCES = 1e-8, 0.1  # of Tc: rounding of the response below, no number worth the name above
AMPLITUDE_SHARE = 1e-3  # of tol: relative error of the pair amplitude
_SHARE_EXPECTED = 0.5  # of the pair amplitude that the last response foretells
LOWEST = 1e-5  # of the norm of h: below, no transition is looked for
MAX_STEPS = 40  # of Lanczos
MAX_TEMPERATURES = 60


@dataclass(frozen=True, eq=False, kw_only=True)
class CriticalTemperature(Result):
    """Transition temperature and the Delta that appears there.

    Attributes
    ----------
    temperature : float
        k_B Tc; 0 if the kernel stays below one down to ``evidence.lowest``.
    error : float
        Of the temperature, from the errors of the eigenvalue.
    mode : array (N,)
        Delta of the transition, largest modulus 1; real if h is.
    positions : array (N, dim)
    """

    temperature: float = quantity("k_B Tc", "hopping")
    error: float = quantity("error of Tc", "hopping")
    mode: np.ndarray = quantity("Delta of the transition (N,), largest modulus 1", finite=True)
    positions: np.ndarray = quantity("positions of the sites (N, dim)", "length of the system", finite=True)

    def plot(self, ax: Any = None) -> Figure:
        """Return a Figure of the mode over the sites."""
        from bdg.plotting import plot_site_map

        return plot_site_map(self.positions, abs(self.mode), r"$|\Delta|$ at $T_c$ (arb. units)", ax)


def critical_temperature(
    system: System,
    *,
    tol: float = 1e-6,
    method: str = "auto",
    device: str = "auto",
    seed: int | None = None,
    progress: bool = False,
) -> CriticalTemperature:
    """Return the temperature at which the normal state becomes unstable against pairing.

    Parameters
    ----------
    system : System
        ``attraction`` holds U_i >= 0; ``delta`` on these sites is ignored. Grains, disorder and fields are allowed.
    tol : float
        Relative error of Tc that is aimed for, from 1e-8 (rounding of the response) to 0.1.
    method : {"auto", "dense", "poles"}
        Of the pair amplitude (`bdg.pair_amplitude`).
    device : {"auto", "cpu", "gpu"}
    seed : int, optional
        Of the start vector of Lanczos; None means 0.
    progress : bool
        Show temperatures and eigenvalues as they are found.

    Raises
    ------
    ValueError
        If ``tol`` is out of range, no site has attraction, or pairing is imposed on sites without.
    ConvergenceError
        If the bracket does not close; ``result`` is None.

    References
    ----------
    L. P. Gor'kov, Sov. Phys. JETP 9, 1364 (1959); P. G. de Gennes, Rev. Mod. Phys. 36, 225 (1964).
    """
    start = time.perf_counter()
    require_system(system)
    tol = _require_tol(tol)
    require_choice("method", method, METHODS)
    seed = require_seed(seed)
    active = np.flatnonzero(system.attraction > 0)
    if not active.size:
        raise ValueError("system has no attraction: U_i = 0 on all sites, so there is no transition")
    if system.pairing is not None or system.delta[system.attraction == 0].any():
        raise ValueError(
            "pairing is imposed on sites without attraction (delta or pairing), so there is no normal state; remove it "
            "with with_delta(0)"
        )
    kernel = _Kernel(system, active, method, AMPLITUDE_SHARE * tol, select_backend(device))
    scale = float(abs(system.hamiltonian).sum(axis=1).max())
    search = _Search(kernel, np.random.default_rng(seed), tol, progress)
    lowest = LOWEST * max(scale, float(system.attraction.max()))
    temperature, error = _root(search, 0.1 * float(system.attraction.max()), lowest, tol)
    vector = search.vector
    mode = np.zeros(system.n_sites, dtype=vector.dtype)
    mode[active] = kernel.weight * vector
    largest = mode[abs(mode).argmax()]
    evidence = Evidence.of(
        method=kernel.facts.get("method", method),
        why=kernel.facts.get("why", ""),
        backend=kernel.backend,
        dtype=vector.dtype,
        start=start,
        applications=kernel.applications,
        temperatures=sorted(search.eigenvalues),
        eigenvalues=[search.eigenvalues[t] for t in sorted(search.eigenvalues)],
        eigenvalue_error=search.error,
        residual=search.residual,
        lowest=lowest,
        converged=True,
    )
    return CriticalTemperature(
        temperature=temperature,
        error=error,
        mode=mode / largest if largest else mode,
        positions=system.positions,
        evidence=evidence,
    )


class _Kernel:
    """``U^(1/2) chi(T) U^(1/2)`` applied to vectors on the sites with attraction."""

    def __init__(self, system: System, active: np.ndarray, method: str, tol: float, backend: Backend) -> None:
        self.system, self.active, self.method, self.backend = system, active, method, backend
        self.tol = max(tol, 1e-11)
        self.weight = np.sqrt(system.attraction[active])
        self.dtype = np.dtype(float if system.hamiltonian.dtype.kind != "c" else complex)
        self.applications = 0
        self._response = 0.0  # max|F| / max|Delta| of the last application
        self.facts: dict[str, Any] = {}

    def __call__(self, vector: np.ndarray, temperature: float) -> np.ndarray:
        small = PROBE * temperature * self.weight * vector
        scale = float(abs(small).max()) / (PROBE * temperature)
        delta = np.zeros(self.system.n_sites, dtype=self.dtype)
        delta[self.active] = small / scale
        largest = float(abs(delta).max())
        amplitude = amplitude_of_size(
            _SHARE_EXPECTED * self._response * largest if self._response else SMALL_AMPLITUDE,
            self.system.with_delta(delta),
            temperature,
            sites=self.active,
            method=self.method,
            tol=self.tol,
            device=self.backend.device,
        )
        self.applications += 1
        self._response = float(abs(amplitude.values).max()) / largest if largest else 0.0
        self.facts = {"method": amplitude.evidence.method, "why": amplitude.evidence.why}
        response = self.weight * amplitude.values * (scale / (PROBE * temperature))
        return response.real if self.dtype.kind != "c" else response


def _require_tol(tol: Any) -> float:
    number = positive_number("tol", tol, "relative error of Tc")
    low, high = TOLERANCES
    if not low <= number <= high:
        cure = "Leave it out for 1e-6, or take one in between"
        raise ValueError(f"tol must lie between {low:g} and {high:g} (relative error of Tc); got {tol!r}. {cure}")
    return number


class _Search:
    """Largest eigenvalue of the kernel at one temperature after the other, each started from the last vector."""

    def __init__(self, kernel: _Kernel, rng: np.random.Generator, tol: float, progress: bool) -> None:
        self.kernel, self._tol, self._progress = kernel, tol, progress
        size = kernel.active.size
        # the first mode has no nodes where h is real; a little noise reaches the others
        self.vector = (1.0 + 0.1 * rng.standard_normal(size)).astype(kernel.dtype)
        self.eigenvalues: dict[float, float] = {}
        self.error, self.residual = np.inf, np.inf

    def __call__(self, temperature: float) -> float:
        value, self.vector, self.residual, self.error = _largest_eigenvalue(
            lambda x: self.kernel(x, temperature), self.vector, self._tol
        )
        self.eigenvalues[float(temperature)] = value
        if self._progress:
            print(f"T = {temperature:.8g}: eigenvalue {value:.8g} (applications: {self.kernel.applications})")
        return value


def _largest_eigenvalue(
    apply: Callable[[np.ndarray], np.ndarray], start: np.ndarray, tol: float
) -> tuple[float, np.ndarray, float, float]:
    """Return eigenvalue, vector, residual and a bound of the eigenvalue's error, by Lanczos.

    The error is at most the residual, and its square over the distance to the next Ritz value.
    """
    basis = [start / np.linalg.norm(start)]
    images: list[np.ndarray] = []
    while True:
        images.append(apply(basis[-1]))
        space, mapped = np.array(basis).T, np.array(images).T
        projected = space.conj().T @ mapped
        values, rotation = np.linalg.eigh(0.5 * (projected + projected.conj().T))
        value, vector = float(values[-1]), space @ rotation[:, -1]
        remainder = mapped @ rotation[:, -1] - value * vector
        residual = float(np.linalg.norm(remainder))
        distance = max(value - float(values[-2]), residual) if values.size > 1 else np.inf
        error = min(residual, residual**2 / distance) if values.size > 1 else residual
        exhausted = len(basis) >= min(start.size, MAX_STEPS)
        if error <= 0.1 * tol * abs(value) or exhausted:
            return value, vector, residual, error
        following = mapped[:, -1]
        for _ in range(2):
            following = following - space @ (space.conj().T @ following)
        norm = np.linalg.norm(following)
        if norm <= 1e-12 * abs(value):
            return value, vector, residual, error
        basis.append(following / norm)


def _root(search: _Search, guess: float, lowest: float, tol: float) -> tuple[float, float]:
    """Return the temperature where the eigenvalue is 1 and its error; (0, lowest) if there is none above ``lowest``.

    The eigenvalue falls with temperature, like ``a - b ln T`` at weak coupling.
    """
    x = np.log(guess)
    above: tuple[float, float] | None = None  # (ln T, eigenvalue) with eigenvalue < 1
    below: tuple[float, float] | None = None
    for _ in range(MAX_TEMPERATURES):
        value = search(float(np.exp(x)))
        if value >= 1:
            below = (x, value)
        else:
            above = (x, value)
        if below is None:
            assert above is not None
            if x <= np.log(lowest) + 1e-9:
                return 0.0, lowest
            x = max(x - np.log(4.0), np.log(lowest))
            continue
        if above is None:
            x += np.log(4.0)
            continue
        slope = (above[1] - below[1]) / (above[0] - below[0])
        width = above[0] - below[0]
        root = below[0] + (1 - below[1]) / slope
        step = abs(root - x)
        if step < 0.3 * tol or width < tol:
            error = (abs(root - x) + (search.error + PROBE**2 + search.kernel.tol) / abs(slope)) * np.exp(root)
            return float(np.exp(root)), float(error)
        # keep away from the ends, or the bracket would shrink from one side only
        x = float(np.clip(root, below[0] + 1e-3 * width, above[0] - 1e-3 * width))
    raise ConvergenceError(f"critical_temperature: the bracket did not close in {MAX_TEMPERATURES} temperatures")
