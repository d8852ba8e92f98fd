"""Values that belong to sites: masks say where, numbers say how much, and neither passes for the other."""

import kwant
import numpy as np
import pytest

import bdg
from bdg.base.arguments import require_sites
from bdg.lattices import Layer, System, from_hamiltonian, from_kwant, stack

N = 12
MASK = np.isin(np.arange(N), [2, 3, 4, 7, 8, 11])  # three parts of a chain
GRAINS = np.array([-1, -1, 0, 0, 0, -1, -1, 1, 1, -1, -1, 2])
HOPPING = -np.eye(N, k=1) - np.eye(N, k=-1)
MIXED = "grain mixes booleans and numbers"


def chain_builder():
    lattice = kwant.lattice.chain(norbs=1)
    builder = kwant.Builder()
    builder[(lattice(i) for i in range(N))] = 0.3
    builder[lattice.neighbors()] = -1.0
    return builder


def made(way, **values):
    if way == "from_kwant":
        return from_kwant(chain_builder(), **values)
    if way == "from_hamiltonian":
        return from_hamiltonian(HOPPING, np.arange(float(N)), **values)
    return System(hamiltonian=HOPPING, positions=np.arange(float(N)), **values)


WAYS = pytest.mark.parametrize("way", ["from_kwant", "from_hamiltonian", "System"])
FORMS = {
    "array": MASK,
    "list": MASK.tolist(),
    "list of numpy booleans": list(MASK),
    "tuple": tuple(MASK.tolist()),
    "function": lambda site: bool(MASK[round(site.pos[0])]),
    "function of numpy booleans": lambda site: MASK[round(site.pos[0])],
    "function of arrays of one": lambda site: np.array(MASK[round(site.pos[0])]),
}


# ------------------------------------------------------------------------------------------------------------ masks


@WAYS
@pytest.mark.parametrize("form", list(FORMS))
def test_true_means_superconducting(way, form):
    system = made(way, delta=0.2 * MASK, grain=FORMS[form])
    np.testing.assert_array_equal(system.grain, GRAINS)
    assert system.grain.dtype == np.int64


@WAYS
def test_a_mask_holds_where_there_is_no_pairing_yet(way):
    """The parts are those of the mask, not those of delta or attraction."""
    np.testing.assert_array_equal(made(way, grain=MASK).grain, GRAINS)
    np.testing.assert_array_equal(made(way, delta=0.2, attraction=1.0, grain=MASK).grain, GRAINS)
    np.testing.assert_array_equal(made(way, delta=0.2, grain=~MASK).grain, [0, 0, -1, -1, -1, 1, 1, -1, -1, 2, 2, -1])


@WAYS
def test_masks_of_all_and_of_no_site(way):
    for everywhere in (True, np.True_, np.ones(N, dtype=bool), lambda site: True):
        np.testing.assert_array_equal(made(way, grain=everywhere).grain, np.zeros(N))
    for nowhere in (False, np.zeros(N, dtype=bool)):
        system = made(way, delta=0.1, grain=nowhere)
        np.testing.assert_array_equal(system.grain, np.full(N, -1))
        assert system.n_grains == 0


def test_parts_of_a_mask_are_joined_by_hopping_or_bond_pairing_not_by_order():
    """A ring in a scrambled order with one bond of pairing alone: parts are numbered by their lowest site."""
    order = np.random.default_rng(3).permutation(N)
    ring = HOPPING.copy()
    ring[0, -1] = ring[-1, 0] = -1.0
    ring[7, 8] = ring[8, 7] = 0.0
    pairing = np.zeros((N, N))
    pairing[7, 8] = pairing[8, 7] = 0.1
    mask = np.isin(np.arange(N), [11, 0, 1, 5, 7, 8])
    labels = from_hamiltonian(
        ring[np.ix_(order, order)], np.arange(float(N)), pairing=pairing[np.ix_(order, order)], grain=mask[order]
    ).grain
    parts = [{11, 0, 1}, {5}, {7, 8}]
    found = [{int(order[i]) for i in np.flatnonzero(labels == g)} for g in range(3)]
    assert sorted(map(sorted, found)) == sorted(map(sorted, parts))
    first = [np.flatnonzero(labels == g)[0] for g in range(3)]
    assert first == sorted(first)
    np.testing.assert_array_equal(np.flatnonzero(labels < 0), np.flatnonzero(~mask[order]))


