r"""The penetration depth from an image of vortices, with what the image does not know: the height of the loop.

The image is a sum of spots of one flux quantum each (`bdg.electrodynamics.VortexField`, read by an upright loop) above
a smooth background; their positions are free. Far from its axis a spot depends on ``height + lambda`` alone, and to
first order in k lambda everywhere: lambda is known as well as the height is. The posterior over both is the result,
with flat priors over ``between_um`` and over the range of heights.
"""

from __future__ import annotations

import math
import time
import warnings
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from bdg.base.arguments import require_choice
from bdg.base.errors import AccuracyWarning, ConvergenceError
from bdg.base.results import Choice, Evidence, Result, quantity
from bdg.gpu.device.backend import select_backend
from bdg.instruments.depth_likelihood import NodeForm, Pixels, free_columns, node_form, settled_positions
from bdg.instruments.depth_posterior import DepthPosterior, depth_posterior
from bdg.instruments.measured_image import require_guesses, require_image, require_noise
from bdg.instruments.scanning_squid import SquidImage
from bdg.instruments.spot_family import FURTHEST, LogNodes, SpotFamily, spot_family
from bdg.lattices.arguments import non_negative_number, positive_number

if TYPE_CHECKING:
    from matplotlib.figure import Figure

BACKGROUNDS = ("uniform", "plane", "quadratic")  # by the order of the polynomial
UPPER = 0.95  # share below the upper bound
_ROUNDS = 12
_NOISES = 3  # estimates of the noise, each from the best fit of the one before
_SETTLED = 1e-3  # change of a position in um per um of height


@dataclass(frozen=True, eq=False, kw_only=True)
class PenetrationDepthFit(Result):
    """What an image of vortices says of the penetration depth.

    Attributes
    ----------
    penetration_depth_um : float
        Median of the posterior. Where ``resolved`` is False it is no measurement: quote ``upper_um``.
    error : float
        Half of the central 68.3 % of the posterior, in um.
    interval_um : array (2,)
        Credible interval at the level that was asked for.
    upper_um : float
        95 % of the posterior lie below; infinity where the data do not bound it.
    resolved : bool
        Whether the data exclude both ends of the range of depths by more than two standard deviations.
    height_um, height_error_um : float
        Mean and standard deviation of the height; the given one and 0 where it was given.
    combination, combination_um, combination_error_um : float
        ``height + combination * lambda`` is what the image fixes best, its mean and standard deviation; NaN where the
        height was given.
    heights_um : array (Z,)
        Of the posterior.
    depths_um, probability : arrays (Z, L)
        Depths at each height, and the probability of each place; the sum is 1.
    noise_uT : float
        Standard deviation of a pixel, given or estimated.
    misfit : float
        Sum of squares over its expectation, 1 where the model describes the image; 1 if the noise was estimated.
    vortices_um, vortices_error_um : arrays (V, 2)
        Positions and their standard errors.
    """

    penetration_depth_um: float = quantity("penetration depth, median", "um")
    error: float = quantity("half of its central 68.3 %", "um")
    interval_um: np.ndarray = quantity("its credible interval (2,)", "um")
    upper_um: float = quantity("95 % of the posterior lie below", "um")
    resolved: bool = quantity("whether the data exclude both ends of the range")
    height_um: float = quantity("height of the loop", "um")
    height_error_um: float = quantity("its standard deviation", "um")
    combination: float = quantity("c of height + c lambda, which is fixed best")
    combination_um: float = quantity("height + c lambda", "um")
    combination_error_um: float = quantity("its standard deviation", "um")
    heights_um: np.ndarray = quantity("heights of the posterior (Z,)", "um")
    depths_um: np.ndarray = quantity("depths at each height (Z, L)", "um")
    probability: np.ndarray = quantity("probability of each place (Z, L), their sum is 1")
    noise_uT: float = quantity("standard deviation of a pixel", "uT")  # noqa: N815 - the unit
    misfit: float = quantity("sum of squares over its expectation")
    vortices_um: np.ndarray = quantity("positions of the vortices (V, 2)", "um")
    vortices_error_um: np.ndarray = quantity("their standard errors (V, 2)", "um")
    _rows = "probability"

    @property
    def statement(self) -> str:
        """The result in words."""
        if math.isinf(self.upper_um):
            return "lambda is not bounded by this image within the range that was allowed"
        c, fixed, width = self.combination, self.combination_um, self.combination_error_um
        known = "" if math.isnan(c) else f"; height + {c:.2f} lambda = {fixed:.2f} +- {width:.2f} um"
        if not self.resolved:
            return f"lambda < {self.upper_um:.3g} um (95 %), not resolved from zero{known}"
        low, high = self.interval_um
        return (
            f"lambda = {self.penetration_depth_um:.3g} um, {low:.3g} to {high:.3g} um "
            f"({self.evidence['level']:.0%} credible){known}"
        )

    def plot(self, ax: Any = None) -> Figure:
        """Return a Figure of the posterior: over depth and height, or of the depth where the height was given."""
        from bdg.plots.instruments import plot_depth_posterior

        shown = self.interval_um if self.resolved else np.array([np.nan, self.upper_um])
        return plot_depth_posterior(self.heights_um, self.depths_um, self.probability, shown, ax)


