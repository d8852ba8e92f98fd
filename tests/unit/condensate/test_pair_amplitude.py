"""Pair amplitude: Chebyshev columns against dense sums, stated errors, closed forms, errors."""

import dataclasses

import numpy as np
import pytest
import scipy.sparse as sp
from numpy.testing import assert_allclose

import bdg
from bdg.base.hamiltonian import BdGHamiltonian
from bdg.gpu.chebyshev import columns as chebyshev
from bdg.gpu.device.backend import select_backend
from bdg.gpu.multifrontal import FrontSettings
from bdg.lattices.nambu import SIGMA_0, SIGMA_X, SIGMA_Y, SIGMA_Z
from bdg.lattices.system import System
from bdg.thermal import pole_sums as thermal_sums
from bdg.thermal.choice import fitted_poles


def _systems(grid, spinful, islands):
    return {
        "clean": grid((6, 5, 4), delta=islands(120)),
        "disordered": grid((5, 5, 5), delta=islands(125), disorder=2.0),
        "phases and field": grid((9, 9), delta=islands(81, 2, True), disorder=0.5).with_field(0.05),
        "spinful": spinful(grid((7, 6), delta=islands(42, 4, True))).with_onsite(
            0.3 * SIGMA_Z + 0.1 * SIGMA_Y + 0.2 * SIGMA_X
        ),
    }


NAMES = ["clean", "disordered", "phases and field", "spinful"]


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("temperature", [0.05, 0.3])
@pytest.mark.parametrize("tol", [1e-6, 1e-4])
def test_columns_equal_dense_within_the_stated_error(grid, spinful, islands, name, temperature, tol):
    system = _systems(grid, spinful, islands)[name]
    dense = bdg.pair_amplitude(system, temperature, method="dense")
    columns = bdg.pair_amplitude(system, temperature, method="chebyshev", tol=tol)
    deviation = abs(columns.values - dense.values).max()
    assert deviation <= columns.error
    # the estimate is safe, but not by orders of magnitude, and single precision adds its own floor
    assert columns.error <= tol * abs(dense.values).max() + chebyshev_floor(tol)
    assert columns.evidence.converged or tol >= 1e-5
    assert columns.evidence.dtype in (("float32", "complex64") if tol >= 1e-5 else ("float64", "complex128"))


def _more_systems(grid, spinful, islands):
    """Every kind of pairing, with which form of ``i w - H`` it takes."""
    bonded = grid((5, 5, 4), delta=islands(100, 4), disorder=1.0)
    spins = spinful(grid((5, 5, 4), delta=islands(100, 4, True), disorder=1.0))
    in_field = spinful(bonded).with_onsite(0.3 * SIGMA_Z + 0.2 * SIGMA_X + 0.1 * SIGMA_Y)
    systems = {name: (system, "quaternion") for name, system in _systems(grid, spinful, islands).items()}
    systems["spinful"] = (systems["spinful"][0], "majorana_symmetric")  # the field lies in a plane once turned
    links = sp.triu(abs(bonded.hamiltonian), 1)
    systems["bonds"] = (_with_pairing(bonded, 0.2 * (links + links.T)), "quaternion")
    systems["complex bonds"] = (
        _with_pairing(bonded.with_field((0, 0, 0.05)), (0.1 + 0.2j) * (links + links.T)),
        "quaternion",
    )
    systems["spinful, bonds"] = (
        _with_pairing(spins, sp.kron(links + links.T, 0.2 * SIGMA_0) + sp.kron(links - links.T, 0.1 * SIGMA_X)),
        "majorana",
    )
    rashba = sp.kron(links - links.T, 0.3j * SIGMA_X) + sp.kron(
        sp.diags(np.ones(99), 1) - sp.diags(np.ones(99), -1), 0.2j * SIGMA_Y
    )
    systems["Rashba and field"] = (
        System(
            hamiltonian=in_field.hamiltonian + rashba,
            positions=in_field.positions,
            delta=in_field.delta,
            norbs=2,
        ).with_field((0.02, 0, 0.03)),
        "majorana",
    )
    return systems


