"""What "auto" of densities and Green functions takes: by predicted seconds and memory, said in the evidence."""

from __future__ import annotations

import dataclasses
import sys
import tracemalloc

import numpy as np
import pytest
from numpy.testing import assert_allclose

import bdg
from bdg.base.hamiltonian import BdGHamiltonian
from bdg.densities import density_of_states as dos
from bdg.densities import local_choice as ldos_plan
from bdg.densities import local_density_of_states as ldos
from bdg.gpu.chebyshev import traces
from bdg.gpu.cost import calibration
from bdg.gpu.cost import model as cost
from bdg.gpu.cost.model import BUILT_IN
from bdg.gpu.device.backend import MemoryBudgetError, select_backend
from bdg.gpu.eigen import dense
from bdg.green import choice, resolvent, resolvent_costs
from bdg.lattices.nambu import SIGMA_Z
from bdg.methods import options

CPU = select_backend("cpu")
ENERGIES = np.linspace(-0.5, 0.5, 5)
CALLS = {  # function, arguments, and the methods that are compared
    "density": (bdg.density_of_states, {"energies": ENERGIES}, {"dense", "chebyshev"}),
    "local density": (
        bdg.local_density_of_states,
        {"energies": ENERGIES, "sites": [1, 4]},
        {"green", "dense", "chebyshev"},
    ),
    "green": (bdg.green_function, {"z": [0.1 + 0.1j, 0.2j]}, {"multifrontal", "dense"}),
    "spectral": (bdg.spectral_function, {"momenta": [[0.1, 0.2, 0.0]], "energies": ENERGIES}, {"chebyshev"}),
}


def assuming(**changed):
    """Rates of this test, the built-in ones but for some: for nothing, or very slow."""
    rates = {}
    if "product" in changed:
        changed["column"] = changed["product"]
    for name, factor in changed.items():
        kept = getattr(BUILT_IN["cpu"], name)
        scaled = {key: factor * value for key, value in kept.items()} if isinstance(kept, dict) else factor * kept
        rates[name] = scaled
    return calibration.assuming(dataclasses.replace(BUILT_IN["cpu"], origin="made up", **rates))


@pytest.fixture
def cube(grid, islands):
    return grid((8, 8, 8), delta=islands(512), disorder=1.0)


@pytest.mark.parametrize("name", CALLS)
def test_the_evidence_names_what_was_compared_with_seconds(cube, name):
    function, arguments, methods = CALLS[name]
    with assuming():
        why = function(cube, **arguments).evidence.why
    assert "made up" in why and " s" in why
    for method in methods:
        assert f"{method} " in why


# ------------------------------------------------------------------------------------------------------------- seconds


def test_density_of_states_has_no_noise_where_that_takes_less_than_a_second(cube):
    """Dimension 1024: 0.16 s by the built-in rates. Noise is accepted where it saves more than that."""
    with assuming():
        quiet = bdg.density_of_states(cube, ENERGIES, moments=64)
    assert quiet.evidence.method == "dense" and "taken up to 1 s" in quiet.evidence.why
    with assuming(eigh=0.1):
        noisy = bdg.density_of_states(cube, ENERGIES, moments=64)
        exact = bdg.density_of_states(cube, ENERGIES, moments=64, vectors="all")
    assert noisy.evidence.method == "chebyshev" and "dense 1.6 s" in noisy.evidence.why
    assert exact.evidence.method == "chebyshev"  # 16 thousand products are quicker, and have no noise either
    with assuming(product=1e-4):
        exact = bdg.density_of_states(cube, ENERGIES, moments=64, vectors="all")
    assert exact.evidence.method == "dense" and "taken up to" not in exact.evidence.why


def test_local_density_of_states_takes_the_quickest_of_three(cube):
    many, two, one = np.linspace(-1, 1, 201), [3, 40], [0.3]
    cases = [
        (assuming(eigh=1e-3), many, two, 0.3, "chebyshev"),  # all energies at once
        (assuming(eigh=1e-3), one, None, 0.05, "green"),  # all sites at once
        (assuming(eigh=1e6), many, None, 0.05, "dense"),
    ]
    for rates, energies, sites, eta, expected in cases:
        with rates:
            found = bdg.local_density_of_states(cube, energies, sites, broadening=eta)
        assert found.evidence.method == expected
    reference = bdg.local_density_of_states(cube, many, two, broadening=0.3, method="dense")
    with assuming(eigh=1e-3):
        found = bdg.local_density_of_states(cube, many, two, broadening=0.3)
    assert (abs(found.values - reference.values) <= found.error + reference.error).all()


