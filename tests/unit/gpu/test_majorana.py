"""The real Majorana form of i w - H, and restricted inverses on the imaginary axis, against dense algebra."""

import numpy as np
import pytest
import scipy.sparse as sp

import bdg
from bdg.gpu.device.backend import select_backend
from bdg.gpu.multifrontal import Factor, FrontSettings, Restriction, SitePattern, analyse
from bdg.gpu.multifrontal.analysis.settings import CPU_SETTINGS
from bdg.gpu.multifrontal.imaginary.majorana import MajoranaFactor, MajoranaForm, majorana_basis
from bdg.gpu.multifrontal.imaginary.quaternion import QuaternionFactor
from bdg.lattices.nambu import SIGMA_0, SIGMA_X, SIGMA_Y, SIGMA_Z, particle_hole
from bdg.lattices.system import System
from bdg.methods.symbolic import dof_rows

CPU = select_backend("cpu")
DEEP = FrontSettings(leaf=2, call_flops=0.0, base=3, split=1, pivots=4)
PADDED = FrontSettings(leaf=3, call_flops=1e12, base=4, split=0)
WIDE = pytest.mark.parametrize("settings", [DEEP, PADDED], ids=["deep", "padded"])  # stacks of one, of many fronts
OPERATOR = particle_hole(np.eye(4), 2)


def _lattice(shape, spin, flux=0.0):
    """Positions, h with spin-orbit hoppings ``-1 + i spin[axis].sigma``, and the bonds (to, from) with their axis."""
    rng = np.random.default_rng(0)
    number = np.arange(np.prod(shape)).reshape(shape)
    positions = np.stack(np.unravel_index(number.ravel(), shape), axis=1)
    h = sp.lil_matrix((2 * number.size,) * 2, dtype=complex)
    bonds = []
    for axis in range(len(shape)):
        starts, ends = np.delete(number, -1, axis).ravel(), np.delete(number, 0, axis).ravel()
        for i, j in zip(starts, ends, strict=True):
            phase = np.exp(2j * np.pi * flux * positions[i, 0] * (axis == 1))
            hop = (-SIGMA_0 + 1j * spin[axis]) * phase
            h[2 * j : 2 * j + 2, 2 * i : 2 * i + 2] = hop
            h[2 * i : 2 * i + 2, 2 * j : 2 * j + 2] = hop.conj().T
            bonds.append((j, i, axis))
    h = h.tocsr() + sp.diags(np.repeat(1 + rng.random(number.size), 2))
    return positions, sp.csr_matrix(h), bonds


def _bond_pairing(bonds, n_sites, singlet=0.0, triplet=(0, 0, 0)):
    """Bond pairing: singlet (even, identity) and triplet ``d.sigma`` (odd in direction)."""
    pairing = sp.lil_matrix((2 * n_sites,) * 2, dtype=complex)
    odd = sum(d * s for d, s in zip(triplet, (SIGMA_X, SIGMA_Y, SIGMA_Z), strict=True)) + np.zeros((2, 2))
    for j, i, axis in bonds:
        sign = (1, -1, 1)[axis]
        pairing[2 * j : 2 * j + 2, 2 * i : 2 * i + 2] = sign * singlet * SIGMA_0 + odd
        pairing[2 * i : 2 * i + 2, 2 * j : 2 * j + 2] = sign * singlet * SIGMA_0 - odd
    return sp.csr_matrix(pairing)


