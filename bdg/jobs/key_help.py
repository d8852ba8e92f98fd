"""The keys of all kinds of jobs in words: what ``bdg run --help`` ends with."""

from __future__ import annotations

from bdg.jobs.job import JOB_KEYS
from bdg.jobs.kinds import get_kind, kind_names
from bdg.jobs.model.schema import REQUIRED, Key


def key_help() -> str:
    """Return the kinds of jobs with their keys, a line each: type, unit, default."""
    lines = ["kinds of jobs and their keys (see runs/*.toml):"]
    for name in kind_names():
        try:
            kind = get_kind(name)
        except ImportError as error:  # one broken kind must not hide the others
            lines.append(f"  {name}: cannot be loaded ({error})")
            continue
        lines.append(f"  {name}: {kind.doc}")
        for section, keys in {"job": JOB_KEYS, **kind.schema}.items():
            lines.append(f"    [{section}]")
            lines += [f"      {key.name:24} {_in_words(key)}" for key in keys]
        for section in kind.open_sections:
            lines += [f"    [{section}]", f"      {'any name':24} what the builder takes; may be swept"]
    lines.append("sweeps: key = [a, b, ...], {linspace = [a, b, n]} or {range = [a, b]}; the product of all is run")
    return "\n".join(lines)


def _in_words(key: Key) -> str:
    if key.default is REQUIRED:
        default = "required"
    elif key.default is None:
        default = "optional"
    else:
        default = f"default {str(key.default).lower() if isinstance(key.default, bool) else key.default}"
    return f"{key.doc} ({key.type}, {default})"
