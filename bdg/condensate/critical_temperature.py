r"""The critical temperature, from the linearised gap equation.

To first order in Delta the pair amplitude is ``F_i = sum_j chi_ij Delta_j``, and ``Delta = U F`` has a solution where
the largest eigenvalue of the Hermitian kernel reaches one:

.. math:: \lambda\big[ U^{1/2} \chi(T) \, U^{1/2} \big] = 1, \qquad
          \chi_{ij} = T \sum_\omega G_{ij}(i\omega) \, G_{ji}(i\omega)^*

Tc is the highest such temperature. Parts of the system that do not touch each have their own; the highest counts. A
small part gives its whole kernel from the levels of h (`bdg.condensate.pair_kernel`), a large one the response to
vectors, with bounds of the eigenvalues that no vector saw (`bdg.condensate.linear_response`). Either way
`bdg.condensate.largest_root` shows that no eigenvalue is one above the answer. Nothing is iterated to self-consistency,
so this works where Delta(T) is too small for that.
"""

from __future__ import annotations

import dataclasses
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from bdg.base.arguments import require_choice, require_seed, require_system
from bdg.base.progress import progress_bar
from bdg.base.results import Choice, Evidence, Result, quantity
from bdg.condensate.amplitude_choice import smallest_temperatures
from bdg.condensate.connected_parts import Part, connected_parts
from bdg.condensate.largest_root import FINE, Curve, Point, Root
from bdg.condensate.linear_response import ResponseKernel, has_time_reversal
from bdg.condensate.pair_kernel import LevelKernel
from bdg.gpu.device.backend import select_backend
from bdg.gpu.device.threads import threaded
from bdg.lattices.arguments import positive_number
from bdg.lattices.system import System
from bdg.methods import choice
from bdg.thermal.choice import METHODS

if TYPE_CHECKING:
    from matplotlib.figure import Figure

TOLERANCES = 1e-8, 0.1  # of Tc: rounding of the response below, no number worth the name above
ROUNDING_SHARE = 1e3  # and not below this many times the rounding of the levels
MAX_CORRECTIONS = 6


@dataclass(frozen=True, eq=False, kw_only=True)
class CriticalTemperature(Result):
    """Transition temperature and the Delta that appears there.

    Attributes
    ----------
    temperature : float
        k_B Tc, the highest temperature at which the largest eigenvalue of the kernel is one; 0 if it stays below one
        down to ``evidence.lowest``.
    error : float
        Of the temperature. It covers every temperature above at which an eigenvalue of one could not be excluded;
        ``evidence.proven`` is True where there is none.
    mode : array (N,)
        Delta of the transition, largest modulus 1; real if h is. It lives on one connected part of the system.
    positions : array (N, dim)
    """

    temperature: float = quantity("k_B Tc", "hopping")
    error: float = quantity("error of Tc", "hopping")
    mode: np.ndarray = quantity("Delta of the transition (N,), largest modulus 1", finite=True)
    positions: np.ndarray = quantity("positions of the sites (N, dim)", "length of the system", finite=True)

    def plot(self, ax: Any = None) -> Figure:
        """Return a Figure of the mode over the sites."""
        from bdg.plots.maps import plot_site_map

        return plot_site_map(
            self.positions, abs(self.mode), r"$|\Delta|$ at $T_c$ (arb. units)", ax, length_unit=self.length_unit
        )


