"""Both sweeps of a solve on the CPU as one call of the compiled kernels (host_sweep.cpp), on all threads granted.

Every matrix is read once a sweep, with all columns at once; what is computed is that of
`bdg.gpu.multifrontal.factors.few_columns`, in another order. Tasks and parts do not depend on the number of threads,
and neither do the bits of a solution.
"""

from __future__ import annotations

import ctypes
from collections.abc import Sequence
from typing import Any

import numpy as np

from bdg.gpu.device.threads import threads_granted, threads_taken
from bdg.gpu.multifrontal.analysis.links import FrontClass
from bdg.gpu.multifrontal.analysis.subtrees import Subtrees, subtrees
from bdg.gpu.multifrontal.analysis.symbolic import Symbolic
from bdg.gpu.multifrontal.factors.stacked import Symmetry

MOST = 8  # columns
_WORTH_THREADS = 1 << 20  # bytes of factors: below, a solve takes less than some wake-ups
_SIZES = ("n_tasks", "n_levels", "length", "room")
_OF_FRONTS = ("shape", "place", "entries", "updates", "rows", "entry_row", "entry_column", "thin")
_OF_PARTS = ("task_fronts", "task_places", "level_fronts", "up_parts", "level_up", "down_parts", "level_down", "top")
_OF_FACTORS = ("matrices", "leads", "up_values", "down_values")
_FLAGS = ("up_turned", "down_turned", "up_conjugate", "down_conjugate")


class _Plan(ctypes.Structure):
    """`SweepPlan` of host_sweep.cpp."""

    _fields_ = [
        *((name, ctypes.c_longlong) for name in _SIZES),
        *((name, ctypes.c_void_p) for name in (*_OF_FRONTS, *_OF_PARTS, *_OF_FACTORS)),
        *((name, ctypes.c_int) for name in _FLAGS),
    ]


class CompiledSweep:
    """Solves with the factors of one matrix, on the host.

    Parameters
    ----------
    symbolic : Symbolic
    symmetry : "symmetric", "hermitian", "skew" or "general"
    stacks : sequence of (Pi, W, V)
        As of `StoredFactors`.
    values : array
        Elements of A on the pattern, flat, with one zero behind them.
    thin : set of int
        Stacks of leaves whose W and V are not there.
    library : ctypes library
        `bdg.gpu.kernels.compiling.host_library`.
    """

    def __init__(
        self,
        symbolic: Symbolic,
        symmetry: Symmetry,
        stacks: Sequence[tuple[Any, Any, Any]],
        values: np.ndarray,
        thin: frozenset[int],
        library: Any,
    ) -> None:
        self._symbolic, self._symmetry, self._stacks, self._values = symbolic, symmetry, stacks, values
        self._thin, self._dtype = thin, values.dtype
        self._worth_threads = sum(x.nbytes for stack in stacks for x in stack if x is not None) >= _WORTH_THREADS
        self._plans: dict[bool, tuple[_Plan, Any]] = {}  # by what is solved: the adjoint, or not
        self._call = getattr(library, f"sweep_{self._dtype.name}")
        self._call.restype = None
        self._idle: list[np.ndarray] = []  # memory of solves: asked for anew it is slow when first written to

    def takes(self, columns: np.ndarray) -> bool:
        """Return whether the columns are of the precision of the factors."""
        return columns.dtype in (self._dtype, self._dtype.type(0).real.dtype, np.result_type(self._dtype, np.complex64))

    def solve(self, columns: np.ndarray, adjoint: bool = False) -> np.ndarray:
        """Return ``A^-1 columns``, or ``(A^+)^-1 columns``, for columns (n_rows, R), as the transpose of an array."""
        plan, _ = self._plan(adjoint)
        n_rows, width = columns.shape
        pair = 2 if columns.dtype.kind == "c" and self._dtype.kind != "c" else 1  # real factors take complex as two
        if pair == 1 and columns.dtype != self._dtype:
            columns = columns.astype(self._dtype)
        solution = np.empty((width, n_rows), columns.dtype).T
        size = (plan.length + 2 * plan.room) * width * pair
        work = self._idle.pop() if self._idle else np.empty(0, self._dtype)
        if work.size < size:
            work = np.empty(size, self._dtype)
        self._call(
            ctypes.byref(plan),
            *_outside(columns, pair),
            *_outside(solution, pair),
            width * pair,
            ctypes.c_void_p(_address(work)),
            threads_taken(threads_granted() if self._worth_threads else 1),
        )
        self._idle.append(work)
        return solution

    def _plan(self, adjoint: bool) -> tuple[_Plan, Any]:
        if adjoint not in self._plans:
            parts = subtrees(self._symbolic)
            general = self._symmetry == "general"
            which = (2, 0, 1) if general and not adjoint else (1, 0, 2 if general else 1)
            kept: dict[str, Any] = {
                name: getattr(parts, name) for name in (*_OF_FRONTS, *_OF_PARTS) if hasattr(parts, name)
            }
            kept |= self._entries(parts, adjoint)
            kept["thin"] = np.isin(parts.number, sorted(self._thin)).astype(np.uint8)
            kept["matrices"], kept["leads"], used = _addresses(parts, self._stacks, which)
            turned = adjoint or not general
            plan = _Plan(
                n_tasks=len(parts.task_places),
                n_levels=parts.level_fronts.size - 1,
                length=parts.rows.size,
                room=parts.room,
                **{name: _address(kept[name]) for name in (*_OF_FRONTS, *_OF_PARTS, *_OF_FACTORS)},
                up_turned=turned,
                down_turned=adjoint,
                up_conjugate=adjoint or self._symmetry == "hermitian",
                down_conjugate=adjoint,
            )
            self._plans[adjoint] = plan, (kept, used)  # the plan only holds addresses
        return self._plans[adjoint]

    def _entries(self, parts: Subtrees, adjoint: bool) -> dict[str, np.ndarray]:
        """Return the elements of A between the leaves that have no W and what is above them, front by front."""
        number_of = np.full(len(self._stacks) + 1, 0)
        number_of[1:] = np.cumsum([c.n for c in self._symbolic.classes])
        front_of = np.zeros(number_of[-1], np.int64)
        front_of[number_of[parts.number] + parts.row] = np.arange(parts.number.size)
        found = [np.zeros((0, 3), np.int64)]
        below, above = [np.zeros(0, self._dtype)], [np.zeros(0, self._dtype)]
        for number in sorted(self._thin):
            c = self._symbolic.classes[number]
            places, right, left = _between(c, self._values, self._symmetry)
            places[:, 0] = front_of[number_of[number] + places[:, 0]]
            found.append(places)
            below.append(right)
            above.append(left)
        places = np.concatenate(found)
        order = np.lexsort((places[:, 1], places[:, 0]))
        down, up = np.concatenate(below)[order], np.concatenate(above)[order]
        if adjoint:
            down, up = up.conj(), down.conj()
        starts = np.searchsorted(places[order, 0], np.arange(parts.number.size + 1)).astype(np.int64)
        rows, columns = (np.ascontiguousarray(places[order, which], np.int32) for which in (1, 2))
        return {"entries": starts, "entry_row": rows, "entry_column": columns, "up_values": up, "down_values": down}


