"""Points of a job that belong together: by what they have in common, and by temperature."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterable
from typing import Any, TypeVar

from bdg.jobs.model.results import JobResults, PointResult

Key = TypeVar("Key", bound=Hashable)


def temperature_of(point: PointResult) -> float:
    """Return the temperature of a point in kelvin."""
    return point.parameters["compute"]["temperature_K"]


def seed_of(point: PointResult) -> int:
    """Return the seed of a point."""
    return point.parameters["system"]["seed"]


def grouped(points: Iterable[PointResult], key: Callable[[PointResult], Key]) -> dict[Key, list[PointResult]]:
    """Return points by a key; groups and their members in the order in which they come."""
    groups: dict[Key, list[PointResult]] = {}
    for point in points:
        groups.setdefault(key(point), []).append(point)
    return groups


def in_order(points: Iterable[PointResult]) -> list[PointResult]:
    """Return points by temperature, those of one temperature by seed."""
    return sorted(points, key=lambda point: (temperature_of(point), seed_of(point)))


def by_temperature(points: Iterable[PointResult]) -> dict[float, list[PointResult]]:
    """Return points by temperature, ascending, those of one temperature by seed."""
    return grouped(in_order(points), temperature_of)


def groups_of(results: JobResults, inside: tuple[str, ...] = ("temperature_K", "seed")) -> dict[str, list[PointResult]]:
    """Return points by what they have in common besides the keys ``inside``: "transparency = 0.2", "" if nothing."""
    flat = [_flat(point) for point in results]
    names = [name for name in (flat[0] if flat else {}) if name not in inside]
    swept = [name for name in names if any(keys[name] != flat[0][name] for keys in flat)]
    groups = grouped(results, lambda point: ", ".join(f"{name} = {_flat(point)[name]}" for name in swept))
    return {title: sorted(points, key=lambda p: (seed_of(p), temperature_of(p))) for title, points in groups.items()}


def by_system(
    results: JobResults,
    order: Callable[[PointResult], Any],
    *,
    apart_from: str = "",
    also: Callable[[PointResult], str] | None = None,
) -> dict[str, list[PointResult]]:
    """Return points by their [system] apart from the seed: "disorder_meV = 5", "" if it is the same for all.

    Parameters
    ----------
    results : JobResults
    order : callable
        What the points of a group are sorted by.
    apart_from : str
        One more [system] key that makes no group.
    also : callable, optional
        A further part of the title of a point.
    """
    systems = [point.parameters["system"] for point in results]
    names = [name for name in (systems[0] if systems else {}) if name not in ("seed", apart_from)]
    swept = sorted(name for name in names if len({repr(system[name]) for system in systems}) > 1)

    def title_of(point: PointResult) -> str:
        parts = [f"{name} = {point.parameters['system'][name]:g}" for name in swept]
        return ", ".join(filter(None, [*parts, also(point) if also else ""]))

    return {title: sorted(points, key=order) for title, points in grouped(results, title_of).items()}


def _flat(point: PointResult) -> dict[str, Any]:
    """Return the keys of all sections of a point."""
    return {name: value for keys in point.parameters.values() for name, value in keys.items()}
