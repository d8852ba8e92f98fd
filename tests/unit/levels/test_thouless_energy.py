"""Response of normal levels to twisted boundaries: exact rings, the diffusive estimate, both solvers."""

import numpy as np
import pytest
import scipy.linalg

import bdg
from bdg.levels import normal_levels
from bdg.levels.thouless_energy import twisted
from tests.helpers.twist_lattices import torus, torus_system, turned


@pytest.fixture
def box(grid):
    def make(shape, disorder=0.0, seed=0, mu=0.3):
        return grid(shape, mu=mu, disorder=disorder, periodic=True, seed=seed)

    return make


def test_the_curvature_of_a_ring_is_that_of_its_band(box):
    """E = -2 cos(k + phi/L) - mu: d^2E/dphi^2 = 2 cos(k)/L^2; +-k cross at phi = 0 and count by their mean."""
    length, mu = 31, 0.3
    found = bdg.thouless_energy(box((length,), mu=mu), k=20)
    momentum = np.arccos(-(found.levels + mu) / 2)
    np.testing.assert_allclose(found.responses, 2 * np.cos(momentum) / length**2, atol=1e-8)  # 1e-14/step^2
    assert found.energy == pytest.approx(abs(np.cos(momentum)).mean() / length**2, abs=1e-8)
    assert found.axis == 0 and found.evidence.solver == "dense"


def test_the_shift_of_a_ring_is_half_a_momentum_step(box):
    """Momenta move from n to n + 1/2: |E(pi) - E(0)| of the n-th level in ascending order."""
    length, mu = 30, 0.3
    found = bdg.thouless_energy(box((length,), mu=mu), "x", method="shift", k=length)
    zero, half = (np.sort(-2 * np.cos(2 * np.pi * (np.arange(length) + s) / length) - mu) for s in (0, 0.5))
    np.testing.assert_allclose(found.responses, abs(half - zero), atol=1e-12)
    assert found.energy == pytest.approx(abs(half - zero).mean())


def test_the_twist_is_a_gauge_but_for_the_boundary(box):
    """Spread evenly over all bonds of the axis, exp(i phi/L) a bond, the twist has the same levels."""
    system = box((4, 5), disorder=2.0)
    phase = 1.1
    h = system.hamiltonian.toarray()
    step = system.displacement(*np.meshgrid(np.arange(20), np.arange(20)))[..., 0]  # from column to row
    spread = h * np.exp(1j * phase * step / 4)
    np.testing.assert_allclose(
        np.linalg.eigvalsh(twisted(system, 0, phase).toarray()), np.linalg.eigvalsh(spread), atol=1e-12
    )
    whole_turn = twisted(system, 0, 2 * np.pi)
    np.testing.assert_allclose(whole_turn.toarray(), h, atol=1e-14)


def test_a_disordered_metal_has_the_energy_of_diffusion(box):
    """hbar D/L^2 with D = <v^2> tau/3, 1/tau = 2 pi N0 W^2/12 (golden rule): l = 2.3, L = 14, E_T/spacing = 1.1.

    25 %: corrections of weak localisation and of l/L, and a standard error of 7 %.
    """
    width, mu, shape = 4.0, -0.5, (8, 8, 14)
    momenta = np.meshgrid(*[np.linspace(-np.pi, np.pi, 48, endpoint=False)] * 3)
    band = -2 * sum(np.cos(q) for q in momenta) - mu
    shell = np.exp(-((band / 0.2) ** 2) / 2) / (0.2 * np.sqrt(2 * np.pi))
    density = shell.mean()
    velocity = (shell * sum(4 * np.sin(q) ** 2 for q in momenta)).mean() / density
    diffusion = velocity * 12 / (2 * np.pi * density * width**2) / 3
    samples = [box(shape, width, seed, mu) for seed in range(4)]
    found = bdg.thouless_energy(samples, "z", k=100)
    assert found.energy == pytest.approx(diffusion / 14**2, rel=0.25)
    assert found.typical == pytest.approx(found.energy, rel=0.25)
    assert found.level_spacing == pytest.approx(1 / (np.prod(shape) * density), rel=0.2)
    assert found.conductance == pytest.approx(found.energy / found.level_spacing)
    assert found.samples == 4 and found.evidence.error_over == "samples"
    shift = bdg.thouless_energy(samples[0], "z", k=100, method="shift")
    assert 0.2 * found.energy < shift.energy < 2 * found.energy  # of the same order (Edwards and Thouless)