@pytest.mark.parametrize("norbs", [1, 2])
def test_a_masked_junction_is_the_labelled_one(norbs):
    """S/N/S: the current at a phase difference is that of the stack, which labels its electrodes itself."""
    reference = stack([Layer(3, delta=0.4), Layer(2), Layer(3, delta=0.4)], mu=-0.3)
    matrix = np.kron(reference.hamiltonian.toarray(), np.eye(norbs))
    mask = reference.delta != 0
    system = from_hamiltonian(matrix, reference.positions, norbs=norbs, delta=reference.delta, grain=mask)
    np.testing.assert_array_equal(system.grain, reference.grain)
    found, expected = (  # a free energy: the imposed Delta is a source of current
        bdg.free_energy(one.with_phases({1: 0.7}), 0.05, method="dense").value for one in (system, reference)
    )
    assert abs(expected - bdg.free_energy(reference, 0.05, method="dense").value) > 1e-2
    assert found == pytest.approx(expected, rel=1e-12)  # dense sums of a few dozen levels


def test_a_phase_needs_pairing_where_it_is():
    """A mask given as the numbers 0 and 1 makes the host grain 0: phases of it act on nothing."""
    system = made("System", delta=0.2 * MASK, grain=MASK.astype(int))
    with pytest.raises(ValueError, match=r"grain 0 has neither pairing nor attraction.*must be booleans"):
        bdg.current_phase(system, [0.1], 0.1)
    with pytest.raises(ValueError, match="grain 0 has neither pairing nor attraction"):
        bdg.current_phase(system, [0.1], 0.1, between=(1, 0))


@WAYS
def test_whole_numbers_of_any_type_are_labels(way):
    for grain in (GRAINS.astype(np.int8), GRAINS.astype(float), GRAINS.tolist(), lambda s: GRAINS[round(s.pos[0])]):
        np.testing.assert_array_equal(made(way, grain=grain).grain, GRAINS)


@WAYS
@pytest.mark.parametrize(
    ("grain", "error", "match"),
    [
        ([True, -1] + [-1] * (N - 2), TypeError, MIXED),
        pytest.param(lambda site: 0 if site.pos[0] > 5 else False, TypeError, MIXED, id="function of 0 and False"),
        pytest.param(lambda site: site.pos[0] > 5 and 0, TypeError, MIXED, id="function of False and 0"),
        (MASK[:-1], ValueError, r"grain must have one value a site, shape \(12,\); got shape \(11,\)"),
        (MASK[:, None], ValueError, r"got shape \(12, 1\)\. Pass values\.ravel\(\)"),
        (MASK.reshape(3, 4), ValueError, r"got shape \(3, 4\)\. Pass values\.ravel\(\)"),
        (MASK.astype(object), TypeError, r"an array of objects.*\.astype\(bool\)"),
        (MASK.astype(str), TypeError, "grain must be a number, an array"),
        (MASK.astype(int), ValueError, None),  # 0 and 1 are labels, and the labels below say so
        ([np.nan] * N, ValueError, "grain must be finite"),
        (GRAINS * 1j, ValueError, "grain must be real"),
        ({"left": 0}, TypeError, "grain must be a number, an array"),
        (np.ma.array(GRAINS, mask=MASK), ValueError, "got a masked array"),
    ],
    ids=str,
)
def test_grains_that_say_nothing_are_refused(way, grain, error, match):
    if match is None:
        np.testing.assert_array_equal(made(way, grain=grain).grain, MASK)
        return
    with pytest.raises(error, match=match):
        made(way, grain=grain)


# ---------------------------------------------------------------------------------------------------------- numbers