def fit_penetration_depth(
    image: SquidImage | Any,
    vortices_um: Any = None,
    *,
    height_um: float | tuple[float, float],
    loop_radius_um: float = 5.0,
    pixel_um: float | None = None,
    thickness_um: float = math.inf,
    noise_uT: float | None = None,
    patch_um: float | None = None,
    background: str = "plane",
    between_um: tuple[float, float] = (0.05, 50.0),
    level: float = 0.95,
) -> PenetrationDepthFit:
    r"""Return the penetration depth that an image of vortices allows, and how far it hangs on the height of the loop.

    .. math:: -2 \ln L(\lambda, z) = \min_{x_v, b} \sum_p \big[d_p - b(p) - \sum_v s(|p - x_v|; \lambda, z)\big]^2
              \big/ \sigma^2

    with s of one flux quantum in an upright loop. The image must be calibrated, in uT, and its flux positive (turn the
    sign of antivortices); noise is white.

    Parameters
    ----------
    image : SquidImage or array (n, m)
        In uT; rows along y. NaN: not measured. An array needs ``pixel_um``.
    vortices_um : array (V, 2), optional
        Rough positions (to a few um) from the centre of the image, of all vortices in it and of those close around it.
        Default: those of the `SquidImage`.
    height_um : float or (low, high)
        Of the loop above the surface; a range is a flat prior.
    loop_radius_um : float
        >= 0.
    pixel_um : float, optional
        Width of a pixel of an array.
    thickness_um : float
        Of the film; infinity for a half space.
    noise_uT : float, optional
        Standard deviation of a pixel. Default: that of the `SquidImage` if it has any, else from what the best fit
        leaves; then nothing tells whether the model describes the image.
    patch_um : float, optional
        Fit only pixels as close as this to one of the vortices; default: all.
    background : {"plane", "uniform", "quadratic"}
        Polynomial that is fitted along, for offset and tails of vortices that are not given.
    between_um : (low, high)
        Depths that are allowed: a flat prior.
    level : float
        Of the credible interval, equal tails.

    Returns
    -------
    PenetrationDepthFit
        ``resolved`` is False, and ``upper_um`` what can be said, where the data allow no depth at all.

    Warns
    -----
    AccuracyWarning
        If the best fit leaves clearly more than the noise.

    Raises
    ------
    TypeError, ValueError
        If an argument is of the wrong type or out of range.
    ConvergenceError
        If positions do not settle.

    References
    ----------
    G. Carneiro, E. H. Brandt, Phys. Rev. B 61, 6370 (2000): the field; R. Cox, Am. J. Phys. 14, 1 (1946): flat priors.

    Examples
    --------
    >>> from bdg.electrodynamics import VortexField
    >>> from bdg.instruments import ScanningSquid, fit_penetration_depth
    >>> vortices = [(1.3, -2.1), (17.0, 12.0)]
    >>> vortex = VortexField(height_um=5.0, penetration_depth_um=4.0)
    >>> image = ScanningSquid(height_um=5.0, noise_uT=0.1).image(vortices, vortex, 48.0, 3.0, seed=0)
    >>> fit = fit_penetration_depth(image, vortices, height_um=5.0)
    >>> print(fit.resolved, abs(fit.penetration_depth_um - 4.0) < 3 * fit.error)
    True True
    """
    start = time.perf_counter()
    heights, depths = _require_range("height_um", height_um), _require_range("between_um", between_um)
    radius = non_negative_number("loop_radius_um", loop_radius_um, "um")
    thickness = positive_number("thickness_um", thickness_um, "um", infinite=True)
    if depths[0] == depths[1]:
        raise ValueError(f"between_um must be (low, high) with low < high; got {between_um!r}")
    level = _require_level(level)
    order = BACKGROUNDS.index(require_choice("background", background, BACKGROUNDS))
    values, places = require_image(image, pixel_um)
    vortices = require_guesses(image, vortices_um)
    pixels = _chosen(values, places, vortices, patch_um, order)
    noise = require_noise(image, noise_uT)
    freedom = len(pixels.values) - vortices.size - (order + 1) * (order + 2) // 2 - 1 - (heights[1] > heights[0])
    if freedom < 1:
        raise ValueError(
            f"image must have more pixels than there are unknowns; got {len(pixels.values)} pixels for "
            f"{vortices.shape[0]} vortices and background={background!r}. Take a larger patch_um or fewer vortices"
        )
    family = _family(radius, thickness, depths, heights, pixels, vortices)
    found, form = _settled(pixels, family, vortices)
    posterior, sigma, misfit = _posterior(form, noise, freedom)
    _warn_of_misfit(misfit, freedom, noise)
    columns = free_columns(pixels, family, found, *posterior.best)
    choice = Choice("posterior", "the only one", select_backend("cpu"))
    facts = {"pixels": len(pixels.values), "background": background, "level": level, "best_um": list(posterior.best)}
    facts |= {"loop_radius_um": radius, "thickness_um": thickness, "between_um": list(depths)}
    facts |= {"height_prior_um": list(heights), "edges": list(posterior.edges), "noise_given": noise is not None}
    return PenetrationDepthFit(
        **_of_posterior(posterior, level),
        noise_uT=sigma,
        misfit=misfit,
        vortices_um=found,
        vortices_error_um=_position_errors(columns, vortices.shape, sigma),
        evidence=Evidence.of(choice, dtype="float64", start=start, **facts),
    )


