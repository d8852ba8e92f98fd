"""h is Hermitian and D obeys Fermi statistics to the last bit, however they were made; tests of it know rounding."""

import numpy as np
import pytest
import scipy.sparse as sp

import bdg
from bdg.base.hamiltonian import BdGHamiltonian
from bdg.gpu.device.backend import select_backend
from bdg.gpu.multifrontal import SitePattern, analyse
from bdg.gpu.multifrontal.factors.factor import Factor
from bdg.gpu.multifrontal.imaginary.majorana import MajoranaForm
from bdg.gpu.multifrontal.imaginary.quaternion import QuaternionFactor
from bdg.lattices import from_hamiltonian
from bdg.lattices.nambu import SIGMA_0, SIGMA_X, SIGMA_Y, SIGMA_Z

CPU = select_backend("cpu")
T = 0.1
EPS = np.finfo(float).eps


def d_wave(size=2, norbs=1, triplet=False, field=0.0, seed=None):
    """Size x size sites, hopping -1, bonds +-0.2 (norbs = 2: singlet, and d.sigma odd in the bond), two grains."""
    x, y = (a.ravel() for a in np.meshgrid(np.arange(float(size)), np.arange(float(size)), indexing="ij"))
    dx, dy = x[:, None] - x, y[:, None] - y
    near = abs(dx) + abs(dy) == 1
    bonds = np.where(abs(dx) == 1, 0.2, -0.2) * near
    onsite = np.full(x.size, 0.3) if seed is None else np.random.default_rng(seed).uniform(-1, 1, x.size)
    h = np.kron(np.diag(onsite) - near, np.eye(norbs))
    pairing = np.kron(bonds, np.eye(norbs))
    if triplet:
        pairing = pairing + np.kron(dx * near, 0.07 * SIGMA_X + 0.03j * SIGMA_Z) + np.kron(dy * near, 0.05 * SIGMA_Y)
    grain = np.where(x < size / 2, 0, 1)
    system = from_hamiltonian(h, np.stack([x, y], axis=1), norbs=norbs, pairing=pairing, grain=grain)
    return system.with_field(field) if field else system


def asymmetry(system):
    """Return max|D - D^T| or max|D - sigma_y D^T sigma_y|, and max|h - h^+|, from dense matrices."""
    d, h = system.pairing_block.toarray(), system.hamiltonian.toarray()
    flip = np.kron(np.eye(system.n_sites), SIGMA_Y) if system.norbs == 2 else np.eye(system.n_sites)
    return abs(d - flip @ d.T @ flip).max(), abs(h - h.conj().T).max()


def levels(system):
    """Eigenvalues and vectors of the dense BdG matrix, by its definition."""
    h, d = system.hamiltonian.toarray(), system.pairing_block.toarray()
    flip = np.kron(np.eye(system.n_sites), SIGMA_Y) if system.norbs == 2 else np.eye(system.n_sites)
    return np.linalg.eigh(np.block([[h, d], [d.conj().T, -flip @ h.conj() @ flip]]))


# ------------------------------------------------------------------------------------------ made exact where it is made

PHASES = [{0: 0.4, 1: 0.2}, {0: 0.4}, {0: np.pi, 1: 0.3}, {0: -1.1, 1: 2.9}, {0: 1e-9, 1: -1e-9}, {0: 30.0, 1: 1e3}]


@pytest.mark.filterwarnings("ignore:phases. 1000 looks like degrees")
@pytest.mark.parametrize("phases", PHASES, ids=str)
@pytest.mark.parametrize("kind", ["singlet", "spinful", "triplet", "field", "disorder and field"])
def test_phases_leave_bond_pairing_exact(kind, phases):
    options = {
        "singlet": {},
        "spinful": {"norbs": 2},
        "triplet": {"norbs": 2, "triplet": True},
        "field": {"field": 0.13},
        "disorder and field": {"field": 0.13, "seed": 1, "norbs": 2, "triplet": True},
    }[kind]
    system = d_wave(4, **options)
    turned = system.with_phases(phases).with_phases({0: 0.11, 1: -0.7})
    assert asymmetry(turned) == (0.0, 0.0)
    angle = np.array([phases.get(0, 0) + 0.11, phases.get(1, 0) - 0.7])[system.grain]
    half = np.repeat(np.exp(0.5j * angle), system.norbs)
    expected = half[:, None] * system.pairing.toarray() * half
    # a phase of 1e3 has itself an error of 1e3 eps
    np.testing.assert_allclose(turned.pairing.toarray(), expected, rtol=0, atol=2e3 * EPS)


