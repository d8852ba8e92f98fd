"""The checks pass, the table is written, and a sign error in h, in D or in F fails a check that we can name."""

import json
import re
import sys
from dataclasses import replace

import numpy as np
import pytest
import scipy.sparse as sp

import bdg
from bdg import cli
from bdg.lattices import nambu
from bdg.validation import report
from bdg.validation.row import MUST_PASS, STATUSES

SMALLER = {  # constants for the same rows from smaller systems, or fewer rows; those of `bdg validate` are `slow` here
    "O1": {"RECORDED": slice(None, None, 6)},  # T = 0, 0.3
    "O2": {"SIZE": 24},
    "O3": {"PROBED": 1},
    "O4": {"STRIP_PHASES": slice(1)},
    "O5": {"RESONANT": slice(None, None, 4)},  # each set of barriers at another phase
    "O6": {"LINKS": slice(0, None, 3), "CORRECTIONS": slice(1, None)},  # weak and warm, open and cold; a barrier
    "O10": {"SOLVED": (), "HELD": 2},  # the decay of F: O9, in a clean host
    "O13": {"MESH": 16},
    "O14": {"ACROSS": 3},
    "O15": {"SITES": 400, "FIRST": 165, "RECORDED": slice(1)},
    "row 16": {"SAMPLES": 4, "SWEEPS": 200},
    "row 17": {"EDGES_MM": slice(1), "RATIOS": slice(1)},
}
LONG = ("O18", "row 07", "row 10")  # `slow`, and `bdg validate`
# fewer rows take long, too; unit tests hold their physics
WHOLE_ONLY = "O1 O2 O4 O5 O6 O7 O10 O13 O14 O15".split()
FAST = [name for name in report.checks() if name not in (*LONG, *WHOLE_ONLY)]
SLOW = [pytest.param(name, True, marks=pytest.mark.slow, id=f"{name}, whole") for name in (*LONG, *SMALLER)]


def _make_smaller(name, monkeypatch):
    """Let a check compute with the constants above; a slice takes these of its rows or samples."""
    module = sys.modules[report.checks()[name].compare.__module__]
    for constant, value in SMALLER.get(name, {}).items():
        if isinstance(value, slice):
            whole = getattr(module, constant)
            value = dict(list(whole.items())[value]) if isinstance(whole, dict) else whole[value]
        monkeypatch.setattr(module, constant, value)


@pytest.mark.parametrize(("name", "whole"), [*(pytest.param(name, False, id=name) for name in FAST), *SLOW])
def test_every_row_of_a_check_passes(name, whole, monkeypatch):
    check = report.checks()[name]
    if not whole:
        _make_smaller(name, monkeypatch)
    rows = list(report.rows_of(check))
    assert rows
    assert not [report.line(row) for row in rows if row.failed]
    for row in rows:
        assert len(report.line(row)) <= 150 and report.line(row).count(" | ") == 5, row.quantity
        assert row.reason and row.source and row.title
        assert np.isfinite(row.value).all() and row.tolerance >= 0


def test_the_checks_that_users_were_promised_exist():
    physics, experiments = set(report.checks("physics")), set(report.checks("experiments"))
    assert physics >= {"O3", "O4", "O5", "O6", "O7", "O9", "O10", "O11", "O13", "O14", "O15", "O16", "O17", "O18"}
    assert experiments >= {f"row {number:02}" for number in range(1, 27)}
    with pytest.raises(ValueError, match="suite must be 'all', 'physics', 'experiments'; got 'chemistry'"):
        report.checks("chemistry")


def test_the_command_prints_a_line_a_row_and_writes_json(tmp_path, capsys, monkeypatch):
    quick = {name: report.checks()[name] for name in ("row 01", "row 03", "row 05")}
    monkeypatch.setattr(report, "checks", lambda suite="all": quick)
    assert cli.main(["validate", "experiments", "--json", str(tmp_path / "table.json")]) == 0
    printed = capsys.readouterr().out
    table = json.loads((tmp_path / "table.json").read_text())
    lines = [line.split(" | ") for line in printed.splitlines() if re.match(r"row \d\d \| ", line)]
    assert len(table["rows"]) == len(lines)
    for row, (check, status, *rest) in zip(table["rows"], lines, strict=True):
        assert (check, status, len(rest)) == (row["check"], row["status"], 4) and status in STATUSES
    for row in table["rows"]:
        assert {"check", "quantity", "value", "expected", "tolerance", "reason", "source", "passed"} <= set(row)
    assert "versions" in table or "bdg" in json.dumps(table)


def test_a_failing_row_fails_the_command_and_a_reported_one_does_not(monkeypatch, capsys):
    from bdg.validation.row import Check, compare

    def check(status):
        return Check(
            identifier="X1",
            title="planted",
            source="nobody",
            compare=lambda slow: iter([compare("two", 2.0, 3.0, 0.5, "planted", status)]),
        )

    monkeypatch.setattr(report, "checks", lambda suite="all": {"X1": check("E")})
    assert report.run() == 1
    assert "FAILED X1: two: off by 1" in capsys.readouterr().out
    assert "F" not in MUST_PASS
    monkeypatch.setattr(report, "checks", lambda suite="all": {"X1": check("F")})
    assert report.run() == 0


