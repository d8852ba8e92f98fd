"""Granular composites: every entry against brute force or a kwant builder of the same system."""

import itertools

import kwant
import numpy as np
import pytest

from bdg.lattices.builders.composites import grain_composite
from bdg.lattices.builders.interface import hopping_scale
from bdg.lattices.loading import load
from bdg.lattices.packing.pack_spheres import pack_spheres

SMALL = {"volume_fraction": 0.15, "diameter": (7.0, 11.0), "minimum_gap": 0.5, "seed": 3}


def grains_by_brute_force(system):
    """The grain of each site, from ``info`` alone: every site against every sphere and all its images."""
    info = system.info
    shifts = itertools.product(*[(-1, 0, 1)] * len(info["box"])) if info["periodic"] else [(0,) * len(info["box"])]
    apart = system.positions[:, None] - info["centres"]
    distance = np.min([np.linalg.norm(apart + np.array(s) * info["box"], axis=-1) for s in shifts], axis=0)
    inside = distance <= info["diameters"] / 2
    assert inside.sum(axis=1).max() <= 1
    return np.where(inside.any(axis=1), inside.argmax(axis=1), -1)


def kwant_matrix(system, onsite, t, scale):
    """The same grid from a kwant builder that knows only the grains: weaker bonds between grain and host."""
    info = system.info
    shape, dim = info["shape"], len(info["shape"])
    lattice = kwant.lattice.general(np.eye(dim) * info["spacing"], norbs=1)
    number = {tag: index for index, tag in enumerate(itertools.product(*map(range, shape)))}
    builder = kwant.Builder()
    for tag, index in number.items():
        builder[lattice(*tag)] = onsite[index]
    for tag, index in number.items():
        for axis in range(dim):
            end = list(tag)
            end[axis] += 1
            if end[axis] == shape[axis]:
                if not info["periodic"]:
                    continue
                end[axis] = 0
            mixed = (system.grain[index] >= 0) != (system.grain[number[tuple(end)]] >= 0)
            builder[lattice(*end), lattice(*tag)] = -t * scale if mixed else -t
    finalized = builder.finalized()
    assert [tuple(site.tag) for site in finalized.sites] == list(number)
    return finalized.hamiltonian_submatrix(sparse=True).tocsr()


@pytest.mark.parametrize("periodic", [True, False])
@pytest.mark.parametrize("size", [(26.0, 20.0), (16.0, 20.0, 24.0)])
def test_every_entry_equals_a_kwant_builder(size, periodic):
    t, mu, tau, width = 1.3, 0.4, 0.35, 0.8
    arguments = SMALL | {"volume_fraction": 0.3} if len(size) == 2 else SMALL
    host = {"fraction": 0.4, "correlation_length": 5.0, "onsite": 1.7}
    system = grain_composite(
        size, 2.0, periodic=periodic, t=t, mu=mu, transparency=tau, disorder=width, host=host, **arguments
    )
    assert system.info["shape"] == [round(length / 2) for length in size]
    np.testing.assert_allclose(system.positions[[0, 1]], [[1.0] * len(size), [*[1.0] * (len(size) - 1), 3.0]])
    np.testing.assert_array_equal(system.grain, grains_by_brute_force(system))
    assert set(np.unique(system.grain)) == {-1, *range(len(system.info["centres"]))}
    assert system.n_grains == len(system.info["diameters"]) >= 2

    clean = grain_composite(size, 2.0, periodic=periodic, t=t, mu=mu, transparency=tau, host=host, **arguments)
    noise = system.hamiltonian.diagonal() - clean.hamiltonian.diagonal()
    assert abs(noise).max() <= width / 2 and np.unique(noise.round(12)).size > 0.9 * noise.size
    phase = system.info["host_phase"]
    np.testing.assert_array_equal(phase == -1, system.grain >= 0)
    onsite = -mu + noise + 1.7 * (phase == 1)
    expected = kwant_matrix(system, onsite, t, hopping_scale(tau, mu, t))
    difference = abs(system.hamiltonian - expected)
    assert system.hamiltonian.dtype == float
    assert difference.max() < 1e-14  # the onsite sum is rounded in another order

    period = tuple(float(length) for length in size) if periodic else (None,) * len(size)
    assert system.period == period
    np.testing.assert_array_equal(system.delta, np.where(system.grain >= 0, 0.3, 0.0))
    assert not system.attraction.any()


