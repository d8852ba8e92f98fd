"""Flux through every closed loop, gauge invariance, and Hofstadter's spectrum."""

import itertools

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bdg.lattices import Layer, from_hamiltonian, stack
from bdg.lattices.builders.grid import assemble_grid, grid_positions
from bdg.lattices.field import choose_gauge, peierls_phases
from bdg.lattices.system import System

OPEN_OR_NOT = (False, True)


def grid_system(shape, spacing, periodic, norbs=1):
    """A real grid with unit hopping +1, so that each element of h is its Peierls factor."""
    spacing = np.broadcast_to(spacing, (len(shape),))
    h = assemble_grid(shape, np.zeros(int(np.prod(shape))), [np.ones(shape)] * len(shape), list(periodic))
    if norbs == 2:
        h = np.kron(h.toarray(), [[1.0, 2.0], [2.0, 3.0]])
    positions = grid_positions(shape, 1.0, offset=0.3) * spacing
    period = tuple(n * a if wrap else None for n, a, wrap in zip(shape, spacing, periodic, strict=True))
    return from_hamiltonian(h, positions, period=period, norbs=norbs)


def plaquette_defect(system, shape, spacing, periodic, field):
    """Largest deviation, over all plaquettes of all planes, of the product round it from exp(i pi B area)."""
    factor = system.hamiltonian.toarray()
    index = np.arange(factor.shape[0]).reshape(shape)
    worst, count = 0.0, 0
    for c in range(3):
        a, b = (c + 1) % 3, (c + 2) % 3
        if a >= len(shape) or b >= len(shape):
            continue
        strength = field if len(shape) == 2 else field[c]
        expected = np.exp(1j * np.pi * strength * spacing[a] * spacing[b])
        for corner in np.ndindex(*shape):
            if any(corner[axis] == shape[axis] - 1 and not periodic[axis] for axis in (a, b)):
                continue

            def shifted(da, db, corner=corner, a=a, b=b):
                site = list(corner)
                site[a] = (site[a] + da) % shape[a]
                site[b] = (site[b] + db) % shape[b]
                return index[tuple(site)]

            loop = [shifted(0, 0), shifted(1, 0), shifted(1, 1), shifted(0, 1), shifted(0, 0)]
            product = np.prod([factor[to, start] for start, to in itertools.pairwise(loop)])
            worst, count = max(worst, abs(product - expected)), count + 1
    assert count > 0
    return worst


@pytest.mark.parametrize("periodic", list(itertools.product(OPEN_OR_NOT, repeat=2)))
@pytest.mark.parametrize("gauge", ["auto", "symmetric", "landau"])
def test_every_plaquette_of_a_square_grid_carries_the_flux(periodic, gauge):
    shape, spacing = (4, 5), (0.7, 1.3)
    field = 0.37 if not all(periodic) else 3 * 2 / (4 * 0.7 * 5 * 1.3)
    system = grid_system(shape, spacing, periodic)
    if gauge == "symmetric" and any(periodic):
        with pytest.raises(ValueError, match="gauge 'symmetric' needs open axes"):
            system.with_field(field, gauge)
        return
    assert plaquette_defect(system.with_field(field, gauge), shape, spacing, periodic, field) < 1e-13


@pytest.mark.parametrize("periodic", list(itertools.product(OPEN_OR_NOT, repeat=3)))
@pytest.mark.parametrize("gauge", ["auto", "symmetric", "landau"])
@pytest.mark.parametrize("direction", [(0, 0, 1), (0, 1, 0), (1, 0, 0), (1, 1, 1), (1, 0, -2)])
def test_every_plaquette_of_a_cubic_grid_carries_its_component_of_the_field(periodic, gauge, direction):
    shape, spacing = (3, 4, 5), (0.7, 1.1, 1.3)
    lengths = np.multiply(shape, spacing)
    # multiples of what every torus allows, times a free number where the plane is not a torus
    field = np.array(
        [
            amount * 2 / (lengths[(c + 1) % 3] * lengths[(c + 2) % 3])
            * (1 if periodic[(c + 1) % 3] and periodic[(c + 2) % 3] else 1.37)
            for c, amount in enumerate(direction)
        ]
    )  # fmt: skip
    system = grid_system(shape, spacing, periodic)
    pierced = {axis for c in range(3) if direction[c] for axis in range(3) if axis != c}
    if gauge == "symmetric" and any(periodic[axis] for axis in pierced):
        with pytest.raises(ValueError, match="symmetric"):
            system.with_field(field, gauge)
        return
    assert plaquette_defect(system.with_field(field, gauge), shape, spacing, periodic, field) < 1e-13


