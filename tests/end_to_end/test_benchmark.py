"""The benchmarks run, compare like with like, and say what is missing; no test depends on how long anything takes."""

import json
import math
import os
import subprocess
import sys
import time
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from scipy.sparse.linalg import splu

from bdg import cli
from bdg.gpu.device.backend import Backend, select_backend
from bdg.validation.benchmarks import (
    alone,
    child,
    document,
    plan,
    predictions,
    routes,
    self_consistent,
    tables,
    targets,
    tasks,
)
from bdg.validation.benchmarks.alone import Measurement
from bdg.validation.benchmarks.gpu import stages as gpu_stages
from bdg.validation.benchmarks.gpu import steps as gpu_steps
from bdg.validation.benchmarks.gpu import table as gpu_table
from bdg.validation.benchmarks.gpu.clock import Clock

ROOT = Path(__file__).resolve().parents[2]
NOT_NEEDED = ("kwant", "tinyarray", "matplotlib", "tqdm", "dask", "distributed", "numba")


def run_here(task, **options):
    """`alone.run_alone` without the process; one of its own is started for the large benchmark below."""
    if why := alone.missing_package(tasks.TASKS[task].package):
        return Measurement(task, options, error=why)
    return Measurement(task, options, **json.loads(json.dumps(child.measure_here(task, options))))


def predictions_here(cases, take, measure=predictions.measure):
    """`predictions.measure`, but only the last case in a process of its own."""
    rows = [row for case in cases[:-1] for row in predictions.rows_of(case)] + measure(cases[-1:])
    for row in rows:
        take(row)
    return rows


@pytest.fixture(scope="module")
def quick(tmp_path_factory):
    """A run with tiny sizes: the page it wrote and every single measurement."""
    folder = tmp_path_factory.mktemp("benchmark")
    page = folder / "page.md"
    page.write_text(f"# Before\n\n{document.BEGIN}\nold\n{document.END}\n\nAfter.\n")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(plan.measure, "__defaults__", (run_here,))
        patch.setattr(predictions, "measure", predictions_here)
        assert cli.main(["benchmark", "--quick", "--write", str(page), "--json", str(folder / "runs.json")]) == 0
    return page.read_text(), json.loads((folder / "runs.json").read_text())


@pytest.mark.slow
def test_the_page_holds_the_tables_between_its_own_words(quick):
    page, _ = quick
    assert page.startswith(f"# Before\n\n{document.BEGIN}\n\nMachine: ")
    assert page.endswith(f"{document.END}\n\nAfter.\n") and "\nold\n" not in page
    ways = (routes.CERTIFIED, routes.SUPERLU, routes.PARDISO, routes.BODGE, routes.POLES, routes.COLUMNS, routes.DENSE)
    said = (
        "one BLAS thread",
        "numpy 2",
        routes.UNPROVEN,
        "### Density of states",
        "kwant.kpm",
        "### Self-consistent gap",
    )
    for words in (*said, *(way.name for way in ways)):
        assert words in page
    widths = {line.count(" | ") for line in page.splitlines() if line.startswith("| 8^3")}
    assert len(widths) == 1  # every row has all columns


@pytest.mark.slow
def test_self_consistent_gaps_are_solved_and_held_against_their_iterations(quick):
    """Rows of both temperatures with an error below the tolerance; promises are for 20^3 only."""
    page, content = quick
    runs = {run["options"]["share"]: run for run in content["runs"] if run["task"] == "gap"}
    assert set(runs) == {0.1, 0.5} and not any(run["error"] for run in runs.values())
    for share, run in runs.items():
        found = run["found"]
        assert found["temperature"] == pytest.approx(share * tasks.CRITICAL)
        assert found["largest"] > 0.05 and found["error"] <= 1e-6 * found["largest"]
        assert sum(found["sums"].values()) == found["iterations"]
        assert f"| 6^3 | {share:g} | {found['iterations']} | - |" in page
    assert "self-consistent gap, " not in page  # no target at this size
    best = {
        (20, routes.gap_route(share).name): Measurement("gap", {"share": share}, 1.0, 1.0, 0.1, {"iterations": count})
        for share, count in ((0.1, 15), (0.95, 41))
    }
    held = [target for target in targets.targets(best, plan.Plan()) if "gap" in target.name]
    assert [(target.bound, target.met) for target in held] == [(15, True), (40, False)]
    failed = Measurement("gap", {}, error="no memory")
    assert self_consistent.row(20, 0.1, failed)[-1] == "no memory"
    assert len(self_consistent.row(20, 0.1, failed)) == len(self_consistent.HEAD)


