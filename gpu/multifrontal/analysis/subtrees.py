"""Which fronts one thread takes after the other, and which all threads take together: the same for any number of them.

Tasks are subtrees of the separator tree, a small part of the whole each, in which one thread goes from front to front.
The fronts above them are taken level by level, each matrix in parts. A position is where a solve keeps a row: rows of
one task stand side by side, and behind them one for each row above that its fronts add to, so that no two tasks write
to the same place.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any
from weakref import WeakKeyDictionary

import numpy as np

from bdg.gpu.multifrontal.analysis.links import FrontClass
from bdg.gpu.multifrontal.analysis.symbolic import Symbolic

_TASKS = 32  # about so many, of equal size: enough for many threads, few enough to cover most of the factors
_LEAST_TASK = 1 << 15  # matrix elements read by one task
_PART = 1 << 13  # matrix elements of one part of a matrix, at least
_MOST_PARTS = 16  # of one matrix
_MULTIPLE = 8  # rows or columns of a part


@dataclass(frozen=True, eq=False)
class Subtrees:
    """Fronts that have pivots, task by task and then level by level, children first; see `SweepPlan` in host_sweep.cpp.

    Attributes
    ----------
    number, row : arrays (F,)
        The stack of each front, and its place in it.
    shape : array (F, 2), int32
        Pivots and updates.
    place : array (F, 3), int64
        Position of the first pivot, start in ``updates``, start in what its level keeps.
    updates : array, int32
        Positions of the rows of U of all fronts.
    rows : array (length,), int32
        Row of the matrix at a position, -1 for padding; for what a task adds to rows above, their positions.
    task_fronts, task_places : arrays (T + 1,), (T, 3), int64
        Fronts of a task; its first position, the first that stands for others, and their end.
    level_fronts, level_up, level_down : arrays (L + 1,), int64
        Fronts and parts of a level.
    up_parts, down_parts : arrays (parts, 3), int64
        Front, and from where to where of its updates or pivots.
    top : array (2,), int64
        Positions of the fronts above the tasks.
    room : int
        What the largest level keeps, in numbers a column.
    """

    number: np.ndarray
    row: np.ndarray
    shape: np.ndarray
    place: np.ndarray
    updates: np.ndarray
    rows: np.ndarray
    task_fronts: np.ndarray
    task_places: np.ndarray
    level_fronts: np.ndarray
    level_up: np.ndarray
    level_down: np.ndarray
    up_parts: np.ndarray
    down_parts: np.ndarray
    top: np.ndarray
    room: int


_KNOWN: WeakKeyDictionary[Symbolic, Subtrees] = WeakKeyDictionary()


def subtrees(symbolic: Symbolic) -> Subtrees:
    """Return tasks and levels of a symbolic factorisation; made once."""
    if symbolic not in _KNOWN:
        _KNOWN[symbolic] = _divided(symbolic.classes, symbolic.n_rows)
    return _KNOWN[symbolic]


def _divided(classes: list[FrontClass], n_rows: int) -> Subtrees:
    number = np.repeat(np.arange(len(classes)), [c.n for c in classes])
    row = np.concatenate([np.arange(c.n) for c in classes])
    shape = np.array([(c.a, c.u) for c in classes], np.int32).reshape(-1, 2)[number]
    task, level = _tasks_and_levels(classes, shape)
    n_tasks, n_levels = int(task.max(initial=-1)) + 1, int(level.max(initial=-1)) + 1
    group = np.where(task >= 0, task, n_tasks + level)
    order = np.argsort(group, kind="stable")
    order = order[shape[order, 0] > 0]
    number, row, shape, group = number[order], row[order], shape[order], group[order]
    bounds = np.searchsorted(group, np.arange(n_tasks + n_levels + 1))
    task_fronts, level_fronts = bounds[: n_tasks + 1], bounds[n_tasks:]
    pivots = _ragged([c.pivots for c in classes], number, row)
    updates = _ragged([c.updates for c in classes], number, row)
    pivot_start, update_start = _starts(shape[:, 0]), _starts(shape[:, 1])
    position, rows, task_places, places = _positions(
        pivots, updates, pivot_start[task_fronts], update_start[task_fronts], n_rows
    )
    place = np.stack([position[pivot_start[:-1]], update_start[:-1], np.zeros(number.size, np.int64)], axis=1)
    room = 0
    for first, last in zip(level_fronts, level_fronts[1:], strict=False):
        kept = _starts(shape[first:last].sum(axis=1))
        place[first:last, 2], room = kept[:-1], max(room, int(kept[-1]))
    up, down = _parts(shape, level_fronts, 1), _parts(shape, level_fronts, 0)
    top_begin = int(task_places[-1, 2]) if n_tasks else 0
    return Subtrees(
        number=number,
        row=row,
        shape=np.ascontiguousarray(shape),
        place=np.ascontiguousarray(place),
        updates=places.astype(np.int32),
        rows=rows.astype(np.int32),
        task_fronts=task_fronts.astype(np.int64),
        task_places=task_places,
        level_fronts=level_fronts.astype(np.int64),
        level_up=up[1],
        level_down=down[1],
        up_parts=up[0],
        down_parts=down[0],
        top=np.array([top_begin, rows.size], np.int64),
        room=room,
    )


def _tasks_and_levels(classes: list[FrontClass], shape: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return the task of each front, -1 above them, and there the level, else -1: fronts below in the longest chain."""
    first = _starts(np.array([c.n for c in classes]))
    parent = np.full(len(shape), -1)
    for number, c in enumerate(classes):
        for link in c.up:
            parent[first[number] + link.rows] = first[link.parent] + link.parents
    a, u = shape[:, 0].astype(float), shape[:, 1].astype(float)
    weight = a * (a + 2 * u)  # elements that both sweeps read
    for number in range(len(classes)):
        mine = slice(first[number], first[number + 1])
        above = parent[mine] >= 0
        np.add.at(weight, parent[mine][above], weight[mine][above])
    limit = max(weight[parent < 0].sum() / _TASKS, _LEAST_TASK)
    on_top = (weight > limit) & np.isin(np.arange(len(shape)), parent)  # leaves may have no W to be read in parts
    root, level = np.arange(len(shape)), np.where(on_top, 0, -1)
    for number in range(len(classes) - 1, -1, -1):
        mine = slice(first[number], first[number + 1])
        inside = (parent[mine] >= 0) & ~on_top[parent[mine]]
        root[mine][inside] = root[parent[mine][inside]]
    for front in np.flatnonzero(on_top & (parent >= 0)):
        level[parent[front]] = max(level[parent[front]], level[front] + 1)
    roots = np.flatnonzero((root == np.arange(len(shape))) & ~on_top)
    roots = roots[np.argsort(parent[roots], kind="stable")]  # neighbours together, which add to the same rows
    task = np.full(len(shape), -1)
    _, task[roots] = np.unique((np.cumsum(weight[roots]) - weight[roots]) // limit, return_inverse=True)
    return np.where(on_top, -1, task[root]), level


def _starts(sizes: np.ndarray) -> np.ndarray:
    """Return where each of consecutive pieces begins, and the end."""
    return np.concatenate([[0], np.cumsum(sizes, dtype=np.int64)])


def _ragged(arrays: list[Any], number: np.ndarray, row: np.ndarray) -> np.ndarray:
    """Return rows ``row`` of arrays ``number``, one after the other."""
    width = np.array([x.shape[1] for x in arrays], np.int64)
    begin = _starts(np.array([x.size for x in arrays]))[number] + row * width[number]
    sizes = width[number]
    flat = np.concatenate([x.reshape(-1) for x in arrays])
    return flat[np.repeat(begin - _starts(sizes)[:-1], sizes) + np.arange(sizes.sum())]


def _positions(
    pivots: np.ndarray, updates: np.ndarray, pivot_bounds: np.ndarray, update_bounds: np.ndarray, n_rows: int
) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Return the positions of pivots, the rows at positions, the positions of tasks, and the positions of updates.

    ``pivot_bounds`` and ``update_bounds`` say where the tasks begin and the last one ends. One position for padding is
    behind all others.
    """
    n_tasks = pivot_bounds.size - 1
    position = np.zeros(pivots.size + 1, np.int64)
    place_of = np.full(n_rows + 1, -1)
    outside, task_places, end = [], np.zeros((n_tasks, 3), np.int64), 0
    for task in range(n_tasks):
        mine, adds = slice(*pivot_bounds[task : task + 2]), slice(*update_bounds[task : task + 2])
        own = pivots[mine]
        others = np.setdiff1d(updates[adds], own[own < n_rows])  # with the row of padding, if it is there
        position[mine] = end + np.arange(own.size)
        outside.append(others)
        task_places[task] = end, end + own.size, end + own.size + others.size
        end += own.size + others.size
    position[pivot_bounds[-1] :] = end + np.arange(pivots.size + 1 - pivot_bounds[-1])
    length = int(position[-1]) + 1
    place_of[pivots] = position[:-1]
    place_of[n_rows] = length - 1
    rows = np.full(length, -1)
    rows[position[:-1]] = np.where(pivots < n_rows, pivots, -1)
    places = place_of[updates]
    for task in range(n_tasks):
        adds, (_, first, last) = slice(*update_bounds[task : task + 2]), task_places[task]
        rows[first:last] = place_of[outside[task]]
        at = np.searchsorted(outside[task], updates[adds])
        found = at < outside[task].size
        found[found] = outside[task][at[found]] == updates[adds][found]
        places[adds] = np.where(found, first + at, places[adds])
    return position, rows, task_places, places


def _parts(shape: np.ndarray, level_fronts: np.ndarray, which: int) -> tuple[np.ndarray, np.ndarray]:
    """Return the parts (parts, 3) of the fronts of levels, and where each level begins among them.

    Parts are of the updates (``which`` 1) or of the pivots (0).
    """
    found: list[tuple[int, int, int]] = []
    bounds = [0]
    for first, last in zip(level_fronts, level_fronts[1:], strict=False):
        for front in range(first, last):
            size, elements = int(shape[front, which]), int(shape[front, 0]) * int(shape[front].sum())
            pieces = int(np.clip(elements // _PART, 1, _MOST_PARTS))
            step = max(_MULTIPLE, -(-size // pieces // _MULTIPLE) * _MULTIPLE)
            found += [(front, begin, min(begin + step, size)) for begin in range(0, size, step)]
        bounds.append(len(found))
    return np.array(found, np.int64).reshape(-1, 3), np.array(bounds, np.int64)
