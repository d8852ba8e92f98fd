"""Which system? kwant builders, arrays, stacks of layers, grain composites: as a `System` that every solver takes."""

from bdg.lattices.composites import grain_composite
from bdg.lattices.composition import composition
from bdg.lattices.effective_mass import effective_mass
from bdg.lattices.kwant_import import from_hamiltonian, from_kwant
from bdg.lattices.materials import material
from bdg.lattices.stacks import Layer, stack
from bdg.lattices.storage import ResultFileError
from bdg.lattices.system import Lead, System, load

__all__ = [
    "Layer",
    "Lead",
    "ResultFileError",
    "System",
    "composition",
    "effective_mass",
    "from_hamiltonian",
    "from_kwant",
    "grain_composite",
    "load",
    "material",
    "stack",
]
