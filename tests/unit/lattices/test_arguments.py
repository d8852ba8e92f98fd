"""One wording for numbers that callers hand over."""

import numpy as np
import pytest

from bdg.lattices.arguments import whole_number


@pytest.mark.parametrize("value", [2, 5, np.int64(3), np.uint8(4), np.array(3)])
def test_whole_numbers_become_int(value):
    found = whole_number("k", value, 2, 5)
    assert type(found) is int and found == value


def test_there_need_be_no_upper_end():
    assert whole_number("k", 10**30, 0) == 10**30


@pytest.mark.parametrize("value", [True, np.True_, 2.0, np.float64(2), 2j, "2", None, [2], np.array([2, 3])])
def test_other_types_are_refused(value):
    with pytest.raises(TypeError, match=r"k must be a whole number >= 0; got .* \(\w+\)$"):
        whole_number("k", value, 0)


@pytest.mark.parametrize("value", [1, 6, np.int64(-1)])
def test_numbers_out_of_bounds_are_refused(value):
    with pytest.raises(ValueError, match=rf"^k must be a whole number from 2 to 5 \(levels\), or 'all'; got {value}$"):
        whole_number("k", value, 2, 5, "levels", instead="'all'")


def test_long_values_are_cut():
    with pytest.raises(TypeError) as caught:
        whole_number("k", "9" * 1000, 0)
    assert len(str(caught.value)) < 150