def test_only_bonds_between_grain_and_host_are_weakened():
    scale = hopping_scale(0.2, -1, 1)
    system = grain_composite((30, 30, 30), 1.5, transparency=0.2, **SMALL)
    bonds = system.hamiltonian.tocoo()
    bonds = [(i, j, value) for i, j, value in zip(bonds.row, bonds.col, bonds.data, strict=True) if i != j]
    kinds = {False: set(), True: set()}
    for i, j, value in bonds:
        kinds[(system.grain[i] < 0) != (system.grain[j] < 0)].add(value)
    assert kinds == {False: {-1.0}, True: {-scale}}
    interface = system.info["interface"]
    assert (interface["transparency"], interface["hopping_scale"]) == (0.2, scale)
    assert interface["k"] == pytest.approx(np.pi / 3)


def test_touching_grains_stay_two_grains_and_their_bonds_are_counted():
    """At 30 % without a gap some spheres are closer than the spacing: numbered by sphere, not by connection."""
    arguments = dict(volume_fraction=0.3, diameter=8, periodic=True, seed=1, transparency=0.5)
    system = grain_composite((40, 40, 40), 2, **arguments)
    assert system.n_grains == len(system.info["centres"]) == round(0.3 * 40**3 / (np.pi / 6 * 8**3))
    assert (system.info["surface_gaps"] < 2).any()
    bonds = system.hamiltonian.tocoo()
    g, other = system.grain[bonds.row], system.grain[bonds.col]
    direct = (g >= 0) & (other >= 0) & (g != other)
    assert system.info["grain_grain_bonds"] == direct.sum() / 2 > 0
    assert (bonds.data[direct] == -1).all()
    apart = grain_composite((40, 40, 40), 2, **(arguments | {"minimum_gap": 2, "volume_fraction": 0.1}))
    assert apart.info["grain_grain_bonds"] == 0 and apart.info["surface_gaps"].min() >= 2


@pytest.mark.parametrize(("periodic", "size"), [(True, (60, 60, 60)), (False, (60, 60, 60)), (True, (300, 200))])
def test_the_site_fraction_agrees_with_the_spheres(periodic, size):
    system = grain_composite(size, 1.5, volume_fraction=0.12, diameter=15, periodic=periodic, seed=2)
    info = system.info
    assert info["volume_fraction"] == (system.grain >= 0).mean()
    # A sphere of 10 spacings has about 520 sites, its surface rounds to some +- 10 of them; half as many in a disc.
    assert info["volume_fraction"] == pytest.approx(info["sphere_fraction"], rel=0.03)
    grain = np.pi / 6 * 15**3 if len(size) == 3 else np.pi / 4 * 15**2
    assert abs(info["sphere_fraction"] - 0.12) * np.prod(size) <= grain
    assert info["requested_volume_fraction"] == 0.12
    assert info["packing_fraction"] == pytest.approx(0.12, rel=0.04)  # 16 grains or more


def test_centres_distances_and_gaps_are_those_of_the_grains():
    system = grain_composite((40, 44, 36), 2, periodic=True, **SMALL)
    info = system.info
    apart = info["centres"][:, None] - info["centres"]
    apart -= np.array(info["box"]) * np.round(apart / info["box"])
    distance = np.linalg.norm(apart, axis=-1)
    np.fill_diagonal(distance, np.inf)
    np.testing.assert_allclose(info["centre_distances"], distance.min(axis=1), rtol=0, atol=1e-10)
    gaps = distance - (info["diameters"][:, None] + info["diameters"]) / 2
    np.testing.assert_allclose(info["surface_gaps"], gaps.min(axis=1), rtol=0, atol=1e-10)
    assert info["surface_gaps"].min() >= 0.5
    packing = pack_spheres((40, 44, 36), periodic=True, **SMALL)  # the same grains without a lattice
    np.testing.assert_array_equal(packing.centres, info["centres"])
    np.testing.assert_array_equal(packing.diameters, info["diameters"])


def test_spheres_without_a_site_are_left_out_everywhere():
    """D = 1.05 spacings: many spheres fall between the sites."""
    system = grain_composite((30, 30, 30), 2, volume_fraction=0.02, diameter=2.1, periodic=True, seed=0)
    info = system.info
    spheres = round(0.02 * 30**3 / (np.pi / 6 * 2.1**3))
    assert 0 < info["spheres_without_site"] < spheres
    assert (
        system.n_grains == len(info["centres"]) == len(info["surface_gaps"]) == spheres - info["spheres_without_site"]
    )
    np.testing.assert_array_equal(system.grain, grains_by_brute_force(system))


