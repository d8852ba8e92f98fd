"""Times and memory of both cores on one GPU, as a table: one command, under ten minutes.

    python3 -m bdg.validation.benchmarks.gpu.table --out gpu_table

Run it in the root of a checkout, on a machine with Python, NumPy, SciPy, h5py and CuPy; nothing has to be installed and
kwant is not needed. What the device can do at best is measured first (dense products, copies), then how well GPU and
CPU agree, then Chebyshev steps and the direct core at 24^3 to 64^3 sites, 100^3 last: states, pair amplitude, local
density, gap, factors and their rate. Where nvmath-python is installed cuDSS factorises the same matrices, else a row
says which wheels are missing. Every size runs in a process of its own, every row is written to ``rows.jsonl`` and
``table.md`` as soon as it is there, an error becomes the text of its row, and the time budget ends whatever is still
running. To try it without a GPU: ``--device cpu --sizes 8,12 --steps 12``.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import scipy

from bdg.validation.benchmarks.alone import package_root
from bdg.validation.benchmarks.gpu import steps as gpu_steps
from bdg.validation.benchmarks.gpu.cudss import WHEELS
from bdg.validation.benchmarks.markdown import markdown

Row = dict[str, Any]
BUDGET = 560.0  # seconds; commands on borrowed machines often end after ten minutes
RATES = {"float64": "dgemm", "complex128": "zgemm", "float32": "sgemm"}
TARGETS = (  # stage, sites an axis, seconds of the first call
    ("32 bound states, certified", 64, 10.0),
    ("pair amplitude on all sites", 64, 15.0),
    ("32 bound states, certified", 100, 300.0),
    ("pair amplitude on all sites", 100, 300.0),
)


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure, write and print the table; return 0, or 1 if a row failed, 2 if the device is not there."""
    chosen = _parser().parse_args(arguments)
    deadline = time.time() + chosen.budget
    folder = Path(chosen.out)
    folder.mkdir(parents=True, exist_ok=True)
    log = folder / "rows.jsonl"
    log.write_text("", encoding="utf-8")
    rows: list[Row] = []

    def take(row: Row) -> None:
        rows.append(row)
        with log.open("a", encoding="utf-8") as lines:
            lines.write(json.dumps(row) + "\n")
        (folder / "table.md").write_text(table(rows), encoding="utf-8")
        print(line(row), file=sys.stderr, flush=True)

    jobs = [{"job": "rates"}, {"job": "agreement", "size": chosen.agreement}]
    jobs += [{"job": "steps", "size": size} for size in chosen.steps]
    jobs += [{"job": "size", "size": size} for size in chosen.sizes]
    for job in jobs:
        run_job({**job, "device": chosen.device, "deadline": deadline}, take)
        if job["job"] == "rates" and not any(row["stage"] == "device" for row in rows):
            return 2
    print((folder / "table.md").read_text(encoding="utf-8"))
    return int(any("error" in row or row.get("agrees") is False for row in rows))


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        description=(__doc__ or "").splitlines()[0],
        epilog=f"cuDSS is measured beside our factors where nvmath-python is installed: {WHEELS}.",
    )
    parser.add_argument("--device", choices=("gpu", "cpu"), default="gpu")
    parser.add_argument(
        "--sizes", type=_sizes, default=(24, 32, 48, 64, 100), help="sites an axis (default 24,32,48,64,100)"
    )
    parser.add_argument(
        "--steps", type=_sizes, default=(32, 64, 100), help="the same for Chebyshev steps (default 32,64,100)"
    )
    parser.add_argument("--agreement", type=int, default=16, help="sites an axis for GPU against CPU (default 16)")
    parser.add_argument("--budget", type=float, default=BUDGET, help=f"seconds for everything (default {BUDGET:.0f})")
    parser.add_argument("--out", default="gpu_table", help="folder for rows.jsonl and table.md (default gpu_table)")
    return parser


def _sizes(text: str) -> tuple[int, ...]:
    try:
        sizes = tuple(int(part) for part in text.split(","))
    except ValueError:
        sizes = ()
    if not sizes or min(sizes) < 4:
        raise argparse.ArgumentTypeError(f"must be whole numbers >= 4 with commas between them; got {text!r}")
    return sizes


def run_job(job: Row, take: Callable[[Row], None]) -> None:
    """Run one job in a process of its own and hand on its rows; the process is ended at the deadline."""
    left = job["deadline"] - time.time()
    if left <= 0:
        take({"stage": job["job"], "size": job.get("size", 0), "error": "no time left"})
        return
    path = os.pathsep.join(filter(None, [package_root(), os.environ.get("PYTHONPATH")]))
    environment = {**os.environ, "PYTHONPATH": path}
    command = [sys.executable, "-m", "bdg.validation.benchmarks.gpu.stages", json.dumps(job)]
    with (
        tempfile.TemporaryFile("w+", encoding="utf-8", errors="replace") as said,
        subprocess.Popen(
            command, env=environment, stdout=subprocess.PIPE, stderr=said, text=True, start_new_session=True
        ) as process,
    ):
        late = threading.Timer(left, _end, [process.pid])
        late.daemon = True
        late.start()
        try:
            for text in process.stdout or ():
                if text.startswith("{"):
                    take(json.loads(text))
            code = process.wait()
        finally:  # also after Ctrl-C: nothing is left running
            late.cancel()
            if process.poll() is None:
                _end(process.pid)
        said.seek(0)
        last = (said.read().strip().splitlines() or ["no message"])[-1].strip()[:300]
    if code:
        why = "ended at the time limit" if code == -signal.SIGKILL else last
        take({"stage": job["job"], "size": job.get("size", 0), "error": f"code {code}: {why}"})


