"""Names of the units in which a system is given: words for figures, tables and files. Nothing is converted."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

LONGEST_NAME = 20  # characters: more leave no room for the axis of a figure
_WORDS = re.compile(r"\b(?:(hopping|energy)|length(?: of the system)?)\b")  # in units of quantities


@dataclass(frozen=True)
class UnitNames:
    """Names of the units of energy and length; None: the unit of the hopping, of the positions.

    Attributes
    ----------
    energy, length : str or None

    Raises
    ------
    TypeError, ValueError
        If a name is no short printable text.
    """

    energy: str | None = None
    length: str | None = None

    def __post_init__(self) -> None:
        _check("energy_unit", self.energy)
        _check("length_unit", self.length)

    @classmethod
    def common(cls, each: Iterable[UnitNames]) -> UnitNames:
        """Return the names that all agree on, None where some have none; ValueError where two differ."""
        every = list(each)
        return cls(
            _common("energy_unit", [names.energy for names in every]),
            _common("length_unit", [names.length for names in every]),
        )

    def put_into(self, unit: str) -> str:
        """Return the unit of a quantity with these names for its words of energy ("hopping") and length.

        "e hopping/hbar" becomes "e meV/hbar"; a name with signs of its own is put in brackets there.
        """

        def named(word: re.Match[str]) -> str:
            name = self.energy if word[1] else self.length
            if name is None:
                return word[0]
            return name if name.isalnum() or word[0] == unit else f"({name})"

        return _WORDS.sub(named, unit)


def _check(argument: str, name: Any) -> None:
    """Refuse what is no name of a unit."""
    rule = f"{argument} must be the name of a unit, 1 to {LONGEST_NAME} printable characters but $ and \\, or None"
    if name is None:
        return
    if not isinstance(name, str):
        raise TypeError(f'{rule}; got {name!r:.80} ({type(name).__name__}). Give a text such as "meV" or "nm"')
    formula = "$" in name or "\\" in name  # figures would set it
    if not 1 <= len(name) <= LONGEST_NAME or not name.isprintable() or name != name.strip() or formula:
        raise ValueError(f'{rule}, without blanks at its ends; got {name!r:.80}. Give a text such as "meV" or "nm"')


def _common(argument: str, names: list[str | None]) -> str | None:
    different = sorted({name for name in names if name is not None})
    if len(different) > 1:
        raise ValueError(
            f"{argument} must be the same for all systems, since nothing is converted; got {', '.join(different)}. "
            "Build all of them in one unit"
        )
    return different[0] if different and None not in names else None
