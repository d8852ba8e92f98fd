"""Current against phase: derivative of the free energy, self-consistent conservation, shapes, errors."""

import dataclasses
import math
import tracemalloc

import numpy as np
import pytest

import bdg
from bdg.currents.electrodes import deep_sites, depths
from bdg.currents.phase_curves import phase_curve, series
from bdg.lattices import Layer, stack

T = 0.05


def _junction(length=2, cross_section=(3, 3), *, attraction=2.6, size=3, **options):
    ends = {"delta": 0.4, "attraction": attraction}
    layers = [Layer(size, **ends), Layer(length, disorder=1.5), Layer(size, **ends)]
    return bdg.lattices.stack(layers, cross_section, mu=-0.7, seed=4, **options)


def _composite():
    return bdg.lattices.grain_composite(
        (6, 6, 6), 1, volume_fraction=0.25, diameter=3, mu=-0.8, delta=0.4, disorder=1, seed=3
    )


def _slope(energy, phase, step=2e-3):
    """Return dF/dphi by a five-point difference."""
    near, far = ((energy(phase + k * step) - energy(phase - k * step)) / (2 * k * step) for k in (1, 2))
    return (4 * near - far) / 3


@pytest.mark.filterwarnings("ignore::bdg.ConservationWarning")
@pytest.mark.parametrize("method", ["dense", "poles"])
@pytest.mark.parametrize("kind", ["stack", "field", "composite", "spinful"])
def test_current_is_the_derivative_of_the_free_energy(spinful, kind, method):
    between = None
    if kind == "composite":
        system, between = _composite(), (2, 1)
        assert system.n_grains > 3  # others stay where they are
    else:
        system = _junction()
        if kind == "field":
            system = system.with_field([0.02, 0.01, 0.05])
        if kind == "spinful":
            system = bdg.System(**{**vars(spinful(system)), "grain": system.grain, "shared": {}})
    first, last = between or (0, 1)
    phase = 1.1
    found = bdg.current_phase(system, [phase], T, between=between, method=method, tol=1e-11)
    biased = lambda p: system.with_phases({first: 0, last: p})  # noqa: E731
    energy = lambda p: bdg.free_energy(biased(p), T, method=method, tol=1e-11).value  # noqa: E731
    assert found.current[0] == pytest.approx(2 * _slope(energy, phase), rel=1e-6)
    assert found.free_energy[0] == pytest.approx(energy(phase), rel=1e-11)
    assert abs(found.current[0]) > 1e-3 and found.evidence.continuity < 1e-13


@pytest.mark.filterwarnings("ignore::bdg.ConservationWarning")
def test_current_of_a_stack_crosses_every_layer_of_the_normal_part():
    system = _junction(length=3)
    found = bdg.current_phase(system, [0.9], T)
    bonds = bdg.bond_currents(system.with_phases({1: 0.9}), T)
    layer = np.round(system.positions[:, 0]).astype(int)
    for cut in range(2, 6):
        crossing = (layer[bonds.bonds[:, 0]] <= cut) & (layer[bonds.bonds[:, 1]] > cut)
        assert bonds.currents[crossing].sum() == pytest.approx(found.current[0], rel=1e-9)


def test_self_consistent_junction_conserves_the_current():
    """Disordered 3-D S/N/S: div J vanishes to the solver's tolerance, and the phase stays put deep inside only."""
    system = _junction(size=4, cross_section=(3, 3))
    found = bdg.current_phase(system, [0.0, 0.25, 0.6], T, self_consistent=True, tol=1e-8)
    assert (
        found.conservation.max() < 1e-6 * found.current[2]
        and found.evidence.misplaced_share < 1e-5
        and found.evidence.warning == ""
    )
    assert found.current[2] > 0.05 and abs(found.current[0]) < 1e-9
    assert set(system.positions[found.deep, 0]) == {0, 1, 8, 9}
    solved = bdg.solve_gap(system.with_phases({1: 0.6}), T, tol=1e-8, pinned={"phase": found.deep})
    bonds = bdg.bond_currents(solved.system, T)
    assert abs(np.delete(bonds.divergence, found.deep)).max() < 1e-6 * found.current[2]
    phases = np.angle(solved.delta)
    assert abs(phases[found.deep] - 0.6 * (found.deep > 50)).max() < 1e-12
    assert 1e-3 < phases[2 * 9 : 4 * 9].min()  # between the deep part and N the phase has begun to turn

    # the current is the derivative of the self-consistent free energy, too
    def energy(phase):
        turned = solved.system.with_phases({1: phase - 0.6})
        return bdg.solve_gap(turned, T, tol=1e-9, pinned={"phase": found.deep}).free_energy

    step = 0.02
    assert (energy(0.6 + step) - energy(0.6 - step)) / step == pytest.approx(found.current[2], rel=2e-4)


