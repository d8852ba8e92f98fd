r"""The local density of states of electrons, broadened, with an error on every value.

.. math:: \rho_i(E) = \sum_n |u_n(i)|^2 \, \delta_\eta(E - E_n) = -\tfrac1\pi \mathrm{Im}\, \mathrm{Tr}_{spin}\,
          G_{ee}(i, i; E + i \eta), \qquad \delta_\eta(x) = \frac{\eta/\pi}{x^2 + \eta^2}

over all 2 s N levels; its integral is s on every site. The hole part at E is the electron part at -E, so one
factorisation serves both signs.
"""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from bdg.base.arguments import require_choice, require_energies, require_seed, require_sites, require_system
from bdg.base.hamiltonian import BdGHamiltonian
from bdg.base.progress import progress_bar
from bdg.base.results import Evidence, Result, quantity
from bdg.densities import local_choice as ldos_plan
from bdg.densities import site_densities as local_green
from bdg.densities.local_choice import _WHAT, METHODS, Request, _ways, require_expansion
from bdg.densities.resolution import require_broadening
from bdg.densities.spectral_weights import SpectralWeights, site_weights
from bdg.gpu.device.backend import Backend, select_backend
from bdg.gpu.device.threads import side_by_side, threaded
from bdg.gpu.eigen import dense
from bdg.green.resolvent import Resolvent
from bdg.lattices.system import System
from bdg.methods.choice import first_working

if TYPE_CHECKING:
    from matplotlib.figure import Figure


@dataclass(frozen=True, eq=False, kw_only=True)
class LocalDensityOfStates(Result):
    """Local density of states on chosen sites.

    Attributes
    ----------
    energies : array (M,)
    values : array (M, S)
        ``sum_n |u_n(i)|^2 delta(E - E_n)`` with the kernel and broadening that the evidence names; spins summed.
    error : array (M, S)
        Numerical error of these broadened values: a bound or an estimate, as ``evidence.error_is`` says. What the
        broadening itself does is not part of it.
    sites : array (S,) of int
    positions : array (S, dim)
    broadening : float
        Half width at half maximum eta of the Lorentzian; with the Jackson kernel the standard deviation at E = 0.
    moments, vectors : int
        Of Chebyshev expansions; 0 where there is none.
    """

    energies: np.ndarray = quantity("energies (M,)", "hopping")
    values: np.ndarray = quantity("local density of states of electrons (M, S)", "1/hopping")
    error: np.ndarray = quantity("numerical error of the values (M, S), broadening excluded", "1/hopping")
    sites: np.ndarray = quantity("site numbers (S,) that the values belong to")
    positions: np.ndarray = quantity("positions of these sites (S, dim)", "length of the system")
    broadening: float = quantity("half width of the Lorentzian, or standard deviation (Jackson kernel)", "hopping")
    moments: int = quantity("Chebyshev moments, 0 if none")
    vectors: int = quantity("random vectors, 0 if none")
    _rows = "values"

    def plot(self, ax: Any = None) -> Figure:
        """Return a Figure: a map of the sites at a single energy, else curves, or a map of E and x in 1-D."""
        from bdg.plots.maps import plot_local_densities

        arrays = self.energies, self.values, self.sites, self.positions
        return plot_local_densities(*arrays, ax, energy_unit=self.energy_unit, length_unit=self.length_unit)


