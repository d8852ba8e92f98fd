"""Job files: what is refused and in which words, how sweeps unfold, and what a digest covers."""

import hashlib
import importlib
import json
from pathlib import Path

import numpy as np
import pytest

from bdg.base.errors import JobError
from bdg.jobs import kinds
from bdg.jobs.job import differences, load_job, parse_job, resolved_plain
from bdg.jobs.kinds.shared.keys import phase_key
from bdg.jobs.model import kind as model_kind
from bdg.jobs.model.schema import Key, nearest_name

ROOT = Path(__file__).resolve().parents[3]
KINDS = ", ".join(sorted([*kinds.kind_names(), "tiny"]))
COMPOSITE = (ROOT / "runs" / "composite.toml").read_text()


@pytest.fixture(autouse=True)
def tiny(monkeypatch):
    monkeypatch.syspath_prepend(str(ROOT / "tests" / "helpers"))
    monkeypatch.setattr(kinds, "_REGISTERED", {})
    kind = importlib.import_module("tiny_kind").KIND
    kinds.register(kind)
    return kind


def parse(text, *overrides):
    return parse_job(text.encode(), "job.toml", "job", overrides)


def problems(text, *overrides):
    with pytest.raises(JobError) as caught:
        parse(text, *overrides)
    assert isinstance(caught.value, ValueError)
    assert all("\n" not in line for line in caught.value.problems)
    return list(caught.value.problems)


def tiny_job(system="x_nm = 1", compute="", output="", job='kind = "tiny"'):
    return f"[job]\n{job}\n[system]\n{system}\n[compute]\n{compute}\n[output]\n{output}\n"


@pytest.mark.parametrize(
    ("before", "after", "line"),
    [
        # a wrong key, a wrong unit, no unit, the wrong case
        ("\ntemperature_K =", "\ntemprature_K =", "[compute] temprature_K: unknown key; did you mean temperature_K?"),
        (
            "\ntemperature_K =",
            "\ntemperature_mK =",
            "[compute] temperature_mK: wrong unit; did you mean temperature_K?",
        ),
        ("\ntemperature_K =", "\ntemperature =", "[compute] temperature: unknown key; did you mean temperature_K?"),
        ("\ntemperature_K =", "\ntemperature_k =", "[compute] temperature_k: unknown key; did you mean temperature_K?"),
        ("size_nm =", "size_um =", "[system] size_um: wrong unit; did you mean size_nm?"),
        ("density_m3 =", "density_cm3 =", "[system] density_cm3: wrong unit; did you mean density_m3?"),
        ("delta_meV =", "delta =", "[system] delta: unknown key; did you mean delta_meV?"),
        (
            "states = 64",
            "banana = 64",
            "[compute] banana: unknown key; [compute] knows temperature_K, states, sample_sites, slice, tolerance",
        ),
        (
            "mass = 0.46",
            "temperature_K = 4",
            "[system] temperature_K: unknown key in this section; did you mean temperature_K in [compute]?",
        ),
        # wrong types
        (
            "spacing_nm = 2.4 ",
            'spacing_nm = "2.4 nm"',
            "[system] spacing_nm: must be a number in nm (the unit stands in the key); got the text '2.4 nm'",
        ),
        ("periodic = false", "periodic = 0", "[system] periodic: must be true or false; got 0"),
        ("states = 64", "states = 64.5", "[compute] states: must be a whole number; got 64.5"),
        ("states = 64", "states = true", "[compute] states: must be a whole number; got true"),
        ("[48, 48, 48]", "[48, 48]", "[system] size_nm: must have 3 numbers; got 2"),
        ("[48, 48, 48]", "48", "[system] size_nm: must be a list of 3 numbers; got 48"),
        # bounds
        ("spacing_nm = 2.4", "spacing_nm = -2.4", "[system] spacing_nm: must be > 0; got -2.4"),
        ("tolerance = 1e-5", "tolerance = 0.5", "[compute] tolerance: must be <= 0.1; got 0.5"),
        ("transparency = 1 ", "transparency = 1.5 ", "[system] transparency: must be <= 1; got 1.5"),
        ("mass = 0.46", "mass = nan", "[system] mass: must be finite; got nan"),
        # missing
        ("spacing_nm = 2.4", "", "[system] spacing_nm: missing; lattice constant"),
        ('kind = "composite"', "", "[job] kind: missing"),
        (
            'kind = "composite"',
            'kind = "compsite"',
            f"[job] kind: must be one of {KINDS}; got 'compsite'; did you mean composite?",
        ),
        ('kind = "composite"', "kind = 3", '[job] kind: must be a text such as kind = "composite"'),
        ("[compute]", "[comptue]", "[comptue]: unknown section; did you mean compute?"),
        # rules between keys
        (
            "b2o3_to_sio2 = 0.35",
            "b2o3_to_sio2 = 0.35\nvolume_fraction = 0.1",
            "[system] volume_fraction: give either b2o3_to_sio2 or volume_fraction, not both",
        ),
        (
            "[4.2, 10, 19, 30]",
            "[4.2, 37]",
            "[compute] temperature_K: must be below critical_temperature_K = 37; got 37",
        ),
        ("[15, 20]", "[20, 15]", "[system] diameter_nm: must be [low, high]; got [20.0, 15.0]"),
        ("states = 64", "states = 20000", "[compute] states: must be at most 16000, the dimension of H"),
        # sweeps
        ("{ range = [0, 4] }", "{ range = [2, 2] }", "[system] seed: an empty list of values"),
        (
            "{ range = [0, 4] }",
            "{ rnge = [0, 2] }",
            "[system] seed: a table must be a sweep, {linspace = [a, b, n]} or {range = [a, b]}; got {rnge}",
        ),
        (
            "{ range = [0, 4] }",
            "{ range = [0, 2.5] }",
            "[system] seed: range must be [a, b] or [a, b, step] with whole numbers; got [0, 2.5]",
        ),
        ("[4.2, 10, 19, 30]", "[4.2, 4.2]", "[compute] temperature_K: the value 4.2 is given twice"),
        ("[4.2, 10, 19, 30]", "[4.2, -1]", "[compute] temperature_K: must be > 0; got -1"),
        ("figures = true", "figures = [true, false]", "[output] figures: must be true or false; got [True, False]"),
    ],
)
def test_a_bad_job_is_refused_in_one_line_that_names_the_cure(before, after, line):
    assert before in COMPOSITE
    found = problems(COMPOSITE.replace(before, after, 1))
    assert f"job.toml: {line}" in found
    # a section under a wrong name leaves its own keys missing; everything else is one slip, one line
    assert len(found) == 1 or "[comptue]" in line


