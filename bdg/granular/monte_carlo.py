r"""Monte Carlo of the phases of a network: energy and helicity modulus against temperature.

.. math:: H = -\sum_b J_b \cos(\varphi_i - \varphi_j), \qquad
          Y_a = \frac{1}{V} \Big[ \Big\langle \sum_b J_b x_{b,a}^2 \cos\varphi_b \Big\rangle
          - \frac{1}{T} \Big\langle \Big( \sum_b J_b x_{b,a} \sin\varphi_b \Big)^2 \Big\rangle \Big]

The moves are those of `bdg.granular.xy_replicas`.
"""

from __future__ import annotations

import time
import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import scipy  # its parts load on use

from bdg.base.arguments import real_array, require_seed
from bdg.base.errors import AccuracyWarning
from bdg.base.progress import progress_bar
from bdg.base.results import Choice, Evidence, Result, quantity
from bdg.gpu.device.backend import select_backend
from bdg.granular.network import Network, require_network
from bdg.granular.xy_replicas import Replicas, SpinBonds

if TYPE_CHECKING:
    from matplotlib.figure import Figure

FEWEST_REPLICAS, REPLICAS, MOST_REPLICAS = 8, 32, 256  # the most where networks are small
SPINS, BOND_COLUMNS = 65_536, 1e7  # of all columns: above, a sweep costs more than its calls; memory for the bonds
SWEEPS = 40  # of each replica at least, before there are many replicas
DEFAULT_SAMPLES, FEWEST_SAMPLES, DEFAULT_SITES = 48_000, 3_200, 512
LEAST_WARMING, WARMING = 50, 0.15  # sweeps before anything counts, and the part of the counted ones if that is more
FALSE_ALARMS = 1e-3  # probability that a run in equilibrium is called drifting
_ROUNDING = 1e-6  # of single precision, relative


@dataclass(frozen=True, eq=False, kw_only=True)
class PhaseSamples(Result):
    """Thermal averages of the phases of a network.

    Errors are standard errors over independent replicas.

    Attributes
    ----------
    temperatures : array (T,)
        In the unit of the couplings, as all energies.
    energy, energy_error : arrays (T,)
        Per site.
    helicity, helicity_error : arrays (T, d)
        Helicity modulus along each axis: energy times length^(2 - d).
    """

    temperatures: np.ndarray = quantity("temperatures (T,)", "coupling")
    energy: np.ndarray = quantity("energy per site (T,)", "coupling")
    energy_error: np.ndarray = quantity("its standard error (T,)", "coupling")
    helicity: np.ndarray = quantity("helicity modulus along each axis (T, d)", "coupling * length^(2 - d)")
    helicity_error: np.ndarray = quantity("its standard error (T, d)", "coupling * length^(2 - d)")

    def plot(self, ax: Any = None) -> Figure:
        """Return a Figure of the helicity modulus along each axis against temperature."""
        from bdg.plots.networks import plot_helicity

        return plot_helicity(self.temperatures, self.helicity, self.helicity_error, ax)


