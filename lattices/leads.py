"""Leads of a system as arrays."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from bdg.lattices.system_fields import read_only


@dataclass(frozen=True, eq=False)
class Lead:
    """A semi-infinite lead as arrays: unit cell, hopping between cells, and the sites that it touches.

    Attributes
    ----------
    cell_hamiltonian : array (n, n)
        Hamiltonian of one unit cell of the lead, in the unit of the hopping.
    hopping : array (n, m)
        Hopping between neighbouring cells as kwant gives it (``inter_cell_hopping``).
    interface : array of int
        Sites of the system that the lead is attached to, in the order of the orbitals of the cell.
    norbs : int
        Orbitals a site.
    delta : complex
        On-site singlet pairing inside the lead; 0 for a normal lead.

    Examples
    --------
    >>> import numpy as np
    >>> from bdg.lattices import Lead, System
    >>> lead = Lead(cell_hamiltonian=np.zeros((1, 1)), hopping=np.array([[-1.0]]), interface=np.array([0]))
    >>> dimer = np.array([[0.0, -1.0], [-1.0, 0.0]])
    >>> wire = System(dimer, np.array([[0.0], [1.0]]), delta=0.3, leads=(lead,))
    >>> print(len(wire.leads), len(wire.without_leads().leads))
    1 0
    """

    cell_hamiltonian: np.ndarray
    hopping: np.ndarray
    interface: np.ndarray
    norbs: int = 1
    delta: complex = 0.0

    def __post_init__(self) -> None:
        for name in ("cell_hamiltonian", "hopping", "interface"):
            object.__setattr__(self, name, read_only(np.array(getattr(self, name))))

    def content(self) -> dict[str, Any]:
        """Return what a file holds of the lead."""
        return {
            "cell_hamiltonian": self.cell_hamiltonian,
            "hopping": self.hopping,
            "interface": self.interface,
            "norbs": self.norbs,
            "delta": np.atleast_1d(np.asarray(self.delta, dtype=complex)),
        }
