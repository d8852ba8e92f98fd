"""Measured points from a file: read with their units, compared in units of their errors, refused by line and column.

All points here are SYNTHETIC: numbers of the model itself, or made up. Nothing was measured.
"""

import json

import numpy as np
import pytest

from bdg import cli
from bdg.base.errors import JobError
from bdg.validation import measured, report
from bdg.validation.row import Check, Curve, compare, deviations

HEADER = "row,quantity,x,x_unit,y,y_unit,y_error\n"
SYNTHETIC = (
    "# SYNTHETIC points for the tests: nothing was measured\n\n"
    + HEADER
    + """22,4 pi chi',10,K,-45.5,%,1
row 22,4 pi chi',37,K,-0.37,1,0.01
22,4 pi chi'',60000,mK,0.28,1,0.01
13,vortices,1500,nT,31,1,2
"""
)


def written(tmp_path, text):
    path = tmp_path / "points.csv"
    path.write_text(text, encoding="utf-8")
    return path


@pytest.fixture(scope="module")
def checks():
    return report.checks("experiments")


def test_points_come_in_the_units_of_the_rows(tmp_path, checks):
    found = measured.read_points(written(tmp_path, SYNTHETIC), checks)
    assert set(found) == {("row 22", "4 pi chi'"), ("row 22", "4 pi chi''"), ("row 13", "vortices")}
    chi = found["row 22", "4 pi chi'"]
    assert chi.x.tolist() == [10, 37] and chi.y == pytest.approx([-0.455, -0.37]) and chi.errors == pytest.approx(0.01)
    assert found["row 22", "4 pi chi''"].x == pytest.approx([60]) and found["row 13", "vortices"].x == pytest.approx(
        [1.5]
    )


def test_a_curve_compared_with_itself_is_not_off(tmp_path, checks):
    """Points of the model, moved by 1 and -2 errors."""
    (curve,) = (c for c in checks["row 22"].curves if c.quantity == "4 pi chi''")
    at = np.array([20.0, 37.0])
    values = curve.values(at)
    text = HEADER + "".join(
        f"22,4 pi chi'',{t!r},K,{float(v + move * 0.01)!r},1,0.01\n"
        for t, v, move in zip(at.tolist(), values, (1, -2), strict=True)
    )
    points = measured.read_points(written(tmp_path, text), checks)
    (found,) = measured.comparisons(checks["row 22"], points)
    assert deviations(found.value, found.expected, found.errors) == pytest.approx([-1, 2])
    assert found.deviation == pytest.approx(0.02) and found.status == "R" and found.at == (20.0, 37.0)
    assert "2 errors off at 37 K, rms 1.6 of 2" in found.quantity and "rho not verified" in found.quantity


def test_every_row_that_needs_its_figure_has_a_curve(checks):
    """Each curve gives one finite number a point, at both ends of its range; all but the slow network of row 10."""
    with_curves = {name for name, check in checks.items() if check.curves}
    assert with_curves >= {f"row {n:02}" for n in (9, 10, 13, 15, 16, 22, 23, 24, 25)}
    for name in ("row 09", "row 13", "row 15", "row 22", "row 23", "row 25"):
        for curve in checks[name].curves:
            values = np.asarray(curve.values(np.array(curve.range)))
            assert values.shape == (2,) and np.isfinite(values).all(), (name, curve.quantity)
    motion = next(curve for curve in checks["row 10"].curves if curve.model == "all phases in motion")
    assert motion.values(np.array([17.0, 45.0])).tolist() == [0.1, 1.0]
    assert {curve.y_unit for check in checks.values() for curve in check.curves} <= set(measured.UNITS)
    assert {curve.x_unit for check in checks.values() for curve in check.curves} <= set(measured.UNITS)


@pytest.mark.slow
def test_the_curves_that_take_long(checks):
    for name in ("row 10", "row 16", "row 24"):
        for curve in checks[name].curves:
            values = np.asarray(curve.values(np.array(curve.range)))
            assert values.shape == (2,) and np.isfinite(values).all(), (name, curve.quantity)


