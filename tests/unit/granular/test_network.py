"""Networks: relaxed stiffness against dense algebra and closed forms, percolation, neighbours of packings."""

import itertools
from dataclasses import dataclass

import numpy as np
import pytest

import bdg
from bdg.granular import Network, bond_graph, effective_conductivity
from bdg.granular.bond_graph import colours
from bdg.lattices.packing.pack_spheres import Packing, pack_spheres
from bdg.lattices.storage import write_file


def random_network(seed, n_sites=12, n_bonds=40, breadth=2.0):
    """Sites at random places of a periodic cube, bonded at random to some image of each other."""
    rng = np.random.default_rng(seed)
    places, pairs = rng.random((n_sites, 3)) * 5, rng.integers(0, n_sites, (n_bonds, 2))
    steps = places[pairs[:, 1]] - places[pairs[:, 0]] + 5 * rng.integers(-1, 2, (n_bonds, 3))
    return Network(pairs, np.exp(breadth * rng.standard_normal(n_bonds)), steps, n_sites=n_sites, volume=125.0)


def dense_stiffness(network):
    """Least squares in the phases, all of them free."""
    difference = np.zeros((len(network.pairs), network.n_sites))
    np.add.at(difference, (np.arange(len(network.pairs)), network.pairs[:, 1]), 1)
    np.add.at(difference, (np.arange(len(network.pairs)), network.pairs[:, 0]), -1)
    root = np.sqrt(network.couplings)[:, None]
    phases = np.linalg.lstsq(root * difference, root * network.displacements, rcond=None)[0]
    return ((root * (network.displacements - difference @ phases)) ** 2).sum(axis=0) / network.volume


@pytest.mark.parametrize("seed", range(4))
def test_relaxed_stiffness_is_the_dense_least_squares(seed):
    network = random_network(seed)
    np.testing.assert_allclose(network.relaxed_stiffness(), dense_stiffness(network), rtol=1e-10, atol=1e-13)


@pytest.mark.parametrize("length", [1, 2, 3, 6])
def test_the_cubic_lattice_has_its_coupling(length):
    network = Network.cubic(length, 0.7)
    assert network.n_sites == network.volume == length**3
    np.testing.assert_allclose(network.relaxed_stiffness(), 0.7, rtol=1e-12)
    assert effective_conductivity(network, "z") == pytest.approx(0.7, rel=1e-12)
    assert network.percolates.all()


@pytest.mark.parametrize("weak", [1e-3, 1e-9, 1e-30])
def test_weak_couplings_between_strong_ones_decide(weak):
    """A ring of strongly coupled pairs: two bonds of 1 and two weak ones in series."""
    pairs, steps = [[0, 1], [1, 2], [2, 3], [3, 0]], [[1.0, 0, 0]] * 4
    network = Network(pairs, [1, weak, 1, weak], steps, n_sites=4, volume=4.0)
    expected = 4 / (2 + 2 / weak)
    np.testing.assert_allclose(network.relaxed_stiffness(), [expected, 0, 0], rtol=1e-12)


def test_sites_and_gauge_do_not_matter():
    """Moving sites, turning bonds, renumbering: the displacements around loops stay."""
    network, rng = random_network(3), np.random.default_rng(0)
    moved, order = rng.standard_normal((12, 3)), rng.permutation(12)
    first, second = network.pairs.T
    steps = network.displacements + moved[second] - moved[first]
    turned = Network(order[network.pairs[:, ::-1]], network.couplings, -steps, n_sites=12, volume=125.0)
    np.testing.assert_allclose(turned.relaxed_stiffness(), network.relaxed_stiffness(), rtol=1e-10)
    alone = Network(network.pairs + 3, network.couplings, network.displacements, n_sites=17, volume=125.0)
    np.testing.assert_allclose(alone.relaxed_stiffness(), network.relaxed_stiffness(), rtol=1e-10)