def _with_pairing(system, pairing):
    return System(
        hamiltonian=system.hamiltonian,
        positions=system.positions,
        delta=system.delta,
        pairing=pairing,
        norbs=system.norbs,
    )


ALL_NAMES = [*NAMES, "bonds", "complex bonds", "spinful, bonds", "Rashba and field"]


@pytest.mark.parametrize("name", ALL_NAMES)
@pytest.mark.parametrize(  # 0.05, 0.2, 0.5 of the pairing
    "temperature", [0.015, pytest.param(0.06, marks=pytest.mark.slow), 0.15]
)
@pytest.mark.parametrize("tol", [1e-8, pytest.param(1e-5, marks=pytest.mark.slow), 1e-3])
def test_poles_equal_dense_within_the_stated_error(grid, spinful, islands, name, temperature, tol):
    system, form = _more_systems(grid, spinful, islands)[name]
    dense = bdg.pair_amplitude(system, temperature, method="dense")
    poles = bdg.pair_amplitude(system, temperature, method="poles", tol=tol)
    assert abs(poles.values - dense.values).max() <= poles.error
    assert poles.error <= tol * abs(dense.values).max() + 1e-11
    evidence = poles.evidence
    assert evidence.converged and evidence.form == form
    assert evidence.frequencies == "free" and evidence.poles <= 12
    assert (evidence.single_precision_poles > 0) == (evidence.single_precision_error > 0)
    if tol == 1e-8:
        assert evidence.single_precision_poles == 0


def test_single_precision_is_taken_where_the_tolerance_allows_it_and_is_stated(grid, islands):
    system = grid((9, 9, 9), delta=islands(729, 2), disorder=1.0)
    exact = bdg.pair_amplitude(system, 0.015, method="poles", tol=1e-9).values
    loose = bdg.pair_amplitude(system, 0.015, method="poles", tol=1e-5)
    evidence = loose.evidence
    assert evidence.single_precision_poles >= evidence.poles - 3
    deviation = abs(loose.values - exact).max()
    assert 1e-9 < deviation <= loose.error <= 1e-5 * abs(exact).max()
    # the bound of the fit alone, half its error, does not make up the stated error
    assert loose.error > 0.5 * evidence.fit_error + 0.99 * evidence.single_precision_error
    assert evidence.single_precision_error < 3e-7


def test_single_precision_is_not_trusted_where_it_changes_more_than_expected(grid, islands, monkeypatch):
    """An expectation that is 1e4 too small is found out at the first pole that is computed in both."""
    system = grid((6, 6, 6), delta=islands(216, 2), disorder=1.0)
    expected = thermal_sums.single_precision_errors
    monkeypatch.setattr(thermal_sums, "single_precision_errors", lambda poles: 1e-4 * expected(poles))
    exact = bdg.pair_amplitude(system, 0.015, method="dense").values
    result = bdg.pair_amplitude(system, 0.015, method="poles", tol=1e-7)
    assert result.evidence.single_precision_poles == 0
    assert abs(result.values - exact).max() <= result.error <= 1e-7 * abs(exact).max()


def test_an_error_of_single_precision_that_is_known_spares_its_check(grid, islands):
    """It holds for another Delta, from the pole where it was measured upwards, at no less than twice its size."""
    size, allowed = 216, 1e-4
    system = grid((6, 6, 6), delta=islands(size, 2), disorder=1.0)
    grown = system.with_delta(1.7 * system.delta)
    poles, sites = fitted_poles(8.0, 0.015, 1e-5), np.arange(size)

    def of(one, **known):
        return thermal_sums.pair_amplitude_by_poles(
            BdGHamiltonian(one), poles, select_backend("cpu"), sites, allowed, **known
        )

    measured = of(system).single
    exact = bdg.pair_amplitude(grown, 0.015, method="dense").values
    checked, spared = of(grown), of(grown, known=measured)
    assert checked.facts["single_precision_poles"] == poles.frequencies.size - 1
    assert spared.facts["single_precision_poles"] == poles.frequencies.size and spared.single is measured
    assert abs(spared.values - exact).max() <= spared.error < allowed
    expected = 2 * measured.scale * np.linalg.norm(thermal_sums.single_precision_errors(poles))
    assert spared.facts["single_precision_error"] == pytest.approx(expected)
    above = dataclasses.replace(measured, frequency=float(poles.frequencies[2]))
    assert of(grown, known=above).facts["single_precision_poles"] == poles.frequencies.size - 2


