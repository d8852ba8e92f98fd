"""Run by the Python of an environment that holds the installed wheel and nothing of this checkout, kwant neither."""

import importlib
import importlib.util
import os
import pkgutil
import subprocess
import sys
import sysconfig

import numpy as np

import bdg

installed = sysconfig.get_path("purelib")
assert bdg.__file__.startswith(installed), f"bdg comes from {bdg.__file__}, not from {installed}"
for absent in ("kwant", "cupy", "dask"):
    assert importlib.util.find_spec(absent) is None, f"{absent} is installed: this environment proves nothing"


def refuse(name: str) -> None:
    raise ImportError(f"the package {name} cannot be imported")


os.environ.setdefault("MPLBACKEND", "Agg")
modules = [info.name for info in pkgutil.walk_packages(bdg.__path__, "bdg.", onerror=refuse)]
for name in modules:
    if not name.endswith("__main__"):
        importlib.import_module(name)
for package in ("bdg.lattices", "bdg.gpu", "bdg.validation"):
    assert package in modules, f"{package} is missing from the wheel"
print(f"imported {len(modules)} modules without kwant, CuPy and dask")

for command in ([sys.executable, "-m", "bdg"], [os.path.join(sysconfig.get_path("scripts"), "bdg")]):
    subprocess.run([*command, "info"], check=True, timeout=300)

# Ten sites of a superconductor and a normal metal: the states come in pairs +E, -E below the gap.
layers = [bdg.lattices.Layer(5, delta=0.3), bdg.lattices.Layer(5)]
states = bdg.bound_states(bdg.lattices.stack(layers, t=1, mu=0), 4)
energies = np.sort(states.energies)
assert energies.shape == (4,) and np.allclose(energies, -energies[::-1], atol=1e-10), energies
assert states.u.shape == (10, 4) and max(states.residuals) < 1e-8, states.residuals
print("bound states of ten sites:", np.round(energies, 6))

# The sources of the kernels are in the wheel.
from bdg.gpu.kernels.source import kernel_source  # noqa: E402

assert "extend_add" in kernel_source("extend_add")
