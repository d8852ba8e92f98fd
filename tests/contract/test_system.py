"""Fields of a system and what makes new ones of it: gaps, phases, onsite energies, magnetic field, files."""

import itertools
import subprocess
import sys

import kwant
import numpy as np
import pytest
import scipy.sparse as sp
from algebra import SIGMA_0, SIGMA_X, chain_matrix, dense, orders_like, random_chain, random_spinful, square_torus, sub
from contract_systems import kagome_flake, two_island_system
from numpy.testing import assert_allclose, assert_array_equal

import bdg


def test_system_is_frozen_and_read_only():
    system = two_island_system()
    with pytest.raises(AttributeError):
        system.delta = np.zeros(12)
    for name in ("delta", "attraction", "grain", "positions"):
        with pytest.raises(ValueError, match="read-only"):
            getattr(system, name)[0] = 1
    with pytest.raises(ValueError, match="read-only"):
        system.hamiltonian.data[0] = 1


def test_system_does_not_alias_the_arrays_it_was_given():
    h, delta, positions = random_chain()
    kept = delta.copy(), positions.copy(), h.copy()
    matrix = sp.csr_matrix(h)
    system = bdg.lattices.from_hamiltonian(matrix, positions, delta=delta)
    delta[0], positions[0], matrix.data[0] = 9, 9, 9
    assert_array_equal(system.delta, kept[0])
    assert_array_equal(system.positions, kept[1])
    assert_array_equal(dense(system.hamiltonian), kept[2])


def test_with_delta_phases_onsite_return_new_systems():
    old = two_island_system(attraction=np.r_[np.ones(3), np.zeros(9)])
    replaced = old.with_delta(np.linspace(0, 1, 12) * 1j)
    assert_array_equal(replaced.delta, np.linspace(0, 1, 12) * 1j)
    assert_array_equal(old.with_delta(0.7).delta, np.full(12, 0.7))
    turned = old.with_phases({1: 0.9})
    assert_array_equal(turned.delta[:8], old.delta[:8])
    assert_allclose(turned.delta[8:10], 0.4 * np.exp(0.9j), atol=1e-16)
    twice = turned.with_phases(np.array([0.2, -0.4]))
    assert_allclose(twice.delta[:3], 0.3 * np.exp(0.2j), atol=1e-16)
    assert_allclose(twice.delta[8:10], 0.4 * np.exp(0.5j), atol=1e-16)
    raised = old.with_onsite(np.arange(12) * 0.1)
    assert_allclose(dense(raised.hamiltonian), dense(old.hamiltonian) + np.diag(np.arange(12) * 0.1), atol=1e-15)
    shifted = raised.with_onsite(-2)
    assert_allclose(dense(shifted.hamiltonian), dense(raised.hamiltonian) - 2 * np.eye(12), atol=1e-15)
    for new in (replaced, turned, twice, raised, shifted):
        assert isinstance(new, bdg.System)
        assert_array_equal(new.attraction, old.attraction)
        assert np.shares_memory(new.positions, old.positions)
    assert np.shares_memory(replaced.hamiltonian.data, old.hamiltonian.data)
    assert not np.iscomplexobj(old.delta)
    assert_array_equal(old.delta[:3], 0.3)


def test_with_onsite_acts_on_both_spins_and_functions_of_a_site_work():
    h, delta, positions = random_spinful()
    system = bdg.lattices.from_hamiltonian(h, positions, norbs=2, delta=delta)
    values = np.arange(6.0)
    assert_allclose(dense(system.with_onsite(values).hamiltonian), h + np.kron(np.diag(values), SIGMA_0), atol=1e-15)
    builder = kagome_flake()
    params = dict(mu=0.1, disorder=0.2, flux=0.0)
    x = np.array([site.pos[0] for site in builder.finalized().sites])
    system = bdg.lattices.from_kwant(builder, params=params)
    assert_array_equal(system.with_delta(lambda site: site.pos[0] * 1j).delta, 1j * x)
    change = dense(system.with_onsite(lambda site: site.pos[0]).hamiltonian) - dense(system.hamiltonian)
    assert_allclose(change, np.diag(x), atol=1e-14)


def test_with_methods_bad_input():
    system = two_island_system()
    with pytest.raises(ValueError, match="grain|phases"):
        system.with_phases({2: 0.1})
    with pytest.raises(ValueError, match="grain|phases"):
        system.with_phases(np.zeros(3))
    with pytest.raises(ValueError, match="delta"):
        system.with_delta(np.zeros(11))
    with pytest.raises(ValueError, match="onsite|values"):
        system.with_onsite(np.zeros(13))
    with pytest.raises(ValueError, match="onsite|values"):
        system.with_onsite(np.full(12, np.nan))
    with pytest.raises((TypeError, ValueError), match="onsite|values"):
        system.with_onsite(np.full(12, 1j))


