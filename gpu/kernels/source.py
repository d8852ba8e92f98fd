"""The CUDA sources of the kernels, as text, and the instances of their templates."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

CPP_TYPES = {"float32": "float", "float64": "double", "complex64": "Complex<float>", "complex128": "Complex<double>"}
TEMPLATES = {"extend_add": ("extend_add", "gather"), "chebyshev": ("nambu_step",)}  # of each file; all take one type

_FOLDER = Path(__file__).parent


def kernel_source(name: str) -> str:
    """Return the text of ``name``.cuh with what it needs before it, so that it compiles without any header."""
    return "\n".join((_FOLDER / f"{part}.cuh").read_text(encoding="utf-8") for part in ("complex", name))


def instance(template: str, dtype: Any) -> str:
    """Return the C++ name of a kernel for a dtype.

    Raises
    ------
    TypeError
        If there are no kernels for the dtype.
    """
    name = np.dtype(dtype).name
    if name not in CPP_TYPES:
        raise TypeError(f"kernels take arrays of {', '.join(CPP_TYPES)}; got {name}. Convert the array with astype")
    return f"{template}<{CPP_TYPES[name]}>"


def instances(name: str) -> tuple[str, ...]:
    """Return the C++ names of all kernels in ``name``.cuh."""
    return tuple(instance(template, dtype) for template in TEMPLATES[name] for dtype in CPP_TYPES)