@threaded
def local_density_of_states(
    system: System,
    energies: Any,
    sites: Any = None,
    *,
    method: str = "auto",
    broadening: float | None = None,
    moments: int | None = None,
    vectors: int | str = 8,
    device: str = "auto",
    threads: int | str = "auto",
    seed: int | None = None,
    progress: bool = False,
) -> LocalDensityOfStates:
    r"""Return ``sum_n |u_n(i)|^2 delta(E - E_n)``, the local density of states of electrons, both spins for norbs = 2.

    Each level is a Lorentzian ``(eta/pi)/((E - E_n)^2 + eta^2)`` ("green" and "dense" alike), so beyond the spectrum
    values fall like ``s eta/(pi E^2)``, and the integral over |E| < L misses ``2 s eta/(pi L)`` of s.

    Parameters
    ----------
    system : System
    energies : array (M,) or float
        In the unit of the hopping, measured from the chemical potential. Energies in pairs +-E cost half.
    sites : list of int or mask (N,), optional
        Default: all sites.
    method : {"auto", "green", "dense", "chebyshev"}
        "green" takes the retarded Green function at ``E + i eta``, one factorisation for each |E|: solved columns of
        few sites, or a selected inverse, whichever is expected to take less time; "dense" sums over all eigenstates;
        "chebyshev" expands one column a site in polynomials of H, for few sites at many energies, or where factors do
        not fit. "auto" takes what is expected to be done first (`bdg.estimate`), and where factors turn out to be of no
        use the next one that fits; the evidence says so.
    broadening : float, optional
        eta > 0, in the unit of the hopping. Default: the mean spacing of the energies, so that no level hides between
        two of them; for a single energy 1e-3 of the largest row sum of |H|.
    moments : int, optional
        "chebyshev" only, instead of the broadening: as many moments with the Jackson kernel, whose peaks have the
        standard deviation ``pi s/moments`` at E = 0 and no long tails. Without it the Lorentzian is expanded.
    vectors : int or "all"
        Without influence: columns are exact.
    device : {"auto", "cpu", "gpu"}
        "auto" takes the one that is expected to be done first, "gpu" never falls back.
    threads : int or "auto"
        Of the host; "auto" takes ``BDG_THREADS``, else the cores at hand. Results do not depend on it.
    seed : int, optional
        Of the sites that check a selected inverse; None means 0.
    progress : bool
        Show a bar over the energies.

    Returns
    -------
    LocalDensityOfStates
        ``values`` (M, S) and ``error`` (M, S), float64, in 1/hopping, on the host. ``error`` is the numerical error of
        the broadened values: with residual r of a column, a bound ``sqrt(rho/(pi eta)) ||r||``; of a selected inverse
        an estimate, 40 or 60 times the largest deviation from columns that are solved at 8 or 16 sites; of "dense" the
        bound ``rho ||H V - V E||/eta``; of "chebyshev" the bound of the truncation with estimated rounding.

    Raises
    ------
    TypeError, ValueError
        If an energy is not finite, a site does not exist, the broadening is not positive, or the method is not
        available.
    ArithmeticError
        If the broadening is so small that the factors are of no use: with "green", or where nothing else fits.
    MemoryBudgetError
        If nothing that may be taken fits: with what each method needs, before it is begun.
    BackendUnavailableError
        If ``device="gpu"`` and no GPU can be used.

    References
    ----------
    A. V. Balatsky, I. Vekhter, J.-X. Zhu, Rev. Mod. Phys. 78, 373 (2006); selected inversion: L. Lin et al., ACM
    Trans. Math. Softw. 37, 40 (2011).

    Examples
    --------
    >>> import bdg
    >>> from bdg.lattices import Layer, stack
    >>> wire = stack([Layer(40, delta=0.5), Layer(40)])
    >>> density = bdg.local_density_of_states(wire, [0.0], sites=[5, 75], broadening=0.05)
    >>> print(density.values.round(2))  # in the superconductor (gapped), in the normal metal
    [[0.01 0.26]]
    """
    start = time.perf_counter()
    require_system(system)
    require_choice("method", method, METHODS)
    points = require_energies(energies)
    chosen = require_sites(sites, system.n_sites)
    require_expansion(moments, vectors, method, broadening)
    seed = require_seed(seed)
    select_backend(device)  # refused before any work
    hamiltonian = BdGHamiltonian(system)
    eta, origin = require_broadening(broadening, points, hamiltonian)
    request = Request(hamiltonian, points, chosen, eta, moments)
    backends, options, task = _ways(method, device, request)
    found, choice = first_working(
        method, options, backends, lambda way, on: _by(way, request, on, seed, progress), _WHAT, task
    )
    if moments is not None:
        origin = "standard deviation of a peak at E = 0 for the moments asked for"
    evidence = Evidence.of(
        choice,
        dtype=found.values.dtype,
        start=start,
        kernel=found.kernel,
        broadening=found.broadening,
        broadening_is=origin,
        relative_error=float((found.error / np.maximum(found.values, np.finfo(float).tiny)).max()),
        **found.facts,
    )
    return LocalDensityOfStates(
        energies=points,
        values=found.values,
        error=found.error,
        sites=chosen,
        positions=system.positions[chosen],
        broadening=found.broadening,
        moments=found.moments,
        vectors=0,
        evidence=evidence,
        units=system.units,
    )


