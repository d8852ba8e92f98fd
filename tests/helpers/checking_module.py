"""NumPy behind a wrapper that is as strict as CuPy, and stricter: code that passes copies and waits for nothing.

`CheckingModule` stands where `Backend.xp` is. Its arrays are not NumPy arrays: they refuse implicit conversion,
iteration, NumPy functions, host arrays as operands or as indices, and use as an index. Operations and synchronisations
are counted, views apart: they launch nothing. Assignments through index arrays that name one place twice are refused
unless the values are equal, because the result on a GPU would depend on the order of threads. Only the functions
listed here exist.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from bdg.gpu.backend import Backend

_VIEWS = ("reshape", "swapaxes", "transpose", "ravel", "view")  # nothing is launched
_KERNELS = ("conj", "astype", "copy", "sum", "max", "min", "any", "all", "prod", "mean", "fill")
_ATTRIBUTES = ("shape", "ndim", "dtype", "size", "nbytes", "itemsize", "strides", "flags")
_FUNCTIONS = (
    "abs add arange argsort ascontiguousarray concatenate conj conjugate cumsum einsum empty empty_like exp eye full "
    "isfinite matmul multiply negative nonzero ones sort sqrt stack subtract triu where zeros zeros_like"
).split()
_LINALG = "eigh eigvalsh norm qr slogdet solve svd".split()


class StrictError(TypeError):
    """Something that CuPy refuses, or does at the price of a copy or a wait."""


class CheckingArray:
    """An array that lives "on the device"."""

    __array_ufunc__ = None  # NumPy functions refuse it

    def __init__(self, values: Any, module: CheckingModule) -> None:
        self._values, self._module = np.asarray(values), module

    def __array__(self, *arguments: Any, **keywords: Any) -> np.ndarray:
        raise StrictError("implicit conversion to NumPy; use Backend.to_host")

    def __iter__(self) -> Any:
        raise StrictError("iteration over a device array")

    def __index__(self) -> int:
        raise StrictError("a device scalar as an index")

    def __len__(self) -> int:
        return len(self._values)

    def _wait(self, convert: Any) -> Any:
        self._module.synchronisations += 1
        return convert(self._values)

    def __float__(self) -> float:
        return self._wait(float)

    def __int__(self) -> int:
        return self._wait(int)

    def __complex__(self) -> complex:
        return self._wait(complex)

    def __bool__(self) -> bool:
        return self._wait(bool)

    def item(self) -> Any:
        return self._wait(np.ndarray.item)

    def __getitem__(self, key: Any) -> CheckingArray:
        index = _index(key)
        if _is_view(index):
            self._module.views += 1
        else:
            self._module.operations += 1
        if isinstance(index, np.ndarray) and index.dtype.kind == "b":
            self._module.synchronisations += 1  # the size of the result has to be known
        return CheckingArray(self._values[index], self._module)

    def __setitem__(self, key: Any, value: Any) -> None:
        self._module.operations += 1
        index = _index(key)
        _refuse_duplicates(self._values, index, _operand(value))
        self._values[index] = _operand(value)

    def __getattr__(self, name: str) -> Any:
        if name in _ATTRIBUTES:
            return getattr(self._values, name)
        if name in ("T", "real", "imag"):
            return CheckingArray(getattr(self._values, name), self._module)
        if name in _VIEWS or name in _KERNELS:

            def method(*arguments: Any, **keywords: Any) -> Any:
                self._module.operations += name in _KERNELS
                self._module.views += name in _VIEWS
                return CheckingArray(getattr(self._values, name)(*map(_operand, arguments), **keywords), self._module)

            return method
        raise AttributeError(f"device arrays have no {name!r} here; add it if CuPy has it")


def _binary(name: str, in_place: bool) -> Any:
    def operator(self: CheckingArray, other: Any) -> Any:
        self._module.operations += 1
        result = getattr(self._values, name)(_operand(other))
        if result is NotImplemented:
            return result
        if in_place:
            self._values = result
            return self
        return CheckingArray(result, self._module)

    return operator


def _unary(name: str) -> Any:
    def operator(self: CheckingArray) -> Any:
        self._module.operations += 1
        return CheckingArray(getattr(self._values, name)(), self._module)

    return operator


for _name in "add sub mul truediv pow matmul mod floordiv and or xor".split():
    setattr(CheckingArray, f"__{_name}__", _binary(f"__{_name}__", False))
    setattr(CheckingArray, f"__r{_name}__", _binary(f"__r{_name}__", False))
    setattr(CheckingArray, f"__i{_name}__", _binary(f"__i{_name}__", True))
for _name in "lt le gt ge eq ne".split():
    setattr(CheckingArray, f"__{_name}__", _binary(f"__{_name}__", False))
for _name in "neg abs invert".split():
    setattr(CheckingArray, f"__{_name}__", _unary(f"__{_name}__"))


class CheckingModule:
    """The array module; one per test, so that counts belong to it."""

    __name__ = "checking"

    def __init__(self) -> None:
        self.operations = 0
        self.views = 0
        self.synchronisations = 0
        self.uploads = 0
        self.downloads = 0
        self.free_bytes = 2**33
        runtime = _Namespace({"memGetInfo": lambda: (self.free_bytes, 2**33)})
        self.cuda = _Namespace({"runtime": runtime})
        self.get_default_memory_pool = lambda: _Namespace({"free_bytes": lambda: 0})
        self.linalg = _Namespace({name: self._function(getattr(np.linalg, name)) for name in _LINALG})
        self.linalg.inv = self._inv
        for name in _FUNCTIONS:
            setattr(self, name, self._function(getattr(np, name)))
        self.nonzero = self._nonzero

    def _function(self, function: Any) -> Any:
        def call(*arguments: Any, out: Any = None, **keywords: Any) -> Any:
            self.operations += 1
            keywords = {name: _operand(value) for name, value in keywords.items()}
            result = function(*map(_operand, arguments), **keywords)
            if out is None:
                return self._wrapped(result)
            if function is np.matmul and not out.flags.c_contiguous:
                raise StrictError("matmul(out=) wants a contiguous out")
            out._values[...] = result
            return out

        return call

    def _wrapped(self, result: Any) -> Any:
        if isinstance(result, tuple):
            return tuple(self._wrapped(part) for part in result)
        return CheckingArray(result, self)

    def _inv(self, matrices: CheckingArray) -> CheckingArray:
        """Return inverses; a singular stack gives nan, as CuPy does."""
        self.operations += 1
        try:
            return CheckingArray(np.linalg.inv(_operand(matrices)), self)
        except np.linalg.LinAlgError:
            return CheckingArray(np.full_like(_operand(matrices), np.nan), self)

    def _nonzero(self, condition: CheckingArray) -> tuple[CheckingArray, ...]:
        self.synchronisations += 1  # the size of the result has to be known
        return self._function(np.nonzero)(condition)

    def asarray(self, array: Any, dtype: Any = None) -> CheckingArray:
        """Copy a host array to the "device"; device arrays stay."""
        if isinstance(array, CheckingArray):
            return array if dtype is None else array.astype(dtype)
        self.uploads += 1
        return CheckingArray(np.array(array, dtype=dtype), self)

    def asnumpy(self, array: CheckingArray) -> np.ndarray:
        """Copy back to the host."""
        self.downloads += 1
        self.synchronisations += 1
        return array._values.copy()

    def reset(self) -> None:
        """Set all counts to zero."""
        self.operations = self.views = self.synchronisations = self.uploads = self.downloads = 0


class _Namespace:
    def __init__(self, functions: dict[str, Any]) -> None:
        self.__dict__.update(functions)


def checking_backend() -> tuple[Backend, CheckingModule]:
    """Return a backend that believes in a GPU, and the module that counts."""
    module = CheckingModule()
    return Backend("gpu", "checking module", module), module  # type: ignore[arg-type]


def _operand(value: Any) -> Any:
    if isinstance(value, CheckingArray):
        return value._values
    if isinstance(value, tuple | list):
        return type(value)(_operand(part) for part in value)
    if isinstance(value, np.ndarray) and value.ndim:
        raise StrictError("a host array among device arrays; copy it once with xp.asarray")
    return value


def _index(key: Any) -> Any:
    if isinstance(key, tuple):
        return tuple(_index(part) for part in key)
    if isinstance(key, CheckingArray):
        return key._values
    if isinstance(key, np.ndarray | list):
        raise StrictError("a host index array; copy it once with xp.asarray")
    return key


def _is_view(index: Any) -> bool:
    parts = index if isinstance(index, tuple) else (index,)
    return not any(isinstance(part, np.ndarray) for part in parts)


def _refuse_duplicates(target: np.ndarray, index: Any, value: Any) -> None:
    """Refuse to write two different values to one place."""
    parts = index if isinstance(index, tuple) else (index,)
    named = [axis for axis, part in enumerate(parts) if isinstance(part, np.ndarray) and part.dtype.kind in "iu"]
    if not named:
        return
    together = np.broadcast_arrays(*(parts[axis] for axis in named))
    sizes = [target.shape[axis] for axis in named]
    places = np.ravel_multi_index(tuple(a.ravel() for a in together), sizes, mode="wrap")
    order = np.argsort(places, kind="stable")
    again = np.flatnonzero(places[order][1:] == places[order][:-1])
    if not again.size:
        return
    written = np.broadcast_to(value, target[index].shape)
    if len(named) == len(parts):  # index arrays only, in front: the rest of each place follows
        written = written.reshape(places.size, -1)[order]
        if np.array_equal(written[again], written[again + 1]):
            return
    raise StrictError("an assignment names one place twice: its result depends on the order of threads")
