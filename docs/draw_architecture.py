"""Draw the rooms of the package and their imports, as they are, into docs/architecture.svg.

    python docs/draw_architecture.py            # writes the picture
    python docs/draw_architecture.py --check    # ends with 1 if it is not that of the imports

A room stands one floor above the highest that it imports. An arrow that others imply is left out.
"""

from __future__ import annotations

import ast
import sys
from html import escape

from package_imports import ROOT, Layout, package_sources

PICTURE = ROOT / "docs" / "architecture.svg"
WHOLE = ("bdg/jobs", "validation", "bdg/condensate", "lattices")  # shown as one room with all below
WINGS = ("lattices/builders", "lattices/packing", "lattices/materials")
ABOVE = ("bdg/cli.py", "bdg/__main__.py", "bdg/__init__.py")  # the names and the command: they import all
BOX_WIDTH, BOX_HEIGHT, GAP, FLOOR = 222, 62, 22, 112
COLOURS = {"gpu": "#fde3c8", "lattices": "#d5ecd4", "bdg": "#dbe7f6", "validation": "#ececec"}


def room_of(path: str) -> str:
    """Return the room of a file: its folder, or the file itself where it stands in `bdg`."""
    folder = path.rpartition("/")[0]
    if path in ABOVE or folder == "bdg":
        return path
    return next((room for room in (*WINGS, *WHOLE) if folder == room or folder.startswith(f"{room}/")), folder)


def arrows(layout: Layout) -> dict[str, set[str]]:
    """Return which rooms each room imports, imports in functions and for annotations included."""
    below: dict[str, set[str]] = {room_of(path): set() for path in modules(layout)}
    for path, target in layout.arrows():
        if not (path.endswith("__init__.py") or target.endswith("__init__.py")):  # they only gather names
            below[room_of(path)].add(room_of(target))
    for room in ABOVE:
        below.pop(room, None)
    return {room: {r for r in rooms if r != room and r in below} for room, rooms in below.items()}


def modules(layout: Layout) -> list[str]:
    """Return the files that are shown."""
    return [path for path in layout.trees if not path.endswith("__init__.py")]


def floors(below: dict[str, set[str]]) -> dict[str, int]:
    """Return the floor of each room, 0 for those that import none."""
    found: dict[str, int] = {}

    def floor(room: str, above: tuple[str, ...]) -> int:
        if room in above:
            raise ValueError(f"rooms import each other in a circle: {' -> '.join([*above, room])}")
        if room not in found:
            found[room] = 1 + max((floor(r, (*above, room)) for r in below[room]), default=-1)
        return found[room]

    for room in below:
        floor(room, ())
    return found


def without_implied(below: dict[str, set[str]]) -> dict[str, set[str]]:
    """Return the arrows without those that lead where others lead, too."""

    def reached(room: str) -> set[str]:
        return below[room].union(*(reached(r) for r in below[room])) if below[room] else set()

    return {room: rooms - set().union(*(reached(r) for r in rooms)) for room, rooms in below.items()}


def purpose(room: str) -> str:
    """Return the first line of the room's docstring."""
    path = ROOT / room if room.endswith(".py") else ROOT / room / "__init__.py"
    text = ast.get_docstring(ast.parse(path.read_text(encoding="utf-8"))) if path.is_file() else None
    return (text or "").split("\n")[0].rstrip(".")


def wrapped(text: str, width: int, most: int) -> list[str]:
    """Return a text in lines of at most ``width`` characters."""
    lines = [""]
    for word in text.split():
        if len(lines[-1]) + len(word) + 1 > width:
            lines.append("")
        lines[-1] = f"{lines[-1]} {word}".strip()
    return lines if len(lines) <= most else [*lines[: most - 1], lines[most - 1] + " ..."]


def picture() -> str:
    """Return the SVG."""
    layout = Layout(package_sources())
    below = arrows(layout)
    level = floors(below)
    top = max(level.values())
    rows = [[room for room in sorted(below) if level[room] == n] for n in range(top + 1)]
    width = max(map(len, rows)) * (BOX_WIDTH + GAP) + GAP
    height = (top + 1) * FLOOR + GAP
    place = {}
    for n, row in enumerate(rows):
        start = 0.5 * (width - len(row) * (BOX_WIDTH + GAP) + GAP)
        for k, room in enumerate(row):
            place[room] = start + k * (BOX_WIDTH + GAP), height - (n + 1) * FLOOR + 0.5 * (FLOOR - BOX_HEIGHT)
    lines = []
    for room, rooms in sorted(without_implied(below).items()):
        x, y = place[room][0] + BOX_WIDTH / 2, place[room][1] + BOX_HEIGHT
        for other in sorted(rooms):
            u, v = place[other][0] + BOX_WIDTH / 2, place[other][1]
            lines.append(
                f'<path d="M{x:g} {y:g} C{x:g} {y + 45:g} {u:g} {v - 45:g} {u:g} {v:g}" fill="none" stroke="#8a94a3" '
                'stroke-width="1.2" marker-end="url(#head)"/>'
            )
    rooms_of_all = [room_of(path) for path in modules(layout)]
    counts = {room: rooms_of_all.count(room) for room in below}
    boxes = [box(room, *place[room], counts[room]) for room in sorted(below)]
    return "\n".join(
        [
            f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width:g} {height:g}" font-family="sans-serif">',
            '<defs><marker id="head" markerWidth="8" markerHeight="8" refX="7" refY="3.5" orient="auto">'
            '<path d="M0 0 L7 3.5 L0 7 z" fill="#8a94a3"/></marker></defs>',
            f'<rect width="{width:g}" height="{height:g}" fill="white"/>',
            *lines,
            *boxes,
            "</svg>\n",
        ]
    )


def box(room: str, x: float, y: float, count: int) -> str:
    """Return a room as a rectangle with its name, its number of modules and its purpose."""
    size = "" if room.endswith(".py") else f" ({count})"
    said = [
        f'<text x="{x + 9:g}" y="{y + 35 + 13 * k:g}" font-size="10" fill="#333">{escape(line)}</text>'
        for k, line in enumerate(wrapped(purpose(room), 38, 2))
    ]
    place = f'x="{x:g}" y="{y:g}" width="{BOX_WIDTH}" height="{BOX_HEIGHT}"'
    name = f'<text x="{x + 9:g}" y="{y + 18:g}" font-size="13" font-weight="bold">{escape(room + size)}</text>'
    return f'<rect {place} rx="5" fill="{COLOURS[room.split("/")[0]]}" stroke="#5b6675"/>{name}' + "".join(said)


def main(arguments: list[str]) -> int:
    """Write the picture, or compare it with --check."""
    text = picture()
    if arguments == ["--check"]:
        same = PICTURE.is_file() and PICTURE.read_text(encoding="utf-8") == text
        print(
            "the picture is that of the imports"
            if same
            else "docs/architecture.svg is old: run docs/draw_architecture.py"
        )
        return 0 if same else 1
    PICTURE.write_text(text, encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
