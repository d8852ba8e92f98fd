"""What a laboratory reads off: scanning SQUID, magnetometer, ac susceptometer, four probes, lock-in."""

from bdg.instruments.ac_susceptometer import AcSusceptibility, AcSusceptometer
from bdg.instruments.four_probe import FourProbe, ResistanceCurve
from bdg.instruments.lock_in import LockIn
from bdg.instruments.magnetometer import CoolingCurves, MagnetisationCurve, Magnetometer
from bdg.instruments.samples import CoatedSphere, SuperconductingPlate
from bdg.instruments.scanning_squid import ScanningSquid, SquidImage, SquidSurvey
from bdg.instruments.vortex_positions import VortexPositions, place_vortices, vortex_count

__all__ = [
    "AcSusceptibility",
    "AcSusceptometer",
    "CoatedSphere",
    "CoolingCurves",
    "FourProbe",
    "LockIn",
    "MagnetisationCurve",
    "Magnetometer",
    "ResistanceCurve",
    "ScanningSquid",
    "SquidImage",
    "SquidSurvey",
    "SuperconductingPlate",
    "VortexPositions",
    "place_vortices",
    "vortex_count",
]
