"""Alternating MgO-rich and Mg2Si-rich layers, stacked along the last axis of a box."""

from __future__ import annotations

import difflib
import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from bdg.lattices.arguments import length_in_range, positive_number

SMALLEST_FRACTION = 1e-6  # of a period; borders are told apart to 1e-9 of one


def check_keys(name: str, value: Any, required: Iterable[str]) -> dict[str, Any]:
    """Return ``value`` as a dict that has exactly the keys ``required``.

    Raises
    ------
    TypeError
        If it is no mapping.
    ValueError
        If a key is unknown (the nearest valid one is named) or missing.
    """
    keys = list(required)
    form = f"{name}=dict({', '.join(f'{key}=...' for key in keys)})"
    if not isinstance(value, Mapping):
        raise TypeError(f"{name} must be {form} or None; got {type(value).__name__}")
    for key in value:
        if key not in keys:
            near = difflib.get_close_matches(str(key), keys, n=1, cutoff=0.0)[0]
            raise ValueError(f"{name} has the unknown key {key!r}; did you mean {near!r}? It must be {form}")
    missing = [key for key in keys if key not in value]
    if missing:
        raise ValueError(f"{name} lacks the key {missing[0]!r}; it must be {form}")
    return dict(value)


def share(name: str, value: Any) -> float:
    """Return ``value`` as a float strictly between 0 and 1."""
    number = positive_number(name, value)
    if number >= 1:
        raise ValueError(f"{name} must lie between 0 and 1, both excluded; got {number:g}")
    return number


@dataclass(frozen=True)
class Layers:
    """Layers of ``thickness`` that may hold grains (MgO-rich), a share ``fraction`` of each period.

    The first one begins at coordinate 0 of the last axis; a layer of ``thickness (1 - fraction)/fraction`` without
    grains (Mg2Si-rich) follows each.
    """

    thickness: float
    fraction: float

    @classmethod
    def parse(cls, layers: Any) -> Layers | None:
        """Read the argument ``layers`` of a builder: None or a dict with exactly the fields as keys."""
        if layers is None:
            return None
        values = check_keys("layers", layers, ("thickness", "fraction"))
        found = cls(
            length_in_range("layers['thickness']", values["thickness"]),
            share("layers['fraction']", values["fraction"]),
        )
        if found.fraction < SMALLEST_FRACTION:
            raise ValueError(f"layers['fraction'] must be at least {SMALLEST_FRACTION:g}; got {found.fraction:g}")
        length_in_range("layers: the period thickness/fraction", found.period)
        return found

    @property
    def period(self) -> float:
        """Thickness of an MgO-rich and an Mg2Si-rich layer together."""
        return self.thickness / self.fraction

    def count(self, length: float, periodic: bool) -> int:
        """Return how many MgO-rich layers begin within ``length``.

        Raises
        ------
        ValueError
            If the axis is periodic and ``length`` is no whole number of periods.
        """
        periods = length / self.period
        nearest = max(1, round(periods))
        if abs(periods - nearest) <= 1e-9 * nearest:
            return nearest
        if periodic:
            raise ValueError(
                f"layers: a periodic box must hold a whole number of periods thickness/fraction = {self.period:g} "
                f"along its last axis; its length {length:g} holds {periods:.4g}. "
                f"A thickness of {self.fraction * length / nearest:.6g} fits."
            )
        return math.ceil(periods)

    def is_rich(self, coordinate: np.ndarray) -> np.ndarray:
        """Return whether each coordinate of the last axis lies in an MgO-rich layer; its lower end belongs to it."""
        periods = np.asarray(coordinate) / self.period + 1e-9  # sites may lie on a border, but for rounding
        return periods - np.floor(periods) < self.fraction

    def rich_length(self, length: float) -> float:
        """Return the total thickness of the MgO-rich layers between 0 and ``length``."""
        whole, rest = divmod(length, self.period)
        return whole * self.thickness + min(rest, self.thickness)
