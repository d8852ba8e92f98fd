r"""How levels respond to the phases of the superconducting parts.

With ``P_g`` the projector onto the sites of grain g, a phase of that grain changes the pairing by
``dD/dphi_g = (i/2)(P_g D + D P_g)``: ``i D_i`` on its sites, half of it for a bond with one end outside. By the theorem
of Hellmann and Feynman

.. math:: \frac{dE_n}{d\varphi_g} = 2\,\mathrm{Re}\; u_n^\dagger \frac{dD}{d\varphi_g} v_n
          \;\; \Big(= 2\,\mathrm{Re} \sum_{i \in g} u_{ni}^*\, i D_i\, v_{ni} \text{ for pairing on sites}\Big),

in a degenerate multiplet the eigenvalues of ``W + W^+``, ``W_mn = u_m^+ (dD/dphi_g) v_n``.
"""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from bdg.base.arguments import require_seed, require_system
from bdg.base.hamiltonian import BdGHamiltonian
from bdg.base.results import Choice, Evidence, Result, quantity
from bdg.gpu.device.backend import select_backend
from bdg.gpu.device.threads import threaded
from bdg.gpu.eigen.scales import level_scales
from bdg.lattices.arguments import non_negative_number
from bdg.lattices.system import System
from bdg.states.bound_states import BoundStates
from bdg.states.multiplets import at_the_end, multiplets, state_widths

if TYPE_CHECKING:
    from matplotlib.figure import Figure

SENSITIVE = 0.05  # of the largest slope of a state: grains above it count as seen by the state
NO_RESPONSE = 1e-9  # of max|D| of a grain: slopes below are rounding; a state without larger ones touches no grain
FOREIGN = 1e-6  # of the scale of a state: larger residuals mean that it belongs to another system


@dataclass(frozen=True, eq=False, kw_only=True)
class PhaseResponse(Result):
    """Slopes of levels against the phase of each grain.

    Attributes
    ----------
    energies : array (k,)
        Those of the states.
    slopes : array (k, G)
        dE_n/dphi_g. In a degenerate multiplet each column holds the eigenvalues for that grain, ascending; nan where
        k cuts the multiplet.
    grains_touched : array (k,)
        ``(sum_g |w_g|)^2 / sum_g w_g^2`` with w the slopes (in a multiplet their root mean square over its members):
        1 if one grain moves the level, G if all do alike; nan where no slope differs from zero.
    grains_sensitive : array (k,)
        Number of grains with ``|w_g|`` above 5 % of the largest; 0 where no slope differs from zero.
    participation : array (k,)
        ``(sum_i p_i)^2 / sum_i p_i^2`` over host sites, ``p = |u|^2 + |v|^2`` of a site (in a multiplet its mean): the
        number of host sites that the state spreads over; over all sites if there is no host.
    host_weight : array (k,)
        ``sum_i p_i`` over host sites.
    """

    energies: np.ndarray = quantity("energies of the states (k,)", "hopping")
    slopes: np.ndarray = quantity("dE_n/dphi_g (k, G)", "hopping per radian")
    grains_touched: np.ndarray = quantity("(sum |w_g|)^2 / sum w_g^2 (k,)")
    grains_sensitive: np.ndarray = quantity("grains with |w_g| above 5 % of the largest (k,)")
    participation: np.ndarray = quantity("(sum p)^2 / sum p^2 over host sites (k,)")
    host_weight: np.ndarray = quantity("weight of the state on host sites (k,)")

    def plot(self, ax: Any = None) -> Figure:
        """Return a Figure of the slopes against energy, coloured by the number of grains touched."""
        from bdg.plots.levels import plot_phase_response

        return plot_phase_response(self.energies, self.slopes, self.grains_touched, ax, energy_unit=self.energy_unit)


