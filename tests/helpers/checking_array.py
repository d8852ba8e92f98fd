"""Arrays "on the device" of the checking array module, and the rules for what may be done to them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

_VIEWS = ("swapaxes", "transpose", "view")  # nothing is launched
_MAYBE = ("conj", "reshape", "ravel", "astype")  # nothing is launched where no copy is needed
_METHODS = {  # and their keyword arguments; out= is not in use
    "conj": "",
    "copy": "order",
    "sum": "axis dtype keepdims",
    "prod": "axis dtype keepdims",
    "mean": "axis dtype keepdims",
    "max": "axis keepdims",
    "min": "axis keepdims",
    "any": "axis keepdims",
    "all": "axis keepdims",
    "fill": "",
    "swapaxes": "",
    "transpose": "",
    "view": "",
    "reshape": "order",
    "ravel": "order",
    "astype": "order casting copy",
}
_ATTRIBUTES = ("shape", "ndim", "dtype", "size", "nbytes", "itemsize", "strides", "flags")


class StrictError(TypeError):
    """Something that CuPy refuses, or does at the price of a copy or a wait."""


@dataclass(eq=False)
class Counts:
    """What a piece of code did on the device."""

    operations: int = 0
    views: int = 0
    synchronisations: int = 0
    uploads: int = 0
    downloads: int = 0
    uploaded_bytes: int = 0
    downloaded_bytes: int = 0
    copies: int = 0
    copied_bytes: int = 0

    @property
    def waits(self) -> int:
        """Synchronisations that no download explains."""
        return self.synchronisations - self.downloads


class CheckingArray:
    """An array that lives "on the device"."""

    __array_ufunc__ = None  # NumPy functions refuse it
    __slots__ = ("_module", "_values")

    def __init__(self, values: Any, module: Any) -> None:
        self._values, self._module = np.asarray(values), module

    @classmethod
    def fresh(cls, values: Any, module: Any) -> CheckingArray:
        """Return what a kernel wrote: in C order, where NumPy keeps the order of its operands."""
        return cls(np.asarray(values, order="C"), module)

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
            return CheckingArray(self._values[index], self._module)
        self._module.operations += 1
        self._module.synchronisations += _masks(index)  # the size of the result has to be known
        return CheckingArray.fresh(self._values[index], self._module)

    def __setitem__(self, key: Any, value: Any) -> None:
        index, new = _index(key), operand_of(value)
        if _is_view(index) and same_memory(self._values[index], new):  # the end of ``a[1:] += b``
            return
        self._module.operations += 1
        self._module.synchronisations += _masks(index)
        if np.iscomplexobj(new) and not np.iscomplexobj(self._values):
            raise StrictError("complex values into a real array lose their imaginary part")
        if self._module.hollow:  # all numbers are zero
            return
        _refuse_duplicates(self._values, index, new)
        self._values[index] = new

    def __getattr__(self, name: str) -> Any:
        if name in _ATTRIBUTES:
            return getattr(self._values, name)
        if name in ("T", "real", "imag"):
            self._module.operations += name == "imag" and self.dtype.kind != "c"  # zeros
            return CheckingArray(getattr(self._values, name), self._module)
        if name not in _METHODS:
            raise AttributeError(f"device arrays have no {name!r} here; add it if CuPy has it")

        def method(*arguments: Any, **keywords: Any) -> Any:
            require_keywords(name, keywords, _METHODS[name])
            result = getattr(self._values, name)(*map(operand_of, arguments), **keywords)
            shared = name in _VIEWS or (name in _MAYBE and np.may_share_memory(result, self._values))
            self._module.operations += not shared
            self._module.views += shared
            return CheckingArray(result, self._module)

        return method


def _binary(name: str, in_place: bool) -> Any:
    def operator(self: CheckingArray, other: Any) -> Any:
        if "matmul" in name:
            pair = (other, self) if name == "__rmatmul__" else (self, other)
            return self._module.matmul(*pair)
        if not isinstance(other, CheckingArray | bool | int | float | complex | np.generic | np.ndarray):
            raise StrictError(f"an operand of type {type(other).__name__}")
        self._module.operations += 1
        result = getattr(self._values, name)(operand_of(other))
        if result is NotImplemented:
            return result
        if in_place:
            self._values = result
            return self
        return CheckingArray.fresh(result, self._module)

    return operator


def _unary(name: str) -> Any:
    def operator(self: CheckingArray) -> Any:
        self._module.operations += 1
        return CheckingArray.fresh(getattr(self._values, name)(), self._module)

    return operator


for _name in "add sub mul truediv pow matmul mod floordiv and or xor".split():
    setattr(CheckingArray, f"__{_name}__", _binary(f"__{_name}__", False))
    setattr(CheckingArray, f"__r{_name}__", _binary(f"__r{_name}__", False))
    if _name != "matmul":
        setattr(CheckingArray, f"__i{_name}__", _binary(f"__i{_name}__", True))
for _name in "lt le gt ge eq ne".split():
    setattr(CheckingArray, f"__{_name}__", _binary(f"__{_name}__", False))
for _name in "neg abs invert".split():
    setattr(CheckingArray, f"__{_name}__", _unary(f"__{_name}__"))


def operand_of(value: Any) -> Any:
    """Return what NumPy takes for an argument: arrays of the device, numbers, and tuples or lists of them."""
    if isinstance(value, CheckingArray):
        return value._values
    if isinstance(value, tuple | list):
        return type(value)(operand_of(part) for part in value)
    if isinstance(value, np.ndarray):
        raise StrictError("a host array among device arrays; copy it once with xp.asarray")
    return value


def _index(key: Any) -> Any:
    if isinstance(key, tuple):
        return tuple(_index(part) for part in key)
    if isinstance(key, CheckingArray):
        if key.dtype.kind not in "iub":
            raise StrictError(f"an index array of {key.dtype}")
        return key._values
    if isinstance(key, np.ndarray | list):
        raise StrictError("a host index array; copy it once with xp.asarray")
    return key


def _is_view(index: Any) -> bool:
    parts = index if isinstance(index, tuple) else (index,)
    return not any(isinstance(part, np.ndarray) for part in parts)


def _masks(index: Any) -> int:
    parts = index if isinstance(index, tuple) else (index,)
    return sum(isinstance(part, np.ndarray) and part.dtype.kind == "b" for part in parts)


def same_memory(first: Any, second: Any) -> bool:
    """Return True if two arrays are one: same place, shape and strides."""
    if not (isinstance(first, np.ndarray) and isinstance(second, np.ndarray)):
        return False
    place = [(x.__array_interface__["data"][0], x.shape, x.strides, x.dtype) for x in (first, second)]
    return place[0] == place[1]


def require_keywords(name: str, keywords: dict[str, Any], allowed: str) -> None:
    unknown = set(keywords) - set(allowed.split())
    if unknown:
        raise StrictError(f"{name} has no argument {sorted(unknown)} here; add it if CuPy has it")
    if any(isinstance(value, np.ndarray) for value in keywords.values()):
        raise StrictError(f"a host array as an argument of {name}")


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
    last_and_together = len(parts) == named[-1] + 1 == named[0] + len(named)
    if last_and_together and all(isinstance(part, slice) for part in parts[: named[0]]):
        # the places stand where the first index array stands, the rest of each place before and behind them
        inside = range(named[0], named[0] + together[0].ndim)
        written = np.moveaxis(written, inside, range(together[0].ndim)).reshape(places.size, -1)[order]
        if np.array_equal(written[again], written[again + 1], equal_nan=written.dtype.kind in "fc"):
            return
    raise StrictError("an assignment names one place twice: its result depends on the order of threads")
