"""The system that every solver takes: a normal Hamiltonian, pairing, attraction and geometry, as arrays."""

from __future__ import annotations

import copy
import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np
import scipy.sparse as sp

from bdg.lattices.arguments import real_number
from bdg.lattices.doubts import doubt_degrees, is_asked_by_ourselves
from bdg.lattices.drawing import plot_system
from bdg.lattices.field import choose_gauge, peierls_phases
from bdg.lattices.geometry import Period, label_connected, minimum_image, site_adjacency
from bdg.lattices.leads import Lead
from bdg.lattices.nambu import pairing_matrix, phase_factor
from bdg.lattices.site_values import SiteValue, call_sites, evaluate_labels, evaluate_sites, spin_blocks
from bdg.lattices.storage import write_file
from bdg.lattices.summary import about_system, as_html, as_text
from bdg.lattices.system_fields import (
    axis_periods,
    normal_part,
    pairing_part,
    read_only,
    site_positions,
    spin_count,
)
from bdg.lattices.system_file import NAMED, SAVED, checked_fields, descriptions
from bdg.lattices.unit_names import UnitNames

if TYPE_CHECKING:
    from matplotlib.figure import Figure


@dataclass(frozen=True, eq=False)
class System:
    r"""A finite lattice with pairing: ``H = [[h, D], [D^+, hole block]]`` before any solver is chosen.

    Fields are read-only; the ``with_...`` methods return new systems that share the structure.

    Attributes
    ----------
    hamiltonian : CSR (s N, s N), float64 or complex128
        Normal part h with -mu inside; row = to, column = from; orbital index ``s * site + spin``.
    positions : array (N, dim)
        In the length unit of the builder.
    delta : array (N,), float64 or complex128
        On-site singlet pairing D_i; for norbs = 2 it multiplies the identity.
    pairing : CSR (s N, s N) or None
        Further (bond) pairing, added to ``delta``.
    attraction : array (N,), float64
        U_i >= 0 in ``Delta_i = U_i F_i``.
    grain : array (N,), int64
        -1 in the host, 0 .. G-1 in the superconducting parts. Given as a mask (booleans), the connected parts of True
        are the superconducting ones, numbered by their lowest site; not given, those with ``delta`` or ``attraction``.
    period : tuple of float or None, one an axis
        Box length where hoppings wrap around, None where the axis is open.
    norbs : int
        1 (spin-degenerate) or 2 (spin up, down).
    leads : tuple of `Lead`
        Kept as arrays; solvers take the finite part alone and warn (`without_leads`).
    info : dict
        Parameters and seed of the builder, and what it measured.
    energy_unit, length_unit : str or None
        Names only, nothing is converted; None: the unit of the hopping, of the positions.

    Raises
    ------
    TypeError, ValueError
        If a field has the wrong type or shape, is not finite, or if h is not Hermitian or D breaks Fermi statistics.

    Examples
    --------
    >>> import numpy as np
    >>> from bdg.lattices import from_hamiltonian
    >>> dimer = from_hamiltonian(np.array([[0, -1], [-1, 0]]), [[0.0], [1.0]], delta=[0.3, 0])
    >>> print(dimer.n_sites, dimer.n_grains, dimer.delta)
    2 1 [0.3 0. ]
    >>> print(dimer.with_onsite(0.5).hamiltonian.toarray())
    [[ 0.5 -1. ]
     [-1.   0.5]]
    """

    hamiltonian: sp.csr_matrix
    positions: np.ndarray
    delta: np.ndarray = 0.0  # type: ignore[assignment]
    pairing: sp.csr_matrix | None = None
    attraction: np.ndarray = 0.0  # type: ignore[assignment]
    grain: np.ndarray = None  # type: ignore[assignment]
    period: Period = None  # type: ignore[assignment]
    norbs: int = 1
    leads: tuple[Lead, ...] = ()
    info: dict[str, Any] = field(default_factory=dict)
    energy_unit: str | None = None
    length_unit: str | None = None
    kwant_sites: tuple[Any, ...] | None = field(default=None, repr=False)  # for functions of a site; not saved
    shared: dict[str, Any] = field(default_factory=dict, repr=False)  # structure of the lattice, made once

    def __post_init__(self) -> None:
        put = lambda name, value: object.__setattr__(self, name, value)  # noqa: E731 - frozen dataclass
        put("norbs", spin_count(self.norbs))
        put("positions", read_only(site_positions(self.positions)))
        put("hamiltonian", normal_part(self.hamiltonian, self.norbs * self.n_sites, self.norbs))
        for name, dtype in (("delta", None), ("attraction", float)):
            values = evaluate_sites(name, getattr(self, name), self.positions, self.kwant_sites, dtype)
            put(name, read_only(values))
        if (self.attraction < 0).any():
            raise ValueError(f"attraction must be >= 0 (Delta = U F); got {self.attraction.min()}")
        put("pairing", pairing_part(self.pairing, self.norbs * self.n_sites, self.norbs))
        put("period", axis_periods(self.period, self.positions.shape[1]))
        put("grain", read_only(self._grains(self.grain)))
        put("leads", tuple(self.leads))
        _ = self.units  # refuses what is no name

    def _grains(self, grain: Any) -> np.ndarray:
        if grain is None:
            grain = (self.delta != 0) | (self.attraction > 0)
        labels = evaluate_labels("grain", grain, self.positions, self.kwant_sites)
        if labels.dtype == bool:
            return label_connected(labels, self.adjacency)
        present = np.unique(labels[labels >= 0])
        if labels.min() < -1 or not np.array_equal(present, np.arange(present.size)):
            raise ValueError(
                "grain must be -1 on host sites and number the superconducting parts 0, 1, 2, ... without gaps, or be "
                f"a mask (True: superconducting); got the labels {np.unique(labels)[:10].tolist()}"
            )
        return labels

    def __repr__(self) -> str:
        return as_text(*about_system(self))

    def _repr_html_(self) -> str:
        return as_html(*about_system(self))

    @property
    def units(self) -> UnitNames:
        """Names of the units, as results keep them."""
        return UnitNames(self.energy_unit, self.length_unit)

    @property
    def n_sites(self) -> int:
        """Number of sites N."""
        return int(self.positions.shape[0])

    @property
    def n_grains(self) -> int:
        """Number of superconducting parts G."""
        return int(self.grain.max()) + 1

    @property
    def adjacency(self) -> sp.csr_matrix:
        """Symmetric pattern (N, N) of the sites that h or the bond pairing connects, made once for a structure."""
        if "adjacency" not in self.shared:
            self.shared["adjacency"] = site_adjacency([self.hamiltonian, self.pairing], self.norbs, self.n_sites)
        return self.shared["adjacency"]

    @property
    def pairing_block(self) -> sp.csr_matrix:
        """D (s N, s N): ``delta`` on the diagonal plus ``pairing``."""
        return pairing_matrix(self.delta, self.pairing, self.norbs)

    @property
    def is_real(self) -> bool:
        """True if h and D are real."""
        return all(a is None or a.dtype.kind != "c" for a in (self.hamiltonian, self.delta, self.pairing))

    def displacement(self, start: np.ndarray, end: np.ndarray) -> np.ndarray:
        """Return the minimum-image vectors from sites ``start`` to sites ``end``.

        Parameters
        ----------
        start, end : int, or arrays (...) of int that broadcast

        Returns
        -------
        array (..., dim), float64
            In the unit of the positions.
        """
        return minimum_image(self.positions[end] - self.positions[start], self.period)

    def with_delta(self, delta: SiteValue) -> System:
        """Return a system with on-site pairing ``delta`` instead.

        Parameters
        ----------
        delta : number, array (N,) or function of a site
            D_i, real or complex, in the unit of the hopping.

        Returns
        -------
        System
            It shares all else with this one.

        Raises
        ------
        TypeError, ValueError
            If the values are no finite numbers, one a site.
        """
        return self._replace(delta=evaluate_sites("delta", delta, self.positions, self.kwant_sites))

    def with_phases(self, phases: Mapping[int, float] | Any) -> System:
        """Return a system whose grain g has its pairing multiplied by exp(i phases[g]).

        Bond pairing between i and j is multiplied by exp(i (phi_i + phi_j)/2), with phi = 0 in the host.

        Parameters
        ----------
        phases : dict from grain to phase, or array (G,)
            In radian; grains that a dict does not name keep theirs.

        Returns
        -------
        System
            Real where all phase factors are.

        Raises
        ------
        TypeError, ValueError
            If a grain does not exist, or the phases are no finite real numbers, one a grain.
        """
        values = np.zeros(self.n_grains)
        if isinstance(phases, Mapping):
            for grain, phase in phases.items():
                if not (isinstance(grain, int | np.integer) and 0 <= grain < self.n_grains):
                    raise ValueError(
                        f"phases names grain {grain!r}, but the system has {self.n_grains} grains, numbered from 0"
                    )
                values[grain] = real_number(f"phases[{grain}]", phase, "radian")
        else:
            given = np.asarray(phases)
            if given.dtype.kind not in "iuf" and given.size:
                raise TypeError(f"phases must be real numbers (radian), one a grain; got {phases!r:.80}")
            values = given.astype(float)
            if values.shape != (self.n_grains,):
                raise ValueError(
                    f"phases must be a dict or an array of one phase a grain, shape ({self.n_grains},); "
                    f"got shape {values.shape}"
                )
        if not np.isfinite(values).all():
            raise ValueError(f"phases must be finite; got {values.tolist()}")
        if not is_asked_by_ourselves():
            doubt_degrees("phases", values)
        site_phase = np.where(self.grain >= 0, values[self.grain] if self.n_grains else 0.0, 0.0)
        pairing = self.pairing
        if pairing is not None:  # each entry at once: the same phase for (i, j) and (j, i), and real if it can be
            orbital_phase = np.repeat(site_phase, self.norbs)
            row = np.repeat(np.arange(orbital_phase.size), np.diff(pairing.indptr))
            turned = pairing.data * phase_factor((orbital_phase[row] + orbital_phase[pairing.indices]) / 2)
            pairing = sp.csr_matrix((turned, pairing.indices, pairing.indptr), shape=pairing.shape)
        return self._replace(delta=self.delta * phase_factor(site_phase), pairing=pairing)

    def with_onsite(self, values: Any) -> System:
        """Return a system with ``values`` added to the onsite energies.

        Parameters
        ----------
        values : number, array (N,) or function of a site
            In the unit of the hopping; for norbs = 2 also Hermitian 2 x 2 matrices (a Zeeman term, for instance): one,
            shape (2, 2), one a site, shape (N, 2, 2), or a function that returns one.

        Returns
        -------
        System
            It shares all but ``hamiltonian`` with this one.

        Raises
        ------
        TypeError, ValueError
            If the values have another shape, are not finite, or are not real (matrices: Hermitian).
        """
        if callable(values):
            values = call_sites(values, self.positions, self.kwant_sites)
        blocks = spin_blocks(values, self.n_sites) if self.norbs == 2 else None
        if blocks is not None:
            sites = np.arange(self.n_sites + 1)
            added = sp.bsr_matrix((blocks, sites[:-1], sites), shape=self.hamiltonian.shape)
        else:
            onsite = evaluate_sites("values", values, self.positions, self.kwant_sites, float)
            added = sp.diags_array(np.repeat(onsite, self.norbs), format="csr")
        return self._replace(hamiltonian=sp.csr_matrix(self.hamiltonian + added))

    def with_field(self, B: Any, gauge: str = "auto") -> System:
        r"""Return a system in the uniform magnetic field ``B``: ``h_ij -> h_ij exp(i pi int_j^i A.dl)``.

        Parameters
        ----------
        B : float (2-D) or 3-vector (3-D)
            In flux quanta h/2e per unit area.
        gauge : {"auto", "symmetric", "landau"}
            "symmetric" is A = B x r / 2 about the centre of the system (open axes only); "landau" lets each
            component of A depend on one coordinate; "auto" is "symmetric" if every axis that the field needs is
            open, else "landau". Across two periodic axes the flux must be a whole number of h/e.

        Returns
        -------
        System
            Complex. The pairing is left as it is: its phases are given in this gauge.

        Raises
        ------
        TypeError, ValueError
            If ``B`` has the wrong dimension or the gauge does not exist, the flux through a period is no whole number
            of h/e, or a bond spans half a period.
        """
        phases = peierls_phases(self.hamiltonian, self.positions, self.period, self.norbs, B, gauge)
        hamiltonian = self.hamiltonian.astype(complex)
        hamiltonian.data = hamiltonian.data * phase_factor(phases)
        chosen = choose_gauge(B, self.period, gauge)
        total = np.asarray(B, dtype=float) + self.info.get("field", {}).get("B", 0.0)  # fields add up
        info = {**self.info, "field": {"B": total.tolist(), "gauge": chosen, "asked": gauge}}
        return self._replace(hamiltonian=hamiltonian, info=info)

    def without_leads(self) -> System:
        """Return the closed system: the same finite lattice, nothing attached to it."""
        return self._replace(leads=())

    def _replace(self, **changes: Any) -> System:
        """Return a copy with some fields changed; what stays is not checked again."""
        new = copy.copy(self)
        for name, value in changes.items():
            if name == "hamiltonian":
                value = normal_part(value, self.norbs * self.n_sites, self.norbs)
            elif name == "pairing":
                value = pairing_part(value, self.norbs * self.n_sites, self.norbs)
            elif isinstance(value, np.ndarray):
                value = read_only(value)
            object.__setattr__(new, name, value)
        return new

    def plot(self, ax: Any = None) -> Figure:
        """Return a Figure of the system before anything is solved: sites, hoppings, grains, Delta, leads.

        Parameters
        ----------
        ax : matplotlib Axes, optional
            Existing axes to draw into instead of new ones; in 3-D made with ``projection="3d"``.

        Returns
        -------
        matplotlib Figure
            Of many sites and hoppings it shows a part, and says so.

        Raises
        ------
        TypeError, ValueError
            If the axes are not 3-D where the system is, or it has more than three dimensions.
        """
        return plot_system(self, ax)

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write the system to an HDF5 file that solves where kwant is not installed.

        Parameters
        ----------
        path : path
            What is there is replaced once all has been written.

        Raises
        ------
        OSError
            If the file cannot be written.
        """
        write_file(path, "System", self.content(), descriptions(self.units))

    def content(self) -> dict[str, Any]:
        """Return what a file holds of the system; `from_content` is the way back."""
        content = {name: getattr(self, name) for name in SAVED}
        content |= {name: getattr(self, name) for name in NAMED if getattr(self, name) is not None}
        content["leads"] = {str(number): lead.content() for number, lead in enumerate(self.leads)}
        return content

    @classmethod
    def from_content(cls, content: Mapping[str, Any]) -> System:
        """Return the system that `content` described; ValueError or TypeError where it describes none."""
        fields = checked_fields(content)
        fields["leads"] = tuple(Lead(**lead) for lead in fields["leads"])
        return cls(**fields)
