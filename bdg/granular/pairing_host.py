r"""Couplings of grains through a host that pairs itself: its Delta is self-consistent and follows the grains' phases.

Where all phases are equal, h is real and Delta real, amplitudes answer to phases in second order only. The phases
theta of the host's sites answer in first order, so the second derivatives of the free energy of the whole system are

.. math:: \frac{d^2F}{d\varphi_g\, d\varphi_{g'}} = \Phi_{gg'}
          - \Phi_{g\theta}\, \Phi_{\theta\theta}^{-1}\, \Phi_{\theta g'}

with Phi the second derivatives in the phases of all sites at fixed amplitudes, those of a grain turning together;
``|Delta|^2/U`` does not depend on phases. Nothing is left to finite differences.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from bdg.base.arguments import require_system
from bdg.granular.grain_landscape import grain_landscape
from bdg.lattices.system import System


def couplings_through_pairing_host(system: System, temperature: float, *, device: str = "auto") -> np.ndarray:
    """Return ``-d2F/dphi_g dphi_h`` (G, G) at equal phases while the Delta of the host follows; the diagonal is 0.

    Parameters
    ----------
    system : System
        Real h; real Delta, in the host that of `bdg.solve_gap` (``Gap.system``). Every grain turns as a whole: where
        its Delta is self-consistent, too, its phase is the same on all its sites.
    temperature : float
        k_B T > 0.
    device : {"auto", "cpu", "gpu"}

    Raises
    ------
    ValueError
        If h or Delta is complex, or the state is not a minimum against phases of the host.
    """
    require_system(system)
    if not system.is_real:
        raise ValueError(
            "system must have real h and Delta: with flux or phases, amplitudes answer in first order, too"
        )
    sites = np.flatnonzero(system.delta)
    alone = np.full(system.n_sites, -1)
    alone[sites] = np.arange(sites.size)  # each site a grain of its own
    curvature = grain_landscape(replace(system, grain=alone), temperature, device=device).hessian()
    grain = system.grain[sites]
    members = (grain[:, None] == np.arange(system.n_grains)).astype(float)
    host = grain < 0
    found = members.T @ curvature @ members
    if host.any():
        size = abs(system.delta[sites][host])  # Delta theta instead of theta: all of one magnitude
        own = curvature[np.ix_(host, host)] / size / size[:, None]
        across = (curvature @ members)[host] / size[:, None]
        lowest = float(np.linalg.eigvalsh(own)[0])
        if lowest <= 0:
            raise ValueError(
                f"system is no minimum against phases of its host (lowest curvature {lowest:.2g}): Delta of the host "
                "must be self-consistent; take Gap.system of bdg.solve_gap, perhaps with a smaller tol"
            )
        found = found - across.T @ np.linalg.solve(own, across)
    np.fill_diagonal(found, 0.0)
    return -found