@threaded
def critical_temperature(
    system: System,
    *,
    tol: float = 1e-6,
    method: str = "auto",
    device: str = "auto",
    threads: int | str = "auto",
    seed: int | None = None,
    progress: bool = False,
) -> CriticalTemperature:
    r"""Return the temperature at which the normal state becomes unstable against pairing.

    That is the highest T where the kernel of the linearised gap equation, on the sites with attraction, has the
    eigenvalue one:

    .. math:: \lambda_{max}\big[ U^{1/2} \chi(T) \, U^{1/2} \big] = 1, \qquad
              \chi_{ij} = T \sum_\omega G_{ij}(i\omega) \, G_{ji}(i\omega)^*
              = \sum_{ab} \frac{\tanh(e_a/2T) + \tanh(e_b/2T)}{2 (e_a + e_b)} \,
              \phi_a(i) \phi_a^*(j) \phi_b(i) \phi_b^*(j)

    with G and the levels (e_a, phi_a) those of h, norbs = 1; for norbs = 2 the determinants of the 2 x 2 spin blocks
    stand for the products.

    Parameters
    ----------
    system : System
        ``attraction`` (N,) holds U_i >= 0; ``delta`` on these sites is ignored. Grains, disorder, fields are allowed.
    tol : float
        Relative error of Tc that is aimed for, from 1e-8 (rounding of the response) to 0.1.
    method : {"auto", "dense", "poles"}
        "dense" takes the whole kernel from all levels of h, "poles" the pair amplitude of a tiny Delta
        (`bdg.pair_amplitude`) and, up to about 2000 orbitals, checks it by all levels. "auto" is "dense" for connected
        parts up to that size, and leaves the pair amplitude of larger ones to what is quickest.
    device : {"auto", "cpu", "gpu"}
        "auto" takes a GPU for large parts if one can be used, "gpu" never falls back.
    threads : int or "auto"
        Of the host; "auto" takes ``BDG_THREADS``, else the cores at hand. Results do not depend on it.
    seed : int, optional
        Of the random vectors; None means 0.
    progress : bool
        Show a bar, with temperatures and eigenvalues as they are found.

    Returns
    -------
    CriticalTemperature
        ``temperature`` and ``error`` in the unit of the hopping, ``mode`` (N,), float64 or complex128, on the host.
        ``evidence.proof`` says what shows that no eigenvalue is one above: "all levels"; "positive vector" (large parts
        with time reversal); "random vectors", which fails with a probability of 1e-6 (large parts in a field).

    Raises
    ------
    TypeError, ValueError
        If ``tol`` is out of range, no site has attraction, or pairing is imposed on sites without.
    BackendUnavailableError
        If ``device="gpu"`` and no GPU can be used.

    References
    ----------
    L. P. Gor'kov, Sov. Phys. JETP 9, 1364 (1959); P. G. de Gennes, Rev. Mod. Phys. 36, 225 (1964).

    Examples
    --------
    >>> import bdg
    >>> from bdg.lattices import Layer, stack
    >>> film = stack([Layer(12, attraction=2.0)], (12,), periodic=True)
    >>> transition = bdg.critical_temperature(film)
    >>> print(round(transition.temperature, 3))
    0.209
    """
    start = time.perf_counter()
    require_system(system)
    tol = require_tol(tol)
    require_choice("method", method, METHODS)
    seed = require_seed(seed)
    require_instability(system)
    select_backend(device)  # refused before any work
    parts = connected_parts(system)
    with progress_bar(progress, "critical temperature", "temperature") as bar:
        search = _Search(method, device, tol, np.random.default_rng(seed), bar)
        for part in parts:
            search.take(part)
        search.take_again()
        found = search.corrected()
    mode = np.zeros(system.n_sites, dtype=found.mode.dtype)
    mode[found.part.active] = found.mode
    error = max(found.error if found.temperature else search.lowest, search.open_to - found.temperature)
    evidence = Evidence.of(
        found.choice,
        dtype=mode.dtype,
        start=start,
        applications=search.applications,
        temperatures=sorted(search.eigenvalues),
        eigenvalues=[search.eigenvalues[t] for t in sorted(search.eigenvalues)],
        eigenvalue_error=found.eigenvalue_error,
        residual=found.residual,
        parts=len(parts),
        proven=search.open_to == 0,
        proof=", ".join(sorted(search.proofs)),
        lowest=search.lowest,
        converged=error <= max(tol * found.temperature, search.lowest * (found.temperature == 0)),
    )
    return CriticalTemperature(
        temperature=found.temperature,
        error=error,
        mode=mode,
        positions=system.positions,
        evidence=evidence,
        units=system.units,
    )


@dataclass(frozen=True, eq=False)
class _Found:
    """Transition of a part."""

    part: Part
    root: Root
    temperature: float
    error: float
    mode: np.ndarray
    choice: Choice
    eigenvalue_error: float
    residual: float

    @property
    def reached(self) -> float:
        """The temperature that another part has to exceed."""
        return self.temperature + self.error if self.temperature else 0.0


