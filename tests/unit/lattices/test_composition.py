import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bdg.lattices.materials.composition import composition, volume_percent

WEIGHT = {"Mg": 24.305, "O": 15.999, "Si": 28.085, "B": 10.811}
ATOMS = {"MgO": {"Mg": 1, "O": 1}, "Mg2Si": {"Mg": 2, "Si": 1}, "MgB2": {"Mg": 1, "B": 2}}
PRINTED = 0.05  # half of the last printed digit


def test_the_glass_of_the_composite():
    """68 SiO2 - 24 B2O3: paper 69/23/8 mole %, 43/49/8 volume %, 2.72 g/cm3; more digits worked out by hand."""
    result = composition(24 / 68)
    assert result.mole_percent == pytest.approx({"MgO": 69.3, "Mg2Si": 22.7, "MgB2": 8.0}, abs=PRINTED)
    assert result.volume_percent == pytest.approx({"MgO": 43.4, "Mg2Si": 48.6, "MgB2": 8.0}, abs=PRINTED)
    assert result.density == pytest.approx(2.727, abs=5e-4)
    assert abs(result.density - 2.72) < 0.02
    assert result.b2o3_to_sio2 == 24 / 68


@pytest.mark.parametrize(
    ("ratio", "expected"), [(0.20, 5.0), (0.25, 6.0), (0.30, 7.0), (0.35, 7.9), (0.40, 8.7), (0.50, 10.3)]
)
def test_the_series_of_volume_fractions(ratio, expected):
    assert composition(ratio).volume_percent["MgB2"] == pytest.approx(expected, abs=PRINTED)


def test_measured_mole_percent_in_volume_percent():
    result = volume_percent({"MgO": 80, "Mg2Si": 15, "MgB2": 5})
    assert result == pytest.approx({"MgO": 57.4, "Mg2Si": 36.9, "MgB2": 5.7}, abs=PRINTED)


@given(st.floats(0, 10))
def test_every_atom_is_kept(ratio):
    """From the reactants: 4 (s + b) Mg, 2s + 3b O, s Si, 2b B with s = 1, b = ratio."""
    mole = composition(ratio).mole_percent
    atoms = {atom: sum(mole[name] * ATOMS[name].get(atom, 0) for name in ATOMS) for atom in WEIGHT}
    given_atoms = {"Mg": 4 + 4 * ratio, "O": 2 + 3 * ratio, "Si": 1.0, "B": 2 * ratio}
    scale = sum(atoms.values()) / sum(given_atoms.values())
    assert atoms == pytest.approx({atom: scale * amount for atom, amount in given_atoms.items()}, rel=1e-12, abs=1e-12)


@given(st.floats(0, 10))
def test_percentages_are_complete_and_density_is_their_mean(ratio):
    result = composition(ratio)
    density = {"MgO": 3.58, "Mg2Si": 1.99, "MgB2": 2.57}
    for percent in (result.mole_percent, result.volume_percent):
        assert list(percent) == ["MgO", "Mg2Si", "MgB2"]
        assert math.fsum(percent.values()) == pytest.approx(100, rel=1e-13)
    mean = math.fsum(result.volume_percent[name] / 100 * density[name] for name in density)
    assert result.density == pytest.approx(mean, rel=1e-13)


def test_a_glass_without_boron_gives_no_superconductor():
    result = composition(0)
    assert result.mole_percent == pytest.approx({"MgO": 200 / 3, "Mg2Si": 100 / 3, "MgB2": 0})
    assert result.volume_percent["MgB2"] == 0


def test_amounts_of_one_compound():
    assert volume_percent({"MgB2": 0.2}) == {"MgB2": 100}


@pytest.mark.parametrize("ratio", [-0.1, math.nan, math.inf])
def test_a_ratio_out_of_range_is_refused(ratio):
    with pytest.raises(ValueError, match=r"b2o3_to_sio2 must be finite and >= 0 .*moles of B2O3"):
        composition(ratio)


def test_a_ratio_that_is_no_number_is_refused():
    with pytest.raises(TypeError, match=r"b2o3_to_sio2 must be a real number .*'0.35'"):
        composition("0.35")


def test_bad_amounts_are_refused():
    with pytest.raises(ValueError, match=r"moles\['MgO'\] must be finite and >= 0"):
        volume_percent({"MgO": -1, "MgB2": 2})
    with pytest.raises(ValueError, match="at least one amount > 0"):
        volume_percent({"MgO": 0})
    with pytest.raises(ValueError, match="at least one amount > 0"):
        volume_percent({})
    with pytest.raises(ValueError, match="no material 'MgB4': did you mean 'MgB2'"):
        volume_percent({"MgB4": 1})
    with pytest.raises(ValueError, match="Mg is no compound with a known molar_mass; known are MgO"):
        volume_percent({"Mg": 1})
    with pytest.raises(TypeError, match="moles must be a mapping"):
        volume_percent([80, 15, 5])