@pytest.mark.parametrize("name", ["disordered", "complex bonds", "spinful, bonds"])
def test_poles_at_few_sites_leave_out_the_rest_of_the_tree(grid, spinful, islands, name, monkeypatch):
    monkeypatch.setattr("bdg.methods.symbolic.default_settings", lambda backend: FrontSettings(leaf=4, split=0))
    monkeypatch.setattr("bdg.methods.symbolic.QUATERNION_CPU_SETTINGS", FrontSettings(leaf=4, split=0))
    system, _ = _more_systems(grid, spinful, islands)[name]
    whole = bdg.pair_amplitude(system, 0.06, method="poles", tol=1e-8)
    sites = np.array([31, 7, 31])
    part = bdg.pair_amplitude(system, 0.06, sites=sites, method="poles", tol=1e-8)
    assert whole.evidence.inverse_share == 1 and part.evidence.inverse_share < 0.8
    assert abs(part.values - whole.values[sites]).max() <= part.error + whole.error


def test_poles_tighten_their_fit_where_the_amplitude_is_small(grid):
    """Asked for host sites only, far from the superconductor: the tolerance is relative to them."""
    x = np.indices((60, 3))[0].ravel()
    system = grid((60, 3), mu=-1.0, delta=np.where(x < 10, 0.1, 0.0))
    far = np.flatnonzero(x >= 40)
    exact = bdg.pair_amplitude(system, 0.05, sites=far, method="dense").values
    poles = bdg.pair_amplitude(system, 0.05, sites=far, method="poles", tol=1e-3)
    assert poles.evidence.repeated and poles.evidence.converged
    assert abs(poles.values - exact).max() <= 1e-3 * abs(exact).max()


def chebyshev_floor(tol):
    return 1e-7 if tol >= 1e-5 else 1e-12


def test_uniform_torus_has_the_closed_form(grid):
    """F = 1/N sum_k Delta/(2 E_k) tanh(E_k/2T) (Bardeen, Cooper, Schrieffer 1957)."""
    n, mu, delta, temperature = 10, -0.5, 0.3, 0.15
    k = 2 * np.pi * np.arange(n) / n
    xi = -2 * (np.cos(k)[:, None] + np.cos(k)[None, :]) - mu
    energy = np.hypot(xi, delta)
    expected = np.mean(delta / (2 * energy) * np.tanh(energy / (2 * temperature)))
    system = grid((n, n), mu=mu, delta=delta, periodic=True)
    for method in ("dense", "chebyshev"):
        result = bdg.pair_amplitude(system, temperature, method=method)
        assert_allclose(result.values, expected, rtol=2e-6)
    ground = np.mean(delta / (2 * energy))
    assert_allclose(bdg.pair_amplitude(system, 0).values, ground, rtol=1e-12)


def test_phase_of_delta_is_its_phase(grid):
    """The sign convention: Delta = U F, so a single superconducting site has F parallel to its Delta."""
    delta = 0.4 * np.exp(0.7j)
    system = grid((1,), mu=0.3, delta=delta)
    energy = np.hypot(0.3, 0.4)
    for method in ("dense", "chebyshev"):
        value = bdg.pair_amplitude(system, 0.1, method=method).values[0]
        assert_allclose(value, delta / (2 * energy) * np.tanh(energy / 0.2), rtol=1e-6)


