"""Systems drawn before they are solved: what is there is shown, what is left out is said, in one to three axes."""

import numpy as np
import pytest
from matplotlib.collections import LineCollection
from matplotlib.figure import Figure

import bdg
from bdg.lattices import Layer, drawing


def strip(**names):
    layers = [Layer(3, delta=0.4), Layer(2), Layer(3, delta=0.2, phase=np.pi / 2), Layer(2, attraction=1)]
    return bdg.lattices.stack(layers, (4,), periodic=True, **names)


def points_of(axes, label):
    return next(c for c in axes.collections if c.get_label() == label)


def test_sites_bonds_grains_and_units_are_drawn():
    system = strip(energy_unit="meV", length_unit="nm")
    figure = system.plot()
    axes, bar = figure.axes
    assert isinstance(figure, Figure) and (axes.get_xlabel(), axes.get_ylabel()) == ("$x$ (nm)", "$y$ (nm)")
    assert bar.get_ylabel() == r"$|\Delta|$ (meV)"
    assert axes.get_title() == "40 sites, 3 grains\n10 hoppings around the box not drawn"
    assert len(points_of(axes, "host").get_offsets()) == 8
    assert len(points_of(axes, r"superconductor, $\Delta$ = 0").get_offsets()) == 8
    coloured = next(c for c in axes.collections if c.get_array() is not None)
    assert np.array_equal(coloured.get_array(), np.repeat([0.4, 0.2], 12))
    assert np.array_equal(coloured.get_offsets(), system.positions[abs(system.delta) > 0])
    (bonds,) = [c for c in axes.collections if isinstance(c, LineCollection)]
    assert len(bonds.get_segments()) == 9 * 4 + 10 * 3
    assert [text.get_text() for text in axes.texts] == ["0: 0$\\pi$", "1: 0.5$\\pi$", "2"]
    plain = strip().plot().axes
    assert plain[0].get_xlabel() == "$x$ (unit of the positions)" and "(unit of the hopping)" in plain[1].get_ylabel()


def test_leads_and_pairing_on_bonds_have_names():
    kwant = pytest.importorskip("kwant")
    lattice = kwant.lattice.square(norbs=1)
    builder = kwant.Builder()
    builder[(lattice(x, y) for x in range(4) for y in range(2))] = 0
    builder[lattice.neighbors()] = -1
    lead = kwant.Builder(kwant.TranslationalSymmetry((-1, 0)))
    lead[(lattice(0, y) for y in range(2))] = 0
    lead[lattice.neighbors()] = -1
    builder.attach_lead(lead)
    pairing = lambda to, start: 0.1 if min(to.pos[0], start.pos[0]) >= 2 else 0  # noqa: E731
    (axes,) = bdg.lattices.from_kwant(builder, pairing=pairing).plot().axes
    assert np.array_equal(points_of(axes, "lead 0").get_offsets(), [[0, 0], [0, 1]])
    assert len(points_of(axes, "pairing on the bond").get_segments()) == 4


def test_chains_and_cubes_are_drawn():
    chain = bdg.lattices.stack([Layer(3, delta=0.1), Layer(3)]).plot().axes[0]
    assert chain.get_yticks().size == 0 and len(points_of(chain, "host").get_offsets()) == 3
    cube = bdg.lattices.stack([Layer(3, delta=0.1), Layer(3)], (3, 3), length_unit="nm")
    axes = cube.plot().axes[0]
    assert axes.get_zlabel() == "$z$ (nm)" and axes.get_title() == "54 sites, 1 grain"
    given = Figure().add_subplot(projection="3d")
    assert cube.plot(given) is given.figure
    with pytest.raises(TypeError, match=r"ax must be 3-D axes .*projection='3d'"):
        cube.plot(Figure().add_subplot())
    with pytest.raises(ValueError, match="one, two or three dimensions; this one has 4"):
        bdg.System(np.eye(2), np.zeros((2, 4))).plot()


def test_many_sites_are_thinned_and_it_says_so(monkeypatch):
    shown = drawing._shown(np.arange(1000) < 30, 100)
    assert shown.size == 100 and np.count_nonzero(shown < 30) == 30  # what is rare is all there
    shown = drawing._shown(np.arange(1000) >= 30, 100)
    assert shown.size == 100 and np.count_nonzero(shown < 30) == 30
    assert np.array_equal(drawing._shown(np.zeros(100, bool), 100), np.arange(100))
    monkeypatch.setitem(drawing.MOST_BONDS, 2, 10)
    assert strip().plot().axes[0].get_title() == "40 sites, 3 grains\n76 hoppings, not drawn"
    monkeypatch.setitem(drawing.MOST_SITES, 2, 20)
    axes = strip().plot().axes[0]
    assert axes.get_title() == "40 sites, 3 grains\n20 sites drawn, no hoppings"
    assert sum(len(c.get_offsets()) for c in axes.collections) == 20


def test_the_middle_of_a_grain_that_wraps_is_inside_it():
    places, numbers = np.array([[0.0, 0], [9.0, 0], [1.0, 0], [5.0, 3], [6.0, 3]]), np.array([0, 0, 0, 1, 1])
    np.testing.assert_allclose(drawing._middles(places, numbers, (10.0, None)), [[0, 0], [5.5, 3]], atol=1e-12)


def test_a_notebook_is_given_a_picture():
    """It knows figures of pyplot by itself, and no others."""
    system = bdg.lattices.stack([Layer(4, delta=0.1), Layer(2)], t=1, mu=0)
    for figure in (system.plot(), bdg.bound_states(system, 2).plot()):
        assert figure._repr_png_().startswith(b"\x89PNG")
