"""Kirchhoff's laws on graphs with a closed form."""

import itertools
import math
from fractions import Fraction

import numpy as np
import pytest

from bdg.granular import Network, effective_conductivity, maxwell_conductivity, resistance_between


def test_series_and_parallel():
    assert resistance_between([[0, 1], [1, 2]], [2.0, 3.0], 0, 2) == pytest.approx(5, rel=1e-14)
    assert resistance_between([[0, 1], [1, 0]], [2.0, 3.0], 0, 1) == pytest.approx(6 / 5, rel=1e-14)
    assert resistance_between([[0, 1], [1, 2], [2, 3]], [2.0, 3.0, 9.0], 0, 2) == pytest.approx(5)  # a dead end


def test_the_wheatstone_bridge():
    """Unbalanced, by nodal analysis by hand: R = (R1 R3 ... ) as the determinant of the loops over a minor."""
    r1, r2, r3, r4, r5 = 1.0, 2.0, 3.0, 4.0, 5.0
    pairs = [[0, 1], [0, 2], [1, 3], [2, 3], [1, 2]]
    top = r5 * (r1 + r3) * (r2 + r4) + r1 * r3 * (r2 + r4) + r2 * r4 * (r1 + r3)
    bottom = r5 * (r1 + r2 + r3 + r4) + (r1 + r2) * (r3 + r4)
    assert resistance_between(pairs, [r1, r2, r3, r4, r5], 0, 3) == pytest.approx(top / bottom, rel=1e-13)


def test_the_cube():
    """Twelve equal edges: 5/6 along the space diagonal, 3/4 along that of a face, 7/12 along an edge."""
    corners = list(itertools.product((0, 1), repeat=3))
    pairs = [
        (i, j)
        for (i, a), (j, b) in itertools.combinations(enumerate(corners), 2)
        if sum(abs(x - y) for x, y in zip(a, b, strict=True)) == 1
    ]
    for end, expected in ((7, 5 / 6), (3, 3 / 4), (1, 7 / 12)):
        assert resistance_between(pairs, np.full(12, 1e3), 0, end) == pytest.approx(1e3 * expected, rel=1e-13)


def test_shorts_and_open_contacts():
    pairs = [[0, 1], [1, 2], [2, 3], [0, 3]]
    assert resistance_between(pairs, [1.0, 0.0, 2.0, 6.0], 0, 3) == pytest.approx(2)
    assert resistance_between(pairs, [0.0, 0.0, 0.0, 6.0], 0, 3) == 0
    assert resistance_between(pairs, [1.0, math.inf, 2.0, 6.0], 0, 3) == pytest.approx(6)
    assert resistance_between(pairs, [1.0, math.inf, 2.0, math.inf], 0, 3) == math.inf
    assert resistance_between(pairs, [1.0] * 4, 0, 9) == math.inf
    assert resistance_between(pairs, [1.0] * 4, 9, 9) == 0
    assert resistance_between([], [], 0, 1) == math.inf


def exact_resistance(pairs, resistances, a, b):
    """Gauss elimination with fractions."""
    nodes = [node for node in range(max(max(pair) for pair in pairs) + 1) if node != b]
    rows = [[Fraction(0)] * len(nodes) + [Fraction(int(node == a))] for node in nodes]
    for (i, j), resistance in zip(pairs, resistances, strict=True):
        for one, other in ((i, j), (j, i)):
            if one != b and one != other:
                rows[nodes.index(one)][nodes.index(one)] += 1 / Fraction(resistance)
                if other != b:
                    rows[nodes.index(one)][nodes.index(other)] -= 1 / Fraction(resistance)
    for column in range(len(nodes)):
        pivot = next(row for row in rows[column:] if row[column])
        rows.remove(pivot)
        rows = [[x - row[column] / pivot[column] * y for x, y in zip(row, pivot, strict=True)] for row in rows]
        rows.insert(column, pivot)
    place = nodes.index(a)
    return float(rows[place][-1] / rows[place][place])


@pytest.mark.parametrize("decades", [1, 5, 10, 20])
def test_resistances_of_very_different_size_are_exact(decades):
    rng = np.random.default_rng(decades)
    for _ in range(4):
        pairs = [*rng.integers(0, 8, (16, 2)).tolist(), *([k, k + 1] for k in range(7))]
        values = 10 ** rng.uniform(-decades, decades, len(pairs))
        expected = exact_resistance(pairs, values.tolist(), 7, 0)
        assert resistance_between(pairs, values, 7, 0) == pytest.approx(expected, rel=1e-11)
        assert resistance_between(pairs, values, 0, 7) == pytest.approx(expected, rel=1e-11)


