"""Memory of this process, now and at its largest."""

from __future__ import annotations

import resource
from pathlib import Path

GIB = 2.0**30


def peak_bytes() -> float:
    """Return the largest resident memory of this process since the last reset."""
    return _status("VmHWM") or float(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss) * 1024


def reset_peak() -> float:
    """Let the peak start anew and return the resident memory at this moment.

    Where the system does not let a process reset its peak, the peak so far is the base line: what the call takes below
    it is then not seen.
    """
    try:
        Path("/proc/self/clear_refs").write_text("5", encoding="ascii")
    except OSError:
        return peak_bytes()
    return resident_bytes()


def resident_bytes() -> float:
    """Return the resident memory of this process at this moment; where the system does not tell, its peak so far."""
    return _status("VmRSS") or peak_bytes()


def _status(name: str) -> float:
    try:
        for line in Path("/proc/self/status").read_text(encoding="ascii").splitlines():
            if line.startswith(f"{name}:"):
                return float(line.split()[1]) * 1024
    except OSError:  # not Linux
        pass
    return 0.0
