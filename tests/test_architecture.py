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
from fnmatch import fnmatch
from pathlib import Path

import pytest

import docs.package_imports
from docs.package_imports import FOLDERS, ROOT, Layout, imported_names, package_sources, parsed

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


def violations(path: str, source: str) -> list[str]:
    """Imports of one module that go against the arrows, as "path:line reason"."""
    folder = path.split("/")[0]
    found = []
    for line, name in imported_names(parsed(path, source)):
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
        ("lattices/a.py", "def f():\n    from bdg.gpu.device.backend import select_backend"),
        ("gpu/a.py", "import bdg.lattices.nambu"),
        ("gpu/deep/a.py", "from bdg.base.hamiltonian import BdGHamiltonian"),
        ("gpu/a.py", "import kwant"),
        ("bdg/states/bound_states.py", "from bdg.validation import report"),
        ("bdg/states/bound_states.py", "import cupy as cp"),
        ("bdg/states/bound_states.py", "import importlib\nimportlib.import_module('cupyx.scipy.sparse')"),
        ("bdg/states/bound_states.py", "import kwant.builder"),
        ("bdg/states/bound_states.py", "from . import selection"),
        ("bdg/states/bound_states.py", "from .selection import certificate"),
        ("validation/a.py", "import gpu"),
        ("tests/test_a.py", "from lattices.builders.stacks import stack"),
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
        ("gpu/a.py", "import cupy\nfrom bdg.gpu.device.backend import Backend"),
        ("bdg/cli.py", "import bdg.validation.report"),
        ("bdg/states/bound_states.py", "from bdg import gpu, lattices\nfrom bdg.base.results import Result"),
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
    """And with it bdg.lattices; plots, kwant, CuPy and dask come when they are used, and so do large parts of SciPy.

    These take as long as all the rest, in every command and every worker: write scipy.optimize.brentq where it is used.
    """
    program = """
        import sys
        before = set(sys.modules)
        import bdg
        assert bdg.lattices
        for name in set(sys.modules) - before:
            _, _, inside = (getattr(sys.modules[name], "__file__", None) or "").rpartition("site-packages/")
            print(inside.split("/")[0] if inside else "bdg")
        print(*set(sys.modules) & {"scipy." + part for part in sys.argv[1:]})
    """
    on_use = "fft interpolate ndimage optimize signal spatial special stats".split()
    answer = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(program), *on_use], cwd=ROOT, capture_output=True, text=True, timeout=120
    )
    assert answer.returncode == 0, answer.stderr
    # Where they are installed: SciPy's compiled modules look for Cython's run-time module, NumPy's f2py (which SciPy
    # loads) for charset_normalizer, which `make docs` brings.
    theirs = {"Cython", "cython.py", "charset_normalizer"}
    assert set(answer.stdout.split()) - theirs == {"bdg", "numpy", "scipy", "h5py"}


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


# ------------------------------------------------------------------------------------------------ rooms and arrows
# What each room may import besides itself, downwards only. A name stands for that room, "gpu/*" for all below a folder,
# a name of a file or a pattern of file names for these files.
BELOW = ("lattices", "lattices/*", "gpu/*")  # for every room of bdg/ but the plots
PHYSICS = tuple(
    f"bdg/{room}"
    for room in """base plots methods leads states green thermal levels densities condensate condensate/* transport
    topology currents granular granular/* electrodynamics instruments""".split()
)
_LOW = ("bdg/base", "bdg/plots", "bdg/methods")
_JOBS = (  # each may import those before it
    "bdg/jobs/model",
    "bdg/jobs/kinds/shared",
    "bdg/jobs/kinds/figures",
    "bdg/jobs/kinds",
    "bdg/jobs/job.py",
    "bdg/jobs/export.py",
    "bdg/jobs/key_help.py",
    "bdg/jobs/folder",
    "bdg/jobs/building.py",
    "bdg/jobs/progress.py",
    "bdg/jobs/status.py",
    "bdg/jobs/follow.py",
    "bdg/jobs/engines",
    "bdg/jobs/slurm.py",
    "bdg/jobs/runner.py",
    "bdg/jobs/cores.py",
    "bdg/jobs/extrapolation.py",
    "bdg/jobs/estimate.py",
)


def _rooms(*names: str) -> tuple[str, ...]:
    return tuple(f"bdg/{name}" for name in names)


