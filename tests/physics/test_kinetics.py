import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.optimize import brentq

from bdg.condensate.proximity.kinetics import clean_chain_length, clean_length, diffusive_length, kinetic_length
from bdg.lattices.materials.effective_mass import effective_mass
from bdg.lattices.units import temperature_in_t


def angular_average(x, b, dimensions):
    """<1/(1 + b - x cos(theta))> over directions by quadrature."""
    if dimensions == 1:
        return (1 / (1 + b - x) + 1 / (1 + b + x)) / 2
    if dimensions == 2:
        cosine, weight = np.cos((np.arange(4000) + 0.5) * np.pi / 4000), np.full(4000, 1 / 4000)
    else:
        cosine, weight = np.polynomial.legendre.leggauss(400)
        weight = weight / 2
    return np.sum(weight / (1 + b - x * cosine))


@pytest.mark.parametrize("dimensions", [1, 2, 3])
@pytest.mark.parametrize("path", [0.01, 0.3, 2.0, 9.0])
def test_kinetic_length_solves_the_linearised_eilenberger_equation(dimensions, path):
    v_F, temperature = 1.7, 0.05
    b = 2 * math.pi * temperature * path / v_F  # 2 w tau
    length = kinetic_length(v_F, path, temperature, dimensions)
    assert angular_average(path / length, b, dimensions) == pytest.approx(1, abs=1e-11)


@given(st.floats(-6, 1))
def test_kinetic_length_in_three_dimensions_against_a_bracketed_root(exponent):
    """artanh(x/B) = x, B = 1 + 2 w tau; beyond b = 10 the root is within rounding of B and brackets fail."""
    b = 10.0**exponent
    path, temperature = 3.0, 0.02
    v_F = 2 * math.pi * temperature * path / b
    root = brentq(lambda x: math.atanh(x / (1 + b)) - x, 0.9 * math.sqrt(b), (1 + b) * (1 - 1e-15), xtol=1e-15)
    # The cancellation in artanh(y) - y of this form costs 1e-16/b.
    assert path / kinetic_length(v_F, path, temperature, 3) == pytest.approx(root, rel=1e-12 + 1e-15 / b)


@pytest.mark.parametrize("dimensions", [1, 2, 3])
def test_limits_of_the_kinetic_length(dimensions):
    """kappa^2 l^2 = d b (1 + O(b)) for b = 2 w tau -> 0; kappa l = b + O(1) for b -> infinity."""
    v_F, temperature = 2.1, 0.03
    for path in (1e-300, 1e-100, 1e-30, 1e-14):
        expected = diffusive_length(v_F, path, temperature, dimensions)
        assert kinetic_length(v_F, path, temperature, dimensions) == pytest.approx(expected, rel=1e-12)
    for path in (1e15, 1e30, 1e300, math.inf):
        expected = clean_length(v_F, temperature)
        assert kinetic_length(v_F, path, temperature, dimensions) == pytest.approx(expected, rel=1e-12)


def test_approach_to_the_ballistic_limit():
    """Long mean free path: kappa = 2w/v + c/l with c = 1 in 2-D and 3-D, 1/2 on a line."""
    v_F, temperature, path = 2.0, 0.05, 1e4
    for dimensions, c in ((1, 0.5), (2, 1.0), (3, 1.0)):
        kappa = 1 / kinetic_length(v_F, path, temperature, dimensions)
        assert (kappa - 1 / clean_length(v_F, temperature)) * path == pytest.approx(c, rel=1e-3)


@given(st.floats(-12, 12), st.sampled_from([1, 2, 3]))
def test_kinetic_length_is_the_shortest_and_has_no_steps(exponent, dimensions):
    v_F, temperature, path = 2.0, 0.1, 10.0**exponent
    length = kinetic_length(v_F, path, temperature, dimensions)
    assert length <= clean_length(v_F, temperature) * (1 + 1e-15)
    assert length <= diffusive_length(v_F, path, temperature, dimensions) * (1 + 1e-15)
    # d ln(length)/d ln(path) lies between 0 (clean) and 1/2 (diffusive).
    longer = kinetic_length(v_F, path * 1.01, temperature, dimensions)
    assert -1e-14 <= math.log(longer / length) <= 0.5 * math.log(1.01) + 1e-14


def test_length_in_a_persistent_random_walk_on_a_line():
    """kappa^2 = 2w (1 + 2 w tau)/(v^2 tau): the telegraph equation, exact in one dimension."""
    v_F, temperature, tau = 1.3, 0.08, 2.5
    w = math.pi * temperature
    expected = math.sqrt(v_F**2 * tau / (2 * w * (1 + 2 * w * tau)))
    assert kinetic_length(v_F, v_F * tau, temperature, 1) == pytest.approx(expected, rel=1e-14)


