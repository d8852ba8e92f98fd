"""The published names, arguments, defaults, attributes and shapes, each against a number computed here.

Nothing below relies on how the package works inside: matrices are put together with dense NumPy algebra from the
stated conventions, lattices by hand with kwant, geometry by brute force.
"""

import dataclasses
import inspect
import itertools
import math
import os
import subprocess
import sys

import kwant
import matplotlib.figure
import matplotlib.pyplot as plt
import numpy as np
import pytest
import scipy.linalg
import scipy.sparse as sp
from numpy.testing import assert_allclose, assert_array_equal

import bdg

SIGMA_0 = np.eye(2)
SIGMA_X = np.array([[0, 1], [1, 0]])
SIGMA_Y = np.array([[0, -1j], [1j, 0]])
SIGMA_Z = np.diag([1, -1])


# ------------------------------------------------------------------------------------------- independent algebra
def dense(matrix):
    return matrix.toarray() if sp.issparse(matrix) else np.asarray(matrix)


def reference_bdg(h, pair, norbs):
    """H = [[h, D], [D^+, -h~]] in (electron | hole), h~ = h* or sigma_y h* sigma_y."""
    h, pair = np.asarray(h), np.asarray(pair)
    if norbs == 1:
        hole = -h.conj()
    else:
        sigma_y = np.kron(np.eye(len(h) // 2), SIGMA_Y)
        hole = -sigma_y @ h.conj() @ sigma_y
    return np.block([[h, pair], [pair.conj().T, hole]])


def system_bdg(system):
    """The same from the fields of a System."""
    pair = np.kron(np.diag(system.delta), np.eye(system.norbs))
    if system.pairing is not None:
        pair = pair + dense(system.pairing)
    return reference_bdg(dense(system.hamiltonian), pair, system.norbs)


def reference_amplitude(matrix, norbs, temperature):
    energies, states = np.linalg.eigh(matrix)
    half = len(matrix) // 2
    weight = np.tanh(energies / (2 * temperature)) if temperature > 0 else np.sign(energies)
    product = (states[:half] * states[half:].conj() * weight).sum(axis=1)
    return product / 2 if norbs == 1 else product.reshape(-1, 2).sum(axis=1) / 4


def lowest(matrix, k):
    energies = np.linalg.eigvalsh(matrix)
    return energies[np.argsort(np.abs(energies), kind="stable")][:k]


def chain_matrix(onsite, hopping):
    """Open chain; hopping[i] is the element (to i + 1, from i)."""
    h = np.diag(np.asarray(onsite, dtype=np.result_type(np.asarray(onsite), np.asarray(hopping), float)))
    for i, value in enumerate(hopping):
        h[i + 1, i], h[i, i + 1] = value, np.conj(value)
    return h


def square_torus(nx, ny, mu=0.0, t=1.0):
    """Periodic nx x ny grid (both > 2), site index x * ny + y."""
    h = np.zeros((nx * ny, nx * ny))
    for x, y in itertools.product(range(nx), range(ny)):
        i = x * ny + y
        h[i, i] = -mu
        for j in (((x + 1) % nx) * ny + y, x * ny + (y + 1) % ny):
            h[i, j] = h[j, i] = -t
    return h, np.array([(x, y) for x in range(nx) for y in range(ny)], dtype=float)


def random_chain(n=9, seed=5, complex_delta=True):
    """A disordered open chain with complex hoppings and gap: no symmetry but the built-in one."""
    rng = np.random.default_rng(seed)
    hopping = -1 + 0.3 * rng.standard_normal(n - 1) + 0.5j * rng.standard_normal(n - 1)
    h = chain_matrix(rng.uniform(-0.6, 0.6, n), hopping)
    delta = rng.uniform(0.1, 0.5, n)
    if complex_delta:
        delta = delta * np.exp(2j * np.pi * rng.random(n))
    return h, delta, np.arange(n, dtype=float)[:, None]


def random_spinful(n=6, seed=8):
    """Spin-orbit, Zeeman and random gap on an open chain, index 2 * site + spin."""
    rng = np.random.default_rng(seed)
    h = np.zeros((2 * n, 2 * n), complex)
    for i in range(n):
        field = rng.standard_normal(3) * 0.3
        h[2 * i : 2 * i + 2, 2 * i : 2 * i + 2] = (
            rng.uniform(-1, 1) * SIGMA_0 + field[0] * SIGMA_X + field[1] * SIGMA_Y + field[2] * SIGMA_Z
        )
    for i in range(n - 1):
        block = -SIGMA_0 + 0.4j * SIGMA_Y + 0.2j * SIGMA_X
        h[2 * i + 2 : 2 * i + 4, 2 * i : 2 * i + 2] = block
        h[2 * i : 2 * i + 2, 2 * i + 2 : 2 * i + 4] = block.conj().T
    delta = rng.uniform(0.2, 0.5, n) * np.exp(2j * np.pi * rng.random(n))
    return h, delta, np.arange(n, dtype=float)[:, None]


def orders_like(positions, wanted):
    """Index array p with positions[p] == wanted up to one common shift."""
    positions = positions - positions.min(axis=0)
    wanted = np.asarray(wanted, float) - np.min(wanted, axis=0)
    distance = np.abs(positions[None, :, :] - wanted[:, None, :]).max(axis=2)
    order = distance.argmin(axis=1)
    assert distance[np.arange(len(wanted)), order].max() < 1e-9
    assert len(set(order)) == len(wanted) == len(positions)
    return order


def sub(matrix, order):
    return dense(matrix)[np.ix_(order, order)]


# ---------------------------------------------------------------------------------------------- import and names
def test_import_brings_lattices_and_nothing_heavy():
    code = (
        "import sys, bdg\n"
        "bdg.lattices.stack, bdg.lattices.from_kwant, bdg.lattices.grain_composite, bdg.lattices.Layer\n"
        "bad = {'matplotlib', 'kwant', 'cupy', 'tqdm', 'dask', 'numba', 'tinyarray', 'pandas'} & set(sys.modules)\n"
        "sys.exit(repr(sorted(bad)) if bad else 0)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize(
    "name",
    ["BackendUnavailableError", "ConvergenceError", "MemoryBudgetError", "JobError", "ResultFileError"],
)
def test_errors_are_exceptions(name):
    assert issubclass(getattr(bdg, name), Exception)


EMPTY = inspect.Parameter.empty
SIGNATURES = {
    "lattices.from_kwant": dict(
        builder=EMPTY,
        __kw__=True,
        delta=0,
        pairing=None,
        attraction=0,
        grain=None,
        params=None,
        period=None,
        lead_delta=None,
    ),
    "lattices.from_hamiltonian": dict(
        hamiltonian=EMPTY,
        positions=EMPTY,
        __kw__=True,
        norbs=1,
        delta=0,
        pairing=None,
        attraction=0,
        grain=None,
        period=None,
    ),
    "lattices.Layer": dict(length=EMPTY, __kw__=True, delta=0, phase=0, onsite=0, attraction=0, hopping=1, disorder=0),
    "lattices.stack": dict(
        layers=EMPTY,
        cross_section=(),
        __kw__=True,
        t=1,
        mu=0,
        spacing=1,
        transparency=None,
        barrier=0,
        periodic=False,
        seed=None,
    ),
    "lattices.grain_composite": dict(
        size=EMPTY,
        spacing=EMPTY,
        __kw__=True,
        volume_fraction=EMPTY,
        diameter=EMPTY,
        diameter_sigma=0,
        minimum_gap=0,
        periodic=False,
        t=1,
        mu=-1,
        delta=0.3,
        attraction=0,
        disorder=0,
        transparency=1,
        host=None,
        layers=None,
        seed=None,
    ),
    "lattices.composition": dict(b2o3_to_sio2=EMPTY),
    "lattices.effective_mass": dict(
        mass=EMPTY,
        spacing_nm=EMPTY,
        __kw__=True,
        density_m3=EMPTY,
        mean_free_path_nm=None,
        mobility_cm2_Vs=None,
        dimensions=3,
    ),
    "System.with_field": dict(self=EMPTY, B=EMPTY, gauge="auto"),
    "System.with_delta": dict(self=EMPTY, delta=EMPTY),
    "System.with_onsite": dict(self=EMPTY, values=EMPTY),
    "BdGHamiltonian": dict(system=EMPTY),
    "bound_states": dict(system=EMPTY, k=32, __kw__=True, window=None, method="auto", tol=1e-9),
    "count_states": dict(system=EMPTY, energy=EMPTY),
    "pair_amplitude": dict(system=EMPTY, temperature=EMPTY, __kw__=True, sites=None, method="auto", tol=1e-6),
    "proximity_length": dict(
        system=EMPTY,
        amplitude=EMPTY,
        __kw__=True,
        temperature=None,
        mean_free_path=None,
        model="auto",
        bin_width=None,
        geometry="auto",
    ),
}


@pytest.mark.parametrize("name", SIGNATURES)
def test_arguments_and_defaults(name):
    target = bdg
    for part in name.split("."):
        target = getattr(target, part)
    found = inspect.signature(target).parameters
    keyword_only = False
    for argument, default in SIGNATURES[name].items():
        if argument == "__kw__":
            keyword_only = True
            continue
        assert argument in found, f"{name} has no argument {argument!r}: {list(found)}"
        assert found[argument].default == default, (name, argument)
        kind = found[argument].kind
        if keyword_only:
            assert kind is inspect.Parameter.KEYWORD_ONLY, (name, argument)
        else:
            assert kind is not inspect.Parameter.KEYWORD_ONLY, (name, argument)
    positional = [a for a in SIGNATURES[name] if a != "__kw__"]
    if "__kw__" in SIGNATURES[name]:
        positional = list(itertools.takewhile(lambda a: a != "__kw__", SIGNATURES[name]))
    assert list(found)[: len(positional)] == positional


@pytest.mark.parametrize("name", ["bound_states", "count_states", "pair_amplitude"])
def test_device_means_the_same_everywhere(name):
    parameters = inspect.signature(getattr(bdg, name)).parameters
    assert parameters["device"].default == "auto"
    if name != "count_states":  # one factorisation: no bar
        assert parameters["progress"].default is False
    h, delta, positions = random_chain()
    system = bdg.lattices.from_hamiltonian(h, positions, delta=delta)
    second = {"bound_states": 4, "count_states": 0.3, "pair_amplitude": 0.1}[name]
    result = getattr(bdg, name)(system, second, device="cpu")
    assert "cpu" in str(result.evidence.device)
    with pytest.raises(ValueError, match="device"):
        getattr(bdg, name)(system, second, device="tpu")


# ------------------------------------------------------------------------------------------------------ from_kwant
def kagome_flake(norbs=1):
    """A small finite kagome flake: three sublattices, value functions, complex hoppings."""
    lattice = kwant.lattice.kagome(norbs=norbs)
    builder = kwant.Builder()
    matrix = 1 if norbs == 1 else SIGMA_0
    spin = 0 if norbs == 1 else 0.3 * SIGMA_X + 0.2 * SIGMA_Y

    def onsite(site, mu, disorder):
        return (-mu + disorder * kwant.digest.gauss(repr(site.tag) + str(site.family.name))) * matrix + spin

    def hopping(to, source, flux):
        shift = to.pos - source.pos
        return -np.exp(1j * flux * (to.pos[0] + source.pos[0]) * shift[1]) * matrix

    builder[lattice.shape(lambda pos: pos[0] ** 2 + pos[1] ** 2 < 4.5, (0, 0))] = onsite
    builder[lattice.neighbors()] = hopping
    builder.eradicate_dangling()
    return builder


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


# ------------------------------------------------------------------------------------------------ from_hamiltonian
@pytest.mark.parametrize("kind", [np.asarray, sp.csr_matrix, sp.csr_array, sp.coo_matrix])
def test_from_hamiltonian_takes_any_hermitian_matrix(kind):
    h, delta, positions = random_spinful()
    positions = np.hstack([positions, positions**2, 0 * positions])
    triplet = np.zeros_like(h)
    vector = 0.1 * SIGMA_X + 0.2j * SIGMA_Y - 0.05 * SIGMA_Z
    for i in range(5):
        triplet[2 * i + 2 : 2 * i + 4, 2 * i : 2 * i + 2] = vector
        triplet[2 * i : 2 * i + 2, 2 * i + 2 : 2 * i + 4] = -vector
    attraction = np.linspace(0, 1, 6)
    grain = np.array([0, 0, -1, -1, 1, 1])
    system = bdg.lattices.from_hamiltonian(
        kind(h),
        positions,
        norbs=2,
        delta=delta,
        pairing=kind(triplet),
        attraction=attraction,
        grain=grain,
        period=(None, 100.0, None),
    )
    assert_array_equal(dense(system.hamiltonian), h)
    assert_array_equal(dense(system.pairing), triplet)
    assert_array_equal(system.delta, delta)
    assert_array_equal(system.attraction, attraction)
    assert_array_equal(system.grain, grain)
    assert_array_equal(system.positions, positions)
    assert tuple(system.period) == (None, 100.0, None)
    assert (system.norbs, system.n_sites, system.n_grains, system.leads) == (2, 6, 2, ())
    wanted = reference_bdg(h, np.kron(np.diag(delta), SIGMA_0) + triplet, 2)
    assert_allclose(dense(bdg.BdGHamiltonian(system).matrix), wanted, atol=1e-15)
    assert_allclose(np.sort(bdg.bound_states(system, 24).energies), np.linalg.eigvalsh(wanted), atol=1e-10)


@pytest.mark.parametrize(
    ("change", "error", "words"),
    [
        (dict(hamiltonian=np.array([[0, 1.0], [2.0, 0]])), ValueError, "Hermitian"),
        (dict(hamiltonian=np.array([[0, np.nan], [np.nan, 0]])), ValueError, "NaN|nan|finite"),
        (dict(hamiltonian=np.zeros((2, 3))), ValueError, "square|shape"),
        (dict(hamiltonian=np.zeros((0, 0)), positions=np.zeros((0, 1))), ValueError, "empty|no sites|at least one"),
        (dict(positions=np.zeros((3, 1))), ValueError, "positions|3 sites"),
        (dict(positions=np.array([[0.0], [np.inf]])), ValueError, "positions"),
        (dict(norbs=3), ValueError, "norbs"),
        (dict(norbs=2), ValueError, "norbs|positions|shape"),
        (dict(delta=[1.0, 2.0, 3.0]), ValueError, "delta"),
        (dict(delta="big"), (TypeError, ValueError), "delta"),
        (dict(pairing=np.array([[0, 1.0], [-1.0, 0]])), ValueError, "pairing.*symmetric"),
        (dict(pairing=np.zeros((3, 3))), ValueError, "pairing"),
        (dict(attraction=[-0.1, 0.1]), ValueError, "attraction"),
        (dict(attraction=[0.1j, 0.1]), (TypeError, ValueError), "attraction"),
        (dict(grain=[0, 0, 0]), ValueError, "grain"),
        (dict(period=(-1.0,)), ValueError, "period"),
    ],
)
def test_from_hamiltonian_bad_input(change, error, words):
    arguments = dict(hamiltonian=np.array([[0, -1.0], [-1.0, 0]]), positions=np.array([[0.0], [1.0]])) | change
    with pytest.raises(error, match=words):
        bdg.lattices.from_hamiltonian(arguments.pop("hamiltonian"), arguments.pop("positions"), **arguments)


# ---------------------------------------------------------------------------------------------------- System
def two_island_system(**more):
    h, _, positions = random_chain(12)
    delta = np.zeros(12)
    delta[:3], delta[8:10] = 0.3, 0.4
    return bdg.lattices.from_hamiltonian(h, positions, delta=delta, **more)


def test_system_is_frozen_and_read_only():
    system = two_island_system()
    with pytest.raises(AttributeError):
        system.delta = np.zeros(12)
    for name in ("delta", "attraction", "grain", "positions"):
        with pytest.raises(ValueError, match="read-only"):
            getattr(system, name)[0] = 1
    with pytest.raises(ValueError, match="read-only"):
        system.hamiltonian.data[0] = 1


def test_system_does_not_alias_the_arrays_it_was_given():
    h, delta, positions = random_chain()
    kept = delta.copy(), positions.copy(), h.copy()
    matrix = sp.csr_matrix(h)
    system = bdg.lattices.from_hamiltonian(matrix, positions, delta=delta)
    delta[0], positions[0], matrix.data[0] = 9, 9, 9
    assert_array_equal(system.delta, kept[0])
    assert_array_equal(system.positions, kept[1])
    assert_array_equal(dense(system.hamiltonian), kept[2])


def test_with_delta_phases_onsite_return_new_systems():
    old = two_island_system(attraction=np.r_[np.ones(3), np.zeros(9)])
    replaced = old.with_delta(np.linspace(0, 1, 12) * 1j)
    assert_array_equal(replaced.delta, np.linspace(0, 1, 12) * 1j)
    assert_array_equal(old.with_delta(0.7).delta, np.full(12, 0.7))
    turned = old.with_phases({1: 0.9})
    assert_array_equal(turned.delta[:8], old.delta[:8])
    assert_allclose(turned.delta[8:10], 0.4 * np.exp(0.9j), atol=1e-16)
    twice = turned.with_phases(np.array([0.2, -0.4]))
    assert_allclose(twice.delta[:3], 0.3 * np.exp(0.2j), atol=1e-16)
    assert_allclose(twice.delta[8:10], 0.4 * np.exp(0.5j), atol=1e-16)
    raised = old.with_onsite(np.arange(12) * 0.1)
    assert_allclose(dense(raised.hamiltonian), dense(old.hamiltonian) + np.diag(np.arange(12) * 0.1), atol=1e-15)
    shifted = raised.with_onsite(-2)
    assert_allclose(dense(shifted.hamiltonian), dense(raised.hamiltonian) - 2 * np.eye(12), atol=1e-15)
    for new in (replaced, turned, twice, raised, shifted):
        assert isinstance(new, bdg.System)
        assert_array_equal(new.attraction, old.attraction)
        assert np.shares_memory(new.positions, old.positions)
    assert np.shares_memory(replaced.hamiltonian.data, old.hamiltonian.data)
    assert not np.iscomplexobj(old.delta)
    assert_array_equal(old.delta[:3], 0.3)


def test_with_onsite_acts_on_both_spins_and_functions_of_a_site_work():
    h, delta, positions = random_spinful()
    system = bdg.lattices.from_hamiltonian(h, positions, norbs=2, delta=delta)
    values = np.arange(6.0)
    assert_allclose(dense(system.with_onsite(values).hamiltonian), h + np.kron(np.diag(values), SIGMA_0), atol=1e-15)
    builder = kagome_flake()
    params = dict(mu=0.1, disorder=0.2, flux=0.0)
    x = np.array([site.pos[0] for site in builder.finalized().sites])
    system = bdg.lattices.from_kwant(builder, params=params)
    assert_array_equal(system.with_delta(lambda site: site.pos[0] * 1j).delta, 1j * x)
    change = dense(system.with_onsite(lambda site: site.pos[0]).hamiltonian) - dense(system.hamiltonian)
    assert_allclose(change, np.diag(x), atol=1e-14)


def test_with_methods_bad_input():
    system = two_island_system()
    with pytest.raises(ValueError, match="grain|phases"):
        system.with_phases({2: 0.1})
    with pytest.raises(ValueError, match="grain|phases"):
        system.with_phases(np.zeros(3))
    with pytest.raises(ValueError, match="delta"):
        system.with_delta(np.zeros(11))
    with pytest.raises(ValueError, match="onsite|values"):
        system.with_onsite(np.zeros(13))
    with pytest.raises(ValueError, match="onsite|values"):
        system.with_onsite(np.full(12, np.nan))
    with pytest.raises((TypeError, ValueError), match="onsite|values"):
        system.with_onsite(np.full(12, 1j))


def loop_phase(system, corners):
    """Phase that h multiplies on the way corner 0 -> 1 -> 2 ... -> 0, relative to all hoppings -1."""
    places = [np.flatnonzero(np.abs(system.positions - corner).max(axis=1) < 1e-9)[0] for corner in corners]
    product = 1.0
    for source, to in zip(places, places[1:] + places[:1], strict=True):
        product *= -system.hamiltonian[to, source]
    assert abs(abs(product) - 1) < 1e-12
    return np.angle(product)


def test_field_gives_pi_times_the_flux_on_every_plaquette():
    B, a = 0.137, 0.5
    plain = bdg.lattices.stack([bdg.lattices.Layer(6, delta=0.2)], (5,), spacing=a)
    system = plain.with_field(B)
    origin = system.positions.min(axis=0)
    for x, y in itertools.product(range(5), range(4)):
        corner = origin + a * np.array([x, y])
        square = [corner, corner + [a, 0], corner + [a, a], corner + [0, a]]
        assert_allclose(loop_phase(system, square), np.pi * B * a * a, atol=1e-12)
    assert_array_equal(system.delta, plain.delta)
    assert_allclose(np.abs(dense(system.hamiltonian)), np.abs(dense(plain.hamiltonian)), atol=1e-14)


def test_field_on_a_honeycomb_and_for_spins():
    lattice = kwant.lattice.honeycomb(norbs=2)
    builder = kwant.Builder()
    builder[lattice.shape(lambda pos: pos[0] ** 2 + pos[1] ** 2 < 3, (0, 0))] = 0.1 * SIGMA_X
    builder[lattice.neighbors()] = -SIGMA_0
    plain = bdg.lattices.from_kwant(builder)
    system = plain.with_field(0.3)
    ratio = dense(system.hamiltonian)[::2, ::2]
    assert_allclose(ratio, dense(system.hamiltonian)[1::2, 1::2], atol=1e-14)
    # the hexagon: shortest loops of six sites, area sqrt(3)/2 for unit lattice vectors
    adjacency = np.abs(ratio) > 0.5
    found = 0
    for start in range(len(ratio)):
        for path in itertools.product(range(3), repeat=5):
            loop = [start]
            for choice in path:
                neighbours = np.flatnonzero(adjacency[loop[-1]])
                if choice >= len(neighbours) or neighbours[choice] in loop:
                    break
                loop.append(neighbours[choice])
            if len(loop) == 6 and adjacency[loop[-1], start] and min(loop) == start:
                p = system.positions[loop]
                area = 0.5 * np.sum(p[:, 0] * np.roll(p[:, 1], -1) - p[:, 1] * np.roll(p[:, 0], -1))
                product = np.prod([-ratio[loop[(i + 1) % 6], loop[i]] for i in range(6)])
                assert abs(area) == pytest.approx(np.sqrt(3) / 2)
                assert_allclose(np.angle(product), np.pi * 0.3 * area, atol=1e-12)
                found += 1
    assert found >= 2


def test_field_in_three_dimensions_follows_the_right_hand():
    B = np.array([0.11, -0.23, 0.37])
    system = bdg.lattices.stack([bdg.lattices.Layer(3)], (3, 3)).with_field(B)
    origin = system.positions.min(axis=0)
    axes = np.eye(3)
    for normal in range(3):
        first, second = axes[(normal + 1) % 3], axes[(normal + 2) % 3]
        square = [origin, origin + first, origin + first + second, origin + second]
        assert_allclose(loop_phase(system, square), np.pi * B[normal], atol=1e-12)
    with pytest.raises(ValueError, match="B"):
        bdg.lattices.stack([bdg.lattices.Layer(3)], (3, 3)).with_field(0.3)
    with pytest.raises(ValueError, match="B"):
        bdg.lattices.stack([bdg.lattices.Layer(3)], (3,)).with_field([0.1, 0.2, 0.3])
    with pytest.raises(ValueError, match="gauge"):
        bdg.lattices.stack([bdg.lattices.Layer(3)], (3,)).with_field(0.1, gauge="lorenz")


@pytest.mark.parametrize("gauge", ["symmetric", "landau"])
def test_field_spectrum_does_not_depend_on_the_gauge(gauge):
    plain = bdg.lattices.stack([bdg.lattices.Layer(5)], (4,), mu=0.3)
    automatic, chosen = plain.with_field(0.4), plain.with_field(0.4, gauge=gauge)
    levels = [np.linalg.eigvalsh(dense(each.hamiltonian)) for each in (automatic, chosen, plain)]
    assert_allclose(levels[0], levels[1], atol=1e-12)
    assert np.abs(levels[0] - levels[2]).max() > 0.01


def test_field_wraps_consistently_around_a_cylinder():
    """Periodic across x: every plaquette, those that wrap included, holds the same flux."""
    ny, B = 5, 0.21
    system = bdg.lattices.stack([bdg.lattices.Layer(4)], (ny,), periodic=True).with_field(B)
    order = orders_like(system.positions, [(x, y) for x in range(4) for y in range(ny)])
    h = -sub(system.hamiltonian, order)
    for x, y in itertools.product(range(3), range(ny)):
        a, b = x * ny + y, (x + 1) * ny + y
        c, d = (x + 1) * ny + (y + 1) % ny, x * ny + (y + 1) % ny
        assert_allclose(np.angle(h[b, a] * h[c, b] * h[d, c] * h[a, d]), np.pi * B, atol=1e-12)


def test_field_on_a_torus_needs_whole_flux_quanta():
    h, positions = square_torus(4, 6)
    plain = bdg.lattices.from_hamiltonian(h, positions, period=(4, 6))
    B = 2 / 24  # one h/e through the torus
    m = -dense(plain.with_field(B).hamiltonian)
    for x, y in itertools.product(range(4), range(6)):
        a, b = x * 6 + y, ((x + 1) % 4) * 6 + y
        c, d = ((x + 1) % 4) * 6 + (y + 1) % 6, x * 6 + (y + 1) % 6
        assert_allclose(np.angle(m[b, a] * m[c, b] * m[d, c] * m[a, d]), np.pi * B, atol=1e-12)
    with pytest.raises(ValueError, match="flux|quant"):
        plain.with_field(0.01)


def test_system_survives_save_and_load(tmp_path):
    h, delta, positions = random_spinful()
    triplet = np.zeros_like(h)
    triplet[2:4, 0:2], triplet[0:2, 2:4] = 0.1 * SIGMA_X, -0.1 * SIGMA_X
    system = bdg.lattices.from_hamiltonian(
        h,
        np.hstack([positions, positions]),
        norbs=2,
        delta=delta,
        pairing=triplet,
        attraction=np.linspace(0, 2, 6),
        grain=[0, 0, -1, -1, 1, 1],
        period=(None, 30.0),
    )
    system.save(tmp_path / "system.h5")
    again = bdg.lattices.load(tmp_path / "system.h5")
    for name in ("delta", "attraction", "grain", "positions"):
        assert_array_equal(getattr(again, name), getattr(system, name))
        assert getattr(again, name).dtype == getattr(system, name).dtype
    assert_array_equal(dense(again.hamiltonian), h)
    assert_array_equal(dense(again.pairing), triplet)
    assert again.period == system.period
    assert (again.norbs, again.n_sites, again.n_grains) == (2, 6, 2)
    assert_array_equal(bdg.bound_states(again, 6).energies, bdg.bound_states(system, 6).energies)


def test_saved_leads_and_info_come_back(tmp_path):
    composite = bdg.lattices.grain_composite((12, 12), 1, volume_fraction=0.15, diameter=4, seed=3)
    composite.save(tmp_path / "composite.h5")
    again = bdg.lattices.load(tmp_path / "composite.h5")
    for key in ("centres", "diameters", "volume_fraction", "centre_distances", "surface_gaps"):
        assert_array_equal(again.info[key], composite.info[key])
    assert again.info["seed"] == composite.info["seed"]

    lattice = kwant.lattice.chain(norbs=1)
    builder = kwant.Builder()
    builder[(lattice(i) for i in range(3))] = 0.5
    builder[lattice.neighbors()] = -1
    lead = kwant.Builder(kwant.TranslationalSymmetry((-1,)))
    lead[lattice(0)] = 0.1
    lead[lattice.neighbors()] = -1
    builder.attach_lead(lead)
    bdg.lattices.from_kwant(builder, lead_delta=[0.25]).save(tmp_path / "leads.h5")
    code = (  # where kwant is not installed
        "import sys; sys.modules['kwant'] = None\n"
        "import bdg; s = bdg.lattices.load(sys.argv[1])\n"
        "assert len(s.leads) == 1 and s.leads[0].delta == 0.25\n"
        "print(bdg.bound_states(s, 2).energies[0])"
    )
    done = subprocess.run([sys.executable, "-c", code, str(tmp_path / "leads.h5")], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    wanted = np.abs(np.linalg.eigvalsh(chain_matrix([0.5] * 3, [-1, -1]))).min()
    assert abs(float(done.stdout)) == pytest.approx(wanted, abs=1e-12)


def test_loading_a_damaged_or_foreign_file_says_so(tmp_path):
    system = two_island_system()
    system.save(tmp_path / "system.h5")
    whole = (tmp_path / "system.h5").read_bytes()
    (tmp_path / "cut.h5").write_bytes(whole[: len(whole) // 2])
    (tmp_path / "text.h5").write_text("hello")
    for name in ("cut.h5", "text.h5"):
        for load in (bdg.lattices.load, bdg.load):
            with pytest.raises(bdg.ResultFileError, match=name):
                load(tmp_path / name)
    for load in (bdg.lattices.load, bdg.load):
        with pytest.raises((FileNotFoundError, bdg.ResultFileError), match="missing.h5"):
            load(tmp_path / "missing.h5")


# ----------------------------------------------------------------------------------------------------- stack
def test_stack_of_three_layers_equals_a_kwant_builder():
    """3-D, every layer argument, scaled interface bonds, barriers: entry by entry."""
    t, mu, ny, nz = 1.3, -0.4, 3, 2
    layers = [
        bdg.lattices.Layer(3, delta=0.2, phase=0.7, onsite=0.1, attraction=1.4),
        bdg.lattices.Layer(2, onsite=-0.3),
        bdg.lattices.Layer(4, delta=0.5, phase=-0.2),
    ]
    taus, barriers = (0.4, 0.9), (0.25, -0.15)
    system = bdg.lattices.stack(layers, (ny, nz), t=t, mu=mu, spacing=0.8, transparency=taus, barrier=barriers)

    lattice = kwant.lattice.cubic(0.8, norbs=1)
    builder = kwant.Builder()
    onsite = [0.1] * 3 + [-0.3] * 2 + [0.0] * 4
    onsite[2] += barriers[0]
    onsite[4] += barriers[1]
    for x, y, z in itertools.product(range(9), range(ny), range(nz)):
        builder[lattice(x, y, z)] = onsite[x] - mu
    builder[lattice.neighbors()] = -t
    sine = np.sqrt(1 - (mu / (2 * t)) ** 2)
    scales = {}
    for x, tau in zip((2, 4), taus, strict=True):  # the root x <= 1 of the quadratic in x**2
        c = 4 * sine**2 * (1 / tau - 1)
        square = (2 + c - np.sqrt((2 + c) ** 2 - 4)) / 2
        scale = scales[x] = np.sqrt(square)
        assert 4 * square * sine**2 / ((1 - square) ** 2 + 4 * square * sine**2) == pytest.approx(tau)
        for y, z in itertools.product(range(ny), range(nz)):
            builder[lattice(x + 1, y, z), lattice(x, y, z)] = -t * scale
    final = builder.finalized()
    order = orders_like(system.positions, [site.pos for site in final.sites])
    assert_allclose(sub(system.hamiltonian, order), final.hamiltonian_submatrix(), atol=1e-12)
    x = np.array([site.tag[0] for site in final.sites])
    wanted = np.where(x < 3, 0.2 * np.exp(0.7j), np.where(x < 5, 0, 0.5 * np.exp(-0.2j)))
    assert_allclose(system.delta[order], wanted, atol=1e-15)
    assert_array_equal(system.attraction[order], np.where(x < 3, 1.4, 0))
    assert_array_equal(system.grain[order], np.where(x < 3, 0, np.where(x < 5, -1, 1)))
    assert system.n_grains == 2
    assert system.norbs == 1
    assert system.period is None or all(length is None for length in system.period)


def test_stack_in_one_dimension_hopping_scale_and_touching_grains():
    layers = [
        bdg.lattices.Layer(3, delta=0.1),
        bdg.lattices.Layer(2, delta=0.1, phase=1.0),
        bdg.lattices.Layer(4, hopping=0.5),
        bdg.lattices.Layer(2, attraction=2.0),
    ]
    system = bdg.lattices.stack(layers, t=2, mu=0.6)
    assert system.positions.shape == (11, 1)
    order = np.argsort(system.positions[:, 0])
    assert_allclose(np.diff(system.positions[order, 0]), 1)
    assert_array_equal(system.grain[order], [0] * 3 + [1] * 2 + [-1] * 4 + [2] * 2)
    h = sub(system.hamiltonian, order)
    assert_allclose(np.diag(h), -0.6)
    bonds = np.diag(h, 1)
    assert_allclose(bonds[[0, 1, 2, 3]], -2)
    assert_allclose(bonds[[5, 6, 7]], -1)
    assert_allclose(bonds[9], -2)
    assert_allclose(np.triu(h, 2), 0)


@pytest.mark.parametrize(("mu", "t"), [(-0.5, 1.0), (2.5, 1.0), (0.0, 3.0)])
def test_interface_transparency_is_that_of_the_bond(mu, t):
    """One scalar for every interface; where |mu| >= 2t the formula is taken at k = pi/2."""
    tau = 0.35
    system = bdg.lattices.stack(
        [bdg.lattices.Layer(2, delta=0.1), bdg.lattices.Layer(2), bdg.lattices.Layer(2, delta=0.1)],
        t=t,
        mu=mu,
        transparency=tau,
    )
    bonds = np.diag(sub(system.hamiltonian, np.argsort(system.positions[:, 0])), 1) / -t
    assert_allclose(bonds[[0, 2, 4]], 1)
    sine_squared = 1 - (mu / (2 * t)) ** 2 if abs(mu) < 2 * t else 1.0
    for x in bonds[[1, 3]]:
        assert 0 < x < 1
        assert 4 * x * x * sine_squared / ((1 - x * x) ** 2 + 4 * x * x * sine_squared) == pytest.approx(tau)


def test_choices_are_noted_in_info():
    """k = pi/2 outside the band, and the seed that was drawn where none was given."""
    layers = [bdg.lattices.Layer(2, delta=0.1), bdg.lattices.Layer(2, disorder=0.5)]
    note = str(bdg.lattices.stack(layers, mu=2.5, transparency=0.5).info)
    assert "pi/2" in note
    assert "pi/2" not in str(bdg.lattices.stack(layers, mu=0.5, transparency=0.5).info)
    drawn = bdg.lattices.stack(layers)
    assert isinstance(drawn.info["seed"], int)
    again = bdg.lattices.stack(layers, seed=drawn.info["seed"])
    assert_array_equal(again.hamiltonian.data, drawn.hamiltonian.data)
    builder = kagome_flake()
    assert "0.7" in str(bdg.lattices.from_kwant(builder, params=dict(mu=0.1, disorder=0.7, flux=0.0)).info)


def test_stack_is_transparent_by_kwant_scattering():
    """The bond of an N|N interface transmits tau at E = 0."""
    tau, mu = 0.35, -0.7
    system = bdg.lattices.stack([bdg.lattices.Layer(2), bdg.lattices.Layer(2)], mu=mu, transparency=tau)
    bond = np.diag(sub(system.hamiltonian, np.argsort(system.positions[:, 0])), 1)[1]
    lattice = kwant.lattice.chain(norbs=1)
    builder = kwant.Builder()
    builder[(lattice(i) for i in range(2))] = -mu
    builder[lattice(1), lattice(0)] = bond
    lead = kwant.Builder(kwant.TranslationalSymmetry((-1,)))
    lead[lattice(0)] = -mu
    lead[lattice.neighbors()] = -1
    builder.attach_lead(lead)
    builder.attach_lead(lead.reversed())
    assert kwant.smatrix(builder.finalized(), 0.0).transmission(1, 0) == pytest.approx(tau, abs=1e-10)


def test_stack_periodic_cross_section_spectrum():
    """Torus in y and z, uniform gap: E = sqrt(e**2 + Delta**2) with closed-form e."""
    nx, ny, nz, mu, delta, a = 4, 5, 3, -0.4, 0.3, 0.5
    layers = [bdg.lattices.Layer(nx, delta=delta)]
    system = bdg.lattices.stack(layers, (ny, nz), mu=mu, spacing=a, periodic=True, t=1.5)
    assert system.period[0] is None
    assert_allclose(system.period[1:], (ny * a, nz * a))
    standing = -3 * np.cos(np.pi * np.arange(1, nx + 1) / (nx + 1))
    running = [-3 * np.cos(2 * np.pi * np.arange(n) / n) for n in (ny, nz)]
    e = np.add.outer(np.add.outer(standing, running[0]), running[1]).ravel()
    wanted = np.sort(np.sqrt((e - mu) ** 2 + delta**2))
    states = bdg.bound_states(system, 2 * nx * ny * nz)
    assert_allclose(np.sort(states.energies)[nx * ny * nz :], wanted, atol=1e-10)


def test_stack_disorder_and_its_seed():
    layers = [bdg.lattices.Layer(20, delta=0.1), bdg.lattices.Layer(50, disorder=1.2, onsite=0.4)]
    one = bdg.lattices.stack(layers, (10,), seed=7)
    same = bdg.lattices.stack(layers, (10,), seed=7)
    other = bdg.lattices.stack(layers, (10,), seed=8)
    assert_array_equal(one.hamiltonian.data, same.hamiltonian.data)
    diagonal, changed = one.hamiltonian.diagonal(), other.hamiltonian.diagonal()
    inside = one.grain == -1
    assert inside.sum() == 500
    assert_array_equal(diagonal[~inside], 0)
    assert np.ptp(diagonal[inside]) > 1.1
    assert np.abs(diagonal[inside] - 0.4).max() <= 0.6
    assert diagonal[inside].std() == pytest.approx(1.2 / np.sqrt(12), rel=0.1)
    assert np.abs(diagonal - changed).max() > 0.1
    assert one.info["seed"] == 7


@pytest.mark.parametrize(
    ("arguments", "options", "words"),
    [
        (([],), {}, "layer"),
        (([bdg.lattices.Layer(3)], (2, 2, 2)), {}, "cross_section"),
        (([bdg.lattices.Layer(3)], (0,)), {}, "cross_section"),
        (([bdg.lattices.Layer(3), bdg.lattices.Layer(3)],), dict(transparency=1.2), "transparency"),
        (([bdg.lattices.Layer(3), bdg.lattices.Layer(3)],), dict(transparency=0), "transparency"),
        (([bdg.lattices.Layer(3), bdg.lattices.Layer(3)],), dict(transparency=(0.5, 0.5)), "transparency"),
        (([bdg.lattices.Layer(3), bdg.lattices.Layer(3)],), dict(barrier=(0.5, 0.5)), "barrier"),
        (([bdg.lattices.Layer(3)],), dict(t=0), r"\bt\b"),
        (([bdg.lattices.Layer(3)],), dict(spacing=-1), "spacing"),
        (([bdg.lattices.Layer(3)],), dict(mu=np.nan), "mu"),
    ],
)
def test_stack_bad_input(arguments, options, words):
    with pytest.raises(ValueError, match=words):
        bdg.lattices.stack(*arguments, **options)


def test_layer_bad_input():
    with pytest.raises(ValueError, match="length"):
        bdg.lattices.stack([bdg.lattices.Layer(0)])
    with pytest.raises((TypeError, ValueError), match="length"):
        bdg.lattices.stack([bdg.lattices.Layer(2.5)])
    with pytest.raises(ValueError, match="disorder"):
        bdg.lattices.stack([bdg.lattices.Layer(2, disorder=-1)])
    with pytest.raises(ValueError, match="attraction"):
        bdg.lattices.stack([bdg.lattices.Layer(2, attraction=-1)])


# ---------------------------------------------------------------------------------------------- grain_composite
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


# ------------------------------------------------------------------------------------- composition, effective mass
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


def band_averages(mu, dimensions, points=96, width=0.08):
    """Filling (both spins), N0 per site and spin, mean |v| on the Fermi surface of -2 sum cos k."""
    k = 2 * np.pi * (np.arange(points) + 0.5) / points
    mesh = np.meshgrid(*[k] * dimensions, indexing="ij")
    energy = -2 * sum(np.cos(q) for q in mesh) - mu
    speed = 2 * np.sqrt(sum(np.sin(q) ** 2 for q in mesh))
    shell = np.exp(-0.5 * (energy / width) ** 2) / (width * np.sqrt(2 * np.pi))
    filling = 2 * np.mean(0.5 * (1 - np.vectorize(math.erf)(energy / width / np.sqrt(2))))
    return filling, shell.mean(), (shell * speed).mean() / shell.mean()


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


# ---------------------------------------------------------------------------------------------- BdGHamiltonian
@pytest.mark.parametrize("norbs", [1, 2])
def test_bdg_matrix_is_the_convention(norbs):
    h, delta, positions = random_chain() if norbs == 1 else random_spinful()
    system = bdg.lattices.from_hamiltonian(h, positions, norbs=norbs, delta=delta)
    hamiltonian = bdg.BdGHamiltonian(system)
    wanted = reference_bdg(h, np.kron(np.diag(delta), np.eye(norbs)), norbs)
    assert hamiltonian.matrix.format == "csr"
    assert hamiltonian.shape == wanted.shape
    assert_allclose(dense(hamiltonian.matrix), wanted, atol=1e-15)
    assert np.iscomplexobj(hamiltonian.matrix)
    rng = np.random.default_rng(1)
    for shape in ((len(wanted),), (len(wanted), 3)):
        vector = rng.standard_normal(shape) + 1j * rng.standard_normal(shape)
        assert_allclose(hamiltonian @ vector, wanted @ vector, atol=1e-13)


def test_bdg_matrix_is_real_when_it_can_be():
    h, positions = square_torus(3, 4, mu=0.3)
    system = bdg.lattices.from_hamiltonian(h, positions, delta=0.2)
    assert bdg.BdGHamiltonian(system).matrix.dtype == np.float64
    spin = bdg.lattices.from_hamiltonian(np.kron(h, SIGMA_0), positions, norbs=2, delta=0.2)
    assert bdg.BdGHamiltonian(spin).matrix.dtype == np.float64
    assert np.iscomplexobj(bdg.BdGHamiltonian(system.with_delta(0.2j)).matrix)


@pytest.mark.parametrize("norbs", [1, 2])
def test_particle_hole_partner(norbs):
    h, delta, positions = random_chain() if norbs == 1 else random_spinful()
    system = bdg.lattices.from_hamiltonian(h, positions, norbs=norbs, delta=delta)
    hamiltonian = bdg.BdGHamiltonian(system)
    energies, states = np.linalg.eigh(system_bdg(system))
    half = len(energies) // 2
    u, v = states[:half, -1], states[half:, -1]
    if norbs == 1:
        wanted = np.concatenate([-v.conj(), u.conj()])
    else:  # tau_y sigma_y K
        sigma_y = np.kron(np.eye(half // 2), SIGMA_Y)
        wanted = np.concatenate([-1j * sigma_y @ v.conj(), 1j * sigma_y @ u.conj()])
    partner = hamiltonian.particle_hole_partner(states[:, -1])
    assert_allclose(partner, wanted, atol=1e-14)
    assert_allclose(hamiltonian @ partner, -energies[-1] * partner, atol=1e-12)


# -------------------------------------------------------------------------------------------------- bound_states
@pytest.mark.parametrize("method", ["dense", "shift_invert", "auto"])
@pytest.mark.parametrize("norbs", [1, 2])
def test_bound_states_against_dense_algebra(method, norbs):
    h, delta, positions = random_chain(24) if norbs == 1 else random_spinful(16)
    system = bdg.lattices.from_hamiltonian(h, positions, norbs=norbs, delta=delta)
    n, k = system.n_sites, 10
    matrix = system_bdg(system)
    states = bdg.bound_states(system, k, method=method, tol=1e-11, seed=3)
    assert_allclose(np.abs(states.energies), np.abs(lowest(matrix, k)), atol=1e-10)
    assert_allclose(states.energies[::2], -states.energies[1::2], atol=1e-10)
    assert (np.diff(np.abs(states.energies)) > -1e-12).all()
    assert (states.energies[::2] < 0).all()  # ties: negative first
    shape = (n, k) if norbs == 1 else (n, 2, k)
    assert states.u.shape == states.v.shape == shape
    assert_allclose((np.abs(states.u) ** 2 + np.abs(states.v) ** 2).reshape(-1, k).sum(axis=0), 1, atol=1e-12)
    stacked = np.concatenate([states.u.reshape(-1, k), states.v.reshape(-1, k)])
    assert_allclose(matrix @ stacked, stacked * states.energies, atol=1e-9)
    assert states.residuals.shape == (k,)
    true = np.linalg.norm(matrix @ stacked - stacked * states.energies, axis=0)
    assert_allclose(states.residuals, true, atol=1e-10)
    assert states.complete is True or states.complete == np.True_
    assert isinstance(states.complete, bool)
    assert isinstance(states.count, int)
    assert states.count == k
    if method != "auto":
        assert method in str(states.evidence.method)


def test_bound_states_default_k_and_limits():
    h, positions = square_torus(4, 5, mu=0.37)
    h += np.diag(np.random.default_rng(0).uniform(-0.5, 0.5, 20))
    system = bdg.lattices.from_hamiltonian(h, positions, delta=0.2)
    assert bdg.bound_states(system).energies.shape == (32,)
    assert bdg.bound_states(system, 40).energies.shape == (40,)
    with pytest.raises(ValueError, match="k.*40"):
        bdg.bound_states(system, 41)
    with pytest.raises(ValueError, match=r"\bk\b"):
        bdg.bound_states(system, 0)
    with pytest.raises((TypeError, ValueError), match=r"\bk\b"):
        bdg.bound_states(system, 2.5)
    with pytest.raises(ValueError, match="method.*shift_invert"):
        bdg.bound_states(system, 4, method="magic")
    with pytest.raises(ValueError, match="tol"):
        bdg.bound_states(system, 4, tol=-1)
    with pytest.raises(TypeError, match="[Ss]ystem"):
        bdg.bound_states(h, 4)


@pytest.mark.parametrize("method", ["dense", "shift_invert"])
def test_bound_states_in_a_window(method):
    h, delta, positions = random_chain(30)
    system = bdg.lattices.from_hamiltonian(h, positions, delta=delta)
    levels = np.linalg.eigvalsh(system_bdg(system))
    for window in ((-0.4, 1.1), (0.3, 1.0), (-1.2, -0.5)):
        wanted = levels[(levels >= window[0]) & (levels <= window[1])]
        states = bdg.bound_states(system, 2, window=window, method=method)
        assert len(wanted) > 2
        assert_allclose(np.sort(states.energies), wanted, atol=1e-9)
        assert (np.diff(np.abs(states.energies)) > -1e-12).all()
        assert states.complete
        assert states.u.shape == (30, len(wanted))
    with pytest.raises(ValueError, match="window"):
        bdg.bound_states(system, window=(1.0, 0.5))


@pytest.mark.parametrize("method", ["dense", "shift_invert"])
def test_empty_window_is_an_empty_answer(method):
    """The uniform gap: no state below Delta."""
    h, positions = square_torus(5, 5, mu=0.37)
    system = bdg.lattices.from_hamiltonian(h, positions, delta=0.3)
    states = bdg.bound_states(system, window=(-0.2, 0.25), method=method)
    assert states.energies.shape == (0,)
    assert states.u.shape == (25, 0)
    assert states.complete
    assert states.count == 0


@pytest.mark.parametrize("method", ["dense", "shift_invert"])
def test_k_that_cuts_a_multiplet(method):
    """Levels sqrt(e**2 + Delta**2) of a torus are degenerate; the third positive level of four is cut."""
    h, positions = square_torus(6, 6, mu=-0.55)
    system = bdg.lattices.from_hamiltonian(h, positions, delta=0.3)
    levels = np.sort(np.sqrt(np.linalg.eigvalsh(h) ** 2 + 0.09))
    sizes = [len(list(group)) for _, group in itertools.groupby(np.round(levels, 9))]
    whole = 2 * sizes[0]
    assert sizes[1] > 1
    states = bdg.bound_states(system, whole + 2, method=method)
    assert_allclose(np.abs(states.energies), np.repeat(levels, 2)[: whole + 2], atol=1e-9)
    assert states.complete
    assert states.count == 2 * (sizes[0] + sizes[1])
    assert "multiplet" in str(states.evidence) or "degenerate" in str(states.evidence)


def test_long_ballistic_junction_has_kulik_levels():
    """-2 arccos(E/D) + s phi + 2 E L / v = 2 pi n; S(400) N(200) S(400), mu = 0."""
    delta, length, phi = 0.05, 200, 1.0
    junction = bdg.lattices.stack(
        [
            bdg.lattices.Layer(400, delta=delta),
            bdg.lattices.Layer(length),
            bdg.lattices.Layer(400, delta=delta, phase=phi),
        ]
    )
    grid = np.linspace(0, 0.95, 200001) * delta
    wanted = []
    for sign in (1, -1):
        phase = (-2 * np.arccos(grid / delta) + sign * phi + grid * length) / (2 * np.pi)
        crossed = np.flatnonzero(np.floor(phase[1:]) != np.floor(phase[:-1]))
        wanted.extend(grid[crossed])
    wanted = np.sort(wanted) / delta
    assert_allclose(wanted, [0.17831, 0.34394, 0.69014, 0.84221], atol=1e-4)
    states = bdg.bound_states(junction, 8)
    assert_allclose(np.abs(states.energies[::2]) / delta, wanted, atol=1e-3)
    assert states.complete
    assert states.count == 8
    counted = bdg.count_states(junction, 0.5 * delta)
    assert counted.count == 4


@pytest.mark.parametrize(("phi", "wanted"), [(np.pi / 2, 0.7713115), (np.pi, 0.4471993)])
def test_short_junction_with_a_barrier(phi, wanted):
    """tau = 0.8 on one N site between 1000 S sites; E = Delta sqrt(1 - tau sin(phi/2)**2) to first order in Delta."""
    delta = 0.02
    layers = [
        bdg.lattices.Layer(1000, delta=delta),
        bdg.lattices.Layer(1),
        bdg.lattices.Layer(1000, delta=delta, phase=phi),
    ]
    system = bdg.lattices.stack(layers, barrier=(0, 1.0))
    states = bdg.bound_states(system, 2)
    assert abs(states.energies[0]) / delta == pytest.approx(wanted, abs=1e-6)
    assert abs(states.energies[0]) / delta == pytest.approx(np.sqrt(1 - 0.8 * np.sin(phi / 2) ** 2), abs=0.3 * delta)


def test_classical_spin_through_two_orbitals():
    """J (Delta - E) = kappa sqrt(kappa**2 + 4), both signs of E."""
    n, delta, J = 201, 0.4, 1.5
    onsite = np.zeros((n, 2, 2))
    onsite[n // 2] = J * SIGMA_Z
    h = np.kron(chain_matrix(np.zeros(n), -np.ones(n - 1)), SIGMA_0)
    h += scipy.linalg.block_diag(*onsite)
    system = bdg.lattices.from_hamiltonian(h, np.arange(n)[:, None], norbs=2, delta=delta)
    states = bdg.bound_states(system, 2)
    energy = abs(states.energies[0])
    kappa = np.sqrt(delta**2 - energy**2)
    defect = min(abs(J * (delta - s * energy) - kappa * np.sqrt(kappa**2 + 4)) for s in (1, -1))
    assert defect < 1e-7
    assert_allclose(states.energies, [-energy, energy], atol=1e-10)
    assert states.u.shape == (n, 2, 2)


@pytest.mark.parametrize("method", ["dense", "shift_invert"])
@pytest.mark.parametrize("phases", [{}, {0: 0.4, 1: -1.1, 2: 2.0}])
def test_composite_states_and_amplitudes_against_dense_algebra(method, phases):
    """Disorder, interfaces, barriers of two phases, grains with phases: levels, completeness, counts and F."""
    system = bdg.lattices.grain_composite(
        (16, 16, 14),
        2,
        volume_fraction=0.2,
        diameter=(5, 6),
        delta=0.4,
        disorder=1.5,
        transparency=0.6,
        host=dict(fraction=0.5, correlation_length=4, onsite=0.5),
        seed=5,
    ).with_phases({grain: phi for grain, phi in phases.items()})
    assert system.n_sites == 448
    assert system.n_grains >= 3
    matrix = system_bdg(system)
    levels = np.linalg.eigvalsh(matrix)
    states = bdg.bound_states(system, 20, method=method, seed=1)
    assert_allclose(np.abs(states.energies), np.sort(np.abs(levels))[:20], atol=1e-9)
    assert states.complete
    assert states.count == 20
    assert np.iscomplexobj(states.u) == bool(phases)
    assert bdg.count_states(system, 0.3).count == np.sum(np.abs(levels) < 0.3)
    sites = np.flatnonzero(system.grain == -1)[::40]
    wanted = reference_amplitude(matrix, 1, 0.07)
    largest = np.abs(wanted[sites]).max()
    found = bdg.pair_amplitude(
        system, 0.07, sites=sites, method="chebyshev" if method != "dense" else "dense", tol=1e-4
    )
    deviation = np.abs(found.values - wanted[sites]).max()
    assert deviation <= found.error + 1e-13
    assert found.error <= 1e-4 * largest


@pytest.mark.parametrize("call", ["bound_states", "pair_amplitude"])
def test_a_dense_matrix_that_does_not_fit_is_refused(call):
    system = bdg.lattices.stack([bdg.lattices.Layer(300_000, delta=0.1)])
    with pytest.raises(bdg.MemoryBudgetError, match="GiB.*fit"):
        getattr(bdg, call)(system, 1, method="dense")


@pytest.mark.parametrize("call", ["bound_states", "pair_amplitude", "count_states"])
def test_asking_for_a_gpu_never_falls_back(call):
    h, delta, positions = random_chain()
    system = bdg.lattices.from_hamiltonian(h, positions, delta=delta)
    try:
        result = getattr(bdg, call)(system, 1, device="gpu")
    except bdg.BackendUnavailableError as error:
        assert "cpu" in str(error)
    else:
        assert result.evidence.device == "gpu"


@pytest.mark.parametrize("method", ["lanczos", "chebyshev"])
def test_methods_of_bound_states_to_come_are_named(method):
    """Solved, or refused with the methods that are there."""
    h, delta, positions = random_chain()
    system = bdg.lattices.from_hamiltonian(h, positions, delta=delta)
    try:
        states = bdg.bound_states(system, 4, method=method)
    except ValueError as error:
        assert "shift_invert" in str(error)
    else:
        assert_allclose(np.abs(states.energies), np.abs(lowest(system_bdg(system), 4)), atol=1e-9)


# -------------------------------------------------------------------------------------------------- count_states
def test_count_states_by_inertia():
    for system in (
        bdg.lattices.from_hamiltonian(*[random_chain(30)[i] for i in (0, 2)], delta=random_chain(30)[1]),
        bdg.lattices.from_hamiltonian(*[random_spinful(14)[i] for i in (0, 2)], norbs=2, delta=random_spinful(14)[1]),
    ):
        levels = np.abs(np.linalg.eigvalsh(system_bdg(system)))
        for energy in (0.05, 0.4, 1.3, 50.0):
            result = bdg.count_states(system, energy)
            assert isinstance(result.count, int)
            assert result.count == np.sum(levels < energy)
            assert result.evidence is not None
    with pytest.raises(ValueError, match="energy"):
        bdg.count_states(system, -0.1)
    with pytest.raises(ValueError, match="energy"):
        bdg.count_states(system, np.nan)


# ------------------------------------------------------------------------------------------------ pair_amplitude
@pytest.mark.parametrize("method", ["dense", "chebyshev", "auto"])
@pytest.mark.parametrize("norbs", [1, 2])
def test_pair_amplitude_against_dense_algebra(method, norbs):
    h, delta, positions = random_chain(20) if norbs == 1 else random_spinful(10)
    system = bdg.lattices.from_hamiltonian(h, positions, norbs=norbs, delta=delta)
    wanted = reference_amplitude(system_bdg(system), norbs, 0.15)
    result = bdg.pair_amplitude(system, 0.15, method=method, tol=1e-8)
    assert result.values.shape == (system.n_sites,)
    assert np.iscomplexobj(result.values)
    assert isinstance(result.error, float)
    assert np.abs(result.values - wanted).max() <= max(result.error, 1e-13)
    assert result.error <= 1e-8 * np.abs(wanted).max() + 1e-12
    assert result.temperature == 0.15
    chosen = [7, 2, 5]
    some = bdg.pair_amplitude(system, 0.15, sites=chosen, method=method)
    assert_array_equal(some.sites, chosen)
    assert some.values.shape == (3,)
    assert np.abs(some.values - wanted[chosen]).max() <= max(some.error, 1e-13)
    assert some.error <= 1e-6 * np.abs(wanted).max()
    if method != "auto":
        assert method in str(some.evidence.method)


def test_pair_amplitude_of_spins_and_of_both_forms():
    """A spin-degenerate system: the same F through norbs = 1 and norbs = 2; and through bond pairing alone."""
    h, delta, positions = random_chain(8)
    one = bdg.lattices.from_hamiltonian(h.real, positions, delta=delta)
    two = bdg.lattices.from_hamiltonian(np.kron(h.real, SIGMA_0), positions, norbs=2, delta=delta)
    a, b = bdg.pair_amplitude(one, 0.08).values, bdg.pair_amplitude(two, 0.08).values
    assert_allclose(a, b, atol=1e-12)
    bond = np.zeros((8, 8), complex)
    for i in range(7):
        bond[i, i + 1] = bond[i + 1, i] = 0.2j * (i + 1) / 8
    paired = bdg.lattices.from_hamiltonian(h, positions, pairing=bond)
    wanted = reference_amplitude(reference_bdg(h, bond, 1), 1, 0.08)
    assert_allclose(bdg.pair_amplitude(paired, 0.08).values, wanted, atol=1e-12)
    assert np.abs(wanted).max() > 1e-3


def test_pair_amplitude_of_the_uniform_torus():
    """F = mean of Delta tanh(E/2T) / 2E."""
    h, positions = square_torus(7, 6, mu=-0.5)
    delta = 0.3 * np.exp(0.4j)
    system = bdg.lattices.from_hamiltonian(h, positions, delta=delta)
    energies = np.sqrt(np.linalg.eigvalsh(h) ** 2 + 0.09)
    for temperature in (0.0, 0.02, 0.4):
        weight = np.tanh(energies / (2 * temperature)) if temperature else 1.0
        wanted = np.mean(delta / (2 * energies) * weight)
        method = "auto" if temperature else "dense"
        assert_allclose(bdg.pair_amplitude(system, temperature, method=method).values, wanted, atol=1e-12)


def test_pair_amplitude_bad_input():
    h, delta, positions = random_chain()
    system = bdg.lattices.from_hamiltonian(h, positions, delta=delta)
    with pytest.raises(ValueError, match="temperature"):
        bdg.pair_amplitude(system, -0.1)
    with pytest.raises(ValueError, match="temperature"):
        bdg.pair_amplitude(system, np.nan)
    with pytest.raises(ValueError, match=r"temperature.*\d\.?\d*"):
        bdg.pair_amplitude(system, 0, method="chebyshev")
    with pytest.raises((ValueError, IndexError), match="sites"):
        bdg.pair_amplitude(system, 0.1, sites=[9])
    with pytest.raises((ValueError, TypeError), match="sites"):
        bdg.pair_amplitude(system, 0.1, sites=[0.5])
    with pytest.raises(ValueError, match="method.*chebyshev"):
        bdg.pair_amplitude(system, 0.1, method="magic")
    with pytest.raises(ValueError, match="tol"):
        bdg.pair_amplitude(system, 0.1, tol=0)


# ---------------------------------------------------------------------------------------------- proximity_length
def flat_system(n_host=80, a=0.5, ny=3):
    layers = [bdg.lattices.Layer(10, delta=0.1), bdg.lattices.Layer(n_host)]
    system = bdg.lattices.stack(layers, (ny,), spacing=a, mu=-0.5)
    x = system.positions[:, 0] - system.positions[system.grain == 0, 0].max()
    return system, x


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


# --------------------------------------------------------------------------------------- evidence, save, load, plot
def results():
    system, x = flat_system(30)
    amplitude = bdg.pair_amplitude(system, 0.05)
    return {
        "bound_states": bdg.bound_states(system, 6),
        "count_states": bdg.count_states(system, 0.05),
        "pair_amplitude": amplitude,
        "proximity_length": bdg.proximity_length(system, amplitude, mean_free_path=4.0),
    }


@pytest.mark.parametrize("name", ["bound_states", "count_states", "pair_amplitude", "proximity_length"])
def test_every_result_carries_evidence_saves_loads_and_plots(name, tmp_path):
    result = results()[name]
    for word in ("method", "device", "dtype", "seconds"):
        assert getattr(result.evidence, word) is not None, word
    assert result.evidence.seconds >= 0
    assert dataclasses.is_dataclass(result)
    with pytest.raises(AttributeError):
        result.evidence = None

    path = tmp_path / f"{name}.h5"
    result.save(path)
    again = bdg.load(path)
    assert type(again) is type(result)
    for field in dataclasses.fields(result):
        old, new = getattr(result, field.name), getattr(again, field.name)
        if isinstance(old, np.ndarray):
            assert_array_equal(new, old)
            assert new.dtype == old.dtype
        elif isinstance(old, (bool, int, float, str)):
            assert new == old
            assert isinstance(new, (str, bool, int, float))
        elif isinstance(old, dict):
            assert new == old
    assert again.evidence.method == result.evidence.method
    assert again.evidence.seconds == result.evidence.seconds

    for each in (result, again):
        figure = each.plot()
        assert isinstance(figure, matplotlib.figure.Figure)
        assert figure.axes
        for axes in figure.axes[:1]:
            assert axes.get_xlabel() or axes.get_ylabel()
        figure.savefig(tmp_path / "figure.png")
        plt.close(figure)


def test_saved_results_describe_themselves(tmp_path):
    h5py = pytest.importorskip("h5py")
    for name, result in results().items():
        result.save(tmp_path / f"{name}.h5")
    two_island_system().save(tmp_path / "system.h5")
    for path in tmp_path.glob("*.h5"):
        with h5py.File(path) as file:
            missing = []

            def visit(key, item, missing=missing):
                if isinstance(item, h5py.Dataset) and not {"unit", "description"} <= set(item.attrs):
                    missing.append(key)

            file.visititems(visit)
            assert not missing, (path.name, missing)
            assert any("version" in key for key in file.attrs), list(file.attrs)


def test_a_newer_format_is_refused(tmp_path):
    h5py = pytest.importorskip("h5py")
    path = tmp_path / "states.h5"
    results()["bound_states"].save(path)
    with h5py.File(path, "r+") as file:
        key = next(key for key in file.attrs if "version" in key and "format" in key)
        file.attrs[key] = int(file.attrs[key]) + 1
    with pytest.raises(bdg.ResultFileError, match="newer"):
        bdg.load(path)


def test_module_runs_as_a_command():
    environment = os.environ | {"PYTHONWARNINGS": "default"}
    module = subprocess.run([sys.executable, "-m", "bdg", "info"], capture_output=True, text=True, env=environment)
    assert module.returncode == 0, module.stderr
    assert bdg.__version__ in module.stdout
    for word in ("numpy", "scipy", "kwant"):
        assert word in module.stdout.lower()