ROOMS: dict[str, tuple[str, ...]] = {
    "bdg/base": BELOW,
    "bdg/plots": (),
    "bdg/methods": (*BELOW, "bdg/base"),
    "bdg/leads": (*BELOW, *_LOW),
    "bdg/states": (*BELOW, *_LOW, *_rooms("leads")),
    "bdg/green": (*BELOW, *_LOW, *_rooms("leads")),
    "bdg/thermal": (*BELOW, *_LOW, *_rooms("leads")),
    "bdg/levels": (*BELOW, *_LOW, *_rooms("states")),
    "bdg/densities": (*BELOW, *_LOW, *_rooms("green")),
    "bdg/condensate": (*BELOW, *_LOW, *_rooms("condensate/*", "thermal", "green", "leads")),
    "bdg/transport": (*BELOW, *_LOW, *_rooms("green", "leads")),
    "bdg/topology": (*BELOW, *_LOW, *_rooms("states", "levels", "transport", "leads")),
    "bdg/currents": (*BELOW, *_LOW, *_rooms("thermal", "condensate", "condensate/*", "leads")),
    "bdg/granular/couplings": (*BELOW, *_LOW, *_rooms("condensate", "currents")),
    "bdg/granular": (
        *(*BELOW, *_LOW),
        *_rooms(*"states green thermal levels condensate condensate/* currents granular/couplings".split()),
    ),
    "bdg/granular/dynamics": (*BELOW, *_LOW, *_rooms("condensate", "granular", "granular/couplings")),
    "bdg/electrodynamics": (*BELOW, *_LOW, *_rooms("condensate", "condensate/*", "currents", "granular", "granular/*")),
    "bdg/instruments": (
        *(*BELOW, *_LOW),
        *_rooms("densities", "currents", "granular", "granular/*", "electrodynamics", "transport"),
    ),
    "bdg/estimates.py": (*BELOW, *_LOW, "bdg/*choice.py", "bdg/densities/spectral_function.py"),
    "bdg/jobs": (),
    **{room: (*BELOW, *PHYSICS, "bdg/estimates.py", *_JOBS[:place]) for place, room in enumerate(_JOBS)},
    "bdg/reports": (*BELOW, "bdg/base", "bdg/plots", "bdg/jobs/*"),
    "bdg/commands": (*BELOW, "bdg/base", "bdg/jobs", "bdg/jobs/*", "bdg/reports"),
    "bdg/entry.py": (*BELOW, "bdg/base", "bdg/estimates.py", "bdg/jobs/*"),
    "bdg/cli.py": ("*",),
    "bdg/__main__.py": ("bdg/cli.py",),
    "bdg/__init__.py": ("*",),
    "gpu/device": (),
    "gpu/kernels": ("gpu/device",),
    "gpu/poles": ("gpu/device",),
    "gpu/ordering": ("gpu/device",),
    "gpu/chebyshev": ("gpu/device", "gpu/kernels"),
    "gpu/multifrontal": ("gpu/multifrontal/*",),
    "gpu/multifrontal/trust.py": ("gpu/device",),
    "gpu/multifrontal/analysis": ("gpu/device", "gpu/ordering"),
    "gpu/multifrontal/factors": ("gpu/multifrontal/trust.py", "gpu/multifrontal/analysis", "gpu/device", "gpu/kernels"),
    "gpu/multifrontal/imaginary": (
        *("gpu/multifrontal/factors", "gpu/multifrontal/analysis"),
        *("gpu/device", "gpu/kernels"),
    ),
    "gpu/eigen": ("gpu/multifrontal/*", "gpu/chebyshev", "gpu/device"),
    "gpu/cost": ("gpu/multifrontal/*", "gpu/chebyshev", "gpu/device"),
    "lattices": (),
    "lattices/builders": ("lattices", "lattices/packing"),
    "lattices/packing": ("lattices",),
    "lattices/materials": ("lattices",),
    "validation": ("*",),
}
KINDS = ("bdg/jobs/kinds", "bdg/jobs/kinds/figures")
# These read version and place of the package, nothing else of it.
VERSIONED = ("bdg/jobs/folder/provenance.py", "bdg/reports/page.py", "bdg/reports/citations.py", "bdg/commands/info.py")
PLOTS_MAY_IMPORT = {"numpy", "matplotlib"}
LAZY = {  # imports of bdg inside functions that stay: "file function -> file", and why
    "bdg/*.py plot -> bdg/plots/*": "matplotlib loads when a figure is drawn",
    "bdg/cli.py * -> *": "only the command that was given is loaded; the commands reach validation, too",
    "bdg/entry.py * -> bdg/jobs/*": "`import bdg` loads no jobs",
}
OWN_NAME = {"count_states", "load", "estimate"}  # functions of bdg that need not be in a module of their own name
MOST_LINES, MOST_CODE, MOST_MODULES = 400, 70, 24
CROWDED = {"validation/checks", "validation/experiments"}  # one file a row
# What is not as it should be yet. Entries may go, none may come; one that is no longer needed is an error.
STILL: dict[str, set[str]] = {
    "arrows": set(),
    "circles": set(),
    "lazy": set(),
    "own name": set(),
    "hidden": set(),
    "length": set(),
}


