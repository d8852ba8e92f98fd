"""Density of states: error bars that mean what they say, sum rules, closed forms, the same kernel by every method."""

import numpy as np
import pytest
from numpy.testing import assert_allclose

import bdg
from bdg.gpu.chebyshev import columns as chebyshev
from bdg.gpu.chebyshev import kernel_polynomial, traces
from bdg.gpu.chebyshev.nambu_operator import NambuOperator
from bdg.gpu.device.backend import select_backend
from bdg.lattices.nambu import SIGMA_X, SIGMA_Z

ENERGIES = np.linspace(-5.5, 5.5, 23)
NAMES = ("clean", "disordered", "magnetic", "spinful")


@pytest.fixture
def systems(grid, spinful, islands):
    return {
        "clean": grid((6, 6, 5), delta=0.3, mu=-1.0, periodic=True),
        "disordered": grid((6, 6, 5), delta=islands(180), disorder=2.0),
        "magnetic": grid((12, 11), delta=islands(132, 2, True), disorder=1.0).with_field(0.07),
        "spinful": spinful(grid((9, 8), delta=islands(72, 4))).with_onsite(0.3 * SIGMA_Z + 0.2 * SIGMA_X),
    }


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("seeds", [40, pytest.param(100, marks=pytest.mark.slow)])
def test_error_bars_cover_the_exact_value_as_often_as_they_should(systems, name, seeds):
    """One sigma: 68.3 % of all seeds; the mean over energies has a standard deviation of 2 to 3 % (100 seeds)."""
    system = systems[name]
    top = abs(np.linalg.eigvalsh(bdg.BdGHamiltonian(system).matrix.toarray())).max()
    energies = np.linspace(-0.9 * top, 0.05 * top, 20)  # symmetric otherwise
    exact = bdg.density_of_states(system, energies, method="dense", moments=40).values
    covered, deviation = [], []
    for seed in range(seeds):
        found = bdg.density_of_states(system, energies, method="chebyshev", moments=40, vectors=6, seed=seed)
        covered.append(abs(found.values - exact) <= found.error)
        deviation.append(found.values - exact)
        assert found.vectors == 6 and found.evidence.trace == "stochastic"
    assert 0.60 <= np.mean(covered) <= 0.76
    bias = np.mean(deviation, axis=0) / (np.std(deviation, axis=0) / np.sqrt(seeds))
    assert abs(bias).max() < 4  # standard errors of the mean over seeds, at 20 energies


@pytest.mark.parametrize("name", NAMES)
def test_the_exact_trace_equals_all_levels(systems, name):
    """Within the stated error, which is rounding: an independent route to the same kernel."""
    system = systems[name]
    exact = bdg.density_of_states(system, ENERGIES, method="dense", broadening=0.1)
    found = bdg.density_of_states(system, ENERGIES, method="chebyshev", broadening=0.1, vectors="all")
    assert found.moments == exact.moments and found.broadening <= 0.1
    assert (abs(found.values - exact.values) <= found.error + exact.error).all()
    assert found.error.max() < 1e-8 and found.vectors == 0 and found.evidence.trace == "exact"
    many = bdg.density_of_states(system, ENERGIES, method="chebyshev", broadening=0.1, vectors=10_000)
    assert np.array_equal(many.values, found.values)


@pytest.mark.parametrize("name", NAMES)
def test_sum_rules_hold_to_rounding(systems, name):
    """Integral 2 s N, second moment Tr H^2, and symmetry, by Gauss-Chebyshev nodes: exact for polynomials."""
    system = systems[name]
    matrix = bdg.BdGHamiltonian(system).matrix
    for method, vectors in (("dense", 8), ("chebyshev", 4), ("chebyshev", "all")):
        probe = bdg.density_of_states(system, [0.0], method=method, moments=64, vectors=vectors)
        s, n = probe.evidence.spectral_bound, 200
        theta = np.pi * (np.arange(n) + 0.5) / n
        nodes = s * np.cos(theta)
        found = bdg.density_of_states(system, nodes, method=method, moments=64, vectors=vectors)
        weights = np.pi / n * s * np.sin(theta)
        tolerance = 1e-12 if found.evidence.dtype in ("float64", "complex128") else 2e-6
        assert_allclose(weights @ found.values, matrix.shape[0], rtol=tolerance)
        assert_allclose(found.values, found.values[::-1], rtol=1e-9)
        if found.vectors == 0:  # <E^2> with the factor g_2 that the kernel puts on T_2
            g = kernel_polynomial.jackson(64)[2]
            square = (abs(matrix.data) ** 2).sum()
            assert_allclose(weights @ (found.values * nodes**2), g * square + (1 - g) * s**2 / 2 * matrix.shape[0])
        beyond = bdg.density_of_states(system, [-2 * s, 1.5 * s], method=method, moments=64, vectors=vectors)
        assert (beyond.values == 0).all()


