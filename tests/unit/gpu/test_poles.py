"""Rational approximation of tanh(x/2a): its error on points of our own, its counts, its use on matrices."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

from bdg.gpu.poles import tanh_poles as module
from bdg.gpu.poles.tanh_poles import matsubara_poles, tanh_poles

EPS = np.finfo(float).eps
# Poles for tol = 1e-3, 1e-6, 1e-9: what a fit with the same candidates took elsewhere, two poles at a time.
COUNTS = {
    82: (6, 10, 14),
    205: (8, 12, 16),
    411: (8, 14, 20),
    821: (8, 16, 20),
    2053: (12, 20, 28),
    4107: (10, 20, 32),
}


def points(bound, width, frequencies, seed=5, share=1):
    """Both signs: x << width, every scale up to the bound, around each pole's frequency, crowded at the end."""
    rng = np.random.default_rng(seed)
    smallest = 1e-9 * min(bound, width)
    parts = [
        np.exp(rng.uniform(np.log(smallest), np.log(bound), 20_000 * share)),
        rng.uniform(0, bound, 20_000 * share),
        rng.uniform(0, min(bound, 40 * width), 10_000 * share),
        bound * (1 - np.exp(rng.uniform(np.log(1e-9), 0, 10_000 * share))),
        (frequencies[:, None] * np.exp(rng.uniform(-0.5, 0.5, 200))).ravel(),
        np.array([0.0, smallest, bound]),
    ]
    x = np.concatenate(parts)
    x = x[x <= bound]
    return np.concatenate([x, -x])


def deviation(poles, x):
    """|fit - tanh|, the fit summed here, from the public coefficients alone."""
    value = poles.linear * x
    for w, c in zip(poles.frequencies, poles.weights, strict=True):
        value += c * x / (x**2 + w**2)
    return np.abs(value - np.tanh(x / (2 * poles.width)))


BOTH = pytest.mark.parametrize("fit", [matsubara_poles, tanh_poles])


@BOTH
@pytest.mark.parametrize("tol", [1e-3, 1e-6, 1e-9])
@pytest.mark.parametrize("ratio", [20, *(pytest.param(r, marks=pytest.mark.slow) for r in (82, 205, 821)), 4107, 2e4])
def test_the_error_is_below_tol_on_points_that_the_fit_has_never_seen(ratio, tol, fit):
    _check_on_points(ratio, tol, fit)


@pytest.mark.slow
@BOTH
@pytest.mark.parametrize("tol", [1e-3, 1e-6, 1e-9])
@pytest.mark.parametrize("ratio", [20, 82, 205, 821, 4107, 2e4])
def test_the_error_is_below_tol_on_thrice_as_many_points(ratio, tol, fit):
    _check_on_points(ratio, tol, fit, share=3)


def _check_on_points(ratio, tol, fit, share=1):
    width = 0.0085
    poles = fit(ratio * width, width, tol)
    x = points(poles.bound, width, poles.frequencies, share=share)

    found = deviation(poles, x).max()

    assert found <= tol
    # The stated error is the maximum itself, not a figure on the safe side or from a coarse grid. Random points come
    # within 1 % of it; rounding of the sum adds about 1e-14.
    assert 0.99 * poles.error < found < 1.0001 * poles.error + 1e-13
    assert_allclose(deviation(poles, np.array([poles.error_at])), poles.error, rtol=1e-6, atol=1e-13)


@BOTH
def test_the_error_is_below_tol_for_arbitrary_arguments(fit):
    rng = np.random.default_rng(11)
    for _ in range(12):
        width, ratio, tol = 10.0 ** rng.uniform((-8, -3, -12), (3, 6, -1))
        poles = fit(ratio * width, width, tol)
        found = deviation(poles, points(poles.bound, width, poles.frequencies)).max()
        assert found <= tol, (width, ratio, tol)
        assert found <= 1.0001 * poles.error + 1e-13


FREE_COUNTS = {20: (3, 4, 5), 82: (4, 6, 8), 205: (5, 8, 10), 821: (6, 10, 13), 2053: (7, 11, 15), 1e5: (10, 17, 24)}