def test_an_exception_in_a_check_is_a_failing_row(monkeypatch):
    from bdg.validation.row import Check

    def broken(slow):
        raise ArithmeticError("planted")
        yield

    rows = list(report.rows_of(Check(identifier="X2", title="planted", source="nobody", compare=broken)))
    assert len(rows) == 1 and rows[0].failed and "planted" in rows[0].quantity + rows[0].reason


def _failing(names, monkeypatch):
    for name in names:
        _make_smaller(name, monkeypatch)
    return {name for name in names if any(row.failed for row in report.rows_of(report.checks()[name]))}


def _wrong_hole_block(hamiltonian, norbs):
    """The hole block -h instead of -h*: right without a field, wrong with one."""
    return -nambu.spin_flip(sp.csr_matrix(hamiltonian), norbs)


def _wrong_sign_of_h(hamiltonian, norbs):
    return nambu.spin_flip(sp.csr_matrix(hamiltonian.conj()), norbs)


@pytest.mark.parametrize("planted", [_wrong_hole_block, _wrong_sign_of_h])
def test_a_sign_error_in_h_is_caught(monkeypatch, planted):
    monkeypatch.setattr("bdg.base.hamiltonian.hole_block", planted)
    assert _failing(["O14", "O16"], monkeypatch) == {"O14", "O16"}


@pytest.mark.parametrize("change", [np.conj, np.abs], ids=["conjugate", "phase lost"])
def test_a_sign_error_in_the_pairing_is_caught(monkeypatch, change):
    right = nambu.pairing_matrix
    monkeypatch.setattr(
        "bdg.lattices.system.pairing_matrix", lambda delta, pairing, norbs: right(change(delta), pairing, norbs)
    )
    assert "O16" in _failing(["O16"], monkeypatch)


def test_a_lost_relative_sign_of_the_pairing_is_caught(monkeypatch):
    """+Delta on one side and -Delta on the other (phase pi) must not look like a uniform phase."""
    right = nambu.pairing_matrix
    monkeypatch.setattr(
        "bdg.lattices.system.pairing_matrix", lambda delta, pairing, norbs: right(abs(delta), pairing, norbs)
    )
    assert _failing(["O4", "O5"], monkeypatch) == {"O4", "O5"}


@pytest.mark.parametrize("change", [np.negative, np.conj], ids=["sign", "conjugate"])
def test_a_sign_error_in_the_pair_amplitude_is_caught(monkeypatch, change):
    from bdg.condensate import pair_amplitude as pairing

    right_dense, right_columns = pairing._dense, pairing._chebyshev

    def wrong(function):
        def planted(*arguments):
            found = function(*arguments)
            return replace(found, values=change(found.values))

        return planted

    monkeypatch.setattr(pairing, "_dense", wrong(right_dense))
    monkeypatch.setattr(pairing, "_chebyshev", wrong(right_columns))
    assert "O16" in _failing(["O16"], monkeypatch)
    assert bdg.pair_amplitude is pairing.pair_amplitude


