"""Counts of eigenvalues with a measured backward error, against dense algebra, also next to eigenvalues."""

import tracemalloc

import numpy as np
import pytest
import scipy.sparse as sp
from numpy.testing import assert_allclose

import bdg
from bdg.gpu.device.backend import MemoryBudgetError, select_backend
from bdg.gpu.eigen.certified import lowest
from bdg.gpu.eigen.eigenpairs import Eigenpairs
from bdg.gpu.eigen.lanczos import LanczosEngine
from bdg.gpu.eigen.scales import Scales
from bdg.gpu.multifrontal import CPU_SETTINGS, FrontSettings, SignCount, SitePattern, analyse, predict_memory
from bdg.gpu.multifrontal.factors import sign_count, stacked
from bdg.gpu.multifrontal.trust import FactorError
from bdg.lattices.nambu import SIGMA_X
from bdg.methods.symbolic import dof_rows

CPU = select_backend("cpu")
DEEP = FrontSettings(leaf=2, call_flops=0.0, base=4, upper=3, split=1, pivots=4)
PADDED = FrontSettings(leaf=2, call_flops=1e12, base=5, upper=0, split=0)
SETTINGS = {"deep": DEEP, "padded": PADDED, "as on the CPU": CPU_SETTINGS}


def _systems(grid, spinful, islands):
    return {
        "clean": grid((5, 5, 4), delta=0.3, mu=0.0),
        "disorder": grid((6, 5, 4), delta=0.3, disorder=4.0),
        "phases": grid((5, 5, 4), delta=islands(100, phases=True)),
        "film": grid((12, 11, 1), delta=0.2, mu=-1.0),
        "spins": spinful(grid((4, 4, 3), delta=0.3, disorder=2.0)),
        "one site": grid((1, 1, 1), delta=0.3),
    }


@pytest.fixture(params=["clean", "disorder", "phases", "film", "spins", "one site"])
def hamiltonian(request, grid, spinful, islands):
    return bdg.BdGHamiltonian(_systems(grid, spinful, islands)[request.param])


def _parts(hamiltonian, settings=DEEP):
    system = hamiltonian.system
    pattern = SitePattern.of(hamiltonian.matrix, dof_rows(system))
    return analyse(system.positions, pattern, settings), pattern.split(hamiltonian.matrix)


def _count(hamiltonian, energy, within=1e-3, settings=DEEP):
    return SignCount(*_parts(hamiltonian, settings), energy, CPU, within=within)


@pytest.mark.parametrize(
    "settings",
    [pytest.param(each, marks=[pytest.mark.slow] * (name == "padded"), id=name) for name, each in SETTINGS.items()],
)
def test_counts_lie_between_those_at_the_ends_of_the_error(hamiltonian, settings):
    """At random shifts and at distances from an eigenvalue down to rounding, where the count may take it or not."""
    _check_counts(hamiltonian, settings, n_levels=3, n_random=5, n_proven=8)


@pytest.mark.slow
@pytest.mark.parametrize("settings", SETTINGS.values(), ids=SETTINGS)
def test_counts_lie_between_those_at_the_ends_of_the_error_at_more_energies(hamiltonian, settings):
    _check_counts(hamiltonian, settings, n_levels=5, n_random=10, n_proven=15)


def _check_counts(hamiltonian, settings, n_levels, n_random, n_proven):
    levels = np.linalg.eigvalsh(hamiltonian.matrix.toarray())
    rng = np.random.default_rng(0)
    near = levels[rng.integers(levels.size, size=n_levels)][:, None] + np.array([1e-2, -1e-4, 1e-7, -1e-10, 1e-14])
    proven = 0
    assert all(_count(hamiltonian, energy, 1e-3, settings).n_above is not None for energy in levels[:3] + 0.01)
    for energy in [*rng.uniform(-3, 3, n_random), *near.ravel()]:
        signs = _count(hamiltonian, energy, 1e-3, settings)
        if signs.n_above is None:
            assert signs.backward_error >= 1e-3
            continue
        proven += 1
        assert signs.backward_error < 1e-3
        low, high = ((levels > energy + step).sum() for step in (signs.backward_error, -signs.backward_error))
        assert low <= signs.n_above <= high
    assert proven >= n_proven  # all that are further away than 1e-4, others as far as rounding allows


