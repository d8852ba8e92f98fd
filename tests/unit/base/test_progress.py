"""One bar for all functions that take long."""

import threading

import pytest

from bdg.base.progress import progress_bar


@pytest.mark.parametrize("shown", [True, False, None])
def test_points_pass_with_and_without_a_bar(shown, capsys):
    assert list(progress_bar(shown, "spectrum", "value", [1, 2, 3])) == [1, 2, 3]
    told = capsys.readouterr()
    assert not told.out
    assert ("spectrum: 100%" in told.err and "3/3" in told.err) if shown else not told.err  # None: no terminal here


@pytest.mark.parametrize("shown", [True, False])
def test_a_bar_is_closed_whatever_comes(shown, capsys):
    with pytest.raises(ZeroDivisionError), progress_bar(shown, "gap", "iteration", total=10) as bar:
        bar.update(4)
        bar.set_postfix_str("residual=1e-3")
        bar.update()
        raise ZeroDivisionError
    told = capsys.readouterr().err
    assert ("5/10" in told and "residual=1e-3" in told and told.endswith("\n")) if shown else not told


def test_no_bar_starts_no_thread():
    before = threading.active_count()
    with progress_bar(False, "gap", "iteration") as bar:
        bar.update()
    assert threading.active_count() == before
