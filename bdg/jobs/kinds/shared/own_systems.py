"""A System of one's own, from a file or from a function beside the job file, and what identifies it.

A file is what `System.save` wrote. A builder ``my_module:make`` is a function of a module beside the job file, or of
one that can be imported; it gets the keys of [system.parameters] and returns a System. Code is imported only where who
starts the job allows it.
"""

from __future__ import annotations

import hashlib
import importlib
import importlib.util
import inspect
import json
import re
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import scipy.sparse as sp

from bdg.gpu.device.backend import MemoryBudgetError
from bdg.jobs.kinds.shared.limits import Rules
from bdg.jobs.kinds.shared.own_units import OwnUnits
from bdg.jobs.model.place import CODE_FLAG, Place
from bdg.jobs.model.sweep import Parameters
from bdg.lattices.loading import load
from bdg.lattices.storage import shown
from bdg.lattices.system import System

PARAMETERS = "system.parameters"

_BUILDER = re.compile(r"([A-Za-z_]\w*(?:\.[A-Za-z_]\w*)*):([A-Za-z_]\w*)")


class BuilderError(RuntimeError):
    """A builder of one's own failed, or gave something else than a System."""


@dataclass(frozen=True)
class Built:
    """What is known of a System without keeping it: what identifies it, and what calls may ask of it.

    Attributes
    ----------
    checksum : str
        Of all that enters a result; "" where the builder failed, and nothing else is known then.
    dimension : int
        Of H, 2 s N.
    grains : int
    attraction : bool
        Whether any site has some.
    units : OwnUnits or None
    """

    checksum: str
    dimension: int = 0
    grains: int = 0
    attraction: bool = False
    units: OwnUnits | None = None


def source_rules(parameters: Parameters, place: Place) -> Rules:
    """Return what is wrong with the keys that say where a System comes from."""
    keys = parameters["system"]
    file, builder = keys["file"], keys["builder"]
    if (file is None) == (builder is None):
        rule = 'give either file = "my_system.h5" (System.save) or builder = "my_module:make"'
        return [("system", "file", f"{rule}; got {'neither' if file is None else 'both'}")]
    if file is not None:
        found = [
            (PARAMETERS, name, "belongs to a builder: a file is one system; leave it out, or give builder")
            for name in parameters.get(PARAMETERS, {})
        ]
        rule = place.file_rule("system.file", file)
        return found + ([("system", "file", rule)] if rule else [])
    if not _BUILDER.fullmatch(builder):
        rule = 'must be "module:function", such as "my_module:make" for make() of my_module.py beside the job file'
        return [("system", "builder", f"{rule}; got {builder!r:.80}")]
    return []


def code_rules(parameters: Parameters, place: Place) -> Rules:
    """Return what is wrong with the builder that is named: not allowed, not there, or of other arguments."""
    builder = parameters["system"]["builder"]
    if builder is None:
        return []
    if not place.allow_code:
        rule = (
            f"{builder} is Python code, which runs only if the command line allows it; look at it, then add {CODE_FLAG}"
        )
        return [("system", "builder", rule)]
    try:
        function = _function(builder, place.folder)
    except BuilderError as error:
        return [("system", "builder", str(error))]
    return _argument_rules(builder, function, parameters.get(PARAMETERS, {}))


def make_system(parameters: Parameters, place: Place) -> System:
    """Return the System of a point.

    Raises
    ------
    BuilderError
        If the builder fails, with the last line of what it says.
    ResultFileError
        If the file cannot be read.
    """
    keys = parameters["system"]
    if keys["file"] is not None:
        return load(place.folder / keys["file"])
    builder = keys["builder"]
    if not place.allow_code:  # `code_rules` has said so where the job was read; workers ask again
        raise BuilderError(f"builder {builder} is Python code, which was not allowed ({CODE_FLAG})")
    function = _function(builder, place.folder)
    try:
        system = function(**parameters.get(PARAMETERS, {}))
    except MemoryBudgetError:
        raise
    except (Exception, SystemExit) as error:
        raise BuilderError(f"builder {builder} failed: {type(error).__name__}: {shown(error)}") from error
    if not isinstance(system, System):
        rule = f"builder {builder} must return a bdg.lattices.System; got {type(system).__name__}"
        raise BuilderError(f"{rule}. Make one with from_kwant, from_hamiltonian, stack or grain_composite")
    return system