@pytest.mark.slow
def test_self_consistent_between_two_grains_of_a_composite():
    system = _composite().with_delta(0)  # the start is made from the attraction
    system = bdg.System(**{**vars(system), "attraction": np.where(system.grain >= 0, 3.0, 0.0), "shared": {}})
    found = bdg.current_phase(system, [0.8], T, between=(0, 1), self_consistent=True)
    assert found.conservation[0] < 1e-5 * abs(found.current[0]) and found.current[0] > 1e-4
    assert set(system.grain[found.deep]) == {0, 1}


def test_an_imposed_gap_that_does_not_conserve_is_warned_of():
    with pytest.warns(bdg.ConservationWarning, match="charge is not conserved: .* self_consistent=True"):
        found = bdg.current_phase(_junction(), [0.5], T)
    assert "not conserved" in found.evidence.warning and found.evidence.misplaced_share > 0.1
    assert found.conservation[0] > 0.01 * found.current[0]
    flat = bdg.current_phase(_junction(), [0.0], T)  # no current, no warning
    assert flat.evidence.warning == ""


def test_zero_temperature_is_the_limit():
    system = bdg.lattices.stack([Layer(8, delta=0.4), Layer(1, onsite=0.5), Layer(8, delta=0.4)])
    with pytest.warns(bdg.ConservationWarning):
        zero, low = (bdg.current_phase(system, [0.4, 2.0], t) for t in (0, 1e-3))
    assert np.allclose(zero.current, low.current, rtol=0, atol=1e-9)
    assert np.allclose(zero.free_energy, low.free_energy, rtol=0, atol=1e-9)


def test_deep_sites_lie_far_from_what_is_not_of_the_grain():
    system = _junction(size=8, cross_section=(2, 2))
    assert np.array_equal(depths(system, 0).reshape(8, 4)[:, 0], np.arange(8, 0, -1))
    assert np.array_equal(np.unique(system.positions[deep_sites(system, 1), 0]), [15, 16, 17])
    alone = bdg.lattices.stack([Layer(5, delta=0.3)])
    assert np.array_equal(deep_sites(alone, 0), np.arange(5))


def _samples(phases, shift=0.0):
    return np.sin(phases + shift) - 0.3 * np.sin(2 * phases) + 0.05 * np.cos(2 * phases) * (shift != 0)


def test_harmonics_and_extrema_of_a_known_curve():
    half = np.linspace(0, np.pi, 13)
    odd = phase_curve(half, _samples(half), True)
    assert np.allclose(odd.harmonics[0, :4], [0, 1, -0.3, 0], atol=1e-12) and not odd.harmonics[1].any()
    grid = np.linspace(0, np.pi, 100001)
    exact = _samples(grid)
    assert odd.critical_current[0] == pytest.approx(exact.max(), rel=2e-3)
    assert odd.critical_current[1] == pytest.approx(grid[exact.argmax()], abs=0.01)  # samples are 0.26 apart
    assert abs(odd.diode) < 1e-14 and odd.complete
    assert odd.negative_phase == pytest.approx(2 * np.pi - odd.positive_phase)
    full = np.linspace(0, 2 * np.pi, 40, endpoint=False)
    general = phase_curve(full, _samples(full, 0.4), False)
    assert np.allclose(general.harmonics[:, 1], [np.cos(0.4), np.sin(0.4)]) and general.residual < 1e-13
    fine = _samples(np.linspace(0, 2 * np.pi, 100001), 0.4)
    assert general.positive == pytest.approx(fine.max(), rel=1e-3)
    assert general.negative == pytest.approx(-fine.min(), rel=1e-3)
    assert general.diode == pytest.approx((fine.max() + fine.min()) / (fine.max() - fine.min()), abs=1e-3)
    assert np.allclose(series(general.harmonics, full), _samples(full, 0.4))


