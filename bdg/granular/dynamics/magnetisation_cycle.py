"""Zero-field-cooled and field-cooled magnetisation of open clusters of grains, and the temperature where they join."""

from __future__ import annotations

import time
import warnings
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import scipy.constants

from bdg.base.arguments import require_seed
from bdg.base.errors import AccuracyWarning
from bdg.base.progress import progress_bar
from bdg.base.results import Choice, Evidence, Result, quantity
from bdg.gpu.device.backend import select_backend
from bdg.granular.dynamics.field_spins import FieldSpins, cross_section
from bdg.granular.monte_carlo import require_cpu, require_networks, require_temperatures
from bdg.granular.network import Network
from bdg.lattices.arguments import positive_number, whole_number
from bdg.lattices.units import FLUX_QUANTUM_T_NM2

if TYPE_CHECKING:
    from matplotlib.figure import Figure

TESLA_PER_OERSTED = 1e-4
MEASURED, EVERY = 0.5, 5  # part of the sweeps at a temperature that counts, and sweeps from one moment to the next
RESAMPLED = 200  # sets of samples drawn for the error of T_irr


@dataclass(frozen=True, eq=False, kw_only=True)
class MagnetisationCycle(Result):
    """Magnetisation on warming after cooling without field, and on cooling in it.

    Attributes
    ----------
    field_Oe : float
    temperatures : array (T,)
        Ascending, in kelvin.
    zero_field_cooled, field_cooled : arrays (T,)
        M in A/m, mean over samples and replicas; NaN where the field is out of reach.
    zero_field_cooled_error, field_cooled_error : arrays (T,)
        Standard errors over samples.
    difference, difference_error : arrays (T,)
        Field-cooled less zero-field-cooled, of the same samples.
    irreversibility_temperature, irreversibility_error : float
        Highest temperature at which the difference exceeds ``sigmas`` standard errors, in kelvin; 0 if it never does,
        NaN where the field is out of reach.
    flux_quanta : float
        Through the largest cluster, mean over samples.
    within_reach : bool
        Whether that is at least 1: a cluster that holds less has nothing to be irreversible with.
    """

    field_Oe: float = quantity("magnetic field", "Oe")  # noqa: N815
    temperatures: np.ndarray = quantity("temperatures (T,)", "K")
    zero_field_cooled: np.ndarray = quantity("magnetisation on warming in the field (T,)", "A/m")
    zero_field_cooled_error: np.ndarray = quantity("its standard error (T,)", "A/m")
    field_cooled: np.ndarray = quantity("magnetisation on cooling in the field (T,)", "A/m")
    field_cooled_error: np.ndarray = quantity("its standard error (T,)", "A/m")
    difference: np.ndarray = quantity("field-cooled less zero-field-cooled (T,)", "A/m")
    difference_error: np.ndarray = quantity("its standard error (T,)", "A/m")
    irreversibility_temperature: float = quantity("where both join", "K")
    irreversibility_error: float = quantity("its error", "K")
    flux_quanta: float = quantity("flux through a cluster", "h/2e")
    within_reach: bool = quantity("whether a cluster holds a flux quantum")

    def plot(self, ax: Any = None) -> Figure:
        """Return a Figure of both magnetisations against temperature."""
        from bdg.plots.networks import plot_cycle

        curves = [
            (self.zero_field_cooled, self.zero_field_cooled_error, "zero-field-cooled"),
            (self.field_cooled, self.field_cooled_error, "field-cooled"),
        ]
        return plot_cycle(self.temperatures, curves, self.irreversibility_temperature, self.field_Oe, ax)


