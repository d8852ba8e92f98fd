"""One launch of a kernel, and the compiler and launcher of CuPy."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from typing import Any

from bdg.gpu.kernels.source import instances, kernel_source

OPTIONS = ("-std=c++17",)


@dataclass(frozen=True, slots=True)
class Launch:
    """What runs, on which threads, with which arguments.

    Attributes
    ----------
    source : str
        Name of the file.
    kernel : str
        C++ name of the kernel in it.
    grid, block : tuple of int
        Numbers of blocks, and of threads in each.
    arguments : tuple
        Arrays on the device, and NumPy scalars of exactly the types that the kernel declares.
    """

    source: str
    kernel: str
    grid: tuple[int, int, int]
    block: tuple[int, int, int]
    arguments: tuple[Any, ...]


@cache
def cupy_launcher() -> Callable[[Launch], None]:
    """Return what runs launches with CuPy; sources are compiled when first used, CuPy keeps the result on disk."""
    import cupy

    modules: dict[str, Any] = {}
    functions: dict[tuple[str, str], Any] = {}

    def launch(call: Launch) -> None:
        key = call.source, call.kernel
        if key not in functions:
            if call.source not in modules:
                modules[call.source] = cupy.RawModule(
                    code=kernel_source(call.source), options=OPTIONS, name_expressions=instances(call.source)
                )
            functions[key] = modules[call.source].get_function(call.kernel)
        functions[key](call.grid, call.block, call.arguments)

    return launch
