"""Density of states from the trace of the Green function: against all levels, sum rule, closed form, errors."""

import numpy as np
import pytest
from numpy.testing import assert_allclose

import bdg
from bdg.densities import local_choice as ldos_plan
from bdg.densities import site_densities as local_green
from bdg.gpu.cost import model as cost
from bdg.green import resolvent
from bdg.lattices.nambu import SIGMA_X, SIGMA_Z
from bdg.lattices.system import System

ENERGIES = np.array([-0.4, 0.0, 0.13, 0.4, 5.0])
NAMES = ("clean", "disordered", "magnetic", "spinful")


@pytest.fixture
def systems(grid, spinful, islands):
    return {
        "clean": grid((6, 5, 4), delta=0.3, mu=-1.0, periodic=True),
        "disordered": grid((6, 5, 4), delta=islands(120), disorder=2.0),
        "magnetic": grid((10, 9), delta=islands(90, 2, True), disorder=1.0).with_field(0.07),
        "spinful": spinful(grid((7, 6), delta=islands(42, 4))).with_onsite(0.3 * SIGMA_Z + 0.2 * SIGMA_X),
    }


def _exact(system, energies, eta):
    """Sum of Lorentzians over all levels, and how far rounding of the levels may carry it."""
    levels = np.linalg.eigvalsh(bdg.BdGHamiltonian(system).matrix.toarray())
    exact = (eta / np.pi / ((np.asarray(energies)[:, None] - levels) ** 2 + eta**2)).sum(axis=1)
    return exact, 1e-14 * abs(levels).max() / eta * exact


@pytest.fixture
def by_selection(monkeypatch):
    """Selected inversion also where so few sites would be solved for one by one."""
    monkeypatch.setattr(cost, "solve_seconds", lambda rates, symbolic, form, columns: 10.0 * columns)
    monkeypatch.setattr(ldos_plan, "PROBES", {True: 3, False: 5})


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("eta", [0.1, 1e-3])
def test_equals_all_levels_within_the_stated_error(systems, name, eta):
    exact, rounding = _exact(systems[name], ENERGIES, eta)
    found = bdg.density_of_states(systems[name], ENERGIES, method="green", broadening=eta)
    assert found.values.shape == found.error.shape == (5,)
    assert (abs(found.values - exact) <= found.error + rounding).all()
    assert (found.error < 1e-6 * found.values).all()  # and not more than that is wasted
    assert (found.moments, found.vectors, found.samples.shape) == (0, 0, (5, 0))
    assert found.evidence.kernel == "lorentzian" and found.evidence.broadening == found.broadening == eta
    assert found.evidence.factorisations == 4  # one for +-0.4


@pytest.mark.parametrize("name", NAMES)
def test_selected_inverse_equals_all_levels_within_its_error(systems, by_selection, name):
    exact, rounding = _exact(systems[name], ENERGIES, 0.01)
    found = bdg.density_of_states(systems[name], ENERGIES, method="green", broadening=0.01)
    assert found.evidence.route == "selected inverse" and found.evidence.error_is.startswith("estimate")
    assert (abs(found.values - exact) <= found.error + rounding).all()
    assert (found.error < 1e-4 * found.values).all()


@pytest.mark.parametrize("norbs", [1, 2])
def test_sum_rule(grid, spinful, islands, norbs):
    """The integral over |E| < L is n minus the tails (2 eta/(pi L)) (n + (Tr H^2 - n eta^2/3)/L^2), n = 2 s N."""
    system = grid((3, 2), delta=islands(6, 3), disorder=1.0)
    system = system if norbs == 1 else spinful(system)
    eta, limit = 0.4, 40.0
    energies = np.linspace(-limit, limit, 801)  # 4 points in eta: the trapezoidal sum is exact to exp(-8 pi) = 1e-11
    found = bdg.density_of_states(system, energies, method="green", broadening=eta)
    matrix = bdg.BdGHamiltonian(system).matrix
    levels, square = matrix.shape[0], (abs(matrix.data) ** 2).sum()
    tail = 2 * eta / (np.pi * limit) * (levels + (square - levels * eta**2 / 3) / limit**2)
    # <E^4>/L^4 of the tail, and the ends of the trapezoids: step^2/6 times the slope there
    assert_allclose(np.trapezoid(found.values, energies), levels - tail, rtol=0, atol=1e-6 * levels)
    assert found.evidence.factorisations == 401
    assert_allclose(found.values, found.values[::-1], rtol=1e-12)


