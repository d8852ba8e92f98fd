"""What a laboratory reads off: scanning SQUID, magnetometer, ac susceptometer, four probes, lock-in; and fits to it."""

from bdg.instruments.ac_susceptometer import AcSusceptibility, AcSusceptometer
from bdg.instruments.depth_fit import PenetrationDepthFit, fit_penetration_depth
from bdg.instruments.four_probe import FourProbe, ResistanceCurve
from bdg.instruments.linked_shell import LinkedShell, LinkLattice, LinkVoltage
from bdg.instruments.lock_in import LockIn
from bdg.instruments.magnetometer import CoolingCurves, MagnetisationCurve, Magnetometer
from bdg.instruments.residual_resistivity import ResidualResistivity, fit_residual_resistivity
from bdg.instruments.samples import CoatedSphere, SuperconductingPlate
from bdg.instruments.scanning_squid import ScanningSquid, SquidImage, SquidSurvey
from bdg.instruments.shell_transition import ShellTransition, fit_shell_transition
from bdg.instruments.vortex_positions import VortexPositions, place_vortices, vortex_count

__all__ = [
    "AcSusceptibility",
    "AcSusceptometer",
    "CoatedSphere",
    "CoolingCurves",
    "FourProbe",
    "LinkLattice",
    "LinkVoltage",
    "LinkedShell",
    "LockIn",
    "MagnetisationCurve",
    "Magnetometer",
    "PenetrationDepthFit",
    "ResidualResistivity",
    "ResistanceCurve",
    "ScanningSquid",
    "ShellTransition",
    "SquidImage",
    "SquidSurvey",
    "SuperconductingPlate",
    "VortexPositions",
    "fit_penetration_depth",
    "fit_residual_resistivity",
    "fit_shell_transition",
    "place_vortices",
    "vortex_count",
]


def __dir__() -> list[str]:
    return sorted(__all__)
