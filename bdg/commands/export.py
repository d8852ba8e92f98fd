"""The command ``bdg export``: a run as CSV files, or as VTK files."""

from __future__ import annotations

import argparse
from pathlib import Path

from bdg.base.errors import JobError
from bdg.jobs.export import export_csv, export_means, export_vtk
from bdg.jobs.folder.reading import load_run
from bdg.jobs.model.results import JobResults
from bdg.lattices.storage import ResultFileError, shown


def add_export_command(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the command to a parser."""
    export = commands.add_parser(
        "export",
        help="write a run as CSV files, or as VTK files for 3-D viewers",
        description="Write a run for other programs. CSV files: FILE with a row a point (parameters and numbers, units "
        "in the names of the columns), FILE.means.csv with means and standard errors over seeds, FILE.<observable>.csv "
        "with arrays, a row for each index. VTK files (ParaView): sites, grains and slices of each point in space, and "
        "a .pvd that opens all of them; needs the extra 'data'. Without a choice: CSV files.",
    )
    export.add_argument("run", metavar="RUN", help="run directory, or its results.h5")
    place = "default: results.csv in the run directory"
    export.add_argument("--csv", metavar="FILE", nargs="?", const="", help=place)
    export.add_argument("--means", action="store_true", help="only means over seeds; default: results.means.csv")
    export.add_argument("--vtk", metavar="DIR", nargs="?", const="", help="default: vtk in the run directory")
    export.set_defaults(act=_export)


def _export(chosen: argparse.Namespace) -> int:
    run = Path(chosen.run)
    try:
        results = load_run(run)
    except ResultFileError as error:
        raise JobError(f"{shown(error, 300)}; give a run directory or its results.h5") from error
    if not len(results):
        raise JobError(f"{chosen.run}: no point can be read yet (bdg status tells); there is nothing to export")
    for path in _written(results, chosen, run.parent if run.is_file() else run):
        print(path)
    if results.missing:
        print(f"{len(results.missing)} of {len(results) + len(results.missing)} points are missing in these files")
    return 0


def _written(results: JobResults, chosen: argparse.Namespace, beside: Path) -> list[Path]:
    """Write what was asked for and return the paths."""
    try:
        paths = export_vtk(results, Path(chosen.vtk or beside / "vtk")) if chosen.vtk is not None else []
        if chosen.means:
            return paths + export_means(results, Path(chosen.csv or beside / "results.means.csv"))
    except (ImportError, ValueError) as error:
        raise JobError(f"bdg export: {error}") from error
    if chosen.vtk is not None and not paths:
        raise JobError(f"{chosen.run}: no point holds positions of sites or grains; there is nothing to see in space")
    csv = chosen.csv is not None or chosen.vtk is None
    return paths + (export_csv(results, Path(chosen.csv or beside / "results.csv")) if csv else [])
