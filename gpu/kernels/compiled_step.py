"""The step of a recursion on the CPU by the compiled kernel: h and D only, all columns of a site in registers."""

from __future__ import annotations

import ctypes
from typing import Any

import numpy as np

from bdg.gpu.device.threads import threads_granted, threads_taken
from bdg.gpu.kernels.nambu_step import DOTS, Dots, SparseRows, check_vectors

_POINTERS, _INTEGERS, _REALS = 11, 5, 4
_ARGUMENTS = [
    *[ctypes.c_void_p] * _POINTERS,
    ctypes.c_longlong,
    *[ctypes.c_int] * (_INTEGERS - 1),
    *[ctypes.c_double] * _REALS,
    *[ctypes.c_int] * 2,
]
WORTH_THREADS = 1 << 16  # elements of a vector: below, a step takes less than some wake-ups


class CompiledStep:
    """The step as one call of the library.

    Parameters
    ----------
    normal : SparseRows
        h (norbs N, norbs N), index ``norbs * site + spin``.
    delta : array (N,) or None
        On-site pairing.
    pairing : SparseRows or None
        Further pairing, of the shape of h.
    norbs : int
    library : ctypes library
        `bdg.gpu.kernels.compiling.host_library`.
    """

    def __init__(
        self, normal: SparseRows, delta: np.ndarray | None, pairing: SparseRows | None, norbs: int, library: Any
    ) -> None:
        self._norbs, self._dtype = norbs, normal.values.dtype
        further = normal if pairing is None else pairing  # not read where there is none
        self._kept = (
            *(normal.starts, normal.columns, normal.values, normal.values if delta is None else delta),
            *(further.starts, further.columns, further.values),
        )
        self._addresses = [array.ctypes.data for array in self._kept]
        self._present = delta is not None, pairing is not None
        self._call = getattr(library, f"nambu_step_{self._dtype.name}")
        self._call.argtypes, self._call.restype = _ARGUMENTS, None

    def step(
        self,
        y: Any,
        x: Any,
        *,
        alpha: float,
        beta: float = 0.0,
        gamma: float = 0.0,
        z: Any = None,
        damp: float = 0.0,
        dots: Dots = "none",
    ) -> Any:
        """See `bdg.gpu.kernels.nambu_step.NambuStep`."""
        check_vectors(y, x, z, gamma, self._norbs, dots)
        if x.dtype != self._dtype:
            raise TypeError(f"vectors must be {self._dtype}, as H is; got {x.dtype}")
        n_columns = x.shape[2]
        sums = np.zeros((n_columns, 2))
        self._call(
            _address(y),
            _address(x),
            _address(x if z is None else z),
            *self._addresses,
            _address(sums),
            self._norbs * x.shape[0],
            n_columns,
            self._norbs,
            *self._present,
            alpha,
            beta,
            gamma,
            damp,
            DOTS[dots],
            threads_taken(threads_granted() if x.size >= WORTH_THREADS else 1),
        )
        return None if dots == "none" else sums


def _address(array: np.ndarray) -> int:
    return array.__array_interface__["data"][0]  # a third of the time of `array.ctypes.data`
