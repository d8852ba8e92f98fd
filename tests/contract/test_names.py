"""Importing is light; names, arguments, their order and their defaults are those that are published."""

import inspect
import itertools
import subprocess
import sys

import pytest
from algebra import random_chain

import bdg


def test_import_brings_lattices_and_nothing_heavy():
    code = (
        "import sys, bdg\n"
        "bdg.lattices.stack, bdg.lattices.from_kwant, bdg.lattices.grain_composite, bdg.lattices.Layer\n"
        "bad = {'matplotlib', 'kwant', 'cupy', 'tqdm', 'dask', 'numba', 'tinyarray', 'pandas'} & set(sys.modules)\n"
        "sys.exit(repr(sorted(bad)) if bad else 0)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize(
    "name",
    ["BackendUnavailableError", "ConvergenceError", "MemoryBudgetError", "JobError", "ResultFileError"],
)
def test_errors_are_exceptions(name):
    assert issubclass(getattr(bdg, name), Exception)


EMPTY = inspect.Parameter.empty
SIGNATURES = {
    "lattices.from_kwant": dict(
        builder=EMPTY,
        __kw__=True,
        delta=0,
        pairing=None,
        attraction=0,
        grain=None,
        params=None,
        period=None,
        lead_delta=None,
    ),
    "lattices.from_hamiltonian": dict(
        hamiltonian=EMPTY,
        positions=EMPTY,
        __kw__=True,
        norbs=1,
        delta=0,
        pairing=None,
        attraction=0,
        grain=None,
        period=None,
    ),
    "lattices.Layer": dict(length=EMPTY, __kw__=True, delta=0, phase=0, onsite=0, attraction=0, hopping=1, disorder=0),
    "lattices.stack": dict(
        layers=EMPTY,
        cross_section=(),
        __kw__=True,
        t=1,
        mu=0,
        spacing=1,
        transparency=None,
        barrier=0,
        periodic=False,
        seed=None,
    ),
    "lattices.grain_composite": dict(
        size=EMPTY,
        spacing=EMPTY,
        __kw__=True,
        volume_fraction=EMPTY,
        diameter=EMPTY,
        diameter_sigma=0,
        minimum_gap=0,
        periodic=False,
        t=1,
        mu=-1,
        delta=0.3,
        attraction=0,
        disorder=0,
        transparency=1,
        host=None,
        layers=None,
        seed=None,
    ),
    "lattices.composition": dict(b2o3_to_sio2=EMPTY),
    "lattices.effective_mass": dict(
        mass=EMPTY,
        spacing_nm=EMPTY,
        __kw__=True,
        density_m3=EMPTY,
        mean_free_path_nm=None,
        mobility_cm2_Vs=None,
        dimensions=3,
    ),
    "System.with_field": dict(self=EMPTY, B=EMPTY, gauge="auto"),
    "System.with_delta": dict(self=EMPTY, delta=EMPTY),
    "System.with_onsite": dict(self=EMPTY, values=EMPTY),
    "BdGHamiltonian": dict(system=EMPTY),
    "bound_states": dict(system=EMPTY, k=32, __kw__=True, window=None, method="auto", tol=1e-9),
    "count_states": dict(system=EMPTY, energy=EMPTY),
    "pair_amplitude": dict(system=EMPTY, temperature=EMPTY, __kw__=True, sites=None, method="auto", tol=1e-6),
    "proximity_length": dict(
        system=EMPTY,
        amplitude=EMPTY,
        __kw__=True,
        temperature=None,
        mean_free_path=None,
        model="auto",
        bin_width=None,
        geometry="auto",
    ),
}


@pytest.mark.parametrize("name", SIGNATURES)
def test_arguments_and_defaults(name):
    target = bdg
    for part in name.split("."):
        target = getattr(target, part)
    found = inspect.signature(target).parameters
    keyword_only = False
    for argument, default in SIGNATURES[name].items():
        if argument == "__kw__":
            keyword_only = True
            continue
        assert argument in found, f"{name} has no argument {argument!r}: {list(found)}"
        assert found[argument].default == default, (name, argument)
        kind = found[argument].kind
        if keyword_only:
            assert kind is inspect.Parameter.KEYWORD_ONLY, (name, argument)
        else:
            assert kind is not inspect.Parameter.KEYWORD_ONLY, (name, argument)
    positional = [a for a in SIGNATURES[name] if a != "__kw__"]
    if "__kw__" in SIGNATURES[name]:
        positional = list(itertools.takewhile(lambda a: a != "__kw__", SIGNATURES[name]))
    assert list(found)[: len(positional)] == positional


@pytest.mark.parametrize("name", ["bound_states", "count_states", "pair_amplitude"])
def test_device_means_the_same_everywhere(name):
    parameters = inspect.signature(getattr(bdg, name)).parameters
    assert parameters["device"].default == "auto"
    if name != "count_states":  # one factorisation: no bar
        assert parameters["progress"].default is False
    h, delta, positions = random_chain()
    system = bdg.lattices.from_hamiltonian(h, positions, delta=delta)
    second = {"bound_states": 4, "count_states": 0.3, "pair_amplitude": 0.1}[name]
    result = getattr(bdg, name)(system, second, device="cpu")
    assert "cpu" in str(result.evidence.device)
    with pytest.raises(ValueError, match="device"):
        getattr(bdg, name)(system, second, device="tpu")
