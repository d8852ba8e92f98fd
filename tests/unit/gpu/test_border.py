"""Pivots that are moved far and taken back: counts, solves and determinants where blocks of pivots are singular.

Leaves get an eigenvalue at the energy itself, or next to it, which spoils every elimination that leaves it where it is;
everything is held against dense algebra.
"""

import numpy as np
import pytest
import scipy.sparse as sp
from hypothesis import given, settings
from hypothesis import strategies as st

from bdg.gpu.device.backend import select_backend
from bdg.gpu.multifrontal import Factor, FactorError, FrontSettings, SignCount, SitePattern, analyse
from bdg.gpu.multifrontal.factors import factor as factor_module
from bdg.gpu.multifrontal.factors import sign_count
from bdg.gpu.multifrontal.factors.border import Border

CPU = select_backend("cpu")
DEEP = FrontSettings(leaf=2, call_flops=0.0, base=4, upper=3, split=1, pivots=4, thin_leaves=True)
PADDED = FrontSettings(leaf=2, call_flops=1e12, base=5, upper=0, split=0)
WHOLE = FrontSettings(leaf=4, upper=192, thin_leaves=True)  # fronts as they are on the CPU, a base block each
SETTINGS = {"deep": DEEP, "padded": PADDED, "whole blocks": WHOLE}
SHAPES = {"chain": (17,), "film": (6, 5), "cube": (4, 4, 3)}


def _random(shape, kind, nd=2, draw=None):
    """Return positions, a matrix of random blocks (nd, nd) on sites and bonds of a grid, and the rows of each site.

    ``kind``: "real" and "hermitian" as they are called, "takagi" complex symmetric.
    """
    draw = np.random.default_rng(0).standard_normal if draw is None else draw
    positions = np.stack(np.meshgrid(*map(np.arange, shape), indexing="ij"), -1).reshape(-1, len(shape)).astype(float)
    distance = abs(positions[:, None] - positions).sum(-1)
    first, second = np.nonzero(np.triu(distance < 1.5))
    blocks = draw((first.size, nd, nd)) * 1.0
    if kind != "real":
        blocks = blocks + 1j * draw(blocks.shape)
    rows = np.arange(len(positions) * nd).reshape(-1, nd)
    dense = np.zeros((rows.size, rows.size), blocks.dtype)
    dense[rows[first][:, :, None], rows[second][:, None, :]] = blocks
    dense = (dense + (dense.conj().T if kind == "hermitian" else dense.T)) / 2
    return positions, dense, rows


def _analysed(positions, dense, rows, settings=DEEP):
    matrix = sp.csr_matrix(dense)
    links = sp.csr_matrix((abs(dense) > 0).astype(float))
    links.data[:] = 1
    pattern = SitePattern.of(matrix, rows)
    return analyse(positions, pattern, settings), pattern.split(matrix)


def _leaves(symbolic):
    """Yield the rows of each leaf."""
    for c in symbolic.classes:
        if c.is_leaf and c.a:
            for pivots in c.pivots:
                yield pivots[pivots < symbolic.n_rows]


def _planted(symbolic, dense, number=3, at=0.0):
    """Return the matrix with an eigenvalue (complex symmetric: a singular value) ``at`` in some of the leaves."""
    dense = dense.copy()
    for rows in list(_leaves(symbolic))[:number]:
        block = dense[np.ix_(rows, rows)]
        if np.allclose(block, block.conj().T):
            values, vectors = np.linalg.eigh(block)
            k = abs(values).argmin()
            change = (at - values[k]) * np.outer(vectors[:, k], vectors[:, k].conj())
        else:  # B + c u u^T for B u* = s w is made singular by the c at which its determinant, linear in c, vanishes
            u = np.linalg.svd(block)[0][:, -1:]
            ratio = np.linalg.det(block + u @ u.T) / np.linalg.det(block)
            change = (at - 1) / (ratio - 1) * (u @ u.T)
        dense[np.ix_(rows, rows)] += change
    return dense


