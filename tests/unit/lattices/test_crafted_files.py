"""Files with a valid checksum that this package did not write end in a `ResultFileError`, never in anything else.

They are loaded in a child process with 2 GiB of memory: what once crashed would crash there, and what takes memory for
a claim has none.
"""

import importlib
import os
import subprocess
import sys
from pathlib import Path

import h5py
import numpy as np
import pytest

import bdg
from bdg.jobs import kinds
from bdg.jobs.folder.store import RunFolder
from bdg.jobs.job import parse_job
from bdg.lattices.storage import ResultFileError, read_file
from bdg.lattices.system import Lead, System

ROOT = Path(__file__).resolve().parents[3]
LOAD_ALL = """
import pathlib, resource, sys
import bdg, bdg.jobs.model.results
resource.setrlimit(resource.RLIMIT_AS, (2**31 + 2**30, 2**31 + 2**30))
load = bdg.lattices.load if sys.argv[2] == "system" else bdg.load
for path in sorted(pathlib.Path(sys.argv[1]).glob("*.h5")):
    try:
        load(path)
        print(f"{path.stem}\\tloaded", flush=True)
    except bdg.ResultFileError as error:
        lines = str(error).splitlines()
        named = len(lines) == 1 and lines[0].startswith(f"{path}: ") and lines[0].isprintable()
        print(f"{path.stem}\\t{'refused' if named else f'refused, but: {lines}'}", flush=True)
    except BaseException as error:
        print(f"{path.stem}\\t{type(error).__name__}: {error}"[:300].replace("\\n", " "), flush=True)
"""


@pytest.fixture(scope="module")
def crafted():
    sys.path.insert(0, str(ROOT / "tests" / "helpers"))
    try:
        yield importlib.import_module("crafted_files")
    finally:
        sys.path.pop(0)


@pytest.fixture
def tiny(monkeypatch, crafted):
    monkeypatch.setattr(kinds, "_REGISTERED", {})
    kinds.register(importlib.import_module("tiny_kind").KIND)


def chain(**fields):
    hopping = -np.ones(5)
    pairing = np.zeros((6, 6))
    pairing[0, 1] = pairing[1, 0] = 0.1
    return System(
        hamiltonian=np.diag(hopping, 1) + np.diag(hopping, -1),
        positions=np.arange(6.0)[:, None],
        delta=0.3,
        pairing=pairing,
        info={"seed": 3, "centres": np.zeros((2, 1))},
        **fields,
    )


def verdicts(folder, what="result"):
    """Return what a child process says of every file of a folder."""
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    command = [sys.executable, "-c", LOAD_ALL, str(folder), what]
    answer = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=300)
    found = dict(line.split("\t") for line in answer.stdout.splitlines())
    found["exit code"] = answer.returncode
    return found


def refuse_all(crafted, folder, *kinds, what="result"):
    """Craft a file a change, beside the good ones, and see that only those are loaded; ``kinds``: (good, changes)."""
    folder.mkdir()
    expected = {"exit code": 0}
    for good, changes in kinds:
        crafted.craft(good, folder / f"{good.stem}, a good one.h5", lambda file: None)
        expected[f"{good.stem}, a good one"] = "loaded"
        for name, change in changes.items():
            crafted.craft(good, folder / f"{good.stem}, {name}.h5", change)
            expected[f"{good.stem}, {name}"] = "refused"
    found = verdicts(folder, what)
    assert {name: verdict for name, verdict in found.items() if expected.get(name) != verdict} == {}
    assert found.keys() == expected.keys()


def test_systems(crafted, tmp_path):
    lead = Lead(np.zeros((1, 1)), -np.ones((1, 1)), np.array([0]))
    chain(leads=(lead,)).save(tmp_path / "good.h5")
    assert len(crafted.SYSTEM) > 100
    refuse_all(crafted, tmp_path / "crafted", (tmp_path / "good.h5", crafted.SYSTEM), what="system")


def test_bound_states(crafted, tmp_path):
    bdg.bound_states(chain(), 4).save(tmp_path / "good.h5")
    refuse_all(crafted, tmp_path / "crafted", (tmp_path / "good.h5", crafted.STATES))


def test_gaps_and_amplitudes(crafted, tmp_path):
    system = bdg.lattices.from_hamiltonian(
        np.diag(-np.ones(5), 1) + np.diag(-np.ones(5), -1), np.arange(6.0)[:, None], delta=0.3, attraction=2.0
    )
    bdg.solve_gap(system, 0.05).save(tmp_path / "gap.h5")
    bdg.pair_amplitude(system, 0.05).save(tmp_path / "amplitude.h5")
    kinds_of_files = (tmp_path / "gap.h5", crafted.GAP), (tmp_path / "amplitude.h5", crafted.AMPLITUDE)
    refuse_all(crafted, tmp_path / "crafted", *kinds_of_files)


@pytest.fixture
def run(tmp_path, tiny):
    """A finished run of two points."""
    folder = RunFolder(tmp_path / "run")
    job = parse_job(b"[job]\nkind = 'tiny'\n[system]\nx_nm = [1, 2]\n", "job.toml", "job")
    with folder.locked():
        folder.claim(job)
        for point in job.points:
            folder.write_point(point, "tiny", job.kind.compute(point.parameters, "cpu"), 0.5, "cpu", {"versions": {}})
    return folder, job


