r"""Two grains coupled through a plane: each half of the box eliminated on its own, the phase carried by the cut bonds.

Between the planes of sites on either side of the cut ``z - H`` leaves ``S_L`` and ``S_R``; a gauge moves the phase
difference from the right grain into the bonds T of the cut. With ``X = S_R - T^+ S_L^-1 T`` in Nambu space

.. math:: \frac{d}{d\varphi} \ln\det(z - H) = \mathrm{tr}\, X^{-1} \frac{dX}{d\varphi}, \qquad
          T_{12} = \mathrm{tr}\, \Gamma_L G_{LR} \Gamma_R G_{LR}^\dagger, \quad \Gamma = i (S^\dagger - S),

the latter of the normal box with absorbing grains (C. Caroli et al., J. Phys. C 4, 916 (1971)). For large grains this
is cheaper than matrices on all of their sites (`bdg.granular.couplings.two_grains`): 7 instead of 16 CPU seconds a pole
for 2482 sites in grains of a box of 22 000.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import scipy.sparse as sp

from bdg.base.hamiltonian import BdGHamiltonian
from bdg.gpu.multifrontal.factors.schur_complement import SchurComplement
from bdg.lattices.system import System
from bdg.methods import choice
from bdg.methods.symbolic import dof_rows, host_symbolic


class CutBox:
    """A box of two grains, cut across the first axis between them.

    Parameters
    ----------
    system : System
        norbs = 1, real; only nearest neighbours along the first axis.
    middle : float
        Where it is cut: no grain reaches across.
    device : str
    """

    def __init__(self, system: System, middle: float, device: str) -> None:
        self._backend = choice.devices(device, 2 * system.n_sites)[-1]
        along = system.positions[:, 0]
        right = along >= middle
        self._sides = [np.flatnonzero(along == plane) for plane in (along[~right].max(), along[right].min())]
        entries = system.hamiltonian.tocoo()
        kept = right[entries.row] == right[entries.col]
        inside = (entries.data[kept], (entries.row[kept], entries.col[kept]))
        self._halves = replace(system, hamiltonian=sp.csr_matrix(inside, shape=entries.shape), shared={})
        self._bonds = -system.hamiltonian[self._sides[0]][:, self._sides[1]].toarray()

    def force(self, z: complex, delta: float) -> float:
        """Return ``-Re d ln det(z - H)/dphi`` with delta in both grains, the phase of the second at pi/2."""
        xp, halves, size = self._backend.xp, self._halves, len(self._bonds)
        paired = halves.with_delta(np.where(halves.grain >= 0, delta, 0.0))
        left, right = self._surfaces(BdGHamiltonian(paired).matrix, z, holes=True)
        turn = np.exp(0.25j * np.pi)  # electrons take half of the phase, holes its opposite
        bonds, slope = np.zeros((2, 2 * size, 2 * size), dtype=complex)
        bonds[:size, :size], bonds[size:, size:] = self._bonds * turn, -self._bonds * turn.conjugate()
        slope[:size, :size], slope[size:, size:] = 0.5j * bonds[:size, :size], -0.5j * bonds[size:, size:]
        bonds, slope = xp.asarray(bonds), xp.asarray(slope)
        through = bonds.conj().T @ xp.linalg.inv(left)
        inverse = xp.linalg.inv(right - through @ bonds)
        change = slope.conj().T @ xp.linalg.solve(left, bonds) + through @ slope
        return float((inverse * change.T).sum().real)

    def transmission(self, eta: float, tiny: float) -> float:
        """Return T of one spin at the Fermi energy between the grains, which absorb with ``eta``."""
        xp, halves, size = self._backend.xp, self._halves, len(self._bonds)
        absorbing = halves.hamiltonian.astype(complex) - 1j * eta * sp.diags_array((halves.grain >= 0).astype(float))
        left, right = self._surfaces(sp.csr_matrix(absorbing), 1j * tiny, holes=False)
        bonds = xp.asarray(self._bonds.astype(complex))
        whole = xp.concatenate([xp.concatenate([left, bonds], 1), xp.concatenate([bonds.conj().T, right], 1)])
        green = xp.linalg.inv(whole)[:size, size:]
        rate_left, rate_right = (1j * (side.conj().T - side) for side in (left, right))
        return float((rate_left @ green @ rate_right * green.conj()).sum().real)

    def _surfaces(self, matrix: Any, z: complex, holes: bool) -> tuple[Any, Any]:
        """Return ``S_L`` and ``S_R``; in Nambu space electrons first, then holes."""
        sites = np.sort(np.concatenate(self._sides))
        symbolic = host_symbolic(self._halves, self._backend, sites, holes=holes)
        complement = SchurComplement(symbolic, symbolic.pattern.split(matrix), z, self._backend).complement
        rows = dof_rows(self._halves) if holes else np.arange(self._halves.n_sites)[:, None]
        places = np.sort(rows[sites].ravel())
        found = []
        for side in self._sides:
            own = self._backend.xp.asarray(np.searchsorted(places, rows[side].T.ravel()))
            found.append(complement[own[:, None], own])
        return found[0], found[1]
