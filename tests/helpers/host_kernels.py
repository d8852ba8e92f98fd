"""The CUDA sources compiled for the host, and run through ctypes on arrays in host memory."""

from __future__ import annotations

import ctypes
import os
import shutil
import subprocess
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from bdg.gpu.kernels.launch import Launch

_SHIM = Path(__file__).with_name("host_shim.h")
_FLAGS = "-O1 -std=c++17 -ffp-contract=off -Wall -Wno-unknown-pragmas -Wno-unused-function -fPIC -shared".split()


def require(present: bool, what: str) -> None:
    """Skip a test for want of ``what``; fail where CI=true, because there nothing may be left out."""
    if present:
        return
    if os.environ.get("CI", "").lower() == "true":
        pytest.fail(f"{what} is missing")
    pytest.skip(f"{what} is missing; with CI=true this fails")


def require_compiler() -> str:
    """Return the C++ compiler of the host."""
    found = shutil.which(os.environ.get("CXX", "g++"))
    require(found is not None, "the C++ compiler (g++, or what CXX names)")
    return str(found)


class HostKernels:
    """Kernels of one source in a shared library.

    Parameters
    ----------
    folder : Path
        Where to build; empty.
    source : str
    kernels : tuple of str
        C++ names of the template instances.
    """

    def __init__(self, folder: Path, source: str, kernels: tuple[str, ...]) -> None:
        wrappers = [
            f'extern "C" void run_{n}(const unsigned* shape, void** with) {{ host::launch({kernel}, shape, with); }}\n'
            f'extern "C" int parameters_{n}(int* kinds) {{ return host::parameters({kernel}, kinds); }}'
            for n, kernel in enumerate(kernels)
        ]
        text = folder / "kernels.cpp"
        text.write_text("\n".join([f'#include "{_SHIM}"', source, *wrappers]), encoding="utf-8")
        library = folder / "kernels.so"
        command = [require_compiler(), *_FLAGS, "-o", str(library), str(text)]
        answer = subprocess.run(command, capture_output=True, text=True, timeout=120)
        assert answer.returncode == 0, answer.stderr
        self.warnings = answer.stderr
        self._library = ctypes.CDLL(str(library))
        self._number = {kernel: n for n, kernel in enumerate(kernels)}
        self.launches = 0

    def parameters(self, kernel: str) -> list[int]:
        """Return the bytes of each parameter of a kernel; minus the bytes of one element for pointers."""
        kinds = (ctypes.c_int * 64)()
        n = getattr(self._library, f"parameters_{self._number[kernel]}")(kinds)
        return list(kinds[:n])

    def launch(self, call: Launch) -> None:
        """Run a launch, on NumPy arrays or those of the checking module."""
        self.launches += 1
        arguments = [getattr(argument, "_values", argument) for argument in call.arguments]
        kinds = [-a.itemsize if isinstance(a, np.ndarray) else a.nbytes for a in arguments]
        assert kinds == self.parameters(call.kernel), f"{call.kernel} is called with other types than it declares"
        assert 0 < np.prod(call.block) <= 1024 and 0 < min(call.grid) and max(call.grid[1:]) <= 65535
        shape = (ctypes.c_uint * 6)(*call.grid, *call.block)
        values = [_bytes_of(argument) for argument in arguments]
        addresses = (ctypes.c_void_p * len(values))(*(ctypes.addressof(value) for value in values))
        getattr(self._library, f"run_{self._number[call.kernel]}")(shape, addresses)


def _bytes_of(argument: Any) -> Any:
    """Return a C object with the address of an array, or with the value of a NumPy scalar."""
    if isinstance(argument, np.ndarray):
        return ctypes.c_void_p(argument.ctypes.data)
    return ctypes.create_string_buffer(argument.tobytes(), argument.nbytes)
