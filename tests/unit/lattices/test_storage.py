"""Files come back as they were written, or say why not."""

import os
import stat

import h5py
import numpy as np
import pytest
import scipy.sparse as sp
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from bdg.lattices import storage
from bdg.lattices.storage import ResultFileError, read_file, write_file

CONTENT = {
    "matrix": sp.csr_matrix(np.diag([1.0, 0.0, 2.5j])),
    "array": np.linspace(0, 1, 50).reshape(5, 10),
    "empty": np.zeros((0, 3)),
    "flags": np.array([True, False]),
    "nothing": None,
    "text": "phi/2 = 0.3\n",
    "number": 0.1,
    "plain": {"list": [1, 2.5, "a", None, 1 - 0.1j], "nested": {"b": False}},
    "mixed": {"values": np.arange(4), "text": "x", "deeper": {"z": np.array([1j])}},
}


def same(first, second):
    if isinstance(first, dict):
        return first.keys() == second.keys() and all(same(first[key], second[key]) for key in first)
    if sp.issparse(first):
        return first.shape == second.shape and abs(first - second).max() == 0 and first.dtype == second.dtype
    if isinstance(first, np.ndarray):
        return first.dtype == second.dtype and first.shape == second.shape and first.tobytes() == second.tobytes()
    return first == second and type(first) is type(second)


@pytest.fixture
def path(tmp_path):
    return write_file(tmp_path / "file.h5", "Test", CONTENT, {"array": ("t", "levels"), "mixed/values": ("nm", "x")})


def test_everything_comes_back(path):
    kind, content = read_file(path)
    assert kind == "Test"
    assert same(CONTENT, content)


@given(
    array=hnp.arrays(
        st.sampled_from([np.float64, np.complex128, np.int64, np.int32, np.bool_, np.float32]),
        hnp.array_shapes(min_dims=0, min_side=0, max_dims=3, max_side=5),
    )
)
def test_any_array_comes_back_bit_by_bit(array, tmp_path_factory):
    path = tmp_path_factory.getbasetemp() / "array.h5"
    write_file(path, "Test", {"array": array})
    assert same(array, read_file(path, "Test")[1]["array"])


@given(
    value=st.recursive(
        st.none() | st.booleans() | st.integers(-(2**60), 2**60) | st.floats(allow_nan=False) | st.text(),
        lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
        max_leaves=8,
    )
)
def test_any_plain_value_comes_back(value, tmp_path_factory):
    path = tmp_path_factory.getbasetemp() / "value.h5"
    write_file(path, "Test", {"value": value})
    assert same(value, read_file(path)[1]["value"])


def test_keys_may_hold_any_text_beside_arrays(tmp_path):
    """HDF5 reads "/" as a folder and "." as this folder; neither may change what comes back."""
    content = {"values": {"T/Tc": np.arange(3), ".": np.ones(2), "plain": 1, "100 %": "x", "": np.zeros(1)}}
    write_file(tmp_path / "file.h5", "Test", content)
    assert same(content, read_file(tmp_path / "file.h5")[1])


@given(content=st.dictionaries(st.text(), hnp.arrays(np.int64, 2), min_size=1, max_size=4))
def test_any_name_comes_back(content, tmp_path_factory):
    path = tmp_path_factory.getbasetemp() / "names.h5"
    write_file(path, "Test", {"values": content, **content})
    found = read_file(path)[1]
    assert same({"values": content, **content}, found)


def test_numpy_scalars_tuples_and_paths_become_plain(tmp_path):
    write_file(
        tmp_path / "file.h5",
        "Test",
        {"a": np.float64(0.5), "b": (1, np.int32(2)), "c": tmp_path, "d": {"k": np.bool_(1)}, "e": np.complex128(2j)},
    )
    content = read_file(tmp_path / "file.h5")[1]
    assert content == {"a": 0.5, "b": [1, 2], "c": str(tmp_path), "d": {"k": True}, "e": 2j}


def test_files_describe_themselves(path):
    with h5py.File(path) as file:
        assert file.attrs["format"] == "bdg"
        assert file.attrs["format_version"] == storage.FORMAT_VERSION
        assert dict(file["array"].attrs) == {"encoding": "array", "unit": "t", "description": "levels"}
        assert file["mixed/values"].attrs["unit"] == "nm"
        missing = []
        file.visititems(
            lambda name, node: (
                missing.append(name)
                if isinstance(node, h5py.Dataset) and not {"unit", "description"} <= node.attrs.keys()
                else None
            )
        )
        assert missing == []


