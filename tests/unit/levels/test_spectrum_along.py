"""Levels followed through a parameter: closed forms, crossings kept, avoided ones seen, levels that come and go."""

import numpy as np
import pytest

import bdg
from bdg.lattices import Layer


def junction(barrier=0.0, delta=0.2, sites=70):
    return bdg.lattices.stack([Layer(sites, delta=delta), Layer(1, onsite=barrier), Layer(sites, delta=delta)])


def with_phase(system, phase):
    return system.with_phases({1: phase})


def normal(matrix):
    """A system without pairing: levels +-e of ``matrix``."""
    matrix = np.atleast_2d(matrix)
    return bdg.lattices.from_hamiltonian(matrix, np.arange(len(matrix))[:, None])


def shifted(matrices):
    """A ``change`` that replaces h by matrices(value)."""
    return lambda system, value: normal(matrices(value))


def test_a_transparent_junction_crosses_zero_and_an_opaque_one_does_not():
    """E = +-Delta cos(phi/2) continued through phi = pi (tau = 1), +-Delta sqrt(1 - tau sin^2(phi/2)) else."""
    delta, phases = 0.2, np.linspace(0.4, 2 * np.pi - 0.4, 12)  # pi is not among them
    crossing = bdg.spectrum_along(junction(), phases, with_phase, 2)
    # first order of the N site's length: 0.3 Delta/t of Delta
    np.testing.assert_allclose(crossing.energies[:, 1], delta * np.cos(phases / 2), atol=0.3 * delta**2)
    np.testing.assert_allclose(crossing.energies[:, 0], -delta * np.cos(phases / 2), atol=0.3 * delta**2)
    np.testing.assert_allclose(crossing.crossings, [[np.pi, 0]], atol=1e-6)
    barrier = 0.6
    tau = 1 / (1 + barrier**2 / 4)
    avoided = bdg.spectrum_along(junction(barrier), phases, with_phase, 2)
    formula = delta * np.sqrt(1 - tau * np.sin(phases / 2) ** 2)
    np.testing.assert_allclose(avoided.energies, np.stack([-formula, formula], axis=1), atol=0.3 * delta**2)
    assert avoided.crossings.size == 0
    np.testing.assert_allclose(avoided.minigap, abs(avoided.energies).min(axis=1), atol=1e-12)
    assert avoided.complete.all() and avoided.energies.shape == avoided.overlaps.shape == (12, 2)


def test_nearly_transparent_junctions_avoid_the_crossing_only_where_it_is_resolved():
    """tau = 0.9975: a gap of 0.05 Delta at pi between two values 0.6 apart."""
    phases = np.linspace(0.4, 2 * np.pi - 0.4, 10)
    found = bdg.spectrum_along(junction(0.1), phases, with_phase, 2)
    assert (found.energies[:, 0] < 0).all() and (found.energies[:, 1] > 0).all()
    assert found.evidence.inserted >= 1 and found.evidence.unresolved_steps == 0
    assert abs(found.fine_energies).min() == pytest.approx(0.2 * np.sqrt(1 - 1 / 1.0025), rel=0.3)
    jumped = bdg.spectrum_along(junction(0.1), phases, with_phase, 2, refine=0)
    assert jumped.energies[0, 1] * jumped.energies[-1, 1] < 0  # too coarse to see it: the states go straight on
    assert jumped.evidence.inserted == 0


@pytest.mark.parametrize("coupling", [0.0, 0.02])
def test_two_levels_cross_unless_something_couples_them(coupling):
    """h = [[x, c], [c, 0.6 - x]] + 3: levels 3.3 +- sqrt((x - 0.3)^2 + c^2); c = 0 is a symmetry."""
    values = np.linspace(0, 1, 8)  # 0.3 lies between two of them
    change = shifted(lambda x: np.array([[x, coupling], [coupling, 0.6 - x]]) + 3 * np.eye(2))
    found = bdg.spectrum_along(normal(np.eye(2)), values, change, 4)
    upper = found.energies[:, found.energies[0] > 0]
    if coupling:
        root = np.hypot(values - 0.3, coupling)
        np.testing.assert_allclose(upper, np.stack([3.3 - root, 3.3 + root], axis=1), atol=1e-12)
        assert found.crossings.size == 0
        closest = np.diff(found.fine_energies[:, found.energies[0] > 0], axis=1).min()
        assert 2 * coupling <= closest < 4 * coupling  # an avoided crossing, seen
    else:
        np.testing.assert_allclose(upper, np.stack([3 + values, 3.6 - values], axis=1), atol=1e-12)
        np.testing.assert_allclose(found.crossings, [[0.3, -3.3], [0.3, 3.3]], atol=1e-6)
        assert found.overlaps.min() > 1 - 1e-9


