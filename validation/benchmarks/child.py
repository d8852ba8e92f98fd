"""The process that measures one task.

    python -m bdg.validation.benchmarks.child '{"task": "lanczos", "size": 16}'

The task runs once on a tiny system first, so that loading libraries is not measured. Then the system is built, and only
the call itself is timed. Its memory is the largest resident memory during the call beyond that just before it.
"""

from __future__ import annotations

import gc
import json
import sys
import time
from typing import Any

from bdg.validation.benchmarks.memory import GIB, peak_bytes, reset_peak
from bdg.validation.benchmarks.tasks import TASKS

WARM_UP_SIZE = 6
MARK = "measured: "  # before the line that holds the result


def measure_here(task: str, options: dict[str, Any]) -> dict[str, Any]:
    """Return processor seconds, seconds, peak memory and findings of a task run in this process."""
    chosen = TASKS[task]
    if chosen.warm_up:
        call, _ = chosen.prepare(**{**options, "size": WARM_UP_SIZE})
        call()
    call, describe = chosen.prepare(**options)
    gc.collect()
    before = reset_peak()
    processor, clock = time.process_time(), time.perf_counter()
    result = call()
    processor, clock = time.process_time() - processor, time.perf_counter() - clock
    peak = peak_bytes() - before
    found = {**describe(result), "processor_share": processor / clock if clock else 1.0}
    return {"cpu_seconds": processor, "seconds": clock, "peak_gib": peak / GIB, "found": found}


def main() -> None:
    """Measure the task given as JSON and print the result as one line of JSON."""
    options = json.loads(sys.argv[1])
    task = options.pop("task")
    print(MARK + json.dumps(measure_here(task, options)), flush=True)


if __name__ == "__main__":
    main()
