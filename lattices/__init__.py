"""Which system? kwant builders, arrays, stacks of layers, grain composites: as a `System` that every solver takes."""

from bdg.lattices.builders.composites import grain_composite
from bdg.lattices.builders.grains_at import grains_at
from bdg.lattices.builders.kwant_import import from_hamiltonian, from_kwant
from bdg.lattices.builders.stacks import Layer, stack
from bdg.lattices.leads import Lead
from bdg.lattices.loading import load
from bdg.lattices.materials.composition import composition
from bdg.lattices.materials.effective_mass import effective_mass
from bdg.lattices.materials.material import material
from bdg.lattices.materials.resistivity import Resistivity, resistivity
from bdg.lattices.packing.cluster_spheres import cluster_spheres
from bdg.lattices.packing.pack_spheres import Packing, pack_spheres
from bdg.lattices.storage import ResultFileError
from bdg.lattices.system import System

__all__ = [
    "Layer",
    "Lead",
    "Packing",
    "Resistivity",
    "ResultFileError",
    "System",
    "cluster_spheres",
    "composition",
    "effective_mass",
    "from_hamiltonian",
    "from_kwant",
    "grain_composite",
    "grains_at",
    "load",
    "material",
    "pack_spheres",
    "resistivity",
    "stack",
]


def __dir__() -> list[str]:
    return sorted(__all__)