def test_the_density_that_fills_the_band_is_refused_with_the_spacing_that_would_do():
    (line,) = problems(COMPOSITE.replace("5e24", "5e27"))
    assert line.startswith("job.toml: [system] density_m3: ")
    assert "spacing_nm must be below 0.7368" in line  # (2/n)^(1/3)


def test_all_problems_are_found_at_once():
    text = COMPOSITE.replace("mass =", "mas =").replace("states = 64", 'states = "all"').replace("[output]", "[outptu]")
    assert problems(text) == [
        "job.toml: [system] mas: unknown key; did you mean mass?",
        "job.toml: [compute] states: must be a whole number; got the text 'all'",
        "job.toml: [outptu]: unknown section; did you mean output?",
    ]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("[job\n", "job.toml: not valid TOML: "),
        ("[job]\nkind = \n", "(at line 2, column 8)"),
        ("[system]\nx_nm = 1\n", "job.toml: [job]: this section is missing; it names the kind"),
        ("[jobs]\nkind = 'tiny'\n", "did you mean [job] by [jobs]?"),
        ("temperature_K = 4\n" + tiny_job(), "job.toml: temperature_K: a key outside any section; it belongs below"),
        ("compute = 3\n[job]\nkind = 'tiny'\n[system]\nx_nm = 1", "job.toml: [compute]: must be a section of keys"),
        (tiny_job(job='kind = "tiny"\nname = "../x"'), "job.toml: [job] name: must be letters, digits"),
        (
            tiny_job(compute='action = "rise"'),
            "must be one of none, raise, die, die_once, warn, impatient; got 'rise'; did you mean raise?",
        ),
        (tiny_job(compute="action = {range = [0, 2]}"), "is no number, so its sweep must be a list of values"),
        (tiny_job("x_nm = {linspace = [1, 2, 1]}"), "linspace must be [a, b, n] with numbers a, b and a whole number"),
        (tiny_job("x_nm = 1\nseed = {range = [0, 8, 0]}"), "range must have a step other than 0"),
        (tiny_job("x_nm = 1\nseed = {range = [0, 200000]}"), "200000 values; at most 100000 points"),
        (
            tiny_job("x_nm = {linspace = [1, 2, 1000]}\nseed = {range = [0, 1000]}"),
            "job.toml: the sweeps multiply to 1000000 points; at most 100000",
        ),
        (tiny_job("x_nm = [1, {range = [0, 3]}]"), "a list of values must not hold tables"),
        (tiny_job("x_nm = [12, 13]"), "job.toml: [system] x_nm: must not be 13"),
    ],
)
def test_other_bad_texts(text, expected):
    found = problems(text)
    assert len(found) == 1
    assert expected in found[0]


