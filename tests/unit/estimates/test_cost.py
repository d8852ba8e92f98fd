"""The cost model: arithmetic on rates that are given, choices that do not alternate, files that are kept or not."""

from __future__ import annotations

import dataclasses
import json
import os
from pathlib import Path

import numpy as np
import pytest
from numpy.testing import assert_allclose
from threadpoolctl import threadpool_info

import bdg
from bdg.condensate import amplitude_choice
from bdg.densities.expansion_costs import Expansion, expansion_option
from bdg.gpu.chebyshev.moments import column_blocks
from bdg.gpu.chebyshev.nambu_operator import NambuOperator
from bdg.gpu.cost import calibration, measured_rates
from bdg.gpu.cost import model as cost
from bdg.gpu.cost.model import BUILT_IN, Option, Rates
from bdg.gpu.device import threads
from bdg.gpu.device.backend import MemoryBudgetError, select_backend
from bdg.green import resolvent_costs
from bdg.methods import choice, recursion_costs
from bdg.methods.symbolic import quaternion_symbolic, whole_symbolic
from bdg.states import choice as states_choice
from bdg.thermal import choice as thermal_choice

CPU = select_backend("cpu")


def options(**seconds: float) -> list[Option]:
    return [Option(name, "cpu", value, 1.0, 10.0) for name, value in seconds.items()]


@pytest.fixture
def rates():
    """Rates that make one term of a prediction stand out: large products, everything else for nothing."""
    return Rates(
        "cpu",
        {"f4": 2e9, "f8": 1e9, "c16": 2e9},
        {"f8": 1e9, "c16": 5e8},
        {"f4": 2e9, "f8": 1e9, "c8": 1e9, "c16": 5e8},
        {"f4": 1e8, "f8": 2e8, "c8": 2e8, "c16": 2.5e8},
        copy=1e30,
        call=1e-30,
    )


# --------------------------------------------------------------------------------------------------------- predictions


def test_dense_products_are_the_counted_operations_over_the_rate(grid, rates, monkeypatch):
    system = grid((6, 6, 6), delta=0.3, disorder=1.0)
    symbolic = whole_symbolic(system, CPU)
    for form, products, rate in (("real", 1, 1e9), ("complex", 4, 2e9), ("quaternion", 8, 1e9), ("majorana", 1, 1e9)):
        tree = quaternion_symbolic(system, CPU) if form == "quaternion" else symbolic
        how = dataclasses.replace(cost._FORMS[form], work=(1.0, 1.0), base=0.0, half=0.5)
        monkeypatch.setitem(cost._FORMS, form, how)
        flops = products * tree.factor_flops(float, True)
        assert_allclose(cost.factor_seconds(rates, tree, form, True), flops / rate, rtol=1e-12)
        halved = 0.5 * products * tree.factor_flops(float) / rate  # only half of symmetric products is formed
        assert_allclose(cost.factor_seconds(rates, tree, form), halved, rtol=1e-12)
        doubled = dataclasses.replace(rates, forms={**rates.forms, form: 2.0})
        assert_allclose(cost.factor_seconds(doubled, tree, form), 2 * halved, rtol=1e-12)
        monkeypatch.setitem(cost._FORMS, form, dataclasses.replace(how, base=3.0))
        cubes = sum(c.n * c.a * min(c.a, tree.settings.base) ** 2 for c in tree.classes)  # blocks of at most that size
        assert_allclose(cost.factor_seconds(rates, tree, form) - halved, 2 * 3 * cubes / rate, rtol=1e-9)
        inverse = products * tree.selected_inverse_flops(float, True)
        assert_allclose(cost.inverse_seconds(rates, tree, form, True, 0.25), 0.25 * inverse / rate, rtol=1e-12)
        for columns in (2, 64):
            solve = products * tree.solve_flops(float) * columns * (1 + 4 / columns) / (0.5 * rate)
            assert_allclose(cost.solve_seconds(rates, tree, form, columns), solve, rtol=1e-12)
    assert_allclose(cost.eigh_seconds(rates, 1000, complex), 2.0, rtol=1e-12)
    assert_allclose(cost.product_seconds(rates, 5000, 1000, 64, float), 64 * 9000 / 1e9, rtol=1e-12)


