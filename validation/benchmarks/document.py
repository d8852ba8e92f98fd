"""Put measured tables between the markers of a page: one section a part, with the machine that it was measured on."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

BEGIN = "<!-- bdg benchmark: begin -->"
END = "<!-- bdg benchmark: end -->"
LARGE_BEGIN = "<!-- bdg benchmark, large: begin -->"
LARGE_END = "<!-- bdg benchmark, large: end -->"
MACHINE = "Machine: "  # how a description begins
_HEADING = "### "


def require_markers(path: Path, begin: str = BEGIN, end: str = END) -> None:
    """Raise ValueError if a page cannot take tables, before anything is measured."""
    if not path.is_file():
        raise ValueError(f"{path}: no such file; the page must exist and hold the lines {begin} and {end}")
    text = path.read_text(encoding="utf-8")
    if text.count(begin) != 1 or text.count(end) != 1 or text.index(begin) > text.index(end):
        raise ValueError(f"{path}: must hold the lines {begin} and {end} once each, in this order")


def text_of(machine: str, sections: Mapping[str, str]) -> str:
    """Return a description of the machine and sections by title as Markdown."""
    return "\n\n".join([machine, *(f"{_HEADING}{title}\n\n{body}" for title, body in sections.items())])


def replace_sections(
    path: Path, machine: str, measured: Mapping[str, str], titles: Sequence[str], begin: str = BEGIN, end: str = END
) -> None:
    """Replace sections between the markers of a page; others that stand there stay, and so does the prose around.

    Parameters
    ----------
    path : Path
    machine : str
        Description of what the new sections were measured on; begins with ``MACHINE``. It comes first, and holds for
        all sections but those that begin with one of their own.
    measured : dict of str to str
        New sections by title.
    titles : sequence of str
        Titles that the page may have, in their order.
    begin, end : str
        Markers.
    """
    require_markers(path, begin, end)
    before, _, rest = path.read_text(encoding="utf-8").partition(begin)
    between, _, after = rest.partition(end)
    kept = {title: _on_its_machine(body, machine) for title, body in _sections(between).items()} | dict(measured)
    content = text_of(machine, {title: kept[title] for title in titles if title in kept})
    path.write_text(f"{before}{begin}\n\n{content}\n\n{end}{after}", encoding="utf-8")


def _sections(text: str) -> dict[str, str]:
    """Return sections by title, each beginning with the description of its machine where there is one."""
    machine, *sections = f"\n{text}".split(f"\n{_HEADING}")
    found = {}
    for section in sections:
        title, _, body = section.partition("\n")
        body = body.strip()
        own = not machine.strip() or body.startswith(MACHINE)
        found[title.strip()] = body if own else f"{machine.strip()}\n\n{body}"
    return found


def _on_its_machine(body: str, machine: str) -> str:
    """Return a section without the description of its machine if that is the one given."""
    return body.removeprefix(machine).lstrip()