NO_SPIN = (0 * SIGMA_0,) * 3
RASHBA = (0.3 * SIGMA_Y, -0.3 * SIGMA_X, 0 * SIGMA_0)
CASES = {  # spin-orbit of the three axes, flux, Zeeman field, phases of delta, bond pairing, symmetric
    "singlet": (NO_SPIN, 0.0, (0, 0, 0), "real", {}, True),
    "one phase": (NO_SPIN, 0.0, (0, 0, 0), "one", {}, True),
    "Zeeman field in a plane": (NO_SPIN, 0.0, (0.2, 0, 0.3), "real", {}, True),
    "Zeeman field in another plane": (NO_SPIN, 0.0, (0.2, 0.3, 0), "one", {}, True),
    "wire with Rashba and field": ((0.3 * SIGMA_Y,) + (0 * SIGMA_0,) * 2, 0.0, (0.4, 0, 0.1), "real", {}, True),
    "Rashba and Zeeman": (RASHBA, 0.0, (0.1, 0.2, 0.3), "real", {}, False),
    "phases": (NO_SPIN, 0.0, (0.2, 0.1, 0.3), "many", {}, False),
    "flux": (NO_SPIN, 0.03, (0, 0, 0), "many", {}, False),
    "bonds": (NO_SPIN, 0.0, (0, 0, 0.2), "real", {"singlet": 0.2}, True),
    "triplet": (NO_SPIN, 0.0, (0, 0, 0), "none", {"triplet": (0.1, 0.2j, 0.3)}, True),
    "everything": (RASHBA, 0.03, (0.1, 0.2, 0.3), "many", {"singlet": 0.2j, "triplet": (0.1, 0.2j, 0.3)}, False),
}


def _system(name, shape):
    spin, flux, field, phases, bond, _ = CASES[name]
    positions, h, bonds = _lattice(shape, spin, flux)
    rng = np.random.default_rng(1)
    n_sites = len(positions)
    delta = 0.4 * rng.random(n_sites) * (rng.random(n_sites) < 0.6) * (phases != "none")
    if phases == "one":
        delta = delta * np.exp(0.7j)
    if phases == "many":
        delta = delta * np.exp(2j * np.pi * rng.random(n_sites))
    pairing = _bond_pairing(bonds, n_sites, **bond) if bond else None
    system = System(hamiltonian=h, positions=positions, delta=delta, pairing=pairing, norbs=2)
    return system.with_onsite(sum(b * s for b, s in zip(field, (SIGMA_X, SIGMA_Y, SIGMA_Z), strict=True)))


def _split(system, settings=DEEP):
    matrix = bdg.BdGHamiltonian(system).matrix
    pattern = SitePattern.of(matrix, dof_rows(system))
    return analyse(system.positions, pattern, settings), pattern.split(matrix)


@pytest.mark.parametrize("settings", [DEEP, PADDED, CPU_SETTINGS], ids=["deep", "padded", "default"])
@pytest.mark.parametrize("shape", [(4, 4, 3), (14, 1, 1), (1, 1, 1)])
@pytest.mark.parametrize("name", list(CASES))
def test_all_blocks_of_the_inverse_equal_dense_algebra(name, shape, settings):
    """Rounding is amplified by at most 1/w."""
    w = 0.13
    symbolic, hamiltonian = _split(_system(name, shape), settings)
    form = MajoranaForm.of(hamiltonian, OPERATOR)
    factor = MajoranaFactor(symbolic, form, w, CPU, log_determinant=True)
    assert factor.dtype == np.float64 and form.matrix.dtype == np.float64
    if shape == (4, 4, 3):
        assert factor.symmetric == (factor.factor.symmetry == "symmetric") == CASES[name][-1]
    shifted = 1j * w * np.eye(symbolic.n_rows) - hamiltonian.matrix.toarray()
    exact, rows = np.linalg.inv(shifted), symbolic.pattern.rows
    found = factor.selected_inverse()
    first, second = rows[symbolic.pattern.first], rows[symbolic.pattern.second]
    assert abs(found.blocks(np) - exact[first[:, :, None], second[:, None, :]]).max() < 1e-12
    assert abs(found.diagonal(np) - exact[rows[:, :, None], rows[:, None, :]]).max() < 1e-12
    assert abs(factor.log_determinant() - np.linalg.slogdet(shifted)[1]) < 1e-9


