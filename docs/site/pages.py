"""Makes the sources of the site: pages of docs/ as they are, and one page for each room of public names."""

from __future__ import annotations

import importlib
import inspect
import re
import shutil
import sys
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parent))
from examples import own_example, shown_by

SITE = Path(__file__).resolve().parent
DOCS = SITE.parent
ROOT = DOCS.parent
PAGES = {
    "theory": "Theory and conventions",
    "jobs": "Jobs",
    "cluster": "More workers",
    "reliability": "What a run survives",
    "experiments": "Experiments",
    "loops": "Closed loops",
    "performance": "Performance",
    "architecture": "Architecture",
    "extending": "Extending",
}
ROOMS = {
    "bdg": "Functions and results",
    "bdg.lattices": "Lattices and systems",
    "bdg.granular": "Granular superconductors",
    "bdg.electrodynamics": "Electrodynamics",
    "bdg.instruments": "Instruments",
}
_ELSEWHERE = re.compile(r"\[([^\]]+)\]\(\.\./[^)]+\)")  # links to files that are no pages of the site


def write_sources(app: Any) -> None:
    """Write what Sphinx reads into the folder of the site."""
    for name in PAGES:
        text = (DOCS / f"{name}.md").read_text(encoding="utf-8")
        _write(SITE / f"{name}.md", _ELSEWHERE.sub(r"`\1`", text))
    shutil.copytree(DOCS / "figures", SITE / "figures", dirs_exist_ok=True)
    shutil.copy(DOCS / "architecture.svg", SITE)
    (SITE / "api").mkdir(exist_ok=True)
    known: dict[int, str] = {}  # what has its section already
    for room, title in ROOMS.items():
        _write(SITE / "api" / f"{room}.rst", room_page(room, title, known))


def _write(path: Path, text: str) -> None:
    """Write a file if it is not there like this: Sphinx reads again what is newer."""
    if not path.exists() or path.read_text(encoding="utf-8") != text:
        path.write_text(text, encoding="utf-8")


def room_page(room: str, title: str, known: dict[int, str]) -> str:
    """Return the page of a room: its functions, then its classes, each with its docstring or where that stands."""
    module = importlib.import_module(room)
    names = [(name, getattr(module, name)) for name in sorted(module.__all__, key=str.lower)]
    elsewhere = [f"`{known[id(value)]}`" for _, value in names if id(value) in known]
    names = [(name, value) for name, value in names if id(value) not in known]
    known.update({id(value): f"{room}.{name}" for name, value in names if not inspect.ismodule(value)})
    functions = [name for name, value in names if inspect.isroutine(value)]
    classes = [name for name, value in names if inspect.isclass(value)]
    lines = [title, "=" * len(title), "", (module.__doc__ or "").strip().splitlines()[0], ""]
    if elsewhere:
        lines += [f"Also here: {', '.join(elsewhere)}.", ""]
    for what, chosen in (("Functions", functions), ("Classes", classes)):
        if chosen:
            lines += [what, "-" * len(what), ""]
        for name in chosen:
            lines += [f".. auto{'function' if what == 'Functions' else 'class'}:: {room}.{name}"]
            lines += ["   :members:", "   :inherited-members: BaseException", ""] if what == "Classes" else [""]
            lines += shown_elsewhere(module, name)
    return "\n".join(lines)


def shown_elsewhere(module: Any, name: str) -> list[str]:
    """Return what stands below a class that has no example of its own: that of a function which returns it."""
    others = [other for other in shown_by(module, name) if other != name]
    if not others:
        return []
    example = own_example(getattr(module, others[0])).splitlines()
    head = f"As `{module.__name__}.{others[0]}` returns it:"
    return ["   .. rubric:: Examples", "", f"   {head}", "", *(f"   {line}".rstrip() for line in example), ""]


def setup(app: Any) -> None:
    """Write the sources before Sphinx looks for them."""
    app.connect("config-inited", lambda app, config: write_sources(app))
