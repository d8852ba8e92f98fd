"""What a run says while it works: a bar with the time left on a terminal, plain lines elsewhere, all of it in a log."""

from __future__ import annotations

import contextlib
import logging
import sys
from pathlib import Path
from types import TracebackType
from typing import Any, TextIO

from bdg.base.progress import bar_class, is_watched

LOGGER = logging.getLogger("bdg.jobs")


class Progress:
    """Shows how far a run is, and hands what is logged to the terminal and to run.log.

    Parameters
    ----------
    total, done : int
        Points of the job, and those that were there at the start.
    workers : int
        For the estimate of the time left.
    log : Path
        Lines are appended, with date.
    stream : text stream
        Usually stderr.
    bar : bool or None
        None: a bar where ``stream`` is a terminal or a notebook.
    """

    def __init__(
        self, total: int, done: int, workers: int, log: Path, stream: TextIO | None, bar: bool | None = None
    ) -> None:
        self.total, self.done, self.workers, self.stream = total, done, max(workers, 1), stream
        self._seconds: list[float] = []
        self._bar: Any = None
        self._handlers: list[logging.Handler] = [_Log(log, self), _Console(self)]
        if stream is not None and total > done and (is_watched(stream) if bar is None else bar):
            with contextlib.suppress(OSError):
                self._bar = _new_bar(total, done, stream)
        self._handlers[0].setFormatter(logging.Formatter("%(asctime)s %(levelname)s %(message)s"))
        self._handlers[1].setLevel(logging.INFO)
        self._level = LOGGER.level

    def __enter__(self) -> Progress:
        LOGGER.setLevel(logging.DEBUG)
        for handler in self._handlers:
            LOGGER.addHandler(handler)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._bar is not None:
            with contextlib.suppress(OSError):
                self._bar.close()
            self._bar = None
        for handler in self._handlers:
            LOGGER.removeHandler(handler)
            handler.close()
        LOGGER.setLevel(self._level)

    def say(self, line: str) -> None:
        """Print a line, above the bar if there is one; a terminal or file that takes none must not cost the run."""
        with contextlib.suppress(OSError):
            if self._bar is not None:
                self._bar.write(line, file=self.stream)
            elif self.stream is not None:
                print(line, file=self.stream, flush=True)

    def advance(self, label: str, seconds: float, error: str = "") -> None:
        """Count one more point as dealt with, and say so; a bar says it by itself unless the point failed."""
        self.done += 1
        self._seconds.append(seconds)
        left = self.time_left()
        line = f"[{self.done}/{self.total}] {label}: {f'FAILED ({error})' if error else 'done'} in {words(seconds)}"
        level = logging.WARNING if error else logging.INFO if self._bar is None else logging.DEBUG
        LOGGER.log(level, "%s%s", line, f", about {words(left)} left" if left else "")
        if self._bar is not None:
            with contextlib.suppress(OSError):
                self._bar.update(1)
                self._bar.set_postfix_str(f"{words(left)} left")

    def time_left(self) -> float:
        """Return the estimated seconds until the end: the mean time of a point times those left, over the workers."""
        mean = sum(self._seconds) / len(self._seconds) if self._seconds else 0.0
        return mean * (self.total - self.done) / self.workers

    def tick(self) -> None:
        """Let the bar's clock go on."""
        if self._bar is not None:
            with contextlib.suppress(OSError):
                self._bar.refresh()


class _Log(logging.FileHandler):
    """run.log; where it cannot be written, that is said once, and the run goes on without it."""

    def __init__(self, path: Path, progress: Progress) -> None:
        super().__init__(path, encoding="utf-8")
        self._path, self._progress, self._given_up = path, progress, False

    def emit(self, record: logging.LogRecord) -> None:
        if not self._given_up:
            super().emit(record)

    def handleError(self, record: logging.LogRecord) -> None:  # noqa: N802 - the name that logging calls
        error = sys.exc_info()[1]
        if not isinstance(error, OSError):
            super().handleError(record)
            return
        self._given_up = True
        self._progress.say(f"warning: {self._path} cannot be written ({error.strerror or error}); going on without it")

    def close(self) -> None:
        with contextlib.suppress(OSError):  # what is left in its buffer
            super().close()


class _Console(logging.Handler):
    """Hands log lines to the terminal through the bar."""

    def __init__(self, progress: Progress) -> None:
        super().__init__()
        self._progress = progress

    def emit(self, record: logging.LogRecord) -> None:
        prefix = f"{record.levelname.lower()}: " if record.levelno >= logging.WARNING else ""
        self._progress.say(prefix + record.getMessage())


def _new_bar(total: int, done: int, stream: TextIO) -> Any:
    form = "{l_bar}{bar}| {n_fmt}/{total_fmt} points [{elapsed}{postfix}]"  # tqdm puts a comma before the postfix
    bar = bar_class()(total=total, initial=done, file=stream, bar_format=form, dynamic_ncols=True)
    bar.set_postfix_str("time left unknown")
    return bar


def words(seconds: float) -> str:
    """Return a time as one reads it: "0.4 s", "12 s", "3 min 20 s", "2 h 5 min"."""
    if seconds < 9.95:
        return f"{seconds:.1f} s"
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60} s"
    return f"{whole // 3600} h {whole % 3600 // 60} min"
