"""Every field and method of System against numbers found another way."""

import subprocess
import sys
import textwrap

import numpy as np
import pytest
import scipy.sparse as sp
from hypothesis import given
from hypothesis import strategies as st

from bdg.lattices import Layer, Lead, ResultFileError, System, from_hamiltonian, load, stack
from bdg.lattices.geometry import label_connected, minimum_image, nearest_distance, periodic_tree, wrap
from bdg.lattices.nambu import (
    SIGMA_0,
    SIGMA_X,
    SIGMA_Y,
    SIGMA_Z,
    hole_block,
    pairing_matrix,
    pairing_partner,
    particle_hole,
    phase_factor,
    spin_flip,
)
from bdg.lattices.storage import write_file


def chain(size, **arguments):
    hopping = -np.eye(size, k=1) - np.eye(size, k=-1)
    return from_hamiltonian(hopping, np.arange(float(size)), **arguments)


def random_hermitian(size, rng, real=False):
    matrix = rng.normal(size=(size, size)) + (0 if real else 1j * rng.normal(size=(size, size)))
    return matrix + matrix.conj().T


def random_pairing(size, norbs, rng):
    """Random D that obeys Fermi statistics: D + D^T, or D + sigma_y D^T sigma_y."""
    matrix = rng.normal(size=(norbs * size,) * 2) + 1j * rng.normal(size=(norbs * size,) * 2)
    flip = np.kron(np.eye(size), SIGMA_Y) if norbs == 2 else np.eye(size)
    return matrix + flip @ matrix.T @ flip


def random_system(norbs=1, seed=0, size=6):
    rng = np.random.default_rng(seed)
    lead = Lead(
        random_hermitian(2 * norbs, rng), rng.normal(size=(2 * norbs, norbs)) + 0j, np.array([4, 0]), norbs, 0.3 - 0.1j
    )
    return System(
        hamiltonian=random_hermitian(norbs * size, rng),
        positions=rng.normal(size=(size, 3)),
        delta=rng.normal(size=size) + 1j * rng.normal(size=size),
        pairing=random_pairing(size, norbs, rng),
        attraction=rng.uniform(size=size),
        grain=[1, 0, -1, 1, 0, -1],
        period=(None, 7.5, 20.0),
        norbs=norbs,
        leads=(lead, Lead(np.eye(norbs), np.eye(norbs), np.array([1]), norbs)),
        info={"seed": 5, "centres": rng.normal(size=(2, 3)), "name": "test", "host": {"onsite": None, "sizes": [1, 2]}},
    )


# ---------------------------------------------------------------------------------------------------------- fields


def test_defaults():
    system = chain(3)
    assert (system.norbs, system.n_sites, system.n_grains, system.leads) == (1, 3, 0, ())
    assert system.pairing is None
    assert system.period == (None,)
    assert system.positions.shape == (3, 1)
    np.testing.assert_array_equal(system.grain, [-1, -1, -1])
    assert system.grain.dtype == np.int64
    assert (system.delta.dtype, system.attraction.dtype, system.hamiltonian.dtype) == (float, float, float)


def test_arrays_are_own_copies_and_read_only():
    h, delta, positions = np.eye(3), np.ones(3), np.arange(3.0)
    system = from_hamiltonian(h, positions, delta=delta, attraction=delta, pairing=np.eye(3), grain=[0, 0, 0])
    h[:], delta[:], positions[:] = 7, 7, 7
    assert system.hamiltonian[0, 0] == 1
    assert (system.delta == 1).all()
    assert system.positions[2, 0] == 2
    arrays = [system.delta, system.attraction, system.grain, system.positions]
    arrays += [system.hamiltonian.data, system.hamiltonian.indices, system.pairing.data]
    arrays += [system.with_delta(2.0).delta, random_system().leads[0].hopping]
    for array in arrays:
        with pytest.raises(ValueError, match="read-only"):
            array[0] = 3
    with pytest.raises(AttributeError):
        system.norbs = 2


