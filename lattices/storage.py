"""Self-describing HDF5 files: what every file of this package looks like on disk.

A file holds a tree of named values. Each dataset carries ``unit`` and ``description``; the root carries ``format``
(the word "bdg"), ``format_version`` and ``kind`` (what the file holds). Nothing is pickled. A file appears under its
final name only when it is whole: it is written under a temporary name, synced to the disk and renamed.

The first 512 bytes, which HDF5 leaves to applications, say in one line of text which format version this is and which
SHA-256 all bytes after them have. Both are verified before the HDF5 library sees the file: damaged metadata can crash
that library, and with it a whole run.

Values may be numbers (complex ones too), strings, None, lists and dicts of those (kept as JSON text), NumPy arrays,
CSR matrices, and dicts of all these (kept as groups). Names may be any text; what HDF5 gives a meaning ("/", ".") is
percent-encoded.
"""

from __future__ import annotations

import contextlib
import errno
import io
import json
import os
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import scipy.sparse as sp

from bdg.lattices.file_content import ContentReader, Described, check_texts
from bdg.lattices.file_format import (
    ARRAY,
    COMPLEX,
    CSR,
    FORMAT_VERSION,
    GROUP,
    HDF5_SIGNATURE,
    HEADER,
    HEADER_SIZE,
    JSON,
    ResultFileError,
    checksum,
    content_of,
    hdf5_name,
    reason,
    shown,
)

__all__ = [
    "Described",
    "FORMAT_VERSION",
    "ResultFileError",
    "content_of",
    "disk_is_full",
    "read_described",
    "read_file",
    "shown",
    "write_file",
]

_FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)


def write_file(
    path: str | os.PathLike[str],
    kind: str,
    content: Mapping[str, Any],
    descriptions: Mapping[str, tuple[str, str]] | None = None,
) -> Path:
    """Write ``content`` atomically to ``path`` and return the path.

    Parameters
    ----------
    path : path
        Final name of the file; an existing file is replaced only once the new one is complete.
    kind : str
        What the file holds, for instance "System".
    content : mapping
        Names to values (see the module's text for what is allowed).
    descriptions : mapping, optional
        Name, or "group/name", to ``(unit, description)``. A name without an entry gets unit "" and its own name.

    Raises
    ------
    TypeError
        If a value has a type that cannot be stored.
    OSError
        If the disk is full, for instance; nothing is left behind.
    """
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, temporary = tempfile.mkstemp(prefix=f".{path.name[:60]}.", suffix=".tmp", dir=path.parent)
    try:
        with _Disk(handle, path) as disk:
            with h5py.File(disk, "w", userblock_size=HEADER_SIZE) as file:
                file.attrs["format"] = "bdg"
                file.attrs["format_version"] = FORMAT_VERSION
                file.attrs["kind"] = kind
                for name, value in content.items():
                    _write_value(file, name, value, descriptions or {})
                    disk.check()
            disk.check()
        with open(temporary, "r+b") as written:
            written.write(f"bdg HDF5 format {FORMAT_VERSION} sha256 {checksum(temporary)}\n".encode())
            written.flush()
            os.fsync(written.fileno())
        os.chmod(temporary, 0o666 & ~_umask())
        os.replace(temporary, path)
    except BaseException:
        with contextlib.suppress(FileNotFoundError):
            os.unlink(temporary)
        raise
    _sync_folder(path.parent)
    return path


class _Disk(io.FileIO):
    """What the HDF5 library writes through: it never hears that the disk is full.

    A write that fails leaves that library with files that it can neither finish nor close, and ends the process some
    time later. So the first failure is kept for `check`, and what follows goes nowhere.
    """

    def __init__(self, handle: int, path: Path) -> None:
        super().__init__(handle, "r+b")
        self._path = path
        self._failure: OSError | None = None

    def check(self) -> None:
        """Raise what went wrong."""
        if self._failure is not None:
            number = self._failure.errno or errno.EIO
            raise OSError(number, os.strerror(number), str(self._path)) from self._failure

    def write(self, data: Any) -> int:
        """Write all of ``data``."""
        view = memoryview(data).cast("B")
        written = 0
        try:
            while self._failure is None and written < view.nbytes:
                written += super().write(view[written:]) or 0
        except OSError as error:
            self._failure = error
        return view.nbytes

    def truncate(self, size: int | None = None) -> int:
        """Set the size of the file."""
        try:
            return super().truncate(size) if self._failure is None else size or 0
        except OSError as error:
            self._failure = error
            return size or 0


def disk_is_full(error: BaseException | None) -> bool:
    """Return whether an error says that there is no room: on the disk, in the quota, or for a file of that size."""
    return isinstance(error, OSError) and error.errno in _FULL


def read_file(path: str | os.PathLike[str], kind: str | None = None) -> tuple[str, dict[str, Any]]:
    """Read a file written by `write_file` and return its kind and content, both as this package writes them.

    Raises
    ------
    ResultFileError
        If the file is missing, is no HDF5 file, is truncated or damaged, is of another kind than ``kind``, was
        written in a newer format, or is built in a way that `write_file` does not build, whatever its checksum.
    """
    return _read(path, kind, None)


