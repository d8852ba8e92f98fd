"""The command ``bdg benchmark``: measure, print tables and targets, write them where asked.

It is not in ``__init__``, which every process that measures has to load.
"""

from __future__ import annotations

import dataclasses
import json
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from bdg.validation.benchmarks import document, machine, plan, predictions, tables
from bdg.validation.benchmarks.alone import Measurement
from bdg.validation.benchmarks.plan import Measured, Plan

_TITLES = {
    "bound_states": "32 bound states of lowest |E|",
    "pair_amplitude": "Pair amplitude on all sites, T = 0.05 Delta",
    "density_of_states": "Density of states around E = 0, 8 random vectors",
    "self_consistent": "Self-consistent gap of a disordered S/N/S cube",
    "grain_phases": "Free energy of the phases of four grains, 112 points of a grid",
    "threads": "One thread and two",
    "grid": "Assembly of a regular grid",
    "predictions": "Predicted against measured",
}


def main(
    *,
    quick: bool = False,
    large: bool = False,
    only: Sequence[str] = (),
    write: str | None = None,
    json_path: str | None = None,
) -> int:
    """Measure, print tables and targets, and write them where asked; return the exit code.

    Parameters
    ----------
    quick : bool
        Tiny sizes, seconds instead of a quarter of an hour: to see that everything runs. Its ratios mean nothing.
    large : bool
        Only what takes too long for everyday: the self-consistent gap of 32^3 sites, about ten minutes.
    only : list of {"bound_states", "pair_amplitude", "density_of_states", "self_consistent", "grain_phases", "threads",
        "grid", "predictions"}
        Parts to measure; all by default.
    write : path, optional
        Page that takes the tables between its markers; the large ones have markers of their own.
    json_path : path, optional
        File for every single run.

    Returns
    -------
    int
        0, also where a target is missed: the table says so. 2 if the page cannot take tables.
    """
    if large and only:
        print("bdg benchmark: --large has one part; leave --only out", file=sys.stderr)
        return 2
    everyday = plan.QUICK if quick else Plan()
    chosen = (plan.QUICK_LARGE if quick else plan.LARGE) if large else everyday
    markers = (document.LARGE_BEGIN, document.LARGE_END) if large else (document.BEGIN, document.END)
    only = plan.LARGE_PARTS if large else only
    if write is not None:
        try:
            document.require_markers(Path(write), *markers)
        except ValueError as error:
            print(f"bdg benchmark: {error}", file=sys.stderr)
            return 2
    best: Measured = {}
    every: list[Measurement] = []
    parts = [part for part in only or plan.PARTS if part != "predictions"]
    for part in parts:
        print(_TITLES[part], file=sys.stderr)
        found, runs = plan.measure(plan.cells(chosen, part), chosen.repeats)
        best.update(found)
        every += runs
    sections = [machine.description()]
    for part in parts:
        sections.append(f"### {_TITLES[part]}\n\n{getattr(tables, part)(best, chosen)}")
    if not only or "predictions" in only:
        print(_TITLES["predictions"], file=sys.stderr)
        rows = predictions.measure(predictions.QUICK if quick else predictions.CASES)
        sections.append(f"### {_TITLES['predictions']}\n\n{predictions.table(rows)}")
    if held := [target for target in tables.targets(best, chosen) if target.met is not None]:
        head = ("held against", "measured", "target", "")
        sections.append(f"### Targets\n\n{tables.markdown(head, [target.cells() for target in held])}")
    text = "\n\n".join(sections)
    print(text)
    if write is not None:
        document.write_between_markers(Path(write), text, *markers)
    if json_path is not None:
        _write_json(Path(json_path), every, held)
    return 0


def _write_json(path: Path, every: Sequence[Any], held: Sequence[Any]) -> None:
    content = {
        "runs": [dataclasses.asdict(run) for run in every],
        "targets": [{**dataclasses.asdict(target), "met": target.met} for target in held],
    }
    path.write_text(json.dumps(content, indent=1) + "\n", encoding="utf-8")
