"""Adding into fronts and reading from them by the compiled kernels of the CPU; see `bdg.gpu.kernels.stack_kernels`."""

from __future__ import annotations

import ctypes
from typing import Any

import numpy as np

from bdg.gpu.kernels.source import instance
from bdg.gpu.kernels.stack_kernels import exact_index, require_stacks, strides, with_unit_stride


class HostStacks:
    """The operations of a `bdg.gpu.kernels.stack_kernels.KernelSet`, on arrays of the host.

    Parameters
    ----------
    library : ctypes library
        `bdg.gpu.kernels.compiling.host_library`.
    """

    def __init__(self, library: Any) -> None:
        self._library = library
        self._functions: dict[tuple[str, np.dtype], Any] = {}

    def extend_add(self, front: Any, schur: Any, parents: Any, rows: Any, places: Any, upper: bool) -> None:
        """Add ``front[parent, place, place] += schur[child]``; the upper triangles only if ``upper``."""
        self._call("extend_add", front, with_unit_stride(schur), parents, rows, places, int(upper))

    def gather(self, inverse: Any, parents: Any, rows: Any, places: Any, out: Any) -> Any:
        """Set ``out[child] = inverse[parent, place, place]`` and return it; ``out`` None: all children, in order."""
        if out is None:
            size = places.shape[1]
            out = np.empty((*inverse.shape[:-3], rows.size, size, size), inverse.dtype)
        self._call("gather", with_unit_stride(inverse), out, parents, rows, places)
        return out

    def _call(self, name: str, above: Any, below: Any, parents: Any, rows: Any, places: Any, *more: int) -> None:
        function = self._functions.get((name, above.dtype))
        if function is None:
            instance(name, above.dtype)  # refuses other dtypes
            function = self._functions[name, above.dtype] = getattr(self._library, f"{name}_{above.dtype.name}")
        require_stacks(above, below, parents, rows, places)
        n_children, size = places.shape
        distances = (ctypes.c_longlong * 6)(*strides(above), *strides(below))
        indices = exact_index(parents, np.int64), exact_index(rows, np.int64), exact_index(places, np.int32)
        function(
            _address(above),
            _address(below),
            distances,
            *(_address(index) for index in indices),
            ctypes.c_longlong(n_children),
            above.shape[0] if above.ndim == 4 else 1,
            size,
            *more,
        )


def _address(array: Any) -> ctypes.c_void_p:
    return ctypes.c_void_p(array.__array_interface__["data"][0])