def test_a_positive_field_turns_carriers_counter_clockwise_loops_to_positive_phases():
    """(0,0) -> (1,0) -> (1,1) -> (0,1): h_ij with i = to, j = from multiplies to exp(+i pi B)."""
    square = np.array([[0.0, 0.0], [1.0, 0.0], [1.0, 1.0], [0.0, 1.0]])
    h = np.zeros((4, 4))
    for start in range(4):
        h[(start + 1) % 4, start] = h[start, (start + 1) % 4] = 1.0
    factor = from_hamiltonian(h, square).with_field(0.2).hamiltonian
    product = factor[1, 0] * factor[2, 1] * factor[3, 2] * factor[0, 3]
    assert np.angle(product) == pytest.approx(0.2 * np.pi, abs=1e-15)
    # symmetric gauge about the centre: each side has a quarter of the flux
    assert np.angle(factor[1, 0]) == pytest.approx(0.05 * np.pi, abs=1e-15)


def test_symmetric_gauge_of_one_bond_is_the_closed_form():
    """int A.dl with A = B x (r - r0)/2 along a straight bond is B.((r_j - r0) x (r_i - r0))/2, in three dimensions."""
    rng = np.random.default_rng(3)
    positions = rng.normal(size=(6, 3))
    h = np.ones((6, 6))
    field = np.array([0.3, -0.5, 0.8])
    system = from_hamiltonian(h, positions)
    phases = peierls_phases(system.hamiltonian, positions, (None,) * 3, 1, field, "symmetric").reshape(6, 6)
    centred = positions - (positions.max(axis=0) + positions.min(axis=0)) / 2
    expected = np.pi / 2 * np.einsum("c,ijc->ij", field, np.cross(centred[None, :], centred[:, None]))
    np.testing.assert_allclose(phases, expected, rtol=0, atol=1e-14)


@given(
    seed=st.integers(0, 2**32 - 1),
    gauge=st.sampled_from(["symmetric", "landau"]),
    strength=st.floats(-3, 3, allow_nan=False),
)
def test_any_triangle_of_an_irregular_lattice_carries_its_area(seed, gauge, strength):
    positions = np.random.default_rng(seed).uniform(-2, 2, size=(3, 2))
    h = np.ones((3, 3)) - np.eye(3)
    factor = from_hamiltonian(h, positions).with_field(strength, gauge).hamiltonian
    u, v = positions[1] - positions[0], positions[2] - positions[0]
    area = (u[0] * v[1] - u[1] * v[0]) / 2
    product = factor[1, 0] * factor[2, 1] * factor[0, 2]
    assert abs(product - np.exp(1j * np.pi * strength * area)) < 1e-12


@pytest.mark.parametrize("norbs", [1, 2])
def test_the_hamiltonian_stays_hermitian_to_the_last_bit(norbs):
    system = grid_system((4, 3, 5), 1.0, (True, False, True), norbs)
    h = system.with_field([0.3, 2 / 20, -0.7], "landau").hamiltonian
    assert h.dtype == complex
    assert abs(h - h.conj().T).max() == 0.0
    assert (h.indices == system.hamiltonian.indices).all()


