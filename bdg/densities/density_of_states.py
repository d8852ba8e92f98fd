r"""The density of states by Chebyshev expansion on random vectors, exactly, from all levels, or from factors.

.. math:: \rho(E) = \sum_n \delta(E - E_n)

over all 2 s N levels, with peaks of the Jackson kernel for the delta functions, or Lorentzians: its integral is 2 s N.
"""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from bdg.base.arguments import require_choice, require_energies, require_seed, require_system
from bdg.base.hamiltonian import BdGHamiltonian
from bdg.base.progress import progress_bar
from bdg.base.results import Evidence, Result, quantity
from bdg.densities.local_choice import Request
from bdg.densities.resolution import Resolution, require_broadening, require_resolution, within_bound
from bdg.densities.statistics import standard_error
from bdg.densities.trace_choice import METHODS, choose_green, choose_method, green_request, require_vectors
from bdg.densities.trace_density import trace_density
from bdg.gpu.chebyshev.kernel_polynomial import density, exact_moments, squared_weights
from bdg.gpu.chebyshev.nambu_operator import NambuOperator
from bdg.gpu.chebyshev.traces import Trace, exact_trace, single_is_enough, single_precision_error, stochastic_trace
from bdg.gpu.device.backend import select_backend
from bdg.gpu.device.threads import threaded
from bdg.gpu.eigen import dense
from bdg.lattices.system import System

if TYPE_CHECKING:
    from matplotlib.figure import Figure

_ROUNDING = 4 * np.finfo(float).eps  # of a moment of a unit vector, for each step of the recursion


@dataclass(frozen=True, eq=False, kw_only=True)
class DensityOfStates(Result):
    """Density of states with one standard error.

    Attributes
    ----------
    energies : array (M,)
    values : array (M,)
        ``sum_n delta(E - E_n)`` over all 2 s N levels, broadened by the kernel of the evidence; integral 2 s N.
    error : array (M,)
        One standard deviation of the broadened values where random vectors are used, else their numerical error.
        What the broadening itself does is not part of it.
    broadening : float
        Standard deviation of the peak of a level at E = 0; ``sqrt(1 - (E/s)^2)`` times that at E. Of "green" the half
        width of a Lorentzian.
    moments : int
        0 of "green".
    vectors : int
        Random vectors, 0 where the trace is exact.
    samples : array (M, vectors)
        What each random vector gives alone: ``values`` is the mean of them.
    """

    energies: np.ndarray = quantity("energies (M,)", "hopping")
    values: np.ndarray = quantity("density of states (M,), integral 2 s N", "1/hopping")
    error: np.ndarray = quantity("one standard deviation of the values (M,), broadening excluded", "1/hopping")
    broadening: float = quantity("standard deviation of a peak at E = 0, or half width of a Lorentzian", "hopping")
    moments: int = quantity("Chebyshev moments")
    vectors: int = quantity("random vectors, 0 where the trace is exact")
    samples: np.ndarray = quantity("what each random vector gives (M, vectors)", "1/hopping")

    def plot(self, ax: Any = None) -> Figure:
        """Return a Figure of the density with its error band against energy."""
        from bdg.plots.levels import plot_density

        arrays = self.energies, self.values, self.error
        return plot_density(*arrays, self.broadening, ax, energy_unit=self.energy_unit)


