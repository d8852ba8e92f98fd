"""R(T) and charging in the chain: bonds of couplings upon those of the host, both routes, words, figure, estimate."""

import types
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
import scipy

import bdg
from bdg.granular import (
    CompositeNetworks,
    Network,
    activated_resistance,
    effective_conductivity,
    josephson_energy,
)
from bdg.granular.couplings.coupling_grid import Coupling
from bdg.granular.dynamics.second_step import HostBonds, resistance_curve, step_temperatures
from bdg.jobs.kinds import chain
from bdg.jobs.kinds.figures import chain as chain_figures
from bdg.jobs.kinds.shared import chain_resistance
from bdg.jobs.model.results import JobResults, PointResult
from bdg.lattices import pack_spheres
from bdg.lattices.units import KB_MEV_PER_K

RUN = Path(__file__).parents[3] / "runs" / "composite_chain.toml"
SYSTEM = {"volume_fraction": 0.16, "b2o3_to_sio2": None, "delta_meV": 2.7, "seed": 0, "diameter_nm": 20.0}
WANTED = {"resistance_points": 9, "resistance_method": "activated", "resistance_bias": 0.1, "resistance_tolerance": 0.3}


@dataclass(frozen=True)
class Decay:
    """Couplings in kelvin that decay with the gap."""

    def coupling(self, gap_nm, temperature_K):
        energy = 20 * np.exp(-gap_nm / 6 - temperature_K / 20)
        zero = np.zeros(energy.shape)
        return Coupling(energy_K=energy, error_K=zero, spread=zero, resistance_ohm=zero + 1500, extrapolated=zero > 0)


@pytest.fixture(scope="module")
def networks():
    return CompositeNetworks.of_grains(
        Decay(), volume_fraction=0.16, diameter_nm=20.0, grains=24, samples=2, cutoff_nm=30.0, seed=0
    )


def test_couplings_and_conductances_share_their_bonds(networks):
    """Stiffness of the couplings and conductivity of the host are what they were apart; no bond is there twice."""
    coupled, packing = networks.at(5.0)[1], networks.packings[1]
    bonds = HostBonds.of(packing, 3e-4, coupled)
    both = bonds.coupled(coupled.couplings)
    np.testing.assert_allclose(both.relaxed_stiffness(), coupled.relaxed_stiffness(), rtol=1e-9)
    conductivity = [effective_conductivity(bonds.network.with_couplings(bonds.conductances), axis) for axis in range(3)]
    np.testing.assert_allclose(conductivity, 1e-9 / 3e-4, rtol=1e-4)  # nanometres; bonds without a face add 1e-6 each
    lengths = np.linalg.norm(both.displacements, axis=1)
    keys = np.round(np.column_stack([both.pairs, both.displacements, lengths]), 6)
    assert len(np.unique(keys, axis=0)) == len(keys) < len(coupled.pairs) + len(Network.voronoi(packing).pairs)
    assert (bonds.conductances > 0).all()


def test_short_junctions_are_those_of_ambegaokar_and_baratoff():
    packing = pack_spheres((70.0,) * 3, volume_fraction=0.1, diameter=20, seed=0)
    bonds = HostBonds.of(packing, 3e-4)
    found = bonds.short_junctions(10.0, 2.7, 37.0)
    gap = 2.7 * float(bdg.granular.bcs_gap_ratio(10 / 37))
    expected = [josephson_energy(1 / g, gap, 10.0) / KB_MEV_PER_K for g in bonds.conductances[:5]]
    np.testing.assert_allclose(found.couplings[:5], expected, rtol=1e-12)


@pytest.mark.parametrize(("locking", "top"), [(4.0, 12.0), (18.0, 0.97 * 37), (36.5, 36.5 * 1.001)])
def test_temperatures_go_from_below_the_locking_to_the_grains(locking, top):
    found = step_temperatures(locking, 37.0, 12)
    assert found.size == 12 and (np.diff(found) > 0).all()
    assert found[0] == pytest.approx(0.8 * locking) and found[-1] == pytest.approx(top)
    assert (found <= locking).sum() == 4


def test_both_methods_give_the_ratio():
    """Hot junctions: R/R_N = 1 by either; below the locking single bonds are put to 0."""
    cubic, hot = Network.cubic(2), np.array([1.0, 40.0])
    ratio, error = resistance_curve(lambda t: cubic, hot, np.ones(24), "activated", locking_K=2.2)
    assert ratio[0] == 0 and ratio[1] == activated_resistance(cubic, 40.0) and not error.any()
    moving, spread = resistance_curve(
        lambda t: cubic, hot[1:], np.ones(24), "langevin", locking_K=2.2, bias=2.0, tol=0.1
    )
    assert abs(moving[0] - 1) < 0.02 + 4 * spread[0] and spread[0] <= 0.1


