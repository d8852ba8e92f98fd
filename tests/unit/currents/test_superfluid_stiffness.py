"""Superfluid stiffness: three routes, both forms, closed forms, open ends, tensor, units, errors."""

import numpy as np
import pytest
from scipy import constants

import bdg
from bdg.currents.twists import Twist
from bdg.lattices import Layer

T = 0.05


def _disordered(grid, shape=(5, 4, 4), **options):
    """Complex and without any symmetry: a field along z, disorder, phases of Delta."""
    rng = np.random.default_rng(2)
    delta = 0.4 * rng.random(int(np.prod(shape))) * np.exp(0.8j * rng.random(int(np.prod(shape))))
    return grid(shape, disorder=2.0, delta=delta, periodic=True, **options)


@pytest.mark.parametrize("spins", [1, pytest.param(2, marks=pytest.mark.slow)])
def test_three_routes_give_the_same_tensor(grid, spinful, spins):
    """Kubo's formula, differences of the current, second differences of F: within 3e-5 and the errors they state."""
    system = _disordered(grid)
    if spins == 2:
        system = spinful(system).with_onsite(np.array([[0.2, 0.1j], [-0.1j, -0.2]]))
    kubo, current, twist = (bdg.superfluid_stiffness(system, T, "all", method=m) for m in ("kubo", "current", "twist"))
    assert kubo.stiffness.shape == (3, 3) and np.allclose(kubo.stiffness, kubo.stiffness.T, rtol=0, atol=1e-12)
    assert abs(kubo.paramagnetic - np.diag(np.diag(kubo.paramagnetic))).max() > 1e-3  # a tensor indeed
    assert np.linalg.eigvalsh(kubo.paramagnetic).min() > 0
    for other in (current, twist):
        for part in ("stiffness", "diamagnetic", "paramagnetic"):
            difference = abs(getattr(other, part) - getattr(kubo, part)).max()
            assert difference < 3e-5 and difference < 2 * other.error + 1e-9
    assert current.imbalance == pytest.approx(kubo.imbalance, rel=1e-3)


@pytest.mark.parametrize(("temperature", "kind"), [(0.05, "real"), (0.1, "real"), (0.05, "spinful"), (0.1, "phase")])
def test_differences_agree_with_all_levels_on_a_junction(temperature, kind, spinful):
    """Steps of 0.005 and 0.01 rad left 1.5e-6 and 5e-6 at a width of three sites, where the docs say 1e-7."""
    layers = [Layer(2, delta=0.5), Layer(2, disorder=1), Layer(2, delta=0.5)]
    system = bdg.lattices.stack(layers, (3, 3), periodic=True, seed=1)
    if kind == "phase":
        system = system.with_phases({1: 0.7})
    if kind == "spinful":
        system = spinful(system)
    for direction in ("y", "all") if kind == "real" else ("all",):
        exact = bdg.superfluid_stiffness(system, temperature, direction, method="kubo")
        for method in ("current", "twist"):
            found = bdg.superfluid_stiffness(system, temperature, direction, method=method)
            assert np.max(abs(found.stiffness - exact.stiffness)) < min(1e-7, found.error)


def test_norbs_2_doubles_nothing(grid, spinful):
    system = _disordered(grid)
    one, two = (bdg.superfluid_stiffness(s, T, "y", method="kubo") for s in (system, spinful(system)))
    assert one.stiffness == pytest.approx(two.stiffness, abs=1e-12)
    assert one.paramagnetic == pytest.approx(two.paramagnetic, abs=1e-12)
    assert one.imbalance == pytest.approx(two.imbalance, rel=1e-9)