def test_single_precision_is_priced_where_it_is_taken(cube, monkeypatch):
    with assuming():
        single = bdg.estimate(cube, "density_of_states", energies=ENERGIES, moments=512, method="chebyshev")
        monkeypatch.setattr(traces, "SINGLE_PRECISION_ERROR", (1.0, 0.0))
        double = bdg.estimate(cube, "density_of_states", energies=ENERGIES, moments=512, method="chebyshev")
    assert double.seconds > 1.1 * single.seconds and double.gibibytes > 1.2 * single.gibibytes


def test_the_route_to_a_local_density_is_the_quicker_one(cube, monkeypatch):
    sites = np.arange(64)
    request = ldos_plan.Request(BdGHamiltonian(cube), np.array([0.1, 0.3]), sites, 0.05)
    dear = {"inverse_seconds": lambda *_: 1e9, "solve_seconds": lambda rates, symbolic, form, columns: 1e6 * columns}
    for name, route, columns in (
        ("inverse_seconds", "columns", 64),
        ("solve_seconds", "restricted selected inverse", 16),
    ):
        with monkeypatch.context() as patch:
            patch.setattr(cost, name, dear[name])
            plan, option = ldos_plan.green_plan(request, CPU)
            both, _ = ldos_plan.green_plan(dataclasses.replace(request, energies=np.array([-0.1, 0.1, 0.3])), CPU)
        assert plan.route == both.route == route and option.seconds < 1e8
        assert plan.columns == columns and both.columns == 2 * columns  # holes for the energies below zero
        assert plan.energies.size == both.energies.size == 2


def test_chebyshev_is_no_way_to_a_tiny_broadening(cube):
    """A Lorentzian of half width 1e-6 takes 2e8 moments."""
    found = bdg.local_density_of_states(cube, [0.3], [5], broadening=1e-6)
    assert found.evidence.method == "green" and "chebyshev not possible (takes" in found.evidence.why
    with pytest.raises(ValueError, match="takes .* moments with method='chebyshev', more than"):
        bdg.local_density_of_states(cube, [0.3], [5], broadening=1e-6, method="chebyshev")


def test_green_function_inverts_small_matrices_densely_where_there_are_many_energies(grid):
    system = grid((3, 3), delta=0.3, disorder=1.0)
    with assuming():
        one = bdg.green_function(system, 0.1 + 0.1j, [3, 5])  # not worth a choice
        many = bdg.green_function(system, np.linspace(-1, 1, 1500) + 0.1j, [3, 5])
    assert one.evidence.method == "multifrontal" and many.evidence.method == "dense"
    whole = np.linalg.inv(many.z[7] * np.eye(18) - BdGHamiltonian(system).matrix.toarray())
    rows = resolvent.site_rows(system, np.array([3, 5]))
    assert_allclose(many.values[7], whole[np.ix_(rows, rows)], atol=1e-12)


@pytest.mark.parametrize("kind", ["real", "complex", "spins", "spins, complex"])
@pytest.mark.parametrize("forms", [0.0, np.inf])
def test_the_form_of_the_factors_is_foreseen(grid, spinful, monkeypatch, kind, forms):
    """The form that is priced is the one that is made."""
    monkeypatch.setattr(resolvent, "IMAGINARY_FORM_FROM", {1: forms, 2: forms})
    system = grid((4, 4), delta=0.3, disorder=1.0)
    system = system.with_field(0.07) if "complex" in kind else system
    system = spinful(system).with_onsite(0.3 * SIGMA_Z) if "spins" in kind else system
    hamiltonian = BdGHamiltonian(system)
    for z in (0.3 + 0.1j, 0.2j, -0.2j, 0.3123 + 0j):
        form, general = resolvent_costs.form_at(hamiltonian, z, CPU)
        made = resolvent.Resolvent(hamiltonian, CPU).at(z)
        assert made.form.split()[0] == form
        if form in ("real", "complex"):
            assert general == made.form.endswith("general")


# -------------------------------------------------------------------------------------------------------------- memory


@pytest.fixture
def nothing_runs(monkeypatch):
    """Any computation is an error: what is refused is refused before."""

    def run(*_, **__):
        raise AssertionError("begun")

    monkeypatch.setattr(dense, "eigh", run)
    monkeypatch.setattr(dos, "NambuOperator", run)
    monkeypatch.setattr(ldos, "site_weights", run)
    monkeypatch.setattr(resolvent.Resolvent, "at", run)
    monkeypatch.setattr(
        sys.modules["bdg.densities.spectral_function"], "vector_weights", run
    )  # not the function of that name
    return monkeypatch


