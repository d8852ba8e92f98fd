import math

import pytest

from bdg.lattices import units
from bdg.lattices.units import temperature_in_kelvin, temperature_in_t


@pytest.mark.parametrize(
    ("computed", "printed", "last_digit"),
    [
        (units.KB_MEV_PER_K, 0.0861733, 1e-7),
        (units.HBAR_MEV_S, 6.582120e-13, 1e-19),
        (units.HBAR2_OVER_ME_MEV_NM2, 76.1996, 1e-4),  # t = 83 meV for m = 0.46 and 1 nm
        (units.CURRENT_NA_PER_MEV, 243.413, 1e-3),
        (units.RESISTANCE_QUANTUM_OHM, 12906.40, 1e-2),
        (units.FLUX_QUANTUM_WB, 2.067834e-15, 1e-21),
        (units.FLUX_QUANTUM_T_NM2, 2067.834, 1e-3),
    ],
)
def test_constants_agree_with_printed_codata_values(computed, printed, last_digit):
    assert abs(computed - printed) <= last_digit / 2 * (1 + 1e-9)


def test_temperature_in_units_of_the_hopping():
    """hbar v/(2 pi k_B T) with hbar v = 200 meV nm at 4.2 K is 87.948 nm."""
    temperature = temperature_in_t(4.2, t_meV=100)
    assert abs(2 / (2 * math.pi * temperature) - 87.948) < 5e-4
    assert temperature_in_t(0, 100) == 0


def test_temperature_comes_back():
    assert temperature_in_kelvin(temperature_in_t(19, 14.4), 14.4) == pytest.approx(19, rel=1e-15)


@pytest.mark.parametrize("convert", [temperature_in_t, temperature_in_kelvin])
def test_bad_numbers_are_refused(convert):
    with pytest.raises(ValueError, match=r"temperature\w* must be finite and >= 0 .*; got -1"):
        convert(-1, 10)
    with pytest.raises(ValueError, match=r"t_meV must be positive and finite \(meV\); got 0"):
        convert(1, 0)
    with pytest.raises(ValueError, match="temperature.*nan"):
        convert(math.nan, 10)
    with pytest.raises(TypeError, match=r"t_meV must be a real number \(meV\); got '10' \(str\)"):
        convert(1, "10")