@pytest.mark.parametrize("temperature", [0, 0.08, 0.3])
def test_clean_torus_in_closed_form(grid, temperature):
    """K = (1/N) sum_k 2 cos k_x (1 - xi/E tanh(E/2T)), Lambda = (1/N) sum_k (2 sin k_x)^2 sech^2(E/2T)/T."""
    size, mu, delta = 8, -0.7, 0.5
    system = grid((size, size), mu=mu, delta=delta, periodic=True)
    k = 2 * np.pi * np.arange(size) / size
    kx, ky = (part.ravel() for part in np.meshgrid(k, k))
    xi = -2 * np.cos(kx) - 2 * np.cos(ky) - mu
    energy = np.hypot(xi, delta)
    tanh = np.tanh(energy / (2 * temperature)) if temperature else 1.0
    diamagnetic = np.mean(2 * np.cos(kx) * (1 - xi / energy * tanh))
    paramagnetic = 0.0
    if temperature:
        # both spins: 2 sum_k v_x^2 (-df/dE), -df/dE = sech^2(E/2T)/4T
        paramagnetic = np.mean(2 * (2 * np.sin(kx)) ** 2 / np.cosh(energy / (2 * temperature)) ** 2 / (4 * temperature))
    found = bdg.superfluid_stiffness(system, temperature, "x")
    assert found.diamagnetic == pytest.approx(diamagnetic, abs=1e-12)
    assert found.paramagnetic == pytest.approx(paramagnetic, abs=1e-12)
    assert found.stiffness == pytest.approx(diamagnetic - paramagnetic, abs=1e-12)
    assert found.imbalance < 1e-12


@pytest.mark.parametrize("method", ["kubo", "current", "twist"])
def test_normal_metal_has_none_at_high_temperature(grid, method):
    """Without pairing the two parts cancel where the levels are closer than T."""
    found = bdg.superfluid_stiffness(grid((10, 10), disorder=1.0, periodic=True), 1.0, "x", method=method)
    assert abs(found.stiffness) < 1e-3 < 0.3 < found.diamagnetic


def test_open_junction_between_electrodes_of_one_layer():
    """A gauge turns the twist into the phase 2 q L of the far end: N D = 4 L^2 d^2F/dphi^2."""
    system = bdg.lattices.stack([Layer(1, delta=0.5), Layer(3, disorder=1), Layer(1, delta=0.5)], (3,), seed=1)
    energy = lambda phase: bdg.free_energy(system.with_phases({1: phase}), T, method="dense").value  # noqa: E731
    step = 0.02
    second = lambda h: (energy(h) + energy(-h) - 2 * energy(0)) / h**2  # noqa: E731
    curvature = (4 * second(step) - second(2 * step)) / 3
    length = 4
    for method, tolerance in (("kubo", 1e-6), ("current", 1e-5), ("twist", 1e-5)):
        found = bdg.superfluid_stiffness(system, T, "x", method=method)
        assert system.n_sites * found.stiffness == pytest.approx(4 * length**2 * curvature, rel=tolerance)
    assert found.stiffness > 0


def test_lengths_scale(grid):
    """Positions in another unit: q per length, so the stiffness scales with its square."""
    system = _disordered(grid, (4, 4))
    stretched = bdg.System(
        hamiltonian=system.hamiltonian, positions=2.5 * system.positions, delta=system.delta, period=(10.0, 10.0)
    )
    for method in ("kubo", "current", "twist"):
        one, two = (bdg.superfluid_stiffness(s, T, "x", method=method) for s in (system, stretched))
        assert two.stiffness == pytest.approx(2.5**2 * one.stiffness, rel=1e-6)


def test_automatic_choice_and_size(grid):
    small, large = (grid((n, n), delta=0.4, periodic=True) for n in (6, 24))
    assert bdg.superfluid_stiffness(small, T, "x").evidence.method == "kubo"
    found = bdg.superfluid_stiffness(large, 0.3, "y", tol=1e-9)
    assert found.evidence.method == "current" and found.evidence.elements == "poles"
    assert found.evidence.why.startswith("estimated for dimension 1152: current ")
    exact = bdg.superfluid_stiffness(large, 0.3, "y", method="kubo")
    assert found.stiffness == pytest.approx(exact.stiffness, abs=1e-6)


