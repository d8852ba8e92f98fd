"""A run as files for other programs: CSV tables, and VTK files of the sites in space."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np

from bdg.base.tables import IN_SPACE, Quantity, write_csv
from bdg.base.vtk import PointSet, point_set, write_points, write_series
from bdg.jobs.model.labelled import swept_keys
from bdg.jobs.model.on_sites import positions_in, site_axis
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
    swept = bool(results.ensembles())
    return written + (export_means(results, path.with_name(f"{base}.means.csv")) if swept else [])


def export_means(results: JobResults, path: Path) -> list[Path]:
    """Write the tables of means over seeds alone and return their paths; ValueError where no seed was swept."""
    return _write(results.mean().records(), path, path.name.removesuffix(".csv"))


def export_vtk(results: JobResults, folder: Path) -> list[Path]:
    """Write the sites of every point for 3-D viewers and return the paths, those of the sweeps (``.pvd``) last.

    A file a point for each set of sites that it stores: ``sites_00003.vti`` (all sites), ``slice_...``, ``row_...``,
    ``grains_...`` (centres, with diameters); the number is that of the row in ``points.csv``, which is written beside
    them. What viewers call time is the swept number if there is one alone, else the number of the point.

    Raises
    ------
    ImportError
        If pyevtk is not installed, the extra 'data'.
    """
    keys = swept_keys([point.parameters for point in results.points])
    series: dict[str, list[tuple[float, Path]]] = {}
    for number, record in enumerate(results.records()):
        values = [record.parameters.get(section, {}).get(key) for section, key in keys]
        time = values[0] if len(values) == 1 and isinstance(values[0], int | float) else number
        for name, points in _point_sets(record):
            path = write_points(folder / f"{name}_{number:05d}", points)
            series.setdefault(name, []).append((float(time), path))
    if not series:
        return []
    write_csv(folder / "points.csv", number_table(results.records()))
    files = [path for each in series.values() for _, path in each] + [folder / "points.csv"]
    return files + [write_series(folder / f"{name}.pvd", sorted(each)) for name, each in series.items()]


def _write(records: Sequence[Record], path: Path, base: str) -> list[Path]:
    write_csv(path, number_table(records))
    written = [path]
    for names, table in array_tables(records).items():
        written.append(path.with_name(f"{base}.{names[0].removeprefix('mean_')}.csv"))
        write_csv(written[-1], table)
    return written


def _point_sets(record: Record) -> Iterator[tuple[str, PointSet]]:
    """Give the sets of sites that a point stores, by name: "sites", "slice", "row", "grains"."""
    for positions, prefix in positions_in(record).items():
        quantities = [
            _quantity(record, name, axis)
            for name in record.values
            if (axis := site_axis(record, positions, prefix, name)) is not None
        ]
        places = Quantity(positions, record.values[positions], record.units.get(positions, ""), ("site", IN_SPACE))
        yield {"": "sites", "centres": "grains"}.get(prefix, prefix), point_set(quantities, places)


def _quantity(record: Record, name: str, axis: int) -> Quantity:
    """Return an observable as a quantity with sites along an axis."""
    axes = [str(length) for length in np.shape(record.values[name])]
    axes[axis] = "site"
    return Quantity(name, record.values[name], record.units.get(name, ""), tuple(axes))