def room_of(path: str) -> str | None:
    """Return the row of the table that a file belongs to."""
    if path in ROOMS:
        return path
    folder = path.rpartition("/")[0]
    if path.startswith("validation/"):
        return "validation"
    if folder.startswith("bdg/condensate/"):
        folder = "bdg/condensate"
    return folder if folder in ROOMS else None


def against_the_rooms(layout: Layout) -> set[str]:
    """Imports against the table, as "file -> file", and files that have no room."""
    found = {f"{path} has no room" for path in layout.trees if room_of(path) is None and path not in layout.gathered}
    for path, target in layout.arrows():
        room, other = room_of(path), room_of(target)
        if path in layout.gathered or room is None or other is None or room == other and room not in KINDS:
            continue
        if target in layout.gathered and target != "bdg/__init__.py":
            continue
        if room in KINDS and other in KINDS:  # a kind knows its own figures, no other kind and no other figures
            allowed = target == path.replace("kinds/", "kinds/figures/", 1) and room != other
        else:
            allowed = any(fnmatch(name, row) for row in ROOMS[room] for name in (other, target))
        if not allowed and not (path in VERSIONED and target == "bdg/__init__.py"):
            found.add(f"{path} -> {target}")
    for path, tree in layout.trees.items():
        if path.startswith("bdg/plots/"):
            others = {name.split(".")[0] for _, name in imported_names(tree)} - sys.stdlib_module_names - {"bdg"}
            found |= {f"{path} -> {name}" for name in others - PLOTS_MAY_IMPORT}
    return found


def circles(layout: Layout) -> list[set[str]]:
    """Sets of files of which each leads to each other by imports; packages that only gather names are in none."""
    below: dict[str, set[str]] = {path: set() for path in layout.trees if path not in layout.gathered}
    for path, target in layout.arrows():
        if path in below and target in below:
            below[path].add(target)

    def reached(start: str) -> set[str]:
        seen, waiting = set(), [start]
        while waiting:
            new = below[waiting.pop()] - seen
            seen |= new
            waiting += new
        return seen

    reach = {path: reached(path) for path in below}
    found = {frozenset(other for other in reach[path] if path in reach[other]) for path in below if path in reach[path]}
    return [set(circle) for circle in found]


def lazy_imports(layout: Layout) -> set[str]:
    """Imports of bdg inside functions, as "file function -> file"."""
    found = set()
    for path, tree in layout.trees.items():
        if not any(name.split(".")[0] == "bdg" for _, name in layout.imports[path]):
            continue
        for node in ast.walk(tree):
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
                names = {name for _, name in imported_names(node) if name.split(".")[0] == "bdg"}
                found |= {f"{path} {node.name} -> {layout.file_of(name)}" for name in names}
    return found


def without_reason(lazy: set[str]) -> set[str]:
    return {text for text in lazy if not any(fnmatch(text, place) for place in LAZY)}


def functions_elsewhere(layout: Layout) -> set[str]:
    """Public functions of bdg that are not defined in a module of their own name, as "function file"."""
    found = set()
    for name, full in layout.gathered["bdg/__init__.py"].items():
        path = layout.file_of(full)
        defined = {n.name for n in layout.trees[path or ""].body if isinstance(n, ast.FunctionDef)} if path else set()
        if name in defined and name not in OWN_NAME and Path(path or "").stem != name:
            found.add(f"{name} {path}")
    return found


def hidden_modules(layout: Layout) -> set[str]:
    """Modules whose dotted name means a function or class of their package."""
    packages = {layout.dotted(path): names for path, names in layout.gathered.items()}
    return {
        layout.by_name[f"{package}.{name}"]
        for package, names in packages.items()
        for name, full in names.items()
        if f"{package}.{name}" in layout.by_name and full != f"{package}.{name}"
    }


