"""What a timing depends on besides the code: processor, threads, versions. No names of machines, no dates."""

from __future__ import annotations

import os
import platform

from bdg.gpu.cost.calibration import processor
from bdg.jobs.folder.provenance import installed_version, package_versions

PEERS = ("pypardiso", "mkl", "bodge")


def description() -> str:
    """Return machine, BLAS threads and versions as Markdown."""
    usable = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    versions = {name: found for name, found in package_versions().items() if found and name != "bdg"}
    versions |= {name: found for name in PEERS if (found := installed_version(name))}
    listed = ", ".join(f"{name} {found}" for name, found in versions.items())
    return (
        f"Machine: {processor()}, {usable} cores, {platform.system()}. Every computation in a process of its own with "
        f"one BLAS thread unless it says two, on the CPU; float64 unless stated. Versions: {listed}."
    )