@pytest.mark.slow
def test_large_benchmarks_have_markers_of_their_own(tmp_path, capsys):
    page = tmp_path / "page.md"
    marks = (document.BEGIN, document.END, document.LARGE_BEGIN, document.LARGE_END)
    page.write_text("\n".join([marks[0], "everyday", marks[1], "prose", marks[2], "old", marks[3], ""]))
    assert cli.main(["benchmark", "--large", "--quick", "--write", str(page)]) == 0
    start, _, rest = page.read_text().partition(document.LARGE_BEGIN)
    assert start == f"{document.BEGIN}\neveryday\n{document.END}\nprose\n"
    assert (
        "| 6^3 | 0.1 |" in rest
        and "| complete |" in rest
        and "A REPLAY" in rest
        and "old" not in rest
        and rest.endswith(f"{document.LARGE_END}\n")
    )
    assert plan.cells(plan.LARGE, "self_consistent") == [(32, routes.gap_route(0.1))]
    assert cli.main(["benchmark", "--large", "--only", "grid"]) == 2
    assert "the parts large_states, self_consistent, replay; got grid" in capsys.readouterr().err
    page.write_text(f"{document.BEGIN}\n{document.END}\n")
    assert cli.main(["benchmark", "--large", "--quick", "--write", str(page)]) == 2
    assert document.LARGE_BEGIN in capsys.readouterr().err


@pytest.mark.slow
def test_peers_that_are_not_installed_are_named_with_their_cure(quick):
    page, content = quick
    for run in content["runs"]:
        package = tasks.TASKS[run["task"]].package
        if alone.missing_package(package):
            assert run["error"] == alone.missing_package(package)
            assert run["error"].startswith(f"{package} is not installed (make ") and run["error"] in page
        else:
            assert not run["error"]


@pytest.mark.slow
def test_routes_are_compared_on_equal_results(quick):
    """Levels equal to rounding for every peer, pair amplitudes within the stated error."""
    _, content = quick
    runs = [run for run in content["runs"] if not run["error"]]
    for size, kind in {(run["options"]["size"], run["options"].get("kind")) for run in runs}:
        levels = [
            run["found"]["energies"]
            for run in runs
            if (run["options"]["size"], run["options"].get("kind")) == (size, kind) and "energies" in run["found"]
        ]
        for one in levels[1:]:
            # eigenvalues move by dimension * eps * norm (Weyl): 1000 * 2e-16 * 8 t
            np.testing.assert_allclose(one, levels[0], rtol=0, atol=2e-12)
    of_six = [run for run in runs if run["options"]["size"] == 6]
    found = {run["task"]: run["found"] for run in of_six if run["task"] in ("poles", "dense", "columns")}
    exact = np.array([complex(*value) for value in found["dense"]["values"]])
    for task in ("poles", "columns"):
        values = np.array([complex(*value) for value in found[task]["values"]])
        assert abs(values - exact[found[task]["sites"]]).max() <= found[task]["error"]


@pytest.mark.parametrize(
    ("text", "why"),
    [
        (None, "no such file"),
        ("# Page\n", "must hold the lines"),
        (f"{document.END}\n{document.BEGIN}\n", "in this order"),
    ],
)
def test_a_page_without_markers_is_refused_before_anything_is_measured(tmp_path, monkeypatch, capsys, text, why):
    monkeypatch.setattr(plan, "measure", lambda *_: pytest.fail("measured"))
    page = tmp_path / "page.md"
    if text is not None:
        page.write_text(text)
    assert cli.main(["benchmark", "--write", str(page)]) == 2
    assert why in capsys.readouterr().err


