"""The weakened bond transmits what was asked for: against kwant's scattering matrix of a chain."""

import kwant
import numpy as np
import pytest

from bdg.lattices.builders.interface import describe_interface, hopping_scale, interface_sine, transmission


def chain_transmission(scale: float, mu: float, t: float) -> float:
    """Transmission at E = 0 of an infinite chain (onsite -mu, hopping -t) with one bond -scale t."""
    lat = kwant.lattice.chain(norbs=1)
    builder = kwant.Builder()
    for site in (lat(0), lat(1)):
        builder[site] = -mu
    builder[lat(0), lat(1)] = -scale * t
    for direction in (-1, 1):
        lead = kwant.Builder(kwant.TranslationalSymmetry((direction,)))
        lead[lat(0)] = -mu
        lead[lat(0), lat(1)] = -t
        builder.attach_lead(lead)
    return kwant.smatrix(builder.finalized(), 0.0).transmission(1, 0)


@pytest.mark.parametrize("tau", [0.05, 0.4, 0.97])
@pytest.mark.parametrize(("mu", "t"), [(0.0, 1.0), (-1.0, 1.0), (2.1, 1.5)])
def test_the_bond_transmits_the_transparency(tau, mu, t):
    scale = hopping_scale(tau, mu, t)
    assert 0 < scale < 1
    assert chain_transmission(scale, mu, t) == pytest.approx(tau, rel=1e-9)  # kwant's lead modes: ~1e-12
    assert transmission(scale, mu, t) == pytest.approx(tau, rel=1e-12)  # rounding


def test_limits_and_arrays():
    assert hopping_scale(1, -1, 1) == 1.0  # exactly: a perfect interface changes no bond
    assert hopping_scale(1e-12, 0, 1) == pytest.approx(0.5e-6, rel=1e-6)  # tau -> 4 x^2 sin^2 k
    taus = np.array([0.1, 0.5, 1.0])
    np.testing.assert_allclose(hopping_scale(taus, -1, 1), [hopping_scale(tau, -1, 1) for tau in taus], rtol=0)


def test_outside_the_band_k_is_pi_over_two_and_recorded():
    assert interface_sine(-3, 1) == interface_sine(2, 1) == 1.0
    assert hopping_scale(0.5, -3, 1) == hopping_scale(0.5, 0, 1) == pytest.approx(np.sqrt(2) - 1, rel=1e-14)
    outside, inside = describe_interface(0.5, -3, 1), describe_interface(0.5, -1, 1)
    assert outside["k"] == np.pi / 2 and "|mu| >= 2 t" in outside["k_choice"]
    assert inside["k"] == pytest.approx(np.pi / 3) and inside["k_choice"] == "2 cos k = -mu/t"
    assert inside["hopping_scale"] == hopping_scale(0.5, -1, 1) and inside["transparency"] == 0.5


@pytest.mark.parametrize("tau", [0, -0.1, 1.0001, np.nan, [0.5, 2.0]])
def test_a_transparency_outside_its_range_is_refused(tau):
    with pytest.raises(ValueError, match=r"transparency must lie in \(0, 1\]"):
        hopping_scale(tau, -1, 1)


def test_a_chain_without_hopping_is_refused():
    with pytest.raises(ValueError, match="t must not be zero"):
        hopping_scale(0.5, -1, 0)
