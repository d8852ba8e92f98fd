"""Which observables of a point stand on sites or grains that it stores, and which only say which sites these are."""

from __future__ import annotations

import re
from collections.abc import Sequence

import numpy as np

from bdg.base.result_fields import declared_shapes
from bdg.jobs.model.tables import Record

_POSITIONS = re.compile(r"(.*?)_?(positions|centres)(_\w+)?")
_SITES = re.compile(r"(.*?)_?sites")  # their numbers
_AXIS = re.compile(r"(.*)_axis")  # of a plane or a row of sites
_LABELS = re.compile(r"(?:.*_)?(?:grains?|orders)")  # numbers of grains, of terms
_OF_GRAINS = ("diameters_nm", "centre_distances_nm", "surface_gaps_nm")


def positions_in(record: Record) -> dict[str, str]:
    """Return the observables that are positions (n, 2 or 3), each with how names of what belongs to it begin.

    "" for all sites, "slice", "row"; "centres" for those of grains.
    """
    found = {}
    for name, values in record.values.items():
        matched = _POSITIONS.fullmatch(name)
        if matched and values.ndim == 2 and values.shape[1] in (2, 3) and len(values):
            found[name] = "centres" if matched[2] == "centres" else matched[1]
    return found


def site_axis(record: Record, positions: str, prefix: str, name: str) -> int | None:
    """Return which axis of an observable has the sites of ``positions``, None if none has.

    It is the one for which its description declares the letter of the positions, if it is of that length; without
    letters the first, if its name begins like theirs, or is one of the grains'.
    """
    values, count = record.values[name], len(record.values[positions])
    letter = next((parts[0] for parts in declared_shapes(record.descriptions.get(positions, ""))), "")
    declared = next(
        (parts for parts in declared_shapes(record.descriptions.get(name, "")) if len(parts) == values.ndim), []
    )
    if declared and letter:
        axis = declared.index(letter) if letter in declared else None
    else:
        beside = name in _OF_GRAINS if prefix == "centres" else name.startswith(prefix)
        axis = 0 if beside and values.ndim else None
    return None if axis is None or values.shape[axis] != count or name == positions else axis


def of_other_sites(records: Sequence[Record]) -> set[str]:
    """Return the observables of some points that do not mean the same at all of them, so that they have no mean.

    Positions, numbers of sites and grains, and axes of planes that differ between the points; and all that stands on
    such sites: the amplitudes on a plane through the grains, where every sample has another plane.
    """
    first = records[0]
    found = {name for name in first.values if _says_which(first, name) and not _equal(records, name)}
    for positions, prefix in positions_in(first).items():
        if positions in found:
            found |= {name for name in first.values if site_axis(first, positions, prefix, name) is not None}
    begins = {f"{prefix}_" for name in found if (prefix := _prefix(name))}
    return found | {name for name in first.values if name.startswith(tuple(begins))}


def _says_which(record: Record, name: str) -> bool:
    """Return whether an observable names or places something of its own point."""
    whole, many = record.values[name].dtype.kind in "iu", record.values[name].ndim > 0
    numbers = _AXIS.fullmatch(name) or (many and (_SITES.fullmatch(name) or _LABELS.fullmatch(name)))
    return bool(_POSITIONS.fullmatch(name) or (whole and numbers))


def _prefix(name: str) -> str:
    """Return how names of what belongs to sites begin that ``name`` places: "slice", "row", "sample", else ""."""
    return next((matched[1] for form in (_AXIS, _SITES, _POSITIONS) if (matched := form.fullmatch(name))), "")


def _equal(records: Sequence[Record], name: str) -> bool:
    first = records[0].values[name]
    return all(name in record.values and np.array_equal(first, record.values[name]) for record in records[1:])
