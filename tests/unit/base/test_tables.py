"""Results as tables: which columns, their names and units, every value as it is, and what is missing said clearly."""

import csv
import dataclasses
import sys
import types

import numpy as np
import pytest

import bdg
from bdg.base.results import Evidence, Result, quantity
from bdg.base.tables import Quantity, column_name, table_of
from bdg.lattices import Layer
from bdg.lattices.unit_names import UnitNames


def junction(**names):
    layers = [Layer(3, delta=0.4), Layer(2, disorder=0.5), Layer(3, delta=0.4, phase=0.7)]
    return bdg.lattices.stack(layers, (2,), seed=1, **names)


def read(path):
    """Return the columns of a file as texts."""
    with open(path, newline="", encoding="utf-8") as file:
        names, *rows = csv.reader(file)
    return dict(zip(names, zip(*rows, strict=True), strict=True))


@pytest.mark.parametrize(
    ("name", "unit", "wanted"),
    [
        ("energies", "meV", "energies_meV"),
        ("energies", "hopping", "energies_hopping"),
        ("values", "1/meV", "values_per_meV"),
        ("current", "e meV/hbar", "current_e_meV_per_hbar"),
        ("stiffness", "meV nm^2", "stiffness_meV_nm2"),
        ("positions", "length of the system", "positions_length"),
        ("length", "length of the system", "length"),
        ("fields_A_m", "A/m", "fields_A_m"),
        ("density_m3", "1/m^3", "density_m3"),
        ("values_ohm_m", "ohm m", "values_ohm_m"),
        ("energies", "1/(cm^-1)", "energies_per_cm-1"),
        ("count", "1", "count"),
        ("values", "of the parameter", "values"),
    ],
)
def test_the_unit_stands_in_the_name_once(name, unit, wanted):
    assert column_name(name, unit) == wanted


def test_a_file_holds_every_digit(tmp_path):
    found = bdg.pair_amplitude(junction(energy_unit="meV", length_unit="nm"), 0.1)
    found.to_csv(tmp_path / "new" / "amplitude.csv")
    columns = read(tmp_path / "new" / "amplitude.csv")
    values = np.array(columns["values_re"], float) + 1j * np.array(columns["values_im"], float)
    places = np.array([columns["positions_x_nm"], columns["positions_y_nm"]], float).T
    assert np.array_equal(values, found.values) and np.array_equal(places, found.positions)
    assert np.array_equal(np.array(columns["sites"], int), found.sites)
    assert set(columns["temperature_meV"]) == {"0.1"} and set(columns["error"]) == {repr(found.error)}
    assert list((tmp_path / "new").iterdir()) == [tmp_path / "new" / "amplitude.csv"]  # nothing else is left


def test_rows_of_two_axes_are_a_row_a_pair(tmp_path):
    found = bdg.local_density_of_states(junction(), [-0.1, 0.0, 0.2], [1, 4])
    found.to_csv(tmp_path / "density.csv")
    columns = read(tmp_path / "density.csv")
    assert np.array_equal(np.array(columns["values_per_hopping"], float), found.values.ravel())
    assert columns["energies_hopping"] == ("-0.1", "-0.1", "0.0", "0.0", "0.2", "0.2")
    assert columns["sites"] == ("1", "4") * 3
    assert np.array_equal(np.array(columns["positions_x_length"], float), np.tile(found.positions[:, 0], 3))


def test_another_field_can_be_the_rows():
    states = bdg.bound_states(junction(), 4)
    table = table_of(states.quantities())
    assert list(table) == ["energies_hopping", "residuals_hopping", "complete", "count"]
    waves = table_of(states.quantities(), "u")  # (N, k): sites have no column of their own, states their energies
    assert np.array_equal(waves["u_re"] + 1j * waves["u_im"], states.u.ravel())
    assert np.array_equal(waves["index_N"], np.repeat(np.arange(16), 4))
    assert np.array_equal(waves["energies_hopping"], np.tile(states.energies, 16))
    with pytest.raises(ValueError, match=r"^of must be a quantity .* got 'w'. There are energies, residuals, u, v$"):
        states.to_csv("never.csv", of="w")


def test_axes_in_another_order_are_turned():
    values = np.arange(6).reshape(2, 3)
    known = [Quantity("a", values, axes=("x", "y")), Quantity("b", values.T, axes=("y", "x"))]
    table = table_of(known)
    assert np.array_equal(table["a"], table["b"]) and list(table) == ["index_x", "index_y", "a", "b"]