def at_rest(networks, *, tol, between, seed):
    """Where 2.2 times the stiffness at rest per distance is the temperature: of narrow couplings, within a tenth."""
    found = scipy.optimize.brentq(
        lambda t: 2.2 * networks(t)[0].relaxed_stiffness().mean() * (networks(t)[0].volume / 24) ** (1 / 3) - t,
        *between,
    )
    assert len(networks(found)) == 2
    return types.SimpleNamespace(temperature=found)


@pytest.fixture(scope="module")
def point(networks):
    hosts = chain_resistance.resistive(networks, 0.03)
    observables = chain_resistance.charged(hosts, 20.0, "")
    observables |= chain_resistance.charged(chain_resistance.resistive(networks, 5.0), 20.0, "other_")
    with pytest.MonkeyPatch.context() as patch:  # Monte Carlo of seconds: `row 10` has it
        patch.setattr(chain_resistance, "locking_temperature", at_rest)
        observables |= chain_resistance.second_steps(networks, hosts, SYSTEM, WANTED, 5.0, 37.0)
    values = {name: item.value for name, item in observables.items()}
    values |= {"other_short_junctions_K": 0.16, "volume_fraction": np.float64(0.16), "locking_K": np.float64(5.0)}
    parameters = {"system": {**SYSTEM, "other_resistivity_ohm_cm": 5.0}, "compute": WANTED}
    return PointResult("digest", "one", parameters, values, {}, {}, {})


def test_charging_gives_a_verdict_or_none(point):
    """g_tot scales as 1/rho: 166 times less at 5 ohm cm, where it forbids every verdict."""
    assert point["charging_coherent"] == 1 and point["other_charging_coherent"] == 0
    assert point["charging_g"] / point["other_charging_g"] == pytest.approx(5 / 0.03, rel=1e-9)
    assert 3 < point["charging_g"] < 6
    text = "\n".join(chain_resistance.resistive_lines(point.observables, point.parameters["system"]))
    assert "phases may be coherent" in text
    assert "at 5 ohm cm, where 24 K were measured: T_c2 from the resistivity 0.16 K" in text
    assert text.endswith("verdict: none given")
    assert "T_c2 from R(T), short junctions" in text


def test_both_routes_have_a_second_step_at_their_locking(point):
    """Single bonds jump at the locking, and straight parts of R(T) cross there if they leave a plateau."""
    for route, locked in (("bdg", 5.0), ("ab", float(point["ab_locking_K"]))):
        temperatures, ratio = point[f"{route}_resistance_temperatures_K"], point[f"{route}_resistance"]
        assert (ratio[temperatures <= locked] == 0).all() and (np.diff(ratio) >= 0).all()
        at, error, width = point[f"{route}_step_K"]
        assert width > 0 and 0 < error < 3
        assert route == "bdg" or at == pytest.approx(locked, abs=error)
    assert 10 < point["ab_locking_K"] < 20
    assert point["critical_drop"] == pytest.approx(3 * 0.16 / (1 + 2 * 0.16), rel=1e-12)


def test_the_figure_shows_both_routes(point, tmp_path):
    figure = chain_figures._resistance([point])
    assert [ax.get_title() for ax in figure.axes] == ["BdG couplings", "short junctions (AB)"]
    assert all(len(ax.lines) >= 3 for ax in figure.axes)
    assert chain_resistance.resistive_lines(
        {"charging_g": 0.03, "charging_coherent": 0}, {"other_resistivity_ohm_cm": 0.0}
    ) == ["  charging                    g = 0.03, verdict: none given"]
    assert JobResults("chain", "job", "", (point,))


def test_the_estimate_counts_what_a_chain_does(monkeypatch):
    monkeypatch.setenv("BDG_THREADS", "2")  # cores that workers share
    found = bdg.estimate(RUN)
    assert found.steps == ["locking_temperature", "stiffness", "redrawings and scan", "R(T)"]
    assert found.points == 3 and (found.step_seconds > 0).all()
    assert found.processor_seconds == pytest.approx(found.step_seconds.sum())
    assert "Monte Carlo" not in found.refused and "counted" in found.evidence.method
    two = bdg.estimate(RUN, workers=2)
    assert found.processor_seconds / 2 <= two.seconds < found.seconds
    less = bdg.estimate(RUN, overrides=["scan_points=0", "redrawings=0", "resistance_points=0"])
    assert less.processor_seconds < 0.2 * found.processor_seconds
    assert less.step_seconds[3] == 0
    assert chain.KIND.steps is None
