"""Random sequential addition of hard spheres in a periodic box, by cell lists and in batches.

A sphere is put at a uniformly random place; if it overlaps one that lies already, the trial is thrown away, else the
sphere stays for good. Thousands of trials are drawn at once. What lies already is looked up in cells (`CellGrid`);
trials of one batch that overlap each other are settled in the order in which they were drawn. So the result is
distributed exactly as if the trials had been made one after another, and the cost grows with the number of trials,
not with the square of the number of spheres.

Spheres of different sizes are placed in classes, each within a factor 1.5 in diameter, the class of the largest first:
otherwise small spheres would take the room that large ones need.
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

# Where random sequential addition of equal discs (Hinrichsen, Feder, Jossang 1986) and of equal spheres (Talbot,
# Schaaf, Tarjus 1991) ends.
JAMMING = {2: 0.547, 3: 0.382}
BATCH = 16384  # trials at once: large enough for NumPy, small enough for the cache
CLASS_RATIO = 1.5  # largest over smallest diameter of a class
# Budget before giving up: equal spheres in 3-D take 36 trials a sphere to 30 %, 260 to 34 %, 1350 to 36 %.
TRIALS_AT_LEAST = 300_000
TRIALS_A_SPHERE = 2000


@dataclass(frozen=True)
class Addition:
    """What random sequential addition reached: ``centres`` (N, dim), NaN where ``placed`` (N,) is False."""

    centres: np.ndarray
    placed: np.ndarray
    trials: int


class CellGrid:
    """Spheres sorted into the cells of a periodic box; a cell is at least ``reach`` wide along every axis.

    So whatever comes closer than ``reach`` to a point lies in the point's own cell or in one that touches it.
    """

    def __init__(self, centres: np.ndarray, radii: np.ndarray, box: np.ndarray, reach: float):
        dim = len(box)
        most = int(np.ceil((2 * len(centres) + 1) ** (1 / dim)))  # more cells than this only cost memory
        self.shape = np.clip(box / reach, 1, max(most, 1)).astype(np.int64)
        self.box = box
        cells = self._ravel(self._cells(centres))
        order = np.argsort(cells, kind="stable")
        self.order, self.centres, self.radii = order, centres[order], radii[order]
        self.start = np.concatenate([[0], np.cumsum(np.bincount(cells, minlength=int(self.shape.prod())))])
        offsets = itertools.product(*[(-1, 0, 1) if n > 2 else tuple(range(n)) for n in self.shape])
        self.offsets = sorted(offsets, key=lambda offset: sum(map(abs, offset)))  # most overlaps are found first

    def _cells(self, points: np.ndarray) -> np.ndarray:
        return np.minimum((points / self.box * self.shape).astype(np.int64), self.shape - 1)

    def _ravel(self, cells: np.ndarray) -> np.ndarray:
        flat = cells[:, 0]
        for axis in range(1, len(self.shape)):
            flat = flat * self.shape[axis] + cells[:, axis]
        return flat

    def _overlaps(
        self, points: np.ndarray, radii: np.ndarray, cells: np.ndarray, offset: tuple[int, ...], gap: float
    ) -> tuple[np.ndarray, np.ndarray]:
        """Return pairs (point, place in the grid) that overlap, of spheres in the cells at ``offset``."""
        neighbour = self._ravel((cells + np.array(offset)) % self.shape)
        first = self.start[neighbour]
        count = self.start[neighbour + 1] - first
        point = np.repeat(np.arange(len(points)), count)
        place = np.arange(len(point)) + np.repeat(first - (np.cumsum(count) - count), count)
        apart = points[point] - self.centres[place]
        apart -= self.box * np.rint(apart / self.box)
        near = (apart * apart).sum(axis=1) < (radii[point] + self.radii[place] + gap) ** 2
        return point[near], place[near]

    def blocked(self, points: np.ndarray, radii: np.ndarray, gap: float) -> np.ndarray:
        """Return, for each sphere at ``points``, whether it comes closer than ``gap`` to one of the grid."""
        hit = np.zeros(len(points), dtype=bool)
        cells = self._cells(points)
        for offset in self.offsets:
            open_ = np.flatnonzero(~hit)
            point, _ = self._overlaps(points[open_], radii[open_], cells[open_], offset, gap)
            hit[open_[point]] = True
        return hit

    def own_pairs(self, gap: float) -> tuple[np.ndarray, np.ndarray]:
        """Return the overlapping pairs (i, j), i < j in the caller's numbering, among the spheres of the grid."""
        cells = self._cells(self.centres)
        found = [self._overlaps(self.centres, self.radii, cells, offset, gap) for offset in self.offsets]
        i = self.order[np.concatenate([point for point, _ in found])]
        j = self.order[np.concatenate([place for _, place in found])]
        return i[i < j], j[i < j]


