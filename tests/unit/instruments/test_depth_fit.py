"""lambda from images: spots at all depths, recovery, coverage, what the height leaves open, refusals."""

import math

import numpy as np
import pytest

import bdg
from bdg.base.errors import AccuracyWarning
from bdg.electrodynamics import VortexField
from bdg.instruments import ScanningSquid, fit_penetration_depth
from bdg.instruments.spot_family import LogNodes, SpotFamily

DEPTH, HEIGHT, LOOP, NOISE = 4.0, 5.0, 5.0, 0.1
VORTICES = np.array([[1.3, -2.1], [17.0, 12.0]])
PIXEL = 3.0


def image_of(depth=DEPTH, height=HEIGHT, seed=0, *, noise=NOISE, vortices=VORTICES, size=48.0, **field):
    at = VortexField(height_um=height, penetration_depth_um=depth, **field)
    return ScanningSquid(height_um=height, noise_uT=noise).image(vortices, at, size, PIXEL, 0.7, seed)


@pytest.mark.parametrize("thickness", [math.inf, 2.0])
def test_spots_of_all_depths_and_heights_are_those_of_one_vortex(thickness):
    """Another integral, along the real axis; Chebyshev nodes and splines err by 2e-6 uT, far below any noise."""
    family = SpotFamily(LOOP, thickness, LogNodes(0.05, 50.0), LogNodes(3.0, 9.0), 100.0)
    r = np.array([0.0, 2.0, 4.9, 5.1, 12.0, 40.0, 99.0])
    for depth, height in ((0.05, 3.0), (0.7, 9.0), (4.0, 5.0), (17.0, 3.0), (50.0, 6.0)):
        field = VortexField(height_um=height, penetration_depth_um=depth, thickness_um=thickness)
        expected = field.through_loop(LOOP, r)
        spot, places = family.spot(depth, height), family.table.coordinate(r)
        assert spot(places) == pytest.approx(expected, abs=3e-6)
        nearby = family.table.coordinate(r[1:-1] + 1e-4)
        slope = (spot(nearby) - spot(places[1:-1])) / 1e-4
        assert family.slope(spot, r[1:-1]) == pytest.approx(slope, abs=1e-4 * expected[0])


def test_a_known_height_gives_the_depth_from_rough_positions():
    """Three standard errors; positions too. The same from a bare array with holes, and for a film."""
    image = image_of()
    found = fit_penetration_depth(image, VORTICES + [[2.0, -1.5], [-1.0, 2.5]], height_um=HEIGHT)
    assert found.resolved and abs(found.penetration_depth_um - DEPTH) < 3 * found.error < 0.3
    assert (abs(found.vortices_um - VORTICES) < 4 * found.vortices_error_um).all()
    assert found.interval_um[0] < DEPTH < found.interval_um[1] < found.upper_um + 0.2
    assert found.noise_uT == NOISE and found.misfit == pytest.approx(1, abs=0.3)  # 4 sqrt(2/249)
    assert found.probability.sum() == pytest.approx(1) and math.isnan(found.combination)
    assert found.statement.startswith("lambda = ") and "95% credible" in found.statement
    holes = image.values.copy()
    holes[3, :5] = np.nan
    bare = fit_penetration_depth(holes, VORTICES, height_um=HEIGHT, pixel_um=PIXEL)
    assert bare.noise_uT == pytest.approx(NOISE, rel=0.15) and bare.misfit == 1.0
    assert bare.penetration_depth_um == pytest.approx(found.penetration_depth_um, abs=found.error)
    film = fit_penetration_depth(image_of(thickness_um=3.0), height_um=HEIGHT, thickness_um=3.0)
    assert abs(film.penetration_depth_um - DEPTH) < 3 * film.error < 0.3


def test_the_interval_is_that_of_the_curvature():
    """Where the likelihood is a parabola its width is 1/sqrt(sum (dm/dlambda)^2), what is free taken out."""
    found = fit_penetration_depth(image_of(noise=0.01), height_um=HEIGHT)
    assert found.error == pytest.approx(0.01 / np.sqrt(information()[0, 0]), rel=0.03)
    assert np.diff(found.interval_um)[0] == pytest.approx(2 * 1.96 * found.error, rel=0.02)