def test_densities_are_held_against_kwant_in_one_process():
    """Rows come from one task that repeats itself; both precisions are targets; without kwant nothing is promised."""
    row = {"moments": 512, "vectors": 8, "seconds": 1.0, "kwant_typed_seconds": 4.0, "deviation": 2.0,
           "step_seconds": 1e-3, "bandwidth": 5e9, "copy_bandwidth": 1e10}  # fmt: skip
    rows = [{**row, "size": 24, "dtype": "float32", "kwant_seconds": 15.6},
            {**row, "size": 24, "dtype": "float64", "kwant_seconds": 11.9}]  # fmt: skip
    small = [{**row, "size": 16, "dtype": "float64", "kwant_seconds": math.nan}]
    calls = []

    def run(task, size, **options):
        calls.append((task, size, options["repeats"]))
        if size == 32:
            return Measurement(task, {"size": size}, error="out of memory")
        return Measurement(task, {"size": size}, 1.0, 1.0, 0.1, {"rows": rows if size == 24 else small})

    chosen = plan.Plan(grid=0)
    best, _ = plan.measure(plan.cells(chosen, "density_of_states"), chosen.repeats, run)
    assert calls == [("densities", 16, 3), ("densities", 24, 3), ("densities", 32, 3)]
    held = [target for target in targets.targets(best, chosen) if "kwant.kpm" in target.name]
    assert [(target.value, target.met) for target in held[1:]] == [(15.6, True), (11.9, False)]
    assert held[0].met is None
    table = tables.density_of_states(best, chosen)
    assert table.count("| 24^3 |") == 2 and table.endswith("\n\n32^3: out of memory")


def test_the_quickest_run_counts_and_long_or_failed_ones_are_not_repeated():
    seconds = {"lanczos": iter([3.0, 2.0, 4.0]), "superlu": iter([30.0]), "pardiso": iter([])}

    def run(task, size, **options):
        if task == "pardiso":
            return Measurement(task, {"size": size}, error="not installed")
        took = next(seconds[task])
        return Measurement(task, {"size": size}, took, took, 0.1)

    best, every = plan.measure([(24, routes.CERTIFIED), (24, routes.SUPERLU), (24, routes.PARDISO)], 3, run)
    assert best[24, routes.CERTIFIED.name].cpu_seconds == 2.0
    assert best[24, routes.SUPERLU.name].cpu_seconds == 30.0
    assert best[24, routes.PARDISO.name].error == "not installed"
    assert len(every) == 5


def test_targets_are_ratios_of_processor_seconds_against_the_quicker_peer():
    def run(route, size, seconds, peak, **found):
        return {(size, route.name): Measurement(route.task, {"size": size}, seconds, 9 * seconds, peak, found)}

    best = {
        **run(routes.CERTIFIED, 24, 2.0, 0.2, count_cpu_seconds=0.5),
        **run(routes.SUPERLU, 24, 12.0, 0.3),
        **run(routes.PARDISO, 24, 3.0, 0.1),
        **run(routes.PARDISO_LOOSE, 24, 2.4, 0.1),
        **run(routes.CERTIFIED, 32, 8.0, 0.5, count_cpu_seconds=2.0),
        **run(routes.POLES, 20, 2.0, 0.1, sites=[0, 1], values=[[1.0, 0.0], [0.5, 0.0]]),
        **run(routes.COLUMNS, 20, 4.0, 0.1, sites=[1], of_sites=20, values=[[0.5, 1e-6]]),
    }
    held = {target.name: target for target in targets.targets(best, plan.Plan())}
    expected = {
        "32 bound states, 24^3, proven complete: SciPy / ours": (6.0, True),
        "32 bound states, 24^3, proof left out: SciPy / ours": (8.0, True),
        "32 bound states, 24^3, memory: ours / SciPy": (2 / 3, False),
        "32 bound states, 24^3, proven complete: the quicker ARPACK on PARDISO / ours": (1.2, False),
        "32 bound states, 32^3, proven complete: GiB": (0.5, True),
        "pair amplitude on all sites, 20^3: exact columns / ours": (40.0, True),
        "its error / largest F": (1e-6, True),
    }
    for name, (value, met) in expected.items():
        assert held[name].value == pytest.approx(value) and held[name].met is met
    missing = held["32 bound states, 32^3, proven complete: the quicker ARPACK on PARDISO / ours"]
    assert math.isnan(missing.value) and missing.met is None and missing.cells()[-1] == "not measured"


