"""Put measured tables between the markers of a page."""

from __future__ import annotations

from pathlib import Path

BEGIN = "<!-- bdg benchmark: begin -->"
END = "<!-- bdg benchmark: end -->"
LARGE_BEGIN = "<!-- bdg benchmark, large: begin -->"
LARGE_END = "<!-- bdg benchmark, large: end -->"


def require_markers(path: Path, begin: str = BEGIN, end: str = END) -> None:
    """Raise ValueError if a page cannot take tables, before anything is measured."""
    if not path.is_file():
        raise ValueError(f"{path}: no such file; the page must exist and hold the lines {begin} and {end}")
    text = path.read_text(encoding="utf-8")
    if text.count(begin) != 1 or text.count(end) != 1 or text.index(begin) > text.index(end):
        raise ValueError(f"{path}: must hold the lines {begin} and {end} once each, in this order")


def write_between_markers(path: Path, content: str, begin: str = BEGIN, end: str = END) -> None:
    """Replace what stands between the markers of a page; the prose around them is left alone."""
    require_markers(path, begin, end)
    before, _, rest = path.read_text(encoding="utf-8").partition(begin)
    _, _, after = rest.partition(end)
    path.write_text(f"{before}{begin}\n\n{content.strip()}\n\n{end}{after}", encoding="utf-8")
