"""A run as CSV files: points, means over seeds, and a long file for arrays of one length."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from bdg.base.tables import write_csv
from bdg.jobs.model.results import JobResults
from bdg.jobs.model.tables import Record, array_tables, number_table


def export_csv(results: JobResults, path: Path) -> list[Path]:
    """Write all tables of a run and return their paths.

    ``path`` gets one row a point; ``NAME.means.csv`` beside it means and standard errors over the seeds, if they were
    swept; ``NAME.<observable>.csv`` and ``NAME.means.<observable>.csv`` the arrays, named after the first of those that
    share a file.
    """
    base = path.name.removesuffix(".csv")
    written = _write(results.records(), path, base)
    means = [ensemble.record() for ensemble in results.ensembles()]
    return written + (_write(means, path.with_name(f"{base}.means.csv"), f"{base}.means") if means else [])


def _write(records: Sequence[Record], path: Path, base: str) -> list[Path]:
    write_csv(path, number_table(records))
    written = [path]
    for names, table in array_tables(records).items():
        written.append(path.with_name(f"{base}.{names[0].removeprefix('mean_')}.csv"))
        write_csv(written[-1], table)
    return written
