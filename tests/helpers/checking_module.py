"""NumPy behind a wrapper that is as strict as CuPy, and stricter: code that passes copies and waits for nothing.

`CheckingModule` stands where `Backend.xp` is. Its arrays are not NumPy arrays: they refuse implicit conversion,
iteration, NumPy functions, host arrays as operands or as indices, and use as an index. Only what is listed here exists,
with the keyword arguments that CuPy 14 has. Refused are also things that CuPy does at a price: products of two dtypes
(it copies the narrower operand, however large, in the wider one), products into strided arrays, complex numbers into
real arrays. Assignments through index arrays that name one place twice are refused unless the values are equal, because
the result on a GPU would depend on the order of threads.

Counted are operations (array calls; views launch nothing), transfers and their bytes, synchronisations, and the copies
of operands that CuPy makes without being asked: of matrices in products that are not contiguous, of dense operands of
sparse products that are not in Fortran order, and of inputs that overlap an output.
"""

from __future__ import annotations

import sys
import types
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import fields
from typing import Any

import numpy as np
from checking_array import CheckingArray, Counts, StrictError, operand_of, require_keywords, same_memory

from bdg.gpu.device.backend import Backend

__all__ = ["CheckingArray", "CheckingCsr", "CheckingModule", "Counts", "StrictError", "checking_backend", "install"]

_UFUNCS = "add conjugate isfinite negative sqrt subtract".split()  # out= without reservation
_FUNCTIONS = {
    **dict.fromkeys(_UFUNCS, "out dtype casting"),
    "arange": "dtype",
    "concatenate": "axis",
    "empty": "dtype order",
    "empty_like": "dtype",
    "eye": "dtype",
    "stack": "axis",
    "triu": "k",
    "where": "",
    "zeros": "dtype order",
}
_LINALG = {
    "eigh": "",
    "eigvalsh": "",
    "norm": "ord axis keepdims",
    "qr": "mode",
    "slogdet": "",
    "svd": "full_matrices compute_uv",
}
_DTYPES = "?bBhHiIlLqQefdFD"  # of CuPy's arrays


