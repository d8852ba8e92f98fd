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

from bdg import costs, ldos_plan
from bdg.arguments import require_choice, require_seed, require_sites, require_system
from bdg.dos import require_energies
from bdg.gpu import dense
from bdg.gpu.backend import Backend, select_backend
from bdg.gpu.chebyshev import gershgorin_bound
from bdg.gpu.multifrontal import FactorError
from bdg.hamiltonian import BdGHamiltonian
from bdg.lattices.arguments import positive_number
from bdg.lattices.system import System
from bdg.ldos_plan import Request
from bdg.local_expansion import site_weights
from bdg.resolution import MOST
from bdg.resolvent import Resolvent, ResolventAt, site_rows, with_progress
from bdg.results import Evidence, Result, quantity

if TYPE_CHECKING:
    from matplotlib.figure import Figure

METHODS = ("auto", "green", "dense", "chebyshev")
ROUTES = {
    "columns": "solved columns; the error is a bound from their residuals",
    "selected inverse": "selected inverse of all sites; the error is an estimate from solved columns at some of them",
    "restricted selected inverse": "selected inverse of chosen sites; the error is an estimate from solved columns at "
    "some of them",
}
_SINGLE_ENERGY = 1e-3  # of the largest row sum of H: broadening where energies have no spacing
# times the largest |dG_ii| of these sites; that of all sites was at most 22 and 31 times it, 3 times in the median, in
# 17 systems of 900 to 1600 rows at 4 energies and 6 broadenings from 1e-5 to 0.1
_SAFETY = {True: 40.0, False: 60.0}
_UNUSABLE = 1e-2  # error in units of the largest density from which a selected inverse is refused


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

    def plot(self, ax: Any = None) -> Figure:
        """Return a Figure: a map of the sites at a single energy, else curves, or a map of E and x in 1-D."""
        from bdg.plotting import plot_local_densities

        return plot_local_densities(self, ax)


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
        not fit. "auto" takes what is expected to be done first (`bdg.estimate`).
    broadening : float, optional
        eta > 0, in the unit of the hopping. Default: the mean spacing of the energies, so that no level hides between
        two of them; for a single energy 1e-3 of the largest row sum of |H|.
    moments : int, optional
        "chebyshev" only, instead of the broadening: as many moments with the Jackson kernel, whose peaks have the
        standard deviation ``pi s/moments`` at E = 0 and no long tails. Without it the Lorentzian is expanded.
    vectors
        Without influence: columns are exact.
    device : {"auto", "cpu", "gpu"}
    seed : int, optional
        Of the sites that check a selected inverse; None means 0.
    progress : bool
        Show a bar over the energies.

    Returns
    -------
    LocalDensityOfStates
        On the host. ``error`` is the numerical error of the broadened values: with residual r of a column, a bound
        ``sqrt(rho/(pi eta)) ||r||``; of a selected inverse an estimate, 40 or 60 times the largest deviation from
        columns that are solved at 8 or 16 sites; of "dense" the bound ``rho ||H V - V E||/eta``;
        of "chebyshev" the bound of the truncation with estimated rounding.

    Raises
    ------
    ValueError
        If an energy is not finite, a site does not exist, the broadening is not positive, or the method is not
        available.
    ArithmeticError
        If the broadening is so small that the factors are of no use.
    MemoryBudgetError
        If nothing that may be taken fits: with what each method needs, before it is begun.

    References
    ----------
    A. V. Balatsky, I. Vekhter, J.-X. Zhu, Rev. Mod. Phys. 78, 373 (2006); selected inversion: L. Lin et al., ACM
    Trans. Math. Softw. 37, 40 (2011).
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
    method, why, backend = choose_method(method, device, request)
    n_moments, kernel = 0, "lorentzian"
    if method == "chebyshev":
        found = site_weights(hamiltonian, points, chosen, eta, moments, backend, progress)
        values, error, facts, n_moments = found.values, found.error, found.facts, found.moments
        eta, kernel = found.broadening, found.kernel
        origin = origin if moments is None else "standard deviation of a peak at E = 0 for the moments asked for"
    elif method == "dense":
        values, error, facts = _dense(hamiltonian, points, chosen, eta, backend)
    else:
        values, error, facts = _green(request, backend, seed, progress)
    evidence = Evidence.of(
        method=method,
        why=why,
        backend=backend,
        dtype=values.dtype,
        start=start,
        kernel=kernel,
        broadening=eta,
        broadening_is=origin,
        relative_error=float((error / np.maximum(values, np.finfo(float).tiny)).max()),
        **facts,
    )
    return LocalDensityOfStates(
        energies=points,
        values=values,
        error=error,
        sites=chosen,
        positions=system.positions[chosen],
        broadening=eta,
        moments=n_moments,
        vectors=0,
        evidence=evidence,
    )


