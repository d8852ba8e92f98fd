"""What each module of the package imports, read from the sources: for the picture and for the tests."""

from __future__ import annotations

import ast
import functools
import os
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
FOLDERS = ("bdg", "lattices", "gpu", "validation")


def package_sources() -> dict[str, str]:
    """Return the sources of the package by their path from the root; links are not entered."""
    paths = [
        Path(folder, name)
        for top in FOLDERS
        for folder, _, names in os.walk(ROOT / top)
        for name in sorted(names)
        if name.endswith(".py")
    ]
    return {path.relative_to(ROOT).as_posix(): path.read_text(encoding="utf-8") for path in paths}


@functools.cache
def parsed(path: str, source: str) -> ast.Module:
    """Return the tree of a module; it is shared and must not be changed."""
    return ast.parse(source, path)


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


class Layout:
    """The modules of the package by path, and which file each import means."""

    def __init__(self, sources: dict[str, str]) -> None:
        self.trees = {path: parsed(path, source) for path, source in sources.items()}
        self.by_name = {self.dotted(path): path for path in self.trees}
        self.gathered: dict[str, dict[str, str]] = {}  # __init__ that only gathers names: name -> dotted name
        for path, tree in self.trees.items():
            if path.endswith("__init__.py"):
                self._gather(path, tree)

    @staticmethod
    def dotted(path: str) -> str:
        """Return the name that a file is imported by."""
        name = path.removesuffix(".py").removesuffix("/__init__").replace("/", ".")
        return name if name.split(".")[0] == "bdg" else f"bdg.{name}"

    def _gather(self, path: str, tree: ast.Module) -> None:
        imports = [node for node in tree.body if isinstance(node, ast.ImportFrom)]
        others = [node for node in tree.body if not isinstance(node, ast.ImportFrom | ast.Assign | ast.Expr)]
        if all(isinstance(node, ast.FunctionDef) and node.name == "__dir__" for node in others):
            self.gathered[path] = {a.asname or a.name: f"{n.module}.{a.name}" for n in imports for a in n.names}

    def file_of(self, name: str) -> str | None:
        """Return the file in which a dotted name is found, through packages that only gather names."""
        package, _, last = name.rpartition(".")
        bound = self.gathered.get(self.by_name.get(package, ""), {})
        if last in bound and bound[last] != name:  # hides a module of that name, as it does for Python
            return self.file_of(bound[last])
        while name and name not in self.by_name:
            name = name.rpartition(".")[0]
        return self.by_name.get(name)

    @functools.cached_property
    def imports(self) -> dict[str, list[tuple[int, str]]]:
        """(line, dotted name) of everything imported by each module."""
        return {path: list(imported_names(tree)) for path, tree in self.trees.items()}

    def arrows(self) -> Iterator[tuple[str, str]]:
        """Pairs (importing, imported) of files, lazy imports and those for annotations included."""
        for path, names in self.imports.items():
            for _, name in names:
                target = self.file_of(name) if name.split(".")[0] == "bdg" else None
                if target is not None and target != path:
                    yield path, target
