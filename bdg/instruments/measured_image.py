"""An image that is to be fitted: its pixels, where vortices are about, and its noise."""

from __future__ import annotations

from typing import Any

import numpy as np

from bdg.base.arguments import real_array
from bdg.instruments.scanning_squid import SquidImage
from bdg.lattices.arguments import positive_number


def require_image(image: Any, pixel_um: float | None) -> tuple[np.ndarray, np.ndarray]:
    """Return values (P,) and places (P, 2) of all pixels."""
    if isinstance(image, SquidImage):
        values, x, y = image.values, image.x_um, image.x_um
    else:
        values = real_array("image", image)
        if values.dtype.kind not in "iuf" or values.ndim != 2 or min(values.shape) < 2:
            raise ValueError(
                f"image must be a SquidImage or real numbers in uT in shape (n, m), rows along y; got shape "
                f"{values.shape} of {values.dtype}"
            )
        if pixel_um is None:
            raise ValueError("pixel_um, the width of a pixel in um, must be given with an array")
        width = positive_number("pixel_um", pixel_um, "um")
        y, x = (width * (np.arange(count) - (count - 1) / 2) for count in values.shape)
    if np.isinf(values).any():
        raise ValueError("image must hold finite numbers, NaN for pixels that were not measured; got infinity")
    return values.astype(float).ravel(), np.stack(np.meshgrid(x, y), axis=-1).reshape(-1, 2)


def require_guesses(image: Any, vortices_um: Any) -> np.ndarray:
    """Return rough positions (V, 2) of vortices, those of the image by default."""
    given = image.vortices_um if vortices_um is None and isinstance(image, SquidImage) else vortices_um
    array = real_array("vortices_um", [] if given is None else given)
    if array.dtype.kind not in "iuf" or array.ndim != 2 or array.shape[1] != 2 or not len(array):
        raise ValueError(
            "vortices_um must be rough positions of at least one vortex in shape (V, 2), from the centre of the image "
            f"in um; got shape {array.shape}"
        )
    if not np.isfinite(array).all():
        raise ValueError("vortices_um must be finite (um); got NaN or infinity among them")
    return array.astype(float)


def require_noise(image: Any, noise_uT: float | None) -> float | None:
    """Return the noise of a pixel, that of the image by default, None if it is not known."""
    if noise_uT is not None:
        return positive_number("noise_uT", noise_uT, "uT")
    return float(image.error) if isinstance(image, SquidImage) and image.error else None
