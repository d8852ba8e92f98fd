"""The self-consistent gap: a closed form, an independent iteration, pinned regions, filling, checkpoints, errors."""

import functools

import numpy as np
import pytest

import bdg
from bdg.condensate.gap import equation as gap_equation
from bdg.condensate.gap.mixing import GROWTH, AndersonMixing
from bdg.lattices import Layer, stack
from bdg.lattices.storage import ResultFileError


def _torus(size=8, mu=-0.5, attraction=2.5, **fields):
    hop = np.roll(np.eye(size), 1, axis=0)
    hop = hop + hop.T
    h = -np.kron(hop, np.eye(size)) - np.kron(np.eye(size), hop) - mu * np.eye(size**2)
    positions = np.stack(np.meshgrid(*[np.arange(size)] * 2, indexing="ij"), -1).reshape(-1, 2)
    return bdg.lattices.from_hamiltonian(
        h, positions, attraction=attraction, period=(float(size),) * 2, **{"grain": 0, **fields}
    )


def _uniform_gap(size, mu, attraction, temperature):
    """Solve 1 = U/N sum_k tanh(E/2T)/2E by bisection."""
    k = 2 * np.pi * np.arange(size) / size
    xi = -2 * np.cos(k)[:, None] - 2 * np.cos(k)[None] - mu

    def excess(delta):
        energy = np.hypot(xi, delta)
        thermal = np.tanh(energy / (2 * temperature)) if temperature else 1.0
        return attraction * np.mean(thermal / (2 * energy)) - 1

    low, high = 1e-9, 3.0
    for _ in range(100):
        middle = (low + high) / 2
        low, high = (middle, high) if excess(middle) > 0 else (low, middle)
    return low


@pytest.mark.parametrize("temperature", [0, 0.1, 0.25])
@pytest.mark.parametrize("method", ["dense", "poles"])
def test_uniform_gap_of_a_torus(temperature, method):
    if method == "poles" and not temperature:
        pytest.skip("poles need a temperature")
    found = bdg.solve_gap(_torus(), temperature, tol=1e-9, method=method)
    exact = _uniform_gap(8, -0.5, 2.5, temperature)
    assert found.converged and found.iterations < 30
    assert abs(found.delta - exact).max() < max(found.error, 1e-11) < 1e-9
    assert found.system.delta is not None and np.array_equal(found.system.delta, found.delta)
    assert found.free_energy == pytest.approx(bdg.free_energy(found.system, temperature, method="dense").value)


def test_above_tc_the_solution_is_the_normal_state():
    found = bdg.solve_gap(_torus(), 0.5)
    assert found.converged and not found.delta.any() and found.evidence.normal_state
    assert found.normal and "normal (Delta = 0)" in repr(found)
    assert "normal" in found.plot().axes[0].get_title()


@pytest.mark.parametrize("examined", [True, False])
def test_beside_imposed_pairing_zero_is_only_a_start(monkeypatch, examined):
    """A normal start must not pass for a normal state where Delta is imposed nearby, in large systems either."""
    if not examined:
        monkeypatch.setattr("bdg.condensate.gap.iteration.LARGEST_DIMENSION", 0)
    size = 12
    h = -(np.eye(size, k=1) + np.eye(size, k=-1))
    inside = np.arange(size) < 3
    system = bdg.lattices.from_hamiltonian(
        h, np.arange(size), delta=np.where(inside, 0.4, 0), attraction=np.where(inside, 0, 0.8), grain=inside - 1
    )
    found = bdg.solve_gap(system, 0.1, tol=1e-8, method="dense")
    amplitude = bdg.pair_amplitude(found.system, 0.1, method="dense").values
    assert not found.evidence.normal_state and abs(found.delta[3]) > 0.05
    assert abs(system.attraction * amplitude - found.delta)[~inside].max() < 1e-8


@functools.cache
def _composite():
    system = bdg.lattices.grain_composite(
        (6, 6, 6), 1, volume_fraction=0.2, diameter=3.5, mu=-1, delta=0.3, attraction=4.0, disorder=1, seed=2
    )
    return system