def _other_sign_of_holes(values):
    rows = np.arange(values.shape[-2])
    return np.where(rows < rows.size // 2, 1, -1)[:, None] * values


@pytest.mark.parametrize(
    ("name", "change", "caught"),
    [
        ("O10", lambda values: 1.001 * values, "normal, w 0.1: worst |(w/pi) sum_j |G_ij|^2 / rho_i - 1|"),
        ("O15", lambda values: 1.001 * values, "T 0.05, d 4: E_J/Delta^2"),
        ("O10", np.conj, "normal, w 0.1: worst |(w/pi) sum_j |G_ij|^2 / rho_i - 1|"),
        pytest.param(
            *("O15", _other_sign_of_holes, "d 8, Delta 0.2: [F(pi) - F(0)]/2 from G, from all levels"),
            marks=pytest.mark.slow,
        ),
    ],
    ids=["factor, O10", "factor, O15", "advanced for retarded, O10", "sign of the hole block, O15"],
)
def test_a_wrong_green_function_is_caught(monkeypatch, name, change, caught):
    import dataclasses

    right = bdg.green_function

    def wrong(*arguments, **options):
        found = right(*arguments, **options)
        return dataclasses.replace(found, values=change(found.values))

    monkeypatch.setattr(bdg, "green_function", wrong)
    _make_smaller(name, monkeypatch)
    assert next(row for row in report.rows_of(report.checks()[name]) if row.failed).quantity == caught


def test_the_other_sign_of_the_pairing_is_caught(monkeypatch):
    """A global sign of Delta is a gauge: no level shows it, but F must have the phase of the Delta that was given."""
    right = nambu.pairing_matrix
    monkeypatch.setattr("bdg.lattices.system.pairing_matrix", lambda *arguments: -right(*arguments))
    failed = [row for row in report.rows_of(report.checks()["O16"]) if row.failed]
    assert failed and all(": worst F" in row.quantity for row in failed)


def test_the_other_sign_of_the_hopping_is_caught(monkeypatch):
    """On a bipartite lattice it is a gauge, too; the odd ring that `stack` builds is none."""
    from bdg.lattices.builders import stacks

    right = stacks.assemble_grid
    monkeypatch.setattr(
        stacks,
        "assemble_grid",
        lambda shape, onsite, hoppings, periodic=False: right(shape, onsite, [-each for each in hoppings], periodic),
    )
    failed = [row.quantity for row in report.rows_of(report.checks()["O16"]) if row.failed]
    assert failed and all(quantity.startswith("stack") for quantity in failed)


@pytest.mark.parametrize("name", ["missing/table.json", "."])
def test_a_table_that_cannot_be_written_is_refused_before_any_work(monkeypatch, tmp_path, capsys, name):
    monkeypatch.setattr(report, "checks", lambda suite="all": pytest.fail("computed first"))
    assert cli.main(["validate", "--json", str(tmp_path / name)]) == 2
    assert "the table must go to a file in an existing, writable folder" in capsys.readouterr().err


def test_numbers_that_cannot_be_compared_fail():
    from bdg.validation.row import compare, within

    assert compare("equal", [1.0, 2.0], (1.0, 2.5), 0.5, "-", "E").passed
    assert not compare("one missing", [1.0], (1.0, 2.0), 10.0, "-", "E").passed
    assert not compare("not a number", np.nan, 1.0, 10.0, "-", "E").passed
    assert not compare("not a number, second", [1.0, np.nan], (1.0, 1.0), 10.0, "-", "E").passed
    assert within("inside", [1.0, 2.0], 1, 2, "-", "P").passed
    assert within("outside", [1.0, 2.5], 1, 2, "-", "P").deviation == 0.5
    assert not within("not a number", [1.0, np.nan], 1, 2, "-", "P").passed
    with pytest.raises(ValueError, match="status must be one of E, A, S.*got 'Z'"):
        compare("unknown", 1.0, 1.0, 0.0, "-", "Z")


def planted(value, status="E", **more):
    from bdg.validation.row import Row, compare

    made = compare("a | b", value, 1.0, 0.5, "planted", status)
    return Row(**{**vars(made), **more}, check="X3", title="planted", source="nobody", seconds=0.0)


def test_the_json_table_is_strict_json():
    table = report.as_json([planted(np.nan), planted([1.0, 2.0])])
    assert [row["value"] for row in table["rows"]] == [None, [1.0, 2.0]]
    assert json.loads(json.dumps(table, allow_nan=False))["rows"][0]["passed"] is False


def test_the_markdown_table_has_a_line_a_check_and_names_the_worst_row():
    table = report.table_markdown([planted(1.0), planted(1.4), planted(9.0, "R")])
    assert len(table.splitlines()) == 3
    assert "| X3 | planted | 2 of 2 |" in table and "| 1.4 | 1 | ± 0.5 |" in table
    assert r"a \| b" in table


def test_the_table_goes_between_the_marks_of_a_file(tmp_path, monkeypatch):
    from bdg.validation import readme

    path = tmp_path / "a.md"
    path.write_text(f"before\n{readme.BEGIN}\nold\n{readme.END}\nafter\n")
    monkeypatch.setattr(readme, "checks", lambda: {"row 01": report.checks()["row 01"]})
    assert readme.main([str(path)]) == 0
    text = path.read_text()
    assert text.startswith(f"before\n{readme.BEGIN}\n| check |") and text.endswith(f"|\n{readme.END}\nafter\n")
    assert "row 01" in text and "old" not in text
    with pytest.raises(ValueError, match="must hold the line '<!-- checks -->'"):
        readme.insert("no marks", "")


def test_the_readme_shows_every_check():
    from pathlib import Path

    text = (Path(__file__).resolve().parents[2] / "README.md").read_text(encoding="utf-8")
    assert not [name for name in report.checks() if f"\n| {name} |" not in text]


@pytest.mark.parametrize("mu", [0.3, -0.9])
def test_transmissions_equal_those_of_kwant(mu):
    """The reference of O4: four channels at mu = 0.3, three open and one evanescent at mu = -0.9."""
    kwant = pytest.importorskip("kwant")
    from bdg.validation.checks.o04_short_junction import STRIP
    from bdg.validation.reference.strip import transmissions

    lattice = kwant.lattice.square(norbs=1)
    builder, lead = kwant.Builder(), kwant.Builder(kwant.TranslationalSymmetry((-1, 0)))
    for (x, y), energy in np.ndenumerate(STRIP):
        builder[lattice(x, y)] = energy - mu
    lead[(lattice(0, y) for y in range(4))] = -mu
    for part in (builder, lead):
        part[lattice.neighbors()] = -1
    builder.attach_lead(lead)
    builder.attach_lead(lead.reversed())
    t = kwant.smatrix(builder.finalized(), 0.0).submatrix(1, 0)
    expected = np.sort(np.linalg.svd(t, compute_uv=False) ** 2)[::-1]
    assert len(expected) == (4 if mu > 0 else 3)
    np.testing.assert_allclose(transmissions(STRIP, mu), expected, rtol=0, atol=1e-10)