@threaded
def phase_response(
    system: System,
    states: BoundStates,
    *,
    degeneracy: float | None = None,
    device: str = "auto",
    threads: int | str = "auto",
    seed: int | None = None,
    progress: bool = False,
) -> PhaseResponse:
    r"""Return how each level moves with the phase of each grain, and how many grains it feels.

    .. math:: \frac{dE_n}{d\varphi_g} = 2\,\mathrm{Re}\; u_n^\dagger \frac{dD}{d\varphi_g} v_n, \qquad
              \frac{dD}{d\varphi_g} = \frac i2 (P_g D + D P_g)

    with P_g the projector onto the sites of grain g; in a degenerate multiplet the eigenvalues of ``W + W^+``,
    ``W_mn = u_m^+ (dD/dphi_g) v_n``.

    Parameters
    ----------
    system : System
        With at least one grain; slopes hold at its phases (`System.with_phases`).
    states : BoundStates
        Of this system.
    degeneracy : float, optional
        Levels that differ by less form a multiplet, in the unit of the hopping. Default: what the residuals of the
        states and rounding leave uncertain, for each level.
    device, threads, seed, progress
        Without influence (a few sparse products on the host); accepted for uniformity.

    Returns
    -------
    PhaseResponse
        ``slopes`` (k, G), float64, in hopping per radian, on the host. The evidence holds ``sum_rule``: the largest
        ``|sum_g dE_n/dphi_g|`` (of a multiplet: of its trace) relative to max|D|. It vanishes if every site with
        pairing belongs to a grain (``gauge_complete``), since a common phase is a gauge.

    Raises
    ------
    ValueError
        If the system has no grain, or the states are not those of this system.
    TypeError
        If ``states`` is no result of `bound_states`.

    Notes
    -----
    Where h and D are real every slope vanishes, and ``grains_touched`` is nan: take other phases, for instance
    ``system.with_phases(rng.uniform(0, 2 * pi, system.n_grains))``.

    References
    ----------
    R. P. Feynman, Phys. Rev. 56, 340 (1939).

    Examples
    --------
    >>> import numpy as np
    >>> import bdg
    >>> from bdg.lattices import Layer, stack
    >>> junction = stack([Layer(20, delta=0.3), Layer(4), Layer(20, delta=0.3)]).with_phases({1: np.pi / 2})
    >>> response = bdg.phase_response(junction, bdg.bound_states(junction, 2))
    >>> print(response.slopes.round(3))  # dE/dphase: the sum over the grains is zero
    [[-0.084  0.084]
     [ 0.084 -0.084]]
    >>> print(response.grains_touched.round(1))
    [2. 2.]
    """
    start = time.perf_counter()
    require_seed(seed)
    hamiltonian, vectors = _require_states(require_system(system), states)
    if system.n_grains == 0:
        raise ValueError("the system has no grain whose phase could change: give it delta, attraction or grain=")
    if degeneracy is not None:
        widths = np.full(states.energies.size, non_negative_number("degeneracy", degeneracy, "unit of the hopping"))
    else:
        widths = state_widths(hamiltonian.matrix, vectors, states.residuals)
    rows, k = system.norbs * system.n_sites, states.energies.size
    u, v = states.u.reshape(rows, k), states.v.reshape(rows, k)
    groups = multiplets(states.energies, widths)
    cut = _cut_multiplets(states, groups, widths)
    slopes, size = np.full((k, system.n_grains), np.nan), np.full((k, system.n_grains), np.nan)
    density = (abs(u) ** 2 + abs(v) ** 2).reshape(system.n_sites, system.norbs, k).sum(axis=1)
    pairing, grain = system.pairing_block, np.repeat(system.grain, system.norbs)
    members = [np.flatnonzero(grain == number) for number in range(system.n_grains)]
    left, right = pairing @ v, pairing.conj().T @ u
    traces = np.zeros(len(groups))
    for number, group in enumerate(groups):
        # single states of a multiplet depend on the basis that the solver happened to take; their mean does not
        density[:, group] = density[:, group].mean(axis=1, keepdims=True)
        matrices = _multiplet_matrices(u[:, group], v[:, group], left[:, group], right[:, group], members)
        # all phases together are a gauge: of a system whose pairing lies in grains this vanishes
        traces[number] = abs(np.trace(matrices.sum(axis=0)).real)
        if number not in cut:  # eigenvalues in a part of a multiplet mean nothing
            slopes[group] = np.linalg.eigvalsh(matrices).T
            size[group] = np.sqrt((slopes[group] ** 2).mean(axis=0))
    strength = float(abs(pairing).max()) if pairing.nnz else 0.0
    # rounding of a slope is that of the pairing on its own grain: beside a strong one a weak one is no noise
    strengths = [float(abs(pairing[rows]).max()) if rows.size else 0.0 for rows in members]
    touched, sensitive = _grains_of(size, NO_RESPONSE * np.array(strengths))
    host = system.grain < 0
    weighed = density[host] if host.any() else density
    whole = np.ones(len(groups), dtype=bool)
    whole[list(cut)] = False
    evidence = Evidence.of(
        Choice("hellmann_feynman", "the only one", select_backend("cpu")),
        dtype=hamiltonian.dtype,
        start=start,
        degeneracy=float(widths.max(initial=0.0)),
        multiplets=sum(group.size > 1 for group in groups),
        cut_multiplets=_about_cut(cut, groups, states),
        gauge_complete=_gauge_complete(system),
        sum_rule=float(traces[whole].max() / strength) if whole.any() and strength else 0.0,
        participation_over="host sites" if host.any() else "all sites: there is no host",
        states_complete=bool(states.complete),
    )
    return PhaseResponse(
        energies=np.array(states.energies),
        slopes=slopes,
        grains_touched=touched,
        grains_sensitive=sensitive,
        participation=weighed.sum(axis=0) ** 2 / np.maximum((weighed**2).sum(axis=0), np.finfo(float).tiny),
        host_weight=density[host].sum(axis=0),
        evidence=evidence,
        units=system.units,
    )