def test_chosen_sites_keep_their_order_and_masks_work(grid, islands):
    system = grid((5, 5), delta=islands(25, 2, True), disorder=1.0)
    whole = bdg.pair_amplitude(system, 0.1).values
    sites = np.array([7, 3, 21])
    for method in ("dense", "chebyshev"):
        part = bdg.pair_amplitude(system, 0.1, sites=sites, method=method)
        assert_allclose(part.values, whole[sites], atol=1e-6)
        assert np.array_equal(part.sites, sites) and part.values.shape == (3,)
        assert np.array_equal(part.positions, system.positions[sites])
    mask = system.grain >= 0
    assert_allclose(bdg.pair_amplitude(system, 0.1, sites=mask).values, whole[mask], atol=1e-12)


def test_levels_at_exactly_zero_do_not_spoil_the_ground_state(grid):
    """A clean torus at half filling holds levels that are zero to rounding; their sign must not enter."""
    system = grid((6, 6, 6), mu=0.0, delta=np.where(np.arange(216) < 5, 0.3, 0.0), periodic=True)
    ground, cold = bdg.pair_amplitude(system, 0), bdg.pair_amplitude(system, 1e-5, method="dense")
    assert_allclose(ground.values, cold.values, atol=1e-10)


def test_too_small_bound_is_noticed_and_replaced(grid, monkeypatch):
    system = grid((6, 6), delta=0.3, disorder=1.0)
    exact = bdg.pair_amplitude(system, 0.1, method="dense").values
    monkeypatch.setattr(chebyshev, "spectral_bound", lambda matrix, seed=0: 3.0)
    result = bdg.pair_amplitude(system, 0.1, method="chebyshev")
    assert result.evidence.bound_repeated and result.evidence.spectral_bound > 4
    assert_allclose(result.values, exact, atol=result.error)


@pytest.mark.parametrize("seed", range(5))
def test_spectral_bound_is_above_the_spectrum(grid, seed):
    system = grid((6, 6, 6), delta=0.3, disorder=4.0, seed=seed)
    matrix = bdg.BdGHamiltonian(system).matrix
    top = abs(np.linalg.eigvalsh(matrix.toarray())).max()
    for steps in (5, 40):
        bound = chebyshev.spectral_bound(matrix, seed=seed, steps=steps)
        assert top < bound <= chebyshev.gershgorin_bound(matrix)


def test_auto_says_why(grid, islands):
    small = bdg.pair_amplitude(grid((6, 6), delta=0.3), 0.1)
    assert small.evidence.method == "dense" and "below 500" in small.evidence.why
    system = grid((10, 10, 10), delta=islands(1000), disorder=1.0)
    few = bdg.pair_amplitude(system, 0.1, sites=[3, 5])
    assert few.evidence.method == "chebyshev" and "for 2 sites" in few.evidence.why
    everywhere = bdg.pair_amplitude(system, 0.01)
    assert everywhere.evidence.method == "poles" and everywhere.evidence.form == "quaternion"


@pytest.mark.parametrize("temperature", [0.03, 0.1])
def test_far_sites_are_not_taken_for_converged_before_the_recursion_reaches_them(grid, temperature):
    """Asked for far sites alone, all moments vanish at first: agreement of partial sums must not end the sum."""
    x = np.indices((90, 3))[0].ravel()
    system = grid((90, 3), mu=-1.0, delta=np.where(x < 20, 0.3, 0.0), disorder=0.5)
    far = np.flatnonzero(x >= 60)
    exact = bdg.pair_amplitude(system, temperature, sites=far, method="dense")
    columns = bdg.pair_amplitude(system, temperature, sites=far, method="chebyshev", tol=1e-3)
    assert abs(exact.values).max() > 1e-10
    assert abs(columns.values - exact.values).max() <= min(columns.error, 2e-3 * abs(exact.values).max() + 1e-7)


