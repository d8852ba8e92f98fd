r"""A stack of superconducting layers between normal ones: an anisotropic London superconductor.

Layers of thickness d at a period p, of penetration depth lambda, screen currents along them with
``lambda_ab = lambda sqrt(p/d)``; currents across them with lambda_c, whatever couples them (infinity: nothing).

References: J. R. Clem, M. W. Coffey, Phys. Rev. B 42, 6209 (1990); F. London, Superfluids I (1950).
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field

from bdg.electrodynamics.screening_plate import london_plate_susceptibility
from bdg.electrodynamics.slab import bar_screening, slab_screening
from bdg.lattices.arguments import positive_number


@dataclass(frozen=True)
class LayerStack:
    """Superconducting layers, all lengths in um.

    Attributes
    ----------
    thickness_um : float
        d of a superconducting layer.
    period_um : float
        p >= d from one to the next.
    penetration_depth_um : float
        lambda of a layer.
    interlayer_depth_um : float
        lambda_c of currents across the layers; infinity where they are not coupled.

    Raises
    ------
    TypeError, ValueError
        If a length is not positive, or a layer thicker than the period.

    Examples
    --------
    >>> from bdg.electrodynamics import LayerStack
    >>> stack = LayerStack(0.1, 0.3, 0.2)  # 0.1 um of superconductor every 0.3 um, lambda = 0.2 um
    >>> print(round(stack.in_plane_depth_um, 3))  # sqrt(3) times as deep
    0.346
    >>> print(round(stack.anisotropy(100.0, 10.0)))  # of a plate of 100 x 10 um, field across over field along
    906
    """

    thickness_um: float
    period_um: float
    penetration_depth_um: float
    interlayer_depth_um: float = field(default=math.inf, kw_only=True)

    def __post_init__(self) -> None:
        positive_number("thickness_um", self.thickness_um, "um")
        positive_number("period_um", self.period_um, "um")
        positive_number("penetration_depth_um", self.penetration_depth_um, "um")
        positive_number("interlayer_depth_um", self.interlayer_depth_um, "um", infinite=True)
        if self.period_um < self.thickness_um:
            raise ValueError(
                f"period_um must be at least thickness_um = {self.thickness_um:g}, from one layer to the next; got "
                f"{self.period_um:g}"
            )

    @property
    def in_plane_depth_um(self) -> float:
        """``lambda_ab = lambda sqrt(p/d)``."""
        return self.penetration_depth_um * math.sqrt(self.period_um / self.thickness_um)

    def parallel_susceptibility(self, width_um: float, height_um: float) -> float:
        r"""Return M/H in a field along the layers, of a long sample with a rectangular section.

        .. math:: \chi_0 = -S_b - (1 - S_b) \frac{d}{p} S(d/\lambda)

        S_b is the screening of an anisotropic bar by currents that cross the layers; in what it leaves each layer
        screens for itself as a slab.

        Parameters
        ----------
        width_um, height_um : float
            Of the section, along the layers and across them.

        Returns
        -------
        float
            Between -1 and 0.

        Raises
        ------
        TypeError, ValueError
            If a length is not positive.
        """
        width = positive_number("width_um", width_um, "um")
        height = positive_number("height_um", height_um, "um")
        alone = self.thickness_um / self.period_um * slab_screening(self.thickness_um, self.penetration_depth_um)
        if math.isinf(self.interlayer_depth_um):
            return -alone
        bar = bar_screening(width / self.interlayer_depth_um, height / self.in_plane_depth_um)
        return -bar - (1 - bar) * alone

    def perpendicular_susceptibility(self, a_um: float, b_um: float, c_um: float) -> float:
        """Return M/H in a field across the layers, of a cuboid: currents in the layers suffice to screen it.

        Parameters
        ----------
        a_um, b_um, c_um : float
            Half axes, c across the layers.

        Returns
        -------
        float
            That of a London cuboid with lambda_ab, as accurate as `london_plate_susceptibility`.

        Raises
        ------
        TypeError, ValueError
            If a length is not positive.
        """
        a_um, b_um, c_um = (
            positive_number(name, value, "um") for name, value in (("a_um", a_um), ("b_um", b_um), ("c_um", c_um))
        )
        return london_plate_susceptibility(a_um, b_um, c_um, self.in_plane_depth_um)

    def anisotropy(self, width_um: float, thickness_um: float) -> float:
        """Return the ratio of the moments of a square plate, field across its layers over field along them.

        Parameters
        ----------
        width_um, thickness_um : float
            Edge and thickness of the plate, layers parallel to its faces.

        Returns
        -------
        float

        Raises
        ------
        TypeError, ValueError
            If a length is not positive.
        """
        half, thin = positive_number("width_um", width_um, "um") / 2, positive_number("thickness_um", thickness_um) / 2
        across = self.perpendicular_susceptibility(half, half, thin)
        return across / self.parallel_susceptibility(width_um, thickness_um)
