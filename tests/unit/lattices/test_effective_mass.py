import math

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from scipy import constants

import bdg
from bdg.lattices.materials.band import fermi_surface
from bdg.lattices.materials.effective_mass import EffectiveMass, effective_mass

HBAR, ELECTRON, CHARGE = constants.hbar, constants.m_e, constants.e


def test_the_host_of_the_composite():
    """m = 0.46, 2.4 nm, 5e24 per m3, l = 13 nm: W about 4.5 t, and a lattice 16 % slower than the continuum."""
    host = effective_mass(0.46, 2.4, density_m3=5e24, mean_free_path_nm=13)
    k_F = (3 * math.pi**2 * 5e24) ** (1 / 3)
    assert host.t_meV == pytest.approx(HBAR**2 / (2 * 0.46 * ELECTRON * 2.4e-9**2) / CHARGE * 1e3, rel=1e-12)
    assert host.filling == pytest.approx(5e24 * 2.4e-9**3, rel=1e-14)
    assert host.disorder == pytest.approx(4.5, abs=0.05)
    assert host.velocity_error == pytest.approx(-0.16, abs=0.01)
    assert host.continuum_velocity_m_s == pytest.approx(HBAR * k_F / (0.46 * ELECTRON), rel=1e-12)
    assert host.fermi_wavelength_nm == pytest.approx(2 * math.pi / k_F * 1e9, rel=1e-12)
    assert host.sites_per_wavelength == pytest.approx(host.fermi_wavelength_nm / 2.4, rel=1e-14)
    assert (host.mass, host.density_m3, host.mean_free_path_nm) == (0.46, 5e24, 13)


def test_a_coarser_grid_is_further_off():
    """3 nm, 1e25 per m3, W = 4 t: 37 % slower than the continuum."""
    t_meV, mu = 9.202855, effective_mass(0.46, 3, density_m3=1e25).mu
    host = EffectiveMass.from_lattice(t_meV, mu, 3, disorder=4)
    assert host.mass == pytest.approx(0.46, rel=1e-6)
    assert host.velocity_error == pytest.approx(-0.37, abs=0.01)
    assert host.density_m3 == pytest.approx(1e25, rel=1e-12)


def test_mobility_and_wavelength_of_a_magnesium_silicide_host():
    """n = 1e25, 100 cm2/Vs, textbook formulas: lambda_F = 9.4 nm and, in the continuum, l = 4.4 nm.

    On a fine grid the lattice is the continuum.
    """
    host = effective_mass(0.46, 0.2, density_m3=1e25, mobility_cm2_Vs=100)
    assert host.scattering_time_s == pytest.approx(100e-4 * 0.46 * ELECTRON / CHARGE, rel=1e-12)
    assert host.fermi_wavelength_nm == pytest.approx(9.4, abs=0.05)
    assert host.mean_free_path_nm == pytest.approx(4.4, abs=0.05)
    assert effective_mass(0.46, 1, density_m3=1e25).t_meV == pytest.approx(83, abs=0.5)


