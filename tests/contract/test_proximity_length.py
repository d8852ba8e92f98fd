"""Decay lengths of known profiles, the theory beside them, and what is said when they are not resolved."""

import numpy as np
import pytest
from algebra import band_averages, chain_matrix
from contract_systems import flat_system
from numpy.testing import assert_allclose

import bdg


def test_proximity_length_of_a_flat_exponential():
    system, x = flat_system()
    rng = np.random.default_rng(3)
    amplitude = np.exp(-x / 4.2) * (1 + 0.02 * rng.standard_normal(len(x))) * np.exp(0.3j)
    result = bdg.proximity_length(
        system, amplitude, model="exponential", geometry="flat", window=(2.0, 15.0), bin_width=1.0
    )
    assert result.model == "exponential"
    assert result.geometry == "flat"
    assert result.length == pytest.approx(4.2, rel=0.01)
    assert 0 < result.uncertainty < 0.1
    assert abs(result.length - 4.2) < 5 * result.uncertainty
    assert result.resolved is True
    profile = result.profile
    assert len(profile.distance) == len(profile.amplitude) == len(profile.standard_error) == len(profile.count)
    assert_allclose(np.diff(profile.distance), 1.0, atol=0.3)


def test_proximity_profile_conserves_sites_and_amplitude():
    system, x = flat_system()
    host = system.grain == -1
    amplitude = np.exp(-x / 3.0) * (1 + 0.3 * np.cos(3 * system.positions[:, 1]))
    profile = bdg.proximity_length(system, amplitude, bin_width=0.5).profile
    assert profile.count.sum() == host.sum()
    assert (profile.count * profile.amplitude).sum() == pytest.approx(np.abs(amplitude[host]).sum(), rel=1e-9)
    for plane, (distance, mean, error, count) in enumerate(
        zip(profile.distance, profile.amplitude, profile.standard_error, profile.count, strict=True), start=1
    ):
        here = np.abs(amplitude[np.isclose(x, 0.5 * plane)])
        assert count == 3
        assert distance == pytest.approx(0.5 * plane, abs=0.26)
        assert mean == pytest.approx(here.mean(), rel=1e-9)
        assert error == pytest.approx(here.std(ddof=1) / np.sqrt(3), rel=1e-6)


def test_proximity_length_chooses_model_and_geometry_by_evidence():
    system, x = flat_system(160)
    rng = np.random.default_rng(1)
    noise = 1 + 0.02 * rng.standard_normal(len(x))
    d = np.maximum(x, 0.01)
    exponential = bdg.proximity_length(system, np.exp(-d / 6) * noise, geometry="flat")
    assert exponential.model == "exponential"
    assert exponential.length == pytest.approx(6, rel=0.02)
    power = bdg.proximity_length(system, (1 + d) ** -2.0 * noise, geometry="flat")
    assert power.model.startswith("power")
    stretched = bdg.proximity_length(system, np.exp(-np.sqrt(d / 2)) * noise, geometry="flat")
    assert stretched.model.startswith("stretched")
    forced = bdg.proximity_length(system, np.exp(-np.sqrt(d / 2)) * noise, geometry="flat", model="stretched")
    assert forced.model == "stretched"


def test_proximity_length_around_a_sphere():
    """|F| = exp(-x/xi) R/(R + x): the flat fit is too short, the spherical one right."""
    size, a, R, xi = 36.0, 1.5, 6.0, 4.0
    n = round(size / a)
    positions = (np.stack(np.meshgrid(*[np.arange(n)] * 3, indexing="ij"), axis=-1).reshape(-1, 3) + 0.5) * a
    r = np.linalg.norm(positions - size / 2, axis=1)
    composite = bdg.lattices.grain_composite((size,) * 3, a, volume_fraction=0.1, diameter=8, seed=0)
    assert_allclose(composite.positions, positions)
    system = bdg.lattices.from_hamiltonian(composite.hamiltonian, positions, delta=np.where(r <= R, 0.2, 0))
    x = np.maximum(r - R, 0)
    amplitude = np.exp(-x / xi) * R / (R + x)
    right = bdg.proximity_length(system, amplitude, geometry="spherical", model="exponential", window=(3.0, 12.0))
    flat = bdg.proximity_length(system, amplitude, geometry="flat", model="exponential", window=(3.0, 12.0))
    assert right.geometry == "spherical"
    assert right.length == pytest.approx(xi, rel=0.05)
    assert flat.length < 0.85 * xi
    assert bdg.proximity_length(system, amplitude, model="exponential").geometry == "spherical"


def test_proximity_length_beyond_the_box_or_below_the_spacing_is_not_resolved():
    system, x = flat_system(40)
    host = x[system.grain == -1].max()
    long = bdg.proximity_length(system, np.exp(-x / (0.8 * host)), model="exponential", geometry="flat")
    assert long.resolved is False
    short = bdg.proximity_length(
        system, np.exp(-np.maximum(x, 0) / 0.3), model="exponential", geometry="flat", window=(0.4, 6)
    )
    assert short.resolved is False
    fine = bdg.proximity_length(system, np.exp(-x / (0.2 * host)), model="exponential", geometry="flat")
    assert fine.resolved is True