@pytest.mark.parametrize(("onsite", "real"), [(0.0, True), (1e-30j, False)])
def test_values_are_real_if_they_can_be(onsite, real):
    h = np.array([[1, onsite], [np.conj(onsite), 1]], dtype=complex)
    system = from_hamiltonian(h, [0.0, 1.0], delta=np.array([0.1 + 0j, 0.2]))
    assert (system.hamiltonian.dtype == float) == real
    assert system.is_real == real
    assert system.delta.dtype == float
    assert not from_hamiltonian(h, [0.0, 1.0], delta=0.1j).is_real
    assert not from_hamiltonian(h, [0.0, 1.0], pairing=1j * np.eye(2)).is_real


def test_duplicates_are_added_and_zeros_dropped():
    h = sp.coo_matrix(([1.0, 2.0, 0.5, 0.5, 0.0, 0.0], ([0, 0, 0, 1, 1, 2], [0, 0, 1, 0, 2, 1])), shape=(3, 3))
    system = from_hamiltonian(h, np.arange(3.0))
    np.testing.assert_array_equal(system.hamiltonian.toarray(), [[3, 0.5, 0], [0.5, 0, 0], [0, 0, 0]])
    assert system.hamiltonian.nnz == 3
    assert system.hamiltonian.has_sorted_indices


def test_default_grains_follow_hopping_and_bond_pairing():
    h = np.zeros((5, 5))
    h[0, 1] = h[1, 0] = -1
    pairing = np.zeros((5, 5))
    pairing[3, 4] = pairing[4, 3] = 0.1
    system = from_hamiltonian(h, np.arange(5.0), delta=[1, 1, 0, 1, 0], attraction=[0, 0, 0, 0, 1], pairing=pairing)
    np.testing.assert_array_equal(system.grain, [0, 0, -1, 1, 1])
    np.testing.assert_array_equal(system.adjacency.toarray(), (np.abs(h) + np.abs(pairing) > 0).astype(int))


def test_adjacency_of_two_spins_is_between_sites():
    h = np.zeros((6, 6))
    h[0, 1] = h[1, 0] = 1  # within site 0
    h[1, 4] = h[4, 1] = 1  # site 0 up/down to site 2
    system = from_hamiltonian(h, np.arange(3.0), norbs=2)
    expected = np.zeros((3, 3))
    expected[0, 2] = expected[2, 0] = 1
    np.testing.assert_array_equal(system.adjacency.toarray(), expected)


def test_displacements_take_the_nearest_image():
    system = from_hamiltonian(np.eye(3), [[0.0, 0], [9, 9], [4, 4]], period=(10, None))
    np.testing.assert_array_equal(system.displacement(0, 1), [-1, 9])
    np.testing.assert_array_equal(system.displacement(np.array([1, 0]), np.array([0, 2])), [[1, -9], [4, 4]])


@pytest.mark.parametrize("norbs", [1, 2])
def test_the_pairing_block_is_delta_on_the_diagonal_plus_pairing(norbs):
    system = random_system(norbs)
    expected = np.kron(np.diag(system.delta), np.eye(norbs)) + system.pairing.toarray()
    np.testing.assert_allclose(system.pairing_block.toarray(), expected, rtol=0, atol=1e-15)


# --------------------------------------------------------------------------------------------------------- methods


def test_with_delta_replaces_by_number_array_or_function():
    system = chain(4, delta=[0, 1, 1, 0])
    np.testing.assert_array_equal(system.with_delta(0.5j).delta, [0.5j] * 4)
    np.testing.assert_array_equal(system.with_delta([1, 2, 3, 4]).delta, [1, 2, 3, 4])
    np.testing.assert_array_equal(system.with_delta(lambda site: site.index * site.pos[0]).delta, [0, 1, 4, 9])
    changed = system.with_delta(0.7)
    assert changed.hamiltonian is system.hamiltonian
    np.testing.assert_array_equal(changed.grain, system.grain)  # grains are places, not values
    np.testing.assert_array_equal(system.delta, [0, 1, 1, 0])


@pytest.mark.parametrize("norbs", [1, 2])
def test_with_phases_turns_delta_and_bond_pairing_like_a_gauge_transformation(norbs):
    system = random_system(norbs)
    phi = np.array([0.3, -1.1])
    site_phase = np.array([phi[1], phi[0], 0, phi[1], phi[0], 0])
    for turned in (system.with_phases({0: 0.3, 1: -1.1}), system.with_phases(phi), system.with_phases(list(phi))):
        np.testing.assert_allclose(turned.delta, system.delta * np.exp(1j * site_phase), rtol=0, atol=1e-15)
        half = np.repeat(np.exp(0.5j * site_phase), norbs)
        expected = half[:, None] * system.pairing.toarray() * half[None, :]
        np.testing.assert_allclose(turned.pairing.toarray(), expected, rtol=0, atol=1e-14)
    # one grain only, named by a NumPy integer
    one = system.with_phases({np.int64(1): 0.4})
    np.testing.assert_allclose(one.delta, system.delta * np.exp([0.4j, 0, 0, 0.4j, 0, 0]), rtol=0, atol=1e-15)