@pytest.mark.parametrize("dimensions", [1, 2, 3])
def test_a_fine_grid_is_the_continuum(dimensions):
    """hbar k_F/m, n, N0 and D = v^2 tau/d of free electrons, in SI; the lattice corrects them by (k_F a)^2 ~ 1e-4."""
    k_F = 1e8  # per m
    density = {1: 2 * k_F / math.pi, 2: k_F**2 / (2 * math.pi), 3: k_F**3 / (3 * math.pi**2)}[dimensions]
    host = effective_mass(0.7, 0.1, density_m3=density, mobility_cm2_Vs=1000, dimensions=dimensions)
    velocity, tau = HBAR * k_F / (0.7 * ELECTRON), 0.1 * 0.7 * ELECTRON / CHARGE
    states = {1: 2 / (math.pi * velocity), 2: k_F / (math.pi * velocity), 3: k_F**2 / (math.pi**2 * velocity)}
    states = states[dimensions] / HBAR / 2  # per J, m^d and spin
    assert host.continuum_velocity_m_s == pytest.approx(velocity, rel=1e-10)
    assert host.v_F_m_s == pytest.approx(velocity, rel=2e-4)
    assert abs(host.velocity_error) < 2e-4
    assert host.scattering_time_s == pytest.approx(tau, rel=1e-10)
    assert host.mean_free_path_nm == pytest.approx(velocity * tau * 1e9, rel=2e-4)
    assert host.diffusion_m2_s == pytest.approx(velocity**2 * tau / dimensions, rel=2e-4)
    per_t = states * host.t_meV * 1e-3 * CHARGE * 1e-10**dimensions
    assert host.density_of_states == pytest.approx(per_t, rel=2e-4)
    assert host.fermi_wavelength_nm == pytest.approx(2 * math.pi / k_F * 1e9, rel=1e-10)


def test_the_golden_rule_ties_disorder_to_scattering_time():
    """hbar/tau = 2 pi N0 <V^2>, and <V^2> = W^2/12 of a box, with the band's own N0."""
    host = effective_mass(0.46, 2.4, density_m3=5e24, mean_free_path_nm=13)
    surface = fermi_surface(host.mu, 3)
    assert 1 / host.scattering_time == pytest.approx(
        2 * math.pi * surface.density_of_states * host.disorder**2 / 12, rel=1e-12
    )
    assert host.mean_free_path_nm == pytest.approx(surface.v_F * host.scattering_time * 2.4, rel=1e-12)
    assert host.diffusion == pytest.approx(surface.v_x_squared * host.scattering_time, rel=1e-12)
    assert (host.v_F, host.density_of_states) == (surface.v_F, surface.density_of_states)
    assert surface.filling == pytest.approx(host.filling, rel=1e-12)
    half = effective_mass(0.46, 2.4, density_m3=5e24, mean_free_path_nm=6.5)
    assert half.disorder == pytest.approx(math.sqrt(2) * host.disorder, rel=1e-12)


def test_scattering_time_of_a_strip_with_disorder():
    """W = 2 on the square lattice at mu = -1, N0 = 0.1419: tau = 6/(pi N0 W^2) = 3.36."""
    host = effective_mass.from_lattice(1.0, -1.0, 1.0, disorder=2, dimensions=2)
    assert host.scattering_time == pytest.approx(6 / (math.pi * 0.141911 * 4), rel=1e-5)
    assert host.diffusion == pytest.approx(2.562 * host.scattering_time, rel=3e-4)


@given(
    mass=st.floats(0.05, 5),
    spacing=st.floats(0.3, 5),
    filling=st.floats(1e-2, 1.9),
    path=st.floats(0.5, 1e3),
    dimensions=st.sampled_from([1, 2, 3]),
)
def test_there_and_back(mass, spacing, filling, path, dimensions):
    assume(dimensions != 2 or abs(filling - 1) > 1e-6)  # van Hove point: refused, and near it N0 loses digits
    density = filling / (spacing * 1e-9) ** dimensions
    there = effective_mass(mass, spacing, density_m3=density, mean_free_path_nm=path, dimensions=dimensions)
    back = effective_mass.from_lattice(there.t_meV, there.mu, spacing, there.disorder, dimensions)
    for name in EffectiveMass.__slots__:
        assert getattr(back, name) == pytest.approx(getattr(there, name), rel=1e-10), name
    again = effective_mass(
        mass, spacing, density_m3=density, mobility_cm2_Vs=there.mobility_cm2_Vs, dimensions=dimensions
    )
    assert again.disorder == pytest.approx(there.disorder, rel=1e-10)
    assert again.mean_free_path_nm == pytest.approx(path, rel=1e-10)