def test_bond_pairing_inside_grains_stays_real_at_multiples_of_pi():
    """exp(i pi/2) of each end is complex, their product is not."""
    h = -np.eye(6, k=1) - np.eye(6, k=-1)
    bonds = np.zeros((6, 6))
    for i, j in ((0, 1), (4, 5)):
        bonds[i, j] = bonds[j, i] = 0.2
    system = from_hamiltonian(h, np.arange(6.0), pairing=bonds, grain=[0, 0, -1, -1, 1, 1])
    turned = system.with_phases({1: np.pi})
    assert turned.is_real
    bonds[4, 5] = bonds[5, 4] = -0.2
    np.testing.assert_array_equal(turned.pairing.toarray(), bonds)
    assert system.with_phases({0: 2 * np.pi, 1: -4 * np.pi}).is_real


@pytest.mark.parametrize("size", [2, 3])
@pytest.mark.parametrize("norbs", [1, 2])
def test_every_sum_is_taken_on_a_d_wave_lattice_with_phases(size, norbs):
    """Against dense sums over all levels; tolerances are the stated errors, at least the rounding of a few levels."""
    system = d_wave(size, norbs).with_phases({0: 0.4, 1: 0.2})
    energies, states = levels(system)
    half = norbs * system.n_sites
    u, v = (w.reshape(system.n_sites, norbs, -1) for w in (states[:half], states[half:]))
    weight = np.tanh(energies / (2 * T))
    amplitude = 0.5 / norbs * (u * v.conj() * weight).sum(axis=(1, 2))
    for method in ("dense", "poles", "auto"):
        found = bdg.pair_amplitude(system, T, method=method)
        np.testing.assert_allclose(found.values, amplitude, rtol=0, atol=max(found.error, 1e-13))
    occupation = 1 / (1 + np.exp(energies / T))
    density = (abs(u) ** 2 * occupation + (norbs == 1) * abs(v) ** 2 * (1 - occupation)).sum(axis=(1, 2))
    trace = system.hamiltonian.diagonal().real.sum()
    upper = np.sort(energies)[half:]
    energy = (2 if norbs == 1 else 1) * -T * np.log(2 * np.cosh(upper / (2 * T))).sum() + trace / norbs * 1.0
    for method in ("dense", "poles"):
        found = bdg.electron_density(system, T, method=method)
        np.testing.assert_allclose(found.values, density, rtol=0, atol=max(found.error, 1e-13))
        found = bdg.free_energy(system, T, method=method)
        assert found.value == pytest.approx(energy, rel=0, abs=max(found.error, 1e-12))
    currents = [bdg.bond_currents(system, T, method=method).currents for method in ("dense", "poles")]
    np.testing.assert_allclose(currents[1], currents[0], rtol=0, atol=1e-6)


@pytest.mark.filterwarnings("ignore::bdg.ConservationWarning")  # an imposed Delta is a source of current
@pytest.mark.parametrize("norbs", [1, 2])
def test_the_current_between_d_wave_halves_is_the_slope_of_the_free_energy(norbs):
    """I = 2 dF/dphi by a central difference of dense free energies: its error is (step^2/6) F''' + eps F/step."""
    system, step = d_wave(4, norbs), 1e-4

    def energy(phi):
        return bdg.free_energy(system.with_phases({0: 0.1, 1: phi}), T, method="dense").value

    slope = (energy(0.6 + step) - energy(0.6 - step)) / step
    for method in ("dense", "poles"):
        found = bdg.current_phase(system.with_phases({0: 0.1, 1: 0.0}), [0.6], T, method=method)
        assert abs(slope) > 1e-3
        assert found.current[0] == pytest.approx(slope, abs=1e-6)


