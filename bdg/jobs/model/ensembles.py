"""Means over the seeds of a run: the same parameters, another sample."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from bdg.jobs.model.labelled import Cell, LabelledArrays, labelled
from bdg.jobs.model.means import Columns, mean_of
from bdg.jobs.model.on_sites import of_other_sites
from bdg.jobs.model.sweep import Parameters
from bdg.jobs.model.tables import Record
from bdg.jobs.model.views import RunView

SEEDED = ("system", "system.parameters")  # sections whose key "seed" makes ensembles


@dataclass(frozen=True, eq=False)
class Ensemble:
    """Means over the seeds of points that share all other parameters.

    Attributes
    ----------
    parameters : dict
        Without the seed.
    seeds : list of int
    mean, standard_error : dict of array
        Of each observable whose shape is the same for all seeds, over those at which it is finite and resolved; not of
        what stands on other sites at each of them (`bdg.jobs.model.on_sites.of_other_sites`). The error is s/sqrt(n),
        NaN for one seed; with uncertainties of the points see `bdg.jobs.model.means`.
    used : dict of array
        How many seeds these are.
    weighed : list of str
        Observables whose mean is weighed by uncertainties.
    units, descriptions : dict of str
    """

    parameters: Parameters
    seeds: list[int]
    mean: dict[str, np.ndarray]
    standard_error: dict[str, np.ndarray]
    used: dict[str, np.ndarray]
    weighed: list[str]
    units: dict[str, str]
    descriptions: dict[str, str]

    def record(self) -> Record:
        """Return mean, standard error and number of seeds of everything as a row of a table, with that of all seeds."""
        used = {name: np.broadcast_to(self.used[name], mean.shape) for name, mean in self.mean.items()}
        parts = {"mean": self.mean, "standard_error": self.standard_error, "used": used}
        values = {f"{part}_{name}": value for part, of in parts.items() for name, value in of.items()}
        units = {f"{part}_{name}": unit for part in parts for name, unit in self.units.items() if part != "used"}
        descriptions = {f"{part}_{name}": text for part in parts for name, text in self.descriptions.items()}
        return Record(self.parameters, {"seeds": np.array(len(self.seeds)), **values}, units, descriptions)


@dataclass(frozen=True, eq=False)
class RunMeans(RunView):
    """The means of a run over its seeds: unresolved values are counted, never averaged.

    Attributes
    ----------
    name : str
        Of the run.
    ensembles : tuple of Ensemble
    lacking : tuple of dict
        Parameters of the points that are not there, seeds included.
    attrs : dict
        What labelled arrays of the run tell of all.
    """

    name: str
    ensembles: tuple[Ensemble, ...]
    lacking: tuple[Parameters, ...]
    attrs: dict[str, Any]

    def records(self) -> list[Record]:
        """Return mean, standard error and number of seeds that count of everything as rows of tables."""
        return [ensemble.record() for ensemble in self.ensembles]

    def labelled(self, names: Iterable[str] | str | None = None) -> LabelledArrays:
        """Return labelled arrays: ``x`` is the mean of the observable x, beside ``x_standard_error`` and ``x_used``.

        ``seeds`` says over how many seeds there are points, ``lacking`` of how many others there are none.
        """
        lacking = Counter(_key(each) for each in self.lacking)
        there = {_key(each.parameters): each for each in self.ensembles}
        cells = [
            Cell(_suffixed(each), {"seeds": len(each.seeds), "lacking": lacking[key]}) for key, each in there.items()
        ]
        empty = {_key(each): Record(seedless(each), {}, {}, {}) for each in self.lacking}
        cells += [Cell(each, {"lacking": lacking[key]}) for key, each in empty.items() if key not in there]
        return labelled(cells, {"seeds": 0, "lacking": 0}, {**self.attrs, "means": "over seeds"}, names)


def ensembles_of(records: Sequence[Record]) -> list[Ensemble]:
    """Return one `Ensemble` per combination of the other parameters, if the seed was swept, else []."""
    if len({seed_of(record.parameters) for record in records}) < 2:
        return []
    groups: dict[str, list[Record]] = {}
    for record in records:
        groups.setdefault(_key(record.parameters), []).append(record)
    return [_ensemble(members) for members in groups.values()]


def seed_of(parameters: Parameters) -> int | None:
    """Return the seed of a point: that of its [system], or that of the builder in [system.parameters]; None if none."""
    found: Iterable[Any] = (parameters.get(section, {}).get("seed") for section in SEEDED)
    return next((seed for seed in found if isinstance(seed, int)), None)


def seedless(parameters: Parameters) -> Parameters:
    """Return the parameters without seed, and without what follows from it (the checksum of a System)."""
    left_out = {(section, "seed") for section in SEEDED} | {("system", "checksum")}
    return {
        section: {key: item for key, item in keys.items() if (section, key) not in left_out}
        for section, keys in parameters.items()
    }


def _key(parameters: Parameters) -> str:
    """Return what points of one ensemble share."""
    return json.dumps(seedless(parameters), sort_keys=True)


def _suffixed(ensemble: Ensemble) -> Record:
    """Return an ensemble as a record whose means have the names of the observables."""
    values = dict[str, np.ndarray]()
    units, words = dict[str, str](), dict[str, str]()
    for name, mean in ensemble.mean.items():
        unit, about = ensemble.units.get(name, ""), ensemble.descriptions.get(name, name)
        how = "mean over seeds, weighed by uncertainties" if name in ensemble.weighed else "mean over seeds"
        values |= {name: mean, f"{name}_standard_error": ensemble.standard_error[name]}
        values[f"{name}_used"] = np.broadcast_to(ensemble.used[name], mean.shape)
        units |= {name: unit, f"{name}_standard_error": unit, f"{name}_used": "1"}
        words |= {name: f"{how}: {about}", f"{name}_standard_error": f"standard error of the mean: {about}"}
        words[f"{name}_used"] = f"seeds at which it is resolved: {about}"
    return Record(ensemble.parameters, values, units, words)


def _ensemble(members: Sequence[Record]) -> Ensemble:
    first = members[0]
    columns: list[Columns] = [record.values for record in members]
    others = of_other_sites(members)
    shared = [name for name, v in first.values.items() if name not in others and _same_shape(columns, name, v.shape)]
    means = {name: mean_of(columns, name) for name in shared}
    return Ensemble(
        seedless(first.parameters),
        [int(seed_of(record.parameters) or 0) for record in members],
        {name: found.value for name, found in means.items()},
        {name: found.error for name, found in means.items()},
        {name: _as_number(found.used) for name, found in means.items()},
        [name for name, found in means.items() if found.weighed],
        dict(first.units),
        dict(first.descriptions),
    )


def _same_shape(columns: Sequence[Columns], name: str, shape: tuple[int, ...]) -> bool:
    return all(name in column and column[name].shape == shape for column in columns)


def _as_number(used: np.ndarray) -> np.ndarray:
    """Return one number where all elements of an array have the same."""
    return np.asarray(used.flat[0]) if used.size and (used == used.flat[0]).all() else used
