"""Compiling CUDA sources with the NVRTC library of the wheel nvidia-cuda-nvrtc: no GPU, no driver, no CuPy."""

from __future__ import annotations

import ctypes
import importlib.util
from functools import cache
from pathlib import Path


class CompileError(RuntimeError):
    """The compiler refused a source; the text is its log."""


@cache
def library() -> ctypes.CDLL | None:
    """Return NVRTC, or None where the wheel is not installed."""
    spec = importlib.util.find_spec("nvidia")
    for root in spec.submodule_search_locations or [] if spec else []:
        found = sorted(Path(root).glob("*/lib/libnvrtc.so.*"))
        if found:
            return ctypes.CDLL(str(found[-1]))  # finds libnvrtc-builtins beside itself
    return None


def compile_cubin(source: str, architecture: str, options: tuple[str, ...], kernels: tuple[str, ...]) -> bytes:
    """Return the machine code of a source for "sm_90" and kin, with these template instances in it."""
    nvrtc = library()
    assert nvrtc is not None
    program = ctypes.c_void_p()
    _check(nvrtc.nvrtcCreateProgram(ctypes.byref(program), source.encode(), b"kernels.cu", 0, None, None))
    try:
        for kernel in kernels:
            _check(nvrtc.nvrtcAddNameExpression(program, kernel.encode()))
        words = [option.encode() for option in (f"--gpu-architecture={architecture}", *options)]
        failed = nvrtc.nvrtcCompileProgram(program, len(words), (ctypes.c_char_p * len(words))(*words))
        if failed:
            raise CompileError(_text(nvrtc.nvrtcGetProgramLogSize, nvrtc.nvrtcGetProgramLog, program).decode())
        cubin = _text(nvrtc.nvrtcGetCUBINSize, nvrtc.nvrtcGetCUBIN, program)
        for kernel in kernels:
            symbol = ctypes.c_char_p()
            _check(nvrtc.nvrtcGetLoweredName(program, kernel.encode(), ctypes.byref(symbol)))
            assert symbol.value and symbol.value in cubin, f"{kernel} is not in the machine code"
        return cubin
    finally:
        nvrtc.nvrtcDestroyProgram(ctypes.byref(program))


def _text(size_of: ctypes._NamedFuncPointer, get: ctypes._NamedFuncPointer, program: ctypes.c_void_p) -> bytes:
    size = ctypes.c_size_t()
    _check(size_of(program, ctypes.byref(size)))
    text = ctypes.create_string_buffer(size.value)
    _check(get(program, text))
    return text.raw


def _check(code: int) -> None:
    assert not code, f"NVRTC returned error {code}"
