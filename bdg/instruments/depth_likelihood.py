r"""The likelihood of depth and height given an image, with positions of the vortices and the background free.

For white noise of a standard deviation sigma, ``-2 ln L = |P (d - m(lambda, z))|^2/sigma^2``: P takes out what the
background (a polynomial of the position) and small steps of the positions explain, around the best positions. m is a
sum of spots at the nodes of a `SpotFamily`, so that the whole plane of depth and height follows from one symmetric
matrix of the nodes.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from bdg.instruments.spot_family import SpotFamily

_BLOCK = 20_000  # pixels at a time
_MOST_STEPS, _HALVINGS = 40, 8
_SETTLED = 1e-5  # step over radius and height
_FLAT = 1e-3  # singular value over the largest below which the image does not feel a step: of far vortices


@dataclass(frozen=True)
class Pixels:
    """What is fitted: values (P,) in uT at places (P, 2) in um, and the order of the polynomial background."""

    values: np.ndarray
    places: np.ndarray
    order: int

    def background(self) -> np.ndarray:
        """Return the columns (P, B) of the background."""
        x, y = (self.places - self.places.mean(axis=0)).T / max(1e-300, float(np.ptp(self.places)))
        powers = [(i, n - i) for n in range(self.order + 1) for i in range(n + 1)]
        return np.stack([x**i * y**j for i, j in powers], axis=1)

    def distances(self, vortices: np.ndarray) -> np.ndarray:
        """Return the distances (P, V) of all pixels from vortices (V, 2)."""
        steps = self.places[:, None] - vortices
        return np.hypot(steps[..., 0], steps[..., 1])


@dataclass(frozen=True)
class NodeForm:
    """``|P (d - m)|^2`` as a quadratic form: ``rest - 2 linear w + w square w`` for weights w of the nodes."""

    rest: float
    linear: np.ndarray
    square: np.ndarray
    family: SpotFamily

    def misfit(self, depths: np.ndarray, heights: np.ndarray) -> np.ndarray:
        """Return the sum of squares (Z, L) in uT^2 at depths (Z, L) and heights (Z,)."""
        across = self.family.heights.cardinal(heights)
        count = across.shape[1]
        along = self.family.depths.cardinal(depths)
        linear = across @ self.linear.reshape(-1, count).T
        square = np.einsum("injm,zn,zm->zij", self.square.reshape(along.shape[-1], count, -1, count), across, across)
        both = np.einsum("zli,zij,zlj->zl", along, square, along, optimize=True)
        return self.rest - 2 * np.einsum("zli,zi->zl", along, linear) + both


def free_columns(pixels: Pixels, family: SpotFamily, vortices: np.ndarray, depth: float, height: float) -> np.ndarray:
    """Return the columns (P, 2V + B) of steps of the positions, x and y of each, and of the background."""
    distances, spot = pixels.distances(vortices), family.spot(depth, height)
    slopes = -family.slope(spot, distances) / np.maximum(distances, 1e-12)
    steps = (pixels.places[:, None] - vortices) * slopes[..., None]
    return np.concatenate([steps.reshape(len(steps), -1), pixels.background()], axis=1)


def node_form(pixels: Pixels, family: SpotFamily, vortices: np.ndarray, columns: np.ndarray) -> NodeForm:
    """Return the form of an image, with the space of ``columns`` (P, F) taken out."""
    free, _ = np.linalg.qr(columns)
    of_data = free.T @ pixels.values
    nodes = family.splines.c.shape[2]
    linear, square, taken = np.zeros(nodes), np.zeros((nodes, nodes)), np.zeros((free.shape[1], nodes))
    for start in range(0, len(pixels.values), _BLOCK):
        part = slice(start, start + _BLOCK)
        images = family.at_nodes(pixels.distances(vortices)[part])
        linear += images.T @ pixels.values[part]
        square += images.T @ images
        taken += free[part].T @ images
    rest = float(pixels.values @ pixels.values - of_data @ of_data)
    return NodeForm(rest, linear - taken.T @ of_data, square - taken.T @ taken, family)


def settled_positions(
    pixels: Pixels, family: SpotFamily, vortices: np.ndarray, depth: float, height: float
) -> tuple[np.ndarray, float]:
    """Return the positions that fit best at a depth and height, and the length of the last step in um."""
    smooth, _ = np.linalg.qr(pixels.background())
    spot, longest = family.spot(depth, height), family.table.edge + height

    def leftover(places: np.ndarray) -> np.ndarray:
        rest = pixels.values - spot(family.table.coordinate(pixels.distances(places))).sum(axis=1)
        return rest - smooth @ (smooth.T @ rest)

    rest, step = leftover(vortices), np.inf
    for _ in range(_MOST_STEPS):
        columns = free_columns(pixels, family, vortices, depth, height)[:, : vortices.size]
        columns -= smooth @ (smooth.T @ columns)
        found, *_ = np.linalg.lstsq(columns, rest, rcond=_FLAT)
        wanted = np.clip(found.reshape(vortices.shape), -longest, longest)
        for share in 0.5 ** np.arange(_HALVINGS):
            tried = leftover(vortices + share * wanted)
            if tried @ tried <= rest @ rest:
                break
        else:
            return vortices, 0.0  # no step along the slope is downhill: rounding
        vortices, rest, step = vortices + share * wanted, tried, float(abs(share * wanted).max())
        if step < _SETTLED * longest:
            break
    return vortices, step
