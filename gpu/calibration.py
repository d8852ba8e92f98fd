"""The rates of this machine: measured in about a second when they are first needed, and kept in a file.

The file stands in ``$BDG_CALIBRATION``, else in ``bdg`` below the user's cache folder (``$XDG_CACHE_HOME`` or
``~/.cache``); its name holds processor, threads, versions and device. ``BDG_CALIBRATION=off`` measures and writes
nothing: the built-in rates of `bdg.gpu.cost` hold. Whoever measures at the same time takes the file that came first,
so all processes choose alike. With one thread processor time is measured, which other processes hardly disturb; with
more it is the clock, and a machine that is busy is not measured.

    python -m bdg.gpu.calibration

prints the rates of a process of its own: that is how those of one thread are found in a process that has more.
"""

from __future__ import annotations

import dataclasses
import hashlib
import json
import os
import platform
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import scipy
import scipy.sparse as sp

from bdg.gpu.backend import Backend, select_backend
from bdg.gpu.cost import BUILT_IN, FORMS, Rates, factor_seconds
from bdg.gpu.multifrontal import Factor, SitePattern, analyse, default_settings
from bdg.gpu.multifrontal.majorana import MajoranaFactor, MajoranaForm
from bdg.gpu.multifrontal.quaternion import QUATERNION_CPU_SETTINGS, QuaternionFactor
from bdg.gpu.nambu_operator import NambuOperator