def test_the_box_is_a_whole_number_of_spacings():
    system = grain_composite((50, 31), 2.4, volume_fraction=0.2, diameter=8, periodic=True, seed=0)
    assert system.info["shape"] == [21, 13] and system.info["size"] == [50, 31]
    np.testing.assert_allclose(system.info["box"], [50.4, 31.2])
    assert system.period == tuple(system.info["box"])
    bonds = system.hamiltonian.tocoo()
    steps = system.displacement(bonds.col, bonds.row)[bonds.row != bonds.col]
    np.testing.assert_allclose(np.linalg.norm(steps, axis=1), 2.4, rtol=1e-12)  # the bonds that wrap too


@pytest.mark.parametrize("delta", [0.2, 0.2 + 0.1j])
def test_pairing_and_attraction_live_in_the_grains(delta, tmp_path):
    system = grain_composite((24, 24), 2, delta=delta, attraction=1.4, periodic=True, **SMALL)
    inside = system.grain >= 0
    assert inside.any() and not inside.all()
    assert (system.delta[inside] == delta).all() and not system.delta[~inside].any()
    assert (system.attraction[inside] == 1.4).all() and not system.attraction[~inside].any()
    assert system.info["delta"] == delta and system.info["attraction"] == 1.4
    system.save(tmp_path / "system.h5")
    again = load(tmp_path / "system.h5")
    assert again.info.keys() == system.info.keys()
    for name, value in system.info.items():
        np.testing.assert_array_equal(again.info[name], value)


def test_a_composite_may_hold_no_pairing_yet():
    system = grain_composite((24, 24), 2, delta=0, **SMALL)
    assert system.n_grains > 0 and not system.delta.any()


def test_the_same_arguments_and_seed_give_the_same_arrays_bit_for_bit():
    arguments = dict(
        volume_fraction=0.1,
        diameter=9,
        diameter_sigma=0.2,
        disorder=0.5,
        host=dict(fraction=0.5, correlation_length=4, onsite=1),
    )
    one, same, other = (grain_composite((30, 30, 30), 2, seed=seed, **arguments) for seed in (1, 1, 2))
    for name in ("grain", "delta"):
        assert getattr(one, name).tobytes() == getattr(same, name).tobytes()
        assert getattr(one, name).tobytes() != getattr(other, name).tobytes()
    assert one.hamiltonian.data.tobytes() == same.hamiltonian.data.tobytes()
    assert one.info["host_phase"].tobytes() == same.info["host_phase"].tobytes()
    drawn = grain_composite((30, 30, 30), 2, **arguments)
    again = grain_composite((30, 30, 30), 2, seed=drawn.info["seed"], **arguments)
    assert drawn.hamiltonian.data.tobytes() == again.hamiltonian.data.tobytes()
    weaker = grain_composite((30, 30, 30), 2, seed=1, transparency=0.1, **(arguments | {"disorder": 1.0}))
    np.testing.assert_array_equal(weaker.grain, one.grain)  # the grains do not notice


def test_disorder_has_the_variance_of_a_box_on_every_site():
    system = grain_composite((40, 40, 40), 1, disorder=3.0, mu=-0.5, periodic=True, **SMALL)
    energies = system.hamiltonian.diagonal() - 0.5
    assert abs(energies).max() <= 1.5
    for part in (energies, energies[system.grain >= 0]):
        assert part.var() == pytest.approx(9 / 12, rel=4 * np.sqrt(0.8 / part.size))  # four standard errors
        assert abs(part.mean()) < 4 * np.sqrt(9 / 12 / part.size)


def test_two_phases_share_the_host_and_have_the_correlation_length():
    """fraction of the host's sites; C(r) of a half-half cut of a Gaussian field is (2/pi) arcsin exp(-r^2/2l^2)."""
    length, spacing = 6.0, 1.5
    host = {"fraction": 0.5, "correlation_length": length, "onsite": 2.5}
    sums, count = np.zeros(9), 0
    for seed in range(6):
        system = grain_composite(
            (96, 96, 96), spacing, volume_fraction=0.02, diameter=10, periodic=True, host=host, seed=seed
        )
        phase = system.info["host_phase"]
        outside = system.grain < 0
        assert (phase == 1).sum() == round(0.5 * outside.sum()) and (phase[~outside] == -1).all()
        np.testing.assert_array_equal(system.hamiltonian.diagonal() - 1, np.where(phase == 1, 2.5, 0.0))
        sign = np.where(phase == 1, 1.0, -1.0) * outside
        grid, hosts = sign.reshape(64, 64, 64), outside.reshape(64, 64, 64)
        for axis in range(3):
            for step in range(9):
                both = (hosts & np.roll(hosts, step, axis)).sum()
                sums[step] += (grid * np.roll(grid, step, axis)).sum() / both
            count += 1
    distance = spacing * np.arange(9)
    expected = 2 / np.pi * np.arcsin(np.exp(-(distance**2) / (2 * length**2)))
    # About (96/(sqrt(2 pi) 6))^3 = 260 independent regions a sample, six samples: an error of 0.025 or less.
    np.testing.assert_allclose(sums / count, expected, rtol=0, atol=0.05)
    measured = np.interp(-1 / 3, -sums / count, distance)  # there C = 1/3, exp(-r^2/2l^2) = 1/2
    assert measured / np.sqrt(2 * np.log(2)) == pytest.approx(length, rel=0.08)
    assert system.info["host"] == host


