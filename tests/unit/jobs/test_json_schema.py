"""The JSON schema of job files: what loads validates, what is broken does not."""

import copy
import json
import tomllib
from pathlib import Path

import jsonschema
import pytest

from bdg.cli import main
from bdg.jobs.job import JOB_KEYS, UNSWEPT, load_job
from bdg.jobs.kinds import get_kind, kind_names
from bdg.jobs.model.json_schema import json_schema

RUNS = Path(__file__).parents[3] / "runs"
FILES = sorted(path for path in RUNS.rglob("*.toml") if "out" not in path.relative_to(RUNS).parts)


def checker(kind):
    schema = json_schema(get_kind(kind), JOB_KEYS, UNSWEPT)
    jsonschema.Draft7Validator.check_schema(schema)
    return jsonschema.Draft7Validator(schema)


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(RUNS)))
def test_the_jobs_of_the_repository_validate(path):
    tables = tomllib.loads(path.read_text(encoding="utf-8"))
    checker(tables["job"]["kind"]).validate(tables)


@pytest.mark.parametrize("kind", kind_names())
def test_every_key_of_every_kind_is_described_with_its_default(kind):
    schema = checker(kind).schema
    for section, keys in get_kind(kind).schema.items():
        described = schema["properties"][section]["properties"]
        inside = {name.partition(".")[2] for name in get_kind(kind).open_sections if name.startswith(f"{section}.")}
        assert set(described) == {key.name for key in keys} | inside
        for key in keys:
            assert key.doc in described[key.name]["description"]
            if "default" in described[key.name]:
                jsonschema.Draft7Validator(described[key.name]).validate(described[key.name]["default"])


BOX = {"size_nm": [48, 48, 48.0], "spacing_nm": 2, "diameter_nm": 16}
GOOD = {
    "job": {"kind": "composite", "name": "grains"},
    "system": {**BOX, "seed": {"range": [0, 2]}},
    "compute": {"temperature_K": {"linspace": [1, 30, 4]}, "states": [8, 16]},
    "output": {"figures": True, "dpi": 150},
}
BROKEN = [
    ("job", {}),
    ("job", {"kind": "sns"}),
    ("job", {"kind": "composite", "nane": "grains"}),
    ("job", {"kind": "composite", "name": 3}),
    ("system", {}),
    ("system", {**BOX, "size_nm": 48}),
    ("system", {**BOX, "size_nm": [48, 48]}),
    ("system", {**BOX, "size_nm": [48, 48, 0]}),
    ("system", {**BOX, "size_nm": [[48, 48, 48], [48, 48]]}),
    ("system", {**BOX, "size_nm": []}),
    ("system", {**BOX, "seed": 0.5}),
    ("system", {**BOX, "seed": -1}),
    ("system", {**BOX, "seed": {"range": [0.5, 2]}}),
    ("system", {**BOX, "seed": [0, 0]}),
    ("compute", {"temperature_mK": 4200}),
    ("compute", {"temperature_K": "4.2"}),
    ("compute", {"temperature_K": {"linspace": [1, 30]}}),
    ("compute", {"temperature_K": {"linspace": [1, 30, 1]}}),
    ("compute", {"temperature_K": {"logspace": [1, 30, 4]}}),
    ("compute", {"temperature_K": 4.2, "states": 8.5}),
    ("output", {"dpi": 20}),
    ("output", {"figures": "yes"}),
    ("output", {"dpi": [150, 200]}),
    ("outputs", {"figures": True}),
]


def test_a_good_job_validates_and_loads(tmp_path):
    checker("composite").validate(GOOD)
    path = tmp_path / "job.toml"
    path.write_text(text_of(GOOD))
    assert len(load_job(path).points) == 2 * 4 * 2


@pytest.mark.parametrize(("section", "table"), BROKEN, ids=str)
def test_what_is_refused_does_not_validate(section, table, tmp_path):
    """The command refuses it as well."""
    tables = copy.deepcopy(GOOD) | {section: table}
    with pytest.raises(jsonschema.ValidationError):
        checker("composite").validate(tables)
    path = tmp_path / "job.toml"
    path.write_text(text_of(tables))
    assert main(["estimate", str(path)]) == 2


def text_of(tables):
    return "\n".join(f"[{name}]\n" + "\n".join(lines(keys)) for name, keys in tables.items())


def lines(table):
    for key, value in table.items():
        if isinstance(value, dict):
            yield f"{key} = {{" + ", ".join(lines(value)) + "}"
        else:
            yield f"{key} = {json.dumps(value)}"


def test_the_command_prints_it(capsys):
    assert main(["schema", "sns"]) == 0
    assert json.loads(capsys.readouterr().out)["properties"]["job"]["properties"]["kind"] == {
        "const": "sns",
        "description": "what is computed",
    }
    assert main(["schema", "snss"]) == 2
    assert "KIND must be one of" in (said := capsys.readouterr().err) and "did you mean sns?" in said
