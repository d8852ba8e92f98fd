"""The multifrontal factorisation against dense algebra, on all geometries and symmetries.

Leaves of two sites make trees of small systems several levels deep. Tolerances are relative to the largest element of
the inverse. The contraction measures how elimination without pivoting across fronts amplifies rounding (1e-9 at worst
here, 1e-7 with orders of METIS); the selected inverse, which is not refined, may be wrong by ten times as much.
"""

import gc
import weakref

import numpy as np
import pytest
import scipy.sparse as sp
from hypothesis import given
from hypothesis import strategies as st
from scipy.spatial import cKDTree

from bdg.gpu.device.backend import select_backend
from bdg.gpu.kernels.compiling import HostLibrary
from bdg.gpu.multifrontal import CPU_SETTINGS, Factor, FactorError, FrontSettings, Restriction, SitePattern, analyse
from bdg.gpu.multifrontal.factors import elimination, stored
from bdg.gpu.multifrontal.factors.extend_add import extend_add
from bdg.gpu.multifrontal.factors.few_columns import FEW
from bdg.gpu.multifrontal.factors.sweep import adjoint_sweep, sweep
from bdg.gpu.multifrontal.factors.upper_rows import UpperRows

CPU = select_backend("cpu")
DEEP = FrontSettings(  # every branch of the code at a dozen sites
    leaf=2, call_flops=0.0, base=4, upper=3, split=1, pivots=4, thin_leaves=True
)
PADDED = FrontSettings(leaf=2, call_flops=1e12, base=5, upper=0, split=0)  # one class a level, as on a GPU
CHOPPED = FrontSettings(leaf=3, call_flops=1e3, chunk=200, base=64, pivots=7, thin_leaves=True)
BATCHED = FrontSettings(leaf=2, call_flops=1e6, base=4, split=0)
BY_GRAPH = FrontSettings(leaf=2, call_flops=0.0, base=4, split=1, ordering="metis")


def _lattice(*shape):
    return np.stack(np.meshgrid(*map(np.arange, shape), indexing="ij"), -1).reshape(-1, len(shape)).astype(float)


def _linked(positions, reach=1.01, period=None):
    pairs = cKDTree(positions, boxsize=period).query_pairs(reach, output_type="ndarray")
    pattern = sp.coo_matrix((np.ones(len(pairs)), (pairs[:, 0], pairs[:, 1])), shape=(len(positions),) * 2)
    return sp.csr_matrix(pattern + pattern.T)


def _geometries():
    rng = np.random.default_rng(1)
    cube, far = _lattice(5, 5, 5), _lattice(3, 3, 3) + 40.0
    ball = _lattice(7, 7, 7)
    ball = ball[((ball - 3) ** 2).sum(axis=1) < 10]
    points = rng.random((90, 2)) * 9
    return {
        "cube": (cube, _linked(cube)),
        "wire": (_lattice(40, 2, 2), _linked(_lattice(40, 2, 2))),
        "chain": (_lattice(30), _linked(_lattice(30))),
        "film": (_lattice(9, 7, 2), _linked(_lattice(9, 7, 2))),
        "sphere": (ball, _linked(ball)),
        "dilution": ((diluted := cube[rng.random(len(cube)) > 0.35]), _linked(diluted)),
        "disconnected": ((parts := np.concatenate([cube[:40], far, far + 50])), _linked(parts)),
        "no links": (_lattice(11), sp.csr_matrix((11, 11))),
        "one site": (np.zeros((1, 3)), sp.csr_matrix((1, 1))),
        "second neighbours": (_lattice(6, 6, 3), _linked(_lattice(6, 6, 3), 1.5)),
        "periodic": (_lattice(6, 5, 4), _linked(_lattice(6, 5, 4), period=[6, 5, 4])),
        "random points": (points, _linked(points, 1.4)),
        "misleading positions": (np.zeros((30, 2)), _linked(_lattice(30))),
    }


