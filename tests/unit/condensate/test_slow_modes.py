"""The model of slow modes: it learns the response that it assumes, exactly, and leaves other unknowns alone."""

import numpy as np
import pytest
import scipy.sparse as sp

from bdg.condensate.gap.mixing import AndersonMixing
from bdg.condensate.gap.slow_modes import SCREENINGS, SlowModes, _screened


def _grid(size=12):
    line = sp.diags_array(
        [-np.ones(size - 1), np.ones(size), -np.ones(size - 1)], offsets=[-1, 0, 1], shape=(size,) * 2
    )
    line = line.tolil()
    line.setdiag([1.0, *[2.0] * (size - 2), 1.0])
    one = sp.identity(size)
    return sp.csr_matrix(sp.kron(line, one) + sp.kron(one, line))


def _response(laplacian, screening, strength):
    """Return J of ``J^-1 = 1 + c (s + L)^-1``."""
    dense = laplacian.toarray()
    one = np.eye(len(dense))
    return np.linalg.inv(one + strength * np.linalg.inv(screening * one + dense))


def test_screened_sums_are_those_of_a_dense_inverse():
    laplacian, rng = _grid(), np.random.default_rng(0)
    start, other = rng.standard_normal((2, 144))
    overlap, square = _screened(laplacian, start, other)
    for number, s in enumerate(SCREENINGS):
        exact = np.linalg.solve(laplacian.toarray() + s * np.eye(144), start)
        # 100 Lanczos steps resolve all of these 144 levels but what rounding costs
        assert overlap[number] == pytest.approx(exact @ other, rel=1e-6, abs=1e-6)
        assert square[number] == pytest.approx(exact @ exact, rel=1e-6)


def test_the_constants_of_a_response_are_found_and_inverted():
    laplacian, rng = _grid(), np.random.default_rng(1)
    screening, strength = SCREENINGS[9], 0.7
    slope = _response(laplacian, screening, strength)
    model = SlowModes(laplacian)
    residual = rng.standard_normal(146)
    assert model.amplify(residual) is residual  # nothing was learnt yet
    for _ in range(3):
        step = rng.standard_normal(146)
        model.learn(step, np.concatenate([-slope @ step[:144], [5.0, 7.0]]))
    assert model.screening == screening and model.strength == pytest.approx(strength, rel=1e-8)
    amplified = model.amplify(np.concatenate([slope @ residual[:144], residual[144:]]))
    np.testing.assert_allclose(amplified, residual, rtol=0, atol=1e-6)  # the solver stops at 1e-8
    model.forget()
    assert model.amplify(residual) is residual


def test_a_map_that_overshoots_is_not_amplified():
    """Negative slopes of g: J > 1, which no smooth slow mode explains."""
    model, step = SlowModes(_grid()), np.random.default_rng(2).standard_normal(144)
    model.learn(step, -1.5 * step)
    assert model.strength == 0.0
    model.learn(np.zeros(144), np.ones(144))
    assert model.strength == 0.0


def test_held_parts_are_taken_out():
    def hold(change):
        return np.where(np.arange(144) < 10, 0.0, change)

    model = SlowModes(_grid(), hold)
    step = np.ones(144)
    model.learn(step, -0.1 * step)
    amplified = model.amplify(step)
    assert not amplified[:10].any() and (amplified[10:] > 2).all()


def test_smooth_slow_modes_cost_few_iterations():
    """A weakly nonlinear map with Ginzburg-Landau slope: 1 - J = 0.98 at long, 0.1 at short wavelengths."""
    laplacian = _grid(24)
    size = laplacian.shape[0]
    slope = _response(laplacian, 0.012, 0.588)  # eps = 0.02, xi^2 = 1.7
    slope = slope + 0.1 * np.diag(np.random.default_rng(3).uniform(size=size))  # which the model does not know
    target = 1 + 0.3 * np.random.default_rng(4).standard_normal(size)

    def count(state):
        point = np.zeros(size)
        for number in range(1, 200):
            residual = slope @ (target - point) + 0.01 * (target - point) ** 2
            following = state.next(point, residual)
            if state.error(point, following, residual) < 1e-6:
                assert abs(point - target).max() < 1e-6
                return number
            point = following
        return 200

    plain, modelled = count(AndersonMixing()), count(AndersonMixing(slow_modes=SlowModes(laplacian)))
    assert modelled <= 0.7 * plain and modelled < 25
