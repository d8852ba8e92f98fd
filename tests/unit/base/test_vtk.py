"""Results as files for 3-D viewers: read back by another program, every number is at its site."""

import sys

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

import bdg
from tests.helpers.vtk_file import read_vtk

pytest.importorskip("pyevtk")
EPS = np.finfo(float).eps


@pytest.fixture(scope="module")
def composite():
    units = {"energy_unit": "meV", "length_unit": "nm"}
    system = bdg.lattices.grain_composite((5, 4, 3), 1.0, volume_fraction=0.2, diameter=2.2, seed=1, **units)
    return system.with_phases({0: 0.7})


def at_sites(found, positions):
    """Places in the file of the sites, by where they are."""
    apart = abs(found.points[None] - positions[:, None]).max(axis=2)
    assert apart.min(axis=1).max() < 1e-9
    return apart.argmin(axis=1)


def test_a_grid_is_an_image_with_modulus_and_phase(composite, tmp_path):
    mixed = np.random.default_rng(0).permutation(composite.n_sites)  # in whatever order its sites are
    amplitude = bdg.pair_amplitude(composite, 0.1, sites=mixed)
    path = amplitude.to_vtk(tmp_path / "f.vtu")
    assert path == tmp_path / "f.vti"
    found = read_vtk(path)
    places = at_sites(found, amplitude.positions)
    assert len(found.points) == 60 and len(set(places)) == 60
    value = found.fields["values_abs"][places] * np.exp(1j * found.fields["values_phase_rad"][places])
    assert_allclose(value, amplitude.values, rtol=8 * EPS, atol=0)  # the phase there and back


def test_other_sites_are_points_with_energies_as_fields(composite, tmp_path):
    density = bdg.local_density_of_states(composite, [0.0, 0.2], sites=[0, 3, 17], method="dense", broadening=0.2)
    found = read_vtk(density.to_vtk(tmp_path / "density"))
    assert_array_equal(found.points, density.positions)
    assert found.cells == [[0], [1], [2]]
    assert_array_equal(found.fields["values_per_meV_1"], density.values[1])


def test_currents_are_fields_of_lines_between_sites(composite, tmp_path):
    currents = bdg.bond_currents(composite, 0.1)
    found = read_vtk(currents.to_vtk(tmp_path / "currents"))
    assert found.cells == currents.bonds.tolist()
    assert_array_equal(found.cell_fields["currents_e_meV_per_hbar"], currents.currents)
    assert_array_equal(found.fields["field_e_meV_nm_per_hbar"], currents.field)
    assert_array_equal(found.fields["grain"], currents.grain)


def test_the_gap_lies_on_a_flat_grid(tmp_path):
    layers = [bdg.lattices.Layer(2, delta=0.3, attraction=2.0), bdg.lattices.Layer(2)]
    found = bdg.solve_gap(bdg.lattices.stack(layers, (3,)), 0.1, tol=1e-2, max_iterations=200)
    seen = read_vtk(found.to_vtk(tmp_path / "gap"))
    places = at_sites(seen, np.pad(found.system.positions, ((0, 0), (0, 1))))
    assert_allclose(seen.fields["delta_hopping"][places], found.delta)


def test_what_cannot_be_written_is_said(composite, tmp_path, monkeypatch):
    with pytest.raises(TypeError, match="BoundStates does not hold the positions of sites"):
        bdg.bound_states(composite, 2).to_vtk(tmp_path / "x")
    amplitude = bdg.pair_amplitude(composite, 0.1)
    monkeypatch.setitem(sys.modules, "pyevtk", None)
    with pytest.raises(ImportError, match=r"pyevtk, the extra 'data'.*pip install 'bdg\[data\]'"):
        amplitude.to_vtk(tmp_path / "x")
    assert list(tmp_path.iterdir()) == []
