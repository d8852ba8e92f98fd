r"""Networks of grains: who is coupled to whom, how strongly, and across which displacement.

.. math:: H = -\sum_b J_b \cos(\varphi_{i} - \varphi_{j})

At temperature zero and for a small twist k along an axis the phases relax as the currents of a resistor network do:

.. math:: Y_{\mathrm{relaxed}} = \frac{1}{V} \min_\theta \sum_b J_b\, (x_b - \theta_j + \theta_i)^2 .
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any, Protocol

import numpy as np

from bdg.base.arguments import real_array
from bdg.base.results import Result
from bdg.granular.bond_graph import (
    around_the_period,
    components,
    relaxed_displacements,
    require_bond_values,
    require_bonds,
)
from bdg.lattices.arguments import non_negative_number, positive_number, whole_number
from bdg.lattices.packing.pack_spheres import Packing
from bdg.lattices.packing.tessellation import neighbours_within, voronoi_faces
from bdg.lattices.seeds import resolve_seed
from bdg.lattices.storage import ResultFileError, content_of, read_file, shown, write_file

_SAVED = {
    "pairs": ("", "sites of each bond (B, 2)"),
    "couplings": ("", "of each bond, in one unit of energy or conductance (B,)"),
    "displacements": ("", "from the first site of a bond to the second (B, d)"),
    "n_sites": ("", "number of sites"),
    "volume": ("", "of the box, in the unit of the displacements to the power d"),
    "seed": ("", "that the couplings were drawn from"),
}


class Couplings(Protocol):
    """A table of couplings: what `Network.from_packing` asks of it."""

    def coupling(self, gap_nm: Any, temperature_K: float, **conditions: Any) -> Any:
        """Return ``energy_K`` (mean over samples) and ``spread`` (of ln E_J over samples), one for each gap."""
        ...


@dataclass(frozen=True, eq=False)
class Network:
    """Couplings between sites, in a box of d dimensions that repeats itself.

    Attributes
    ----------
    pairs : array (B, 2) of int
        The sites of each bond. Pairs may repeat, and a site may be bonded to its own periodic image.
    couplings : array (B,)
        >= 0, in one unit of energy (or of conductance).
    displacements : array (B, d)
        From the first site of a bond to the second.
    n_sites : int
    volume : float
        Of the box, in the unit of the displacements to the power d.
    seed : int or None
        That the couplings were drawn from.

    Examples
    --------
    >>> from bdg.granular import Network
    >>> network = Network.cubic(4, 100.0)  # 4^3 sites, couplings of 100 K
    >>> print(network.n_sites, len(network.pairs), network.percolates)
    64 192 [ True  True  True]
    >>> print(network.relaxed_stiffness().round(3))
    [100. 100. 100.]
    """

    pairs: np.ndarray
    couplings: np.ndarray
    displacements: np.ndarray
    n_sites: int = field(kw_only=True)
    volume: float = field(kw_only=True)
    seed: int | None = field(default=None, kw_only=True)

    def __post_init__(self) -> None:
        n_sites = whole_number("n_sites", self.n_sites, 1)
        pairs = _require_pairs(self.pairs, n_sites)
        checked = {
            "n_sites": n_sites,
            "volume": positive_number("volume", self.volume),
            "pairs": pairs,
            "couplings": _require_couplings(self.couplings, len(pairs)),
            "displacements": _require_displacements(self.displacements, len(pairs)),
        }
        for name, value in checked.items():
            object.__setattr__(self, name, value)
            if isinstance(value, np.ndarray):
                value.flags.writeable = False

    @classmethod
    def cubic(cls, L: int, coupling: float = 1) -> Network:
        """Return the periodic simple cubic lattice of L^3 sites at distance 1, coupled to their nearest neighbours."""
        length = whole_number("L", L, 1)
        coupling = positive_number("coupling", coupling)
        sites = np.arange(length**3).reshape(length, length, length)
        pairs = [np.stack([sites, np.roll(sites, -1, axis)], axis=-1).reshape(-1, 2) for axis in range(3)]
        steps = np.repeat(np.eye(3), length**3, axis=0)
        return cls(np.concatenate(pairs), np.full(len(steps), coupling), steps, n_sites=sites.size, volume=sites.size)

    @classmethod
    def from_packing(
        cls,
        packing: Packing,
        table: Couplings,
        temperature_K: float,
        cutoff_nm: float,
        seed: int | None = None,
        *,
        shell_nm: float = 0.0,
        **conditions: Any,
    ) -> Network:
        r"""Return the network of a periodic packing, each coupling drawn from the distribution of a table.

        .. math:: J_b = E(\max(g_b - 2 w, 0), T)\, e^{s z_b - s^2/2}, \qquad z_b \sim \mathcal N(0, 1),

        g the gap between two surfaces, w the thickness of conducting shells around the grains, E the mean over samples
        and s the spread of ln E_J of the table. The bonds of a packing and their z depend on packing, cut-off and seed
        alone: other temperatures and shells change each bond smoothly.

        Parameters
        ----------
        packing : Packing
            Periodic, lengths in nm (`bdg.lattices.pack_spheres`, `bdg.lattices.cluster_spheres`).
        table
            Has ``coupling(gap_nm, temperature_K, **conditions)``, whose result has arrays ``energy_K`` and ``spread``.
        temperature_K : float
        cutoff_nm : float
            Grains with a larger gap between their surfaces, shells not counted, are not coupled. All periodic images
            within it count.
        seed : int, optional
            None draws a seed, which the network keeps.
        shell_nm : float
            w, a scenario: each grain carries a shell that superconducts with it (such as a layer rich in oxygen
            vacancies), and what lies between two shells is all that pairs have to cross. Not computed: how good the
            contact of grain and shell is.
        conditions
            Handed to the table, such as ``transparency=0.3``.

        Raises
        ------
        TypeError, ValueError
            If the packing is none or open, or what the table gives are not energies >= 0 and spreads >= 0.
        """
        if not isinstance(packing, Packing):
            raise TypeError(
                f"packing must be a Packing of bdg.lattices.pack_spheres; got {type(packing).__name__}. Bonds of other "
                "arrangements go into Network(pairs, couplings, displacements, n_sites=, volume=)"
            )
        if not packing.periodic:
            raise ValueError(
                "packing must be periodic, since a network has no surface: use pack_spheres(periodic=True)"
            )
        if not callable(getattr(table, "coupling", None)):
            raise TypeError(
                f"table must have coupling(gap_nm, temperature_K, ...); got {type(table).__name__}. See "
                "bdg.granular.CouplingTable"
            )
        temperature_K = positive_number("temperature_K", temperature_K, "kelvin")
        cutoff_nm = positive_number("cutoff_nm", cutoff_nm, "nm between surfaces")
        shell_nm = non_negative_number("shell_nm", shell_nm, "nm")
        number = resolve_seed(seed)
        pairs, displacements, gaps = neighbours_within(packing, cutoff_nm)
        found = table.coupling(np.maximum(gaps - 2 * shell_nm, 0.0), temperature_K, **conditions)
        energy = _from_table("energy_K", found.energy_K, gaps)
        spread = _from_table("spread", found.spread, gaps)
        draws = np.random.default_rng(number).standard_normal(gaps.size)
        volume = float(np.prod(packing.size))
        drawn = energy * np.exp(spread * (draws - spread / 2))
        return cls(pairs, drawn, displacements, n_sites=len(packing.centres), volume=volume, seed=number)

    @classmethod
    def voronoi(cls, packing: Packing, conductivity: float = 1.0) -> Network:
        r"""Return the conductances of a homogeneous host between the centres of a periodic packing of spheres.

        .. math:: G_{ij} = \sigma \frac{A_{ij}}{d_{ij}}

        A the area of the face between two Voronoi cells, d the distance of their centres: finite volumes, for which a
        uniform field is an exact solution. So `effective_conductivity` is sigma along every axis.

        Parameters
        ----------
        packing : Packing
            Lengths in nm (`bdg.lattices.pack_spheres`).
        conductivity : float
            sigma > 0 of the host. In S/m the couplings are conductances in nanosiemens, S/m times nm.

        Returns
        -------
        Network
            A bond for each face; its resistance in ohm is ``1e9/couplings``.

        Raises
        ------
        TypeError, ValueError
            If ``conductivity`` is not positive, or the packing is none, open or two-dimensional.
        """
        sigma = positive_number("conductivity", conductivity, "S/m")
        pairs, displacements, areas = voronoi_faces(packing)
        conductances = sigma * areas / np.linalg.norm(displacements, axis=1)
        volume = float(np.prod(packing.size))
        return cls(pairs, conductances, displacements, n_sites=len(packing.centres), volume=volume)

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write the network to an HDF5 file; `load` and `bdg.load` read it back bit for bit."""
        write_file(path, "Network", {name: getattr(self, name) for name in _SAVED}, _SAVED)

    @classmethod
    def load(cls, path: str | os.PathLike[str]) -> Network:
        """Return the network of a file; ResultFileError if there is none, or it holds something else."""
        kind, content = read_file(path)
        if kind != "Network":
            raise ResultFileError(f"{path}: holds a {shown(kind)}, where path must name a Network")
        with content_of(path):
            return cls.from_content(content)

    @classmethod
    def from_content(cls, content: Mapping[str, Any]) -> Network:
        """Return the network that a file's content describes; ValueError or TypeError where it describes none."""
        if sorted(content) != sorted(_SAVED):
            raise ValueError(f"a Network must hold {', '.join(_SAVED)}; got {', '.join(map(str, content))}")
        return cls(**content)

    def with_couplings(self, couplings: Any) -> Network:
        """Return the same bonds with other couplings (B,), finite and >= 0."""
        return replace(self, couplings=couplings, seed=None)

    def opened(self, positions: Any) -> Network:
        """Return the network without the bonds that leave the box: those whose displacement is not that of positions.

        Parameters
        ----------
        positions : array (N, d)
            Of the sites in the box, such as the centres of a packing.

        Returns
        -------
        Network
            The same sites and volume.

        Raises
        ------
        ValueError
            If ``positions`` has another shape.
        """
        places = real_array("positions", positions)
        if places.shape != (self.n_sites, self.dimensions):
            raise ValueError(f"positions must have shape ({self.n_sites}, {self.dimensions}); got {places.shape}")
        inside = places[self.pairs[:, 1]] - places[self.pairs[:, 0]]
        near = abs(inside - self.displacements).max(axis=1) <= 1e-9 * abs(self.displacements).max(initial=0.0)
        kept = np.flatnonzero(near & (self.pairs[:, 0] != self.pairs[:, 1]))
        parts = self.pairs[kept], self.couplings[kept], self.displacements[kept]
        return Network(*parts, n_sites=self.n_sites, volume=self.volume, seed=self.seed)

    @property
    def dimensions(self) -> int:
        """Of the displacements."""
        return int(self.displacements.shape[1])

    @property
    def percolates(self) -> np.ndarray:
        """Whether coupled sites reach around the period along each axis (d,)."""
        kept = self.couplings > 0
        pairs, steps = self.pairs[kept], self.displacements[kept]
        return np.any(around_the_period(pairs, steps, components(pairs, self.n_sites)), axis=0)

    @cached_property
    def relaxed_displacements(self) -> np.ndarray:
        """Displacements (B, d) less the differences of the phases that minimise ``sum J (x - theta_j + theta_i)^2``.

        Zero where sites are not part of a component that reaches around the period along that axis.
        """
        found = relaxed_displacements(self.pairs, self.couplings, self.displacements, self.n_sites)
        found.flags.writeable = False
        return found

    def relaxed_stiffness(self) -> np.ndarray:
        """Return the helicity modulus (d,) at temperature 0: ``min (1/V) sum J (x - phase difference)^2``.

        Exactly 0 along an axis around which no coupled sites reach; isolated sites and separate components count with
        their volume.
        """
        return (self.couplings[:, None] * self.relaxed_displacements**2).sum(axis=0) / self.volume