def _with_multiplets(name, grid, spinful):
    """Systems of few distinct levels: a flat band (Lieb lattice), Kramers pairs, parts that do not touch."""
    if name == "kramers":
        film = spinful(grid((7, 6), mu=-1.0, delta=0.3))
        along = sp.triu(film.hamiltonian.real, 3) * 0.4j  # spin-orbit coupling on one axis keeps time reversal
        coupling = along @ sp.kron(sp.identity(42), SIGMA_X)
        return bdg.System(
            hamiltonian=film.hamiltonian + coupling + coupling.conj().T,
            positions=film.positions,
            norbs=2,
            delta=film.delta,
        )
    square = grid((9, 9), mu=0.1)
    x, y = square.positions.astype(int).T
    kept = np.flatnonzero((x % 2 == 0) | (y % 2 == 0)) if name == "flat band" else np.arange(81)
    h = sp.csr_matrix(square.hamiltonian)[kept][:, kept].tocoo()
    if name == "parts":
        inside = x[h.row] // 3 == x[h.col] // 3
        h = sp.coo_matrix((h.data[inside], (h.row[inside], h.col[inside])), shape=h.shape)
    return bdg.System(hamiltonian=h.tocsr(), positions=square.positions[kept], delta=np.full(kept.size, 0.3))


@pytest.mark.parametrize("settings", [DEEP, CPU_SETTINGS], ids=["deep", "as on the CPU"])
@pytest.mark.parametrize("name", ["flat band", "kramers", "parts"])
def test_counts_between_multiplets_are_proven(name, settings, grid, spinful):
    hamiltonian = bdg.BdGHamiltonian(_with_multiplets(name, grid, spinful))
    levels = np.linalg.eigvalsh(hamiltonian.matrix.toarray())
    gaps = np.where(np.diff(levels) > 1e-9, np.diff(levels), 0.0)
    assert 1 < levels.size / np.count_nonzero(gaps)  # copies of levels
    for number in np.random.default_rng(0).choice(np.flatnonzero(gaps), 8, replace=False):
        middle = 0.5 * (levels[number] + levels[number + 1])
        signs = _count(hamiltonian, middle, 0.25 * gaps[number], settings)
        assert signs.n_above == levels.size - number - 1


@pytest.mark.parametrize("kind", ["disorder", "phases"])
def test_the_error_is_seen_where_the_inverses_have_one(kind, grid, spinful, islands, monkeypatch):
    """A planted error of the inverses is mended where it would spoil the count, and is in the bound where not."""
    hamiltonian = bdg.BdGHamiltonian(_systems(grid, spinful, islands)[kind])
    plain = stacked.StackInverter.__call__

    def spoilt(self, matrices, last):
        inverse = plain(self, matrices, last)
        noise = np.random.default_rng(3).standard_normal(inverse.shape)
        return inverse + 1e-6 * (noise + noise.swapaxes(1, 2))

    exact = int((np.linalg.eigvalsh(hamiltonian.matrix.toarray()) > 0.37).sum())
    clean = _count(hamiltonian, 0.37, 1e-4)
    assert clean.improved == 0
    assert clean.n_above == exact
    monkeypatch.setattr(stacked.StackInverter, "__call__", spoilt)
    mended = _count(hamiltonian, 0.37, 1e-6)
    assert mended.improved > 10
    assert mended.n_above == exact
    assert mended.backward_error < 1e-6
    left = _count(hamiltonian, 0.37, 1e3)
    assert left.improved == 0
    assert left.backward_error > 1e-5


def test_the_error_is_seen_where_the_products_have_one(grid, monkeypatch):
    hamiltonian = bdg.BdGHamiltonian(grid((5, 5, 4), delta=0.3))
    plain = SignCount._product

    def spoilt(self, *operands):
        product = plain(self, *operands)
        product[:, 0, 0] += 1e-5
        return product

    assert _count(hamiltonian, 0.37).backward_error < 1e-9
    monkeypatch.setattr(SignCount, "_product", spoilt)
    assert 1e-5 < _count(hamiltonian, 0.37).backward_error < 0.1  # ten times the sum over all fronts
    assert _count(hamiltonian, 0.37, 1e-5).n_above is None


