"""Runs of every kind of job are read as arrays, tables and figures.

``observables_of_kinds.json`` has the observables that points of each kind held in October 2026: shape (lengths beyond
30 shortened), kind of number, unit, description; tests/helpers/observables_of.py writes them. Values are random here.
"""

import json
from pathlib import Path

import numpy as np
import pytest
from numpy.testing import assert_array_equal

from bdg.jobs.export import export_csv
from bdg.jobs.kinds import kind_names
from bdg.jobs.model.results import JobResults, PointResult

xarray = pytest.importorskip("xarray")
ROOT = Path(__file__).resolve().parents[3]
KNOWN = json.loads((ROOT / "tests" / "data" / "observables_of_kinds.json").read_text())


def random_run(kind):
    """Two seeds at two values of a key, all observables random."""
    rng = np.random.default_rng(len(kind))
    draw = {
        "b": lambda shape: rng.random(shape) > 0.3,
        "i": lambda shape: rng.integers(0, 9, shape),
        "f": lambda shape: rng.normal(size=shape),
        "c": lambda shape: rng.normal(size=shape) + 1j * rng.normal(size=shape),
    }
    points = []
    for number, (key, seed) in enumerate(((1.5, 0), (1.5, 1), (2.5, 0), (2.5, 1))):
        values = {name: np.array(draw[each[1]](tuple(each[0]))) for name, each in KNOWN[kind].items()}
        units, words = ({name: each[part] for name, each in KNOWN[kind].items()} for part in (2, 3))
        parameters = {"system": {"seed": seed}, "compute": {"some_K": key}}
        points.append(PointResult(str(number), f"point {number}", parameters, values, units, words))
    return JobResults(kind, "run", "identity", tuple(points))


def test_no_kind_is_left_out():
    assert set(KNOWN) == set(kind_names()), "python tests/helpers/observables_of.py RUN writes what is to be added"


@pytest.mark.parametrize("kind", sorted(KNOWN))
def test_all_that_was_ever_written_is_read(kind, tmp_path):
    run = random_run(kind)
    data = run.to_xarray()
    assert set(KNOWN[kind]) <= {*data.data_vars, *data.coords}
    units, values = run.points[0].units, {name: data[name].transpose("seed", "some_K", ...) for name in KNOWN[kind]}
    for name, each in values.items():
        stored = np.array([point[name] for point in run])  # the seed changes fastest
        assert_array_equal(each.values.swapaxes(0, 1).reshape(stored.shape), stored)
        assert each.dtype == stored.dtype and each.attrs["units"] == (units[name] or "1")
        error = each.attrs.get("error")
        assert error is None or set(values[error].dims) <= set(each.dims)
    mean = run.mean().to_xarray()
    assert mean.sizes["some_K"] == 2 and "seed" not in mean.dims
    assert len(export_csv(run, tmp_path / "run.csv")) >= 2
    number = next(name for name, each in KNOWN[kind].items() if not each[0] and each[1] == "f")
    assert run.plot(number, x="some_K").axes[0].get_xlabel() == "some (K)"
