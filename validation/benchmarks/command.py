"""The command ``bdg benchmark``: measure, print tables and targets, write them where asked.

It is not in ``__init__``, which every process that measures has to load.
"""

from __future__ import annotations

import dataclasses
import json
import sys
from collections.abc import Sequence
from pathlib import Path

from bdg.validation.benchmarks import document, machine, plan, predictions, tables, targets
from bdg.validation.benchmarks.alone import Measurement
from bdg.validation.benchmarks.markdown import markdown
from bdg.validation.benchmarks.plan import Plan

_TITLES = {
    "bound_states": "32 bound states of lowest |E|",
    "pair_amplitude": "Pair amplitude on all sites, T = 0.05 Delta",
    "density_of_states": "Density of states around E = 0, 8 random vectors",
    "self_consistent": "Self-consistent gap of a disordered S/N/S cube",
    "grain_phases": "Free energy of the phases of four grains, 112 points of a grid",
    "threads": "One thread and two",
    "workers": "A sweep of 16 points by one worker and by two",
    "clock": "On the clock, beside peers",
    "growth": "Growth with the number of sites",
    "large_states": "32 bound states of large cubes",
    "replay": "Speed-up that the structure allows (a replay)",
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
        Only what takes too long for everyday: 32 states of 48^3 and 64^3 sites, the self-consistent gap of 32^3, and
        replays of these sizes; half an hour.
    only : list of str
        Parts to measure, of `bdg.validation.benchmarks.plan.PARTS` and "predictions", or of ``LARGE_PARTS``; all by
        default.
    write : path, optional
        Page that takes the tables between its markers, after each part; those of parts that are not measured stay.
        The large ones have markers of their own.
    json_path : path, optional
        File for every single run, written after each.

    Returns
    -------
    int
        0, also where a target is missed: the table says so. 2 if the page cannot take tables.
    """
    everyday = plan.QUICK if quick else Plan()
    chosen = (plan.QUICK_LARGE if quick else plan.LARGE) if large else everyday
    markers = (document.LARGE_BEGIN, document.LARGE_END) if large else (document.BEGIN, document.END)
    known = plan.LARGE_PARTS if large else (*plan.PARTS, "predictions")
    if strange := [part for part in only if part not in known]:
        print(f"bdg benchmark: --{'large' if large else 'only'} has the parts {', '.join(known)}; got {strange[0]}",
              file=sys.stderr)  # fmt: skip
        return 2
    if write is not None:
        try:
            document.require_markers(Path(write), *markers)
        except ValueError as error:
            print(f"bdg benchmark: {error}", file=sys.stderr)
            return 2
    report = Report(None if write is None else Path(write), markers, None if json_path is None else Path(json_path))
    for part in only or known:
        print(_TITLES[part], file=sys.stderr)
        if part == "predictions":
            report.add(part, predictions.table(predictions.measure(
                predictions.QUICK if quick else predictions.CASES, report.take_row)))  # fmt: skip
        else:
            found, _ = plan.measure(plan.cells(chosen, part), chosen.repeats, take=report.take)
            report.add(part, getattr(tables, part)(found, chosen), targets.held(found, chosen))
    print(report.text())
    return 0


class Report:
    """Page and file of a run, written anew whenever something has been measured: an interrupted run loses nothing."""

    def __init__(self, page: Path | None, markers: tuple[str, str], json_path: Path | None) -> None:
        self._page, self._markers, self._json = page, markers, json_path
        self._sections: dict[str, str] = {}
        self._runs: list[Measurement] = []
        self._rows: list[predictions.Row] = []
        self._targets: list[targets.Target] = []

    def take(self, run: Measurement) -> None:
        """Note a run."""
        self._runs.append(run)
        self._write_json()

    def take_row(self, row: predictions.Row) -> None:
        """Note a prediction with what was measured."""
        self._rows.append(row)
        self._write_json()

    def add(self, part: str, table: str, held: Sequence[targets.Target] = ()) -> None:
        """Note the table of a part and what it is held against, in place of what the page had of this part."""
        texts = [table]
        if held:
            texts.append(markdown(("held against", "measured", "target", ""), [target.cells() for target in held]))
        self._targets += held
        self._sections[_TITLES[part]] = "\n\n".join(texts)
        if self._page is not None:
            document.replace_sections(
                self._page, machine.description(), self._sections, list(_TITLES.values()), *self._markers
            )
        self._write_json()

    def text(self) -> str:
        """Return what is known so far as Markdown."""
        return document.text_of(machine.description(), self._sections)

    def _write_json(self) -> None:
        if self._json is None:
            return
        content = {
            "runs": [dataclasses.asdict(run) for run in self._runs],
            "targets": [{**dataclasses.asdict(target), "met": target.met} for target in self._targets],
            "predictions": [dataclasses.asdict(row) for row in self._rows],
        }
        part = self._json.with_name(f"{self._json.name}.part")
        part.write_text(json.dumps(content, indent=1) + "\n", encoding="utf-8")
        part.replace(self._json)
