"""Tables by the clock: what is compared, what else ran, and what is left of a run that was interrupted."""

from __future__ import annotations

import dataclasses
import json
import math
import os
import subprocess

import numpy as np
import pytest
from numpy.testing import assert_allclose

import bdg
from bdg.validation.benchmarks import command, document, neighbours, plan, predictions, targets, wall_clock
from bdg.validation.benchmarks.alone import Measurement
from bdg.validation.benchmarks.neighbours import Neighbours
from bdg.validation.benchmarks.systems import film

LINE = next(line for line in wall_clock.LINES if line.what == "32 states, proven" and line.size == 32)


def measured(seconds, others=0.0, **found):
    return Measurement("task", {}, seconds, seconds, 0.1, found, others=others, load=1.5)


def found_of(line, *seconds):
    return {(line.size, route.name): measured(each) for route, each in zip(line.routes, seconds, strict=True)}


def test_peers_and_threads_of_every_line():
    named = [(route.task, route.threads) for route in LINE.routes]
    assert named == [("lanczos", 1), ("lanczos", 2), ("pardiso", 1), ("pardiso", 2), ("superlu", 1)]
    assert {line.size for line in wall_clock.LINES if line.what == "32 states, proven"} == {24, 32, 40}
    films = [line for line in wall_clock.LINES if " film" in line.what]
    assert [(line.size, line.routes[0].options) for line in films] == [
        (120, {"kind": "Rashba", "k": 16}), (180, {"kind": "Rashba", "k": 16}), (120, {"kind": "real", "k": 32}),
    ]  # fmt: skip
    assert all(line.routes[-1].task == "film_scipy" for line in films)
    names = [(line.size, route.name) for line in wall_clock.LINES for route in line.routes]
    assert len(set(names)) == len(names)


def test_times_are_held_against_the_quicker_of_both_numbers_of_threads():
    best = found_of(LINE, 6.0, 4.0, 12.0, 15.0, 80.0)
    rows = [row.split(" | ") for row in wall_clock.table(best, [LINE]).splitlines() if "32^3" in row]
    assert [row[5] for row in rows] == ["1.50", "1.00", "3.00", "3.75", "20.00"]
    assert wall_clock.targets(best, [LINE]) == [("32 states, proven, 32, by the clock: quickest peer / ours", 3.0, 1.0)]
    missing = {key: value for key, value in best.items() if "PARDISO" not in key[1]}
    assert wall_clock.targets(missing, [LINE])[0][1] == 20.0
    held = targets.targets(best, plan.Plan())
    assert [target.value for target in held if target.name.startswith("32 states, proven, 32, by")] == [3.0]


def test_a_busy_neighbour_marks_the_rows_that_it_spoils():
    best = found_of(LINE, 6.0, 4.0, 12.0, 15.0, 80.0)
    best[32, LINE.routes[1].name] = measured(4.0, others=0.9)
    best[32, LINE.routes[2].name] = Measurement("pardiso", {}, error="pypardiso is not installed")
    text = wall_clock.table(best, [LINE])
    assert (
        text.count("0.90 (!)") == 1 and "at most 0.90; 1 of 4 rows" in text and "pypardiso is not installed |" in text
    )
    assert "Load average when each began: 1.5 to 1.5" in text


def test_steps_are_told_by_their_rates():
    line = next(line for line in wall_clock.LINES if line.what.startswith("Chebyshev step") and line.size == 56)
    step = {"step_seconds": 2e-3, "of_copy": 0.93, "of_gemm": 0.02, "copy_rate": 5e10, "gemm_rate": 1e11}
    best = {(56, route.name): measured(1.0, **step) for route in line.routes}
    text = wall_clock.table(best, [line])
    assert text.count("93 % of a copy, 2.0 % of a dense product (50.0 GB/s, 100 Gflop/s") == 2 and "| 0.002 |" in text


def test_growth_is_the_exponent_of_the_number_of_sites():
    best = {(size, "growth: lanczos"): measured(1e-6 * (size**3) ** 1.5) for size in (24, 32, 40)}
    best[48, "growth: lanczos"] = Measurement("lanczos", {}, error="killed")
    text = wall_clock.growth(best, [("lanczos", (24, 32, 40, 48, 56))])
    assert "| N^1.50 | N^1.50 |" in text and "| failed | - |" in text
    assert math.isnan(wall_clock.exponent({24: 1.0}))