def too_long(layout: Layout, sources: dict[str, str]) -> set[str]:
    """Modules, functions and folders above the bounds."""
    found = {path for path, source in sources.items() if len(source.splitlines()) > MOST_LINES}
    for path, tree in layout.trees.items():
        for node in ast.walk(tree):
            if isinstance(node, ast.FunctionDef):
                first = node.body[0]
                said = first.end_lineno - first.lineno + 1 if ast.get_docstring(node, clean=False) is not None else 0
                if node.end_lineno - node.lineno + 1 - said > MOST_CODE:
                    found.add(f"{path} {node.name}")
    folders = [path.rpartition("/")[0] for path in sources if not path.endswith("__init__.py")]
    return found | {f for f in set(folders) - CROWDED if folders.count(f) > MOST_MODULES}


@pytest.fixture(scope="module")
def layout() -> Layout:
    return Layout(package_sources())


def assert_only_still(found: set[str], check: str) -> None:
    assert sorted(found - STILL[check]) == [], "new"
    assert sorted(STILL[check] - found) == [], "no longer needed: take these out of STILL"


def test_rooms_import_downwards(layout):
    assert_only_still(against_the_rooms(layout), "arrows")


def test_no_circle_of_files(layout):
    assert_only_still(set().union(*circles(layout)), "circles")


def test_imports_inside_functions_have_a_reason(layout):
    assert_only_still(without_reason(lazy_imports(layout)), "lazy")


def test_public_functions_are_in_modules_of_their_name(layout):
    names = layout.gathered["bdg/__init__.py"]
    assert {"bound_states", "solve_gap"} <= set(names)  # the list was read
    assert_only_still(functions_elsewhere(layout), "own name")


def test_no_module_is_hidden_by_a_function(layout):
    assert_only_still(hidden_modules(layout), "hidden")


def test_modules_functions_and_folders_are_short(layout):
    assert_only_still(too_long(layout, package_sources()), "length")


@pytest.mark.parametrize(
    ("path", "source", "target"),
    [
        ("bdg/base/a.py", "from bdg.methods.b import c", "bdg/methods/b.py"),
        ("bdg/plots/a.py", "from bdg.base.b import c", "bdg/base/b.py"),
        ("bdg/plots/a.py", "def f():\n    from bdg.lattices.b import c", "lattices/b.py"),
        ("bdg/densities/a.py", "import typing\nif typing.TYPE_CHECKING:\n    import bdg.states.b", "bdg/states/b.py"),
        ("bdg/green/a.py", "from bdg import entry", "bdg/entry.py"),
        ("bdg/green/a.py", "import bdg", "bdg/__init__.py"),
        ("bdg/condensate/gap/a.py", "from bdg.currents.b import c", "bdg/currents/b.py"),
        ("bdg/estimates.py", "from bdg.green.b import c", "bdg/green/b.py"),
        ("bdg/jobs/model/a.py", "from bdg.jobs.kinds.b import c", "bdg/jobs/kinds/b.py"),
        ("bdg/jobs/kinds/a.py", "from bdg.jobs.kinds.b import KIND", "bdg/jobs/kinds/b.py"),
        ("bdg/jobs/runner.py", "from bdg.entry import load", "bdg/entry.py"),
        ("gpu/ordering/a.py", "from bdg.gpu.eigen.b import c", "gpu/eigen/b.py"),
        ("gpu/multifrontal/analysis/a.py", "from bdg.gpu.multifrontal import B", "gpu/multifrontal/factors/b.py"),
        ("lattices/a.py", "from bdg.lattices.builders.b import c", "lattices/builders/b.py"),
        ("lattices/packing/a.py", "from bdg.lattices.materials.b import c", "lattices/materials/b.py"),
    ],
)  # fmt: skip
def test_an_import_upwards_is_found(path, source, target):
    sources = {path: source, target: "", "bdg/__init__.py": ""}
    if "multifrontal" in path:
        sources["gpu/multifrontal/__init__.py"] = "from bdg.gpu.multifrontal.factors.b import B"
    assert against_the_rooms(Layout(sources)) == {f"{path} -> {target}"}