def test_what_cannot_be_stored_is_named_and_nothing_is_left_behind(tmp_path):
    target = tmp_path / "file.h5"
    write_file(target, "Test", {"a": 1})
    before = target.read_bytes()
    with pytest.raises(TypeError, match="broken: a value of type object cannot be stored"):
        write_file(target, "Test", {"fine": np.arange(3), "broken": object()})
    assert target.read_bytes() == before
    assert os.listdir(tmp_path) == ["file.h5"]


def test_an_interrupted_write_keeps_the_old_file(tmp_path, monkeypatch):
    target = tmp_path / "file.h5"
    write_file(target, "Test", {"a": 1})

    def killed(*args):
        raise KeyboardInterrupt

    monkeypatch.setattr(storage, "checksum", killed)
    with pytest.raises(KeyboardInterrupt):
        write_file(target, "Test", {"a": 2})
    monkeypatch.undo()
    assert read_file(target)[1] == {"a": 1}
    assert os.listdir(tmp_path) == ["file.h5"]


def test_files_are_as_readable_as_the_umask_allows(tmp_path):
    old = os.umask(0o027)
    try:
        path = write_file(tmp_path / "new folder" / "file.h5", "Test", {"a": 1})
    finally:
        os.umask(old)
    assert stat.S_IMODE(path.stat().st_mode) == 0o640


def test_the_same_content_gives_the_same_bytes(tmp_path):
    first, second = (write_file(tmp_path / name, "Test", CONTENT) for name in ("1.h5", "2.h5"))
    assert first.read_bytes() == second.read_bytes()


@pytest.mark.parametrize("fraction", [0.0, 0.1, 0.5, 0.9, 0.999])
def test_a_truncated_file_is_refused(path, fraction):
    whole = path.read_bytes()
    path.write_bytes(whole[: int(len(whole) * fraction)])
    with pytest.raises(ResultFileError, match="cannot be read, truncated or damaged"):
        read_file(path)


@pytest.mark.parametrize("step", [35, pytest.param(7, marks=pytest.mark.slow)])
def test_any_flipped_byte_is_noticed_or_harmless(path, step):
    """Every so many bytes: either an error of ours, or the content is untouched (unused bytes of the format)."""
    whole = path.read_bytes()
    refused = 0
    for position in range(0, len(whole), step):
        damaged = bytearray(whole)
        damaged[position] ^= 0x55
        path.write_bytes(bytes(damaged))
        try:
            kind, content = read_file(path)
        except ResultFileError:
            refused += 1
            continue
        assert kind == "Test"
        assert same(CONTENT, content)
    assert refused > 700 / step


def test_a_changed_value_is_noticed(path):
    with h5py.File(path, "r+") as file:
        file["array"][2, 3] += 1e-12
    with pytest.raises(ResultFileError, match="truncated or damaged: its checksum does not match its content"):
        read_file(path)


def test_a_changed_unit_is_noticed(path):
    with h5py.File(path, "r+") as file:
        file["array"].attrs["unit"] = "meV"
    with pytest.raises(ResultFileError, match="damaged"):
        read_file(path)


def test_a_newer_format_is_refused(tmp_path, monkeypatch):
    monkeypatch.setattr(storage, "FORMAT_VERSION", storage.FORMAT_VERSION + 1)
    path = write_file(tmp_path / "file.h5", "Test", CONTENT)
    monkeypatch.undo()
    with pytest.raises(ResultFileError, match="format version 2 is newer than this package reads.*Upgrade bdg"):
        read_file(path)


def test_another_kind_is_refused(path):
    with pytest.raises(ResultFileError, match="holds a Test, not a System"):
        read_file(path, "System")


def test_other_files_are_refused(tmp_path):
    with pytest.raises(ResultFileError, match="no such file"):
        read_file(tmp_path / "nothing.h5")
    (tmp_path / "text.h5").write_text("not HDF5")
    with pytest.raises(ResultFileError, match="cannot be read"):
        read_file(tmp_path / "text.h5")
    with h5py.File(tmp_path / "foreign.h5", "w") as file:
        file["x"] = 1
    with pytest.raises(ResultFileError, match="an HDF5 file, but not one of bdg"):
        read_file(tmp_path / "foreign.h5")
