"""How a local density of states is gone about: which energies are solved for and by what, and what it is to take."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from bdg.base.arguments import require_energies, require_sites
from bdg.base.hamiltonian import BdGHamiltonian
from bdg.base.results import Choice
from bdg.densities.expansion_costs import Expansion, expansion_option
from bdg.densities.resolution import MOST, SAFETY, require_broadening
from bdg.densities.spectral_weights import TRUNCATION
from bdg.gpu.chebyshev.columns import spectral_bound
from bdg.gpu.chebyshev.kernel_polynomial import lorentzian_moments
from bdg.gpu.cost import model as cost
from bdg.gpu.cost.calibration import rates_of
from bdg.gpu.cost.model import Option
from bdg.gpu.device.backend import Backend
from bdg.gpu.multifrontal.factors import selected_inverse
from bdg.green import resolvent_costs
from bdg.lattices.arguments import whole_number
from bdg.methods import choice
from bdg.methods import options as methods_options
from bdg.methods.symbolic import whole_symbolic
from bdg.methods.task import Arguments, Found, Task

ROUTES = {
    "columns": "solved columns; the error is a bound from their residuals",
    "selected inverse": "selected inverse of all sites; the error is an estimate from solved columns at some of them",
    "restricted selected inverse": "selected inverse of chosen sites; the error is an estimate from solved columns at "
    "some of them",
}
PROBES = {True: 8, False: 16}  # solved columns: where the sites worth checking are known, and where not
_SAME = 1e-11  # of the broadening: energies +-E that are served together
_AROUND_LEVELS = 0.1  # seconds of squared eigenvectors and their defect, relative to the diagonalisation

METHODS = ("auto", "green", "dense", "chebyshev")
_WHAT = "the local density of states"


@dataclass(frozen=True)
class Plan:
    """How "green" goes about it.

    Attributes
    ----------
    energies : array
        Energies >= 0 that are solved for.
    which : array (M,) of int
        The solved energy of each one that was asked for.
    shift : array (M,)
        How far it is from that.
    route : {"columns", "selected inverse", "restricted selected inverse"}
    share : float
        Of the work of a whole selected inverse.
    columns : int
        Solved at each energy, those that check a selected inverse among them.
    """

    energies: np.ndarray
    which: np.ndarray
    shift: np.ndarray
    route: str
    share: float
    columns: int

    def facts(self, forms: set[str]) -> dict[str, Any]:
        """Return what the evidence says about it; ``forms`` of the factors."""
        return {
            "route": self.route,
            "route_is": ROUTES[self.route],
            "factorisations": int(self.energies.size),
            "form": ", ".join(sorted(forms)),
            "inverse_share": self.share,
        }


@dataclass(frozen=True, eq=False)
class Request:
    """A local density of states that is asked for.

    Attributes
    ----------
    hamiltonian : BdGHamiltonian
    energies : array (M,)
    sites : array (S,) of int
    eta : float
        Half width of the Lorentzians.
    moments : int or None
        Of the Jackson kernel instead.
    summed : bool
        Only the sum over these sites, electrons and holes, is wanted.
    """

    hamiltonian: BdGHamiltonian
    energies: np.ndarray
    sites: np.ndarray
    eta: float
    moments: int | None = None
    summed: bool = False

    @property
    def result_bytes(self) -> float:
        """Bytes of values and errors, and of what they are made of."""
        energies = 4 if self.summed else self.energies.size  # those at hand at the same time
        return 4 * 8.0 * energies * self.sites.size


def options(request: Request, backends: Sequence[Backend], methods: Sequence[str]) -> list[Option]:
    """Return what each method is expected to take, in the order of preference."""
    makers: dict[str, Callable[[Request, Backend], Option]] = {
        "green": lambda request, backend: green_plan(request, backend)[1],
        "dense": _dense,
        "chebyshev": _chebyshev,
    }
    return [makers[method](request, backend) for backend in backends for method in methods]


def green_plan(request: Request, backend: Backend) -> tuple[Plan, Option]:
    """Return the plan of "green" that is expected to be done first on a device, and what it is to take."""
    hamiltonian, sites = request.hamiltonian, request.sites
    solved, which = _distinct(request.energies, request.eta)
    shift = abs(abs(request.energies) - solved[which])
    both = request.summed or bool((request.energies < 0).any() and (request.energies > 0).any())
    rows = hamiltonian.system.norbs * (1 + both)
    whole = np.unique(sites).size == hamiltonian.system.n_sites
    plans = [Plan(solved, which, shift, "columns", 0.0, sites.size * rows)]
    if PROBES[whole] < sites.size:
        share = selected_inverse.inverse_share(whole_symbolic(hamiltonian.system, backend), sites)
        route = "selected inverse" if whole else "restricted selected inverse"
        plans.append(Plan(solved, which, shift, route, share, PROBES[whole] * rows))
    ways = [(plan, _green(request, backend, plan)) for plan in plans]
    return min(ways, key=lambda way: (not way[1].feasible, way[1].seconds))


def _green(request: Request, backend: Backend, plan: Plan) -> Option:
    points = plan.energies + 1j * request.eta
    results = request.result_bytes
    return resolvent_costs.multifrontal_option(
        request.hamiltonian, backend, points, plan.columns, plan.share, method="green", results=results
    )


def _distinct(energies: np.ndarray, eta: float) -> tuple[np.ndarray, np.ndarray]:
    """Return the |E| that differ, ascending, and which of them each energy is."""
    order = np.argsort(abs(energies), kind="stable")
    ascending = abs(energies)[order]
    solved, which = [ascending[0]], np.zeros(energies.size, dtype=int)
    for place, energy in zip(order, ascending, strict=True):
        if energy - solved[-1] > _SAME * eta:
            solved.append(energy)
        which[place] = len(solved) - 1
    return np.asarray(solved), which


def _dense(request: Request, backend: Backend) -> Option:
    hamiltonian, levels = request.hamiltonian, request.hamiltonian.shape[0]
    option = methods_options.dense_option(hamiltonian, backend, share=_AROUND_LEVELS)
    products = 2.0 * request.energies.size * levels * request.sites.size
    option = cost.longer(option, products / rates_of(backend).gemm["f8"])
    return replace(option, bytes=option.bytes + request.result_bytes + 16.0 * levels * request.energies.size)


def _chebyshev(request: Request, backend: Backend) -> Option:
    hamiltonian, moments = request.hamiltonian, request.moments
    lorentzian = moments is None
    bound = SAFETY * spectral_bound(hamiltonian.matrix)
    if moments is None:
        moments = lorentzian_moments(request.energies, bound, request.eta, TRUNCATION) if bound else 2
    columns = request.sites.size * hamiltonian.system.norbs
    wanted = Expansion(columns, moments, request.energies.size, lorentzian=lorentzian)
    option = expansion_option(hamiltonian, backend, wanted, request.result_bytes)
    if not bound:
        return methods_options.closed(option, "needs a Hamiltonian that is not zero")
    if moments > MOST:
        return methods_options.closed(option, f"takes {moments} moments, more than {MOST}")
    return option


def require_expansion(moments: Any, vectors: Any, method: str, broadening: Any) -> None:
    """Raise ValueError or TypeError unless ``moments`` and ``vectors`` are ones that the expansion could take."""
    if moments is not None:
        if method != "chebyshev" or broadening is not None:
            raise ValueError(
                f"moments belongs to method='chebyshev' without broadening; got moments = {moments!r} with method="
                f"{method!r}, broadening = {broadening!r}. Leave it out, and set the resolution with broadening"
            )
        whole_number("moments", moments, 2, MOST)
    if not (isinstance(vectors, str) and vectors == "all"):
        whole_number("vectors", vectors, 1, instead="'all'")


def choose_method(method: str, device: str, request: Request) -> Choice:
    """Return method, the reason for it, and the backend that it runs on."""
    backends, options, task = _ways(method, device, request)
    return choice.decided(method, options, backends, _WHAT, task)


def _ways(method: str, device: str, request: Request) -> tuple[list[Backend], list[Option], str]:
    """Return the devices, what each method is expected to take, and the task in words."""
    backends = choice.devices(device, request.hamiltonian.shape[0])
    found = options(request, backends, METHODS[1:] if method == "auto" else (method,))
    return backends, found, f"for {request.energies.size} energies on {request.sites.size} sites"


def _local_density_task(h: BdGHamiltonian, backends: Sequence[Backend], device: str, given: Arguments) -> Found:
    points = require_energies(given["energies"])
    sites = require_sites(given.get("sites"), h.system.n_sites)
    eta, _ = require_broadening(given.get("broadening"), points, h)
    require_expansion(given.get("moments"), given.get("vectors", 8), "chebyshev", given.get("broadening"))
    request = Request(h, points, sites, eta, given.get("moments"))
    return options(request, backends, METHODS[1:]), lambda: choose_method("auto", device, request)


TASKS = {
    "local_density_of_states": Task(
        _local_density_task, ("energies", "sites", "broadening", "moments", "vectors"), frozenset({"energies"})
    ),
}