@pytest.mark.parametrize("name", ["singlet", "everything"])
@pytest.mark.parametrize("w", [1e-3, 0.05])
def test_equals_the_complex_factorisation_at_half_the_memory(name, w):
    symbolic, hamiltonian = _split(_system(name, (7, 6, 6)), CPU_SETTINGS)
    factor = MajoranaFactor(symbolic, MajoranaForm.of(hamiltonian, OPERATOR), w, CPU)
    general = Factor(symbolic, hamiltonian, 1j * w, CPU)
    expected, found = general.selected_inverse().blocks, factor.selected_inverse(release=True).blocks(np)
    assert abs(found - expected).max() < 1e-11 / w
    assert 2 * factor.kept_bytes == general.kept_bytes


def test_spinless_pairing_of_odd_parity():
    """One row of electrons a site, D = -D^T: the particle-hole operator tau_x K squares to +1 as well."""
    rng = np.random.default_rng(2)
    n_sites = 20
    near = abs(np.subtract.outer(np.arange(n_sites), np.arange(n_sites))) <= 2
    h = (rng.standard_normal((n_sites, n_sites)) + 1j * rng.standard_normal((n_sites, n_sites))) * near
    gap = (rng.standard_normal((n_sites, n_sites)) + 1j * rng.standard_normal((n_sites, n_sites))) * near
    h, gap = h + h.conj().T, gap - gap.T
    matrix = sp.csr_matrix(np.block([[h, gap], [gap.conj().T, -h.conj()]]))
    rows = np.stack([np.arange(n_sites), n_sites + np.arange(n_sites)], axis=1)
    pattern = SitePattern.of(matrix, rows)
    symbolic = analyse(np.arange(n_sites)[:, None], pattern, DEEP)
    form = MajoranaForm.of(pattern.split(matrix), SIGMA_X)
    found = MajoranaFactor(symbolic, form, 0.1, CPU).selected_inverse()
    exact = np.linalg.inv(0.1j * np.eye(2 * n_sites) - matrix.toarray())
    assert abs(found.diagonal(np) - exact[rows[:, :, None], rows[:, None, :]]).max() < 1e-12


@pytest.mark.parametrize("phase", [0.0, 1.1])
def test_basis_vectors_are_their_own_partners(phase):
    operator = np.exp(1j * phase) * OPERATOR
    basis = majorana_basis(operator, 4)
    assert abs(operator @ basis.conj() - basis).max() < 1e-14
    assert abs(basis.conj().T @ basis - np.eye(4)).max() < 1e-14


@pytest.mark.parametrize("name", ["Zeeman field in a plane", "everything"])
@pytest.mark.parametrize("sites", [[0], [5, 17, 40], list(range(20))])
@WIDE
def test_restricted_inverses_equal_the_whole_one(name, sites, settings):
    symbolic, hamiltonian = _split(_system(name, (4, 4, 3)), settings)
    factor = MajoranaFactor(symbolic, MajoranaForm.of(hamiltonian, OPERATOR), 0.05, CPU)
    whole = factor.selected_inverse().diagonal(np)[sites]
    part = factor.selected_inverse(Restriction(symbolic, np.array(sites))).diagonal(np)
    assert np.allclose(part[sites], whole, rtol=0, atol=1e-13)


@pytest.mark.parametrize("phases", ["real", "many"])
@pytest.mark.parametrize("sites", [[0], [5, 17, 40], list(range(20))])
@WIDE
def test_restricted_quaternion_inverses_equal_the_whole_one(grid, phases, sites, settings):
    rng = np.random.default_rng(0)
    delta = 0.3 * (rng.random(60) < 0.4) * (np.exp(2j * np.pi * rng.random(60)) if phases == "many" else 1)
    system = grid((5, 4, 3), delta=delta, disorder=1.0)
    pattern = SitePattern.of(system.adjacency + sp.identity(60))
    symbolic = analyse(system.positions, pattern, settings)
    matrices = pattern.split(system.hamiltonian), pattern.split(system.pairing_block)
    factor = QuaternionFactor(symbolic, *matrices, 0.05, CPU)
    assert factor.symmetric == (phases == "real")
    whole = factor.selected_inverse()
    restriction = Restriction(symbolic, np.array(sites))
    part = factor.selected_inverse(restriction)
    inside = np.isin(pattern.first, sites) & np.isin(pattern.second, sites)
    assert np.allclose(part.anomalous[inside], whole.anomalous[inside], rtol=0, atol=1e-13)
    assert np.allclose(part.normal[inside], whole.normal[inside], rtol=0, atol=1e-13)
    if len(sites) == 1 and settings is DEEP:
        assert restriction.share < 0.7 and np.isnan(part.normal).any()
    with pytest.raises(ValueError, match="made for the symbolic factorisation of this factor"):
        factor.selected_inverse(Restriction(analyse(system.positions, pattern, DEEP), np.array(sites)))


