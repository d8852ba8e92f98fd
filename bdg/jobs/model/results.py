"""The results of a job: all points in the order of the sweep, and means over seeds.

``results.h5`` is rebuilt from the point files and holds nothing that depends on when or how often the job was
started, so an interrupted and resumed run gives the same bytes as an uninterrupted one.
"""

from __future__ import annotations

import dataclasses
import json
import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from bdg.base.tables import data_frame, write_csv
from bdg.jobs.model.means import Columns, mean_of
from bdg.jobs.model.sweep import Parameters
from bdg.jobs.model.tables import Record, table_with
from bdg.lattices.file_format import reason
from bdg.lattices.storage import Described, ResultFileError, content_of, read_described, write_file

KIND = "JobResults"
_SEEDED = ("system", "system.parameters")  # sections whose key "seed" makes ensembles
_OF_ONE_RUN = ("seconds", "date")  # parts of names in the evidence that differ from run to run


@dataclass(frozen=True, eq=False)
class PointResult:
    """One finished point.

    Attributes
    ----------
    digest : str
        Name of its file in ``points/``, without the ending.
    label : str
        The swept keys with their values.
    parameters : dict
        By section and key.
    observables : dict of array
    units, descriptions : dict of str
    evidence : dict
    seconds : float or None
        Time that the point took; None where it was read from ``results.h5``, which knows no times.
    origin : dict
        Versions, git state, platform, date, device; empty where it was read from ``results.h5``.
    """

    digest: str
    label: str
    parameters: Parameters
    observables: dict[str, np.ndarray]
    units: dict[str, str] = field(default_factory=dict)
    descriptions: dict[str, str] = field(default_factory=dict)
    evidence: dict[str, Any] = field(default_factory=dict)
    seconds: float | None = None
    origin: dict[str, Any] = field(default_factory=dict)

    def __getitem__(self, name: str) -> np.ndarray:
        """Return the observable of that name."""
        return self.observables[name]


@dataclass(frozen=True, eq=False)
class JobResults:
    """What a job has yielded so far.

    Attributes
    ----------
    kind, name, identity : str
    points : tuple of PointResult
        Those that are there, in the order of the sweep.
    missing : tuple of str
        Labels of those that are not.
    """

    kind: str
    name: str
    identity: str
    points: tuple[PointResult, ...]
    missing: tuple[str, ...] = ()

    def __iter__(self) -> Iterator[PointResult]:
        return iter(self.points)

    def __len__(self) -> int:
        return len(self.points)

    def records(self) -> list[Record]:
        """Return the points as rows of tables."""
        return [Record(p.parameters, p.observables, p.units, p.descriptions) for p in self.points]

    def to_csv(self, path: str | os.PathLike[str], of: str | None = None) -> None:
        """Write the points as a table with commas: parameters and numbers, units in the names of the columns.

        Parameters
        ----------
        path : path
            What is there is replaced once all has been written.
        of : str, optional
            An array of the points: its values are the rows instead, a row for each index along its first axis.

        Raises
        ------
        ValueError
            If there is no such array.
        OSError
            If the file cannot be written.
        """
        write_csv(path, table_with(self.records(), of))

    def to_dataframe(self, of: str | None = None) -> Any:
        """Return the table that `to_csv` writes as a `pandas.DataFrame`.

        Parameters
        ----------
        of : str, optional
            An array of the points: its values are the rows instead, a row for each index along its first axis.

        Raises
        ------
        ImportError
            If pandas is not installed, the extra 'data'.
        ValueError
            If there is no such array.
        """
        return data_frame(table_with(self.records(), of))

    def ensembles(self) -> list[Ensemble]:
        """Return one `Ensemble` per combination of the other parameters, if the seed was swept, else []."""
        groups: dict[str, list[PointResult]] = {}
        for point in self.points:
            groups.setdefault(_without_seed(point.parameters), []).append(point)
        seeds = {_seed_of(point.parameters) for point in self.points}
        if len(seeds) < 2:
            return []
        return [_ensemble(members) for members in groups.values()]