def test_a_single_level_has_the_stated_width(grid):
    """Levels at +-0.5: peaks of the kernel with standard deviation (pi s/M) sqrt(1 - (E/s)^2)."""
    system = bdg.lattices.from_hamiltonian(np.diag([0.3, 2.0]), [[0.0], [1.0]], delta=[0.4, 0.0])
    energies = np.linspace(0.3, 0.7, 801)
    found = bdg.density_of_states(system, energies, broadening=0.02)
    step = energies[1] - energies[0]
    area, mean = found.values.sum() * step, (found.values * energies).sum() / found.values.sum()
    width = np.sqrt((found.values * (energies - mean) ** 2).sum() / found.values.sum())
    s = found.evidence.spectral_bound
    assert_allclose([area, mean], [1, 0.5], atol=2e-3)
    assert_allclose(width, found.broadening * np.sqrt(1 - (0.5 / s) ** 2), rtol=0.1)
    assert 0.9 * 0.02 < found.broadening <= 0.02


def test_a_normal_chain_has_its_van_hove_form(grid):
    """rho(E) = 2 x N/(pi sqrt(4 - E^2)) of a ring at mu = 0 without pairing, electrons and holes."""
    system = grid((4000,), mu=0.0, periodic=True)
    energies = np.linspace(-1.5, 1.5, 13)
    found = bdg.density_of_states(system, energies, moments=200, vectors=16)
    assert found.evidence.method == "chebyshev" and found.evidence.dtype == "float32"
    exact = 2 * 4000 / (np.pi * np.sqrt(4 - energies**2))
    assert (abs(found.values - exact) < 4 * found.error + 2e-3 * exact).all()
    assert (found.error < 0.05 * exact).all()


def test_defaults_and_reasons_are_in_the_evidence(grid):
    system = grid((9, 9), delta=0.3)
    found = bdg.density_of_states(system, np.linspace(-1, 1, 101))
    assert found.evidence.method == "dense" and "dense has no noise and is taken up to 1 s" in found.evidence.why
    assert found.evidence.kernel == "jackson" and "mean spacing" in found.evidence.broadening_is
    assert found.broadening <= 0.02 and found.moments % 2 == 0
    single = bdg.density_of_states(system, 0.1)
    assert single.values.shape == (1,) and single.moments == 1024
    fine = bdg.density_of_states(system, [0.1, 0.1 + 1e-5])
    assert fine.moments == 16384 and "would take" in fine.evidence.broadening_is


def test_double_precision_where_single_would_show(grid, monkeypatch):
    system = grid((9, 9), delta=0.3)
    assert bdg.density_of_states(system, [0.1], method="chebyshev").evidence.dtype == "float32"
    monkeypatch.setattr(traces, "SINGLE_PRECISION_ERROR", (1e-2, 0.0))
    assert bdg.density_of_states(system, [0.1], method="chebyshev").evidence.dtype == "float64"


def test_single_precision_error_is_as_stated(grid):
    """The same vectors in both precisions: moments of unit vectors differ by less than the constant."""
    matrix = bdg.BdGHamiltonian(grid((9, 9, 9), delta=0.3, disorder=1.0)).matrix
    bound = chebyshev.spectral_bound(matrix)
    cpu = select_backend("cpu")
    operators = (NambuOperator(matrix, 1, cpu, single=single) for single in (True, False))
    single, double = (traces.stochastic_trace(operator, bound, 1000, 4, 0).moments for operator in operators)
    for n in (100, 1000):
        assert abs(single - double)[:n].max() / matrix.shape[0] < traces.single_precision_error(n)
    stated = kernel_polynomial.squared_weights(ENERGIES, 1000, bound) * matrix.shape[0]
    shifted = abs(
        kernel_polynomial.density(ENERGIES, single, bound) - kernel_polynomial.density(ENERGIES, double, bound)
    )
    assert (shifted.max(axis=1) <= stated * traces.single_precision_error(1000)).all()


