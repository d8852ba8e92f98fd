"""What a device does in a second, measured in about a second: the rates of `bdg.gpu.cost.model`.

On the host that is one thread, whatever the environment grants to BLAS.
"""

from __future__ import annotations

import dataclasses
import time
from collections.abc import Callable
from typing import Any

import numpy as np
import scipy.sparse as sp

from bdg.gpu.chebyshev.nambu_operator import NambuOperator
from bdg.gpu.cost.model import REFERENCE_WIDTH, Rates, factor_seconds
from bdg.gpu.device.backend import Backend
from bdg.gpu.device.threads import side_by_side, threaded
from bdg.gpu.multifrontal import Factor, SitePattern, analyse, default_settings
from bdg.gpu.multifrontal.imaginary.majorana import MajoranaFactor, MajoranaForm
from bdg.gpu.multifrontal.imaginary.quaternion import QUATERNION_CPU_SETTINGS, QuaternionFactor

_REPEATS = 3


@dataclasses.dataclass(frozen=True)
class Sizes:
    """What is measured: dimensions of dense products and diagonalisations, sites an axis, bytes of a copy."""

    gemm: int
    eigh: int
    sparse: int
    factor: int
    copy: int


SIZES = {"cpu": Sizes(512, 512, 16, 10, 1 << 25), "gpu": Sizes(4096, 2048, 64, 24, 1 << 29)}


def measure(backend: Backend, sizes: Sizes | None = None) -> Rates:
    """Measure the rates of a device; the quickest of a few runs of each, since noise only adds time."""
    sizes = SIZES[backend.device] if sizes is None else sizes
    (found,) = side_by_side(lambda sizes: _measured(backend, sizes, threads=1), [sizes], backend)  # BLAS has one, too
    return found


@threaded
def _measured(backend: Backend, sizes: Sizes, *, threads: int) -> Rates:
    """Measure with so many threads of this package, whoever asks for the rates with more."""
    seconds = _Stopwatch(backend)
    once, again = (_plain_rates(backend, seconds, sizes) for _ in range(2))  # at two times: few disturbances last

    def quickest(name: str) -> dict[str, float]:
        return {key: max(value, getattr(again, name)[key]) for key, value in getattr(once, name).items()}

    copy, call = max(once.copy, again.copy), min(once.call, again.call)
    gemm, eigh, product, column = (quickest(name) for name in ("gemm", "eigh", "product", "column"))
    rates = Rates(backend.device, gemm, eigh, product, column, copy=copy, call=call)
    return dataclasses.replace(rates, forms=_forms(backend, seconds, rates, sizes), origin="measured rates")


def _plain_rates(backend: Backend, seconds: _Stopwatch, sizes: Sizes) -> Rates:
    return Rates(
        backend.device,
        {name: _gemm(backend, seconds, name, sizes) for name in ("f4", "f8", "c16")},
        {name: _eigh(backend, seconds, name, sizes) for name in ("f8", "c16")},
        *_products(backend, seconds, sizes),
        copy=_copy(backend, seconds, sizes),
        call=_call(backend, seconds),
    )


class _Stopwatch:
    """Seconds of a function on a device, the least of a few."""

    def __init__(self, backend: Backend) -> None:
        self._backend = backend
        self._time = time.thread_time if backend.device == "cpu" else time.perf_counter

    def __call__(self, run: Callable[[], Any], repeats: int = _REPEATS) -> float:
        least = np.inf
        for _ in range(repeats):
            self.wait()
            start = self._time()
            run()
            self.wait()
            least = min(least, self._time() - start)
        return max(least, 1e-9)

    def wait(self) -> None:
        if self._backend.device == "gpu" and hasattr(self._backend.xp, "cuda"):
            self._backend.xp.cuda.Device().synchronize()


def _random(backend: Backend, size: int, name: str) -> Any:
    rng = np.random.default_rng(0)
    matrix = rng.standard_normal((size, size))
    return backend.xp.asarray((matrix + (1j * matrix.T if name == "c16" else 0)).astype(name))


def _gemm(backend: Backend, seconds: _Stopwatch, name: str, sizes: Sizes) -> float:
    matrix = _random(backend, sizes.gemm, name)
    operations = (4 if name == "c16" else 1) * 2.0 * sizes.gemm**3
    return operations / seconds(lambda: backend.xp.matmul(matrix, matrix), _REPEATS + 2)


def _eigh(backend: Backend, seconds: _Stopwatch, name: str, sizes: Sizes) -> float:
    matrix = _random(backend, sizes.eigh, name)
    matrix = matrix + matrix.conj().T
    # larger ones run a quarter faster, in units of the dimension cubed
    return 1.25 * sizes.eigh**3 / seconds(lambda: backend.xp.linalg.eigh(matrix), 2)


