"""The Lanczos engine: spinful and topological systems, crowded levels, multiplets, many states, the damped fallback."""

import hashlib

import numpy as np
import pytest
import scipy.sparse as sp
from numpy.testing import assert_allclose

import bdg
from bdg.gpu.device.backend import select_backend
from bdg.gpu.eigen import lanczos
from bdg.gpu.eigen.antiunitary import Antiunitary
from bdg.gpu.eigen.eigenpairs import rayleigh_ritz
from bdg.gpu.eigen.inverses import ChiralInverse, DampedInverse, SkewInverse, rough_refinements
from bdg.gpu.eigen.krylov import Search, inverse_lanczos
from bdg.gpu.multifrontal import Factor
from bdg.lattices.nambu import SIGMA_X, SIGMA_Y, SIGMA_Z
from bdg.methods.symbolic import electron_symbolic, whole_symbolic

CLOSE = 1e-11  # eigenvalue error of a pair with residual 1e-9 is below 1e-9^2/gap; this leaves room for small gaps


def _triplet_ribbon(length, width, zeeman, spin_orbit, delta=0.0):
    """Spinful p-wave ribbon, pairing ``+-0.3 sigma_x`` on the bonds along it; Majorana modes at the ends of a wire."""
    n_sites = length * width
    number = np.arange(n_sites).reshape(length, width)

    def links(start, end):
        return sp.csr_matrix((np.ones(start.size), (end.ravel(), start.ravel())), shape=(n_sites, n_sites))

    along, across = links(number[:-1], number[1:]), links(number[:, :-1], number[:, 1:])
    half = sp.kron(along, -np.eye(2) - 0.5j * spin_orbit * SIGMA_Y)
    half = half + sp.kron(across, -np.eye(2) + 0.5j * spin_orbit * SIGMA_X)
    onsite = np.eye(2) + zeeman * (np.cos(0.4) * SIGMA_Z + np.sin(0.4) * SIGMA_X)
    h = half + half.conj().T + sp.kron(sp.identity(n_sites), onsite)
    pairing = 0.3 * (sp.kron(along, SIGMA_X) - sp.kron(along.T, SIGMA_X))
    positions = np.stack(np.unravel_index(number.ravel(), number.shape), axis=1)
    return bdg.lattices.from_hamiltonian(
        sp.csr_matrix(h), positions, norbs=2, delta=np.full(n_sites, delta), pairing=sp.csr_matrix(pairing)
    )


def _systems(grid, spinful, islands):
    return {
        "end modes": _triplet_ribbon(40, 1, 1.5, 0.0),  # real, levels at 4e-6
        "split wire": _triplet_ribbon(60, 2, 1.5, 0.5, 0.2),  # complex, a level at 1.5e-7 that is its own partner's
        "time reversal": _triplet_ribbon(40, 2, 0.0, 0.0),
        "spin-degenerate": spinful(grid((6, 6, 4), delta=islands(144, 4, True), disorder=1.0)),
        "spin-degenerate, real": spinful(grid((6, 6, 4), delta=islands(144, 4), disorder=1.0)),
        "clean spinful torus": spinful(grid((8, 8), delta=0.3, periodic=True)).with_onsite(0.1 * SIGMA_Y),
        "flux": grid((7, 7, 7), delta=islands(343), disorder=1.0).with_field((0, 0, 0.05)),
        "real": grid((7, 7, 7), delta=islands(343), disorder=1.0),
        "zero modes": grid((8, 8), mu=0.0, delta=0.0),
        "zero modes, flux": grid((7, 7), mu=0.0, delta=0.0).with_field(0.05),
    }


NAMES = [
    "end modes",
    "split wire",
    "time reversal",
    "spin-degenerate",
    "spin-degenerate, real",
    "clean spinful torus",
    "flux",
    "real",
    "zero modes",
    "zero modes, flux",
]


_LEVELS = {}  # of every matrix of these tests


def _levels(system):
    """Return all levels by dense algebra, computed once a matrix."""
    matrix = bdg.BdGHamiltonian(system).matrix
    key = hashlib.sha256(matrix.data.tobytes() + matrix.indices.tobytes()).digest()
    if key not in _LEVELS:
        _LEVELS[key] = np.linalg.eigvalsh(matrix.toarray())
    return _LEVELS[key]


def _check(system, k, **options):
    exact = _levels(system)
    states = bdg.bound_states(system, k, method="lanczos", **options)
    size = np.sort(abs(exact))
    assert_allclose(np.sort(abs(states.energies)), size[:k], atol=CLOSE)
    assert (states.residuals < 1e-9).all() and states.complete
    assert states.count == np.count_nonzero(size <= size[k - 1] + 1e-9)
    vectors = np.concatenate([states.u.reshape(-1, k), states.v.reshape(-1, k)])
    assert_allclose(vectors.conj().T @ vectors, np.eye(k), atol=1e-9)
    return states