@pytest.mark.parametrize("ratio", FREE_COUNTS)
def test_free_frequencies_need_fewer_poles(ratio):
    """Each pole more divides the error by the same factor; the counts were found once and must not grow."""
    for tol, count in zip((1e-3, 1e-6, 1e-9), FREE_COUNTS[ratio], strict=True):
        poles = tanh_poles(ratio, 1, tol)
        assert not poles.matsubara
        assert len(poles.frequencies) == count < len(matsubara_poles(ratio, 1, tol).frequencies)


@pytest.mark.parametrize("tol", [1e-2, 1e-5, 1e-8, 1e-12])
@pytest.mark.parametrize("ratio", [0.01, 3, 20, 821, 2e4, 1e7])
def test_free_frequencies_interlace_and_have_positive_weights(ratio, tol):
    """tanh(x)/x is a Stieltjes function of x^2: what such a function's interpolants must look like."""
    width = 0.37
    poles = tanh_poles(ratio * width, width, tol)
    atoms = (2 * np.arange(poles.frequencies.size) + 1) * np.pi * width
    assert not poles.matsubara
    assert (poles.frequencies >= atoms).all() and (np.diff(poles.frequencies) > 0).all()
    assert (poles.weights > 0).all() and poles.linear > 0


def test_the_matsubara_fit_is_returned_where_the_free_one_fails(monkeypatch):
    def stuck(edge, most):
        yield from ((np.pi * np.arange(1.1, count + 1), 1e-20) for count in range(1, 4))

    monkeypatch.setattr(module, "free_frequencies", stuck)
    poles, expected = tanh_poles(777, 1, 1e-7), matsubara_poles(777, 1, 1e-7)
    assert poles.matsubara and poles.error == expected.error
    assert_array_equal(poles.frequencies, expected.frequencies)
    module._scaled_free_fit.cache_clear()  # nothing of this may stay


@pytest.mark.parametrize("ratio", COUNTS)
def test_the_number_of_poles_stays_small(ratio):
    for tol, count in zip((1e-3, 1e-6, 1e-9), COUNTS[ratio], strict=True):
        assert len(matsubara_poles(ratio, 1, tol).frequencies) <= count + 4


def test_fewer_poles_for_less():
    """More accuracy or a longer interval never takes fewer poles, over three decades of each."""
    for fit in (matsubara_poles, tanh_poles):
        table = [[len(fit(10.0**s, 1, 10.0**t).weights) for t in (-2, -5, -8)] for s in (1, 2.5, 4)]
        assert (np.diff(table, axis=0) > 0).all()
        assert (np.diff(table, axis=1) > 0).all()


@pytest.mark.parametrize("tol", [1e-3, 1e-9])
@pytest.mark.parametrize("ratio", [0.01, 20, 821, 2e4])
def test_frequencies_are_odd_multiples_of_pi_times_width(ratio, tol):
    width = 0.37
    poles = matsubara_poles(ratio * width, width, tol)
    odd = np.rint(poles.frequencies / (np.pi * width)).astype(int)

    assert odd[0] == 1  # the nearest pole always
    assert (odd % 2 == 1).all() and poles.matsubara
    assert (np.diff(odd) > 0).all()
    assert_allclose(poles.frequencies, odd * np.pi * width, rtol=4 * EPS)
    assert poles.weights.shape == poles.frequencies.shape
    assert poles.frequencies.dtype == poles.weights.dtype == np.float64


def test_the_weight_of_the_lowest_pole_is_its_residue():
    """Near +-i w_0 the fit must follow tanh itself, whose residue gives 4 a; exact poles carry exact weights."""
    poles = matsubara_poles(8.21, 0.01, 1e-9)
    assert_allclose(poles.weights[0], 4 * 0.01, rtol=1e-6)


def test_a_narrow_interval_needs_one_pole():
    """For x << a tanh is nearly x/2a; one pole and the linear term meet the slope and the cubic term."""
    for ratio in (1e-9, 1e-3):
        poles = matsubara_poles(ratio, 1, 1e-12)
        assert len(poles.weights) == 1
        assert_allclose(poles.linear + poles.weights[0] / np.pi**2, 0.5, rtol=1e-12)


