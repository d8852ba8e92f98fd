"""Any finite kwant system, and plain matrices, become the same System."""

import builtins

import kwant
import numpy as np
import pytest
import scipy.sparse as sp

from bdg.lattices import from_hamiltonian, from_kwant, load
from bdg.lattices.nambu import SIGMA_0, SIGMA_X, SIGMA_Y, SIGMA_Z


def square_builder(width=3, height=2, norbs=1, onsite=0.5, hopping=-1.0):
    lattice = kwant.lattice.square(norbs=norbs)
    builder = kwant.Builder()
    builder[(lattice(x, y) for x in range(width) for y in range(height))] = onsite
    builder[lattice.neighbors()] = hopping
    return builder, lattice


def with_lead(onsite=2.0, hopping=-1.0, norbs=1):
    builder, lattice = square_builder(3, 2, norbs)
    lead = kwant.Builder(kwant.TranslationalSymmetry((-1, 0)))
    lead[(lattice(0, y) for y in range(2))] = onsite
    lead[lattice.neighbors()] = hopping
    return builder, lead, lattice


# ------------------------------------------------------------------------------------------- any lattice, any order


def test_a_honeycomb_flake_keeps_order_positions_and_matrix():
    lattice = kwant.lattice.honeycomb(a=1.0, norbs=1)
    builder = kwant.Builder()
    builder[lattice.shape(lambda p: p[0] ** 2 + p[1] ** 2 < 9, (0, 0))] = lambda site: 0.1 * site.pos[0]
    builder[lattice.neighbors()] = lambda to, start, phi: -np.exp(1j * phi * (to.pos[1] - start.pos[1]))
    system = from_kwant(builder, params={"phi": 0.3}, delta=lambda site: 0.2 if site.family == lattice.a else 0.0)
    finalized = builder.finalized()
    assert system.n_sites == len(finalized.sites) > 40
    np.testing.assert_array_equal(system.hamiltonian.toarray(), finalized.hamiltonian_submatrix(params={"phi": 0.3}))
    np.testing.assert_array_equal(system.positions, [site.pos for site in finalized.sites])
    np.testing.assert_array_equal(system.delta, [0.2 * (site.family == lattice.a) for site in finalized.sites])
    assert system.norbs == 1
    assert system.info == {"kind": "kwant", "params": {"phi": 0.3}}


class Scattered(kwant.builder.SiteFamily):
    """Sites anywhere, not on a lattice."""

    def __init__(self, points):
        self.points = points
        super().__init__("scattered", "scattered", norbs=1)

    def normalize_tag(self, tag):
        return tuple(tag)

    def pos(self, tag):
        return self.points[tag[0]]


def test_an_irregular_family_of_sites():
    points = np.random.default_rng(0).uniform(size=(5, 3))
    family = Scattered(points)
    builder = kwant.Builder()
    for i in range(5):
        builder[family(i)] = float(i)
    builder[family(4), family(0)] = 0.5j
    system = from_kwant(builder)
    np.testing.assert_array_equal(system.positions, points)
    assert system.hamiltonian[4, 0] == 0.5j
    assert system.hamiltonian[0, 4] == -0.5j


def test_a_family_without_positions_is_refused():
    class Abstract(kwant.builder.SiteFamily):
        def __init__(self):
            super().__init__("abstract", "abstract", norbs=1)

        def normalize_tag(self, tag):
            return tuple(tag)

    builder = kwant.Builder()
    builder[Abstract()(0)] = 1
    with pytest.raises(ValueError, match="every site needs a position"):
        from_kwant(builder)


def test_sites_of_different_dimensions_are_refused():
    builder = kwant.Builder()
    builder[kwant.lattice.chain(norbs=1)(0)] = 1
    builder[kwant.lattice.square(norbs=1)(0, 0)] = 1
    with pytest.raises(ValueError, match="positions of the same dimension"):
        from_kwant(builder)


def test_a_finalized_system_is_as_good_as_a_builder():
    builder, _ = square_builder()
    first, second = from_kwant(builder), from_kwant(builder.finalized())
    assert abs(first.hamiltonian - second.hamiltonian).max() == 0


