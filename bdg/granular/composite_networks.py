r"""Samples of a composite as networks of grains at any temperature: packings, and couplings drawn from a table.

The gap of the grains scales the couplings of the table as

.. math:: E_J \propto (\Delta/\Delta_{\mathrm{table}})^{p(T)}

with p measured on boxes of two grains between 2.3 and 2.9 meV (`GAP_EXPONENT`).
"""

from __future__ import annotations

import math
import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from bdg.base.errors import AccuracyWarning
from bdg.granular.couplings.coupling_grid import Coupling
from bdg.granular.couplings.coupling_table import CouplingTable
from bdg.granular.monte_carlo import sample_phases
from bdg.granular.network import Network
from bdg.lattices.packing.pack_spheres import Packing, pack_spheres

# kelvin; d ln E_J/d ln Delta, the same within .02 at gaps of 2.4 and 12 nm
GAP_EXPONENT = ((4.2, 10.0, 19.0, 28.0), (1.56, 1.74, 1.86, 1.94))
LONGEST, MOST_OF_LONGEST = 0.9, 0.2  # of the cut-off, and the share of the stiffness beyond that a warning tells
BETWEEN = (0.05, 0.995)  # of T_c of the grains: where a composite may lock


@dataclass(frozen=True, eq=False)
class ScaledTable:
    """A table whose grains have another gap."""

    table: CouplingTable
    delta_meV: float  # noqa: N815

    def coupling(self, gap_nm: Any, temperature_K: float, **conditions: Any) -> Coupling:
        """Return what the table says, times ``(Delta/Delta_table)^p``."""
        found = self.table.coupling(gap_nm, temperature_K, **conditions)
        factor = (self.delta_meV / self.table.delta_meV) ** float(np.interp(temperature_K, *GAP_EXPONENT))
        return replace(found, energy_K=found.energy_K * factor, error_K=found.error_K * factor)


@dataclass(frozen=True, eq=False)
class CompositeNetworks:
    """Samples of one composite.

    Attributes
    ----------
    packings : list of Packing
        Periodic, of equal size.
    table
        As for `Network.from_packing`.
    cutoff_nm : float
    seed : int
        Of the couplings of the first sample; the others follow it.
    conditions : mapping
        Handed to the table.

    Examples
    --------
    >>> from bdg.granular import CompositeNetworks, CouplingTable
    >>> from bdg.lattices import pack_spheres
    >>> packings = [pack_spheres((120,) * 3, volume_fraction=0.25, diameter=20, seed=seed) for seed in (1, 2)]
    >>> composite = CompositeNetworks(packings, CouplingTable.load(), cutoff_nm=15.0)
    >>> print([bool(network.percolates.all()) for network in composite.at(10.0)])  # at 10 K, in all directions
    [True, True]
    """

    packings: Sequence[Packing]
    table: Any
    cutoff_nm: float
    seed: int = 0
    conditions: Mapping[str, Any] = field(default_factory=dict)
    _judged: list[float] = field(default_factory=list, init=False, repr=False)

    @classmethod
    def of_grains(
        cls,
        table: Any,
        *,
        volume_fraction: float,
        diameter_nm: float,
        grains: int,
        samples: int,
        cutoff_nm: float,
        seed: int,
        **conditions: Any,
    ) -> CompositeNetworks:
        """Return samples of so many equal grains at random."""
        edge = diameter_nm * (math.pi * grains / (6 * volume_fraction)) ** (1 / 3)
        packings = [
            pack_spheres((edge,) * 3, volume_fraction=volume_fraction, diameter=diameter_nm, seed=seed + number)
            for number in range(samples)
        ]
        return cls(packings, table, cutoff_nm, seed, conditions)

    def at(self, temperature_K: float) -> list[Network]:
        """Return the networks at a temperature.

        Warns
        -----
        AccuracyWarning
            At the first call, if the cut-off is so short that networks do not percolate, or that gaps in its last tenth
            carry more than a fifth of the stiffness at rest.
        """
        networks = [
            Network.from_packing(
                packing, self.table, temperature_K, self.cutoff_nm, seed=self.seed + number, **self.conditions
            )
            for number, packing in enumerate(self.packings)
        ]
        if not self._judged:
            self._judged.append(temperature_K)
            self._warn_of_cutoff(networks, temperature_K)
        return networks

    def _warn_of_cutoff(self, networks: Sequence[Network], temperature_K: float) -> None:
        whole = sum(bool(network.percolates.all()) for network in networks)
        share = self._share(networks, LONGEST * self.cutoff_nm)
        if whole == len(networks) and share <= MOST_OF_LONGEST:
            return
        what = (
            f"only {whole} of {len(networks)} networks percolate along all axes"
            if whole < len(networks)
            else f"gaps above {LONGEST * self.cutoff_nm:.3g} nm carry {share:.0%} of the stiffness "
            f"at {temperature_K:g} K"
        )
        warnings.warn(
            f"CompositeNetworks: cutoff_nm = {self.cutoff_nm:g} is too short: {what}. A stiffness and a locking "
            f"temperature would come out too low, or 0; the mean distance of the grains is {self.spacing_nm:.3g} nm, "
            "give a larger cutoff_nm",
            AccuracyWarning,
            stacklevel=4,
        )

    @property
    def spacing_nm(self) -> float:
        """Mean distance a = n^(-1/3) of the grains."""
        first = self.packings[0]
        return float(np.prod(first.size) / len(first.centres)) ** (1 / 3)

    def stiffness(self, temperature_K: float, *, samples: int = 400, seed: int = 0) -> tuple[float, float, float]:
        """Return Y a in kelvin with thermal phase fluctuations, its standard error, and the same of relaxed phases.

        The error is that over the samples of the composite, or of Monte Carlo where that is larger.
        """
        networks = self.at(temperature_K)
        runs = [sample_phases(network, [temperature_K], samples=samples, seed=seed) for network in networks]
        found = np.array([run.helicity.mean() for run in runs])
        noise = math.sqrt(sum(float((run.helicity_error**2).mean()) for run in runs)) / len(runs)
        scatter = float(found.std(ddof=1)) / math.sqrt(found.size) if found.size > 1 else 0.0
        relaxed = float(np.mean([network.relaxed_stiffness().mean() for network in networks]))
        spacing = self.spacing_nm
        return float(found.mean()) * spacing, max(noise, scatter) * spacing, relaxed * spacing

    def share_of_long_bonds(self, temperature_K: float, gap_nm: float) -> float:
        """Return which share of the stiffness at rest comes from bonds with gaps above ``gap_nm``."""
        return self._share(self.at(temperature_K), gap_nm)

    def _share(self, networks: Sequence[Network], gap_nm: float) -> float:
        parts = []
        for network, packing in zip(networks, self.packings, strict=True):
            own = network.couplings[:, None] * network.relaxed_displacements**2
            radii = packing.diameters / 2
            gaps = np.linalg.norm(network.displacements, axis=1) - radii[network.pairs].sum(axis=1)
            total = own.sum()
            parts.append(float(own[gaps > gap_nm].sum() / total) if total else 0.0)
        return float(np.mean(parts))
