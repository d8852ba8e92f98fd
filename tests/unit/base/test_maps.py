"""Maps of sites and bonds: cells from the lattice, arrows that stay apart, labels inside of the figure, no warnings."""

import numpy as np
import pytest

from bdg.plots.decay import plot_decay
from bdg.plots.maps import ARROWS, cell_of, plot_bond_currents, plot_local_densities, plot_site_map


def grid(*shape):
    return np.stack(np.meshgrid(*map(np.arange, shape), indexing="ij"), axis=-1).reshape(-1, len(shape)).astype(float)


def honeycomb(n):
    cells = grid(n, n) @ [[1.0, 0.0], [0.5, np.sqrt(0.75)]]
    return np.concatenate([cells, cells + [0.0, 1 / np.sqrt(3)]])


def labels_inside(figure):
    """Draw, and return whether all labels of axes and colour bars lie inside of the figure."""
    figure.draw_without_rendering()
    whole = figure.bbox
    texts = [
        text for axes in figure.axes for text in (axes.xaxis.label, axes.yaxis.label, axes.title) if text.get_text()
    ]
    boxes = [text.get_window_extent() for text in texts]
    return all(box.x0 > -1 and box.y0 > -1 and box.x1 < whole.x1 + 1 and box.y1 < whole.y1 + 1 for box in boxes)


def test_cells_are_those_of_the_lattice():
    np.testing.assert_allclose(np.ptp(cell_of(grid(5, 4) * [0.5, 0.5]), axis=0), 0.5)
    np.testing.assert_allclose(np.ptp(cell_of(grid(5, 4) * [1.0, 0.25]), axis=0), [1.0, 0.25])
    corners = cell_of(honeycomb(4))
    np.testing.assert_allclose(np.linalg.norm(corners, axis=1), 0.5 / np.sqrt(3))  # circles that touch
    np.testing.assert_allclose(np.ptp(cell_of(np.zeros((1, 2))), axis=0), 1.0)
    np.testing.assert_allclose(np.ptp(cell_of(grid(7, 1) * 2), axis=0), 2.0)


@pytest.mark.parametrize("place", [grid(60, 1), grid(60, 2), grid(8, 8), honeycomb(6), grid(4, 5, 6), grid(1, 1)])
def test_maps_hold_their_labels(place):
    values = np.linspace(0, 1, len(place))
    assert labels_inside(plot_site_map(place, values, r"$|\Delta|$"))
    assert labels_inside(plot_local_densities(np.zeros(1), values[None], np.arange(len(place)), place))


def test_zeros_have_a_title_and_no_scale():
    figure = plot_site_map(grid(4, 4), np.zeros(16), r"$|\Delta|$", note="normal")
    assert len(figure.axes) == 1 and figure.axes[0].get_title() == "normal"
    assert len(plot_site_map(grid(4, 4), np.ones(16), r"$|\Delta|$").axes) == 2


@pytest.mark.parametrize("shape", [(5, 3), (40, 30), (120, 4)])
def test_arrows_stay_apart_and_have_a_key(shape):
    place = grid(*shape)
    field = np.ones((len(place), 1)) * [1.0, 0.5]
    figure = plot_bond_currents(place, np.zeros((0, 2), int), np.zeros(0), field, np.where(place[:, 0] < 2, 0, -1))
    assert labels_inside(figure)
    (arrows,) = (artist for artist in figure.axes[0].collections if hasattr(artist, "U"))
    assert 0 < arrows.N <= ARROWS**2 and arrows.N <= len(place)
    # the longest is scale times shorter than its value: below the distance of two arrows
    at = np.unique(np.round(arrows.X, 9))
    assert np.hypot(1.0, 0.5) / arrows.scale <= np.diff(at).min() + 1e-9
    (key,) = (artist for artist in figure.axes[0].get_children() if type(artist).__name__ == "QuiverKey")
    assert key.text.get_text() == "1.1"
    silent = plot_bond_currents(place, np.zeros((0, 2), int), np.zeros(0), 0 * field, np.full(len(place), -1))
    assert labels_inside(silent)


def test_a_length_without_end_has_no_line():
    x = np.arange(1.0, 6)
    figure = plot_decay(x, 0.1 * x, 0.01 * x, np.full(5, np.nan), "exponential, flat: no decay")
    assert "no decay" in [text.get_text() for text in figure.axes[0].get_legend().get_texts()][0]
    assert labels_inside(figure)
    assert labels_inside(plot_decay(x, 0 * x, 0 * x, np.full(5, np.nan), "normal, F = 0"))
