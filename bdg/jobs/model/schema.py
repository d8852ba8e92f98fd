"""What a job file may hold: one `Key` a line, checked before any work is done.

Units stand in the names of the keys (``temperature_K``), so a wrong unit is a wrong key, and its correction can be
named.
"""

from __future__ import annotations

import difflib
import math
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

LARGEST_INTEGER = 2**63 - 1  # that HDF5 and NumPy hold
LARGEST = 1e40  # of any quantity in any of our units; powers and products of a few stay finite
REQUIRED: Any = object()  # the default of a key that must be given

# Endings that are units: what remains of a name without them is what the user meant.
_UNITS = """K mK meV eV ueV J nm um mm m A mA A_m2 angstrom m3 cm3 nm3 cm2_Vs pi rad deg degrees percent T mT uT
    Oe s ps fs Hz uohm_cm ohm_cm ohm S""".split()
_UNIT = re.compile(rf"_({'|'.join(sorted(_UNITS, key=len, reverse=True))})$", re.IGNORECASE)


@dataclass(frozen=True)
class Key:
    """One key of a job file.

    Parameters
    ----------
    name : str
        With its unit, for instance "temperature_K".
    type : {"float", "int", "str", "bool", "vector", "names", "any"}
        A vector is a list of numbers whose length is one of ``lengths``; if 1 is among them, a number will do. "names"
        is a list of ``choices``, or one of them. "any" is a number, a text, true or false, or lists of them.
    doc : str
        One line.
    default : optional
        Without it the key must be given. None: may be left out, and is None then.
    above, least, below, most : float, optional
        Bounds x > above, x >= least, x < below, x <= most; for vectors, of each component.
    choices : tuple of str, optional
        For texts.
    lengths : tuple of int
        For vectors.
    effort : {"", "default", "none"}
        Of a key that decides how long a point is tried, not what it yields: the digest of a point holds its default
        ("default": jobs were written before that was known), or nothing of it ("none").
    """

    name: str
    type: Literal["float", "int", "str", "bool", "vector", "names", "any"]
    doc: str
    default: Any = REQUIRED
    above: float | None = None
    least: float | None = None
    below: float | None = None
    most: float | None = None
    choices: tuple[str, ...] = ()
    lengths: tuple[int, ...] = ()
    effort: Literal["", "default", "none"] = ""

    @property
    def is_list(self) -> bool:
        """Whether a single value is a list already, so that a list of lists is a sweep."""
        return self.type in ("vector", "names")

    @property
    def unit(self) -> str:
        """The unit at the end of the name, or ""."""
        return unit_of(self.name)

    def clean(self, value: Any) -> Any:
        """Return ``value`` in the one form that is stored and hashed (4 and 4.0 are the same float).

        Raises
        ------
        ValueError
            With the rule that ``value`` breaks.
        """
        if self.type == "bool":
            return self._expect(value, isinstance(value, bool), "true or false")
        if self.type == "str":
            return self._text(value)
        if self.type == "names":
            names = [self._text(item) for item in (value if isinstance(value, list) else [value])]
            if not names:
                raise ValueError(f"must name at least one of {', '.join(self.choices)}; got an empty list")
            if twice := next((name for name in names if names.count(name) > 1), None):
                raise ValueError(f"{twice} is named twice; once is enough")
            return names
        if self.type == "vector":
            return self._vector(value)
        if self.type == "any":
            return self._anything(value)
        return self._number(value)

    def _text(self, value: Any) -> str:
        self._expect(value, isinstance(value, str), "a text")
        if self.choices and value not in self.choices:
            hint = did_you_mean(value, self.choices)
            raise ValueError(f"must be one of {', '.join(self.choices)}; got {value!r:.60}{hint}")
        return value

    def _anything(self, value: Any) -> Any:
        if isinstance(value, list):
            return [self._anything(item) for item in value]
        if isinstance(value, bool | str):
            return value
        self._expect(value, _is_number(value), "a number, a text, true, false, or lists of them")
        whole = Key(self.name, "int" if isinstance(value, int) else "float", self.doc)
        return whole._number(value)

    def _vector(self, value: Any) -> list[float]:
        allowed = " or ".join(str(n) for n in self.lengths)
        if _is_number(value) and 1 in self.lengths:
            return [self._number(value)]
        self._expect(value, isinstance(value, list), f"a list of {allowed} numbers")
        if len(value) not in self.lengths:
            raise ValueError(f"must have {allowed} numbers; got {len(value)}")
        return [self._number(item) for item in value]

    def _number(self, value: Any) -> float | int:
        what = "a whole number" if self.type == "int" else "a number"
        if self.unit:
            what += f" in {self.unit} (the unit stands in the key)"
        self._expect(value, _is_number(value), what)
        if not isinstance(value, int) and not math.isfinite(value):
            raise ValueError(f"must be finite; got {value}")
        if (self.type == "int" or isinstance(value, int)) and abs(value) > LARGEST_INTEGER:
            raise ValueError(f"must be at most {LARGEST_INTEGER:.1e}; got {in_words(value)}")
        if self.type == "int" and value != int(value):
            raise ValueError(f"must be {what}; got {value}")
        if abs(value) > LARGEST:
            raise ValueError(f"must be at most {LARGEST:g}, whatever its sign; got {value}")
        for rule, bound, kept in (
            (">", self.above, self.above is None or value > self.above),
            (">=", self.least, self.least is None or value >= self.least),
            ("<", self.below, self.below is None or value < self.below),
            ("<=", self.most, self.most is None or value <= self.most),
        ):
            if not kept:
                raise ValueError(f"must be {rule} {bound:g}; got {value}{self._other_unit(value)}")
        return int(value) if self.type == "int" else float(value) + 0.0  # + 0.0 turns -0.0 into 0.0

    def _other_unit(self, value: float) -> str:
        """Return what a number out of bounds may have been meant as, with what to give instead; "" if nothing comes."""
        if self.unit == "pi":
            return f". Are these degrees? {value:g} degrees are {value / 180:.4g} pi"
        if self.name.endswith("fraction") and 1 <= value <= 100:
            return f". Is it in percent? {value:g} % is {value / 100:g}"
        return ""

    @staticmethod
    def _expect(value: Any, good: bool, what: str) -> Any:
        if not good:
            raise ValueError(f"must be {what}; got {in_words(value)}")
        return value


