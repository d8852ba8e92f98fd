"""One timed computation in a process of its own: one BLAS thread, nothing else in its memory.

That process is `bdg.validation.benchmarks.child`.
"""

from __future__ import annotations

import importlib.util
import json
import os
import subprocess
import sys
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import bdg
from bdg.validation.benchmarks.child import MARK
from bdg.validation.benchmarks.neighbours import Neighbours
from bdg.validation.benchmarks.tasks import TASKS

THREADS = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "NUMEXPR_NUM_THREADS", "BDG_THREADS")
CHILD = "bdg.validation.benchmarks.child"


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
    others, load : float
        Cores that other processes took meanwhile, and the load average before; nan where the system does not tell.
    """

    task: str
    options: dict[str, Any]
    cpu_seconds: float = float("nan")
    seconds: float = float("nan")
    peak_gib: float = float("nan")
    found: dict[str, Any] = field(default_factory=dict)
    error: str = ""
    others: float = float("nan")
    load: float = float("nan")


def run_alone(task: str, threads: int = 1, **options: Any) -> Measurement:
    """Run a task of `bdg.validation.benchmarks.tasks` in a new process and return what it measured."""
    if why := missing_package(TASKS[task].package):
        return Measurement(task, options, error=why)
    environment = {**os.environ, **dict.fromkeys(THREADS, str(threads))}
    environment["PYTHONPATH"] = os.pathsep.join(filter(None, [package_root(), os.environ.get("PYTHONPATH")]))
    command = [sys.executable, "-m", CHILD, json.dumps({"task": task, **options})]
    with Neighbours() as beside:
        done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    lines = [line for line in done.stdout.splitlines() if line.startswith(MARK)]
    if not lines:
        last = (done.stderr.strip().splitlines() or ["nothing on stderr"])[-1]
        return Measurement(task, options, error=f"ended with code {done.returncode}: {last}")
    measured = json.loads(lines[-1].removeprefix(MARK))
    return Measurement(task, options, **measured, others=beside.cores, load=beside.load)


def package_root() -> str:
    """Return the folder that holds the package in use, so that child processes use the same."""
    return str(Path(bdg.__file__).resolve().parent.parent)


def missing_package(package: str) -> str:
    """Return why a peer cannot run, empty if it can (or if it is no peer)."""
    if not package or importlib.util.find_spec(package) is not None:
        return ""
    cures = {"kwant": "make env, which builds it", "distributed": "pip install 'bdg[cluster]'"}
    cure = cures.get(package, "make benchmark, or pip install 'bdg[benchmark]'")
    return f"{package} is not installed ({cure})"
