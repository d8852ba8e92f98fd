"""What a timing depends on besides the code: processor, threads, versions, GPU."""

from __future__ import annotations

import os
import platform

from bdg.gpu.backend import select_backend
from bdg.jobs.provenance import package_versions

_THREADS = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")


def description() -> str:
    """Return machine, BLAS threads, versions and device, three lines."""
    usable = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    threads = ", ".join(f"{name} = {os.environ[name]}" for name in _THREADS if name in os.environ)
    versions = ", ".join(f"{name} {found}" for name, found in package_versions().items() if found)
    device = select_backend("auto").device_name
    return (
        f"machine: {_processor()}, {usable} cores, {platform.platform()}\n"
        f"BLAS threads: {threads or 'as many as the library likes'}; device 'auto': {device}\n"
        f"versions: {versions}"
    )


def _processor() -> str:
    try:
        with open("/proc/cpuinfo", encoding="ascii", errors="replace") as lines:
            for line in lines:
                if line.startswith("model name"):
                    return line.partition(":")[2].strip()
    except OSError:  # not Linux
        pass
    return platform.processor() or platform.machine()
