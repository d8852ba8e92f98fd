r"""The free energy as a Fourier series in the phases of grains: which grains are coupled, and by pairs or more.

.. math:: F(\varphi) = F_0 + \sum_n \mathrm{Re}\, A_n e^{i n \cdot \varphi}

with one n of each pair +-n (its first integer that is not zero is positive). A junction of coupling E_J has
``A_(1,-1) = -E_J``. Terms whose n has m integers that are not zero are the irreducible m-grain part: averaged over the
phase of any of these grains they vanish, so inclusion and exclusion of grains gives the same parts. A phase common to
all superconductors is a gauge: if the named grains hold all pairing, only terms with ``sum n = 0`` exist, and one phase
is kept fixed.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np

from bdg.base.arguments import require_choice, require_seed, require_system, require_temperature
from bdg.base.hamiltonian import BdGHamiltonian
from bdg.base.progress import progress_bar
from bdg.base.results import Choice, Evidence
from bdg.gpu.device.backend import select_backend
from bdg.gpu.device.threads import threaded
from bdg.granular.choice import (
    EXPECTED_POINTS,
    FIT_TOL,
    METHODS,
    biased,
    choose_method,
    free_energies,
)
from bdg.granular.grain_landscape import LandscapeGrid, grain_landscape
from bdg.granular.harmonic_terms import PhaseGrid, PhaseHarmonics, fourier_terms
from bdg.granular.landscape_choice import METHOD
from bdg.granular.named_grains import holds_all_pairing, require_grain_pairing, require_grains, require_points
from bdg.lattices.arguments import positive_number
from bdg.lattices.system import System
from bdg.thermal.elements import thermal_elements


@threaded
def phase_harmonics(
    system: System,
    grains: Sequence[int],
    temperature: float,
    *,
    points: int | None = None,
    tol: float = 1e-3,
    method: str = "auto",
    device: str = "auto",
    threads: int | str = "auto",
    seed: int | None = None,
    progress: bool = False,
) -> PhaseHarmonics:
    r"""Return the irreducible 2-, 3- and 4-grain Fourier terms of the free energy.

    .. math:: F(\varphi) = F_0 + \sum_n \mathrm{Re}\, A_n e^{i n \cdot \varphi}

    F is computed on a grid of P phases for each grain and transformed. Other grains keep their phases; they then act
    as a reference, and the integers of a term need not add up to zero.

    Parameters
    ----------
    system : System
    grains : sequence of int
        Two, three or four of its grains, by number.
    temperature : float
        k_B T >= 0 in the unit of the hopping; 0 needs the dense method.
    points : int, optional
        Phases of each grain, even, at least 4. Default: 8, doubled until the estimated aliasing is below ``tol``, up to
        64, 32, 16, 8 for 1, 2, 3, 4 independent phases.
    tol : float
        Aliasing that is allowed, relative to the largest term.
    method : {"auto", "dense", "poles", "integrated_host"}
        "dense" takes all levels at each point; "poles" takes determinants at the poles of a rational fit of tanh, no
        dense matrix; "integrated_host" those of a `bdg.grain_landscape`. "auto" is dense below dimension 500 and at
        T = 0, else what is expected to be done first.
    device : {"auto", "cpu", "gpu"}
        "auto" takes the one that is expected to be done first, "gpu" never falls back.
    threads : int or "auto"
        Of the host; "auto" takes ``BDG_THREADS``, else the cores at hand. Results do not depend on it.
    seed : int, optional
        Without influence; accepted for uniformity.
    progress : bool
        Show a bar over the free energies.

    Returns
    -------
    PhaseHarmonics
        ``orders`` (M, m) of int and ``amplitudes`` (M,), complex128, in the unit of the hopping, on the host: terms
        with all |n| < P/2. The aliasing is estimated by the largest coefficient at n = P/2; the evidence also holds
        ``change_from_half_grid``, the largest change of a term between grids of P/2 and P points.

    Raises
    ------
    TypeError, ValueError
        If grains are missing, repeated or not two to four, bond pairing joins different grains (F then has the period
        4 pi), or temperature is 0 with another method than "dense".
    MemoryBudgetError
        If matrix or factors do not fit.
    BackendUnavailableError
        If ``device="gpu"`` and no GPU can be used.

    References
    ----------
    A. Freyn, B. Doucot, D. Feinberg, R. Melin, Phys. Rev. Lett. 106, 257005 (2011): quartets, the term (1, 1, -2).

    Examples
    --------
    >>> import bdg
    >>> from bdg.lattices import grains_at
    >>> loop = grains_at((9, 9), 1.0, [(2, 2), (6, 2), (4, 6)], 2.5, delta=0.5)
    >>> terms = bdg.phase_harmonics(loop, [0, 1, 2], temperature=0.1)
    >>> for orders, amplitude in list(terms.terms.items())[:4]:
    ...     print(orders, round(float(amplitude), 4))
    (1, -1, 0) -0.0113
    (0, 1, -1) -0.0085
    (1, 0, -1) -0.0071
    (2, -2, 0) 0.0001
    """
    start = time.perf_counter()
    require_system(system)
    temperature = require_temperature(temperature, system)
    require_choice("method", method, METHODS)
    require_seed(seed)
    if temperature == 0 and method not in ("auto", "dense"):
        raise ValueError(f"method={method!r} needs temperature > 0; use method='dense' at temperature 0")
    named = require_grains(grains, system.n_grains)
    tol = positive_number("tol", tol, "relative to the largest term")
    require_grain_pairing(system)
    fixed = holds_all_pairing(system, named)
    size = None if points is None else require_points(points)
    select_backend(device)  # refused before any work
    free = named[1:] if fixed else named
    times = free_energies(EXPECTED_POINTS[len(free)] if size is None else size, len(free), system.is_real)
    choice = choose_method(method, device, biased(system, free), temperature, times)
    energies: PhaseGrid
    with progress_bar(progress, "phases", "free energy") as bar:
        if choice.method == METHOD:
            landscape = grain_landscape(system, temperature, grains=named, device=choice.backend.device)
            energies = LandscapeGrid(landscape, range(len(named)), fixed, bar)
        else:
            energies = _Energies(system, free, temperature, choice, bar)
        terms = fourier_terms(energies, named, fixed, size, tol, system.is_real)
    evidence = Evidence.of(
        choice,
        dtype="float64",
        start=start,
        free_energies=energies.computed,
        **terms.facts,
        free_energy_error=energies.error,
        gauge="first phase fixed: the named grains hold all pairing" if fixed else "other grains are a reference",
        time_reversal=system.is_real,
    )
    return terms.result(energies.error, temperature, evidence, system.units)


class _Energies(PhaseGrid):
    """F from the levels or from determinants of the whole system, point by point."""

    def __init__(self, system: System, free: list[int], temperature: float, choice: Choice, bar: Any) -> None:
        super().__init__(free, system.is_real, bar)
        self._system, self._temperature, self.choice = system, temperature, choice

    def energies(self, phases: np.ndarray) -> Iterator[float]:
        """Give F at phases (P, free)."""
        return (self._at(dict(zip(self._free, point, strict=True))) for point in phases.tolist())

    def _at(self, phases: dict[int, float]) -> float:
        hamiltonian = BdGHamiltonian(self._system.with_phases(phases))
        share, temperature = 1.0 / self._system.norbs, self._temperature
        if self.choice.method == "dense":
            backend = self.choice.backend
            matrix = backend.xp.asarray(hamiltonian.matrix.toarray())
            levels = abs(backend.to_host(backend.xp.linalg.eigvalsh(matrix)))
            excited = temperature * np.log1p(np.exp(-levels / temperature)) if temperature else 0.0 * levels
            value = -share * float((levels / 2 + excited).sum())
            error = share * 1e-15 * np.sqrt(levels.size) * float(levels.sum())
        else:
            found = thermal_elements(hamiltonian, temperature, FIT_TOL, self.choice, log_cosh=True, elements=False)
            value = -share * found.thermal_trace(temperature)
            error = share * temperature * found.log_cosh_error
        self.error = max(self.error, float(error))
        return value