@pytest.mark.parametrize("kind", ["real", "phases and field", pytest.param("spinful", marks=pytest.mark.slow)])
def test_disordered_grains_obey_the_gap_equation(kind, spinful):
    system = _composite()
    if kind == "phases and field":
        system = system.with_field([0.0, 0.0, 0.02]).with_phases({0: 0.7})
    if kind == "spinful":
        system = spinful(system)
    found = bdg.solve_gap(system, 0.08, tol=1e-7)
    amplitude = bdg.pair_amplitude(found.system, 0.08, method="dense").values
    inside = system.attraction > 0
    residual = abs(system.attraction * amplitude - found.delta)[inside].max()
    assert residual < 3 * found.error < 1e-6
    assert abs(found.delta[inside]).min() > 0.05 and not found.delta[~inside].any()
    # the solution is a stationary point of the free energy: half of it to second order
    shaken = found.system.with_delta(found.delta * (1 + 1e-3))
    assert bdg.free_energy(shaken, 0.08).value > found.free_energy


def test_linear_mixing_finds_the_same_and_needs_more():
    anderson, linear = (bdg.solve_gap(_composite(), 0.05, tol=1e-6, mixing=m) for m in ("anderson", "linear"))
    assert abs(anderson.delta - linear.delta).max() < 2e-6
    assert anderson.iterations < linear.iterations


@pytest.mark.slow
def test_early_sums_are_rough_and_the_last_ones_are_not(monkeypatch):
    """As few iterations and the same result as with exact sums; the last evaluation has the accuracy of the result."""
    tol, film = 1e-6, _film()
    found = bdg.solve_gap(film, 0.2, tol=tol, method="poles")
    counts = found.evidence.sums_by_accuracy
    assert sum(counts.values()) == found.iterations and len(counts) >= 4
    assert list(counts)[-1] == f"{gap_equation.THERMAL_SHARE * tol:.0e}"
    assert counts[list(counts)[-1]] <= 0.6 * found.iterations
    monkeypatch.setattr(gap_equation, "RESIDUAL_SHARE", 0.0)
    monkeypatch.setattr(gap_equation, "QUICK_SHARE", 0.0)
    exact = bdg.solve_gap(film, 0.2, tol=tol, method="poles")
    assert list(exact.evidence.sums_by_accuracy) == list(counts)[-1:]
    assert found.iterations <= exact.iterations + 2
    assert abs(found.delta - exact.delta).max() < found.error + exact.error


def test_rough_sums_alone_are_not_enough(monkeypatch):
    """However small the error seems, the last evaluation must have the accuracy of the result."""
    monkeypatch.setattr(AndersonMixing, "error", lambda *_: 0.0)
    monkeypatch.setattr(gap_equation.GapUnknowns, "delta_error", lambda *_: 0.0)
    monkeypatch.setattr(gap_equation, "RANDOM", 1e4)
    found = bdg.solve_gap(_film(), 0.1, tol=1e-6, method="poles")
    assert list(found.evidence.sums_by_accuracy)[-1] == "5e-09" and found.iterations > 3
    assert found.evidence.relative_error <= 5e-9  # nor is single precision given more room there


def test_what_rough_sums_found_of_single_precision_is_not_trusted_in_the_last_one(monkeypatch):
    asked, whole = [], gap_equation.amplitude_sums

    def noted(*args, **options):
        asked.append((options["known"] is not None, options["slack"]))
        return whole(*args, **options)

    monkeypatch.setattr(gap_equation, "amplitude_sums", noted)
    bdg.solve_gap(_film(), 0.1, tol=1e-6, method="poles")
    assert asked[-1] == (False, 1.0) and (True, gap_equation.RANDOM) in asked


def _film(phase=0.0):
    layers = [bdg.lattices.Layer(5, delta=0.3, attraction=2.4, disorder=1, phase=p) for p in (0.0, phase)]
    layers.insert(1, bdg.lattices.Layer(2, disorder=1))
    return bdg.lattices.stack(layers, (24,), mu=-0.7, seed=1)


