"""Composition from the two reactions, and effective masses against averages over the lattice band."""

import numpy as np
import pytest
from algebra import band_averages

import bdg


def test_composition_from_the_two_reactions():
    """4Mg + SiO2 -> 2MgO + Mg2Si, 4Mg + B2O3 -> 3MgO + MgB2."""
    ratio = 24 / 68
    moles = dict(zip(("MgO", "Mg2Si", "MgB2"), (2 + 3 * ratio, 1, ratio), strict=True))
    volumes = {
        name: moles[name] * molar / density
        for name, molar, density in (("MgO", 40.304, 3.58), ("Mg2Si", 76.695, 1.99), ("MgB2", 45.927, 2.57))
    }
    mass = moles["MgO"] * 40.304 + moles["Mg2Si"] * 76.695 + moles["MgB2"] * 45.927
    result = bdg.lattices.composition(ratio)
    assert set(result.mole_percent) == set(result.volume_percent) == {"MgO", "Mg2Si", "MgB2"}
    for name in moles:
        assert result.mole_percent[name] == pytest.approx(100 * moles[name] / sum(moles.values()), abs=0.02)
        assert result.volume_percent[name] == pytest.approx(100 * volumes[name] / sum(volumes.values()), abs=0.05)
    assert isinstance(result.density, float)
    assert result.density == pytest.approx(mass / sum(volumes.values()), abs=2e-3)
    assert [round(result.mole_percent[name]) for name in moles] == [69, 23, 8]
    assert bdg.lattices.composition(b2o3_to_sio2=0.2).volume_percent["MgB2"] == pytest.approx(5.0, abs=0.06)
    with pytest.raises(ValueError, match="b2o3_to_sio2"):
        bdg.lattices.composition(-0.1)


def test_effective_mass_takes_everything_from_the_lattice_band():
    from scipy import constants

    mass, a, density, path = 0.46, 2.0, 8e24, 11.0
    material = bdg.lattices.effective_mass(mass, a, density_m3=density, mean_free_path_nm=path)
    t = constants.hbar**2 / (2 * mass * constants.m_e * (a * 1e-9) ** 2) / constants.e * 1e3
    assert material.t_meV == pytest.approx(t, rel=1e-9)
    filling, n0, speed = band_averages(material.mu, 3)
    assert filling == pytest.approx(density * (a * 1e-9) ** 3, rel=0.01)
    tau = (path / a) / speed  # hbar / t
    width = np.sqrt(12 / (2 * np.pi * n0 * tau))
    assert material.disorder == pytest.approx(width, rel=0.01)
    # continuum at low filling
    sparse = bdg.lattices.effective_mass(mass, 0.5, density_m3=1e24, mean_free_path_nm=path)
    assert sparse.mu == pytest.approx(-6 + (0.5e-9) ** 2 * (3 * np.pi**2 * 1e24) ** (2 / 3), rel=1e-3)
    wavelength = 2 * np.pi / (3 * np.pi**2 * 1e24) ** (1 / 3) * 1e9
    assert sparse.fermi_wavelength_nm == pytest.approx(wavelength, rel=0.01)


def test_effective_mass_attributes_are_those_of_the_band():
    """v_F in t a / hbar, density_of_states per t, spin and site, scattering_time in hbar / t."""
    material = bdg.lattices.effective_mass(0.46, 2.4, density_m3=5e24, mean_free_path_nm=13)
    _, n0, speed = band_averages(material.mu, 3)
    assert material.v_F == pytest.approx(speed, rel=0.01)
    assert material.density_of_states == pytest.approx(n0, rel=0.01)
    assert material.scattering_time == pytest.approx(13 / 2.4 / speed, rel=0.01)
    assert material.disorder == pytest.approx(4.5, rel=0.03)


def test_effective_mass_and_back():
    there = bdg.lattices.effective_mass(0.3, 1.7, density_m3=2e25, mobility_cm2_Vs=150.0)
    back = bdg.lattices.effective_mass.from_lattice(
        t_meV=there.t_meV, mu=there.mu, spacing_nm=1.7, disorder=there.disorder, dimensions=3
    )
    assert back.mass == pytest.approx(0.3)
    assert back.density_m3 == pytest.approx(2e25)
    assert back.mobility_cm2_Vs == pytest.approx(150.0)
    assert back.mean_free_path_nm == pytest.approx(there.mean_free_path_nm)


def test_effective_mass_mobility_and_dimensions():
    from scipy import constants

    mass, a, mobility = 0.3, 1.5, 120.0
    material = bdg.lattices.effective_mass(mass, a, density_m3=1e25, mobility_cm2_Vs=mobility)
    tau = mobility * 1e-4 * mass * constants.m_e / constants.e  # s
    tau_lattice = tau / (constants.hbar / (material.t_meV * 1e-3 * constants.e))
    _, n0, _ = band_averages(material.mu, 3)
    assert material.disorder == pytest.approx(np.sqrt(12 / (2 * np.pi * n0 * tau_lattice)), rel=0.01)
    flat = bdg.lattices.effective_mass(mass, a, density_m3=1e17, mean_free_path_nm=20, dimensions=2)  # per m2
    assert flat.t_meV == pytest.approx(material.t_meV)
    filling, n0, speed = band_averages(flat.mu, 2, points=400)
    assert filling == pytest.approx(1e17 * (a * 1e-9) ** 2, rel=0.02)
    assert flat.v_F == pytest.approx(speed, rel=0.02)
    assert flat.disorder == pytest.approx(np.sqrt(12 / (2 * np.pi * n0 * 20 / a / speed)), rel=0.02)
    with pytest.raises(ValueError, match="mean_free_path_nm|mobility_cm2_Vs"):
        bdg.lattices.effective_mass(mass, a, density_m3=1e25, mean_free_path_nm=20, mobility_cm2_Vs=100)
    with pytest.raises(ValueError, match="density_m3"):
        bdg.lattices.effective_mass(mass, a, density_m3=1e30)
    with pytest.raises(ValueError, match="mass"):
        bdg.lattices.effective_mass(-1, a, density_m3=1e25)
    with pytest.raises(ValueError, match="dimensions"):
        bdg.lattices.effective_mass(mass, a, density_m3=1e25, dimensions=4)