GEOMETRIES = _geometries()
SMALL_FILM = (_lattice(7, 5, 2), _linked(_lattice(7, 5, 2)))
KINDS = {  # matrix and z; the symmetry that follows
    "real": ("real", 0.31, "symmetric"),
    "real, complex z": ("real", 0.1 + 0.2j, "symmetric"),
    "complex symmetric": ("takagi", 0.0, "symmetric"),
    "Hermitian": ("hermitian", 0.31, "hermitian"),
    "Hermitian, complex z": ("hermitian", 0.2j, "general"),
    "antisymmetric": ("antisymmetric", 0.4, "general"),
}


def _matrix(adjacency, nd, kind, seed=0):
    """Random blocks on the diagonal and on the links, rows of a site far apart; CSR and the rows of each site."""
    rng = np.random.default_rng(seed)
    n_sites = adjacency.shape[0]
    pattern = sp.triu(adjacency + sp.identity(n_sites), format="coo")
    blocks = rng.standard_normal((pattern.nnz, nd, nd)) * 1.0
    if kind != "real":
        blocks = blocks + 1j * rng.standard_normal(blocks.shape) if kind != "antisymmetric" else blocks
    rows = rng.permutation(n_sites * nd).reshape(n_sites, nd)
    i = np.broadcast_to(rows[pattern.row][:, :, None], blocks.shape).ravel()
    j = np.broadcast_to(rows[pattern.col][:, None, :], blocks.shape).ravel()
    half = sp.csr_matrix((blocks.ravel(), (i, j)), shape=(rows.size,) * 2)
    other = {"hermitian": half.conj().T, "antisymmetric": -half.T}.get(kind, half.T)
    return sp.csr_matrix(half + other) / 2, rows


def _factor(positions, adjacency, nd, kind, settings=DEEP, **options):
    name, z, symmetry = KINDS[kind]
    matrix, rows = _matrix(adjacency, nd, name)
    pattern = SitePattern.of(matrix, rows)
    symbolic = analyse(positions, pattern, settings)
    options.setdefault("inertia", name in ("real", "hermitian") and np.imag(z) == 0)
    factor = Factor(symbolic, pattern.split(matrix), z, CPU, **options)
    if nd > 1 or sp.triu(adjacency, 1).nnz:  # without links a Hermitian matrix of single rows is real
        assert factor.symmetry == symmetry
    return factor, z * np.eye(matrix.shape[0]) - matrix.toarray()


def _blocks(pattern, dense):
    return dense[pattern.rows[pattern.first][:, :, None], pattern.rows[pattern.second][:, None, :]]


def _check(factor, dense):
    rng = np.random.default_rng(2)
    inverse = np.linalg.inv(dense)
    scale = abs(inverse).max()
    assert factor.contraction < 1e-6
    columns = rng.standard_normal((len(dense), 3)) + 1j * rng.standard_normal((len(dense), 3))
    assert abs(factor.product(columns) - dense @ columns).max() < 1e-11
    solved = factor.solve(columns)
    assert abs(solved - inverse @ columns).max() < 3e-10 * scale  # refined to 1e-11 of the solution
    selected = factor.selected_inverse()
    error = abs(selected.blocks - _blocks(factor.symbolic.pattern, inverse)).max()
    assert error < max(10 * factor.contraction, 1e-10) * scale
    if factor._pivots.count_negative:
        assert factor.negative_count == (np.linalg.eigvalsh(dense) < 0).sum()
    return inverse


@pytest.mark.parametrize("kind", list(KINDS))
@pytest.mark.parametrize("name", list(GEOMETRIES))
def test_equals_dense_algebra_on_every_geometry(name, kind):
    factor, dense = _factor(*GEOMETRIES[name], 2, kind)
    _check(factor, dense)