def test_penetration_depth_in_si():
    """lambda of n carriers of mass m, a quadratic band: D_s/v = n hbar^2/m, 1/lambda^2 = mu0 n e^2/m."""
    density, mass, spacing_nm = 5e27, 0.46 * constants.m_e, 0.5
    hopping = constants.hbar**2 / (2 * mass * (spacing_nm * 1e-9) ** 2)
    per_site = density * (spacing_nm * 1e-9) ** 3
    stiffness = per_site * 2.0  # n hbar^2/m per site in units of t a^2 = hbar^2/2m
    london = np.sqrt(mass / (constants.mu_0 * density * constants.e**2))
    units = {
        "hopping_meV": hopping / constants.e * 1e3,
        "length_unit_nm": spacing_nm,
        "site_volume_nm3": spacing_nm**3,
    }
    assert bdg.penetration_depth(stiffness, **units) == pytest.approx(london * 1e9, rel=1e-12)
    assert bdg.penetration_depth(0.0, **units) == np.inf
    tensor = bdg.penetration_depth(np.diag([stiffness / 4, stiffness]), **units)
    assert tensor == pytest.approx([london * 1e9, 2 * london * 1e9])
    with pytest.raises(ValueError, match="stiffness must be >= 0"):
        bdg.penetration_depth(-0.1, **units)
    with pytest.raises(ValueError, match="site_volume_nm3 must be positive"):
        bdg.penetration_depth(0.1, **{**units, "site_volume_nm3": 0})


def test_stiffness_of_a_dilute_band_is_the_london_value(grid):
    """Few electrons at the bottom of the band: D_s = 2 t a^2 n (n hbar^2/m with m = hbar^2/2 t a^2)."""
    system = grid((12, 12), mu=-3.9, delta=0.05, periodic=True)
    found = bdg.superfluid_stiffness(system, 0, "x")
    electrons = bdg.electron_density(system, 0).values.mean()
    assert found.stiffness == pytest.approx(2 * electrons, rel=0.1)


def test_twisted_hops_turn_with_the_displacement(grid):
    system = grid((4, 4), periodic=True)
    twisted = Twist(system).system_at(np.array([0.3, 0.0])).hamiltonian.toarray()
    assert twisted[4, 0] == pytest.approx(-np.exp(0.3j))  # from x = 0 to x = 1
    assert twisted[0, 12] == pytest.approx(-np.exp(0.3j))  # from x = 3 across the boundary
    assert twisted[1, 0] == -1


