"""Systems from kwant builders, and from plain matrices for those who do without kwant."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import scipy.sparse as sp

from bdg.lattices import budget
from bdg.lattices.builders.bloch_momentum import refuse_bloch_momentum
from bdg.lattices.builders.electron_hole import refuse_declared_holes, refuse_hole_families, refuse_hole_orbitals
from bdg.lattices.leads import Lead
from bdg.lattices.packing.building_costs import matrix_building
from bdg.lattices.site_values import SiteValue
from bdg.lattices.system import System
from bdg.lattices.unit_names import UnitNames

INSTALL_KWANT = (
    "from_kwant needs kwant, the extra 'kwant' of this package. From the checkout: pip install -r "
    "requirements-build.txt && pip install --no-build-isolation -r requirements-kwant.txt. "
    "A system saved with System.save loads without kwant."
)


def from_kwant(
    builder: Any,
    *,
    delta: SiteValue = 0,
    pairing: Any = None,
    attraction: SiteValue = 0,
    grain: SiteValue | None = None,
    params: Mapping[str, Any] | None = None,
    period: Any = None,
    lead_delta: Any = None,
    energy_unit: str | None = None,
    length_unit: str | None = None,
) -> System:
    """Return the `System` of any finite kwant system: every lattice, one orbital a site or two (spin up, down).

    The electron-hole structure is added by this package and must not be built in kwant: what is recognised as such is
    refused. `from_hamiltonian` takes any matrix as it is.

    Parameters
    ----------
    builder : kwant.Builder or finalized builder
        The normal part h with -mu inside. Sites keep the order of ``builder.finalized().sites``.
    delta : number, array (N,) or function of a kwant site
        On-site singlet pairing, real or complex.
    pairing : matrix (s N, s N) dense or sparse, or function of two kwant sites, optional
        Further pairing. A function is called as ``pairing(to, from)`` on both directions of every hopping and returns
        a number (norbs = 2: or a 2 x 2 block).
    attraction : number, array (N,) or function of a kwant site
        U_i >= 0 of the gap equation ``Delta_i = U_i F_i``.
    grain : array (N,) or function of a kwant site, optional
        -1 in the host, 0, 1, ... in the superconducting parts; or booleans, True where superconducting: the connected
        parts of True, numbered by their lowest site. Default: the same of the sites with delta or attraction.
    params : mapping, optional
        Values of the parameters of kwant value functions.
    period : sequence of float or None, one an axis, optional
        Box lengths of the axes around which hoppings wrap; None where open.
    lead_delta : number or sequence, one a lead, optional
        On-site pairing inside the leads. Default: normal leads.
    energy_unit, length_unit : str, optional
        Names of the units of energies and positions ("meV", "nm"); nothing is converted. Default: the unit of the
        hopping, of the positions.

    Returns
    -------
    System
        ``hamiltonian`` (s N, s N) and ``positions`` (N, dim) in the units of the builder; leads as arrays.

    Raises
    ------
    ImportError
        If kwant is not installed.
    TypeError
        If ``builder`` is neither a Builder nor a finalized one.
    ValueError
        If it is infinite or empty, if sites have different numbers of orbitals or other than 1 or 2, if a parameter
        is missing, if it holds electrons and holes (as orbitals, as site families, by a declared symmetry), or if
        `kwant.wraparound` made it and a momentum is neither 0 nor pi.

    References
    ----------
    C. W. Groth, M. Wimmer, A. R. Akhmerov, X. Waintal, New J. Phys. 16, 063065 (2014).

    Examples
    --------
    >>> import kwant
    >>> from bdg.lattices import from_kwant
    >>> square = kwant.lattice.square(norbs=1)
    >>> builder = kwant.Builder()
    >>> builder[(square(x, y) for x in range(6) for y in range(3))] = 0
    >>> builder[square.neighbors()] = -1
    >>> film = from_kwant(builder, delta=lambda site: 0.3 if site.pos[0] < 3 else 0)
    >>> print(film.n_sites, (film.delta != 0).sum())
    18 9
    """
    units = UnitNames(energy_unit, length_unit)
    system, kwant = _finalized(builder)
    params = dict(params or {})
    refuse_declared_holes(system)
    hamiltonian, norbs = _matrix(system, kwant, params)
    positions = _site_positions(system.sites)
    refuse_hole_orbitals(hamiltonian, norbs)
    refuse_hole_families(hamiltonian, system.sites, positions, norbs)
    if callable(pairing):
        pairing = _bond_pairing(pairing, system, norbs)
    return System(
        hamiltonian=hamiltonian,
        positions=positions,
        delta=delta,
        pairing=pairing,
        attraction=attraction,
        grain=grain,  # type: ignore[arg-type]
        period=period,
        norbs=norbs,
        leads=_leads(system, kwant, params, lead_delta, norbs),
        info={"kind": "kwant", "params": {name: _storable(value) for name, value in params.items()}},
        energy_unit=units.energy,
        length_unit=units.length,
        kwant_sites=tuple(system.sites),
    )


def from_hamiltonian(
    hamiltonian: Any,
    positions: Any,
    *,
    norbs: int = 1,
    delta: SiteValue = 0,
    pairing: Any = None,
    attraction: SiteValue = 0,
    grain: SiteValue | None = None,
    period: Any = None,
    energy_unit: str | None = None,
    length_unit: str | None = None,
) -> System:
    """Return the `System` of a Hermitian matrix and its site positions (tight-binding, Wannier output).

    Parameters
    ----------
    hamiltonian : matrix (s N, s N), dense or sparse
        Normal part h with -mu inside; orbital index ``s * site + spin``, row = to, column = from.
    positions : array (N, dim) or (N,)
        Site positions.
    norbs : {1, 2}
        s: 1 spin-degenerate, 2 spin (up, down).
    delta : number, array (N,) or function of a site
        As in `from_kwant`; functions get a site with ``.index`` and ``.pos``.
    pairing : matrix (s N, s N), dense or sparse, optional
        Further pairing.
    attraction, grain : number, array (N,) or function of a site
        As in `from_kwant`.
    period : sequence of float or None, one an axis, optional
        Box lengths of the axes around which hoppings wrap.
    energy_unit, length_unit : str, optional
        Names of the units of energies and positions ("meV", "nm"); nothing is converted. Default: the unit of the
        hopping, of the positions.

    Returns
    -------
    System
        With copies of the arrays: float64, or complex128 where the values are complex.

    Raises
    ------
    TypeError, ValueError
        If something is not finite, has the wrong shape, is not Hermitian or breaks Fermi statistics.
    MemoryBudgetError
        If the copies that are made of the matrices do not fit into the memory of this machine.

    Examples
    --------
    >>> import numpy as np
    >>> from bdg.lattices import from_hamiltonian
    >>> ring = -np.roll(np.eye(6), 1, axis=0)
    >>> angle = np.pi * np.arange(6) / 3
    >>> places = np.column_stack([np.cos(angle), np.sin(angle)])
    >>> system = from_hamiltonian(ring + ring.T, places, delta=0.3)
    >>> print(system.n_sites, system.norbs, system.is_real)
    6 1 True
    """
    if callable(pairing):
        raise TypeError("pairing must be a matrix here; functions of two sites need a kwant builder (from_kwant)")
    units = UnitNames(energy_unit, length_unit)
    building = matrix_building(hamiltonian, pairing)
    if building is not None:
        budget.require(building)
    return System(
        hamiltonian=hamiltonian,
        positions=positions,
        delta=delta,
        pairing=pairing,
        attraction=attraction,
        grain=grain,  # type: ignore[arg-type]
        period=period,
        norbs=norbs,
        info={"kind": "hamiltonian"},
        energy_unit=units.energy,
        length_unit=units.length,
    )


def _finalized(builder: Any) -> tuple[Any, Any]:
    """Return the finalized finite system and the module kwant."""
    try:
        import kwant
    except ImportError as error:
        raise ImportError(INSTALL_KWANT) from error
    if isinstance(builder, kwant.builder.InfiniteSystem) or (
        isinstance(builder, kwant.Builder) and builder.symmetry.num_directions > 0
    ):
        raise ValueError(
            "builder has a translational symmetry: it is an infinite system (a lead alone). attach it to a finite "
            "system with attach_lead and pass that, or fill a finite piece of it."
        )
    system = builder.finalized() if isinstance(builder, kwant.Builder) else builder
    if not isinstance(system, kwant.builder.FiniteSystem):
        raise TypeError(
            f"builder must be a kwant.Builder or a finalized one; got {type(builder).__name__}. A matrix goes into "
            "bdg.lattices.from_hamiltonian(matrix, positions)"
        )
    if len(system.sites) == 0:
        raise ValueError("builder is empty: it has no sites")
    return system, kwant


def _matrix(system: Any, kwant: Any, params: dict[str, Any]) -> tuple[sp.csr_matrix, int]:
    _check_params("the system", system, params)
    refuse_bloch_momentum("the builder", system, params)
    try:
        matrix, orbitals, _ = system.hamiltonian_submatrix(sparse=True, return_norb=True, params=params)
    except kwant.UserCodeError as error:
        raise ValueError(f"a value function of the builder failed: {error.__cause__!r}") from error
    counts = np.unique(np.asarray(orbitals))
    if counts.size > 1:
        kinds = sorted({(site.family.name, int(n)) for site, n in zip(system.sites, orbitals, strict=True)})
        named = ", ".join(f"{name or 'unnamed'}: {n}" for name, n in kinds)
        raise ValueError(
            f"all sites must have the same number of orbitals, 1 or 2; got a mixture (family: norbs) {named}. Use "
            "two orbitals (spin up, down) everywhere, or one."
        )
    if counts[0] not in (1, 2):
        raise ValueError(
            f"norbs must be 1 (spin-degenerate) or 2 (spin up, down); the sites of this builder have {counts[0]} "
            "orbitals. The electron-hole structure must not be built in kwant: pass the electron block alone and give "
            "the pairing as delta. Further orbitals become further sites (one family each)."
        )
    return sp.csr_matrix(matrix), int(counts[0])


def _check_params(what: str, system: Any, params: dict[str, Any]) -> None:
    missing = sorted((system.parameters or frozenset()) - params.keys())
    if missing:
        raise ValueError(
            f"params lacks {', '.join(map(repr, missing))}, which the value functions of {what} ask for; "
            f"got {sorted(params)}"
        )


def _bond_pairing(function: Callable[[Any, Any], Any], system: Any, norbs: int) -> sp.csr_matrix:
    """Return the pairing matrix of ``function(to, from)`` on both directions of every hopping."""
    n_sites = len(system.sites)
    pairs = np.array([(i, j) for i, j in system.graph if i != j], dtype=np.int64).reshape(-1, 2)
    blocks = np.empty((len(pairs), norbs, norbs), dtype=complex)
    for number, (i, j) in enumerate(pairs):
        value = np.asarray(function(system.sites[i], system.sites[j]))
        if value.dtype.kind not in "iufc" or value.shape not in ((), (norbs, norbs)):
            expected = "a number" if norbs == 1 else "a number or a 2 x 2 matrix"
            raise TypeError(
                f"pairing(to, from) must return {expected}; got {value!r:.80} for {system.sites[i]}, {system.sites[j]}"
            )
        blocks[number] = value * np.eye(norbs) if value.ndim == 0 else value
    block = np.arange(norbs)
    rows = np.broadcast_to(norbs * pairs[:, 0, None, None] + block[:, None], blocks.shape)
    columns = np.broadcast_to(norbs * pairs[:, 1, None, None] + block[None, :], blocks.shape)
    size = norbs * n_sites
    return sp.coo_matrix((blocks.ravel(), (rows.ravel(), columns.ravel())), shape=(size, size)).tocsr()


def _site_positions(sites: Any) -> np.ndarray:
    try:
        positions = [np.asarray(site.pos, dtype=float) for site in sites]
    except (AttributeError, NotImplementedError, TypeError) as error:
        raise ValueError(f"every site needs a position (site.pos); its family gives none: {error}") from error
    dims = {position.shape for position in positions}
    if len(dims) > 1:
        raise ValueError(f"all sites must have positions of the same dimension; got the shapes {sorted(dims)}")
    return np.array(positions)


def _leads(system: Any, kwant: Any, params: dict[str, Any], lead_delta: Any, norbs: int) -> tuple[Lead, ...]:
    deltas = _lead_deltas(lead_delta, len(system.leads))
    leads = []
    for number, (lead, interface) in enumerate(zip(system.leads, system.lead_interfaces, strict=True)):
        if not isinstance(lead, kwant.builder.InfiniteSystem):
            raise ValueError(
                f"lead {number} is a {type(lead).__name__}: only leads made from a builder can be kept as arrays. "
                "Attach a builder with a translational symmetry, or leave this lead out."
            )
        _check_params(f"lead {number}", lead, params)
        refuse_bloch_momentum(f"lead {number}", lead, params)
        cell = lead.cell_hamiltonian(params=params)
        if cell.shape[0] != norbs * lead.cell_size:
            raise ValueError(
                f"lead {number} has {cell.shape[0]} orbitals on {lead.cell_size} sites, but the system has norbs = "
                f"{norbs}; all must agree"
            )
        hopping = lead.inter_cell_hopping(params=params)
        leads.append(Lead(cell, hopping, np.asarray(interface, dtype=np.int64), norbs, complex(deltas[number])))
    return tuple(leads)


def _lead_deltas(lead_delta: Any, n_leads: int) -> np.ndarray:
    if lead_delta is None:
        return np.zeros(n_leads)
    values = np.asarray(lead_delta)
    if values.dtype.kind == "b" and values.size:
        raise TypeError(f"lead_delta must be numbers, one a lead; got booleans, {lead_delta!r:.80}")
    if values.dtype.kind not in "iufc" or not np.isfinite(values).all():
        raise ValueError(f"lead_delta must be finite numbers, one a lead; got {lead_delta!r:.80}")
    if values.ndim == 0 and n_leads:
        return np.full(n_leads, values)
    if values.shape != (n_leads,):
        raise ValueError(f"lead_delta must have one value a lead ({n_leads} leads); got shape {values.shape}")
    return values


def _storable(value: Any) -> Any:
    """Return a parameter as a file can hold it: numbers, strings, arrays and lists as they are, else as text."""
    if isinstance(value, np.ndarray) and value.dtype.kind in "biufc":
        return value
    if isinstance(value, np.generic):
        value = value.item()
    if isinstance(value, list | tuple):
        return [_storable(item) for item in value]
    if value is None or isinstance(value, bool | int | float | complex | str):
        return value
    return repr(value)
