"""Systems that tests of several published names share: a flake of kwant, a chain with two islands, a flat interface."""

import kwant
import numpy as np
from algebra import SIGMA_0, SIGMA_X, SIGMA_Y, random_chain

import bdg


def kagome_flake(norbs=1):
    """A small finite kagome flake: three sublattices, value functions, complex hoppings."""
    lattice = kwant.lattice.kagome(norbs=norbs)
    builder = kwant.Builder()
    matrix = 1 if norbs == 1 else SIGMA_0
    spin = 0 if norbs == 1 else 0.3 * SIGMA_X + 0.2 * SIGMA_Y

    def onsite(site, mu, disorder):
        return (-mu + disorder * kwant.digest.gauss(repr(site.tag) + str(site.family.name))) * matrix + spin

    def hopping(to, source, flux):
        shift = to.pos - source.pos
        return -np.exp(1j * flux * (to.pos[0] + source.pos[0]) * shift[1]) * matrix

    builder[lattice.shape(lambda pos: pos[0] ** 2 + pos[1] ** 2 < 4.5, (0, 0))] = onsite
    builder[lattice.neighbors()] = hopping
    builder.eradicate_dangling()
    return builder


def two_island_system(**more):
    h, _, positions = random_chain(12)
    delta = np.zeros(12)
    delta[:3], delta[8:10] = 0.3, 0.4
    return bdg.lattices.from_hamiltonian(h, positions, delta=delta, **more)


def flat_system(n_host=80, a=0.5, ny=3):
    layers = [bdg.lattices.Layer(10, delta=0.1), bdg.lattices.Layer(n_host)]
    system = bdg.lattices.stack(layers, (ny,), spacing=a, mu=-0.5)
    x = system.positions[:, 0] - system.positions[system.grain == 0, 0].max()
    return system, x