@pytest.mark.parametrize("name", CALLS)
def test_what_does_not_fit_is_refused_before_it_starts(cube, nothing_runs, name):
    function, arguments, methods = CALLS[name]
    nothing_runs.setattr(options, "available_bytes", lambda backend: 4096.0)
    with pytest.raises(MemoryBudgetError, match="does not fit: .*needs .* GiB.*of the sites would fit") as refused:
        function(cube, **arguments)
    assert all(f"{method} on the cpu needs" in str(refused.value) for method in methods)
    if len(methods) > 1:
        for method in methods:  # asked for by name: only that one
            with pytest.raises(MemoryBudgetError, match=f"does not fit: {method} on the cpu needs") as refused:
                function(cube, **arguments, method=method)
            assert not any(f"{other} on" in str(refused.value) for other in methods - {method})


def test_what_fits_is_taken_instead(cube, monkeypatch):
    """8 MiB hold neither a dense matrix of dimension 1024 (32 MiB) nor much else, but the vectors of an expansion."""
    monkeypatch.setattr(options, "available_bytes", lambda backend: 8.0 * 2**20)
    found = bdg.density_of_states(cube, ENERGIES, moments=64)
    assert found.evidence.method == "chebyshev" and "dense does not fit" in found.evidence.why
    local = bdg.local_density_of_states(cube, ENERGIES, [1, 4], broadening=0.2)
    assert local.evidence.method in ("green", "chebyshev") and "dense does not fit" in local.evidence.why


def test_results_of_many_energies_count(cube):
    few, many = (
        choice.block_options(BdGHamiltonian(cube), [CPU], np.full(n, 0.1 + 0.1j), np.arange(8), np.arange(8))
        for n in (1, 1001)
    )
    assert_allclose(many[0].bytes - few[0].bytes, 16.0 * 16**2 * (2 * 1001 - 1))  # stacked at the end


@pytest.mark.parametrize(("size", "vectors", "moments"), [(12, 8, 512), (18, 8, 512), (12, 64, 64), (8, "all", 64)])
def test_predicted_memory_of_the_density_is_what_it_takes(grid, size, vectors, moments):
    """NumPy tells tracemalloc of its arrays; SciPy's are NumPy's."""
    system = grid((size,) * 3, delta=0.3, disorder=1.0)
    _ = system.adjacency, system.pairing_block  # made once for a system
    expected = bdg.estimate(
        system, "density_of_states", energies=ENERGIES, moments=moments, vectors=vectors, method="chebyshev"
    )
    bdg.density_of_states(system, ENERGIES, moments=8, vectors=2, method="chebyshev", device="cpu")  # libraries load
    tracemalloc.start()
    bdg.density_of_states(system, ENERGIES, moments=moments, vectors=vectors, method="chebyshev", device="cpu")
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert 0.7 < expected.gibibytes * 2**30 / peak < 1.5


# ------------------------------------------------------------------------------------------------------------ estimate


def test_an_estimate_of_one_method_is_that_of_its_row(cube):
    for method in ("green", "dense", "chebyshev"):
        found = bdg.estimate(cube, "local_density_of_states", energies=ENERGIES, sites=[4], method=method)
        assert found.method == method and found.evidence.why == "as asked"
        row = found.methods.index(method)
        assert (found.seconds, found.gibibytes) == (found.all_seconds[row], found.all_gibibytes[row])
    many, few = (
        bdg.estimate(cube, "local_density_of_states", energies=ENERGIES, sites=[4], method="chebyshev", moments=moments)
        for moments in (20_000, 200)
    )
    assert few.seconds < 0.1 * many.seconds
    with pytest.raises(ValueError, match="method must be one of auto, lanczos"):
        bdg.estimate(cube, method="poles")


def test_the_moments_of_a_lorentzian_are_those_that_are_taken(cube):
    """About 24 s/eta with s the half width of the band."""
    found = bdg.local_density_of_states(cube, [0.1], [5], broadening=0.05, method="chebyshev")
    request = ldos_plan.Request(BdGHamiltonian(cube), np.array([0.1]), np.array([5]), 0.05)
    assert found.moments == pytest.approx(24 * found.evidence.spectral_bound / 0.05, rel=0.15)
    asked = dataclasses.replace(request, moments=found.moments)
    with assuming(product=1e-6):  # nothing but the products counts
        both = [ldos_plan.options(r, [CPU], ["chebyshev"])[0].seconds for r in (request, asked)]
    assert_allclose(both[0], both[1], rtol=1e-3)
