r"""A system under a twist: every hop over d carries ``exp(i q.d)``, both spins.

.. math:: h_{ij}(q) = h_{ij} e^{i q \cdot d_{ij}}, \qquad d_{ij} = r_i - r_j, \qquad
          V^a_{ij} = \partial h_{ij}/\partial q_a = i\, d^a_{ij} h_{ij}

with i = to, j = from, and minimum-image displacements. By a gauge transformation it is a pairing that turns by
``-2 q.r`` (where the lattice is open, or q fits into the period).
"""

from __future__ import annotations

import dataclasses
from typing import Any

import numpy as np
import scipy.sparse as sp

from bdg.lattices.system import System

AXES = "xyz"


class Twist:
    """All twists of one system.

    Parameters
    ----------
    system : System

    Attributes
    ----------
    displacements : array (nnz, dim)
        ``r_i - r_j`` of every stored element of h.
    """

    def __init__(self, system: System) -> None:
        self.system = system
        self.entries = system.hamiltonian.tocoo()
        self.rows, self.columns = self.entries.row // system.norbs, self.entries.col // system.norbs
        self.displacements = system.displacement(self.columns, self.rows)

    def system_at(self, twist: np.ndarray) -> System:
        """Return the system with ``h_ij exp(i q.d_ij)``, q an array (dim,) in radian per length."""
        data = self.entries.data * np.exp(1j * self.displacements @ np.asarray(twist, dtype=float))
        matrix = sp.csr_matrix((data, (self.entries.row, self.entries.col)), shape=self.entries.shape)
        return dataclasses.replace(self.system, hamiltonian=matrix)

    def velocity(self, axis: int) -> sp.csr_matrix:
        """Return V (s N, s N) of one axis."""
        data = 1j * self.displacements[:, axis] * self.entries.data
        return sp.csr_matrix((data, (self.entries.row, self.entries.col)), shape=self.entries.shape)


def require_directions(direction: Any, system: System) -> list[int]:
    """Return the axes that "x", "y", "z" or "all" names, each one that a phase can be twisted along.

    A periodic axis always is one, if no bond spans half of its period. An open one is if there is pairing at both of
    its ends (within the longest bond): the electrodes, between which the phase difference is imposed.

    Raises
    ------
    ValueError
        If the name is unknown, or an axis is none of these.
    """
    dim = system.positions.shape[1]
    names = AXES[:dim]
    if direction == "all":
        axes = list(range(dim))
    elif isinstance(direction, str) and len(direction) == 1 and direction in names:
        axes = [names.index(direction)]
    else:
        raise ValueError(f"direction must be one of {', '.join(map(repr, names))} or 'all'; got {direction!r}")
    twist = Twist(system)
    for axis in axes:
        _require_axis(axis, system, twist.displacements[:, axis])
    return axes


def _require_axis(axis: int, system: System, along: np.ndarray) -> None:
    longest = float(abs(along).max(initial=0.0))
    if not longest:
        raise ValueError(f"direction {AXES[axis]!r}: no bond of the system has a component along it")
    length = system.period[axis]
    if length is not None:
        if 2 * longest >= length * (1 - 1e-9):
            raise ValueError(
                f"direction {AXES[axis]!r}: a bond spans half of the period {length:g}, so that its direction is not "
                "known; make the system at least three sites long there"
            )
        return
    place = system.positions[:, axis]
    rows = np.asarray(abs(system.pairing_block).sum(axis=1))
    paired = np.asarray(rows.reshape(-1, system.norbs).sum(axis=1) > 0)
    for name, end in (("lower", place - place.min()), ("upper", place.max() - place)):
        if not paired[end < longest * (1 - 1e-9)].any():
            raise ValueError(
                f"direction {AXES[axis]!r} is open and the system has no pairing at its {name} end: a twist along an "
                "open axis is a phase difference between two superconducting ends. Add electrodes (layers with delta) "
                "at both ends, or make the axis periodic"
            )