def test_products_with_narrow_blocks_go_by_the_rate_of_one_column(rates):
    """In each precision the rates of one column and of a block are met, and a line joins the seconds of a block."""
    for dtype in ("f4", "f8", "c8", "c16"):
        one, many = 9000 / rates.column[dtype], 32 * 9000 / rates.product[dtype]
        for width, block in ((1, one), (32, many), (4, one + 3 * (many - one) / 31), (63, 2 * many - one)):
            found = cost.product_seconds(rates, 5000, 1000, 3 * width, np.dtype(dtype), width)
            assert_allclose(found, 3 * block, rtol=1e-12)
    flat = dataclasses.replace(rates, column={**rates.column, "f8": 1e7})  # noise: a block no dearer than a column
    assert_allclose(cost.product_seconds(flat, 5000, 1000, 8, float, 8), 9000 / 1e7, rtol=1e-12)


@pytest.mark.parametrize("phase", [0.0, 0.3])
@pytest.mark.parametrize("single", [False, True])
def test_blocks_are_as_wide_as_those_that_are_worked_on(grid, phase, single):
    system = grid((8, 8, 4), delta=0.3, disorder=1.0).with_delta(0.3 * np.exp(1j * phase * np.arange(256)))
    hamiltonian = bdg.BdGHamiltonian(system)
    operator = NambuOperator(hamiltonian.matrix, 1, CPU, single=single)
    assert recursion_costs.vector_dtype(hamiltonian, single) == operator.dtype
    for most in (1, 20 * 512 * operator.dtype.itemsize, 8 << 20):
        for columns in (1, 7, 16, 23, 64, 130):
            blocks = column_blocks(operator, columns, most)
            expected = columns / len(blocks)
            assert recursion_costs.block_width(hamiltonian, CPU, columns, single, most) == pytest.approx(expected)


@pytest.mark.parametrize(("tol", "sites"), [(1e-4, 1), (1e-6, 1), (1e-6, 40), (1e-8, 8)])
def test_the_products_of_a_pair_amplitude_are_predicted(grid, rates, tol, sites):
    """Rates by which seconds are products: columns that stop by themselves, and those that bound the error.

    How early a column stops depends on the moments that it meets: a quarter either way over these tolerances.
    """
    system = grid((8, 8, 4), delta=0.3, disorder=1.0)
    hamiltonian, chosen = bdg.BdGHamiltonian(system), np.arange(100, 100 + sites)
    done = bdg.pair_amplitude(system, 0.05, sites=chosen, tol=tol, method="chebyshev")
    with calibration.assuming(dataclasses.replace(rates, column=rates.product)):
        found = bdg.estimate(system, "pair_amplitude", temperature=0.05, sites=chosen, tol=tol)
        seconds = found.all_seconds[found.methods.index("chebyshev")] - recursion_costs.bound_seconds(hamiltonian, CPU)
    rate = rates.product[cost.kind(done.evidence.dtype)]
    one = recursion_costs._DOTS["partners"][0] * (hamiltonian.matrix.nnz + 4 * hamiltonian.shape[0]) / rate
    assert seconds / one == pytest.approx(done.evidence.products, rel=0.25)


@pytest.mark.parametrize(("sites", "expected"), [(1, "chebyshev"), (32, "green")])
def test_one_site_of_a_film_in_a_field_is_expanded_and_many_are_solved_for(grid, sites, expected):
    """Complex H; measured on one core 0.37 s and 0.66 s with 1 site, 4.7 s and 0.84 s with 32."""
    film = grid((26, 26, 3), delta=0.3, disorder=1.0).with_field((0, 0, 0.02))
    arguments = {"energies": np.linspace(-0.5, 0.5, 41), "broadening": 0.02, "sites": np.arange(900, 900 + sites)}
    with calibration.assuming(BUILT_IN["cpu"]):
        found = bdg.estimate(film, "local_density_of_states", device="cpu", **arguments)
    assert found.method == expected


def test_what_dot_products_take_depends_on_the_numbers(grid, rates):
    system = grid((6, 6, 3), delta=0.3, disorder=1.0)
    real, complex_ = (bdg.BdGHamiltonian(s) for s in (system, system.with_delta(0.3 * np.exp(0.1j * np.arange(108)))))
    with calibration.assuming(dataclasses.replace(rates, call=1.0)):  # nothing but calls
        calls = {
            dots: [recursion_costs.recursion_seconds(h, CPU, 130, 10, False, dots) for h in (real, complex_)]
            for dots in ("squares", "norms", "partners")
        }
    three_blocks = 3 * 10  # of up to 64 columns, each with ten steps
    assert_allclose(calls["squares"], three_blocks * np.array([12, 12]), rtol=1e-3)
    assert_allclose(calls["norms"], three_blocks * np.array([12, 40]), rtol=1e-3)
    assert_allclose(calls["partners"], three_blocks * np.array([24, 24]), rtol=1e-3)


