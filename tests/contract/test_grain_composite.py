"""Composites: grains, statistics and couplings against brute-force geometry."""

import itertools

import numpy as np
import pytest
import scipy.sparse as sp
from algebra import orders_like
from numpy.testing import assert_allclose, assert_array_equal

import bdg


def inside_which(positions, centres, diameters, period=None):
    """Grain of each site by brute force, -1 outside all spheres."""
    shift = positions[:, None, :] - centres[None, :, :]
    if period is not None:
        shift -= np.round(shift / period) * period
    inside = np.sqrt((shift**2).sum(axis=2)) <= diameters / 2
    assert (inside.sum(axis=1) <= 1).all()
    return np.where(inside.any(axis=1), inside.argmax(axis=1), -1)


def nearest(centres, diameters, period=None):
    shift = centres[:, None, :] - centres[None, :, :]
    if period is not None:
        shift -= np.round(shift / period) * period
    distance = np.sqrt((shift**2).sum(axis=2))
    np.fill_diagonal(distance, np.inf)
    gaps = distance - (diameters[:, None] + diameters[None, :]) / 2
    return distance, gaps


def test_periodic_composite_by_brute_force():
    size, spacing = np.array([40.0, 30.0, 20.0]), 2.0
    system = bdg.lattices.grain_composite(
        size,
        spacing,
        volume_fraction=0.15,
        diameter=(6, 9),
        minimum_gap=1.0,
        periodic=True,
        t=1.5,
        mu=-2.0,
        delta=0.25,
        attraction=1.1,
        seed=11,
    )
    shape = (20, 15, 10)
    assert system.n_sites == 3000
    index = system.positions / spacing - 0.5
    assert_allclose(index, np.round(index), atol=1e-9)
    assert_array_equal(index.min(axis=0).round(), 0)
    assert_array_equal(index.max(axis=0).round() + 1, shape)
    assert_allclose(system.period, size)

    centres, diameters = system.info["centres"], system.info["diameters"]
    assert centres.shape == (system.n_grains, 3)
    assert diameters.shape == (system.n_grains,)
    assert ((diameters >= 6) & (diameters <= 9)).all()
    assert np.ptp(diameters) > 1
    where = inside_which(system.positions, centres, diameters, size)
    assert_array_equal(system.grain, where)
    assert_array_equal(system.delta, np.where(where >= 0, 0.25, 0))
    assert_array_equal(system.attraction, np.where(where >= 0, 1.1, 0))
    assert system.info["volume_fraction"] == pytest.approx(np.mean(where >= 0), abs=1e-12)

    reached = (np.pi / 6 * diameters**3).sum() / size.prod()
    assert abs(reached - 0.15) <= np.pi / 6 * 9**3 / size.prod()
    distance, gaps = nearest(centres, diameters, size)
    assert gaps.min() >= 1.0 - 1e-9
    assert_allclose(system.info["centre_distances"], distance.min(axis=1), rtol=1e-10)
    assert_allclose(system.info["surface_gaps"], gaps.min(axis=1), rtol=1e-9)

    order = orders_like(system.positions, list(itertools.product(*[np.arange(n) * spacing for n in shape])))
    h = system.hamiltonian[order][:, order]
    one = [sp.csr_matrix(np.roll(np.eye(n), 1, axis=0) + np.roll(np.eye(n), -1, axis=0)) for n in shape]
    eye = [sp.identity(n) for n in shape]
    grid = (
        sp.kron(sp.kron(one[0], eye[1]), eye[2])
        + sp.kron(sp.kron(eye[0], one[1]), eye[2])
        + sp.kron(sp.kron(eye[0], eye[1]), one[2])
    )
    assert abs(h - (-1.5 * grid + 2.0 * sp.identity(3000))).max() < 1e-12