def test_the_sparse_solver_finds_the_same(box, monkeypatch):
    system = box((6, 6, 7), disorder=4.0, seed=3)
    for kwargs in ({"k": 12}, {"window": (-0.4, 0.7)}, {"k": 12, "method": "shift"}):
        exact = bdg.thouless_energy(system, "z", **kwargs)
        with monkeypatch.context() as patch:
            patch.setattr(normal_levels, "DENSE_BELOW", 10)
            found = bdg.thouless_energy(system, "z", **kwargs)
        assert (exact.evidence.solver, found.evidence.solver) == ("dense", "shift_invert")
        np.testing.assert_allclose(found.levels, exact.levels, atol=1e-11)
        np.testing.assert_allclose(found.responses, exact.responses, rtol=1e-4, atol=1e-6)  # 1e-12/step^2


def test_broken_time_reversal_and_pairing_are_noted(box):
    system = box((6, 6, 6), disorder=3.0)
    assert bdg.thouless_energy(system, 0, k=20).evidence.pairing == "none"
    turned = system.with_delta(0.2).with_field((0, 0, 1 / 3))
    found = bdg.thouless_energy(turned, "z", k=20)
    assert found.evidence.pairing == "left out"
    assert found.evidence.factor == pytest.approx(np.pi / 4)
    assert found.energy == pytest.approx(np.pi / 4 * abs(found.responses).mean())


def test_bad_input_is_refused(box, grid):
    system = box((5, 5))
    with pytest.raises(ValueError, match="axis must name the boundary"):
        bdg.thouless_energy(system)
    with pytest.raises(ValueError, match="axis 'x' is open"):
        bdg.thouless_energy(grid((5, 5)), "x")
    with pytest.raises(ValueError, match="axis must be 'x', 'y', 'z'"):
        bdg.thouless_energy(system, 2)
    with pytest.raises(ValueError, match="half its period"):
        two = bdg.lattices.from_hamiltonian(-np.array([[0, 2.0], [2, 0]]), np.arange(2)[:, None], period=(2.0,))
        bdg.thouless_energy(two)
    with pytest.raises(ValueError, match="levels are in the window"):
        bdg.thouless_energy(system, 0, window=(20, 21))
    with pytest.raises(ValueError, match="a < b"):
        bdg.thouless_energy(system, 0, window=(1, 0))
    with pytest.raises(ValueError, match="k must be a whole number >= 4"):
        bdg.thouless_energy(system, 0, k=2)
    with pytest.raises(ValueError, match="method must be one of"):
        bdg.thouless_energy(system, 0, method="slope")
    with pytest.raises(ValueError, match="empty list"):
        bdg.thouless_energy([], 0)
    for wrong in (5, None, "abc", [system, 3]):
        with pytest.raises(TypeError, match=r"system must be a bdg\.lattices\.System; got (int|NoneType|str)"):
            bdg.thouless_energy(wrong, 0)
    with pytest.raises(ValueError, match="device must be"):
        bdg.thouless_energy(system, 0, device="tpu")
    with pytest.raises(ValueError, match="CPU only"):
        bdg.thouless_energy(system, 0, device="gpu")


def test_save_load_plot(box, tmp_path):
    found = bdg.thouless_energy(box((5, 5), disorder=2.0), 0, k=10)
    found.save(tmp_path / "thouless.h5")
    again = bdg.load(tmp_path / "thouless.h5")
    np.testing.assert_array_equal(again.responses, found.responses)
    assert again.energy == found.energy and "mean" in again.plot().axes[0].get_legend().get_texts()[1].get_text()


