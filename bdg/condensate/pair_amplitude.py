r"""The on-site singlet pair amplitude.

.. math:: F_i = \tfrac12 (\langle c_\uparrow c_\downarrow\rangle - \langle c_\downarrow c_\uparrow\rangle)_i
          = \tfrac12 [\tanh(H/2T)]_{i, i+N}

for norbs = 1, where (i, i + N) is the electron-hole element on site i; for norbs = 2 half the average of the two spins.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from bdg.base.arguments import require_choice, require_seed, require_sites, require_system, require_temperature
from bdg.base.hamiltonian import BdGHamiltonian
from bdg.base.progress import progress_bar
from bdg.base.results import Choice, Evidence, Result, quantity
from bdg.condensate.amplitude_choice import (
    FIT_SHARE,
    METHODS,
    POLE_ROUNDING,
    ROUNDING_FROM,
    SINGLE_PRECISION_FROM,
    SMALL_AMPLITUDE,
    choose_method,
    degree_for,
)
from bdg.gpu.chebyshev import columns as chebyshev
from bdg.gpu.device.backend import select_backend
from bdg.gpu.device.threads import threaded
from bdg.gpu.eigen import dense
from bdg.gpu.eigen.scales import level_scales
from bdg.lattices.arguments import positive_number
from bdg.lattices.system import System
from bdg.thermal.choice import fitted_poles
from bdg.thermal.level_sums import rounding_of_sums, thermal_weights, weight_at_zero
from bdg.thermal.pole_sums import SinglePrecision, pair_amplitude_by_poles

if TYPE_CHECKING:
    from matplotlib.figure import Figure

SINGLE_PRECISION_ERROR = 3e-8  # absolute, on moments of size 1, as summed in double precision


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

        return plot_site_map(self.positions, abs(self.values), "|F|", ax, length_unit=self.length_unit)


@threaded
def pair_amplitude(
    system: System,
    temperature: float,
    *,
    sites: Any = None,
    method: str = "auto",
    tol: float = 1e-6,
    device: str = "auto",
    threads: int | str = "auto",
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
        "auto" takes the one that is expected to be done first, "gpu" never falls back.
    threads : int or "auto"
        Of the host; "auto" takes ``BDG_THREADS``, else the cores at hand. Results do not depend on it.
    seed : int, optional
        Of the estimate of the spectral bound; None means 0.
    progress : bool
        Show a bar with the time left.

    Returns
    -------
    PairAmplitude
        ``values`` (S,), complex128, dimensionless, on the host, for S sites; ``error`` is absolute and holds for every
        value.

    Raises
    ------
    TypeError, ValueError
        If the temperature is negative, a site does not exist, or the method cannot do this temperature (the text
        names the smallest one that it affords).
    MemoryBudgetError
        If a dense matrix does not fit.
    BackendUnavailableError
        If ``device="gpu"`` and no GPU can be used.

    References
    ----------
    P. G. de Gennes, Superconductivity of Metals and Alloys (1966), chapter 5; L. Covaci, F. M. Peeters, M. Berciu,
    Phys. Rev. Lett. 105, 167006 (2010) for the Chebyshev expansion of BdG Green functions.

    Examples
    --------
    >>> import bdg
    >>> from bdg.lattices import Layer, stack
    >>> wire = stack([Layer(30, delta=0.3), Layer(30)])
    >>> amplitude = bdg.pair_amplitude(wire, temperature=0.05)
    >>> print(abs(amplitude.values[[15, 30, 35, 40]]).round(3))  # inside, then ever farther from the interface
    [0.156 0.051 0.014 0.005]
    """
    start = time.perf_counter()
    require_system(system)
    temperature = require_temperature(temperature, system)
    require_choice("method", method, METHODS)
    tol = positive_number("tol", tol, "relative to max|F|")
    chosen, seed = require_sites(sites, system.n_sites), require_seed(seed)
    select_backend(device)  # refused before any work
    found = amplitude_sums(
        SMALL_AMPLITUDE, BdGHamiltonian(system), temperature, chosen, method, tol, device, seed=seed, progress=progress
    )
    evidence = Evidence.of(
        found.choice,
        dtype=found.dtype,
        start=start,
        relative_error=found.relative_error,
        converged=bool(found.error <= tol * found.largest) or found.choice.method == "dense",
        **found.facts,
    )
    return PairAmplitude(
        values=found.values,
        error=found.error,
        temperature=temperature,
        sites=chosen,
        positions=system.positions[chosen],
        evidence=evidence,
        units=system.units,
    )


@dataclass(frozen=True, eq=False)
class AmplitudeSums:
    """F on chosen sites.

    Attributes
    ----------
    values : array (S,), complex128
    error : float
        Absolute, of every value.
    choice : Choice
        How they were computed.
    dtype : str
        Of the computation.
    facts : dict
        What it took, for the evidence.
    single : SinglePrecision or None
        What "poles" have found out about single precision, or were told.
    """

    values: np.ndarray
    error: float
    choice: Choice
    dtype: str
    facts: dict[str, Any]
    single: SinglePrecision | None = None

    @property
    def largest(self) -> float:
        """max|F|."""
        return float(abs(self.values).max())

    @property
    def relative_error(self) -> float:
        """``error / max|F|``, 0 without any F."""
        return self.error / self.largest if self.largest else 0.0


