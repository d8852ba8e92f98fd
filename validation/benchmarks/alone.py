"""One timed computation in a process of its own: one BLAS thread, nothing else in its memory.

    python -m bdg.validation.benchmarks.alone '{"task": "lanczos", "size": 16}'

The task runs once on a tiny system first, so that loading libraries is not measured. Then the system is built, and only
the call itself is timed. Its memory is the largest resident memory during the call beyond that just before it.
"""

from __future__ import annotations

import gc
import importlib
import importlib.util
import json
import os
import subprocess
import sys
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from bdg.validation.benchmarks.memory import GIB, peak_bytes, reset_peak

THREADS = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "NUMEXPR_NUM_THREADS")
WARM_UP_SIZE = 6
_MARK = "measured: "


@dataclass(frozen=True)
class Measurement:
    """What one process measured.

    Attributes
    ----------
    task : str
    options : dict
        Arguments of the task, ``size`` among them.
    cpu_seconds, seconds : float
        Processor time of all threads, and time on the clock.
    peak_gib : float
        Largest resident memory during the call beyond that just before it.
    found : dict
        What the task says about its result.
    error : str
        Why there is no measurement; empty if there is one.
    """

    task: str
    options: dict[str, Any]
    cpu_seconds: float = float("nan")
    seconds: float = float("nan")
    peak_gib: float = float("nan")
    found: dict[str, Any] = field(default_factory=dict)
    error: str = ""


def run_alone(task: str, threads: int = 1, **options: Any) -> Measurement:
    """Run a task of `bdg.validation.benchmarks.tasks` in a new process and return what it measured."""
    from bdg.validation.benchmarks.tasks import TASKS

    if why := missing_package(TASKS[task].package):
        return Measurement(task, options, error=why)
    environment = {**os.environ, **dict.fromkeys(THREADS, str(threads))}
    environment["PYTHONPATH"] = os.pathsep.join(filter(None, [package_root(), os.environ.get("PYTHONPATH")]))
    command = [sys.executable, "-m", __name__, json.dumps({"task": task, **options})]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    lines = [line for line in done.stdout.splitlines() if line.startswith(_MARK)]
    if not lines:
        last = (done.stderr.strip().splitlines() or ["nothing on stderr"])[-1]
        return Measurement(task, options, error=f"ended with code {done.returncode}: {last}")
    return Measurement(task, options, **json.loads(lines[-1].removeprefix(_MARK)))


def package_root() -> str:
    """Return the folder that holds the package in use, so that child processes use the same."""
    import bdg

    return str(Path(bdg.__file__).resolve().parent.parent)


def missing_package(package: str) -> str:
    """Return why a peer cannot run, empty if it can (or if it is no peer)."""
    if not package or importlib.util.find_spec(package) is not None:
        return ""
    extra = "kwant" if package == "kwant" else "benchmark"
    cure = "make env, which builds it" if extra == "kwant" else "make benchmark, or pip install 'bdg[benchmark]'"
    return f"{package} is not installed ({cure})"


def measure_here(task: str, options: dict[str, Any]) -> dict[str, Any]:
    """Return processor seconds, seconds, peak memory and findings of a task run in this process."""
    tasks = importlib.import_module("bdg.validation.benchmarks.tasks").TASKS
    chosen = tasks[task]
    if chosen.warm_up:
        call, _ = chosen.prepare(**{**options, "size": WARM_UP_SIZE})
        call()
    call, describe = chosen.prepare(**options)
    gc.collect()
    before = reset_peak()
    processor, clock = time.process_time(), time.perf_counter()
    result = call()
    processor, clock = time.process_time() - processor, time.perf_counter() - clock
    peak = peak_bytes() - before
    found = {**describe(result), "processor_share": processor / clock if clock else 1.0}
    return {"cpu_seconds": processor, "seconds": clock, "peak_gib": peak / GIB, "found": found}


def main() -> None:
    """Measure the task given as JSON and print the result as one line of JSON."""
    options = json.loads(sys.argv[1])
    task = options.pop("task")
    print(_MARK + json.dumps(measure_here(task, options)), flush=True)


if __name__ == "__main__":
    main()