class CheckingModule(Counts):
    """The array module; one per test, so that counts belong to it.

    Parameters
    ----------
    hollow : bool
        Products, inverses and assignments are left out: calls are counted at sizes that would take too long.
    """

    __name__ = "checking"  # not "cupy": kernels of bdg.gpu.kernels run as their twins of array calls

    def __init__(self, hollow: bool = False) -> None:
        super().__init__()
        self.hollow, self.free_bytes = hollow, 2**33
        self.download_sizes: list[int] = []  # bytes of each download
        properties = {"name": b"checking module"}
        runtime = _Namespace(
            {"memGetInfo": lambda: (self.free_bytes, 2**33), "getDeviceProperties": lambda number: properties}
        )
        self.cuda = _Namespace({"runtime": runtime})
        self.get_default_memory_pool = lambda: _Namespace({"free_bytes": lambda: 0})
        linalg = {name: self._function(name, getattr(np.linalg, name), allowed) for name, allowed in _LINALG.items()}
        self.linalg = _Namespace({**linalg, "inv": self._inv})
        for name, allowed in _FUNCTIONS.items():
            setattr(self, name, self._function(name, getattr(np, name), allowed))

    def __getattr__(self, name: str) -> Any:
        raise AttributeError(
            f"no array function {name!r} is in use; add it here if CuPy has it with the same meaning, and a case to "
            "test_array_functions.py"
        )

    def _function(self, name: str, function: Any, allowed: str) -> Any:
        def call(*arguments: Any, **keywords: Any) -> Any:
            self.operations += 1
            require_keywords(name, keywords, allowed)
            out = keywords.pop("out", None)
            operands = [operand_of(argument) for argument in arguments]
            try:
                result = function(*operands, **keywords)
            except np.linalg.LinAlgError:
                result = _not_a_number(function, operands, keywords)
            if out is not None:
                return self._written(result, out, operands)
            return self._wrapped(result, column_major=name in ("qr", "eigh"))

        return call

    def _written(self, result: np.ndarray, out: CheckingArray, operands: list[Any]) -> CheckingArray:
        """Write into ``out`` what a function gives, by CuPy's rules."""
        if not isinstance(out, CheckingArray):
            raise StrictError("out= takes a device array")
        if result.shape != out.shape or not np.can_cast(result.dtype, out.dtype, "same_kind"):
            raise StrictError(f"out= is {out.dtype} {out.shape}, the result {result.dtype} {result.shape}")
        for operand in operands:
            if isinstance(operand, np.ndarray) and not same_memory(operand, out._values):
                self._note_copy(operand, np.may_share_memory(operand, out._values))
        if not self.hollow:
            out._values[...] = result
        return out

    def _note_copy(self, operand: np.ndarray, copied: bool) -> None:
        self.copies += copied
        self.copied_bytes += copied * operand.nbytes

    def matmul(self, left: Any, right: Any, out: CheckingArray | None = None) -> CheckingArray:
        """Multiply matrices or stacks of them; operands that are not stored as cuBLAS needs them are copied."""
        self.operations += 1
        if not (isinstance(left, CheckingArray) and isinstance(right, CheckingArray)):
            raise StrictError("a product of matrices takes two device arrays")
        if left.dtype != right.dtype:
            raise StrictError(f"a product of {left.dtype} and {right.dtype}: CuPy copies one in the other's dtype")
        if out is not None and not (out.flags.c_contiguous and out.dtype == left.dtype):
            raise StrictError("matmul(out=) wants a contiguous out of the operands' dtype")
        stacked = max(left.ndim, right.ndim) > 2
        for flags, operand in ((x.flags, x._values) for x in (left, right)):
            self._note_copy(operand, not (flags.c_contiguous or (flags.f_contiguous and not stacked)))
        if self.hollow:
            shape = np.broadcast_shapes(left.shape[:-2], right.shape[:-2])
            result = np.zeros((*shape, left.shape[-2], right.shape[-1]), left.dtype)
        else:
            result = np.matmul(left._values, right._values)
        if out is None:
            return CheckingArray(result, self)
        return self._written(result, out, [])

    def _wrapped(self, result: Any, column_major: bool = False) -> Any:
        """Return results on the device, in the order in which CuPy has them."""
        if isinstance(result, tuple):
            return tuple(self._wrapped(part, column_major) for part in result)
        if column_major and np.ndim(result) > 1:
            return CheckingArray(np.ascontiguousarray(result.swapaxes(-1, -2)).swapaxes(-1, -2), self)
        return CheckingArray.fresh(result, self)

    def _inv(self, matrices: CheckingArray) -> CheckingArray:
        """Return inverses; a singular stack gives nan, as CuPy does."""
        self.operations += 1
        values = matrices._values
        if self.hollow:
            return CheckingArray(np.zeros_like(values), self)
        try:
            return CheckingArray(np.linalg.inv(values), self)
        except np.linalg.LinAlgError:
            return CheckingArray(np.full_like(values, np.nan), self)

    def nonzero(self, condition: CheckingArray) -> tuple[CheckingArray, ...]:
        """Return the places of what is not zero; waits, because the size of the result has to be known."""
        self.operations += 1
        self.synchronisations += 1
        return self._wrapped(np.nonzero(condition._values))

    def ascontiguousarray(self, array: CheckingArray) -> CheckingArray:
        """Copy what is not contiguous."""
        already = array.flags.c_contiguous
        self.operations += not already
        return array if already else CheckingArray(array._values.copy(), self)

    def asarray(self, array: Any, dtype: Any = None) -> CheckingArray:
        """Copy a host array to the "device"; device arrays stay."""
        if isinstance(array, CheckingArray):
            return array if dtype is None else array.astype(dtype, copy=False)
        values = np.array(array, dtype=dtype)
        if values.dtype.char not in _DTYPES:
            raise StrictError(f"CuPy has no arrays of {values.dtype}")
        self.uploads += 1
        self.uploaded_bytes += values.nbytes
        return CheckingArray(values, self)

    def asnumpy(self, array: CheckingArray) -> np.ndarray:
        """Copy back to the host."""
        if not isinstance(array, CheckingArray):
            raise StrictError(f"{type(array).__name__} is on the host already: something was computed there")
        self.downloads += 1
        self.downloaded_bytes += array.nbytes
        self.download_sizes.append(array.nbytes)
        self.synchronisations += 1
        return array._values.copy()

    def counts(self) -> Counts:
        """Return the counts so far."""
        return Counts(*(getattr(self, item.name) for item in fields(Counts)))

    def reset(self) -> None:
        """Set all counts to zero."""
        self.download_sizes.clear()
        for item in fields(Counts):
            setattr(self, item.name, 0)

    @contextmanager
    def counting(self) -> Iterator[Counts]:
        """Count what happens inside; the counts are complete when the block ends."""
        before, inside = self.counts(), Counts()
        yield inside
        for item in fields(Counts):
            setattr(inside, item.name, getattr(self, item.name) - getattr(before, item.name))


