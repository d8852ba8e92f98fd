"""Options that several rooms offer: a method on a device, what it takes, and whether it may be taken."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

from bdg.base.hamiltonian import BdGHamiltonian
from bdg.gpu.cost import model as cost
from bdg.gpu.cost.calibration import rates_of
from bdg.gpu.cost.model import Option, Rates
from bdg.gpu.cost.shared import Shared
from bdg.gpu.device.backend import Backend
from bdg.gpu.device.memory import available_bytes
from bdg.gpu.eigen import dense


def host_rates(backend: Backend) -> Rates:
    """Return the rates of what is done on the host whatever the device is: built-in ones beside those of a GPU."""
    return rates_of(backend) if backend.device == "cpu" else cost.BUILT_IN["cpu"]


def option_of(
    method: str, backend: Backend, seconds: float, needed: float, note: str = "", shared: Iterable[Shared] = ()
) -> Option:
    """Return an option with the memory that its device has left; ``shared``: the parts that threads share."""
    left = available_bytes(backend)
    return Option(method, backend.device, float(seconds), float(needed), left, note, shared=tuple(shared))


def dense_option(hamiltonian: BdGHamiltonian, backend: Backend, share: float = 0.0) -> Option:
    """Return what all eigenstates take; ``share`` in units of their seconds for what is made of them."""
    dimension, dtype = hamiltonian.shape[0], hamiltonian.dtype
    seconds = (1 + share) * cost.eigh_seconds(rates_of(backend), dimension, dtype)
    return option_of("dense", backend, seconds, dense.dense_bytes(dimension, dtype))


def again(option: Option, times: float, once: float = 0.0, note: str = "") -> Option:
    """Return an option done several times, one after the other; ``once`` seconds of the first are not spent again."""
    seconds = once + times * max(option.seconds - once, 0.0)
    note = "; ".join(filter(None, (option.note, note)))
    return replace(option, seconds=seconds, note=note, shared=cost.repeated(option, times).shared)


def closed(option: Option, note: str) -> Option:
    """Return an option that is not possible, and why."""
    return Option(option.method, option.device, option.seconds, option.bytes, option.available, note, closed=True)
