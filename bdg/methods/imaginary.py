r"""Factors of ``i w - H`` in real arithmetic, and what is read off ``G = (i w - H)^{-1}``.

On the imaginary axis the particle-hole symmetry saves three quarters of the complex arithmetic: factors are quaternions
for norbs = 1 (operator squared -1) and real in the Majorana basis for norbs = 2 (operator squared +1).
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from functools import cached_property
from typing import Any

import numpy as np

from bdg.base.hamiltonian import BdGHamiltonian
from bdg.gpu.device.backend import Backend
from bdg.gpu.multifrontal import BlockMatrix, Restriction, Symbolic, predict_memory
from bdg.gpu.multifrontal.imaginary.majorana import MajoranaFactor, MajoranaForm, MajoranaInverse
from bdg.gpu.multifrontal.imaginary.quaternion import NambuInverse, QuaternionFactor
from bdg.gpu.multifrontal.imaginary.solve import majorana_solve, quaternion_solve
from bdg.lattices.nambu import particle_hole
from bdg.methods.symbolic import quaternion_symbolic, whole_symbolic


class ImaginaryForm(ABC):
    """How ``i w - H`` is factorised at any w > 0; what does not depend on w is made once, when it is asked for.

    Attributes
    ----------
    name : str
        One of `bdg.gpu.cost.model.FORMS`.
    planes : int
        Real matrices that a factor consists of.
    general : bool
        Whether H is complex, so that factors may be neither symmetric nor Hermitian.
    """

    name: str
    planes: int

    def __init__(self, hamiltonian: BdGHamiltonian, backend: Backend) -> None:
        self._hamiltonian, self._backend = hamiltonian, backend
        self.general = hamiltonian.dtype.kind == "c"
        self._kept: list[int] = []  # bytes of each factor, in the order in which threads made them

    @property
    @abstractmethod
    def symbolic(self) -> Symbolic:
        """Symbolic factorisation that the factors follow."""

    @property
    def factor_bytes(self) -> int:
        """Bytes of the largest factor that was made."""
        return max(self._kept, default=0)

    @property
    def variant(self) -> str:
        """The name, with what has been found out about the symmetry of the factors."""
        return self.name

    @property
    def bytes_at_once(self) -> float:
        """Bytes of a factor with its selected inverse, without the index arrays that all share."""
        found = predict_memory(self.symbolic, float, self.general, on_device=self._backend.device != "cpu")
        return self.planes * max(found.factor_peak, found.releasing_peak)

    @cached_property
    def whole(self) -> BlockMatrix:
        """H with all rows of a site in one block, as complex factors take it, too."""
        system = self._hamiltonian.system
        return whole_symbolic(system, self._backend).pattern.split(self._hamiltonian.matrix)

    @abstractmethod
    def linear(self, factor: float) -> tuple[np.ndarray, np.ndarray]:
        """Return ``factor * H``: electron-electron and electron-hole blocks (n_blocks, s, s) on the pattern."""

    def factorise(self, frequency: float, single: bool = False, log_determinant: bool = False) -> Any:
        """Return the factors at ``i frequency``, optionally in single precision or with ``log_determinant``."""
        factor = self._factorised(float(frequency), single, log_determinant)
        self._kept.append(factor.kept_bytes)
        return factor

    @abstractmethod
    def apply(self, factor: Any, columns: Any) -> Any:
        """Return ``G columns`` on the device, without refinement."""

    def places(self, sites: np.ndarray) -> Any:
        """Return where on the pattern, on the device, the blocks of sites with themselves stand."""
        return self._backend.xp.asarray(self.symbolic.pattern.diagonal[sites])

    def diagonal(self, factor: Any, places: Any, restriction: Restriction | None = None) -> np.ndarray:
        """Return the blocks (S, 2 s, 2 s) of G of sites with themselves, on the host."""
        return self._blocks(factor.selected_inverse(restriction), places)

    def elements(self, factor: Any) -> tuple[np.ndarray, np.ndarray]:
        """Return ``[G + G^+]/2`` on the pattern as `linear` has H, on the host; the factors are given up."""
        spins, whole = self._hamiltonian.system.norbs, self._blocks(factor.selected_inverse(release=True))
        whole = 0.5 * (whole + whole[self.symbolic.pattern.transposed].conj().swapaxes(1, 2))
        return whole[:, :spins, :spins], whole[:, :spins, spins:]

    def onsite_pairing(self, factor: Any, places: Any, restriction: Restriction | None = None) -> np.ndarray:
        """Return ``[G + G^+]/2`` between electron and hole of sites (S,), the mean of spins, on the host.

        The factors are given up.
        """
        return self._pairing(factor.selected_inverse(restriction, release=True), places)

    @abstractmethod
    def _factorised(self, frequency: float, single: bool, log_determinant: bool) -> Any: ...

    @abstractmethod
    def _blocks(self, inverse: Any, places: Any = None) -> np.ndarray:
        """Return blocks (n, 2 s, 2 s) of G in double precision, on the host: all of the pattern, or at some places."""

    @abstractmethod
    def _pairing(self, inverse: Any, places: Any) -> np.ndarray:
        """Return the elements of `onsite_pairing`."""


class _Quaternion(ImaginaryForm):
    """norbs = 1."""

    name, planes = "quaternion", 4

    @property
    def symbolic(self) -> Symbolic:
        return quaternion_symbolic(self._hamiltonian.system, self._backend)

    @cached_property
    def _matrices(self) -> tuple[BlockMatrix, BlockMatrix]:
        """Normal part and pairing, h and D, on the pattern."""
        split, system = self.symbolic.pattern.split, self._hamiltonian.system
        return split(system.hamiltonian), split(system.pairing_block)

    def linear(self, factor: float) -> tuple[np.ndarray, np.ndarray]:
        normal, pairing = (factor * part.blocks.astype(complex) for part in self._matrices)
        return normal, pairing

    def apply(self, factor: QuaternionFactor, columns: Any) -> Any:
        return quaternion_solve(factor, columns)

    def _factorised(self, frequency: float, single: bool, log_determinant: bool) -> QuaternionFactor:
        (h, delta), backend = self._matrices, self._backend
        return QuaternionFactor(
            self.symbolic, h, delta, frequency, backend, single=single, log_determinant=log_determinant
        )

    def _blocks(self, inverse: NambuInverse, places: Any = None) -> np.ndarray:
        parts = inverse.normal, inverse.anomalous
        some = parts if places is None else [part[places] for part in parts]
        normal, anomalous = self._backend.to_host(self._backend.xp.stack(some))
        rows = np.stack([normal, anomalous, anomalous.conj(), -normal.conj()], axis=1)
        return rows.reshape(-1, 2, 2).astype(complex, copy=False)

    def _pairing(self, inverse: NambuInverse, places: Any) -> np.ndarray:
        return self._backend.to_host(inverse.anomalous[places]).astype(complex)  # on a site G_vu = G_uv*


class _Majorana(ImaginaryForm):
    """norbs = 2."""

    name, planes = "majorana", 1

    @property
    def symbolic(self) -> Symbolic:
        return whole_symbolic(self._hamiltonian.system, self._backend)

    @property
    def variant(self) -> str:
        return self.name if self._form.signs is None else f"{self.name}_symmetric"

    @cached_property
    def _form(self) -> MajoranaForm:
        return MajoranaForm.of(self.whole, particle_hole(np.eye(4), 2))

    def linear(self, factor: float) -> tuple[np.ndarray, np.ndarray]:
        whole = factor * self.whole.blocks.astype(complex)
        return whole[:, :2, :2].copy(), whole[:, :2, 2:].copy()

    def apply(self, factor: MajoranaFactor, columns: Any) -> Any:
        return majorana_solve(factor, columns)

    def _factorised(self, frequency: float, single: bool, log_determinant: bool) -> MajoranaFactor:
        return MajoranaFactor(
            self.symbolic, self._form, frequency, self._backend, single=single, log_determinant=log_determinant
        )

    def _blocks(self, inverse: MajoranaInverse, places: Any = None) -> np.ndarray:
        return self._backend.to_host(inverse.blocks(self._backend.xp, places))

    def _pairing(self, inverse: MajoranaInverse, places: Any) -> np.ndarray:
        site = self._blocks(inverse, places)  # (u_up, u_dn, v_up, v_dn)
        both = 0.5 * (site[:, :2, 2:] + site[:, 2:, :2].conj().swapaxes(1, 2))
        return 0.5 * (both[:, 0, 0] + both[:, 1, 1])


def form_of(hamiltonian: BdGHamiltonian, backend: Backend) -> ImaginaryForm:
    """Return the form that the particle-hole symmetry of a Hamiltonian allows."""
    return (_Quaternion if hamiltonian.system.norbs == 1 else _Majorana)(hamiltonian, backend)
