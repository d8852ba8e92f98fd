"""CUDA kernels, the same compiled for the CPU, and their twins in array calls."""

from __future__ import annotations

import functools
from typing import Any

import numpy as np

from bdg.gpu.kernels.compiling import host_library
from bdg.gpu.kernels.host_quaternions import HostQuaternions, blas_address
from bdg.gpu.kernels.host_stacks import HostStacks
from bdg.gpu.kernels.stack_kernels import KernelSet, kernel_set

__all__ = ["HostQuaternions", "KernelSet", "kernel_set", "quaternion_kernels", "stack_kernels"]


def stack_kernels(xp: Any) -> KernelSet | None:
    """Return the operations on stacks for an array module; None for NumPy without compiled kernels."""
    if xp is not np:
        return kernel_set(xp)
    return _host_stacks(host_library().library)


@functools.cache
def _host_stacks(library: Any) -> HostStacks | None:
    return None if library is None else HostStacks(library)


def quaternion_kernels(
    xp: Any, dtype: np.dtype, symmetric: bool, base: int, sizes: list[tuple[int, int]], largest: int = 0
) -> HostQuaternions | None:
    """Return what eliminates and inverts stacks of quaternion fronts in one call; None on a device or uncompiled."""
    library = host_library().library if xp is np else None
    if library is None or blas_address(np.dtype(dtype).name) is None:
        return None
    return HostQuaternions(library, dtype, symmetric, base, sizes, largest)
