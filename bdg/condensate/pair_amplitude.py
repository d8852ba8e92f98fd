r"""The on-site singlet pair amplitude.

.. math:: F_i = \tfrac12 (\langle c_\uparrow c_\downarrow\rangle - \langle c_\downarrow c_\uparrow\rangle)_i
          = \tfrac12 [\tanh(H/2T)]_{i, i+N}

for norbs = 1, where (i, i + N) is the electron-hole element on site i; for norbs = 2 half the average of the two spins.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from bdg.base.arguments import require_choice, require_seed, require_sites, require_system, require_temperature
from bdg.base.hamiltonian import BdGHamiltonian
from bdg.base.results import Evidence, Result, quantity
from bdg.condensate import amplitude_choice
from bdg.gpu.chebyshev import columns as chebyshev
from bdg.gpu.cost.model import Option
from bdg.gpu.device.backend import Backend, select_backend
from bdg.gpu.eigen import dense
from bdg.gpu.eigen.scales import level_scales
from bdg.gpu.poles.tanh_poles import MAX_TOL, MIN_TOL, Poles, tanh_poles
from bdg.lattices.arguments import positive_number
from bdg.lattices.system import System
from bdg.methods import choice
from bdg.methods import options as methods_options
from bdg.thermal.level_sums import rounding_of_sums, thermal_weights, weight_at_zero
from bdg.thermal.pole_sums import pair_amplitude_by_poles

if TYPE_CHECKING:
    from matplotlib.figure import Figure

METHODS = ("auto", "dense", "chebyshev", "poles")
SINGLE_PRECISION_FROM = 1e-5  # tolerance from which single precision vectors (error about 3e-7 of max|F|) are enough
SINGLE_PRECISION_ERROR = 3e-8  # absolute, on moments of size 1, as summed in double precision
SMALL_AMPLITUDE = 0.05  # max|F| that "poles" expects; the sum is made again where it is smaller
FIT_SHARE = 0.06  # of tol is the error of the fit of tanh; F errs by half of it
POLE_ROUNDING = 1e-12  # of the sum over poles, relative to F = 1, at temperatures down to ROUNDING_FROM
ROUNDING_FROM = 1.4e-4  # of the spectral bound; below it grows like 1/T^3 where there are levels at zero energy
DENSE_BELOW = 500  # dimension
MAX_DEGREE = 400_000


@dataclass(frozen=True, eq=False, kw_only=True)
class PairAmplitude(Result):
    """Singlet pair amplitude F on chosen sites.

    Attributes
    ----------
    values : array (S,), complex128
        F in the order of ``sites``.
    error : float
        Absolute error of every value: an estimate ("chebyshev"); for "poles" a bound of the fit of tanh, plus the
        estimated error of those poles that are computed in single precision (evidence names both).
    temperature : float
        k_B T in the unit of the hopping.
    sites : array (S,) of int
    positions : array (S, dim)
    """

    values: np.ndarray = quantity("singlet pair amplitude F (S,), complex", finite=True)
    error: float = quantity("absolute error of every value, bound or estimate")
    temperature: float = quantity("k_B T", "hopping")
    sites: np.ndarray = quantity("site numbers (S,) that the values belong to")
    positions: np.ndarray = quantity("positions of these sites (S, dim)", "length of the system", finite=True)

    def plot(self, ax: Any = None) -> Figure:
        """Return a Figure of |F| over the sites: against x in 1-D, a map in 2-D, a plane near the middle in 3-D."""
        from bdg.plots.maps import plot_site_map

        return plot_site_map(self.positions, abs(self.values), "|F|", ax)


def pair_amplitude(
    system: System,
    temperature: float,
    *,
    sites: Any = None,
    method: str = "auto",
    tol: float = 1e-6,
    device: str = "auto",
    seed: int | None = None,
    progress: bool = False,
) -> PairAmplitude:
    r"""Return the singlet pair amplitude ``F_i = (<c_up c_dn> - <c_dn c_up>)/2`` on all or chosen sites.

    norbs = 1: ``F_i = 1/2 sum_n u_n(i) v_n*(i) tanh(E_n/2T)`` over all 2N states; norbs = 2: ``1/4`` and a sum over
    spins, over all 4N states. With an attraction U the self-consistent gap is ``Delta_i = U_i F_i``.

    Parameters
    ----------
    system : System
    temperature : float
        k_B T in the unit of the hopping; 0 is the ground state ("dense" only).
    sites : list of int or mask (N,), optional
        Default: all sites.
    method : {"auto", "dense", "chebyshev", "poles"}
        "dense" sums over all eigenstates; "chebyshev" expands tanh(H/2T) exactly on one column a site, at a cost
        proportional to ``len(sites) * N / T``; "poles" takes one selected inverse at each of about 10 imaginary
        frequencies and gives all sites at once, at a cost that hardly depends on T. "auto" takes what is estimated to
        cost least (`bdg.estimate`), dense below dimension 500.
    tol : float
        Error relative to max|F| over the chosen sites ("chebyshev", "poles").
    device : {"auto", "cpu", "gpu"}
    seed : int, optional
        Of the estimate of the spectral bound; None means 0.
    progress : bool
        Show a bar with the time left.

    Returns
    -------
    PairAmplitude
        ``values`` (len(sites),) complex on the host; ``error`` is absolute and holds for every value.

    Raises
    ------
    ValueError
        If the temperature is negative, a site does not exist, or the method cannot do this temperature (the text
        names the smallest one that it affords).
    MemoryBudgetError
        If a dense matrix does not fit.

    References
    ----------
    P. G. de Gennes, Superconductivity of Metals and Alloys (1966), chapter 5; L. Covaci, F. M. Peeters, M. Berciu,
    Phys. Rev. Lett. 105, 167006 (2010) for the Chebyshev expansion of BdG Green functions.
    """
    require_system(system)
    return amplitude_of_size(
        SMALL_AMPLITUDE,
        system,
        temperature,
        sites=sites,
        method=method,
        tol=tol,
        device=device,
        seed=seed,
        progress=progress,
    )


def amplitude_of_size(
    expected: float,
    system: System,
    temperature: float,
    *,
    sites: Any = None,
    method: str = "auto",
    tol: float = 1e-6,
    device: str = "auto",
    seed: int | None = None,
    progress: bool = False,
) -> PairAmplitude:
    """Return `pair_amplitude` where max|F| is known to be at least about ``expected``: "poles" begin with that."""
    start = time.perf_counter()
    require_system(system)
    temperature = require_temperature(temperature)
    require_choice("method", method, METHODS)
    tol = positive_number("tol", tol, "relative to max|F|")
    chosen, seed = require_sites(sites, system.n_sites), require_seed(seed)
    select_backend(device)  # refused before any work
    hamiltonian = BdGHamiltonian(system)
    bound = chebyshev.spectral_bound(hamiltonian.matrix, seed) if hamiltonian.matrix.nnz else 0.0
    method, why, backend = choose_method(method, hamiltonian, temperature, chosen, bound, tol, device)
    if method == "dense":
        values, error, facts = _dense(hamiltonian, temperature, chosen, backend)
    elif method == "poles":
        values, error, facts = _poles(hamiltonian, temperature, chosen, bound, tol, backend, expected)
    else:
        values, error, facts = _chebyshev(hamiltonian, temperature, chosen, bound, tol, backend, progress)
    largest = float(abs(values).max())
    evidence = Evidence.of(
        method=method,
        why=why,
        backend=backend,
        start=start,
        relative_error=error / largest if largest else 0.0,
        converged=bool(error <= tol * largest) or method == "dense",
        **facts,
    )
    return PairAmplitude(
        values=values,
        error=error,
        temperature=temperature,
        sites=chosen,
        positions=system.positions[chosen],
        evidence=evidence,
    )


def degree_for(bound: float, temperature: float, tol: float) -> int:
    """Return the expansion degree at which the coefficients of tanh(E/2T) have fallen below ``tol``.

    The nearest poles lie at ``+-i pi T``, so the coefficients fall like ``exp(-k pi T/s)``.
    """
    return int(np.ceil(bound / (np.pi * temperature) * np.log(4.0 / tol))) + 8


def choose_method(
    method: str,
    hamiltonian: BdGHamiltonian,
    temperature: float,
    sites: np.ndarray,
    bound: float,
    tol: float,
    device: str,
) -> tuple[str, str, Backend]:
    """Return method, the reason for it, and the backend that it runs on."""
    dimension, backend = hamiltonian.shape[0], select_backend(device)
    smallest = smallest_temperatures(bound, tol)
    if method in smallest and temperature < smallest[method]:
        raise ValueError(
            f"method={method!r} {_affords(smallest[method])}; got temperature = {temperature!r}. Use method='dense' "
            f"below, {_other(method, smallest)}or a larger tol"
        )
    if method in ("chebyshev", "poles") and not bound:
        raise ValueError("the Hamiltonian is zero: there is no scale of energies to expand on; use method='dense'")
    backends = choice.devices(device, dimension)
    if method == "chebyshev" or (method != "auto" and len(backends) > 1):
        options = amplitude_options(hamiltonian, temperature, sites, bound, tol, backends)
        return choice.decided(method, options, backends, "the pair amplitude", f"for {sites.size} sites")
    if method != "auto":
        return method, "; ".join(filter(None, ("as asked", choice.about_device(device, dimension)))), backends[0]
    fits = dense.dense_fits(dimension, hamiltonian.dtype, backend)
    if temperature < min(smallest.values()) and not fits:
        raise ValueError(
            f"temperature = {temperature!r} needs the dense method, which does not fit at dimension {dimension}; the "
            f"smallest temperature that another method affords is {min(smallest.values()):.3g}"
        )
    if not bound > 0 and fits:
        return "dense", "the Hamiltonian is zero", backend
    if dimension < DENSE_BELOW and fits:
        small = select_backend("cpu") if device == "auto" else backend  # a copy costs more than it saves
        return "dense", f"dimension {dimension} is below {DENSE_BELOW}", small
    options = amplitude_options(hamiltonian, temperature, sites, bound, tol, backends)
    return choice.chosen(options, backends, "the pair amplitude", f"for {sites.size} sites")


def _affords(smallest: float) -> str:
    return f"affords temperatures down to {smallest:.3g} for this system and tol"


def _other(method: str, smallest: Mapping[str, float]) -> str:
    """Return which other method goes lower, as part of a sentence."""
    least, name = min((least, name) for name, least in smallest.items())
    return "" if name == method else f"method={name!r} down to {least:.3g}, "


def smallest_temperatures(bound: float, tol: float) -> dict[str, float]:
    """Return the temperatures down to which each method that has such a bound can go."""
    return {
        "chebyshev": bound * np.log(4.0 / tol) / (np.pi * (MAX_DEGREE - 8)),
        "poles": ROUNDING_FROM * bound * (POLE_ROUNDING / (0.05 * tol)) ** (1 / 3),
    }


def amplitude_options(
    hamiltonian: BdGHamiltonian,
    temperature: float,
    sites: np.ndarray,
    bound: float,
    tol: float,
    backends: Sequence[Backend],
) -> list[Option]:
    """Return what each method is expected to take."""
    lowest = smallest_temperatures(bound, tol) if bound > 0 else {}
    possible = [name for name, least in lowest.items() if temperature >= least]
    options = amplitude_choice.pair_amplitude_options(
        hamiltonian,
        backends,
        sites,
        degree=degree_for(bound, temperature, 100 * tol) if "chebyshev" in possible else None,
        n_poles=_fitted(bound, temperature, FIT_SHARE * tol).frequencies.size if "poles" in possible else None,
        single=tol >= SINGLE_PRECISION_FROM,
    )
    for name in ("chebyshev", "poles"):
        if name not in possible:
            why = _affords(lowest[name]) if lowest else "needs a Hamiltonian that is not zero"
            options += [
                methods_options.closed(methods_options.option_of(name, backend, np.inf, 0.0), why)
                for backend in backends
            ]
    return options


def _dense(
    hamiltonian: BdGHamiltonian, temperature: float, sites: np.ndarray, backend: Backend
) -> tuple[np.ndarray, float, dict[str, Any]]:
    energies, vectors = dense.eigh(hamiltonian.matrix, backend)
    scales = level_scales(hamiltonian.matrix, vectors)
    weight = thermal_weights(energies, temperature, scales)
    norbs, half = hamiltonian.system.norbs, hamiltonian.shape[0] // 2
    u = vectors[:half].reshape(-1, norbs, energies.size)[sites]
    v = vectors[half:].reshape(-1, norbs, energies.size)[sites]
    values = np.einsum("isn,isn,n->i", u, v.conj(), weight).astype(complex) / (2 * norbs)
    undecided = weight_at_zero(u, v, energies, temperature, scales).max(initial=0.0) / 2
    error = 0.5 * rounding_of_sums(energies, temperature, scales) + undecided
    return values, float(error), {"dtype": str(hamiltonian.dtype), "states": int(energies.size)}


def _chebyshev(
    hamiltonian: BdGHamiltonian,
    temperature: float,
    sites: np.ndarray,
    bound: float,
    tol: float,
    backend: Backend,
    progress: bool,
) -> tuple[np.ndarray, float, dict[str, Any]]:
    norbs, half = hamiltonian.system.norbs, hamiltonian.shape[0] // 2
    single = tol >= SINGLE_PRECISION_FROM
    rows = norbs * sites  # the spin-up column; the on-site singlet makes both spins equal
    report, close = _bar(progress, sites.size)
    used, sums = bound, None
    try:
        for used in (bound, chebyshev.gershgorin_bound(hamiltonian.matrix)):
            degree = degree_for(used, temperature, 1e-2 * tol)
            coefficients = 0.5 * chebyshev.odd_coefficients(_tanh(used / (2 * temperature)), degree)
            try:
                sums = chebyshev.partner_elements(
                    hamiltonian.matrix,
                    used,
                    rows,
                    half,
                    coefficients,
                    reference_rows=norbs * _strongest_sites(hamiltonian.system),
                    doubled=norbs == 1,
                    tol=tol,
                    backend=backend,
                    single=single,
                    report=report,
                )
                break
            except chebyshev.BoundViolatedError:
                if used == chebyshev.gershgorin_bound(hamiltonian.matrix):
                    raise
    finally:
        close()
    assert sums is not None
    is_complex = hamiltonian.dtype.kind == "c"
    rounding = SINGLE_PRECISION_ERROR if single else 1e-15 * np.sqrt(sums.degree)
    facts = {
        "dtype": ("complex64" if single else "complex128") if is_complex else ("float32" if single else "float64"),
        "spectral_bound": float(used),
        "bound_repeated": used != bound,
        "degree": sums.degree,
        "products": sums.products,
        "truncation_error": sums.error,
    }
    # the columns give <hole|f|electron>, F is the element (electron, hole)
    return sums.values.conj(), float(sums.error + rounding), facts


def _strongest_sites(system: System, n_sites: int = 8) -> np.ndarray:
    """Return sites of strongest pairing, spread over the system: their moments are the largest."""
    strength = np.asarray(abs(system.pairing_block).sum(axis=1)).reshape(-1, system.norbs).max(axis=1)
    strong = np.flatnonzero(strength >= 0.5 * strength.max())
    return strong[np.unique(np.linspace(0, strong.size - 1, n_sites).astype(np.int64))]


def _poles(
    hamiltonian: BdGHamiltonian,
    temperature: float,
    sites: np.ndarray,
    bound: float,
    tol: float,
    backend: Backend,
    expected: float,
) -> tuple[np.ndarray, float, dict[str, Any]]:
    """Sum over poles; the fit is made again, tighter, if max|F| turns out smaller than expected."""
    share = min(1.0, expected / SMALL_AMPLITUDE)
    fit_tol, allowed, repeated = FIT_SHARE * tol * share, SMALL_AMPLITUDE * tol * share, False
    while True:
        poles = _fitted(bound, temperature, fit_tol)
        sums = pair_amplitude_by_poles(hamiltonian, poles, backend, sites, allowed)
        needed = tol * float(abs(sums.values).max())
        if sums.error <= needed or repeated or not needed:
            facts = {"spectral_bound": bound, "fit_error": poles.error, "repeated": repeated, **sums.facts}
            return sums.values, sums.error + _pole_rounding(bound, temperature), facts
        fit_tol, allowed, repeated = needed, needed, True


def _fitted(bound: float, temperature: float, tol: float) -> Poles:
    return tanh_poles(bound, temperature, float(np.clip(tol, MIN_TOL, MAX_TOL)))


def _pole_rounding(bound: float, temperature: float) -> float:
    return POLE_ROUNDING * max(1.0, ROUNDING_FROM * bound / temperature) ** 3


def _tanh(slope: float) -> Callable[[np.ndarray], np.ndarray]:
    return lambda x: np.tanh(slope * x)


def _bar(progress: bool, total: int) -> tuple[Callable[[int], Any], Callable[[], Any]]:
    if not progress:
        return lambda done: None, lambda: None
    from tqdm import tqdm

    bar = tqdm(total=total, unit="site", desc="pair amplitude")
    return bar.update, bar.close
