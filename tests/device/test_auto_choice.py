"""The device that "auto" takes for densities and Green functions: by predicted seconds; small problems stay off it."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
from public_calls import make_system

import bdg
from bdg.gpu.cost import calibration
from bdg.gpu.cost.model import BUILT_IN

ENERGIES = np.linspace(-0.5, 0.5, 3)
CALLS = {
    "density": (bdg.density_of_states, {"energies": ENERGIES, "moments": 8, "method": "chebyshev"}),
    "local density": (bdg.local_density_of_states, {"energies": [0.1], "sites": [1, 4], "broadening": 0.3}),
    "green": (bdg.green_function, {"z": 0.1 + 0.3j, "sites": [1, 4]}),
    "spectral": (bdg.spectral_function, {"momenta": [[0.1, 0.2, 0.0]], "energies": ENERGIES, "moments": 8}),
}


def rates(call, work, where="gpu"):
    """Seconds of a call on a device, and everything else so many times as quick as built in."""
    built_in = BUILT_IN[where]
    named = ("gemm", "eigh", "product", "column")
    many = {name: {k: work * v for k, v in getattr(built_in, name).items()} for name in named}
    return calibration.assuming(dataclasses.replace(built_in, call=call, copy=work * built_in.copy, **many))


@pytest.mark.parametrize("name", CALLS)
def test_small_problems_stay_off_the_gpu(device, name):
    function, arguments = CALLS[name]
    with rates(1e-12, 1e6), device.counting() as counts:
        found = function(make_system("real", (6, 6, 5)), **arguments)
    assert found.evidence.device == "cpu" and counts.operations == 0 and "gpu" not in found.evidence.why


@pytest.mark.parametrize("name", CALLS)
def test_the_quicker_device_is_taken_and_both_are_named(device, name):
    """Dimension 2000 is compared: by rates of a GPU that is quick in everything, and of one with slow calls."""
    function, arguments = CALLS[name]
    system = make_system("real", (10, 10, 10))
    with rates(1e-12, 1e6), rates(1e-3, 1.0, "cpu"):  # what the CPU has done at once is not left for anything
        there = function(system, **arguments)
    with rates(1.0, 1.0), device.counting() as counts:
        here = function(system, **arguments)
    assert there.evidence.device == "gpu" and here.evidence.device == "cpu" and counts.operations == 0
    for found in (there, here):
        assert "on the gpu" in found.evidence.why
    assert np.allclose(there.values, here.values, atol=1e-4 * abs(here.values).max())  # some in single precision


def test_a_gpu_that_is_full_is_passed_over(device):
    device.free_bytes = 1024
    with rates(1e-12, 1e6):
        found = bdg.green_function(make_system("real", (10, 10, 10)), 0.1 + 0.3j, [1, 4])
    assert found.evidence.device == "cpu" and "multifrontal on the gpu does not fit" in found.evidence.why


def test_factors_that_only_the_host_holds_are_priced_with_their_transfers(device):
    """Between the fronts at work and all factors: the GPU keeps them in host memory, and so does the estimate."""
    system = make_system("real", (20, 20, 20))
    device.free_bytes = 500 << 20  # the tree is made for it: factors with their fronts take 267 MiB
    roomy = bdg.estimate(system, "green_function", z=0.1 + 0.1j, sites=[3], device="gpu")
    device.free_bytes = 240 << 20
    tight = bdg.estimate(system, "green_function", z=0.1 + 0.1j, sites=[3], device="gpu")
    assert tight.method == "multifrontal" and "factors in host memory" in tight.notes
    assert tight.gibibytes < roomy.gibibytes and tight.seconds > roomy.seconds
