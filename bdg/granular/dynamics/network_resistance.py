"""Resistance of a network of junctions from the motion of all of its phases, at a temperature and a small current."""

from __future__ import annotations

import time
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from bdg.base.arguments import require_seed
from bdg.base.errors import AccuracyWarning
from bdg.base.progress import progress_bar
from bdg.base.results import Choice, Evidence, Result, quantity
from bdg.gpu.device.backend import select_backend
from bdg.granular.dynamics.thermal_flow import ThermalFlow
from bdg.granular.monte_carlo import require_cpu, require_temperatures
from bdg.granular.network import Network, conductances_of, networks_at
from bdg.granular.resistors import require_axis
from bdg.lattices.arguments import positive_number, whole_number

if TYPE_CHECKING:
    from matplotlib.figure import Figure

CHUNK, FIRST_CHUNKS = 100, 8  # steps between records; records before the first judgement
WARMING = 0.25  # of all records, not counted
REPLICAS = 32
MOST_DRIFT = 5.0  # standard errors between the halves of a run: chance for one in some thousand


@dataclass(frozen=True, eq=False, kw_only=True)
class NetworkResistance(Result):
    """Resistance of a network over that of the same network without supercurrents.

    Attributes
    ----------
    temperatures : array (T,)
        In the unit of the couplings.
    resistance, error : arrays (T,)
        R/R_N along the axis, and its standard error over replicas.
    bias : float
        Current density over that of the stiffness at T = 0 per mean distance of sites; I/I_c of each bond along the
        axis of a cubic network.
    """

    temperatures: np.ndarray = quantity("temperatures (T,)", "coupling")
    resistance: np.ndarray = quantity("R/R_N (T,)")
    error: np.ndarray = quantity("its standard error (T,)")
    bias: float = quantity("current density over stiffness per mean distance")

    def plot(self, ax: Any = None) -> Figure:
        """Return a Figure of R/R_N against temperature."""
        from bdg.plots.networks import plot_resistance

        return plot_resistance(self.temperatures, self.resistance, self.error, ax)