PLANTED = """
import numpy as np
from bdg.validation.benchmarks import child, tasks
tasks.TASKS["planted"] = tasks.Task(
    lambda size: (lambda: np.ones(1_000_000 * size), lambda found: {"n": found.size})
)
print([child.measure_here("planted", {"size": 8})["peak_gib"] * child.GIB for _ in range(3)])
"""


def test_memory_is_what_the_call_took_beyond_the_process():
    """Eight million doubles are 64 MB; the process around them is larger."""
    done = subprocess.run([sys.executable, "-c", PLANTED], capture_output=True, text=True, check=True)
    several = json.loads(done.stdout)
    if Path("/proc/self/clear_refs").exists():  # a system short of memory may take back idle pages at the same time
        assert any(0.9 * 64e6 < peak < 1.2 * 64e6 for peak in several)


def test_a_computation_that_fails_says_why():
    found = alone.run_alone("lanczos", size=8, colour="blue")
    assert "unexpected keyword argument 'colour'" in found.error and math.isnan(found.cpu_seconds)


@pytest.fixture(scope="module")
def try_out(tmp_path_factory):
    """The GPU table on the CPU, where everything that it must not need is missing."""
    folder = tmp_path_factory.mktemp("gpu_table")
    for name in NOT_NEEDED:
        (folder / f"{name}.py").write_text(f"raise ImportError('{name} is not here')\n")
    command = [sys.executable, "-m", "bdg.validation.benchmarks.gpu.table", "--device", "cpu", "--sizes", "6",
               "--steps", "6", "--agreement", "6", "--out", "out"]  # fmt: skip
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join([str(folder), str(ROOT)])}
    done = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, timeout=300)
    rows = [json.loads(line) for line in (folder / "out" / "rows.jsonl").read_text().splitlines()]
    return done, rows, (folder / "out" / "table.md").read_text()


@pytest.mark.slow
def test_the_gpu_table_needs_neither_kwant_nor_matplotlib_nor_tqdm(try_out):
    done, rows, _ = try_out
    assert done.returncode == 0, done.stderr
    assert not [row for row in rows if "error" in row]


@pytest.mark.slow
def test_the_gpu_table_has_every_stage_with_time_memory_and_rate(try_out):
    done, rows, table = try_out
    assert done.stdout.strip() == table.strip()
    stages = {(row["stage"], row["dtype"]): row for row in rows if "seconds_cold" in row and "columns" not in row}
    parts = ("factor", "solve, 32 columns", "selected inverse")
    expected = {(part, dtype) for part in parts for dtype in ("float64", "complex128")}
    expected |= {
        ("local density on all sites, one energy", "complex128"),
        ("2 iterations of the gap, 0.1 Tc", "float64"),
    }
    expected |= {("32 bound states, certified", "float64"), ("pair amplitude on all sites", "float64"),
                 ("one pole: quaternion factor and selected inverse", "float64")}  # fmt: skip
    assert set(stages) == expected
    counted = [row for row in stages.values() if "flops" in row]
    assert len(counted) == len(stages) - 2  # densities and gaps have other methods inside
    for row in stages.values():
        assert row["seconds_cold"] > 0 and row["seconds_warm"] > 0 and row["peak_gib"] >= 0
    assert all(row["flops"] > 0 for row in counted)
    assert [row["left_out"] for row in rows if "left_out" in row] == ["cuDSS runs on a GPU only"] * 2
    assert table.count("cuDSS runs on a GPU only") == 2
    assert stages["32 bound states, certified", "float64"]["complete"]
    for dtype in ("float64", "complex128"):
        assert stages["solve, 32 columns", dtype]["residual"] < 1e-9  # refined solves
    steps = [row for row in rows if row["stage"] == gpu_steps.STAGE]
    assert table.count(" % |") == len(counted) + len(steps)
    assert all(words in table for words in ("DGEMM", "ZGEMM", "copy", "GB/s", "TFLOP"))


