"""Sizes that fit the dense fronts to a device."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from bdg.gpu.device.backend import Backend


@dataclass(frozen=True, slots=True)
class FrontSettings:
    """Sizes of the level-batched factorisation; results depend on them in rounding only.

    Attributes
    ----------
    leaf : int
        Parts of at most this many sites are factorised without a further cut.
    call_flops : float
        Floating point operations that cost as much as the array calls of one more class of fronts: fronts are padded
        to a common size where this is cheaper.
    chunk : int
        Largest number of matrix elements in one stack of fronts.
    base : int
        Blocks of at most this size are inverted with pivoting (LAPACK, cuSOLVER); larger ones by 2 x 2 recursion.
    upper : int
        Symmetric products of at least this size are formed in row blocks, without the lower triangle; 0 never.
    split : int
        The nodes of so many levels at the top of the tree are taken one after the other, each behind its own subtrees:
        fewer fronts wait at the same time, in more and smaller stacks.
    pivots : int
        Separators of more rows are eliminated in pieces of at most this size; 0: always whole.
    thin_leaves : bool
        Leaves are solved by their inverses and the sparse rest of the matrix
        (`bdg.gpu.multifrontal.factors.thin_leaves`); on the CPU only.
    ordering : {"auto", "positions", "metis"}
        What decides where parts are cut. "auto" takes METIS where it is installed (``bdg[metis]``) and its first
        separator is much smaller than that from positions.
    """

    leaf: int = 32
    call_flops: float = 3e6
    chunk: int = 1 << 21
    base: int = 64
    upper: int = 192
    split: int = 3
    pivots: int = 256
    thin_leaves: bool = False
    ordering: Literal["auto", "positions", "metis"] = "auto"

    def __post_init__(self) -> None:
        for name in ("leaf", "chunk", "base"):
            if getattr(self, name) < 1:
                raise ValueError(f"{name} must be at least 1; got {getattr(self, name)!r}")
        for name in ("split", "pivots"):
            if getattr(self, name) < 0:
                raise ValueError(f"{name} must be at least 0; got {getattr(self, name)!r}")
        if self.ordering not in ("auto", "positions", "metis"):
            raise ValueError(f"ordering must be 'auto', 'positions' or 'metis'; got {self.ordering!r}")


CPU_SETTINGS = FrontSettings(thin_leaves=True)
GPU_SETTINGS = FrontSettings(leaf=64, call_flops=1e10, chunk=1 << 29, upper=0, split=0, pivots=0)


def default_settings(backend: Backend) -> FrontSettings:
    """Return the settings measured to be good on the device of ``backend``."""
    return CPU_SETTINGS if backend.device == "cpu" else GPU_SETTINGS
