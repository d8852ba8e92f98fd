"""The London penetration depth that belongs to a stiffness: the one place where it meets laboratory units."""

from __future__ import annotations

from typing import Any

import numpy as np
from scipy import constants

from bdg.base.arguments import real_array
from bdg.currents.superfluid_stiffness import STIFFNESS_UNIT, SuperfluidStiffness
from bdg.lattices.arguments import positive_number, real_number

_ASYMMETRY = 1e-6  # of the largest element of a tensor: rounding and differences leave less


def penetration_depth(
    stiffness: SuperfluidStiffness | float | np.ndarray,
    *,
    hopping_meV: float,
    length_unit_nm: float,
    site_volume_nm3: float,
) -> Any:
    r"""Return the London penetration depth in nm: ``1/lambda^2 = mu_0 e^2 D_s/(hbar^2 v_site)``.

    Parameters
    ----------
    stiffness : SuperfluidStiffness, float or symmetric tensor (dim, dim)
        Per site, in the unit of the hopping times the length unit squared.
    hopping_meV, length_unit_nm : float
        What these units are, in meV and nm.
    site_volume_nm3 : float
        Volume per site in nm^3 (a cubed on a cubic lattice).

    Returns
    -------
    float, or array (dim,), float64
        In nm; infinite for zero stiffness. Of a tensor: along its principal axes, ascending.

    Raises
    ------
    TypeError, ValueError
        If a number is not positive, the tensor is not symmetric, or the stiffness is negative (no stable
        superconductor).

    References
    ----------
    D. J. Scalapino, S. R. White, S. C. Zhang, Phys. Rev. B 47, 7995 (1993).

    Examples
    --------
    >>> import bdg
    >>> depth_nm = bdg.penetration_depth(0.5, hopping_meV=200, length_unit_nm=0.3, site_volume_nm3=0.027)
    >>> print(round(depth_nm))
    80
    """
    value = stiffness.stiffness if isinstance(stiffness, SuperfluidStiffness) else stiffness
    energy = positive_number("hopping_meV", hopping_meV, "meV") * 1e-3 * constants.e
    length = positive_number("length_unit_nm", length_unit_nm, "nm") * 1e-9
    volume = positive_number("site_volume_nm3", site_volume_nm3, "nm^3") * 1e-27
    tensor = real_array("stiffness", value).ndim != 0
    values = _along_axes(value) if tensor else np.array([_scalar(value)])
    if (values < 0).any():
        raise ValueError(f"stiffness must be >= 0 for a penetration depth; got {values.min():.6g}")
    inverse_square = constants.mu_0 * (constants.e / constants.hbar) ** 2 * values * energy * length**2 / volume
    with np.errstate(divide="ignore"):
        depth = 1e9 / np.sqrt(inverse_square)
    return depth if tensor else float(depth[0])


def _scalar(value: Any) -> float:
    return real_number("stiffness", value.item() if isinstance(value, np.ndarray) else value, STIFFNESS_UNIT)


def _along_axes(value: Any) -> np.ndarray:
    """Return the principal values of a tensor, descending."""
    tensor = real_array("stiffness", value)
    if tensor.dtype.kind not in "iuf":
        raise TypeError(f"stiffness must be a real number or tensor (dim, dim); got {value!r:.80}")
    if tensor.ndim != 2 or tensor.shape[0] != tensor.shape[1] or not tensor.size:
        raise ValueError(f"stiffness must be a number or a tensor (dim, dim); got shape {tensor.shape}")
    if not np.isfinite(tensor).all():
        raise ValueError(f"stiffness must be finite; got {value!r:.80}")
    if abs(tensor - tensor.T).max() > _ASYMMETRY * abs(tensor).max():
        raise ValueError(f"stiffness must be a symmetric tensor (its principal axes are needed); got {value!r:.80}")
    return np.linalg.eigvalsh(0.5 * (tensor + tensor.T))[::-1]
