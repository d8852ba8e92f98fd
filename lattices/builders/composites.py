r"""Granular composites: superconducting grains at random in a normal host, on a square or simple cubic grid.

``h = sum_i (-mu + w_i + e_i) |i><i| - sum_<ij> t x_ij |i><j|`` with disorder w, energy e of the host's second phase,
and x < 1 on the bonds between a grain and the host. Pairing and attraction live on the sites of the grains.
"""

from __future__ import annotations

import dataclasses
import math
from dataclasses import dataclass
from numbers import Complex
from typing import Any

import numpy as np

from bdg.lattices import budget
from bdg.lattices.arguments import non_negative_number, positive_number, real_number
from bdg.lattices.builders.disorder import field_bytes, uniform_disorder
from bdg.lattices.builders.grid import assemble_grid, grid_positions
from bdg.lattices.builders.interface import describe_interface, hopping_scale
from bdg.lattices.builders.labelled_grid import grain_hoppings
from bdg.lattices.builders.site_labels import label_sites
from bdg.lattices.builders.two_phase_host import TwoPhaseHost
from bdg.lattices.packing.building_costs import composite_building
from bdg.lattices.packing.diameters import Diameters
from bdg.lattices.packing.layering import Layers
from bdg.lattices.packing.pack_spheres import (
    Packing,
    box_lengths,
    centre_distances,
    check_fit,
    flag,
    pack,
    packing_arguments,
    predicted_packing,
    surface_gaps,
)
from bdg.lattices.seeds import DISORDER, HOST, resolve_seed, stream
from bdg.lattices.system import System
from bdg.lattices.unit_names import UnitNames


@dataclass(frozen=True)
class _Arguments:
    """Checked arguments of `grain_composite`."""

    size: np.ndarray
    spacing: float
    shape: tuple[int, ...]
    volume_fraction: float
    diameters: Diameters
    minimum_gap: float
    periodic: bool
    t: float
    mu: float
    delta: Any
    attraction: float
    disorder: float
    transparency: float
    host: TwoPhaseHost | None
    layers: Layers | None
    seed: int
    units: UnitNames

    @property
    def box(self) -> np.ndarray:
        return np.array(self.shape) * self.spacing

    @property
    def info(self) -> dict[str, Any]:
        """The arguments in a form that a file can hold."""
        sizes = self.diameters
        return {
            "kind": "grain_composite",
            "size": self.size.tolist(),
            "spacing": self.spacing,
            "shape": list(self.shape),
            "box": self.box.tolist(),
            "requested_volume_fraction": self.volume_fraction,
            "diameter": [sizes.low, sizes.high] if sizes.low < sizes.high else sizes.low,
            "diameter_sigma": sizes.sigma,
            "minimum_gap": self.minimum_gap,
            "periodic": self.periodic,
            "t": self.t,
            "mu": self.mu,
            "delta": self.delta,
            "attraction": self.attraction,
            "disorder": self.disorder,
            "transparency": self.transparency,
            "interface": describe_interface(self.transparency, self.mu, self.t),
            "host": None if self.host is None else self.host.info,
            "layers": None if self.layers is None else dataclasses.asdict(self.layers),
            "seed": self.seed,
        }


