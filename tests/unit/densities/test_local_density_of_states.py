"""Local density of states: against all eigenstates, a single site and a chain in closed form, sum rule, errors."""

import numpy as np
import pytest
from numpy.testing import assert_allclose

import bdg
from bdg.densities import local_choice as ldos_plan
from bdg.gpu.cost import model as cost
from bdg.green import resolvent
from bdg.lattices import Layer, stack
from bdg.lattices.nambu import SIGMA_X, SIGMA_Z
from bdg.lattices.system import System

ENERGIES = np.array([-0.4, 0.0, 0.13, 0.4, 5.0])


def _systems(grid, spinful, islands):
    return {
        "real": grid((5, 5, 4), delta=islands(100), disorder=1.0),
        "flux and phases": grid((8, 7), delta=islands(56, 2, True)).with_field(0.05),
        "spinful": spinful(grid((6, 5), delta=islands(30))).with_onsite(0.3 * SIGMA_Z + 0.1 * SIGMA_X),
    }


def _exact(system, energies, eta):
    """Sum over eigenstates, from the definition; and how far rounding of the eigenstates may carry it."""
    levels, vectors = np.linalg.eigh(bdg.BdGHamiltonian(system).matrix.toarray())
    electron = abs(vectors[: system.norbs * system.n_sites]) ** 2
    weight = electron.reshape(system.n_sites, system.norbs, -1).sum(axis=1)
    kernel = eta / np.pi / ((np.asarray(energies)[:, None] - levels) ** 2 + eta**2)
    exact = kernel @ weight.T
    return exact, 1e-14 * abs(levels).max() / eta * exact


@pytest.fixture
def by_selection(monkeypatch):
    """Selected inversion also where so few sites would be solved for one by one."""
    monkeypatch.setattr(cost, "solve_seconds", lambda rates, symbolic, form, columns: 10.0 * columns)
    monkeypatch.setattr(ldos_plan, "PROBES", {True: 3, False: 5})


@pytest.mark.parametrize("name", ["real", "flux and phases", "spinful"])
@pytest.mark.parametrize("eta", [0.1, 1e-3])
@pytest.mark.parametrize("sites", [None, [11, 3, 20]])
def test_methods_agree_within_the_stated_errors(grid, spinful, islands, name, eta, sites):
    system = _systems(grid, spinful, islands)[name]
    exact, rounding = _exact(system, ENERGIES, eta)
    shown = slice(None) if sites is None else sites
    for method in ("green", "dense"):
        found = bdg.local_density_of_states(system, ENERGIES, sites, method=method, broadening=eta)
        assert found.values.shape == found.error.shape == (5, system.n_sites if sites is None else 3)
        assert (abs(found.values - exact[:, shown]) <= found.error + rounding[:, shown]).all(), method
        assert found.error.max() < 1e-7 * found.values.max()  # and not more than that is wasted
        assert found.evidence.kernel == "lorentzian" and found.evidence.broadening == found.broadening == eta


@pytest.mark.parametrize("name", ["real", "flux and phases", "spinful"])
@pytest.mark.parametrize("sites", [None, np.arange(12)])
def test_selected_inverse_agrees_within_its_error(grid, spinful, islands, by_selection, name, sites):
    system = _systems(grid, spinful, islands)[name]
    exact, rounding = _exact(system, ENERGIES, 0.01)
    shown = slice(None) if sites is None else sites
    found = bdg.local_density_of_states(system, ENERGIES, sites, method="green", broadening=0.01)
    assert found.evidence.route == ("selected inverse" if sites is None else "restricted selected inverse")
    assert found.evidence.error_is == "estimate" and 0 <= found.evidence.inverse_share <= 1
    assert (abs(found.values - exact[:, shown]) <= found.error + rounding[:, shown]).all()
    assert found.error.max() < 1e-6 * found.values.max()


@pytest.mark.parametrize("norbs", [1, 2])
def test_zero_energy_in_the_forms_of_the_imaginary_axis(grid, spinful, islands, by_selection, monkeypatch, norbs):
    monkeypatch.setattr(resolvent, "IMAGINARY_FORM_FROM", {1: 0.0, 2: 0.0})
    system = grid((6, 5), delta=islands(30, 3, True), disorder=1.0)
    system = system if norbs == 1 else spinful(system).with_onsite(0.3 * SIGMA_Z)
    for sites in (None, [3, 4, 9, 12, 20, 28]):
        exact, rounding = _exact(system, [0.0], 0.05)
        shown = slice(None) if sites is None else sites
        found = bdg.local_density_of_states(system, 0.0, sites, method="green", broadening=0.05)
        assert found.evidence.form == {1: "quaternion", 2: "majorana"}[norbs]
        assert (abs(found.values - exact[:, shown]) <= found.error + rounding[:, shown]).all()
        assert found.error.max() < 1e-8