def test_families_without_norbs_have_one_orbital():
    with pytest.warns(kwant.KwantDeprecationWarning):
        lattice = kwant.lattice.chain()
    builder = kwant.Builder()
    builder[(lattice(i) for i in range(3))] = 1.5
    builder[lattice.neighbors()] = -1
    system = from_kwant(builder)
    assert (system.norbs, system.n_sites) == (1, 3)


def test_periodic_hoppings_need_only_the_box_length():
    builder, lattice = square_builder(5, 3)
    for y in range(3):
        builder[lattice(0, y), lattice(4, y)] = -1.0
    system = from_kwant(builder, period=(5, None))
    assert system.period == (5.0, None)
    first, last = (system.kwant_sites.index(lattice(x, 0)) for x in (0, 4))
    np.testing.assert_array_equal(system.displacement(last, first), [1.0, 0.0])


# ----------------------------------------------------------------------------------------------- pairing and grains


def test_site_values_may_be_numbers_arrays_and_functions_of_a_kwant_site():
    builder, lattice = square_builder(4, 2)

    def right(site):
        return site.family == lattice and site.tag[0] >= 2

    system = from_kwant(
        builder,
        delta=np.arange(8) * 0.1j,
        attraction=lambda site: 2.0 if right(site) else 0.0,
        grain=lambda site: 0 if right(site) else -1,
    )
    x = system.positions[:, 0]
    np.testing.assert_array_equal(system.delta, np.arange(8) * 0.1j)
    np.testing.assert_array_equal(system.attraction, 2.0 * (x >= 2))
    np.testing.assert_array_equal(system.grain, np.where(x >= 2, 0, -1))
    assert system.n_grains == 1
    # functions of a kwant site work in the methods too
    changed = system.with_delta(lambda site: 0.3 * right(site)).with_onsite(lambda site: 0.1 * site.tag[0])
    np.testing.assert_array_equal(changed.delta, 0.3 * (x >= 2))
    np.testing.assert_allclose(changed.hamiltonian.diagonal(), 0.5 + 0.1 * x, rtol=0, atol=1e-15)
    assert (from_kwant(builder, delta=0.7).delta == 0.7).all()


def test_grains_are_found_as_connected_sets_numbered_by_their_lowest_site():
    builder, _ = square_builder(7, 1)
    system = from_kwant(builder, delta=[0, 1, 1, 0, 0, 0, 1], attraction=[0, 0, 0, 0, 2, 0, 0])
    np.testing.assert_array_equal(system.grain, [-1, 0, 0, -1, 1, -1, 2])


def test_a_pairing_function_gives_d_wave_bonds():
    builder, lattice = square_builder(3, 3)

    def d_wave(to, start):
        return 0.2 if to.tag[0] != start.tag[0] else -0.2

    system = from_kwant(builder, pairing=d_wave)
    expected = np.zeros((9, 9))
    for i, to in enumerate(system.kwant_sites):
        for j, start in enumerate(system.kwant_sites):
            step = np.abs(np.subtract(to.tag, start.tag))
            if step.sum() == 1:
                expected[i, j] = 0.2 if step[0] else -0.2
    np.testing.assert_array_equal(system.pairing.toarray(), expected)
    assert system.is_real
    matrix = from_kwant(builder, pairing=sp.coo_matrix(expected))
    np.testing.assert_array_equal(matrix.pairing.toarray(), expected)
    assert from_kwant(builder, pairing=expected).pairing.nnz == 24