@given(phi=st.floats(-20, 20), theta=st.floats(-20, 20))
def test_a_common_phase_of_all_sites_changes_no_level(phi, theta):
    """Sites of one grain everywhere: D -> D exp(i phi) is a gauge transformation; phases add up."""
    system = stack([Layer(3, delta=0.4, phase=0.2)])
    turned = system.with_phases([phi]).with_phases({0: theta})

    def levels(system):
        h, d = system.hamiltonian.toarray(), system.pairing_block.toarray()
        return np.linalg.eigvalsh(np.block([[h, d], [d.conj().T, -h.conj()]]))

    np.testing.assert_allclose(levels(turned), levels(system), rtol=0, atol=1e-12)
    np.testing.assert_allclose(turned.delta, system.delta * np.exp(1j * (phi + theta)), rtol=0, atol=1e-12)


def test_phases_that_are_multiples_of_pi_keep_the_system_real():
    system = stack([Layer(2, delta=0.3), Layer(1), Layer(2, delta=0.3)])
    turned = system.with_phases({1: np.pi})
    assert turned.is_real
    np.testing.assert_array_equal(turned.delta, [0.3, 0.3, 0, -0.3, -0.3])
    assert not system.with_phases({1: 1.0}).is_real
    assert stack([Layer(2)]).with_phases([]).n_grains == 0


@pytest.mark.parametrize("norbs", [1, 2])
def test_with_onsite_adds_numbers_arrays_and_functions(norbs):
    system = random_system(norbs)
    for values, expected in [
        (0.5, [0.5] * 6),
        (np.arange(6), np.arange(6)),
        (lambda site: site.pos[0] + site.index, system.positions[:, 0] + np.arange(6)),
    ]:
        difference = (system.with_onsite(values).hamiltonian - system.hamiltonian).toarray()
        np.testing.assert_allclose(difference, np.diag(np.repeat(expected, norbs)), rtol=0, atol=1e-14)


def test_with_onsite_adds_spin_matrices():
    system = chain(2, norbs=1)
    spinful = from_hamiltonian(np.kron(system.hamiltonian.toarray(), SIGMA_0), [0.0, 1.0], norbs=2)
    zeeman = 0.3 * SIGMA_X + 0.2 * SIGMA_Y - 0.1 * SIGMA_Z
    added = spinful.with_onsite(zeeman).hamiltonian - spinful.hamiltonian
    np.testing.assert_allclose(added.toarray(), np.kron(np.eye(2), zeeman), rtol=0, atol=1e-16)
    texture = np.array([zeeman, 2 * SIGMA_Z])
    expected = np.block([[zeeman, 0 * SIGMA_0], [0 * SIGMA_0, 2 * SIGMA_Z]])
    for values in (texture, lambda site: texture[site.index]):
        added = spinful.with_onsite(values).hamiltonian - spinful.hamiltonian
        np.testing.assert_allclose(added.toarray(), expected, rtol=0, atol=1e-16)
    assert spinful.with_onsite(SIGMA_X).is_real
    with pytest.raises(ValueError, match="not Hermitian"):
        spinful.with_onsite(np.array([[0, 1], [0, 0]]))
    with pytest.raises(ValueError, match=r"shape \(2,\); got shape \(2, 2\)"):
        system.with_onsite(SIGMA_X)
    with pytest.raises(TypeError, match="values must be numbers"):
        spinful.with_onsite(np.full((2, 2), "a"))


def test_methods_keep_what_they_do_not_change():
    system = random_system()
    for changed in (
        system.with_delta(1.0), system.with_phases([1.0, 2.0]), system.with_onsite(1.0), system.with_field([0, 0, 0.1])
    ):  # fmt: skip
        assert changed is not system
        assert changed.leads is system.leads
        assert changed.period == system.period
        assert changed.positions is system.positions
        assert changed.adjacency is system.adjacency  # symbolic work is shared
        np.testing.assert_array_equal(changed.attraction, system.attraction)