def test_open_composite_is_cut_out_of_a_larger_packing():
    size, spacing = (30.0, 30.0, 30.0), 1.5
    cut = 0
    for seed in range(3):
        system = bdg.lattices.grain_composite(size, spacing, volume_fraction=0.1, diameter=8, seed=seed)
        centres, diameters = system.info["centres"], system.info["diameters"]
        assert_array_equal(diameters, 8)
        assert_array_equal(system.grain, inside_which(system.positions, centres, diameters))
        assert_array_equal(np.unique(system.grain[system.grain >= 0]), np.arange(system.n_grains))
        assert_array_equal(system.delta, np.where(system.grain >= 0, 0.3, 0))
        assert_allclose(system.hamiltonian.diagonal(), 1.0)  # mu = -1 by default
        assert system.period is None or not any(system.period)
        distance, gaps = nearest(centres, diameters)
        assert gaps.min() >= -1e-9
        assert_allclose(system.info["centre_distances"], distance.min(axis=1), rtol=1e-10)
        assert_allclose(system.info["surface_gaps"], gaps.min(axis=1), rtol=1e-9, atol=1e-9)
        cut += np.sum((centres < 4) | (centres > 26))
    assert cut > 0


def test_composite_seed_gives_the_same_arrays_bit_for_bit():
    options = dict(volume_fraction=0.12, diameter=(4, 7), disorder=0.8, transparency=0.5, delta=0.2)
    make = bdg.lattices.grain_composite
    one, two, three = (make((20, 20, 20), 1.25, seed=seed, **options) for seed in (4, 4, 5))
    for name in ("delta", "grain", "attraction", "positions"):
        assert_array_equal(getattr(one, name), getattr(two, name))
    assert_array_equal(one.hamiltonian.data, two.hamiltonian.data)
    assert_array_equal(one.hamiltonian.indices, two.hamiltonian.indices)
    assert one.n_grains != three.n_grains or np.any(one.grain != three.grain)
    assert one.info["seed"] == 4


def test_composite_disorder_and_transparency():
    tau, W, t, mu = 0.3, 1.6, 2.0, -1.0
    options = dict(volume_fraction=0.12, diameter=7.0, periodic=True, seed=1)
    clean = bdg.lattices.grain_composite((24, 24, 24), 2.0, **options)
    dirty = bdg.lattices.grain_composite((24, 24, 24), 2.0, t=t, mu=mu, disorder=W, transparency=tau, **options)
    assert_array_equal(clean.grain, dirty.grain)
    noise = dirty.hamiltonian.diagonal() - 1.0
    assert np.abs(noise).max() <= W / 2
    assert noise.std() == pytest.approx(W / np.sqrt(12), rel=0.05)
    assert noise[dirty.grain >= 0].std() == pytest.approx(W / np.sqrt(12), rel=0.2)
    bonds = sp.triu(dirty.hamiltonian, 1).tocoo()
    first, second = dirty.grain[bonds.row], dirty.grain[bonds.col]
    assert_allclose(bonds.data[first == second], -t)
    x = bonds.data[(first != second) & ((first == -1) | (second == -1))] / -t
    assert np.ptp(x) < 1e-12
    sine_squared = 1 - (mu / (2 * t)) ** 2
    assert 4 * x[0] ** 2 * sine_squared / ((1 - x[0] ** 2) ** 2 + 4 * x[0] ** 2 * sine_squared) == pytest.approx(tau)


def test_composite_lognormal_diameters_in_two_dimensions():
    size = np.array([400.0, 300.0])
    system = bdg.lattices.grain_composite(
        size, 4.0, volume_fraction=0.2, diameter=9.0, diameter_sigma=0.25, periodic=True, seed=2
    )
    diameters = system.info["diameters"]
    assert len(diameters) > 200
    assert np.log(diameters).std() == pytest.approx(0.25, rel=0.12)
    assert diameters.mean() == pytest.approx(9.0, rel=0.06)
    area = (np.pi / 4 * diameters**2).sum() / size.prod()
    assert abs(area - 0.2) <= np.pi / 4 * diameters.max() ** 2 / size.prod()
    assert system.positions.shape == (7500, 2)
    _, gaps = nearest(system.info["centres"], diameters, size)
    assert gaps.min() >= -1e-9


