"""Samples of a composite: how its cut-off is judged, its stiffness, the gaps that carry it."""

import warnings
from dataclasses import dataclass

import numpy as np
import pytest

import bdg
from bdg.granular import CompositeNetworks, locking_temperature
from bdg.granular.couplings.coupling_grid import Coupling


@dataclass(frozen=True)
class Decay:
    """Couplings in kelvin that decay with the gap."""

    length_nm: float = 8.0
    energy_kelvin: float = 10.0

    def coupling(self, gap_nm, temperature_K):
        energy = self.energy_kelvin * np.exp(-gap_nm / self.length_nm)
        zero = np.zeros(energy.shape)
        return Coupling(energy_K=energy, error_K=zero, spread=zero, resistance_ohm=zero + 1500, extrapolated=zero > 0)


def composite(cutoff_nm, table=Decay(), grains=40, samples=2):
    return CompositeNetworks.of_grains(
        table, volume_fraction=0.06, diameter_nm=20.0, grains=grains, samples=samples, cutoff_nm=cutoff_nm, seed=0
    )


def test_a_cut_off_that_is_too_short_is_told_and_never_silently_0():
    networks = composite(8.0)
    with pytest.warns(bdg.AccuracyWarning, match="cutoff_nm = 8 is too short: only 0 of 2 networks percolate"):
        networks.at(4.0)
    with pytest.warns(bdg.AccuracyWarning, match="locking_temperature: 2 of 2 networks of L = .* do not percolate"):
        assert locking_temperature(networks.at).temperature == 0


def test_a_cut_off_whose_last_gaps_carry_the_stiffness_is_told_once():
    networks = composite(28.0, Decay(100.0))
    with pytest.warns(bdg.AccuracyWarning, match="gaps above 25.2 nm carry .* of the stiffness at 4 K"):
        networks.at(4.0)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        networks.at(3.0)
        composite(40.0, Decay(5.0)).at(4.0)


def test_the_share_of_long_bonds_is_that_of_the_stiffness():
    """All of it from gaps above 0, none above the cut-off; between, the bonds' part of Y at rest."""
    networks = composite(40.0, Decay(5.0))
    assert networks.share_of_long_bonds(4.0, -1e-9) == pytest.approx(1)
    assert networks.share_of_long_bonds(4.0, 40.0) == 0
    expected = []
    for network in networks.at(4.0):
        gaps = np.linalg.norm(network.displacements, axis=1) - 20
        parts = network.couplings[:, None] * network.relaxed_displacements**2 / network.volume
        expected.append(parts[gaps > 10].sum() / network.relaxed_stiffness().sum())
    assert networks.share_of_long_bonds(4.0, 10.0) == pytest.approx(np.mean(expected), rel=1e-12)


def test_the_stiffness_of_cold_phases_is_that_at_rest():
    """Far below the couplings Y a is that of relaxed phases, in kelvin, less T times a number of order one."""
    networks = composite(40.0, Decay(8.0, 1000.0), grains=27)
    value, error, relaxed = networks.stiffness(0.1, samples=100)
    at_rest = np.mean([network.relaxed_stiffness().mean() for network in networks.at(0.1)])
    assert networks.spacing_nm == pytest.approx(20 * (np.pi / (6 * 0.06)) ** (1 / 3), rel=1e-12)
    assert relaxed == pytest.approx(at_rest * networks.spacing_nm, rel=1e-12)
    assert value == pytest.approx(relaxed, rel=0.02) and value < relaxed
    scatter = abs(np.diff([network.relaxed_stiffness().mean() for network in networks.at(0.1)]))[0] / 2
    assert error == pytest.approx(scatter * networks.spacing_nm, rel=0.2)