def amplitude_sums(
    expected: float,
    hamiltonian: BdGHamiltonian,
    temperature: float,
    sites: np.ndarray,
    method: str,
    tol: float,
    device: str,
    *,
    seed: int = 0,
    progress: bool = False,
    known: SinglePrecision | None = None,
    slack: float = 1.0,
) -> AmplitudeSums:
    """Return F where max|F| is known to be at least about ``expected``: "poles" begin with that.

    Their fit takes 0.6 of the error ``tol * expected``, single precision where it fits into the rest the others;
    ``known``: what the sum for nearly the same Hamiltonian has found out about that; ``slack``: how many times more
    than that rest single precision may be off by.
    """
    bound = chebyshev.spectral_bound(hamiltonian.matrix, seed) if hamiltonian.matrix.nnz else 0.0
    choice = choose_method(method, hamiltonian, temperature, sites, bound, tol, device)
    if choice.method == "dense":
        return _dense(hamiltonian, temperature, sites, choice)
    if choice.method == "poles":
        return _poles(hamiltonian, temperature, sites, bound, tol, choice, expected, known, slack)
    return _chebyshev(hamiltonian, temperature, sites, bound, tol, choice, progress)


def _dense(hamiltonian: BdGHamiltonian, temperature: float, sites: np.ndarray, choice: Choice) -> AmplitudeSums:
    energies, vectors = dense.eigh(hamiltonian.matrix, choice.backend)
    scales = level_scales(hamiltonian.matrix, vectors)
    weight = thermal_weights(energies, temperature, scales)
    norbs, half = hamiltonian.system.norbs, hamiltonian.shape[0] // 2
    u = vectors[:half].reshape(-1, norbs, energies.size)[sites]
    v = vectors[half:].reshape(-1, norbs, energies.size)[sites]
    values = np.einsum("isn,isn,n->i", u, v.conj(), weight).astype(complex) / (2 * norbs)
    undecided = weight_at_zero(u, v, energies, temperature, scales).max(initial=0.0) / 2
    error = 0.5 * rounding_of_sums(energies, temperature, scales) + undecided
    return AmplitudeSums(values, float(error), choice, str(hamiltonian.dtype), {"states": int(energies.size)})


def _chebyshev(
    hamiltonian: BdGHamiltonian,
    temperature: float,
    sites: np.ndarray,
    bound: float,
    tol: float,
    choice: Choice,
    progress: bool,
) -> AmplitudeSums:
    norbs, half = hamiltonian.system.norbs, hamiltonian.shape[0] // 2
    single = tol >= SINGLE_PRECISION_FROM
    rows = norbs * sites  # the spin-up column; the on-site singlet makes both spins equal
    used, sums = bound, None
    with progress_bar(progress, "pair amplitude", "site", total=sites.size) as bar:
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
                    backend=choice.backend,
                    single=single,
                    report=bar.update,
                )
                break
            except chebyshev.BoundViolatedError:
                if used == chebyshev.gershgorin_bound(hamiltonian.matrix):
                    raise
    assert sums is not None
    kind, bits = ("complex", 128) if hamiltonian.dtype.kind == "c" else ("float", 64)
    rounding = SINGLE_PRECISION_ERROR if single else 1e-15 * np.sqrt(sums.degree)
    facts = {
        "spectral_bound": float(used),
        "bound_repeated": used != bound,
        "degree": sums.degree,
        "products": sums.products,
        "truncation_error": sums.error,
    }
    # the columns give <hole|f|electron>, F is the element (electron, hole)
    dtype = f"{kind}{bits // 2 if single else bits}"
    return AmplitudeSums(sums.values.conj(), float(sums.error + rounding), choice, dtype, facts)


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
    choice: Choice,
    expected: float,
    known: SinglePrecision | None,
    slack: float,
) -> AmplitudeSums:
    """Sum over poles; the fit is made again, tighter, if max|F| turns out smaller than expected."""
    share = expected / SMALL_AMPLITUDE
    fit_tol, allowed, repeated = FIT_SHARE * tol * share, SMALL_AMPLITUDE * tol * share, False
    while True:
        poles = fitted_poles(bound, temperature, fit_tol)
        sums = pair_amplitude_by_poles(hamiltonian, poles, choice.backend, sites, allowed, known, slack)
        needed = tol * float(abs(sums.values).max())
        single = sums.facts["single_precision_error"]
        if sums.error - single * (1 - 1 / slack) <= needed or repeated or not needed:
            facts = {"spectral_bound": bound, "fit_error": poles.error, "repeated": repeated, **sums.facts}
            error = sums.error + _pole_rounding(bound, temperature)
            return AmplitudeSums(sums.values, error, choice, sums.dtype, facts, sums.single)
        fit_tol, allowed, repeated = needed, needed, True


def _pole_rounding(bound: float, temperature: float) -> float:
    return POLE_ROUNDING * max(1.0, ROUNDING_FROM * bound / temperature) ** 3


def _tanh(slope: float) -> Callable[[np.ndarray], np.ndarray]:
    return lambda x: np.tanh(slope * x)