def test_results_do_not_depend_on_the_column_blocks(grid, islands, monkeypatch):
    system = grid((6, 6, 6), delta=islands(216), disorder=1.0)
    whole = bdg.pair_amplitude(system, 0.1, method="chebyshev")
    monkeypatch.setattr(chebyshev, "BLOCK_BYTES", 1)
    assert_allclose(bdg.pair_amplitude(system, 0.1, method="chebyshev").values, whole.values, atol=2 * whole.error)


def test_progress_save_load_plot(grid, tmp_path, capsys):
    result = bdg.pair_amplitude(grid((5, 5), delta=0.3), 0.1, method="chebyshev", progress=True)
    assert "pair amplitude" in capsys.readouterr().err
    result.save(tmp_path / "f.h5")
    loaded = bdg.load(tmp_path / "f.h5")
    assert np.array_equal(loaded.values, result.values) and loaded.error == result.error
    assert loaded.temperature == 0.1 and loaded.evidence.degree == result.evidence.degree
    for shape in ((12,), (5, 5), (4, 4, 4)):
        figure = bdg.pair_amplitude(grid(shape, delta=0.3), 0.1).plot()
        assert "|F|" in figure.axes[-1].get_ylabel()


@pytest.mark.parametrize("method", ["chebyshev", "poles"])
def test_a_temperature_too_low_for_a_method_is_said_before_any_work(grid, method, monkeypatch):
    """Degrees grow like 1/T; the estimate names the limit, too, instead of not knowing the method."""
    system = grid((8, 8, 8), delta=0.3)
    monkeypatch.setattr("bdg.gpu.chebyshev.columns.partner_elements", None)  # nothing is begun
    monkeypatch.setattr("bdg.condensate.pair_amplitude.pair_amplitude_by_poles", None)
    lower = "method='poles' down to .*, or a larger tol" if method == "chebyshev" else "below, or a larger tol"
    with pytest.raises(ValueError, match=rf"affords temperatures down to .*; got temperature = 1e-09\. Use .*{lower}"):
        bdg.pair_amplitude(system, 1e-9, method=method)
    found = bdg.estimate(system, "pair_amplitude", temperature=1e-9, method=method)
    rows = {name: (fits, note) for name, _, _, _, fits, note in found.rows}
    assert not rows[method][0] and rows[method][1].startswith("affords temperatures down to ")
    assert bdg.estimate(system, "pair_amplitude", temperature=1e-9).method == "dense"
    assert "poles not possible (affords temperatures" in bdg.pair_amplitude(system, 1e-9).evidence.why


@pytest.mark.gpu
def test_gpu_equals_cpu(grid, islands, backend):
    system = grid((10, 10, 10), delta=islands(1000, 2, True), disorder=1.0)
    values = bdg.pair_amplitude(system, 0.1, sites=range(40), method="chebyshev", device=backend.device).values
    assert_allclose(values, bdg.pair_amplitude(system, 0.1, sites=range(40), device="cpu").values, atol=1e-6)


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        ({"temperature": -0.1}, ValueError, r"temperature must be finite and >= 0 .*got -0.1"),
        ({"temperature": np.nan}, ValueError, "temperature must be finite"),
        ({"temperature": "cold"}, TypeError, "temperature must be a real number"),
        ({"temperature": 0, "method": "chebyshev"}, ValueError, r"affords temperatures down to \d.*method='dense'"),
        ({"temperature": 0.1, "method": "sum"}, ValueError, "one of auto, dense, chebyshev, poles; got 'sum'"),
        ({"temperature": 0.1, "sites": [16]}, ValueError, "sites must be between 0 and 15; got 16"),
        ({"temperature": 0.1, "sites": []}, ValueError, "non-empty"),
        ({"temperature": 0.1, "sites": [0.5]}, ValueError, "site numbers"),
        ({"temperature": 0.1, "tol": 0}, ValueError, "tol must be positive"),
    ],
)
def test_argument_errors(grid, arguments, error, message):
    with pytest.raises(error, match=message):
        bdg.pair_amplitude(grid((4, 4), delta=0.3), **arguments)