def test_results_repeat_and_do_not_depend_on_the_blocks(grid, monkeypatch):
    system = grid((9, 9), delta=0.3, disorder=1.0)
    first, again, other = (
        bdg.density_of_states(system, ENERGIES, method="chebyshev", vectors=20, seed=seed) for seed in (1, 1, 2)
    )
    assert np.array_equal(first.values, again.values) and not np.array_equal(first.values, other.values)
    monkeypatch.setattr("bdg.gpu.chebyshev.moments.BLOCK_BYTES", 1)
    blocks = bdg.density_of_states(system, ENERGIES, method="chebyshev", vectors=20, seed=1)
    assert_allclose(blocks.values, first.values, atol=1e-4)
    assert blocks.evidence.products == first.evidence.products


def test_too_small_bound_is_noticed_and_replaced(grid, monkeypatch):
    system = grid((9, 9), delta=0.3, disorder=1.0)
    monkeypatch.setattr("bdg.densities.resolution.spectral_bound", lambda matrix, seed=0: 3.0)
    found = bdg.density_of_states(system, ENERGIES, method="chebyshev", vectors="all", broadening=0.2)
    monkeypatch.setattr(
        "bdg.densities.resolution.spectral_bound", lambda matrix, seed=0: chebyshev.gershgorin_bound(matrix)
    )
    assert found.evidence.bound_repeated and found.evidence.spectral_bound > 4 and found.broadening <= 0.2
    exact = bdg.density_of_states(system, ENERGIES, method="chebyshev", vectors="all", moments=found.moments)
    assert_allclose(found.values, exact.values, rtol=1e-12, atol=1e-12)


def test_progress_save_load_plot(grid, tmp_path, capsys):
    found = bdg.density_of_states(grid((9, 9), delta=0.3), ENERGIES, method="chebyshev", progress=True)
    assert "density of states" in capsys.readouterr().err
    found.save(tmp_path / "d.h5")
    loaded = bdg.load(tmp_path / "d.h5")
    for name in ("energies", "values", "error", "broadening", "moments", "vectors"):
        assert np.array_equal(getattr(loaded, name), getattr(found, name))
    axes = found.plot().axes[0]
    assert "density of states" in axes.get_ylabel() and "energy" in axes.get_xlabel()


@pytest.mark.gpu
def test_gpu_equals_cpu(grid, backend):
    system = grid((10, 10, 10), delta=0.3, disorder=1.0)
    found = bdg.density_of_states(system, ENERGIES, method="chebyshev", moments=200, device=backend.device)
    cpu = bdg.density_of_states(system, ENERGIES, method="chebyshev", moments=200, device="cpu")
    assert_allclose(found.values, cpu.values, atol=cpu.evidence.rounding_error)


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        ({"energies": np.inf}, ValueError, "energies must be finite; got inf"),
        ({"energies": []}, TypeError, "energies must be a real number or a list"),
        ({"energies": [1j]}, TypeError, "energies must be a real number"),
        ({"method": "sum"}, ValueError, "method must be one of auto, chebyshev, green, dense; got 'sum'"),
        ({"broadening": 0}, ValueError, "broadening must be positive"),
        ({"broadening": 1e-9}, ValueError, r"broadening must be at least .*\(1048576 moments\); got 1e-09"),
        ({"moments": 1}, ValueError, "moments must be a whole number from 2 to 1048576; got 1"),
        ({"moments": 12.5}, TypeError, r"moments must be a whole number from 2 to 1048576; got 12.5 \(float\)"),
        ({"moments": 64, "broadening": 0.1}, ValueError, "broadening and moments exclude each other"),
        ({"vectors": 1}, ValueError, r"vectors must be .* >= 2 \(their scatter gives the error\), or 'all'; got 1"),
        ({"vectors": "many"}, TypeError, r"vectors must be a whole number >= 2 .*, or 'all'; got 'many' \(str\)"),
        ({"device": "tpu"}, ValueError, "device must be"),
    ],
)
def test_argument_errors(grid, arguments, error, message):
    with pytest.raises(error, match=message):
        bdg.density_of_states(grid((4, 4), delta=0.3), **{"energies": [0.1], **arguments})


def test_a_hamiltonian_that_is_zero_is_refused():
    system = bdg.lattices.from_hamiltonian(np.zeros((3, 3)), np.zeros((3, 1)) + np.arange(3)[:, None])
    with pytest.raises(ValueError, match="the Hamiltonian is zero"):
        bdg.density_of_states(system, [0.0])
