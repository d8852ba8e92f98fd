"""The results of a job: all points in the order of the sweep, and means over seeds.

``results.h5`` is rebuilt from the point files and holds nothing that depends on when or how often the job was
started, so an interrupted and resumed run gives the same bytes as an uninterrupted one.
"""

from __future__ import annotations

import dataclasses
import json
import os
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from bdg.jobs.model.ensembles import Ensemble, RunMeans, ensembles_of, seed_of
from bdg.jobs.model.labelled import Cell, LabelledArrays, labelled
from bdg.jobs.model.sweep import Parameters
from bdg.jobs.model.tables import Record
from bdg.jobs.model.views import RunView
from bdg.lattices.file_format import reason
from bdg.lattices.storage import Described, ResultFileError, content_of, read_described, write_file
from bdg.lattices.summary import as_text

KIND = "JobResults"
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
class AbsentPoint:
    """A point of a job that is not there.

    Attributes
    ----------
    digest, label : str
    parameters : dict
    state : str
        "missing", "failed" or "damaged".
    why : str
    """

    digest: str
    label: str
    parameters: Parameters
    state: str = "missing"
    why: str = ""


@dataclass(frozen=True, eq=False, repr=False)
class JobResults(RunView):
    """What a job has yielded so far.

    Attributes
    ----------
    kind, name, identity : str
    points : tuple of PointResult
        Those that are there, in the order of the sweep.
    missing : tuple of str
        Labels of those that are not.
    absent : tuple of AbsentPoint
        The same with what is known of them; empty where only ``results.h5`` is left of a run.
    job : str
        Text of the job file; "" where only ``results.h5`` is left.
    warnings : tuple of str
        Of the run, each once.
    """

    kind: str
    name: str
    identity: str
    points: tuple[PointResult, ...]
    missing: tuple[str, ...] = ()
    absent: tuple[AbsentPoint, ...] = ()
    job: str = ""
    warnings: tuple[str, ...] = ()

    def __iter__(self) -> Iterator[PointResult]:
        return iter(self.points)

    def __len__(self) -> int:
        return len(self.points)

    def __repr__(self) -> str:
        arrays = self.labelled([])
        rows = [(key, f"{axis.values.size} values") for key, axis in arrays.axes.items()]
        rows += [("not there", f"{label}{self._why(label)}") for label in self.missing]
        rows.append(("observables", ", ".join(arrays.observables)))
        total = len(self.points) + len(self.missing)
        return as_text(f"{self.name} ({self.kind}): {len(self.points)} of {total} points", rows)

    def _why(self, label: str) -> str:
        return next(
            (f": {each.state}{each.why and f' ({each.why})'}" for each in self.absent if each.label == label), ""
        )

    def records(self) -> list[Record]:
        """Return the points as rows of tables."""
        return [Record(p.parameters, p.observables, p.units, p.descriptions) for p in self.points]

    def ensembles(self) -> list[Ensemble]:
        """Return one `Ensemble` per combination of the other parameters, if the seed was swept, else []."""
        return ensembles_of(self.records())

    def mean(self, over: str = "seed") -> RunMeans:
        """Return means over the seeds with their standard errors (random effects: `bdg.jobs.model.means`).

        Parameters
        ----------
        over : str
            "seed".

        Raises
        ------
        ValueError
            If it is something else, or no seed was swept.
        """
        if over != "seed":
            raise ValueError(f"over must be 'seed': samples of one ensemble differ in nothing else; got {over!r}")
        ensembles = self.ensembles()
        if not ensembles:
            raise ValueError("mean: fewer than two seeds are there; sweep it, seed = { range = [0, 8] }")
        return RunMeans(self.name, tuple(ensembles), tuple(each.parameters for each in self.absent), self._attrs())

    def labelled(self, names: Iterable[str] | str | None = None) -> LabelledArrays:
        """Return labelled arrays: observables, and of each cell its state, why, digest, evidence (JSON) and seconds."""
        cells = [
            Cell(record, {"state": "done", "digest": p.digest, "evidence": _as_json(p.evidence), "seconds": p.seconds})
            for record, p in zip(self.records(), self.points, strict=True)
        ]
        cells += [
            Cell(Record(p.parameters, {}, {}, {}), {"state": p.state, "why": p.why, "digest": p.digest})
            for p in self.absent
        ]
        nothing = {"state": "missing", "why": "", "digest": "", "evidence": "", "seconds": np.nan}
        return labelled(cells, nothing, self._attrs(), names)

    def _attrs(self) -> dict[str, Any]:
        """Return what labelled arrays tell of the whole run."""
        told = {"kind": self.kind, "name": self.name, "identity": self.identity, "job": self.job}
        return {**told, "missing": list(self.missing), "warnings": list(self.warnings)}

    def averaged(self, named: Collection[str | None]) -> RunView:
        """Return the means over seeds if the seed was swept and is none of ``named``."""
        swept = [key for key in self.labelled([]).axes if key.rpartition(".")[2] == "seed"]
        many = len({seed_of(point.parameters) for point in self.points}) > 1
        return self.mean() if swept and many and not set(swept) & set(named) else self


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


def _weighed(ensemble: Ensemble, name: str) -> tuple[str, str]:
    words = f"mean over seeds, weighed by uncertainties (random effects): {ensemble.descriptions.get(name, name)}"
    return ensemble.units.get(name, ""), words


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


def _as_json(evidence: Mapping[str, Any]) -> str:
    return json.dumps(evidence, default=lambda value: value.tolist() if hasattr(value, "tolist") else str(value))


def _described(group: str, of: PointResult | Ensemble, prefix: str = "") -> dict[str, tuple[str, str]]:
    return {f"{group}/{name}": (unit, prefix + of.descriptions.get(name, name)) for name, unit in of.units.items()}
