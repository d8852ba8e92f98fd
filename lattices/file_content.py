"""Reading a file that may lie: everything is checked against what this package writes before it is used.

A checksum proves that a file is as it was written, not by whom. Only what `write_file` makes is taken: plain links
inside the file, each object linked once, numbers in one contiguous block that is really there, texts as JSON, CSR
matrices whose indices point into the matrix. So nothing claims more memory than the file has bytes, no other file is
opened, and no index of a file reaches compiled code unseen.
"""

from __future__ import annotations

import json
import math
import mmap
import os
import struct
from collections.abc import Callable
from pathlib import Path
from typing import Any, BinaryIO, NoReturn

import h5py
import numpy as np
import scipy.sparse as sp

from bdg.lattices.file_format import (
    ARRAY,
    COMPLEX,
    CSR,
    FORMAT_VERSION,
    GROUP,
    HEADER,
    HEADER_SIZE,
    JSON,
    ResultFileError,
    hdf5_name,
    plain_name,
    reason,
    shown,
)

Described = dict[str, tuple[str, str]]
"""Unit and description by "group/name"."""

_STORED_TEXT, _LENGTH_OF_TEXT = 16, 4  # bytes of a text of any length in a dataset: length, address, number
_HEAP, _HEAP_START = b"GCOL\x01\0\0\0", 16  # signature and version of a heap of texts; its size follows
_OBJECT = struct.Struct("<H6xQ")  # number and length of a text, in front of it
_CSR_PARTS = ("data", "indices", "indptr")
_WORTH_ASKING = 2.0**28  # bytes; smaller arrays are read without a look at the memory that is left