@pytest.mark.parametrize("dtype", [float, complex])
def test_probes_measure_frobenius_norms(dtype):
    """Of rank one, the worst case: a tenth of the norm or less shows once in 5000 times (chi squared, four degrees)."""
    rng = np.random.default_rng(1)
    rows = rng.standard_normal((20000, 1, 30)) + (1j * rng.standard_normal((20000, 1, 30)) if dtype is complex else 0)
    found = sign_count._norm(np, rows @ sign_count._probes(30, np.dtype(dtype)))
    ratio = found / np.linalg.norm(rows, axis=(1, 2))
    assert 0.8 < np.sqrt((ratio**2).mean()) < 1.25  # the same few vectors for all
    assert (ratio < 0.1).mean() < 1 / 2000


def test_moved_pivots_are_part_of_the_error(grid, monkeypatch):
    """At zero energy and mu = 0 a clean normal metal has singular pivot blocks; without a border they are moved."""
    monkeypatch.setattr(sign_count, "_ROOM", 0)
    hamiltonian = bdg.BdGHamiltonian(grid((4, 4, 4), mu=0.0))
    levels = np.linalg.eigvalsh(hamiltonian.matrix.toarray())
    moved, plain = [], stacked._move_pivots
    monkeypatch.setattr(stacked, "_move_pivots", lambda *given: moved.append(plain(*given)) or moved[-1])
    signs = _count(hamiltonian, 0.0, 0.3)
    assert sum(moved) > 0
    if signs.n_above is not None:
        assert (levels > signs.backward_error).sum() <= signs.n_above <= (levels > -signs.backward_error).sum()
    assert _count(hamiltonian, 0.0, 1e-9).n_above is None
    assert _count(hamiltonian, 0.0, 1e-9).backward_error == np.inf


def test_nothing_is_kept_and_the_peak_is_as_predicted(grid):
    hamiltonian = bdg.BdGHamiltonian(grid((14, 14, 14), delta=0.3, mu=-1.0))
    symbolic, blocks = _parts(hamiltonian, CPU_SETTINGS)
    symbolic.on(np)
    tracemalloc.start()
    signs = SignCount(symbolic, blocks, 0.2, CPU, within=1e-4)
    after, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    predicted = predict_memory(symbolic, signs.dtype)
    assert 0.95 * peak < predicted.count_peak < 1.5 * peak
    assert predicted.count_peak < 0.8 * predicted.factor_peak
    assert after < 0.05 * peak + signs.values.nbytes + 2 * blocks.blocks.nbytes


def test_bad_arguments_are_named(grid, monkeypatch):
    hamiltonian = bdg.BdGHamiltonian(grid((3, 3, 1), delta=0.3))
    symbolic, blocks = _parts(hamiltonian)
    with pytest.raises(ValueError, match="a count needs a Hermitian H and a real z"):
        SignCount(symbolic, blocks, 0.1j, CPU, within=1e-3)
    with pytest.raises(ValueError, match="within must be a positive energy; got 0"):
        SignCount(symbolic, blocks, 0.1, CPU, within=0)
    skew = symbolic.pattern.split(sp.csr_matrix(1j * sp.tril(hamiltonian.matrix)))
    with pytest.raises(ValueError, match="a count needs a Hermitian H"):
        SignCount(symbolic, skew, 0.1, CPU, within=1e-3)
    monkeypatch.setattr("bdg.gpu.device.memory.available_bytes", lambda backend: 100)
    with pytest.raises(MemoryBudgetError, match="counting the levels of 18 rows"):
        SignCount(symbolic, blocks, 0.1, CPU, within=1e-3)


# ----------------------------------------------------------------------------------------------- states and their proof


def test_states_are_proven_by_the_backward_error(hamiltonian):
    size = hamiltonian.shape[0]
    if size < 20:
        pytest.skip("no Lanczos for so few states")
    found = bdg.bound_states(hamiltonian.system, 12, method="lanczos")
    levels = np.linalg.eigvalsh(hamiltonian.matrix.toarray())
    assert found.complete
    assert_allclose(np.sort(abs(found.energies)), np.sort(abs(levels))[: found.energies.size], atol=1e-8)
    counted = found.evidence.counted_at[1]
    if "count_backward_error" in found.evidence:
        assert found.evidence.count_backward_error < np.inf
        assert abs(abs(levels) - counted).min() > 0


