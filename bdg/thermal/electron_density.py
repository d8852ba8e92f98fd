r"""How many electrons are on each site.

.. math:: n_i = \sum_\sigma \langle c^\dagger_{i\sigma} c_{i\sigma} \rangle
          = \sum_\sigma \Big[ \frac{1 - \tanh(H/2T)}{2} \Big]_{i\sigma, i\sigma}
"""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from bdg.base.arguments import require_system
from bdg.base.hamiltonian import BdGHamiltonian
from bdg.base.results import Evidence, Result, quantity
from bdg.gpu.device.backend import select_backend
from bdg.gpu.device.threads import threaded
from bdg.lattices.arguments import positive_number
from bdg.lattices.system import System
from bdg.thermal.choice import choose_place
from bdg.thermal.elements import require_thermal_arguments, thermal_elements

if TYPE_CHECKING:
    from matplotlib.figure import Figure


@dataclass(frozen=True, eq=False, kw_only=True)
class ElectronDensity(Result):
    """Electrons on each site.

    Attributes
    ----------
    values : array (N,), float64
        Both spins, 0 to 2.
    error : float
        Bound of the error of every value.
    temperature : float
    positions : array (N, dim)
    """

    values: np.ndarray = quantity("electrons on each site, both spins (N,)")
    error: float = quantity("bound of the error of every value")
    temperature: float = quantity("k_B T", "hopping")
    positions: np.ndarray = quantity("positions of the sites (N, dim)", "length of the system")

    def plot(self, ax: Any = None) -> Figure:
        """Return a Figure of n over the sites: against x in 1-D, a map in 2-D, a plane near the middle in 3-D."""
        from bdg.plots.maps import plot_site_map

        return plot_site_map(self.positions, self.values, "n", ax, length_unit=self.length_unit)


@threaded
def electron_density(
    system: System,
    temperature: float,
    *,
    method: str = "auto",
    tol: float = 1e-6,
    device: str = "auto",
    threads: int | str = "auto",
    seed: int | None = None,
    progress: bool = False,
) -> ElectronDensity:
    r"""Return ``n_i = sum_s <c^+_is c_is>`` on all sites.

    norbs = 1: ``2 sum_n f(E_n) |u_n(i)|^2`` over all 2N levels, f the Fermi function; norbs = 2 without the factor 2.

    Parameters
    ----------
    system : System
    temperature : float
        k_B T >= 0 in the unit of the hopping; 0 needs the dense method.
    method : {"auto", "dense", "poles"}
        "dense" takes all levels; "poles" takes a selected inverse at the poles of a rational fit of tanh, no dense
        matrix. "auto" is dense below dimension 500 and at T = 0, else what is expected to be done first.
    tol : float
        Absolute error of n, from 2e-12 to 0.1.
    device : {"auto", "cpu", "gpu"}
        "auto" takes the one that is expected to be done first, "gpu" never falls back.
    threads : int or "auto"
        Of the host; "auto" takes ``BDG_THREADS``, else the cores at hand. Results do not depend on it.
    seed, progress
        Without influence; accepted for uniformity.

    Returns
    -------
    ElectronDensity
        ``values`` (N,), float64, electrons a site, both spins (0 to 2), on the host.

    Raises
    ------
    TypeError, ValueError
        If an argument is out of range, or temperature is 0 with method "poles".
    MemoryBudgetError
        If matrix or factors do not fit.
    BackendUnavailableError
        If ``device="gpu"`` and no GPU can be used.

    References
    ----------
    P. G. de Gennes, Superconductivity of Metals and Alloys (1966), chapter 5.

    Examples
    --------
    >>> import bdg
    >>> from bdg.lattices import Layer, stack
    >>> chain = stack([Layer(40, delta=0.3)], mu=0)
    >>> density = bdg.electron_density(chain, temperature=0.1)
    >>> print(density.values[:3].round(6))  # half filling: one electron a site, both spins together
    [1. 1. 1.]
    """
    start = time.perf_counter()
    require_system(system)
    temperature = require_thermal_arguments(system, temperature, method, seed)
    tol = positive_number("tol", tol, "absolute error of the density")
    select_backend(device)  # refused before any work
    hamiltonian = BdGHamiltonian(system)
    choice = choose_place(method, device, hamiltonian, temperature, tol)
    found = thermal_elements(hamiltonian, temperature, tol, choice)
    return ElectronDensity(
        values=found.electron_density(),
        error=found.error,
        temperature=temperature,
        positions=system.positions,
        evidence=Evidence.of(choice, dtype=found.dtype, start=start, **found.facts),
        units=system.units,
    )