def grain_composite(
    size: Any,
    spacing: float,
    *,
    volume_fraction: float,
    diameter: Any,
    diameter_sigma: float = 0,
    minimum_gap: float = 0,
    periodic: bool = False,
    t: float = 1,
    mu: float = -1,
    delta: complex = 0.3,
    attraction: float = 0,
    disorder: float = 0,
    transparency: float = 1,
    host: dict[str, Any] | None = None,
    layers: dict[str, Any] | None = None,
    seed: int | None = None,
    energy_unit: str | None = None,
    length_unit: str | None = None,
) -> System:
    r"""Return grains (spheres in 3-D, discs in 2-D) at random in a normal host, as a `System`.

    Parameters
    ----------
    size : sequence of 2 or 3 floats
        Lengths of the box. An axis has ``round(length/spacing)`` sites at ``(index + 1/2) spacing``; the box is that
        number times the spacing (``info["box"]``).
    spacing : float
        Distance of neighbouring sites, at most the (smallest) diameter.
    volume_fraction : float
        Total volume of the spheres over that of the box, reached within one grain. With ``layers`` over that of each
        MgO-rich layer.
    diameter : float or (low, high)
        All equal; uniform between low and high; or the mean of a lognormal distribution.
    diameter_sigma : float
        Standard deviation of ln D.
    minimum_gap : float
        Smallest distance between two surfaces. Below the spacing a bond may join two grains directly; such a bond
        has the full hopping, and ``info["grain_grain_bonds"]`` counts them.
    periodic : bool
        True: hoppings and grains wrap around. False: the box is cut out of a larger packing (`pack_spheres`), its
        faces may cut spheres.
    t, mu : float
        Hopping -t and onsite energy -mu on every site.
    delta : complex
        On-site pairing on the sites whose centre lies in a grain.
    attraction : float
        U >= 0 on the same sites.
    disorder : float
        Width W >= 0: every site gets an independent energy, uniform in [-W/2, W/2].
    transparency : float
        0 < tau <= 1 of the bonds between grain and host sites, through their hopping ``-x t``
        (`bdg.lattices.builders.interface`).
    host : dict(fraction, correlation_length, onsite), optional
        Two-phase host: a share ``fraction`` of the host's sites (not of the grains') has ``onsite`` added. With
        ``layers``, ``fraction`` may be a pair: in the MgO-rich layers and in the others; one number holds for both.
    layers : dict(thickness, fraction), optional
        MgO-rich layers of this thickness alternate with Mg2Si-rich ones along the last axis, from an MgO-rich one at
        coordinate 0; ``fraction`` is the MgO-rich share of a period. Grains lie in the MgO-rich ones only and wholly
        inside them (a face of an open box may still cut both). Layers act on the grains and, through a pair
        ``host["fraction"]``, on the host; they change no energy by themselves.
    seed : int, optional
        The same arguments and seed give the same arrays, bit for bit. Grains, host and disorder have random numbers
        of their own: disorder or transparency can be changed with the grains unchanged. None draws a seed.
    energy_unit, length_unit : str, optional
        Names of the units of energies and positions ("meV", "nm"); nothing is converted. Default: the unit of the
        hopping, of the positions.

    Returns
    -------
    System
        One grain number a sphere, also where a sphere touches another or goes through a periodic boundary. A sphere
        without a site (a sliver at a face, or one hardly larger than the spacing) is no grain; they are counted in
        ``info["spheres_without_site"]``. ``info`` holds the arguments, ``seed``, ``shape``, ``box`` and

        - ``centres`` (G, dim), ``diameters`` (G,), ``centre_distances`` and ``surface_gaps`` (G,), each to the
          nearest other grain of the box (infinite if there is none);
        - ``volume_fraction``: share of the sites that lie in grains; ``sphere_fraction``: volume of spheres inside
          the box over that of the box; ``packing_fraction``: the same of the larger packing that an open box was cut
          from (the last two relative to the MgO-rich layers if there are any); ``requested_volume_fraction``;
        - ``interface``: how the transparency became a hopping; ``grain_grain_bonds``;
        - with ``host``: ``host_phase`` (N,): 1 where ``onsite`` was added, 0 in the rest of the host, -1 in grains;
        - with ``layers``: ``rich_layer`` (N,): 1 in the MgO-rich layers, else 0; ``layer_volume_fraction``: share of
          their sites that lie in grains.

    Raises
    ------
    TypeError, ValueError
        If an argument is of the wrong type or out of range, if the packing cannot be reached (the text says which
        fraction was), or if no site lies in a grain.
    MemoryBudgetError
        If it does not fit into the memory of this machine, with what would; nothing has been made then.

    Examples
    --------
    >>> from bdg.lattices import grain_composite
    >>> composite = grain_composite((60, 60), 2.0, volume_fraction=0.2, diameter=12.0, delta=0.3, seed=1)
    >>> print(composite.n_sites, composite.n_grains, round((composite.delta != 0).mean(), 2))
    900 11 0.21
    """
    lengths, wraps = box_lengths(size), flag("periodic", periodic)
    spacing = positive_number("spacing", spacing)
    fraction, sizes, gap = packing_arguments(volume_fraction, diameter, diameter_sigma, minimum_gap)
    stacked = Layers.parse(layers)
    given = _Arguments(
        size=lengths,
        spacing=spacing,
        shape=_shape(lengths, spacing, sizes, wraps),
        volume_fraction=fraction,
        diameters=sizes,
        minimum_gap=gap,
        periodic=wraps,
        t=positive_number("t", t),
        mu=real_number("mu", mu),
        delta=_pairing(delta),
        attraction=non_negative_number("attraction", attraction),
        disorder=non_negative_number("disorder", disorder),
        transparency=real_number("transparency", transparency),
        host=TwoPhaseHost.parse(host, stacked is not None),
        layers=stacked,
        seed=resolve_seed(seed),
        units=UnitNames(energy_unit, length_unit),
    )
    hopping_scale(given.transparency, given.mu, given.t)  # refuses a transparency outside (0, 1]
    budget.require(_building(given))
    check_fit(given.box, sizes, gap, wraps, stacked)
    return _build(given)


def _building(given: _Arguments) -> budget.Building:
    """Return what it will take to build this, before anything is made."""
    lengths = np.array([budget.number(n) for n in given.shape]) * given.spacing
    packing, _ = predicted_packing(
        lengths, given.volume_fraction, given.diameters, given.minimum_gap, given.periodic, given.layers
    )
    field = 0.0
    if given.host is not None:
        field = field_bytes(given.shape, given.spacing, given.host.correlation_length, given.periodic)
    return composite_building(given.shape, given.periodic, packing, field)