def test_every_estimate_grows_with_the_system(grid):
    seconds, needed = [], []
    for size in (6, 9, 13):
        hamiltonian = bdg.BdGHamiltonian(grid((size,) * 3, delta=0.3, disorder=1.0))
        sites = np.arange(size**3)
        found = states_choice.bound_states_options(
            hamiltonian, 32, [CPU], ("lanczos", "dense", "shift_invert", "chebyshev")
        )
        found += amplitude_choice.pair_amplitude_options(
            hamiltonian, [CPU], sites, degree=500, n_poles=10, single=False
        )
        found += thermal_choice.elements_options(hamiltonian, [CPU], 10)
        points = np.array([0.1 + 0.1j, 0.1j, 0.3])
        found += [resolvent_costs.multifrontal_option(hamiltonian, CPU, points, 8, 1.0)]
        found += [resolvent_costs.dense_inverse_option(hamiltonian, CPU, 3)]
        found += [expansion_option(hamiltonian, CPU, Expansion(8, 512, 101, random=True))]
        seconds.append([option.seconds for option in found])
        needed.append([option.bytes for option in found])
    assert (np.diff(seconds, axis=0) > 0).all() and (np.diff(needed, axis=0) > 0).all()


@pytest.mark.parametrize("size", [10, 14])
def test_predicted_memory_holds_the_factors_that_are_made(grid, size):
    """The prediction covers factors and largest front; it is no more than a few times as large."""
    system = grid((size,) * 3, delta=0.3, disorder=1.0)
    states = bdg.bound_states(system, 16, method="lanczos")
    option = states_choice.bound_states_options(bdg.BdGHamiltonian(system), 16, [CPU], ("lanczos",))[0]
    made = max(states.evidence.factor_bytes, states.evidence.count_bytes)
    assert made < option.bytes < 8 * made


def test_restricted_sites_cost_less(grid):
    hamiltonian = bdg.BdGHamiltonian(grid((40, 6, 6), delta=0.3, disorder=1.0))
    few, every = (
        amplitude_choice.pair_amplitude_options(hamiltonian, [CPU], sites, degree=500, n_poles=10, single=True)
        for sites in (np.arange(36), np.arange(1440))
    )
    assert [o.method for o in few] == ["poles", "chebyshev", "dense"]
    assert few[0].seconds < 0.9 * every[0].seconds and few[1].seconds < 0.1 * every[1].seconds
    assert few[2].seconds == every[2].seconds


# -------------------------------------------------------------------------------------------------------------- choice


def test_the_preferred_one_is_kept_unless_another_is_clearly_quicker():
    assert cost.choose(options(first=1.0, second=0.85)).method == "first"
    assert cost.choose(options(first=1.0, second=0.75)).method == "second"
    assert cost.choose(options(second=0.85, first=1.0)).method == "second"
    with_noise = [cost.choose(options(first=1.0, second=0.9 * noise)).method for noise in (0.9, 1.0, 1.1)]
    assert with_noise == ["first"] * 3


def test_what_does_not_fit_is_passed_over_and_named():
    large = Option("quick", "cpu", 1.0, 4 * 2.0**30, 2.0**30)
    slow = Option("slow", "cpu", 50.0, 2.0**20, 2.0**30)
    shut = Option("shut", "gpu", 0.1, 0.0, 2.0**30, "needs what is not there", closed=True)
    assert cost.choose([large, slow, shut]).method == "slow"
    assert cost.choose([large, shut]) is None
    said = cost.reason([large, slow, shut], BUILT_IN["cpu"], "for 3 sites")
    assert said == (
        "estimated for 3 sites: slow 50 s, shut on the gpu not possible (needs what is not there), quick does not fit "
        "(4.0 GiB) (built-in rates)"
    )
    with pytest.raises(
        MemoryBudgetError, match=r"a thing does not fit: quick on the cpu needs 4.0 GiB, 1.0 GiB are av"
    ):
        choice.chosen([large], [CPU], "a thing")
    assert "About 34% of the sites would fit" in choice.refusal([large])  # (1/4)^(3/4), and 5 % to spare