@pytest.mark.parametrize(("periodic", "size"), [(True, (60, 60, 100)), (False, (60, 60, 100)), (False, (200, 100))])
def test_grains_lie_only_and_wholly_in_the_rich_layers(periodic, size):
    layers = {"thickness": 30.0, "fraction": 0.6}
    system = grain_composite(size, 2, volume_fraction=0.15, diameter=(9, 12), periodic=periodic, layers=layers, seed=5)
    info = system.info
    last, radius = info["centres"][:, -1] % 50, info["diameters"] / 2
    assert (last - radius >= -1e-9).all() and (last + radius <= 30 + 1e-9).all()
    rich = system.positions[:, -1] % 50 < 30
    np.testing.assert_array_equal(info["rich_layer"], rich)
    assert not (system.grain[~rich] >= 0).any()
    assert info["layer_volume_fraction"] == (system.grain[rich] >= 0).mean()
    assert info["layer_volume_fraction"] == pytest.approx(info["sphere_fraction"], rel=0.05)  # grid of 5 a diameter
    grain = np.pi / 6 * 12**3 if len(size) == 3 else np.pi / 4 * 12**2
    assert abs(info["sphere_fraction"] - 0.15) * np.prod(size) * 0.6 <= grain
    assert info["volume_fraction"] == pytest.approx(0.6 * info["layer_volume_fraction"], rel=1e-12)
    assert info["layers"] == layers and {int(z // 50) for z in info["centres"][:, -1]} == {0, 1}


def test_layers_alone_change_no_energy_and_may_have_phases_of_their_own():
    arguments = dict(volume_fraction=0.1, diameter=8, layers={"thickness": 20, "fraction": 0.5}, seed=0)
    plain = grain_composite((40, 40, 80), 2, **arguments)
    assert set(plain.hamiltonian.diagonal()) == {1.0}
    for fraction, in_rich, elsewhere in (((0.75, 0.2), 0.75, 0.2), (0.4, None, None), ((1, 0), 1.0, 0.0)):
        host = {"fraction": fraction, "correlation_length": 5, "onsite": 2}
        info = (system := grain_composite((40, 40, 80), 2, host=host, **arguments)).info
        np.testing.assert_array_equal(system.grain, plain.grain)
        outside, rich = system.grain < 0, info["rich_layer"] == 1
        phase = info["host_phase"] == 1
        if in_rich is None:
            assert phase[outside].mean() == pytest.approx(fraction, abs=1 / outside.sum())
            assert info["host"]["fraction"] == fraction
        else:
            assert phase[outside & rich].mean() == pytest.approx(in_rich, abs=1 / outside.sum() * 4)
            assert phase[~rich].mean() == pytest.approx(elsewhere, abs=1 / outside.sum() * 4)
            assert info["host"]["fraction"] == list(fraction)


def test_a_very_transparent_interface_leaves_every_bond_alone():
    system = grain_composite((24, 24, 24), 2, t=0.7, **SMALL)
    off_diagonal = system.hamiltonian.data[system.hamiltonian.data < 0]
    assert set(off_diagonal) == {-0.7}


HOST, LAYERS = {"fraction": 0.5, "correlation_length": 5, "onsite": 1}, {"thickness": 25, "fraction": 0.5}


@pytest.mark.parametrize(
    ("changes", "error", "text"),
    [
        ({"size": (50,)}, ValueError, "size must be 2 or 3 box lengths"),
        ({"size": (50, 50, 0.4)}, ValueError, "size must hold at least 1 site an axis at spacing = 2"),
        ({"size": (50, 50, 2), "periodic": True}, ValueError, "at least 2 sites an axis .* in a periodic box"),
        ({"spacing": 0}, ValueError, "spacing must be positive"),
        ({"spacing": 12}, ValueError, "spacing = 12 is larger than the smallest diameter 10"),
        ({"spacing": 5, "diameter": (4, 10)}, ValueError, "spacing = 5 is larger than the smallest diameter 4"),
        ({"volume_fraction": -0.1}, ValueError, "volume_fraction must be positive"),
        ({"volume_fraction": 0.45}, ValueError, r"0.45 could not be packed .* reached 0\.3"),
        ({"diameter": 80, "periodic": True}, ValueError, "must not exceed the shortest length 50"),
        ({"diameter": (12, 10)}, ValueError, "ascending order"),
        ({"diameter": (8, 12), "diameter_sigma": 0.1}, ValueError, "needs one mean diameter"),
        ({"minimum_gap": -1}, ValueError, "minimum_gap must be finite and >= 0"),
        ({"periodic": 1}, TypeError, "periodic must be True or False"),
        ({"t": 0}, ValueError, "t must be positive"),
        ({"mu": 1j}, TypeError, "mu must be a real number"),
        ({"mu": np.nan}, ValueError, "mu must be finite"),
        ({"delta": [0.1, 0.2]}, TypeError, "delta must be a number.*System.with_delta"),
        ({"delta": np.inf}, ValueError, "delta must be finite"),
        ({"attraction": -1}, ValueError, "attraction must be finite and >= 0"),
        ({"disorder": -0.5}, ValueError, "disorder must be finite and >= 0"),
        ({"transparency": 0}, ValueError, r"transparency must lie in \(0, 1\]"),
        ({"transparency": 1.5}, ValueError, r"transparency must lie in \(0, 1\]"),
        ({"seed": "a"}, TypeError, "seed must be a whole number >= 0"),
        ({"host": 0.5}, TypeError, "host must be host=dict"),
        ({"host": {"fraction": 0.5, "correlation": 5, "onsite": 1}}, ValueError, "did you mean 'correlation_length'"),
        ({"host": {"fraction": 0.5, "onsite": 1}}, ValueError, "host lacks the key 'correlation_length'"),
        ({"host": HOST | {"fraction": 1.5}}, ValueError, r"host\['fraction'\] must lie between 0 and 1"),
        (
            {"host": HOST | {"fraction": (0.5, 0.5)}},
            ValueError,
            r"host\['fraction'\] must be one number .* with layers",
        ),
        ({"host": HOST | {"correlation_length": 0}}, ValueError, r"host\['correlation_length'\] must be positive"),
        ({"host": HOST | {"onsite": 1j}}, TypeError, r"host\['onsite'\] must be a real number"),
        ({"layers": {"thicknes": 20, "fraction": 0.5}}, ValueError, "did you mean 'thickness'"),
        ({"layers": LAYERS | {"fraction": 1}}, ValueError, r"layers\['fraction'\] must lie between 0 and 1"),
        ({"layers": LAYERS | {"thickness": -1}}, ValueError, r"layers\['thickness'\] must be positive"),
        ({"layers": LAYERS | {"thickness": 8}}, ValueError, "diameter = 10 does not fit into layers of thickness 8"),
        ({"layers": LAYERS | {"thickness": 20}, "periodic": True}, ValueError, "A thickness of 25 fits"),
    ],
)
def test_bad_arguments_are_refused(changes, error, text):
    arguments = {"size": (50, 50, 50), "spacing": 2, "volume_fraction": 0.1, "diameter": 10, "seed": 0} | changes
    with pytest.raises(error, match=text):
        grain_composite(arguments.pop("size"), arguments.pop("spacing"), **arguments)


def test_a_box_without_a_site_in_a_grain_is_refused():
    with pytest.raises(ValueError, match="no site lies inside one of the 1 spheres: spacing = 10"):
        for seed in range(50):
            grain_composite((40, 40, 40), 10, volume_fraction=1e-4, diameter=10, periodic=True, seed=seed)


@pytest.mark.slow
def test_two_million_sites():
    """128^3 sites; 2.5 s and 1.0 GiB on one core; neither is asserted."""
    system = grain_composite((128,) * 3, 1, volume_fraction=0.08, diameter=20, periodic=True, disorder=1, seed=1)
    assert system.n_sites == 128**3 and system.hamiltonian.nnz == 7 * 128**3
    assert system.info["volume_fraction"] == pytest.approx(0.08, rel=0.01)