@pytest.mark.parametrize(
    ("name", "damped"),
    [
        pytest.param(
            name, damped, marks=[pytest.mark.slow] * (damped and name == "flux")
        )  # "zero modes, flux" is quick
        for damped in (False, True)
        for name in NAMES
    ],
)
def test_equals_dense(grid, spinful, islands, monkeypatch, name, damped):
    """Damped: the factors of real shifts are refused, so that those of H - i eta have to do."""
    if damped:
        monkeypatch.setattr(lanczos, "_USABLE", -1.0)
    states = _check(_systems(grid, spinful, islands)[name], 13)
    assert (states.evidence.form == "h_minus_i_eta") == damped
    if damped:
        assert states.evidence.eta > 0 and "contraction" in states.evidence.moved_because
    if name in ("split wire", "spin-degenerate") and not damped:
        assert states.evidence.form == "skew, majorana"
    if name in ("end modes", "spin-degenerate, real") and not damped:
        assert states.evidence.form == "chiral, majorana" and states.u.dtype == float
    if name == "flux" and not damped:
        assert states.evidence.form == "hermitian, quaternion"


@pytest.mark.parametrize("name", ["split wire", "spin-degenerate"])
def test_without_skew_factors_complex_ones_do(grid, spinful, islands, monkeypatch, name):
    monkeypatch.setattr(Antiunitary, "skew", lambda partner, matrix: 0 * matrix.real)  # singular
    states = _check(_systems(grid, spinful, islands)[name], 13)
    assert states.evidence.form == "hermitian, majorana"


@pytest.mark.parametrize("shape", [(6, 5), (4, 3, 3)])
def test_skew_factors_invert_h(grid, spinful, islands, shape):
    """As the operator of the iteration, ``i H^-1`` in real coordinates, and for columns of H; phases and spins."""
    n_sites = int(np.prod(shape))
    system = spinful(grid(shape, delta=islands(n_sites, 4, True), disorder=1.0)).with_field(
        0.1 if len(shape) == 2 else (0, 0, 0.1)
    )
    system = system.with_onsite(0.2 * SIGMA_Z + 0.1 * SIGMA_X)
    hamiltonian, backend = bdg.BdGHamiltonian(system), select_backend("cpu")
    partner = Antiunitary.of(hamiltonian.particle_hole_partner, hamiltonian.shape[0], np)
    symbolic = whole_symbolic(system, backend)
    skew = partner.skew(hamiltonian.matrix)
    assert skew.dtype == float and abs(skew + skew.T).max() == 0
    factor = Factor(symbolic, symbolic.pattern.split(skew), 0.0, backend)
    assert factor.symmetry == "skew"
    inverse, exact = SkewInverse(factor, partner), np.linalg.inv(hamiltonian.matrix.toarray())
    rng = np.random.default_rng(0)
    real = rng.standard_normal((len(exact), 3))
    assert_allclose(partner.to_complex(inverse(real)), 1j * exact @ partner.to_complex(real), atol=1e-9)
    states = real + 1j * rng.standard_normal(real.shape)
    assert_allclose(inverse.solve(states), exact @ states, atol=1e-9)


def _chiral(system):
    """Inverse of real spinful H, its matrix and its partner."""
    hamiltonian, backend = bdg.BdGHamiltonian(system), select_backend("cpu")
    partner = Antiunitary.of(hamiltonian.particle_hole_partner, hamiltonian.shape[0], np)
    symbolic, half = electron_symbolic(system, backend), hamiltonian.shape[0] // 2
    skew = partner.skew(hamiltonian.matrix)
    assert not skew[:half, :half].nnz and not skew[half:, half:].nnz
    matrices = [symbolic.pattern.split(sp.csr_matrix(x)) for x in (skew[:half, half:], skew[:half, half:].T)]
    factor = Factor(symbolic, matrices[0], 0.0, backend)
    return ChiralInverse(factor, partner, matrices[1]), hamiltonian.matrix, partner


