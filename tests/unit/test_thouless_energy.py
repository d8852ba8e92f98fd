"""Response of normal levels to twisted boundaries: exact rings, the diffusive estimate, both solvers."""

import numpy as np
import pytest

import bdg
from bdg import normal_levels
from bdg.twisted_boundaries import twisted


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
