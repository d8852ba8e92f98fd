"""Job files and run directories full of nonsense: one short printable line a problem, exit code 2, no traceback."""

import dataclasses
import importlib
import json
import os
import random
from pathlib import Path

import pytest

from bdg import cli
from bdg.base.errors import JobError
from bdg.cli import main
from bdg.jobs import job as config
from bdg.jobs import kinds
from bdg.jobs.folder.store import RunFolder
from bdg.jobs.job import parse_job
from bdg.jobs.model.schema import Key

ROOT = Path(__file__).resolve().parents[3]
JOBS = {path.stem: path.read_text() for path in sorted((ROOT / "runs").glob("*.toml"))}
TINY = "[job]\nkind = 'tiny'\n[system]\nx_nm = {}\n"
NINES = "9" * 400
NONSENSE = [
    *("1e308", "-1e308", "1e-308", "5e-324", "nan", "inf", "-inf", "1e400", "0", "-1", "1e30", "1e19", "1e100", "2.5"),
    *("1" + "0" * 400, "9" * 5000, "0x" + "f" * 9000, "9223372036854775807", "9223372036854775808"),
    *("[]", "[[]]", "[[[1]]]", "{}", "{a = 1}", "[nan, nan]", '[1, "a"]', "[1, [2]]", "[true]", "[{range = [0, 2]}]"),
    *("[1e308, 1e-308]", "[1e308, 1e308, 1e308]", "[1e-308, 1e-308, 1e-308]", "[0]", "[1, 2, 3, 4, 5, 6]"),
    *("{range = [0, 1000000000000]}", f"{{range = [0, {NINES}]}}", f"{{range = [{NINES}, {NINES}9]}}", "{range = []}"),
    *("{linspace = [0, 1, 1000000000000]}", f"{{linspace = [0, 1, {NINES}]}}", f"{{linspace = [{NINES}, 1, 5]}}"),
    *("{linspace = [-1.7e308, 1.7e308, 5]}", "{linspace = [0, 1e-320, 5]}", "{linspace = 3}", "{linspace = [1, 1, 5]}"),
    *("true", '"x"', '""', '"' + "x" * 5000 + '"', '"\\u0000"', '"\\u001b[31m"', "1979-05-27", "07:32:00"),
    *("[" * 3000 + "]" * 3000, "[" * 80 + "]" * 80, "{a = " * 3000 + "1" + "}" * 3000, f"[0x{'f' * 9000}]"),
]
LINES = ["{key} = 1\n{key} = 2", "x" * 5000 + " = 1", '"{key}\\n\\u001b" = 1', "{key}.a.b = 1", "{key}", "{key} ="]
SECTIONS = ["[[system]]", "[job.kind]", "[system.x]", '[""]', "[job]", "[" + "a." * 3000 + "a]", "[", "[a\x00b]"]


@pytest.fixture(autouse=True)
def tiny(monkeypatch):
    monkeypatch.syspath_prepend(str(ROOT / "tests" / "helpers"))
    monkeypatch.setattr(kinds, "_REGISTERED", {})
    kinds.register(importlib.import_module("tiny_kind").KIND)


@pytest.fixture
def nothing_runs(monkeypatch):
    """What gets past the checks is not computed here: exit code 1."""

    def ran(*args, **kwargs):
        raise RuntimeError("it would run")

    monkeypatch.setattr(cli, "run_job", ran)


def mutated(text: str, rng: random.Random) -> str:
    lines = text.splitlines()
    keys = [place for place, line in enumerate(lines) if "=" in line and not line.startswith("#")]
    for place in rng.sample(keys, rng.choice([1, 1, 2, 3])):
        key = lines[place].split("=")[0].strip()
        if rng.random() < 0.75:
            lines[place] = f"{key} = {rng.choice(NONSENSE)}"
        else:
            lines[place] = rng.choice(LINES).format(key=key)
    if rng.random() < 0.1:
        lines[rng.choice([n for n, line in enumerate(lines) if line.startswith("[")])] = rng.choice(SECTIONS)
    return "\n".join(lines)


def check_words(said: str, code: int) -> None:
    """One short printable line a problem."""
    assert code == 2 or (code, said) == (1, "bdg: it would run\n")
    lines = said.splitlines()
    assert lines and all(line.isprintable() and len(line) < 600 for line in lines), said[:2000]
    assert "Traceback" not in said


