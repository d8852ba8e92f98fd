"""What a laboratory reads off: scanning SQUID, magnetometer, ac susceptometer, four probes, lock-in."""

from bdg.instruments.lock_in import LockIn
from bdg.instruments.scanning_squid import ScanningSquid, SquidImage, SquidSurvey
from bdg.instruments.vortex_positions import VortexPositions, place_vortices, vortex_count

__all__ = [
    "LockIn",
    "ScanningSquid",
    "SquidImage",
    "SquidSurvey",
    "VortexPositions",
    "place_vortices",
    "vortex_count",
]
