import math
from itertools import pairwise

import pytest
from scipy.constants import Avogadro

from bdg.lattices.materials.material import Parameter, _parameter, material

MATERIALS = ("MgO", "Mg2Si", "MgB2", "Mg", "interface", "layers", "sample")
PARAMETERS = [(name, key) for name in MATERIALS for key in material(name)]


@pytest.mark.parametrize(("name", "key"), PARAMETERS)
def test_every_entry_is_complete(name, key):
    entry = material(name)[key]
    low, high = entry.range
    assert isinstance(entry.unit, str) and entry.unit
    assert isinstance(entry.source, str) and len(entry.source) >= 10
    assert isinstance(entry.verified, bool)
    assert isinstance(low, float) and isinstance(high, float) and low <= high
    if isinstance(entry.value, tuple):
        assert entry.temperature_K is not None and len(entry.temperature_K) == len(entry.value) > 1
        assert all(a < b for a, b in pairwise(entry.temperature_K))
        assert low <= 1 <= high  # factors
    else:
        assert isinstance(entry.value, float) and math.isfinite(entry.value)
        assert entry.temperature_K is None
        assert low <= entry.value <= high
    if "free parameter" in entry.source:
        assert not entry.verified
        assert high > low or name == "sample"


@pytest.mark.parametrize(
    ("name", "key", "value", "verified"),
    [
        ("MgO", "density", 3.58, False),
        ("Mg2Si", "density", 1.99, False),
        ("MgB2", "density", 2.57, False),
        ("Mg2Si", "effective_mass", 0.46, True),
        ("Mg2Si", "dielectric_constant", 20, True),
        ("MgB2", "penetration_depth", 100, True),
        ("MgB2", "fermi_velocity", 5e5, False),
        ("MgB2", "critical_temperature", 37, True),
    ],
)
def test_values(name, key, value, verified):
    entry = material(name)[key]
    assert (entry.value, entry.verified) == (value, verified)


def test_gaps_cover_what_was_measured():
    assert material("MgB2")["gap_pi"].range == (2.6, 2.8)
    assert material("MgB2")["gap_sigma"].range == (6.0, 7.0)


def test_magnesium_resistivity_is_a_table_over_temperature():
    table = material("Mg")["resistivity"]
    assert dict(zip(table.temperature_K, table.value, strict=True))[60.0] == 0.261
    assert all(a < b for a, b in pairwise(table.value))  # phonons only add


@pytest.mark.parametrize(
    ("name", "formula_units", "volume_nm3"),
    [
        ("MgO", 4, material("MgO")["lattice_constant"].value ** 3),
        ("Mg2Si", 4, material("Mg2Si")["lattice_constant"].value ** 3),
        ("MgB2", 1, material("MgB2")["cell_volume"].value),
    ],
)
def test_densities_agree_with_the_unit_cells(name, formula_units, volume_nm3):
    """X-ray density; the value and range of the file were rounded to 0.01 g/cm3."""
    density = formula_units * material(name)["molar_mass"].value / Avogadro / (volume_nm3 * 1e-21)
    low, high = material(name)["density"].range
    assert low - 0.005 <= density <= high + 0.005


def test_molar_masses_agree_with_the_atomic_weights():
    weight = {"Mg": 24.305, "O": 15.999, "Si": 28.085, "B": 10.811}
    for name, atoms in {"MgO": {"Mg": 1, "O": 1}, "Mg2Si": {"Mg": 2, "Si": 1}, "MgB2": {"Mg": 1, "B": 2}}.items():
        expected = sum(count * weight[atom] for atom, count in atoms.items())
        assert material(name)["molar_mass"].value == pytest.approx(expected, abs=5e-4)


def test_parameters_are_read_only():
    with pytest.raises(TypeError, match="does not support item assignment"):
        material("MgO")["density"] = Parameter(1.0, "1", (1.0, 1.0), "nobody", False)
    with pytest.raises(AttributeError):
        material("MgO")["density"].value = 2.0


@pytest.mark.parametrize(("wrong", "near"), [("mgb2", "MgB2"), ("Mg2si", "Mg2Si"), ("layer", "layers"), ("", "")])
def test_an_unknown_name_points_to_the_nearest(wrong, near):
    with pytest.raises(ValueError, match=f"no material '{wrong}': did you mean '{near}.*There are MgO, Mg2Si, MgB2"):
        material(wrong)
    with pytest.raises(TypeError, match=r"name must be the name of a material.*got 12"):
        material(12)


def test_an_incomplete_entry_is_named():
    with pytest.raises(ValueError, match=r"\[MgO.density\] misses a key .*source"):
        _parameter("MgO.density", {"value": 1.0, "unit": "1", "range": [1.0, 1.0], "verified": True})
    with pytest.raises(ValueError, match=r"\[MgO.density\].*sauce"):
        _parameter("MgO.density", {"value": 1.0, "unit": "1", "range": [1.0, 1.0], "verified": True, "sauce": "x"})
