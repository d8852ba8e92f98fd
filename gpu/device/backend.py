"""Which device computes: chosen once, openly. Importing this module never touches a GPU."""

from __future__ import annotations

from dataclasses import dataclass
from types import ModuleType
from typing import Any, Literal

import numpy as np


class BackendUnavailableError(RuntimeError):
    """The requested device, or a method on it, is not available on this machine.

    Examples
    --------
    >>> import bdg
    >>> from bdg.lattices import Layer, stack
    >>> chain = stack([Layer(20, delta=0.3)])
    >>> try:
    ...     states = bdg.bound_states(chain, 2, device="gpu")
    ... except bdg.BackendUnavailableError:  # its text has the reason
    ...     states = bdg.bound_states(chain, 2, device="cpu")
    >>> print(states.energies.round(3))
    [-0.335  0.335]
    """


class MemoryBudgetError(MemoryError):
    """The computation does not fit into the memory at hand; the text says what would fit.

    Examples
    --------
    >>> import bdg
    >>> from bdg.lattices import Layer, stack
    >>> film = stack([Layer(400, delta=0.3)], (400,))
    >>> try:
    ...     bdg.bound_states(film, method="dense")
    ... except bdg.MemoryBudgetError as error:
    ...     print(str(error).partition(" needs")[0])
    dense diagonalisation of dimension 320000
    """


@dataclass(frozen=True, slots=True)
class Backend:
    """Array module together with the device that its arrays live on."""

    device: Literal["cpu", "gpu"]
    device_name: str  # after an "auto" fallback: "cpu: " and the reason
    xp: ModuleType

    def to_host(self, array: Any) -> np.ndarray:
        """Return ``array`` as a NumPy array; the one place that copies back from the device."""
        return np.asarray(array) if self.device == "cpu" else self.xp.asnumpy(array)

    def csr(self, matrix: Any, dtype: Any) -> Any:
        """Return a SciPy CSR matrix as a CSR matrix of this device in the given dtype."""
        if self.device == "cpu":
            return matrix.astype(dtype)
        from cupyx.scipy.sparse import csr_matrix

        return csr_matrix(matrix.astype(dtype))


def select_backend(device: str = "auto") -> Backend:
    """Return the backend for "cpu", "gpu" or "auto" (a GPU if one works, else the CPU with the reason kept).

    Raises
    ------
    ValueError
        If ``device`` is another word.
    BackendUnavailableError
        If "gpu" was asked for and CuPy or a CUDA device is missing.
    """
    if device not in ("auto", "cpu", "gpu"):
        raise ValueError(f"device must be 'auto', 'cpu' or 'gpu'; got {device!r}")
    if device == "cpu":
        return Backend("cpu", "cpu", np)
    try:
        import cupy

        name = cupy.cuda.runtime.getDeviceProperties(0)["name"].decode()
    except (ImportError, RuntimeError) as error:  # CUDARuntimeError is a RuntimeError
        if device == "auto":
            return Backend("cpu", f"cpu: no usable GPU ({error})", np)
        raise BackendUnavailableError(
            f"device='gpu' was requested, but there is no usable GPU ({error}). Use device='cpu', or run on a machine "
            "with a CUDA device after `pip install 'bdg[gpu]'`."
        ) from error
    return Backend("gpu", name, cupy)


def gpu_count() -> int:
    """Return how many GPUs this process may use; 0 where there is none."""
    if select_backend("auto").device == "cpu":
        return 0
    import cupy

    return int(cupy.cuda.runtime.getDeviceCount())