def test_conductivity_of_layers():
    """Couplings that depend on x alone: harmonic mean across the layers, arithmetic along them."""
    cubic = Network.cubic(4)
    layer = cubic.pairs[:, 0] // 16
    couplings = np.array([1.0, 2.0, 3.0, 4.0])[layer]
    network = Network(cubic.pairs, couplings, cubic.displacements, n_sites=64, volume=64.0)
    assert effective_conductivity(network, 0) == pytest.approx(4 / (1 + 1 / 2 + 1 / 3 + 1 / 4), rel=1e-12)
    assert effective_conductivity(network, "y") == pytest.approx(2.5, rel=1e-12)
    assert effective_conductivity(network, np.int64(2)) == pytest.approx(2.5, rel=1e-12)


def test_wrong_arguments_are_refused():
    with pytest.raises(ValueError, match=r"resistances must be >= 0 \(ohm\); got -1.0 for bond 0"):
        resistance_between([[0, 1]], [-1.0], 0, 1)
    with pytest.raises(ValueError, match="resistances must be one number for each of the 1 pairs"):
        resistance_between([[0, 1]], [1.0, 2.0], 0, 1)
    with pytest.raises(ValueError, match="b must be the number of a node, >= 0; got -1"):
        resistance_between([[0, 1]], [1.0], 0, -1)
    with pytest.raises(ValueError, match="axis must be one of x, y, z, 0, 1, 2; got 3"):
        effective_conductivity(Network.cubic(2), 3)
    with pytest.raises(TypeError, match=r"network must be a bdg.granular.Network; got int"):
        effective_conductivity(3, 0)


@pytest.mark.parametrize("grains", [0.0, 0.2, 5.0, math.inf])
def test_maxwell_follows_a_cubic_array_of_spheres(grains):
    """Finite volumes on 20^3 cubes of one sphere in a period, faces with the mean of two resistivities in series.

    Lord Rayleigh's next term is of the order phi^(10/3), 1e-4 here; a sphere of 10 cubes across is off by a few
    percent of what it changes (13 % if it blocks; 9 % with 14 cubes across).
    """
    length, fraction = 20, 0.06
    cubic = Network.cubic(length)
    place = np.stack(np.meshgrid(*[np.arange(length) - length / 2 + 0.5] * 3, indexing="ij"), axis=-1).reshape(-1, 3)
    distance = (place**2).sum(axis=1)
    inside = distance <= np.sort(distance)[round(fraction * length**3) - 1]
    sigma = np.where(inside, min(max(grains, 1e-7), 1e7), 1.0)
    first, second = cubic.pairs.T
    network = cubic.with_couplings(2 / (1 / sigma[first] + 1 / sigma[second]))
    expected = maxwell_conductivity(1.0, grains, inside.mean())
    assert effective_conductivity(network, "x") - 1 == pytest.approx(expected - 1, rel=0.15)


def test_limits_of_maxwells_formula():
    assert maxwell_conductivity(2.0, math.inf, 0.06) == pytest.approx(2 * 1.12 / 0.94, rel=1e-14)
    assert maxwell_conductivity(2.0, 0, 0.06) == pytest.approx(2 * 0.94 / 1.03, rel=1e-14)
    assert maxwell_conductivity(2.0, 2.0, 0.3) == pytest.approx(2.0, rel=1e-14)
    assert maxwell_conductivity(2.0, 9.0, 0.0) == 2.0
    assert maxwell_conductivity(2.0, 1e300, 0.06) == pytest.approx(maxwell_conductivity(2.0, math.inf, 0.06), rel=1e-14)
    for grains in (0.1, 7.0):  # between resistors in series and side by side
        found, phi = maxwell_conductivity(1.0, grains, 0.3), 0.3
        assert 1 / (1 - phi + phi / grains) < found < 1 - phi + phi * grains
    for arguments, message in {
        (0, 1, 0.1): "host must be positive",
        (1, -1, 0.1): "grains must be positive",
        (1, 1, 1.0): "volume_fraction must lie between 0 and 1",
        (1, 1, -0.1): "volume_fraction must be finite and >= 0",
    }.items():
        with pytest.raises(ValueError, match=message):
            maxwell_conductivity(*arguments)