@pytest.mark.parametrize("name", ["real", "Hermitian", "complex symmetric"])
def test_lower_triangles_of_symmetric_fronts_are_never_read(name, monkeypatch):
    """They hold what was in memory before; padded rows make them fall above the diagonal of the parent."""
    settings = FrontSettings(leaf=3, call_flops=1e5, base=4, upper=3, split=1, pivots=6)
    adds, packed = [], []

    def with_nan(xp, front, link, schur, upper):
        adds.append(upper)
        for part in [part for _, part in schur.slices] if isinstance(schur, UpperRows) else schur:
            part[np.tril_indices(len(part), -1)] = np.nan
            packed.append(isinstance(schur, UpperRows))
        extend_add(xp, front, link, schur, upper=upper)

    monkeypatch.setattr(elimination, "extend_add", with_nan)
    factor, dense = _factor(*GEOMETRIES["dilution"], 2, name, settings=settings)
    assert adds and all(adds) and any(packed) and not all(packed)
    assert any(not link.runs or None in link.runs for c in factor.classes for link in c.up)
    _check(factor, dense)


ALL_SETTINGS = {"deep": DEEP, "padded": PADDED, "chopped": CHOPPED, "batched": BATCHED, "by graph": BY_GRAPH}


@pytest.mark.parametrize("settings", ALL_SETTINGS.values(), ids=ALL_SETTINGS)
@pytest.mark.parametrize("nd", [1, pytest.param(2, marks=pytest.mark.slow), 4])
@pytest.mark.parametrize("kind", list(KINDS))
def test_equals_dense_algebra_for_all_sizes_of_blocks(kind, nd, settings):
    if kind == "antisymmetric" and nd == 1:
        nd = 3
    film = GEOMETRIES["film"] if nd < 4 else SMALL_FILM  # there the dense inverse is what takes long
    factor, dense = _factor(*film, nd, kind, settings, log_determinant=True)
    _check(factor, dense)
    phase, logarithm = factor.slogdet()
    exact_phase, exact_logarithm = np.linalg.slogdet(dense)
    assert abs(phase - exact_phase) < 1e-8 and abs(logarithm - exact_logarithm) < 1e-8


@pytest.mark.parametrize("name", list(GEOMETRIES))
def test_orders_of_the_graph_give_the_same(name):
    factor, dense = _factor(*GEOMETRIES[name], 2, "Hermitian, complex z", BY_GRAPH)
    assert factor.symbolic.ordering == "metis"
    _check(factor, dense)


@pytest.mark.parametrize("upper", [0, 3, 64])
def test_large_fronts_of_random_points(upper):
    """Fronts whose maps into their parents are long runs and single places: both ways of adding, and both triangles."""
    points = np.random.default_rng(3).random((1500, 3)) * 1500 ** (1 / 3)
    adjacency = _linked(points, 1.6)
    h = adjacency + sp.diags(np.random.default_rng(4).standard_normal(len(points)))
    pattern = SitePattern.of(h)
    settings = FrontSettings(leaf=16, call_flops=1e7, base=16, upper=upper)
    factor = Factor(analyse(points, pattern, settings), pattern.split(sp.csr_matrix(h)), 0.2j, CPU)
    assert factor.contraction < 1e-12


def test_trees_are_deep():
    symbolic = _factor(*GEOMETRIES["cube"], 1, "real")[0].symbolic
    assert symbolic.depth >= 5 and len(symbolic.classes) > 8


def _bdg(shape, *, disorder=0.0, delta=0.3, mu=-1.0, flux=0.0, grains=0.3, seed=0, period=None):
    """H = [[h, D], [D*, -h*]] of a lattice with D on a share of the sites; the rows of each site."""
    rng = np.random.default_rng(seed)
    positions = _lattice(*shape)
    upper = sp.triu(_linked(positions, period=period)).tocoo()
    along = (positions[upper.col] - positions[upper.row])[:, 1] * positions[upper.row, 0]
    hopping = sp.csr_matrix((-np.exp(2j * np.pi * flux * along), (upper.row, upper.col)), shape=upper.shape)
    h = hopping + hopping.conj().T + sp.diags(disorder * (rng.random(len(positions)) - 0.5) - mu)
    if not flux:
        h = h.real
    gap = sp.diags(delta * (rng.random(len(positions)) < grains))
    matrix = sp.csr_matrix(sp.bmat([[h, gap], [gap.conj(), -h.conj()]]))
    n_sites = len(positions)
    return positions, matrix, np.stack([np.arange(n_sites), n_sites + np.arange(n_sites)], axis=1)


