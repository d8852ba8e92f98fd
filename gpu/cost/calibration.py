"""The rates of this machine: measured in about a second when they are first needed, and kept in a file.

The file stands in ``$BDG_CALIBRATION``, else in ``bdg`` below the user's cache folder (``$XDG_CACHE_HOME`` or
``~/.cache``); its name holds processor, versions and device. ``BDG_CALIBRATION=off`` measures and writes
nothing: the built-in rates of `bdg.gpu.cost.model` hold. Whoever measures at the same time takes the file that came
first, so all processes choose alike. Rates are those of one thread, however many are granted and whatever BLAS is told,
in its processor time, which other processes hardly disturb: choices do not depend on the number of threads.
"""

from __future__ import annotations

import dataclasses
import hashlib
import json
import os
import platform
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import scipy

from bdg.gpu.chebyshev.nambu_operator import kernels_of_the_host
from bdg.gpu.cost.measured_rates import measure
from bdg.gpu.cost.model import BUILT_IN, FORMS, Rates
from bdg.gpu.device.backend import Backend

VARIABLE = "BDG_CALIBRATION"
VERSION = 5  # of the file and of what its numbers mean
_OFF = ("off", "0", "none")
_known: dict[str, Rates] = {}
_assumed: list[Rates] = []


def rates_of(backend: Backend) -> Rates:
    """Return the rates of a device, measured once for each machine."""
    for rates in reversed(_assumed):
        if rates.device == backend.device:
            return rates
    place = os.environ.get(VARIABLE, "")
    if place.lower() in _OFF:
        origin = f"built-in rates: {VARIABLE}={place}"
        return dataclasses.replace(BUILT_IN[backend.device], origin=origin)
    key = machine_key(backend)
    known = f"{place}|{key}"
    if known not in _known:
        _known[known] = _kept_or_measured(folder(), key, backend)
    return _known[known]


@contextmanager
def assuming(rates: Rates) -> Iterator[None]:
    """Let `rates_of` answer with these for their device: what another process or machine would take."""
    _assumed.append(rates)
    try:
        yield
    finally:
        _assumed.remove(rates)


def folder() -> Path | None:
    """Return where calibrations are kept; None where the user has no home."""
    if place := os.environ.get(VARIABLE):
        return Path(place)
    cache = os.environ.get("XDG_CACHE_HOME", "")
    if os.path.isabs(cache):  # the rule of XDG: relative paths are to be ignored
        return Path(cache) / "bdg"
    try:
        return Path.home() / ".cache" / "bdg"
    except RuntimeError:
        return None


def machine_key(backend: Backend) -> str:
    """Return a short name of everything that the rates depend on."""
    parts = [VERSION, processor(), np.__version__, scipy.__version__, platform.python_version()]
    parts += [kernels_of_the_host()] if backend.device == "cpu" else [backend.device_name, backend.xp.__version__]
    digest = hashlib.sha256(json.dumps([str(part) for part in parts]).encode()).hexdigest()[:16]
    return f"{backend.device}-{digest}"


def processor() -> str:
    """Return the name of the processor."""
    try:
        with open("/proc/cpuinfo", encoding="ascii", errors="replace") as lines:
            for line in lines:
                if line.startswith("model name"):
                    return line.partition(":")[2].strip()
    except OSError:  # not Linux
        pass
    return platform.processor() or platform.machine()


def _kept_or_measured(place: Path | None, key: str, backend: Backend) -> Rates:
    path = None if place is None else place / f"calibration-{key}.json"
    kept, why = _read(path)
    if kept is not None:
        return kept
    measured = measure(backend).rounded()
    if path is None:
        return dataclasses.replace(measured, origin="measured now; not kept: no home folder")
    unwritable = _write_first(path, measured)
    if unwritable:
        return dataclasses.replace(measured, origin=f"measured now; not kept: {unwritable}")
    kept, again = _read(path)  # another process may have come first: all take the same
    if kept is None:
        return dataclasses.replace(measured, origin=f"measured now; not kept: {again}")
    return dataclasses.replace(kept, origin="measured rates" + (f"; {why}" if why else ""))


def _read(path: Path | None) -> tuple[Rates | None, str]:
    """Return the rates of a file, or None and what is wrong with it ("" if there is none)."""
    if path is None:
        return None, ""
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
        rates = Rates(**{**content["rates"], "origin": "measured rates"})
        numbers = [rates.copy, rates.call]
        for name, keys in (("gemm", 3), ("eigh", 2), ("product", 4), ("column", 4), ("forms", len(FORMS))):
            values = [float(value) for value in getattr(rates, name).values()]
            if len(values) != keys:
                raise ValueError(f"{name} is incomplete")
            numbers += values
        if not all(np.isfinite(number) and number > 0 for number in numbers):
            raise ValueError("a rate is not positive")
        return rates, ""
    except FileNotFoundError:
        return None, ""
    except OSError as error:
        return None, f"{path.name} cannot be read ({error.strerror or error})"
    except (ValueError, TypeError, KeyError, AttributeError) as error:
        _discard(path)
        return None, f"{path.name} was damaged and is replaced ({error})"


def _discard(path: Path) -> None:
    try:
        path.unlink()
    except OSError:
        pass  # then it cannot be replaced either, which is said where it is written


def _write_first(path: Path, rates: Rates) -> str:
    """Write the file unless there is one by now; return why it cannot be written, or ""."""
    content = dataclasses.asdict(rates)
    content.pop("origin")
    about = {"version": VERSION, "processor": processor(), "rates": content}
    temporary = ""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        handle, temporary = tempfile.mkstemp(dir=path.parent, prefix=path.stem, suffix=".part")
        with os.fdopen(handle, "w", encoding="utf-8") as file:
            json.dump(about, file, indent=1)
        try:
            os.link(temporary, path)
        except FileExistsError:
            pass
        except OSError:  # a file system without links
            os.replace(temporary, path)
            temporary = ""
        return ""
    except OSError as error:
        return f"{path.parent} cannot be written ({error.strerror or error})"
    finally:
        if temporary:
            _discard(Path(temporary))