def built(parameters: Parameters, place: Place) -> Built:
    """Return what is known of the System of a point; `ResultFileError` if its file is bad.

    A builder that fails does so once more where the point is computed, and is reported there.
    """
    try:
        system = make_system(parameters, place)
    except BuilderError:
        return Built("")
    attraction = bool(system.attraction.any())
    dimension = 2 * system.norbs * system.n_sites
    return Built(checksum_of(system), dimension, system.n_grains, attraction, OwnUnits.of(system))


def source_key(parameters: Parameters) -> str:
    """Return the same text for points of the same System."""
    keys = parameters["system"]
    return json.dumps([keys["file"], keys["builder"], parameters.get(PARAMETERS, {})], sort_keys=True)


def checksum_of(system: System) -> str:
    """Return the SHA-256 of everything of a System that enters a result: its arrays, leads and units; not ``info``."""
    content = system.content()
    content.pop("info", None)
    digest = hashlib.sha256()
    _feed(digest.update, content)
    return digest.hexdigest()


def _feed(update: Callable[[bytes], Any], value: Any) -> None:
    if isinstance(value, Mapping):
        for name in sorted(value):
            update(f"{name}:".encode())
            _feed(update, value[name])
    elif sp.issparse(value):
        for part in (value.data, value.indices.astype(np.int64), value.indptr.astype(np.int64)):
            _feed(update, part)
    elif isinstance(value, np.ndarray):
        update(f"{value.dtype.str}{value.shape}".encode())
        update(np.ascontiguousarray(value).tobytes())
    else:
        update(json.dumps(value, default=str).encode())


def _argument_rules(builder: str, function: Callable[..., Any], given: Mapping[str, Any]) -> Rules:
    """Return what is wrong with the arguments for a builder, as far as its signature tells."""
    try:
        known = inspect.signature(function).parameters.values()
    except (TypeError, ValueError):  # of some functions that are not written in Python nothing is known
        return []
    takes = [p.name for p in known if p.kind in (p.POSITIONAL_OR_KEYWORD, p.KEYWORD_ONLY)]
    any_name = any(p.kind is p.VAR_KEYWORD for p in known)
    listed = f"{builder} takes {', '.join(takes) or 'no arguments'}"
    found: Rules = [
        (PARAMETERS, name, f"no such argument; {listed}") for name in given if name not in takes and not any_name
    ]
    for p in known:
        if p.name in takes and p.name not in given and p.default is p.empty:
            found.append((PARAMETERS, p.name, f"missing; {listed}"))
    return found


def _function(builder: str, folder: Path) -> Callable[..., Any]:
    match = _BUILDER.fullmatch(builder)
    assert match is not None  # `source_rules` has seen it
    module, name = _module(match[1], folder), match[2]
    function = getattr(module, name, None)
    if not callable(function):
        what = "has no function" if function is None else "has something else under the name"
        raise BuilderError(f"{getattr(module, '__file__', None) or match[1]} {what} {name!r}; correct the name")
    return function


@dataclass
class _Modules:
    """Modules beside job files that were imported, by path and time of their last change."""

    known: dict[tuple[str, int], ModuleType] = field(default_factory=dict)


_IMPORTED = _Modules()


def _module(name: str, folder: Path) -> ModuleType:
    """Import a module, first from the folder of the job file; its own imports find their neighbours there."""
    path = folder.joinpath(*name.split(".")).with_suffix(".py")
    sys.path.insert(0, str(folder))
    try:
        return _beside(path) if path.is_file() else importlib.import_module(name)
    except ModuleNotFoundError as error:
        if error.name is not None and (error.name == name or name.startswith(f"{error.name}.")) and not path.is_file():
            raise BuilderError(f"no module {name}: neither {path.name} beside the job file nor installed") from error
        raise BuilderError(f"{name} cannot be imported: {type(error).__name__}: {shown(error)}") from error
    except (Exception, SystemExit) as error:
        raise BuilderError(f"{name} cannot be imported: {type(error).__name__}: {shown(error)}") from error
    finally:
        sys.path.remove(str(folder))


def _beside(path: Path) -> ModuleType:
    """Import a file under a name of its own, so that equal names in two folders are two modules."""
    key = (str(path.resolve()), path.stat().st_mtime_ns)
    if key not in _IMPORTED.known:
        name = f"_beside_a_job_{hashlib.sha256(repr(key).encode()).hexdigest()[:16]}_{path.stem}"
        spec = importlib.util.spec_from_file_location(name, path)
        assert spec is not None and spec.loader is not None
        module = importlib.util.module_from_spec(spec)
        sys.modules[name] = module
        try:
            spec.loader.exec_module(module)
        except BaseException:
            del sys.modules[name]
            raise
        _IMPORTED.known[key] = module
    return _IMPORTED.known[key]
