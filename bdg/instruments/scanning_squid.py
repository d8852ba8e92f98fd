"""A scanning SQUID: the image of vortices that a pick-up loop reads at a height."""

from __future__ import annotations

import functools
import math
import time
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

import numpy as np
import scipy  # its parts load on use

from bdg.base.arguments import real_array, require_seed
from bdg.base.quantities import with_axes
from bdg.base.results import Choice, Evidence, Result, quantity
from bdg.base.tables import Quantity
from bdg.electrodynamics.vortex_field import FLUX_QUANTUM_UT_UM2, VortexField
from bdg.gpu.device.backend import select_backend
from bdg.instruments.loop_readings import loop_readings
from bdg.instruments.vortex_positions import place_vortices, vortex_count
from bdg.lattices.arguments import non_negative_number, positive_number, real_number, whole_number

if TYPE_CHECKING:
    from matplotlib.figure import Figure

MOST_PIXELS = 4096  # along an edge


@dataclass(frozen=True, eq=False, kw_only=True)
class SquidImage(Result):
    """Flux density that a loop reads over a square window.

    Attributes
    ----------
    values : array (n, n)
        In uT; rows along y, columns along x.
    x_um : array (n,)
        Centres of the pixels along both axes, from the centre of the window.
    error : float
        Standard deviation of a pixel in uT (noise).
    size_um : float
        Edge of the window.
    background_uT : float
        Uniform field in all values.
    vortices_um : array (V, 2)
        Those that were given, in the window and around it; empty if none.
    """

    values: np.ndarray = quantity("flux density of each pixel (n, n)", "uT")
    x_um: np.ndarray = quantity("centres of the pixels (n,)", "um")
    error: float = quantity("standard deviation of a pixel", "uT")
    size_um: float = quantity("edge of the window", "um")
    background_uT: float = quantity("uniform field in all values", "uT")  # noqa: N815 - the unit
    vortices_um: np.ndarray = quantity("positions of vortices (V, 2), empty if none", "um")
    _rows = "values"

    @property
    def mean_uT(self) -> float:  # noqa: N802 - the unit
        """Mean flux density of the window."""
        return float(self.values.mean())

    @property
    def contrast(self) -> float:
        """Standard deviation over mean."""
        return float(self.values.std() / self.values.mean())

    def flux_in(self, centre_um: Any, radius_um: float) -> float:
        """Return the flux above the background in a disc, in flux quanta.

        Parameters
        ----------
        centre_um : (x, y)
            From the centre of the window.
        radius_um : float
            > 0. The disc must lie in the window.

        Returns
        -------
        float

        Raises
        ------
        TypeError, ValueError
            If the disc is none, or leaves the window.

        Notes
        -----
        Values between pixels are those of a cubic spline. One vortex in a disc of radius r sends ``(z + lambda)/r`` of
        its quantum outside.
        """
        radius = positive_number("radius_um", radius_um, "um")
        centre = _require_place("centre_um", centre_um)
        if (abs(centre) + radius > self.size_um / 2 * (1 + 1e-12)).any():
            raise ValueError(
                f"the disc must lie in the window of {self.size_um:g} um, with edges at +-{self.size_um / 2:g}; got "
                f"centre_um = ({centre[0]:g}, {centre[1]:g}) and radius_um = {radius:g}. Take a smaller radius or a "
                "larger window"
            )
        order = min(3, self.x_um.size - 1)
        spline = scipy.interpolate.RectBivariateSpline(
            self.x_um, self.x_um, self.values - self.background_uT, kx=order, ky=order
        )
        steps = 8 + math.ceil(2 * radius * self.x_um.size / self.size_um)
        node, weight = np.polynomial.legendre.leggauss(steps)
        rho, angle = radius * (1 + node[:, None]) / 2, 2 * math.pi * np.arange(2 * steps) / (2 * steps)
        values = spline.ev(centre[1] + rho * np.sin(angle), centre[0] + rho * np.cos(angle))
        mean = float((weight * rho[:, 0] * values.mean(axis=1)).sum()) / radius
        return mean * math.pi * radius**2 / FLUX_QUANTUM_UT_UM2

    def quantities(self) -> Iterator[Quantity]:
        """Give what a table of the result may hold: a pixel a row."""
        yield Quantity("y_um", self.x_um, "um", ("y",))
        yield from with_axes(super().quantities(), {"values": ("y", "x"), "x_um": ("x",)})

    def plot(self, ax: Any = None) -> Figure:
        """Return a Figure of the image."""
        from bdg.plots.instruments import plot_image

        return plot_image(self.x_um, self.values, self.vortices_um, ax)