# ------------------------------------------------------------------------------------------- what rounding leaves of it


@pytest.mark.parametrize("norbs", [1, 2])
@pytest.mark.parametrize("real", [True, False])
def test_rounding_is_averaged_away_and_nothing_else_is_touched(norbs, real):
    rng = np.random.default_rng(5)
    size = 6 * norbs
    h = rng.normal(size=(size, size)) + (0 if real else 1j * rng.normal(size=(size, size)))
    h = h + h.conj().T
    d = rng.normal(size=(size, size)) + (0 if real else 1j * rng.normal(size=(size, size)))
    flip = np.kron(np.eye(6), SIGMA_Y) if norbs == 2 else np.eye(6)
    d = d + flip @ d.T @ flip
    d = d.real if real else d
    exact = from_hamiltonian(h, np.arange(6.0), norbs=norbs, pairing=d)
    np.testing.assert_array_equal(exact.hamiltonian.toarray(), h)  # bit for bit
    np.testing.assert_array_equal(exact.pairing.toarray(), d)
    noise = 1e-14 * rng.normal(size=(2, size, size))
    noise = noise if real else noise + 1e-14j * rng.normal(size=(2, size, size))
    rounded = from_hamiltonian(h + noise[0], np.arange(6.0), norbs=norbs, pairing=d + noise[1])
    assert asymmetry(rounded) == (0.0, 0.0)
    assert rounded.is_real == real
    np.testing.assert_allclose(rounded.hamiltonian.toarray(), h, rtol=0, atol=1e-13)
    np.testing.assert_allclose(rounded.pairing.toarray(), d, rtol=0, atol=1e-13)


def test_an_element_without_partner_and_an_imaginary_diagonal_are_rounding_too():
    h = np.diag([1.0, 2.0, 3.0]).astype(complex)
    h[0, 1], h[2, 2] = 1e-15, 3.0 + 1e-15j
    system = from_hamiltonian(h, np.arange(3.0))
    assert system.is_real
    assert asymmetry(system)[1] == 0
    np.testing.assert_array_equal(system.hamiltonian.toarray(), [[1, 5e-16, 0], [5e-16, 2, 0], [0, 0, 3]])


def test_what_is_no_rounding_is_still_refused():
    system = d_wave(2)
    h, d = system.hamiltonian.toarray(), system.pairing.toarray()
    h[0, 1] += 1e-9
    with pytest.raises(ValueError, match="not Hermitian"):
        from_hamiltonian(h, system.positions)
    d[0, 1] += 1e-9
    with pytest.raises(ValueError, match="Fermi statistics"):
        from_hamiltonian(system.hamiltonian, system.positions, pairing=d)


def test_fields_and_twists_leave_h_exact():
    system = d_wave(5, 2, triplet=True, seed=3)
    for one in (system.with_field(0.21), system.with_field(0.21, gauge="landau").with_field(-0.4)):
        assert asymmetry(one) == (0.0, 0.0)
        assert asymmetry(one.with_phases({0: 0.4, 1: 0.2})) == (0.0, 0.0)


# -------------------------------------------------------------------------------------------------- tests of structure


def _blocks(matrix, positions):
    pattern = SitePattern.of(sp.csr_matrix(matrix))
    return analyse(positions, pattern), pattern.split(sp.csr_matrix(matrix))


