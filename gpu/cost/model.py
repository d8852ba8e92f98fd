r"""How long the parts of a computation take on a device: seconds from counted operations and measured rates.

Everything here is about one thread of the host; `bdg.gpu.cost.shared` says what several make of it. Methods are
compared on one thread, so that a choice, and with it a result, does not depend on how many there are.

A factorisation takes

.. math:: t = q_{form} \Big( n_{stacks} \, c \, t_{call} + \frac{w \, flops + 2 b \sum a^3}{r_{gemm}}
              + p \, \frac{bytes}{r_{copy}} \Big)

with constants c, w, b, p of the algorithm, the sizes a of the base blocks that are inverted, and the machine's rates; q
corrects each number system by one factorisation of a small cube. The rates come from `bdg.gpu.cost.calibration`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from bdg.gpu.cost.shared import FROM_MEMORY, Shared
from bdg.gpu.multifrontal import Symbolic
from bdg.gpu.multifrontal.factors.predicted_memory import predict_memory

FORMS = ("real", "complex", "quaternion", "majorana")
CLEARLY = 0.8  # a method replaces one that is preferred where it takes less than this share of its time
SINGLE = 0.6  # seconds of a factorisation in single precision, relative to double
_STEPS = 4  # rates are rounded to so many steps a factor of two


@dataclass(frozen=True)
class _Form:
    """How a number system enters.

    Real products of a pair of elements, bytes of an element; for a factorisation and for a selected inverse array calls
    of a stack, copies of every front, and the operations that are done relative to those counted at the rate of large
    products: fewer where only half of a symmetric product is formed. Inverting the base blocks takes ``base`` times
    their cubes at that rate.
    """

    products: float
    dtype: str
    bytes: float
    calls: tuple[float, float]
    passes: tuple[float, float]
    work: tuple[float, float]
    base: float
    half: float  # of the work of a factorisation where symmetric products are formed by half


# fitted to cubes of 5^3 to 22^3 sites, films of 40 x 40 x 6 and 60 x 60 x 4, planes of 90 x 90 and 140 x 60, bars of
# 80 x 10 x 10 and 450 x 6 x 3, a strip of 1803 x 4 and a chain of 3000, all of them within a quarter
_FORMS = {
    "real": _Form(1, "f8", 8, (28, 6), (9.7, 8.4), (0.9, 0.81), 8.4, 0.55),
    "complex": _Form(4, "c16", 16, (38, 6), (11.6, 8.4), (0.9, 0.81), 13.0, 0.57),
    "quaternion": _Form(8, "f8", 32, (71, 44), (17.5, 17.5), (1.1, 0.75), 190.0, 0.7),
    "majorana": _Form(1, "f8", 8, (60, 40), (9.7, 8.4), (0.9, 0.81), 8.4, 0.55),
}
# of a solve: array calls of a stack, passes over the factors, share of large products for one column and for many
_SWEEP_CALLS, _SWEEP_PASSES, _SWEEP_SHARE, _SWEEP_WIDTH = 15.0, 4.5, 0.5, 4.0
_ANALYSIS_CALLS, _ANALYSIS_SITES = 5.0, 1000.0  # array calls of a site, and sites that what is fixed is worth
_WORTH_PARTS = 2e8  # operations of a tree that threads take in parts
REFERENCE_WIDTH = 32  # columns of the block that the rate of sparse products is measured with


@dataclass(frozen=True)
class Rates:
    """What a device does in a second.

    Attributes
    ----------
    device : str
        "cpu" or "gpu".
    gemm : mapping
        Real operations of large dense products by dtype "f4", "f8", "c16" (a complex multiply-add is four real ones).
    eigh : mapping
        Dimension cubed of a dense diagonalisation by dtype "f8", "c16".
    product : mapping
        Columns times (non-zero elements + 4 rows) of a step with a sparse matrix by dtype "f4", "f8", "c8", "c16", on
        blocks of `REFERENCE_WIDTH` columns.
    column : mapping
        The same on one column: what reading the matrix costs shows there, most in real and single precision.
    copy : float
        Bytes, read and written ones counted.
    call : float
        Seconds of an array call on a few numbers.
    forms : mapping
        Seconds of a factorisation relative to what the other rates predict, for each of `FORMS`.
    origin : str
        "measured", "kept from an earlier measurement" or why the built-in ones are taken; for the evidence.
    """

    device: str
    gemm: Mapping[str, float]
    eigh: Mapping[str, float]
    product: Mapping[str, float]
    column: Mapping[str, float]
    copy: float
    call: float
    forms: Mapping[str, float] = field(default_factory=lambda: dict.fromkeys(FORMS, 1.0))
    origin: str = "built-in rates"

    def rounded(self) -> Rates:
        """Return the rates in steps of about a fifth, so that noise of a measurement hardly shows in a choice."""
        many = {name: {key: _coarse(value) for key, value in getattr(self, name).items()} for name in _MAPPINGS}
        return Rates(self.device, **many, copy=_coarse(self.copy), call=_coarse(self.call), origin=self.origin)

    def only(self, name: str) -> Rates:
        """Return rates by which nothing takes any time but what goes by this one, "copy" or "call"."""
        free: dict[str, Any] = {other: dict.fromkeys(getattr(self, other), np.inf) for other in _MAPPINGS[:-1]}
        free |= {"copy": np.inf} if name == "call" else {"call": 0.0}
        return replace(self, **free)


_MAPPINGS = ("gemm", "eigh", "product", "column", "forms")


def _coarse(value: float) -> float:
    return float(2.0 ** (round(_STEPS * np.log2(value)) / _STEPS))


# one core of a server of 2020; a GPU with 40 TFLOP/s in double precision and 4 TB/s, from its data sheet, not measured
BUILT_IN = {
    "cpu": Rates(
        "cpu",
        {"f4": 1.2e11, "f8": 5.8e10, "c16": 6.0e10},
        {"f8": 6.9e9, "c16": 1.9e9},
        {"f4": 9e9, "f8": 6e9, "c8": 2.7e9, "c16": 1.55e9},
        {"f4": 8e8, "f8": 8.5e8, "c8": 5.5e8, "c16": 6e8},
        copy=3.8e10,
        call=1.1e-6,
    ),
    "gpu": Rates(
        "gpu",
        {"f4": 5e13, "f8": 4e13, "c16": 4e13},
        {"f8": 5e10, "c16": 2e10},
        {"f4": 2.4e12, "f8": 1.2e12, "c8": 1.2e12, "c16": 6e11},
        {"f4": 2.5e11, "f8": 1.3e11, "c8": 1.3e11, "c16": 6.3e10},
        copy=4e12,
        call=1e-5,
    ),
}


# ------------------------------------------------------------------------------------------------------------- seconds


def kind(dtype: Any) -> str:
    """Return the name of a dtype in `Rates`: "f8" or "c16", in single precision "f4" or "c8"."""
    return np.dtype(dtype).str[1:]


def eigh_seconds(rates: Rates, dimension: int, dtype: Any) -> float:
    """Return the seconds of a dense diagonalisation with eigenvectors."""
    return 20 * rates.call + float(dimension) ** 3 / rates.eigh[kind(dtype)]


def product_seconds(
    rates: Rates, nnz: int, n_rows: int, columns: float, dtype: Any, width: float = REFERENCE_WIDTH
) -> float:
    """Return the seconds of steps of a recursion with a sparse matrix: ``columns`` in all, ``width`` at a time.

    A block takes the time of one column and the same again and again for each further one: a line through the two
    widths that are measured.
    """
    one, many = 1.0 / rates.column[kind(dtype)], REFERENCE_WIDTH / rates.product[kind(dtype)]
    further = max(0.0, many - one) / (REFERENCE_WIDTH - 1)
    return columns / width * (one + further * (width - 1)) * (nnz + 4.0 * n_rows)


def factor_seconds(rates: Rates, symbolic: Symbolic, form: str, general: bool = False) -> float:
    """Return the seconds of a factorisation in one of `FORMS`; ``general``: neither symmetric nor Hermitian."""
    how, settings = _FORMS[form], symbolic.settings
    work = how.work[0] * (how.half if settings.upper and not general else 1.0)
    blocks = sum(c.n * c.a * min(c.a, settings.base) ** 2 for c in symbolic.classes)
    inverted = 2.0 * how.base * blocks / rates.gemm[how.dtype]
    return (
        _stacks(rates, symbolic, form, work * symbolic.factor_flops(float, general), 0) + rates.forms[form] * inverted
    )


def inverse_seconds(rates: Rates, symbolic: Symbolic, form: str, general: bool = False, share: float = 1.0) -> float:
    """Return the seconds of a selected inverse; ``share`` of its operations is done."""
    flops = _FORMS[form].work[1] * symbolic.selected_inverse_flops(float, general)
    return share * _stacks(rates, symbolic, form, flops, 1)


def solve_seconds(rates: Rates, symbolic: Symbolic, form: str, columns: int) -> float:
    """Return the seconds of both sweeps for a block of columns."""
    how = _FORMS[form]
    elements = predict_memory(symbolic, float).kept / 8
    operations = how.products * symbolic.solve_flops(float) * columns
    seconds = _SWEEP_CALLS * len(symbolic.classes) * rates.call
    seconds += 2 * _SWEEP_PASSES * how.bytes * elements / rates.copy
    if columns > 1:
        seconds += operations * (1 + _SWEEP_WIDTH / columns) / (_SWEEP_SHARE * rates.gemm[how.dtype])
    return rates.forms[form] * seconds


def analysis_seconds(rates: Rates, n_sites: int) -> float:
    """Return the seconds of ordering and symbolic factorisation, on the host."""
    return _ANALYSIS_CALLS * (n_sites + _ANALYSIS_SITES) * (rates if rates.device == "cpu" else BUILT_IN["cpu"]).call


def _stacks(rates: Rates, symbolic: Symbolic, form: str, flops: float, stage: int) -> float:
    """Return the seconds of going through all stacks, in a factorisation (stage 0) or a selected inverse (1)."""
    how = _FORMS[form]
    elements = sum(c.n * c.m**2 for c in symbolic.classes)
    seconds = how.calls[stage] * len(symbolic.classes) * rates.call
    seconds += how.products * flops / rates.gemm[how.dtype]
    seconds += 2 * how.passes[stage] * how.bytes * elements / rates.copy
    return rates.forms[form] * seconds


# -------------------------------------------------------------------------------------------------------------- memory


def index_bytes(symbolic: Symbolic) -> float:
    """Return the bytes of the index arrays of a geometry."""
    total = 0
    for c in symbolic.classes:
        arrays = [c.pivots, c.updates, c.source, c.target, c.lower_source, c.lower_target, c.ones]
        arrays += [] if c.inverse_target is c.target else [c.inverse_target, c.inverse_lower_target]
        total += sum(a.nbytes for a in arrays) + sum(link.places.nbytes for link in c.up)
    return float(total)


# -------------------------------------------------------------------------------------------------------------- choice


@dataclass(frozen=True)
class Option:
    """One way to a result and what it is expected to take.

    Attributes
    ----------
    method, device : str
    seconds : float
        On one thread: what methods are compared by.
    bytes : float
        Largest memory of the device, on one thread.
    available : float
        Bytes that the device has left.
    note : str
        What the numbers assume, and why the way is closed if it is.
    closed : bool
        Not possible for another reason than memory.
    shared : tuple of Shared
        Parts of the seconds that threads of the host share.
    """

    method: str
    device: str
    seconds: float
    bytes: float
    available: float = np.inf
    note: str = ""
    closed: bool = False
    shared: tuple[Shared, ...] = ()

    def on(self, threads: int) -> tuple[float, float]:
        """Return seconds on the clock and bytes on some threads of the host; a GPU does one piece after another."""
        seconds, more = self.seconds, 0.0
        for part in self.shared if self.device == "cpu" and not self.closed else ():
            number = part.threads(threads, self.available)
            seconds += part.seconds_on(number) - part.seconds
            more = max(more, (number - 1) * part.bytes)
        return seconds, self.bytes + more

    @property
    def feasible(self) -> bool:
        """True if it can be done in the memory that is left."""
        return not self.closed and self.bytes <= self.available

    def words(self) -> str:
        """Return method and seconds, or what is in the way."""
        place = "" if self.device == "cpu" else f" on the {self.device}"
        if self.closed:
            return f"{self.method}{place} not possible ({self.note})"
        if not self.feasible:
            return f"{self.method}{place} does not fit ({self.bytes / 2**30:.1f} GiB)"
        return f"{self.method}{place} {seconds_in_words(self.seconds)}"


def shared_part(seconds_of: Callable[[Rates], float], rates: Rates, pieces: float, each_bytes: float = 0.0) -> Shared:
    """Return a part that threads share; its seconds are known for any rates, in terms that go by one rate each."""
    calls, copies = (seconds_of(rates.only(name)) for name in ("call", "copy"))
    return Shared(seconds_of(rates), pieces, calls, FROM_MEMORY * copies, each_bytes)


def pieces_of(number: float, symbolic: Symbolic) -> float:
    """Return how many pieces threads share of so many factorisations: of a single one the parts of its tree."""
    return np.inf if number == 1 and symbolic.factor_flops(float) > _WORTH_PARTS else number


def repeated(option: Option, times: float) -> Option:
    """Return an option done several times, one after the other."""
    parts = tuple(part.times(times) for part in option.shared)
    return replace(option, seconds=times * option.seconds, shared=parts)


def longer(option: Option, seconds: float) -> Option:
    """Return an option that takes some more seconds."""
    return replace(option, seconds=option.seconds + seconds)


def seconds_in_words(seconds: float) -> str:
    """Return two digits and the unit s."""
    return f"{float(f'{seconds:.2g}'):g} s"


def choose(options: Sequence[Option], unnoticed: float = 0.0) -> Option | None:
    """Return the quickest feasible option; one listed earlier is replaced only where it is clearly slower.

    The order of the options is an order of preference, so that methods of nearly equal cost do not alternate. What
    takes less than ``unnoticed`` seconds is not replaced at all.
    """
    best: Option | None = None
    for option in options:
        if option.feasible and (best is None or best.seconds > max(unnoticed, option.seconds / CLEARLY)):
            best = option
    return best


def reason(options: Sequence[Option], rates: Rates, task: str = "") -> str:
    """Return the estimates and their origin, for the evidence."""
    listed = ", ".join(option.words() for option in sorted(options, key=lambda o: (not o.feasible, o.seconds)))
    return f"estimated{' ' + task if task else ''}: {listed} ({rates.origin})"
