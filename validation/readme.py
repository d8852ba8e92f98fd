"""Put the table of checks between two marks of a Markdown file.

    python -m bdg.validation.readme README.md

The table is computed anew; the marks are ``<!-- checks -->`` and ``<!-- end of checks -->``, each on a line of its own.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path

from bdg.validation.report import checks, rows_of, table_markdown

BEGIN, END = "<!-- checks -->", "<!-- end of checks -->"


def insert(text: str, table: str) -> str:
    """Return ``text`` with the table between the marks.

    Raises
    ------
    ValueError
        If a mark is missing, or the end stands before the beginning.
    """
    before, begin, rest = text.partition(BEGIN)
    _, end, after = rest.partition(END)
    if not (begin and end):
        raise ValueError(f"the file must hold the line {BEGIN!r} and, below it, the line {END!r}")
    return f"{before}{BEGIN}\n{table}{END}{after}"


def main(arguments: Sequence[str] | None = None) -> int:
    """Compute all rows and write the table into the file."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("file", type=Path, help="Markdown file with both marks")
    path = parser.parse_args(arguments).file
    text = path.read_text(encoding="utf-8")
    insert(text, "")  # refuse a file without marks before computing
    rows = [row for check in checks().values() for row in rows_of(check)]
    path.write_text(insert(text, table_markdown(rows)), encoding="utf-8")
    return 1 if any(row.failed for row in rows) else 0


if __name__ == "__main__":
    raise SystemExit(main())