@BOTH
@pytest.mark.parametrize("dtype", [float, complex])
def test_a_matrix_function_by_one_inverse_a_pole(dtype, fit):
    rng = np.random.default_rng(2)
    n, width = 60, 0.02
    matrix = rng.normal(size=(n, n)).astype(dtype)
    if dtype is complex:
        matrix += 1j * rng.normal(size=(n, n))
    matrix = (matrix + matrix.conj().T) / 2
    levels, vectors = np.linalg.eigh(matrix)
    exact = (vectors * np.tanh(levels / (2 * width))) @ vectors.conj().T
    poles = fit(np.abs(levels).max(), width, 1e-7)

    fitted = poles.linear * matrix
    for w, c in zip(poles.frequencies, poles.weights, strict=True):
        resolvent = np.linalg.inv(1j * w * np.eye(n) - matrix)
        fitted = fitted - c * (resolvent + resolvent.conj().T) / 2

    # The error of a function of a Hermitian matrix, in the 2-norm, is that of the function on its eigenvalues.
    found = np.linalg.norm(fitted - exact, 2)
    assert found <= poles.error + 1e-12  # rounding: eps * ||A|| / w_0 * n = 3e-13
    assert found > 0.01 * poles.error  # and it is the error that limits, so the comparison has seen it


@BOTH
@pytest.mark.parametrize("tol", [1e-3, 1e-6, 1e-9])
@pytest.mark.parametrize("ratio", [20, 821, 2e4])
def test_log_cosh_is_off_by_no_more_than_the_integral_of_the_error(ratio, tol, fit):
    width = 2.5
    poles = fit(ratio * width, width, tol)
    x = points(poles.bound, width, poles.frequencies)
    exact = np.logaddexp(x / (2 * width), -x / (2 * width))
    found = np.abs(poles.log_cosh(x) - exact)
    rounding = 50 * EPS * exact.max()

    assert (found <= poles.error * np.abs(x) / (2 * width) + rounding).all()
    assert 0.98 * poles.log_cosh_error < found.max() < 1.001 * poles.log_cosh_error + rounding
    assert poles.log_cosh(0.0) == np.log(2)


@BOTH
def test_methods_agree_with_the_coefficients(fit):
    poles = fit(7, 0.05, 1e-6)
    x = np.linspace(-7, 7, 501).reshape(3, 167)
    assert_allclose(np.abs(poles.tanh(x) - np.tanh(x / 0.1)), deviation(poles, x), rtol=0, atol=1e-14)
    # d/dx log_cosh = tanh/2a, by central differences: step^2/6 |f'''| / tanh' scale, with f'' <= 1/(2a)^2.
    step = 1e-4
    slope = (poles.log_cosh(x + step) - poles.log_cosh(x - step)) / (2 * step)
    assert_allclose(slope, poles.tanh(x) / 0.1, rtol=0, atol=step**2 / 0.1**3)


@BOTH
def test_the_trace_of_log_cosh_follows_from_determinants(fit):
    rng = np.random.default_rng(4)
    n, width = 40, 0.05
    matrix = rng.normal(size=(n, n)) + 1j * rng.normal(size=(n, n))
    matrix = (matrix + matrix.conj().T) / 2
    levels = np.linalg.eigvalsh(matrix)
    exact = np.logaddexp(levels / (2 * width), -levels / (2 * width)).sum()
    poles = fit(np.abs(levels).max(), width, 1e-8)
    logs = np.array([np.linalg.slogdet(1j * w * np.eye(n) - matrix)[1] for w in poles.frequencies])

    trace = poles.trace_log_cosh(logs, (np.abs(matrix) ** 2).sum(), n)

    # Rounding: the terms c_j n ln w_j / 2a cancel among each other.
    rounding = 20 * EPS * n * (np.abs(poles.weights * np.log(poles.frequencies)).sum() / (2 * width))
    assert abs(trace - exact) <= n * poles.log_cosh_error + rounding
    with pytest.raises(ValueError, match="one number for each of the .* poles"):
        poles.trace_log_cosh(logs[:-1], 1.0, n)


