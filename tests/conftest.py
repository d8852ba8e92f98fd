"""What all tests share: quiet plots, few threads, and one test body for both devices."""

import atexit
import os
import shutil
import sys
import tempfile
from pathlib import Path

for _library in ("OMP", "OPENBLAS", "MKL"):  # before NumPy is imported; tests are many small problems
    os.environ.setdefault(f"{_library}_NUM_THREADS", "1")
os.environ.setdefault("BDG_THREADS", "1")  # as many tests run side by side as there are cores
os.environ.setdefault("MPLBACKEND", "Agg")
os.environ["BDG_CALIBRATION"] = "off"  # choices by fixed rates, and nothing is written to anybody's home
os.environ.setdefault("BDG_KERNELS", str(Path(__file__).resolve().parents[1] / ".pytest_cache" / "kernels"))
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


THINNED = {  # families of alike cases: every n-th one runs by default, all of them in `make test-slow`
    "device/test_public_functions.py::test_the_device_gives_what_the_cpu_gives": 5,
    "device/test_public_functions.py::test_loops_give_what_they_give_on_the_cpu": 4,
    "device/test_public_functions.py::test_with_the_fronts_of_each_device": 4,
    "device/test_chebyshev_kernels.py::test_the_kernel_equals_its_twin": 5,
    "device/test_kernels.py::test_kernels_equal_their_twin_bit_for_bit": 5,
    "device/test_thermal_choice.py::test_the_quicker_device_is_taken_and_both_are_named": 4,
    "device/test_transfers.py::test_few_transfers_and_no_needless_wait": 5,
    "unit/condensate/test_pair_amplitude.py::test_poles_equal_dense_within_the_stated_error": 5,
    "unit/condensate/test_gap_error.py::test_a_site_at_its_threshold_beside_another": 4,
    "unit/condensate/test_critical_temperature_everywhere.py::test_random_systems": 5,
    "unit/condensate/test_critical_temperature_everywhere.py::test_random_systems_as_if_they_were_large": 4,
    "unit/currents/test_current_phase.py::test_current_is_the_derivative_of_the_free_energy": 4,
    "unit/gpu/test_sign_count.py::test_counts_lie_between_those_at_the_ends_of_the_error": 4,
    "unit/gpu/test_multifrontal.py::test_equals_dense_algebra_on_every_geometry": 5,
    "unit/gpu/test_multifrontal.py::test_equals_dense_algebra_for_all_sizes_of_blocks": 5,
    "unit/gpu/test_majorana.py::test_all_blocks_of_the_inverse_equal_dense_algebra": 5,
    "unit/jobs/test_extrapolation.py::test_it_says_what_the_system_itself_would": 4,
    "unit/states/test_hard_walls.py::test_levels_between_walls_are_those_of_the_cut_lattice": 4,
    "device/test_chebyshev_kernels.py::test_a_planted_error_is_found": 4,
    "unit/gpu/test_schur_complement.py::test_against_dense_inverses": 4,
    "unit/gpu/test_multifrontal.py::test_a_few_columns_are_solved_as_many_are": 4,
    "unit/states/test_bound_states.py::test_sparse_equals_dense": 4,
    "unit/states/test_bound_states_lanczos.py::test_equals_dense": 4,
    "device/test_threads.py::test_the_same_bits_whatever_the_number_of_threads": 2,
}


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Make the cases of `THINNED` slow but every n-th."""
    seen: dict[str, int] = {}
    for item in items:
        family = item.nodeid.removeprefix("tests/").partition("[")[0]
        if family in THINNED and item.get_closest_marker("slow") is None:
            if seen.setdefault(family, 0) % THINNED[family]:
                item.add_marker(pytest.mark.slow)
            seen[family] += 1


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