@pytest.mark.parametrize("seed", range(12))
def test_mutated_jobs(seed, tmp_path, nothing_runs, capsys):
    """25 files a seed; every eighth of these used to end in a traceback."""
    rng = random.Random(seed)
    for _ in range(25):
        text = mutated(JOBS[rng.choice(sorted(JOBS))], rng).encode()
        if rng.random() < 0.05:
            place = rng.randrange(len(text))
            text = text[:place] + bytes([rng.choice([0, 255, 0xC3, 13])]) + text[place + 1 :]
        (tmp_path / "job.toml").write_bytes(text)
        code = main(["run", str(tmp_path / "job.toml")])
        check_words(capsys.readouterr().err, code)


@pytest.mark.parametrize("seed", range(4))
def test_nonsense_from_the_command_line(seed, tmp_path, nothing_runs, capsys):
    rng = random.Random(100 + seed)
    for _ in range(20):
        name = rng.choice(sorted(JOBS))
        key = rng.choice([line.split("=")[0].strip() for line in JOBS[name].splitlines() if " = " in line])
        code = main(["run", str(ROOT / "runs" / f"{name}.toml"), "--set", f"{key}={rng.choice(NONSENSE)}"])
        check_words(capsys.readouterr().err, code)


@pytest.mark.parametrize(
    ("value", "words"),
    [
        ("1e308", "[system] x_nm: must be at most 1e+40, whatever its sign; got 1e+308"),
        ("0x" + "f" * 9000, "[system] x_nm: must be at most 9.2e+18; got a number of 10837 digits"),
        ("1" * 5000, "not valid TOML: Exceeds the limit"),
        ("[" * 3000 + "]" * 3000, "lists or tables are nested too deeply; a value is a number, a text, or a list"),
        ("{range = [0, 1000000000000]}", "1000000000000 values; at most 100000 points are run in one job"),
        (f"{{range = [0, {NINES}]}}", "range must be [a, b] or [a, b, step] with whole numbers"),
        ("{linspace = [0, 1, 1000000000000]}", "1000000000000 values; at most 100000"),
        (f"{{linspace = [{NINES}, 1, 5]}}", "linspace must be [a, b, n] with numbers a, b"),
        ("1\nx_nm = 2", "not valid TOML: Cannot overwrite a value"),
        ("1\n" + "y" * 5000 + " = 3", "[system] " + "y" * 57 + "...: unknown key"),
        ('1\n"a\\u001bb" = 3', "[system] a\\x1bb: unknown key"),
    ],
)
def test_the_words(value, words):
    with pytest.raises(JobError) as refused:
        parse_job(TINY.format(value).encode(), "job.toml", "job")
    (line,) = refused.value.problems
    assert words in line and line.startswith("job.toml: ")


@pytest.mark.parametrize("value", ["1e308", "1e19", "9.3e18", "1e30", "-1e30"])
def test_whole_numbers_given_as_floats_are_no_larger_than_others(value):
    with pytest.raises(ValueError, match=r"must be at most 9.2e\+18; got"):
        Key("superconductor_sites", "int", "").clean(float(value))
    assert Key("superconductor_sites", "int", "").clean(9e18) == 9 * 10**18


def test_sns_of_1e308_sites():
    text = JOBS["sns"].replace("superconductor_sites = 1000 ", "superconductor_sites = 1e308 ")
    with pytest.raises(JobError, match=r"\[system\] superconductor_sites: must be at most 9.2e\+18; got 1e\+308"):
        parse_job(text.encode(), "sns.toml", "sns")


def test_ranges_count_in_steps():
    for numbers, expected in {"0, 7, 3": [0, 3, 6], "5, 0, -2": [5, 3, 1], "0, 6, 3": [0, 3]}.items():
        text = TINY.format("1") + f"seed = {{range = [{numbers}]}}"
        points = parse_job(text.encode(), "job.toml", "job").points
        assert [point.parameters["system"]["seed"] for point in points] == expected