def test_factors_are_used_where_the_error_proves_nothing(grid, monkeypatch):
    """Then the measured contraction has to prove the count."""
    system = grid((6, 5, 4), delta=0.3, disorder=4.0)
    plain = bdg.bound_states(system, 12, method="lanczos")
    assert plain.complete
    assert not hasattr(plain.evidence, "count_contraction")
    monkeypatch.setattr(SignCount, "_inverse_error", lambda *args: np.inf)
    found = bdg.bound_states(system, 12, method="lanczos")
    assert found.complete
    assert found.evidence.count_contraction < 1e-2
    assert found.evidence.count_backward_error == np.inf
    assert_allclose(found.energies, plain.energies, atol=1e-9)


class _Forgetful:
    """Dense algebra that misses a pair of levels at first, and counts as wrongly as it may."""

    patience, estimated_count = 1.0, ""

    def __init__(self, hamiltonian, missed, direction):
        self.matrix, self.partner = hamiltonian.matrix, hamiltonian.particle_hole_partner
        self.scales = Scales.of(self.matrix)
        self.energies, self.states = np.linalg.eigh(self.matrix.toarray())
        self.missed, self.direction, self.facts, self.counts = missed, direction, {}, []

    def search(self, shift, wanted, tol, rng, known, needed=None):
        if known is None:
            levels = np.sort(abs(self.energies))[::2]
            kept = abs(abs(self.energies) - levels[self.missed]) > 1e-9
        else:
            overlap = abs(known.conj().T @ self.states) ** 2
            kept = overlap.sum(axis=0) < 0.5
        nearest = np.flatnonzero(kept)[np.argsort(abs(self.energies[kept] - shift), kind="stable")][:wanted]
        return Eigenpairs(self.energies[nearest], self.states[:, nearest], np.zeros(nearest.size))

    def polish(self, shift, vectors, tol):
        raise FactorError("not needed")

    def count_below(self, energy, within=None):
        self.counts.append(energy)
        return int((self.energies < energy + self.direction * 0.99 * (within or 0.0)).sum())


@pytest.mark.parametrize("direction", [-1, 1])
@pytest.mark.parametrize("missed", range(8))
def test_a_missed_level_is_found_wherever_it_lies(grid, missed, direction):
    """Also in the middle of the gap in which the count is made, where the count may take it or not."""
    hamiltonian = bdg.BdGHamiltonian(grid((5, 4, 3), delta=0.3, disorder=4.0))
    engine = _Forgetful(hamiltonian, missed, direction)
    found = lowest(engine, 12, 1e-8, 0)
    below = int((abs(engine.energies) < found.interval[1]).sum())
    assert found.proven in (-1, below)
    if found.proven > 0:
        lowest_levels = np.sort(abs(engine.energies))[:below]
        assert_allclose(np.sort(abs(found.energies))[:below], lowest_levels, atol=1e-9)
    assert found.proven > 0 or missed >= 6  # 12 states are six pairs: what is missed lies below the cut


@pytest.mark.parametrize("direction", [-1, 1])
def test_a_count_is_repeated_where_a_level_turns_up_in_the_gap(direction):
    """Levels 1 to 6, then 10 and 14: a gap from 6 to 14 is where one counts if 10 is missed, and 10 is its middle."""
    levels = np.array([1, 2, 3, 4, 5, 6, 10, *range(14, 24)], dtype=float)
    system = bdg.System(
        hamiltonian=sp.diags(levels, format="csr"), positions=np.arange(17.0)[:, None], delta=np.zeros(17)
    )
    engine = _Forgetful(bdg.BdGHamiltonian(system), 6, direction)
    found = lowest(engine, 12, 1e-8, 0)
    assert engine.counts[0] == 10
    assert found.proven == 2 * (levels < found.interval[1]).sum() >= 12
    assert len(engine.counts) == (2 if direction > 0 else 1)
    assert "shifts" not in found.facts  # no search by slices for what is not missing


def test_counts_of_the_engine_take_the_error_into_account(grid):
    hamiltonian = bdg.BdGHamiltonian(grid((5, 5, 4), delta=0.3, mu=-1.0))
    levels = np.linalg.eigvalsh(hamiltonian.matrix.toarray())
    symbolic, _ = _parts(hamiltonian)
    engine = LanczosEngine(hamiltonian.matrix, lambda: symbolic, hamiltonian.particle_hole_partner, CPU)
    assert engine.count_below(0.5, within=1e-3) == int((levels < 0.5).sum())
    assert "count_contraction" not in engine.facts
    assert engine.count_below(0.5) == int((levels < 0.5).sum())
    assert engine.facts["count_contraction"] < 1e-2
