r"""Fractal aggregates of equal spheres in contact, with a radius of gyration that is laid down.

.. math:: n = k \left(\frac{R_g}{a}\right)^D, \qquad
          R_g^2 = \frac1n \sum_i (r_i - \bar r)^2 + \frac35 a^2

Two aggregates of n_1 and n_2 spheres are joined at the distance of their centres of mass

.. math:: \Gamma^2 = \frac{n}{n_1 n_2} \left(n R_g^2 - n_1 R_1^2 - n_2 R_2^2\right), \qquad n = n_1 + n_2,

which gives the sum the wanted R_g, in a random orientation in which one sphere of each touches (tunable cluster-cluster
aggregation). All aggregates of one size are made at once, from halves that are made likewise.

References
----------
A. V. Filippov, M. Zurita, D. E. Rosner, J. Colloid Interface Sci. 229, 261 (2000).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

_TRIALS, _ROUNDS = 64, 40  # orientations of a pair that are tried at once, and how often, before it gets other halves
_RESTARTS = 8  # times that halves are made anew
_NUMBERS = 3_000_000  # distances that are held at once
_CLOSE = 1e-9  # relative: touching spheres are that far apart, so that rounding makes no overlap


@dataclass(frozen=True)
class Scaling:
    """The law of the radius of gyration, in units of the radius a of the spheres."""

    dimension: float
    prefactor: float

    def gyration_squared(self, n: int) -> float:
        """Return (R_g/a)^2; 3/5 for a single sphere, 8/5 for two that touch."""
        return {1: 0.6, 2: 1.6}.get(n, (n / self.prefactor) ** (2 / self.dimension))

    def separation(self, first: int, second: int) -> float:
        """Return Gamma/a of two aggregates; 0 if the law wants them closer than that."""
        n = first + second
        moment = [m * self.gyration_squared(m) for m in (n, first, second)]
        return float(np.sqrt(max(n / (first * second) * (moment[0] - moment[1] - moment[2]), 0.0)))


class AggregationError(ValueError):
    """Aggregates of this law were not found."""


def aggregates(number: int, spheres: int, scaling: Scaling, rng: np.random.Generator) -> np.ndarray:
    """Return aggregates (number, spheres, 3) of spheres of radius 1 in contact, about their centres of mass.

    Raises
    ------
    AggregationError
        If two parts of the wanted distance find no orientation without overlap.
    """
    if spheres == 1:
        return np.zeros((number, 1, 3))
    halves = spheres // 2, spheres - spheres // 2
    distance = scaling.separation(*halves) if spheres > 2 else 2 * (1 + _CLOSE)
    joined = np.full((number, spheres, 3), np.nan)
    waiting = np.arange(number)
    for _ in range(_RESTARTS):
        first, second = (aggregates(waiting.size, half, scaling, rng) for half in halves)
        if spheres == 2:
            second = second + distance * random_rotations(number, rng)[:, :1]
            found = np.ones(number, dtype=bool)
        else:
            second, found = _attached(first, second, distance, rng)
        joined[waiting[found]] = np.concatenate([first[found], second[found]], axis=1)
        waiting = waiting[~found]
        if not waiting.size:
            return joined - joined.mean(axis=1, keepdims=True)
    raise AggregationError(
        f"aggregates of {spheres} spheres at a distance of {distance:.3g} radii between the centres of mass of "
        f"{halves[0]} and {halves[1]} were not found"
    )


def _attached(
    first: np.ndarray, second: np.ndarray, distance: float, rng: np.random.Generator
) -> tuple[np.ndarray, np.ndarray]:
    """Return the second aggregates turned and moved such that they touch the first ones, and which were (number,)."""
    moved, found = second.copy(), np.zeros(len(first), dtype=bool)
    at_once = max(1, _NUMBERS // (_TRIALS * first.shape[1] * second.shape[1]))
    for _ in range(_ROUNDS):
        waiting = np.flatnonzero(~found)
        for chosen in (waiting[start : start + at_once] for start in range(0, waiting.size, at_once)):
            placed, fits = _tried(first[chosen], second[chosen], distance, rng)
            moved[chosen[fits]] = placed[fits]
            found[chosen[fits]] = True
    return moved, found


def _tried(
    first: np.ndarray, second: np.ndarray, distance: float, rng: np.random.Generator
) -> tuple[np.ndarray, np.ndarray]:
    """Return the first orientation without overlap of each pair out of `_TRIALS`, and whether there is one.

    A sphere i of the first one and a sphere j of the second one touch: j lies on the circle in which the sphere around
    i with the distance of contact meets the sphere around the second centre of mass with the radius of j.
    """
    pairs, contact = len(first), 2 * (1 + _CLOSE)
    owner = np.repeat(np.arange(pairs), _TRIALS)
    axes = random_rotations(owner.size, rng)
    centre = distance * axes[:, 0]  # of mass of the second one
    i, j = (rng.integers(0, each.shape[1], owner.size) for each in (first, second))
    to_touch, radius = first[owner, i] - centre, np.linalg.norm(second[owner, j], axis=1)
    away = np.linalg.norm(to_touch, axis=1)
    with np.errstate(divide="ignore", invalid="ignore"):
        cosine = (radius**2 + away**2 - contact**2) / (2 * radius * away)
    possible = np.flatnonzero(abs(cosine) <= 1)
    owner, j, cosine = owner[possible], j[possible], cosine[possible, None]
    target = _frames(to_touch[possible], rng)  # rows: unit vector towards i, and two across
    place = cosine * target[:, 0] + np.sqrt(1 - cosine**2) * target[:, 1]
    turn = np.swapaxes(_frames(place, rng), 1, 2) @ _frames(second[owner, j], rng)
    placed = second[owner] @ np.swapaxes(turn, 1, 2) + centre[possible, None]
    nearest = _least_distances(first[owner], placed)
    fits = np.flatnonzero(nearest >= contact * (1 - 0.1 * _CLOSE))
    pair, place_of = np.unique(owner[fits], return_index=True)
    moved, found = second.copy(), np.zeros(pairs, dtype=bool)
    moved[pair], found[pair] = placed[fits[place_of]], True
    return moved, found


def _least_distances(first: np.ndarray, second: np.ndarray) -> np.ndarray:
    """Return the distance (M,) of the two nearest spheres of sets (M, n, 3) and (M, m, 3)."""
    cross = first @ np.swapaxes(second, 1, 2)
    squares = (first**2).sum(axis=2)[:, :, None] + (second**2).sum(axis=2)[:, None] - 2 * cross
    return np.sqrt(np.maximum(squares.min(axis=(1, 2), initial=np.inf), 0.0))


def random_rotations(number: int, rng: np.random.Generator) -> np.ndarray:
    """Return rotations (number, 3, 3), uniformly distributed."""
    return _frames(rng.standard_normal((number, 3)), rng)


def _frames(vectors: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Return rotations (M, 3, 3) whose first row is along each vector (M, 3), at a random angle about it."""
    along = vectors / np.linalg.norm(vectors, axis=1)[:, None]
    across = np.cross(along, rng.standard_normal(along.shape))
    across /= np.linalg.norm(across, axis=1)[:, None]
    return np.stack([along, across, np.cross(along, across)], axis=1)
