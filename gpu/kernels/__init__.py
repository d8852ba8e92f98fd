"""CUDA kernels, the same compiled for the CPU, and their twins in array calls."""

from __future__ import annotations

from typing import Any

import numpy as np

from bdg.gpu.kernels.compiling import host_library
from bdg.gpu.kernels.host_stacks import HostStacks
from bdg.gpu.kernels.stack_kernels import KernelSet, kernel_set

__all__ = ["KernelSet", "kernel_set", "stack_kernels"]


def stack_kernels(xp: Any) -> KernelSet | None:
    """Return the operations on stacks for an array module; None for NumPy without compiled kernels."""
    if xp is not np:
        return kernel_set(xp)
    library = host_library().library
    return None if library is None else HostStacks(library)
