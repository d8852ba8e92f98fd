"""What a file must hold to be a `System`: names, types and lengths, before any of it is used."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import scipy.sparse as sp

from bdg.lattices.unit_names import UnitNames

SAVED = ("hamiltonian", "positions", "delta", "pairing", "attraction", "grain", "period", "norbs", "info")
NAMED = ("energy_unit", "length_unit")  # in a file only where they are given, as in files of before they were
_DESCRIPTIONS = {
    "hamiltonian": ("energy", "normal part h with -mu inside, row = to, column = from"),
    "positions": ("length", "site positions (N, dim)"),
    "delta": ("energy", "on-site singlet pairing (N,)"),
    "pairing": ("energy", "further (bond) pairing, or null"),
    "attraction": ("energy", "attraction U_i >= 0 (N,)"),
    "grain": ("1", "-1 in the host, number of the superconducting part elsewhere (N,)"),
    "period": ("length", "box length of each periodic axis, null where open"),
    "norbs": ("1", "orbitals a site: 1 spin-degenerate, 2 spin up and down"),
    "info": ("", "parameters and seed of the builder, and what it measured"),
    "leads": ("", "leads by number"),
}
_AXES = {"positions": 2, "delta": 1, "attraction": 1, "grain": 1}
_KINDS = {"positions": "f", "delta": "fc", "attraction": "f", "grain": "i"}
_LEAD = ("cell_hamiltonian", "hopping", "interface", "norbs", "delta")


def descriptions(units: UnitNames) -> dict[str, tuple[str, str]]:
    """Return unit and description of each field, as its file carries them."""
    return {name: (units.put_into(unit), text) for name, (unit, text) in _DESCRIPTIONS.items()}


def checked_fields(content: Any) -> dict[str, Any]:
    """Return the fields of a `System` from the content of a file, its leads as a list of dicts by field.

    Raises
    ------
    ValueError
        If a field is missing, unknown, or of another type or length than `System.content` gives it. What the fields
        mean together (a Hermitian h, whole grains) is for `System` itself to check.
    """
    fields = dict(_named("a system", content, (*SAVED, "leads"), NAMED))
    for name, axes in _AXES.items():
        _array(name, fields[name], _KINDS[name], axes)
    _matrix("hamiltonian", fields["hamiltonian"])
    if fields["pairing"] is not None:
        _matrix("pairing", fields["pairing"])
    n_sites, dim = fields["positions"].shape
    norbs = _norbs("norbs", fields["norbs"])
    for name in ("delta", "attraction", "grain"):
        if fields[name].size != n_sites:
            raise ValueError(f"{name} must have one value a site, {n_sites}; got {fields[name].size}")
    fields["period"] = _period(fields["period"], dim)
    if not isinstance(fields["info"], dict):
        raise ValueError(f"info must be names with values; got {_type(fields['info'])}")
    fields["leads"] = _leads(fields["leads"], n_sites, norbs)
    return fields


def _named(what: str, content: Any, names: tuple[str, ...], possible: tuple[str, ...] = ()) -> Mapping[str, Any]:
    """Return ``content`` if it is a mapping with exactly these names, and perhaps those that are ``possible``."""
    if not isinstance(content, Mapping):
        raise ValueError(f"{what} must be a group of named values; got {_type(content)}")
    missing = [name for name in names if name not in content]
    unknown = sorted(str(name) for name in content if name not in (*names, *possible))
    if missing or unknown:
        faults = [f"lacks {', '.join(missing)}"] * bool(missing) + [f"has no {', '.join(unknown)}"] * bool(unknown)
        raise ValueError(f"{what} {' and '.join(faults)}")
    return content


def _array(name: str, value: Any, kinds: str, axes: int) -> np.ndarray:
    if not isinstance(value, np.ndarray) or value.ndim != axes or value.dtype.kind not in kinds:
        words = {"f": "floating-point numbers", "c": "complex numbers", "i": "whole numbers"}
        wanted = " or ".join(words[kind] for kind in kinds)
        raise ValueError(f"{name} must be an array of {wanted} with {axes} axes; got {_type(value)}")
    if not np.isfinite(value).all():
        raise ValueError(f"{name} must be finite; got NaN or infinity")
    return value


def _matrix(name: str, value: Any) -> None:
    if not isinstance(value, sp.csr_matrix) or value.dtype.kind not in "fc":
        raise ValueError(f"{name} must be a CSR matrix of real or complex numbers; got {_type(value)}")


def _norbs(name: str, value: Any) -> int:
    if isinstance(value, bool) or not isinstance(value, int) or value not in (1, 2):
        raise ValueError(f"{name} must be 1 or 2; got {value!r:.40}")
    return value


def _period(value: Any, dim: int) -> tuple[float | None, ...]:
    def good(length: Any) -> bool:
        return length is None or (isinstance(length, int | float) and not isinstance(length, bool))

    if not isinstance(value, list) or len(value) != dim or not all(map(good, value)):
        raise ValueError(f"period must be {dim} box lengths, null where the axis is open; got {value!r:.80}")
    return tuple(value)


def _leads(content: Any, n_sites: int, norbs: int) -> list[dict[str, Any]]:
    """Return the fields of each lead, in order."""
    numbers = tuple(str(number) for number in range(len(content) if isinstance(content, Mapping) else 0))
    members = _named("leads", content, numbers)
    return [_lead(f"lead {number}", members[number], n_sites, norbs) for number in numbers]


def _lead(what: str, content: Any, n_sites: int, norbs: int) -> dict[str, Any]:
    lead = dict(_named(what, content, _LEAD))
    cell = _array(f"cell_hamiltonian of {what}", lead["cell_hamiltonian"], "fci", 2)
    hopping = _array(f"hopping of {what}", lead["hopping"], "fci", 2)
    interface = _array(f"interface of {what}", lead["interface"], "i", 1)
    delta = _array(f"delta of {what}", lead["delta"], "c", 1)
    if cell.shape[0] != cell.shape[1] or hopping.shape[0] != cell.shape[0] or hopping.shape[1] > cell.shape[0]:
        raise ValueError(f"{what}: cell {cell.shape} and hopping {hopping.shape} do not belong to one lead")
    if interface.size and not (0 <= int(interface.min()) and int(interface.max()) < n_sites):
        raise ValueError(f"interface of {what} must be sites from 0 to {n_sites - 1}")
    if delta.size != 1:
        raise ValueError(f"delta of {what} must be one number; got {delta.size}")
    if _norbs(f"norbs of {what}", lead["norbs"]) != norbs:
        raise ValueError(f"norbs of {what} must be that of the system, {norbs}; got {lead['norbs']}")
    lead["delta"] = complex(delta[0])
    return lead


def _type(value: Any) -> str:
    if isinstance(value, np.ndarray):
        return f"an array of {value.dtype} with the shape {value.shape}"
    return f"a {type(value).__name__}"