def _analysed(system, settings=DEEP):
    positions, matrix, rows = system
    pattern = SitePattern.of(matrix, rows)
    return analyse(positions, pattern, settings), pattern.split(matrix)


@pytest.mark.parametrize("settings", [DEEP, FrontSettings()], ids=["deep", "default"])
@pytest.mark.parametrize("disorder", [0.0, 1.0])
@pytest.mark.parametrize("flux", [0.0, 0.03])
def test_counts_equal_dense_counts_also_next_to_eigenvalues(disorder, flux, settings):
    """Or they are not given: near an eigenvalue the contraction may exceed 1e-2. Nine of ten shifts are counted."""
    system = _bdg((5, 5, 4), disorder=disorder, flux=flux)
    symbolic, hamiltonian = _analysed(system, settings)
    energies = np.linalg.eigvalsh(system[1].toarray())
    inside = energies[energies > 0][:40:8]
    shifts = [0.0, 0.0137, 0.21, -0.4, 1.1]
    shifts += [energy + distance for energy, distance in zip(inside, (1e-9, -1e-8, 1e-7, -1e-7, 1e-8), strict=True)]
    counted = 0
    for shift in shifts:
        factor = Factor(symbolic, hamiltonian, shift, CPU, inertia=True)
        count = factor.negative_count
        if count is not None:
            counted += 1
            assert count == (energies > shift).sum()
    assert counted >= 9


@pytest.mark.parametrize("shape", [(8, 8, 8), (6, 6, 6)])
@pytest.mark.parametrize("flux", [0.0, 0.02])
def test_clean_system_at_zero_energy_is_solved(shape, flux):
    """Pivot blocks are exactly singular; where they stay where they are, nothing is left of the factors."""
    system = _bdg(shape, flux=flux, mu=0.0 if flux else -1.0)
    symbolic, hamiltonian = _analysed(system, FrontSettings(leaf=4, base=16))
    factor = Factor(symbolic, hamiltonian, 0.0, CPU, inertia=True)
    assert factor.bordered > 0 and factor.moved_blocks == 0 and factor.contraction < 1e-6
    columns = np.random.default_rng(0).standard_normal((factor.symbolic.n_rows, 2))
    residual = factor.product(factor.solve(columns)) - columns
    assert abs(residual).max() < 1e-8
    assert factor.negative_count == factor.symbolic.n_rows // 2  # particle-hole symmetry
    phase, logarithm = Factor(symbolic, hamiltonian, 0.0, CPU, log_determinant=True).slogdet()
    exact = np.linalg.slogdet(-hamiltonian.matrix.toarray())
    assert abs(phase - exact[0]) < 1e-8 and abs(logarithm - exact[1]) < 1e-7
    moved = Factor(symbolic, hamiltonian, 0.0, CPU, static_pivot=1.5e-5 * hamiltonian.norm, log_determinant=True)
    assert moved.moved_blocks > 0
    with pytest.raises(FactorError, match="static pivoting changed"):
        moved.slogdet()
    bare = Factor(symbolic, hamiltonian, 0.0, CPU, static_pivot=0.0, inertia=True)
    assert not bare.trusted and bare.negative_count is None
    with pytest.raises(FactorError, match="a solve at z = 0j needs a contraction below 0.5"):
        bare.solve(columns)
    with pytest.raises(FactorError, match="selected inverse at z = 0j needs a contraction below 0.01"):
        bare.selected_inverse()


@pytest.mark.parametrize("disorder", [0.0, 1.0])
def test_takagi_form_is_the_bdg_matrix_for_real_systems(disorder):
    """H (u, v) = E (u, v) is A conj(c) = E c with c = u + i v, A = h + i D: (-A)^-1 acts as -H^-1 on real u, v."""
    positions, matrix, _ = _bdg((5, 5, 4), disorder=disorder)
    n_sites = len(positions)
    h, gap = matrix[:n_sites, :n_sites], matrix[:n_sites, n_sites:]
    symbolic, hamiltonian = _analysed((positions, sp.csr_matrix(h + 1j * gap), None))
    factor = Factor(symbolic, hamiltonian, 0.0, CPU)
    assert factor.symmetry == "symmetric" and factor.dtype == complex and factor.trusted
    u, v = np.random.default_rng(0).standard_normal((2, n_sites))
    c = -factor.solve(u + 1j * v).conj()  # solves A conj(c) = u + i v
    expected = np.linalg.solve(matrix.toarray(), np.concatenate([u, v]))
    assert np.allclose(np.concatenate([c.real, c.imag]), expected, rtol=0, atol=1e-9 * abs(expected).max())


