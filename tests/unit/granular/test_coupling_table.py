"""Coupling tables: a known law is met between and beyond entries, and boxes agree with the whole Nambu space."""

import numpy as np
import pytest

from bdg.condensate.bcs import gap_ratio
from bdg.granular import CouplingTable
from bdg.granular.couplings.cut_box import CutBox
from bdg.granular.couplings.two_grains import GrainMatrices, PairBox, couplings_of, resistance_of

GAPS, TEMPERATURES, CRITICAL = (
    np.array([0.0, 2.0, 5.0, 9.0, 14.0, 20.0]),
    np.array([2.0, 5.0, 9.0, 14.0, 20.0, 30.0]),
    37.0,
)


def law(gap, temperature, transparency=1.0, path=13.0, density=5e24):
    """Delta^2 exp(-gap/xi(T)) with a length that falls with temperature; ln E_J linear in ln tau, 1/l, ln n."""
    length = 11 / (1 + temperature / 12)
    host = transparency**1.5 * np.exp(-2 / path) * (density / 5e24) ** 0.7
    return 8 * gap_ratio(temperature / CRITICAL) ** 2 * np.exp(-np.asarray(gap) / length) * host


def table_of(transparency=1.0, path=13.0, density=5e24, gaps=GAPS, samples=8, scatter=0.2, temperatures=TEMPERATURES):
    boxes = [PairBox(gap_nm=g, transparency=transparency, mean_free_path_nm=path, density_m3=density) for g in gaps]
    exact = np.array([[law(g, t, transparency, path, density) for t in temperatures] for g in gaps])
    steps = np.linspace(-1, 1, samples) if samples > 1 else np.zeros(1)
    factors = 1 + scatter * (steps - steps.mean())
    return CouplingTable.of_boxes(
        boxes, temperatures, exact[:, :, None] * factors, np.full((len(gaps), samples), 1200.0)
    )


def test_entries_are_their_means_with_standard_errors():
    table = table_of()
    found = table.coupling(GAPS, 9.0)
    factors = 1 + 0.2 * np.linspace(-1, 1, 8)
    np.testing.assert_allclose(found.energy_K, law(GAPS, 9.0), rtol=1e-12)
    np.testing.assert_allclose(found.error_K / found.energy_K, factors.std(ddof=1) / np.sqrt(8), rtol=1e-10)
    np.testing.assert_allclose(found.spread, np.log(factors).std(ddof=1), rtol=1e-10)
    np.testing.assert_allclose(found.resistance_ohm, 1200)
    assert not found.extrapolated.any()
    assert isinstance(table.coupling(7.0, 4.2).energy_K, float)


def test_a_single_sample_has_the_error_of_one():
    found = table_of(samples=1).coupling(GAPS, 9.0)
    np.testing.assert_allclose(found.error_K / found.energy_K, 0.3)
    np.testing.assert_allclose(found.spread, 0.3)


def test_between_entries_the_law_is_met_within_the_stated_error():
    table = table_of(scatter=0.02)
    gaps = np.linspace(0, 20, 41)
    for temperature in (2.0, 3.1, 7.0, 11.0, 17.0, 24.0, 29.0):
        found = table.coupling(gaps, temperature)
        exact = law(gaps, temperature)
        assert (abs(found.energy_K - exact) <= 2 * found.error_K).all()
        assert abs(found.energy_K / exact - 1).max() < 0.02


@pytest.mark.parametrize("left_out", [{"gap_nm": 5.0}, {"gap_nm": 14.0}, {"temperature_K": 9.0}])
def test_a_point_left_out_is_met(left_out):
    table = table_of(scatter=0.02)
    at = {"gap_nm": 9.0, "temperature_K": 14.0} | left_out
    found = table.without(**left_out).coupling(**at)
    assert abs(found.energy_K - law(**{"gap": at["gap_nm"], "temperature": at["temperature_K"]})) < 2 * found.error_K


def test_hosts_between_those_of_the_table():
    corners = [table_of(tau, path, density) for tau in (1.0, 0.1) for path in (13.0, 4.0) for density in (5e24, 1e26)]
    table = corners[0].joined(*corners[1:])
    host = {"transparency": 0.4, "mean_free_path_nm": 7.0, "density_m3": 2e25}
    found = table.coupling(GAPS, 9.0, **host)
    np.testing.assert_allclose(found.energy_K, law(GAPS, 9.0, *host.values()), rtol=1e-9)
    assert (found.error_K > 0.2 * found.energy_K).all()  # nobody knows how straight ln E_J is between so far hosts
    with pytest.raises(ValueError, match=r"transparency must be within .* 0.1 to 1"):
        table.coupling(5, 9, transparency=0.05)
    with pytest.raises(ValueError, match="must have entries of the table around them"):
        table_of().joined(table_of(0.1, 4.0)).coupling(5, 9, transparency=0.1)


def test_a_missing_host_is_a_product_of_factors_if_one_asks_for_it():
    table = table_of().joined(table_of(0.1, 4.0), table_of(density=1e26))
    host = {"transparency": 0.1, "mean_free_path_nm": 4.0, "density_m3": 1e26}
    with pytest.raises(ValueError, match="extrapolate=True takes the effects of interface and scattering as factors"):
        table.coupling(5.0, 9.0, **host)
    found = table.coupling(5.0, 9.0, extrapolate=True, **host)
    assert found.energy_K == pytest.approx(law(5.0, 9.0, *host.values()), rel=1e-9) and found.extrapolated
    assert found.error_K > 0.1 * found.energy_K