def loop_phase(system, corners):
    """Phase that h multiplies on the way corner 0 -> 1 -> 2 ... -> 0, relative to all hoppings -1."""
    places = [np.flatnonzero(np.abs(system.positions - corner).max(axis=1) < 1e-9)[0] for corner in corners]
    product = 1.0
    for source, to in zip(places, places[1:] + places[:1], strict=True):
        product *= -system.hamiltonian[to, source]
    assert abs(abs(product) - 1) < 1e-12
    return np.angle(product)


def test_field_gives_pi_times_the_flux_on_every_plaquette():
    B, a = 0.137, 0.5
    plain = bdg.lattices.stack([bdg.lattices.Layer(6, delta=0.2)], (5,), spacing=a)
    system = plain.with_field(B)
    origin = system.positions.min(axis=0)
    for x, y in itertools.product(range(5), range(4)):
        corner = origin + a * np.array([x, y])
        square = [corner, corner + [a, 0], corner + [a, a], corner + [0, a]]
        assert_allclose(loop_phase(system, square), np.pi * B * a * a, atol=1e-12)
    assert_array_equal(system.delta, plain.delta)
    assert_allclose(np.abs(dense(system.hamiltonian)), np.abs(dense(plain.hamiltonian)), atol=1e-14)


def test_field_on_a_honeycomb_and_for_spins():
    lattice = kwant.lattice.honeycomb(norbs=2)
    builder = kwant.Builder()
    builder[lattice.shape(lambda pos: pos[0] ** 2 + pos[1] ** 2 < 3, (0, 0))] = 0.1 * SIGMA_X
    builder[lattice.neighbors()] = -SIGMA_0
    plain = bdg.lattices.from_kwant(builder)
    system = plain.with_field(0.3)
    ratio = dense(system.hamiltonian)[::2, ::2]
    assert_allclose(ratio, dense(system.hamiltonian)[1::2, 1::2], atol=1e-14)
    # the hexagon: shortest loops of six sites, area sqrt(3)/2 for unit lattice vectors
    adjacency = np.abs(ratio) > 0.5
    found = 0
    for start in range(len(ratio)):
        for path in itertools.product(range(3), repeat=5):
            loop = [start]
            for choice in path:
                neighbours = np.flatnonzero(adjacency[loop[-1]])
                if choice >= len(neighbours) or neighbours[choice] in loop:
                    break
                loop.append(neighbours[choice])
            if len(loop) == 6 and adjacency[loop[-1], start] and min(loop) == start:
                p = system.positions[loop]
                area = 0.5 * np.sum(p[:, 0] * np.roll(p[:, 1], -1) - p[:, 1] * np.roll(p[:, 0], -1))
                product = np.prod([-ratio[loop[(i + 1) % 6], loop[i]] for i in range(6)])
                assert abs(area) == pytest.approx(np.sqrt(3) / 2)
                assert_allclose(np.angle(product), np.pi * 0.3 * area, atol=1e-12)
                found += 1
    assert found >= 2


def test_field_in_three_dimensions_follows_the_right_hand():
    B = np.array([0.11, -0.23, 0.37])
    system = bdg.lattices.stack([bdg.lattices.Layer(3)], (3, 3)).with_field(B)
    origin = system.positions.min(axis=0)
    axes = np.eye(3)
    for normal in range(3):
        first, second = axes[(normal + 1) % 3], axes[(normal + 2) % 3]
        square = [origin, origin + first, origin + first + second, origin + second]
        assert_allclose(loop_phase(system, square), np.pi * B[normal], atol=1e-12)
    with pytest.raises(ValueError, match="B"):
        bdg.lattices.stack([bdg.lattices.Layer(3)], (3, 3)).with_field(0.3)
    with pytest.raises(ValueError, match="B"):
        bdg.lattices.stack([bdg.lattices.Layer(3)], (3,)).with_field([0.1, 0.2, 0.3])
    with pytest.raises(ValueError, match="gauge"):
        bdg.lattices.stack([bdg.lattices.Layer(3)], (3,)).with_field(0.1, gauge="lorenz")


@pytest.mark.parametrize("gauge", ["symmetric", "landau"])
def test_field_spectrum_does_not_depend_on_the_gauge(gauge):
    plain = bdg.lattices.stack([bdg.lattices.Layer(5)], (4,), mu=0.3)
    automatic, chosen = plain.with_field(0.4), plain.with_field(0.4, gauge=gauge)
    levels = [np.linalg.eigvalsh(dense(each.hamiltonian)) for each in (automatic, chosen, plain)]
    assert_allclose(levels[0], levels[1], atol=1e-12)
    assert np.abs(levels[0] - levels[2]).max() > 0.01