def _settled(pixels: Pixels, family: SpotFamily, vortices: np.ndarray) -> tuple[np.ndarray, NodeForm]:
    """Return positions once they and the best depth and height agree, and the form of the image there."""
    height = math.sqrt(family.heights.low * family.heights.high)
    best = min(max(height, family.depths.low), family.depths.high), height
    for _ in range(_ROUNDS):
        settled, last = settled_positions(pixels, family, vortices, *best)
        moved, vortices = float(abs(settled - vortices).max()), settled
        form = node_form(pixels, family, vortices, free_columns(pixels, family, vortices, *best))
        if max(moved, last) < _SETTLED * family.heights.low:
            return vortices, form
        best = _rough_best(form)
    raise ConvergenceError(
        f"positions of the vortices do not settle: {moved:.2g} um in the last of {_ROUNDS} rounds. Give vortices_um "
        "closer to the spots, and only those that are seen"
    )


def _rough_best(form: NodeForm) -> tuple[float, float]:
    """Return depth and height where the sum of squares is least on a coarse grid; positions hardly feel them."""
    depths, heights = form.family.depths, form.family.heights
    z = np.linspace(heights.low, heights.high, 21 if heights.high > heights.low else 1)
    rows = np.broadcast_to(np.geomspace(depths.low, depths.high, 100), (z.size, 100))
    place = np.unravel_index(np.argmin(form.misfit(rows, z)), rows.shape)
    return float(rows[place]), float(z[place[0]])


def _posterior(form: NodeForm, noise: float | None, freedom: int) -> tuple[DepthPosterior, float, float]:
    """Return posterior, noise and misfit."""
    depths = (form.family.depths.low, form.family.depths.high)
    heights = (form.family.heights.low, form.family.heights.high)

    def of(sigma: float) -> tuple[DepthPosterior, float]:
        found = depth_posterior(lambda rows, z: form.misfit(rows, z) / sigma**2, depths, heights)
        return found, float(form.misfit(np.array([[found.best[0]]]), np.array([found.best[1]]))[0, 0])

    if noise is not None:
        posterior, least = of(noise)
        return posterior, noise, least / (freedom * noise**2)
    depth, height = _rough_best(form)
    least = float(form.misfit(np.array([[depth]]), np.array([height]))[0, 0])
    for _ in range(_NOISES):
        sigma = math.sqrt(max(least, 1e-12 * form.rest) / freedom)
        posterior, least = of(sigma)
    return posterior, sigma, 1.0