@dataclass(frozen=True, eq=False)
class Ensemble:
    """Means over the seeds of points that share all other parameters.

    Attributes
    ----------
    parameters : dict
        Without the seed.
    seeds : list of int
    mean, standard_error : dict of array
        Of each observable whose shape is the same for all seeds: over those at which it is finite and resolved. The
        error is s/sqrt(n), NaN for one seed; with uncertainties of the points see `bdg.jobs.model.means`.
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
        """Return mean and standard error of everything as a row of a table, with the number of seeds."""
        parts = {"mean": self.mean, "standard_error": self.standard_error}
        values = {f"{part}_{name}": value for part, of in parts.items() for name, value in of.items()}
        units, descriptions = (
            {f"{part}_{name}": text for part in parts for name, text in each.items()}
            for each in (self.units, self.descriptions)
        )
        return Record(self.parameters, {"seeds": np.array(len(self.seeds)), **values}, units, descriptions)


def write_results(path: str | os.PathLike[str], results: JobResults) -> None:
    """Write ``results.h5``; equal results give equal bytes."""
    content: dict[str, Any] = {
        "job_kind": results.kind,
        "name": results.name,
        "identity": results.identity,
        "missing": list(results.missing),
        "points": {},
        "ensemble": {},
    }
    described = {
        "job_kind": ("", "kind of the job"),
        "name": ("", "name of the job"),
        "identity": ("", "digest of the job's kind, parameters and sweeps"),
        "missing": ("", "points that are not in this file"),
    }
    for number, point in enumerate(results.points):
        place = f"{number:05d}"
        content["points"][place] = {
            "digest": point.digest,
            "label": point.label,
            "parameters": point.parameters,
            "evidence": _timeless(point.evidence),
            "observables": point.observables,
        }
        described |= {
            f"points/{place}/digest": ("", "name of the file in points/"),
            f"points/{place}/label": ("", "the swept keys"),
            f"points/{place}/parameters": ("", "parameters by section and key, units in the keys"),
            f"points/{place}/evidence": ("", "methods, residuals, reasons of automatic choices; without timings"),
        }
        described |= _described(f"points/{place}/observables", point)
    for number, ensemble in enumerate(results.ensembles()):
        place = f"{number:05d}"
        content["ensemble"][place] = {
            "parameters": ensemble.parameters,
            "seeds": np.array(ensemble.seeds),
            "mean": ensemble.mean,
            "standard_error": ensemble.standard_error,
            "used": ensemble.used,
        }
        described[f"ensemble/{place}/parameters"] = ("", "parameters by section and key, without the seed")
        described[f"ensemble/{place}/seeds"] = ("", "seeds that the mean is over")
        described |= _described(f"ensemble/{place}/mean", ensemble, "mean over seeds: ")
        described |= {f"ensemble/{place}/mean/{name}": _weighed(ensemble, name) for name in ensemble.weighed}
        described |= {
            f"ensemble/{place}/used/{name}": (
                "1",
                f"seeds at which it is resolved: {ensemble.descriptions.get(name, name)}",
            )
            for name in ensemble.used
        }
        described |= _described(f"ensemble/{place}/standard_error", ensemble, "standard error of the mean: ")
    write_file(path, KIND, content, described)


def read_results(path: str | os.PathLike[str]) -> JobResults:
    """Read a ``results.h5``.

    Raises
    ------
    ResultFileError
        If the file is missing, damaged or something else.
    """
    _, content, described = read_described(path, KIND)
    with content_of(path):
        named = {name: _expect(content, name, str) for name in ("job_kind", "name", "identity")}
        missing = _expect(content, "missing", list)
        places = _expect(content, "points", dict)
        points = tuple(_point(places, place, f"points/{place}", described) for place in sorted(places))
        if not all(isinstance(label, str) for label in missing):
            raise ValueError("missing must be a list of texts")
        return JobResults(named["job_kind"], named["name"], named["identity"], points, tuple(missing))


def read_point(path: str | os.PathLike[str], label: str = "") -> PointResult:
    """Read one point file and verify its checksum.

    Raises
    ------
    ResultFileError
        If it is missing, damaged, truncated or something else.
    """
    _, content, described = read_described(path, "Point")
    with content_of(path):
        try:
            point = _point({"": {**content, "label": label}}, "", "", described)
            seconds = float(_expect(content, "seconds", int | float))
            return dataclasses.replace(point, seconds=seconds, origin=_expect(content, "origin", dict))
        except (KeyError, ValueError) as error:
            raise ResultFileError(f"{path}: no point file of this version ({reason(error)})") from error


def _point(places: Mapping[str, Any], place: str, group: str, described: Described) -> PointResult:
    """Return one point of a file's content."""
    entry = _expect(places, place, dict)
    observables = _expect(entry, "observables", dict)
    parameters = _expect(entry, "parameters", dict)
    if not all(isinstance(keys, dict) for keys in parameters.values()):
        raise ValueError("parameters must be keys by section")
    if not all(isinstance(value, np.ndarray) for value in observables.values()):
        raise ValueError("observables must be arrays of numbers")
    prefix = f"{group}/observables/".lstrip("/")
    facts = {name: described[prefix + name] for name in observables}
    return PointResult(
        _expect(entry, "digest", str),
        _expect(entry, "label", str),
        parameters,
        observables,
        {name: unit for name, (unit, _) in facts.items()},
        {name: description for name, (_, description) in facts.items()},
        _expect(entry, "evidence", dict),
    )