def _counted(parts, dense, rows, z, settings=DEEP, within=1e-3):
    symbolic, blocks = _analysed(parts, dense, rows, settings)
    signs = SignCount(symbolic, blocks, z, CPU, within=within)
    levels = np.linalg.eigvalsh(dense)
    if signs.n_above is not None:
        assert signs.backward_error < within
        low, high = ((levels > z + step).sum() for step in (signs.backward_error, -signs.backward_error))
        assert low <= signs.n_above <= high
    return signs


# ---------------------------------------------------------------------------------------------------------- counts


@pytest.mark.parametrize("sizes", SETTINGS.values(), ids=SETTINGS)
@pytest.mark.parametrize("shape", SHAPES.values(), ids=SHAPES)
@pytest.mark.parametrize("kind", ["real", "hermitian"])
@pytest.mark.parametrize("at", [0.0, -1e-7, *(pytest.param(x, marks=pytest.mark.slow) for x in (1e-12, 2e-5))])
def test_singular_leaves_are_counted(kind, shape, sizes, at):
    positions, dense, rows = _random(shape, kind)
    z = 0.37
    dense -= z * np.eye(len(dense))
    symbolic, _ = _analysed(positions, dense, rows, sizes)
    dense = _planted(symbolic, dense, at=at) + z * np.eye(len(dense))
    signs = _counted(positions, dense, rows, z, sizes, within=1e-6)
    assert signs.bordered >= min(3, len(list(_leaves(symbolic))))
    assert signs.n_above == (np.linalg.eigvalsh(dense) > z).sum()
    assert signs.backward_error < 1e-8


@pytest.mark.parametrize("kind", ["real", "hermitian"])
def test_the_border_decides(kind, monkeypatch):
    """The signs of the moved matrix alone are wrong, and so are those with a border of the wrong sign."""
    positions, dense, rows = _random((6, 5), kind)
    symbolic, _ = _analysed(positions, dense, rows)
    dense = _planted(symbolic, dense, 5)
    exact = (np.linalg.eigvalsh(dense) > 0).sum()
    assert _counted(positions, dense, rows, 0.0).n_above == exact
    plain = Border.remainder
    for wrong in (lambda self: abs(np.diag(np.diag(plain(self)))), lambda self: -plain(self)):
        monkeypatch.setattr(Border, "remainder", wrong)
        signs = SignCount(*_analysed(positions, dense, rows), 0.0, CPU, within=1e-3)
        assert signs.n_above != exact


@pytest.mark.parametrize("kind", ["real", "hermitian"])
def test_the_small_matrix_is_that_of_dense_algebra(kind, monkeypatch):
    positions, dense, rows = _random((4, 4, 3), kind)
    symbolic, _ = _analysed(positions, dense, rows)
    dense = _planted(symbolic, dense, 5)
    columns = []
    plain = Border.eliminate

    def seen(self, moved, *arrays):
        c = self._classes[self._done]
        for each in moved:
            column = np.zeros((len(dense) + 1, each.vectors.shape[1]), dense.dtype)
            column[c.pivots[each.front, each.begin : each.begin + len(each.vectors)]] = each.vectors
            columns.append(column[:-1])
        plain(self, moved, *arrays)

    monkeypatch.setattr(Border, "eliminate", seen)
    signs = _counted(positions, dense, rows, 0.0)
    v, far = np.concatenate(columns, axis=1), signs._pivots.far
    assert v.shape[1] == signs.bordered >= 5
    assert abs(v.conj().T @ v - np.eye(v.shape[1])).max() < 1e-14
    exact = np.eye(v.shape[1]) / far - v.conj().T @ np.linalg.solve(-dense + far * v @ v.conj().T, v)
    assert abs(signs._border.remainder() - exact).max() < 1e-11 * abs(exact).max()
    error = signs._border.backward_error()  # of rounding, in units of energy
    assert 1e-16 < error < 1e-10


def test_nothing_is_moved_where_nothing_is_small():
    positions, dense, rows = _random((6, 5), "real")
    dense += np.diag(np.where(np.arange(len(dense)) % 2, 30.0, -30.0))
    signs = _counted(positions, dense, rows, 0.0)
    assert signs.bordered == 0
    assert signs._border.backward_error() == 0
    assert signs.n_above == len(dense) // 2