@WAYS
@pytest.mark.parametrize("name", ["delta", "attraction"])
@pytest.mark.parametrize(
    ("value", "error", "match"),
    [
        (True, TypeError, r"must be numbers; got booleans.*0\.1 \* mask"),
        (np.True_, TypeError, "must be numbers; got booleans"),
        (MASK, TypeError, "must be numbers; got booleans"),
        (MASK.tolist(), TypeError, "must be numbers; got booleans"),
        (lambda site: site.pos[0] > 5, TypeError, "must be numbers; got booleans.*let the function return numbers"),
        (lambda site: site.pos[0] > 5 and 0.1, TypeError, "mixes booleans and numbers"),
        ([True] + [0.5] * (N - 1), TypeError, "mixes booleans and numbers"),
        (np.ones(N - 1), ValueError, r"one value a site, shape \(12,\); got shape \(11,\)"),
        (np.ones(2 * N), ValueError, "values belong to sites, not to orbitals"),
        (np.ones((N, 1)), ValueError, r"got shape \(12, 1\)\. Pass values\.ravel\(\)"),
        (np.ones((1, N)), ValueError, r"got shape \(1, 12\)\. Pass values\.ravel\(\)"),
        (np.ones((4, 3)), ValueError, r"got shape \(4, 3\)\. Pass values\.ravel\(\)"),
        (lambda site: [0.1], ValueError, r"got shape \(12, 1\)"),
        ([], ValueError, r"got shape \(0,\)"),
        (np.ones(N, dtype=object), TypeError, r"an array of objects.*\.astype\(float\)"),
        (lambda site: None if site.pos[0] == 7 else 0.1, TypeError, "got None on site 7"),
        (lambda site: "0.1", TypeError, "must be a number, an array"),
        (["0.1"] * N, TypeError, "must be a number, an array"),
        (np.array(["2020-01-01"] * N, dtype="M8[D]"), TypeError, "must be a number, an array"),
        (lambda site: np.nan if site.pos[0] == 7 else 0.1, ValueError, "must be finite; got nan on site 7"),
        ([np.inf] * N, ValueError, "must be finite; got inf on site 0"),
        (np.ma.array(np.ones(N), mask=MASK), ValueError, r"got a masked array\. Fill it"),
    ],
)
def test_energies_are_numbers_one_a_site(way, name, value, error, match):
    with pytest.raises(error, match=f"{name}.*{match}"):
        made(way, **{name: value})