def add_spheres(
    diameters: np.ndarray,
    box: np.ndarray,
    gap: float,
    rng: np.random.Generator,
    last_axis: tuple[np.ndarray, np.ndarray] | None = None,
) -> Addition:
    """Place hard spheres one after another at random in a box that is periodic along every axis.

    Parameters
    ----------
    diameters : array (N,)
    box : array (dim,)
        Box lengths; every diameter plus ``gap`` must fit into each.
    gap : float
        Smallest distance between two surfaces.
    rng : numpy.random.Generator
    last_axis : pair of arrays (N,), optional
        Lowest and highest coordinate of each centre along the last axis; the whole box by default.

    Returns
    -------
    Addition
        In the order of ``diameters``. It is incomplete if ``max(300000, 2000 N)`` trials do not suffice: also if
        that is foreseen, because the rate of success, which only falls, is four times too low for what remains.
    """
    order = np.argsort(-diameters, kind="stable")
    centres = np.full((len(diameters), len(box)), np.nan)
    placed = np.zeros(len(diameters), dtype=bool)
    budget = max(TRIALS_AT_LEAST, TRIALS_A_SPHERE * len(diameters))
    low, high = last_axis if last_axis is not None else (np.zeros(len(order)), np.full(len(order), box[-1]))
    earlier: list[CellGrid] = []
    trials, window_start, window_successes = 0, 0, 0
    for members in _classes(diameters, order):
        reach = float(diameters[members[0]] + gap)  # of this class; smaller ones that follow reach less far
        waiting = members
        while waiting.size and trials < budget:
            owner = np.repeat(waiting[:BATCH], max(1, min(BATCH // waiting.size, trials // len(diameters))))
            points = rng.random((owner.size, len(box))) * box
            points[:, -1] = low[owner] + points[:, -1] / box[-1] * (high[owner] - low[owner])
            trials += owner.size
            mine = members[placed[members]]
            grids = [*earlier, CellGrid(centres[mine], diameters[mine] / 2, box, reach)]
            chosen = _first_free(owner, points, diameters[owner] / 2, grids, gap)
            accepted = _first_come(points[chosen], diameters[owner[chosen]] / 2, box, reach, gap)
            winners = chosen[accepted]
            centres[owner[winners]] = points[winners]
            placed[owner[winners]] = True
            waiting = waiting[~placed[waiting]]
            window_successes += winners.size
            window = trials - window_start
            if window > TRIALS_AT_LEAST // 2:
                if 4 * (window_successes + 4) * (budget - trials) < waiting.size * window:
                    break
                window_start, window_successes = trials, 0
        if waiting.size:
            break
        earlier.append(CellGrid(centres[members], diameters[members] / 2, box, reach))
    return Addition(centres, placed, trials)


def _classes(diameters: np.ndarray, order: np.ndarray) -> Sequence[np.ndarray]:
    """Split ``order`` (descending diameters) into runs whose diameters agree within `CLASS_RATIO`."""
    decreasing = diameters[order]
    classes, start = [], 0
    while start < len(order):
        stop = start + int(np.searchsorted(-decreasing[start:], -decreasing[start] / CLASS_RATIO, side="right"))
        classes.append(order[start:stop])
        start = stop
    return classes


def _first_free(
    owner: np.ndarray, points: np.ndarray, radii: np.ndarray, grids: Sequence[CellGrid], gap: float
) -> np.ndarray:
    """Return, for each sphere, its first trial that meets nothing placed before (indices of trials, ascending)."""
    free = np.arange(len(points))
    for grid in grids:
        free = free[~grid.blocked(points[free], radii[free], gap)]
    _, first = np.unique(owner[free], return_index=True)  # trials of one owner stand together, in order
    return np.sort(free[first])


def _first_come(points: np.ndarray, radii: np.ndarray, box: np.ndarray, reach: float, gap: float) -> np.ndarray:
    """Return which trials stay if they are made one after another: those that overlap no earlier one that stays."""
    earlier, later = CellGrid(points, radii, box, reach).own_pairs(gap)
    return settled_in_order(len(points), earlier, later)


def settled_in_order(number: int, earlier: np.ndarray, later: np.ndarray) -> np.ndarray:
    """Return which of a number of trials stay, one after another, if pairs (earlier, later) exclude each other."""
    stays = np.zeros(number, dtype=bool)
    undecided = np.ones(number, dtype=bool)
    while undecided.any():
        waits = np.zeros(number, dtype=bool)
        waits[later] = True
        settled = undecided & ~waits
        stays |= settled
        undecided &= ~settled
        undecided[later[settled[earlier]]] = False
        open_ = undecided[earlier] & undecided[later]
        earlier, later = earlier[open_], later[open_]
    return stays