def read_described(path: str | os.PathLike[str], kind: str | None = None) -> tuple[str, dict[str, Any], Described]:
    """Return kind and content as `read_file` does, and unit and description of each dataset by "group/name"."""
    described: Described = {}
    found, content = _read(path, kind, described)
    return found, content, described


def _read(path: str | os.PathLike[str], kind: str | None, described: Described | None) -> tuple[str, dict[str, Any]]:
    if not isinstance(path, str | os.PathLike):
        raise TypeError(f"path must be the path of a file; got {path!r:.80} ({type(path).__name__})")
    path = Path(path)
    try:
        if not path.is_file():
            raise ResultFileError(f"{path}: no such file")
        _verify(path)
        with open(path, "rb") as raw:
            check_texts(path, raw)
            with h5py.File(path, "r") as file:
                reader = ContentReader(path, raw, file, described)
                found = reader.kind()
                if kind is not None and found != kind:
                    raise ResultFileError(f"{path}: holds a {shown(found)}, not a {kind}")
                return found, reader.content()
    except ResultFileError:
        raise
    except Exception as error:  # HDF5 and h5py have many words for damage
        raise ResultFileError(f"{path}: cannot be read, truncated or damaged ({reason(error)})") from error


def _verify(path: Path) -> None:
    """Check the first line and the checksum, before anything interprets the content."""
    with open(path, "rb") as file:
        start = file.read(HEADER_SIZE)
    header = HEADER.match(start)
    if header is None:
        if start.startswith(HDF5_SIGNATURE):
            raise ResultFileError(f"{path}: an HDF5 file, but not one of bdg")
        raise ResultFileError(f"{path}: cannot be read, truncated or damaged: its first line is not that of a bdg file")
    version = int(header[1])
    if version > FORMAT_VERSION:
        raise ResultFileError(
            f"{path}: format version {version} is newer than this package reads ({FORMAT_VERSION}). "
            "Upgrade bdg to read it."
        )
    if header[2].decode() != checksum(path):
        raise ResultFileError(f"{path}: cannot be read, truncated or damaged: its checksum does not match its content")


def _write_value(
    group: h5py.Group, name: str, value: Any, descriptions: Mapping[str, tuple[str, str]], prefix: str = ""
) -> None:
    full_name = prefix + name
    unit, description = descriptions.get(full_name, ("", full_name.replace("_", " ").replace("\0", "%00")))
    name = hdf5_name(name)
    if sp.issparse(value):
        child = group.create_group(name)
        child.attrs["encoding"] = CSR
        matrix = value.tocsr()
        child.attrs["shape"] = matrix.shape
        for part in ("data", "indices", "indptr"):
            dataset = child.create_dataset(part, data=getattr(matrix, part))
            _describe(dataset, ARRAY, unit if part == "data" else "", f"{description}: CSR {part}")
        return
    if isinstance(value, np.ndarray) and value.dtype.kind in "biufc":
        dataset = group.create_dataset(name, data=value)
        _describe(dataset, ARRAY, unit, description)
        return
    if isinstance(value, Mapping) and _holds_arrays(value):
        child = group.create_group(name)
        child.attrs["encoding"] = GROUP
        for key, item in value.items():
            _write_value(child, str(key), item, descriptions, f"{full_name}/")
        return
    try:
        text = json.dumps(value, default=_plain, sort_keys=True)
    except (TypeError, ValueError, RecursionError) as error:
        raise TypeError(f"{full_name}: a value of type {type(value).__name__} cannot be stored ({error})") from error
    dataset = group.create_dataset(name, data=text)
    _describe(dataset, JSON, unit, description)


def _holds_arrays(value: Any) -> bool:
    if isinstance(value, Mapping):
        return any(_holds_arrays(item) for item in value.values())
    return sp.issparse(value) or (isinstance(value, np.ndarray) and value.dtype.kind in "biufc")


def _plain(value: Any) -> Any:
    """Turn NumPy scalars and arrays, complex numbers, mappings and paths into what JSON knows."""
    if isinstance(value, np.generic):
        return value.item()
    if isinstance(value, np.ndarray):
        return value.tolist()
    if isinstance(value, Mapping):
        return dict(value)
    if isinstance(value, Path):
        return str(value)
    if isinstance(value, complex):
        return {COMPLEX: [value.real, value.imag]}
    raise TypeError(f"not JSON: {type(value).__name__}")


def _describe(dataset: h5py.Dataset, encoding: str, unit: str, description: str) -> None:
    dataset.attrs["encoding"] = encoding
    dataset.attrs["unit"] = unit
    dataset.attrs["description"] = description


def _umask() -> int:
    current = os.umask(0)
    os.umask(current)
    return current


def _sync_folder(folder: Path) -> None:
    """Make the rename itself durable; folders cannot be opened on some systems, where this step has no meaning."""
    if not hasattr(os, "O_DIRECTORY"):
        return
    handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