def test_a_pairing_function_gives_triplet_bonds_for_two_spins():
    """d.sigma with d odd under exchange of the two sites obeys D = sigma_y D^T sigma_y; the number 0.3 is singlet."""
    builder, _ = square_builder(2, 1, norbs=2, onsite=SIGMA_0, hopping=SIGMA_0)

    def p_wave(to, start):
        return 0.3 * SIGMA_0 + (to.tag[0] - start.tag[0]) * (0.1 * SIGMA_X + 0.4j * SIGMA_Z)

    system = from_kwant(builder, pairing=p_wave)
    block = 0.1 * SIGMA_X + 0.4j * SIGMA_Z
    expected = np.block([[0 * SIGMA_0, 0.3 * SIGMA_0 - block], [0.3 * SIGMA_0 + block, 0 * SIGMA_0]])
    np.testing.assert_allclose(system.pairing.toarray(), expected, rtol=0, atol=1e-16)
    singlet = from_kwant(builder, pairing=lambda to, start: 0.3)
    np.testing.assert_array_equal(singlet.pairing.toarray(), 0.3 * np.kron(SIGMA_X, SIGMA_0))
    with pytest.raises(ValueError, match=r"Fermi statistics \(D = sigma_y D\^T sigma_y for norbs = 2\)"):
        from_kwant(builder, pairing=lambda to, start: SIGMA_X)


def test_odd_pairing_without_spin_is_refused():
    builder, _ = square_builder(3, 1)
    with pytest.raises(ValueError, match=r"Fermi statistics \(symmetric, D = D\^T for norbs = 1\)"):
        from_kwant(builder, pairing=lambda to, start: 0.1 * (to.tag[0] - start.tag[0]))


@pytest.mark.parametrize("value", ["strong", np.eye(3), None])
def test_a_pairing_function_must_return_numbers(value):
    builder, _ = square_builder(3, 1)
    with pytest.raises(TypeError, match=r"pairing\(to, from\) must return a number; got"):
        from_kwant(builder, pairing=lambda to, start: value)


@pytest.mark.filterwarnings("ignore:::sympy", "ignore:::kwant")
def test_a_discretised_wire_is_the_finite_difference():
    """kwant.continuum (the extra brings SymPy): A k^2 - mu + alpha k sigma_y + B sigma_x on a grid of 10."""
    pytest.importorskip("sympy")
    import kwant.continuum

    n, spacing, A, alpha, mu, B = 12, 10, 1270.0, 20.0, 0.5, 0.3
    template = kwant.continuum.discretize("(A * k_x**2 - mu) * sigma_0 + alpha * k_x * sigma_y + B * sigma_x", grid=10)
    builder = kwant.Builder()
    builder.fill(template, lambda site: 0 <= site.tag[0] < n, (0,))
    system = from_kwant(builder, delta=0.25, params={"A": A, "alpha": alpha, "mu": mu, "B": B})
    step = np.eye(n, k=1)
    kinetic = A / spacing**2 * (2 * np.eye(n) - step - step.T) - mu * np.eye(n)
    k = (step - step.T) / (2j * spacing)
    expected = np.kron(kinetic, SIGMA_0) + alpha * np.kron(k, SIGMA_Y) + B * np.kron(np.eye(n), SIGMA_X)
    np.testing.assert_allclose(system.hamiltonian.toarray(), expected, rtol=0, atol=1e-13 * A / spacing**2)
    assert system.norbs == 2
    np.testing.assert_array_equal(system.positions[:, 0], spacing * np.arange(n))


# ------------------------------------------------------------------------------------------------------ orbitals


def rashba_wire(alpha=0.4, zeeman=0.3):
    return square_builder(
        4, 1, norbs=2, onsite=2.0 * SIGMA_0 + zeeman * SIGMA_X, hopping=-SIGMA_0 + 0.5j * alpha * SIGMA_Y
    )[0]


def kane_mele():
    lattice = kwant.lattice.honeycomb(norbs=2)
    builder = kwant.Builder()
    builder[lattice.shape(lambda p: p[0] ** 2 + p[1] ** 2 < 4, (0, 0))] = 0.1 * SIGMA_Z
    builder[lattice.neighbors()] = -SIGMA_0
    builder[lattice.a.neighbors()] = 0.06j * SIGMA_Z
    builder[lattice.b.neighbors()] = -0.06j * SIGMA_Z
    return builder


