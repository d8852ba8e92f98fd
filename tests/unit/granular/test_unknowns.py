"""Scans of unknowns: exact means and indices of functions whose integrals are known, the wanted error, refusals."""

import numpy as np
import pytest

import bdg
from bdg.base.errors import AccuracyWarning
from bdg.granular import UnknownScan, scan_unknowns


def linear(a, b, c):
    """Variance of a range of width w is w^2/12: indices go as the squares of the slopes."""
    return 10 + 3 * a + b + 0 * c


RANGES = {"a": (0, 1), "b": (-1, 1), "c": (2, 3)}


def test_mean_and_indices_of_a_linear_function():
    found = scan_unknowns(linear, RANGES, tol=1e-3, seed=1)
    assert abs(found.mean - 11.5) < 4 * max(found.error, 1e-4) and found.error < 0.0115
    exact = np.array([9, 4, 0]) / 13  # slopes times widths, squared
    np.testing.assert_allclose(found.sensitivity, exact, atol=0.12)
    assert found.names == ["a", "b", "c"] and len(found.points) == len(found.values)


def test_logarithmic_ranges_and_the_error_of_repeated_scans():
    """The mean of x over a range that is uniform in ln x is (high - low)/ln(high/low)."""
    exact = 99 / np.log(100)
    found = [scan_unknowns(lambda x: x, {"x": (1, 100, "log")}, tol=0.5, seed=s) for s in range(60)]
    pulls = np.array([(scan.mean - exact) / scan.error for scan in found])
    # Student's t with three degrees of freedom: 95 % within 3.2
    assert np.mean(abs(pulls) < 3.2) > 0.85
    assert all((scan.points >= 1).all() and (scan.points <= 100).all() for scan in found)


def test_more_points_where_the_error_asks_for_them():
    rough = scan_unknowns(lambda x: x**8, {"x": (0, 1)}, tol=0.3, seed=0)
    fine = scan_unknowns(lambda x: x**8, {"x": (0, 1)}, tol=0.03, most=1024, seed=0)
    assert fine.values.size > rough.values.size and abs(fine.mean - 1 / 9) < 6 * fine.error  # Student, 3 degrees: 99 %
    with pytest.warns(AccuracyWarning, match="give a larger most"):
        scan_unknowns(lambda x: x**8, {"x": (0, 1)}, tol=1e-6, most=16, seed=0)


def test_the_same_seed_repeats_and_a_file_holds_it(tmp_path):
    first, again = (scan_unknowns(linear, RANGES, tol=0.01, seed=5) for _ in range(2))
    np.testing.assert_array_equal(first.points, again.points)
    first.save(tmp_path / "scan.h5")
    loaded = bdg.load(tmp_path / "scan.h5")
    assert isinstance(loaded, UnknownScan) and loaded.names == first.names
    np.testing.assert_array_equal(loaded.sensitivity, first.sensitivity)
    assert first.plot().axes[0].get_xlabel() == "share of the variance"


@pytest.mark.parametrize(
    "change, match",
    [
        ({"unknowns": {}}, "unknowns is empty"),
        ({"unknowns": {"a": (1, 1)}}, "low < high"),
        ({"unknowns": {"a": (0, 1, "log")}}, 'above 0 for "log"'),
        ({"unknowns": {"a": (1, 2, "cubic")}}, "must be"),
        ({"most": 4}, "most must be a whole number >= 8"),
        ({"tol": 0}, "tol must be"),
        ({"function": lambda a: np.nan}, "must return finite numbers; got nan at a ="),
    ],
)
def test_bad_input_is_refused(change, match):
    arguments = {"function": lambda a: a, "unknowns": {"a": (0, 1)}, "seed": 0} | change
    with pytest.raises(ValueError, match=match):
        scan_unknowns(arguments.pop("function"), arguments.pop("unknowns"), **arguments)