def network_resistance(
    network: Network | Callable[[float], Network],
    temperatures: Any,
    *,
    conductances: Any = None,
    axis: int | str = 0,
    bias: float = 0.1,
    tol: float = 0.02,
    replicas: int = REPLICAS,
    most_steps: int = 20_000,
    seed: int | None = None,
    device: str = "auto",
    progress: bool = False,
) -> NetworkResistance:
    r"""Return R/R_N of a network of overdamped junctions with thermal noise, from the drift of all phases together.

    .. math:: I_b = \frac{2 e}{\hbar} E_b \sin\gamma_b + \frac{\hbar}{2 e} g_b \dot\gamma_b + \eta_b, \quad
              \langle \eta_b(t)\, \eta_b(t') \rangle = 2 T g_b\, \delta(t - t'), \quad
              \frac{R}{R_N} = \frac{\langle \dot\Theta \rangle}{\langle \dot\Theta \rangle_{E = 0}}

    with Kirchhoff's laws at all sites, ``gamma_b = phi_i - phi_j - x_b . Theta``, and a twist Theta of the boundaries
    that moves under a uniform current density. It holds collective slips, which `activated_resistance` does not; the
    box is finite, so that R vanishes a little above or below the locking temperature of an infinite one.

    Parameters
    ----------
    network : Network or function of the temperature that returns it
        Couplings E_b in the unit of the temperature.
    temperatures : float or array (T,)
        > 0, k_B T.
    conductances : float or array (B,), optional
        Normal conductance of each bond in any unit. Default: in proportion to the couplings (to those at the first
        temperature), as E_J R_N is the same for all tunnel junctions of one superconductor.
    axis : int or {"x", "y", "z"}
    bias : float
        Current density along the axis in units of Y/a: stiffness at T = 0 over mean distance of sites, I/I_c of a bond
        of the cubic lattice. R depends on it where it is not small; errors go as 1/bias.
    tol : float
        Wanted standard error of R/R_N.
    replicas : int
        Independent copies at each temperature, at least 4.
    most_steps : int
        Steps of each replica at most, at each temperature; a step is .3 of the fastest relaxation of bonds that slip.
    seed : int, optional
        None means 0: calls repeat bit for bit.
    device : {"auto", "cpu"}
        Both run on the CPU.
    progress : bool
        Show a bar over the records of 100 steps.

    Returns
    -------
    NetworkResistance
        The evidence has ``steps`` (the most of all temperatures), ``time`` (T entries, in (hbar/2e)^2 g/E, g the
        largest conductance), ``drift`` (difference of the two halves of the run in standard errors, the largest of all
        temperatures), ``noise_share`` (T entries: which part of the motion by noise alone was taken off, 0 for locked
        phases, 1 for free ones) and ``stiff_bonds`` (T entries: those that would slip to less
        than .01 of their normal voltage, and are taken not to).

    Warns
    -----
    AccuracyWarning
        If ``tol`` is missed after ``most_steps``, or the two halves of a run disagree.

    Raises
    ------
    TypeError, ValueError
        If an argument is of the wrong type or out of range, or nothing conducts along the axis.

    Notes
    -----
    The noise that drove the twist is known. What it contributed to the drift has the mean 0, and is taken off with the
    weight that leaves the least scatter over replicas.

    References
    ----------
    B. J. Kim, P. Minnhagen, P. Olsson, Phys. Rev. B 59, 11506 (1999): fluctuating twists.

    Examples
    --------
    >>> from bdg.granular import Network, network_resistance
    >>> found = network_resistance(Network.cubic(3), [1.0, 10.0], replicas=8, tol=0.2, seed=1)
    >>> print(found.resistance[0] < 0.1, found.resistance[1] > 0.9)  # over that of the normal network
    True True
    """
    start = time.perf_counter()
    points = require_temperatures(temperatures)
    networks = networks_at(network, points)
    place = require_axis(axis, networks[0].dimensions)
    normal = conductances_of(conductances, networks)
    bias, tol = positive_number("bias", bias), positive_number("tol", tol)
    replicas = whole_number("replicas", replicas, 4)
    most = max(FIRST_CHUNKS, whole_number("most_steps", most_steps, 1) // CHUNK)
    number = require_seed(seed)
    require_cpu("network_resistance", device)
    known = networks[0]
    conducting = Network(known.pairs, normal, known.displacements, n_sites=known.n_sites, volume=known.volume)
    if not conducting.percolates[place]:
        raise ValueError(f"nothing conducts around the period along axis {axis!r}: R/R_N is not defined")
    motions = []
    with progress_bar(progress, "resistance", "record", total=most * points.size) as bar:
        for t, (one, temperature) in enumerate(zip(networks, points, strict=True)):
            flow = ThermalFlow(one, normal, float(temperature), place, bias, replicas, [number, t])
            motions.append(_Motion.until(flow, tol, most, bar))
    resistance, error, shares = np.array([motion.judged() for motion in motions]).T
    _warn(points, error, tol, motions)
    evidence = Evidence.of(
        Choice("langevin", "the only one", select_backend("cpu")),
        dtype="float32",
        start=start,
        replicas=replicas,
        steps=max(motion.steps for motion in motions),
        warming_steps=CHUNK * max(motion.warming for motion in motions),
        time=[motion.steps * motion.time_step for motion in motions],
        drift=max(motion.drift() for motion in motions),
        noise_share=shares.tolist(),
        stiff_bonds=[motion.stiff_bonds for motion in motions],
        axis=place,
        seed=number,
    )
    return NetworkResistance(temperatures=points, resistance=resistance, error=error, bias=bias, evidence=evidence)


def _warn(points: np.ndarray, error: np.ndarray, tol: float, motions: list[_Motion]) -> None:
    worst, drifts = int(error.argmax()), np.array([motion.drift() for motion in motions])
    if error[worst] > tol:
        warnings.warn(
            f"network_resistance: the standard error of R/R_N is {error[worst]:.2g} at T = {points[worst]:g} after "
            f"{motions[worst].steps} steps; {tol:g} was wanted. Raise most_steps, replicas or bias",
            AccuracyWarning,
            stacklevel=3,
        )
    moving = int(drifts.argmax())
    if drifts[moving] > MOST_DRIFT and drifts[moving] * error[moving] > tol:
        warnings.warn(
            f"network_resistance: R/R_N at T = {points[moving]:g} differs by {drifts[moving]:.1f} standard errors "
            f"between the halves of {motions[moving].steps} steps: the phases have not come to a steady motion. A "
            "smaller tol lasts longer",
            AccuracyWarning,
            stacklevel=3,
        )


class _Motion:
    """Records of how far the twist went at a temperature, and what the noise contributed: arrays (records, R)."""

    def __init__(self, flow: ThermalFlow) -> None:
        self.time_step, self.stiff_bonds = flow.time_step, flow.stiff_bonds
        self._moved: list[np.ndarray] = []
        self._noise: list[np.ndarray] = []

    @classmethod
    def until(cls, flow: ThermalFlow, tol: float, most: int, bar: Any) -> _Motion:
        """Run until the standard error is ``tol``, or ``most`` records are made."""
        found, needed = cls(flow), FIRST_CHUNKS
        while len(found._moved) < min(needed, most):
            moved, noise = flow.run(CHUNK)
            found._moved.append(moved)
            found._noise.append(noise)
            bar.update(1)
            if len(found._moved) == needed:
                error = found.judged()[1]
                if error > tol:
                    needed = int(np.clip(1.1 * needed * (error / tol) ** 2, needed + 1, 2 * needed))
        return found

    @property
    def steps(self) -> int:
        """Steps of each replica."""
        return CHUNK * len(self._moved)

    @property
    def warming(self) -> int:
        """Records that do not count."""
        return int(WARMING * len(self._moved))

    def judged(self) -> tuple[float, float, float]:
        """Return the mean, its standard error, and the part of the noise that was taken off."""
        return _without_noise(*self._means(self.warming, len(self._moved)))

    def drift(self) -> float:
        """Return the difference of the two halves in standard errors."""
        middle = (self.warming + len(self._moved)) // 2
        early = _without_noise(*self._means(self.warming, middle))
        late = _without_noise(*self._means(middle, len(self._moved)))
        return abs(early[0] - late[0]) / (float(np.hypot(early[1], late[1])) or 1.0)

    def _means(self, first: int, last: int) -> tuple[np.ndarray, np.ndarray]:
        return np.mean(self._moved[first:last], axis=0), np.mean(self._noise[first:last], axis=0)


def _without_noise(moved: np.ndarray, noise: np.ndarray) -> tuple[float, float, float]:
    """Return the mean of ``moved`` (R,) less the best multiple of ``noise``, its error, and the multiple."""
    count = moved.size
    centred = noise - noise.mean()
    share = float(centred @ moved) / max(float(centred @ centred), 1e-300)
    values = moved - share * noise
    left = float(np.square(values - values.mean()).sum()) / (count - 2)
    return float(values.mean()), float(np.sqrt(left / count)), share