@dataclass(frozen=True, eq=False, kw_only=True)
class SquidSurvey(Result):
    """Images of several arrangements of vortices; errors are standard errors over the arrangements.

    Attributes
    ----------
    mean_uT, mean_error_uT : float
        Mean flux density of the window.
    contrast, contrast_error : float
        Standard deviation over mean.
    highest_uT, highest_error_uT : float
        Largest value of an image.
    images : array (S, n, n)
        In uT.
    x_um : array (n,)
    size_um : float
        Edge of the window.
    positions_um : array (S, V, 2)
        Of the vortices of each arrangement, in a square of twice the window that repeats itself.
    """

    mean_uT: float = quantity("mean flux density of the window", "uT")  # noqa: N815 - the unit
    mean_error_uT: float = quantity("its standard error", "uT")  # noqa: N815
    contrast: float = quantity("standard deviation over mean")
    contrast_error: float = quantity("its standard error")
    highest_uT: float = quantity("largest value of an image", "uT")  # noqa: N815
    highest_error_uT: float = quantity("its standard error", "uT")  # noqa: N815
    images: np.ndarray = quantity("images (S, n, n)", "uT")
    x_um: np.ndarray = quantity("centres of the pixels (n,)", "um")
    size_um: float = quantity("edge of the window", "um")
    positions_um: np.ndarray = quantity("positions of the vortices (S, V, 2)", "um")
    _rows = "images"

    @property
    def counts(self) -> np.ndarray:
        """Vortices in the window, of each arrangement (S,)."""
        return (abs(self.positions_um) <= self.size_um / 2).all(axis=2).sum(axis=1)

    def quantities(self) -> Iterator[Quantity]:
        """Give what a table of the result may hold: a pixel a row."""
        yield Quantity("y_um", self.x_um, "um", ("y",))
        yield from with_axes(super().quantities(), {"images": ("S", "y", "x"), "x_um": ("x",)})

    def plot(self, ax: Any = None) -> Figure:
        """Return a Figure of the first image."""
        from bdg.plots.instruments import plot_image

        return plot_image(self.x_um, self.images[0], self.positions_um[0], ax)


