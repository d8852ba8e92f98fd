"""Where the files of a job lie, and whether code that lies there may be run."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path, PurePath

CODE_FLAG = "--allow-code"
_OUTSIDE = "must lie in the folder of the job file, or below it; put it there, or a link to it, or name it by"


@dataclass(frozen=True)
class Place:
    """What a job file that names other files is read with.

    Attributes
    ----------
    folder : Path
        Of the job file; names in it are relative to this folder.
    allow_code : bool
        Modules that the job names may be imported: who starts the job has said so, not the job file.
    told : frozenset of str
        Keys ("compute.table") that whoever starts the job has given: these may name files elsewhere.
    """

    folder: Path = Path()
    allow_code: bool = False
    told: frozenset[str] = frozenset()

    def file_rule(self, key: str, name: str) -> str:
        """Return the rule that the name of a file breaks, which is the value of ``key``; "" if none."""
        parts = PurePath(name).parts
        if "\0" in name or not name.strip():
            return f"must name a file; got {name!r:.80}"
        if key not in self.told and (PurePath(name).is_absolute() or ".." in parts):
            return f"{_OUTSIDE} --set {key}=PATH; got {name!r:.80}"
        return ""