@pytest.mark.parametrize("length", [12, 16, 100, 200, 302])
@pytest.mark.parametrize("gauge", [False, True])
def test_k_cuts_no_multiplet_of_a_ring(length, gauge):
    """d2E/dphi2 = 2 cos(k)/N^2 of each level; levels at the same distance from zero come together, so that 4 and 8

    of the rings of 12 and 16 become 6 and 10. A multiplet cut in two had 8.25 +- 5.1 instead of .0017 at 16 sites.
    """
    momenta = 2 * np.pi * np.arange(length) / length
    k = {12: 4, 16: 8}.get(length, 64)
    size = np.sort(abs(2 * np.cos(momenta)))
    size = size[size < size[k - 1] + 1e-9]
    h = torus((length,))
    found = bdg.thouless_energy(torus_system((length,), turned(h, np.random.default_rng(1)) if gauge else h), k=k)
    assert found.levels.size == found.evidence.levels_used == size.size
    np.testing.assert_allclose(np.sort(abs(found.levels)), size, atol=1e-13)
    np.testing.assert_allclose(abs(found.responses), abs(found.levels) / length**2, atol=1e-14)
    assert found.energy == pytest.approx(size.mean() / length**2 / 2, rel=1e-9)
    assert found.evidence.factor == 0.5


def band_curvatures(shape, axis, k, mu):
    """Return (levels, curvatures) of a clean torus, whole shells of at least k levels nearest to zero."""
    momenta = np.meshgrid(*[2 * np.pi * np.arange(n) / n for n in shape], indexing="ij")
    levels = (-2 * sum(np.cos(q) for q in momenta) - mu).ravel()
    bends = (2 * np.cos(momenta[axis]) / shape[axis] ** 2).ravel()
    chosen = abs(levels) <= np.sort(abs(levels))[k - 1] + 1e-9
    return levels[chosen], bends[chosen]


@pytest.mark.parametrize(
    "shape, axis, k, mu", [((6, 6), 1, 12, 0.0), ((5, 6), 0, 10, 0.0), ((4, 5, 6), 2, 40, 0.0), ((8, 8), 0, 64, 0.3)]
)
@pytest.mark.parametrize("norbs", [1, 2])
def test_members_of_a_multiplet_have_the_curvatures_of_their_bands(shape, axis, k, mu, norbs):
    """Momenta of one energy have different slopes and curvatures; some share the slope but not the curvature."""
    rng = np.random.default_rng(2)
    levels, bends = band_curvatures(shape, axis, k, mu)
    h = torus(shape, norbs, onsite=-mu)
    for gauge in (h, turned(h, rng, norbs)):
        found = bdg.thouless_energy(torus_system(shape, gauge, norbs), axis, k=norbs * k)
        assert found.levels.size == norbs * levels.size
        assert found.energy == pytest.approx(abs(bends).mean() / 2, rel=1e-9)
        rounded = [np.round(np.stack([norbs * [x], norbs * [y]]), 9) for x, y in zip(levels, bends, strict=True)]
        expected = np.concatenate(rounded, axis=1) + 0.0
        seen = np.round(np.stack([found.levels, found.responses]), 9) + 0.0
        np.testing.assert_allclose(seen[:, np.lexsort(seen[::-1])], expected[:, np.lexsort(expected[::-1])], atol=2e-9)


CASES = {
    "disorder": ((8, 9), 1, {}),
    "disorder, flux": ((8, 9), 1, {"flux": [0.3, 0.2]}),
    "three axes": ((4, 5, 6), 1, {}),
    "spin-degenerate": ((8, 9), 2, {}),
    "Rashba": ((8, 9), 2, {"rashba": 0.4}),
    "Rashba, field": ((8, 9), 2, {"rashba": 0.4, "field": (0.1, 0, 0.2)}),
    "a ring with spins": ((71,), 2, {"rashba": 0.4}),
}


@pytest.mark.parametrize("case", CASES)
@pytest.mark.parametrize("sparse", [False, True])
def test_curvatures_are_second_differences_of_dense_levels(case, sparse, monkeypatch):
    """Sums over groups of levels closer than 1e-7; differences at 1 and 2 mrad are wrong by up to 1e-5."""
    shape, norbs, options = CASES[case]
    rng = np.random.default_rng(4)
    h = torus(shape, norbs, onsite=2 * rng.random(int(np.prod(shape))) - 1, **options)
    system = torus_system(shape, turned(h, rng, norbs), norbs)
    if sparse:
        monkeypatch.setattr(normal_levels, "DENSE_BELOW", 4)
    found = bdg.thouless_energy(system, 0, k=6)
    assert found.evidence.solver == ("shift_invert" if sparse else "dense")
    step = 1e-3
    at = {n: np.linalg.eigvalsh(twisted(system, 0, n * step).toarray()) for n in (-2, -1, 0, 1, 2)}
    first = int(np.flatnonzero(abs(at[0] - found.levels[0]) < 1e-9)[0])
    for group in np.split(np.arange(found.levels.size), np.flatnonzero(np.diff(found.levels) > 1e-7) + 1):
        sums = {n: levels[first + group].sum() for n, levels in at.items()}
        near, far = (sums[n] + sums[-n] - 2 * sums[0] for n in (1, 2))
        expected = (16 * near - far) / (12 * step**2)
        assert found.responses[group].sum() == pytest.approx(expected, rel=1e-4, abs=2e-7)
    broken = "flux" in options or "field" in options
    assert found.evidence.factor == pytest.approx(np.pi / 4 if broken else 0.5)
    assert ("broken" in found.evidence.symmetry) is broken