@pytest.mark.slow
def test_the_gpu_table_compares_every_observable_for_three_kinds_of_systems(try_out):
    _, rows, table = try_out
    compared = {(row["stage"], row["system"]): row for row in rows if "system" in row}
    assert len(compared) == 17 and table.count("| agree |") == 17  # a gap is solved without spin
    assert all(row["agrees"] and row["difference"] <= row["stated"] < 1e-5 for row in compared.values())


@pytest.mark.slow
def test_the_gpu_table_has_chebyshev_steps_beside_the_copy(try_out):
    """12 rows; the share is what a step moves at least, counted by hand here, over its time and the copy's rate."""
    _, rows, table = try_out
    copy = next(row["bytes_per_second"] for row in rows if row["stage"] == "copy")
    steps = [row for row in rows if row["stage"] == gpu_steps.STAGE]
    widths = {"float32": 4, "float64": 8, "complex64": 8, "complex128": 16}
    assert [(row["dtype"], row["columns"]) for row in steps] == [(d, r) for d in widths for r in (8, 32, 64)]
    entries = 216 + 2 * 3 * 5 * 36  # an open cube of 6^3: diagonal and bonds both ways
    for row in steps:
        width = widths[row["dtype"]]
        assert row["seconds_cold"] > 0 and row["seconds_warm"] > 0 and row["sites"] == 216
        expected = 3 * 432 * row["columns"] * width + entries * (width + 4) + 216 * (width + 8)
        assert row["bytes"] == expected
        share = f"{100 * expected / row['seconds_warm'] / copy:.0f} % |"
        assert f"| 216 (6^3) | {row['dtype']} | {row['columns']} |" in table and share in table
    assert "of the copy bandwidth, target" not in table  # promised at 100^3 only
    held = gpu_steps.targets([{**steps[0], "size": 100, "bytes_per_second": 0.7 * copy}], copy)
    assert held == ["- Chebyshev step, 100^3, float32, 8 columns: 70 % of the copy bandwidth, target 60 %: met"]
    assert "MISSED" in gpu_steps.targets([{**steps[0], "size": 100, "bytes_per_second": 0.5 * copy}], copy)[0]
    failed = gpu_steps.table([{"size": 6, "sites": 216, "dtype": "float32", "columns": 8, "error": "no memory"}], copy)
    assert failed.endswith("| - | - | - | - | no memory |")


def test_a_wrong_device_result_is_seen(monkeypatch):
    wrong = gpu_stages._amplitudes

    def planted(system, device, method):
        values, error = wrong(system, device, method)
        return (values * (1 + 1e-4), error) if method == "poles" else (values, error)

    planted.__name__ = "_amplitudes"
    monkeypatch.setattr(gpu_stages, "_amplitudes", planted)
    rows = list(gpu_stages.agreement(Clock(select_backend("cpu"), 6, time.time() + 60), 6))
    verdicts = [row["agrees"] for row in rows]
    assert verdicts == [True, True, False, True, True, True] * 2 + [True, True, False, True, True]


