"""Fits of a user's own curves: synthetic data with noise are recovered with honest intervals, or there is none."""

import math

import numpy as np
import pytest
import scipy.optimize
from numpy.testing import assert_allclose

import bdg
from bdg.electrodynamics import sphere_susceptibility
from bdg.instruments import AcSusceptometer, LinkedShell, fit_residual_resistivity, fit_shell_transition
from bdg.instruments.residual_resistivity import loss_resistivity
from bdg.lattices import resistivity

RADIUS, FREQUENCY = 1.5e-3, 1550.0
IDEAL = resistivity("Mg", residual_ohm_m=0.0)
CORE = resistivity("Mg")
WARM = np.linspace(4.5, 90, 58)
SHELL_K = np.linspace(4.5, 60, 38)
INSTRUMENT = AcSusceptometer(FREQUENCY, 16.0, amplitude_is="peak")
TRUE = LinkedShell(critical_temperature_K=51.0, critical_current_A=1.2, width_K=1.5, bridge_ohm=1e-5)
BEGIN = LinkedShell(critical_temperature_K=47.0, critical_current_A=0.9, width_K=1.0, bridge_ohm=2e-5)
NOISE = 3e-3


def losses(residual, seed=0, factor=1.0, temperatures=WARM, noise=2e-3):
    """chi'' of a bare sphere with noise."""
    chi = np.asarray(sphere_susceptibility(RADIUS, residual + IDEAL(temperatures), FREQUENCY))
    return factor * chi.imag + noise * np.random.default_rng(seed).standard_normal(temperatures.size)


def residual_of(values, temperatures=WARM, error=2e-3, **options):
    keys = {"radius_m": RADIUS, "frequency_Hz": FREQUENCY, "ideal_ohm_m": IDEAL, **options}
    return fit_residual_resistivity(temperatures, values, error, **keys)


def coated(seed=0, shell=TRUE, temperatures=SHELL_K, noise=NOISE):
    """chi of a coated sphere with noise in both parts."""
    bare = np.asarray(sphere_susceptibility(RADIUS, CORE(temperatures), FREQUENCY))
    chi = shell.susceptibility(temperatures, bare, RADIUS, FREQUENCY, INSTRUMENT.peak_A_m)
    rng = np.random.default_rng(seed)
    return chi + noise * (rng.standard_normal(chi.size) + 1j * rng.standard_normal(chi.size))


def transition_of(chi, temperatures=SHELL_K, error=NOISE, **options):
    keys = {"instrument": INSTRUMENT, "radius_m": RADIUS, "resistivity_ohm_m": CORE, "shell": BEGIN}
    return fit_shell_transition(temperatures, chi.real, chi.imag, error, **{**keys, "profile_points": 0, **options})


# ------------------------------------------------------------------------------------------------ rho_0 of the core


def test_a_maximum_says_its_residual_resistivity_whatever_the_instrument():
    """Without noise to 1e-6; the largest loss of a sphere lies at r/delta = 2.41."""
    assert loss_resistivity(RADIUS, FREQUENCY) == pytest.approx(2.372e-9, rel=1e-3)
    grid = np.linspace(1.5e-9, 3.5e-9, 2001)
    top = grid[np.asarray(sphere_susceptibility(RADIUS, grid, FREQUENCY)).imag.argmax()]
    assert loss_resistivity(RADIUS, FREQUENCY) == pytest.approx(top, abs=2e-12)
    found = residual_of(losses(1.8e-9, factor=1.3, noise=0.0))
    assert found.words == "" and found.values_ohm_m == pytest.approx([1.8e-9], rel=1e-6)
    assert found.factors == pytest.approx([1.3], rel=1e-6) and found.peaks_K == pytest.approx([37.5], abs=0.5)
    assert IDEAL(found.peaks_K[0]) + 1.8e-9 == pytest.approx(loss_resistivity(RADIUS, FREQUENCY), rel=2e-3)


@pytest.mark.parametrize("residual", [1.0e-9, 2.2e-9])
def test_the_error_is_that_of_both_parameters_together(residual):
    """Against scipy.optimize.curve_fit in rho_0 and the factor."""

    def model(t, rho, factor):
        return factor * np.asarray(sphere_susceptibility(RADIUS, 1e-9 * rho + IDEAL(t), FREQUENCY)).imag

    points = losses(residual, 4)
    best, covariance = scipy.optimize.curve_fit(model, WARM, points, (1.0, 1.0), np.full(WARM.size, 2e-3), True)
    found = residual_of(points)
    assert found.values_ohm_m[0] == pytest.approx(1e-9 * best[0], rel=1e-4)
    assert found.error[0] == pytest.approx(1e-9 * math.sqrt(covariance[0, 0]), rel=0.01)


