r"""The superfluid stiffness: how much free energy a twist of the phase costs.

Every hop over d carries ``exp(i q.d)`` (both spins). With ``V^a = dh/dq_a``, T the electron-electron block of
tanh(H/2T), s = norbs, and sums over stored elements,

.. math:: D_{ab} = \frac1N \frac{\partial^2 F}{\partial q_a \partial q_b} = K_{ab} - \Lambda_{ab}, \qquad
          K_{ab} = \frac1{sN} \sum_{ij} d^a_{ij} d^b_{ij} \operatorname{Re} h_{ij} T_{ji}, \qquad
          \Lambda_{ab} = \frac1{sN} \operatorname{Tr} V^a \frac{\partial T}{\partial q_b}

at fixed Delta: K is the diamagnetic part (minus the kinetic energy along the axis), Lambda the paramagnetic one. From
all levels, with ``t_n = tanh(E_n/2T)`` and ``W^a = dH/dq_a`` between eigenstates,

.. math:: \Lambda_{ab} = \frac{1}{2sN} \sum_{mn} \operatorname{Re} W^a_{mn} W^b_{nm} \frac{t_m - t_n}{E_m - E_n} .
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

from bdg.base.arguments import require_choice, require_seed, require_system, require_temperature
from bdg.base.hamiltonian import BdGHamiltonian
from bdg.base.quantities import with_axes
from bdg.base.results import Evidence, Result, quantity
from bdg.base.tables import Quantity
from bdg.currents.choice import METHODS, choose_route
from bdg.currents.twist_response import CurrentResponse, FreeEnergyResponse, KuboResponse, Response
from bdg.currents.twists import require_directions
from bdg.gpu.device.backend import select_backend
from bdg.gpu.device.threads import threaded
from bdg.lattices.arguments import positive_number
from bdg.lattices.system import System

ROUTES: dict[str, Callable[..., Response]] = {
    "kubo": KuboResponse,
    "current": CurrentResponse,
    "twist": FreeEnergyResponse,
}
STIFFNESS_UNIT = "hopping length^2"


_TENSORS = ("stiffness", "diamagnetic", "paramagnetic")


@dataclass(frozen=True, eq=False, kw_only=True)
class SuperfluidStiffness(Result):
    """Superfluid stiffness per site.

    Attributes
    ----------
    stiffness, diamagnetic, paramagnetic : float, or array (dim, dim) for direction "all"
        ``stiffness = diamagnetic - paramagnetic``, both spins.
    error : float
        Of every element: rounding for "kubo", an estimate of what the differences leave for the others.
    imbalance : float
        Largest ``|d(div J_i)/dq|``, in the unit of the stiffness per length: 0 where the twisted state conserves
        charge at fixed Delta; else the stiffness with relaxed phases is smaller. nan for "twist".
    direction : str
    temperature : float
    """

    stiffness: Any = quantity("superfluid stiffness per site, both spins", STIFFNESS_UNIT)
    diamagnetic: Any = quantity("diamagnetic part: minus the kinetic energy along the axis", STIFFNESS_UNIT)
    paramagnetic: Any = quantity("paramagnetic part, subtracted", STIFFNESS_UNIT)
    error: float = quantity("error of every element", STIFFNESS_UNIT)
    imbalance: float = quantity("largest |d(div J)/dq| of a site", "hopping length")
    direction: str = quantity("axis of the twist, or all")
    temperature: float = quantity("k_B T", "hopping")

    def quantities(self) -> Iterator[Quantity]:
        """Give what a table of the result may hold: of all axes an element of the tensors a row."""
        return with_axes(super().quantities(), dict.fromkeys(_TENSORS, ("first", "second")))

    def plot(self, ax: Any = None) -> Any:
        """Return a Figure of both parts and their difference, for each axis."""
        from bdg.plots.parts import plot_stiffness

        every = self.direction == "all"
        names, on_axes = ("xyz"[: len(self.stiffness)], np.diagonal) if every else (self.direction, np.atleast_1d)
        parts = on_axes(self.diamagnetic), on_axes(self.paramagnetic), on_axes(self.stiffness)
        return plot_stiffness(list(names), *parts, ax, energy_unit=self.energy_unit, length_unit=self.length_unit)


@threaded
def superfluid_stiffness(
    system: System,
    temperature: float,
    direction: str,
    *,
    method: str = "auto",
    tol: float = 1e-11,
    device: str = "auto",
    threads: int | str = "auto",
    seed: int | None = None,
    progress: bool = False,
) -> SuperfluidStiffness:
    r"""Return ``(1/N) d^2F/dq_a dq_b`` at fixed Delta, with its diamagnetic and paramagnetic parts.

    Every hop over d carries ``exp(i q.d)``. With ``V^a = dh/dq_a``, T the electron-electron block of tanh(H/2T) and
    s = norbs,

    .. math:: D_{ab} = \frac1N \frac{\partial^2 F}{\partial q_a \partial q_b} = K_{ab} - \Lambda_{ab}, \qquad
              K_{ab} = \frac1{sN} \sum_{ij} d^a_{ij} d^b_{ij} \operatorname{Re} h_{ij} T_{ji}, \qquad
              \Lambda_{ab} = \frac1{sN} \operatorname{Tr} V^a \frac{\partial T}{\partial q_b}

    Parameters
    ----------
    system : System
        Periodic along the direction, or open with pairing at both ends (electrodes; then ``q`` times twice their
        distance is the phase difference that is imposed, and the response inside them counts too).
    temperature : float
        k_B T >= 0 in the unit of the hopping; 0 needs all levels ("kubo", or small systems).
    direction : {"x", "y", "z", "all"}
        "all" gives the tensor.
    method : {"auto", "kubo", "current", "twist"}
        "kubo" sums over all levels (dense). "current" takes the paramagnetic part from first differences of thermal
        elements under small twists, never a dense matrix above dimension 500. "twist" takes second differences of the
        free energy. "auto" is "kubo" below dimension 500 and at T = 0, else what is expected to be done first of "kubo"
        and "current".
    tol : float
        Absolute error of the elements of tanh ("current", "twist"), from 1e-12 to 0.1.
    device : {"auto", "cpu", "gpu"}
        "auto" takes a GPU if one can be used, "gpu" never falls back.
    threads : int or "auto"
        Of the host; "auto" takes ``BDG_THREADS``, else the cores at hand. Results do not depend on it.
    seed : int, optional
        Without influence; accepted for uniformity.
    progress : bool
        Without influence; accepted for uniformity.

    Returns
    -------
    SuperfluidStiffness
        Floats for one axis, arrays (dim, dim), float64, for "all", in the unit of the hopping times length squared, per
        site.

    Raises
    ------
    TypeError, ValueError
        If the direction is unknown or open without electrodes, or an argument is out of range.
    MemoryBudgetError
        If matrix or factors do not fit.
    BackendUnavailableError
        If ``device="gpu"`` and no GPU can be used.

    Notes
    -----
    A current that is not conserved under the twist (``imbalance``) is taken by the imposed phases of Delta. Phases
    that may relax lower the free energy, so the value at fixed Delta is an upper bound.

    References
    ----------
    D. J. Scalapino, S. R. White, S. C. Zhang, Phys. Rev. B 47, 7995 (1993).

    Examples
    --------
    >>> import bdg
    >>> from bdg.lattices import Layer, stack
    >>> wire = stack([Layer(40, delta=0.5)])
    >>> stiffness = bdg.superfluid_stiffness(wire, 0.05, "x")
    >>> print(round(float(stiffness.stiffness), 3))
    1.104
    """
    start = time.perf_counter()
    require_system(system)
    temperature = require_temperature(temperature, system)
    require_seed(seed)
    require_choice("method", method, METHODS)
    tol = positive_number("tol", tol, "absolute error of the elements of tanh")
    axes = require_directions(direction, system)
    select_backend(device)  # refused before any work
    choice = choose_route(method, device, BdGHamiltonian(system), temperature, tol, axes)
    found = ROUTES[choice.method](system, temperature, tol, choice.backend).parts(axes)
    evidence = Evidence.of(choice, dtype=found.dtype, start=start, delta="fixed", **found.facts)
    shape: Any = (lambda matrix: matrix) if direction == "all" else (lambda matrix: float(matrix[0, 0]))
    return SuperfluidStiffness(
        stiffness=shape(found.diamagnetic - found.paramagnetic),
        diamagnetic=shape(found.diamagnetic),
        paramagnetic=shape(found.paramagnetic),
        error=float(found.error),
        imbalance=float(found.imbalance),
        direction=direction,
        temperature=temperature,
        evidence=evidence,
        units=system.units,
    )
