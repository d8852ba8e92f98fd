"""Where a result comes from: versions of what computed it, and the commit if it ran from a checkout."""

from __future__ import annotations

import functools
import hashlib
import importlib.metadata
import os
import platform
import subprocess
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import bdg

_PACKAGES = ("bdg", "numpy", "scipy", "h5py", "matplotlib", "kwant")
_DECISIVE = ("bdg", "numpy", "scipy")  # those whose version may change a number
_SOURCES = (".py", ".cuh", ".cpp", ".h")
_CUPY = ("cupy-cuda13x", "cupy-cuda12x", "cupy")


def package_versions() -> dict[str, str | None]:
    """Return the versions of Python and of the packages that matter, None for those not installed."""
    versions: dict[str, str | None] = {"python": platform.python_version()}
    versions.update({name: installed_version(name) for name in _PACKAGES})
    versions["cupy"] = next((found for name in _CUPY if (found := installed_version(name))), None)
    return versions


def installed_version(name: str) -> str | None:
    """Return the version of an installed distribution without importing it, or None."""
    try:
        return importlib.metadata.version(name)
    except importlib.metadata.PackageNotFoundError:
        return None


@functools.cache
def source_digest() -> str:
    """Return the first hex digits of the SHA-256 of all modules of this package and of what it builds its kernels of.

    Two machines with the same digest run the same code, whatever their installations are called.
    """
    digest = hashlib.sha256()
    root = Path(bdg.__file__).resolve().parent
    folders = os.walk(root, followlinks=True)  # in a checkout some rooms are links
    for path in sorted(Path(folder, name) for folder, _, names in folders for name in names if name.endswith(_SOURCES)):
        digest.update(str(path.relative_to(root)).encode() + b"\0" + path.read_bytes() + b"\0")
    return digest.hexdigest()[:16]


def git_state() -> dict[str, Any] | None:
    """Return commit and whether tracked files were changed, if this package runs from a git checkout, else None."""
    root = Path(bdg.__file__).resolve().parent.parent
    if not (root / ".git").exists():
        return None
    # A checkout of something else around an installed package is not ours, and neither is $GIT_DIR of a hook.
    environment = {key: value for key, value in os.environ.items() if not key.startswith("GIT_")}

    def git(*arguments: str) -> str:
        command = ["git", "--no-optional-locks", "-C", str(root), *arguments]
        done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=20, check=True)
        return done.stdout.strip()

    try:
        return {"commit": git("rev-parse", "HEAD"), "dirty": bool(git("status", "--porcelain", "-uno"))}
    except (OSError, subprocess.SubprocessError):  # no git, no commit yet, a broken checkout: not worth a failure
        return None


def changed_versions(before: Mapping[str, Any], now: Mapping[str, Any]) -> list[str]:
    """Return in words how the origin of a point differs from ``now`` in what may change its numbers."""
    old, new = before.get("versions", {}), now.get("versions", {})
    changed = [f"{name} {old.get(name)} (now {new.get(name)})" for name in _DECISIVE if old.get(name) != new.get(name)]
    commits = [str((origin.get("git") or {}).get("commit"))[:10] for origin in (before, now)]
    if commits[0] != commits[1]:
        changed.append(f"commit {commits[0]} (now {commits[1]})")
    return changed


def provenance() -> dict[str, Any]:
    """Return what every point file records about its origin besides date and seconds."""
    return {
        "versions": package_versions(),
        "git": git_state(),
        "platform": platform.platform(),
        "host": platform.node(),
    }
