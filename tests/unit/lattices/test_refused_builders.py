"""Builders with holes of their own, and builders at a Bloch momentum: the package would answer for another system."""

import copy

import kwant
import kwant.wraparound
import numpy as np
import pytest

import bdg
from bdg.lattices import from_hamiltonian, from_kwant
from bdg.lattices.builders.bloch_momentum import momentum_names
from bdg.lattices.nambu import SIGMA_0, SIGMA_X, SIGMA_Y, SIGMA_Z

L = 8
GAP, MU = 0.3, 0.4


def put(builder, family, onsite, hopping):
    builder[(family(i) for i in range(L))] = onsite
    builder[family.neighbors()] = hopping


def two_families(names=("e", "h"), onsite=0.7, hopping=-1.0, gap=0.1, norbs=1, hole=None, pairing_from=L // 2):
    """Electrons and holes of one chain; ``hole`` maps a block of electrons to that of holes."""
    hole = hole or (lambda block: -np.conj(block))
    e, h = (kwant.lattice.chain(1, name=name, norbs=norbs) for name in names)
    builder = kwant.Builder()
    put(builder, e, onsite, hopping)
    put(builder, h, hole(onsite), hole(hopping))
    for i in range(pairing_from, L):
        builder[e(i), h(i)] = gap
    return builder


# ------------------------------------------------------------------------------------------------ holes: site families


@pytest.mark.parametrize("names", [("e", "h"), ("electron", "hole"), ("up", "down"), ("z", "a"), ("", " ")])
@pytest.mark.parametrize("finalized", [False, True])
def test_families_of_electrons_and_holes_are_refused(names, finalized):
    builder = two_families(names)
    with pytest.raises(ValueError, match=r"are electrons and holes.*keep the electrons alone.*from_hamiltonian\("):
        from_kwant(builder.finalized() if finalized else builder)


@pytest.mark.parametrize(
    "options",
    [
        {"hopping": -np.exp(0.3j)},  # a Peierls phase: h_hole = -h*
        {"hopping": 0.4j},
        {"onsite": 0.0},
        {"onsite": -0.3, "gap": 0.2j},
        {"gap": 0.0},  # the normal part of it
        {"pairing_from": L},  # nothing couples the two
        {"onsite": 1e6},
        {"hopping": -1e-3, "onsite": 40.0},
    ],
    ids=str,
)
def test_every_kind_of_chain_is_recognised(options):
    with pytest.raises(ValueError, match="are electrons and holes"):
        from_kwant(two_families(**options))


SPIN_BASES = {
    "(up+, dn+)": lambda block: -np.conj(block),
    "(dn+, -up+)": lambda block: -SIGMA_Y @ np.conj(block) @ SIGMA_Y,
    "(dn+, up+)": lambda block: -SIGMA_X @ np.conj(block) @ SIGMA_X,
    "(up+, -dn+)": lambda block: -SIGMA_Z @ np.conj(block) @ SIGMA_Z,
}


@pytest.mark.parametrize("basis", list(SPIN_BASES))
def test_spinful_families_are_recognised_in_every_basis_of_the_holes(basis):
    onsite = 0.7 * SIGMA_0 + 0.2 * SIGMA_X + 0.1 * SIGMA_Z + 0.05 * SIGMA_Y
    hopping = -SIGMA_0 + 0.3j * SIGMA_Y + 0.2j * SIGMA_X
    builder = two_families(onsite=onsite, hopping=hopping, norbs=2, gap=0.1 * SIGMA_0, hole=SPIN_BASES[basis])
    with pytest.raises(ValueError, match="are electrons and holes"):
        from_kwant(builder)


def four_families(order, sign=-1.0):
    """Spins as families too: electrons and holes of spin up and down, a Zeeman energy, in any order of names."""
    names = dict(zip(("eu", "ed", "hu", "hd"), order, strict=True))
    family = {key: kwant.lattice.chain(1, name=name, norbs=1) for key, name in names.items()}
    builder = kwant.Builder()
    for spin, zeeman in (("u", 0.2), ("d", -0.2)):
        put(builder, family["e" + spin], 0.7 + zeeman, -1.0)
        put(builder, family["h" + spin], -0.7 - zeeman, 1.0)
    for i in range(L):  # spin-orbit coupling within electrons and holes, pairing between opposite spins
        builder[family["eu"](i), family["ed"](i)] = 0.05j
        builder[family["hu"](i), family["hd"](i)] = 0.05j
        builder[family["eu"](i), family["hd"](i)] = 0.1
        builder[family["ed"](i), family["hu"](i)] = 0.1 * sign
    return builder


@pytest.mark.parametrize("sign", [-1.0, 1.0])
@pytest.mark.parametrize("order", ["abcd", "acbd", "dbca", "cdab", "adbc", "dacb"])
def test_spins_as_families_are_paired_off(order, sign):
    """Which of two is the electron follows from the others: by names alone half of them are exchanged."""
    with pytest.raises(ValueError, match="are electrons and holes"):
        from_kwant(four_families(order, sign))


def honeycomb_nambu(sign=-1.0, mass=0.2):
    """Both sublattices twice: the hopping is between families, each family alone has onsite energies only."""
    builder = kwant.Builder()
    one, two = (kwant.lattice.honeycomb(norbs=1, name=name) for name in ("metal", "copy"))
    for lattice, factor in ((one, 1.0), (two, sign)):
        builder[lattice.a.shape(lambda p: np.hypot(*p) < 2.6, (0, 0))] = factor * mass
        builder[lattice.b.shape(lambda p: np.hypot(*p) < 2.6, (0, 0))] = -factor * mass
        builder[lattice.neighbors()] = -factor
    for a, b in zip(one.sublattices, two.sublattices, strict=True):
        for site in [site for site in builder.sites() if site.family == a]:
            builder[site, b(*site.tag)] = 0.1
    return builder


def test_sublattices_of_electrons_and_holes_are_paired_off():
    with pytest.raises(ValueError, match="are electrons and holes"):
        from_kwant(honeycomb_nambu())
    with pytest.raises(ValueError, match="are electrons and holes"):
        from_kwant(honeycomb_nambu(mass=0.0))
    assert from_kwant(honeycomb_nambu(sign=1.0), delta=0.1).n_sites > 40  # a bilayer of two like sheets
    assert from_kwant(honeycomb_nambu(sign=-0.9), delta=0.1).n_sites > 40  # conduction and valence bands


def test_an_atom_of_an_electron_and_a_hole_level_is_refused():
    e, h = (kwant.lattice.chain(1, name=name, norbs=1) for name in "eh")
    builder = kwant.Builder()
    builder[e(0)], builder[h(0)], builder[e(0), h(0)] = 0.7, -0.7, 0.1
    with pytest.raises(ValueError, match="are electrons and holes"):
        from_kwant(builder)


def test_who_insists_passes_the_matrix():
    """Two bands of exactly opposite energy, taken as they are: levels of the dense BdG matrix."""
    builder = two_families()
    finalized = builder.finalized()
    h = finalized.hamiltonian_submatrix()
    system = from_hamiltonian(h, [site.pos for site in finalized.sites], delta=0.2)
    expected = np.sort(np.sqrt(np.linalg.eigvalsh(h) ** 2 + 0.04))[0]
    assert abs(bdg.bound_states(system, 2).energies).max() == pytest.approx(expected, abs=1e-12)


# ------------------------------------------------------------------------------------------ no holes, though opposite


def rice_mele(same_place, mass=0.3):
    lattice = kwant.lattice.general([(1,)], [(0,), (0,) if same_place else (0.4,)], norbs=1)
    a, b = lattice.sublattices
    builder = kwant.Builder()
    builder[(a(i) for i in range(L))], builder[(b(i) for i in range(L))] = mass, -mass
    builder[((a(i), b(i)) for i in range(L))] = -1.0
    builder[((a(i + 1), b(i)) for i in range(L - 1))] = -0.6
    return builder


def graphene(mass):
    lattice = kwant.lattice.honeycomb(norbs=1)
    builder = kwant.Builder()
    builder[lattice.a.shape(lambda p: np.hypot(*p) < 3, (0, 0))] = mass
    builder[lattice.b.shape(lambda p: np.hypot(*p) < 3, (0, 0))] = -mass
    builder[lattice.neighbors()] = -1.0
    return builder


def opposite_bands_apart():
    """An insulator: s and p orbitals with opposite onsite energy and hopping, on different places of the cell."""
    s, p = kwant.lattice.general([(1,)], [(0,), (0.5,)], norbs=1).sublattices
    builder = kwant.Builder()
    put(builder, s, 0.5, -1.0)
    put(builder, p, -0.5, 1.0)
    builder[((s(i), p(i)) for i in range(L))] = 0.2
    return builder


def bilayer(second=(0.2, -1.0), norbs=1):
    """Two chains on one place, as a bilayer projected along its normal."""
    builder = kwant.Builder()
    one, two = (kwant.lattice.chain(1, name=name, norbs=norbs) for name in ("top", "bottom"))
    unit = np.eye(norbs)
    put(builder, one, -0.2 * unit, -1.0 * unit)
    put(builder, two, second[0] * unit, second[1] * unit)
    for i in range(L):
        builder[one(i), two(i)] = 0.1 * unit
    return builder


def staggered():
    """One family: h -> -h under the sublattice sign."""
    lattice = kwant.lattice.chain(1, norbs=1)
    builder = kwant.Builder()
    put(builder, lattice, lambda site: 0.3 * (-1) ** site.tag[0], -1.0)
    return builder


def three_families():
    builder = two_families()
    builder[kwant.lattice.chain(1, name="lead", norbs=1)(20)] = 0.1
    return builder


@pytest.mark.parametrize(
    "builder",
    [
        rice_mele(False),
        rice_mele(True),
        rice_mele(True, mass=0.0),
        graphene(0.3),
        graphene(0.0),
        opposite_bands_apart(),
        bilayer(),
        bilayer(norbs=2),
        bilayer((0.2, 1.0 - 1e-9)),  # bands that are opposite but for a billionth
        bilayer((0.2 + 1e-9, 1.0)),
        bilayer((0.2, 0.0)),
        staggered(),
        three_families(),
    ],
    ids=["rice-mele", "rice-mele on one place", "ssh on one place", "massive graphene", "graphene", "bands apart",
         "biased bilayer", "spinful bilayer", "other hopping", "other onsite", "flat layer", "staggered", "odd number"],
)  # fmt: skip
def test_lattices_of_electrons_pass(builder):
    system = from_kwant(builder, delta=0.2)
    np.testing.assert_array_equal(system.hamiltonian.toarray(), builder.finalized().hamiltonian_submatrix())


def test_spins_as_families_pass():
    """Up and down with a Zeeman energy and spin-orbit hopping of opposite sign: h_down is not -h_up*."""
    for hopping in (-1.0, 0.3j, -1.0 + 0.3j):
        up, down = (kwant.lattice.chain(1, name=name, norbs=1) for name in ("up", "down"))
        builder = kwant.Builder()
        put(builder, up, 0.2, hopping)
        put(builder, down, -0.2, np.conj(hopping))
        assert from_kwant(builder, delta=0.1).n_sites == 2 * L


# -------------------------------------------------------------------------------------------------- declared holes


@pytest.mark.parametrize("size", [1, L])
@pytest.mark.parametrize("finalized", [False, True])
def test_a_declared_particle_hole_symmetry_is_refused(size, finalized):
    lattice = kwant.lattice.chain(norbs=2)
    builder = kwant.Builder(conservation_law=-SIGMA_Z, particle_hole=SIGMA_Y)
    builder[(lattice(i) for i in range(size))] = 0.7 * SIGMA_Z + 0.1 * SIGMA_X
    if size > 1:
        builder[lattice.neighbors()] = -SIGMA_Z
    with pytest.raises(ValueError, match="the builder declares a particle-hole symmetry.*leave out particle_hole"):
        from_kwant(builder.finalized() if finalized else builder)


def test_a_lead_that_declares_it_is_refused():
    lattice = kwant.lattice.chain(norbs=2)
    builder = kwant.Builder()
    builder[(lattice(i) for i in range(L))] = 0.7 * SIGMA_Z
    lead = kwant.Builder(kwant.TranslationalSymmetry((-1,)), conservation_law=-SIGMA_Z, particle_hole=SIGMA_Y)
    lead[lattice(0)], lead[lattice.neighbors()] = 0.7 * SIGMA_Z, -SIGMA_Z
    builder.attach_lead(lead)
    with pytest.raises(ValueError, match="lead 0 declares a particle-hole symmetry"):
        from_kwant(builder)


def test_other_declared_symmetries_pass():
    """Conservation of spin, time reversal and chiral symmetry are those of electrons, too."""
    lattice = kwant.lattice.chain(norbs=2)
    builder = kwant.Builder(conservation_law=-SIGMA_Z, time_reversal=1j * SIGMA_Y, chiral=SIGMA_X)
    put(builder, lattice, 0.7 * SIGMA_0, -SIGMA_0)
    assert from_kwant(builder, delta=0.1).norbs == 2


# ---------------------------------------------------------------------------------------------------- Bloch momenta


def cells(cell=3, hopping=-1.0, norbs=1, dims=1):
    """An infinite lattice of cells with an uneven onsite energy along x; h of a cell at k is complex for cell > 2."""
    unit = np.eye(norbs) if norbs == 2 else 1.0
    lattice = kwant.lattice.Monatomic(np.eye(dims), norbs=norbs)
    vectors = [[cell] + [0] * (dims - 1)] + [[0] * d + [1] + [0] * (dims - 1 - d) for d in range(1, dims)]
    builder = kwant.Builder(kwant.TranslationalSymmetry(*vectors))
    for i in range(cell):
        builder[lattice(i, *[0] * (dims - 1))] = (-MU + 0.3 * (i == 0)) * unit
    builder[lattice.neighbors()] = hopping * unit if not callable(hopping) else hopping
    return builder


def wrapped(builder, **options):
    return kwant.wraparound.wraparound(builder, **options)


HALF_TURNS = [0, 0.0, -0.0, np.pi, -np.pi, 2 * np.pi, 3 * np.pi, -7 * np.pi, np.float64(np.pi)]


@pytest.mark.parametrize("k", HALF_TURNS, ids=str)
@pytest.mark.parametrize("norbs", [1, 2])
@pytest.mark.parametrize("cell", [1, 2, 3])
def test_momenta_of_zero_and_pi_are_right(cell, norbs, k):
    """E = sqrt(xi^2 + Delta^2) with the levels xi of h(k): uniform singlet pairing, no field."""
    builder = wrapped(cells(cell, norbs=norbs))
    h = builder.finalized().hamiltonian_submatrix(params={"k_x": k})
    system = from_kwant(builder, delta=GAP, params={"k_x": k})
    found = np.sort(abs(bdg.bound_states(system, 2 * norbs * cell).energies))[::2]
    np.testing.assert_allclose(found, np.sort(np.sqrt(np.linalg.eigvalsh(h) ** 2 + GAP**2)), rtol=0, atol=1e-12)


@pytest.mark.parametrize("k", [0.7, -0.7, 1e-6, np.pi / 2, 3.14159, np.pi + 1e-9, np.nan, np.inf, 0.5j, "0", None])
@pytest.mark.parametrize("finalized", [False, True])
@pytest.mark.parametrize("cell", [1, 3])
def test_other_momenta_are_refused(cell, finalized, k):
    builder = wrapped(cells(cell))
    with pytest.raises(ValueError, match=r"made by kwant\.wraparound.*momentum k_x = .*-h\(-k\)\*.*from_hamiltonian"):
        from_kwant(builder.finalized() if finalized else builder, delta=GAP, params={"k_x": k})


NAMES = {
    "two": (lambda: wrapped(cells(3, dims=2)), {"k_x", "k_y"}),
    "three": (lambda: wrapped(cells(2, dims=3)), {"k_x", "k_y", "k_z"}),
    "other letters": (lambda: wrapped(cells(3, dims=2), coordinate_names="ab"), {"k_a", "k_b"}),
    "renamed": (lambda: wrapped(cells(3)).substituted(k_x="q"), {"q"}),
    "renamed twice": (lambda: wrapped(cells(dims=2)).substituted(k_x="q", k_y="p").substituted(q="phi"), {"phi", "p"}),
    "exchanged": (lambda: wrapped(cells(3, dims=2)).substituted(k_x="k_y", k_y="k_x"), {"k_x", "k_y"}),
    "twice": (lambda: wrapped(wrapped(cells(3, dims=2), keep=0)), {"k_x", "k_y"}),
    "twice, renamed": (lambda: wrapped(wrapped(cells(3, dims=2), keep=0).substituted(k_y="q")), {"k_x", "q"}),
    "copied": (lambda: copy.copy(wrapped(cells(3))), {"k_x"}),
    "with parameters": (lambda: wrapped(cells(3, lambda to, start, a, b: -a + 1j * b)), {"k_x"}),
    "one site, parameters": (lambda: wrapped(cells(1, lambda to, start, b, a: -a + 1j * b)), {"k_x"}),
    "parameters renamed": (
        lambda: wrapped(cells(3, lambda to, start, a, b: -a)).substituted(a="k_x", k_x="a"), {"a"}
    ),
    "conjugated": (lambda: wrapped(cells(2, lambda to, start, a: -a)), {"k_x"}),
}  # fmt: skip


@pytest.mark.parametrize("name", list(NAMES))
def test_momenta_are_known_under_any_name(name):
    make, names = NAMES[name]
    builder = make()
    assert momentum_names(builder.finalized()) == names
    others = {parameter: 0.3 for parameter in builder.finalized().parameters - names}
    from_kwant(builder, delta=GAP, params={**others, **dict.fromkeys(names, np.pi)})
    for one in names:
        with pytest.raises(ValueError, match=f"Bloch momentum {one} = 0.2"):
            from_kwant(builder, delta=GAP, params={**others, **dict.fromkeys(names, 0.0), one: 0.2})


def test_a_finalized_system_that_went_through_a_file_is_known():
    finalized = wrapped(cells(3)).finalized()
    again = copy.deepcopy(finalized)
    assert momentum_names(again) == {"k_x"}


def test_a_piece_filled_from_a_wrapped_template_is_known():
    """A finite ribbon, periodic across by a momentum: an ordinary Builder with the functions of wraparound."""
    template = wrapped(cells(1, dims=2), keep=0)
    builder = kwant.Builder()
    builder.fill(template, lambda site: 0 <= site.tag[0] < 5, template.closest((0, 0)))
    assert type(builder) is kwant.Builder
    assert from_kwant(builder, delta=GAP, params={"k_y": np.pi}).n_sites == 5
    with pytest.raises(ValueError, match="Bloch momentum k_y = 0.3"):
        from_kwant(builder, delta=GAP, params={"k_y": 0.3})


def test_a_wrapped_lead_is_known():
    lattice = kwant.lattice.square(norbs=1)
    builder = kwant.Builder()
    builder[(lattice(x, 0) for x in range(3))] = -MU
    builder[kwant.builder.HoppingKind((1, 0), lattice)] = -1.0
    lead = kwant.Builder(kwant.TranslationalSymmetry((-1, 0), (0, 1)))
    lead[lattice(0, 0)], lead[lattice.neighbors()] = -MU, -1.0
    builder.attach_lead(wrapped(lead, keep=0))
    assert len(from_kwant(builder, params={"k_y": 0.0}).leads) == 1
    with pytest.raises(ValueError, match="lead 0 was made by kwant.wraparound.*k_y = 0.3"):
        from_kwant(builder, params={"k_y": 0.3})


def test_values_that_do_not_depend_on_a_momentum_need_none():
    """Cells that do not touch: wraparound makes no function, and there is nothing to refuse."""
    lattice = kwant.lattice.chain(2, norbs=1)
    builder = kwant.Builder(kwant.TranslationalSymmetry((2,)))
    builder[lattice(0)] = 0.3
    assert from_kwant(wrapped(builder), delta=GAP).n_sites == 1
    assert from_kwant(wrapped(builder), delta=GAP, params={"k_x": 0.7}).n_sites == 1


def test_a_missing_momentum_is_a_missing_parameter():
    with pytest.raises(ValueError, match="params lacks 'k_x'"):
        from_kwant(wrapped(cells(3)), delta=GAP)


def test_complex_hoppings_of_a_field_pass():
    """The same ring, its flux in an ordinary parameter called k_x: h is that of a field, the hole block -h*."""
    lattice = kwant.lattice.chain(norbs=1)
    builder = kwant.Builder()
    builder[(lattice(i) for i in range(3))] = -MU
    builder[lattice.neighbors()] = -1.0
    builder[lattice(0), lattice(2)] = lambda to, start, k_x: -np.exp(1j * k_x)
    system = from_kwant(builder, delta=GAP, params={"k_x": 0.7})
    h = builder.finalized().hamiltonian_submatrix(params={"k_x": 0.7})
    expected = np.linalg.eigvalsh(np.block([[h, GAP * np.eye(3)], [GAP * np.eye(3), -h.conj()]]))
    np.testing.assert_allclose(np.sort(bdg.bound_states(system, 6).energies), expected, rtol=0, atol=1e-12)


def test_who_insists_on_a_complex_cell_passes_the_matrix():
    f = wrapped(cells(3)).finalized()
    h = f.hamiltonian_submatrix(params={"k_x": 0.7})
    assert from_hamiltonian(h, [site.pos for site in f.sites], delta=GAP).n_sites == 3


def test_a_ring_of_cells_holds_the_momenta():
    """The advice of the error: n cells closed to a ring have the levels of k = 2 pi m/n, sqrt(xi(k)^2 + Delta^2)."""
    n, f = 5, wrapped(cells(3)).finalized()
    xi = [np.linalg.eigvalsh(f.hamiltonian_submatrix(params={"k_x": 2 * np.pi * m / n})) for m in range(n)]
    lattice = kwant.lattice.Monatomic([[1]], norbs=1)
    ring = kwant.Builder()
    for i in range(3 * n):
        ring[lattice(i)] = -MU + 0.3 * (i % 3 == 0)
    ring[lattice.neighbors()] = -1.0
    ring[lattice(0), lattice(3 * n - 1)] = -1.0
    found = bdg.bound_states(from_kwant(ring, delta=GAP, period=(3 * n,)), 6 * n).energies
    expected = np.sort(np.sqrt(np.concatenate(xi) ** 2 + GAP**2))
    np.testing.assert_allclose(np.sort(abs(found))[::2], expected, rtol=0, atol=1e-12)
