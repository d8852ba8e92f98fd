"""The quaternion form of i w - H against dense algebra and against the complex factorisation."""

import numpy as np
import pytest
import scipy.sparse as sp

from bdg.gpu.device.backend import select_backend
from bdg.gpu.multifrontal import Factor, FrontSettings, SitePattern, analyse
from bdg.gpu.multifrontal.imaginary.quaternion import QUATERNION_CPU_SETTINGS, QuaternionFactor
from bdg.gpu.multifrontal.imaginary.quaternion_algebra import QuaternionAlgebra

CPU = select_backend("cpu")
DEEP = FrontSettings(leaf=2, call_flops=0.0, base=3, split=1, pivots=4)
PADDED = FrontSettings(leaf=3, call_flops=1e12, base=4, split=0)


def _lattice(shape, flux=0.0, disorder=1.0, seed=0):
    """Positions and h of an open lattice with a flux per plaquette."""
    rng = np.random.default_rng(seed)
    number = np.arange(np.prod(shape)).reshape(shape)
    ends = [(np.delete(number, -1, axis).ravel(), np.delete(number, 0, axis).ravel()) for axis in range(len(shape))]
    start, end = np.concatenate(ends, axis=1)
    positions = np.stack(np.unravel_index(number.ravel(), shape), axis=1)
    along = (positions[end] - positions[start])[:, 1] * positions[start, 0]
    hopping = -np.exp(2j * np.pi * flux * along) if flux else -np.ones(start.size)
    upper = sp.csr_matrix((hopping, (start, end)), shape=(number.size,) * 2)
    return positions, sp.csr_matrix(upper + upper.conj().T + sp.diags(1 + disorder * (rng.random(number.size) - 0.5)))


def _pairing(h, kind, seed=1):
    rng = np.random.default_rng(seed)
    onsite = 0.4 * rng.random(h.shape[0]) * (rng.random(h.shape[0]) < 0.5) + 0.0
    if kind == "one phase":
        onsite = onsite * np.exp(0.7j)
    if kind in ("phases", "bonds"):
        onsite = onsite * np.exp(2j * np.pi * rng.random(onsite.size))
    gap = sp.diags(onsite, format="csr")
    if kind in ("bonds", "real bonds"):
        bonds = sp.triu(abs(h), 1).tocsr() * (0.2 + (0.1j if kind == "bonds" else 0))
        gap = sp.csr_matrix(gap + bonds + bonds.T)
    return gap


CASES = {  # flux, pairing, whether the symmetric form applies
    "real": (0.0, "real", True),
    "one phase": (0.0, "one phase", True),
    "real bonds": (0.0, "real bonds", True),
    "no pairing": (0.0, "none", True),
    "phases": (0.0, "phases", False),
    "flux": (0.03, "real", False),
    "flux, phases and bonds": (0.03, "bonds", False),
}


def _factor(name, shape=(5, 4, 3), w=0.13, settings=DEEP, **options):
    flux, kind, symmetric = CASES[name]
    positions, h = _lattice(shape, flux)
    gap = _pairing(h, kind) * (0 if kind == "none" else 1)
    pattern = SitePattern.of(h)
    symbolic = analyse(positions, pattern, settings)
    factor = QuaternionFactor(symbolic, pattern.split(h), pattern.split(gap), w, CPU, **options)
    if len(shape) == 3:  # one site or a chain has no flux and one phase
        assert factor.symmetric == symmetric
    return factor, sp.csr_matrix(sp.bmat([[h, gap], [gap.conj().T, -h.conj()]]))


@pytest.mark.parametrize("settings", [DEEP, PADDED, QUATERNION_CPU_SETTINGS], ids=["deep", "padded", "default"])
@pytest.mark.parametrize("shape", [(5, 4, 3), (9, 5), (14, 1), (1, 1)])
@pytest.mark.parametrize("name", list(CASES))
def test_all_blocks_of_the_inverse_equal_dense_algebra(name, shape, settings):
    """Rounding is amplified by at most 1/w."""
    factor, matrix = _factor(name, shape, settings=settings, log_determinant=True)
    n_sites = np.prod(shape)
    dense = 0.13j * np.eye(2 * n_sites) - matrix.toarray()
    inverse = np.linalg.inv(dense)
    found = factor.selected_inverse()
    i, j = found.pattern.first, found.pattern.second
    quarters = {
        "uu": (inverse[i, j], found.normal),
        "uv": (inverse[i, j + n_sites], found.anomalous),
        "vu": (inverse[i + n_sites, j], found.anomalous.conj()),
        "vv": (inverse[i + n_sites, j + n_sites], -found.normal.conj()),
    }
    for exact, computed in quarters.values():
        assert abs(computed - exact).max() < 1e-12
    assert abs(factor.log_determinant() - np.linalg.slogdet(dense)[1]) < 1e-9


@pytest.mark.parametrize("name", ["real", "flux, phases and bonds"])
def test_equals_the_complex_factorisation_at_half_the_memory(name):
    factor, matrix = _factor(name, (10, 9, 8), w=0.02, settings=QUATERNION_CPU_SETTINGS)
    n_sites = factor.symbolic.n_rows
    rows = np.stack([np.arange(n_sites), n_sites + np.arange(n_sites)], axis=1)
    pattern = SitePattern.of(matrix, rows)
    positions = np.stack(np.unravel_index(np.arange(n_sites), (10, 9, 8)), axis=1)
    complex_factor = Factor(analyse(positions, pattern, FrontSettings()), pattern.split(matrix), 0.02j, CPU)
    expected = complex_factor.selected_inverse().blocks
    found = factor.selected_inverse()
    assert np.allclose(found.normal, expected[:, 0, 0], rtol=0, atol=1e-11)
    assert np.allclose(found.anomalous, expected[:, 0, 1], rtol=0, atol=1e-11)
    assert factor.kept_bytes < 0.6 * complex_factor.kept_bytes


