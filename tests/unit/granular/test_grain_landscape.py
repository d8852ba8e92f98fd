"""The landscape of grain phases: dense eigenvalues, differences, second order in Delta, gauge, pairs, parts, files."""

import dataclasses

import numpy as np
import pytest
from numpy.testing import assert_allclose

import bdg

T = 0.06


def grains_in_a_film(norbs=1, is_complex=False, seed=0, host=0.0, shape=(7, 5), delta=0.4):
    """Three grains in a disordered film; with flux, spin-orbit coupling and a field where that is asked for."""
    rng = np.random.default_rng(seed)
    positions = np.argwhere(np.ones(shape)).astype(float)
    size = len(positions)
    near = abs(positions[:, None] - positions[None]).sum(-1) == 1
    h = -near.astype(float)
    if is_complex:
        turn = np.triu(rng.uniform(-1, 1, (size, size)), 1)
        h = h * np.exp(1j * (turn - turn.T))
    h = h + np.diag(rng.uniform(-1, 1, size))
    if norbs == 2:
        orbit = np.triu(rng.uniform(-0.4, 0.4, (size, size)), 1) * near
        field = 0.2 * np.diag([1.0, -1.0])
        h = np.kron(h, np.eye(2)) + np.kron(orbit - orbit.T, [[0, 1], [0, 0]]) + np.kron(np.eye(size), field)
        h = h + np.kron(orbit - orbit.T, [[0, 1], [0, 0]]).T
    x, y = positions.T
    grain = np.select([(x < 2) & (y < 2), x == shape[0] - 1, (x == 3) & (y > 2)], [0, 1, 2], -1)
    values = np.where(grain >= 0, delta * rng.uniform(0.7, 1.3, size), host)
    if is_complex:
        values = values * np.exp(1j * rng.uniform(0, 1, size))
    return bdg.lattices.from_hamiltonian(h, positions, norbs=norbs, delta=values, grain=grain)


def bond_paired(norbs=1):
    """Two grains with pairing on the bonds within each, singular as a matrix on each grain."""
    size = 12
    h = -(np.eye(size, k=1) + np.eye(size, k=-1)) + np.diag(np.linspace(-0.3, 0.4, size))
    pairing = np.zeros((size, size))
    for i in (0, 1, 9, 10):
        pairing[i, i + 1] = pairing[i + 1, i] = 0.3
    if norbs == 2:
        h, pairing = (np.kron(x, np.eye(2)) for x in (h, pairing))
    grain = np.select([np.arange(size) < 3, np.arange(size) > 8], [0, 1], -1)
    return bdg.lattices.from_hamiltonian(h, np.arange(size), norbs=norbs, pairing=pairing, grain=grain)


def dense_free_energy(system, phases, temperature=T):
    energies = np.linalg.eigvalsh(bdg.BdGHamiltonian(system.with_phases(phases)).matrix.toarray())
    return -temperature * np.logaddexp(energies / 2 / temperature, -energies / 2 / temperature).sum() / system.norbs


KINDS = {
    "real": grains_in_a_film(),
    "flux": grains_in_a_film(is_complex=True),
    "spins": grains_in_a_film(norbs=2),
    "spins, flux": grains_in_a_film(norbs=2, is_complex=True),
    "host pairs": grains_in_a_film(host=0.1),
    "bonds": bond_paired(),
    "bonds, spins": bond_paired(norbs=2),
}
PHASES = np.random.default_rng(3).uniform(-4, 4, (3, 3))


@pytest.fixture(params=KINDS)
def system(request):
    return KINDS[request.param]


@pytest.fixture
def landscape(system):
    return bdg.grain_landscape(system, T)


def test_free_energies_are_those_of_dense_levels(system, landscape):
    phases = PHASES[:, : system.n_grains]
    expected = [dense_free_energy(system, p) - dense_free_energy(system, 0 * p) for p in phases]
    found = landscape.free_energy(phases)
    assert_allclose(found, expected, rtol=0, atol=landscape.error + 1e-12)  # rounding of eigenvalues
    assert landscape.error < 1e-9
    assert landscape.free_energy(phases[0]) == found[0]


def test_gradient_and_hessian_are_those_of_differences(system, landscape):
    """Central differences of eighth order, step 0.2: what is left is far below 1e-9 of F."""
    phases = PHASES[0, : system.n_grains]
    steps = 0.2 * np.array([1, 2, 3, 4])
    weights = np.array([4 / 5, -1 / 5, 4 / 105, -1 / 280]) / 0.2
    unit = np.eye(system.n_grains)
    for function, derivative in ((landscape.free_energy, landscape.gradient), (landscape.gradient, landscape.hessian)):
        expected = sum(
            w * (function(phases + s * unit) - function(phases - s * unit)) for s, w in zip(steps, weights, strict=True)
        )
        assert_allclose(derivative(phases), expected, rtol=0, atol=1e-7)
    curvature = landscape.hessian(phases)
    assert_allclose(curvature, curvature.T, atol=1e-12)


