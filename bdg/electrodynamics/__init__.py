"""Laboratory units and fields: penetration depth, vortices, screening, critical state, spheres with a shell."""

from bdg.electrodynamics.conducting_sphere import (
    london_sphere_susceptibility,
    moment_decay_time,
    skin_depth,
    sphere_susceptibility,
)
from bdg.electrodynamics.vortex_field import VortexField

__all__ = [
    "VortexField",
    "london_sphere_susceptibility",
    "moment_decay_time",
    "skin_depth",
    "sphere_susceptibility",
]