@pytest.mark.parametrize(
    ("spacing", "density", "disorder", "expected", "tolerance"),
    [
        (2.4, 5e24, 4.5, {30: 3.4, 19: 4.6, 10: 6.9}, 0.05),
        (2.4, 5e24, 4.5, {4.2: 11}, 0.5),
        (3.0, 1e25, 4.0, {30: 3.1, 19: 4.3, 10: 6.4}, 0.12),
    ],
)
def test_lengths_in_the_host_of_the_composite(spacing, density, disorder, expected, tolerance):
    """m = 0.46, in nm; the expected numbers are rounded, those at 3 nm come from a coarser integration."""
    clean = effective_mass(0.46, spacing, density_m3=density)
    host = effective_mass.from_lattice(clean.t_meV, clean.mu, spacing, disorder)
    path = host.mean_free_path_nm / spacing
    for temperature_K, length_nm in expected.items():
        temperature = temperature_in_t(temperature_K, host.t_meV)
        assert kinetic_length(host.v_F, path, temperature, 3) * spacing == pytest.approx(length_nm, abs=tolerance)


def test_clean_and_diffusive_lengths_in_nm():
    """hbar v = 200 meV nm at 4.2 K: 87.948 nm; D = 7.83 t a^2/hbar with t = 100 meV: 18.556 nm."""
    temperature = temperature_in_t(4.2, 100)
    assert clean_length(2, temperature) == pytest.approx(87.948, abs=5e-4)
    for dimensions in (1, 2, 3):
        assert diffusive_length(2, dimensions * 7.83 / 2, temperature, dimensions) == pytest.approx(18.556, abs=5e-4)


@pytest.mark.parametrize(
    ("mu", "temperature", "exact", "clean"),
    [(0, 0.03, 10.6143, 10.6103), (-1, 0.03, 9.1979, 9.1888), (0, 0.015, 21.2226, 21.2207)],
)
def test_clean_chain(mu, temperature, exact, clean):
    assert clean_chain_length(mu, temperature) == pytest.approx(exact, abs=6e-5)
    assert clean_length(math.sqrt(4 - mu**2), temperature) == pytest.approx(clean, abs=6e-5)


def test_clean_chain_in_closed_form():
    """mu = 0: 1/(2 arsinh(pi T/2)); T = 0.05 gives 6.3727."""
    assert clean_chain_length(0, 0.05) == pytest.approx(1 / (2 * math.asinh(math.pi * 0.05 / 2)), rel=1e-14)
    assert clean_chain_length(0, 0.05) == pytest.approx(6.3727, abs=5e-5)
    assert clean_chain_length(-2.0, 0.1, t=2.5) == pytest.approx(clean_chain_length(-0.8, 0.04), rel=1e-14)
    assert clean_chain_length(0.6, 0.04) == pytest.approx(clean_chain_length(-0.6, 0.04), rel=1e-14)


def test_clean_chain_against_its_transfer_matrix():
    """The growing eigenvalue of (psi_n+1, psi_n) at the energy i pi T, also outside the band."""
    for mu in (-1.7, 0.4, -2.6, 3.0):
        z = 1j * math.pi * 0.02 + mu
        growth = np.abs(np.linalg.eigvals(np.array([[-z, -1], [1, 0]]))).max()
        assert clean_chain_length(mu, 0.02) == pytest.approx(1 / (2 * math.log(growth)), rel=1e-10)


@pytest.mark.parametrize("temperature", [0, -0.1, math.nan])
def test_lengths_need_a_positive_temperature(temperature):
    for call in (
        lambda: clean_length(1, temperature),
        lambda: clean_chain_length(0, temperature),
        lambda: diffusive_length(1, 1, temperature, 3),
        lambda: kinetic_length(1, 1, temperature, 3),
    ):
        with pytest.raises(ValueError, match=r"temperature must be positive and finite \(k_B T .* needs T > 0\)"):
            call()


def test_bad_arguments_are_refused():
    with pytest.raises(ValueError, match="v_F must be positive"):
        clean_length(0, 1)
    with pytest.raises(ValueError, match="mean_free_path must be positive and finite"):
        diffusive_length(1, math.inf, 1, 3)
    with pytest.raises(ValueError, match="mean_free_path must be positive"):
        kinetic_length(1, 0, 1, 3)
    with pytest.raises(ValueError, match="dimensions must be 1, 2 or 3; got 4"):
        kinetic_length(1, 1, 1, 4)
    with pytest.raises(TypeError, match="v_F must be a real number"):
        kinetic_length("1", 1, 1, 3)
    with pytest.raises(ValueError, match="mu must be finite"):
        clean_chain_length(math.inf, 1)
    with pytest.raises(ValueError, match="t must be positive"):
        clean_chain_length(0, 1, t=0)