@pytest.mark.parametrize("disorder", [0.0, 1.0])
def test_small_frequencies_of_a_clean_lattice_keep_their_digits(disorder):
    """Symmetric and general form agree to 2e-9; unless G_PP is symmetrised, to 1e-7 only in the clean lattice."""
    positions, h = _lattice((10, 10, 10), disorder=disorder)
    pattern = SitePattern.of(h)
    symbolic = analyse(positions, pattern, QUATERNION_CPU_SETTINGS)
    gap = sp.diags(0.3 * (np.random.default_rng(0).random(h.shape[0]) < 0.09), format="csr")
    symmetric = QuaternionFactor(symbolic, pattern.split(h), pattern.split(gap), 1e-3, CPU)
    turn = np.exp(1j * np.arange(h.shape[0]))  # a gauge transformation makes h and D complex
    h_turned = sp.csr_matrix(sp.diags(turn) @ h @ sp.diags(turn.conj()))
    h_turned = sp.csr_matrix((h_turned + h_turned.conj().T) / 2)
    gap_turned = sp.csr_matrix(gap * sp.diags(turn**2))
    general = QuaternionFactor(symbolic, pattern.split(h_turned), pattern.split(gap_turned), 1e-3, CPU)
    assert symmetric.symmetric and not general.symmetric
    one, other = symmetric.selected_inverse(release=True), general.selected_inverse()
    back = other.anomalous * turn[pattern.first].conj() * turn[pattern.second].conj()
    assert abs(one.anomalous - back).max() < 1.5e-8
    assert symmetric.forward[0] is None and general.forward[0] is not None


def test_single_precision_is_enough_at_large_frequencies():
    double, single = (_factor("real", w=0.3, single=is_single)[0] for is_single in (False, True))
    assert single.dtype == np.float32 and 2 * single.kept_bytes == double.kept_bytes
    error = abs(single.selected_inverse().anomalous - double.selected_inverse().anomalous).max()
    assert 1e-9 < error < 2e-6


def test_product_of_planes_is_the_product_of_quaternions():
    """Against the definition, and with tiles smaller than the matrices."""
    rng = np.random.default_rng(0)
    algebra = QuaternionAlgebra(np, np.dtype(float), symmetric=False, base=4)
    a, b = rng.standard_normal((4, 2, 5, 7)), rng.standard_normal((4, 2, 7, 3))
    table = [[(1, 0), (1, 1), (1, 2), (1, 3)], [(1, 1), (-1, 0), (1, 3), (-1, 2)]]
    table += [[(1, 2), (-1, 3), (-1, 0), (1, 1)], [(1, 3), (1, 2), (-1, 1), (-1, 0)]]
    expected = np.zeros((4, 2, 5, 3))
    for p in range(4):
        for q in range(4):
            sign, unit = table[p][q]
            expected[unit] += sign * a[p] @ b[q]
    assert np.allclose(algebra.product(algebra.left(a), algebra.right(b)), expected, rtol=0, atol=1e-13)
    squares = rng.standard_normal((4, 2, 200, 200))
    whole = algebra.product(algebra.left(squares), algebra.right(squares))
    upper = algebra.product(algebra.left(squares), algebra.right(squares), upper=True)
    assert np.allclose(np.triu(upper), np.triu(whole), rtol=0, atol=1e-11)
    as_complex = algebra.to_complex(squares)
    assert np.allclose(algebra.to_complex(whole), as_complex @ as_complex, rtol=0, atol=1e-10)
    assert np.allclose(algebra.from_complex(as_complex), squares, rtol=0, atol=1e-15)
    reversal = algebra.reversed(squares)
    assert np.array_equal(reversal[2], -squares[2].swapaxes(1, 2))
    left = algebra.product(algebra.left_reversed(squares), algebra.right_reversed(squares))
    assert np.allclose(left, algebra.product(algebra.left(reversal), algebra.right(reversal)), rtol=0, atol=1e-11)


def test_wrong_arguments_are_named():
    positions, h = _lattice((4, 3))
    gap = _pairing(h, "real")
    pattern = SitePattern.of(h)
    symbolic = analyse(positions, pattern, DEEP)
    normal, pairing = pattern.split(h), pattern.split(gap)
    with pytest.raises(ValueError, match="frequency must be finite and > 0"):
        QuaternionFactor(symbolic, normal, pairing, 0.0, CPU)
    with pytest.raises(ValueError, match="normal must be Hermitian"):
        QuaternionFactor(symbolic, pattern.split(h * 1j), pairing, 0.1, CPU)
    with pytest.raises(ValueError, match="pairing must be symmetric"):
        QuaternionFactor(symbolic, normal, pattern.split(sp.triu(h).tocsr()), 0.1, CPU)
    with pytest.raises(ValueError, match="the pattern that symbolic was made for"):
        QuaternionFactor(symbolic, SitePattern.of(h).split(h), pairing, 0.1, CPU)
    with pytest.raises(ValueError, match="log_determinant=True"):
        QuaternionFactor(symbolic, normal, pairing, 0.1, CPU).log_determinant()
    pairs = SitePattern.of(h, np.arange(12).reshape(6, 2))
    with pytest.raises(ValueError, match="one row per site"):
        two = analyse(positions[:6], pairs)
        QuaternionFactor(two, pairs.split(h), pairs.split(gap), 0.1, CPU)