def test_chains_add_in_series_and_side_by_side():
    """A ring of three bonds along x: L/(sum of 1/J) each; two rings add."""
    couplings, pairs = np.array([1.0, 2.0, 5.0]), np.array([[0, 1], [1, 2], [2, 0]])
    steps = np.array([[1.0, 0, 0]] * 3)
    ring = Network(pairs, couplings, steps, n_sites=3, volume=3.0)
    series = 3 / (1 / couplings).sum()
    np.testing.assert_allclose(ring.relaxed_stiffness(), [series, 0, 0], rtol=1e-12)
    assert ring.percolates.tolist() == [True, False, False]
    two = Network(
        np.concatenate([pairs, pairs + 3]), np.tile(couplings, 2), np.tile(steps, (2, 1)), n_sites=6, volume=3.0
    )
    np.testing.assert_allclose(two.relaxed_stiffness(), [2 * series, 0, 0], rtol=1e-12)


def test_what_does_not_percolate_has_no_stiffness_at_all():
    cubic = Network.cubic(4)
    inside = cubic.displacements.sum(axis=1) > 0
    for axis in range(3):  # bonds through the boundary
        edge = np.take(np.arange(64).reshape(4, 4, 4), 3, axis=axis).ravel()
        inside &= ~(np.isin(cubic.pairs[:, 0], edge) & (cubic.displacements[:, axis] == 1))
    open_box = Network(cubic.pairs, np.where(inside, 0.3, 0.0), cubic.displacements, n_sites=64, volume=64.0)
    assert open_box.relaxed_stiffness().tolist() == [0, 0, 0]
    assert not open_box.percolates.any()
    assert Network([], [], [], n_sites=4, volume=1.0).relaxed_stiffness().tolist() == [0, 0, 0]


@pytest.mark.parametrize("seed", range(3))
def test_means_bound_the_stiffness_of_an_irregular_lattice(seed):
    """Harmonic mean <= stiffness <= arithmetic mean, on the cubic lattice with couplings at random."""
    cubic, rng = Network.cubic(5), np.random.default_rng(seed)
    couplings = np.exp(rng.standard_normal(len(cubic.pairs)))
    network = Network(cubic.pairs, couplings, cubic.displacements, n_sites=125, volume=125.0)
    by_axis = couplings.reshape(3, -1)
    stiffness = network.relaxed_stiffness()
    assert (stiffness < by_axis.mean(axis=1)).all()
    assert (stiffness > 1 / (1 / by_axis).mean(axis=1)).all()


@pytest.mark.slow
def test_the_percolation_threshold_of_the_cubic_lattice():
    """Bonds: .2488 (C. D. Lorenz, R. M. Ziff, Phys. Rev. E 57, 230 (1998)); 26 percent of samples span there."""
    length, found = 32, []
    cubic = Network.cubic(length)
    for seed in range(10):
        draws = np.random.default_rng(seed).random(len(cubic.pairs))
        low, high = 0.15, 0.4
        while high - low > 2e-4:
            middle = (low + high) / 2
            part = draws < middle
            kept = Network(
                cubic.pairs[part], np.ones(part.sum()), cubic.displacements[part], n_sites=length**3, volume=length**3
            )
            low, high = (low, middle) if kept.percolates[0] else (middle, high)
        found.append(low)
    assert np.mean(found) == pytest.approx(0.2488, abs=0.005)


@pytest.mark.parametrize("length", [2, 3, 4, 5])
def test_neighbours_have_different_colours(length):
    network = Network.cubic(length)
    colour = colours(network.pairs, network.n_sites)
    first, second = network.pairs.T
    assert (colour[first] != colour[second]).all()
    if length % 2 == 0:
        assert colour.max() == 1  # two sublattices
    scattered = random_network(1, 50, 200)
    colour = colours(scattered.pairs, 60)
    first, second = scattered.pairs[scattered.pairs[:, 0] != scattered.pairs[:, 1]].T
    assert (colour[first] != colour[second]).all()
    assert (colour >= 0).all()


@dataclass
class Table:
    """Couplings that decay with the gap and fall with temperature."""

    spread: float = 0.0
    length_nm: float = 5.0

    def coupling(self, gap_nm, temperature_K, *, transparency=1.0):
        energy = transparency * np.exp(-gap_nm / self.length_nm) / temperature_K
        return bdg.Evidence(energy_K=energy, spread=np.full(np.shape(gap_nm), self.spread))


