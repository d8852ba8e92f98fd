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
from bdg.gpu.device.threads import side_by_side
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
    plan, option = ldos_plan.green_plan(request, backend)
    resolvent, both = Resolvent(request.hamiltonian, backend), np.array([0, 1])

    def solved(number: int) -> tuple[str, float, float]:
        at = resolvent.at(complex(plan.energies[number], request.eta))
        rng = np.random.default_rng((seed, number))
        density, error = local_green.densities(at, plan.route, request.sites, both, rng)
        return at.form, float(density.sum()), float(error.sum())

    found, missing = np.empty((2, plan.energies.size))
    forms = set()
    sums = side_by_side(solved, range(plan.energies.size), backend, each_bytes=option.bytes)
    bar = progress_bar(progress, "density of states", "energy", sums, total=plan.energies.size)
    for number, (form, density, error_of_sum) in enumerate(bar):
        forms.add(form)
        found[number], missing[number] = density, error_of_sum
    values = found[plan.which]
    error = missing[plan.which] + (plan.shift / request.eta + 1e-14) * values
    bound = plan.route == "columns"
    facts = {"error_is": "bound" if bound else "estimate from solved columns at some sites", **plan.facts(forms)}
    return values, error, facts