def test_the_sparse_solver_finds_whole_multiplets(monkeypatch):
    """Clean tori: ARPACK misses members, counts say so, and the search goes on without those that are known."""
    for shape, k, mu in (((12, 14), 12, 0.0), ((301,), 20, 0.0), ((16, 16), 16, 0.0)):
        system = torus_system(shape, torus(shape, onsite=-mu))
        for method in ("curvature", "shift"):
            exact = bdg.thouless_energy(system, 0, k=k, method=method)
            with monkeypatch.context() as patch:
                patch.setattr(normal_levels, "DENSE_BELOW", 10)
                found = bdg.thouless_energy(system, 0, k=k, method=method)
            assert (exact.evidence.solver, found.evidence.solver) == ("dense", "shift_invert")
            np.testing.assert_allclose(found.levels, exact.levels, atol=1e-13)
            np.testing.assert_allclose(found.responses, exact.responses, atol=1e-12)


@pytest.mark.parametrize("wall", [1e6, 1e8, 1e12])
@pytest.mark.parametrize("sparse", [False, True])
def test_hard_walls_are_vacancies(wall, sparse, monkeypatch):
    """A site at V adds second-order terms of 4 t^2/V; levels were one multiplet from V = 1e7 t on."""
    shape, rng = (9, 10), np.random.default_rng(5)
    blocked = rng.random(90) < 0.2
    onsite = rng.random(90)
    h = torus(shape, onsite=np.where(blocked, wall, onsite))
    system = torus_system(shape, h)
    left = np.flatnonzero(~blocked)
    cut = bdg.lattices.from_hamiltonian(h[np.ix_(left, left)], system.positions[left], period=system.period)
    expected = bdg.thouless_energy(cut, 0, k=8)
    every = bdg.thouless_energy(cut, 0, k=90)
    if sparse:
        monkeypatch.setattr(normal_levels, "DENSE_BELOW", 4)
    found = bdg.thouless_energy(system, 0, k=8)
    assert found.evidence.solver == ("shift_invert" if sparse else "dense")
    np.testing.assert_allclose(found.levels, expected.levels, atol=8 / wall + 1e-13)
    np.testing.assert_allclose(found.responses, expected.responses, rtol=1e4 / wall + 1e-10, atol=10 / wall + 1e-12)
    assert found.energy == pytest.approx(expected.energy, rel=1e4 / wall + 1e-10)
    whole = bdg.thouless_energy(system, 0, k=90)
    low = abs(whole.levels) < 100
    np.testing.assert_allclose(whole.responses[low], every.responses, rtol=1e4 / wall + 1e-9, atol=100 / wall + 1e-10)


@pytest.mark.parametrize("scale", [1e-3, 1e-6, 1e-9, 1e-12])
def test_parts_that_do_not_touch_keep_their_own_scales(scale):
    """A ring and one with all hoppings smaller by a factor: <|c|> of both, each multiplet of its own width."""
    ring = torus((16,))
    system = torus_system((16,), scipy.linalg.block_diag(ring, scale * ring))
    found = bdg.thouless_energy(system, 0, k=32)
    size = abs(2 * np.cos(2 * np.pi * np.arange(16) / 16)).mean() / 16**2 / 2
    assert found.energy == pytest.approx(0.5 * (1 + scale) * size, rel=1e-12)
    weak = bdg.thouless_energy(system, 0, k=8)  # levels at zero of both, and +-.77 scale of the weak ring
    assert weak.energy == pytest.approx(
        4 * scale * 2 * np.sin(np.pi / 8) / 16**2 / 2 / 8, rel=0.05 if scale < 1e-9 else 1e-4
    )


