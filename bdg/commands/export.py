"""The command ``bdg export``: a run as CSV files."""

from __future__ import annotations

import argparse
from pathlib import Path

from bdg.base.errors import JobError
from bdg.jobs.export import export_csv
from bdg.jobs.folder.store import RunFolder
from bdg.jobs.model.results import read_results
from bdg.lattices.storage import ResultFileError, shown


def add_export_command(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the command to a parser."""
    export = commands.add_parser(
        "export",
        help="write a run as CSV files",
        description="Write a run as CSV files: FILE with a row a point (parameters and numbers, units in the names of "
        "the columns), FILE.means.csv with means and standard errors over seeds, FILE.<observable>.csv with arrays, "
        "a row for each index.",
    )
    export.add_argument("run", metavar="RUN", help="run directory, or its results.h5")
    place = "default: results.csv in the run directory"
    export.add_argument("--csv", metavar="FILE", nargs="?", help=place)
    export.set_defaults(act=_export)


def _export(chosen: argparse.Namespace) -> int:
    run = Path(chosen.run)
    try:
        results = read_results(run) if run.is_file() else RunFolder(run).collect()
    except ResultFileError as error:
        raise JobError(f"{shown(error, 300)}; give a run directory or its results.h5") from error
    if not len(results):
        raise JobError(f"{chosen.run}: no point can be read yet (bdg status tells); there is nothing to export")
    beside = run.parent if run.is_file() else run
    for path in export_csv(results, Path(chosen.csv) if chosen.csv else beside / "results.csv"):
        print(path)
    if results.missing:
        print(f"{len(results.missing)} of {len(results) + len(results.missing)} points are missing in these tables")
    return 0