def test_unreadable_files(tmp_path):
    with pytest.raises(JobError, match=r"none\.toml: cannot be read \(No such file or directory\)"):
        load_job(tmp_path / "none.toml")
    with pytest.raises(JobError, match="cannot be read"):
        load_job(tmp_path)
    (tmp_path / "latin.toml").write_bytes(b"[job]\n# \xe9\n")
    with pytest.raises(JobError, match="not a TOML file: byte 8 is not UTF-8 text"):
        load_job(tmp_path / "latin.toml")


def test_sweeps_unfold_to_the_product_in_the_order_of_the_schema():
    job = parse(tiny_job("seed = {range = [3, 9, 2]}\nx_nm = [2, 1]", "temperature_K = {linspace = [1, 2, 3]}"))
    found = [
        (p.parameters["system"]["x_nm"], p.parameters["system"]["seed"], p.parameters["compute"]["temperature_K"])
        for p in job.points
    ]
    assert found == [(x, seed, T) for x in (2.0, 1.0) for seed in (3, 5, 7) for T in (1.0, 1.5, 2.0)]
    assert job.points[1].label == "x_nm=2, seed=3, temperature_K=1.5"
    assert len({p.digest for p in job.points}) == 18


def test_keys_that_are_lists_sweep_by_lists_of_lists():
    assert [p.parameters["system"]["box_nm"] for p in parse(tiny_job("x_nm = 1\nbox_nm = [3, 4]")).points] == [[3, 4]]
    job = parse(tiny_job("x_nm = 1\nbox_nm = [[3, 4], 5]"))
    assert [p.parameters["system"]["box_nm"] for p in job.points] == [[3, 4], [5]]
    assert job.points[0].label == "box_nm=[3, 4]"


def test_defaults_are_filled_in_and_types_are_settled():
    (point,) = parse(tiny_job("x_nm = 1\nseed = 2.0")).points
    assert point.parameters == {
        "system": {"x_nm": 1.0, "box_nm": [1.0, 2.0], "seed": 2},
        "compute": {"temperature_K": 4.2, "seconds": 0.0, "length": 5, "action": "none", "patience": 5},
    }
    assert isinstance(point.parameters["system"]["x_nm"], float)
    assert isinstance(point.parameters["system"]["seed"], int)
    assert point.label == "the only point"


def test_the_digest_is_the_sha256_of_kind_and_parameters_alone():
    (point,) = parse(tiny_job()).points
    compute = {name: value for name, value in point.parameters["compute"].items() if name != "patience"}  # effort
    parameters = {**point.parameters, "compute": compute}
    text = json.dumps({"kind": "tiny", "parameters": parameters, "version": 1}, sort_keys=True, separators=(",", ":"))
    assert point.digest == hashlib.sha256(text.encode()).hexdigest()[:24]

    same = tiny_job("seed = 0\nx_nm = 1.0", "temperature_K = 4.2", "figures = false", 'kind = "tiny"\nname = "other"')
    renamed = parse_job(same.encode(), "elsewhere.toml", "elsewhere")
    assert (renamed.points[0].digest, renamed.identity) == (point.digest, parse(tiny_job()).identity)
    for other in ("x_nm = 1.0000000000000002", "x_nm = 1\nseed = 1", "x_nm = 1\nbox_nm = [1, 3]"):
        assert parse(tiny_job(other)).points[0].digest != point.digest


@pytest.mark.parametrize(
    ("name", "identity", "first"),
    [  # of the version before keys of effort were left out: run directories of then are still those of these jobs
        ("composite", "ae132edc944bafbb032aaec8", "984ffc986fdb6935440b0810"),
        ("gap", "48e2e305286da48cbe9539b9", "0a1842632baefaadf598c101"),
        ("josephson", "f43f94320c0f94142fe535d2", "a4d9945345fb9be708b0905b"),
        ("stiffness", "3baba3823ed4d783825902ac", "3d28cf83d6a4d33225a2592f"),
    ],
)
def test_the_digests_of_shipped_jobs_stay(name, identity, first):
    job = load_job(ROOT / "runs" / f"{name}.toml")
    assert (job.identity, job.points[0].digest) == (identity, first)


def test_the_identity_of_a_job_covers_its_sweeps():
    one, two = parse(tiny_job("x_nm = [1, 2]")), parse(tiny_job("x_nm = [1, 3]\nseed = 4"))
    assert one.identity != two.identity
    assert differences(resolved_plain(one), resolved_plain(two)) == ["[system] seed", "[system] x_nm"]


