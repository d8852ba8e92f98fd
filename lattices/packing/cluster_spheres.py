r"""Packings of fractal clusters: spheres in contact within a cluster, the clusters at random places without overlap."""

from __future__ import annotations

from typing import Any

import numpy as np

from bdg.lattices import budget
from bdg.lattices.arguments import length_in_range, real_number, whole_number
from bdg.lattices.geometry import wrap
from bdg.lattices.packing.aggregates import AggregationError, Scaling, aggregates, random_rotations
from bdg.lattices.packing.building_costs import Cost, packing_building, packing_cost
from bdg.lattices.packing.pack_spheres import Packing, box_lengths, check_fit, packing_arguments
from bdg.lattices.packing.sequential_addition import CellGrid, settled_in_order
from bdg.lattices.seeds import PACKING, resolve_seed, stream

LEAST_DIMENSION, MOST_DIMENSION = 1.1, 2.5
PREFACTORS = 0.5, 3.0
TRIALS_AT_LEAST, TRIALS_A_CLUSTER = 400_000, 20_000  # places that are tried for all clusters before giving up
RESTARTS = 3  # the first clusters may leave too little room by chance: begin again
_BATCH, _POINTS = 4096, 200_000  # clusters, and spheres in them, that are tried at once
_LAYING = 3.0  # times the memory and the time of single spheres: all places of a batch of clusters are held


def cluster_spheres(
    size: Any,
    *,
    volume_fraction: float,
    diameter: float,
    cluster_size: int,
    fractal_dimension: float = 1.67,
    prefactor: float = 1.35,
    minimum_gap: float = 0.0,
    seed: int | None = None,
) -> Packing:
    r"""Pack equal spheres into fractal clusters, and the clusters at random into a periodic box.

    .. math:: N_c = k \left(\frac{R_g}{a}\right)^D, \qquad R_g^2 = \frac{1}{N_c} \sum_i (r_i - \bar r)^2 + \frac35 a^2

    holds for every cluster of three spheres or more, a being half the distance of two spheres in contact. Clusters grow
    by joining halves (tunable cluster-cluster aggregation); one after another is turned and put at random where it
    fits. Spheres of one cluster stand together in the result: sphere g belongs to cluster ``g // cluster_size``.

    Parameters
    ----------
    size : sequence of 3 floats
        Lengths of the box, in the unit of ``diameter``. The box repeats itself.
    volume_fraction : float
        Volume of the spheres over that of the box, reached within half a sphere (one is always placed).
    diameter : float
    cluster_size : int
        Spheres N_c of a cluster; the last cluster has what is left.
    fractal_dimension : float
        D, from 1.1 to 2.5.
    prefactor : float
        k, from 0.5 to 3. The default holds for two spheres in contact, too; aggregation by diffusion has 1.2 to 1.4.
    minimum_gap : float
        Between two surfaces, also of spheres in contact within a cluster.
    seed : int, optional
        The same arguments and seed give the same arrays, bit for bit. None draws a seed and records it.

    Returns
    -------
    Packing
        Periodic; ``trials`` counts the places that were tried for clusters.

    Raises
    ------
    TypeError, ValueError
        If an argument is of the wrong type or out of range, there are no such clusters, or they cannot be placed (the
        text says how far it went).
    MemoryBudgetError
        If so many spheres do not fit into the memory of this machine; nothing has been made then.

    References
    ----------
    A. V. Filippov, M. Zurita, D. E. Rosner, J. Colloid Interface Sci. 229, 261 (2000): tunable aggregation.
    C. M. Sorensen, G. C. Roberts, J. Colloid Interface Sci. 186, 447 (1997): prefactors.

    Examples
    --------
    >>> from bdg.lattices import cluster_spheres
    >>> packing = cluster_spheres((200, 200, 200), volume_fraction=0.05, diameter=20, cluster_size=12, seed=1)
    >>> print(len(packing.centres) // 12)  # whole clusters
    7
    """
    box = box_lengths(size)
    if box.size != 3:
        raise ValueError(f"size must be 3 box lengths, such as (300, 300, 300); got {size!r:.80}")
    fraction, sizes, gap = packing_arguments(volume_fraction, length_in_range("diameter", diameter), 0.0, minimum_gap)
    members = whole_number("cluster_size", cluster_size, 1, unit="spheres")
    scaling = Scaling(
        _in_range("fractal_dimension", fractal_dimension, (LEAST_DIMENSION, MOST_DIMENSION)),
        _in_range("prefactor", prefactor, PREFACTORS),
    )
    check_fit(box, sizes, gap, True)
    expected = max(1.0, fraction * float(box.prod()) / sizes.mean_volume(3))
    sizes.check_number(expected)
    budget.require(packing_building(_cost(expected, fraction), expected))
    number, given = round(expected), resolve_seed(seed)
    rng = stream(given, PACKING)
    trials, best = 0, 0
    for _ in range(RESTARTS):
        shapes = _grown(number, members, scaling, sizes.high + gap, rng)
        centres, tried = _laid(shapes, sizes.high, gap, box, rng)
        trials, best = trials + tried, max(best, len(centres))
        if len(centres) == number:
            reached = float(number * sizes.mean_volume(3) / box.prod())
            lengths = tuple(float(length) for length in box)
            return Packing(centres, np.full(number, sizes.high), lengths, True, reached, reached, given, trials)
    raise ValueError(
        f"volume_fraction = {fraction:g} could not be reached with clusters of {members} spheres and minimum_gap = "
        f"{gap:g}: {best} of {number} spheres found a place in {trials} trials. Lower volume_fraction, cluster_size "
        "or minimum_gap, or take a larger fractal_dimension"
    )


