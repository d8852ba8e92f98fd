r"""The Thouless energy: how levels of the normal state respond to a twist of the boundary condition.

A twist phi multiplies the hoppings across one periodic boundary by ``exp(+-i phi)``. Two definitions:

.. math:: E_T = \langle |E_n(\pi) - E_n(0)| \rangle
          \quad\text{("shift")}, \qquad
          E_T = \tfrac12 \Big\langle \Big|\frac{d^2 E_n}{d\varphi^2}\Big|_{0} \Big\rangle
          \quad\text{("curvature")}

The shift is the one of Edwards and Thouless; between metallic levels it cannot exceed a few level spacings. The factor
1/2 of the curvature makes it ``hbar D/L^2`` in a diffusive metal: with ``<|hbar v_mn/L|^2> = E_T d/pi`` (Kubo; d the
level spacing) curvatures follow ``P(c) = (gamma^2/2) (gamma^2 + c^2)^(-3/2)``, ``gamma = 2 E_T = <|c|>``. Without
time-reversal symmetry ``P(c) ~ (gamma^2 + c^2)^-2``, ``<|c|> = 2 gamma/pi`` and the factor is pi/4.

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

from bdg.arguments import require_choice, require_seed, require_systems
from bdg.gpu.backend import select_backend
from bdg.gpu.eigenpairs import DEGENERATE, matrix_scale
from bdg.lattices.system import System
from bdg.multiplets import multiplets
from bdg.normal_levels import NormalLevels
from bdg.results import Evidence, Result, quantity

if TYPE_CHECKING:
    from matplotlib.figure import Figure

METHODS = ("curvature", "shift")
STEP = 0.005  # radian: E(phi) is a parabola up to about the square root of (spacing/E_T)
AXES = "xyz"


@dataclass(frozen=True, eq=False, kw_only=True)
class ThoulessEnergy(Result):
    """Thouless energy of the normal state along one axis.

    Attributes
    ----------
    energy, error : float
        Mean over levels (and samples) and its standard error.
    levels : array (n,)
        Levels without twist, relative to the Fermi energy; a degenerate multiplet counts once, by its mean.
    responses : array (n,)
        ``d^2E/dphi^2`` at phi = 0, or ``|E(pi) - E(0)|``, of each.
    level_spacing : float
        Mean spacing of the levels used, each member of a multiplet counted.
    conductance : float
        ``energy / level_spacing``, the dimensionless conductance of Thouless.
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
        from bdg.level_plots import plot_thouless_energy

        return plot_thouless_energy(self, ax)