def test_values_change_while_the_symbolic_part_stays():
    positions, matrix, rows = _bdg((4, 4, 3), flux=0.05)
    pattern = SitePattern.of(matrix, rows)
    symbolic = analyse(positions, pattern, DEEP)
    for seed, flux, z in [(1, 0.0, 0.2), (2, 0.1, 0.1j), (3, 0.02, -0.3)]:
        changed = _bdg((4, 4, 3), flux=flux, seed=seed, disorder=2.0, delta=0.5)[1]
        factor = Factor(symbolic, pattern.split(changed), z, CPU)
        inverse = np.linalg.inv(z * np.eye(len(positions) * 2) - changed.toarray())
        assert abs(factor.selected_inverse().blocks - _blocks(pattern, inverse)).max() < 1e-9 * abs(inverse).max()


@pytest.mark.parametrize("kind", list(KINDS))
@pytest.mark.parametrize("sites", [[0], [7, 8, 60], range(40, 90, 3), range(125)])
def test_restricted_selected_inverse_is_exact_at_the_wanted_sites(kind, sites):
    factor, dense = _factor(*GEOMETRIES["cube"], 2, kind)
    restriction = Restriction(factor.symbolic, np.array(sites))
    part = factor.selected_inverse(restriction).blocks
    whole = factor.selected_inverse().blocks
    pattern = factor.symbolic.pattern
    wanted = np.isin(pattern.first, sites) & np.isin(pattern.second, sites)
    assert wanted.any()
    known = np.isfinite(part).all(axis=(1, 2))
    assert known[wanted].all()
    scale = abs(np.linalg.inv(dense)).max()
    assert abs(part[known] - whole[known]).max() < 1e-12 * scale
    assert known.all() == (restriction.share == 1.0)
    assert 0 < restriction.share <= 1
    if len(sites) == 1:
        assert restriction.share < 0.9


def test_single_precision_solves_are_refined_to_double():
    system = _bdg((5, 5, 4), disorder=1.0, flux=0.03)
    symbolic, hamiltonian = _analysed(system)
    factor = Factor(symbolic, hamiltonian, 0.1j, CPU, single=True)
    assert factor.dtype == np.complex64 and 1e-9 < factor.contraction < 1e-2
    columns = np.random.default_rng(0).standard_normal((symbolic.n_rows, 2)) + 0j
    assert abs(factor.product(factor.solve(columns)) - columns).max() < 1e-9


def test_real_shift_on_real_matrix_stays_real():
    symbolic, hamiltonian = _analysed(_bdg((4, 4), disorder=1.0))
    assert Factor(symbolic, hamiltonian, 0.1, CPU).dtype == float
    assert Factor(symbolic, hamiltonian, 0.1 + 0j, CPU).selected_inverse().blocks.dtype == float
    vector = np.ones(symbolic.n_rows)
    factor = Factor(symbolic, hamiltonian, 0.1, CPU)
    assert factor.solve(vector).shape == vector.shape and factor.solve(vector).dtype == float
    assert np.allclose(factor.solve(vector * 1j), 1j * factor.solve(vector))


def test_diagonal_of_the_inverse():
    factor, dense = _factor(*GEOMETRIES["film"], 2, "Hermitian, complex z")
    inverse, pattern = np.linalg.inv(dense), factor.symbolic.pattern
    sites = inverse[pattern.rows[:, :, None], pattern.rows[:, None, :]]
    assert np.allclose(factor.selected_inverse().diagonal(np), sites, rtol=0, atol=1e-10)


