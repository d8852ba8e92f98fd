"""Which method gives blocks of the Green function, on which device, why, and what it takes."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from bdg.base.arguments import require_complex, require_sites
from bdg.base.hamiltonian import BdGHamiltonian
from bdg.base.results import Choice
from bdg.gpu.cost.model import Option
from bdg.gpu.device.backend import Backend
from bdg.green.resolvent_costs import dense_inverse_option, multifrontal_option
from bdg.methods import choice
from bdg.methods.task import Arguments, Found, Task

METHODS = ("auto", "multifrontal", "dense")
_WHAT = "the Green function"
UNNOTICED = 0.1  # seconds: below, factors are not left for a dense inverse
_PROBES = 4  # sites whose columns are solved for, to check the selected inverse


def block_options(
    hamiltonian: BdGHamiltonian,
    backends: Sequence[Backend],
    points: np.ndarray,
    sites: np.ndarray | None,
    sources: np.ndarray | None,
) -> list[Option]:
    """Return what each method is expected to take at ``points``; no sites: the site diagonal."""
    width, n_sites = 2 * hamiltonian.system.norbs, hamiltonian.system.n_sites
    if sites is None or sources is None:
        columns, share, elements = _PROBES * width, 1.0, n_sites * width**2
    else:
        columns, share, elements = sources.size * width, 0.0, sites.size * sources.size * width**2
    results = (2 if points.size > 1 else 1) * 16.0 * points.size * elements  # stacked at the end
    found = []
    for backend in backends:
        found.append(multifrontal_option(hamiltonian, backend, points, columns, share, results=results))
        found.append(dense_inverse_option(hamiltonian, backend, points.size, results))
    return found


def choose_method(
    method: str,
    device: str,
    hamiltonian: BdGHamiltonian,
    points: np.ndarray,
    sites: np.ndarray | None,
    sources: np.ndarray | None,
) -> Choice:
    """Return method, the reason for it, and the backend that it runs on."""
    backends, options, task = _ways(device, hamiltonian, points, sites, sources)
    return choice.decided(method, options, backends, _WHAT, task, UNNOTICED)


def _ways(
    device: str,
    hamiltonian: BdGHamiltonian,
    points: np.ndarray,
    sites: np.ndarray | None,
    sources: np.ndarray | None,
) -> tuple[list[Backend], list[Option], str]:
    """Return the devices, what each method is expected to take, and the task in words."""
    backends = choice.devices(device, hamiltonian.shape[0])
    options = block_options(hamiltonian, backends, points, sites, sources)
    return backends, options, f"for {points.size} energies" if points.size > 1 else "for one energy"


def _green_function_task(h: BdGHamiltonian, backends: Sequence[Backend], device: str, given: Arguments) -> Found:
    points, n_sites = np.atleast_1d(require_complex(given["z"])), h.system.n_sites
    sites, sources = given.get("sites"), given.get("sources")
    chosen = None if sites is None and sources is None else require_sites(sites, n_sites)
    origin = chosen if sources is None else require_sites(sources, n_sites, "sources")
    options = block_options(h, backends, points, chosen, origin)
    return options, lambda: choose_method("auto", device, h, points, chosen, origin)


TASKS = {"green_function": Task(_green_function_task, ("z", "sites", "sources"), frozenset({"z"}))}
