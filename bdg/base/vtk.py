"""Files of VTK's XML formats for 3-D viewers (ParaView, VisIt, PyVista): sites, bonds, and a sweep of them.

Sites that fill a rectangular grid are an image (``.vti``), which viewers slice, contour and render as a volume; all
others are points (``.vtu``). Complex values are two fields, modulus ``.._abs`` and ``.._phase_rad``. Units stand in the
names of the fields, as in tables.
"""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from bdg.base.tables import IN_SPACE, MOST_COMPONENTS, Quantity, column_name, split_unit

INSTALL_PYEVTK = "VTK files need pyevtk, the extra 'data' of this package: pip install 'bdg[data]'"
_LINE = 3  # VTK's number of this kind of cell
_ROUGH = 1e-6  # of the spacing: coordinates that are closer are the same


@dataclass(frozen=True, eq=False)
class PointSet:
    """Points in space with fields on them.

    Attributes
    ----------
    positions : array (n, 1 to 3)
    fields : dict of array (n,) or (n, 3)
        Real.
    """

    positions: np.ndarray
    fields: dict[str, np.ndarray]


def write_sites(path: Path, quantities: Sequence[Quantity], holder: str) -> Path:
    """Write the sites among the quantities of a ``holder``, with bonds where there are some, and return the path."""
    positions = next((each for each in quantities if each.name == "positions" and each.axes[1:] == (IN_SPACE,)), None)
    if positions is None:
        raise TypeError(f"to_vtk: {holder} does not hold the positions of sites; take the pair amplitude, for instance")
    path = path.with_suffix("") if path.suffix in (".vti", ".vtu") else path
    points = point_set(quantities, positions)
    bonds = next((each for each in quantities if each.name == "bonds"), None)
    if bonds is None:
        return write_points(path, points)
    return write_bonds(path, points, bonds.values, point_set(quantities, bonds).fields)


def point_set(quantities: Iterable[Quantity], positions: Quantity) -> PointSet:
    """Return the points at ``positions`` with all quantities that have their axis.

    ``positions`` may be any quantity that names the axis. Of a quantity with a further axis (of energies) each value
    along it is a field, with its number behind the name.
    """
    (axis, *_), count, fields = positions.axes, len(positions.values), dict[str, np.ndarray]()
    for each in quantities:
        if axis in each.axes and each.name != positions.name and np.asarray(each.values).dtype.kind in "biufc":
            values = np.moveaxis(np.asarray(each.values), each.axes.index(axis), 0)
            if len(values) != count:  # empty: it was not computed
                continue
            others = tuple(name for name in each.axes if name != axis)
            for ending, part in _parts(values, others):
                fields |= {f"{name}{ending}": field for name, field in _real(each.name, each.unit, part).items()}
    return PointSet(np.asarray(positions.values), fields)


def write_points(path: Path, points: PointSet) -> Path:
    """Write points with their fields and return the path, which ends with ``.vti`` or ``.vtu``.

    Parameters
    ----------
    path : Path
        Without ending.
    points : PointSet

    Raises
    ------
    ImportError
        If pyevtk is not installed, the extra 'data'.
    OSError
        If the file cannot be written.
    """
    space = _in_space(points.positions)
    grid = _grid_of(space) if points.fields else None
    if grid is None:
        fields = {name: _stored(values) for name, values in points.fields.items()}
        columns = map(np.ascontiguousarray, space.T)
        return _written(path, "pointsToVTK", *columns, data=fields or None)
    shape, origin, spacing, order = grid
    images = {name: _stored(values[order], shape) for name, values in points.fields.items()}
    return _written(path, "imageToVTK", origin, spacing, pointData=images)


def write_bonds(path: Path, points: PointSet, bonds: np.ndarray, fields: Mapping[str, np.ndarray]) -> Path:
    """Write sites and the bonds (B, 2) between them as lines with fields (B,); return the path, ``.vtu``."""
    ends = np.ascontiguousarray(bonds, dtype=np.int64).ravel()
    offsets = 2 * np.arange(1, len(bonds) + 1)
    return _written(
        path,
        "unstructuredGridToVTK",
        *map(np.ascontiguousarray, _in_space(points.positions).T),
        *(ends, offsets, np.full(len(bonds), _LINE, dtype=np.uint8)),
        cellData={name: _stored(each) for name, each in fields.items()} or None,
        pointData={name: _stored(each) for name, each in points.fields.items()} or None,
    )


