r"""Level statistics: the mean ratio of consecutive level spacings.

.. math:: r_n = \frac{\min(s_n, s_{n+1})}{\max(s_n, s_{n+1})}, \qquad s_n = E_{n+1} - E_n

(V. Oganesyan, D. A. Huse, Phys. Rev. B 75, 155111 (2007)); no unfolding is needed. Its mean is 2 ln 2 - 1 for
uncorrelated (localised) levels, 0.5307, 0.5996 and 0.6744 for the orthogonal, unitary and symplectic ensembles (Y. Y.
Atas, E. Bogomolny, O. Giraud, G. Roux, Phys. Rev. Lett. 110, 084101 (2013), table I).
"""

from __future__ import annotations

import math
import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from bdg.base.arguments import real_array, window_ends
from bdg.base.results import Choice, Evidence, Result, quantity
from bdg.gpu.device.backend import select_backend
from bdg.lattices.arguments import non_negative_number
from bdg.states.bound_states import BoundStates
from bdg.states.multiplets import ROUNDING, multiplets

if TYPE_CHECKING:
    from matplotlib.figure import Figure

_RULE = "states must be results of bound_states or lists of finite energies"
POISSON = 2 * math.log(2) - 1
DEGENERATE = 1e-9  # of a level: closer ones count as one
ZERO, SMALL = 1e-12, 1e-6  # in the unit of the hopping, and of the largest |E|: below the smaller of both is zero
GOE, GUE, GSE = 0.5307, 0.5996, 0.6744  # numerical, large matrices


@dataclass(frozen=True, eq=False, kw_only=True)
class LevelStatistics(Result):
    """Mean ratio of consecutive spacings and what it is compared with.

    Attributes
    ----------
    ratio, error : float
        Mean of the ratios and its standard error.
    ratios : array (n,)
        All of them, sample after sample.
    levels : int
        Different levels that they are made of.
    samples : int
    references : dict
        "poisson", "goe", "gue", "gse".
    nearest : str
        Of the references, the one next to ``ratio``.
    """

    ratio: float = quantity("mean ratio of consecutive level spacings")
    error: float = quantity("standard error of the ratio")
    ratios: np.ndarray = quantity("ratio of each pair of consecutive spacings (n,)")
    levels: int = quantity("different levels that entered")
    samples: int = quantity("number of spectra that entered")
    references: dict[str, float] = quantity("mean ratio of uncorrelated levels and of the Gaussian ensembles")
    nearest: str = quantity("the reference next to the ratio")

    def plot(self, ax: Any = None) -> Figure:
        """Return a Figure of the histogram of ratios with the curves of the references."""
        from bdg.plots.levels import plot_level_statistics

        r = np.linspace(0, 1, 300)
        names = {"poisson": "Poisson", "goe": "GOE", "gue": "GUE"}
        densities = {f"{shown}: {self.references[name]:.4f}": ratio_density(r, name) for name, shown in names.items()}
        title = f"mean {self.ratio:.3f} ± {self.error:.2g}: {self.ratios.size} ratios"
        title += f" of {self.samples} samples" if self.samples > 1 else ""
        return plot_level_statistics(self.ratios, r, densities, title, ax)


def level_statistics(
    states: BoundStates | Sequence[float] | Sequence[Any],
    *,
    window: tuple[float, float] | None = None,
    degeneracy: float | None = None,
) -> LevelStatistics:
    r"""Return the mean gap ratio of the levels.

    .. math:: r_n = \frac{\min(s_n, s_{n+1})}{\max(s_n, s_{n+1})}, \qquad s_n = E_{n+1} - E_n

    Levels come in pairs +-E, so only one sign is independent: those at E > 0 are taken (of a window below zero the
    mirror images). Levels closer than ``degeneracy`` are one level (spin, Kramers); a level at zero, its own mirror
    image, is left out.

    Parameters
    ----------
    states : BoundStates, array (n,) of energies, or a sequence of these
        A sequence is a set of samples (seeds): ratios are formed within each and averaged over all.
    window : (a, b), optional
        Only levels with a <= |E| <= b, 0 <= a < b, in the unit of the hopping. A window of fixed energy keeps the mean
        of different samples comparable; near E = 0 the mirror images repel the levels, too.
    degeneracy : float, optional
        In the unit of the hopping. Default: 1e-9 of the level's own |E|, at least its residual, rounding of the
        median |E|, and 1e-12 (1e-6 of the largest |E| where that is less).

    Returns
    -------
    LevelStatistics
        ``error`` is the standard error of the mean, neighbouring ratios being correlated (they share a spacing): the
        first two autocovariances are counted where they are positive.

    Raises
    ------
    TypeError, ValueError
        If the states are none, or no sample has three different levels in the window.

    Notes
    -----
    The numbers of the ensembles hold for levels of one symmetry sector: sectors that do not mix (a conserved spin that
    is split, parity, momentum) lower the ratio towards the Poisson value. A missed level changes it, too: the
    evidence says whether completeness was proven.

    References
    ----------
    V. Oganesyan, D. A. Huse, Phys. Rev. B 75, 155111 (2007); Y. Y. Atas, E. Bogomolny, O. Giraud, G. Roux, Phys. Rev.
    Lett. 110, 084101 (2013), table I for the ensembles.

    Examples
    --------
    >>> import numpy as np
    >>> import bdg
    >>> matrix = np.random.default_rng(1).normal(size=(300, 300))
    >>> statistics = bdg.level_statistics(np.linalg.eigvalsh(matrix + matrix.T))
    >>> print(round(statistics.ratio, 2), statistics.nearest)  # 0.53 is that of real random matrices
    0.53 goe
    """
    start = time.perf_counter()
    samples = _samples(states)
    low, high = _require_window(window)
    if degeneracy is not None:
        degeneracy = non_negative_number("degeneracy", degeneracy, "unit of the hopping")
    ratios, count, merged, proven = [], 0, 0, True
    for sample in samples:
        energies = sample.energies if isinstance(sample, BoundStates) else sample
        proven &= isinstance(sample, BoundStates) and bool(sample.complete)
        residuals = sample.residuals if isinstance(sample, BoundStates) else 0.0
        levels, members = _different_levels(energies, residuals, degeneracy)
        chosen = (levels >= low) & (levels <= high)
        levels, members = levels[chosen], members[chosen]
        if levels.size >= 3:
            spacing = np.diff(levels)
            pairs = np.stack([spacing[:-1], spacing[1:]])
            ratios.append(pairs.min(axis=0) / pairs.max(axis=0))
            count, merged = count + levels.size, merged + int(members.sum()) - levels.size
    if not ratios:
        raise ValueError(
            "states hold fewer than three different levels of one sign"
            + ("" if window is None else f" in the window {window}")
            + ": a ratio needs two spacings. Compute more levels, or widen the window"
        )
    every = np.concatenate(ratios)
    references = {"poisson": POISSON, "goe": GOE, "gue": GUE, "gse": GSE}
    mean = float(every.mean())
    evidence = Evidence.of(
        Choice("gap_ratio", "the only one", select_backend("cpu")),
        dtype=every.dtype,
        start=start,
        merged_levels=merged,
        levels_complete="proven for all samples" if proven else "not proven: a missed level changes two ratios",
        samples_left_out=len(samples) - len(ratios),
    )
    return LevelStatistics(
        ratio=mean,
        error=_standard_error(ratios, mean),
        ratios=every,
        levels=count,
        samples=len(ratios),
        references=references,
        nearest=min(references, key=lambda name: abs(references[name] - mean)),
        evidence=evidence,
    )