def test_overrides_replace_keys():
    text = tiny_job("x_nm = [1, 2]", "temperature_K = 5")
    job = parse(text, "compute.temperature_K=[6, 7]", "x_nm = 3", 'action="warn"', "output.figures=false")
    assert [p.parameters["compute"]["temperature_K"] for p in job.points] == [6, 7]
    assert {p.parameters["system"]["x_nm"] for p in job.points} == {3}
    assert job.points[0].parameters["compute"]["action"] == "warn"
    assert job.output["figures"] is False
    assert job.overrides[0] == "compute.temperature_K=[6, 7]"
    assert job.text == text.encode()  # kept as given
    assert job.identity == parse(tiny_job("x_nm = 3", 'temperature_K = [6, 7]\naction = "warn"')).identity
    (point,) = parse(text, "x_nm=1", "compute.temperature_K=").points  # an empty value gives the default back
    assert point.parameters["compute"]["temperature_K"] == 4.2


@pytest.mark.parametrize(
    ("override", "expected"),
    [
        ("temperature=4", "--set temperature=4: temperature: unknown key; did you mean temperature_K?"),
        ("compute.temperature_mK=4", "--set compute.temperature_mK=4: [compute] temperature_mK: wrong unit; did you"),
        (
            "computer.temperature_K=4",
            "--set computer.temperature_K=4: [computer]: unknown section; did you mean compute?",
        ),
        ("x_nm=-4", "--set x_nm=-4: [system] x_nm: must be > 0; got -4"),
        ("action=warn", "--set action=warn: 'warn' is not a TOML value (a text needs quotes)"),
        ("x_nm", "--set x_nm: must be section.key=value"),
        ("x_nm=1\nseed=2", "more than one value"),
        ("job.kind='sns'", "the kind of a job cannot be set from outside"),
    ],
)
def test_a_bad_override_is_refused(override, expected):
    (line,) = problems(tiny_job(), override)
    assert expected in line


@pytest.mark.parametrize(
    "name", ["composite", "composite_fine", "dos", "josephson", "ldos", "loops", "sns", "stiffness"]
)
def test_the_shipped_jobs_are_valid(name):
    job = load_job(ROOT / "runs" / f"{name}.toml")
    assert (job.name, job.kind.name) == (name, name.removesuffix("_fine"))
    points = {"composite": 16, "composite_fine": 16, "dos": 18, "josephson": 8, "ldos": 4, "loops": 8, "sns": 123,
              "stiffness": 45}  # fmt: skip
    assert len(job.points) == points[name]
    for keys in job.kind.schema.values():
        for key in keys:
            assert key.doc and "\n" not in key.doc
    names = [key.name for keys in job.kind.schema.values() for key in keys]
    assert len(set(names)) == len(names)  # so that --set can do without the section


def test_a_composite_needs_only_its_geometry_and_temperature():
    text = "[job]\nkind='composite'\n[system]\nsize_nm=[24,24,24]\nspacing_nm=3\ndiameter_nm=15"
    text += "\n[compute]\ntemperature_K=9"
    keys = parse(text).points[0].parameters
    assert (keys["system"]["delta_meV"], keys["system"]["density_m3"], keys["compute"]["states"]) == (2.7, 5e24, 64)


def test_linspace_ends_exactly():
    job = parse(tiny_job("x_nm = 1", "temperature_K = {linspace = [0.1, 0.7, 7]}"))
    values = [p.parameters["compute"]["temperature_K"] for p in job.points]
    assert (values[0], values[-1]) == (0.1, 0.7)
    assert values == np.linspace(0.1, 0.7, 7).tolist()


def test_keys_know_their_units():
    assert Key("mobility_cm2_Vs", "float", "").unit == "cm2_Vs"
    assert (Key("states", "int", "").unit, Key("temperature_K", "float", "").unit) == ("", "K")
    assert nearest_name("mobility_m2_Vs", ["mobility_cm2_Vs", "mass"]) == "mobility_cm2_Vs"
    assert nearest_name("banana", ["mobility_cm2_Vs", "mass"]) is None


def test_an_unknown_kind_is_a_job_error():
    with pytest.raises(JobError, match=f"must be one of {KINDS}; got 'tinny'; did you mean tiny"):
        kinds.get_kind("tinny")


def test_an_observable_must_be_numbers():
    with pytest.raises(TypeError, match="an observable must be numbers; got dtype <U1"):
        model_kind.Observable("x", "1", "text")


@pytest.mark.parametrize(
    ("key", "value", "cure"),
    [
        (phase_key("a phase"), 90, r"must be <= 8; got 90\. Are these degrees\? 90 degrees are 0\.5 pi"),
        (phase_key("a phase"), -180.0, r"must be >= -8; got -180\.0\. Are these degrees\?"),
        (Key("volume_fraction", "float", "", above=0, most=0.3), 8, r"got 8\. Is it in percent\? 8 % is 0\.08"),
        (Key("volume_fraction", "float", "", above=0, most=0.3), 0.5, r"must be <= 0\.3; got 0\.5$"),
    ],
)
def test_a_number_of_another_unit_is_told_how_to_convert(key, value, cure):
    with pytest.raises(ValueError, match=cure):
        key.clean(value)