def test_half_a_turn_without_symmetry_says_what_it_does_not_know():
    half = np.linspace(0, np.pi, 13)
    curve = phase_curve(half, _samples(half, 0.4), False)
    assert not curve.complete and math.isnan(curve.diode) and math.isnan(curve.negative)
    assert curve.critical_current[0] == curve.positive > 0
    assert phase_curve(np.array([0.3]), np.array([-0.2]), False).critical_current[0] == 0.2


def test_two_branches_at_the_same_phase_are_seen():
    phases = np.linspace(0, np.pi, 9)
    curve = phase_curve(phases, np.sin(phases / 2), True)  # still flowing at pi: a branch followed beyond its minimum
    assert curve.spread == pytest.approx(2) and curve.critical_current == (pytest.approx(1), pytest.approx(np.pi))


def test_phases_at_which_an_electrode_is_normal_are_no_part_of_the_curve():
    phases = np.linspace(0, np.pi, 13)
    lost = phases > 2.9
    gone = np.where(lost, 0.0, _samples(phases))
    curve = phase_curve(phases, gone, True, lost)
    assert np.allclose(curve.harmonics[0, :4], [0, 1, -0.3, 0], atol=1e-12)  # zeros among the samples would ring
    assert curve.critical_current == (gone.max(), phases[gone.argmax()])  # a sample, no parabola
    few = phase_curve(phases, np.where(phases > 0.6, 0.0, _samples(phases)), True, phases > 0.6)
    assert few.harmonics.shape == (2, 1) and not few.harmonics.any() and not few.complete
    assert few.critical_current[0] == _samples(phases)[2] and math.isnan(few.residual)
    none = phase_curve(phases, 0 * phases, True, np.ones(13, dtype=bool))
    assert none.critical_current == (0, 0) and none.diode == 0 and not none.harmonics.any()


def test_electrodes_that_turn_normal_are_a_result(tmp_path):
    """Just below Tc of phase 0 two sites of S cannot carry a phase of 2: Delta = 0 is stable, 10 sites."""
    ends = Layer(2, attraction=3, delta=0.05)
    system = stack([ends, Layer(1), ends], (2,), mu=-0.7)
    temperature = 0.995 * bdg.critical_temperature(system).temperature
    found = bdg.current_phase(system, [0.2, 2.0], temperature, self_consistent=True, tol=1e-4)
    assert np.array_equal(found.normal, [False, True]) and found.evidence.normal_phases == 1
    assert found.electrode_delta[0] > 0.05 and found.electrode_delta[1] == 0 == found.current[1]
    assert found.critical_current == found.current[0] > 0 and found.harmonics.shape == (2, 1)
    found.save(tmp_path / "curve.h5")
    assert np.array_equal(bdg.load(tmp_path / "curve.h5").normal, found.normal)
    axes = found.plot().axes[0]
    assert "normal" in axes.get_legend().get_texts()[2].get_text()
    assert all(line.get_xdata().max() < 0.1 for line in axes.lines if line.get_label() == "superconducting")
    older = dataclasses.replace(found, electrode_delta=np.empty(0))  # a file from before
    assert not older.normal.any() and older.plot()


@pytest.mark.filterwarnings("ignore::bdg.ConservationWarning")
def test_result_is_saved_and_drawn(tmp_path):
    found = bdg.current_phase(_junction(), np.linspace(0, np.pi, 5), T)
    found.save(tmp_path / "curve.h5")
    again = bdg.load(tmp_path / "curve.h5")
    assert np.array_equal(again.current, found.current) and again.critical_current == found.critical_current
    assert "warning" in again.evidence and found.plot().axes


