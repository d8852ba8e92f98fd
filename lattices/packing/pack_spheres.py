"""Random packings of grains that do not overlap: spheres in a box, discs in a rectangle.

A periodic box is filled by random sequential addition (`add_spheres`). An open box is cut out of a larger periodic
packing, so that its faces may cut spheres and the grains near a face are like those in the middle; of all places
where it could be cut, one is chosen at random in which the box holds the wanted volume of spheres.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np

from bdg.lattices import budget
from bdg.lattices.arguments import length_in_range, non_negative_number
from bdg.lattices.geometry import Period, periodic_tree, wrap
from bdg.lattices.packing.box_cut import cut_box, sphere_volume, volume_inside
from bdg.lattices.packing.building_costs import Cost, packing_building, packing_cost
from bdg.lattices.packing.diameters import Diameters
from bdg.lattices.packing.layering import Layers, share
from bdg.lattices.packing.sequential_addition import JAMMING, Addition, add_spheres
from bdg.lattices.seeds import PACKING, resolve_seed, stream

SMALLEST_FRACTION = 1e-30
TOLERANCE = 0.05  # of the volume of spheres in an open box
FEWEST_IN_LARGE = 16  # grains of the packing that an open box is cut from, so that its fraction is met closely
SAMPLE, CLEARLY_SHORT = 2000, 0.97  # spheres of a small trial packing, and the part of them that must be placed
RESTARTS, FEW = 5, 100  # a packing of few grains may get stuck by chance: begin again


@dataclass(frozen=True, eq=False)
class Packing:
    """Spheres (3-D) or discs (2-D) in a box that do not overlap.

    Attributes
    ----------
    centres : array (G, dim)
        In the frame of the box, ``0 <= x_a <= size_a``; in an open box centres of spheres that a face cuts may lie
        outside. In the order in which the diameters were drawn.
    diameters : array (G,)
    size : tuple of float
        Lengths of the box.
    periodic : bool
    volume_fraction : float
        Volume of the spheres inside the box over the volume of the box (of its MgO-rich layers, if it has layers).
    packing_fraction : float
        The same of the larger packing that an open box was cut from; equal to ``volume_fraction`` if periodic.
    centre_distances, surface_gaps : arrays (G,)
        From each sphere to the nearest other one: `centre_distances`, `surface_gaps`.
    seed : int
        Repeats the packing.
    trials : int
        Places that random sequential addition tried.
    """

    centres: np.ndarray
    diameters: np.ndarray
    size: tuple[float, ...]
    periodic: bool
    volume_fraction: float
    packing_fraction: float
    seed: int
    trials: int
    centre_distances: np.ndarray = field(init=False)
    surface_gaps: np.ndarray = field(init=False)

    def __post_init__(self) -> None:
        distances = centre_distances(self.centres, self.period)
        gaps = surface_gaps(self.centres, self.diameters, self.period)
        for name, values in (("centre_distances", distances), ("surface_gaps", gaps)):
            object.__setattr__(self, name, values)
        for name in ("centres", "diameters", "centre_distances", "surface_gaps"):
            getattr(self, name).flags.writeable = False

    @property
    def period(self) -> Period:
        """Box length of each axis if periodic, else None for each."""
        return self.size if self.periodic else (None,) * len(self.size)


def pack_spheres(
    size: Any,
    *,
    volume_fraction: float,
    diameter: Any,
    diameter_sigma: float = 0.0,
    minimum_gap: float = 0.0,
    periodic: bool = True,
    seed: int | None = None,
) -> Packing:
    r"""Pack hard spheres (discs) at random by random sequential addition.

    Spheres of different sizes are placed in classes within a factor 1.5 of each other, the largest class first;
    within a class the order is random. Equal spheres reach 30 % within seconds (10^5 of them), and jam at 38 %.

    Parameters
    ----------
    size : sequence of 2 or 3 floats
        Lengths of the box, in the unit of ``diameter``.
    volume_fraction : float
        Total volume of the spheres over the volume of the box, reached within one sphere (one is always placed).
    diameter : float or (low, high)
        All equal; or uniform between ``low`` and ``high``; or, with ``diameter_sigma``, the mean of a lognormal
        distribution.
    diameter_sigma : float
        Standard deviation of ln D.
    minimum_gap : float
        Smallest distance between two surfaces.
    periodic : bool
        True: the box repeats itself, and every sphere lies in it whole. False: the box is cut out of a larger packing
        of the given fraction; its place is chosen at random among those in which the volume of spheres inside the box
        misses ``volume_fraction`` by at most half a mean sphere, or 5 % of it if that is less.
    seed : int, optional
        The same arguments and seed give the same arrays, bit for bit. None draws a seed and records it.

    Returns
    -------
    Packing

    Raises
    ------
    TypeError, ValueError
        If an argument is of the wrong type or out of range, or if the packing cannot be reached (the text says which
        fraction was).
    MemoryBudgetError
        If so many spheres do not fit into the memory of this machine; nothing has been made then.

    References
    ----------
    B. Widom, J. Chem. Phys. 44, 3888 (1966): random sequential addition.

    Examples
    --------
    >>> from bdg.lattices import pack_spheres
    >>> packing = pack_spheres((100, 100, 100), volume_fraction=0.2, diameter=20, minimum_gap=1, seed=1)
    >>> print(len(packing.centres), round(packing.volume_fraction, 3))
    48 0.201
    """
    box = box_lengths(size)
    fraction, sizes, gap = packing_arguments(volume_fraction, diameter, diameter_sigma, minimum_gap)
    wraps = flag("periodic", periodic)
    check_fit(box, sizes, gap, wraps)
    cost, spheres = predicted_packing(box, fraction, sizes, gap, wraps)
    sizes.check_number(spheres)
    budget.require(packing_building(cost, spheres))
    return pack(box, fraction, sizes, gap, wraps, resolve_seed(seed))


def flag(name: str, value: Any) -> bool:
    """Return ``value`` as a bool; TypeError if it is none."""
    if not isinstance(value, bool | np.bool_):
        raise TypeError(f"{name} must be True or False, for all axes together; got {value!r:.80}")
    return bool(value)


def box_lengths(size: Any) -> np.ndarray:
    """Return ``size`` as an array of 2 or 3 positive lengths."""
    if np.ndim(size) != 1 or len(size) not in (2, 3):
        raise ValueError(f"size must be 2 or 3 box lengths, such as (48, 48, 48); got {size!r:.80}")
    return np.array([length_in_range("size", length) for length in np.asarray(size).tolist()])


def packing_arguments(
    volume_fraction: Any, diameter: Any, diameter_sigma: Any, minimum_gap: Any
) -> tuple[float, Diameters, float]:
    """Check the arguments that need no box, and return the fraction, the distribution and the gap."""
    fraction = share("volume_fraction", volume_fraction)
    if fraction < SMALLEST_FRACTION:
        raise ValueError(f"volume_fraction must be at least {SMALLEST_FRACTION:g}; got {fraction:g}")
    sizes, gap = Diameters.parse(diameter, diameter_sigma), non_negative_number("minimum_gap", minimum_gap)
    return fraction, sizes, gap if gap == 0 else length_in_range("minimum_gap", gap)


def check_fit(box: np.ndarray, sizes: Diameters, gap: float, periodic: bool, layers: Layers | None = None) -> None:
    """Refuse grains that are larger than their layer, or than a periodic box with the gap to their own image."""
    if layers is not None:
        layers.count(float(box[-1]), periodic)
        if sizes.high > layers.thickness:
            raise ValueError(
                f"diameter = {sizes.high:g} does not fit into layers of thickness {layers.thickness:g}: grains lie "
                "wholly inside the MgO-rich layers. Use thicker layers or smaller grains."
            )
    across = box if layers is None else box[:-1]
    if periodic and sizes.high + gap > across.min():
        raise ValueError(
            f"diameter + minimum_gap = {sizes.high + gap:g} must not exceed the shortest length {across.min():g} of a "
            "periodic box: the grain would overlap itself. Use a larger box or periodic=False."
        )


def predicted_packing(
    box: np.ndarray, fraction: float, sizes: Diameters, gap: float, periodic: bool, layers: Layers | None = None
) -> tuple[Cost, float]:
    """Return what `pack` will take, and about how many spheres it will place, from its arguments alone."""
    dim = len(box)
    large = box if periodic else _large_box(box, fraction, sizes, gap, layers)
    density = fraction / sizes.mean_volume(dim) * (1.0 if layers is None else layers.fraction)
    spheres = max(1.0, density * float(np.prod(large)))
    reach = 0.0 if periodic else sizes.high
    cut = density * float(np.prod(box + reach) - np.prod(np.maximum(box - reach, 0.0)))
    with_gap = fraction * (1 + gap / sizes.high) ** dim
    return packing_cost(spheres, cut, with_gap, dim, sizes.low < sizes.high or sizes.sigma > 0), spheres


def pack(
    box: np.ndarray,
    fraction: float,
    sizes: Diameters,
    gap: float,
    periodic: bool,
    seed: int,
    layers: Layers | None = None,
) -> Packing:
    """Pack a box as `pack_spheres` says, from checked arguments; grains lie wholly inside the layers if there are any.

    ``fraction`` then refers to the volume of each MgO-rich layer.
    """
    rng = stream(seed, PACKING)
    large = box if periodic else _large_box(box, fraction, sizes, gap, layers)
    diameters, ranges = _draw(large, fraction, sizes, rng, layers)
    if sizes.sigma > 0:
        _check_drawn(float(diameters.max()), box, large, gap, layers)
    added = _add(diameters, large, fraction, gap, rng, ranges, layers)
    rich = float(np.prod(large)) if layers is None else _rich_volume(large, layers)
    packing_fraction = float(sphere_volume(diameters, len(box)).sum()) / rich
    if periodic:
        centres = wrap(added.centres, box)
        return Packing(centres, diameters, _tuple(box), True, packing_fraction, packing_fraction, seed, added.trials)
    centres, volume = _cut(added.centres, diameters, large, box, fraction / packing_fraction, sizes, rng, layers)
    beyond = np.maximum(np.maximum(-centres, centres - box), 0.0)
    inside = np.flatnonzero((beyond**2).sum(axis=1) < (diameters / 2) ** 2)
    if inside.size == 0:
        raise ValueError(
            f"the box of lengths {_tuple(box)} holds no grain at volume_fraction = {fraction:g} and diameters around "
            f"{sizes.high:g}: use a larger box, a larger fraction or another seed"
        )
    reached = float(volume) / (float(np.prod(box)) if layers is None else _rich_volume(box, layers))
    return Packing(
        centres[inside], diameters[inside], _tuple(box), False, reached, packing_fraction, seed, added.trials
    )


def centre_distances(centres: np.ndarray, period: Period) -> np.ndarray:
    """Return the distance (G,) from each centre to the nearest other one; infinite if there is no other.

    ``period`` has the box length of each periodic axis and None for open ones; distances are between nearest images.
    """
    if len(centres) < 2:
        return np.full(len(centres), np.inf)
    tree, box = periodic_tree(centres, period)
    distance, _ = tree.query(wrap(centres, box), k=2)
    return np.array(distance[:, 1])


def surface_gaps(centres: np.ndarray, diameters: np.ndarray, period: Period) -> np.ndarray:
    """Return the smallest distance (G,) between the surface of each sphere and that of any other; else infinite.

    Over all neighbours: among spheres of different sizes the nearest centre need not belong to the nearest surface.
    """
    number = len(centres)
    gaps = np.full(number, np.inf)
    if number < 2:
        return gaps
    tree, box = periodic_tree(centres, period)
    points, largest = wrap(centres, box), float(diameters.max())
    open_, k = np.arange(number), 2
    while open_.size:
        distance, other = tree.query(points[open_], k=k)
        apart = distance - (diameters[open_, None] + diameters[other]) / 2
        apart[other == open_[:, None]] = np.inf
        gaps[open_] = apart.min(axis=1)
        # A sphere farther away than the k-th cannot be nearer than this, were it the largest of all.
        unsure = distance[:, -1] - (diameters[open_] + largest) / 2 < gaps[open_]
        open_ = open_[unsure] if k < number else open_[:0]
        k = min(2 * k, number)
    return gaps


def _large_box(box: np.ndarray, fraction: float, sizes: Diameters, gap: float, layers: Layers | None) -> np.ndarray:
    """Return lengths of the packing that an open box is cut from: a margin of one largest grain and gap on each side.

    Along the last axis layers take the place of the margin: the packing has all layers that begin in the box, whole.
    """
    large = box + 2 * (sizes.largest + gap)
    free = len(box) if layers is None else len(box) - 1
    if layers is not None:
        large[-1] = layers.count(float(box[-1]), False) * layers.period
    density = fraction / sizes.mean_volume(len(box)) * (1.0 if layers is None else layers.fraction)
    grains = density * float(np.prod(large))
    if grains < FEWEST_IN_LARGE:
        large[:free] *= (FEWEST_IN_LARGE / grains) ** (1 / free)
    return large


def _rich_volume(box: np.ndarray, layers: Layers) -> float:
    return float(np.prod(box[:-1])) * layers.rich_length(float(box[-1]))


def _draw(
    box: np.ndarray, fraction: float, sizes: Diameters, rng: np.random.Generator, layers: Layers | None
) -> tuple[np.ndarray, tuple[np.ndarray, np.ndarray] | None]:
    """Return diameters for the whole packing, and for layers the range of each centre along the last axis."""
    dim = len(box)
    if layers is None:
        return sizes.draw(fraction * float(np.prod(box)), dim, rng), None
    volume = fraction * float(np.prod(box[:-1])) * layers.thickness
    drawn = [sizes.draw(volume, dim, rng) for _ in range(round(float(box[-1]) / layers.period))]
    diameters = np.concatenate(drawn)
    bottom = np.repeat(np.arange(len(drawn)) * layers.period, [len(each) for each in drawn])
    return diameters, (bottom + diameters / 2, bottom + layers.thickness - diameters / 2)


def _check_drawn(largest: float, box: np.ndarray, large: np.ndarray, gap: float, layers: Layers | None) -> None:
    """Refuse a lognormal diameter that came out too large for the box, the margin or the layers."""
    free = len(box) if layers is None else len(box) - 1
    margin = large[:free] - box[:free]
    room = float(margin.min()) if margin.any() else float(box[:free].min()) - gap
    room = room if layers is None else min(room, layers.thickness)
    if largest > room:
        raise ValueError(
            f"diameter_sigma is so large that a diameter of {largest:g} was drawn, for which there is no room "
            f"(at most {room:g}): use a smaller diameter_sigma, another seed, or a larger box or thicker layers"
        )


def _add(
    diameters: np.ndarray,
    box: np.ndarray,
    fraction: float,
    gap: float,
    rng: np.random.Generator,
    ranges: tuple[np.ndarray, np.ndarray] | None,
    layers: Layers | None,
) -> Addition:
    """Place all spheres or raise an error that says how far it went."""
    trials, best = 0, 0.0
    dim, number = len(box), len(diameters)
    volume = sphere_volume(diameters, dim)
    if number > 2 * SAMPLE and ranges is None:
        # A large packing that is out of reach would take minutes to fail: see how far a small one of the kind goes.
        few, share_few = diameters[:SAMPLE], volume[:SAMPLE].sum() / volume.sum()
        length = max(float(np.prod(box) * share_few) ** (1 / dim), few.max() + gap)
        sample = add_spheres(few, np.full(dim, length), gap, np.random.default_rng(0))
        trials, best = sample.trials, float(volume[:SAMPLE][sample.placed].sum() / volume[:SAMPLE].sum())
    if trials == 0 or best > CLEARLY_SHORT:
        for _ in range(RESTARTS if number <= FEW else 1):
            added = add_spheres(diameters, box, gap, rng, ranges)
            trials += added.trials
            if added.placed.all():
                return Addition(added.centres, added.placed, trials)
            best = max(best, float(volume[added.placed].sum() / volume.sum()))
    with_gap = fraction * float(sphere_volume(diameters + gap, dim).sum() / volume.sum())
    raise ValueError(
        f"volume_fraction = {fraction:g} could not be packed with minimum_gap = {gap:g}: random sequential addition "
        f"reached {best * fraction:.3g} in {trials} trials. Equal {'spheres' if dim == 3 else 'discs'} jam at "
        f"{JAMMING[dim]:g}; grains and gaps together would fill {with_gap:.3g}"
        f"{'' if layers is None else '; the walls of thin layers take more room'}. "
        "Lower volume_fraction or minimum_gap, or spread the diameters."
    )


def _cut(
    centres: np.ndarray,
    diameters: np.ndarray,
    large: np.ndarray,
    box: np.ndarray,
    scale: float,
    sizes: Diameters,
    rng: np.random.Generator,
    layers: Layers | None,
) -> tuple[np.ndarray, float]:
    """Cut the box where it holds ``scale`` times the mean over all places, within half a mean sphere and 5 %.

    Without layers the mean is packing fraction times box. Of a layer that the box cuts, it counts what lies inside.
    """
    free = len(box) if layers is None else len(box) - 1
    wide = np.where(np.arange(len(box)) < free, 4 * diameters.max(), box)
    in_slab = volume_inside(np.where(np.arange(len(box)) < free, wide / 2, centres), diameters, wide)
    volume = scale * float(in_slab.sum()) * float(np.prod(box[:free] / large[:free]))
    mean = sizes.mean_volume(len(box))
    centres, reached = cut_box(centres, diameters, large, box, volume, min(mean / 2, TOLERANCE * volume), rng, free)
    if abs(reached - volume) > mean:
        raise ValueError(
            f"volume_fraction was met nowhere within one grain in a box of lengths {_tuple(box)}: the spheres inside "
            f"have the volume {reached:g} instead of {volume:g}. Use a larger box or another seed."
        )
    return centres, reached


def _tuple(box: np.ndarray) -> tuple[float, ...]:
    return tuple(float(length) for length in box)
