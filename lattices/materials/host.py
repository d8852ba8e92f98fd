"""What the arrays of a system say about its host: a uniform simple-cubic band with on-site disorder, or not."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from bdg.lattices.materials.band import FermiSurface, fermi_surface
from bdg.lattices.system import System


@dataclass(frozen=True)
class HostBand:
    """Band of the host sites, read off the Hamiltonian.

    Attributes
    ----------
    t : float
        Hopping |h_ij|, the same on every host bond.
    mu : float
        Minus the mean onsite energy of the host.
    spacing : float
        Length of the bonds, in the unit of the positions.
    surface : FermiSurface
        Of the band with ``t = 1`` at ``mu / t``.
    onsite_variance : float
        Variance of the onsite energies in units of t^2, W^2/12 for a box of width W.
    mean_free_path : float
        ``l = v_F tau`` with the golden rule ``1/tau = 2 pi N0 var`` (per spin), in the unit of the positions;
        infinite for a clean host.
    """

    t: float
    mu: float
    spacing: float
    surface: FermiSurface
    onsite_variance: float
    mean_free_path: float


def host_band(system: System) -> HostBand | str:
    """Return the band of the host sites, or a sentence that says why there is none.

    The host must be a simple chain, square or cubic grid: bonds along the axes, of one length and one strength, spin
    independent. Grains and the interface bonds are not looked at.
    """
    host = system.grain < 0
    if not host.any():
        return "the system has no host sites"
    coo = system.hamiltonian.tocoo()
    to, source = coo.row // system.norbs, coo.col // system.norbs
    inside = host[to] & host[source]
    bond = inside & (to != source) & (coo.data != 0)
    if not bond.any():
        return "no hopping between host sites"
    if system.norbs == 2 and (coo.row % 2 != coo.col % 2)[inside].any():
        return "the host mixes the spins"
    strength = abs(coo.data[bond])
    steps = abs(system.displacement(source[bond], to[bond]))
    length = steps.max(axis=1)
    if np.ptp(strength) > 1e-9 * strength.max():
        return "the host's hoppings differ"
    if np.ptp(length) > 1e-6 * length.max() or (steps.sum(axis=1) - length > 1e-6 * length.max()).any():
        return "the host is not a simple cubic grid"
    onsite = np.zeros(system.norbs * system.n_sites)
    diagonal = inside & (coo.row == coo.col)
    onsite[coo.row[diagonal]] = coo.data[diagonal].real
    values = onsite.reshape(-1, system.norbs)[host]
    if system.norbs == 2 and abs(values[:, 0] - values[:, 1]).max() > 1e-12 * strength.max():
        return "the host is spin-split"
    t, mu = float(strength[0]), float(-values.mean())
    dimensions = int(np.count_nonzero(steps.max(axis=0) > 0))
    if abs(mu) >= 2 * dimensions * t:
        return f"mu = {mu / t:.3g} t lies outside the host's band"
    surface = fermi_surface(mu / t, dimensions)
    variance = float(values.var()) / t**2
    rate = 2 * math.pi * surface.density_of_states * variance
    spacing = float(length.mean())
    path = surface.v_F * spacing / rate if variance > 1e-20 and math.isfinite(rate) else math.inf
    return HostBand(t, mu, spacing, surface, variance, path)
