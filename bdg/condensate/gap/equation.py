"""The map whose fixed point is the self-consistent gap, and the real vector that is iterated."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Any

import numpy as np
import scipy.sparse as sp

from bdg.base.arguments import require_sites
from bdg.base.hamiltonian import BdGHamiltonian
from bdg.base.results import Choice
from bdg.condensate.gap.parts import GapParts, islands, without_start
from bdg.condensate.pair_amplitude import amplitude_sums
from bdg.gpu.device.backend import Backend
from bdg.lattices.system import System
from bdg.thermal.choice import choose_method
from bdg.thermal.elements import thermal_elements
from bdg.thermal.pole_sums import SinglePrecision

GUESS = 0.2  # of the attraction: Delta of a uniform system in which U is about half the band width
THERMAL_SHARE = 0.005  # of tol: what the thermal sums may be off by
RESIDUAL_SHARE = 3e-3  # of the last residual: what they may be off by before that
QUICK_SHARE = 0.06  # the same where the map attracts at once, at a rate of 0: slow modes amplify errors of the sums
RANDOM = 10.0  # times more single precision may be off by: at random from site to site, on average 1/50 of its bound
FALLS = 3.0  # times (1 - rate) of tol: a residual from which the next one is expected to be the last
ROUGHEST = 5e-3  # of max|Delta|: what they may be off by at first
SHARE_EXPECTED = 0.5  # of |Delta| / U: what max|F| is expected to be at least
LEVEL = 10**0.5  # the accuracy goes in such steps, so poles and the map change a few times only


class GapUnknowns:
    """What is iterated, as one real vector: Delta on free sites, chemical shift, Hartree shifts.

    Attributes
    ----------
    free : array (K,) of int
        Sites with attraction that are not pinned.
    scales : array (unknowns,)
        Attraction that stands before each residual; the slope is symmetric with their roots (without a density).
    parts : GapParts
    """

    def __init__(self, system: System, pinned: Any, filling: float | None, hartree: bool) -> None:
        self.system, self.filling, self.hartree = system, filling, hartree
        attractive = system.attraction > 0
        if not attractive.any():
            raise ValueError(
                "system has no attraction: U_i = 0 on all sites, so no gap follows. Give attraction=... to the "
                "builder, or use the imposed delta as it is"
            )
        self.phase_only = isinstance(pinned, dict)
        held = np.zeros(system.n_sites, dtype=bool)
        if pinned is not None:
            held[_pinned_sites(pinned, system)] = True
        if (attractive & held).sum() == attractive.sum() and not self.phase_only:
            raise ValueError("pinned covers every site with attraction: nothing is left to be solved for")
        self.attractive = attractive
        self.free = np.flatnonzero(attractive if self.phase_only else attractive & ~held)
        self.islands = islands(system)
        start, empty = system.delta[self.free], without_start(system, self.free, self.islands)
        self.uniform_guess, self.guessed_sites = bool(empty.all()), int(empty.sum())
        common = start.sum()
        phase = common / abs(common) if common else 1.0
        start = np.where(empty, GUESS * system.attraction[self.free] * phase, start)
        self.initial = start
        self.is_complex = not system.is_real
        held_free = held[self.free] if self.phase_only else np.zeros(self.free.size, dtype=bool)
        phases = np.ones(self.free.size, dtype=complex)
        size = abs(start)
        phases[size > 0] = start[size > 0] / size[size > 0]
        self.held_phase = np.where(held_free, phases, 0)  # 0: the phase is free
        self.parts = GapParts.of(system, self.free, held_free)
        attraction = system.attraction
        self.scales = np.concatenate(
            [
                *[attraction[self.free]] * (1 + self.is_complex),
                np.ones(int(filling is not None)),
                *[np.where(attractive, attraction, 1.0)] * int(hartree),
            ]
        )
        # an electron more on every site costs about a band width
        width = float(abs(system.hamiltonian).sum(axis=1).max())
        self.compressibility = 2.0 / (width or float(system.attraction.max()))

    def start(self) -> np.ndarray:
        """Return the first point."""
        density = np.ones(self.system.n_sites) if self.hartree else None
        return self.pack(self.initial, 0.0, density)

    def pack(self, delta: np.ndarray, shift: float, density: np.ndarray | None) -> np.ndarray:
        """Return the vector of a Delta on free sites, a chemical shift and the density of all sites."""
        parts = [delta.real]
        if self.is_complex:
            parts.append(delta.imag)
        if self.filling is not None:
            parts.append(np.array([shift]))
        if self.hartree:
            assert density is not None
            parts.append(-0.5 * self.system.attraction * density)
        return np.concatenate(parts)

    def unpack(self, point: np.ndarray) -> tuple[np.ndarray, float, np.ndarray]:
        """Return Delta of all sites, the chemical shift, and the Hartree shift of all sites."""
        n = self.free.size
        values = point[:n] + 1j * point[n : 2 * n] if self.is_complex else point[:n]
        delta = self.system.delta.astype(np.result_type(self.system.delta, values))
        delta[self.free] = values
        rest = point[n * (1 + self.is_complex) :]
        shift = float(rest[0]) if self.filling is not None else 0.0
        hartree = rest[self.filling is not None :] if self.hartree else np.zeros(self.system.n_sites)
        return delta, shift, hartree

    def system_at(self, point: np.ndarray) -> System:
        """Return the system with the Delta and the onsite energies of a point."""
        delta, shift, hartree = self.unpack(point)
        changed = self.system.with_delta(delta)
        if self.filling is not None or self.hartree:
            changed = changed.with_onsite(hartree - shift)
        return changed

    def without_gap(self, point: np.ndarray, parts: np.ndarray | None = None) -> np.ndarray:
        """Return a point with Delta = 0 on free sites, or on those of the chosen parts."""
        chosen = np.ones(self.parts.can_vanish.size, dtype=bool) if parts is None else parts
        return np.where(self.of_parts(chosen), 0.0, point)

    def sizes(self, point: np.ndarray) -> np.ndarray:
        """Return |Delta| on free sites."""
        return abs(self.unpack(point)[0][self.free])

    def moved(self, point: np.ndarray, step: np.ndarray) -> np.ndarray:
        """Return ``point + step``; where Delta turns it keeps its modulus."""
        whole = point + step
        if not self.is_complex:
            return whole
        delta, change = (x[: self.free.size] + 1j * x[self.free.size : self.shift_at] for x in (point, step))
        relative = np.divide(change, delta, out=np.full(delta.size, np.inf, dtype=complex), where=delta != 0)
        small = abs(relative) < 1  # a step longer than Delta is no turn of it
        delta = np.where(small, delta * np.exp(1j * np.where(small, relative, 0).imag), delta + change)
        delta[small] *= 1 + relative[small].real
        whole[: self.shift_at] = np.concatenate([delta.real, delta.imag])
        return whole

    def turned(self, point: np.ndarray) -> np.ndarray:
        """Return the derivative of a point by a common phase of Delta."""
        delta, rest = self.unpack(point)[0][self.free], np.zeros(point.size - self.shift_at)
        return np.concatenate([-delta.imag, delta.real, rest] if self.is_complex else [0.0 * delta, rest])

    def of_parts(self, chosen: np.ndarray) -> np.ndarray:
        """Return which unknowns are Delta on the chosen of `parts`."""
        inside = np.zeros(self.scales.size, dtype=bool)
        inside[: self.shift_at] = np.tile(chosen[self.parts.labels], 1 + self.is_complex)
        return inside

    def parts_at_rest(self, point: np.ndarray) -> np.ndarray:
        """Return on which of `parts` Delta vanishes, and may."""
        moving = np.zeros(self.parts.can_vanish.size, dtype=bool)
        moving[self.parts.labels[self.sizes(point) > 0]] = True
        return self.parts.can_vanish & ~moving

    def noise(self, amplitude_error: float) -> np.ndarray:
        """Return what an error of F (half of that of the density) leaves on each residual."""
        noise = self.scales * amplitude_error
        if self.filling is not None:
            noise[self.shift_at] = 2 * amplitude_error / self.compressibility
        if self.hartree:
            noise[-self.system.n_sites :] = self.system.attraction * amplitude_error
        return noise

    def largest(self, point: np.ndarray) -> float:
        """Return max|Delta| over free sites."""
        return float(abs(self.unpack(point)[0][self.free]).max())

    def with_held_phase(self, delta: np.ndarray) -> np.ndarray:
        """Return the part of Delta on free sites that the held phases allow; an amplitude of any sign."""
        held = self.held_phase != 0
        return np.where(held, (delta * self.held_phase.conj()).real * self.held_phase, delta)

    def held_amplitudes(self, point: np.ndarray) -> np.ndarray:
        """Return Delta along the phase that is held, of any sign, on the free sites; 0 where none is held."""
        n = self.free.size
        delta = point[:n] + 1j * point[n : 2 * n] if self.is_complex else point[:n]
        return np.asarray((delta * self.held_phase.conj()).real)

    def admissible(self, point: np.ndarray) -> np.ndarray:
        """Return the point with amplitudes >= 0 where the phase is held: a negative one is another phase."""
        if not self.held_phase.any():
            return point
        n, changed = self.free.size, point.copy()
        turned_over = self.held_amplitudes(point) < 0
        changed[:n][turned_over] = 0.0
        if self.is_complex:
            changed[n : 2 * n][turned_over] = 0.0
        return changed

    def without_amplitude(self, point: np.ndarray, tol: float) -> np.ndarray:
        """Return the sites of held phase whose amplitude vanished."""
        size = abs(self.unpack(point)[0][self.free])
        return self.free[(self.held_phase != 0) & (size <= tol * size.max())]

    def restrict(self, change: np.ndarray) -> np.ndarray:
        """Return the part of a change of the vector that the held phases allow."""
        if not self.held_phase.any() or not self.is_complex:
            return change
        n, allowed = self.free.size, change.copy()
        delta = self.with_held_phase(change[:n] + 1j * change[n : 2 * n])
        allowed[:n], allowed[n : 2 * n] = delta.real, delta.imag
        return allowed

    def groups(self) -> np.ndarray | None:
        """Return a number for each unknown: that of the island of its site, one more for all that is no Delta."""
        delta = np.tile(self.islands[self.free], 1 + self.is_complex)
        others = int(self.filling is not None) + self.system.n_sites * self.hartree
        _, numbers = np.unique(np.concatenate([delta, np.full(others, -1)]), return_inverse=True)
        return numbers if numbers.any() else None

    def laplacian(self) -> sp.csr_matrix:
        """Return the graph Laplacian of the sites with attraction, restricted to Delta on the free ones."""
        links = self.system.adjacency.astype(float)[self.attractive][:, self.attractive].tocsr()
        whole = sp.diags_array(np.asarray(links.sum(axis=1)).ravel()) - links
        inside = np.isin(np.flatnonzero(self.attractive), self.free)
        free = whole.tocsr()[inside][:, inside]
        return sp.csr_matrix(sp.block_diag([free] * (1 + self.is_complex)))

    def delta_error(self, amplitude_error: float, rate: float) -> float:
        """Return what errors of F leave on Delta at a fixed point that attracts at this rate."""
        largest = float(self.system.attraction[self.free].max())
        return largest * amplitude_error / max(1 - rate, 1e-3)

    @property
    def shift_at(self) -> int:
        """Where in the vector the shift of the chemical potential stands."""
        return self.free.size * (1 + self.is_complex)

    @property
    def needs_density(self) -> bool:
        """Whether the equation needs the density."""
        return self.hartree or self.filling is not None


class GapEquation:
    """The map whose fixed point is wanted.

    Attributes
    ----------
    error : float
        Of F at the last point.
    choice : Choice
        How it was computed there.
    dtype : str
        Of that computation.
    facts : dict
        What it took, for the evidence.
    final : bool
        Whether the last point was taken to the accuracy of the result.
    evaluations : dict of str: int
        How often the sums were made to which accuracy, relative to max|Delta|.
    """

    def __init__(self, unknowns: GapUnknowns, temperature: float, method: str, backend: Backend) -> None:
        self.unknowns, self.temperature, self.backend = unknowns, temperature, backend
        self.method, self.error, self.final = method, 0.0, False
        self.choice, self.dtype = Choice(method, "", backend), "float64"
        self.density = np.zeros(0)
        self.facts: dict[str, Any] = {}
        self.evaluations: dict[str, int] = {}
        self._single: SinglePrecision | None = None  # what the sums have found out about it

    def __call__(self, point: np.ndarray, tol: float, residual: float = 0.0, rate: float = 1.0) -> np.ndarray:
        """Return g(point).

        While the last ``residual`` is large the sums need less than ``tol`` asks, the less so the closer to 1 the
        largest ``rate`` is at which errors of them stay.
        """
        unknowns = self.unknowns
        hamiltonian = BdGHamiltonian(unknowns.system_at(point))
        u = unknowns.system.attraction[unknowns.free]
        share = self._accuracy(tol, residual, rate, unknowns.largest(point))
        if unknowns.needs_density:
            wanted = max(share * unknowns.largest(point) / float(u.max()), 1e-12)
            taken = choose_method(self.method, hamiltonian, self.temperature, wanted, self.backend)
            found = thermal_elements(hamiltonian, self.temperature, wanted, taken)
            amplitude, self.density = found.pair_amplitude()[unknowns.free], found.electron_density()
            self.error, self.choice, self.dtype, self.facts = 0.5 * found.error, taken, found.dtype, found.facts
        else:
            sums = amplitude_sums(
                SHARE_EXPECTED * unknowns.largest(point) / float(u.max()),
                hamiltonian,
                self.temperature,
                unknowns.free,
                self.method,
                float(np.clip(share, 1e-12, ROUGHEST)),
                self.backend.device,
                known=None if self.final else self._single,
                slack=1.0 if self.final else RANDOM,
            )
            self._single = sums.single
            amplitude, self.error = sums.values, sums.error
            self.choice, self.dtype = replace(sums.choice, backend=self.backend), sums.dtype
            self.facts = {"relative_error": sums.relative_error, **sums.facts}
        self.final = self.final or self.choice.method == "dense"  # which is as accurate as it can be at any tol
        delta = unknowns.with_held_phase(u * amplitude)
        if not unknowns.is_complex:
            delta = delta.real
        shift = unknowns.unpack(point)[1]
        if unknowns.filling is not None:
            shift += (unknowns.filling - float(self.density.mean())) / unknowns.compressibility
        return unknowns.admissible(unknowns.pack(delta, shift, self.density))

    def _accuracy(self, tol: float, residual: float, rate: float, largest: float) -> float:
        """Return the accuracy of the sums relative to max|Delta|: that of the result times a power of ten."""
        final = THERMAL_SHARE * tol
        share = max(QUICK_SHARE * (1 - max(rate, 0.0)), RESIDUAL_SHARE)
        enough = min(share * residual / largest if largest else 0.0, ROUGHEST)
        if residual <= FALLS * (1 - rate) * tol * largest:
            enough = final
        levels = max(math.floor(math.log(enough / final, LEVEL) + 1e-9), 0) if enough > final else 0
        self.final = levels == 0
        share = final * LEVEL**levels
        self.evaluations[f"{share:.0e}"] = self.evaluations.get(f"{share:.0e}", 0) + 1
        return share


def _pinned_sites(pinned: Any, system: System) -> np.ndarray:
    if isinstance(pinned, dict):
        if set(pinned) != {"phase"}:
            raise ValueError(f"pinned as a dict must have the one key 'phase'; got {sorted(map(str, pinned))}")
        sites = require_sites(pinned["phase"], system.n_sites, "pinned['phase']")
        if not system.delta[sites].all():
            raise ValueError("pinned['phase'] holds sites where system.delta is 0 and has no phase; set it there")
        return sites
    return require_sites(pinned, system.n_sites, "pinned")