@pytest.mark.parametrize(
    ("path", "source", "target"),
    [
        ("bdg/states/a.py", "from bdg.gpu.eigen.b import c\nfrom bdg.lattices.builders.d import e", "gpu/eigen/b.py"),
        ("bdg/condensate/gap/a.py", "from bdg.condensate.b import c", "bdg/condensate/b.py"),
        ("bdg/estimates.py", "from bdg.green import choice", "bdg/green/choice.py"),
        ("bdg/estimates.py", "from bdg.densities.local_choice import a", "bdg/densities/local_choice.py"),
        ("bdg/jobs/kinds/a.py", "from bdg.jobs.kinds.figures.a import draw", "bdg/jobs/kinds/figures/a.py"),
        ("bdg/jobs/runner.py", "from bdg.jobs.engines.b import c", "bdg/jobs/engines/b.py"),
        ("gpu/eigen/a.py", "from bdg.gpu.multifrontal.factors.b import c", "gpu/multifrontal/factors/b.py"),
        ("bdg/jobs/folder/provenance.py", "import bdg", "bdg/__init__.py"),
    ],
)
def test_an_import_downwards_is_left_alone(path, source, target):
    assert against_the_rooms(Layout({path: source, target: ""})) == set()


def test_what_a_plot_draws_with_is_bounded():
    assert against_the_rooms(Layout({"bdg/plots/a.py": "import os\nimport numpy\nimport scipy.sparse"})) == {
        "bdg/plots/a.py -> scipy"
    }


def test_a_file_without_a_room_is_found():
    assert against_the_rooms(Layout({"bdg/spectrum.py": "x = 1"})) == {"bdg/spectrum.py has no room"}


def test_circles_are_found():
    """Through a function, an annotation and a package that gathers names; the package itself is in none."""
    sources = {
        "bdg/states/__init__.py": "from bdg.states.a import A\nfrom bdg.states.d import D",
        "bdg/states/a.py": "def f():\n    from bdg.states import b",
        "bdg/states/b.py": "from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    from bdg.states import A",
        "bdg/states/c.py": "from bdg.states.a import A",
        "bdg/states/d.py": "import bdg.states",
    }
    assert circles(Layout(sources)) == [{"bdg/states/a.py", "bdg/states/b.py"}]


def test_lazy_imports_are_found():
    source = "import bdg\ndef f():\n    import matplotlib\nclass A:\n    def g(self):\n        from bdg import load\n"
    layout = Layout({"bdg/states/a.py": source, "bdg/__init__.py": ""})
    assert without_reason(lazy_imports(layout)) == {"bdg/states/a.py g -> bdg/__init__.py"}


def test_figures_may_be_imported_where_they_are_drawn():
    source = "class A:\n    def {}(self):\n        from bdg.plots.levels import plot_levels\n"
    for name, n_found in (("plot", 0), ("solve", 1)):
        layout = Layout({"bdg/states/a.py": source.format(name), "bdg/plots/levels.py": ""})
        assert len(without_reason(lazy_imports(layout))) == n_found


def test_functions_elsewhere_and_hidden_modules_are_found():
    sources = {
        "bdg/__init__.py": "from bdg.one import f\nfrom bdg.g import g\nfrom bdg.room.h import h\nfrom bdg import room",
        "bdg/one.py": "def f(): ...",
        "bdg/g.py": "def g(): ...",
        "bdg/room/__init__.py": "",
        "bdg/room/h.py": "def h(): ...",
    }
    assert functions_elsewhere(Layout(sources)) == {"f bdg/one.py"}
    assert hidden_modules(Layout(sources)) == {"bdg/g.py"}


def test_long_modules_functions_and_folders_are_found():
    body = "    x = 1\n" * MOST_CODE
    sources = {
        "bdg/base/a.py": "def f():\n" + body,
        "bdg/base/b.py": f'def f():\n    """{"line" + chr(10) * 9}"""\n' + body[: -len("    x = 1\n")],
        "bdg/base/c.py": "\n" * (MOST_LINES + 1),
        **{f"bdg/states/m{k}.py": "" for k in range(MOST_MODULES + 1)},
    }
    assert too_long(Layout(sources), sources) == {"bdg/base/a.py f", "bdg/base/c.py", "bdg/states"}


def test_the_picture_is_that_of_the_imports(monkeypatch, capsys):
    monkeypatch.setitem(sys.modules, "package_imports", docs.package_imports)  # beside it, for the script
    from docs.draw_architecture import main

    assert main(["--check"]) == 0, capsys.readouterr().out
