"""The mean gap ratio against exact values, and how pairs, degeneracies and windows are handled."""

import numpy as np
import pytest

import bdg
from bdg.lattices import Layer
from bdg.levels.level_statistics import GOE, GUE, POISSON, ratio_density


def ensemble(seed, n, samples, unitary):
    rng = np.random.default_rng(seed)
    for _ in range(samples):
        a = rng.standard_normal((n, n)) + (1j * rng.standard_normal((n, n)) if unitary else 0)
        yield np.linalg.eigvalsh(a + a.conj().T)[n // 4 : -n // 4] + 10 * n  # the middle, at E > 0


def test_uncorrelated_levels():
    rng = np.random.default_rng(1)
    found = bdg.level_statistics([np.cumsum(rng.exponential(size=400)) for _ in range(40)])
    assert abs(found.ratio - POISSON) < 4 * found.error and found.error < 3e-3
    assert found.nearest == "poisson" and found.samples == 40 and found.levels == 16000


@pytest.mark.parametrize(("unitary", "expected", "name"), [(False, GOE, "goe"), (True, GUE, "gue")])
def test_gaussian_ensembles(unitary, expected, name):
    found = bdg.level_statistics(list(ensemble(2, 120, 60, unitary)))
    assert abs(found.ratio - expected) < 4 * found.error and found.error < 6e-3
    assert found.nearest == name


def test_the_stated_error_is_the_scatter():
    """Means of 200 independent spectra scatter by the error that each states (20 %: 200 values tell it to 5 %)."""
    results = [bdg.level_statistics(levels) for levels in ensemble(3, 60, 200, False)]
    scatter = np.std([r.ratio for r in results])
    assert np.sqrt(np.mean([r.error**2 for r in results])) == pytest.approx(scatter, rel=0.2)


def test_pairs_degeneracies_and_zeros_do_not_count():
    levels = np.array([1.0, 2.0, 4.0, 5.0])
    expected = [0.5, 0.5]
    for energies in (
        levels,
        -levels,
        np.concatenate([-levels, levels]),
        np.concatenate([[0.0, 0.0], -levels, levels]),
        np.repeat(levels, 2) + 1e-13 * np.arange(8),
    ):
        found = bdg.level_statistics(energies)
        np.testing.assert_allclose(found.ratios, expected, rtol=1e-10)
    assert found.evidence.merged_levels == 4
    np.testing.assert_allclose(bdg.level_statistics(levels, degeneracy=0.0).ratios, expected)


def test_a_window_is_of_absolute_energies():
    energies = np.array([-5.0, -4, -2, -1, 1, 2, 4, 5, 9])
    np.testing.assert_allclose(bdg.level_statistics(energies, window=(1.5, 9.5)).ratios, [0.5, 0.25])
    with pytest.raises(ValueError, match="fewer than three different levels"):
        bdg.level_statistics(energies, window=(0, 1.5))
    with pytest.raises(ValueError, match="0 <= a < b"):
        bdg.level_statistics(energies, window=(-1, 1))
    with pytest.raises(ValueError, match="pair"):
        bdg.level_statistics(energies, window=3)


def test_states_of_a_disordered_metal_repel_each_other():
    """Real h without pairing on a cube at W = 4 is metallic: orthogonal statistics; W = 60 localises: Poisson."""
    means = {}
    for width in (4.0, 60.0):
        samples = []
        for seed in range(6):
            system = bdg.lattices.stack([Layer(6, disorder=width)], (6, 6), seed=seed)
            energies = np.linalg.eigvalsh(system.hamiltonian.toarray())
            samples.append(energies[60:150] + 100)
        means[width] = bdg.level_statistics(samples)
    assert means[4.0].nearest == "goe" and means[60.0].nearest == "poisson"


def test_it_takes_bound_states_and_says_whether_they_are_complete():
    system = bdg.lattices.grain_composite((8, 8), 1, volume_fraction=0.2, diameter=3, disorder=1.0, seed=2)
    states = bdg.bound_states(system, 40)
    found = bdg.level_statistics([states, states])
    assert found.samples == 2 and found.levels == 40
    assert found.evidence.levels_complete == "proven for all samples"
    assert "not proven" in bdg.level_statistics(states.energies).evidence.levels_complete


def test_the_curves_are_normalised_and_have_the_means_of_the_surmise():
    r = np.linspace(0, 1, 20001)
    means = {"poisson": POISSON, "goe": 4 - 2 * np.sqrt(3), "gue": 2 * np.sqrt(3) / np.pi - 0.5}
    for name, mean in means.items():
        density = ratio_density(r, name)
        assert np.trapezoid(density, r) == pytest.approx(1, abs=1e-7)
        assert np.trapezoid(r * density, r) == pytest.approx(mean, abs=1e-7)


def test_save_load_plot(tmp_path):
    found = bdg.level_statistics(np.cumsum(np.random.default_rng(0).exponential(size=50)))
    found.save(tmp_path / "ratios.h5")
    again = bdg.load(tmp_path / "ratios.h5")
    assert (again.ratio, again.nearest, again.references["goe"]) == (found.ratio, found.nearest, GOE)
    assert "GOE: 0.5307" in [text.get_text() for text in again.plot().axes[0].get_legend().get_texts()]
    with pytest.raises(ValueError, match="finite energies"):
        bdg.level_statistics([np.array([1.0, np.nan])])


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        ({"states": "abc"}, TypeError, "states must be results of bound_states or lists of finite energies; got 'abc'"),
        ({"states": 5}, TypeError, r"lists of finite energies; got 5 \(int\)"),
        ({"states": None}, TypeError, r"lists of finite energies; got None \(NoneType\)"),
        ({"states": []}, ValueError, "lists of finite energies; got none"),
        ({"states": ["abc"]}, TypeError, "lists of finite energies; got 'abc'"),
        ({"states": [[1.0, 2.0, "c"]]}, TypeError, "lists of finite energies"),
        ({"states": [[1.0, 2j]]}, TypeError, "lists of finite energies"),
        ({"states": [[1.0, [2.0, 3.0]]]}, TypeError, "states must be numbers in lists of equal length"),
        ({"states": [1.0, 2.0, np.nan]}, ValueError, "lists of finite energies"),
        ({"degeneracy": "wide"}, TypeError, "degeneracy must be a real number"),
        ({"degeneracy": -1.0}, ValueError, "degeneracy must be"),
    ],
)
def test_argument_errors(arguments, error, message):
    with pytest.raises(error, match=message):
        bdg.level_statistics(**{"states": [1.0, 2.0, 3.5], **arguments})


