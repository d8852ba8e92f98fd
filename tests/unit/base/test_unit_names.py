"""Names of units: given with a system, kept by all that comes of it, told by every figure and file; None as before."""

import dataclasses
import functools
from pathlib import Path

import h5py
import numpy as np
import pytest

import bdg
from bdg.base.results import Result
from bdg.base.tables import table_of
from bdg.lattices import Layer
from bdg.lattices.unit_names import UnitNames

OLD = Path(__file__).parents[2] / "data" / "gap_without_unit_names.h5"  # written before there were names
NAMES = {"energy_unit": "meV", "length_unit": "nm"}
CHAIN = np.diag([0.3, -0.2, 0.1, 0.2]) - np.eye(4, k=1) - np.eye(4, k=-1)


def kwant_system(**names):
    kwant = pytest.importorskip("kwant")
    builder = kwant.Builder()
    lattice = kwant.lattice.chain(norbs=1)
    builder[(lattice(n) for n in range(3))] = 0.1
    builder[lattice.neighbors()] = -1
    return bdg.lattices.from_kwant(builder, delta=0.1, **names)


BUILDERS = {
    "from_kwant": kwant_system,
    "from_hamiltonian": lambda **names: bdg.lattices.from_hamiltonian(CHAIN, np.arange(4), delta=0.1, **names),
    "stack": lambda **names: bdg.lattices.stack([Layer(2, delta=0.1), Layer(2)], (2,), **names),
    "grain_composite": lambda **names: bdg.lattices.grain_composite(
        (6, 6), 1, volume_fraction=0.3, diameter=3, seed=1, **names
    ),
    "grains_at": lambda **names: bdg.lattices.grains_at((6, 6), 1, [[3, 3]], 3, **names),
}


def names_of(thing):
    return {"energy_unit": thing.energy_unit, "length_unit": thing.length_unit}


@pytest.mark.parametrize("builder", BUILDERS)
def test_a_system_keeps_its_names(builder, tmp_path):
    system = BUILDERS[builder](**NAMES)
    plain = BUILDERS[builder]()
    assert names_of(system) == NAMES and names_of(plain) == dict.fromkeys(NAMES)
    assert abs(system.hamiltonian - plain.hamiltonian).nnz == 0 and np.array_equal(system.positions, plain.positions)
    changed = system.with_delta(0.2).with_phases({0: 0.3}).with_onsite(0.1).without_leads()
    if system.positions.shape[1] == 2:
        changed = changed.with_field(0.01)
    assert names_of(changed) == NAMES
    changed.save(tmp_path / "system.h5")
    assert names_of(bdg.load(tmp_path / "system.h5")) == names_of(bdg.lattices.load(tmp_path / "system.h5")) == NAMES
    with h5py.File(tmp_path / "system.h5") as file:
        assert [file[name].attrs["unit"] for name in ("delta", "positions", "grain")] == ["meV", "nm", "1"]


@pytest.mark.parametrize("builder", BUILDERS)
@pytest.mark.parametrize(
    ("argument", "value", "error"),
    [
        ("energy_unit", 1.0, TypeError),
        ("length_unit", "", ValueError),
        ("energy_unit", " meV", ValueError),
        ("length_unit", "n\nm", ValueError),
        ("energy_unit", "milli-electronvolt-volt", ValueError),
        ("energy_unit", r"$\mu$eV", ValueError),
    ],
)
def test_what_is_no_name_is_refused(builder, argument, value, error):
    with pytest.raises(
        error, match=rf'^{argument} must be the name of a unit, 1 to 20 .*; got .*such as "meV" or "nm"'
    ):
        BUILDERS[builder](**{argument: value})


@pytest.mark.parametrize(
    ("unit", "plain", "named", "signs"),
    [
        ("hopping", "hopping", "meV", "cm^-1"),
        ("1/hopping", "1/hopping", "1/meV", "1/(cm^-1)"),
        ("e hopping length/hbar", "e hopping length/hbar", "e meV nm/hbar", "e (cm^-1) length/hbar"),
        ("hopping length^2", "hopping length^2", "meV nm^2", "(cm^-1) length^2"),
        ("1/length of the system", "1/length of the system", "1/nm", "1/length of the system"),
        ("radian", "radian", "radian", "radian"),
    ],
)
def test_names_stand_for_the_words_of_a_unit(unit, plain, named, signs):
    assert UnitNames().put_into(unit) == plain
    assert UnitNames("meV", "nm").put_into(unit) == named
    assert UnitNames("cm^-1").put_into(unit) == signs
    assert UnitNames("length", "hopping").put_into("hopping length") == "length hopping"  # each word once


