"""The tables of the closed-loop documents, as Markdown: means over samples with standard errors.

python -m bdg.validation.ensembles.summary
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

from bdg.jobs.kinds.shared.numbers import with_error
from bdg.validation.ensembles import loops, outs
from bdg.validation.ensembles.figures import CLEAN_NM, DIAMETER_NM, GAP_NM
from bdg.validation.ensembles.tables import Row, mean, read_table, selected

Columns = dict[str, str]  # name in the table of samples, heading

ENSEMBLE: Columns = {
    "R": "R",
    "R_weakest": "weakest pair",
    "B": "B",
    "nonlocal": "nonlocal",
    "C3": "3 grains / pairs",
    "C4": "4 grains / pairs",
    "pairs_meV": "sum of pairs (meV)",
}
STATES: Columns = {
    "touched": "grains touched of 8",
    "host_weight": "host share",
    "gap_ratio": "gap ratio",
    "steepest": "largest slope / Delta",
}
OUTS: Columns = {
    "R": "R",
    "R_same_gap": "pairs with the Delta of all",
    "R_imposed": "imposed Delta, normal host",
    "pairs": "pairs / those of imposed Delta, normal host",
    "delta_host": "Delta in the host / in the grains",
    "delta_grains_meV": "Delta in the grains (meV)",
}


def _cell(value: float, error: float) -> str:
    return "-" if math.isnan(value) else with_error(value, error)


def table(rows: Sequence[Row], by: Sequence[str], columns: Columns, name: Callable[[Row], str]) -> str:
    """Return a line for each combination of the keys ``by``, called ``name``, with samples and means."""
    lines = [["", "samples", *columns.values()], ["---"] * (len(columns) + 2)]
    for key in sorted({tuple(row[each] for each in by) for row in rows}, key=lambda key: (-key[0], *key[1:])):
        members = selected(rows, **dict(zip(by, key, strict=True)))
        lines.append([name(members[0]), f"{len(members)}", *(_cell(*mean(members, each)) for each in columns)])
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def disorder(row: Row) -> str:
    """Return what a sample's disorder is called."""
    return "clean" if row["mean_free_path_nm"] == CLEAN_NM else f"{row['mean_free_path_nm']:g} nm"


def main() -> None:
    """Print all tables."""
    rows = read_table(loops.DATA)
    ensemble = selected(rows, diameter_nm=DIAMETER_NM, minimum_gap_nm=GAP_NM)
    known = [row for row in ensemble if not math.isnan(row["touched"])]
    others = [row for row in rows if row["minimum_gap_nm"] != GAP_NM or row["temperature_K"] in (4.2, 19.0)]
    others = selected(others, diameter_nm=DIAMETER_NM, mean_free_path_nm=13.0)
    by = ("mean_free_path_nm", "temperature_K")
    few: Columns = {name: ENSEMBLE[name] for name in ("R", "R_weakest", "pairs_meV")}
    print(table(ensemble, by, ENSEMBLE, lambda row: f"{disorder(row)}, {row['temperature_K']:g} K"), end="\n\n")
    print(table(known, by, STATES, lambda row: f"{disorder(row)}, {row['temperature_K']:g} K"), end="\n\n")
    gaps = ("temperature_K", "minimum_gap_nm")
    print(table(others, gaps, few, lambda row: f"{row['temperature_K']:g} K, {row['minimum_gap_nm']:g} nm"), end="\n\n")
    large = [row for row in rows if row["diameter_nm"] != DIAMETER_NM]
    if large:
        print(table(large, by, few, lambda row: f"{row['diameter_nm']:g} nm, {row['temperature_K']:g} K"), end="\n\n")
    print(table(read_table(outs.DATA), ("host_share", *by), OUTS, _of_out))


def _of_out(row: Row) -> str:
    case = f"host, U = {row['host_share']:g} U_c" if row["host_share"] else "grains with their own Delta"
    return f"{case}, {disorder(row)}, {row['temperature_K']:g} K"


if __name__ == "__main__":
    main()
