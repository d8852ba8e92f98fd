"""The checks pass, the table is written, and a sign error in h, in D or in F fails a check that we can name."""

import json

import numpy as np
import pytest
import scipy.sparse as sp

import bdg
from bdg import cli
from bdg.lattices import nambu
from bdg.validation import report
from bdg.validation.row import MUST_PASS

FAST = [name for name in report.checks() if name != "O18"]  # O18 takes half a minute: `slow`, and `bdg validate`


@pytest.mark.parametrize("name", [*FAST, pytest.param("O18", marks=pytest.mark.slow)])
def test_every_row_of_a_check_passes(name):
    rows = list(report.rows_of(report.checks()[name]))
    assert rows
    assert not [report.line(row) for row in rows if row.failed]
    for row in rows:
        assert row.reason and row.source and row.title
        assert np.isfinite(row.value).all() and row.tolerance >= 0


def test_the_checks_that_users_were_promised_exist():
    physics, experiments = set(report.checks("physics")), set(report.checks("experiments"))
    assert physics >= {"O3", "O4", "O5", "O9", "O11", "O14", "O17", "O18"}
    assert experiments >= {f"row {number}" for number in range(1, 6)}
    with pytest.raises(ValueError, match="suite must be 'all', 'physics', 'experiments'; got 'chemistry'"):
        report.checks("chemistry")


def test_the_command_prints_a_line_a_row_and_writes_json(tmp_path, capsys):
    assert cli.main(["validate", "experiments", "--json", str(tmp_path / "table.json")]) == 0
    printed = capsys.readouterr().out
    table = json.loads((tmp_path / "table.json").read_text())
    assert len(table["rows"]) == sum(line.startswith(("pass", "FAIL", "-  ")) for line in printed.splitlines())
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


def _failing(names):
    return {name for name in names for row in report.rows_of(report.checks()[name]) if row.failed}


def _wrong_hole_block(hamiltonian, norbs):
    """The hole block -h instead of -h*: right without a field, wrong with one."""
    return -nambu.spin_flip(sp.csr_matrix(hamiltonian), norbs)


def _wrong_sign_of_h(hamiltonian, norbs):
    return nambu.spin_flip(sp.csr_matrix(hamiltonian.conj()), norbs)


@pytest.mark.parametrize("planted", [_wrong_hole_block, _wrong_sign_of_h])
def test_a_sign_error_in_h_is_caught(monkeypatch, planted):
    monkeypatch.setattr("bdg.hamiltonian.hole_block", planted)
    assert _failing(["O14", "O16"]) == {"O14", "O16"}


@pytest.mark.parametrize("change", [np.conj, np.abs], ids=["conjugate", "phase lost"])
def test_a_sign_error_in_the_pairing_is_caught(monkeypatch, change):
    right = nambu.pairing_matrix
    monkeypatch.setattr(
        "bdg.lattices.system.pairing_matrix", lambda delta, pairing, norbs: right(change(delta), pairing, norbs)
    )
    assert "O16" in _failing(["O16"])


def test_a_lost_relative_sign_of_the_pairing_is_caught(monkeypatch):
    """+Delta on one side and -Delta on the other (phase pi) must not look like a uniform phase."""
    right = nambu.pairing_matrix
    monkeypatch.setattr(
        "bdg.lattices.system.pairing_matrix", lambda delta, pairing, norbs: right(abs(delta), pairing, norbs)
    )
    assert _failing(["O4", "O5"]) == {"O4", "O5"}


@pytest.mark.parametrize("change", [np.negative, np.conj], ids=["sign", "conjugate"])
def test_a_sign_error_in_the_pair_amplitude_is_caught(monkeypatch, change):
    from bdg import pairing

    right_dense, right_columns = pairing._dense, pairing._chebyshev

    def wrong(function):
        def planted(*arguments):
            values, *rest = function(*arguments)
            return (change(values), *rest)

        return planted

    monkeypatch.setattr(pairing, "_dense", wrong(right_dense))
    monkeypatch.setattr(pairing, "_chebyshev", wrong(right_columns))
    assert "O16" in _failing(["O16"])
    assert bdg.pair_amplitude is pairing.pair_amplitude
