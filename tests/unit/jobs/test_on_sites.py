"""Means over seeds are of what is the same thing in every sample: not of amplitudes on planes that differ."""

import numpy as np
import pytest

from bdg.jobs.model.ensembles import ensembles_of
from bdg.jobs.model.on_sites import of_other_sites, positions_in, site_axis
from bdg.jobs.model.tables import Record

GRID = np.argwhere(np.ones((2, 2, 2)))
WORDS = {
    "positions_nm": "all sites (N, 3)",
    "pair_amplitude": "pair amplitude F on all sites (N,)",
    "site_grain": "grain of each site, -1 in the host (N,)",
    "centres_nm": "centres of the grains (G, 3)",
    "diameters_nm": "diameters of the grains (G,)",
    "slice_positions_nm": "sites of the slice (S, 3)",
    "map_density": "on the sites of the slice (K, S)",
    "host_ratio": "mean of the host sites of the slice (K,)",
}


def sample(seed, axis=0, shift=0.0):
    """A sample whose plane is perpendicular to ``axis``; its grains lie at the seed's own places."""
    plane = GRID[GRID[:, axis] == 0] + shift
    values = {
        "positions_nm": GRID, "pair_amplitude": np.full(8, 1j * seed), "site_grain": np.arange(8) == seed,
        "centres_nm": GRID[:2] + 0.1 * seed, "diameters_nm": np.array([1.0, 2.0]) + seed, "grains": 2,
        "slice_axis": axis, "slice_position_nm": shift, "slice_positions_nm": plane, "slice_amplitude": np.arange(4.0),
        "map_density": np.ones((3, 4)), "host_ratio": np.array([1.0, 2.0, 3.0 + seed]), "length_nm": 5.0 + seed,
        "sample_sites": np.array([1, 2 + seed]), "sample_amplitude": np.ones(2), "complete": True,
    }  # fmt: skip
    values["site_grain"] = values["site_grain"].astype(int)
    return Record({"system": {"seed": seed}}, {name: np.asarray(v) for name, v in values.items()}, {}, WORDS)


OF_ITS_OWN = {"site_grain", "centres_nm", "diameters_nm", "sample_sites", "sample_amplitude"}
ON_THE_PLANE = {"slice_axis", "slice_position_nm", "slice_positions_nm", "slice_amplitude", "map_density"}


@pytest.mark.parametrize(
    ("samples", "left_out"),
    [
        ([sample(0), sample(1)], OF_ITS_OWN),
        ([sample(0), sample(1, axis=2)], OF_ITS_OWN | ON_THE_PLANE),
        ([sample(0), sample(1, shift=0.5)], OF_ITS_OWN | ON_THE_PLANE),
        ([sample(0), sample(0)], set()),
    ],
    ids=["packing", "axis", "height", "equal"],
)
def test_what_stands_on_other_sites_has_no_mean(samples, left_out):
    assert of_other_sites(samples) == left_out


def test_ensembles_hold_the_rest():
    """A mean plane between two planes would be a number that nothing has."""
    (ensemble,) = ensembles_of([sample(seed, axis=2 * (seed > 0)) for seed in range(3)])
    assert not set(ensemble.mean) & (OF_ITS_OWN | ON_THE_PLANE)
    assert ensemble.mean["length_nm"] == 6 and ensemble.mean["pair_amplitude"][0] == 1j and ensemble.mean["grains"] == 2
    np.testing.assert_allclose(ensemble.mean["host_ratio"], [1, 2, 4])


def test_positions_and_what_belongs_to_them():
    record = sample(0)
    assert positions_in(record) == {"positions_nm": "", "centres_nm": "centres", "slice_positions_nm": "slice"}
    axes = {name: site_axis(record, "slice_positions_nm", "slice", name) for name in record.values}
    assert {name: axis for name, axis in axes.items() if axis is not None} == {"slice_amplitude": 0, "map_density": 1}