def information():
    """Fisher matrix of depth and height for noise 1, by differences of images; plane and positions taken out."""

    def values(depth=DEPTH, height=HEIGHT, step=(0.0, 0.0)):
        moved = VORTICES + np.array([step, (0.0, 0.0)])
        return image_of(depth, height, noise=0.0, vortices=moved).values.ravel()

    def slope(**one):
        (name, at), *_ = one.items()
        return (values(**{name: at + 0.01}) - values(**{name: at - 0.01})) / 0.02

    x, y = np.meshgrid(image_of().x_um, image_of().x_um)
    free = [np.ones(x.size), x.ravel(), y.ravel()]
    for vortex in VORTICES:
        for axis in np.eye(2):
            pair = [image_of(noise=0.0, vortices=[vortex + sign * 0.01 * axis]).values.ravel() for sign in (1, -1)]
            free.append((pair[0] - pair[1]) / 0.02)
    basis, _ = np.linalg.qr(np.array(free).T)
    slopes = np.array([slope(depth=DEPTH), slope(height=HEIGHT)]).T
    slopes -= basis @ (basis.T @ slopes)
    return slopes.T @ slopes


def test_height_and_depth_are_fixed_together():
    """height + c lambda with c of the Fisher matrix; much sharper than either."""
    found = fit_penetration_depth(image_of(noise=0.02), height_um=(3.0, 7.0))
    fisher = information()
    assert found.combination == pytest.approx(fisher[0, 1] / fisher[1, 1], rel=0.05)
    assert found.combination_error_um < 0.1 * found.height_error_um < 0.1
    assert found.error > 0.1 and abs(found.penetration_depth_um - DEPTH) < 3 * found.error
    known = HEIGHT + found.combination * DEPTH
    assert abs(found.combination_um - known) < 0.1  # a curved ridge: not three of its errors
    assert "height + " in found.statement


def test_a_short_depth_under_an_unknown_height_is_only_bounded():
    image = image_of(0.3, noise=0.2)
    found = fit_penetration_depth(image, height_um=(3.0, 9.0))
    assert not found.resolved and 0.3 < found.upper_um < 6 and found.statement.startswith("lambda < ")
    assert "not resolved from zero" in found.statement
    assert found.combination == pytest.approx(1, abs=0.25)  # a monopole at the depth lambda: height + lambda
    sharper = fit_penetration_depth(image, height_um=HEIGHT)
    assert sharper.upper_um < found.upper_um
    short = fit_penetration_depth(image_of(noise=1.0), height_um=HEIGHT, between_um=(0.05, 4.0))  # it is 4 um
    assert not short.resolved and math.isinf(short.upper_um) and "not bounded" in short.statement


def pulls_of(seeds, **arguments):
    found = [fit_penetration_depth(image_of(seed=seed), height_um=HEIGHT, level=0.683, **arguments) for seed in seeds]
    inside = sum(fit.interval_um[0] <= DEPTH <= fit.interval_um[1] for fit in found)
    return inside, np.array([(fit.penetration_depth_um - DEPTH) / fit.error for fit in found])


def test_forty_intervals_cover_as_often_as_they_say():
    """27.3 of 40 at 68.3 %: three standard deviations are 8.8; mean and width of the pulls likewise."""
    inside, pulls = pulls_of(range(40))
    assert abs(inside - 0.683 * 40) < 8.8
    assert abs(pulls.mean()) < 3 / 40**0.5 and abs(pulls.std() - 1) < 3 / 80**0.5


@pytest.mark.slow
def test_two_hundred_intervals_cover_as_often_as_they_say():
    """137 of 200: three standard deviations are 20; noise estimated and given."""
    for noise in (None, NOISE):
        inside, pulls = pulls_of(range(100, 300), noise_uT=noise)
        assert abs(inside - 0.683 * 200) < 20
        assert abs(pulls.mean()) < 3 / 200**0.5 and abs(pulls.std() - 1) < 3 / 400**0.5


