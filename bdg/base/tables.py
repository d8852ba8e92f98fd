"""Results as tables: named columns of one length, with the unit in the name, for CSV files and data frames.

A column is called ``name_unit``: ``energies_meV``, ``values_per_meV``, ``stiffness_meV_nm2``; without names of units
``energies_hopping``, ``positions_x_length``. A name that has its unit already (``size_um``) and pure numbers stay as
they are. Complex values are two columns, ``.._re`` and ``.._im``; components are numbered from 0, of vectors in space
named x, y, z.
"""

from __future__ import annotations

import contextlib
import csv
import itertools
import math
import os
import re
import tempfile
from abc import ABC, abstractmethod
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

MOST_COMPONENTS = 64  # columns that one quantity may have: more are another table
IN_SPACE = "dim"  # the axis of the components of a vector
INSTALL_PANDAS = (
    "to_dataframe needs pandas, the extra 'data' of this package: pip install 'bdg[data]'. to_csv does without it"
)


@dataclass(frozen=True, eq=False)
class Quantity:
    """A value that may become columns of a table.

    Attributes
    ----------
    name : str
    values : number, text, or array
    unit : str
        "" or "1": none.
    axes : tuple of str
        A name for each axis of ``values``; quantities with the same are of the same length there. A number is the axis
        of so many components.
    """

    name: str
    values: Any
    unit: str = ""
    axes: tuple[str, ...] = ()


class Tabular(ABC):
    """What can be written as a table: results of functions and of runs."""

    @abstractmethod
    def columns(self, of: str | None) -> dict[str, np.ndarray]:
        """Return the columns (R,) of the table whose rows are the values of ``of``."""

    def to_csv(self, path: str | os.PathLike[str], of: str | None = None) -> None:
        """Write this as a table with commas; units stand in the names of the columns (`bdg.base.tables`).

        Parameters
        ----------
        path : path
            What is there is replaced once all has been written.
        of : str, optional
            The array whose values are the rows; numbers are repeated in every row. Default: of a result of a function
            its main array, of a run a row a point with its parameters and numbers.

        Raises
        ------
        ValueError
            If there is no such array.
        OSError
            If the file cannot be written.
        """
        write_csv(path, self.columns(of))

    def to_dataframe(self, of: str | None = None) -> Any:
        """Return the table that `to_csv` writes as a `pandas.DataFrame`.

        Parameters
        ----------
        of : str, optional
            The array whose values are the rows, as for `to_csv`.

        Returns
        -------
        pandas.DataFrame

        Raises
        ------
        ImportError
            If pandas is not installed, the extra 'data'.
        ValueError
            If there is no such array.
        """
        return data_frame(self.columns(of))


def table_of(quantities: Iterable[Quantity], of: str | None = None) -> dict[str, np.ndarray]:
    """Return the columns (R,) of a table by their names.

    Parameters
    ----------
    quantities : iterable of Quantity
    of : str, optional
        The quantity whose values are the rows, all of its axes but those of components, the last fastest. Default: the
        first with an axis; without any the table has one row. Whatever depends on some of these axes alone, numbers
        and texts included, is repeated; an axis that no quantity counts gets a column ``index_..``.

    Raises
    ------
    ValueError
        If there is no quantity ``of``.
    """
    known = list(quantities)
    rows = _rows(known, of)
    columns: dict[str, np.ndarray] = {}
    for number, (axis, length) in enumerate(rows.items()):
        if len(rows) > 1 and not any(each.axes == (axis,) for each in known):
            shape = [1] * len(rows)
            shape[number] = length
            columns[f"index_{axis}"] = _spread(np.arange(length).reshape(shape), rows)
    for each in sorted(known, key=lambda each: not rows.keys() & set(each.axes)):  # what is repeated comes last
        columns |= _columns(each, rows)
    return columns


def write_csv(path: str | os.PathLike[str], columns: Mapping[str, np.ndarray]) -> None:
    """Write columns (R,) with a line of their names; numbers with all digits, what is there is replaced at the end.

    Raises
    ------
    OSError
        If the file cannot be written; nothing is left behind.
    """
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, temporary = tempfile.mkstemp(prefix=f".{path.name[:60]}.", suffix=".tmp", dir=path.parent)
    try:
        with open(handle, "w", newline="", encoding="utf-8") as file:
            writer = csv.writer(file, lineterminator="\n")
            writer.writerow(columns)
            writer.writerows(zip(*(column.tolist() for column in columns.values()), strict=True))
        umask = os.umask(0)
        os.umask(umask)
        os.chmod(temporary, 0o666 & ~umask)
        os.replace(temporary, path)
    except BaseException:
        with contextlib.suppress(FileNotFoundError):
            os.unlink(temporary)
        raise


