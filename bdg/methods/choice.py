"""The method that is expected to be done first, and the next one where its factors are of no use.

Whether a factor without pivoting across fronts can be used shows only when it has been made: next to a level that many
states share, its pivots may be as small as the distance to that level.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import TypeVar

from bdg.base.results import Choice
from bdg.gpu.cost import model as cost
from bdg.gpu.cost.calibration import rates_of
from bdg.gpu.cost.model import Option
from bdg.gpu.device.backend import Backend, MemoryBudgetError, select_backend
from bdg.gpu.device.memory import GIB
from bdg.gpu.multifrontal import FactorError

Found = TypeVar("Found")

# dimension: all eigenstates take less than a tenth of a second there, without truncation, and none is missed: a
# comparison, for which the geometry would have to be analysed first, gains nothing
DENSE_BELOW = 500
GPU_FROM = 2_000  # dimension: below, no estimate of a GPU is worth making
DENSE_FIRST_BELOW = 1_000  # dimension: from `DENSE_BELOW` up to here a sparse method has to be clearly quicker
CPU_UP_TO = 400_000  # dimension: above, a GPU that is at hand is not compared with the CPU


def first_working(
    method: str,
    options: Sequence[Option],
    backends: Sequence[Backend],
    run: Callable[[str, Backend], Found],
    what: str,
    task: str = "",
    unnoticed: float = 0.0,
) -> tuple[Found, Choice]:
    """Return what ``run(method, backend)`` gives, and the choice of both; see `decided`.

    "auto" goes on to the next method that fits where a `FactorError` says that factors cannot be used, and the reason
    names what failed. A method that was asked for has no such way out.

    Raises
    ------
    FactorError
        If no other method fits, or a method was asked for.
    MemoryBudgetError
        If nothing fits to begin with.
    """
    left, failed = list(options), ""
    while True:
        taken = decided(method, left, backends, what, task, unnoticed)
        try:
            return run(taken.method, taken.backend), replace(taken, why=f"{failed}{taken.why}")
        except FactorError as error:
            left = [option for option in left if option.method != taken.method]
            if method != "auto" or not left:
                raise
            if not any(option.feasible for option in left):
                raise FactorError(f"{error}. Nothing else fits: {refusal(left)}") from error
            failed += f"{taken.method} failed: {str(error).split('. ')[0]}; of what is left, "


def devices(device: str, dimension: int) -> list[Backend]:
    """Return the backends that are worth comparing, the preferred one first."""
    asked = select_backend(device)
    if device != "auto" or asked.device == "cpu":
        return [asked]
    if dimension < GPU_FROM:
        return [select_backend("cpu")]
    return [asked] if dimension > CPU_UP_TO else [select_backend("cpu"), asked]


def chosen(
    options: Sequence[Option], backends: Sequence[Backend], what: str, task: str = "", unnoticed: float = 0.0
) -> Choice:
    """Return the choice of the quickest option that fits; see `bdg.gpu.cost.model.choose`.

    Raises
    ------
    MemoryBudgetError
        If none does: with what each would need.
    """
    best = cost.choose(options, unnoticed)
    if best is None:
        raise MemoryBudgetError(f"{what} does not fit: {refusal(options)}")
    backend = next(b for b in backends if b.device == best.device)
    return Choice(best.method, cost.reason(options, rates_of(backends[0]), task), backend)


def decided(
    method: str,
    options: Sequence[Option],
    backends: Sequence[Backend],
    what: str,
    task: str = "",
    unnoticed: float = 0.0,
) -> Choice:
    """Return what is `chosen` for "auto", else only the device of the method that was asked for."""
    if method == "auto":
        return chosen(options, backends, what, task, unnoticed)
    own = [option for option in options if option.method == method]
    if all(option.closed for option in own):  # the method itself says what is against it
        return Choice(method, "as asked", backends[0])
    found = chosen(own, backends, what, task)
    return replace(found, why="as asked" if len(own) == 1 else f"as asked; {found.why}")


def refusal(options: Sequence[Option]) -> str:
    """Return what each method would need and which size would fit."""
    needs = "; ".join(
        f"{o.method} on the {o.device} {o.note}"
        if o.closed
        else f"{o.method} on the {o.device} needs {o.bytes / GIB:.1f} GiB, {o.available / GIB:.1f} GiB are available"
        for o in options
    )
    within = [o for o in options if not o.closed]
    if not within:
        return needs
    share = max((o.available / o.bytes) ** (0.5 if o.method == "dense" else 0.75) for o in within)
    return f"{needs}. About {0.95 * min(share, 1.0):.0%} of the sites would fit"


def about_device(device: str, dimension: int) -> str:
    """Return why "auto" takes a device that is not compared with another; "" where there is nothing to choose."""
    if device != "auto" or select_backend(device).device == "cpu":
        return ""
    if dimension < GPU_FROM:
        return f"on the cpu: dimension {dimension} is below {GPU_FROM}"
    return f"on the gpu: dimension {dimension} is above {CPU_UP_TO}" if dimension > CPU_UP_TO else ""