def magnetisation_cycle(
    networks: Sequence[Network] | Callable[[float], Sequence[Network]],
    field_Oe: float,
    temperatures_K: Any,
    *,
    sweeps: int = 200,
    field_steps: int = 50,
    replicas: int = 4,
    sigmas: float = 2.0,
    seed: int | None = None,
    device: str = "auto",
    progress: bool = False,
) -> MagnetisationCycle:
    r"""Return the magnetisation of clusters after cooling without and in a field, and where both join.

    .. math:: H = -\sum_b E_b \cos(\varphi_i - \varphi_j - A_b), \qquad
              M = \frac{2 \pi}{\Phi_0 V} \sum_b E_b\, a_b \sin(\varphi_i - \varphi_j - A_b)

    with ``A_b = 2 pi B a_b/Phi_0`` in the symmetric gauge. Zero-field-cooled: parallel phases at the lowest
    temperature, the field raised in ``field_steps`` small steps, then warmed. Field-cooled: from phases at random at
    the highest temperature, in the field. The dynamics are those of a local heat bath: what joins within ``sweeps``
    says nothing about longer times.

    Parameters
    ----------
    networks : sequence of Network, or function of the temperature that returns them
        Open clusters (`Network.opened`), displacements in nm, couplings in kelvin; at least 2 samples.
    field_Oe : float
        > 0, along z.
    temperatures_K : array (T,)
        At least 2; the highest above the locking temperature.
    sweeps : int
        At each temperature, the second half of them measured, and in all on the way of the field.
    field_steps : int
    replicas : int
        Of each sample, together in one array.
    sigmas : float
        Standard errors from which the curves differ.
    seed : int, optional
        None means 0: calls repeat bit for bit.
    device : {"auto", "cpu"}
        Both run on the CPU.
    progress : bool
        Show a bar over temperatures and steps of the field.

    Returns
    -------
    MagnetisationCycle
        Errors are standard errors over samples; that of T_irr is the scatter over samples drawn anew, or half the
        distance of temperatures. The evidence has ``samples``, ``sweeps``, ``field_steps``, ``largest_step`` (the
        largest change of A_b in one step, in rad).

    Warns
    -----
    AccuracyWarning
        If the curves still differ at the highest temperature.

    Raises
    ------
    TypeError, ValueError
        If an argument is of the wrong type or out of range, or a network goes around its period.

    References
    ----------
    C. Ebner, D. Stroud, Phys. Rev. B 31, 165 (1985): clusters of grains, field-cooled and not.

    Examples
    --------
    >>> import numpy as np
    >>> from bdg.granular import Network, magnetisation_cycle
    >>> cubic = Network.cubic(4, coupling=4.0)
    >>> places = 40.0 * np.stack(np.unravel_index(np.arange(64), (4, 4, 4)), axis=1)  # nm
    >>> parts = cubic.pairs, cubic.couplings, 40.0 * cubic.displacements
    >>> cluster = Network(*parts, n_sites=64, volume=40.0**3 * 64).opened(places)
    >>> cycle = magnetisation_cycle([cluster] * 2, 1500.0, [1.0, 3.0], sweeps=20, replicas=2, seed=1)
    >>> print(cycle.zero_field_cooled[0] < 0, round(cycle.flux_quanta, 2))  # diamagnetic; quanta in a cluster
    True 1.04
    """
    start = time.perf_counter()
    field_Oe = positive_number("field_Oe", field_Oe, "Oe")
    points = np.unique(require_temperatures(temperatures_K))
    if points.size < 2:
        raise ValueError(f"temperatures_K must be at least 2 different temperatures; got {temperatures_K!r:.80}")
    counts = [whole_number("sweeps", sweeps, 4), whole_number("field_steps", field_steps, 1)]
    replicas, sigmas = whole_number("replicas", replicas, 1), positive_number("sigmas", sigmas)
    number = require_seed(seed)
    require_cpu("magnetisation_cycle", device)
    clusters = _Clusters(networks, points)
    field = TESLA_PER_OERSTED * field_Oe
    quanta = field * clusters.area / FLUX_QUANTUM_T_NM2
    if quanta >= 1:
        with progress_bar(progress, "cycle", "step", total=counts[1] + 2 * points.size) as bar:
            run = _Ramp(clusters, field, counts[0], counts[1], FieldSpins(clusters.at(0), replicas, [number]), bar)
            cold, warm = run.zero_field_cooled(), run.field_cooled()
    else:
        cold = warm = np.full((points.size, clusters.samples), np.nan)
    joined, error = _joined(points, warm - cold, sigmas, number) if quanta >= 1 else (np.nan, np.nan)
    if joined == points[-1]:
        warnings.warn(
            f"magnetisation_cycle: the curves differ up to the highest temperature, {points[-1]:g} K; give higher ones",
            AccuracyWarning,
            stacklevel=2,
        )
    evidence = Evidence.of(
        Choice("heat_bath", "the only one", select_backend("cpu")),
        dtype="complex64",
        start=start,
        samples=clusters.samples,
        replicas=replicas,
        sweeps=counts[0],
        field_steps=counts[1],
        largest_step=2 * np.pi * quanta / clusters.area * clusters.largest_area / counts[1],
        sigmas=sigmas,
        seed=number,
    )
    return MagnetisationCycle(
        field_Oe=field_Oe,
        temperatures=points,
        zero_field_cooled=cold.mean(axis=1),
        zero_field_cooled_error=_error(cold),
        field_cooled=warm.mean(axis=1),
        field_cooled_error=_error(warm),
        difference=(warm - cold).mean(axis=1),
        difference_error=_error(warm - cold),
        irreversibility_temperature=joined,
        irreversibility_error=error,
        flux_quanta=float(quanta),
        within_reach=bool(quanta >= 1),
        evidence=evidence,
    )


