"""Builders that `kwant.wraparound` made: their h(k) is that of one Bloch momentum, and pairing joins k and -k.

At momentum k the hole block is ``-h(-k)*``; that of a `System` is ``-h*``. Both agree where every momentum is 0 or pi,
because then ``exp(i k n) = exp(-i k n)``: the cell closed upon itself, periodically or antiperiodically. Elsewhere they
differ (a chain of cells with several sites), or agree by the symmetry of one lattice only.

A momentum may have any name (``coordinate_names``, ``substituted``), and a builder may keep nothing of its making but
the value functions. So these are looked at: what `kwant.wraparound` puts in their place ends in the momenta.
"""

from __future__ import annotations

import inspect
import math
from collections.abc import Callable, Mapping
from numbers import Real
from typing import Any

import numpy as np

_HALF_TURNS_TO = 4 * np.finfo(float).eps  # relative: a multiple of pi as people compute it


def refuse_bloch_momentum(what: str, system: Any, params: Mapping[str, Any]) -> None:
    """Raise ValueError if h of a finalized kwant system depends on a Bloch momentum that is neither 0 nor pi."""
    for name in sorted(momentum_names(system)):
        value = params.get(name)
        if not _is_half_turns(value):
            raise ValueError(
                f"{what} was made by kwant.wraparound and is taken at the Bloch momentum {name} = {value!r:.40}. The "
                "hole block at momentum k is -h(-k)*, but this package adds -h(k)*: levels would be wrong, so momenta "
                "other than 0 and pi are refused. Build a finite piece of the lattice instead, n cells closed to a "
                "ring (period=...): it holds the momenta 2 pi m/n. If h(k) is complex because of a field and that is "
                "meant, pass the matrix: from_hamiltonian(f.hamiltonian_submatrix(params=...), "
                "[site.pos for site in f.sites]) with f = builder.finalized()"
            )


def momentum_names(system: Any) -> set[str]:
    """Return the names, as ``params`` has them, of the momenta on which the values of a finalized system depend."""
    names: set[str] = set()
    seen = set()
    for value, parameters in [*system.onsites, *system.hoppings]:
        if id(value) in seen or not isinstance(parameters, tuple):
            continue
        seen.add(id(value))
        names |= _renamed(_momenta(value), value, parameters)
    return names


def _momenta(value: Any) -> set[str]:
    """Return which parameters of a value function are momenta, under the names that its own signature has."""
    if not callable(value):
        return set()
    inner = getattr(value, "function", None)  # kwant's Hermitian conjugate of a function
    if inner is not None:
        return _momenta(inner)
    substituted = getattr(value, "func", None)  # kwant's function with other names of parameters
    if substituted is not None and isinstance(getattr(value, "params", None), tuple):
        return _renamed(_momenta(substituted), substituted, value.params)
    if getattr(value, "__module__", None) != "kwant.wraparound":
        return set()
    variables = inspect.getclosurevars(value).nonlocals if inspect.isfunction(value) else {}
    found: set[str] = set()
    if "mnp" in variables:  # minus the number of momenta
        found |= set(_parameters(value)[variables["mnp"] :])
    inside = [variables.get("val"), *(pair[0] for pair in variables.get("val_selection_pairs", ()))]
    return found.union(*map(_momenta, inside))


def _renamed(momenta: set[str], value: Callable[..., Any], names: tuple[str, ...]) -> set[str]:
    """Return what the momenta are called where the last parameters of ``value`` are called ``names``."""
    if not momenta:
        return set()
    own = _parameters(value)[-len(names) :] if names else []
    return {new for old, new in zip(own, names, strict=True) if old in momenta}


def _parameters(value: Callable[..., Any]) -> list[str]:
    return list(inspect.signature(value).parameters)


def _is_half_turns(value: Any) -> bool:
    if not isinstance(value, Real) or not math.isfinite(value):
        return False
    number = float(value)
    return bool(abs(number - round(number / math.pi) * math.pi) <= _HALF_TURNS_TO * max(abs(number), 1.0))