def ratio_density(r: np.ndarray, ensemble: str) -> np.ndarray:
    """Return the probability density of a ratio 0 <= r <= 1: exact for "poisson", the 3 x 3 surmise for the others."""
    if ensemble == "poisson":
        return 2 / (1 + r) ** 2
    beta = {"goe": 1, "gue": 2, "gse": 4}[ensemble]
    norm = {1: 8 / 27, 2: 4 * math.pi / (81 * math.sqrt(3)), 4: 4 * math.pi / (729 * math.sqrt(3))}[beta]
    return 2 / norm * (r + r**2) ** beta / (1 + r + r**2) ** (1 + 1.5 * beta)


def _samples(states: Any) -> list[Any]:
    if isinstance(states, BoundStates):
        return [states]
    if isinstance(states, str) or not isinstance(states, Iterable):
        raise TypeError(f"{_RULE}; got {states!r:.80} ({type(states).__name__})")
    items = list(states)
    if not items:
        raise ValueError(f"{_RULE}; got none")
    if all(isinstance(item, int | float | np.number) for item in items):
        items = [items]
    return [item if isinstance(item, BoundStates) else _energies(item) for item in items]


def _energies(values: Any) -> np.ndarray:
    array = np.asarray(real_array("states", values))
    if array.ndim != 1 or (array.size and array.dtype.kind not in "iuf"):
        raise TypeError(f"{_RULE}; got {values!r:.80} ({type(values).__name__})")
    if not np.isfinite(array).all():
        raise ValueError(f"{_RULE}; got {values!r:.80}")
    return array.astype(float)


def _require_window(window: Any) -> tuple[float, float]:
    if window is None:
        return 0.0, np.inf
    low, high = window_ends(window)
    if not 0 <= low < high:
        raise ValueError(f"window must be a pair (a, b) of |E| with 0 <= a < b; got {window!r}")
    return low, high


def _different_levels(
    energies: np.ndarray, residuals: np.ndarray | float, degeneracy: float | None
) -> tuple[np.ndarray, np.ndarray]:
    """Return the different levels of one sign, ascending, without those at zero, and the number of members of each."""
    if not energies.size:
        return np.empty(0), np.empty(0, dtype=int)
    size = abs(energies)
    if degeneracy is None:
        rounding = ROUNDING * float(np.median(size))
        least = np.maximum(residuals, max(rounding, min(ZERO, SMALL * float(size.max()))))
        widths = np.maximum(DEGENERATE * size, least)
    else:
        widths = least = np.full(energies.shape, degeneracy)
    positive, negative = np.flatnonzero(energies > least), np.flatnonzero(energies < -least)
    chosen = positive if positive.size >= negative.size else negative
    groups = multiplets(size[chosen], widths[chosen])
    return np.array([size[chosen[g]].mean() for g in groups]), np.array([g.size for g in groups], dtype=int)


def _standard_error(samples: list[np.ndarray], mean: float) -> float:
    total = sum(ratios.size for ratios in samples)
    if total < 2:
        return math.nan
    variance = sum(float(((ratios - mean) ** 2).sum()) for ratios in samples) / (total - 1)
    for lag in (1, 2):
        covariance = sum(float(((r[lag:] - mean) * (r[:-lag] - mean)).sum()) for r in samples if r.size > lag)
        variance += 2 * max(covariance, 0.0) / total
    return math.sqrt(variance / total)