VARIABLE = "BDG_CALIBRATION"
VERSION = 1  # of the file and of what its numbers mean
_OFF = ("off", "0", "none")
_VARIABLES = ("OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "OMP_NUM_THREADS")
_REPEATS = 3
_BUSY = 0.7  # processes that wait for a core, on average over a minute
_known: dict[str, Rates] = {}
_assumed: list[Rates] = []


@dataclasses.dataclass(frozen=True)
class Sizes:
    """What is measured: dimensions of dense products and diagonalisations, sites an axis, columns, bytes of a copy."""

    gemm: int
    eigh: int
    sparse: int
    columns: int
    factor: int
    copy: int


SIZES = {"cpu": Sizes(512, 512, 16, 32, 10, 1 << 25), "gpu": Sizes(4096, 2048, 64, 64, 24, 1 << 29)}


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


def rates_of_one_thread(backend: Backend, environment: dict[str, str]) -> Rates:
    """Return the rates of processes with one thread, which ``environment`` makes them have.

    Raises
    ------
    RuntimeError
        If the process that measures them fails.
    """
    if backend.device != "cpu" or THREADS == 1 or os.environ.get(VARIABLE, "").lower() in _OFF:
        return rates_of(backend)
    root = str(Path(__file__).resolve().parent.parent)
    paths = os.pathsep.join(filter(None, [root, os.environ.get("PYTHONPATH")]))
    done = subprocess.run(
        [sys.executable, "-m", "bdg.gpu.calibration"],
        env={**os.environ, **environment, "PYTHONPATH": paths},
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        raise RuntimeError(f"the rates of one thread could not be measured: {done.stderr.strip()[-300:]}")
    return Rates(**json.loads(done.stdout))


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
    parts = [VERSION, processor(), THREADS, np.__version__, scipy.__version__, platform.python_version()]
    parts += [backend.device] if backend.device == "cpu" else [backend.device_name, backend.xp.__version__]
    digest = hashlib.sha256(json.dumps([str(part) for part in parts]).encode()).hexdigest()[:16]
    return f"{backend.device}-{digest}"


def _threads() -> int:
    """Return how many threads dense algebra may take; libraries read this once, when they are loaded."""
    for name in _VARIABLES:
        if os.environ.get(name, "").isdigit():
            return max(1, int(os.environ[name]))
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


THREADS = _threads()


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
    if backend.device == "cpu" and THREADS > 1 and _is_busy():  # threads that wait for each other: off by factors of 10
        origin = f"built-in rates: the machine is too busy to measure {THREADS} threads"
        return dataclasses.replace(BUILT_IN["cpu"], origin=origin)
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


def _is_busy() -> bool:
    """Return True if other processes leave fewer cores than this one has threads."""
    try:
        load = os.getloadavg()[0]
    except (AttributeError, OSError):  # not known here
        return False
    return load > (os.cpu_count() or 1) - THREADS + _BUSY


def _read(path: Path | None) -> tuple[Rates | None, str]:
    """Return the rates of a file, or None and what is wrong with it ("" if there is none)."""
    if path is None:
        return None, ""
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
        rates = Rates(**{**content["rates"], "origin": "measured rates"})
        numbers = [rates.copy, rates.call]
        for name, keys in (("gemm", 3), ("eigh", 2), ("product", 4), ("forms", len(FORMS))):
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
    about = {"version": VERSION, "processor": processor(), "threads": THREADS, "rates": content}
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


# --------------------------------------------------------------------------------------------------------- measurement


def measure(backend: Backend, sizes: Sizes | None = None) -> Rates:
    """Measure the rates of a device; the quickest of a few runs of each, since noise only adds time."""
    sizes = SIZES[backend.device] if sizes is None else sizes
    seconds = _Stopwatch(backend)
    once, again = (_plain_rates(backend, seconds, sizes) for _ in range(2))  # at two times: few disturbances last

    def quickest(name: str) -> dict[str, float]:
        return {key: max(value, getattr(again, name)[key]) for key, value in getattr(once, name).items()}

    copy, call = max(once.copy, again.copy), min(once.call, again.call)
    rates = Rates(backend.device, quickest("gemm"), quickest("eigh"), quickest("product"), copy=copy, call=call)
    return dataclasses.replace(rates, forms=_forms(backend, seconds, rates, sizes), origin="measured rates")


def _plain_rates(backend: Backend, seconds: _Stopwatch, sizes: Sizes) -> Rates:
    return Rates(
        backend.device,
        {name: _gemm(backend, seconds, name, sizes) for name in ("f4", "f8", "c16")},
        {name: _eigh(backend, seconds, name, sizes) for name in ("f8", "c16")},
        _products(backend, seconds, sizes),
        copy=_copy(backend, seconds, sizes),
        call=_call(backend, seconds),
    )


class _Stopwatch:
    """Seconds of a function on a device, the least of a few."""

    def __init__(self, backend: Backend) -> None:
        self._backend = backend
        alone = backend.device == "cpu" and THREADS == 1
        self._time = time.process_time if alone else time.perf_counter

    def __call__(self, run: Callable[[], Any], repeats: int = _REPEATS) -> float:
        least = np.inf
        for _ in range(repeats):
            self.wait()
            start = self._time()
            run()
            self.wait()
            least = min(least, self._time() - start)
        return max(least, 1e-9)

    def wait(self) -> None:
        if self._backend.device == "gpu" and hasattr(self._backend.xp, "cuda"):
            self._backend.xp.cuda.Device().synchronize()


def _random(backend: Backend, size: int, name: str) -> Any:
    rng = np.random.default_rng(0)
    matrix = rng.standard_normal((size, size))
    return backend.xp.asarray((matrix + (1j * matrix.T if name == "c16" else 0)).astype(name))


def _gemm(backend: Backend, seconds: _Stopwatch, name: str, sizes: Sizes) -> float:
    matrix = _random(backend, sizes.gemm, name)
    operations = (4 if name == "c16" else 1) * 2.0 * sizes.gemm**3
    return operations / seconds(lambda: backend.xp.matmul(matrix, matrix), _REPEATS + 2)


def _eigh(backend: Backend, seconds: _Stopwatch, name: str, sizes: Sizes) -> float:
    matrix = _random(backend, sizes.eigh, name)
    matrix = matrix + matrix.conj().T
    # larger ones run a quarter faster, in units of the dimension cubed
    return 1.25 * sizes.eigh**3 / seconds(lambda: backend.xp.linalg.eigh(matrix), 2)


def _copy(backend: Backend, seconds: _Stopwatch, sizes: Sizes) -> float:
    source = backend.xp.zeros(sizes.copy // 8)
    target = backend.xp.empty_like(source)

    def run() -> None:
        target[...] = source

    return 2.0 * sizes.copy / seconds(run)


def _call(backend: Backend, seconds: _Stopwatch, calls: int = 200) -> float:
    small = backend.xp.ones((4, 8, 8))

    def run() -> None:
        for _ in range(calls):
            backend.xp.matmul(small, small)

    return seconds(run, 10) / calls


def _products(backend: Backend, seconds: _Stopwatch, sizes: Sizes) -> dict[str, float]:
    normal, _ = _cube(sizes.sparse)
    real = _bdg(normal)
    found = {}
    for name in ("f4", "f8", "c8", "c16"):
        matrix = real if name[0] == "f" else sp.csr_matrix(real.astype(complex))
        operator = NambuOperator(matrix, 1, backend, single=name in ("f4", "c8"))
        x, y = operator.zeros(sizes.columns), operator.zeros(sizes.columns)
        x[...] = 1
        run = _step(operator, x, y)
        run()
        found[name] = sizes.columns * (matrix.nnz + 4.0 * matrix.shape[0]) / seconds(run)
    return found


def _step(operator: NambuOperator, x: Any, y: Any) -> Callable[[], Any]:
    return lambda: operator.step(y, x, alpha=0.1, damp=-1.0, dots="squares")


def _forms(backend: Backend, seconds: _Stopwatch, rates: Rates, sizes: Sizes) -> dict[str, float]:
    """Return the seconds of a factorisation of each form relative to the prediction, between 1/2 and 2."""
    normal, positions = _cube(sizes.factor)
    site = SitePattern.of(normal)
    paired = sp.csr_matrix(0.3 * sp.identity(normal.shape[0]))
    small = QUATERNION_CPU_SETTINGS if backend.device == "cpu" else default_settings(backend)
    one, quaternion = (analyse(positions, site, settings) for settings in (default_settings(backend), small))
    takagi, h, d = (site.split(sp.csr_matrix(m)) for m in (normal + 1j * paired, normal, paired))
    rows = np.arange(2 * normal.shape[0]).reshape(2, -1).T
    whole = analyse(positions, SitePattern.of(_bdg(normal), rows), default_settings(backend))
    real = whole.pattern.split(_bdg(normal))
    spinful, form = _majorana(normal, positions, backend)
    runs: dict[str, tuple[Any, bool, Callable[[], Any]]] = {
        "real": (whole, False, lambda: Factor(whole, real, 0.01, backend)),
        "complex": (one, False, lambda: Factor(one, takagi, 0.0, backend)),
        "quaternion": (quaternion, False, lambda: QuaternionFactor(quaternion, h, d, 0.1, backend)),
        "majorana": (spinful, form.signs is None, lambda: MajoranaFactor(spinful, form, 0.1, backend)),
    }
    found = {}
    for name, (symbolic, general, run) in runs.items():
        run()
        ratio = seconds(run) / factor_seconds(rates, symbolic, name, general)
        found[name] = float(np.clip(ratio, 0.5, 2.0))
    return found


def _majorana(normal: sp.csr_matrix, positions: np.ndarray, backend: Backend) -> tuple[Any, MajoranaForm]:
    """Return the symbolic factorisation and the form of the spinful cube, four rows a site."""
    spins = np.array([[0, -1j], [1j, 0]])
    zero = np.zeros((2, 2))
    partner = np.block([[zero, -1j * spins], [1j * spins, zero]])  # tau_y sigma_y
    h = sp.kron(normal, sp.identity(2))
    gap = 0.3 * sp.identity(h.shape[0])
    matrix = sp.csr_matrix(sp.block_array([[h, gap], [gap, -h]]))
    electron = np.arange(h.shape[0]).reshape(-1, 2)
    pattern = SitePattern.of(_connected(normal, electron, h.shape[0]), np.hstack([electron, electron + h.shape[0]]))
    symbolic = analyse(positions, pattern, default_settings(backend))
    return symbolic, MajoranaForm.of(pattern.split(matrix), partner)


def _connected(normal: sp.csr_matrix, electron: np.ndarray, half: int) -> sp.csr_matrix:
    """Return the pattern of all rows of linked sites, in the order (electron | hole)."""
    rows = np.hstack([electron, electron + half])
    blocks = sp.kron(sp.csr_matrix(normal != 0).astype(float), np.ones((4, 4)), format="csr")
    order = np.argsort(rows.ravel())
    return blocks[order][:, order]


def _bdg(normal: sp.csr_matrix) -> sp.csr_matrix:
    gap = 0.3 * sp.identity(normal.shape[0])
    return sp.csr_matrix(sp.block_array([[normal, gap], [gap, -normal]]))


def _cube(size: int) -> tuple[sp.csr_matrix, np.ndarray]:
    """Return a disordered cubic lattice and the positions of its sites."""
    path = sp.diags_array([-np.ones(size - 1), -np.ones(size - 1)], offsets=[-1, 1])
    one = sp.identity(size)
    hopping = sp.kron(sp.kron(path, one), one) + sp.kron(sp.kron(one, path), one) + sp.kron(sp.kron(one, one), path)
    onsite = sp.diags_array(1 + np.random.default_rng(0).random(size**3))
    return sp.csr_matrix(hopping + onsite), np.indices((size,) * 3).reshape(3, -1).T.astype(float)


def main() -> None:
    """Print the rates of this process as JSON."""
    print(json.dumps(dataclasses.asdict(rates_of(select_backend("cpu")))))


if __name__ == "__main__":
    main()
