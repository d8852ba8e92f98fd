"""The command ``bdg`` in this process: what it says and returns, without a start of Python and of workers."""

from __future__ import annotations

import contextlib
import io
import os
import subprocess
from collections.abc import Iterator, Sequence
from pathlib import Path
from unittest.mock import patch

from bdg.cli import main
from bdg.jobs import runner
from bdg.jobs.engines.engine import Engine, Report, Task
from bdg.jobs.engines.worker import computed, worker_environment
from bdg.jobs.model.sweep import Point


class Here:
    """An engine that computes the points as a worker does, one after another in this process."""

    def __init__(self, task: Task, size: int) -> None:
        self._task = task

    def run(self, points: Sequence[Point]) -> Iterator[Report | None]:
        for point in points:
            with worker_environment():
                report = computed(self._task, point)
            yield report

    def kill(self) -> None:
        pass


def bdg_here(
    *arguments: object, cwd: Path, engine: type[Engine] = Here, **environment: str
) -> subprocess.CompletedProcess[str]:
    """Return what `subprocess.run` of the command would: exit code, stdout, stderr.

    Parameters
    ----------
    arguments : str or anything whose text is one
    cwd : Path
        Where the command is given.
    engine : class
        What computes points; `bdg.jobs.engines.processes.Crew` for worker processes.
    environment : str
        Variables beside those of this process.
    """
    words, out, err = [str(argument) for argument in arguments], io.StringIO(), io.StringIO()
    with (
        contextlib.chdir(cwd),
        contextlib.redirect_stdout(out),
        contextlib.redirect_stderr(err),
        patch.dict(os.environ, environment),
        patch.dict(runner.run_job.__kwdefaults__, stream=err),
        patch.object(runner, "Crew", engine),
    ):
        try:
            code = main(words)
        except SystemExit as stop:
            code = int(stop.code or 0)
    return subprocess.CompletedProcess(words, code, out.getvalue(), err.getvalue())
