"""The command ``bdg info``."""

from __future__ import annotations

import argparse
import os
import platform
from pathlib import Path

import bdg
from bdg.gpu.device.backend import select_backend
from bdg.gpu.device.threads import require_threads
from bdg.gpu.kernels.compiling import host_library
from bdg.jobs.folder.provenance import installed_version, package_versions

_EXTRAS = {
    "kwant": (("kwant",), "systems from kwant builders (bdg.lattices.from_kwant)"),
    "data": (("pandas", "xarray", "pyevtk"), "data frames, labelled arrays, files for 3-D viewers; CSV needs nothing"),
    "gpu": (("cupy-cuda13x", "cupy-cuda12x", "cupy"), "computation on an NVIDIA GPU (device='gpu')"),
    "report": (("jinja2", "plotly"), "a run as one HTML page (bdg report)"),
    "cluster": (("dask", "distributed"), "workers beyond one `bdg run` (bdg cluster, bdg run --scheduler)"),
    "metis": (("pymetis",), "short elimination orders for networks whose positions mislead"),
    "benchmark": (("pypardiso", "bodge"), "what `bdg benchmark` compares with (make benchmark)"),
    "dev": (("pytest", "ruff", "mypy", "hypothesis"), "the tests and checks of bdg itself (make test, make lint)"),
}


def add_info_command(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the command to a parser."""
    info = commands.add_parser(
        "info",
        help="versions, devices, what is installed",
        description="Print versions, devices, and what each extra that is not installed would give.",
    )
    info.set_defaults(act=_info)


def _info(chosen: argparse.Namespace) -> int:
    print(f"bdg {bdg.__version__} in {Path(bdg.__file__).resolve().parent}")
    versions = package_versions()
    print("versions: " + ", ".join(f"{name} {found}" for name, found in versions.items() if found and name != "bdg"))
    print(f"machine: {platform.platform()}, {os.cpu_count()} processor cores")
    backend = select_backend("auto")
    print(f"device 'auto' is {backend.device}: {backend.device_name}")
    print(f"threads 'auto' are {require_threads()}; kernels of the CPU: {host_library().about}")
    print("extras:")
    for extra, (distributions, use) in _EXTRAS.items():
        found = [f"{name} {version}" for name in distributions if (version := installed_version(name))]
        complete = bool(found) if extra == "gpu" else len(found) == len(distributions)
        if complete:
            print(f"  {extra}: installed ({', '.join(found)})")
        else:
            print(f"  {extra}: not installed; pip install 'bdg[{extra}]' would give {use}{_cure(extra)}")
    return 0


def _cure(extra: str) -> str:
    # kwant 1.5.0 has no wheels for NumPy 2, and its source archive does not name what its build needs.
    return " (in a checkout: make env, which builds kwant)" if extra == "kwant" else ""
