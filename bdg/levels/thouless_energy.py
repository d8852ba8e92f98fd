r"""The Thouless energy: how levels of the normal state respond to a twist of the boundary condition.

A twist phi multiplies the hoppings across one periodic boundary by ``exp(+-i phi)``. Two definitions:

.. math:: E_T = \langle |E_n(\pi) - E_n(0)| \rangle
          \quad\text{("shift")}, \qquad
          E_T = \tfrac12 \Big\langle \Big|\frac{d^2 E_n}{d\varphi^2}\Big|_{0} \Big\rangle
          \quad\text{("curvature")}

The shift is the one of Edwards and Thouless; between metallic levels it cannot exceed a few level spacings. The factor
1/2 of the curvature makes it ``hbar D/L^2`` in a diffusive metal: with ``<|hbar v_mn/L|^2> = E_T d/pi`` (Kubo; d the
level spacing) curvatures follow ``P(c) = (gamma^2/2) (gamma^2 + c^2)^(-3/2)``, ``gamma = 2 E_T = <|c|>``. Without
time-reversal symmetry ``P(c) ~ (gamma^2 + c^2)^-2``, ``<|c|> = 2 gamma/pi`` and the factor is pi/4. An antiunitary
symmetry decides, whatever the gauge (`bdg.levels.time_reversal`): h without flux has one, with spin-orbit coupling or
not. The factor is 1/2 for both; where spin-orbit coupling is strong (symplectic, ``P(c) ~ (gamma^2 + c^2)^-3``), ``hbar
D/L^2`` is ``3 pi/8 <|c|>``, 2.36 times the energy.

Curvatures are those of the branches that leave a multiplet (`bdg.levels.level_curvature`), each counted. A multiplet is
what rounding cannot tell apart: a pair that is really split by a small w has large curvatures ``+-2|v|^2/w``, which
count.

References: J. T. Edwards, D. J. Thouless, J. Phys. C 5, 807 (1972); E. Akkermans, G. Montambaux, Phys. Rev. Lett. 68,
642 (1992); F. von Oppen, Phys. Rev. Lett. 73, 798 (1994).
"""

from __future__ import annotations

import math
import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import scipy.sparse as sp

from bdg.base.arguments import require_choice, require_seed, require_systems, require_window
from bdg.base.results import Choice, Evidence, Result, quantity
from bdg.gpu.device.backend import select_backend
from bdg.gpu.device.threads import threaded
from bdg.lattices.arguments import whole_number
from bdg.lattices.system import System
from bdg.lattices.unit_names import UnitNames
from bdg.levels.level_curvature import level_curvatures, outside_response
from bdg.levels.normal_levels import NormalLevels
from bdg.levels.time_reversal import time_reversal
from bdg.states.multiplets import multiplets

if TYPE_CHECKING:
    from matplotlib.figure import Figure

METHODS = ("curvature", "shift")
SYMMETRIC, BROKEN = 0.5, math.pi / 4  # E_T/<|c|>
AXES = "xyz"


@dataclass(frozen=True, eq=False, kw_only=True)
class ThoulessEnergy(Result):
    """Thouless energy of the normal state along one axis.

    Attributes
    ----------
    energy, error : float
        Mean over levels (and samples), each member of a multiplet counted, and its standard error. Multiplets and
        mirror images (E and -E) count as one observation there; nan if there is no other.
    levels : array (n,)
        Levels without twist, relative to the Fermi energy.
    responses : array (n,)
        ``d^2E/dphi^2`` at phi = 0, or ``|E(pi) - E(0)|``, of each. In a multiplet: of its branches, by their slopes.
    level_spacing : float
        Mean spacing of the levels used.
    conductance : float
        ``energy / level_spacing``, the dimensionless conductance of Thouless; nan if all levels are one multiplet.
    typical : float
        The same energy from the median, which rare near-degeneracies do not move: ``sqrt(3)/2`` times that of |c|
        (time-reversal symmetric), or the median shift.
    axis : int
    samples : int
    """

    energy: float = quantity("Thouless energy", "hopping")
    error: float = quantity("its standard error over levels or samples", "hopping")
    levels: np.ndarray = quantity("levels without twist, from the Fermi energy (n,)", "hopping")
    responses: np.ndarray = quantity("curvature (per radian^2) or shift of each (n,)", "hopping")
    level_spacing: float = quantity("mean level spacing", "hopping")
    conductance: float = quantity("energy / level spacing")
    typical: float = quantity("the same energy from the median response", "hopping")
    axis: int = quantity("axis of the twisted boundary")
    samples: int = quantity("number of systems averaged over")

    def plot(self, ax: Any = None) -> Figure:
        """Return a Figure of the response of each level against its energy."""
        from bdg.plots.levels import plot_twist_responses

        mean = f"mean: $E_T$ = {self.energy:.3g} ± {self.error:.1g} {self.energy_unit or ''}".rstrip()
        title = f"twist along {AXES[self.axis]}, $E_T/\\delta$ = {self.conductance:.2g}"
        shift = self.evidence.method == "shift"
        return plot_twist_responses(self.levels, self.responses, shift, mean, title, ax, energy_unit=self.energy_unit)