def test_neighbours_of_a_packing_are_all_images_within_the_gap():
    packing = pack_spheres((60.0, 50.0, 40.0), volume_fraction=0.1, diameter=(12, 18), seed=3)
    cutoff = 38.0
    network = Network.from_packing(packing, Table(), 2.0, cutoff, seed=1)
    expected = []
    for i, j in itertools.combinations_with_replacement(range(len(packing.centres)), 2):
        for shift in itertools.product(range(-2, 3), repeat=3):
            if i == j and shift <= (0, 0, 0):
                continue
            step = packing.centres[j] + np.array(shift) * packing.size - packing.centres[i]
            gap = np.linalg.norm(step) - (packing.diameters[i] + packing.diameters[j]) / 2
            if gap <= cutoff:
                expected.append((i, j, *step, np.exp(-gap / 5.0) / 2))
    found = np.column_stack([network.pairs, network.displacements, network.couplings])
    # a site and its own image: either direction
    own = found[:, 0] == found[:, 1]
    assert len(found) == len(expected)
    np.testing.assert_allclose(np.sort(found[:, 5]), np.sort([row[5] for row in expected]), rtol=1e-12)
    others = np.array([row for row in expected if row[0] != row[1]])
    order = np.lexsort(others[:, [4, 3, 2, 1, 0]].T)
    mine = found[~own]
    np.testing.assert_allclose(mine[np.lexsort(mine[:, [4, 3, 2, 1, 0]].T)], others[order], rtol=1e-9, atol=1e-9)
    assert network.volume == pytest.approx(60 * 50 * 40)
    assert network.n_sites == len(packing.centres)


def test_bonds_are_drawn_with_the_mean_and_spread_of_the_table():
    packing = pack_spheres((300.0,) * 3, volume_fraction=0.06, diameter=20, seed=0)
    even = Network.from_packing(packing, Table(), 4.0, 40.0, seed=5)
    drawn = Network.from_packing(packing, Table(spread=0.3), 4.0, 40.0, seed=5)
    ratio = drawn.couplings / even.couplings
    assert np.log(ratio).std() == pytest.approx(0.3, rel=0.05)
    assert ratio.mean() == pytest.approx(1, abs=4 * 0.3 / np.sqrt(ratio.size))
    again = Network.from_packing(packing, Table(spread=0.3), 8.0, 40.0, seed=5, transparency=0.5)
    np.testing.assert_allclose(again.couplings, drawn.couplings / 4, rtol=1e-12)  # the same draws
    unnamed = Network.from_packing(packing, Table(spread=0.3), 4.0, 40.0)
    repeated = Network.from_packing(packing, Table(spread=0.3), 4.0, 40.0, seed=unnamed.seed)
    assert np.array_equal(unnamed.couplings, repeated.couplings)
    assert not np.array_equal(unnamed.couplings, drawn.couplings)


def test_a_shell_brings_grains_closer():
    """The table decays as exp(-g/5): a shell of 1.5 nm multiplies by exp(3/5), and shells that meet leave no gap."""
    packing = pack_spheres((120.0,) * 3, volume_fraction=0.1, diameter=20, seed=2)
    bare, shelled = (
        Network.from_packing(packing, Table(spread=0.2), 4.0, 30.0, seed=1, shell_nm=shell) for shell in (0.0, 1.5)
    )
    assert np.array_equal(bare.pairs, shelled.pairs)  # the same bonds, the same draws
    gaps = np.linalg.norm(bare.displacements, axis=1) - 20
    assert (gaps < 3).any() and (gaps > 3).any()
    factor = np.exp(np.minimum(gaps, 3.0) / 5)
    np.testing.assert_allclose(shelled.couplings / bare.couplings, factor, rtol=1e-9)
    plain = Network.from_packing(packing, Table(spread=0.2), 4.0, 30.0, seed=1)
    assert np.array_equal(plain.couplings, bare.couplings)
    with pytest.raises(ValueError, match=r"shell_nm must be finite and >= 0 \(nm\); got -1"):
        Network.from_packing(packing, Table(), 4.0, 30.0, shell_nm=-1)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"pairs": [[0, 4]]}, "pairs must name sites from 0 to 3; got 4"),
        ({"pairs": [[0, -1]]}, "pairs must name sites >= 0; got -1"),
        ({"pairs": [[0.0, 1.0]]}, "pairs must be whole numbers in shape"),
        ({"pairs": [0, 1]}, "pairs must be whole numbers in shape"),
        ({"couplings": [-1.0]}, "couplings must be >= 0; got -1.0 for bond 0"),
        ({"couplings": [np.nan]}, "couplings must be >= 0; got nan for bond 0"),
        ({"couplings": [np.inf]}, "couplings must be finite; got infinity for bond 0"),
        ({"couplings": [1.0, 2.0]}, "couplings must be one number for each of the 1 pairs"),
        ({"displacements": [[1, 0, np.nan]]}, "displacements must be finite"),
        ({"displacements": [1, 0, 0]}, "displacements must be real, from the first site"),
        ({"n_sites": 0}, "n_sites must be a whole number >= 1; got 0"),
        ({"n_sites": True}, "n_sites must be a whole number >= 1; got True"),
        ({"volume": 0.0}, "volume must be positive"),
    ],
)
def test_a_wrong_network_is_refused(change, message):
    right = {"pairs": [[0, 1]], "couplings": [1.0], "displacements": [[1.0, 0, 0]], "n_sites": 4, "volume": 1.0}
    given = {**right, **change}
    with pytest.raises((TypeError, ValueError), match=message):
        Network(given.pop("pairs"), given.pop("couplings"), given.pop("displacements"), **given)


