"""Systems from kwant: matrix, order and positions are those of the builder, and bad input is refused with its cure."""

import itertools

import kwant
import numpy as np
import pytest
import scipy.sparse as sp
from algebra import SIGMA_0, SIGMA_Z, chain_matrix, dense, lowest, reference_bdg
from contract_systems import kagome_flake
from numpy.testing import assert_allclose, assert_array_equal

import bdg


@pytest.mark.parametrize("norbs", [1, 2])
@pytest.mark.parametrize("finalized", [False, True])
def test_from_kwant_keeps_matrix_order_and_positions(norbs, finalized):
    builder = kagome_flake(norbs)
    params = dict(mu=0.4, disorder=0.7, flux=0.6)
    reference = builder.finalized()
    system = bdg.lattices.from_kwant(reference if finalized else builder, params=params)
    assert_allclose(dense(system.hamiltonian), reference.hamiltonian_submatrix(params=params), atol=1e-14)
    assert_array_equal(system.positions, [site.pos for site in reference.sites])
    assert system.hamiltonian.format == "csr"
    assert (system.norbs, system.n_sites, system.n_grains) == (norbs, len(reference.sites), 0)
    assert system.leads == ()
    assert isinstance(system.info, dict)
    assert system.pairing is None
    assert_array_equal(system.grain, -1)
    assert system.grain.dtype == np.int64
    assert_array_equal(system.delta, 0)
    assert_array_equal(system.attraction, 0)
    assert system.attraction.dtype == float


def test_from_kwant_real_matrices_stay_real_and_hopping_direction_is_to_from():
    lattice = kwant.lattice.chain(norbs=1)
    builder = kwant.Builder()
    builder[(lattice(i) for i in range(4))] = 0.5
    builder[lattice(1), lattice(0)] = -1
    builder[lattice(2), lattice(1)] = -2
    builder[lattice(3), lattice(2)] = -3
    assert bdg.lattices.from_kwant(builder).hamiltonian.dtype == np.float64
    builder[lattice(3), lattice(2)] = 1 + 2j
    system = bdg.lattices.from_kwant(builder)
    where = {site.tag[0]: i for i, site in enumerate(builder.finalized().sites)}
    assert system.hamiltonian[where[3], where[2]] == 1 + 2j
    assert system.hamiltonian[where[2], where[3]] == 1 - 2j


def test_from_kwant_site_arguments_as_number_array_and_function():
    builder = kagome_flake()
    params = dict(mu=0.1, disorder=0.2, flux=0.0)
    sites = builder.finalized().sites
    x = np.array([site.pos[0] for site in sites])
    family = np.array([["0", "1", "2"].index(site.family.name[-1]) for site in sites])
    rng = np.random.default_rng(2)
    array = rng.random(len(sites)) * np.exp(1j * rng.random(len(sites)))

    system = bdg.lattices.from_kwant(
        builder,
        params=params,
        delta=lambda site: 0.2 if site.pos[0] > 0.6 else 0.0,
        attraction=lambda site: 1.5 if site.pos[0] < -0.6 else 0,
        grain=lambda site: ["0", "1", "2"].index(site.family.name[-1]) - 1,
    )
    assert_array_equal(system.delta, np.where(x > 0.6, 0.2, 0))
    assert not np.iscomplexobj(system.delta)
    assert_array_equal(system.attraction, np.where(x < -0.6, 1.5, 0))
    assert_array_equal(system.grain, family - 1)
    assert system.n_grains == 2

    system = bdg.lattices.from_kwant(builder, params=params, delta=array, attraction=np.abs(array), grain=family - 1)
    assert_array_equal(system.delta, array)
    assert_array_equal(system.attraction, np.abs(array))
    assert_array_equal(system.grain, family - 1)

    system = bdg.lattices.from_kwant(builder, params=params, delta=0.25j, attraction=2, grain=0)
    assert_array_equal(system.delta, np.full(len(sites), 0.25j))
    assert_array_equal(system.attraction, 2.0)
    assert_array_equal(system.grain, 0)


