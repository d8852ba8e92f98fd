"""Self-describing HDF5 files: what every file of this package looks like on disk.

A file holds a tree of named values. Each dataset carries ``unit`` and ``description``; the root carries
``format`` (the word "bdg"), ``format_version``, ``kind`` (what the file holds) and ``checksum``, a SHA-256 over
every name, shape, dtype, attribute and byte. Nothing is pickled. A file appears under its final name only when it
is whole: it is written under a temporary name, synced to the disk and renamed.

Values may be numbers, strings, None, lists and dicts of those (kept as JSON text), NumPy arrays, CSR matrices, and
dicts of all these (kept as groups).
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import tempfile
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
        with h5py.File(temporary, "w") as file:
            file.attrs["format"] = "bdg"
            file.attrs["format_version"] = FORMAT_VERSION
            file.attrs["kind"] = kind
            for name, value in content.items():
                _write_value(file, name, value, descriptions or {})
            file.attrs["checksum"] = _checksum(file)
        with open(temporary, "rb") as written:
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
        with h5py.File(path, "r") as file:
            if file.attrs.get("format") != "bdg":
                raise ResultFileError(f"{path}: an HDF5 file, but not one of bdg (no attribute format = 'bdg')")
            version = int(file.attrs["format_version"])
            if version > FORMAT_VERSION:
                raise ResultFileError(
                    f"{path}: format version {version} is newer than this package reads ({FORMAT_VERSION}). "
                    "Upgrade bdg to read it."
                )
            if file.attrs.get("checksum") != _checksum(file):
                raise ResultFileError(f"{path}: damaged, its checksum does not match its content")
            found = str(file.attrs["kind"])
            if kind is not None and found != kind:
                raise ResultFileError(f"{path}: holds a {found}, not a {kind}")
            content = {name: _read_value(file[name]) for name in file}
    except ResultFileError:
        raise
    except (OSError, RuntimeError, KeyError, ValueError) as error:  # what h5py raises on damaged files
        raise ResultFileError(f"{path}: cannot be read, truncated or damaged ({error})") from error
    return found, content


def _write_value(
    group: h5py.Group, name: str, value: Any, descriptions: Mapping[str, tuple[str, str]], prefix: str = ""
) -> None:
    full_name = prefix + name
    unit, description = descriptions.get(full_name, ("", full_name.replace("_", " ")))
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
    """Turn NumPy scalars, tuples of them and mappings into what JSON knows."""
    if isinstance(value, np.generic):
        return value.item()
    if isinstance(value, np.ndarray):
        return value.tolist()
    if isinstance(value, Mapping):
        return dict(value)
    if isinstance(value, Path):
        return str(value)
    raise TypeError(f"not JSON: {type(value).__name__}")


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
        return {name: _read_value(node[name]) for name in node}
    if encoding == _ARRAY:
        return node[()]
    if encoding == _JSON:
        return json.loads(node.asstr()[()])
    raise ResultFileError(f"{node.name}: unknown encoding {encoding!r}")


def _checksum(file: h5py.File) -> str:
    """Return the SHA-256 over all names, attributes and values, in an order that does not depend on the writing."""
    digest = hashlib.sha256()

    def add_attributes(node: Any) -> None:
        for key in sorted(node.attrs):
            if key != "checksum":
                digest.update(f"{key}={np.asarray(node.attrs[key]).tolist()!r};".encode())

    names: list[str] = []
    file.visit(names.append)
    add_attributes(file)
    for name in sorted(names):
        node = file[name]
        digest.update(name.encode())
        add_attributes(node)
        if isinstance(node, h5py.Dataset):
            if h5py.check_string_dtype(node.dtype) is not None:
                digest.update(node.asstr()[()].encode())
            else:
                array = np.ascontiguousarray(node[()])
                digest.update(f"{array.dtype.str}{array.shape}".encode())
                digest.update(array.tobytes())
    return digest.hexdigest()


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