def _copy(backend: Backend, seconds: _Stopwatch, sizes: Sizes) -> float:
    source = backend.xp.zeros(sizes.copy // 8)
    target = backend.xp.empty_like(source)

    def run() -> None:
        target[...] = source

    return 2.0 * sizes.copy / seconds(run)


def _call(backend: Backend, seconds: _Stopwatch, calls: int = 200) -> float:
    small = backend.xp.ones((4, 8, 8))

    def run() -> None:
        for _ in range(calls):
            backend.xp.matmul(small, small)

    return seconds(run, 10) / calls


def _products(backend: Backend, seconds: _Stopwatch, sizes: Sizes) -> tuple[dict[str, float], dict[str, float]]:
    """Return the rates of steps on a block of columns and on one."""
    normal, _ = _cube(sizes.sparse)
    real = _bdg(normal)
    block: dict[str, float] = {}
    single: dict[str, float] = {}
    for name in ("f4", "f8", "c8", "c16"):
        matrix = real if name[0] == "f" else sp.csr_matrix(real.astype(complex))
        operator = NambuOperator(matrix, 1, backend, single=name in ("f4", "c8"))
        for found, width in ((block, REFERENCE_WIDTH), (single, 1)):
            x, y = operator.zeros(width), operator.zeros(width)
            x[...] = 1
            run = _step(operator, x, y)
            run()
            found[name] = width * (matrix.nnz + 4.0 * matrix.shape[0]) / seconds(run, _REPEATS if width > 1 else 10)
    return block, single


def _step(operator: NambuOperator, x: Any, y: Any) -> Callable[[], Any]:
    return lambda: operator.step(y, x, alpha=0.1, damp=-1.0, dots="squares")


def _forms(backend: Backend, seconds: _Stopwatch, rates: Rates, sizes: Sizes) -> dict[str, float]:
    """Return the seconds of a factorisation of each form relative to the prediction, between 1/2 and 2."""
    normal, positions = _cube(sizes.factor)
    site = SitePattern.of(normal)
    paired = sp.csr_matrix(0.3 * sp.identity(normal.shape[0]))
    small = QUATERNION_CPU_SETTINGS if backend.device == "cpu" else default_settings(backend)
    one, quaternion = (analyse(positions, site, settings) for settings in (default_settings(backend), small))
    takagi, h, d = (site.split(sp.csr_matrix(m)) for m in (normal + 1j * paired, normal, paired))
    rows = np.arange(2 * normal.shape[0]).reshape(2, -1).T
    whole = analyse(positions, SitePattern.of(_bdg(normal), rows), default_settings(backend))
    real = whole.pattern.split(_bdg(normal))
    spinful, form = _majorana(normal, positions, backend)
    runs: dict[str, tuple[Any, bool, Callable[[], Any]]] = {
        "real": (whole, False, lambda: Factor(whole, real, 0.01, backend)),
        "complex": (one, False, lambda: Factor(one, takagi, 0.0, backend)),
        "quaternion": (quaternion, False, lambda: QuaternionFactor(quaternion, h, d, 0.1, backend)),
        "majorana": (spinful, form.signs is None, lambda: MajoranaFactor(spinful, form, 0.1, backend)),
    }
    found = {}
    for name, (symbolic, general, run) in runs.items():
        run()
        ratio = seconds(run) / factor_seconds(rates, symbolic, name, general)
        found[name] = float(np.clip(ratio, 0.5, 2.0))
    return found


def _majorana(normal: sp.csr_matrix, positions: np.ndarray, backend: Backend) -> tuple[Any, MajoranaForm]:
    """Return the symbolic factorisation and the form of the spinful cube, four rows a site."""
    spins = np.array([[0, -1j], [1j, 0]])
    zero = np.zeros((2, 2))
    partner = np.block([[zero, -1j * spins], [1j * spins, zero]])  # tau_y sigma_y
    h = sp.kron(normal, sp.identity(2))
    gap = 0.3 * sp.identity(h.shape[0])
    matrix = sp.csr_matrix(sp.block_array([[h, gap], [gap, -h]]))
    electron = np.arange(h.shape[0]).reshape(-1, 2)
    pattern = SitePattern.of(_connected(normal, electron, h.shape[0]), np.hstack([electron, electron + h.shape[0]]))
    symbolic = analyse(positions, pattern, default_settings(backend))
    return symbolic, MajoranaForm.of(pattern.split(matrix), partner)


def _connected(normal: sp.csr_matrix, electron: np.ndarray, half: int) -> sp.csr_matrix:
    """Return the pattern of all rows of linked sites, in the order (electron | hole)."""
    rows = np.hstack([electron, electron + half])
    blocks = sp.kron(sp.csr_matrix(normal != 0).astype(float), np.ones((4, 4)), format="csr")
    order = np.argsort(rows.ravel())
    return blocks[order][:, order]


def _bdg(normal: sp.csr_matrix) -> sp.csr_matrix:
    gap = 0.3 * sp.identity(normal.shape[0])
    return sp.csr_matrix(sp.block_array([[normal, gap], [gap, -normal]]))


def _cube(size: int) -> tuple[sp.csr_matrix, np.ndarray]:
    """Return a disordered cubic lattice and the positions of its sites."""
    path = sp.diags_array([-np.ones(size - 1), -np.ones(size - 1)], offsets=[-1, 1])
    one = sp.identity(size)
    hopping = sp.kron(sp.kron(path, one), one) + sp.kron(sp.kron(one, path), one) + sp.kron(sp.kron(one, one), path)
    onsite = sp.diags_array(1 + np.random.default_rng(0).random(size**3))
    return sp.csr_matrix(hopping + onsite), np.indices((size,) * 3).reshape(3, -1).T.astype(float)