def test_rules_that_cannot_be_computed_are_a_problem():
    """A rule of a kind that divides by zero is one line, not a traceback."""
    kinds.register(
        dataclasses.replace(kinds.get_kind("tiny"), check=lambda parameters: [("system", "x_nm", f"{1 / 0}")])
    )
    with pytest.raises(
        JobError, match=r"job.toml: \[system\]: these numbers cannot be computed with \(division by zero"
    ):
        parse_job(TINY.format(1).encode(), "job.toml", "job")


@pytest.mark.parametrize("command", ["run", "estimate"])
def test_files_that_are_none(command, tmp_path, capsys):
    (tmp_path / "long.toml").write_bytes(b"#" * (config.LONGEST + 1))
    (tmp_path / "latin.toml").write_bytes(b"[job]\n# \xe9\n")
    for path in (tmp_path, tmp_path / "no.toml", "x" * 5000, "a\0b", tmp_path / "long.toml", tmp_path / "latin.toml",
                 "/dev/zero"):  # fmt: skip
        assert main([command, str(path)]) == 2
        check_words(capsys.readouterr().err.replace("x" * 1000, ""), 2)


@pytest.mark.parametrize("name", ["x" * 5000, "x" * 201])
def test_a_name_that_no_file_system_takes(name, tmp_path, capsys):
    (tmp_path / "job.toml").write_text(f"[job]\nkind = 'tiny'\nname = '{name}'\n[system]\nx_nm = 1\n")
    assert main(["run", str(tmp_path / "job.toml")]) == 2
    assert (
        f"[job] name: must have at most 200 characters (it names a folder); got {len(name)}" in capsys.readouterr().err
    )


@pytest.mark.parametrize("place", ["y" * 5000, "a\0b", "/dev/null/run", "/proc/run"])
def test_places_that_are_no_folders(place, tmp_path, capsys):
    (tmp_path / "job.toml").write_text(TINY.format(1))
    assert main(["run", str(tmp_path / "job.toml"), "--out", place]) == 2
    check_words(capsys.readouterr().err, 2)
    for command in ("status", "plot"):
        assert main([command, place]) == 2
        check_words(capsys.readouterr().err.replace("y" * 5000, "y"), 2)


RECORDS = {
    "nothing": None, "a list": [], "a number": 3, "no points": {"points": None}, "a point": {"points": [3]},
    "no digest": {"points": [{"label": "", "parameters": {}}]},
    "a path": {"points": [{"label": "", "parameters": {}, "digest": "../../secret"}]},
    "flat parameters": {"points": [{"label": "", "parameters": {"system": 3}, "digest": "0" * 24}]},
    "label": {"points": [{"label": 3, "parameters": {}, "digest": "0" * 24}]},
    "half a character": {"points": [{"label": "\ud800", "parameters": {}, "digest": "0" * 24}]},
    "half a name": {"name": "\udcff"},
    "kind": {"kind": ["tiny"]}, "name": {"name": 3}, "identity": {"identity": None}, "failed": {"failed": ["x"]},
    "why": {"failed": {"x": 3}}, "version": {"format_version": "1"}, "version true": {"format_version": True},
    "output": {"output": 3}, "resolved": {"resolved": []},
}  # fmt: skip


@pytest.mark.parametrize("case", [*RECORDS, "deep", "cut", "bytes", "pipe"])
def test_a_run_json_of_another_form(case, tmp_path, capsys):
    folder = RunFolder(tmp_path / "run")
    job = parse_job(TINY.format(1).encode(), "job.toml", "job")
    with folder.locked():
        folder.claim(job)
    whole = folder.read_record()
    path = folder.path / "run.json"
    change = RECORDS.get(case)
    texts = {"deep": b"[" * 100_000, "cut": path.read_bytes()[:100], "bytes": b"\xff\xfe\x00"}
    if case == "pipe":  # nobody writes into it: reading would wait for ever
        path.unlink()
        os.mkfifo(path)
    else:
        content = json.dumps({**whole, **change} if isinstance(change, dict) else change).encode()
        path.write_bytes(texts.get(case) or content)
    for command in ("status", "plot"):
        assert main([command, str(folder.path)]) == 2
        said = capsys.readouterr().err
        check_words(said, 2)
        assert "run.json: damaged (" in said and "delete it and run the job again: the points are kept" in said
