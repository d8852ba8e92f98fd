r"""The temperature at which the phases of a network lock.

At the transition of the XY model in three dimensions ``L Y/T`` does not depend on the size of the network
(hyperscaling); in a cubic box with periods it is 0.50. The crossing of this value is the transition already for small
networks: 2.20 J on the simple cubic lattice from L = 8 on.
"""

from __future__ import annotations

import math
import time
import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from bdg.base.arguments import require_seed
from bdg.base.errors import AccuracyWarning
from bdg.base.progress import progress_bar
from bdg.base.results import Choice, Evidence, Result, quantity
from bdg.gpu.device.backend import select_backend
from bdg.granular.crossing import LEVEL, Crossing, NetworkSource
from bdg.granular.monte_carlo import require_cpu
from bdg.granular.network import Network
from bdg.lattices.arguments import positive_number

if TYPE_CHECKING:
    from matplotlib.figure import Figure


@dataclass(frozen=True, eq=False, kw_only=True)
class LockingTemperature(Result):
    """Where ``L Y/T`` of networks crosses 0.50.

    Attributes
    ----------
    temperature, error : float
        In the unit of the couplings; 0 where nothing percolates.
    sizes : array (G,)
        ``L = V^(1/3)`` of each size; networks of equal volume are samples of it.
    crossings, crossing_errors : arrays (G,)
        The temperature of each size; the error is the larger of those from Monte Carlo and from the scatter of
        samples.
    temperatures : array (G, M)
        Those of the last fit; 0 where a size does not percolate.
    criterion, criterion_errors : arrays (G, M)
        ``L Y/T``, the mean over axes and samples.
    """

    temperature: float = quantity("temperature at which the phases lock", "coupling")
    error: float = quantity("its standard error", "coupling")
    sizes: np.ndarray = quantity("V^(1/3) of each size (G,)", "length")
    crossings: np.ndarray = quantity("temperature of each size (G,)", "coupling")
    crossing_errors: np.ndarray = quantity("its standard error (G,)", "coupling")
    temperatures: np.ndarray = quantity("temperatures of the last fit (G, M)", "coupling")
    criterion: np.ndarray = quantity("L Y/T, mean over axes and samples (G, M)")
    criterion_errors: np.ndarray = quantity("its standard error over replicas (G, M)")

    def plot(self, ax: Any = None) -> Figure:
        """Return a Figure of L Y/T against temperature with its crossing."""
        from bdg.plots.networks import plot_locking

        curves = list(self.temperatures), list(self.criterion), list(self.criterion_errors)
        return plot_locking(self.sizes, *curves, LEVEL, (self.temperature, self.error), ax)


