"""Runs as tables: a row a point, means in a file of their own, arrays as long files, units in the names of columns."""

import csv
import json
import sys
import types
import xml.etree.ElementTree as ElementTree
from pathlib import Path

import numpy as np
import pytest
from command_here import bdg_here
from vtk_file import read_vtk

from bdg import cli
from bdg.jobs.export import export_csv, export_means, export_vtk
from bdg.jobs.model.results import JobResults, PointResult

UNITS = {"gap_meV": "meV", "current": "nA", "entropy_kB": "k_B", "overlap": "1", "energies": "meV", "density": "1/meV",
         "positions": "nm", "map": "1"}  # fmt: skip
WORDS = {
    "energies": "energies (M,)",
    "density": "density (M,)",
    "positions": "sites (N, dim)",
    "map": "all pairs (N, N)",
}


def point(number: int, x: float, seed: int, **more) -> PointResult:
    rng = np.random.default_rng(number)
    values = {
        "gap_meV": np.array(1.5 + seed),
        "current": np.array(0.25 * x),
        "entropy_kB": np.array(2.0),
        "overlap": np.array(0.5 + 0.125j * number),
        "energies": np.array([-1.0, 0.0, 1.0]) * x,
        "density": rng.random(3),
        "positions": np.arange(6.0).reshape(3, 2),
        **more,
    }
    parameters = {
        "system": {"x_nm": x, "size_nm": [1.0, 2.0], "seed": seed, "file": None},
        "system.parameters": {"seed": 9, "shape": [[1, 2], [3]]},
        "compute": {"calls": ["a", "b"], "gap_meV": 3.0},
    }
    return PointResult(f"{number:024x}", f"x_nm={x}", parameters, values, UNITS, WORDS)


@pytest.fixture
def results():
    points = [point(2 * n + seed, x, seed) for n, x in enumerate((1.0, 2.5)) for seed in (0, 1)]
    return JobResults("tiny", "run", "identity", tuple(points), ("x_nm=7",))


def table(path: Path) -> dict[str, list[str]]:
    with open(path, newline="") as file:
        rows = list(csv.reader(file))
    return {name: [row[place] for row in rows[1:]] for place, name in enumerate(rows[0])}


def test_the_table_of_points(results, tmp_path):
    paths = export_csv(results, tmp_path / "run.csv")
    assert [path.name for path in paths] == [
        "run.csv", "run.energies.csv", "run.positions.csv",
        "run.means.csv", "run.means.energies.csv", "run.means.positions.csv",
    ]  # fmt: skip
    found = table(paths[0])
    assert found["x_nm"] == ["1.0", "1.0", "2.5", "2.5"] and found["system.seed"] == ["0", "1", "0", "1"]
    assert found["size_0_nm"] == ["1.0"] * 4 and found["size_1_nm"] == ["2.0"] * 4
    assert found["system.parameters.seed"] == ["9"] * 4 and json.loads(found["shape"][0]) == [[1, 2], [3]]
    assert found["file"] == [""] * 4 and json.loads(found["calls"][0]) == ["a", "b"]
    assert found["gap_meV"] == ["3.0"] * 4 and found["found_gap_meV"] == ["1.5", "2.5"] * 2  # the key, the observable
    assert found["current_nA"] == ["0.25", "0.25", "0.625", "0.625"] and "entropy_kB" in found
    assert [float(value) for value in found["overlap_im"]] == [0, 0.125, 0.25, 0.375] and found["overlap_re"][
        0
    ] == "0.5"


def test_arrays_are_long_tables(results, tmp_path):
    export_csv(results, tmp_path / "run.csv")
    found = table(tmp_path / "run.energies.csv")
    assert list(found) == ["point", "index", "x_nm", "seed", "energies_meV", "density_per_meV"]
    assert found["point"] == [str(n) for n in range(4) for _ in range(3)] and found["index"] == ["0", "1", "2"] * 4
    assert [float(v) for v in found["density_per_meV"]] == [v for p in results for v in p["density"]]  # all digits
    assert found["x_nm"][:7] == ["1.0"] * 6 + ["2.5"]
    places = table(tmp_path / "run.positions.csv")  # as long as the energies, but another axis: (N,), not (M,)
    assert places["positions_y_nm"] == ["1.0", "3.0", "5.0"] * 4


def test_means_and_standard_errors(results, tmp_path):
    export_csv(results, tmp_path / "run.csv")
    found = table(tmp_path / "run.means.csv")
    assert found["x_nm"] == ["1.0", "2.5"] and found["seeds"] == ["2", "2"]
    assert found["mean_gap_meV"] == ["2.0", "2.0"]
    assert [float(v) for v in found["standard_error_gap_meV"]] == pytest.approx([0.5, 0.5])  # |a - b|/2
    assert found["used_gap_meV"] == ["2", "2"]
    export_means(results, tmp_path / "m.csv")
    assert (tmp_path / "m.csv").read_bytes() == (tmp_path / "run.means.csv").read_bytes()
    means = table(tmp_path / "run.means.energies.csv")
    assert means["mean_energies_meV"] == ["-1.0", "0.0", "1.0", "-2.5", "0.0", "2.5"]
    assert set(means["standard_error_energies_meV"]) == {"0.0"}


def test_a_map_has_both_indices_and_a_lacking_number_is_nan(tmp_path):
    large = np.arange(81.0 * 81).reshape(81, 81)
    points = (point(0, 1.0, 0, map=large, extra=np.array(2)), point(1, 2.0, 0, map=-large))
    export_csv(JobResults("tiny", "run", "i", points), tmp_path / "run.csv")
    assert table(tmp_path / "run.csv")["extra"] == ["2.0", "nan"]
    found = table(tmp_path / "run.map.csv")
    assert found["index_a"][82:84] == ["1", "1"] and found["index_b"][82:84] == ["1", "2"]
    assert [float(value) for value in found["map"]] == [*large.ravel(), *-large.ravel()]


