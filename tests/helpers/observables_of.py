"""What points of a run hold, as ``tests/data/observables_of_kinds.json`` has it: ``python observables_of.py RUN``."""

import json
import sys

import bdg

LONGEST = 30  # longer axes are shortened, equal ones to equal lengths


def main(path: str) -> None:
    run = bdg.load(path)
    lengths: dict[int, int] = {}
    lines = []
    for name, value in run.points[0].observables.items():
        shape = [n if n <= LONGEST else lengths.setdefault(n, LONGEST + len(lengths) + 1) for n in value.shape]
        about = (part.get(name, "") for part in (run.points[0].units, run.points[0].descriptions))
        lines.append(f"  {json.dumps(name)}: {json.dumps([shape, value.dtype.kind, *about])}")
    print(f" {json.dumps(run.kind)}: {{\n" + ",\n".join(lines) + "\n }")


if __name__ == "__main__":
    main(sys.argv[1])