class CheckingCsr:
    """A CSR matrix "on the device": what of cupyx.scipy.sparse.csr_matrix is in use."""

    __array_ufunc__ = None
    ndim = 2

    def __init__(self, matrix: Any, module: CheckingModule) -> None:
        if getattr(matrix, "format", "") != "csr" or matrix.dtype.char not in "fdFD":
            raise StrictError("a SciPy CSR matrix of real or complex floating point numbers is wanted")
        self._matrix, self._module, self._looked_up = matrix.copy(), module, False
        self.shape, self.dtype, self.nnz = matrix.shape, matrix.dtype, matrix.nnz
        module.uploads += 3
        module.uploaded_bytes += matrix.data.nbytes + matrix.indices.nbytes + matrix.indptr.nbytes

    def __matmul__(self, columns: CheckingArray) -> CheckingArray:
        """Return the product in Fortran order, in which cuSPARSE also wants the columns."""
        module = self._module
        if not isinstance(columns, CheckingArray) or columns.ndim not in (1, 2):
            raise StrictError("a sparse product takes a device array of one or two dimensions")
        if columns.dtype != self.dtype:
            raise StrictError(f"a product of sparse {self.dtype} and {columns.dtype}: CuPy copies one of them")
        module.operations += 1
        module.synchronisations += not self._looked_up  # CuPy asks once whether the format is canonical
        self._looked_up = True
        module._note_copy(columns._values, not columns.flags.f_contiguous)
        return CheckingArray(np.asfortranarray(self._matrix @ columns._values), module)


class _Namespace:
    def __init__(self, functions: dict[str, Any]) -> None:
        self.__dict__.update(functions)


def checking_backend(hollow: bool = False) -> tuple[Backend, CheckingModule]:
    """Return a backend that believes in a GPU, and the module that counts."""
    module = CheckingModule(hollow)
    return Backend("gpu", "checking module", module), module  # type: ignore[arg-type]


def install(monkeypatch: Any, module: CheckingModule) -> None:
    """Let ``import cupy`` and `select_backend` find the module, as if there were a GPU."""
    sparse = types.ModuleType("cupyx.scipy.sparse")
    sparse.csr_matrix = lambda matrix: CheckingCsr(matrix, module)  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "cupy", module)
    for name in ("cupyx", "cupyx.scipy"):
        monkeypatch.setitem(sys.modules, name, types.ModuleType(name))
    monkeypatch.setitem(sys.modules, "cupyx.scipy.sparse", sparse)


def _not_a_number(function: Any, operands: list[Any], keywords: dict[str, Any]) -> Any:
    """Return the result for the unit matrix, filled with nan: CuPy raises nothing where LAPACK gives up."""
    matrices = operands[0]
    unit = np.broadcast_to(np.eye(matrices.shape[-2], matrices.shape[-1], dtype=matrices.dtype), matrices.shape)
    result = function(unit, *operands[1:], **keywords)
    parts = result if isinstance(result, tuple) else (result,)
    spoilt = tuple(np.full_like(part, np.nan) for part in parts)
    return spoilt if isinstance(result, tuple) else spoilt[0]