def test_points_and_results(crafted, run, tmp_path):
    folder, job = run
    folder.write_results(folder.collect())
    point = folder.point_path(job.points[0].digest)
    refuse_all(crafted, tmp_path / "crafted", (point, crafted.POINT), (folder.results, crafted.RESULTS))


def test_a_crafted_point_is_damaged_and_set_aside(crafted, run):
    folder, job = run
    path = folder.point_path(job.points[1].digest)
    whole = path.read_bytes()
    for change in crafted.POINT.values():
        path.write_bytes(whole)
        with h5py.File(path, "r+") as file:
            change(file)
        crafted.sign(path)
        survey = folder.survey(job.points)
        assert list(survey.damaged) == [job.points[1].digest] and len(survey.done) == 1
    assert folder.set_aside(job.points[1].digest).exists()


def test_the_first_line_and_the_attribute_must_agree(crafted, tmp_path):
    chain().save(tmp_path / "good.h5")
    for version in ("0", "01x", "2", "9" * 300):
        path = crafted.craft(tmp_path / "good.h5", tmp_path / "crafted.h5", lambda file: None)
        crafted.sign(path, version)
        with pytest.raises(ResultFileError, match="format version|first line"):
            bdg.lattices.load(path)


def test_a_text_that_claims_more_than_the_file_is_not_read(crafted, tmp_path):
    chain().save(tmp_path / "good.h5")
    with h5py.File(tmp_path / "good.h5") as file:
        place = file["norbs"].id.get_offset()
    data = bytearray((tmp_path / "good.h5").read_bytes())
    data[place : place + 4] = b"\xf0\xff\xff\xff"
    (tmp_path / "long.h5").write_bytes(bytes(data))
    crafted.sign(tmp_path / "long.h5")
    with pytest.raises(ResultFileError, match="long.h5: .*norbs.*claims 429496.* bytes of a file of"):
        bdg.lattices.load(tmp_path / "long.h5")


def test_the_refusal_names_file_dataset_and_rule(crafted, tmp_path):
    chain().save(tmp_path / "good.h5")
    for change, words in {
        crafted.SYSTEM["column too large"]: "hamiltonian/indices: must be columns from 0 to 5",
        crafted.SYSTEM["external storage"]: "delta: must lie in one plain block of this file",
        crafted.SYSTEM["external link"]: "delta: is a link to another place or another file",
        crafted.SYSTEM["claims much, in one"]: "delta: claims 8000000000 bytes that are not in the file",
        crafted.SYSTEM["deep"]: "info/seed: cannot be read .it is nested too deeply",
        crafted.SYSTEM["period long"]: "period must be 1 box lengths, null where the axis is open; got .None, None.",
        crafted.SYSTEM["shared"]: "a system has no shared",
    }.items():
        crafted.craft(tmp_path / "good.h5", tmp_path / "crafted.h5", change)
        with pytest.raises(ResultFileError, match=rf"crafted\.h5: .*{words}"):
            bdg.load(tmp_path / "crafted.h5")


def test_every_kind_of_value_still_comes_back_in_native_order(crafted, tmp_path):
    """A machine of the other byte order writes the same numbers."""
    chain().save(tmp_path / "good.h5")
    swapped = crafted.value("positions", np.arange(6.0)[:, None].astype(">f8"))
    crafted.craft(tmp_path / "good.h5", tmp_path / "swapped.h5", swapped)
    system = bdg.lattices.load(tmp_path / "swapped.h5")
    assert system.positions.dtype.isnative and system.positions[5, 0] == 5.0


def test_a_file_that_is_none(tmp_path):
    with pytest.raises(ResultFileError, match="no run directory of bdg .* give a run directory, or a file"):
        bdg.load(tmp_path)
    with pytest.raises(ResultFileError, match="no such file"):
        bdg.load(tmp_path / "missing.h5")
    for path in ("x" * 5000, "a\0b"):
        with pytest.raises(ResultFileError):
            read_file(path)


def test_texts_that_do_not_add_up_are_not_walked_through(crafted, tmp_path):
    """A free object of length 0 in a heap of texts: HDF5 2.0 never came back."""
    chain().save(tmp_path / "good.h5")
    whole = (tmp_path / "good.h5").read_bytes()
    heap = whole.index(b"GCOL\x01\0\0\0")
    first = heap + 16
    for place, content in {
        first: b"\0\0" + bytes(14),  # the free rest, 0 bytes long
        first + 8: b"\xff" * 8,  # longer than the heap
        heap + 8: b"\xff" * 7 + b"\x7f",  # a heap longer than the file
        heap + 9: b"\x08",  # and one that ends inside an object
    }.items():
        damaged = bytearray(whole)
        damaged[place : place + len(content)] = content
        (tmp_path / "heap.h5").write_bytes(bytes(damaged))
        crafted.sign(tmp_path / "heap.h5")
        with pytest.raises(ResultFileError, match="heap.h5: cannot be read, truncated or damaged"):
            bdg.lattices.load(tmp_path / "heap.h5")
