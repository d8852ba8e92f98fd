"""Tests of the published names share independent algebra and small systems: both lie in tests/helpers."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "helpers"))