def test_a_common_phase_is_a_gauge_where_the_grains_hold_all_pairing(system, landscape):
    sums = landscape.hessian(PHASES[:, : system.n_grains]).sum(-1)
    complete = bool((system.grain[abs(system.delta) > 0] >= 0).all())
    assert (abs(sums).max() < 1e-12) == complete


def test_a_gauge_transformation_of_h_moves_the_phases(landscape, system):
    """``h -> u h u^+`` and ``Delta -> u Delta u``, u constant on each grain, turns its phase by twice that of u."""
    if system.pairing is not None:
        return
    turn = np.array([0.3, -0.7, 1.1])
    angle = np.where(system.grain >= 0, turn[system.grain], 0.2)
    u = np.exp(1j * np.repeat(angle, system.norbs))
    moved = bdg.lattices.from_hamiltonian(
        u[:, None] * system.hamiltonian.toarray() * u.conj(),
        system.positions,
        norbs=system.norbs,
        delta=system.delta * np.where(system.grain >= 0, 1.0, np.exp(2j * angle)),
        grain=system.grain,
    )
    other = bdg.grain_landscape(moved, T)
    expected = landscape.gradient(PHASES - 2 * turn)
    assert_allclose(other.gradient(PHASES), expected, rtol=0, atol=landscape.error + other.error)


def test_pairs_are_parts_of_two_grains(system, landscape):
    for i, j in ((0, 1), (1, 0)):
        part = landscape.only([i, j])
        assert part.grains.tolist() == [i, j]
        assert landscape.pairs[i, j] == pytest.approx(-part.hessian()[0, 1], abs=1e-14)
    assert not np.diag(landscape.pairs).any()


def test_other_grains_become_normal(system, landscape):
    """The part of two grains is the landscape of the system without the pairing of the third."""
    if system.n_grains < 3:
        return
    left = [2, 0]
    reduced = system.with_delta(np.where(system.grain == 1, 0.0, system.delta))
    expected = bdg.grain_landscape(reduced, T, grains=left)
    found = landscape.only(left)
    assert_allclose(found.free_energy(PHASES[:, :2]), expected.free_energy(PHASES[:, :2]), rtol=0, atol=found.error)
    assert_allclose(
        found.only([1]).gradient([0.4]), bdg.grain_landscape(reduced, T).only([0]).gradient([0.4]), atol=1e-12
    )


def test_grains_that_are_not_named_keep_their_phase(system, landscape):
    if system.n_grains < 3:
        return
    some = bdg.grain_landscape(system, T, grains=[2, 0])
    whole = np.zeros((3, 3))
    whole[:, [2, 0]] = PHASES[:, :2]
    assert_allclose(some.free_energy(PHASES[:, :2]), landscape.free_energy(whole), rtol=0, atol=some.error)


@pytest.mark.parametrize("kind", ["real", "flux", "spins", "host pairs", "bonds"])
@pytest.mark.parametrize("grains", [[0, 1], [1, 0, 2]])
def test_harmonics_are_those_of_phase_harmonics(kind, grains):
    system = KINDS[kind]
    if max(grains) >= system.n_grains:
        return
    found = bdg.grain_landscape(system, T).harmonics(grains, points=8)
    expected = bdg.phase_harmonics(system, grains, T, points=8, method="dense")
    assert found.terms.keys() == expected.terms.keys()
    for order, value in expected.terms.items():
        assert found.terms[order] == pytest.approx(value, abs=1e-9)
    assert_allclose(found.weights, expected.weights, atol=1e-9)
    assert found.error == pytest.approx(expected.error, abs=1e-9) and found.grains.tolist() == grains


def test_a_pair_of_many_harmonics_adds_their_squares():
    """-F'' = sum_n n^2 E_n: E_J + 4 E_2 + .. of a clear junction."""
    system = bdg.lattices.stack(
        [bdg.lattices.Layer(8, delta=0.4), bdg.lattices.Layer(2), bdg.lattices.Layer(8, delta=0.4)], mu=0.3
    )
    found = bdg.grain_landscape(system, 0.06)
    terms = found.harmonics([0, 1], tol=1e-9).terms
    expected = -sum(n[0] ** 2 * value for n, value in terms.items())
    assert found.pairs[0, 1] == pytest.approx(expected, rel=1e-7)
    assert abs(terms[2, -2]) > 0.003 * abs(terms[1, -1])


