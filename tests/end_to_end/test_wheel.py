"""The wheel and the sdist hold real files where the checkout has links."""

import shutil
import subprocess
import sys
import tarfile
import zipfile
from pathlib import Path, PurePosixPath

import pytest

ROOT = Path(__file__).resolve().parents[2]
LINKED = ("lattices", "gpu", "validation")
DATA = {".toml", ".cu", ".cuh", ".h", ".cpp", ".h5", ".csv", ".html", ".bib"}


def packed_files(tree: Path) -> set[str]:
    """Modules and data files of the four folders, named as in an installed package."""
    names = {path.relative_to(tree).as_posix() for path in (tree / "bdg").rglob("*")}
    names = {name for name in names if name.split("/")[1] not in LINKED}  # newer Pythons may follow the links
    names |= {f"bdg/{path.relative_to(tree).as_posix()}" for name in LINKED for path in (tree / name).rglob("*")}
    return {name for name in names if PurePosixPath(name).suffix in {".py", *DATA} or name.endswith("/py.typed")}


@pytest.fixture(scope="module")
def built(tmp_path_factory):
    """What a copy of the checkout should pack, the sdist made from it, and the wheel made from that sdist."""
    copy, out = tmp_path_factory.mktemp("source") / "bdg", tmp_path_factory.mktemp("dist")
    copy.mkdir()
    for name in ("bdg", *LINKED):
        shutil.copytree(ROOT / name, copy / name, symlinks=True, ignore=shutil.ignore_patterns("__pycache__"))
    for name in ("pyproject.toml", "README.md", "LICENSE"):
        shutil.copy(ROOT / name, copy)
    expected = packed_files(copy)
    command = [sys.executable, "-m", "build", "--no-isolation", "--outdir", str(out), str(copy)]
    answer = subprocess.run(command, capture_output=True, text=True, timeout=300)
    assert answer.returncode == 0, answer.stdout + answer.stderr
    (sdist,), (wheel,) = out.glob("*.tar.gz"), out.glob("*.whl")
    return expected, sdist, wheel


def test_wheel_holds_every_module_and_data_file(built):
    expected, _, wheel = built
    with zipfile.ZipFile(wheel) as archive:
        names = {name for name in archive.namelist() if ".dist-info/" not in name}
        links = [info.filename for info in archive.infolist() if (info.external_attr >> 16) & 0o170000 == 0o120000]
        materials = archive.read("bdg/lattices/materials/materials.toml")
    assert names == expected
    assert links == []
    assert materials == (ROOT / "lattices" / "materials" / "materials.toml").read_bytes()


def test_wheel_installs_nothing_but_bdg(built):
    _, _, wheel = built
    with zipfile.ZipFile(wheel) as archive:
        tops = {name.split("/")[0] for name in archive.namelist()}
        (metadata,) = (archive.read(name).decode() for name in archive.namelist() if name.endswith("/METADATA"))
        (scripts,) = (archive.read(name).decode() for name in archive.namelist() if name.endswith("/entry_points.txt"))
    assert len(tops) == 2 and "bdg" in tops  # the other one is the metadata
    assert "bdg = bdg.cli:main" in scripts
    required = [line for line in metadata.splitlines() if line.startswith("Requires-Dist:") and "extra ==" not in line]
    assert not any("kwant" in line or "cupy" in line for line in required)


def test_sdist_holds_real_files(built):
    expected, sdist, _ = built
    with tarfile.open(sdist) as archive:
        assert [member.name for member in archive if member.issym() or member.islnk()] == []
        names = {member.name.partition("/")[2] for member in archive}
    assert expected <= names