def test_levels_at_the_energy_itself():
    """Parts that do not touch, some at the energy exactly: whatever is counted, it is within the error."""
    positions = np.arange(24.0)[:, None]
    levels = np.repeat([0.25, -1.0, 0.25 + 1e-9, 2.0], 6)
    rows = np.arange(24)[:, None]
    signs = _counted(positions, np.diag(levels), rows, 0.25)
    assert 6 <= signs.n_above <= 18
    assert 0 < signs.backward_error < 1e-12
    assert _counted(positions, np.diag(levels), rows, 0.25 + 1e-10).n_above == 12


@pytest.mark.parametrize("z", [0.0, 1.0, -1.0])
@pytest.mark.parametrize("shape", [(21,), (5, 5), (4, 4, 4)])
def test_clean_systems_with_multiplets(shape, z):
    positions, dense, rows = _random(shape, "real", nd=1, draw=np.ones)
    dense -= np.eye(len(dense))
    beside = z + 1e-7
    signs = _counted(positions, dense * 2, rows, beside)
    assert signs.bordered > 0
    assert signs.n_above == (np.linalg.eigvalsh(dense * 2) > beside).sum()
    _counted(positions, dense * 2, rows, z)


@pytest.mark.parametrize("room", [0, 1, 4, 7])
def test_more_small_pivots_than_there_is_room_for(room, monkeypatch):
    """What finds no room is left to static pivoting: then the count gives up, or is right all the same."""
    positions, dense, rows = _random((8, 5), "real")
    symbolic, _ = _analysed(positions, dense, rows)
    dense = _planted(symbolic, dense, number=8)
    assert _counted(positions, dense, rows, 0.0).bordered >= 8
    monkeypatch.setattr(sign_count, "_ROOM", room)
    few = _counted(positions, dense, rows, 0.0)
    assert few.bordered <= room
    assert few.n_above is None
    assert few.backward_error == np.inf


@pytest.mark.parametrize("sizes", [DEEP, PADDED], ids=["deep", "padded"])
@pytest.mark.parametrize("scale", [1e-9, 1e-4, 1e5, 1e10])
def test_units_do_not_matter(scale, sizes):
    positions, dense, rows = _random((6, 5), "real")
    symbolic, _ = _analysed(positions, dense, rows, sizes)
    dense = _planted(symbolic, dense)
    plain = _counted(positions, dense, rows, 0.0, sizes)
    other = _counted(positions, dense * scale, rows, 0.0, sizes, within=1e-3 * scale)
    assert other.bordered == plain.bordered >= 3
    assert other.n_above == plain.n_above
    assert other.backward_error < 1e3 * scale * max(plain.backward_error, 1e-13)


def test_blocks_of_many_decades():
    """Rows from 1e-6 to 1e6: the error is one of the whole matrix, and the count is right beyond it."""
    positions, dense, rows = _random((6, 5), "real")
    weights = 10.0 ** np.linspace(-3, 3, len(dense))
    dense = weights[:, None] * dense * weights
    levels = np.linalg.eigvalsh(dense)
    for z in (0.0, 1.0, -100.0, 1e4):
        signs = _counted(positions, dense, rows, z, within=1.0)
        if abs(levels - z).min() > signs.backward_error:
            assert signs.n_above == (levels > z).sum()


@settings(max_examples=40)
@given(
    st.integers(0, 10**6), st.sampled_from(["real", "hermitian"]), st.sampled_from([1, 2]), st.sampled_from([0, 1, 0.5])
)
def test_whole_numbers_are_never_miscounted(seed, kind, nd, z):
    """Elements -1, 0 and 1: singular blocks, multiplets and loose parts in every other matrix."""
    rng = np.random.default_rng(seed)
    positions, dense, rows = _random((5, 4), kind, nd, lambda shape: rng.integers(-1, 2, shape))
    _counted(positions, dense, rows, float(z))
    beside = _counted(positions, dense, rows, z + 1e-5)
    levels = np.linalg.eigvalsh(dense)
    if abs(levels - z - 1e-5).min() > 1e-6:
        assert beside.n_above == (levels > z + 1e-5).sum()


# ---------------------------------------------------------------------------------------------------------- factors


def _singular(kind, settings=DEEP, shape=(6, 5)):
    positions, dense, rows = _random(shape, kind)
    symbolic, _ = _analysed(positions, dense, rows, settings)
    dense = _planted(symbolic, dense, 5)
    return _analysed(positions, dense, rows, settings), dense