def test_rates_are_rounded_so_that_noise_does_not_show():
    noisy = [dataclasses.replace(BUILT_IN["cpu"], copy=3.4e10 * noise).rounded().copy for noise in (0.95, 1.0, 1.05)]
    assert len(set(noisy)) == 1
    assert_allclose(BUILT_IN["cpu"].rounded().gemm["f8"], BUILT_IN["cpu"].gemm["f8"], rtol=2**0.125 - 1)


def test_auto_takes_what_is_estimated_to_be_quickest(grid, monkeypatch):
    """With diagonalisation for nothing "dense" is taken, with factors for nothing "lanczos"."""
    system = grid((9, 9, 9), delta=0.3, disorder=1.0)
    for fast, expected in (("eigh", "dense"), ("gemm", "lanczos")):
        quick = dict.fromkeys(getattr(BUILT_IN["cpu"], fast), 1e30)
        base = BUILT_IN["cpu"] if fast == "eigh" else dataclasses.replace(BUILT_IN["cpu"], copy=1e15)
        with calibration.assuming(dataclasses.replace(base, origin="made up", **{fast: quick})):
            found = bdg.estimate(system, k=8)
            amplitude = bdg.estimate(system, "pair_amplitude", temperature=0.05)
            density = bdg.estimate(system, "electron_density", temperature=0.05)
        assert found.method == expected and "made up" in found.evidence.why
        for other in (amplitude, density):
            assert other.method == ("dense" if expected == "dense" else "poles")


def test_filters_are_taken_where_no_factor_fits(grid, monkeypatch):
    """Factors and a dense matrix of 8000 sites need more than the 36 MiB that are "left"; blocks of vectors do not."""
    system = grid((20, 20, 20), delta=0.3, disorder=1.0)
    monkeypatch.setattr("bdg.methods.options.available_bytes", lambda backend: 36.0 * 2**20)
    found = bdg.estimate(system, k=4)
    assert found.method == "chebyshev" and "does not fit" in found.evidence.why
    monkeypatch.setattr("bdg.methods.options.available_bytes", lambda backend: 1.0 * 2**20)
    refused = bdg.estimate(system, k=4)
    assert refused.method == "" and np.isnan(refused.seconds) and not refused.feasible.any()
    assert "of the sites would fit" in refused.evidence.why and "DOES NOT FIT" in str(refused)
    with pytest.raises(MemoryBudgetError, match="for 4 states does not fit: lanczos on the cpu needs"):
        bdg.bound_states(system, 4)


def test_small_systems_are_not_compared_on_a_gpu(monkeypatch):
    gpu = dataclasses.replace(CPU, device="gpu")
    monkeypatch.setattr(choice, "select_backend", lambda device: CPU if device == "cpu" else gpu)
    assert [b.device for b in choice.devices("auto", 1000)] == ["cpu"]
    assert [b.device for b in choice.devices("auto", 100_000)] == ["cpu", "gpu"]
    assert [b.device for b in choice.devices("auto", 1_000_000)] == ["gpu"]
    assert [b.device for b in choice.devices("gpu", 10)] == ["gpu"]


# --------------------------------------------------------------------------------------------------------- calibration

TINY = measured_rates.Sizes(gemm=16, eigh=16, sparse=3, factor=3, copy=1 << 12)


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """An empty folder for calibrations of tiny sizes, and a process that knows none."""
    monkeypatch.setenv(calibration.VARIABLE, str(tmp_path / "kept"))
    monkeypatch.setattr(calibration, "_known", {})
    monkeypatch.setattr(measured_rates, "SIZES", {"cpu": TINY, "gpu": TINY})
    return tmp_path / "kept"


def test_a_measurement_is_kept_and_read_again(folder, monkeypatch):
    first = calibration.rates_of(CPU)
    assert first.origin == "measured rates"
    (path,) = folder.iterdir()
    assert path.name == f"calibration-{calibration.machine_key(CPU)}.json"
    assert first.rounded() == dataclasses.replace(first, origin=first.rounded().origin)
    monkeypatch.setattr(calibration, "_known", {})
    monkeypatch.setattr(calibration, "measure", lambda backend: pytest.fail("measured again"))
    assert calibration.rates_of(CPU) == first


def test_the_file_that_came_first_holds(folder, monkeypatch):
    """Another process wrote while this one was measuring: both take the same rates."""
    other = dataclasses.replace(BUILT_IN["cpu"], copy=1.25e10, origin="")
    measure = calibration.measure

    def overtaken(backend):
        calibration._write_first(folder / f"calibration-{calibration.machine_key(CPU)}.json", other)
        return measure(backend)

    monkeypatch.setattr(calibration, "measure", overtaken)
    assert calibration.rates_of(CPU).copy == 1.25e10
    assert len(list(folder.iterdir())) == 1