def test_results_are_saved_and_drawn(grid, tmp_path):
    for direction in ("x", "all"):
        found = bdg.superfluid_stiffness(grid((4, 4), delta=0.3, periodic=True), T, direction)
        found.save(tmp_path / "stiffness.h5")
        again = bdg.load(tmp_path / "stiffness.h5")
        assert np.array_equal(again.stiffness, found.stiffness) and again.direction == direction
        assert found.plot().axes
        values = {"hopping_meV": 100, "length_unit_nm": 1, "site_volume_nm3": 1}
        assert np.array_equal(bdg.penetration_depth(again, **values), bdg.penetration_depth(found, **values))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"direction": "z"}, "direction must be one of 'x', 'y' or 'all'; got 'z'"),
        ({"direction": 0}, "direction must be one of"),
        ({"method": "bubble"}, "method must be one of auto, kubo, current, twist"),
        ({"tol": 0}, "tol must be positive"),
        ({"temperature": -1}, "temperature must be finite and >= 0"),
        ({"open": True}, "direction 'x' is open and the system has no pairing at its lower end"),
        ({"open": True, "direction": "all"}, "direction 'x' is open"),
        ({"short": True}, "direction 'x': a bond spans half of the period 2"),
        ({"flat": True, "direction": "y"}, "direction 'y': no bond of the system has a component along it"),
    ],
)
def test_bad_input_is_named(grid, change, message):
    system = grid((4, 4), delta=0.3, periodic=True)
    if change.pop("open", False):
        system = grid((4, 4), delta=np.where(np.arange(16) // 4 % 3 > 0, 0.3, 0.0))
    if change.pop("short", False):
        system = grid((2, 4), delta=0.3, periodic=True)
    if change.pop("flat", False):
        system = grid((5, 1), delta=0.3)
    options = {"temperature": T, "direction": "x", **change}
    with pytest.raises(ValueError, match=message):
        bdg.superfluid_stiffness(system, **options)


@pytest.mark.parametrize(
    ("stiffness", "error", "message"),
    [
        ("a", TypeError, r"stiffness must be a real number .*; got 'a' \(str\)"),
        (None, TypeError, "stiffness must be a real number"),
        (1j, TypeError, "stiffness must be a real number"),
        (np.nan, ValueError, "stiffness must be finite"),
        (["a"], TypeError, r"stiffness must be a real number or tensor \(dim, dim\)"),
        ([[1.0, 2.0], [3.0]], TypeError, "stiffness must be numbers in lists of equal length"),
        ([1.0, 2.0], ValueError, r"a number or a tensor \(dim, dim\); got shape \(2,\)"),
        (np.ones((2, 3)), ValueError, r"got shape \(2, 3\)"),
        (np.full((2, 2), np.inf), ValueError, "stiffness must be finite"),
        ([[1.0, 0.5], [0.0, 1.0]], ValueError, "stiffness must be a symmetric tensor"),
        ([[1.0, 2.0], [2.0, 1.0]], ValueError, "stiffness must be >= 0 for a penetration depth; got -1"),
    ],
)
def test_stiffness_of_a_penetration_depth_is_checked(stiffness, error, message):
    with pytest.raises(error, match=message):
        bdg.penetration_depth(stiffness, hopping_meV=1.0, length_unit_nm=1.0, site_volume_nm3=1.0)


def test_penetration_depth_of_a_number_from_an_array():
    units = {"hopping_meV": 1.0, "length_unit_nm": 1.0, "site_volume_nm3": 1.0}
    plain = bdg.penetration_depth(0.1, **units)
    assert bdg.penetration_depth(np.array(0.1), **units) == bdg.penetration_depth(np.float64(0.1), **units) == plain
    assert bdg.penetration_depth([[0.1, 0.0], [0.0, 0.1]], **units) == pytest.approx([plain, plain])


@pytest.mark.parametrize("wall", [1e5, 1e7, 1e9])
def test_a_hard_wall_adds_no_rounding(wall):
    """A site at V on a ring is an onsite term -t^2/V (to E/V of it); at T = 0 levels of 1e-4 are as safe as others.

    LAPACK's levels are wrong by eps V: the stiffness was off by 3e-6, 9e-6 and 1e-7 with a stated error of 5e-12.
    """
    n = 12  # levels 1 - 2 cos(k) are zero at +-60 degrees
    ring = np.eye(n) - np.roll(np.eye(n), 1, axis=0) - np.roll(np.eye(n), -1, axis=0)
    walled = np.zeros((n + 1, n + 1))
    walled[:n, :n], walled[n, n] = ring, wall
    walled[n, 0] = walled[0, n] = -1.0
    ring[0, 0] -= 1 / wall
    places = np.stack([np.append(np.arange(n), 0), np.append(np.zeros(n), 1)], axis=1)
    found, expected = (
        bdg.superfluid_stiffness(
            bdg.lattices.from_hamiltonian(h, places[:size], delta=1e-4 * (np.arange(size) < n), period=(n, None)),
            0.0,
            "x",
            method="kubo",
        )
        for h, size in ((walled, n + 1), (ring, n))
    )
    for part in ("stiffness", "diamagnetic", "paramagnetic"):  # both are relative to the number of sites
        assert getattr(found, part) * (n + 1) == pytest.approx(getattr(expected, part) * n, abs=2e-10 + 1e-3 / wall)