def test_a_wrong_packing_is_refused():
    with pytest.raises(TypeError, match=r"packing must be a Packing .*; got ndarray"):
        Network.from_packing(np.zeros((3, 3)), Table(), 4.0, 40.0)
    box = pack_spheres((60.0,) * 3, volume_fraction=0.1, diameter=15, seed=3, periodic=False)
    with pytest.raises(ValueError, match="packing must be periodic"):
        Network.from_packing(box, Table(), 4.0, 40.0)
    box = pack_spheres((60.0,) * 3, volume_fraction=0.1, diameter=15, seed=3)
    with pytest.raises(ValueError, match="cutoff_nm must be positive"):
        Network.from_packing(box, Table(), 4.0, 0.0)
    with pytest.raises(ValueError, match=r"table.coupling must give spread finite and >= 0"):
        Network.from_packing(box, Table(spread=-1.0), 4.0, 40.0)
    with pytest.raises(TypeError, match="seed must be a whole number"):
        Network.from_packing(box, Table(), 4.0, 40.0, seed=0.5)


def test_iterations_of_large_networks_give_what_a_factorisation_gives(monkeypatch):
    cubic, rng = Network.cubic(6), np.random.default_rng(0)
    couplings = np.exp(2 * rng.standard_normal(648))

    def stiffness():
        network = Network(cubic.pairs, couplings, cubic.displacements, n_sites=216, volume=216.0)
        return network.relaxed_stiffness()

    direct = stiffness()
    monkeypatch.setattr(bond_graph, "DIRECT", 10)
    np.testing.assert_allclose(stiffness(), direct, rtol=1e-12)
    monkeypatch.setattr(bond_graph, "MOST_ITERATIONS", 2)
    assert np.array_equal(stiffness(), direct)  # not converged: factorised after all


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize(("grains", "edges"), [(1, (1, 1, 1)), (3, (1, 1.4, 0.7)), (200, (1, 1.1, 0.9))])
def test_the_finite_volumes_of_a_uniform_host_have_its_conductivity(grains, edges, seed):
    """A uniform field solves them exactly, whatever the cells: sigma along each axis, and no current across."""
    size = np.array(edges) * (grains * np.pi / 6 * 20**3 / 0.06 / np.prod(edges)) ** (1 / 3)
    packing = pack_spheres(size, volume_fraction=0.06, diameter=20, seed=seed)
    network = Network.voronoi(packing, 3.3e3)
    assert network.n_sites == len(packing.centres) and network.volume == pytest.approx(size.prod())
    for axis in "xyz":
        assert effective_conductivity(network, axis) == pytest.approx(3.3e3, rel=1e-11)
    np.testing.assert_allclose(network.relaxed_displacements, network.displacements, rtol=0, atol=1e-8)
    across = network.displacements.T @ (network.couplings[:, None] * network.displacements) / network.volume
    np.testing.assert_allclose(across, 3.3e3 * np.eye(3), rtol=0, atol=1e-9 * 3.3e3)