@pytest.mark.parametrize("damage", ["", "{", "[1, 2]", '{"rates": {"copy": 1}}', None])
def test_a_damaged_file_is_replaced_and_said(folder, monkeypatch, damage):
    calibration.rates_of(CPU)
    (path,) = folder.iterdir()
    content = json.loads(path.read_text())
    content["rates"]["gemm"]["f8"] = -1.0
    path.write_text(json.dumps(content) if damage is None else damage)
    monkeypatch.setattr(calibration, "_known", {})
    found = calibration.rates_of(CPU)
    assert "was damaged and is replaced" in found.origin
    monkeypatch.setattr(calibration, "_known", {})
    assert calibration.rates_of(CPU).origin == "measured rates"


def test_columns_over_seconds_are_the_rates_of_sparse_products():
    """With a clock that says one second always: 32 columns do 32 times as much."""
    block, single = measured_rates._products(CPU, lambda run, repeats=1: 1.0, TINY)
    assert block == {name: 32 * value for name, value in single.items()} and single["f8"] > 4 * 54


@pytest.mark.parametrize("lacking", ["column", "c8"])
def test_a_file_of_an_older_version_is_measured_anew(folder, monkeypatch, lacking):
    """It has another name; under this one it would be refused for the rates that it lacks."""
    calibration.rates_of(CPU)
    (path,) = folder.iterdir()
    content = json.loads(path.read_text())
    content["version"] = 2
    del (content["rates"] if lacking == "column" else content["rates"]["column"])[lacking]
    path.write_text(json.dumps(content))
    monkeypatch.setattr(calibration, "_known", {})
    found = calibration.rates_of(CPU)
    assert "was damaged and is replaced" in found.origin and set(found.column) == {"f4", "f8", "c8", "c16"}
    name = calibration.machine_key(CPU)
    monkeypatch.setattr(calibration, "VERSION", 2)
    assert calibration.machine_key(CPU) != name


def test_a_folder_that_cannot_be_written_is_no_error_but_said(folder, tmp_path, monkeypatch):
    (tmp_path / "file").write_text("")
    monkeypatch.setenv(calibration.VARIABLE, str(tmp_path / "file" / "below"))
    assert "measured now; not kept" in calibration.rates_of(CPU).origin
    again = calibration.rates_of(CPU)
    assert again is calibration.rates_of(CPU)  # once a process


def test_rates_are_those_of_one_thread_whoever_asks(monkeypatch):
    """A call with three threads measures with one, of the package and of BLAS: choices must not depend on that."""
    seen = []

    def look(*_):
        blas = {lib["num_threads"] for lib in threadpool_info() if lib["user_api"] == "blas"}
        seen.append((threads.threads_granted(), *blas))
        return BUILT_IN["cpu"]

    monkeypatch.setattr(measured_rates, "_plain_rates", look)
    monkeypatch.setattr(measured_rates, "_forms", lambda *_: {})
    threads.threaded(lambda threads="auto": measured_rates.measure(CPU))(threads=3)
    assert seen == [(1, 1)] * 2


def test_off_means_built_in_rates_and_no_file(folder, monkeypatch):
    monkeypatch.setenv(calibration.VARIABLE, "off")
    monkeypatch.setattr(calibration, "measure", lambda backend: pytest.fail("measured"))
    assert calibration.rates_of(CPU).gemm == BUILT_IN["cpu"].gemm and "off" in calibration.rates_of(CPU).origin
    assert not folder.exists()


def test_the_tests_themselves_run_with_built_in_rates():
    assert os.environ[calibration.VARIABLE] == "off"


def test_the_folder_follows_the_rules_of_xdg(monkeypatch, tmp_path):
    monkeypatch.delenv(calibration.VARIABLE)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    assert calibration.folder() == tmp_path / "bdg"
    monkeypatch.setenv("XDG_CACHE_HOME", "relative")  # to be ignored
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    assert calibration.folder() == tmp_path / "home" / ".cache" / "bdg"
    monkeypatch.setattr(Path, "home", classmethod(lambda cls: (_ for _ in ()).throw(RuntimeError())))
    assert calibration.folder() is None


def test_the_key_tells_machines_apart(monkeypatch):
    keys = {calibration.machine_key(CPU)}
    monkeypatch.setattr(calibration, "processor", lambda: "another")
    keys.add(calibration.machine_key(CPU))
    assert len(keys) == 2