def sample_phases(
    network: Network,
    temperatures: Any,
    *,
    samples: int | None = None,
    seed: int | None = None,
    device: str = "auto",
    progress: bool = False,
) -> PhaseSamples:
    """Return energy and helicity modulus of the phases of a network, by Monte Carlo.

    Parameters
    ----------
    network : Network
    temperatures : float or array (T,)
        > 0, in the unit of the couplings, in any order; neighbouring ones exchange their replicas.
    samples : int, optional
        Sweeps that count at each temperature, over all replicas together. Default: 48 000 up to 512 sites, which gives
        energy and helicity of the cubic lattice 8^3 to .003 near its transition; fewer in proportion on larger
        networks, at least 3200. Errors fall as the root of it.
    seed : int, optional
        None means 0: calls repeat bit for bit.
    device : {"auto", "cpu"}
        Both run on the CPU, since clusters are found there.
    progress : bool
        Show a bar over the sweeps.

    Returns
    -------
    PhaseSamples
        Numbers are those of single precision (1e-6 relative) where errors are smaller. The evidence has ``replicas``,
        ``sweeps``, ``exchange_rates`` between neighbouring temperatures, and ``drift``: the largest difference of the
        two halves of the run, in standard errors, beside ``drift_allowed``.

    Warns
    -----
    AccuracyWarning
        If the two halves of the run disagree: it did not reach equilibrium.

    Raises
    ------
    TypeError, ValueError
        If an argument is of the wrong type or out of range.

    References
    ----------
    R. H. Swendsen, J.-S. Wang, Phys. Rev. Lett. 58, 86 (1987), U. Wolff, ibid. 62, 361 (1989): clusters; M. Creutz,
    Phys. Rev. D 36, 515 (1987): over-relaxation; K. Hukushima, K. Nemoto, J. Phys. Soc. Jpn. 65, 1604 (1996): exchange
    of temperatures.

    Examples
    --------
    >>> from bdg.granular import Network, sample_phases
    >>> phases = sample_phases(Network.cubic(4), [0.5, 6.0], samples=200, seed=1)
    >>> cold, hot = phases.helicity.mean(axis=1)
    >>> print(cold > 0.8, abs(hot) < 0.1)  # stiff well below the transition at 2.2 couplings, soft above
    True True
    """
    start = time.perf_counter()
    require_network("network", network)
    points = require_temperatures(temperatures)
    number = require_seed(seed)
    require_cpu("sample_phases", device)
    wanted = default_samples(network) if samples is None else require_samples("samples", samples)
    order = np.argsort(points, kind="stable")
    run = PhaseRun.of([network], points[order], wanted, [number], progress)
    back = np.argsort(order, kind="stable")
    drift, allowed = run.drift()
    if drift > allowed:
        warnings.warn(
            f"sample_phases: the first and the second half of the run differ by {drift:.1f} standard errors "
            f"({allowed:.1f} would be chance): it has not reached equilibrium, and the errors are too small. Raise "
            f"samples above {wanted}, or add temperatures between those given",
            AccuracyWarning,
            stacklevel=2,
        )
    evidence = Evidence.of(
        Choice("monte_carlo", "the only one", select_backend("cpu")),
        dtype="float32",
        start=start,
        replicas=run.replicas,
        sweeps=run.sweeps,
        warming_sweeps=run.warming,
        colours=run.colours,
        exchange_rates=[float(rate) for rate in run.exchange_rates],
        drift=drift,
        drift_allowed=allowed,
        percolates=[bool(does) for does in network.percolates],
        seed=number,
    )
    energy, helicity = run.energy[:, 0, back], run.helicity[:, 0, back]
    return PhaseSamples(
        temperatures=points,
        energy=energy.mean(axis=0),
        energy_error=standard_error(energy),
        helicity=helicity.mean(axis=0),
        helicity_error=standard_error(helicity),
        evidence=evidence,
    )


