"""The bar on stderr of a function that takes long, where its caller asks for one."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Iterator
from typing import Any

from bdg.gpu.device.threads import require_progress


def progress_bar(
    shown: bool | None,
    what: str,
    unit: str,
    points: Iterable[Any] | None = None,
    *,
    total: int | None = None,
    leave: bool = True,
) -> Any:
    """Return a bar to count with, in a ``with`` block or by iterating over ``points``.

    ``update(n)`` counts n more, ``set_postfix_str(text)`` says something beside the bar; both do nothing where none is
    shown.

    Parameters
    ----------
    shown : bool or None
        None: where stderr is a terminal.
    what, unit : str
        What is computed, and what is counted, in the singular.
    points : iterable, optional
        What is gone through, each of them counted as it is done.
    total : int, optional
        How many are expected, for the time left; that of ``points`` if it has a length.
    leave : bool
        Whether the bar stays when all is done.
    """
    require_progress(shown)
    watched = is_watched(sys.stderr) if shown is None else shown
    if not watched:  # tqdm would start a thread for a bar that is not there
        return _NoBar(points)
    return bar_class()(points, desc=what, unit=unit, total=total, leave=leave)


def is_watched(stream: Any) -> bool:
    """Return whether somebody looks at a stream: a terminal, or the output of a notebook."""
    return bool(stream.isatty()) or type(stream).__module__.startswith("ipykernel.")


def bar_class() -> Any:
    """Return tqdm's bar for the place at hand: widgets in a notebook that has them, else text."""
    import warnings

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # tqdm says that there are no widgets
        from tqdm.auto import tqdm
    return tqdm


class _NoBar:
    """Stands in for a bar."""

    def __init__(self, points: Iterable[Any] | None) -> None:
        self._points = () if points is None else points

    def __iter__(self) -> Iterator[Any]:
        return iter(self._points)

    def __enter__(self) -> _NoBar:
        return self

    def __exit__(self, *error: object) -> None:
        """Nothing to close."""

    def update(self, done: int = 1) -> None:
        """Count nothing."""

    def close(self) -> None:
        """Nothing to close."""

    def set_postfix_str(self, text: str) -> None:
        """Say nothing."""