@pytest.mark.parametrize("phase", [0.0, pytest.param(1.1, marks=pytest.mark.slow)])
@pytest.mark.slow
def test_near_the_transition_smooth_changes_are_accelerated(phase):
    """The largest eigenvalue of the slope is 0.89; without the model it takes 1.5 times as many iterations."""
    film = _film(phase)
    x = film.positions[:, 0]
    pinned = {"phase": np.flatnonzero((x == x.min()) | (x == x.max()))} if phase else None
    found = bdg.solve_gap(film, 0.22, pinned=pinned)
    assert found.evidence.slowest_rate > 0.88 and found.evidence.slow_mode_strength > 0
    assert found.iterations <= 24
    sharp = bdg.solve_gap(found.system, 0.22, pinned=pinned, tol=1e-9)
    assert abs(found.delta - sharp.delta).max() < found.error < 1e-6 * abs(found.delta).max()
    if phase:  # held exactly, at every step of the way
        held = found.delta[pinned["phase"]]
        assert abs(np.angle(held * film.delta[pinned["phase"]].conj())).max() < 1e-12


@functools.cache
def _solved():
    """The composite at T = 0.1 from its own start."""
    return bdg.solve_gap(_composite(), 0.1)


@pytest.mark.slow
def test_warm_start_in_temperature():
    cold = _solved()
    warm = bdg.solve_gap(bdg.solve_gap(_composite(), 0.099).system, 0.10)
    assert abs(cold.delta - warm.delta).max() < 1e-6 and warm.iterations < cold.iterations


def test_pinned_sites_and_pinned_phases():
    chain = bdg.lattices.stack(
        [
            bdg.lattices.Layer(8, delta=0.5, attraction=2),
            bdg.lattices.Layer(3),
            bdg.lattices.Layer(8, delta=0.5, attraction=2, phase=1.2),
        ]
    )
    ends = [0, 18]
    found = bdg.solve_gap(chain, 0.05, pinned=ends)
    assert np.array_equal(found.delta[ends], chain.delta[ends])
    phases = bdg.solve_gap(chain, 0.05, pinned={"phase": ends})
    assert np.allclose(np.angle(phases.delta[ends]), [0, 1.2]) and abs(phases.delta[0]) != abs(chain.delta[0])
    free = np.setdiff1d(np.flatnonzero(chain.attraction), ends)
    amplitude = bdg.pair_amplitude(phases.system, 0.05, method="dense").values
    assert abs(2 * amplitude - phases.delta)[free].max() < 1e-6


def test_filling_and_hartree_shift():
    found = bdg.solve_gap(_torus(mu=0.0), 0.1, filling=0.7, hartree=True, tol=1e-8)
    assert found.density.mean() == pytest.approx(0.7, abs=1e-6)
    # uniform: the Hartree shift -U n/2 only moves the chemical potential
    mu = found.chemical_shift + 2.5 * 0.7 / 2
    assert found.delta == pytest.approx(_uniform_gap(8, mu, 2.5, 0.1), abs=1e-6)
    assert bdg.electron_density(found.system, 0.1).values.mean() == pytest.approx(0.7, abs=1e-5)
    plain = bdg.solve_gap(_torus(mu=0.0), 0.1, filling=0.7, tol=1e-8)
    assert plain.chemical_shift == pytest.approx(mu, abs=1e-6)


def test_an_interrupted_solution_goes_on_from_its_checkpoint(tmp_path):
    path = tmp_path / "gap.h5"
    with pytest.raises(bdg.ConvergenceError, match="after 4 iterations") as caught:
        bdg.solve_gap(_composite(), 0.1, checkpoint=path, max_iterations=4)
    assert caught.value.result.iterations == 4 and not caught.value.result.converged
    resumed = bdg.solve_gap(_composite(), 0.1, checkpoint=path)
    whole = _solved()
    assert resumed.evidence.resumed_after == 3 and resumed.iterations == whole.iterations
    assert np.array_equal(resumed.delta, whole.delta)
    with pytest.raises(ResultFileError, match="checkpoint of another system, temperature"):
        bdg.solve_gap(_composite(), 0.11, checkpoint=path)
    warm = bdg.solve_gap(caught.value.result.system, 0.1)
    assert abs(warm.delta - whole.delta).max() < 1e-6


