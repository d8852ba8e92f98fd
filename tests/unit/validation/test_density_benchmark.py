"""The benchmark of the density of states runs, at a size whose ratios mean nothing."""

import math

from bdg.validation.benchmarks import density_of_states as benchmark


def test_rows_table_and_targets(monkeypatch):
    monkeypatch.setattr(benchmark, "_COPY_BYTES", 1 << 20)
    rows = benchmark.measure(benchmark.QUICK, repeats=1)
    assert [row.dtype for row in rows] == ["float32", "float64"]
    for row in rows:
        assert row.seconds > 0 and row.step_seconds > 0 and row.bandwidth > 0 and row.fraction > 0
        if not math.isnan(row.kwant_seconds):  # the same density: kwant has noise of its own
            assert row.ratio > 0 and row.deviation < 8
    head, cells = benchmark.table(rows)
    assert len(cells) == 2 and all(len(line) == len(head) for line in cells)
    assert benchmark.targets(rows) == []  # too small to be held against anything