class ContentReader:
    """Reads the content of an open file.

    Parameters
    ----------
    path : Path
        For messages, and for its size.
    raw : binary file
        The same file.
    file : h5py.File
        And once more, as HDF5 sees it.
    described : dict, optional
        Is filled with unit and description of every dataset, by "group/name".
    """

    def __init__(self, path: Path, raw: BinaryIO, file: h5py.File, described: Described | None = None) -> None:
        self._described = described
        self._path, self._raw, self._file = path, raw, file
        self._bytes = os.fstat(raw.fileno()).st_size
        self._claimed = 0
        self._seen: set[int] = set()

    def kind(self) -> str:
        """Return what the file holds, once its format and version are found to be those of its first line."""
        if self._file.userblock_size != HEADER_SIZE:
            self._refuse("the file", f"must leave {HEADER_SIZE} bytes to its first line")
        if self._text(self._file, "format", "the file") != "bdg":
            self._refuse("the file", "its attribute format must be 'bdg'")
        version = self._integers(self._file, "format_version", (), "the file")[0]
        self._raw.seek(0)
        first_line = HEADER.match(self._raw.read(HEADER_SIZE))
        if first_line is None or int(first_line[1]) != version:
            self._refuse("the file", f"its attribute format_version is {version}, its first line says another")
        if version != FORMAT_VERSION:
            self._refuse("the file", f"format version {version} is not read by this package ({FORMAT_VERSION})")
        return self._text(self._file, "kind", "the file")

    def content(self) -> dict[str, Any]:
        """Return all values by name."""
        return self._members(self._file["/"], "")

    # ------------------------------------------------------------------------------------------------ the tree
    def _members(self, group: h5py.Group, prefix: str) -> dict[str, Any]:
        members = {}
        for name in group:
            plain = plain_name(name)
            where = prefix + plain
            if hdf5_name(plain) != name:
                self._refuse(where, f"is stored under {name!r}, not under its own name")
            members[plain] = self._value(self._node(group, name, where), where)
        return members

    def _node(self, group: h5py.Group, name: str, where: str) -> h5py.Group | h5py.Dataset:
        """Return a member that lies in this file and nowhere else in its tree."""
        if not isinstance(group.get(name, getlink=True), h5py.HardLink):
            self._refuse(where, "is a link to another place or another file, not the value itself")
        node = group[name]
        if not isinstance(node, h5py.Group | h5py.Dataset):
            self._refuse(where, "is neither a group nor a dataset")
        found = h5py.h5o.get_info(node.id)
        if found.rc != 1 or found.addr in self._seen:
            self._refuse(where, "is linked more than once")
        self._seen.add(found.addr)
        return node

    def _value(self, node: h5py.Group | h5py.Dataset, where: str) -> Any:
        readers: dict[str, Callable[[Any, str], Any]] = {GROUP: self._group, CSR: self._csr}
        if isinstance(node, h5py.Dataset):
            readers = {ARRAY: self._array, JSON: self._json}
        encoding = self._text(node, "encoding", where)
        if encoding not in readers:
            self._refuse(where, f"its encoding must be {' or '.join(readers)} here; got {encoding!r}")
        if self._described is not None and isinstance(node, h5py.Dataset):
            self._described[where] = (self._text(node, "unit", where), self._text(node, "description", where))
        try:
            return readers[encoding](node, where)
        except ResultFileError:
            raise
        except Exception as error:  # the libraries' words for a type or a text that they do not know
            raise ResultFileError(f"{self._path}: {shown(where)}: cannot be read ({reason(error)})") from error

    def _group(self, group: h5py.Group, where: str) -> dict[str, Any]:
        return self._members(group, f"{where}/")

    # ------------------------------------------------------------------------------------------------ the leaves
    def _array(self, dataset: h5py.Dataset, where: str) -> np.ndarray:
        dtype, shape = dataset.dtype, dataset.shape
        if shape is None or dtype.kind not in "biufc" or h5py.check_enum_dtype(dtype) or dtype.subdtype:
            self._refuse(where, f"must be an array of numbers; got the type {dtype}")
        size = math.prod(shape) * dtype.itemsize
        self._block(dataset, size, where)
        self._claim(size, where)
        array = np.asarray(dataset[()])
        return array if array.dtype.isnative else array.astype(array.dtype.newbyteorder("="))

    def _json(self, dataset: h5py.Dataset, where: str) -> Any:
        string = h5py.check_string_dtype(dataset.dtype)
        if dataset.shape != () or string is None or string.length is not None:
            self._refuse(where, f"must be one text; got the type {dataset.dtype} in the shape {dataset.shape}")
        offset = self._block(dataset, _STORED_TEXT, where)
        self._raw.seek(offset)  # HDF5 takes memory for whatever length stands here
        self._claim(int.from_bytes(self._raw.read(_LENGTH_OF_TEXT), "little"), where)
        return json.loads(dataset.asstr()[()], object_hook=_complex)

    def _csr(self, group: h5py.Group, where: str) -> sp.csr_matrix:
        if sorted(group) != sorted(_CSR_PARTS):
            self._refuse(where, f"must hold {', '.join(_CSR_PARTS)}; got {', '.join(group)}")
        rows, columns = self._integers(group, "shape", (2,), where)
        parts = {name: self._value(self._node(group, name, f"{where}/{name}"), f"{where}/{name}") for name in group}
        for name, part in parts.items():
            if not (isinstance(part, np.ndarray) and part.ndim == 1):
                self._refuse(f"{where}/{name}", "must be an array with one axis")
            if name != "data" and part.dtype not in (np.int32, np.int64):
                self._refuse(f"{where}/{name}", f"must be whole numbers of 4 or 8 bytes; got {part.dtype}")
        data, indices, indptr = (parts[name] for name in _CSR_PARTS)
        if rows < 0 or columns < 0 or indptr.size != rows + 1:
            self._refuse(f"{where}/indptr", f"must have one entry more than {rows} rows; got {indptr.size}")
        if indptr[0] != 0 or indptr[-1] != indices.size or (indptr[1:] < indptr[:-1]).any():
            self._refuse(f"{where}/indptr", f"must rise from 0 to the number of indices, {indices.size}")
        if data.size != indices.size:
            self._refuse(f"{where}/data", f"must have one value an index, {indices.size}; got {data.size}")
        if indices.size and not (0 <= int(indices.min()) and int(indices.max()) < columns):
            self._refuse(f"{where}/indices", f"must be columns from 0 to {columns - 1}")
        return sp.csr_matrix((data, indices, indptr), shape=(rows, columns))

    # ------------------------------------------------------------------------------------------------ the claims
    def _block(self, dataset: h5py.Dataset, size: int, where: str) -> int:
        """Return where the one block of a dataset begins, if it has one of ``size`` bytes inside this file."""
        plan = dataset.id.get_create_plist()
        if plan.get_layout() != h5py.h5d.CONTIGUOUS or plan.get_external_count() or plan.get_nfilters():
            self._refuse(where, "must lie in one plain block of this file (not in chunks, compressed, or elsewhere)")
        offset = dataset.id.get_offset()
        if size == 0:
            return 0
        if offset is None or dataset.id.get_storage_size() != size or offset + size > self._bytes:
            self._refuse(where, f"claims {size} bytes that are not in the file")
        return offset

    def _claim(self, size: int, where: str) -> None:
        """Refuse a file whose values are larger than itself, or than the memory that is left."""
        self._claimed += size
        if self._claimed > self._bytes:
            self._refuse(where, f"with what lies before it claims {self._claimed} bytes of a file of {self._bytes}")
        if size > _WORTH_ASKING and size > (free := _memory_left()):
            raise ResultFileError(
                f"{self._path}: {shown(where)}: takes {size / 2**30:.1f} GiB of memory, {free / 2**30:.1f} GiB are left"
            )

    def _text(self, node: h5py.Group | h5py.Dataset, name: str, where: str) -> str:
        attribute = self._attribute(node, name, where)
        string = h5py.check_string_dtype(attribute.dtype)
        if attribute.shape != () or string is None or string.length is not None:
            self._refuse(where, f"its attribute {name} must be one text")
        return str(node.attrs[name])

    def _integers(self, node: h5py.Group, name: str, shape: tuple[int, ...], where: str) -> list[int]:
        attribute = self._attribute(node, name, where)
        if attribute.shape != shape or attribute.dtype.kind not in "iu":
            self._refuse(where, f"its attribute {name} must be {'two whole numbers' if shape else 'a whole number'}")
        return [int(number) for number in np.atleast_1d(node.attrs[name])]

    def _attribute(self, node: h5py.Group | h5py.Dataset, name: str, where: str) -> Any:
        try:
            attribute = node.attrs.get_id(name)
            _ = attribute.dtype  # of a type that NumPy does not know: TypeError
            return attribute
        except KeyError:
            return self._refuse(where, f"lacks the attribute {name}")
        except Exception as error:
            raise ResultFileError(
                f"{self._path}: {shown(where)}: its attribute {name} cannot be read ({reason(error)})"
            ) from error

    def _refuse(self, where: str, rule: str) -> NoReturn:
        raise ResultFileError(
            f"{self._path}: cannot be read, truncated or damaged: {shown(where)}: {shown(rule)}. The "
            "checksum is right: not this package, or a faulty one, wrote it"
        )