def test_a_crossing_on_a_given_value_is_left_as_it_was_entered():
    """At x = 0.5 both levels are degenerate, and any basis may come out of the solver."""
    rotation = np.linalg.qr(np.random.default_rng(0).standard_normal((2, 2)))[0]
    change = shifted(lambda x: rotation @ np.diag([x, 1 - x]) @ rotation.T + 3 * np.eye(2))
    values = np.linspace(0, 1, 5)
    found = bdg.spectrum_along(normal(np.eye(2)), values, change, 4)
    upper = found.energies[:, found.energies[0] > 0]
    np.testing.assert_allclose(upper, np.stack([3 + values, 4 - values], axis=1), atol=1e-12)
    assert found.evidence.inserted == 0 and found.overlaps.min() > 1 - 1e-9


def test_a_degenerate_level_that_splits_is_followed_into_both_branches(spinful):
    """Spin-degenerate levels in a Zeeman field: E -> E +- B, each through all crossings with the others."""
    system = spinful(bdg.lattices.stack([Layer(9, delta=0.3), Layer(4), Layer(9, delta=0.3)], mu=0.3))
    sigma_z = np.diag([1.0, -1.0])
    values = np.linspace(0, 0.2, 6)
    found = bdg.spectrum_along(system, values, lambda s, b: s.with_onsite(b * sigma_z), 8)
    slopes = (found.energies - found.energies[0]) / np.where(values == 0, 1, values)[:, None]
    np.testing.assert_allclose(abs(slopes[1:]), 1, atol=1e-9)
    np.testing.assert_allclose(slopes[1:], np.broadcast_to(slopes[1], slopes[1:].shape), atol=1e-9)
    assert np.count_nonzero(slopes[1] > 0) == 4
    assert found.overlaps.min() > 1 - 1e-9


def test_a_ring_with_flux():
    """E = -2 cos(k - 2 pi f/N) - mu of each momentum, through all crossings; f in h/e."""
    size, mu = 9, 0.4

    def ring(flux):
        forward = -np.exp(2j * np.pi * flux / size) * np.roll(np.eye(size), 1, axis=0)
        return forward + forward.conj().T - mu * np.eye(size)

    values = np.linspace(0.05, 1.05, 7)
    found = bdg.spectrum_along(normal(ring(0)), values, shifted(ring), 2 * size)
    momenta = 2 * np.pi * np.arange(size) / size
    exact = -2 * np.cos(momenta[None, :] - 2 * np.pi * values[:, None] / size) - mu
    exact = np.concatenate([exact, -exact], axis=1)
    columns = np.argmin(abs(exact[0][:, None] - found.energies[0][None, :]), axis=0)
    assert np.unique(columns).size == 2 * size
    np.testing.assert_allclose(found.energies, exact[:, columns], atol=1e-12)
    assert len(found.crossings) >= 2 * size - 4


def test_levels_come_and_go_at_the_edge():
    """Levels 1, 2, 3, .. move by x: those at the edge leave, others enter; what is not computed is nan."""
    base = np.arange(1.0, 13)
    values = np.linspace(0, 5.9, 12)  # at the edge, one leaves and another enters between two values
    change = shifted(lambda x: np.diag(np.where(base < 7, base + x, np.maximum(base - x, 0.2 * base))))
    found = bdg.spectrum_along(normal(np.diag(base)), values, change, 8)
    assert found.energies.shape == (12, 8)
    assert found.evidence.levels_left > 0 and found.evidence.levels_entered > 0
    for column in found.energies.T:
        seen = np.flatnonzero(np.isfinite(column))
        level = np.sign(column[seen[0]]) * column
        exact = np.stack([np.diag(change(None, x).hamiltonian.toarray()) for x in values])
        deviation = np.nanmax(abs(level[:, None] - exact), axis=0)
        assert deviation.min() < 1e-12  # one level all along, never two
    assert np.isnan(found.energies).any()
    np.testing.assert_array_equal(np.isnan(found.overlaps), np.isnan(found.energies))
    np.testing.assert_allclose(
        found.minigap, [abs(np.diag(change(None, x).hamiltonian.toarray())).min() for x in values]
    )