def test_data_frames_need_pandas_alone(results, monkeypatch):
    module = types.ModuleType("pandas")
    module.DataFrame = dict
    monkeypatch.setitem(sys.modules, "pandas", module)
    assert len(results.to_dataframe()["current_nA"]) == 4
    assert len(results.to_dataframe("density")["density_per_meV"]) == 12
    with pytest.raises(ValueError, match="must be an array of the points; got 'gap_meV'. There are energies, density"):
        results.to_dataframe("gap_meV")
    monkeypatch.setitem(sys.modules, "pandas", None)
    with pytest.raises(ImportError, match=r"pip install 'bdg\[data\]'"):
        results.to_dataframe()


def test_sites_of_each_point_for_viewers(tmp_path):
    """A composite at two temperatures: the map is a grid, the row are points, the grains have their diameters."""
    pytest.importorskip("pyevtk")
    sites = np.stack(np.meshgrid(*(np.arange(n) + 0.5 for n in (3, 2, 4)), indexing="ij"), axis=-1).reshape(-1, 3)
    words = {"positions_nm": "all sites (N, 3)", "pair_amplitude": "F (N,)", "slice_positions_nm": "(S, 3)",
             "map_density_per_meV": "density (K, S)"}  # fmt: skip
    units = {"positions_nm": "nm", "map_density_per_meV": "1/meV", "delta_meV": "meV"}
    points = []
    for number, kelvin in enumerate((4.2, 10.0)):
        values = {
            "positions_nm": sites,
            "pair_amplitude": np.arange(24) * np.exp(0.5j * kelvin),
            "slice_positions_nm": sites[[0, 5, 7]],
            "slice_grain": np.array([0, -1, 1]),
            "map_density_per_meV": np.arange(6.0).reshape(2, 3) + number,
            "centres_nm": np.array([[1.0, 1.5, 2.0], [2.0, 0.5, 1.0]]),
            "diameters_nm": np.array([1.0, 1.5]),
        }
        points.append(PointResult(str(number), "", {"compute": {"temperature_K": kelvin}}, values, units, words))
    paths = export_vtk(JobResults("composite", "run", "", tuple(points)), tmp_path / "vtk")
    assert [path.name for path in paths[-4:]] == ["points.csv", "sites.pvd", "slice.pvd", "grains.pvd"]
    assert table(tmp_path / "vtk" / "points.csv")["temperature_K"] == ["4.2", "10.0"]
    series = ElementTree.parse(tmp_path / "vtk" / "sites.pvd").findall(".//DataSet")
    assert [(each.attrib["timestep"], each.attrib["file"]) for each in series] == [
        ("4.2", "sites_00000.vti"), ("10.0", "sites_00001.vti")
    ]  # fmt: skip
    found = read_vtk(tmp_path / "vtk" / "sites_00001.vti")
    order = np.lexsort(sites.T[:3])  # x fastest
    np.testing.assert_allclose(found.points, sites[order])
    np.testing.assert_allclose(found.fields["pair_amplitude_abs"], order)
    part = read_vtk(tmp_path / "vtk" / "slice_00001.vtu")
    assert part.fields["map_density_per_meV_1"].tolist() == [4, 5, 6] and part.fields["slice_grain"].tolist() == [
        0,
        -1,
        1,
    ]
    grains = read_vtk(tmp_path / "vtk" / "grains_00000.vtu")
    assert grains.fields["diameters_nm"].tolist() == [1.0, 1.5] and "pair_amplitude_abs" not in grains.fields


def test_the_command(tmp_path, monkeypatch, capsys):
    """Of a folder and of its results.h5; refused where there is nothing to read."""
    text = (Path(__file__).parents[2] / "runs" / "sns.toml").read_text()
    (tmp_path / "sns.toml").write_text(text)
    sets = ("superconductor_sites=60", "phase_pi=[0.5, 1.0]", "barrier_meV=100", "figures=false")
    words = [word for one in sets for word in ("--set", one)]
    assert bdg_here("run", "sns.toml", "--out", "out", *words, cwd=tmp_path).returncode == 0
    done = bdg_here("export", "out", "--csv", cwd=tmp_path)
    assert done.returncode == 0 and done.stdout.splitlines()[0] == "out/results.csv"
    assert table(tmp_path / "out" / "results.csv")["phase_pi"] == ["0.5", "1.0"]
    assert bdg_here("export", "out/results.h5", "--csv", "there/t.csv", cwd=tmp_path).returncode == 0
    assert (tmp_path / "there" / "t.csv").read_bytes() == (tmp_path / "out" / "results.csv").read_bytes()
    (tmp_path / "out" / "vtk").mkdir()
    (tmp_path / "out" / "run.json").unlink()  # the cure of a damaged one: what was exported is not in its way
    assert "all of them were there" in bdg_here("run", "sns.toml", "--out", "out", *words, cwd=tmp_path).stdout
    monkeypatch.chdir(tmp_path)
    assert cli.main(["export", "out", "--means"]) == 2 and "fewer than two seeds" in capsys.readouterr().err
    assert cli.main(["export", "out", "--vtk"]) == 2 and "no point holds positions" in capsys.readouterr().err
    for wrong, word in (("none", "no such folder"), ("sns.toml", "give a run directory or its results.h5")):
        assert cli.main(["export", wrong, "--csv"]) == 2
        assert word in capsys.readouterr().err