def _end(group: int) -> None:
    try:
        os.killpg(group, signal.SIGKILL)
    except ProcessLookupError:  # it has just ended by itself
        pass


def table(rows: Sequence[Row]) -> str:
    """Return all rows so far as Markdown."""
    rates = {row["stage"]: row for row in rows if row["stage"] in ("dgemm", "zgemm", "sgemm", "copy")}
    device = next((row["name"] for row in rows if row["stage"] == "device"), "none")
    text = [
        f"Device: {device}. Python {platform.python_version()}, NumPy {np.__version__}, SciPy {scipy.__version__}"
        f"{_cupy()}. Systems: open cubes, 9 % of the volume in grains of 8 sites diameter, W = 1, mu = -1, "
        "Delta = 0.3, T = 0.05 Delta. Cold: the first call, ordering of the sites and loading of kernels included; "
        "warm: the second.",
        _rates_table(rates),
    ]
    steps = [row for row in rows if row["stage"] == gpu_steps.STAGE]
    steps_or_agreement = ("system", "columns")
    stages = [
        row
        for row in rows
        if not any(name in row for name in steps_or_agreement) and row.keys() & {"seconds_cold", "left_out", "error"}
    ]
    if stages:
        text.append(_stages_table(stages, rates))
    if held := _targets(stages):
        text.append("\n".join(held))
    if steps:
        copy = rates["copy"]["bytes_per_second"] if "copy" in rates else None
        text.append(gpu_steps.table(steps, copy))
        text.append("\n".join(gpu_steps.targets(steps, copy)))
    if compared := [row for row in rows if "system" in row]:
        text.append(_agreement_table(compared))
    return "\n\n".join(part for part in text if part) + "\n"


def _cupy() -> str:
    from importlib.metadata import distributions

    found = {x.metadata["Name"]: x.version for x in distributions() if (x.metadata["Name"] or "").startswith("cupy")}
    return "".join(f", {name} {version}" for name, version in found.items())


def _rates_table(rates: dict[str, Row]) -> str:
    rows = [
        (name.upper(), f"{row['size']}^2 matrices", f"{row['rate'] / 1e12:.3g} TFLOP/s")
        for name, row in rates.items()
        if name != "copy"
    ]
    if "copy" in rates:
        row = rates["copy"]
        rows.append(
            ("copy", f"{8 * row['size'] / 2**30:.2g} GiB", f"{row['bytes_per_second'] / 1e9:.4g} GB/s read + written")
        )
    return markdown(("best of this device", "on", "rate"), rows) if rows else ""


def _stages_table(rows: Sequence[Row], rates: dict[str, Row]) -> str:
    head = ("size", "what", "dtype", "cold s", "warm s", "GiB", "TFLOP", "of the dense rate", "found")
    return markdown(head, [_stage_row(row, rates) for row in rows])


def _stage_row(row: Row, rates: dict[str, Row]) -> tuple[str, ...]:
    size, dtype = f"{row['size']}^3", row.get("dtype", "-")
    if "seconds_cold" not in row:
        return (size, row["stage"], dtype, "-", "-", "-", "-", "-", row.get("error") or row["left_out"])
    warm = row.get("seconds_warm")
    seconds, flops = warm or row["seconds_cold"], row.get("flops")
    best = rates.get(RATES.get(dtype, ""))
    share = f"{100 * flops / seconds / best['rate']:.1f} %" if flops and best else "-"
    return (
        size,
        row["stage"],
        dtype,
        f"{row['seconds_cold']:.3g}",
        "-" if warm is None else f"{warm:.3g}",
        f"{row['peak_gib']:.3g}",
        "-" if not flops else f"{flops / 1e12:.3g}",
        share,
        _words(row),
    )


def _words(row: Row) -> str:
    """Return what else a row found, in words."""
    known = {"stage", "size", "dtype", "seconds_cold", "seconds_warm", "peak_gib", "flops", "padded_flops"}
    words = []
    for name, value in row.items():
        if name not in known and value is not None:
            shown = f"{value:.2g}" if isinstance(value, float) else str(value)
            words.append(f"{name.replace('_', ' ')} {shown}")
    return ", ".join(words) or "-"


def _targets(rows: Sequence[Row]) -> list[str]:
    """Return a line for every target whose size was measured."""
    lines = []
    for stage, size, seconds in TARGETS:
        for row in rows:
            if row["stage"] == stage and row["size"] == size and "seconds_cold" in row:
                verdict = "met" if row["seconds_cold"] <= seconds and row.get("complete", True) else "MISSED"
                lines.append(f"- {stage}, {size}^3: {row['seconds_cold']:.3g} s, target {seconds:.0f} s: {verdict}")
    return lines


def _agreement_table(rows: Sequence[Row]) -> str:
    head = (
        "size",
        "device against CPU (there: against another method)",
        "system",
        "largest difference",
        "stated error of both",
        "",
    )
    cells = []
    for row in rows:
        what = row["stage"].partition(": ")[2]
        if "error" in row:
            cells.append((f"{row['size']}^3", what, row["system"], "-", "-", row["error"]))
        else:
            verdict = "agree" if row["agrees"] else "DISAGREE"
            numbers = (f"{row['difference']:.1e}", f"{row['stated']:.1e}")
            cells.append((f"{row['size']}^3", what, row["system"], *numbers, verdict))
    return markdown(head, cells)


def line(row: Row) -> str:
    """Return a row as a line for the terminal."""
    return " ".join(
        f"{name}={value:.3g}" if isinstance(value, float) else f"{name}={value}" for name, value in row.items()
    )


if __name__ == "__main__":
    sys.exit(main())
