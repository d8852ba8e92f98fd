"""The two calls that know both systems and jobs: `bdg.load` and `bdg.estimate`."""

from __future__ import annotations

import os
from typing import Any

from bdg.base.results import Result
from bdg.lattices.storage import ResultFileError, content_of, read_file, shown
from bdg.lattices.system import System


def load(path: str | os.PathLike[str]) -> Any:
    """Read a result, a `System`, or a file of a run directory that was saved by this package.

    Raises
    ------
    ResultFileError
        If the file is missing, damaged, truncated, of a newer format or of an unknown kind, or if what it holds is not
        what a file of its kind holds.
    """
    kind, content = read_file(path)
    if kind == "System":
        with content_of(path):
            return System.from_content(content)
    if kind in ("JobResults", "Point"):
        from bdg.jobs.model.results import read_point, read_results  # the job machinery is not needed for anything else

        return read_results(path) if kind == "JobResults" else read_point(path)
    if kind not in Result._kinds:
        known = ", ".join(sorted({*Result._kinds, "System", "JobResults", "Point"}))
        raise ResultFileError(f"{path}: holds a {shown(kind)}; bdg.load knows {known}")
    with content_of(path):
        return Result._kinds[kind].from_content(content)
