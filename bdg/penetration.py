"""The London penetration depth that belongs to a stiffness: the one place where it meets laboratory units."""

from __future__ import annotations

from typing import Any

import numpy as np
from scipy import constants

from bdg.lattices.arguments import positive_number, real_number
from bdg.stiffness import STIFFNESS_UNIT, SuperfluidStiffness


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
    stiffness : SuperfluidStiffness or float
        Per site, in the unit of the hopping times the length unit squared.
    hopping_meV, length_unit_nm : float
        What these units are.
    site_volume_nm3 : float
        Volume per site (a cubed on a cubic lattice).

    Returns
    -------
    float, or array (dim,)
        Infinite for zero stiffness. Of a tensor: along its principal axes, ascending.

    Raises
    ------
    TypeError, ValueError
        If a number is not positive, or the stiffness is negative (no stable superconductor).
    """
    value = stiffness.stiffness if isinstance(stiffness, SuperfluidStiffness) else stiffness
    energy = positive_number("hopping_meV", hopping_meV, "meV") * 1e-3 * constants.e
    length = positive_number("length_unit_nm", length_unit_nm, "nm") * 1e-9
    volume = positive_number("site_volume_nm3", site_volume_nm3, "nm^3") * 1e-27
    if np.ndim(value) == 0:
        values = np.array([real_number("stiffness", float(value), STIFFNESS_UNIT)])
    else:
        values = np.sort(np.linalg.eigvalsh(np.asarray(value)))[::-1]
    if (values < 0).any():
        raise ValueError(f"stiffness must be >= 0 for a penetration depth; got {values.min():.6g}")
    inverse_square = constants.mu_0 * (constants.e / constants.hbar) ** 2 * values * energy * length**2 / volume
    with np.errstate(divide="ignore"):
        depth = 1e9 / np.sqrt(inverse_square)
    return float(depth[0]) if np.ndim(value) == 0 else depth
