r"""The current on every bond, from elements of tanh(H/2T) between neighbours.

With T the electron-electron block of tanh(H/2T), s = norbs, and the trace over spins,

.. math:: J_{i \to j} = \frac{2}{s} \operatorname{Im} \operatorname{tr} h_{ij} T_{ji}, \qquad
          \sum_j J_{i \to j} = S_i
          = \frac{2}{s} \operatorname{Im} \sum_j \operatorname{tr} D_{ij}^\dagger [\tanh(H/2T)]^{eh}_{ij}

in units of e x energy/hbar, e the charge of a carrier. The sources S follow from ``[tanh(H/2T), H] = 0``; for pairing
on sites they are ``4 Im(Delta_i* F_i)``, and vanish where Delta is zero or self-consistent. The free energy changes by
``dF = -1/2 sum_i S_i dphi_i`` with the phases of the pairing.
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
from bdg.thermal.bonds import products_with, strongest_hopping
from bdg.thermal.choice import choose_place
from bdg.thermal.elements import ThermalElements, require_thermal_arguments, thermal_elements

if TYPE_CHECKING:
    from matplotlib.figure import Figure


@dataclass(frozen=True, eq=False, kw_only=True)
class BondCurrents(Result):
    """Equilibrium currents on the bonds of a system.

    Attributes
    ----------
    bonds : array (B, 2) of int
        Sites (from, to) of every hopping, once, from < to.
    currents : array (B,)
        Positive where carriers flow from -> to.
    error : float
        Bound of the error of every current.
    divergence : array (N,)
        Sum of the currents that leave each site: zero where the charge is conserved.
    field : array (N, dim)
        Half the sum of current times displacement over the bonds of each site: divided by the volume of a site it is
        the current density.
    temperature : float
    positions : array (N, dim)
    grain : array (N,)
        -1 in the host, number of the superconducting part elsewhere.
    """

    bonds: np.ndarray = quantity("sites (from, to) of every hopping (B, 2)")
    currents: np.ndarray = quantity("current from -> to (B,)", "e hopping/hbar")
    error: float = quantity("bound of the error of every current", "e hopping/hbar")
    divergence: np.ndarray = quantity("sum of the currents that leave each site (N,)", "e hopping/hbar")
    field: np.ndarray = quantity("current times displacement, half at each end (N, dim)", "e hopping length/hbar")
    temperature: float = quantity("k_B T", "hopping")
    positions: np.ndarray = quantity("positions of the sites (N, dim)", "length of the system")
    grain: np.ndarray = quantity("superconducting part of each site, -1 in the host (N,)")

    def plot(self, ax: Any = None) -> Figure:
        """Return a Figure of the currents: against x in 1-D, arrows in 2-D, a plane near the middle in 3-D."""
        from bdg.plots.maps import plot_bond_currents

        arrays = self.positions, self.bonds, self.currents, self.field, self.grain
        return plot_bond_currents(*arrays, ax, energy_unit=self.energy_unit, length_unit=self.length_unit)


@threaded
def bond_currents(
    system: System,
    temperature: float,
    *,
    method: str = "auto",
    tol: float = 1e-8,
    device: str = "auto",
    threads: int | str = "auto",
    seed: int | None = None,
    progress: bool = False,
) -> BondCurrents:
    r"""Return the equilibrium current on every hopping, in e x energy/hbar.

    norbs = 1: ``J_ij = 2 Im h_ij T_ji``, both spins; norbs = 2: ``Im tr h_ij T_ji``; T is the electron-electron block
    of tanh(H/2T). Positive where carriers flow from i to j; e is their charge.

    Parameters
    ----------
    system : System
        Its Delta is taken as it is; where Delta is not self-consistent it feeds currents in and takes them out.
    temperature : float
        k_B T >= 0 in the unit of the hopping; 0 needs the dense method.
    method : {"auto", "dense", "poles"}
        "dense" takes all levels; "poles" takes a selected inverse at the poles of a rational fit of tanh, no dense
        matrix. "auto" is dense below dimension 500 and at T = 0, else what is expected to be done first.
    tol : float
        Absolute error of the elements of tanh, from 1e-12 to 0.1; ``error`` says what follows for the currents.
    device : {"auto", "cpu", "gpu"}
        "auto" takes the one that is expected to be done first, "gpu" never falls back.
    threads : int or "auto"
        Of the host; "auto" takes ``BDG_THREADS``, else the cores at hand. Results do not depend on it.
    seed, progress
        Without influence; accepted for uniformity.

    Returns
    -------
    BondCurrents
        ``currents`` (B,) on ``bonds`` (B, 2) and ``divergence`` (N,), float64, in e x hopping/hbar, on the host. The
        evidence holds ``continuity``: the largest ``|div J_i - S_i|``, with S the sources that the pairing gives
        (on sites ``4 Im(Delta_i* F_i)``), rounding only; and ``largest_source``.

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
    >>> import numpy as np
    >>> import bdg
    >>> from bdg.lattices import Layer, stack
    >>> junction = stack([Layer(20, delta=0.3), Layer(4), Layer(20, delta=0.3)]).with_phases({1: np.pi / 2})
    >>> flow = bdg.bond_currents(junction, temperature=0.05)
    >>> inside = (flow.bonds[:, 0] >= 20) & (flow.bonds[:, 1] < 24)
    >>> print(flow.currents[inside].round(4))  # the same on each bond of the normal part
    [0.0776 0.0776 0.0776]
    """
    start = time.perf_counter()
    require_system(system)
    temperature = require_thermal_arguments(system, temperature, method, seed)
    tol = positive_number("tol", tol, "absolute error of the elements of tanh")
    select_backend(device)  # refused before any work
    hamiltonian = BdGHamiltonian(system)
    choice = choose_place(method, device, hamiltonian, temperature, tol)
    found = thermal_elements(hamiltonian, temperature, tol, choice)
    bonds, currents = currents_of(system, found)
    divergence = divergence_of(bonds, currents, system.n_sites)
    sources = sources_of(system, found)
    hopping = strongest_hopping(system)
    evidence = Evidence.of(
        choice,
        dtype=found.dtype,
        start=start,
        continuity=float(abs(divergence - sources).max()),
        largest_source=float(abs(sources).max()),
        **found.facts,
    )
    return BondCurrents(
        bonds=bonds,
        currents=currents,
        error=2 * hopping * found.error,
        divergence=divergence,
        field=vector_field(system, bonds, currents),
        temperature=temperature,
        positions=system.positions,
        grain=system.grain,
        evidence=evidence,
        units=system.units,
    )


def currents_of(system: System, elements: ThermalElements) -> tuple[np.ndarray, np.ndarray]:
    """Return bonds (B, 2) and currents (B,) of thermal elements."""
    first, second, products = products_with(system.hamiltonian, system.norbs, elements.pattern, elements.normal)
    once = first < second
    keys, bond = np.unique(first[once] * system.n_sites + second[once], return_inverse=True)
    currents = 2.0 / system.norbs * np.bincount(bond, products[once].imag, minlength=keys.size)
    return np.stack(np.divmod(keys, system.n_sites), axis=1), currents


def sources_of(system: System, elements: ThermalElements) -> np.ndarray:
    """Return what the pairing feeds into each site (N,): ``4 Im(Delta_i* F_i)`` for pairing on sites."""
    first, _, products = products_with(system.pairing_block, system.norbs, elements.pattern, elements.anomalous)
    return -2.0 / system.norbs * np.bincount(first, products.imag, minlength=system.n_sites)


def divergence_of(bonds: np.ndarray, currents: np.ndarray, n_sites: int) -> np.ndarray:
    """Return the sum of the currents that leave each site (N,)."""
    leaving = np.bincount(bonds[:, 0], currents, minlength=n_sites)
    return leaving - np.bincount(bonds[:, 1], currents, minlength=n_sites)


def vector_field(system: System, bonds: np.ndarray, currents: np.ndarray) -> np.ndarray:
    """Return half the sum of current times displacement over the bonds of each site (N, dim)."""
    flow = 0.5 * currents[:, None] * system.displacement(bonds[:, 0], bonds[:, 1])
    columns = [
        sum(np.bincount(bonds[:, end], component, minlength=system.n_sites) for end in (0, 1)) for component in flow.T
    ]
    return np.stack(columns, axis=1)
