r"""The free energy of all grain phases, its gradient and Hessian: the host integrated out once, then small matrices.

At each pole of a rational fit of tanh the normal host leaves one matrix between the orbitals that pair
(`bdg.granular.integrated_host`); every further question, at any phases, with any grains made normal, is answered by
determinants and inverses of that size (`bdg.granular.phase_determinants`).
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np

from bdg.base.arguments import require_seed, require_system, require_temperature
from bdg.base.results import Choice, Evidence, Result, quantity
from bdg.gpu.device.backend import Backend, select_backend
from bdg.gpu.device.threads import threaded
from bdg.gpu.poles.tanh_poles import Poles
from bdg.granular.harmonic_terms import PhaseGrid, PhaseHarmonics, fourier_terms
from bdg.granular.integrated_host import integrate_out, orbitals_of
from bdg.granular.named_grains import require_grain_pairing, require_grains, require_places, require_points
from bdg.granular.phase_determinants import PhaseDeterminants
from bdg.lattices.arguments import positive_number
from bdg.lattices.system import System
from bdg.methods import choice

if TYPE_CHECKING:
    from matplotlib.figure import Figure

HOST, OTHER = -1, -2  # labels of orbitals whose pairing keeps its phase: of the host, of grains that are not named
_NEGLIGIBLE = 0.1  # of the error of the fit: what poles may be left out for
_ROUNDING = 4 * np.finfo(float).eps


@dataclass(frozen=True, eq=False, kw_only=True)
class GrainLandscape(Result):
    """Free energy of the phases of G grains.

    Phases are counted from those of the system, F of both spins from its value where all phases are 0. Energies have
    the unit of the hopping.

    Attributes
    ----------
    grains : array (G,) of int
        Numbers of the grains in the system; phases follow this order.
    temperature : float
        k_B T.
    error : float
        Bound of the error of every value, gradient, Hessian and pair coupling: the fit of tanh, poles that were left
        out, and rounding.
    norbs : int
    device : "cpu" or "gpu"
        Where the determinants are computed.
    frequencies, weights : arrays (P,)
        ``w_j`` and ``c_j`` of the poles.
    orbital_grain : array (M,) of int
        Place in ``grains`` of each orbital that pairs; -1 in the host, -2 in a grain that keeps its phase.
    pairing : array (M, M), complex
        D between these orbitals at phases 0.
    green : array (P, M, M), complex
        Green function of h between them at ``i w_j``.
    """

    grains: np.ndarray = quantity("numbers of the grains (G,)")
    temperature: float = quantity("k_B T", "hopping")
    error: float = quantity("bound of the error of every value", "hopping")
    norbs: int = quantity("orbitals of a site")
    device: str = quantity("device of the determinants")
    frequencies: np.ndarray = quantity("Matsubara-like frequencies of the poles (P,)", "hopping", finite=True)
    weights: np.ndarray = quantity("weights of the poles (P,)", "hopping", finite=True)
    orbital_grain: np.ndarray = quantity("place in grains of each orbital that pairs (M,)")
    pairing: np.ndarray = quantity("pairing between these orbitals (M, M)", "hopping", finite=True)
    green: np.ndarray = quantity("Green function of the normal host (P, M, M)", "1/hopping", finite=True)

    def free_energy(self, phases: Any) -> float | np.ndarray:
        """Return ``F(phases) - F(0)``: a float for phases (G,), an array (P,) for (P, G), in radian."""
        points, one = self._points(phases)
        found = self._determinants.free_energy(points)
        return float(found[0]) if one else found

    def gradient(self, phases: Any) -> np.ndarray:
        """Return ``dF/dphi_g``, (G,) or (P, G): ``2e/hbar`` times it is the current out of grain g."""
        points, one = self._points(phases)
        found = self._determinants.gradient(points)
        return found[0] if one else found

    def hessian(self, phases: Any = None) -> np.ndarray:
        """Return ``d2F/dphi_g dphi_h``, (G, G) or (P, G, G); None: where all phases are 0.

        Rows add up to zero where the grains hold all pairing: a common phase is a gauge.
        """
        points, one = self._points(np.zeros(self.grains.size) if phases is None else phases)
        found = self._determinants.hessian(points)
        return found[0] if one else found

    @cached_property
    def pairs(self) -> np.ndarray:
        """Couplings of isolated pairs (G, G): ``-d2F/dphi_i dphi_j`` at phases 0 with all other grains normal.

        The diagonal is 0. A pair of sinusoidal coupling E_J has E_J; higher harmonics add ``n^2 E_n``.
        """
        count = self.grains.size
        found = np.zeros((count, count))
        for i in range(count):
            for j in range(i + 1, count):
                found[i, j] = found[j, i] = -self._part([i, j])._determinants.hessian(np.zeros((1, 2)))[0, 0, 1]
        return found

    def only(self, grains: Sequence[int]) -> GrainLandscape:
        """Return the landscape of some grains while all other grains are normal; the host keeps its pairing.

        Parameters
        ----------
        grains : sequence of int
            Places in ``self.grains``; in the new landscape the grains have the places of this sequence.

        Raises
        ------
        ValueError
            If a place is out of range or repeated.
        """
        return self._part(require_places(grains, self.grains.size))

    def harmonics(self, grains: Sequence[int], *, points: int | None = None, tol: float = 1e-3) -> PhaseHarmonics:
        """Return the Fourier terms in the phases of two to four grains, as `bdg.phase_harmonics` does.

        Parameters
        ----------
        grains : sequence of int
            Places in ``self.grains``. All others keep their pairing and the phase of the system.
        points : int, optional
        tol : float
            As in `bdg.phase_harmonics`.

        Raises
        ------
        ValueError
            If grains are missing, repeated or not two to four.
        """
        start = time.perf_counter()
        named = require_grains(grains, self.grains.size)
        tol = positive_number("tol", tol, "relative to the largest term")
        size = None if points is None else require_points(points)
        fixed = bool(np.isin(self.orbital_grain, named).all())
        grid = LandscapeGrid(self, named, fixed)
        terms = fourier_terms(grid, [int(self.grains[g]) for g in named], fixed, size, tol, self.is_real)
        evidence = Evidence.of(
            Choice("integrated_host", "the landscape is at hand", self._backend),
            dtype="complex128",
            start=start,
            free_energies=grid.computed,
            **terms.facts,
            free_energy_error=self.error,
            gauge="first phase fixed: the named grains hold all pairing" if fixed else "other grains are a reference",
            time_reversal=self.is_real,
        )
        return terms.result(self.error, self.temperature, evidence, self.units)

    def plot(self, ax: Any = None) -> Figure:
        """Return a Figure of the couplings with all grains on against those of isolated pairs."""
        from bdg.plots.phases import plot_dressed_couplings

        upper = np.triu_indices(self.grains.size, 1)
        couplings = self.pairs[upper], -self.hessian()[upper]
        return plot_dressed_couplings(*couplings, self.error, ax, energy_unit=self.energy_unit)

    @cached_property
    def _backend(self) -> Backend:
        return select_backend("cpu" if self.device == "cpu" else "auto")

    @cached_property
    def _determinants(self) -> PhaseDeterminants:
        arrays = self.green, self.pairing, self.weights, self.orbital_grain
        return PhaseDeterminants(*arrays, self.grains.size, self.norbs, self._backend)

    @cached_property
    def is_real(self) -> bool:
        """True with time reversal: F is the same at opposite phases."""
        symmetric = abs(self.green - self.green.swapaxes(-1, -2)).max(initial=0.0)
        return not self.pairing.imag.any() and bool(symmetric <= 1e-12 * abs(self.green).max(initial=0.0))

    def _part(self, places: list[int]) -> GrainLandscape:
        number = np.full(self.grains.size + 2, OTHER)  # from the end: those that keep their phase become normal
        number[HOST] = HOST
        number[places] = np.arange(len(places))
        label = number[self.orbital_grain]
        left = np.flatnonzero(label != OTHER)
        return replace(
            self,
            grains=self.grains[places],
            orbital_grain=label[left],
            pairing=self.pairing[np.ix_(left, left)],
            green=self.green[:, left[:, None], left],
        )

    def _points(self, phases: Any) -> tuple[np.ndarray, bool]:
        """Return phases (P, G), and whether they were one point (G,)."""
        count = self.grains.size
        try:
            points = np.asarray(phases, dtype=float)
        except (TypeError, ValueError) as error:
            raise TypeError(
                f"phases must be real numbers, one for each of the {count} grains; got {phases!r}"
            ) from error
        if points.ndim not in (1, 2) or points.shape[-1] != count or not np.isfinite(points).all():
            raise ValueError(
                f"phases must be finite, one for each of the {count} grains, in shape ({count},) or (P, {count}); got "
                f"shape {points.shape}"
            )
        return np.atleast_2d(points), points.ndim == 1


class LandscapeGrid(PhaseGrid):
    """F of a landscape on grids of the phases of some of its grains."""

    def __init__(self, landscape: GrainLandscape, places: Sequence[int], fixed: bool, bar: Any = None) -> None:
        super().__init__(list(places)[1 if fixed else 0 :], landscape.is_real, bar)
        self._landscape, self.error = landscape, landscape.error

    def energies(self, phases: np.ndarray) -> list[float]:
        """Return F at phases (P, free)."""
        points = np.zeros((len(phases), self._landscape.grains.size))
        points[:, self._free] = phases
        return np.atleast_1d(self._landscape.free_energy(points)).tolist()


@threaded
def grain_landscape(
    system: System,
    temperature: float,
    *,
    grains: Sequence[int] | None = None,
    device: str = "auto",
    threads: int | str = "auto",
    seed: int | None = None,
    progress: bool = False,
) -> GrainLandscape:
    r"""Return the free energy of all grain phases, its gradient and Hessian, couplings of pairs, and Fourier terms.

    .. math:: F(\varphi) - F(0) = -\frac{1}{2 s} \sum_j c_j \Big[ \ln\det\big(1 + G(i w_j)\, D(\varphi)\,
              \bar G(i w_j)\, D(\varphi)^\dagger\big) \Big]_0^{\varphi}

    summed over the poles of a fit of tanh(x/2T) to 1e-12, with s = norbs. G is the Green function of the normal
    Hamiltonian h between the orbitals that pair; ``Gbar = G^*`` (norbs = 1) or ``sigma_y G^* sigma_y`` stands for the
    holes.

    Parameters
    ----------
    system : System
        With pairing in its grains; real or complex h (flux), norbs 1 or 2.
    temperature : float
        k_B T > 0.
    grains : sequence of int, optional
        Whose phases are free, in this order; default: all. Others keep their pairing and the phases of the system.
    device : {"auto", "cpu", "gpu"}
    threads : int or "auto"
        Of the host; "auto" takes ``BDG_THREADS``, else the cores at hand. Results do not depend on it.
    seed
        Without influence; accepted for uniformity.
    progress : bool
        Show a bar over the poles.

    Returns
    -------
    GrainLandscape

    Raises
    ------
    ValueError
        If no site pairs, grains are unknown or repeated, pairing joins different grains (F then has the period 4 pi),
        or temperature is 0.
    MemoryBudgetError
        If the matrices between the orbitals that pair do not fit.

    References
    ----------
    C. W. J. Beenakker, Phys. Rev. Lett. 67, 3836 (1991): the phase-dependent free energy as a determinant.

    Examples
    --------
    >>> import numpy as np
    >>> import bdg
    >>> from bdg.lattices import grains_at
    >>> loop = grains_at((9, 9), 1.0, [(2, 2), (6, 2), (4, 6)], 2.5, delta=0.5)
    >>> landscape = bdg.grain_landscape(loop, temperature=0.1)
    >>> phases = np.array([0.0, 0.5, 1.0])
    >>> print(landscape.gradient(phases).round(4))  # currents into the grains
    [-0.011   0.0013  0.0098]
    """
    start = time.perf_counter()
    require_system(system)
    require_seed(seed)
    temperature = require_temperature(temperature, system)
    if temperature == 0:
        raise ValueError(
            "temperature must be > 0: no finite number of poles fits tanh at 0; got 0. Use a low temperature, or "
            "bdg.phase_harmonics with method='dense'"
        )
    named = list(range(system.n_grains)) if grains is None else require_places(grains, system.n_grains)
    require_grain_pairing(system)
    if not named or not system.pairing_block.count_nonzero():
        raise ValueError("the system has no grain that pairs: give it delta, or pairing with grain=")
    dimension = system.norbs * system.n_sites
    backend = choice.devices(device, dimension)[-1]
    host = integrate_out(system, temperature, backend, progress)
    orbitals = orbitals_of(system, host.sites)
    number = np.full(system.n_grains + 1, OTHER)
    number[HOST] = HOST
    number[named] = np.arange(len(named))
    label = number[np.repeat(system.grain[host.sites], system.norbs)]
    pairing = system.pairing_block[orbitals][:, orbitals].toarray().astype(complex)
    bound = _fit_error(host.poles, pairing, label, system.norbs)
    arrays = host.green, pairing, host.poles.weights, label, len(named), system.norbs, backend
    determinants = PhaseDeterminants(*arrays)
    reach = determinants.reach()
    kept = np.flatnonzero(np.cumsum(reach[::-1])[::-1] > _NEGLIGIBLE * bound)
    kept = kept if kept.size else np.arange(1)
    rounding = _ROUNDING * orbitals.size * float(abs(host.poles.weights[kept]).sum()) / system.norbs
    evidence = Evidence.of(
        Choice("integrated_host", "the only one", backend),
        dtype="complex128",
        start=start,
        orbitals=int(orbitals.size),
        poles=int(kept.size),
        poles_left_out=int(reach.size - kept.size),
        fit_error=host.poles.error,
        spectral_bound=host.bound,
    )
    found = GrainLandscape(
        grains=np.array(named, dtype=np.int64),
        temperature=temperature,
        error=float(bound + np.delete(reach, kept).sum() + rounding),
        norbs=system.norbs,
        device=backend.device,
        frequencies=np.array(host.poles.frequencies[kept]),
        weights=np.array(host.poles.weights[kept]),
        orbital_grain=label,
        pairing=pairing,
        green=host.green[kept],
        evidence=evidence,
        units=system.units,
    )
    found.__dict__["_determinants"] = determinants.keep(kept)  # made already
    return found


def _fit_error(poles: Poles, pairing: np.ndarray, label: np.ndarray, norbs: int) -> float:
    r"""Return what the fit of tanh leaves of F, its gradient and its Hessian at most.

    With ``e = fit - tanh``, ``dF/dphi_g`` misses ``1/2s Tr e(H) dH/dphi_g``, at most ``max|e| ||D_g||_1 / s`` in the
    trace norm; F misses that times pi for each grain; a second derivative adds ``max|e'| ||D_g||_F ||D_h||_F / s``
    (divided differences of e are at most max|e'|).
    """
    parts = [pairing[np.ix_(label == g, label == g)] for g in range(label.max(initial=-1) + 1)]
    traces = [float(np.linalg.svd(part, compute_uv=False).sum()) for part in parts]
    squares = max((float((abs(part) ** 2).sum()) for part in parts), default=0.0)
    energy = np.pi * poles.error * sum(traces)
    curvature = poles.error * max(traces, default=0.0) + poles.slope_error() * squares
    return max(energy, curvature) / norbs
