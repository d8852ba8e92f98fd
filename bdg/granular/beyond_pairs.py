r"""What couples grains beyond isolated pairs, read off a `GrainLandscape`.

*Stiffness ratio*: the stiffness of all phases with all grains on over that of isolated pairs,

.. math:: R = \frac{\sum_{i<j} -\partial_i \partial_j F \; r_{ij}^2}{\sum_{i<j} K_{ij} \; r_{ij}^2},

second derivatives at equal phases, K those of two grains alone: R > 1 if closed loops help coherence.
*Irreducible part*: what the best pairwise model ``-sum_(i<j) sum_n E_ij^n cos n(phi_i - phi_j - a_ij^n)``, n = 1 and 2,
leaves of the forces at random phases.
*Nonlocal response*: how the current out of grain i answers to the phase of grain j, ``2e/hbar d2F/dphi_i dphi_j``,
where all other phases move: in a pairwise model it depends on ``phi_i - phi_j`` alone, as
``sum_n n^2 E_ij^n cos n(phi_i - phi_j - a_ij^n)``.
*A host that pairs itself*: its Delta is self-consistent and follows the phases. Where all phases are equal, h is real
and Delta real, amplitudes answer to phases in second order only; the phases theta of the host's sites answer in first
order, so the free energy of the whole system has the second derivatives

.. math:: \frac{d^2F}{d\varphi_g\, d\varphi_{g'}} = \Phi_{gg'}
          - \Phi_{g\theta}\, \Phi_{\theta\theta}^{-1}\, \Phi_{\theta g'}

with Phi those in the phases of all sites at fixed amplitudes, the sites of a grain turning together; ``|Delta|^2/U``
does not depend on phases.
"""

from __future__ import annotations

import itertools
from dataclasses import replace

import numpy as np

from bdg.base.arguments import require_system
from bdg.granular.grain_landscape import GrainLandscape, grain_landscape
from bdg.lattices.system import System

HARMONICS = 2


def stiffness_ratio(dressed: np.ndarray, pairs: np.ndarray, distances: np.ndarray) -> float:
    """Return R of couplings (G, G) with all grains on, of isolated pairs, and the distances of the grains."""
    upper = np.triu_indices(len(pairs), 1)
    weight = distances[upper] ** 2
    return float((dressed[upper] * weight).sum() / (pairs[upper] * weight).sum())


def irreducible_part(landscape: GrainLandscape, phases: np.ndarray, *, real: bool) -> float:
    """Return the rms force that no pairwise model explains, over the rms of all forces.

    Parameters
    ----------
    landscape : GrainLandscape
    phases : array (P, G)
        Random ones; ``P (G - 1)`` must exceed the number of parameters of the model, which is allowed for.
    real : bool
        With time reversal: no ``cos n(phi_i - phi_j)`` in the forces.

    Raises
    ------
    ValueError
        If the points do not determine the model.
    """
    count = landscape.grains.size
    forces = landscape.gradient(phases)
    columns = []
    for i, j in itertools.combinations(range(count), 2):
        for order in range(1, HARMONICS + 1):
            difference = order * (phases[:, i] - phases[:, j])
            for wave in (np.sin(difference), *(() if real else (np.cos(difference),))):
                column = np.zeros(forces.shape)
                column[:, i], column[:, j] = wave, -wave
                columns.append(column.ravel())
    free = len(phases) * (count - 1) - len(columns)  # forces add up to zero
    if free < 1:
        raise ValueError(
            f"phases must be more than {len(columns) // (count - 1)} points of {count} grains; got {len(phases)}"
        )
    model = np.array(columns).T
    left = forces.ravel() - model @ np.linalg.lstsq(model, forces.ravel(), rcond=None)[0]
    total = float((forces**2).sum()) / (len(phases) * (count - 1))
    return float(np.sqrt((left**2).sum() / free / total)) if total else 0.0


def nonlocal_response(landscape: GrainLandscape, phases: np.ndarray, *, real: bool) -> tuple[np.ndarray, np.ndarray]:
    """Return the rms of ``d2F/dphi_i dphi_j`` at random phases, and the rms of the part no pairwise model explains.

    Each pair has its own harmonics n = 1 and 2, fitted to its own response; 2e/hbar times the second result is how much
    the phases of all other grains change ``dI_i/dphi_j``.

    Parameters
    ----------
    landscape : GrainLandscape
    phases : array (P, G)
        Random ones, more than 2 (with time reversal) or 4 points.
    real : bool
        With time reversal: no ``sin n(phi_i - phi_j)`` in the response.

    Returns
    -------
    whole, nonlocal : arrays (G, G)
        In the unit of the landscape; diagonals are 0. The second allows for the parameters of the fit.

    Raises
    ------
    ValueError
        If the points do not determine the model.
    """
    count, parameters = landscape.grains.size, HARMONICS * (1 if real else 2)
    if len(phases) <= parameters:
        raise ValueError(f"phases must be more than {parameters} points, to fit each pair; got {len(phases)}")
    response = landscape.hessian(phases)
    whole, rest = np.zeros((count, count)), np.zeros((count, count))
    for i, j in itertools.combinations(range(count), 2):
        difference = np.outer(phases[:, i] - phases[:, j], np.arange(1, HARMONICS + 1))
        model = np.cos(difference) if real else np.hstack([np.cos(difference), np.sin(difference)])
        values = response[:, i, j]
        left = values - model @ np.linalg.lstsq(model, values, rcond=None)[0]
        whole[i, j] = whole[j, i] = np.sqrt((values**2).mean())
        rest[i, j] = rest[j, i] = np.sqrt((left**2).sum() / (len(phases) - parameters))
    return whole, rest


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
