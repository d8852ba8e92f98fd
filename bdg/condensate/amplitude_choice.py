"""Which method gives the pair amplitude, on which device, why, and what it takes."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from bdg.base.hamiltonian import BdGHamiltonian
from bdg.gpu.cost import model as cost
from bdg.gpu.cost.model import Option
from bdg.gpu.device.backend import Backend
from bdg.gpu.multifrontal.factors.selected_inverse import inverse_share
from bdg.methods.options import dense_option
from bdg.methods.recursion_costs import columns_option
from bdg.thermal.choice import _imaginary, poles_option


def pair_amplitude_options(
    hamiltonian: BdGHamiltonian,
    backends: Sequence[Backend],
    sites: np.ndarray,
    *,
    degree: int | None,
    n_poles: int | None,
    single: bool,
) -> list[Option]:
    """Return what the pair amplitude on ``sites`` takes by each method.

    Parameters
    ----------
    degree : int or None
        Of the Chebyshev expansion; None where the temperature is too low for it.
    n_poles : int or None
        The same for a sum over poles.
    single : bool
        Whether single precision is accurate enough, for the vectors and for all poles but the first.
    """
    found = []
    for backend in backends:
        if n_poles is not None:
            share = inverse_share(_imaginary(hamiltonian, backend)[0], sites)
            # the first pole is done in both precisions
            effective = 1.0 + cost.SINGLE * n_poles if single else float(n_poles)
            found.append(poles_option(hamiltonian, backend, effective, share))
        if degree is not None:
            steps = degree / 2 if hamiltonian.system.norbs == 1 else float(degree)
            found.append(columns_option(hamiltonian, backend, sites.size, steps, single))
        found.append(dense_option(hamiltonian, backend, share=0.1))
    return found