Result._kinds["Network"] = Network  # what `bdg.load` knows


def require_network(name: str, value: Any) -> Network:
    """Return ``value`` if it is a `Network`."""
    if not isinstance(value, Network):
        raise TypeError(
            f"{name} must be a bdg.granular.Network; got {type(value).__name__}. Make one with Network.cubic, "
            "Network.from_packing or Network(pairs, couplings, displacements, n_sites=, volume=)"
        )
    return value


def networks_at(network: Any, temperatures: np.ndarray) -> list[Network]:
    """Return the network at each temperature, one that is fixed or that a function of the temperature returns."""
    if not callable(network):
        return [require_network("network", network)] * len(temperatures)
    found = [require_network("network(temperature)", network(float(t))) for t in temperatures]
    first = found[0]
    same = [
        np.array_equal(first.pairs, other.pairs) and np.array_equal(first.displacements, other.displacements)
        for other in found
    ]
    if not all(same):
        raise ValueError(
            "network(temperature) must return the same pairs and displacements at every temperature, only other "
            f"couplings; they differ at {temperatures[same.index(False)]:g}. Give Network.from_packing a seed"
        )
    return found


def conductances_of(values: Any, networks: list[Network]) -> np.ndarray:
    """Return conductances > 0 (B,) of all coupled bonds; None: in proportion to the couplings of the first network."""
    coupled = np.any([network.couplings > 0 for network in networks], axis=0)
    if values is None:
        found = networks[0].couplings.copy()
    else:
        full = np.broadcast_to(real_array("conductances", values), coupled.shape) if np.ndim(values) == 0 else values
        found = require_bond_values("conductances", full, coupled.size)
    if not np.isfinite(found).all() or (coupled & ~(found > 0)).any():
        wrong = np.flatnonzero(~np.isfinite(found) | (coupled & ~(found > 0)))[0]
        raise ValueError(
            f"conductances must be finite, and > 0 where there is a coupling; got {found[wrong]} for bond {wrong} with "
            f"coupling {networks[0].couplings[wrong]:g}"
        )
    return found