def test_opposite_energies_share_a_factorisation(grid):
    system = grid((5, 5), delta=0.3, disorder=1.0)
    energies = np.linspace(-1, 1, 41)  # +-E equal to rounding only
    found = bdg.local_density_of_states(system, energies, [3, 7], method="green")
    assert found.evidence.factorisations == 21
    exact, rounding = _exact(system, energies, 0.05)
    assert found.broadening == pytest.approx(0.05) and found.evidence.broadening_is == "mean spacing of the energies"
    assert (abs(found.values - exact[:, [3, 7]]) <= found.error + rounding[:, [3, 7]]).all()


def test_single_site():
    """One site of energy xi and pairing Delta: u^2 = (1 +- xi/E)/2 at +-E, E^2 = xi^2 + |Delta|^2."""
    xi, delta, eta = 0.4, 0.3j, 0.05
    system = System(hamiltonian=np.array([[xi]]), positions=np.zeros((1, 1)), delta=np.array([delta]))
    energies, level = np.linspace(-1, 1, 9), 0.5
    expected = sum(
        0.5 * (1 + sign * xi / level) * eta / np.pi / ((energies - sign * level) ** 2 + eta**2) for sign in (1, -1)
    )
    for method in ("green", "dense", "auto"):
        found = bdg.local_density_of_states(system, energies, method=method, broadening=eta)
        assert_allclose(found.values[:, 0], expected, rtol=1e-13)


@pytest.mark.parametrize("mu", [0.0, -0.7])
def test_chain(mu):
    """A long chain in its middle: -Im G_00/pi with G_00 = 1/(i 2 sin k), 2 cos k = -(mu + E + i eta)."""
    eta, sites = 0.1, 401
    energies = np.array([-1.3, -0.2, 0.0, 0.5, 1.9, 2.6])
    k = np.arccos(-(mu + energies + 1j * eta) / 2)
    expected = abs((1 / (2j * np.sin(k))).imag) / np.pi
    found = bdg.local_density_of_states(stack([Layer(sites)], mu=mu), energies, [sites // 2], broadening=eta)
    # what comes back from the ends has faded by exp(-2 Im k L) = exp(-eta L/(v/2)) < 1e-8
    assert_allclose(found.values[:, 0], expected, rtol=1e-7)


@pytest.mark.parametrize("norbs", [1, 2])
def test_sum_rule(grid, spinful, islands, norbs):
    """The integral over |E| < L is s minus the tails 2 s eta/(pi L) (1 + <E^2>/L^2 + ...), <E^2> = (H^2)_ii/s."""
    system = grid((4, 3), delta=islands(12, 3), disorder=1.0)
    system = system if norbs == 1 else spinful(system)
    eta, limit = 0.2, 60.0
    energies = np.linspace(-limit, limit, 4801)  # 8 points in eta: the trapezoidal sum is exact to exp(-16 pi)
    values = bdg.local_density_of_states(system, energies, method="dense", broadening=eta).values
    total = np.trapezoid(values, energies, axis=0)
    matrix = bdg.BdGHamiltonian(system).matrix.toarray()
    square = (abs(matrix) ** 2).sum(axis=1)[: norbs * 12].reshape(12, norbs).mean(axis=1)
    tail = 2 * norbs * eta / (np.pi * limit) * (1 + (square - eta**2 / 3) / limit**2)
    assert_allclose(total, norbs - tail, rtol=0, atol=3e-8)  # <E^4>/L^4 of the tail, and the ends of the trapezoids
    some = np.array([0, 1777, 2400, 4000])
    green = bdg.local_density_of_states(system, energies[some], method="green", broadening=eta).values
    assert_allclose(green, values[some], rtol=1e-11)


def test_auto_says_why(grid):
    small = bdg.local_density_of_states(grid((4, 4), delta=0.3), np.linspace(-1, 1, 50))
    assert small.evidence.method == "dense" and "dense" in small.evidence.why
    large = bdg.local_density_of_states(grid((30, 30), delta=0.3), 0.1, [5])
    assert large.evidence.method == "green" and "green" in large.evidence.why
    assert large.evidence.broadening_is.endswith("of the largest row sum of |H|") and large.broadening > 0
    assert large.evidence.route == "columns" and large.evidence.error_is == "bound"
    assert (large.moments, large.vectors) == (0, 0)


def test_save_load_plot(grid, tmp_path):
    chain, plane = grid((12,), delta=0.3), grid((4, 4), delta=0.3)
    for system, energies, sites in [
        (chain, np.linspace(-1, 1, 5), None),
        (plane, np.linspace(-1, 1, 5), None),
        (plane, [0.2, 0.1], [3, 1]),
        (plane, 0.3, None),
    ]:
        found = bdg.local_density_of_states(system, energies, sites, broadening=0.1)
        found.save(tmp_path / "ldos.h5")
        loaded = bdg.load(tmp_path / "ldos.h5")
        for name in ("energies", "values", "error", "sites", "positions", "broadening", "moments", "vectors"):
            assert np.array_equal(getattr(loaded, name), getattr(found, name)), name
        assert loaded.evidence.kernel == "lorentzian"
        assert loaded.plot().axes


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        ({"energies": "all"}, TypeError, "energies must be a real number or a list of them"),
        ({"energies": 0.1j}, TypeError, "energies must be a real number"),
        ({"energies": [0.0, np.inf]}, ValueError, "energies must be finite; got inf"),
        ({"sites": [99]}, ValueError, "sites must be between 0 and 15; got 99"),
        ({"broadening": 0.0}, ValueError, "broadening must be positive"),
        ({"broadening": "wide"}, TypeError, "broadening must be a real number"),
        ({"method": "kpm"}, ValueError, "method must be one of auto, green, dense, chebyshev; got 'kpm'"),
        ({"moments": 512}, ValueError, "moments belongs to method='chebyshev' without broadening"),
        ({"vectors": 0}, ValueError, "vectors must be a whole number >= 1, or 'all'; got 0"),
        ({"device": "tpu"}, ValueError, "device must be"),
    ],
)
def test_argument_errors(grid, arguments, error, message):
    with pytest.raises(error, match=message):
        bdg.local_density_of_states(grid((4, 4), delta=0.3), **{"energies": [0.0, 0.1], **arguments})
    with pytest.raises(TypeError, match=r"system must be a bdg\.lattices\.System"):
        bdg.local_density_of_states("system", 0.0)


