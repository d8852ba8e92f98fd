"""Evidence, saving and loading of results, and the choice of the device."""

import copy
import pickle

import numpy as np
import pytest

import bdg
from bdg.base.results import Evidence
from bdg.gpu.device.backend import BackendUnavailableError, MemoryBudgetError, select_backend
from bdg.gpu.device.memory import available_bytes, require_memory


def test_evidence_reads_as_mapping_and_attributes():
    evidence = Evidence({"method": "dense"}, seconds=1.5)
    assert evidence["method"] == evidence.method == "dense" and evidence.seconds == 1.5
    assert dict(evidence) == {"method": "dense", "seconds": 1.5} and len(evidence) == 2 and "method" in evidence
    with pytest.raises(AttributeError, match=r"no entry 'colour'; it has \['method', 'seconds'\]"):
        _ = evidence.colour
    with pytest.raises(AttributeError, match="read-only"):
        evidence.method = "other"
    assert dict(pickle.loads(pickle.dumps(evidence))) == dict(copy.deepcopy(evidence)) == dict(evidence)


def test_results_are_frozen(grid):
    states = bdg.bound_states(grid((4,), delta=0.3), 2)
    with pytest.raises(AttributeError):
        states.energies = np.zeros(2)


def test_load_reads_systems_and_refuses_foreign_files(grid, tmp_path):
    system = grid((3, 3), delta=0.3)
    system.save(tmp_path / "system.h5")
    assert np.array_equal(bdg.load(tmp_path / "system.h5").delta, system.delta)
    states = bdg.bound_states(system, 4)
    states.save(tmp_path / "states.h5")
    data = (tmp_path / "states.h5").read_bytes()
    (tmp_path / "cut.h5").write_bytes(data[: len(data) // 2])
    with pytest.raises(bdg.ResultFileError, match="cut.h5: cannot be read, truncated or damaged"):
        bdg.load(tmp_path / "cut.h5")
    with pytest.raises(bdg.ResultFileError, match="no such file"):
        bdg.load(tmp_path / "absent.h5")
    with pytest.raises(bdg.ResultFileError, match="holds a BoundStates, not a System"):
        bdg.lattices.load(tmp_path / "states.h5")


def test_file_describes_itself(grid, tmp_path):
    import h5py

    bdg.bound_states(grid((4,), delta=0.3), 2).save(tmp_path / "states.h5")
    with h5py.File(tmp_path / "states.h5") as file:
        assert file.attrs["kind"] == "BoundStates" and file.attrs["format_version"] >= 1
        assert file["energies"].attrs["unit"] == "hopping"
        assert "sorted by absolute value" in file["energies"].attrs["description"]


def test_gpu_is_never_replaced_silently(grid):
    auto = select_backend("auto")
    if auto.device == "gpu":
        pytest.skip("there is a GPU: the refusal cannot be seen")
    assert "no usable GPU" in auto.device_name
    with pytest.raises(BackendUnavailableError, match=r"device='gpu' was requested.*device='cpu'"):
        bdg.bound_states(grid((4,)), 2, device="gpu")
    with pytest.raises(ValueError, match="'auto', 'cpu' or 'gpu'; got 'cuda'"):
        select_backend("cuda")
    assert bdg.bound_states(grid((4,)), 2).evidence.device_name == auto.device_name


def test_memory_is_asked_before_it_is_taken():
    backend = select_backend("cpu")
    assert 1e6 < available_bytes(backend) < 1e15
    with pytest.raises(MemoryBudgetError, match=r"dense thing needs about 931.3 GiB.*Use less"):
        require_memory(1e12, backend, "dense thing", "Use less")


def test_dense_refuses_what_does_not_fit(grid, monkeypatch):
    from bdg.gpu.eigen import dense

    monkeypatch.setattr(dense, "available_bytes", lambda backend: 1e5)
    monkeypatch.setattr("bdg.gpu.device.memory.available_bytes", lambda backend: 1e5)
    with pytest.raises(bdg.MemoryBudgetError, match=r"Dimensions up to about \d+ fit"):
        bdg.bound_states(grid((10, 10), delta=0.3), 4, method="dense")
    with pytest.raises(ValueError, match="does not fit at dimension 200; the smallest temperature"):
        bdg.pair_amplitude(grid((10, 10), delta=0.3), 0)
