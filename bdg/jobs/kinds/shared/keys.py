"""Keys that several kinds of jobs have in common."""

from __future__ import annotations

from typing import Any

from bdg.jobs.kinds.shared.limits import TIGHTEST
from bdg.jobs.model.schema import Key

TEMPERATURE = Key("temperature_K", "float", "temperature", above=0)
TEMPERATURE_OF_GAP = Key("temperature_K", "float", "temperature; sets the gap", above=0)
SELF_CONSISTENT = Key(
    "tolerance", "float", "of a self-consistent Delta, relative", default=1e-6, least=TIGHTEST, most=1e-3
)
MAX_ITERATIONS = Key(
    "max_iterations", "int", "evaluations of a gap equation before a point fails", 200, least=1, effort="none"
)

HOPPING = Key("hopping_meV", "float", "hopping t", above=0)
MU = Key("mu_meV", "float", "chemical potential, 0 in the middle of the band", default=0.0)
SEED = Key("seed", "int", "of the disorder", default=0, least=0)

SUPERCONDUCTOR = Key("superconductor_sites", "int", "thickness of each superconducting layer in sites", least=1)
LAYER_KEYS = (
    Key("dimensions", "int", "2: one direction across, 3: two", default=3, least=2, most=3),
    Key("periodic", "bool", "periodic across the layers' plane", default=True),
    HOPPING,
    Key("spacing_nm", "float", "lattice constant", above=0),
    MU,
)
_TURNS_PI = 8.0  # four turns; what is beyond is in degrees
INTERFACE_KEYS = (Key("transparency", "float", "of each interface", default=1.0, above=0, most=1), SEED)


def phase_key(doc: str, **more: Any) -> Key:
    """Return the key of a phase difference."""
    return Key("phase_pi", "float", doc, least=-_TURNS_PI, most=_TURNS_PI, **more)