class _Clusters:
    """Open networks at each temperature, checked."""

    def __init__(self, networks: Any, temperatures: np.ndarray) -> None:
        self.temperatures = temperatures
        given = [networks(float(t)) if callable(networks) else networks for t in temperatures]
        self._at = [require_networks(found) for found in given]
        first = self._at[0]
        self.samples = len(first)
        if self.samples < 2:
            raise ValueError(f"networks must be at least 2 samples, for an error; got {self.samples}")
        if any(n.dimensions < 2 for n in first) or any(n.percolates.any() for n in first):
            raise ValueError(
                "networks must be open and of 2 or 3 dimensions: a field has no vector potential that repeats itself. "
                "Use network.opened(positions)"
            )
        if any([n.pairs.shape for n in other] != [n.pairs.shape for n in first] for other in self._at):
            raise ValueError("networks must return the same clusters at every temperature, only other couplings")
        self.area = float(np.mean([cross_section(n) for n in first]))
        self.volumes = np.array([n.volume for n in first])
        self.largest_area = 0.0

    def at(self, place: int) -> list[Network]:
        """Return the samples at a temperature."""
        return self._at[place]

    def couplings(self, place: int) -> np.ndarray:
        """Return all couplings (B,) at a temperature."""
        return np.concatenate([n.couplings for n in self._at[place]])


class _Ramp:
    def __init__(
        self, clusters: _Clusters, field: float, sweeps: int, field_steps: int, spins: FieldSpins, bar: Any
    ) -> None:
        self._clusters, self._field, self._sweeps, self._steps = clusters, field, sweeps, field_steps
        self._spins, self._bar = spins, bar
        clusters.largest_area = float(abs(spins.areas).max())

    def zero_field_cooled(self) -> np.ndarray:
        """Return M (T, P)."""
        spins, points = self._spins, self._clusters.temperatures
        spins.align()
        for step in range(self._steps + 1):
            spins.set(self._clusters.couplings(0), float(points[0]), self._field * step / self._steps)
            spins.sweep(max(1, self._sweeps // self._steps))
            self._bar.update(1)
        return np.array([self._measured(place) for place in range(points.size)])

    def field_cooled(self) -> np.ndarray:
        """Return M (T, P)."""
        self._spins.scatter()
        return np.array([self._measured(place) for place in range(self._clusters.temperatures.size)[::-1]])[::-1]

    def _measured(self, place: int) -> np.ndarray:
        """Return M (P,) in A/m at a temperature, after some sweeps."""
        clusters = self._clusters
        self._spins.set(clusters.couplings(place), float(clusters.temperatures[place]), self._field)
        self._spins.sweep(int((1 - MEASURED) * self._sweeps))
        found = list(self._moments(max(1, int(MEASURED * self._sweeps) // EVERY)))
        self._bar.update(1)
        values: np.ndarray = np.mean(found, axis=0) * scipy.constants.k / (1e-27 * clusters.volumes)
        return values

    def _moments(self, count: int) -> Iterator[np.ndarray]:
        for _ in range(count):
            self._spins.sweep(EVERY)
            yield self._spins.moments().mean(axis=1)


def _error(values: np.ndarray) -> np.ndarray:
    found: np.ndarray = values.std(axis=1, ddof=1) / np.sqrt(values.shape[1])
    return found


def _joined(points: np.ndarray, differences: np.ndarray, sigmas: float, seed: int) -> tuple[float, float]:
    """Return where differences (T, P) fall below ``sigmas`` standard errors, and its error."""
    samples = differences.shape[1]
    drawn = np.random.default_rng(seed).integers(0, samples, (RESAMPLED, samples))
    drawn = drawn[np.array([np.unique(d).size > 1 for d in drawn])]
    found = _highest(points, differences.mean(axis=1) - sigmas * _error(differences))
    others = [_highest(points, differences[:, d].mean(axis=1) - sigmas * _error(differences)) for d in drawn]
    return found, float(np.hypot(np.std(others), 0.5 * np.diff(points).mean()))


def _highest(points: np.ndarray, excess: np.ndarray) -> float:
    """Return the highest temperature where the excess crosses 0 from above, between two points by a straight line."""
    above = np.flatnonzero(excess > 0)
    if not above.size:
        return 0.0
    last = int(above[-1])
    if last == points.size - 1:
        return float(points[-1])
    share = excess[last] / (excess[last] - excess[last + 1])
    return float(points[last] + share * (points[last + 1] - points[last]))
