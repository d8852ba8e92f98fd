"""Results: frozen, named, complete with their evidence, and able to save, load and plot themselves."""

from __future__ import annotations

import dataclasses
import os
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from bdg.base.about import about_result
from bdg.base.quantities import quantities_of
from bdg.base.result_fields import checked_fields
from bdg.base.tables import Quantity, Tabular, table_of
from bdg.base.vtk import write_sites
from bdg.gpu.device.backend import Backend
from bdg.gpu.device.threads import threads_used
from bdg.lattices.storage import write_file
from bdg.lattices.summary import as_html, as_text
from bdg.lattices.system import System
from bdg.lattices.unit_names import UnitNames

if TYPE_CHECKING:
    from matplotlib.figure import Figure


@dataclass(frozen=True, slots=True)
class Choice:
    """How something is computed: made once, handed down, and told in the evidence.

    Attributes
    ----------
    method : str
    why : str
        The reason of each automatic choice, of the method and of the device.
    backend : Backend
        Where the arrays live.
    """

    method: str
    why: str
    backend: Backend


class Evidence(Mapping[str, Any]):
    """How a result was obtained: a mapping whose entries are also attributes (``evidence.method``).

    Always present: ``method``, ``device``, ``dtype``, ``threads`` (used at once), ``seconds``, ``why`` (the reason
    of each automatic choice).

    Examples
    --------
    >>> import bdg
    >>> from bdg.lattices import Layer, stack
    >>> evidence = bdg.bound_states(stack([Layer(20, delta=0.3)]), 2).evidence
    >>> print(evidence.method, evidence["device"], evidence.get("cutoff"))
    dense cpu None
    """

    def __init__(self, entries: Mapping[str, Any] | None = None, **more: Any) -> None:
        object.__setattr__(self, "_entries", {**(entries or {}), **more})

    @classmethod
    def of(cls, choice: Choice, *, dtype: Any, start: float, **facts: Any) -> Evidence:
        """Return the evidence of a result whose computation began at ``start`` (time.perf_counter)."""
        return cls(
            {
                "method": choice.method,
                "device": choice.backend.device,
                "device_name": choice.backend.device_name,
                "dtype": str(dtype),
                "threads": threads_used(),
                "why": choice.why,
                **facts,
                "seconds": time.perf_counter() - start,
            }
        )

    def __getitem__(self, key: str) -> Any:
        return self._entries[key]

    def __getattr__(self, key: str) -> Any:
        if key.startswith("_"):
            raise AttributeError(key)
        try:
            return self._entries[key]
        except KeyError:
            raise AttributeError(f"this evidence has no entry {key!r}; it has {sorted(self._entries)}") from None

    def __setattr__(self, key: str, value: Any) -> None:
        raise AttributeError("evidence is read-only")

    def __getstate__(self) -> dict[str, Any]:
        return self._entries

    def __setstate__(self, state: dict[str, Any]) -> None:
        object.__setattr__(self, "_entries", state)

    def __iter__(self) -> Iterator[str]:
        return iter(self._entries)

    def __len__(self) -> int:
        return len(self._entries)

    def __repr__(self) -> str:
        return "Evidence(" + ", ".join(f"{key}={value!r}" for key, value in self._entries.items()) + ")"


def quantity(description: str, unit: str = "1", *, finite: bool = False, before: Any = dataclasses.MISSING) -> Any:
    """Declare a field of a result with the description and unit that its file will carry.

    A shape in the description, such as "(N, dim)", is a rule for files that are read: the same letter must be the same
    length in all fields (see `bdg.base.result_fields`); ``finite`` is one, too. ``before`` is what files have that were
    written before there was the field.
    """
    metadata = {"description": description, "unit": unit, "finite": finite}
    if before is dataclasses.MISSING:
        return dataclasses.field(metadata=metadata)
    return dataclasses.field(metadata=metadata, default_factory=lambda: before)


