"""Bean's critical state against depth-resolved fields and against bounded least squares with mutual inductances."""

import math

import numpy as np
import pytest
import scipy.optimize
from numpy.testing import assert_allclose

from bdg.electrodynamics.critical_state import bean_disc, bean_slab
from tests.helpers.rings import MU_0, ring_inductances

HISTORIES = {
    "loop": np.concatenate([np.linspace(0, 2, 9), np.linspace(2, -2, 17), np.linspace(-2, 2, 17)]),
    "small loops": np.array([0.7, -0.2, 0.4, -0.1, 0.3, 0.6, 0.9, -0.9, 1.5, 0.0, 0.0, 0.5, -0.5]),
    "noise": np.random.default_rng(3).uniform(-1.2, 1.2, 60),
    "walk": np.cumsum(np.random.default_rng(4).normal(size=150)) * 0.2,
}


@pytest.mark.parametrize("history", HISTORIES.values(), ids=HISTORIES)
def test_slab_against_the_field_in_each_depth(history):
    """The field at a depth x follows the applied one with a lag of J_c x; the mean over 10 000 depths."""
    lag = (np.arange(10_000) + 0.5) / 10_000
    field, expected = np.zeros(lag.size), []
    for applied in history:
        field = np.clip(field, applied - lag, applied + lag)
        expected.append(field.mean() - applied)
    assert_allclose(bean_slab(history * 3.0, 3.0), np.array(expected) * 3.0, atol=3e-8)


def least_squares(inductances, loops, limit, history):
    """Currents (T, N) that change as little energy as possible: ``min (1/2) dI L dI + dPhi dI`` with |I| <= limit."""
    root = np.linalg.cholesky(inductances)
    current, before, found = np.zeros(len(loops)), 0.0, []
    for applied in history:
        target = root.T @ current - np.linalg.solve(root, loops * (applied - before))
        current = scipy.optimize.lsq_linear(root.T, target, (-limit, limit), tol=1e-12).x
        before = applied
        found.append(current)
    return np.array(found)


def test_slab_against_bounded_least_squares():
    """Pairs of sheets at +-x: inductance 2 mu_0 min(x, x'), flux 2 mu_0 x H; 100 sheets err by 1 %."""
    x = (np.arange(100) + 0.5) / 100
    history = HISTORIES["small loops"]
    inductances = 2 * MU_0 * np.minimum(x[:, None], x)
    currents = least_squares(inductances, 2 * MU_0 * x, np.full(100, 1 / 100), history)
    assert_allclose(bean_slab(history, 1.0), currents @ x, atol=6e-3)


@pytest.mark.parametrize("history", [np.array([0.1, 0.4, 1.0, 2.5, 1.5, -0.5, -2.5, 0.0])])
def test_disc_against_bounded_least_squares(history):
    """Rings of a disc of 1 mm x 2 um; 60 rings err by 1 % of the saturation."""
    radius, thickness, density, n = 1e-3, 2e-6, 1e10, 60
    r = radius * (np.arange(n) + 0.5) / n
    width = np.full(n, radius / n)
    fields = history * density * thickness / 2
    inductances = ring_inductances(r, np.zeros(n), width)
    currents = least_squares(inductances, MU_0 * math.pi * r**2, density * thickness * width, fields)
    moment = (currents * math.pi * r**2).sum(axis=1) / (math.pi * radius**2 * thickness)
    found = bean_disc(fields, radius, thickness, density)
    assert_allclose(found, moment, atol=0.015 * density * radius / 3)


def test_first_magnetisation():
    fields = np.array([0.0, 0.25, 1.0, 2.0, 7.0])
    assert_allclose(bean_slab(fields, 2.0), [0, -0.25 + 0.0625 / 4, -0.75, -1, -1], rtol=1e-14)
    disc = bean_disc([1e-6, 1e12], 1e-3, 1e-6, 1e9)
    assert disc[0] == pytest.approx(-8e-3 / (3 * math.pi * 1e-6) * 1e-6, rel=1e-9)
    assert disc[1] == pytest.approx(-1e9 * 1e-3 / 3, rel=1e-14)


@pytest.mark.parametrize("magnetise", [lambda h: bean_slab(h, 1.0), lambda h: bean_disc(h * 50, 1e-3, 1e-4, 1e6)])
def test_loops_close_and_are_symmetric(magnetise):
    up = np.linspace(-2, 2, 41)
    loop = magnetise(np.concatenate([[2.0], -up, up]))[1:]
    assert_allclose(loop[:41], -loop[41:], atol=1e-12)
    assert loop[20] > 0  # remanent after +2
    history = np.array([1.0, -0.3, 0.5, -0.3])
    assert magnetise(history)[3] == pytest.approx(magnetise(history)[1], abs=1e-12)


def test_steps_on_the_way_change_nothing():
    history = np.array([1.3, -0.4, 0.8, -1.0, 0.2])
    ways = [np.linspace(a, b, 8)[1:] for a, b in zip([0.0, *history], history, strict=False)]
    assert_allclose(bean_slab(np.concatenate(ways), 1.0)[6::7], bean_slab(history, 1.0), atol=1e-14)


def test_ten_decades():
    fields = np.logspace(-10, 10, 401)
    for magnetisation in (bean_slab(fields, 1.0), bean_disc(fields, 1e-3, 1e-6, 1e6)):
        assert np.isfinite(magnetisation).all() and (magnetisation < 0).all()
        assert (np.diff(magnetisation) <= 1e-14 * abs(magnetisation[-1])).all()  # rounding of the plateau


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: bean_slab([1.0, math.nan], 1), r"fields must be finite \(A/m\); got nan"),
        (lambda: bean_slab([1.0], 0), "full_penetration_field must be positive"),
        (lambda: bean_slab([[1.0]], 1), "fields must be a list of fields in the order of time"),
        (lambda: bean_disc([1.0], 1, -1, 1), "thickness_m must be positive"),
        (lambda: bean_disc([1.0], 1, 1, 0), "critical_current_density must be positive"),
    ],
)
def test_arguments_are_checked(call, message):
    with pytest.raises(ValueError, match=message):
        call()