def test_large_states_have_time_memory_and_proof():
    best = {(48, wall_clock.LARGE.name): measured(40.0, complete=True, residual=1e-11)}
    text = wall_clock.large(best, (48, 64))
    assert "| 48^3 | 40.0 | 40.0 | 0.10 | complete | 1e-11 | 0.00 |" in text and "64^3" not in text


def test_others_are_what_is_busy_beyond_this_process_and_its_children(monkeypatch):
    busy, own, clock = iter([10.0, 14.0]), iter([1.0, 3.0]), iter([0.0, 4.0])
    monkeypatch.setattr(neighbours, "busy_seconds", lambda: next(busy))
    monkeypatch.setattr(neighbours, "_own_seconds", lambda: next(own))
    monkeypatch.setattr(neighbours.time, "perf_counter", lambda: next(clock))
    with Neighbours() as beside:
        pass
    assert beside.cores == pytest.approx(0.5)


def test_the_system_tells_how_busy_it_is(tmp_path, monkeypatch):
    if neighbours._STAT.exists():
        assert neighbours.busy_seconds() > 0
    (tmp_path / "stat").write_text("cpu  100 10 50 999 7 1 2 3 0 0\ncpu0 1\n")
    monkeypatch.setattr(neighbours, "_STAT", tmp_path / "stat")
    assert neighbours.busy_seconds() == pytest.approx(166 / os.sysconf("SC_CLK_TCK"))
    monkeypatch.setattr(neighbours, "_STAT", tmp_path / "none")
    with Neighbours() as beside:
        pass
    assert math.isnan(beside.cores)


@pytest.mark.parametrize("kind", ["Rashba", "real"])
def test_films_are_real_or_not_and_have_a_field(kind):
    system = film(10, kind)
    h = system.hamiltonian.toarray()
    assert system.norbs == 2 and (h.dtype.kind == "c") is (kind == "Rashba")
    assert_allclose(h, h.conj().T, atol=0)
    diagonal = h.real.diagonal().reshape(-1, 2)
    assert_allclose(diagonal[:, 0] - diagonal[:, 1], 0.2)  # twice the Zeeman energy
    spin_flip = abs(h[0::2, 1::2])
    assert (spin_flip.max() == pytest.approx(0.3)) if kind == "Rashba" else not spin_flip.any()
    assert 0.25 < (abs(system.delta) > 0).mean() < 0.75
    with pytest.raises(ValueError, match="kind must be 'Rashba' or 'real'; got 'flat'"):
        film(10, "flat")


def test_an_interrupted_run_keeps_what_it_has_and_a_failed_row_ends_nothing(tmp_path, monkeypatch):
    """The second part is interrupted in its second run: page and file hold everything before."""
    page, log = tmp_path / "page.md", tmp_path / "runs.json"
    earlier = "### Free energy of the phases of four grains, 112 points of a grid\n\nkept"
    page.write_text(f"{document.BEGIN}\nold\n\n{earlier}\n{document.END}\n")
    calls = []

    def run(task, size, **options):
        calls.append(task)
        if len(calls) == 1:
            return Measurement(task, {"size": size}, error="killed")
        if task == "landscape":
            return Measurement(task, {}, 1.0, 1.0, 0.1, {"amplitudes": [1.0], "error": 1e-9})
        if task == "harmonics":
            raise KeyboardInterrupt
        return measured(2.0, energies=[0.1, 0.2], complete=True, residual=0.0, count_cpu_seconds=1.0,
                        peak_before_count_gib=0.1)  # fmt: skip

    monkeypatch.setattr(plan.measure, "__defaults__", (run,))
    with pytest.raises(KeyboardInterrupt):
        command.main(quick=True, only=("bound_states", "grain_phases"), write=str(page), json_path=str(log))
    text, content = page.read_text(), json.loads(log.read_text())
    assert "### 32 bound states" in text and text.count("old") == 1 and "| killed |" in text
    assert text.index("### 32 bound states") < text.index("### Free energy of the phases") < text.index("kept")
    assert [one["task"] for one in content["runs"]][-1] == "landscape" and len(content["runs"]) == len(calls) - 1


def test_parts_are_those_of_the_run(capsys):
    assert command.main(large=True, only=("grid",)) == 2
    assert "the parts large_states, self_consistent, replay; got grid" in capsys.readouterr().err
    assert command.main(only=("large_states",)) == 2


