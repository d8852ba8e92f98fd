r"""The momentum-resolved spectral function of electrons.

.. math:: A(k, E) = \sum_n \sum_\sigma |\langle k \sigma | u_n \rangle|^2 \, \delta(E - E_n), \qquad
          \langle i | k \rangle = e^{i k \cdot r_i} / \sqrt N

over all 2 s N levels: what photoemission of a clean crystal sees, and where disorder has left momenta meaningful.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from bdg.base.arguments import real_array, require_energies, require_seed, require_system
from bdg.base.hamiltonian import BdGHamiltonian
from bdg.base.results import Choice, Evidence, Result, quantity
from bdg.densities.expansion_costs import Expansion, expansion_option
from bdg.densities.resolution import require_resolution
from bdg.densities.spectral_weights import vector_weights
from bdg.gpu.cost.model import Option
from bdg.gpu.device.backend import Backend, select_backend
from bdg.gpu.device.threads import threaded
from bdg.lattices.system import System
from bdg.methods import choice
from bdg.methods.task import Arguments, Found, Task

if TYPE_CHECKING:
    from matplotlib.figure import Figure


@dataclass(frozen=True, eq=False, kw_only=True)
class SpectralFunction(Result):
    """Spectral function of electrons at chosen wave vectors.

    Attributes
    ----------
    energies : array (M,)
    momenta : array (K, dim)
    values : array (M, K)
        Summed over spins; its integral over energy is s. Broadened by the Jackson kernel.
    error : array (M, K)
        Estimated rounding error: the expansion of a given vector has no noise.
    broadening : float
        Standard deviation of a peak at E = 0.
    moments : int
    """

    energies: np.ndarray = quantity("energies (M,)", "hopping")
    momenta: np.ndarray = quantity("wave vectors (K, dim)", "1/length of the system")
    values: np.ndarray = quantity("spectral function of electrons (M, K)", "1/hopping")
    error: np.ndarray = quantity("numerical error of the values (M, K)", "1/hopping")
    broadening: float = quantity("standard deviation of a peak at E = 0", "hopping")
    moments: int = quantity("Chebyshev moments")
    _rows = "values"

    def plot(self, ax: Any = None) -> Figure:
        """Return a Figure: a map over the list of wave vectors and energy."""
        from bdg.plots.maps import plot_spectral_function

        return plot_spectral_function(self.energies, self.values, ax, energy_unit=self.energy_unit)


@threaded
def spectral_function(
    system: System,
    momenta: Any,
    energies: Any,
    *,
    broadening: float | None = None,
    moments: int | None = None,
    device: str = "auto",
    threads: int | str = "auto",
    seed: int | None = None,
    progress: bool = False,
) -> SpectralFunction:
    r"""Return A(k, E) of electrons at chosen wave vectors, both spins for norbs = 2.

    .. math:: A(k, E) = \sum_n \sum_\sigma |\langle k \sigma | u_n \rangle|^2 \, \delta(E - E_n), \qquad
              \langle i | k \rangle = e^{i k \cdot r_i} / \sqrt N

    over all 2 s N levels, with peaks of the Jackson kernel for the delta functions.

    Parameters
    ----------
    system : System
    momenta : array (K, dim) or (dim,)
        Wave vectors in the inverse unit of the positions.
    energies : array (M,) or float
        In the unit of the hopping.
    broadening : float, optional
        Standard deviation of the peak of a level at E = 0, in the unit of the hopping. Default: the mean spacing of
        the energies, with at most 16384 moments; 1024 moments for a single energy.
    moments : int, optional
        Number of moments instead: ``broadening = pi s/moments`` with s the spectral bound in the evidence.
    device : {"auto", "cpu", "gpu"}
        "auto" takes the one that is expected to be done first, "gpu" never falls back.
    threads : int or "auto"
        Of the host; "auto" takes ``BDG_THREADS``, else the cores at hand. Results do not depend on it.
    seed : int, optional
        Of the spectral bound; without influence on the values beyond rounding.
    progress : bool
        Show a bar over the products.

    Returns
    -------
    SpectralFunction
        ``values`` (M, K) and ``error`` (M, K), float64, in 1/hopping, on the host. The expansion of a given vector has
        no noise: ``error`` is the estimated rounding error.

    Raises
    ------
    TypeError, ValueError
        If momenta have another dimension than the positions, or an argument is not finite or out of range.
    MemoryBudgetError
        If it does not fit.
    BackendUnavailableError
        If ``device="gpu"`` and no GPU can be used.

    References
    ----------
    A. Weisse, G. Wellein, A. Alvermann, H. Fehske, Rev. Mod. Phys. 78, 275 (2006), section II for the expansion.

    Examples
    --------
    >>> import numpy as np
    >>> import bdg
    >>> from bdg.lattices import Layer, stack
    >>> film = stack([Layer(15, delta=0.5)], (16,), periodic=True)
    >>> energies = np.linspace(-1, 1, 41)
    >>> fermi = [[np.pi / 2, np.pi / 2]]  # of x (open ends) and y
    >>> spectrum = bdg.spectral_function(film, fermi, energies, broadening=0.05)
    >>> print(abs(energies[spectrum.values[:, 0].argmax()]).round(1))  # E_F is gapped: the peaks are at Delta
    0.5
    """
    start = time.perf_counter()
    require_system(system)
    points = require_energies(energies)
    waves = require_momenta(momenta, system.positions.shape[1])
    select_backend(device)  # refused before any work
    hamiltonian = BdGHamiltonian(system)
    at = require_resolution(broadening, moments, points, hamiltonian, require_seed(seed))
    taken = choose_method(device, hamiltonian, waves, points.size, at.moments)
    norbs, half = system.norbs, hamiltonian.shape[0] // 2
    plane = np.exp(1j * system.positions @ waves.T) / np.sqrt(system.n_sites)  # (N, K)
    vectors = np.zeros((2 * half, norbs * len(waves)), dtype=complex)
    for spin in range(norbs):
        vectors[spin:half:norbs, spin::norbs] = plane
    if not plane.imag.any():
        vectors = vectors.real.copy()
    found = vector_weights(hamiltonian, points, vectors, at.broadening, at.moments, taken.backend, progress)
    shape = (points.size, len(waves), norbs)
    evidence = Evidence.of(
        taken,
        dtype=hamiltonian.dtype,
        start=start,
        kernel=found.kernel,
        broadening=found.broadening,
        broadening_is=f"standard deviation of a peak at E = 0; {at.origin}",
        **found.facts,
    )
    return SpectralFunction(
        energies=points,
        momenta=waves,
        values=found.values.reshape(shape).sum(axis=2),
        error=found.error.reshape(shape).sum(axis=2),
        broadening=found.broadening,
        moments=found.moments,
        evidence=evidence,
        units=system.units,
    )


def spectral_options(
    hamiltonian: BdGHamiltonian, backends: Sequence[Backend], momenta: np.ndarray, energies: int, moments: int
) -> list[Option]:
    """Return what the only method takes on each device, one column or two for each wave vector and spin."""
    system = hamiltonian.system
    is_complex = bool((system.positions @ momenta.T).any())
    split = 2 if is_complex and hamiltonian.dtype.kind != "c" else 1  # real and imaginary parts
    n_vectors = system.norbs * len(momenta)
    held = (16.0 if is_complex else 8.0) * hamiltonian.shape[0] * n_vectors
    wanted = Expansion(split * n_vectors, moments, energies)
    return [expansion_option(hamiltonian, backend, wanted, 2 * held) for backend in backends]


def choose_method(device: str, hamiltonian: BdGHamiltonian, momenta: np.ndarray, energies: int, moments: int) -> Choice:
    """Return the only method, on the device where it is expected to be done first."""
    backends = choice.devices(device, hamiltonian.shape[0])
    options = spectral_options(hamiltonian, backends, momenta, energies, moments)
    found = choice.chosen(options, backends, "the spectral function", f"for {moments} moments")
    return replace(found, why=f"the only method; {found.why}")


def require_momenta(momenta: Any, dim: int) -> np.ndarray:
    """Return finite wave vectors (K, dim)."""
    waves = np.atleast_2d(real_array("momenta", momenta))
    if waves.dtype.kind not in "iuf" or waves.ndim != 2 or waves.shape[1] != dim or not len(waves):
        raise ValueError(
            f"momenta must be wave vectors (K, {dim}), as many components as positions; got {momenta!r:.80}"
        )
    if not np.isfinite(waves).all():
        raise ValueError(f"momenta must be finite; got {momenta!r:.80}")
    return waves.astype(float)


def _spectral_function_task(h: BdGHamiltonian, backends: Sequence[Backend], device: str, given: Arguments) -> Found:
    points = require_energies(given["energies"])
    waves = require_momenta(given["momenta"], h.system.positions.shape[1])
    moments = require_resolution(given.get("broadening"), given.get("moments"), points, h, 0).moments
    options = spectral_options(h, backends, waves, points.size, moments)
    return options, lambda: choose_method(device, h, waves, points.size, moments)


TASKS = {
    "spectral_function": Task(
        _spectral_function_task, ("momenta", "energies", "broadening", "moments"), frozenset({"energies", "momenta"})
    ),
}