def test_intervals_hold_the_truth():
    """40 seeds: 68 % of one standard error; chi^2 per degree of freedom 1."""
    found = [residual_of(losses(1.8e-9, seed)) for seed in range(40)]
    pulls = np.array([(each.values_ohm_m[0] - 1.8e-9) / each.error[0] for each in found])
    assert abs(pulls.mean()) < 3 / math.sqrt(40) and 18 <= (abs(pulls) < 1).sum() <= 35  # 3 sigma of a binomial
    assert np.mean([each.chi_squared[0] / each.degrees_of_freedom for each in found]) == pytest.approx(1, abs=0.1)


@pytest.mark.slow
def test_intervals_hold_the_truth_in_200_seeds():
    for error in (2e-3, None):  # given, and from the scatter
        found = [residual_of(losses(1.6e-9, seed), error=error) for seed in range(200)]
        pulls = np.array([(each.values_ohm_m[0] - 1.6e-9) / each.error[0] for each in found])
        assert abs(pulls.mean()) < 3 / math.sqrt(200) and pulls.std() == pytest.approx(1, abs=0.15)
        assert (abs(pulls) < 1).mean() == pytest.approx(0.683, abs=0.1)
        assert (abs(pulls) < 2).mean() == pytest.approx(0.954, abs=0.05)


def test_the_scatter_stands_in_for_errors_that_are_not_given():
    found = residual_of(losses(1.8e-9, 5), error=None)
    assert found.sigma[0] == pytest.approx(2e-3, rel=0.3) and found.chi_squared[0] == pytest.approx(56, rel=1e-6)


@pytest.mark.parametrize(
    ("residual", "temperatures", "words"),
    [
        (3e-9, WARM, "at or below the lowest temperature, so that rho_0 is at least about 0.237"),
        (1.8e-9, np.linspace(4.5, 30, 30), "at or above the highest temperature, so that rho_0 is at most about 0.21"),
        (1.8e-9, np.linspace(50, 90, 30), "at or below the lowest temperature, so that rho_0 is at least about 0.08"),
    ],
)
def test_without_a_maximum_there_is_none(residual, temperatures, words):
    for seed in range(3):
        found = residual_of(losses(residual, seed, temperatures=temperatures), temperatures)
        assert found.words.startswith("there is none: ") and words in found.words
        assert found.values_ohm_m.size == found.error.size == 0 and found.fitted.shape == (0, temperatures.size)


def test_several_solutions_are_all_given():
    """A calibrated curve below 15 K, where rho does not change: a height, which two resistivities have."""
    cold = np.linspace(4.0, 15.0, 12)
    found = residual_of(losses(1.8e-9, 1, temperatures=cold), cold, calibrated=True)
    assert found.words == "2 fit equally well" and found.values_ohm_m.size == 2
    low, high = np.sort(found.values_ohm_m)
    assert low == pytest.approx(1.8e-9, abs=4 * found.error.max()) and low < 2.37e-9 < high
    heights = np.asarray(sphere_susceptibility(RADIUS, np.array([low, high]), FREQUENCY)).imag
    assert heights[0] == pytest.approx(heights[1], abs=1e-4)
    one = residual_of(losses(1.8e-9, 1), calibrated=True)  # a curve with a maximum has one
    assert one.values_ohm_m == pytest.approx([1.8e-9], rel=0.01) and one.words == ""


# ---------------------------------------------------------------------------------------------------- T_c of a shell


def test_a_shell_is_recovered_with_its_correlations():
    """Without noise to 1e-4; with it within 4 errors, T_c and I_0 being degenerate."""
    exact = transition_of(coated(noise=0.0))
    for name in exact.names:
        assert exact[name][0] == pytest.approx(getattr(TRUE, name), rel=1e-4)
    found = transition_of(coated(3))
    for name in found.names:
        value, error = found[name]
        assert abs(value - getattr(TRUE, name)) < 4 * error
    assert found.pair == ["critical_temperature_K", "critical_current_A"]
    assert found.correlation[0, 2] < -0.9 and np.diag(found.correlation) == pytest.approx(1)
    assert found.words == "" and found.bare_chi_squared > 100 * found.chi_squared
    assert found.chi_squared / found.degrees_of_freedom == pytest.approx(1, abs=0.5)


def test_fewer_free_parameters_have_smaller_errors():
    wide = transition_of(coated(3))
    fixed = transition_of(coated(3), shell=TRUE, free=("critical_temperature_K", "width_K"))
    assert fixed.error[0] < 0.5 * wide.error[0] and fixed.names == ["critical_temperature_K", "width_K"]
    assert abs(fixed.values[0] - 51) < 4 * fixed.error[0]


def test_the_profile_is_that_of_the_covariance_near_the_minimum(tmp_path):
    """chi^2 rises by nine at three standard deviations along the axes of a pair, on both sides together to 30 %."""
    found = transition_of(coated(3), profile_points=3)
    profile = found.profile
    sides = [(profile[0, 1] + profile[2, 1]) / 2, (profile[1, 0] + profile[1, 2]) / 2]
    assert_allclose(sides, 9.0, rtol=0.3) and profile[1, 1] == pytest.approx(0, abs=0.05)
    assert found.pair_first[1, 1] == pytest.approx(found[found.pair[0]][0])
    found.save(tmp_path / "fit.h5")
    again = bdg.load(tmp_path / "fit.h5")
    assert_allclose(again.profile, found.profile) and again["width_K"] == found["width_K"]
    assert found.plot().axes[0].get_xlabel() == "$T_c$ (K)"
    with pytest.raises(KeyError, match="'power' was not fitted; there are"):
        found["power"]