def thouless_energy(
    system: System | Sequence[System],
    axis: int | str | None = None,
    *,
    method: str = "curvature",
    k: int = 64,
    window: tuple[float, float] | None = None,
    device: str = "auto",
    seed: int | None = None,
    progress: bool = False,
) -> ThoulessEnergy:
    r"""Return the Thouless energy of the normal state from twisted boundaries.

    Only h of the system enters; pairing is left out (the evidence says if there is any).

    Parameters
    ----------
    system : System or sequence of System
        With ``period`` along ``axis``; several are samples of an ensemble.
    axis : int or {"x", "y", "z"}, optional
        Of the twisted boundary. Default: the periodic axis, if there is just one.
    method : {"curvature", "shift"}
        See the module's text. The curvature is found by differences at 0.005 and 0.01 radian, extrapolated.
    k : int
        Levels nearest to the Fermi energy, both sides; all if there are fewer.
    window : (a, b), optional
        Levels of h (Fermi energy 0) with a <= E <= b instead.
    device : {"auto", "cpu", "gpu"}
        "auto" and "cpu" run on the CPU.
    seed : int, optional
        Of the start vector of the sparse solver.
    progress : bool
        Accepted for uniformity.

    Returns
    -------
    ThoulessEnergy
        ``error`` is the scatter of the sample means for four or more samples, else that of the levels. The variance
        of a curvature diverges logarithmically (near-degeneracies), so compare ``typical``.

    Raises
    ------
    ValueError
        If the axis is not periodic or not named, a bond spans half the period, or fewer than three levels are left.
    ArithmeticError
        If levels were missed by the sparse solver.
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
    direction = _require_axis(axis, systems[0])
    interval = _require_window(window)
    if isinstance(k, bool) or not isinstance(k, int | np.integer) or k < 4:
        raise ValueError(f"k must be a whole number >= 4 of levels; got {k!r}")
    parts = [_responses(item, direction, method, int(k), interval, seed) for item in systems]
    levels, responses = (np.concatenate([part[index] for part in parts]) for index in (0, 1))
    symmetric = all(item.hamiltonian.dtype.kind != "c" for item in systems)
    factor = 1.0 if method == "shift" else 0.5 if symmetric else math.pi / 4
    sizes = factor * abs(responses)
    spacing = float(np.mean([part[2] for part in parts]))
    means = np.array([factor * abs(part[1]).mean() for part in parts])
    scatter = means if means.size >= 4 else sizes
    # medians of (1/2)(1 + x^2)^(-3/2) and (2/pi)(1 + x^2)^-2: 1/sqrt(3) and 0.4416 of gamma = 2 E_T
    median = 1.0 if method == "shift" else math.sqrt(3) / 2 if symmetric else 0.5 / 0.4416
    evidence = Evidence.of(
        method=method,
        why="as asked",
        backend=select_backend("cpu"),
        dtype=levels.dtype,
        start=start,
        solver=parts[0][3],
        pairing="left out" if any(item.pairing_block.nnz for item in systems) else "none",
        factor=factor,
        symmetry="time-reversal symmetric (real h)" if symmetric else "broken time reversal (complex h)",
        error_over="samples" if means.size >= 4 else "levels",
        difference_error=float(max(part[4] for part in parts)),
    )
    return ThoulessEnergy(
        energy=float(sizes.mean()),
        error=float(scatter.std(ddof=1) / math.sqrt(scatter.size)),
        levels=levels,
        responses=responses,
        level_spacing=spacing,
        conductance=float(sizes.mean() / spacing),
        typical=float(median * np.median(abs(responses))),
        axis=direction,
        samples=len(systems),
        evidence=evidence,
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
        data = self._matrix.data * np.exp(1j * phase * self._turns)
        return sp.csr_matrix((data, (self._matrix.row, self._matrix.col)), shape=self._matrix.shape)


def _responses(
    system: System, axis: int, method: str, k: int, interval: tuple[float, float] | None, seed: int
) -> tuple[np.ndarray, np.ndarray, float, str, float]:
    """Return levels, responses, mean spacing, the solver's name, and the error of the differences, of one system."""
    twist = _Twist(system, axis)
    plain = twist(0.0)
    solver = NormalLevels(system, plain, k, interval, seed)
    numbers, levels = solver.numbers, solver.levels
    if levels.size < 3:
        raise ValueError(f"only {levels.size} levels are in the window {interval}: a mean needs three; widen it")
    spacing = float((levels[-1] - levels[0]) / (levels.size - 1))
    if method == "shift":
        return levels, abs(solver.at(twist(math.pi), numbers) - levels), spacing, solver.method, 0.0
    groups = multiplets(levels, DEGENERATE * matrix_scale(plain))
    means = np.array([levels[group].mean() for group in groups])
    curvatures = []
    for step in (STEP, 2 * STEP):
        signs = (1,) if plain.dtype.kind != "c" else (1, -1)  # E(-phi) = E(phi) for real h
        moved = np.mean([solver.at(twist(sign * step), numbers) for sign in signs], axis=0)
        change = np.array([moved[group].mean() for group in groups]) - means
        curvatures.append(2 * change / step**2)
    extrapolated = (4 * curvatures[0] - curvatures[1]) / 3
    error = float(abs(abs(extrapolated).mean() - abs(curvatures[0]).mean()))
    return means, extrapolated, spacing, solver.method, error


def _require_axis(axis: Any, system: System) -> int:
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


def _require_window(window: Any) -> tuple[float, float] | None:
    if window is None:
        return None
    try:
        low, high = (float(edge) for edge in window)
    except (TypeError, ValueError) as error:
        raise ValueError(f"window must be a pair (a, b) of energies; got {window!r}") from error
    if not (math.isfinite(low) and math.isfinite(high) and low < high):
        raise ValueError(f"window must be a pair (a, b) of finite energies with a < b; got {window!r}")
    return low, high
