"""Free energy, entropy and electron density: two routes, two forms of the same system, and thermodynamic identities."""

import numpy as np
import pytest

import bdg
from bdg.base.results import Choice
from bdg.gpu.device.backend import select_backend
from bdg.thermal.elements import thermal_elements

CPU = select_backend("cpu")
T = 0.06


def _variants(grid, islands):
    base = grid(
        (4, 4, 4), disorder=1.0, delta=islands(64, seed=3), attraction=np.where(islands(64, seed=3) > 0, 2.0, 0)
    )
    field = base.with_field([0, 0, 0.07]).with_delta(islands(64, seed=3, phases=True))
    return {"real": base, "flux and phases": field}


@pytest.mark.parametrize("spins", [1, 2])
@pytest.mark.parametrize("name", ["real", "flux and phases"])
def test_poles_equal_dense_within_the_stated_error(grid, islands, spinful, name, spins):
    system = _variants(grid, islands)[name]
    if spins == 2:
        zeeman = np.array([[0.2, 0.1], [0.1, -0.2]])
        system = spinful(system).with_onsite(zeeman)
    hamiltonian = bdg.BdGHamiltonian(system)
    dense, poles = (
        thermal_elements(hamiltonian, T, 1e-7, Choice(method, "as asked", CPU), log_cosh=True)
        for method in ("dense", "poles")
    )
    assert poles.error < 1.1e-7
    for part in ("normal", "anomalous"):
        assert abs(getattr(dense, part) - getattr(poles, part)).max() < poles.error
    assert abs(dense.log_cosh - poles.log_cosh) < poles.log_cosh_error
    exact = bdg.pair_amplitude(system, T, method="dense").values
    assert abs(poles.pair_amplitude() - exact).max() < poles.error


@pytest.mark.parametrize("method", ["dense", "poles"])
def test_both_forms_of_a_spin_degenerate_system_agree(grid, islands, spinful, method):
    system = _variants(grid, islands)["flux and phases"]
    one, two = (bdg.free_energy(s, T, method=method) for s in (system, spinful(system)))
    assert abs(one.value - two.value) < one.error + two.error + 1e-11
    assert one.entropy == pytest.approx(two.entropy, abs=1e-7)
    densities = [bdg.electron_density(s, T, method=method, tol=1e-9).values for s in (system, spinful(system))]
    assert np.allclose(*densities, rtol=0, atol=2e-9)


@pytest.mark.parametrize("method", ["dense", "poles"])
def test_derivatives_of_the_free_energy(grid, islands, method):
    """-dF/dT is the entropy, -dF/dmu the number of electrons, dF/dDelta the gap equation; central differences."""
    system = _variants(grid, islands)["real"]
    value = lambda s, t=T: bdg.free_energy(s, t, method=method).value  # noqa: E731
    step = 1e-4
    found = bdg.free_energy(system, T, method=method)
    assert (value(system, T - step) - value(system, T + step)) / (2 * step) == pytest.approx(found.entropy, rel=1e-4)
    number = bdg.electron_density(system, T, method=method, tol=1e-9).values.sum()
    slope = (value(system.with_onsite(step)) - value(system.with_onsite(-step))) / (2 * step)
    assert slope == pytest.approx(number, rel=1e-6)
    site = int(np.flatnonzero(system.delta)[0])
    change = np.zeros(64)
    change[site] = step
    slope = (value(system.with_delta(system.delta + change)) - value(system.with_delta(system.delta - change))) / (
        2 * step
    )
    amplitude = bdg.pair_amplitude(system, T, method="dense").values[site].real
    assert slope == pytest.approx(2 * (system.delta[site] / 2.0 - amplitude), rel=1e-5)


def test_zero_temperature_is_the_limit(grid, islands):
    system = _variants(grid, islands)["real"]
    zero, low = bdg.free_energy(system, 0), bdg.free_energy(system, 1e-4, method="dense")
    assert zero.value == pytest.approx(low.value, abs=1e-9) and zero.entropy == 0
    assert bdg.electron_density(system, 0).values.sum() == pytest.approx(
        bdg.electron_density(system, 1e-4, method="dense").values.sum(), abs=1e-9
    )
    for function in (bdg.free_energy, bdg.electron_density, bdg.bond_currents):
        with pytest.raises(ValueError, match="method='poles' needs temperature > 0"):
            function(system, 0, method="poles")


def test_two_levels_in_closed_form():
    """One site: E = sqrt(mu^2 + Delta^2), F = -2T ln 2cosh(E/2T) - mu + Delta^2/U, n = 1 + mu/E tanh(E/2T)."""
    mu, delta, attraction = 0.3, 0.4, 1.5
    system = bdg.lattices.from_hamiltonian([[-mu]], [[0.0]], delta=delta, attraction=attraction)
    energy = np.hypot(mu, delta)
    free = -2 * T * np.log(2 * np.cosh(energy / (2 * T))) - mu + delta**2 / attraction
    for method in ("dense", "poles"):
        found = bdg.free_energy(system, T, method=method)
        assert abs(found.value - free) < found.error + 1e-12
        assert found.condensation == pytest.approx(delta**2 / attraction)
        density = bdg.electron_density(system, T, method=method, tol=1e-10)
        assert density.values[0] == pytest.approx(1 + mu / energy * np.tanh(energy / (2 * T)), abs=1e-9)


def test_results_are_saved_and_drawn(grid, tmp_path):
    system = grid((6, 6), delta=0.3)
    density = bdg.electron_density(system, T)
    for result in (density, bdg.free_energy(system, T)):
        result.save(tmp_path / "result.h5")
        again = bdg.load(tmp_path / "result.h5")
        assert type(again) is type(result) and again.evidence.method == result.evidence.method
    assert density.plot().axes