def _expect(content: Mapping[str, Any], name: str, wanted: Any) -> Any:
    """Return an entry if it is there and of the wanted type."""
    if name not in content:
        raise ValueError(f"it lacks {name!r}")
    value = content[name]
    if not isinstance(value, wanted) or (isinstance(value, bool) and wanted is not bool):
        raise ValueError(f"{name} is a {type(value).__name__}")
    return value


def _ensemble(members: Sequence[PointResult]) -> Ensemble:
    first = members[0]
    columns = [point.observables for point in members]
    shared = [name for name, value in first.observables.items() if _same_shape(columns, name, value.shape)]
    means = {name: mean_of(columns, name) for name in shared}
    seeds = [int(_seed_of(point.parameters)) for point in members]
    return Ensemble(
        _seedless(first.parameters),
        seeds,
        {name: found.value for name, found in means.items()},
        {name: found.error for name, found in means.items()},
        {name: _as_number(found.used) for name, found in means.items()},
        [name for name, found in means.items() if found.weighed],
        first.units,
        first.descriptions,
    )


def _same_shape(columns: Sequence[Columns], name: str, shape: tuple[int, ...]) -> bool:
    return all(name in column and column[name].shape == shape for column in columns)


def _as_number(used: np.ndarray) -> np.ndarray:
    """Return one number where all elements of an array have the same."""
    return np.asarray(used.flat[0]) if used.size and (used == used.flat[0]).all() else used


def _weighed(ensemble: Ensemble, name: str) -> tuple[str, str]:
    words = f"mean over seeds, weighed by uncertainties (random effects): {ensemble.descriptions.get(name, name)}"
    return ensemble.units.get(name, ""), words


def _seed_of(parameters: Parameters) -> Any:
    """Return the seed of a point: that of its [system], or that of the builder in [system.parameters]; None if none."""
    found = (parameters.get(section, {}).get("seed") for section in _SEEDED)
    return next((seed for seed in found if isinstance(seed, int)), None)


def _seedless(parameters: Parameters) -> Parameters:
    """Return the parameters without seed, and without what follows from it (the checksum of a System)."""
    left_out = {(section, "seed") for section in _SEEDED} | {("system", "checksum")}
    return {
        section: {key: item for key, item in keys.items() if (section, key) not in left_out}
        for section, keys in parameters.items()
    }


def _without_seed(parameters: Parameters) -> str:
    return json.dumps(_seedless(parameters), sort_keys=True)


def _timeless(evidence: Any) -> Any:
    """Return the evidence without entries that differ from run to run (see ``_OF_ONE_RUN``)."""
    if isinstance(evidence, Mapping):
        return {
            key: _timeless(value)
            for key, value in evidence.items()
            if not any(part in str(key).lower() for part in _OF_ONE_RUN)
        }
    if isinstance(evidence, list | tuple):
        return [_timeless(value) for value in evidence]
    return evidence


def _described(group: str, of: PointResult | Ensemble, prefix: str = "") -> dict[str, tuple[str, str]]:
    return {f"{group}/{name}": (unit, prefix + of.descriptions.get(name, name)) for name, unit in of.units.items()}
