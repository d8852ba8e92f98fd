"""CUDA kernels and their twins in array calls."""

from bdg.gpu.kernels.kernel_set import KernelSet, kernel_set

__all__ = ["KernelSet", "kernel_set"]
