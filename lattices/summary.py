"""A few lines on what something is: for the prompt as text, for notebooks as a table."""

from __future__ import annotations

import html
from collections.abc import Sequence
from typing import Any

import numpy as np

from bdg.lattices.unit_names import UnitNames

Rows = Sequence[tuple[str, str]]
"""What is told, each with its words."""


def as_text(title: str, rows: Rows) -> str:
    """Return a title and a line for each row."""
    width = max((len(name) for name, _ in rows), default=0)
    return "\n".join([title, *(f"  {name:{width}}  {words}" for name, words in rows)])


def as_html(title: str, rows: Rows) -> str:
    """Return a title and a table, for notebooks."""
    lines = [
        f"<tr><th style='text-align:left'>{html.escape(name)}</th><td style='text-align:left'>{html.escape(words)}</td>"
        "</tr>"
        for name, words in rows
    ]
    return f"<div><b>{html.escape(title)}</b><table>{''.join(lines)}</table></div>"


def about_system(system: Any) -> tuple[str, list[tuple[str, str]]]:
    """Return what a system is: sites, grains, pairing, box, leads, units."""
    energy = system.energy_unit or ""
    numbers = "real" if system.is_real else "complex"
    spins = "spin-degenerate" if system.norbs == 1 else "spin up and down"
    rows = [
        ("sites", f"{system.n_sites} in {system.positions.shape[1]}-D, norbs = {system.norbs} ({spins}), {numbers}"),
        ("box", _box(system)),
        ("grains", _grains(system.grain, system.n_grains)),
        ("Delta", _on_sites(abs(system.delta), energy) + (", some on bonds" if system.pairing is not None else "")),
    ]
    if system.attraction.any():
        rows.append(("attraction", _on_sites(system.attraction, energy)))
    if system.leads:
        rows.append(("leads", str(len(system.leads))))
    rows.append(("units", units_in_words(system.units)))
    kind = system.info.get("kind")
    return f"System ({kind})" if kind else "System", rows


def units_in_words(units: UnitNames) -> str:
    """Return in which units energies and lengths are."""
    return (
        f"energies in {units.energy or 'the unit of the hopping'}, lengths in {units.length or 'that of the positions'}"
    )


def _box(system: Any) -> str:
    extent = [
        np.ptp(along) if length is None else length
        for along, length in zip(system.positions.T, system.period, strict=True)
    ]
    size = f"{' x '.join(f'{length:.4g}' for length in extent)} {system.length_unit or ''}".rstrip()
    wrapped = [axis for axis, length in zip("xyz", system.period, strict=False) if length is not None]
    return f"{size}, {'periodic along ' + ', '.join(wrapped) if wrapped else 'open'}"


def _grains(grain: np.ndarray, count: int) -> str:
    if not count:
        return "none"
    sizes = np.bincount(grain[grain >= 0])
    return f"{count}, of {spread(sizes)} sites"


def _on_sites(values: np.ndarray, unit: str) -> str:
    """Return the range of what is not 0, and on how many sites it is."""
    there = values[values > 0]
    if not there.size:
        return "none on sites"
    return f"{spread(there)}{f' {unit}' if unit else ''} on {there.size} site{'s' * (there.size > 1)}"


def spread(values: Any) -> str:
    """Return the range of numbers in short."""
    low, high = f"{np.min(values):.4g}", f"{np.max(values):.4g}"
    return low if low == high else f"{low} to {high}"
