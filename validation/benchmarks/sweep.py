"""A sweep of 16 points as users run it, by workers of one thread: processes of this machine, and those of dask."""

from __future__ import annotations

import hashlib
import subprocess
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

_COMMAND = [sys.executable, "-m", "bdg"]
_SPACING_NM = 2.4
_JOB = """
[job]
kind = "composite"
[system]
volume_fraction = 0.15
size_nm = [{edge}, {edge}, {edge}]
spacing_nm = {spacing}
diameter_nm = [7, 9]
mass = 0.46
density_m3 = 5e24
mean_free_path_nm = 13
delta_meV = 2.7
critical_temperature_K = 37
seed = {{ range = [0, 4] }}
[compute]
temperature_K = [4.2, 10, 19, 30]
[output]
figures = false
"""


def prepare(size: int, workers: int, engine: str) -> tuple[Callable[[], Path], Callable[[Path], dict[str, Any]]]:
    """Return the call that runs the sweep, from the command line to ``results.h5``, and what describes these.

    A dask scheduler with its workers is there before the call, as it is for users, and ended by the description.
    """
    place = tempfile.TemporaryDirectory()
    folder = Path(place.name)
    edge = round(size * _SPACING_NM, 6)
    (folder / "job.toml").write_text(_JOB.format(edge=edge, spacing=_SPACING_NM), encoding="utf-8")
    cluster = _cluster(folder / "scheduler.json", workers) if engine == "dask" else None
    way = ("--workers", str(workers)) if cluster is None else ("--scheduler", "scheduler.json")

    def call() -> Path:
        command = [*_COMMAND, "run", "job.toml", "--out", "out", "--device", "cpu", "--no-progress", *way]
        done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
        if done.returncode:
            _end(cluster)
            raise RuntimeError(f"bdg run ended with code {done.returncode}: {done.stderr.strip()[-400:]}")
        return folder / "out" / "results.h5"

    def describe(results: Path) -> dict[str, Any]:
        _end(cluster)
        found = {
            "digest": hashlib.sha256(results.read_bytes()).hexdigest(),
            "points": len(list((folder / "out" / "points").glob("*.h5"))),
        }
        place.cleanup()
        return found

    return call, describe


def _cluster(place: Path, workers: int) -> subprocess.Popen[bytes]:
    """Start a scheduler with workers; return when they are ready."""
    command = [*_COMMAND, "cluster", "--workers", str(workers), "--scheduler-file", str(place)]
    process = subprocess.Popen(command, stdout=subprocess.PIPE)
    assert process.stdout is not None
    if not process.stdout.readline():  # it says its address once all workers are there
        raise RuntimeError(f"bdg cluster ended with code {process.wait()}")
    return process


def _end(cluster: subprocess.Popen[bytes] | None) -> None:
    if cluster is not None:
        cluster.terminate()
        cluster.wait()
