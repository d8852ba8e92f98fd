"""What ``help`` says of each public function: all parameters, what comes back, what is raised, arrays with shapes."""

import dataclasses
import inspect
import re

import numpy as np
import pytest

import bdg
from bdg.base.results import Result

COMPUTE = {name: getattr(bdg, name) for name in bdg.__all__ if inspect.isfunction(getattr(bdg, name))}
BUILD = {f"lattices.{name}": getattr(bdg.lattices, name) for name in bdg.lattices.__all__}
FUNCTIONS = COMPUTE | {name: value for name, value in BUILD.items() if inspect.isfunction(value)}
RESULTS = {name: getattr(bdg, name) for name in bdg.__all__ if name[0].isupper()}
NO_PHYSICS = {"estimate", "load"}  # they have no formula and no source
ARRAY, SHAPED = re.compile(r"\barrays?\b"), re.compile(r"\barrays? \(")
FORMULA = re.compile(r"math::|``[^`]*[=^][^`]*``")


def sections(text):
    """Return {title: {head of an entry: its text}} of a docstring in numpydoc's form."""
    lines, found, title = text.splitlines(), {}, ""
    for line, following in zip(lines, [*lines[1:], ""], strict=True):
        if following and set(following) == {"-"}:
            title = line
            found[title] = {}
        elif not title or not line.strip() or set(line) == {"-"}:
            continue
        elif not line.startswith(" "):
            head = line
            found[title][head] = ""
        else:
            found[title][head] += f"{line.strip()} "
    return found


def names_of(entries):
    return [name.strip().lstrip("*") for head in entries for name in head.split(" : ")[0].split(",")]


def incomplete(function):
    """Return what the docstring of a function lacks, in words."""
    found = sections(inspect.getdoc(function) or "")
    lacks = [f"no {title}" for title in ("Parameters", "Returns", "Raises") if not found.get(title)]
    described, taken = names_of(found.get("Parameters", {})), list(inspect.signature(function).parameters)
    lacks += [f"parameters {described} for {taken}"] * (described != taken)
    heads = [*found.get("Parameters", {}), *found.get("Returns", {})]
    return lacks + [f"no shape: {head}" for head in heads if ARRAY.search(head) and not SHAPED.search(head)]


@pytest.mark.parametrize("name", list(FUNCTIONS))
def test_functions_are_described(name):
    assert incomplete(FUNCTIONS[name]) == []


@pytest.mark.parametrize("name", sorted(COMPUTE.keys() - NO_PHYSICS))
def test_functions_show_their_formula_and_their_source(name):
    text = inspect.getdoc(COMPUTE[name])
    assert FORMULA.search(text.partition("Parameters\n-")[0])
    assert sections(text).get("References")


def test_the_critical_temperature_shows_its_kernel():
    assert r"\chi_{ij} = T \sum_\omega G_{ij}(i\omega)" in bdg.critical_temperature.__doc__


@pytest.mark.parametrize("name", [n for n, kind in RESULTS.items() if issubclass(kind, Result) and n != "StateCount"])
def test_results_name_the_shapes_of_their_arrays(name):
    described = sections(inspect.getdoc(RESULTS[name]))["Attributes"]
    shaped = names_of(head for head in described if SHAPED.search(head))
    arrays = [item.name for item in dataclasses.fields(RESULTS[name]) if item.type in ("np.ndarray", np.ndarray)]
    assert [field for field in arrays if field not in shaped] == []


@pytest.mark.parametrize("head", ["temperature : float", 'device : {"auto", "cpu", "gpu"}', "seed, progress"])
def test_thermal_functions_describe_an_argument_in_the_same_words(head):
    functions = bdg.electron_density, bdg.free_energy, bdg.bond_currents
    assert len({sections(inspect.getdoc(function))["Parameters"][head] for function in functions}) == 1


def test_what_is_missing_is_found():
    def function(values, k):
        """Return a sum.

        Parameters
        ----------
        values : array
            What is added up.

        Returns
        -------
        array (k,)
        """

    assert incomplete(function) == [
        "no Raises",
        "parameters ['values'] for ['values', 'k']",
        "no shape: values : array",
    ]
