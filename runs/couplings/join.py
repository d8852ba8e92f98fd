"""Join the tables of finished coupling jobs into one file: python runs/couplings/join.py FILE RUN [RUN ...]."""

import sys
from pathlib import Path

from bdg.granular import CouplingTable
from bdg.jobs.kinds.coupling import TABLE


def main(target: str, *runs: str) -> None:
    """Write the table of all runs to ``target``."""
    first, *others = (CouplingTable.load(Path(run) / "figures" / TABLE) for run in runs)
    table = first.joined(*others)
    table.save(target)
    print(f"{target}: {len(table.gap_nm)} entries of {len(set(map(tuple, _hosts(table))))} hosts")


def _hosts(table: CouplingTable) -> list[list[float]]:
    return [list(host) for host in zip(table.density_m3, table.mean_free_path_nm, table.transparency, strict=True)]


if __name__ == "__main__":
    if len(sys.argv) < 3:
        sys.exit(__doc__)
    main(*sys.argv[1:])
