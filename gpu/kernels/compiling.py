"""The kernels compiled for the processor at hand: one text for GPU and CPU, a C++ compiler, a file in the user's cache.

The library is built when it is first needed, or ahead by ``bdg info``, on the machine that will run it: it uses all
instructions of its processor, which a wheel may not. The file stands in ``$BDG_KERNELS``, else in ``bdg`` below the
user's cache folder (``$XDG_CACHE_HOME`` or ``~/.cache``); its name holds text, compiler and processor.
``BDG_KERNELS=off`` builds and loads nothing. Without a compiler SciPy does the same, slower.
"""

from __future__ import annotations

import ctypes
import functools
import hashlib
import os
import platform
import shutil
import subprocess
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bdg.gpu.kernels.source import kernel_source

VARIABLE = "BDG_KERNELS"
_OFF = ("off", "0", "none")
# every statement of the source holds one product that may be fused with a sum, so that fusing rounds all widths alike
_FLAGS = (
    "-O3",
    "-march=native",
    "-std=c++17",
    "-ffp-contract=fast",
    "-fno-math-errno",
    "-fvisibility=hidden",
    "-fPIC",
    "-shared",
    "-pthread",
)
_MACROS = "#define BDG_HOST\n#define __device__ __attribute__((always_inline))\n"
_OWN = (
    "host_lanes.h",
    "host_crew.h",
    "host_step.cpp",
    "host_stacks.cpp",
    "host_quaternions.cpp",
    "host_sweep.cpp",
)
_SECONDS = 120


@dataclass(frozen=True, eq=False)
class HostLibrary:
    """What runs the kernels on the CPU.

    Attributes
    ----------
    library : ctypes library, or None where there is none
    about : str
        Which one, or why none.
    """

    library: Any
    about: str


def host_source() -> str:
    """Return the text of the library: the kernels of the GPU, registers for columns, and the calls from outside."""
    folder = Path(__file__).parent
    own = [(folder / name).read_text(encoding="utf-8") for name in _OWN]
    return "\n".join([_MACROS, kernel_source("chebyshev"), *own])


@functools.cache
def host_library() -> HostLibrary:
    """Return the library of this machine, built if it is not there."""
    place = os.environ.get(VARIABLE, "")
    if place.lower() in _OFF:
        return HostLibrary(None, f"SciPy: {VARIABLE}={place}")
    compiler = shutil.which(os.environ.get("CXX", "") or "c++") or shutil.which("g++") or shutil.which("clang++")
    if compiler is None:
        return HostLibrary(None, "SciPy: no C++ compiler (c++, g++, clang++, or what CXX names)")
    try:
        path = _built(compiler, Path(place) if place else _cache())
        return HostLibrary(ctypes.CDLL(str(path)), f"compiled by {Path(compiler).name} for this processor")
    except (OSError, subprocess.SubprocessError) as error:
        return HostLibrary(None, f"SciPy: the kernels could not be compiled ({str(error).splitlines()[0]:.200})")


def _cache() -> Path:
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "bdg"


def _built(compiler: str, folder: Path) -> Path:
    """Return the library for text, compiler and processor; it appears whole, whoever else builds it then."""
    text = host_source()
    version = subprocess.run([compiler, "--version"], capture_output=True, text=True, timeout=_SECONDS).stdout
    about = "\n".join([text, version, *_FLAGS, _processor()])
    path = folder / f"kernels-{hashlib.sha256(about.encode()).hexdigest()[:16]}.so"
    if path.exists():
        return path
    folder.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=folder) as work:
        source, made = Path(work) / "kernels.cpp", Path(work) / "kernels.so"
        source.write_text(text, encoding="utf-8")
        command = [compiler, *_FLAGS, "-o", str(made), str(source)]
        answer = subprocess.run(command, capture_output=True, text=True, timeout=_SECONDS)
        if answer.returncode:
            raise OSError(f"{Path(compiler).name} failed: {answer.stderr.strip() or answer.returncode}")
        made.replace(path)
    return path


def _processor() -> str:
    """Return the machine and the instructions that its processor knows."""
    try:
        with open("/proc/cpuinfo", encoding="ascii", errors="replace") as lines:
            known = sorted({line.split(":", 1)[1].strip() for line in lines if line.startswith(("flags", "Features"))})
    except OSError:
        known = [platform.processor()]
    return "\n".join([platform.machine(), *known])