def write_series(path: Path, files: Iterable[tuple[float, Path]]) -> Path:
    """Write a ``.pvd``, which viewers open as one: each file, beside it, at its value of what they call time."""
    lines = [f'    <DataSet timestep="{time!r}" group="" part="0" file="{file.name}"/>' for time, file in files]
    head = '<?xml version="1.0"?>\n<VTKFile type="Collection" version="0.1" byte_order="LittleEndian">\n  <Collection>'
    path.write_text("\n".join([head, *lines, "  </Collection>", "</VTKFile>", ""]), encoding="utf-8")
    return path


def _written(path: Path, function: str, *arguments: Any, **options: Any) -> Path:
    """Call a function of pyevtk; what it writes appears under its final name when it is whole."""
    try:
        from pyevtk import hl
    except ImportError as error:
        raise ImportError(INSTALL_PYEVTK) from error
    path.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=f".{path.name}.", suffix=".tmp", dir=path.parent) as folder:
        made = Path(getattr(hl, function)(str(Path(folder) / path.name), *arguments, **options))
        target = path.with_name(made.name)
        os.replace(made, target)
    return target


def _in_space(positions: np.ndarray) -> np.ndarray:
    """Return positions (n, 3), zero along axes that there are not."""
    space = np.zeros((len(positions), 3))
    space[:, : positions.shape[1]] = positions
    return space


def _grid_of(space: np.ndarray) -> tuple[tuple[int, ...], tuple[float, ...], tuple[float, ...], np.ndarray] | None:
    """Return shape, origin, spacing and the order of the sites if these fill a rectangular grid."""
    places, origin, spacing = [], space.min(axis=0), np.ones(3)
    for axis in range(3):
        values = np.sort(space[:, axis])
        steps = np.diff(values)
        apart = steps[steps > _ROUGH * max(1e-300, values[-1] - values[0])]
        if apart.size:
            spacing[axis] = apart.min()
        place = np.rint((space[:, axis] - origin[axis]) / spacing[axis])
        if abs(space[:, axis] - origin[axis] - place * spacing[axis]).max() > 1e-3 * spacing[axis]:
            return None
        places.append(place.astype(np.int64))
    shape = tuple(int(place.max()) + 1 for place in places)
    if len(space) < 2 or np.prod(shape, dtype=float) != len(space):
        return None
    number = np.ravel_multi_index(tuple(places), shape)
    order = np.argsort(number)
    if not np.array_equal(number[order], np.arange(len(space))):
        return None
    return shape, tuple(map(float, origin)), tuple(map(float, spacing)), order


def _stored(values: np.ndarray, shape: tuple[int, ...] = (-1,)) -> Any:
    """Return a field as pyevtk takes it: an array, of vectors a tuple of three."""
    if values.ndim == 1:
        values = values.astype(np.int8) if values.dtype == bool else values
        return np.ascontiguousarray(values.reshape(shape))
    return tuple(np.ascontiguousarray(part.reshape(shape)) for part in _in_space(values).T)


def _parts(values: np.ndarray, others: tuple[str, ...]) -> Iterator[tuple[str, np.ndarray]]:
    """Give the endings of the names and the values of the fields that values (n, ...) on sites are."""
    if not others or (others == (IN_SPACE,) and values.dtype.kind != "c"):
        yield "", values
        return
    parts = values.reshape(len(values), -1)
    if parts.shape[1] <= MOST_COMPONENTS:
        for number in range(parts.shape[1]):
            yield f"_{number}", parts[:, number]


def _real(name: str, unit: str, values: np.ndarray) -> dict[str, np.ndarray]:
    """Return a field with its unit in the name, of complex values modulus and phase."""
    if values.dtype.kind != "c":
        return {column_name(name, unit): values}
    stem, suffix = split_unit(name, unit)
    return {f"{stem}_abs" + (f"_{suffix}" if suffix else ""): abs(values), f"{stem}_phase_rad": np.angle(values)}
