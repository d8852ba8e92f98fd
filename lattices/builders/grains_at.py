"""Superconducting spheres at given places in a normal host: two grains at a distance, or a cluster of one's own."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from bdg.lattices import budget
from bdg.lattices.arguments import non_negative_number, positive_number, real_number
from bdg.lattices.builders.disorder import uniform_disorder
from bdg.lattices.builders.grid import assemble_grid, grid_positions
from bdg.lattices.builders.interface import describe_interface, hopping_scale
from bdg.lattices.builders.labelled_grid import grain_hoppings
from bdg.lattices.builders.site_labels import label_sites
from bdg.lattices.geometry import Period
from bdg.lattices.packing.building_costs import Cost, composite_building
from bdg.lattices.packing.pack_spheres import box_lengths, centre_distances, flag, surface_gaps
from bdg.lattices.seeds import DISORDER, resolve_seed, stream
from bdg.lattices.system import System
from bdg.lattices.unit_names import UnitNames

_TOLD = ("spacing", "centres", "diameters", "periodic", "t", "mu", "attraction", "disorder", "transparency", "seed")


def grains_at(
    size: Any,
    spacing: float,
    centres: Any,
    diameters: Any,
    *,
    periodic: bool = False,
    t: float = 1,
    mu: float = -1,
    delta: Any = 0.3,
    attraction: float = 0,
    disorder: float = 0,
    transparency: float = 1,
    seed: int | None = None,
    energy_unit: str | None = None,
    length_unit: str | None = None,
) -> System:
    r"""Return spheres (3-D) or discs (2-D) at given centres in a normal host on a square or simple cubic grid.

    ``h = sum_i (w_i - mu) |i><i| - sum_<ij> t x_ij |i><j|`` as in `grain_composite`, whose grains are at random.

    Parameters
    ----------
    size : sequence of 2 or 3 floats
        Lengths of the box. An axis has ``round(length/spacing)`` sites at ``(index + 1/2) spacing``.
    spacing : float
        Distance of neighbouring sites.
    centres : array (G, dim)
        In the frame of the box; the order of the grains' numbers. Spheres must not overlap; a face of an open box may
        cut them.
    diameters : float or array (G,)
    periodic : bool
        True: hoppings and grains wrap around.
    t, mu : float
        Hopping -t and onsite energy -mu on every site.
    delta : complex, or array (G,)
        On-site pairing on the sites whose centre lies in a grain; one value for all grains, or one each.
    attraction : float
        U >= 0 on the same sites.
    disorder : float
        Width W >= 0: every site gets an independent energy, uniform in [-W/2, W/2].
    transparency : float
        0 < tau <= 1 of the bonds between grain and host sites, through their hopping ``-x t``
        (`bdg.lattices.builders.interface`).
    seed : int, optional
        Of the disorder: the same arguments and seed give the same arrays, bit for bit. None draws a seed.
    energy_unit, length_unit : str, optional
        Names of the units of energies and positions ("meV", "nm"); nothing is converted. Default: the unit of the
        hopping, of the positions.

    Returns
    -------
    System
        ``grain`` (N,) numbers the spheres in the order of ``centres``, -1 in the host; ``info`` holds the arguments,
        ``seed``, ``centre_distances`` and ``surface_gaps`` (G,) to the nearest other grain.

    Raises
    ------
    TypeError, ValueError
        If an argument is of the wrong type or out of range, spheres overlap, or a sphere holds no site.
    MemoryBudgetError
        If it does not fit into the memory of this machine; nothing has been made then.

    Examples
    --------
    >>> from bdg.lattices import grains_at
    >>> pair = grains_at((12, 7), 1.0, [(3, 3), (8, 3)], 3.0, delta=[0.3, 0.2])
    >>> for row in pair.grain.reshape(12, 7).T[2:5]:
    ...     print(*(f"{number:2d}" for number in row))  # -1: the host
    -1 -1  0  0 -1 -1 -1  1  1 -1 -1 -1
    -1 -1  0  0 -1 -1 -1  1  1 -1 -1 -1
    -1 -1 -1 -1 -1 -1 -1 -1 -1 -1 -1 -1
    """
    wraps = flag("periodic", periodic)
    spacing = positive_number("spacing", spacing)
    shape = _shape(box_lengths(size), spacing, wraps)
    places, widths = _spheres(centres, diameters, len(shape))
    given = _Grains(
        spacing=spacing,
        shape=shape,
        periodic=wraps,
        centres=places,
        diameters=widths,
        delta=_pairing(delta, len(places)),
        t=positive_number("t", t),
        mu=real_number("mu", mu),
        attraction=non_negative_number("attraction", attraction),
        disorder=non_negative_number("disorder", disorder),
        transparency=real_number("transparency", transparency),
        seed=resolve_seed(seed),
        units=UnitNames(energy_unit, length_unit),
    )
    hopping_scale(given.transparency, given.mu, given.t)  # refuses a transparency outside (0, 1]
    gaps = surface_gaps(places, widths, given.period)
    if (gaps < -1e-12 * widths.max()).any():
        first = int(np.argmin(gaps))
        raise ValueError(
            f"centres must be at least a diameter apart; sphere {first} overlaps another by {-gaps[first]:g}"
        )
    budget.require(composite_building(shape, wraps, Cost(), 0.0))
    return _build(given)


@dataclass(frozen=True)
class _Grains:
    """Checked arguments."""

    spacing: float
    shape: tuple[int, ...]
    periodic: bool
    centres: np.ndarray
    diameters: np.ndarray
    delta: np.ndarray
    t: float
    mu: float
    attraction: float
    disorder: float
    transparency: float
    seed: int
    units: UnitNames

    @property
    def box(self) -> np.ndarray:
        return np.array(self.shape) * self.spacing

    @property
    def period(self) -> Period:
        return tuple(self.box.tolist()) if self.periodic else (None,) * len(self.shape)


def _build(given: _Grains) -> System:
    """Give the sites to the grains, and assemble the Hamiltonian."""
    grain = label_sites(given.shape, given.spacing, given.centres, given.diameters, given.periodic)
    missing = np.setdiff1d(np.arange(len(given.centres)), grain)
    if missing.size:
        raise ValueError(
            f"sphere {missing[0]} holds no site: take a finer grid, a larger sphere, or move it into the box"
        )
    inside = grain >= 0
    onsite = uniform_disorder(grain.size, given.disorder, stream(given.seed, DISORDER)) - given.mu
    scale = hopping_scale(given.transparency, given.mu, given.t)
    hoppings, between = grain_hoppings(grain.reshape(given.shape), given.t, scale, given.periodic)
    info = {
        "kind": "grains_at",
        **{name: getattr(given, name) for name in _TOLD},
        "shape": list(given.shape),
        "box": given.box.tolist(),
        "centre_distances": centre_distances(given.centres, given.period),
        "surface_gaps": surface_gaps(given.centres, given.diameters, given.period),
        "interface": describe_interface(given.transparency, given.mu, given.t),
        "grain_grain_bonds": between,
        "volume_fraction": float(inside.mean()),
    }
    return System(
        hamiltonian=assemble_grid(given.shape, onsite, hoppings, given.periodic),
        positions=grid_positions(given.shape, given.spacing, offset=0.5),
        delta=np.where(inside, given.delta[grain], 0),
        attraction=np.where(inside, given.attraction, 0.0),
        grain=grain,
        period=given.period,
        info=info,
        energy_unit=given.units.energy,
        length_unit=given.units.length,
    )


def _shape(lengths: np.ndarray, spacing: float, periodic: bool) -> tuple[int, ...]:
    """Return the sites an axis."""
    shape = tuple(round(min(length / spacing, budget.MOST)) for length in lengths.tolist())
    fewest = 2 if periodic else 1
    if min(shape) < fewest:
        raise ValueError(f"size must hold at least {fewest} sites an axis; got {lengths.tolist()}")
    return shape


def _spheres(centres: Any, diameters: Any, dim: int) -> tuple[np.ndarray, np.ndarray]:
    """Return centres (G, dim) and diameters (G,) after their checks."""
    try:
        places, widths = np.asarray(centres, dtype=float), np.asarray(diameters, dtype=float)
    except (TypeError, ValueError) as error:
        raise TypeError(
            f"centres and diameters must be real numbers; got {centres!r:.80}, {diameters!r:.80}"
        ) from error
    if places.ndim != 2 or places.shape[1] != dim or not len(places) or not np.isfinite(places).all():
        raise ValueError(f"centres must be finite, of shape (G, {dim}), one row a grain; got shape {places.shape}")
    if widths.shape not in ((), (len(places),)) or not (np.isfinite(widths).all() and (widths > 0).all()):
        raise ValueError(
            f"diameters must be positive, one number or one for each of {len(places)}; got {diameters!r:.80}"
        )
    return places, np.broadcast_to(widths, len(places)).copy()


def _pairing(delta: Any, count: int) -> np.ndarray:
    """Return the pairing of each grain (G,)."""
    values = np.asarray(delta)
    if values.dtype.kind not in "iufc" or values.shape not in ((), (count,)) or not np.isfinite(values).all():
        raise ValueError(f"delta must be a finite number, or one for each of the {count} grains; got {delta!r:.80}")
    if values.dtype.kind == "c" and not values.imag.any():
        values = values.real
    return np.broadcast_to(values, count).astype(complex if values.dtype.kind == "c" else float)
