"""What building takes is known from the arguments, and refused before anything is made where it does not fit."""

import gc
import os
import resource
import subprocess
import sys
import textwrap
import tracemalloc
import warnings

import numpy as np
import pytest
import scipy.sparse as sp

import bdg
from bdg.gpu.device import memory
from bdg.lattices import Layer, budget, from_hamiltonian, grain_composite, stack
from bdg.lattices.packing.pack_spheres import pack_spheres

GRAINS = {"volume_fraction": 0.2, "diameter": 6.0, "seed": 1}
HOST = {"fraction": 0.3, "correlation_length": 3.0, "onsite": 1.0}


def films(n, **more):
    return [Layer(n // 2, delta=0.2, **more), Layer(n - n // 2, **more)]


def chain_matrix(n, factor=1.0):
    upper = sp.diags_array([np.full(n - 1, factor), np.full(n - 2, factor)], offsets=[1, 2], shape=(n, n))
    return sp.csr_matrix(upper + upper.conj().T)


def dense_matrix(n):
    values = np.random.default_rng(0).random((n, n))
    return values + values.T


def packing(size, volume_fraction, **more):
    return pack_spheres(size, volume_fraction=volume_fraction, diameter=1.0, seed=1, **more)


BUILT = {
    "chain": lambda: stack(films(30000)),
    "plane": lambda: stack(films(150), (150,)),
    "disordered cylinder": lambda: stack(films(150, disorder=1.0), (150,), periodic=True),
    "cube": lambda: stack(films(25), (25, 25)),
    "large cube": lambda: stack(films(50), (50, 50)),
    "complex": lambda: stack([Layer(12, delta=0.2, phase=1.0, disorder=1.0), Layer(13)], (25, 25), periodic=True),
    "film": lambda: stack(films(4), (80, 80)),
    "bar": lambda: stack(films(3000), (4, 3)),
    "many layers": lambda: stack([Layer(1, delta=0.1), Layer(1)] * 300, (6, 6)),
    "discs": lambda: grain_composite((150, 150), 1.0, **GRAINS),
    "discs, periodic": lambda: grain_composite((150, 150), 1.0, periodic=True, **GRAINS),
    "discs in two phases": lambda: grain_composite((150, 150), 1.0, host=HOST, disorder=1.0, **GRAINS),
    "spheres": lambda: grain_composite((28, 28, 28), 1.0, **GRAINS),
    "more spheres": lambda: grain_composite((40, 40, 40), 1.0, **GRAINS),
    "spheres, periodic": lambda: grain_composite((28, 28, 28), 1.0, periodic=True, **GRAINS),
    "spheres in two phases": lambda: grain_composite((28, 28, 28), 1.0, host=HOST, delta=0.3j, **GRAINS),
    "layers": lambda: grain_composite(
        (28, 28, 28), 1.0, volume_fraction=0.2, diameter=4.0, layers={"thickness": 6.0, "fraction": 0.5}, seed=1
    ),
    "small spheres": lambda: grain_composite((15, 15, 15), 1.0, volume_fraction=0.25, diameter=2.0, seed=1),
    "film of spheres": lambda: grain_composite((50, 50, 6), 1.0, **GRAINS),
    "long correlations": lambda: grain_composite((2000, 20), 1.0, host=HOST | {"correlation_length": 3000.0}, **GRAINS),
    "correlations around a box": lambda: grain_composite(
        (60, 60), 1.0, periodic=True, host=HOST | {"correlation_length": 3e4}, **GRAINS
    ),
    "packing": lambda: packing((24, 24, 24), 0.1),
    "dense packing": lambda: packing((16, 16, 16), 0.3),
    "open packing": lambda: packing((15, 15, 15), 0.1, periodic=False),
    "film of cut spheres": lambda: packing((35, 35, 1), 0.2, periodic=False),
    "lognormal packing": lambda: packing((20, 20, 20), 0.2, diameter_sigma=0.3),
    "band": lambda: from_hamiltonian(chain_matrix(20000), np.arange(20000)),
    "spins": lambda: from_hamiltonian(chain_matrix(20000), np.arange(10000), norbs=2, delta=0.1),
    "complex band": lambda: from_hamiltonian(chain_matrix(20000, 1j), np.arange(20000)),
    "band with pairing": lambda: from_hamiltonian(
        chain_matrix(20000), np.arange(20000), pairing=chain_matrix(20000, 0.1)
    ),
    "diagonal": lambda: from_hamiltonian(sp.coo_matrix((20000, 20000)), np.arange(20000), delta=0.1),
    "dense": lambda: from_hamiltonian(dense_matrix(600), np.arange(600)),
}
LARGE = {
    "packing": lambda: packing((36, 36, 36), 0.1),
    "dense packing": lambda: packing((18, 18, 18), 0.3),
    "open packing": lambda: packing((22, 22, 22), 0.1, periodic=False),
    "film of cut spheres": lambda: packing((60, 60, 1), 0.2, periodic=False),
    "lognormal packing": lambda: packing((24, 24, 24), 0.2, diameter_sigma=0.3),
    "dense lognormal packing": lambda: packing((24, 24, 24), 0.3, diameter_sigma=0.3),
    "small spheres": lambda: grain_composite((20, 20, 20), 1.0, volume_fraction=0.25, diameter=2.0, seed=1),
    "more spheres": lambda: grain_composite((50, 50, 50), 1.0, **GRAINS),
    "film of spheres": lambda: grain_composite((70, 70, 6), 1.0, **GRAINS),
}


# one of each builder, shape and dtype by default; the others are slow: each is a process of its own
QUICK = set("disordered cylinder, complex, discs in two phases, layers, packing, spins, dense".split(", "))


@pytest.mark.parametrize(
    "name", [name if name in QUICK else pytest.param(name, marks=pytest.mark.slow) for name in BUILT]
)
def test_bytes_are_those_of_the_largest_moment(name):
    _check_bytes(BUILT[name])


@pytest.mark.slow
@pytest.mark.parametrize("name", LARGE)
def test_bytes_of_more_are_those_of_the_largest_moment(name):
    _check_bytes(LARGE[name])


def _check_bytes(build):
    """Never less than `tracemalloc` finds (less a hundredth for what the arguments themselves take), never twice it."""
    predicted = budget.predict(build)
    build()  # imports and tables that are made once
    gc.collect()
    tracemalloc.start()
    try:
        kept = build()
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    del kept
    assert 0.99 * peak < predicted.bytes < 2 * peak


GROWING = {
    "cube": lambda n: stack(films(n), (n, n)),
    "spheres": lambda n: grain_composite((n,) * 3, 1.0, **GRAINS),
    "band": lambda n: from_hamiltonian(chain_matrix(n**3), np.arange(n**3)),
}


@pytest.mark.parametrize("name", GROWING)
def test_seconds_grow_with_the_sites(name):
    """Linear in the sites but for what every build takes; the rates themselves are measured by the benchmarks."""
    small, large = (budget.predict(lambda n=n: GROWING[name](n)).seconds for n in (32, 64))
    assert 2 < large / small < 16 and 1e-4 < large < 10


TOO_LARGE = {
    "cube": (lambda: grain_composite((1000,) * 3, 1.0, **GRAINS), "1000 x 1000 x 1000 sites"),
    "1e12 sites": (lambda: grain_composite((1e4,) * 3, 1.0, **GRAINS), "10000 x 10000 x 10000"),
    "square": (lambda: grain_composite((1e6,) * 2, 1.0, **GRAINS), "1000000 x 1000000"),
    "periodic": (lambda: grain_composite((1000,) * 3, 1.0, periodic=True, host=HOST, **GRAINS), "grain_composite"),
    "layers": (
        lambda: grain_composite((1000,) * 3, 1.0, layers={"thickness": 10, "fraction": 0.5}, host=HOST, **GRAINS),
        "About .* sites would fit: take a smaller size or a larger spacing",
    ),
    "1e60": (lambda: grain_composite((1e60,) * 3, 1.0, **GRAINS), "1e.60 x 1e.60"),
    "fine": (lambda: grain_composite((10, 10, 10), 1e-320, **GRAINS), "grain_composite"),
    "large gaps": (
        lambda: grain_composite((9, 9), 1.0, minimum_gap=1e59, **GRAINS),
        "Packing its grains .*minimum_gap",
    ),
    "smooth host": (
        lambda: grain_composite((2000, 9), 1.0, host=HOST | {"correlation_length": 1e12}, **GRAINS),
        "Its random field .* shorter correlation_length",
    ),
    "smooth periodic host": (
        lambda: grain_composite((20, 9), 1.0, periodic=True, host=HOST | {"correlation_length": 1e99}, **GRAINS),
        "Its random field",
    ),
    "layer": (lambda: stack([Layer(10**12)]), r"stack of 1e\+12 sites takes"),
    "absurd layer": (lambda: stack([Layer(10**400), Layer(3)], (10**400,)), "stack of"),
    "wide": (lambda: stack(films(10), (10**6, 10**6)), "10 x 1000000 x 1000000 sites .* smaller cross_section"),
    "orbitals": (lambda: from_hamiltonian(sp.coo_matrix((10**12,) * 2), [[0, 0]]), r"1e\+12 orbitals with 0 stored"),
}


@pytest.mark.parametrize("name", TOO_LARGE)
def test_what_does_not_fit_is_refused_at_once(name):
    """In less than a megabyte, in one line, without a warning of overflow."""
    build, text = TOO_LARGE[name]
    tracemalloc.start()
    try:
        with warnings.catch_warnings(), pytest.raises(bdg.MemoryBudgetError, match=text) as refused:
            warnings.simplefilter("error")
            build()
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak < 1e6
    assert "\n" not in str(refused.value) and "GiB are available on this machine. " in str(refused.value)


@pytest.mark.parametrize(
    ("build", "text"),
    [
        (lambda: grain_composite((1e300,) * 3, 1.0, **GRAINS), "size must lie between 1e-60 and 1e.60"),
        (lambda: grain_composite((9, 9), 1.0, volume_fraction=0.1, diameter=1e200), "diameter must lie between"),
        (lambda: grain_composite((9, 9), 1.0, minimum_gap=1e300, **GRAINS), "minimum_gap must lie between"),
        (lambda: pack_spheres((9, 9), volume_fraction=1e-300, diameter=1.0), "volume_fraction must be at least 1e-30"),
        (lambda: pack_spheres((9, 9), volume_fraction=0.1, diameter=1.0, diameter_sigma=30), "diameter_sigma must be"),
        (lambda: pack_spheres((1e4,) * 3, volume_fraction=0.1, diameter=1.0), "spheres would be needed"),
        (
            lambda: grain_composite((9, 9), 1.0, layers={"thickness": 9, "fraction": 1e-300}, **GRAINS),
            r"layers\['fraction'\] must be at least 1e-06",
        ),
        (
            lambda: grain_composite((9, 9), 1.0, layers={"thickness": 1e99, "fraction": 0.1}, **GRAINS),
            r"layers\['thickness'\] must lie between",
        ),
    ],
)
def test_absurd_lengths_are_refused_in_words(build, text):
    with warnings.catch_warnings(), pytest.raises(ValueError, match=text):
        warnings.simplefilter("error")
        build()


def test_many_spheres_are_refused_by_memory(monkeypatch):
    monkeypatch.setattr("bdg.base.building.host_bytes", lambda: 1e9)
    with pytest.raises(bdg.MemoryBudgetError, match=r"packing 4.9e\+06 spheres .* spheres would fit: take a smaller"):
        pack_spheres((280, 280, 280), volume_fraction=0.2, diameter=1.2)


def test_what_would_fit_does(monkeypatch):
    """The number that a refusal names fits, and half as much again does not."""
    monkeypatch.setattr("bdg.base.building.host_bytes", lambda: 2e6)
    with pytest.raises(bdg.MemoryBudgetError) as refused:
        stack(films(100), (100,))
    fits = float(str(refused.value).split("About ")[1].split()[0])
    assert stack(films(int(fits / 50)), (50,)).n_sites > 0.9 * fits
    with pytest.raises(bdg.MemoryBudgetError):
        stack(films(int(1.5 * fits / 50)), (50,))


def test_the_class_is_the_one_of_solvers():
    assert bdg.MemoryBudgetError is memory.MemoryBudgetError and issubclass(bdg.MemoryBudgetError, MemoryError)


def test_a_statement_has_the_shape_and_makes_nothing():
    made = []

    def build():
        made.append(stack(films(5), (4, 3), periodic=[True, False]))

    found = budget.predict(build)
    assert found.shape == (5, 4, 3) and found.periodic == (False, True, False) and found.count == 60 and not made
    assert budget.predict(lambda: 3) is None
    build()  # the builder works again
    assert made[0].n_sites == 60


def in_a_child(code, limit=None):
    """Run code in a process of its own, with a limit of its address space."""
    command = [sys.executable, "-c", textwrap.dedent(code)]
    environment = {**os.environ, "OPENBLAS_NUM_THREADS": "1", "PYTHONPATH": os.pathsep.join(sys.path)}
    limited = (lambda: resource.setrlimit(resource.RLIMIT_AS, (limit, limit))) if limit else None
    return subprocess.run(
        command, capture_output=True, text=True, timeout=100, env=environment, preexec_fn=limited, check=False
    )


def test_any_import_puts_the_judge_in_place_and_a_limit_of_the_process_counts():
    """Two million sites need about 1.3 GB: refused under a limit of 1.2 GB, whatever the machine has."""
    code = """
    from bdg.lattices.builders.composites import grain_composite
    try:
        grain_composite((128, 128, 128), 1.0, volume_fraction=0.1, diameter=20.0, seed=0)
    except MemoryError as error:
        print(type(error).__module__, type(error).__name__, error)
    """
    answer = in_a_child(code, 1_200_000_000)
    assert answer.stdout.startswith("bdg.gpu.device.backend MemoryBudgetError grain_composite of 128 x 128 x 128"), (
        answer
    )


# --------------------------------------------------------------------------------------------------- memory of the host


def groups(monkeypatch, tmp_path, lines, files):
    own = tmp_path / "cgroup"
    own.write_text(lines)
    for name, text in files.items():
        path = tmp_path / "fs" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    monkeypatch.setattr(memory, "_OWN_GROUPS", own)
    monkeypatch.setattr(memory, "_CGROUPS", tmp_path / "fs")
    memory._limits.cache_clear()


@pytest.fixture(autouse=True)
def own_limits():
    yield
    memory._limits.cache_clear()


def test_the_limit_of_a_container_counts(monkeypatch, tmp_path):
    """Version 2: the group itself has no limit, the one above it has; cached pages of files count as free."""
    stat = "anon 5\ninactive_file 1000\n"
    files = {
        "box/memory.max": "50000000\n",
        "box/memory.current": "20000000\n",
        "box/memory.stat": stat,
        "box/job/memory.max": "max\n",
        "box/job/memory.current": "7\n",
        "box/job/memory.stat": stat,
    }
    groups(monkeypatch, tmp_path, "0::/box/job\n", files)
    assert memory.host_bytes() == 50000000 - 20000000 + 1000


def test_the_limit_of_an_older_container_counts(monkeypatch, tmp_path):
    files = {
        "memory/job/memory.limit_in_bytes": "50000000\n",
        "memory/job/memory.usage_in_bytes": "60000000\n",
        "memory/job/memory.stat": "total_inactive_file 0\n",
        "memory/memory.limit_in_bytes": "9223372036854771712\n",
    }
    groups(monkeypatch, tmp_path, "4:memory:/job\n2:cpu:/x\n", files)
    assert memory.host_bytes() == 0  # not negative


@pytest.mark.parametrize("lines", ["0::/nothing/here\n", "4:cpu:/\n", ""])
def test_without_a_limit_the_machine_counts(monkeypatch, tmp_path, lines):
    groups(monkeypatch, tmp_path, lines, {"job/memory.max": "max\n"})
    assert memory.host_bytes() == pytest.approx(memory._machine_bytes(), rel=0.2) and memory._limits() == ()