def test_a_fit_is_made_once_for_each_ratio_and_tol(monkeypatch):
    calls = []
    qr = module.scipy.linalg.qr
    monkeypatch.setattr(module.scipy.linalg, "qr", lambda *args, **kwargs: calls.append(1) or qr(*args, **kwargs))
    first = matsubara_poles(12.345, 0.1, 1e-4)
    second = matsubara_poles(12.345, 0.1, 1e-4)
    scaled = matsubara_poles(12.345 * 7e-5, 0.1 * 7e-5, 1e-4)  # the same ratio, up to rounding
    assert len(calls) == 1
    assert_array_equal(first.weights, second.weights)
    assert_allclose(scaled.frequencies, first.frequencies * 7e-5, rtol=4 * EPS)
    assert_allclose(scaled.weights, first.weights * 7e-5, rtol=4 * EPS)
    assert_allclose(scaled.linear, first.linear / 7e-5, rtol=4 * EPS)
    assert_allclose(scaled.error_at, first.error_at * 7e-5, rtol=4 * EPS)
    assert scaled.error == first.error

    matsubara_poles(12.345, 0.1, 1e-5)
    matsubara_poles(12.346, 0.1, 1e-4)
    matsubara_poles(12.345, 0.1, 1e-4)  # the others have not displaced it
    assert len(calls) == 3


@BOTH
def test_a_second_fit_is_bitwise_the_first(fit):
    first = fit(333, 1, 1e-7)
    module._scaled_fit.cache_clear()
    module._scaled_free_fit.cache_clear()
    fit(31, 1, 1e-3)
    second = fit(333, 1, 1e-7)
    assert second is not first
    assert_array_equal(first.frequencies, second.frequencies)
    assert_array_equal(first.weights, second.weights)
    assert (first.linear, first.error, first.error_at) == (second.linear, second.error, second.error_at)


def test_what_is_shared_cannot_be_written_to():
    poles = matsubara_poles(20, 1, 1e-3)
    with pytest.raises(ValueError, match="read-only"):
        poles.weights[0] = 1
    with pytest.raises(ValueError, match="read-only"):
        poles.frequencies[0] = 1
    with pytest.raises(AttributeError, match="cannot assign"):
        poles.linear = 0.0


@pytest.mark.parametrize(
    ("arguments", "kind", "text"),
    [
        ({"bound": 0}, ValueError, r"bound must be finite and > 0; got 0"),
        ({"bound": -7.0}, ValueError, r"bound must be finite and > 0; got -7"),
        ({"bound": np.nan}, ValueError, r"bound must be finite"),
        ({"width": 0.0}, ValueError, r"width must be finite and > 0; got 0.0"),
        ({"width": np.inf}, ValueError, r"width must be finite"),
        ({"tol": -1e-6}, ValueError, r"tol must be finite and > 0"),
        ({"tol": 1e-14}, ValueError, r"tol must lie between 1e-12, what double precision affords"),
        ({"tol": 0.5}, ValueError, r"tol must lie between .* and 0\.1; got 0\.5"),
        ({"width": 1e-10}, ValueError, r"bound/width must be at most 1e\+09.* larger width"),
        ({"bound": 1e300, "width": 1e-300}, ValueError, r"bound/width must be at most"),
        ({"bound": "7"}, TypeError, r"bound must be a real number; got '7' of type str"),
        ({"width": 1j}, TypeError, r"width must be a real number"),
        ({"tol": True}, TypeError, r"tol must be a real number"),
    ],
)
def test_wrong_arguments_are_named(arguments, kind, text):
    for fit in (matsubara_poles, tanh_poles):
        with pytest.raises(kind, match=text):
            fit(**({"bound": 7.0, "width": 0.05, "tol": 1e-6} | arguments))


def test_a_limit_on_the_number_of_poles_says_what_was_reached():
    with pytest.raises(
        ArithmeticError, match=r"tol=1e-12 is not reached .* 80 poles leave an error of .*e-\d+ at best"
    ):
        matsubara_poles(1e9, 1, 1e-12)