def test_composite_two_phase_host():
    host = dict(fraction=0.4, correlation_length=6.0, onsite=0.7)
    options = dict(volume_fraction=0.08, diameter=6.0, periodic=True, seed=6, mu=-0.5)
    system = bdg.lattices.grain_composite((40, 40, 20), 2.0, host=host, **options)
    outside = system.grain == -1
    onsite = system.hamiltonian.diagonal()[outside]
    high = np.isclose(onsite, 0.5 + 0.7)
    assert (high | np.isclose(onsite, 0.5)).all()
    assert high.mean() == pytest.approx(0.4, abs=0.05)
    long = bdg.lattices.grain_composite((40, 40, 20), 2.0, host=host | dict(correlation_length=12.0), **options)
    walls = []
    for each in (system, long):
        bonds = sp.triu(each.hamiltonian, 1).tocoo()
        phase = np.isclose(each.hamiltonian.diagonal(), 1.2)
        both = (each.grain[bonds.row] == -1) & (each.grain[bonds.col] == -1)
        walls.append(np.mean((phase[bonds.row] != phase[bonds.col])[both]))
    assert walls[1] < walls[0] < 0.48  # 0.48 = 2 * 0.4 * 0.6 without correlation


def test_composite_layers_hold_all_grains():
    size = np.array([40.0, 40.0, 80.0])
    volume_fraction, fraction = 0.16, 0.5
    system = bdg.lattices.grain_composite(
        size,
        2.0,
        volume_fraction=volume_fraction,
        diameter=6.0,
        periodic=True,
        layers=dict(thickness=20.0, fraction=fraction),
        seed=9,
    )
    diameters = system.info["diameters"]
    reached = (np.pi / 6 * diameters**3).sum() / size.prod()
    assert reached == pytest.approx(volume_fraction * fraction, abs=2 * np.pi / 6 * 6**3 / size.prod())
    empty = []  # along one axis, half of the lattice planes hold no grain site
    for axis in range(3):
        planes = np.round(system.positions[:, axis] / 2.0 - 0.5).astype(int)
        filled = {plane for plane in planes[system.grain >= 0]}
        empty.append(1 - len(filled) / (planes.max() + 1))
    assert max(empty) == pytest.approx(0.5, abs=0.15)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (dict(volume_fraction=0.62), "volume_fraction|reached|0\\."),
        (dict(volume_fraction=-0.1), "volume_fraction"),
        (dict(volume_fraction=1.2), "volume_fraction"),
        (dict(diameter=-3), "diameter"),
        (dict(diameter=(7, 5)), "diameter"),
        (dict(diameter_sigma=-0.1), "diameter_sigma"),
        (dict(minimum_gap=-1), "minimum_gap"),
        (dict(size=(20.0,)), "size"),
        (dict(size=(20.0, -20.0, 20.0)), "size"),
        (dict(spacing=0), "spacing"),
        (dict(transparency=0), "transparency"),
        (dict(disorder=-1), "disorder"),
        (dict(host=dict(fraction=0.5)), "host"),
        (dict(host=dict(fraction=1.5, correlation_length=3, onsite=1)), "fraction"),
        (dict(layers=dict(thickness=5.0)), "layers"),
        (dict(layers=dict(thickness=5.0, fraction=0.5, colour=1)), "colour"),
    ],
)
def test_composite_bad_input(change, words):
    arguments = dict(size=(20.0, 20.0, 20.0), spacing=2.0, volume_fraction=0.1, diameter=6.0, seed=0) | change
    with pytest.raises(ValueError, match=words):
        bdg.lattices.grain_composite(arguments.pop("size"), arguments.pop("spacing"), **arguments)


def test_impossible_packing_says_what_was_reached():
    with pytest.raises(ValueError, match=r"reached.*(0\.[34]|[34]\d)"):
        bdg.lattices.grain_composite((30, 30, 30), 3, volume_fraction=0.6, diameter=6, periodic=True, seed=0)