def _of_posterior(posterior: DepthPosterior, level: float) -> dict[str, Any]:
    """Return the fields of a result that follow from the posterior."""
    tail = (1 - level) / 2
    low, middle, high, first, last, upper = posterior.quantiles((0.1587, 0.5, 0.8413, tail, 1 - tail, UPPER))
    heights = np.broadcast_to(posterior.heights[:, None], posterior.depths.shape)
    centre = posterior.mean(heights)
    c, fixed, width = posterior.combination() if posterior.heights.size > 1 else (math.nan,) * 3
    below, above = posterior.bounded
    return {
        "penetration_depth_um": float(middle),
        "error": float(high - low) / 2,
        "interval_um": np.array([first, last]),
        "upper_um": float(upper) if above else math.inf,
        "resolved": below and above,
        "height_um": centre,
        "height_error_um": math.sqrt(posterior.mean((heights - centre) ** 2)),
        "combination": c,
        "combination_um": fixed,
        "combination_error_um": width,
        "heights_um": posterior.heights,
        "depths_um": posterior.depths,
        "probability": posterior.probability,
    }


def _position_errors(columns: np.ndarray, shape: tuple[int, ...], sigma: float) -> np.ndarray:
    inverse = np.linalg.pinv(columns.T @ columns)
    return sigma * np.sqrt(np.diag(inverse)[: math.prod(shape)]).reshape(shape)


def _warn_of_misfit(misfit: float, freedom: int, noise: float | None) -> None:
    if noise is not None and misfit > 1 + 5 * math.sqrt(2 / freedom):
        warnings.warn(
            f"fit_penetration_depth: the best fit leaves {misfit:.3g} times the squares of the noise, so the interval "
            "is too narrow or wrong. Vortices that are not given, a tilt, another loop or noise that is not white do "
            "this: give all vortices, a smaller patch_um or background='quadratic', or leave out noise_uT",
            AccuracyWarning,
            stacklevel=3,
        )


def _family(
    radius: float,
    thickness: float,
    depths: tuple[float, float],
    heights: tuple[float, float],
    pixels: Pixels,
    vortices: np.ndarray,
) -> SpotFamily:
    furthest = 1.2 * float(pixels.distances(vortices).max()) + 4 * heights[1]
    # a few lengths only, so that fits of one instrument share a family
    furthest = math.exp(0.2 * math.ceil(math.log(furthest) / 0.2))
    if furthest + depths[1] > FURTHEST * heights[0]:
        raise ValueError(
            f"height_um must be at least a {FURTHEST:g}th of distances of pixels from vortices and of the largest "
            f"depth; got {heights[0]:g} um for {furthest:.3g} and {depths[1]:g} um. Give a smaller patch_um or range"
        )
    return spot_family(radius, thickness, LogNodes(*depths), LogNodes(*heights), furthest)


def _chosen(values: np.ndarray, places: np.ndarray, vortices: np.ndarray, patch_um: float | None, order: int) -> Pixels:
    """Return the measured pixels near the vortices."""
    chosen = np.isfinite(values)
    if patch_um is not None:
        patch = positive_number("patch_um", patch_um, "um")
        nearest = np.full(len(values), np.inf)
        for place in vortices:
            nearest = np.minimum(nearest, np.hypot(*(places - place).T))
        chosen &= nearest <= patch
    return Pixels(values[chosen], places[chosen], order)


def _require_range(name: str, value: Any) -> tuple[float, float]:
    """Return a length or a range of lengths as two positive numbers."""
    ends = value if isinstance(value, tuple | list) else (value, value)
    if len(ends) != 2:
        raise ValueError(f"{name} must be a length or a range (low, high) in um; got {value!r:.80}")
    low, high = (positive_number(name, end, "um") for end in ends)
    if low > high:
        raise ValueError(f"{name} must be a range (low, high) with low <= high; got {value!r}")
    return low, high


def _require_level(level: Any) -> float:
    value = positive_number("level", level)
    if value >= 1:
        raise ValueError(f"level must lie between 0 and 1; got {level!r}")
    return value