@dataclass(frozen=True)
class ScanningSquid:
    """A circular pick-up loop that scans at a height.

    Attributes
    ----------
    loop_radius_um : float
        >= 0; 0 reads the field at a point.
    height_um : float
        Of the loop's centre above the surface, > 0.
    tilt_degrees : float
        The normal of the loop leans by this angle towards +x.
    noise_uT : float
        Standard deviation of each pixel, >= 0.

    Raises
    ------
    TypeError, ValueError
        If a number is out of range, or the loop would touch the surface.

    Examples
    --------
    >>> from bdg.electrodynamics import VortexField
    >>> from bdg.instruments import ScanningSquid
    >>> vortex = VortexField(height_um=5.0, penetration_depth_um=1.0)
    >>> squid = ScanningSquid(loop_radius_um=5.0, height_um=5.0)
    >>> image = squid.image([(0.0, 0.0), (15.0, 10.0)], vortex, size_um=60.0, pixel_um=2.0)
    >>> survey = squid.survey(2.0, vortex, size_um=60.0, pixel_um=6.0, samples=2, seed=1)
    >>> print(image.values.shape, image.values.max().round(1), round(survey.mean_uT, 1))  # uT: above a vortex; mean
    (30, 30) 6.2 2.0
    """

    loop_radius_um: float = field(default=5.0, kw_only=True)
    height_um: float = field(default=5.0, kw_only=True)
    tilt_degrees: float = field(default=0.0, kw_only=True)
    noise_uT: float = field(default=0.0, kw_only=True)  # noqa: N815 - the unit

    def __post_init__(self) -> None:
        radius = non_negative_number("loop_radius_um", self.loop_radius_um, "um")
        positive_number("height_um", self.height_um, "um above the surface")
        non_negative_number("noise_uT", self.noise_uT, "uT")
        VortexField(height_um=self.height_um, pearl_length_um=1.0).require_tilt(radius, self.tilt_degrees)

    def image(
        self,
        vortices_um: Any,
        field: VortexField,
        size_um: float,
        pixel_um: float,
        background_uT: float = 0,
        seed: int | None = None,
    ) -> SquidImage:
        """Return the image of vortices in a square window.

        Parameters
        ----------
        vortices_um : array (V, 2)
            Positions from the centre of the window; those around it are seen, too. An empty list has none.
        field : VortexField
            Of one vortex; it is read at the height of the instrument.
        size_um : float
            Edge of the window, at least the diameter of the loop.
        pixel_um : float
            Wanted width of a pixel; the number of pixels is that nearest to size/pixel.
        background_uT : float
            Uniform field that is added.
        seed : int, optional
            Of the noise; None means 0.

        Returns
        -------
        SquidImage

        Raises
        ------
        TypeError, ValueError
            If an argument is of the wrong type or out of range.
        """
        start = time.perf_counter()
        vortices = _require_vortices(vortices_um)
        x, size = self._window(size_um, pixel_um)
        background = real_number("background_uT", background_uT, "uT")
        number = require_seed(seed)
        values = self._read(vortices, field, x) + background
        values += self.noise_uT * np.random.default_rng(number).standard_normal(values.shape)
        return SquidImage(
            values=values,
            x_um=x,
            error=float(self.noise_uT),
            size_um=size,
            background_uT=background,
            vortices_um=vortices,
            evidence=self._evidence(start, seed=number, pixels=x.size, window_um=size),
        )

    def survey(
        self,
        flux_density_uT: float,
        field: VortexField,
        size_um: float,
        pixel_um: float,
        *,
        samples: int = 8,
        pinning: float = 0.0,
        background_uT: float = 0.0,
        seed: int | None = None,
    ) -> SquidSurvey:
        """Return mean and contrast of images of several arrangements.

        Each fills a square of twice the window and repeats itself; vortices further than three squares count with their
        mean density, so that the mean of the image is that of the flux.

        Parameters
        ----------
        flux_density_uT : float
            Of the vortices, > 0: ``B S/Phi_0`` of them in an area S.
        field, size_um, pixel_um, background_uT, seed
            As in `image`.
        samples : int
            Arrangements, at least 2.
        pinning : float
            As in `place_vortices`: 0 for repulsion alone, infinity for random positions.

        Returns
        -------
        SquidSurvey

        Raises
        ------
        TypeError, ValueError
            If an argument is of the wrong type or out of range.
        """
        start = time.perf_counter()
        density = positive_number("flux_density_uT", flux_density_uT, "uT")
        whole_number("samples", samples, 2)
        x, size = self._window(size_um, pixel_um)
        number = require_seed(seed)
        box = 2 * size
        count = max(1, round(vortex_count(density, box)))
        placed = _arrangements(count, box, pinning, samples, number)
        noise = np.random.default_rng([number, 1])
        images = np.array([self._read(_repeated(positions, box), field, x) for positions in placed])
        beyond = 1 - replace(field, height_um=self.height_um).flux_in_square(3 * box, self.loop_radius_um)
        images += count * FLUX_QUANTUM_UT_UM2 / box**2 * beyond + real_number("background_uT", background_uT, "uT")
        images += self.noise_uT * noise.standard_normal(images.shape)
        means, highest = images.mean(axis=(1, 2)), images.max(axis=(1, 2))
        contrasts = images.std(axis=(1, 2)) / means

        def error(values: np.ndarray) -> float:
            return float(values.std(ddof=1) / math.sqrt(samples))

        return SquidSurvey(
            mean_uT=float(means.mean()),
            mean_error_uT=error(means),
            contrast=float(contrasts.mean()),
            contrast_error=error(contrasts),
            highest_uT=float(highest.mean()),
            highest_error_uT=error(highest),
            images=images,
            x_um=x,
            size_um=size,
            positions_um=placed.copy(),
            evidence=self._evidence(start, seed=number, vortices=count, box_um=box, window_um=size, pinning=pinning),
        )

    def _window(self, size_um: Any, pixel_um: Any) -> tuple[np.ndarray, float]:
        size = positive_number("size_um", size_um, "um")
        pixel = positive_number("pixel_um", pixel_um, "um")
        if size < 2 * self.loop_radius_um:
            raise ValueError(
                f"size_um must be at least the diameter of the loop, {2 * self.loop_radius_um:g} um; got {size:g}. "
                "Take a larger window or a smaller loop"
            )
        count = round(size / pixel)
        if not 2 <= count <= MOST_PIXELS:
            raise ValueError(
                f"pixel_um must give 2 to {MOST_PIXELS} pixels along size_um = {size:g}; got {pixel:g}, {count} pixels"
            )
        return size * ((np.arange(count) + 0.5) / count - 0.5), size

    def _read(self, vortices: np.ndarray, field: VortexField, x: np.ndarray) -> np.ndarray:
        if not isinstance(field, VortexField):
            raise TypeError(
                f"field must be a bdg.electrodynamics.VortexField; got {type(field).__name__}. Make one with "
                "VortexField(height_um=5, penetration_depth_um=4)"
            )
        places = np.stack(np.meshgrid(x, x), axis=-1).reshape(-1, 2)
        read_at = replace(field, height_um=self.height_um)
        return loop_readings(read_at, self.loop_radius_um, self.tilt_degrees, places, vortices).reshape(x.size, x.size)

    def _evidence(self, start: float, **facts: Any) -> Evidence:
        choice = Choice("sum over vortices", "the only one", select_backend("cpu"))
        loop = {"loop_radius_um": self.loop_radius_um, "height_um": self.height_um, "tilt_degrees": self.tilt_degrees}
        return Evidence.of(choice, dtype="float64", start=start, **loop, noise_uT=self.noise_uT, **facts)