def _by(method: str, request: Request, backend: Backend, seed: int, progress: bool) -> SpectralWeights:
    """Return values and errors by one method."""
    hamiltonian, energies, sites, eta = request.hamiltonian, request.energies, request.sites, request.eta
    if method == "chebyshev":
        return site_weights(hamiltonian, energies, sites, eta, request.moments, backend, progress)
    if method == "dense":
        values, error, facts = _dense(hamiltonian, energies, sites, eta, backend)
    else:
        values, error, facts = _green(request, backend, seed, progress)
    return SpectralWeights(values, error, 0, eta, "lorentzian", facts)


def _dense(
    hamiltonian: BdGHamiltonian, energies: np.ndarray, sites: np.ndarray, eta: float, backend: Backend
) -> tuple[np.ndarray, np.ndarray, dict[str, Any]]:
    """Sum over all eigenstates.

    They are exact ones of a matrix that differs by dH = H V - V E (V unitary to rounding), so G misses G dH G: at most
    ``||dH|| (G G^+)_ii = ||dH|| pi rho_i/eta``.
    """
    levels, vectors = dense.eigh(hamiltonian.matrix, backend)
    norbs, half = hamiltonian.system.norbs, hamiltonian.shape[0] // 2
    defect = float(np.linalg.norm(hamiltonian @ vectors - vectors * levels))
    defect += 10 * np.finfo(float).eps * abs(levels).max()
    weight = (abs(vectors[:half]) ** 2).reshape(-1, norbs, levels.size).sum(axis=1)[sites]
    values = (eta / np.pi / ((energies[:, None] - levels) ** 2 + eta**2)) @ weight.T
    facts = {"error_is": "bound", "route": "all eigenstates", "states": int(levels.size), "defect": defect}
    return values, values * (defect / eta + 1e-14), facts


def _green(
    request: Request, backend: Backend, seed: int, progress: bool
) -> tuple[np.ndarray, np.ndarray, dict[str, Any]]:
    energies, sites, eta = request.energies, request.sites, request.eta
    plan, option = ldos_plan.green_plan(request, backend)
    resolvent = Resolvent(request.hamiltonian, backend)
    asked = [np.flatnonzero(plan.which == number) for number in range(plan.energies.size)]
    # rows 0: electrons at E; rows 1: holes at E, which are the electrons at -E
    parts = [np.where(energies[those] < 0, 1, 0) for those in asked]

    def solved(number: int) -> tuple[str, np.ndarray, np.ndarray]:
        at = resolvent.at(complex(plan.energies[number], eta))
        rng = np.random.default_rng((seed, number))
        return at.form, *local_green.densities(at, plan.route, sites, np.unique(parts[number]), rng)

    values, error = np.empty((energies.size, sites.size)), np.empty((energies.size, sites.size))
    forms = set()
    found = side_by_side(solved, range(plan.energies.size), backend, each_bytes=option.bytes)
    bar = progress_bar(progress, "local density of states", "energy", found, total=plan.energies.size)
    for those, part, (form, density, bound) in zip(asked, parts, bar, strict=True):
        forms.add(form)
        values[those] = density[part]
        error[those] = bound[part] + (plan.shift[those] / eta)[:, None] * density[part]
    facts = {"error_is": "bound" if plan.route == "columns" else "estimate", **plan.facts(forms)}
    return values, error, facts