def test_parts_of_different_symmetry_have_their_own_factors():
    """A ring with flux, one without, and sites that the twist does not reach, with levels at zero in all three."""
    rings = [torus((8,), flux=[0.4]), torus((8,)), np.zeros((8, 8))]
    system = torus_system((8,), scipy.linalg.block_diag(*rings))
    found = bdg.thouless_energy(system, 0, k=24)
    momenta = 2 * np.pi * np.arange(8) / 8
    parts = 0.5 * abs(2 * np.cos(momenta)).sum() + np.pi / 4 * abs(2 * np.cos(momenta + 0.05)).sum()
    assert found.energy == pytest.approx(parts / 64 / 24, rel=1e-12)
    assert found.evidence.factor == pytest.approx([0.5, np.pi / 4])
    assert "parts" in found.evidence.symmetry


def test_a_pair_that_is_really_split_has_its_large_curvature():
    """Two levels of a ring with a defect of strength g: a pair +-k is split by 2g/N and has c = +-2 |v|^2/w: it counts.

    Second order in g: the splitting is 2 g/N, v = 2 sin(k)/N between the even and the odd state.
    """
    length, strength = 12, 1e-9
    h = torus((length,))
    h[0, 0] = strength
    found = bdg.thouless_energy(torus_system((length,), h), k=4)
    split = 2 * strength / length
    expected = 2 * (2 * np.sin(np.pi / 2) / length) ** 2 / split
    assert found.evidence.multiplets == 0
    assert np.sort(abs(found.responses))[-1] == pytest.approx(expected, rel=1e-4)


def test_members_of_a_multiplet_are_one_observation():
    """Spin doubles each level, not what is known about the mean; +E and -E of a bipartite ring are one shell."""
    rng = np.random.default_rng(6)
    h = torus((5, 6), onsite=2 * rng.random(30))
    single, double = (bdg.thouless_energy(torus_system((5, 6), np.kron(h, np.eye(s)), s), 0, k=10 * s) for s in (1, 2))
    assert double.energy == pytest.approx(single.energy, rel=1e-9)
    assert double.error == pytest.approx(single.error, rel=1e-9)
    ring = bdg.thouless_energy(torus_system((10,), torus((10,))), k=10)
    size = abs(2 * np.cos(2 * np.pi * np.arange(10) / 10)) / 200
    sums = [4 * (np.unique(np.round(size, 9))[n] - size.mean()) for n in (0, 1)]
    rest = size.mean() - size.max()
    expected = np.sqrt((sums[0] ** 2 + sums[1] ** 2 + (2 * rest) ** 2) * 3 / 2) / 10
    assert ring.error == pytest.approx(expected, rel=1e-6)
    flat = bdg.thouless_energy(torus_system((8,), np.zeros((8, 8))), k=4)
    assert flat.energy == 0 and np.isnan(flat.error) and np.isnan(flat.conductance)


@pytest.mark.parametrize("mu", [-2.0, -5.0, 0.0, 2.0])
def test_the_fermi_energy_may_lie_at_the_edge_of_the_band(mu, monkeypatch):
    """Levels on one side only, or none near: the counts of the sparse solver need no level beyond the spectrum."""
    monkeypatch.setattr(normal_levels, "DENSE_BELOW", 10)
    levels, bends = band_curvatures((121,), 0, 9, mu)
    system = torus_system((121,), torus((121,), onsite=-mu))
    beyond = {"window": (-0.3 if mu > -3 else 2.9, levels.max() + 1e-3)}  # nothing is below the band
    for chosen in ({"k": 9}, beyond) if mu <= -2 else ({"k": 9},):
        found = bdg.thouless_energy(system, 0, **chosen)
        assert found.evidence.solver == "shift_invert"
        np.testing.assert_allclose(found.levels, np.sort(levels), atol=1e-12)
        assert found.energy == pytest.approx(abs(bends).mean() / 2, rel=1e-9)
    with pytest.raises(ValueError, match="only 0 levels are in the window"):
        bdg.thouless_energy(system, 0, window=(20, 21))
