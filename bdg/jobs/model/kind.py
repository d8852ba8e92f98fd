"""What a kind of job is made of."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from bdg.jobs.model.place import Place
from bdg.jobs.model.schema import Schema
from bdg.jobs.model.sweep import Parameters

if TYPE_CHECKING:
    from bdg.jobs.model.results import JobResults
    from bdg.lattices.system import System


@dataclass(frozen=True)
class Observable:
    """A number or array that a point yields, with its unit and description."""

    value: Any
    unit: str
    description: str

    def __post_init__(self) -> None:
        array = np.asarray(self.value)
        if array.dtype.kind not in "biufc":
            raise TypeError(f"an observable must be numbers; got dtype {array.dtype} for {self.description!r}")
        object.__setattr__(self, "value", array)


Outcome = tuple[dict[str, Observable], dict[str, Any]]
"""Observables by name, and the evidence (methods, residuals, reasons of automatic choices)."""


@dataclass(frozen=True)
class Step:
    """A call of a public function that a point makes: what `bdg.estimate` is asked about.

    Attributes
    ----------
    what : str
        As for `bdg.estimate`, "bound_states" for instance.
    arguments : mapping
    times : float
        How often.
    note : str
        What is assumed about ``times``.
    """

    what: str
    arguments: Mapping[str, Any]
    times: float = 1.0
    note: str = ""


@dataclass(frozen=True)
class CountedStep:
    """A part of a point whose work is counted, where no `System` stands behind it.

    Attributes
    ----------
    what, method : str
    seconds : float
        Of one thread.
    note : str
        What was counted.
    """

    what: str
    method: str
    seconds: float
    note: str = ""


Shape = tuple[int, ...]
"""Sites along each axis of a grid."""

Rule = tuple[str, str, str]
"""Section, key, and the rule that is broken."""


def _no_rules(parameters: Parameters) -> Sequence[tuple[str, str, str]]:
    return ()


@dataclass(frozen=True)
class Kind:
    """What a kind of job is: its keys, its computation, its words and its figures.

    Functions must be found by their name in an importable module: worker processes receive them that way.

    Attributes
    ----------
    name, doc : str
    schema : mapping
        Section ("system", "compute", "output") to its keys.
    compute : function
        ``compute(parameters, device)`` of one point returns observables and evidence. Everything random must come
        from the parameters: the same point must give the same bits again.
    summarise : function
        ``summarise(results)`` returns the text that ends a run.
    plot : function
        ``plot(results, folder, output)`` writes the figures and returns their paths; points may be missing.
    check : function, optional
        ``check(parameters)`` of one point returns (section, key, rule) for every rule between keys that is broken.
    steps : function, optional
        ``steps(parameters)`` of one point returns its `System` and the list of its steps, for `bdg estimate`; nothing
        is computed there.
    counted : function, optional
        ``counted(parameters)`` of one point returns a `CountedStep` for each of its parts: for `bdg estimate`, instead
        of ``steps``, where a point has no `System`.
    smaller : function, optional
        ``smaller(parameters, shape, wanted)`` of one point, whose grid has ``shape`` sites an axis, returns the
        parameters of the same kind of box with ``wanted`` ones: what `bdg estimate` extrapolates large systems from.
    cures : mapping, optional
        Argument of a function to what is done instead in a job, which has no key for it: "pinned" to "take more sites".
    open_sections : tuple of str
        Sections inside a section ("system.parameters") whose names are not known here: each may hold a number, a text,
        true or false, or lists of them.
    located : function, optional
        ``located(place)`` returns the kind for a job file that lies there, where points need files beside it.
    identified : function, optional
        ``identified(parameters)`` of one point returns its parameters with what tells its input from another one under
        the same name (a checksum), as part of the digest, and the rules that this input breaks.
    version : int
        Raised when the same parameters come to mean something else; part of the points' digest.
    """

    name: str
    doc: str
    schema: Schema
    compute: Callable[[Parameters, str], Outcome]
    summarise: Callable[[JobResults], str]
    plot: Callable[[JobResults, Path, Mapping[str, Any]], list[Path]]
    check: Callable[[Parameters], Sequence[tuple[str, str, str]]] = _no_rules
    steps: Callable[[Parameters], tuple[System, list[Step]]] | None = None
    counted: Callable[[Parameters], Sequence[CountedStep]] | None = None
    smaller: Callable[[Parameters, Shape, Shape], Parameters] | None = None
    cures: Mapping[str, str] = field(default_factory=dict)
    open_sections: tuple[str, ...] = ()
    located: Callable[[Place], Kind] | None = None
    identified: Callable[[Parameters], tuple[Parameters, Sequence[Rule]]] | None = None
    version: int = 1