# ------------------------------------------------------------------------------------------------------ save, load


@pytest.mark.parametrize("norbs", [1, 2])
def test_a_saved_system_is_the_same_bit_by_bit(norbs, tmp_path):
    system = random_system(norbs)
    system.save(tmp_path / "system.h5")
    again = load(tmp_path / "system.h5")
    for name in ("hamiltonian", "pairing"):
        for part in ("data", "indices", "indptr"):
            first, second = getattr(getattr(system, name), part), getattr(getattr(again, name), part)
            assert first.dtype == second.dtype
            np.testing.assert_array_equal(first, second)
    for name in ("positions", "delta", "attraction", "grain"):
        first, second = getattr(system, name), getattr(again, name)
        assert first.dtype == second.dtype
        assert first.tobytes() == second.tobytes()
    assert (again.period, again.norbs) == (system.period, system.norbs)
    assert len(again.leads) == 2
    for first, second in zip(system.leads, again.leads, strict=True):
        for name in ("cell_hamiltonian", "hopping", "interface"):
            np.testing.assert_array_equal(getattr(first, name), getattr(second, name))
            assert getattr(first, name).dtype == getattr(second, name).dtype
        assert (first.norbs, first.delta) == (second.norbs, second.delta)
    centres = again.info.pop("centres")
    np.testing.assert_array_equal(centres, system.info["centres"])
    assert again.info == {"seed": 5, "name": "test", "host": {"onsite": None, "sizes": [1, 2]}}


def test_more_than_ten_leads_keep_their_order(tmp_path):
    leads = tuple(Lead(np.eye(1) * n, np.eye(1), np.array([0])) for n in range(12))
    System(np.eye(2), np.arange(2.0), leads=leads).save(tmp_path / "system.h5")
    assert [lead.cell_hamiltonian[0, 0] for lead in load(tmp_path / "system.h5").leads] == list(range(12))


def test_a_real_system_without_bond_pairing_comes_back_real(tmp_path):
    chain(3, delta=0.2).save(tmp_path / "system.h5")
    again = load(tmp_path / "system.h5")
    assert again.is_real
    assert again.pairing is None
    assert again.leads == ()


def test_a_saved_system_loads_where_kwant_is_missing(tmp_path):
    stack([Layer(3, delta=0.2), Layer(2)], (2,), periodic=True).save(tmp_path / "system.h5")
    code = f"""
        import sys
        sys.modules["kwant"] = None  # any import of kwant fails
        import bdg.lattices
        system = bdg.lattices.load({str(tmp_path / "system.h5")!r})
        assert system.period == (None, 2.0)
        print(system.n_sites, abs(system.hamiltonian).sum(), system.with_delta(lambda site: site.pos[0]).delta.sum())
        for absent in ("matplotlib", "cupy"):
            assert absent not in sys.modules
    """
    result = subprocess.run(
        [sys.executable, "-W", "error", "-c", textwrap.dedent(code)], capture_output=True, text=True, check=False
    )
    assert result.returncode == 0, result.stderr
    # 8 bonds along x, 5 doubled bonds round the two-site axis, both directions; sum of 2 (0 + 1 + 2 + 3 + 4)
    assert result.stdout.split() == ["10", str(2.0 * (8 + 2 * 5)), "20.0"]


def test_files_that_hold_something_else_are_refused(tmp_path):
    with pytest.raises(ResultFileError, match="no such file"):
        load(tmp_path / "nothing.h5")
    write_file(tmp_path / "other.h5", "BoundStates", {"energies": np.arange(3.0)})
    with pytest.raises(ResultFileError, match="holds a BoundStates, not a System"):
        load(tmp_path / "other.h5")


# ---------------------------------------------------------------------------------------------------------- errors