def test_grains_are_connected_sets_numbered_by_lowest_site():
    n = 14
    delta = np.zeros(n)
    attraction = np.zeros(n)
    delta[[11, 12]], attraction[[2, 3]] = 0.3, 1.2
    delta[4], attraction[7] = 0.1, 0.5
    wanted = np.full(n, -1)
    wanted[[2, 3, 4]], wanted[7], wanted[[11, 12]] = 0, 1, 2
    h = chain_matrix(np.zeros(n), -np.ones(n - 1))
    positions = np.arange(n, dtype=float)[:, None]
    system = bdg.lattices.from_hamiltonian(h, positions, delta=delta, attraction=attraction)
    assert_array_equal(system.grain, wanted)
    assert system.n_grains == 3
    # shuffled sites: still numbered by the lowest index, whatever the geometry
    order = np.random.default_rng(0).permutation(n)
    system = bdg.lattices.from_hamiltonian(
        h[np.ix_(order, order)], positions[order], delta=delta[order], attraction=attraction[order]
    )
    first = [np.flatnonzero(system.grain == g).min() for g in range(3)]
    assert first == sorted(first)
    for g in range(3):
        assert len(set(wanted[order][system.grain == g])) == 1


def test_from_kwant_pairing_and_period():
    lattice = kwant.lattice.square(norbs=1)
    builder = kwant.Builder()
    nx, ny = 5, 4
    builder[(lattice(x, y) for x in range(nx) for y in range(ny))] = 0.7
    for x, y in itertools.product(range(nx), range(ny)):
        builder[lattice((x + 1) % nx, y), lattice(x, y)] = -1
        if y + 1 < ny:
            builder[lattice(x, y + 1), lattice(x, y)] = -1
    n = nx * ny
    pairing = np.zeros((n, n), complex)
    sites = builder.finalized().sites
    for i, j in itertools.combinations(range(n), 2):  # d wave on the bonds
        shift = np.array(sites[i].tag) - sites[j].tag
        if abs(shift).sum() == 1:
            pairing[i, j] = pairing[j, i] = (0.2 + 0.1j) * (1 if shift[0] else -1)
    system = bdg.lattices.from_kwant(builder, delta=0.05, pairing=sp.csr_matrix(pairing), period=(nx, None))
    assert tuple(system.period) == (5.0, None)
    assert system.pairing.format == "csr"
    assert_array_equal(dense(system.pairing), pairing)
    h = builder.finalized().hamiltonian_submatrix()
    wanted = lowest(reference_bdg(h, pairing + 0.05 * np.eye(n), 1), 12)
    found = bdg.bound_states(system, 12).energies
    assert_allclose(np.abs(found), np.abs(wanted), atol=1e-9)


def test_from_kwant_keeps_leads_and_their_gap():
    lattice = kwant.lattice.chain(norbs=1)
    builder = kwant.Builder()
    builder[(lattice(i) for i in range(5))] = 0.5
    builder[lattice.neighbors()] = -1
    for direction, onsite in ((-1, 0.1), (1, 0.2)):
        lead = kwant.Builder(kwant.TranslationalSymmetry((direction,)))
        lead[lattice(0)] = onsite
        lead[lattice.neighbors()] = -1
        builder.attach_lead(lead)
    assert len(bdg.lattices.from_kwant(builder).leads) == 2
    system = bdg.lattices.from_kwant(builder, lead_delta=[0.0, 0.3j])
    assert isinstance(system.leads, tuple)
    assert len(system.leads) == 2
    assert_array_equal([lead.delta for lead in system.leads], [0.0, 0.3j])
    assert system.n_sites == 5
    with pytest.raises(ValueError, match="lead_delta"):
        bdg.lattices.from_kwant(builder, lead_delta=[0.1, 0.2, 0.3])