def test_result_is_saved_and_drawn(tmp_path):
    found = bdg.solve_gap(_torus(), 0.1)
    found.save(tmp_path / "gap.h5")
    again = bdg.load(tmp_path / "gap.h5")
    assert np.array_equal(again.delta, found.delta) and np.array_equal(again.system.delta, found.delta)
    assert abs(again.system.hamiltonian - found.system.hamiltonian).max() == 0
    assert found.plot().axes


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda s: {"system": s.with_delta(0.3), "drop": True}, "system has no attraction"),
        (lambda s: {"pinned": range(64)}, "pinned covers every site with attraction"),
        (lambda s: {"pinned": {"amplitude": [1]}}, "must have the one key 'phase'"),
        (lambda s: {"pinned": {"phase": [1]}}, "holds sites where system.delta is 0"),
        (lambda s: {"pinned": [99]}, "pinned must be between 0 and 63; got 99"),
        (lambda s: {"mixing": "broyden"}, "mixing must be one of anderson, linear"),
        (lambda s: {"filling": 2.5}, "filling must lie between 0 and 2"),
        (lambda s: {"max_iterations": 0}, "max_iterations must be a whole number >= 1"),
        (lambda s: {"method": "poles", "temperature": 0}, "method='poles' needs temperature > 0"),
        (lambda s: {"tol": -1}, "tol must be"),
    ],
)
def test_bad_input_is_named(change, message):
    torus = _torus()
    arguments = change(torus)
    system = _torus(attraction=0.0) if arguments.pop("drop", False) else torus
    arguments.pop("system", None)
    temperature = arguments.pop("temperature", 0.1)
    if isinstance(arguments.get("pinned"), range):
        arguments["pinned"] = list(arguments["pinned"])
    with pytest.raises(ValueError, match=message):
        bdg.solve_gap(system, temperature, **arguments)


@pytest.mark.parametrize("rate", [0.5, 0.95, 0.995])
@pytest.mark.parametrize("memory", [0, 8])
def test_error_estimate_of_the_mixing(rate, memory):
    """A linear map whose slope has the eigenvalue ``rate``: the estimate is at least half of the truth."""
    rng = np.random.default_rng(0)
    basis = np.linalg.qr(rng.standard_normal((200, 200)))[0]
    slope = (basis * np.concatenate([[rate], rng.uniform(-0.3, 0.6, 199)])) @ basis.T
    shift = rng.standard_normal(200)
    exact = np.linalg.solve(np.eye(200) - slope, shift)
    state, point = AndersonMixing(memory=memory), np.zeros(200)
    count = 0
    for count in range(400):  # noqa: B007
        residual = slope @ point + shift - point
        following = state.next(point, residual)
        error = state.error(point, following, residual)
        if error < 1e-6 * abs(exact).max():
            break
        point = following
    else:
        assert memory == 0 and rate > 0.9  # linear mixing is slow, and knows it
    assert 0.5 * abs(point - exact).max() < error < 100 * abs(point - exact).max()
    assert memory == 0 or count < 30


def test_a_new_history_does_not_forget_how_slow_the_map_is():
    """After a residual that grew, the first points of the new history say nothing about slow directions."""
    state, point = AndersonMixing(), np.array([1.0, 1.0])
    slope = np.diag([0.99, 0.1])
    for _ in range(3):
        residual = slope @ point - point
        point = state.next(point, residual)
        point = 0.5 * (point + np.ones(2))  # keeps it from ending at once
    known = state.slowest_rate()
    assert known == pytest.approx(0.99, rel=1e-6)
    wild = 2 * GROWTH * state.best * np.ones(2)
    following = state.next(point, wild)
    assert state.restarts == 1 and state.slowest_rate() == known
    assert state.error(point, following, wild) > 50 * abs(wild).max()