def test_cudss_takes_the_same_matrix_and_a_missing_package_is_a_row(monkeypatch):
    """With a stand-in for nvmath that solves by SuperLU; the wheels are named where it is missing."""
    from bdg.validation.benchmarks.gpu import cudss
    from bdg.validation.benchmarks.systems import composite

    class Solver:
        def __init__(self, matrix, right, options):
            assert abs(matrix - matrix.T).max() == 0 and options == {"sparse_system_type": "symmetric"}
            self._matrix, self._right = matrix, right

        def plan(self):
            pass

        def factorize(self):
            self._factors = splu(self._matrix.tocsc())

        def solve(self):
            return self._factors.solve(self._right)

        def free(self):
            pass

    advanced = SimpleNamespace(DirectSolver=Solver, DirectSolverMatrixType=SimpleNamespace(SYMMETRIC="symmetric"))
    clock = Clock(select_backend("cpu"), 6, time.time() + 60)
    (row,) = cudss.cudss(clock, composite(6), 0.0, "float64", 4)
    assert row["left_out"] == "cuDSS runs on a GPU only" and "error" not in row
    monkeypatch.setattr(cudss.importlib.util, "find_spec", lambda name: None)
    on_gpu = SimpleNamespace(backend=Backend("gpu", "stand-in", np))
    assert cudss.why_not(on_gpu) == f"nvmath is not installed ({cudss.WHEELS})" and "nvidia-cudss" in cudss.WHEELS
    monkeypatch.setattr(cudss, "why_not", lambda clock: "")
    monkeypatch.setattr(cudss.importlib, "import_module", lambda name: advanced)
    monkeypatch.setattr(cudss, "_free_bytes", lambda clock: 0.0)
    for z, dtype in ((0.0, "float64"), (0.1j, "complex128")):
        rows = list(cudss.cudss(clock, composite(6), z, dtype, 4))
        assert [row["stage"] for row in rows] == [
            "cuDSS: ordering and symbolic",
            "cuDSS: factor",
            "cuDSS: solve, 4 columns",
        ]
        assert not any("error" in row for row in rows) and rows[2]["residual"] < 1e-9


def _interrupt(row):
    raise KeyboardInterrupt


def test_a_failing_row_carries_its_error_and_time_that_is_up_is_said():
    clock = Clock(select_backend("cpu"), 8, time.time() + 60)
    assert "ZeroDivisionError: division by zero" in clock.row("planted", "float64", lambda: 1 / 0)["error"]
    late = Clock(select_backend("cpu"), 8, time.time())
    assert late.row("late", "float64", lambda: pytest.fail("was run"))["error"] == "no time left"
    rows = []
    gpu_table.run_job({"job": "size", "size": 20, "device": "cpu", "deadline": time.time() + 0.2}, rows.append)
    assert rows[-1]["error"] == "code -9: ended at the time limit"
    gpu_table.run_job({"job": "size", "size": 20, "device": "cpu", "deadline": time.time()}, rows.append)
    assert rows[-1]["error"] == "no time left"
    with pytest.raises(KeyboardInterrupt):  # and the process is ended, else this test would take minutes
        gpu_table.run_job({"job": "rates", "size": 0, "device": "cpu", "deadline": time.time() + 600}, _interrupt)
    assert "| 20^3 | size | - | - | - | - | - | - | no time left |" in gpu_table.table(rows)


def test_on_a_gpu_the_clock_waits_and_reads_the_memory_pool():
    """With a stand-in for CuPy: the pool is emptied before a row and read after it."""
    calls = []

    class Module:
        class cuda:  # noqa: N801 (CuPy's name)
            class Device:
                def synchronize(self):
                    calls.append("wait")

        def get_default_memory_pool(self):
            return self

        def free_all_blocks(self):
            calls.append("free")

        def total_bytes(self):
            return 3 * 2**30

    clock = Clock(Backend("gpu", "stand-in", Module()), 8, time.time() + 60)
    row = clock.row("stage", "float64", lambda: calls.append("run"))
    assert row["peak_gib"] == 3.0
    assert calls == ["free", "wait", "run", "wait", "wait", "run", "wait"]


def test_the_command_without_a_gpu_says_so(tmp_path, monkeypatch):
    try:
        select_backend("gpu")
    except RuntimeError:
        pass
    else:
        pytest.skip("there is a GPU")
    assert gpu_table.main(["--out", str(tmp_path / "out")]) == 2
    assert "there is no usable GPU" in (tmp_path / "out" / "table.md").read_text()
    with pytest.raises(SystemExit):
        gpu_table.main(["--sizes", "8,2"])


def test_targets_of_the_gpu_table_are_held_against_the_first_call():
    row = {"stage": "32 bound states, certified", "size": 64, "dtype": "float64", "seconds_cold": 4.0, "peak_gib": 9.0}
    assert "- 32 bound states, certified, 64^3: 4 s, target 10 s: met" in gpu_table.table([{**row, "complete": True}])
    assert "target 10 s: MISSED" in gpu_table.table([{**row, "complete": False}])
    assert "target 10 s: MISSED" in gpu_table.table([{**row, "complete": True, "seconds_cold": 11.0}])
