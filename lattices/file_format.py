"""What writing and reading of files share: version, header, encodings, names, and the error of all of it."""

from __future__ import annotations

import contextlib
import hashlib
import os
import re
import urllib.parse
from collections.abc import Iterator
from typing import Any

FORMAT_VERSION = 1

JSON = "json"  # values of these two encodings are told apart by the attribute ``encoding``
ARRAY = "array"
CSR = "csr"
GROUP = "group"
COMPLEX = "complex number"  # key of the pair (real, imaginary) that stands for one in JSON

HEADER_SIZE = 512  # the smallest user block of HDF5
HEADER = re.compile(rb"bdg HDF5 format (\d+) sha256 ([0-9a-f]{64})\n")
HDF5_SIGNATURE = b"\x89HDF\r\n\x1a\n"


class ResultFileError(RuntimeError):
    """A file of this package is missing, damaged, truncated, of another kind or of a newer format.

    Examples
    --------
    >>> import bdg
    >>> try:
    ...     bdg.load("no_such_file.h5")
    ... except bdg.ResultFileError as error:
    ...     print(error)
    no_such_file.h5: no such file
    """


@contextlib.contextmanager
def content_of(path: str | os.PathLike[str]) -> Iterator[None]:
    """Turn what goes wrong inside, where the content of a file is made into objects, into a `ResultFileError`.

    The content comes from outside, so that any error of a constructor is one of the file.
    """
    try:
        yield
    except ResultFileError as error:
        if str(error).startswith(f"{path}: "):
            raise
        raise ResultFileError(f"{path}: {error}") from error
    except Exception as error:
        raise ResultFileError(f"{path}: its content makes no sense: {reason(error)}") from error


def reason(error: BaseException) -> str:
    """Return the text of an error in one short line."""
    if isinstance(error, RecursionError):
        return "it is nested too deeply"
    if isinstance(error, MemoryError):
        return f"it does not fit into the memory at hand{f' ({shown(str(error))})' if str(error) else ''}"
    return shown(str(error)) or type(error).__name__


def shown(text: Any, most: int = 200) -> str:
    """Return a text from outside as one printable line of at most ``most`` characters."""
    line = " ".join(str(text)[: 16 * most].split())[: most + 1]
    line = "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in line)
    return line if len(line) <= most else f"{line[: most - 3]}..."


def hdf5_name(name: str) -> str:
    """Return ``name`` as HDF5 takes it: no folders, no dots alone, not empty."""
    encoded = "".join(f"%{ord(c):02X}" if c in "/%\0" else c for c in name)
    return encoded.replace(".", "%2E") if not encoded.strip(".") and encoded else encoded or "%"


def plain_name(name: str) -> str:
    """Return what `hdf5_name` was given."""
    return "" if name == "%" else urllib.parse.unquote(name)


def checksum(path: str | os.PathLike[str]) -> str:
    """Return the SHA-256 of all bytes after the header."""
    with open(path, "rb") as file:
        file.seek(HEADER_SIZE)
        return hashlib.file_digest(file, "sha256").hexdigest()