def _between(c: FrontClass, values: np.ndarray, symmetry: Symmetry) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return front, row in P and column in U of what is other than zero in a stack of leaves, A_PU and A_UP there."""
    row, column = c.target % c.m**2 // c.m, c.target % c.m
    outer = column >= c.a
    places = np.stack([c.target // c.m**2, row, column - c.a], axis=1)[outer]
    right = values[c.source[outer]]
    if symmetry == "general":
        order = np.lexsort(places.T[::-1])
        places, right = places[order], right[order]
        lower = np.stack([c.lower_target // c.m**2, c.lower_target % c.m, c.lower_target % c.m**2 // c.m])
        left = values[c.lower_source[np.lexsort(lower[::-1])]]
    else:
        left = {"symmetric": right, "hermitian": right.conj(), "skew": -right}[symmetry]
    there = (right != 0) | (left != 0)
    return places[there], right[there], left[there]


def _addresses(
    parts: Subtrees, stacks: Sequence[tuple[Any, Any, Any]], which: tuple[int, ...]
) -> tuple[np.ndarray, np.ndarray, list[np.ndarray]]:
    """Return the addresses (F, 3) of the matrices of each front, the distances of their rows, and what they are in.

    ``which`` of Pi, W and V is taken on the way up, for Pi and on the way down; 0 where there is none.
    """
    begin, step, lead = (np.zeros((len(stacks), 3), np.int64) for _ in range(3))
    used = []
    for number, stack in enumerate(stacks):
        for place, one in enumerate(which):
            matrices = stack[one]
            if matrices is None:
                continue
            if matrices.strides[2] != matrices.itemsize:
                matrices = np.ascontiguousarray(matrices)
            used.append(matrices)
            begin[number, place], step[number, place] = _address(matrices), matrices.strides[0]
            lead[number, place] = matrices.strides[1] // matrices.itemsize
    addresses = begin[parts.number] + step[parts.number] * parts.row[:, None]
    return np.ascontiguousarray(addresses), np.ascontiguousarray(lead[parts.number]), used


def _outside(columns: np.ndarray, pair: int) -> tuple[Any, Any]:
    """Return the address of columns and how they lie, as `Outside` of host_sweep.cpp."""
    number = columns.itemsize // pair
    by_row, by_column = (stride // number for stride in columns.strides)
    return ctypes.c_void_p(_address(columns)), (ctypes.c_longlong * 3)(by_row, by_column, pair)


def _address(array: np.ndarray) -> int:
    return array.__array_interface__["data"][0]