@WAYS
@pytest.mark.parametrize(
    "three",
    [3, 3.0, np.int8(3), np.float32(3), np.array(3), [3] * N, np.full(N, 3, dtype=np.uint16), np.float16([3] * N),
     lambda site: 3, lambda site: np.array(3), np.ma.array([3] * N), tuple([3, 3.0] * (N // 2))],
)  # fmt: skip
def test_numbers_of_any_type_become_floats(way, three):
    system = made(way, delta=three, attraction=three)
    for values in (system.delta, system.attraction, system.with_delta(three).delta):
        assert values.dtype == float
        np.testing.assert_array_equal(values, np.full(N, 3.0))
    np.testing.assert_array_equal(
        (system.with_onsite(three).hamiltonian - system.hamiltonian).diagonal(), np.full(N, 3)
    )


def test_methods_refuse_what_the_constructor_refuses():
    system = made("from_kwant", delta=0.2)
    for call, name in ((system.with_delta, "delta"), (system.with_onsite, "values")):
        with pytest.raises(TypeError, match=f"{name} must be numbers; got booleans"):
            call(MASK)
        with pytest.raises(TypeError, match=f"{name} must be numbers; got booleans"):
            call(lambda site: site.tag[0] > 3)
        with pytest.raises(ValueError, match=rf"{name} must have one value a site, shape \(12,\); got shape \(12, 1\)"):
            call(np.ones((N, 1)))
        with pytest.raises(TypeError, match=f"{name} must give one number a site"):
            call([[1], [1, 2]])
    with pytest.raises(TypeError, match="phases must be real numbers"):
        system.with_phases([True])
    with pytest.raises(TypeError, match="phases must be real numbers"):
        system.with_phases(["0.1"])


def test_spin_matrices_are_numbers():
    system = from_hamiltonian(np.kron(HOPPING, np.eye(2)), np.arange(float(N)), norbs=2)
    with pytest.raises(TypeError, match="values must be numbers; got dtype bool"):
        system.with_onsite(np.eye(2, dtype=bool))
    with pytest.raises(ValueError, match=r"shape \(12,\); got shape \(24,\): values belong to sites, not to orbitals"):
        system.with_onsite(np.ones(2 * N))
    np.testing.assert_array_equal(system.with_onsite(np.eye(2, dtype=int)).hamiltonian.diagonal(), np.ones(2 * N))


@pytest.mark.parametrize(
    ("arguments", "error", "match"),
    [
        ({"hamiltonian": HOPPING != 0}, TypeError, r"hamiltonian must be numbers; got booleans.*-t \* neighbours"),
        ({"pairing": HOPPING != 0}, TypeError, "pairing must be numbers; got booleans"),
        ({"positions": MASK}, TypeError, "positions must be real numbers"),
        ({"positions": np.arange(N) * 1j}, TypeError, "positions must be real numbers"),
        ({"positions": np.arange(N).astype(str)}, TypeError, "positions must be real numbers"),
        ({"positions": [[0, 1], [0]]}, TypeError, "positions must be one point a site"),
        ({"positions": np.zeros((2, N))}, ValueError, r"shape \(2, 2\) for 2 sites"),
        ({"period": (True,)}, TypeError, "period must be box lengths.*not flags"),
        ({"period": ("12",)}, TypeError, "period must be box lengths"),
        ({"norbs": True}, ValueError, "norbs must be 1"),
        ({"norbs": np.array([1, 1])}, ValueError, "norbs must be 1"),
    ],
)
def test_other_fields_are_numbers_too(arguments, error, match):
    with pytest.raises(error, match=match):
        from_hamiltonian(**({"hamiltonian": HOPPING, "positions": np.arange(float(N))} | arguments))


def test_sparse_booleans_are_refused_and_integers_taken():
    import scipy.sparse as sp

    with pytest.raises(TypeError, match="hamiltonian must be numbers; got booleans"):
        from_hamiltonian(sp.csr_array(HOPPING != 0), np.arange(float(N)))
    system = from_hamiltonian(sp.csr_array(HOPPING.astype(np.int8)), np.arange(N))
    assert system.hamiltonian.dtype == system.positions.dtype == float


def test_functions_of_bonds_and_leads_are_numbers():
    with pytest.raises(TypeError, match=r"pairing\(to, from\) must return a number"):
        from_kwant(chain_builder(), pairing=lambda to, start: to.tag[0] > start.tag[0])
    builder = chain_builder()
    lead = kwant.Builder(kwant.TranslationalSymmetry((-1,)))
    lattice = kwant.lattice.chain(norbs=1)
    lead[lattice(0)], lead[lattice.neighbors()] = 0.3, -1.0
    builder.attach_lead(lead)
    with pytest.raises(TypeError, match="lead_delta must be numbers, one a lead; got booleans"):
        from_kwant(builder, lead_delta=[True])
    with pytest.raises(ValueError, match="barrier must be finite real numbers"):
        stack([Layer(2), Layer(2)], barrier=True)
    with pytest.raises(TypeError, match="delta of a layer must be a real number"):
        Layer(2, delta=True)
    with pytest.raises(TypeError, match="B must be made of real numbers"):
        stack([Layer(2)], (2,)).with_field(True)


# ------------------------------------------------------------------------------------------------------ site numbers


@pytest.mark.parametrize(
    "sites",
    [MASK, MASK.tolist(), list(MASK), np.flatnonzero(MASK), [2, 3, 4, 7, 8, 11], [np.int8(2), 3, 4, 7, 8, 11]],
)
def test_sites_are_numbers_or_a_mask(sites):
    np.testing.assert_array_equal(require_sites(sites, N), [2, 3, 4, 7, 8, 11])


@pytest.mark.parametrize(
    ("sites", "error", "match"),
    [
        ([True, 2], TypeError, "sites mixes booleans and site numbers"),
        ([np.True_, 2], TypeError, "sites mixes booleans and site numbers"),
        (MASK[:-1], ValueError, r"mask \(12,\).*a mask of shape \(11,\), 5 of it True"),
        (MASK[:, None], ValueError, r"a mask of shape \(12, 1\)"),
        (np.zeros(N, dtype=bool), ValueError, "0 of it True"),
        (True, ValueError, r"a mask of shape \(1,\)"),
        ([1.0, 2.0], ValueError, "sites must be a non-empty list of site numbers"),
        ([np.nan], ValueError, "sites must be a non-empty list of site numbers"),
        (["1"], ValueError, "sites must be a non-empty list of site numbers"),
        (np.array([1, 2], dtype=object), ValueError, "sites must be a non-empty list of site numbers"),
        (lambda site: True, ValueError, "sites must be a non-empty list of site numbers"),
        ([[1, 2]], ValueError, "sites must be a non-empty list of site numbers"),
        ([0, N], ValueError, "sites must be between 0 and 11; got 12"),
        ([-1], ValueError, "sites must be between 0 and 11; got -1"),
    ],
)
def test_other_sites_are_refused(sites, error, match):
    with pytest.raises(error, match=match):
        require_sites(sites, N)
    with pytest.raises(error, match=match):
        bdg.pair_amplitude(made("System", delta=0.2), 0.1, sites=sites)