def _build(given: _Arguments) -> System:
    """Pack the grains, give the sites to them, and assemble the Hamiltonian."""
    shape, spacing, periodic = given.shape, given.spacing, given.periodic
    packing = pack(
        given.box, given.volume_fraction, given.diameters, given.minimum_gap, periodic, given.seed, given.layers
    )
    grain, kept = _grains(shape, spacing, packing)
    inside = grain >= 0
    positions = grid_positions(shape, spacing, offset=0.5)
    onsite = uniform_disorder(len(grain), given.disorder, stream(given.seed, DISORDER)) - given.mu
    info = {**given.info, **_geometry(packing, kept, grain)}
    rich = None
    if given.layers is not None:
        rich = given.layers.is_rich(positions[:, -1])
        info["rich_layer"] = rich.astype(np.int8)
        info["layer_volume_fraction"] = float(inside[rich].mean())
    if given.host is not None:
        phase = given.host.phases(shape, spacing, grain, rich, stream(given.seed, HOST), periodic)
        onsite[phase == 1] += given.host.onsite
        info["host_phase"] = phase
    scale = hopping_scale(given.transparency, given.mu, given.t)
    hoppings, info["grain_grain_bonds"] = grain_hoppings(grain.reshape(shape), given.t, scale, periodic)
    return System(
        hamiltonian=assemble_grid(shape, onsite, hoppings, periodic),
        positions=positions,
        delta=np.where(inside, given.delta, 0.0),
        attraction=np.where(inside, given.attraction, 0.0),
        grain=grain,
        period=packing.period,
        info=info,
        energy_unit=given.units.energy,
        length_unit=given.units.length,
    )


def _shape(lengths: np.ndarray, spacing: float, sizes: Diameters, periodic: bool) -> tuple[int, ...]:
    """Return the sites an axis, after a look at whether the grid can resolve the box and the grains."""
    if spacing > sizes.low:
        raise ValueError(
            f"spacing = {spacing:g} is larger than the smallest diameter {sizes.low:g}: grains would hold no site. "
            "Use a finer grid or larger grains."
        )
    shape = tuple(round(min(length / spacing, budget.MOST)) for length in lengths.tolist())
    fewest = 2 if periodic else 1
    if min(shape) < fewest:
        raise ValueError(
            f"size must hold at least {fewest} site{'s' * (fewest > 1)} an axis at spacing = {spacing:g}"
            f"{' in a periodic box' * (fewest > 1)}; got {lengths.tolist()}, which are {shape} sites"
        )
    return shape


def _pairing(delta: Any) -> Any:
    """Return ``delta`` as a float, or as a 0-d complex array, which a file can hold."""
    if isinstance(delta, bool) or not isinstance(delta, Complex):
        raise TypeError(
            f"delta must be a number, the pairing inside all grains; got {delta!r:.80}. "
            "For a value of its own on each site use System.with_delta, for phases System.with_phases."
        )
    value = complex(delta)
    if not (math.isfinite(value.real) and math.isfinite(value.imag)):
        raise ValueError(f"delta must be finite; got {delta!r}")
    return value.real if value.imag == 0 else np.array(value)


def _grains(shape: tuple[int, ...], spacing: float, packing: Packing) -> tuple[np.ndarray, np.ndarray]:
    """Return the grain number (N,) of each site, -1 in the host, and which spheres became grains, in that order."""
    labels = label_sites(shape, spacing, packing.centres, packing.diameters, packing.periodic)
    kept = np.unique(labels[labels >= 0])
    if kept.size == 0:
        raise ValueError(
            f"no site lies inside one of the {len(packing.centres)} spheres: spacing = {spacing:g} is too coarse for "
            "them. Use a finer grid, larger grains, a larger box or another seed."
        )
    number = np.full(len(packing.centres) + 1, -1, dtype=np.int64)  # the last one is what -1 refers to
    number[kept] = np.arange(kept.size)
    return number[labels], kept


def _geometry(packing: Packing, kept: np.ndarray, grain: np.ndarray) -> dict[str, Any]:
    """Return what was measured: the grains that have sites, their distances, and the fractions."""
    centres, diameters = packing.centres[kept], packing.diameters[kept]
    return {
        "centres": centres,
        "diameters": diameters,
        "centre_distances": centre_distances(centres, packing.period),
        "surface_gaps": surface_gaps(centres, diameters, packing.period),
        "volume_fraction": float((grain >= 0).mean()),
        "sphere_fraction": packing.volume_fraction,
        "packing_fraction": packing.packing_fraction,
        "spheres_without_site": len(packing.centres) - len(kept),
    }
