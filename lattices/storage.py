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
import hashlib
import json
import os
import re
import tempfile
import urllib.parse
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import scipy.sparse as sp

FORMAT_VERSION = 1

_JSON = "json"  # values of these two encodings are told apart by the attribute ``encoding``
_ARRAY = "array"
_CSR = "csr"
_GROUP = "group"
_COMPLEX = "complex number"  # key of the pair (real, imaginary) that stands for one in JSON

_HEADER_SIZE = 512  # the smallest user block of HDF5
_HEADER = re.compile(rb"bdg HDF5 format (\d+) sha256 ([0-9a-f]{64})\n")
_HDF5_SIGNATURE = b"\x89HDF\r\n\x1a\n"


class ResultFileError(RuntimeError):
    """A file of this package is missing, damaged, truncated, of another kind or of a newer format."""


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
    """
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, temporary = tempfile.mkstemp(prefix=f".{path.name}.", suffix=".tmp", dir=path.parent)
    os.close(handle)
    try:
        with h5py.File(temporary, "w", userblock_size=_HEADER_SIZE) as file:
            file.attrs["format"] = "bdg"
            file.attrs["format_version"] = FORMAT_VERSION
            file.attrs["kind"] = kind
            for name, value in content.items():
                _write_value(file, name, value, descriptions or {})
        with open(temporary, "r+b") as written:
            written.write(f"bdg HDF5 format {FORMAT_VERSION} sha256 {_checksum(temporary)}\n".encode())
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


def read_file(path: str | os.PathLike[str], kind: str | None = None) -> tuple[str, dict[str, Any]]:
    """Read a file written by `write_file`, verify its checksum, and return its kind and content.

    Raises
    ------
    ResultFileError
        If the file is missing, is no HDF5 file, is truncated or damaged, is of another kind than ``kind``, or was
        written in a newer format.
    """
    path = Path(path)
    if not path.is_file():
        raise ResultFileError(f"{path}: no such file")
    try:
        _verify(path)
        with h5py.File(path, "r") as file:
            found = str(file.attrs["kind"])
            if kind is not None and found != kind:
                raise ResultFileError(f"{path}: holds a {found}, not a {kind}")
            content = {_plain_name(name): _read_value(file[name]) for name in file}
    except ResultFileError:
        raise
    except (OSError, RuntimeError, KeyError, ValueError) as error:
        raise ResultFileError(f"{path}: cannot be read, truncated or damaged ({error})") from error
    return found, content


def _verify(path: Path) -> None:
    """Check the first line and the checksum, before anything interprets the content."""
    with open(path, "rb") as file:
        start = file.read(_HEADER_SIZE)
    header = _HEADER.match(start)
    if header is None:
        if start.startswith(_HDF5_SIGNATURE):
            raise ResultFileError(f"{path}: an HDF5 file, but not one of bdg")
        raise ResultFileError(f"{path}: cannot be read, truncated or damaged: its first line is not that of a bdg file")
    version = int(header[1])
    if version > FORMAT_VERSION:
        raise ResultFileError(
            f"{path}: format version {version} is newer than this package reads ({FORMAT_VERSION}). "
            "Upgrade bdg to read it."
        )
    if header[2].decode() != _checksum(path):
        raise ResultFileError(f"{path}: cannot be read, truncated or damaged: its checksum does not match its content")


def _write_value(
    group: h5py.Group, name: str, value: Any, descriptions: Mapping[str, tuple[str, str]], prefix: str = ""
) -> None:
    full_name = prefix + name
    unit, description = descriptions.get(full_name, ("", full_name.replace("_", " ").replace("\0", "%00")))
    name = _hdf5_name(name)
    if sp.issparse(value):
        child = group.create_group(name)
        child.attrs["encoding"] = _CSR
        matrix = value.tocsr()
        child.attrs["shape"] = matrix.shape
        for part in ("data", "indices", "indptr"):
            dataset = child.create_dataset(part, data=getattr(matrix, part))
            _describe(dataset, _ARRAY, unit if part == "data" else "", f"{description}: CSR {part}")
        return
    if isinstance(value, np.ndarray) and value.dtype.kind in "biufc":
        dataset = group.create_dataset(name, data=value)
        _describe(dataset, _ARRAY, unit, description)
        return
    if isinstance(value, Mapping) and _holds_arrays(value):
        child = group.create_group(name)
        child.attrs["encoding"] = _GROUP
        for key, item in value.items():
            _write_value(child, str(key), item, descriptions, f"{full_name}/")
        return
    try:
        text = json.dumps(value, default=_plain, sort_keys=True)
    except TypeError as error:
        raise TypeError(f"{full_name}: a value of type {type(value).__name__} cannot be stored ({error})") from error
    dataset = group.create_dataset(name, data=text)
    _describe(dataset, _JSON, unit, description)


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
        return {_COMPLEX: [value.real, value.imag]}
    raise TypeError(f"not JSON: {type(value).__name__}")


def _complex(value: dict[str, Any]) -> Any:
    return complex(*value[_COMPLEX]) if value.keys() == {_COMPLEX} else value


def _describe(dataset: h5py.Dataset, encoding: str, unit: str, description: str) -> None:
    dataset.attrs["encoding"] = encoding
    dataset.attrs["unit"] = unit
    dataset.attrs["description"] = description


def _read_value(node: h5py.Group | h5py.Dataset) -> Any:
    encoding = node.attrs["encoding"]
    if encoding == _CSR:
        parts = (node["data"][()], node["indices"][()], node["indptr"][()])
        return sp.csr_matrix(parts, shape=tuple(int(n) for n in node.attrs["shape"]))
    if encoding == _GROUP:
        return {_plain_name(name): _read_value(node[name]) for name in node}
    if encoding == _ARRAY:
        return np.asarray(node[()])
    if encoding == _JSON:
        return json.loads(node.asstr()[()], object_hook=_complex)
    raise ResultFileError(f"{node.name}: unknown encoding {encoding!r}")


def _hdf5_name(name: str) -> str:
    """Return ``name`` as HDF5 takes it: no folders, no dots alone, not empty."""
    encoded = "".join(f"%{ord(c):02X}" if c in "/%\0" else c for c in name)
    return encoded.replace(".", "%2E") if not encoded.strip(".") and encoded else encoded or "%"


def _plain_name(name: str) -> str:
    return "" if name == "%" else urllib.parse.unquote(name)


def _checksum(path: str | os.PathLike[str]) -> str:
    """Return the SHA-256 of all bytes after the header."""
    with open(path, "rb") as file:
        file.seek(_HEADER_SIZE)
        return hashlib.file_digest(file, "sha256").hexdigest()


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