@functools.lru_cache(maxsize=16)
def _arrangements(count: int, box: float, pinning: float, samples: int, seed: int) -> np.ndarray:
    """Return positions (S, V, 2); the last ones are kept, for another temperature or instrument."""
    return place_vortices(count, box, pinning=pinning, samples=samples, seed=seed).positions_um


def _repeated(positions: np.ndarray, size: float) -> np.ndarray:
    """Return positions (V, 2) with their eight neighbouring periods."""
    shifts = size * np.stack(np.meshgrid([-1, 0, 1], [-1, 0, 1]), axis=-1).reshape(-1, 1, 2)
    return (positions + shifts).reshape(-1, 2)


def _require_vortices(values: Any) -> np.ndarray:
    array = real_array("vortices_um", values)
    if array.size == 0:
        return np.zeros((0, 2))
    if array.dtype.kind not in "iuf" or array.ndim != 2 or array.shape[1] != 2:
        raise ValueError(
            f"vortices_um must be real positions in shape (V, 2), x and y of each; got shape {array.shape} of "
            f"{array.dtype}"
        )
    if not np.isfinite(array).all():
        raise ValueError("vortices_um must be finite (um); got NaN or infinity among them")
    return array.astype(float)


def _require_place(name: str, values: Any) -> np.ndarray:
    array = real_array(name, values)
    if array.dtype.kind not in "iuf" or array.shape != (2,) or not np.isfinite(array).all():
        raise ValueError(f"{name} must be two finite numbers, x and y (um); got {values!r:.80}")
    return array.astype(float)
