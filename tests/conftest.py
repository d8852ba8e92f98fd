"""What all tests share: quiet plots, few threads, and one test body for both devices."""

import atexit
import os
import shutil
import sys
import tempfile
from pathlib import Path

for _library in ("OMP", "OPENBLAS", "MKL"):  # before NumPy is imported; tests are many small problems
    os.environ.setdefault(f"{_library}_NUM_THREADS", "1")
os.environ.setdefault("MPLBACKEND", "Agg")
os.environ["BDG_CALIBRATION"] = "off"  # choices by fixed rates, and nothing is written to anybody's home
if os.environ.pop("PYTHONDONTWRITEBYTECODE", ""):
    # Nothing is written beside the sources, yet neither this process nor those that tests start compile all anew.
    _cache = Path(__file__).resolve().parents[1] / ".pytest_cache"
    if os.access(_cache if _cache.exists() else _cache.parent, os.W_OK):
        _bytecode = str(_cache / "bytecode")
    else:
        _bytecode = tempfile.mkdtemp(prefix="bdg-bytecode-")
        atexit.register(shutil.rmtree, _bytecode, ignore_errors=True)
    os.environ["PYTHONPYCACHEPREFIX"] = sys.pycache_prefix = _bytecode
    sys.dont_write_bytecode = False

import hypothesis
import pytest

from bdg.gpu.device.backend import Backend, BackendUnavailableError, select_backend

# A shared machine may pause any example for long; the same examples in every run.
hypothesis.settings.register_profile("bdg", deadline=None, derandomize=True)
hypothesis.settings.load_profile("bdg")


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_auto_num_workers() -> int:
    """``-n auto``: the cores that this process may use, where pytest-xdist would count all of the machine."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


@pytest.fixture(params=["cpu", pytest.param("gpu", marks=pytest.mark.gpu)])
def backend(request: pytest.FixtureRequest) -> Backend:
    """Each device in turn; without a GPU its half is skipped, unless BDG_REQUIRE_GPU=1."""
    try:
        return select_backend(request.param)
    except BackendUnavailableError as error:
        if os.environ.get("BDG_REQUIRE_GPU") == "1":
            raise
        pytest.skip(str(error))