def _in_range(name: str, value: Any, ends: tuple[float, float]) -> float:
    number = real_number(name, value)
    if not ends[0] <= number <= ends[1]:
        raise ValueError(f"{name} must lie between {ends[0]:g} and {ends[1]:g}; got {number:g}")
    return number


def _cost(spheres: float, fraction: float) -> Cost:
    each = packing_cost(spheres, 0.0, fraction, 3, False)
    return Cost(_LAYING * each.bytes, _LAYING * each.seconds)


def _grown(number: int, members: int, scaling: Scaling, contact: float, rng: np.random.Generator) -> list[np.ndarray]:
    """Return the clusters, (M, members, 3) and, if spheres are left, one of the others."""
    whole, rest = divmod(number, members)
    counts = [(whole, members)] * (whole > 0) + [(1, rest)] * (rest > 0)
    try:
        return [contact / 2 * aggregates(*count, scaling, rng) for count in counts]
    except AggregationError as error:
        raise ValueError(
            f"fractal_dimension = {scaling.dimension:g} and prefactor = {scaling.prefactor:g} belong to no clusters of "
            f"{members} spheres in contact: {error}. Use a prefactor nearer to 1.35, or another dimension"
        ) from error


def _laid(
    shapes: list[np.ndarray], diameter: float, gap: float, box: np.ndarray, rng: np.random.Generator
) -> tuple[np.ndarray, int]:
    """Return the centres (P, 3) of all spheres that found a place, cluster after cluster, and the trials it took."""
    centres, trials = np.empty((0, 3)), 0
    for clusters in shapes:
        added, tried = _placed(clusters, centres, diameter, gap, box, rng)
        centres, trials = np.concatenate([centres, added]), trials + tried
        if len(added) < clusters.shape[0] * clusters.shape[1]:
            break
    return centres, trials


def _placed(
    clusters: np.ndarray, around: np.ndarray, diameter: float, gap: float, box: np.ndarray, rng: np.random.Generator
) -> tuple[np.ndarray, int]:
    """Return the centres of clusters (M, n, 3), turned and put where they touch neither each other nor ``around``."""
    number, members = clusters.shape[:2]
    centres = np.full(clusters.shape, np.nan)
    waiting, trials = np.arange(number), 0
    batch = int(np.clip(_POINTS // members, 16, _BATCH))
    while waiting.size and trials < max(TRIALS_AT_LEAST, TRIALS_A_CLUSTER * number):
        owner = np.repeat(waiting[:batch], max(1, min(batch // waiting.size, trials // number)))
        turns, places = random_rotations(owner.size, rng), rng.random((owner.size, 1, 3)) * box
        trials += owner.size
        lying = np.concatenate([around, centres[~np.isnan(centres[:, 0, 0])].reshape(-1, 3)])
        grid = CellGrid(lying, np.full(len(lying), diameter / 2), box, diameter + gap)
        free, start = np.arange(owner.size), 0
        while start < members:  # few spheres of each are looked up before the rest
            stop = min(2 * start + 1, members)
            points = _moved(clusters[owner[free], start:stop], turns[free], places[free], box)
            blocked = grid.blocked(points.reshape(-1, 3), np.full(points.size // 3, diameter / 2), gap)
            free, start = free[~blocked.reshape(free.size, stop - start).any(axis=1)], stop
        free = free[np.unique(owner[free], return_index=True)[1]]
        points = _moved(clusters[owner[free]], turns[free], places[free], box)
        kept = _apart(points, diameter, gap, box)
        centres[owner[free[kept]]] = points[kept]
        waiting = np.flatnonzero(np.isnan(centres[:, 0, 0]))
    return centres[~np.isnan(centres[:, 0, 0])].reshape(-1, 3), trials


def _moved(clusters: np.ndarray, turns: np.ndarray, places: np.ndarray, box: np.ndarray) -> np.ndarray:
    points = clusters @ turns + places
    return wrap(points.reshape(-1, 3), box).reshape(points.shape)


def _apart(points: np.ndarray, diameter: float, gap: float, box: np.ndarray) -> np.ndarray:
    """Return which clusters (T, n, 3) neither meet their own images nor one that came earlier and stays."""
    number, members = points.shape[:2]
    spheres = points.reshape(-1, 3)
    pairs = CellGrid(spheres, np.full(len(spheres), diameter / 2), box, diameter + gap).own_pairs(gap)
    earlier, later = (side // members for side in pairs)
    alone = np.ones(number, dtype=bool)
    alone[earlier[earlier == later]] = False
    kept = alone[earlier] & alone[later]
    return alone & settled_in_order(number, earlier[kept], later[kept])