def test_single_precision_is_enough_at_large_frequencies():
    symbolic, hamiltonian = _split(_system("everything", (4, 4, 3)))
    form = MajoranaForm.of(hamiltonian, OPERATOR)
    double, single = (MajoranaFactor(symbolic, form, 0.3, CPU, single=is_single) for is_single in (False, True))
    assert single.dtype == np.float32 and 2 * single.kept_bytes == double.kept_bytes
    error = abs(single.selected_inverse().diagonal(np) - double.selected_inverse().diagonal(np)).max()
    assert 1e-9 < error < 2e-6


def test_a_weak_term_that_breaks_the_symmetric_form_is_not_dropped():
    """A field of 1e-9 out of the plane: the symmetric form would leave it out, an error of 1e-9/w^2 = 1e-5."""
    system = _system("wire with Rashba and field", (14, 1, 1)).with_onsite(1e-9 * SIGMA_Y)
    symbolic, hamiltonian = _split(system)
    form = MajoranaForm.of(hamiltonian, OPERATOR)
    assert form.signs is None
    found = MajoranaFactor(symbolic, form, 0.01, CPU).selected_inverse().diagonal(np)
    exact = np.linalg.inv(0.01j * np.eye(symbolic.n_rows) - hamiltonian.matrix.toarray())
    rows = symbolic.pattern.rows
    # rounding of 1e-16 max|H| is amplified by 1/w^2 as well
    assert abs(found - exact[rows[:, :, None], rows[:, None, :]]).max() < 1e-9


def test_wrong_arguments_are_named():
    symbolic, hamiltonian = _split(_system("singlet", (4, 4, 1)))
    pattern, matrix = hamiltonian.pattern, hamiltonian.matrix
    with pytest.raises(ValueError, match="it squares to -1: use QuaternionFactor"):
        MajoranaForm.of(hamiltonian, np.kron(np.array([[0, -1], [1, 0]]), SIGMA_0))
    with pytest.raises(ValueError, match=r"must square to \+1"):
        MajoranaForm.of(hamiltonian, 2 * np.eye(4))
    with pytest.raises(ValueError, match="must be unitary"):
        MajoranaForm.of(hamiltonian, np.array([[1, 1j, 0, 0], [0, 1, 0, 0], [0, 0, 1, 0], [0, 0, 0, 1]]))
    with pytest.raises(ValueError, match=r"must have shape \(4, 4\), the rows of a site; got \(2, 2\)"):
        MajoranaForm.of(hamiltonian, SIGMA_X)
    with pytest.raises(ValueError, match=r"particle-hole symmetry.*between sites 3 and 3.*Use Factor"):
        broken = matrix.tolil()
        broken[6, 6] += 0.5
        MajoranaForm.of(pattern.split(sp.csr_matrix(broken)), OPERATOR)
    with pytest.raises(ValueError, match="must be Hermitian"):
        damped = matrix + 0.1j * sp.identity(matrix.shape[0])  # keeps the particle-hole symmetry
        MajoranaForm.of(pattern.split(sp.csr_matrix(damped)), OPERATOR)
    form = MajoranaForm.of(hamiltonian, OPERATOR)
    for frequency in (0.0, -0.1, np.nan):
        with pytest.raises(ValueError, match="frequency must be finite and > 0"):
            MajoranaFactor(symbolic, form, frequency, CPU)
    with pytest.raises(ValueError, match="the pattern that symbolic was made for"):
        MajoranaFactor(_split(_system("singlet", (4, 4, 1)))[0], form, 0.1, CPU)