def test_proximity_distance_is_minimum_image():
    """A ring with one superconducting site: the far end is half a turn away."""
    n = 60
    h = chain_matrix(np.zeros(n), -np.ones(n - 1))
    h[0, -1] = h[-1, 0] = -1
    delta = np.zeros(n)
    delta[0] = 0.1
    system = bdg.lattices.from_hamiltonian(h, np.arange(n)[:, None] * 1.0, delta=delta, period=(n,))
    distance = np.minimum(np.arange(n), n - np.arange(n))
    result = bdg.proximity_length(
        system, np.exp(-distance / 5.0), model="exponential", geometry="flat", bin_width=1.0, window=(2, 25)
    )
    assert result.length == pytest.approx(5.0, rel=1e-3)
    assert result.profile.distance.max() == pytest.approx(30, abs=0.6)
    assert result.profile.count.sum() == 59


def test_theory_beside_the_fit():
    """Clean v/2 pi T, diffusive sqrt(D/2 pi T) with D = v l / d, kinetic between them."""
    T, path, mu = 0.05, 5.0, -1.0
    system = bdg.lattices.grain_composite((12, 12, 12), 1, volume_fraction=0.1, diameter=5, seed=1, mu=mu)
    rng = np.random.default_rng(0)
    sites = np.sort(rng.choice(np.flatnonzero(system.grain == -1), 300, replace=False))
    amplitude = bdg.pair_amplitude(system, T, sites=sites)
    result = bdg.proximity_length(system, amplitude, mean_free_path=path)
    _, _, speed = band_averages(mu, 3)
    assert result.theory["clean"] == pytest.approx(speed / (2 * np.pi * T), rel=0.02)
    D = speed * path / 3
    assert result.theory["diffusive"] == pytest.approx(np.sqrt(D / (2 * np.pi * T)), rel=0.02)
    tau, w = path / speed, np.pi * T
    kappa_l = np.linspace(1e-6, 1 + 2 * w * tau, 2000001)[:-1]
    kinetic = kappa_l[np.argmin(np.abs(np.arctanh(kappa_l / (1 + 2 * w * tau)) - kappa_l)[1000:]) + 1000]
    assert result.theory["kinetic"] == pytest.approx(path / kinetic, rel=0.02)
    assert result.profile.count.sum() == 300
    # temperature given by hand beside a bare array, and no mean free path: clean only
    bare = np.zeros(system.n_sites)
    bare[sites] = np.abs(amplitude.values) + 1e-9
    again = bdg.proximity_length(system, np.maximum(bare, 1e-6), temperature=2 * T)
    assert again.theory["clean"] == pytest.approx(speed / (2 * np.pi * 2 * T), rel=0.02)


def test_proximity_length_of_a_computed_amplitude():
    """Clean S(250)|N(450), T = 0.03: 1/(2 Im k) with -2 cos k = i pi T."""
    T = 0.03
    system = bdg.lattices.stack([bdg.lattices.Layer(250, delta=0.1), bdg.lattices.Layer(450)])
    amplitude = bdg.pair_amplitude(system, T, method="dense")
    exact = 1 / (2 * np.arcsinh(np.pi * T / 2))
    result = bdg.proximity_length(
        system, amplitude, model="exponential", geometry="flat", window=(2 * exact, 8 * exact), bin_width=1.0
    )
    assert result.length == pytest.approx(exact, rel=3e-3)
    assert result.theory["clean"] == pytest.approx(2 / (2 * np.pi * T), rel=3e-3)


def test_proximity_length_bad_input():
    system, x = flat_system(30)
    good = np.exp(-np.maximum(x, 0) / 3)
    with pytest.raises(ValueError, match="amplitude"):
        bdg.proximity_length(system, good[:-1])
    with pytest.raises(ValueError, match="amplitude"):
        bdg.proximity_length(system, np.where(x > 5, np.nan, good))
    with pytest.raises(ValueError, match="model.*exponential"):
        bdg.proximity_length(system, good, model="magic")
    with pytest.raises(ValueError, match="geometry.*spherical"):
        bdg.proximity_length(system, good, geometry="cubic")
    with pytest.raises(ValueError, match="window"):
        bdg.proximity_length(system, good, window=(5, 2))
    with pytest.raises(ValueError, match="bin_width"):
        bdg.proximity_length(system, good, bin_width=-1)
    with pytest.raises(ValueError, match="temperature"):
        bdg.proximity_length(system, good, temperature=-1)
    with pytest.raises(ValueError, match="mean_free_path"):
        bdg.proximity_length(system, good, mean_free_path=-1)
    with pytest.raises(ValueError, match="superconduct|grain"):
        bdg.proximity_length(bdg.lattices.stack([bdg.lattices.Layer(40)], (3,), spacing=0.5), good)
