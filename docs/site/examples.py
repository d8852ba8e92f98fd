"""Which example shows a public name: its own, or that of the function that returns it."""

from __future__ import annotations

import doctest
import inspect
import re
from collections.abc import Iterator
from types import ModuleType
from typing import Any


def own_example(value: Any) -> str:
    """Return the section Examples of a docstring, or nothing."""
    text = inspect.cleandoc(value.__doc__ or "")  # not `inspect.getdoc`, which takes that of a parent
    return text.partition("Examples\n--------\n")[2]


def shown_by(room: ModuleType, name: str) -> list[str]:
    """Return the public names whose examples show ``name``: itself, or what returns a result of that kind."""
    value = getattr(room, name)
    if own_example(value):
        return [name]
    return [maker for maker, returned in makers(room) if re.search(rf"\b{name}\b", returned)]


def makers(room: ModuleType) -> Iterator[tuple[str, str]]:
    """Yield the public names that have an example, with what they or their methods say that they return."""
    for name in room.__all__:
        value = getattr(room, name)
        if inspect.ismodule(value) or not own_example(value):
            continue
        called = [value] if inspect.isroutine(value) else [v for v in vars(value).values() if inspect.isroutine(v)]
        for function in called:
            yield name, str(getattr(function, "__annotations__", {}).get("return", ""))


def blocks(text: str) -> list[doctest.Example]:
    """Return the lines of an example, each with the output that it is said to give."""
    return doctest.DocTestParser().get_examples(text)