@pytest.mark.parametrize(
    "builder",
    [
        rashba_wire(),
        rashba_wire(alpha=0.0),
        kane_mele(),
        square_builder(3, 2, norbs=2, onsite=0.5 * SIGMA_Z, hopping=0 * SIGMA_0)[0],  # isolated spins in a field
        square_builder(3, 2, norbs=2, onsite=0.5 * SIGMA_Z, hopping=0.3 * SIGMA_X)[0],  # only spin-flip hopping
        square_builder(3, 2, norbs=2, onsite=0.5 * SIGMA_Z, hopping=0.3j * SIGMA_Z)[0],  # spin-orbit hopping alone
        square_builder(3, 2, norbs=2, onsite=0.5 * SIGMA_Z, hopping=np.diag([-1.0, -0.3]))[0],  # half-metal
    ],
    ids=["rashba", "zeeman", "kane-mele", "isolated", "flip", "spin-orbit", "half-metal"],
)
def test_systems_of_spins_are_taken(builder):
    system = from_kwant(builder, delta=0.2)
    assert system.norbs == 2
    assert system.n_sites == len(builder.finalized().sites)
    np.testing.assert_array_equal(system.hamiltonian.toarray(), builder.finalized().hamiltonian_submatrix())


def tutorial_form(onsite, hopping):
    """kwant's own tutorial of a superconductor: orbitals (electron, hole), pairing inside the onsite matrix."""
    return square_builder(4, 2, norbs=2, onsite=onsite, hopping=hopping)[0]


@pytest.mark.parametrize(
    "builder",
    [
        tutorial_form(3.5 * SIGMA_Z + 0.1 * SIGMA_X, -1.0 * SIGMA_Z),
        tutorial_form(3.5 * SIGMA_Z, lambda to, start: np.diag([-np.exp(0.3j), np.exp(-0.3j)])),  # with Peierls phases
        tutorial_form(0 * SIGMA_Z, 1j * SIGMA_0),  # h = i: -h* = i
        tutorial_form(lambda site: (2 + 0.1 * site.tag[0]) * SIGMA_Z + 0.1 * SIGMA_Y, -0.7 * SIGMA_Z),
    ],
    ids=["tutorial", "peierls", "imaginary", "functions"],
)
def test_electron_and_hole_orbitals_are_recognised_and_refused(builder):
    with pytest.raises(ValueError, match="electron and hole.*Pass the electron block alone with norbs = 1"):
        from_kwant(builder)


def test_a_mixture_of_norbs_is_refused_by_name():
    builder = kwant.Builder()
    builder[kwant.lattice.square(norbs=1, name="metal")(0, 0)] = 1
    builder[kwant.lattice.square(norbs=2, name="magnet")(1, 0)] = np.eye(2)
    with pytest.raises(ValueError, match="mixture .* magnet: 2, metal: 1"):
        from_kwant(builder)


@pytest.mark.parametrize("norbs", [3, 4])
def test_more_than_two_orbitals_are_refused_with_the_cure(norbs):
    builder, _ = square_builder(2, 1, norbs=norbs, onsite=np.eye(norbs), hopping=np.eye(norbs))
    with pytest.raises(ValueError, match=f"have {norbs} orbitals.*pass the electron block alone"):
        from_kwant(builder)


# --------------------------------------------------------------------------------------------------- params, errors


def test_a_missing_parameter_is_named():
    builder, _ = square_builder(onsite=lambda site, mu, V: V - mu)
    with pytest.raises(ValueError, match=r"params lacks 'V', which the value functions of the system ask for; got"):
        from_kwant(builder, params={"mu": 1.0})
    with pytest.raises(ValueError, match="params lacks 'V', 'mu'"):
        from_kwant(builder)
    assert (from_kwant(builder, params={"mu": 1.0, "V": 3.0}).hamiltonian.diagonal() == 2.0).all()


def test_a_failing_value_function_is_reported():
    builder, _ = square_builder(onsite=lambda site: 1 / site.tag[0])
    with pytest.raises(ValueError, match="a value function of the builder failed: ZeroDivisionError"):
        from_kwant(builder)


