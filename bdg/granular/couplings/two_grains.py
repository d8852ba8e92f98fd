r"""Two superconducting grains in a box of a normal host: their Josephson coupling and the normal resistance of the box.

.. math:: E_J = \frac{dF}{d\varphi}\Big|_{\pi/2}
          = -\frac{1}{2} \sum_j c_j\, i\, \mathrm{tr} P_2 (c Q - Q c)_j, \qquad
          R_N = \frac{h}{2 e^2 T_{12}}, \quad T_{12} = \max_\eta 4 \eta^2 \sum_{i \in 1, k \in 2} |G_{ik}|^2

at the phase pi/2, where even harmonics of the current vanish, with the matrices c and N of
`bdg.granular.phase_determinants` and ``Q = N^-1``. G is the retarded Green function at the Fermi energy of the normal
box whose grains absorb, ``h - i eta`` on their sites: the eta that transmits most stands for a matched lead.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np
import scipy.constants

from bdg.condensate.bcs import gap_ratio
from bdg.gpu.chebyshev.columns import spectral_bound
from bdg.gpu.device.backend import Backend
from bdg.gpu.multifrontal.factors.schur_complement import SchurComplement
from bdg.gpu.poles.tanh_poles import tanh_poles
from bdg.granular.couplings.cut_box import CutBox
from bdg.lattices.builders.grains_at import grains_at
from bdg.lattices.materials.effective_mass import EffectiveMass, effective_mass
from bdg.lattices.seeds import stream
from bdg.lattices.system import System
from bdg.lattices.units import KB_MEV_PER_K, temperature_in_t
from bdg.methods import choice
from bdg.methods.symbolic import host_symbolic

FIT_TOL = 1e-7  # of tanh; E_J moves by 2e-5 of itself at most, since every pole's term falls with the gap as E_J does
SMALL = 1e-5  # of the sum: frequencies beyond one whose term is smaller are left out, since terms fall with frequency
MOST_GRAIN_SITES = 1200  # up to which matrices on all sites of the grains are cheaper than those on a plane
OFFSET = 5  # stream of the seed that places the grains relative to the grid
_REAL = 1e-7  # imaginary part of the Fermi energy in t, small against every eta
_ETAS = np.geomspace(0.2, 3.2, 5)  # absorption in t; the transmission is flat around its maximum
_KLITZING_HALF = scipy.constants.h / (2 * scipy.constants.e**2)  # ohm of one channel, both spins


@dataclass(frozen=True, kw_only=True)
class PairBox:
    """Two equal grains on the long axis of a box, with a margin of host around them.

    Attributes
    ----------
    gap_nm : float
        Between their surfaces, >= 0.
    transparency : float
        Of the bonds between grain and host.
    mean_free_path_nm, density_m3, mass
        Of the host.
    diameter_nm, spacing_nm, margin_nm : float
    delta_meV, critical_temperature_K : float
        Gap of the grains at T = 0, and their own T_c.
    """

    gap_nm: float
    transparency: float = 1.0
    mean_free_path_nm: float = 13.0
    density_m3: float = 5e24
    mass: float = 0.46
    diameter_nm: float = 20.0
    spacing_nm: float = 2.4
    margin_nm: float = 7.2
    delta_meV: float = 2.7  # noqa: N815
    critical_temperature_K: float = 37.0  # noqa: N815

    @property
    def host(self) -> EffectiveMass:
        """The lattice that stands for the host."""
        return effective_mass(
            self.mass, self.spacing_nm, density_m3=self.density_m3, mean_free_path_nm=self.mean_free_path_nm
        )

    @property
    def shape(self) -> tuple[int, int, int]:
        """Sites an axis."""
        across = self.diameter_nm + 2 * self.margin_nm
        lengths = (across + self.diameter_nm + self.gap_nm, across, across)
        longest, *others = (math.ceil(length / self.spacing_nm - 1e-9) for length in lengths)
        return longest, others[0], others[1]

    def sample(self, seed: int) -> System:
        """Return a sample in units of its hopping: disorder, and places relative to the grid, drawn from the seed."""
        host, size = self.host, np.array(self.shape) * self.spacing_nm
        middle = size / 2 + self.spacing_nm * (stream(seed, OFFSET).random(3) - 0.5)
        half = np.array([(self.diameter_nm + self.gap_nm) / 2, 0.0, 0.0])
        return grains_at(
            size,
            self.spacing_nm,
            [middle - half, middle + half],
            self.diameter_nm,
            t=1.0,
            mu=host.mu,
            delta=self.delta_meV / host.t_meV,
            disorder=host.disorder,
            transparency=self.transparency,
            seed=seed,
            length_unit="nm",
        )


def couplings_of(box: PairBox, seed: int, temperatures_K: Iterable[float], device: str = "auto") -> np.ndarray:
    """Return E_J in K of one sample at each temperature below that of the grains, (T,)."""
    host, system = box.host, box.sample(seed)
    matrices = _matrices(system, device)
    bound = spectral_bound(system.hamiltonian)
    found = []
    for temperature in temperatures_K:
        delta = box.delta_meV / host.t_meV * float(gap_ratio(temperature / box.critical_temperature_K))
        poles = tanh_poles(bound + delta, temperature_in_t(temperature, host.t_meV), FIT_TOL)
        total = 0.0
        for frequency, weight in zip(poles.frequencies, poles.weights, strict=True):
            term = weight * matrices.force(1j * float(frequency), delta)
            total += term
            if abs(term) < SMALL * abs(total):
                break
        found.append(0.5 * total * host.t_meV / KB_MEV_PER_K)
    return np.array(found)


def resistance_of(box: PairBox, seed: int, device: str = "auto") -> float:
    """Return R_N in ohm of the box between its absorbing grains, both spins."""
    matrices = _matrices(box.sample(seed), device)
    transmissions = [matrices.transmission(eta, _REAL) for eta in _ETAS.tolist()]
    return _KLITZING_HALF / _top(np.array(transmissions))


def _matrices(system: System, device: str) -> GrainMatrices | CutBox:
    """Return the smaller matrices that the coupling can be had from."""
    if np.count_nonzero(system.grain >= 0) <= MOST_GRAIN_SITES:
        return GrainMatrices(system, device)
    return CutBox(system, float(system.info["centres"][:, 0].mean()), device)


def _top(values: np.ndarray) -> float:
    """Return the maximum of the parabola through the highest of equidistant values and its neighbours."""
    at = int(np.clip(np.argmax(values), 1, values.size - 2))
    left, middle, right = values[at - 1 : at + 2]
    bend = left - 2 * middle + right
    return float(max(middle - (right - left) ** 2 / (8 * bend) if bend < 0 else middle, values.max()))


class GrainMatrices:
    """What is left on the sites of the grains at each z: the Schur complement of z - h, without holes."""

    def __init__(self, system: System, device: str) -> None:
        self._backend: Backend = choice.devices(device, system.n_sites)[-1]
        sites = np.flatnonzero(system.grain >= 0)
        self._symbolic = host_symbolic(system, self._backend, sites)
        self._hamiltonian = self._symbolic.pattern.split(system.hamiltonian)
        self._grain = system.grain[sites]
        self._last: tuple[complex, Any] | None = None

    def _at(self, z: complex) -> Any:
        if self._last is None or self._last[0] != z:
            self._last = z, SchurComplement(self._symbolic, self._hamiltonian, z, self._backend).complement
        return self._last[1]

    def force(self, z: complex, delta: float) -> float:
        """Return ``Im tr P_2 (c Q - Q c)`` with delta in both grains, the phase of the second at pi/2."""
        xp, complement = self._backend.xp, self._at(z)
        factors = xp.asarray(np.where(self._grain == 1, 1j, 1.0))
        c = complement.conj()
        q = xp.linalg.inv(c + delta**2 * factors.conj()[:, None] * xp.linalg.inv(complement) * factors)
        second = xp.asarray(np.flatnonzero(self._grain == 1))
        forward = (c[second] * q[:, second].T).sum().imag
        return float(forward - (q[second] * c[:, second].T).sum().imag)

    def transmission(self, eta: float, tiny: float) -> float:
        """Return ``4 eta^2 sum |G_ik|^2`` of one spin at the Fermi energy between the grains, which absorb with eta."""
        xp = self._backend.xp
        first, second = (xp.asarray(np.flatnonzero(self._grain == number)) for number in (0, 1))
        green = xp.linalg.inv(self._at(1j * tiny) + 1j * eta * xp.eye(self._grain.size))
        return 4 * eta**2 * float((abs(green[first[:, None], second]) ** 2).sum())