def test_sparse_methods_follow_the_same_levels():
    system = bdg.lattices.grain_composite((9, 9, 9), 1, volume_fraction=0.12, diameter=4, disorder=1.0, seed=3)
    phases = [0.5, 1.0, 1.5]
    results = [
        bdg.spectrum_along(system, phases, lambda s, p: s.with_phases({0: p}), 6, method=method, refine=2)
        for method in ("lanczos", "shift_invert")
    ]
    np.testing.assert_allclose(results[0].energies, results[1].energies, atol=1e-9)
    assert results[0].evidence.method == "lanczos" and results[0].complete.all()


def test_bad_input_is_refused():
    system = junction(sites=5)
    for values in ([0, 1, 1], [0, 2, 1]):
        with pytest.raises(ValueError, match="strictly monotonic"):
            bdg.spectrum_along(system, values, with_phase)
    with pytest.raises(ValueError, match="at least two finite"):
        bdg.spectrum_along(system, [1.0], with_phase)
    with pytest.raises(
        ValueError, match=r"k must be .* from 1 to 22 \(at most 2 s N: both signs of E count\); got 100"
    ):
        bdg.spectrum_along(system, [0, 1], with_phase, 100)
    with pytest.raises(TypeError, match="k must be a whole number"):
        bdg.spectrum_along(system, [0, 1], with_phase, 2.5)
    with pytest.raises(TypeError, match="change must be a function"):
        bdg.spectrum_along(system, [0, 1], {1: 0.5})
    with pytest.raises(TypeError, match="change must return a System"):
        bdg.spectrum_along(system, [0, 1], lambda s, v: v)
    with pytest.raises(ValueError, match="change must keep the sites"):
        bdg.spectrum_along(system, [0, 1], lambda s, v: junction(sites=6))
    with pytest.raises(ValueError, match=r"refine must be a whole number >= 0 \(values put in between\); got -1"):
        bdg.spectrum_along(system, [0, 1], with_phase, refine=-1)


def test_descending_values_save_load_plot(tmp_path):
    phases = np.linspace(2.5, 0.5, 4)
    found = bdg.spectrum_along(junction(0.6), phases, with_phase, 2)
    upward = bdg.spectrum_along(junction(0.6), phases[::-1], with_phase, 2)
    np.testing.assert_allclose(found.energies, upward.energies[::-1], atol=1e-12)
    found.save(tmp_path / "curves.h5")
    again = bdg.load(tmp_path / "curves.h5")
    np.testing.assert_array_equal(again.energies, found.energies)
    assert again.complete.dtype == bool and again.evidence.solves == found.evidence.solves
    assert again.plot().axes[0].get_xlabel() == "parameter"


@pytest.mark.parametrize("wall", [1e7, 1e9])
def test_levels_beside_hard_walls_are_followed_one_by_one(wall):
    """A junction with a blocked chain beside it: 1e-7 max|H| was a resolution of 1 t, and all levels one multiplet."""
    n = 14
    h = np.diag(0.2 + 0.01 * np.arange(n)) - np.diag(np.ones(n - 1), 1) - np.diag(np.ones(n - 1), -1)
    delta = np.where(np.arange(n) < 5, 0.4, np.where(np.arange(n) > 8, 0.4, 0.0))
    grain = np.where(np.arange(n) < 5, 0, np.where(np.arange(n) > 8, 1, -1))

    def built(blocked):
        size = n + blocked
        matrix = wall * np.eye(size)
        matrix[:n, :n] = h
        for site in range(blocked):
            matrix[n + site, site] = matrix[site, n + site] = -1.0
        return bdg.lattices.from_hamiltonian(
            matrix,
            np.arange(size),
            delta=np.pad(delta, (0, blocked)).astype(complex),
            grain=np.pad(grain, (0, blocked), constant_values=-1),
        )

    phases = np.linspace(0.2, 2.8, 5)
    turn = lambda system, phi: system.with_phases({1: phi})  # noqa: E731
    expected = bdg.spectrum_along(built(0), phases, turn, 4, method="dense")
    found = bdg.spectrum_along(built(5), phases, turn, 4, method="dense")
    assert found.evidence.resolution == pytest.approx(expected.evidence.resolution, rel=0.3)
    assert found.evidence.unresolved_steps == 0 and not found.crossings.size
    np.testing.assert_allclose(found.energies, expected.energies, atol=10 / wall + 1e-14 * wall)
