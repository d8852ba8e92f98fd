"""Knowledge flows one way: runs -> validation -> bdg -> {lattices, gpu}. Read from the imports, not from good will."""

import ast
import json
import os
import re
import shutil
import subprocess
import sys
import textwrap
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
FOLDERS = ("bdg", "lattices", "gpu", "validation")
LINKED = ("lattices", "gpu", "validation")
MAY_IMPORT = {
    "lattices": {"lattices"},
    "gpu": {"gpu"},
    "bdg": {"bdg", "lattices", "gpu"},
    "validation": set(FOLDERS),
    "runs": set(FOLDERS),
    "tests": set(FOLDERS),
}
APPLICATION = {"bdg/cli.py", "bdg/__main__.py"}  # calls validation inside its commands
MAY_IMPORT_CUPY = {"gpu", "tests"}
MAY_IMPORT_KWANT = {"lattices", "validation", "tests", "runs"}


def python_sources(folder: str) -> Iterator[tuple[str, str]]:
    """(path from the root, source) of the modules and notebooks of a folder; links are not entered."""
    for directory, _, names in os.walk(ROOT / folder):
        for name in sorted(names):
            path = Path(directory, name)
            if path.suffix == ".py":
                yield path.relative_to(ROOT).as_posix(), path.read_text(encoding="utf-8")
            elif path.suffix == ".ipynb" and ".ipynb_checkpoints" not in path.parts:
                cells = json.loads(path.read_text(encoding="utf-8"))["cells"]
                code = "\n".join("".join(cell["source"]) for cell in cells if cell["cell_type"] == "code")
                yield path.relative_to(ROOT).as_posix(), re.sub(r"(?m)^\s*[%!].*$", "", code)


