r"""Between a material and a lattice, both ways: mass, density and mean free path <-> t, mu and disorder.

A host of effective mass m on a grid of spacing a has the hopping ``t = hbar^2/(2 m a^2)``. Everything else is taken
from the lattice's own band ``-2t sum cos k_i`` (onsite -mu, no 2dt shift), never from the parabola that it replaces:

- mu: the Fermi energy that puts ``n a^d`` electrons (both spins) on a site; few electrons are ``mu -> -2dt``;
- v_F, N0: averages over the lattice's Fermi surface (`bdg.lattices.materials.band`);
- scattering time: ``tau = l/v_F`` from a mean free path l, or ``tau = mobility m/e``;
- disorder: the width W of uniform onsite energies in [-W/2, W/2], variance W^2/12, from Fermi's golden rule
  ``hbar/tau = 2 pi N0 W^2/12`` with N0 per site and spin. It is first order in W^2: trust it while ``hbar/tau`` is
  small against the Fermi energy above the bottom of the band;
- Fermi wavelength: ``2 pi/k_F`` of the sphere (disc, segment) that holds as many states as the lattice's Fermi sea;
  by Luttinger's theorem k_F follows from n alone: (3 pi^2 n)^(1/3), (2 pi n)^(1/2), pi n/2.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import Any

from scipy import constants

from bdg.lattices.arguments import non_negative_number, positive_number, real_number, space_dimensions
from bdg.lattices.materials.band import chemical_potential, fermi_surface, free_wavenumber
from bdg.lattices.units import HBAR2_OVER_ME_MEV_NM2, HBAR_MEV_S

_CM2 = 1e-4  # m^2


@dataclass(frozen=True, slots=True)
class EffectiveMass:
    """A free-electron host and the lattice that stands for it.

    Attributes
    ----------
    mass : float
        Effective mass in electron masses.
    spacing_nm : float
        Lattice constant a.
    dimensions : int
        1, 2 or 3.
    density_m3 : float
        Carriers, both spins: per m^3 in three dimensions, per m^2 in two, per m in one.
    filling : float
        Carriers per site, ``n a^d``.
    t_meV : float
        Hopping ``hbar^2/(2 m a^2)``.
    mu : float
        Chemical potential in t; the lattice has onsite -mu.
    disorder : float
        Width W of the uniform onsite disorder in t; 0 if clean.
    v_F : float
        Fermi-surface average of |v| in t a/hbar.
    density_of_states : float
        N0 per t, site and spin.
    scattering_time : float
        tau in hbar/t; infinite if clean.
    diffusion : float
        ``<v_x^2> tau`` in t a^2/hbar, the constant that the lattice's band gives (``v_F l/d`` neglects the spread
        of the velocity over the Fermi surface).
    mean_free_path_nm : float
        ``v_F tau``; infinite if clean.
    mobility_cm2_Vs : float
        ``e tau/m``; infinite if clean.
    fermi_wavelength_nm : float
        ``2 pi/k_F`` of the sphere (disc, segment) of the same volume as the lattice's Fermi sea.
    sites_per_wavelength : float
        The same in lattice constants: how well the lattice resolves the host.
    v_F_m_s, continuum_velocity_m_s : float
        v_F of the lattice, and ``hbar k_F/m`` of the continuum, in m/s.
    velocity_error : float
        ``v_F/continuum_velocity - 1``: -0.16 says that the lattice is 16 % slower than the material it stands for.
    scattering_time_s, diffusion_m2_s : float
        tau in s, diffusion constant in m^2/s.
    """

    mass: float
    spacing_nm: float
    dimensions: int
    density_m3: float
    filling: float
    t_meV: float  # noqa: N815
    mu: float
    disorder: float
    v_F: float  # noqa: N815
    density_of_states: float
    scattering_time: float
    diffusion: float
    mean_free_path_nm: float
    mobility_cm2_Vs: float  # noqa: N815
    fermi_wavelength_nm: float
    sites_per_wavelength: float
    v_F_m_s: float  # noqa: N815
    continuum_velocity_m_s: float
    velocity_error: float
    scattering_time_s: float
    diffusion_m2_s: float

    @classmethod
    def from_lattice(
        cls, t_meV: float, mu: float, spacing_nm: float, disorder: float = 0.0, dimensions: int = 3
    ) -> EffectiveMass:
        """Return the material that a lattice stands for: the way back of `effective_mass`.

        Parameters
        ----------
        t_meV : float
            Hopping.
        mu : float
            Chemical potential in t, inside the band (-2d, 2d).
        spacing_nm : float
            Lattice constant.
        disorder : float
            Width W of the uniform onsite disorder in t.
        dimensions : int
            1, 2 or 3.

        Returns
        -------
        EffectiveMass
            As `effective_mass` would describe it.

        Raises
        ------
        TypeError, ValueError
            If an argument is out of range, or if there is disorder at the van Hove point mu = 0 of two dimensions.
        """
        dimensions = space_dimensions(dimensions)
        t_meV = positive_number("t_meV", t_meV, "meV")
        spacing_nm = positive_number("spacing_nm", spacing_nm, "nm")
        disorder = non_negative_number("disorder", disorder, "units of t")
        surface = fermi_surface(real_number("mu", mu, "units of t"), dimensions)
        if disorder == 0:
            tau = math.inf
        else:
            _require_finite_density_of_states(surface.density_of_states)
            tau = 6 / (math.pi * surface.density_of_states * disorder**2)
        return _describe(t_meV, surface.mu, spacing_nm, disorder, tau, dimensions)


def effective_mass(
    mass: float,
    spacing_nm: float,
    *,
    density_m3: float,
    mean_free_path_nm: float | None = None,
    mobility_cm2_Vs: float | None = None,
    dimensions: int = 3,
) -> EffectiveMass:
    """Return the lattice (t, mu, disorder) of a free-electron host, with what its own band makes of it.

    Parameters
    ----------
    mass : float
        Effective mass in electron masses.
    spacing_nm : float
        Lattice constant; a few per Fermi wavelength at least (``sites_per_wavelength`` of the result).
    density_m3 : float
        Carriers of both spins, per m^3 in three dimensions; per m^2 for ``dimensions=2``, per m for ``dimensions=1``.
    mean_free_path_nm, mobility_cm2_Vs : float, optional
        At most one of them; neither (or infinity) means a clean host.
    dimensions : int
        1, 2 or 3.

    Returns
    -------
    EffectiveMass
        Energies in t, times in hbar/t, lengths in the lattice constant unless the name says otherwise.
        ``effective_mass.from_lattice(t_meV, mu, spacing_nm, disorder, dimensions)`` is the way back.

    Raises
    ------
    TypeError, ValueError
        If a number is not positive, if mean free path and mobility are both given, or if the density fills the band
        (two electrons per site); the message names the largest spacing that works.

    Examples
    --------
    >>> from bdg.lattices import effective_mass
    >>> host = effective_mass(0.5, 1.0, density_m3=1e26, mean_free_path_nm=10)
    >>> print(round(host.t_meV, 1), round(host.mu, 2), round(host.disorder, 2))  # meV, t, t
    76.2 -4.15 3.12
    """
    dimensions = space_dimensions(dimensions)
    mass = positive_number("mass", mass, "electron masses")
    spacing_nm = positive_number("spacing_nm", spacing_nm, "nm")
    density_m3 = positive_number("density_m3", density_m3, f"carriers per {_VOLUME[dimensions]}")
    if mean_free_path_nm is not None and mobility_cm2_Vs is not None:
        raise ValueError(
            "give mean_free_path_nm or mobility_cm2_Vs, not both: each of them sets the scattering time; got "
            f"{mean_free_path_nm!r} nm and {mobility_cm2_Vs!r} cm2/Vs"
        )
    filling = _filling(density_m3, spacing_nm, dimensions)
    t_meV = HBAR2_OVER_ME_MEV_NM2 / (2 * mass * spacing_nm**2)
    surface = fermi_surface(chemical_potential(filling, dimensions), dimensions)
    exact: dict[str, Any] = {"mass": mass, "density_m3": density_m3, "filling": filling}
    tau = math.inf
    if mean_free_path_nm is not None:
        path = positive_number("mean_free_path_nm", mean_free_path_nm, "nm", infinite=True)
        exact["mean_free_path_nm"] = path
        if math.isfinite(path):
            _require_finite_density_of_states(surface.density_of_states)
            tau = path / spacing_nm / surface.v_F
    elif mobility_cm2_Vs is not None:
        mobility = positive_number("mobility_cm2_Vs", mobility_cm2_Vs, "cm2/Vs", infinite=True)
        exact["mobility_cm2_Vs"] = mobility
        if math.isfinite(mobility):
            _require_finite_density_of_states(surface.density_of_states)
            tau = mobility * _mobility_time(mass) * t_meV / HBAR_MEV_S
    disorder = 0.0 if math.isinf(tau) else math.sqrt(6 / (math.pi * surface.density_of_states * tau))
    # What was handed over comes back bit for bit, not through a round trip.
    return replace(_describe(t_meV, surface.mu, spacing_nm, disorder, tau, dimensions), **exact)


_VOLUME = {1: "m", 2: "m2", 3: "m3"}


def _filling(density_m3: float, spacing_nm: float, dimensions: int) -> float:
    filling = density_m3 * (spacing_nm * 1e-9) ** dimensions
    if filling >= 2:
        largest = 1e9 * (2 / density_m3) ** (1 / dimensions)
        raise ValueError(
            f"density_m3 = {density_m3:g} per {_VOLUME[dimensions]} puts n a^{dimensions} = {filling:.3g} electrons "
            f"on a site of spacing_nm = {spacing_nm:g}, but one orbital holds fewer than 2: spacing_nm must be below "
            f"{largest:.4g}, and well below it to resolve the Fermi wavelength"
        )
    return filling


def _mobility_time(mass: float) -> float:
    """Return tau in s of a mobility of 1 cm2/Vs: m/e."""
    return _CM2 * mass * constants.m_e / constants.e


def _require_finite_density_of_states(density_of_states: float) -> None:
    if math.isinf(density_of_states):
        raise ValueError(
            "mu = 0 in two dimensions is the van Hove point: N0 is infinite there and the golden rule "
            "hbar/tau = 2 pi N0 W^2/12 gives no disorder; change the density, mu or the spacing"
        )


def _describe(
    t_meV: float, mu: float, spacing_nm: float, disorder: float, tau: float, dimensions: int
) -> EffectiveMass:
    """Return everything that follows from the lattice; both directions end here."""
    mass = HBAR2_OVER_ME_MEV_NM2 / (2 * t_meV * spacing_nm**2)
    surface = fermi_surface(mu, dimensions)
    filling = surface.filling
    spacing_m = spacing_nm * 1e-9
    k_F = free_wavenumber(filling, dimensions)
    wavelength = 2 * math.pi / k_F
    unit_m_s = spacing_m * t_meV / HBAR_MEV_S  # t a/hbar
    continuum = 2 * k_F  # hbar k_F/m in t a/hbar
    diffusion = math.inf if math.isinf(tau) else surface.v_x_squared * tau
    time_s = tau * HBAR_MEV_S / t_meV
    return EffectiveMass(
        mass=mass,
        spacing_nm=spacing_nm,
        dimensions=dimensions,
        density_m3=filling / spacing_m**dimensions,
        filling=filling,
        t_meV=t_meV,
        mu=mu,
        disorder=disorder,
        v_F=surface.v_F,
        density_of_states=surface.density_of_states,
        scattering_time=tau,
        diffusion=diffusion,
        mean_free_path_nm=math.inf if math.isinf(tau) else surface.v_F * tau * spacing_nm,
        mobility_cm2_Vs=time_s / _mobility_time(mass),
        fermi_wavelength_nm=wavelength * spacing_nm,
        sites_per_wavelength=wavelength,
        v_F_m_s=surface.v_F * unit_m_s,
        continuum_velocity_m_s=continuum * unit_m_s,
        velocity_error=surface.v_F / continuum - 1,
        scattering_time_s=time_s,
        diffusion_m2_s=diffusion * unit_m_s * spacing_m,
    )


# The way back under the name that users have at hand; EffectiveMass.from_lattice is the same function.
effective_mass.from_lattice = EffectiveMass.from_lattice  # type: ignore[attr-defined]
