"""Every public function on the checking array module: the results of the CPU, few transfers, no wait, no way around it.

`device="gpu"` finds the module where it would find CuPy, so all code between the public function and the array calls
runs as on a GPU. With the same sizes of fronts on both devices the sums are formed in the same order, and where nothing
else differs the results are equal bit for bit.
"""

import dataclasses
import inspect

import numpy as np
import pytest
from numpy.testing import assert_allclose
from public_calls import CALLS, EXPANSIONS, HOST_ONLY, KINDS, LOOPS, THERMAL, assert_came_from, call, make_system

import bdg
from bdg.gpu.cost import model as cost
from bdg.methods import options


def assert_equal(host, found, tolerance):
    for item in dataclasses.fields(host):
        expected, value = getattr(host, item.name), getattr(found, item.name)
        if item.name in ("evidence", "system", "u", "v", "residuals", "error", "device", "units"):
            continue
        if isinstance(expected, dict):
            assert expected.keys() == value.keys()
            expected, value = (list(x.values()) for x in (expected, value))
        if tolerance == 0 or np.asarray(expected).dtype.kind in "biU":
            assert np.array_equal(expected, value), item.name
        else:
            scale = max(1.0, np.max(abs(np.asarray(expected)), initial=0))
            assert_allclose(value, expected, rtol=0, atol=tolerance * scale)
    if hasattr(host, "residuals"):
        first, second = (np.concatenate([r.u, r.v]).reshape(-1, r.energies.size) for r in (host, found))
        overlaps = np.linalg.svd(first.conj().T @ second, compute_uv=False)
        assert_allclose(overlaps, 1, atol=1e-9)  # 1 - (residual over gap)^2
        assert max(host.residuals.max(), found.residuals.max()) < 1e-9


TWO_KINDS = ("real", "spins, complex")
ONCE = [name for name in CALLS if name not in LOOPS]
BETWEEN = ("flux", "spins")  # kinds that have nothing which no other kind has
PAIRS = [
    pytest.param(kind, name, marks=[pytest.mark.slow] * (kind in BETWEEN))
    for kind in KINDS
    for name in ONCE
    if kind in TWO_KINDS or name not in {**THERMAL, **EXPANSIONS}
]


@pytest.mark.parametrize(("kind", "name"), PAIRS)
def test_the_device_gives_what_the_cpu_gives(device, same_fronts, kind, name):
    system = make_system(kind)
    host = call(name, system, "cpu")
    assert device.counts().operations == 0 and host.evidence.device == "cpu"
    with device.counting() as counts:
        found = call(name, system, "gpu")
    assert_came_from(counts, found)
    assert_equal(host, found, CALLS[name][2])
    assert found.evidence.method == host.evidence.method


@pytest.mark.filterwarnings("ignore:charge is not conserved")  # the gap is imposed
@pytest.mark.parametrize("name", [name for name in CALLS if name in LOOPS])
@pytest.mark.parametrize("kind", TWO_KINDS)
def test_loops_give_what_they_give_on_the_cpu(device, same_fronts, kind, name):
    system = make_system(kind, (3, 2, 2))
    host = call(name, system, "cpu")
    assert device.counts().operations == 0 and host.evidence.device == "cpu"
    with device.counting() as counts:
        found = call(name, system, "gpu")
    assert_came_from(counts, found)
    assert_equal(host, found, CALLS[name][2])


@pytest.mark.parametrize("name", ONCE)
@pytest.mark.parametrize("kind", TWO_KINDS)
def test_with_the_fronts_of_each_device(device, kind, name):
    """Sums in another order: rounding, multiplied by what is inverted (1/w at poles, 1/|z - E|)."""
    system = make_system(kind)
    host, found = (call(name, system, where) for where in ("cpu", "gpu"))
    single = 10 * found.error if "single" in name else 0.0
    assert_equal(host, found, max(CALLS[name][2], 1e-11, single))


def test_auto_stays_on_the_device_that_was_asked_for(device, monkeypatch):
    """``device="gpu"`` never falls back, however small the system; what is chosen is the method."""
    monkeypatch.setattr("bdg.states.choice.DENSE_BELOW", 10)
    dense_option = options.dense_option  # the cost model would take it for so small a system
    monkeypatch.setattr(
        "bdg.states.choice.dense_option", lambda *given, **more: cost.longer(dense_option(*given, **more), 1e9)
    )
    system = make_system("real")
    with device.counting() as counts:
        states = bdg.bound_states(system, 4, device="gpu")
        count = bdg.count_states(system, 0.2, device="gpu")
    for result in (states, count):
        assert_came_from(counts, result)
        assert result.evidence.method == "lanczos"
    amplitude = bdg.pair_amplitude(system, 0.2, device="gpu")
    assert_came_from(counts, amplitude)
    with pytest.raises(ValueError, match="runs on the CPU only"):
        bdg.bound_states(system, 4, method="shift_invert", device="gpu")


def test_every_public_function_with_a_device_is_here():
    """A new one needs a line in CALLS (or a reason in HOST_ONLY), so that it is proven without a GPU."""
    public = {
        name
        for name in bdg.__all__
        if inspect.isfunction(getattr(bdg, name)) and "device" in inspect.signature(getattr(bdg, name)).parameters
    }
    assert public == {function.__name__ for function, _, _ in CALLS.values()} | set(HOST_ONLY)