def test_both_spins_get_the_same_phase():
    shape, periodic = (3, 4), (True, False)
    scalar = grid_system(shape, 1.0, periodic).with_field(0.31)
    spinful = grid_system(shape, 1.0, periodic, norbs=2).with_field(0.31)
    expected = np.kron(scalar.hamiltonian.toarray(), [[1.0, 2.0], [2.0, 3.0]])
    np.testing.assert_allclose(spinful.hamiltonian.toarray(), expected, rtol=0, atol=1e-15)


def test_the_spectrum_does_not_depend_on_the_gauge_or_the_origin():
    rng = np.random.default_rng(1)
    shape = (4, 3, 5)
    h = assemble_grid(shape, rng.normal(size=60), [rng.normal(size=shape) for _ in range(3)], False)
    field = [0.21, -0.4, 0.33]
    positions = grid_positions(shape, 0.9)
    reference = np.linalg.eigvalsh(from_hamiltonian(h, positions).with_field(field).hamiltonian.toarray())
    for moved, gauge in [(positions, "landau"), (positions + [3.0, -7.0, 11.0], "symmetric")]:
        energies = np.linalg.eigvalsh(from_hamiltonian(h, moved).with_field(field, gauge).hamiltonian.toarray())
        np.testing.assert_allclose(energies, reference, rtol=0, atol=1e-13)
    assert abs(reference - np.linalg.eigvalsh(h.toarray())).max() > 0.01  # the field does something


@pytest.mark.parametrize("shift", [(0, 0, 0), (2, 1, 3)])
def test_a_torus_may_be_cut_anywhere(shift):
    """Storing the sites of a disordered torus from another unit cell on, and moved, changes no level."""
    rng = np.random.default_rng(5)
    shape = (3, 4, 5)
    onsite = rng.normal(size=shape)
    field = np.array([2 / 20, 2 / 15, 2 * 2 / 12])  # whole numbers of h/e through all three planes

    def levels(energies, positions):
        h = assemble_grid(shape, energies.ravel(), [np.full(shape, -1.0)] * 3, True)
        system = from_hamiltonian(h, positions, period=shape)
        return np.linalg.eigvalsh(system.with_field(field).hamiltonian.toarray())

    positions = grid_positions(shape, 1.0)
    reference = levels(onsite, positions)
    moved = levels(onsite, positions + np.array(shift) * 0.7)
    np.testing.assert_allclose(moved, reference, rtol=0, atol=1e-13)
    # any image of a site is the same site: only the lowest coordinate fixes the holonomy
    images = positions + np.array(shape) * rng.integers(0, 3, size=positions.shape) * (positions > 0)
    np.testing.assert_allclose(levels(onsite, images), reference, rtol=0, atol=1e-12)