def _hermitian(n, scale=1.0, seed=0):
    rng = np.random.default_rng(seed)
    matrix = np.zeros((n, n), dtype=complex)
    link = rng.normal(size=n - 1) + 1j * rng.normal(size=n - 1)
    matrix[np.arange(n - 1), np.arange(1, n)] = link
    matrix = matrix + matrix.conj().T + np.diag(rng.normal(size=n))
    matrix[n // 2, n // 2] *= scale
    return matrix


@pytest.mark.parametrize("scale", [1.0, 1e8])
def test_structure_is_seen_to_the_rounding_of_each_site(scale):
    h = _hermitian(12, scale)
    _, exact = _blocks(h, np.arange(12.0)[:, None])
    assert exact.is_hermitian
    assert not exact.is_symmetric
    bent = h.copy()
    bent[3, 4] *= 1 + 2 * EPS
    assert _blocks(bent, np.arange(12.0)[:, None])[1].is_hermitian
    bent[3, 4] = h[3, 4] * (1 + 1e-10)  # no rounding, and the large site is elsewhere
    assert not _blocks(bent, np.arange(12.0)[:, None])[1].is_hermitian
    symmetric = h.real + 0.3j * np.diag(np.arange(12.0))
    symmetric[3, 4] *= 1 + 2 * EPS
    assert _blocks(symmetric, np.arange(12.0)[:, None])[1].is_symmetric


def test_factors_take_what_rounding_left():
    """A Hermitian matrix bent by one bit has an inertia and a quaternion form as before."""
    h = _hermitian(12)
    bent = h.copy()
    bent[3, 4] *= 1 + 2 * EPS
    symbolic, blocks = _blocks(bent, np.arange(12.0)[:, None])
    factor = Factor(symbolic, blocks, 0.1, CPU, inertia=True)
    assert factor.symmetry == "hermitian"
    assert factor.negative_count == np.count_nonzero(np.linalg.eigvalsh(h) > 0.1)  # of 0.1 - H
    d = np.diag(np.full(12, 0.2)) + 0.1 * (np.eye(12, k=1) + np.eye(12, k=-1)) * np.exp(0.3j)
    d[5, 6] *= 1 + 2 * EPS
    pairing = symbolic.pattern.split(sp.csr_matrix(d))
    QuaternionFactor(symbolic, blocks, pairing, 0.3, CPU)
    with pytest.raises(ValueError, match=r"pairing must be symmetric, D = D\^T"):
        QuaternionFactor(symbolic, blocks, symbolic.pattern.split(sp.csr_matrix(d + 1e-9 * np.eye(12, k=1))), 0.3, CPU)


def test_a_phase_of_one_bit_keeps_the_inertia():
    """Complex in its last bits alone, a matrix is symmetric and Hermitian to rounding: it counts as Hermitian."""
    h = _hermitian(12).real.astype(complex)
    h[2, 3] += 1e-17j
    h[3, 2] -= 1e-17j
    symbolic, blocks = _blocks(h, np.arange(12.0)[:, None])
    assert blocks.is_hermitian
    assert blocks.is_symmetric
    factor = Factor(symbolic, blocks, 0.1, CPU, inertia=True)
    assert factor.symmetry == "hermitian"
    assert factor.negative_count == np.count_nonzero(np.linalg.eigvalsh(h) > 0.1)


def test_a_small_term_beside_a_high_wall_is_kept():
    """Spinful, one site at 1e9: a field of 1e-6 elsewhere breaks the chiral form, and the poles see it."""
    n = 10
    h = np.kron(-np.eye(n, k=1) - np.eye(n, k=-1), SIGMA_0)
    h[:2, :2] += 1e9 * SIGMA_0
    plain = from_hamiltonian(h, np.arange(float(n)), norbs=2, delta=0.3)
    field = np.zeros((n, 2, 2), dtype=complex)
    field[6] = 1e-6 * (0.3 * SIGMA_X + 0.8 * SIGMA_Y + 0.5 * SIGMA_Z)
    forms = []
    for system in (plain, plain.with_onsite(field)):
        electron = np.arange(2 * n).reshape(n, 2)
        matrix = BdGHamiltonian(system).matrix
        blocks = SitePattern.of(matrix, np.concatenate([electron, electron + 2 * n], axis=1)).split(matrix)
        form = MajoranaForm.of(blocks, np.kron(SIGMA_Y, SIGMA_Y))
        forms.append(form)
        # unitary equivalence: i H and X have the same eigenvalues; compare the block of the site of the field
        here = blocks.blocks[blocks.pattern.diagonal[6]]
        turned = form.basis @ form.matrix.blocks[blocks.pattern.diagonal[6]] @ form.basis.conj().T / 1j
        np.testing.assert_allclose(turned, here, rtol=0, atol=1e-12)
    assert forms[0].signs is not None