def test_a_single_site():
    xi, delta, eta = 0.4, 0.3j, 0.05
    system = System(hamiltonian=np.array([[xi]]), positions=np.zeros((1, 1)), delta=np.array([delta]))
    energies = np.linspace(-1, 1, 9)
    expected = sum(eta / np.pi / ((energies - level) ** 2 + eta**2) for level in (-0.5, 0.5))
    found = bdg.density_of_states(system, energies, method="green", broadening=eta)
    assert_allclose(found.values, expected, rtol=1e-13)


def test_it_is_the_sum_of_the_local_densities(systems):
    """Electrons at E and at -E: the latter are the holes at E."""
    system, energies = systems["magnetic"], np.array([0.07, 0.5])
    local = bdg.local_density_of_states(system, np.concatenate([energies, -energies]), method="dense", broadening=0.03)
    found = bdg.density_of_states(system, energies, method="green", broadening=0.03)
    assert_allclose(found.values, local.values.sum(axis=1).reshape(2, 2).sum(axis=0), rtol=1e-11)


def test_defaults_evidence_and_file(grid, tmp_path, capsys):
    system = grid((9, 9), delta=0.3, disorder=1.0)
    found = bdg.density_of_states(system, np.linspace(-1, 1, 41), method="green", progress=True)
    assert "density of states" in capsys.readouterr().err
    assert found.broadening == pytest.approx(0.05) and "mean spacing of the energies" in found.evidence.broadening_is
    assert found.evidence.factorisations == 21 and found.evidence.why == "as asked"
    single = bdg.density_of_states(system, 0.1, method="green")
    assert "largest row sum" in single.evidence.broadening_is and single.values.shape == (1,)
    found.save(tmp_path / "d.h5")
    loaded = bdg.load(tmp_path / "d.h5")
    for name in ("energies", "values", "error", "broadening", "moments", "vectors", "samples"):
        assert np.array_equal(getattr(loaded, name), getattr(found, name))
    assert loaded.plot().axes
    assert bdg.density_of_states(system, ENERGIES).evidence.kernel == "jackson"  # auto keeps the kernel


@pytest.mark.usefixtures("by_selection")
def test_a_wrong_element_is_noticed(grid, monkeypatch):
    """An error of 1e-6 in every element of a selected inverse must not hide behind the stated error."""
    right = resolvent._ComplexAt.checked_blocks

    def wrong(at, *arguments):
        blocks, defect = right(at, *arguments)
        return blocks * (1 + 1e-6), defect

    monkeypatch.setattr(resolvent._ComplexAt, "checked_blocks", wrong)
    system = grid((5, 5, 4), delta=0.3, disorder=1.0)
    found = bdg.density_of_states(system, [0.1, 0.2], method="green", broadening=0.05)
    exact, _ = _exact(system, [0.1, 0.2], 0.05)
    assert (abs(found.values - exact) > 1e-7 * exact).all()
    assert (abs(found.values - exact) <= found.error).all()


def test_what_cannot_be_done_is_refused(grid, monkeypatch):
    system = grid((4, 4), delta=0.3)
    with pytest.raises(ValueError, match="moments belongs to methods 'chebyshev' and 'dense'; got 64"):
        bdg.density_of_states(system, 0.1, method="green", moments=64)
    with pytest.raises(ValueError, match="broadening must be positive"):
        bdg.density_of_states(system, 0.1, method="green", broadening=-1.0)
    with pytest.raises(ArithmeticError, match=r"larger imaginary part \(broadening\), or use method='dense'"):
        bdg.density_of_states(grid((8, 8, 8), mu=0.0, delta=0.2), 0.2, method="green", broadening=1e-6)
    monkeypatch.setattr(cost, "index_bytes", lambda symbolic: 1e18)
    with pytest.raises(MemoryError, match="the density of states does not fit: green on the cpu needs"):
        bdg.density_of_states(system, 0.1, method="green")


def test_memory_of_the_values_does_not_grow_with_sites_times_energies(grid):
    from bdg.densities.trace_choice import green_request

    hamiltonian = bdg.BdGHamiltonian(grid((9, 9)))
    few, many = (green_request(hamiltonian, np.linspace(0, 1, n), 0.1).result_bytes for n in (10, 1000))
    assert few == many
    assert local_green.SAFETY[True] >= 31 and local_green.SAFETY[False] >= 31
