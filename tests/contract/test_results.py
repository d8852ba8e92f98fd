"""Results carry evidence, are saved, loaded and plotted; the module is a command."""

import dataclasses
import functools
import os
import subprocess
import sys

import matplotlib.figure
import matplotlib.pyplot as plt
import numpy as np
import pytest
from contract_systems import flat_system, two_island_system
from numpy.testing import assert_array_equal

import bdg


@functools.cache
def results():
    system, x = flat_system(30)
    amplitude = bdg.pair_amplitude(system, 0.05)
    return {
        "bound_states": bdg.bound_states(system, 6),
        "count_states": bdg.count_states(system, 0.05),
        "pair_amplitude": amplitude,
        "proximity_length": bdg.proximity_length(system, amplitude, mean_free_path=4.0),
    }


@pytest.mark.parametrize("name", ["bound_states", "count_states", "pair_amplitude", "proximity_length"])
def test_every_result_carries_evidence_saves_loads_and_plots(name, tmp_path):
    result = results()[name]
    for word in ("method", "device", "dtype", "seconds"):
        assert getattr(result.evidence, word) is not None, word
    assert result.evidence.seconds >= 0
    assert dataclasses.is_dataclass(result)
    with pytest.raises(AttributeError):
        result.evidence = None

    path = tmp_path / f"{name}.h5"
    result.save(path)
    again = bdg.load(path)
    assert type(again) is type(result)
    for field in dataclasses.fields(result):
        old, new = getattr(result, field.name), getattr(again, field.name)
        if isinstance(old, np.ndarray):
            assert_array_equal(new, old)
            assert new.dtype == old.dtype
        elif isinstance(old, (bool, int, float, str)):
            assert new == old
            assert isinstance(new, (str, bool, int, float))
        elif isinstance(old, dict):
            assert new == old
    assert again.evidence.method == result.evidence.method
    assert again.evidence.seconds == result.evidence.seconds

    for each in (result, again):
        figure = each.plot()
        assert isinstance(figure, matplotlib.figure.Figure)
        assert figure.axes
        for axes in figure.axes[:1]:
            assert axes.get_xlabel() or axes.get_ylabel()
        figure.savefig(tmp_path / "figure.png")
        plt.close(figure)


def test_saved_results_describe_themselves(tmp_path):
    h5py = pytest.importorskip("h5py")
    for name, result in results().items():
        result.save(tmp_path / f"{name}.h5")
    two_island_system().save(tmp_path / "system.h5")
    for path in tmp_path.glob("*.h5"):
        with h5py.File(path) as file:
            missing = []

            def visit(key, item, missing=missing):
                if isinstance(item, h5py.Dataset) and not {"unit", "description"} <= set(item.attrs):
                    missing.append(key)

            file.visititems(visit)
            assert not missing, (path.name, missing)
            assert any("version" in key for key in file.attrs), list(file.attrs)


def test_a_newer_format_is_refused(tmp_path):
    h5py = pytest.importorskip("h5py")
    path = tmp_path / "states.h5"
    results()["bound_states"].save(path)
    with h5py.File(path, "r+") as file:
        key = next(key for key in file.attrs if "version" in key and "format" in key)
        file.attrs[key] = int(file.attrs[key]) + 1
    with pytest.raises(bdg.ResultFileError, match="newer"):
        bdg.load(path)


def test_module_runs_as_a_command():
    environment = os.environ | {"PYTHONWARNINGS": "default"}
    module = subprocess.run([sys.executable, "-m", "bdg", "info"], capture_output=True, text=True, env=environment)
    assert module.returncode == 0, module.stderr
    assert bdg.__version__ in module.stdout
    for word in ("numpy", "scipy", "kwant"):
        assert word in module.stdout.lower()