Schema = Mapping[str, Sequence[Key]]
"""The keys of a kind of job by section."""


def unknown_key(name: str, section: str, schema: Schema) -> tuple[str, Key | None]:
    """Return the rule that an unknown key breaks, with the nearest valid key in the text, and that key."""
    keys = {key.name: key for key in schema[section]}
    # first what differs by unit or case only, here and then in other sections; then what is spelt alike
    for find in (same_name, similar_name):
        if nearest := find(name, keys):
            wrong_unit = _UNIT.search(name) and _stem(nearest) == _stem(name) and nearest.lower() != name.lower()
            return f"{'wrong unit' if wrong_unit else 'unknown key'}; did you mean {nearest}?", keys[nearest]
        for other, others in schema.items():
            if nearest := find(name, [key.name for key in others]):
                return f"unknown key in this section; did you mean {nearest} in [{other}]?", None
    return f"unknown key; [{section}] knows {', '.join(keys) or 'no keys'}", None


def nearest_name(name: str, names: Iterable[str]) -> str | None:
    """Return the valid name that ``name`` most likely stands for, or None."""
    names = list(names)
    return same_name(name, names) or similar_name(name, names)


def same_name(name: str, names: Iterable[str]) -> str | None:
    """Return the valid name that is ``name`` up to case, or up to case and unit."""
    names = list(names)
    for same in (str.lower, _stem):
        for valid in names:
            if same(valid) == same(name):
                return valid
    return None


def similar_name(name: str, names: Iterable[str]) -> str | None:
    """Return the valid name that is spelt most like ``name``, units aside."""
    stems = {_stem(valid): valid for valid in names}
    close = difflib.get_close_matches(_stem(name), stems, n=1)
    return stems[close[0]] if close else None


def did_you_mean(name: str, names: Iterable[str]) -> str:
    """Return "; did you mean X?" or ""."""
    nearest = nearest_name(name, names)
    return f"; did you mean {nearest}?" if nearest else ""


def unit_of(name: str) -> str:
    """Return the unit at the end of the name of a key, or ""."""
    match = _UNIT.search(name)
    return match.group(1) if match else ""


def _stem(name: str) -> str:
    return _UNIT.sub("", name).lower()


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def in_words(value: Any) -> str:
    """Return a value of a job file as an error shows it: short, whatever it is."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, str):
        return f"the text {value!r:.60}"
    if isinstance(value, dict):
        return f"the table {{{', '.join(value)}}}"
    if isinstance(value, int) and abs(value) > LARGEST_INTEGER:
        bits = abs(value).bit_length()  # Python refuses to write very long ones
        return f"a number of {len(str(abs(value))) if bits < 10_000 else round(bits * math.log10(2))} digits"
    try:
        return f"{value!r:.60}" if isinstance(value, int | float | list) else f"a {type(value).__name__}"
    except (ValueError, RecursionError):  # a list of such numbers, or of lists of lists
        return f"a list of {len(value)}"