def _require_states(system: System, states: Any) -> tuple[BdGHamiltonian, np.ndarray]:
    """Return H and the states as columns after checking that they are eigenstates of it."""
    if not isinstance(states, BoundStates):
        raise TypeError(f"states must be a result of bdg.bound_states; got {type(states).__name__}")
    k = states.energies.size
    expected = (system.n_sites, k) if system.norbs == 1 else (system.n_sites, 2, k)
    if states.u.shape != expected:
        raise ValueError(f"states have amplitudes of shape {states.u.shape}, but this system needs {expected}")
    hamiltonian = BdGHamiltonian(system)
    half = system.norbs * system.n_sites
    vectors = np.concatenate([states.u.reshape(half, k), states.v.reshape(half, k)])
    residual = np.linalg.norm(hamiltonian @ vectors - vectors * states.energies, axis=0)
    # states of another system miss by far more than what the solver left
    foreign = residual > FOREIGN * level_scales(hamiltonian.matrix, vectors) + 10 * states.residuals.max(initial=0.0)
    if foreign.any():
        raise ValueError(
            f"states are not those of this system: ||H psi - E psi|| is up to {residual.max():.2g}. Take "
            "bdg.bound_states of the same system, at the same phases"
        )
    return hamiltonian, vectors


def _multiplet_matrices(
    u: np.ndarray, v: np.ndarray, left: np.ndarray, right: np.ndarray, members: list[np.ndarray]
) -> np.ndarray:
    """Return ``W + W^+`` of each grain, (G, m, m), from the columns u, v, ``D v`` and ``D^+ u``.

    ``W = (i/2) (u^+ P D v + u^+ D P v)``: where both ends of a bond lie in the grain both terms are there.
    """
    half = np.array(
        [0.5j * (u[rows].conj().T @ left[rows] + right[rows].conj().T @ v[rows]) for rows in members], dtype=complex
    )
    return half + half.conj().swapaxes(1, 2)


def _cut_multiplets(states: BoundStates, groups: list[np.ndarray], widths: np.ndarray) -> set[int]:
    """Return which groups miss members: those at the largest |E| where more states are proven than returned."""
    if not 0 <= states.energies.size < states.count:
        return set()
    last = at_the_end(states.energies, widths)
    return {number for number, group in enumerate(groups) if last[group].any()}


def _about_cut(cut: set[int], groups: list[np.ndarray], states: BoundStates) -> str:
    if states.count < 0:
        return "not known: the number of states is not proven"
    if not cut:
        return "none"
    return f"{sum(groups[number].size for number in cut)} states belong to a multiplet that k cuts: slopes are nan"


def _grains_of(size: np.ndarray, least: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return (sum |w|)^2/sum w^2 and the number of grains above 5 % of the largest, for each row."""
    known = np.isfinite(size).all(axis=1)
    moved = known & (np.nan_to_num(size) > least).any(axis=1)
    touched = np.full(size.shape[0], np.nan)
    touched[moved] = size[moved].sum(axis=1) ** 2 / (size[moved] ** 2).sum(axis=1)
    sensitive = np.where(known, 0.0, np.nan)
    sensitive[moved] = (size[moved] > SENSITIVE * size[moved].max(axis=1, keepdims=True)).sum(axis=1)
    return touched, sensitive


def _gauge_complete(system: System) -> bool:
    """Return True if every site with pairing belongs to a grain: a phase common to all is then a gauge."""
    entries = system.pairing_block.tocoo()
    paired = np.unique(np.concatenate([entries.row, entries.col])[np.tile(entries.data != 0, 2)] // system.norbs)
    return bool((system.grain[paired] >= 0).all())