@pytest.mark.parametrize(
    ("arguments", "error", "match"),
    [
        ({"hamiltonian": np.array([[0, 1, 0], [2, 0, 0], [0, 0, 0]])}, ValueError, r"not Hermitian.*= 1 at \("),
        ({"hamiltonian": 1j * np.eye(3)}, ValueError, "not Hermitian"),
        ({"hamiltonian": np.full((3, 3), np.nan)}, ValueError, "hamiltonian must be finite"),
        ({"hamiltonian": np.eye(4)}, ValueError, r"shape \(3, 3\) for 3 sites with norbs = 1; got \(4, 4\)"),
        ({"hamiltonian": np.ones(3)}, TypeError, "hamiltonian must be a square matrix"),
        ({"hamiltonian": np.full((3, 3), "a")}, TypeError, "hamiltonian must be a square matrix"),
        ({"hamiltonian": None}, TypeError, "hamiltonian must be a square matrix"),
        ({"hamiltonian": np.eye(3), "norbs": 2}, ValueError, r"shape \(6, 6\) for 3 sites with norbs = 2"),
        ({"norbs": 3}, ValueError, r"norbs must be 1 \(spin-degenerate\) or 2"),
        ({"positions": []}, ValueError, "the system is empty"),
        ({"positions": np.zeros((3, 1, 1))}, ValueError, r"positions must have shape \(N, dim\)"),
        ({"positions": [0, 1, np.inf]}, ValueError, "positions must be finite"),
        ({"delta": [1, 2]}, ValueError, r"delta must have one value a site, shape \(3,\); got shape \(2,\)"),
        ({"delta": [1, 2, np.nan]}, ValueError, "delta must be finite; got nan on site 2"),
        ({"delta": "big"}, TypeError, "delta must be a number, an array"),
        ({"delta": lambda site: [1] * site.index}, TypeError, "delta must give one number a site"),
        ({"attraction": -1}, ValueError, "attraction must be >= 0"),
        ({"attraction": 1j}, ValueError, "attraction must be real"),
        ({"grain": [0, 2, 2]}, ValueError, "number the superconducting parts 0, 1, 2, ... without gaps"),
        ({"grain": [0, -2, 1]}, ValueError, "grain must be -1 on host sites"),
        ({"grain": [0, 0.5, 1]}, ValueError, "grain must be whole numbers; got 0.5"),
        ({"pairing": np.eye(3, k=1)}, ValueError, r"Fermi statistics \(symmetric, D = D\^T"),
        ({"pairing": np.eye(2)}, ValueError, r"pairing must have shape \(3, 3\)"),
        ({"pairing": np.full((3, 3), np.inf)}, ValueError, "pairing must be finite"),
        ({"period": (1.0, None)}, ValueError, r"period must have one entry an axis \(1\)"),
        ({"period": (-1.0,)}, ValueError, "period must be positive"),
        ({"period": (np.nan,)}, ValueError, "period must be positive"),
    ],
)
def test_bad_systems_are_refused(arguments, error, match):
    defaults = {"hamiltonian": np.eye(3), "positions": np.arange(3.0)}
    with pytest.raises(error, match=match):
        from_hamiltonian(**(defaults | arguments))


@pytest.mark.parametrize(
    ("phases", "match"),
    [
        ({2: 0.1}, "phases names grain 2, but the system has 2 grains"),
        ({-1: 0.1}, "phases names grain -1"),
        ({"left": 0.1}, "phases names grain 'left'"),
        ([0.1], r"one phase a grain, shape \(2,\); got shape \(1,\)"),
        (0.1, r"got shape \(\)"),
        ([0.1, np.nan], "phases must be finite"),
    ],
)
def test_bad_phases_are_refused(phases, match):
    with pytest.raises(ValueError, match=match):
        random_system().with_phases(phases)


def test_bad_values_in_methods_are_refused():
    system = chain(3)
    with pytest.raises(ValueError, match=r"values must have one value a site, shape \(3,\)"):
        system.with_onsite([1, 2])
    with pytest.raises(ValueError, match="values must be real"):
        system.with_onsite(1j)
    with pytest.raises(ValueError, match="delta must be finite"):
        system.with_delta(np.inf)


# ------------------------------------------------------------------------------------------------- Nambu, geometry


