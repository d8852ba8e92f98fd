"""A kind of job that is all machinery and no physics; `tiny_bdg` is the command that knows it.

``TINY_DIARY`` names a file with a line a point that was begun; points with ``x_nm = 3`` wait until the file that
``TINY_GATE`` names is there.
"""

from __future__ import annotations

import os
import signal
import time
import warnings

import numpy as np

from bdg.base.errors import ConvergenceError
from bdg.jobs.model.kind import Kind, Observable
from bdg.jobs.model.schema import Key

_ACTIONS = ("none", "raise", "die", "die_once", "warn", "impatient")


def compute(parameters, device):
    system, work = parameters["system"], parameters["compute"]
    diary = os.environ.get("TINY_DIARY")
    if diary:  # counts what is really computed, and by whom
        with open(diary, "a", encoding="utf-8") as file:
            file.write(f"{os.getpid()} {system['x_nm']} {system['seed']}\n")
    gate = os.environ.get("TINY_GATE")
    while gate and system["x_nm"] == 3 and not os.path.exists(gate):
        time.sleep(0.01)
    time.sleep(work["seconds"])
    if work["action"] == "raise":
        raise ValueError("asked to fail")
    if work["action"] == "die":
        os.kill(os.getpid(), signal.SIGKILL)
    if work["action"] == "impatient" and work["patience"] < 3 * system["x_nm"]:
        raise ConvergenceError(
            "not there. Take more max_iterations or pin more (pinned=sites); `.result` holds the state"
        )
    if work["action"] == "die_once" and diary and open(diary).read().count(f" {system['x_nm']} ") < 2:
        os.kill(os.getpid(), signal.SIGKILL)
    if work["action"] == "warn":
        warnings.warn("asked to warn", stacklevel=1)
    noise = np.random.default_rng(system["seed"]).normal(size=work["length"])
    observables = {
        "noise": Observable(noise, "meV", "random numbers of the seed"),
        "twice_x": Observable(2 * system["x_nm"], "nm", "twice x"),
        "varied": Observable(np.zeros(system["seed"] + 1), "1", "an array whose shape depends on the seed"),
        "threads": Observable(int(os.environ.get("OPENBLAS_NUM_THREADS", "-1")), "1", "BLAS threads of the worker"),
    }
    evidence = {"method": "tiny", "seconds": time.time(), "deeper": {"seconds_of_part": time.time(), "why": "so"}}
    return observables, evidence


def check(parameters):
    if parameters["system"]["x_nm"] == 13:
        yield "system", "x_nm", "must not be 13"


def summarise(results):
    return f"tiny summary of {len(results)} points"


def plot(results, folder, output):
    if output["broken"]:
        raise RuntimeError("asked to break")
    path = folder / "figure.png"
    path.write_text(f"{len(results)} points", encoding="utf-8")
    return [path]


KIND = Kind(
    name="tiny",
    doc="for tests",
    schema={
        "system": (
            Key("x_nm", "float", "a length", above=0, most=100),
            Key("box_nm", "vector", "edges", default=[1.0, 2.0], lengths=(1, 2), above=0),
            Key("seed", "int", "seed", default=0, least=0),
        ),
        "compute": (
            Key("temperature_K", "float", "temperature", default=4.2, above=0, below=300),
            Key("seconds", "float", "time to sleep", default=0.0, least=0),
            Key("length", "int", "numbers to draw", default=5, least=1),
            Key("action", "str", "what happens", default="none", choices=_ACTIONS),
            Key("patience", "int", "until a point fails", default=5, least=1, effort="none"),
        ),
        "output": (
            Key("figures", "bool", "draw", default=True),
            Key("broken", "bool", "fail to draw", default=False),
        ),
    },
    compute=compute,
    summarise=summarise,
    plot=plot,
    check=check,
    cures={"pinned": "take a larger x_nm", "max_iterations": "take more patience"},
)