@functools.cache
def results():
    """One result of every function that computes on a system, of one system in meV and nm."""
    layers = [Layer(3, delta=0.4, attraction=2.0), Layer(2, disorder=0.5), Layer(3, delta=0.4, attraction=2.0)]
    system = bdg.lattices.stack(layers, (2, 2), mu=-0.3, seed=1, **NAMES)
    phased = system.with_phases({1: 0.7})
    closed = bdg.lattices.from_hamiltonian(
        np.diag(np.linspace(-1, 1, 16))
        - np.eye(16, k=1)
        - np.eye(16, k=-1)
        - 0.5 * (np.eye(16, k=15) + np.eye(16, k=-15)),
        np.arange(16.0),
        period=[16],
        delta=0.3,
        **NAMES,
    )
    amplitude, states = bdg.pair_amplitude(system, 0.1), bdg.bound_states(phased, 6)
    energies = [-0.1, 0.2]
    landscape = bdg.grain_landscape(phased, 0.2)
    with pytest.warns(bdg.ConservationWarning, match=r"charge is not conserved: \S+ \(e meV/hbar\) enters"):
        currents = bdg.current_phase(system, [0.4, 1.1], 0.2)
    return [
        amplitude,
        states,
        bdg.count_states(system, 0.3),
        bdg.proximity_length(system, amplitude),
        bdg.green_function(system, 0.1 + 0.2j),
        bdg.density_of_states(system, energies),
        bdg.density_of_states(system, energies, method="green", broadening=0.2),
        bdg.local_density_of_states(system, energies),
        bdg.spectral_function(system, [[0.1, 0.2, 0]], energies),
        bdg.free_energy(system, 0.1),
        bdg.electron_density(system, 0.1),
        bdg.solve_gap(system, 0.1, tol=1e-2),
        bdg.critical_temperature(bdg.lattices.from_hamiltonian(CHAIN, np.arange(4.0), attraction=2.0, **NAMES)),
        currents,
        bdg.bond_currents(phased, 0.2),
        bdg.superfluid_stiffness(closed, 0.2, "x"),
        bdg.phase_response(phased, states),
        bdg.phase_harmonics(system, [0, 1], 0.2, points=4),
        bdg.thouless_energy(closed, k=4),
        bdg.spectrum_along(system, [0.0, 0.3], lambda one, value: one.with_onsite(value), k=4),
        landscape,
        landscape.harmonics([0, 1], points=4),
    ]


def in_words_of_a_system(kind):
    return any("hopping" in item.metadata.get("unit", "") for item in dataclasses.fields(kind))


def test_no_function_is_left_out():
    kinds = {getattr(bdg, name) for name in bdg.__all__ if name[0].isupper()}
    wanted = {kind for kind in kinds if issubclass(kind, Result) and in_words_of_a_system(kind)}
    assert wanted - {type(result) for result in results()} == set()


def words_of(figure):
    axes = [part for part in figure.axes if part.get_visible()]
    return " ".join(f"{part.get_xlabel()} {part.get_ylabel()} {part.get_title()}" for part in axes)


def test_every_result_knows_its_units_and_tells_them(tmp_path):
    for number, result in enumerate(results()):
        kind = type(result).__name__
        assert names_of(result) == NAMES, kind
        path = tmp_path / f"{number}.h5"
        result.save(path)
        again = bdg.load(path)
        assert names_of(again) == NAMES, kind
        words = words_of(again.plot())
        assert ("meV" in words) or ("nm" in words), (kind, words)
        plain = words_of(dataclasses.replace(again, units=UnitNames()).plot())
        for word in ("hopping", "unit of the positions", "length"):
            assert word not in words, (kind, words)
        assert "hopping" in plain or "unit of the positions" in plain, (kind, plain)
        with h5py.File(path) as file:
            units = [file[item.name].attrs.get("unit", "") for item in dataclasses.fields(again) if item.name in file]
        assert not [unit for unit in units if "hopping" in unit or "length" in unit], (kind, units)
        columns = table_of(again.quantities(), again._rows)
        assert len({column.size for column in columns.values()}) == 1, kind
        assert "hopping" not in " ".join(columns) and "_length" not in " ".join(columns), (kind, list(columns))
        assert "meV" in " ".join(columns), (kind, list(columns))


def test_systems_that_are_averaged_have_one_unit():
    matrix = CHAIN - np.eye(4, k=3) - np.eye(4, k=-3)
    make = functools.partial(bdg.lattices.from_hamiltonian, matrix, np.arange(4.0), period=[4])
    with pytest.raises(ValueError, match=r"^energy_unit must be the same for all systems.*; got eV, meV\. Build"):
        bdg.thouless_energy([make(energy_unit="meV"), make(energy_unit="eV")], k=4)
    assert bdg.thouless_energy([make(energy_unit="meV"), make()], k=4).energy_unit is None


def test_files_from_before_are_read_and_written_as_they_were(tmp_path):
    gap = bdg.load(OLD)
    assert gap.energy_unit is gap.length_unit is gap.system.energy_unit is gap.system.length_unit is None
    gap.save(tmp_path / "gap.h5")
    assert (tmp_path / "gap.h5").read_bytes() == OLD.read_bytes()


def test_a_file_whose_name_is_none_is_refused(tmp_path):
    from bdg.lattices.storage import read_file, write_file

    kind, content = read_file(OLD)
    write_file(tmp_path / "bad.h5", kind, {**content, "units": {"energy": 3, "length": None}})
    with pytest.raises(bdg.ResultFileError, match="energy must be a text; got a int"):
        bdg.load(tmp_path / "bad.h5")