def test_field_wraps_consistently_around_a_cylinder():
    """Periodic across x: every plaquette, those that wrap included, holds the same flux."""
    ny, B = 5, 0.21
    system = bdg.lattices.stack([bdg.lattices.Layer(4)], (ny,), periodic=True).with_field(B)
    order = orders_like(system.positions, [(x, y) for x in range(4) for y in range(ny)])
    h = -sub(system.hamiltonian, order)
    for x, y in itertools.product(range(3), range(ny)):
        a, b = x * ny + y, (x + 1) * ny + y
        c, d = (x + 1) * ny + (y + 1) % ny, x * ny + (y + 1) % ny
        assert_allclose(np.angle(h[b, a] * h[c, b] * h[d, c] * h[a, d]), np.pi * B, atol=1e-12)


def test_field_on_a_torus_needs_whole_flux_quanta():
    h, positions = square_torus(4, 6)
    plain = bdg.lattices.from_hamiltonian(h, positions, period=(4, 6))
    B = 2 / 24  # one h/e through the torus
    m = -dense(plain.with_field(B).hamiltonian)
    for x, y in itertools.product(range(4), range(6)):
        a, b = x * 6 + y, ((x + 1) % 4) * 6 + y
        c, d = ((x + 1) % 4) * 6 + (y + 1) % 6, x * 6 + (y + 1) % 6
        assert_allclose(np.angle(m[b, a] * m[c, b] * m[d, c] * m[a, d]), np.pi * B, atol=1e-12)
    with pytest.raises(ValueError, match="flux|quant"):
        plain.with_field(0.01)


def test_system_survives_save_and_load(tmp_path):
    h, delta, positions = random_spinful()
    triplet = np.zeros_like(h)
    triplet[2:4, 0:2], triplet[0:2, 2:4] = 0.1 * SIGMA_X, -0.1 * SIGMA_X
    system = bdg.lattices.from_hamiltonian(
        h,
        np.hstack([positions, positions]),
        norbs=2,
        delta=delta,
        pairing=triplet,
        attraction=np.linspace(0, 2, 6),
        grain=[0, 0, -1, -1, 1, 1],
        period=(None, 30.0),
    )
    system.save(tmp_path / "system.h5")
    again = bdg.lattices.load(tmp_path / "system.h5")
    for name in ("delta", "attraction", "grain", "positions"):
        assert_array_equal(getattr(again, name), getattr(system, name))
        assert getattr(again, name).dtype == getattr(system, name).dtype
    assert_array_equal(dense(again.hamiltonian), h)
    assert_array_equal(dense(again.pairing), triplet)
    assert again.period == system.period
    assert (again.norbs, again.n_sites, again.n_grains) == (2, 6, 2)
    assert_array_equal(bdg.bound_states(again, 6).energies, bdg.bound_states(system, 6).energies)


def test_saved_leads_and_info_come_back(tmp_path):
    composite = bdg.lattices.grain_composite((12, 12), 1, volume_fraction=0.15, diameter=4, seed=3)
    composite.save(tmp_path / "composite.h5")
    again = bdg.lattices.load(tmp_path / "composite.h5")
    for key in ("centres", "diameters", "volume_fraction", "centre_distances", "surface_gaps"):
        assert_array_equal(again.info[key], composite.info[key])
    assert again.info["seed"] == composite.info["seed"]

    lattice = kwant.lattice.chain(norbs=1)
    builder = kwant.Builder()
    builder[(lattice(i) for i in range(3))] = 0.5
    builder[lattice.neighbors()] = -1
    lead = kwant.Builder(kwant.TranslationalSymmetry((-1,)))
    lead[lattice(0)] = 0.1
    lead[lattice.neighbors()] = -1
    builder.attach_lead(lead)
    bdg.lattices.from_kwant(builder, lead_delta=[0.25]).save(tmp_path / "leads.h5")
    code = (  # where kwant is not installed
        "import sys; sys.modules['kwant'] = None\n"
        "import bdg; s = bdg.lattices.load(sys.argv[1])\n"
        "assert len(s.leads) == 1 and s.leads[0].delta == 0.25\n"
        "print(bdg.bound_states(s, 2).energies[0])"
    )
    done = subprocess.run([sys.executable, "-c", code, str(tmp_path / "leads.h5")], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    wanted = np.abs(np.linalg.eigvalsh(chain_matrix([0.5] * 3, [-1, -1]))).min()
    assert abs(float(done.stdout)) == pytest.approx(wanted, abs=1e-12)


def test_loading_a_damaged_or_foreign_file_says_so(tmp_path):
    system = two_island_system()
    system.save(tmp_path / "system.h5")
    whole = (tmp_path / "system.h5").read_bytes()
    (tmp_path / "cut.h5").write_bytes(whole[: len(whole) // 2])
    (tmp_path / "text.h5").write_text("hello")
    for name in ("cut.h5", "text.h5"):
        for load in (bdg.lattices.load, bdg.load):
            with pytest.raises(bdg.ResultFileError, match=name):
                load(tmp_path / name)
    for load in (bdg.lattices.load, bdg.load):
        with pytest.raises((FileNotFoundError, bdg.ResultFileError), match="missing.h5"):
            load(tmp_path / "missing.h5")