def data_frame(columns: Mapping[str, np.ndarray]) -> Any:
    """Return columns (R,) as a `pandas.DataFrame`; ImportError that names the extra where there is no pandas."""
    try:
        import pandas
    except ImportError as error:
        raise ImportError(INSTALL_PANDAS) from error
    return pandas.DataFrame(dict(columns))


def column_name(name: str, unit: str) -> str:
    """Return ``name_unit``; the name alone without a unit, or where it ends with it.

    "1/meV" becomes per_meV, "e meV/hbar" e_meV_per_hbar, "meV nm^2" meV_nm2, "length of the system" length.
    """
    stem, suffix = split_unit(name, unit)
    return f"{stem}_{suffix}" if suffix else stem


def split_unit(name: str, unit: str) -> tuple[str, str]:
    """Return a name without its unit, and the unit as a part of a name, "" if there is none."""
    unit = unit.replace("length of the system", "length")
    if unit in ("", "1") or unit.startswith("of the "):
        return name, ""
    if name == _word(unit):
        return name, ""
    for own in (_word(unit.removeprefix("1/").replace("/", "_")), _word(unit.replace("/", "_"))):
        if name.endswith(f"_{own}"):
            return name.removesuffix(f"_{own}"), own
    return name, _word(re.sub("^1/", "per ", unit).replace("/", " per "))


def _word(unit: str) -> str:
    return re.sub(r"[^\w-]+", "_", unit.replace("^", "")).strip("_")


def _rows(known: Sequence[Quantity], of: str | None) -> dict[str, int]:
    """Return the axes of the rows with their lengths."""
    if of is None:
        chosen = next((each for each in known if any(_counts(axis) for axis in each.axes)), None)
    else:
        chosen = next((each for each in known if each.name == of and each.axes), None)
        if chosen is None:
            names = sorted(each.name for each in known if each.axes)
            raise ValueError(
                f"of must be a quantity with more than one value; got {of!r}. There are {', '.join(names)}"
            )
    if chosen is None:
        return {}
    return {axis: n for axis, n in zip(chosen.axes, np.shape(chosen.values), strict=True) if _counts(axis)}


def _columns(each: Quantity, rows: Mapping[str, int]) -> dict[str, np.ndarray]:
    """Return the columns of a quantity, none if it is another table: of other axes, or of too many components."""
    kept = list(itertools.takewhile(rows.__contains__, each.axes))
    others, shape = each.axes[len(kept) :], np.shape(each.values)
    constant = not others or all(axis.isdigit() for axis in others)
    count = math.prod(shape[len(kept) :])
    if not (kept or constant) or any(axis in rows for axis in others) or count > MOST_COMPONENTS:
        return {}
    if shape[: len(kept)] != tuple(rows[axis] for axis in kept):  # empty: it was not computed
        return {}
    values = np.asarray(each.values).reshape(*shape[: len(kept)], count)
    values = values.transpose(*sorted(range(len(kept)), key=lambda n: list(rows).index(kept[n])), len(kept))
    placed = [length if axis in kept else 1 for axis, length in rows.items()]
    found: dict[str, np.ndarray] = {}
    for words, part in _components(each, values, others):
        found |= _column(words, each.unit, _spread(part.reshape(placed), rows))
    return found


def _counts(axis: str) -> bool:
    """Return whether an axis is one of rows, not of components."""
    return axis != IN_SPACE and not axis.isdigit()


def _components(
    each: Quantity, values: np.ndarray, others: Sequence[str]
) -> Iterable[tuple[tuple[str, ...], np.ndarray]]:
    """Give the words of each component (the last axis of ``values``) that come after the name, and the component."""
    if not others:
        yield (each.name,), values[..., 0]
        return
    lengths = np.shape(each.values)[len(each.axes) - len(others) :]
    places = itertools.product(*map(range, lengths))
    for number, place in enumerate(places):
        words = ["xyz"[n] if axis == IN_SPACE else str(n) for axis, n in zip(others, place, strict=True)]
        yield (each.name, *words), values[..., number]


def _column(words: tuple[str, ...], unit: str, values: np.ndarray) -> dict[str, np.ndarray]:
    """Return one column, two of complex values."""
    stem, suffix = split_unit(words[0], unit)
    name = "_".join((stem, *words[1:]))
    ending = f"_{suffix}" if suffix else ""
    if values.dtype.kind != "c":
        return {name + ending: values}
    return {f"{name}_re{ending}": values.real, f"{name}_im{ending}": values.imag}


def _spread(values: np.ndarray, rows: Mapping[str, int]) -> np.ndarray:
    """Return values over all rows, the last axis fastest."""
    return np.broadcast_to(values, tuple(rows.values()) or (1,)).ravel()