def test_one_high_level_does_not_merge_the_others():
    """Spacings of 1e-3 to 1e-2 beside a hard wall at 1e9: 1e-9 of the largest |E| was a width of 1."""
    levels = np.cumsum(np.random.default_rng(0).uniform(1e-3, 1e-2, 60))
    alone = bdg.level_statistics(levels)
    found = bdg.level_statistics(np.concatenate([levels, [1e9, 2e9, 5e9]]), window=(0, 1))
    assert (found.levels, found.ratio) == (60, alone.ratio)
    doubled = bdg.level_statistics(np.concatenate([levels, levels * (1 + 1e-13), [1e9]]), window=(0, 1))
    assert doubled.levels == 60 and doubled.ratio == pytest.approx(alone.ratio, rel=1e-9)


@pytest.mark.parametrize("scale", [1e-12, 1e-6, 1e6])
def test_the_unit_of_energy_does_not_matter(scale):
    """Levels of 1e-13 were all at zero; exact zeros (with rounding) stay left out."""
    levels = np.cumsum(np.random.default_rng(1).uniform(0.1, 1, 40))
    alone = bdg.level_statistics(levels)
    found = bdg.level_statistics(scale * np.concatenate([levels, [1e-16, -3e-17, 0.0]]))
    assert found.levels == 40
    assert found.ratio == pytest.approx(alone.ratio, rel=1e-9)
