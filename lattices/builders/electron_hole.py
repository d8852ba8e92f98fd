"""Holes that a kwant builder already has: the package adds them itself, so they would be there twice.

What is recognised: a declared particle-hole symmetry, the two orbitals of each site, and site families on the same
positions, of which one part has ``-h*`` of the other. Opposite energies of sublattices on different positions, Zeeman
fields and spin-orbit coupling do not match.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import combinations
from typing import Any

import numpy as np
import scipy  # its parts load on use
import scipy.sparse as sp

_Half = tuple[np.ndarray, np.ndarray]  # sites of electrons, sites of holes, in one order of positions

_OPPOSITE_TOLERANCE = 1e-12  # relative to max|h|: rounding of value functions
_SAME_PLACE = 1e-9  # relative to the largest coordinate
_MOST_FAMILIES = 12  # of more, not all ways to divide them are tried
_INSIST = (
    "pass the matrix, which is taken as it is: from_hamiltonian(f.hamiltonian_submatrix(params=...), "
    "[site.pos for site in f.sites], norbs=...) with f = builder.finalized()"
)
# U in h_hole = -U h* U^+ for holes written as (c_up^+, c_dn^+), (c_dn^+, -c_up^+), (c_dn^+, c_up^+), (c_up^+, -c_dn^+).
_SPIN_BASES = (np.eye(2), np.array([[0.0, 1.0], [-1.0, 0.0]]), np.array([[0.0, 1.0], [1.0, 0.0]]), np.diag([1.0, -1.0]))


def refuse_declared_holes(system: Any) -> None:
    """Raise ValueError if a finalized system, or a lead of it, declares a particle-hole symmetry."""
    for what, part in [("the builder", system), *((f"lead {n}", lead) for n, lead in enumerate(system.leads))]:
        symmetries = getattr(part, "_symmetries", None)  # time reversal, particle-hole, chiral
        if symmetries is not None and symmetries[1] is not None:
            raise ValueError(
                f"{what} declares a particle-hole symmetry (Builder(particle_hole=...)): its orbitals are electrons "
                "and holes, and the package adds the holes itself. Build the electron part alone, without "
                "particle_hole, and give what couples it to the holes as delta (on a site) or pairing (between sites). "
                "If it describes electrons alone, leave out particle_hole"
            )


def refuse_hole_orbitals(hamiltonian: sp.csr_matrix, norbs: int) -> None:
    """Refuse two orbitals that are electron and hole: ``h_ij[1, 1] = -h_ij[0, 0]*`` everywhere, with hopping.

    A spin-independent hopping t has ``h_ij[1, 1] = h_ij[0, 0]``, so real spin systems do not match.
    """
    if norbs != 2:
        return
    electron, hole = hamiltonian[0::2, 0::2], hamiltonian[1::2, 1::2]
    scale = _largest(hamiltonian)
    hopping = sp.csr_matrix(electron - sp.diags_array(electron.diagonal()))
    if not hopping.nnz or abs(hopping).max() <= _OPPOSITE_TOLERANCE * scale:
        return
    if abs(hole + electron.conj()).max() <= _OPPOSITE_TOLERANCE * scale:
        raise ValueError(
            "the two orbitals of this builder are electron and hole: its blocks are opposite, h[1, 1] = -h[0, 0]*. "
            "norbs = 2 means spin (up, down) here, and the package adds the hole block itself. Pass the electron "
            "block alone with norbs = 1 and give the off-diagonal element as delta. (If the orbitals really are "
            "spins with opposite hopping, pass the matrix to from_hamiltonian with norbs=2.)"
        )


def refuse_hole_families(hamiltonian: sp.csr_matrix, sites: Sequence[Any], positions: np.ndarray, norbs: int) -> None:
    """Raise ValueError if half of the site families are the holes of the other half, on the same positions."""
    families: dict[Any, list[int]] = {}
    for number, site in enumerate(sites):
        families.setdefault(site.family, []).append(number)
    if len(families) % 2 or not 2 <= len(families) <= _MOST_FAMILIES:
        return
    orders = _orders([np.array(numbers) for numbers in families.values()], positions)
    names = [family.name or "unnamed" for family in families]
    for basis in _SPIN_BASES if norbs == 2 else (np.eye(1),):
        nambu = _Nambu(hamiltonian, basis)
        for pairs, halves in nambu.opposite_halves(orders, len(families)):
            if nambu.is_meant(*(np.concatenate(part) for part in zip(*halves, strict=True))):
                one, other = (", ".join(repr(names[family]) for family in part) for part in zip(*pairs, strict=True))
                raise ValueError(
                    f"the site families {one} and {other} of this builder are electrons and holes: on the same "
                    "positions h of one is -h* of the other. The package adds the holes itself: keep the electrons "
                    "alone, and give what couples them to the holes as delta (on a site) or pairing (between sites). "
                    f"If they really are electrons of two bands with exactly opposite energies, {_INSIST}"
                )


def _orders(members: list[np.ndarray], positions: np.ndarray) -> dict[tuple[int, int], _Half]:
    """Return, for each two families on the same positions, their sites in one order of positions."""
    near = _SAME_PLACE * float(abs(positions).max())
    found = {}
    for first, second in combinations(range(len(members)), 2):
        one, other = members[first], members[second]
        if one.size != other.size:
            continue
        distance, index = scipy.spatial.cKDTree(positions[other]).query(positions[one])
        if (distance <= near).all() and np.unique(index).size == one.size:
            found[first, second] = one, other[index]
    return found


class _Nambu:
    """The question whether some sites are the holes of others, with their spins in one basis.

    Parameters
    ----------
    hamiltonian : CSR (s N, s N)
    basis : array (s, s)
        U in ``h_hole = -U h* U^+``.
    """

    def __init__(self, hamiltonian: sp.csr_matrix, basis: np.ndarray) -> None:
        self.hamiltonian, self.basis, self.norbs = hamiltonian, basis, len(basis)
        self.tolerance = _OPPOSITE_TOLERANCE * _largest(hamiltonian)

    def opposite_halves(
        self, orders: dict[tuple[int, int], _Half], n_families: int
    ) -> Iterator[tuple[list[tuple[int, int]], list[_Half]]]:
        """Yield the ways to pair off all families so that h of the second ones is -h* of the first: numbers, sites."""

        def extend(pairs: list[tuple[int, int]], halves: list[_Half], left: list[int]) -> Iterator[Any]:
            if not left:
                yield pairs, halves
                return
            for other in left[1:]:
                if (left[0], other) not in orders:
                    continue
                one_way, rest = orders[left[0], other], [family for family in left[1:] if family != other]
                ways = [((left[0], other), one_way), ((other, left[0]), one_way[::-1])]
                for pair, half in ways[: 2 if pairs else 1]:  # all electrons and holes exchanged: the same
                    if all(self._opposite(half, known) for known in [*halves, half]):
                        yield from extend([*pairs, pair], [*halves, half], rest)

        yield from extend([], [], list(range(n_families)))

    def is_meant(self, electrons: np.ndarray, holes: np.ndarray) -> bool:
        """Return whether two opposite halves move (hopping within), or are atoms of an electron and a hole level each.

        Levels +m and -m on one place, with hopping from the one to the other between places, are a unit cell.
        """
        row, column = self._strong(electrons, electrons)
        if (row != column).any():
            return True
        here, there = self._strong(electrons, holes)
        return bool(row.size and here.size and (here == there).all())

    def _opposite(self, one: _Half, other: _Half) -> bool:
        """Return whether ``h[holes, holes'] = -U h[electrons, electrons']* U^+`` for two pairs (electrons, holes)."""
        electron, hole = self._block(one[0], other[0]), self._block(one[1], other[1])
        left, right = (sp.kron(sp.identity(sites.size), self.basis, format="csr") for sites in (one[0], other[0]))
        return _largest(sp.csr_matrix(hole + left @ electron.conj() @ right.T)) <= self.tolerance

    def _strong(self, rows: np.ndarray, columns: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Return the places within ``rows`` and ``columns`` of the elements that are not zero to rounding."""
        block = self._block(rows, columns).tocoo()
        strong = abs(block.data) > self.tolerance
        return block.row[strong] // self.norbs, block.col[strong] // self.norbs

    def _block(self, rows: np.ndarray, columns: np.ndarray) -> sp.csr_matrix:
        first, second = ((self.norbs * sites[:, None] + np.arange(self.norbs)).ravel() for sites in (rows, columns))
        return sp.csr_matrix(self.hamiltonian[first][:, second])


def _largest(matrix: sp.csr_matrix) -> float:
    return float(abs(matrix).max()) if matrix.nnz else 0.0
