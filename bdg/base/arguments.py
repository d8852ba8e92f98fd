"""Checks of arguments that several public functions share: before any long computation, naming rule and cure."""

from __future__ import annotations

import sys
import warnings
from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np

from bdg.base.callers import caller_of
from bdg.base.errors import ClosedSystemWarning
from bdg.lattices.arguments import non_negative_number, whole_number
from bdg.lattices.doubts import doubt
from bdg.lattices.site_values import mixes_booleans
from bdg.lattices.system import System

HOT = 1.0  # k_B T in the unit of the hopping: up to there nothing is checked


def require_system(system: Any) -> System:
    """Return ``system`` if it is a `System`; warn the caller of a public function if it has leads.

    Every public function calls this itself, so that the one whom it warns is its caller: calls from within the package
    do not warn again.
    """
    _require_type(system)
    _warn_of_leads([system])
    return system


def require_systems(systems: Iterable[Any]) -> list[System]:
    """Return a list of `System` objects; one warning if any of them has leads."""
    found = [_require_type(system) for system in systems]
    _warn_of_leads(found)
    return found


def _require_type(system: Any) -> System:
    if not isinstance(system, System):
        raise TypeError(
            f"system must be a bdg.lattices.System; got {type(system).__name__}. Make one with "
            "bdg.lattices.from_kwant, from_hamiltonian, stack or grain_composite."
        )
    return system


def _warn_of_leads(systems: Sequence[System]) -> None:
    """Warn whoever called the public function, two frames up, if that is outside of this package."""
    leads = max((len(system.leads) for system in systems), default=0)
    if not leads:
        return
    public, (caller, level) = sys._getframe(2), caller_of(2)
    if caller.f_globals.get("__name__", "").partition(".")[0] == "bdg":
        return
    warnings.warn(
        f"{public.f_code.co_qualname.removesuffix('.__init__')}: the system has {leads} lead{'s' * (leads > 1)}, and "
        "open systems are not solved yet: this is the answer for the closed system, its finite part alone. If that is "
        "meant, pass system.without_leads()",
        ClosedSystemWarning,
        stacklevel=level,
    )


def require_temperature(temperature: Any, system: System | None = None) -> float:
    """Return a finite temperature >= 0 (k_B T in the unit of the hopping); warn of one above all levels of a system."""
    value = non_negative_number("temperature", temperature, "k_B T in the unit of the hopping")
    if value > HOT and system is not None:  # all levels lie within the largest row sum
        bound = float((abs(system.hamiltonian).sum(axis=1) + abs(system.pairing_block).sum(axis=1)).max())
        if value > bound > 0:
            doubt(
                f"temperature = {value:g} is k_B T in the unit of the hopping, and all levels of the system lie below "
                f"{bound:.3g}. Is it in kelvin? bdg.lattices.units.temperature_in_t(kelvin, hopping_meV) converts it"
            )
    return value


def require_flag(name: str, value: Any) -> bool:
    """Return True or False; texts such as "no", which count as true in Python, are refused."""
    if not isinstance(value, bool | np.bool_):
        raise TypeError(f"{name} must be True or False; got {value!r:.80}")
    return bool(value)


def require_choice(name: str, value: Any, choices: Sequence[str], planned: Sequence[str] = ()) -> str:
    """Return ``value`` if it is one of ``choices``; ``planned`` ones are named as not available."""
    if value in choices:
        return value
    if value in planned:
        raise ValueError(f"{name}={value!r} is not available in this version; available: {', '.join(choices)}")
    raise ValueError(f"{name} must be one of {', '.join(choices)}; got {value!r}")


def require_sites(sites: Any, n_sites: int, name: str = "sites") -> np.ndarray:
    """Return site numbers as an array of int64; None means all sites. A boolean mask (N,) is accepted."""
    if sites is None:
        return np.arange(n_sites)
    array = np.atleast_1d(real_array(name, sites))
    if mixes_booleans(sites, array):
        raise TypeError(f"{name} mixes booleans and site numbers; give a mask ({n_sites},) or numbers")
    if array.dtype == bool and array.shape == (n_sites,) and array.any():
        return np.flatnonzero(array)
    if array.ndim != 1 or array.size == 0 or array.dtype.kind not in "iu":
        mask = f"a mask of shape {array.shape}, {np.count_nonzero(array)} of it True"
        raise ValueError(
            f"{name} must be a non-empty list of site numbers or a mask ({n_sites},) that is True somewhere; got "
            f"{mask if array.dtype == bool else repr(sites)[:80]}"
        )
    if array.min() < 0 or array.max() >= n_sites:
        wrong = array[(array < 0) | (array >= n_sites)][0]
        raise ValueError(f"{name} must be between 0 and {n_sites - 1}; got {wrong}")
    return array.astype(np.int64)


def window_ends(window: Any, what: str = "(a, b) of energies") -> tuple[float, float]:
    """Return the two numbers of a window, whatever they are."""
    try:
        low, high = (float(edge) for edge in window)
    except (TypeError, ValueError) as error:
        raise ValueError(f"window must be a pair {what}; got {window!r}") from error
    return low, high


def require_window(window: Any) -> tuple[float, float]:
    """Return a window of energies as two finite numbers a < b."""
    low, high = window_ends(window)
    if not (np.isfinite([low, high]).all() and low < high):
        raise ValueError(f"window must be a pair (a, b) of finite energies with a < b; got {window!r}")
    return low, high


def require_seed(seed: Any) -> int:
    """Return a seed, a whole number >= 0; None means 0, so that calls repeat bit for bit."""
    if seed is None:
        return 0
    return whole_number("seed", seed, 0, instead="None for 0")


def real_array(name: str, values: Any) -> np.ndarray:
    """Return an array of what may be numbers; lists of unequal length are named, which NumPy does not."""
    try:
        return np.asarray(values)
    except ValueError as error:
        raise TypeError(f"{name} must be numbers in lists of equal length; got {values!r:.80}") from error


def require_energies(energies: Any) -> np.ndarray:
    """Return finite real energies as an array (M,)."""
    points = np.atleast_1d(real_array("energies", energies))
    if points.dtype.kind not in "iuf" or points.ndim != 1 or not points.size:
        raise TypeError(f"energies must be a real number or a list of them; got {energies!r:.80}")
    if not np.isfinite(points).all():
        raise ValueError(f"energies must be finite; got {points[~np.isfinite(points)][0]} among them")
    return points.astype(float)


def require_complex(z: Any) -> np.ndarray:
    """Return a finite complex number or array (M,) of them."""
    energies = real_array("z", z)
    if energies.dtype.kind not in "iufc" or energies.ndim > 1 or not energies.size:
        raise TypeError(f"z must be a complex number or a list of them; got {z!r:.80}")
    if not np.isfinite(energies).all():
        raise ValueError(f"z must be finite; got {z!r:.80}")
    return energies.astype(complex)