def test_finite_volumes_of_the_cubic_lattice_are_the_cubic_network():
    grid = np.stack(np.meshgrid(*[np.arange(4.0)] * 3, indexing="ij"), axis=-1).reshape(-1, 3)
    packing = Packing(grid, np.ones(64), (4.0, 4.0, 4.0), True, np.pi / 6, np.pi / 6, 0, 0)
    network, cubic = Network.voronoi(packing, 0.7), Network.cubic(4, 0.7)
    assert len(network.pairs) == len(cubic.pairs)  # cells that touch in an edge or a corner are no bonds
    np.testing.assert_allclose(network.couplings, cubic.couplings, rtol=1e-12)


def test_other_couplings_on_the_same_bonds():
    network = random_network(2)
    changed = network.with_couplings(2 * network.couplings)
    assert np.array_equal(changed.pairs, network.pairs) and changed.volume == network.volume
    np.testing.assert_allclose(changed.relaxed_stiffness(), 2 * network.relaxed_stiffness(), rtol=1e-12)
    np.testing.assert_allclose(network.relaxed_stiffness(), dense_stiffness(network), rtol=1e-10, atol=1e-13)
    with pytest.raises(ValueError, match="couplings must be one number for each of the 40 pairs"):
        network.with_couplings([1.0])


def test_a_host_without_cells_is_refused():
    with pytest.raises(TypeError, match=r"packing must be a Packing, .*; got ndarray"):
        Network.voronoi(np.zeros((3, 3)))
    for dim, periodic, kind in ((3, False, "open"), (2, True, "two-dimensional")):
        packing = pack_spheres((60.0,) * dim, volume_fraction=0.1, diameter=10, seed=0, periodic=periodic)
        with pytest.raises(ValueError, match=f"packing must be periodic and of spheres.*it is {kind}"):
            Network.voronoi(packing)
    packing = pack_spheres((60.0,) * 3, volume_fraction=0.1, diameter=10, seed=0)
    with pytest.raises(ValueError, match=r"conductivity must be positive and finite \(S/m\); got 0"):
        Network.voronoi(packing, 0)
    thread = Packing(np.zeros((1, 3)), np.ones(1), (1.0, 1.0, 3000.0), True, 0.1, 0.1, 0, 0)
    with pytest.raises(ValueError, match="packing has cells that are too long: 1 centres in a box of"):
        Network.voronoi(thread)


def test_a_network_is_stored_bit_for_bit(tmp_path):
    network = random_network(1)
    network.save(tmp_path / "network.h5")
    for loaded in (Network.load(tmp_path / "network.h5"), bdg.load(tmp_path / "network.h5")):
        assert isinstance(loaded, Network)
        for name in ("pairs", "couplings", "displacements"):
            assert np.array_equal(getattr(loaded, name), getattr(network, name))
        assert (loaded.n_sites, loaded.volume, loaded.seed) == (network.n_sites, network.volume, network.seed)
    drawn = Network.from_packing(
        pack_spheres((60.0,) * 3, volume_fraction=0.1, diameter=15, seed=3), Table(0.2), 4.0, 40.0, seed=7
    )
    drawn.save(tmp_path / "drawn.h5")
    assert Network.load(tmp_path / "drawn.h5").seed == 7


def test_files_that_hold_no_network_are_refused(tmp_path):
    write_file(tmp_path / "other.h5", "System", {"pairs": np.zeros((1, 2))})
    with pytest.raises(bdg.ResultFileError, match="holds a System, where path must name a Network"):
        Network.load(tmp_path / "other.h5")
    write_file(tmp_path / "part.h5", "Network", {"pairs": np.zeros((1, 2), dtype=int)})
    with pytest.raises(bdg.ResultFileError, match="a Network must hold pairs, couplings"):
        bdg.load(tmp_path / "part.h5")
    content = {"pairs": np.array([[0, 9]]), "couplings": np.ones(1), "displacements": np.ones((1, 3))}
    write_file(tmp_path / "wrong.h5", "Network", {**content, "n_sites": 2, "volume": 1.0, "seed": None})
    with pytest.raises(bdg.ResultFileError, match="pairs must name sites from 0 to 1"):
        Network.load(tmp_path / "wrong.h5")