def test_dense_blocks_of_leads_are_like_any_other_links():
    """Self-energies couple all sites of a cross-section; a wire with them is the wire cut out of a longer one."""
    long, width = _lattice(60, 3, 3), 9
    h = -_linked(long) + sp.diags(np.random.default_rng(4).uniform(-1, 1, len(long)))
    inside = np.arange(20 * width, 40 * width)
    z = 0.3 + 0.05j
    exact = np.linalg.inv(z * np.eye(len(long)) - h.toarray())[np.ix_(inside, inside)]
    matrix = sp.lil_matrix(h[inside][:, inside], dtype=complex)
    for rows, lead in ((np.arange(width), np.arange(20 * width)), (np.arange(19 * width, 20 * width), None)):
        lead = np.arange(40 * width, 60 * width) if lead is None else lead
        coupling = h[inside[rows]][:, lead].toarray()
        sigma = coupling @ np.linalg.inv(z * np.eye(lead.size) - h[lead][:, lead].toarray()) @ coupling.T
        matrix[np.ix_(rows, rows)] += sigma
    matrix = sp.csr_matrix(matrix)
    pattern = SitePattern.of(matrix)
    factor = Factor(analyse(long[inside], pattern, DEEP), pattern.split(matrix), z, CPU)
    assert factor.trusted
    assert abs(factor.selected_inverse().blocks - _blocks(pattern, exact)).max() < 1e-11 * abs(exact).max()
    assert abs(factor.solve(np.eye(inside.size)[:, :5]) - exact[:, :5]).max() < 1e-11 * abs(exact).max()


def test_released_factors_say_so():
    positions, adjacency = GEOMETRIES["film"]
    factor, dense = _factor(positions, adjacency, 2, "real, complex z")
    released = factor.selected_inverse(release=True).blocks
    assert abs(released - _blocks(factor.symbolic.pattern, np.linalg.inv(dense))).max() < 1e-11
    for use in (lambda: factor.solve(np.ones(len(dense))), factor.selected_inverse, lambda: factor.contraction):
        with pytest.raises(FactorError, match="given up by selected_inverse"):
            use()


def test_wrong_arguments_are_named():
    positions, matrix, rows = _bdg((3, 3))
    pattern = SitePattern.of(matrix, rows)
    symbolic = analyse(positions, pattern)
    hamiltonian = pattern.split(matrix)
    with pytest.raises(ValueError, match="matrix must be square"):
        SitePattern.of(matrix[:3], rows)
    with pytest.raises(ValueError, match="rows must have shape"):
        SitePattern.of(matrix, rows[:-1])
    with pytest.raises(ValueError, match=r"positions must be finite and have shape \(9, dim\)"):
        analyse(positions[:-1], pattern)
    with pytest.raises(ValueError, match="matrix connects sites 0 and 8"):
        long_range = matrix.tolil()
        long_range[0, 8] = 1.0
        pattern.split(long_range.tocsr())
    with pytest.raises(ValueError, match="matrix must have shape"):
        pattern.split(matrix[:4, :4])
    with pytest.raises(ValueError, match="the pattern that symbolic was made for"):
        Factor(symbolic, SitePattern.of(matrix, rows).split(matrix), 0.1, CPU)
    with pytest.raises(ValueError, match="z must be finite"):
        Factor(symbolic, hamiltonian, np.nan, CPU)
    with pytest.raises(ValueError, match="inertia needs a Hermitian H and a real z"):
        Factor(symbolic, hamiltonian, 0.1j, CPU, inertia=True)
    factor = Factor(symbolic, hamiltonian, 0.1, CPU)
    with pytest.raises(ValueError, match="right_side must have 18 rows"):
        factor.solve(np.ones(4))
    with pytest.raises(ValueError, match="inertia=True"):
        _ = factor.negative_count
    with pytest.raises(ValueError, match="log_determinant=True"):
        factor.slogdet()
    with pytest.raises(ValueError, match="sites must be numbers from 0 to 8"):
        Restriction(symbolic, np.array([9]))
    with pytest.raises(ValueError, match="restriction must be made for"):
        factor.selected_inverse(Restriction(analyse(positions, pattern), np.array([0])))
    with pytest.raises(ValueError, match="leaf must be at least 1"):
        FrontSettings(leaf=0)


