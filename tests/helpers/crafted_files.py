"""Files with a valid checksum that this package never writes: a good file, changed through h5py and signed again."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from pathlib import Path

import h5py
import numpy as np

HEADER_SIZE = 512
Change = Callable[[h5py.File], object]


def sign(path: Path, version: str = "1") -> None:
    """Write the first line anew, with the checksum of what follows."""
    data = path.read_bytes()
    digest = hashlib.sha256(data[HEADER_SIZE:]).hexdigest()
    line = f"bdg HDF5 format {version} sha256 {digest}\n".encode()
    path.write_bytes(line.ljust(HEADER_SIZE, b"\0") + data[HEADER_SIZE:])


def craft(good: Path, path: Path, change: Change) -> Path:
    """Copy a good file, change the copy and sign it."""
    path.write_bytes(good.read_bytes())
    with h5py.File(path, "r+") as file:
        change(file)
    sign(path)
    return path


def value(name: str, content: object) -> Change:
    """Return a change that replaces an array by another one."""

    def change(file: h5py.File) -> None:
        put(file, name, lambda group, last: group.create_dataset(last, data=content), "array")

    return change


def text(name: str, content: str) -> Change:
    """Return a change that replaces a value by JSON text, whatever it was."""

    def change(file: h5py.File) -> None:
        put(file, name, lambda group, last: group.create_dataset(last, data=content), "json")

    return change


def plain(name: str, content: object) -> Change:
    """Return a change that replaces a value by another one, as JSON."""
    return text(name, json.dumps(content))


def made(name: str, **options: object) -> Change:
    """Return a change that replaces an array by a dataset that h5py makes with these options."""

    def change(file: h5py.File) -> None:
        put(file, name, lambda group, last: group.create_dataset(last, **options), "array")

    return change


def put(file: h5py.File, name: str, create: Callable[[h5py.Group, str], h5py.Dataset], encoding: str) -> None:
    """Put a dataset with the usual attributes in the place of ``name``."""
    place, _, last = name.rpartition("/")
    group = file[place] if place else file
    if last in group:
        del group[last]
    dataset = create(group, last)
    for attribute, what in (("encoding", encoding), ("unit", ""), ("description", name)):
        dataset.attrs[attribute] = what


def without(name: str) -> Change:
    """Return a change that removes a value."""
    return lambda file: file.__delitem__(name)


def attribute(name: str, of: str, content: object) -> Change:
    """Return a change that sets an attribute, or removes it if ``content`` is None."""

    def change(file: h5py.File) -> None:
        attributes = file[name].attrs
        del attributes[of]
        if content is not None:
            attributes[of] = content

    return change


def link(name: str, to: object) -> Change:
    """Return a change that puts a link in the place of ``name``."""

    def change(file: h5py.File) -> None:
        if name in file:
            del file[name]
        file[name] = to

    return change


def same_object_twice(file: h5py.File) -> None:
    """Link one array under two names."""
    del file["attraction"]
    file["attraction"] = file["delta"]


def loop(file: h5py.File) -> None:
    """Let a group hold itself."""
    file["info/again"] = file["info"]


def outside(file: h5py.File) -> None:
    """Let the values of an array lie in another file."""
    other = str(Path(file.filename).with_suffix(".raw"))
    Path(other).write_bytes(np.full(6, 0.3).tobytes())
    put(
        file,
        "delta",
        lambda g, last: g.create_dataset(last, shape=(6,), dtype=float, external=[(other, 0, 48)]),
        "array",
    )


def virtual(file: h5py.File) -> None:
    """Let the values of an array be those of a dataset of another file."""
    other = str(Path(file.filename).with_suffix(".source"))
    with h5py.File(other, "w") as source:
        source["x"] = np.full(6, 0.3)
    layout = h5py.VirtualLayout(shape=(6,), dtype=float)
    layout[:] = h5py.VirtualSource(other, "x", shape=(6,))
    put(file, "delta", lambda group, last: group.create_virtual_dataset(last, layout), "array")


def named_type(file: h5py.File) -> None:
    """Put a type where a value should be."""
    del file["delta"]
    file["delta"] = np.dtype("f8")


def references(file: h5py.File) -> None:
    """Put references to objects where numbers should be."""
    content = np.array([file["grain"].ref] * 6, dtype=h5py.ref_dtype)
    put(file, "delta", lambda group, last: group.create_dataset(last, data=content, dtype=h5py.ref_dtype), "array")


def own_enumeration(file: h5py.File) -> None:
    """Put names of numbers where numbers should be."""
    kind = h5py.enum_dtype({"A": 0, "B": 1}, basetype="i8")
    put(file, "grain", lambda group, last: group.create_dataset(last, shape=(6,), dtype=kind), "array")


TOO_MANY = 10**15
ROOT_ATTRIBUTES: dict[str, Change] = {
    "no version": attribute("/", "format_version", None),
    "newer version": attribute("/", "format_version", 2),
    "older version": attribute("/", "format_version", 0),
    "version no number": attribute("/", "format_version", "one"),
    "version not whole": attribute("/", "format_version", 1.5),
    "versions": attribute("/", "format_version", np.array([1, 1])),
    "version true": attribute("/", "format_version", True),
    "no format": attribute("/", "format", None),
    "other format": attribute("/", "format", "abc"),
    "no kind": attribute("/", "kind", None),
    "kind a number": attribute("/", "kind", 3),
    "kind an array": attribute("/", "kind", np.array([b"System", b"System"])),
    "kind nothing": attribute("/", "kind", h5py.Empty("f8")),
}
SYSTEM: dict[str, Change] = ROOT_ATTRIBUTES | {
    # indices that SciPy would follow
    "column too large": value("hamiltonian/indices", np.array([1, 0, 2, 1, 3, 2, 4, 3, 5, 10**9], np.int32)),
    "column negative": value("hamiltonian/indices", np.array([1, 0, 2, 1, 3, 2, 4, 3, 5, -(10**6)], np.int32)),
    "column huge": value("pairing/indices", np.array([1, 2**62], np.int64)),
    "rows beyond the end": value("hamiltonian/indptr", np.array([0, 1, 3, 5, 7, 9, 10**8], np.int32)),
    "rows that fall": value("hamiltonian/indptr", np.array([0, 9, 3, 5, 7, 9, 10], np.int32)),
    "rows negative": value("hamiltonian/indptr", np.array([-5, 1, 3, 5, 7, 9, 10], np.int32)),
    "rows late": value("hamiltonian/indptr", np.array([1, 1, 3, 5, 7, 9, 10], np.int32)),
    "rows too few": value("hamiltonian/indptr", np.array([0, 10], np.int32)),
    "rows none": value("hamiltonian/indptr", np.zeros(0, np.int32)),
    "values too few": value("hamiltonian/data", np.ones(3)),
    "values nan": value("hamiltonian/data", np.full(10, np.nan)),
    "values text": text("hamiltonian/data", '"abc"'),
    "values scalar": value("hamiltonian/data", 1.0),
    "values a table": value("hamiltonian/data", np.ones((5, 2))),
    "columns as floats": value("hamiltonian/indices", np.arange(10.0)),
    "columns of one byte": value("hamiltonian/indices", np.zeros(10, np.int8)),
    "columns unsigned": value("hamiltonian/indices", np.zeros(10, np.uint64)),
    "not Hermitian": value("hamiltonian/data", np.arange(1.0, 11.0)),
    "shape huge": attribute("hamiltonian", "shape", np.array([TOO_MANY, TOO_MANY])),
    "shape negative": attribute("hamiltonian", "shape", np.array([-1, 6])),
    "shape of three": attribute("hamiltonian", "shape", np.array([6, 6, 1])),
    "shape a text": attribute("hamiltonian", "shape", "6, 6"),
    "no shape": attribute("hamiltonian", "shape", None),
    "matrix without rows": without("hamiltonian/indptr"),
    "matrix with more": value("hamiltonian/other", np.zeros(1)),
    # other places and other files
    "soft link": link("delta", h5py.SoftLink("/grain")),
    "dangling link": link("delta", h5py.SoftLink("/nowhere")),
    "external link": link("delta", h5py.ExternalLink("/etc/hostname", "/x")),
    "link twice": same_object_twice,
    "group in itself": loop,
    "external storage": outside,
    "virtual": virtual,
    "named type": named_type,
    "references": references,
    "enumeration": own_enumeration,
    # claims without content
    "claims much": made("delta", shape=(TOO_MANY,), dtype=float, chunks=(1024,)),
    "claims much, in one": made("delta", shape=(10**9,), dtype=float),
    "claims a little": made("delta", shape=(6,), dtype=float),
    "bomb": made("delta", data=np.zeros(2_000_000), compression="gzip", chunks=(2_000_000,)),
    "growing": made("delta", data=np.full(6, 0.3), maxshape=(None,)),
    "filtered": made("delta", data=np.full(6, 0.3), shuffle=True),
    "filled": made("positions", shape=(2**31, 2**31), dtype=float, chunks=(64, 64), fillvalue=1.0),
    "no numbers": made("delta", data=h5py.Empty("f8")),
    "compound": made("delta", data=np.zeros(6, dtype=[("a", float), ("b", float)])),
    "texts": made("delta", data=np.array([b"a"] * 6)),
    "opaque": made("delta", data=np.zeros(6, dtype="V8")),
    "lists": made("delta", shape=(6,), dtype=h5py.vlen_dtype(float)),
    "nested arrays": made("delta", shape=(6,), dtype=np.dtype((float, (3,)))),
    # texts
    "deep": text("info/seed", "[" * 100_000 + "]" * 100_000),
    "deep objects": text("period", '{"a":' * 5000 + "1" + "}" * 5000),
    "no JSON": text("info/seed", "{"),
    "empty text": text("info/seed", ""),
    "long number": text("norbs", "1" * 10_000),
    "no UTF-8": made("info/seed", data=b"\xff\xfe"),
    "complex of one": text("info/seed", '{"complex number": [1]}'),
    "complex of texts": text("info/seed", '{"complex number": ["a", "b"]}'),
    "text as array": attribute("info/seed", "encoding", "array"),
    "array as text": attribute("delta", "encoding", "json"),
    "unknown encoding": attribute("delta", "encoding", "pickle"),
    "no encoding": attribute("delta", "encoding", None),
    "encoding a number": attribute("delta", "encoding", 1),
    "group as array": attribute("info", "encoding", "array"),
    "name with a code": lambda file: file.move("delta", "%64elta"),
    # fields of a System
    "no delta": without("delta"),
    "no norbs": without("norbs"),
    "no leads": without("leads"),
    "unknown field": value("other", np.zeros(6)),
    "kwant_sites": plain("kwant_sites", [1]),
    "shared": plain("shared", {"adjacency": 1}),
    "norbs text": plain("norbs", "1"),
    "norbs three": plain("norbs", 3),
    "norbs true": plain("norbs", True),
    "norbs a float": plain("norbs", 1.0),
    "norbs two": plain("norbs", 2),
    "norbs an array": value("norbs", np.array([1])),
    "period short": plain("period", []),
    "period long": plain("period", [None, None]),
    "period text": plain("period", ["6"]),
    "period a number": plain("period", 6),
    "period negative": plain("period", [-6.0]),
    "period nan": text("period", "[NaN]"),
    "period huge": text("period", "[1" + "0" * 400 + "]"),
    "period true": plain("period", [True]),
    "info a list": plain("info", [1, 2]),
    "info nothing": plain("info", None),
    "delta short": value("delta", np.full(5, 0.3)),
    "delta a number": value("delta", 0.3),
    "delta nan": value("delta", np.full(6, np.nan)),
    "delta whole": value("delta", np.ones(6, int)),
    "delta a table": value("delta", np.full((6, 1), 0.3)),
    "delta a list": plain("delta", [0.3] * 6),
    "attraction negative": value("attraction", np.full(6, -1.0)),
    "attraction complex": value("attraction", np.full(6, 1j)),
    "attraction infinite": value("attraction", np.full(6, np.inf)),
    "grain floats": value("grain", np.zeros(6)),
    "grain with a hole": value("grain", np.array([0, 0, 0, 5, 5, 5])),
    "grain below": value("grain", np.full(6, -7)),
    "grain true": value("grain", np.ones(6, bool)),
    "positions flat": value("positions", np.arange(6.0)),
    "positions empty": value("positions", np.zeros((0, 1))),
    "positions nan": value("positions", np.full((6, 1), np.nan)),
    "positions complex": value("positions", np.full((6, 1), 1j)),
    "positions fewer": value("positions", np.zeros((5, 1))),
    "hamiltonian a list": plain("hamiltonian", [[0]]),
    "pairing a number": plain("pairing", 0.1),
    "pairing not symmetric": value("pairing/data", np.array([0.1, 0.2])),
    # its leads
    "leads a list": plain("leads", [1]),
    "leads a text": plain("leads", "none"),
    "lead missing": lambda file: file.move("leads/0", "leads/1"),
    "lead named": lambda file: file.move("leads/0", "leads/first"),
    "lead negative": lambda file: file.move("leads/0", "leads/-1"),
    "lead nothing": plain("leads/0", None),
    "lead without hopping": without("leads/0/hopping"),
    "lead with more": value("leads/0/other", np.zeros(1)),
    "lead outside": value("leads/0/interface", np.array([6])),
    "lead below": value("leads/0/interface", np.array([-1])),
    "lead at floats": value("leads/0/interface", np.array([0.5])),
    "lead not square": value("leads/0/cell_hamiltonian", np.zeros((1, 2))),
    "lead nan": value("leads/0/cell_hamiltonian", np.full((1, 1), np.nan)),
    "lead of other size": value("leads/0/hopping", np.zeros((3, 3))),
    "lead delta empty": value("leads/0/delta", np.zeros(0, complex)),
    "lead delta nan": value("leads/0/delta", np.full(1, np.nan + 0j)),
    "lead norbs": plain("leads/0/norbs", 2),
    "lead norbs text": plain("leads/0/norbs", "1"),
}
STATES: dict[str, Change] = ROOT_ATTRIBUTES | {
    "unknown kind": attribute("/", "kind", "Sandwich"),
    "kind of two lines": attribute("/", "kind", "Bound\nStates\x1b[31m"),
    "another kind": attribute("/", "kind", "PairAmplitude"),
    "as a system": attribute("/", "kind", "System"),
    "as a point": attribute("/", "kind", "Point"),
    "as results": attribute("/", "kind", "JobResults"),
    "no energies": without("energies"),
    "no evidence": without("evidence"),
    "more": value("colour", np.zeros(3)),
    "energies short": value("energies", np.zeros(2)),
    "energies nan": value("energies", np.full(4, np.nan)),
    "energies a list": plain("energies", [1, 2, 3, 4]),
    "energies a table": value("energies", np.zeros((4, 1))),
    "u of other size": value("u", np.zeros((7, 4))),
    "u flat": value("u", np.zeros(24)),
    "u of two": value("u", np.zeros((6, 3, 4))),
    "v nan": value("v", np.full((6, 4), np.nan)),
    "residuals long": value("residuals", np.zeros(5)),
    "count text": plain("count", "4"),
    "count true": plain("count", True),
    "count an array": value("count", np.array([4])),
    "complete a number": plain("complete", 1),
    "evidence a list": plain("evidence", [1]),
    "evidence deep": text("evidence", '{"a":' * 5000 + "1" + "}" * 5000),
    "soft link": link("energies", h5py.SoftLink("/residuals")),
    "external link": link("energies", h5py.ExternalLink("/etc/hostname", "/x")),
    "claims much": made("energies", shape=(TOO_MANY,), dtype=float, chunks=(1024,)),
}
GAP: dict[str, Change] = {
    "system nothing": plain("system", None),
    "system with a column too large": value("system/hamiltonian/indices", np.full(10, 99, np.int32)),
    "system without delta": without("system/delta"),
    "system norbs": plain("system/norbs", "2"),
    "delta of two": value("delta", np.zeros((6, 2))),
    "delta nan": value("delta", np.full(6, np.nan)),
    "iterations a float": plain("iterations", 3.5),
    "error text": plain("error", "small"),
    "temperature nothing": plain("temperature", None),
    "history a number": plain("history", 0.1),
}
AMPLITUDE: dict[str, Change] = {
    "values short": value("values", np.zeros(2, complex)),
    "values nan": value("values", np.full(6, np.nan + 0j)),
    "sites short": value("sites", np.zeros(5, int)),
    "positions flat": value("positions", np.zeros(6)),
    "error a list": plain("error", [1]),
    "temperature an array": value("temperature", np.zeros(3)),
}
POINT: dict[str, Change] = {
    "no digest": without("digest"),
    "digest a number": plain("digest", 3),
    "parameters a list": plain("parameters", [1]),
    "parameters flat": plain("parameters", {"system": 3}),
    "parameters deep": text("parameters", '{"a":' * 5000 + "1" + "}" * 5000),
    "seconds text": plain("seconds", "long"),
    "seconds true": plain("seconds", True),
    "seconds huge": text("seconds", "1" + "0" * 400),
    "origin nothing": plain("origin", None),
    "no observables": without("observables"),
    "observables text": plain("observables", "none"),
    "observable text": plain("observables/noise", "none"),
    "observable elsewhere": link("observables/noise", h5py.ExternalLink("/etc/hostname", "/x")),
    "observable claims much": made("observables/noise", shape=(TOO_MANY,), dtype=float, chunks=(1024,)),
    "unit a number": attribute("observables/noise", "unit", 3),
    "no unit": attribute("observables/noise", "unit", None),
    "no description": attribute("observables/noise", "description", None),
    "evidence a list": plain("evidence", [1]),
}
RESULTS: dict[str, Change] = {
    "missing a text": plain("missing", "all"),
    "missing numbers": plain("missing", [1]),
    "points nothing": plain("points", None),
    "point nothing": plain("points/00000", None),
    "point without label": without("points/00000/label"),
    "identity nothing": plain("identity", None),
    "name a list": plain("name", [1]),
    "observable elsewhere": link("points/00000/observables/noise", h5py.SoftLink("/identity")),
}