@threaded
def density_of_states(
    system: System,
    energies: Any,
    *,
    method: str = "auto",
    broadening: float | None = None,
    moments: int | None = None,
    vectors: int | str = 8,
    device: str = "auto",
    threads: int | str = "auto",
    seed: int | None = None,
    progress: bool = False,
) -> DensityOfStates:
    r"""Return ``rho(E) = sum_n delta(E - E_n)`` over all 2 s N levels, with error bars.

    Parameters
    ----------
    system : System
    energies : array (M,) or float
        In the unit of the hopping.
    method : {"auto", "chebyshev", "green", "dense"}
        "chebyshev" estimates traces of Chebyshev polynomials from random vectors, at a cost proportional to
        ``N * moments * vectors``; "dense" takes all eigenvalues. Both broaden with the same kernel: with the same
        arguments the mean of "chebyshev" over seeds is "dense". "auto" is "dense" where that is expected to take less
        than a second, since it has no noise, else what is expected to be done first (`bdg.estimate`). "green" takes
        the trace of the Green function at ``E + i eta``, one factorisation for each |E|: without noise, and every level
        is a Lorentzian of half width eta, for few energies or a broadening that would take too many moments. Since that
        is another kernel, "auto" does not take it.
    broadening : float, optional
        Standard deviation of the peak of a level at E = 0, in the unit of the hopping. Default: the mean spacing of
        the energies, with at most 16384 moments; 1024 moments for a single energy. Of "green" the half width eta of the
        Lorentzian; default: the mean spacing, for a single energy 1e-3 of the largest row sum of |H|.
    moments : int, optional
        Number of moments instead: ``broadening = pi s/moments`` with s the spectral bound in the evidence. Not of
        "green".
    vectors : int or "all"
        Random vectors, at least 2. "all", or as many as there are electron orbitals: the trace is exact, from one
        column for each.
    device : {"auto", "cpu", "gpu"}
        "auto" takes the one that is expected to be done first, "gpu" never falls back.
    threads : int or "auto"
        Of the host; "auto" takes ``BDG_THREADS``, else the cores at hand. Results do not depend on it.
    seed : int, optional
        Of the random vectors; None means 0.
    progress : bool
        Show a bar over the products.

    Returns
    -------
    DensityOfStates
        ``values`` (M,) and ``error`` (M,), float64, in 1/hopping, on the host. ``error`` is the standard error of the
        mean over random vectors, times Student's factor, so that it covers the exact broadened value in 68 % of all
        cases however few they are; where the trace is exact, it is the estimated rounding error. Of "green" it is the
        sum of the errors of all elements of the Green function, a bound or an estimate (``evidence.error_is``). The
        systematic resolution is ``broadening``.

    Raises
    ------
    TypeError, ValueError
        If energies are not finite, moments and broadening are both given or out of range, or vectors is below 2.
    ArithmeticError
        If the broadening is so small that the factors of "green" are of no use.
    MemoryBudgetError
        If nothing that may be taken fits: with what each method needs, before it is begun.
    BackendUnavailableError
        If ``device="gpu"`` and no GPU can be used.

    Notes
    -----
    Random vectors are kept in single precision where its rounding (``1e-7 + 4e-9 k`` of moment k) is below 2 % of the
    noise of a moment; the evidence says so in ``dtype`` and ``rounding_error``.

    References
    ----------
    A. Weisse, G. Wellein, A. Alvermann, H. Fehske, Rev. Mod. Phys. 78, 275 (2006); T. Iitaka, T. Ebisuzaki, Phys. Rev.
    E 69, 057701 (2004) for random phases.

    Examples
    --------
    >>> import bdg
    >>> from bdg.lattices import Layer, stack
    >>> chain = stack([Layer(200, delta=0.5)])
    >>> density = bdg.density_of_states(chain, [0.0, 0.25, 0.55], broadening=0.05)
    >>> print(density.values.round(), density.evidence.method)  # nothing in the gap, much at its edge
    [  0.   0. 160.] dense
    """
    start = time.perf_counter()
    require_system(system)
    require_choice("method", method, METHODS)
    points = require_energies(energies)
    n_vectors = require_vectors(vectors, system)
    select_backend(device)  # refused before any work
    hamiltonian = BdGHamiltonian(system)
    seed = require_seed(seed)
    if method == "green":
        if moments is not None:
            raise ValueError(f"moments belongs to methods 'chebyshev' and 'dense'; got {moments!r} with method='green'")
        eta, origin = require_broadening(broadening, points, hamiltonian)
        return _by_green(green_request(hamiltonian, points, eta), origin, device, seed, progress, start)
    wanted = require_resolution(broadening, moments, points, hamiltonian, seed)
    choice = choose_method(method, device, hamiltonian, points.size, wanted.moments, n_vectors)
    if choice.method == "dense":
        levels, _ = dense.eigh(hamiltonian.matrix, choice.backend)
        traces = exact_moments(levels, np.ones((levels.size, 1)), wanted.moments, wanted.bound)
        traces[1::2] = 0
        trace, used, repeated, dtype = Trace(traces, True, 0), wanted, False, hamiltonian.dtype
    else:
        single = n_vectors > 0 and single_is_enough(hamiltonian.shape[0], n_vectors, wanted.moments)
        operator = NambuOperator(hamiltonian.matrix, system.norbs, choice.backend, single=single)
        trace, used, repeated = within_bound(
            hamiltonian, wanted, lambda at: _trace(operator, at, n_vectors, seed, progress)
        )
        dtype = operator.dtype
    each, error, facts = _samples(points, trace, used, hamiltonian.shape[0], dtype)
    evidence = Evidence.of(
        choice,
        dtype=dtype,
        start=start,
        kernel="jackson",
        broadening=used.broadening,
        broadening_is=f"standard deviation of a peak at E = 0; {used.origin}",
        spectral_bound=used.bound,
        bound_repeated=repeated,
        products=trace.products,
        seed=seed,
        **facts,
    )
    return DensityOfStates(
        energies=points,
        values=each.mean(axis=1),
        error=error,
        broadening=used.broadening,
        moments=used.moments,
        vectors=0 if trace.exact else n_vectors,
        samples=each[:, :0] if trace.exact else each,
        evidence=evidence,
        units=system.units,
    )