def test_uncertain_residuals_do_not_make_a_map_look_repelling():
    """Directions in which the points differ by less than the residuals are off by say nothing about the slope."""
    rates = {}
    for known in (1e-3, 0.0):
        rng, state = np.random.default_rng(5), AndersonMixing()
        for number in range(8):
            away = 0.3**number * np.ones(50) + 1e-6 * rng.standard_normal(50)
            state.next(1 + away, -0.7 * away + 1e-4 * rng.standard_normal(50), known)
        rates[known] = state.slowest_rate()
    assert rates[1e-3] == pytest.approx(0.3, abs=0.05) and rates[0.0] > 1


def test_a_fixed_point_that_repels_is_left_quickly():
    """x' = 1.05 x - x^3 from 1e-3: 0 repels, sqrt(0.05) attracts; mixed linearly it takes about 100 steps to leave."""
    state, point, exact = AndersonMixing(), np.full(3, 1e-3), np.sqrt(0.05)
    for count in range(100):  # noqa: B007
        residual = 0.05 * point - point**3
        following = state.next(point, residual)
        if state.error(point, following, residual) < 1e-8:
            break
        point = following
    assert point == pytest.approx(exact, abs=1e-8) and count < 40


def _short_junction(n_electrode, phase):
    electrode = Layer(n_electrode, attraction=2.0, delta=0.5)
    return stack([electrode, Layer(1), electrode], mu=-0.5).with_phases({1: phase})


@pytest.mark.parametrize("phase", [1.5, 2.2, 3.0])
def test_held_phases_keep_their_sign(phase):
    """A negative amplitude would be the phase plus pi, and the current that of another junction."""
    found = bdg.solve_gap(_short_junction(4, phase), 0.02, pinned={"phase": [0, 8]})
    assert np.allclose(np.angle(found.delta[[0, 8]]), [0, phase], rtol=0, atol=1e-12)
    assert abs(found.delta[[0, 8]]).min() > 0.2


def test_a_phase_that_cannot_be_held_is_an_error():
    """Electrodes of three sites are drawn into the phase of the other one: the end would change its sign."""
    with pytest.raises(bdg.ConvergenceError, match=r"the phase cannot be held: Delta vanishes on 1 of the pinned") as e:
        bdg.solve_gap(_short_junction(3, 2.2), 0.02, pinned={"phase": [0, 6]})
    assert e.value.result.delta.shape == (7,)


def test_normal_ground_state_at_zero_temperature():
    empty = bdg.lattices.from_hamiltonian([[1.5]], [[0.0]], attraction=2.0)
    assert not bdg.solve_gap(empty, 0).delta.any()
    band = stack([Layer(6, attraction=1.0)], (4,), mu=-6.0)
    found = bdg.solve_gap(band, 0)
    assert found.converged and found.evidence.normal_state and not found.delta.any()


def test_atomic_limit():
    """Sites without hopping at zero energy: Delta = U/2 tanh(Delta/2T)."""
    sites = bdg.lattices.from_hamiltonian(np.zeros((2, 2)), [[0.0], [1.0]], attraction=2.0)
    delta = bdg.solve_gap(sites, 0.1, tol=1e-9).delta
    assert np.allclose(delta, np.tanh(delta / 0.2), rtol=0, atol=1e-8) and delta.min() > 0.9


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"tol": 2}, "tol must be below 1"),
        ({"hartree": "yes"}, "hartree must be True or False"),
        ({"checkpoint": 5}, "checkpoint must be the path of a file"),
        ({"checkpoint": "/"}, "checkpoint must be a file; / is a folder"),
    ],
)
def test_more_wrong_arguments(wrong, message):
    with pytest.raises((TypeError, ValueError), match=message):
        bdg.solve_gap(_short_junction(3, 0.0), 0.02, **wrong)