@pytest.mark.slow
def test_intervals_cover_what_is_drawn_from_their_prior():
    """Depths from 2 to 7, heights from 4 to 6 um: 190 of 200 at 95 %, three standard deviations are 9.2."""
    rng, inside, below = np.random.default_rng(5), 0, 0
    for seed in range(200):
        depth, height = rng.uniform(2, 7), rng.uniform(4, 6)
        image = image_of(depth, height, seed)
        found = fit_penetration_depth(image, height_um=(4.0, 6.0), between_um=(2.0, 7.0))
        inside += found.interval_um[0] <= depth <= found.interval_um[1]
        below += depth <= found.penetration_depth_um
    assert abs(inside - 190) <= 9.2
    assert abs(below - 100) <= 21


def test_what_the_model_does_not_hold_is_told():
    """A vortex that is not given leaves more than noise; given roughly, although outside, it does not."""
    outside = np.concatenate([VORTICES, [[-29.0, -4.0]]])
    image = image_of(vortices=outside, noise=0.05)
    with pytest.warns(AccuracyWarning, match="leaves .* times the squares of the noise"):
        wrong = fit_penetration_depth(image, VORTICES, height_um=HEIGHT)
    whole = fit_penetration_depth(image, outside + 1.0, height_um=HEIGHT)
    assert whole.misfit < 1.4 < wrong.misfit and abs(whole.penetration_depth_um - DEPTH) < 3 * whole.error
    near = fit_penetration_depth(image, VORTICES, height_um=HEIGHT, patch_um=9.0)
    assert near.misfit < wrong.misfit and near.evidence.pixels < 60


def test_a_fit_is_saved_and_drawn(tmp_path):
    found = fit_penetration_depth(image_of(), height_um=(4.0, 6.0))
    found.save(tmp_path / "fit.h5")
    again = bdg.load(tmp_path / "fit.h5")
    assert (again.probability == found.probability).all() and again.statement == found.statement
    assert found.plot().axes and fit_penetration_depth(image_of(), height_um=HEIGHT).plot().axes


IMAGE = image_of()


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: fit_penetration_depth(IMAGE, height_um=0), r"height_um must be positive and finite \(um\); got 0"),
        (lambda: fit_penetration_depth(IMAGE, height_um=(5, 3)), "height_um must be a range .low, high. with low <= h"),
        (lambda: fit_penetration_depth(IMAGE, height_um=(1, 2, 3)), "height_um must be a length or a range"),
        (lambda: fit_penetration_depth(IMAGE, height_um=0.01), "height_um must be at least a 1000th of distances"),
        (lambda: fit_penetration_depth(IMAGE, height_um=5, between_um=(3, 3)), "between_um must be .low, high. with l"),
        (lambda: fit_penetration_depth(IMAGE, height_um=5, level=1.0), "level must lie between 0 and 1; got 1.0"),
        (lambda: fit_penetration_depth(IMAGE, height_um=5, loop_radius_um=-1), "loop_radius_um must be finite and >="),
        (lambda: fit_penetration_depth(IMAGE, height_um=5, background="cubic"), "background must be one of"),
        (lambda: fit_penetration_depth(IMAGE, height_um=5, noise_uT=-0.1), "noise_uT must be positive"),
        (lambda: fit_penetration_depth(IMAGE, height_um=5, patch_um=3), "image must have more pixels than there"),
        (lambda: fit_penetration_depth(IMAGE, [], height_um=5), "vortices_um must be rough positions of at least one"),
        (lambda: fit_penetration_depth(IMAGE, [[0, math.nan]], height_um=5), "vortices_um must be finite"),
        (lambda: fit_penetration_depth(IMAGE.values, [[0, 0]], height_um=5), "pixel_um, the width of a pixel in um, m"),
        (lambda: fit_penetration_depth([1.0], [[0, 0]], height_um=5, pixel_um=1), "image must be a SquidImage or real"),
        (lambda: fit_penetration_depth([[math.inf] * 2] * 2, [[0, 0]], height_um=5, pixel_um=1), "image must hold fin"),
    ],
)  # fmt: skip
def test_bad_input(call, message):
    with pytest.raises(ValueError, match=message):
        call()