def test_parameters_are_kept_and_survive_saving(tmp_path):
    def shift(x):
        return 0.1 * x

    builder, _ = square_builder(onsite=lambda site, V, f, profile: V + f(site.tag[0]) + profile[site.tag[0]])
    params = {"V": np.float64(2.0), "f": shift, "profile": np.array([0.0, 1.0, 2.0]), "unused": (1j, "a", None)}
    system = from_kwant(builder, params=params)
    system.save(tmp_path / "system.h5")
    kept = load(tmp_path / "system.h5").info["params"]
    assert kept["V"] == 2.0
    assert "shift" in kept["f"]
    assert kept["unused"] == [1j, "a", None]
    np.testing.assert_array_equal(kept["profile"], [0.0, 1.0, 2.0])


def test_infinite_systems_are_refused():
    _, lead, _ = with_lead()
    with pytest.raises(ValueError, match="has a translational symmetry.*attach it to a finite system"):
        from_kwant(lead)
    with pytest.raises(ValueError, match="has a translational symmetry"):
        from_kwant(lead.finalized())


def test_an_empty_builder_is_refused():
    with pytest.raises(ValueError, match="builder is empty"):
        from_kwant(kwant.Builder())


@pytest.mark.parametrize("thing", [None, np.eye(3), "builder"])
def test_something_else_is_refused(thing):
    with pytest.raises(TypeError, match=r"builder must be a kwant.Builder or a finalized one; got"):
        from_kwant(thing)


def test_an_onsite_energy_that_is_not_hermitian_is_refused():
    builder, _ = square_builder(onsite=1 + 1j)
    with pytest.raises(ValueError, match="hamiltonian is not Hermitian"):
        from_kwant(builder)


def test_without_kwant_the_error_says_how_to_install_it(monkeypatch):
    real_import = builtins.__import__

    def blocked(name, *args, **kwargs):
        if name.split(".")[0] == "kwant":
            raise ModuleNotFoundError("No module named 'kwant'")
        return real_import(name, *args, **kwargs)

    builder, _ = square_builder()
    monkeypatch.setattr(builtins, "__import__", blocked)
    with pytest.raises(ImportError, match="pip install --no-build-isolation -r requirements-kwant.txt"):
        from_kwant(builder)


# ----------------------------------------------------------------------------------------------------------- leads


def test_leads_are_kept_as_arrays(tmp_path):
    builder, lead, lattice = with_lead()
    builder.attach_lead(lead)
    builder.attach_lead(lead.reversed())
    system = from_kwant(builder, lead_delta=[0.0, 0.3j])
    finalized = builder.finalized()
    assert len(system.leads) == 2
    for number, kept in enumerate(system.leads):
        np.testing.assert_array_equal(kept.cell_hamiltonian, [[2, -1], [-1, 2]])
        np.testing.assert_array_equal(kept.hopping, finalized.leads[number].inter_cell_hopping())
        np.testing.assert_array_equal(kept.interface, finalized.lead_interfaces[number])
        np.testing.assert_array_equal(system.positions[kept.interface, 0], [2 * number] * 2)
        assert kept.norbs == 1
    assert [kept.delta for kept in system.leads] == [0, 0.3j]
    system.save(tmp_path / "system.h5")
    again = load(tmp_path / "system.h5").leads
    assert [kept.delta for kept in again] == [0, 0.3j]
    np.testing.assert_array_equal(again[1].hopping, system.leads[1].hopping)
    assert [kept.delta for kept in from_kwant(builder).leads] == [0, 0]
    assert [kept.delta for kept in from_kwant(builder, lead_delta=0.2).leads] == [0.2, 0.2]


@pytest.mark.parametrize("lead_delta", [[0.1], [0.1, 0.2, 0.3], [[0.1, 0.2]]])
def test_lead_delta_needs_one_value_a_lead(lead_delta):
    builder, lead, _ = with_lead()
    builder.attach_lead(lead)
    builder.attach_lead(lead.reversed())
    with pytest.raises(ValueError, match=r"lead_delta must have one value a lead \(2 leads\); got shape"):
        from_kwant(builder, lead_delta=lead_delta)


def test_lead_delta_without_leads_and_without_numbers_is_refused():
    builder, lead, _ = with_lead()
    with pytest.raises(ValueError, match=r"one value a lead \(0 leads\)"):
        from_kwant(builder, lead_delta=0.1)
    builder.attach_lead(lead)
    with pytest.raises(ValueError, match="lead_delta must be finite numbers"):
        from_kwant(builder, lead_delta=[np.nan])


