r"""Josephson couplings of two grains against gap, temperature, transparency and mean free path: a table with errors.

Each entry is the mean over samples of disorder (`bdg.granular.couplings.two_grains`). Between entries

.. math:: \ln \frac{E_J(g, T)}{\Delta(T)^2}

is interpolated in gap and temperature by cubic splines; between conditions of the host ln E_J is linear in
ln(transparency), 1/l and ln n. The error adds the standard error of the mean and what two ways of interpolating differ.
"""

from __future__ import annotations

import itertools
import os
from dataclasses import dataclass, replace
from functools import cached_property
from importlib.resources import files
from typing import TYPE_CHECKING, Any, Self, cast

import numpy as np

from bdg.base.arguments import real_array
from bdg.base.progress import progress_bar
from bdg.base.results import Evidence, Result, quantity
from bdg.granular.couplings.coupling_grid import SAME, Coupling, Grid, mixed
from bdg.granular.couplings.two_grains import PairBox, couplings_of, resistance_of
from bdg.lattices.arguments import positive_number
from bdg.lattices.seeds import resolve_seed
from bdg.lattices.storage import ResultFileError, content_of, read_file, shown

if TYPE_CHECKING:
    from matplotlib.figure import Figure

COMMITTED = "couplings.h5"
FEWEST_SAMPLES = 2
CONDITIONS = ("density_m3", "mean_free_path_nm", "transparency")
_COLUMNS = (*CONDITIONS, "gap_nm", "temperature_K", "spacings_nm", "energies_K", "resistances_ohm")