@pytest.mark.parametrize("contraction", [None, 1e-4])
def test_chiral_factors_invert_h(grid, spinful, islands, contraction):
    """Columns in either half and in both, as they are and refined once; columns of H stay real."""
    film = spinful(grid((6, 5), delta=islands(30, 4), disorder=1.0)).with_onsite(0.2 * SIGMA_Z + 0.1 * SIGMA_X)
    inverse, matrix, partner = _chiral(film)
    if contraction is not None:
        inverse.factor.__dict__["contraction"] = contraction
        assert rough_refinements(inverse.factor) == 1
    exact = np.linalg.inv(matrix.toarray())
    half = len(exact) // 2
    columns = np.random.default_rng(0).standard_normal((len(exact), 3))
    for zeros in (slice(half), slice(half, None), slice(0)):
        some = columns.copy()
        some[zeros] = 0
        image = inverse(some)
        assert_allclose(partner.to_complex(image), 1j * exact @ partner.to_complex(some), atol=1e-10)
        if zeros != slice(0):
            assert not image[: half if zeros == slice(half, None) else 0].any()
    solved = inverse.solve(columns)
    assert solved.dtype == float
    assert_allclose(solved, exact @ columns, atol=1e-10)
    assert_allclose(inverse.solve(columns + 1j * columns[::-1]), exact @ (columns + 1j * columns[::-1]), atol=1e-10)


def test_without_pairing_moved_pivots_are_taken_back_in_both_halves(grid, spinful):
    """Then x is symmetric; leaves with unequal sublattices are singular at half filling, this film is not."""
    inverse, matrix, partner = _chiral(spinful(grid((14, 13), mu=0, delta=0)))
    assert inverse.factor.symmetry == "symmetric" and inverse.factor.bordered > 0
    columns = np.random.default_rng(0).standard_normal((inverse.size, 2))
    exact = np.linalg.solve(matrix.toarray(), partner.to_complex(columns))
    assert_allclose(partner.to_complex(inverse(columns)), 1j * exact, atol=1e-9)