def check_texts(path: Path, raw: BinaryIO) -> None:
    """Refuse a file whose heaps of texts do not add up: the HDF5 library walks through them without looking.

    A heap is a list of objects, each with a number and a length, the free rest with number 0. With a length of 0 there
    the library never comes to the end.
    """
    with mmap.mmap(raw.fileno(), 0, access=mmap.ACCESS_READ) as data:
        place = data.find(_HEAP)
        while place >= 0:
            if not _adds_up(data, place):
                raise ResultFileError(f"{path}: cannot be read, truncated or damaged: its texts do not add up")
            place = data.find(_HEAP, place + len(_HEAP))


def _adds_up(data: mmap.mmap, place: int) -> bool:
    """Return whether the objects of the heap at ``place`` fill it, one after the other."""
    if place + _HEAP_START > len(data):
        return False
    end = place + int.from_bytes(data[place + len(_HEAP) : place + _HEAP_START], "little")
    if end > len(data):
        return False
    place += _HEAP_START
    while place + _OBJECT.size <= end:
        number, length = _OBJECT.unpack_from(data, place)
        step = length if number == 0 else _OBJECT.size + 8 * ((length + 7) // 8)
        if step < _OBJECT.size or place + step > end:
            return False
        place += step
    return True


def _complex(value: dict[str, Any]) -> Any:
    if value.keys() != {COMPLEX}:
        return value
    real, imaginary = value[COMPLEX]
    return complex(float(real), float(imaginary))


def _memory_left() -> float:
    """Return the bytes that can still be taken, infinity where the system does not say."""
    try:
        with open("/proc/meminfo", encoding="ascii") as lines:
            return next(1024.0 * float(line.split()[1]) for line in lines if line.startswith("MemAvailable:"))
    except (OSError, StopIteration):
        return math.inf