def imported_names(tree: ast.AST) -> Iterator[tuple[int, str]]:
    """(line, dotted name) of everything imported anywhere in a module; relative imports keep their dots."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            for alias in node.names:
                yield node.lineno, alias.name
        elif isinstance(node, ast.ImportFrom):
            module = "." * node.level + (node.module or "")
            for alias in node.names:  # "from bdg import gpu" names bdg.gpu
                yield node.lineno, f"{module}.{alias.name}"
        elif isinstance(node, ast.Call) and node.args and isinstance(node.args[0], ast.Constant):
            called = node.func.attr if isinstance(node.func, ast.Attribute) else getattr(node.func, "id", "")
            if called in ("import_module", "__import__"):
                yield node.lineno, str(node.args[0].value)


def violations(path: str, source: str) -> list[str]:
    """Imports of one module that go against the arrows, as "path:line reason"."""
    folder = path.split("/")[0]
    found = []
    for line, name in imported_names(ast.parse(source, path)):
        top, _, rest = name.partition(".")
        second = rest.split(".")[0]
        layer = second if second in LINKED else "bdg"
        if name.startswith("."):
            reason = "relative import; write the full name"
        elif top in LINKED:
            reason = f"bare import of {top!r}, which makes a second copy of its classes; write bdg.{name}"
        elif top == "bdg" and layer not in MAY_IMPORT[folder] and not (layer == "validation" and path in APPLICATION):
            reason = f"{folder} may not import {name}"
        elif top in ("cupy", "cupyx") and folder not in MAY_IMPORT_CUPY:
            reason = "cupy is imported in gpu/ only"
        elif top == "kwant" and folder not in MAY_IMPORT_KWANT:
            reason = "kwant is imported in lattices/ only (validation, tests and runs may compare with it)"
        else:
            continue
        found.append(f"{path}:{line} {reason}")
    return found


def test_imports_follow_the_arrows():
    sources = [item for folder in MAY_IMPORT for item in python_sources(folder)]
    assert {path.split("/")[0] for path, _ in sources} >= {*FOLDERS, "tests"}
    assert [text for path, source in sources for text in violations(path, source)] == []


@pytest.mark.parametrize(
    ("path", "source"),
    [
        ("lattices/a.py", "import bdg"),
        ("lattices/a.py", "from bdg import bound_states"),
        ("lattices/a.py", "from bdg import gpu"),
        ("lattices/a.py", "def f():\n    from bdg.gpu.backend import select_backend"),
        ("gpu/a.py", "import bdg.lattices.nambu"),
        ("gpu/deep/a.py", "from bdg.hamiltonian import BdGHamiltonian"),
        ("gpu/a.py", "import kwant"),
        ("bdg/spectrum.py", "from bdg.validation import report"),
        ("bdg/spectrum.py", "import cupy as cp"),
        ("bdg/spectrum.py", "import importlib\nimportlib.import_module('cupyx.scipy.sparse')"),
        ("bdg/spectrum.py", "import kwant.builder"),
        ("bdg/spectrum.py", "from . import pairing"),
        ("bdg/spectrum.py", "from .pairing import gap"),
        ("validation/a.py", "import gpu"),
        ("tests/test_a.py", "from lattices.stacks import stack"),
        ("runs/a.py", "from validation.report import table"),
        ("lattices/a.py", "import cupy"),
        ("validation/a.py", "import cupy"),
    ],
)
def test_a_forbidden_import_is_found(path, source):
    assert len(violations(path, source)) == 1


@pytest.mark.parametrize(
    ("path", "source"),
    [
        ("lattices/a.py", "import kwant\nfrom bdg.lattices.nambu import pauli\nimport bdg.lattices.system"),
        ("gpu/a.py", "import cupy\nfrom bdg.gpu.backend import Backend"),
        ("bdg/cli.py", "import bdg.validation.report"),
        ("bdg/spectrum.py", "from bdg import gpu, lattices\nfrom bdg.results import Result"),
        ("validation/a.py", "import bdg\nimport kwant"),
        ("tests/test_a.py", "import cupy, kwant, bdg.validation"),
    ],
)
def test_an_allowed_import_is_left_alone(path, source):
    assert violations(path, source) == []


@pytest.mark.parametrize("folder", LINKED)
def test_the_folders_are_reached_through_links(folder):
    link = ROOT / "bdg" / folder
    if not link.is_symlink():
        pytest.fail(f"bdg/{folder} must be a symbolic link to ../{folder}; was the tree copied without its links?")
    assert os.readlink(link) == f"../{folder}"
    assert (link / "__init__.py").is_file()


def test_importing_bdg_loads_only_numpy_scipy_and_h5py():
    """And with it bdg.lattices; plots, kwant, CuPy and dask come when they are used."""
    program = """
        import sys
        before = set(sys.modules)
        import bdg
        assert bdg.lattices
        for name in set(sys.modules) - before:
            _, _, inside = (getattr(sys.modules[name], "__file__", None) or "").rpartition("site-packages/")
            print(inside.split("/")[0] if inside else "bdg")
    """
    answer = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(program)], cwd=ROOT, capture_output=True, text=True, timeout=120
    )
    assert answer.returncode == 0, answer.stderr
    # SciPy's compiled modules look for Cython's run-time module where there is one.
    assert set(answer.stdout.split()) - {"Cython", "cython.py"} == {"bdg", "numpy", "scipy", "h5py"}


def repository_files() -> list[Path]:
    """Tracked and new files of a checkout (not the ignored ones)."""
    command = ["git", "-C", str(ROOT), "ls-files", "-co", "--exclude-standard", "-z"]
    if not (ROOT / ".git").exists() or shutil.which("git") is None:
        pytest.skip("not a git checkout")
    listed = subprocess.run(command, capture_output=True, check=True, timeout=60).stdout.decode().split("\0")
    return [path for path in (ROOT / name for name in listed if name) if path.is_file() and not path.is_symlink()]


OF_ONE_MACHINE = re.compile(
    r"""(?<![\w./:-])/(?:work|root|home|Users|farm|tmp)/\w   # a folder that only one machine has
      | \.\./shared\b                                        # outside the repository
      | --(?:extra-)?index-url | https?://[^\s)"']*/simple\b # the address of a package index
    """,
    re.VERBOSE,
)


def test_no_file_names_one_machine():
    found = []
    for path in repository_files():
        text = path.read_bytes()
        if path == Path(__file__).resolve() or b"\0" in text[:8192]:
            continue
        for number, line in enumerate(text.decode("utf-8", "replace").splitlines(), 1):
            if match := OF_ONE_MACHINE.search(line):
                found.append(f"{path.relative_to(ROOT)}:{number} {match.group()}")
    assert found == []


@pytest.mark.parametrize(
    "line", ["see ../shared/a.md", 'open("/home/me/x.h5")', "cd /root/x", "pip install --index-url x", "in /tmp/abc"]
)
def test_a_machine_name_is_found(line):
    assert OF_ONE_MACHINE.search(line)


def test_mypy_checks_behind_the_links(tmp_path):
    """A planted type error is reported in each folder, with the project's own settings and command (`mypy`)."""
    pytest.importorskip("mypy")
    shutil.copy(ROOT / "pyproject.toml", tmp_path)
    for folder in FOLDERS:
        (tmp_path / folder).mkdir()
        (tmp_path / folder / "__init__.py").touch()
        (tmp_path / folder / "planted.py").write_text("def f(n):\n    number: int = 'text'\n    return number + n\n")
    for folder in LINKED:
        (tmp_path / "bdg" / folder).symlink_to(f"../{folder}")
    answer = subprocess.run([sys.executable, "-m", "mypy"], cwd=tmp_path, capture_output=True, text=True, timeout=300)
    assert answer.returncode == 1
    assert sorted(re.findall(r"^(\S+planted\.py):2: error", answer.stdout, re.MULTILINE)) == [
        "bdg/gpu/planted.py",
        "bdg/lattices/planted.py",
        "bdg/planted.py",
        "bdg/validation/planted.py",
    ]