LINES = {
    "23,4 pi chi',10,K,-0.5,1,0.01\n8,lambda,1,K,1,um,1": "line 3, column row: must be a row with a curve, 09, 10, 13",
    "22,chi,10,K,-0.5,1,0.01": "line 2, column quantity: must be one of 4 pi chi', 4 pi chi'' in row 22; got 'chi'",
    "22,4 pi chi',ten,K,-0.5,1,0.01": "line 2, column x: must be a finite number with a decimal point; got 'ten'",
    "22,4 pi chi',10,C,-0.5,1,0.01": "line 2, column x_unit: must be one of K, mK; got 'C'. Convert the numbers",
    "22,4 pi chi',10,K,nan,1,0.01": "line 2, column y: must be a finite number",
    "22,4 pi chi',10,K,-0.5,,0.01": "line 2, column y_unit: must be one of 1, %; got nothing",
    "22,4 pi chi',10,K,-0.5,1,0": "line 2, column y_error: must be > 0, one standard deviation; got 0. Take that of",
    "22,4 pi chi',10,K,-0.5,1,": "line 2, column y_error: must be a finite number with a decimal point; got nothing",
    "22,4 pi chi',400,K,-0.5,1,0.01": "line 2, column x: .*for temperature from 2 to 300 K; got 400. Leave this",
    "22,4 pi chi',10,K,-0,5,1,0.01": "line 2: must have 7 cells, like the header; got 8. Quote commas",
}


@pytest.mark.parametrize("line", LINES)
def test_a_wrong_line_is_named_with_its_column_rule_and_cure(line, tmp_path, checks, capsys, monkeypatch):
    path = written(tmp_path, HEADER + line + "\n")
    with pytest.raises(JobError, match=LINES[line]):
        measured.read_points(path, checks)
    monkeypatch.setattr(report, "rows_of", lambda *a: pytest.fail("computed first"))
    assert cli.main(["validate", "experiments", "--data", str(path)]) == 2
    said = capsys.readouterr().err
    assert said.startswith(f"{path}: line") and len(said.splitlines()) == 1


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "line 1: the header must name the columns row,quantity,x,x_unit,y,y_unit,y_error; it misses row"),
        ("row,quantity,x,y\n", "it misses x_unit, y_unit, y_error"),
        (HEADER.replace("y_error", "error"), "it misses y_error and has the unknown 'error'"),
        (HEADER.replace("y_error", "y_error,x"), "it has twice x"),
        (HEADER, "holds no points below its header"),
        (HEADER + '22,"4 pi', "cannot be read as a CSV file"),
    ],
)
def test_a_wrong_file(text, message, tmp_path, checks):
    with pytest.raises(JobError, match=message):
        measured.read_points(written(tmp_path, text), checks)


def test_many_wrong_lines_are_cut_and_no_file_is_said(tmp_path, checks):
    with pytest.raises(JobError) as caught:
        measured.read_points(written(tmp_path, HEADER + "1,a,1,K,1,1,1\n" * 30), checks)
    assert len(caught.value.problems) == measured.MOST_PROBLEMS + 1 and "10 more lines" in caught.value.problems[-1]
    with pytest.raises(JobError, match="cannot be read as a CSV file in UTF-8"):
        measured.read_points(tmp_path / "none.csv", checks)
    (tmp_path / "bytes.csv").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(JobError, match="cannot be read as a CSV file in UTF-8"):
        measured.read_points(tmp_path / "bytes.csv", checks)


def test_the_command_prints_value_measured_and_deviation(tmp_path, capsys, monkeypatch):
    def line_of(offset):
        keys = {"quantity": "height", "x": "time", "x_unit": "K", "y_unit": "1", "range": (0, 9), "model": f"{offset}"}
        return Curve(values=lambda x: x + offset, **keys)

    check = Check(
        identifier="row 77",
        title="planted",
        source="nobody",
        compare=lambda slow: iter([compare("two", 2.0, 2.0, 0.5, "planted", "E")]),
        curves=(line_of(0.0), line_of(1.0)),
    )
    other = Check(identifier="row 78", title="t", source="s", compare=lambda slow: iter([]), curves=(line_of(0.0),))
    monkeypatch.setattr(report, "checks", lambda suite="all": {"row 77": check, "row 78": other})
    path = written(tmp_path, HEADER + "".join(f"77,height,{k / 2},K,{k / 2},1,0.5\n" for k in range(14)))
    table = tmp_path / "table.json"
    assert cli.main(["validate", "experiments", "--data", str(path), "--json", str(table)]) == 0
    said = capsys.readouterr().out
    assert "height (1.0): 2 errors off at 0 K, rms 2 of 14" in said and "height (0.0): 0 errors off" in said
    assert "at 0.5                 1.5  measured 0.5 +- 0.5: +2.0 errors" in said and "4 more points are nearer" in said
    assert f"no points in {path} for row 78 height" in said
    rows = json.loads(table.read_text())["rows"]
    assert rows[1]["at"][:2] == [0.0, 0.5] and rows[1]["errors"][0] == 0.5 and rows[1]["status"] == "R"
    assert cli.main(["validate", "--curves"]) == 0
    assert "row 77  height" in capsys.readouterr().out
    assert cli.main(["validate", "physics", "--data", str(path)]) == 2
    assert "--data compares with the experiments" in capsys.readouterr().err
