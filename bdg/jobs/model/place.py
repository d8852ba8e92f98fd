"""Where the files of a job lie, and whether code that lies there may be run."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

CODE_FLAG = "--allow-code"


@dataclass(frozen=True)
class Place:
    """What a job file that names other files is read with.

    Attributes
    ----------
    folder : Path
        Of the job file; names in it are relative to this folder.
    allow_code : bool
        Modules that the job names may be imported: who starts the job has said so, not the job file.
    """

    folder: Path = Path()
    allow_code: bool = False
