"""Laboratory units and fields: penetration depth, vortices, screening, critical state, spheres with a shell."""

from bdg.electrodynamics.conducting_sphere import (
    london_sphere_susceptibility,
    moment_decay_time,
    skin_depth,
    sphere_susceptibility,
)
from bdg.electrodynamics.critical_state import bean_disc, bean_slab
from bdg.electrodynamics.demagnetisation import demagnetisation_factor
from bdg.electrodynamics.layer_stack import LayerStack
from bdg.electrodynamics.screening_plate import (
    disc_susceptibility,
    london_plate_susceptibility,
    plate_susceptibility,
)
from bdg.electrodynamics.shell_network import ShellNetwork, ShellResponse
from bdg.electrodynamics.slab import slab_screening
from bdg.electrodynamics.vortex_field import VortexField

__all__ = [
    "LayerStack",
    "ShellNetwork",
    "ShellResponse",
    "VortexField",
    "bean_disc",
    "bean_slab",
    "demagnetisation_factor",
    "disc_susceptibility",
    "london_plate_susceptibility",
    "london_sphere_susceptibility",
    "moment_decay_time",
    "plate_susceptibility",
    "skin_depth",
    "slab_screening",
    "sphere_susceptibility",
]


def __dir__() -> list[str]:
    return sorted(__all__)
