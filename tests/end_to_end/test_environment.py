"""`make env` names what it cannot use before it installs anything."""

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
DEPENDENCIES = ROOT / ".ci" / "system-deps.sh"
pytestmark = pytest.mark.skipif(
    not DEPENDENCIES.exists() or shutil.which("sh") is None, reason="needs a checkout and a shell"
)


@pytest.fixture
def python_that_says(tmp_path):
    """Return a function that makes a Python which takes itself for another version."""

    def make(major, minor):
        path = tmp_path / f"python{major}.{minor}"
        path.write_text(
            f'#!/bin/sh\n[ "$1" = -c ] || exec {sys.executable} "$@"\n'
            f"exec {sys.executable} -c \"import sys; sys.version_info = ({major}, {minor}, 0, 'final', 0)\n$2\"\n"
        )
        path.chmod(0o755)
        return path

    return make


def look(python, folder):
    """Run the script where it finds no package manager: it may only look."""
    environment = {"PATH": str(folder / "nothing"), "CC": shutil.which("true"), "CXX": shutil.which("true")}
    command = [shutil.which("sh"), DEPENDENCIES, python]
    return subprocess.run(command, capture_output=True, text=True, timeout=60, env=environment)


@pytest.mark.parametrize("version", [(3, 14), (3, 15), (3, 10)])
def test_other_pythons_are_refused_in_one_line_with_the_cure(python_that_says, tmp_path, version):
    python = python_that_says(*version)
    done = look(python, tmp_path)
    assert done.returncode == 1
    assert done.stdout == ""
    (line,) = done.stderr.splitlines()
    assert line.startswith(f"error: {python} is Python {version[0]}.{version[1]}")
    assert "make env PYTHON=python3.1" in line


@pytest.mark.parametrize("minor", [11, 12, 13])
def test_tested_pythons_pass_this_check(python_that_says, tmp_path, minor):
    """Whatever else may be missing on this machine, it is not the version."""
    assert " is Python 3." not in look(python_that_says(3, minor), tmp_path).stderr


def test_the_refused_versions_are_those_that_are_not_promised():
    """One range in the script, in pyproject.toml and in the conda file."""
    classifiers = (ROOT / "pyproject.toml").read_text()
    for minor in (11, 12, 13):
        assert f"Programming Language :: Python :: 3.{minor}" in classifiers
    assert "Python :: 3.14" not in classifiers
    assert "python>=3.11,<3.14" in (ROOT / "environment.yml").read_text()
