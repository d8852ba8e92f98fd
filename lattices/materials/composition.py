r"""What magnesium makes of a borosilicate glass: amounts, volumes and density of MgO, Mg2Si and MgB2.

.. math:: 4\,Mg + SiO_2 \to 2\,MgO + Mg_2Si, \qquad 4\,Mg + B_2O_3 \to 3\,MgO + MgB_2

Both run to the end with nothing left over; the sodium oxide of a glass leaves. For s moles of SiO2 and b moles of B2O3
that is (2s + 3b, s, b) moles of (MgO, Mg2Si, MgB2). Volumes are ideal: molar mass over X-ray density, no pores.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from bdg.lattices.arguments import non_negative_number
from bdg.lattices.materials.material import material

COMPOUNDS = ("MgO", "Mg2Si", "MgB2")


@dataclass(frozen=True, slots=True)
class Composition:
    """Composite made from a glass; the dicts have the keys "MgO", "Mg2Si", "MgB2".

    Attributes
    ----------
    b2o3_to_sio2 : float
        Molar ratio of the glass.
    mole_percent, volume_percent : dict of str to float
        By compound; each sums to 100.
    density : float
        Without pores, g/cm3.
    """

    b2o3_to_sio2: float
    mole_percent: dict[str, float]
    volume_percent: dict[str, float]
    density: float


def composition(b2o3_to_sio2: float) -> Composition:
    """Return the ideal composition of the MgO/Mg2Si/MgB2 composite that a glass of molar ratio B2O3/SiO2 gives.

    For s moles of SiO2 and b moles of B2O3 that is (2s + 3b, s, b) moles of (MgO, Mg2Si, MgB2).

    Parameters
    ----------
    b2o3_to_sio2 : float
        Molar ratio >= 0; 24/68 for a glass with 68 % SiO2 and 24 % B2O3.

    Returns
    -------
    Composition
        Mole and volume percent by compound, and the density without pores in g/cm3.

    Raises
    ------
    TypeError, ValueError
        If the ratio is not a finite number >= 0.

    Examples
    --------
    >>> from bdg.lattices import composition
    >>> made = composition(1.0)  # as much B2O3 as SiO2
    >>> print({name: round(percent, 1) for name, percent in made.volume_percent.items()})
    {'MgO': 49.9, 'Mg2Si': 34.2, 'MgB2': 15.9}
    """
    ratio = non_negative_number("b2o3_to_sio2", b2o3_to_sio2, "moles of B2O3 per mole of SiO2")
    moles = dict(zip(COMPOUNDS, (2 + 3 * ratio, 1.0, ratio), strict=True))
    mass = sum(amount * _number(name, "molar_mass") for name, amount in moles.items())
    return Composition(ratio, _percent(moles), volume_percent(moles), mass / sum(_volumes(moles).values()))


def volume_percent(moles: Mapping[str, float]) -> dict[str, float]:
    """Return the volume percent by compound of any amounts (moles, mole percent) of compounds.

    Raises
    ------
    TypeError, ValueError
        If a compound is not known by molar mass and density, an amount is not a finite number >= 0, or all are zero.
    """
    if not isinstance(moles, Mapping):
        raise TypeError(f"moles must be a mapping such as {{'MgO': 80, 'Mg2Si': 15, 'MgB2': 5}}; got {moles!r:.80}")
    amounts = {name: non_negative_number(f"moles[{name!r}]", amount, "moles") for name, amount in moles.items()}
    if not sum(amounts.values()) > 0:
        raise ValueError(f"moles must hold at least one amount > 0; got {dict(moles)!r}")
    return _percent(_volumes(amounts))


def _volumes(moles: Mapping[str, float]) -> dict[str, float]:
    """Return volumes in cm3."""
    return {name: amount * _number(name, "molar_mass") / _number(name, "density") for name, amount in moles.items()}


def _number(compound: str, parameter: str) -> float:
    parameters = material(compound)
    if parameter not in parameters:
        raise ValueError(f"{compound} is no compound with a known {parameter}; known are {', '.join(COMPOUNDS)}")
    value = parameters[parameter].value
    assert isinstance(value, float)
    return value


def _percent(amounts: Mapping[str, float]) -> dict[str, float]:
    total = sum(amounts.values())
    return {name: 100 * amount / total for name, amount in amounts.items()}