@given(st.data())
def test_random_graphs(data):
    """Any graph, any positions (they only steer the cuts), any symmetry."""
    n_sites = data.draw(st.integers(1, 40), "sites")
    n_links = data.draw(st.integers(0, 3 * n_sites), "links")
    nd = data.draw(st.integers(1, 3), "rows per site")
    rng = np.random.default_rng(data.draw(st.integers(0, 2**32 - 1), "seed"))
    ends = rng.integers(n_sites, size=(2, n_links))
    adjacency = sp.csr_matrix((np.ones(n_links), ends), shape=(n_sites, n_sites))
    adjacency = sp.csr_matrix(adjacency + adjacency.T)
    positions = rng.random((n_sites, data.draw(st.integers(1, 3), "dimension")))
    kind = data.draw(st.sampled_from([k for k in KINDS if k != "antisymmetric" or nd > 1]), "kind")
    settings = data.draw(st.sampled_from([DEEP, PADDED, CHOPPED]), "settings")
    factor, dense = _factor(positions, adjacency, nd, kind, settings)
    if factor.trusted and np.linalg.cond(dense) < 1e6:
        inverse = np.linalg.inv(dense)
        scale = abs(inverse).max()
        error = abs(factor.selected_inverse().blocks - _blocks(factor.symbolic.pattern, inverse)).max()
        assert error < max(100 * factor.contraction, 1e-10) * scale
        columns = rng.standard_normal((len(dense), 2))
        assert abs(factor.solve(columns) - inverse @ columns).max() < 1e-9 * scale
        if factor._pivots.count_negative:
            assert factor.negative_count == (np.linalg.eigvalsh(dense) < 0).sum()
    elif factor.z.imag:  # a Hermitian H makes no pivot small there
        assert factor.trusted


@pytest.mark.parametrize("adjoint", [False, True])
@pytest.mark.parametrize("kind", list(KINDS))
@pytest.mark.parametrize("settings", [DEEP, PADDED, CHOPPED], ids=["deep", "padded", "chopped"])
def test_a_few_columns_are_solved_as_many_are(monkeypatch, settings, kind, adjoint):
    """One by one in the cache, or all at once: the same to rounding, for each number of columns; without kernels."""
    monkeypatch.setattr(stored, "host_library", lambda: HostLibrary(None, "none"))
    factor, dense = _factor(*GEOMETRIES["film"], 2, kind, settings)
    rng = np.random.default_rng(3)
    many = rng.standard_normal((len(dense), FEW + 2))
    if factor.dtype.kind == "c":
        many = many + 1j * rng.standard_normal(many.shape)
    solve = adjoint_sweep if adjoint else sweep
    whole = solve(factor.stored, many)
    scale = abs(whole).max()
    for width in range(1, FEW + 1):
        found = solve(factor.stored, many[:, :width])
        assert abs(found - whole[:, :width]).max() < max(1e-10, 10 * factor.contraction) * scale
    exact = np.linalg.solve(dense.conj().T if adjoint else dense, many)
    assert abs(whole - exact).max() < max(1e-9, 10 * factor.contraction) * abs(exact).max()


@pytest.mark.parametrize("kind", list(KINDS))
def test_factors_are_gone_with_their_last_user(kind):
    """Nothing that a factor holds refers back to it: its memory must not wait for the garbage collector."""
    factor, dense = _factor(*GEOMETRIES["film"], 2, kind, CPU_SETTINGS)
    factor.solve(np.ones((len(dense), 1)))
    adjoint_sweep(factor.stored, np.ones((len(dense), 1), factor.dtype))
    inverse = [weakref.ref(x) for stack in factor.stored.stacks for x in stack if x is not None]
    gc.disable()
    try:
        factor.selected_inverse(release=True)
        assert not any(x() is not None for x in inverse)
        reference = weakref.ref(factor)
        del factor
        assert reference() is None
    finally:
        gc.enable()
