r"""The free energy and the entropy of a system.

.. math:: F = -T \,\mathrm{Tr} \ln 2\cosh(H/2T) + \mathrm{Tr}\, h + \sum_i |\Delta_i|^2 / U_i

for norbs = 1 (trace over all 2N levels; both spins); for norbs = 2 the trace and Tr h count half. The last sum is over
sites with U > 0. ``S = -dF/dT`` at fixed Delta, which is the whole derivative where Delta is self-consistent.
"""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from bdg.base.arguments import require_system
from bdg.base.hamiltonian import BdGHamiltonian
from bdg.base.results import Evidence, Result, quantity
from bdg.gpu.device.backend import select_backend
from bdg.gpu.device.threads import threaded
from bdg.lattices.arguments import positive_number
from bdg.lattices.system import System
from bdg.thermal.bonds import products_with
from bdg.thermal.choice import choose_place
from bdg.thermal.elements import ThermalElements, require_thermal_arguments, thermal_elements

if TYPE_CHECKING:
    from matplotlib.figure import Figure

FIT_ERROR = 1e-10  # of tanh


@dataclass(frozen=True, eq=False, kw_only=True)
class FreeEnergy(Result):
    """Free energy of a system at one temperature.

    Attributes
    ----------
    value : float
        F, both spins, condensation energy included.
    error : float
        Bound of its error.
    entropy : float
        ``-dF/dT`` at fixed Delta, in units of k_B; 0 at T = 0.
    condensation : float
        ``sum |Delta|^2/U``, part of ``value``.
    temperature : float
    """

    value: float = quantity("free energy, both spins", "hopping")
    error: float = quantity("bound of its error", "hopping")
    entropy: float = quantity("-dF/dT at fixed Delta", "k_B")
    condensation: float = quantity("sum |Delta|^2/U, part of the value", "hopping")
    temperature: float = quantity("k_B T", "hopping")

    def plot(self, ax: Any = None) -> Figure:
        """Return a Figure of F and its parts: energy, heat ``-T S``, and the condensation in the energy."""
        from bdg.plots.parts import plot_free_energy

        parts = self.value, self.entropy, self.condensation
        return plot_free_energy(*parts, self.temperature, ax, energy_unit=self.energy_unit)


@threaded
def free_energy(
    system: System,
    temperature: float,
    *,
    method: str = "auto",
    tol: float = FIT_ERROR,
    device: str = "auto",
    threads: int | str = "auto",
    seed: int | None = None,
    progress: bool = False,
) -> FreeEnergy:
    r"""Return free energy and entropy of a system.

    .. math:: F = -T \,\mathrm{Tr} \ln 2\cosh(H/2T) + \mathrm{Tr}\, h + \sum_i |\Delta_i|^2 / U_i, \qquad
              S = -\partial F/\partial T

    for norbs = 1 (trace over all 2N levels; both spins); for norbs = 2 the trace and Tr h count half.

    Parameters
    ----------
    system : System
        Its Delta is taken as it is; sites with U > 0 add ``|Delta|^2/U``.
    temperature : float
        k_B T >= 0 in the unit of the hopping; 0 needs the dense method.
    method : {"auto", "dense", "poles"}
        "dense" takes all levels; "poles" takes determinants at the poles of a rational fit of tanh, no dense
        matrix. "auto" is dense below dimension 500 and at T = 0, else what is expected to be done first.
    tol : float
        Absolute error of tanh in the fit, from 1e-12 to 0.1; ``error`` says what follows for F.
    device : {"auto", "cpu", "gpu"}
        "auto" takes the one that is expected to be done first, "gpu" never falls back.
    threads : int or "auto"
        Of the host; "auto" takes ``BDG_THREADS``, else the cores at hand. Results do not depend on it.
    seed, progress
        Without influence; accepted for uniformity.

    Returns
    -------
    FreeEnergy
        ``value`` and ``error`` in the unit of the hopping, ``entropy`` in units of k_B.

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
    J. Bardeen, R. Kuemmel, A. E. Jacobs, L. Tewordt, Phys. Rev. 187, 556 (1969).

    Examples
    --------
    >>> import bdg
    >>> from bdg.lattices import Layer, stack
    >>> chain = stack([Layer(40, delta=0.3)])
    >>> energy = bdg.free_energy(chain, temperature=0.1)
    >>> print(round(energy.value, 3), round(energy.entropy, 3))
    -52.429 1.418
    >>> normal = bdg.free_energy(chain.with_delta(0), temperature=0.1)
    >>> print(normal.entropy > energy.entropy)  # the gap freezes electrons out
    True
    """
    start = time.perf_counter()
    require_system(system)
    temperature = require_thermal_arguments(system, temperature, method, seed)
    tol = positive_number("tol", tol, "absolute error of tanh")
    select_backend(device)  # refused before any work
    hamiltonian = BdGHamiltonian(system)
    choice = choose_place(method, device, hamiltonian, temperature, tol)
    found = thermal_elements(hamiltonian, temperature, tol, choice, log_cosh=True)
    share = 1.0 / system.norbs
    entropy = 0.0
    if temperature > 0:
        entropy = share * (found.log_cosh - _trace_of_product(hamiltonian, found) / (2 * temperature))
    evidence = Evidence.of(choice, dtype=found.dtype, start=start, **found.facts)
    return FreeEnergy(
        value=free_energy_of(system, found, temperature),
        error=free_energy_error(system, found, temperature),
        entropy=float(entropy),
        condensation=condensation_energy(system),
        temperature=temperature,
        evidence=evidence,
        units=system.units,
    )


def free_energy_of(system: System, found: ThermalElements, temperature: float) -> float:
    """Return F of a system from its thermal elements, made with ``log_cosh=True``."""
    share = 1.0 / system.norbs
    normal_trace = share * float(system.hamiltonian.diagonal().real.sum())
    return normal_trace + condensation_energy(system) - share * found.thermal_trace(temperature)


def free_energy_error(system: System, found: ThermalElements, temperature: float) -> float:
    """Return a bound of the error of `free_energy_of`."""
    error = temperature * found.log_cosh_error if temperature > 0 else found.error * found.thermal_trace(temperature)
    return float(error / system.norbs)


def condensation_energy(system: System) -> float:
    """Return ``sum |Delta|^2/U`` over the sites with U > 0."""
    attractive = system.attraction > 0
    return float((abs(system.delta[attractive]) ** 2 / system.attraction[attractive]).sum())


def _trace_of_product(hamiltonian: BdGHamiltonian, found: ThermalElements) -> float:
    """Return ``Tr H tanh(H/2T)``: twice the electron rows, by particle-hole symmetry."""
    system, total = hamiltonian.system, 0.0
    for matrix, elements in ((system.hamiltonian, found.normal), (system.pairing_block, found.anomalous)):
        _, _, products = products_with(matrix, system.norbs, found.pattern, elements)
        total += float(products.real.sum())
    return 2.0 * total