def _from_table(name: str, values: Any, gaps: np.ndarray) -> np.ndarray:
    found = np.asarray(values, dtype=float)
    if found.shape not in ((), gaps.shape) or not (np.isfinite(found) & (found >= 0)).all():
        raise ValueError(
            f"table.coupling must give {name} finite and >= 0, one for each of the {gaps.size} gaps; got shape "
            f"{found.shape}, {found.ravel()[:3]}"
        )
    return np.broadcast_to(found, gaps.shape)


def _require_pairs(values: Any, n_sites: int) -> np.ndarray:
    pairs = require_bonds("pairs", values)
    if pairs.size and pairs.max() >= n_sites:
        raise ValueError(
            f"pairs must name sites from 0 to {n_sites - 1}; got {pairs.max()}. Is n_sites = {n_sites} right?"
        )
    return pairs


def _require_couplings(values: Any, n_bonds: int) -> np.ndarray:
    array = require_bond_values("couplings", values, n_bonds)
    if not np.isfinite(array).all():
        raise ValueError(
            f"couplings must be finite; got infinity for bond {np.flatnonzero(np.isinf(array))[0]}. Give sites that "
            "never part one number"
        )
    return array


def _require_displacements(values: Any, n_bonds: int) -> np.ndarray:
    array = real_array("displacements", values)
    if array.size == 0 and n_bonds == 0:
        array = array.reshape(0, array.shape[1] if array.ndim == 2 and array.shape[1] else 3).astype(float)
    if array.dtype.kind not in "iuf" or array.ndim != 2 or len(array) != n_bonds or not 1 <= array.shape[1] <= 3:
        raise ValueError(
            f"displacements must be real, from the first site of each of the {n_bonds} pairs to the second, in shape "
            f"({n_bonds}, d) with d = 1, 2 or 3; got shape {array.shape} of {array.dtype}"
        )
    if not np.isfinite(array).all():
        raise ValueError("displacements must be finite; got NaN or infinity among them")
    return array.astype(float)