def test_hofstadter_at_half_a_flux_quantum_per_plaquette():
    """B = 1 (h/2e per plaquette) is half an h/e: E = +-2t sqrt(cos^2 kx + cos^2 ky) (Hofstadter 1976).

    The k points are those of the two-site cell along x: kx = pi n/(Lx/2) modulo pi. Doubly degenerate.
    """
    size = 8
    system = stack([Layer(size)], (size,), mu=0, periodic=True)
    h = system.hamiltonian.toarray()
    for y in range(size):  # close the x axis too
        h[y, (size - 1) * size + y] = h[(size - 1) * size + y, y] = -1.0
    torus = from_hamiltonian(h, system.positions, period=(size, size))
    energies = np.linalg.eigvalsh(torus.with_field(1.0).hamiltonian.toarray())
    kx = 2 * np.pi * np.arange(size // 2) / size
    ky = 2 * np.pi * np.arange(size) / size
    root = 2 * np.sqrt(np.cos(kx)[:, None] ** 2 + np.cos(ky)[None, :] ** 2).ravel()
    np.testing.assert_allclose(energies, np.sort(np.concatenate([-root, root])), rtol=0, atol=1e-13)
    assert torus.with_field(1.0).is_real  # all phases are multiples of pi


def test_landau_levels_at_the_bottom_of_the_band():
    """E_n = -4t + omega_c (n + 1/2) to leading order, omega_c = 2 t pi B a^2 (h/2e units), each as often as h/e fit."""
    size, flux = 16, 8  # 8 h/e through the torus
    shape = (size, size)
    h = assemble_grid(shape, np.zeros(size**2), [np.full(shape, -1.0)] * 2, True)
    torus = from_hamiltonian(h, grid_positions(shape, 1.0), period=shape)
    field = 2 * flux / size**2
    energies = np.linalg.eigvalsh(torus.with_field(field).hamiltonian.toarray())
    omega = 2 * np.pi * field
    # next order of the lattice: -(omega^2/32)(2 n^2 + 2 n + 1)... bounded by omega^2/16 for n = 0, below 1 % of omega
    assert abs(energies[:flux] - (-4 + omega / 2)).max() < omega**2 / 16
    assert energies[flux - 1] - energies[0] < 1e-3 * omega  # eight-fold
    assert energies[flux] - energies[flux - 1] > 0.8 * omega


def test_fields_add_up_and_are_recorded():
    system = grid_system((3, 4), 1.0, (False, True))
    twice = system.with_field(0.1).with_field(0.25)
    np.testing.assert_allclose(
        twice.hamiltonian.toarray(), system.with_field(0.35).hamiltonian.toarray(), rtol=0, atol=1e-15
    )
    assert twice.info["field"] == {"B": pytest.approx(0.35), "gauge": "landau", "asked": "auto"}
    assert "field" not in system.info
    zero = system.with_field(0.0)
    assert zero.is_real
    assert abs(zero.hamiltonian - system.hamiltonian).max() == 0


def test_auto_is_symmetric_where_all_pierced_axes_are_open():
    assert choose_gauge([0, 0, 0.3], (None, None, 5.0)) == "symmetric"
    assert choose_gauge([0, 0.1, 0.3], (None, None, 5.0)) == "landau"
    assert choose_gauge(0.3, (None, None)) == "symmetric"
    assert choose_gauge(0.3, (None, 4.0)) == "landau"


@pytest.mark.parametrize(
    ("dim", "field", "gauge", "error", "match"),
    [
        (1, 0.3, "auto", ValueError, "in 2-D and 3-D only"),
        (2, [0, 0, 1], "auto", ValueError, "B must be one number"),
        (3, 0.3, "auto", ValueError, "B must be a 3-vector"),
        (3, [0, 0, np.nan], "auto", ValueError, "B must be finite"),
        (2, 1j, "auto", TypeError, "B must be made of real numbers"),
        (2, "strong", "auto", TypeError, "B must be made of real numbers"),
        (2, 0.3, "coulomb", ValueError, "gauge must be one of 'auto', 'symmetric', 'landau'; got 'coulomb'"),
    ],
)
def test_bad_fields_are_refused(dim, field, gauge, error, match):
    system = grid_system((3,) * dim, 1.0, (False,) * dim)
    with pytest.raises(error, match=match):
        system.with_field(field, gauge)


def test_a_fraction_of_a_flux_quantum_through_a_torus_is_refused_with_the_nearest_one():
    system = grid_system((4, 5), 1.0, (True, True))
    with pytest.raises(ValueError, match=r"whole number of h/e; got 0.24 .* multiples of .* = 0.1; the nearest is 0.2"):
        system.with_field(0.24)
    with pytest.raises(ValueError, match="axes 0 and 1 are both periodic"):
        grid_system((4, 5, 3), 1.0, (True, True, False)).with_field([0, 0, 0.05])


def test_two_sites_round_an_axis_have_no_peierls_phase():
    system = grid_system((4, 2), 1.0, (False, True))
    with pytest.raises(ValueError, match="spans half the period of axis 1"):
        system.with_field(0.3)
    along = grid_system((4, 3, 2), 1.0, (False, False, True))  # the field runs along the short axis: no harm
    assert isinstance(along.with_field([0, 0, 0.3]), System)