def test_an_image_has_a_row_a_pixel():
    from bdg.instruments.scanning_squid import SquidImage

    values, x = np.arange(9.0).reshape(3, 3), np.array([-1.0, 0.0, 1.0])
    image = SquidImage(
        values=values,
        x_um=x,
        error=0.1,
        size_um=3.0,
        background_uT=0.0,
        vortices_um=np.empty((0, 2)),
        evidence=Evidence(),
    )
    table = table_of(image.quantities(), image._rows)
    assert np.array_equal(table["values_uT"], np.arange(9.0))
    assert table["x_um"].tolist() == [-1, 0, 1] * 3 and table["y_um"].tolist() == [-1] * 3 + [0] * 3 + [1] * 3


def test_tensors_and_blocks_have_a_row_an_element():
    green = bdg.green_function(junction(), [0.2j, 0.4j], sites=[0, 3])
    table = table_of(green.quantities())
    assert np.array_equal(table["values_re_per_hopping"] + 1j * table["values_im_per_hopping"], green.values.ravel())
    assert np.array_equal(table["z_im_hopping"], np.repeat([0.2, 0.4], 16))
    assert np.array_equal(table["index_row"], np.tile(np.repeat(np.arange(4), 4), 2))
    h = 0.3 * np.eye(9) - sum(np.kron(*pair) for pair in ([np.eye(3), np.roll(np.eye(3), n, 0)] for n in (1, 2)))
    h -= sum(np.kron(np.roll(np.eye(3), n, 0), np.eye(3)) for n in (1, 2))
    torus = bdg.lattices.from_hamiltonian(h, np.argwhere(np.ones((3, 3))).astype(float), delta=0.3, period=(3, 3))
    stiffness = bdg.superfluid_stiffness(torus, 0.1, "all")
    table = table_of(stiffness.quantities())
    assert np.array_equal(table["stiffness_hopping_length2"], stiffness.stiffness.ravel())
    assert table["index_first"].tolist() == [0, 0, 1, 1] and table["index_second"].tolist() == [0, 1, 0, 1]


@dataclasses.dataclass(frozen=True, eq=False, kw_only=True)
class Odd(Result):
    """What a result may hold: empty, of another length, too long, of texts."""

    values: np.ndarray = quantity("values (M,)", "hopping")
    empty: np.ndarray = quantity("not computed (M,)")
    other: np.ndarray = quantity("of another axis (K,)")
    long: np.ndarray = quantity("too many components (M, L)")
    pair: np.ndarray = quantity("of two (2,)")
    names: list = quantity("texts (M,)")
    words: str = quantity("why")
    by_name: dict = quantity("by name", "hopping")


Result._kinds.pop("Odd")


def test_only_what_fits_the_rows_is_in_a_table():
    odd = Odd(
        values=np.array([0.5, np.nan]),
        empty=np.empty(0),
        other=np.zeros(3),
        long=np.zeros((2, 65)),
        pair=np.array([1, 2]),
        names=["a", 'b, "c"'],
        words="so",
        by_name={"one": 1.5, "rest": [1]},
        evidence=Evidence(),
        units=UnitNames("eV"),
    )
    table = table_of(odd.quantities())
    assert list(table) == ["values_eV", "names", "pair_0", "pair_1", "words", "by_name_one_eV"]
    assert table["names"].tolist() == ["a", 'b, "c"'] and table["words"].tolist() == ["so", "so"]


def test_a_result_of_numbers_is_one_row(tmp_path):
    count = bdg.count_states(junction(energy_unit="meV"), 0.3)
    count.to_csv(tmp_path / "count.csv")
    assert (tmp_path / "count.csv").read_text() == f"energy_meV,count\n0.3,{count.count}\n"


def test_what_cannot_be_written_leaves_the_old_file(tmp_path, monkeypatch):
    from bdg.base import tables

    path = tmp_path / "count.csv"
    path.write_text("old")

    def full(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(tables.os, "replace", full)
    with pytest.raises(OSError, match="No space left"):
        bdg.count_states(junction(), 0.3).to_csv(path)
    assert path.read_text() == "old" and list(tmp_path.iterdir()) == [path]


def test_a_data_frame_needs_the_extra(monkeypatch):
    count = bdg.count_states(junction(), 0.3)
    monkeypatch.setitem(sys.modules, "pandas", None)
    with pytest.raises(ImportError, match=r"needs pandas, the extra 'data' of this package: pip install 'bdg\[data\]'"):
        count.to_dataframe()
    monkeypatch.setitem(sys.modules, "pandas", types.SimpleNamespace(DataFrame=lambda columns: columns))
    assert {name: column.tolist() for name, column in count.to_dataframe().items()} == {
        "energy_hopping": [0.3],
        "count": [count.count],
    }


def test_a_data_frame_is_the_table():
    pytest.importorskip("pandas")
    found = bdg.pair_amplitude(junction(), 0.1)
    frame = found.to_dataframe()
    assert np.array_equal(frame["values_re"] + 1j * frame["values_im"], found.values)
