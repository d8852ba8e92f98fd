"""Fronts of quaternion matrices by the compiled kernels of the CPU: one call eliminates or inverts a whole stack.

The library has no matrix products of its own: it is handed the address of SciPy's, as Cython code gets it
(`scipy.linalg.cython_blas`). A call holds no lock of the interpreter.
"""

from __future__ import annotations

import ctypes
import functools
from typing import Any

import numpy as np

from bdg.gpu.kernels.stack_kernels import strides

_POINTER, _LONG = ctypes.c_void_p, ctypes.c_longlong
_ROUTINES = {"float32": "sgemm", "float64": "dgemm"}


class _Shape(ctypes.Structure):
    _fields_ = [(name, ctypes.c_int) for name in ("a", "u", "base", "symmetric")]


class HostQuaternions:
    """Elimination and selected inverse of stacks of fronts in planes (4, n, m, m), on arrays of the host.

    Parameters
    ----------
    library : ctypes library
        `bdg.gpu.kernels.compiling.host_library`.
    dtype : float64 or float32
    symmetric : bool
        All matrices equal their own reversal; only upper triangles of fronts are read.
    base : int
        Matrices of at most this size are inverted with pivoting, larger ones by halves.
    sizes : list of (a, u)
        Rows of pivots and of updates of the stacks that will come.
    largest : int
        Elements of a plane of the largest stack that `empty_front` will be asked for.
    """

    def __init__(
        self,
        library: Any,
        dtype: np.dtype,
        symmetric: bool,
        base: int,
        sizes: list[tuple[int, int]],
        largest: int = 0,
    ) -> None:
        self._dtype, self._symmetric, self._base = np.dtype(dtype), symmetric, base
        self._gemm = _POINTER(blas_address(self._dtype.name))
        self._eliminate = getattr(library, f"eliminate_quaternions_{self._dtype.name}")
        self._eliminate.restype = ctypes.c_double
        self._selected = getattr(library, f"selected_quaternions_{self._dtype.name}")
        self._selected.restype = None
        scratch_of = library.quaternion_scratch
        scratch_of.restype = _LONG
        needed = max((scratch_of(ctypes.byref(self._shape(a, u))) for a, u in sizes), default=0)
        self._scratch = np.empty(needed, self._dtype)
        self._fronts = np.empty(4 * largest, self._dtype)
        self.log_determinant = 0.0

    def empty_front(self, n: int, m: int) -> np.ndarray:
        """Return zeros (4, n, m, m) in the one place where fronts are built: memory asked for anew is slow at first."""
        front = self._fronts[: 4 * n * m * m].reshape(4, n, m, m)
        front[...] = 0
        return front

    def eliminate(self, front: np.ndarray, a: int) -> tuple[Any, Any, Any, Any]:
        """Return Pi (4, n, a, a), and W, V (None if symmetric) and Schur complements if there are updates, else None.

        `log_determinant` grows by log|det| of the blocks of pivots.
        """
        n, u = front.shape[1], front.shape[-1] - a
        self._require(front)
        inverse = np.empty((4, n, a, a), self._dtype)
        forward = np.empty((4, n, a, u), self._dtype) if u else None
        backward = np.empty((4, n, u, a), self._dtype) if u and not self._symmetric else None
        schur = np.empty((4, n, u, u), self._dtype) if u else None
        arrays = front, inverse, forward, backward, schur, self._scratch
        self.log_determinant += self._eliminate(
            self._gemm, ctypes.byref(self._shape(a, u)), _LONG(n), *(_address(x) for x in arrays)
        )
        return inverse, forward, backward, schur

    def selected(
        self,
        inverse: np.ndarray,
        forward: np.ndarray,
        backward: np.ndarray | None,
        outer: np.ndarray,
        whole: np.ndarray,
        is_leaf: bool,
    ) -> np.ndarray | None:
        """Write the rows and columns of pivots of G into ``whole``, and return those below a leaf unless symmetric.

        Parameters
        ----------
        inverse, forward, backward : arrays
            Pi, W and V of `eliminate`.
        outer : array (4, n, u, u)
            G_UU; where the stack is no leaf it may be the corner of ``whole``.
        whole : array (4, n, m, m), of a leaf (4, n, a, m)
        """
        _, n, a, u = forward.shape
        for array in (inverse, forward, whole):
            self._require(array)
        left = np.empty((4, n, u, a), self._dtype) if is_leaf and backward is not None else None
        distances = (_LONG * 3)(*strides(outer))
        arrays = inverse, forward, backward, outer
        self._selected(
            self._gemm,
            ctypes.byref(self._shape(a, u)),
            _LONG(n),
            *(_address(x) for x in arrays),
            distances,
            *(_address(x) for x in (whole, left)),
            int(is_leaf),
            _address(self._scratch),
        )
        return left

    def _shape(self, a: int, u: int) -> _Shape:
        return _Shape(a, u, self._base, self._symmetric)

    def _require(self, array: np.ndarray) -> None:
        if array.dtype != self._dtype or not array.flags.c_contiguous:
            raise ValueError(
                f"planes must be {self._dtype.name} in one piece; got {array.dtype.name}, strides {array.strides}"
            )


@functools.cache
def blas_address(name: str) -> int | None:
    """Return where the matrix product of real matrices of a dtype is; None if there is none with 32-bit integers."""
    try:
        from scipy.linalg import cython_blas

        capsule = cython_blas.__pyx_capi__[_ROUTINES[name]]
    except (ImportError, AttributeError, KeyError):
        return None
    python = ctypes.pythonapi
    python.PyCapsule_GetName.restype, python.PyCapsule_GetName.argtypes = ctypes.c_char_p, [ctypes.py_object]
    python.PyCapsule_GetPointer.restype = ctypes.c_void_p
    python.PyCapsule_GetPointer.argtypes = [ctypes.py_object, ctypes.c_char_p]
    signature = python.PyCapsule_GetName(capsule)
    if signature.replace(b" ", b"").count(b",int*") != 6:
        return None
    return int(python.PyCapsule_GetPointer(capsule, signature))


def _address(array: np.ndarray | None) -> ctypes.c_void_p:
    return _POINTER(None if array is None else array.__array_interface__["data"][0])