def _by_green(request: Request, origin: str, device: str, seed: int, progress: bool, start: float) -> DensityOfStates:
    choice = choose_green(request, device)
    values, error, facts = trace_density(request, choice.backend, seed, progress)
    eta, energies = request.eta, request.energies
    described = {"kernel": "lorentzian", "broadening": eta, "broadening_is": f"half width of a Lorentzian; {origin}"}
    evidence = Evidence.of(choice, dtype=values.dtype, start=start, seed=seed, **described, **facts)
    return DensityOfStates(
        energies=energies,
        values=values,
        error=error,
        broadening=eta,
        moments=0,
        vectors=0,
        samples=np.empty((energies.size, 0)),
        evidence=evidence,
        units=request.hamiltonian.system.units,
    )


def _trace(operator: NambuOperator, at: Resolution, n_vectors: int, seed: int, progress: bool) -> Trace:
    with progress_bar(progress, "density of states", "product", total=at.moments // 2) as bar:
        if n_vectors:
            return stochastic_trace(operator, at.bound, at.moments, n_vectors, seed, bar.update)
        return exact_trace(operator, at.bound, at.moments, bar.update)


def _samples(
    energies: np.ndarray, trace: Trace, at: Resolution, dimension: int, dtype: np.dtype
) -> tuple[np.ndarray, np.ndarray, dict[str, Any]]:
    """Return the density that each vector gives, the error of their mean, and what goes into the evidence about it."""
    each = density(energies, trace.moments, at.bound)
    single = np.dtype(dtype) in (np.dtype("f4"), np.dtype("c8"))
    of_moment = single_precision_error(at.moments) if single else _ROUNDING * at.moments
    rounding = squared_weights(energies, at.moments, at.bound) * dimension * of_moment
    facts: dict[str, Any] = {"rounding_error": float(rounding.max())}
    if trace.exact:
        return each, rounding, {"trace": "exact", "error_is": "rounding, estimated", **facts}
    facts["error_is"] = "one standard error over random vectors with Student's factor, and rounding"
    return each, np.hypot(standard_error(each), rounding), {"trace": "stochastic", **facts}