def test_a_zero_hamiltonian_needs_a_broadening():
    system = System(hamiltonian=np.zeros((1, 1)), positions=np.zeros((1, 1)))
    with pytest.raises(ValueError, match="broadening must be given for a Hamiltonian that is zero"):
        bdg.local_density_of_states(system, 0.0)


def test_a_broadening_too_small_for_the_factors_is_refused(grid, by_selection):
    """Twenty-four levels lie at E = 0 in a clean cube of 8^3; without pivoting their neighbourhood is out of reach."""
    cube = grid((8, 8, 8), mu=0.0)
    with pytest.raises(ArithmeticError, match="broadening|imaginary part"):
        bdg.local_density_of_states(cube, 0.0, method="green", broadening=1e-8)


@pytest.mark.parametrize("sites", [None, [3, 100]])
def test_auto_goes_on_where_factors_are_of_no_use(grid, sites):
    """Twelve levels of a clean cube of 8^3 lie at E = delta; a sum over eigenstates does not mind."""
    cube, energies = grid((8, 8, 8), mu=0.0, delta=0.2), [0.0, 0.2, 0.5]
    with pytest.raises(ArithmeticError, match=r"larger imaginary part \(broadening\), or use method='dense'"):
        bdg.local_density_of_states(cube, energies, sites, method="green", broadening=1e-6)
    found = bdg.local_density_of_states(cube, energies, sites, broadening=1e-6)
    assert found.evidence.method == "dense"
    assert "green failed: the columns of (z - H)^-1 at z = (0.2+1e-06j)" in found.evidence.why
    assert "of what is left, estimated for 3 energies" in found.evidence.why and "dense" in found.evidence.why
    exact, rounding = _exact(cube, energies, 1e-6)
    shown = slice(None) if sites is None else sites
    assert (abs(found.values - exact[:, shown]) <= found.error + rounding[:, shown]).all()


def test_auto_names_what_does_not_fit_after_a_failure(grid, monkeypatch):
    monkeypatch.setattr("bdg.gpu.eigen.dense.dense_bytes", lambda dimension, dtype: 1e18)
    with pytest.raises(ArithmeticError, match="Nothing else fits: dense on the cpu needs .* GiB.*chebyshev"):
        bdg.local_density_of_states(grid((8, 8, 8), mu=0.0, delta=0.2), 0.2, [3], broadening=1e-6)


def test_a_wrong_element_is_noticed(grid, by_selection, monkeypatch):
    """An error of 1e-6 in every element of a selected inverse must not hide behind the stated error."""
    right = resolvent._ComplexAt.checked_blocks

    def wrong(at, *arguments):
        blocks, defect = right(at, *arguments)
        return blocks * (1 + 1e-6), defect

    monkeypatch.setattr(resolvent._ComplexAt, "checked_blocks", wrong)
    system = grid((5, 5, 4), delta=0.3, disorder=1.0)
    found = bdg.local_density_of_states(system, [0.1, 0.2], method="green", broadening=0.05)
    exact, _ = _exact(system, [0.1, 0.2], 0.05)
    assert (abs(found.values - exact) > 1e-8).any()
    assert (abs(found.values - exact) <= found.error).all()
