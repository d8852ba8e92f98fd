"""Put measured tables between the markers of a page."""

from __future__ import annotations

from pathlib import Path

BEGIN = "<!-- bdg benchmark: begin -->"
END = "<!-- bdg benchmark: end -->"


def require_markers(path: Path) -> None:
    """Raise ValueError if a page cannot take tables, before anything is measured."""
    if not path.is_file():
        raise ValueError(f"{path}: no such file; the page must exist and hold the lines {BEGIN} and {END}")
    text = path.read_text(encoding="utf-8")
    if text.count(BEGIN) != 1 or text.count(END) != 1 or text.index(BEGIN) > text.index(END):
        raise ValueError(f"{path}: must hold the lines {BEGIN} and {END} once each, in this order")


def write_between_markers(path: Path, content: str) -> None:
    """Replace what stands between the markers of a page; the prose around them is left alone."""
    require_markers(path)
    before, _, rest = path.read_text(encoding="utf-8").partition(BEGIN)
    _, _, after = rest.partition(END)
    path.write_text(f"{before}{BEGIN}\n\n{content.strip()}\n\n{END}{after}", encoding="utf-8")
