"""The command ``bdg schema``."""

from __future__ import annotations

import argparse
import json

from bdg.base.errors import JobError
from bdg.jobs.job import JOB_KEYS, UNSWEPT
from bdg.jobs.kinds import get_kind, kind_names
from bdg.jobs.model.json_schema import json_schema


def add_schema_command(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the command to a parser."""
    schema = commands.add_parser(
        "schema",
        help="the keys of a kind of job as JSON schema",
        description="Print the keys of a kind of job as JSON schema. Editors complete and check a job file that begins "
        "with the line '#:schema FILE.json'.",
    )
    schema.add_argument("kind", metavar="KIND", help="one of " + ", ".join(kind_names()))
    schema.set_defaults(act=_schema)


def _schema(chosen: argparse.Namespace) -> int:
    try:
        kind = get_kind(chosen.kind)
    except JobError as error:
        raise JobError(f"bdg schema: KIND {error}") from error
    print(json.dumps(json_schema(kind, JOB_KEYS, UNSWEPT), indent=2))
    return 0
