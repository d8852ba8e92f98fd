"""The command ``bdg report``."""

from __future__ import annotations

import argparse

from bdg.reports.page import NAME, write_report


def add_report_command(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the command to a parser."""
    report = commands.add_parser(
        "report",
        help="a run as one HTML page",
        description="Write one HTML page of a run, complete in itself: tables, evidence, plots to choose, the grains "
        "in space (extra 'report').",
    )
    report.add_argument("folder", metavar="DIR", help="run directory")
    report.add_argument("--out", metavar="FILE.html", help=f"default: DIR/{NAME}")
    report.set_defaults(act=_report)


def _report(chosen: argparse.Namespace) -> int:
    print(write_report(chosen.folder, chosen.out))
    return 0