@pytest.mark.filterwarnings("ignore::bdg.ConservationWarning")
def test_never_a_dense_matrix():
    """10^3 sites: the traced peak stays below a third of one real (2N, 2N) array."""
    system = _junction(length=4, cross_section=(10, 10))
    bdg.current_phase(system, [0.5], 0.2, tol=1e-3)  # orders and symbolic parts are made
    tracemalloc.start()
    found = bdg.current_phase(system, [1.0], 0.2, tol=1e-3, threads=1)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert found.evidence.method == "poles" and 3 * peak < 8 * (2 * system.n_sites) ** 2


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"phases": []}, "phases must be a non-empty list of real numbers"),
        ({"phases": [0, np.nan]}, "phases must be finite; got nan"),
        ({"phases": [1j]}, "phases must be a non-empty list of real numbers"),
        ({"between": (0, 2)}, "between names grain 2, but the system has 2 grains"),
        ({"between": (1, 1)}, "between must be two different grains"),
        ({"between": 1}, r"between must be two grain numbers \(first, last\)"),
        ({"pinned": [0]}, "pinned must hold sites of both grains; none of them lies in grain 1"),
        ({"pinned": [999]}, "pinned must be between 0 and"),
        ({"method": "poles", "temperature": 0}, "method='poles' needs temperature > 0"),
        ({"method": "kpm"}, "method must be one of auto, dense, poles"),
        ({"tol": -1}, "tol must be positive"),
        ({"max_iterations": 0, "self_consistent": True}, "max_iterations must be a whole number >= 1"),
        ({"system": "single"}, "a phase difference needs two grains; the system has 1"),
        ({"system": "no attraction", "self_consistent": True}, "system has no attraction"),
        ({"system": "bare", "self_consistent": True}, "sites without delta and without attraction"),
    ],
)
def test_bad_input_is_named(arguments, message):
    system = _junction(cross_section=())
    kind = arguments.pop("system", "")
    if kind == "single":
        system = bdg.lattices.stack([Layer(5, delta=0.3)])
    if kind == "no attraction":
        system = _junction(cross_section=(), attraction=0)
    if kind == "bare":
        middle = np.where((system.grain < 0) | (system.adjacency @ (system.grain < 0) > 0), 1.0, 0.0)
        system = bdg.System(**{**vars(system), "delta": 0 * system.delta, "attraction": middle, "shared": {}})
    options = {"phases": [0.5], "temperature": T, **arguments}
    phases, temperature = options.pop("phases"), options.pop("temperature")
    with pytest.raises(ValueError, match=message):
        bdg.current_phase(system, phases, temperature, **options)


def test_no_convergence_is_an_error_with_the_state():
    with pytest.raises(bdg.ConvergenceError, match="after 2 iterations") as caught:
        bdg.current_phase(_junction(cross_section=()), [1.0], T, self_consistent=True, max_iterations=2)
    assert caught.value.result is None  # no phase was done before
    assert caught.value.__cause__.result.delta.size == 8


def test_phases_before_one_that_cannot_be_held_are_kept():
    electrode = Layer(3, attraction=2.0, delta=0.5)
    short = stack([electrode, Layer(1), electrode], mu=-0.5)
    phases = np.linspace(0, np.pi, 7)
    with pytest.raises(
        bdg.ConvergenceError, match=r"at phi = 2\.0944: .* the phase cannot be held.* \(4 of 7 phases"
    ) as e:
        bdg.current_phase(short, phases, 0.02, self_consistent=True)
    assert np.array_equal(e.value.result.phases, phases[:4])
    assert e.value.result.current[3] > e.value.result.current[1] > 0


def test_no_current_is_no_reason_for_a_warning():
    """Above Tc every Delta vanishes, and what rounding leaves of the divergence is not a share of anything."""
    electrode = Layer(3, attraction=1.0, delta=0.5, disorder=1.0)
    found = bdg.current_phase(stack([electrode, Layer(2), electrode], (3, 3), seed=1), [1.0], 0.5, self_consistent=True)
    assert not found.evidence.warning and abs(found.current[0]) < 1e-12
