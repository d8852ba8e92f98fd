"""CUDA kernels and their twins in array calls."""

from bdg.gpu.kernels.stack_kernels import KernelSet, kernel_set

__all__ = ["KernelSet", "kernel_set"]