def test_a_parameter_that_only_a_lead_needs_is_named():
    builder, lead, _ = with_lead(onsite=lambda site, V: V)
    builder.attach_lead(lead)
    with pytest.raises(ValueError, match="params lacks 'V', which the value functions of lead 0 ask for"):
        from_kwant(builder)
    assert from_kwant(builder, params={"V": 3.0}).leads[0].cell_hamiltonian[0, 0] == 3.0


def test_a_lead_with_spin_keeps_its_orbitals():
    builder, lattice = square_builder(3, 2, norbs=2, onsite=SIGMA_0, hopping=-SIGMA_0)
    lead = kwant.Builder(kwant.TranslationalSymmetry((-1, 0)))
    lead[(lattice(0, y) for y in range(2))] = 2 * SIGMA_0 + 0.1 * SIGMA_Z
    lead[lattice.neighbors()] = -SIGMA_0
    builder.attach_lead(lead)
    kept = from_kwant(builder).leads[0]
    assert kept.cell_hamiltonian.shape == (4, 4)
    assert (kept.norbs, kept.interface.size) == (2, 2)


def test_a_lead_that_is_only_a_self_energy_is_refused():
    builder, lattice = square_builder()
    builder.leads.append(kwant.builder.SelfEnergyLead(lambda energy: np.zeros((1, 1)), [lattice(0, 0)], parameters=[]))
    with pytest.raises(ValueError, match="lead 0 is a SelfEnergyLead"):
        from_kwant(builder)


# ------------------------------------------------------------------------------------------------ from_hamiltonian


def test_from_hamiltonian_equals_from_kwant():
    builder, _ = square_builder(3, 3, onsite=lambda site: 0.1 * site.tag[0])
    delta, attraction, grain = np.linspace(0, 1, 9) * 1j, np.linspace(1, 2, 9), [-1, 0, 0, 1, 1, 1, -1, -1, -1]
    pairing = np.diag(np.full(8, 0.1), 1) + np.diag(np.full(8, 0.1), -1)
    first = from_kwant(builder, delta=delta, attraction=attraction, grain=grain, pairing=pairing, period=(None, 9))
    second = from_hamiltonian(
        builder.finalized().hamiltonian_submatrix(),
        [site.pos for site in builder.finalized().sites],
        delta=delta,
        attraction=attraction,
        grain=grain,
        pairing=sp.csr_array(pairing),
        period=(None, 9),
    )
    for name in ("hamiltonian", "pairing"):
        assert abs(getattr(first, name) - getattr(second, name)).max() == 0
    for name in ("delta", "attraction", "grain", "positions"):
        np.testing.assert_array_equal(getattr(first, name), getattr(second, name))
    assert first.period == second.period == (None, 9.0)
    assert second.info == {"kind": "hamiltonian"}


def test_functions_of_a_site_get_index_and_position_without_kwant():
    system = from_hamiltonian(
        np.eye(6), [0.0, 0.5, 1.0], norbs=2, delta=lambda site: site.index * 0.1, attraction=lambda s: s.pos[0]
    )
    np.testing.assert_allclose(system.delta, [0, 0.1, 0.2])
    np.testing.assert_array_equal(system.attraction, [0, 0.5, 1.0])
    assert system.positions.shape == (3, 1)


def test_spins_with_opposite_hopping_may_come_as_a_matrix():
    """What `from_kwant` must take for electron and hole is open to those who say that it is spin."""
    matrix = np.kron(np.diag([-1.0] * 3, 1) + np.diag([-1.0] * 3, -1), SIGMA_Z)
    assert from_hamiltonian(matrix, np.arange(4.0), norbs=2).norbs == 2


def test_from_hamiltonian_takes_no_pairing_function():
    with pytest.raises(TypeError, match="pairing must be a matrix here"):
        from_hamiltonian(np.eye(2), [0.0, 1.0], pairing=lambda to, start: 0.1)
