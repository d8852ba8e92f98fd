"""Kinds of jobs. A new one is a new file in this folder that defines ``KIND``, and a line in ``_MODULES``."""

from __future__ import annotations

import importlib

from bdg.base.errors import JobError
from bdg.jobs.model.kind import Kind
from bdg.jobs.model.schema import did_you_mean

_MODULES: dict[str, str] = {
    "chain": "bdg.jobs.kinds.chain",
    "composite": "bdg.jobs.kinds.composite",
    "coupling": "bdg.jobs.kinds.coupling",
    "critical_temperature": "bdg.jobs.kinds.critical_temperature",
    "dos": "bdg.jobs.kinds.dos",
    "gap": "bdg.jobs.kinds.gap",
    "josephson": "bdg.jobs.kinds.josephson",
    "landscape": "bdg.jobs.kinds.landscape",
    "ldos": "bdg.jobs.kinds.ldos",
    "loops": "bdg.jobs.kinds.loops",
    "magnetometer": "bdg.jobs.kinds.magnetometer",
    "sns": "bdg.jobs.kinds.sns",
    "sphere": "bdg.jobs.kinds.sphere",
    "squid": "bdg.jobs.kinds.squid",
    "stiffness": "bdg.jobs.kinds.stiffness",
    "system": "bdg.jobs.kinds.system",
}
_REGISTERED: dict[str, Kind] = {}


def register(kind: Kind) -> None:
    """Make a kind of one's own known to this process (its workers receive it from there)."""
    _REGISTERED[kind.name] = kind


def kind_names() -> list[str]:
    """Return the names of all kinds."""
    return sorted({*_MODULES, *_REGISTERED})


def is_own(kind: Kind) -> bool:
    """Return whether a kind, or what makes its systems, is none of this package."""
    return kind.name in _REGISTERED or kind.name not in _MODULES or kind.located is not None


def get_kind(name: str) -> Kind:
    """Return the kind of that name.

    Raises
    ------
    JobError
        If there is none.
    """
    if name in _REGISTERED:
        return _REGISTERED[name]
    if name not in _MODULES:
        raise JobError(f"must be one of {', '.join(kind_names())}; got {name!r:.60}{did_you_mean(name, kind_names())}")
    return importlib.import_module(_MODULES[name]).KIND