@dataclass(frozen=True, eq=False)
class PhaseRun:
    """Averages of each replica over the halves of a run, of one network or of several side by side.

    Attributes
    ----------
    halves : array (2, R, P, T, 1 + d)
        Energy per site and helicity moduli of P networks at T temperatures.
    sweeps, warming : int
        Of each replica: that counted, and before.
    colours : int
    exchange_rates : array (T - 1,)
    """

    halves: np.ndarray
    sweeps: int
    warming: int
    colours: int
    exchange_rates: np.ndarray

    @classmethod
    def of(
        cls,
        networks: Sequence[Network],
        temperatures: np.ndarray,
        samples: int,
        seed: Sequence[int],
        progress: bool = False,
        scales: Any = 1.0,
    ) -> PhaseRun:
        """Run the Monte Carlo at ascending temperatures (T,), the couplings of each network times its scale."""
        count, dimensions = temperatures.size, networks[0].dimensions
        replicas = _replicas(networks, count, samples)
        half = max(1, -(-samples // (2 * replicas)))
        warming = max(LEAST_WARMING, int(2 * WARMING * half))
        bonds = SpinBonds.of(networks, np.broadcast_to(scales, len(networks)).tolist())
        means = np.zeros((2, 1 + 2 * dimensions, len(networks), replicas, count))
        if not bonds.n_spins:  # nothing moves
            half = warming = 0
            means[:, : 1 + dimensions] = bonds.loops[..., None, None]
        system = Replicas(bonds, temperatures, replicas, seed)
        for sweep in progress_bar(progress, "phases", "sweep", range(warming + 2 * half)):
            found = system.sweep()
            if sweep >= warming:
                means[(sweep - warming) // half] += found / half
        sites, volumes = np.array([[network.n_sites, network.volume] for network in networks]).T[..., None, None]
        energy = -bonds.unit / sites * means[:, :1]
        even, currents = means[:, 1 : 1 + dimensions], means[:, 1 + dimensions :]
        helicity = bonds.unit / volumes * (even - bonds.unit / temperatures * currents)
        halves = np.einsum("hqprt->hrptq", np.concatenate([energy, helicity], axis=1))
        rates = system.exchanged / np.maximum(system.tried, 1)
        return cls(halves, 2 * half, warming, len(bonds.slices), rates)

    @property
    def replicas(self) -> int:
        """Number of independent replicas."""
        return int(self.halves.shape[1])

    @property
    def energy(self) -> np.ndarray:
        """Energy per site of each replica (R, P, T)."""
        return self.halves[..., 0].mean(axis=0)

    @property
    def helicity(self) -> np.ndarray:
        """Helicity moduli of each replica (R, P, T, d)."""
        return self.halves[..., 1:].mean(axis=0)

    def drift(self) -> tuple[float, float]:
        """Return the largest difference of the halves in standard errors, and the largest that chance allows."""
        change = self.halves[1] - self.halves[0]
        error = standard_error(change) + _ROUNDING * abs(self.halves).max()
        sizes = abs(change.mean(axis=0)) / np.where(error > 0, error, 1.0)
        allowed = scipy.special.stdtrit(self.replicas - 1, 1 - FALSE_ALARMS / (2 * sizes.size))
        return float(sizes.max()), float(allowed)


def _replicas(networks: Sequence[Network], n_temperatures: int, samples: int) -> int:
    """Return how many replicas share the sweeps."""
    sites, bonds = (sum(network.n_sites for network in networks), sum(len(network.pairs) for network in networks))
    wanted = np.clip(SPINS / (sites * n_temperatures), REPLICAS, MOST_REPLICAS)
    affordable = BOND_COLUMNS / max(1, bonds * n_temperatures)
    return max(FEWEST_REPLICAS, int(min(wanted, affordable, samples // SWEEPS)))


def standard_error(values: np.ndarray) -> np.ndarray:
    """Return the standard error of the mean over the first axis."""
    return values.std(axis=0, ddof=1) / np.sqrt(len(values))


def default_samples(network: Network) -> int:
    """Return the sweeps of all replicas that a call without ``samples`` makes."""
    return int(max(FEWEST_SAMPLES, DEFAULT_SAMPLES * min(1.0, DEFAULT_SITES / network.n_sites)))


def require_samples(name: str, value: Any) -> int:
    """Return a whole number >= 1."""
    if isinstance(value, bool | np.bool_) or not isinstance(value, int | np.integer) or value < 1:
        raise ValueError(f"{name} must be a whole number >= 1 of sweeps; got {value!r:.80}")
    return int(value)


def require_cpu(function: str, device: Any) -> None:
    """Refuse a GPU."""
    if device == "gpu":
        raise ValueError(f"{function} runs on the CPU only; use device='cpu' or 'auto'")
    if device not in ("auto", "cpu"):
        raise ValueError(f"device must be 'auto' or 'cpu'; got {device!r:.80}")


def require_networks(networks: Any) -> list[Network]:
    """Return the members of a sequence of Networks; one alone is a sequence of one."""
    alone = isinstance(networks, Network) or not np.iterable(networks)
    return [require_network("networks", network) for network in ([networks] if alone else networks)]


def require_temperatures(values: Any) -> np.ndarray:
    """Return temperatures > 0 as an array (T,)."""
    points = np.atleast_1d(real_array("temperatures", values))
    if points.dtype.kind not in "iuf" or points.ndim != 1 or not points.size:
        raise TypeError(f"temperatures must be a real number or a list of them; got {values!r:.80}")
    wrong = ~(np.isfinite(points) & (points > 0))
    if wrong.any():
        raise ValueError(
            f"temperatures must be > 0 and finite, in the unit of the couplings; got {points[wrong][0]}. At 0 take "
            "network.relaxed_stiffness()"
        )
    return points.astype(float)