@dataclass(frozen=True, eq=False, kw_only=True)
class Result(Tabular):
    """Base of all results: a frozen dataclass with ``evidence``, ``save``, ``plot``, ``to_csv``, ``to_dataframe``.

    Attributes
    ----------
    evidence : Evidence
    units : UnitNames
        The names of the units that the system had.
    """

    evidence: Evidence
    units: UnitNames = UnitNames()

    _rows: ClassVar[str | None] = None  # the field of a table's rows; None: the first array
    _kinds: ClassVar[dict[str, Any]] = {}  # classes with `from_content`, by the names that files have

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        Result._kinds[cls.__name__] = cls
        if "__repr__" not in cls.__dict__:
            cls.__repr__ = Result.__repr__  # type: ignore[method-assign]  # before `dataclass` makes one of all arrays

    def __repr__(self) -> str:
        return as_text(*about_result(self))

    def _repr_html_(self) -> str:
        return as_html(*about_result(self))

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write the result to an HDF5 file; `bdg.load` reads it back.

        Parameters
        ----------
        path : path
            What is there is replaced once all has been written.

        Raises
        ------
        OSError
            If the file cannot be written.
        """
        content = {item.name: _storable(getattr(self, item.name)) for item in dataclasses.fields(self)}
        described = {item.name: self._described(item) for item in dataclasses.fields(self)}
        for item in dataclasses.fields(self):
            value = getattr(self, item.name)
            if dataclasses.is_dataclass(value) and not isinstance(value, System):
                described |= {f"{item.name}/{part.name}": self._described(part) for part in dataclasses.fields(value)}
        if self.units == UnitNames():
            del content["units"]  # a file without names is that of before there were any
        write_file(path, type(self).__name__, content, described)

    def _described(self, item: dataclasses.Field[Any]) -> tuple[str, str]:
        """Return unit and description of a field, as its file carries them."""
        return self.units.put_into(item.metadata.get("unit", "")), item.metadata.get("description", item.name)

    def quantities(self) -> Iterator[Quantity]:
        """Give what a table of the result may hold."""
        return quantities_of(self, self.units)

    def columns(self, of: str | None) -> dict[str, np.ndarray]:
        """Return the columns (R,) of the table whose rows are the values of a field, of the main one for None."""
        return table_of(self.quantities(), of or self._rows)

    def to_vtk(self, path: str | os.PathLike[str]) -> Path:
        """Write the sites, with all that the result holds on each of them, to a file for 3-D viewers; return its path.

        Fields are called as the columns of `to_csv`; of complex ones there are modulus ``.._abs`` and ``.._phase_rad``.
        Currents on bonds are fields of lines between the sites.

        Parameters
        ----------
        path : path
            Its ending is made ``.vti`` for sites that fill a rectangular grid, ``.vtu`` for all others and for bonds.

        Returns
        -------
        Path

        Raises
        ------
        ImportError
            If pyevtk is not installed, the extra 'data'.
        TypeError
            If the result does not hold the positions of sites.
        OSError
            If the file cannot be written.
        """
        return write_sites(Path(path), list(self.quantities()), type(self).__name__)

    @property
    def energy_unit(self) -> str | None:
        """Name of the unit of energies; None: the unit of the hopping."""
        return self.units.energy

    @property
    def length_unit(self) -> str | None:
        """Name of the unit of lengths; None: the unit of the positions."""
        return self.units.length

    @classmethod
    def from_content(cls, content: dict[str, Any]) -> Result:
        """Return the result that a file's content describes; ValueError or TypeError where it describes none."""
        fields = checked_fields(cls, content)
        return cls(**{**fields, "evidence": Evidence(fields["evidence"])})

    def plot(self, ax: Any = None) -> Figure:
        """Return a Figure of the result.

        Parameters
        ----------
        ax : matplotlib Axes, optional
            Existing axes to draw into instead of new ones.

        Returns
        -------
        matplotlib Figure

        Raises
        ------
        TypeError
            If a result of this kind has no figure.
        """
        raise TypeError(f"{type(self).__name__} has no figure of its own")


def _storable(value: Any) -> Any:
    if isinstance(value, Evidence):
        return dict(value)
    if isinstance(value, System):
        return value.content()
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return {item.name: _storable(getattr(value, item.name)) for item in dataclasses.fields(value)}
    return value
