"""Every public name has an example in its docstring, or is what an example shows, and all examples run as printed."""

import doctest
import importlib.util
import inspect
from pathlib import Path

import pytest

import bdg

SITE = Path(__file__).resolve().parents[1] / "docs" / "site"
ROOMS = bdg, bdg.lattices, bdg.granular, bdg.electrodynamics, bdg.instruments
SLOW = {"bdg.granular.locking_temperature"}  # Monte Carlo of two networks


def _module(name):
    spec = importlib.util.spec_from_file_location(name, SITE / f"{name}.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


examples = _module("examples")


def public_names(rooms=ROOMS):
    """Yield room and name of all that is public and no room itself."""
    for room in rooms:
        yield from ((room, name) for name in room.__all__ if not inspect.ismodule(getattr(room, name)))


def with_example():
    """Return {the first public name of each: its example}."""
    found = {}
    for room, name in public_names():
        value = getattr(room, name)
        if examples.own_example(value) and value not in [seen for seen, _ in found.values()]:
            found[f"{room.__name__}.{name}"] = value, examples.own_example(value)
    return {name: text for name, (_, text) in found.items()}


EXAMPLES = with_example()


def run(name, text):
    """Return what differs when the lines of an example are run."""
    said = []
    test = doctest.DocTestParser().get_doctest(text, {}, name, None, 0)
    doctest.DocTestRunner(verbose=False).run(test, out=said.append)
    return "".join(said)


@pytest.mark.parametrize(
    "name", [pytest.param(name, marks=[pytest.mark.slow] * (name in SLOW)) for name in sorted(EXAMPLES)]
)
def test_the_example_runs_as_printed(name):
    assert run(name, EXAMPLES[name]) == ""


@pytest.mark.parametrize("room", ROOMS, ids=lambda room: room.__name__)
def test_every_public_name_has_an_example(room):
    assert [name for _, name in public_names([room]) if not examples.shown_by(room, name)] == []


def test_every_example_shows_something():
    assert [name for name, text in EXAMPLES.items() if not any(b.want.strip() for b in examples.blocks(text))] == []


def test_a_wrong_output_and_an_error_are_found():
    assert "Got:\n    2\n" in run("wrong", ">>> print(1 + 1)\n3\n")
    assert "NameError" in run("missing", ">>> print(x)\n1\n")
