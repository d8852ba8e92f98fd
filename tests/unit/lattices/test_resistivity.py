"""rho(T): the law of Bloch and Grueneisen against its limits and quad, carriers of both signs, ranges, marks."""

import math

import numpy as np
import pytest
import scipy.integrate
import scipy.optimize
from numpy.testing import assert_allclose
from scipy import constants

from bdg.lattices import material, resistivity
from bdg.lattices.materials.resistivity import TABLE_FROM_K, bloch_grueneisen, mott_density


@pytest.mark.parametrize("exponent", [3.0, 5.0])
@pytest.mark.parametrize("reduced", [0.02, 0.2, 1.0, 3.0])
def test_the_law_by_adaptive_quadrature(exponent, reduced):
    value = scipy.integrate.quad(
        lambda x: x**exponent / math.expm1(x) / -math.expm1(-x) if x < 700 else 0.0, 0, min(1 / reduced, 200)
    )[0]
    assert bloch_grueneisen(np.array(reduced * 300.0), 300.0, exponent) == pytest.approx(
        reduced**exponent * value, rel=1e-9
    )


def test_the_law_between_its_limits():
    """124.43 (T/Theta)^5 for T far below Theta, T/4 Theta far above it."""
    cold, hot = bloch_grueneisen(np.array([3.0, 3e4]), 300.0, 5.0)
    assert cold == pytest.approx(124.4313 * 1e-10, rel=1e-5)
    assert hot == pytest.approx(100 / 4, rel=1e-4)
    assert bloch_grueneisen(np.array(0.0), 300.0, 5.0) == 0


def test_magnesium_goes_through_its_table():
    table = material("Mg")["resistivity"]
    at, values = np.array(table.temperature_K), np.array(table.value)
    kept = at >= TABLE_FROM_K
    ideal = resistivity("Mg", residual_ohm_m=0)
    assert_allclose(1e8 * ideal(at[kept]), values[kept], rtol=1e-12)
    fine = np.linspace(1, 300, 1200)
    assert (np.diff(ideal(fine)) > 0).all()
    slope = np.diff(ideal(fine)) / np.diff(fine)
    assert (abs(np.diff(slope)) < 0.02 * slope.max()).all()  # no corner
    assert ideal(20.0) < 0.5e-8 * values[0]  # the rest of that entry is residual resistivity
    assert_allclose(resistivity("Mg", residual_ohm_m=2e-9)(fine) - ideal(fine), 2e-9, rtol=1e-12)
    assert resistivity("Mg")(0.0) == pytest.approx(1e-8 * material("Mg")["residual_resistivity"].value)


def test_the_numbers_of_the_law_are_the_fit_that_they_say():
    """Theta and rho(300 K) through the logarithms of the entries from 40 K on; the law meets each to 8 %."""
    table = material("Mg")["resistivity"]
    at, values = (np.array(x)[1:] for x in (table.temperature_K, table.value))

    def law(t, ideal, debye):
        return np.log(ideal * bloch_grueneisen(t, debye, 5.0) / bloch_grueneisen(np.array(300.0), debye, 5.0))

    (ideal, debye), _ = scipy.optimize.curve_fit(law, at, np.log(values), p0=[4.0, 300.0])
    assert debye == pytest.approx(material("Mg")["debye_temperature"].value, abs=0.5)
    assert ideal == pytest.approx(material("Mg")["ideal_resistivity"].value, abs=0.005)
    assert abs(np.exp(law(at, ideal, debye)) / values - 1).max() < 0.08


def test_mgb2_is_refused_where_it_superconducts():
    rho = resistivity("MgB2")
    assert rho.range_K[0] == material("MgB2")["critical_temperature"].value
    assert rho(300.0) - resistivity("MgB2", residual_ohm_m=0)(300.0) == pytest.approx(3e-8)
    assert rho(300.0) == pytest.approx(1.22e-7) and "debye_temperature" not in rho.unverified
    with pytest.raises(ValueError, match=r"temperature_K must be from 37 to 300 K.*MgB2.*got 36.9"):
        rho([40.0, 36.9])


def test_mg2si_from_its_dopants_to_its_gap():
    """1/(e N mu) where pairs are frozen; exp(E_g/2kT) of them where they dominate; neutrality in between."""
    entry = material("Mg2Si")
    mobility = 1e-4 * entry["mobility"].value
    assert resistivity("Mg2Si")(100.0) == pytest.approx(1 / (constants.e * 5e24 * mobility), rel=1e-9)
    pure = resistivity("Mg2Si", carriers_m3=2e24)
    heavy = entry["effective_mass"].value * entry["hole_mass"].value
    for t in (300.0, 800.0):
        states = (constants.k * t * constants.m_e / (2 * math.pi * constants.hbar**2)) ** 3 * heavy**1.5
        product = 4 * states * math.exp(-entry["band_gap"].value * constants.e / (constants.k * t))
        electrons = scipy.optimize.brentq(lambda n, p=product: n - p / n - 2e24, 2e24, 1e26, xtol=1e10)
        holes = entry["hole_mobility_ratio"].value * product / electrons
        assert pure(t) == pytest.approx(1 / (constants.e * mobility * (electrons + holes)), rel=1e-9)
    assert pure.range_K == (4.0, 800.0)
    assert mott_density(0.46, 20.0) == pytest.approx((0.26 / (0.0529177e-9 * 20 / 0.46)) ** 3, rel=1e-5)
    with pytest.raises(ValueError, match="carriers_m3 must be at least Mott's density, 1.4e"):
        resistivity("Mg2Si", carriers_m3=1e23)


def test_mgo_is_a_bound_and_says_so():
    rho = resistivity("MgO")
    assert rho.lower_bound and rho(77.0) == 1e12 and rho.mark == "a lower bound, rho of MgO not verified"
    assert not any(resistivity(name).lower_bound for name in ("Mg", "MgB2", "Mg2Si"))


@pytest.mark.parametrize("name", ["Mg", "MgB2", "Mg2Si", "MgO"])
def test_what_is_not_verified_is_named(name):
    rho = resistivity(name)
    seen = {key: material(name)[key].verified for key in rho.unverified}
    assert rho.unverified and not any(seen.values()) and rho.mark.endswith(f"rho of {name} not verified")
    assert not rho.verified and rho.factors[0] <= 1 <= rho.factors[1] and len(rho.source) > 20


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (lambda: resistivity("Fe"), ValueError, "no material 'Fe'"),
        (lambda: resistivity("sample"), ValueError, "name must be Mg, MgB2, Mg2Si or MgO.*got 'sample'"),
        (lambda: resistivity("Mg", residual_ohm_m=-1e-9), ValueError, "residual_ohm_m must be finite and >= 0"),
        (lambda: resistivity("MgO", residual_ohm_m=1e-9), ValueError, "residual_ohm_m belongs to Mg and MgB2"),
        (lambda: resistivity("Mg", carriers_m3=1e25), ValueError, "carriers_m3 belongs to Mg2Si"),
        (lambda: resistivity("Mg")(301.0), ValueError, "temperature_K must be from 0 to 300 K.*got 301"),
        (lambda: resistivity("Mg")(-1.0), ValueError, "temperature_K must be from 0 to 300 K.*got -1"),
        (lambda: resistivity("Mg")(math.nan), ValueError, "temperature_K must be from 0 to 300 K.*got nan"),
        (lambda: resistivity("Mg")("warm"), TypeError, "temperature_K must be a number"),
    ],
)
def test_bad_input(call, error, message):
    with pytest.raises(error, match=message):
        call()