def test_intervals_of_a_shell_hold_the_truth():
    found = [transition_of(coated(seed)) for seed in range(5)]
    for name in found[0].names:
        pulls = np.array([(each[name][0] - getattr(TRUE, name)) / each[name][1] for each in found])
        assert abs(pulls.mean()) < 3.5 / math.sqrt(5) and (pulls**2).sum() < 21  # .1 % of chi^2 with 5


@pytest.mark.slow
@pytest.mark.parametrize(("seeds", "spread"), [(40, 0.33), (200, 0.15)])
def test_intervals_of_a_shell_hold_the_truth_in_many_seeds(seeds, spread):
    found = [transition_of(coated(seed)) for seed in range(seeds)]
    for name in found[0].names:
        pulls = np.array([(each[name][0] - getattr(TRUE, name)) / each[name][1] for each in found])
        assert abs(pulls.mean()) < 3.5 / math.sqrt(seeds) and pulls.std() == pytest.approx(1, abs=spread)
        assert (abs(pulls) < 1).mean() == pytest.approx(0.683, abs=3 * 0.466 / math.sqrt(seeds))
        assert (abs(pulls) < 2).mean() == pytest.approx(0.954, abs=3.5 * 0.21 / math.sqrt(seeds))


def test_without_a_transition_there_is_none(tmp_path):
    bare = LinkedShell(critical_temperature_K=51.0, critical_current_A=0.0, bridge_ohm=math.inf)
    found = transition_of(coated(1, shell=bare), profile_points=5)
    assert found.words.startswith("there is none: a sphere without a shell fits as well")
    assert np.isnan(found.values).all() and np.isnan(found.error).all() and found.profile.size == 0
    below = SHELL_K[SHELL_K < 40]
    cut = transition_of(coated(0, temperatures=below), below)
    assert "there is none between 4.5 and 39" in cut.words and np.isnan(cut.values).all()
    cut.save(tmp_path / "none.h5")
    assert bdg.load(tmp_path / "none.h5").words == cut.words and cut.plot().axes


def test_a_width_that_is_not_seen_is_a_bound():
    sharp = LinkedShell(critical_temperature_K=51.0, critical_current_A=1.2, width_K=0.0, bridge_ohm=1e-5)
    found = transition_of(coated(2, shell=sharp))
    assert found.words.startswith("the width is not different from 0: at most about")
    assert abs(found["critical_temperature_K"][0] - 51) < 4 * found["critical_temperature_K"][1]


GOOD = np.full(WARM.size, 0.3)


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (lambda: residual_of(GOOD[:-1]), ValueError, "imaginary must be 58 finite numbers, one a temperature"),
        (lambda: residual_of(GOOD[:4], WARM[:4]), ValueError, "temperatures_K must be at least 6"),
        (lambda: residual_of(GOOD, error=0.0), ValueError, "error must be a number > 0, or 58 of them"),
        (lambda: residual_of(GOOD, error=[1.0, 2.0]), ValueError, "error must be a number > 0, or 58 of them"),
        (lambda: residual_of(GOOD, WARM[::-1]), ValueError, "temperatures_K must .*ascend"),
        (lambda: residual_of(GOOD, radius_m=-1e-3), ValueError, "radius_m must be positive"),
        (lambda: residual_of(GOOD, ideal_ohm_m=1e-9), TypeError, "ideal_ohm_m must be a function"),
        (lambda: residual_of(GOOD, calibrated="yes"), TypeError, "calibrated must be True or False"),
        (lambda: residual_of(GOOD * np.nan), ValueError, "imaginary must be 58 finite numbers"),
        (lambda: transition_of(coated(), instrument=3), TypeError, "instrument must be a bdg.instruments.AcSuscep"),
        (lambda: transition_of(coated(), shell=3), TypeError, "shell must be a bdg.instruments.LinkedShell"),
        (lambda: transition_of(coated(), free=("T_c",)), ValueError, "free must name some of critical_temperature_K"),
        (lambda: transition_of(coated(), free=()), ValueError, "free must name some of"),
        (
            lambda: transition_of(coated(), profile_points=2),
            ValueError,
            "profile_points must be 0 or at least 3; got 2",
        ),
        (lambda: transition_of(coated(), radius_m=0.0), ValueError, "radius_m must be positive"),
        (lambda: transition_of(coated()[:5]), ValueError, "real must be 38 finite numbers"),
        (lambda: AcSusceptometer(1550.0, 16.0), TypeError, "amplitude_is must say what amplitude_A_m = 16.0 is"),
    ],
)
def test_bad_input(call, error, message):
    with pytest.raises(error, match=message):
        call()
