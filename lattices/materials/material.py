"""Material parameters with unit, range, source and a mark whether they were checked, from ``materials.toml``."""

from __future__ import annotations

import difflib
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from importlib import resources
from types import MappingProxyType
from typing import Any


@dataclass(frozen=True, slots=True)
class Parameter:
    """One parameter of a material.

    Attributes
    ----------
    value : float, or tuple of float
        The number to take if nothing else is said; a tuple is a table over ``temperature_K``.
    unit : str
        "1" for pure numbers.
    range : tuple (lowest, highest)
        Of plausible values; for a table two factors that multiply all of its entries.
    source : str
        Where the value comes from, or "free parameter" and why.
    verified : bool
        True if the value was seen in a source, False if it is quoted from memory of a handbook or is free.
    temperature_K : tuple of float or None
        Temperatures of a table.
    """

    value: float | tuple[float, ...]
    unit: str
    range: tuple[float, float]
    source: str
    verified: bool
    temperature_K: tuple[float, ...] | None = None  # noqa: N815 - the unit


def material(name: str) -> Mapping[str, Parameter]:
    """Return the parameters of a material by name, such as ``material("Mg2Si")["effective_mass"].value``.

    Parameters
    ----------
    name : str
        "MgO", "Mg2Si", "MgB2", "Mg", or "interface", "layers", "sample" for the composite that they make.

    Returns
    -------
    mapping from str to `Parameter`, read-only

    Raises
    ------
    TypeError
        If the name is not a string.
    ValueError
        If there is no such material; the message names the nearest one.

    Examples
    --------
    >>> from bdg.lattices import material
    >>> gap = material("MgB2")["gap_pi"]
    >>> print(gap.value, gap.unit, gap.range)
    2.7 meV (2.6, 2.8)
    """
    known = _load()
    if not isinstance(name, str):
        raise TypeError(f"name must be the name of a material, such as 'MgB2'; got {name!r:.80}")
    if name not in known:
        folded = {candidate.casefold(): candidate for candidate in known}
        near = difflib.get_close_matches(name.casefold(), folded, n=1, cutoff=0.0)
        raise ValueError(f"no material {name!r}: did you mean {folded[near[0]]!r}? There are {', '.join(known)}.")
    return known[name]


@cache
def _load() -> Mapping[str, Mapping[str, Parameter]]:
    # Read through importlib: the file may lie in a wheel.
    text = resources.files("bdg.lattices.materials").joinpath("materials.toml").read_text(encoding="utf-8")
    content: dict[str, dict[str, dict[str, Any]]] = tomllib.loads(text)
    return MappingProxyType(
        {
            name: MappingProxyType({key: _parameter(f"{name}.{key}", entry) for key, entry in parameters.items()})
            for name, parameters in content.items()
        }
    )


def _parameter(where: str, entry: Mapping[str, Any]) -> Parameter:
    fields: dict[str, Any] = {key: tuple(item) if isinstance(item, list) else item for key, item in entry.items()}
    try:
        return Parameter(**fields)
    except TypeError as error:
        raise ValueError(f"materials.toml: [{where}] misses a key or has an unknown one: {error}") from error