def locking_temperature(
    networks: Network | Sequence[Network] | Callable[[float], Any],
    *,
    tol: float = 0.01,
    between: tuple[float, float] | None = None,
    seed: int | None = None,
    device: str = "auto",
    progress: bool = False,
) -> LockingTemperature:
    r"""Return the temperature at which the phases of networks lock: ``L Y(T)/T = 0.50``.

    Parameters
    ----------
    networks : Network, sequence of Network, or function of the temperature that returns them
        Three-dimensional. Networks of equal volume are samples, whose Y is averaged; different volumes are different
        sizes, each with its own crossing. A function gives couplings that depend on temperature, always of the same
        networks.
    tol : float
        Wanted relative error. Where the scatter of few samples exceeds it, Monte Carlo stops at half that scatter.
    between : (low, high), optional
        Temperatures that ``networks`` may be called with, such as the ends of a table. The crossing must lie inside.
    seed : int, optional
        None means 0: calls repeat bit for bit.
    device : {"auto", "cpu"}
        Both run on the CPU.
    progress : bool
        Show a bar over the runs.

    Returns
    -------
    LockingTemperature
        The evidence tells for each size the number of ``samples``, how many of them ``percolate``, what limits the
        error (``limited_by``: "Monte Carlo" or "samples"), both errors, and the ``sweeps`` made.

    Warns
    -----
    AccuracyWarning
        If the two halves of the last run disagree, or networks of a size do not percolate.

    Raises
    ------
    TypeError, ValueError
        If an argument is of the wrong type or out of range, or there is no crossing ``between``.
    ConvergenceError
        If no crossing is found.

    Notes
    -----
    L Y/T is fitted with a parabola at five temperatures around the crossing; the error follows from the same linear
    combination of them in every replica, and in every sample. Sizes are combined with the weights 1/error^2; their
    error grows by chi where they disagree.

    Examples
    --------
    >>> from bdg.granular import Network, locking_temperature
    >>> networks = [Network.cubic(4), Network.cubic(6)]
    >>> locking = locking_temperature(networks, tol=0.05, between=(1.8, 2.6), seed=1)
    >>> print(round(locking.temperature, 1))  # of the cubic XY model: 2.20
    2.2
    """
    start = time.perf_counter()
    tol = positive_number("tol", tol, "relative")
    number = require_seed(seed)
    require_cpu("locking_temperature", device)
    source = NetworkSource.of(networks, _require_between(between))
    with progress_bar(progress, "locking", "run") as bar:
        found = [Crossing(source, group, tol, [number, place], bar).find() for place, group in enumerate(source.groups)]
    crossings, errors = np.array([f.temperature for f in found]), np.array([f.error for f in found])
    temperature, error = _combined(crossings, errors)
    for size, group in zip(found, source.groups, strict=True):
        if size.percolating < len(group):
            warnings.warn(
                f"locking_temperature: {len(group) - size.percolating} of {len(group)} networks of L = "
                f"{size.length:.4g} do not percolate, so that their phases lock at no temperature. If their bonds end "
                "at a cut-off, give a larger one",
                AccuracyWarning,
                stacklevel=2,
            )
        if size.drift[0] > size.drift[1]:
            warnings.warn(
                f"locking_temperature: the two halves of a run differ by {size.drift[0]:.1f} standard errors for "
                f"L = {size.length:.4g} ({size.drift[1]:.1f} would be chance): it has not reached equilibrium. Use a "
                "smaller tol",
                AccuracyWarning,
                stacklevel=2,
            )
    evidence = Evidence.of(
        Choice("monte_carlo", "the only one", select_backend("cpu")),
        dtype="float32",
        start=start,
        level=LEVEL,
        samples=[len(group) for group in source.groups],
        percolate=[f.percolating for f in found],
        limited_by=[f.limited_by for f in found],
        monte_carlo_errors=[f.noise for f in found],
        sample_errors=[f.scatter for f in found],
        sweeps=[f.sweeps for f in found],
        drift=max(f.drift[0] for f in found),
        drift_allowed=min(f.drift[1] for f in found),
        couplings="fixed" if source.fixed else "functions of the temperature",
        seed=number,
    )
    return LockingTemperature(
        temperature=temperature,
        error=error,
        sizes=np.array([f.length for f in found]),
        crossings=crossings,
        crossing_errors=errors,
        temperatures=np.array([f.temperatures for f in found]),
        criterion=np.array([f.criterion for f in found]),
        criterion_errors=np.array([f.criterion_errors for f in found]),
        evidence=evidence,
    )


def _combined(crossings: np.ndarray, errors: np.ndarray) -> tuple[float, float]:
    """Return the mean of the sizes that percolate and its error, larger by chi where they disagree."""
    known = errors > 0
    if not known.any():
        return 0.0, 0.0
    weights = 1 / errors[known] ** 2
    mean = float((weights * crossings[known]).sum() / weights.sum())
    chi_squared = float((weights * (crossings[known] - mean) ** 2).sum()) / max(1, known.sum() - 1)
    return mean, math.sqrt(max(1.0, chi_squared) / weights.sum())


def _require_between(values: Any) -> tuple[float, float]:
    if values is None:
        return 0.0, math.inf
    try:
        low, high = (positive_number("between", value, "temperature") for value in values)
    except (TypeError, ValueError) as error:
        raise type(error)(f"between must be two temperatures, 0 < low < high; got {values!r:.80}") from error
    if not low < high:
        raise ValueError(f"between must be two temperatures, 0 < low < high; got {values!r:.80}")
    return low, high