@pytest.mark.parametrize("sizes", SETTINGS.values(), ids=SETTINGS)
@pytest.mark.parametrize("kind", ["real", "hermitian", "takagi"])
def test_solves_with_moved_pivots_are_exact(kind, sizes):
    (symbolic, blocks), dense = _singular(kind, sizes)
    hermitian = kind != "takagi"
    factor = Factor(symbolic, blocks, 0.0, CPU, inertia=hermitian, log_determinant=True)
    assert factor.bordered >= min(5, len(list(_leaves(symbolic))))
    assert factor.moved_blocks == 0
    assert factor.contraction < 1e-8
    inverse = np.linalg.inv(-dense)
    size = abs(inverse).max()
    rng = np.random.default_rng(1)
    for width in (1, 3, 9):
        columns = rng.standard_normal((len(dense), width)) + 1j * rng.standard_normal((len(dense), width))
        assert abs(factor.solve(columns) - inverse @ columns).max() < 1e-9 * size
        real = factor.solve(columns.real)
        assert real.dtype == factor.dtype
        assert abs(real - inverse @ columns.real).max() < 1e-9 * size
    pattern = symbolic.pattern
    exact = inverse[pattern.rows[pattern.first][:, :, None], pattern.rows[pattern.second][:, None, :]]
    assert abs(factor.selected_inverse().blocks - exact).max() < 1e-8 * size
    phase, logarithm = np.linalg.slogdet(-dense)
    found = factor.slogdet()
    assert abs(found[0] - phase) < 1e-8
    assert abs(found[1] - logarithm) < 1e-8
    if hermitian:
        assert factor.negative_count == (np.linalg.eigvalsh(dense) > 0).sum()


@pytest.mark.parametrize("kind", ["real", "takagi"])
def test_the_matrix_of_weights_decides(kind, monkeypatch):
    """Without what is taken off again, nothing is left of a solve; the contraction says so."""
    (symbolic, blocks), _ = _singular(kind)
    monkeypatch.setattr(Factor, "_woodbury", None)
    factor = Factor(symbolic, blocks, 0.0, CPU)
    assert factor.contraction > 1
    with pytest.raises(FactorError, match="a solve at z = 0j needs a contraction below 0.5"):
        factor.solve(np.ones(symbolic.n_rows))


@pytest.mark.parametrize("kind", ["real", "hermitian", "takagi"])
def test_factors_without_room_for_all(kind, monkeypatch):
    """The rest is moved by static pivoting, and the determinant is refused."""
    (symbolic, blocks), dense = _singular(kind)
    monkeypatch.setattr(factor_module, "_ROOM", 2)
    factor = Factor(symbolic, blocks, 0.0, CPU, log_determinant=True)
    assert factor.bordered <= 2
    assert factor.moved_blocks >= 3
    if factor.contraction < 0.5:
        residual = dense @ factor.solve(np.ones(len(dense))) + 1
        assert abs(residual).max() < 1e-6
    with pytest.raises(FactorError, match="static pivoting changed"):
        factor.slogdet()


@pytest.mark.parametrize("options", [{"static_pivot": 0.0}, {"static_pivot": 1e-7}])
def test_static_pivots_that_are_asked_for_are_not_taken_back(options):
    (symbolic, blocks), _ = _singular("real")
    assert Factor(symbolic, blocks, 0.0, CPU, **options).bordered == 0
    assert Factor(symbolic, blocks, 0.3j, CPU).bordered == 0


@pytest.mark.parametrize("scale", [1e-6, 1e6])
def test_determinants_in_other_units(scale):
    (symbolic, blocks), dense = _singular("real", PADDED)
    scaled = symbolic.pattern.split(sp.csr_matrix(dense * scale))
    factor = Factor(symbolic, scaled, 0.0, CPU, log_determinant=True)
    assert factor.bordered == Factor(symbolic, blocks, 0.0, CPU).bordered
    phase, logarithm = np.linalg.slogdet(-dense * scale)
    assert factor.slogdet()[0] == pytest.approx(phase)
    assert factor.slogdet()[1] == pytest.approx(logarithm, abs=1e-8)