@pytest.mark.filterwarnings("ignore:.*norbs")
def test_kwant_without_norbs_is_understood():
    lattice = kwant.lattice.general([(1,)], norbs=None)
    builder = kwant.Builder()
    builder[(lattice(i) for i in range(4))] = 0.3
    builder[lattice.neighbors()] = -1
    system = bdg.lattices.from_kwant(builder, delta=0.2)
    assert system.norbs == 1
    assert system.n_sites == 4


def test_from_kwant_bad_input():
    chain = kwant.lattice.chain(norbs=1)
    with pytest.raises(ValueError, match="empty|no sites"):
        bdg.lattices.from_kwant(kwant.Builder())
    lead = kwant.Builder(kwant.TranslationalSymmetry((1,)))
    lead[chain(0)] = 0
    lead[chain.neighbors()] = -1
    with pytest.raises(ValueError, match="infinite|lead|translational|finite"):
        bdg.lattices.from_kwant(lead)
    with pytest.raises(TypeError):
        bdg.lattices.from_kwant(np.eye(3))

    mixed = kwant.Builder()
    one, two = kwant.lattice.chain(norbs=1, name="a"), kwant.lattice.chain(norbs=2, name="b")
    mixed[one(0)], mixed[two(0)] = 0, np.eye(2)
    with pytest.raises(ValueError, match="norbs"):
        bdg.lattices.from_kwant(mixed)
    three = kwant.Builder()
    lattice = kwant.lattice.chain(norbs=3)
    three[lattice(0)] = np.eye(3)
    with pytest.raises(ValueError, match="norbs"):
        bdg.lattices.from_kwant(three)

    skew = kwant.Builder()
    skew[chain(0)], skew[chain(1)] = 0.2j, 0
    skew[chain(0), chain(1)] = -1
    with pytest.raises(ValueError, match="Hermitian"):
        bdg.lattices.from_kwant(skew)

    good = kwant.Builder()
    good[chain(0)] = good[chain(1)] = 0
    good[chain(0), chain(1)] = -1
    with pytest.raises(ValueError, match="delta"):
        bdg.lattices.from_kwant(good, delta=[0.1, 0.2, 0.3])
    with pytest.raises(ValueError, match="delta.*(NaN|nan|finite)"):
        bdg.lattices.from_kwant(good, delta=[0.1, np.nan])
    with pytest.raises(ValueError, match="attraction"):
        bdg.lattices.from_kwant(good, attraction=-1)
    with pytest.raises(ValueError, match="period"):
        bdg.lattices.from_kwant(good, period=(3.0, 3.0))
    with pytest.raises(ValueError, match="grain"):
        bdg.lattices.from_kwant(good, grain=[0, -2])


def test_electron_hole_builder_is_refused_with_the_cure():
    """The Nambu form of kwant's own tutorial: two orbitals that are electron and hole."""
    lattice = kwant.lattice.square(norbs=2)
    tau_x, tau_z = np.array([[0, 1], [1, 0]]), np.diag([1, -1])
    builder = kwant.Builder()
    builder[(lattice(x, y) for x in range(4) for y in range(3))] = (4 - 0.4) * tau_z
    builder[(lattice(x, y) for x in range(2, 4) for y in range(3))] = (4 - 0.4) * tau_z + 0.1 * tau_x
    builder[lattice.neighbors()] = -tau_z
    with pytest.raises(ValueError, match="hole") as caught:
        bdg.lattices.from_kwant(builder)
    assert "norbs=1" in str(caught.value) or "delta" in str(caught.value)
    # a chain of real spins with a Zeeman term is not taken for one
    spins = kwant.Builder()
    spin_chain = kwant.lattice.chain(norbs=2)
    spins[(spin_chain(i) for i in range(4))] = 0.2 * SIGMA_Z
    spins[spin_chain.neighbors()] = -SIGMA_0
    assert bdg.lattices.from_kwant(spins).norbs == 2
