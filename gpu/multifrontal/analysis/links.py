"""Index arrays of the fronts, on the host and on the device."""

from __future__ import annotations

from dataclasses import dataclass, field, fields, replace
from typing import Any

import numpy as np


@dataclass(frozen=True, eq=False)
class Link:
    """Fronts of one class whose parents lie in one other class, one child per parent.

    Attributes
    ----------
    child, parent : int
        Numbers of the two classes.
    rows : array (k,)
        The children within their class.
    parents : array (k,)
        Their parents within theirs.
    places : array (k, u)
        Row of the parent's front for each row of the child's U; padded rows go to places that the child does not use.
    runs : list of k entries
        Unbroken stretches ``(begin, place, end)`` of the same map without padding, or None where there are many.
        For the CPU.
    whole : bool
        True if ``rows`` is all of the child class in order.
    """

    child: int
    parent: int
    rows: Any
    parents: Any
    places: Any
    runs: list[list[tuple[int, int, int]] | None]
    whole: bool
    _flat: dict[int, np.ndarray] = field(default_factory=dict)

    def flat(self, m: int) -> np.ndarray:
        """Return the rows of the stack of parents' fronts (n m,) for all rows of U; on the host."""
        if m not in self._flat:
            self._flat[m] = (np.asarray(self.parents)[:, None] * m + self.places).ravel().astype(np.intp)
        return self._flat[m]


@dataclass(eq=False)
class FrontClass:
    """A stack of ``n`` fronts with ``a`` pivot rows and ``u`` update rows each, m = a + u.

    Attributes
    ----------
    nodes : array (n,)
        Nodes of the separator tree, on the host always.
    pivots, updates : arrays (n, a), (n, u)
        Rows of the matrix; padding points to the dummy row behind the last one.
    source, target : arrays
        ``front.flat[target] = values.flat[source]`` assembles the rows of P: pivot blocks whole, update blocks.
    lower_source, lower_target : arrays
        The same for the blocks (U, P), which only general matrices need.
    inverse_target, inverse_lower_target : arrays
        Where the inverse holds these elements: as ``target`` for inner nodes, in (n, a, m) and (n, u, a) for leaves.
    ones : array
        Diagonal of the padded pivots.
    up : list of Link
        To the parents.
    down : list of Link
        To the children.
    takes_over : bool
        Each front is what its only child leaves, row by row: the Schur complements become the fronts.
    """

    nodes: np.ndarray
    a: int
    u: int
    is_leaf: bool
    pivots: Any
    updates: Any
    source: Any
    target: Any
    lower_source: Any
    lower_target: Any
    inverse_target: Any
    inverse_lower_target: Any
    ones: Any
    up: list[Link] = field(default_factory=list)
    down: list[Link] = field(default_factory=list)
    takes_over: bool = False

    @property
    def n(self) -> int:
        """Number of fronts."""
        return self.nodes.size

    @property
    def m(self) -> int:
        """Rows of a front."""
        return self.a + self.u

    @property
    def is_thin(self) -> bool:
        """True if the stack consists of leaves that something is above of."""
        return self.is_leaf and not self.down and self.a > 0 and self.u > 0


class Uploader:
    """Copies host arrays to a device, each once."""

    def __init__(self, xp: Any) -> None:
        self._xp = xp
        self._copies: dict[int, tuple[np.ndarray, Any]] = {}

    def array(self, array: np.ndarray) -> Any:
        """Return the array on the device."""
        if id(array) not in self._copies:
            self._copies[id(array)] = (array, self._xp.asarray(array))
        return self._copies[id(array)][1]

    def link(self, link: Link) -> Link:
        """Return the link with its arrays on the device."""
        rows, parents, places = (self.array(x) for x in (link.rows, link.parents, link.places))
        return replace(link, rows=rows, parents=parents, places=places, runs=[], _flat={})

    def front_class(self, front_class: FrontClass) -> FrontClass:
        """Return the class with its index arrays on the device."""
        changes = {
            name.name: self.array(getattr(front_class, name.name))
            for name in fields(FrontClass)
            if name.name not in ("nodes", "a", "u", "is_leaf", "up", "down", "takes_over")
        }
        up, down = ([self.link(link) for link in links] for links in (front_class.up, front_class.down))
        return replace(front_class, **changes, up=up, down=down)