@threaded
def thouless_energy(
    system: System | Sequence[System],
    axis: int | str | None = None,
    *,
    method: str = "curvature",
    k: int = 64,
    window: tuple[float, float] | None = None,
    device: str = "auto",
    threads: int | str = "auto",
    seed: int | None = None,
    progress: bool = False,
) -> ThoulessEnergy:
    r"""Return the Thouless energy of the normal state from twisted boundaries.

    .. math:: E_T = \langle |E_n(\pi) - E_n(0)| \rangle
              \quad\text{("shift")}, \qquad
              E_T = \tfrac12 \Big\langle \Big|\frac{d^2 E_n}{d\varphi^2}\Big|_{0} \Big\rangle
              \quad\text{("curvature")}

    where the hoppings across one periodic boundary carry ``exp(+-i phi)``; without time-reversal symmetry pi/4 stands
    for the 1/2. Only h of the system enters; pairing is left out (the evidence says if there is any).

    Parameters
    ----------
    system : System or sequence of System
        With ``period`` along ``axis``; several are samples of an ensemble.
    axis : int or {"x", "y", "z"}, optional
        Of the twisted boundary. Default: the periodic axis, if there is just one.
    method : {"curvature", "shift"}
        What is averaged over the levels.
    k : int
        Levels nearest to the Fermi energy, both sides; all if there are fewer. Levels at the same distance are taken
        or left together, so there may be more: no multiplet, and no pair of mirror images, is cut.
    window : (a, b), optional
        Levels of h (Fermi energy 0) with a <= E <= b instead, in the unit of the hopping.
    device : {"auto", "cpu", "gpu"}
        "auto" and "cpu" run on the CPU.
    threads : int or "auto"
        Of the host; "auto" takes ``BDG_THREADS``, else the cores at hand. Results do not depend on it.
    seed : int, optional
        Of the start vector of the sparse solver.
    progress : bool
        Without influence; accepted for uniformity.

    Returns
    -------
    ThoulessEnergy
        ``energy`` in the unit of the hopping; ``levels`` (n,) and ``responses`` (n,), float64. ``error`` is the scatter
        of the sample means for four or more samples, else that of the levels. The variance of a curvature diverges
        logarithmically (near-degeneracies), so compare ``typical``. The evidence has ``levels_asked`` and
        ``levels_used``, the number of ``multiplets``, and what ``rounding`` may add to the error.

    Raises
    ------
    TypeError, ValueError
        If the axis is not periodic or not named, a bond spans half the period, or fewer than three levels are left.
    ArithmeticError
        If levels were missed by the sparse solver.

    References
    ----------
    J. T. Edwards, D. J. Thouless, J. Phys. C 5, 807 (1972); E. Akkermans, G. Montambaux, Phys. Rev. Lett. 68, 642
    (1992); F. von Oppen, Phys. Rev. Lett. 73, 798 (1994) for the distribution of the curvatures.

    Examples
    --------
    >>> import bdg
    >>> from bdg.lattices import Layer, stack
    >>> wires = [stack([Layer(8, disorder=2.0)], (12,), periodic=True, seed=seed) for seed in range(4)]
    >>> thouless = bdg.thouless_energy(wires, axis="y", k=16)
    >>> print(round(thouless.energy, 2), thouless.samples)
    0.04 4
    """
    start = time.perf_counter()
    systems = require_systems(system if isinstance(system, Iterable) else [system])
    if not systems:
        raise ValueError("system is an empty list: give at least one System")
    require_choice("method", method, METHODS)
    seed = require_seed(seed)
    if device == "gpu":
        raise ValueError("thouless_energy runs on the CPU only; use device='cpu' or 'auto'")
    select_backend(device)
    direction = require_twisted_axis(axis, systems[0])
    interval = None if window is None else require_window(window)
    k = whole_number("k", k, 4, unit="levels")
    units = UnitNames.common(item.units for item in systems)
    parts = [_responses(item, direction, method, k, interval, seed) for item in systems]
    levels, responses, factors = (np.concatenate(same) for same in zip(*[part.values for part in parts], strict=True))
    sizes = factors * abs(responses)
    spacing = float(np.mean([part.spacing for part in parts]))
    means = np.array([(part.values[2] * abs(part.values[1])).mean() for part in parts])
    over_samples = means.size >= 4
    rounding = float(np.concatenate([part.rounding for part in parts]).mean())
    scatter = means.std(ddof=1) / math.sqrt(means.size) if over_samples else _standard_error(parts, sizes.mean())
    different = [float(factor) for factor in np.unique(np.concatenate([part.classes for part in parts]))]
    evidence = Evidence.of(
        Choice(method, "as asked", select_backend("cpu")),
        dtype=levels.dtype,
        start=start,
        solver=parts[0].solver,
        pairing="left out" if any(item.pairing_block.nnz for item in systems) else "none",
        factor=different[0] if len(different) == 1 else different,
        symmetry=_about_symmetry(parts),
        error_over="samples" if over_samples else "levels",
        levels_asked=k * len(systems) if interval is None else "all in the window",
        levels_used=int(levels.size),
        multiplets=sum(part.multiplets for part in parts),
        rounding=rounding,
    )
    return ThoulessEnergy(
        energy=float(sizes.mean()),
        error=float(math.hypot(scatter, rounding)),
        levels=levels,
        responses=responses,
        level_spacing=spacing,
        conductance=float(sizes.mean() / spacing) if spacing > 0 else math.nan,
        typical=float(np.median(_typical(method, factors) * abs(responses))),
        axis=direction,
        samples=len(systems),
        evidence=evidence,
        units=units,
    )


