"""One comparison on one line: the order of its fields, its width, and what has no expected number."""

import math

import pytest

from bdg.validation import report
from bdg.validation.row import Row, compare, reported, within


def row(comparison, check="row 03"):
    return Row(**vars(comparison), check=check, title="planted", source="nobody", seconds=0.0)


def fields(comparison):
    return [field.strip() for field in report.line(row(comparison)).split(" | ")]


def test_a_line_has_check_status_quantity_value_expected_and_allowed():
    assert fields(compare("density", 2.7267481, 2.72, 0.02, "-", "P")) == [
        *("row 03", "P", "density", "2.726748", "2.72", "0.02")
    ]
    assert fields(within("range", [20.7, 37.2], 20, 50, "-", "P"))[3:] == ["20.7 37.2", "in [20, 50]", "0"]
    assert fields(reported("T_c1", 37.0, "-", "input"))[1:] == ["input", "T_c1", "37", "-", "-"]


@pytest.mark.parametrize("length", [10, 60, 75, 92, 300])
@pytest.mark.parametrize("numbers", [1, 3, 4, 9])
def test_a_line_is_at_most_150_columns_wide(length, numbers):
    values = [-0.123456789 * 10.0**-k for k in range(numbers)]
    text = report.line(row(compare("q" * length, values, values, 1.2345e-11, "-", "trivial")))
    assert len(text) <= 150 and text.count(" | ") == 5
    assert "q" * min(length, 89) in text  # numbers are shortened before words
    shown = text.split(" | ")[3].split()
    assert len(shown) <= 4 and float(shown[0]) == pytest.approx(values[0], rel=1e-2)


def test_what_nothing_is_expected_of_may_not_have_to_pass():
    found = reported("T_c1", 37.0, "-", "input")
    assert found.passed and math.isinf(found.tolerance) and not row(found).failed
    assert report.as_json([row(found)])["rows"][0]["tolerance"] is None
    assert "| reported | T_c1 | 37 | - | - |" in report.table_markdown([row(found)])
    for status in ("P", "C", "E", "Z"):
        with pytest.raises(ValueError, match=f"status must be one of R, F, Q, X, input, trivial; got '{status}'"):
            reported("T_c1", 37.0, "-", status)
    with pytest.raises(ValueError, match="status must be one of E, A, S"):
        within("range", 1.0, 0, 2, "-", "Z")
