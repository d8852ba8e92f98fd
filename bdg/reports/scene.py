"""Sites of a point in space, with what is known on each of them: for the view of a report that can be turned."""

from __future__ import annotations

import base64
from dataclasses import dataclass
from typing import Any

import numpy as np

from bdg.jobs.model.results import PointResult

POSITIONS, GRAIN = "positions_nm", "site_grain"
MOST_SITES = 20_000  # of a view: beyond, every n-th is shown
MOST_BYTES = 2_000_000  # of all views together, before they become text


@dataclass(frozen=True, eq=False)
class Scene:
    """The sites of one point.

    Attributes
    ----------
    label : str
    positions : array (n, 3), float32
        In nm.
    grain : array (n,), int16
        -1 in the host.
    fields : dict of array (n,), float32
        By name: modulus and phase of complex ones.
    units : dict of str
    shown : str
        How many of how many sites.
    """

    label: str
    positions: np.ndarray
    grain: np.ndarray
    fields: dict[str, np.ndarray]
    units: dict[str, str]
    shown: str


def packed(array: np.ndarray) -> dict[str, str]:
    """Return a typed array as plotly reads it."""
    kinds = {"float32": "f4", "int16": "i2"}
    little = np.ascontiguousarray(array, dtype=array.dtype.newbyteorder("<"))
    return {"dtype": kinds[array.dtype.name], "bdata": base64.b64encode(little.tobytes()).decode("ascii")}


def plain_scenes(points: tuple[PointResult, ...]) -> dict[str, Any]:
    """Return the scenes of as many points as the page has room for, the first ones first, as the page reads them.

    Points of one packing share their sites.
    """
    sites: dict[bytes, int] = {}
    found: dict[str, Any] = {"sites": [], "scenes": []}
    room = MOST_BYTES
    for scene in filter(None, map(scene_of, points)):
        key = scene.positions.tobytes() + scene.grain.tobytes()
        room -= sum(values.nbytes for values in scene.fields.values()) + (len(key) if key not in sites else 0)
        if room < 0:
            break
        if key not in sites:
            sites[key] = len(sites)
            axes = [packed(scene.positions[:, axis]) for axis in range(3)]
            found["sites"].append({"positions": axes, "grain": packed(scene.grain), "shown": scene.shown})
        fields = [{"name": n, "unit": scene.units[n], "values": packed(v)} for n, v in scene.fields.items()]
        found["scenes"].append({"label": scene.label, "sites": sites[key], "fields": fields})
    return found


def scene_of(point: PointResult) -> Scene | None:
    """Return the sites of a point; None where their positions are not stored."""
    positions = point.observables.get(POSITIONS)
    if positions is None or positions.ndim != 2 or not len(positions):
        return None
    total = len(positions)
    chosen = np.arange(total)[:: -(-total // MOST_SITES)]
    space = np.zeros((chosen.size, 3), dtype=np.float32)
    space[:, : positions.shape[1]] = positions[chosen]
    grain = point.observables.get(GRAIN, np.full(total, -1))[chosen].astype(np.int16)
    fields, units = {}, {}
    for name, values in point.observables.items():
        if values.shape == (total,) and name != GRAIN:
            for told, unit, part in _parts(name, point.units.get(name, ""), values[chosen]):
                fields[told], units[told] = part.astype(np.float32), unit
    shown = f"{total} sites" if chosen.size == total else f"{chosen.size} of {total} sites"
    return Scene(point.label, space, grain, fields, units, shown)


def _parts(name: str, unit: str, values: np.ndarray) -> list[tuple[str, str, np.ndarray]]:
    """Return what is shown of values on sites."""
    if values.dtype.kind != "c":
        return [(name, unit, values)]
    return [(f"|{name}|", unit, abs(values)), (f"phase of {name}", "rad", np.angle(values))]