def twisted(system: System, axis: int, phase: float) -> sp.csr_matrix:
    """Return h with ``exp(i phase)`` on hoppings that leave through the upper boundary of an axis."""
    return _Twist(system, axis)(phase)


class _Twist:
    """h of a system at any twist of one boundary."""

    def __init__(self, system: System, axis: int) -> None:
        self._matrix = system.hamiltonian.tocoo()
        length = system.period[axis]
        assert length is not None
        sites = system.positions[:, axis]
        raw = sites[self._matrix.row // system.norbs] - sites[self._matrix.col // system.norbs]
        turns = raw / length
        if (abs(abs(turns - np.round(turns)) - 0.5) < 1e-9).any():
            raise ValueError(
                f"axis {axis} has bonds over half its period {length:g}: a hopping forth and one across the boundary "
                "cannot be told apart; make the system at least three sites long there"
            )
        self._turns = -np.round(turns)

    def __call__(self, phase: float) -> sp.csr_matrix:
        if phase == 0:
            return self._matrix.tocsr()
        return self._with(self._matrix.data * np.exp(1j * phase * self._turns))

    def derivatives(self) -> tuple[sp.csr_matrix, sp.csr_matrix]:
        """Return W and U of ``h(phi) = h + i phi W + phi^2 U/2 + ...``, of the Hermitian part of h."""
        first, second = (self._with(self._matrix.data * factor) for factor in (self._turns, -(self._turns**2)))
        return 0.5 * (first - first.conj().T).tocsr(), 0.5 * (second + second.conj().T).tocsr()

    def _with(self, data: np.ndarray) -> sp.csr_matrix:
        return sp.csr_matrix((data, (self._matrix.row, self._matrix.col)), shape=self._matrix.shape)


@dataclass(frozen=True, eq=False)
class _Responses:
    """What one system gives."""

    values: tuple[np.ndarray, np.ndarray, np.ndarray]  # levels, responses, and what |response| is multiplied by (n,)
    rounding: np.ndarray  # (n,): error of factor * |response|
    shells: np.ndarray  # (n,): equal for levels at the same distance from the Fermi energy
    spacing: float
    multiplets: int
    classes: np.ndarray  # the different factors of the connected parts
    solver: str


def _responses(
    system: System, axis: int, method: str, k: int, interval: tuple[float, float] | None, seed: int
) -> _Responses:
    twist = _Twist(system, axis)
    plain = twist(0.0)
    solver = NormalLevels(system, plain, k, interval, seed)
    window, inside = solver.window, solver.inside
    levels, widths = window.levels[inside], window.widths[inside]
    if levels.size < 3:
        raise ValueError(f"only {levels.size} levels are in the window {interval}: a mean needs three; widen it")
    groups = multiplets(levels, widths)
    if method == "shift":
        responses = abs(solver.moved(twist(math.pi)) - levels)
        classes, factors, rounding = np.ones(1), np.ones(levels.size), widths / 16
    else:
        outside = None
        if window.factor is not None:
            outside = outside_response(window.factor, window.shift, window.vectors)
        columns = [inside[group] for group in groups]
        responses, rounding, branches = level_curvatures(
            columns, window.levels, window.widths, window.vectors, *twist.derivatives(), outside
        )
        classes, factors = _factors(plain, system.norbs, branches)
        rounding = factors * rounding
    shells = np.empty(levels.size, dtype=np.int64)
    for number, shell in enumerate(multiplets(abs(levels), widths)):
        shells[shell] = number
    return _Responses(
        values=(levels, responses, factors),
        rounding=rounding,
        shells=shells,
        spacing=float((levels[-1] - levels[0]) / (levels.size - 1)),
        multiplets=sum(group.size > 1 for group in groups),
        classes=classes,
        solver=solver.method,
    )


def _factors(matrix: sp.csr_matrix, norbs: int, vectors: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return the different factors of the connected parts, and that of each level by its weight on the parts."""
    part, symmetric = time_reversal(matrix, norbs)
    of_part = np.where(symmetric, SYMMETRIC, BROKEN)
    classes = np.unique(of_part)
    if classes.size == 1:
        return classes, np.full(vectors.shape[1], classes[0])
    weight = np.repeat(of_part[part], norbs)
    return classes, weight @ abs(vectors) ** 2


def _standard_error(parts: list[_Responses], mean: float) -> float:
    """Return the standard error of the mean over shells: levels of one are not independent."""
    sums, count = [], 0
    for part in parts:
        sizes = part.values[2] * abs(part.values[1])
        sums.append(np.bincount(part.shells, sizes - mean))
        count += sizes.size
    sums_of_shells = np.concatenate(sums)
    shells = sums_of_shells.size
    if shells < 2:
        return math.nan
    return math.sqrt(float((sums_of_shells**2).sum()) * shells / (shells - 1)) / count


def _typical(method: str, factors: np.ndarray) -> np.ndarray | float:
    """Return what turns the median of |response| into the energy.

    Medians of (1/2)(1 + x^2)^(-3/2) and (2/pi)(1 + x^2)^-2 are 1/sqrt(3) and 0.4416 of gamma = 2 E_T.
    """
    if method == "shift":
        return 1.0
    return np.where(factors < 0.5 * (SYMMETRIC + BROKEN), math.sqrt(3) / 2, 0.5 / 0.4416)


def _about_symmetry(parts: list[_Responses]) -> str:
    classes = np.unique(np.concatenate([part.classes for part in parts]))
    if 1.0 in classes:
        return "not asked for: the shift has no factor"
    if classes.size > 1:
        return "parts with time-reversal symmetry, and parts where it is broken: each with its factor"
    return (
        "time-reversal symmetric (real in a gauge, or T = i sigma_y K)"
        if classes[0] == SYMMETRIC
        else "broken time reversal"
    )


def require_twisted_axis(axis: Any, system: System) -> int:
    """Return the number of a periodic axis; None means the only one."""
    wraps = [number for number, length in enumerate(system.period) if length is not None]
    if axis is None:
        if len(wraps) != 1:
            raise ValueError(
                f"axis must name the boundary to twist: the periodic axes are {wraps}. Build the system with period"
            )
        return wraps[0]
    number = AXES.find(axis) if isinstance(axis, str) and len(axis) == 1 else axis
    if isinstance(number, bool) or not isinstance(number, int | np.integer) or not 0 <= number < len(system.period):
        raise ValueError(f"axis must be 'x', 'y', 'z' or a number below {len(system.period)}; got {axis!r}")
    if system.period[number] is None:
        raise ValueError(
            f"axis {axis!r} is open: a twist needs hoppings that wrap around (period); the periodic axes are {wraps}"
        )
    return int(number)