@pytest.mark.parametrize("given_path", [{}, {"mean_free_path_nm": math.inf}, {"mobility_cm2_Vs": math.inf}])
def test_a_clean_host(given_path):
    host = effective_mass(0.46, 2.4, density_m3=5e24, **given_path)
    assert host.disorder == 0
    assert host.scattering_time == host.mean_free_path_nm == host.mobility_cm2_Vs == host.diffusion == math.inf
    back = effective_mass.from_lattice(host.t_meV, host.mu, 2.4)
    assert back.scattering_time == math.inf and back.density_m3 == pytest.approx(5e24, rel=1e-12)


def test_the_result_knows_the_way_back_too():
    host = effective_mass(0.46, 2.4, density_m3=5e24)
    assert host.from_lattice(host.t_meV, host.mu, 2.4).mass == pytest.approx(0.46, rel=1e-13)


@pytest.mark.parametrize(("dimensions", "density"), [(1, 1e9), (2, 1e18), (3, 1e27)])
def test_a_band_that_overflows_names_the_largest_spacing(dimensions, density):
    largest = 1e9 * (2 / density) ** (1 / dimensions)
    with pytest.raises(
        ValueError, match=rf"n a\^{dimensions} = .*fewer than 2: spacing_nm must be below {largest:.4g}"
    ):
        effective_mass(0.46, 2.4, density_m3=density, dimensions=dimensions)
    assert effective_mass(0.46, 0.99 * largest, density_m3=density, dimensions=dimensions).filling < 2


def test_both_lengths_are_refused():
    with pytest.raises(ValueError, match=r"give mean_free_path_nm or mobility_cm2_Vs, not both.*13 nm and 100 cm2/Vs"):
        effective_mass(0.46, 2.4, density_m3=5e24, mean_free_path_nm=13, mobility_cm2_Vs=100)


@pytest.mark.parametrize("name", ["mass", "spacing_nm", "density_m3", "mean_free_path_nm", "mobility_cm2_Vs"])
@pytest.mark.parametrize("value", [0, -1, math.nan])
def test_numbers_that_are_not_positive_are_refused(name, value):
    arguments = {"mass": 0.46, "spacing_nm": 2.4, "density_m3": 5e24, name: value}
    with pytest.raises(ValueError, match=rf"{name} must be positive.*got {value}"):
        effective_mass(**arguments)


def test_bad_arguments_are_refused():
    with pytest.raises(TypeError, match=r"mass must be a real number \(electron masses\); got None"):
        effective_mass(None, 2.4, density_m3=5e24)
    with pytest.raises(ValueError, match="dimensions must be 1, 2 or 3; got 0"):
        effective_mass(0.46, 2.4, density_m3=5e24, dimensions=0)
    with pytest.raises(ValueError, match="mu must lie inside the band"):
        effective_mass.from_lattice(10, -6, 2.4)
    with pytest.raises(ValueError, match="disorder must be finite and >= 0"):
        effective_mass.from_lattice(10, -3, 2.4, -1)
    with pytest.raises(ValueError, match="t_meV must be positive"):
        effective_mass.from_lattice(-10, -3, 2.4)


def test_no_disorder_is_invented_at_a_van_hove_point():
    for arguments in ({"mean_free_path_nm": 10}, {"mobility_cm2_Vs": 100}):
        with pytest.raises(ValueError, match="van Hove point: N0 is infinite"):
            effective_mass(0.5, 1, density_m3=1e18, dimensions=2, **arguments)
    with pytest.raises(ValueError, match="van Hove point: N0 is infinite"):
        effective_mass.from_lattice(10, 0, 1, disorder=1, dimensions=2)
    assert effective_mass(0.5, 1, density_m3=1e18, dimensions=2).mu == 0


def test_the_names_that_users_call():
    assert bdg.lattices.effective_mass is effective_mass
    assert bdg.lattices.composition(0.35).volume_percent["MgB2"] == pytest.approx(7.9, abs=0.05)
    assert bdg.lattices.material("Mg2Si")["effective_mass"].value == 0.46