@pytest.mark.parametrize("zeeman", [0.0, 0.2])
@pytest.mark.parametrize("max_dimension", [None, 24])
def test_pairs_in_halves_of_the_coordinates(grid, spinful, islands, zeeman, max_dimension):
    """States are real and span with their partners what dense algebra finds, with restarts and twofold levels, too."""
    film = spinful(grid((7, 6), delta=islands(42, 4), disorder=1.0)).with_onsite(zeeman * SIGMA_Z)
    inverse, matrix, _ = _chiral(film)
    calls = []

    def counted(columns):
        half = len(columns) // 2
        calls.append(bool(columns[:half].any()) + bool(columns[half:].any()))
        return inverse(columns)

    search = Search(8, 1e-11, block=2, max_dimension=max_dimension)
    run = inverse_lanczos(counted, inverse.size, search, form=inverse.form, backend=select_backend("cpu"), seed=1)
    exact = np.linalg.eigvalsh(matrix.toarray())
    assert run.converged and (run.restarts > 0 or max_dimension is None)
    assert_allclose(np.sort(1 / run.values), np.sort(exact[exact > 0])[:8], atol=1e-10)
    states = inverse.states(run.vectors)
    assert states.dtype == float
    pairs = rayleigh_ritz(matrix, np.concatenate([states, bdg.BdGHamiltonian(film).particle_hole_partner(states)], 1))
    assert_allclose(np.sort(abs(pairs.energies)), np.sort(abs(exact))[:16], atol=1e-10)
    if zeeman:
        assert states.shape[1] == 8 and max(calls) == 1  # one half at a time, after a restart as well
    inside = inverse.known(pairs.vectors)
    assert (
        inside.shape[1] == 16
        and not (inside[: len(inside) // 2].any(axis=0) & inside[len(inside) // 2 :].any(axis=0)).any()
    )


def test_damped_vectors_split_into_both_signs(grid):
    """A mixture of degenerate levels at +E and -E is an eigenvector of (H^2 + eta^2)^-1; with H x it spans both."""
    system = grid((6, 6), mu=0.3, delta=0.3, periodic=True)
    hamiltonian = bdg.BdGHamiltonian(system)
    backend = select_backend("cpu")
    symbolic = whole_symbolic(system, backend)
    factor = Factor(symbolic, symbolic.pattern.split(hamiltonian.matrix), 0.1j, backend)
    inverse = DampedInverse(factor)
    energies, vectors = np.linalg.eigh(hamiltonian.matrix.toarray())
    level = np.isclose(abs(energies), np.sort(abs(energies))[10])
    assert level.sum() >= 8
    mixture = vectors[:, level] @ np.random.default_rng(0).standard_normal((level.sum(), 2))
    assert_allclose(inverse(mixture), mixture / (energies[level][0] ** 2 + 0.01), atol=1e-10)
    pairs = rayleigh_ritz(hamiltonian.matrix, inverse.states(mixture))
    assert_allclose(np.sort(pairs.energies), energies[level][0] * np.array([1, 1, -1, -1]), atol=1e-10)
    assert (pairs.residuals < 1e-10).all()


def test_no_usable_factors_are_an_error(grid, monkeypatch):
    monkeypatch.setattr(lanczos, "_USABLE", -1.0)
    monkeypatch.setattr(lanczos, "_USABLE_DAMPED", -1.0)
    with pytest.raises(ArithmeticError, match=r"no usable factors of H - shift: .*Takagi form: contraction .*; eta"):
        bdg.bound_states(grid((5, 5), delta=0.3), 4, method="lanczos")


@pytest.mark.parametrize(
    ("k", "complex_"),
    [
        (200, False),
        (201, True),
        pytest.param(200, True, marks=pytest.mark.slow),
        pytest.param(201, False, marks=pytest.mark.slow),
    ],
)
def test_several_hundred_states(grid, islands, complex_, k):
    system = grid((8, 8, 8), delta=islands(512), disorder=1.0)
    _check(system.with_field((0, 0, 0.05)) if complex_ else system, k)


@pytest.mark.parametrize("k", [10, pytest.param(33, marks=pytest.mark.slow), 64])
def test_large_multiplets_are_found_whole(grid, k):
    """A clean torus: levels of 24 and 168 states, of which one start vector finds few."""
    states = _check(grid((8, 8, 8), mu=-1, delta=0.3, periodic=True), k)
    assert states.evidence.searches > 1


@pytest.mark.slow
@pytest.mark.parametrize("k", [10, 33, 64])
def test_large_multiplets_of_a_larger_torus_are_found_whole(grid, k):
    """Levels of 48 states."""
    states = _check(grid((10, 10, 10), mu=-1, delta=0.3, periodic=True), k)
    assert states.evidence.searches > 1


def test_window_with_several_hundred_states(grid, islands):
    system = grid((8, 8, 8), delta=islands(512), disorder=1.0).with_field((0, 0, 0.05))
    exact = _levels(system)
    inside = exact[(exact >= -0.5) & (exact <= 0.9)]
    states = bdg.bound_states(system, window=(-0.5, 0.9), method="lanczos")
    assert inside.size > 200 and states.evidence.slices > 1
    assert_allclose(np.sort(states.energies), inside, atol=CLOSE)
    assert states.complete and states.count == inside.size


def test_levels_crowded_at_the_gap_edge_get_shifts_of_their_own(monkeypatch):
    """Long phase-biased S/N/S wire: 12 levels just above the gap, and little patience with the search at zero."""
    monkeypatch.setattr(lanczos, "_PATIENCE", -40)
    lead = [bdg.lattices.Layer(250, delta=0.3, phase=phase) for phase in (0.0, 2.0)]
    system = bdg.lattices.stack([lead[0], bdg.lattices.Layer(3), lead[1]], (1,), mu=-0.5)
    states = _check(system, 16)
    assert len(states.evidence.shifts) >= 1 and abs(states.evidence.shifts[0] - 0.3) < 0.05


@pytest.mark.parametrize("name", ["disordered", "clean", "magnetic"])
def test_counts_next_to_eigenvalues(grid, islands, name):
    """Ten energies, down to 1e-9 from a level: a count that is claimed is right, and one 1e-7 away is claimed."""
    system = {
        "disordered": grid((8, 8, 8), delta=islands(512), disorder=1.0),
        "clean": grid((7, 8, 9), delta=np.where(np.arange(504) < 150, 0.3, 0.0)),
        "magnetic": grid((7, 7, 7), delta=islands(343), disorder=1.0).with_field((0, 0, 0.05)),
    }[name]
    exact = np.sort(abs(_levels(system)))
    levels = exact[[10, 21, 40]]
    energies = [0.3, 0.7, 1.3, 2.9, *(levels[:2] - 1e-9), levels[2] + 1e-8, *(levels[:2] + 1e-7), levels[2] - 1e-7]
    claimed = []
    for energy in energies:
        result = bdg.count_states(system, energy, method="lanczos")
        claimed.append(result.count >= 0)
        assert result.count in (-1, np.count_nonzero(exact < energy)), energy
    assert all(claimed[:4]) and all(claimed[7:])


@pytest.mark.slow
def test_disordered_composite_of_32768_sites_is_certified():
    """32 states of a composite of 32^3 sites, certified complete; counted again in the gap behind the last one."""
    system = bdg.lattices.grain_composite(
        (32.0, 32.0, 32.0), 1.0, volume_fraction=0.1, diameter=8.0, disorder=1.0, seed=0
    )
    states = bdg.bound_states(system, 32, method="lanczos")
    assert states.complete and states.energies.size == 32 and states.evidence.form == "takagi"
    assert (states.residuals < 1e-9).all()
    assert_allclose(np.sort(states.energies), -np.sort(states.energies)[::-1], atol=0)
    cut = states.evidence.counted_at[1]
    assert bdg.count_states(system, cut, method="lanczos").count >= states.count >= 32