def test_it_refuses_to_extrapolate_silently():
    table = table_of(gaps=GAPS[1:])
    for gap, temperature in ((25.0, 9.0), (1.0, 9.0), (5.0, 1.0), (5.0, 35.0)):
        with pytest.raises(ValueError, match="extrapolate=True goes beyond"):
            table.coupling(gap, temperature)
        found = table.coupling(gap, temperature, extrapolate=True)
        assert found.extrapolated and found.energy_K > 0
    far = table.coupling(np.array([20.0, 30.0]), 9.0, extrapolate=True)
    np.testing.assert_allclose(far.energy_K, law([20, 30], 9.0), rtol=1e-9)  # an exponential goes on
    assert far.extrapolated.tolist() == [False, True]
    assert table.coupling(5.0, 40.0, extrapolate=True).energy_K == 0
    for bad, match in ((-1, "gap_nm must be finite and >= 0"), (np.nan, "gap_nm must be finite")):
        with pytest.raises(ValueError, match=match):
            table.coupling(bad, 9.0)


def test_resampled_entries_scatter_by_the_standard_error():
    table = table_of()
    means = [table.resampled(seed).coupling(5.0, 9.0).energy_K for seed in range(200)]
    stated = table.coupling(5.0, 9.0)
    # a bootstrap of n samples scatters by sqrt((n - 1)/n) of the standard error; 200 draws know it to 5 %
    assert np.std(means) == pytest.approx(stated.error_K * np.sqrt(7 / 8), rel=0.15)


def test_a_file_holds_it(tmp_path):
    table = table_of()
    table.save(tmp_path / "table.h5")
    again = CouplingTable.load(tmp_path / "table.h5")
    np.testing.assert_array_equal(again.energies_K, table.energies_K)
    assert again.coupling(3.0, 4.0).energy_K == table.coupling(3.0, 4.0).energy_K
    assert table.plot().axes[0].get_ylabel() == "$E_J/k_B$ (K)"


SMALL = {"diameter_nm": 8.0, "spacing_nm": 2.0, "margin_nm": 2.0, "density_m3": 5e24}


def test_boxes_agree_with_the_current_of_the_whole_nambu_space():
    """dF/dphi from the host integrated out, against the same box with all levels (`dense`)."""
    import bdg
    from bdg.lattices.units import KB_MEV_PER_K, temperature_in_t

    box = PairBox(gap_nm=3.0, transparency=0.5, **SMALL)
    system, t = box.sample(3), box.host.t_meV
    for temperature in (19.0,):
        reduced = float(gap_ratio(temperature / box.critical_temperature_K))
        delta = np.where(system.grain >= 0, reduced * box.delta_meV / t * np.where(system.grain == 1, 1j, 1), 0)
        step = 1e-4

        def free_energy(angle, delta=delta, temperature=temperature):
            turned = system.with_delta(delta * np.where(system.grain == 1, np.exp(1j * angle), 1))
            return bdg.free_energy(turned, temperature_in_t(temperature, t), method="dense").value

        slope = (free_energy(step) - free_energy(-step)) / (2 * step)
        (found,) = couplings_of(box, 3, [temperature])
        assert found == pytest.approx(slope * t / KB_MEV_PER_K, rel=1e-4)


def test_a_cut_box_is_the_same_box():
    """Matrices on the planes of a cut against matrices on all sites of the grains; touching grains, too."""
    for gap, transparency in ((0.0, 1.0), (3.0, 0.4)):
        system = PairBox(gap_nm=gap, transparency=transparency, **SMALL).sample(2)
        grains, cut = GrainMatrices(system, "cpu"), CutBox(system, float(system.info["centres"][:, 0].mean()), "cpu")
        for frequency in (0.05, 0.4, 2.0):
            expected = grains.force(1j * frequency, 0.2)
            assert cut.force(1j * frequency, 0.2) == pytest.approx(expected, rel=1e-9, abs=1e-14)
        for eta in (0.3, 2.0):
            assert cut.transmission(eta, 1e-9) == pytest.approx(grains.transmission(eta, 1e-9), rel=1e-5)


@pytest.mark.slow
def test_resistance_of_a_box_is_that_of_its_transmission():
    """Against the Green function of the whole box, whose grains absorb."""
    import scipy.constants

    box = PairBox(gap_nm=3.0, **SMALL)
    system = box.sample(1)
    first, second = (np.flatnonzero(system.grain == g) for g in (0, 1))
    best = 0.0
    for eta in np.geomspace(0.2, 3.2, 60):
        absorbing = system.hamiltonian.toarray() - 1j * eta * np.diag((system.grain >= 0).astype(float))
        green = np.linalg.inv(-absorbing)
        best = max(best, 4 * eta**2 * (abs(green[np.ix_(first, second)]) ** 2).sum())
    exact = scipy.constants.h / (2 * scipy.constants.e**2) / best
    assert resistance_of(box, 1) == pytest.approx(exact, rel=0.03)  # a parabola through five eta


def test_build_makes_what_the_boxes_give():
    table = CouplingTable.build(gaps_nm=[1.0, 3.0], temperatures_K=[6.0, 12.0], samples=2, seed=4, **SMALL)
    box = PairBox(gap_nm=3.0, **SMALL)
    expected = [couplings_of(box, seed, [6.0, 12.0]) for seed in (4, 5)]
    np.testing.assert_array_equal(table.energies_K[2:].T, expected)
    assert (table.energies_K > 0).all()
    for change, match in (
        ({"samples": 1}, "samples must be a whole number >= 2"),
        ({"gaps_nm": [-1.0]}, "gaps_nm must be finite and >= 0"),
        ({"temperatures_K": [40.0]}, "temperatures_K must be below that of the grains, 37 K"),
    ):
        with pytest.raises(ValueError, match=match):
            CouplingTable.build(**({"gaps_nm": [1.0], "temperatures_K": [6.0], "seed": 0} | change), **SMALL)
