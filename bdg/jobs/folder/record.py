"""``run.json``, what a run directory says about itself: read back only in the form in which it is written."""

from __future__ import annotations

import re
from typing import Any

from bdg.jobs.model.sweep import DIGEST_LENGTH

DIGEST = rf"[0-9a-f]{{{DIGEST_LENGTH}}}"
_DIGEST = re.compile(DIGEST)


def checked_record(record: Any) -> dict[str, Any]:
    """Return the record if it has the entries of a run.json.

    Raises
    ------
    ValueError
        If an entry is missing or of another type.
    """
    _entry(record, "format_version", int)
    for name, kind in (("kind", str), ("name", str), ("identity", str), ("points", list)):
        _entry(record, name, kind)
    for name in ("failed", "output", "resolved"):
        if name in record:
            _entry(record, name, dict)
    if not all(isinstance(why, str) for why in record.get("failed", {}).values()):
        raise ValueError("failed must be a text a point")
    for point in record["points"]:
        _entry(point, "label", str)
        parameters = _entry(point, "parameters", dict)
        if not all(isinstance(keys, dict) for keys in parameters.values()):
            raise ValueError("parameters must be keys by section")
        if not _DIGEST.fullmatch(_entry(point, "digest", str)):
            raise ValueError("a digest is none: it names a file")
    return record


def _entry(record: Any, name: str, kind: type) -> Any:
    if not isinstance(record, dict) or name not in record:
        raise ValueError(f"it lacks {name}")
    value = record[name]
    if not isinstance(value, kind) or isinstance(value, bool):
        raise ValueError(f"{name} is a {type(value).__name__}")
    return value
