"""Physics tests share random systems and dense references with no other folder's tests: both lie in tests/helpers."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "helpers"))