def require_expansion(moments: Any, vectors: Any, method: str, broadening: Any) -> None:
    """Raise ValueError unless ``moments`` and ``vectors`` are ones that the expansion could take."""
    if moments is not None:
        if method != "chebyshev" or broadening is not None:
            raise ValueError(
                f"moments belongs to method='chebyshev' without broadening; got moments = {moments!r} with method="
                f"{method!r}, broadening = {broadening!r}. Leave it out, and set the resolution with broadening"
            )
        if isinstance(moments, bool) or not isinstance(moments, int | np.integer) or not 2 <= moments <= MOST:
            raise ValueError(f"moments must be a whole number from 2 to {MOST}; got {moments!r}")
    whole = isinstance(vectors, int | np.integer) and not isinstance(vectors, bool)
    if not (isinstance(vectors, str) and vectors == "all") and not (whole and vectors >= 1):
        raise ValueError(f"vectors must be 'all' or a whole number of at least 1; got {vectors!r}")


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
    return _SINGLE_ENERGY * scale, f"{_SINGLE_ENERGY:g} of the largest row sum of |H|"


def choose_method(method: str, device: str, request: Request) -> tuple[str, str, Backend]:
    """Return method, the reason for it, and the backend that it runs on."""
    backends = costs.devices(device, request.hamiltonian.shape[0])
    options = ldos_plan.options(request, backends, METHODS[1:] if method == "auto" else (method,))
    task = f"for {request.energies.size} energies on {request.sites.size} sites"
    return costs.decided(method, options, backends, "the local density of states", task)


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
    plan, _ = ldos_plan.green_plan(request, backend)
    resolvent = Resolvent(request.hamiltonian, backend)
    rng = np.random.default_rng(seed)
    values, error = np.empty((energies.size, sites.size)), np.empty((energies.size, sites.size))
    forms = set()
    for number, energy in enumerate(with_progress(plan.energies, progress, "local density of states")):
        asked = np.flatnonzero(plan.which == number)
        # rows 0: electrons at E; rows 1: holes at E, which are the electrons at -E
        parts = np.where(energies[asked] < 0, 1, 0)
        at = resolvent.at(complex(energy, eta))
        forms.add(at.form)
        if plan.route == "columns":
            density, bound = _by_columns(at, sites, np.unique(parts))
        else:
            density, bound = _by_selection(at, sites, np.unique(parts), plan.route != "selected inverse", rng)
        values[asked] = density[parts]
        error[asked] = bound[parts] + (plan.shift[asked] / eta)[:, None] * density[parts]
    facts = {
        "error_is": "bound" if plan.route == "columns" else "estimate",
        "route": plan.route,
        "route_is": ROUTES[plan.route],
        "factorisations": int(plan.energies.size),
        "form": ", ".join(sorted(forms)),
        "inverse_share": plan.share,
    }
    return values, error, facts


def _elements(at: ResolventAt, sites: np.ndarray, parts: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return the diagonal elements of G (parts, S, s), electrons (part 0) or holes (1), and bounds of their errors."""
    backend = at.resolvent.backend
    rows = site_rows(at.resolvent.system, sites).reshape(2, -1)[parts]
    found, residuals = [], []
    for solved in at.columns(rows.ravel()):
        place = backend.xp.asarray(solved.sources), backend.xp.arange(solved.sources.size)
        found.append(backend.to_host(solved.values[place]))
        residuals.append(solved.residuals)
    elements = np.concatenate(found)
    norm = np.concatenate(residuals) / np.sqrt(at.z.imag)
    # the error is at most norm sqrt(y) with y = -Im G, which bounds the exact y, too
    root = 0.5 * (norm + np.sqrt(norm**2 + 4 * (-elements.imag).clip(0)))
    shape = parts.size, sites.size, at.resolvent.system.norbs
    return elements.reshape(shape), (norm * root).reshape(shape)


def _by_columns(at: ResolventAt, sites: np.ndarray, parts: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return the densities (2, S) of electrons and holes, and bounds of their errors; nan in parts not asked for."""
    elements, bounds = _elements(at, sites, parts)
    density, error = np.full((2, 2, sites.size), np.nan)
    density[parts], error[parts] = -elements.imag.sum(axis=2) / np.pi, bounds.sum(axis=2) / np.pi
    return density, error


def _by_selection(
    at: ResolventAt, sites: np.ndarray, parts: np.ndarray, restricted: bool, rng: np.random.Generator
) -> tuple[np.ndarray, np.ndarray]:
    """Return the densities (2, S) of electrons and holes, and an estimate of their errors, the same on all sites.

    Errors of a selected inverse vary from site to site, relative ones most. Where the diagonal of (z - H) G - 1 is at
    hand it shows where they are large, and the sites that it points at are solved for; else some drawn at random.
    """
    norbs = at.resolvent.system.norbs
    blocks, defect = at.checked_blocks(sites, restricted)
    elements = np.einsum("ikk->ik", blocks).reshape(sites.size, 2, norbs).swapaxes(0, 1)
    density = -elements.imag.sum(axis=2) / np.pi
    known = defect is not None
    order = rng.permutation(sites.size) if defect is None else np.argsort(-defect, kind="stable")
    probes = order[: ldos_plan.PROBES[known]]
    solved, bounds = _elements(at, sites[probes], parts)
    deviation = float((abs(elements[parts][:, probes] - solved) + bounds).max())
    error = _SAFETY[known] * norbs * deviation / np.pi
    if not error < _UNUSABLE * float(density.max()):
        raise FactorError(
            f"the selected inverse at z = {at.z} has an estimated error of {error:.2g} with densities up to "
            f"{float(density.max()):.2g}: the broadening is too small for it. Take a larger broadening, few sites, or "
            "method='dense'"
        )
    return density, np.full(density.shape, error)