def test_a_prediction_that_fails_is_a_row(monkeypatch):
    """A process that ends with an error says why; the next case is measured all the same, on its threads."""
    good, bad = predictions.Case((5, 5, 3), ("poles",), threads=2), predictions.Case((5, 5, 0), ("poles",))
    asked = []

    def run(command, env, **options):
        asked.append((env["BDG_THREADS"], env["OPENBLAS_NUM_THREADS"]))
        case = predictions.Case(**json.loads(command[-1]))
        if not case.sites[2]:
            return subprocess.CompletedProcess(command, 1, "", "Traceback\nValueError: no sites")
        row = predictions.Row(case.name, "F", "poles", "pair_amplitude", 1.0, 2.0, 0.1, 0.1, threads=case.threads)
        return subprocess.CompletedProcess(command, 0, json.dumps(dataclasses.asdict(row)), "")

    monkeypatch.setattr(predictions.subprocess, "run", run)
    taken = []
    rows = predictions.measure((bad, good), taken.append)
    assert rows == taken and asked == [("1", "1"), ("2", "2")]
    assert rows[0].error == "ended with code 1: ValueError: no sites" and math.isnan(rows[0].ratio)
    assert not rows[1].error and rows[1].threads == 2 and rows[1].ratio == 0.5
    text = predictions.table(rows)
    assert "5 x 5 x 3, 2 threads" in text and "cores that others took" in text and rows[0].error in text


def test_the_first_iteration_of_a_gap_is_measured():
    from bdg.validation.benchmarks.tasks import gap_steps

    call, describe = gap_steps(5)
    assert describe(call())["iterations"] == 1


def test_a_step_has_rates_beside_it(monkeypatch):
    from bdg.validation.benchmarks import steps_by_clock

    monkeypatch.setattr(steps_by_clock, "_COPY_BYTES", 1 << 16)
    monkeypatch.setattr(steps_by_clock, "_GEMM", 16)
    found = steps_by_clock.measure(6, threads=2)
    assert np.isfinite(list(found.values())).all() and min(found.values()) > 0
    matrix = bdg.BdGHamiltonian(steps_by_clock.composite(6)).matrix
    multiplied = 2 * matrix.nnz * steps_by_clock.COLUMNS / found["step_seconds"]
    assert found["of_gemm"] == pytest.approx(multiplied / found["gemm_rate"])


def test_sections_that_are_not_measured_stay_with_their_machine(tmp_path):
    """A second run on another machine: what it measures is replaced, the rest says where it was measured."""
    page = tmp_path / "page.md"
    page.write_text(f"before\n{document.BEGIN}\n{document.END}\nafter\n")
    titles = ("one", "two", "three")
    document.replace_sections(page, "Machine: A.", {"three": "| 3 |", "one": "| 1 |"}, titles)
    document.replace_sections(page, "Machine: B.", {"two": "| 2 |", "one": "| 10 |"}, titles)
    expected = "Machine: B.\n\n### one\n\n| 10 |\n\n### two\n\n| 2 |\n\n### three\n\nMachine: A.\n\n| 3 |"
    assert page.read_text() == f"before\n{document.BEGIN}\n\n{expected}\n\n{document.END}\nafter\n"
    document.replace_sections(page, "Machine: A.", {"two": "| 20 |"}, titles)
    expected = "Machine: A.\n\n### one\n\nMachine: B.\n\n| 10 |\n\n### two\n\n| 20 |\n\n### three\n\n| 3 |"
    assert page.read_text() == f"before\n{document.BEGIN}\n\n{expected}\n\n{document.END}\nafter\n"


def test_two_workers_are_held_against_one_of_the_same_engine():
    found = dict(
        zip((("processes", 1), ("processes", 2), ("dask", 1), ("dask", 2)), (36.0, 20.0, 50.0, 40.0), strict=True)
    )
    best = {(16, wall_clock.sweep_route(*way).name): measured(each, digest="a") for way, each in found.items()}
    held = [target for target in targets.held(best, plan.Plan()) if target.name.startswith("sweep")]
    assert [(target.value, target.met) for target in held] == [(1.8, True), (1.25, False)]
    assert [row.split(" | ")[2:6] for row in wall_clock.sweeps(best, (16,)).splitlines()[2:]] == [
        ["36.0", "20.0", "1.80", "yes"], ["50.0", "40.0", "1.25", "yes"],
    ]  # fmt: skip
    best[16, wall_clock.sweep_route("dask", 2).name] = measured(40.0, digest="b")
    assert wall_clock.sweeps(best, (16,)).count("| NO |") == 2
    best[16, wall_clock.sweep_route("dask", 2).name] = Measurement("sweep_dask", {}, error="distributed is missing")
    assert "distributed is missing" in wall_clock.sweeps(best, (16,))
    assert not [target for target in targets.held(best, plan.QUICK) if target.name.startswith("sweep")]
