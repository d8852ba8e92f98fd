"""What a run and its means can be looked at as: tables, labelled arrays, a figure."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Collection, Iterable, Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from bdg.base.tables import Tabular
from bdg.jobs.model.curves import curves_of
from bdg.jobs.model.labelled import LabelledArrays, checked_name
from bdg.jobs.model.tables import Record, table_with

if TYPE_CHECKING:
    from matplotlib.figure import Figure


class RunView(Tabular):
    """Base of what holds the points of a run, or means of them."""

    name: str

    @abstractmethod
    def records(self) -> list[Record]:
        """Return the rows of tables."""

    @abstractmethod
    def labelled(self, names: Iterable[str] | str | None = None) -> LabelledArrays:
        """Return labelled arrays of some observables, or of all."""

    def columns(self, of: str | None) -> dict[str, np.ndarray]:
        """Return the columns of the table of all numbers, or of the one that holds the array ``of``."""
        return table_with(self.records(), of)

    def to_xarray(self, names: Iterable[str] | str | None = None) -> Any:
        """Return labelled arrays: the swept keys are dimensions, the observables variables with units.

        Parameters
        ----------
        names : str or iterable of str, optional
            Observables; their errors and marks come with them. Default: all.

        Returns
        -------
        xarray.Dataset
            Cells without a point are NaN (marks are False there); the variable ``state`` says of each what it is. Of
            means over seeds, ``seeds`` and ``lacking`` count the points.

        Raises
        ------
        ImportError
            If xarray is not installed, the extra 'data'.
        ValueError
            If there is no such observable.
        """
        return self.labelled(names).to_xarray()

    def plot(
        self, y: str, x: str, hue: str | None = None, at: Mapping[str, Any] | None = None, ax: Any = None
    ) -> Figure:
        """Return a Figure of one observable with its error bars, points that are not resolved marked.

        Parameters
        ----------
        y : str
            An observable; of complex ones the modulus is drawn.
        x : str
            A swept key, or an observable of the same shape.
        hue : str, optional
            A swept key: a curve for each of its values.
        at : mapping, optional
            Values of the other swept keys, ``{"disorder_meV": 20}``; the nearest one is taken. Seeds that are named
            nowhere are averaged over.
        ax : matplotlib Axes, optional
            Existing axes to draw into instead of new ones.

        Returns
        -------
        matplotlib Figure

        Raises
        ------
        ValueError
            If a name is unknown, or points would lie above each other because a swept key is named nowhere.
        """
        from bdg.plots.curves import plot_curves

        known = self.labelled([])
        checked_name("y", y, known.observables)
        checked_name("x", x, [*known.axes, *known.observables])
        for key in at or {}:
            checked_name("at", key, known.axes)
        if hue is not None:
            checked_name("hue", hue, [key for key in known.axes if key not in (x, *(at or ()))])
        shown = self.averaged({x, hue, *(at or ())})
        for name in {y, x} & (set(known.observables) - set(shown.labelled([]).observables)):
            raise ValueError(
                f"{name} has other sites or another shape at each seed: no mean; give a seed, at={{'seed': 0}}"
            )
        arrays = shown.labelled([y] if x in known.axes else [y, x])
        curves, labels, others = curves_of(arrays, y, x, hue, at or {})
        means = f"means {arrays.attrs['means']}" if "means" in arrays.attrs else ""
        return plot_curves(curves, ax, *labels, title=", ".join(filter(None, (self.name, others, means))))

    def averaged(self, named: Collection[str | None]) -> RunView:
        """Return what is drawn where nothing is said about other keys than those ``named``."""
        return self