class _Search:
    """The highest transition of the parts that were taken so far."""

    def __init__(self, method: str, device: str, tol: float, rng: np.random.Generator, bar: Any) -> None:
        self._method, self._device, self._tol, self._rng, self._bar = method, device, tol, rng, bar
        self._best: _Found | None = None
        self.applications = 0
        self.open_to, self.lowest = 0.0, 0.0
        self._without: list[tuple[Part, float]] = []
        self.eigenvalues: dict[float, float] = {}
        self.proofs: set[str] = set()

    def take(self, part: Part) -> None:
        """Look for a transition of a part above the highest one, down to the lowest temperature that makes sense."""
        best = self._best
        if best is not None and part.strongest / 4 <= best.reached:  # no eigenvalue exceeds max U/4T
            return
        small = self._method == "dense" or part.is_small
        kernel = self._levels(part) if small else self._response(part)
        rounding = self._lowest_of(part, kernel)
        floor = max(part.lowest, rounding) if best is None or not best.temperature else max(best.reached, rounding)
        root = Curve(kernel, floor, self._tell).root(self._tol)
        self.applications += kernel.applications
        symmetric = has_time_reversal(part.system)
        self.proofs.add("all levels" if small else "positive vector" if symmetric else "random vectors")
        if not root.proven:
            self.open_to = max(self.open_to, root.temperature + root.error)
        if not root.temperature:
            self._without.append((part, floor))
        if best is None or root.temperature > 0:
            self._best = self._found(part, root, kernel)

    def take_again(self) -> None:
        """Look once more at the parts without a transition that were left at a temperature above the one found."""
        found = self._best
        assert found is not None
        if not found.temperature:
            self.lowest = max(floor for _, floor in self._without)
            return
        self.lowest = found.part.lowest
        left, self._without = [part for part, floor in self._without if floor > found.reached], []
        for part in left:
            self.take(part)
        reached = self._best.reached if self._best is not None else 0.0
        # where rounding does not let them be followed far enough
        self.open_to = max([self.open_to, *(floor for _, floor in self._without if floor > reached)])

    def corrected(self) -> _Found:
        """Return the highest transition; where "poles" is asked for and all levels gave it, by the response instead."""
        found = self._best
        assert found is not None
        by_levels = self._method == "poles" and found.choice.method != "poles"
        if not by_levels or not found.temperature or not found.root.slope > 0:
            return found
        kernel = self._response(found.part)
        kernel.start_from(found.mode / kernel.weight)
        temperature = found.temperature
        for _ in range(MAX_CORRECTIONS):
            point = kernel.largest(temperature, FINE, False)
            self._tell(temperature, point)
            shift = (point.value - 1) / found.root.slope
            error = point.error / found.root.slope + 0.3 * abs(shift)
            temperature *= float(np.exp(np.clip(shift, -0.3, 0.3)))
            if abs(shift) < 0.1 * self._tol:
                break
        self.applications += kernel.applications
        own = self._found(found.part, found.root, kernel)
        # all levels say how far off the response is
        error = max(temperature * error, abs(temperature - found.temperature) + found.error)
        return dataclasses.replace(own, temperature=temperature, error=error, eigenvalue_error=point.error)

    def _found(self, part: Part, root: Root, kernel: LevelKernel | ResponseKernel) -> _Found:
        mode = kernel.weight * root.vector if root.vector.size else kernel.weight
        mode = mode / mode[abs(mode).argmax()]
        if has_time_reversal(part.system) or part.system.hamiltonian.dtype.kind != "c":
            mode = mode.real
        return _Found(
            part,
            root,
            root.temperature,
            root.error,
            mode,
            kernel.choice,
            root.eigenvalue_error,
            kernel.residual,
        )

    def _tell(self, temperature: float, point: Point) -> None:
        self.eigenvalues[float(temperature)] = point.value
        self._bar.set_postfix_str(f"T = {temperature:.8g}: eigenvalue {point.value:.8g}")
        self._bar.update()

    def _levels(self, part: Part) -> LevelKernel:
        system = part.system
        backend = choice.devices(self._device, 2 * system.hamiltonian.shape[0])[0]
        why = "as asked" if self._method == "dense" else f"a part of {system.hamiltonian.shape[0]} orbitals"
        return LevelKernel(system.hamiltonian, system.attraction, system.norbs, Choice("dense", why, backend))

    def _response(self, part: Part) -> ResponseKernel:
        return ResponseKernel(part.system, self._method, self._tol, select_backend(self._device), self._rng)

    def _lowest_of(self, part: Part, kernel: LevelKernel | ResponseKernel) -> float:
        """Return the lowest temperature that the kernel can be computed at."""
        if isinstance(kernel, LevelKernel):
            return ROUNDING_SHARE * kernel.rounding
        bound = float(abs(part.system.hamiltonian).sum(axis=1).max())
        return 1.1 * smallest_temperatures(bound, kernel.tol)["poles"]


def require_instability(system: System) -> None:
    """Raise ValueError where there is no attraction, or no normal state."""
    if not (system.attraction > 0).any():
        raise ValueError("system has no attraction, so there is no transition: give attraction=... to the builder")
    if system.pairing is not None or system.delta[system.attraction == 0].any():
        raise ValueError(
            "pairing is imposed on sites without attraction (delta or pairing), so there is no normal state; remove it "
            "with with_delta(0)"
        )


def require_tol(tol: Any) -> float:
    """Return a relative error that an answer may have."""
    number = positive_number("tol", tol, "relative error of Tc")
    low, high = TOLERANCES
    if not low <= number <= high:
        cure = "Leave it out for 1e-6, or take one in between"
        raise ValueError(f"tol must lie between {low:g} and {high:g} (relative error of Tc); got {tol!r}. {cure}")
    return number