@pytest.mark.parametrize("norbs", [1, 2])
def test_particle_hole_partners_have_opposite_energies(norbs):
    """H S psi = -E S psi, and S^2 = -1 (norbs = 1) or +1 (norbs = 2)."""
    system = random_system(norbs)
    h, d = system.hamiltonian, system.pairing_block
    matrix = sp.bmat([[h, d], [d.conj().T, hole_block(h, norbs)]]).toarray()
    assert abs(matrix - matrix.conj().T).max() < 1e-14
    energies, states = np.linalg.eigh(matrix)
    partners = particle_hole(states, norbs)
    np.testing.assert_allclose(matrix @ partners, -partners * energies, rtol=0, atol=1e-12)
    np.testing.assert_array_equal(
        particle_hole(particle_hole(states, norbs), norbs), states * (-1 if norbs == 1 else 1)
    )
    np.testing.assert_array_equal(particle_hole(states[:, 0], norbs), partners[:, 0])


def test_spin_flip_keeps_a_zeeman_term_and_turns_its_hole_block():
    """-sigma_y (B.sigma)* sigma_y = +B.sigma."""
    zeeman = sp.csr_matrix(0.3 * SIGMA_X + 0.2 * SIGMA_Y - 0.1 * SIGMA_Z)
    np.testing.assert_allclose(hole_block(zeeman, 2).toarray(), zeeman.toarray(), rtol=0, atol=1e-17)
    real = spin_flip(sp.csr_matrix(SIGMA_X), 2)
    assert real.dtype.kind == "f"
    triplet, singlet = sp.csr_matrix(SIGMA_X), pairing_matrix(np.array([0.3j]), None, 2)
    assert abs(triplet - pairing_partner(triplet, 2)).max() == 2  # an onsite triplet breaks Fermi statistics
    assert abs(singlet - pairing_partner(singlet, 2)).max() == 0


@given(turns=st.integers(-50, 50), off=st.sampled_from([0.0, 1e-3, 0.5]))
def test_phase_factors_are_real_exactly_at_multiples_of_pi(turns, off):
    factor = phase_factor(np.array([turns * np.pi + off, 0.0]))
    assert (factor.dtype == float) == (off == 0)
    np.testing.assert_allclose(factor, np.exp(1j * np.array([turns * np.pi + off, 0])), rtol=0, atol=1e-13)


@given(seed=st.integers(0, 2**32 - 1), periodic=st.tuples(st.booleans(), st.booleans(), st.booleans()))
def test_nearest_distances_agree_with_all_images(seed, periodic):
    rng = np.random.default_rng(seed)
    period = tuple(3.0 + axis if wraps else None for axis, wraps in enumerate(periodic))
    box = np.array([3.0, 4.0, 5.0])
    points, targets = rng.uniform(-1, 2, size=(20, 3)) * box, rng.uniform(-1, 2, size=(7, 3)) * box
    distance, index = nearest_distance(points, targets, period)
    difference = points[:, None] - targets[None]
    for axis, wraps in enumerate(periodic):
        if wraps:
            images = difference[..., axis, None] + box[axis] * np.arange(-4, 5)
            difference[..., axis] = np.take_along_axis(images, abs(images).argmin(axis=-1)[..., None], -1)[..., 0]
    everything = np.linalg.norm(difference, axis=-1)
    np.testing.assert_allclose(distance, everything.min(axis=1), rtol=0, atol=1e-12)
    np.testing.assert_allclose(everything[np.arange(20), index], distance, rtol=0, atol=1e-12)
    np.testing.assert_allclose(
        np.linalg.norm(minimum_image(points[:, None] - targets[None], period), axis=-1), everything, rtol=0, atol=1e-12
    )


def test_points_on_the_far_face_of_the_box_are_folded_into_it():
    box = np.array([0.3, 0.0])
    wrapped = wrap(np.array([[-1e-20, 5.0], [0.3, -5.0], [0.75, 1.0]]), box)
    assert (wrapped[:, 0] < 0.3).all()
    np.testing.assert_allclose(wrapped, [[0, 5], [0, -5], [0.15, 1]], rtol=0, atol=1e-15)
    tree, _ = periodic_tree(np.array([[0.3, 0.0], [0.1, 0.0]]), (0.3, None))
    assert tree.n == 2


def test_labels_are_numbered_by_the_lowest_site():
    adjacency = sp.csr_matrix(np.eye(6, k=3) + np.eye(6, k=-3))
    labels = label_connected(np.array([0, 1, 1, 1, 1, 0], dtype=bool), adjacency)
    np.testing.assert_array_equal(labels, [-1, 0, 1, 2, 0, -1])
    np.testing.assert_array_equal(label_connected(np.zeros(6, dtype=bool), adjacency), [-1] * 6)
