"""The command ``bdg cite``."""

from __future__ import annotations

import argparse

from bdg.base.errors import JobError
from bdg.jobs.folder.store import RunFolder
from bdg.reports.citations import bibtex


def add_cite_command(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the command to a parser."""
    cite = commands.add_parser(
        "cite",
        help="BibTeX of what a run rests on",
        description="Print BibTeX entries of the theory and the methods that a run used, and of this package.",
    )
    cite.add_argument("folder", metavar="DIR", help="run directory")
    cite.set_defaults(act=_cite)


def _cite(chosen: argparse.Namespace) -> int:
    folder = RunFolder(chosen.folder)
    folder.read_record()
    results = folder.collect()
    if not len(results):
        raise JobError(f"{chosen.folder}: no point can be read yet (bdg status tells); its methods are not known")
    print(bibtex(results), end="")
    return 0
