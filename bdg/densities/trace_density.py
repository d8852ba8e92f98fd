r"""The density of states from the site diagonal of the resolvent: no noise, and a Lorentzian for every level.

.. math:: \rho(E) = -\tfrac1\pi \mathrm{Im}\, \mathrm{Tr}\, G(E + i \eta)
          = \sum_n \frac{\eta/\pi}{(E - E_n)^2 + \eta^2}

over all 2 s N levels, electron and hole part of each site taken from one selected inverse or from solved columns. It
is the same at -E, so one factorisation serves both signs.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from bdg.base.progress import progress_bar
from bdg.densities import local_choice as ldos_plan
from bdg.densities import site_densities as local_green
from bdg.densities.local_choice import Request
from bdg.gpu.device.backend import Backend
from bdg.green.resolvent import Resolvent


def trace_density(
    request: Request, backend: Backend, seed: int = 0, progress: bool = False
) -> tuple[np.ndarray, np.ndarray, dict[str, Any]]:
    """Return the density (M,), its numerical error (M,), and what goes into the evidence about it.

    The error is the sum of those of all elements: a bound where all columns are solved for, else an estimate from
    columns at some sites, taken to add up with the same sign.

    Raises
    ------
    FactorError
        If eta is so small that the factors are of no use.
    """
    plan, _ = ldos_plan.green_plan(request, backend)
    resolvent, rng = Resolvent(request.hamiltonian, backend), np.random.default_rng(seed)
    both = np.array([0, 1])
    found, missing = np.empty((2, plan.energies.size))
    forms = set()
    for number, energy in enumerate(progress_bar(progress, "density of states", "energy", plan.energies)):
        at = resolvent.at(complex(energy, request.eta))
        forms.add(at.form)
        density, error = local_green.densities(at, plan.route, request.sites, both, rng)
        found[number], missing[number] = density.sum(), error.sum()
        del at  # its factors, before the next are made
    values = found[plan.which]
    error = missing[plan.which] + (plan.shift / request.eta + 1e-14) * values
    bound = plan.route == "columns"
    facts = {"error_is": "bound" if bound else "estimate from solved columns at some sites", **plan.facts(forms)}
    return values, error, facts