@pytest.mark.parametrize("seed", range(8))
def test_second_order_in_delta_is_ferromagnetic(seed):
    r"""With real h ``-d2F/dphi_i dphi_j -> 4 T sum_w sum |G_ij Delta_i Delta_j|^2 > 0`` whatever the disorder."""
    system = grains_in_a_film(seed=seed, delta=1e-3)
    temperature = 0.05
    found = bdg.grain_landscape(system, temperature).pairs
    h = system.hamiltonian.toarray()
    energies, vectors = np.linalg.eigh(h)
    expected = np.zeros((3, 3))
    for w in np.pi * temperature * (2 * np.arange(400) + 1):
        green = (vectors / (1j * w - energies)) @ vectors.T
        weight = abs(green) ** 2 * np.outer(system.delta, system.delta)
        for i in range(3):
            for j in range(3):
                expected[i, j] += 4 * temperature * weight[np.ix_(system.grain == i, system.grain == j)].sum()
    off = ~np.eye(3, dtype=bool)
    assert (found[off] > 0).all()
    assert_allclose(
        found[off], expected[off], rtol=1e-4
    )  # of order Delta^2; a sum between sites that do not touch ends soon


def test_flux_can_frustrate_a_pair():
    """A pair joined by two paths around half a flux quantum: its first harmonic changes sign or vanishes."""

    def ring(flux):
        h = np.zeros((8, 8), dtype=complex)
        for i in range(8):
            h[(i + 1) % 8, i] = -np.exp(1j * flux / 8)
        delta = np.where(np.isin(np.arange(8), [0, 4]), 0.2, 0)
        return bdg.lattices.from_hamiltonian(h + h.conj().T, np.arange(8), delta=delta)

    couplings = [bdg.grain_landscape(ring(flux), 0.05).pairs[0, 1] for flux in (0.0, np.pi)]
    assert couplings[1] < 0.2 * couplings[0]


def test_many_points_are_the_points_one_by_one(monkeypatch):
    found = bdg.grain_landscape(KINDS["flux"], T)
    points = np.random.default_rng(0).uniform(0, 6, (23, 3))
    whole = [found.free_energy(points), found.gradient(points), found.hessian(points)]
    monkeypatch.setattr("bdg.granular.phase_determinants._CHUNK_BYTES", 1)
    single = bdg.grain_landscape(KINDS["flux"], T)
    for one, all_ in zip(
        [single.free_energy(points), single.gradient(points), single.hessian(points)], whole, strict=True
    ):
        assert_allclose(one, all_, rtol=0, atol=1e-13)


def test_poles_without_influence_are_left_out_and_counted_in_the_error():
    """Grains far apart at a high temperature: only low frequencies reach from one to the other."""
    delta = np.zeros(40)
    delta[[2, 37]] = 0.3
    system = bdg.lattices.from_hamiltonian(-(np.eye(40, k=1) + np.eye(40, k=-1)), np.arange(40), delta=delta)
    found = bdg.grain_landscape(system, 0.2)
    assert found.evidence.poles_left_out > 0
    expected = dense_free_energy(system, [0, 2.0], 0.2) - dense_free_energy(system, [0, 0], 0.2)
    assert found.free_energy([0, 2.0]) == pytest.approx(expected, abs=found.error + 1e-13)


def test_grains_without_pairing_feel_nothing():
    system = grains_in_a_film()
    system = system.with_delta(np.where(system.grain == 1, 0, system.delta))
    found = bdg.grain_landscape(system, T)
    assert not found.gradient(PHASES)[:, 1].any() and not found.pairs[1].any()


def test_a_file_gives_the_same_landscape(tmp_path):
    found = bdg.grain_landscape(KINDS["spins, flux"], T)
    found.save(tmp_path / "landscape.h5")
    again = bdg.load(tmp_path / "landscape.h5")
    assert isinstance(again, bdg.GrainLandscape) and again.error == found.error
    assert np.array_equal(again.gradient(PHASES), found.gradient(PHASES))
    assert again.harmonics([0, 1], points=4).terms == found.harmonics([0, 1], points=4).terms
    found.plot().savefig(tmp_path / "landscape.png")


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"temperature": 0}, r"temperature must be > 0: .*phase_harmonics"),
        ({"temperature": -1}, r"temperature"),
        ({"grains": [0, 3]}, r"grains names 3, but there are 3 grains"),
        ({"grains": [0, 0]}, r"differ from each other; got \[0, 0\]"),
        ({"grains": []}, r"at least one"),
        ({"system": grains_in_a_film(delta=0.0)}, r"no grain that pairs"),
    ],
)
def test_arguments_are_checked(change, message):
    arguments = {"system": KINDS["real"], "temperature": T, "grains": None, **change}
    with pytest.raises(ValueError, match=message):
        bdg.grain_landscape(arguments["system"], arguments["temperature"], grains=arguments["grains"])


def test_bonds_between_grains_are_refused():
    system = bond_paired()
    system = dataclasses.replace(system, grain=np.where(np.arange(12) == 2, 1, system.grain))
    with pytest.raises(ValueError, match="period\\s+4 pi"):
        bdg.grain_landscape(system, T)


@pytest.mark.parametrize("phases", [[0, 1], np.zeros((2, 2, 3)), [0, np.nan, 1], "abc"])
def test_phases_of_another_shape_are_refused(phases):
    found = bdg.grain_landscape(KINDS["real"], T)
    with pytest.raises((TypeError, ValueError), match="phases must be"):
        found.free_energy(phases)