@dataclass(frozen=True, eq=False, kw_only=True)
class CouplingTable(Result):
    """Couplings of two equal grains, entry by entry, each with its samples.

    Attributes
    ----------
    density_m3, mean_free_path_nm, transparency, gap_nm, temperature_K : arrays (E,)
        Conditions of each entry. All gaps and temperatures of one host make a full grid.
    energies_K : array (E, S)
        E_J/k_B of each sample; nan where an entry has fewer than S.
    resistances_ohm : array (E, S)
        R_N of the same samples.
    diameter_nm, margin_nm, mass, delta_meV, critical_temperature_K : float
        Of all boxes (`bdg.granular.couplings.two_grains.PairBox`).
    spacings_nm : array (E,)

    Examples
    --------
    >>> from bdg.granular import CouplingTable
    >>> table = CouplingTable.load()
    >>> found = table.coupling([3.0, 6.0], 10.0)
    >>> print(found.energy_K.round(), found.extrapolated)  # E_J of two grains 3 and 6 nm apart, at 10 K
    [4. 2.] [False False]
    """

    density_m3: np.ndarray = quantity("carriers of the host (E,)", "1/m^3", finite=True)
    mean_free_path_nm: np.ndarray = quantity("in the host (E,)", "nm")
    transparency: np.ndarray = quantity("of the bonds between grain and host (E,)", finite=True)
    gap_nm: np.ndarray = quantity("between the surfaces (E,)", "nm", finite=True)
    temperature_K: np.ndarray = quantity("temperature (E,)", "K", finite=True)  # noqa: N815
    energies_K: np.ndarray = quantity("E_J/k_B of each sample (E, S)", "K")  # noqa: N815
    resistances_ohm: np.ndarray = quantity("normal resistance of each sample (E, S)", "ohm")
    spacings_nm: np.ndarray = quantity("lattice constant (E,)", "nm", finite=True)
    diameter_nm: float = quantity("of the grains", "nm")
    margin_nm: float = quantity("of host around the grains", "nm")
    mass: float = quantity("effective mass of the host", "electron masses")
    delta_meV: float = quantity("gap of the grains at T = 0", "meV")  # noqa: N815
    critical_temperature_K: float = quantity("of the grains", "K")  # noqa: N815

    @classmethod
    def load(cls, path: str | os.PathLike[str] | None = None) -> Self:
        """Return the table of a file; None: the one that comes with the package.

        Raises
        ------
        ResultFileError
            If there is no such file, or it holds something else.
        """
        where = str(files("bdg.granular.couplings") / "data" / COMMITTED) if path is None else os.fspath(path)
        kind, content = read_file(where)
        if kind != cls.__name__:
            raise ResultFileError(f"{where}: holds a {shown(kind)}, where path must name a CouplingTable")
        with content_of(where):
            return cast(Self, cls.from_content(content))

    @classmethod
    def build(
        cls,
        *,
        gaps_nm: Any,
        temperatures_K: Any,
        samples: int = 8,
        transparency: float = 1,
        mean_free_path_nm: float = 13,
        density_m3: float = 5e24,
        seed: int | None = None,
        progress: bool = False,
        **box: Any,
    ) -> Self:
        """Return the table of one host: every gap at every temperature, from BdG boxes of two grains.

        Several hosts are put together with `joined`.

        Parameters
        ----------
        gaps_nm, temperatures_K : sequences of float
            Gaps >= 0; temperatures above 0 and below that of the grains.
        samples : int
            >= 2 samples of disorder and of places relative to the grid.
        transparency, mean_free_path_nm, density_m3 : float
        seed : int, optional
            Of the first sample; the others follow it.
        progress : bool
        box
            Other attributes of `bdg.granular.couplings.two_grains.PairBox`, such as ``spacing_nm=2.4``.
        """
        first = resolve_seed(seed)
        gaps, temperatures = _axis("gaps_nm", gaps_nm, 0.0), _axis("temperatures_K", temperatures_K, np.nextafter(0, 1))
        if isinstance(samples, bool) or not isinstance(samples, int) or samples < FEWEST_SAMPLES:
            raise ValueError(
                f"samples must be a whole number >= {FEWEST_SAMPLES}, for the spread between them; got {samples!r}"
            )
        host = {"transparency": transparency, "mean_free_path_nm": mean_free_path_nm, "density_m3": density_m3}
        boxes = [PairBox(gap_nm=float(gap), **host, **box) for gap in gaps]
        if temperatures.max() >= boxes[0].critical_temperature_K:
            raise ValueError(
                f"temperatures_K must be below that of the grains, {boxes[0].critical_temperature_K:g} K; got "
                f"{temperatures.max():g}"
            )
        energies = np.empty((gaps.size, temperatures.size, samples))
        resistances = np.empty((gaps.size, samples))
        points = list(itertools.product(range(gaps.size), range(samples)))
        for gap, sample in progress_bar(progress, "couplings", "box", points):
            energies[gap, :, sample] = couplings_of(boxes[gap], first + sample, temperatures)
            resistances[gap, sample] = resistance_of(boxes[gap], first + sample)
        return cls.of_boxes(boxes, temperatures, energies, resistances, seed=first)

    @classmethod
    def of_boxes(
        cls, boxes: list[PairBox], temperatures: np.ndarray, energies: np.ndarray, resistances: np.ndarray, **facts: Any
    ) -> Self:
        """Return the table of boxes (B,) with energies (B, T, S) and resistances (B, S) of their samples."""
        shared = boxes[0]
        count, samples = len(temperatures), energies.shape[2]

        def entries(name: str) -> np.ndarray:
            return np.repeat([float(getattr(box, name)) for box in boxes], count)

        return cls(
            density_m3=entries("density_m3"),
            mean_free_path_nm=entries("mean_free_path_nm"),
            transparency=entries("transparency"),
            gap_nm=entries("gap_nm"),
            temperature_K=np.tile(np.asarray(temperatures, dtype=float), len(boxes)),
            energies_K=energies.reshape(-1, samples),
            resistances_ohm=np.repeat(resistances, count, axis=0),
            spacings_nm=entries("spacing_nm"),
            diameter_nm=shared.diameter_nm,
            margin_nm=shared.margin_nm,
            mass=shared.mass,
            delta_meV=shared.delta_meV,
            critical_temperature_K=shared.critical_temperature_K,
            evidence=Evidence({"method": "two grains in a box", "device": "cpu", "samples": samples, **facts}),
        )

    def joined(self, *others: CouplingTable) -> Self:
        """Return the table with the entries of other ones, which must be of the same grains."""
        tables: list[CouplingTable] = [self, *others]
        for name in ("diameter_nm", "mass", "delta_meV", "critical_temperature_K"):
            values = {float(getattr(table, name)) for table in tables}
            if len(values) > 1:
                raise ValueError(f"others must be tables of the same {name}; got {sorted(values)}")
        most = max(table.energies_K.shape[1] for table in tables)

        def padded(name: str) -> np.ndarray:
            arrays = [getattr(table, name) for table in tables]
            if arrays[0].ndim == 1:
                return np.concatenate(arrays)
            rows = [np.pad(a, ((0, 0), (0, most - a.shape[1])), constant_values=np.nan) for a in arrays]
            return np.concatenate(rows)

        return self._with({name: padded(name) for name in _COLUMNS})

    def without(self, *, gap_nm: float | None = None, temperature_K: float | None = None) -> Self:
        """Return the table without the entries at a gap or a temperature: a test of what lies between entries."""
        away = np.zeros(self.gap_nm.size, dtype=bool)
        for name, value in (("gap_nm", gap_nm), ("temperature_K", temperature_K)):
            if value is not None:
                away |= abs(getattr(self, name) - value) <= SAME * max(1.0, abs(value))
        return self._entries(np.flatnonzero(~away))

    def resampled(self, seed: int | None = None) -> Self:
        """Return the table of samples drawn anew with repetition: how far the choice of samples carries.

        The samples of a box are drawn together for all temperatures (bootstrap; B. Efron, Ann. Stat. 7, 1 (1979)).
        """
        random = np.random.default_rng(resolve_seed(seed))
        energies, resistances = self.energies_K.copy(), self.resistances_ohm.copy()
        keys = np.stack([getattr(self, name) for name in (*CONDITIONS, "gap_nm")], axis=1)
        for number in np.unique(labels := np.unique(keys, axis=0, return_inverse=True)[1].ravel()):
            rows = np.flatnonzero(labels == number)
            held = np.flatnonzero(np.isfinite(self.energies_K[rows[0]]))
            drawn = random.choice(held, held.size)
            for array, source in ((energies, self.energies_K), (resistances, self.resistances_ohm)):
                array[np.ix_(rows, held)] = source[np.ix_(rows, drawn)]
        return self._with({"energies_K": energies, "resistances_ohm": resistances})

    def coupling(
        self,
        gap_nm: Any,
        temperature_K: float,
        *,
        transparency: float = 1,
        mean_free_path_nm: float = 13,
        density_m3: float = 5e24,
        extrapolate: bool = False,
    ) -> Coupling:
        r"""Return the coupling of two grains: mean, error, spread over samples, and normal resistance.

        Parameters
        ----------
        gap_nm : float or array
            Between the surfaces, >= 0.
        temperature_K : float
        transparency, mean_free_path_nm, density_m3 : float
            Between those of the table.
        extrapolate : bool
            True: beyond its gaps ln E_J goes on with its last slope, below its temperatures ``E_J/Delta^2`` keeps its
            value, above them its last slope, and at and above T_c of the grains E_J is 0; where a host is missing,
            interface and scattering change E_J by the same factor as at another density.

        Returns
        -------
        Coupling
            Floats for a single gap, else arrays of the shape of ``gap_nm``.

        Raises
        ------
        ValueError
            If an argument is out of range, or outside the table without ``extrapolate``.
        """
        gaps = np.asarray(gap_nm, dtype=float)
        if not (np.isfinite(gaps) & (gaps >= 0)).all():
            raise ValueError(f"gap_nm must be finite and >= 0, between the surfaces of two grains; got {gap_nm!r:.80}")
        temperature = positive_number("temperature_K", temperature_K, "kelvin")
        wanted = {
            "density_m3": positive_number("density_m3", density_m3),
            "mean_free_path_nm": positive_number("mean_free_path_nm", mean_free_path_nm),
            "transparency": positive_number("transparency", transparency),
        }
        corners, whole = self._corners(wanted, extrapolate)
        values, outside = [], np.full(gaps.size, not whole)
        for key, _ in corners:
            grid = self._grids[key]
            outside |= grid.require(gaps.ravel(), temperature, extrapolate)
            values.append(grid.at(gaps.ravel(), temperature))
        return mixed(corners, values, outside, gaps.shape, temperature < self.critical_temperature_K)

    def plot(self, ax: Any = None) -> Figure:
        """Return a Figure of E_J against the gap, one line for each temperature of the first host, with errors."""
        from bdg.plots.networks import plot_couplings

        grid = next(iter(self._grids.values()))
        return plot_couplings(grid.gaps, grid.temperatures, grid.mean, grid.relative_error * grid.mean, ax)

    def _with(self, columns: dict[str, Any]) -> Self:
        return replace(self, **columns)

    def _entries(self, kept: np.ndarray) -> Self:
        return self._with({name: getattr(self, name)[kept] for name in _COLUMNS})

    @cached_property
    def _grids(self) -> dict[tuple[float, ...], Grid]:
        """The grid of each host, by density, mean free path and transparency."""
        keys = np.stack([getattr(self, name) for name in CONDITIONS], axis=1)
        found = {}
        for key in dict.fromkeys(map(tuple, keys.tolist())):
            rows = np.flatnonzero((keys == key).all(axis=1))
            found[key] = Grid.of(
                self.gap_nm[rows],
                self.temperature_K[rows],
                self.energies_K[rows],
                self.resistances_ohm[rows],
                self.critical_temperature_K,
            )
        return found

    def _corners(
        self, wanted: dict[str, float], extrapolate: bool
    ) -> tuple[list[tuple[tuple[float, ...], float]], bool]:
        """Return the hosts around the wanted one with their weights, and whether the table has all of them."""
        sides = []
        for name, scale in zip(CONDITIONS, (np.log, np.reciprocal, np.log), strict=True):
            value, known = wanted[name], np.unique(getattr(self, name))
            same = known[abs(known - value) <= SAME * value]
            if same.size:
                sides.append([(float(same[0]), 1.0)])
                continue
            if not known[0] < value < known[-1]:
                raise ValueError(
                    f"{name} must be within those of the table, {known[0]:g} to {known[-1]:g}; got {value:g}. Build "
                    "entries for it with CouplingTable.build, and join them"
                )
            above = int(np.searchsorted(known, value))
            low, high, at = (float(scale(x)) for x in (known[above - 1], known[above], value))
            weight = (at - low) / (high - low)
            sides.append([(float(known[above - 1]), 1 - weight), (float(known[above]), weight)])
        weights: dict[tuple[float, ...], float] = {}
        whole = True
        for combination in itertools.product(*sides):
            key = tuple(value for value, _ in combination)
            parts = {key: 1.0} if key in self._grids else self._product(key, extrapolate)
            whole = whole and key in self._grids
            for host, sign in parts.items():
                weights[host] = weights.get(host, 0.0) + sign * float(np.prod([weight for _, weight in combination]))
        return list(weights.items()), whole

    def _product(self, key: tuple[float, ...], extrapolate: bool) -> dict[tuple[float, ...], float]:
        """Return hosts that stand for a missing one, where interface and scattering act alike at all densities.

        ``ln E(n, l, tau) = ln E(n, l0, tau0) + ln E(n0, l, tau) - ln E(n0, l0, tau0)``
        """
        density, rest = key[0], key[1:]
        for other in self._grids:
            for same in self._grids:
                reference = (other[0], *same[1:])
                if same[0] == density and other[1:] == rest and reference in self._grids and extrapolate:
                    return {same: 1.0, other: 1.0, reference: -1.0}
        told = ", ".join(f"{name} = {value:g}" for name, value in zip(CONDITIONS, key, strict=True))
        cure = "" if extrapolate else "; extrapolate=True takes the effects of interface and scattering as factors"
        raise ValueError(
            f"{', '.join(CONDITIONS)} must have entries of the table around them; there are none for {told}{cure}"
        )


def _axis(name: str, values: Any, least: float) -> np.ndarray:
    """Return sorted, different numbers >= least."""
    array = np.unique(real_array(name, values).astype(float))
    if not array.size or not np.isfinite(array).all() or array[0] < least:
        raise ValueError(
            f"{name} must be finite and {'>= 0' if not least else '> 0'}, at least one; got {values!r:.80}"
        )
    return array
